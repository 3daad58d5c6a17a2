/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Deaths in what takes several transactions, in writing back, and in the work of who commits, also
 * when that is the second one who dies at it. All steps (cut.h).
 */
#include "fs/inode.h"
#include "fs/super.h"
#include "journal/commit.h"
#include "pool/tx.h"
#include "pool/writer.h"
#include "tests/fs/cut.h"
#include "tests/fs/pool_check.h"

#define HOLES 40u /* more than a tx frees */

/* ---- operations of more than one tx */
static void many_extents(struct exec *x, struct cut_stage *s)
{
	s->full = mk(x, s->sub, "many");
	for (u32 i = 0; i < HOLES; i++)
		CHECK_EQ(util_write(x, s->full, i * 8192, cut_data + i, 4096), 4096);
}

static int op_truncate_many(struct exec *x, struct cut_stage *s)
{
	return util_truncate(x, s->full, 10);
}

static int op_punch_many(struct exec *x, struct cut_stage *s)
{
	return fs_fallocate(x, s->full, FS_FALLOC_PUNCH_HOLE | FS_FALLOC_KEEP_SIZE, 4096,
			    HOLES * 8192 - 8192);
}

static int op_zero_many(struct exec *x, struct cut_stage *s)
{
	return fs_fallocate(x, s->full, FS_FALLOC_ZERO_RANGE | FS_FALLOC_KEEP_SIZE, 5000,
			    40 * 8192);
}

static int op_unlink_many(struct exec *x, struct cut_stage *s)
{
	return fs_unlink(x, s->sub, nm("many"));
}

/* Transactions are so small that each step of the operation closes one. */
static u32 soft;

static void small_transactions(struct exec *x, struct cut_stage *s)
{
	many_extents(x, s);
	soft = journal_of(x)->soft;
	journal_of(x)->soft = 3;
}

static void usual_transactions(struct exec *x)
{
	if (soft)
		journal_of(x)->soft = soft;
}

CUT(truncation_of_many_extents, many_extents, op_truncate_many, CUT_CHANGES, .stride = 11)
CUT(truncation_over_many_transactions, small_transactions, op_truncate_many, CUT_CHANGES,
    .stride = 17, .ends = usual_transactions)
CUT(punching_many_extents, many_extents, op_punch_many, CUT_MIXES, .stride = 11)
CUT(punching_over_many_transactions, small_transactions, op_punch_many, CUT_MIXES, .stride = 17,
    .ends = usual_transactions)
CUT(zeroing_many_extents, many_extents, op_zero_many, CUT_MIXES, .stride = 29)
CUT(unlink_of_many_extents, many_extents, op_unlink_many, CUT_CHANGES, .stride = 11)

/* ---- writing back */
static int op_writeback(struct exec *x, struct cut_stage *s)
{
	(void)s;
	x->pool->hdr->age_ms -= 10000; /* what is dirty is old, or becomes so */
	journal_of(x)->opened_ms -= 10000;
	return min_of(cache_writeback(x, 64), 0);
}

static void old_pages(struct exec *x, struct cut_stage *s)
{
	(void)s;
	x->pool->hdr->age_ms -= 10000;
	CHECK(cache_writeback(x, 0) >= 0);
}

/* In the log, and not at home. */
static void committed(struct exec *x, struct cut_stage *s)
{
	(void)s;
	CHECK_OK(fs_sync(x));
	x->pool->hdr->age_ms -= 10000;
	CHECK(cache_writeback(x, 0) >= 0);
}

static int op_for_space(struct exec *x, struct cut_stage *s)
{
	(void)s;
	return min_of(writeback_for_space(x, 1), 0);
}

static int op_flush(struct exec *x, struct cut_stage *s)
{
	struct inode *inode;
	int err = inode_get_node(x, s->file, &inode);

	if (!err) {
		err = page_flush(x, inode, 0, ~0u);
		inode_put(x, inode);
	}
	return err;
}

CUT(writeback, old_pages, op_writeback, CUT_SAME)
CUT(writeback_home, committed, op_writeback, CUT_SAME)
CUT(writing_pages_for_their_place, NULL, op_for_space, CUT_SAME)
CUT(writing_buffers_for_their_place, committed, op_for_space, CUT_SAME)
CUT(flushing_a_file, NULL, op_flush, CUT_SAME)

/* ---- making room in the log */
static int op_checkpoint(struct exec *x, struct cut_stage *s)
{
	int err;

	(void)s;
	journal_take(x);
	err = journal_commit(x);
	/* more than there is, as long as anything is not at home */
	if (!err && log_room(x) + 1 < journal_of(x)->blocks - journal_of(x)->first)
		err = journal_make_room(x, log_room(x) + 1);
	journal_drop(x);
	return err;
}

/* The log is empty and its end near: what is committed next lies on both sides of it. */
static void end_of_the_log(struct exec *x, struct cut_stage *s)
{
	struct journal *j = journal_of(x);

	CHECK_OK(op_checkpoint(x, s));
	CHECK_EQ(j->head, j->tail);
	j->head = j->blocks - 3;
	j->tail = j->head;
	(void)mk(x, s->dir, "to be committed");
}

static int op_commit(struct exec *x, struct cut_stage *s)
{
	(void)s;
	return fs_sync(x);
}

static int op_freeze(struct exec *x, struct cut_stage *s)
{
	int err;

	(void)mk(x, s->dir, "to be on the medium");
	err = fs_freeze(x);
	if (err)
		return err;
	CHECK(fs_frozen(x->pool) && !x->pool->hdr->gate);
	CHECK_OK(fs_sync(x));
	fs_thaw(x);
	CHECK(!fs_frozen(x->pool) && x->pool->hdr->gate);
	return 0;
}

CUT(checkpoint, NULL, op_checkpoint, CUT_SAME)
CUT(freeze, NULL, op_freeze, CUT_MIXES)
CUT(commit_over_the_end_of_the_log, end_of_the_log, op_commit, CUT_SAME)

/* ---- the second one who dies at the same commit */
/* Somebody has died in that state of a commit, each time at another step of it. */
static void died_in(struct exec *x, struct cut_stage *s, enum journal_state state, bool open)
{
	static u32 first, next = 1;
	const struct journal *j = journal_of(x);
	struct fs_setattr set = {.valid = FS_SET_MODE, .mode = 0644};

	for (;;) {
		bool cut;

		CHECK_OK(
			fs_setattr(x, s->file, &set, &cut_attr)); /* there is something to commit */
		cut = cut_at(x, op_commit, next++);
		if (cut && j->state == (u32)state && (!open || x->pool->hdr->gate)) {
			first = first ? first : next - 1;
			return;
		}
		if (!cut || (first && j->state != (u32)state))
			next = first ? first : 1;
		CHECK_OK(fs_sync(x));
	}
}

static void died_locked(struct exec *x, struct cut_stage *s)
{
	died_in(x, s, JOURNAL_LOCKED, false);
}
static void died_writing(struct exec *x, struct cut_stage *s)
{
	died_in(x, s, JOURNAL_COMMITTING, false);
}
static void died_writing_open(struct exec *x, struct cut_stage *s)
{
	died_in(x, s, JOURNAL_COMMITTING, true);
}
static void died_finishing(struct exec *x, struct cut_stage *s)
{
	died_in(x, s, JOURNAL_FINISHING, true);
}

/* As one does who has locks and waits for that commit. */
static int op_help(struct exec *x, struct cut_stage *s)
{
	(void)s;
	tx_begin_change(x);
	journal_help(x);
	CHECK_EQ(journal_of(x)->state, JOURNAL_RUNNING);
	return tx_end(x, 0);
}

static int op_create(struct exec *x, struct cut_stage *s)
{
	return fs_mknod(x, s->dir, nm("new"), REG | 0600, 0, false, &cut_attr);
}

/* Who waits with locks held helps after a second only. */
static void commit_all(struct exec *x)
{
	CHECK_OK(fs_sync(x));
}

CUT(redo_of_a_commit_that_waits_for_its_members, died_locked, op_commit, CUT_SAME)
CUT(redo_of_a_commit_that_writes, died_writing, op_commit, CUT_SAME)
CUT(redo_of_a_commit_that_ends, died_finishing, op_commit, CUT_SAME)
CUT(create_at_the_gate_that_a_dead_one_has_closed, died_locked, op_create, CUT_CHANGES)
CUT(create_while_nobody_goes_on_with_a_commit, died_writing_open, op_create, CUT_CHANGES,
    .ends = commit_all)
CUT(help_with_a_commit_that_writes, died_writing_open, op_help, CUT_SAME)
CUT(help_with_a_commit_that_ends, died_finishing, op_help, CUT_SAME)

/* ---- the first changes after everything has come home */
static void all_clean(struct exec *x, struct cut_stage *s)
{
	CHECK_OK(op_checkpoint(x, s));
	CHECK_OK(fs_sync(x)); /* takes what is clean out of the map of dirty frames */
	CHECK_EQ(dirty_next(x, 0), x->pool->hdr->nframes);
}

CUT(create_when_nothing_is_dirty, all_clean, op_create, CUT_CHANGES)
