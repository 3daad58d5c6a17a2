/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The running journal: what a commit leaves on the medium is recovered by others. A copy of the
 * image taken between two operations is what a power cut leaves there. e2fsck replays the log and
 * checks the rest; Linux's ext4 replays it when it mounts.
 */
#define _GNU_SOURCE
#include <setjmp.h>

#include "journal/journal.h"
#include "tests/fs/file_util.h"
#include "tests/fs/names_util.h"

#define SH "set -e; PATH=$PATH:/sbin:/usr/sbin; i='%%s'; "

/* Runs a command in which $i is the image; it must succeed. */
static void sh(const char *command)
{
	char line[3000], out[4096];

	snprintf(line, sizeof(line), SH "{ %s; } 2>&1", command);
	/* the first %s is the image's, by fixture_run() */
	if (fixture_run(out, sizeof(out), line))
		test_fail(__FILE__, __LINE__, "%s: %s", command, out);
}

/* The image as it is now, in $i.crash. */
static void snapshot(void)
{
	sh("cp --sparse=always $i $i.crash");
}

/* e2fsck replays the log of the copy and finds nothing else. replays: there is one. */
static void recover(bool replays)
{
	if (replays)
		sh("dumpe2fs -h $i.crash | grep -q needs_recovery");
	/* -E journal_only replays and does not repair */
	sh("e2fsck -fy -E journal_only $i.crash >$i.log; grep -qi 'recovering journal' $i.log; "
	   "rm $i.log; e2fsck -fn $i.crash");
}

static void crash_end(void)
{
	sh("rm -f $i.crash $i.log");
}

/* A file of that name is in the copy. */
static bool has(const char *name)
{
	char command[400], out[400];

	snprintf(command, sizeof(command), PATH "debugfs -R 'stat %s' '%%s'.crash 2>&1", name);
	CHECK_OK(fixture_run(out, sizeof(out), command));
	return !strstr(out, "not found");
}

static void mk_some(struct exec *x, const char *prefix, u32 n)
{
	char name[40];

	for (u32 i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "%s%u", prefix, i);
		mk(x, FS_ROOT, name);
	}
}

TEST(committed_changes_are_recovered_by_e2fsck_and_others_are_not_there)
{
	struct exec *x;

	fixture_make(64, NULL, NULL);
	x = fixture_mount();
	mk_some(x, "a", 100);
	CHECK_OK(fs_sync(x));
	mk_some(x, "b", 100); /* not committed */
	snapshot();
	recover(true);
	CHECK(has("/a0") && has("/a99"));
	CHECK(!has("/b0") && !has("/b99"));
	fixture_unmount_check();
	sh("cp --sparse=always $i $i.crash");
	CHECK(has("/b99"));
	crash_end();
}

TEST(nothing_is_written_home_by_a_commit)
{
	struct exec *x;

	fixture_make(64, NULL, NULL);
	x = fixture_mount();
	mk_some(x, "a", 10);
	CHECK_OK(fs_sync(x));
	snapshot();
	/* without its log, there is nothing */
	sh("debugfs -w -R 'feature ^needs_recovery' $i.crash");
	CHECK(!has("/a0"));
	fixture_unmount_check();
	crash_end();
}

TEST(commit_of_nothing_writes_nothing)
{
	struct plat_posix_counts a, b;
	struct exec *x;

	fixture_make(64, NULL, NULL);
	x = fixture_mount();
	mk_some(x, "a", 10);
	CHECK_OK(fs_sync(x));
	plat_posix_counts(fixture_plat(), &a);
	for (u32 i = 0; i < 5; i++)
		CHECK_OK(fs_sync(x));
	CHECK(look(x, FS_ROOT, "a3"));
	CHECK_OK(fs_sync(x));
	plat_posix_counts(fixture_plat(), &b);
	CHECK_EQ(b.writes, a.writes);
	CHECK_EQ(b.flushes, a.flushes);
	fixture_unmount_check();
}

TEST(linux_mounts_what_a_crash_leaves)
{
	struct exec *x;
	node_t d, f;

	fixture_make(64, NULL, NULL);
	x = fixture_mount();
	d = mkd(x, FS_ROOT, "d");
	for (u32 i = 0; i < 300; i++) {
		char name[200];

		snprintf(name, sizeof(name), "a-long-name-so-that-the-directory-has-an-index-%u",
			 i);
		mk(x, d, name);
	}
	f = util_create(x, "f");
	util_write_pattern(x, f, 7, 0, 300000);
	CHECK_OK(fs_fsync(x, f, false));
	mk_some(x, "later", 10);
	snapshot();
	sh("m=$(mktemp -d); mount -o loop $i.crash $m; test $(ls $m/d | wc -l) = 300; "
	   "test $(stat -c %s $m/f) = 300000; cp $m/f $i.log; test ! -e $m/later0; "
	   ": > $m/by-linux; umount $m; rmdir $m; e2fsck -fn $i.crash");
	{
		char path[300];
		u8 *got = malloc(300000);
		FILE *file;

		snprintf(path, sizeof(path), "%s.log", fixture_image());
		file = fopen(path, "rb");
		CHECK(file);
		CHECK_EQ(fread(got, 1, 300000, file), 300000);
		fclose(file);
		for (u32 i = 0; i < 300000; i++)
			CHECK_EQ(got[i], util_byte(7, i));
		free(got);
	}
	fixture_unmount_check();
	crash_end();
}

/* More than the log holds several times over, with crashes at any time. */
TEST_TIMED(log_wraps_and_every_crash_is_recovered, 300)
{
	struct util_rng rng = {test_seed()};
	struct exec *x;
	u32 n = 0;

	fixture_make(64, NULL, NULL);
	x = fixture_mount();
	for (u32 round = 0; round < 400; round++) {
		char name[40];

		for (u32 i = 0; i < 12; i++) {
			snprintf(name, sizeof(name), "x%u", util_rand(&rng, 200));
			if (look(x, FS_ROOT, name))
				CHECK_OK(util_unlink(x, name));
			else
				util_write_pattern(x, util_create(x, name), round + 1, 0,
						   1 + util_rand(&rng, 30000));
		}
		if (util_rand(&rng, 3))
			CHECK_OK(fs_sync(x));
		if (util_rand(&rng, 40))
			continue;
		snapshot();
		recover(true);
		n++;
	}
	CHECK(n);
	CHECK(journal_of(x)->sequence > 200);
	fixture_unmount_check();
	crash_end();
}

TEST(other_features_log_too)
{
	static const char *const options[] = {"-O ^metadata_csum", "-O ^64bit",
					      "-O ^64bit,^metadata_csum", "-O metadata_csum_seed",
					      "-J size=8"};
	char command[400];

	fixture_make(64, NULL, NULL);
	for (u32 i = 0; i < array_size(options); i++) {
		struct exec *x;

		snprintf(command, sizeof(command), "mke2fs -q -F -t ext4 -b 4096 %s $i",
			 options[i]);
		sh(command);
		x = fixture_mount();
		for (u32 k = 0; k < 20; k++) {
			char prefix[20];

			snprintf(prefix, sizeof(prefix), "a%u.", k);
			mk_some(x, prefix, 30);
			CHECK_OK(fs_sync(x));
		}
		mk_some(x, "b", 30);
		snapshot();
		recover(true);
		CHECK(has("/a19.29") && !has("/b0"));
		fixture_unmount_check();
	}
	crash_end();
}

TEST(block_that_begins_like_a_log_block_is_escaped)
{
	char target[2000], command[300], out[4000];
	struct fs_attr attr;
	struct exec *x;

	fixture_make(64, NULL, NULL);
	x = fixture_mount();
	memset(target, 'z', sizeof(target));
	memcpy(target, "\xC0\x3B\x39\x98", 4);
	CHECK_OK(fs_symlink(x, FS_ROOT, nm("link"), (struct fs_name){target, sizeof(target)},
			    &attr));
	CHECK_OK(fs_sync(x));
	snapshot();
	recover(true);
	snprintf(command, sizeof(command), PATH "debugfs -R 'cat /link' '%%s'.crash 2>/dev/null");
	CHECK_OK(fixture_run(out, sizeof(out), command));
	CHECK(!memcmp(out, target, sizeof(target)));
	fixture_unmount_check();
	crash_end();
}

TEST(unmounted_image_has_an_empty_log)
{
	struct exec *x;

	fixture_make(64, NULL, NULL);
	x = fixture_mount();
	mk_some(x, "a", 10);
	fixture_unmount_check();
	sh("dumpe2fs -h $i >$i.log; ! grep -q needs_recovery $i.log; "
	   "grep -q 'Journal start: *0$' $i.log; grep -q 'Filesystem state: *clean$' $i.log");
	x = fixture_mount();
	sh("dumpe2fs -h $i >$i.log; grep -q needs_recovery $i.log");
	fixture_unmount_check();
	crash_end();
}

/* ---- freed blocks */
static u32 number(const char *command)
{
	char out[400];

	CHECK_OK(fixture_run(out, sizeof(out), command));
	return (u32)atol(out);
}

/* Whether a file of the copy holds the pattern. */
static void check_copy(const char *name, u32 seed, u32 size)
{
	char command[300], path[300];
	u8 *got = malloc(size);
	FILE *file;

	snprintf(command, sizeof(command), "debugfs -R \"dump %s $i.log\" $i.crash 2>&1", name);
	sh(command);
	snprintf(path, sizeof(path), "%s.log", fixture_image());
	file = fopen(path, "rb");
	CHECK(file);
	CHECK_EQ(fread(got, 1, size, file), size);
	fclose(file);
	for (u32 i = 0; i < size; i++)
		if (got[i] != util_byte(seed, i))
			test_fail(__FILE__, __LINE__, "byte %u of %s is not its own", i, name);
	free(got);
}

/* The log still has the directory's block: a revoke record keeps it from coming back. */
TEST(freed_metadata_that_has_become_data_is_not_brought_back)
{
	struct exec *x;
	u32 block, reused = 0;
	char command[300];
	node_t d;

	fixture_make(24, "-J size=4 -m 0", NULL);
	x = fixture_mount();
	d = mkd(x, FS_ROOT, "d");
	mk(x, d, "in-it");
	CHECK_OK(fs_sync(x));
	snapshot();
	sh("e2fsck -fy -E journal_only $i.crash >/dev/null");
	block = number(PATH "debugfs -R 'bmap d 0' '%s'.crash 2>/dev/null");
	CHECK(block);
	CHECK_OK(fs_unlink(x, d, nm("in-it")));
	CHECK_OK(fs_rmdir(x, FS_ROOT, nm("d")));
	CHECK_OK(fs_sync(x));
	for (u32 i = 0; i < 10; i++) {
		char name[10];
		node_t f;

		snprintf(name, sizeof(name), "f%u", i);
		f = util_create(x, name);
		util_write_pattern(x, f, i + 1, 0, 1500000);
		CHECK_OK(fs_fsync(x, f, false));
	}
	snapshot();
	recover(true);
	snprintf(command, sizeof(command),
		 PATH "debugfs -R 'icheck %u' '%%s'.crash 2>/dev/null | awk 'NR == 2 {print $2}'",
		 block);
	reused = number(command);
	CHECK(reused > 11); /* an inode has it: this test tests something */
	for (u32 i = 0; i < 10; i++) {
		snprintf(command, sizeof(command), "/f%u", i);
		check_copy(command, i + 1, 1500000);
	}
	fixture_unmount_check();
	crash_end();
}

/* A crash brings the unlinked file back, with its data, though there was little other room. */
TEST(blocks_are_not_reused_before_their_freeing_is_committed)
{
	struct exec *x;
	u32 committed;
	node_t f, g;

	fixture_make(32, "-J size=4 -m 0", NULL);
	x = fixture_mount();
	f = util_create(x, "f");
	util_write_pattern(x, f, 3, 0, 15000000);
	CHECK_OK(fs_fsync(x, f, false));
	CHECK_OK(util_unlink(x, "f"));
	g = util_create(x, "g");
	util_write_pattern(x, g, 4, 0, 5000000);
	/* its data is written, with no commit: first marked old, then written */
	x->pool->hdr->age_ms -= 6000;
	CHECK(cache_writeback(x, ~0u) >= 0);
	CHECK(cache_writeback(x, ~0u) >= 1000);
	snapshot();
	recover(true);
	check_copy("/f", 3, 15000000);
	CHECK(!has("/g"));
	/* the rest fits only where f was: that waits for a commit, and does not fail */
	committed = journal_of(x)->committed;
	util_write_pattern(x, g, 4, 5000000, 15000000);
	CHECK(journal_of(x)->committed != committed);
	util_check_pattern(x, g, 4, 0, 20000000);
	fixture_unmount_check();
	crash_end();
}

/* ---- fdatasync */
/* Commits, writes and flushes that an fdatasync makes. */
struct made {
	u64 writes, flushes;
	bool commit;
};

static struct made datasync(struct exec *x, node_t f)
{
	struct plat_posix_counts a, b;
	u32 committed = journal_of(x)->committed;

	plat_posix_counts(fixture_plat(), &a);
	CHECK_OK(fs_fsync(x, f, true));
	plat_posix_counts(fixture_plat(), &b);
	return (struct made){b.writes - a.writes, b.flushes - a.flushes,
			     journal_of(x)->committed != committed};
}

TEST(sync_flushes_data_whose_times_are_committed_already)
{
	struct plat_posix_counts a, b;
	struct exec *x;
	node_t f, g;

	fixture_make(64, NULL, NULL);
	x = fixture_mount();
	f = util_create(x, "f");
	util_write_pattern(x, f, 1, 0, 20000);
	CHECK_OK(fs_sync(x));
	util_write_pattern(x, f, 2, 0, 20000); /* where it was: no commit waits for it */
	g = util_create(x, "g");
	CHECK_OK(fs_fsync(x, g, false));
	plat_posix_counts(fixture_plat(), &a);
	CHECK_OK(fs_sync(x));
	plat_posix_counts(fixture_plat(), &b);
	CHECK_EQ(b.blocks_written - a.blocks_written, 5);
	CHECK_EQ(b.flushes - a.flushes, 1);
	fixture_unmount_check();
}

TEST(fdatasync_commits_what_finds_the_data_and_nothing_else)
{
	struct fs_setattr times = {.valid = FS_SET_MTIME, .mtime = {.sec = 1000}};
	struct fs_setattr owner = {.valid = FS_SET_MODE | FS_SET_UID | FS_SET_GID,
				   .mode = 0640,
				   .uid = 70000,
				   .gid = 80000};
	struct fs_attr attr;
	struct made m;
	struct exec *x;
	node_t f;

	fixture_make(64, NULL, NULL);
	x = fixture_mount();
	f = util_create(x, "f");
	CHECK(datasync(x, f).commit); /* it is new */
	util_write_pattern(x, f, 1, 0, 20000);
	CHECK(datasync(x, f).commit); /* it has grown */
	m = datasync(x, f);
	CHECK(!m.writes && !m.flushes); /* nothing has changed */
	CHECK_OK(fs_setattr(x, f, &times, &attr));
	m = datasync(x, f);
	CHECK(!m.writes && !m.flushes); /* no data is behind that, */
	CHECK_OK(fs_setattr(x, f, &owner, &attr));
	m = datasync(x, f);
	CHECK(!m.writes && !m.flushes); /* nor behind that */
	util_write_pattern(x, f, 2, 0, 20000);
	m = datasync(x, f);
	CHECK(m.writes && m.flushes && !m.commit); /* its place was known */
	snapshot();
	CHECK_OK(util_truncate(x, f, 30000));
	CHECK(datasync(x, f).commit);
	CHECK_OK(fs_fallocate(x, f, FS_FALLOC_KEEP_SIZE, 40960, 8192));
	CHECK(datasync(x, f).commit);
	CHECK_OK(fs_fallocate(x, f, FS_FALLOC_PUNCH_HOLE | FS_FALLOC_KEEP_SIZE, 0, 4096));
	CHECK(datasync(x, f).commit);
	CHECK_OK(fs_setattr(x, f, &times, &attr));
	CHECK(!datasync(x, f).commit);
	CHECK_OK(fs_fsync(x, f, false));
	m = datasync(x, f);
	CHECK(!m.writes && !m.flushes);
	CHECK_EQ(journal_of(x)->committed, journal_of(x)->running - 2);
	recover(true);
	check_copy("/f", 2, 20000);
	fixture_unmount_check();
	crash_end();
}

/* ---- the medium fails */
TEST(failed_log_write_aborts_the_journal)
{
	struct exec *x;
	struct fs_attr attr;
	node_t f;

	fixture_make(64, NULL, NULL);
	x = fixture_mount();
	plat_posix_log_level(fixture_plat(), PLAT_ERR - 1);
	mk_some(x, "a", 10);
	CHECK_OK(fs_sync(x));
	f = mk(x, FS_ROOT, "b");
	plat_posix_fail(fixture_plat(), PLAT_WRITE, 1, 1);
	CHECK_EQ(fs_fsync(x, f, false), -MP_EIO);
	CHECK_EQ(fs_mknod(x, FS_ROOT, nm("c"), REG | 0644, 0, false, &attr), -MP_EROFS);
	CHECK_EQ(fs_fsync(x, f, false), -MP_EIO);
	CHECK(look(x, FS_ROOT, "b"));
	CHECK_EQ(fs_sync(x), -MP_EIO);
	CHECK(fs_unmount(x) < 0);
	fixture_crash();
	snapshot();
	recover(true);
	CHECK(has("/a9") && !has("/b") && !has("/c"));
	crash_end();
}

/* ---- who commits dies, at every step, and another goes on */
static jmp_buf dead;

static void die(void *arg)
{
	(void)arg;
	longjmp(dead, 1);
}

/* What there is to commit; some of it is logged and home already, some freed. */
static void something(struct exec *x, u32 n)
{
	char name[40];
	node_t f, d;

	snprintf(name, sizeof(name), "s%u", n);
	f = util_create(x, name);
	util_write_pattern(x, f, n + 1, 0, 9000);
	snprintf(name, sizeof(name), "d%u", n);
	d = mkd(x, FS_ROOT, name);
	mk(x, d, "in-it");
	if (n < 3)
		return;
	snprintf(name, sizeof(name), "d%u", n - 2);
	d = look(x, FS_ROOT, name);
	CHECK_OK(fs_unlink(x, d, nm("in-it")));
	CHECK_OK(fs_rmdir(x, FS_ROOT, nm(name)));
}

static void death_in_commit(u32 stride)
{
	static struct exec y; /* outlives the jump */
	static u32 step;
	struct exec *x;
	char name[40];
	bool cut = true;

	fixture_make(64, NULL, NULL);
	x = fixture_mount();
	for (step = 1; cut; step += stride) {
		node_t f;

		something(x, step);
		fixture_join(&y);
		plat_posix_on_cut(fixture_plat(), die, NULL);
		y.cut = step;
		cut = setjmp(dead);
		if (!cut) {
			CHECK_OK(fs_sync(&y));
			y.cut = 0;
			fixture_leave(&y);
		} else {
			CHECK_OK(exec_recover(x, y.id));
		}
		/* others change what the dead one was committing */
		snprintf(name, sizeof(name), "s%u", step);
		f = look(x, FS_ROOT, name);
		util_write_pattern(x, f, step + 1, 9000, 5000);
		if (step % 50 == 1) {
			snapshot();
			recover(true);
		}
		CHECK_OK(fs_fsync(x, f, false));
		if (step % 20 == 1) {
			snapshot();
			recover(true);
			snprintf(name, sizeof(name), "/s%u", step);
			check_copy(name, step + 1, 14000);
		}
	}
	if (test_verbose())
		fprintf(stderr, "%u steps\n", step);
	CHECK(step > 100);
	for (u32 i = 1; i < step; i += stride) {
		snprintf(name, sizeof(name), "s%u", i);
		util_check_pattern(x, look(x, FS_ROOT, name), i + 1, 0, 14000);
	}
	fixture_unmount_check();
	crash_end();
}

TEST_TIMED(death_of_the_committer_at_every_step, 200)
{
	death_in_commit(1);
}
