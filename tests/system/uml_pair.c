/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * uml_pair a|b DIR DISK [-n OPERATIONS] [-s SEED]: two machines with the same filesystem at DIR,
 * and DISK, which may be written to, each running this program. What one does the other sees in its
 * next operation: names, attributes, data, what is stored into mapped memory; locks exclude.
 *
 * They meet at words of a file that both have mapped. In the last part both go through the same
 * random operations on one file: one of them carries an operation out, the other keeps up with it
 * in a model and looks at the file, by read and by mapped memory.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "uml_pair.h"

#define NAMES 200
#define WAIT_SECONDS 30

enum word { HERE_A, HERE_B, FAILED, VALUE, COUNTER, WORDS };

int pair_role;
static uint32_t *words;
static uint32_t steps;
static const char *case_name = "start";

/* ---- meeting */
void pair_fail(const char *format, ...)
{
	va_list args;

	printf("FAIL %s: %c: ", case_name, 'a' + pair_role);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
	if (words)
		__atomic_store_n(&words[FAILED], 1, __ATOMIC_SEQ_CST);
	exit(1);
}

/* Waits until the word is at least `value`. */
static void await(enum word word, uint32_t value)
{
	time_t end = time(NULL) + WAIT_SECONDS;

	for (uint32_t n = 0; __atomic_load_n(&words[word], __ATOMIC_SEQ_CST) < value; n++) {
		if (__atomic_load_n(&words[FAILED], __ATOMIC_SEQ_CST))
			exit(1);
		if (time(NULL) > end)
			pair_fail("the other one does not come to step %u of word %d", value, word);
		if (n < 200)
			sched_yield();
		else
			usleep(500);
	}
}

void pair_meet(void)
{
	steps++;
	__atomic_store_n(&words[HERE_A + pair_role], steps, __ATOMIC_SEQ_CST);
	await(HERE_A + !pair_role, steps);
}

static char *path(const char *format, ...) __attribute__((format(printf, 1, 2)));
static char *path(const char *format, ...)
{
	static char buffers[4][64];
	static int next;
	char *p = buffers[next++ % 4];
	va_list args;

	va_start(args, format);
	vsnprintf(p, sizeof(buffers[0]), format, args);
	va_end(args);
	return p;
}

void pair_put(const char *name, const void *data, size_t len)
{
	int fd = OK(open(name, O_CREAT | O_TRUNC | O_WRONLY, 0644));

	TRUE(write(fd, data, len) == (ssize_t)len);
	OK(close(fd));
}

void *pair_map(int fd, size_t len, int prot)
{
	void *p = mmap(NULL, len, prot, MAP_SHARED, fd, 0);

	if (p == MAP_FAILED)
		pair_fail("mmap: %s", strerror(errno));
	return p;
}

static uint32_t load(const uint32_t *p)
{
	return __atomic_load_n(p, __ATOMIC_SEQ_CST);
}

/* ---- names and attributes */
static void names_are_seen(void)
{
	struct stat st;
	int i;

	BY(A) OK(mkdir("names", 0755));
	for (i = 0; i < NAMES; i++)
		FAILS(ENOENT, stat(path("names/%d", i), &st));
	pair_meet();
	BY(A)
	for (i = 0; i < NAMES; i++)
		pair_put(path("names/%d", i), "x", 1);
	for (i = 0; i < NAMES; i++)
		OK(stat(path("names/%d", i), &st));
	pair_meet();
	BY(B)
	for (i = 0; i < NAMES; i += 2)
		OK(unlink(path("names/%d", i)));
	for (i = 0; i < NAMES; i++)
		TRUE((stat(path("names/%d", i), &st) == 0) == (i % 2 == 1));
	pair_meet();
	BY(A)
	for (i = 1; i < NAMES; i += 2)
		OK(rename(path("names/%d", i), path("names/%d", i - 1)));
	for (i = 0; i < NAMES; i++)
		TRUE((stat(path("names/%d", i), &st) == 0) == (i % 2 == 0));
	pair_meet();
	BY(B)
	{
		for (i = 0; i < NAMES; i += 2)
			OK(unlink(path("names/%d", i)));
		OK(rmdir("names"));
	}
	FAILS(ENOENT, stat("names", &st));
	FAILS(ENOENT, open("names/0", O_CREAT | O_WRONLY, 0644));
}

/* Both make the same names: each name one of them gets. */
static void one_of_two_makes_a_name(void)
{
	uint32_t mine = 0;
	int i;

	for (i = 0; i < NAMES; i++) {
		int fd = open(path("race%d", i), O_CREAT | O_EXCL | O_WRONLY, 0644);

		if (fd < 0 && errno != EEXIST)
			pair_fail("open: %s", strerror(errno));
		mine += fd >= 0;
		if (fd >= 0)
			close(fd);
	}
	__atomic_fetch_add(&words[COUNTER], mine, __ATOMIC_SEQ_CST);
	pair_meet();
	TRUE(load(&words[COUNTER]) == NAMES);
	pair_meet();
	BY(A)
	for (i = 0; i < NAMES; i++)
		OK(unlink(path("race%d", i)));
}

static void attributes_are_seen(void)
{
	struct stat st;
	int fd = -1;

	BY(A) pair_put("attributes", "12345", 5);
	OK(stat("attributes", &st));
	fd = OK(open("attributes", O_RDWR));
	pair_meet();
	BY(B) OK(chmod("attributes", 0600));
	OK(fstat(fd, &st));
	TRUE((st.st_mode & 07777) == 0600);
	pair_meet();
	BY(A) OK(ftruncate(fd, 100000));
	OK(fstat(fd, &st));
	TRUE(st.st_size == 100000);
	TRUE(lseek(fd, 0, SEEK_END) == 100000);
	pair_meet();
	BY(B) OK(link("attributes", "second"));
	OK(fstat(fd, &st));
	TRUE(st.st_nlink == 2);
	pair_meet();
	BY(A)
	{
		OK(unlink("attributes"));
		OK(unlink("second"));
	}
	OK(fstat(fd, &st));
	TRUE(st.st_nlink == 0);
	OK(close(fd));
}

static void permission_is_taken_at_once(void)
{
	BY(A)
	{
		OK(mkdir("closed", 0755));
		pair_put("closed/file", "x", 1);
	}
	if (pair_role == B) {
		OK(seteuid(1000));
		OK(access("closed/file", F_OK));
		OK(access("closed/file", R_OK));
	}
	pair_meet();
	BY(A) OK(chmod("closed", 0700));
	BY(B)
	{
		FAILS(EACCES, open("closed/file", O_RDONLY));
		OK(seteuid(0));
		OK(unlink("closed/file"));
		OK(rmdir("closed"));
	}
}

static void open_file_outlives_its_name_elsewhere(void)
{
	char text[8] = "";
	int fd = -1;

	BY(A) pair_put("kept", "content", 7);
	if (pair_role == B)
		fd = OK(open("kept", O_RDWR));
	pair_meet();
	BY(A) OK(unlink("kept"));
	BY(B)
	{
		TRUE(pread(fd, text, 7, 0) == 7 && !strcmp(text, "content"));
		TRUE(pwrite(fd, "more", 4, 7) == 4);
		OK(close(fd));
	}
}

/* ---- data */
static void data_is_seen(void)
{
	static char mine[70000], theirs[70000];
	int fd, i;

	BY(A) pair_put("data", "", 0);
	fd = OK(open("data", O_RDWR));
	for (i = 0; i < 20; i++) {
		memset(mine, 'a' + i, sizeof(mine));
		BY(i % 2) TRUE(pwrite(fd, mine, sizeof(mine), i * 1000) == sizeof(mine));
		TRUE(pread(fd, theirs, sizeof(theirs), i * 1000) == sizeof(theirs));
		TRUE(!memcmp(mine, theirs, sizeof(mine)));
		pair_meet();
	}
	OK(close(fd));
	BY(A) OK(unlink("data"));
}

#define LINES 300
#define LINE 37

static void appended_lines_are_whole(void)
{
	char line[LINE + 1], *text;
	uint32_t seen[2] = {0, 0}, i, who, nth;
	int fd;

	BY(A) pair_put("log", "", 0);
	fd = OK(open("log", O_WRONLY | O_APPEND));
	for (i = 0; i < LINES; i++) {
		snprintf(line, sizeof(line), "%u %-*u\n", pair_role, LINE - 3, i);
		TRUE(write(fd, line, LINE) == LINE);
	}
	OK(close(fd));
	pair_meet();
	text = calloc(1, 2 * LINES * LINE + 1);
	fd = OK(open("log", O_RDONLY));
	TRUE(read(fd, text, 2 * LINES * LINE + 1) == 2 * LINES * LINE);
	for (i = 0; i < 2 * LINES; i++) {
		TRUE(sscanf(text + i * LINE, "%u %u", &who, &nth) == 2 && who < 2);
		TRUE(seen[who]++ == nth);
	}
	free(text);
	OK(close(fd));
	pair_meet();
	BY(A) OK(unlink("log"));
}

/* ---- mapped memory */
static void stores_are_loaded(void)
{
	uint32_t *p, i;
	int fd;

	BY(A)
	{
		pair_put("mapped", "", 0);
		OK(truncate("mapped", 2 * PAGE));
	}
	fd = OK(open("mapped", O_RDWR));
	p = pair_map(fd, 2 * PAGE, PROT_READ | PROT_WRITE);
	for (i = 0; i < 200; i++) {
		BY(i % 2)
		{
			__atomic_store_n(&p[i], i + 1, __ATOMIC_SEQ_CST);
			__atomic_store_n(&p[PAGE / 4 + i], ~i, __ATOMIC_SEQ_CST);
		}
		TRUE(load(&p[i]) == i + 1 && load(&p[PAGE / 4 + i]) == ~i);
	}
	pair_meet();
	BY(A) TRUE(pwrite(fd, "abcd", 4, 8) == 4);
	TRUE(!memcmp((char *)p + 8, "abcd", 4));
	pair_meet();
	BY(B)((char *)p)[9] = 'X';
	{
		char text[4];

		TRUE(pread(fd, text, 4, 8) == 4 && !memcmp(text, "aXcd", 4));
	}
	pair_meet();
	/* both count in the same word */
	for (i = 0; i < 20000; i++)
		__atomic_fetch_add(&p[1000], 1, __ATOMIC_SEQ_CST);
	pair_meet();
	TRUE(load(&p[1000]) == 40000);
	OK(munmap(p, 2 * PAGE));
	OK(close(fd));
	pair_meet();
	BY(A) OK(unlink("mapped"));
}

static sigjmp_buf on_bus;

static void bus(int number)
{
	(void)number;
	siglongjmp(on_bus, 1);
}

static bool faults(const volatile char *p)
{
	if (sigsetjmp(on_bus, 1))
		return true;
	(void)*p;
	return false;
}

static void truncation_reaches_mapped_memory(void)
{
	static char page[PAGE];
	volatile char *p;
	int fd;

	signal(SIGBUS, bus);
	memset(page, 'p', sizeof(page));
	BY(A)
	{
		pair_put("cut", page, sizeof(page));
		OK(truncate("cut", 3 * PAGE));
	}
	fd = OK(open("cut", O_RDWR));
	p = pair_map(fd, 3 * PAGE, PROT_READ | PROT_WRITE);
	TRUE(p[0] == 'p' && p[PAGE] == 0); /* zeros of a hole */
	pair_meet();
	BY(B) TRUE(pwrite(fd, "hole", 4, PAGE) == 4);
	TRUE(p[PAGE] == 'h');
	pair_meet();
	BY(A) p[2 * PAGE] = 's';
	TRUE(p[2 * PAGE] == 's');
	pair_meet();
	BY(B) OK(ftruncate(fd, PAGE));
	TRUE(!faults(p) && faults(p + PAGE) && faults(p + 2 * PAGE));
	pair_meet();
	BY(A) OK(ftruncate(fd, 3 * PAGE));
	TRUE(!faults(p + PAGE) && p[PAGE] == 0 && p[2 * PAGE] == 0);
	pair_meet();
	BY(B) OK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, PAGE));
	TRUE(p[0] == 0);
	pair_meet();
	BY(A) p[0] = 'n';
	TRUE(p[0] == 'n');
	OK(munmap((void *)p, 3 * PAGE));
	OK(close(fd));
	pair_meet();
	BY(A) OK(unlink("cut"));
}

/* A read into, or a write from, mapped memory of the same file. */
static void io_from_its_own_mapping(void)
{
	char *p;
	int fd;

	BY(A)
	{
		pair_put("own", "0123456789", 10);
		OK(truncate("own", 4 * PAGE));
	}
	fd = OK(open("own", O_RDWR));
	p = pair_map(fd, 4 * PAGE, PROT_READ | PROT_WRITE);
	BY(A)
	{
		TRUE(pread(fd, p + 2 * PAGE, 10, 0) == 10);
		TRUE(pwrite(fd, p, 10, 3 * PAGE + 5) == 10);
	}
	TRUE(!memcmp(p + 2 * PAGE, "0123456789", 10) &&
	     !memcmp(p + 3 * PAGE + 5, "0123456789", 10));
	OK(munmap(p, 4 * PAGE));
	OK(close(fd));
	pair_meet();
	BY(A) OK(unlink("own"));
}

/* ---- */
static const struct {
	const char *name;
	void (*run)(void);
} cases[] = {
#define CASE(name)                                                                                 \
	{                                                                                          \
#name, name                                                                        \
	}
	CASE(names_are_seen),
	CASE(one_of_two_makes_a_name),
	CASE(attributes_are_seen),
	CASE(permission_is_taken_at_once),
	CASE(open_file_outlives_its_name_elsewhere),
	CASE(data_is_seen),
	CASE(appended_lines_are_whole),
	CASE(stores_are_loaded),
	CASE(truncation_reaches_mapped_memory),
	CASE(io_from_its_own_mapping),
	CASE(locks_exclude),
	CASE(leases_are_refused),
	CASE(locks_change_hands),
	CASE(many_wait_for_a_lock),
	CASE(waits_for_locks_end),
	CASE(direct_io_of_mapped_memory),
	CASE(held_pages_outlive_the_file),
	CASE(futexes_wake_processes),
	CASE(mapping_grows),
	CASE(flags_are_seen),
	CASE(parent_of_a_moved_directory),
	CASE(random_operations_on_one_file),
};

/* The one makes the words, the other waits for their name. */
static void find_each_other(void)
{
	int fd, tries;

	if (pair_role == A) {
		fd = OK(open("words.new", O_CREAT | O_RDWR, 0644));
		OK(ftruncate(fd, PAGE));
		OK(rename("words.new", "words"));
	} else {
		for (tries = 0; (fd = open("words", O_RDWR)) < 0 && tries < 3000; tries++)
			usleep(10000);
		OK(fd);
	}
	words = pair_map(fd, PAGE, PROT_READ | PROT_WRITE);
	OK(close(fd));
	pair_meet();
}

int main(int argc, char **argv)
{
	int option;

	setvbuf(stdout, NULL, _IOLBF, 0);
	while ((option = getopt(argc, argv, "n:s:")) != -1) {
		if (option == 'n')
			pair_operations = (uint32_t)atoi(optarg);
		else if (option == 's')
			pair_seed = (uint64_t)atoll(optarg);
		else
			return 2;
	}
	if (argc - optind != 3)
		return 2;
	pair_disk = argv[optind + 2];
	pair_role = argv[optind][0] == 'b';
	OK(chdir(argv[optind + 1]));
	umask(022);
	find_each_other();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		case_name = cases[i].name;
		__atomic_store_n(&words[COUNTER], 0, __ATOMIC_SEQ_CST);
		pair_meet();
		cases[i].run();
		pair_meet();
		if (pair_role == A)
			printf("PASS %s\n", case_name);
	}
	pair_meet();
	return 0;
}
