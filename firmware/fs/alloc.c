/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Block groups: descriptors, counters, and what the block and inode allocators share.
 *
 * Invariants
 *  A1. Bitmap, descriptor and struct group of a group change together, in one mini under its lock.
 *  A2. What a tx allocates is in its in-flight list before the mini ends; what it frees stays
 *      allocated until it has committed.
 *      What the end of a tx will need is read and held before (group_hold): it cannot fail then.
 *  A3. No buffer is read between tx_mini_begin() and its end: minis do not nest.
 */
#include <string.h>

#include "platform/atomic.h"
#include "platform/errno.h"
#include "fs/alloc_priv.h"
#include "fs/file_priv.h"

u32 group_blocks(const struct fs *fs, u32 g)
{
	blkno_t first = (blkno_t)g * fs->blocks_per_group;

	return (u32)min_of((blkno_t)fs->blocks_per_group, fs->blocks_count - first);
}

u32 block_group(const struct fs *fs, blkno_t block, u32 *bit)
{
	u32 g;

	/* a 64-bit division is a long way for a small core, and hardly ever needed */
	if (block >> 32)
		g = (u32)(block / fs->blocks_per_group);
	else
		g = (u32)block / fs->blocks_per_group;
	*bit = (u32)(block - (blkno_t)g * fs->blocks_per_group);
	return g;
}

int group_desc(struct exec *x, u32 group, struct frame **buf, struct ext4_group_desc **desc)
{
	const struct fs *fs = fs_of(x);
	u32 table = group >> (BLOCK_SHIFT - fs->desc_shift);
	u32 first = table << (BLOCK_SHIFT - fs->desc_shift);
	struct csum_id id = {CSUM_GDT, first, 0};
	int err;

	if (group >= fs->ngroups)
		return fs_corrupt_maps(x, "group number out of range", 0, group);
	err = buf_read(x, (blkno_t)fs->first_data_block + 1 + table, id, buf);
	if (err)
		return err;
	*desc = (void *)((u8 *)frame_data(x, *buf) + ((group - first) << fs->desc_shift));
	return 0;
}

static u32 gdt_blocks(const struct fs *fs)
{
	return (fs->ngroups + fs->descs_per_block - 1) / fs->descs_per_block;
}

static u32 itable_blocks(const struct fs *fs)
{
	return fs->inodes_per_group / fs->inodes_per_block;
}

/* Superblock copy, descriptors and their reserve at the start of a group. */
static u32 super_blocks(const struct exec *x, u32 g)
{
	if (!group_has_super(x, g))
		return 0;
	return 1 + gdt_blocks(fs_of(x)) + fs_super(x)->s_reserved_gdt_blocks;
}

/* ---- the map of fixed metadata */
static void meta_mark(struct exec *x, blkno_t block, u32 count)
{
	struct fs *fs = fs_of(x);

	while (count) {
		u32 bit, g = block_group(fs, block, &bit), n;
		struct group *group = fs_group(x, g);

		n = min_of(count, fs->blocks_per_group - bit);
		if (!group->meta_end || bit < group->meta_first)
			group->meta_first = (u16)bit;
		group->meta_end = (u16)max_of((u32)group->meta_end, bit + n);
		block += n;
		count -= n;
	}
}

static bool on_medium(const struct fs *fs, blkno_t block, u64 count)
{
	return count && block && block < fs->blocks_count && count <= fs->blocks_count - block;
}

static bool ranges_meet(blkno_t a, u64 na, blkno_t b, u64 nb)
{
	return a < b + nb && b < a + na;
}

/* Whether the range meets what descriptor h describes. */
static bool meets_group_meta(struct exec *x, u32 h, blkno_t block, u64 count)
{
	const struct fs *fs = fs_of(x);
	struct ext4_group_desc *d;
	struct frame *buf;
	bool meets;

	if (group_desc(x, h, &buf, &d))
		return true;
	meets = ranges_meet(block, count, desc_block_bitmap(d, fs->desc_size), 1) ||
		ranges_meet(block, count, desc_inode_bitmap(d, fs->desc_size), 1) ||
		ranges_meet(block, count, desc_inode_table(d, fs->desc_size), itable_blocks(fs)) ||
		ranges_meet(block, count, (blkno_t)h * fs->blocks_per_group, super_blocks(x, h));
	buf_put(x, buf);
	return meets;
}

bool fs_block_valid(struct exec *x, blkno_t block, u64 count)
{
	const struct fs *fs = fs_of(x);
	u32 bit, last_bit, g, last, h;

	if (!on_medium(fs, block, count))
		return false;
	g = block_group(fs, block, &bit);
	last = block_group(fs, block + count - 1, &last_bit);
	for (; g <= last; g++, bit = 0) {
		const struct group *group = fs_group(x, g);
		u32 end = g == last ? last_bit + 1 : fs->blocks_per_group;
		u32 flex = 1u << min_of(fs->log_groups_per_flex, 16u);
		u32 first = g & ~(flex - 1);

		if (!group->meta_end || bit >= group->meta_end || end <= group->meta_first)
			continue;
		for (h = first; h < fs->ngroups && h - first < flex; h++)
			if (meets_group_meta(x, h, block, count))
				return false;
	}
	return true;
}

/* What mke2fs leaves set in the bitmap of a group that it did not write. */
static int block_bitmap_init(struct exec *x, u32 g, u32 *map)
{
	const struct fs *fs = fs_of(x);
	u32 flex = 1u << min_of(fs->log_groups_per_flex, 16u);
	u32 first = g & ~(flex - 1), nbits = group_blocks(fs, g), h, i;
	blkno_t start = (blkno_t)g * fs->blocks_per_group;
	int err = 0;

	memset(map, 0, BLOCK_SIZE);
	bits_set(map, 0, super_blocks(x, g));
	for (h = first; h < fs->ngroups && h - first < flex; h++) {
		struct ext4_group_desc *d;
		struct frame *buf;
		blkno_t at[3];

		err = group_desc(x, h, &buf, &d);
		if (err)
			return err;
		at[0] = desc_block_bitmap(d, fs->desc_size);
		at[1] = desc_inode_bitmap(d, fs->desc_size);
		at[2] = desc_inode_table(d, fs->desc_size);
		buf_put(x, buf);
		for (i = 0; i < 3; i++) {
			u64 n = i < 2 ? 1 : itable_blocks(fs);
			blkno_t a = max_of(at[i], start);
			blkno_t b = min_of(at[i] + n, start + nbits);

			if (a < b)
				bits_set(map, (u32)(a - start), (u32)(b - a));
		}
	}
	bits_set(map, nbits, 8 * BLOCK_SIZE - nbits);
	return 0;
}

/* ---- mount */
static int group_load(struct exec *x, u32 g)
{
	const struct fs *fs = fs_of(x);
	struct group *group = fs_group(x, g);
	struct ext4_group_desc *d;
	struct frame *buf;
	u32 size = fs->desc_size;
	int err;

	err = group_desc(x, g, &buf, &d);
	if (err)
		return err;
	memset(group, 0, sizeof(*group));
	group->free_blocks = d->bg_free_blocks_count_lo;
	group->free_inodes = d->bg_free_inodes_count_lo;
	group->used_dirs = d->bg_used_dirs_count_lo;
	if (size >= 64) {
		group->free_blocks |= (u32)d->bg_free_blocks_count_hi << 16;
		group->free_inodes |= (u32)d->bg_free_inodes_count_hi << 16;
		group->used_dirs |= (u32)d->bg_used_dirs_count_hi << 16;
	}
	group->flags = d->bg_flags;
	if (!on_medium(fs, desc_block_bitmap(d, size), 1) ||
	    !on_medium(fs, desc_inode_bitmap(d, size), 1) ||
	    !on_medium(fs, desc_inode_table(d, size), itable_blocks(fs)))
		err = fs_corrupt_maps(x, "group descriptor: bitmap or table outside the filesystem",
				      0, g);
	else if (group->free_blocks > group_blocks(fs, g) ||
		 group->free_inodes > fs->inodes_per_group ||
		 group->used_dirs > fs->inodes_per_group - group->free_inodes ||
		 desc_itable_unused(d, size) > fs->inodes_per_group)
		err = fs_corrupt_maps(x, "group descriptor: counters make no sense", 0, g);
	buf_put(x, buf);
	return err;
}

int groups_load(struct exec *x)
{
	const struct fs *fs = fs_of(x);
	u32 g;
	int err;

	for (g = 0; g < fs->ngroups; g++) {
		err = group_load(x, g);
		if (err)
			return err;
	}
	for (g = 0; g < fs->ngroups; g++) {
		struct ext4_group_desc *d;
		struct frame *buf;
		u32 super = super_blocks(x, g);

		if (super >= group_blocks(fs, g))
			return fs_corrupt_maps(x, "group too small for its descriptors", 0, g);
		err = group_desc(x, g, &buf, &d);
		if (err)
			return err;
		meta_mark(x, (blkno_t)g * fs->blocks_per_group, super);
		meta_mark(x, desc_block_bitmap(d, fs->desc_size), 1);
		meta_mark(x, desc_inode_bitmap(d, fs->desc_size), 1);
		meta_mark(x, desc_inode_table(d, fs->desc_size), itable_blocks(fs));
		buf_put(x, buf);
	}
	return 0;
}

void alloc_totals(struct exec *x, u64 *free_blocks, u64 *free_inodes)
{
	const struct fs *fs = fs_of(x);
	u32 g;

	*free_blocks = 0;
	*free_inodes = 0;
	for (g = 0; g < fs->ngroups; g++) {
		*free_blocks += atomic_load(&fs_group(x, g)->free_blocks);
		*free_inodes += atomic_load(&fs_group(x, g)->free_inodes);
	}
}

int inode_place(struct exec *x, ino_no_t ino, struct inode_home *home)
{
	const struct fs *fs = fs_of(x);
	struct ext4_group_desc *d;
	struct frame *buf;
	u32 g, index;
	int err;

	if (!ino || ino > fs->inodes_count)
		return fs_corrupt(x, "inode number out of range", ino, 0);
	g = (ino - 1) / fs->inodes_per_group;
	index = (ino - 1) - g * fs->inodes_per_group;
	err = group_desc(x, g, &buf, &d);
	if (err)
		return err;
	home->ino = ino;
	inode_home_set(fs, d, index, home);
	buf_put(x, buf);
	return 0;
}

/* ---- changing a group */
static int bitmap_read(struct exec *x, struct group_edit *e, bool inodes)
{
	const struct fs *fs = fs_of(x);
	struct csum_id id = {inodes ? CSUM_INODE_BITMAP : CSUM_BLOCK_BITMAP, e->g, 0};
	u32 uninit = inodes ? EXT4_BG_INODE_UNINIT : EXT4_BG_BLOCK_UNINIT;
	blkno_t block = inodes ? desc_inode_bitmap(e->desc, fs->desc_size)
			       : desc_block_bitmap(e->desc, fs->desc_size);
	u32 nfree;
	int err;

	if (!fs_has_uninit(x) || !(atomic_load(&e->group->flags) & uninit))
		return buf_read(x, block, id, &e->map_buf);
	err = buf_new(x, block, id, &e->map_buf);
	if (err)
		return err;
	e->map = frame_data(x, e->map_buf);
	if (inodes) {
		memset(e->map, 0, BLOCK_SIZE);
		bits_set(e->map, fs->inodes_per_group, 8 * BLOCK_SIZE - fs->inodes_per_group);
		nfree = e->group->free_inodes == fs->inodes_per_group;
	} else {
		u32 bit, end = group_blocks(fs, e->g), used = 0;

		err = block_bitmap_init(x, e->g, e->map);
		if (err)
			return err;
		for (bit = 0; bit < end; bit++)
			used += e->map[bit / 32] >> (bit % 32) & 1;
		nfree = e->group->free_blocks == end - used;
	}
	if (!nfree)
		return fs_corrupt_maps(x, "free count of an uninitialised group", 0, e->g);
	/* for good, whatever becomes of the tx: the bitmap says the same as the flag did */
	e->mark = tx_mini_begin(x);
	err = buf_edit(x, e->desc_buf);
	if (!err)
		err = tx_save(x, &e->desc->bg_flags, sizeof(e->desc->bg_flags));
	if (!err)
		err = tx_save(x, &e->group->flags, sizeof(e->group->flags));
	if (err) {
		tx_mini_abort(x, e->mark);
		return err;
	}
	e->desc->bg_flags &= (u16)~uninit;
	atomic_store(&e->group->flags, e->group->flags & ~uninit);
	tx_mini_commit(x, e->mark);
	return 0;
}

int group_begin(struct exec *x, u32 g, bool inodes, struct group_edit *e)
{
	u32 uninit = inodes ? EXT4_BG_INODE_UNINIT : EXT4_BG_BLOCK_UNINIT;
	int err;

	e->g = g;
	e->group = fs_group(x, g);
	e->locked = false;
	e->in_mini = false;
	e->desc_buf = NULL;
	e->map_buf = NULL;
	err = group_desc(x, g, &e->desc_buf, &e->desc);
	if (err)
		return err;
	/* not read under the lock where it can be helped */
	if (!fs_has_uninit(x) || !(atomic_load(&e->group->flags) & uninit))
		err = bitmap_read(x, e, inodes);
	if (err)
		return group_end(x, e, err);
	lock_mini(x, &e->group->lock, RANK_GROUP);
	e->locked = true;
	if (!e->map_buf)
		err = bitmap_read(x, e, inodes);
	if (err)
		return group_end(x, e, err);
	e->map = frame_data(x, e->map_buf);
	return 0;
}

int group_hold(struct exec *x, u32 g, bool inodes)
{
	u32 uninit = inodes ? EXT4_BG_INODE_UNINIT : EXT4_BG_BLOCK_UNINIT;
	struct group_edit e = {.g = g, .group = fs_group(x, g)};
	int err;

	if (fs_has_uninit(x) && atomic_load(&e.group->flags) & uninit)
		return fs_corrupt_maps(x, "freeing in a group that was never used", 0, g);
	err = group_desc(x, g, &e.desc_buf, &e.desc);
	if (err)
		return err;
	err = bitmap_read(x, &e, inodes);
	if (!err)
		err = buf_edit(x, e.map_buf);
	if (!err)
		err = buf_edit(x, e.desc_buf);
	return group_end(x, &e, err == -MP_ENOSPC ? -MP_ENOMEM : err);
}

int group_change(struct exec *x, struct group_edit *e, u32 bit, u32 count)
{
	u32 first = bit / 32, last = (bit + count - 1) / 32;
	int err;

	err = buf_edit(x, e->map_buf);
	if (!err)
		err = buf_edit(x, e->desc_buf);
	if (err)
		return err;
	e->mark = tx_mini_begin(x);
	e->in_mini = true;
	err = first == last ? tx_save(x, &e->map[first], 4)
			    : tx_save(x, &e->map[first], (last - first + 1) * 4);
	/* counters and flags, and as far as the upper halves of the counters */
	if (!err)
		err = fs_of(x)->desc_size < 64 ? tx_save(x, &e->desc->bg_free_blocks_count_lo, 20)
					       : tx_save(x, &e->desc->bg_free_blocks_count_lo, 40);
	if (!err)
		err = tx_save(x, &e->group->free_blocks,
			      offsetof(struct group, meta_first) -
				      offsetof(struct group, free_blocks));
	/* a full log is not a full group */
	return err == -MP_ENOSPC ? -MP_ENOMEM : err;
}

void group_put_counts(struct exec *x, struct group_edit *e)
{
	struct ext4_group_desc *d = e->desc;
	const struct group *group = e->group;

	d->bg_free_blocks_count_lo = (u16)group->free_blocks;
	d->bg_free_inodes_count_lo = (u16)group->free_inodes;
	d->bg_used_dirs_count_lo = (u16)group->used_dirs;
	if (fs_of(x)->desc_size >= 64) {
		d->bg_free_blocks_count_hi = (u16)(group->free_blocks >> 16);
		d->bg_free_inodes_count_hi = (u16)(group->free_inodes >> 16);
		d->bg_used_dirs_count_hi = (u16)(group->used_dirs >> 16);
	}
}

int group_end(struct exec *x, struct group_edit *e, int err)
{
	if (e->in_mini && err)
		tx_mini_abort(x, e->mark);
	else if (e->in_mini)
		tx_mini_commit(x, e->mark);
	if (e->locked)
		lock_drop(x, &e->group->lock);
	if (e->map_buf)
		buf_put(x, e->map_buf);
	if (e->desc_buf)
		buf_put(x, e->desc_buf);
	return err;
}

/* ---- the end of a tx */
static int settle_pages(struct exec *x, const struct inflight *e, bool committed)
{
	struct inode *inode = exec_ptr(x, (ref_t)e->a);
	u32 index = (u32)(e->a >> 32);

	switch (e->kind) {
	case INFLIGHT_ALLOC_BLOCKS:
		/* Pages that the tx has put over blocks which are not its any more. Only a dead
		 * executor leaves any: who lives puts pages into the cache when nothing can fail.
		 */
		if (!committed && (atomic_load(&x->slot->state) & EXEC_STATE) == EXEC_RECOVERING)
			page_forget_blocks(x, e->a, e->b);
		break;
	case INFLIGHT_DROP_PAGES:
		if (committed)
			page_drop(x, inode, index, e->b);
		break;
	case INFLIGHT_ZERO_PAGE:
		if (committed)
			return page_zero(x, inode, index, e->b & 0xFFFF, e->b >> 16);
		break;
	case INFLIGHT_UNDO_PAGE:
		if (!committed)
			return page_zero(x, inode, index, e->b & 0xFFFF, e->b >> 16);
		break;
	}
	return 0;
}

static int settle_space(struct exec *x, struct inflight *e, bool committed)
{
	switch (e->kind) {
	case INFLIGHT_ALLOC_BLOCKS:
		return committed ? 0 : blocks_give_back(x, e);
	case INFLIGHT_FREE_BLOCKS:
		return committed ? blocks_give_back(x, e) : 0;
	case INFLIGHT_ALLOC_INODE:
		return committed ? 0 : inode_give_back(x, e);
	case INFLIGHT_FREE_INODE:
		return committed ? inode_give_back(x, e) : 0;
	}
	return 0;
}

/* What was allocated stays when the tx commits: nothing is left to do for most of them. */
static bool inflight_stands(const struct exec_slot *slot)
{
	u32 i;

	for (i = 0; i < slot->ninflight; i++)
		if (slot->inflight[i].kind != INFLIGHT_ALLOC_INODE &&
		    slot->inflight[i].kind != INFLIGHT_ALLOC_BLOCKS)
			return false;
	return true;
}

void inflight_settle(struct exec *x, bool committed)
{
	struct exec_slot *slot = x->slot;
	u32 i;

	if (committed && inflight_stands(slot))
		return;
	/* pages go before somebody else can get their blocks */
	for (i = 0; i < slot->ninflight; i++) {
		const struct inflight *e = &slot->inflight[i];

		if (settle_pages(x, e, committed))
			plat_log(x->plat, PLAT_ERR, "page %u could not be zeroed",
				 (u32)(e->a >> 32));
	}
	for (i = 0; i < slot->ninflight; i++) {
		struct inflight *e = &slot->inflight[i];
		int err = settle_space(x, e, committed);

		if (err)
			plat_log(x->plat, PLAT_ERR,
				 "could not give back %s %llu: error %d: lost until e2fsck",
				 e->kind <= INFLIGHT_FREE_BLOCKS ? "block" : "inode",
				 (unsigned long long)e->a, err);
		e->kind = INFLIGHT_NONE;
	}
	slot->ninflight = 0;
}
