/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Blocks that transactions have freed which are not committed: until then a crash brings their
 * content back, so they are not allocated again. Layer: part of the block allocator; what the
 * journal asks of it.
 *
 * A group has, while needed, maps of a frame each for the running and the committing transaction
 * (by the parity of its tid): all blocks that it has freed, and those of them that were metadata,
 * for which it logs a revoke record.
 *
 * Invariants
 *  M1. A map is there before an operation that frees is committed (freed_hold); bits are set by the
 *      mini that clears those of the block bitmap.
 *  M2. Maps go when their transaction is committed, without the group's lock: who still looks at
 *      one takes too many blocks for taken, or sees that they are free.
 */
#include "fs/alloc_priv.h"
#include "journal/journal.h"
#include "pool/cache.h"

static u32 parity(u32 tid)
{
	return tid >> 1 & 1;
}

static bool wanted(const struct exec *x)
{
	return journal_of(x)->blocks != 0;
}

static int map_hold(struct exec *x, struct group *group, u32 *place)
{
	struct frame *f;
	int err;

	if (atomic_load(place))
		return 0;
	err = frame_alloc(x, &f);
	if (err)
		return err;
	plat_zero(x->plat, frame_data(x, f), BLOCK_SIZE);
	lock_mini(x, &group->lock, RANK_GROUP);
	if (!*place) {
		frame_place(x, place, f);
		f = NULL;
	}
	lock_drop(x, &group->lock);
	if (f)
		frame_unpin(x, f);
	return 0;
}

int freed_hold(struct exec *x, u32 g, bool metadata)
{
	struct group *group = fs_group(x, g);
	u32 p = parity(x->slot->tid);
	int err;

	if (!wanted(x))
		return 0;
	atomic_store(&fs_of(x)->freed[p], 1);
	err = map_hold(x, group, &group->freed[p]);
	if (!err && metadata)
		err = map_hold(x, group, &group->revoked[p]);
	return err;
}

static int note_in(struct exec *x, fno_t fno, u32 bit, u32 count)
{
	u32 *map = exec_ptr(x, (ref_t)fno << BLOCK_SHIFT);
	u32 first = bit / 32, last = (bit + count - 1) / 32;
	int err;

	if (!fno)
		plat_panic(x->plat, "a map of freed blocks is missing", __FILE__, __LINE__);
	err = tx_save(x, &map[first], (last - first + 1) * 4);
	if (!err)
		bits_set(map, bit, count);
	return err;
}

int freed_note(struct exec *x, const struct group *group, u32 bit, u32 count, bool metadata)
{
	u32 p = parity(x->slot->tid);
	int err;

	if (!wanted(x))
		return 0;
	err = note_in(x, group->freed[p], bit, count);
	if (!err && metadata)
		err = note_in(x, group->revoked[p], bit, count);
	return err;
}

const u32 *freed_map(const struct exec *x, const struct group *group, u32 p)
{
	fno_t fno = atomic_load_acquire(&group->freed[p]);

	return exec_ptr(x, (ref_t)(fno ? fno : x->pool->hdr->zero_frame) << BLOCK_SHIFT);
}

/* ---- for the journal */
bool fs_revoke_next(struct exec *x, u32 tid, u64 *at, blkno_t *block)
{
	const struct fs *fs = fs_of(x);
	u32 p = parity(tid), g = (u32)(*at >> 32), bit = (u32)*at;

	if (!atomic_load(&fs->freed[p]))
		return false;
	for (; g < fs->ngroups; g++, bit = 0) {
		fno_t fno = fs_group(x, g)->revoked[p];
		u32 end = fs->blocks_per_group;

		if (!fno)
			continue;
		bit = bits_next_one(exec_ptr(x, (ref_t)fno << BLOCK_SHIFT), bit, end);
		if (bit == end)
			continue;
		*block = (blkno_t)g * fs->blocks_per_group + bit;
		*at = (u64)g << 32 | (bit + 1);
		return true;
	}
	return false;
}

static void drop_map(struct exec *x, u32 *place)
{
	if (*place)
		frame_displace(x, place);
}

void fs_commit_end(struct exec *x, u32 tid)
{
	struct fs *fs = fs_of(x);
	u32 p = parity(tid);

	if (!atomic_load(&fs->freed[p]))
		return;
	for (u32 g = 0; g < fs->ngroups; g++) {
		drop_map(x, &fs_group(x, g)->freed[p]);
		drop_map(x, &fs_group(x, g)->revoked[p]);
	}
	exec_step(x);
	atomic_store(&fs->freed[p], 0);
}
