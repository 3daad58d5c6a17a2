// SPDX-License-Identifier: BSD-2-Clause
/* Owners and permissions: chmod, chown, umask, setuid, setgid and sticky. */
#define _GNU_SOURCE
#include "suite.h"

static void each_mode(enum type type)
{
	static const mode_t modes[] = {0, 01, 0444, 0640, 0777, 01777, 02755, 04755, 07777};
	struct stat s;
	unsigned int i;

	make(type, "f", 0600);
	for (i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		OK(chmod("f", modes[i]));
		s = st("f");
		EQ(s.st_mode, type_bits(type) | modes[i]);
	}
}

CHECK(chmod, sets_every_bit_of_a_regular_file)
{
	each_mode(REG);
}

CHECK(chmod, sets_every_bit_of_a_directory)
{
	each_mode(DIRECTORY);
}

CHECK(chmod, sets_every_bit_of_special_files)
{
	enum type t;

	for (t = FIFO; t <= BLOCK; t++) {
		each_mode(t);
		remove_any("f");
	}
}

CHECK(chmod, changes_the_ctime_only)
{
	touch("f", 0644);
	OK(mkdir("d", 0755));
	CHANGES("f", "c", OK(chmod("f", 0600)));
	CHANGES("d", "c", OK(chmod("d", 0700)));
	CHANGES("f", "c", OK(chmod("f", 0600)));
}

CHECK(chmod, follows_symlinks)
{
	touch("f", 0644);
	OK(symlink("f", "l"));
	OK(chmod("l", 0600));
	EQ(mode_of("f"), 0600);
	EQ(mode_of("l"), 0777);
}

CHECK(chmod, of_a_symlink_is_not_supported)
{
	OK(symlink("f", "l"));
	FAILS(EOPNOTSUPP, fchmodat(AT_FDCWD, "l", 0600, AT_SYMLINK_NOFOLLOW));
}

CHECK(chmod, by_descriptor)
{
	int fd;

	touch("f", 0644);
	fd = (int)OK(open("f", O_RDONLY));
	OK(fchmod(fd, 0604));
	EQ(fst(fd).st_mode, S_IFREG | 0604);
	OK(unlink("f"));
	OK(fchmod(fd, 0640));
	EQ(fst(fd).st_mode, S_IFREG | 0640);
}

CHECK(chmod, is_for_the_owner)
{
	touch("f", 0644);
	OK(chown("f", USER, USER));
	AS(USER)
	{
		OK(chmod("f", 0600));
	}
	AS(OTHER)
	{
		CHANGES("f", "", FAILS(EPERM, chmod("f", 0666)));
		EQ(mode_of("f"), 0600);
	}
}

CHECK(chmod, by_a_stranger_to_the_group_loses_setgid)
{
	touch("f", 0755);
	OK(chown("f", USER, OTHER));
	AS(USER)
	{
		OK(chmod("f", 02755));
		EQ(mode_of("f"), 0755);
	}
	OK(chmod("f", 02755));
	EQ(mode_of("f"), 02755);
	OK(chown("f", USER, EXTRA));
	AS(USER)
	{
		OK(chmod("f", 02755));
		EQ(mode_of("f"), 02755);
	}
}

CHECK(chmod, sticky_by_a_user)
{
	AS(USER)
	{
		touch("f", 0644);
		OK(mkdir("d", 0755));
		OK(chmod("f", 01644));
		OK(chmod("d", 01755));
		EQ(mode_of("f"), 01644);
		EQ(mode_of("d"), 01755);
	}
}

CHECK(permissions, say_who_reads_and_writes)
{
	static const struct {
		mode_t mode;
		bool owner_r, owner_w, group_r, group_w, other_r, other_w;
	} cases[] = {
		{0600, true, true, false, false, false, false},
		{0060, false, false, true, true, false, false},
		{0006, false, false, false, false, true, true},
		{0444, true, false, true, false, true, false},
		{0222, false, true, false, true, false, true},
		{0066, false, false, true, true, true, true},
		{0606, true, true, false, false, true, true},
	};
	unsigned int i;

	touch("f", 0600);
	OK(chown("f", USER, EXTRA));
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		OK(chmod("f", cases[i].mode));
		AS_GROUP(USER, USER)
		{
			EQ(open("f", O_RDONLY) >= 0, cases[i].owner_r);
			EQ(open("f", O_WRONLY) >= 0, cases[i].owner_w);
			EQ(open("f", O_RDWR) >= 0, cases[i].owner_r && cases[i].owner_w);
		}
		AS_GROUP(OTHER, EXTRA)
		{
			EQ(open("f", O_RDONLY) >= 0, cases[i].group_r);
			EQ(open("f", O_WRONLY) >= 0, cases[i].group_w);
		}
		AS(OTHER)
		{
			EQ(open("f", O_RDONLY) >= 0, cases[i].other_r);
			EQ(open("f", O_WRONLY) >= 0, cases[i].other_w);
			EQ(access("f", R_OK) == 0, cases[i].other_r);
			EQ(access("f", W_OK) == 0, cases[i].other_w);
		}
	}
}

CHECK(permissions, do_not_bind_root)
{
	touch("f", 0);
	OK(chown("f", USER, USER));
	OK(close((int)OK(open("f", O_RDWR))));
	FAILS(EACCES, access("f", X_OK)); /* but a file that nobody may execute */
	OK(mkdir("d", 0));
	OK(chown("d", USER, USER));
	touch("d/f", 0);
	OK(unlink("d/f"));
}

CHECK(permissions, of_a_group_that_came_by_setgroups)
{
	OK(mkdir("d", 0070));
	OK(chown("d", OTHER, EXTRA));
	AS(USER)
	{
		touch("d/f", 0644);
		OK(unlink("d/f"));
	}
}

CHECK(permissions, are_checked_at_open_only)
{
	AS(USER)
	{
		int fd = (int)OK(open("f", O_CREAT | O_RDWR, 0));

		EQ(write(fd, "abc", 3), 3);
		OK(fsync(fd));
		OK(ftruncate(fd, 2));
		FAILS(EACCES, open("f", O_RDONLY));
		FAILS(EACCES, truncate("f", 0));
	}
}

CHECK(permissions, to_list_and_to_pass_a_directory_are_two)
{
	struct stat s;

	OK(mkdir("list", 0744));
	OK(mkdir("pass", 0711));
	touch("list/f", 0644);
	touch("pass/f", 0644);
	AS(USER)
	{
		OK(open("list", O_RDONLY | O_DIRECTORY));
		FAILS(EACCES, stat("list/f", &s));
		FAILS(EACCES, open("pass", O_RDONLY | O_DIRECTORY));
		OK(stat("pass/f", &s));
	}
}

CHECK(execute, needs_an_x_bit)
{
	OK(close((int)OK(open("f", O_CREAT | O_WRONLY, 0644))));
	put("f", "#!/bin/true\n");
	FAILS(EACCES, execl("f", "f", NULL));
	OK(chmod("f", 0755));
	AS(USER)
	{
		execl("./f", "f", NULL);
		FAIL("execl: %s", strerror(errno));
	}
	OK(chmod("f", 0701));
	OK(chown("f", ROOT, USER));
	AS_GROUP(OTHER, USER)
	{
		FAILS(EACCES, execl("f", "f", NULL));
	}
}

/* ---- chown */
CHECK(chown, by_root_changes_both)
{
	enum type t;

	for (t = REG; t < TYPES; t++) {
		make(t, type_names[t], 0644);
		OK(lchown(type_names[t], USER, OTHER));
		EQ(st(type_names[t]).st_uid, USER);
		EQ(st(type_names[t]).st_gid, OTHER);
		OK(lchown(type_names[t], OTHER, (gid_t)-1));
		EQ(st(type_names[t]).st_uid, OTHER);
		EQ(st(type_names[t]).st_gid, OTHER);
		OK(lchown(type_names[t], (uid_t)-1, USER));
		EQ(st(type_names[t]).st_uid, OTHER);
		EQ(st(type_names[t]).st_gid, USER);
	}
}

CHECK(chown, of_large_ids)
{
	touch("f", 0644);
	OK(chown("f", 70000, 0x7fffffff));
	EQ(st("f").st_uid, 70000);
	EQ(st("f").st_gid, 0x7fffffff);
	OK(chown("f", 0xfffffffe, 0xfffffffe));
	EQ(st("f").st_uid, 0xfffffffe);
	EQ(st("f").st_gid, 0xfffffffe);
}

CHECK(chown, follows_symlinks_and_lchown_does_not)
{
	touch("f", 0644);
	OK(symlink("f", "l"));
	OK(chown("l", USER, USER));
	EQ(st("f").st_uid, USER);
	EQ(st("l").st_uid, ROOT);
	OK(lchown("l", OTHER, OTHER));
	EQ(st("f").st_uid, USER);
	EQ(st("l").st_uid, OTHER);
}

CHECK(chown, changes_the_ctime_only)
{
	touch("f", 0644);
	OK(symlink("f", "l"));
	OK(mkdir("d", 0755));
	CHANGES("f", "c", OK(chown("f", USER, USER)));
	CHANGES("d", "c", OK(chown("d", USER, USER)));
	CHANGES("l", "c", OK(lchown("l", USER, USER)));
	CHANGES("f", "c", OK(chown("f", USER, USER)));
}

CHECK(chown, by_a_user_is_refused)
{
	touch("f", 0644);
	OK(chown("f", USER, USER));
	AS(USER)
	{
		FAILS(EPERM, chown("f", OTHER, (gid_t)-1));
		FAILS(EPERM, chown("f", (uid_t)-1, OTHER));
		FAILS(EPERM, chown("f", ROOT, ROOT));
		OK(chown("f", USER, USER));
		OK(chown("f", (uid_t)-1, (gid_t)-1));
	}
	AS(OTHER)
	{
		CHANGES("f", "", FAILS(EPERM, chown("f", OTHER, OTHER)));
		FAILS(EPERM, chown("f", USER, OTHER));
	}
	EQ(st("f").st_uid, USER);
}

CHECK(chown, to_a_group_of_ones_own)
{
	touch("f", 0644);
	OK(chown("f", USER, USER));
	AS(USER)
	{
		OK(chown("f", (uid_t)-1, EXTRA));
		EQ(st("f").st_gid, EXTRA);
	}
	AS_GROUP(OTHER, EXTRA)
	{
		FAILS(EPERM, chown("f", (uid_t)-1, EXTRA));
	}
}

CHECK(chown, clears_setuid_and_setgid_of_all_but_directories)
{
	enum type t;

	for (t = REG; t < SYMLINK; t++) {
		make(t, "f", 0755);
		OK(chown("f", USER, USER));
		OK(chmod("f", 06755));
		AS(USER)
		{
			OK(chown("f", (uid_t)-1, EXTRA));
		}
		EQ(mode_of("f"), t == DIRECTORY ? 06755 : 0755);
		OK(chmod("f", 06755));
		OK(chown("f", OTHER, OTHER));
		EQ(mode_of("f"), t == DIRECTORY ? 06755 : 0755);
		remove_any("f");
	}
}

CHECK(chown, leaves_setgid_without_group_execute_to_root)
{
	touch("f", 0644);
	OK(chmod("f", 06644));
	OK(chown("f", USER, USER));
	EQ(mode_of("f"), 02644);
}

CHECK(chown, of_nothing_is_allowed_to_the_owner)
{
	touch("f", 0644);
	OK(chown("f", USER, USER));
	AS(USER)
	{
		OK(chown("f", (uid_t)-1, (gid_t)-1));
	}
	AS(OTHER)
	{
		OK(chown("f", (uid_t)-1, (gid_t)-1));
	}
}

CHECK(chown, by_descriptor_of_an_unlinked_file)
{
	int fd;

	touch("f", 0644);
	fd = (int)OK(open("f", O_RDWR));
	OK(unlink("f"));
	OK(fchown(fd, USER, OTHER));
	EQ(fst(fd).st_uid, USER);
	EQ(fst(fd).st_gid, OTHER);
}

/* ---- setuid and setgid against changes of the content */
CHECK(write, by_a_user_clears_setuid_and_setgid)
{
	int fd;

	touch("f", 0777);
	OK(chmod("f", 06777));
	AS(USER)
	{
		fd = (int)OK(open("f", O_WRONLY));
		EQ(mode_of("f"), 06777);
		EQ(write(fd, "x", 1), 1);
		EQ(mode_of("f"), 0777);
	}
}

CHECK(write, by_a_user_leaves_setgid_without_group_execute)
{
	int fd;

	touch("f", 0666);
	OK(chown("f", ROOT, USER));
	OK(chmod("f", 02666));
	AS(USER)
	{
		fd = (int)OK(open("f", O_WRONLY));
		EQ(write(fd, "x", 1), 1);
		EQ(mode_of("f"), 02666);
	}
}

CHECK(write, by_root_leaves_setuid)
{
	int fd;

	touch("f", 0755);
	OK(chmod("f", 06755));
	fd = (int)OK(open("f", O_WRONLY));
	EQ(write(fd, "x", 1), 1);
	EQ(mode_of("f"), 06755);
	OK(ftruncate(fd, 0));
	EQ(mode_of("f"), 06755);
}

CHECK(truncate, by_a_user_clears_setuid_and_setgid)
{
	touch("f", 0777);
	OK(chmod("f", 06777));
	AS(USER)
	{
		OK(truncate("f", 10));
		EQ(mode_of("f"), 0777);
	}
	OK(chmod("f", 06777));
	AS(USER)
	{
		int fd = (int)OK(open("f", O_RDWR));

		OK(ftruncate(fd, 3));
		EQ(mode_of("f"), 0777);
	}
	OK(chmod("f", 06777));
	AS(USER)
	{
		OK(open("f", O_WRONLY | O_TRUNC));
		EQ(mode_of("f"), 0777);
	}
}

CHECK(fallocate, by_a_user_clears_setuid_and_setgid)
{
	int fd;

	touch("f", 0777);
	OK(chmod("f", 06777));
	AS(USER)
	{
		fd = (int)OK(open("f", O_RDWR));
		OK(fallocate(fd, 0, 0, 8192));
		EQ(mode_of("f"), 0777);
	}
	OK(chmod("f", 06777));
	AS(USER)
	{
		fd = (int)OK(open("f", O_RDWR));
		OK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096));
		EQ(mode_of("f"), 0777);
	}
}

CHECK(copy_file_range, by_a_user_clears_setuid_and_setgid)
{
	touch("f", 0777);
	OK(chmod("f", 06777));
	put("from", "text");
	AS(USER)
	{
		int in = (int)OK(open("from", O_RDONLY)), out = (int)OK(open("f", O_WRONLY));

		EQ(copy_file_range(in, NULL, out, NULL, 4, 0), 4);
		EQ(mode_of("f"), 0777);
	}
}

/* ---- umask and who owns what is new */
CHECK(umask, applies_to_all_that_is_made)
{
	umask(027);
	OK(close((int)OK(open("f", O_CREAT | O_WRONLY, 0666))));
	OK(mkdir("d", 0777));
	OK(mkfifo("p", 0666));
	OK(mknod("s", S_IFSOCK | 0777, 0));
	OK(symlink("f", "l"));
	EQ(mode_of("f"), 0640);
	EQ(mode_of("d"), 0750);
	EQ(mode_of("p"), 0640);
	EQ(mode_of("s"), 0750);
	EQ(mode_of("l"), 0777);
}

CHECK(create, gives_the_makers_ids)
{
	AS_GROUP(USER, EXTRA)
	{
		enum type t;

		for (t = REG; t < TYPES; t++) {
			if (t == CHAR || t == BLOCK)
				continue;
			make(t, type_names[t], 0644);
			EQ(st(type_names[t]).st_uid, USER);
			EQ(st(type_names[t]).st_gid, EXTRA);
		}
	}
}

CHECK(setgid_directory, gives_its_group)
{
	OK(mkdir("d", 0777));
	OK(chown("d", ROOT, EXTRA));
	OK(chmod("d", 02777));
	AS_GROUP(OTHER, OTHER)
	{
		OK(chdir("d"));
		touch("f", 0644);
		OK(mkdir("sub", 0755));
		OK(symlink("x", "l"));
		OK(mkfifo("p", 0644));
		EQ(st("f").st_gid, EXTRA);
		EQ(st("l").st_gid, EXTRA);
		EQ(st("p").st_gid, EXTRA);
		EQ(st("sub").st_gid, EXTRA);
		EQ(mode_of("f"), 0644);
		EQ(mode_of("sub"), 02755);
		OK(mkdir("sub/sub", 0700));
		EQ(mode_of("sub/sub"), 02700);
		EQ(st("sub/sub").st_gid, EXTRA);
	}
}

CHECK(setgid_directory, takes_setgid_from_strangers_new_files)
{
	OK(mkdir("d", 0777));
	OK(chown("d", ROOT, EXTRA));
	OK(chmod("d", 02777));
	AS(OTHER)
	{
		OK(close((int)OK(open("d/f", O_CREAT | O_WRONLY, 02755))));
		EQ(mode_of("d/f"), 0755);
		EQ(st("d/f").st_gid, EXTRA);
	}
	AS(USER)
	{
		OK(close((int)OK(open("d/g", O_CREAT | O_WRONLY, 02755))));
		EQ(mode_of("d/g"), 02755);
	}
}

CHECK(mkdir, without_setgid_parent_drops_the_bit)
{
	OK(mkdir("d", 02755));
	EQ(mode_of("d"), 0755);
	OK(mkdir("s", 01755));
	EQ(mode_of("s"), 01755);
}

/* ---- sticky directories */
static void sticky(uid_t dir_owner)
{
	OK(mkdir("d", 0777));
	OK(chown("d", dir_owner, dir_owner));
	OK(chmod("d", 01777));
}

CHECK(sticky_directory, keeps_others_files)
{
	sticky(ROOT);
	AS(USER)
	{
		touch("d/f", 0666);
		OK(mkdir("d/sub", 0777));
	}
	AS(OTHER)
	{
		touch("d/mine", 0666);
		FAILS(EPERM, unlink("d/f"));
		FAILS(EPERM, rmdir("d/sub"));
		FAILS(EPERM, rename("d/f", "d/g"));
		FAILS(EPERM, rename("d/f", "g"));
		FAILS(EPERM, rename("d/mine", "d/f"));
		OK(rename("d/mine", "d/mine2"));
		OK(unlink("d/mine2"));
	}
	AS(USER)
	{
		OK(unlink("d/f"));
		OK(rmdir("d/sub"));
	}
}

CHECK(sticky_directory, obeys_its_owner)
{
	sticky(OTHER);
	AS(USER)
	{
		touch("d/f", 0600);
		touch("d/g", 0600);
	}
	AS(OTHER)
	{
		OK(unlink("d/f"));
		OK(rename("d/g", "d/h"));
	}
}

CHECK(sticky_directory, obeys_root)
{
	sticky(OTHER);
	AS(USER)
	{
		touch("d/f", 0600);
	}
	OK(unlink("d/f"));
}

CHECK(sticky_directory, lets_others_link_and_create)
{
	sticky(ROOT);
	AS(USER)
	{
		touch("d/f", 0666);
		OK(link("d/f", "d/g"));
		EQ(st("d/f").st_nlink, 2);
	}
}
