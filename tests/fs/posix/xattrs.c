// SPDX-License-Identifier: BSD-2-Clause
/* Extended attributes, ACLs and file capabilities. */
#define _GNU_SOURCE
#include "suite.h"

#include <sys/xattr.h>

static void set(const char *path, const char *name, const char *value)
{
	OK(setxattr(path, name, value, strlen(value), 0));
}

static void is(const char *path, const char *name, const char *value)
{
	char b[4096];

	EQ(getxattr(path, name, b, sizeof(b)), strlen(value));
	if (memcmp(b, value, strlen(value)))
		FAIL("%s is %.20s, expected %.20s", name, b, value);
}

CHECK(xattr, set_get_replace_remove)
{
	touch("f", 0644);
	OK(mkdir("d", 0755));
	FAILS(ENODATA, getxattr("f", "user.a", NULL, 0));
	set("f", "user.a", "one");
	set("f", "user.b", "");
	set("d", "user.a", "dir");
	is("f", "user.a", "one");
	is("f", "user.b", "");
	is("d", "user.a", "dir");
	set("f", "user.a", "another value");
	is("f", "user.a", "another value");
	set("f", "user.a", "x");
	is("f", "user.a", "x");
	OK(removexattr("f", "user.a"));
	FAILS(ENODATA, getxattr("f", "user.a", NULL, 0));
	FAILS(ENODATA, removexattr("f", "user.a"));
	is("f", "user.b", "");
}

CHECK(xattr, create_and_replace_flags)
{
	touch("f", 0644);
	FAILS(ENODATA, setxattr("f", "user.a", "1", 1, XATTR_REPLACE));
	OK(setxattr("f", "user.a", "1", 1, XATTR_CREATE));
	FAILS(EEXIST, setxattr("f", "user.a", "2", 1, XATTR_CREATE));
	OK(setxattr("f", "user.a", "2", 1, XATTR_REPLACE));
	is("f", "user.a", "2");
	FAILS(EINVAL, setxattr("f", "user.a", "2", 1, 8));
}

CHECK(xattr, changes_the_ctime_only)
{
	touch("f", 0644);
	CHANGES("f", "c", set("f", "user.a", "1"));
	CHANGES("f", "c", set("f", "user.a", "2"));
	CHANGES("f", "c", OK(removexattr("f", "user.a")));
	CHANGES("f", "", FAILS(ENODATA, removexattr("f", "user.a")));
}

CHECK(xattr, sizes)
{
	char b[100];

	touch("f", 0644);
	set("f", "user.a", "12345");
	EQ(getxattr("f", "user.a", NULL, 0), 5);
	EQ(getxattr("f", "user.a", b, 5), 5);
	FAILS(ERANGE, getxattr("f", "user.a", b, 4));
	EQ(listxattr("f", NULL, 0), 7);
	EQ(listxattr("f", b, sizeof(b)), 7);
	FAILS(ERANGE, listxattr("f", b, 3));
}

CHECK(xattr, lists_all)
{
	char b[4096], name[32];
	ssize_t n, at;
	int i, seen = 0;

	touch("f", 0644);
	EQ(listxattr("f", b, sizeof(b)), 0);
	for (i = 0; i < 60; i++) {
		snprintf(name, sizeof(name), "user.name-%d", i);
		set("f", name, "value");
	}
	n = OK(listxattr("f", b, sizeof(b)));
	for (at = 0; at < n; at += (ssize_t)strlen(b + at) + 1)
		seen += strncmp(b + at, "user.name-", 10) == 0;
	EQ(seen, 60);
	for (i = 0; i < 60; i += 2) {
		snprintf(name, sizeof(name), "user.name-%d", i);
		OK(removexattr("f", name));
	}
	for (i = 0; i < 60; i++) {
		snprintf(name, sizeof(name), "user.name-%d", i);
		if (i % 2)
			is("f", name, "value");
		else
			FAILS(ENODATA, getxattr("f", name, b, sizeof(b)));
	}
}

CHECK(xattr, names)
{
	char name[300];

	touch("f", 0644);
	FAILS(EOPNOTSUPP, setxattr("f", "nonsense.a", "1", 1, 0));
	FAILS(EOPNOTSUPP, setxattr("f", "a", "1", 1, 0));
	FAILS(EINVAL, setxattr("f", "user.", "1", 1, 0));
	FAILS(ERANGE, setxattr("f", "", "1", 1, 0));
	snprintf(name, sizeof(name), "user.%s", letters('n', 250));
	OK(setxattr("f", name, "1", 1, 0));
	is("f", name, "1");
	snprintf(name, sizeof(name), "user.%s", letters('n', 251));
	FAILS(ERANGE, setxattr("f", name, "1", 1, 0));
}

CHECK(xattr, large_values)
{
	static char value[65537];

	touch("f", 0644);
	memset(value, 'v', sizeof(value));
	OK(setxattr("f", "user.a", value, 3000, 0));
	EQ(getxattr("f", "user.a", NULL, 0), 3000);
	FAILS(ENOSPC, setxattr("f", "user.b", value, 3000, 0));
	FAILS(ENOSPC, setxattr("f", "user.a", value, 10000, 0));
	FAILS(E2BIG, setxattr("f", "user.a", value, 65537, 0));
	EQ(getxattr("f", "user.a", NULL, 0), 3000);
	TRUE(st("f").st_blocks > 0);
	OK(removexattr("f", "user.a"));
	EQ(st("f").st_blocks, 0);
}

CHECK(xattr, of_users)
{
	touch("f", 0644);
	set("f", "user.a", "1");
	touch("none", 0600);
	set("none", "user.a", "1");
	OK(chown("f", OTHER, OTHER));
	AS(USER)
	{
		char b[8];

		is("f", "user.a", "1");
		FAILS(EACCES, setxattr("f", "user.a", "2", 1, 0));
		FAILS(EACCES, removexattr("f", "user.a"));
		FAILS(EACCES, getxattr("none", "user.a", b, 8));
	}
	AS(OTHER)
	{
		set("f", "user.a", "2");
	}
}

CHECK(xattr, user_namespace_is_for_files_and_directories)
{
	enum type t;

	for (t = FIFO; t < TYPES; t++) {
		make(t, "x", 0666);
		FAILS(EPERM, lsetxattr("x", "user.a", "1", 1, 0));
		FAILS(ENODATA, lgetxattr("x", "user.a", NULL, 0));
		OK(lsetxattr("x", "trusted.a", "1", 1, 0));
		EQ(lgetxattr("x", "trusted.a", NULL, 0), 1);
		remove_any("x");
	}
}

CHECK(xattr, of_sticky_directories_are_the_owners)
{
	OK(mkdir("d", 0777));
	OK(chmod("d", 01777));
	AS(USER)
	{
		FAILS(EPERM, setxattr("d", "user.a", "1", 1, 0));
	}
}

CHECK(xattr, trusted_is_roots_and_hidden)
{
	touch("f", 0666);
	set("f", "trusted.a", "secret");
	set("f", "user.a", "1");
	is("f", "trusted.a", "secret");
	AS(USER)
	{
		char b[100];

		FAILS(EPERM, setxattr("f", "trusted.a", "1", 1, 0));
		FAILS(ENODATA, getxattr("f", "trusted.a", b, sizeof(b)));
		EQ(listxattr("f", NULL, 0), 7);
		EQ(listxattr("f", b, sizeof(b)), 7);
		EQ(strcmp(b, "user.a"), 0);
	}
}

CHECK(xattr, of_symlinks_and_their_targets)
{
	touch("f", 0644);
	OK(symlink("f", "l"));
	set("l", "user.a", "1");
	is("f", "user.a", "1");
	OK(lsetxattr("l", "trusted.a", "link", 4, 0));
	FAILS(ENODATA, getxattr("f", "trusted.a", NULL, 0));
}

CHECK(xattr, stay_with_the_file)
{
	int fd;

	touch("f", 0644);
	set("f", "user.a", "1");
	OK(link("f", "g"));
	OK(rename("f", "h"));
	is("g", "user.a", "1");
	is("h", "user.a", "1");
	fd = (int)OK(open("g", O_RDWR));
	OK(unlink("g"));
	OK(unlink("h"));
	OK(fsetxattr(fd, "user.b", "2", 1, 0));
	EQ(fgetxattr(fd, "user.a", NULL, 0), 1);
	touch("g", 0644);
	FAILS(ENODATA, getxattr("g", "user.a", NULL, 0));
}

/* ---- ACLs, in the form of the system calls */
#define ACCESS "system.posix_acl_access"
#define DEFAULT "system.posix_acl_default"
#define U_OBJ 0x01
#define U 0x02
#define G_OBJ 0x04
#define G 0x08
#define MASK 0x10
#define O 0x20

struct acl {
	uint32_t version;
	struct {
		uint16_t tag, perm;
		uint32_t id;
	} e[16];
};

#define E(tag, perm)                                                                               \
	{                                                                                          \
		tag, perm, 0xffffffff                                                              \
	}
#define ENTRIES(a, n) (4 + 8 * (size_t)(n))
#define SET_ACL(path, which, n, ...)                                                               \
	do {                                                                                       \
		const struct acl acl_ = {2, {__VA_ARGS__}};                                        \
		OK(setxattr(path, which, &acl_, ENTRIES(acl_, n), 0));                             \
	} while (0)
#define NO_ACL(error, path, which, n, ...)                                                         \
	do {                                                                                       \
		const struct acl acl_ = {2, {__VA_ARGS__}};                                        \
		FAILS(error, setxattr(path, which, &acl_, ENTRIES(acl_, n), 0));                   \
	} while (0)

static struct acl get_acl(const char *path, const char *which, int n)
{
	struct acl acl = {0};

	EQ(getxattr(path, which, &acl, sizeof(acl)), ENTRIES(acl, n));
	EQ(acl.version, 2);
	return acl;
}

CHECK(acl, grants_named_users_and_groups)
{
	touch("f", 0600);
	SET_ACL("f", ACCESS, 6, E(U_OBJ, 6), {U, 4, USER}, E(G_OBJ, 0), {G, 6, OTHER}, E(MASK, 6),
		E(O, 0));
	EQ(mode_of("f"), 0660);
	AS(USER)
	{
		OK(open("f", O_RDONLY));
		FAILS(EACCES, open("f", O_WRONLY));
	}
	AS(OTHER)
	{
		OK(open("f", O_RDWR));
	}
	AS_GROUP(EXTRA, EXTRA)
	{
		FAILS(EACCES, open("f", O_RDONLY));
	}
}

CHECK(acl, mask_limits)
{
	struct acl a;

	touch("f", 0600);
	SET_ACL("f", ACCESS, 5, E(U_OBJ, 6), {U, 6, USER}, E(G_OBJ, 6), E(MASK, 4), E(O, 0));
	EQ(mode_of("f"), 0640);
	AS(USER)
	{
		OK(open("f", O_RDONLY));
		FAILS(EACCES, open("f", O_RDWR));
	}
	/* the group bits of chmod are the mask's */
	OK(chmod("f", 0661));
	a = get_acl("f", ACCESS, 5);
	EQ(a.e[0].perm, 6);
	EQ(a.e[1].perm, 6);
	EQ(a.e[3].perm, 6);
	EQ(a.e[4].perm, 1);
	AS(USER)
	{
		OK(open("f", O_RDWR));
	}
}

CHECK(acl, denies_before_others)
{
	touch("f", 0644);
	SET_ACL("f", ACCESS, 5, E(U_OBJ, 6), {U, 0, USER}, E(G_OBJ, 4), E(MASK, 4), E(O, 4));
	AS(USER)
	{
		FAILS(EACCES, open("f", O_RDONLY));
	}
	AS(OTHER)
	{
		OK(open("f", O_RDONLY));
	}
}

CHECK(acl, that_says_no_more_than_the_mode_is_the_mode)
{
	touch("f", 0600);
	SET_ACL("f", ACCESS, 3, E(U_OBJ, 7), E(G_OBJ, 5), E(O, 1));
	EQ(mode_of("f"), 0751);
	FAILS(ENODATA, getxattr("f", ACCESS, NULL, 0));
}

CHECK(acl, removed_leaves_the_mode)
{
	touch("f", 0600);
	SET_ACL("f", ACCESS, 5, E(U_OBJ, 6), {U, 6, USER}, E(G_OBJ, 4), E(MASK, 6), E(O, 0));
	OK(removexattr("f", ACCESS));
	FAILS(ENODATA, getxattr("f", ACCESS, NULL, 0));
	EQ(mode_of("f"), 0660);
	AS(USER)
	{
		FAILS(EACCES, open("f", O_RDONLY));
	}
}

CHECK(acl, nonsense_is_einval)
{
	touch("f", 0644);
	/* no mask, an entry missing, twice, wrong order, wrong permissions */
	NO_ACL(EINVAL, "f", ACCESS, 4, E(U_OBJ, 6), {U, 6, USER}, E(G_OBJ, 4), E(O, 0));
	NO_ACL(EINVAL, "f", ACCESS, 2, E(U_OBJ, 6), E(G_OBJ, 4));
	NO_ACL(EINVAL, "f", ACCESS, 4, E(U_OBJ, 6), E(U_OBJ, 6), E(G_OBJ, 4), E(O, 0));
	NO_ACL(EINVAL, "f", ACCESS, 3, E(U_OBJ, 010), E(G_OBJ, 4), E(O, 0));
	FAILS(EINVAL, setxattr("f", ACCESS, "\2\0\0\0\1", 5, 0));
	FAILS(EOPNOTSUPP, setxattr("f", ACCESS, "\3\0\0\0", 4, 0));
	EQ(mode_of("f"), 0644);
}

CHECK(acl, default_is_for_directories)
{
	touch("f", 0644);
	OK(mkdir("d", 0755));
	NO_ACL(EACCES, "f", DEFAULT, 3, E(U_OBJ, 7), E(G_OBJ, 5), E(O, 1));
	SET_ACL("d", DEFAULT, 3, E(U_OBJ, 7), E(G_OBJ, 5), E(O, 1));
	get_acl("d", DEFAULT, 3);
	EQ(mode_of("d"), 0755);
	OK(removexattr("d", DEFAULT));
	FAILS(ENODATA, getxattr("d", DEFAULT, NULL, 0));
}

CHECK(acl, default_is_inherited)
{
	struct acl a;

	OK(mkdir("d", 0755));
	umask(077); /* does not count then */
	SET_ACL("d", DEFAULT, 5, E(U_OBJ, 7), {U, 7, USER}, E(G_OBJ, 5), E(MASK, 7), E(O, 4));
	OK(close((int)OK(open("d/f", O_CREAT | O_WRONLY, 0666))));
	EQ(mode_of("d/f"), 0664);
	a = get_acl("d/f", ACCESS, 5);
	EQ(a.e[1].perm, 7);
	EQ(a.e[3].perm, 6);
	FAILS(ENODATA, getxattr("d/f", DEFAULT, NULL, 0));
	AS(USER)
	{
		OK(open("d/f", O_RDWR));
	}
	OK(mkdir("d/sub", 0777));
	EQ(mode_of("d/sub"), 0774);
	get_acl("d/sub", DEFAULT, 5);
	get_acl("d/sub", ACCESS, 5);
	OK(mkfifo("d/p", 0666));
	get_acl("d/p", ACCESS, 5);
	OK(symlink("x", "d/l"));
	FAILS(EOPNOTSUPP, lgetxattr("d/l", ACCESS, NULL, 0));
	OK(close((int)OK(open("d/g", O_CREAT | O_WRONLY, 0600))));
	EQ(mode_of("d/g"), 0600);
	OK(mkdir("d/sub/deep", 0700));
	get_acl("d/sub/deep", DEFAULT, 5);
}

CHECK(acl, default_without_names_sets_the_mode_only)
{
	umask(0);
	OK(mkdir("d", 0755));
	SET_ACL("d", DEFAULT, 3, E(U_OBJ, 6), E(G_OBJ, 4), E(O, 0));
	OK(close((int)OK(open("d/f", O_CREAT | O_WRONLY, 0777))));
	EQ(mode_of("d/f"), 0640);
	FAILS(ENODATA, getxattr("d/f", ACCESS, NULL, 0));
}

CHECK(acl, is_the_owners_to_set)
{
	touch("f", 0666);
	AS(USER)
	{
		NO_ACL(EPERM, "f", ACCESS, 3, E(U_OBJ, 7), E(G_OBJ, 5), E(O, 1));
		FAILS(EPERM, removexattr("f", ACCESS));
	}
	OK(chown("f", USER, USER));
	AS(USER)
	{
		SET_ACL("f", ACCESS, 5, E(U_OBJ, 7), {U, 4, OTHER}, E(G_OBJ, 5), E(MASK, 7),
			E(O, 1));
	}
	AS(OTHER)
	{
		OK(open("f", O_RDONLY));
	}
}

CHECK(acl, set_by_a_stranger_to_the_group_clears_setgid)
{
	touch("f", 0755);
	OK(chown("f", USER, OTHER));
	OK(chmod("f", 02755));
	AS(USER)
	{
		SET_ACL("f", ACCESS, 3, E(U_OBJ, 7), E(G_OBJ, 5), E(O, 5));
	}
	EQ(mode_of("f"), 0755);
}

CHECK(acl, changes_the_ctime)
{
	touch("f", 0644);
	CHANGES("f", "c",
		SET_ACL("f", ACCESS, 5, E(U_OBJ, 6), {U, 6, USER}, E(G_OBJ, 4), E(MASK, 6),
			E(O, 0)));
	CHANGES("f", "c", OK(chmod("f", 0600)));
	CHANGES("f", "c", OK(removexattr("f", ACCESS)));
}

CHECK(acl, is_listed)
{
	char b[100];

	touch("f", 0644);
	SET_ACL("f", ACCESS, 5, E(U_OBJ, 6), {U, 6, USER}, E(G_OBJ, 4), E(MASK, 6), E(O, 0));
	EQ(listxattr("f", b, sizeof(b)), sizeof(ACCESS));
	EQ(strcmp(b, ACCESS), 0);
}

CHECK(acl, group_permission_on_a_directory_to_create)
{
	OK(mkdir("d", 0700));
	SET_ACL("d", ACCESS, 5, E(U_OBJ, 7), E(G_OBJ, 0), {G, 7, EXTRA}, E(MASK, 7), E(O, 0));
	AS(USER)
	{
		touch("d/f", 0644);
		OK(unlink("d/f"));
	}
	AS(OTHER)
	{
		FAILS(EACCES, open("d/f", O_CREAT | O_WRONLY, 0644));
	}
}

/* ---- file capabilities: gone when the file is not what it was */
#define CAP "security.capability"

static void with_cap(mode_t mode)
{
	const uint32_t cap[5] = {0x02000001, 1 << 10, 0, 0, 0}; /* net_bind_service, effective */
	int fd = (int)OK(open("f", O_CREAT | O_RDWR, 0777));

	EQ(pwrite(fd, "content", 7, 0), 7);
	OK(close(fd));
	OK(chmod("f", mode));
	OK(setxattr("f", CAP, cap, sizeof(cap), 0));
	EQ(getxattr("f", CAP, NULL, 0), sizeof(cap));
}

static bool has_cap(void)
{
	return getxattr("f", CAP, NULL, 0) >= 0;
}

CHECK(capability, goes_at_a_write)
{
	int fd;

	with_cap(0777);
	AS(USER)
	{
		fd = (int)OK(open("f", O_WRONLY));
		TRUE(has_cap());
		EQ(write(fd, "x", 1), 1);
		TRUE(!has_cap());
	}
	with_cap(0777); /* at root's, too */
	fd = (int)OK(open("f", O_WRONLY));
	EQ(write(fd, "x", 1), 1);
	TRUE(!has_cap());
	with_cap(0777);
	EQ(pwrite(fd, letters('p', 4096), 4096, 0), 4096);
	TRUE(!has_cap());
	with_cap(0777);
	EQ(pwrite(fd, letters('p', 4096), 4096, 0), 4096);
	TRUE(!has_cap());
}

CHECK(capability, goes_at_a_truncate)
{
	int fd;

	with_cap(0777);
	OK(truncate("f", 3));
	TRUE(!has_cap());
	with_cap(0777);
	AS(USER)
	{
		fd = (int)OK(open("f", O_RDWR));
		OK(ftruncate(fd, 5));
	}
	TRUE(!has_cap());
	with_cap(0777);
	OK(open("f", O_WRONLY | O_TRUNC));
	TRUE(!has_cap());
}

CHECK(capability, goes_at_a_chown)
{
	with_cap(0777);
	OK(chown("f", USER, USER));
	TRUE(!has_cap());
	with_cap(0777);
	OK(chown("f", USER, (gid_t)-1));
	TRUE(!has_cap());
}

CHECK(capability, goes_at_fallocate_and_copy)
{
	int fd, in;

	put("from", "text");
	in = (int)OK(open("from", O_RDONLY));
	fd = (int)OK(open("f", O_RDWR | O_CREAT, 0777));
	with_cap(0777);
	OK(fallocate(fd, 0, 0, 10000));
	TRUE(!has_cap());
	with_cap(0777);
	EQ(copy_file_range(in, NULL, fd, NULL, 4, 0), 4);
	TRUE(!has_cap());
}

CHECK(capability, stays_otherwise)
{
	char b[8];
	int fd;

	with_cap(0777);
	OK(chmod("f", 0700));
	OK(utimensat(AT_FDCWD, "f", NULL, 0));
	OK(link("f", "g"));
	OK(rename("g", "h"));
	OK(unlink("h"));
	set("f", "user.a", "1");
	fd = (int)OK(open("f", O_RDWR));
	EQ(read(fd, b, 8), 7);
	OK(fsync(fd));
	OK(close(fd));
	TRUE(has_cap());
}
