/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A pool that this kernel is attached to: what is below the VFS (disk.c, wait.c, medium.c).
 *
 * A mounted superblock has one. Each operation of it gets an executor, calls fs_*() (fs/fs.h) and
 * gives the executor back:
 *
 *	x = mpd_exec_get(d);
 *	err = fs_lookup(x, node, name, &attr);
 *	mpd_exec_put(d, x);
 *
 * All of this sleeps; none of it may be called with a spin lock held or from an interrupt.
 */
#ifndef MPDISK_LINUX_DISK_H
#define MPDISK_LINUX_DISK_H

#include "core.h"

struct mpd_disk;
struct block_device;

struct mpd_options {
	const char *pool;   /* name of the region: iomem=NAME,FILE on the kernel's command line */
	const char *medium; /* path of the block device with the filesystem */
	const char *name;   /* shown to people by `mpdisk status`: where it is mounted */
	bool read_only;
	bool code_from_pool; /* runs the core that is in the pool, not the module's */
};

/*
 * Attaches: the first host formats the pool and mounts the medium, another one joins. The reason of
 * a refusal is in the kernel's log. -ENOENT: no such region; -ENOSPC: it is too small; -EBUSY: the
 * medium is in use by another pool, or the pool by another medium; -EPROTO: a live pool of another
 * layout, or of other code; -EROFS: the pool's filesystem is read-only; -EMEDIUMTYPE, -EOPNOTSUPP,
 * -EUCLEAN: fs_mount; -EAGAIN: no host number or executor is free; others of opening the device.
 */
int mpd_disk_open(const struct mpd_options *o, struct mpd_disk **out);

/* Every executor is back, nothing is pinned. Releases what the session holds; the last host writes
 * everything back and unmounts: only then something can fail. The disk is gone in any case. */
int mpd_disk_close(struct mpd_disk *d);

/* The medium stays as it is, and whoever changes something waits, in every host (fs.h, fs_freeze):
 * until mpd_disk_thaw() or the death of this kernel. -EBUSY: another one has frozen it. */
int mpd_disk_freeze(struct mpd_disk *d);
void mpd_disk_thaw(struct mpd_disk *d);

/*
 * An executor for the current task: x->fs_cred is the task's (uid and gid as the filesystem stores
 * them, umask), x->host this host, x->handle NULL. Sleeps while all are in use: nobody may hold one
 * and get another, nor wait in it for a task that needs one (a page fault on this filesystem, say).
 */
struct exec *mpd_exec_get(struct mpd_disk *d);
void mpd_exec_put(struct mpd_disk *d, struct exec *x);

/*
 * An executor that stays until mpd_disk_close(): for pins that outlive an operation (frames that
 * are mapped). Its user makes sure that it is used by one task at a time.
 */
struct exec *mpd_keeper(struct mpd_disk *d);

struct pool *mpd_pool(struct mpd_disk *d);
struct session *mpd_session(struct mpd_disk *d);
u32 mpd_host(const struct mpd_disk *d);
struct block_device *mpd_bdev(const struct mpd_disk *d);

/* The frame is about to be filled: its memory is there (plat_uml_touch). */
void mpd_frame_fill(const struct mpd_disk *d, fno_t frame);
/* The whole pool has struct pages (reserved ones: never freed by the kernel). */
struct page *mpd_frame_page(const struct mpd_disk *d, fno_t frame);
/* 0: not a page of the pool. */
fno_t mpd_page_frame(const struct mpd_disk *d, const struct page *page);

#endif
