/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * turns [-n TURNS] [-b NS] [-t SECONDS] FILE fcntl|flock|mmap 0|1: two guests hand something to
 * each other, by turns; this is one of them.
 *
 * fcntl, flock: there are three locks. Each holds one, waits for the next one, which the other
 * holds, and gives back the one before it: that is what the other waits for. So each sleeps until
 * it is its turn. mmap: a word of a shared page; each looks at it until the other has stored.
 *
 * Prints "KIND median p95 turns": nanoseconds of one hand-over, half of the time from one turn to
 * the next. -b: each computes for so long before it gives back; that is not counted. -t: both have
 * what they begin with before that time of day, and start then.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

#define LOCKS 3

static const char *path;
static int files[LOCKS]; /* flock: a lock is a file; else a byte of the first one */
static unsigned int *word;
static double ticks_per_ns;
static uint64_t busy_ticks;

static void __attribute__((noreturn)) fail(const char *what)
{
	fprintf(stderr, "turns: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void wait_until(double seconds)
{
	struct timespec ts = {.tv_sec = (time_t)seconds};

	ts.tv_nsec = (long)((seconds - (double)ts.tv_sec) * 1e9);
	while (clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &ts, NULL) == EINTR)
		;
}

/* The processor's counter: asking the kernel for the time would be a part of what is measured. */
static void calibrate(void)
{
	const uint64_t ns = now_ns(), ticks = __rdtsc();

	while (now_ns() - ns < 10000000)
		;
	ticks_per_ns = (double)(__rdtsc() - ticks) / (double)(now_ns() - ns);
}

static void compute(void)
{
	const uint64_t start = __rdtsc();

	while (__rdtsc() - start < busy_ticks)
		;
}

static int open_file(int i)
{
	char name[4096];
	int fd;

	snprintf(name, sizeof(name), "%s-%d", path, i);
	fd = open(name, O_CREAT | O_RDWR | O_CLOEXEC, 0644);
	if (fd < 0)
		fail(name);
	return fd;
}

/* ---- ways to wait for the other */
static void range(int i, short type)
{
	struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = i, .l_len = 1};

	if (fcntl(files[0], F_SETLKW, &lock) < 0)
		fail("fcntl");
}

static void begin_fcntl(int who)
{
	files[0] = open_file(0);
	range(who ? LOCKS - 1 : 0, F_WRLCK);
}

static void turn_fcntl(int had)
{
	range((had + 1) % LOCKS, F_WRLCK);
	compute();
	range(had, F_UNLCK);
}

static void whole(int i, int operation)
{
	if (flock(files[i], operation) < 0)
		fail("flock");
}

static void begin_flock(int who)
{
	for (int i = 0; i < LOCKS; i++)
		files[i] = open_file(i);
	whole(who ? LOCKS - 1 : 0, LOCK_EX);
}

static void turn_flock(int had)
{
	whole((had + 1) % LOCKS, LOCK_EX);
	compute();
	whole(had, LOCK_UN);
}

static void begin_mmap(int who)
{
	int fd = open_file(0);

	if (ftruncate(fd, 4096) < 0)
		fail("ftruncate");
	word = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (word == MAP_FAILED)
		fail("mmap");
	if (who == 0)
		__atomic_store_n(word, 0, __ATOMIC_SEQ_CST);
}

/* The word counts turns of both: it is even when it is the turn of 0. */
static void turn_mmap(int who)
{
	unsigned int seen;

	while (((seen = __atomic_load_n(word, __ATOMIC_ACQUIRE)) & 1) != (unsigned int)who)
		_mm_pause();
	compute();
	__atomic_store_n(word, seen + 1, __ATOMIC_RELEASE);
}

static const struct kind {
	const char *name;
	void (*begin)(int who);
	void (*turn)(int had);
	int step; /* of what a turn is given */
} kinds[] = {
	{"fcntl", begin_fcntl, turn_fcntl, 1},
	{"flock", begin_flock, turn_flock, 1},
	{"mmap", begin_mmap, turn_mmap, 0},
};

/* ---- */
static int by_length(const void *a, const void *b)
{
	const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static double hand_over_ns(uint64_t turn)
{
	return ((double)turn / 2 - (double)busy_ticks) / ticks_per_ns;
}

static void measure(const struct kind *kind, int who, int turns, double start)
{
	uint64_t *length = malloc((size_t)turns * sizeof(*length)), last, now;
	int had = kind->step && who ? LOCKS - 1 : who;

	if (!length)
		fail("malloc");
	kind->begin(who);
	if (start > 0)
		wait_until(start);
	last = __rdtsc();
	for (int i = 0; i < turns; i++) {
		kind->turn(had);
		had = (had + kind->step) % LOCKS;
		now = __rdtsc();
		length[i] = now - last;
		last = now;
	}
	qsort(length, (size_t)turns, sizeof(*length), by_length);
	printf("%s %.0f %.0f %d\n", kind->name, hand_over_ns(length[turns / 2]),
	       hand_over_ns(length[(size_t)turns * 95 / 100]), turns);
	free(length);
}

int main(int argc, char **argv)
{
	int option, turns = 1000;
	double start = 0;

	calibrate();
	while ((option = getopt(argc, argv, "n:b:t:")) > 0) {
		if (option == 'n')
			turns = atoi(optarg);
		else if (option == 'b')
			busy_ticks = (uint64_t)(atof(optarg) * ticks_per_ns);
		else if (option == 't')
			start = atof(optarg);
		else
			return 2;
	}
	if (argc - optind != 3 || turns < 1) {
		fprintf(stderr,
			"usage: turns [-n TURNS] [-b NS] [-t SECONDS] FILE fcntl|flock|mmap 0|1\n");
		return 2;
	}
	path = argv[optind];
	for (unsigned int i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(kinds[i].name, argv[optind + 1]) == 0) {
			measure(&kinds[i], atoi(argv[optind + 2]), turns, start);
			return 0;
		}
	fprintf(stderr, "turns: no such kind: %s\n", argv[optind + 1]);
	return 2;
}
