/* SPDX-License-Identifier: BSD-2-Clause */
/* Several executors on one pool: the same files, the same groups, the same slots. */
#include <pthread.h>

#include "tests/fs/file_util.h"

#define THREADS 4u
#define ROUNDS 300u
#define LINE 40u

struct worker {
	pthread_t thread;
	struct exec x;
	u32 n;
	node_t log, shared;
};

static void run(void *(*body)(void *), u32 pool_mib)
{
	struct worker w[THREADS];
	struct exec *x;
	u64 blocks, inodes;
	u32 i;

	fixture_make(64, NULL, NULL);
	fixture_pool_size(pool_mib);
	x = fixture_mount();
	blocks = util_free_blocks(x);
	inodes = util_free_inodes(x);
	w[0].log = util_create(x, "log");
	w[0].shared = util_create(x, "shared");
	for (i = 0; i < THREADS; i++) {
		w[i].n = i;
		w[i].log = w[0].log;
		w[i].shared = w[0].shared;
		fixture_join(&w[i].x);
		CHECK_EQ(pthread_create(&w[i].thread, NULL, body, &w[i]), 0);
	}
	for (i = 0; i < THREADS; i++) {
		pthread_join(w[i].thread, NULL);
		fixture_leave(&w[i].x);
	}
	x = fixture_remount();
	CHECK_OK(util_unlink(x, "log"));
	CHECK_OK(util_unlink(x, "shared"));
	CHECK_EQ(util_free_blocks(x), blocks);
	CHECK_EQ(util_free_inodes(x), inodes);
	fixture_unmount_check();
}

/* Lines of all in one log: none torn, none lost, each in its order. */
static void *append_lines(void *arg)
{
	struct worker *w = arg;
	char line[LINE + 1];
	u32 i;

	for (i = 0; i < ROUNDS; i++) {
		u64 pos = 0;

		snprintf(line, sizeof(line), "%-3u%-36u\n", w->n, i);
		CHECK_EQ(util_write_once(&w->x, w->log, &pos, FS_WRITE_APPEND, line, LINE, 0),
			 LINE);
		CHECK_EQ(pos % LINE, 0);
	}
	if (w->n == 0) {
		/* what is there is whole while others append */
		u32 next[THREADS] = {0}, at = 0, size = (u32)util_attr(&w->x, w->log).size;
		char *text = malloc(size + 1);

		CHECK_EQ(util_read(&w->x, w->log, 0, text, size), size);
		for (; at < size; at += LINE) {
			u32 who = 9, nth = 0;

			text[size] = 0;
			CHECK_EQ(sscanf(text + at, "%u %u", &who, &nth), 2);
			CHECK(who < THREADS);
			CHECK_EQ(nth, next[who]);
			next[who]++;
		}
		CHECK_EQ(next[0], ROUNDS);
		free(text);
	}
	return NULL;
}

TEST(appends_of_all_are_all_there)
{
	run(append_lines, 32);
}

/* Each its own files, made, filled, cut, read and removed: allocator, slots and lists are shared.
 */
static void *own_files(void *arg)
{
	struct worker *w = arg;
	struct util_rng r = {w->n + 1};
	char name[20];
	u32 i;

	for (i = 0; i < ROUNDS; i++) {
		u32 seed = w->n * 1000 + i + 1, len = 1 + util_rand(&r, 200000);
		struct fs_attr attr;
		node_t node;

		snprintf(name, sizeof(name), "w%u-%u", w->n, i % 7);
		node = util_create(&w->x, name);
		util_write_pattern(&w->x, node, seed, 0, len);
		CHECK_OK(util_truncate(&w->x, node, len / 2 + 1));
		util_write_pattern(&w->x, node, seed, len, 5000);
		util_check_pattern(&w->x, node, seed, 0, len / 2 + 1);
		CHECK_OK(fs_open(&w->x, node, false, &attr));
		CHECK_OK(util_unlink(&w->x, name));
		util_check_pattern(&w->x, node, seed, len, 5000);
		CHECK_OK(fs_release(&w->x, node));
	}
	return NULL;
}

TEST(own_files_of_all)
{
	run(own_files, 32);
}

TEST(own_files_of_all_in_a_pool_of_6_mib)
{
	run(own_files, 6);
}

/* One file: each writes and punches its own blocks, all read all. */
static void *shared_file(void *arg)
{
	struct worker *w = arg;
	struct util_rng r = {w->n + 77};
	u32 i;

	for (i = 0; i < ROUNDS; i++) {
		u64 pos = ((u64)util_rand(&r, 200) * THREADS + w->n) * 8192;
		u8 buf[8192];

		switch (util_rand(&r, 4)) {
		case 0:
			CHECK_OK(fs_fallocate(&w->x, w->shared,
					      FS_FALLOC_PUNCH_HOLE | FS_FALLOC_KEEP_SIZE, pos,
					      8192));
			if (util_read(&w->x, w->shared, pos, buf, 8192) == 8192)
				util_check_pattern(&w->x, w->shared, 0, pos, 8192);
			break;
		case 1:
			CHECK_OK(fs_fallocate(&w->x, w->shared, FS_FALLOC_ZERO_RANGE, pos, 8192));
			util_check_pattern(&w->x, w->shared, 0, pos, 8192);
			break;
		case 2:
			util_write_pattern(&w->x, w->shared, i + 1, pos, 8192);
			util_check_pattern(&w->x, w->shared, i + 1, pos, 8192);
			break;
		case 3:
			CHECK(util_read(&w->x, w->shared, util_rand(&r, 1 << 22), buf, 8192) >= 0);
			break;
		}
	}
	return NULL;
}

TEST(one_file_of_all)
{
	run(shared_file, 32);
}

TEST(one_file_of_all_in_a_pool_of_4_mib)
{
	run(shared_file, 4);
}

/* Copies between two files in both directions: pairs of locks. */
static void *copies(void *arg)
{
	struct worker *w = arg;
	u64 n;
	u32 i;

	util_write_pattern(&w->x, w->n % 2 ? w->log : w->shared, 1, 0, 100000);
	for (i = 0; i < ROUNDS; i++)
		CHECK_OK(fs_copy_range(&w->x, w->n % 2 ? w->log : w->shared, 4096,
				       w->n % 2 ? w->shared : w->log, 4096, 90000, &n));
	util_check_pattern(&w->x, w->shared, 1, 0, 50000);
	return NULL;
}

TEST(copies_in_both_directions_do_not_deadlock)
{
	run(copies, 32);
}
