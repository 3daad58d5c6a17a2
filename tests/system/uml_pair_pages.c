/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Parts of uml_pair about mapped memory as memory: direct I/O of a disk from and to it, pages that
 * a pipe holds while the other machine takes them out of the file, futexes, mremap; and about
 * flags.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/futex.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "uml_pair.h"

#define BYTES (64 * PAGE)
#define MOVED 40u /* MiB, more than the pool has: every frame comes into use again */

const char *pair_disk;

static bool all(const char *p, char c, size_t len)
{
	while (len && *p == c)
		p++, len--;
	return !len;
}

/* ---- direct I/O */
void direct_io_of_mapped_memory(void)
{
	static char seen[BYTES];
	int disk, fd;
	char *p;

	disk = OK(open(pair_disk, O_RDWR | O_DIRECT));
	BY(A)
	{
		pair_put("direct", "", 0);
		OK(truncate("direct", 2 * BYTES));
	}
	fd = OK(open("direct", O_RDWR));
	p = pair_map(fd, 2 * BYTES, PROT_READ | PROT_WRITE);
	BY(A)
	{
		for (unsigned i = 0; i < BYTES; i += 8)
			snprintf(p + i, 8, "%07u", i);
		TRUE(pwrite(disk, p, BYTES, 0) == BYTES);
	}
	/* into a hole, and what it shows the other one sees */
	BY(B) TRUE(pread(disk, p + BYTES, BYTES, 0) == BYTES);
	TRUE(!memcmp(p, p + BYTES, BYTES));
	pair_meet();
	/* into pages that are there */
	BY(B)
	{
		memset(p, 'x', BYTES);
		TRUE(pread(disk, p, BYTES, 0) == BYTES);
		OK(fsync(fd));
	}
	TRUE(!memcmp(p, p + BYTES, BYTES));
	TRUE(pread(fd, seen, BYTES, BYTES) == BYTES && !memcmp(seen, p, BYTES));
	OK(munmap(p, 2 * BYTES));
	OK(close(fd));
	OK(close(disk));
	pair_meet();
	BY(A) OK(unlink("direct"));
}

/* ---- pages that are held */
static void read_whole(int fd, char *p, size_t len)
{
	while (len) {
		ssize_t n = OK(read(fd, p, len));

		TRUE(n > 0);
		p += n;
		len -= (size_t)n;
	}
}

static void fill(const char *name, char c)
{
	static char data[1 << 20];
	int fd = OK(open(name, O_CREAT | O_WRONLY, 0644));

	memset(data, c, sizeof(data));
	for (unsigned i = 0; i < MOVED; i++)
		TRUE(write(fd, data, sizeof(data)) == sizeof(data));
	OK(fsync(fd));
	OK(close(fd));
}

/* A pipe has them when the file has not any more: they are nobody else's before it is read. */
void held_pages_outlive_the_file(void)
{
	static char data[16 * PAGE];
	struct iovec part = {.iov_len = sizeof(data)};
	int fd, ends[2];

	BY(A)
	{
		memset(data, 'p', sizeof(data));
		pair_put("held", data, sizeof(data));
		fd = OK(open("held", O_RDWR));
		part.iov_base = pair_map(fd, sizeof(data), PROT_READ | PROT_WRITE);
		OK(pipe(ends));
		TRUE(vmsplice(ends[1], &part, 1, 0) == sizeof(data));
		OK(munmap(part.iov_base, sizeof(data)));
		OK(close(fd));
	}
	BY(B)
	{
		OK(unlink("held"));
		fill("other", 'o');
	}
	BY(A)
	{
		memset(data, 0, sizeof(data));
		read_whole(ends[0], data, sizeof(data));
		TRUE(all(data, 'p', sizeof(data)));
		OK(close(ends[0]));
		OK(close(ends[1]));
		OK(unlink("other"));
	}
}

/* ---- futexes */
static long futex(uint32_t *word, int op, uint32_t value, const struct timespec *timeout)
{
	return syscall(SYS_futex, word, op, value, timeout, NULL, 0);
}

/* Two processes of each machine, each with a mapping of its own. */
void futexes_wake_processes(void)
{
	const struct timespec limit = {.tv_sec = 60};
	char name[] = "futexA";
	uint32_t *p;
	int fd, status, woken = 0;
	pid_t child;

	name[5] = (char)(name[5] + pair_role);
	pair_put(name, "", 0);
	OK(truncate(name, PAGE));
	fd = OK(open(name, O_RDWR));
	child = OK(fork());
	p = pair_map(fd, PAGE, PROT_READ | PROT_WRITE);
	if (!child) {
		__atomic_store_n(p, 1, __ATOMIC_SEQ_CST);
		_exit(futex(p, FUTEX_WAIT, 1, &limit) == 0 ? 0 : errno);
	}
	for (time_t end = time(NULL) + limit.tv_sec; woken != 1 && time(NULL) < end; sched_yield())
		woken = (int)OK(futex(p, FUTEX_WAKE, 1, NULL));
	OK(waitpid(child, &status, 0));
	if (woken != 1 || !WIFEXITED(status) || WEXITSTATUS(status))
		pair_fail("%d woken, status %x", woken, (unsigned)status);
	OK(munmap(p, PAGE));
	OK(close(fd));
	OK(unlink(name));
}

/* ---- mremap */
void mapping_grows(void)
{
	char *p;
	int fd;

	BY(A)
	{
		pair_put("grows", "1", 1);
		OK(truncate("grows", 3 * PAGE));
	}
	fd = OK(open("grows", O_RDWR));
	p = pair_map(fd, PAGE, PROT_READ | PROT_WRITE);
	TRUE(p[0] == '1');
	p = mremap(p, PAGE, 3 * PAGE, MREMAP_MAYMOVE);
	if (p == MAP_FAILED)
		pair_fail("mremap: %s", strerror(errno));
	TRUE(p[0] == '1');
	BY(B) p[2 * PAGE] = '3';
	TRUE(p[2 * PAGE] == '3');
	OK(munmap(p, 3 * PAGE));
	OK(close(fd));
	pair_meet();
	BY(A) OK(unlink("grows"));
}

/* ---- flags */
static void change(int set, int clear)
{
	int fd = OK(open("flags", O_RDONLY)), flags = 0;

	OK(ioctl(fd, FS_IOC_GETFLAGS, &flags));
	flags = (flags | set) & ~clear;
	OK(ioctl(fd, FS_IOC_SETFLAGS, &flags));
	OK(close(fd));
}

void flags_are_seen(void)
{
	struct stat st;
	int fd;

	BY(A) pair_put("flags", "text", 4);
	OK(stat("flags", &st)); /* both know it */
	fd = OK(open("flags", O_RDWR));
	pair_meet();
	BY(B) change(FS_IMMUTABLE_FL, 0);
	FAILS(EPERM, open("flags", O_WRONLY));
	FAILS(EPERM, access("flags", W_OK));
	FAILS(EPERM, pwrite(fd, "x", 1, 0));
	FAILS(EPERM, fchmod(fd, 0600));
	FAILS(EPERM, unlink("flags"));
	pair_meet();
	BY(A) change(0, FS_IMMUTABLE_FL);
	OK(fchmod(fd, 0600));
	TRUE(pwrite(fd, "x", 1, 0) == 1);
	OK(close(fd));
	fd = OK(open("flags", O_WRONLY));
	OK(close(fd));
	pair_meet();
	BY(B) change(FS_APPEND_FL, 0);
	FAILS(EPERM, open("flags", O_RDWR));
	fd = OK(open("flags", O_RDWR | O_APPEND));
	TRUE(write(fd, "more", 4) == 4);
	TRUE(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED && errno == EACCES);
	OK(close(fd));
	FAILS(EPERM, truncate("flags", 0));
	pair_meet();
	BY(A)
	{
		change(0, FS_APPEND_FL);
		OK(unlink("flags"));
	}
}

/* ---- directories that the other one moves */
static bool is_same(const char *a, const char *b)
{
	struct stat first, second;

	OK(stat(a, &first));
	OK(stat(b, &second));
	return first.st_ino == second.st_ino;
}

void parent_of_a_moved_directory(void)
{
	char *top = getcwd(NULL, 0), *here, deep[300];

	TRUE(top);
	BY(A)
	{
		OK(mkdir("from", 0755));
		OK(mkdir("to", 0755));
		OK(mkdir("from/d", 0755));
		OK(mkdir("from/d/x", 0755));
		pair_put("to/mark", "", 0);
	}
	if (pair_role == A)
		OK(chdir("from/d/x"));
	pair_meet();
	BY(B) OK(rename("from/d", "to/e"));
	BY(A)
	{
		OK(access("../../mark", F_OK));
		TRUE(is_same("../..", "../../../to"));
		here = getcwd(NULL, 0);
		snprintf(deep, sizeof(deep), "%s/to/e/x", top);
		if (!here || strcmp(here, deep))
			pair_fail("it is in %s, not in %s", here ? here : strerror(errno), deep);
		free(here);
	}
	/* to where the other one has never been */
	BY(B)
	{
		OK(mkdir("new", 0755));
		OK(mkdir("new/deep", 0755));
		pair_put("new/deep/mark2", "", 0);
		OK(rename("to/e", "new/deep/f"));
		OK(rmdir("from"));
	}
	BY(A)
	{
		OK(access("../../mark2", F_OK));
		OK(access("../../../../to/mark", F_OK));
		OK(rename("../../f", "../../../back"));
		here = getcwd(NULL, 0);
		snprintf(deep, sizeof(deep), "%s/new/back/x", top);
		TRUE(here && !strcmp(here, deep));
		free(here);
	}
	BY(B)
	{
		OK(rmdir("new/back/x"));
		OK(unlink("new/deep/mark2"));
		OK(rmdir("new/deep"));
		OK(unlink("to/mark"));
		OK(rmdir("to"));
	}
	BY(A)
	{
		FAILS(ENOENT, open("x", O_CREAT | O_WRONLY, 0644));
		OK(chdir(top));
		OK(rmdir("new/back"));
		OK(rmdir("new"));
	}
	free(top);
}
