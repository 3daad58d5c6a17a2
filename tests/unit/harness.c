/* SPDX-License-Identifier: BSD-2-Clause */
/* Runs the registered cases, each in a child process, and prints PASS and FAIL lines. */
#define _GNU_SOURCE
#include "tests/unit/harness.h"

#include <errno.h>
#include <fnmatch.h>
#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static struct test_case *cases, **cases_end = &cases;
static bool verbose;
static u32 seed;
#define REASON_SIZE 4096
#define TEMPORARIES 16
#define BUSY 5 /* a case's limit is of a quiet machine; so many times of it show that it hangs */

/* Shared with the child. */
static struct {
	char reason[REASON_SIZE];
	u32 ntemporary;
	char temporary[TEMPORARIES][256];
} * shared;

void test_register(struct test_case *c)
{
	*cases_end = c;
	cases_end = &c->next;
}

bool test_verbose(void)
{
	return verbose;
}

u32 test_seed(void)
{
	return seed;
}

void test_fail(const char *file, int line, const char *fmt, ...)
{
	char what[REASON_SIZE / 2];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	for (char *p = what; *p; p++)
		if (*p == '\n')
			*p = ' ';
	snprintf(shared->reason, REASON_SIZE, "%s:%d: %s", file, line, what);
	fflush(NULL);
	_exit(1);
}

void test_temporary(const char *path)
{
	u32 n = __atomic_fetch_add(&shared->ntemporary, 1, __ATOMIC_RELAXED);

	if (n < TEMPORARIES)
		snprintf(shared->temporary[n], sizeof(shared->temporary[n]), "%s", path);
}

static void remove_temporaries(void)
{
	for (u32 i = 0; i < shared->ntemporary && i < TEMPORARIES; i++)
		unlink(shared->temporary[i]);
	shared->ntemporary = 0;
}

/* The child's group goes with it: nothing that a case started is left. */
static int wait_for(pid_t pid, int seconds, bool *expired)
{
	struct timespec limit = {.tv_sec = seconds * (time_t)BUSY};
	sigset_t set;
	int status;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	*expired = false;
	while (waitpid(pid, &status, WNOHANG) == 0) {
		if (sigtimedwait(&set, NULL, &limit) < 0 && errno == EAGAIN) {
			*expired = true;
			kill(-pid, SIGKILL);
			waitpid(pid, &status, 0);
			break;
		}
	}
	kill(-pid, SIGKILL);
	return status;
}

static bool run_case(const struct test_case *c)
{
	bool expired;
	int status;
	pid_t pid;

	*shared->reason = 0;
	fflush(NULL);
	pid = fork();
	if (pid < 0) {
		printf("FAIL %s: fork: %s\n", c->name, strerror(errno));
		return false;
	}
	if (pid == 0) {
		sigset_t none;

		setpgid(0, 0);
		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		c->run();
		fflush(NULL);
		exit(0); /* not _exit: the leak checker looks now, and fixtures clean up */
	}
	setpgid(pid, pid);
	status = wait_for(pid, c->seconds, &expired);
	remove_temporaries();
	if (!expired && status == 0) {
		printf("PASS %s\n", c->name);
		return true;
	}
	if (expired)
		printf("FAIL %s: not done after %d s\n", c->name, c->seconds);
	else if (*shared->reason)
		printf("FAIL %s: %s (seed %u)\n", c->name, shared->reason, seed);
	else if (WIFSIGNALED(status))
		printf("FAIL %s: ended by signal %d (%s)\n", c->name, WTERMSIG(status),
		       strsignal(WTERMSIG(status)));
	else
		printf("FAIL %s: exit status %d\n", c->name, WEXITSTATUS(status));
	return false;
}

int main(int argc, char **argv)
{
	const char *pattern = "*", *env = getenv("MPDISK_SEED");
	bool list = false;
	u32 failed = 0, ran = 0;
	sigset_t set;
	int opt;

	while ((opt = getopt(argc, argv, "vl")) != -1) {
		if (opt == 'v') {
			verbose = true;
		} else if (opt == 'l') {
			list = true;
		} else {
			fprintf(stderr, "usage: %s [-v] [-l] [case-pattern]\n", argv[0]);
			return 2;
		}
	}
	if (optind < argc)
		pattern = argv[optind];
	seed = env ? (u32)strtoul(env, NULL, 0) : (u32)time(NULL);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	if (shared == MAP_FAILED)
		return 1;
	setvbuf(stdout, NULL, _IOLBF, 0);
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	for (const struct test_case *c = cases; c; c = c->next) {
		if (fnmatch(pattern, c->name, 0) != 0)
			continue;
		ran++;
		if (list)
			printf("%s\n", c->name);
		else if (!run_case(c))
			failed++;
	}
	if (!ran)
		fprintf(stderr, "%s: no case is called %s\n", argv[0], pattern);
	return failed || !ran ? 1 : 0;
}
