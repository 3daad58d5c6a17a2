/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * POSIX ACLs: the form of the medium and that of hosts, inheritance, chmod. Layer: above xattr.c.
 * Source: POSIX.1e draft 17, acl(5); Documentation/filesystems/ext4/attributes.rst.
 *
 * Invariants
 *  C1. An ACL that is stored has passed check(): owner, users, group, groups, mask, others, in this
 *      order; a mask where there are users or groups.
 *  C2. i_mode says what the access ACL says: owner, mask (or group), others.
 */
#include <string.h>

#include "fs/xattr_priv.h"
#include "platform/errno.h"

#define MEDIUM_VERSION 1u
#define HOST_VERSION 2u
#define NO_ID 0xFFFFFFFFu

enum acl_tag {
	ACL_USER_OBJ = 0x01,
	ACL_USER = 0x02,
	ACL_GROUP_OBJ = 0x04,
	ACL_GROUP = 0x08,
	ACL_MASK = 0x10,
	ACL_OTHER = 0x20,
};

struct medium_entry { /* the id only for ACL_USER and ACL_GROUP */
	u16 tag;
	u16 perm;
	u32 id;
};

struct host_entry {
	u16 tag;
	u16 perm;
	u32 id;
};
_Static_assert(sizeof(struct host_entry) == 8, "struct host_entry");

static u32 entry_size(u32 tag)
{
	return tag == ACL_USER || tag == ACL_GROUP ? 8 : 4;
}

/* The entry at *offset, or false at the end or where the bytes make no sense. */
static bool next_entry(const u8 *acl, u32 size, u32 *offset, struct medium_entry *e)
{
	u32 len;

	if (*offset + 4 > size)
		return false;
	memcpy(e, acl + *offset, 4);
	e->id = NO_ID;
	len = entry_size(e->tag);
	if (*offset + len > size)
		return false;
	if (len == 8)
		memcpy(&e->id, acl + *offset + 4, 4);
	*offset += len;
	return true;
}

/* C1. */
static bool check(const u8 *acl, u32 size)
{
	u32 offset = 4, version, seen = 0;
	struct medium_entry e;

	if (size < 4)
		return false;
	memcpy(&version, acl, 4);
	if (version != MEDIUM_VERSION)
		return false;
	while (next_entry(acl, size, &offset, &e)) {
		bool many = e.tag == ACL_USER || e.tag == ACL_GROUP;

		if (!e.tag || e.tag & (e.tag - 1u) || e.tag > ACL_OTHER || e.perm & ~7u)
			return false;
		/* tags rise; only users and groups may be several */
		if (many ? seen >= 2u * e.tag : seen >= e.tag)
			return false;
		seen |= e.tag;
	}
	if (offset != size || (seen & 0x25) != 0x25)
		return false;
	return !(seen & (ACL_USER | ACL_GROUP)) || seen & ACL_MASK;
}

int acl_from_host(const void *host, u32 host_size, u8 *medium)
{
	u32 version, offset, put = 4;
	struct host_entry h;

	if (!host_size)
		return 0;
	if (host_size < 4 || (host_size - 4) % sizeof(h))
		return -MP_EINVAL;
	memcpy(&version, host, 4);
	if (version != HOST_VERSION)
		return -MP_EOPNOTSUPP;
	if (host_size == 4)
		return 0;
	version = MEDIUM_VERSION;
	memcpy(medium, &version, 4);
	for (offset = 4; offset < host_size; offset += sizeof(h)) {
		memcpy(&h, (const u8 *)host + offset, sizeof(h));
		if (put + 8 > BLOCK_SIZE)
			return -MP_ENOSPC;
		memcpy(medium + put, &h, entry_size(h.tag));
		put += entry_size(h.tag);
	}
	return check(medium, put) ? (int)put : -MP_EINVAL;
}

int acl_to_host(const u8 *medium, u32 medium_size, void *host, u32 host_size)
{
	u32 offset = 4, put = 4, version = HOST_VERSION;
	struct medium_entry e;
	struct host_entry h;

	if (!check(medium, medium_size))
		return -MP_EINVAL;
	if (host_size && host_size < 4)
		return -MP_ERANGE;
	if (host_size)
		memcpy(host, &version, 4);
	while (next_entry(medium, medium_size, &offset, &e)) {
		h.tag = e.tag;
		h.perm = e.perm;
		h.id = e.id;
		if (host_size && put + sizeof(h) > host_size)
			return -MP_ERANGE;
		if (host_size)
			memcpy((u8 *)host + put, &h, sizeof(h));
		put += sizeof(h);
	}
	return (int)put;
}

u32 acl_mode(const u8 *medium, u32 size, bool *minimal)
{
	u32 offset = 4, mode = 0, group = 0, mask = 8;
	struct medium_entry e;

	*minimal = true;
	while (next_entry(medium, size, &offset, &e)) {
		if (e.tag == ACL_USER_OBJ)
			mode |= (u32)e.perm << 6;
		else if (e.tag == ACL_GROUP_OBJ)
			group = e.perm;
		else if (e.tag == ACL_OTHER)
			mode |= e.perm;
		else
			*minimal = false;
		if (e.tag == ACL_MASK)
			mask = e.perm;
	}
	return mode | (mask < 8 ? mask : group) << 3;
}

/* What happens to the permissions of the owner, the group class and others. */
enum masking {
	TAKE, /* chmod: they become what mode says */
	AND,  /* a new file: they keep what mode says too, and mode becomes the same */
};

static u32 mask_entry(u8 *acl, u32 offset, u32 shift, enum masking how, u32 mode)
{
	u16 perm;

	memcpy(&perm, acl + offset + 2, 2);
	perm = (u16)((how == TAKE ? 7u : perm) & (mode >> shift & 7));
	memcpy(acl + offset + 2, &perm, 2);
	return (mode & ~(7u << shift)) | (u32)perm << shift;
}

/* Changes the ACL in place; returns the permission bits that result. */
static u32 mask_acl(u8 *acl, u32 size, enum masking how, u32 mode)
{
	u32 offset = 4, at, group_at = 0, mask_at = 0;
	struct medium_entry e;

	for (at = offset; next_entry(acl, size, &offset, &e); at = offset) {
		if (e.tag == ACL_USER_OBJ)
			mode = mask_entry(acl, at, 6, how, mode);
		else if (e.tag == ACL_OTHER)
			mode = mask_entry(acl, at, 0, how, mode);
		else if (e.tag == ACL_GROUP_OBJ)
			group_at = at;
		else if (e.tag == ACL_MASK)
			mask_at = at;
	}
	if (mask_at || group_at)
		mode = mask_entry(acl, mask_at ? mask_at : group_at, 3, how, mode);
	return mode;
}

#define ACL_NAME ((struct fs_name){"", 0})

/* Reads a stored ACL; 0: there is none. */
static int acl_read(struct exec *x, struct inode *inode, u32 index, u8 *acl)
{
	int len = xattr_get(x, inode, index, ACL_NAME, acl, BLOCK_SIZE);

	if (len == -MP_ENODATA)
		return 0;
	if (len >= 0 && !check(acl, (u32)len))
		return fs_corrupt(x, "ACL", inode->ino, 0);
	return len;
}

static int inherit(struct exec *x, struct inode *dir, struct inode *inode, u8 *acl)
{
	struct ext4_inode *raw = inode_raw(x, inode);
	bool minimal;
	u32 mode;
	int len, err = 0;

	len = acl_read(x, dir, EXT4_XATTR_ACL_DEFAULT, acl);
	if (len < 0)
		return len;
	if (!len) {
		raw->i_mode &= (u16) ~(x->cred.umask & 0777u);
		return 0;
	}
	if (inode_is_dir(raw))
		err = xattr_set(x, inode, EXT4_XATTR_ACL_DEFAULT, ACL_NAME, acl, (u32)len, 0);
	mode = mask_acl(acl, (u32)len, AND, raw->i_mode & 0777u);
	raw->i_mode = (u16)((raw->i_mode & ~0777u) | mode);
	(void)acl_mode(acl, (u32)len, &minimal);
	if (!err && !minimal)
		err = xattr_set(x, inode, EXT4_XATTR_ACL_ACCESS, ACL_NAME, acl, (u32)len, 0);
	return err;
}

int acl_inherit(struct exec *x, struct inode *dir, struct inode *inode)
{
	struct ext4_inode *raw = inode_raw(x, inode);
	struct frame *scratch;
	int err;

	if ((raw->i_mode & EXT4_S_IFMT) == EXT4_S_IFLNK)
		return 0;
	/* the new inode is saved already */
	if (xattr_none(x, dir)) {
		raw->i_mode &= (u16) ~(x->cred.umask & 0777u);
		return 0;
	}
	err = frame_alloc(x, &scratch);
	if (err)
		return err;
	err = inherit(x, dir, inode, frame_data(x, scratch));
	frame_unpin(x, scratch);
	return err;
}

int acl_chmod(struct exec *x, struct inode *inode, u32 mode)
{
	struct frame *scratch;
	u8 *acl;
	int err;

	if (xattr_none(x, inode))
		return 0;
	err = frame_alloc(x, &scratch);
	if (err)
		return err;
	acl = frame_data(x, scratch);
	err = acl_read(x, inode, EXT4_XATTR_ACL_ACCESS, acl);
	if (err > 0) {
		(void)mask_acl(acl, (u32)err, TAKE, mode & 0777u);
		err = xattr_set(x, inode, EXT4_XATTR_ACL_ACCESS, ACL_NAME, acl, (u32)err, 0);
	}
	frame_unpin(x, scratch);
	return err;
}
