/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The VFS half of the module: what its files share.
 *
 * Invariants
 *  V1. What a guest inode or a dentry says is true as long as a word of the pool is what it was
 *      (fs.h: fs_attr.word; exec.h: name_word). Whoever wants to rely on it reads that word; nobody
 *      sends messages, and nothing expires.
 *  V2. The core holds no lock while memory of a user is touched, and nobody has an executor while
 *      it may fault.
 *  V3. File data is in the pool only. A page cache of the guest's own stays empty.
 */
#ifndef MPDISK_LINUX_SKIN_H
#define MPDISK_LINUX_SKIN_H

#include <linux/fs.h>
#include <linux/list.h>
#include <linux/mount.h>
#include <linux/mutex.h>
#include <linux/wait.h>
#include <linux/xarray.h>

#include "disk.h"

#define MPD_THAW_MS 1000 /* who froze may have died: then others look, too */

struct mpd_sb {
	struct super_block *sb;
	struct mpd_disk *disk;
	struct pool *pool;
	u32 host;
	char *pool_name, *medium; /* as given with the mount */
	bool code_from_pool;
	/* mmap.c */
	struct mutex map_lock; /* keeper, and everybody's frames */
	struct exec *keeper;   /* [map_lock] pins what is mapped */
	struct list_head
		mapped; /* struct mpd_inode.mapped, the oldest first; nobody sleeps over it */
	struct list_head late;   /* [map_lock] struct page.lru: unmapped, but somebody holds them */
	u32 nmapped, max_mapped; /* frames, those as well */
	u32 nstores;             /* inodes with frames that users may store into */
	u32 nfaults;             /* faults that are being served */
	struct task_struct *revoker;
	bool ending;
	/* lock.c */
	struct list_head waits; /* requests for locks that wait */
	u64 wait_key;
	u32 waits_seen; /* fs_lock_word(), when it was last looked whose have ended */
};

struct mpd_inode {
	node_t node;
	const u32 *word; /* V1 */
	u32 changes;
	u32 flags; /* FS_FLAG_*. The VFS has no S_IMMUTABLE and S_APPEND: it would not ask again */
	struct plat_time crtime;
	struct mutex open_lock;
	u32 nopen;  /* [open_lock] open files here; the pool counts them as one */
	u64 fh;     /* [open_lock] session handle while nopen */
	bool locks; /* somebody here has locked a range of it */
	/* mmap.c */
	struct list_head mapped; /* in mpd_sb.mapped from a fault until the pool is told (M1) */
	struct xarray frames;    /* [map_lock] page -> frame that the keeper has pinned */
	u32 nmapped;             /* of them */
	u32 map_seq;             /* counts unmappings */
	u32 nvma;
	u32 nfaults;
	bool stores;
	struct inode vfs;
};

static inline struct mpd_sb *mpd_sb(const struct super_block *sb)
{
	return sb->s_fs_info;
}

static inline struct mpd_inode *mpd_i(const struct inode *inode)
{
	return container_of(inode, struct mpd_inode, vfs);
}

static inline node_t mpd_node(const struct inode *inode)
{
	return mpd_i(inode)->node;
}

static inline struct exec *mpd_begin(const struct super_block *sb)
{
	struct exec *x = mpd_exec_get(mpd_sb(sb)->disk);

	x->seen = 1u << (x->host & 31);
	return x;
}

/* For an operation that changes something: nobody has an executor while the pool is frozen, so that
 * others can read. */
static inline struct exec *mpd_begin_change(const struct super_block *sb)
{
	struct mpd_sb *s = mpd_sb(sb);

	while (fs_frozen(s->pool))
		plat_wait(s->keeper->plat, &s->pool->hdr->gate, 0, MPD_THAW_MS);
	return mpd_begin(sb);
}

static inline void mpd_end(const struct super_block *sb, struct exec *x)
{
	mpd_exec_put(mpd_sb(sb)->disk, x);
}

/* What is read through this file does not count as accessed. */
static inline bool mpd_noatime(const struct file *file)
{
	const int flags = file->f_path.mnt->mnt_flags;

	return file->f_flags & O_NOATIME || flags & MNT_NOATIME ||
	       (flags & MNT_NODIRATIME && S_ISDIR(file_inode(file)->i_mode));
}

static inline struct fs_name mpd_name(const struct qstr *q)
{
	return (struct fs_name){(const char *)q->name, q->len};
}

static inline void *mpd_frame(const struct mpd_sb *s, fno_t frame)
{
	return pool_ptr(s->pool, frame << BLOCK_SHIFT);
}

/* ---- inode.c */
/* V1: whether the attributes are still those of the pool. */
static inline bool mpd_fresh(const struct mpd_inode *i)
{
	return atomic_load_acquire(i->word) == i->changes;
}

int mpd_refresh_slow(struct inode *inode);
static inline int mpd_refresh(struct inode *inode)
{
	return mpd_fresh(mpd_i(inode)) ? 0 : mpd_refresh_slow(inode);
}

/* The guest inode of what an operation has told about; takes over its attributes. */
struct inode *mpd_iget(struct super_block *sb, const struct fs_attr *attr);
/* ... and of what the name in a directory names. */
struct inode *mpd_iget_name(struct super_block *sb, node_t dir, const char *name);
void mpd_set_attr(struct inode *inode, const struct fs_attr *attr);
/* The pool counts the inode as open by this host: until mpd_put_open(). */
int mpd_get_open(struct inode *inode, bool truncate);
void mpd_put_open(struct inode *inode);
/* The same for one that the operation has opened already, with this session handle. */
void mpd_take_open(struct inode *inode, u64 fh);
int mpd_permission(struct user_namespace *ns, struct inode *inode, int mask);
int mpd_setattr(struct user_namespace *ns, struct dentry *dentry, struct iattr *attr);
int mpd_getattr(struct user_namespace *ns, const struct path *path, struct kstat *stat, u32 mask,
		unsigned int flags);
/* -EPERM: its flags forbid that the file is opened like this. Its attributes are fresh. */
int mpd_open_allowed(const struct inode *inode, const struct file *file);
int mpd_inode_cache_init(void);
void mpd_inode_cache_exit(void);
extern const struct super_operations mpd_super_ops;
struct inode *mpd_alloc_inode(struct super_block *sb);
void mpd_free_inode(struct inode *inode);
void mpd_evict_inode(struct inode *inode);

/* ---- namei.c */
extern const struct dentry_operations mpd_dentry_ops;
extern const struct inode_operations mpd_dir_iops, mpd_file_iops, mpd_link_iops, mpd_special_iops;

/* V1: whether the name is known to mean the same. */
bool mpd_name_fresh(const struct dentry *dentry);
/* Asks the pool. 1: the dentry is right, and fresh again. */
int mpd_revalidate(struct dentry *dentry);

/* ---- place.c */
/* Whether the directory is known to be where its dentry is; mpd_find_place(): it is afterwards, if
 * it can be. That one waits for nobody who has a directory locked. */
bool mpd_in_place(const struct inode *dir);
void mpd_find_place(struct inode *dir);

/* ---- export.c */
extern const struct export_operations mpd_export_ops;

/* ---- dir.c, file.c */
extern const struct file_operations mpd_dir_fops, mpd_file_fops;
int mpd_sync_inode(struct inode *inode, bool datasync);
int mpd_fiemap(struct inode *inode, struct fiemap_extent_info *info, u64 start, u64 len);
int mpd_fsync(struct file *file, loff_t start, loff_t end, int datasync);
int mpd_file_opened(struct inode *inode, struct file *file);

/* ---- mmap.c */
extern const struct address_space_operations mpd_aops;
int mpd_mmap(struct file *file, struct vm_area_struct *vma);
int mpd_map_start(struct mpd_sb *s);
void mpd_map_stop(struct mpd_sb *s);

/* ---- flags.c */
struct fileattr;
int mpd_fileattr_get(struct dentry *dentry, struct fileattr *fa);
int mpd_fileattr_set(struct user_namespace *ns, struct dentry *dentry, struct fileattr *fa);
long mpd_ioctl(struct file *file, unsigned int command, unsigned long arg);

/* ---- xattr.c */
extern const struct xattr_handler *mpd_xattr_handlers[];
ssize_t mpd_listxattr(struct dentry *dentry, char *list, size_t size);
struct posix_acl *mpd_get_acl(struct inode *inode, int type, bool rcu);
int mpd_set_acl(struct user_namespace *ns, struct inode *inode, struct posix_acl *acl, int type);

/* ---- lock.c */
int mpd_lock(struct file *file, int cmd, struct file_lock *fl);
int mpd_flock(struct file *file, int cmd, struct file_lock *fl);
int mpd_flush(struct file *file, fl_owner_t owner);
void mpd_unlock_file(struct file *file);

#endif
