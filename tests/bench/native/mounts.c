/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mounts KINDS SLICES NAME=DIR[:PID]...: system calls on several mounts in turn, slice by slice.
 *
 * Prints "NAME KIND wall-ns cpu-ns" for each slice: of one operation. The CPU time is that of this
 * process and of the mount's daemon (PID), where it has one. KINDS: letters of the table below.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define MOUNTS 8
#define NAMES 300
#define FILE_BYTES (1 << 20)
#define CHUNK (128 << 10)

struct mount {
	char name[32];
	const char *dir;
	int pid;
};

static char buffer[CHUNK];

static void __attribute__((noreturn)) fail(const char *what)
{
	fprintf(stderr, "mounts: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void enter(const char *dir)
{
	if (chdir(dir) < 0)
		fail(dir);
}

static int do_open(const char *name, int flags)
{
	int fd = open(name, flags | O_CLOEXEC, 0644);

	if (fd < 0)
		fail(name);
	return fd;
}

static const char *nth(int i)
{
	static char name[16];

	snprintf(name, sizeof(name), "name-%04d", i);
	return name;
}

static int create(void)
{
	for (int i = 0; i < NAMES; i++)
		close(do_open(nth(i), O_CREAT | O_EXCL | O_WRONLY));
	return NAMES;
}

static int stat_all(void)
{
	struct stat st;

	for (int i = 0; i < NAMES; i++)
		if (stat(nth(i), &st) < 0)
			fail("stat");
	return NAMES;
}

static int unlink_all(void)
{
	for (int i = 0; i < NAMES; i++)
		if (unlink(nth(i)) < 0)
			fail("unlink");
	return NAMES;
}

/* 1 MiB of a file that is there, in requests of 128 KiB; counted in those. */
static int write_file(void)
{
	int fd = do_open("file", O_CREAT | O_WRONLY);

	for (int at = 0; at < FILE_BYTES; at += CHUNK)
		if (pwrite(fd, buffer, CHUNK, at) != CHUNK)
			fail("write");
	if (close(fd) < 0)
		fail("close");
	return FILE_BYTES / CHUNK;
}

static int read_file(void)
{
	int fd = do_open("file", O_RDONLY);

	for (int at = 0; at < FILE_BYTES; at += CHUNK)
		if (pread(fd, buffer, CHUNK, at) != CHUNK)
			fail("read");
	close(fd);
	return FILE_BYTES / CHUNK;
}

/* 4 KiB pages of the file, once each, in an order that no read-ahead likes. */
static int read_pages(void)
{
	int fd = do_open("file", O_RDONLY);

	for (int i = 0; i < FILE_BYTES / 4096; i++)
		if (pread(fd, buffer, 4096, i * 37 % 256 * 4096) != 4096)
			fail("read");
	close(fd);
	return FILE_BYTES / 4096;
}

static int write_pages(void)
{
	int fd = do_open("file", O_WRONLY);

	for (int i = 0; i < FILE_BYTES / 4096; i++)
		if (pwrite(fd, buffer, 4096, i * 37 % 256 * 4096) != 4096)
			fail("write");
	close(fd);
	return FILE_BYTES / 4096;
}

static int append_and_sync(void)
{
	int fd = do_open("log", O_CREAT | O_WRONLY | O_APPEND), i;

	for (i = 0; i < 50; i++)
		if (write(fd, buffer, 200) != 200 || fsync(fd) < 0)
			fail("append");
	close(fd);
	return i;
}

static const struct kind {
	char letter;
	const char *name;
	int (*work)(void);
	int times; /* in a slice */
} kinds[] = {
	{'c', "create", create, 1},        {'s', "stat", stat_all, 3},
	{'u', "unlink", unlink_all, 1},    {'w', "write-128k", write_file, 8},
	{'r', "read-128k", read_file, 8},  {'p', "read-4k", read_pages, 2},
	{'q', "write-4k", write_pages, 2}, {'f', "append-fsync", append_and_sync, 1},
};

static double now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

/* Of all its threads. */
static double process_ns(int pid)
{
	char path[64], line[128];
	double sum = 0, ns;
	struct dirent *entry;
	DIR *dir;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/proc/%d/task/%.16s/schedstat", pid, entry->d_name);
		f = fopen(path, "re");
		if (f && fgets(line, sizeof(line), f) && sscanf(line, "%lf", &ns) == 1)
			sum += ns;
		if (f)
			fclose(f);
	}
	if (dir)
		closedir(dir);
	return sum;
}

static double cpu_ns(int pid)
{
	return process_ns(getpid()) + (pid ? process_ns(pid) : 0);
}

static void slice(const struct mount *m, const struct kind *kind)
{
	double cpu = cpu_ns(m->pid), wall = now_ns();
	int n = 0, i;

	for (i = 0; i < kind->times; i++)
		n += kind->work();
	wall = now_ns() - wall;
	cpu = cpu_ns(m->pid) - cpu;
	printf("%s %s %.0f %.0f\n", m->name, kind->name, wall / n, cpu / n);
}

int main(int argc, char **argv)
{
	struct mount mounts[MOUNTS];
	int n = 0, slices = argc > 3 ? atoi(argv[2]) : 0;

	if (argc < 4 || argc - 3 > MOUNTS || slices < 1) {
		fprintf(stderr, "usage: mounts KINDS SLICES NAME=DIR[:PID]...\n");
		return 2;
	}
	memset(buffer, 'x', sizeof(buffer));
	for (; n < argc - 3; n++) {
		char *dir = strchr(argv[n + 3], '='), *pid;

		if (!dir)
			fail(argv[n + 3]);
		*dir++ = '\0';
		pid = strrchr(dir, ':');
		if (pid)
			*pid++ = '\0';
		snprintf(mounts[n].name, sizeof(mounts[n].name), "%s", argv[n + 3]);
		mounts[n].dir = dir;
		mounts[n].pid = pid ? atoi(pid) : 0;
	}
	for (int s = 0; s < slices; s++)
		for (const char *k = argv[1]; *k; k++)
			for (unsigned int i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
				if (kinds[i].letter != *k)
					continue;
				for (int m = 0; m < n; m++) {
					enter(mounts[m].dir);
					slice(&mounts[m], &kinds[i]);
				}
			}
	enter("/");
	return 0;
}
