/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Directories: linear and htree. The directory's inode is locked by the caller (for writing where
 * entries change). Owner: dir.c (blocks and entries), dir_read.c and dir_order.c (listing), htree.c
 * and htree_hash.c (index), dcache.c (names in memory).
 */
#ifndef MPDISK_FS_DIR_H
#define MPDISK_FS_DIR_H

#include "fs/inode.h"

/* ---- names in a directory */
/* A name made ready to be looked for in memory (dcache.c). */
#define DCACHE_WORDS 13u
struct dcache_key {
	u32 parent;
	u32 len; /* 0: too long to be remembered */
	u32 words;
	u32 tag;
	u32 name[DCACHE_WORDS]; /* filled up with zeros to a word */
	u32 way;                /* where it was found, or none */
	u32 seq;                /* of the set, at that moment */
	struct dentry_set *set;
};
/* -ENOENT when the name is not there. Uses and fills the dentry cache. *key is for dcache_change().
 */
int warn_unused dir_find(struct exec *x, struct inode *dir, struct fs_name name,
			 struct dcache_key *key, ino_no_t *ino);
/* The name is known not to be there. -ENOSPC, -EUCLEAN. These three do not touch the dentry cache:
 * the operation calls dcache_change() as the last thing before its tx ends. */
int warn_unused dir_insert(struct exec *x, struct inode *dir, struct fs_name name, ino_no_t ino,
			   u32 mode);
int warn_unused dir_remove(struct exec *x, struct inode *dir, struct fs_name name);
/* Changes which inode an existing name names. */
int warn_unused dir_replace(struct exec *x, struct inode *dir, struct fs_name name, ino_no_t ino,
			    u32 mode);
/* First block with "." and ".." of a new directory. */
int warn_unused dir_init(struct exec *x, struct inode *dir, ino_no_t parent);
int warn_unused dir_set_parent(struct exec *x, struct inode *dir, ino_no_t parent);
int warn_unused dir_get_parent(struct exec *x, struct inode *dir, ino_no_t *parent);
/* 1 empty, 0 not, negative errno. */
int warn_unused dir_is_empty(struct exec *x, struct inode *dir);

/* ---- names in memory (dcache.c) */
/* At mount: the place of the names in memory. */
int warn_unused dcache_carve(struct exec *x);
void dcache_key(struct exec *x, const struct inode *dir, struct fs_name name,
		struct dcache_key *key);
/* What is remembered of a name: true if anything; *ino 0: it is known not to be there. */
bool dcache_find(struct exec *x, struct dcache_key *key, ino_no_t *ino);
/* Remembers what a reader has just found (ino 0: nothing), at once and whatever becomes of its tx.
 */
/* Tells the executor's user by which word he will know that the name means something else by now
 * (exec.h, name_word). The directory is locked. */
#ifdef MPDISK_SINGLE_HART
static inline void dcache_told(struct exec *x, const struct dcache_key *key)
{
	(void)x;
	(void)key;
}
#else
void dcache_told(struct exec *x, const struct dcache_key *key);
#endif
void dcache_fill(struct exec *x, struct dcache_key *key, ino_no_t ino);
/* A change of a name by the open tx (ino 0: removed): takes effect and is taken back together with
 * it. Nothing of rank below RANK_DENTRY can be locked afterwards: two names of one operation in one
 * call. */
int warn_unused dcache_change(struct exec *x, const struct dcache_key *key, ino_no_t ino);
int warn_unused dcache_change_two(struct exec *x, const struct dcache_key *keys,
				  const ino_no_t *inos);

/* ---- blocks of directories, between dir*.c and htree.c */
#define DX_MAX_LEVELS 3u /* index blocks from root to leaf, with largedir; else 2 */

/* A pinned directory block. */
struct dir_block {
	struct frame *frame;
	u8 *data;
	lblk_t lblk;
};

/* Where an entry is: prev is the offset of the entry before it in the block, or the same offset. */
struct dir_place {
	struct dir_block block;
	u32 offset;
	u32 prev;
};

/* Bytes of a leaf block that hold entries. */
static inline u32 dir_usable(const struct exec *x)
{
	return fs_has_csum(x) ? BLOCK_SIZE - (u32)sizeof(struct ext4_dirent_tail) : BLOCK_SIZE;
}

static inline u32 dir_rec_len(const struct ext4_dirent *de)
{
	/* 64 KiB blocks have other encodings; 4096 is itself here */
	return de->rec_len;
}

static inline bool dir_indexed(const struct exec *x, const struct inode *dir)
{
	return inode_raw(x, dir)->i_flags & EXT4_FL_INDEX;
}

static inline u32 dir_blocks(const struct exec *x, const struct inode *dir)
{
	return (u32)(inode_size(inode_raw(x, dir)) >> BLOCK_SHIFT);
}

int warn_unused dir_block_read(struct exec *x, struct inode *dir, lblk_t lblk, enum csum_kind kind,
			       struct dir_block *out);
/* A new block at the end of the directory, zeroed, edited by the open tx; the directory is saved.
 */
int warn_unused dir_block_append(struct exec *x, struct inode *dir, enum csum_kind kind,
				 struct dir_block *out);
static inline void dir_block_put(struct exec *x, struct dir_block *block)
{
	if (block->frame)
		buf_put(x, block->frame);
	block->frame = NULL;
}
/* The entry at offset of a leaf block, checked; NULL (and fs_corrupt was called) if it is not one.
 */
struct ext4_dirent *dir_entry(struct exec *x, struct inode *dir, const struct dir_block *block,
			      u32 offset);
/* Searches one leaf block. 0, -ENOENT, -EUCLEAN. */
int warn_unused dir_block_find(struct exec *x, struct inode *dir, struct dir_block *block,
			       struct fs_name name, struct dir_place *place);
/* In a leaf's hint, of which the lowest bits are free (dir_order.c, O1). */
#define DIR_ORDERED 1u
/* Where dir_block_insert() looks first (dir.c, D3); 0 after entries were moved. */
int warn_unused dir_set_hint(struct exec *x, const struct dir_block *block, u32 offset);
/* Puts an entry where it fits. 1: done, 0: no room in this block, negative errno. */
int warn_unused dir_block_insert(struct exec *x, struct inode *dir, struct dir_block *block,
				 struct fs_name name, ino_no_t ino, u32 mode);
/* An empty leaf: one unused entry, and the tail of the checksum. */
void dir_block_format(struct exec *x, struct dir_block *block);

/* ---- the order of a leaf's names (dir_order.c) */
#define DIR_POS_FIRST 2u /* the first position behind "." and ".." */
struct dir_order;
/* A leaf, and its entries in the order of their keys: 31 bits of hash, then 32, as ext4 does it. */
struct dir_leaf {
	struct dir_block block;
	struct frame *note;
	const struct dir_order *order;
};
/* version: of the hash. dir_leaf_put() when done with it. */
int warn_unused dir_leaf_read(struct exec *x, struct inode *dir, lblk_t lblk, u32 version,
			      struct dir_leaf *leaf);
void dir_leaf_put(struct exec *x, struct dir_leaf *leaf);
/* The first that has this key or a higher one. */
u32 dir_leaf_find(const struct dir_leaf *leaf, u64 key);
/* NULL behind the last one. */
const struct ext4_dirent *dir_leaf_entry(const struct dir_leaf *leaf, u32 nth, u64 *key);
/* dir_entry() for who shows names to others: the name is checked too. */
struct ext4_dirent *dir_named_entry(struct exec *x, struct inode *dir,
				    const struct dir_block *block, u32 offset);

/* ---- the index (htree.c) */
struct dx_hash {
	u32 major; /* low bit clear */
	u32 minor;
};

/* version: enum ext4_dx_hash below EXT4_DX_SIPHASH. seed: four words. */
struct dx_hash dx_hash_name(u32 version, const u32 *seed, struct fs_name name);

/* The way from the root of the index to a leaf. */
struct dx_frame {
	struct dir_block block;
	u32 at;    /* entry that was followed */
	u32 count; /* entries in use */
	u32 limit;
	u32 entries; /* offset of the first entry in the block */
};
struct dx_path {
	struct dx_frame frames[DX_MAX_LEVELS];
	u32 levels; /* frames in use */
	u32 version;
	struct dx_hash hash; /* what was searched */
	lblk_t leaf;
};

/* Follows the index to the first leaf that can hold hash. dx_path_put() afterwards, also on error.
 */
int warn_unused dx_walk(struct exec *x, struct inode *dir, struct dx_hash hash,
			struct dx_path *path);
/* The next leaf: 1 and *start the hash it starts with (low bit: continues the one before), 0 at the
 * end. */
int warn_unused dx_next(struct exec *x, struct inode *dir, struct dx_path *path, u32 *start);
void dx_path_put(struct exec *x, struct dx_path *path);
int warn_unused dx_find(struct exec *x, struct inode *dir, struct fs_name name,
			struct dir_place *place);
int warn_unused dx_insert(struct exec *x, struct inode *dir, struct fs_name name, ino_no_t ino,
			  u32 mode);
/* Turns a full directory of one linear block into an indexed one; the block is put. */
int warn_unused dx_convert(struct exec *x, struct inode *dir, struct dir_block *first);

#endif
