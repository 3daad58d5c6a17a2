/* SPDX-License-Identifier: BSD-2-Clause */
/* Transactions: all or nothing, on abort and when the executor dies at any step. */
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/pool_env.h"

static const struct csum_id plain = {CSUM_NONE, 7, 0};

TEST(abort_restores_every_byte)
{
	struct exec *x = &env.x;

	env_make(8, 16);
	for (u32 i = 0; i < ENV_CELLS; i++)
		env.s->cell[i] = i;
	tx_begin_change(x);
	CHECK_OK(tx_save(x, &env.s->cell[10], 40));
	memset(&env.s->cell[10], 1, 40);
	CHECK_OK(tx_save(x, (u8 *)&env.s->cell[30] + 1, 7)); /* odd place and length */
	memset((u8 *)&env.s->cell[30] + 1, 2, 7);
	CHECK_OK(tx_save(x, &env.s->cell[12], 4)); /* again, changed meanwhile */
	env.s->cell[12] = 99;
	tx_abort(x);
	for (u32 i = 0; i < ENV_CELLS; i++)
		CHECK_EQ(env.s->cell[i], i);
	CHECK_EQ(x->slot->head, 0);
	CHECK_EQ(x->slot->phase, TX_IDLE);
}

TEST(commit_keeps_every_byte)
{
	struct exec *x = &env.x;

	env_make(8, 16);
	tx_begin_change(x);
	CHECK_OK(tx_save(x, &env.s->cell[10], 4));
	env.s->cell[10] = 5;
	CHECK_EQ(tx_end(x, 0), 0);
	CHECK_EQ(env.s->cell[10], 5);
	CHECK_EQ(x->slot->head, 0);
	tx_begin_change(x);
	CHECK_OK(tx_save(x, &env.s->cell[10], 4));
	env.s->cell[10] = 6;
	CHECK_EQ(tx_end(x, -MP_EIO), -MP_EIO);
	CHECK_EQ(env.s->cell[10], 5);
}

TEST(mini_commit_survives_outer_abort)
{
	struct exec *x = &env.x;
	u32 mark;

	env_make(8, 16);
	tx_begin_change(x);
	CHECK_OK(tx_save(x, &env.s->cell[0], 4));
	env.s->cell[0] = 1;
	mark = tx_mini_begin(x);
	CHECK_OK(tx_save(x, &env.s->cell[1], 4));
	env.s->cell[1] = 1;
	tx_mini_commit(x, mark);
	mark = tx_mini_begin(x);
	/* saved by the outer tx already, and changed since: the mini has its own record */
	CHECK_OK(tx_save(x, &env.s->cell[0], 4));
	env.s->cell[0] = 2;
	tx_mini_abort(x, mark);
	CHECK_EQ(env.s->cell[0], 1);
	tx_abort(x);
	CHECK_EQ(env.s->cell[0], 0);
	CHECK_EQ(env.s->cell[1], 1);
}

TEST(change_without_save_is_noticed)
{
	env_make(8, 16);
	for (u32 honest = 2; honest--;) {
		int status;
		pid_t pid = fork();

		CHECK(pid >= 0);
		if (pid == 0) {
			struct frame *f;
			u8 *p;

			(void)!freopen("/dev/null", "w", stderr);
			tx_begin_change(&env.x);
			CHECK_OK(buf_read(&env.x, 3, plain, &f));
			CHECK_OK(buf_save(&env.x, f, 64, 16, (void **)&p));
			p[honest ? 15 : 16] ^= 1;
			buf_put(&env.x, f);
			tx_commit(&env.x);
			_exit(0);
		}
		CHECK_EQ(waitpid(pid, &status, 0), pid);
		CHECK_EQ(status == 0, honest);
	}
}

TEST(full_log_is_an_error_and_abort_still_works)
{
	struct exec *x = &env.x;
	u32 i;

	env_make(8, 16);
	tx_begin_change(x);
	for (i = 0; tx_save(x, &env.s->cell[i % 500 * 2], 4) == 0; i++)
		env.s->cell[i % 500 * 2] = i + 1;
	CHECK(i > 1000);
	tx_abort(x);
	for (i = 0; i < ENV_CELLS; i++)
		CHECK_EQ(env.s->cell[i], 0);
}

TEST(restart_commits_and_keeps_locks)
{
	struct exec *x = &env.x;

	env_make(8, 16);
	tx_begin_change(x);
	CHECK_OK(lock_write(x, &env.s->lock[0], RANK_INODE));
	CHECK_OK(tx_save(x, &env.s->cell[0], 4));
	env.s->cell[0] = 1;
	tx_restart(x);
	CHECK(lock_held(x, &env.s->lock[0]));
	CHECK_OK(tx_save(x, &env.s->cell[0], 4));
	env.s->cell[0] = 2;
	tx_abort(x);
	CHECK_EQ(env.s->cell[0], 1);
	CHECK_EQ(env.s->lock[0], 0);
}

TEST(inflight_is_settled_by_how_the_tx_ends)
{
	struct exec *x = &env.x;
	u32 mark;

	env_make(8, 16);
	for (u32 commit = 0; commit < 2; commit++) {
		tx_begin_change(x);
		CHECK_OK(tx_save(x, &env.s->cell[0], 4));
		CHECK_OK(tx_inflight(x, INFLIGHT_FREE_BLOCKS, 1, 100));
		mark = tx_mini_begin(x);
		CHECK_OK(tx_inflight(x, INFLIGHT_ALLOC_BLOCKS, 2, 7));
		tx_mini_abort(x, mark); /* comes to nothing */
		mark = tx_mini_begin(x);
		CHECK_OK(tx_save(x, &env.s->count, 4));
		env.s->count += 1000;
		CHECK_OK(tx_inflight(x, INFLIGHT_ALLOC_BLOCKS, 2, 1000));
		tx_mini_commit(x, mark);
		CHECK_EQ(x->slot->ninflight, 2);
		CHECK_EQ(tx_end(x, commit ? 0 : -MP_ENOENT), commit ? 0 : -MP_ENOENT);
		CHECK_EQ(env.s->count, commit ? 900 : 0);
		CHECK_EQ(env.s->freed, commit ? 100 : 0);
		CHECK_EQ(x->slot->ninflight, 0);
	}
}

TEST(inflight_full_is_an_error)
{
	struct exec *x = &env.x;
	u32 n = 0;

	env_make(8, 16);
	tx_begin_change(x);
	while (tx_inflight(x, INFLIGHT_FREE_BLOCKS, 1, 1) == 0)
		n++;
	CHECK_EQ(n, POOL_INFLIGHT);
	tx_abort(x);
	CHECK_EQ(env.s->freed, 0);
}

/*
 * One operation with all that a tx can do. Whatever the step at which it dies, and at which its
 * recoverer dies, the survivors find the state before it or the state after it.
 */
static void operation(struct exec *x, void *arg)
{
	struct env_shared *s = env.s;
	bool commit = *(bool *)arg;
	struct frame *f;
	void *p;
	u32 mark;

	tx_begin_change(x);
	CHECK_OK(lock_read(x, &s->lock[0], RANK_INODE));
	CHECK_OK(lock_write(x, &s->lock[1], RANK_INODE));
	CHECK_OK(tx_save(x, &s->cell[0], 8));
	exec_step(x);
	s->cell[0] = 1;
	exec_step(x);
	s->cell[1] = 1;
	CHECK_OK(buf_read(x, 3, plain, &f));
	CHECK_OK(buf_save(x, f, 64, 16, &p));
	buf_put(x, f); /* its place is safe: it is dirty and edited */
	exec_step(x);
	memset(p, 0x11, 16);
	CHECK_OK(tx_inflight(x, INFLIGHT_FREE_BLOCKS, 1, 3));
	lock_mini(x, &s->lock[7], RANK_GROUP);
	mark = tx_mini_begin(x);
	CHECK_OK(tx_save(x, &s->count, 4));
	exec_step(x);
	s->count += 10;
	CHECK_OK(tx_inflight(x, INFLIGHT_ALLOC_BLOCKS, 2, 10));
	tx_mini_commit(x, mark);
	lock_drop(x, &s->lock[7]);
	CHECK_OK(tx_save(x, &s->cell[2], 4));
	s->cell[2] = 1;
	if (commit)
		tx_commit(x);
	else
		tx_abort(x);
}

static void operation_reset(void)
{
	struct env_shared *s = env.s;
	struct frame *f;

	CHECK_OK(buf_read(&env.x, 3, plain, &f));
	memset((u8 *)frame_data(&env.x, f) + 64, 0, 16);
	buf_put(&env.x, f);
	memset(s->cell, 0, sizeof(s->cell));
	s->count = 100;
	s->freed = 0;
	s->settles = 0;
}

/* True: the state after, false: the state before; anything else fails. */
static bool operation_done(void)
{
	const struct env_shared *s = env.s;
	bool done = s->cell[0];
	struct frame *f;
	const u32 *p;

	CHECK_EQ(s->cell[1], done);
	CHECK_EQ(s->cell[2], done);
	CHECK_EQ(s->count, done ? 107 : 100);
	CHECK_EQ(s->freed, done ? 3 : 0);
	for (u32 i = 0; i < 8; i++)
		CHECK_EQ(s->lock[i], 0);
	CHECK_OK(buf_read(&env.x, 3, plain, &f));
	p = (const u32 *)((u8 *)frame_data(&env.x, f) + 64);
	for (u32 i = 0; i < 4; i++)
		CHECK_EQ(p[i], done ? 0x11111111 : 0);
	CHECK_EQ(f->editors, 0);
	buf_put(&env.x, f);
	return done;
}

static void slot_is_clean(u32 id)
{
	const struct exec_slot *slot =
		(struct exec_slot *)pool_ptr(&env.pool, env.pool.hdr->slots) + (id - 1);

	CHECK_EQ(slot->state & EXEC_STATE, EXEC_FREE);
	CHECK_EQ(slot->phase, TX_IDLE);
	CHECK_EQ(slot->head, 0);
	CHECK_EQ(slot->nheld, 0);
	CHECK_EQ(slot->intent, 0);
	CHECK_EQ(slot->nedited, 0);
	CHECK_EQ(slot->ninflight, 0);
}

static void every_step(bool commit)
{
	u32 id, n, done = 0;

	env_make(8, 16);
	operation_reset();
	for (n = 1;; n++) {
		operation_reset();
		if (!env_cut(operation, &commit, n, &id))
			break;
		CHECK_OK(exec_recover(&env.x, id));
		done += operation_done();
		slot_is_clean(id);
		env_check(0);
	}
	CHECK_EQ(operation_done(), commit);
	CHECK(n > 60);
	if (commit)
		CHECK(done > 5);
	else
		CHECK_EQ(done, 0);
}

TEST(death_at_every_step_of_a_commit)
{
	every_step(true);
}

TEST(death_at_every_step_of_an_abort)
{
	every_step(false);
}

static void recover(struct exec *x, void *arg)
{
	CHECK_OK(exec_recover(x, *(u32 *)arg));
}

TEST_TIMED(death_of_the_recoverer_at_every_step, 120)
{
	bool commit;
	u32 id, helper, deaths = 0;

	env_make(8, 16);
	for (u32 which = 0; which < 2; which++) {
		commit = which;
		for (u32 n = 1;; n++) {
			bool more = true;

			for (u32 m = 1; more; m++) {
				operation_reset();
				if (!env_cut(operation, &commit, n, &id))
					goto next;
				more = env_cut(recover, &id, m, &helper);
				deaths += more;
				if (more) {
					CHECK_OK(exec_recover(&env.x, helper));
					CHECK_OK(exec_recover(&env.x, id));
				}
				operation_done();
				slot_is_clean(id);
			}
		}
	next:;
	}
	CHECK(deaths > 1000);
	env_check(0);
}

TEST(recovery_of_a_slot_that_is_free_does_nothing)
{
	env_make(8, 16);
	CHECK_OK(exec_recover(&env.x, 20));
	CHECK_EQ(exec_recover(&env.x, env.x.id), -MP_EINVAL);
	CHECK_EQ(exec_recover(&env.x, 0), -MP_EINVAL);
}

TEST(executors_are_limited_and_slots_reused)
{
	struct exec x[POOL_EXECUTORS];

	env_make(8, 16);
	for (u32 i = 0; i + 1 < POOL_EXECUTORS; i++)
		env_join(&x[i]);
	CHECK_EQ(exec_join(&env.pool, env.plat, 1, &x[POOL_EXECUTORS - 1]), -MP_EAGAIN);
	exec_leave(&x[4]);
	env_join(&x[4]);
	CHECK_EQ(x[4].id, 6);
}
