/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The filesystem as its users see it: one function per FUSE low-level operation. Every function is
 * one transaction (its own tx_begin .. tx_commit), takes the acting user from x->cred, and returns
 * 0 (or a count) or a negative errno of platform/errno.h: -EUCLEAN for corruption on the medium,
 * -ESTALE for a node whose inode is gone, -EROFS on a read-only filesystem. Permission to act is
 * the host's kernel's business (default_permissions); what only the filesystem can know is checked
 * here (sticky deletion is the kernel's, immutable/append flags, link limits, names, types are
 * ours).
 *
 * Names are not NUL-terminated: pointer and length, 1..255 bytes, no '/' and no NUL inside, else
 * -EINVAL / -ENAMETOOLONG. "." and ".." are accepted by fs_lookup only.
 */
#ifndef MPDISK_FS_H
#define MPDISK_FS_H

#include "pool/exec.h"

#define FS_ROOT ((node_t)2) /* generation 0: the root is never freed */

struct fs_attr {
	node_t node;
	u64 size;   /* bytes */
	u64 blocks; /* 512-byte units */
	struct plat_time atime, mtime, ctime, crtime;
	u32 mode;
	u32 nlink;
	u32 uid;
	u32 gid;
	u32 rdev; /* new_encode_dev() form, as FUSE carries it */
	/* shared mode: as long as the word of the pool at `word` is `changes`, this is how it is */
	ref_t word;
	u32 changes;
	u32 flags; /* shared mode: what fs_getflags() says */
};

struct fs_name {
	const char *s;
	u32 len;
};

/* Which fields fs_setattr changes. */
#define FS_SET_MODE 0x001u
#define FS_SET_UID 0x002u
#define FS_SET_GID 0x004u
#define FS_SET_SIZE 0x008u
#define FS_SET_ATIME 0x010u
#define FS_SET_MTIME 0x020u
#define FS_SET_ATIME_NOW 0x040u
#define FS_SET_MTIME_NOW 0x080u
#define FS_SET_CTIME 0x100u
#define FS_KILL_SUIDGID 0x200u /* clear setuid, and setgid where group-executable */
struct fs_setattr {
	u32 valid;
	u32 mode;
	u32 uid;
	u32 gid;
	u64 size;
	struct plat_time atime, mtime, ctime;
};

/* ---- mounting (fs/super.c) */
struct fs_mount_opts {
	bool read_only;
	bool ignore_dirty; /* read-only, for looking at a broken image */
};

/* Mounts the medium of x->plat into the pool, which must be formatted and not sealed (seals it).
 * The reason for a refusal is logged. -EMEDIUMTYPE: not ext4 or block size other than 4096;
 * -EOPNOTSUPP: a feature that is not supported, by name; -EUCLEAN: checksum, truncated image,
 * nonsense, a damaged log; -EBUSY: not unmounted cleanly: run e2fsck; -ENOMEM: no room in the
 * pool; -EROFS:
 * read-only medium and not asked for read_only. */
int warn_unused fs_mount(struct exec *x, const struct fs_mount_opts *opts);
/* Writes everything back, marks the filesystem clean. Open files are released. */
int warn_unused fs_unmount(struct exec *x);
int warn_unused fs_sync(struct exec *x);
/* Errors that were found since the last sync go into the superblock on the medium. For whoever
 * writes back now and then. */
int warn_unused fs_error_write(struct exec *x);

/*
 * Shared mode: brings the medium up to date and keeps it as it is. Whoever wants to change
 * something waits until x thaws it or dies; x is used for nothing else meanwhile. What is read is
 * read as ever, but without access times. -EBUSY: it is frozen already.
 */
int warn_unused fs_freeze(struct exec *x);
void fs_thaw(struct exec *x);
/* Whether changes wait; they do so on pool_header.gate. */
bool fs_frozen(const struct pool *pool);

struct fs_statfs {
	u64 blocks, bfree, bavail; /* 4 KiB */
	u64 files, ffree;
	u32 namelen;
};
int warn_unused fs_statfs(struct exec *x, struct fs_statfs *out);

/* ---- names (fs/namei.c) */
/* "." is the node itself, of any type, so that what a host remembers of a node it can find again:
 * -ESTALE if it has no name and nobody has it open. */
int warn_unused fs_lookup(struct exec *x, node_t dir, struct fs_name name, struct fs_attr *out);
/* mode: type and permission bits, umask already applied by the caller unless the directory has a
 * default ACL: pass the raw mode and x->cred.umask. rdev for devices. The new inode is opened once
 * (fs_open count) if `open`. */
int warn_unused fs_mknod(struct exec *x, node_t dir, struct fs_name name, u32 mode, u32 rdev,
			 bool open, struct fs_attr *out);
int warn_unused fs_mkdir(struct exec *x, node_t dir, struct fs_name name, u32 mode,
			 struct fs_attr *out);
int warn_unused fs_symlink(struct exec *x, node_t dir, struct fs_name name, struct fs_name target,
			   struct fs_attr *out);
int warn_unused fs_link(struct exec *x, node_t node, node_t dir, struct fs_name name,
			struct fs_attr *out);
int warn_unused fs_unlink(struct exec *x, node_t dir, struct fs_name name);
int warn_unused fs_rmdir(struct exec *x, node_t dir, struct fs_name name);
#define FS_RENAME_NOREPLACE 1u
#define FS_RENAME_EXCHANGE 2u
int warn_unused fs_rename(struct exec *x, node_t olddir, struct fs_name oldname, node_t newdir,
			  struct fs_name newname, u32 flags);
/* An unnamed regular file in dir's filesystem, on the orphan list, opened once. */
int warn_unused fs_tmpfile(struct exec *x, node_t dir, u32 mode, struct fs_attr *out);
/* Bytes of the target put into buf (size at least 4096), not terminated. */
int warn_unused fs_readlink(struct exec *x, node_t node, void *buf, u32 size);

/* One entry for the caller. `next` is the position behind it: any readdir may continue there. attr
 * only if wanted. Returns true to go on, false when the caller has no room (the entry is not
 * consumed). */
struct fs_dirent {
	struct fs_name name;
	u64 next;
	u32 ino;
	u32 type;                   /* mode >> 12, as DT_* */
	const struct fs_attr *attr; /* NULL unless asked for; not for "." and ".." */
};
typedef bool (*fs_filldir)(void *arg, const struct fs_dirent *entry);
/* Positions are stable across inserts and removals (hash order in htree directories, as ext4 does).
 * A directory that is changed meanwhile shows every entry that existed all the time exactly once.
 */
int warn_unused fs_readdir(struct exec *x, node_t dir, u64 pos, bool want_attr, fs_filldir fill,
			   void *arg);

/* ---- inodes (fs/inode.c) */
int warn_unused fs_getattr(struct exec *x, node_t node, struct fs_attr *out);
int warn_unused fs_setattr(struct exec *x, node_t node, const struct fs_setattr *set,
			   struct fs_attr *out);
/* The flags of ext4 that users see (lsattr), as on the medium. Of these FS_FLAGS_SET can be set;
 * -EOPNOTSUPP: another one was to be changed. Whose right it is the host's kernel checks. */
#define FS_FLAG_IMMUTABLE 0x10u
#define FS_FLAG_APPEND 0x20u
#define FS_FLAGS_SET (FS_FLAG_IMMUTABLE | FS_FLAG_APPEND)
int warn_unused fs_getflags(struct exec *x, node_t node, u32 *flags);
int warn_unused fs_setflags(struct exec *x, node_t node, u32 flags);
/* An open file holds its inode: unlinked, it lives until the last release. */
#define FS_OPEN_TRUNC 1u
#define FS_OPEN_WRITE 2u /* -EPERM: it is immutable, or append-only and this does not append */
#define FS_OPEN_APPEND 4u
int warn_unused fs_open(struct exec *x, node_t node, u32 flags, struct fs_attr *out);
int warn_unused fs_release(struct exec *x, node_t node);

/*
 * A host whose x->seen is a bit of its own keeps what it has looked up until it forgets it. A
 * directory that is removed meanwhile stays, without links, until all who have seen it have
 * forgotten it: somebody may be in it. At most FS_HELD_MAX do; others are gone at once (-ESTALE).
 */
#define FS_HELD_MAX 256u
void fs_forget(struct exec *x, node_t node);
/* The hosts of these bits are gone. */
void fs_forget_all(struct exec *x, u32 seen);

/* ---- file data (fs/file.c) */
/* A run of bytes within one frame. */
struct fs_seg {
	fno_t frame;
	u16 offset;
	u16 len; /* bytes, 1..4096 */
};
#define FS_IO_MAX (128u << 10)
#define FS_IO_SEGS 33u

/* Zero-copy read: fills segs with pinned frames that hold the bytes [pos, pos+len) of the file up
 * to its end (one seg per page, in order, holes are the zero frame), reading ahead from the medium.
 * Returns the bytes (short only at end of file); the caller unpins every frame when the host is
 * done with it. */
int warn_unused fs_read(struct exec *x, node_t node, u64 pos, u32 len, struct fs_seg *segs,
			u32 *nsegs);

/* Zero-copy write: segs hold the bytes, in pinned ANON frames that the caller owns. A seg that
 * covers a whole page of the file (offset 0, len 4096, pos aligned there) is taken over: its frame
 * becomes the page (the pin passes to the cache) and segs[i].frame is replaced by a frame the
 * caller now owns instead (pinned, undefined content). Others are copied. append: pos is ignored,
 * data goes to the end of the file as it is under the inode's lock; kill_suid as FS_KILL_SUIDGID.
 * Returns bytes written (short only on ENOSPC after some were). *pos is set to where the data went.
 */
#define FS_WRITE_APPEND 1u
#define FS_WRITE_KILL_SUIDGID 2u
int warn_unused fs_write(struct exec *x, node_t node, u64 *pos, u32 flags, struct fs_seg *segs,
			 u32 nsegs);

#define FS_FALLOC_KEEP_SIZE 1u
#define FS_FALLOC_PUNCH_HOLE 2u
#define FS_FALLOC_ZERO_RANGE 16u
int warn_unused fs_fallocate(struct exec *x, node_t node, u32 mode, u64 pos, u64 len);
#define FS_SEEK_DATA 3u
#define FS_SEEK_HOLE 4u
int warn_unused fs_lseek(struct exec *x, node_t node, u64 pos, u32 whence, u64 *out);
/* A run of a regular file's blocks, in bytes; len 0: there is none. */
struct fs_extent {
	u64 pos, len;
	u64 medium;
	bool unwritten;
};
/* The first one from pos on, or what is left of it from there; it may lie behind the end of the
 * file. */
int warn_unused fs_extent(struct exec *x, node_t node, u64 pos, struct fs_extent *out);
/* Returns bytes copied through *copied; overlapping ranges of one file: -EINVAL. */
int warn_unused fs_copy_range(struct exec *x, node_t in, u64 in_pos, node_t out, u64 out_pos,
			      u64 len, u64 *copied);
int warn_unused fs_fsync(struct exec *x, node_t node, bool data_only);

/*
 * Mapping pages of a file into a user's memory (fs/map.c; shared mode, x->host 1..24). The page
 * that fs_map() gives is the file's page for everybody, until x->host is asked to unmap the file:
 * when pages leave the file. Who is asked unmaps all of it and says so; meanwhile the one who asked
 * has the inode's lock, which fs_map() wants.
 *
 * The frame is pinned; who keeps it unpins it after fs_unmap_page(). write: users may store into
 * it. -ENXIO: behind the end of the file. For the others the file is fs_attr.word, as long as it is
 * open.
 */
int warn_unused fs_map(struct exec *x, node_t node, u64 page, bool write, fno_t *frame);
/* x->host has unmapped a frame that it has pinned: nothing is stored there any more. */
void fs_unmap_page(struct exec *x, fno_t frame);
/* It has unmapped all that it had of the file, in a moment in which it asks for no page of it. */
void fs_unmap_done(struct exec *x, ref_t word);
/* No page that it has mapped can be stored into. */
void fs_unmap_stores(struct exec *x);
/* Whether it is asked to unmap the file; and a word that changes when somebody is. */
bool fs_unmap_asked(const struct exec *x, ref_t word);
u32 *fs_unmap_word(struct pool *pool);
/* The hosts of these bits are dead. */
void fs_unmap_hosts(struct exec *x, u32 hosts);

/* ---- locks on files (fs/flock.c); x->host says whose they are */
#define FS_LOCK_READ 0u
#define FS_LOCK_WRITE 1u
#define FS_LOCK_NONE 2u
#define FS_LOCK_POSIX 0u /* byte ranges, of a process or of an open file description */
#define FS_LOCK_FLOCK 1u
struct fs_lock {
	node_t node;
	u64 owner; /* whose: two of one owner do not exclude each other */
	u64 fh;    /* the open file by which it came: it goes at the latest with that */
	u64 start;
	u64 end; /* the last byte */
	u32 pid; /* for people */
	u32 type;
	u32 kind;
};
/* Makes *lock one that is in the way, or of type NONE. */
int warn_unused fs_getlk(struct exec *x, struct fs_lock *lock);
/* Takes, changes or gives back (NONE) a lock. -EAGAIN: somebody else's is in the way; -ENOLCK: the
 * table, or the host's half of it, is full. With wait: 1 when it has to wait; then its end is told
 * under this key by fs_lock_done(); -EDEADLK: it would wait for itself; -EAGAIN: the host has
 * max_waiting requests waiting already. */
int warn_unused fs_setlk(struct exec *x, const struct fs_lock *lock, bool wait, u64 key,
			 u32 max_waiting);
/* The wait with this key ends with -EINTR; false: there is none. */
bool fs_lock_interrupt(struct exec *x, u64 key);
/* POSIX locks of the owner on the node go: it has closed a descriptor. */
void fs_unlock_owner(struct exec *x, node_t node, u64 owner);
/* The open file is closed for good. */
void fs_unlock_fh(struct exec *x, node_t node, u64 fh);
/* Everything of x->host goes. */
void fs_unlock_host(struct exec *x);
/* A wait of this host that has ended: its key and how; false: there is none. Needs no executor. */
bool fs_lock_done(struct pool *pool, u32 host, u64 *key, int *error);
/* A word that changes when waits end. */
u32 *fs_lock_word(struct pool *pool);

/* ---- extended attributes (fs/xattr.c): name with its prefix ("user.x"); size 0: returns the size
 * needed */
int warn_unused fs_getxattr(struct exec *x, node_t node, struct fs_name name, void *value,
			    u32 size);
#define FS_XATTR_CREATE 1u
#define FS_XATTR_REPLACE 2u
int warn_unused fs_setxattr(struct exec *x, node_t node, struct fs_name name, const void *value,
			    u32 size, u32 flags);
int warn_unused fs_listxattr(struct exec *x, node_t node, void *list, u32 size);
int warn_unused fs_removexattr(struct exec *x, node_t node, struct fs_name name);

#endif
