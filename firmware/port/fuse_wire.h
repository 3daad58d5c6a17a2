/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The FUSE messages that the device answers: wire format only, protocol 7.31 to 7.36.
 *
 * Names are those of the protocol. A request is fuse_in_header, the operation's arguments, then
 * names (NUL-terminated) or data; a reply is fuse_out_header and the operation's results.
 */
#ifndef MPDISK_FUSE_WIRE_H
#define MPDISK_FUSE_WIRE_H

#include "platform/types.h"

#define FUSE_MAJOR 7u
#define FUSE_MINOR_MIN 31u
#define FUSE_MINOR_MAX 36u
#define FUSE_ROOT_NODE 1u

enum fuse_opcode {
	FUSE_LOOKUP = 1,
	FUSE_FORGET = 2,
	FUSE_GETATTR = 3,
	FUSE_SETATTR = 4,
	FUSE_READLINK = 5,
	FUSE_SYMLINK = 6,
	FUSE_MKNOD = 8,
	FUSE_MKDIR = 9,
	FUSE_UNLINK = 10,
	FUSE_RMDIR = 11,
	FUSE_RENAME = 12,
	FUSE_LINK = 13,
	FUSE_OPEN = 14,
	FUSE_READ = 15,
	FUSE_WRITE = 16,
	FUSE_STATFS = 17,
	FUSE_RELEASE = 18,
	FUSE_FSYNC = 20,
	FUSE_SETXATTR = 21,
	FUSE_GETXATTR = 22,
	FUSE_LISTXATTR = 23,
	FUSE_REMOVEXATTR = 24,
	FUSE_FLUSH = 25,
	FUSE_INIT = 26,
	FUSE_OPENDIR = 27,
	FUSE_READDIR = 28,
	FUSE_RELEASEDIR = 29,
	FUSE_FSYNCDIR = 30,
	FUSE_GETLK = 31,
	FUSE_SETLK = 32,
	FUSE_SETLKW = 33,
	FUSE_ACCESS = 34,
	FUSE_CREATE = 35,
	FUSE_INTERRUPT = 36,
	FUSE_DESTROY = 38,
	FUSE_IOCTL = 39,
	FUSE_BATCH_FORGET = 42,
	FUSE_FALLOCATE = 43,
	FUSE_READDIRPLUS = 44,
	FUSE_RENAME2 = 45,
	FUSE_LSEEK = 46,
	FUSE_COPY_FILE_RANGE = 47,
	FUSE_SYNCFS = 50,
	FUSE_TMPFILE = 51,
};

struct fuse_in_header {
	u32 len; /* of the whole message */
	u32 opcode;
	u64 unique;
	u64 nodeid;
	u32 uid;
	u32 gid;
	u32 pid;
	u16 total_extlen;
	u16 padding;
};
_Static_assert(sizeof(struct fuse_in_header) == 40, "fuse_in_header");

struct fuse_out_header {
	u32 len;
	s32 error; /* 0 or a negative errno */
	u64 unique;
};
_Static_assert(sizeof(struct fuse_out_header) == 16, "fuse_out_header");

struct fuse_attr {
	u64 ino;
	u64 size;
	u64 blocks;
	u64 atime;
	u64 mtime;
	u64 ctime;
	u32 atimensec;
	u32 mtimensec;
	u32 ctimensec;
	u32 mode;
	u32 nlink;
	u32 uid;
	u32 gid;
	u32 rdev;
	u32 blksize;
	u32 flags;
};
_Static_assert(sizeof(struct fuse_attr) == 88, "fuse_attr");

struct fuse_entry_out {
	u64 nodeid;
	u64 generation;
	u64 entry_valid; /* seconds */
	u64 attr_valid;
	u32 entry_valid_nsec;
	u32 attr_valid_nsec;
	struct fuse_attr attr;
};
_Static_assert(sizeof(struct fuse_entry_out) == 128, "fuse_entry_out");

struct fuse_attr_out {
	u64 attr_valid;
	u32 attr_valid_nsec;
	u32 dummy;
	struct fuse_attr attr;
};
_Static_assert(sizeof(struct fuse_attr_out) == 104, "fuse_attr_out");

/* ---- INIT */
#define FUSE_INIT_ASYNC_READ (1u << 0)
#define FUSE_INIT_POSIX_LOCKS (1u << 1)
#define FUSE_INIT_ATOMIC_O_TRUNC (1u << 3)
#define FUSE_INIT_EXPORT_SUPPORT (1u << 4)
#define FUSE_INIT_BIG_WRITES (1u << 5)
#define FUSE_INIT_DONT_MASK (1u << 6)
#define FUSE_INIT_FLOCK_LOCKS (1u << 10)
#define FUSE_INIT_DO_READDIRPLUS (1u << 13)
#define FUSE_INIT_READDIRPLUS_AUTO (1u << 14)
#define FUSE_INIT_ASYNC_DIO (1u << 15)
#define FUSE_INIT_PARALLEL_DIROPS (1u << 18)
#define FUSE_INIT_POSIX_ACL (1u << 20)
#define FUSE_INIT_ABORT_ERROR (1u << 21)
#define FUSE_INIT_MAX_PAGES (1u << 22)
#define FUSE_INIT_HANDLE_KILLPRIV_V2 (1u << 28)
#define FUSE_INIT_SETXATTR_EXT (1u << 29)
#define FUSE_INIT_EXT (1u << 30)
#define FUSE_INIT2_DIRECT_IO_ALLOW_MMAP (1u << 4) /* bit 36 of the 64: in flags2 */

struct fuse_init_in {
	u32 major;
	u32 minor;
	u32 max_readahead;
	u32 flags;
	u32 flags2; /* 7.36; older hosts end before it */
	u32 unused[11];
};

struct fuse_init_out {
	u32 major;
	u32 minor;
	u32 max_readahead;
	u32 flags;
	u16 max_background;
	u16 congestion_threshold;
	u32 max_write;
	u32 time_gran;
	u16 max_pages;
	u16 map_alignment;
	u32 flags2;
	u32 unused[7];
};
_Static_assert(sizeof(struct fuse_init_out) == 64, "fuse_init_out");

/* ---- FORGET, and BATCH_FORGET: fuse_batch_forget_in, then `count` of fuse_forget_one */
struct fuse_forget_one {
	u64 nodeid;
	u64 nlookup;
};

struct fuse_batch_forget_in {
	u32 count;
	u32 dummy;
};

/* ---- names */
struct fuse_mknod_in {
	u32 mode;
	u32 rdev;
	u32 umask;
	u32 padding;
};

struct fuse_mkdir_in {
	u32 mode;
	u32 umask;
};

struct fuse_rename_in {
	u64 newdir;
};

struct fuse_rename2_in {
	u64 newdir;
	u32 flags;
	u32 padding;
};

struct fuse_link_in {
	u64 oldnodeid;
};

/* ---- inodes */
struct fuse_getattr_in {
	u32 flags;
	u32 dummy;
	u64 fh;
};

#define FUSE_SET_MODE (1u << 0)
#define FUSE_SET_UID (1u << 1)
#define FUSE_SET_GID (1u << 2)
#define FUSE_SET_SIZE (1u << 3)
#define FUSE_SET_ATIME (1u << 4)
#define FUSE_SET_MTIME (1u << 5)
#define FUSE_SET_ATIME_NOW (1u << 7)
#define FUSE_SET_MTIME_NOW (1u << 8)
#define FUSE_SET_CTIME (1u << 10)
#define FUSE_SET_KILL_SUIDGID (1u << 11)

struct fuse_setattr_in {
	u32 valid;
	u32 padding;
	u64 fh;
	u64 size;
	u64 lock_owner;
	u64 atime;
	u64 mtime;
	u64 ctime;
	u32 atimensec;
	u32 mtimensec;
	u32 ctimensec;
	u32 mode;
	u32 unused4;
	u32 uid;
	u32 gid;
	u32 unused5;
};
_Static_assert(sizeof(struct fuse_setattr_in) == 88, "fuse_setattr_in");

/* ---- open files */
#define FUSE_O_ACCMODE 03u
#define FUSE_O_WRONLY 01u
#define FUSE_O_RDWR 02u
#define FUSE_O_EXCL 0200u
#define FUSE_O_TRUNC 01000u
#define FUSE_O_APPEND 02000u
#define FUSE_OPEN_KILL_SUIDGID (1u << 0)
#define FUSE_FOPEN_DIRECT_IO (1u << 0)
#define FUSE_FOPEN_NOFLUSH (1u << 5)
#define FUSE_FOPEN_PARALLEL_DIRECT_WRITES (1u << 6)
/* The device is the only cache, and it orders writes itself. */
#define FUSE_FOPEN_GRANTED (FUSE_FOPEN_DIRECT_IO | FUSE_FOPEN_PARALLEL_DIRECT_WRITES)

struct fuse_open_in {
	u32 flags;
	u32 open_flags;
};

struct fuse_create_in {
	u32 flags;
	u32 mode;
	u32 umask;
	u32 open_flags;
};

struct fuse_open_out {
	u64 fh;
	u32 open_flags;
	u32 padding;
};

struct fuse_create_out {
	struct fuse_entry_out entry;
	struct fuse_open_out open;
};

struct fuse_release_in {
	u64 fh;
	u32 flags;
	u32 release_flags;
	u64 lock_owner;
};

struct fuse_flush_in {
	u64 fh;
	u32 unused;
	u32 padding;
	u64 lock_owner;
};

#define FUSE_LK_FLOCK (1u << 0)

struct fuse_file_lock {
	u64 start;
	u64 end;
	u32 type; /* F_RDLCK, F_WRLCK, F_UNLCK: as FS_LOCK_* */
	u32 pid;
};

struct fuse_lk_in {
	u64 fh;
	u64 owner;
	struct fuse_file_lock lk;
	u32 lk_flags;
	u32 padding;
};
_Static_assert(sizeof(struct fuse_lk_in) == 48, "fuse_lk_in");

struct fuse_lk_out {
	struct fuse_file_lock lk;
};

struct fuse_interrupt_in {
	u64 unique;
};

struct fuse_read_in { /* READ, READDIR, READDIRPLUS */
	u64 fh;
	u64 offset;
	u32 size;
	u32 read_flags;
	u64 lock_owner;
	u32 flags;
	u32 padding;
};
_Static_assert(sizeof(struct fuse_read_in) == 40, "fuse_read_in");

#define FUSE_WRITE_KILL_SUIDGID (1u << 2)

struct fuse_write_in {
	u64 fh;
	u64 offset;
	u32 size;
	u32 write_flags;
	u64 lock_owner;
	u32 flags;
	u32 padding;
};
_Static_assert(sizeof(struct fuse_write_in) == 40, "fuse_write_in");

struct fuse_write_out { /* WRITE, COPY_FILE_RANGE */
	u32 size;
	u32 padding;
};

#define FUSE_FSYNC_DATA_ONLY (1u << 0)

struct fuse_fsync_in {
	u64 fh;
	u32 fsync_flags;
	u32 padding;
};

struct fuse_fallocate_in {
	u64 fh;
	u64 offset;
	u64 length;
	u32 mode;
	u32 padding;
};

/* commands of linux/fs.h, and as 32-bit programs name them */
#define FUSE_IOC_GETFLAGS 0x80086601u
#define FUSE_IOC_SETFLAGS 0x40086602u
#define FUSE_IOC32_GETFLAGS 0x80046601u
#define FUSE_IOC32_SETFLAGS 0x40046602u
#define FUSE_IOC_FSGETXATTR 0x801C581Fu
#define FUSE_IOC_FSSETXATTR 0x401C5820u

struct fuse_ioctl_in {
	u64 fh;
	u32 flags;
	u32 cmd;
	u64 arg;
	u32 in_size;
	u32 out_size;
};

struct fuse_fsxattr { /* struct fsxattr of linux/fs.h */
	u32 xflags;
	u32 extsize;
	u32 nextents;
	u32 projid;
	u32 cowextsize;
	u8 padding[8];
};
_Static_assert(sizeof(struct fuse_fsxattr) == 28, "fsxattr");

struct fuse_ioctl_out {
	u32 result;
	u32 flags;
	u32 in_iovs;
	u32 out_iovs;
};

struct fuse_lseek_in {
	u64 fh;
	u64 offset;
	u32 whence;
	u32 padding;
};

struct fuse_lseek_out {
	u64 offset;
};

struct fuse_copy_file_range_in {
	u64 fh_in;
	u64 off_in;
	u64 nodeid_out;
	u64 fh_out;
	u64 off_out;
	u64 len;
	u64 flags;
};

/* ---- extended attributes */
#define FUSE_SETXATTR_ACL_KILL_SGID (1u << 0)

struct fuse_setxattr_in { /* the first 8 bytes only without FUSE_INIT_SETXATTR_EXT */
	u32 size;
	u32 flags;
	u32 setxattr_flags;
	u32 padding;
};

struct fuse_getxattr_in { /* GETXATTR, LISTXATTR */
	u32 size;
	u32 padding;
};

struct fuse_getxattr_out {
	u32 size;
	u32 padding;
};

/* ---- directories: an entry is padded to 8 bytes */
struct fuse_dirent {
	u64 ino;
	u64 off;
	u32 namelen;
	u32 type;
};

/* ---- the filesystem */
struct fuse_statfs_out {
	u64 blocks;
	u64 bfree;
	u64 bavail;
	u64 files;
	u64 ffree;
	u32 bsize;
	u32 namelen;
	u32 frsize;
	u32 padding;
	u32 spare[6];
};
_Static_assert(sizeof(struct fuse_statfs_out) == 80, "fuse_statfs_out");

#endif
