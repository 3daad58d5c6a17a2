/* SPDX-License-Identifier: BSD-2-Clause */
/* Random operations of threads on one pool; the model says which answers are legal. */
#include <pthread.h>
#include <stdlib.h>

#include "tests/concurrency/generator.h"
#include "tests/fs/fixture.h"

static struct generator g;

struct actor {
	struct exec x;
	u32 n;
	pthread_t thread;
};

static void *act(void *arg)
{
	struct actor *a = arg;

	gen_work(&g, &a->x, a->n);
	return NULL;
}

static void run(u32 executors, u32 pool_mib, u32 seconds)
{
	struct actor actors[GEN_EXECUTORS];
	struct exec *x;

	fixture_make(32, NULL, NULL);
	fixture_pool_size(pool_mib);
	x = fixture_mount();
	gen_init(&g, executors, test_seed());
	for (u32 i = 0; i < executors; i++) {
		actors[i].n = i;
		fixture_join(&actors[i].x);
		CHECK_EQ(pthread_create(&actors[i].thread, NULL, act, &actors[i]), 0);
	}
	gen_run(&g, x, seconds);
	for (u32 i = 0; i < executors; i++) {
		pthread_join(actors[i].thread, NULL);
		fixture_leave(&actors[i].x);
	}
	fixture_unmount_check();
}

TEST_TIMED(answers_of_four_threads_are_those_of_some_order, 86400)
{
	run(4, 32, 8);
}

TEST_TIMED(answers_of_eight_threads_in_a_pool_of_5_mib_are_those_of_some_order, 86400)
{
	run(8, 5, 8);
}
