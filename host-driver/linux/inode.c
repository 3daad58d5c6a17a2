// SPDX-License-Identifier: BSD-2-Clause
/* Guest inodes: their attributes, which are copies of the pool's as long as a word says so, and
 * whether they are open. */
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/posix_acl.h>
#include <linux/slab.h>

#include "skin.h"

static struct kmem_cache *inode_cache;

/* ---- life */
static void init_once(void *p)
{
	struct mpd_inode *i = p;

	mutex_init(&i->open_lock);
	INIT_LIST_HEAD(&i->mapped);
	xa_init(&i->frames);
	inode_init_once(&i->vfs);
}

int mpd_inode_cache_init(void)
{
	inode_cache = kmem_cache_create("mpdisk_inode", sizeof(struct mpd_inode), 0,
					SLAB_RECLAIM_ACCOUNT | SLAB_ACCOUNT, init_once);
	return inode_cache ? 0 : -ENOMEM;
}

void mpd_inode_cache_exit(void)
{
	rcu_barrier(); /* who walks without locks may still look at one */
	kmem_cache_destroy(inode_cache);
}

struct inode *mpd_alloc_inode(struct super_block *sb)
{
	struct mpd_inode *i = alloc_inode_sb(sb, inode_cache, GFP_KERNEL);

	if (!i)
		return NULL;
	i->node = 0;
	i->nopen = 0;
	i->fh = 0;
	i->locks = false;
	i->map_seq = 0;
	i->nvma = 0;
	i->nmapped = 0;
	i->nfaults = 0;
	i->stores = false;
	return &i->vfs;
}

void mpd_free_inode(struct inode *inode)
{
	if (S_ISLNK(inode->i_mode))
		kfree(inode->i_link);
	kmem_cache_free(inode_cache, mpd_i(inode));
}

void mpd_evict_inode(struct inode *inode)
{
	truncate_inode_pages_final(&inode->i_data);
	clear_inode(inode);
	/* nobody here is in it any more: one that was removed may go (fs.h, fs_forget) */
	if (S_ISDIR(inode->i_mode) && mpd_node(inode) && mpd_node(inode) != FS_ROOT) {
		struct exec *x = mpd_begin(inode->i_sb);

		fs_forget(x, mpd_node(inode));
		mpd_end(inode->i_sb, x);
	}
}

/* ---- finding */
static int inode_is(struct inode *inode, void *node)
{
	return mpd_node(inode) == *(node_t *)node;
}

static int inode_set(struct inode *inode, void *node)
{
	mpd_i(inode)->node = *(node_t *)node;
	return 0;
}

static void set_ops(struct inode *inode, const struct fs_attr *attr)
{
	switch (attr->mode & S_IFMT) {
	case S_IFREG:
		inode->i_op = &mpd_file_iops;
		inode->i_fop = &mpd_file_fops;
		inode->i_mapping->a_ops = &mpd_aops;
		break;
	case S_IFDIR:
		inode->i_op = &mpd_dir_iops;
		inode->i_fop = &mpd_dir_fops;
		break;
	case S_IFLNK:
		inode->i_op = &mpd_link_iops;
		inode->i_link = NULL;
		break;
	default:
		inode->i_op = &mpd_special_iops;
		init_special_inode(inode, attr->mode, new_decode_dev(attr->rdev));
	}
}

static struct timespec64 time_of(struct plat_time t)
{
	return (struct timespec64){.tv_sec = t.sec, .tv_nsec = t.nsec};
}

void mpd_set_attr(struct inode *inode, const struct fs_attr *attr)
{
	struct mpd_inode *i = mpd_i(inode);

	inode->i_mode = attr->mode;
	i_uid_write(inode, attr->uid);
	i_gid_write(inode, attr->gid);
	set_nlink(inode, attr->nlink);
	i_size_write(inode, attr->size);
	inode->i_blocks = attr->blocks;
	inode->i_atime = time_of(attr->atime);
	inode->i_mtime = time_of(attr->mtime);
	inode->i_ctime = time_of(attr->ctime);
	i->crtime = attr->crtime;
	i->flags = attr->flags;
	/* ACLs change with ctime only */
	forget_all_cached_acls(inode);
	i->word = pool_ptr(mpd_sb(inode->i_sb)->pool, attr->word);
	i->changes = attr->changes;
}

struct inode *mpd_iget(struct super_block *sb, const struct fs_attr *attr)
{
	node_t node = attr->node;
	struct inode *inode;

	inode = iget5_locked(sb, (u32)node, inode_is, inode_set, &node);
	if (!inode)
		return ERR_PTR(-ENOMEM);
	if (!(inode->i_state & I_NEW)) {
		if (!mpd_fresh(mpd_i(inode)))
			mpd_set_attr(inode, attr);
		return inode;
	}
	inode->i_ino = (u32)node;
	inode->i_generation = node >> 32;
	/* the core keeps the times */
	inode->i_flags |= S_NOATIME | S_NOCMTIME;
	inode->i_blkbits = BLOCK_SHIFT;
	set_ops(inode, attr);
	mpd_set_attr(inode, attr);
	unlock_new_inode(inode);
	return inode;
}

struct inode *mpd_iget_name(struct super_block *sb, node_t dir, const char *name)
{
	struct exec *x = mpd_begin(sb);
	struct fs_attr attr;
	int err;

	err = fs_lookup(x, dir, (struct fs_name){name, (u32)strlen(name)}, &attr);
	mpd_end(sb, x);
	return err ? ERR_PTR(err) : mpd_iget(sb, &attr);
}

/* ---- attributes */
int mpd_refresh_slow(struct inode *inode)
{
	struct exec *x = mpd_begin(inode->i_sb);
	struct fs_attr attr;
	int err;

	err = fs_getattr(x, mpd_node(inode), &attr);
	mpd_end(inode->i_sb, x);
	if (!err)
		mpd_set_attr(inode, &attr);
	return err;
}

int mpd_permission(struct user_namespace *ns, struct inode *inode, int mask)
{
	int err;

	if (!mpd_fresh(mpd_i(inode))) {
		if (mask & MAY_NOT_BLOCK)
			return -ECHILD;
		err = mpd_refresh_slow(inode);
		if (err)
			return err;
	}
	if ((mask & (MAY_WRITE | MAY_EXEC)) == MAY_EXEC && S_ISDIR(inode->i_mode) &&
	    !mpd_in_place(inode)) {
		if (mask & MAY_NOT_BLOCK)
			return -ECHILD;
		mpd_find_place(inode);
	}
	if (mask & MAY_WRITE && mpd_i(inode)->flags & FS_FLAG_IMMUTABLE)
		return -EPERM;
	return generic_permission(ns, inode, mask);
}

int mpd_open_allowed(const struct inode *inode, const struct file *file)
{
	u32 flags = mpd_i(inode)->flags;

	if (!(file->f_mode & FMODE_WRITE))
		return 0;
	return flags & FS_FLAG_IMMUTABLE || (flags & FS_FLAG_APPEND && !(file->f_flags & O_APPEND))
		       ? -EPERM
		       : 0;
}

int mpd_getattr(struct user_namespace *ns, const struct path *path, struct kstat *stat, u32 mask,
		unsigned int flags)
{
	struct inode *inode = d_inode(path->dentry);
	int err = mpd_refresh(inode);

	if (err)
		return err;
	generic_fillattr(ns, inode, stat);
	stat->btime = time_of(mpd_i(inode)->crtime);
	stat->result_mask |= STATX_BTIME;
	stat->attributes_mask |= STATX_ATTR_IMMUTABLE | STATX_ATTR_APPEND;
	if (mpd_i(inode)->flags & FS_FLAG_IMMUTABLE)
		stat->attributes |= STATX_ATTR_IMMUTABLE;
	if (mpd_i(inode)->flags & FS_FLAG_APPEND)
		stat->attributes |= STATX_ATTR_APPEND;
	return 0;
}

static struct plat_time time_put(struct timespec64 t)
{
	return (struct plat_time){t.tv_sec, (u32)t.tv_nsec};
}

static void set_of(struct fs_setattr *set, const struct iattr *attr)
{
	unsigned int v = attr->ia_valid;

	*set = (struct fs_setattr){.size = attr->ia_size};
	if (v & ATTR_MODE) {
		set->valid |= FS_SET_MODE;
		set->mode = attr->ia_mode;
	}
	if (v & ATTR_UID) {
		set->valid |= FS_SET_UID;
		set->uid = from_kuid(&init_user_ns, attr->ia_uid);
	}
	if (v & ATTR_GID) {
		set->valid |= FS_SET_GID;
		set->gid = from_kgid(&init_user_ns, attr->ia_gid);
	}
	if (v & ATTR_SIZE)
		set->valid |= FS_SET_SIZE;
	if (v & ATTR_ATIME)
		set->valid |= v & ATTR_ATIME_SET ? FS_SET_ATIME : FS_SET_ATIME_NOW;
	if (v & ATTR_MTIME)
		set->valid |= v & ATTR_MTIME_SET ? FS_SET_MTIME : FS_SET_MTIME_NOW;
	set->atime = time_put(attr->ia_atime);
	set->mtime = time_put(attr->ia_mtime);
}

int mpd_setattr(struct user_namespace *ns, struct dentry *dentry, struct iattr *attr)
{
	struct inode *inode = d_inode(dentry);
	struct fs_setattr set;
	struct fs_attr now;
	struct exec *x;
	int err;

	err = mpd_refresh(inode);
	if (!err)
		err = setattr_prepare(ns, dentry, attr);
	if (err)
		return err;
	set_of(&set, attr);
	x = mpd_begin_change(inode->i_sb);
	err = fs_setattr(x, mpd_node(inode), &set, &now);
	mpd_end(inode->i_sb, x);
	if (err)
		return err;
	mpd_set_attr(inode, &now);
	/* copies of what is gone, in private mappings */
	if (set.valid & FS_SET_SIZE)
		unmap_mapping_range(inode->i_mapping, round_up(set.size, BLOCK_SIZE), 0, 1);
	return 0;
}

/* ---- open */
int mpd_get_open(struct inode *inode, bool truncate)
{
	struct session *session = mpd_session(mpd_sb(inode->i_sb)->disk);
	struct mpd_inode *i = mpd_i(inode);
	struct fs_attr attr;
	struct exec *x;
	int err = 0;
	u64 fh;

	mutex_lock(&i->open_lock);
	if (i->nopen) {
		i->nopen++;
		goto out;
	}
	x = mpd_begin(inode->i_sb);
	err = session_reserve(x, session, &fh);
	if (!err) {
		session_note(x, session, fh);
		err = fs_open(x, i->node, truncate, &attr);
		if (err)
			session_give(x, session, fh);
		else
			session_bind(x, session, fh, i->node);
	}
	mpd_end(inode->i_sb, x);
	if (!err) {
		mpd_set_attr(inode, &attr);
		i->nopen = 1;
		i->fh = fh;
	}
out:
	mutex_unlock(&i->open_lock);
	return err;
}

/* Gives an open of the pool back. */
static void release(struct inode *inode, u64 fh)
{
	struct session *session = mpd_session(mpd_sb(inode->i_sb)->disk);
	struct exec *x = mpd_begin(inode->i_sb);
	int err;

	if (session_take(x, session, fh, mpd_node(inode))) {
		session_note(x, session, fh);
		err = fs_release(x, mpd_node(inode));
		session_give(x, session, fh);
		if (err)
			pr_err("mpdisk: inode %lu: release: error %d\n", inode->i_ino, err);
	}
	mpd_end(inode->i_sb, x);
}

void mpd_put_open(struct inode *inode)
{
	struct mpd_inode *i = mpd_i(inode);

	mutex_lock(&i->open_lock);
	if (!--i->nopen)
		release(inode, i->fh);
	mutex_unlock(&i->open_lock);
}

void mpd_take_open(struct inode *inode, u64 fh)
{
	struct mpd_inode *i = mpd_i(inode);

	mutex_lock(&i->open_lock);
	if (!i->nopen++)
		i->fh = fh;
	else
		release(inode, fh);
	mutex_unlock(&i->open_lock);
}
