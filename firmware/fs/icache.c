/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The cache of inode slots: finding, loading, checking, reusing them.
 *
 * Invariants
 *  I1. At most one slot is hashed for an inode number.
 *  I2. A slot goes into the hash and out of it under icache_lock only. Finding one needs no lock:
 *      slots are type-stable, so a pin is taken first, and then it is seen whether the slot is
 *      the wanted inode's. A slot whose pins are PIN_FROZEN cannot be pinned.
 *  I3. A slot with pins, with its lock held, or on the orphan list is not reused.
 *  I4. The bytes of an inode are checked once, when its slot is loaded.
 *
 * Slots are reused by a clock: a second chance for what was referenced since the hand came by.
 */
#include <string.h>

#include "platform/atomic.h"
#include "platform/errno.h"
#include "fs/alloc.h"
#include "fs/csum.h"
#include "fs/extent.h"
#include "fs/icache_priv.h"
#include "fs/inode.h"
#include "pool/pin.h"
#include "pool/wait.h"

#define CHAIN_MAX 32u /* slots looked at without the lock */

static inline struct inode *slot_at(const struct exec *x, ref_t ref)
{
	return exec_ptr(x, ref);
}

static inline u32 *hash_head(const struct exec *x, ino_no_t ino)
{
	const struct fs *fs = fs_of(x);

	return (u32 *)exec_ptr(x, fs->inode_hash) + (ino & (fs->ninode_hash - 1));
}

/* ---- under icache_lock */
static struct inode *slot_find(const struct exec *x, ino_no_t ino)
{
	ref_t ref;

	for (ref = *hash_head(x, ino); ref; ref = slot_at(x, ref)->hash_next)
		if (slot_at(x, ref)->ino == ino)
			return slot_at(x, ref);
	return NULL;
}

static int hash_insert(struct exec *x, struct inode *inode)
{
	u32 *head = hash_head(x, inode->ino);
	int err;

	err = tx_save(x, head, 4);
	if (err)
		return err;
	/* where a slot that is not hashed leads to means nothing: no need to save it */
	atomic_store(&inode->hash_next, *head);
	/* What the slot is by now is seen by who finds it. */
	atomic_store_release(head, exec_ref(x, inode));
	return 0;
}

static int hash_remove(struct exec *x, struct inode *inode)
{
	u32 *link = hash_head(x, inode->ino);
	ref_t self = exec_ref(x, inode);
	int err;

	while (*link && *link != self)
		link = &slot_at(x, *link)->hash_next;
	if (!*link)
		return 0;
	err = tx_save(x, link, 4);
	if (!err)
		atomic_store_release(link, inode->hash_next);
	return err;
}

/* state, and what goes with it, in the open mini */
static int slot_set(struct exec *x, struct inode *inode, u32 state)
{
	int err = tx_save(x, &inode->state, 4);

	if (!err)
		atomic_store_release(&inode->state, state);
	return err;
}

_Static_assert(offsetof(struct inode, state) == offsetof(struct inode, free_next) + 4,
	       "saved as one");

static int slot_push_free(struct exec *x, struct inode *inode)
{
	struct fs *fs = fs_of(x);
	int err;

	err = tx_save(x, &fs->inode_free, 4);
	if (!err)
		err = tx_save(x, &inode->free_next, 8); /* and state */
	if (!err && POOL_SHARED)
		err = tx_save(x, &inode->pins, 4);
	if (err)
		return err;
	atomic_store_release(&inode->state, INODE_FREE);
	atomic_store(&inode->pins, PIN_FROZEN);
	inode->free_next = fs->inode_free;
	fs->inode_free = exec_ref(x, inode);
	return 0;
}

static bool slot_reusable(const struct inode *inode)
{
	return atomic_load(&inode->state) == INODE_READY && !atomic_load_acquire(&inode->pins) &&
	       !atomic_load(&inode->lock) && !atomic_load(&inode->opens) &&
	       !(atomic_load(&inode->flags) & INODE_ORPHAN);
}

static bool slot_freeze(struct exec *x, struct inode *inode)
{
	u32 pins = 0;

	if (!atomic_cas(&inode->pins, &pins, PIN_FREEZE(x)))
		return false;
	exec_step(x);
	/* what it was reusable for may have changed before */
	if (!atomic_load(&inode->lock) && !atomic_load(&inode->opens) &&
	    !(atomic_load(&inode->flags) & INODE_ORPHAN))
		return true;
	atomic_store_release(&inode->pins, 0);
	return false;
}

/* The next slot that can be reused, frozen; preferably one without cached pages. NULL: all are in
 * use. */
static struct inode *clock_victim(struct exec *x)
{
	struct fs *fs = fs_of(x);
	struct inode *with_pages = NULL;
	u32 hand = fs->clock_hand, i;

	for (i = 0; i < 2 * fs->ninodes; i++) {
		struct inode *inode = slot_nth(x, hand);

		hand = hand + 1 < fs->ninodes ? hand + 1 : 0;
		if (!slot_reusable(inode))
			continue;
		if (atomic_load(&inode->referenced)) {
			atomic_store(&inode->referenced, 0);
			continue;
		}
		if (atomic_load(&inode->npages)) {
			with_pages = with_pages ? with_pages : inode;
		} else if (slot_freeze(x, inode)) {
			atomic_store(&fs->clock_hand, hand);
			return inode;
		}
	}
	return with_pages && slot_freeze(x, with_pages) ? with_pages : NULL;
}

/* ---- taking a slot */
/*
 * A slot that is READY or GOING, or was once, keeps the buffer of its inode table block (PIN_KEPT).
 * State and count change under icache_lock, the count never being too low, and slot->keeping says
 * whose count that is: recovery counts again.
 */
static inline void keeping(struct exec *x, fno_t itable)
{
	if (!POOL_SHARED)
		return;
	exec_step(x);
	atomic_store_release(&x->slot->keeping, itable);
	exec_step(x);
}

/* The slot is filled: the caller's pin of the buffer becomes the slot's. */
static void slot_ready(struct exec *x, struct inode *inode)
{
	struct frame *itable = frame_of(x, inode->itable);

	keeping(x, inode->itable);
	frame_give(x, itable);
	exec_step(x);
	atomic_store_release(&inode->state, INODE_READY);
	keeping(x, 0);
	if (POOL_SHARED)
		atomic_store_release(&x->slot->inode, 0);
}

/* Out of the hash, into the free list. */
static int slot_strip(struct exec *x, struct inode *inode)
{
	fno_t itable = inode->itable;
	u32 mark;
	int err;

	keeping(x, itable);
	mark = tx_mini_begin(x);
	err = hash_remove(x, inode);
	if (!err)
		err = slot_push_free(x, inode);
	if (err) {
		tx_mini_abort(x, mark);
	} else {
		tx_mini_commit(x, mark);
		if (itable)
			frame_drop(x, frame_of(x, itable));
	}
	keeping(x, 0);
	return err;
}

/* Empties one slot into the free list. Called and returns without the lock. -ENOMEM: all in use. */
static int slot_reclaim(struct exec *x)
{
	struct inode *inode;
	int err;

	icache_lock(x);
	inode = clock_victim(x);
	if (!inode) {
		icache_unlock(x);
		plat_log(x->plat, PLAT_WARN, "every inode slot is in use");
		return -MP_ENOMEM;
	}
	if (!atomic_load(&inode->npages)) {
		err = slot_strip(x, inode);
		if (err)
			atomic_store_release(&inode->pins, 0);
		icache_unlock(x);
		return err;
	}
	exec_step(x);
	atomic_store(&inode->state, INODE_GOING);
	exec_step(x);
	icache_unlock(x);
	err = page_flush(x, inode, 0, ~0u);
	if (err)
		plat_log(x->plat, PLAT_ERR, "inode %u: write-back: error %d", inode->ino, err);
	page_drop(x, inode, 0, ~0u);
	icache_lock(x);
	err = slot_strip(x, inode);
	if (err) {
		atomic_store(&inode->state, INODE_READY);
		atomic_store_release(&inode->pins, 0);
	}
	icache_unlock(x);
	plat_wake(x->plat, &inode->state);
	return err;
}

void inode_unhash(struct exec *x, struct inode *inode)
{
	u32 mark;
	int err;

	icache_lock(x);
	mark = tx_mini_begin(x);
	err = hash_remove(x, inode);
	if (!err)
		err = slot_set(x, inode, INODE_UNHASHED);
	if (err)
		tx_mini_abort(x, mark);
	else
		tx_mini_commit(x, mark);
	icache_unlock(x);
}

/* Under the lock, in a mini: a slot from the free list made into `ino`, hashed, with one pin,
 * LOADING. slot_ready() or inode_unhash() must come. */
static int slot_take(struct exec *x, ino_no_t ino, struct inode **out)
{
	struct fs *fs = fs_of(x);
	struct inode *inode = slot_at(x, fs->inode_free);
	u32 mark;
	int err;

	if (POOL_SHARED)
		atomic_store(&x->slot->inode, exec_ref(x, inode));
	mark = tx_mini_begin(x);
	err = POOL_SHARED ? tx_save(x, &inode->pins, 4) : 0;
	if (!err)
		err = tx_save(x, &fs->inode_free, 4);
	if (!err)
		err = tx_save(x, &inode->free_next,
			      8); /* and state: the rest of a free slot is nothing */
	if (err)
		goto out;
	fs->inode_free = inode->free_next;
	/* not the lock: it may still be held by the tx that made the slot's last inode dead; and
	 * the pins stay frozen */
	inode->generation = 0;
	inode->itable = 0;
	inode->free_next = 0;
	memset(&inode->orphan_next, 0,
	       offsetof(struct inode, seen) - offsetof(struct inode, orphan_next));
	/* who has lost his way in a chain, or has just dropped his pin of what the slot was, may
	 * look at these; no pin is to be had yet */
	atomic_store(&inode->flags, 0);
	atomic_store(&inode->opens, 0);
	atomic_store(&inode->seen, 0);
	atomic_store(&inode->held, 0);
	atomic_store(&inode->mapped, 0);
	atomic_store(&inode->unmap, 0);
	inode_count_change(inode); /* what was known of the slot is not true any more */
	atomic_store(&inode->ino, ino);
	atomic_store(&inode->state, INODE_LOADING);
	inode->referenced = 1;
	/* what the slot's last life knew is gone */
	atomic_store(&inode->sync_tid, atomic_load(&journal_of(x)->running));
	atomic_store(&inode->data_tid, atomic_load(&journal_of(x)->running));
	err = hash_insert(x, inode);
	if (!err)
		atomic_store_release(&inode->pins, PIN_MINE(x));
out:
	if (err)
		tx_mini_abort(x, mark);
	else
		tx_mini_commit(x, mark);
	*out = inode;
	return err;
}

/* ---- loading */
static bool type_valid(u16 mode)
{
	switch (mode & EXT4_S_IFMT) {
	case EXT4_S_IFSOCK:
	case EXT4_S_IFLNK:
	case EXT4_S_IFREG:
	case EXT4_S_IFBLK:
	case EXT4_S_IFDIR:
	case EXT4_S_IFCHR:
	case EXT4_S_IFIFO:
		return true;
	}
	return false;
}

/* What to expect of the bytes. */
struct want {
	bool orphan;    /* may be without links */
	bool by_node;   /* from a host: being gone is no corruption */
	u32 generation; /* by_node */
};

/* I4. Reserved inodes (resize, bad blocks) need not look like files. */
static int inode_check(struct exec *x, const struct inode *inode, const struct want *want)
{
	const struct ext4_inode *raw = inode_raw(x, inode);
	const struct fs *fs = fs_of(x);
	const struct frame *f = frame_of(x, inode->itable);
	u32 nth = inode->itable_offset >> fs->inode_shift;
	u64 size = inode_size(raw);

	if (want->by_node &&
	    (!raw->i_links_count || !raw->i_mode ||
	     (inode->ino != EXT4_ROOT_INO && raw->i_generation != want->generation)))
		return -MP_ESTALE;
	/* changed since it was read or written: its checksum is made when it is written */
	if (!(frame_csum_mask(f) >> nth & 1) && csum_verify_inode(x, raw, inode->ino))
		return fs_bad_sum(x, "inode checksum", inode->ino, f->block);
	if (!raw->i_links_count && !want->orphan)
		return fs_corrupt(x, "inode is not in use", inode->ino, f->block);
	if (!type_valid(raw->i_mode))
		return fs_corrupt(x, "inode has no valid type", inode->ino, f->block);
	if (raw->i_extra_isize & 3u || raw->i_extra_isize > fs->inode_size - 128u)
		return fs_corrupt(x, "i_extra_isize", inode->ino, f->block);
	if (size >> 63 || (size >> BLOCK_SHIFT) > 0xFFFFFFFFu)
		return fs_corrupt(x, "i_size", inode->ino, f->block);
	if (raw->i_flags & (EXT4_FL_INLINE_DATA | EXT4_FL_EA_INODE)) {
		plat_log(x->plat, PLAT_ERR, "inode %u: flags 0x%x are not supported", inode->ino,
			 raw->i_flags);
		return -MP_EOPNOTSUPP;
	}
	return extent_check_root(x, inode);
}

static int inode_load(struct exec *x, struct inode *inode, const struct want *want)
{
	const struct fs *fs = fs_of(x);
	struct csum_id id = {CSUM_ITABLE, 0, 0};
	struct inode_home home;
	struct frame *f;
	int err;

	err = inode_place(x, inode->ino, &home);
	if (err)
		return err;
	id.owner = home.ino - (home.offset >> fs->inode_shift);
	err = buf_read(x, home.block, id, &f);
	if (err)
		return err;
	inode->itable = frame_no(x, f);
	inode->itable_offset = home.offset;
	inode->generation = inode_raw(x, inode)->i_generation;
	inode->type = inode_raw(x, inode)->i_mode & EXT4_S_IFMT;
	return inode_check(x, inode, want);
}

void slot_free_frozen(struct exec *x, struct inode *inode)
{
	int err;

	if (atomic_load(&inode->npages))
		page_drop(x, inode, 0, ~0u);
	icache_lock(x);
	err = slot_strip(x, inode);
	icache_unlock(x);
	if (err)
		plat_log(x->plat, PLAT_ERR, "an inode slot is lost: error %d", err);
}

bool slot_free(struct exec *x, struct inode *inode)
{
	u32 pins = PIN_MINE(x);

	if (!atomic_cas(&inode->pins, &pins, PIN_FREEZE(x)))
		return false;
	exec_step(x);
	slot_free_frozen(x, inode);
	return true;
}

struct inode *slot_get_fast(struct exec *x, ino_no_t ino)
{
	ref_t ref = atomic_load_acquire(hash_head(x, ino));
	struct inode *inode;
	u32 n;

	for (n = 0; ref && n < CHAIN_MAX; n++) {
		inode = slot_at(x, ref);
		if (atomic_load(&inode->ino) == ino)
			break;
		ref = atomic_load_acquire(&inode->hash_next);
	}
	if (!ref || n == CHAIN_MAX)
		return NULL;
	exec_jitter(x);
	if (!pin_try(x, &inode->pins))
		return NULL;
	/* it may have become another's before it was pinned, not after */
	if (atomic_load(&inode->ino) == ino && atomic_load_acquire(&inode->state) == INODE_READY) {
		if (!atomic_load(&inode->referenced))
			atomic_store(&inode->referenced, 1);
		return inode;
	}
	inode_put(x, inode);
	return NULL;
}

/* The hashed slot, pinned, ready; NULL when there is none, and then the lock is still held. */
static struct inode *slot_get(struct exec *x, ino_no_t ino)
{
	for (;;) {
		struct inode *inode;
		u32 state;

		icache_lock(x);
		inode = slot_find(x, ino);
		if (!inode)
			return NULL;
		state = atomic_load_acquire(&inode->state);
		if (state == INODE_READY && pin_try(x, &inode->pins)) {
			atomic_store(&inode->referenced, 1);
			icache_unlock(x);
			return inode;
		}
		icache_unlock(x);
		exec_wait(x, &inode->state, state, 100);
	}
}

/* Makes a slot that was just taken READY; on failure it is gone. */
static int slot_load(struct exec *x, struct inode *inode, const struct want *want)
{
	int err = inode_load(x, inode, want);
	fno_t itable = inode->itable;

	if (err) {
		inode->itable = 0; /* it keeps none */
		inode_unhash(x, inode);
		if (itable)
			buf_put(x, frame_of(x, itable));
		plat_wake(x->plat, &inode->state);
		inode_put(x, inode);
		return err;
	}
	if (POOL_SHARED)
		icache_lock(x);
	slot_ready(x, inode);
	if (POOL_SHARED)
		icache_unlock(x);
	plat_wake(x->plat, &inode->state);
	return 0;
}

static int inode_get_want(struct exec *x, ino_no_t ino, const struct want *want, struct inode **out)
{
	struct inode *inode = slot_get_fast(x, ino);
	int err;

	while (!inode && !(inode = slot_get(x, ino))) {
		if (fs_of(x)->inode_free) {
			err = slot_take(x, ino, &inode);
			icache_unlock(x);
			if (err)
				return err;
			err = slot_load(x, inode, want);
			if (err)
				return err;
			break;
		}
		icache_unlock(x);
		err = slot_reclaim(x);
		if (err)
			return err;
	}
	*out = inode;
	return 0;
}

int inode_get(struct exec *x, ino_no_t ino, struct inode **out)
{
	struct want want = {false, false, 0};

	if (!ino || ino > fs_of(x)->inodes_count)
		return fs_corrupt(x, "inode number out of range", ino, 0);
	return inode_get_want(x, ino, &want, out);
}

int inode_get_orphan(struct exec *x, ino_no_t ino, struct inode **out)
{
	struct want want = {true, false, 0};

	if (ino < fs_of(x)->first_ino || ino > fs_of(x)->inodes_count)
		return fs_corrupt(x, "orphan list names no file", ino, 0);
	return inode_get_want(x, ino, &want, out);
}

int inode_get_node(struct exec *x, node_t node, struct inode **out)
{
	ino_no_t ino = (ino_no_t)node;
	struct want want = {false, true, (u32)(node >> 32)};
	struct inode *inode;
	int err;

	if (ino > fs_of(x)->inodes_count || (ino < fs_of(x)->first_ino && node != FS_ROOT))
		return -MP_ESTALE;
	err = inode_get_want(x, ino, &want, &inode);
	if (err)
		return err;
	if (node != FS_ROOT && inode->generation != want.generation) {
		inode_put(x, inode);
		return -MP_ESTALE;
	}
	*out = inode;
	return 0;
}

int inode_slot_new(struct exec *x, const struct inode_home *home, u32 type, struct inode **out)
{
	struct fs *fs = fs_of(x);
	ino_no_t ino = home->ino;
	struct csum_id id = {CSUM_ITABLE, ino - (home->offset >> fs->inode_shift), 0};
	struct inode *inode;
	struct frame *f;
	int err;

	err = buf_read(x, home->block, id, &f);
	if (err)
		return err;
	while ((inode = slot_get(x, ino)) || !fs->inode_free) {
		if (!inode) {
			icache_unlock(x);
			err = slot_reclaim(x);
			if (err)
				goto out;
			continue;
		}
		/* left over from one that is gone, or whose creation was aborted, and not put yet
		 */
		if (!(atomic_load(&inode->flags) & (INODE_NEW | INODE_DEAD))) {
			err = fs_corrupt_maps(x, "inode bitmap says a live inode is free", ino, 0);
			inode_put(x, inode);
			goto out;
		}
		inode_unhash(x, inode);
		inode_put(x, inode);
	}
	err = slot_take(x, ino, &inode);
	if (!err) {
		inode->itable = frame_no(x, f);
		inode->itable_offset = home->offset;
		/* whoever has a node id of the inode that was here before does not mean this one */
		inode->generation = atomic_add(&fs->generation, 1);
		inode->type = type;
		atomic_store(&inode->flags, INODE_NEW);
		slot_ready(x, inode);
	}
	icache_unlock(x);
out:
	if (err)
		buf_put(x, f);
	else
		*out = inode;
	return err;
}

void inode_pin(struct exec *x, struct inode *inode)
{
	if (!pin_try(x, &inode->pins))
		plat_panic(x->plat, "an inode is pinned that nobody has", __FILE__, __LINE__);
}

/* ---- mount and unmount */
void icache_init(struct exec *x)
{
	struct fs *fs = fs_of(x);
	u32 i;

	memset(exec_ptr(x, fs->inode_hash), 0, fs->ninode_hash * 4);
	memset(exec_ptr(x, fs->inodes), 0, fs->ninodes * (u32)sizeof(struct inode));
	fs->inode_free = 0;
	for (i = fs->ninodes; i--;) {
		struct inode *inode = slot_nth(x, i);

		inode->pins = PIN_FROZEN;
		inode->free_next = fs->inode_free;
		fs->inode_free = exec_ref(x, inode);
	}
}

void icache_drop_all(struct exec *x)
{
	struct fs *fs = fs_of(x);
	u32 i;

	for (i = 0; i < fs->ninodes; i++) {
		struct inode *inode = slot_nth(x, i);

		if (inode->state == INODE_FREE)
			continue;
		if (atomic_load(&inode->npages))
			page_drop(x, inode, 0, ~0u);
		if (inode->itable)
			frame_drop(x, frame_of(x, inode->itable));
		inode->itable = 0;
	}
	fs->orphan_head = 0;
	icache_init(x);
}
