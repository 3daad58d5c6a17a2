/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * System calls on a host: done here, or, for a guest, by the server in it. They return and set
 * errno as the calls do that they are named for. Names are relative to the host's directory, files
 * are the host's own descriptors.
 */
#ifndef SYSTEM_HOST_CALLS_H
#define SYSTEM_HOST_CALLS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <time.h>

#include "hosts.h"

/* The most bytes that a call carries either way. */
#define CALL_DATA 65536

/* Opens the host's directory; for a guest, starts "PROGRAM --serve DIR" there. 0, or -1. */
int host_connect(unsigned int number, const struct host *host);

/* The other side of a guest's calls: ends with its input, returns the exit status. */
int host_serve(const char *dir);

int host_open(unsigned int host, const char *name, int flags, mode_t mode);
int host_close(unsigned int host, int fd);
int host_stat(unsigned int host, const char *name, struct stat *st);
int host_fstat(unsigned int host, int fd, struct stat *st);
ssize_t host_pread(unsigned int host, int fd, void *data, size_t len, off_t at);
/* Writes fill_data(seed, len). */
ssize_t host_pwrite(unsigned int host, int fd, uint32_t seed, size_t len, off_t at);
int host_truncate(unsigned int host, const char *name, off_t size);
int host_ftruncate(unsigned int host, int fd, off_t size);
int host_rename(unsigned int host, const char *from, const char *to);
int host_link(unsigned int host, const char *from, const char *to);
int host_unlink(unsigned int host, const char *name, int flags);
int host_symlink(unsigned int host, const char *target, const char *name);
ssize_t host_readlink(unsigned int host, const char *name, char *target, size_t size);
int host_mkdir(unsigned int host, const char *name, mode_t mode);
int host_chmod(unsigned int host, const char *name, mode_t mode);
int host_futimens(unsigned int host, int fd, const struct timespec times[2]);
int host_fsetxattr(unsigned int host, int fd, const char *name, const void *value, size_t len);
ssize_t host_fgetxattr(unsigned int host, int fd, const char *name, void *value, size_t size);
int host_fremovexattr(unsigned int host, int fd, const char *name);
/* 1 if the open directory lists the name, 0 if not. */
int host_listed(unsigned int host, int fd, const char *name);

void fill_data(void *data, size_t len, uint32_t seed);

#endif
