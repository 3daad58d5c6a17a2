/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Operations that find their transaction full are rolled back and run again in the next one
 * (-ERETRY), and who waits for a commit that nobody is at goes on with it (journal_help).
 */
#include <setjmp.h>

#include "journal/journal.h"
#include "platform/atomic.h"
#include "tests/fs/file_util.h"
#include "tests/fs/names_util.h"
#include "tests/fs/pool_check.h"

static struct fs_attr attr;
static u8 data[40000];

/* ---- every operation, with room for k more buffers */
struct stage {
	node_t dir, sub, file, other;
};

static void stage_make(struct exec *x, struct stage *s, u32 n)
{
	char name[20];

	snprintf(name, sizeof(name), "stage%u", n);
	s->dir = mkd(x, FS_ROOT, name);
	s->sub = mkd(x, s->dir, "sub");
	CHECK(mkd(x, s->dir, "empty"));
	s->file = mk(x, s->dir, "file");
	s->other = mk(x, s->sub, "other");
	CHECK_EQ(util_write(x, s->file, 0, data, 30000), 30000);
	CHECK_EQ(util_write(x, s->other, 5000, data, 9000), 9000);
	CHECK_OK(fs_setxattr(x, s->other, nm("user.large"), data, 2000, 0));
}

static int op_create(struct exec *x, struct stage *s)
{
	return fs_mknod(x, s->dir, nm("new"), REG | 0600, 0, false, &attr);
}
static int op_mkdir(struct exec *x, struct stage *s)
{
	return fs_mkdir(x, s->dir, nm("new"), 0700, &attr);
}
static int op_symlink(struct exec *x, struct stage *s)
{
	char target[800];

	memset(target, 't', sizeof(target));
	return fs_symlink(x, s->dir, nm("new"), (struct fs_name){target, sizeof(target)}, &attr);
}
static int op_link(struct exec *x, struct stage *s)
{
	return fs_link(x, s->file, s->sub, nm("new"), &attr);
}
static int op_unlink(struct exec *x, struct stage *s)
{
	return fs_unlink(x, s->sub, nm("other"));
}
static int op_rmdir(struct exec *x, struct stage *s)
{
	return fs_rmdir(x, s->dir, nm("empty"));
}
static int op_rename(struct exec *x, struct stage *s)
{
	return mv(x, s->dir, "file", s->sub, "other", 0);
}
static int op_rename_dir(struct exec *x, struct stage *s)
{
	return mv(x, s->dir, "empty", s->sub, "moved", 0);
}
static int op_chmod(struct exec *x, struct stage *s)
{
	struct fs_setattr set = {.valid = FS_SET_MODE, .mode = 0400};

	return fs_setattr(x, s->file, &set, &attr);
}
static int op_shrink(struct exec *x, struct stage *s)
{
	return util_truncate(x, s->file, 5000);
}
static int op_setxattr(struct exec *x, struct stage *s)
{
	return fs_setxattr(x, s->file, nm("user.large"), data, 2500, 0);
}
static int op_removexattr(struct exec *x, struct stage *s)
{
	return fs_removexattr(x, s->other, nm("user.large"));
}
static int op_write(struct exec *x, struct stage *s)
{
	u64 pos = 20000;
	int n = util_write_once(x, s->file, &pos, 0, data, 40000, 20000 & 4095);

	return n == 40000 ? 0 : n < 0 ? n : -MP_EIO;
}
static int op_append(struct exec *x, struct stage *s)
{
	u64 pos = 0;
	int n = util_write_once(x, s->other, &pos, FS_WRITE_APPEND, data, 20000, 0);

	return n == 20000 && pos == 14000 ? 0 : n < 0 ? n : -MP_EIO;
}
static int op_preallocate(struct exec *x, struct stage *s)
{
	return fs_fallocate(x, s->file, 0, 10000, 200000);
}
static int op_punch(struct exec *x, struct stage *s)
{
	return fs_fallocate(x, s->file, FS_FALLOC_PUNCH_HOLE | FS_FALLOC_KEEP_SIZE, 6000, 9000);
}
static int op_zero(struct exec *x, struct stage *s)
{
	return fs_fallocate(x, s->file, FS_FALLOC_ZERO_RANGE, 6000, 90000);
}
static int op_copy(struct exec *x, struct stage *s)
{
	u64 n;
	int err = fs_copy_range(x, s->file, 0, s->other, 4096, 12288, &n);

	return err ? err : n == 12288 ? 0 : -MP_EIO;
}
static int op_tmpfile(struct exec *x, struct stage *s)
{
	int err = fs_tmpfile(x, s->dir, 0600, &attr);
	node_t node = attr.node;

	if (!err)
		err = fs_link(x, node, s->dir, nm("new"), &attr);
	return err ? err : fs_release(x, node);
}

/* What can be seen of a stage, as one number. */
static u64 sum(struct exec *x, node_t dir)
{
	struct listing l = list_dir(x, dir, 50, false);
	u64 all = 0;

	for (u32 i = 2; i < l.n; i++) {
		node_t node = look(x, dir, l.e[i].name);
		struct fs_attr a = stat_of(x, node);
		u64 h = a.mode * 31 + a.nlink * 37 + a.size * 41 + a.blocks * 43;

		for (const char *p = l.e[i].name; *p; p++)
			h = h * 131 + (u8)*p;
		if ((a.mode & 0xF000) == 0x4000)
			h += sum(x, node) * 53;
		if ((a.mode & 0xF000) == 0x8000) {
			static u8 buf[1 << 20];
			s64 n = util_read(x, node, 0, buf, sizeof(buf));

			CHECK_EQ(n, (s64)a.size);
			for (s64 k = 0; k < n; k++)
				h = h * 131 + buf[k];
		}
		all += h; /* in any order */
	}
	free(l.e);
	return all;
}

static void full_at_every_buffer(const char *name, int (*run)(struct exec *, struct stage *))
{
	struct stage s;
	struct exec *x;
	node_t filler;
	u64 after;
	u32 k, n = 0;

	for (u32 i = 0; i < sizeof(data); i++)
		data[i] = (u8)(i * 7 + i / 251);
	fixture_pool_size(8);
	fixture_make(64, "-J size=4", NULL);
	x = fixture_mount();
	filler = mk(x, FS_ROOT, "filler");
	stage_make(x, &s, n++);
	CHECK_OK(run(x, &s));
	after = sum(x, s.dir);
	for (k = 0; k < journal_of(x)->hard; k++) {
		struct journal *j = journal_of(x);

		stage_make(x, &s, n++);
		CHECK_OK(fs_sync(x));
		CHECK_OK(op_link(x, &(struct stage){.file = filler, .sub = FS_ROOT}));
		CHECK_OK(fs_unlink(x, FS_ROOT, nm("new")));
		x->retry = 0;
		atomic_store(&j->nbuffers, j->hard - k);
		CHECK_OK(run(x, &s));
		if (!x->retry)
			break;
		pool_check(x);
		if (sum(x, s.dir) != after)
			test_fail(__FILE__, __LINE__, "%s: %u buffers: not what it does else", name,
				  k);
	}
	if (test_verbose())
		fprintf(stderr, "%s: %u buffers\n", name, k);
	CHECK(k && k < journal_of(x)->hard);
	fixture_unmount_check();
}

#define FULL(op)                                                                                   \
	TEST(full_transaction_in_##op)                                                             \
	{                                                                                          \
		full_at_every_buffer(#op, op_##op);                                                \
	}

FULL(create)
FULL(mkdir)
FULL(symlink)
FULL(link)
FULL(unlink)
FULL(rmdir)
FULL(rename)
FULL(rename_dir)
FULL(chmod)
FULL(shrink)
FULL(setxattr)
FULL(removexattr)
FULL(write)
FULL(append)
FULL(preallocate)
FULL(punch)
FULL(zero)
FULL(copy)
FULL(tmpfile)

/* All that was counted is gone again. */
TEST(full_transaction_without_a_buffer)
{
	struct exec *x;

	fixture_make(32, NULL, NULL);
	x = fixture_mount();
	CHECK_OK(fs_sync(x));
	atomic_store(&journal_of(x)->nbuffers, journal_of(x)->hard);
	mk(x, FS_ROOT, "new");
	CHECK(x->retry);
	fixture_unmount_check();
}

/* ---- a write that needs several transactions is not short */
static node_t numbered(struct exec *x, u32 i)
{
	char name[20];

	snprintf(name, sizeof(name), "f%u", i);
	return util_create(x, name);
}

/*
 * The first part of the write gets the few free blocks, which lie scattered, so that a tx has room
 * for no more; the rest fits only where `big` was, which has to be committed before.
 */
static void write_on_where_blocks_are_freed(u32 flags)
{
	static u8 buf[FS_IO_MAX];
	struct exec *x;
	node_t big, f;
	u64 pos = 0;
	char name[20];

	fixture_make(32, "-J size=4 -m 0", NULL);
	x = fixture_mount();
	f = util_create(x, "f");
	for (u32 i = 0; i < 100; i++)
		util_write_pattern(x, numbered(x, i), 1, 0, 4096);
	big = util_create(x, "big");
	util_write_pattern(x, big, 2, 0, 2 << 20);
	CHECK_OK(fs_fallocate(x, util_create(x, "rest"), 0, 0, util_free_blocks(x) * 4096));
	CHECK_EQ(util_free_blocks(x), 0);
	for (u32 i = 0; i < 60; i += 2) {
		snprintf(name, sizeof(name), "f%u", i);
		CHECK_OK(util_unlink(x, name));
	}
	CHECK_OK(fs_sync(x));
	CHECK_OK(util_unlink(x, "big"));
	util_fill(buf, 5, 0, sizeof(buf));
	x->retry = 0;
	CHECK_EQ(util_write_once(x, f, &pos, flags, buf, sizeof(buf), 0), FS_IO_MAX);
	CHECK(x->retry); /* this test tests something */
	util_check_pattern(x, f, 5, 0, FS_IO_MAX);
	fixture_unmount_check();
}

TEST(write_goes_on_in_the_next_transaction)
{
	write_on_where_blocks_are_freed(0);
}

TEST(append_goes_on_in_the_next_transaction)
{
	write_on_where_blocks_are_freed(FS_WRITE_APPEND);
}

/* ---- revoke records */
TEST(operation_that_frees_too_much_metadata_waits_for_the_next_transaction)
{
	struct journal *j;
	struct exec *x;
	u32 tid;

	fixture_make(32, "-J size=4", NULL);
	x = fixture_mount();
	j = journal_of(x);
	for (u32 i = 0; i < 3; i++) {
		node_t d = mkd(x, FS_ROOT, "d");

		mk(x, d, "in-it");
		CHECK_OK(fs_unlink(x, d, nm("in-it")));
		CHECK_OK(fs_sync(x)); /* the log has its block */
		tid = j->running;
		x->retry = 0;
		/* of what is freed here one is the limit's last, or one too much */
		atomic_store(&j->nrevokes, (j->blocks - j->first) / 16 * 509 - 1 + i);
		CHECK_OK(fs_rmdir(x, FS_ROOT, nm("d")));
		CHECK_EQ(x->retry, i ? tid : 0);
		CHECK_EQ(j->running, i ? tid + 2 : tid);
		CHECK_OK(fs_sync(x));
	}
	fixture_unmount_check();
}

/* ---- who commits has died, and others wait for what it was about to do */
static jmp_buf dead;

static void die(void *arg)
{
	(void)arg;
	longjmp(dead, 1);
}

/* Somebody dies committing what f was changed by, between two steps: the transaction is sealed, its
 * file data is not written. False: there are no more such steps. */
static bool die_in_commit(struct exec *x, u32 *step)
{
	static struct exec y; /* outlives the jump */
	static u32 at;
	struct journal *j = journal_of(x);

	for (at = *step;; at++) {
		CHECK_OK(util_truncate(x, util_lookup(x, "f"), 0));
		util_write_pattern(x, util_lookup(x, "f"), 3, 0, 20000);
		fixture_join(&y);
		plat_posix_on_cut(fixture_plat(), die, NULL);
		y.cut = at;
		if (!setjmp(dead)) {
			CHECK_OK(fs_sync(&y));
			y.cut = 0;
			fixture_leave(&y);
			return false;
		}
		CHECK_OK(exec_recover(x, y.id));
		if (j->state == JOURNAL_COMMITTING && j->running != j->committing &&
		    j->ordered != j->committing && x->pool->hdr->gate) {
			*step = at + 1;
			return true;
		}
		CHECK_OK(fs_sync(x));
	}
}

TEST_TIMED(who_waits_for_file_data_goes_on_with_a_dead_committers_work, 120)
{
	struct exec *x;
	u32 step = 1, n;

	fixture_make(32, NULL, NULL);
	x = fixture_mount();
	CHECK(util_create(x, "f"));
	for (n = 0; n < 4 && die_in_commit(x, &step); n++) {
		u32 tid = journal_of(x)->committing;

		/* one of the pages that were to be written is dirty again: now it would be dropped
		 */
		CHECK_EQ(util_write(x, util_lookup(x, "f"), 4096, data, 4096), 4096);
		CHECK_OK(util_truncate(x, util_lookup(x, "f"), 0));
		CHECK(tid_reached(journal_of(x)->committed, tid));
	}
	CHECK(n);
	fixture_unmount_check();
}

TEST_TIMED(who_finds_no_frame_for_a_copy_goes_on_with_a_dead_committers_work, 120)
{
	struct fs_setattr set = {.valid = FS_SET_MODE, .mode = 0400};
	static struct frame *hoard[20000];
	struct exec *x;
	u32 step = 1, n;

	fixture_pool_size(4);
	fixture_make(32, NULL, NULL);
	x = fixture_mount();
	CHECK(util_create(x, "f"));
	for (n = 0; n < 4 && die_in_commit(x, &step); n++) {
		u32 tid = journal_of(x)->committing, held = 0;
		node_t f = util_lookup(x, "f");

		while (held < array_size(hoard) && !frame_alloc(x, &hoard[held]))
			held++;
		CHECK_OK(fs_setattr(x, f, &set, &attr));
		CHECK(tid_reached(journal_of(x)->committed, tid));
		while (held)
			frame_unpin(x, hoard[--held]);
		CHECK_EQ(stat_of(x, f).mode & 07777, set.mode);
		set.mode ^= 0200;
	}
	CHECK(n);
	fixture_unmount_check();
}
