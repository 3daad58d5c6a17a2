/* SPDX-License-Identifier: BSD-2-Clause */
/* Inside of the frame caches: for pool/frame.c, buffer.c, page.c, writeback.c only. */
#ifndef MPDISK_CACHE_H
#define MPDISK_CACHE_H

#include "platform/atomic.h"
#include "platform/guard.h"
#include "pool/frame.h"
#include "pool/lock.h"
#include "pool/pin.h"
#include "pool/undo.h"
#include "pool/wait.h"

/*
 * Hot minis: changes to chains and lists under their own lock, which wait for nothing and cannot
 * fail. On the single hart of the soft core nobody runs in between and the pool does not outlive
 * the core, so there they cost nothing. They may be inside another mini. lock NULL: what changes
 * is the executor's alone for the moment.
 */
struct hot {
	u32 *lock;
	u32 mark;
	u32 mini;
};

static inline void hot_begin(struct exec *x, struct hot *hot, u32 *lock, enum lock_rank rank)
{
#ifdef MPDISK_SINGLE_HART
	(void)x;
	(void)hot;
	(void)lock;
	(void)rank;
#else
	if (lock)
		lock_mini(x, lock, rank);
	hot->lock = lock;
	if (!POOL_ROBUST)
		return;
	hot->mark = x->slot->head;
	hot->mini = x->mini;
	x->mini = hot->mark + 1;
#endif
}

static inline void hot_save(struct exec *x, const void *p, u32 len)
{
#ifdef MPDISK_SINGLE_HART
	(void)x;
	(void)p;
	(void)len;
#else
	int err;

	if (!POOL_ROBUST)
		return;
	if (__builtin_constant_p(len) && len % 4 == 0 && len <= TX_FEW)
		err = undo_save_here(x, p, len, POOL_UNDO_SIZE);
	else
		err = undo_save(x, p, len, POOL_UNDO_SIZE);
	if (err)
		plat_panic(x->plat, "the undo log's reserve is too small", __FILE__, __LINE__);
#endif
}

static inline void hot_end(struct exec *x, struct hot *hot)
{
#ifdef MPDISK_SINGLE_HART
	(void)x;
	(void)hot;
#else
	if (POOL_ROBUST) {
		exec_step(x);
		atomic_store_release(&x->slot->head, hot->mark);
		x->mini = hot->mini;
		exec_step(x);
	}
	if (hot->lock)
		lock_drop(x, hot->lock);
#endif
}

/* Whether a frame of this kind is in the hash. */
static inline bool kind_cached(u32 kind)
{
	return kind >= FRAME_BUF && kind <= FRAME_NOTE;
}

static inline bool frame_try_pin(struct exec *x, struct frame *f)
{
	if (!pin_try(x, &f->pins))
		return false;
	plat_guard_frame(f);
	return true;
}

static inline bool frame_is(const struct frame *f, enum frame_kind kind, u32 lo, u32 hi)
{
	return atomic_load(&f->key_lo) == lo && atomic_load(&f->key_hi) == hi &&
	       atomic_load(&f->kind) == kind;
}

static inline u32 frame_bucket(const struct exec *x, u32 lo, u32 hi)
{
	return (lo + hi * 2654435761u) & x->pool->hash_mask;
}

/* Under the bucket's lock there is no doubt: not found is not there. */
struct frame *frame_lookup_locked(struct exec *x, enum frame_kind kind, u32 lo, u32 hi);
/* The hashed frame of this identity, pinned, or NULL. */
static inline struct frame *frame_lookup(struct exec *x, enum frame_kind kind, u32 lo, u32 hi)
{
	fno_t fno = atomic_load_acquire(&x->pool->hash[frame_bucket(x, lo, hi)]);
	u32 n = 0;

	/* a walk that is long has lost its way, in a chain that changes */
	for (; fno && (!POOL_SHARED || n < 64); n++) {
		struct frame *f = frame_of(x, fno);

		if (frame_is(f, kind, lo, hi)) {
			if (!POOL_SHARED) {
				f->pins++;
				return f;
			}
			exec_jitter(x);
			if (!frame_try_pin(x, f))
				break;
			if (frame_is(f, kind, lo, hi))
				return f;
			frame_unpin(x, f);
			break;
		}
		fno = atomic_load_acquire(&f->hash_next);
	}
	return POOL_SHARED ? frame_lookup_locked(x, kind, lo, hi) : NULL;
}
/* Hashes the caller's ANON frame, whose other fields are ready. Returns it, or the one that was
 * there already, pinned. */
struct frame *frame_insert(struct exec *x, struct frame *f, enum frame_kind kind, u32 lo, u32 hi);
/* In the hash, f takes the place of old, which the caller has pinned; its fields are ready but for
 * owner, which becomes 0, and flags. A death leaves the one or the other there. */
void frame_swap(struct exec *x, struct frame *old, struct frame *f, u32 flags);
/* Takes a frame that the caller has pinned or frozen out of its hash chain and its inode's list,
 * and makes it ANON of nobody. Not dirty, not under I/O. */
void frame_detach(struct exec *x, struct frame *f);

/* Waits while any of the bits is set in flags. */
void frame_wait(struct exec *x, struct frame *f, u32 bits);
/* Changes flags and wakes who waits on them. */
void frame_flags_change(struct exec *x, struct frame *f, u32 clear, u32 set);
/* Sets DIRTY and keeps the counts. */
void frame_mark_dirty(struct exec *x, struct frame *f);
static inline struct inode *page_inode(const struct exec *x, const struct frame *f)
{
	return exec_ptr(x, f->csum_owner);
}

static inline u32 frame_worker(const struct exec *x)
{
	return x->id << FRAME_WORKER_SHIFT;
}

/* Takes DIRTY away and sets `set` in the same step; false if it is not dirty or is being written.
 */
bool frame_claim_dirty(struct exec *x, struct frame *f, u32 set);

/* Writes some dirty frames that nobody has pinned, for their place, those from `from` on first.
 * Waits for the medium but for no executor. Number written; a negative errno if nothing could be.
 */
int writeback_for_space(struct exec *x, fno_t from);

/* Debug builds: what a tx changes in a buffer it has saved (platform.h, plat_debug_edit). */
static inline void debug_edit(struct exec *x, const struct frame *f)
{
#ifdef MPDISK_DEBUG
	const u32 others = ~(x->bit | FRAME_EDIT_WAITERS);

	plat_debug_edit(x->plat, x->id, frame_ref(x, f), !(atomic_load(&f->editors) & others));
	/* somebody who touches it since then: before or after the bytes were looked at? */
	if (atomic_load(&f->editors) & others)
		plat_debug_touch(x->plat, frame_ref(x, f));
#else
	(void)x;
	(void)f;
#endif
}

static inline void debug_save(struct exec *x, ref_t ref, u32 len)
{
#ifdef MPDISK_DEBUG
	plat_debug_save(x->plat, x->id, ref, len);
#else
	(void)x;
	(void)ref;
	(void)len;
#endif
}

static inline void debug_touch(struct exec *x, const struct frame *f)
{
#ifdef MPDISK_DEBUG
	plat_debug_touch(x->plat, frame_ref(x, f));
#else
	(void)x;
	(void)f;
#endif
}

static inline void debug_end(struct exec *x)
{
#ifdef MPDISK_DEBUG
	plat_debug_end(x->plat, x->id);
#else
	(void)x;
#endif
}

/* A moment in which nobody edits the buffer; false: somebody does, or has it like this. */
bool buf_seal_begin(struct exec *x, struct frame *f);
void buf_seal_end(struct exec *x, struct frame *f);
/* Waits while somebody else has it so. */
void buf_seal_wait(struct exec *x, struct frame *f);

/* For a change that belongs to no tx: sealing a bitmap puts its sum into the descriptor. */
void buf_touch_begin(struct exec *x, struct frame *f);
void buf_touch_end(struct exec *x, struct frame *f);

/* Recovery: the frame that a dead executor was evicting or freeing, and those it had allocated. */
void frames_recover(struct exec *as, struct exec_slot *dead, u32 dead_id);

#endif
