/* SPDX-License-Identifier: BSD-2-Clause */
/* Pages: file data, cached by inode and page index (frame.h). Writing them is in writeback.c. */
#include "fs/inode.h"
#include "journal/journal.h"
#include "pool/cache.h"

static void page_list(struct exec *x, struct inode *inode, struct frame *f)
{
	fno_t fno = frame_no(x, f);
	struct hot hot;

	hot_begin(x, &hot, &inode->pages_lock, RANK_HASH);
	hot_save(x, &inode->pages, 8);
	hot_save(x, &f->own_next, 8);
	if (inode->pages) {
		struct frame *first = frame_of(x, inode->pages);
		struct frame *last = frame_of(x, first->own_prev);

		hot_save(x, &first->own_next, 8);
		hot_save(x, &last->own_next, 8);
		f->own_next = inode->pages;
		f->own_prev = first->own_prev;
		last->own_next = fno;
		first->own_prev = fno;
	} else {
		inode->pages = fno;
		f->own_next = fno;
		f->own_prev = fno;
	}
	atomic_store(&inode->npages, inode->npages + 1);
	hot_end(x, &hot);
}

/* Waits for a read under way. */
static bool page_is_whole(struct exec *x, struct frame *f)
{
	u32 flags = atomic_load_acquire(&f->flags);

	if (!(flags & FRAME_UPTODATE)) {
		frame_wait(x, f, FRAME_READING);
		flags = atomic_load_acquire(&f->flags);
	}
	return flags & FRAME_UPTODATE;
}

struct frame *page_find(struct exec *x, struct inode *inode, lblk_t index)
{
	struct frame *f = frame_lookup(x, FRAME_PAGE, index, inode->ino);

	if (!f)
		return NULL;
	if (!page_is_whole(x, f)) {
		frame_unpin(x, f);
		return NULL;
	}
	if (!(atomic_load(&f->flags) & FRAME_REF))
		atomic_or(&f->flags, FRAME_REF);
	return f;
}

/* All of an ANON frame but its identity. */
static void page_setup(struct exec *x, struct inode *inode, struct frame *f, blkno_t block,
		       u32 flags)
{
	f->block = block;
	frame_csum_set(f, CSUM_NONE, 0);
	f->own_next = 0;
	f->own_prev = 0;
	atomic_store(&f->editors, 0);
	atomic_store(&f->flags, flags);
	f->csum_owner = exec_ref(x, inode);
	atomic_store(&f->stores, 0);
	f->owner = x->id;
}

void page_add(struct exec *x, struct inode *inode, lblk_t index, struct frame **f, blkno_t block,
	      bool uptodate)
{
	struct frame *mine = *f;

	page_setup(x, inode, mine, block,
		   uptodate ? FRAME_UPTODATE : FRAME_READING | frame_worker(x));
	for (;;) {
		struct frame *g = frame_insert(x, mine, FRAME_PAGE, index, inode->ino);

		if (g == mine) {
			exec_step(x);
			page_list(x, inode, mine);
			exec_step(x);
			mine->owner = 0;
			return;
		}
		if (page_is_whole(x, g)) {
			frame_unpin(x, mine);
			*f = g;
			return;
		}
		frame_unpin(x, g); /* its read has failed: ours takes its place */
	}
}

void page_uptodate(struct exec *x, struct frame *f, int error)
{
	if (error) {
		frame_detach(x, f);
		f->owner = x->id;
	}
	frame_flags_change(x, f, FRAME_READING | FRAME_WORKER, error ? 0 : FRAME_UPTODATE);
}

void page_dirty(struct exec *x, struct inode *inode, struct frame *f, blkno_t block)
{
	(void)inode;
	if (f->block != block)
		f->block = block;
	frame_mark_dirty(x, f);
}

/* Takes a pinned page out of the cache. */
static void page_detach(struct exec *x, struct frame *f)
{
	if (atomic_load(&f->flags) & FRAME_DIRTY)
		journal_order_wait(x, atomic_load(&page_inode(x, f)->order_tid));
	while (!frame_claim_dirty(x, f, 0)) {
		u32 flags = atomic_load(&f->flags);

		if (!(flags & (FRAME_WRITING | FRAME_READING | FRAME_DIRTY)))
			break;
		frame_wait(x, f, FRAME_WRITING | FRAME_READING);
	}
	if (atomic_load(&f->kind) == FRAME_PAGE)
		frame_detach(x, f);
}

static void page_drop_one(struct exec *x, struct frame *f)
{
	page_detach(x, f);
	frame_unpin(x, f);
}

void page_replace(struct exec *x, struct inode *inode, struct frame *old, struct frame *f,
		  blkno_t block)
{
	if (atomic_load(&old->flags) & FRAME_DIRTY)
		journal_order_wait(x, atomic_load(&inode->order_tid));
	page_setup(x, inode, f, block, FRAME_UPTODATE);
	atomic_store(&f->key_lo, old->key_lo);
	atomic_store(&f->key_hi, old->key_hi);
	atomic_store(&f->kind, FRAME_PAGE);
	exec_step(x);
	page_list(x, inode, f);
	exec_step(x);
	/* "being written" by us keeps the flusher off until old is not written any more; a death
	 * meanwhile makes it dirty (worker_recover) */
	frame_swap(x, old, f, FRAME_UPTODATE | FRAME_WRITING | frame_worker(x));
	frame_mark_dirty(x, f);
	page_detach(x, old);
	frame_flags_change(x, f, FRAME_WRITING | FRAME_WORKER, 0);
}

/* The first page of the inode in the range, pinned, or NULL. */
static struct frame *page_first(struct exec *x, struct inode *inode, lblk_t first, lblk_t last)
{
	for (;;) {
		struct frame *found = NULL;
		bool pinned = false;
		struct hot hot;
		fno_t fno;

		hot_begin(x, &hot, &inode->pages_lock, RANK_HASH);
		fno = inode->pages;
		for (u32 n = inode->npages; n; n--) {
			struct frame *f = frame_of(x, fno);

			fno = f->own_next;
			if (f->key_lo < first || f->key_lo > last)
				continue;
			found = f;
			pinned = frame_try_pin(x, f);
			if (pinned)
				break;
		}
		if (pinned) { /* pages that are kept are passed once, not for each that goes */
			hot_save(x, &inode->pages, 4);
			inode->pages = fno;
		}
		hot_end(x, &hot);
		if (!found || pinned)
			return found;
		exec_yield(x, &found->pins); /* it is being evicted */
	}
}

void page_drop(struct exec *x, struct inode *inode, lblk_t first, lblk_t last)
{
	struct frame *f;

	if (!atomic_load(&inode->npages))
		return;
	if (last - first < atomic_load(&inode->npages)) {
		for (lblk_t i = first;; i++) {
			f = frame_lookup(x, FRAME_PAGE, i, inode->ino);
			if (f)
				page_drop_one(x, f);
			if (i == last)
				return;
		}
	}
	while ((f = page_first(x, inode, first, last)))
		page_drop_one(x, f);
}

void page_forget_blocks(struct exec *x, blkno_t block, u32 count)
{
	for (fno_t i = 1; i < x->pool->hdr->nframes; i++) {
		struct frame *f = frame_of(x, i);

		if (atomic_load(&f->kind) != FRAME_PAGE || !frame_try_pin(x, f))
			continue;
		if (atomic_load(&f->kind) == FRAME_PAGE && f->block - block < count)
			page_drop(x, page_inode(x, f), f->key_lo, f->key_lo);
		frame_unpin(x, f);
	}
}
