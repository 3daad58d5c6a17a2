/* SPDX-License-Identifier: BSD-2-Clause */
/* Extent trees of any depth. The inode is locked by the caller. Owner: extent.c. */
#ifndef MPDISK_FS_EXTENT_H
#define MPDISK_FS_EXTENT_H

#include "fs/inode.h"

/* Whether i_block is the root of a tree or of block pointers (not a device, not a fast symlink). */
bool inode_has_tree(const struct ext4_inode *raw);

/* Of a checked inode with a tree: whether nothing at all is mapped. */
static inline bool extent_none(const struct ext4_inode *raw)
{
	const struct ext4_extent_header *root = (const void *)raw->i_block;

	return raw->i_flags & EXT4_FL_EXTENTS && !root->eh_entries;
}

/* A run of a file: mapped to medium blocks, unwritten, or a hole (pblk 0). */
struct extent_map {
	lblk_t lblk;
	u32 len; /* blocks; for a hole: up to the next extent (or 2^32 - lblk) */
	blkno_t pblk;
	bool unwritten;
};

/* The run that contains lblk, from lblk on. Locked for reading is enough. -EUCLEAN. */
int warn_unused extent_lookup(struct exec *x, struct inode *inode, lblk_t lblk,
			      struct extent_map *out);

/* Maps [lblk, lblk+len), which must be a hole, to blocks that the tx has allocated; merges with its
 * neighbours; splits nodes and grows the tree (allocating) as needed. Updates i_blocks for the data
 * and tree blocks. */
int warn_unused extent_insert(struct exec *x, struct inode *inode, const struct extent_map *map);

/* Turns an unwritten run into a written one (splitting as needed). */
int warn_unused extent_mark_written(struct exec *x, struct inode *inode, lblk_t lblk, u32 len);
int warn_unused extent_mark_unwritten(struct exec *x, struct inode *inode, lblk_t lblk, u32 len);

/* Unmaps and frees [lblk, *last] and tree nodes that become empty. Works at most so much as one
 * undo log holds: returns 1 when there is more to do, up to *last (the caller calls tx_restart and
 * goes on), 0 when done. */
int warn_unused extent_remove_part(struct exec *x, struct inode *inode, lblk_t lblk, lblk_t *last);
/* Everything from lblk on, with as many tx_restart as it takes: the inode is on the orphan list. */
int warn_unused extent_remove_all(struct exec *x, struct inode *inode, lblk_t lblk);

/* Whether the open tx has used so much of its log, in-flight list and edited buffers that a loop
 * had better go on in the next one. */
bool extent_tx_full(const struct exec *x);

/* When an inode is loaded: the node in i_block makes sense. -EUCLEAN. */
int warn_unused extent_check_root(struct exec *x, const struct inode *inode);

/* Allocates and maps what is missing of [lblk, lblk+len), at most one extent a call: *out is the
 * run from lblk. For directories, symlinks and the write path. On -ENOSPC nothing was mapped, and
 * the tx may still be committed. */
int warn_unused extent_map_or_alloc(struct exec *x, struct inode *inode, lblk_t lblk, u32 len,
				    bool unwritten, struct extent_map *out, bool *fresh);

/* An empty tree in the zeroed i_block of a raw inode that is saved already. */
void extent_init(struct ext4_inode *raw);

/* The cached extent of the inode, if it was being filled by the dead executor. */
void ext_recover(struct exec *as, struct inode *inode);

#endif
