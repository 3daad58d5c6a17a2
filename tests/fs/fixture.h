/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A real ext4 image made by mke2fs, mounted through the core on the posix platform, and judged by
 * e2fsck. One at a time per case; every call fails the case when something goes wrong.
 *
 *	fixture_make(64, NULL, NULL);
 *	struct exec *x = fixture_mount();
 *	...
 *	fixture_unmount_check();
 */
#ifndef MPDISK_TEST_FIXTURE_H
#define MPDISK_TEST_FIXTURE_H

#include "fs/fs.h"
#include "platform/posix/posix.h"
#include "tests/unit/harness.h"

/* mke2fs -t ext4 -b 4096 with Debian's default features; args: more mke2fs options, one string,
 * parted by blanks, NULL for none; populate: a directory for -d, or NULL. Removed after the case.
 */
void fixture_make(u32 size_mib, const char *args, const char *populate);

/* Takes a copy of an image instead. */
void fixture_copy(const char *image);

/* Path of the image, for debugfs and the like while it is not mounted. */
const char *fixture_image(void);

/* Pool of 32 MiB unless fixture_pool_size() said otherwise. */
void fixture_pool_size(u32 mib);
struct exec *fixture_mount(void);
/* The same, but a refusal is returned: 0 or fs_mount's errno (then nothing is left to unmount). */
int fixture_try_mount(const struct fs_mount_opts *opts);

/* The next mount only: its n-th request of this kind, and count - 1 after it, fail. */
void fixture_fail_next_mount(enum plat_io_op op, u64 n, u64 count);
/* Every mount from now on: the medium cannot be written to. */
void fixture_read_only_medium(bool on);

/* The first executor of the mounted pool; its platform, for fault points. */
struct exec *fixture_exec(void);
struct plat *fixture_plat(void);

/* Another executor on the same pool, for a thread; fixture_leave() gives it back. */
void fixture_join(struct exec *x);
void fixture_leave(struct exec *x);

/* fs_unmount, which must succeed. */
void fixture_unmount(void);
/* e2fsck -fn on the image must find nothing; prints what it finds. */
void fixture_fsck(void);
void fixture_unmount_check(void);
/* Unmount, check, mount again: the caches are empty then. */
struct exec *fixture_remount(void);
/* Throws the mount away without writing anything: what a power cut leaves. */
void fixture_crash(void);

/* Runs a shell command; its output goes into out (size bytes, terminated) unless NULL. Returns the
 * exit status. "%s" in the command stands for the image. */
int fixture_run(char *out, size_t size, const char *command);

#endif
