/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Builds for fuzzing (MPDISK_GUARD, one executor at a time): the pool is one mapping, so a wild
 * reference into it would go unnoticed. Here the platform closes what nobody may touch: frames that
 * are not pinned, every second frame, and a gap behind each area that is carved.
 */
#ifndef MPDISK_GUARD_H
#define MPDISK_GUARD_H

#include "platform/types.h"

struct frame;

#ifdef MPDISK_GUARD
#define GUARD_STRIDE 2u /* of the frames one in so many is used, the others stay closed */
#define GUARD_GAP 64u   /* bytes behind an area */
#define GUARD_BLOCKS 1u /* blocks behind what the recovery of the journal uses */

/* The bytes of [p, p+len) must not be touched from now on. */
void plat_guard_close(const void *p, u32 len);
void plat_guard_open(const void *p, u32 len);
/* The frame's pins, editors or transaction have changed: it is open while it has any. */
void plat_guard_frame(const struct frame *f);
#else
#define GUARD_STRIDE 1u
#define GUARD_GAP 0u
#define GUARD_BLOCKS 0u

static inline void plat_guard_close(const void *p, u32 len)
{
	(void)p;
	(void)len;
}

static inline void plat_guard_open(const void *p, u32 len)
{
	(void)p;
	(void)len;
}

static inline void plat_guard_frame(const struct frame *f)
{
	(void)f;
}
#endif

#endif
