// SPDX-License-Identifier: BSD-2-Clause
/* Each call that takes a path, with each kind of path that cannot be followed. */
#define _GNU_SOURCE
#include "suite.h"

#include <sys/statvfs.h>
#include <sys/xattr.h>

static long do_chmod(const char *p)
{
	return chmod(p, 0600);
}

static long do_chown(const char *p)
{
	return chown(p, ROOT, ROOT);
}

static long do_lchown(const char *p)
{
	return lchown(p, ROOT, ROOT);
}

static long do_link_from(const char *p)
{
	return link(p, "link-to-it");
}

static long do_link_to(const char *p)
{
	return link("file", p);
}

static long do_mkdir(const char *p)
{
	return mkdir(p, 0755);
}

static long do_mkfifo(const char *p)
{
	return mkfifo(p, 0644);
}

static long do_mknod(const char *p)
{
	return mknod(p, S_IFREG | 0644, 0);
}

static long do_socket(const char *p)
{
	return mknod(p, S_IFSOCK | 0644, 0);
}

static long closed(int fd)
{
	return fd < 0 ? fd : close(fd);
}

static long do_open(const char *p)
{
	return closed(open(p, O_RDONLY));
}

static long do_create(const char *p)
{
	return closed(open(p, O_CREAT | O_WRONLY, 0644));
}

static long do_create_excl(const char *p)
{
	return closed(open(p, O_CREAT | O_EXCL | O_WRONLY, 0644));
}

static long do_opendir(const char *p)
{
	return closed(open(p, O_RDONLY | O_DIRECTORY));
}

static long do_rename_from(const char *p)
{
	return rename(p, "renamed");
}

static long do_rename_to(const char *p)
{
	return rename("file", p);
}

static long do_rmdir(const char *p)
{
	return rmdir(p);
}

static long do_symlink(const char *p)
{
	return symlink("target", p);
}

static long do_readlink(const char *p)
{
	char b[10];

	return readlink(p, b, sizeof(b));
}

static long do_truncate(const char *p)
{
	return truncate(p, 5);
}

static long do_unlink(const char *p)
{
	return unlink(p);
}

static long do_utimensat(const char *p)
{
	return utimensat(AT_FDCWD, p, NULL, 0);
}

static long do_stat(const char *p)
{
	struct stat s;

	return stat(p, &s);
}

static long do_lstat(const char *p)
{
	struct stat s;

	return lstat(p, &s);
}

static long do_access(const char *p)
{
	return access(p, F_OK);
}

static long do_statvfs(const char *p)
{
	struct statvfs s;

	return statvfs(p, &s);
}

static long do_getxattr(const char *p)
{
	return getxattr(p, "user.a", NULL, 0);
}

static long do_setxattr(const char *p)
{
	return setxattr(p, "user.a", "1", 1, 0);
}

static long do_listxattr(const char *p)
{
	return listxattr(p, NULL, 0);
}

static long do_removexattr(const char *p)
{
	return removexattr(p, "user.a");
}

static long do_chdir(const char *p)
{
	return chdir(p);
}

#define CREATES 1u  /* the last component need not be there */
#define NOFOLLOW 2u /* it may be a symlink that leads nowhere */
#define CHANGES_DIR 4u

static const struct call {
	const char *name;
	long (*call)(const char *path);
	unsigned int flags;
} calls[] = {
	{"chmod", do_chmod, 0},
	{"chown", do_chown, 0},
	{"lchown", do_lchown, NOFOLLOW},
	{"link_from", do_link_from, NOFOLLOW},
	{"link_to", do_link_to, CREATES | NOFOLLOW | CHANGES_DIR},
	{"mkdir", do_mkdir, CREATES | NOFOLLOW | CHANGES_DIR},
	{"mkfifo", do_mkfifo, CREATES | NOFOLLOW | CHANGES_DIR},
	{"mknod", do_mknod, CREATES | NOFOLLOW | CHANGES_DIR},
	{"mknod_socket", do_socket, CREATES | NOFOLLOW | CHANGES_DIR},
	{"open", do_open, 0},
	{"open_creat", do_create, CREATES | CHANGES_DIR},
	{"open_excl", do_create_excl, CREATES | NOFOLLOW | CHANGES_DIR},
	{"opendir", do_opendir, 0},
	{"rename_from", do_rename_from, NOFOLLOW | CHANGES_DIR},
	{"rename_to", do_rename_to, CREATES | NOFOLLOW | CHANGES_DIR},
	{"rmdir", do_rmdir, NOFOLLOW | CHANGES_DIR},
	{"symlink", do_symlink, CREATES | NOFOLLOW | CHANGES_DIR},
	{"readlink", do_readlink, NOFOLLOW},
	{"truncate", do_truncate, 0},
	{"unlink", do_unlink, NOFOLLOW | CHANGES_DIR},
	{"utimensat", do_utimensat, 0},
	{"stat", do_stat, 0},
	{"lstat", do_lstat, NOFOLLOW},
	{"access", do_access, 0},
	{"statvfs", do_statvfs, 0},
	{"getxattr", do_getxattr, 0},
	{"setxattr", do_setxattr, 0},
	{"listxattr", do_listxattr, 0},
	{"removexattr", do_removexattr, 0},
	{"chdir", do_chdir, 0},
};

static void missing(unsigned int i)
{
	touch("file", 0644);
	FAILS(ENOENT, calls[i].call("missing/name"));
	if (!(calls[i].flags & CREATES))
		FAILS(ENOENT, calls[i].call("missing"));
	FAILS(ENOENT, calls[i].call(""));
}

static void through_a_file(unsigned int i)
{
	touch("file", 0644);
	FAILS(ENOTDIR, calls[i].call("file/name"));
	OK(mkfifo("fifo", 0644));
	FAILS(ENOTDIR, calls[i].call("fifo/name"));
}

static void long_name(unsigned int i)
{
	char path[600];

	touch("file", 0644);
	FAILS(ENAMETOOLONG, calls[i].call(letters('n', NAME_MAX + 1)));
	snprintf(path, sizeof(path), "%s/name", letters('n', NAME_MAX + 1));
	FAILS(ENAMETOOLONG, calls[i].call(path));
	/* the longest name is a name like others */
	if (!(calls[i].flags & CREATES))
		FAILS(ENOENT, calls[i].call(letters('n', NAME_MAX)));
	else
		OK(calls[i].call(letters('n', NAME_MAX)));
}

static void too_long_path(unsigned int i)
{
	touch("file", 0644);
	FAILS(ENAMETOOLONG, calls[i].call(long_path("missing", PATH_MAX)));
	if (calls[i].flags & CREATES)
		OK(calls[i].call(long_path("name", PATH_MAX - 1)));
	else
		FAILS(ENOENT, calls[i].call(long_path("missing", PATH_MAX - 1)));
}

static void loop(unsigned int i)
{
	touch("file", 0644);
	OK(symlink("b", "a"));
	OK(symlink("a", "b"));
	FAILS(ELOOP, calls[i].call("a/name"));
	if (!(calls[i].flags & NOFOLLOW))
		FAILS(ELOOP, calls[i].call("a"));
}

static void no_search_permission(unsigned int i)
{
	OK(chmod(".", 0777));
	touch("file", 0644);
	OK(chown("file", USER, USER));
	OK(mkdir("closed", 0755));
	touch("closed/name", 0666);
	OK(chown("closed", OTHER, OTHER));
	OK(chmod("closed", 0644));
	AS(USER)
	{
		FAILS(EACCES, calls[i].call("closed/name"));
		FAILS(EACCES, calls[i].call("closed/missing"));
		FAILS(EACCES, calls[i].call("closed/."));
	}
}

static void no_write_permission(unsigned int i)
{
	if (calls[i].call == do_open)
		return;
	touch("file", 0644);
	OK(chown("file", USER, USER));
	OK(mkdir("closed", 0755));
	OK(chown("closed", OTHER, OTHER));
	if (calls[i].call == do_rmdir)
		OK(mkdir("closed/name", 0777));
	else if (!(calls[i].flags & CREATES))
		touch("closed/name", 0666);
	AS(USER)
	{
		FAILS(EACCES, calls[i].call("closed/name"));
	}
}

static void bad_address(unsigned int i)
{
	touch("file", 0644);
	FAILS(EFAULT, calls[i].call((const char *)16));
}

/* What a path may look like and still be followed. */
static void odd_path(unsigned int i)
{
	const unsigned int flags = calls[i].flags;
	const char *name = "d/.././d///./name";

	touch("file", 0644);
	OK(mkdir("d", 0755));
	if (calls[i].call == do_rmdir || calls[i].call == do_chdir || calls[i].call == do_opendir)
		OK(mkdir("d/name", 0755));
	else if (calls[i].call == do_readlink)
		OK(symlink("x", "d/name"));
	else if (!(flags & CREATES))
		touch("d/name", 0644);
	if (calls[i].call == do_getxattr || calls[i].call == do_removexattr)
		OK(setxattr("d/name", "user.a", "1", 1, 0));
	OK(calls[i].call(name));
}

#define N (sizeof(calls) / sizeof(calls[0]))

void paths_add_checks(void)
{
	static const struct {
		const char *name;
		void (*run)(unsigned int i);
		unsigned int flags;
	} kinds[] = {
		{"of_a_missing_name_is_enoent", missing, 0},
		{"through_a_file_is_enotdir", through_a_file, 0},
		{"of_a_long_name_is_enametoolong", long_name, 0},
		{"of_a_long_path_is_enametoolong", too_long_path, 0},
		{"through_a_loop_is_eloop", loop, 0},
		{"without_search_permission_is_eacces", no_search_permission, 0},
		{"without_write_permission_is_eacces", no_write_permission, CHANGES_DIR},
		{"of_a_bad_address_is_efault", bad_address, 0},
		{"follows_dots_and_slashes", odd_path, 0},
	};
	unsigned int i, k;

	for (i = 0; i < N; i++)
		for (k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++)
			if (!kinds[k].flags || calls[i].flags & kinds[k].flags)
				add_check(calls[i].name, kinds[k].name, kinds[k].run, i);
}
