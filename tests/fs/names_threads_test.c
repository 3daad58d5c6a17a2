/* SPDX-License-Identifier: BSD-2-Clause */
/* Several executors work on the same directories at once; e2fsck judges what they leave. */
#include <pthread.h>

#include "tests/fs/names_util.h"

#define THREADS 4u
#define DIRS 6u

static struct {
	node_t dirs[DIRS];
	u32 rounds;
	u32 done[THREADS];
} work;

struct worker {
	u32 number;
	u32 seed;
	struct exec x;
	pthread_t thread;
};

/* What may come of an operation on names that others change meanwhile. */
static void allowed(int err)
{
	switch (err) {
	case 0:
	case -MP_ENOENT:
	case -MP_EEXIST:
	case -MP_ENOTDIR:
	case -MP_EISDIR:
	case -MP_ENOTEMPTY:
	case -MP_EINVAL:
	case -MP_ESTALE:
	case -MP_EPERM:
		return;
	}
	test_fail(__FILE__, __LINE__, "error %d", err);
}

static bool ignore_entry(void *arg, const struct fs_dirent *entry)
{
	(void)entry;
	return (*(u32 *)arg)--;
}

static void one_round(struct worker *w)
{
	struct exec *x = &w->x;
	node_t d1 = work.dirs[rnd(&w->seed) % DIRS], d2 = work.dirs[rnd(&w->seed) % DIRS];
	char n1[80], n2[80];
	struct fs_attr attr;
	u32 room = 50;
	int err;

	snprintf(n1, sizeof(n1), "name%u", rnd(&w->seed) % 60);
	snprintf(n2, sizeof(n2), "name%u", rnd(&w->seed) % 60);
	switch (rnd(&w->seed) % 12) {
	case 0:
	case 1:
		allowed(fs_mknod(x, d1, nm(n1), REG | 0600, 0, false, &attr));
		break;
	case 2:
		err = fs_mknod(x, d1, nm(n1), REG | 0600, 0, true, &attr);
		allowed(err);
		if (!err)
			CHECK_OK(fs_release(x, attr.node));
		break;
	case 3:
		allowed(fs_mkdir(x, d1, nm(n1), 0700, &attr));
		break;
	case 4:
		allowed(fs_unlink(x, d1, nm(n1)));
		break;
	case 5:
		allowed(fs_rmdir(x, d1, nm(n1)));
		break;
	case 6:
	case 7:
		allowed(fs_rename(x, d1, nm(n1), d2, nm(n2), 0));
		break;
	case 8:
		allowed(fs_rename(x, d1, nm(n1), d2, nm(n2), FS_RENAME_EXCHANGE));
		break;
	case 9:
		err = fs_lookup(x, d1, nm(n1), &attr);
		allowed(err);
		if (!err)
			allowed(fs_link(x, attr.node, d2, nm(n2), &attr));
		break;
	case 10:
		allowed(fs_readdir(x, d1, 0, true, ignore_entry, &room));
		break;
	case 11:
		allowed(fs_lookup(x, d1, nm(n1), &attr));
		allowed(fs_lookup(x, d1, nm(".."), &attr));
		break;
	}
}

static void *run(void *arg)
{
	struct worker *w = arg;

	for (u32 i = 0; i < work.rounds; i++)
		one_round(w);
	work.done[w->number] = 1;
	return NULL;
}

static void with_threads(void *(*body)(void *))
{
	struct worker w[THREADS];
	u32 i;

	for (i = 0; i < THREADS; i++) {
		w[i].number = i;
		w[i].seed = test_seed() + i;
		fixture_join(&w[i].x);
		CHECK_OK(pthread_create(&w[i].thread, NULL, body, &w[i]));
	}
	for (i = 0; i < THREADS; i++) {
		pthread_join(w[i].thread, NULL);
		fixture_leave(&w[i].x);
		CHECK(work.done[i]);
	}
}

/* Directories in each other and beside each other, and their subdirectories that come and go. */
TEST(random_names_from_four_executors)
{
	struct exec *x;
	u32 i, k;

	fixture_make(64, NULL, NULL);
	x = fixture_mount();
	work.dirs[0] = FS_ROOT;
	work.dirs[1] = mkd(x, FS_ROOT, "one");
	work.dirs[2] = mkd(x, work.dirs[1], "two");
	work.dirs[3] = mkd(x, work.dirs[2], "three");
	work.dirs[4] = mkd(x, FS_ROOT, "four");
	work.dirs[5] = mkd(x, work.dirs[4], "five");
	work.rounds = 5000;
	with_threads(run);
	for (i = 0; i < DIRS; i++) {
		struct listing l = list_dir(x, work.dirs[i], 1000, true);

		/* what is listed is found, and the other way round, without and with the cache */
		for (k = 2; k < l.n; k++)
			CHECK_EQ(look(x, work.dirs[i], l.e[k].name), l.e[k].attr.node);
		free(l.e);
	}
	fixture_unmount_check();
}

/* Directories move below each other while the same is tried the other way round. */
static void *move_trees(void *arg)
{
	struct worker *w = arg;
	struct exec *x = &w->x;
	char n1[8], n2[8];

	for (u32 i = 0; i < work.rounds; i++) {
		u32 a = rnd(&w->seed) % DIRS, b = rnd(&w->seed) % DIRS, c = rnd(&w->seed) % DIRS;

		/* directory b is somewhere, by the name b: try all places */
		snprintf(n1, sizeof(n1), "%u", b);
		snprintf(n2, sizeof(n2), "%u", b);
		allowed(fs_rename(x, work.dirs[a], nm(n1), work.dirs[c], nm(n2),
				  rnd(&w->seed) % 4 ? FS_RENAME_NOREPLACE : 0));
	}
	work.done[w->number] = 1;
	return NULL;
}

TEST(trees_moved_into_each_other_stay_trees)
{
	struct exec *x;
	char name[8];
	u32 i;

	fixture_make(64, NULL, NULL);
	x = fixture_mount();
	work.dirs[0] = FS_ROOT;
	for (i = 1; i < DIRS; i++) {
		snprintf(name, sizeof(name), "%u", i);
		work.dirs[i] = mkd(x, FS_ROOT, name);
	}
	work.rounds = 5000;
	with_threads(move_trees);
	for (i = 1; i < DIRS; i++) {
		node_t d = work.dirs[i];
		u32 depth = 0;

		for (; d != FS_ROOT; depth++) {
			CHECK(depth < DIRS);
			d = look(x, d, "..");
		}
	}
	fixture_unmount_check();
}

/* Everybody makes and removes in one directory that grows through its index. */
static void *grow(void *arg)
{
	struct worker *w = arg;
	struct fs_attr attr;
	char name[64];

	for (u32 i = 0; i < work.rounds; i++) {
		snprintf(name, sizeof(name), "a-file-of-executor-%u-number-%u", w->number, i);
		CHECK_OK(fs_mknod(&w->x, work.dirs[0], nm(name), REG | 0600, 0, false, &attr));
		if (i % 3 == 2) {
			snprintf(name, sizeof(name), "a-file-of-executor-%u-number-%u", w->number,
				 i / 2);
			allowed(fs_unlink(&w->x, work.dirs[0], nm(name)));
		}
		if (i % 7 == 0) {
			snprintf(name, sizeof(name), "a-file-of-executor-%u-number-%u",
				 (w->number + 1) % THREADS, i / 2);
			allowed(fs_lookup(&w->x, work.dirs[0], nm(name), &attr));
		}
	}
	work.done[w->number] = 1;
	return NULL;
}

TEST(one_directory_grows_from_four_executors)
{
	struct listing l;
	struct exec *x;
	u32 i, names = 0;

	fixture_make(128, "-N 20000", NULL);
	x = fixture_mount();
	work.dirs[0] = mkd(x, FS_ROOT, "d");
	work.rounds = 2000;
	with_threads(grow);
	l = list_dir(x, work.dirs[0], 1000, false);
	for (i = 2; i < l.n; i++) {
		CHECK(look(x, work.dirs[0], l.e[i].name));
		names++;
	}
	/* i / 2 for i = 2, 5, 8, ...: every third step takes one away, each another */
	CHECK_EQ(names, THREADS * (work.rounds - work.rounds / 3));
	free(l.e);
	fixture_unmount_check();
}

/* A file exists under one of two names at any moment: whoever looks for both sees at least one. */
static void *flip(void *arg)
{
	struct worker *w = arg;
	struct fs_attr attr;

	for (u32 i = 0; i < work.rounds; i++) {
		if (w->number < 2) {
			allowed(fs_rename(&w->x, FS_ROOT, nm(i & 1 ? "left" : "right"), FS_ROOT,
					  nm(i & 1 ? "right" : "left"), FS_RENAME_NOREPLACE));
		} else {
			int e1 = fs_lookup(&w->x, FS_ROOT, nm("fixed"), &attr);

			CHECK_OK(e1);
			allowed(fs_lookup(&w->x, FS_ROOT, nm("left"), &attr));
			allowed(fs_lookup(&w->x, FS_ROOT, nm("right"), &attr));
		}
	}
	work.done[w->number] = 1;
	return NULL;
}

TEST(names_that_stay_are_always_found)
{
	struct exec *x;

	fixture_make(64, NULL, NULL);
	x = fixture_mount();
	mk(x, FS_ROOT, "left");
	mk(x, FS_ROOT, "fixed");
	work.rounds = 20000;
	with_threads(flip);
	CHECK((look(x, FS_ROOT, "left") != 0) != (look(x, FS_ROOT, "right") != 0));
	fixture_unmount_check();
}
