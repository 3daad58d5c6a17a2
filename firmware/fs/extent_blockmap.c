/* SPDX-License-Identifier: BSD-2-Clause */
/* Reading files of old: block pointers in the inode and up to three levels of blocks of pointers.
 */
#include "fs/extent_priv.h"

#define PTRS_SHIFT 10u /* pointers of a block: 1024 */
#define PTRS (1u << PTRS_SHIFT)
#define DIRECT 12u

/* The run of pointers from index on: as long as they go up by one, or are all 0. */
static u32 run_length(const u32 *ptr, u32 index, u32 end)
{
	u32 i = index + 1;

	while (i < end && ptr[i] == (ptr[index] ? ptr[index] + (i - index) : 0))
		i++;
	return i - index;
}

/* A pointer of 0, `levels` above the data: nothing behind it is there, from rest on. */
static u32 hole_length(u64 rest, u32 levels)
{
	u64 span = 1ull << (levels * PTRS_SHIFT);

	return (u32)(span - (rest & (span - 1)));
}

int blockmap_lookup(struct exec *x, const struct inode *inode, lblk_t lblk, struct extent_map *out)
{
	const u32 *ptr = inode_raw(x, inode)->i_block;
	struct csum_id none = {CSUM_NONE, 0, 0};
	struct frame *f = NULL;
	u32 index = lblk, end = DIRECT, levels = 0;
	u64 rest = lblk;
	int err = 0;

	out->lblk = lblk;
	out->len = 1;
	out->pblk = 0;
	out->unwritten = false;
	if (rest >= DIRECT) {
		rest -= DIRECT;
		for (levels = 1; levels <= 3 && rest >> (levels * PTRS_SHIFT); levels++)
			rest -= 1ull << (levels * PTRS_SHIFT);
		if (levels > 3) {
			out->len = ~0u - lblk;
			return 0;
		}
		index = DIRECT + levels - 1;
	}
	while (levels) {
		struct frame *next;
		blkno_t block = ptr[index];

		if (!block) {
			out->len = hole_length(rest, levels);
			goto out;
		}
		if (!fs_block_valid(x, block, 1)) {
			err = fs_corrupt(x, "block pointer", inode->ino, block);
			goto out;
		}
		err = buf_read(x, block, none, &next);
		if (err)
			goto out;
		if (f)
			buf_put(x, f);
		f = next;
		ptr = frame_data(x, f);
		end = PTRS;
		levels--;
		index = (u32)(rest >> (levels * PTRS_SHIFT)) & (PTRS - 1);
	}
	out->pblk = ptr[index];
	out->len = run_length(ptr, index, end);
	if (out->pblk && !fs_block_valid(x, out->pblk, out->len))
		err = fs_corrupt(x, "block pointer", inode->ino, out->pblk);
out:
	if (f)
		buf_put(x, f);
	return err;
}
