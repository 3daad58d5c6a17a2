/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reading a journal's log before the filesystem is mounted: where its blocks lie, what its
 * superblock says, and walking its transactions. For recover.c, log_read.c and log_inode.c.
 *
 * Source: Documentation/filesystems/ext4/journal.rst. Everything here works in memory of the pool
 * that nobody owns yet (before pool_seal); nothing of the log is believed before it was checked.
 */
#ifndef MPDISK_JOURNAL_LOG_READ_H
#define MPDISK_JOURNAL_LOG_READ_H

#include "pool/exec.h"

#define LOG_READ 32u    /* blocks of the log that are read at a time */
#define LOG_WINDOW 256u /* that are kept, if there is room: most logs are read once */

/* Memory of the pool that is given out from its front, in whole blocks. */
struct scratch {
	ref_t next;
	ref_t end;
};

/* -ENOMEM, logged: the pool is too small. */
int warn_unused scratch_take(struct exec *x, struct scratch *s, u32 blocks, ref_t *out);

/* Reads or writes blocks between the medium and the pool, and waits. */
int warn_unused raw_io(struct exec *x, enum plat_io_op op, blkno_t block, ref_t ref, u32 count);

/* ---- where the blocks of the journal's inode lie (log_inode.c) */
struct log_run {
	blkno_t pblk;
	u32 lblk;
	u32 len;
};

struct log_map {
	ref_t runs; /* struct log_run[n], ascending, without holes */
	u32 n;
	u32 max;
	u32 blocks;
	blkno_t lowest, highest; /* on the medium */
};

static inline const struct log_run *log_run(const struct exec *x, const struct log_map *map, u32 i)
{
	return (const struct log_run *)exec_ptr(x, map->runs) + i;
}

/* Reads the journal's inode and its tree. fs_of(x) says what is known of the filesystem. -EUCLEAN,
 * logged, if it makes no sense. */
int warn_unused log_map_load(struct exec *x, ino_no_t ino, struct scratch *s, struct log_map *map);
/* Where the log's block lies, and how many from it on lie in one piece. */
blkno_t log_map_find(struct exec *x, const struct log_map *map, u32 lblk, u32 *run);
/* Whether the medium's block is one of the log's. */
bool log_map_has(struct exec *x, const struct log_map *map, blkno_t block);

/* ---- the log (log_read.c) */
struct log {
	struct log_map map;
	u32 first, last; /* blocks [first, last) of the journal are the log */
	u32 start;       /* where the oldest transaction begins; 0: the log is empty */
	u32 sequence;    /* its tid */
	u32 error;       /* s_errno: why Linux gave the journal up */
	bool v1_csum, v2_csum, v3_csum, wide, async;
	u32 csum_seed;
	u32 tag_size; /* bytes, without the uuid */
	ref_t jsb;    /* block with the journal's superblock */
	ref_t desc;   /* the descriptor or revoke block under the cursor */
	ref_t window; /* blocks [at, at + n) of the log; room for max */
	u32 window_at;
	u32 window_n;
	u32 window_max;
};

static inline bool log_has_csum(const struct log *log)
{
	return log->v2_csum || log->v3_csum;
}

/* Finds the journal and checks its superblock. -EUCLEAN, -EOPNOTSUPP, -EIO, -ENOMEM: logged. */
int warn_unused log_open(struct exec *x, ino_no_t ino, struct scratch *s, struct log *log);

/* A block of the log, valid until the next call. *left: blocks that follow it in the window. */
int warn_unused log_block(struct exec *x, struct log *log, u32 pos, ref_t *out);

enum log_kind { LOG_END, LOG_DESCRIPTOR, LOG_COMMIT, LOG_REVOKE };

struct log_cursor {
	u32 pos;
	u32 tid;  /* the transaction that is expected here */
	u32 used; /* blocks walked over: never more than there are */
};

static inline void log_begin(const struct log *log, struct log_cursor *c)
{
	c->pos = log->start;
	c->tid = log->sequence;
	c->used = 0;
}

static inline void log_advance(const struct log *log, struct log_cursor *c)
{
	c->pos = c->pos + 1 < log->last ? c->pos + 1 : log->first;
	c->used++;
}

/* What stands under the cursor, copied to log->desc, and whether its checksum is right. LOG_END:
 * nothing of this transaction. */
int warn_unused log_look(struct exec *x, struct log *log, const struct log_cursor *c,
			 enum log_kind *kind, bool *good);

/* ---- a descriptor's tags */
struct log_tag {
	blkno_t block; /* its home */
	u32 flags;     /* JBD2_TAG_* */
	u32 csum;
};

/* The next tag of log->desc from byte *at on (0: the first); false: there is none. */
bool log_tag(struct exec *x, const struct log *log, u32 *at, struct log_tag *tag);
/* Whether a data block of the log is what its tag says. */
bool log_tag_good(struct exec *x, const struct log *log, u32 tid, const struct log_tag *tag,
		  const void *data);

/* ---- a revoke block's records */
/* Bytes of log->desc that hold records, from 16 on; 0: it makes no sense. */
u32 log_revoke_end(struct exec *x, const struct log *log);
static inline u32 log_revoke_size(const struct log *log)
{
	return log->wide ? 8 : 4;
}
blkno_t log_revoke(struct exec *x, const struct log *log, u32 at);

/* ---- a commit record, in log->desc: whether it is right, for a v1 log with the sum of its blocks
 */
bool log_commit_good(struct exec *x, const struct log *log, u32 v1_sum);
/* The CRC32 of v1 logs, which begins as ~0. */
u32 log_v1_sum(u32 crc, const void *data, u32 len);

/* Marks the log as ended, the next transaction to be `sequence`; the medium is flushed. */
int warn_unused log_finish(struct exec *x, struct log *log, u32 sequence);

#endif
