/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A pool on a scratch medium, without a filesystem: this test program brings its own versions of
 * the functions that the pool and the journal call of the filesystem (inflight_settle, csum_verify,
 * csum_seal, fs_commit_*), made so that a test sees what they were called for.
 */
#ifndef MPDISK_TEST_POOL_ENV_H
#define MPDISK_TEST_POOL_ENV_H

#include "fs/inode.h"
#include "platform/atomic.h"
#include "platform/posix/posix.h"
#include "pool/cache.h"
#include "pool/tx.h"
#include "tests/unit/harness.h"

#define ENV_CELLS 1024u

/* Shared state of the tests, carved from the pool. */
struct env_shared {
	u32 lock[8];
	u32 count;   /* what inflight entries stand for: ALLOC adds b, FREE takes b */
	u32 freed;   /* blocks that a FREE entry has given back */
	u32 settles; /* calls of inflight_settle with entries */
	u32 cell[ENV_CELLS];
	struct inode inode[4];
};

struct env {
	struct plat *plat;
	struct pool pool;
	struct exec x; /* the first executor */
	struct env_shared *s;
	ref_t shared;
	u32 commits, aborts; /* of the journal */
};

extern struct env env;

/* Pool of this size, medium of so many blocks, each filled with its number. */
void env_make(u32 pool_mib, u32 blocks);
void env_join(struct exec *x);

/* Everything of the pool that must hold at rest: chains, free list, dirty counts, editors. `leaks`:
 * frames that may be pinned. */
void env_check(u32 pinned);

/* Runs work(arg) on a fresh executor and lets it die at the n-th step. True if it died; *id is
 * whose slot is left. False if it ended before. */
bool env_cut(void (*work)(struct exec *x, void *arg), void *arg, u32 n, u32 *id);

/* Block of the medium as it is in the file. */
void env_block(blkno_t block, void *buf);

/* Buffers of kind CSUM_XATTR in these tests: the last word is the sum of the others, made by
 * csum_seal and checked by csum_verify. */
u32 env_sum(const void *block);

#endif
