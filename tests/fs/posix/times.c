// SPDX-License-Identifier: BSD-2-Clause
/* Timestamps: utimensat, and what reading changes. */
#define _GNU_SOURCE
#include "suite.h"

#include <dirent.h>
#include <time.h>

static void set(const char *path, long a, long m)
{
	const struct timespec t[2] = {{a, 0}, {m, 0}};

	OK(utimensat(AT_FDCWD, path, t, AT_SYMLINK_NOFOLLOW));
}

CHECK(utimensat, sets_nanoseconds)
{
	const struct timespec t[2] = {{1000000000, 123456789}, {1234567890, 987654321}};
	enum type type;
	struct stat s;

	for (type = REG; type < TYPES; type++) {
		make(type, type_names[type], 0644);
		OK(utimensat(AT_FDCWD, type_names[type], t, AT_SYMLINK_NOFOLLOW));
		s = st(type_names[type]);
		EQ(s.st_atim.tv_sec, 1000000000);
		EQ(s.st_atim.tv_nsec, 123456789);
		EQ(s.st_mtim.tv_sec, 1234567890);
		EQ(s.st_mtim.tv_nsec, 987654321);
	}
}

CHECK(utimensat, before_1970_and_after_2038)
{
	static const long long seconds[] = {-0x7fffffffll, -1,           0,
					    0x7fffffffll,  0x80000000ll, 0xffffffffll,
					    0x100000000ll, 0x37ffffffell};
	unsigned int i;

	touch("f", 0644);
	for (i = 0; i < sizeof(seconds) / sizeof(seconds[0]); i++) {
		const struct timespec t[2] = {{seconds[i], 5}, {seconds[i], 7}};

		OK(utimensat(AT_FDCWD, "f", t, 0));
		EQ(st("f").st_mtim.tv_sec, seconds[i]);
		EQ(st("f").st_atim.tv_sec, seconds[i]);
		EQ(st("f").st_mtim.tv_nsec, 7);
	}
}

/* 34 bits from 1901 on is what ext4 has room for. */
CHECK(utimensat, beyond_what_can_be_kept_gives_the_nearest)
{
	static const long long seconds[][2] = {{0x380000000ll, 0x37fffffffll},
					       {0x7fffffffffll, 0x37fffffffll},
					       {-0x80000001ll, -0x80000000ll},
					       {-0x7fffffffffll, -0x80000000ll}};
	unsigned int i;

	touch("f", 0644);
	for (i = 0; i < sizeof(seconds) / sizeof(seconds[0]); i++) {
		const struct timespec t[2] = {{seconds[i][0], 5}, {seconds[i][0], 7}};

		OK(utimensat(AT_FDCWD, "f", t, 0));
		EQ(st("f").st_mtim.tv_sec, seconds[i][1]);
		EQ(st("f").st_atim.tv_sec, seconds[i][1]);
	}
}

CHECK(utimensat, changes_the_ctime)
{
	touch("f", 0644);
	CHANGES("f", "amc", set("f", 5, 5));
	CHANGES("f", "c", set("f", 5, 5));
	CHANGES("f", "amc", OK(utimensat(AT_FDCWD, "f", NULL, 0)));
}

CHECK(utimensat, omit_and_now)
{
	const struct timespec a_only[2] = {{7, 0}, {0, UTIME_OMIT}};
	const struct timespec m_only[2] = {{0, UTIME_OMIT}, {8, 0}};
	const struct timespec a_now[2] = {{0, UTIME_NOW}, {0, UTIME_OMIT}};
	const struct timespec none[2] = {{0, UTIME_OMIT}, {0, UTIME_OMIT}};

	touch("f", 0644);
	set("f", 1, 2);
	OK(utimensat(AT_FDCWD, "f", a_only, 0));
	EQ(st("f").st_atim.tv_sec, 7);
	EQ(st("f").st_mtim.tv_sec, 2);
	OK(utimensat(AT_FDCWD, "f", m_only, 0));
	EQ(st("f").st_atim.tv_sec, 7);
	EQ(st("f").st_mtim.tv_sec, 8);
	OK(utimensat(AT_FDCWD, "f", a_now, 0));
	TRUE(st("f").st_atim.tv_sec > 1000000000);
	EQ(st("f").st_mtim.tv_sec, 8);
	CHANGES("f", "", OK(utimensat(AT_FDCWD, "f", none, 0)));
}

CHECK(utimensat, of_nonsense_is_einval)
{
	const struct timespec bad[2] = {{0, 1000000000}, {0, 0}}, minus[2] = {{0, -1}, {0, 0}};

	touch("f", 0644);
	FAILS(EINVAL, utimensat(AT_FDCWD, "f", bad, 0));
	FAILS(EINVAL, utimensat(AT_FDCWD, "f", minus, 0));
}

CHECK(utimensat, who_may)
{
	const struct timespec t[2] = {{1, 0}, {2, 0}};
	const struct timespec now[2] = {{0, UTIME_NOW}, {0, UTIME_NOW}};
	const struct timespec half[2] = {{0, UTIME_NOW}, {0, UTIME_OMIT}};

	touch("own", 0444);
	OK(chown("own", USER, USER));
	touch("writable", 0666);
	touch("readable", 0644);
	AS(USER)
	{
		OK(utimensat(AT_FDCWD, "own", t, 0));
		OK(utimensat(AT_FDCWD, "own", NULL, 0));
		OK(utimensat(AT_FDCWD, "writable", NULL, 0));
		OK(utimensat(AT_FDCWD, "writable", now, 0));
		FAILS(EPERM, utimensat(AT_FDCWD, "writable", t, 0));
		FAILS(EPERM, utimensat(AT_FDCWD, "writable", half, 0));
		FAILS(EACCES, utimensat(AT_FDCWD, "readable", NULL, 0));
		FAILS(EPERM, utimensat(AT_FDCWD, "readable", t, 0));
	}
}

CHECK(utimensat, nofollow)
{
	const struct timespec t[2] = {{1, 0}, {2, 0}};

	touch("f", 0644);
	OK(symlink("f", "l"));
	OK(utimensat(AT_FDCWD, "l", t, AT_SYMLINK_NOFOLLOW));
	EQ(st("l").st_mtim.tv_sec, 2);
	TRUE(st("f").st_mtim.tv_sec > 1000000000);
	OK(utimensat(AT_FDCWD, "l", t, 0));
	EQ(st("f").st_mtim.tv_sec, 2);
}

CHECK(utimensat, by_descriptor)
{
	const struct timespec t[2] = {{1, 0}, {2, 0}};
	int fd;

	touch("f", 0644);
	fd = (int)OK(open("f", O_RDONLY));
	OK(unlink("f"));
	OK(futimens(fd, t));
	EQ(fst(fd).st_mtim.tv_sec, 2);
}

CHECK(read, changes_the_atime_once)
{
	char b[4];
	int fd;

	put("f", "abc");
	fd = (int)OK(open("f", O_RDONLY));
	/* relatime: when it is not later than the mtime */
	CHANGES("f", "a", EQ(pread(fd, b, 4, 0), 3));
	CHANGES("f", "", EQ(pread(fd, b, 4, 0), 3));
	set("f", 5, 6);
	CHANGES("f", "a", EQ(pread(fd, b, 4, 0), 3));
	set("f", 5, 4); /* older than a day */
	CHANGES("f", "a", EQ(pread(fd, b, 4, 0), 3));
}

CHECK(read, with_noatime_changes_nothing)
{
	char b[4];
	int fd;

	put("f", "abc");
	fd = open("f", O_RDONLY | O_NOATIME);
	OK(fd);
	CHANGES("f", "", EQ(pread(fd, b, 4, 0), 3));
	OK(chown("f", OTHER, OTHER));
	AS(USER)
	{
		FAILS(EPERM, open("f", O_RDONLY | O_NOATIME));
	}
}

CHECK(read, of_a_new_file_by_its_maker)
{
	char b[4];
	int fd = (int)OK(open("f", O_CREAT | O_RDWR, 0644));
	struct stat s;

	EQ(pwrite(fd, "abc", 3, 0), 3);
	tick();
	s = fst(fd);
	EQ(pread(fd, b, 4, 0), 3);
	fd_times_changed(__FILE__, __LINE__, &s, fd, "a");
}

CHECK(readdir, changes_the_atime_of_the_directory)
{
	DIR *dir;

	OK(mkdir("d", 0755));
	touch("d/f", 0644);
	dir = opendir("d");
	TRUE(dir);
	CHANGES("d", "a", while (readdir(dir)));
	closedir(dir);
	dir = opendir("d");
	CHANGES("d", "", while (readdir(dir)));
}

CHECK(readlink, changes_the_atime_of_the_link)
{
	char b[8];

	OK(symlink("target", "l"));
	CHANGES("l", "a", EQ(readlink("l", b, 8), 6));
	CHANGES("l", "", EQ(readlink("l", b, 8), 6));
}

CHECK(stat, changes_no_time)
{
	struct stat s;

	put("f", "abc");
	CHANGES("f", "", OK(stat("f", &s)));
	CHANGES("f", "", OK(access("f", R_OK)));
	CHANGES("f", "", OK(close((int)OK(open("f", O_RDWR)))));
	CHANGES(".", "", OK(stat("f", &s)));
}

CHECK(mtime, of_a_parent_stays_when_a_file_changes)
{
	OK(mkdir("d", 0755));
	touch("d/f", 0644);
	CHANGES("d", "", put("d/f", "content"));
	CHANGES("d", "", OK(chmod("d/f", 0600)));
	CHANGES("d", "", OK(chown("d/f", USER, USER)));
}

CHECK(times, of_what_fails_stay)
{
	OK(mkdir("d", 0755));
	touch("d/f", 0644);
	OK(mkdir("d/sub", 0755));
	CHANGES("d", "", FAILS(EEXIST, mkdir("d/f", 0755)));
	CHANGES("d", "", FAILS(ENOENT, unlink("d/none")));
	CHANGES("d", "", FAILS(ENOTDIR, rmdir("d/f")));
	CHANGES("d", "", FAILS(EISDIR, rename("d/f", "d/sub")));
	CHANGES("d/f", "", FAILS(EINVAL, truncate("d/f", -1)));
}
