/* SPDX-License-Identifier: BSD-2-Clause */
/* Making, finding, linking and removing names; what they do to counts, times and lists. */
#include "tests/fs/names_util.h"

TEST(create_lookup_unlink_survive_remount)
{
	struct fs_attr attr;
	struct exec *x;
	node_t d, f;

	fixture_make(64, NULL, NULL);
	x = fixture_mount();
	CHECK_EQ(look(x, FS_ROOT, "nothing"), 0);
	f = mk(x, FS_ROOT, "file");
	CHECK_EQ(look(x, FS_ROOT, "file"), f);
	d = mkd(x, FS_ROOT, "dir");
	CHECK_EQ(stat_of(x, d).nlink, 2);
	CHECK_EQ(stat_of(x, FS_ROOT).nlink, 4); /* lost+found too */
	mk(x, d, "below");
	CHECK_ERR(fs_mknod(x, FS_ROOT, nm("file"), REG | 0600, 0, false, &attr), -MP_EEXIST);
	CHECK_ERR(fs_mkdir(x, FS_ROOT, nm("file"), 0700, &attr), -MP_EEXIST);
	x = fixture_remount();
	CHECK_EQ(look(x, FS_ROOT, "file"), f);
	CHECK_EQ(look(x, FS_ROOT, "dir"), d);
	CHECK(look(x, d, "below"));
	CHECK_ERR(fs_rmdir(x, FS_ROOT, nm("dir")), -MP_ENOTEMPTY);
	CHECK_OK(fs_unlink(x, d, nm("below")));
	CHECK_ERR(fs_unlink(x, FS_ROOT, nm("dir")), -MP_EISDIR);
	CHECK_ERR(fs_rmdir(x, FS_ROOT, nm("file")), -MP_ENOTDIR);
	CHECK_OK(fs_rmdir(x, FS_ROOT, nm("dir")));
	CHECK_EQ(stat_of(x, FS_ROOT).nlink, 3);
	CHECK_ERR(fs_getattr(x, d, &attr), -MP_ESTALE);
	CHECK_OK(fs_unlink(x, FS_ROOT, nm("file")));
	CHECK_EQ(look(x, FS_ROOT, "file"), 0);
	CHECK_ERR(fs_unlink(x, FS_ROOT, nm("file")), -MP_ENOENT);
	x = fixture_remount();
	CHECK_EQ(look(x, FS_ROOT, "dir"), 0);
	fixture_unmount_check();
}

TEST(dot_and_dotdot_are_found)
{
	struct exec *x;
	node_t a, b;

	fixture_make(64, NULL, NULL);
	x = fixture_mount();
	a = mkd(x, FS_ROOT, "a");
	b = mkd(x, a, "b");
	CHECK_EQ(look(x, b, "."), b);
	CHECK_EQ(look(x, b, ".."), a);
	CHECK_EQ(look(x, a, ".."), FS_ROOT);
	CHECK_EQ(look(x, FS_ROOT, ".."), FS_ROOT);
	fixture_unmount_check();
}

TEST(dot_finds_the_node_itself_as_long_as_it_is_in_use)
{
	struct fs_attr attr;
	struct exec *x;
	node_t f, link;

	fixture_make(64, NULL, NULL);
	x = fixture_mount();
	f = mk(x, FS_ROOT, "f");
	CHECK_OK(fs_symlink(x, FS_ROOT, nm("link"), nm("f"), &attr));
	link = attr.node;
	x = fixture_remount();
	CHECK_EQ(look(x, f, "."), f);
	CHECK_EQ(look(x, link, "."), link);
	CHECK_ERR(fs_lookup(x, f, nm(".."), &attr), -MP_ENOTDIR);
	CHECK_ERR(fs_lookup(x, f + (1ull << 32), nm("."), &attr), -MP_ESTALE);
	CHECK_OK(fs_open(x, f, 0, &attr));
	CHECK_OK(fs_unlink(x, FS_ROOT, nm("f")));
	CHECK_EQ(look(x, f, "."), f);
	CHECK_OK(fs_release(x, f));
	CHECK_ERR(fs_lookup(x, f, nm("."), &attr), -MP_ESTALE);
	CHECK_OK(fs_unlink(x, FS_ROOT, nm("link")));
	CHECK_ERR(fs_lookup(x, link, nm("."), &attr), -MP_ESTALE);
	fixture_unmount_check();
}

TEST(bad_names_are_refused)
{
	char longest[257];
	struct fs_attr attr;
	struct exec *x;
	struct fs_name name;
	node_t f;

	fixture_make(64, NULL, NULL);
	x = fixture_mount();
	memset(longest, 'n', sizeof(longest));
	name = (struct fs_name){longest, 256};
	CHECK_ERR(fs_mknod(x, FS_ROOT, name, REG | 0600, 0, false, &attr), -MP_ENAMETOOLONG);
	CHECK_ERR(fs_lookup(x, FS_ROOT, name, &attr), -MP_ENAMETOOLONG);
	name.len = 255;
	CHECK_OK(fs_mknod(x, FS_ROOT, name, REG | 0600, 0, false, &attr));
	CHECK_OK(fs_lookup(x, FS_ROOT, name, &attr));
	name.len = 0;
	CHECK_ERR(fs_lookup(x, FS_ROOT, name, &attr), -MP_EINVAL);
	CHECK_ERR(fs_mkdir(x, FS_ROOT, nm("a/b"), 0700, &attr), -MP_EINVAL);
	name = (struct fs_name){"a\0b", 3};
	CHECK_ERR(fs_mkdir(x, FS_ROOT, name, 0700, &attr), -MP_EINVAL);
	CHECK_ERR(fs_mkdir(x, FS_ROOT, nm("."), 0700, &attr), -MP_EINVAL);
	CHECK_ERR(fs_mkdir(x, FS_ROOT, nm(".."), 0700, &attr), -MP_EINVAL);
	CHECK_ERR(fs_rmdir(x, FS_ROOT, nm("..")), -MP_EINVAL);
	CHECK_OK(fs_mkdir(x, FS_ROOT, nm("..."), 0700, &attr));
	f = mk(x, FS_ROOT, "f");
	CHECK_ERR(fs_lookup(x, f, nm("x"), &attr), -MP_ENOTDIR);
	CHECK_ERR(fs_mknod(x, f, nm("x"), REG, 0, false, &attr), -MP_ENOTDIR);
	CHECK_ERR(fs_rmdir(x, f, nm("x")), -MP_ENOTDIR);
	CHECK_ERR(fs_lookup(x, (node_t)9999 << 32 | 13, nm("x"), &attr), -MP_ESTALE);
	fixture_unmount_check();
}

TEST(symlinks_fast_and_slow_keep_their_target)
{
	static const u32 lens[] = {1, 58, 59, 60, 61, 1000, 4094, 4095};
	char target[5000], got[4096], name[32];
	struct fs_attr attr;
	struct exec *x;
	u32 i, round;

	fixture_make(64, NULL, NULL);
	x = fixture_mount();
	memset(target, 't', sizeof(target));
	for (i = 0; i < array_size(lens); i++) {
		snprintf(name, sizeof(name), "link%u", lens[i]);
		CHECK_OK(
			fs_symlink(x, FS_ROOT, nm(name), (struct fs_name){target, lens[i]}, &attr));
		CHECK_EQ(attr.mode, 0120777);
		CHECK_EQ(attr.size, lens[i]);
		CHECK_EQ(attr.blocks, lens[i] > 59 ? 8 : 0);
	}
	CHECK_ERR(fs_symlink(x, FS_ROOT, nm("e"), (struct fs_name){target, 4096}, &attr),
		  -MP_ENAMETOOLONG);
	CHECK_ERR(fs_symlink(x, FS_ROOT, nm("e"), (struct fs_name){target, 0}, &attr), -MP_ENOENT);
	for (round = 0; round < 2; round++) {
		for (i = 0; i < array_size(lens); i++) {
			snprintf(name, sizeof(name), "link%u", lens[i]);
			CHECK_EQ(fs_readlink(x, look(x, FS_ROOT, name), got, sizeof(got)), lens[i]);
			CHECK(!memcmp(got, target, lens[i]));
		}
		x = fixture_remount();
	}
	CHECK_ERR(fs_readlink(x, FS_ROOT, got, sizeof(got)), -MP_EINVAL);
	for (i = 0; i < array_size(lens); i++) {
		snprintf(name, sizeof(name), "link%u", lens[i]);
		CHECK_OK(fs_unlink(x, FS_ROOT, nm(name)));
	}
	fixture_unmount_check();
}

TEST(special_files_keep_their_numbers)
{
	struct fs_attr attr;
	struct exec *x;

	fixture_make(64, NULL, NULL);
	x = fixture_mount();
	CHECK_OK(fs_mknod(x, FS_ROOT, nm("null"), 0020666, 0x103, false, &attr));
	CHECK_OK(fs_mknod(x, FS_ROOT, nm("big"), 0060600, 0x12300045 | 0x800, false, &attr));
	CHECK_OK(fs_mknod(x, FS_ROOT, nm("fifo"), 0010600, 0, false, &attr));
	CHECK_OK(fs_mknod(x, FS_ROOT, nm("sock"), 0140600, 0, false, &attr));
	x = fixture_remount();
	CHECK_EQ(stat_of(x, look(x, FS_ROOT, "null")).rdev, 0x103);
	CHECK_EQ(stat_of(x, look(x, FS_ROOT, "big")).rdev, 0x12300845);
	CHECK_EQ(stat_of(x, look(x, FS_ROOT, "fifo")).mode, 0010600);
	CHECK_EQ(stat_of(x, look(x, FS_ROOT, "sock")).mode, 0140600);
	fixture_unmount_check();
}

TEST(hard_links_count_and_end)
{
	struct fs_attr attr;
	struct exec *x;
	node_t f, d;

	fixture_make(64, NULL, NULL);
	x = fixture_mount();
	d = mkd(x, FS_ROOT, "d");
	f = mk(x, FS_ROOT, "f");
	CHECK_OK(fs_link(x, f, d, nm("g"), &attr));
	CHECK_EQ(attr.nlink, 2);
	CHECK_EQ(attr.node, f);
	CHECK_EQ(look(x, d, "g"), f);
	CHECK_ERR(fs_link(x, f, d, nm("g"), &attr), -MP_EEXIST);
	CHECK_ERR(fs_link(x, d, FS_ROOT, nm("dd"), &attr), -MP_EPERM);
	CHECK_OK(fs_unlink(x, FS_ROOT, nm("f")));
	CHECK_EQ(stat_of(x, f).nlink, 1);
	x = fixture_remount();
	CHECK_EQ(look(x, d, "g"), f);
	CHECK_OK(fs_unlink(x, d, nm("g")));
	CHECK_ERR(fs_getattr(x, f, &attr), -MP_ESTALE);
	CHECK_ERR(fs_link(x, f, d, nm("h"), &attr), -MP_ESTALE);
	fixture_unmount_check();
}

TEST_TIMED(link_limit_is_65000, 120)
{
	char name[16];
	struct fs_attr attr;
	struct exec *x;
	node_t f, d;
	u32 i;

	fixture_make(128, NULL, NULL);
	x = fixture_mount();
	d = mkd(x, FS_ROOT, "d");
	f = mk(x, FS_ROOT, "f");
	for (i = 1; i < 65000; i++) {
		snprintf(name, sizeof(name), "l%u", i);
		CHECK_OK(fs_link(x, f, d, nm(name), &attr));
	}
	CHECK_EQ(attr.nlink, 65000);
	CHECK_ERR(fs_link(x, f, d, nm("one more"), &attr), -MP_EMLINK);
	CHECK_OK(fs_unlink(x, FS_ROOT, nm("f")));
	CHECK_OK(fs_link(x, f, d, nm("one more"), &attr));
	fixture_unmount_check();
}

TEST(unlinked_open_file_lives_until_release)
{
	struct fs_attr attr;
	struct fs_statfs before, after;
	struct exec *x;
	node_t f, t;

	fixture_make(64, NULL, NULL);
	x = fixture_mount();
	CHECK_OK(fs_statfs(x, &before));
	CHECK_OK(fs_mknod(x, FS_ROOT, nm("f"), REG | 0600, 0, true, &attr));
	f = attr.node;
	CHECK_OK(fs_unlink(x, FS_ROOT, nm("f")));
	CHECK_EQ(stat_of(x, f).nlink, 0);
	CHECK_OK(fs_release(x, f));
	CHECK_ERR(fs_getattr(x, f, &attr), -MP_ESTALE);
	/* an unnamed file gets a name, or goes */
	CHECK_OK(fs_tmpfile(x, FS_ROOT, 0600, &attr));
	t = attr.node;
	CHECK_EQ(attr.nlink, 0);
	CHECK_OK(fs_link(x, t, FS_ROOT, nm("named"), &attr));
	CHECK_EQ(attr.nlink, 1);
	CHECK_OK(fs_release(x, t));
	CHECK_EQ(look(x, FS_ROOT, "named"), t);
	CHECK_OK(fs_tmpfile(x, FS_ROOT, 0600, &attr));
	CHECK_OK(fs_release(x, attr.node));
	CHECK_OK(fs_unlink(x, FS_ROOT, nm("named")));
	CHECK_OK(fs_statfs(x, &after));
	CHECK_EQ(after.ffree, before.ffree);
	/* left open at unmount */
	CHECK_OK(fs_tmpfile(x, FS_ROOT, 0600, &attr));
	CHECK_OK(fs_mknod(x, FS_ROOT, nm("g"), REG | 0600, 0, true, &attr));
	CHECK_OK(fs_unlink(x, FS_ROOT, nm("g")));
	x = fixture_remount();
	CHECK_OK(fs_statfs(x, &after));
	CHECK_EQ(after.ffree, before.ffree);
	fixture_unmount_check();
}

TEST(removed_directory_takes_no_names)
{
	struct listing l = {.step = 100};
	struct fs_attr attr;
	struct exec *x;
	node_t d;

	fixture_make(64, NULL, NULL);
	x = fixture_mount();
	d = mkd(x, FS_ROOT, "d");
	CHECK_OK(fs_open(x, d, false, &attr));
	CHECK_OK(fs_rmdir(x, FS_ROOT, nm("d")));
	CHECK_ERR(fs_mknod(x, d, nm("f"), REG, 0, false, &attr), -MP_ENOENT);
	CHECK_ERR(fs_mkdir(x, d, nm("f"), 0700, &attr), -MP_ENOENT);
	CHECK_ERR(fs_lookup(x, d, nm("f"), &attr), -MP_ENOENT);
	CHECK_ERR(fs_readdir(x, d, 0, false, listing_fill, &l), -MP_ENOENT);
	CHECK_EQ(l.n, 0);
	CHECK_OK(fs_release(x, d));
	CHECK_ERR(fs_lookup(x, d, nm("f"), &attr), -MP_ESTALE);
	fixture_unmount_check();
}

static bool later(struct plat_time a, struct plat_time b)
{
	return a.sec > b.sec || (a.sec == b.sec && a.nsec > b.nsec);
}

TEST(times_of_directory_and_inode_follow_names)
{
	struct fs_attr d0, d1, f0, f1;
	struct exec *x;
	node_t d, f;

	fixture_make(64, NULL, NULL);
	x = fixture_mount();
	d = mkd(x, FS_ROOT, "d");
	f = mk(x, FS_ROOT, "f");
	d0 = stat_of(x, d);
	f0 = stat_of(x, f);
	usleep(10000);
	CHECK_OK(fs_link(x, f, d, nm("l"), &f1));
	d1 = stat_of(x, d);
	CHECK(later(f1.ctime, f0.ctime) && !later(f1.mtime, f0.mtime));
	CHECK(later(d1.mtime, d0.mtime) && later(d1.ctime, d0.ctime));
	d0 = d1;
	f0 = f1;
	usleep(10000);
	CHECK_OK(mv(x, d, "l", d, "m", 0));
	d1 = stat_of(x, d);
	f1 = stat_of(x, f);
	CHECK(later(d1.mtime, d0.mtime) && later(f1.ctime, f0.ctime));
	d0 = d1;
	f0 = f1;
	usleep(10000);
	CHECK_OK(fs_unlink(x, d, nm("m")));
	d1 = stat_of(x, d);
	f1 = stat_of(x, f);
	CHECK(later(d1.mtime, d0.mtime) && later(f1.ctime, f0.ctime));
	CHECK(!later(f1.mtime, f0.mtime));
	fixture_unmount_check();
}

TEST(immutable_and_append_only_are_respected)
{
	struct fs_attr attr;
	struct exec *x;
	node_t a, i, f;

	fixture_make(64, NULL, NULL);
	x = fixture_mount();
	a = mkd(x, FS_ROOT, "append");
	i = mkd(x, FS_ROOT, "fixed");
	mk(x, a, "f");
	mk(x, i, "f");
	mk(x, FS_ROOT, "file");
	fixture_unmount_check();
	shell(PATH "debugfs -w -R 'set_inode_field /append flags 0x80020' '%s' 2>&1");
	shell(PATH "debugfs -w -R 'set_inode_field /fixed flags 0x80010' '%s' 2>&1");
	shell(PATH "debugfs -w -R 'set_inode_field /file flags 0x80010' '%s' 2>&1");
	x = fixture_mount();
	mk(x, a, "g");
	CHECK_ERR(fs_unlink(x, a, nm("f")), -MP_EPERM);
	CHECK_ERR(mv(x, a, "f", FS_ROOT, "f", 0), -MP_EPERM);
	CHECK_ERR(fs_mknod(x, i, nm("g"), REG, 0, false, &attr), -MP_EPERM);
	CHECK_ERR(fs_unlink(x, i, nm("f")), -MP_EPERM);
	CHECK_ERR(fs_unlink(x, FS_ROOT, nm("file")), -MP_EPERM);
	CHECK_ERR(mv(x, FS_ROOT, "file", FS_ROOT, "f2", 0), -MP_EPERM);
	f = look(x, FS_ROOT, "file");
	CHECK_ERR(fs_link(x, f, FS_ROOT, nm("f3"), &attr), -MP_EPERM);
	CHECK_ERR(fs_setxattr(x, f, nm("user.a"), "b", 1, 0), -MP_EPERM);
	fixture_unmount_check();
}

TEST(setgid_directory_hands_its_group_down)
{
	struct fs_setattr set = {.valid = FS_SET_MODE | FS_SET_GID, .mode = 042775, .gid = 4711};
	struct fs_attr attr;
	struct exec *x;
	node_t d;

	fixture_make(64, NULL, NULL);
	x = fixture_mount();
	d = mkd(x, FS_ROOT, "d");
	CHECK_OK(fs_setattr(x, d, &set, &attr));
	CHECK_EQ(stat_of(x, mk(x, d, "f")).gid, 4711);
	CHECK_EQ(stat_of(x, mkd(x, d, "e")).gid, 4711);
	CHECK_EQ(stat_of(x, look(x, d, "e")).mode, 042755);
	fixture_unmount_check();
}

TEST(umask_applies_without_default_acl)
{
	struct fs_attr attr;
	struct exec *x;

	fixture_make(64, NULL, NULL);
	x = fixture_mount();
	x->cred = (struct cred){1000, 1001, 027};
	CHECK_OK(fs_mknod(x, FS_ROOT, nm("f"), REG | 0666, 0, false, &attr));
	CHECK_EQ(attr.mode, REG | 0640);
	CHECK_EQ(attr.uid, 1000);
	CHECK_EQ(attr.gid, 1001);
	CHECK_OK(fs_mkdir(x, FS_ROOT, nm("d"), 0777, &attr));
	CHECK_EQ(attr.mode, 040750);
	fixture_unmount_check();
}

TEST(full_medium_leaves_nothing_half_done)
{
	struct fs_statfs s;
	struct fs_attr attr;
	char name[300];
	struct exec *x;
	u32 i;
	int err = 0;

	/* few inodes, then few blocks */
	fixture_make(16, "-N 64", NULL);
	x = fixture_mount();
	for (i = 0; !err && i < 1000; i++) {
		snprintf(name, sizeof(name), "f%u", i);
		err = fs_mknod(x, FS_ROOT, nm(name), REG | 0600, 0, false, &attr);
	}
	CHECK_ERR(err, -MP_ENOSPC);
	CHECK_OK(fs_statfs(x, &s));
	CHECK_EQ(s.ffree, 0);
	snprintf(name, sizeof(name), "f%u", i - 1);
	CHECK_EQ(look(x, FS_ROOT, name), 0);
	CHECK_OK(fs_unlink(x, FS_ROOT, nm("f0")));
	CHECK_OK(fs_mkdir(x, FS_ROOT, nm("d"), 0700, &attr));
	fixture_unmount_check();
}

TEST(directory_blocks_end_in_enospc)
{
	struct fs_attr attr;
	char name[300], tail[240];
	struct exec *x;
	u32 i;
	int err = 0;

	fixture_make(8, "-N 20000 -O ^has_journal", NULL);
	x = fixture_mount();
	x->cred.uid = 1000;
	x->cred.gid = 1000;
	memset(tail, 'x', sizeof(tail));
	tail[sizeof(tail) - 1] = 0;
	for (i = 0; !err && i < 20000; i++) {
		snprintf(name, sizeof(name), "%u%s", i, tail);
		err = fs_mknod(x, FS_ROOT, nm(name), REG | 0600, 0, false, &attr);
	}
	CHECK_ERR(err, -MP_ENOSPC);
	CHECK_EQ(look(x, FS_ROOT, name), 0);
	snprintf(name, sizeof(name), "%u%s", i / 2, tail);
	CHECK(look(x, FS_ROOT, name));
	fixture_unmount_check();
}
