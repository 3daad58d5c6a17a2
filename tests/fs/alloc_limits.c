/* SPDX-License-Identifier: BSD-2-Clause */
/* Where space ends: full medium, no free inode, reserve, uninitialised groups, small caches. */
#include "fs/inode.h"
#include "tests/fs/file_util.h"

/* Fills the medium through one file; returns its node. */
static node_t fill(struct exec *x, const char *name, u64 *size)
{
	node_t node = util_create(x, name);
	u8 *buf = malloc(1 << 20);
	s64 n;

	*size = 0;
	do {
		util_fill(buf, 1, *size, 1 << 20);
		n = util_write(x, node, *size, buf, 1 << 20);
		if (n > 0)
			*size += (u64)n;
	} while (n > 0);
	CHECK_EQ(n, -MP_ENOSPC);
	free(buf);
	return node;
}

TEST(full_medium_is_enospc_and_space_comes_back)
{
	struct exec *x;
	struct fs_attr attr;
	node_t node, small;
	u64 before, size, pos = 0;
	u32 round;

	fixture_make(16, NULL, NULL);
	x = fixture_mount();
	small = util_create(x, "small");
	before = util_free_blocks(x);
	for (round = 0; round < 3; round++) {
		node = fill(x, "big", &size);
		CHECK_EQ(util_attr(x, node).size, size);
		util_check_pattern(x, node, 1, 0, size);
		CHECK_EQ(util_free_blocks(x), 0);
		CHECK_EQ(util_write_once(x, small, &pos, 0, "x", 1, 0), -MP_ENOSPC);
		CHECK_EQ(util_attr(x, small).size, 0);
		CHECK_EQ(util_attr(x, small).blocks, 0);
		CHECK_ERR(fs_fallocate(x, small, 0, 0, 100000), -MP_ENOSPC);
		CHECK_EQ(util_attr(x, small).size, 0);
		CHECK_ERR(fs_mkdir(x, FS_ROOT, util_name("d"), 040755, &attr), -MP_ENOSPC);
		/* overwriting needs no space */
		util_write_pattern(x, node, 1, 4096, 8192);
		x = fixture_remount();
		small = util_lookup(x, "small");
		node = util_lookup(x, "big");
		util_check_pattern(x, node, 1, 0, size);
		CHECK_OK(util_unlink(x, "big"));
		CHECK_EQ(util_free_blocks(x), before);
	}
	fixture_unmount_check();
}

TEST(a_write_that_fits_in_part_is_short)
{
	struct exec *x;
	node_t a, b;
	u64 size, pos = 0;
	u8 *buf = malloc(FS_IO_MAX);

	fixture_make(16, NULL, NULL);
	x = fixture_mount();
	a = fill(x, "a", &size);
	b = util_create(x, "b");
	CHECK_OK(util_truncate(x, a, (size & ~4095ull) - 5 * 4096));
	util_fill(buf, 3, 0, FS_IO_MAX);
	CHECK(util_free_blocks(x) >= 5);
	size = util_free_blocks(x) * 4096;
	CHECK_EQ(util_write_once(x, b, &pos, 0, buf, FS_IO_MAX, 0), size);
	CHECK_EQ(util_attr(x, b).size, size);
	util_check_pattern(x, b, 3, 0, size);
	free(buf);
	fixture_unmount_check();
}

TEST(enospc_while_the_tree_must_grow_loses_nothing)
{
	struct exec *x;
	node_t frag, big;
	u64 size, i, n = 0;
	u32 left;

	fixture_make(16, NULL, NULL);
	x = fixture_mount();
	frag = util_create(x, "frag");
	big = fill(x, "big", &size);
	/* a few blocks at a time are there, for data and for tree nodes */
	for (left = 0; left < 30; left++) {
		size = (size & ~4095ull) - (1 + left % 3) * 4096;
		CHECK_OK(util_truncate(x, big, size));
		for (;;) {
			u64 pos = 8192 * n;
			u8 b[16];
			int ret;

			util_fill(b, 2, pos, 16);
			ret = util_write_once(x, frag, &pos, 0, b, 16, 0);
			if (ret == -MP_ENOSPC)
				break;
			CHECK_EQ(ret, 16);
			n++;
		}
		for (i = 0; i < n; i++)
			util_check_pattern(x, frag, 2, 8192 * i, 16);
	}
	CHECK(n >= 30);
	fixture_unmount_check();
}

TEST(preallocated_space_can_be_written_on_a_full_medium)
{
	struct exec *x;
	node_t node;
	u64 size;

	fixture_make(16, NULL, NULL);
	x = fixture_mount();
	node = util_create(x, "pre");
	CHECK_OK(fs_fallocate(x, node, 0, 0, 1 << 20));
	fill(x, "big", &size);
	util_write_pattern(x, node, 8, 0, 1 << 20);
	util_check_pattern(x, node, 8, 0, 1 << 20);
	fixture_unmount_check();
}

TEST(the_reserve_is_for_root)
{
	struct exec *x;
	u64 size, left;

	fixture_make(32, "-m 10", NULL);
	x = fixture_mount();
	x->cred.uid = 1000;
	x->cred.gid = 1000;
	fill(x, "user", &size);
	left = util_free_blocks(x);
	CHECK(left >= 32 * 256 / 10 - 40 && left <= 32 * 256 / 10);
	x->cred.uid = 0;
	fill(x, "root", &size);
	CHECK_EQ(util_free_blocks(x), 0);
	CHECK(size >= (left - 4) * 4096);
	fixture_unmount_check();
}

TEST(no_free_inode_is_enospc_and_they_come_back)
{
	struct fs_attr attr;
	struct exec *x;
	char name[20];
	u32 i, n = 0, round;
	u64 before;

	fixture_make(32, "-N 300", NULL);
	x = fixture_mount();
	before = util_free_inodes(x);
	for (round = 0; round < 2; round++) {
		for (n = 0;; n++) {
			int err;

			snprintf(name, sizeof(name), "f%u", n);
			err = n % 2 ? fs_mkdir(x, FS_ROOT, util_name(name), 040755, &attr)
				    : fs_mknod(x, FS_ROOT, util_name(name), 0100644, 0, false,
					       &attr);
			if (err == -MP_ENOSPC)
				break;
			CHECK_OK(err);
		}
		CHECK_EQ(n, before);
		CHECK_EQ(util_free_inodes(x), 0);
		CHECK_ERR(fs_lookup(x, FS_ROOT, util_name(name), &attr), -MP_ENOENT);
		x = fixture_remount();
		for (i = 0; i < n; i++) {
			snprintf(name, sizeof(name), "f%u", i);
			CHECK_OK(i % 2 ? fs_rmdir(x, FS_ROOT, util_name(name))
				       : fs_unlink(x, FS_ROOT, util_name(name)));
		}
		CHECK_EQ(util_free_inodes(x), before);
	}
	fixture_unmount_check();
}

TEST(uninitialised_groups_are_taken_into_use)
{
	struct fs_attr attr;
	struct exec *x;
	char name[20];
	u32 i;

	/* 8 groups, of which mke2fs writes no bitmaps and no inode tables but the first's */
	fixture_make(256, "-g 8192 -N 16384 -E lazy_itable_init=1,lazy_journal_init=1", NULL);
	x = fixture_mount();
	for (i = 0; i < 40; i++) {
		snprintf(name, sizeof(name), "d%u", i);
		CHECK_OK(fs_mkdir(x, FS_ROOT, util_name(name), 040755, &attr));
		CHECK_OK(fs_mknod(x, attr.node, util_name("f"), 0100644, 0, false, &attr));
		util_write_pattern(x, attr.node, i + 1, 0, 3u << 20);
	}
	x = fixture_remount();
	for (i = 0; i < 40; i++) {
		snprintf(name, sizeof(name), "d%u", i);
		CHECK_OK(fs_lookup(x, FS_ROOT, util_name(name), &attr));
		CHECK_OK(fs_lookup(x, attr.node, util_name("f"), &attr));
		util_check_pattern(x, attr.node, i + 1, 0, 3u << 20);
	}
	for (i = 0; i < 3000; i++) {
		snprintf(name, sizeof(name), "n%u", i);
		util_create(x, name);
	}
	fixture_unmount_check();
}

static void geometry(const char *args)
{
	struct exec *x;
	node_t node;

	fixture_make(48, args, NULL);
	x = fixture_mount();
	node = util_create(x, "a");
	util_write_pattern(x, node, 1, 0, 20u << 20);
	CHECK_OK(fs_fallocate(x, node, FS_FALLOC_PUNCH_HOLE | FS_FALLOC_KEEP_SIZE, 1 << 20,
			      5 << 20));
	x = fixture_remount();
	node = util_lookup(x, "a");
	util_check_pattern(x, node, 1, 0, 1 << 20);
	util_check_pattern(x, node, 0, 1 << 20, 5 << 20);
	util_check_pattern(x, node, 1, 6 << 20, 14 << 20);
	CHECK_OK(util_unlink(x, "a"));
	fixture_unmount_check();
}

TEST(descriptors_of_32_bytes)
{
	geometry("-O ^64bit");
}

TEST(groups_with_their_own_bitmaps)
{
	geometry("-O ^flex_bg -g 2048");
}

TEST(no_metadata_checksums)
{
	geometry("-O ^metadata_csum,^64bit");
}

TEST(inodes_of_512_bytes_without_resize_inode)
{
	geometry("-I 512 -O ^resize_inode");
}

TEST(small_groups_without_journal)
{
	geometry("-O ^has_journal -g 2048");
}

TEST(unlinked_open_file_lives_until_its_release)
{
	struct fs_attr attr;
	struct exec *x;
	node_t node;
	u64 before, inodes;

	fixture_make(32, NULL, NULL);
	x = fixture_mount();
	before = util_free_blocks(x);
	inodes = util_free_inodes(x);
	node = util_create(x, "a");
	util_write_pattern(x, node, 1, 0, 100000);
	CHECK_OK(fs_open(x, node, false, &attr));
	CHECK_OK(fs_open(x, node, false, &attr));
	CHECK_OK(util_unlink(x, "a"));
	util_check_pattern(x, node, 1, 0, 100000);
	util_write_pattern(x, node, 2, 50000, 100000);
	CHECK_OK(fs_release(x, node));
	util_check_pattern(x, node, 2, 50000, 100000);
	CHECK_EQ(util_attr(x, node).nlink, 0);
	CHECK_OK(fs_release(x, node));
	CHECK_ERR(fs_getattr(x, node, &attr), -MP_ESTALE);
	CHECK_ERR(fs_release(x, node), -MP_ESTALE);
	CHECK_EQ(util_free_blocks(x), before);
	CHECK_EQ(util_free_inodes(x), inodes);
	/* its number comes back with another generation */
	CHECK(util_create(x, "b") != node);
	CHECK_ERR(fs_getattr(x, node, &attr), -MP_ESTALE);
	fixture_unmount_check();
}

TEST(many_orphans_are_gone_after_unmount)
{
	struct fs_attr attr;
	struct exec *x;
	node_t node[50];
	char name[20];
	u64 before, inodes;
	u32 i;

	fixture_make(32, NULL, NULL);
	x = fixture_mount();
	before = util_free_blocks(x);
	inodes = util_free_inodes(x);
	for (i = 0; i < 50; i++) {
		snprintf(name, sizeof(name), "f%u", i);
		node[i] = util_create(x, name);
		util_write_pattern(x, node[i], 1, 0, 10000);
		CHECK_OK(fs_open(x, node[i], false, &attr));
		CHECK_OK(util_unlink(x, name));
	}
	/* out of the middle, the head and the tail of the list */
	CHECK_OK(fs_release(x, node[20]));
	CHECK_OK(fs_release(x, node[49]));
	CHECK_OK(fs_release(x, node[0]));
	CHECK_OK(fs_release(x, node[21]));
	x = fixture_remount();
	CHECK_EQ(util_free_blocks(x), before);
	CHECK_EQ(util_free_inodes(x), inodes);
	fixture_unmount_check();
}

TEST(orphans_on_the_medium_are_finished_at_mount)
{
	struct exec *x;
	node_t a, b, c;
	u64 before, inodes;
	char command[1024];

	fixture_make(32, NULL, NULL);
	x = fixture_mount();
	before = util_free_blocks(x);
	inodes = util_free_inodes(x);
	a = util_create(x, "a");
	b = util_create(x, "b");
	c = util_create(x, "c");
	util_write_pattern(x, a, 1, 0, 100000);
	util_write_pattern(x, b, 2, 0, 100000);
	util_write_pattern(x, c, 3, 0, 100000);
	fixture_unmount_check();
	/* a -> b -> c: a and c deleted, b cut down to 5000 bytes */
	snprintf(command, sizeof(command),
		 "f=%%s; printf 'unlink a\\nunlink c\\n"
		 "sif <%u> links_count 0\\nsif <%u> dtime %u\\n"
		 "sif <%u> size 5000\\nsif <%u> dtime %u\\n"
		 "sif <%u> links_count 0\\nsif <%u> dtime 0\\n"
		 "ssv last_orphan %u\\n' | debugfs -w -f /dev/stdin $f 2>&1",
		 (u32)a, (u32)a, (u32)b, (u32)b, (u32)b, (u32)c, (u32)c, (u32)c, (u32)a);
	CHECK_EQ(fixture_run(NULL, 0, command), 0);
	x = fixture_mount();
	CHECK_EQ(util_free_inodes(x), inodes - 1);
	CHECK_EQ(util_free_blocks(x), before - 2);
	b = util_lookup(x, "b");
	CHECK_EQ(util_attr(x, b).size, 5000);
	util_check_pattern(x, b, 2, 0, 5000);
	fixture_unmount_check();
}

TEST(an_orphan_list_that_is_a_circle_is_refused)
{
	struct exec *x;
	node_t a;
	char command[512];

	fixture_make(32, NULL, NULL);
	x = fixture_mount();
	a = util_create(x, "a");
	fixture_unmount_check();
	snprintf(command, sizeof(command),
		 "f=%%s; printf 'sif <%u> dtime %u\\nssv last_orphan %u\\n' | "
		 "debugfs -w -f /dev/stdin $f 2>&1",
		 (u32)a, (u32)a, (u32)a);
	CHECK_EQ(fixture_run(NULL, 0, command), 0);
	{
		struct fs_mount_opts opts = {.read_only = false};

		CHECK_ERR(fixture_try_mount(&opts), -MP_EUCLEAN);
	}
}

TEST(more_files_than_inode_slots_in_a_pool_of_4_mib)
{
	struct exec *x;
	char name[20];
	u32 i;

	fixture_make(64, NULL, NULL);
	fixture_pool_size(4);
	x = fixture_mount();
	for (i = 0; i < 2000; i++) {
		snprintf(name, sizeof(name), "f%u", i);
		util_write_pattern(x, util_create(x, name), i + 1, 0, 5000);
	}
	for (i = 0; i < 2000; i += 3) {
		snprintf(name, sizeof(name), "f%u", i);
		util_check_pattern(x, util_lookup(x, name), i + 1, 0, 5000);
	}
	x = fixture_remount();
	for (i = 0; i < 2000; i++) {
		snprintf(name, sizeof(name), "f%u", i);
		util_check_pattern(x, util_lookup(x, name), i + 1, 0, 5000);
		if (i % 2)
			CHECK_OK(util_unlink(x, name));
	}
	fixture_unmount_check();
}

TEST(a_file_larger_than_the_pool)
{
	struct exec *x;
	node_t node;

	fixture_make(64, NULL, NULL);
	fixture_pool_size(4);
	x = fixture_mount();
	node = util_create(x, "a");
	util_write_pattern(x, node, 1, 0, 24u << 20);
	util_check_pattern(x, node, 1, 0, 24u << 20);
	util_write_pattern(x, node, 2, (10u << 20) + 77, 5u << 20);
	util_check_pattern(x, node, 1, 0, 10u << 20);
	util_check_pattern(x, node, 2, (10u << 20) + 77, 5u << 20);
	x = fixture_remount();
	node = util_lookup(x, "a");
	util_check_pattern(x, node, 2, (10u << 20) + 77, 5u << 20);
	fixture_unmount_check();
}
