/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The operations on extended attributes, with names as hosts say them. Layer: fs.h, above xattr.c
 * and acl.c.
 */
#include <string.h>

#include "fs/xattr_priv.h"
#include "platform/errno.h"

struct prefix {
	char text[26];
	u8 len;
	u8 index;
	bool whole; /* the prefix is all of the name */
};

static const struct prefix prefixes[] = {
	{"user.", 5, EXT4_XATTR_USER, false},
	{"trusted.", 8, EXT4_XATTR_TRUSTED, false},
	{"security.", 9, EXT4_XATTR_SECURITY, false},
	{"system.posix_acl_access", 23, EXT4_XATTR_ACL_ACCESS, true},
	{"system.posix_acl_default", 24, EXT4_XATTR_ACL_DEFAULT, true},
};

/* Takes the prefix off the name. */
static int name_split(struct fs_name *name, u32 *index)
{
	u32 i;

	if (!name->len || name->len > EXT4_NAME_MAX)
		return -MP_ERANGE;
	if (memchr(name->s, 0, name->len))
		return -MP_EINVAL;
	for (i = 0; i < array_size(prefixes); i++) {
		const struct prefix *p = &prefixes[i];

		if (name->len < p->len || memcmp(name->s, p->text, p->len))
			continue;
		if (p->whole && name->len != p->len)
			continue;
		name->s += p->len;
		name->len -= p->len;
		*index = p->index;
		return p->whole || name->len ? 0 : -MP_EINVAL;
	}
	return -MP_EOPNOTSUPP;
}

static bool is_acl(u32 index)
{
	return index == EXT4_XATTR_ACL_ACCESS || index == EXT4_XATTR_ACL_DEFAULT;
}

static int attr_begin(struct exec *x, node_t node, bool change, struct inode **inode)
{
	int err;

	err = inode_get_node(x, node, inode);
	if (err)
		return err;
	err = change ? inode_lock_write(x, *inode) : inode_lock_read(x, *inode);
	if (!err && change && inode_raw(x, *inode)->i_flags & (EXT4_FL_IMMUTABLE | EXT4_FL_APPEND))
		err = -MP_EPERM;
	return err;
}

static int attr_end(struct exec *x, int err, struct inode *inode)
{
	/* a count is no error */
	(void)tx_end(x, min_of(err, 0));
	if (inode)
		inode_put(x, inode);
	return err;
}

/* ---- get */
static int acl_get(struct exec *x, struct inode *inode, u32 index, struct fs_name name, void *value,
		   u32 size)
{
	struct frame *scratch;
	int err;

	err = frame_alloc(x, &scratch);
	if (err)
		return err;
	err = xattr_get(x, inode, index, name, frame_data(x, scratch), BLOCK_SIZE);
	if (err >= 0)
		err = acl_to_host(frame_data(x, scratch), (u32)err, value, size);
	if (err == -MP_EINVAL)
		err = fs_corrupt(x, "ACL", inode->ino, 0);
	frame_unpin(x, scratch);
	return err;
}

int fs_getxattr(struct exec *x, node_t node, struct fs_name name, void *value, u32 size)
{
	struct inode *inode = NULL;
	u32 index;
	int err;

	err = name_split(&name, &index);
	if (err)
		return err;
	tx_begin(x);
	err = attr_begin(x, node, false, &inode);
	if (!err && xattr_none(x, inode))
		err = -MP_ENODATA;
	else if (!err && is_acl(index))
		err = acl_get(x, inode, index, name, value, size);
	else if (!err)
		err = xattr_get(x, inode, index, name, size ? value : NULL, size);
	return attr_end(x, err, inode);
}

/* ---- set and remove */
static int acl_check(struct exec *x, const struct inode *inode, u32 index)
{
	u32 mode = inode_raw(x, inode)->i_mode;

	if ((mode & EXT4_S_IFMT) == EXT4_S_IFLNK)
		return -MP_EOPNOTSUPP;
	return index == EXT4_XATTR_ACL_DEFAULT && !inode_is_dir(inode_raw(x, inode)) ? -MP_EACCES
										     : 0;
}

/* The mode follows the access ACL. */
static int acl_set_mode(struct exec *x, struct inode *inode, u32 bits)
{
	struct ext4_inode *raw;
	int err = inode_edit(x, inode, &raw);

	if (!err) {
		raw->i_mode = (u16)((raw->i_mode & ~0777u) | bits);
		inode_touch(x, raw, INODE_CTIME);
	}
	return err;
}

static int acl_set(struct exec *x, struct inode *inode, u32 index, struct fs_name name,
		   const void *value, u32 size, u32 flags, u8 *medium)
{
	bool minimal = false;
	int err, len;

	err = acl_check(x, inode, index);
	if (err)
		return err;
	len = acl_from_host(value, size, medium);
	if (len < 0)
		return len;
	if (len && index == EXT4_XATTR_ACL_ACCESS) {
		err = acl_set_mode(x, inode, acl_mode(medium, (u32)len, &minimal));
		if (err)
			return err;
	}
	if (len && !minimal)
		return xattr_set(x, inode, index, name, medium, (u32)len, flags);
	/* nothing that the mode does not say */
	err = xattr_remove(x, inode, index, name);
	return err == -MP_ENODATA ? 0 : err;
}

static int setxattr_once(struct exec *x, node_t node, struct fs_name name, const void *value,
			 u32 size, u32 flags)
{
	struct frame *scratch = NULL;
	struct inode *inode = NULL;
	u32 index;
	int err;

	if (flags & ~(FS_XATTR_CREATE | FS_XATTR_REPLACE) ||
	    flags == (FS_XATTR_CREATE | FS_XATTR_REPLACE))
		return -MP_EINVAL;
	err = fs_writable(x);
	if (!err)
		err = name_split(&name, &index);
	if (err)
		return err;
	tx_begin_change(x);
	err = attr_begin(x, node, true, &inode);
	if (err)
		goto out;
	if (!is_acl(index)) {
		err = xattr_set(x, inode, index, name, value, size, flags);
		goto out;
	}
	err = frame_alloc(x, &scratch);
	if (err)
		goto out;
	err = acl_set(x, inode, index, name, value, size, flags, frame_data(x, scratch));
	frame_unpin(x, scratch);
out:
	return attr_end(x, err, inode);
}

int fs_setxattr(struct exec *x, node_t node, struct fs_name name, const void *value, u32 size,
		u32 flags)
{
	int err;

	do
		err = setxattr_once(x, node, name, value, size, flags);
	while (journal_again(x, &err));
	return err;
}

static int removexattr_once(struct exec *x, node_t node, struct fs_name name)
{
	struct inode *inode = NULL;
	u32 index;
	int err;

	err = fs_writable(x);
	if (!err)
		err = name_split(&name, &index);
	if (err)
		return err;
	tx_begin_change(x);
	err = attr_begin(x, node, true, &inode);
	if (!err)
		err = xattr_remove(x, inode, index, name);
	/* an ACL that is not there is taken away well */
	if (err == -MP_ENODATA && is_acl(index))
		err = 0;
	return attr_end(x, err, inode);
}

int fs_removexattr(struct exec *x, node_t node, struct fs_name name)
{
	int err;

	do
		err = removexattr_once(x, node, name);
	while (journal_again(x, &err));
	return err;
}

/* ---- list */
struct lister {
	char *list;
	u32 size;
	u32 used;     /* what is needed, whether it fits or not */
	bool trusted; /* whoever asks may see those, too */
};

static void list_one(void *arg, const struct ext4_xattr_entry *e)
{
	struct lister *l = arg;
	u32 i, len;

	for (i = 0; i < array_size(prefixes); i++) {
		const struct prefix *p = &prefixes[i];

		if (p->index != e->e_name_index)
			continue;
		if (p->index == EXT4_XATTR_TRUSTED && !l->trusted)
			continue;
		len = p->len + (p->whole ? 0u : e->e_name_len) + 1;
		if (l->used + len <= l->size) {
			memcpy(l->list + l->used, p->text, p->len);
			memcpy(l->list + l->used + p->len, e->e_name, len - 1 - p->len);
			l->list[l->used + len - 1] = 0;
		}
		l->used += len;
	}
}

int fs_listxattr(struct exec *x, node_t node, void *list, u32 size)
{
	struct lister l = {list, size, 0, x->cred.uid == 0};
	struct inode *inode = NULL;
	int err;

	tx_begin(x);
	err = attr_begin(x, node, false, &inode);
	if (!err && !xattr_none(x, inode))
		err = xattr_each(x, inode, list_one, &l);
	if (!err)
		err = size && l.used > size ? -MP_ERANGE : (int)l.used;
	return attr_end(x, err, inode);
}
