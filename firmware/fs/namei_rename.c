/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Renaming, replacing and exchanging. Layer: as namei.c.
 *
 * Invariants
 *  B1. Renames between two directories are one at a time (rename_lock): while it is held, no
 *      directory gets another parent, so who is an ancestor of whom stands still.
 *  B2. Two directories are locked ancestor first, else by inode number; then what the names name:
 *      a directory before what is none (a name of which may be in it), else by inode number.
 *  B3. The child through which one directory lies below the other (the trap) can neither be moved
 *      into it nor be replaced by it.
 */
#include <string.h>

#include "fs/dir.h"
#include "fs/file_priv.h"
#include "fs/namei_priv.h"
#include "platform/errno.h"

#define DEPTH_MAX 65536u

enum { OLD, NEW, SRC, DST, INODES };

struct rename {
	struct inode *in[INODES]; /* pinned; NEW may be OLD, DST may be NULL */
	struct fs_name name[2];
	struct dcache_key key[2];
	u32 flags;
	/* B3: a child of OLD on the way to NEW, a child of NEW on the way to OLD; 0 none */
	ino_no_t trap[2];
};

/* One step up: the parent of cur in *parent and, unless it is the one that is looked for, pinned in
 * *next. A lock at a time, so a concurrent rmdir cannot deadlock with it; cur being alive under
 * its lock means that its parent is. */
static int step_up(struct exec *x, struct inode *cur, ino_no_t wanted, ino_no_t *parent,
		   struct inode **next)
{
	int err = 0;

	lock_mini(x, &cur->lock, RANK_INODE);
	if (cur->flags & INODE_DEAD || !inode_raw(x, cur)->i_links_count)
		err = -MP_ENOENT;
	if (!err)
		err = dir_get_parent(x, cur, parent);
	if (!err && *parent == cur->ino)
		err = fs_corrupt(x, "directory is its own parent", cur->ino, 0);
	if (!err && *parent != wanted)
		err = inode_get(x, *parent, next);
	lock_drop(x, &cur->lock);
	return err;
}

/* The child of `above` on the way down to `below`, or 0 if that is not below it. */
static int find_trap(struct exec *x, struct inode *above, struct inode *below, ino_no_t *trap)
{
	struct inode *cur = below, *next = NULL;
	ino_no_t parent;
	u32 depth;
	int err = 0;

	*trap = 0;
	for (depth = 0; cur->ino != EXT4_ROOT_INO; depth++) {
		next = NULL;
		err = depth < DEPTH_MAX ? step_up(x, cur, above->ino, &parent, &next)
					: fs_corrupt(x, "directories in a circle", cur->ino, 0);
		if (!err && parent == above->ino)
			*trap = cur->ino;
		if (!next || !inode_type_dir(next))
			break;
		if (cur != below)
			inode_put(x, cur);
		cur = next;
	}
	if (next && next != cur) {
		err = fs_corrupt(x, "parent is not a directory", cur->ino, next->ino);
		inode_put(x, next);
	}
	if (cur != below)
		inode_put(x, cur);
	return err;
}

static int lock_one(struct exec *x, struct inode *dir)
{
	int err = inode_lock_write(x, dir);
	u32 flags = inode_raw(x, dir)->i_flags;

	if (!err && !inode_raw(x, dir)->i_links_count)
		err = -MP_ENOENT;
	if (!err && flags & (EXT4_FL_IMMUTABLE | EXT4_FL_APPEND))
		err = -MP_EPERM;
	return err;
}

/* B1, B2 */
static int lock_dirs(struct exec *x, struct rename *r)
{
	struct inode *old = r->in[OLD], *new = r->in[NEW];
	bool new_first;
	int err;

	if (!inode_type_dir(old) || !inode_type_dir(new))
		return -MP_ENOTDIR;
	if (old == new)
		return lock_one(x, old);
	err = lock_write(x, &fs_of(x)->rename_lock, RANK_RENAME);
	if (!err)
		err = find_trap(x, old, new, &r->trap[OLD]);
	if (!err && !r->trap[OLD])
		err = find_trap(x, new, old, &r->trap[NEW]);
	if (err)
		return err;
	new_first = r->trap[NEW] || (!r->trap[OLD] && new->ino < old->ino);
	err = lock_one(x, new_first ? new : old);
	return err ? err : lock_one(x, new_first ? old : new);
}

/* B2 */
static bool locked_first(const struct inode *a, const struct inode *b)
{
	if (inode_type_dir(a) != inode_type_dir(b))
		return inode_type_dir(a);
	return a->ino < b->ino;
}

/* What the names name, locked. */
static int find_children(struct exec *x, struct rename *r)
{
	bool src_first;
	ino_no_t ino;
	int err;

	err = dir_find(x, r->in[OLD], r->name[OLD], &r->key[OLD], &ino);
	if (err)
		return err;
	if (ino == r->trap[OLD])
		return -MP_EINVAL;
	err = inode_get(x, ino, &r->in[SRC]);
	if (err)
		return err;
	err = dir_find(x, r->in[NEW], r->name[NEW], &r->key[NEW], &ino);
	if (err && err != -MP_ENOENT)
		return err;
	if (err) {
		if (r->flags & FS_RENAME_EXCHANGE)
			return err;
		return child_lock(x, r->in[OLD], r->in[SRC], true);
	}
	if (r->flags & FS_RENAME_NOREPLACE)
		return -MP_EEXIST;
	if (ino == r->trap[NEW])
		return r->flags & FS_RENAME_EXCHANGE ? -MP_EINVAL : -MP_ENOTEMPTY;
	err = inode_get(x, ino, &r->in[DST]);
	if (err)
		return err;
	if (r->in[SRC] == r->in[NEW] || r->in[DST] == r->in[OLD])
		return fs_corrupt(x, "directory below itself", r->in[NEW]->ino, ino);
	src_first = locked_first(r->in[SRC], r->in[DST]);
	err = child_lock(x, r->in[src_first ? OLD : NEW], r->in[src_first ? SRC : DST], true);
	if (err)
		return err;
	return child_lock(x, r->in[src_first ? NEW : OLD], r->in[src_first ? DST : SRC], true);
}

/* Whether SRC may take the place of DST. */
static int check_replace(struct exec *x, const struct rename *r)
{
	bool src_dir = inode_type_dir(r->in[SRC]);
	bool dst_dir = inode_type_dir(r->in[DST]);
	int err;

	if (src_dir && !dst_dir)
		return -MP_ENOTDIR;
	if (!src_dir && dst_dir)
		return -MP_EISDIR;
	if (!dst_dir)
		return 0;
	err = dir_is_empty(x, r->in[DST]);
	return err > 0 ? 0 : err ? err : -MP_ENOTEMPTY;
}

static int check(struct exec *x, const struct rename *r)
{
	const u32 fixed = EXT4_FL_IMMUTABLE | EXT4_FL_APPEND;

	if (inode_raw(x, r->in[SRC])->i_flags & fixed)
		return -MP_EPERM;
	if (!r->in[DST])
		return 0;
	if (inode_raw(x, r->in[DST])->i_flags & fixed)
		return -MP_EPERM;
	return r->flags & FS_RENAME_EXCHANGE ? 0 : check_replace(x, r);
}

static int touch_child(struct exec *x, struct inode *inode)
{
	struct ext4_inode *raw;
	int err = inode_edit_times(x, inode, &raw);

	inode_changed(x, inode); /* fdatasync keeps the new name */
	if (!err)
		inode_touch(x, raw, INODE_CTIME);
	return err;
}

/* A directory goes from one parent to another: "..", and the links it stands for. */
static int move_dir(struct exec *x, struct inode *dir, struct inode *from, struct inode *to)
{
	bool many = fs_of(x)->feature_ro_compat & EXT4_RO_DIR_NLINK;
	ino_no_t parent;
	int err;

	if (from == to || !inode_type_dir(dir))
		return 0;
	if (!many && inode_raw(x, to)->i_links_count >= EXT4_LINK_MAX)
		return -MP_EMLINK;
	err = dir_get_parent(x, dir, &parent);
	if (!err && parent != from->ino)
		err = fs_corrupt(x, "'..' names another directory", dir->ino, parent);
	if (!err)
		err = dir_set_parent(x, dir, to->ino);
	if (!err)
		err = inode_link_add(x, from, -1);
	return err ? err : inode_link_add(x, to, 1);
}

static int exchange(struct exec *x, struct rename *r)
{
	struct inode *src = r->in[SRC], *dst = r->in[DST];
	const ino_no_t inos[2] = {[OLD] = dst->ino, [NEW] = src->ino};
	int err;

	err = dir_replace(x, r->in[NEW], r->name[NEW], src->ino, inode_raw(x, src)->i_mode);
	if (!err)
		err = dir_replace(x, r->in[OLD], r->name[OLD], dst->ino, inode_raw(x, dst)->i_mode);
	if (!err)
		err = move_dir(x, src, r->in[OLD], r->in[NEW]);
	if (!err)
		err = move_dir(x, dst, r->in[NEW], r->in[OLD]);
	if (!err)
		err = touch_child(x, src);
	if (!err)
		err = touch_child(x, dst);
	return err ? err : dcache_change_two(x, r->key, inos);
}

static int move(struct exec *x, struct rename *r)
{
	struct inode *src = r->in[SRC], *dst = r->in[DST];
	const ino_no_t inos[2] = {[OLD] = 0, [NEW] = src->ino};
	u32 mode = inode_raw(x, src)->i_mode;
	int err = 0;

	/* the directory that goes away gives its place in the link count to the one that comes */
	if (dst && inode_type_dir(dst))
		err = inode_link_add(x, r->in[NEW], -1);
	if (!err)
		err = move_dir(x, src, r->in[OLD], r->in[NEW]);
	if (!err && dst)
		err = dir_replace(x, r->in[NEW], r->name[NEW], src->ino, mode);
	else if (!err)
		err = dir_insert(x, r->in[NEW], r->name[NEW], src->ino, mode);
	if (!err)
		err = dir_remove(x, r->in[OLD], r->name[OLD]);
	if (!err)
		err = touch_child(x, src);
	if (!err && dst)
		err = name_lost(x, dst);
	return err ? err : dcache_change_two(x, r->key, inos);
}

static int rename_once(struct exec *x, node_t olddir, struct fs_name oldname, node_t newdir,
		       struct fs_name newname, u32 flags)
{
	struct rename r; /* not all of it is cleared: the keys are large */
	int err;

	if (flags & ~(FS_RENAME_NOREPLACE | FS_RENAME_EXCHANGE) ||
	    flags == (FS_RENAME_NOREPLACE | FS_RENAME_EXCHANGE))
		return -MP_EINVAL;
	err = fs_writable(x);
	if (!err)
		err = name_check_change(oldname);
	if (!err)
		err = name_check_change(newname);
	if (err)
		return err;
	memset(r.in, 0, sizeof(r.in));
	r.name[OLD] = oldname;
	r.name[NEW] = newname;
	r.flags = flags;
	r.trap[OLD] = 0;
	r.trap[NEW] = 0;
	tx_begin_change(x);
	err = inode_get_node(x, olddir, &r.in[OLD]);
	if (!err)
		err = inode_get_node(x, newdir, &r.in[NEW]);
	if (!err)
		err = lock_dirs(x, &r);
	if (!err)
		err = find_children(x, &r);
	if (err || r.in[SRC] == r.in[DST])
		goto out;
	err = check(x, &r);
	if (!err)
		err = flags & FS_RENAME_EXCHANGE ? exchange(x, &r) : move(x, &r);
out:
	return op_end(x, err, r.in, INODES);
}

int fs_rename(struct exec *x, node_t olddir, struct fs_name oldname, node_t newdir,
	      struct fs_name newname, u32 flags)
{
	int err;

	do
		err = rename_once(x, olddir, oldname, newdir, newname, flags);
	while (journal_again(x, &err));
	return err;
}
