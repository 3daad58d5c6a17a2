/* SPDX-License-Identifier: BSD-2-Clause */
/* Journals that a mount meets: in many pieces, with fast commits; and what a read-only mount of one
 * that needs recovery leaves. */
#include "journal/journal.h"
#include "tests/fs/file_util.h"
#include "tests/fs/names_util.h"

static const struct fs_mount_opts rw = {0}, ro = {.read_only = true};

/* ---- in many pieces */
/* Every second block of the image's files' blocks is free: what is made next lies there. */
static void make_fragments(u32 files)
{
	struct exec *x;

	fixture_make(64, "-O ^has_journal -m 0 -N 30000", NULL);
	x = fixture_mount();
	for (u32 i = 0; i < files; i++) {
		char name[20];

		snprintf(name, sizeof(name), "f%u", i);
		util_write_pattern(x, util_create(x, name), i + 1, 0, 4096);
	}
	/* nothing is left but these */
	CHECK_OK(fs_fallocate(x, util_create(x, "rest"), 0, 0, util_free_blocks(x) * 4096 - 40960));
	for (u32 i = 0; i < files; i += 2) {
		char name[20];

		snprintf(name, sizeof(name), "f%u", i);
		CHECK_OK(util_unlink(x, name));
	}
	fixture_unmount_check();
	shell(PATH "tune2fs -J size=4 '%s' 2>&1");
}

TEST_TIMED(journal_in_a_thousand_pieces_is_used_and_recovered, 120)
{
	struct exec *x;

	make_fragments(4400);
	x = fixture_mount();
	CHECK(journal_of(x)->nextents > 900);
	for (u32 i = 1; i < 4400; i += 2) {
		char name[20];

		snprintf(name, sizeof(name), "f%u", i);
		CHECK_OK(util_unlink(x, name));
		if (i % 5 == 0)
			CHECK_OK(fs_sync(x));
	}
	CHECK_OK(fs_sync(x));
	CHECK(journal_of(x)->sequence > 250); /* it has gone round */
	fixture_crash();
	x = fixture_mount();
	CHECK(!look(x, FS_ROOT, "f4399") && look(x, FS_ROOT, "rest"));
	fixture_unmount_check();
}

/* ---- mounted read-only */
static bool needs_recovery(void)
{
	return !fixture_run(NULL, 0, PATH "dumpe2fs -h '%s' 2>/dev/null | grep -q needs_recovery");
}

static void crashed(void)
{
	struct exec *x;

	fixture_make(32, NULL, NULL);
	x = fixture_mount();
	mk(x, FS_ROOT, "committed");
	CHECK_OK(fs_sync(x));
	fixture_crash();
	CHECK(needs_recovery());
}

TEST(read_only_mount_that_recovers_leaves_a_clean_image)
{
	struct plat_posix_counts n;

	crashed();
	CHECK_OK(fixture_try_mount(&ro));
	CHECK(look(fixture_exec(), FS_ROOT, "committed"));
	fixture_unmount();
	CHECK(!needs_recovery());
	fixture_fsck();
	/* there is nothing left to do */
	CHECK_OK(fixture_try_mount(&ro));
	plat_posix_counts(fixture_plat(), &n);
	CHECK_EQ(n.writes, 0);
	fixture_unmount();
}

/* The judge of the case above. */
TEST(read_only_mount_by_linux_leaves_a_clean_image_too)
{
	crashed();
	/* the device can be written to: else it would not recover */
	shell(PATH "m=$(mktemp -d) && l=$(losetup -f --show '%s') && mount -o ro $l $m && "
		   "test -e $m/committed && umount $m; s=$?; losetup -d $l; rmdir $m; exit $s");
	CHECK(!needs_recovery());
}

/* ---- fast commits */
TEST(fast_commits_of_linux_are_refused_until_e2fsck_and_tune2fs_have_dealt_with_them)
{
	struct exec *x;

	fixture_make(64, "-O fast_commit", NULL);
	/* a copy of the image while the kernel has it mounted is what a crash leaves */
	shell(PATH "i='%s'; m=$(mktemp -d) && mount -o loop $i $m && : > $m/old && sync -f $m && "
		   "echo new > $m/new && sync $m/new && cp --sparse=always $i $i.copy; s=$?; "
		   "umount $m; rmdir $m; mv $i.copy $i; exit $s");
	shell(PATH "dumpe2fs -h '%s' 2>/dev/null | grep -E 'Journal features:.*(FEATURE_I5|fast)'");
	CHECK_EQ(fixture_try_mount(&rw), -MP_EOPNOTSUPP);
	CHECK_EQ(fixture_try_mount(&ro), -MP_EOPNOTSUPP);
	CHECK(needs_recovery());
	shell(PATH "i='%s'; e2fsck -fy $i; test $? -le 1 && tune2fs -O ^fast_commit $i");
	x = fixture_mount();
	CHECK(look(x, FS_ROOT, "old") && look(x, FS_ROOT, "new"));
	fixture_unmount_check();
}
