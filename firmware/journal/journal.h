/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The journal: many operations become one transaction, which the medium has wholly or not at all.
 * Layer: with the caches of the pool, below the filesystem.
 *
 * A transaction (tid) gathers the buffers that operations edit. One executor at a time, the holder
 * of writeback_lock, commits it: waits until its operations have ended, seals its buffers, lets the
 * next transaction begin, writes file data, then the buffers' copies to the log, then the commit
 * record. Later it writes the buffers home (checkpoint).
 *
 * Tids are odd: 0 stands for none, and the next one is tid + 2. They count from the mount on and
 * are not the sequence numbers of the log.
 */
#ifndef MPDISK_JOURNAL_H
#define MPDISK_JOURNAL_H

#include "format/jbd2.h"
#include "platform/atomic.h"
#include "pool/exec.h"
#include "pool/pool.h"

enum journal_state {
	JOURNAL_RUNNING, /* operations join `running` */
	JOURNAL_LOCKED,  /* nobody joins: those who have are ending; then its buffers are sealed */
	JOURNAL_COMMITTING, /* `committing` is being written, `running` is open again */
	JOURNAL_FINISHING,  /* `committing` is on the medium, its buffers do not know yet */
};

struct journal_extent { /* a piece of the log's map */
	u32 lblk;
	u32 len;
	blkno_t pblk;
};

#define JOURNAL_STARTS 1024u /* transactions that the log can hold */
#define JOURNAL_EXTENTS (BLOCK_SIZE / sizeof(struct journal_extent))

struct journal {
	u32 state;      /* [writeback_lock] enum journal_state; waited on */
	u32 running;    /* [writeback_lock] tid that gathers buffers */
	u32 committing; /* [writeback_lock] tid that is being committed, or the last that was */
	u32 committed;  /* [writeback_lock] last tid that is durable; waited on */
	u32 error;      /* atomic: errno of an aborted journal */
	/* the journal's file; blocks 0: the filesystem has none */
	u32 blocks;    /* [immutable after mount] of the file: the log is [first, blocks) of it */
	u32 first;     /* [immutable after mount] */
	u32 incompat;  /* [immutable after mount] JBD2_INCOMPAT_* */
	u32 csum_seed; /* [immutable after mount] crc32c(~0, uuid) */
	u32 nextents;  /* [immutable after mount] */
	fno_t extents; /* [immutable after mount] frame of struct journal_extent[nextents] */
	fno_t super_frame; /* [writeback_lock] frame with block 0 of the file */
	u32 reserved[4];
};

static inline struct journal *journal_of(const struct exec *x)
{
	return exec_ptr(x, x->pool->hdr->journal);
}

static inline struct jbd2_super *journal_super(const struct exec *x)
{
	return exec_ptr(x, (ref_t)journal_of(x)->super_frame << BLOCK_SHIFT);
}

/* Whether tid a is b or came after it. */
static inline bool tid_reached(u32 a, u32 b)
{
	return (s32)(a - b) >= 0;
}

/* An empty one, without a log, in the carved area. */
void journal_format(struct pool *pool);

/* ---- operations (tx.h: tx_begin_change) */
void journal_join_slow(struct exec *x);

/* Makes the open tx, which holds no lock yet, part of the running transaction. */
static inline void journal_join(struct exec *x)
{
	u32 *gate = &x->pool->hdr->gate, tid = atomic_load(gate);

	/* who closes the gate sees the tid, or this sees that it is closed */
	atomic_store_first(&x->slot->tid, tid);
	if (!tid || atomic_load_after(gate) != tid)
		journal_join_slow(x);
}

/* The tx, or that of a dead executor in whose name x acts, has ended and settled. */
static inline void journal_leave(struct exec *x)
{
	atomic_store_first(&x->slot->tid, 0);
}

/* ---- mount; nobody else uses the pool */
/* The map of the journal's file, piece by piece in ascending order. -EOPNOTSUPP: too many. */
int warn_unused journal_add_extent(struct exec *x, u32 lblk, u32 len, blkno_t pblk);
/* After that: reads the journal's superblock and checks it. -EUCLEAN, -EOPNOTSUPP, -EIO, logged. */
int warn_unused journal_load(struct exec *x);
/* Medium block of block lblk of the journal's file; -EUCLEAN: there is none. */
int warn_unused journal_map(struct exec *x, u32 lblk, blkno_t *pblk);
/* Seals journal_super(), writes it, and flushes the medium. */
int warn_unused journal_write_super(struct exec *x);
#endif
