/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The journal as operations see it (journal.h): joining its transaction, buffers becoming part of
 * it, waiting for it.
 *
 * Invariants
 *  J1. A buffer changes only in a tx that has joined the running transaction, and is part of that
 *      (run_tid) before it changes. run_tid, log_tid and frozen change under SEALING.
 *  J2. `frozen` is the buffer as the committing transaction has sealed it; there is one when, and
 *      as long as, that is not committed and the buffer is part of the running one.
 *  J3. Nobody waits for the gate, or for the role, with a lock held. Who holds locks waits only for
 *      the committing transaction, which waits for nobody.
 */
#include "journal/journal.h"

#include "platform/errno.h"
#include "pool/cache.h"
#include "pool/tx.h"

#define WAIT_MS 1000u

void journal_format(struct pool *pool)
{
	struct journal *j = pool_ptr(pool, pool->hdr->journal);

	j->running = 1;
	j->committing = j->running - 2;
	j->committed = j->running - 2;
	j->ordered = j->running - 2;
	j->tail_tid = j->running;
	j->soft = max_of(pool->hdr->nframes / 8, 32u);
	j->hard = max_of(pool->hdr->nframes / 4, 48u);
	pool->hdr->gate = j->running;
}

/* ---- joining */
void journal_left(struct exec *x)
{
	struct journal *j = journal_of(x);

	atomic_add(&j->left, 1);
	plat_wake(x->plat, &j->left);
}

/* The gate is closed: whoever comes first does what has to be done to open it. */
static void gate_wait(struct exec *x)
{
	u32 *gate = &x->pool->hdr->gate;

	while (!atomic_load_acquire(gate)) {
		if (lock_mini_try(x, &x->pool->hdr->writeback_lock, RANK_WRITEBACK))
			journal_drop(x);
		else
			exec_wait(x, gate, 0, WAIT_MS);
	}
}

void journal_join_slow(struct exec *x)
{
	u32 *gate = &x->pool->hdr->gate, tid;

	do {
		atomic_store_first(&x->slot->tid, 0);
		exec_step(x);
		journal_left(x);
		gate_wait(x);
		tid = atomic_load(gate);
		atomic_store_first(&x->slot->tid, tid);
		exec_step(x);
	} while (!tid || atomic_load_after(gate) != tid);
}

/* ---- buffers */
/* How a buffer becomes part of the running transaction. */
enum upgrade {
	UPGRADE_NONE,  /* it is */
	UPGRADE_PLAIN, /* nobody else needs it as it is now */
	UPGRADE_LOG,   /* `committing` is committed and has logged it, it does not know yet */
	UPGRADE_COPY,  /* `committing` needs it */
};

static enum upgrade upgrade_of(const struct exec *x, const struct frame *f)
{
	const struct journal *j = journal_of(x);
	u32 run = atomic_load_acquire(&f->run_tid);

	if (run == x->slot->tid)
		return UPGRADE_NONE;
	/* forgotten, and in use again: its block is free, as the committing transaction says */
	if (!run || atomic_load(&j->error) || atomic_load(&f->flags) & FRAME_FORGOTTEN)
		return UPGRADE_PLAIN;
	return tid_reached(atomic_load_acquire(&j->committed), run) ? UPGRADE_LOG : UPGRADE_COPY;
}

/* The buffer is sealed by us; its fields change together. */
static void upgrade(struct exec *x, struct frame *f, enum upgrade how, struct frame *copy)
{
	struct hot hot;

	if (how == UPGRADE_COPY)
		plat_copy(x->plat, frame_data(x, copy), frame_data(x, f), BLOCK_SIZE);
	hot_begin(x, &hot, NULL, 0);
	hot_save(x, &f->run_tid, 4);
	hot_save(x, &f->log_tid, 4);
	if (how == UPGRADE_COPY) {
		hot_save(x, &f->frozen, 4);
		hot_save(x, &copy->owner, 4);
		hot_save(x, &copy->pins, 4);
		copy->owner = 0;
		if (POOL_SHARED)
			atomic_store(&copy->pins, PIN_KEPT); /* the buffer's, not ours */
		/* who finds the copy sees what is in it */
		atomic_store_release(&f->frozen, frame_no(x, copy));
	} else if (how == UPGRADE_LOG) {
		atomic_store(&f->log_tid, journal_of(x)->blocks ? f->run_tid : 0);
	}
	exec_step(x);
	/* who sees the new tid sees the copy */
	atomic_store_release(&f->run_tid, x->slot->tid);
	exec_step(x);
	hot_end(x, &hot);
	atomic_and(&f->flags, ~FRAME_FORGOTTEN);
}

static void count_buffer(struct exec *x)
{
	struct journal *j = journal_of(x);
	u32 n = atomic_add(&j->nbuffers, 1), tid = x->slot->tid;

	if (n == 1)
		atomic_store(&j->opened_ms, (u32)plat_ms(x->plat));
	if (n >= j->soft)
		(void)atomic_cas(&x->pool->hdr->gate, &tid, 0);
}

/* A frame for a copy, or NULL: then something of the commit has happened meanwhile. */
static struct frame *copy_alloc(struct exec *x)
{
	struct journal *j = journal_of(x);
	u32 committed = atomic_load(&j->committed);
	struct frame *copy;

	if (frame_alloc(x, &copy) == 0)
		return copy;
	if (committed == atomic_load(&j->committed))
		exec_wait(x, &j->committed, committed, WAIT_MS);
	if (committed == atomic_load(&j->committed))
		journal_help(x); /* who was at it may have died */
	return NULL;
}

static void add(struct exec *x, struct frame *f)
{
	struct frame *copy = NULL;

	for (;;) {
		enum upgrade how = upgrade_of(x, f);

		if (how == UPGRADE_NONE)
			break;
		if (how == UPGRADE_COPY && !copy) {
			copy = copy_alloc(x);
			continue;
		}
		if (!buf_seal_begin(x, f)) {
			buf_seal_wait(x, f);
			continue;
		}
		how = upgrade_of(x, f);
		if (how == UPGRADE_PLAIN || how == UPGRADE_LOG || (how == UPGRADE_COPY && copy)) {
			upgrade(x, f, how, copy);
			if (how == UPGRADE_COPY)
				copy = NULL;
			count_buffer(x);
		}
		buf_seal_end(x, f);
	}
	if (copy)
		frame_unpin(x, copy);
}

__attribute__((noinline)) int journal_add(struct exec *x, struct frame *f)
{
	const struct journal *j = journal_of(x);

	if (!x->slot->tid)
		plat_panic(x->plat, "a buffer is edited outside of any transaction", __FILE__,
			   __LINE__);
	if (atomic_load(&j->nbuffers) >= j->hard)
		return journal_retry(x);
	add(x, f);
	return 0;
}

bool journal_forget(struct exec *x, struct frame *f)
{
	u32 run = atomic_load(&f->run_tid);

	if (!x->slot->tid || atomic_load(&f->kind) != FRAME_BUF ||
	    (!run && !atomic_load(&f->log_tid)))
		return false;
	/* of no use to anybody: made and freed by the same transaction */
	if (run == x->slot->tid && !atomic_load(&f->log_tid) && !atomic_load(&f->frozen))
		return false;
	add(x, f);
	atomic_or(&f->flags, FRAME_FORGOTTEN);
	frame_mark_dirty(x, f);
	return true;
}

/* ---- running an operation again */
int journal_retry(struct exec *x)
{
	x->retry = x->slot->tid;
	return -MP_ERETRY;
}

bool journal_wants_out(const struct exec *x)
{
	const struct journal *j = journal_of(x);

	return !atomic_load(&x->pool->hdr->gate) || atomic_load(&j->nbuffers) >= j->soft;
}

bool journal_wait_again(struct exec *x, int *err)
{
	*err = journal_wait(x, x->retry);
	return !*err;
}

/* ---- waiting with locks held */
void journal_order_wait(struct exec *x, u32 order_tid)
{
	struct journal *j = journal_of(x);

	for (;;) {
		u32 ordered = atomic_load_acquire(&j->ordered);
		u32 committing = atomic_load(&j->committing);

		if (ordered == committing || !journal_orders(x, order_tid) ||
		    x->slot->tid == committing || atomic_load(&j->error))
			return;
		exec_wait(x, &j->ordered, ordered, WAIT_MS);
		if (ordered == atomic_load(&j->ordered))
			journal_help(x);
	}
}
