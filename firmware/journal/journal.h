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
#include "platform/errno.h"
#include "pool/exec.h"
#include "pool/frame.h"

enum journal_state {
	JOURNAL_RUNNING, /* operations join `running` */
	JOURNAL_LOCKED,  /* nobody joins: those who have are ending; then its buffers are sealed */
	JOURNAL_COMMITTING, /* `committing` is being written, `running` is open again */
	JOURNAL_FINISHING,  /* `committing` is on the medium, its buffers do not know yet */
};

/* While it is not 0 the gate stays closed, and the one who has closed it keeps writeback_lock. */
enum journal_halt {
	HALT_CLOSING = 1, /* the medium is being brought up to date */
	HALT_DONE,        /* it is, and nothing is written */
};

struct journal_extent { /* a piece of the log's map */
	u32 lblk;
	u32 len;
	blkno_t pblk;
};

#define JOURNAL_STARTS 1024u /* transactions that the log can hold */
#define JOURNAL_MAPS 16u     /* frames that its map may take: as many pieces as recovery knows */
#define JOURNAL_MAP_EXTENTS ((u32)(BLOCK_SIZE / sizeof(struct journal_extent)))

struct journal_start { /* where a transaction begins in the log */
	u32 block;
	u32 sequence;
};

struct journal {
	u32 state;      /* [writeback_lock] enum journal_state */
	u32 running;    /* [writeback_lock] tid that gathers buffers */
	u32 committing; /* [writeback_lock] tid that is being committed, or the last that was */
	u32 committed;  /* [writeback_lock] last tid that is durable; waited on */
	u32 ordered;    /* [writeback_lock] last tid whose file data is written; waited on */
	u32 error;      /* atomic: errno of an aborted journal */
	u32 nbuffers;   /* atomic: buffers in `running`, about */
	u32 left;       /* atomic: counts who leaves while the gate is closed; waited on */
	u32 opened_ms;  /* when `running` got its first buffer */
	u32 soft;       /* [immutable after mount] buffers after which a transaction is committed */
	u32 hard;       /* [immutable after mount] buffers that it can have */
	u32 commit_buffers; /* [writeback_lock] buffers of `committing` that are logged */
	u32 commit_revokes; /* [writeback_lock] revoke records of `committing` */
	u32 commit_end;     /* [writeback_lock] log block behind `committing` */
	u32 commit_sec_lo, commit_sec_hi, commit_nsec; /* [writeback_lock] when it was sealed */
	/* the journal's file; blocks 0: the filesystem has none */
	u32 blocks;    /* [immutable after mount] of the file: the log is [first, blocks) of it */
	u32 first;     /* [immutable after mount] */
	u32 incompat;  /* [immutable after mount] JBD2_INCOMPAT_* */
	u32 csum_seed; /* [immutable after mount] crc32c(~0, uuid) */
	u32 nextents;  /* [immutable after mount] */
	fno_t super_frame; /* [writeback_lock] frame with block 0 of the file */
	u32 head;          /* [writeback_lock] log block of the next transaction */
	u32 sequence;      /* [writeback_lock] its sequence number */
	u32 tail;          /* [writeback_lock] log block of the oldest one that is needed */
	u32 tail_tid;      /* [writeback_lock] its tid */
	u32 nrevokes;      /* atomic: metadata blocks that `running` frees, about */
	u32 halt;          /* [writeback_lock] enum journal_halt */
	u32 reserved[2];
	fno_t map[JOURNAL_MAPS]; /* [immutable after mount] frames of struct journal_extent */
	struct journal_start start[JOURNAL_STARTS]; /* [writeback_lock] by tid / 2 */
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
	exec_step(x);
	if (!tid || atomic_load_after(gate) != tid)
		journal_join_slow(x);
}

/* Tells a committer that somebody has left. */
void journal_left(struct exec *x);

/* The tx, or that of a dead executor in whose name x acts, has ended and settled. */
static inline void journal_leave(struct exec *x)
{
	if (!x->slot->tid)
		return;
	atomic_store_first(&x->slot->tid, 0);
	exec_step(x);
	if (!atomic_load_after(&x->pool->hdr->gate))
		journal_left(x);
}

/* Makes a buffer part of the transaction that the open tx has joined; if the one before, which is
 * being committed, has it, that one gets a copy. -ERETRY: the transaction is full. */
int warn_unused journal_add(struct exec *x, struct frame *f);
/* The same in the quiet moment of a commit, by the committer; else does nothing. */
void journal_touch(struct exec *x, struct frame *f);
/* The buffer's block is being freed by the tx. True: the buffer stays until that is committed. */
bool journal_forget(struct exec *x, struct frame *f);
/* The open tx frees that many blocks of metadata. -ERETRY: too many for its transaction. */
int warn_unused journal_revoke(struct exec *x, u32 count);
/* The operation must end its tx, and be run again after journal_again(). Always -ERETRY. */
int journal_retry(struct exec *x);
/* Whether a long operation had better end its tx to let others go on. */
bool journal_wants_out(const struct exec *x);
/* Waits, with no tx open, until what *err == -ERETRY wanted has come about: true: run again. */
bool journal_wait_again(struct exec *x, int *err);
static inline bool journal_again(struct exec *x, int *err)
{
	return *err == -MP_ERETRY && journal_wait_again(x, err);
}
/* Marks that the commit of the open tx's transaction waits for the inode's dirty pages. */
#define journal_order(x, inode) atomic_store(&(inode)->order_tid, (x)->slot->tid)
/* Whether pages of an inode with this order_tid are to be written before the next commit. */
static inline bool journal_orders(const struct exec *x, u32 order_tid)
{
	return order_tid && (s32)(order_tid - atomic_load(&journal_of(x)->ordered)) > 0;
}
/* Before dirty pages of such an inode are dropped: waits for a commit that needs them. */
void journal_order_wait(struct exec *x, u32 order_tid);

/* ---- committing; no tx open, or none that has joined */
/* The role of the one who writes buffers: writeback_lock. */
void journal_take(struct exec *x);
/* Before that, does what others wait for. */
void journal_drop(struct exec *x);
/* Holds the role: commits the running transaction. 0: everything until now is durable. */
int warn_unused journal_commit(struct exec *x);
/* With locks held, in a tx of the running transaction: goes on with a commit that nobody is at. */
void journal_help(struct exec *x);
/* Until tid is committed. */
int warn_unused journal_wait(struct exec *x, u32 tid);
/* Whether anything is to be committed, and whether it is old enough. */
bool journal_busy(const struct exec *x);
bool journal_due(const struct exec *x, u32 now_ms);
/* Holds the role: frees so much of the log by writing buffers home. -ENOSPC: cannot be. */
int warn_unused journal_make_room(struct exec *x, u32 blocks);
/* Writes every committed buffer home. After journal_commit(). */
int warn_unused journal_home(struct exec *x);
/* The same, and ends the log. */
int warn_unused journal_stop(struct exec *x);
#ifdef MPDISK_SINGLE_HART
static inline bool journal_halted(const struct exec *x)
{
	(void)x;
	return false;
}

static inline bool journal_still(const struct exec *x)
{
	(void)x;
	return false;
}
#else
/* Takes the role, commits, and closes the gate: nobody changes anything any more when this returns,
 * until journal_drop(), or until x is dead. Also with an error. */
int warn_unused journal_halt(struct exec *x);
static inline bool journal_halted(const struct exec *x)
{
	return atomic_load_acquire(&journal_of(x)->halt) != 0;
}

/* ... and all that was changed before is on the medium. */
static inline bool journal_still(const struct exec *x)
{
	return atomic_load_acquire(&journal_of(x)->halt) == HALT_DONE;
}
#endif

/* ---- what the journal asks of the filesystem */
/* The quiet moment of a commit: brings the superblock's buffer up to date (journal_touch). any:
 * the transaction has other buffers. */
void fs_commit_seal(struct exec *x, bool any);
/* The blocks that tid has freed and that were metadata, one after the other; *at: 0 at first. */
bool fs_revoke_next(struct exec *x, u32 tid, u64 *at, blkno_t *block);
/* tid is committed. */
void fs_commit_end(struct exec *x, u32 tid);
/* The journal is aborted: nothing will be written any more. */
void fs_commit_abort(struct exec *x, int err);

/* ---- mount; nobody else uses the pool */
/* The map of the journal's file, piece by piece in ascending order. -EOPNOTSUPP: too many. */
int warn_unused journal_add_extent(struct exec *x, u32 lblk, u32 len, blkno_t pblk);
/* After that: reads the journal's superblock and checks it. -EUCLEAN, -EOPNOTSUPP, -EIO, logged. */
int warn_unused journal_load(struct exec *x);
/* How large a transaction may get: by the frames that are free now, and the log. */
void journal_limits(struct exec *x);
/* Begins a log at its first block, with these JBD2_INCOMPAT features, on the medium too. */
int warn_unused journal_start(struct exec *x, u32 incompat);
/* Seals journal_super(), writes it, and flushes the medium. */
int warn_unused journal_write_super(struct exec *x);
#endif
