/* SPDX-License-Identifier: BSD-2-Clause */
/* The medium fails: operations end with -EIO, and what they did not do is not there. */
#include "tests/fs/file_util.h"

/* A fragmented file of 400 extents and a plain one, and nothing in the caches. */
static struct exec *make(struct exec *x, node_t *frag, node_t *plain)
{
	u32 i;

	*frag = util_create(x, "frag");
	*plain = util_create(x, "plain");
	for (i = 0; i < 400; i++)
		util_write_pattern(x, *frag, 1, 8192 * i, 10);
	util_write_pattern(x, *plain, 2, 0, 200000);
	x = fixture_remount();
	*frag = util_lookup(x, "frag");
	*plain = util_lookup(x, "plain");
	return x;
}

TEST(read_error_is_eio_and_goes_away)
{
	struct exec *x;
	node_t frag, plain;
	u8 buf[8192];
	u32 n, failed = 0;

	fixture_make(32, NULL, NULL);
	x = make(fixture_mount(), &frag, &plain);
	for (n = 1; n <= 3; n++) {
		s64 ret;

		plat_posix_fail(fixture_plat(), PLAT_READ, n, 1000);
		ret = util_read(x, plain, 16384 * n, buf, sizeof(buf));
		failed += ret == -MP_EIO;
		CHECK(ret == -MP_EIO || ret == sizeof(buf));
		plat_posix_fail(fixture_plat(), PLAT_READ, 0, 0);
		util_check_pattern(x, plain, 2, 16384 * n, sizeof(buf));
	}
	CHECK(failed);
	fixture_unmount_check();
}

/* Each with the n-th read failing on cold caches, for n up to where none fails any more. */
static int change(struct exec *x, u32 which, node_t frag, node_t plain)
{
	u64 pos = 8192 * 200 + 100, n;
	int ret;

	switch (which) {
	case 0: /* read, modify, write in the middle of a tree */
		ret = util_write_once(x, frag, &pos, 0, "hello", 5, 0);
		return ret == 5 ? 0 : ret;
	case 1: /* allocation */
		pos = 8192 * 200 + 4096;
		ret = util_write_once(x, frag, &pos, 0, "hello", 5, 0);
		return ret == 5 ? 0 : ret;
	case 2:
		return util_truncate(x, frag, 8192 * 100 + 5);
	case 3:
		return fs_fallocate(x, frag, FS_FALLOC_PUNCH_HOLE | FS_FALLOC_KEEP_SIZE,
				    8192 * 50 + 3, 8192 * 200);
	case 4:
		return fs_fallocate(x, frag, FS_FALLOC_ZERO_RANGE, 8192 * 50 + 3, 8192 * 20);
	case 5:
		return util_unlink(x, "frag");
	case 6:
		ret = fs_copy_range(x, plain, 0, frag, 8192 * 300, 100000, &n);
		return ret ? ret : n == 100000 ? 0 : -MP_EIO;
	}
	return 0;
}

static void failing_reads(u32 which)
{
	u32 n, errors = 0;
	struct exec *x;

	fixture_make(32, NULL, NULL);
	x = fixture_mount();
	for (n = 1; n < 60; n++) {
		node_t frag, plain;
		int ret;

		x = make(x, &frag, &plain);
		plat_posix_fail(fixture_plat(), PLAT_READ, n, 1);
		ret = change(x, which, frag, plain);
		plat_posix_fail(fixture_plat(), PLAT_READ, 0, 0);
		CHECK(ret == 0 || ret == -MP_EIO);
		errors += ret == -MP_EIO;
		if (ret && which < 2) {
			util_check_pattern(x, frag, 1, 8192 * 200, 10);
			util_check_pattern(x, frag, 0, 8192 * 200 + 10, 8182);
		}
		x = fixture_remount();
		if (fs_unlink(x, FS_ROOT, util_name("frag")))
			CHECK_EQ(which, 5);
		CHECK_OK(util_unlink(x, "plain"));
		if (!ret && n > 6)
			break;
	}
	/* an unlink says nothing of what the freeing of the inode met */
	CHECK(errors || which == 5);
	CHECK(n < 60);
	fixture_unmount_check();
}

TEST(overwriting_with_failing_reads)
{
	failing_reads(0);
}

TEST(allocating_with_failing_reads)
{
	failing_reads(1);
}

TEST(truncating_with_failing_reads)
{
	failing_reads(2);
}

TEST(punching_with_failing_reads)
{
	failing_reads(3);
}

TEST(zeroing_with_failing_reads)
{
	failing_reads(4);
}

TEST(unlinking_with_failing_reads)
{
	failing_reads(5);
}

TEST(copying_with_failing_reads)
{
	failing_reads(6);
}

TEST(failing_writes_are_told_by_fsync)
{
	struct exec *x;
	node_t node;

	fixture_make(32, NULL, NULL);
	x = fixture_mount();
	node = util_create(x, "a");
	util_write_pattern(x, node, 1, 0, 50000);
	plat_posix_fail(fixture_plat(), PLAT_WRITE, 1, 3);
	CHECK_ERR(fs_fsync(x, node, false), -MP_EIO);
	plat_posix_fail(fixture_plat(), PLAT_WRITE, 0, 0);
	CHECK_OK(fs_fsync(x, node, false));
	util_check_pattern(x, node, 1, 0, 50000);
	x = fixture_remount();
	util_check_pattern(x, util_lookup(x, "a"), 1, 0, 50000);
	fixture_unmount_check();
}
