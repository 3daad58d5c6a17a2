/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fs_fallocate: preallocating, punching holes, zeroing ranges. Longer than a transaction: after
 * every restart the file is whole, with less of the work done.
 */
#include "platform/errno.h"
#include "fs/alloc.h"
#include "fs/extent_priv.h"
#include "fs/file_priv.h"
#include "fs/map.h"

struct range {
	u64 pos, end;        /* bytes */
	u64 first, past;     /* blocks that lie wholly in it: [first, past); may be empty */
	u64 touched, beyond; /* blocks that it touches: [touched, beyond) */
};

/* The parts of pages at the range's two ends become zeros at the commit; f: pinned till then. */
static int zero_ends(struct exec *x, struct inode *inode, const struct range *r, struct frame *f[2])
{
	const u32 mask = BLOCK_SIZE - 1;
	u64 head_end = (r->pos | mask) + 1, tail = r->end & ~(u64)mask;
	int err = 0;

	f[0] = NULL;
	f[1] = NULL;
	if (r->pos & mask)
		err = page_zero_later(x, inode, (lblk_t)(r->pos >> BLOCK_SHIFT), (u32)r->pos & mask,
				      r->end < head_end ? (u32)r->end & mask : BLOCK_SIZE, &f[0]);
	/* the end's page, unless it is the start's, already dealt with */
	if (!err && r->end & mask && (!(r->pos & mask) || tail >= head_end))
		err = page_zero_later(x, inode, (lblk_t)(tail >> BLOCK_SHIFT), 0,
				      (u32)r->end & mask, &f[1]);
	return err;
}

static void unpin_ends(struct exec *x, struct frame *f[2])
{
	u32 i;

	for (i = 0; i < 2; i++)
		if (f[i])
			frame_unpin(x, f[i]);
}

/* What has been done so far is whole; the rest may be for another transaction of the journal. */
static int go_on(struct exec *x)
{
	tx_restart(x);
	return journal_wants_out(x) ? journal_retry(x) : 0;
}

static int touch(struct exec *x, struct inode *inode)
{
	struct ext4_inode *raw;
	int err = inode_edit_times(x, inode, &raw);

	if (!err)
		inode_touch(x, raw, INODE_MTIME | INODE_CTIME);
	return err;
}

static int punch(struct exec *x, struct inode *inode, const struct range *r)
{
	lblk_t first = (lblk_t)r->first, last = (lblk_t)(r->past - 1), before;
	struct frame *f[2];
	int err, more = r->past > r->first;

	err = zero_ends(x, inode, r, f);
	if (!err)
		err = touch(x, inode);
	while (!err && more) {
		before = last;
		more = extent_remove_part(x, inode, first, &last);
		if (more < 0)
			err = more;
		else
			err = page_drop_later(x, inode, more ? last + 1 : first, before);
		if (!err && more)
			err = go_on(x);
	}
	unpin_ends(x, f);
	return err;
}

/* Blocks that are missing in the range. */
static int count_holes(struct exec *x, struct inode *inode, const struct range *r, u64 *holes)
{
	u64 at = r->touched;

	*holes = 0;
	while (at < r->beyond) {
		struct extent_map m;
		int err = extent_lookup(x, inode, (lblk_t)at, &m);

		if (err)
			return err;
		if (!m.pblk)
			*holes += min_of((u64)m.len, r->beyond - at);
		at += m.len;
	}
	return 0;
}

/* Allocates what is missing, unwritten; zero: what is written becomes unwritten. */
static int preallocate(struct exec *x, struct inode *inode, const struct range *r, bool zero)
{
	u64 at = r->touched;
	u64 holes;
	int err;

	err = count_holes(x, inode, r, &holes);
	/* not exact (the tree may grow), but spares filling the medium for nothing */
	if (!err && holes > block_available(x))
		err = -MP_ENOSPC;
	while (!err && at < r->beyond) {
		u32 len = (u32)min_of(r->beyond - at, 0x40000000ull);
		struct extent_map m;
		bool fresh;

		err = extent_tx_full(x) ? go_on(x) : 0;
		if (err)
			break;
		err = extent_map_or_alloc(x, inode, (lblk_t)at, len, true, &m, &fresh);
		if (err)
			break;
		if (zero && !m.unwritten) {
			u64 a = max_of(at, r->first), b = min_of(at + m.len, r->past);

			if (a < b) {
				b = min_of(b, a + EXT_UNWRITTEN_MAX);
				err = extent_mark_unwritten(x, inode, (lblk_t)a, (u32)(b - a));
				if (!err)
					err = page_drop_later(x, inode, (lblk_t)a, (lblk_t)(b - 1));
				if (!err)
					err = go_on(x);
				if (err)
					break;
				at = b;
				continue;
			}
		}
		at += m.len;
	}
	return err;
}

static int zero_edges(struct exec *x, struct inode *inode, const struct range *r)
{
	struct frame *f[2];
	int err;

	err = zero_ends(x, inode, r, f);
	if (!err)
		err = touch(x, inode);
	if (!err)
		tx_restart(x);
	unpin_ends(x, f);
	return err;
}

static int finish(struct exec *x, struct inode *inode, u32 mode, const struct range *r)
{
	struct ext4_inode *raw;
	int err = map_clean_tail(x, inode);

	if (!err)
		err = inode_edit_size(x, inode, &raw);
	if (err)
		return err;
	if (!(mode & FS_FALLOC_KEEP_SIZE) && r->end > inode_size(raw)) {
		inode_set_size(raw, r->end);
		inode_touch(x, raw, INODE_MTIME);
	}
	inode_touch(x, raw, INODE_CTIME);
	return 0;
}

/* A host does not say whether its user may keep setuid here: only root may. */
static int lose_privileges(struct exec *x, struct inode *inode)
{
	struct ext4_inode *raw = inode_raw(x, inode);
	int err;

	err = inode_lose_caps(x, inode);
	if (err || !x->cred.uid || !(raw->i_mode & (EXT4_S_ISUID | EXT4_S_ISGID)))
		return err;
	err = inode_edit_times(x, inode, &raw);
	if (!err)
		inode_kill_suid(raw);
	return err;
}

static int fallocate_locked(struct exec *x, struct inode *inode, u32 mode, const struct range *r)
{
	const struct ext4_inode *raw = inode_raw(x, inode);
	int err;

	err = inode_is_dir(raw) ? -MP_EISDIR : inode_is_reg(raw) ? 0 : -MP_ENODEV;
	if (err)
		return err;
	if (raw->i_flags & EXT4_FL_IMMUTABLE)
		return -MP_EPERM;
	if (raw->i_flags & EXT4_FL_APPEND && mode & ~FS_FALLOC_KEEP_SIZE)
		return -MP_EPERM;
	err = ext_changeable(x, inode);
	if (!err)
		err = file_finish_truncate(x, inode);
	if (!err)
		err = lose_privileges(x, inode);
	if (err)
		return err;
	if (mode & FS_FALLOC_PUNCH_HOLE)
		return punch(x, inode, r);
	if (mode & FS_FALLOC_ZERO_RANGE)
		err = zero_edges(x, inode, r);
	if (!err)
		err = preallocate(x, inode, r, mode & FS_FALLOC_ZERO_RANGE);
	return err ? err : finish(x, inode, mode, r);
}

static int fallocate_once(struct exec *x, node_t node, u32 mode, u64 pos, u64 len)
{
	struct range r = {.pos = pos, .end = pos + len};
	struct inode *inode;
	int err;

	if (!len || r.end < pos)
		return -MP_EINVAL;
	switch (mode) {
	case 0:
	case FS_FALLOC_KEEP_SIZE:
	case FS_FALLOC_ZERO_RANGE:
	case FS_FALLOC_ZERO_RANGE | FS_FALLOC_KEEP_SIZE:
	case FS_FALLOC_PUNCH_HOLE | FS_FALLOC_KEEP_SIZE:
		break;
	default:
		return -MP_EOPNOTSUPP;
	}
	if (r.end > FILE_SIZE_MAX) {
		if (!(mode & FS_FALLOC_PUNCH_HOLE))
			return -MP_EFBIG;
		r.end = max_of(FILE_SIZE_MAX, pos);
		if (r.end == pos)
			return 0;
	}
	r.first = (pos + BLOCK_SIZE - 1) >> BLOCK_SHIFT;
	r.past = r.end >> BLOCK_SHIFT;
	r.touched = pos >> BLOCK_SHIFT;
	r.beyond = (r.end + BLOCK_SIZE - 1) >> BLOCK_SHIFT;
	err = fs_writable(x);
	if (!err)
		err = inode_get_node(x, node, &inode);
	if (err)
		return err;
	tx_begin_change(x);
	err = inode_lock_write(x, inode);
	if (!err)
		err = fallocate_locked(x, inode, mode, &r);
	err = tx_end(x, err);
	inode_put(x, inode);
	return err;
}

int fs_fallocate(struct exec *x, node_t node, u32 mode, u64 pos, u64 len)
{
	int err;

	do
		err = fallocate_once(x, node, mode, pos, len);
	while (journal_again(x, &err));
	return err;
}
