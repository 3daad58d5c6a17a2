/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a thread of this process serves FUSE requests with, on a pool that the process has attached
 * to: an executor, a request and its reply, frames for payload. And who answers requests that
 * waited for locks.
 *
 * For each request: fill call's request part, pool_call_serve(), pool_call_reply(), send it,
 * pool_call_end().
 */
#ifndef MPDISK_POOL_CALL_H
#define MPDISK_POOL_CALL_H

#include <pthread.h>
#include <sys/uio.h>

#include "../lib/mpdisk.h"
#include "port/fuse_server.h"

#define POOL_CALL_IOV (FS_IO_SEGS + 1)
/* a WRITE's bytes before its data */
#define WRITE_HEAD ((u32)(sizeof(struct fuse_in_header) + sizeof(struct fuse_write_in)))

struct pool_call {
	struct exec x;
	struct fuse_call call;
	u32 nframes; /* frames that it owns, for payload */
	fno_t frames[FUSE_PAY_SEGS];
	u64 requests; /* counted by the thread, read by others */
	_Alignas(8) u8 out[FUSE_OUT_ROOM];
};

/* -EAGAIN: all executors of the pool are in use. */
int pool_call_open(struct pool_call *c, struct mpdisk *disk) warn_unused;
/* Also of one that could not be opened, if it is zeroed. */
void pool_call_close(struct pool_call *c);

/* Makes n payload frames the thread's own, FUSE_PAY_SEGS at most. -ENOMEM. May wait. */
int pool_call_own(struct pool_call *c, u32 n) warn_unused;
u8 *pool_call_data(const struct pool_call *c, u32 i);

void pool_call_serve(struct pool_call *c, bool trace);
/* Makes the reply a failure. */
void pool_call_fail(struct pool_call *c, int error);
/* The reply's pieces, and how many; 0: there is none. */
u32 pool_call_reply(const struct pool_call *c, struct iovec *iov);
/* What the reply is made of is given back, and payload frames are the thread's own again. */
void pool_call_again(struct pool_call *c);
/* The reply is sent. */
void pool_call_end(struct pool_call *c);

static inline u64 pool_call_requests(const struct pool_call *c)
{
	return __atomic_load_n(&c->requests, __ATOMIC_RELAXED);
}

/* ---- a thread that calls done() whenever requests may have ended that waited for locks: it asks
 * fs_lock_done() which */
struct pool_locks {
	const struct exec *x;
	void (*done)(void *user);
	void *user;
	pthread_t thread;
	u32 ending; /* atomic */
};

int pool_locks_start(struct pool_locks *locks, const struct exec *x, void (*done)(void *user),
		     void *user) warn_unused;
/* Does nothing if it was not started. */
void pool_locks_stop(struct pool_locks *locks);

#endif
