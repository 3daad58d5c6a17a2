/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fault point x operation: an executor dies at every step of an operation. A survivor recovers it;
 * then the tree is the one before the operation or the one after it, the pool is whole
 * (pool_check.h), the operation can be done by the survivor, and e2fsck finds nothing.
 *
 * The recoverer dies too: at every step of recovering a few deaths of each operation, and at one
 * random step after each of the others.
 */
#ifndef MPDISK_TEST_CUT_H
#define MPDISK_TEST_CUT_H

#include "tests/fs/file_util.h"
#include "tests/fs/names_util.h"

/* What the operations are tried on: made before each try, cleared after it. */
struct cut_stage {
	node_t dir, sub, file, other, full;
};

struct cut_operation {
	const char *name;
	void (*before)(struct exec *x, struct cut_stage *s); /* more of the stage; may be NULL */
	int (*run)(struct exec *x, struct cut_stage *s);
	enum {
		CUT_CHANGES, /* the tree is as it was before, or as it is after the operation */
		CUT_SAME,    /* the two are the same */
		CUT_MIXES,   /* may be done in part; the survivor brings it to its end */
	} tree;
	void (*ends)(struct exec *x); /* takes back what `before` keeps from others; may be NULL */
	bool cold;                    /* to look at the tree would undo `before` */
	u32 stride;                   /* 0: at every step, else at one of so many */
};

#define CUT(id, before_, run_, tree_, ...)                                                         \
	TEST_TIMED(death_in_##id, 120)                                                             \
	{                                                                                          \
		static const struct cut_operation of = {.name = #id,                               \
							.before = before_,                         \
							.run = run_,                               \
							.tree = tree_,                             \
							##__VA_ARGS__};                            \
		cut_every_step(&of);                                                               \
	}

void cut_every_step(const struct cut_operation *of);
/* Another executor dies at that step of run, and x recovers it; false: it was through before. */
bool cut_at(struct exec *x, int (*run)(struct exec *x, struct cut_stage *s), u32 step);

extern char cut_value[3000];
extern u8 cut_data[64 << 10];
extern struct fs_attr cut_attr;

#endif
