/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A virtio-fs device whose requests are served in this process, on a pool that it has attached to:
 * each thread is an executor, which takes a request from a queue, runs the filesystem, and answers.
 */
#ifndef MPDISK_FS_POOL_H
#define MPDISK_FS_POOL_H

#include <stdbool.h>

#include "../lib/mpdisk.h"
#include "vhost.h"

#define FS_POOL_THREADS_MAX 16u

struct fs_pool_config {
	struct vhost_config vhost; /* gone and user are not looked at */
	struct mpdisk *disk;
	unsigned int threads;
	bool trace; /* every message to stderr */
};

struct fs_pool;

/* -EAGAIN: not so many executors are free in the pool; else as vhost_new(). */
int fs_pool_new(const struct fs_pool_config *config, struct fs_pool **out)
	__attribute__((warn_unused_result));

/* Serves guests until stop_fd is readable or fs_pool_stop() is called. */
int fs_pool_run(struct fs_pool *fs, int stop_fd) __attribute__((warn_unused_result));
void fs_pool_stop(struct fs_pool *fs);

/* Instead of fs_pool_run(), for who has no thread to give: serves what is in the queues, and
 * answers who waited for a lock. The control thread's part is the caller's, too. */
void fs_pool_turn(struct fs_pool *fs);
struct vhost *fs_pool_vhost(struct fs_pool *fs);
void fs_pool_free(struct fs_pool *fs);

/* Text for `mpdisk status SOCKET`, into buffer. Any thread. */
void fs_pool_describe(struct fs_pool *fs, char *buffer, unsigned int size);

#endif
