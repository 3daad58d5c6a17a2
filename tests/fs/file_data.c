/* SPDX-License-Identifier: BSD-2-Clause */
/* File contents: reading, writing, sizes, holes, preallocation, seeking, copying, syncing. */
#include "tests/fs/file_util.h"

TEST(written_bytes_are_read_back_after_remount)
{
	struct exec *x;
	node_t node;

	fixture_make(32, NULL, NULL);
	x = fixture_mount();
	node = util_create(x, "a");
	util_write_pattern(x, node, 1, 0, 300001);
	util_check_pattern(x, node, 1, 0, 300001);
	CHECK_EQ(util_attr(x, node).size, 300001);
	CHECK_EQ(util_attr(x, node).blocks, 74 * 8);
	x = fixture_remount();
	node = util_lookup(x, "a");
	util_check_pattern(x, node, 1, 0, 300001);
	fixture_unmount_check();
}

TEST(files_from_mke2fs_are_read)
{
	char dir[64] = "/tmp/mpdisk-file-data.XXXXXX", command[256], *want, *got;
	struct exec *x;
	u32 i, n = 0;

	CHECK(mkdtemp(dir));
	snprintf(command, sizeof(command), "seq 1 400000 > %s/seq", dir);
	CHECK_EQ(system(command), 0);
	fixture_make(32, NULL, dir);
	snprintf(command, sizeof(command), "rm -r %s", dir);
	CHECK_EQ(system(command), 0);
	want = malloc(3 << 20);
	got = malloc(3 << 20);
	for (i = 1; i <= 400000; i++)
		n += (u32)sprintf(want + n, "%u\n", i);
	x = fixture_mount();
	CHECK_EQ(util_read(x, util_lookup(x, "seq"), 0, got, 3 << 20), n);
	CHECK(!memcmp(got, want, n));
	free(want);
	free(got);
	fixture_unmount_check();
}

TEST(linux_tools_read_what_was_written)
{
	struct exec *x;
	char out[6000];
	node_t node;
	u8 buf[10000];

	fixture_make(32, NULL, NULL);
	x = fixture_mount();
	node = util_create(x, "text");
	memset(buf, 'x', sizeof(buf));
	CHECK_EQ(util_write(x, node, 0, buf, sizeof(buf)), sizeof(buf));
	fixture_unmount_check();
	CHECK_EQ(fixture_run(out, sizeof(out),
			     "f=%s; debugfs -R 'cat /text' $f 2>/dev/null | tr -d '\\n' | "
			     "fold -w 5000 | sort | uniq -c"),
		 0);
	CHECK_EQ(atoi(out), 2);
	CHECK_EQ(strspn(strchr(out, 'x'), "x"), 5000);
}

TEST(unaligned_segs_land_where_they_belong)
{
	struct util_rng r = {7};
	u8 *model = calloc(1, 400000), buf[FS_IO_MAX];
	struct exec *x;
	node_t node;
	u32 i, size = 0;

	fixture_make(32, NULL, NULL);
	x = fixture_mount();
	node = util_create(x, "a");
	for (i = 0; i < 300; i++) {
		u64 pos = util_rand(&r, 250000);
		u32 shift = util_rand(&r, 3) ? util_rand(&r, 4096) : 0;
		u32 len = 1 + util_rand(&r, i % 3 ? 9000 : 120000);

		util_fill(buf, i, pos, len);
		CHECK_EQ(util_write_once(x, node, &pos, 0, buf, len, shift), len);
		memcpy(model + pos, buf, len);
		size = max_of(size, (u32)pos + len);
	}
	for (i = 0; i < 2; i++) {
		u8 *got = malloc(400000);

		CHECK_EQ(util_read(x, node, 0, got, 400000), size);
		CHECK(!memcmp(got, model, size));
		free(got);
		if (!i) {
			x = fixture_remount();
			node = util_lookup(x, "a");
		}
	}
	free(model);
	fixture_unmount_check();
}

TEST(append_goes_to_the_end_whatever_the_host_said)
{
	struct exec *x;
	node_t node;
	u32 i;

	fixture_make(32, NULL, NULL);
	x = fixture_mount();
	node = util_create(x, "log");
	for (i = 0; i < 500; i++) {
		u64 pos = i % 3 ? 0 : 1u << 30;
		u8 line[100];

		util_fill(line, 5, i * 100, 100);
		CHECK_EQ(util_write_once(x, node, &pos, FS_WRITE_APPEND, line, 100, i % 50), 100);
		CHECK_EQ(pos, i * 100);
	}
	util_check_pattern(x, node, 5, 0, 50000);
	fixture_unmount_check();
}

TEST(sparse_file_beyond_4_gib_has_holes_of_zeros)
{
	static const u64 at[] = {0,
				 4096ull * 3 + 5,
				 1ull << 31,
				 (1ull << 32) - 100,
				 (5ull << 32) + 77,
				 (1ull << 44) - 3 * 4096};
	struct exec *x;
	node_t node;
	u32 i, round;

	fixture_make(32, NULL, NULL);
	x = fixture_mount();
	node = util_create(x, "sparse");
	for (i = 0; i < array_size(at); i++)
		util_write_pattern(x, node, i + 1, at[i], 5000);
	for (round = 0; round < 2; round++) {
		CHECK_EQ(util_attr(x, node).size, at[array_size(at) - 1] + 5000);
		for (i = 0; i < array_size(at); i++) {
			util_check_pattern(x, node, i + 1, at[i], 5000);
			if (i + 1 < array_size(at))
				util_check_pattern(x, node, 0, at[i + 1] - 3000, 3000);
		}
		CHECK(util_attr(x, node).blocks < 8 * 20);
		x = fixture_remount();
		node = util_lookup(x, "sparse");
	}
	fixture_unmount_check();
}

TEST(size_limit_is_efbig)
{
	u64 max = 0xFFFFFFFFull << 12, pos = max;
	struct exec *x;
	node_t node;
	u8 b[10] = {1};

	fixture_make(32, NULL, NULL);
	x = fixture_mount();
	node = util_create(x, "a");
	CHECK_ERR(util_write_once(x, node, &pos, 0, b, 10, 0), -MP_EFBIG);
	pos = max - 4;
	CHECK_EQ(util_write_once(x, node, &pos, 0, b, 10, 4092), 4);
	CHECK_ERR(util_truncate(x, node, max + 1), -MP_EFBIG);
	CHECK_ERR(fs_fallocate(x, node, 0, max - 4096, 8192), -MP_EFBIG);
	CHECK_OK(util_truncate(x, node, max));
	CHECK_OK(util_truncate(x, node, 5));
	fixture_unmount_check();
}

TEST(shrinking_and_growing_shows_zeros)
{
	struct exec *x;
	node_t node;

	fixture_make(32, NULL, NULL);
	x = fixture_mount();
	node = util_create(x, "a");
	util_write_pattern(x, node, 9, 0, 50000);
	CHECK_OK(util_truncate(x, node, 10001));
	CHECK_EQ(util_attr(x, node).blocks, 3 * 8);
	CHECK_OK(util_truncate(x, node, 60000));
	util_check_pattern(x, node, 9, 0, 10001);
	util_check_pattern(x, node, 0, 10001, 49999);
	x = fixture_remount();
	node = util_lookup(x, "a");
	util_check_pattern(x, node, 9, 0, 10001);
	util_check_pattern(x, node, 0, 10001, 49999);
	CHECK_OK(util_truncate(x, node, 7));
	x = fixture_remount();
	node = util_lookup(x, "a");
	util_write_pattern(x, node, 3, 4000, 10);
	util_check_pattern(x, node, 9, 0, 7);
	util_check_pattern(x, node, 0, 7, 3993);
	util_check_pattern(x, node, 3, 4000, 10);
	fixture_unmount_check();
}

TEST(fallocate_keeps_or_moves_the_size_and_reads_zeros)
{
	struct exec *x;
	node_t node;

	fixture_make(32, NULL, NULL);
	x = fixture_mount();
	node = util_create(x, "a");
	CHECK_OK(fs_fallocate(x, node, FS_FALLOC_KEEP_SIZE, 0, 1 << 20));
	CHECK_EQ(util_attr(x, node).size, 0);
	CHECK_EQ(util_attr(x, node).blocks, 2048);
	CHECK_OK(fs_fallocate(x, node, 0, 100, 99900));
	CHECK_EQ(util_attr(x, node).size, 100000);
	CHECK_EQ(util_attr(x, node).blocks, 2048);
	util_check_pattern(x, node, 0, 0, 100000);
	util_write_pattern(x, node, 4, 20000, 30);
	util_write_pattern(x, node, 4, 40960, 8192);
	util_write_pattern(x, node, 4, 49152, 8192);
	/* five extents now: one block for a tree node */
	CHECK_EQ(util_attr(x, node).blocks, 2056);
	x = fixture_remount();
	node = util_lookup(x, "a");
	util_check_pattern(x, node, 0, 0, 20000);
	util_check_pattern(x, node, 4, 20000, 30);
	util_check_pattern(x, node, 0, 20030, 40960 - 20030);
	util_check_pattern(x, node, 4, 40960, 16384);
	util_check_pattern(x, node, 0, 57344, 100000 - 57344);
	fixture_unmount_check();
}

TEST(punch_hole_keeps_size_and_frees_blocks)
{
	struct exec *x;
	node_t node;
	u64 before;

	fixture_make(32, NULL, NULL);
	x = fixture_mount();
	node = util_create(x, "a");
	util_write_pattern(x, node, 4, 0, 100000);
	before = util_free_blocks(x);
	CHECK_OK(fs_fallocate(x, node, FS_FALLOC_PUNCH_HOLE | FS_FALLOC_KEEP_SIZE, 5000, 40000));
	CHECK_EQ(util_free_blocks(x), before + 8);
	CHECK_EQ(util_attr(x, node).size, 100000);
	util_check_pattern(x, node, 4, 0, 5000);
	util_check_pattern(x, node, 0, 5000, 40000);
	util_check_pattern(x, node, 4, 45000, 55000);
	CHECK_OK(fs_fallocate(x, node, FS_FALLOC_PUNCH_HOLE | FS_FALLOC_KEEP_SIZE, 60000, 10));
	util_check_pattern(x, node, 0, 60000, 10);
	util_check_pattern(x, node, 4, 60010, 39990);
	CHECK_ERR(fs_fallocate(x, node, FS_FALLOC_PUNCH_HOLE, 0, 10), -MP_EOPNOTSUPP);
	CHECK_ERR(fs_fallocate(x, node, 0, 0, 0), -MP_EINVAL);
	CHECK_ERR(fs_fallocate(x, FS_ROOT, 0, 0, 10), -MP_EISDIR);
	fixture_unmount_check();
}

TEST(zero_range_zeroes_and_keeps_blocks)
{
	struct exec *x;
	node_t node;
	u64 before;

	fixture_make(32, NULL, NULL);
	x = fixture_mount();
	node = util_create(x, "a");
	util_write_pattern(x, node, 4, 0, 100000);
	before = util_free_blocks(x);
	CHECK_OK(fs_fallocate(x, node, FS_FALLOC_ZERO_RANGE, 5000, 40000));
	CHECK_EQ(util_free_blocks(x), before);
	util_check_pattern(x, node, 4, 0, 5000);
	util_check_pattern(x, node, 0, 5000, 40000);
	util_check_pattern(x, node, 4, 45000, 55000);
	CHECK_OK(fs_fallocate(x, node, FS_FALLOC_ZERO_RANGE, 99000, 101000));
	CHECK_EQ(util_attr(x, node).size, 200000);
	util_check_pattern(x, node, 4, 45000, 54000);
	util_check_pattern(x, node, 0, 99000, 101000);
	x = fixture_remount();
	node = util_lookup(x, "a");
	util_check_pattern(x, node, 0, 5000, 40000);
	util_check_pattern(x, node, 4, 45000, 54000);
	util_check_pattern(x, node, 0, 99000, 101000);
	fixture_unmount_check();
}

TEST(seek_finds_data_and_holes)
{
	struct exec *x;
	node_t node;
	u64 at;

	fixture_make(32, NULL, NULL);
	x = fixture_mount();
	node = util_create(x, "a");
	CHECK_ERR(fs_lseek(x, node, 0, FS_SEEK_DATA, &at), -MP_ENXIO);
	util_write_pattern(x, node, 1, 40960, 5000);
	CHECK_OK(fs_fallocate(x, node, 0, 1 << 20, 1 << 20));
	CHECK_OK(fs_lseek(x, node, 0, FS_SEEK_DATA, &at));
	CHECK_EQ(at, 40960);
	CHECK_OK(fs_lseek(x, node, 41000, FS_SEEK_DATA, &at));
	CHECK_EQ(at, 41000);
	CHECK_OK(fs_lseek(x, node, 41000, FS_SEEK_HOLE, &at));
	CHECK_EQ(at, 49152);
	CHECK_OK(fs_lseek(x, node, 7, FS_SEEK_HOLE, &at));
	CHECK_EQ(at, 7);
	CHECK_ERR(fs_lseek(x, node, 50000, FS_SEEK_DATA, &at), -MP_ENXIO);
	CHECK_ERR(fs_lseek(x, node, 2 << 20, FS_SEEK_HOLE, &at), -MP_ENXIO);
	util_write_pattern(x, node, 1, (1 << 20) + 8192, 1);
	CHECK_OK(fs_lseek(x, node, 50000, FS_SEEK_DATA, &at));
	CHECK_EQ(at, (1 << 20) + 8192);
	CHECK_OK(fs_lseek(x, node, at, FS_SEEK_HOLE, &at));
	CHECK_EQ(at, (1 << 20) + 12288);
	CHECK_ERR(fs_lseek(x, node, 0, 0, &at), -MP_EINVAL);
	fixture_unmount_check();
}

static void must_be(const struct fs_extent *e, u64 pos, u64 len, bool unwritten)
{
	CHECK_EQ(e->pos, pos);
	CHECK_EQ(e->len, len);
	CHECK_EQ(e->unwritten, unwritten);
	CHECK(e->medium && !(e->medium & (BLOCK_SIZE - 1)));
}

TEST(extents_are_told)
{
	struct fs_extent e;
	struct exec *x;
	node_t node;

	fixture_make(32, NULL, NULL);
	x = fixture_mount();
	node = util_create(x, "a");
	CHECK_OK(fs_extent(x, node, 0, &e));
	CHECK_EQ(e.len, 0);
	util_write_pattern(x, node, 1, 40960, 5000);
	CHECK_OK(fs_fallocate(x, node, FS_FALLOC_KEEP_SIZE, 1 << 20, 1 << 20));
	CHECK_OK(fs_extent(x, node, 0, &e));
	must_be(&e, 40960, 8192, false);
	CHECK_OK(fs_extent(x, node, 45056, &e));
	must_be(&e, 45056, 4096, false);
	CHECK_OK(fs_extent(x, node, 49152, &e)); /* behind the end */
	must_be(&e, 1 << 20, 1 << 20, true);
	CHECK_OK(fs_extent(x, node, 2 << 20, &e));
	CHECK_EQ(e.len, 0);
	CHECK_OK(fs_extent(x, node, 1ull << 62, &e));
	CHECK_EQ(e.len, 0);
	CHECK_ERR(fs_extent(x, FS_ROOT, 0, &e), -MP_EISDIR);
	fixture_unmount_check();
}

TEST(copy_range_copies_at_any_alignment)
{
	struct util_rng r = {3};
	struct exec *x;
	node_t a, b;
	u8 *buf = malloc(400000), *want = calloc(1, 900000), *got = malloc(900000);
	u64 n, size = 0;
	u32 i;

	fixture_make(32, NULL, NULL);
	x = fixture_mount();
	a = util_create(x, "a");
	b = util_create(x, "b");
	util_fill(buf, 6, 0, 400000);
	memset(buf + 81920, 0, 40960);
	CHECK_EQ(util_write(x, a, 0, buf, 81920), 81920);
	CHECK_EQ(util_write(x, a, 122880, buf + 122880, 277120), 277120);
	for (i = 0; i < 40; i++) {
		u32 from = util_rand(&r, 400000), to = util_rand(&r, 400000);
		u32 len = 1 + util_rand(&r, 200000), expect;

		if (i % 4 == 0) {
			from &= ~4095u;
			to &= ~4095u;
		}
		expect = min_of(len, 400000 - from);
		CHECK_OK(fs_copy_range(x, a, from, b, to, len, &n));
		CHECK_EQ(n, expect);
		memcpy(want + to, buf + from, expect);
		size = max_of(size, (u64)to + expect);
	}
	CHECK_EQ(util_read(x, b, 0, got, 900000), size);
	CHECK(!memcmp(got, want, size));
	CHECK_ERR(fs_copy_range(x, a, 0, a, 100, 200, &n), -MP_EINVAL);
	CHECK_OK(fs_copy_range(x, a, 0, a, 500000, 4096, &n));
	CHECK_EQ(util_read(x, a, 500000, got, 9000), 4096);
	CHECK(!memcmp(got, buf, 4096));
	free(buf);
	free(want);
	free(got);
	fixture_unmount_check();
}

TEST(readers_keep_the_bytes_they_were_given)
{
	struct fs_seg segs[FS_IO_SEGS];
	struct exec *x;
	node_t node;
	u32 nsegs, i;

	fixture_make(32, NULL, NULL);
	x = fixture_mount();
	node = util_create(x, "a");
	util_write_pattern(x, node, 1, 0, 65536);
	CHECK_EQ(fs_read(x, node, 0, 65536, segs, &nsegs), 65536);
	CHECK_EQ(nsegs, 16);
	util_write_pattern(x, node, 2, 0, 65536);
	util_check_pattern(x, node, 2, 0, 65536);
	for (i = 0; i < 16; i++) {
		const u8 *p = frame_data(x, frame_of(x, segs[i].frame));
		u32 k;

		for (k = 0; k < 4096; k++)
			CHECK_EQ(p[k], util_byte(1, i * 4096 + k));
		frame_unpin(x, frame_of(x, segs[i].frame));
	}
	fixture_unmount_check();
}

TEST(fsync_makes_data_and_metadata_survive_a_crash)
{
	struct plat_posix_counts a, b;
	struct exec *x;
	node_t node;
	char out[4096];

	fixture_make(32, NULL, NULL);
	x = fixture_mount();
	node = util_create(x, "a");
	util_write_pattern(x, node, 1, 0, 200000);
	CHECK_OK(fs_fsync(x, node, false));
	plat_posix_counts(fixture_plat(), &a);
	CHECK_OK(fs_fsync(x, node, false));
	plat_posix_counts(fixture_plat(), &b);
	CHECK_EQ(b.writes, a.writes);
	CHECK_EQ(b.flushes, a.flushes); /* nothing has been written since */
	fixture_crash();
	CHECK_EQ(fixture_run(out, sizeof(out), "e2fsck -fy -E journal_only %s 2>&1"), 0);
	CHECK_EQ(fixture_run(out, sizeof(out), "debugfs -R 'stat /a' %s 2>/dev/null"), 0);
	CHECK(strstr(out, "Size: 200000"));
	CHECK_EQ(fixture_run(out, sizeof(out), "debugfs -R 'cat /a' %s 2>/dev/null | wc -c"), 0);
	CHECK_EQ(atoi(out), 200000);
}

TEST(attributes_follow_writes_and_setattr)
{
	struct fs_setattr set = {.valid = FS_SET_MODE | FS_SET_UID | FS_SET_GID | FS_SET_ATIME |
					  FS_SET_MTIME,
				 .mode = 06755,
				 .uid = 70000,
				 .gid = 80000,
				 .atime = {-5, 7},
				 .mtime = {0x1FFFFFFFFll, 999999999}};
	struct fs_attr attr;
	struct exec *x;
	node_t node;
	u64 pos = 0;
	u32 round;

	fixture_make(32, NULL, NULL);
	x = fixture_mount();
	node = util_create(x, "a");
	CHECK_OK(fs_setattr(x, node, &set, &attr));
	for (round = 0; round < 2; round++) {
		attr = util_attr(x, node);
		CHECK_EQ(attr.mode, 0106755);
		CHECK_EQ(attr.uid, 70000);
		CHECK_EQ(attr.gid, 80000);
		CHECK_EQ(attr.atime.sec, -5);
		CHECK_EQ(attr.atime.nsec, 7);
		CHECK_EQ(attr.mtime.sec, 0x1FFFFFFFFll);
		CHECK_EQ(attr.mtime.nsec, 999999999);
		CHECK(attr.crtime.sec > 1000000000);
		x = fixture_remount();
		node = util_lookup(x, "a");
	}
	CHECK_EQ(util_write_once(x, node, &pos, FS_WRITE_KILL_SUIDGID, "x", 1, 0), 1);
	attr = util_attr(x, node);
	CHECK_EQ(attr.mode, 0100755);
	CHECK(attr.mtime.sec < 0x1FFFFFFFFll);
	CHECK_ERR(util_truncate(x, FS_ROOT, 0), -MP_EISDIR);
	fixture_unmount_check();
}

TEST(files_with_block_pointers_can_be_read)
{
	char dir[64] = "/tmp/mpdisk-file-data.XXXXXX", command[256];
	const u32 size = 6 << 20; /* up to doubly indirect blocks */
	struct exec *x;
	node_t node;
	u64 at = 0;
	u8 *buf = malloc(size);
	FILE *f;

	CHECK(mkdtemp(dir));
	snprintf(command, sizeof(command), "%s/old", dir);
	f = fopen(command, "wb");
	CHECK(f);
	util_fill(buf, 3, 0, size);
	CHECK_EQ(fwrite(buf, 1, size, f), size);
	CHECK_EQ(fseek(f, 100 << 20, SEEK_SET), 0);
	CHECK_EQ(fwrite(buf, 1, 10, f), 10);
	fclose(f);
	free(buf);
	fixture_make(64, "-O ^extent,^64bit,^has_journal", dir);
	/* as a filesystem that was ext3 once */
	CHECK_EQ(fixture_run(
			 NULL, 0,
			 "PATH=$PATH:/sbin:/usr/sbin; f=%s; tune2fs -O extent $f && e2fsck -fy $f"),
		 0);
	snprintf(command, sizeof(command), "rm -r %s", dir);
	CHECK_EQ(system(command), 0);
	x = fixture_mount();
	node = util_lookup(x, "old");
	util_check_pattern(x, node, 3, 0, size);
	util_check_pattern(x, node, 0, size, 100000);
	CHECK_OK(fs_lseek(x, node, size, FS_SEEK_DATA, &at));
	CHECK_EQ(at, 100 << 20);
	/* to change them is refused */
	at = 0;
	CHECK_ERR(util_truncate(x, node, 5), -MP_EOPNOTSUPP);
	at = 90 << 20;
	CHECK_ERR(util_write_once(x, node, &at, 0, "x", 1, 0), -MP_EOPNOTSUPP);
	fixture_unmount_check();
}
