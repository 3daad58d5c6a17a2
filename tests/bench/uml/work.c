/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * work [-p PREFIX] [-n FILES] [-t SECONDS] DIR KIND...: system calls in DIR, measured inside a
 * guest.
 *
 * Prints "KIND operations nanoseconds" for each kind: one of the table below, or NAME=COMMAND,
 * which a shell runs in DIR. -t: the first kind starts at that time of day, so that two guests
 * start together. Names begin with PREFIX, so that two guests work in one directory.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define FILE_BYTES (32 << 20)
#define CHUNK (128 << 10)
#define PAGE 4096
#define PAGES (FILE_BYTES / PAGE)
#define RANDOM_CALLS 4096
#define SYNCS 50
#define ENOUGH_NS 100000000u /* what leaves nothing behind is done again until then */

static const char *prefix = "a";
static int files = 5000;
static char buffer[CHUNK];

static void __attribute__((noreturn)) fail(const char *what)
{
	fprintf(stderr, "work: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static int do_open(const char *name, int flags)
{
	int fd = open(name, flags | O_CLOEXEC, 0644);

	if (fd < 0)
		fail(name);
	return fd;
}

static void do_close(int fd)
{
	if (close(fd) < 0)
		fail("close");
}

static const char *name_of(const char *kind, int i)
{
	static char names[2][64];
	static unsigned int next;
	char *name = names[next++ % 2];

	snprintf(name, sizeof(names[0]), "%s-%s-%05d", prefix, kind, i);
	return name;
}

/* ---- names */
static int create(void)
{
	for (int i = 0; i < files; i++)
		do_close(do_open(name_of("file", i), O_CREAT | O_EXCL | O_WRONLY));
	return files;
}

static int stat_all(void)
{
	struct stat st;

	for (int i = 0; i < files; i++)
		if (stat(name_of("file", i), &st) < 0)
			fail("stat");
	return files;
}

static int list(void)
{
	DIR *dir = opendir(".");
	const struct dirent *entry;
	int n = 0, own = 0;

	if (!dir)
		fail("opendir");
	while (errno = 0, entry = readdir(dir)) {
		n++;
		own += strncmp(entry->d_name, prefix, strlen(prefix)) == 0;
	}
	if (errno || closedir(dir) < 0)
		fail("readdir");
	if (own < files) {
		fprintf(stderr, "work: readdir: %d names of %d\n", own, files);
		exit(1);
	}
	return n;
}

static int rename_all(void)
{
	for (int i = 0; i < files; i++)
		if (rename(name_of("file", i), name_of("renamed", i)) < 0)
			fail("rename");
	return files;
}

static int unlink_all(void)
{
	for (int i = 0; i < files; i++)
		if (unlink(name_of("renamed", i)) < 0)
			fail("unlink");
	return files;
}

/* ---- data: operations are calls */
static int write_new(void)
{
	int fd;

	if (unlink(name_of("data", 0)) < 0 && errno != ENOENT)
		fail("unlink");
	fd = do_open(name_of("data", 0), O_CREAT | O_EXCL | O_WRONLY);
	for (int at = 0; at < FILE_BYTES; at += CHUNK)
		if (pwrite(fd, buffer, CHUNK, at) != CHUNK)
			fail("write");
	do_close(fd);
	return FILE_BYTES / CHUNK;
}

static int read_all(void)
{
	int fd = do_open(name_of("data", 0), O_RDONLY);

	for (int at = 0; at < FILE_BYTES; at += CHUNK)
		if (pread(fd, buffer, CHUNK, at) != CHUNK)
			fail("read");
	do_close(fd);
	return FILE_BYTES / CHUNK;
}

/* Each page at most once, in an order that no read-ahead likes. */
static int random_page(int i)
{
	return (int)((unsigned int)i * 2654435761u % PAGES);
}

static int read_pages(void)
{
	int fd = do_open(name_of("data", 0), O_RDONLY);

	for (int i = 0; i < RANDOM_CALLS; i++)
		if (pread(fd, buffer, PAGE, (off_t)random_page(i) * PAGE) != PAGE)
			fail("read");
	do_close(fd);
	return RANDOM_CALLS;
}

static int write_pages(void)
{
	int fd = do_open(name_of("data", 0), O_WRONLY);

	for (int i = 0; i < RANDOM_CALLS; i++)
		if (pwrite(fd, buffer, PAGE, (off_t)random_page(i) * PAGE) != PAGE)
			fail("write");
	do_close(fd);
	return RANDOM_CALLS;
}

static int append_and_sync(void)
{
	int fd = do_open(name_of("log", 0), O_CREAT | O_WRONLY | O_TRUNC);

	for (int i = 0; i < SYNCS; i++)
		if (write(fd, buffer, PAGE) != PAGE || fsync(fd) < 0)
			fail("append");
	do_close(fd);
	return SYNCS;
}

static const struct kind {
	const char *name;
	int (*work)(void);
	int again; /* it may be done until the time is enough */
} kinds[] = {
	{"create", create, 0},
	{"stat", stat_all, 1},
	{"readdir", list, 1},
	{"rename", rename_all, 0},
	{"unlink", unlink_all, 0},
	{"write-128k", write_new, 0},
	{"read-128k", read_all, 1},
	{"read-4k", read_pages, 1},
	{"write-4k", write_pages, 1},
	{"fsync", append_and_sync, 0},
	/* the first look after caches were dropped: once */
	{"cold-stat", stat_all, 0},
	{"cold-readdir", list, 0},
	{"cold-read-128k", read_all, 0},
	{"cold-read-4k", read_pages, 0},
};

static void command(const char *name, const char *line)
{
	uint64_t start = now_ns();
	int status = system(line);

	if (status) {
		fprintf(stderr, "work: %s: status %#x\n", name, status);
		exit(1);
	}
	printf("%s 1 %llu\n", name, (unsigned long long)(now_ns() - start));
}

static void measure(const struct kind *kind)
{
	uint64_t start = now_ns(), ns;
	int n = 0;

	do {
		n += kind->work();
		ns = now_ns() - start;
	} while (kind->again && ns < ENOUGH_NS);
	printf("%s %d %llu\n", kind->name, n, (unsigned long long)ns);
}

static void wait_until(double seconds)
{
	struct timespec ts = {.tv_sec = (time_t)seconds};

	ts.tv_nsec = (long)((seconds - (double)ts.tv_sec) * 1e9);
	while (clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &ts, NULL) == EINTR)
		;
}

static void run(char *name)
{
	char *line = strchr(name, '=');

	if (line) {
		*line++ = '\0';
		command(name, line);
		return;
	}
	for (unsigned int i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(kinds[i].name, name) == 0) {
			measure(&kinds[i]);
			return;
		}
	fprintf(stderr, "work: no such kind: %s\n", name);
	exit(2);
}

int main(int argc, char **argv)
{
	double start = 0;
	int option;

	while ((option = getopt(argc, argv, "p:n:t:")) > 0) {
		if (option == 'p')
			prefix = optarg;
		else if (option == 'n')
			files = atoi(optarg);
		else if (option == 't')
			start = atof(optarg);
		else
			return 2;
	}
	if (argc - optind < 2 || files < 1) {
		fprintf(stderr, "usage: work [-p PREFIX] [-n FILES] [-t SECONDS] DIR KIND...\n");
		return 2;
	}
	memset(buffer, 'x', sizeof(buffer));
	if (chdir(argv[optind]) < 0)
		fail(argv[optind]);
	if (start > 0)
		wait_until(start);
	for (int i = optind + 1; i < argc; i++)
		run(argv[i]);
	return 0;
}
