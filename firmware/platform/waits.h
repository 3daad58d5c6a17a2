/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Waking across machines that share a pool. Who waits by a futex on the word itself is woken by
 * one; a host whose kernel would stop as a whole in a futex (UML) is told through a FIFO of its
 * own, beside the pool file, which words to look at again.
 *
 * Invariants
 *  W1. A host's bit in `told` of a bucket is set before its waiter looks at a word of that bucket
 *      for the last time, and stays while it has waiters there. Who wakes has changed the word
 *      before it looks at `told`. So either the waiter sees the change or the waker the bit.
 *  W2. Only the host itself changes its bits; after its death its recoverer clears them.
 */
#ifndef MPDISK_WAITS_H
#define MPDISK_WAITS_H

#include "platform/types.h"

#define WAITS_BUCKETS 64u

struct plat_waits { /* 320 bytes */
	u32 futex;  /* atomic: a bit per host that waits by futexes */
	u32 reserved[15];
	u32 told[WAITS_BUCKETS]; /* atomic: by bucket of words, a bit per host that is to be told */
};
_Static_assert(sizeof(struct plat_waits) == 320, "struct plat_waits");

/* The bucket of the word at this offset of the pool. One byte with it is what a FIFO carries. */
static inline u32 waits_bucket(ref_t word)
{
	return (word >> 2) * 2654435769u >> 26;
}
_Static_assert(WAITS_BUCKETS == 1u << (32 - 26), "waits_bucket");

#endif
