/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Changing the size of a file. Shrinking is restartable: the new size is committed with the inode
 * on the orphan list, then the blocks go in as many transactions as it takes.
 */
#include "fs/extent_priv.h"
#include "fs/file_priv.h"
#include "fs/map.h"

/* The first block that a file of that size does not need. */
static u64 blocks_of(u64 size)
{
	return (size + BLOCK_SIZE - 1) >> BLOCK_SHIFT;
}

/* The rest of a truncation after its first transaction. */
static int truncate_rest(struct exec *x, struct inode *inode)
{
	const struct ext4_inode *raw = inode_raw(x, inode);
	u64 first = blocks_of(inode_size(raw));
	int err = 0;

	if (first <= EXT_LBLK_LAST)
		err = extent_remove_all(x, inode, (lblk_t)first);
	if (!err && raw->i_links_count)
		err = orphan_del(x, inode);
	return err;
}

int file_finish_truncate(struct exec *x, struct inode *inode)
{
	const struct ext4_inode *raw = inode_raw(x, inode);
	u64 first = blocks_of(inode_size(raw));

	if (!(inode->flags & INODE_ORPHAN) || !raw->i_links_count)
		return 0;
	if (!inode_is_reg(raw)) /* nothing but files is ever truncated */
		return orphan_del(x, inode);
	if (first <= EXT_LBLK_LAST)
		page_drop(x, inode, (lblk_t)first, ~0u);
	return truncate_rest(x, inode);
}

static int shrink(struct exec *x, struct inode *inode, u64 size)
{
	u64 first = blocks_of(size);
	u32 tail = (u32)size & (BLOCK_SIZE - 1);
	lblk_t last = EXT_LBLK_LAST;
	struct ext4_inode *raw;
	struct frame *f = NULL;
	int err = 0, more = 0;

	if (tail)
		err = page_zero_later(x, inode, (lblk_t)(size >> BLOCK_SHIFT), tail, BLOCK_SIZE,
				      &f);
	if (!err)
		err = inode_edit(x, inode, &raw);
	if (err)
		goto out;
	inode_set_size(raw, size);
	if (first <= EXT_LBLK_LAST) {
		err = page_drop_later(x, inode, (lblk_t)first, ~0u);
		if (!err)
			more = extent_remove_part(x, inode, (lblk_t)first, &last);
	}
	if (!err && more < 0)
		err = more;
	if (!err && more) {
		err = orphan_add(x, inode);
		if (!err) {
			tx_restart(x);
			err = truncate_rest(x, inode);
		}
	}
out:
	if (f)
		frame_unpin(x, f);
	return err;
}

int file_set_size(struct exec *x, struct inode *inode, u64 size)
{
	struct ext4_inode *raw = inode_raw(x, inode);
	int err;

	err = ext_changeable(x, inode);
	if (!err)
		err = file_finish_truncate(x, inode);
	if (err)
		return err;
	if (size < inode_size(raw))
		return shrink(x, inode, size);
	err = map_clean_tail(x, inode);
	if (!err)
		err = inode_edit(x, inode, &raw);
	if (!err)
		inode_set_size(raw, size);
	return err;
}
