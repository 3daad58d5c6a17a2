// SPDX-License-Identifier: BSD-2-Clause
/*
 * Where a directory is. To `..` the VFS goes by its own dentries and asks nobody; but before that
 * it asks for permission to search the directory. If another host may have moved it, its dentry is
 * put where it is now: below its parent in the pool, which may have to be found in the same way.
 */
#include <linux/slab.h>

#include "skin.h"

#define PLACE_TRIES 50 /* somebody has the new parent, or the old one, locked */
#define PLACE_DEPTH 64

bool mpd_in_place(const struct inode *dir)
{
	const struct dentry *d;
	bool known;

	rcu_read_lock();
	d = hlist_entry_safe(READ_ONCE(dir->i_dentry.first), struct dentry, d_u.d_alias);
	known = !d || IS_ROOT(d) || mpd_name_fresh(d);
	rcu_read_unlock();
	return known;
}

/* ---- its name there */
struct search {
	u32 ino;
	u64 next;
	u32 len;
	char name[NAME_MAX];
};

static bool look(void *arg, const struct fs_dirent *entry)
{
	struct search *s = arg;

	s->next = entry->next;
	if (entry->ino != s->ino) /* nor is it "." or "..": a parent is another directory */
		return true;
	s->len = entry->name.len;
	memcpy(s->name, entry->name.s, s->len);
	return false;
}

static int name_in(struct inode *parent, struct search *s)
{
	u64 from;
	int err;

	do {
		struct exec *x = mpd_begin(parent->i_sb);

		from = s->next;
		err = fs_readdir(x, mpd_node(parent), from, false, look, s);
		mpd_end(parent->i_sb, x);
	} while (!err && !s->len && s->next != from);
	return err ? err : s->len ? 0 : -ENOENT;
}

/* ---- its dentry there */
/* The parent is locked. */
static int put_there(struct dentry *parent, struct inode *dir, const struct search *s)
{
	struct qstr name = QSTR_INIT(s->name, s->len);
	struct dentry *d, *moved;

	name.hash = full_name_hash(parent, s->name, s->len);
	d = d_lookup(parent, &name);
	if (d && d_inode(d) == dir) {
		dput(d);
		return 0;
	}
	if (d) {
		d_invalidate(d);
		dput(d);
	}
	d = d_alloc(parent, &name);
	if (!d)
		return -ENOMEM;
	moved = d_splice_alias(igrab(dir), d);
	if (!IS_ERR_OR_NULL(moved)) {
		moved->d_time = 0; /* ask */
		dput(moved);
	}
	dput(d);
	return PTR_ERR_OR_ZERO(moved);
}

static int connect(struct inode *parent, struct dentry *dentry, struct inode *dir)
{
	struct search *s = kzalloc(sizeof(*s), GFP_KERNEL);
	int err;

	if (!s)
		return -ENOMEM;
	s->ino = (u32)mpd_node(dir);
	err = name_in(parent, s);
	if (!err && !inode_trylock(parent))
		err = -ESTALE;
	if (!err) {
		err = put_there(dentry, dir, s);
		inode_unlock(parent);
	}
	kfree(s);
	return err;
}

static struct dentry *dentry_of(struct inode *dir)
{
	struct dentry *d = d_find_any_alias(dir);

	if (d && IS_ROOT(d) && d != dir->i_sb->s_root) {
		dput(d);
		d = NULL;
	}
	return d;
}

/* Puts it, or the first of those above it that can be, where it is. 1: that was another one. */
static int place_one(struct inode *dir)
{
	struct inode *child = igrab(dir), *parent;
	struct dentry *d = NULL;
	int err = child ? 0 : -ESTALE;
	u32 depth;

	for (depth = 0; !err && !d && depth < PLACE_DEPTH; depth++) {
		parent = mpd_iget_name(dir->i_sb, mpd_node(child), "..");
		if (IS_ERR(parent)) {
			err = PTR_ERR(parent);
			break;
		}
		d = dentry_of(parent);
		if (d) {
			err = connect(parent, d, child);
			if (!err)
				err = child != dir;
			iput(parent);
		} else {
			iput(child);
			child = parent;
		}
	}
	dput(d);
	iput(child);
	return d ? err : err ? err : -ELOOP;
}

static bool is_right(struct inode *dir)
{
	struct dentry *d = d_find_any_alias(dir);
	bool right;

	if (!d)
		return true;
	right = IS_ROOT(d) || (!d_unhashed(d) && mpd_revalidate(d));
	dput(d);
	return right;
}

void mpd_find_place(struct inode *dir)
{
	u32 tries;

	for (tries = 0; tries < PLACE_TRIES && !is_right(dir); tries++) {
		int err = place_one(dir);

		if (err < 0 && err != -ESTALE)
			return; /* it is nowhere: removed */
		if (err == -ESTALE)
			schedule_timeout_uninterruptible(1);
	}
}
