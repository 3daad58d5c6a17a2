/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Frames: free list, hash chains, pins, eviction by a clock over the frame table.
 *
 * Frames are type-stable: who looks one up walks the chain without a lock, pins it, and looks at
 * its identity again. A frame that nobody may pin (free, being evicted) is FROZEN. Whoever brings
 * the pins of an ANON frame to 0 and can freeze it frees it. Chains change under their bucket's
 * lock, each change by a single store, so a dead executor leaves a whole chain.
 */
#include "fs/inode.h"
#include "platform/errno.h"
#include "platform/guard.h"
#include "pool/cache.h"

#define CLOCK_STEP 128u  /* frames that are looked at before dirty ones are written */
#define ALLOC_ROUNDS 64u /* attempts to free a frame by writing */

/* ---- identity */
static inline u32 *bucket_head(const struct exec *x, u32 bucket)
{
	return &x->pool->hash[bucket];
}

static inline u32 *bucket_lock(const struct exec *x, u32 bucket)
{
	return (u32 *)exec_ptr(x, x->pool->hdr->hash_locks) + bucket / 16;
}

static struct frame *chain_find(const struct exec *x, const u32 *head, enum frame_kind kind, u32 lo,
				u32 hi)
{
	fno_t fno = atomic_load_acquire(head);

	for (u32 n = 0; fno && n < x->pool->hdr->nframes; n++) {
		struct frame *f = frame_of(x, fno);

		if (frame_is(f, kind, lo, hi))
			return f;
		fno = atomic_load_acquire(&f->hash_next);
	}
	return NULL;
}

struct frame *frame_lookup_locked(struct exec *x, enum frame_kind kind, u32 lo, u32 hi)
{
	u32 bucket = frame_bucket(x, lo, hi);

	for (;;) {
		struct hot hot;
		struct frame *f;
		bool pinned = true;

		hot_begin(x, &hot, bucket_lock(x, bucket), RANK_HASH);
		f = chain_find(x, bucket_head(x, bucket), kind, lo, hi);
		if (f)
			pinned = frame_try_pin(x, f);
		hot_end(x, &hot);
		if (pinned)
			return f;
		exec_yield(x, &f->pins); /* it is being evicted and goes in a moment */
	}
}

struct frame *frame_insert(struct exec *x, struct frame *f, enum frame_kind kind, u32 lo, u32 hi)
{
	u32 bucket = frame_bucket(x, lo, hi);
	u32 *head = bucket_head(x, bucket);

	for (;;) {
		struct hot hot;
		struct frame *other;
		bool pinned = true;

		hot_begin(x, &hot, bucket_lock(x, bucket), RANK_HASH);
		other = chain_find(x, head, kind, lo, hi);
		if (other) {
			pinned = frame_try_pin(x, other);
		} else {
			atomic_store(&f->key_lo, lo);
			atomic_store(&f->key_hi, hi);
			atomic_store(&f->hash_next, atomic_load(head));
			atomic_store(&f->kind, kind);
			exec_step(x);
			/* The frame's fields are seen by who finds it. */
			atomic_store_release(head, frame_no(x, f));
		}
		hot_end(x, &hot);
		if (!other)
			return f;
		if (pinned)
			return other;
		exec_yield(x, &other->pins);
	}
}

/* Takes a frame that is pinned or frozen by the caller out of its hash chain. Idempotent. */
static void frame_unhash(struct exec *x, struct frame *f)
{
	u32 bucket = frame_bucket(x, f->key_lo, f->key_hi);
	u32 *link = bucket_head(x, bucket);
	struct hot hot;

	hot_begin(x, &hot, bucket_lock(x, bucket), RANK_HASH);
	while (atomic_load(link) && atomic_load(link) != frame_no(x, f))
		link = &frame_of(x, atomic_load(link))->hash_next;
	if (atomic_load(link))
		atomic_store_release(link, atomic_load(&f->hash_next));
	hot_end(x, &hot);
}

void frame_swap(struct exec *x, struct frame *old, struct frame *f, u32 flags)
{
	u32 bucket = frame_bucket(x, old->key_lo, old->key_hi);
	u32 *link = bucket_head(x, bucket);
	struct hot hot;

	hot_begin(x, &hot, bucket_lock(x, bucket), RANK_HASH);
	while (atomic_load(link) != frame_no(x, old))
		link = &frame_of(x, atomic_load(link))->hash_next;
	hot_save(x, link, 4);
	hot_save(x, &f->owner, 4);
	hot_save(x, &f->flags, 4);
	if (POOL_SHARED) { /* from here on old is nobody's, and to be detached */
		hot_save(x, &x->slot->detaching, 4);
		atomic_store(&x->slot->detaching, frame_no(x, old));
	}
	atomic_store(&f->hash_next, atomic_load(&old->hash_next));
	f->owner = 0;
	atomic_store(&f->flags, flags);
	exec_step(x);
	atomic_store_release(link, frame_no(x, f));
	exec_step(x);
	hot_end(x, &hot);
}

/* The pages of an inode are a ring: own_next is 0 outside of it, inode->pages is the first. */
static void page_unlist(struct exec *x, struct frame *f)
{
	struct inode *inode = page_inode(x, f);
	struct hot hot;

	hot_begin(x, &hot, &inode->pages_lock, RANK_HASH);
	if (f->own_next) {
		struct frame *next = frame_of(x, f->own_next), *prev = frame_of(x, f->own_prev);

		hot_save(x, &f->own_next, 8);
		hot_save(x, &next->own_next, 8);
		hot_save(x, &prev->own_next, 8);
		hot_save(x, &inode->pages, 8);
		if (inode->pages == frame_no(x, f))
			inode->pages = next == f ? 0 : f->own_next;
		atomic_store(&inode->npages, inode->npages - 1);
		next->own_prev = f->own_prev;
		prev->own_next = f->own_next;
		f->own_next = 0;
		f->own_prev = 0;
	}
	hot_end(x, &hot);
}

void frame_detach(struct exec *x, struct frame *f)
{
	if (POOL_SHARED)
		atomic_store(&x->slot->detaching, frame_no(x, f));
	exec_step(x);
	frame_unhash(x, f);
	exec_step(x);
	if (atomic_load(&f->kind) == FRAME_PAGE)
		page_unlist(x, f);
	exec_step(x);
	atomic_store_release(&f->kind, FRAME_ANON);
	exec_step(x);
	if (POOL_SHARED)
		atomic_store_release(&x->slot->detaching, 0);
}

/* ---- flags */
void frame_wait(struct exec *x, struct frame *f, u32 bits)
{
	u32 seen = atomic_load_acquire(&f->flags);

	while (seen & bits) {
		if (!(seen & FRAME_WAITERS)) {
			if (!atomic_cas(&f->flags, &seen, seen | FRAME_WAITERS))
				continue;
			seen |= FRAME_WAITERS;
		}
		exec_wait(x, &f->flags, seen, 1000);
		seen = atomic_load_acquire(&f->flags);
	}
}

void frame_flags_change(struct exec *x, struct frame *f, u32 clear, u32 set)
{
	u32 seen = atomic_load(&f->flags);

	while (!atomic_cas(&f->flags, &seen, (seen & ~(clear | FRAME_WAITERS)) | set))
		;
	if (seen & FRAME_WAITERS)
		plat_wake(x->plat, &f->flags);
}

void frame_mark_dirty(struct exec *x, struct frame *f)
{
	fno_t fno = frame_no(x, f);
	u32 *map = exec_ptr(x, x->pool->hdr->dirty_map);

	if (atomic_load(&f->flags) & FRAME_DIRTY)
		return;
	/* counted before, taken off the count after: a death leaves it too high */
	atomic_add(&x->pool->hdr->ndirty, 1);
	exec_step(x);
	if (atomic_or(&f->flags, FRAME_DIRTY) & FRAME_DIRTY) {
		atomic_add(&x->pool->hdr->ndirty, 0u - 1);
		return;
	}
	exec_step(x);
	/* after the flag: the map's reader clears a bit only if the flag is not set then */
	atomic_or(&map[fno / 32], 1u << fno % 32);
	exec_step(x);
}

bool frame_claim_dirty(struct exec *x, struct frame *f, u32 set)
{
	u32 seen = atomic_load(&f->flags);

	do {
		if (!(seen & FRAME_DIRTY) || (seen & FRAME_WRITING))
			return false;
	} while (!atomic_cas(&f->flags, &seen,
			     (seen & ~(FRAME_DIRTY | FRAME_OLD | FRAME_ERROR)) | set));
	exec_step(x);
	atomic_add(&x->pool->hdr->ndirty, 0u - 1);
	return true;
}

/* ---- free list and pins */
static struct frame *free_pop(struct exec *x)
{
	struct pool_header *hdr = x->pool->hdr;
	struct frame *f = NULL;
	struct hot hot;

	if (!atomic_load(&hdr->free_head))
		return NULL;
	hot_begin(x, &hot, &hdr->free_lock, RANK_FREE);
	if (hdr->free_head) {
		f = frame_of(x, hdr->free_head);
		hot_save(x, &hdr->free_head, 12);
		/* singly: somebody who lost his way may be looking at the first three */
		hot_save(x, &f->kind, 4);
		hot_save(x, &f->flags, 4);
		hot_save(x, &f->pins, 4);
		hot_save(x, &f->free_next, 8);
		atomic_store(&hdr->free_head, f->free_next);
		if (!f->free_next)
			hdr->free_tail = 0;
		hdr->nfree--;
		atomic_store(&f->free_next, 0);
		f->owner = x->id;
		atomic_store(&f->kind, FRAME_ANON);
		atomic_store(&f->flags, 0);
		/* somebody who lost his way may try to pin it from here on: he gives it back */
		atomic_store_release(&f->pins, PIN_MINE(x));
		plat_guard_frame(f);
	}
	hot_end(x, &hot);
	return f;
}

/* The frame is ANON and frozen by us. */
static void free_push(struct exec *x, struct frame *f)
{
	struct pool_header *hdr = x->pool->hdr;
	struct hot hot;

	hot_begin(x, &hot, &hdr->free_lock, RANK_FREE);
	hot_save(x, &hdr->free_head, 12);
	hot_save(x, &f->kind, 4);
	hot_save(x, &f->pins, 4);
	hot_save(x, &f->free_next, 8);
	atomic_store(&f->pins, FRAME_FROZEN);
	atomic_store(&f->kind, FRAME_FREE);
	f->owner = 0;
	atomic_store(&f->free_next, 0);
	if (hdr->free_tail) {
		struct frame *last = frame_of(x, hdr->free_tail);

		hot_save(x, &last->free_next, 4);
		atomic_store(&last->free_next, frame_no(x, f));
	} else {
		atomic_store(&hdr->free_head, frame_no(x, f));
	}
	hdr->free_tail = frame_no(x, f);
	hdr->nfree++;
	hot_end(x, &hot);
}

#ifndef MPDISK_SINGLE_HART
void pin_repeat(struct exec *x, u32 *word)
{
	struct pin_again *again = pin_again(x, word);

	if (!again) {
		if (x->nagain == EXEC_AGAIN)
			plat_panic(x->plat, "too many pins of one executor", __FILE__, __LINE__);
		again = &x->again[x->nagain++];
		again->word = word;
		again->n = 0;
	}
	again->n++;
}

bool pin_repeat_drop(struct exec *x, u32 *word)
{
	struct pin_again *again = pin_again(x, word);

	if (!again)
		return false;
	if (!--again->n)
		*again = x->again[--x->nagain];
	return true;
}
#endif

void frame_pin(struct exec *x, struct frame *f)
{
	if (!frame_try_pin(x, f))
		plat_panic(x->plat, "a frame is pinned that nobody has", __FILE__, __LINE__);
}

static __attribute__((noinline)) void frame_free(struct exec *x, struct frame *f)
{
	u32 seen = 0;

	exec_step(x);
	if (atomic_cas(&f->pins, &seen, PIN_FREEZE(x))) {
		exec_step(x);
		/* it may have been freed and become a page or buffer before we froze it */
		if (atomic_load(&f->kind) == FRAME_ANON)
			free_push(x, f);
		else
			atomic_store_release(&f->pins, 0);
	}
	exec_step(x);
}

void frame_unpin(struct exec *x, struct frame *f)
{
	u32 left = pin_drop(x, &f->pins);

	plat_guard_frame(f);
	if (!left && atomic_load(&f->kind) == FRAME_ANON)
		frame_free(x, f);
}

void frame_give(struct exec *x, struct frame *f)
{
	if (!POOL_SHARED)
		return;
	atomic_add(&f->pins, PIN_KEPT);
	exec_step(x);
	frame_unpin(x, f);
}

void frame_drop(struct exec *x, struct frame *f)
{
	u32 left;

	if (!POOL_SHARED) {
		frame_unpin(x, f);
		return;
	}
	left = atomic_add(&f->pins, 0u - PIN_KEPT);
	plat_guard_frame(f);
	if (!left && atomic_load(&f->kind) == FRAME_ANON)
		frame_free(x, f);
}

/* The session of a port is not in the pool: nobody recovers it. */
static void save_place(struct exec *x, const u32 *place)
{
	if ((uintptr_t)place - (uintptr_t)x->pool->base < x->pool->size)
		hot_save(x, place, 4);
}

void frame_place(struct exec *x, u32 *place, struct frame *f)
{
	struct hot hot;

	hot_begin(x, &hot, NULL, 0);
	save_place(x, place);
	hot_save(x, &f->owner, 4);
	hot_save(x, &f->pins, 4);
	f->owner = 0;
	if (POOL_SHARED)
		atomic_store(&f->pins, PIN_KEPT);
	exec_step(x);
	/* what is in it is seen by who finds it there */
	atomic_store_release(place, frame_no(x, f));
	hot_end(x, &hot);
}

void frame_displace(struct exec *x, u32 *place)
{
	struct frame *f = frame_of(x, *place);
	struct hot hot;

	hot_begin(x, &hot, NULL, 0);
	save_place(x, place);
	hot_save(x, &f->owner, 4);
	hot_save(x, &f->pins, 4);
	f->owner = x->id;
	atomic_store(&f->pins, PIN_MINE(x));
	exec_step(x);
	atomic_store(place, 0);
	hot_end(x, &hot);
	frame_unpin(x, f);
}

/* ---- eviction */
static bool evictable(struct frame *f)
{
	return !(atomic_load(&f->flags) & (FRAME_DIRTY | FRAME_WRITING | FRAME_READING)) &&
	       !(atomic_load(&f->editors));
}

static bool evict(struct exec *x, struct frame *f)
{
	u32 kind = atomic_load(&f->kind), seen = 0;

	if (!kind_cached(kind) || atomic_load(&f->pins) || !evictable(f))
		return false;
	if (atomic_load(&f->flags) & FRAME_REF) {
		atomic_and(&f->flags, ~FRAME_REF);
		return false;
	}
	exec_step(x);
	if (atomic_cas(&f->pins, &seen, PIN_FREEZE(x))) {
		exec_step(x);
		kind = atomic_load(&f->kind);
		if (kind_cached(kind) && evictable(f)) {
			frame_detach(x, f);
			f->owner = x->id;
			atomic_store(&f->flags, 0);
			exec_step(x);
			atomic_store_release(&f->pins, PIN_MINE(x));
			plat_guard_frame(f);
			exec_step(x);
			return true;
		}
		atomic_store_release(&f->pins, 0);
	}
	return false;
}

/* Looks at up to `limit` frames. If none can go the hand stays where it was. */
static struct frame *clock_evict(struct exec *x, u32 limit)
{
	struct pool_header *hdr = x->pool->hdr;
	fno_t first = (hdr->carve + BLOCK_SIZE - 1) >> BLOCK_SHIFT;
	u32 hand = atomic_load(&hdr->clock_hand);

	for (u32 n = 0; n < limit; n++) {
		struct frame *f;

		if (hand < first || hand >= hdr->nframes)
			hand = first;
		f = frame_of(x, hand++);
		if (evict(x, f)) {
			atomic_store(&hdr->clock_hand, hand);
			return f;
		}
	}
	return NULL;
}

/*
 * A little way along the clock there is mostly one to evict. If not, the dirty ones there are
 * written, and next time round they go; only when there is nothing to write either, all are looked
 * at.
 */
static __attribute__((noinline)) struct frame *frame_reclaim(struct exec *x)
{
	u32 errors = 0;

	for (u32 round = 0; round < ALLOC_ROUNDS && errors < 2; round++) {
		struct frame *f = clock_evict(x, CLOCK_STEP);
		int written = 0;

		if (!f)
			written = writeback_for_space(x, atomic_load(&x->pool->hdr->clock_hand));
		errors += written < 0;
		if (!f && written <= 0) {
			f = clock_evict(x, 2 * x->pool->hdr->nframes);
			if (!f)
				plat_yield(x->plat); /* others may have them in use or in work */
		}
		if (!f)
			f = free_pop(x);
		if (f)
			return f;
	}
	plat_log(x->plat, PLAT_ERR, "no frame is free: %u of %u are dirty, the rest is in use",
		 atomic_load(&x->pool->hdr->ndirty), x->pool->hdr->nframes);
	return NULL;
}

int frame_alloc(struct exec *x, struct frame **out)
{
	struct frame *f = free_pop(x);

	if (!f)
		f = frame_reclaim(x);
	*out = f;
	return f ? 0 : -MP_ENOMEM;
}

/* ---- recovery: everything may be done twice */
/* Whether the executor that reads or writes the frame, if any, is one that goes on. */
static bool worker_lives(const struct exec *as, u32 flags)
{
	const struct exec_slot *slots = exec_ptr(as, as->pool->hdr->slots);
	u32 id = (flags & FRAME_WORKER) >> FRAME_WORKER_SHIFT;

	return id && id <= POOL_EXECUTORS &&
	       (atomic_load_acquire(&slots[id - 1].state) & EXEC_STATE) == EXEC_USED;
}

/* A frame that was to leave its cache. Another page may have its block already: it is not to be
 * written after that one. */
static void detaching_recover(struct exec *as, struct frame *f)
{
	while (!frame_claim_dirty(as, f, 0)) {
		u32 flags = atomic_load_acquire(&f->flags);

		if (!(flags & (FRAME_WRITING | FRAME_READING | FRAME_DIRTY)) ||
		    !worker_lives(as, flags))
			break;
		exec_wait(as, &f->flags, flags, 10);
	}
	if (kind_cached(atomic_load(&f->kind)))
		frame_detach(as, f);
	atomic_store_release(&as->slot->detaching, 0);
	exec_step(as);
}

/* A frame that it was reading or writing: what was read is nothing, what was written is dirty. */
static void worker_recover(struct exec *as, struct frame *f, u32 dead_id)
{
	if (atomic_load(&f->flags) & FRAME_READING) {
		frame_detach(as, f);
		f->owner = dead_id;
		exec_step(as);
		frame_flags_change(as, f, FRAME_READING | FRAME_WORKER | FRAME_DIRTY, 0);
	} else {
		u32 kind = atomic_load(&f->kind);
		/* it had come home: who has it in a transaction by now makes it dirty himself */
		bool home =
			kind == FRAME_BUF && !atomic_load(&f->log_tid) && !atomic_load(&f->run_tid);

		if (kind != FRAME_ANON && !home)
			frame_mark_dirty(as, f);
		frame_flags_change(as, f, FRAME_WRITING | FRAME_WORKER, 0);
	}
	exec_step(as);
}

/* A frame that it had allocated and that was on the way into a cache at most. */
static void owner_recover(struct exec *as, struct frame *f)
{
	if (atomic_load(&f->kind) != FRAME_ANON)
		frame_detach(as, f);
	f->owner = 0;
	exec_step(as);
}

/* Its pin goes, and a frame that nobody has any more, or that it was evicting or freeing. */
static void pin_recover(struct exec *as, struct frame *f)
{
	u32 pins = atomic_load(&f->pins);

	if (pins == PIN_FREEZE(as)) {
		if (atomic_load(&f->kind) != FRAME_ANON)
			frame_detach(as, f);
		free_push(as, f);
		return;
	}
	if (pins & as->bit) {
		exec_step(as);
		atomic_and(&f->pins, ~as->bit);
		exec_step(as);
	}
	/* it, or who was the last before, may not have come to freeing it */
	if (atomic_load(&f->kind) == FRAME_ANON && !atomic_load(&f->pins))
		frame_free(as, f);
}

void frames_recover(struct exec *as, struct exec_slot *dead, u32 dead_id)
{
	struct pool_header *hdr = as->pool->hdr;
	u32 *map = exec_ptr(as, hdr->dirty_map), ndirty = 0;

	if (dead->detaching && dead->detaching < hdr->nframes)
		detaching_recover(as, frame_of(as, dead->detaching));
	for (fno_t fno = 1; fno < hdr->nframes; fno++) {
		struct frame *f = frame_of(as, fno);
		u32 kind = atomic_load(&f->kind);

		if (kind == FRAME_FREE)
			continue;
		if ((atomic_load(&f->flags) & FRAME_WORKER) == dead_id << FRAME_WORKER_SHIFT)
			worker_recover(as, f, dead_id);
		if (f->owner == dead_id)
			owner_recover(as, f);
		pin_recover(as, f);
		kind = atomic_load(&f->kind);
		if ((kind == FRAME_BUF || kind == FRAME_PAGE) &&
		    atomic_load(&f->flags) & FRAME_DIRTY) {
			/* it may have died between the flag and the map */
			if (!(atomic_load(&map[fno / 32]) >> fno % 32 & 1))
				atomic_or(&map[fno / 32], 1u << fno % 32);
			ndirty++;
		}
	}
	atomic_store(&hdr->ndirty, ndirty); /* a hint: others go on meanwhile */
}
