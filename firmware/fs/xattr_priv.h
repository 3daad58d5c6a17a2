/* SPDX-License-Identifier: BSD-2-Clause */
/* What xattr.c, xattr_region.c and acl.c share. */
#ifndef MPDISK_FS_XATTR_PRIV_H
#define MPDISK_FS_XATTR_PRIV_H

#include "fs/xattr.h"

/* A place that holds attributes: the end of an inode, or a block. Entries grow up from `first`,
 * values down from `size`; value offsets count from base. */
struct xattr_region {
	u8 *base;
	u32 first; /* offset of the first entry */
	u32 size;
	u32 end; /* offset of the zero word behind the last entry; 0: nothing there yet */
	bool block;
};

/* An attribute to be looked for or to be put. */
struct xattr_item {
	u32 index;
	struct fs_name name;
	const void *value;
	u32 size;
};

static inline struct ext4_xattr_entry *xattr_at(const struct xattr_region *r, u32 offset)
{
	return (struct ext4_xattr_entry *)(r->base + offset);
}

static inline u32 xattr_entry_len(u32 name_len)
{
	return (name_len + 3u + (u32)sizeof(struct ext4_xattr_entry)) & ~3u;
}

/* Checks every entry and sets end. false: the bytes make no sense. */
bool xattr_region_check(struct xattr_region *r);
/* The entry of that name, or NULL. */
struct ext4_xattr_entry *xattr_region_find(const struct xattr_region *r, u32 index,
					   struct fs_name name);
/* The same region without `without` and with `add` (either may be NULL), made in out (BLOCK_SIZE
 * bytes). -ENOSPC: it does not fit. Returns the number of entries. */
int warn_unused xattr_region_build(const struct xattr_region *r,
				   const struct ext4_xattr_entry *without,
				   const struct xattr_item *add, u8 *out);
/* h_hash of a block that was built. */
u32 xattr_block_hash(const u8 *block);

/* Shows every attribute of a locked inode. */
typedef void (*xattr_visit)(void *arg, const struct ext4_xattr_entry *e);
int warn_unused xattr_each(struct exec *x, struct inode *inode, xattr_visit visit, void *arg);

/* system.posix_acl_*: the host's form to and from that of the medium; buffers of BLOCK_SIZE.
 * Return the size, or -EINVAL, -ENOSPC, -ERANGE. */
int warn_unused acl_from_host(const void *host, u32 host_size, u8 *medium);
int warn_unused acl_to_host(const u8 *medium, u32 medium_size, void *host, u32 host_size);
/* The permission bits that an ACL of the medium's form stands for; *minimal: it says no more. */
u32 acl_mode(const u8 *medium, u32 size, bool *minimal);

#endif
