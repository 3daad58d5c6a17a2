/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Executors that do everything at once to the same few names, for what may not depend on luck: no
 * race, no deadlock, no corruption, only errors that a name which comes and goes explains.
 */
#ifndef MPDISK_TEST_MIX_H
#define MPDISK_TEST_MIX_H

#include "tests/fs/fixture.h"

#define MIX_DIRS 5u
#define MIX_OPENS 8u

struct mix {
	struct exec *x;
	u32 seed;
	node_t dirs[MIX_DIRS];  /* the root is the first; none of them is ever removed */
	node_t open[MIX_OPENS]; /* what this executor has open; 0: none */
	u64 steps;
};

/* Makes the directories that all share. */
void mix_make(struct exec *x, node_t *dirs);
/* One operation chosen by the seed. */
void mix_step(struct mix *m);
/* Closes what is still open. */
void mix_end(struct mix *m);

/* Copies out of a frame as a host does after fs_read returned: while others may write there. */
void mix_host_copy(struct exec *x, const struct fs_seg *seg, u8 *to);

#endif
