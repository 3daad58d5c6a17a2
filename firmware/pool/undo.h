/* SPDX-License-Identifier: BSD-2-Clause */
/* Inside of the pool's transactions: for tx.c, recover.c and buffer.c only. */
#ifndef MPDISK_UNDO_H
#define MPDISK_UNDO_H

#include <string.h>

#include "platform/atomic.h"
#include "pool/tx.h"

/* A single word may be one that others change without a lock, as far as that goes. */
static inline void undo_copy_words(u32 *to, const u32 *from, u32 words)
{
	if (words == 1) {
		*to = atomic_load(from);
		return;
	}
	if (POOL_SHARED) {
		memcpy(to, from, words * 4);
		return;
	}
	for (; words >= 4; words -= 4, to += 4, from += 4) {
		u32 a = from[0], b = from[1], c = from[2], d = from[3];

		to[0] = a;
		to[1] = b;
		to[2] = c;
		to[3] = d;
	}
	for (; words; words--)
		*to++ = *from++;
}

/* Back to where they were. Others may look at words without a lock (hash chains, hints): each is
 * whole at any moment. */
static inline void undo_restore(void *to, const u32 *from, u32 len)
{
	u8 *p = to;
	u32 i;

	if (((uintptr_t)to | len) & 3) {
		memcpy(p, from, len);
		return;
	}
	for (i = 0; i < len; i += 4)
		atomic_store((u32 *)(void *)(p + i), *from++);
}

/* tx_save() with another end of the log. */
int warn_unused undo_save(struct exec *x, const void *p, u32 len, u32 limit);

/* Applies the slot's log backwards down to mark. The slot may be a dead executor's. */
void undo_roll_back(struct exec *x, struct exec_slot *slot, u32 mark);

/* The end of a tx, committed or rolled back: its buffers may be written, what was in flight is
 * settled, phase IDLE. */
void tx_settle(struct exec *x, bool committed);

/*
 * Recovery of what a dead executor did to inode slots; `as` acts in its name, its tx has ended and
 * its locks are released: the slot that it was filling or emptying, its pins, and the end of those
 * inodes that wait for nobody else. Implemented by fs/icache_put.c. Idempotent.
 */
void inodes_recover(struct exec *as);

/* Takes the executor's bit off the buffers in slot->edited[]. Idempotent. */
void buf_edits_end(struct exec *x);

#endif
