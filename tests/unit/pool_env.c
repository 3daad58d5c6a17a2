/* SPDX-License-Identifier: BSD-2-Clause */
/* A pool without a filesystem, and its checks (pool_env.h). */
#define _GNU_SOURCE
#include "tests/unit/pool_env.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fs/csum.h"

struct env env;
static char image[64];
static __thread sigjmp_buf cut_at;

void env_make(u32 pool_mib, u32 blocks)
{
	u32 block[BLOCK_SIZE / 4];
	int fd;

	(void)!mkdir("build", 0777);
	(void)!mkdir("build/tmp", 0777);
	strcpy(image, "build/tmp/pool-XXXXXX");
	fd = mkstemp(image);
	CHECK(fd >= 0);
	test_temporary(image);
	for (u32 i = 0; i < blocks; i++) {
		for (u32 k = 0; k < array_size(block); k++)
			block[k] = i;
		block[array_size(block) - 1] = env_sum(block);
		CHECK_EQ(write(fd, block, sizeof(block)), sizeof(block));
	}
	close(fd);
	env.plat = plat_posix_open(image, false);
	CHECK(env.plat);
	plat_posix_log_level(env.plat, test_verbose() ? PLAT_DEBUG : PLAT_ERR);
	CHECK_OK(pool_format(&env.pool, plat_posix_pool(env.plat, pool_mib << 20), pool_mib << 20));
	CHECK_OK(pool_carve(&env.pool, sizeof(struct env_shared), &env.shared));
	env.s = pool_ptr(&env.pool, env.shared);
	env.pool.hdr->fs = env.shared;
	for (u32 i = 0; i < array_size(env.s->inode); i++)
		env.s->inode[i].ino = 100 + i;
	pool_seal(&env.pool);
	CHECK_OK(exec_join(&env.pool, env.plat, 1, &env.x));
}

void env_join(struct exec *x)
{
	CHECK_OK(exec_join(&env.pool, env.plat, 2, x));
}

void env_block(blkno_t block, void *buf)
{
	FILE *f = fopen(image, "rb");

	CHECK(f);
	CHECK_EQ(fseek(f, (long)(block * BLOCK_SIZE), SEEK_SET), 0);
	CHECK_EQ(fread(buf, 1, BLOCK_SIZE, f), BLOCK_SIZE);
	fclose(f);
}

/* ---- what the pool calls of the filesystem */
void inflight_settle(struct exec *x, bool committed)
{
	struct env_shared *s = exec_ptr(x, x->pool->hdr->fs);
	struct exec_slot *slot = x->slot;

	for (u32 i = 0; i < slot->ninflight; i++) {
		struct inflight *e = &slot->inflight[i];
		bool applies =
			e->kind == (committed ? INFLIGHT_FREE_BLOCKS : INFLIGHT_ALLOC_BLOCKS);
		u32 mark;

		if (!applies)
			continue;
		lock_mini(x, &s->lock[7], RANK_GROUP);
		mark = tx_mini_begin(x);
		CHECK_OK(tx_save(x, &s->count, 12));
		CHECK_OK(tx_save(x, e, sizeof(*e)));
		exec_step(x);
		s->count -= e->b;
		exec_step(x);
		s->freed += committed ? e->b : 0;
		s->settles++;
		exec_step(x);
		e->kind = INFLIGHT_NONE;
		tx_mini_commit(x, mark);
		lock_drop(x, &s->lock[7]);
	}
}

void inodes_recover(struct exec *as)
{
	(void)as;
}

void fs_commit_seal(struct exec *x, bool any)
{
	(void)x;
	(void)any;
}

bool fs_revoke_next(struct exec *x, u32 tid, u64 *at, blkno_t *block)
{
	(void)x;
	(void)tid;
	*at = 0;
	*block = 0;
	return false;
}

void fs_commit_end(struct exec *x, u32 tid)
{
	CHECK_EQ(journal_of(x)->committed, tid);
	env.commits++;
}

void fs_commit_abort(struct exec *x, int err)
{
	(void)x;
	CHECK(err < 0);
	env.aborts++;
}

u32 env_sum(const void *block)
{
	const u32 *p = block;
	u32 sum = 17;

	for (u32 i = 0; i < BLOCK_SIZE / 4 - 1; i++)
		sum = sum * 31 + p[i];
	return sum;
}

int fs_error(struct exec *x, const char *what, ino_no_t ino, blkno_t block, u32 where,
	     const char *func)
{
	(void)x;
	(void)what;
	(void)ino;
	(void)block;
	(void)where;
	(void)func;
	return -MP_EUCLEAN;
}

int csum_verify(struct exec *x, struct frame *f)
{
	const u32 *p = frame_data(x, f);

	if (frame_csum_kind(f) == CSUM_XATTR && p[BLOCK_SIZE / 4 - 1] != env_sum(p))
		return -MP_EUCLEAN;
	return 0;
}

int csum_verify_inode(struct exec *x, const void *raw, u32 ino)
{
	(void)raw;
	plat_log(x->plat, PLAT_ERR, "inode %u of a pool without a filesystem", ino);
	return -MP_EUCLEAN;
}

int csum_seal(struct exec *x, struct frame *f)
{
	u32 *p = frame_data(x, f);

	CHECK_EQ(atomic_load(&f->editors) & ~FRAME_EDIT_WAITERS, FRAME_SEALING | x->bit);
	if (frame_csum_kind(f) == CSUM_XATTR)
		p[BLOCK_SIZE / 4 - 1] = env_sum(p);
	return 0;
}

/* ---- at rest */
static void check_chains(u8 *seen)
{
	const struct pool_header *hdr = env.pool.hdr;
	const u32 *heads = pool_ptr(&env.pool, hdr->hash);

	for (u32 b = 0; b < hdr->nhash; b++) {
		for (fno_t fno = heads[b]; fno; fno = env.pool.frames[fno].hash_next) {
			struct frame *f = &env.pool.frames[fno];

			CHECK(fno < hdr->nframes);
			CHECK(!seen[fno]);
			seen[fno] = 1;
			CHECK(f->kind == FRAME_BUF || f->kind == FRAME_PAGE);
		}
	}
}

static void check_inodes(void)
{
	for (u32 i = 0; i < array_size(env.s->inode); i++) {
		const struct inode *inode = &env.s->inode[i];
		fno_t fno = inode->pages;

		CHECK_EQ(inode->pages_lock, 0);
		for (u32 n = inode->npages; n; n--) {
			const struct frame *f = &env.pool.frames[fno];

			CHECK_EQ(f->kind, FRAME_PAGE);
			CHECK_EQ(f->key_hi, inode->ino);
			CHECK_EQ(env.pool.frames[f->own_next].own_prev, fno);
			fno = f->own_next;
		}
		CHECK_EQ(fno, inode->pages);
	}
}

void env_check(u32 pinned)
{
	const struct pool_header *hdr = env.pool.hdr;
	u8 *seen = calloc(hdr->nframes, 1);
	u32 nfree = 0, ndirty = 0, pins = 0;

	CHECK(seen);
	CHECK_EQ(hdr->free_lock, 0);
	for (u32 i = 0; i < hdr->nhash / 16; i++)
		CHECK_EQ(((u32 *)pool_ptr(&env.pool, hdr->hash_locks))[i], 0);
	check_chains(seen);
	check_inodes();
	for (fno_t fno = hdr->free_head; fno; fno = env.pool.frames[fno].free_next) {
		CHECK(!seen[fno]);
		seen[fno] = 2;
		nfree++;
		CHECK_EQ(env.pool.frames[fno].pins, FRAME_FROZEN);
		CHECK_EQ(env.pool.frames[fno].kind, FRAME_FREE);
	}
	CHECK_EQ(hdr->nfree, nfree);
	for (fno_t fno = 0; fno < hdr->nframes; fno++) {
		const struct frame *f = &env.pool.frames[fno];

		if (f->kind == FRAME_FIXED)
			continue;
		if (f->kind == FRAME_FREE) {
			CHECK_EQ(seen[fno], 2);
			continue;
		}
		CHECK(!(f->pins & FRAME_FROZEN));
		pins += (u32)__builtin_popcount(f->pins);
		CHECK_EQ(f->editors, 0);
		if (f->kind != FRAME_ANON) {
			CHECK_EQ(seen[fno], 1);
			ndirty += (f->flags & FRAME_DIRTY) != 0;
		}
	}
	CHECK_EQ(pins, pinned);
	CHECK_EQ(hdr->ndirty, ndirty);
	free(seen);
}

/* ---- death */
static void env_die(void *arg)
{
	(void)arg;
	siglongjmp(cut_at, 1);
}

bool env_cut(void (*work)(struct exec *x, void *arg), void *arg, u32 n, u32 *id)
{
	static __thread struct exec x; /* survives the jump */

	plat_posix_on_cut(env.plat, env_die, NULL);
	env_join(&x);
	*id = x.id;
	if (sigsetjmp(cut_at, 0))
		return true;
	x.cut = n;
	work(&x, arg);
	x.cut = 0;
	exec_leave(&x);
	return false;
}
