/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bytes of the medium that are anything: whatever they say, operations end, with an errno or not,
 * and nothing is touched that is not theirs (the sanitizers watch). Without metadata_csum, so that
 * the damage gets past the checksums.
 */
#include <fcntl.h>
#include <unistd.h>

#include "tests/fs/file_util.h"

#define FILES 6u

static const char *const names[FILES] = {"f0", "f1", "f2", "f3", "f4", "f5"};

static void populate(struct exec *x)
{
	u32 i, k;

	for (k = 0; k < FILES; k++) {
		node_t node = util_create(x, names[k]);

		for (i = 0; i < (k % 2 ? 1500u : 20u); i++)
			util_write_pattern(x, node, 1, 8192 * i, 10);
		CHECK_OK(fs_fallocate(x, node, FS_FALLOC_KEEP_SIZE, 1 << 20, 1 << 19));
	}
}

static void ignore(long ret)
{
	(void)ret;
}

/* Everything that reads or changes a file. */
static void use(struct exec *x, struct util_rng *r)
{
	u8 *buf = malloc(FS_IO_MAX);
	struct fs_extent extent;
	u32 k, i;

	for (k = 0; k < FILES; k++) {
		struct fs_attr attr;
		u64 out;

		if (fs_lookup(x, FS_ROOT, util_name(names[k]), &attr))
			continue;
		for (i = 0; i < 12; i++) {
			u64 pos = util_rand(r, 14 << 20);
			u32 len = 1 + util_rand(r, FS_IO_MAX - 5000);

			switch (util_rand(r, 8)) {
			case 0:
			case 1:
				ignore(util_read(x, attr.node, pos, buf, len));
				break;
			case 2:
				memset(buf, 7, len);
				ignore(util_write(x, attr.node, pos, buf, len));
				break;
			case 3:
				ignore(util_truncate(x, attr.node, pos));
				break;
			case 4:
				ignore(fs_fallocate(x, attr.node,
						    FS_FALLOC_KEEP_SIZE | FS_FALLOC_PUNCH_HOLE, pos,
						    len * 8));
				break;
			case 5:
				ignore(fs_fallocate(x, attr.node, FS_FALLOC_ZERO_RANGE, pos, len));
				break;
			case 6:
				ignore(fs_lseek(x, attr.node, pos, FS_SEEK_HOLE, &out));
				ignore(fs_extent(x, attr.node, pos, &extent));
				break;
			case 7:
				ignore(fs_copy_range(x, attr.node, pos, attr.node, 20 << 20, len,
						     &out));
				break;
			}
		}
		if (util_rand(r, 2))
			ignore(util_unlink(x, names[k]));
	}
	free(buf);
}

/* Flips bytes in blocks that hold metadata: any of the first of a group, or an extent node. */
static void damage(struct util_rng *r, const u32 *nodes, u32 nnodes)
{
	int fd = open(fixture_image(), O_RDWR);
	u32 n = 1 + util_rand(r, 6);

	CHECK(fd >= 0);
	while (n--) {
		u64 at;
		u8 byte;

		switch (util_rand(r, 4)) {
		case 0: /* descriptors, bitmaps, inode table */
			at = 4096 + util_rand(r, 20 << 12);
			break;
		case 1: /* the inodes of the files */
			at = util_rand(r, 4096) + 4096ull * nodes[0];
			break;
		default:
			at = 4096ull * nodes[1 + util_rand(r, nnodes - 1)] +
			     util_rand(r, util_rand(r, 2) ? 48 : 4096);
			break;
		}
		CHECK_EQ(pread(fd, &byte, 1, (off_t)at), 1);
		byte = util_rand(r, 3) ? (u8)util_rand(r, 256) : (u8)(byte ^ 1u << util_rand(r, 8));
		CHECK_EQ(pwrite(fd, &byte, 1, (off_t)at), 1);
	}
	close(fd);
}

/* Blocks of the inode table with the files, then of the nodes of the extent trees. */
static u32 find_nodes(u32 *nodes, u32 max)
{
	char *out = malloc(1 << 20), *p;
	u32 n = 1;

	CHECK_EQ(fixture_run(out, 1 << 20,
			     "f=%s; debugfs -R 'imap /f0' $f 2>/dev/null | tr '\\n' ' '; "
			     "for i in 1 3 5; do debugfs -R \"ex -n /f$i\" $f 2>/dev/null; done"),
		 0);
	p = strstr(out, "located at block ");
	CHECK(p);
	nodes[0] = (u32)strtoul(p + 17, NULL, 10);
	/* " 0/ 2   1/  1     0 - 2998   1560    2999": the physical block of the node */
	for (p = strchr(p, '\n') ? p : out; (p = strstr(p, "/")) && n < max;) {
		u32 level, depth, i, count, first, last, block;

		p++;
		if (p - out < 3 || sscanf(p - 3, "%u/%u %u/%u %u - %u %u", &level, &depth, &i,
					  &count, &first, &last, &block) != 7)
			continue;
		nodes[n++] = block;
	}
	free(out);
	CHECK(n > 4);
	return n;
}

#define IMAGE_SIZE (32u << 20)

static u8 *load(void)
{
	int fd = open(fixture_image(), O_RDONLY);
	u8 *good = malloc(IMAGE_SIZE);

	CHECK(fd >= 0);
	CHECK_EQ(pread(fd, good, IMAGE_SIZE, 0), IMAGE_SIZE);
	close(fd);
	return good;
}

static void restore(const u8 *good)
{
	int fd = open(fixture_image(), O_RDWR);
	u32 at;
	u8 block[4096];

	CHECK(fd >= 0);
	for (at = 0; at < IMAGE_SIZE; at += sizeof(block)) {
		CHECK_EQ(pread(fd, block, sizeof(block), at), sizeof(block));
		if (memcmp(block, good + at, sizeof(block)))
			CHECK_EQ(pwrite(fd, good + at, sizeof(block), at), sizeof(block));
	}
	close(fd);
}

static void corrupt(u64 seed, u32 rounds)
{
	struct util_rng r = {seed};
	u32 nodes[64], n, i, mounted = 0;
	u8 *good;

	fixture_make(32, "-O ^metadata_csum", NULL);
	populate(fixture_mount());
	fixture_unmount_check();
	n = find_nodes(nodes, array_size(nodes));
	good = load();
	for (i = 0; i < rounds; i++) {
		struct fs_mount_opts opts = {.read_only = false};

		damage(&r, nodes, n);
		if (!fixture_try_mount(&opts)) {
			mounted++;
			use(fixture_exec(), &r);
			if (util_rand(&r, 2))
				ignore(fs_sync(fixture_exec()));
			fixture_crash();
		}
		restore(good);
	}
	free(good);
	CHECK(mounted > rounds / 2);
}

TEST(damaged_metadata_harms_nothing_else_seed_1)
{
	corrupt(1, 60);
}

TEST(damaged_metadata_harms_nothing_else_seed_2)
{
	corrupt(2, 60);
}

TEST_TIMED(damaged_metadata_harms_nothing_else_seed_given, 600)
{
	const char *seed = getenv("FILE_FUZZ_SEED"), *rounds = getenv("FILE_FUZZ_STEPS");

	corrupt(seed ? strtoull(seed, NULL, 10) : 3, rounds ? (u32)atoi(rounds) : 20);
}
