// SPDX-License-Identifier: BSD-2-Clause
/* Immutable and append-only files: chattr +i, +a. */
#define _GNU_SOURCE
#include "suite.h"

#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/xattr.h>

static int get_flags(const char *path)
{
	int fd = (int)OK(open(path, O_RDONLY)), flags = 0;

	OK(ioctl(fd, FS_IOC_GETFLAGS, &flags));
	close(fd);
	return flags;
}

static int set_flags(const char *path, int flags)
{
	int fd = (int)OK(open(path, O_RDONLY)), result, error;

	result = ioctl(fd, FS_IOC_SETFLAGS, &flags);
	error = errno;
	close(fd);
	errno = error;
	return result;
}

static void change(const char *path, int set, int clear)
{
	OK(set_flags(path, (get_flags(path) | set) & ~clear));
}

CHECK(flags, of_new_files_and_directories)
{
	touch("f", 0644);
	OK(mkdir("d", 0755));
	EQ(get_flags("f"), FS_EXTENT_FL);
	EQ(get_flags("d") & (FS_IMMUTABLE_FL | FS_APPEND_FL), 0);
	change("f", FS_APPEND_FL, 0);
	EQ(get_flags("f"), FS_EXTENT_FL | FS_APPEND_FL);
	change("f", FS_IMMUTABLE_FL, FS_APPEND_FL);
	EQ(get_flags("f"), FS_EXTENT_FL | FS_IMMUTABLE_FL);
	change("f", 0, FS_IMMUTABLE_FL);
	EQ(get_flags("f"), FS_EXTENT_FL);
}

CHECK(flags, change_the_ctime_only)
{
	touch("f", 0644);
	CHANGES("f", "c", change("f", FS_APPEND_FL, 0));
	CHANGES("f", "c", change("f", 0, FS_APPEND_FL));
}

CHECK(flags, only_root_may_set)
{
	touch("f", 0644);
	OK(chown("f", USER, USER));
	AS(USER)
	{
		FAILS(EPERM, set_flags("f", get_flags("f") | FS_IMMUTABLE_FL));
		FAILS(EPERM, set_flags("f", get_flags("f") | FS_APPEND_FL));
		OK(set_flags("f", get_flags("f")));
	}
	AS(OTHER)
	{
		FAILS(EPERM, set_flags("f", get_flags("f")));
	}
}

CHECK(flags, immutable_file)
{
	char b[10];
	int fd;

	put("f", "text");
	put("other", "x");
	fd = (int)OK(open("f", O_RDWR));
	change("f", FS_IMMUTABLE_FL, 0);
	FAILS(EPERM, open("f", O_WRONLY));
	FAILS(EPERM, open("f", O_RDWR | O_APPEND));
	FAILS(EPERM, open("f", O_WRONLY | O_TRUNC));
	FAILS(EPERM, write(fd, "x", 1));
	FAILS(EPERM, ftruncate(fd, 1));
	FAILS(EPERM, truncate("f", 0));
	FAILS(EPERM, chmod("f", 0600));
	FAILS(EPERM, chown("f", USER, USER));
	FAILS(EPERM, utimensat(AT_FDCWD, "f", NULL, 0));
	FAILS(EPERM, link("f", "g"));
	FAILS(EPERM, rename("f", "g"));
	FAILS(EPERM, rename("other", "f"));
	FAILS(EPERM, unlink("f"));
	FAILS(EPERM, setxattr("f", "user.a", "1", 1, 0));
	FAILS(EPERM, fallocate(fd, 0, 0, 10000));
	EQ(pread(fd, b, 10, 0), 4);
	EQ(st("f").st_size, 4);
	change("f", 0, FS_IMMUTABLE_FL);
	EQ(write(fd, "x", 1), 1);
	OK(rename("other", "f"));
	close(fd);
}

CHECK(flags, append_only_file)
{
	int fd;

	put("f", "text");
	change("f", FS_APPEND_FL, 0);
	FAILS(EPERM, open("f", O_WRONLY));
	FAILS(EPERM, open("f", O_RDWR));
	FAILS(EPERM, open("f", O_WRONLY | O_APPEND | O_TRUNC));
	fd = (int)OK(open("f", O_WRONLY | O_APPEND));
	EQ(write(fd, "more", 4), 4);
	FAILS(EPERM, ftruncate(fd, 1));
	close(fd);
	FAILS(EPERM, truncate("f", 0));
	FAILS(EPERM, chmod("f", 0600));
	FAILS(EPERM, link("f", "g"));
	FAILS(EPERM, rename("f", "g"));
	FAILS(EPERM, unlink("f"));
	EQ(st("f").st_size, 8);
	change("f", 0, FS_APPEND_FL);
	OK(unlink("f"));
}

CHECK(flags, immutable_and_append_only_directories)
{
	OK(mkdir("d", 0777));
	touch("d/f", 0644);
	change("d", FS_IMMUTABLE_FL, 0);
	FAILS(EPERM, open("d/new", O_WRONLY | O_CREAT, 0600));
	FAILS(EPERM, mkdir("d/new", 0700));
	FAILS(EPERM, symlink("x", "d/new"));
	FAILS(EPERM, unlink("d/f"));
	FAILS(EPERM, rename("d/f", "f"));
	FAILS(EPERM, rmdir("d"));
	put("d/f", "its files are not");
	change("d", FS_APPEND_FL, FS_IMMUTABLE_FL);
	touch("d/new", 0644);
	FAILS(EPERM, unlink("d/new"));
	FAILS(EPERM, rename("d/new", "d/newer"));
	FAILS(EPERM, rmdir("d"));
	change("d", 0, FS_APPEND_FL);
	OK(unlink("d/new"));
}
