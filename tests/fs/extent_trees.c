/* SPDX-License-Identifier: BSD-2-Clause */
/* Extent trees: many extents, splits, merges, removal in parts, conversion, bad bytes. */
#include "fs/inode.h"
#include "format/ext4.h"
#include "tests/fs/file_util.h"

static u32 tree_depth(struct exec *x, node_t node)
{
	struct inode *inode;
	u32 depth;

	CHECK_OK(inode_get_node(x, node, &inode));
	depth = ((const struct ext4_extent_header *)inode_raw(x, inode)->i_block)->eh_depth;
	inode_put(x, inode);
	return depth;
}

static void write_block(struct exec *x, node_t node, u32 lblk)
{
	u64 pos = (u64)lblk << 12;
	u8 b[8];

	util_fill(b, 1, pos, 8);
	CHECK_EQ(util_write_once(x, node, &pos, 0, b, 8, 0), 8);
}

static void check_block(struct exec *x, node_t node, u32 lblk, bool written)
{
	util_check_pattern(x, node, written ? 1 : 0, (u64)lblk << 12, 8);
}

#define MANY 3000u

TEST(thousands_of_extents_ascending)
{
	struct exec *x;
	node_t node;
	u32 i;

	fixture_make(64, NULL, NULL);
	x = fixture_mount();
	node = util_create(x, "a");
	for (i = 0; i < MANY; i++)
		write_block(x, node, 2 * i);
	CHECK(tree_depth(x, node) >= 2);
	x = fixture_remount();
	node = util_lookup(x, "a");
	for (i = 0; i < MANY; i += 7) {
		check_block(x, node, 2 * i, true);
		if (i + 1 < MANY)
			check_block(x, node, 2 * i + 1, false);
	}
	/* filling the gaps */
	for (i = 0; i < MANY; i++)
		write_block(x, node, 2 * i + 1);
	for (i = 0; i < 2 * MANY; i += 5)
		check_block(x, node, i, true);
	fixture_unmount_check();
}

TEST(thousands_of_extents_descending_and_random)
{
	struct util_rng r = {11};
	u32 *order = malloc(MANY * 4), i;
	struct exec *x;
	node_t node;
	u64 before;

	fixture_make(64, NULL, NULL);
	x = fixture_mount();
	before = util_free_blocks(x);
	node = util_create(x, "down");
	for (i = MANY; i--;)
		write_block(x, node, 2 * i);
	CHECK(tree_depth(x, node) >= 2);
	for (i = 0; i < MANY; i++)
		order[i] = i;
	for (i = MANY - 1; i; i--) {
		u32 k = util_rand(&r, i + 1), t = order[i];

		order[i] = order[k];
		order[k] = t;
	}
	node = util_create(x, "random");
	for (i = 0; i < MANY; i++)
		write_block(x, node, 3 * order[i]);
	CHECK(tree_depth(x, node) >= 2);
	x = fixture_remount();
	node = util_lookup(x, "random");
	for (i = 0; i < MANY; i += 11) {
		check_block(x, node, 3 * i, true);
		check_block(x, util_lookup(x, "down"), 2 * i, true);
	}
	/* punching one by one in random order brings the tree down to nothing */
	for (i = MANY; i--;)
		CHECK_OK(fs_fallocate(x, node, FS_FALLOC_PUNCH_HOLE | FS_FALLOC_KEEP_SIZE,
				      (u64)order[i] * 3 << 12, 4096));
	CHECK_EQ(util_attr(x, node).blocks, 0);
	CHECK_EQ(tree_depth(x, node), 0);
	x = fixture_remount();
	CHECK_OK(util_unlink(x, "down"));
	CHECK_OK(util_unlink(x, "random"));
	CHECK_EQ(util_free_blocks(x), before);
	free(order);
	fixture_unmount_check();
}

TEST(truncating_a_deep_tree_takes_many_transactions)
{
	struct exec *x;
	node_t node;
	u64 before;
	u32 i;

	fixture_make(64, NULL, NULL);
	x = fixture_mount();
	before = util_free_blocks(x);
	node = util_create(x, "a");
	for (i = 0; i < MANY; i++)
		write_block(x, node, 2 * i);
	CHECK_OK(util_truncate(x, node, 1001ull * 4096 + 5));
	CHECK_EQ(util_attr(x, node).size, 1001ull * 4096 + 5);
	check_block(x, node, 1000, true);
	x = fixture_remount();
	node = util_lookup(x, "a");
	check_block(x, node, 1000, true);
	CHECK_OK(util_truncate(x, node, 6000ull * 4096));
	check_block(x, node, 1002, false);
	check_block(x, node, 5000, false);
	CHECK_OK(util_unlink(x, "a"));
	CHECK_EQ(util_free_blocks(x), before);
	fixture_unmount_check();
}

TEST(long_punch_in_the_middle_of_a_deep_tree)
{
	struct exec *x;
	node_t node;
	u32 i;

	fixture_make(64, NULL, NULL);
	x = fixture_mount();
	node = util_create(x, "a");
	for (i = 0; i < MANY; i++)
		write_block(x, node, 2 * i);
	CHECK_OK(fs_fallocate(x, node, FS_FALLOC_PUNCH_HOLE | FS_FALLOC_KEEP_SIZE, 1000ull << 12,
			      3000ull << 12));
	check_block(x, node, 998, true);
	check_block(x, node, 1000, false);
	check_block(x, node, 3998, false);
	check_block(x, node, 4000, true);
	x = fixture_remount();
	node = util_lookup(x, "a");
	check_block(x, node, 998, true);
	check_block(x, node, 2000, false);
	check_block(x, node, 4000, true);
	fixture_unmount_check();
}

TEST(zero_range_over_thousands_of_extents)
{
	struct exec *x;
	node_t node;
	u32 i;

	fixture_make(64, NULL, NULL);
	x = fixture_mount();
	node = util_create(x, "a");
	for (i = 0; i < MANY; i++)
		write_block(x, node, 2 * i);
	CHECK_OK(fs_fallocate(x, node, FS_FALLOC_ZERO_RANGE, 500ull << 12, 4000ull << 12));
	for (i = 0; i < MANY; i += 13)
		check_block(x, node, 2 * i, 2 * i < 500 || 2 * i >= 4500);
	CHECK(util_attr(x, node).blocks >= (4000 + 1000) * 8);
	for (i = 600; i < 4000; i += 3)
		write_block(x, node, i);
	x = fixture_remount();
	node = util_lookup(x, "a");
	for (i = 500; i < 4500; i += 1)
		check_block(x, node, i, i >= 600 && i < 4000 && i % 3 == 0);
	fixture_unmount_check();
}

TEST(neighbours_merge_into_one_extent)
{
	char out[4000];
	struct exec *x;
	node_t node;
	u32 i;

	fixture_make(64, NULL, NULL);
	x = fixture_mount();
	node = util_create(x, "a");
	CHECK_OK(fs_fallocate(x, node, 0, 0, 1000ull << 12));
	for (i = 0; i < 1000; i++)
		write_block(x, node, i);
	CHECK_EQ(tree_depth(x, node), 0);
	CHECK_EQ(util_attr(x, node).blocks, 8000);
	node = util_create(x, "b");
	for (i = 0; i < 1000; i++)
		write_block(x, node, i);
	CHECK_EQ(util_attr(x, node).blocks, 8000);
	fixture_unmount_check();
	CHECK_EQ(fixture_run(out, sizeof(out), "debugfs -R 'ex /a' %s 2>/dev/null | wc -l"), 0);
	CHECK(atoi(out) <= 3);
}

TEST(extents_longer_than_32768_blocks_are_split)
{
	struct exec *x;
	node_t node;

	fixture_make(512, "-E lazy_itable_init=1", NULL);
	x = fixture_mount();
	node = util_create(x, "a");
	CHECK_OK(fs_fallocate(x, node, 0, 0, 400ull << 20));
	CHECK_EQ(util_attr(x, node).size, 400ull << 20);
	CHECK(util_attr(x, node).blocks >= 400u << 11);
	write_block(x, node, 50000);
	check_block(x, node, 50000, true);
	check_block(x, node, 50001, false);
	CHECK_OK(fs_fallocate(x, node, FS_FALLOC_PUNCH_HOLE | FS_FALLOC_KEEP_SIZE, 10 << 20,
			      300ull << 20));
	x = fixture_remount();
	CHECK_OK(util_unlink(x, "a"));
	fixture_unmount_check();
}

/* Damages the extent header or an entry, with the checksum made good by debugfs where it can. */
static void damage(const char *request, int want)
{
	char command[512];
	struct exec *x;
	u8 buf[4096];
	node_t node;
	int got;

	fixture_make(32, NULL, NULL);
	x = fixture_mount();
	node = util_create(x, "a");
	write_block(x, node, 0);
	write_block(x, node, 5);
	fixture_unmount_check();
	snprintf(command, sizeof(command), "debugfs -w -R '%s' %%s 2>&1", request);
	CHECK_EQ(fixture_run(NULL, 0, command), 0);
	x = fixture_mount();
	{
		struct fs_attr attr;

		got = fs_lookup(x, FS_ROOT, util_name("a"), &attr);
		if (!got)
			got = (int)util_read(x, attr.node, 0, buf, 4096);
		if (!got || got == 4096)
			got = util_truncate(x, attr.node, 0);
	}
	CHECK_EQ(got, want);
	fixture_crash();
}

TEST(bad_extent_header_is_euclean)
{
	damage("set_inode_field a block[0] 0x1234F30B", -MP_EUCLEAN);
}

TEST(too_many_entries_is_euclean)
{
	damage("set_inode_field a block[0] 0x0009F30A", -MP_EUCLEAN);
}

TEST(extent_into_metadata_is_euclean)
{
	damage("set_inode_field a block[5] 3", -MP_EUCLEAN);
}

TEST(extent_behind_the_medium_is_euclean)
{
	damage("set_inode_field a block[5] 0x00F00000", -MP_EUCLEAN);
}

TEST(overlapping_extents_are_euclean)
{
	damage("set_inode_field a block[6] 0", -MP_EUCLEAN);
}

TEST(extent_of_length_0_is_euclean)
{
	damage("set_inode_field a block[4] 0", -MP_EUCLEAN);
}

TEST(deep_root_without_children_is_euclean)
{
	damage("set_inode_field a block[1] 0x00070004", -MP_EUCLEAN);
}
