/* SPDX-License-Identifier: BSD-2-Clause */
/* Eight executors do everything at once; e2fsck judges what they leave. Under ThreadSanitizer too.
 */
#include <pthread.h>
#include <stdlib.h>

#include "tests/concurrency/mix.h"

#define THREADS 8u

struct worker {
	struct mix mix;
	struct exec x;
	u32 rounds;
	pthread_t thread;
};

static void *run(void *arg)
{
	struct worker *w = arg;

	for (u32 i = 0; i < w->rounds; i++)
		mix_step(&w->mix);
	mix_end(&w->mix);
	return NULL;
}

static u32 rounds(u32 usual)
{
	const char *times = getenv("MPDISK_TIMES");

	return times ? usual * (u32)atoi(times) : usual;
}

static void all_at_once(u32 image_mib, const char *args, u32 pool_mib, u32 n)
{
	struct worker w[THREADS] = {0};
	struct exec *x;

	fixture_make(image_mib, args, NULL);
	fixture_pool_size(pool_mib);
	x = fixture_mount();
	mix_make(x, w[0].mix.dirs);
	for (u32 i = 0; i < THREADS; i++) {
		for (u32 k = 0; k < MIX_DIRS; k++)
			w[i].mix.dirs[k] = w[0].mix.dirs[k];
		w[i].mix.x = &w[i].x;
		w[i].mix.seed = test_seed() * THREADS + i;
		w[i].rounds = rounds(n);
		fixture_join(&w[i].x);
		CHECK_EQ(pthread_create(&w[i].thread, NULL, run, &w[i]), 0);
	}
	for (u32 i = 0; i < THREADS; i++) {
		pthread_join(w[i].thread, NULL);
		fixture_leave(&w[i].x);
		CHECK_EQ(w[i].mix.steps, w[i].rounds);
	}
	fixture_unmount_check();
}

TEST(all_operations_from_eight_executors)
{
	all_at_once(64, NULL, 32, 4000);
}

/* Frames are evicted and inode slots given to others all the time. */
TEST(all_operations_from_eight_executors_in_a_pool_of_6_mib)
{
	all_at_once(64, NULL, 6, 4000);
}

/* No journal; three groups, little space: allocations fail and are rolled back. */
TEST(all_operations_from_eight_executors_on_a_full_medium)
{
	all_at_once(8, "-O ^has_journal -g 1024 -N 512", 8, 4000);
}
