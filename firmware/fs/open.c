/* SPDX-License-Identifier: BSD-2-Clause */
/* Opening and closing, and the flags that stand in the way of it: lsattr, chattr. */
#include "fs/inode.h"
#include "platform/atomic.h"
#include "platform/errno.h"
#include "pool/tx.h"

static int open_check(const struct ext4_inode *raw, u32 flags)
{
	return flags & FS_OPEN_WRITE &&
			       (raw->i_flags & EXT4_FL_IMMUTABLE ||
				(raw->i_flags & EXT4_FL_APPEND && !(flags & FS_OPEN_APPEND)))
		       ? -MP_EPERM
		       : 0;
}

static int open_once(struct exec *x, node_t node, u32 flags, struct fs_attr *out)
{
	struct fs_setattr set = {.valid = FS_SET_SIZE, .size = 0};
	bool truncate = flags & FS_OPEN_TRUNC;
	struct inode *inode;
	int err;

	err = truncate ? fs_writable(x) : 0;
	if (!err)
		err = inode_get_node(x, node, &inode);
	if (err)
		return err;
	if (truncate)
		tx_begin_change(x);
	else
		tx_begin(x);
	err = inode_lock_write(x, inode);
	if (!err)
		err = open_check(inode_raw(x, inode), flags);
	if (!err && truncate)
		err = inode_setattr(x, inode, &set);
	if (!err)
		err = inode_opened(x, inode);
	if (!err)
		inode_attr(x, inode, out);
	err = tx_end(x, err);
	inode_put(x, inode);
	return err;
}

int fs_open(struct exec *x, node_t node, u32 flags, struct fs_attr *out)
{
	int err;

	do
		err = open_once(x, node, flags, out);
	while (journal_again(x, &err));
	return err;
}

/* A host that dies leaves handles: they say exactly which opens are counted. */
static int handle_set(struct exec *x, node_t node)
{
	int err;

	if (!POOL_SHARED || !x->handle)
		return 0;
	err = tx_save(x, x->handle, 8);
	if (!err)
		*x->handle = node;
	return err;
}

int inode_opened(struct exec *x, struct inode *inode)
{
	int err = tx_save(x, &inode->opens, 4);

	if (!err)
		err = handle_set(x, inode_node(inode));
	if (!err)
		atomic_store(&inode->opens, inode->opens + 1);
	return err;
}

int fs_release(struct exec *x, node_t node)
{
	struct inode *inode;
	int err;

	err = inode_get_node(x, node, &inode);
	if (err)
		return err;
	tx_begin(x);
	err = inode_lock_write(x, inode);
	if (!err && !inode->opens)
		err = -MP_EBADF;
	if (!err)
		err = tx_save(x, &inode->opens, 4);
	if (!err)
		err = handle_set(x, 0);
	if (!err)
		atomic_store(&inode->opens, inode->opens - 1);
	err = tx_end(x, err);
	inode_put(x, inode);
	return err;
}

/* ---- flags */
_Static_assert(FS_FLAG_IMMUTABLE == EXT4_FL_IMMUTABLE && FS_FLAG_APPEND == EXT4_FL_APPEND,
	       "as on the medium");

static u32 visible(const struct ext4_inode *raw)
{
	return raw->i_flags & EXT4_FL_USER_VISIBLE;
}

int fs_getflags(struct exec *x, node_t node, u32 *flags)
{
	struct inode *inode;
	int err;

	err = inode_get_node(x, node, &inode);
	if (err)
		return err;
	tx_begin(x);
	err = inode_lock_read(x, inode);
	if (!err)
		*flags = visible(inode_raw(x, inode));
	err = tx_end(x, err);
	inode_put(x, inode);
	return err;
}

static int set_locked(struct exec *x, struct inode *inode, u32 flags)
{
	struct ext4_inode *raw = inode_raw(x, inode);
	u32 change = flags ^ visible(raw);
	int err;

	if (!inode_is_reg(raw) && !inode_is_dir(raw))
		return -MP_ENOTTY;
	if (change & ~FS_FLAGS_SET)
		return -MP_EOPNOTSUPP;
	if (!change)
		return 0;
	err = inode_edit(x, inode, &raw);
	if (err)
		return err;
	raw->i_flags ^= change;
	inode_touch(x, raw, INODE_CTIME);
	return 0;
}

static int set_once(struct exec *x, node_t node, u32 flags)
{
	struct inode *inode;
	int err;

	err = fs_writable(x);
	if (!err)
		err = inode_get_node(x, node, &inode);
	if (err)
		return err;
	tx_begin_change(x);
	err = inode_lock_write(x, inode);
	if (!err)
		err = set_locked(x, inode, flags);
	err = tx_end(x, err);
	inode_put(x, inode);
	return err;
}

int fs_setflags(struct exec *x, node_t node, u32 flags)
{
	int err;

	do
		err = set_once(x, node, flags);
	while (journal_again(x, &err));
	return err;
}
