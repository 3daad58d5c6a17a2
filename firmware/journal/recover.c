/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Recovery: what the log's whole transactions hold is written home.
 *
 * Invariants
 *  R1. The log is read to its end and all of it is checked before the first block is written. A
 *      log that is damaged in the middle changes nothing.
 *  R2. A block is not written if the same or a later transaction has revoked it.
 *  R3. The log is marked as ended, with a sequence that nothing in it can have, when everything
 *      has been written and flushed. The next one begins in the same block, and is flushed before
 *      anything else is written (journal_start). So an old transaction never comes back.
 *  R4. Nothing is written outside of the filesystem, or into the log itself.
 *  R5. The superblock is written when all else is durable: the log may hold one that says that
 *      nothing is to be recovered (an unmount was cut off), and until the log's end it is.
 *
 * The end of the log is where the expected transaction does not begin or go on, or where its commit
 * record is damaged and nothing of a next one follows: a power failure leaves that. A damaged
 * commit record in front of the next transaction, or anything damaged in front of a good commit
 * record, is corruption: a commit record is written only after all before it is on the medium.
 *
 * Memory is bounded: when the table of revoked blocks is full, the log is replayed in several
 * passes, each for a part of the blocks.
 *
 * Typical sequence: log_open, scan, replay (collect, write_home) for each part, log_finish.
 */
#include "journal/recover.h"

#include "format/jbd2.h"
#include "fs/super.h"
#include "journal/log_read.h"
#include "platform/errno.h"
#include "platform/guard.h"

#define IN_FLIGHT 8u
#define MIN_TABLE 4u    /* blocks of the pool */
#define MAX_PARTS 1024u /* passes: a log that needs more is not one */

struct revoked {
	blkno_t block;
	u32 tid; /* the latest that revoked it */
	u32 used;
};

struct recovery {
	struct log log;
	u32 end;         /* tid of the first transaction that does not count */
	blkno_t limit;   /* blocks of the filesystem */
	u32 part, parts; /* blocks of which hash are looked at in this pass */
	ref_t table;     /* struct revoked[mask + 1] */
	u32 mask;
	u32 nrevoked; /* in the table */
	u32 records;  /* in the log, of revoked blocks */
	u32 transactions, blocks, revokes, outside;
	bool has_super;    /* the log holds the filesystem's superblock */
	u32 super_pos;     /* its last copy that counts; 0: none */
	bool super_escape; /* ... begins with the log's magic */
	struct plat_io io[IN_FLIGHT];
	u32 nio;
};

/* ---- finding the end */
/* What is wrong with the transaction under the cursor: it counts only if its commit is good. */
struct fault {
	const char *what; /* NULL: nothing */
	u64 block;
	u32 pos;
};

static void fault_set(struct fault *fault, const char *what, u64 block, u32 pos)
{
	if (!fault->what)
		*fault = (struct fault){what, block, pos};
}

static int damaged(struct exec *x, const struct fault *fault, u32 tid)
{
	plat_log(x->plat, PLAT_ERR,
		 "journal: transaction %u is damaged: %s (log block %u, %llu): run e2fsck -f IMAGE",
		 tid, fault->what, fault->pos, (unsigned long long)fault->block);
	return -MP_EUCLEAN;
}

/* What a transaction is known to hold, until its commit record says that it counts. */
struct found {
	blkno_t limit;
	u32 v1_sum;
	bool super;
};

/* A resize in the log may have made the filesystem larger than its superblock says yet. */
static void look_for_resize(struct exec *x, const void *block0, blkno_t *limit)
{
	const struct ext4_super *sb = (const void *)((const u8 *)block0 + EXT4_SUPER_OFFSET);
	blkno_t blocks = sb->s_blocks_count_lo;

	if (sb->s_magic != EXT4_MAGIC)
		return;
	if (sb->s_feature_incompat & EXT4_INCOMPAT_64BIT)
		blocks |= (blkno_t)sb->s_blocks_count_hi << 32;
	if (blocks > *limit && blocks <= plat_blocks(x->plat))
		*limit = blocks;
}

/* Where a tag's block goes; blocks between the filesystem's end and the medium's are left out later
 * (a resize that did not come to its end). */
static void check_home(struct exec *x, struct recovery *r, blkno_t block, u32 pos,
		       struct fault *fault)
{
	if (block >= plat_blocks(x->plat))
		fault_set(fault, "a block outside of the medium", block, pos);
	else if (log_map_has(x, &r->log.map, block))
		fault_set(fault, "a block of the journal itself", block, pos);
}

/* The descriptor in log.desc and the blocks behind it; the cursor goes to what follows them. */
static int scan_descriptor(struct exec *x, struct recovery *r, struct log_cursor *c,
			   struct fault *fault, struct found *found)
{
	struct log *log = &r->log;
	struct log_tag tag;
	u32 at = 0;
	ref_t ref;
	int err;

	if (log->v1_csum)
		found->v1_sum = log_v1_sum(found->v1_sum, exec_ptr(x, log->desc), BLOCK_SIZE);
	log_advance(log, c);
	while (log_tag(x, log, &at, &tag)) {
		if (c->used >= log->last - log->first) {
			fault_set(fault, "it is longer than the log", tag.block, c->pos);
			return 0;
		}
		check_home(x, r, tag.block, c->pos, fault);
		if (log_has_csum(log) || log->v1_csum || !tag.block) {
			err = log_block(x, log, c->pos, &ref);
			if (err)
				return err;
			if (log->v1_csum)
				found->v1_sum =
					log_v1_sum(found->v1_sum, exec_ptr(x, ref), BLOCK_SIZE);
			if (!log_tag_good(x, log, c->tid, &tag, exec_ptr(x, ref)))
				fault_set(fault, "bad checksum of the copy of a block", tag.block,
					  c->pos);
			else if (!tag.block)
				look_for_resize(x, exec_ptr(x, ref), &found->limit);
			found->super |= !tag.block;
		}
		log_advance(log, c);
	}
	return 0;
}

/* Behind a damaged commit record: 1 if the next transaction begins there. */
static int next_follows(struct exec *x, struct recovery *r, const struct log_cursor *c)
{
	struct log_cursor next = *c;
	enum log_kind kind;
	bool good;
	int err;

	log_advance(&r->log, &next);
	next.tid++;
	err = log_look(x, &r->log, &next, &kind, &good);
	return err ? err : kind != LOG_END && good;
}

/* 1: the transaction counts; 0: the log ends in front of it. */
static int scan_commit(struct exec *x, struct recovery *r, const struct log_cursor *c,
		       const struct fault *fault, u32 v1_sum)
{
	struct fault torn = {"bad checksum of its commit record", 0, c->pos};
	int next;

	if (!log_commit_good(x, &r->log, v1_sum)) {
		next = next_follows(x, r, c);
		return next > 0 ? damaged(x, &torn, c->tid) : next;
	}
	if (!fault->what)
		return 1;
	/* with this feature a commit record may be there before what it stands for */
	if (r->log.async) {
		next = next_follows(x, r, c);
		return next > 0 ? damaged(x, fault, c->tid) : next;
	}
	return damaged(x, fault, c->tid);
}

/* Sets end, limit, transactions and records; R1. */
static int scan(struct exec *x, struct recovery *r)
{
	struct fault fault = {NULL, 0, 0};
	struct found found = {r->limit, ~0u, false};
	struct log_cursor c;
	enum log_kind kind;
	bool good;
	int err;

	log_begin(&r->log, &c);
	for (;;) {
		err = log_look(x, &r->log, &c, &kind, &good);
		if (err || kind == LOG_END)
			break;
		if (!good)
			fault_set(&fault, "bad checksum of its lists", 0, c.pos);
		if (kind == LOG_DESCRIPTOR) {
			err = scan_descriptor(x, r, &c, &fault, &found);
			if (err)
				break;
			continue;
		}
		if (kind == LOG_REVOKE && !log_revoke_end(x, &r->log))
			fault_set(&fault, "a list of revoked blocks makes no sense", 0, c.pos);
		if (kind == LOG_REVOKE)
			r->records += log_revoke_end(x, &r->log) / log_revoke_size(&r->log);
		if (kind == LOG_COMMIT) {
			err = scan_commit(x, r, &c, &fault, found.v1_sum);
			if (err <= 0)
				break;
			r->transactions++;
			r->limit = found.limit;
			r->has_super = found.super;
			found.v1_sum = ~0u;
			c.tid++;
		}
		log_advance(&r->log, &c);
	}
	r->end = c.tid;
	return err;
}

/* ---- revoked blocks */
static u32 hash(blkno_t block)
{
	u32 h = (u32)block * 0x9E3779B1u ^ (u32)(block >> 32) * 0x85EBCA6Bu;

	return h ^ h >> 15;
}

static bool in_part(const struct recovery *r, blkno_t block)
{
	return hash(block) % r->parts == r->part;
}

static struct revoked *revoked_place(struct exec *x, const struct recovery *r, blkno_t block)
{
	struct revoked *table = exec_ptr(x, r->table);
	u32 i = hash(block) / r->parts & r->mask;

	while (table[i].used && table[i].block != block)
		i = (i + 1) & r->mask;
	return &table[i];
}

/* Most records that it takes. */
static u32 table_room(const struct recovery *r)
{
	return r->mask / 4 * 3;
}

/* The records of log.desc. 1: the table is full. */
static int collect_block(struct exec *x, struct recovery *r, u32 tid)
{
	u32 end = log_revoke_end(x, &r->log), size = log_revoke_size(&r->log);

	for (u32 at = sizeof(struct jbd2_revoke); at < end; at += size) {
		blkno_t block = log_revoke(x, &r->log, at);
		struct revoked *e;

		if (!in_part(r, block))
			continue;
		e = revoked_place(x, r, block);
		if (!e->used && r->nrevoked > table_room(r))
			return 1;
		r->nrevoked += !e->used;
		*e = (struct revoked){block, tid, 1};
	}
	return 0;
}

/* In front of the end that scan() has found there is something: else the medium has changed. */
static int look_again(struct exec *x, struct recovery *r, const struct log_cursor *c,
		      enum log_kind *kind)
{
	bool good;
	int err = log_look(x, &r->log, c, kind, &good);

	if (!err && *kind == LOG_END) {
		plat_log(x->plat, PLAT_ERR, "journal: log block %u has changed", c->pos);
		err = -MP_EIO;
	}
	return err;
}

static void skip_data(struct exec *x, struct recovery *r, struct log_cursor *c)
{
	struct log_tag tag;
	u32 at = 0;

	while (log_tag(x, &r->log, &at, &tag))
		log_advance(&r->log, c);
}

/* Fills the table with what this part's blocks have been revoked by. 1: it is full. */
static int collect(struct exec *x, struct recovery *r)
{
	struct log_cursor c;
	enum log_kind kind;
	int err = 0;

	plat_zero(x->plat, exec_ptr(x, r->table), (r->mask + 1) * (u32)sizeof(struct revoked));
	r->nrevoked = 0;
	if (!r->records)
		return 0;
	log_begin(&r->log, &c);
	while (!err && c.tid != r->end) {
		err = look_again(x, r, &c, &kind);
		if (!err && kind == LOG_REVOKE)
			err = collect_block(x, r, c.tid);
		if (err)
			break;
		if (kind == LOG_COMMIT)
			c.tid++;
		log_advance(&r->log, &c);
		if (kind == LOG_DESCRIPTOR)
			skip_data(x, r, &c);
	}
	return err;
}

/* ---- writing home */
static int writes_wait(struct exec *x, struct recovery *r)
{
	int err = 0;

	for (u32 i = 0; i < r->nio; i++) {
		int one = plat_io_wait(x->plat, &r->io[i]);

		if (one)
			plat_log(x->plat, PLAT_ERR,
				 "journal: block %llu cannot be written: error %d",
				 (unsigned long long)r->io[i].block, -one);
		err = err ? err : one;
	}
	r->nio = 0;
	return err;
}

/* Submits the last request, which is complete now. */
static void writes_push(struct exec *x, struct recovery *r)
{
	if (r->nio)
		plat_io_submit(x->plat, &r->io[r->nio - 1]);
}

/* One block; those that lie in one piece here and there go as one request. */
static int write_block(struct exec *x, struct recovery *r, blkno_t block, ref_t ref)
{
	struct plat_io *last = r->nio ? &r->io[r->nio - 1] : NULL;
	int err = 0;

	r->blocks++;
	if (last && last->block + last->count == block &&
	    last->ref + last->count * BLOCK_SIZE == ref) {
		last->count++;
		return 0;
	}
	writes_push(x, r);
	if (r->nio == IN_FLIGHT)
		err = writes_wait(x, r);
	r->io[r->nio++] =
		(struct plat_io){.op = PLAT_WRITE, .count = 1, .block = block, .ref = ref};
	return err;
}

static bool wanted(struct exec *x, struct recovery *r, const struct log_tag *tag, u32 tid)
{
	const struct revoked *e;

	if (!in_part(r, tag->block))
		return false;
	if (tag->block >= r->limit) {
		r->outside++;
		return false;
	}
	e = revoked_place(x, r, tag->block);
	if (e->used && (s32)(e->tid - tid) >= 0) {
		r->revokes++;
		return false;
	}
	return true;
}

/* R5. */
static bool super_later(struct recovery *r, const struct log_tag *tag, u32 pos)
{
	if (tag->block)
		return false;
	r->super_pos = pos;
	r->super_escape = tag->flags & JBD2_TAG_ESCAPE;
	return true;
}

static int write_descriptor(struct exec *x, struct recovery *r, struct log_cursor *c)
{
	struct log *log = &r->log;
	struct log_tag tag;
	int err = 0;
	u32 at = 0;
	ref_t ref;

	while (!err && log_tag(x, log, &at, &tag)) {
		if (wanted(x, r, &tag, c->tid) && !super_later(r, &tag, c->pos)) {
			/* what is in the window goes out before the window goes on */
			if (c->pos - log->window_at >= log->window_n) {
				writes_push(x, r);
				err = writes_wait(x, r);
			}
			if (!err)
				err = log_block(x, log, c->pos, &ref);
			if (err)
				break;
			if (tag.flags & JBD2_TAG_ESCAPE)
				*(be32_t *)exec_ptr(x, ref) = be32_put(JBD2_MAGIC);
			err = write_block(x, r, tag.block, ref);
		}
		log_advance(log, c);
	}
	return err;
}

static int write_home(struct exec *x, struct recovery *r)
{
	struct log_cursor c;
	enum log_kind kind;
	int err = 0, last;

	log_begin(&r->log, &c);
	while (!err && c.tid != r->end) {
		writes_push(x, r);
		err = writes_wait(x, r);
		if (!err)
			err = look_again(x, r, &c, &kind);
		if (err)
			break;
		log_advance(&r->log, &c);
		if (kind == LOG_COMMIT)
			c.tid++;
		if (kind == LOG_DESCRIPTOR)
			err = write_descriptor(x, r, &c);
	}
	writes_push(x, r);
	last = writes_wait(x, r);
	r->log.window_n = 0; /* it may hold blocks that were escaped in it */
	return err ? err : last;
}

/* As large as the log needs it, or nearly all of the pool that is left. */
static int make_table(struct exec *x, struct recovery *r, struct scratch *s)
{
	u32 blocks = MIN_TABLE / 2, have = (s->end - s->next) / BLOCK_SIZE;

	do {
		blocks *= 2;
		r->mask = blocks * (BLOCK_SIZE / (u32)sizeof(struct revoked)) - 1;
	} while (table_room(r) < r->records && blocks * 2 <= have);
	return scratch_take(x, s, blocks, &r->table);
}

static int replay(struct exec *x, struct recovery *r)
{
	int err = 0;

	for (r->parts = 1, r->part = 0; r->part < r->parts;) {
		err = collect(x, r);
		if (err == 1 && r->parts < MAX_PARTS) {
			r->parts *= 4;
			r->part = 0;
			continue;
		}
		if (err == 1) {
			plat_log(x->plat, PLAT_ERR,
				 "journal: it revokes too many blocks for a pool of %u KiB",
				 x->pool->size >> 10);
			return -MP_ENOMEM;
		}
		if (!err)
			err = write_home(x, r);
		if (err)
			return err;
		r->part++;
	}
	return 0;
}

static int flush(struct exec *x)
{
	struct plat_io io = {.op = PLAT_FLUSH};

	plat_io_submit(x->plat, &io);
	return plat_io_wait(x->plat, &io);
}

/* R5: all else is durable. */
static int write_super(struct exec *x, struct recovery *r)
{
	const ref_t ref = r->log.desc; /* no longer needed */
	u32 run;
	int err = raw_io(x, PLAT_READ, log_map_find(x, &r->log.map, r->super_pos, &run), ref, 1);

	if (!err && r->super_escape)
		*(be32_t *)exec_ptr(x, ref) = be32_put(JBD2_MAGIC);
	if (!err)
		err = raw_io(x, PLAT_WRITE, 0, ref, 1);
	r->blocks++;
	return err ? err : flush(x);
}

/* R3: no transaction of the log can be as late as this one, whole or not: each takes a block. */
static u32 next_sequence(const struct recovery *r)
{
	return r->end + (r->log.last - r->log.first) + 1;
}

static int recover(struct exec *x, struct recovery *r, struct scratch *s, enum recovery_kind how)
{
	int err;

	if (how != RECOVER_DROP) {
		err = scan(x, r);
		if (!err && how == RECOVER_SUPER && !r->has_super)
			err = -MP_EUCLEAN;
		if (!err)
			err = make_table(x, r, s);
		if (!err)
			err = replay(x, r);
		if (!err)
			err = flush(x);
		if (!err && r->super_pos)
			err = write_super(x, r);
		if (err)
			return err;
	} else {
		r->end = r->log.sequence;
		plat_log(x->plat, PLAT_INFO,
			 "journal: the superblock says that its log is of no use: it is dropped");
	}
	err = log_finish(x, &r->log, next_sequence(r));
	if (err)
		return err;
	plat_log(x->plat, PLAT_INFO,
		 "journal: %u transactions recovered: %u blocks written, %u revoked, up to %u",
		 r->transactions, r->blocks, r->revokes, r->end - 1);
	if (r->outside)
		plat_log(x->plat, PLAT_WARN,
			 "journal: %u blocks behind the end of the filesystem were left out",
			 r->outside);
	return 1;
}

static int recover_in(struct exec *x, ino_no_t ino, enum recovery_kind how, struct scratch *s,
		      u32 *error)
{
	struct recovery r = {.limit = fs_of(x)->blocks_count};
	int err = log_open(x, ino, s, &r.log);

	if (err)
		return err;
	*error = r.log.error;
	if (!r.log.start)
		return how == RECOVER_SUPER ? -MP_EUCLEAN : 0;
	if (plat_read_only(x->plat) && how == RECOVER_DROP)
		return 0;
	if (plat_read_only(x->plat)) {
		plat_log(x->plat, PLAT_ERR,
			 "mount: the journal needs recovery and the medium is read-only");
		return -MP_EROFS;
	}
	return recover(x, &r, s, how);
}

int journal_recover(struct exec *x, ino_no_t ino, enum recovery_kind how, ref_t end, u32 *error)
{
	ref_t start = (x->pool->hdr->carve + BLOCK_SIZE - 1) & ~(BLOCK_SIZE - 1);
	struct scratch s = {start, end};
	int err = recover_in(x, ino, how, &s, error);

	plat_guard_open(exec_ptr(x, start), end - start);
	return err;
}
