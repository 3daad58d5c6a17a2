/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Chooses dirty frames and writes them to their blocks. Pages go from where they are; buffers are
 * copied to the bounce area, so that a tx that edits one next waits for that moment only.
 *
 * Invariants
 *  W1. Who has claimed frames (FRAME_WRITING) submits them before it waits for anything but the
 *      medium and locks from RANK_HASH on, whose holders wait for nothing: page_drop() and
 *      buf_forget() wait for them with locks held. Debug builds panic (debug_claimed).
 *  W2. The bounce area, and clearing bits of the dirty map, belong to the holder of writeback_lock.
 *  W3. A buffer goes home only as a committed transaction has left it: sealed, and in no later
 *      one.
 */
#include "pool/writer.h"

#include "fs/inode.h"
#include "journal/journal.h"

/* ---- the writer */
void writer_init(struct writer *w)
{
	w->nio = 0;
	w->nframes = 0;
	w->written = 0;
	w->error = 0;
}

static void frame_written(struct exec *x, struct frame *f, int error)
{
	bool page = atomic_load(&f->kind) == FRAME_PAGE;

	if (error) {
		if (page) {
			struct inode *inode = page_inode(x, f);

			atomic_store((u32 *)&inode->io_error, (u32)error);
		}
		exec_step(x);
		atomic_or(&f->flags, FRAME_ERROR);
		exec_step(x);
		frame_mark_dirty(x, f); /* the next sync tries again */
	} else if (!page && atomic_load(&f->kind) == FRAME_BUF) {
		atomic_store(&f->log_tid, 0); /* home, whoever edits it meanwhile */
	}
	exec_step(x);
	frame_flags_change(x, f, FRAME_WRITING | FRAME_WORKER, 0);
	exec_step(x);
	frame_unpin(x, f);
}

void writer_run(struct exec *x, struct writer *w)
{
	u32 n = 0;

	for (u32 i = 0; i < w->nio; i++)
		plat_io_submit(x->plat, &w->io[i]);
#ifdef MPDISK_DEBUG
	x->claimed -= w->nframes;
#endif
	for (u32 i = 0; i < w->nio; i++) {
		int err = plat_io_wait(x->plat, &w->io[i]);

		exec_step(x);
		if (err && !w->error) {
			w->error = err;
			plat_log(x->plat, PLAT_ERR,
				 "%u blocks from %llu cannot be written: error %d", w->io[i].count,
				 (unsigned long long)w->io[i].block, -err);
		}
		/* before they are clean: who finds nothing to write flushes what was written */
		atomic_add(&x->pool->hdr->nwritten, 1);
		exec_step(x);
		for (u32 k = 0; k < w->io[i].count; k++)
			frame_written(x, frame_of(x, w->frame[n++]), err);
		if (!err)
			w->written += w->io[i].count;
	}
	w->nio = 0;
	w->nframes = 0;
}

/* Whether no more frame may be claimed before writer_run(). */
static bool writer_full(const struct writer *w)
{
	return w->nframes == WRITER_BATCH || w->nio == WRITER_REQUESTS;
}

/* Takes a claimed frame and its pin; its bytes are at ref. */
static void writer_add(struct exec *x, struct writer *w, struct frame *f, ref_t ref)
{
	struct plat_io *last = w->nio ? &w->io[w->nio - 1] : NULL;

#ifdef MPDISK_DEBUG
	x->claimed++;
#endif
	w->frame[w->nframes++] = frame_no(x, f);
	if (last && last->block + last->count == f->block &&
	    last->ref + last->count * BLOCK_SIZE == ref) {
		last->count++;
		return;
	}
	w->io[w->nio++] =
		(struct plat_io){.op = PLAT_WRITE, .count = 1, .block = f->block, .ref = ref};
}

int flush_medium(struct exec *x)
{
	struct pool_header *hdr = x->pool->hdr;
	u32 written = atomic_load_acquire(&hdr->nwritten);
	struct plat_io io = {.op = PLAT_FLUSH};
	int err;

	if (written == atomic_load(&hdr->nflushed))
		return 0;
	plat_io_submit(x->plat, &io);
	err = plat_io_wait(x->plat, &io);
	exec_step(x);
	if (!err)
		atomic_store(&hdr->nflushed, written);
	return err;
}

/* ---- one frame; the caller's pin is consumed */
void write_page(struct exec *x, struct writer *w, struct frame *f, bool wait)
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

static inline bool goes_home(const struct frame *f)
{
	return atomic_load(&f->log_tid) && !atomic_load(&f->run_tid);
}

/* Holds writeback_lock. Who edits it meanwhile has taken it into the running transaction. */
static void write_buffer(struct exec *x, struct writer *w, struct frame *f)
{
	bool claimed = false;
	ref_t ref;

	if (writer_full(w))
		writer_run(x, w);
	ref = x->pool->hdr->bounce + w->nframes * BLOCK_SIZE;
	if (buf_seal_begin(x, f)) {
		claimed = goes_home(f) && frame_claim_dirty(x, f, FRAME_WRITING | frame_worker(x));
		if (claimed)
			plat_copy(x->plat, exec_ptr(x, ref), frame_data(x, f), BLOCK_SIZE);
		buf_seal_end(x, f);
	}
	if (claimed)
		writer_add(x, w, f, ref);
	else
		frame_unpin(x, f);
}

/* ---- choosing frames */
static inline bool four_clear(const u32 *word)
{
	return !(atomic_load(word) | atomic_load(word + 1) | atomic_load(word + 2) |
		 atomic_load(word + 3));
}

fno_t dirty_next(const struct exec *x, fno_t fno)
{
	const struct pool_header *hdr = x->pool->hdr;
	const u32 *map = exec_ptr(x, hdr->dirty_map), *end = map + (hdr->nframes + 31) / 32;
	const u32 *word = map + fno / 32;
	u32 bits;

	if (fno >= hdr->nframes)
		return hdr->nframes;
	bits = atomic_load_acquire(word) & (~0u << fno % 32);
	while (!bits) {
		/* nearly all of it is clear, and every sync goes through all of it */
		while (end - word > 4 && four_clear(word + 1))
			word += 4;
		if (++word == end)
			return hdr->nframes;
		bits = atomic_load_acquire(word);
	}
	return (fno_t)(word - map) * 32 + (u32)__builtin_ctz(bits);
}

/* Only holders of writeback_lock read the map for completeness, so nobody misses the bit while it
 * is away. */
void dirty_forget(struct exec *x, struct frame *f)
{
	fno_t fno = frame_no(x, f);
	u32 *map = exec_ptr(x, x->pool->hdr->dirty_map);

	atomic_and(&map[fno / 32], ~(1u << fno % 32));
	exec_step(x); /* a frame that becomes dirty now is in the map again by frames_recover() */
	if (atomic_load(&f->flags) & (FRAME_DIRTY | FRAME_WRITING))
		atomic_or(&map[fno / 32], 1u << fno % 32);
}

/* By medium block: requests get long. Shell sort: short, in place, no worse when reversed. */
void sort_frames(const struct exec *x, fno_t *list, u32 n)
{
	u32 gap = n > 20 ? 13 : n > 4 ? 4 : 1;

	for (; gap; gap /= 3) {
		for (u32 i = gap; i < n; i++) {
			fno_t fno = list[i];
			blkno_t block = frame_of(x, fno)->block;
			u32 k = i;

			for (; k >= gap && frame_of(x, list[k - gap])->block > block; k -= gap)
				list[k] = list[k - gap];
			list[k] = fno;
		}
	}
}

/* Of a frame that is dirty or in work. Whose page it is can be told only when it is pinned. */
static bool is_chosen(const struct exec *x, const struct choice *c, const struct frame *f,
		      bool pinned)
{
	if (c->kind == CHOOSE_HOME)
		return atomic_load(&f->kind) == FRAME_BUF && goes_home(f);
	if (atomic_load(&f->kind) != FRAME_PAGE)
		return false;
	return c->kind == CHOOSE_PAGES || (POOL_SHARED && !pinned) ||
	       journal_orders(x, atomic_load(&page_inode(x, f)->order_tid));
}

u32 writer_choose(struct exec *x, const struct choice *c, fno_t *from, fno_t *list, u32 max)
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
		    (c->unpinned_only && atomic_load(&f->pins)) || !is_chosen(x, c, f, false))
			continue;
		if (!frame_try_pin(x, f))
			continue; /* frozen: not dirty any more */
		flags = atomic_load(&f->flags);
		if (!is_chosen(x, c, f, true) || !(flags & (FRAME_DIRTY | FRAME_WRITING)))
			frame_unpin(x, f);
		else
			list[n++] = fno;
	}
	sort_frames(x, list, n);
	return n;
}

void writer_list(struct exec *x, struct writer *w, const fno_t *list, u32 n, bool wait)
{
	for (u32 i = 0; i < n; i++) {
		struct frame *f = frame_of(x, list[i]);

		if (atomic_load(&f->kind) == FRAME_BUF)
			write_buffer(x, w, f);
		else
			write_page(x, w, f, wait);
	}
	writer_run(x, w);
}

void writer_all(struct exec *x, struct writer *w, const struct choice *c, u32 max)
{
	fno_t from = 0, list[WRITER_CHOICE];
	u32 start = w->written;

	while (w->written - start < max) {
		u32 n = writer_choose(x, c, &from, list,
				      min_of(WRITER_CHOICE, max - (w->written - start)));

		if (!n)
			break;
		writer_list(x, w, list, n, c->in_work);
	}
}
