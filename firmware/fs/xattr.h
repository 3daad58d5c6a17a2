/* SPDX-License-Identifier: BSD-2-Clause */
/* Extended attributes in the inode and in its block, and POSIX ACL inheritance. Owner: xattr.c,
 * acl.c. */
#ifndef MPDISK_FS_XATTR_H
#define MPDISK_FS_XATTR_H

#include "fs/inode.h"

/* Inside a tx, the inode locked. index is enum ext4_xattr_index, name without prefix. value NULL:
 * size only. */
int warn_unused xattr_get(struct exec *x, struct inode *inode, u32 index, struct fs_name name,
			  void *value, u32 size);
int warn_unused xattr_set(struct exec *x, struct inode *inode, u32 index, struct fs_name name,
			  const void *value, u32 size, u32 flags);
int warn_unused xattr_remove(struct exec *x, struct inode *inode, u32 index, struct fs_name name);
/* Whether the inode has no attributes at all, at a glance. */
bool xattr_none(struct exec *x, const struct inode *inode);
/* When the inode is freed: releases its xattr block. */
int warn_unused xattr_free_block(struct exec *x, struct inode *inode);

/* New inode in `dir`: default ACL inherited, mode and umask combined as POSIX.1e says. */
int warn_unused acl_inherit(struct exec *x, struct inode *dir, struct inode *inode);
/* After chmod: the access ACL's mask/owner/other entries follow the mode. */
int warn_unused acl_chmod(struct exec *x, struct inode *inode, u32 mode);

#endif
