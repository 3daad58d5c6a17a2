// SPDX-License-Identifier: BSD-2-Clause
/* A mount that may not be written to: everything that would change it is EROFS. */
#define _GNU_SOURCE
#include "suite.h"

#include <sched.h>
#include <sys/mount.h>
#include <sys/xattr.h>

/* This process sees the directory "ro" read-only, with a file, a directory and a fifo in it. */
static void read_only(void)
{
	OK(mkdir("ro", 0777));
	put("ro/f", "content");
	OK(mkdir("ro/d", 0777));
	OK(mkfifo("ro/p", 0666));
	OK(setxattr("ro/f", "user.a", "1", 1, 0));
	OK(unshare(CLONE_NEWNS));
	OK(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
	OK(mount("ro", "ro", NULL, MS_BIND, NULL));
	OK(mount(NULL, "ro", NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL));
}

CHECK(read_only, refuses_new_names)
{
	read_only();
	FAILS(EROFS, open("ro/new", O_CREAT | O_WRONLY, 0644));
	FAILS(EROFS, open("ro", O_TMPFILE | O_WRONLY, 0644));
	FAILS(EROFS, mkdir("ro/new", 0755));
	FAILS(EROFS, mkfifo("ro/new", 0644));
	FAILS(EROFS, mknod("ro/new", S_IFREG | 0644, 0));
	FAILS(EROFS, symlink("x", "ro/new"));
	FAILS(EROFS, link("ro/f", "ro/new"));
	FAILS(EROFS, rename("ro/f", "ro/new"));
	FAILS(EROFS, unlink("ro/f"));
	FAILS(EROFS, rmdir("ro/d"));
	OK(umount("ro"));
}

CHECK(read_only, refuses_changes)
{
	read_only();
	FAILS(EROFS, open("ro/f", O_WRONLY));
	FAILS(EROFS, open("ro/f", O_RDWR));
	FAILS(EROFS, open("ro/f", O_RDONLY | O_TRUNC));
	FAILS(EROFS, truncate("ro/f", 0));
	FAILS(EROFS, chmod("ro/f", 0600));
	FAILS(EROFS, chown("ro/f", USER, USER));
	FAILS(EROFS, utimensat(AT_FDCWD, "ro/f", NULL, 0));
	FAILS(EROFS, setxattr("ro/f", "user.a", "1", 1, 0));
	FAILS(EROFS, removexattr("ro/f", "user.a"));
	OK(umount("ro"));
}

CHECK(read_only, lets_read)
{
	char b[8];
	int fd;

	read_only();
	fd = (int)OK(open("ro/f", O_RDONLY));
	EQ(read(fd, b, 8), 7);
	OK(access("ro/f", R_OK));
	FAILS(EROFS, access("ro/f", W_OK));
	EQ(getxattr("ro/f", "user.a", b, 8), 1);
	/* a fifo is not of the filesystem: writing to it is allowed */
	OK(close((int)OK(open("ro/p", O_RDWR))));
	OK(close((int)OK(open("ro/f", O_RDONLY | O_CREAT, 0644))));
	OK(close(fd));
	OK(umount("ro"));
}
