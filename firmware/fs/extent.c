/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Extent trees: looking up, checking, and mapping what is missing.
 *
 * Invariants
 *  E1. A node is checked as a whole when it has been read (FRAME_CHECKED), its header at each use.
 *  E2. Only the root may be empty, and then its depth is 0.
 *  E3. The key of an index entry is the key of its child's first entry.
 *  E4. The cached extent of an inode is of the committed tree or of the open tx, never of an
 *      aborted one: whoever changes the tree clears and saves it first.
 */
#include <string.h>

#include "platform/atomic.h"
#include "platform/errno.h"
#include "fs/alloc.h"
#include "fs/extent_priv.h"

_Static_assert(EXT_NODE_MAX == 340, "entries of a node block");

bool inode_has_tree(const struct ext4_inode *raw)
{
	switch (raw->i_mode & EXT4_S_IFMT) {
	case EXT4_S_IFREG:
	case EXT4_S_IFDIR:
		return true;
	case EXT4_S_IFLNK:
		return raw->i_flags & EXT4_FL_EXTENTS || inode_size(raw) >= sizeof(raw->i_block);
	}
	return false;
}

void extent_init(struct ext4_inode *raw)
{
	struct ext4_extent_header *eh = (void *)raw->i_block;

	eh->eh_magic = EXT4_EXT_MAGIC;
	eh->eh_max = EXT_ROOT_MAX;
	raw->i_flags |= EXT4_FL_EXTENTS;
}

/* ---- checking */
static bool on_medium(const struct fs *fs, blkno_t block, u32 count)
{
	return block && block < fs->blocks_count && count <= fs->blocks_count - block;
}

static bool header_ok(const struct ext4_extent_header *eh, u32 level, u32 max)
{
	return eh->eh_magic == EXT4_EXT_MAGIC && eh->eh_depth == level && eh->eh_max <= max &&
	       eh->eh_entries <= eh->eh_max && eh->eh_max;
}

static bool entries_ok(const struct fs *fs, const struct ext_node *n, u32 level)
{
	u64 min = 0;
	u32 i;

	for (i = 0; i < n->eh->eh_entries; i++) {
		struct extent_map m;

		if (level) {
			if (ext_key(n, i) < min || !on_medium(fs, idx_block(ext_idx(n, i)), 1))
				return false;
			min = (u64)ext_key(n, i) + 1;
			continue;
		}
		ext_get(ext_leaf(n, i), &m);
		if (m.lblk < min || !m.len || !on_medium(fs, m.pblk, m.len))
			return false;
		min = (u64)m.lblk + m.len;
		if (min > (u64)EXT_LBLK_LAST + 1)
			return false;
	}
	return true;
}

int extent_check_root(struct exec *x, const struct inode *inode)
{
	struct ext4_inode *raw = inode_raw(x, inode);
	struct ext_node n = {.eh = (void *)raw->i_block};

	if (!inode_has_tree(raw) || !(raw->i_flags & EXT4_FL_EXTENTS))
		return 0;
	if (n.eh->eh_depth > EXT4_EXT_MAX_DEPTH || !header_ok(n.eh, n.eh->eh_depth, EXT_ROOT_MAX) ||
	    (n.eh->eh_depth && !n.eh->eh_entries) || !entries_ok(fs_of(x), &n, n.eh->eh_depth))
		return fs_corrupt(x, "extent tree root", inode->ino, 0);
	return 0;
}

/* ---- searching */
static s32 node_search(const struct ext_node *n, lblk_t lblk)
{
	u32 lo = 0, hi = n->eh->eh_entries; /* entries below lo are <= lblk, from hi on above */

	while (lo < hi) {
		u32 mid = (lo + hi) / 2;

		if (ext_key(n, mid) <= lblk)
			lo = mid + 1;
		else
			hi = mid;
	}
	return (s32)lo - 1;
}

static int node_read(struct exec *x, const struct inode *inode, blkno_t block, u32 level,
		     struct ext_node *n)
{
	struct frame *f;
	int err;

	n->buf = NULL;
	err = buf_read(x, block, ext_csum(x, inode), &f);
	if (err)
		return err;
	n->buf = f;
	n->eh = frame_data(x, f);
	if (!header_ok(n->eh, level, EXT_NODE_MAX) || !n->eh->eh_entries)
		return fs_corrupt(x, "extent tree node", inode->ino, block);
	if (!(atomic_load(&f->flags) & FRAME_CHECKED)) {
		if (!entries_ok(fs_of(x), n, level))
			return fs_corrupt(x, "extent tree entries", inode->ino, block);
		atomic_or(&f->flags, FRAME_CHECKED);
	}
	return 0;
}

int ext_find(struct exec *x, const struct inode *inode, lblk_t lblk, struct ext_path *path)
{
	struct ext4_extent_header *root = (void *)inode_raw(x, inode)->i_block;
	u32 level;
	int err;

	path->depth = root->eh_depth;
	path->next = 1ull << 32;
	level = path->depth;
	path->n[level].buf = NULL;
	path->n[level].eh = root;
	for (;; level--) {
		struct ext_node *n = &path->n[level];

		n->pos = node_search(n, lblk);
		if (level && n->pos < 0)
			n->pos = 0;
		if (n->pos + 1 < n->eh->eh_entries)
			path->next = ext_key(n, (u32)n->pos + 1);
		if (!level)
			return 0;
		err = node_read(x, inode, idx_block(ext_idx(n, (u32)n->pos)), level - 1,
				&path->n[level - 1]);
		if (err)
			break;
	}
	/* the nodes from level - 1 up are pinned */
	for (level = level ? level - 1 : 0; level < path->depth; level++)
		if (path->n[level].buf)
			buf_put(x, path->n[level].buf);
	return err;
}

void ext_path_put(struct exec *x, struct ext_path *path)
{
	u32 level;

	for (level = 0; level < path->depth; level++)
		buf_put(x, path->n[level].buf);
}

/* ---- the cached extent: filled by readers too, so under a sequence counter */
static bool cache_get(struct inode *inode, lblk_t lblk, struct extent_map *out)
{
	u32 seq = atomic_load_acquire(&inode->ext_seq), len;

	/* acquire: none of these is read after seq is read again */
	out->lblk = atomic_load_acquire(&inode->ext_lblk);
	len = atomic_load_acquire(&inode->ext_len);
	if (lblk - out->lblk >= len || seq & 1)
		return false;
	out->unwritten = atomic_load_acquire(&inode->ext_unwritten);
	out->pblk = atomic_load_acquire(&inode->ext_pblk_lo);
	out->pblk |= (u64)atomic_load_acquire(&inode->ext_pblk_hi) << 32;
	if (atomic_load(&inode->ext_seq) != seq)
		return false;
	out->pblk += lblk - out->lblk;
	out->len = len - (lblk - out->lblk);
	out->lblk = lblk;
	return true;
}

/* Who fills it is in the counter: odd, and id << 1. */
#define EXT_SEQ_STEP 64u

static void cache_put(struct exec *x, struct inode *inode, const struct extent_map *m)
{
	u32 seq = atomic_load(&inode->ext_seq);

	if (seq & 1 || !atomic_cas(&inode->ext_seq, &seq, seq | x->id << 1 | 1))
		return;
	exec_step(x);
	/* release: who reads one of these finds seq odd or moved on */
	atomic_store_release(&inode->ext_lblk, m->lblk);
	atomic_store_release(&inode->ext_len, m->len);
	atomic_store_release(&inode->ext_unwritten, m->unwritten);
	exec_step(x);
	atomic_store_release(&inode->ext_pblk_lo, (u32)m->pblk);
	atomic_store_release(&inode->ext_pblk_hi, (u32)(m->pblk >> 32));
	exec_step(x);
	atomic_store_release(&inode->ext_seq, seq + EXT_SEQ_STEP);
}

#ifndef MPDISK_SINGLE_HART
void ext_recover(struct exec *as, struct inode *inode)
{
	u32 seq = atomic_load(&inode->ext_seq);

	if (!(seq & 1) || (seq % EXT_SEQ_STEP) >> 1 != as->id)
		return;
	atomic_store(&inode->ext_len, 0);
	exec_step(as);
	atomic_store_release(&inode->ext_seq, seq - seq % EXT_SEQ_STEP + EXT_SEQ_STEP);
}
#endif

/* E4. The caller has the lock for writing: no reader fills it meanwhile. */
int ext_uncache(struct exec *x, struct inode *inode)
{
	atomic_store(&inode->ext_len, 0);
	inode_changed(x, inode);
	return tx_save(x, &inode->ext_len, 4);
}

/* ---- public */
static void ext_result(const struct ext_path *path, lblk_t lblk, struct extent_map *out)
{
	const struct ext_node *leaf = &path->n[0];

	if (leaf->pos >= 0) {
		struct extent_map m;

		ext_get(ext_leaf(leaf, (u32)leaf->pos), &m);
		if (lblk - m.lblk < m.len) {
			*out = m;
			return;
		}
	}
	out->lblk = lblk;
	out->pblk = 0;
	out->unwritten = false;
	out->len = (u32)min_of(path->next - lblk, 0xFFFFFFFFull);
}

static int lookup_tree(struct exec *x, struct inode *inode, lblk_t lblk, struct extent_map *out)
{
	struct ext_path path;
	int err;

	err = ext_find(x, inode, lblk, &path);
	if (err)
		return err;
	ext_result(&path, lblk, out);
	ext_path_put(x, &path);
	if (!out->pblk)
		return 0;
	if (!fs_block_valid(x, out->pblk, out->len))
		return fs_corrupt(x, "extent covers metadata", inode->ino, out->pblk);
	cache_put(x, inode, out);
	out->len -= lblk - out->lblk;
	out->pblk += lblk - out->lblk;
	out->lblk = lblk;
	return 0;
}

int extent_lookup(struct exec *x, struct inode *inode, lblk_t lblk, struct extent_map *out)
{
	if (cache_get(inode, lblk, out))
		return 0;
	if (!(inode_raw(x, inode)->i_flags & EXT4_FL_EXTENTS))
		return blockmap_lookup(x, inode, lblk, out);
	return lookup_tree(x, inode, lblk, out);
}

int ext_changeable(struct exec *x, const struct inode *inode)
{
	if (inode_raw(x, inode)->i_flags & EXT4_FL_EXTENTS)
		return 0;
	plat_log(x->plat, PLAT_ERR,
		 "inode %u has block pointers, not extents: it can be read, not changed",
		 inode->ino);
	return -MP_EOPNOTSUPP;
}

/* Right behind the data before lblk, if there is any near. */
static int goal_for(struct exec *x, struct inode *inode, lblk_t lblk, blkno_t *goal)
{
	struct ext_path path;
	struct extent_map m;
	int err;

	*goal = 0;
	err = ext_find(x, inode, lblk, &path);
	if (err)
		return err;
	if (path.n[0].pos >= 0) {
		ext_get(ext_leaf(&path.n[0], (u32)path.n[0].pos), &m);
		*goal = m.pblk + (lblk - m.lblk);
	}
	ext_path_put(x, &path);
	return 0;
}

int extent_map_or_alloc(struct exec *x, struct inode *inode, lblk_t lblk, u32 len, bool unwritten,
			struct extent_map *out, bool *fresh)
{
	u32 max = unwritten ? EXT_UNWRITTEN_MAX : EXT4_EXT_INIT_MAX, count;
	struct extent_map m;
	blkno_t goal;
	int err;

	*fresh = false;
	err = extent_lookup(x, inode, lblk, out);
	if (err)
		return err;
	out->len = min_of(out->len, len);
	if (out->pblk)
		return 0;
	err = ext_changeable(x, inode);
	if (!err)
		err = goal_for(x, inode, lblk, &goal);
	if (err)
		return err;
	count = min_of(out->len, max);
	err = block_alloc(x, inode, goal, &count, &m.pblk);
	if (err)
		return err;
	m.lblk = lblk;
	m.len = count;
	m.unwritten = unwritten;
	*fresh = true;
	*out = m;
	err = extent_insert(x, inode, &m);
	if (err) {
		/* a caller that goes on with what it has must not keep them */
		int free_err = block_free(x, m.pblk, m.len);

		err = free_err ? free_err : err;
	}
	return err;
}
