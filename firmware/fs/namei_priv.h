/* SPDX-License-Identifier: BSD-2-Clause */
/* What namei.c and namei_rename.c share. */
#ifndef MPDISK_FS_NAMEI_PRIV_H
#define MPDISK_FS_NAMEI_PRIV_H

#include "fs/inode.h"

/* 1..255 bytes, no '/' and no NUL, and neither "." nor "..". */
int warn_unused name_check_change(struct fs_name name);
/* Locks what a name of the locked directory names, and checks that it has links. */
int warn_unused child_lock(struct exec *x, struct inode *dir, struct inode *child, bool change);
/* An inode has lost one of its names: count, ctime, orphan list. Directories lose their last. */
int warn_unused name_lost(struct exec *x, struct inode *inode);
/* Ends the transaction, then drops the pins that are not NULL. Gives err back. */
int op_end(struct exec *x, int err, struct inode *const *pins, u32 n);

#endif
