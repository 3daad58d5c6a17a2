/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Pages of files that hosts map into the memory of their users. Layer: beside file data.
 *
 * Invariants
 *  M1. A host has pages of an inode mapped only while its bit is in inode.mapped; the bit is set
 *      under the inode's lock, and taken away by the host itself, or when it is dead.
 *  M2. While anybody has the inode mapped, its pages stay the frames that they are: writes go into
 *      them, and before a page leaves the file (or comes where zeros are mapped) all are asked to
 *      unmap the inode, and waited for, under its lock for writing.
 *  M3. A frame that users may store into has the host's bit in frame.stores; whoever syncs takes it
 *      for dirty. It becomes dirty once more when that ends.
 *  M4. A mapped frame is pinned by the host that has it mapped.
 *
 * Asking: the bit in inode.unmap, then the word fs.revokes. The host that is asked waits for
 * nothing of the one who asks.
 */
#include "fs/map.h"

#ifndef MPDISK_SINGLE_HART
#include "fs/file_priv.h"
#include "platform/errno.h"
#include "pool/cache.h"

#define MAP_AHEAD 16u /* pages that are read at a miss */

static inline u32 host_bit(const struct exec *x)
{
	return 1u << x->host & MAPPED_HOSTS;
}

/* ---- asking */
void map_revoke_all(struct exec *x, struct inode *inode)
{
	struct fs *fs = fs_of(x);
	u32 seen;

	atomic_or(&inode->unmap, map_hosts(inode));
	atomic_add(&fs->revokes, 1);
	plat_wake(x->plat, &fs->revokes);
	while ((seen = atomic_load_acquire(&inode->mapped)) & MAPPED_HOSTS)
		exec_wait(x, &inode->mapped, seen, 1000);
	atomic_and(&inode->mapped, ~MAPPED_HOLES);
}

void map_revoke_everywhere(struct exec *x)
{
	const struct fs *fs = fs_of(x);

	for (u32 i = 0; i < fs->ninodes; i++) {
		struct inode *inode = (struct inode *)exec_ptr(x, fs->inodes) + i;

		if (!map_hosts(inode))
			continue;
		lock_mini(x, &inode->lock, RANK_INODE); /* the end of a tx would drop the role */
		map_revoke(x, inode);
		lock_drop(x, &inode->lock);
	}
}

int map_zero_tail(struct exec *x, struct inode *inode)
{
	u64 size = inode_size(inode_raw(x, inode));
	u32 tail = (u32)size & (BLOCK_SIZE - 1);
	int err = 0;

	if (tail)
		err = page_zero(x, inode, (lblk_t)(size >> BLOCK_SHIFT), tail, BLOCK_SIZE);
	if (!err && !map_hosts(inode))
		atomic_and(&inode->mapped, ~MAPPED_TAIL);
	return err;
}

/* ---- mapping */
/* Reads it, and some behind it, if need be; NULL: nothing is there but zeros. */
static int map_load(struct exec *x, struct inode *inode, lblk_t index, struct frame **f)
{
	u64 end = (inode_size(inode_raw(x, inode)) + BLOCK_SIZE - 1) >> BLOCK_SHIFT;
	blkno_t block;

	*f = page_find(x, inode, index);
	if (*f)
		return 0;
	page_readahead(x, inode, index, (u32)min_of((u64)MAP_AHEAD, end - index));
	return page_lookup(x, inode, index, &block, f);
}

/* A page of zeros becomes a page of the file. */
static int map_new(struct exec *x, struct inode *inode, lblk_t index)
{
	u64 pos = (u64)index << BLOCK_SHIFT, size = inode_size(inode_raw(x, inode));
	struct fs_seg seg = {.len = (u16)min_of((u64)BLOCK_SIZE, size - pos)};
	struct frame *f;
	u32 done = 0;
	int err;

	err = frame_alloc(x, &f);
	if (err)
		return err;
	plat_zero(x->plat, frame_data(x, f), BLOCK_SIZE);
	seg.frame = frame_no(x, f);
	err = file_write(x, inode, pos, 0, &seg, 1, &done);
	frame_unpin(x, frame_of(x, seg.frame));
	return err;
}

static int map_touch(struct exec *x, struct inode *inode)
{
	struct ext4_inode *raw = inode_raw(x, inode);
	int err;

	if (inode_times_fresh(x, raw))
		return 0;
	err = inode_edit_times(x, inode, &raw);
	if (!err)
		inode_touch(x, raw, INODE_MTIME | INODE_CTIME);
	return err;
}

static int map_store(struct exec *x, struct inode *inode, lblk_t index, struct frame **f)
{
	struct pool_header *hdr = x->pool->hdr;
	u64 size = inode_size(inode_raw(x, inode));
	blkno_t block;
	int err;

	if (inode_raw(x, inode)->i_flags & EXT4_FL_IMMUTABLE)
		return -MP_EPERM;
	err = page_lookup(x, inode, index, &block, f);
	if (!err && !*f) {
		err = map_new(x, inode, index);
		if (!err)
			err = page_lookup(x, inode, index, &block, f);
		if (!err && !*f)
			err = -MP_EIO;
	}
	if (!err)
		err = map_touch(x, inode);
	if (err)
		return err;
	atomic_or(&hdr->stores, host_bit(x));
	atomic_or(&(*f)->stores, host_bit(x));
	page_dirty(x, inode, *f, block);
	if (index == size >> BLOCK_SHIFT && size & (BLOCK_SIZE - 1))
		atomic_or(&inode->mapped, MAPPED_TAIL);
	return 0;
}

static int map_locked(struct exec *x, struct inode *inode, u64 page, bool write, struct frame **f)
{
	const struct ext4_inode *raw = inode_raw(x, inode);
	int err;

	err = file_check(raw);
	if (!err && page >= (inode_size(raw) + BLOCK_SIZE - 1) >> BLOCK_SHIFT)
		err = -MP_ENXIO;
	if (err)
		return err;
	/* before the frame is chosen: what fills the page itself does not take it away again (M2)
	 */
	err = write ? map_store(x, inode, (lblk_t)page, f) : map_load(x, inode, (lblk_t)page, f);
	if (err)
		return err;
	if (!*f) {
		*f = frame_of(x, x->pool->hdr->zero_frame);
		frame_pin(x, *f);
		atomic_or(&inode->mapped, MAPPED_HOLES);
	}
	atomic_or(&inode->mapped, host_bit(x));
	return 0;
}

static int map_once(struct exec *x, node_t node, u64 page, bool write, fno_t *frame)
{
	struct frame *f = NULL;
	struct inode *inode;
	int err;

	err = write ? fs_writable(x) : 0;
	if (!err)
		err = inode_get_node(x, node, &inode);
	if (err)
		return err;
	if (write)
		tx_begin_change(x);
	else
		tx_begin(x);
	err = write ? inode_lock_write(x, inode) : inode_lock_read(x, inode);
	if (!err)
		err = map_locked(x, inode, page, write, &f);
	err = tx_end(x, err);
	if (err && f)
		frame_unpin(x, f);
	if (!err)
		*frame = frame_no(x, f);
	inode_put(x, inode);
	return err;
}

int fs_map(struct exec *x, node_t node, u64 page, bool write, fno_t *frame)
{
	int err;

	if (!host_bit(x))
		return -MP_EINVAL;
	do
		err = map_once(x, node, page, write, frame);
	while (journal_again(x, &err));
	return err;
}

/* ---- unmapping */
void fs_unmap_page(struct exec *x, fno_t frame)
{
	struct frame *f = frame_of(x, frame);

	if (atomic_load(&f->kind) != FRAME_PAGE || !(atomic_load(&f->stores) & host_bit(x)))
		return;
	/* in this order: who syncs sees the one or the other */
	frame_mark_dirty(x, f);
	atomic_and(&f->stores, ~host_bit(x));
}

static void unmapped(struct exec *x, struct inode *inode, u32 hosts)
{
	atomic_and(&inode->unmap, ~hosts);
	if (atomic_and(&inode->mapped, ~hosts) & hosts)
		plat_wake(x->plat, &inode->mapped);
}

static struct inode *inode_of_word(const struct exec *x, ref_t word)
{
	return exec_ptr(x, word - (ref_t)offsetof(struct inode, changes));
}

void fs_unmap_done(struct exec *x, ref_t word)
{
	unmapped(x, inode_of_word(x, word), host_bit(x));
}

void fs_unmap_stores(struct exec *x)
{
	atomic_and(&x->pool->hdr->stores, ~host_bit(x));
}

bool fs_unmap_asked(const struct exec *x, ref_t word)
{
	return atomic_load_acquire(&inode_of_word(x, word)->unmap) & host_bit(x);
}

u32 *fs_unmap_word(struct pool *pool)
{
	return &((struct fs *)pool_ptr(pool, pool->hdr->fs))->revokes;
}

void fs_unmap_hosts(struct exec *x, u32 hosts)
{
	const struct pool_header *hdr = x->pool->hdr;
	const struct fs *fs = fs_of(x);

	hosts &= MAPPED_HOSTS;
	if (!hdr->fs)
		return;
	for (fno_t fno = 1; fno < hdr->nframes && atomic_load(&hdr->stores) & hosts; fno++) {
		struct frame *f = frame_of(x, fno);

		if (atomic_load(&f->kind) != FRAME_PAGE || !(atomic_load(&f->stores) & hosts))
			continue;
		frame_mark_dirty(x, f);
		atomic_and(&f->stores, ~hosts);
	}
	atomic_and(&x->pool->hdr->stores, ~hosts);
	for (u32 i = 0; i < fs->ninodes; i++) {
		struct inode *inode = (struct inode *)exec_ptr(x, fs->inodes) + i;

		if (atomic_load(&inode->mapped) & hosts)
			unmapped(x, inode, hosts);
	}
}
#endif
