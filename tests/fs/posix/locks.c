// SPDX-License-Identifier: BSD-2-Clause
/* Locks on files: fcntl's of processes and of open file descriptions, and flock. */
#define _GNU_SOURCE
#include "suite.h"

#include <sys/file.h>
#include <time.h>

static struct flock range(short type, off_t start, off_t len)
{
	return (struct flock){.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = len};
}

static int posix_lock(int fd, int cmd, short type, off_t start, off_t len)
{
	struct flock l = range(type, start, len);

	return fcntl(fd, cmd, &l);
}

#define SET(fd, type, start, len) posix_lock(fd, F_SETLK, type, start, len)
#define WAIT(fd, type, start, len) posix_lock(fd, F_SETLKW, type, start, len)
#define OFD(fd, type, start, len) posix_lock(fd, F_OFD_SETLK, type, start, len)
#define OFD_WAIT(fd, type, start, len) posix_lock(fd, F_OFD_SETLKW, type, start, len)

static int file(void)
{
	return (int)OK(open("f", O_CREAT | O_RDWR, 0666));
}

/* What another process would find in the way of a write lock: [start, start+len) of that type. */
static void found(off_t from, off_t len, short type, off_t start, off_t length)
{
	struct flock l = range(F_WRLCK, from, len);
	int fd = file();

	OK(fcntl(fd, F_GETLK, &l));
	EQ(l.l_type, type);
	if (type != F_UNLCK) {
		EQ(l.l_start, start);
		EQ(l.l_len, length);
	}
}

/* The block is another process, on the second host if there is one. */
#define OTHER_PROCESS                                                                              \
	if (become(ROOT, ROOT))                                                                    \
		for (second_host();; end_child())

static pid_t start_other(void)
{
	pid_t pid = start_child();

	if (!pid)
		second_host();
	return pid;
}

static void nap(int ms)
{
	const struct timespec t = {ms / 1000, ms % 1000 * 1000000};

	nanosleep(&t, NULL);
}

static long long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000ll + t.tv_nsec / 1000000;
}

/* A pipe between two processes that take turns. */
struct turn {
	int fd[2];
};

static struct turn turn(void)
{
	struct turn t;

	OK(pipe(t.fd));
	return t;
}

static void tell(struct turn *t)
{
	EQ(write(t->fd[1], "", 1), 1);
}

static void hear(struct turn *t)
{
	char c;

	EQ(read(t->fd[0], &c, 1), 1);
}

CHECK(locks, write_excludes_others)
{
	int fd = file();

	OK(SET(fd, F_WRLCK, 10, 10));
	OTHER_PROCESS
	{
		int other = file();

		FAILS(EAGAIN, SET(other, F_WRLCK, 15, 1));
		FAILS(EAGAIN, SET(other, F_RDLCK, 19, 10));
		FAILS(EAGAIN, SET(other, F_RDLCK, 0, 0));
		OK(SET(other, F_WRLCK, 0, 10));
		OK(SET(other, F_WRLCK, 20, 0));
	}
	OK(SET(fd, F_WRLCK, 0, 0)); /* the other one's are gone with it */
}

CHECK(locks, read_are_shared)
{
	int fd = file();

	OK(SET(fd, F_RDLCK, 0, 100));
	OTHER_PROCESS
	{
		int other = file();

		OK(SET(other, F_RDLCK, 50, 100));
		FAILS(EAGAIN, SET(other, F_WRLCK, 50, 10));
		OK(SET(other, F_WRLCK, 120, 10));
	}
}

CHECK(locks, getlk_names_the_holder)
{
	struct flock l = range(F_WRLCK, 0, 0);
	pid_t me = getpid();
	int fd = file();

	OK(SET(fd, F_WRLCK, 10, 10));
	OK(SET(fd, F_RDLCK, 30, 0));
	OTHER_PROCESS
	{
		int other = file();

		OK(fcntl(other, F_GETLK, &l));
		EQ(l.l_type, F_WRLCK);
		EQ(l.l_start, 10);
		EQ(l.l_len, 10);
		EQ(l.l_pid, second_dir ? 0 : me); /* numbers are of a host */
		EQ(l.l_whence, SEEK_SET);
		l = range(F_RDLCK, 25, 100);
		OK(fcntl(other, F_GETLK, &l));
		EQ(l.l_type, F_UNLCK);
		l = range(F_WRLCK, 25, 100);
		OK(fcntl(other, F_GETLK, &l));
		EQ(l.l_type, F_RDLCK);
		EQ(l.l_len, 0); /* to the end of all files */
	}
	OK(fcntl(fd, F_GETLK, &l)); /* one's own are not in the way */
	EQ(l.l_type, F_UNLCK);
}

CHECK(locks, split_and_join)
{
	int fd = file();

	OK(SET(fd, F_WRLCK, 0, 100));
	OK(SET(fd, F_UNLCK, 40, 20));
	OTHER_PROCESS
	{
		found(0, 0, F_WRLCK, 0, 40);
		found(40, 20, F_UNLCK, 0, 0);
		found(50, 0, F_WRLCK, 60, 40);
	}
	OK(SET(fd, F_RDLCK, 10, 10));
	OTHER_PROCESS
	{
		found(0, 0, F_WRLCK, 0, 10);
		found(10, 5, F_RDLCK, 10, 10);
		found(20, 5, F_WRLCK, 20, 20);
	}
	OK(SET(fd, F_WRLCK, 10, 50));
	OTHER_PROCESS
	{
		found(0, 0, F_WRLCK, 0, 100);
	}
	OK(SET(fd, F_UNLCK, 0, 1));
	OK(SET(fd, F_UNLCK, 99, 0));
	OTHER_PROCESS
	{
		found(0, 0, F_WRLCK, 1, 98);
	}
	OK(SET(fd, F_UNLCK, 0, 0));
	OTHER_PROCESS
	{
		found(0, 0, F_UNLCK, 0, 0);
	}
}

CHECK(locks, upgrade_and_downgrade)
{
	int fd = file();

	OK(SET(fd, F_RDLCK, 0, 10));
	OK(SET(fd, F_WRLCK, 0, 10));
	OTHER_PROCESS
	{
		FAILS(EAGAIN, SET(file(), F_RDLCK, 0, 10));
	}
	OK(SET(fd, F_RDLCK, 0, 10));
	OTHER_PROCESS
	{
		OK(SET(file(), F_RDLCK, 0, 10));
	}
}

CHECK(locks, whence_and_negative_length)
{
	struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_END, .l_start = -10, .l_len = 5};
	int fd = file();

	OK(ftruncate(fd, 100));
	OK(fcntl(fd, F_SETLK, &l));
	OTHER_PROCESS
	{
		found(0, 0, F_WRLCK, 90, 5);
	}
	OK(SET(fd, F_UNLCK, 0, 0));
	OK(lseek(fd, 50, SEEK_SET));
	l = (struct flock){.l_type = F_WRLCK, .l_whence = SEEK_CUR, .l_start = 0, .l_len = -10};
	OK(fcntl(fd, F_SETLK, &l));
	OTHER_PROCESS
	{
		found(0, 0, F_WRLCK, 40, 10);
	}
}

CHECK(locks, errors)
{
	int fd = file(), rd = (int)OK(open("f", O_RDONLY)), wr = (int)OK(open("f", O_WRONLY));

	FAILS(EBADF, SET(rd, F_WRLCK, 0, 1));
	FAILS(EBADF, SET(wr, F_RDLCK, 0, 1));
	FAILS(EINVAL, SET(fd, F_WRLCK, -1, 1));
	FAILS(EINVAL, SET(fd, F_WRLCK, 5, -6));
	FAILS(EINVAL, SET(fd, 77, 0, 1));
	FAILS(EBADF, SET(12345, F_WRLCK, 0, 1));
	FAILS(EOVERFLOW, SET(fd, F_WRLCK, LLONG_MAX, 2));
	OK(SET(fd, F_WRLCK, LLONG_MAX, 1));
	OK(SET(fd, F_UNLCK, 0, 0)); /* what is not held is given back well */
	OK(SET(fd, F_UNLCK, 7, 7));
}

CHECK(locks, go_when_any_descriptor_is_closed)
{
	int fd = file(), again = file();

	OK(SET(fd, F_WRLCK, 0, 0));
	OK(close(again));
	OTHER_PROCESS
	{
		OK(SET(file(), F_WRLCK, 0, 0));
	}
	OK(SET(fd, F_WRLCK, 0, 0));
	OK(close((int)OK(dup(fd))));
	OTHER_PROCESS
	{
		found(0, 0, F_UNLCK, 0, 0);
	}
}

CHECK(locks, go_with_the_process)
{
	struct turn t = turn();
	int status;
	pid_t pid;

	touch("f", 0666);
	pid = start_other();
	if (!pid) {
		OK(SET(file(), F_WRLCK, 0, 0));
		tell(&t);
		for (;;)
			pause();
	}
	hear(&t);
	found(0, 0, F_WRLCK, 0, 0);
	OK(kill(pid, SIGKILL));
	EQ(waitpid(pid, &status, 0), pid);
	found(0, 0, F_UNLCK, 0, 0);
}

CHECK(locks, are_not_inherited_by_children)
{
	int fd = file();

	OK(SET(fd, F_WRLCK, 0, 10));
	OTHER_PROCESS
	{
		FAILS(EAGAIN, SET(fd, F_WRLCK, 0, 10));
		OK(SET(fd, F_UNLCK, 0, 10)); /* gives back nothing of the parent's */
		FAILS(EAGAIN, SET(fd, F_WRLCK, 0, 10));
	}
}

CHECK(locks, wait_until_they_are_free)
{
	struct turn t = turn();
	int fd = file();
	pid_t pid;

	OK(SET(fd, F_WRLCK, 0, 10));
	pid = start_other();
	if (!pid) {
		long long start = now_ms();

		tell(&t);
		OK(WAIT(file(), F_WRLCK, 5, 10));
		TRUE(now_ms() - start >= 150);
		_exit(0);
	}
	hear(&t);
	nap(200);
	OK(SET(fd, F_UNLCK, 0, 10));
	join_child(pid);
	OK(SET(fd, F_WRLCK, 0, 20));
}

CHECK(locks, many_wait_and_all_get_them)
{
	int fd = file(), i, n = second_dir ? 16 : 24; /* more than a port keeps waiting */
	pid_t pids[24];

	OK(SET(fd, F_WRLCK, 0, 0));
	for (i = 0; i < n; i++) {
		pids[i] = i % 2 ? start_other() : start_child();
		if (!pids[i]) {
			int own = file();
			char c;

			OK(WAIT(own, F_WRLCK, 0, 0));
			if (pread(own, &c, 1, 0) == 0)
				c = 0;
			c++;
			EQ(pwrite(own, &c, 1, 0), 1);
			_exit(0);
		}
	}
	nap(200);
	/* others go on meanwhile */
	touch("g", 0644);
	OK(SET(fd, F_UNLCK, 0, 0));
	for (i = 0; i < n; i++)
		join_child(pids[i]);
	{
		char c = 0;

		EQ(pread(fd, &c, 1, 0), 1);
		EQ(c, n);
	}
}

static void on_alarm(int number)
{
	(void)number;
}

CHECK(locks, waiting_is_interrupted_by_a_signal)
{
	struct sigaction a = {.sa_handler = on_alarm};
	struct turn t = turn();
	int fd = file(), status;
	pid_t pid;

	OK(SET(fd, F_WRLCK, 0, 10));
	pid = start_other();
	if (!pid) {
		int own = file();

		alarm(0);
		OK(sigaction(SIGUSR1, &a, NULL));
		tell(&t);
		FAILS(EINTR, WAIT(own, F_WRLCK, 0, 10));
		FAILS(EAGAIN, SET(own, F_WRLCK, 0, 10));
		OK(SET(own, F_WRLCK, 10, 10));
		_exit(0);
	}
	hear(&t);
	nap(150);
	OK(kill(pid, SIGUSR1));
	join_child(pid);
	/* and by death */
	pid = start_other();
	if (!pid) {
		tell(&t);
		OK(WAIT(file(), F_WRLCK, 0, 10));
		_exit(0);
	}
	hear(&t);
	nap(100);
	OK(kill(pid, SIGKILL));
	EQ(waitpid(pid, &status, 0), pid);
	OK(SET(fd, F_UNLCK, 0, 10));
	found(0, 0, F_UNLCK, 0, 0);
}

CHECK(locks, circle_of_two_is_edeadlk)
{
	struct turn t = turn();
	int fd = file();
	pid_t pid;

	OK(SET(fd, F_WRLCK, 0, 1));
	pid = start_other();
	if (!pid) {
		int own = file();

		OK(SET(own, F_WRLCK, 1, 1));
		tell(&t);
		OK(WAIT(own, F_WRLCK, 0, 1));
		_exit(0);
	}
	hear(&t);
	nap(150);
	FAILS(EDEADLK, WAIT(fd, F_WRLCK, 1, 1));
	OK(SET(fd, F_UNLCK, 0, 1));
	join_child(pid);
}

CHECK(locks, circle_of_three_over_two_files_is_edeadlk)
{
	struct turn t = turn();
	pid_t a, b;
	int fd = file(), g;

	touch("g", 0644);
	g = (int)OK(open("g", O_RDWR));
	OK(SET(fd, F_WRLCK, 0, 1));
	a = start_other();
	if (!a) {
		g = (int)OK(open("g", O_RDWR));
		OK(SET(g, F_WRLCK, 0, 1));
		tell(&t);
		OK(WAIT(file(), F_WRLCK, 0, 1));
		_exit(0);
	}
	hear(&t);
	b = start_child();
	if (!b) {
		int own = file();

		g = (int)OK(open("g", O_RDWR));
		OK(SET(own, F_WRLCK, 7, 1));
		tell(&t);
		OK(WAIT(g, F_WRLCK, 0, 1));
		_exit(0);
	}
	hear(&t);
	nap(150);
	FAILS(EDEADLK, WAIT(fd, F_RDLCK, 7, 1));
	OK(SET(fd, F_UNLCK, 0, 0));
	join_child(a);
	join_child(b);
}

CHECK(locks, of_open_file_descriptions_exclude_within_a_process)
{
	int a = file(), b = file();
	struct flock l = range(F_WRLCK, 0, 0);

	OK(OFD(a, F_WRLCK, 0, 10));
	FAILS(EAGAIN, OFD(b, F_WRLCK, 5, 10));
	FAILS(EAGAIN, SET(b, F_WRLCK, 5, 10));
	OK(fcntl(b, F_OFD_GETLK, &l));
	EQ(l.l_type, F_WRLCK);
	EQ(l.l_pid, -1);
	OK(close((int)OK(dup(a))));
	FAILS(EAGAIN, OFD(b, F_WRLCK, 5, 10)); /* not given back by a close of one of two */
	OK(OFD(a, F_UNLCK, 0, 0));
	OK(OFD(b, F_WRLCK, 5, 10));
	OTHER_PROCESS
	{
		/* inherited: the same description */
		OK(OFD(b, F_WRLCK, 5, 10));
		FAILS(EAGAIN, OFD(a, F_WRLCK, 5, 10));
	}
	FAILS(EAGAIN, OFD(a, F_WRLCK, 5, 10));
}

CHECK(locks, of_open_file_descriptions_go_with_the_last_descriptor)
{
	int a = file(), b = file();

	OK(OFD(a, F_WRLCK, 0, 10));
	OK(close(a));
	nap(50);
	OK(OFD(b, F_WRLCK, 0, 10));
}

CHECK(locks, of_open_file_descriptions_wait)
{
	struct turn t = turn();
	int a = file();
	pid_t pid;

	OK(OFD(a, F_RDLCK, 0, 10));
	pid = start_other();
	if (!pid) {
		int own = file();

		OK(close(a));
		tell(&t);
		OK(OFD_WAIT(own, F_WRLCK, 0, 10));
		_exit(0);
	}
	hear(&t);
	nap(100);
	OK(close(a));
	join_child(pid);
}

CHECK(flock, shared_and_exclusive)
{
	int a = file(), b = file(), c = file();

	OK(flock(a, LOCK_SH));
	OK(flock(b, LOCK_SH | LOCK_NB));
	FAILS(EAGAIN, flock(c, LOCK_EX | LOCK_NB));
	OK(flock(b, LOCK_UN));
	OK(flock(a, LOCK_EX | LOCK_NB));
	FAILS(EAGAIN, flock(c, LOCK_SH | LOCK_NB));
	OK(flock(a, LOCK_UN));
	OK(flock(c, LOCK_EX | LOCK_NB));
	FAILS(EINVAL, flock(a, 77));
}

CHECK(flock, belongs_to_the_description)
{
	int a = file(), b = (int)OK(dup(a)), c = file();

	OK(flock(a, LOCK_EX));
	OK(flock(b, LOCK_EX | LOCK_NB));
	OTHER_PROCESS
	{
		OK(flock(b, LOCK_EX | LOCK_NB));
		OK(close(b));
	}
	FAILS(EAGAIN, flock(c, LOCK_EX | LOCK_NB));
	OK(close(a));
	FAILS(EAGAIN, flock(c, LOCK_EX | LOCK_NB));
	OK(close(b));
	nap(50);
	OK(flock(c, LOCK_EX | LOCK_NB));
}

CHECK(flock, of_any_open_mode_and_directories)
{
	int fd;

	touch("f", 0644);
	OK(mkdir("d", 0755));
	fd = (int)OK(open("f", O_RDONLY));
	OK(flock(fd, LOCK_EX | LOCK_NB));
	fd = (int)OK(open("d", O_RDONLY));
	OK(flock(fd, LOCK_EX | LOCK_NB));
	FAILS(EAGAIN, flock((int)OK(open("d", O_RDONLY)), LOCK_SH | LOCK_NB));
}

CHECK(flock, waits)
{
	struct turn t = turn();
	int a = file();
	pid_t pid;

	OK(flock(a, LOCK_EX));
	pid = start_other();
	if (!pid) {
		int own = file();

		OK(close(a));
		tell(&t);
		OK(flock(own, LOCK_SH));
		_exit(0);
	}
	hear(&t);
	nap(100);
	OK(flock(a, LOCK_UN));
	join_child(pid);
}

CHECK(flock, and_fcntl_do_not_meet)
{
	int a = file();

	OK(flock(a, LOCK_EX));
	OTHER_PROCESS
	{
		OK(SET(file(), F_WRLCK, 0, 0));
	}
}
