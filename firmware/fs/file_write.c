/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Writing file data.
 *
 * A request goes in batches, nearly always one: map (allocating), prepare (frames, and pages to be
 * changed in part), then put the data into the cache, which cannot fail. So a batch that fails has
 * changed nothing: its tx is aborted.
 *
 * Invariants
 *  W1. A block is mapped as written by the same tx whose batch puts its whole page into the cache.
 *  W2. A page is put into the cache, or changed there, when nothing can fail any more.
 *  W3. In the cache, what lies behind the end of the file is zero.
 */
#include <string.h>

#include "platform/errno.h"
#include "fs/file_priv.h"
#include "fs/map.h"
#include "pool/pin.h"
#include "pool/wait.h"

#define BATCH_PAGES FS_IO_SEGS

/* One page of a batch. */
struct wpage {
	u32 block_lo;
	u32 block_hi : 24;
	u32 fresh : 1;  /* nothing on the medium counts: what is not written is zero */
	u32 flip : 1;   /* a seg's frame becomes the page */
	u32 cached : 1; /* frame is the page as it is in the cache */
	fno_t frame;    /* pinned: the page, or (flip) what the caller gets instead */
};

struct wbatch {
	u64 pos; /* in the file */
	u32 len;
	u32 npages;
	u64 old_size;
	struct fs_seg *segs;
	u32 seg, off; /* where the batch's data begins: bytes into segs[seg] */
	bool ordered; /* its pages are written before the transaction is committed */
	struct wpage page[BATCH_PAGES];
};

static lblk_t page_index(const struct wbatch *b, u32 i)
{
	return (lblk_t)(b->pos >> BLOCK_SHIFT) + i;
}

/* Which bytes of page i are written: [*from, *to). */
static void page_range(const struct wbatch *b, u32 i, u32 *from, u32 *to)
{
	u64 start = (b->pos & ~(u64)(BLOCK_SIZE - 1)) + ((u64)i << BLOCK_SHIFT);
	u64 end = b->pos + b->len;

	*from = b->pos > start ? (u32)(b->pos - start) : 0;
	*to = end - start < BLOCK_SIZE ? (u32)(end - start) : BLOCK_SIZE;
}

static blkno_t page_block(const struct wpage *p)
{
	return p->block_lo | (u64)p->block_hi << 32;
}

static void cut(struct wbatch *b, u32 npages)
{
	u64 end = ((b->pos >> BLOCK_SHIFT) + npages) << BLOCK_SHIFT;

	b->npages = npages;
	b->len = (u32)min_of((u64)b->len, end - b->pos);
}

/* Maps the pages; cuts the batch where space or the transaction ends. */
static int map_pages(struct exec *x, struct inode *inode, struct wbatch *b)
{
	u32 i = 0, k;

	while (i < b->npages) {
		struct extent_map m;
		bool fresh;
		int err;

		if (i && extent_tx_full(x)) {
			cut(b, i);
			return 0;
		}
		err = extent_map_or_alloc(x, inode, page_index(b, i), b->npages - i, false, &m,
					  &fresh);
		if (err == -MP_ENOSPC && i) {
			cut(b, i);
			return 0;
		}
		if (!err && m.unwritten)
			err = extent_mark_written(x, inode, m.lblk, m.len);
		if (err)
			return err;
		for (k = 0; k < m.len; k++, i++) {
			struct wpage *p = &b->page[i];
			u64 start = (u64)page_index(b, i) << BLOCK_SHIFT;

			p->block_lo = (u32)(m.pblk + k);
			p->block_hi = (u32)((m.pblk + k) >> 32) & 0xFFFFFFu;
			p->fresh = fresh || m.unwritten || start >= b->old_size;
			b->ordered |= fresh || m.unwritten;
			p->flip = 0;
			p->cached = 0;
			p->frame = 0;
		}
	}
	return 0;
}

/* ---- prepare */
struct cursor {
	u32 seg, off;
};

static void cursor_move(const struct wbatch *b, struct cursor *c, u32 len)
{
	while (len) {
		u32 n = min_of(len, b->segs[c->seg].len - c->off);

		c->off += n;
		len -= n;
		if (c->off == b->segs[c->seg].len) {
			c->seg++;
			c->off = 0;
		}
	}
}

static bool can_flip(const struct wbatch *b, const struct cursor *c, u32 from, u32 to)
{
	return !from && to == BLOCK_SIZE && !c->off && b->segs[c->seg].len == BLOCK_SIZE &&
	       !b->segs[c->seg].offset;
}

static int prepare_page(struct exec *x, struct inode *inode, struct wbatch *b, u32 i,
			const struct cursor *c)
{
	struct wpage *p = &b->page[i];
	struct frame *f = NULL;
	u32 from, to;
	int err = 0;

	page_range(b, i, &from, &to);
	p->flip = can_flip(b, c, from, to) && !map_hosts(inode);
	if (!p->flip && !p->fresh && (from || to < BLOCK_SIZE)) {
		err = page_get(x, inode, page_index(b, i), page_block(p), &f);
	} else if (!p->fresh) {
		f = page_find(x, inode, page_index(b, i));
		/* somebody reads the old page, so the caller cannot have it */
		if (f && p->flip && !pin_alone(x, &f->pins)) {
			frame_unpin(x, f);
			f = NULL;
		}
	}
	p->cached = f != NULL;
	if (!err && !f)
		err = frame_alloc(x, &f);
	if (!err)
		p->frame = frame_no(x, f);
	return err;
}

static int prepare(struct exec *x, struct inode *inode, struct wbatch *b)
{
	struct cursor c = {b->seg, b->off};
	u32 i, from, to;
	int err;

	for (i = 0; i < b->npages; i++) {
		err = prepare_page(x, inode, b, i, &c);
		if (err)
			return err;
		page_range(b, i, &from, &to);
		cursor_move(b, &c, to - from);
	}
	return 0;
}

static void unprepare(struct exec *x, struct wbatch *b)
{
	u32 i;

	for (i = 0; i < b->npages; i++)
		if (b->page[i].frame)
			frame_unpin(x, frame_of(x, b->page[i].frame));
}

/* ---- put */
/* A page that has left the cache: the flusher may have it for a moment more. */
static struct frame *wait_for_last(struct exec *x, struct frame *f)
{
	while (!pin_alone(x, &f->pins))
		exec_yield(x, &f->pins);
	f->owner = x->id;
	return f;
}

static void put_flip(struct exec *x, struct inode *inode, struct wbatch *b, u32 i, struct cursor *c)
{
	struct wpage *p = &b->page[i];
	struct frame *spare = frame_of(x, p->frame), *f = frame_of(x, b->segs[c->seg].frame);
	struct frame *old = spare;
	lblk_t index = page_index(b, i);

	if (!p->cached)
		old = p->fresh ? NULL : page_find(x, inode, index);
	if (old) {
		page_replace(x, inode, old, f, page_block(p));
	} else {
		page_add(x, inode, index, &f, page_block(p), true);
		page_dirty(x, inode, f, page_block(p));
	}
	if (p->cached)
		wait_for_last(x, spare);
	else if (old)
		frame_unpin(x, old);
	frame_unpin(x, f);
	b->segs[c->seg].frame = p->frame;
	cursor_move(b, c, BLOCK_SIZE);
}

static void put_copy(struct exec *x, struct inode *inode, struct wbatch *b, u32 i, struct cursor *c)
{
	struct wpage *p = &b->page[i];
	struct frame *f = frame_of(x, p->frame);
	u8 *data = frame_data(x, f);
	u64 start = (u64)page_index(b, i) << BLOCK_SHIFT;
	u32 from, to, at;

	page_range(b, i, &from, &to);
	if (p->fresh) {
		if (from)
			plat_zero(x->plat, data, from);
		if (to < BLOCK_SIZE)
			plat_zero(x->plat, data + to, BLOCK_SIZE - to);
	} else if (b->old_size < start + from) { /* W3, whoever wrote the file */
		at = b->old_size > start ? (u32)(b->old_size - start) : 0;
		plat_zero(x->plat, data + at, from - at);
	}
	for (at = from; at < to;) {
		const struct fs_seg *seg = &b->segs[c->seg];
		u32 n = min_of(to - at, seg->len - c->off);
		const u8 *src = frame_data(x, frame_of(x, seg->frame));

		plat_copy(x->plat, data + at, src + seg->offset + c->off, n);
		cursor_move(b, c, n);
		at += n;
	}
	if (!p->cached)
		page_add(x, inode, page_index(b, i), &f, page_block(p), true);
	page_dirty(x, inode, f, page_block(p));
	frame_unpin(x, f);
}

static void put_pages(struct exec *x, struct inode *inode, struct wbatch *b)
{
	struct cursor c = {b->seg, b->off};
	u32 i;

	for (i = 0; i < b->npages; i++) {
		if (b->page[i].flip)
			put_flip(x, inode, b, i, &c);
		else
			put_copy(x, inode, b, i, &c);
	}
	b->seg = c.seg;
	b->off = c.off;
}

/* Prepares what a write changes in the inode; *raw NULL: nothing. */
static int edit_inode(struct exec *x, struct inode *inode, u64 end, u32 flags,
		      struct ext4_inode **raw)
{
	const struct ext4_inode *now = inode_raw(x, inode);

	*raw = NULL;
	if (end > inode_size(now))
		return inode_edit_size(x, inode, raw);
	if (inode_times_fresh(x, now) &&
	    !(flags & FS_WRITE_KILL_SUIDGID && now->i_mode & (EXT4_S_ISUID | EXT4_S_ISGID)))
		return 0;
	return inode_edit_times(x, inode, raw);
}

static void change_inode(struct exec *x, struct ext4_inode *raw, u64 end, u32 flags)
{
	if (!raw)
		return;
	if (end > inode_size(raw))
		inode_set_size(raw, end);
	inode_touch(x, raw, INODE_MTIME | INODE_CTIME);
	if (flags & FS_WRITE_KILL_SUIDGID)
		inode_kill_suid(raw);
}

static int write_batch(struct exec *x, struct inode *inode, struct wbatch *b, u32 flags)
{
	struct ext4_inode *raw;
	u32 tail;
	int err = 0;

	b->old_size = inode_size(inode_raw(x, inode));
	b->ordered = b->pos + b->len > b->old_size;
	b->npages = (u32)(((b->pos & (BLOCK_SIZE - 1)) + b->len + BLOCK_SIZE - 1) >> BLOCK_SHIFT);
	if (b->npages > BATCH_PAGES)
		cut(b, BATCH_PAGES);
	if (b->pos + b->len > b->old_size)
		err = map_clean_tail(x, inode);
	if (!err)
		err = map_pages(x, inode, b);
	if (err)
		return err;
	if (b->ordered)
		map_fill_holes(x, inode);
	err = prepare(x, inode, b);
	/* W3, should this executor die before the commit */
	tail = (u32)b->old_size & (BLOCK_SIZE - 1);
	if (!err && tail && b->pos + b->len > b->old_size &&
	    b->pos >> BLOCK_SHIFT <= b->old_size >> BLOCK_SHIFT)
		err = page_zero_on_abort(x, inode, (lblk_t)(b->old_size >> BLOCK_SHIFT), tail);
	if (!err)
		err = edit_inode(x, inode, b->pos + b->len, flags, &raw);
	if (err) {
		unprepare(x, b);
		return err;
	}
	if (b->ordered)
		journal_order(x, inode);
	put_pages(x, inode, b);
	change_inode(x, raw, b->pos + b->len, flags);
	return 0;
}

/* The everyday case the short way: one whole page over a mapped one inside the file, which nobody
 * reads at this moment. 1: done, 0: not that case. */
static int write_page(struct exec *x, struct inode *inode, u64 pos, u32 flags, struct fs_seg *seg)
{
	lblk_t index = (lblk_t)(pos >> BLOCK_SHIFT);
	struct frame *old, *f;
	struct ext4_inode *raw;
	struct extent_map m;
	int err;

	if (pos & (BLOCK_SIZE - 1) || seg->offset || seg->len != BLOCK_SIZE ||
	    pos + BLOCK_SIZE > inode_size(inode_raw(x, inode)) || map_hosts(inode))
		return 0;
	err = extent_lookup(x, inode, index, &m);
	if (err || !m.pblk || m.unwritten)
		return err;
	old = page_find(x, inode, index);
	if (!old)
		return 0;
	if (!pin_alone(x, &old->pins)) {
		frame_unpin(x, old);
		return 0;
	}
	err = edit_inode(x, inode, 0, flags, &raw);
	if (err) {
		frame_unpin(x, old);
		return err;
	}
	f = frame_of(x, seg->frame);
	page_replace(x, inode, old, f, m.pblk);
	seg->frame = frame_no(x, wait_for_last(x, old));
	frame_unpin(x, f);
	change_inode(x, raw, 0, flags);
	return 1;
}

int file_check(const struct ext4_inode *raw)
{
	if (inode_is_dir(raw))
		return -MP_EISDIR;
	if (!inode_is_reg(raw))
		return -MP_EINVAL;
	return 0;
}

static int write_check(struct exec *x, struct inode *inode, u64 pos, u32 flags, u32 *len)
{
	const struct ext4_inode *raw = inode_raw(x, inode);
	int err;

	err = file_check(raw);
	if (err)
		return err;
	if (raw->i_flags & EXT4_FL_IMMUTABLE ||
	    (raw->i_flags & EXT4_FL_APPEND && !(flags & FS_WRITE_APPEND)))
		return -MP_EPERM;
	if (*len && pos >= FILE_SIZE_MAX)
		return -MP_EFBIG;
	*len = (u32)min_of((u64)*len, FILE_SIZE_MAX - pos);
	return file_finish_truncate(x, inode);
}

int file_write(struct exec *x, struct inode *inode, u64 pos, u32 flags, struct fs_seg *segs,
	       u32 nsegs, u32 *done)
{
	struct cursor c = {0, 0};
	struct wbatch b;
	u32 len = 0, i;
	int err;

	for (i = 0; i < nsegs; i++) {
		if (!segs[i].len || segs[i].offset + segs[i].len > BLOCK_SIZE)
			return -MP_EINVAL;
		len += segs[i].len;
	}
	err = write_check(x, inode, pos, flags, &len);
	if (!err)
		err = inode_lose_caps(x, inode);
	if (err)
		return err;
	if (nsegs == 1) {
		err = write_page(x, inode, pos, flags, segs);
		if (err > 0)
			*done = len;
		if (err)
			return err > 0 ? 0 : err;
	}
	b.segs = segs;
	cursor_move(&b, &c, *done);
	b.seg = c.seg;
	b.off = c.off;
	for (i = *done; *done < len; *done += b.len) {
		if (*done != i)
			tx_restart(x);
		b.pos = pos + *done;
		b.len = len - *done;
		err = write_batch(x, inode, &b, flags);
		if (err)
			break;
	}
	return err;
}

static int write_once(struct exec *x, node_t node, u64 *pos, u32 flags, struct fs_seg *segs,
		      u32 nsegs, u32 *done)
{
	struct inode *inode;
	u64 size;
	int err;

	err = fs_writable(x);
	if (!err)
		err = inode_get_node(x, node, &inode);
	if (err)
		return err;
	tx_begin_change(x);
	err = inode_lock_write(x, inode);
	if (!err && flags & FS_WRITE_APPEND) {
		size = inode_size(inode_raw(x, inode));
		if (!*done)
			*pos = size;
		else if (size != *pos + *done) /* others have appended: the write ends here */
			err = -MP_EAGAIN;
	}
	if (!err)
		err = file_write(x, inode, *pos, flags, segs, nsegs, done);
	/* what `done` counts was committed by a restart, or is by this end */
	err = tx_end(x, err);
	inode_put(x, inode);
	return err;
}

int fs_write(struct exec *x, node_t node, u64 *pos, u32 flags, struct fs_seg *segs, u32 nsegs)
{
	u32 done = 0;
	int err;

	do
		err = write_once(x, node, pos, flags, segs, nsegs, &done);
	while (journal_again(x, &err));
	return done ? (int)done : err;
}
