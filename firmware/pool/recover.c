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

int exec_recover(struct exec *x, u32 dead)
{
	struct exec_slot *slot;
	struct exec as = *x; /* acts in the dead one's name, on its slot */
	u32 seen = EXEC_USED;

	if (dead < 1 || dead > POOL_EXECUTORS || dead == x->id)
		return -MP_EINVAL;
	slot = (struct exec_slot *)exec_ptr(x, x->pool->hdr->slots) + (dead - 1);
	if (!atomic_cas(&slot->state, &seen, EXEC_RECOVERING)) {
		if (seen == EXEC_FREE)
			return 0;
		/* EXEC_RECOVERING: the caller knows that its recoverer is dead too */
	}
	as.slot = slot;
	as.id = dead;
	as.bit = 1u << dead;
	as.host = slot->host;
	as.mini = 0;

	if (slot->phase == TX_COMMITTED) {
		/* the changes stand; the log is only on its way out */
		atomic_store_release(&slot->head, 0);
		atomic_store_release(&slot->phase, TX_SETTLE);
	}
	/* an open tx with its mini, or a lone mini: before and after, and while settling */
	undo_roll_back(&as, slot, 0);
	lock_release_dead(&as, slot, dead);
	recover_buffers(&as, slot);
	frames_recover(&as, slot, dead);
	if (slot->phase != TX_IDLE) {
		tx_settle(&as, slot->phase == TX_SETTLE);
		lock_release_dead(&as, slot, dead);
	}
	journal_leave(&as);
	atomic_store_release(&slot->state, EXEC_FREE);
	return 0;
}
