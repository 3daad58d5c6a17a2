/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Debug builds: finds executors that wait for each other in a circle, and says which.
 *
 * An executor that waits has the word in slot->waits; who has to change that word is written in the
 * word itself (lock words, editors, the worker in a frame's flags) or in that one's slot. Who has
 * waited for a while looks for a way from itself back to itself. What it holds stands still
 * meanwhile, so a way that is there every time it is walked, once more than it is long, is a
 * circle: each walk makes one more executor of it certain, from the last one on.
 */
#include "pool/wait.h"

#ifdef MPDISK_DEBUG
#include "fs/inode.h"
#include "journal/journal.h"
#include "pool/cache.h"
#include "port/host.h"

#define LOOK_MS 250u /* a wait as long as that looks for a circle */

/* What a word of the pool is. */
enum wait_kind {
	WAIT_LOCK,
	WAIT_FLAGS,
	WAIT_PINS,
	WAIT_EDITORS,
	WAIT_STATE,
	WAIT_JOURNAL,
	WAIT_SPIN
};
struct wait_word {
	enum wait_kind kind;
	const char *name;
	u32 number;
	const struct inode *inode;
};

static const struct exec_slot *slot_of(const struct exec *x, u32 id)
{
	return (const struct exec_slot *)exec_ptr(x, x->pool->hdr->slots) + (id - 1);
}

/* Whether ref lies in an array; its element and the place in that. */
static bool in_array(ref_t ref, ref_t array, u32 n, u32 size, u32 *index, u32 *offset)
{
	if (!array || ref < array || ref - array >= n * size)
		return false;
	*index = (ref - array) / size;
	*offset = (ref - array) % size;
	return true;
}

static void frame_word(u32 index, u32 offset, struct wait_word *w)
{
	w->number = index;
	switch (offset) {
	case offsetof(struct frame, flags):
		w->kind = WAIT_FLAGS;
		w->name = "the end of I/O of frame";
		break;
	case offsetof(struct frame, pins):
		w->kind = WAIT_PINS;
		w->name = "the pins of frame";
		break;
	case offsetof(struct frame, editors):
		w->kind = WAIT_EDITORS;
		w->name = "the editors of frame";
		break;
	}
}

static void inode_word(const struct exec *x, u32 index, u32 offset, struct wait_word *w)
{
	const struct inode *inode = (struct inode *)exec_ptr(x, fs_of(x)->inodes) + index;

	w->inode = inode;
	w->number = atomic_load(&inode->ino);
	switch (offset) {
	case offsetof(struct inode, lock):
		w->name = "the lock of inode";
		break;
	case offsetof(struct inode, pages_lock):
		w->name = "the page list of inode";
		break;
	case offsetof(struct inode, state):
		w->kind = WAIT_STATE;
		w->name = "the slot of inode";
		break;
	}
}

static const char *single_name(const struct exec *x, ref_t ref)
{
	const struct pool_header *hdr = x->pool->hdr;
	const void *p = exec_ptr(x, ref);

	if (p == &hdr->free_lock)
		return "the lock of the free list";
	if (p == &hdr->writeback_lock)
		return "the lock of write-back";
	if (!hdr->fs)
		return NULL;
	if (p == &fs_of(x)->rename_lock)
		return "the rename lock";
	if (p == &fs_of(x)->orphan_lock)
		return "the lock of the orphan list";
	if (p == &fs_of(x)->xattr_lock)
		return "the lock of shared xattr blocks";
	if (p == &fs_of(x)->super_lock)
		return "the lock of the superblock";
	if (p == &fs_of(x)->icache_lock)
		return "the lock of the inode cache";
	return NULL;
}

static struct wait_word describe(const struct exec *x, ref_t ref)
{
	const struct pool_header *hdr = x->pool->hdr;
	struct wait_word w = {.kind = WAIT_LOCK, .name = single_name(x, ref)};
	u32 index, offset;

	if (w.name)
		return w;
	w.name = "the lock at";
	w.number = ref;
	if (in_array(ref, hdr->frames, hdr->nframes, sizeof(struct frame), &index, &offset)) {
		frame_word(index, offset, &w);
	} else if (in_array(ref, hdr->hash_locks, hdr->nhash / 16, 4, &index, &offset)) {
		w.name = "the lock of frame hash buckets";
		w.number = index;
	} else if (ref == exec_ref(x, &hdr->gate) ||
		   in_array(ref, hdr->journal, 1, sizeof(struct journal), &index, &offset)) {
		w.kind = WAIT_JOURNAL;
		w.name = "the journal, word";
		w.number = ref;
	} else if (hdr->hosts && in_array(ref, hdr->hosts + offsetof(struct pool_hosts, host),
					  POOL_HOSTS, sizeof(struct pool_host), &index, &offset)) {
		w.kind = WAIT_SPIN;
		w.name = "the session of host";
		w.number = index + 1;
	} else if (!hdr->fs) {
		return w;
	} else if (in_array(ref, fs_of(x)->inodes, fs_of(x)->ninodes, sizeof(struct inode), &index,
			    &offset)) {
		inode_word(x, index, offset, &w);
	} else if (in_array(ref, fs_of(x)->groups, fs_of(x)->ngroups, sizeof(struct group), &index,
			    &offset)) {
		w.name = "the lock of group";
		w.number = index;
	} else if (in_array(ref, fs_of(x)->dentry_sets, fs_of(x)->ndentry_sets, 512, &index,
			    &offset)) {
		w.name = "the lock of dentry set";
		w.number = index;
	}
	return w;
}

static bool inode_held(const struct exec *x, const struct exec_slot *slot,
		       const struct inode *inode)
{
	return atomic_load(&slot->inode) == exec_ref(x, inode);
}

/* Who commits waits for those that have joined, and they for who commits. */
static u32 journal_holders(const struct exec *x, u32 waiter)
{
	u32 owner = atomic_load(&x->pool->hdr->writeback_lock), bits = 0;

	if (!(owner & LOCK_WRITER))
		return 0;
	if ((owner & LOCK_OWNER) != waiter)
		return 1u << (owner & LOCK_OWNER);
	for (u32 id = 1; id <= POOL_EXECUTORS; id++)
		if (atomic_load(&slot_of(x, id)->tid))
			bits |= 1u << id;
	return bits & ~(1u << waiter);
}

/* The executors that have something to end before the one that waits can go on; a bit each. */
static u32 holders(const struct exec *x, u32 waiter, ref_t ref)
{
	struct wait_word w = describe(x, ref);
	u32 now = atomic_load((u32 *)exec_ptr(x, ref)), own = 1u << waiter, bits = 0;

	switch (w.kind) {
	case WAIT_LOCK:
		if (now & LOCK_WRITER)
			bits = 1u << (now & LOCK_OWNER);
		else
			bits = now & LOCK_READERS;
		return bits & own ? 0 : bits; /* it has it, and has not said so yet */
	case WAIT_FLAGS:
		return 1u << ((now & FRAME_WORKER) >> FRAME_WORKER_SHIFT) & LOCK_READERS;
	case WAIT_EDITORS:
	case WAIT_PINS: /* who has it pinned, or who has it frozen */
		bits = now & LOCK_READERS;
		break;
	case WAIT_STATE: /* who empties it, which has it frozen */
		bits = atomic_load(&w.inode->pins);
		bits = bits & PIN_FROZEN ? bits & LOCK_READERS : 0;
		break;
	case WAIT_JOURNAL:
		return journal_holders(x, waiter);
	case WAIT_SPIN:
		return 1u << (now & LOCK_OWNER) & LOCK_READERS & ~own;
	}
	for (u32 id = 1; id <= POOL_EXECUTORS; id++) {
		const struct exec_slot *slot = slot_of(x, id);

		if (w.kind == WAIT_STATE && inode_held(x, slot, w.inode))
			bits |= 1u << id;
	}
	return bits & ~own;
}

/* Whom executor id waits for now. */
static u32 waits_for(const struct exec *x, u32 id)
{
	const struct exec_slot *slot = slot_of(x, id);
	ref_t ref = atomic_load(&slot->waits);

	if (!ref || (atomic_load(&slot->state) & EXEC_STATE) != EXEC_USED)
		return 0;
	return holders(x, id, ref);
}

/* The shortest way from x to itself: its length, 0 for none; path[0] is x. */
static u32 find_circle(const struct exec *x, u32 path[POOL_EXECUTORS])
{
	u32 from[POOL_EXECUTORS + 1], queue[POOL_EXECUTORS], n = 0, done = 0, known = 0;
	u32 id = x->id, len = 0;

	for (;;) {
		u32 next = waits_for(x, id);

		if (next & x->bit)
			break;
		for (u32 to = 1; to <= POOL_EXECUTORS; to++)
			if (next & ~known & 1u << to) {
				known |= 1u << to;
				from[to] = id;
				queue[n++] = to;
			}
		if (done == n)
			return 0;
		id = queue[done++];
	}
	for (; id != x->id; id = from[id])
		path[len++] = id;
	path[len++] = x->id;
	for (u32 i = 0; i < len / 2; i++) {
		u32 other = path[i];

		path[i] = path[len - 1 - i];
		path[len - 1 - i] = other;
	}
	return len;
}

static bool still_there(const struct exec *x, const u32 *path, u32 len)
{
	for (u32 round = 0; round <= len; round++)
		for (u32 i = 0; i < len; i++)
			if (!(waits_for(x, path[i]) >> path[(i + 1) % len] & 1))
				return false;
	return true;
}

static void tell(struct exec *x, u32 id, u32 to)
{
	struct wait_word w = describe(x, atomic_load(&slot_of(x, id)->waits));

	plat_log(x->plat, PLAT_ERR, "executor %u waits for %s %u, which executor %u has", id,
		 w.name, w.number, to);
}

static void look_for_circle(struct exec *x)
{
	u32 path[POOL_EXECUTORS], len = find_circle(x, path);

	if (!len || !still_there(x, path, len))
		return;
	for (u32 i = 0; i < len; i++)
		tell(x, path[i], path[(i + 1) % len]);
	plat_panic(x->plat, "deadlock", __FILE__, __LINE__);
}

void debug_who_waits(struct exec *x)
{
	for (u32 id = 1; id <= POOL_EXECUTORS; id++) {
		u32 bits = waits_for(x, id);

		for (u32 to = 1; to <= POOL_EXECUTORS; to++)
			if (bits >> to & 1)
				tell(x, id, to);
	}
}

void debug_claimed(struct exec *x)
{
	if (x->claimed)
		plat_panic(x->plat, "waits with frames claimed for writing", __FILE__, __LINE__);
}

void debug_wait(struct exec *x, u32 *word, u32 seen, u32 timeout_ms)
{
	u32 ms = timeout_ms ? min_of(timeout_ms, LOOK_MS) : LOOK_MS;
	u64 since = plat_ms(x->plat);

	if (describe(x, exec_ref(x, word)).kind != WAIT_LOCK)
		debug_claimed(x);
	atomic_store(&x->slot->waits, exec_ref(x, word));
	do {
		plat_wait(x->plat, word, seen, ms);
		if (plat_ms(x->plat) - since >= LOOK_MS)
			look_for_circle(x);
	} while (atomic_load(word) == seen && plat_ms(x->plat) - since < timeout_ms);
	atomic_store(&x->slot->waits, 0);
}

void debug_yield(struct exec *x, const u32 *word)
{
	ref_t ref = exec_ref(x, word);
	u32 now;

	if (ref >= x->pool->size) { /* of a port, which is no executor's to wait for in a circle */
		plat_yield(x->plat);
		return;
	}
	now = (u32)plat_ms(x->plat);
	/* it is not the same wait again if the executor has yielded for something else since */
	if (x->yielded != ref) {
		x->yielded = ref;
		x->yield_ms = now;
	} else if (now - x->yield_ms >= LOOK_MS) {
		x->yield_ms = now;
		atomic_store(&x->slot->waits, ref);
		look_for_circle(x);
		atomic_store(&x->slot->waits, 0);
	}
	plat_yield(x->plat);
}
#else
/* A translation unit must not be empty. */
typedef int mpdisk_no_deadlock;
#endif
