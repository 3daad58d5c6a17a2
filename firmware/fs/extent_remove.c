/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Removing from extent trees: from the end towards the front, one leaf's worth at a time, so that
 * it can stop after any step and go on in another transaction.
 */
#include <string.h>

#include "fs/alloc.h"
#include "fs/extent_priv.h"

/* What a step may leave in use, so that the next one surely fits: its own saves, and in the end the
 * bitmaps and descriptors of what is freed (POOL_EDITED). */
#define TX_LOG_MAX (POOL_UNDO_SIZE / 2)
#define TX_INFLIGHT_MAX 24u
#define TX_EDITED_MAX 14u

bool extent_tx_full(const struct exec *x)
{
	const struct exec_slot *slot = x->slot;

	return slot->head > TX_LOG_MAX || slot->ninflight > TX_INFLIGHT_MAX ||
	       slot->nedited > TX_EDITED_MAX;
}

static int free_run(struct exec *x, struct inode *inode, blkno_t pblk, u32 len)
{
	struct ext4_inode *raw = inode_raw(x, inode);
	int err;

	if (inode_is_reg(raw))
		err = block_free_data(x, pblk, len);
	else
		err = block_free(x, pblk, len);
	if (!err)
		inode_add_blocks(raw, -(s64)len);
	return err;
}

/* The leaf has become empty: it goes, and what becomes empty above it. */
static int unlink_leaf(struct exec *x, struct inode *inode, struct ext_path *path)
{
	struct ext_node *n = NULL;
	u32 level;
	int err;

	for (level = 0; level < path->depth && !path->n[level].eh->eh_entries; level++) {
		err = block_free(x, path->n[level].buf->block, 1);
		if (err)
			return err;
		inode_add_blocks(inode_raw(x, inode), -1);
		n = &path->n[level + 1];
		err = ext_delete(x, n, (u32)n->pos, 1);
		if (err)
			return err;
	}
	if (!n)
		return 0;
	if (!n->eh->eh_entries) {
		n->eh->eh_depth = 0; /* E2: the root */
		return 0;
	}
	return n->pos ? 0 : ext_fix_keys(x, path, level);
}

/* While the root has but one child whose entries it could hold itself, it takes them. */
static int collapse(struct exec *x, struct inode *inode)
{
	struct ext4_extent_header *root = (void *)inode_raw(x, inode)->i_block;

	while (root->eh_depth && root->eh_entries == 1) {
		struct ext_path path;
		struct ext_node *child;
		u32 depth = root->eh_depth;
		int err;

		err = ext_find(x, inode, 0, &path);
		if (err)
			return err;
		child = &path.n[depth - 1];
		if (child->eh->eh_entries > EXT_ROOT_MAX) {
			ext_path_put(x, &path);
			return 0;
		}
		err = block_free(x, child->buf->block, 1);
		if (!err) {
			inode_add_blocks(inode_raw(x, inode), -1);
			memcpy(root + 1, child->eh + 1, child->eh->eh_entries * 12u);
			root->eh_entries = child->eh->eh_entries;
			root->eh_depth--;
		}
		ext_path_put(x, &path);
		if (err)
			return err;
	}
	return 0;
}

/* Entries pos, pos-1, ... that lie wholly in [first, ...]: *last moves below them. */
static int remove_whole(struct exec *x, struct inode *inode, struct ext_path *path, lblk_t first,
			u64 *left)
{
	struct ext_node *leaf = &path->n[0];
	u32 pos = (u32)leaf->pos, i = pos;
	struct extent_map m;
	int err;

	for (;;) {
		ext_get(ext_leaf(leaf, i), &m);
		err = free_run(x, inode, m.pblk, m.len);
		if (err)
			return err;
		*left = m.lblk;
		if (!i || ext_key(leaf, i - 1) < first || extent_tx_full(x))
			break;
		i--;
	}
	err = ext_delete(x, leaf, i, pos - i + 1);
	if (err)
		return err;
	if (!leaf->eh->eh_entries)
		return unlink_leaf(x, inode, path);
	return i ? 0 : ext_fix_keys(x, path, 0);
}

/* The entry goes beyond what is to be removed, on one side or on both. */
static int remove_part(struct exec *x, struct inode *inode, struct ext_path *path,
		       const struct extent_map *m, lblk_t first, lblk_t last,
		       struct extent_map *right)
{
	struct ext_node *leaf = &path->n[0];
	u32 pos = (u32)leaf->pos;
	lblk_t end = m->lblk + m->len - 1; /* of the entry, inclusive */
	lblk_t a = max_of(m->lblk, first), b = min_of(end, last);
	struct extent_map keep = *m;
	int err;

	right->len = end - b;
	right->lblk = b + 1;
	right->pblk = m->pblk + (b + 1 - m->lblk);
	right->unwritten = m->unwritten;
	err = free_run(x, inode, m->pblk + (a - m->lblk), b - a + 1);
	if (!err)
		err = ext_save(x, leaf, pos, 1);
	if (err)
		return err;
	keep.len = a - m->lblk;
	if (keep.len) {
		ext_set(ext_leaf(leaf, pos), &keep);
		return 0; /* the caller puts `right` */
	}
	ext_set(ext_leaf(leaf, pos), right);
	right->len = 0;
	return pos ? 0 : ext_fix_keys(x, path, 0);
}

/* One step: *left is the first block of what was removed. 1: more may be left, 0: done. */
static int remove_step(struct exec *x, struct inode *inode, lblk_t first, lblk_t last, u64 *left)
{
	struct extent_map m, right = {.len = 0};
	struct ext_path path;
	u32 level;
	int err;

	err = ext_find(x, inode, last, &path);
	if (err)
		return err;
	*left = first;
	if (path.n[0].pos < 0) {
		for (level = 1; level <= path.depth; level++)
			if (path.n[level].pos)
				err = fs_corrupt(x, "extent index key", inode->ino, last);
		goto out;
	}
	ext_get(ext_leaf(&path.n[0], (u32)path.n[0].pos), &m);
	if (m.lblk + (m.len - 1) < first)
		goto out;
	if (m.lblk < first || m.lblk + (m.len - 1) > last) {
		err = remove_part(x, inode, &path, &m, first, last, &right);
		*left = max_of(m.lblk, first);
	} else {
		err = remove_whole(x, inode, &path, first, left);
	}
out:
	ext_path_put(x, &path);
	if (!err && right.len)
		err = ext_put(x, inode, &right);
	return err ? err : *left > first;
}

int extent_remove_part(struct exec *x, struct inode *inode, lblk_t lblk, lblk_t *last)
{
	int err;

	err = ext_begin_change(x, inode);
	if (err)
		return err;
	for (;;) {
		u64 left = lblk;

		err = remove_step(x, inode, lblk, *last, &left);
		if (err < 0)
			return err;
		if (!err)
			return collapse(x, inode);
		*last = (lblk_t)(left - 1);
		if (extent_tx_full(x))
			return 1;
	}
}

int extent_remove_all(struct exec *x, struct inode *inode, lblk_t lblk)
{
	lblk_t last = EXT_LBLK_LAST;
	int more;

	while ((more = extent_remove_part(x, inode, lblk, &last)) > 0) {
		tx_restart(x);
		/* the inode is on the orphan list: this may go on in another transaction */
		if (journal_wants_out(x))
			return journal_retry(x);
	}
	return more;
}
