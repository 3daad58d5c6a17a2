/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An executor: one thread of control that runs filesystem code on a pool. struct exec is its
 * private side (never in the pool); struct exec_slot (pool.h) is what others see of it.
 */
#ifndef MPDISK_EXEC_H
#define MPDISK_EXEC_H

#include "platform/platform.h"
#include "pool/pool.h"

#define CRED_NOATIME 0x40000u /* what it reads does not count as accessed; as O_NOATIME */

struct cred {
	u32 uid; /* of the process behind the operation */
	u32 gid;
	u32 umask; /* and CRED_NOATIME */
};

/* A frame or inode slot that the executor has pinned more than once (pin.h). */
struct pin_again {
	u32 *word;
	u32 n; /* pins beyond the first */
};
#define EXEC_AGAIN 64u

struct exec {
	struct pool *pool;
	struct plat *plat;
	struct exec_slot *slot;
	u32 id;   /* 1..POOL_EXECUTORS */
	u32 bit;  /* 1 << id */
	u32 host; /* whose operation this is: port number or process */
	u32 seen; /* that host's bit where it will say what it forgets (fs_forget); else 0 */
	struct cred cred;
	struct plat_time now; /* time of the operation, read once at tx_begin */
	u64 *handle;     /* shared mode: in the pool, where an open writes its node and a release
			    writes 0, in the same tx as they count; NULL: nowhere */
	ref_t name_word; /* shared mode: a name that was looked up, made or removed last means the
			    same as long as the word there is name_changes; 0: not known */
	u32 name_changes;
	u32 retry;           /* after -ERETRY: the tid whose commit it waits for */
	u32 mini;            /* an open mini-transaction's mark + 1, or 0 */
	u8 ranks[POOL_HELD]; /* of the locks in slot->held[] (debug) */
	ref_t yielded;       /* debug: for this word it has yielded */
	u32 yield_ms;        /* debug: since then */
	u32 jitter;          /* debug: not 0: gives way to others at random steps */
	u32 claimed; /* debug: frames that it has claimed and not yet submitted (writer.c) */
	u32 cut;     /* debug: dies at the cut-th step from now; 0: never */
#ifndef MPDISK_SINGLE_HART
	u32 nagain;
	struct pin_again again[EXEC_AGAIN];
#endif
};

/* A point at which a test may let others run: where something is read without a lock. */
static inline void exec_jitter(struct exec *x)
{
#ifdef MPDISK_DEBUG
	if (!x->jitter)
		return;
	x->jitter = x->jitter * 1664525u + 1013904223u;
	if (!(x->jitter >> 24))
		plat_yield(x->plat);
#else
	(void)x;
#endif
}

/* A point between two stores to shared state at which a test may let the executor die. */
static inline void exec_step(struct exec *x)
{
#ifdef MPDISK_DEBUG
	if (x->cut && --x->cut == 0)
		plat_cut(x->plat);
	exec_jitter(x);
#else
	(void)x;
#endif
}

static inline void *exec_ptr(const struct exec *x, ref_t ref)
{
	return x->pool->base + ref;
}

static inline ref_t exec_ref(const struct exec *x, const void *p)
{
	return (ref_t)((const u8 *)p - x->pool->base);
}

/* Takes a free executor slot for a host (< 2^24): 0, or -EAGAIN when all are taken. */
int warn_unused exec_join(struct pool *pool, struct plat *plat, u32 host, struct exec *x);
/* With no tx open and nothing pinned. */
void exec_leave(struct exec *x);

/*
 * Takes the place of executors that have died (a bit per id): rolls their open tx back or finishes
 * what they had committed, releases their locks, frees their slots. The caller knows that they are
 * dead, and that nobody else recovers them; x holds nothing, and needs no slot, only pool and plat.
 * Idempotent: may itself be cut off anywhere and be done again by another. Returns how many there
 * were.
 */
u32 execs_recover_set(struct exec *x, u32 dead);
/* All executors of hosts that have died: a bit per number, which is below 32. */
u32 execs_recover(struct exec *x, u32 hosts);
/* One executor. 0: done or nothing to do. */
int warn_unused exec_recover(struct exec *x, u32 dead);

#endif
