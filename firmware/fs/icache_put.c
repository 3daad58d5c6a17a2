/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the last pin of an inode slot does before it goes: it frees an inode without names that
 * nobody has open, or keeps it while hosts know it; and what a dead executor leaves of slots.
 */
#include "platform/atomic.h"
#include "fs/extent.h"
#include "fs/icache_priv.h"
#include "pool/pin.h"
#include "pool/undo.h"

/* Whether the last pin may not just go: the inode is perhaps to be freed first. */
static bool evictable(struct exec *x, const struct inode *inode)
{
	u32 flags = atomic_load(&inode->flags);

	return (flags & (INODE_ORPHAN | INODE_DEAD | INODE_NOLINKS)) ==
		       (INODE_ORPHAN | INODE_NOLINKS) &&
	       !atomic_load(&inode->opens) && !atomic_load(&inode->held) &&
	       x->slot->phase == TX_IDLE && !atomic_load(&fs_of(x)->read_only);
}

/* The inode's last name is gone and nobody has it open. Whether it is kept all the same. */
static bool hold(struct exec *x, struct inode *inode)
{
	struct fs *fs = fs_of(x);
	u32 held = 1;

	if (!atomic_load(&inode->seen))
		return false;
	/* below 0 after a death: held_recover() */
	if ((s32)atomic_add(&fs->nheld, 1) >= (s32)FS_HELD_MAX) {
		atomic_add(&fs->nheld, ~0u);
		return false;
	}
	exec_step(x);
	(void)atomic_or(&inode->held, 1);
	exec_step(x);
	/* who forgets it last does so before this, or sees `held` */
	if (atomic_load_acquire(&inode->seen) || !atomic_cas(&inode->held, &held, 0))
		return true;
	atomic_add(&fs->nheld, ~0u);
	return false;
}

/* The caller has it pinned: his last pin frees what was kept. */
static void forget(struct exec *x, struct inode *inode, u32 seen)
{
	u32 held = 1;

	(void)atomic_and(&inode->seen, ~seen);
	exec_step(x);
	if (atomic_load_acquire(&inode->seen) || !atomic_cas(&inode->held, &held, 0))
		return;
	exec_step(x);
	atomic_add(&fs_of(x)->nheld, ~0u);
}

void fs_forget(struct exec *x, node_t node)
{
	struct inode *inode;

	if (node == FS_ROOT || (ino_no_t)node > fs_of(x)->inodes_count)
		return;
	inode = slot_get_fast(x, (ino_no_t)node);
	if (!inode)
		return;
	if (atomic_load(&inode->seen) & x->seen && inode->generation == (u32)(node >> 32))
		forget(x, inode, x->seen);
	inode_put(x, inode);
}

void fs_forget_all(struct exec *x, u32 seen)
{
	u32 i;

	for (i = 0; i < fs_of(x)->ninodes; i++) {
		struct inode *inode = slot_nth(x, i);

		if (!(atomic_load(&inode->seen) & seen) || !pin_try(x, &inode->pins))
			continue;
		forget(x, inode, seen);
		inode_put(x, inode);
	}
}

enum last { LAST_NOTHING, LAST_UNHASH, LAST_EVICT, LAST_FREE };

/* What the last pin has to do before it goes. */
static enum last slot_last(struct exec *x, const struct inode *inode)
{
	u32 state = atomic_load_acquire(&inode->state);

	if (state == INODE_UNHASHED)
		return LAST_FREE;
	if (state != INODE_READY)
		return LAST_NOTHING;
	if (atomic_load(&inode->flags) & (INODE_NEW | INODE_DEAD))
		return LAST_UNHASH;
	return evictable(x, inode) ? LAST_EVICT : LAST_NOTHING;
}

void inode_put(struct exec *x, struct inode *inode)
{
	bool more = POOL_SHARED;

	for (;;) {
		/* nobody else has it: what it says now is what others left */
		while (pin_alone(x, &inode->pins)) {
			enum last last = slot_last(x, inode);
			int err;

			if (last == LAST_NOTHING)
				break;
			if (last == LAST_UNHASH)
				inode_unhash(x, inode);
			if (last == LAST_FREE && slot_free(x, inode))
				return;
			if (last != LAST_EVICT || hold(x, inode))
				continue;
			err = inode_evict(x, inode);
			if (err > 0)
				continue;
			if (err)
				plat_log(x->plat, PLAT_ERR,
					 "inode %u stays on the orphan list: error %d", inode->ino,
					 err);
			more = false; /* or it is somebody's again, who comes here too */
			break;
		}
		exec_step(x);
		if (pin_drop(x, &inode->pins) || !more)
			return;
		exec_step(x);
		/* Of two who each saw the other's pin, the one that was really last does it. */
		if (slot_last(x, inode) == LAST_NOTHING || !pin_try(x, &inode->pins))
			return;
	}
}

/* ---- recovery */
#ifndef MPDISK_SINGLE_HART
/* How many slots keep the buffer; under icache_lock. */
static u32 keepers(struct exec *x, fno_t itable)
{
	u32 n = 0;

	for (u32 i = 0; i < fs_of(x)->ninodes; i++) {
		const struct inode *inode = slot_nth(x, i);

		n += inode->itable == itable && inode->state != INODE_FREE &&
		     inode->state != INODE_LOADING;
	}
	return n;
}

static void keeping_recover(struct exec *as)
{
	fno_t itable = as->slot->keeping;
	struct frame *f = frame_of(as, itable);
	u32 seen, n;

	if (!itable || itable >= as->pool->hdr->nframes)
		return;
	icache_lock(as);
	n = keepers(as, itable) * PIN_KEPT;
	seen = atomic_load(&f->pins);
	while (!atomic_cas(&f->pins, &seen, (seen & ~PIN_KEPT_MASK) | n))
		;
	exec_step(as);
	atomic_store_release(&as->slot->keeping, 0);
	icache_unlock(as);
}

/* The slot that it was filling: nobody has seen what is in it. */
static void loading_recover(struct exec *as)
{
	struct inode *inode = exec_ptr(as, as->slot->inode);

	if (as->slot->inode && inode->state == INODE_LOADING &&
	    atomic_load(&inode->pins) & as->bit) {
		inode->itable = 0;
		exec_step(as);
		inode_unhash(as, inode);
	}
	if (as->slot->inode)
		plat_wake(as->plat, &inode->state);
	atomic_store_release(&as->slot->inode, 0);
}

/* A slot that it was emptying. */
static void frozen_recover(struct exec *as, struct inode *inode)
{
	if (inode->state == INODE_UNHASHED) {
		slot_free_frozen(as, inode);
		return;
	}
	atomic_store(&inode->state, INODE_READY);
	exec_step(as);
	atomic_store_release(&inode->pins, 0);
	plat_wake(as->plat, &inode->state);
}

/* A limit, not exact: others go on meanwhile. */
static void held_recover(struct exec *as)
{
	struct fs *fs = fs_of(as);
	u32 n = 0;

	for (u32 i = 0; i < fs->ninodes; i++)
		n += atomic_load(&slot_nth(as, i)->held) != 0;
	atomic_store(&fs->nheld, n);
}

void inodes_recover(struct exec *as)
{
	const struct fs *fs = fs_of(as);

	if (!as->pool->hdr->fs)
		return;
	loading_recover(as);
	keeping_recover(as);
	held_recover(as);
	for (u32 i = 0; i < fs->ninodes; i++) {
		struct inode *inode = slot_nth(as, i);
		u32 pins = atomic_load_acquire(&inode->pins);

		ext_recover(as, inode);
		if (pins == PIN_FREEZE(as)) {
			frozen_recover(as, inode);
			continue;
		}
		if (pins & PIN_FROZEN || (!(pins & as->bit) && pins))
			continue;
		if (!(pins & as->bit) &&
		    (slot_last(as, inode) == LAST_NOTHING || !pin_try(as, &inode->pins)))
			continue;
		forget(as, inode, 0); /* it may have been the last to forget it */
		orphan_finish_truncate(as, inode);
		inode_put(as, inode);
	}
}
#endif
