// SPDX-License-Identifier: BSD-2-Clause
/* FIFOs beside a pool file. Also built into the kernel module, which has no libc but syscall(). */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "platform/posix/fifo.h"

#define ROOM 512 /* on a kernel's stack */

static int fifo_path(char *path, const char *pool, unsigned int host)
{
	int len = snprintf(path, ROOM, "%s.wake%u", pool, host);

	return len > 0 && len < ROOM ? 0 : -ENAMETOOLONG;
}

int fifo_open(const char *pool, unsigned int host)
{
	char path[ROOM];
	int err = fifo_path(path, pool, host), fd;

	if (err)
		return err;
	if (syscall(SYS_mknodat, AT_FDCWD, path, S_IFIFO | 0600, 0) != 0 && errno != EEXIST)
		return -errno;
	/* for reading as well: so there is no SIGPIPE and no end of file */
	fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
	return fd < 0 ? -errno : fd;
}

void fifo_close(int fd)
{
	syscall(SYS_close, fd);
}

void fifo_tell(int fd, unsigned char bucket)
{
	syscall(SYS_write, fd, &bucket, 1);
}

unsigned int fifo_read(int fd, unsigned char *bytes, unsigned int len)
{
	long n = syscall(SYS_read, fd, bytes, len);

	return n > 0 ? (unsigned int)n : 0;
}

void fifo_remove(const char *pool, unsigned int host)
{
	char path[ROOM];

	if (fifo_path(path, pool, host) == 0)
		syscall(SYS_unlinkat, AT_FDCWD, path, 0);
}
