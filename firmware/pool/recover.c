/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Takes over from an executor that died at any instruction: what it had not committed is rolled
 * back, what it had committed is finished. Every step may be done twice, so a recoverer may die
 * too.
 */
#include <string.h>

#include "platform/atomic.h"
#include "platform/errno.h"
#include "pool/cache.h"
#include "pool/tx.h"
#include "pool/undo.h"

/* The buffer that it was copying for the medium stays dirty: it may not have been written. */
static void recover_buffers(struct exec *as, struct exec_slot *slot)
{
	if (slot->sealing && slot->sealing < as->pool->hdr->nframes) {
		atomic_and(&frame_of(as, slot->sealing)->editors, ~FRAME_SEALING);
		plat_wake(as->plat, &frame_of(as, slot->sealing)->editors);
	}
	atomic_store_release(&slot->sealing, 0);
	if (slot->touching && slot->touching < as->pool->hdr->nframes)
		buf_touch_end(as, frame_of(as, slot->touching));
	atomic_store_release(&slot->touching, 0);
}

/* The recoverer's own side of the dead executor: acts in its name, on its slot. */
static void recover_as(const struct exec *x, struct exec *as, struct exec_slot *slot, u32 dead)
{
	*as = *x;
	as->slot = slot;
	as->id = dead;
	as->bit = 1u << dead;
	as->host = slot->state >> EXEC_HOST_SHIFT;
	as->mini = 0;
}

static struct exec_slot *slot_of(const struct exec *x, u32 id)
{
	return (struct exec_slot *)exec_ptr(x, x->pool->hdr->slots) + (id - 1);
}

/* Waits for nothing: what it did is taken back or stands, and its locks are free. */
static void recover_release(struct exec *as)
{
	struct exec_slot *slot = as->slot;

	if (slot->phase == TX_COMMITTED) {
		/* the changes stand; the log is only on its way out */
		atomic_store_release(&slot->head, 0);
		atomic_store_release(&slot->phase, TX_SETTLE);
	}
	/* an open tx with its mini, or a lone mini: before and after, and while settling */
	undo_roll_back(as, slot, 0);
	lock_release_dead(as, slot, as->id);
	recover_buffers(as, slot);
	frames_recover(as, slot, as->id);
}

/* Takes locks, which the living and the dead may hold. */
static void recover_settle(struct exec *as)
{
	struct exec_slot *slot = as->slot;

	if (slot->phase != TX_IDLE) {
		tx_settle(as, slot->phase == TX_SETTLE);
		lock_release_dead(as, slot, as->id);
	}
	journal_leave(as);
	atomic_store_release(&slot->state, EXEC_FREE);
}

/* Whether there is something to recover; marks the slot. */
static bool recover_begin(struct exec *x, struct exec *as, u32 dead)
{
	struct exec_slot *slot = slot_of(x, dead);
	u32 seen = atomic_load_acquire(&slot->state);

	do {
		if (seen == EXEC_FREE)
			return false;
		/* EXEC_RECOVERING: the caller knows that its recoverer is dead too */
	} while (!atomic_cas(&slot->state, &seen, (seen & ~EXEC_STATE) | EXEC_RECOVERING));
	recover_as(x, as, slot, dead);
	return true;
}

int exec_recover(struct exec *x, u32 dead)
{
	struct exec as;

	if (dead < 1 || dead > POOL_EXECUTORS || dead == x->id)
		return -MP_EINVAL;
	if (recover_begin(x, &as, dead)) {
		recover_release(&as);
		recover_settle(&as);
	}
	return 0;
}

u32 execs_recover(struct exec *x, u32 host)
{
	struct exec as;
	u32 n = 0;

	/* first all locks of all of them: settling one may want what another held */
	for (u32 id = 1; id <= POOL_EXECUTORS; id++) {
		u32 state = atomic_load_acquire(&slot_of(x, id)->state);

		if (state != EXEC_FREE && state >> EXEC_HOST_SHIFT == host &&
		    recover_begin(x, &as, id)) {
			recover_release(&as);
			n++;
		}
	}
	for (u32 id = 1; n && id <= POOL_EXECUTORS; id++) {
		if (atomic_load(&slot_of(x, id)->state) !=
		    (EXEC_RECOVERING | host << EXEC_HOST_SHIFT))
			continue;
		recover_as(x, &as, slot_of(x, id), id);
		recover_settle(&as);
	}
	return n;
}
