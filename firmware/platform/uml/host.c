// SPDX-License-Identifier: BSD-2-Clause
/* A file of the process, not of the kernel: the machine's headers, and no libc but syscall(). */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <linux/futex.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "platform/uml/host.h"

#define FDS_MAX 1024 /* of a UML kernel */

static long result(long value)
{
	return value < 0 ? -errno : value;
}

void host_futex_wake(unsigned int *word)
{
	syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

void host_yield(void)
{
	syscall(SYS_sched_yield);
}

int host_protect(void *p, unsigned long len, int execute)
{
	return (int)result(
		syscall(SYS_mprotect, p, len, PROT_READ | (execute ? PROT_EXEC : PROT_WRITE)));
}

unsigned long long host_ms(void)
{
	struct timespec now;

	syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &now);
	return (unsigned long long)now.tv_sec * 1000 + (unsigned long long)now.tv_nsec / 1000000;
}

/* ---- files */
int host_path(int fd, char *path, unsigned int size)
{
	char link[32];
	long n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = result(syscall(SYS_readlinkat, AT_FDCWD, link, path, size - 1));
	if (n < 0)
		return (int)n;
	path[n] = 0;
	return path[0] == '/' ? 0 : -ENOENT;
}

static int host_stat(int fd, struct stat *st)
{
	return (int)result(syscall(SYS_fstat, fd, st));
}

int host_size(int fd, unsigned long long *size, unsigned long long *room)
{
	struct stat st;
	int err = host_stat(fd, &st);

	if (err)
		return err;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	*size = (unsigned long long)st.st_size;
	*room = (unsigned long long)st.st_blocks;
	return 0;
}

int host_read(int fd, void *p, unsigned int len, unsigned long long pos)
{
	unsigned int had = 0;

	while (had < len) {
		long n = result(syscall(SYS_pread64, fd, (char *)p + had, len - had, pos + had));

		if (n == -EINTR)
			continue;
		if (n < 0)
			return (int)n;
		if (n == 0)
			break;
		had += (unsigned int)n;
	}
	memset((char *)p + had, 0, len - had);
	return 0;
}

static int host_truncate(int fd, unsigned int size)
{
	return (int)result(syscall(SYS_ftruncate, fd, (long)size));
}

int host_empty(int fd, unsigned int size)
{
	int err = host_truncate(fd, 0);

	return err ? err : host_truncate(fd, size);
}

int host_make(int fd, unsigned int size, unsigned int word)
{
	long err = host_truncate(fd, 0);

	if (!err)
		err = result(syscall(SYS_pwrite64, fd, &word, sizeof(word), 0L));
	if (err < 0)
		return (int)err;
	do {
		err = result(syscall(SYS_fallocate, fd, 0, 0L, (long)size));
	} while (err == -EINTR);
	return (int)err;
}

int host_in_memory(int fd)
{
	struct statfs st;

	return syscall(SYS_fstatfs, fd, &st) == 0 && st.f_type == TMPFS_MAGIC;
}

int host_touch(void *p, unsigned long len)
{
	return (int)result(syscall(SYS_madvise, p, len, MADV_POPULATE_WRITE));
}

/* ---- locks */
int host_lock(int fd, enum host_lock how, long long at)
{
	static const short types[] = {F_RDLCK, F_WRLCK, F_UNLCK};
	struct flock lock = {.l_type = types[how], .l_whence = SEEK_SET, .l_start = at, .l_len = 1};
	long err = result(syscall(SYS_fcntl, fd, F_OFD_SETLK, &lock));

	return err == -EACCES ? -EAGAIN : (int)err;
}

int host_locked(int fd, long long at, long long len)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = at, .l_len = len};

	return syscall(SYS_fcntl, fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

/* ---- the medium */
static int is_medium(int fd, unsigned long long bytes, const void *super, unsigned long long id[2])
{
	unsigned long long size = 0;
	char block[HOST_SUPER_SIZE];
	struct stat st;

	if (host_stat(fd, &st) != 0)
		return 0;
	if (S_ISREG(st.st_mode))
		size = (unsigned long long)st.st_size & ~511ull;
	else if (!S_ISBLK(st.st_mode) || syscall(SYS_ioctl, fd, BLKGETSIZE64, &size) != 0)
		return 0;
	if (size != bytes || host_read(fd, block, sizeof(block), HOST_SUPER_AT) != 0 ||
	    memcmp(block, super, sizeof(block)) != 0)
		return 0;
	id[0] = S_ISBLK(st.st_mode) ? st.st_rdev : st.st_dev;
	id[1] = S_ISBLK(st.st_mode) ? 0 : st.st_ino;
	return 1;
}

int host_medium(unsigned long long bytes, const void *super, unsigned long long id[2])
{
	unsigned long long other[2];
	int found = -ENOENT;

	for (int fd = 3; fd < FDS_MAX; fd++) {
		if (!is_medium(fd, bytes, super, other))
			continue;
		if (found >= 0 && (other[0] != id[0] || other[1] != id[1]))
			return -ENOENT;
		found = fd;
		id[0] = other[0];
		id[1] = other[1];
	}
	return found;
}
