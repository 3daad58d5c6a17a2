/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Frames: the 4 KiB pages of the pool, and the two caches made of them: buffers (metadata, by
 * medium block) and pages (file data, by inode and page).
 *
 * Invariants
 *  F1. A frame with pins is neither evicted nor reused.
 *  F2. A buffer goes to the log, and from there home, only as a committed transaction has left it
 *      (journal.h). It is written from a copy: a tx that edits it next does not wait for the
 *      medium.
 *  F3. A dirty page knows its medium block: blocks are allocated before the data is put in the
 *      cache. It is written in place, and stays dirty if it changes meanwhile.
 *  F4. Checksums are verified when a buffer is read and made when its transaction is committed
 *      (csum.h), never between.
 *  F5. FRAME_UPTODATE is set only when the content is whole; who finds it clear waits on flags.
 *  F6. Block numbers are not reused while a frame of theirs is in the cache: page_drop() and
 *      buf_forget() come before the block is free, and wait for a write under way.
 *  F7. An inode slot is not given to another inode before page_drop() of all its pages.
 */
#ifndef MPDISK_FRAME_H
#define MPDISK_FRAME_H

#include "platform/atomic.h"
#include "pool/exec.h"

struct inode;

enum frame_kind {
	FRAME_FREE,
	FRAME_BUF,
	FRAME_PAGE,
	FRAME_NOTE, /* what was made of a buffer, and can be made again */
	FRAME_ANON,
	FRAME_FIXED,
};

#define FRAME_UPTODATE 0x01u
#define FRAME_DIRTY 0x02u
#define FRAME_WRITING 0x04u /* being written to the medium */
#define FRAME_READING 0x08u
#define FRAME_ERROR 0x10u /* the last write failed */

#define FRAME_REF 0x20u        /* used since the clock hand passed */
#define FRAME_WAITERS 0x40u    /* somebody waits on flags */
#define FRAME_OLD 0x80u        /* dirty since before the flusher's last look */
#define FRAME_FORGOTTEN 0x200u /* BUF: its block is freed in run_tid, which does not log it */
#define FRAME_CHECKED 0x100u   /* the filesystem has checked the structure of what was read */

/* The executor that reads or writes it: so that READING and WRITING do not outlive it. */
#define FRAME_WORKER_SHIFT 24u
#define FRAME_WORKER (0x1Fu << FRAME_WORKER_SHIFT)

/* In pins: being evicted or free, cannot be pinned (pin.h). */
#define FRAME_FROZEN 0x80000000u
/* In editors: being sealed and copied for writing by the executor whose bit is set; cannot be
 * edited for that moment. */
#define FRAME_SEALING 0x80000000u
#define FRAME_EDIT_WAITERS 0x40000000u

/* What kind of checksum a buffer carries: who seals it and with what (fs/csum.c). */
enum csum_kind {
	CSUM_NONE = 0,     /* none: symlink targets */
	CSUM_SUPER,        /* block 0: superblock at byte 1024 */
	CSUM_GDT,          /* group descriptors; owner = number of the first one in the block */
	CSUM_BLOCK_BITMAP, /* owner = group; the sum itself lives in the descriptor */
	CSUM_INODE_BITMAP, /* owner = group */
	CSUM_ITABLE,       /* owner = number of the first inode in the block; mask: which to seal */
	CSUM_EXTENT,       /* owner = inode number, seed */
	CSUM_DIR,          /* linear or leaf directory block: owner = inode number, seed */
	CSUM_DX,           /* htree root or node: owner = inode number, seed */
	CSUM_XATTR,        /* the block number is in the sum */
};

struct frame {         /* 64 bytes */
	u32 kind;      /* [owner or hash lock] enum frame_kind */
	u32 flags;     /* atomic; waited on */
	u32 pins;      /* atomic: pin.h */
	u32 hash_next; /* [hash lock] fno */
	u32 key_lo;    /* [immutable while hashed] BUF, NOTE: block, PAGE: page index */
	u32 key_hi;    /* [immutable while hashed] BUF, NOTE: block >> 32, PAGE: inode number */
	union {
		fno_t free_next; /* FREE [free_lock] */
		fno_t frozen;    /* BUF [SEALING]: the committing transaction's copy of it */
	};
	u32 owner; /* executor whose ANON frame it is, until it is in a cache; else 0 */
	union {
		fno_t own_next; /* PAGE [inode's pages_lock]: pages of one inode */
		u32 run_tid;    /* BUF [SEALING]: transaction, not committed yet, that has it */
	};
	union {
		fno_t own_prev; /* PAGE [inode's pages_lock] */
		u32 log_tid; /* BUF [SEALING]: last transaction whose log has it; 0: it is home */
	};
	blkno_t block;  /* BUF, and PAGE with a medium block: where it is written; PAGE 0: a hole,
			   clean */
	u32 csum;       /* atomic: enum csum_kind, and in the upper half a mask: inodes of the
			   itable block to seal; in a CSUM_DIR buffer the leaf's insert hint
			   (dir.c) and DIR_ORDERED */
	u32 csum_owner; /* PAGE: ref of its struct inode */
	union {
		u32 csum_seed; /* BUF: inode checksum seed for EXTENT, DIR, DX */
		u32 stores;    /* PAGE: atomic: a bit per host whose users may store into it */
	};
	u32 editors; /* atomic: a bit per executor whose open tx has edited it; FRAME_SEALING */
};

_Static_assert(sizeof(struct frame) == 64, "struct frame");
_Static_assert(offsetof(struct frame, owner) == offsetof(struct frame, free_next) + 4,
	       "saved as one");

static inline u32 frame_csum_kind(const struct frame *f)
{
	return atomic_load(&f->csum) & 0xFFFFu;
}

/* A bit that is gone: whoever took it has written the sum before. */
static inline u32 frame_csum_mask(const struct frame *f)
{
	return atomic_load_acquire(&f->csum) >> 16;
}

/* By who alone may change it: the one that makes or edits the buffer. */
static inline void frame_csum_set(struct frame *f, enum csum_kind kind, u32 mask)
{
	atomic_store(&f->csum, kind | mask << 16);
}

/* Adds to the mask what may be added by several at once. */
static inline void frame_csum_or(struct frame *f, u32 mask)
{
	atomic_or(&f->csum, mask << 16);
}

static inline fno_t frame_no(const struct exec *x, const struct frame *f)
{
	return (fno_t)(f - x->pool->frames);
}

static inline struct frame *frame_of(const struct exec *x, fno_t fno)
{
	return &x->pool->frames[fno];
}

static inline ref_t frame_ref(const struct exec *x, const struct frame *f)
{
	return (ref_t)frame_no(x, f) << BLOCK_SHIFT;
}

static inline void *frame_data(const struct exec *x, const struct frame *f)
{
	return x->pool->base + frame_ref(x, f);
}

/* ---- any frame */
/* A pinned FRAME_ANON frame with undefined content; evicts and writes back when none is free.
 * -ENOMEM. */
int warn_unused frame_alloc(struct exec *x, struct frame **out);
void frame_pin(struct exec *x, struct frame *f);
/* Drops a pin; the last pin of an ANON frame frees it. */
void frame_unpin(struct exec *x, struct frame *f);
/* The caller's pin becomes that of a structure of the pool, which lives longer than he; and the end
 * of such a pin. What a death leaves in between is the structure's business. */
void frame_give(struct exec *x, struct frame *f);
void frame_drop(struct exec *x, struct frame *f);
/* The same, of an ANON frame that only the caller has: with the word of the pool by which the
 * structure names it. Nobody else changes the word; a death leaves the frame with the one or with
 * the other. */
void frame_place(struct exec *x, u32 *place, struct frame *f);
void frame_displace(struct exec *x, u32 *place);

/* ---- buffers: identity of the checksum is given by who knows what the block is */
struct csum_id {
	enum csum_kind kind;
	u32 owner;
	u32 seed;
};

/* The block's buffer, pinned, read and verified. -EIO: medium; -EUCLEAN: bad checksum (logged);
 * -ENOMEM. */
int warn_unused buf_read(struct exec *x, blkno_t block, struct csum_id id, struct frame **out);
/* The buffer of a block that was just allocated: pinned, zeroed, not read. Belongs to the open tx.
 */
int warn_unused buf_new(struct exec *x, blkno_t block, struct csum_id id, struct frame **out);
static inline void buf_put(struct exec *x, struct frame *f)
{
	frame_unpin(x, f);
}
/* Declares that the open tx, which has joined a transaction (tx_begin_change), edits the buffer:
 * dirty, and part of that transaction. Idempotent. -ERETRY: the transaction is full (journal.h). */
int warn_unused buf_edit(struct exec *x, struct frame *f);
/* One more inode of an itable buffer to be sealed; the buffer is edited by this tx. */
static inline void buf_csum_add(struct frame *f, u32 index)
{
	/* who seals it clears the bit, and is not at it while this tx has it edited */
	if (!(atomic_load(&f->csum) & 0x10000u << index))
		atomic_or(&f->csum, 0x10000u << index);
}
/* A note beside a buffer that the caller has pinned: a frame of what was made of it. It is evicted
 * like a clean buffer, and may be of a former content, or of another life of the block: that is for
 * the maker to know. Pinned, or NULL. */
struct frame *buf_note_find(struct exec *x, const struct frame *f);
/* The caller's ANON frame becomes the note; if another executor was first, it is freed. Returns the
 * one that is there, pinned; from now on nobody changes it. */
struct frame *buf_note_add(struct exec *x, const struct frame *f, struct frame *note);
/* Throws away a note that the caller has pinned; others may be at that too. */
void buf_note_drop(struct exec *x, struct frame *note);
/* Drops buffers of freed blocks without writing them (called when the blocks are really freed). */
void buf_forget(struct exec *x, blkno_t block, u32 count);

/* ---- pages: the caller holds the inode's lock (read: find; write: everything else, except that a
 * reader may add a clean page that it has read: page_add is safe among readers) */
/* The cached page, pinned and UPTODATE (waits for a read under way), or NULL. */
struct frame *page_find(struct exec *x, struct inode *inode, lblk_t index);
/* Puts an ANON frame into the cache as page `index`, with its medium block (0: hole). The frame
 * keeps the caller's pin. If another executor was first, *f becomes that frame (pinned) and the
 * caller's is unpinned; it is UPTODATE (page_add waits for the other's read). Who adds several
 * pages before reading them adds them in ascending order. uptodate false: the caller reads it now
 * and calls page_uptodate(); with an error that takes the page out of the cache again. */
void page_add(struct exec *x, struct inode *inode, lblk_t index, struct frame **f, blkno_t block,
	      bool uptodate);
void page_uptodate(struct exec *x, struct frame *f, int error);
/* Marks a page dirty, its block known (F3). */
void page_dirty(struct exec *x, struct inode *inode, struct frame *f, blkno_t block);
/* The caller's ANON frame f, whole and dirty, takes the place of the page `old`, which the caller
 * has pinned: at every moment one of them is the page. Both keep the caller's pins, old as ANON. */
void page_replace(struct exec *x, struct inode *inode, struct frame *old, struct frame *f,
		  blkno_t block);
/* Takes pages [first, last] out of the cache without writing; pinned frames live on unhashed as
 * ANON. */
void page_drop(struct exec *x, struct inode *inode, lblk_t first, lblk_t last);
/* Recovery: takes the pages of these blocks out of the cache without writing. */
void page_forget_blocks(struct exec *x, blkno_t block, u32 count);
/* Writes dirty pages [first, last] of the inode and waits. Errors of earlier background writes are
 * reported too, once. Contiguous blocks go as one request where frames allow. */
int warn_unused page_flush(struct exec *x, struct inode *inode, lblk_t first, lblk_t last);

/* ---- the whole cache */
/* Everything that was done before is durable when it returns 0: writes every dirty page and commits
 * the running transaction. With no tx open and no lock held: it waits for open transactions. */
int warn_unused cache_sync(struct exec *x);
/* The same of the one who has the journal's role. */
int warn_unused cache_sync_holder(struct exec *x);
/* One step of the background flusher: writes up to `max` dirty frames older than about 5 s, or any
 * when dirty frames exceed a quarter of the pool, and commits a transaction that is 5 s old. With
 * no tx open. Returns frames written or a negative errno. */
int cache_writeback(struct exec *x, u32 max);
/* After cache_sync at unmount: forgets everything. */
void cache_drop_all(struct exec *x);

#endif
