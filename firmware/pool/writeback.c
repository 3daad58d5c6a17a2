/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Writes dirty frames to the medium. Pages go from where they are; buffers are sealed and copied to
 * the bounce area, so that a tx that edits one next waits for that moment only.
 *
 * Invariants
 *  W1. Who has claimed frames (FRAME_WRITING) submits them before it waits for anything but the
 *      medium: page_drop() and buf_forget() wait for them with locks held.
 *  W2. The bounce area, and clearing bits of the dirty map, belong to the holder of writeback_lock.
 *  W3. Bitmaps are written before descriptors (sealing a bitmap edits its descriptor), those before
 *      the superblock.
 */
#include "fs/csum.h"
#include "fs/inode.h"
#include "platform/errno.h"
#include "pool/cache.h"

#define BATCH POOL_BOUNCE
#define CHOICE 64u /* frames chosen and sorted at a time */
#define REQUESTS 8u
#define AGE_MS 5000u

/* Frames by what is written after what. */
enum order { ORDER_PAGE, ORDER_BITMAP, ORDER_OTHER, ORDER_GDT, ORDER_SUPER, ORDERS };

/* Frames claimed and not yet written: contiguous ones in one request. */
struct writer {
	struct plat_io io[REQUESTS];
	u32 nio;
	u32 nframes;
	fno_t frame[BATCH]; /* in the order of the requests */
	u32 written;
	int error; /* the first */
};

static enum order frame_order(const struct frame *f)
{
	if (atomic_load(&f->kind) == FRAME_PAGE)
		return ORDER_PAGE;
	switch (frame_csum_kind(f)) {
	case CSUM_BLOCK_BITMAP:
	case CSUM_INODE_BITMAP:
		return ORDER_BITMAP;
	case CSUM_GDT:
		return ORDER_GDT;
	case CSUM_SUPER:
		return ORDER_SUPER;
	default:
		return ORDER_OTHER;
	}
}

/* ---- the writer */
static void writer_init(struct writer *w)
{
	w->nio = 0;
	w->nframes = 0;
	w->written = 0;
	w->error = 0;
}

static void frame_written(struct exec *x, struct frame *f, int error)
{
	if (error) {
		if (atomic_load(&f->kind) == FRAME_PAGE) {
			struct inode *inode = page_inode(x, f);

			atomic_store((u32 *)&inode->io_error, (u32)error);
		}
		atomic_or(&f->flags, FRAME_ERROR);
		frame_mark_dirty(x, f); /* the next sync tries again */
	}
	frame_flags_change(x, f, FRAME_WRITING | FRAME_WORKER, 0);
	frame_unpin(x, f);
}

/* Writes what was claimed, and waits for it. */
static void writer_run(struct exec *x, struct writer *w)
{
	u32 n = 0;

	for (u32 i = 0; i < w->nio; i++)
		plat_io_submit(x->plat, &w->io[i]);
	for (u32 i = 0; i < w->nio; i++) {
		int err = plat_io_wait(x->plat, &w->io[i]);

		if (err && !w->error) {
			w->error = err;
			plat_log(x->plat, PLAT_ERR,
				 "%u blocks from %llu cannot be written: error %d", w->io[i].count,
				 (unsigned long long)w->io[i].block, -err);
		}
		for (u32 k = 0; k < w->io[i].count; k++)
			frame_written(x, frame_of(x, w->frame[n++]), err);
		if (!err)
			w->written += w->io[i].count;
	}
	w->nio = 0;
	w->nframes = 0;
}

/* Whether one more frame may be claimed before writer_run(). */
static bool writer_full(const struct writer *w)
{
	return w->nframes == BATCH || w->nio == REQUESTS;
}

/* Takes a claimed frame and its pin; its bytes are at ref. */
static void writer_add(struct exec *x, struct writer *w, struct frame *f, ref_t ref)
{
	struct plat_io *last = w->nio ? &w->io[w->nio - 1] : NULL;

	w->frame[w->nframes++] = frame_no(x, f);
	if (last && last->block + last->count == f->block &&
	    last->ref + last->count * BLOCK_SIZE == ref) {
		last->count++;
		return;
	}
	w->io[w->nio++] =
		(struct plat_io){.op = PLAT_WRITE, .count = 1, .block = f->block, .ref = ref};
}

/* ---- one frame; the caller's pin is consumed */
static void write_page(struct exec *x, struct writer *w, struct frame *f, bool wait)
{
	if (writer_full(w))
		writer_run(x, w);
	for (;;) {
		if (frame_claim_dirty(x, f, FRAME_WRITING | frame_worker(x))) {
			writer_add(x, w, f, frame_ref(x, f));
			return;
		}
		if (!wait || !(atomic_load(&f->flags) & (FRAME_DIRTY | FRAME_WRITING)))
			break;
		writer_run(x, w); /* W1 */
		frame_wait(x, f, FRAME_WRITING);
	}
	frame_unpin(x, f);
}

static bool seal_begin(struct exec *x, struct frame *f)
{
	u32 seen = 0;

	atomic_store(&x->slot->sealing, frame_no(x, f));
	exec_step(x);
	if (atomic_cas(&f->editors, &seen, FRAME_SEALING))
		return true;
	atomic_store_release(&x->slot->sealing, 0);
	return false;
}

static void seal_end(struct exec *x, struct frame *f)
{
	u32 old = atomic_and(&f->editors, ~(FRAME_SEALING | FRAME_EDIT_WAITERS));

	if (old & FRAME_EDIT_WAITERS)
		plat_wake(x->plat, &f->editors);
	exec_step(x);
	atomic_store_release(&x->slot->sealing, 0);
}

/* Waits until no open tx edits the buffer. */
static void editors_wait(struct exec *x, struct frame *f)
{
	u32 seen = atomic_load(&f->editors);

	while (seen) {
		if (!(seen & FRAME_EDIT_WAITERS)) {
			if (!atomic_cas(&f->editors, &seen, seen | FRAME_EDIT_WAITERS))
				continue;
			seen |= FRAME_EDIT_WAITERS;
		}
		exec_wait(x, &f->editors, seen, 1000);
		seen = atomic_load(&f->editors);
	}
}

/* Seals a dirty buffer and copies it out. 1: done, it is claimed; 0: busy, not now. */
static int seal_copy(struct exec *x, struct frame *f, ref_t ref)
{
	int err;

	if (!seal_begin(x, f))
		return 0;
	err = csum_seal(x, f);
	if (!err && frame_claim_dirty(x, f, FRAME_WRITING | frame_worker(x))) {
		plat_copy(x->plat, exec_ptr(x, ref), frame_data(x, f), BLOCK_SIZE);
		err = 1;
	}
	seal_end(x, f);
	return err == -MP_EAGAIN ? 0 : err;
}

/* Holds writeback_lock. */
static void write_buffer(struct exec *x, struct writer *w, struct frame *f, bool wait)
{
	if (writer_full(w))
		writer_run(x, w);
	while (atomic_load(&f->flags) & FRAME_DIRTY) {
		ref_t ref = x->pool->hdr->bounce + w->nframes * BLOCK_SIZE;
		int done = seal_copy(x, f, ref);

		if (done > 0) {
			writer_add(x, w, f, ref);
			return;
		}
		if (done < 0 && !w->error)
			w->error = done;
		if (done < 0 || !wait)
			break;
		writer_run(x, w); /* W1 */
		if (atomic_load(&f->editors))
			editors_wait(x, f);
		else
			plat_yield(x->plat); /* the group's lock is taken: its holder goes on */
	}
	frame_unpin(x, f);
}

/* ---- choosing frames */
/* The next set bit of the dirty map at or after fno, or nframes. */
static fno_t dirty_next(const struct exec *x, fno_t fno)
{
	const struct pool_header *hdr = x->pool->hdr;
	const u32 *map = exec_ptr(x, hdr->dirty_map), *end = map + (hdr->nframes + 31) / 32;
	const u32 *word = map + fno / 32;
	u32 bits;

	if (fno >= hdr->nframes)
		return hdr->nframes;
	bits = atomic_load_acquire(word) & (~0u << fno % 32);
	while (!bits) {
		if (++word == end)
			return hdr->nframes;
		bits = atomic_load_acquire(word);
	}
	return (fno_t)(word - map) * 32 + (u32)__builtin_ctz(bits);
}

/* Where deaths make the count a hint, the map says it. */
static bool any_dirty(const struct exec *x)
{
	const struct pool_header *hdr = x->pool->hdr;

	return POOL_SHARED ? dirty_next(x, 0) < hdr->nframes : atomic_load(&hdr->ndirty) != 0;
}

/* Holds writeback_lock: only its holders read the map for completeness, so nobody misses the bit
 * while it is away. */
static void dirty_forget(struct exec *x, struct frame *f)
{
	fno_t fno = frame_no(x, f);
	u32 *map = exec_ptr(x, x->pool->hdr->dirty_map);

	atomic_and(&map[fno / 32], ~(1u << fno % 32));
	if (atomic_load(&f->flags) & (FRAME_DIRTY | FRAME_WRITING))
		atomic_or(&map[fno / 32], 1u << fno % 32);
}

static inline bool goes_after(const struct exec *x, fno_t a, fno_t b)
{
	const struct frame *f = frame_of(x, a), *g = frame_of(x, b);

	if (frame_order(f) != frame_order(g))
		return frame_order(f) > frame_order(g);
	return f->block > g->block;
}

/* By order and medium block: requests get long. Shell sort: short, in place, no worse when
 * reversed. */
static void sort_frames(const struct exec *x, fno_t *list, u32 n)
{
	u32 gap = n > 20 ? 13 : n > 4 ? 4 : 1;

	for (; gap; gap /= 3) {
		for (u32 i = gap; i < n; i++) {
			fno_t fno = list[i];
			u32 k = i;

			for (; k >= gap && goes_after(x, list[k - gap], fno); k -= gap)
				list[k] = list[k - gap];
			list[k] = fno;
		}
	}
}

struct choice {
	u32 orders; /* a bit for each enum order */
	bool old_only;
	bool unpinned_only;
	bool in_work; /* also those that somebody else is writing now */
	bool holder;  /* of writeback_lock */
};

/* Up to max frames from *from on, pinned. */
static u32 choose(struct exec *x, const struct choice *c, fno_t *from, fno_t *list, u32 max)
{
	u32 n = 0;

	while (n < max) {
		fno_t fno = dirty_next(x, *from);
		struct frame *f;
		u32 flags;

		*from = fno + 1;
		if (fno >= x->pool->hdr->nframes)
			break;
		f = frame_of(x, fno);
		flags = atomic_load(&f->flags);
		if (!(flags & (FRAME_DIRTY | FRAME_WRITING))) {
			if (c->holder)
				dirty_forget(x, f);
			continue;
		}
		if ((!(flags & FRAME_DIRTY) && !c->in_work) ||
		    (c->old_only && !(flags & FRAME_OLD)) ||
		    (c->unpinned_only && atomic_load(&f->pins)) ||
		    !(c->orders >> frame_order(f) & 1))
			continue;
		if (!frame_try_pin(x, f))
			continue; /* frozen: not dirty any more */
		flags = atomic_load(&f->flags);
		if ((atomic_load(&f->kind) != FRAME_BUF && atomic_load(&f->kind) != FRAME_PAGE) ||
		    !(flags & (FRAME_DIRTY | FRAME_WRITING)))
			frame_unpin(x, f);
		else
			list[n++] = fno;
	}
	sort_frames(x, list, n);
	return n;
}

/* Writes the sorted list; each order is on the medium before the next one begins. */
static void write_list(struct exec *x, struct writer *w, const fno_t *list, u32 n, bool wait)
{
	for (u32 i = 0; i < n; i++) {
		struct frame *f = frame_of(x, list[i]);
		enum order order = frame_order(f);

		if (i && order != frame_order(frame_of(x, list[i - 1])))
			writer_run(x, w);
		if (order == ORDER_PAGE)
			write_page(x, w, f, wait);
		else
			write_buffer(x, w, f, wait);
	}
	writer_run(x, w);
}

static int write_order(struct exec *x, struct writer *w, enum order order, bool wait, bool old_only,
		       u32 max)
{
	struct choice c = {
		.orders = 1u << order, .old_only = old_only, .in_work = wait, .holder = true};
	fno_t from = 0, list[CHOICE];
	u32 start = w->written;

	while (w->written - start < max) {
		u32 n = choose(x, &c, &from, list, min_of(CHOICE, max));

		if (!n)
			break;
		write_list(x, w, list, n, wait);
	}
	return w->error;
}

/* The usual case in one look at the map: everything that is dirty fits into one list. Returns the
 * order with which to go on. */
static u32 write_few(struct exec *x, struct writer *w)
{
	struct choice c = {.orders = (1u << ORDERS) - 1, .in_work = true, .holder = true};
	fno_t from = 0, list[CHOICE];
	u32 n;

	if (atomic_load(&x->pool->hdr->ndirty) >= CHOICE)
		return ORDER_PAGE;
	n = choose(x, &c, &from, list, CHOICE);
	if (n < CHOICE) {
		write_list(x, w, list, n, true);
		return ORDER_GDT; /* sealing a bitmap may have made a descriptor dirty */
	}
	while (n)
		frame_unpin(x, frame_of(x, list[--n]));
	return ORDER_PAGE;
}

/* ---- the whole cache */
int cache_sync(struct exec *x)
{
	struct plat_io io = {.op = PLAT_FLUSH};
	struct writer w;
	u32 first;
	int err;

	if (x->slot->phase != 0 || x->slot->nheld)
		plat_panic(x->plat, "cache_sync inside a tx", __FILE__, __LINE__);
	writer_init(&w);
	lock_mini(x, &x->pool->hdr->writeback_lock, RANK_WRITEBACK);
	first = write_few(x, &w);
	for (u32 order = first; order < ORDERS; order++) {
		/* pages may be in somebody else's work; buffers only in ours */
		if (order > ORDER_PAGE && !any_dirty(x))
			break;
		(void)write_order(x, &w, order, true, false, ~0u);
	}
	lock_drop(x, &x->pool->hdr->writeback_lock);
	plat_io_submit(x->plat, &io);
	err = plat_io_wait(x->plat, &io);
	return w.error ? w.error : err;
}

/* What is dirty now is old when this is called next. */
static void mark_old(struct exec *x)
{
	for (fno_t fno = dirty_next(x, 0); fno < x->pool->hdr->nframes;
	     fno = dirty_next(x, fno + 1)) {
		struct frame *f = frame_of(x, fno);

		if (atomic_load(&f->flags) & FRAME_DIRTY)
			atomic_or(&f->flags, FRAME_OLD);
		else if (!(atomic_load(&f->flags) & FRAME_WRITING))
			dirty_forget(x, f);
	}
}

int cache_writeback(struct exec *x, u32 max)
{
	struct pool_header *hdr = x->pool->hdr;
	u32 now = (u32)plat_ms(x->plat);
	bool old_only = atomic_load(&hdr->ndirty) < hdr->nframes / 4;
	struct writer w;

	if (!any_dirty(x) || !lock_mini_try(x, &hdr->writeback_lock, RANK_WRITEBACK))
		return 0;
	writer_init(&w);
	for (u32 order = 0; order < ORDERS && w.written < max && !w.error; order++)
		(void)write_order(x, &w, order, false, old_only, max - w.written);
	if (now - hdr->age_ms >= AGE_MS) {
		hdr->age_ms = now;
		mark_old(x);
	}
	lock_drop(x, &hdr->writeback_lock);
	return w.error ? w.error : (int)w.written;
}

/* Unpinned dirty frames from `from` on, then those before it, until some are written. */
static void write_unpinned(struct exec *x, struct writer *w, const struct choice *c, fno_t from)
{
	bool wrapped = from <= 1;
	fno_t list[BATCH];

	while (!w->written && !w->error) {
		u32 n = choose(x, c, &from, list, BATCH);

		write_list(x, w, list, n, false);
		if (n)
			continue;
		if (wrapped)
			break;
		wrapped = true;
		from = 0;
	}
}

int writeback_for_space(struct exec *x, fno_t from)
{
	struct pool_header *hdr = x->pool->hdr;
	struct choice c = {.orders = 1u << ORDER_PAGE, .unpinned_only = true};
	struct writer w;

	writer_init(&w);
	write_unpinned(x, &w, &c, from);
	if (w.written || !lock_mini_try(x, &hdr->writeback_lock, RANK_WRITEBACK))
		return w.written ? (int)w.written : w.error;
	/* Sealing the others needs other buffers, which may need frames. */
	c.orders = 1u << ORDER_OTHER;
	c.holder = true;
	write_unpinned(x, &w, &c, from);
	lock_drop(x, &hdr->writeback_lock);
	return w.written ? (int)w.written : w.error;
}

void cache_drop_all(struct exec *x)
{
	for (fno_t fno = 1; fno < x->pool->hdr->nframes; fno++) {
		struct frame *f = frame_of(x, fno);
		u32 kind = atomic_load(&f->kind);

		if ((kind != FRAME_BUF && kind != FRAME_PAGE) || !frame_try_pin(x, f))
			continue;
		(void)frame_claim_dirty(x, f, 0);
		frame_detach(x, f);
		frame_unpin(x, f);
	}
}

/* ---- pages of one inode */
/* The next dirty pages of the inode in the range, pinned; those being written are waited for. */
static u32 choose_pages(struct exec *x, struct inode *inode, lblk_t first, lblk_t last, fno_t *list)
{
	struct hot hot;
	fno_t fno;
	u32 n = 0;

	hot_begin(x, &hot, &inode->pages_lock, RANK_HASH);
	fno = inode->pages;
	for (u32 left = inode->npages; left && n < CHOICE; left--) {
		struct frame *f = frame_of(x, fno);

		fno = f->own_next;
		if (f->key_lo >= first && f->key_lo <= last &&
		    (atomic_load(&f->flags) & (FRAME_DIRTY | FRAME_WRITING)) && frame_try_pin(x, f))
			list[n++] = frame_no(x, f);
	}
	hot_end(x, &hot);
	sort_frames(x, list, n);
	return n;
}

int page_flush(struct exec *x, struct inode *inode, lblk_t first, lblk_t last)
{
	struct writer w;
	fno_t list[CHOICE];
	u32 n, seen;

	writer_init(&w);
	while (!w.error && (n = choose_pages(x, inode, first, last, list))) {
		for (u32 i = 0; i < n; i++)
			write_page(x, &w, frame_of(x, list[i]), true);
		writer_run(x, &w);
	}
	seen = atomic_load((u32 *)&inode->io_error);
	while (seen && !atomic_cas((u32 *)&inode->io_error, &seen, 0))
		;
	return w.error ? w.error : (int)seen;
}
