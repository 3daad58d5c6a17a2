// SPDX-License-Identifier: BSD-2-Clause
/* Making and removing names: link, mkdir, mkfifo, mknod, rmdir, symlink, unlink. */
#define _GNU_SOURCE
#include "suite.h"

#include <dirent.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>

CHECK(mkdir, makes_an_empty_directory)
{
	struct stat s;

	OK(mkdir("d", 0751));
	s = st("d");
	EQ(s.st_mode, S_IFDIR | 0751);
	EQ(s.st_nlink, 2);
	EQ(s.st_uid, ROOT);
	TRUE(s.st_size > 0);
	EQ(st("d/.").st_ino, s.st_ino);
	EQ(st("d/..").st_ino, st(".").st_ino);
}

CHECK(mkdir, adds_a_link_to_its_parent)
{
	nlink_t before = st(".").st_nlink;

	OK(mkdir("a", 0755));
	OK(mkdir("b", 0755));
	EQ(st(".").st_nlink, before + 2);
	OK(rmdir("a"));
	EQ(st(".").st_nlink, before + 1);
	touch("f", 0644);
	EQ(st(".").st_nlink, before + 1);
}

CHECK(mkdir, over_any_file_is_eexist)
{
	enum type t;

	for (t = REG; t < TYPES; t++) {
		make(t, type_names[t], 0644);
		CHANGES(".", "", FAILS(EEXIST, mkdir(type_names[t], 0755)));
	}
	FAILS(EEXIST, mkdir(".", 0755));
	FAILS(EEXIST, mkdir("..", 0755));
	FAILS(EEXIST, mkdir("/", 0755));
}

CHECK(mkdir, with_a_slash_at_the_end)
{
	OK(mkdir("d/", 0755));
	OK(mkdir("e///", 0755));
	TRUE(S_ISDIR(st("e").st_mode));
}

CHECK(mkdir, changes_times_of_the_parent)
{
	OK(mkdir("p", 0755));
	CHANGES("p", "mc", OK(mkdir("p/d", 0755)));
	CHANGES("p", "mc", OK(rmdir("p/d")));
}

CHECK(mkdir, sets_all_times)
{
	struct stat before;

	touch("probe", 0644);
	before = st("probe");
	tick();
	OK(mkdir("d", 0755));
	times_changed(__FILE__, __LINE__, &before, "d", "amc");
}

CHECK(mkdir, through_a_dangling_symlink_is_eexist)
{
	OK(symlink("nowhere", "l"));
	FAILS(EEXIST, mkdir("l", 0755));
	FAILS(ENOENT, mkdir("l/x", 0755));
}

CHECK(rmdir, of_an_empty_directory)
{
	struct stat s;

	OK(mkdir("d", 0755));
	OK(rmdir("d"));
	FAILS(ENOENT, lstat("d", &s));
	FAILS(ENOENT, rmdir("d"));
}

CHECK(rmdir, of_a_full_directory_is_enotempty)
{
	enum type t;

	OK(mkdir("d", 0755));
	for (t = REG; t < TYPES; t++) {
		make(t, "d/x", 0644);
		CHANGES("d", "", FAILS(ENOTEMPTY, rmdir("d")));
		remove_any("d/x");
	}
	OK(rmdir("d"));
}

CHECK(rmdir, of_what_is_no_directory_is_enotdir)
{
	enum type t;

	for (t = REG; t < TYPES; t++) {
		if (t == DIRECTORY)
			continue;
		make(t, "x", 0644);
		FAILS(ENOTDIR, rmdir("x"));
		remove_any("x");
	}
}

CHECK(rmdir, of_a_symlink_to_a_directory_is_enotdir)
{
	OK(mkdir("d", 0755));
	OK(symlink("d", "l"));
	FAILS(ENOTDIR, rmdir("l"));
}

CHECK(rmdir, of_dot_and_dotdot)
{
	OK(mkdir("d", 0755));
	OK(mkdir("d/e", 0755));
	FAILS(EINVAL, rmdir("d/e/."));
	FAILS(ENOTEMPTY, rmdir("d/e/.."));
}

/* ---- directories that are gone */
CHECK(removed_directory, takes_nothing_new)
{
	touch("f", 0644);
	OK(mkdir("d", 0755));
	OK(chdir("d"));
	OK(rmdir("../d"));
	FAILS(ENOENT, open("x", O_CREAT | O_WRONLY, 0644));
	FAILS(ENOENT, mkdir("x", 0755));
	FAILS(ENOENT, mkfifo("x", 0755));
	FAILS(ENOENT, symlink("x", "y"));
	FAILS(ENOENT, link("../f", "y"));
	FAILS(ENOENT, open("x", O_RDONLY));
}

CHECK(removed_directory, has_no_links_and_no_name)
{
	char path[PATH_MAX];
	struct stat s;
	int fd;

	OK(mkdir("d", 0755));
	fd = (int)OK(open("d", O_RDONLY | O_DIRECTORY));
	OK(chdir("d"));
	OK(rmdir("../d"));
	OK(stat(".", &s));
	EQ(s.st_nlink, 0);
	TRUE(S_ISDIR(s.st_mode));
	EQ(fst(fd).st_nlink, 0);
	FAILS(ENOENT, getcwd(path, sizeof(path)) ? 0 : -1);
	OK(chmod(".", 0700));
	OK(fchdir(fd));
}

CHECK(removed_directory, held_as_working_directory_only)
{
	struct stat s;

	OK(mkdir("d", 0750));
	OK(chdir("d"));
	OK(rmdir("../d"));
	tick();
	OK(stat(".", &s));
	EQ(s.st_nlink, 0);
	EQ(s.st_mode, S_IFDIR | 0750);
	OK(fchmodat(AT_FDCWD, ".", 0711, 0));
	OK(stat(".", &s));
	EQ(s.st_mode, S_IFDIR | 0711);
	/* what has taken its number, if any, is another */
	OK(mkdir("../d", 0755));
	OK(stat(".", &s));
	EQ(s.st_nlink, 0);
}

CHECK(removed_directory, held_by_o_path_only)
{
	int fd;

	OK(mkdir("d", 0750));
	fd = (int)OK(open("d", O_PATH));
	OK(rmdir("d"));
	EQ(fst(fd).st_nlink, 0);
	EQ(fst(fd).st_mode, S_IFDIR | 0750);
}

CHECK(removed_directory, lists_nothing)
{
	DIR *dir;

	OK(mkdir("d", 0755));
	touch("d/f", 0644);
	dir = opendir("d");
	TRUE(dir);
	OK(unlink("d/f"));
	OK(rmdir("d"));
	errno = 0;
	while (readdir(dir))
		;
	TRUE(errno == 0 || errno == ENOENT);
	closedir(dir);
}

CHECK(removed_directory, made_anew_is_another)
{
	ino_t ino;
	int fd;

	OK(mkdir("d", 0755));
	fd = (int)OK(open("d", O_RDONLY | O_DIRECTORY));
	ino = st("d").st_ino;
	OK(rmdir("d"));
	OK(mkdir("d", 0755));
	TRUE(st("d").st_ino != ino);
	FAILS(ENOENT, openat(fd, "x", O_CREAT | O_WRONLY, 0644));
}

/* ---- mkfifo, mknod */
CHECK(mknod, makes_every_type)
{
	enum type t;

	for (t = REG; t < SYMLINK; t++) {
		if (t == DIRECTORY)
			continue;
		OK(mknod(type_names[t], type_bits(t) | 0640, t >= CHAR ? makedev(7, 3) : 0));
		EQ(st(type_names[t]).st_mode, type_bits(t) | 0640);
		EQ(st(type_names[t]).st_nlink, 1);
		EQ(st(type_names[t]).st_size, 0);
		if (t >= CHAR)
			EQ(st(type_names[t]).st_rdev, makedev(7, 3));
	}
	OK(mknod("plain", 0600, 0));
	EQ(st("plain").st_mode, S_IFREG | 0600);
}

CHECK(mknod, keeps_device_numbers)
{
	static const unsigned int numbers[][2] = {{0, 0},      {1, 3},        {255, 255},
						  {256, 0},    {0, 256},      {4095, 1048575},
						  {1, 0xff00}, {300, 0xfffff}};
	unsigned int i;

	for (i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		dev_t dev = makedev(numbers[i][0], numbers[i][1]);

		OK(mknod("c", S_IFCHR | 0600, dev));
		OK(mknod("b", S_IFBLK | 0600, dev));
		EQ(st("c").st_rdev, dev);
		EQ(st("b").st_rdev, dev);
		OK(unlink("c"));
		OK(unlink("b"));
	}
}

CHECK(mknod, of_devices_is_for_root)
{
	AS(USER)
	{
		FAILS(EPERM, mknod("c", S_IFCHR | 0600, 0x103));
		FAILS(EPERM, mknod("b", S_IFBLK | 0600, 0x103));
		OK(mknod("p", S_IFIFO | 0600, 0));
		OK(mknod("s", S_IFSOCK | 0600, 0));
		OK(mknod("r", S_IFREG | 0600, 0));
	}
}

CHECK(mknod, of_a_wrong_type)
{
	FAILS(EPERM, mknod("d", S_IFDIR | 0755, 0));
	FAILS(EINVAL, mknod("l", S_IFLNK | 0777, 0));
}

CHECK(mknod, over_any_file_is_eexist)
{
	enum type t;

	for (t = REG; t < TYPES; t++) {
		make(t, type_names[t], 0644);
		FAILS(EEXIST, mknod(type_names[t], S_IFREG | 0644, 0));
		FAILS(EEXIST, mkfifo(type_names[t], 0644));
		FAILS(EEXIST, mknod(type_names[t], S_IFCHR | 0644, 0x103));
	}
}

CHECK(mknod, changes_times_of_the_parent)
{
	OK(mkdir("p", 0755));
	CHANGES("p", "mc", OK(mkfifo("p/f", 0644)));
	CHANGES("p", "mc", OK(mknod("p/s", S_IFSOCK | 0644, 0)));
	CHANGES("p", "mc", OK(mknod("p/r", S_IFREG | 0644, 0)));
}

CHECK(mkfifo, carries_bytes)
{
	char b[8];
	int fd;

	OK(mkfifo("p", 0644));
	fd = (int)OK(open("p", O_RDWR));
	EQ(write(fd, "hello", 5), 5);
	EQ(read(fd, b, 8), 5);
	EQ(st("p").st_size, 0);
	FAILS(ENXIO,
	      open("/dev/null", O_RDONLY) < 0 ? 0 : (close(fd), open("p", O_WRONLY | O_NONBLOCK)));
}

CHECK(socket, bound_to_a_name)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX, .sun_path = "s"};
	int fd = (int)OK(socket(AF_UNIX, SOCK_STREAM, 0)), to;

	OK(bind(fd, (struct sockaddr *)&a, sizeof(a)));
	OK(listen(fd, 1));
	TRUE(S_ISSOCK(st("s").st_mode));
	to = (int)OK(socket(AF_UNIX, SOCK_STREAM, 0));
	OK(connect(to, (struct sockaddr *)&a, sizeof(a)));
	FAILS(ENXIO, open("s", O_RDONLY));
	FAILS(EADDRINUSE, bind(to, (struct sockaddr *)&a, sizeof(a)));
}

CHECK(device, opens_what_the_numbers_say)
{
	char b[4] = "xxx";
	int fd;

	OK(mknod("zero", S_IFCHR | 0666, makedev(1, 5)));
	fd = open("zero", O_RDONLY);
	if (fd < 0 && errno == EACCES)
		not_asked("it is mounted with nodev");
	EQ(read(fd, b, 3), 3);
	EQ(b[0], 0);
}

/* ---- link */
CHECK(link, makes_another_name)
{
	enum type t;

	for (t = REG; t < TYPES; t++) {
		if (t == DIRECTORY)
			continue;
		make(t, "a", 0644);
		OK(link("a", "b"));
		EQ(st("a").st_nlink, 2);
		EQ(st("a").st_ino, st("b").st_ino);
		EQ(st("a").st_mode, st("b").st_mode);
		OK(unlink("a"));
		EQ(st("b").st_nlink, 1);
		OK(unlink("b"));
	}
}

CHECK(link, of_a_symlink_is_a_link_to_it)
{
	touch("f", 0644);
	OK(symlink("f", "l"));
	OK(link("l", "m"));
	TRUE(S_ISLNK(st("m").st_mode));
	OK(linkat(AT_FDCWD, "l", AT_FDCWD, "n", AT_SYMLINK_FOLLOW));
	EQ(st("n").st_ino, st("f").st_ino);
}

CHECK(link, of_a_directory_is_eperm)
{
	OK(mkdir("d", 0755));
	CHANGES(".", "", FAILS(EPERM, link("d", "e")));
	EQ(st("d").st_nlink, 2);
}

CHECK(link, over_any_file_is_eexist)
{
	enum type t;

	touch("f", 0644);
	for (t = REG; t < TYPES; t++) {
		make(t, type_names[t], 0644);
		CHANGES("f", "", FAILS(EEXIST, link("f", type_names[t])));
	}
	FAILS(EEXIST, link("f", "f"));
	EQ(st("f").st_nlink, 1);
}

CHECK(link, changes_ctime_and_times_of_the_parent)
{
	OK(mkdir("p", 0755));
	touch("f", 0644);
	CHANGES("f", "c", OK(link("f", "p/a")));
	CHANGES("p", "mc", OK(link("f", "p/b")));
	CHANGES("f", "c", OK(unlink("p/b")));
}

CHECK(link, to_another_filesystem_is_exdev)
{
	touch("f", 0644);
	OK(mkdir("other", 0755));
	OK(unshare(CLONE_NEWNS));
	OK(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
	OK(mount("none", "other", "tmpfs", 0, NULL));
	FAILS(EXDEV, link("f", "other/f"));
	FAILS(EXDEV, rename("f", "other/f"));
	FAILS(EBUSY, rmdir("other"));
	FAILS(EBUSY, rename("other", "another"));
	OK(umount("other"));
}

CHECK(link, of_an_unlinked_open_file_is_enoent)
{
	char path[64];
	int fd;

	touch("f", 0644);
	fd = (int)OK(open("f", O_RDONLY));
	OK(unlink("f"));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	FAILS(ENOENT, linkat(AT_FDCWD, path, AT_FDCWD, "g", AT_SYMLINK_FOLLOW));
}

CHECK(link, of_a_file_of_another_that_one_may_read_and_write)
{
	touch("f", 0666);
	AS(USER)
	{
		OK(link("f", "g"));
	}
	EQ(st("f").st_nlink, 2);
}

/* ---- unlink */
CHECK(unlink, removes_every_type_but_directories)
{
	struct stat s;
	enum type t;

	for (t = REG; t < TYPES; t++) {
		make(t, "x", 0644);
		if (t == DIRECTORY) {
			FAILS(EISDIR, unlink("x"));
			OK(rmdir("x"));
			continue;
		}
		OK(unlink("x"));
		FAILS(ENOENT, lstat("x", &s));
	}
}

CHECK(unlink, changes_times_of_the_parent)
{
	OK(mkdir("p", 0755));
	touch("p/f", 0644);
	CHANGES("p", "mc", OK(unlink("p/f")));
	touch("p/f", 0644);
	CHANGES("p", "", FAILS(ENOENT, unlink("p/g")));
}

CHECK(unlink, of_an_open_file_leaves_it_to_its_users)
{
	char b[16];
	int fd, other;

	put("f", "content");
	fd = (int)OK(open("f", O_RDWR));
	other = (int)OK(open("f", O_RDONLY));
	OK(unlink("f"));
	EQ(fst(fd).st_nlink, 0);
	EQ(pread(fd, b, 16, 0), 7);
	EQ(pwrite(fd, "more", 4, 7), 4);
	EQ(pread(other, b, 16, 0), 11);
	EQ(memcmp(b, "contentmore", 11), 0);
	OK(ftruncate(fd, 3));
	EQ(fst(other).st_size, 3);
	put("f", "new");
	TRUE(st("f").st_ino != fst(fd).st_ino);
	OK(close(fd));
	EQ(pread(other, b, 16, 0), 3);
	EQ(memcmp(b, "con", 3), 0);
}

CHECK(unlink, of_a_symlink_leaves_its_target)
{
	put("f", "content");
	OK(symlink("f", "l"));
	OK(unlink("l"));
	EQ(st("f").st_size, 7);
}

CHECK(unlink, with_a_slash_at_the_end)
{
	touch("f", 0644);
	OK(mkdir("d", 0755));
	FAILS(ENOTDIR, unlink("f/"));
	FAILS(EISDIR, unlink("d/"));
	FAILS(EISDIR, unlink("d/."));
}

CHECK(unlink, does_not_need_the_file)
{
	touch("f", 0);
	OK(chmod(".", 0777));
	AS(USER)
	{
		OK(unlink("f"));
	}
}

/* ---- symlink, readlink */
CHECK(symlink, keeps_any_target)
{
	char b[PATH_MAX + 1];
	unsigned int lengths[] = {1, 58, 59, 60, 61, 255, 1000, 4094, 4095}, i;

	for (i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		const char *target = letters('t', lengths[i]);

		OK(symlink(target, "l"));
		EQ(st("l").st_size, lengths[i]);
		EQ(st("l").st_mode, S_IFLNK | 0777);
		EQ(st("l").st_nlink, 1);
		EQ(readlink("l", b, sizeof(b)), lengths[i]);
		EQ(memcmp(b, target, lengths[i]), 0);
		EQ(readlink("l", b, 1), 1);
		OK(unlink("l"));
	}
	FAILS(ENAMETOOLONG, symlink(letters('t', PATH_MAX), "l"));
	FAILS(ENOENT, symlink("", "l"));
}

CHECK(symlink, over_any_file_is_eexist)
{
	enum type t;

	for (t = REG; t < TYPES; t++) {
		make(t, type_names[t], 0644);
		CHANGES(".", "", FAILS(EEXIST, symlink("x", type_names[t])));
	}
}

CHECK(symlink, changes_times_of_the_parent)
{
	OK(mkdir("p", 0755));
	CHANGES("p", "mc", OK(symlink("x", "p/l")));
}

CHECK(symlink, leads_where_it_says)
{
	char b[8];
	int fd;

	OK(mkdir("d", 0755));
	put("d/f", "text");
	OK(symlink("d", "ld"));
	OK(symlink("../d/f", "d/lf"));
	fd = (int)OK(open("ld/lf", O_RDONLY));
	EQ(read(fd, b, 8), 4);
	FAILS(ENOENT, symlink("nowhere", "dangling") ? -1 : open("dangling", O_RDONLY));
	OK(close((int)OK(open("dangling", O_CREAT | O_WRONLY, 0644))));
	TRUE(S_ISREG(st("nowhere").st_mode));
}

CHECK(symlink, chain_of_forty_is_followed_and_of_more_is_eloop)
{
	char from[16], to[16];
	struct stat s;
	int i;

	touch("l0", 0644);
	for (i = 1; i <= 41; i++) {
		snprintf(from, sizeof(from), "l%d", i);
		snprintf(to, sizeof(to), "l%d", i - 1);
		OK(symlink(to, from));
	}
	OK(stat("l40", &s));
	FAILS(ELOOP, stat("l41", &s));
	FAILS(ELOOP, open("l1", O_RDONLY | O_NOFOLLOW));
}

CHECK(readlink, of_what_is_no_symlink_is_einval)
{
	char b[8];
	enum type t;

	for (t = REG; t < SYMLINK; t++) {
		make(t, "x", 0644);
		FAILS(EINVAL, readlink("x", b, sizeof(b)));
		remove_any("x");
	}
}

CHECK(readlink, needs_no_permission_on_the_link)
{
	char b[8];

	OK(symlink("target", "l"));
	AS(USER)
	{
		EQ(readlink("l", b, sizeof(b)), 6);
	}
}
