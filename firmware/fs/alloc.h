/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The allocator of blocks and inodes: bitmaps, group descriptors, uninit groups. Owner: alloc.c.
 * Every allocation is a mini-transaction under its group's lock, owned by the open tx through the
 * in-flight list; freeing happens when the tx commits (tx.h, inflight_settle).
 */
#ifndef MPDISK_FS_ALLOC_H
#define MPDISK_FS_ALLOC_H

#include "fs/inode.h"

/* Between 1 and *count contiguous blocks near `goal` (0: near the inode's group): *block and *count
 * say which. Reserved blocks only for x->cred.uid 0 or the filesystem's resuid/resgid. -ENOSPC;
 * -EUCLEAN. */
int warn_unused block_alloc(struct exec *x, struct inode *inode, blkno_t goal, u32 *count,
			    blkno_t *block);
/* To be freed when the tx commits. -EUCLEAN if the range is nonsense. */
int warn_unused block_free(struct exec *x, blkno_t block, u32 count);
/* The same for data of a regular file, which never was in a buffer. */
int warn_unused block_free_data(struct exec *x, blkno_t block, u32 count);

/* The inode's table block is initialised when it returns; what is in it is the caller's to change.
 * parent NULL: anywhere. -ENOSPC; -EUCLEAN. */
int warn_unused inode_alloc(struct exec *x, struct inode *parent, bool directory,
			    struct inode_home *home);
/* To be freed when the tx commits. */
int warn_unused inode_free(struct exec *x, ino_no_t ino, bool directory);

/* Blocks that the acting user may allocate. */
u64 block_available(struct exec *x);

/* Sums of the groups' counters. */
void alloc_totals(struct exec *x, u64 *free_blocks, u64 *free_inodes);

/* Where an inode lies in its table; -EUCLEAN out of range. */
int warn_unused inode_place(struct exec *x, ino_no_t ino, struct inode_home *home);

/* At mount: fills struct group[] from the descriptors, verifying each. */
int warn_unused groups_load(struct exec *x);

#endif
