/* SPDX-License-Identifier: BSD-2-Clause */
/* An attached pool, for the files of the library only. */
#ifndef MPDISK_LIB_PRIVATE_H
#define MPDISK_LIB_PRIVATE_H

#include <pthread.h>

#include "mpdisk.h"

struct watcher {
	struct mpdisk *disk;
	u32 host;
	bool started;
	u32 ended; /* atomic */
	pthread_t thread;
};

struct mpdisk {
	struct plat *plat;
	struct pool pool;
	int fd; /* of the pool file; all locks of this process are on it */
	u32 host;
	bool locked;   /* MPDISK_LOCK_JOIN is ours */
	bool mounted;  /* by this host */
	bool alone;    /* no name: nobody else can attach */
	bool warm;     /* as it was asked for */
	struct exec x; /* its own executor: mounts, writes back, unmounts */
	pthread_t flusher;
	bool flusher_started;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool ending;                            /* [lock] the flusher is to end */
	bool watch_ends;                        /* [lock] the watchers are to end */
	u32 nrecovering;                        /* [lock] watchers that recover somebody */
	pthread_mutex_t recovering[POOL_HOSTS]; /* threads share a process's locks on files */
	pthread_t greeter;                      /* starts the watchers */
	bool greeter_started;
	struct watcher watchers[POOL_HOSTS];
};

/* Locks one byte; type F_RDLCK, F_WRLCK or F_UNLCK. -EAGAIN: held by somebody else. */
int warn_unused byte_lock(int fd, int type, long long at);

/* ---- watch.c: who notices deaths */
int warn_unused watch_start(struct mpdisk *disk);
/* No thread of it is left when it returns. After it the process must not wait for anything of the
 * pool: who has it may die. */
void watch_stop(struct mpdisk *disk);
/* Every other host has died: returns when all of them are recovered. */
void watch_recover_dead(struct mpdisk *disk);

#endif
