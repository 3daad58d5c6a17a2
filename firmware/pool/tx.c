/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Transactions (tx.h): the undo log, commit and abort.
 *
 * A record is the old bytes, padded to a word, then their reference and length: it is read from its
 * end, and `head` (bytes in use) moves over it only when it is whole.
 *
 *	IDLE --tx_begin--> OPEN --tx_commit--> COMMITTED --> (SETTLE -->) IDLE
 *	                   OPEN --tx_abort: log applied backwards, allocations given back--> IDLE
 */
#include "pool/tx.h"

#include <string.h>

#include "platform/atomic.h"
#include "platform/errno.h"
#include "pool/cache.h"
#include "pool/undo.h"

void tx_begin(struct exec *x)
{
	struct exec_slot *slot = x->slot;

	if (slot->phase != TX_IDLE || slot->head)
		plat_panic(x->plat, "tx_begin inside a tx", __FILE__, __LINE__);
	plat_now(x->plat, &x->now);
	atomic_store_release(&slot->phase, TX_OPEN);
}

/* Whether the latest record covers the range already, within the same mini. (Looking further back
 * costs more than the copies that it spares: make bench-core.) */
static inline bool undo_has(const struct exec *x, const u32 *top, u32 head, ref_t ref, u32 len)
{
	u32 offset;

	if (head <= (x->mini ? x->mini - 1 : 0))
		return false;
	offset = ref - top[-2];
	return offset <= top[-1] && len <= top[-1] - offset;
}

static __attribute__((noinline)) int undo_save_bytes(struct exec *x, const void *p, u32 len)
{
	u32 head = x->slot->head;
	u32 *to = &x->slot->undo[head / 4];

	memcpy(to, p, len);
	undo_close(x, to + (len + 3) / 4, head, exec_ref(x, p), len);
	return 0;
}

int undo_save(struct exec *x, const void *p, u32 len, u32 limit)
{
	struct exec_slot *slot = x->slot;
	ref_t ref = exec_ref(x, p);
	u32 head = slot->head;
	u32 *to = &slot->undo[head / 4];

	debug_save(x, ref, len);
	if (undo_has(x, to, head, ref, len))
		return 0;
	if (len > POOL_UNDO_SIZE || head + UNDO_RECORD(len) > limit)
		return -MP_ENOSPC;
	if (((uintptr_t)p | len) & 3)
		return undo_save_bytes(x, p, len);
	undo_copy_words(to, p, len / 4);
	undo_close(x, to + len / 4, head, ref, len);
	return 0;
}

int tx_save_range(struct exec *x, const void *p, u32 len)
{
	return undo_save(x, p, len, POOL_UNDO_SIZE - UNDO_RESERVE);
}

/* Short, and without a look at the latest record: on the soft core a line of code that is fetched
 * costs more than a record. */
int tx_save_few(struct exec *x, const void *p, u32 len)
{
	struct exec_slot *slot = x->slot;
	ref_t ref = exec_ref(x, p);
	u32 head = slot->head, i;
	u32 *to = &slot->undo[head / 4];
	const u32 *from = p;

	debug_save(x, ref, len);
	if (head + UNDO_RECORD(len) > POOL_UNDO_SIZE - UNDO_RESERVE)
		return -MP_ENOSPC;
	for (i = len; i; i -= 4)
		*to++ = *from++;
	undo_close(x, to, head, ref, len);
	return 0;
}

int tx_save_word(struct exec *x, const void *p)
{
	struct exec_slot *slot = x->slot;
	ref_t ref = exec_ref(x, p);
	u32 head = slot->head;
	u32 *to = &slot->undo[head / 4];

	debug_save(x, ref, 4);
	if (head + UNDO_RECORD(4) > POOL_UNDO_SIZE - UNDO_RESERVE)
		return -MP_ENOSPC;
	to[0] = atomic_load(p); /* others may change it, as far as that goes */
	undo_close(x, to + 1, head, ref, 4);
	return 0;
}

void undo_roll_back(struct exec *x, struct exec_slot *slot, u32 mark)
{
	while (slot->head > mark) {
		u32 head = slot->head;
		u32 ref = slot->undo[head / 4 - 2], len = slot->undo[head / 4 - 1];
		u32 size = UNDO_RECORD(len);

		if (size > head || ref >= x->pool->size || len > x->pool->size - ref)
			plat_panic(x->plat, "an undo log is damaged", __FILE__, __LINE__);
		undo_restore(exec_ptr(x, ref), &slot->undo[(head - size) / 4], len);
		exec_step(x);
		atomic_store_release(&slot->head, head - size);
		exec_step(x);
	}
}

void tx_settle(struct exec *x, bool committed)
{
	struct exec_slot *slot = x->slot;

	/* Nothing can be rolled back any more: the buffers may be written. Settling edits others.
	 */
	if (slot->nedited)
		buf_edits_end(x);
	exec_step(x);
	if (slot->ninflight) {
		inflight_settle(x, committed);
		atomic_store_release(&slot->ninflight, 0);
		exec_step(x);
		buf_edits_end(x);
	}
	atomic_store_release(&slot->phase, TX_IDLE);
	exec_step(x);
}

/* Commit without the release of the locks. */
static void tx_commit_changes(struct exec *x)
{
	struct exec_slot *slot = x->slot;

	if (slot->phase != TX_OPEN || x->mini)
		plat_panic(x->plat, "tx_commit without a tx", __FILE__, __LINE__);
	exec_step(x);
	if (!(slot->nedited |
	      slot->ninflight)) { /* nothing to do after it: the log's end will do */
		atomic_store_release(&slot->head, 0);
		atomic_store_release(&slot->phase, TX_IDLE);
		return;
	}
	/* All changes are seen by who sees the commit. */
	atomic_store_release(&slot->phase, TX_COMMITTED);
	exec_step(x);
	atomic_store_release(&slot->head, 0);
	if (slot->ninflight) {
		exec_step(x);
		atomic_store_release(&slot->phase, TX_SETTLE);
		exec_step(x);
	}
	tx_settle(x, true);
}

void tx_commit(struct exec *x)
{
	tx_commit_changes(x);
	journal_leave(x);
	if (x->slot->nheld)
		lock_release_all(x);
}

void tx_abort(struct exec *x)
{
	struct exec_slot *slot = x->slot;

	if (slot->phase != TX_OPEN || x->mini)
		plat_panic(x->plat, "tx_abort without a tx", __FILE__, __LINE__);
	undo_roll_back(x, slot, 0);
	tx_settle(x, false);
	journal_leave(x);
	if (slot->nheld)
		lock_release_all(x);
}

void tx_restart(struct exec *x)
{
	tx_commit_changes(x);
	atomic_store_release(&x->slot->phase, TX_OPEN);
}

u32 tx_mini_begin(struct exec *x)
{
	u32 mark = x->slot->head;

	if (x->mini)
		plat_panic(x->plat, "mini-transactions do not nest", __FILE__, __LINE__);
	x->mini = mark + 1;
	return mark;
}

void tx_mini_commit(struct exec *x, u32 mark)
{
	exec_step(x);
	/* What the mini changed is seen by who sees that its records are gone. */
	atomic_store_release(&x->slot->head, mark);
	x->mini = 0;
	exec_step(x);
}

void tx_mini_abort(struct exec *x, u32 mark)
{
	undo_roll_back(x, x->slot, mark);
	x->mini = 0;
}

int tx_inflight(struct exec *x, enum inflight_kind kind, u64 a, u32 b)
{
	struct exec_slot *slot = x->slot;
	u32 n = slot->ninflight;

	if (n == POOL_INFLIGHT)
		return -MP_ENOSPC;
	/* In a mini the entry comes and goes with it. Outside it must not be in the outer log: a
	 * roll-back would take the entries of later minis away too; and what is to be freed at
	 * commit means nothing to an abort. */
	if (x->mini) {
		int err = tx_save(x, &slot->ninflight, sizeof(slot->ninflight));

		if (err)
			return err;
	}
	slot->inflight[n] = (struct inflight){.kind = kind, .a = a, .b = b};
	exec_step(x);
	atomic_store_release(&slot->ninflight, n + 1);
	exec_step(x);
	return 0;
}
