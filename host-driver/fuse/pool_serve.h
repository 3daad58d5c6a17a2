/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Serves a mount's FUSE messages in this process, on a pool that it has attached to: each thread is
 * an executor, which reads a message, runs the filesystem, and answers.
 */
#ifndef MPDISK_POOL_SERVE_H
#define MPDISK_POOL_SERVE_H

#include <stdbool.h>

#include "../lib/mpdisk.h"

#define POOL_SERVE_THREADS_MAX 16u

struct pool_server_config {
	int fuse_fd;
	int stop_fd; /* readable: somebody wants the mount to end; stop() is called each time */
	struct mpdisk *disk;
	unsigned int threads;
	bool trace;       /* every message to stderr */
	bool local_locks; /* on files: the kernel keeps them to itself */
	bool noatime;     /* reading does not change access times */
	/* FUSE_INIT has been answered: 0, or a negative errno. Called once, from a thread. */
	void (*ready)(void *user, int error);
	/* Reads stop_fd and starts the unmount without waiting for it. */
	void (*stop)(void *user);
	void *user;
};

struct pool_server;

/* -EAGAIN: not so many executors are free in the pool. */
int pool_server_new(const struct pool_server_config *config, struct pool_server **out)
	__attribute__((warn_unused_result));

/* Serves until the kernel has unmounted. */
int pool_server_run(struct pool_server *server) __attribute__((warn_unused_result));

/* Makes pool_server_run end although the mount is still used. Any thread. */
void pool_server_stop(struct pool_server *server);

void pool_server_free(struct pool_server *server);

/* Text for `mpdisk status DIR`, into buffer. Any thread. */
void pool_server_describe(struct pool_server *server, char *buffer, unsigned int size);

#endif
