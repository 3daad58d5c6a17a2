/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The names of a leaf in the order of their hashes, in which they are listed. To hash and sort them
 * is most of a listing's work: the order is kept beside the leaf's buffer, in a frame of the cache,
 * as long as the leaf does not change. Layer: between dir.c and dir_read.c.
 *
 * Invariants
 *  O1. DIR_ORDERED in a leaf's hint (dir.c, D3) says: the order beside the buffer, if there is one,
 *      is that of the leaf as it is now. Who has just put one there sets the bit, with the
 *      directory's lock for reading; it goes with each change of what entries there are, which set
 *      the hint anew in their tx, and comes back if that is rolled back.
 *  O2. An order that others can find does not change. One without the bit is thrown away.
 *  O3. What an order names is a checked entry with a good name.
 */
#include <string.h>

#include "fs/dir.h"
#include "platform/errno.h"

struct dir_item { /* 12 bytes */
	u32 high; /* of the key */
	u32 low;
	u32 offset; /* of the entry in its block */
};
/* An entry takes 12 bytes at least. */
#define ORDER_MAX ((BLOCK_SIZE - 4) / sizeof(struct dir_item))
struct dir_order {
	u32 count;
	struct dir_item item[ORDER_MAX];
};
_Static_assert(sizeof(struct dir_order) <= BLOCK_SIZE && ORDER_MAX >= BLOCK_SIZE / 12, "fits");

static inline u64 item_key(const struct dir_item *item)
{
	return (u64)item->high << 32 | item->low;
}

static void item_hash(struct exec *x, u32 version, struct fs_name name, struct dir_item *item)
{
	struct dx_hash hash = dx_hash_name(version, fs_of(x)->hash_seed, name);

	/* the legacy hash has no second half */
	if (version == EXT4_DX_LEGACY || version == EXT4_DX_LEGACY_UNSIGNED)
		hash.minor = plat_crc32c(x->plat, ~0u, name.s, name.len);
	item->high = hash.major >> 1;
	item->low = item->high ? hash.minor : max_of(hash.minor, DIR_POS_FIRST);
}

static inline bool item_after(const struct dir_item *a, const struct dir_item *b)
{
	return a->high != b->high ? a->high > b->high : a->low > b->low;
}

/* Shell's sort: a leaf that was split is half in order. */
static void order_sort(struct dir_order *order)
{
	struct dir_item *items = order->item, item;
	u32 gap, i, at;

	for (gap = 121; gap; gap /= 3)
		for (i = gap; i < order->count; i++) {
			item = items[i];
			for (at = i; at >= gap && item_after(&items[at - gap], &item); at -= gap)
				items[at] = items[at - gap];
			items[at] = item;
		}
}

static bool name_good(const u8 *name, u32 len)
{
	for (; len; len--, name++)
		if (!*name || *name == '/')
			return false;
	return true;
}

struct ext4_dirent *dir_named_entry(struct exec *x, struct inode *dir,
				    const struct dir_block *block, u32 offset)
{
	struct ext4_dirent *de = dir_entry(x, dir, block, offset);

	if (de && de->inode && !name_good(de->name, de->name_len)) {
		(void)fs_corrupt(x, "name with a slash or a zero", dir->ino, de->inode);
		return NULL;
	}
	return de;
}

static int order_make(struct exec *x, struct inode *dir, const struct dir_block *block, u32 version,
		      struct dir_order *order)
{
	u32 end = dir_usable(x), offset = 0;
	const struct ext4_dirent *de;
	struct dir_item *item = order->item;
	struct fs_name name;

	/* a block that may become the root of an index begins with "." and ".." */
	if (!block->lblk)
		offset = 12u + dir_rec_len((const struct ext4_dirent *)(block->data + 12));
	for (; offset < end; offset += dir_rec_len(de)) {
		de = dir_named_entry(x, dir, block, offset);
		if (!de)
			return -MP_EUCLEAN;
		if (!de->inode)
			continue;
		name.s = (const char *)de->name;
		name.len = de->name_len;
		item_hash(x, version, name, item);
		item++->offset = offset;
	}
	order->count = (u32)(item - order->item);
	order_sort(order);
	return 0;
}

/* O1, O2: what is found without the bit may be of another time, or of another's who is at this too;
 * what is added is the same whoever makes it. */
static int order_renew(struct exec *x, struct inode *dir, u32 version, struct dir_leaf *leaf)
{
	struct frame *f, *old = buf_note_find(x, leaf->block.frame);
	int err;

	if (old)
		buf_note_drop(x, old);
	err = frame_alloc(x, &f);
	if (err)
		return err;
	err = order_make(x, dir, &leaf->block, version, frame_data(x, f));
	if (err) {
		frame_unpin(x, f);
		return err;
	}
	leaf->note = buf_note_add(x, leaf->block.frame, f);
	frame_csum_or(leaf->block.frame, DIR_ORDERED);
	return 0;
}

int dir_leaf_read(struct exec *x, struct inode *dir, lblk_t lblk, u32 version,
		  struct dir_leaf *leaf)
{
	int err;

	leaf->note = NULL;
	err = dir_block_read(x, dir, lblk, CSUM_DIR, &leaf->block);
	if (err)
		return err;
	/* the bit first: with it, who is found is the right one */
	if (frame_csum_mask(leaf->block.frame) & DIR_ORDERED)
		leaf->note = buf_note_find(x, leaf->block.frame);
	if (!leaf->note)
		err = order_renew(x, dir, version, leaf);
	if (err) {
		dir_block_put(x, &leaf->block);
		return err;
	}
	leaf->order = frame_data(x, leaf->note);
	return 0;
}

void dir_leaf_put(struct exec *x, struct dir_leaf *leaf)
{
	dir_block_put(x, &leaf->block);
	if (leaf->note)
		frame_unpin(x, leaf->note);
	leaf->note = NULL;
}

u32 dir_leaf_find(const struct dir_leaf *leaf, u64 key)
{
	u32 low = 0, high = leaf->order->count, mid;

	while (low < high) {
		mid = (low + high) / 2;
		if (item_key(&leaf->order->item[mid]) < key)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

const struct ext4_dirent *dir_leaf_entry(const struct dir_leaf *leaf, u32 nth, u64 *key)
{
	const struct dir_item *item = &leaf->order->item[nth];

	if (nth >= leaf->order->count)
		return NULL;
	*key = item_key(item);
	return (const struct ext4_dirent *)(leaf->block.data + item->offset);
}
