/* SPDX-License-Identifier: BSD-2-Clause */
/* The generator's operations from processes that share a pool file (host-driver/lib/mpdisk.h). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host-driver/lib/mpdisk.h"
#include "tests/concurrency/generator.h"
#include "tests/fs/fixture.h"

static struct generator *g;
static char pool_file[300];

static struct mpdisk *attach(struct exec *x, u32 pool_mib)
{
	struct mpdisk_options options = {
		.pool = pool_file, .image = fixture_image(), .pool_mib = pool_mib};
	struct mpdisk *disk;

	CHECK_OK(mpdisk_open(&options, &disk));
	CHECK_OK(mpdisk_executor(disk, x));
	return disk;
}

static void act(u32 n, u32 pool_mib)
{
	struct mpdisk *disk;
	struct exec x;

	disk = attach(&x, pool_mib);
	gen_work(g, &x, n);
	exec_leave(&x);
	CHECK_OK(mpdisk_close(disk));
}

static void run(u32 processes, u32 pool_mib, u32 seconds)
{
	pid_t pids[GEN_EXECUTORS];
	struct mpdisk *disk;
	struct exec x;
	int status;

	fixture_make(32, NULL, NULL);
	snprintf(pool_file, sizeof(pool_file), "%s.pool", fixture_image());
	test_temporary(pool_file);
	g = mmap(NULL, sizeof(*g), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(g != MAP_FAILED);
	gen_init(g, processes, test_seed());
	for (u32 i = 0; i < processes; i++) {
		pids[i] = fork();
		CHECK(pids[i] >= 0);
		if (pids[i] == 0) {
			act(i, pool_mib);
			exit(0);
		}
	}
	disk = attach(&x, pool_mib);
	gen_run(g, &x, seconds);
	for (u32 i = 0; i < processes; i++) {
		CHECK_EQ(waitpid(pids[i], &status, 0), pids[i]);
		CHECK_EQ(status, 0);
	}
	exec_leave(&x);
	CHECK_OK(mpdisk_close(disk));
	fixture_fsck();
}

TEST_TIMED(answers_of_four_processes_are_those_of_some_order, 86400)
{
	run(4, 32, 8);
}

TEST_TIMED(answers_of_eight_processes_in_a_pool_of_5_mib_are_those_of_some_order, 86400)
{
	run(8, 5, 8);
}
