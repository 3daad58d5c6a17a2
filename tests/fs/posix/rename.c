// SPDX-License-Identifier: BSD-2-Clause
/* Moving names, and what they replace: rename, renameat2. */
#define _GNU_SOURCE
#include "suite.h"

CHECK(rename, moves_every_type)
{
	struct stat s;
	enum type t;
	ino_t ino;

	OK(mkdir("d", 0755));
	for (t = REG; t < TYPES; t++) {
		make(t, "a", 0640);
		ino = st("a").st_ino;
		OK(rename("a", "b"));
		FAILS(ENOENT, lstat("a", &s));
		EQ(st("b").st_ino, ino);
		OK(rename("b", "d/c"));
		FAILS(ENOENT, lstat("b", &s));
		EQ(st("d/c").st_ino, ino);
		EQ(st("d/c").st_mode & S_IFMT, type_bits(t));
		remove_any("d/c");
	}
}

CHECK(rename, replaces_a_file_of_any_type)
{
	enum type from, to;
	ino_t ino;

	for (from = REG; from < TYPES; from++) {
		for (to = REG; to < TYPES; to++) {
			make(from, "a", 0644);
			make(to, "b", 0644);
			ino = st("a").st_ino;
			if (from == DIRECTORY && to != DIRECTORY) {
				FAILS(ENOTDIR, rename("a", "b"));
				remove_any("a");
			} else if (from != DIRECTORY && to == DIRECTORY) {
				FAILS(EISDIR, rename("a", "b"));
				remove_any("a");
			} else {
				OK(rename("a", "b"));
				EQ(st("b").st_ino, ino);
			}
			remove_any("b");
		}
	}
}

CHECK(rename, over_a_full_directory_is_enotempty)
{
	OK(mkdir("a", 0755));
	OK(mkdir("b", 0755));
	touch("b/f", 0644);
	FAILS(ENOTEMPTY, rename("a", "b"));
	OK(unlink("b/f"));
	OK(rename("a", "b"));
}

CHECK(rename, onto_itself_or_another_name_of_it_does_nothing)
{
	touch("f", 0644);
	OK(link("f", "g"));
	CHANGES("f", "", OK(rename("f", "g")));
	EQ(st("f").st_nlink, 2);
	EQ(st("g").st_nlink, 2);
	OK(rename("f", "f"));
	OK(mkdir("d", 0755));
	OK(rename("d", "d"));
}

CHECK(rename, of_a_directory_into_itself_is_einval)
{
	OK(mkdir("a", 0755));
	OK(mkdir("a/b", 0755));
	FAILS(EINVAL, rename("a", "a/c"));
	FAILS(EINVAL, rename("a", "a/b/c"));
	FAILS(EINVAL, rename("a", "a/b"));
	FAILS(ENOTEMPTY, rename("a/b", "a"));
}

CHECK(rename, of_dot_and_dotdot_is_ebusy)
{
	OK(mkdir("d", 0755));
	FAILS(EBUSY, rename("d/.", "e"));
	FAILS(EBUSY, rename("d/..", "e"));
	FAILS(EBUSY, rename("d", "d/."));
	FAILS(EBUSY, rename("d", "d/.."));
}

CHECK(rename, of_a_directory_changes_its_parents)
{
	nlink_t a, b;

	OK(mkdir("a", 0755));
	OK(mkdir("b", 0755));
	OK(mkdir("a/d", 0755));
	a = st("a").st_nlink;
	b = st("b").st_nlink;
	OK(rename("a/d", "b/d"));
	EQ(st("a").st_nlink, a - 1);
	EQ(st("b").st_nlink, b + 1);
	EQ(st("b/d/..").st_ino, st("b").st_ino);
}

CHECK(rename, changes_times_of_both_parents_and_ctime)
{
	struct stat a;

	OK(mkdir("a", 0755));
	OK(mkdir("b", 0755));
	touch("a/f", 0644);
	a = st("a");
	CHANGES("b", "mc", OK(rename("a/f", "b/f")));
	times_changed(__FILE__, __LINE__, &a, "a", "mc");
	touch("a/g", 0644);
	a = st("a/g");
	tick();
	OK(rename("a/g", "a/h"));
	times_changed(__FILE__, __LINE__, &a, "a/h", "c");
}

CHECK(rename, takes_a_link_from_what_it_replaces)
{
	int fd;

	touch("f", 0644);
	touch("g", 0644);
	OK(link("g", "h"));
	fd = (int)OK(open("g", O_RDONLY));
	CHANGES("h", "c", OK(rename("f", "g")));
	EQ(st("h").st_nlink, 1);
	EQ(fst(fd).st_nlink, 1);
	OK(rename("g", "h"));
	EQ(fst(fd).st_nlink, 0);
}

CHECK(rename, noreplace)
{
	touch("f", 0644);
	touch("g", 0644);
	FAILS(EEXIST, renameat2(AT_FDCWD, "f", AT_FDCWD, "g", RENAME_NOREPLACE));
	OK(renameat2(AT_FDCWD, "f", AT_FDCWD, "h", RENAME_NOREPLACE));
	EQ(st("h").st_nlink, 1);
}

CHECK(rename, exchange)
{
	ino_t f, d;

	touch("f", 0644);
	OK(mkdir("a", 0755));
	OK(mkdir("a/d", 0755));
	f = st("f").st_ino;
	d = st("a/d").st_ino;
	OK(renameat2(AT_FDCWD, "f", AT_FDCWD, "a/d", RENAME_EXCHANGE));
	EQ(st("f").st_ino, d);
	EQ(st("a/d").st_ino, f);
	EQ(st("a").st_nlink, 2);
	FAILS(ENOENT, renameat2(AT_FDCWD, "f", AT_FDCWD, "none", RENAME_EXCHANGE));
	FAILS(EINVAL, renameat2(AT_FDCWD, "f", AT_FDCWD, "a", RENAME_EXCHANGE | RENAME_NOREPLACE));
	FAILS(EINVAL, renameat2(AT_FDCWD, "a", AT_FDCWD, "a/d", RENAME_EXCHANGE));
	FAILS(EINVAL, renameat2(AT_FDCWD, "f", AT_FDCWD, "x", 0x80));
}

CHECK(rename, of_anothers_directory_needs_write_on_it)
{
	OK(chmod(".", 0777));
	OK(mkdir("a", 0755));
	OK(mkdir("b", 0777));
	OK(chown("a", OTHER, OTHER));
	AS(USER)
	{
		/* ".." of it would change */
		FAILS(EACCES, rename("a", "b/a"));
		OK(rename("a", "c"));
	}
}

CHECK(rename, with_slashes_at_the_end)
{
	touch("f", 0644);
	OK(mkdir("d", 0755));
	FAILS(ENOTDIR, rename("f/", "g"));
	FAILS(ENOTDIR, rename("f", "g/"));
	OK(rename("d/", "e/"));
	TRUE(S_ISDIR(st("e").st_mode));
}

CHECK(rename, of_a_long_name_to_a_long_name)
{
	const char *a = letters('a', NAME_MAX), *b = letters('b', NAME_MAX);

	touch(a, 0644);
	OK(rename(a, b));
	EQ(st(b).st_nlink, 1);
}

CHECK(names, of_all_bytes)
{
	char name[8] = "x?y";
	int c;

	for (c = 1; c < 256; c++) {
		if (c == '/')
			continue;
		name[1] = (char)c;
		touch(name, 0644);
		EQ(st(name).st_nlink, 1);
		OK(unlink(name));
	}
	touch("A", 0644);
	FAILS(ENOENT, unlink("a"));
}

CHECK(names, deep_paths)
{
	char path[PATH_MAX] = "";
	int i, depth = 60;

	for (i = 0; i < depth; i++) {
		OK(mkdir("d", 0755));
		OK(chdir("d"));
	}
	TRUE(getcwd(path, sizeof(path)));
	touch("f", 0644);
	for (i = 0; i < depth; i++)
		OK(chdir(".."));
	snprintf(path, sizeof(path), "d");
	for (i = 1; i < depth; i++)
		strcat(path, "/d");
	strcat(path, "/f");
	EQ(st(path).st_nlink, 1);
}
