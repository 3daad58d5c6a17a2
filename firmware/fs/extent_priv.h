/* SPDX-License-Identifier: BSD-2-Clause */
/* What the extent_*.c share: nodes, paths, entries. */
#ifndef MPDISK_FS_EXTENT_PRIV_H
#define MPDISK_FS_EXTENT_PRIV_H

#include "fs/extent.h"

#define EXT_ROOT_MAX 4u
#define EXT_NODE_MAX ((BLOCK_SIZE - (u32)sizeof(struct ext4_extent_header) - 4) / 12)
#define EXT_UNWRITTEN_MAX (EXT4_EXT_INIT_MAX - 1)
#define EXT_LBLK_LAST 0xFFFFFFFEu

/* One node on the way from the root (level = depth) to a leaf (level 0). */
struct ext_node {
	struct frame *buf; /* pinned; NULL: the root, in the inode */
	struct ext4_extent_header *eh;
	s32 pos; /* last entry whose key is not above the wanted block; -1 in a leaf: none */
};

struct ext_path {
	u32 depth;
	struct ext_node n[EXT4_EXT_MAX_DEPTH + 1];
	u64 next; /* first block of what follows the leaf's entry `pos`; 2^32: nothing */
};

static inline struct ext4_extent *ext_leaf(const struct ext_node *n, u32 i)
{
	return (struct ext4_extent *)(n->eh + 1) + i;
}

static inline struct ext4_extent_idx *ext_idx(const struct ext_node *n, u32 i)
{
	return (struct ext4_extent_idx *)(n->eh + 1) + i;
}

/* The key is the first word of both kinds of entry. */
static inline lblk_t ext_key(const struct ext_node *n, u32 i)
{
	return ext_idx(n, i)->ei_block;
}

static inline blkno_t idx_block(const struct ext4_extent_idx *e)
{
	return e->ei_leaf_lo | (u64)e->ei_leaf_hi << 32;
}

static inline void ext_get(const struct ext4_extent *e, struct extent_map *m)
{
	m->lblk = e->ee_block;
	m->pblk = e->ee_start_lo | (u64)e->ee_start_hi << 32;
	m->unwritten = e->ee_len > EXT4_EXT_INIT_MAX;
	m->len = m->unwritten ? e->ee_len - EXT4_EXT_INIT_MAX : e->ee_len;
}

static inline void ext_set(struct ext4_extent *e, const struct extent_map *m)
{
	e->ee_block = m->lblk;
	e->ee_len = (u16)(m->len + (m->unwritten ? EXT4_EXT_INIT_MAX : 0));
	e->ee_start_lo = (u32)m->pblk;
	e->ee_start_hi = (u16)(m->pblk >> 32);
}

static inline struct csum_id ext_csum(struct exec *x, const struct inode *inode)
{
	return (struct csum_id){CSUM_EXTENT, inode->ino, inode_csum_seed(x, inode)};
}

/* The nodes from the root to the leaf where lblk belongs. -EUCLEAN, -EIO, -ENOMEM. */
int warn_unused ext_find(struct exec *x, const struct inode *inode, lblk_t lblk,
			 struct ext_path *path);
void ext_path_put(struct exec *x, struct ext_path *path);

/* ---- extent_edit.c: the inode is saved (inode_edit) */
/* Saves entries [i, i+count) and the header. */
int warn_unused ext_save(struct exec *x, struct ext_node *n, u32 i, u32 count);
/* Takes entries [i, i+count) out of a node of any level. */
int warn_unused ext_delete(struct exec *x, struct ext_node *n, u32 i, u32 count);
/* The keys above the node of that level follow its first entry. */
int warn_unused ext_fix_keys(struct exec *x, struct ext_path *path, u32 level);
/* Before the first change that a tx makes to the tree. */
int warn_unused ext_begin_change(struct exec *x, struct inode *inode);
/* Puts an extent into a hole: merges, splits, grows. */
int warn_unused ext_put(struct exec *x, struct inode *inode, const struct extent_map *m);
/* Forgets the cached extent; after an abort too. Before the first change of a tx. */
int warn_unused ext_uncache(struct exec *x, struct inode *inode);
/* Whether the tree can be changed: -EOPNOTSUPP for block pointers of old. */
int warn_unused ext_changeable(struct exec *x, const struct inode *inode);

/* ---- extent_blockmap.c */
int warn_unused blockmap_lookup(struct exec *x, const struct inode *inode, lblk_t lblk,
				struct extent_map *out);

#endif
