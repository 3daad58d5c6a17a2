/* SPDX-License-Identifier: BSD-2-Clause */
/* Locks: exclusion, readers together, waiting, rank checks, and death while taking or giving back.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/pool_env.h"

#define THREADS 8
#define ROUNDS 3000

TEST(write_excludes_and_readers_share)
{
	struct exec y, *x = &env.x;
	u32 *word;

	env_make(8, 4);
	word = &env.s->lock[0];
	env_join(&y);
	tx_begin(x);
	CHECK_OK(lock_read(x, word, RANK_INODE));
	CHECK_OK(lock_read(x, word, RANK_INODE)); /* again: nothing */
	CHECK_EQ(lock_write(x, word, RANK_INODE), -MP_EDEADLK);
	tx_begin(&y);
	CHECK_OK(lock_read(&y, word, RANK_INODE));
	CHECK_EQ(*word, 1u << x->id | 1u << y.id);
	tx_commit(x);
	CHECK(!lock_mini_try(x, word, RANK_INODE));
	tx_commit(&y);
	CHECK_EQ(*word, 0);
	tx_begin(x);
	CHECK_OK(lock_write(x, word, RANK_INODE));
	CHECK_OK(lock_write(x, word, RANK_INODE));
	CHECK_OK(lock_read(x, word, RANK_INODE)); /* writing implies reading */
	CHECK_EQ(*word, LOCK_WRITER | x->id);
	CHECK(!lock_mini_try(&y, word, RANK_INODE));
	tx_abort(x);
	CHECK_EQ(*word, 0);
}

TEST(held_list_full_is_an_error)
{
	struct exec *x = &env.x;

	env_make(8, 4);
	tx_begin(x);
	for (u32 i = 0; i < POOL_HELD; i++)
		CHECK_OK(lock_read(x, &env.s->cell[i], RANK_INODE));
	CHECK_EQ(lock_read(x, &env.s->cell[POOL_HELD], RANK_INODE), -MP_EDEADLK);
	tx_commit(x);
	for (u32 i = 0; i <= POOL_HELD; i++)
		CHECK_EQ(env.s->cell[i], 0);
}

TEST(wrong_rank_is_noticed)
{
	int status;
	pid_t pid;

	env_make(8, 4);
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		(void)!freopen("/dev/null", "w", stderr);
		tx_begin(&env.x);
		CHECK_OK(lock_write(&env.x, &env.s->lock[0], RANK_ORPHAN));
		(void)!lock_write(&env.x, &env.s->lock[1], RANK_INODE);
		_exit(0);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK(WIFSIGNALED(status));
}

/* cell[0] and cell[1] are equal whenever nobody writes; plain accesses: a sanitizer for threads
 * would see a hole. */
static void *worker(void *arg)
{
	u32 kind = (u32)(uintptr_t)arg;
	struct env_shared *s = env.s;
	struct exec x;

	env_join(&x);
	for (u32 i = 0; i < ROUNDS; i++) {
		tx_begin(&x);
		if ((i + kind) % 4 == 0) {
			CHECK_OK(lock_write(&x, &s->lock[0], RANK_INODE));
			CHECK_OK(tx_save(&x, s->cell, 8));
			s->cell[0]++;
			if (i % 64 == 0)
				plat_yield(env.plat);
			s->cell[1]++;
			if (i % 3 == 0) {
				tx_abort(&x);
				continue;
			}
			atomic_add(&s->cell[2], 1);
		} else {
			CHECK_OK(lock_read(&x, &s->lock[0], RANK_INODE));
			CHECK_EQ(s->cell[0], s->cell[1]);
		}
		if (i % 5 == 0) {
			lock_mini(&x, &s->lock[1], RANK_GROUP);
			s->cell[10]++;
			lock_drop(&x, &s->lock[1]);
			atomic_add(&s->cell[11], 1);
		}
		tx_commit(&x);
	}
	exec_leave(&x);
	return NULL;
}

TEST(threads_see_whole_changes_and_lose_none)
{
	pthread_t t[THREADS];

	env_make(8, 4);
	for (u32 i = 0; i < THREADS; i++)
		CHECK_EQ(pthread_create(&t[i], NULL, worker, (void *)(uintptr_t)i), 0);
	for (u32 i = 0; i < THREADS; i++)
		CHECK_EQ(pthread_join(t[i], NULL), 0);
	CHECK(env.s->cell[2] > 0);
	CHECK_EQ(env.s->cell[0], env.s->cell[2]);
	CHECK_EQ(env.s->cell[10], env.s->cell[11]);
	CHECK_EQ(env.s->lock[0], 0);
	CHECK_EQ(env.s->lock[1], 0);
}

static void *reader(void *arg)
{
	struct exec x;

	(void)arg;
	env_join(&x);
	while (!atomic_load_acquire(&env.s->cell[5])) {
		tx_begin(&x);
		CHECK_OK(lock_read(&x, &env.s->lock[0], RANK_INODE));
		plat_yield(env.plat);
		tx_commit(&x);
	}
	exec_leave(&x);
	return NULL;
}

TEST_TIMED(writer_gets_through_a_stream_of_readers, 20)
{
	pthread_t t[4];

	env_make(8, 4);
	for (u32 i = 0; i < 4; i++)
		CHECK_EQ(pthread_create(&t[i], NULL, reader, NULL), 0);
	for (u32 i = 0; i < 200; i++) {
		tx_begin(&env.x);
		CHECK_OK(lock_write(&env.x, &env.s->lock[0], RANK_INODE));
		tx_commit(&env.x);
	}
	atomic_store_release(&env.s->cell[5], 1);
	for (u32 i = 0; i < 4; i++)
		CHECK_EQ(pthread_join(t[i], NULL), 0);
}

static void take_and_drop(struct exec *x, void *arg)
{
	(void)arg;
	tx_begin(x);
	CHECK_OK(lock_read(x, &env.s->lock[0], RANK_INODE));
	CHECK_OK(lock_write(x, &env.s->lock[1], RANK_INODE));
	lock_mini(x, &env.s->lock[2], RANK_GROUP);
	lock_mini(x, &env.s->lock[3], RANK_FREE);
	lock_drop(x, &env.s->lock[2]);
	lock_drop(x, &env.s->lock[3]);
	tx_commit(x);
}

static void *waiter(void *arg)
{
	struct exec x;

	(void)arg;
	env_join(&x);
	tx_begin(&x);
	for (u32 i = 0; i < 4; i++)
		CHECK_OK(lock_write(&x, &env.s->lock[i], RANK_INODE));
	tx_commit(&x);
	exec_leave(&x);
	return NULL;
}

TEST(death_at_every_step_leaves_no_lock)
{
	u32 id, n;

	env_make(8, 4);
	for (n = 1; env_cut(take_and_drop, NULL, n, &id); n++) {
		bool wait = n % 8 == 0;
		pthread_t t;

		if (wait) { /* one that waits for the dead one's locks goes on */
			CHECK_EQ(pthread_create(&t, NULL, waiter, NULL), 0);
			usleep(2000);
		}
		CHECK_OK(exec_recover(&env.x, id));
		if (wait)
			CHECK_EQ(pthread_join(t, NULL), 0);
		for (u32 i = 0; i < 8; i++)
			CHECK_EQ(env.s->lock[i], 0);
	}
	CHECK(n > 20);
}
