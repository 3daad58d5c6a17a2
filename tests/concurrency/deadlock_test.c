/* SPDX-License-Identifier: BSD-2-Clause */
/* The deadlock detector of debug builds sees a circle, names it, and sees none where there is none.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fs/inode.h"
#include "pool/tx.h"
#include "pool/writer.h"
#include "port/host.h"
#include "tests/fs/file_util.h"

#define MOST 3u

/* Each takes its first lock, waits for the others, and takes its second. */
static struct {
	struct inode *inode[MOST];
	pthread_barrier_t barrier;
	u32 n;
	bool read_first;
	bool in_order;
} scene;

struct actor {
	struct exec x;
	u32 n;
	pthread_t thread;
};

static struct inode *make(struct exec *x, const char *name, bool directory)
{
	struct fs_name n = {name, (u32)strlen(name)};
	struct inode *inode;
	struct fs_attr attr;

	if (directory)
		CHECK_OK(fs_mkdir(x, FS_ROOT, n, 0755, &attr));
	else
		CHECK_OK(fs_mknod(x, FS_ROOT, n, 0100644, 0, false, &attr));
	CHECK_OK(inode_get_node(x, attr.node, &inode));
	return inode;
}

static void *act(void *arg)
{
	struct actor *a = arg;
	struct inode *first = scene.inode[a->n], *then = scene.inode[(a->n + 1) % scene.n];

	tx_begin(&a->x);
	if (scene.in_order) {
		/* the others wait for longer than it takes until they look for a circle */
		CHECK_OK(lock_write(&a->x, &scene.inode[0]->lock, RANK_INODE));
		usleep(400000);
	} else {
		CHECK_OK(scene.read_first ? lock_read(&a->x, &first->lock, RANK_INODE)
					  : lock_write(&a->x, &first->lock, RANK_INODE));
		pthread_barrier_wait(&scene.barrier);
		CHECK_OK(lock_write(&a->x, &then->lock, RANK_INODE));
	}
	tx_commit(&a->x);
	return NULL;
}

static void play(u32 n)
{
	struct actor actors[MOST];

	scene.n = n;
	pthread_barrier_init(&scene.barrier, NULL, n);
	for (u32 i = 0; i < n; i++) {
		actors[i].n = i;
		fixture_join(&actors[i].x);
		CHECK_EQ(pthread_create(&actors[i].thread, NULL, act, &actors[i]), 0);
	}
	for (u32 i = 0; i < n; i++) {
		pthread_join(actors[i].thread, NULL);
		fixture_leave(&actors[i].x);
	}
}

/* Runs it in a process of its own, which must panic; text: what it says. */
static void must_panic(void (*run)(u32), u32 n, char *text, size_t size)
{
	size_t used = 0;
	ssize_t got;
	int ends[2], status;
	pid_t pid;

	CHECK_OK(pipe(ends));
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		dup2(ends[1], STDERR_FILENO);
		close(ends[0]);
		close(ends[1]);
		alarm(20);
		run(n);
		_exit(0);
	}
	close(ends[1]);
	while (used + 1 < size && (got = read(ends[0], text + used, size - 1 - used)) > 0)
		used += (size_t)got;
	text[used] = 0;
	close(ends[0]);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT)
		test_fail(__FILE__, __LINE__, "no panic, but status %x: %s", status, text);
}

static void must_say(const char *text, const char *what)
{
	if (!strstr(text, what))
		test_fail(__FILE__, __LINE__, "does not say '%s' but: %s", what, text);
}

static void must_name_circle(const char *text, u32 n)
{
	char line[100];

	must_say(text, "panic: deadlock");
	/* executor 1 has mounted; the actors are the next */
	for (u32 i = 0; i < n; i++) {
		snprintf(line, sizeof(line),
			 "executor %u waits for the lock of inode %u, which executor %u has", 2 + i,
			 scene.inode[(i + 1) % n]->ino, 2 + (i + 1) % n);
		must_say(text, line);
	}
}

static void set_up(bool directories)
{
	struct exec *x;

	fixture_make(8, "-O ^has_journal", NULL);
	x = fixture_mount();
	scene.inode[0] = make(x, "a", directories);
	scene.inode[1] = make(x, "b", directories);
	scene.inode[2] = make(x, "c", directories);
}

static void end(void)
{
	for (u32 i = 0; i < MOST; i++)
		inode_put(fixture_exec(), scene.inode[i]);
	fixture_unmount_check();
}

TEST(two_executors_in_a_circle_are_told_by_name)
{
	char text[4000];

	set_up(true);
	must_panic(play, 2, text, sizeof(text));
	must_name_circle(text, 2);
	end();
}

TEST(three_readers_that_want_to_write_are_told_by_name)
{
	char text[4000];

	set_up(true);
	scene.read_first = true;
	must_panic(play, 3, text, sizeof(text));
	must_name_circle(text, 3);
	end();
}

TEST(a_long_wait_is_no_circle)
{
	set_up(true);
	scene.in_order = true;
	play(3);
	end();
}

static void backwards(u32 n)
{
	struct exec x;

	fixture_join(&x);
	tx_begin(&x);
	CHECK_OK(lock_read(&x, &scene.inode[n]->lock, RANK_INODE));
	CHECK_OK(lock_read(&x, &scene.inode[0]->lock, RANK_INODE));
	tx_commit(&x);
}

TEST(files_locked_in_the_wrong_order_are_noticed)
{
	char text[4000];

	set_up(false);
	must_panic(backwards, 2, text, sizeof(text));
	must_say(text, "locks taken against their ranks");
	end();
}

/* ---- frames that are claimed for writing and not submitted (writer.c, W1) */
static void claim_and_lock(u32 n)
{
	struct writer w;
	struct frame *f;
	struct exec x;

	(void)n;
	fixture_join(&x);
	CHECK_EQ(util_write(&x, inode_node(scene.inode[0]), 0, "abc", 3), 3);
	f = page_find(&x, scene.inode[0], 0);
	CHECK(f);
	writer_init(&w);
	write_page(&x, &w, f, false);
	CHECK_EQ(w.nframes, 1);
	tx_begin(&x);
	CHECK_OK(
		lock_read(&x, &scene.inode[1]->lock, RANK_INODE)); /* nobody has it: that is luck */
}

TEST(locking_with_frames_claimed_is_noticed)
{
	char text[4000];

	set_up(false);
	must_panic(claim_and_lock, 0, text, sizeof(text));
	must_say(text, "waits with frames claimed for writing");
	CHECK_OK(exec_recover(fixture_exec(), 2)); /* what it has left in the pool */
	end();
}

/* ---- the spin lock of a session */
static void *take_session(void *arg)
{
	struct actor *a = arg;
	u64 fh;

	(void)!session_reserve(&a->x, &pool_host(a->x.pool, 1)->session, &fh);
	return NULL;
}

/* One has the session and wants a lock, the other has the lock and wants the session. */
static void session_circle(u32 n)
{
	struct actor a = {.n = n}, b = {.n = n};
	struct frame *f;

	fixture_join(&a.x);
	fixture_join(&b.x);
	/* a table of hosts: there is none in this pool, and of it no more than the first is used */
	CHECK_OK(frame_alloc(fixture_exec(), &f));
	plat_zero(a.x.plat, frame_data(&a.x, f), BLOCK_SIZE);
	a.x.pool->hdr->hosts = frame_ref(&a.x, f);
	pool_host(a.x.pool, 1)->session.lock = a.x.id;
	tx_begin(&b.x);
	CHECK_OK(lock_write(&b.x, &scene.inode[0]->lock, RANK_INODE));
	CHECK_EQ(pthread_create(&b.thread, NULL, take_session, &b), 0);
	tx_begin(&a.x);
	CHECK_OK(lock_write(&a.x, &scene.inode[0]->lock, RANK_INODE));
}

TEST(a_circle_over_the_session_of_a_host_is_told_by_name)
{
	char text[4000];

	set_up(false);
	must_panic(session_circle, 0, text, sizeof(text));
	must_say(text, "the session of host 1, which executor 2 has");
	must_say(text, "the lock of inode");
	end();
}
