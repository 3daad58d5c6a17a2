/* SPDX-License-Identifier: BSD-2-Clause */
/* The mounted filesystem: what is known of the medium, in the pool, and errors on it. Owner:
 * super.c. */
#ifndef MPDISK_FS_SUPER_H
#define MPDISK_FS_SUPER_H

#include "format/ext4.h"
#include "platform/atomic.h"
#include "pool/exec.h"
#include "pool/frame.h"

struct group {           /* 48 bytes, per block group: volatile state of its allocator */
	u32 lock;        /* RANK_GROUP lock word */
	u32 free_blocks; /* [lock; read as a hint without it] copy of the descriptor's */
	u32 free_inodes; /* [same] */
	u32 used_dirs;   /* [same] */
	u32 block_hint;  /* [lock] first bit that may be free */
	u32 inode_hint;  /* [lock] */
	u32 flags;       /* [same] EXT4_BG_* */
	u16 meta_first; /* [immutable] fixed metadata lies in blocks [meta_first, meta_end) of it */
	u16 meta_end;
	/* frames of maps, by the parity of a tid; 0: none (freed.c) [lock; taken away without] */
	fno_t freed[2];
	fno_t revoked[2];
};

struct fs_error { /* 64 bytes */
	s64 sec;
	blkno_t block;
	ino_no_t ino;
	u32 line;
	u32 code; /* FS_ERROR_*, 0: none */
	u32 reserved;
	u8 func[32];
};

struct fs {
	u32 read_only;   /* atomic: by option, or after an error (errors=remount-ro) */
	u32 error_count; /* atomic: errors found since the mount */
	u32 ngroups;     /* the rest: [immutable after mount] unless said otherwise */
	u32 first_data_block;
	u32 blocks_per_group;
	u32 inodes_per_group;
	u32 inodes_count;
	u32 inode_size;
	u32 inode_shift; /* log2 of it: the core divides in 34 cycles */
	u32 inodes_per_block;
	u32 desc_size;
	u32 desc_shift; /* log2 of it */
	u32 descs_per_block;
	u32 want_extra_isize;
	u32 first_ino;
	u32 log_groups_per_flex;
	u32 feature_compat, feature_incompat, feature_ro_compat;
	u32 csum_seed; /* crc32c(~0, uuid) or s_checksum_seed */
	u32 hash_seed[4];
	u32 hash_version; /* default htree hash, unsigned variant already applied */
	blkno_t blocks_count;
	blkno_t reserved_blocks;
	u32 resuid, resgid;
	fno_t super_frame; /* pinned buffer of block 0 */
	ref_t groups;      /* struct group[ngroups] */
	/* inode cache, owner inode.c */
	ref_t inodes; /* struct inode[ninodes] */
	u32 ninodes;
	ref_t inode_hash; /* u32[ninode_hash]: ref of the first inode */
	u32 ninode_hash;
	/* dentry cache, owner dcache.c */
	ref_t dentry_sets; /* struct dentry_set[ndentry_sets] */
	u32 ndentry_sets;  /* a power of two */
	u32 was_valid;  /* the medium was clean when it was mounted: unmounting marks it so again */
	u32 mounted_rw; /* the medium may be written to: also after an error, to say so */
	u32 nheld;      /* atomic: directories that are removed and kept (inode.held) */
	ref_t flocks;   /* struct flock_table, owner flock.c */
	blkno_t overhead; /* blocks that statfs does not count: what mkfs and the journal took */
	/* errors, owner error.c */
	u32 error_lock;              /* RANK_ERROR */
	u32 errors_put;              /* [super_lock] of error_count: what the superblock knows of */
	u32 errors_before;           /* s_error_count at mount */
	u32 errors;                  /* s_errors: what to do */
	struct fs_error first_error; /* [error_lock] since the mount */
	struct fs_error last_error;  /* [error_lock] */
	/* what everybody writes, apart from what everybody reads */
	_Alignas(64) u32 icache_lock; /* RANK_ICACHE: inode hash chains and free list */
	ref_t inode_free;             /* [icache_lock] */
	u32 clock_hand;               /* atomic: slot that is looked at next for reuse */
	u32 generation;               /* atomic: next inode generation */
	u32 orphan_lock;              /* RANK_ORPHAN */
	ref_t orphan_head;  /* [orphan_lock] in-memory list, same order as on the medium */
	u32 super_lock;     /* RANK_SUPER */
	u32 rename_lock;    /* RANK_RENAME */
	u32 xattr_lock;     /* RANK_XATTR */
	u32 next_dir_group; /* atomic: where the next top-level directory goes */
	u32 freed[2];       /* atomic: some group has maps of freed blocks, by parity (freed.c) */
	u32 revokes;        /* atomic: counts what hosts are asked to unmap; waited on (map.c) */
	u32 reserved[3];
};
_Static_assert(sizeof(struct fs) % 64 == 0, "struct fs");

static inline struct fs *fs_of(const struct exec *x)
{
	return exec_ptr(x, x->pool->hdr->fs);
}

static inline struct ext4_super *fs_super(const struct exec *x)
{
	return (struct ext4_super *)((u8 *)frame_data(x, frame_of(x, fs_of(x)->super_frame)) +
				     EXT4_SUPER_OFFSET);
}

static inline struct group *fs_group(const struct exec *x, u32 group)
{
	return (struct group *)exec_ptr(x, fs_of(x)->groups) + group;
}

static inline bool fs_has_csum(const struct exec *x)
{
	return fs_of(x)->feature_ro_compat & EXT4_RO_METADATA_CSUM;
}

/* Whether the filesystem, as its superblock says, can be mounted; the reason of a refusal is
 * logged. medium: blocks that there really are. torn: whatever its checksum is. */
int warn_unused super_check(struct exec *x, const struct ext4_super *sb, blkno_t medium,
			    bool read_only, bool torn);
/* The same for what may change by recovery: whether it was unmounted, and has errors. */
int warn_unused super_check_state(struct exec *x, const struct ext4_super *sb, bool read_only);
bool super_sum_good(struct exec *x, const struct ext4_super *sb);
/* Makes it right. */
void super_seal(struct exec *x, struct ext4_super *sb);
/* Whether a block group begins with a copy of the superblock and the descriptors. */
bool group_has_super(const struct exec *x, u32 group);

/* The group's descriptor in its buffer, pinned into *buf (buf_put when done). */
int warn_unused group_desc(struct exec *x, u32 group, struct frame **buf,
			   struct ext4_group_desc **desc);

static inline blkno_t desc_block_bitmap(const struct ext4_group_desc *d, u32 desc_size)
{
	return d->bg_block_bitmap_lo | (desc_size >= 64 ? (u64)d->bg_block_bitmap_hi << 32 : 0);
}

static inline blkno_t desc_inode_bitmap(const struct ext4_group_desc *d, u32 desc_size)
{
	return d->bg_inode_bitmap_lo | (desc_size >= 64 ? (u64)d->bg_inode_bitmap_hi << 32 : 0);
}

static inline blkno_t desc_inode_table(const struct ext4_group_desc *d, u32 desc_size)
{
	return d->bg_inode_table_lo | (desc_size >= 64 ? (u64)d->bg_inode_table_hi << 32 : 0);
}

/* ---- errors (error.c) */
#define FS_ERROR_LINE 0xffffu
#define FS_ERROR_CODE_SHIFT 16u
#define FS_ERROR_HARM 0x8000u /* in the code: read-only, whatever s_errors says */
/* s_first_error_errcode, as e2fsprogs names them */
#define FS_ERROR_EIO 2u
#define FS_ERROR_BADCRC 4u
#define FS_ERROR_CORRUPT 5u

/* Corruption was found: logs it (what, inode, block) and remembers it for the superblock's error
 * fields; the filesystem becomes read-only if s_errors says so or going on would do harm. Always
 * returns -EUCLEAN. Callable anywhere, with locks held and inside a mini. */
int fs_error(struct exec *x, const char *what, ino_no_t ino, blkno_t block, u32 where,
	     const char *func) __attribute__((cold));
#define fs_error_here(x, what, ino, block, code)                                                   \
	fs_error(x, what, ino, block, (u32)__LINE__ | (u32)(code) << FS_ERROR_CODE_SHIFT, __func__)
#define fs_corrupt(x, what, ino, block) fs_error_here(x, what, ino, block, FS_ERROR_CORRUPT)
/* A checksum is wrong. */
#define fs_bad_sum(x, what, ino, block) fs_error_here(x, what, ino, block, FS_ERROR_BADCRC)
/* What is free and what is not cannot be believed: to go on would give away what is in use. */
#define fs_corrupt_maps(x, what, ino, block)                                                       \
	fs_error_here(x, what, ino, block, FS_ERROR_CORRUPT | FS_ERROR_HARM)
/* Puts what was found since the mount into the superblock's bytes. */
void fs_error_fill(struct exec *x, struct ext4_super *sb);
/* ... of the superblock that is on the medium, past the journal, which is aborted. With
 * writeback_lock held. What cannot be written is lost. */
void fs_error_write_home(struct exec *x);
/* The superblock does not know of all errors yet. */
static inline bool fs_error_pending(const struct exec *x)
{
	return atomic_load(&fs_of(x)->error_count) != atomic_load(&fs_of(x)->errors_put);
}

/* -EROFS if the filesystem is read-only, else 0: first thing of every operation that changes
 * something. */
int warn_unused fs_writable(struct exec *x);

/* Whether [block, block+count) lies on the medium and outside the fixed metadata (superblock copies
 * excluded from the check's cost: bounds and group 0..n bitmaps/tables of the block's own group).
 */
bool fs_block_valid(struct exec *x, blkno_t block, u64 count);

#endif
