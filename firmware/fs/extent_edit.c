/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Changing extent trees: inserting with merge, split and growth, and written <-> unwritten.
 *
 * Each step (one split, one growth, one entry) leaves a valid tree; after a split or a growth the
 * path is looked up again, which keeps the steps simple and is rare.
 */
#include <string.h>

#include "platform/atomic.h"
#include "platform/errno.h"
#include "fs/alloc.h"
#include "fs/extent_priv.h"

int ext_save(struct exec *x, struct ext_node *n, u32 i, u32 count)
{
	u32 off = (u32)sizeof(struct ext4_extent_header) + i * 12;
	void *p;
	int err;

	if (!n->buf)
		return 0; /* saved with the inode */
	err = buf_save(x, n->buf, 0, sizeof(struct ext4_extent_header), &p);
	if (!err && count)
		err = buf_save(x, n->buf, off, count * 12, &p);
	return err;
}

int ext_delete(struct exec *x, struct ext_node *n, u32 i, u32 count)
{
	u32 left = n->eh->eh_entries - i - count;
	int err;

	err = ext_save(x, n, i, left);
	if (err)
		return err;
	memmove(ext_idx(n, i), ext_idx(n, i + count), left * 12);
	n->eh->eh_entries = (u16)(n->eh->eh_entries - count);
	return 0;
}

int ext_fix_keys(struct exec *x, struct ext_path *path, u32 level)
{
	lblk_t key = ext_key(&path->n[level], 0);

	for (level++; level <= path->depth; level++) {
		struct ext_node *n = &path->n[level];
		int err;

		if (ext_key(n, (u32)n->pos) == key)
			break;
		err = ext_save(x, n, (u32)n->pos, 1);
		if (err)
			return err;
		ext_idx(n, (u32)n->pos)->ei_block = key;
		if (n->pos)
			break;
	}
	return 0;
}

/* Makes room for one entry at i and fills it. There is room. */
static int insert_at(struct exec *x, struct ext_node *n, u32 i, const void *entry)
{
	u32 behind = n->eh->eh_entries - i;
	int err;

	err = ext_save(x, n, i, behind + 1);
	if (err)
		return err;
	memmove(ext_idx(n, i + 1), ext_idx(n, i), behind * 12);
	memcpy(ext_idx(n, i), entry, 12);
	n->eh->eh_entries++;
	return 0;
}

static bool mergeable(const struct extent_map *a, const struct extent_map *b)
{
	return a->unwritten == b->unwritten && a->lblk + a->len == b->lblk &&
	       a->pblk + a->len == b->pblk &&
	       a->len + b->len <= (a->unwritten ? EXT_UNWRITTEN_MAX : EXT4_EXT_INIT_MAX);
}

/* 1: done, 0: not possible. */
static int try_merge(struct exec *x, struct ext_path *path, const struct extent_map *m)
{
	struct ext_node *leaf = &path->n[0];
	u32 right = (u32)(leaf->pos + 1);
	struct extent_map a, b = {.len = 0}, all = *m;
	bool with_right = false;
	int err;

	if (right < leaf->eh->eh_entries) {
		ext_get(ext_leaf(leaf, right), &b);
		with_right = mergeable(m, &b);
	}
	if (leaf->pos >= 0) {
		ext_get(ext_leaf(leaf, (u32)leaf->pos), &a);
		if (mergeable(&a, m)) {
			err = ext_save(x, leaf, (u32)leaf->pos, 1);
			if (err)
				return err;
			a.len += m->len;
			with_right = with_right && mergeable(&a, &b);
			if (with_right)
				a.len += b.len;
			ext_set(ext_leaf(leaf, (u32)leaf->pos), &a);
			err = with_right ? ext_delete(x, leaf, right, 1) : 0;
			return err ? err : 1;
		}
	}
	if (!with_right)
		return 0;
	err = ext_save(x, leaf, right, 1);
	if (err)
		return err;
	all.len += b.len;
	ext_set(ext_leaf(leaf, right), &all);
	err = right ? 0 : ext_fix_keys(x, path, 0);
	return err ? err : 1;
}

/* A new node block: allocated, zeroed, counted in i_blocks. */
static int node_new(struct exec *x, struct inode *inode, blkno_t goal, u32 level, blkno_t *block,
		    struct ext_node *n)
{
	u32 one = 1;
	int err;

	err = block_alloc(x, inode, goal, &one, block);
	if (!err)
		err = buf_new(x, *block, ext_csum(x, inode), &n->buf);
	if (err)
		return err;
	inode_add_blocks(inode_raw(x, inode), 1);
	atomic_or(&n->buf->flags, FRAME_CHECKED);
	n->eh = frame_data(x, n->buf);
	n->eh->eh_magic = EXT4_EXT_MAGIC;
	n->eh->eh_depth = (u16)level;
	n->eh->eh_max = (u16)EXT_NODE_MAX;
	return 0;
}

static void fill_idx(struct ext4_extent_idx *e, lblk_t key, blkno_t block)
{
	e->ei_block = key;
	e->ei_leaf_lo = (u32)block;
	e->ei_leaf_hi = (u16)(block >> 32);
	e->ei_unused = 0;
}

/* The root's entries move to a new node below it. */
static int grow(struct exec *x, struct inode *inode, struct ext_path *path)
{
	struct ext_node *root = &path->n[path->depth], n;
	blkno_t block;
	int err;

	if (path->depth >= EXT4_EXT_MAX_DEPTH)
		return -MP_EFBIG;
	err = node_new(x, inode, 0, path->depth, &block, &n);
	if (err)
		return err;
	memcpy(ext_idx(&n, 0), ext_idx(root, 0), root->eh->eh_entries * 12u);
	n.eh->eh_entries = root->eh->eh_entries;
	root->eh->eh_entries = 1;
	root->eh->eh_depth++;
	fill_idx(ext_idx(root, 0), ext_key(&n, 0), block);
	buf_put(x, n.buf);
	return 0;
}

/* A full node, whose parent has room, gives its upper part to a new one. */
static int split(struct exec *x, struct inode *inode, struct ext_path *path, u32 level)
{
	struct ext_node *n = &path->n[level], *parent = &path->n[level + 1], upper;
	u32 entries = n->eh->eh_entries;
	/* who appends leaves full nodes behind */
	u32 cut = n->pos + 1 == (s32)entries ? entries - 1 : entries / 2;
	struct ext4_extent_idx idx;
	blkno_t block;
	int err;

	err = node_new(x, inode, n->buf->block + 1, level, &block, &upper);
	if (err)
		return err;
	memcpy(ext_idx(&upper, 0), ext_idx(n, cut), (entries - cut) * 12);
	upper.eh->eh_entries = (u16)(entries - cut);
	fill_idx(&idx, ext_key(&upper, 0), block);
	buf_put(x, upper.buf);
	err = ext_save(x, n, 0, 0);
	if (err)
		return err;
	n->eh->eh_entries = (u16)cut;
	return insert_at(x, parent, (u32)parent->pos + 1, &idx);
}

static bool node_full(const struct ext_node *n)
{
	return n->eh->eh_entries >= n->eh->eh_max;
}

/* One step towards room in the leaf. */
static int make_room(struct exec *x, struct inode *inode, struct ext_path *path)
{
	u32 level = 0;

	while (level <= path->depth && node_full(&path->n[level]))
		level++;
	if (level > path->depth)
		return grow(x, inode, path);
	return split(x, inode, path, level - 1);
}

int ext_put(struct exec *x, struct inode *inode, const struct extent_map *m)
{
	for (;;) {
		struct ext4_extent entry;
		struct ext_path path;
		struct ext_node *leaf = &path.n[0];
		int err;

		err = ext_find(x, inode, m->lblk, &path);
		if (err)
			return err;
		err = try_merge(x, &path, m);
		if (!err && !node_full(leaf)) {
			u32 at = (u32)(leaf->pos + 1);

			ext_set(&entry, m);
			err = insert_at(x, leaf, at, &entry);
			if (!err && !at)
				err = ext_fix_keys(x, &path, 0);
			ext_path_put(x, &path);
			return err;
		}
		if (!err) {
			err = make_room(x, inode, &path);
			ext_path_put(x, &path);
			if (err)
				return err;
			continue;
		}
		ext_path_put(x, &path);
		return err < 0 ? err : 0;
	}
}

int ext_begin_change(struct exec *x, struct inode *inode)
{
	struct ext4_inode *raw;
	int err;

	err = ext_changeable(x, inode);
	if (!err)
		err = inode_edit(x, inode, &raw);
	if (!err)
		err = ext_uncache(x, inode);
	return err;
}

int extent_insert(struct exec *x, struct inode *inode, const struct extent_map *map)
{
	int err;

	err = ext_begin_change(x, inode);
	if (err)
		return err;
	err = ext_put(x, inode, map);
	if (!err)
		inode_add_blocks(inode_raw(x, inode), map->len);
	return err;
}

/* ---- written <-> unwritten */
/* The piece [lblk, lblk+n) of entry pos, which begins there, goes over to the entry before it. */
static int give_left(struct exec *x, struct ext_node *leaf, const struct extent_map *mid,
		     const struct extent_map *right)
{
	u32 pos = (u32)leaf->pos;
	struct extent_map a;
	int err;

	err = ext_save(x, leaf, pos - 1, 2);
	if (err)
		return err;
	ext_get(ext_leaf(leaf, pos - 1), &a);
	a.len += mid->len;
	ext_set(ext_leaf(leaf, pos - 1), &a);
	if (!right->len)
		return ext_delete(x, leaf, pos, 1);
	ext_set(ext_leaf(leaf, pos), right);
	return 0;
}

/* Entry pos becomes its first piece; *put are the pieces that must be inserted. */
static int convert_entry(struct exec *x, struct ext_path *path, const struct extent_map *left,
			 const struct extent_map *mid, const struct extent_map *right,
			 struct extent_map put[2])
{
	struct ext_node *leaf = &path->n[0];
	u32 pos = (u32)leaf->pos;
	struct extent_map before;
	int err;

	put[0].len = 0;
	put[1].len = 0;
	if (!left->len && pos) {
		ext_get(ext_leaf(leaf, pos - 1), &before);
		if (mergeable(&before, mid))
			return give_left(x, leaf, mid, right);
	}
	err = ext_save(x, leaf, pos, 1);
	if (err)
		return err;
	if (left->len) {
		ext_set(ext_leaf(leaf, pos), left);
		put[0] = *mid;
	} else {
		ext_set(ext_leaf(leaf, pos), mid);
	}
	put[1] = *right;
	return 0;
}

/* Converts as much of [lblk, lblk+len) as one entry has, *done blocks, but for the pieces that it
 * leaves in put[]. Not inlined: inserting them goes deep, and needs none of what is here. */
static __attribute__((noinline)) int convert_first(struct exec *x, struct inode *inode, lblk_t lblk,
						   u32 len, bool unwritten,
						   struct extent_map put[2], u32 *done)
{
	struct extent_map e = {.len = 0}, left, mid, right;
	struct ext_path path;
	int err;

	put[0].len = 0;
	put[1].len = 0;
	err = ext_find(x, inode, lblk, &path);
	if (err)
		return err;
	if (path.n[0].pos >= 0)
		ext_get(ext_leaf(&path.n[0], (u32)path.n[0].pos), &e);
	if (!e.len || lblk - e.lblk >= e.len) {
		ext_path_put(x, &path);
		return fs_corrupt(x, "converting a hole", inode->ino, lblk);
	}
	left = e;
	left.len = lblk - e.lblk;
	mid = e;
	mid.lblk = lblk;
	mid.pblk += left.len;
	mid.len = min_of(len, e.len - left.len);
	if (unwritten)
		mid.len = min_of(mid.len, EXT_UNWRITTEN_MAX);
	mid.unwritten = unwritten;
	right = e;
	right.lblk = mid.lblk + mid.len;
	right.pblk = mid.pblk + mid.len;
	right.len = e.len - left.len - mid.len;
	*done = mid.len;
	if (e.unwritten != unwritten)
		err = convert_entry(x, &path, &left, &mid, &right, put);
	ext_path_put(x, &path);
	return err;
}

static int convert_one(struct exec *x, struct inode *inode, lblk_t lblk, u32 len, bool unwritten,
		       u32 *done)
{
	struct extent_map put[2];
	u32 i;
	int err;

	err = convert_first(x, inode, lblk, len, unwritten, put, done);
	for (i = 0; !err && i < 2; i++)
		if (put[i].len)
			err = ext_put(x, inode, &put[i]);
	return err;
}

static int convert(struct exec *x, struct inode *inode, lblk_t lblk, u32 len, bool unwritten)
{
	u32 done;
	int err;

	err = ext_begin_change(x, inode);
	while (!err && len) {
		err = convert_one(x, inode, lblk, len, unwritten, &done);
		if (err)
			break;
		lblk += done;
		len -= done;
	}
	return err;
}

int extent_mark_written(struct exec *x, struct inode *inode, lblk_t lblk, u32 len)
{
	return convert(x, inode, lblk, len, false);
}

int extent_mark_unwritten(struct exec *x, struct inode *inode, lblk_t lblk, u32 len)
{
	return convert(x, inode, lblk, len, true);
}
