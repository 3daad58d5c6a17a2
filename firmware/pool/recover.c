/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Takes over from executors that died at any instruction: what they had not committed is rolled
 * back, what they had committed is finished. Every step may be done twice, so a recoverer may die
 * too.
 *
 * Invariants
 *  D1. No stage waits for what a dead executor has: before a stage begins, the one before it is
 *      done for all of the dead. (A host that dies has many executors.)
 *  D2. What a dead executor had locked for its transaction stays locked until what it had in flight
 *      is settled, as in life: settling touches pages of its inodes.
 *
 *	take  rollback, minis released | frames | settled, locks released | inode slots, slot free
 */
#include <string.h>

#include "platform/atomic.h"
#include "platform/errno.h"
#include "journal/journal.h"
#include "pool/cache.h"
#include "pool/tx.h"
#include "pool/undo.h"

static struct exec_slot *slot_of(const struct exec *x, u32 id)
{
	return (struct exec_slot *)exec_ptr(x, x->pool->hdr->slots) + (id - 1);
}

/* Acts in the dead one's name, on its slot. */
static void act_as(struct exec *as, const struct exec *x, u32 dead)
{
	*as = *x;
	as->slot = slot_of(as, dead);
	as->id = dead;
	as->bit = 1u << dead;
	as->host = as->slot->state >> EXEC_HOST_SHIFT;
	as->mini = 0;
	as->handle = NULL;
#ifndef MPDISK_SINGLE_HART
	as->nagain = 0;
#endif
	memset(as->ranks, 0, sizeof(as->ranks));
	plat_now(as->plat, &as->now);
}

/* Waits for nothing: what it did is taken back or stands. */
static void stop(struct exec *as)
{
	struct exec_slot *slot = as->slot;

	slot->waits = 0;
	if (slot->phase == TX_COMMITTED) {
		/* the changes stand; the log is only on its way out */
		atomic_store_release(&slot->head, 0);
		exec_step(as);
		atomic_store_release(&slot->phase, TX_SETTLE);
	}
	exec_step(as);
	/* an open tx with its mini, or a lone mini: before and after, and while settling */
	undo_roll_back(as, slot, 0);
	lock_release_dead(as, slot, as->id, false);
}

/* The buffer that it was copying for the medium stays dirty: it may not have been written. */
static void recover_buffers(struct exec *as)
{
	struct exec_slot *slot = as->slot;

	if (slot->sealing && slot->sealing < as->pool->hdr->nframes) {
		u32 *editors = &frame_of(as, slot->sealing)->editors,
		    sealed = FRAME_SEALING | as->bit;

		/* it may not have come to it, or be through, and another one be at it */
		if ((atomic_load(editors) & sealed) == sealed)
			atomic_and(editors, ~(sealed | FRAME_EDIT_WAITERS));
		plat_wake(as->plat, editors);
	}
	atomic_store_release(&slot->sealing, 0);
	exec_step(as);
	if (slot->touching && slot->touching < as->pool->hdr->nframes)
		buf_touch_end(as, frame_of(as, slot->touching));
	atomic_store_release(&slot->touching, 0);
	exec_step(as);
	frames_recover(as, slot, as->id);
}

static void settle(struct exec *as)
{
	struct exec_slot *slot = as->slot;

	if (slot->phase != TX_IDLE)
		tx_settle(as, slot->phase == TX_SETTLE);
	lock_release_dead(as, slot, as->id, true);
	journal_leave(as);
}

static void finish(struct exec *as)
{
	inodes_recover(as);
	exec_step(as);
	atomic_store_release(&as->slot->state, EXEC_FREE);
	exec_step(as);
}

enum stage { STAGE_STOP, STAGE_FRAMES, STAGE_SETTLE, STAGE_FINISH, STAGES };

static void run(struct exec *as, enum stage stage)
{
	switch (stage) {
	case STAGE_STOP:
		stop(as);
		break;
	case STAGE_FRAMES:
		recover_buffers(as);
		break;
	case STAGE_SETTLE:
		settle(as);
		break;
	default:
		finish(as);
	}
}

/* Whether there is something to recover; marks the slot. */
static bool take(struct exec *x, u32 dead)
{
	u32 *state = &slot_of(x, dead)->state;
	u32 seen = atomic_load_acquire(state);

	do {
		if (seen == EXEC_FREE)
			return false;
		/* EXEC_RECOVERING: the caller knows that its recoverer is dead too */
	} while (!atomic_cas(state, &seen, (seen & ~EXEC_STATE) | EXEC_RECOVERING));
	exec_step(x);
	return true;
}

u32 execs_recover_set(struct exec *x, u32 dead)
{
	u32 mine = 0, id;

	for (id = 1; id <= POOL_EXECUTORS; id++)
		if (dead >> id & 1 && take(x, id))
			mine |= 1u << id;
	for (u32 stage = 0; stage < STAGES; stage++) {
		for (id = 1; id <= POOL_EXECUTORS; id++) {
			struct exec as;

			if (!(mine >> id & 1))
				continue;
			act_as(&as, x, id);
			run(&as, stage);
			x->cut = as.cut;
		}
	}
	return (u32)__builtin_popcount(mine);
}

u32 execs_recover(struct exec *x, u32 hosts)
{
	u32 dead = 0;

	for (u32 id = 1; id <= POOL_EXECUTORS; id++) {
		u32 state = atomic_load_acquire(&slot_of(x, id)->state);

		u32 host = state >> EXEC_HOST_SHIFT;

		if (state != EXEC_FREE && host < 32 && hosts >> host & 1)
			dead |= 1u << id;
	}
	return execs_recover_set(x, dead);
}

int exec_recover(struct exec *x, u32 dead)
{
	if (dead < 1 || dead > POOL_EXECUTORS || dead == x->id)
		return -MP_EINVAL;
	(void)execs_recover_set(x, 1u << dead);
	return 0;
}
