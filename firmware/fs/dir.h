/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Directories: linear and htree. The directory's inode is locked by the caller (for writing where
 * entries change). Owner: dir.c (blocks and entries), htree.c (hash, index), dcache.c (names in
 * memory).
 */
#ifndef MPDISK_FS_DIR_H
#define MPDISK_FS_DIR_H

#include "fs/inode.h"

/* -ENOENT when the name is not there. Uses and fills the dentry cache. */
int warn_unused dir_find(struct exec *x, struct inode *dir, struct fs_name name, ino_no_t *ino);
/* The name is known not to be there. -ENOSPC, -EUCLEAN. */
int warn_unused dir_insert(struct exec *x, struct inode *dir, struct fs_name name, ino_no_t ino,
			   u32 mode);
int warn_unused dir_remove(struct exec *x, struct inode *dir, struct fs_name name);
/* Changes which inode an existing name names. */
int warn_unused dir_replace(struct exec *x, struct inode *dir, struct fs_name name, ino_no_t ino,
			    u32 mode);
/* First block with "." and ".." of a new directory. */
int warn_unused dir_init(struct exec *x, struct inode *dir, ino_no_t parent);
int warn_unused dir_set_parent(struct exec *x, struct inode *dir, ino_no_t parent);
int warn_unused dir_get_parent(struct exec *x, struct inode *dir, ino_no_t *parent);
/* 1 empty, 0 not, negative errno. */
int warn_unused dir_is_empty(struct exec *x, struct inode *dir);

#endif
