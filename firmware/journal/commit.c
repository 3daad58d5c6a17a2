/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Committing a transaction.
 *
 *	RUNNING --commit_lock--> LOCKED --commit_switch--> COMMITTING --commit_write-->
 *	FINISHING --commit_finish--> RUNNING
 *
 * Invariants
 *  C1. Only the holder of writeback_lock does any of it. If it dies, the next holder does the step
 *      again that `state` names: each may be done twice.
 *  C2. In the quiet moment (LOCKED, and nobody is in the transaction) no buffer is edited, and all
 *      of the transaction's are sealed where they are.
 *  C3. From LOCKED to FINISHING the buffers of the transaction stay the same, in the order of
 *      their frames, with the same bytes: a log that is written again is the same log.
 *  C4. The gate is open only if the log has room for all that the running transaction can have.
 *  C5. Who halts the journal keeps writeback_lock. So anybody else who gets it and finds the
 *journal halted lets it go on: that one has died.
 */
#include "fs/csum.h"
#include "journal/commit.h"
#include "platform/errno.h"
#include "platform/guard.h"
#include "pool/tx.h"
#include "pool/writer.h"

#define MEMBER_WAIT_MS 100u
#define COMMIT_MS 5000u /* after its first change a transaction is committed */

static void gate_set(struct exec *x, u32 tid)
{
	if (journal_halted(x))
		tid = 0;
	atomic_store_first(&x->pool->hdr->gate, tid);
	exec_step(x);
	if (tid)
		plat_wake(x->plat, &x->pool->hdr->gate);
}

/* ---- the role */
void journal_take(struct exec *x)
{
	lock_mini(x, &x->pool->hdr->writeback_lock, RANK_WRITEBACK);
}

void journal_drop(struct exec *x)
{
	if (journal_halted(x))
		atomic_store(&journal_of(x)->halt, 0);
	exec_step(x);
	/* an error is told to who asks for a commit; nobody waits until the medium is mended */
	if (!atomic_load(&x->pool->hdr->gate) && journal_commit(x))
		gate_set(x, journal_of(x)->running);
	lock_drop(x, &x->pool->hdr->writeback_lock);
}

/* The medium fails or our own state does: nothing is written any more. */
static int journal_abort(struct exec *x, int err)
{
	struct journal *j = journal_of(x);

	plat_log(x->plat, PLAT_ERR, "journal: aborted: error %d", -err);
	atomic_store(&j->error, (u32)-err);
	/* what is replayed after a crash may bring an older superblock: the log tells it too */
	if (j->blocks) {
		journal_super(x)->s_errno = be32_put((u32)err);
		if (journal_write_super(x))
			plat_log(x->plat, PLAT_ERR, "journal: its superblock cannot be written");
	}
	fs_commit_abort(x, err);
	gate_set(x, j->running);
	plat_wake(x->plat, &j->committed);
	plat_wake(x->plat, &j->ordered);
	return err;
}

/* ---- the buffers of a transaction */
/* What of the frame belongs to the log of `tid`: the frame itself, its copy, or NULL. While it is
 * sealed, or for a first look. */
static struct frame *part_of(const struct exec *x, struct frame *f, u32 tid)
{
	/* who sees a later tid sees the copy: journal.c, upgrade() */
	u32 run = atomic_load_acquire(&f->run_tid);
	fno_t frozen = atomic_load_acquire(&f->frozen);

	if (frozen)
		return frame_of(x, frozen);
	return run == tid && !(atomic_load(&f->flags) & FRAME_FORGOTTEN) ? f : NULL;
}

static bool is_buffer(const struct frame *f)
{
	return atomic_load(&f->kind) == FRAME_BUF;
}

struct frame *commit_next(struct exec *x, u32 tid, fno_t *from)
{
	for (;;) {
		fno_t fno = dirty_next(x, *from);
		struct frame *f;

		*from = fno + 1;
		if (fno >= x->pool->hdr->nframes)
			return NULL;
		f = frame_of(x, fno);
		if (is_buffer(f) && part_of(x, f, tid))
			return f;
	}
}

void commit_copy(struct exec *x, struct frame *f, u32 tid, ref_t to)
{
	struct frame *part;

	for (;;) {
		part = part_of(x, f, tid);
		if (part != f) /* nobody changes a copy */
			break;
		if (buf_seal_begin(x, f)) {
			part = part_of(x, f, tid);
			plat_copy(x->plat, exec_ptr(x, to), frame_data(x, part), BLOCK_SIZE);
			buf_seal_end(x, f);
			return;
		}
		buf_seal_wait(x, f);
	}
	plat_copy(x->plat, exec_ptr(x, to), frame_data(x, part), BLOCK_SIZE);
}

/* ---- ordered data */
static void write_ordered(struct exec *x)
{
	struct choice c = {.kind = CHOOSE_ORDERED, .in_work = true, .holder = true};
	struct writer w;

	/* an error stays with the page's inode, for its fsync, as with any write in the background
	 */
	writer_init(&w);
	writer_all(x, &w, &c, ~0u);
}

/* ---- RUNNING to LOCKED */
static bool anybody_in(const struct exec *x, u32 tid)
{
	const struct exec_slot *slots = exec_ptr(x, x->pool->hdr->slots);

	for (u32 i = 0; i < POOL_EXECUTORS; i++)
		if (atomic_load_after(&slots[i].tid) == tid)
			return true;
	return false;
}

static void commit_lock(struct exec *x, struct journal *j)
{
	gate_set(x, 0);
	exec_step(x);
	atomic_store(&j->state, JOURNAL_LOCKED);
	exec_step(x);
}

static void wait_for_members(struct exec *x, struct journal *j)
{
	for (;;) {
		u32 left = atomic_load_acquire(&j->left);

		exec_step(x);
		if (!anybody_in(x, j->running))
			return;
		exec_wait(x, &j->left, left, MEMBER_WAIT_MS);
	}
}

/* ---- LOCKED to COMMITTING: the quiet moment */
void journal_touch(struct exec *x, struct frame *f)
{
	const struct journal *j = journal_of(x);

	if (x->slot->tid || atomic_load(&j->state) != JOURNAL_LOCKED || f->run_tid == j->running)
		return;
	atomic_store(&f->run_tid, j->running);
	frame_mark_dirty(x, f);
}

enum seal_order { SEAL_BITMAPS, SEAL_OTHERS, SEAL_DESCRIPTORS, SEAL_ORDERS };

static enum seal_order seal_order(const struct frame *f)
{
	switch (frame_csum_kind(f)) {
	case CSUM_BLOCK_BITMAP:
	case CSUM_INODE_BITMAP:
		return SEAL_BITMAPS; /* their sums go into descriptors */
	case CSUM_GDT:
		return SEAL_DESCRIPTORS;
	default:
		return SEAL_OTHERS;
	}
}

static int seal_one(struct exec *x, struct frame *f)
{
	int err;

	while (!buf_seal_begin(x, f))
		buf_seal_wait(x, f);
	/* the lock of a bitmap's group: its holder goes on without us */
	while ((err = csum_seal(x, f)) == -MP_EAGAIN)
		;
	buf_seal_end(x, f);
	return err;
}

static int seal_all(struct exec *x, struct journal *j)
{
	struct frame *f;

	for (u32 order = 0; order < SEAL_ORDERS; order++) {
		fno_t from = 0;

		while ((f = commit_next(x, j->running, &from))) {
			int err = seal_order(f) == order ? seal_one(x, f) : 0;

			if (err)
				return err;
		}
	}
	return 0;
}

static u32 count_buffers(struct exec *x, u32 tid)
{
	fno_t from = 0;
	u32 n = 0;

	while (commit_next(x, tid, &from))
		n++;
	return n;
}

/*
 * Whether any buffer belongs to the transaction, though count_buffers() found none to be logged:
 * all of its buffers are forgotten then, since it freed their blocks (FRAME_FORGOTTEN). It is
 * committed all the same: its end drops them, and lets the blocks be used again (fs_commit_end).
 */
static bool has_forgotten(struct exec *x, u32 tid)
{
	for (fno_t fno = dirty_next(x, 0); fno < x->pool->hdr->nframes;
	     fno = dirty_next(x, fno + 1)) {
		const struct frame *f = frame_of(x, fno);

		if (is_buffer(f) && atomic_load(&f->run_tid) == tid)
			return true;
	}
	return false;
}

static u32 count_revokes(struct exec *x, u32 tid)
{
	blkno_t block;
	u64 at = 0;
	u32 n = 0;

	while (fs_revoke_next(x, tid, &at, &block))
		n++;
	return n;
}

static int commit_seal(struct exec *x, struct journal *j)
{
	struct plat_time now;
	int err;

	wait_for_members(x, j);
	fs_commit_seal(x, count_buffers(x, j->running) != 0);
	err = seal_all(x, j);
	if (err)
		return journal_abort(x, err);
	atomic_store(&j->commit_buffers, count_buffers(x, j->running));
	exec_step(x);
	j->commit_revokes = count_revokes(x, j->running);
	if (!j->commit_buffers && !has_forgotten(x, j->running)) {
		atomic_store(&j->nbuffers, 0);
		atomic_store(&j->nrevokes, 0);
		atomic_store(&j->state, JOURNAL_RUNNING);
		exec_step(x);
		gate_set(x, j->running);
		return 0;
	}
	plat_now(x->plat, &now);
	j->commit_sec_lo = (u32)now.sec;
	j->commit_sec_hi = (u32)((u64)now.sec >> 32);
	j->commit_nsec = now.nsec;
	exec_step(x);
	atomic_store(&j->committing, j->running);
	exec_step(x);
	atomic_store_release(&j->state, JOURNAL_COMMITTING);
	exec_step(x);
	return 0;
}

/* ---- COMMITTING to FINISHING */
/* Nobody can join the next transaction before the end of this. */
static void open_next(struct exec *x, struct journal *j)
{
	if (j->running != j->committing)
		return;
	atomic_store(&j->nbuffers, 0);
	atomic_store(&j->nrevokes, 0);
	exec_step(x);
	atomic_store_release(&j->running, j->committing + 2);
	exec_step(x);
	if (log_room(x) >= log_need(j, j->commit_buffers, j->commit_revokes) + log_most(j))
		gate_set(x, j->running);
}

/* The n frames at list, which are sorted, home. */
static int write_home_some(struct exec *x, const struct journal *j, const fno_t *list, u32 n)
{
	struct plat_io io = {.op = PLAT_WRITE};
	int err = 0;

	for (u32 i = 0; i < n; i++)
		commit_copy(x, frame_of(x, list[i]), j->committing,
			    x->pool->hdr->bounce + i * BLOCK_SIZE);
	for (u32 i = 0; i < n && !err; i += io.count) {
		io.block = frame_of(x, list[i])->block;
		io.ref = x->pool->hdr->bounce + i * BLOCK_SIZE;
		io.count = 1;
		while (i + io.count < n &&
		       frame_of(x, list[i + io.count])->block == io.block + io.count)
			io.count++;
		plat_io_submit(x->plat, &io);
		err = plat_io_wait(x->plat, &io);
		exec_step(x);
		atomic_add(&x->pool->hdr->nwritten, 1);
		exec_step(x);
	}
	return err;
}

/* Without a log: home at once. An error leaves the transaction as it is, for another attempt. */
static int write_home(struct exec *x, struct journal *j)
{
	fno_t from = 0, list[WRITER_CHOICE];
	u32 n;
	int err = 0;

	do {
		struct frame *f;

		n = 0;
		while (n < WRITER_CHOICE && (f = commit_next(x, j->committing, &from)))
			list[n++] = frame_no(x, f);
		sort_frames(x, list, n);
		for (u32 i = 0; i < n && !err; i += POOL_BOUNCE)
			err = write_home_some(x, j, list + i, min_of(POOL_BOUNCE, n - i));
	} while (!err && n == WRITER_CHOICE);
	return err ? err : flush_medium(x);
}

static int commit_write(struct exec *x, struct journal *j)
{
	int err;

	open_next(x, j);
	exec_step(x);
	write_ordered(x);
	exec_step(x);
	atomic_store_release(&j->ordered, j->committing);
	plat_wake(x->plat, &j->ordered);
	exec_step(x);
	err = j->blocks ? log_write(x) : write_home(x, j);
	if (err)
		return j->blocks ? journal_abort(x, err) : err;
	exec_step(x);
	atomic_store_release(&j->state, JOURNAL_FINISHING);
	exec_step(x);
	return 0;
}

/* ---- FINISHING to RUNNING */
/* A buffer whose block is free now. */
static void drop_forgotten(struct exec *x, struct frame *f)
{
	if (!frame_try_pin(x, f))
		return;
	atomic_store(&f->log_tid, 0);
	exec_step(x);
	while (!frame_claim_dirty(x, f, 0)) {
		if (!(atomic_load(&f->flags) & (FRAME_DIRTY | FRAME_WRITING)))
			break;
		frame_wait(x, f, FRAME_WRITING);
	}
	frame_detach(x, f);
	frame_unpin(x, f);
}

/* Nobody edits the buffer; false: somebody does, or is about to. */
static bool finish_sealed(struct exec *x, struct frame *f, u32 tid, u32 log_tid)
{
	if (!buf_seal_begin(x, f))
		return false;
	if (atomic_load(&f->run_tid) == tid) {
		atomic_store(&f->log_tid, log_tid);
		exec_step(x);
		if (!log_tid)
			(void)frame_claim_dirty(x, f, 0);
		exec_step(x);
		atomic_store_release(&f->run_tid, 0);
	}
	buf_seal_end(x, f);
	plat_guard_frame(f);
	return true;
}

static void finish_buffer(struct exec *x, struct journal *j, struct frame *f)
{
	u32 tid = j->committing, log_tid = j->blocks ? tid : 0;

	for (;;) {
		/* who sees a later tid sees the copy */
		u32 run = atomic_load_acquire(&f->run_tid);

		if (atomic_load_acquire(&f->frozen)) {
			atomic_store(&f->log_tid, log_tid);
			exec_step(x);
			frame_displace(x, &f->frozen);
			return;
		}
		if (run != tid) /* not in it, or taken on by the next one: UPGRADE_LOG */
			return;
		if (atomic_load(&f->flags) & FRAME_FORGOTTEN) {
			drop_forgotten(x, f);
			return;
		}
		if (finish_sealed(x, f, tid, log_tid))
			return;
		buf_seal_wait(x, f);
	}
}

static void commit_finish(struct exec *x, struct journal *j)
{
	u32 tid = j->committing, i = tid / 2 % JOURNAL_STARTS;

	atomic_store_release(&j->committed, tid);
	plat_wake(x->plat, &j->committed);
	exec_step(x);
	for (fno_t fno = dirty_next(x, 0); fno < x->pool->hdr->nframes;
	     fno = dirty_next(x, fno + 1)) {
		struct frame *f = frame_of(x, fno);

		if (is_buffer(f))
			finish_buffer(x, j, f);
	}
	fs_commit_end(x, tid);
	if (j->blocks && (j->commit_buffers || j->commit_revokes)) {
		j->head = j->commit_end;
		exec_step(x);
		j->sequence = j->start[i].sequence + 1;
	}
	exec_step(x);
	atomic_store_release(&j->state, JOURNAL_RUNNING);
	exec_step(x);
}

/* After a commit: the gate is open, and the log not so full that it soon will not be. */
static int commit_rest(struct exec *x, struct journal *j)
{
	u32 need = log_most(j);
	int err = 0;

	if (j->blocks && log_room(x) < max_of(2 * need, (j->blocks - j->first) / 2))
		err = journal_make_room(x, need);
	if (!err && !atomic_load(&x->pool->hdr->gate))
		gate_set(x, j->running);
	return err;
}

/* ---- the whole */
/* From whatever state it is in, perhaps left by one who has died, to RUNNING. */
static int commit_run(struct exec *x, struct journal *j)
{
	for (;;) {
		int err = -(int)atomic_load(&j->error);

		if (err)
			return err;
		switch (atomic_load_acquire(&j->state)) {
		case JOURNAL_RUNNING:
			return commit_rest(x, j);
		case JOURNAL_LOCKED:
			err = commit_seal(x, j);
			break;
		case JOURNAL_COMMITTING:
			err = commit_write(x, j);
			break;
		case JOURNAL_FINISHING:
			commit_finish(x, j);
			break;
		}
		if (err)
			return err;
	}
}

#ifndef MPDISK_SINGLE_HART
int journal_halt(struct exec *x)
{
	struct journal *j = journal_of(x);
	int err;

	journal_take(x);
	err = journal_commit(x); /* so that the others wait for little */
	atomic_store(&j->halt, HALT_CLOSING);
	exec_step(x);
	gate_set(x, 0);
	wait_for_members(x, j);
	return err;
}
#endif

void journal_help(struct exec *x)
{
	struct journal *j = journal_of(x);
	u32 *role = &x->pool->hdr->writeback_lock, state;

	if (!lock_mini_try(x, role, RANK_WRITEBACK))
		return;
	state = atomic_load(&j->state);
	if (state == JOURNAL_COMMITTING || state == JOURNAL_FINISHING)
		(void)commit_run(x, j); /* an error is told to who waits for the commit */
	lock_drop(x, role);
}

int journal_commit(struct exec *x)
{
	struct journal *j = journal_of(x);
	int err = 0;

	if (atomic_load(&j->state) != JOURNAL_RUNNING)
		err = commit_run(x, j);
	if (!err && !atomic_load(&j->error)) {
		write_ordered(x); /* most of it, before others have to wait */
		commit_lock(x, j);
	}
	if (!err)
		err = commit_run(x, j);
	return err ? err : flush_medium(x);
}

int journal_wait(struct exec *x, u32 tid)
{
	struct journal *j = journal_of(x);
	int err = 0;

	if (!tid_reached(atomic_load_acquire(&j->committed), tid)) {
		journal_take(x);
		if (!tid_reached(j->committed, tid))
			err = journal_commit(x);
		journal_drop(x);
	}
	return err ? err : flush_medium(x);
}

bool journal_busy(const struct exec *x)
{
	const struct journal *j = journal_of(x);

	if (atomic_load(&j->error))
		return false;
	return atomic_load(&j->nbuffers) || atomic_load(&j->state) != JOURNAL_RUNNING ||
	       !atomic_load(&x->pool->hdr->gate);
}

bool journal_due(const struct exec *x, u32 now_ms)
{
	const struct journal *j = journal_of(x);

	if (!journal_busy(x))
		return false;
	return atomic_load(&j->state) != JOURNAL_RUNNING || !atomic_load(&x->pool->hdr->gate) ||
	       now_ms - atomic_load(&j->opened_ms) >= COMMIT_MS;
}
