// SPDX-License-Identifier: BSD-2-Clause
/*
 * Parts of uml_pair about locks on files: that they exclude, and that who waits for one gets it:
 * once, and whatever the others do meanwhile.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "uml_pair.h"

#define LIMIT 300 /* seconds that only a wait which never ends reaches */
#define TURNS 500u
#define BUSY_NS 100000 /* some waits end at once, some when the one who waits sleeps */
#define LOCKS 3u
#define WAITERS 6u

enum shared { TURN_RANGE, TURN_WHOLE, READERS, WRITERS, SERVED, SIGNALS, SHARED };

static uint32_t load(const uint32_t *word)
{
	return __atomic_load_n(word, __ATOMIC_SEQ_CST);
}

static void add(uint32_t *word, uint32_t n)
{
	__atomic_fetch_add(word, n, __ATOMIC_SEQ_CST);
}

static bool range(int fd, short type, off_t at, int command)
{
	struct flock l = {.l_type = type, .l_start = at, .l_len = 1};

	return fcntl(fd, command, &l) == 0;
}

static void count_under(void (*lock)(int fd, bool on))
{
	uint32_t value;
	int fd, i;

	BY(A) pair_put("count", "\0\0\0\0", 4);
	fd = OK(open("count", O_RDWR));
	for (i = 0; i < 100; i++) {
		lock(fd, true);
		TRUE(pread(fd, &value, 4, 0) == 4);
		value++;
		TRUE(pwrite(fd, &value, 4, 0) == 4);
		lock(fd, false);
	}
	pair_meet();
	TRUE(pread(fd, &value, 4, 0) == 4);
	if (value != 200)
		pair_fail("%u instead of 200", value);
	OK(close(fd));
	pair_meet();
	BY(A) OK(unlink("count"));
}

static void by_range(int fd, bool on)
{
	struct flock l = {.l_type = on ? F_WRLCK : F_UNLCK, .l_start = 10, .l_len = 5};

	OK(fcntl(fd, F_SETLKW, &l));
}

static void by_flock(int fd, bool on)
{
	OK(flock(fd, on ? LOCK_EX : LOCK_UN));
}

void locks_exclude(void)
{
	struct flock l = {.l_type = F_WRLCK, .l_start = 100, .l_len = 50};
	int fd;

	count_under(by_range);
	count_under(by_flock);
	BY(A) pair_put("lock", "x", 1);
	fd = OK(open("lock", O_RDWR));
	BY(A) OK(fcntl(fd, F_SETLK, &l));
	BY(B)
	{
		FAILS(EAGAIN, fcntl(fd, F_SETLK, &l));
		l.l_start = 0;
		l.l_len = 200;
		OK(fcntl(fd, F_GETLK, &l));
		TRUE(l.l_type == F_WRLCK && l.l_start == 100 && l.l_len == 50);
	}
	if (pair_role == A)
		OK(close(fd)); /* gives it back */
	pair_meet();
	BY(B)
	{
		l = (struct flock){.l_type = F_WRLCK};
		OK(fcntl(fd, F_SETLK, &l));
		OK(unlink("lock"));
	}
}

/* The other kernel would not ask before it opens. */
void leases_are_refused(void)
{
	int fd;

	BY(A)
	{
		pair_put("leased", "x", 1);
		fd = OK(open("leased", O_RDONLY));
		FAILS(EINVAL, fcntl(fd, F_SETLEASE, F_RDLCK));
		OK(close(fd));
		fd = OK(open(".", O_RDONLY));
		FAILS(EINVAL, fcntl(fd, F_SETLEASE, F_RDLCK));
		OK(close(fd));
		OK(unlink("leased"));
	}
}

/* ---- by turns */
static void compute(int ns)
{
	struct timespec start, now;

	OK(clock_gettime(CLOCK_MONOTONIC, &start));
	do
		OK(clock_gettime(CLOCK_MONOTONIC, &now));
	while ((now.tv_sec - start.tv_sec) * 1000000000 + now.tv_nsec - start.tv_nsec < ns);
}

/*
 * Each holds one lock and waits for the next, which the other one holds, before it gives back the
 * one before. So the word counts their turns one by one, and a wake-up that is lost ends both.
 */
static void by_turns(bool whole, uint32_t *word)
{
	static const char *const names[LOCKS] = {"locks", "locks.1", "locks.2"};
	uint32_t had = pair_role == A ? 0 : LOCKS - 1;
	int fd[LOCKS];

	for (uint32_t i = 0; i < LOCKS; i++)
		fd[i] = OK(open(names[i], O_CREAT | O_RDWR, 0644));
	if (whole)
		OK(flock(fd[had], LOCK_EX));
	else
		TRUE(range(fd[0], F_WRLCK, had, F_SETLK));
	pair_meet();
	for (uint32_t i = 0; i < TURNS; i++) {
		uint32_t next = (had + 1) % LOCKS;

		compute(rand() % BUSY_NS);
		if (whole)
			OK(flock(fd[next], LOCK_EX));
		else
			TRUE(range(fd[0], F_WRLCK, next, F_SETLKW));
		TRUE(load(word) == 2 * i + (uint32_t)pair_role);
		compute(rand() % BUSY_NS);
		add(word, 1);
		if (whole)
			OK(flock(fd[had], LOCK_UN));
		else
			TRUE(range(fd[0], F_UNLCK, had, F_SETLK));
		had = next;
	}
	pair_meet(); /* closing gives back what the other one is to find held */
	for (uint32_t i = 0; i < LOCKS; i++) {
		OK(close(fd[i]));
		BY(A) OK(unlink(names[i]));
	}
}

/* A file, of which a page is shared by all processes of both. */
static uint32_t *begin(void)
{
	uint32_t *p;
	int fd;

	BY(A)
	{
		pair_put("shared", "", 0);
		OK(truncate("shared", PAGE));
	}
	fd = OK(open("shared", O_RDWR));
	p = pair_map(fd, SHARED * sizeof(*p), PROT_READ | PROT_WRITE);
	OK(close(fd));
	srand((unsigned int)getpid());
	alarm(LIMIT);
	return p;
}

static void end(uint32_t *p)
{
	alarm(0);
	OK(munmap(p, SHARED * sizeof(*p)));
	pair_meet();
	BY(A) OK(unlink("shared"));
}

void locks_change_hands(void)
{
	uint32_t *p = begin();

	by_turns(false, &p[TURN_RANGE]);
	by_turns(true, &p[TURN_WHOLE]);
	end(p);
}

/* ---- many */
static void serve(uint32_t *p, short type)
{
	const bool writes = type == F_WRLCK;
	int fd = OK(open("wanted", O_RDWR));

	alarm(LIMIT);
	TRUE(range(fd, type, 0, F_SETLKW));
	add(&p[writes ? WRITERS : READERS], 1);
	TRUE(load(&p[WRITERS]) == (writes ? 1 : 0) && (!writes || load(&p[READERS]) == 0));
	usleep(1000);
	TRUE(load(&p[WRITERS]) == (writes ? 1 : 0) && (!writes || load(&p[READERS]) == 0));
	add(&p[writes ? WRITERS : READERS], ~0u);
	add(&p[SERVED], 1);
	exit(0); /* which gives it back */
}

static pid_t begin_process(void)
{
	fflush(stdout);
	return OK(fork());
}

static int end_of(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) != pid)
		TRUE(errno == EINTR);
	return status;
}

void many_wait_for_a_lock(void)
{
	uint32_t *p = begin();
	pid_t pid[WAITERS];
	int fd;

	BY(A) pair_put("wanted", "", 0);
	fd = OK(open("wanted", O_RDWR));
	BY(A) TRUE(range(fd, F_WRLCK, 0, F_SETLK));
	for (uint32_t i = 0; i < WAITERS; i++) {
		pid[i] = begin_process();
		if (pid[i] == 0)
			serve(p, i % 2 ? F_WRLCK : F_RDLCK);
	}
	usleep(50000); /* most of them wait by now */
	pair_meet();
	TRUE(load(&p[SERVED]) == 0);
	pair_meet();
	BY(A) TRUE(range(fd, F_UNLCK, 0, F_SETLK));
	for (uint32_t i = 0; i < WAITERS; i++)
		TRUE(end_of(pid[i]) == 0);
	pair_meet();
	TRUE(load(&p[SERVED]) == 2 * WAITERS);
	OK(close(fd));
	pair_meet();
	BY(A) OK(unlink("wanted"));
	end(p);
}

/* ---- how a wait ends but by getting the lock */
static uint32_t *signals;

static void count_signal(int number)
{
	(void)number;
	add(signals, 1);
}

/* A process that sends this one a signal again and again. */
static pid_t begin_signals(int flags)
{
	const struct sigaction action = {.sa_handler = count_signal, .sa_flags = flags};
	const pid_t to = getpid();
	pid_t pid;

	OK(sigaction(SIGUSR1, &action, NULL));
	pid = begin_process();
	while (pid == 0) {
		usleep(5000);
		if (getppid() != to || kill(to, SIGUSR1) != 0)
			_exit(0);
	}
	return pid;
}

static void end_by_kill(pid_t pid)
{
	OK(kill(pid, SIGKILL));
	TRUE(WIFSIGNALED(end_of(pid)));
}

static void signal_ends_a_wait(int fd)
{
	pid_t pid;

	BY(A) TRUE(range(fd, F_WRLCK, 0, F_SETLK));
	BY(B)
	{
		pid = begin_signals(0);
		TRUE(!range(fd, F_WRLCK, 0, F_SETLKW) && errno == EINTR);
		end_by_kill(pid);
	}
}

/* A has the lock, and gives it back after the tenth signal. */
static void wait_goes_on_after_signals(int fd, const uint32_t *count)
{
	const uint32_t before = load(count);
	pid_t pid = 0;

	pair_meet();
	if (pair_role == A) {
		while (load(count) < before + 10)
			usleep(1000);
		TRUE(range(fd, F_UNLCK, 0, F_SETLK));
	} else {
		pid = begin_signals(SA_RESTART);
		TRUE(range(fd, F_WRLCK, 0, F_SETLKW));
		TRUE(load(count) >= before + 10);
		end_by_kill(pid);
		TRUE(range(fd, F_UNLCK, 0, F_SETLK));
	}
	pair_meet();
}

/* One that is killed while it waits gets nothing; one that is killed while it holds gives back. */
static void death_of_processes(int fd, uint32_t *p)
{
	pid_t pid = 0;

	if (pair_role == A) {
		pid = begin_process();
		if (pid == 0) {
			TRUE(range(fd, F_WRLCK, 0, F_SETLKW));
			add(&p[SERVED], 1);
			for (;;)
				pause();
		}
		while (load(&p[SERVED]) == 0)
			usleep(1000);
	}
	pair_meet();
	BY(B)
	{
		pid = begin_process();
		if (pid == 0) {
			(void)range(fd, F_WRLCK, 0, F_SETLKW);
			add(&p[SERVED], 1);
			pause();
		}
		usleep(50000); /* it waits by now, most likely */
		end_by_kill(pid);
	}
	if (pair_role == A) {
		usleep(20000); /* and B waits */
		end_by_kill(pid);
	} else {
		TRUE(range(fd, F_WRLCK, 0, F_SETLKW));
	}
	pair_meet();
	TRUE(load(&p[SERVED]) == 1);
}

void waits_for_locks_end(void)
{
	uint32_t *p = begin();
	int fd;

	signals = &p[SIGNALS];
	BY(A) pair_put("wanted", "", 0);
	fd = OK(open("wanted", O_RDWR));
	signal_ends_a_wait(fd);
	wait_goes_on_after_signals(fd, &p[SIGNALS]);
	death_of_processes(fd, p);
	OK(close(fd));
	pair_meet();
	BY(A) OK(unlink("wanted"));
	end(p);
}
