/* SPDX-License-Identifier: BSD-2-Clause */
/* Reading, seeking, syncing and copying file data. Writing is in file_write.c. */
#include "platform/atomic.h"
#include "platform/errno.h"
#include "fs/file_priv.h"
#include "fs/warm.h"

#define RA_FIRST 4u /* pages that are read ahead when a file begins to be read in order */
#define RA_MAX 64u
#define COPY_PAGES 8u

/* ---- reading */
/* How many pages to read at a miss on `index`, of a request that goes up to `last`. */
static u32 read_window(struct exec *x, struct inode *inode, lblk_t index, lblk_t first, lblk_t last)
{
	u64 end = (inode_size(inode_raw(x, inode)) + BLOCK_SIZE - 1) >> BLOCK_SHIFT;
	u32 window = atomic_load(&inode->ra_window), next = atomic_load(&inode->ra_next);

	if (first == next || first + 1 == next)
		window = window ? min_of(window * 2, RA_MAX) : RA_FIRST;
	else
		window = 0;
	atomic_store(&inode->ra_window, window);
	return (u32)min_of((u64)(last - index) + 1 + window, end - index);
}

static int read_page(struct exec *x, struct inode *inode, lblk_t index, lblk_t first, lblk_t last,
		     bool *ahead, struct frame **out)
{
	struct extent_map m;
	u32 n;
	int err;

	*out = page_find(x, inode, index);
	if (*out)
		return 0;
	err = extent_lookup(x, inode, index, &m);
	if (err)
		return err;
	if (!m.pblk || m.unwritten) {
		*out = frame_of(x, x->pool->hdr->zero_frame);
		frame_pin(x, *out);
		return 0;
	}
	if (!*ahead) {
		*ahead = true;
		n = read_window(x, inode, index, first, last);
		if (n > 1)
			page_readahead(x, inode, index, n);
	}
	return page_get(x, inode, index, m.pblk, out);
}

static int read_locked(struct exec *x, struct inode *inode, u64 pos, u32 len, struct fs_seg *segs,
		       u32 *nsegs)
{
	u64 size = inode_size(inode_raw(x, inode));
	lblk_t first, last, index;
	bool ahead = false;
	int err;

	err = file_check(inode_raw(x, inode));
	if (err || pos >= size || !len)
		return err;
	len = (u32)min_of((u64)min_of(len, FS_IO_MAX), size - pos);
	first = (lblk_t)(pos >> BLOCK_SHIFT);
	last = (lblk_t)((pos + len - 1) >> BLOCK_SHIFT);
	for (index = first; index <= last; index++) {
		struct fs_seg *seg = &segs[*nsegs];
		u32 from = index == first ? (u32)pos & (BLOCK_SIZE - 1) : 0;
		u32 to = index == last ? ((u32)(pos + len - 1) & (BLOCK_SIZE - 1)) + 1 : BLOCK_SIZE;
		struct frame *f;

		err = read_page(x, inode, index, first, last, &ahead, &f);
		if (err)
			return err;
		seg->frame = frame_no(x, f);
		seg->offset = (u16)from;
		seg->len = (u16)(to - from);
		(*nsegs)++;
	}
	atomic_store(&inode->ra_next, last + 1);
	return (int)len;
}

int fs_read(struct exec *x, node_t node, u64 pos, u32 len, struct fs_seg *segs, u32 *nsegs)
{
	struct inode *inode;
	bool stale;
	int err, n;

	if (warm_read(x, node, pos, &len, segs, nsegs))
		return (int)len;
	*nsegs = 0;
	err = inode_get_node(x, node, &inode);
	if (err)
		return err;
	tx_begin(x);
	n = inode_lock_read(x, inode);
	if (!n)
		n = read_locked(x, inode, pos, len, segs, nsegs);
	stale = n > 0 && inode_atime_stale(x, inode_raw(x, inode));
	tx_commit(x);
	if (n < 0)
		while (*nsegs)
			frame_unpin(x, frame_of(x, segs[--*nsegs].frame));
	if (stale)
		inode_accessed(x, inode);
	inode_put(x, inode);
	return n;
}

/* ---- seeking */
enum run { RUN_HOLE, RUN_DATA, RUN_MAPPED }; /* unwritten ones are holes, and mapped */

static bool is_run(const struct extent_map *m, enum run want)
{
	if (want == RUN_MAPPED)
		return m->pblk != 0;
	/* a dirty page has written blocks: unwritten ones are zeros */
	return (m->pblk && !m->unwritten) == (want == RUN_DATA);
}

/* The first of the kind from block at on, before block end; len 0: there is none. */
static int find_run(struct exec *x, struct inode *inode, u64 at, u64 end, enum run want,
		    struct extent_map *m)
{
	u64 left = 4 * fs_of(x)->blocks_count;
	int err;

	*m = (struct extent_map){0};
	for (; at < end; at += m->len) {
		err = extent_lookup(x, inode, (lblk_t)at, m);
		if (err || is_run(m, want))
			return err;
		/* pointers that go round in a circle: there are not so many blocks */
		if (!left--)
			return fs_corrupt(x, "more blocks than the medium has", inode->ino, at);
	}
	m->len = 0;
	return 0;
}

static int seek_locked(struct exec *x, struct inode *inode, u64 pos, bool data, u64 *out)
{
	u64 size = inode_size(inode_raw(x, inode));
	struct extent_map m;
	int err;

	err = file_check(inode_raw(x, inode));
	if (err)
		return err;
	if (pos >= size)
		return -MP_ENXIO;
	err = find_run(x, inode, pos >> BLOCK_SHIFT, (size + BLOCK_SIZE - 1) >> BLOCK_SHIFT,
		       data ? RUN_DATA : RUN_HOLE, &m);
	if (err)
		return err;
	*out = m.len ? max_of((u64)m.lblk << BLOCK_SHIFT, pos) : size;
	return data && !m.len ? -MP_ENXIO : 0;
}

int fs_lseek(struct exec *x, node_t node, u64 pos, u32 whence, u64 *out)
{
	struct inode *inode;
	int err;

	if (whence != FS_SEEK_DATA && whence != FS_SEEK_HOLE)
		return -MP_EINVAL;
	err = inode_get_node(x, node, &inode);
	if (err)
		return err;
	tx_begin(x);
	err = inode_lock_read(x, inode);
	if (!err)
		err = seek_locked(x, inode, pos, whence == FS_SEEK_DATA, out);
	err = tx_end(x, err);
	inode_put(x, inode);
	return err;
}

static int extent_locked(struct exec *x, struct inode *inode, u64 pos, struct fs_extent *out)
{
	struct extent_map m;
	int err = file_check(inode_raw(x, inode));

	/* ~0u is no block's number */
	if (!err)
		err = find_run(x, inode, pos >> BLOCK_SHIFT, ~0u, RUN_MAPPED, &m);
	if (!err)
		*out = (struct fs_extent){.pos = (u64)m.lblk << BLOCK_SHIFT,
					  .len = (u64)m.len << BLOCK_SHIFT,
					  .medium = m.pblk << BLOCK_SHIFT,
					  .unwritten = m.unwritten};
	return err;
}

int fs_extent(struct exec *x, node_t node, u64 pos, struct fs_extent *out)
{
	struct inode *inode;
	int err;

	err = inode_get_node(x, node, &inode);
	if (err)
		return err;
	tx_begin(x);
	err = inode_lock_read(x, inode);
	if (!err)
		err = extent_locked(x, inode, pos, out);
	err = tx_end(x, err);
	inode_put(x, inode);
	return err;
}

/* ---- syncing */
int fs_fsync(struct exec *x, node_t node, bool data_only)
{
	struct inode *inode;
	u32 tid = 0;
	int err;

	err = inode_get_node(x, node, &inode);
	if (err)
		return err;
	tx_begin(x);
	err = inode_lock_read(x, inode);
	if (!err) {
		/* the entries of a directory are not found without its times' transaction */
		data_only = data_only && !inode_is_dir(inode_raw(x, inode));
		tid = atomic_load(data_only ? &inode->data_tid : &inode->sync_tid);
		err = page_flush(x, inode, 0, ~0u);
	}
	err = tx_end(x, err);
	if (!err && fs_of(x)->mounted_rw)
		err = journal_wait(x, tid);
	inode_put(x, inode);
	return err;
}

/* ---- copying */
/* dst[0..len) = bytes of the file from pos on. */
static int copy_out(struct exec *x, struct inode *inode, u64 pos, u8 *dst, u32 len)
{
	while (len) {
		u32 off = (u32)pos & (BLOCK_SIZE - 1), n = min_of(len, BLOCK_SIZE - off);
		struct frame *f;
		blkno_t block;
		int err;

		err = page_lookup(x, inode, (lblk_t)(pos >> BLOCK_SHIFT), &block, &f);
		if (err)
			return err;
		if (f) {
			plat_copy(x->plat, dst, (u8 *)frame_data(x, f) + off, n);
			frame_unpin(x, f);
		} else {
			plat_zero(x->plat, dst, n);
		}
		dst += n;
		pos += n;
		len -= n;
	}
	return 0;
}

/* Frames that the copy goes through; aligned as the destination's pages, so that they are flipped
 * there. */
static int fill_segs(struct exec *x, struct inode *in, u64 in_pos, u64 out_pos, u32 len,
		     struct fs_seg *segs, u32 *nsegs)
{
	u32 n = 0;
	int err;

	while (len) {
		u32 off = (u32)out_pos & (BLOCK_SIZE - 1), part = min_of(len, BLOCK_SIZE - off);
		struct fs_seg *seg = &segs[n++];

		if (!seg->frame) {
			struct frame *f;

			err = frame_alloc(x, &f);
			if (err)
				return err;
			seg->frame = frame_no(x, f);
		}
		seg->offset = (u16)off;
		seg->len = (u16)part;
		err = copy_out(x, in, in_pos, (u8 *)frame_data(x, frame_of(x, seg->frame)) + off,
			       part);
		if (err)
			return err;
		in_pos += part;
		out_pos += part;
		len -= part;
	}
	*nsegs = n;
	return 0;
}

static int lock_pair(struct exec *x, struct inode *in, struct inode *out)
{
	int err;

	if (in->ino < out->ino) {
		err = inode_lock_read(x, in);
		return err ? err : inode_lock_write(x, out);
	}
	err = inode_lock_write(x, out);
	return err || in == out ? err : inode_lock_read(x, in);
}

/* One transaction's worth: *done bytes, 0 at the end of `in`. *len becomes what there is to copy: a
 * file that is copied behind its own end does not grow for ever. */
static int copy_step(struct exec *x, struct inode *in, u64 in_pos, struct inode *out, u64 out_pos,
		     u64 *len, struct fs_seg *segs, u32 *done)
{
	u32 max = COPY_PAGES * BLOCK_SIZE - ((u32)out_pos & (BLOCK_SIZE - 1)), nsegs, n;
	u64 size;
	int err;

	*done = 0;
	tx_begin_change(x);
	err = lock_pair(x, in, out);
	if (!err)
		err = file_check(inode_raw(x, in));
	if (err)
		goto out;
	size = inode_size(inode_raw(x, in));
	if (in_pos >= size)
		goto out;
	*len = min_of(*len, size - in_pos);
	n = (u32)min_of(*len, (u64)max);
	err = fill_segs(x, in, in_pos, out_pos, n, segs, &nsegs);
	if (!err)
		err = file_write(x, out, out_pos, x->cred.uid ? FS_WRITE_KILL_SUIDGID : 0, segs,
				 nsegs, done);
out:
	return tx_end(x, err);
}

int fs_copy_range(struct exec *x, node_t in_node, u64 in_pos, node_t out_node, u64 out_pos, u64 len,
		  u64 *copied)
{
	struct fs_seg segs[COPY_PAGES] = {{.frame = 0}};
	struct inode *in, *out;
	u32 done, i;
	int err;

	*copied = 0;
	if (in_pos + len < in_pos || out_pos + len < out_pos)
		return -MP_EINVAL;
	if (in_node == out_node && in_pos < out_pos + len && out_pos < in_pos + len)
		return -MP_EINVAL;
	err = fs_writable(x);
	if (!err)
		err = inode_get_node(x, in_node, &in);
	if (err)
		return err;
	err = inode_get_node(x, out_node, &out);
	if (err)
		goto out_in;
	/* two files are locked by number, which is no order for directories */
	if (inode_type_dir(in) || inode_type_dir(out))
		err = -MP_EISDIR;
	while (!err && len) {
		do
			err = copy_step(x, in, in_pos, out, out_pos, &len, segs, &done);
		while (!done && journal_again(x, &err));
		*copied += done;
		if (err || !done)
			break;
		in_pos += done;
		out_pos += done;
		len -= done;
	}
	for (i = 0; i < COPY_PAGES; i++)
		if (segs[i].frame)
			frame_unpin(x, frame_of(x, segs[i].frame));
	inode_put(x, out);
out_in:
	inode_put(x, in);
	return *copied ? 0 : err;
}
