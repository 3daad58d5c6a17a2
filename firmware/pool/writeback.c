/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * When dirty frames are written: on demand (sync), with time (the flusher), and when frames are
 * short.
 */
#include "fs/inode.h"
#include "journal/journal.h"
#include "pool/writer.h"

#define AGE_MS 5000u

/* Where users may store through a mapping, they have. */
static void dirty_stored(struct exec *x, struct frame *f)
{
	if (POOL_SHARED && atomic_load(&f->kind) == FRAME_PAGE && atomic_load(&f->stores))
		frame_mark_dirty(x, f);
}

static void dirty_all_stored(struct exec *x)
{
	if (!POOL_SHARED || !atomic_load(&x->pool->hdr->stores))
		return;
	for (fno_t fno = 1; fno < x->pool->hdr->nframes; fno++) {
		struct frame *f = frame_of(x, fno);

		if (atomic_load(&f->kind) != FRAME_PAGE || !atomic_load(&f->stores) ||
		    !frame_try_pin(x, f))
			continue;
		dirty_stored(x, f); /* pinned, it stays what it is */
		frame_unpin(x, f);
	}
}

int cache_sync_holder(struct exec *x)
{
	struct choice pages = {.kind = CHOOSE_PAGES, .in_work = true, .holder = true};
	struct writer w;
	int err;

	writer_init(&w);
	dirty_all_stored(x);
	writer_all(x, &w, &pages, ~0u);
	err = journal_commit(x);
	return w.error ? w.error : err;
}

int cache_sync(struct exec *x)
{
	int err;

	if (x->slot->phase != 0 || x->slot->nheld)
		plat_panic(x->plat, "cache_sync inside a tx", __FILE__, __LINE__);
	journal_take(x);
	err = cache_sync_holder(x);
	journal_drop(x);
	return err;
}

/* What is dirty now is old when this is called next. */
static void mark_old(struct exec *x)
{
	for (fno_t fno = dirty_next(x, 0); fno < x->pool->hdr->nframes;
	     fno = dirty_next(x, fno + 1)) {
		struct frame *f = frame_of(x, fno);

		exec_step(x);
		if (atomic_load(&f->flags) & FRAME_DIRTY)
			atomic_or(&f->flags, FRAME_OLD);
		else if (!(atomic_load(&f->flags) & FRAME_WRITING))
			dirty_forget(x, f);
	}
}

/* The count is wrong after a death; nobody dies on the soft core. */
static bool anything_dirty(const struct exec *x)
{
	const struct pool_header *hdr = x->pool->hdr;

	return POOL_SHARED ? dirty_next(x, 0) < hdr->nframes : atomic_load(&hdr->ndirty) != 0;
}

int cache_writeback(struct exec *x, u32 max)
{
	struct pool_header *hdr = x->pool->hdr;
	u32 now = (u32)plat_ms(x->plat);
	struct choice c = {.kind = CHOOSE_PAGES, .holder = true};
	struct writer w;
	int err = 0;

	if (!journal_busy(x) && !anything_dirty(x))
		return 0;
	if (!lock_mini_try(x, &hdr->writeback_lock, RANK_WRITEBACK))
		return 0;
	c.old_only = (s32)atomic_load(&hdr->ndirty) < (s32)hdr->nframes / 4;
	writer_init(&w);
	writer_all(x, &w, &c, max);
	if (journal_due(x, now)) {
		u32 before = journal_of(x)->committed;

		err = journal_commit(x);
		if (before != journal_of(x)->committed)
			w.written += journal_of(x)->commit_buffers;
	}
	c.kind = CHOOSE_HOME;
	if (w.written < max && !w.error)
		writer_all(x, &w, &c, max - w.written);
	if (now - hdr->age_ms >= AGE_MS) {
		hdr->age_ms = now;
		exec_step(x);
		mark_old(x);
	}
	journal_drop(x);
	if (!err)
		err = w.error;
	return err ? err : (int)w.written;
}

/* Unpinned frames of the choice from `from` on, then those before it, until some are written. */
static void write_unpinned(struct exec *x, struct writer *w, const struct choice *c, fno_t from)
{
	bool wrapped = from <= 1;
	fno_t list[WRITER_BATCH];

	while (!w->written && !w->error) {
		u32 n = writer_choose(x, c, &from, list, WRITER_BATCH);

		writer_list(x, w, list, n, false);
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
	struct choice c = {.kind = CHOOSE_PAGES, .unpinned_only = true};
	struct writer w;

	writer_init(&w);
	write_unpinned(x, &w, &c, from);
	if (w.written || !lock_mini_try(x, &hdr->writeback_lock, RANK_WRITEBACK))
		return w.written ? (int)w.written : w.error;
	c.kind = CHOOSE_HOME;
	c.holder = true;
	write_unpinned(x, &w, &c, from);
	/* not journal_drop(): the open tx may be one that a commit would wait for */
	lock_drop(x, &hdr->writeback_lock);
	return w.written ? (int)w.written : w.error;
}

void cache_drop_all(struct exec *x)
{
	for (fno_t fno = 1; fno < x->pool->hdr->nframes; fno++) {
		struct frame *f = frame_of(x, fno);
		u32 kind = atomic_load(&f->kind);

		if (!kind_cached(kind) || !frame_try_pin(x, f))
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
	for (u32 left = inode->npages; left && n < WRITER_CHOICE; left--) {
		struct frame *f = frame_of(x, fno);

		fno = f->own_next;
		if (f->key_lo >= first && f->key_lo <= last &&
		    (atomic_load(&f->flags) & (FRAME_DIRTY | FRAME_WRITING)) && frame_try_pin(x, f))
			list[n++] = frame_no(x, f);
	}
	if (n == WRITER_CHOICE) { /* the next ones are behind these */
		hot_save(x, &inode->pages, 4);
		inode->pages = fno;
	}
	hot_end(x, &hot);
	sort_frames(x, list, n);
	return n;
}

/* The same of one inode. */
static void dirty_pages_stored(struct exec *x, struct inode *inode)
{
	struct hot hot;
	fno_t fno;

	if (!POOL_SHARED || !atomic_load(&inode->mapped))
		return;
	hot_begin(x, &hot, &inode->pages_lock, RANK_HASH);
	fno = inode->pages;
	for (u32 left = inode->npages; left; left--) {
		dirty_stored(x, frame_of(x, fno));
		fno = frame_of(x, fno)->own_next;
	}
	hot_end(x, &hot);
}

int page_flush(struct exec *x, struct inode *inode, lblk_t first, lblk_t last)
{
	struct writer w;
	fno_t list[WRITER_CHOICE];
	u32 n, seen;

	writer_init(&w);
	dirty_pages_stored(x, inode);
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
