/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Locks on files that all hosts share: POSIX byte ranges, open file descriptions (by another
 * owner), and flock. Layer: beside the inodes, which it does not touch: a lock belongs to a node
 * id.
 *
 * One table in the pool for all, an entry for each range that is held and for each request that
 * waits. Who releases grants what has become free, in the order of the requests; the host that
 * waits learns of it by the word that fs_lock_word() names, and answers its user.
 *
 *	HELD                                                a range
 *	WAITING --granted, in its tx--> GRANTED --> DONE --answered--> REAPED --> free
 *	WAITING --interrupted--> GRANTED (with an error)
 *
 * Invariants
 *  K1. The table changes under its lock, in a tx; but DONE and REAPED are stores of their own: DONE
 *      after the tx that granted is committed, REAPED by the host that waited.
 *  K2. Two ranges of one owner neither overlap nor, of the same type, touch.
 *  K3. Whoever takes the lock finishes what one who died before him has left: GRANTED becomes DONE.
 */
#ifndef MPDISK_FS_FLOCK_H
#define MPDISK_FS_FLOCK_H

#include "fs/fs.h"

#define FLOCK_MAX 1024u /* entries of all hosts; a host has at most half of them */
#define FLOCK_BUCKETS 64u
#define FLOCK_MARKS (FLOCK_MAX / 32)

enum flock_state {
	FLOCK_FREE,
	FLOCK_HELD,
	FLOCK_WAITING,
	FLOCK_GRANTED,
	FLOCK_DONE,
	FLOCK_REAPED,
};

struct flock {     /* 80 bytes */
	u32 next;  /* index + 1 of the next of its bucket, or of the free list */
	u32 state; /* atomic: enum flock_state */
	u64 node;
	u64 owner;
	u64 fh;
	u64 start;
	u64 end; /* the last byte */
	u64 key; /* of a request that waits */
	u32 host;
	u32 pid;
	u32 type;
	u32 kind;
	u32 ticket;
	s32 error; /* how the wait ended */
};
_Static_assert(sizeof(struct flock) == 80, "struct flock");

struct flock_table {
	u32 lock;    /* RANK_FLOCK */
	u32 word;    /* atomic: counts waits that have ended; waited on */
	u32 free;    /* [lock] index + 1 */
	u32 used;    /* [lock] entries in use; atomic for those who look without it */
	u32 waiting; /* [lock] those of them that are not HELD; atomic likewise */
	u32 ticket;  /* [lock] */
	u32 n;       /* [immutable] */
	u32 reserved;
	u32 bucket[FLOCK_BUCKETS]; /* [lock] */
	struct flock entry[];
};
_Static_assert(sizeof(struct flock_table) == 32 + 4 * FLOCK_BUCKETS, "struct flock_table");

/* At mount, before the pool is sealed. */
int warn_unused flock_carve(struct exec *x);

#endif
