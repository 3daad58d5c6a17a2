// SPDX-License-Identifier: BSD-2-Clause
/* Extended attributes, and ACLs, which the core keeps as such and knows how to inherit. */
#include <linux/fs.h>
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <linux/slab.h>
#include <linux/xattr.h>

#include "skin.h"

static struct fs_name name_of(const char *name)
{
	return (struct fs_name){name, (u32)strlen(name)};
}

static int mpd_xattr_get(const struct xattr_handler *handler, struct dentry *dentry,
			 struct inode *inode, const char *name, void *value, size_t size)
{
	struct exec *x = mpd_begin(inode->i_sb);
	int len;

	len = fs_getxattr(x, mpd_node(inode), name_of(xattr_full_name(handler, name)), value,
			  min_t(size_t, size, BLOCK_SIZE));
	mpd_end(inode->i_sb, x);
	return len;
}

static int set_xattr(struct inode *inode, const char *name, const void *value, size_t size,
		     int flags)
{
	struct exec *x;
	int err;

	if (size > BLOCK_SIZE) /* none of that size fits into an xattr block */
		return -ENOSPC;
	x = mpd_begin_change(inode->i_sb);
	if (value)
		err = fs_setxattr(x, mpd_node(inode), name_of(name), value, size, flags);
	else
		err = fs_removexattr(x, mpd_node(inode), name_of(name));
	mpd_end(inode->i_sb, x);
	return err;
}

static int mpd_xattr_set(const struct xattr_handler *handler, struct user_namespace *ns,
			 struct dentry *dentry, struct inode *inode, const char *name,
			 const void *value, size_t size, int flags)
{
	return set_xattr(inode, xattr_full_name(handler, name), value, size, flags);
}

/* Who may not see trusted ones does not. Returns what is left. */
static int strip_trusted(char *list, int len)
{
	bool all = capable(CAP_SYS_ADMIN);
	int at = 0, put = 0;

	while (at < len) {
		int n = strnlen(list + at, len - at) + 1;

		if (all || strncmp(list + at, XATTR_TRUSTED_PREFIX, XATTR_TRUSTED_PREFIX_LEN)) {
			memmove(list + put, list + at, n);
			put += n;
		}
		at += n;
	}
	return put;
}

ssize_t mpd_listxattr(struct dentry *dentry, char *list, size_t size)
{
	struct inode *inode = d_inode(dentry);
	char *all = kmalloc(BLOCK_SIZE, GFP_KERNEL);
	struct exec *x;
	int len;

	if (!all)
		return -ENOMEM;
	x = mpd_begin(inode->i_sb);
	len = fs_listxattr(x, mpd_node(inode), all, BLOCK_SIZE);
	mpd_end(inode->i_sb, x);
	if (len > 0) {
		len = strip_trusted(all, len);
		if (size && (size_t)len > size)
			len = -ERANGE;
		else if (size)
			memcpy(list, all, len);
	}
	kfree(all);
	return len;
}

/* ---- ACLs */
static const char *acl_name(int type)
{
	return type == ACL_TYPE_ACCESS ? XATTR_NAME_POSIX_ACL_ACCESS : XATTR_NAME_POSIX_ACL_DEFAULT;
}

struct posix_acl *mpd_get_acl(struct inode *inode, int type, bool rcu)
{
	struct posix_acl *acl;
	struct exec *x;
	void *value;
	int len;

	if (rcu)
		return ERR_PTR(-ECHILD);
	value = kmalloc(BLOCK_SIZE, GFP_KERNEL);
	if (!value)
		return ERR_PTR(-ENOMEM);
	x = mpd_begin(inode->i_sb);
	len = fs_getxattr(x, mpd_node(inode), name_of(acl_name(type)), value, BLOCK_SIZE);
	mpd_end(inode->i_sb, x);
	if (len > 0)
		acl = posix_acl_from_xattr(&init_user_ns, value, len);
	else
		acl = len == -ENODATA || !len ? NULL : ERR_PTR(len);
	kfree(value);
	return acl;
}

/* Who is not of the group may not keep setgid. */
static int kill_sgid(struct user_namespace *ns, struct inode *inode)
{
	struct fs_setattr set = {.valid = FS_SET_MODE};
	struct fs_attr attr;
	struct exec *x;
	int err = mpd_refresh(inode);

	if (err || !(inode->i_mode & S_ISGID) || in_group_p(i_gid_into_mnt(ns, inode)) ||
	    capable_wrt_inode_uidgid(ns, inode, CAP_FSETID))
		return err;
	set.mode = inode->i_mode & ~S_ISGID;
	x = mpd_begin_change(inode->i_sb);
	err = fs_setattr(x, mpd_node(inode), &set, &attr);
	mpd_end(inode->i_sb, x);
	return err;
}

int mpd_set_acl(struct user_namespace *ns, struct inode *inode, struct posix_acl *acl, int type)
{
	void *value = NULL;
	int size = 0, err;

	if (acl) {
		size = posix_acl_xattr_size(acl->a_count);
		value = kmalloc(size, GFP_KERNEL);
		if (!value)
			return -ENOMEM;
		err = posix_acl_to_xattr(&init_user_ns, acl, value, size);
		if (err < 0)
			goto out;
	}
	err = set_xattr(inode, acl_name(type), value, size, 0);
	if (!acl && err == -ENODATA)
		err = 0;
	if (!err && type == ACL_TYPE_ACCESS)
		err = kill_sgid(ns, inode);
	forget_cached_acl(inode, type);
out:
	kfree(value);
	return err;
}

static const struct xattr_handler user_handler = {
	.prefix = XATTR_USER_PREFIX,
	.get = mpd_xattr_get,
	.set = mpd_xattr_set,
};

static const struct xattr_handler trusted_handler = {
	.prefix = XATTR_TRUSTED_PREFIX,
	.get = mpd_xattr_get,
	.set = mpd_xattr_set,
};

static const struct xattr_handler security_handler = {
	.prefix = XATTR_SECURITY_PREFIX,
	.get = mpd_xattr_get,
	.set = mpd_xattr_set,
};

const struct xattr_handler *mpd_xattr_handlers[] = {
	&user_handler,
	&trusted_handler,
	&security_handler,
	&posix_acl_access_xattr_handler,
	&posix_acl_default_xattr_handler,
	NULL,
};
