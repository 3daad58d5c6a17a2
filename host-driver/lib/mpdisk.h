/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Shared mode for C programs: attach to a pool and call the filesystem (fs/fs.h) on it directly.
 *
 * Several processes map one pool file; each is a host and runs the filesystem itself. The first
 * one formats the pool and mounts the medium, the last one unmounts it; a pool whose hosts have
 * all died is formatted anew. A host that dies is noticed at once by the others (a lock on the
 * pool file, which the kernel drops), which take its open transactions back and release what it
 * held.
 *
 *	struct mpdisk_options options = {.pool = "/dev/shm/pool", .image = "disk.img"};
 *	err = mpdisk_open(&options, &disk);
 *	err = mpdisk_executor(disk, &x);	// one for each thread that calls fs_*
 *	err = fs_lookup(&x, FS_ROOT, name, &attr);
 *	exec_leave(&x);
 *	err = mpdisk_close(disk);
 *
 * Links with build/libmpdisk.a and -pthread; include path: host-driver/lib and firmware. The
 * process must not fork without exec while it is attached: its child would hold its lock.
 */
#ifndef MPDISK_H
#define MPDISK_H

#include "locks.h"
#include "platform/posix/posix.h"
#include "port/host.h"

#define MPDISK_SIGNAL SIGUSR1 /* ends waits of the library's own threads: leave it to them */

#define MPDISK_POOL_MIN_MIB 4u
#define MPDISK_POOL_MAX_MIB 2048u
#define MPDISK_POOL_DEFAULT_MIB 64u

struct mpdisk_options {
	const char *pool;  /* file; made if it does not exist. NULL: a pool of this process alone */
	const char *image; /* file or block device with the filesystem */
	const char *name;  /* shown to people by `mpdisk status`; NULL: none */
	u32 pool_mib;      /* 0: as it is, or MPDISK_POOL_DEFAULT_MIB */
	bool read_only;
	bool warm;                /* to live long: takes all pages of the pool, in the background */
	bool verbose;             /* also PLAT_INFO lines */
	plat_posix_logger logger; /* NULL: stderr */
	void *logger_arg;
};

struct mpdisk;

/*
 * Attaches; the reason of a refusal is logged. -EBUSY: the image is in use by another pool, or the
 * pool by another image; -EPROTO: live pool of another layout; -EMEDIUMTYPE, -EOPNOTSUPP, -EUCLEAN:
 * fs_mount; -EROFS: the pool's filesystem is read-only; -ENOSPC: no room for the pool; -EINVAL: the
 * pool file is something else; -EAGAIN: no host number or executor is free; others of open(2).
 */
int warn_unused mpdisk_open(const struct mpdisk_options *options, struct mpdisk **out);

/* Another executor of this host, for one thread. -EAGAIN: POOL_EXECUTORS are in use. It leaves by
 * exec_leave(). */
int warn_unused mpdisk_executor(struct mpdisk *disk, struct exec *x);

/* Its executors have left. Releases what the session holds; the last host writes everything back
 * and unmounts: only then something can fail. The disk is gone in any case. */
int warn_unused mpdisk_close(struct mpdisk *disk);

struct session *mpdisk_session(struct mpdisk *disk);
u32 mpdisk_host(const struct mpdisk *disk);
struct pool *mpdisk_pool(struct mpdisk *disk);

/* Whether somebody else holds a lock in [start, start + len) of the file. */
bool mpdisk_is_locked(int fd, long long start, long long len);

#endif
