/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SIGKILL at chosen moments, with real processes on one pool: at a commit, in a wait for a lock, at
 * the gate of the journal, and while the last survivor is leaving. Each case brings its processes
 * to the moment, which is seen in the pool from outside, and then kills.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

#include "fs/inode.h"
#include "host-driver/lib/mpdisk.h"
#include "journal/journal.h"
#include "tests/fs/file_util.h"
#include "tests/fs/names_util.h"

#define MUST_MS 40000u /* what goes on at all has done so by then */
#define SETTLE_US 300000
#define COMMIT_DEATHS 25u
#define COMMIT_HITS (COMMIT_DEATHS / 5u) /* at least, while one is being written */

/* Seen by all processes of a case. */
static struct scene {
	u32 step[8]; /* atomic: how far an actor is */
	u32 go[8];   /* atomic: how far it may go */
	node_t file;
} * scene;

static char pool_file[300];

/* ---- actors */
static u64 now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (u64)ts.tv_sec * 1000 + (u64)ts.tv_nsec / 1000000;
}

static void await(const u32 *word, u32 value, const char *what)
{
	u64 since = now_ms();

	while (__atomic_load_n(word, __ATOMIC_ACQUIRE) < value) {
		usleep(500);
		if (now_ms() - since > MUST_MS)
			test_fail(__FILE__, __LINE__, "%s does not come about", what);
	}
}

static void reached(u32 actor, u32 step)
{
	__atomic_store_n(&scene->step[actor], step, __ATOMIC_RELEASE);
	await(&scene->go[actor], step, "leave to go on");
}

/* Lets the actor go on after the step that it has come to. */
static void go(u32 actor, u32 step)
{
	await(&scene->step[actor], step, "an actor's step");
	__atomic_store_n(&scene->go[actor], step, __ATOMIC_RELEASE);
}

static pid_t start(void (*act)(u32), u32 actor)
{
	pid_t pid;

	scene->step[actor] = 0;
	scene->go[actor] = 0;
	fflush(NULL);
	pid = fork();
	CHECK(pid >= 0);
	if (!pid) {
		act(actor);
		_exit(0);
	}
	return pid;
}

/* ... and it has come to its first step. */
static pid_t ready(void (*act)(u32), u32 actor)
{
	pid_t pid = start(act, actor);

	await(&scene->step[actor], 1, "an actor's first step");
	return pid;
}

static void die(pid_t pid)
{
	int status;

	CHECK_EQ(kill(pid, SIGKILL), 0);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
		test_fail(__FILE__, __LINE__, "it had ended by itself: status %x", status);
}

static void must_end(pid_t pid, const char *who)
{
	u64 since = now_ms();
	int status;

	while (waitpid(pid, &status, WNOHANG) == 0) {
		usleep(1000);
		if (now_ms() - since > MUST_MS)
			test_fail(__FILE__, __LINE__, "%s waits for ever", who);
	}
	if (status)
		test_fail(__FILE__, __LINE__, "%s ends with status %x", who, status);
}

static struct mpdisk *attach(struct exec *x)
{
	struct mpdisk_options options = {
		.pool = pool_file, .image = fixture_image(), .pool_mib = 16};
	struct mpdisk *disk;

	CHECK_OK(mpdisk_open(&options, &disk));
	CHECK_OK(mpdisk_executor(disk, x));
	return disk;
}

static void leave(struct mpdisk *disk, struct exec *x)
{
	exec_leave(x);
	CHECK_OK(mpdisk_close(disk));
}

/* The file held open by the host's session, as by an open of one of its users. */
static void hold_open(struct mpdisk *disk, struct exec *x)
{
	struct session *s = mpdisk_session(disk);
	struct fs_attr attr;
	u64 fh;

	CHECK_OK(session_reserve(x, s, &fh));
	session_note(x, s, fh);
	CHECK_OK(fs_open(x, scene->file, false, &attr));
	session_bind(x, s, fh, scene->file);
}

static void make(void)
{
	struct mpdisk *disk;
	struct exec x;

	fixture_make(32, NULL, NULL);
	snprintf(pool_file, sizeof(pool_file), "%s.pool", fixture_image());
	test_temporary(pool_file);
	scene = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(scene != MAP_FAILED);
	disk = attach(&x);
	scene->file = util_create(&x, "file");
	leave(disk, &x);
}

/* ---- the pool from outside, by who is no host */
static struct pool outside;

static void look_in(void)
{
	int fd = open(pool_file, O_RDWR);
	off_t size = lseek(fd, 0, SEEK_END);
	void *base = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	CHECK(fd >= 0 && size > 0 && base != MAP_FAILED);
	CHECK_OK(pool_attach(&outside, base, (u32)size));
	close(fd);
}

static const struct inode *the_inode(void)
{
	const struct fs *fs = pool_ptr(&outside, outside.hdr->fs);
	const struct inode *slots = pool_ptr(&outside, fs->inodes);

	for (u32 i = 0; i < fs->ninodes; i++)
		if (slots[i].state == INODE_READY && slots[i].ino == (u32)scene->file)
			return &slots[i];
	test_fail(__FILE__, __LINE__, "the file is not in memory");
}

static const struct journal *the_journal(void)
{
	return pool_ptr(&outside, outside.hdr->journal);
}

static void await_waiters(const u32 *lock)
{
	u64 since = now_ms();

	while (!(__atomic_load_n(lock, __ATOMIC_ACQUIRE) & LOCK_WAITERS)) {
		usleep(500);
		if (now_ms() - since > MUST_MS)
			test_fail(__FILE__, __LINE__, "nobody waits for the lock");
	}
}

/* ---- who does what */
/* Holds the file's lock, in an open tx, until it dies or may go on. */
static void lock_holder(u32 me)
{
	struct mpdisk *disk;
	struct inode *inode;
	struct exec x;

	disk = attach(&x);
	CHECK_OK(inode_get_node(&x, scene->file, &inode));
	tx_begin_change(&x);
	CHECK_OK(lock_write(&x, &inode->lock, RANK_INODE));
	reached(me, 1);
	tx_commit(&x);
	inode_put(&x, inode);
	leave(disk, &x);
}

/* Has the file open; leaves when it may. */
static void has_it_open(u32 me)
{
	struct mpdisk *disk;
	struct exec x;

	disk = attach(&x);
	hold_open(disk, &x);
	reached(me, 1);
	exec_leave(&x);
	__atomic_store_n(&scene->step[me], 2, __ATOMIC_RELEASE);
	CHECK_OK(mpdisk_close(disk));
}

static void has_nothing(u32 me)
{
	struct mpdisk *disk;
	struct exec x;

	disk = attach(&x);
	reached(me, 1);
	exec_leave(&x);
	__atomic_store_n(&scene->step[me], 2, __ATOMIC_RELEASE);
	CHECK_OK(mpdisk_close(disk));
}

/* Changes the file once. */
static void changer(u32 me)
{
	struct fs_setattr set = {.valid = FS_SET_MODE, .mode = 0600};
	struct mpdisk *disk;
	struct fs_attr attr;
	struct exec x;

	disk = attach(&x);
	reached(me, 1);
	CHECK_OK(fs_setattr(&x, scene->file, &set, &attr));
	reached(me, 2);
	leave(disk, &x);
}

static void reader(u32 me)
{
	struct mpdisk *disk;
	struct inode *inode;
	struct exec x;

	disk = attach(&x);
	CHECK_OK(inode_get_node(&x, scene->file, &inode));
	reached(me, 1);
	tx_begin(&x);
	CHECK_OK(lock_read(&x, &inode->lock, RANK_INODE));
	tx_commit(&x);
	inode_put(&x, inode);
	reached(me, 2);
	leave(disk, &x);
}

static void syncer(u32 me)
{
	struct mpdisk *disk;
	struct exec x;
	char name[40];

	sprintf(name, "to be committed %d", (int)getpid());
	disk = attach(&x);
	(void)util_create(&x, name);
	reached(me, 1);
	CHECK_OK(fs_sync(&x));
	reached(me, 2);
	leave(disk, &x);
}

/* Makes, writes, removes and commits without end. */
static void committer(u32 me)
{
	static u8 data[9000];
	struct mpdisk *disk;
	struct exec x;
	char name[40];

	disk = attach(&x);
	(void)disk;
	__atomic_store_n(&scene->step[me], 1, __ATOMIC_RELEASE);
	for (u32 i = 0;; i++) {
		node_t node;

		sprintf(name, "c%d-%u", (int)getpid(), i % 7);
		(void)!fs_unlink(&x, FS_ROOT, nm(name));
		node = util_create(&x, name);
		CHECK_EQ(util_write(&x, node, i % 3, data, sizeof(data)), sizeof(data));
		CHECK_OK(fs_sync(&x));
	}
}

/* ---- the last survivor leaves */
TEST(who_leaves_is_not_left_waiting_for_one_that_dies)
{
	pid_t holder, survivor;

	make();
	survivor = ready(has_it_open, 0);
	holder = ready(lock_holder, 1);
	go(0, 1);
	await(&scene->step[0], 2, "the leaving");
	usleep(SETTLE_US); /* closing the file waits for the lock */
	die(holder);
	must_end(survivor, "who leaves");
	fixture_fsck();
}

TEST(who_leaves_while_it_recovers_is_not_left_waiting_for_one_that_dies)
{
	pid_t holder, survivor, open_one;

	make();
	survivor = ready(has_nothing, 0);
	open_one = ready(has_it_open, 2);
	holder = ready(lock_holder, 1);
	CHECK_EQ(kill(holder, SIGSTOP), 0); /* recovers nobody, and is not recovered */
	die(open_one);
	usleep(SETTLE_US); /* closing its file waits for the lock */
	go(0, 1);
	await(&scene->step[0], 2, "the leaving");
	usleep(SETTLE_US);
	die(holder);
	must_end(survivor, "who leaves");
	fixture_fsck();
}

TEST(who_waits_to_leave_recovers_whoever_dies)
{
	struct flock flock = {
		.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = MPDISK_LOCK_JOIN, .l_len = 1};
	pid_t holder, survivor, open_one;
	int fd;

	make();
	survivor = ready(has_nothing, 0);
	open_one = ready(has_it_open, 2);
	holder = ready(lock_holder, 1);
	CHECK_EQ(kill(holder, SIGSTOP), 0);
	fd = open(pool_file, O_RDWR);
	CHECK(fd >= 0);
	CHECK_EQ(fcntl(fd, F_OFD_SETLK, &flock), 0); /* as somebody who is joining */
	go(0, 1);
	await(&scene->step[0], 2, "the leaving");
	usleep(SETTLE_US);
	die(open_one);
	usleep(SETTLE_US);
	close(fd);
	usleep(SETTLE_US);
	die(holder);
	must_end(survivor, "who leaves");
	fixture_fsck();
}

/* ---- waits */
struct wait {
	pid_t holder, survivor, other;
};

/* The other (2) waits for the holder's (0) lock; the survivor (1) can be let go to want it too. */
static struct wait wait_for_a_lock(void (*other)(u32))
{
	struct wait w;

	make();
	w.holder = ready(lock_holder, 0);
	w.survivor = start(changer, 1);
	w.other = start(other, 2);
	look_in();
	go(2, 1);
	await_waiters(&the_inode()->lock);
	return w;
}

static void death_in_a_wait(void (*waiter)(u32))
{
	struct wait w = wait_for_a_lock(waiter);

	die(w.other);
	go(1, 1);
	usleep(SETTLE_US);
	go(0, 1);
	go(1, 2);
	must_end(w.holder, "who had the lock");
	must_end(w.survivor, "who wanted it too");
	fixture_fsck();
}

TEST(who_dies_waiting_to_write_is_in_nobodys_way)
{
	death_in_a_wait(changer);
}

TEST(who_dies_waiting_to_read_is_in_nobodys_way)
{
	death_in_a_wait(reader);
}

/* The first change waits for the holder's lock with the transaction joined, and dies like that. */
TEST(a_lock_that_was_waited_for_goes_on_to_the_next_when_both_die)
{
	struct wait w = wait_for_a_lock(changer);

	go(1, 1);
	usleep(SETTLE_US);
	die(w.holder);
	die(w.other);
	go(1, 2);
	must_end(w.survivor, "who wanted the lock");
	fixture_fsck();
}

/* The gate is closed: a commit waits for the holder, the other one waits for the gate. */
static void death_at_the_gate(bool committer_dies)
{
	pid_t holder, survivor, other, third;

	make();
	survivor = ready(syncer, 1);
	third = ready(changer, 3);
	other = ready(changer, 2);
	holder = ready(lock_holder, 0);
	look_in();
	go(1, 1);
	for (u64 since = now_ms(); atomic_load(&outside.hdr->gate); usleep(500))
		CHECK(now_ms() - since < MUST_MS);
	go(2, 1); /* waits at the gate */
	usleep(SETTLE_US);
	die(other);
	if (committer_dies) {
		die(survivor);
		survivor = third;
		go(3, 1);
		usleep(SETTLE_US);
	}
	die(holder);
	if (!committer_dies) {
		go(1, 2);
		go(3, 1);
		must_end(survivor, "who commits");
	}
	go(3, 2);
	must_end(third, "the third");
	fixture_fsck();
}

TEST(who_dies_at_the_gate_is_in_nobodys_way)
{
	death_at_the_gate(false);
}

TEST(the_gate_is_opened_when_who_closed_it_dies)
{
	death_at_the_gate(true);
}

/* ---- commits */
TEST_TIMED(killed_in_the_middle_of_commits, 300)
{
	u32 aimed[4] = {JOURNAL_LOCKED, JOURNAL_COMMITTING, JOURNAL_FINISHING, JOURNAL_COMMITTING};
	u32 hit[4] = {0}, random = test_seed(), deaths = 0;
	const struct journal *j;
	struct mpdisk *disk;
	struct exec x;
	pid_t pid;

	make();
	pid = ready(has_nothing, 0);
	look_in();
	j = the_journal();
	/* who kills may be late: then more must die */
	for (; deaths < COMMIT_DEATHS ||
	       (hit[JOURNAL_COMMITTING] < COMMIT_HITS && deaths < 20 * COMMIT_DEATHS);
	     deaths++) {
		u32 want = aimed[deaths % 4], state;
		u64 since = now_ms();
		pid_t victim = start(committer, 1);

		await(&scene->step[1], 1, "the committer");
		random = random * 1664525u + 1013904223u;
		usleep(random >> 16 & 0x3FFF);
		while (atomic_load(&j->state) != want && now_ms() - since < 2000)
			;
		die(victim);
		state = atomic_load(&j->state);
		hit[state & 3]++;
		victim = start(syncer, 2);
		go(2, 1);
		go(2, 2);
		must_end(victim, "who commits after it");
		CHECK_EQ(atomic_load(&j->state), JOURNAL_RUNNING);
	}
	if (test_verbose())
		fprintf(stderr, "%u deaths: %u between commits, %u locked, %u writing, %u ending\n",
			deaths, hit[JOURNAL_RUNNING], hit[JOURNAL_LOCKED], hit[JOURNAL_COMMITTING],
			hit[JOURNAL_FINISHING]);
	CHECK(hit[JOURNAL_COMMITTING] >= COMMIT_HITS);
	go(0, 1);
	must_end(pid, "the survivor");
	fixture_fsck();
	disk = attach(&x);
	leave(disk, &x);
	fixture_fsck();
}
