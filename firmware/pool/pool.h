/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The pool: one contiguous region that several executors share. Layer: above the platform, below
 * the filesystem.
 *
 * Invariants
 *  P1. No pointers inside: only ref_t / fno_t, fixed width, little-endian; the same bytes on every
 * machine. P2. Every structure's size and place is asserted here and hashed into header.abi. P3.
 * Frame 0 is the header; ref 0 and frame 0 stand for "none". P4. Areas (executor slots, frame
 * table, hashes, what the filesystem carves) are laid out once by pool_format() and pool_carve();
 * pool_seal() gives all other frames to the frame allocator.
 *
 * Typical use: pool_format(), exec_join(), pool_carve()..., pool_seal(), then frames, buffers, tx.
 */
#ifndef MPDISK_POOL_H
#define MPDISK_POOL_H

#include "platform/types.h"

struct plat;
struct exec;

#define POOL_MAGIC 0x4C4F5050u      /* "PPOL" */
#define POOL_FORMATTING 0x464F5050u /* "PPOF": being made, or nobody's any more */
#define POOL_EXECUTORS 24u          /* executor ids are 1..24: a reader bit each in a lock word */
#define POOL_UNDO_SIZE 65536u       /* bytes of undo log of an executor */
#define POOL_HELD 32u               /* locks an executor can hold */
#define POOL_INFLIGHT 96u           /* in-flight entries of an executor */
#define POOL_EDITED 64u             /* buffers a tx can edit */
#define POOL_BOUNCE 32u             /* frames of the area from which buffers are written */
#define POOL_MIN_SIZE (4u << 20)

/* What is read all the time lies apart from what others write all the time. */
struct pool_header {
	u32 magic;
	u32 abi;          /* [immutable] hash of the layout: pool_abi() */
	u32 size;         /* [immutable] bytes of the pool, a multiple of 4096 */
	u32 nframes;      /* [immutable] */
	ref_t slots;      /* [immutable] struct exec_slot[POOL_EXECUTORS] */
	ref_t frames;     /* [immutable] struct frame[nframes] */
	ref_t hash;       /* [immutable] u32[nhash]: heads of the frame hash chains */
	u32 nhash;        /* [immutable] a power of two */
	ref_t hash_locks; /* [immutable] lock words of the hash buckets, nhash / 16 */
	ref_t fs;         /* [immutable after mount] struct fs: the mounted filesystem */
	fno_t zero_frame; /* [immutable] a frame of zeros, for holes */
	ref_t dirty_map;  /* [immutable] a bit per frame, set when it becomes dirty (atomic),
			     cleared under writeback_lock only */
	ref_t bounce;     /* [immutable] POOL_BOUNCE contiguous frames [writeback_lock] */
	ref_t journal;    /* [immutable] struct journal */
	u32 gate;         /* [writeback_lock] tid that may be joined, 0: none now (journal.h) */
	ref_t hosts;      /* [immutable] struct pool_hosts, of a pool in shared mode */
	/* 64 */
	u32 free_lock;      /* lock word of the free list and the LRU */
	fno_t free_head;    /* [free_lock] the longest free: runs of frames stay runs */
	fno_t free_tail;    /* [free_lock] */
	u32 nfree;          /* [free_lock] */
	u32 clock_hand;     /* atomic: where eviction looks next */
	u32 writeback_lock; /* lock word of the one who writes buffers: bounce area, dirty map */
	u32 ndirty;   /* atomic: dirty frames; a hint where POOL_SHARED, may be below 0: deaths */
	u32 age_ms;   /* [writeback_lock] when dirty frames were last marked old */
	u32 nwritten; /* atomic: writes of the medium, and as many of them as a flush has covered */
	u32 nflushed; /* atomic */
	ref_t carve;  /* next byte pool_carve() gives out */
	u32 sealed;
	u32 stores; /* atomic: a bit per host some of whose pages have it in frame.stores */
	ref_t code; /* [immutable] the core itself (platform/uml/code/code.h); 0: it is not in here
		     */
	u32 reserved[2];
};
_Static_assert(sizeof(struct pool_header) == 128 && offsetof(struct pool_header, free_lock) == 64,
	       "struct pool_header");
_Static_assert(offsetof(struct pool_header, code) == 116, "tests/system/uml-shared looks there");

enum tx_phase {
	TX_IDLE = 0,
	TX_OPEN = 1, /* the undo log counts: recovery rolls back, then gives back what was allocated
		      */
	TX_COMMITTED = 2, /* the one store of commit: recovery drops the undo log */
	TX_SETTLE = 3,    /* committed, the log is empty: what was to be freed is being freed, each
			     in a mini whose log counts again */
};

enum inflight_kind {
	INFLIGHT_NONE = 0,
	INFLIGHT_ALLOC_BLOCKS, /* undone by abort: a = first block, b = count */
	INFLIGHT_FREE_BLOCKS,  /* done at commit */
	INFLIGHT_ALLOC_INODE,  /* a = inode number, b = 1 if a directory */
	INFLIGHT_FREE_INODE,
	INFLIGHT_DROP_PAGES, /* done at commit: a = ref of inode slot | first page << 32, b = last
			      */
	INFLIGHT_ZERO_PAGE,  /* done at commit: a = ref | page << 32, b = from | to << 16: bytes */
	INFLIGHT_UNDO_PAGE,  /* the same, done by abort: behind the end of the file as it was */
};

struct inflight {
	u32 kind;
	u32 b;
	u64 a;
};

/* Whether changes can be taken back and the locks of the dead be told: everywhere but in the
 * variant by which tests/bench/native measures what that costs. */
#ifdef MPDISK_BENCH_PLAIN
#define POOL_ROBUST 0
#else
#define POOL_ROBUST 1
#endif

/* What the others see of an executor. [owner: the executor; recovery after its death] */
struct exec_slot {
	u32 state; /* enum exec_state | host << EXEC_HOST_SHIFT; 0: free */
	u32 host;
	u32 phase;  /* enum tx_phase */
	u32 head;   /* undo log: bytes in use */
	u32 intent; /* ref of the lock word that is being taken, 0 none */
	u32 nheld;
	u32 ninflight;
	u32 nedited;
	fno_t sealing;   /* buffer that it may be sealing */
	ref_t waits;     /* debug: word for whose change it waits, 0 none */
	fno_t touching;  /* buffer that it may be editing outside of a tx */
	u32 tid;         /* transaction that its open tx has joined, 0 none */
	fno_t detaching; /* frame that it may be taking out of its cache */
	fno_t keeping;   /* inode table buffer whose PIN_KEPT count it may be changing */
	ref_t inode;     /* inode slot that it fills [set under icache_lock] */
	u32 reserved[1];
	u32 held[POOL_HELD];       /* refs of lock words, bits 1:0: HELD_* of lock.h; 0: none */
	fno_t edited[POOL_EDITED]; /* buffers that the open tx has edited: not written before its
				      end */
	struct inflight inflight[POOL_INFLIGHT];
	u32 undo[POOL_UNDO_SIZE / 4];
};

_Static_assert(sizeof(struct exec_slot) ==
		       64 + 4 * POOL_HELD + 4 * POOL_EDITED + 16 * POOL_INFLIGHT + POOL_UNDO_SIZE,
	       "struct exec_slot");
_Static_assert(offsetof(struct exec_slot, inflight) % 8 == 0, "struct exec_slot");

/* The host is in the same word: an executor that dies while it joins is known to be its host's. */
enum exec_state { EXEC_FREE = 0, EXEC_USED = 1, EXEC_RECOVERING = 2 };
#define EXEC_STATE 0xFFu
#define EXEC_HOST_SHIFT 8u

/* The private side of a pool: where it is mapped. */
struct pool {
	u8 *base;
	u32 size;
	struct pool_header *hdr;
	struct frame *frames; /* = base + hdr->frames */
	u32 *hash;            /* = base + hdr->hash */
	u32 hash_mask;        /* = hdr->nhash - 1 */
};

static inline void *pool_ptr(const struct pool *pool, ref_t ref)
{
	return pool->base + ref;
}

u32 pool_abi(void);

/* Opens a pool that another program has formatted and mapped here. -EINVAL: not a pool of this
 * layout. */
int warn_unused pool_attach(struct pool *pool, void *base, u32 size);

/* Lays out an empty pool in size bytes of zeroed or old memory at base (page-aligned).
 * -EINVAL: not a multiple of 4096 or below POOL_MIN_SIZE. */
int warn_unused pool_format(struct pool *pool, void *base, u32 size);

/* A zeroed area of the pool for ever, 64-byte aligned; before pool_seal() only. -ENOMEM: no room.
 */
int warn_unused pool_carve(struct pool *pool, u32 bytes, ref_t *out);

/* Gives the frames that were not carved to the frame allocator. */
void pool_seal(struct pool *pool);

#endif
