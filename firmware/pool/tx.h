/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Transactions on the pool: one operation's all-or-nothing set of changes.
 *
 * Invariants
 *  T1. Before a byte of shared state changes, tx_save() has put its old value into the undo log.
 *  T2. Whatever is saved stays under a lock that is held until the tx ends (strict two-phase).
 *  T3. Commit is one store: phase = TX_COMMITTED. Abort applies the log backwards; doing it
 *      twice is harmless.
 *  T4. What is too hot for T2 (free lists, hash chains, LRU, group bitmaps) changes in a
 *      mini-transaction: tx_mini_begin() .. tx_save() .. tx_mini_commit() under its own lock,
 *      which is dropped at once. If the outer tx may still abort, ownership is kept in the
 *      in-flight list.
 *  T5. Every operation, a reading one too, is between tx_begin() and tx_commit()/tx_abort();
 *      the locks taken with lock_*() are dropped there.
 *
 * Typical operation:
 *	tx_begin_change(x);
 *	err = lock_write(x, &dir->lock, RANK_INODE);
 *	raw = inode_edit(x, dir);  // tx_save inside
 *	raw->i_links_count++;
 *	return tx_end(x, err);	   // commit if 0, abort otherwise; gives err back
 */
#ifndef MPDISK_TX_H
#define MPDISK_TX_H

#include "journal/journal.h"
#include "pool/exec.h"

/* For what changes nothing on the medium. */
void tx_begin(struct exec *x);

/* For what may edit buffers: joins the journal's running transaction, for which it may have to
 * wait; so no lock may be held. */
static inline void tx_begin_change(struct exec *x)
{
	tx_begin(x);
	journal_join(x);
}

/* Bytes of the log that a record of len old bytes takes: they, and two words. */
#define UNDO_RECORD(len) ((((len) + 3u) & ~3u) + 8u)
/* Room at the end of the log that only hot_save() uses (cache.h). */
#define UNDO_RESERVE 1024u

/* Puts the old bytes of [p, p+len) (in the pool) into the undo log. -ENOSPC when the log is full:
 * the caller aborts. The operations are written so that a log of POOL_UNDO_SIZE is enough (long
 * ones use tx_restart). */
static inline int warn_unused tx_save(struct exec *x, const void *p, u32 len);

/* tx_save() of any length; of a few words; and of one, which most saves are. p word-aligned for
 * these. */
int warn_unused tx_save_range(struct exec *x, const void *p, u32 len);
int warn_unused tx_save_few(struct exec *x, const void *p, u32 len);
int warn_unused tx_save_word(struct exec *x, const void *p);

#define TX_FEW 40u /* bytes */

/* The old bytes lie in the log, and `tail` behind them: the record counts from here on. */
static inline void undo_close(struct exec *x, u32 *tail, u32 head, ref_t ref, u32 len)
{
	tail[0] = ref;
	tail[1] = len;
	exec_step(x);
	/* The record is whole before it counts, and counts before the caller changes a byte. */
	atomic_store_release(&x->slot->head, head + UNDO_RECORD(len));
	atomic_fence();
	exec_step(x);
}

/* tx_save_few() and tx_save_word() with a length that the compiler knows, and an end of the log. */
static inline int undo_save_here(struct exec *x, const void *p, u32 len, u32 limit)
{
	struct exec_slot *slot = x->slot;
	u32 head = slot->head;
	u32 *to = &slot->undo[head / 4];

#ifdef MPDISK_DEBUG
	plat_debug_save(x->plat, x->id, exec_ref(x, p), len);
#endif
	if (head + UNDO_RECORD(len) > limit)
		return -MP_ENOSPC;
	if (len == 4)
		*to = atomic_load(p); /* others may change it, as far as that goes */
	else
		__builtin_memcpy(to, p, len);
	undo_close(x, to + len / 4, head, exec_ref(x, p), len);
	return 0;
}

static inline int tx_save(struct exec *x, const void *p, u32 len)
{
	if (!POOL_ROBUST)
		return 0;
	/* a call would cost as much as the record; on the soft core, a line of code more than both
	 */
	if (POOL_SHARED && __builtin_constant_p(len) && len % 4 == 0 && len <= TX_FEW)
		return undo_save_here(x, p, len, POOL_UNDO_SIZE - UNDO_RESERVE);
	if (__builtin_constant_p(len) && len == 4)
		return tx_save_word(x, p);
	if (__builtin_constant_p(len) && len % 4 == 0 && len <= TX_FEW)
		return tx_save_few(x, p, len);
	return tx_save_range(x, p, len);
}

/* Bytes that nothing refers to but what the tx makes: they need no undo, an abort leaves them as
 * they are. For the check of debug builds that every byte is saved before it changes. */
static inline void tx_fresh(struct exec *x, const void *p, u32 len)
{
#ifdef MPDISK_DEBUG
	plat_debug_save(x->plat, x->id, exec_ref(x, p), len);
#else
	(void)x;
	(void)p;
	(void)len;
#endif
}

/* buf_edit() + tx_save() of bytes [off, off+len); *out points at them, to be changed. */
static inline int warn_unused buf_save(struct exec *x, struct frame *f, u32 off, u32 len,
				       void **out)
{
	int err = buf_edit(x, f);

	*out = (u8 *)frame_data(x, f) + off;
	return err ? err : tx_save(x, *out, len);
}

void tx_commit(struct exec *x);
void tx_abort(struct exec *x);

static inline int tx_end(struct exec *x, int err)
{
	if (err)
		tx_abort(x);
	else
		tx_commit(x);
	return err;
}

/* Commits what was done so far, keeps all locks, and opens the next tx: for work that is longer
 * than a log (truncate), which the caller has made safe to be cut off here (orphan list). */
void tx_restart(struct exec *x);

/* A savepoint: mini_commit makes what was saved since permanent, whatever becomes of the outer tx;
 * mini_abort takes it back. Minis do not nest. Returns the mark to hand back. */
u32 tx_mini_begin(struct exec *x);
void tx_mini_commit(struct exec *x, u32 mark);
void tx_mini_abort(struct exec *x, u32 mark);

/* Adds an in-flight entry; call inside the mini that allocates, before its commit. -ENOSPC: full.
 */
int warn_unused tx_inflight(struct exec *x, enum inflight_kind kind, u64 a, u32 b);

/*
 * Called by commit (frees) and abort (allocs): carries out the executor's in-flight entries of the
 * kinds that apply, each in its own mini. Implemented by fs/alloc.c, which owns the bitmaps.
 */
void inflight_settle(struct exec *x, bool committed);

#endif
