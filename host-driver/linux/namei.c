// SPDX-License-Identifier: BSD-2-Clause
/*
 * Names: dentries of the guest stand for entries of the pool's directories as long as the word of
 * the pool that covers the name has not changed. d_time holds both: the reference of the word and
 * what it was; 0: not known, ask.
 */
#include <linux/namei.h>
#include <linux/slab.h>

#include "skin.h"

static void told(struct dentry *dentry, const struct exec *x)
{
	dentry->d_time = x->name_word ? (u64)x->name_word << 32 | x->name_changes : 0;
}

bool mpd_name_fresh(const struct dentry *dentry)
{
	u64 known = READ_ONCE(dentry->d_time);
	const struct mpd_sb *s = mpd_sb(dentry->d_sb);

	return known && atomic_load_acquire(pool_ptr(s->pool, known >> 32)) == (u32)known;
}

int mpd_revalidate(struct dentry *dentry)
{
	struct dentry *parent = dget_parent(dentry);
	struct name_snapshot name;
	struct fs_attr attr;
	struct exec *x;
	bool right;
	u64 time;
	int err;

	take_dentry_name_snapshot(&name, dentry);
	x = mpd_begin(dentry->d_sb);
	x->name_word = 0;
	err = fs_lookup(x, mpd_node(d_inode(parent)), mpd_name(&name.name), &attr);
	time = x->name_word ? (u64)x->name_word << 32 | x->name_changes : 0;
	mpd_end(dentry->d_sb, x);
	release_dentry_name_snapshot(&name);
	dput(parent);
	if (err)
		right = err == -ENOENT && d_really_is_negative(dentry);
	else
		right = d_really_is_positive(dentry) && mpd_node(d_inode(dentry)) == attr.node;
	if (!right)
		return 0;
	dentry->d_time = time;
	if (!err && !mpd_fresh(mpd_i(d_inode(dentry))))
		mpd_set_attr(d_inode(dentry), &attr);
	return 1;
}

static int d_revalidate_name(struct dentry *dentry, unsigned int flags)
{
	if (mpd_name_fresh(dentry))
		return 1;
	return flags & LOOKUP_RCU ? -ECHILD : mpd_revalidate(dentry);
}

const struct dentry_operations mpd_dentry_ops = {
	.d_revalidate = d_revalidate_name,
};

/* ---- finding */
static struct dentry *mpd_lookup(struct inode *dir, struct dentry *dentry, unsigned int flags)
{
	struct inode *inode = NULL;
	struct dentry *other;
	struct fs_attr attr;
	struct exec *x;
	int err;

	x = mpd_begin(dir->i_sb);
	x->name_word = 0;
	err = fs_lookup(x, mpd_node(dir), mpd_name(&dentry->d_name), &attr);
	told(dentry, x);
	mpd_end(dir->i_sb, x);
	if (err && err != -ENOENT)
		return ERR_PTR(err);
	if (!err) {
		inode = mpd_iget(dir->i_sb, &attr);
		if (IS_ERR(inode))
			return ERR_CAST(inode);
	}
	other = d_splice_alias(inode, dentry);
	if (!IS_ERR_OR_NULL(other))
		other->d_time = dentry->d_time;
	return other;
}

/* After a change of the directory, where it was mounted with `sync` or `dirsync`. */
static int sync_names(struct inode *dir)
{
	return IS_DIRSYNC(dir) ? mpd_sync_inode(dir, false) : 0;
}

/* ---- making */
struct making {
	u32 mode;
	u32 rdev;
	bool open;
	u64 fh;
	const char *target;
	struct inode *source;
};

static int make(struct exec *x, struct inode *dir, struct fs_name name, struct making *m,
		struct fs_attr *attr)
{
	struct session *session = mpd_session(mpd_sb(dir->i_sb)->disk);
	node_t node = mpd_node(dir);
	int err;

	x->name_word = 0;
	if (m->source)
		return fs_link(x, mpd_node(m->source), node, name, attr);
	if (m->target)
		return fs_symlink(x, node, name,
				  (struct fs_name){m->target, (u32)strlen(m->target)}, attr);
	if (S_ISDIR(m->mode))
		return fs_mkdir(x, node, name, m->mode, attr);
	if (!m->open)
		return fs_mknod(x, node, name, m->mode, m->rdev, false, attr);
	err = session_reserve(x, session, &m->fh);
	if (err)
		return err;
	session_note(x, session, m->fh);
	err = name.len ? fs_mknod(x, node, name, m->mode, 0, true, attr)
		       : fs_tmpfile(x, node, m->mode, attr);
	if (err)
		session_give(x, session, m->fh);
	else
		session_bind(x, session, m->fh, attr->node);
	return err;
}

/* Makes what the dentry is to stand for, and lets it. */
static int make_dentry(struct inode *dir, struct dentry *dentry, struct making *m)
{
	struct inode *inode;
	struct fs_attr attr;
	struct exec *x;
	int err;

	x = mpd_begin_change(dir->i_sb);
	err = make(x, dir, mpd_name(&dentry->d_name), m, &attr);
	if (!err)
		told(dentry, x);
	mpd_end(dir->i_sb, x);
	if (err)
		return err;
	inode = mpd_iget(dir->i_sb, &attr);
	if (IS_ERR(inode)) {
		d_drop(dentry);
		return PTR_ERR(inode);
	}
	if (m->open)
		mpd_take_open(inode, m->fh);
	if (d_unhashed(dentry))
		d_add(dentry, inode);
	else
		d_instantiate(dentry, inode);
	err = sync_names(dir);
	if (err && m->open)
		mpd_put_open(inode);
	return err;
}

static int mpd_create(struct user_namespace *ns, struct inode *dir, struct dentry *dentry,
		      umode_t mode, bool excl)
{
	struct making m = {.mode = mode};

	return make_dentry(dir, dentry, &m);
}

static int mpd_mknod(struct user_namespace *ns, struct inode *dir, struct dentry *dentry,
		     umode_t mode, dev_t rdev)
{
	struct making m = {.mode = mode, .rdev = new_encode_dev(rdev)};

	return make_dentry(dir, dentry, &m);
}

static int mpd_mkdir(struct user_namespace *ns, struct inode *dir, struct dentry *dentry,
		     umode_t mode)
{
	struct making m = {.mode = mode | S_IFDIR};

	return make_dentry(dir, dentry, &m);
}

static int mpd_symlink(struct user_namespace *ns, struct inode *dir, struct dentry *dentry,
		       const char *target)
{
	struct making m = {.target = target};

	return make_dentry(dir, dentry, &m);
}

static int mpd_link(struct dentry *old, struct inode *dir, struct dentry *dentry)
{
	struct making m = {.source = d_inode(old)};

	return make_dentry(dir, dentry, &m);
}

static int mpd_tmpfile(struct user_namespace *ns, struct inode *dir, struct file *file,
		       umode_t mode)
{
	struct making m = {.mode = mode, .open = true};
	struct inode *inode;
	struct fs_attr attr;
	struct exec *x;
	int err;

	x = mpd_begin_change(dir->i_sb);
	err = make(x, dir, (struct fs_name){NULL, 0}, &m, &attr);
	mpd_end(dir->i_sb, x);
	if (err)
		return err;
	inode = mpd_iget(dir->i_sb, &attr);
	if (IS_ERR(inode))
		return PTR_ERR(inode); /* the handle goes when the host leaves */
	mpd_take_open(inode, m.fh);
	/* d_tmpfile() takes a link away that there is not */
	set_nlink(inode, 1);
	d_tmpfile(file, inode);
	err = finish_open(file, file->f_path.dentry, mpd_file_opened);
	if (err)
		mpd_put_open(inode);
	return err;
}

/* The name is to be opened, and made if it is not there. It is made first: mostly it is not. */
static int mpd_atomic_open(struct inode *dir, struct dentry *dentry, struct file *file,
			   unsigned int flags, umode_t mode)
{
	struct making m = {.mode = mode, .open = true};
	struct dentry *other = NULL;
	int err = -EEXIST;

	if (flags & O_CREAT)
		err = make_dentry(dir, dentry, &m);
	if (!err) {
		file->f_mode |= FMODE_CREATED;
		err = finish_open(file, dentry, mpd_file_opened);
		if (err)
			mpd_put_open(d_inode(dentry));
		return err;
	}
	if (err != -EEXIST || (flags & O_CREAT && flags & O_EXCL))
		return err;
	if (d_in_lookup(dentry)) {
		other = mpd_lookup(dir, dentry, 0);
		if (IS_ERR(other))
			return PTR_ERR(other);
	} else if (flags & O_CREAT) {
		return -ESTALE; /* somebody has just made it: the VFS looks again */
	}
	return finish_no_open(file, other);
}

/* ---- removing */
static int mpd_unlink(struct inode *dir, struct dentry *dentry)
{
	struct exec *x = mpd_begin_change(dir->i_sb);
	int err;

	x->name_word = 0;
	err = fs_unlink(x, mpd_node(dir), mpd_name(&dentry->d_name));
	if (!err)
		told(dentry, x);
	mpd_end(dir->i_sb, x);
	if (err)
		return err;
	/* so that the VFS does not keep it; it may have been seen to be gone, or the name been of
	 * another one, by another host */
	if (d_inode(dentry)->i_nlink)
		drop_nlink(d_inode(dentry));
	return sync_names(dir);
}

static int mpd_rmdir(struct inode *dir, struct dentry *dentry)
{
	struct exec *x = mpd_begin_change(dir->i_sb);
	int err;

	x->name_word = 0;
	err = fs_rmdir(x, mpd_node(dir), mpd_name(&dentry->d_name));
	if (!err)
		told(dentry, x);
	mpd_end(dir->i_sb, x);
	if (err)
		return err;
	clear_nlink(d_inode(dentry));
	return sync_names(dir);
}

static int mpd_rename(struct user_namespace *ns, struct inode *dir, struct dentry *dentry,
		      struct inode *newdir, struct dentry *newdentry, unsigned int flags)
{
	struct inode *victim = d_inode(newdentry);
	struct exec *x;
	int err;

	if (flags & ~(RENAME_NOREPLACE | RENAME_EXCHANGE))
		return -EINVAL;
	BUILD_BUG_ON(RENAME_NOREPLACE != FS_RENAME_NOREPLACE ||
		     RENAME_EXCHANGE != FS_RENAME_EXCHANGE);
	x = mpd_begin_change(dir->i_sb);
	err = fs_rename(x, mpd_node(dir), mpd_name(&dentry->d_name), mpd_node(newdir),
			mpd_name(&newdentry->d_name), flags);
	mpd_end(dir->i_sb, x);
	if (err)
		return err;
	/* the VFS gives them the other's name: what was known is of the old one */
	dentry->d_time = 0;
	newdentry->d_time = 0;
	if (victim && !(flags & RENAME_EXCHANGE)) {
		if (S_ISDIR(victim->i_mode))
			clear_nlink(victim);
		else if (victim->i_nlink)
			drop_nlink(victim);
	}
	err = sync_names(dir);
	return err || newdir == dir ? err : sync_names(newdir);
}

/* ---- symbolic links: the target of an inode never changes */
static const char *mpd_get_link(struct dentry *dentry, struct inode *inode,
				struct delayed_call *done)
{
	char *target, *seen;
	struct exec *x;
	int len;

	if (!dentry)
		return ERR_PTR(-ECHILD);
	target = kmalloc(PATH_MAX, GFP_KERNEL);
	if (!target)
		return ERR_PTR(-ENOMEM);
	x = mpd_begin(inode->i_sb);
	len = fs_readlink(x, mpd_node(inode), target, PATH_MAX);
	mpd_end(inode->i_sb, x);
	if (len < 0 || len >= PATH_MAX) {
		kfree(target);
		return ERR_PTR(len < 0 ? len : -ENAMETOOLONG);
	}
	target[len] = 0;
	seen = kstrdup(target, GFP_KERNEL);
	kfree(target);
	if (!seen)
		return ERR_PTR(-ENOMEM);
	if (cmpxchg(&inode->i_link, NULL, seen))
		kfree(seen);
	return inode->i_link;
}

#define ATTR_IOPS                                                                                  \
	.permission = mpd_permission, .getattr = mpd_getattr, .setattr = mpd_setattr,              \
	.listxattr = mpd_listxattr

const struct inode_operations mpd_dir_iops = {
	ATTR_IOPS,
	.get_acl = mpd_get_acl,
	.set_acl = mpd_set_acl,
	.fileattr_get = mpd_fileattr_get,
	.fileattr_set = mpd_fileattr_set,
	.lookup = mpd_lookup,
	.atomic_open = mpd_atomic_open,
	.create = mpd_create,
	.tmpfile = mpd_tmpfile,
	.mknod = mpd_mknod,
	.mkdir = mpd_mkdir,
	.symlink = mpd_symlink,
	.link = mpd_link,
	.unlink = mpd_unlink,
	.rmdir = mpd_rmdir,
	.rename = mpd_rename,
};

const struct inode_operations mpd_file_iops = {
	ATTR_IOPS,
	.get_acl = mpd_get_acl,
	.set_acl = mpd_set_acl,
	.fileattr_get = mpd_fileattr_get,
	.fileattr_set = mpd_fileattr_set,
	.fiemap = mpd_fiemap,
};

const struct inode_operations mpd_special_iops = {
	ATTR_IOPS,
	.get_acl = mpd_get_acl,
	.set_acl = mpd_set_acl,
};

const struct inode_operations mpd_link_iops = {
	ATTR_IOPS,
	.get_link = mpd_get_link,
};
