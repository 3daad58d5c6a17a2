/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * System calls on this machine and in guests, by the same code: perform() does a call, here or in
 * the server that a guest runs.
 */
#define _GNU_SOURCE
#include "host_calls.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

enum operation {
	OPEN,
	CLOSE,
	STAT,
	FSTAT,
	PREAD,
	PWRITE,
	TRUNCATE_NAME,
	FTRUNCATE,
	RENAME_NAME,
	LINK_NAME,
	UNLINK_NAME,
	SYMLINK_NAME,
	READLINK,
	MKDIR,
	CHMOD_NAME,
	FUTIMENS,
	FSETXATTR,
	FGETXATTR,
	FREMOVEXATTR,
	LISTED,
};

/* A guest's serial line is slow: only as much of `extra` is sent as is used. */
struct request {
	uint16_t operation, extra_len;
	int32_t fd;
	uint32_t number; /* flags, mode or seed */
	uint32_t len;    /* of the data to or from the file */
	int64_t at;
	char extra[480]; /* two names, each ended by NUL, then a value */
};

#define REQUEST_HEAD offsetof(struct request, extra)

struct reply {
	int64_t result;
	int32_t error;
	uint32_t len; /* of the data that follows */
};

static struct {
	int dir; /* open on this machine; -1: a guest, behind the pipes */
	const char *path;
	int to, from;
} connections[HOSTS_MAX];

void fill_data(void *data, size_t len, uint32_t seed)
{
	uint8_t *bytes = data;
	size_t i;

	for (i = 0; i < len; i++) {
		seed = seed * 1664525u + 1013904223u;
		bytes[i] = (uint8_t)(seed >> 24);
	}
}

static int64_t list_has(int fd, const char *name)
{
	char buffer[4096];
	struct dirent64 *entry;
	int64_t found = 0;
	ssize_t n, at;

	if (lseek(fd, 0, SEEK_SET) < 0)
		return -1;
	while ((n = getdents64(fd, buffer, sizeof(buffer))) > 0) {
		for (at = 0; at < n; at += entry->d_reclen) {
			entry = (struct dirent64 *)(buffer + at);
			found |= strcmp(entry->d_name, name) == 0;
		}
	}
	return n < 0 ? -1 : found;
}

static int64_t truncate_name(int dir, const char *name, off_t size)
{
	char path[64];

	/* The call by name, which openat and ftruncate are not. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", dir, name);
	return truncate(path, size);
}

static int64_t write_filled(const struct request *request)
{
	static uint8_t data[CALL_DATA];

	fill_data(data, request->len, request->number);
	return pwrite(request->fd, data, request->len, request->at);
}

/* Does the call below the directory; what it gives goes to data, *len bytes. */
static int64_t perform(int dir, const struct request *request, void *data, uint32_t *len)
{
	const char *one = request->extra, *two = one + strlen(one) + 1;
	const int fd = request->fd;
	int64_t r;

	*len = 0;
	switch ((enum operation)request->operation) {
	case OPEN:
		return openat(dir, one, (int)request->at, request->number);
	case CLOSE:
		return close(fd);
	case STAT:
	case FSTAT:
		*len = sizeof(struct stat);
		return request->operation == STAT ? fstatat(dir, one, data, 0) : fstat(fd, data);
	case PREAD:
		r = pread(fd, data, request->len, request->at);
		break;
	case PWRITE:
		return write_filled(request);
	case TRUNCATE_NAME:
		return truncate_name(dir, one, request->at);
	case FTRUNCATE:
		return ftruncate(fd, request->at);
	case RENAME_NAME:
		return renameat(dir, one, dir, two);
	case LINK_NAME:
		return linkat(dir, one, dir, two, 0);
	case UNLINK_NAME:
		return unlinkat(dir, one, (int)request->number);
	case SYMLINK_NAME:
		return symlinkat(one, dir, two);
	case READLINK:
		r = readlinkat(dir, one, data, request->len);
		break;
	case MKDIR:
		return mkdirat(dir, one, request->number);
	case CHMOD_NAME:
		return fchmodat(dir, one, request->number, 0);
	case FUTIMENS:
		memcpy(data, two + 1, 2 * sizeof(struct timespec));
		return futimens(fd, data);
	case FSETXATTR:
		return fsetxattr(fd, one, two + 1, request->len, 0);
	case FGETXATTR:
		r = fgetxattr(fd, one, data, request->len);
		break;
	case FREMOVEXATTR:
		return fremovexattr(fd, one);
	case LISTED:
		return list_has(fd, one);
	default:
		errno = ENOSYS;
		return -1;
	}
	*len = r > 0 ? (uint32_t)r : 0;
	return r;
}

int host_serve(const char *dir)
{
	static char data[CALL_DATA] __attribute__((aligned(8)));
	struct request request;
	struct reply reply;
	int fd = open(dir, O_RDONLY | O_DIRECTORY);

	if (fd < 0) {
		fprintf(stderr, "%s: %s\n", dir, strerror(errno));
		return 1;
	}
	while (read_fully(0, &request, REQUEST_HEAD) == 0) {
		memset(request.extra, 0, sizeof(request.extra));
		if (request.extra_len > sizeof(request.extra) || request.len > CALL_DATA ||
		    read_fully(0, request.extra, request.extra_len) < 0)
			return 1;
		reply.result = perform(fd, &request, data, &reply.len);
		reply.error = errno;
		if (write_fully(1, &reply, sizeof(reply)) < 0 ||
		    write_fully(1, data, reply.len) < 0)
			return 1;
	}
	return 0;
}

int host_connect(unsigned int number, const struct host *host)
{
	char *const arguments[] = {(char[]){"--serve"}, (char *)host->dir, NULL};

	connections[number].path = host->guest ? host->guest : host->dir;
	connections[number].dir = -1;
	if (host->guest)
		return host_spawn(host, arguments, &connections[number].to,
				  &connections[number].from) < 0
			       ? -1
			       : 0;
	connections[number].dir = open(host->dir, O_RDONLY | O_DIRECTORY);
	return connections[number].dir < 0 ? -1 : 0;
}

/* No answer is not an answer of the filesystem: it ends the program. */
static int64_t lost(unsigned int host)
{
	printf("FAIL hosts_stay: %s does not answer: %s\n", connections[host].path,
	       strerror(errno));
	exit(1);
}

static int64_t call(unsigned int host, const struct request *request, void *data)
{
	static char unused[CALL_DATA] __attribute__((aligned(8)));
	struct reply reply;

	if (!data)
		data = unused;
	if (connections[host].dir >= 0)
		return perform(connections[host].dir, request, data, &reply.len);
	if (write_fully(connections[host].to, request, REQUEST_HEAD + request->extra_len) < 0 ||
	    read_fully(connections[host].from, &reply, sizeof(reply)) < 0 ||
	    reply.len > CALL_DATA || read_fully(connections[host].from, data, reply.len) < 0)
		return lost(host);
	errno = reply.error;
	return reply.result;
}

/* Room for both names, NUL or not, and a value after them. */
static struct request make(enum operation operation, const char *one, const char *two)
{
	struct request request = {.operation = (uint16_t)operation};
	size_t len = strlen(one) + 1;

	memcpy(request.extra, one, len);
	memcpy(request.extra + len, two, strlen(two) + 1);
	request.extra_len = (uint16_t)(len + strlen(two) + 1);
	return request;
}

static void add_value(struct request *request, const void *value, size_t len)
{
	memcpy(request->extra + request->extra_len, value, len);
	request->extra_len = (uint16_t)(request->extra_len + len);
	request->len = (uint32_t)len;
}

int host_open(unsigned int host, const char *name, int flags, mode_t mode)
{
	struct request request = make(OPEN, name, "");

	request.at = flags;
	request.number = mode;
	return (int)call(host, &request, NULL);
}

int host_close(unsigned int host, int fd)
{
	struct request request = make(CLOSE, "", "");

	request.fd = fd;
	return (int)call(host, &request, NULL);
}

int host_stat(unsigned int host, const char *name, struct stat *st)
{
	struct request request = make(STAT, name, "");

	return (int)call(host, &request, st);
}

int host_fstat(unsigned int host, int fd, struct stat *st)
{
	struct request request = make(FSTAT, "", "");

	request.fd = fd;
	return (int)call(host, &request, st);
}

ssize_t host_pread(unsigned int host, int fd, void *data, size_t len, off_t at)
{
	struct request request = make(PREAD, "", "");

	request.fd = fd;
	request.len = (uint32_t)len;
	request.at = at;
	return call(host, &request, data);
}

ssize_t host_pwrite(unsigned int host, int fd, uint32_t seed, size_t len, off_t at)
{
	struct request request = make(PWRITE, "", "");

	request.fd = fd;
	request.number = seed;
	request.len = (uint32_t)len;
	request.at = at;
	return call(host, &request, NULL);
}

int host_truncate(unsigned int host, const char *name, off_t size)
{
	struct request request = make(TRUNCATE_NAME, name, "");

	request.at = size;
	return (int)call(host, &request, NULL);
}

int host_ftruncate(unsigned int host, int fd, off_t size)
{
	struct request request = make(FTRUNCATE, "", "");

	request.fd = fd;
	request.at = size;
	return (int)call(host, &request, NULL);
}

int host_rename(unsigned int host, const char *from, const char *to)
{
	struct request request = make(RENAME_NAME, from, to);

	return (int)call(host, &request, NULL);
}

int host_link(unsigned int host, const char *from, const char *to)
{
	struct request request = make(LINK_NAME, from, to);

	return (int)call(host, &request, NULL);
}

int host_symlink(unsigned int host, const char *target, const char *name)
{
	struct request request = make(SYMLINK_NAME, target, name);

	return (int)call(host, &request, NULL);
}

int host_unlink(unsigned int host, const char *name, int flags)
{
	struct request request = make(UNLINK_NAME, name, "");

	request.number = (uint32_t)flags;
	return (int)call(host, &request, NULL);
}

ssize_t host_readlink(unsigned int host, const char *name, char *target, size_t size)
{
	struct request request = make(READLINK, name, "");

	request.len = (uint32_t)size;
	return call(host, &request, target);
}

int host_mkdir(unsigned int host, const char *name, mode_t mode)
{
	struct request request = make(MKDIR, name, "");

	request.number = mode;
	return (int)call(host, &request, NULL);
}

int host_chmod(unsigned int host, const char *name, mode_t mode)
{
	struct request request = make(CHMOD_NAME, name, "");

	request.number = mode;
	return (int)call(host, &request, NULL);
}

int host_futimens(unsigned int host, int fd, const struct timespec times[2])
{
	struct request request = make(FUTIMENS, "", "");

	request.fd = fd;
	add_value(&request, times, 2 * sizeof(*times));
	return (int)call(host, &request, NULL);
}

int host_fsetxattr(unsigned int host, int fd, const char *name, const void *value, size_t len)
{
	struct request request = make(FSETXATTR, name, "");

	request.fd = fd;
	add_value(&request, value, len);
	return (int)call(host, &request, NULL);
}

ssize_t host_fgetxattr(unsigned int host, int fd, const char *name, void *value, size_t size)
{
	struct request request = make(FGETXATTR, name, "");

	request.fd = fd;
	request.len = (uint32_t)size;
	return call(host, &request, value);
}

int host_fremovexattr(unsigned int host, int fd, const char *name)
{
	struct request request = make(FREMOVEXATTR, name, "");

	request.fd = fd;
	return (int)call(host, &request, NULL);
}

int host_listed(unsigned int host, int fd, const char *name)
{
	struct request request = make(LISTED, name, "");

	request.fd = fd;
	return (int)call(host, &request, NULL);
}
