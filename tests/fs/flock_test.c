/* SPDX-License-Identifier: BSD-2-Clause */
/* The table of locks on files: random ranges against a model, and executors that die in it. */
#include <setjmp.h>

#include "fs/flock.h"
#include "fs/super.h"
#include "platform/errno.h"
#include "pool/exec.h"
#include "tests/fs/names_util.h"

#define OWNERS 6u
#define BYTES 48u

static u32 used(struct exec *x)
{
	const struct flock_table *t = exec_ptr(x, fs_of(x)->flocks);

	return t->used;
}

static int set(struct exec *x, u32 host, u64 owner, u32 type, u64 start, u64 end, bool wait)
{
	const struct fs_lock lock = {.node = 77,
				     .owner = owner,
				     .fh = owner,
				     .start = start,
				     .end = end,
				     .type = type,
				     .kind = FS_LOCK_POSIX};

	x->host = host;
	return fs_setlk(x, &lock, wait, 1000 + owner, 100);
}

/* ---- against a model: what each owner holds of each byte */
struct model {
	u32 type[OWNERS][BYTES];
};

static bool model_conflict(const struct model *m, u32 owner, u32 type, u32 start, u32 end, u32 *at)
{
	u32 i, o;

	for (i = start; i <= end; i++)
		for (o = 0; o < OWNERS; o++)
			if (o != owner && m->type[o][i] != FS_LOCK_NONE &&
			    (type == FS_LOCK_WRITE || m->type[o][i] == FS_LOCK_WRITE)) {
				*at = i;
				return true;
			}
	return false;
}

TEST(ranges_are_as_in_the_model)
{
	struct exec *x;
	struct model m;
	u32 round, o, i, at, conflicts = 0;

	fixture_make(16, NULL, NULL);
	x = fixture_mount();
	srand(test_seed());
	for (o = 0; o < OWNERS; o++)
		for (i = 0; i < BYTES; i++)
			m.type[o][i] = FS_LOCK_NONE;
	for (round = 0; round < 20000; round++) {
		const u32 owner = (u32)rand() % OWNERS, type = (u32)rand() % 3;
		const u32 start = (u32)rand() % BYTES;
		const u32 end = start + (u32)rand() % min_of(BYTES - start, 12u);
		struct fs_lock probe = {.node = 77,
					.owner = owner,
					.start = start,
					.end = end,
					.type = FS_LOCK_WRITE,
					.kind = FS_LOCK_POSIX};
		bool conflict;
		int err;

		/* two owners of one number, on two hosts, are two */
		conflict = type != FS_LOCK_NONE && model_conflict(&m, owner, type, start, end, &at);
		err = set(x, 1 + owner % 2, owner / 2, type, start, end, false);
		CHECK_EQ(err, conflict ? -MP_EAGAIN : 0);
		conflicts += conflict;
		for (i = start; !conflict && i <= end; i++)
			m.type[owner][i] = type;
		probe.owner = owner / 2;
		CHECK_OK(fs_getlk(x, &probe));
		conflict = model_conflict(&m, owner, FS_LOCK_WRITE, start, end, &at);
		CHECK_EQ(probe.type != FS_LOCK_NONE, conflict);
		if (conflict)
			CHECK(probe.start <= at && at <= probe.end);
	}
	CHECK(conflicts > 1000 && conflicts < 19000);
	for (o = 1; o <= 2; o++) {
		x->host = o;
		fs_unlock_host(x);
	}
	CHECK_EQ(used(x), 0);
	fixture_unmount_check();
}

/* ---- death at each step */
static jmp_buf dead;

static void die(void *arg)
{
	(void)arg;
	longjmp(dead, 1);
}

/* Splits a range of host 1, which lets owner 5 of host 2 go on. */
static int split(struct exec *x)
{
	return set(x, 1, 1, FS_LOCK_NONE, 10, 19, false);
}

static int end_of_host(struct exec *x)
{
	x->host = 1;
	fs_unlock_host(x);
	return 0;
}

static bool one_step(struct exec *x, int (*run)(struct exec *x), u32 step)
{
	static struct exec y; /* outlives the jump */
	int error = 1;
	bool cut;
	u64 key = 0;

	CHECK_OK(set(x, 1, 1, FS_LOCK_WRITE, 0, 99, false));
	CHECK_EQ(set(x, 2, 5, FS_LOCK_READ, 12, 15, true), 1);
	CHECK_EQ(set(x, 2, 6, FS_LOCK_WRITE, 50, 50, true), 1);
	fixture_join(&y);
	plat_posix_on_cut(fixture_plat(), die, NULL);
	y.cut = step;
	cut = setjmp(dead);
	if (!cut) {
		CHECK_OK(run(&y));
		y.cut = 0;
		fixture_leave(&y);
	} else {
		const u32 *word = fs_lock_word(x->pool), seen = *word;

		CHECK_OK(exec_recover(x, y.id));
		CHECK_OK(run(x)); /* once more does no harm */
		/* who sleeps on the word and was not told is told now */
		CHECK(run != end_of_host || *word != seen);
	}
	CHECK(fs_lock_done(x->pool, 2, &key, &error));
	CHECK_EQ(error, 0);
	if (run == split) {
		CHECK_EQ(key, 1005);
		CHECK(!fs_lock_done(x->pool, 2, &key, &error));
		CHECK_EQ(set(x, 3, 9, FS_LOCK_WRITE, 12, 12, false), -MP_EAGAIN);
		CHECK_EQ(set(x, 3, 9, FS_LOCK_WRITE, 16, 19, false), 0);
		CHECK_EQ(set(x, 3, 9, FS_LOCK_WRITE, 20, 20, false), -MP_EAGAIN);
		CHECK_EQ(set(x, 3, 9, FS_LOCK_WRITE, 9, 9, false), -MP_EAGAIN);
		CHECK_OK(end_of_host(x));
		CHECK(fs_lock_done(x->pool, 2, &key, &error));
		CHECK_EQ(key, 1006);
	} else {
		CHECK(fs_lock_done(x->pool, 2, &key, &error));
	}
	for (u32 host = 1; host <= 3; host++) {
		x->host = host;
		fs_unlock_host(x);
	}
	/* what was answered goes with the next look at the table */
	CHECK_OK(set(x, 3, 9, FS_LOCK_WRITE, 0, 0, false));
	CHECK_OK(set(x, 3, 9, FS_LOCK_NONE, 0, 0, false));
	CHECK_EQ(used(x), 0);
	return cut;
}

static void every_step(int (*run)(struct exec *x))
{
	struct exec *x;
	u32 step = 1;

	fixture_make(16, NULL, NULL);
	x = fixture_mount();
	while (one_step(x, run, step))
		step++;
	CHECK(step > 20);
	fixture_unmount_check();
}

TEST(death_in_a_split_that_ends_a_wait)
{
	every_step(split);
}

TEST(death_in_releasing_all_of_a_host)
{
	every_step(end_of_host);
}
