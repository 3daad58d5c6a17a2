/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Recovery of journals: logs of debugfs, of the kernel's ext4 and crafted ones. The judge is
 * e2fsck's own replay of a copy of the image: every block must be the same.
 */
#include "tests/fs/file_util.h"
#include "tests/fs/log_craft.h"

static const struct fs_mount_opts rw = {0}, ro = {.read_only = true};

/* Where fsync costs nothing. */
__attribute__((constructor)) static void in_memory(void)
{
	setenv("MPDISK_TMP", "/dev/shm", 0);
}

static void *slurp(const char *path, size_t *size)
{
	int fd = open(path, O_RDONLY);
	off_t end = lseek(fd, 0, SEEK_END);
	u8 *p = malloc((size_t)end);

	CHECK(fd >= 0 && p);
	CHECK_EQ(pread(fd, p, (size_t)end, 0), end);
	close(fd);
	*size = (size_t)end;
	return p;
}

static void keep(const char *suffix)
{
	char command[600];

	snprintf(command, sizeof(command), "cp --sparse=always '%s' '%s%s'", fixture_image(),
		 fixture_image(), suffix);
	CHECK_OK(fixture_run(NULL, 0, command));
	snprintf(command, sizeof(command), "%s%s", fixture_image(), suffix);
	test_temporary(command);
}

static void bring_back(const char *suffix)
{
	char command[600];

	snprintf(command, sizeof(command), "cp --sparse=always '%s%s' '%s'", fixture_image(),
		 suffix, fixture_image());
	CHECK_OK(fixture_run(NULL, 0, command));
}

/* What says when and how often something was done is not compared. */
static void mask_super(u8 *image)
{
	struct ext4_super *sb = (void *)(image + 1024);

	sb->s_wtime = sb->s_mtime = 0;
	sb->s_wtime_hi = sb->s_mtime_hi = 0;
	sb->s_mnt_count = 0;
	sb->s_lastcheck = 0;
	sb->s_kbytes_written = 0;
	sb->s_state = 0;
	sb->s_feature_incompat &= ~EXT4_INCOMPAT_RECOVER;
	sb->s_checksum = 0;
}

/* Every block of the image and of the copy, but the journal's superblock. */
static void same_blocks(const char *suffix)
{
	char path[600];
	size_t size, other;
	u32 jsb = craft_bmap(0);
	u8 *a, *b;

	snprintf(path, sizeof(path), "%s%s", fixture_image(), suffix);
	a = slurp(fixture_image(), &size);
	b = slurp(path, &other);
	CHECK_EQ(size, other);
	mask_super(a);
	mask_super(b);
	for (size_t i = 0; i < size / 4096; i++)
		if (i != jsb && memcmp(a + i * 4096, b + i * 4096, 4096) != 0)
			test_fail(__FILE__, __LINE__, "block %zu is not what e2fsck makes of it",
				  i);
	free(a);
	free(b);
}

static void recover_only(void)
{
	CHECK_OK(fixture_try_mount(&ro));
	fixture_unmount();
}

static void e2fsck_replays(const char *suffix)
{
	char command[800], out[2000];
	int status;

	snprintf(command, sizeof(command), PATH "e2fsck -y -E journal_only '%s%s' 2>&1 </dev/null",
		 fixture_image(), suffix);
	status = fixture_run(out, sizeof(out), command);
	if (status & ~1)
		test_fail(__FILE__, __LINE__, "e2fsck ends with %d: %s", status, out);
}

/* Ours and theirs, from the same image. */
static void judge(void)
{
	keep(".fsck");
	e2fsck_replays(".fsck");
	recover_only();
	same_blocks(".fsck");
}

static u32 log_start(void)
{
	u8 sb[4096];
	int fd = open(fixture_image(), O_RDONLY);

	CHECK_EQ(pread(fd, sb, 4096, (off_t)craft_bmap(0) * 4096), 4096);
	close(fd);
	return craft_get(sb + 28);
}

static u32 log_sequence(void)
{
	u8 sb[4096];
	int fd = open(fixture_image(), O_RDONLY);

	CHECK_EQ(pread(fd, sb, 4096, (off_t)craft_bmap(0) * 4096), 4096);
	close(fd);
	return craft_get(sb + 24);
}

/* ---- debugfs */
static void debugfs(const char *script)
{
	char command[2400];

	snprintf(command, sizeof(command), PATH "printf '%s' | debugfs -w -f - '%%s' 2>&1", script);
	shell(command);
}

TEST(logs_of_debugfs_are_replayed)
{
	static const char *const options[] = {"", "-O ^64bit", "-O ^metadata_csum",
					      "-O ^metadata_csum,^64bit"};
	static const char *const opens[] = {"jo -c -v 3", "jo -c -v 2", "jo"};
	char script[2000], data[300], populate[400];

	for (u32 i = 0; i < array_size(options); i++) {
		if (i == 0)
			fixture_make(16, options[i], NULL);
		snprintf(data, sizeof(data), "%s.data", fixture_image());
		snprintf(populate, sizeof(populate), "head -c 1638400 /dev/urandom > '%s'", data);
		CHECK_OK(fixture_run(NULL, 0, populate));
		test_temporary(data);
		for (u32 k = 0; k < array_size(opens); k++) {
			char make[300];

			/* without metadata_csum debugfs 1.47 makes v1 sums that are wrong */
			if (i >= 2 && k < 2)
				continue;

			snprintf(make, sizeof(make), PATH "mke2fs -q -F -t ext4 -b 4096 %s '%%s'",
				 options[i]);
			shell(make);
			snprintf(script, sizeof(script),
				 "%s\\n"
				 "jw -b 3000-3399 %s\\n"
				 "jw -r 3001,3005-3010\\n"
				 "jw -b 3005,3006 %s\\n"
				 "jw -b 3400 -r 3300-3310 %s\\n"
				 "jw -b 3011 -c %s\\n"
				 "jc\\n",
				 opens[k], data, data, data, data);
			debugfs(script);
			CHECK(log_start());
			judge();
			CHECK_EQ(log_start(), 0);
			fixture_fsck();
		}
	}
}

/* ---- crafted */
#define HOME 3000u

/* n blocks of a pattern; every third begins with the journal's magic. */
static u8 *pattern(u32 n, u32 seed)
{
	u8 *p = malloc((size_t)n * 4096);

	for (u32 i = 0; i < n; i++) {
		util_fill(p + (size_t)i * 4096, seed, (u64)i * 4096, 4096);
		if (i % 3 == 1)
			craft_be32(p + (size_t)i * 4096, CRAFT_MAGIC);
	}
	return p;
}

/* One transaction that writes blocks [home, home + n). */
static void put_run(struct craft *c, u64 home, u32 n, u32 seed)
{
	u8 *data = pattern(n, seed);
	u64 homes[1000];
	u32 done = 0;

	CHECK(n <= array_size(homes));
	for (u32 i = 0; i < n; i++)
		homes[i] = home + i;
	while (done < n)
		done += craft_blocks(c, n - done, homes + done, data + (size_t)done * 4096);
	free(data);
}

static void revoke_run(struct craft *c, u64 block, u32 n)
{
	u64 *list = malloc(n * sizeof(*list));

	for (u32 i = 0; i < n; i++)
		list[i] = block + i;
	craft_revoke(c, n, list);
	free(list);
}

/* A block of the image is what put_run() would have put there; seed 0: zeros. */
static void holds(u32 home, u32 at, u32 seed)
{
	u8 *want = pattern(at + 1, seed), got[4096];
	int fd = open(fixture_image(), O_RDONLY);

	if (!seed)
		memset(want, 0, (size_t)(at + 1) * 4096);
	CHECK_EQ(pread(fd, got, 4096, (off_t)(home + at) * 4096), 4096);
	if (memcmp(got, want + (size_t)at * 4096, 4096) != 0)
		test_fail(__FILE__, __LINE__, "block %u does not hold pattern %u", home + at, seed);
	close(fd);
	free(want);
}

static void variants(void (*each)(struct craft *c, enum craft_version version, bool wide))
{
	static const char *const options[] = {"-O ^metadata_csum,^64bit", "-O ^metadata_csum"};

	fixture_make(16, NULL, NULL);
	for (u32 wide = 0; wide < 2; wide++)
		for (u32 version = CRAFT_PLAIN; version <= CRAFT_V3; version++) {
			char make[300];
			struct craft c;

			snprintf(make, sizeof(make), PATH "mke2fs -q -F -t ext4 -b 4096 %s '%%s'",
				 options[wide]);
			shell(make);
			each(&c, version, wide);
		}
}

/* Blocks, escaped ones, revokes before and after, a block that comes back; then a log that goes
 * round. */
static void whole_log(struct craft *c, enum craft_version version, bool wide)
{
	static const u32 starts[] = {1, 1000, 1023};

	for (u32 i = 0; i < array_size(starts); i++) {
		u32 seed = 10 * (i + 1);

		craft_open(c, version, wide, starts[i], 0xFFFFFFFEu + i);
		c->same_uuid = i != 1;
		put_run(c, HOME, 300, seed);
		craft_end(c, COMMIT_GOOD);
		revoke_run(c, HOME + 5, 3); /* 5, 6, 7: not written */
		craft_end(c, COMMIT_GOOD);
		put_run(c, HOME + 6, 1, seed + 1); /* 6: again */
		revoke_run(c, HOME + 10, 1);
		craft_end(c, COMMIT_GOOD);
		revoke_run(c, HOME + 20, 1); /* in the transaction that writes it */
		put_run(c, HOME + 20, 1, seed + 2);
		revoke_run(c, 0x12345678, 1); /* nobody has that */
		craft_end(c, COMMIT_GOOD);
		put_run(c, HOME + 30, 40, seed + 3);
		craft_end(c, COMMIT_GOOD);
		craft_end(c, COMMIT_GOOD); /* of nothing */
		put_run(c, HOME + 40, 5, seed + 4);
		craft_end(c, COMMIT_NONE); /* not whole */
		craft_close(c);
		judge();
		holds(HOME, 4, seed);
		holds(HOME + 6, 0, seed + 1);
		holds(HOME + 30, 39, seed + 3);
		CHECK_EQ(log_start(), 0);
		/* the zeros that revoked blocks kept, for the next round */
		fixture_fsck();
	}
}

TEST_TIMED(every_version_of_the_log_is_replayed, 120)
{
	variants(whole_log);
}

static void damaged(struct craft *c, enum craft_version version, bool wide, u32 what)
{
	craft_open(c, version, wide, 1, 7);
	put_run(c, HOME, 10, 1);
	craft_end(c, COMMIT_GOOD);
	c->spoil_descriptor = what == 0;
	c->spoil_data = what == 1;
	c->spoil_revoke = what == 2;
	revoke_run(c, HOME + 3, 1);
	put_run(c, HOME, 5, 2);
	craft_end(c, what == 3 ? COMMIT_BAD : COMMIT_GOOD);
	put_run(c, HOME + 20, 5, 3);
	craft_end(c, COMMIT_GOOD);
	craft_close(c);
}

/* Refused with this errno, and not a byte of the image is changed. */
static void refused(int err)
{
	char command[800];

	keep(".before");
	CHECK_EQ(fixture_try_mount(&rw), err);
	CHECK_EQ(fixture_try_mount(&ro), err);
	snprintf(command, sizeof(command), "cmp '%s' '%s.before'", fixture_image(),
		 fixture_image());
	CHECK_OK(fixture_run(NULL, 0, command));
}

static void damaged_in_the_middle(struct craft *c, enum craft_version version, bool wide)
{
	for (u32 what = 0; what < 4; what++) {
		if (version < CRAFT_V2 && (version == CRAFT_PLAIN || what < 3))
			continue;
		damaged(c, version, wide, what);
		refused(-MP_EUCLEAN);
	}
}

TEST(log_that_is_damaged_in_the_middle_is_refused_unchanged)
{
	variants(damaged_in_the_middle);
}

/* The last commit record is half on the medium, or what comes before it is not: not corruption. */
static void torn_at_the_end(struct craft *c, enum craft_version version, bool wide)
{
	for (u32 what = 0; what < 4; what++) {
		if (version < CRAFT_V2 && (version == CRAFT_PLAIN || what))
			continue;
		craft_open(c, version, wide, 1, 100);
		put_run(c, HOME, 10, 1);
		craft_end(c, COMMIT_GOOD);
		c->spoil_descriptor = what == 1;
		c->spoil_data = what == 2;
		c->spoil_revoke = what == 3;
		revoke_run(c, HOME + 3, 1);
		put_run(c, HOME, 5, 2);
		craft_end(c, what ? COMMIT_NONE : version == CRAFT_V1 ? COMMIT_BAD : COMMIT_TORN);
		craft_close(c);
		recover_only();
		for (u32 i = 0; i < 10; i++)
			holds(HOME, i, 1);
		CHECK_EQ(log_start(), 0);
		fixture_fsck();
	}
}

TEST(transaction_that_is_torn_at_the_end_does_not_count)
{
	variants(torn_at_the_end);
}

/* With this feature of Linux a commit record may overtake its blocks. */
TEST(asynchronous_commit_ends_the_log_where_blocks_are_missing)
{
	struct craft c;

	fixture_make(16, NULL, NULL);
	for (u32 what = 0; what < 2; what++) {
		craft_open(&c, CRAFT_V3, true, 1, 100);
		c.async = true;
		put_run(&c, HOME, 10, 1);
		craft_end(&c, COMMIT_GOOD);
		c.spoil_data = true;
		put_run(&c, HOME, 10, 2);
		craft_end(&c, COMMIT_GOOD);
		if (what) {
			put_run(&c, HOME, 10, 3);
			craft_end(&c, COMMIT_GOOD);
		}
		craft_close(&c);
		if (what) {
			refused(-MP_EUCLEAN);
		} else {
			recover_only();
			holds(HOME, 5, 1);
		}
	}
}

TEST(old_transactions_do_not_come_back)
{
	struct craft c;
	u32 next;

	fixture_make(16, NULL, NULL);
	craft_open(&c, CRAFT_V3, true, 1, 50);
	for (u32 i = 0; i < 5; i++) {
		put_run(&c, HOME + 10 * i, 10, 1 + i);
		craft_end(&c, COMMIT_GOOD);
	}
	put_run(&c, HOME, 10, 9);
	craft_end(&c, COMMIT_NONE);
	craft_close(&c);
	recover_only();
	holds(HOME, 3, 1);
	holds(HOME + 40, 3, 5);
	/* the blocks belong to others now */
	shell("dd if=/dev/zero of='%s' bs=4096 seek=3000 count=60 conv=notrunc 2>/dev/null");
	for (u32 round = 0; round < 4; round++) {
		next = log_sequence();
		CHECK_EQ(log_start(), 0);
		/* whoever looks at the log, whatever the superblock says */
		craft_open(&c, CRAFT_V3, true, 1, next);
		craft_flag(c.fd, true);
		close(c.fd);
		if (round & 1)
			recover_only();
		fixture_mount();
		fixture_unmount_check();
		for (u32 i = 0; i < 60; i++)
			holds(HOME, i, 0);
		/* a new log over the old one: behind its end the old blocks follow */
		next = log_sequence();
		craft_open(&c, CRAFT_V3, true, 1, next);
		put_run(&c, HOME + 100, 10, 20 + round);
		craft_end(&c, COMMIT_GOOD);
		craft_close(&c);
		recover_only();
		holds(HOME + 100, 7, 20 + round);
		for (u32 i = 0; i < 60; i++)
			holds(HOME, i, 0);
		CHECK((s32)(log_sequence() - next) > 1);
	}
}

/* Recovery stops at its n-th write, for every n, and is done again. */
TEST(recovery_that_is_cut_off_is_done_again)
{
	struct craft c;
	u32 n, ended = 0;

	fixture_make(16, NULL, NULL);
	craft_open(&c, CRAFT_V3, true, 1000, 50);
	for (u32 i = 0; i < 6; i++) {
		put_run(&c, HOME + 7 * i, 30, 1 + i);
		revoke_run(&c, HOME + 20, 3);
		craft_end(&c, COMMIT_GOOD);
	}
	craft_close(&c);
	keep(".dirty");
	keep(".fsck");
	e2fsck_replays(".fsck");
	for (n = 1;; n++) {
		struct plat_posix_counts counts;
		int err;

		bring_back(".dirty");
		fixture_fail_next_mount(PLAT_WRITE, n, 1000);
		err = fixture_try_mount(&ro);
		if (!err) {
			plat_posix_counts(fixture_plat(), &counts);
			fixture_unmount();
			same_blocks(".fsck");
			break;
		}
		CHECK_EQ(err, -MP_EIO);
		ended += !log_start();
		recover_only();
		same_blocks(".fsck");
	}
	CHECK(n > 10);
	CHECK_EQ(ended, 1); /* the last write is the superblock's */
}

TEST(log_that_reaches_where_it_must_not_is_refused)
{
	struct craft c;
	u64 bad[] = {4096, 1ull << 40, 0, 0};
	u8 *data;

	fixture_make(16, NULL, NULL);
	data = pattern(1, 1);
	bad[2] = craft_bmap(0);
	bad[3] = craft_bmap(1023);
	for (u32 i = 0; i < array_size(bad); i++) {
		craft_open(&c, CRAFT_V3, true, 1, 5);
		put_run(&c, HOME, 4, 1);
		craft_end(&c, COMMIT_GOOD);
		craft_blocks(&c, 1, &bad[i], data);
		craft_end(&c, COMMIT_GOOD);
		craft_close(&c);
		refused(-MP_EUCLEAN);
	}
	free(data);
}

/* Between the end of the filesystem and that of the medium: not refused, not written. */
TEST(blocks_behind_the_filesystem_are_left_out)
{
	struct craft c;
	u64 home = 4100;
	u8 *data = pattern(1, 1);

	fixture_make(16, NULL, NULL);
	shell("truncate -s 20M '%s'");
	craft_open(&c, CRAFT_V3, true, 1, 5);
	put_run(&c, HOME, 4, 1);
	craft_blocks(&c, 1, &home, data);
	craft_end(&c, COMMIT_GOOD);
	craft_close(&c);
	recover_only();
	holds(HOME, 3, 1);
	holds(4100, 0, 0);
	free(data);
}

/* Far more revoked blocks than a small pool's table holds, of which few matter. */
TEST_TIMED(small_pool_is_enough_for_any_log, 120)
{
	struct craft c;

	fixture_make(16, NULL, NULL);
	craft_open(&c, CRAFT_V3, true, 1, 5);
	put_run(&c, HOME, 500, 1);
	craft_end(&c, COMMIT_GOOD);
	revoke_run(&c, 5000, 150000);
	revoke_run(&c, HOME + 100, 50);
	craft_end(&c, COMMIT_GOOD);
	put_run(&c, HOME + 120, 3, 2);
	craft_end(&c, COMMIT_GOOD);
	craft_close(&c);
	fixture_pool_size(4);
	judge();
	holds(HOME, 99, 1);
	holds(HOME, 100, 0);
	holds(HOME + 120, 2, 2);
}

/* ---- random damage */
TEST_TIMED(random_logs_do_no_harm, 200)
{
	struct util_rng rng = {test_seed()};
	u32 refusals = 0, replayed = 0;
	struct craft c;

	fixture_make(16, "-O ^metadata_csum", NULL);
	shell("truncate -s 17M '%s'");
	fixture_pool_size(8);
	keep(".clean");
	for (u32 round = 0; round < 150; round++) {
		u32 version = util_rand(&rng, 4), n = 1 + util_rand(&rng, 20);
		u8 block[4096];
		int err;

		bring_back(".clean");
		craft_open(&c, version, util_rand(&rng, 2), 1 + util_rand(&rng, 1023), 50);
		for (u32 i = 0; i < 6; i++) {
			put_run(&c, HOME + util_rand(&rng, 100), 1 + util_rand(&rng, 100), i + 1);
			if (util_rand(&rng, 2))
				revoke_run(&c, HOME + util_rand(&rng, 100), util_rand(&rng, 600));
			craft_end(&c, COMMIT_GOOD);
		}
		/* in what describes, and with the sums made right again where that is one block */
		while (n--) {
			u32 at = c.map[1 + util_rand(&rng, c.blocks - 1)];

			craft_pread(&c, at, block);
			if (craft_get(block) != CRAFT_MAGIC && util_rand(&rng, 8))
				continue;
			block[12 + util_rand(&rng, 200)] = (u8)util_rand(&rng, 256);
			if (version >= CRAFT_V2 && craft_get(block) == CRAFT_MAGIC) {
				memset(block + 4092, 0, 4);
				craft_tail(&c, block, false);
			}
			craft_pwrite(&c, at, block);
		}
		craft_close(&c);
		err = fixture_try_mount(&ro);
		if (!err)
			fixture_unmount();
		/* a log without checksums may say that one of its blocks belongs over the
		 * superblock */
		CHECK(!err || err == -MP_EUCLEAN || err == -MP_EMEDIUMTYPE);
		refusals += err != 0;
		replayed += err == 0;
		shell("cmp -n 1048576 /dev/zero '%s' 0 16777216");
	}
	CHECK(refusals > 5 && replayed > 5);
}

/* ---- superblocks */
TEST(read_only_medium_with_a_log_is_refused)
{
	struct craft c;

	fixture_make(16, NULL, NULL);
	craft_open(&c, CRAFT_V3, true, 1, 5);
	put_run(&c, HOME, 4, 1);
	craft_end(&c, COMMIT_GOOD);
	craft_close(&c);
	fixture_read_only_medium(true);
	CHECK_EQ(fixture_try_mount(&ro), -MP_EROFS);
	holds(HOME, 3, 0);
	fixture_read_only_medium(false);
	recover_only();
	holds(HOME, 3, 1);
}

TEST(journal_features_that_are_not_known_are_refused)
{
	struct craft c;
	u32 incompat;

	fixture_make(16, NULL, NULL);
	for (incompat = 0x20; incompat; incompat <<= 1) {
		craft_open(&c, CRAFT_V3, true, 1, 5);
		craft_close(&c);
		c.fd = open(fixture_image(), O_RDWR);
		craft_be32(c.sb + 0x28, 0x13 | incompat);
		craft_seal_super(&c, c.sb);
		craft_pwrite(&c, c.map[0], c.sb);
		close(c.fd);
		CHECK_EQ(fixture_try_mount(&rw), -MP_EOPNOTSUPP);
	}
}

TEST(journal_that_was_given_up_is_refused_until_e2fsck)
{
	struct craft c;

	fixture_make(16, NULL, NULL);
	craft_open(&c, CRAFT_V3, true, 1, 5);
	craft_be32(c.sb + 0x20, (u32)-5);
	put_run(&c, HOME, 4, 1);
	craft_end(&c, COMMIT_GOOD);
	craft_close(&c);
	CHECK_EQ(fixture_try_mount(&rw), -MP_EUCLEAN);
	shell(PATH "e2fsck -fy '%s' 2>&1 || test $? = 1");
	fixture_mount();
	fixture_unmount_check();
}

/* A power cut tears the write of block 0: the log holds it. */
TEST(torn_superblock_is_mended_from_the_log)
{
	struct craft c;
	u8 block0[4096];
	u64 zero = 0;

	fixture_make(16, NULL, NULL);
	for (u32 has = 0; has < 2; has++) {
		craft_open(&c, CRAFT_V3, true, 1, 5 + has);
		craft_flag(c.fd, true);
		craft_pread(&c, 0, block0);
		put_run(&c, HOME, 4, 1 + has);
		if (has)
			craft_blocks(&c, 1, &zero, block0);
		craft_end(&c, COMMIT_GOOD);
		craft_close(&c);
		c.fd = open(fixture_image(), O_RDWR);
		block0[1024 + 0x30] ^= 1; /* s_wtime: the checksum does not fit */
		craft_pwrite(&c, 0, block0);
		block0[1024 + 0x30] ^= 1;
		close(c.fd);
		if (!has) {
			refused(-MP_EUCLEAN);
			c.fd = open(fixture_image(), O_RDWR);
			craft_pwrite(&c, 0, block0);
			close(c.fd);
			continue;
		}
		fixture_mount();
		fixture_unmount_check();
		holds(HOME, 3, 2);
	}
}

/* As tune2fs leaves them when ext3 becomes ext4. */
TEST(journal_of_block_pointers_is_recovered)
{
	struct craft c;

	fixture_make(64, "-O ^extent,^64bit,^metadata_csum -J size=20", NULL);
	shell(PATH "tune2fs -O extent '%s' 2>&1");
	craft_open(&c, CRAFT_PLAIN, false, 1, 5);
	put_run(&c, 14000, 8, 1);
	craft_end(&c, COMMIT_GOOD);
	craft_close(&c);
	judge();
	holds(14000, 7, 1);
	fixture_mount();
	fixture_unmount_check();
}

/* ---- the kernel's own */
/* Works on the image through the kernel's ext4 and copies it while it is mounted, at rest for a
 * moment. $m: the mount, $i: the image; "crash" makes the copy. */
static void kernel(const char *options, const char *work)
{
	char command[4000];

	snprintf(command, sizeof(command),
		 "set -e; i='%%s'; m=$(mktemp -d); l=$(losetup -f --show $i); "
		 "trap 'umount $m 2>/dev/null || :; losetup -d $l; rmdir $m' EXIT; "
		 "mount -o commit=300,%s $l $m; rm -f $i.crash; "
		 "stat() { cat /sys/block/${l#/dev/}/stat; }; "
		 "crash() { for n in 1 2 3 4 5 6 7 8 9; do a=$(stat); "
		 "cp --sparse=always $i $i.crash; [ \"$(stat)\" = \"$a\" ] && return; done; exit "
		 "9; }; "
		 "%s; exec 9>&-; umount $m; [ -e $i.crash ]; mv $i.crash $i 2>&1",
		 options, work);
	shell(command);
}

static void judge_kernel(void)
{
	CHECK(log_start());
	judge();
	fixture_mount();
	fixture_unmount_check();
}

#define FILES "mkdir $m/d; for k in $(seq 400); do echo $k > $m/d/file$k; done; "

TEST_TIMED(logs_of_the_kernel_are_replayed, 120)
{
	static const char *const make[] = {"", "-O ^metadata_csum", "-O ^64bit",
					   "-O ^metadata_csum,^64bit"};
	static const char *const options[] = {"data=ordered", "journal_checksum",
					      "journal_async_commit,data=writeback",
					      "data=journal"};

	fixture_make(32, NULL, NULL);
	for (u32 i = 0; i < array_size(make); i++)
		for (u32 k = 0; k < array_size(options); k++) {
			char command[300];

			snprintf(command, sizeof(command),
				 PATH "mke2fs -q -F -t ext4 -b 4096 -J size=4 %s '%%s'", make[i]);
			shell(command);
			kernel(options[k],
			       FILES "sync; sync -f $m/d; rm -r $m/d; mkdir $m/e; "
				     "printf '\\300\\073\\071\\230 escaped' > $m/escaped; "
				     "head -c 3000000 /dev/urandom > $m/e/big; sync -f $m; "
				     "rm $m/e/big; for k in $(seq 300); do : > $m/e/x$k; done; "
				     "head -c 2000000 /dev/urandom > $m/e/big2; sync -f $m/e/big2; "
				     "crash");
			judge_kernel();
		}
}

/* The log goes round and round under it. */
TEST_TIMED(log_of_the_kernel_that_has_gone_round_is_replayed, 120)
{
	fixture_make(64, "-J size=4", NULL);
	kernel("data=journal", "for r in $(seq 12); do head -c 900000 /dev/urandom > $m/f$r; "
			       "sync -f $m/f$r; mkdir -p $m/d$r/a/b; sync -f $m; done; crash");
	judge_kernel();
}

/* Deleted but open, and the log says so: freed by us. */
TEST_TIMED(orphans_of_the_kernel_are_cleaned_up, 120)
{
	struct exec *x;
	u64 before, after;

	fixture_make(32, "-J size=4", NULL);
	x = fixture_mount();
	before = util_free_blocks(x);
	fixture_unmount_check();
	kernel("data=ordered",
	       "head -c 4000000 /dev/urandom > $m/gone; sync; exec 9<$m/gone; rm $m/gone; "
	       "mkdir $m/d; sync -f $m; : > $m/late; crash");
	/* e2fsck would clear them, too: it judges what we have made of it */
	CHECK(log_start());
	x = fixture_mount();
	after = util_free_blocks(x);
	CHECK_EQ(before, after + 1); /* of the directory */
	CHECK(look(x, FS_ROOT, "d"));
	CHECK(!look(x, FS_ROOT, "gone"));
	fixture_unmount_check();
}

/* What the kernel has synced is there with us. */
TEST_TIMED(what_the_kernel_has_synced_is_there, 120)
{
	struct exec *x;
	char out[20000];

	fixture_make(32, "-J size=4", NULL);
	kernel("data=ordered", FILES "sync -f $m; crash");
	judge();
	x = fixture_mount();
	for (u32 k = 1; k <= 400; k++) {
		char name[30], text[10], got[10] = "";

		snprintf(name, sizeof(name), "file%u", k);
		snprintf(text, sizeof(text), "%u\n", k);
		CHECK_EQ(util_read(x, look(x, look(x, FS_ROOT, "d"), name), 0, got, 10),
			 (s64)strlen(text));
		CHECK(!strcmp(got, text));
	}
	fixture_unmount_check();
	CHECK_OK(fixture_run(out, sizeof(out), PATH "debugfs -R 'ls -p /d' '%s'"));
	CHECK(strstr(out, "file399"));
}
