/* SPDX-License-Identifier: BSD-2-Clause */
/* Pages of a file from the medium: one that is needed, and many that will be. */
#include "platform/atomic.h"
#include "platform/errno.h"
#include "fs/file_priv.h"
#include "fs/map.h"

#define BATCH_IOS 8u
#define BATCH_PAGES 32u

/* What lies behind the end of the file is shown as zeros when the file grows. */
static void zero_behind_end(struct exec *x, const struct inode *inode, lblk_t index,
			    struct frame *f)
{
	u64 size = inode_size(inode_raw(x, inode));
	u32 tail = (u32)size & (BLOCK_SIZE - 1);

	if (index == size >> BLOCK_SHIFT)
		plat_zero(x->plat, (u8 *)frame_data(x, f) + tail, BLOCK_SIZE - tail);
}

int page_get(struct exec *x, struct inode *inode, lblk_t index, blkno_t block, struct frame **out)
{
	struct frame *f = page_find(x, inode, index), *mine;
	struct plat_io io;
	int err;

	if (f)
		goto out;
	err = frame_alloc(x, &f);
	if (err)
		return err;
	mine = f;
	page_add(x, inode, index, &f, block, false);
	if (f != mine)
		goto out;
	io = (struct plat_io){.op = PLAT_READ, .count = 1, .block = block, .ref = frame_ref(x, f)};
	plat_io_submit(x->plat, &io);
	err = plat_io_wait(x->plat, &io);
	if (!err)
		zero_behind_end(x, inode, index, f);
	page_uptodate(x, f, err);
	if (err) {
		plat_log(x->plat, PLAT_ERR, "inode %u: block %llu cannot be read: error %d",
			 inode->ino, (unsigned long long)block, err);
		frame_unpin(x, f);
		return err;
	}
out:
	*out = f;
	return 0;
}

int page_lookup(struct exec *x, struct inode *inode, lblk_t index, blkno_t *block,
		struct frame **out)
{
	struct extent_map m;
	int err;

	*out = NULL;
	err = extent_lookup(x, inode, index, &m);
	if (err || !m.pblk || m.unwritten)
		return err;
	*block = m.pblk;
	return page_get(x, inode, index, m.pblk, out);
}

/* ---- with the end of the tx (tx.h): not sooner, or a death before the commit would lose data that
 * is still part of the file */
static int later(struct exec *x, enum inflight_kind kind, struct inode *inode, lblk_t index, u32 b)
{
	int err = tx_inflight(x, kind, exec_ref(x, inode) | (u64)index << 32, b);

	return err == -MP_ENOSPC ? -MP_ENOMEM : err;
}

int page_zero(struct exec *x, struct inode *inode, lblk_t index, u32 from, u32 to)
{
	struct frame *f;
	blkno_t block;
	int err;

	err = page_lookup(x, inode, index, &block, &f);
	if (err || !f)
		return err;
	plat_zero(x->plat, (u8 *)frame_data(x, f) + from, to - from);
	journal_order(x, inode);
	page_dirty(x, inode, f, block);
	frame_unpin(x, f);
	return 0;
}

int page_zero_later(struct exec *x, struct inode *inode, lblk_t index, u32 from, u32 to,
		    struct frame **f)
{
	blkno_t block;
	int err;

	err = page_lookup(x, inode, index, &block, f);
	if (err || !*f)
		return err;
	err = later(x, INFLIGHT_ZERO_PAGE, inode, index, from | to << 16);
	if (err) {
		frame_unpin(x, *f);
		*f = NULL;
	}
	return err;
}

int page_drop_later(struct exec *x, struct inode *inode, lblk_t first, lblk_t last)
{
	map_revoke(x, inode);
	/* locked for writing: none can come meanwhile */
	return atomic_load(&inode->npages) ? later(x, INFLIGHT_DROP_PAGES, inode, first, last) : 0;
}

int page_zero_on_abort(struct exec *x, struct inode *inode, lblk_t index, u32 from)
{
	return later(x, INFLIGHT_UNDO_PAGE, inode, index, from | BLOCK_SIZE << 16);
}

/* ---- reading ahead */
/* Requests under way; each for frames that follow each other in the pool and on the medium. */
struct batch {
	u32 nios, npages;
	lblk_t index; /* of page 0 */
	struct plat_io io[BATCH_IOS];
	fno_t page[BATCH_PAGES];
};

static void batch_add(struct exec *x, struct batch *b, struct frame *f, blkno_t block)
{
	struct plat_io *last = &b->io[b->nios ? b->nios - 1 : 0];

	b->page[b->npages++] = frame_no(x, f);
	if (b->nios && last->block + last->count == block &&
	    last->ref + last->count * BLOCK_SIZE == frame_ref(x, f)) {
		last->count++;
		return;
	}
	if (b->nios)
		plat_io_submit(x->plat, last);
	b->io[b->nios++] = (struct plat_io){
		.op = PLAT_READ, .count = 1, .block = block, .ref = frame_ref(x, f)};
}

static void batch_wait(struct exec *x, struct inode *inode, struct batch *b)
{
	u32 i, k, page = 0;

	if (b->nios)
		plat_io_submit(x->plat, &b->io[b->nios - 1]);
	for (i = 0; i < b->nios; i++) {
		int err = plat_io_wait(x->plat, &b->io[i]);

		for (k = 0; k < b->io[i].count; k++) {
			struct frame *f = frame_of(x, b->page[page++]);

			if (!err)
				zero_behind_end(x, inode, f->key_lo, f);
			page_uptodate(x, f, err);
			frame_unpin(x, f);
		}
	}
	b->nios = 0;
	b->npages = 0;
}

void page_readahead(struct exec *x, struct inode *inode, lblk_t first, u32 count)
{
	struct batch b = {.nios = 0};
	struct extent_map m = {.len = 0};
	u32 i;

	for (i = 0; i < count; i++) {
		lblk_t index = first + i;
		struct frame *f, *mine;
		blkno_t block;

		if (b.nios == BATCH_IOS || b.npages == BATCH_PAGES)
			batch_wait(x, inode, &b);
		if (!m.len || index - m.lblk >= m.len)
			if (extent_lookup(x, inode, index, &m))
				break;
		if (!m.pblk || m.unwritten)
			continue;
		block = m.pblk + (index - m.lblk);
		f = page_find(x, inode, index);
		if (f) {
			frame_unpin(x, f);
			continue;
		}
		if (frame_alloc(x, &f))
			break;
		mine = f;
		page_add(x, inode, index, &f, block, false);
		if (f == mine)
			batch_add(x, &b, f, block);
		else
			frame_unpin(x, f);
	}
	batch_wait(x, inode, &b);
}
