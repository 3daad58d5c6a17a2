/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The hosts of a pool in shared mode: who has attached to it, and what each holds.
 *
 * Layer: beside the port server: what a port is to a host of the device, an entry here is to a host
 * that runs the filesystem itself. Who tells whether a host is alive is outside (host-driver/lib).
 *
 * Invariants
 *  H1. An entry is changed by its host, and by whoever knows that the host is dead and that nobody
 *      else recovers it.
 *  H2. An entry is HOST_USED before the host's first executor joins and until its last one has
 *      left: no executor of a dead host is overlooked.
 */
#ifndef MPDISK_HOST_H
#define MPDISK_HOST_H

#include "platform/waits.h"
#include "port/session.h"

#define POOL_HOSTS POOL_EXECUTORS /* numbers 1..POOL_HOSTS */
#define HOST_NAME 144u

enum host_state { HOST_FREE = 0, HOST_USED = 1 };

struct pool_host { /* 336 bytes */
	u32 state; /* atomic: enum host_state */
	u32 pid;   /* of the host's process */
	u32 reserved[2];
	struct session session;
	char name[HOST_NAME]; /* for people: where it is mounted */
};
_Static_assert(sizeof(struct pool_host) == 336, "struct pool_host");
_Static_assert(sizeof(struct session) == 176, "struct session");

struct pool_hosts {
	u32 changes; /* atomic: counts who comes and goes; waited on */
	u32 deaths;  /* atomic: hosts that were recovered */
	u32 reserved[2];
	u64 medium[2];   /* [immutable] which medium the pool's filesystem is on */
	char image[224]; /* [immutable] for people: its name */
	struct plat_waits waits;
	struct pool_host host[POOL_HOSTS];
};
_Static_assert(sizeof(struct pool_hosts) == 576 + 336 * POOL_HOSTS, "struct pool_hosts");

static inline struct pool_hosts *pool_hosts(const struct pool *pool)
{
	return pool_ptr(pool, pool->hdr->hosts);
}

static inline struct pool_host *pool_host(const struct pool *pool, u32 host)
{
	return &pool_hosts(pool)->host[host - 1];
}

/* Lays the table out in a pool that is not sealed yet. */
int warn_unused hosts_carve(struct pool *pool);

/* Enters a host under a number that is free. futex: it waits by futexes of the pool's words. */
void host_enter(struct pool *pool, struct plat *plat, u32 host, u32 pid, bool futex,
		const char *name);

/* Its executors have left and its session is dropped. */
void host_leave(struct pool *pool, struct plat *plat, u32 host);

/*
 * Takes the place of dead hosts (a bit per number): their executors are recovered, what they had
 * open is released, their numbers become free. May be cut off anywhere and be done again. The
 * caller makes sure that it is the only one (H1). 0, or -EAGAIN: every executor slot is taken, try
 * again with those that are still HOST_USED.
 *
 * Who is dead at the same time is recovered together, or at the same time by several threads: what
 * one holds may be wanted for recovering another.
 */
int warn_unused hosts_recover(struct pool *pool, struct plat *plat, u32 hosts);

#endif
