/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Robust locks: 32-bit words in the pool whose owner can be told after its death.
 *
 * A lock word: 0 free; bit 31 set: held for writing by the executor in bits 4:0; else bits 24:1:
 * one bit per executor that holds it for reading (bit = id). Bit 30: somebody waits. Taking: write
 * the intent into the slot, compare-and-swap, move the intent to the held list. Ranks rise: an
 * executor that holds rank r takes only ranks > r, or equal where the row of docs/LOCKING.md gives
 * an order among equals. Debug builds (MPDISK_DEBUG) panic otherwise, and when executors wait for
 * each other (wait.h).
 */
#ifndef MPDISK_LOCK_H
#define MPDISK_LOCK_H

#include "platform/atomic.h"
#include "pool/exec.h"

enum lock_rank {
	RANK_WRITEBACK, /* the writer of buffers: taken with nothing else held, or tried */
	RANK_RENAME,    /* one: renames that move a directory elsewhere */
	RANK_INODE,     /* parents before children, directories before others, else by number */
	RANK_ORPHAN,    /* the orphan list: superblock head and i_dtime of the inodes on it */
	RANK_XATTR,     /* one: reference counts of shared xattr blocks */
	RANK_SUPER,     /* other superblock fields */
	RANK_FLOCK,     /* the table of locks on files */
	RANK_DENTRY,    /* buckets of the dentry hash, ascending address */
	RANK_GROUP,     /* minis only: allocator of one block group */
	RANK_ICACHE,    /* minis only: inode hash and its LRU */
	RANK_HASH,      /* minis only: bucket of the frame hash */
	RANK_FREE,      /* minis only: frame free list and LRU */
	RANK_ERROR,     /* minis only: the errors to be told (fs/error.c) */
};

#define LOCK_WRITER 0x80000000u
#define LOCK_WAITERS 0x40000000u
#define LOCK_READERS 0x01FFFFFEu
#define LOCK_OWNER 0x0000001Fu

/* In held[] of an executor's slot. */
#define HELD_READER 1u
/* Dropped by lock_drop(): at recovery it goes before settling, which takes such. */
#define HELD_MINI (POOL_SHARED ? 2u : 0u)
#define HELD_FLAGS 3u

/* Held until the end of the tx. Waits. -EDEADLK only for a lock the executor holds already in the
 * other mode. Taking a lock again that is held in the same mode (or held for writing, wanted for
 * reading) is a no-op. */
int warn_unused lock_write(struct exec *x, u32 *word, enum lock_rank rank);
int warn_unused lock_read(struct exec *x, u32 *word, enum lock_rank rank);

/* For minis: held only until lock_drop(). */
void lock_mini(struct exec *x, u32 *word, enum lock_rank rank);
/* Cannot wait, so the rank may be any. False also for what is held already. */
bool lock_mini_try(struct exec *x, u32 *word, enum lock_rank rank);
void lock_drop(struct exec *x, u32 *word);

/* Whether this executor holds it, in any mode. */
bool lock_held(const struct exec *x, const u32 *word);

/* All that the executor holds; called by tx_commit and tx_abort. */
void lock_release_all(struct exec *x);

/* Recovery: releases what a dead executor was taking and its minis' locks, or all that it holds.
 * Idempotent. */
void lock_release_dead(struct exec *x, struct exec_slot *dead, u32 dead_id, bool all);

#endif
