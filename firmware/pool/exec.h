/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An executor: one thread of control that runs filesystem code on a pool. struct exec is its
 * private side (never in the pool); struct exec_slot (pool.h) is what others see of it.
 */
#ifndef MPDISK_EXEC_H
#define MPDISK_EXEC_H

#include "platform/platform.h"
#include "pool/pool.h"

struct cred {
	u32 uid; /* of the process behind the operation */
	u32 gid;
	u32 umask;
};

struct exec {
	struct pool *pool;
	struct plat *plat;
	struct exec_slot *slot;
	u32 id;   /* 1..POOL_EXECUTORS */
	u32 host; /* whose operation this is: port number or process */
	struct cred cred;
	struct plat_time now; /* time of the operation, read once at tx_begin */
	u32 nedited;          /* buffers edited by the open tx: slot->edited[] */
	u32 rank;             /* highest lock rank held (debug) */
};

static inline void *exec_ptr(const struct exec *x, ref_t ref)
{
	return x->pool->base + ref;
}

static inline ref_t exec_ref(const struct exec *x, const void *p)
{
	return (ref_t)((const u8 *)p - x->pool->base);
}

/* Takes a free executor slot: 0, or -EAGAIN when all are taken. */
int warn_unused exec_join(struct pool *pool, struct plat *plat, u32 host, struct exec *x);
void exec_leave(struct exec *x);

#endif
