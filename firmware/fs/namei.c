/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The operations on names, except renaming. Layer: what ports and FUSE call (fs.h), above
 * directories and inodes.
 *
 * Invariants
 *  A1. Every operation is one transaction, with the pins taken before it ends and dropped after.
 *  A2. Locks: directory, then the inode that the name names. The dentry cache changes last.
 *  A3. An inode that loses its last name is on the orphan list before the transaction ends.
 */
#include <string.h>

#include "fs/dir.h"
#include "fs/extent.h"
#include "fs/file_priv.h"
#include "fs/namei_priv.h"
#include "fs/xattr.h"
#include "fs/warm.h"
#include "platform/errno.h"

#define FAST_LINK_MAX 59u
#define LINK_TARGET_MAX 4095u

/* 1..255 bytes, no '/' and no NUL. */
static int name_check(struct fs_name name)
{
	u32 i;

	if (name.len > EXT4_NAME_MAX)
		return -MP_ENAMETOOLONG;
	if (!name.len)
		return -MP_EINVAL;
	for (i = 0; i < name.len; i++)
		if (name.s[i] == '/' || !name.s[i])
			return -MP_EINVAL;
	return 0;
}

/* 1: ".", 2: "..", else 0. */
static u32 name_dots(struct fs_name name)
{
	if (name.s[0] != '.' || name.len > 2)
		return 0;
	return name.len == 1 ? 1 : name.s[1] == '.' ? 2 : 0;
}

int name_check_change(struct fs_name name)
{
	int err = name_check(name);

	return !err && name_dots(name) ? -MP_EINVAL : err;
}

/* The directory, pinned (also on error, if *dir is not NULL), locked, alive; change: not immutable.
 */
static int dir_lock(struct exec *x, node_t node, bool change, struct inode **dir)
{
	const struct ext4_inode *raw;
	int err;

	err = inode_get_node(x, node, dir);
	if (err)
		return err;
	if (!inode_type_dir(*dir))
		return -MP_ENOTDIR;
	err = change ? inode_lock_write(x, *dir) : inode_lock_read(x, *dir);
	if (err)
		return err;
	raw = inode_raw(x, *dir);
	if (!raw->i_links_count)
		return -MP_ENOENT;
	return change && raw->i_flags & EXT4_FL_IMMUTABLE ? -MP_EPERM : 0;
}

int child_lock(struct exec *x, struct inode *dir, struct inode *child, bool change)
{
	int err = change ? inode_lock_write(x, child) : inode_lock_read(x, child);

	if (!err && !inode_raw(x, child)->i_links_count)
		err = fs_corrupt(x, "a name of an inode without links", dir->ino, child->ino);
	return err;
}

int op_end(struct exec *x, int err, struct inode *const *pins, u32 n)
{
	err = tx_end(x, err);
	while (n--)
		if (pins[n])
			inode_put(x, pins[n]);
	return err;
}

/* ---- lookup */

/* ".", of any type: a host that was given a file handle has the node and no name. */
static int lookup_self(struct exec *x, node_t node, struct fs_attr *out)
{
	struct inode *inode = NULL;
	int err;

	tx_begin(x);
	err = inode_get_node(x, node, &inode);
	if (!err)
		err = inode_lock_read(x, inode);
	if (!err && !inode_raw(x, inode)->i_links_count && !inode->opens)
		err = -MP_ESTALE; /* there is no way to it any more but of those who are in it */
	if (!err) {
		inode_saw(x, inode);
		inode_attr(x, inode, out);
	}
	return op_end(x, err, &inode, 1);
}

/* "..": the parent may not be locked while its child is, so it is pinned in one transaction and
 * read in the next; pinned, its number cannot come to mean another inode. */
static int lookup_parent(struct exec *x, node_t node, struct fs_attr *out)
{
	struct inode *dir = NULL, *parent = NULL;
	ino_no_t ino;
	int err;

	tx_begin(x);
	err = dir_lock(x, node, false, &dir);
	if (!err)
		err = dir_get_parent(x, dir, &ino);
	if (!err)
		err = inode_get(x, ino, &parent);
	err = op_end(x, err, &dir, 1);
	if (err)
		goto out;
	tx_begin(x);
	err = inode_lock_read(x, parent);
	if (!err) {
		inode_saw(x, parent);
		inode_attr(x, parent, out);
	}
	err = tx_end(x, err);
out:
	if (parent)
		inode_put(x, parent);
	return err;
}

/* Apart, so that the soft core's cache holds the short way whole. */
static __attribute__((noinline)) int lookup(struct exec *x, node_t node, struct fs_name name,
					    struct fs_attr *out)
{
	struct inode *in[2] = {NULL, NULL};
	struct dcache_key key;
	u32 dots;
	ino_no_t ino;
	int err;

	err = name_check(name);
	if (err)
		return err;
	dots = name_dots(name);
	if (dots)
		return dots == 2 ? lookup_parent(x, node, out) : lookup_self(x, node, out);
	tx_begin(x);
	err = dir_lock(x, node, false, &in[0]);
	if (err)
		goto out;
	err = dir_find(x, in[0], name, &key, &ino);
	dcache_told(x, &key);
	if (!err)
		err = inode_get(x, ino, &in[1]);
	if (!err)
		err = child_lock(x, in[0], in[1], false);
	if (!err) {
		inode_saw(x, in[1]);
		inode_attr(x, in[1], out);
	}
out:
	return op_end(x, err, in, 2);
}

int fs_lookup(struct exec *x, node_t node, struct fs_name name, struct fs_attr *out)
{
	int err;

	if (warm_lookup(x, node, name, out, &err))
		return err;
	return lookup(x, node, name, out);
}

/* ---- making */

/* The directory, locked, in which the name is still free. */
static int create_begin(struct exec *x, node_t node, struct fs_name name, struct dcache_key *key,
			struct inode **dir)
{
	ino_no_t ino;
	int err;

	err = dir_lock(x, node, true, dir);
	if (err)
		return err;
	err = dir_find(x, *dir, name, key, &ino);
	if (!err)
		return -MP_EEXIST;
	return err == -MP_ENOENT ? 0 : err;
}

/* Names the new inode. */
static int create_end(struct exec *x, struct inode *dir, struct fs_name name,
		      const struct dcache_key *key, struct inode *inode, struct fs_attr *out)
{
	int err;

	err = dir_insert(x, dir, name, inode->ino, inode_raw(x, inode)->i_mode);
	if (!err)
		err = dcache_change(x, key, inode->ino);
	if (!err) {
		dcache_told(x, key);
		inode_attr(x, inode, out);
	}
	return err;
}

static int create_checks(struct exec *x, struct fs_name name)
{
	int err = fs_writable(x);

	return err ? err : name_check_change(name);
}

static int mknod_once(struct exec *x, node_t node, struct fs_name name, u32 mode, u32 rdev,
		      bool open, struct fs_attr *out)
{
	struct inode *in[2] = {NULL, NULL};
	struct dcache_key key;
	int err;

	if (!(mode & EXT4_S_IFMT))
		mode |= EXT4_S_IFREG;
	switch (mode & EXT4_S_IFMT) {
	case EXT4_S_IFREG:
	case EXT4_S_IFCHR:
	case EXT4_S_IFBLK:
	case EXT4_S_IFIFO:
	case EXT4_S_IFSOCK:
		break;
	default:
		return -MP_EINVAL;
	}
	err = create_checks(x, name);
	if (err)
		return err;
	tx_begin_change(x);
	err = create_begin(x, node, name, &key, &in[0]);
	if (!err)
		err = inode_new(x, in[0], mode, rdev, &in[1]);
	if (!err)
		err = acl_inherit(x, in[0], in[1]);
	if (!err)
		err = create_end(x, in[0], name, &key, in[1], out);
	if (!err && open)
		err = inode_opened(x, in[1]);
	return op_end(x, err, in, 2);
}

int fs_mknod(struct exec *x, node_t node, struct fs_name name, u32 mode, u32 rdev, bool open,
	     struct fs_attr *out)
{
	int err;

	do
		err = mknod_once(x, node, name, mode, rdev, open, out);
	while (journal_again(x, &err));
	return err;
}

static int mkdir_room(struct exec *x, struct inode *dir)
{
	bool many = fs_of(x)->feature_ro_compat & EXT4_RO_DIR_NLINK;

	return !many && inode_raw(x, dir)->i_links_count >= EXT4_LINK_MAX ? -MP_EMLINK : 0;
}

static int mkdir_once(struct exec *x, node_t node, struct fs_name name, u32 mode,
		      struct fs_attr *out)
{
	struct inode *in[2] = {NULL, NULL};
	struct dcache_key key;
	int err;

	err = create_checks(x, name);
	if (err)
		return err;
	tx_begin_change(x);
	err = create_begin(x, node, name, &key, &in[0]);
	if (!err)
		err = mkdir_room(x, in[0]);
	if (!err)
		err = inode_new(x, in[0], EXT4_S_IFDIR | (mode & ~EXT4_S_IFMT), 0, &in[1]);
	if (!err)
		err = acl_inherit(x, in[0], in[1]);
	if (!err)
		err = dir_init(x, in[1], in[0]->ino);
	if (!err)
		err = inode_link_add(x, in[0], 1);
	if (!err)
		err = create_end(x, in[0], name, &key, in[1], out);
	if (!err)
		inode_saw(x, in[1]);
	return op_end(x, err, in, 2);
}

int fs_mkdir(struct exec *x, node_t node, struct fs_name name, u32 mode, struct fs_attr *out)
{
	int err;

	do
		err = mkdir_once(x, node, name, mode, out);
	while (journal_again(x, &err));
	return err;
}

/* A target that does not fit the inode: in a block of its own. */
static int symlink_slow(struct exec *x, struct inode *inode, struct ext4_inode *raw,
			struct fs_name target)
{
	struct csum_id id = {CSUM_NONE, 0, 0};
	struct extent_map map;
	struct frame *f;
	bool fresh;
	int err;

	raw->i_flags |= EXT4_FL_EXTENTS;
	extent_init(raw);
	err = extent_map_or_alloc(x, inode, 0, 1, false, &map, &fresh);
	if (!err)
		err = buf_new(x, map.pblk, id, &f);
	if (err)
		return err;
	err = buf_edit(x, f);
	if (!err)
		memcpy(frame_data(x, f), target.s, target.len);
	buf_put(x, f);
	return err;
}

static int symlink_write(struct exec *x, struct inode *inode, struct fs_name target)
{
	struct ext4_inode *raw;
	int err;

	err = inode_edit(x, inode, &raw);
	if (err)
		return err;
	inode_set_size(raw, target.len);
	if (target.len > FAST_LINK_MAX)
		return symlink_slow(x, inode, raw, target);
	raw->i_flags &= ~EXT4_FL_EXTENTS;
	memset(raw->i_block, 0, sizeof(raw->i_block));
	memcpy(raw->i_block, target.s, target.len);
	return 0;
}

static int symlink_once(struct exec *x, node_t node, struct fs_name name, struct fs_name target,
			struct fs_attr *out)
{
	struct inode *in[2] = {NULL, NULL};
	struct dcache_key key;
	int err;

	err = create_checks(x, name);
	if (err)
		return err;
	if (!target.len)
		return -MP_ENOENT;
	if (target.len > LINK_TARGET_MAX)
		return -MP_ENAMETOOLONG;
	if (memchr(target.s, 0, target.len))
		return -MP_EINVAL;
	tx_begin_change(x);
	err = create_begin(x, node, name, &key, &in[0]);
	if (!err)
		err = inode_new(x, in[0], EXT4_S_IFLNK | 0777, 0, &in[1]);
	if (!err)
		err = symlink_write(x, in[1], target);
	if (!err)
		err = create_end(x, in[0], name, &key, in[1], out);
	return op_end(x, err, in, 2);
}

int fs_symlink(struct exec *x, node_t node, struct fs_name name, struct fs_name target,
	       struct fs_attr *out)
{
	int err;

	do
		err = symlink_once(x, node, name, target, out);
	while (journal_again(x, &err));
	return err;
}

/* An unnamed file that is open may get its first name (O_TMPFILE and linkat). */
static int link_checks(struct exec *x, const struct inode *inode)
{
	const struct ext4_inode *raw = inode_raw(x, inode);

	if (raw->i_flags & (EXT4_FL_IMMUTABLE | EXT4_FL_APPEND))
		return -MP_EPERM;
	if (!raw->i_links_count && !(inode->flags & INODE_ORPHAN && inode->opens))
		return -MP_ENOENT;
	return raw->i_links_count >= EXT4_LINK_MAX ? -MP_EMLINK : 0;
}

static int link_once(struct exec *x, node_t node, node_t dir, struct fs_name name,
		     struct fs_attr *out)
{
	struct inode *in[2] = {NULL, NULL};
	struct dcache_key key;
	int err;

	err = create_checks(x, name);
	if (err)
		return err;
	tx_begin_change(x);
	err = create_begin(x, dir, name, &key, &in[0]);
	if (!err)
		err = inode_get_node(x, node, &in[1]);
	if (!err && inode_type_dir(in[1]))
		err = -MP_EPERM;
	if (!err)
		err = inode_lock_write(x, in[1]);
	if (!err)
		err = link_checks(x, in[1]);
	if (!err && in[1]->flags & INODE_ORPHAN)
		err = orphan_del(x, in[1]);
	if (!err)
		err = inode_link_add(x, in[1], 1);
	if (!err) {
		inode_touch(x, inode_raw(x, in[1]), INODE_CTIME);
		err = create_end(x, in[0], name, &key, in[1], out);
	}
	return op_end(x, err, in, 2);
}

int fs_link(struct exec *x, node_t node, node_t dir, struct fs_name name, struct fs_attr *out)
{
	int err;

	do
		err = link_once(x, node, dir, name, out);
	while (journal_again(x, &err));
	return err;
}

static int tmpfile_once(struct exec *x, node_t node, u32 mode, struct fs_attr *out)
{
	struct inode *in[2] = {NULL, NULL};
	struct ext4_inode *raw;
	int err;

	err = fs_writable(x);
	if (err)
		return err;
	tx_begin_change(x);
	err = dir_lock(x, node, true, &in[0]);
	if (!err)
		err = inode_new(x, in[0], EXT4_S_IFREG | (mode & ~EXT4_S_IFMT), 0, &in[1]);
	if (!err)
		err = acl_inherit(x, in[0], in[1]);
	if (!err)
		err = inode_edit(x, in[1], &raw);
	if (!err) {
		raw->i_links_count = 0;
		err = orphan_add(x, in[1]);
	}
	if (!err)
		err = inode_opened(x, in[1]);
	if (!err)
		inode_attr(x, in[1], out);
	return op_end(x, err, in, 2);
}

int fs_tmpfile(struct exec *x, node_t node, u32 mode, struct fs_attr *out)
{
	int err;

	do
		err = tmpfile_once(x, node, mode, out);
	while (journal_again(x, &err));
	return err;
}

/* ---- removing */

/* The directory and what the name names, both locked for writing. */
static int remove_begin(struct exec *x, node_t node, struct fs_name name, bool directory,
			struct dcache_key *key, struct inode **in)
{
	ino_no_t ino;
	int err;

	err = dir_lock(x, node, true, &in[0]);
	if (err)
		return err;
	err = dir_find(x, in[0], name, key, &ino);
	if (err)
		return err;
	if (inode_raw(x, in[0])->i_flags & EXT4_FL_APPEND)
		return -MP_EPERM;
	err = inode_get(x, ino, &in[1]);
	if (err)
		return err;
	if (inode_type_dir(in[1]) != directory)
		return directory ? -MP_ENOTDIR : -MP_EISDIR;
	err = child_lock(x, in[0], in[1], true);
	if (!err && inode_raw(x, in[1])->i_flags & (EXT4_FL_IMMUTABLE | EXT4_FL_APPEND))
		err = -MP_EPERM;
	return err;
}

int name_lost(struct exec *x, struct inode *inode)
{
	struct ext4_inode *raw = inode_raw(x, inode);
	bool dir = inode_is_dir(raw);
	int err = dir ? inode_edit_links(x, inode, &raw) : inode_link_add(x, inode, -1);

	if (err)
		return err;
	if (dir)
		raw->i_links_count = 0;
	inode_touch(x, raw, INODE_CTIME);
	if (!raw->i_links_count)
		err = orphan_add(x, inode);
	return err;
}

static int remove_end(struct exec *x, struct fs_name name, const struct dcache_key *key,
		      struct inode **in)
{
	int err;

	err = dir_remove(x, in[0], name);
	if (!err)
		err = name_lost(x, in[1]);
	if (!err)
		err = dcache_change(x, key, 0);
	if (!err)
		dcache_told(x, key);
	return err;
}

static int unlink_once(struct exec *x, node_t node, struct fs_name name)
{
	struct inode *in[2] = {NULL, NULL};
	struct dcache_key key;
	int err;

	err = create_checks(x, name);
	if (err)
		return err;
	tx_begin_change(x);
	err = remove_begin(x, node, name, false, &key, in);
	if (!err)
		err = remove_end(x, name, &key, in);
	return op_end(x, err, in, 2);
}

int fs_unlink(struct exec *x, node_t node, struct fs_name name)
{
	int err;

	do
		err = unlink_once(x, node, name);
	while (journal_again(x, &err));
	return err;
}

static int rmdir_once(struct exec *x, node_t node, struct fs_name name)
{
	struct inode *in[2] = {NULL, NULL};
	struct dcache_key key;
	int err;

	err = create_checks(x, name);
	if (err)
		return err;
	tx_begin_change(x);
	err = remove_begin(x, node, name, true, &key, in);
	if (!err) {
		err = dir_is_empty(x, in[1]);
		err = err > 0 ? 0 : err ? err : -MP_ENOTEMPTY;
	}
	if (!err)
		err = inode_link_add(x, in[0], -1);
	if (!err)
		err = remove_end(x, name, &key, in);
	return op_end(x, err, in, 2);
}

int fs_rmdir(struct exec *x, node_t node, struct fs_name name)
{
	int err;

	do
		err = rmdir_once(x, node, name);
	while (journal_again(x, &err));
	return err;
}

/* ---- readlink */
static int readlink_slow(struct exec *x, struct inode *inode, void *buf, u32 len)
{
	struct csum_id id = {CSUM_NONE, 0, 0};
	struct extent_map map;
	struct frame *f;
	int err;

	err = extent_lookup(x, inode, 0, &map);
	if (!err && (!map.pblk || map.unwritten))
		err = fs_corrupt(x, "symlink without a block", inode->ino, 0);
	if (!err)
		err = buf_read(x, map.pblk, id, &f);
	if (err)
		return err;
	memcpy(buf, frame_data(x, f), len);
	buf_put(x, f);
	return 0;
}

int fs_readlink(struct exec *x, node_t node, void *buf, u32 size)
{
	const struct ext4_inode *raw;
	struct inode *inode = NULL;
	bool fast, stale = false;
	u64 len = 0;
	int err;

	tx_begin(x);
	err = inode_get_node(x, node, &inode);
	if (!err)
		err = inode_lock_read(x, inode);
	if (err)
		goto out;
	raw = inode_raw(x, inode);
	len = inode_size(raw);
	fast = !(raw->i_flags & EXT4_FL_EXTENTS);
	if ((raw->i_mode & EXT4_S_IFMT) != EXT4_S_IFLNK)
		err = -MP_EINVAL;
	else if (!len || len > (fast ? FAST_LINK_MAX : LINK_TARGET_MAX))
		err = fs_corrupt(x, "length of a symlink", inode->ino, 0);
	else if (len > size)
		err = -MP_ERANGE;
	else if (fast)
		memcpy(buf, raw->i_block, (u32)len);
	else
		err = readlink_slow(x, inode, buf, (u32)len);
	stale = !err && inode_atime_stale(x, raw);
out:
	err = tx_end(x, err);
	if (stale)
		inode_accessed(x, inode);
	if (inode)
		inode_put(x, inode);
	return err ? err : (int)len;
}
