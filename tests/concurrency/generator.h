/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Random operations of several executors, in windows: all do a few operations at once, then all
 * rest, and the answers are held against the model together with what the filesystem then is.
 *
 * Everything that they share is in one struct, which may lie in memory of several processes.
 */
#ifndef MPDISK_TEST_GENERATOR_H
#define MPDISK_TEST_GENERATOR_H

#include "tests/concurrency/model.h"

#define GEN_EXECUTORS 8u
#define GEN_PER 8u /* operations of one executor in a window, at most */
#define GEN_KNOWN 64u

struct generator {
	u32 executors;
	u32 seed;
	/* the window */
	u32 phase, arrived, stop; /* atomic */
	u64 clock;                /* atomic: gives the times of operations */
	u32 window, scene, per;
	u32 ndirs, nothers;
	node_t dirs[GEN_KNOWN];
	node_t others[GEN_KNOWN];
	u32 nops[GEN_EXECUTORS];
	struct op ops[GEN_EXECUTORS][GEN_PER];
	/* what was done */
	u64 total, tried;
	u64 answers[OP_KINDS][2]; /* of each kind: that worked, that failed */
};

void gen_init(struct generator *g, u32 executors, u32 seed);
/* An executor's part: returns when gen_run() has ended. */
void gen_work(struct generator *g, struct exec *x, u32 number);
/* Makes windows for so many seconds and checks them, with an executor of its own. */
void gen_run(struct generator *g, struct exec *x, u32 seconds);

#endif
