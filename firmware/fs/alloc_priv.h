/* SPDX-License-Identifier: BSD-2-Clause */
/* What alloc.c, balloc.c and ialloc.c share: descriptor counters and bitmaps. */
#ifndef MPDISK_FS_ALLOC_PRIV_H
#define MPDISK_FS_ALLOC_PRIV_H

#include "fs/alloc.h"

/* In an in-flight entry's b: the blocks were never in buffers. */
#define INFLIGHT_DATA 0x80000000u

/* A group's lock taken, its descriptor and one bitmap pinned and edited by the open tx. */
struct group_edit {
	u32 g;
	u32 mark;
	bool locked;
	bool in_mini;
	struct group *group;
	struct frame *desc_buf;
	struct ext4_group_desc *desc;
	struct frame *map_buf;
	u32 *map;
};

/* Pins descriptor and bitmap (inodes: of inodes, else of blocks), initialises a bitmap that never
 * was, takes the group's lock. Undone by group_end(). -EIO, -EUCLEAN, -ENOMEM. */
int warn_unused group_begin(struct exec *x, u32 g, bool inodes, struct group_edit *e);
/* Makes sure that the end of the open tx can give something back in the group: its descriptor and
 * bitmap are read, and stay in the pool, being edited by the tx. */
int warn_unused group_hold(struct exec *x, u32 g, bool inodes);
/* Opens the mini and saves counters and bitmap bytes of bits [bit, bit+count). */
int warn_unused group_change(struct exec *x, struct group_edit *e, u32 bit, u32 count);
/* Ends the mini (kept if err is 0), drops lock and pins; gives err back. */
int warn_unused group_end(struct exec *x, struct group_edit *e, int err);
/* ---- freed.c */
/* For what the open tx will free in the group: the maps in which that is noted. -ENOMEM. */
int warn_unused freed_hold(struct exec *x, u32 g, bool metadata);
/* Inside the mini that frees. */
int warn_unused freed_note(struct exec *x, const struct group *group, u32 bit, u32 count,
			   bool metadata);
/* What transactions of a parity have freed and not committed; zeros if nothing. */
const u32 *freed_map(const struct exec *x, const struct group *group, u32 p);

/* Writes the counters of struct group into the saved descriptor. */
void group_put_counts(struct exec *x, struct group_edit *e);

/* Where inode `index` of the group lies; not its number. */
static inline void inode_home_set(const struct fs *fs, const struct ext4_group_desc *d, u32 index,
				  struct inode_home *home)
{
	home->block =
		desc_inode_table(d, fs->desc_size) + (index >> (BLOCK_SHIFT - fs->inode_shift));
	home->offset = (index << fs->inode_shift) & (BLOCK_SIZE - 1);
}

/* First clear (set) bit in [from, end), or end. */
u32 bits_next_zero(const u32 *map, u32 from, u32 end);
u32 bits_next_one(const u32 *map, u32 from, u32 end);
void bits_set(u32 *map, u32 from, u32 count);
void bits_clear(u32 *map, u32 from, u32 count);

/* Blocks of a group: fewer in the last one. */
u32 group_blocks(const struct fs *fs, u32 g);
/* Group of a block; *bit is its place there. */
u32 block_group(const struct fs *fs, blkno_t block, u32 *bit);

/* Carry out what was declared. The mini that changes a bitmap also takes what it did out of the
 * entry: it can be cut off anywhere, and be done again. */
int warn_unused blocks_give_back(struct exec *x, struct inflight *e);
int warn_unused inode_give_back(struct exec *x, struct inflight *e);

static inline u32 desc_itable_unused(const struct ext4_group_desc *d, u32 size)
{
	return d->bg_itable_unused_lo | (size >= 64 ? (u32)d->bg_itable_unused_hi << 16 : 0);
}

static inline bool fs_has_uninit(const struct exec *x)
{
	return fs_of(x)->feature_ro_compat & (EXT4_RO_METADATA_CSUM | EXT4_RO_GDT_CSUM);
}

#endif
