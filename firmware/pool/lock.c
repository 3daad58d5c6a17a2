/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Robust locks (lock.h). The order of stores is what recovery relies on: intent, lock word, held
 * list, intent cleared; and back: lock word, then held list.
 */
#include "pool/lock.h"

#include "platform/atomic.h"
#include "platform/errno.h"
#include "pool/wait.h"
#ifdef MPDISK_DEBUG
#include "fs/inode.h"
#include "journal/journal.h"
#endif

#define LOCK_TIMEOUT_MS 1000u /* then the word is looked at again */
#define LOCK_SPINS 60u        /* looks at a word before its waiter sleeps: about 2 us */
#define LOCK_STUCK 20u        /* timeouts after which a debug build gives up */

enum lock_mode { LOCK_MODE_READ, LOCK_MODE_WRITE };

static u32 lock_taken_word(const struct exec *x, enum lock_mode mode, u32 seen)
{
	return mode == LOCK_MODE_WRITE ? LOCK_WRITER | x->id : seen | x->bit;
}

/* Index in held[] + 1, or 0. The latest is the likeliest. */
static inline u32 lock_find(const struct exec_slot *slot, ref_t ref)
{
	u32 i = slot->nheld;

	while (i && (slot->held[i - 1] & ~HELD_FLAGS) != ref)
		i--;
	return i;
}

bool lock_held(const struct exec *x, const u32 *word)
{
	return lock_find(x->slot, exec_ref(x, word)) != 0;
}

#ifdef MPDISK_DEBUG
static const struct inode *lock_inode(const struct exec *x, ref_t ref)
{
	const struct fs *fs = fs_of(x);

	if (!x->pool->hdr->fs || ref < fs->inodes ||
	    ref - fs->inodes >= fs->ninodes * sizeof(struct inode))
		return NULL;
	return exec_ptr(x, ref);
}

/* Whether one may be taken after the other, of the same rank. */
static bool lock_equals_ok(const struct exec *x, ref_t held, ref_t ref, enum lock_rank rank)
{
	const struct inode *first, *then;

	if (rank == RANK_DENTRY)
		return held < ref;
	if (rank != RANK_INODE)
		return false;
	first = lock_inode(x, held);
	then = lock_inode(x, ref);
	/* what is no directory is nobody's parent; of a directory it cannot be told here */
	return !first || !then || inode_type_dir(first) ||
	       (!inode_type_dir(then) && first->ino < then->ino);
}

static void lock_check_rank(struct exec *x, ref_t ref, enum lock_rank rank)
{
	const struct exec_slot *slot = x->slot;

	if (rank < RANK_HASH)
		debug_claimed(x);
	for (u32 i = 0; i < slot->nheld; i++) {
		ref_t held = slot->held[i] & ~HELD_FLAGS;

		if (x->ranks[i] < rank ||
		    (x->ranks[i] == rank && lock_equals_ok(x, held, ref, rank)))
			continue;
		plat_log(x->plat, PLAT_ERR,
			 "executor %u holds rank %u (%08x) and wants rank %u (%08x)", x->id,
			 x->ranks[i], held, rank, ref);
		plat_panic(x->plat, "locks taken against their ranks", __FILE__, __LINE__);
	}
}
#else
static inline void lock_check_rank(struct exec *x, ref_t ref, enum lock_rank rank)
{
	(void)x, (void)ref, (void)rank;
}
#endif

static inline u32 lock_entry(ref_t ref, enum lock_mode mode, u32 mini)
{
	return (mode == LOCK_MODE_WRITE ? ref : ref | HELD_READER) | mini;
}

/* The intent is on record before the word can be taken. Nobody recovers a fiber of the soft core.
 */
static inline void lock_intend(struct exec *x, ref_t ref)
{
	if (POOL_SHARED && POOL_ROBUST) {
		atomic_store(&x->slot->intent, ref);
		exec_step(x);
	}
}

static inline void lock_note(struct exec *x, ref_t entry, enum lock_rank rank)
{
	struct exec_slot *slot = x->slot;
	u32 n = slot->nheld;

	exec_step(x);
	slot->held[n] = entry;
#ifdef MPDISK_DEBUG
	x->ranks[n] = (u8)rank;
#else
	(void)rank;
#endif
	exec_step(x);
	atomic_store_release(&slot->nheld, n + 1);
	exec_step(x);
	if (POOL_SHARED && POOL_ROBUST)
		atomic_store_release(&slot->intent, 0);
}

/* One attempt. */
static inline bool lock_attempt(struct exec *x, u32 *word, enum lock_mode mode)
{
	u32 seen = atomic_load(word);

	if (mode == LOCK_MODE_WRITE) {
		seen = 0;
		return atomic_cas(word, &seen, LOCK_WRITER | x->id);
	}
	/* a waiting writer goes before new readers */
	while (!(seen & (LOCK_WRITER | LOCK_WAITERS)))
		if (atomic_cas(word, &seen, seen | x->bit))
			return true;
	return false;
}

/* Waits until the lock is taken. The last holder always leaves 0 and wakes everybody. */
/* Most locks are held for less time than a sleep takes. */
static inline void lock_spin(const u32 *word)
{
	for (u32 n = 0; POOL_SHARED && n < LOCK_SPINS && atomic_load(word); n++)
		atomic_pause();
}

static __attribute__((noinline)) int lock_wait(struct exec *x, u32 *word, enum lock_mode mode,
					       enum lock_rank rank, u32 mini)
{
	u32 timeouts = 0;
	u64 since = plat_ms(x->plat);

	lock_spin(word);
	for (;;) {
		u32 seen = atomic_load(word);

		if (seen == 0 ||
		    (mode == LOCK_MODE_READ && !(seen & (LOCK_WRITER | LOCK_WAITERS)))) {
			if (!atomic_cas(word, &seen, lock_taken_word(x, mode, seen)))
				continue;
			lock_note(x, lock_entry(exec_ref(x, word), mode, mini), rank);
			return 0;
		}
		if (!(seen & LOCK_WAITERS)) {
			if (!atomic_cas(word, &seen, seen | LOCK_WAITERS))
				continue;
			seen |= LOCK_WAITERS;
			exec_step(x);
		}
		exec_wait(x, word, seen, LOCK_TIMEOUT_MS);
		exec_step(x);
		if (plat_ms(x->plat) - since < LOCK_TIMEOUT_MS)
			continue;
		since = plat_ms(x->plat);
		timeouts++;
#ifdef MPDISK_DEBUG
		plat_log(x->plat, PLAT_WARN, "executor %u has waited %u s for lock %08x: %08x",
			 x->id, timeouts * LOCK_TIMEOUT_MS / 1000, exec_ref(x, word),
			 atomic_load(word));
		if (timeouts == LOCK_STUCK && !journal_halted(x)) {
			debug_who_waits(x);
			plat_panic(x->plat, "a lock is never released", __FILE__, __LINE__);
		}
#endif
	}
}

static __attribute__((noinline)) int lock_full(struct exec *x)
{
	plat_log(x->plat, PLAT_ERR, "executor %u holds %u locks and wants one more", x->id,
		 POOL_HELD);
	return -MP_EDEADLK;
}

static inline int lock_take(struct exec *x, u32 *word, enum lock_mode mode, enum lock_rank rank,
			    u32 mini)
{
	struct exec_slot *slot = x->slot;
	ref_t ref = exec_ref(x, word);

	if (slot->nheld == POOL_HELD)
		return lock_full(x);
	lock_check_rank(x, ref, rank);
	lock_intend(x, ref);
	if (!lock_attempt(x, word, mode))
		return lock_wait(x, word, mode, rank, mini);
	lock_note(x, lock_entry(ref, mode, mini), rank);
	return 0;
}

/* The lock could not be had at once. */
static __attribute__((noinline)) int lock_write_slow(struct exec *x, u32 *word, enum lock_rank rank)
{
	u32 i = lock_find(x->slot, exec_ref(x, word));

	if (i)
		return x->slot->held[i - 1] & HELD_READER ? -MP_EDEADLK : 0;
	return lock_take(x, word, LOCK_MODE_WRITE, rank, 0);
}

int lock_write(struct exec *x, u32 *word, enum lock_rank rank)
{
	struct exec_slot *slot = x->slot;

	/* a word that is 0 is not ours already: no need to look through what is held */
	if (POOL_SHARED || slot->nheld == POOL_HELD || atomic_load(word))
		return lock_write_slow(x, word, rank);
	atomic_store(word, LOCK_WRITER | x->id);
	lock_note(x, exec_ref(x, word), rank);
	return 0;
}

int lock_read(struct exec *x, u32 *word, enum lock_rank rank)
{
	if (lock_find(x->slot, exec_ref(x, word)))
		return 0;
	return lock_take(x, word, LOCK_MODE_READ, rank, 0);
}

void lock_mini(struct exec *x, u32 *word, enum lock_rank rank)
{
	struct exec_slot *slot = x->slot;

	if (!POOL_SHARED && slot->nheld != POOL_HELD && !atomic_load(word)) {
		atomic_store(word, LOCK_WRITER | x->id);
		lock_note(x, exec_ref(x, word) | HELD_MINI, rank);
		return;
	}
	if (lock_held(x, word) || lock_take(x, word, LOCK_MODE_WRITE, rank, HELD_MINI) != 0)
		plat_panic(x->plat, "a mini's lock cannot be taken", __FILE__, __LINE__);
}

bool lock_mini_try(struct exec *x, u32 *word, enum lock_rank rank)
{
	struct exec_slot *slot = x->slot;
	ref_t ref = exec_ref(x, word);

	if (slot->nheld == POOL_HELD || lock_find(slot, ref))
		return false;
	lock_intend(x, ref);
	if (!lock_attempt(x, word, LOCK_MODE_WRITE)) {
		atomic_store_release(&slot->intent, 0);
		return false;
	}
	lock_note(x, ref | HELD_MINI, rank);
	return true;
}

/* Gives the word back; wakes who waits when it becomes free. */
static inline void lock_free_word(struct exec *x, u32 *word, u32 bit, bool reader)
{
	u32 seen = atomic_load(word), next;

	do {
		next = reader ? seen & ~bit : 0;
		if (!(next & LOCK_READERS))
			next = 0;
	} while (!atomic_cas(word, &seen, next));
	if ((seen & LOCK_WAITERS) && next == 0)
		plat_wake(x->plat, word);
}

/* An entry whose word is not ours any more says nothing to recovery: moving the others is safe. */
static __attribute__((noinline)) void lock_forget(struct exec *x, u32 i)
{
	struct exec_slot *slot = x->slot;

	for (; i < slot->nheld; i++) {
		slot->held[i - 1] = slot->held[i];
		x->ranks[i - 1] = x->ranks[i];
	}
}

static __attribute__((noinline)) void lock_drop_slow(struct exec *x, u32 *word)
{
	struct exec_slot *slot = x->slot;
	u32 i = lock_find(slot, exec_ref(x, word));

	if (!i)
		plat_panic(x->plat, "a lock is dropped that is not held", __FILE__, __LINE__);
	exec_step(x);
	lock_free_word(x, word, x->bit, slot->held[i - 1] & HELD_READER);
	exec_step(x);
	if (i != slot->nheld)
		lock_forget(x, i);
	atomic_store_release(&slot->nheld, slot->nheld - 1);
}

void lock_drop(struct exec *x, u32 *word)
{
	struct exec_slot *slot = x->slot;
	u32 n = slot->nheld;

	/* the latest one, for writing, and nobody waits: most often so */
	if (!POOL_SHARED && n && (slot->held[n - 1] & ~HELD_FLAGS) == exec_ref(x, word) &&
	    atomic_load(word) == (LOCK_WRITER | x->id)) {
		atomic_store(word, 0);
		slot->nheld = n - 1;
		return;
	}
	lock_drop_slow(x, word);
}

static __attribute__((noinline)) void lock_release_some(struct exec *x, u32 n)
{
	struct exec_slot *slot = x->slot;

	for (; n; n--) {
		u32 entry = slot->held[n - 1];

		exec_step(x);
		lock_free_word(x, exec_ptr(x, entry & ~HELD_FLAGS), x->bit, entry & HELD_READER);
		exec_step(x);
		atomic_store_release(&slot->nheld, n - 1);
	}
}

void lock_release_all(struct exec *x)
{
	struct exec_slot *slot = x->slot;
	u32 n = slot->nheld;

	while (!POOL_SHARED && n) {
		u32 entry = slot->held[n - 1];
		u32 *word = exec_ptr(x, entry & ~HELD_FLAGS);
		u32 seen = atomic_load(word);

		if (seen & LOCK_WAITERS)
			break;
		atomic_store(word, entry & HELD_READER ? seen & ~x->bit : 0);
		slot->nheld = --n;
	}
	if (n)
		lock_release_some(x, n);
}

static void lock_release_dead_word(struct exec *x, ref_t ref, u32 dead_id)
{
	u32 *word = exec_ptr(x, ref);
	u32 seen = atomic_load(word);

	if (seen & LOCK_WRITER ? (seen & LOCK_OWNER) == dead_id : seen >> dead_id & 1)
		lock_free_word(x, word, 1u << dead_id, !(seen & LOCK_WRITER));
	else
		plat_wake(x->plat, word); /* it may have died between freeing and waking */
	exec_step(x);
}

void lock_release_dead(struct exec *x, struct exec_slot *dead, u32 dead_id, bool all)
{
	u32 n = min_of(dead->nheld, POOL_HELD);

	for (u32 i = 0; i < n; i++) {
		u32 entry = dead->held[i];

		if (!entry || !(all || entry & HELD_MINI))
			continue;
		lock_release_dead_word(x, entry & ~HELD_FLAGS, dead_id);
		atomic_store_release(&dead->held[i], 0);
	}
	if (all)
		atomic_store_release(&dead->nheld, 0);
	exec_step(x);
	/* an intent that became a lock is in held[] too, unless nothing was done under it */
	if (dead->intent && !lock_find(dead, dead->intent))
		lock_release_dead_word(x, dead->intent, dead_id);
	atomic_store_release(&dead->intent, 0);
}
