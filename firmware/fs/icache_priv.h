/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of the inode cache share: icache.c, icache_put.c. */
#ifndef MPDISK_ICACHE_PRIV_H
#define MPDISK_ICACHE_PRIV_H

#include "fs/inode.h"

static inline struct inode *slot_nth(const struct exec *x, u32 n)
{
	return (struct inode *)exec_ptr(x, fs_of(x)->inodes) + n;
}

static inline void icache_lock(struct exec *x)
{
	lock_mini(x, &fs_of(x)->icache_lock, RANK_ICACHE);
}

static inline void icache_unlock(struct exec *x)
{
	lock_drop(x, &fs_of(x)->icache_lock);
}

/* Without the lock: the slot, pinned and ready, or NULL when it is not to be had so. */
struct inode *slot_get_fast(struct exec *x, ino_no_t ino);
/* Takes a dead inode's slot out of the hash; it becomes free with the last pin. */
void inode_unhash(struct exec *x, struct inode *inode);
/* Ends the life of an unhashed slot if the caller's pin is the only one. */
bool slot_free(struct exec *x, struct inode *inode);
/* The rest of the life of one that this executor has frozen. */
void slot_free_frozen(struct exec *x, struct inode *inode);

#endif
