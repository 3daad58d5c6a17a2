/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Inode bitmaps: where a new inode goes, and inode tables that mke2fs left uninitialised.
 *
 * Invariant: inodes of a group are taken lowest first, so that everything from the descriptor's
 * itable_unused on has never been used; a table block is zeroed in the pool when its first inode
 * is taken.
 */
#include "platform/atomic.h"
#include "platform/errno.h"
#include "fs/alloc_priv.h"

/* The first inode of a block of the table that was never used: its content is anything. */
static int table_block_init(struct exec *x, const struct inode_home *home)
{
	struct csum_id id = {CSUM_ITABLE, home->ino, 0};
	struct frame *buf;
	int err;

	err = buf_new(x, home->block, id, &buf);
	if (!err)
		buf_put(x, buf);
	return err;
}

static int group_take_inode(struct exec *x, u32 g, bool directory, struct inode_home *home)
{
	const struct fs *fs = fs_of(x);
	u32 end = fs->inodes_per_group, index, unused, low;
	bool uninit = fs_has_uninit(x);
	struct group_edit e;
	int err;

	err = group_begin(x, g, true, &e);
	if (err)
		return err;
	low = max_of(e.group->inode_hint, g ? 0 : fs->first_ino - 1);
	/* most often the hint is right */
	index = low < end && !(e.map[low / 32] >> low % 32 & 1) ? low
								: bits_next_zero(e.map, low, end);
	if (index >= end) {
		err = e.group->free_inodes
			      ? fs_corrupt_maps(x, "inode bitmap is full, its descriptor says free",
						0, g)
			      : -MP_ENOSPC;
		return group_end(x, &e, err);
	}
	unused = uninit ? desc_itable_unused(e.desc, fs->desc_size) : 0;
	if (!e.group->free_inodes || unused > end || index > end - unused)
		return group_end(x, &e,
				 fs_corrupt_maps(x, "inode counts of a group disagree", 0, g));
	home->ino = g * fs->inodes_per_group + index + 1;
	inode_home_set(fs, e.desc, index, home);
	if (index == end - unused && !home->offset)
		err = table_block_init(x, home);
	if (!err)
		err = group_change(x, &e, index, 1);
	if (!err)
		err = tx_inflight(x, INFLIGHT_ALLOC_INODE, home->ino, directory);
	if (err)
		return group_end(x, &e, err == -MP_ENOSPC ? -MP_ENOMEM : err);
	e.map[index / 32] |= 1u << index % 32;
	atomic_store(&e.group->free_inodes, e.group->free_inodes - 1);
	atomic_store(&e.group->used_dirs, e.group->used_dirs + directory);
	e.group->inode_hint = index + 1;
	group_put_counts(x, &e);
	if (unused && index == end - unused) {
		unused--;
		e.desc->bg_itable_unused_lo = (u16)unused;
		if (fs->desc_size >= 64)
			e.desc->bg_itable_unused_hi = (u16)(unused >> 16);
	}
	return group_end(x, &e, 0);
}

/* Directories below the root are spread: the emptiest group not far from where the last one went,
 * among those with more than their share of free inodes. */
static u32 spread(struct exec *x)
{
	struct fs *fs = fs_of(x);
	u32 start = atomic_load(&fs->next_dir_group), best, best_dirs = ~0u, i;
	u64 blocks, inodes;

	alloc_totals(x, &blocks, &inodes);
	start = start < fs->ngroups ? start : 0;
	best = start;
	for (i = 0; i < fs->ngroups; i++) {
		u32 g = start + i < fs->ngroups ? start + i : start + i - fs->ngroups;
		const struct group *group = fs_group(x, g);

		u32 dirs = atomic_load(&group->used_dirs);

		if (atomic_load(&group->free_inodes) < inodes / fs->ngroups ||
		    atomic_load(&group->free_blocks) < blocks / fs->ngroups)
			continue;
		if (dirs < best_dirs) {
			best_dirs = dirs;
			best = g;
		}
	}
	atomic_store(&fs->next_dir_group, best + 1);
	return best;
}

int inode_alloc(struct exec *x, struct inode *parent, bool directory, struct inode_home *home)
{
	const struct fs *fs = fs_of(x);
	u32 first, i;
	int err;

	if (directory && parent && parent->ino == EXT4_ROOT_INO)
		first = spread(x);
	else
		first = parent ? (parent->ino - 1) / fs->inodes_per_group : 0;
	for (i = 0; i < fs->ngroups; i++) {
		u32 g = first + i < fs->ngroups ? first + i : first + i - fs->ngroups;

		if (!atomic_load(&fs_group(x, g)->free_inodes))
			continue;
		err = group_take_inode(x, g, directory, home);
		if (err != -MP_ENOSPC)
			return err;
	}
	return -MP_ENOSPC;
}

int inode_free(struct exec *x, ino_no_t ino, bool directory)
{
	const struct fs *fs = fs_of(x);
	int err;

	if (ino < fs->first_ino || ino > fs->inodes_count)
		return fs_corrupt_maps(x, "freeing a reserved inode", ino, 0);
	err = group_hold(x, (ino - 1) / fs->inodes_per_group, true);
	return err ? err : tx_inflight(x, INFLIGHT_FREE_INODE, ino, directory);
}

int inode_give_back(struct exec *x, struct inflight *entry)
{
	const struct fs *fs = fs_of(x);
	ino_no_t ino = (ino_no_t)entry->a;
	u32 g = (ino - 1) / fs->inodes_per_group, directory = entry->b;
	u32 index = (ino - 1) - g * fs->inodes_per_group;
	struct group_edit e;
	int err;

	err = group_begin(x, g, true, &e);
	if (err)
		return err;
	if (bits_next_zero(e.map, index, index + 1) == index ||
	    e.group->free_inodes >= fs->inodes_per_group || (directory && !e.group->used_dirs))
		return group_end(x, &e, fs_corrupt_maps(x, "freeing a free inode", ino, 0));
	err = group_change(x, &e, index, 1);
	if (!err)
		err = tx_save(x, &entry->kind, 4);
	if (err)
		return group_end(x, &e, err);
	bits_clear(e.map, index, 1);
	atomic_store(&e.group->free_inodes, e.group->free_inodes + 1);
	atomic_store(&e.group->used_dirs, e.group->used_dirs - directory);
	e.group->inode_hint = min_of(e.group->inode_hint, index);
	group_put_counts(x, &e);
	entry->kind = INFLIGHT_NONE;
	return group_end(x, &e, 0);
}
