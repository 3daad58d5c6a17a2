/* SPDX-License-Identifier: BSD-2-Clause */
/* Block bitmaps: finding, taking and giving back runs of blocks. */
#include <string.h>

#include "platform/atomic.h"
#include "platform/errno.h"
#include "fs/alloc_priv.h"

#define GOOD_RUN 16u /* blocks: a run as long as this is taken without looking further */

u32 bits_next_zero(const u32 *map, u32 from, u32 end)
{
	u32 word;

	if (from >= end)
		return end;
	word = ~map[from / 32] & (~0u << (from % 32));
	from &= ~31u;
	while (!word) {
		from += 32;
		if (from >= end)
			return end;
		word = ~map[from / 32];
	}
	return min_of(from + (u32)__builtin_ctz(word), end);
}

u32 bits_next_one(const u32 *map, u32 from, u32 end)
{
	u32 word;

	if (from >= end)
		return end;
	word = map[from / 32] & (~0u << (from % 32));
	from &= ~31u;
	while (!word) {
		from += 32;
		if (from >= end)
			return end;
		word = map[from / 32];
	}
	return min_of(from + (u32)__builtin_ctz(word), end);
}

/* The bits of [from, from+count) that lie in the word of `from`; *n of them. */
static u32 word_mask(u32 from, u32 count, u32 *n)
{
	u32 room = 32 - from % 32;

	*n = min_of(room, count);
	return (*n == 32 ? ~0u : (1u << *n) - 1) << (from % 32);
}

void bits_set(u32 *map, u32 from, u32 count)
{
	u32 n, mask;

	for (; count; from += n, count -= n) {
		mask = word_mask(from, count, &n);
		map[from / 32] |= mask;
	}
}

void bits_clear(u32 *map, u32 from, u32 count)
{
	u32 n, mask;

	for (; count; from += n, count -= n) {
		mask = word_mask(from, count, &n);
		map[from / 32] &= ~mask;
	}
}

/* What cannot be taken: used blocks, and those whose freeing is not committed. */
struct taken {
	const u32 *map, *freed[2];
};

/* The first bit in [from, end) that is set or, flip ~0, clear; or end. */
static u32 taken_next(const struct taken *t, u32 from, u32 end, u32 flip)
{
	u32 mask = ~0u << from % 32;

	for (u32 i = from / 32; from < end; i++, from = i * 32, mask = ~0u) {
		u32 word = (t->map[i] | t->freed[0][i] | t->freed[1][i]) ^ flip;

		word &= mask;
		if (word)
			return min_of(i * 32 + (u32)__builtin_ctz(word), end);
	}
	return end;
}

/* The best run of at most `want` blocks in [from, end) that can be taken: the one at the goal, else
 * the first that is long enough, else the longest. *len 0: none. */
static u32 run_in(const struct taken *t, u32 from, u32 end, u32 goal, u32 want, u32 *len)
{
	u32 best = 0, best_len = 0, enough = min_of(want, GOOD_RUN);

	while (from < end) {
		u32 a = taken_next(t, from, end, ~0u), b;

		if (a == end)
			break;
		b = taken_next(t, a, min_of(end, a + want), 0);
		if (b - a > best_len) {
			best = a;
			best_len = b - a;
			if (a == goal || best_len >= enough)
				break;
		}
		from = b;
	}
	*len = best_len;
	return best;
}

/* No block of the group can be taken. */
static int group_full(struct exec *x, const struct group_edit *e)
{
	if (!e->group->free_blocks)
		return -MP_ENOSPC;
	if (bits_next_zero(e->map, 0, group_blocks(fs_of(x), e->g)) < group_blocks(fs_of(x), e->g))
		return journal_retry(x); /* with the next commit */
	return fs_corrupt_maps(x, "block bitmap is full, its descriptor says free", 0, e->g);
}

/* Takes up to *count blocks of group g; goal: bit to start at. -ENOSPC: none free there;
 * -ERETRY: with the next commit. */
static int group_take(struct exec *x, u32 g, u32 goal, u32 *count, blkno_t *block)
{
	const struct fs *fs = fs_of(x);
	u32 end = group_blocks(fs, g), bit, len;
	struct group_edit e;
	struct taken t;
	int err;

	err = group_begin(x, g, false, &e);
	if (err)
		return err;
	t = (struct taken){e.map, {freed_map(x, e.group, 0), freed_map(x, e.group, 1)}};
	goal = min_of(max_of(goal, e.group->block_hint), end);
	bit = run_in(&t, goal, end, goal, *count, &len);
	if (len < min_of(*count, GOOD_RUN) && goal > e.group->block_hint && !(len && bit == goal)) {
		u32 len2, bit2 = run_in(&t, e.group->block_hint, goal, ~0u, *count, &len2);

		if (len2 > len) {
			bit = bit2;
			len = len2;
		}
	}
	if (!len)
		return group_end(x, &e, group_full(x, &e));
	*block = (blkno_t)g * fs->blocks_per_group + bit;
	*count = len;
	if (len > e.group->free_blocks)
		return group_end(x, &e,
				 fs_corrupt_maps(x, "group's free block count too low", 0, g));
	if (!fs_block_valid(x, *block, len))
		return group_end(
			x, &e, fs_corrupt_maps(x, "block bitmap says metadata is free", 0, *block));
	err = group_change(x, &e, bit, len);
	if (!err)
		err = tx_inflight(x, INFLIGHT_ALLOC_BLOCKS, *block, len);
	if (err)
		return group_end(x, &e, err == -MP_ENOSPC ? -MP_ENOMEM : err);
	bits_set(e.map, bit, len);
	atomic_store(&e.group->free_blocks, e.group->free_blocks - len);
	if (bit == e.group->block_hint)
		e.group->block_hint = bit + len;
	group_put_counts(x, &e);
	return group_end(x, &e, 0);
}

static bool may_use_reserve(const struct exec *x)
{
	const struct fs *fs = fs_of(x);

	return !x->cred.uid || x->cred.uid == fs->resuid ||
	       (fs->resgid && x->cred.gid == fs->resgid);
}

/* How many of `want` blocks may be taken beside the reserve. */
static u32 outside_reserve(struct exec *x, u32 want)
{
	const struct fs *fs = fs_of(x);
	u64 sum = 0;
	u32 g;

	for (g = 0; g < fs->ngroups; g++) {
		sum += atomic_load(&fs_group(x, g)->free_blocks);
		if (sum >= fs->reserved_blocks + want)
			return want;
	}
	return sum > fs->reserved_blocks ? (u32)(sum - fs->reserved_blocks) : 0;
}

u64 block_available(struct exec *x)
{
	u64 blocks, inodes, reserve = may_use_reserve(x) ? 0 : fs_of(x)->reserved_blocks;

	alloc_totals(x, &blocks, &inodes);
	return blocks > reserve ? blocks - reserve : 0;
}

int block_alloc(struct exec *x, struct inode *inode, blkno_t goal, u32 *count, blkno_t *block)
{
	const struct fs *fs = fs_of(x);
	u32 want = *count, first, bit, i, pass;
	int err, none = -MP_ENOSPC;

	if (!may_use_reserve(x))
		want = outside_reserve(x, want);
	if (!want)
		return -MP_ENOSPC;
	if (!goal)
		goal = inode->last_pblk ? inode->last_pblk + 1 : 0;
	if (!goal || goal >= fs->blocks_count) {
		first = (inode->ino - 1) / fs->inodes_per_group;
		bit = 0;
	} else {
		first = block_group(fs, goal, &bit);
	}
	/* first a group that can take it as one run, probably; then any */
	for (pass = 0; pass < 2; pass++) {
		for (i = 0; i < fs->ngroups; i++) {
			u32 g = first + i < fs->ngroups ? first + i : first + i - fs->ngroups;
			u32 nfree = atomic_load(&fs_group(x, g)->free_blocks);

			if (!nfree || (!pass && i && nfree < min_of(want, 1024u)))
				continue;
			*count = want;
			err = group_take(x, g, i ? 0 : bit, count, block);
			if (err == -MP_ERETRY)
				none = err;
			if (err == -MP_ENOSPC || err == -MP_ERETRY)
				continue;
			if (!err)
				inode->last_pblk = *block + *count - 1;
			return err;
		}
	}
	return none;
}

static int free_later(struct exec *x, blkno_t block, u32 count, u32 flag)
{
	u32 bit, g, last;
	int err;

	if (count & INFLIGHT_DATA || !fs_block_valid(x, block, count))
		return fs_corrupt_maps(x, "freeing blocks that are none or metadata", 0, block);
	err = flag ? 0 : journal_revoke(x, count);
	if (err)
		return err;
	g = block_group(fs_of(x), block, &bit);
	last = block_group(fs_of(x), block + count - 1, &bit);
	for (; g <= last; g++) {
		err = group_hold(x, g, false);
		if (!err)
			err = freed_hold(x, g, !flag);
		if (err)
			return err;
	}
	return tx_inflight(x, INFLIGHT_FREE_BLOCKS, block, count | flag);
}

int block_free(struct exec *x, blkno_t block, u32 count)
{
	return free_later(x, block, count, 0);
}

int block_free_data(struct exec *x, blkno_t block, u32 count)
{
	return free_later(x, block, count, INFLIGHT_DATA);
}

/* The first n blocks of the entry, which lie in one group. */
static int give_back_in(struct exec *x, struct inflight *entry, u32 g, u32 bit, u32 n)
{
	struct group_edit e;
	int err;

	err = group_begin(x, g, false, &e);
	if (err)
		return err;
	if (bits_next_zero(e.map, bit, bit + n) != bit + n ||
	    e.group->free_blocks + n > group_blocks(fs_of(x), g))
		return group_end(x, &e, fs_corrupt_maps(x, "freeing a free block", 0, entry->a));
	err = group_change(x, &e, bit, n);
	if (!err)
		err = tx_save(x, entry, sizeof(*entry));
	/* what an abort gives back was free all the time */
	if (!err && entry->kind == INFLIGHT_FREE_BLOCKS)
		err = freed_note(x, e.group, bit, n, !(entry->b & INFLIGHT_DATA));
	if (err)
		return group_end(x, &e, err);
	bits_clear(e.map, bit, n);
	atomic_store(&e.group->free_blocks, e.group->free_blocks + n);
	e.group->block_hint = min_of(e.group->block_hint, bit);
	group_put_counts(x, &e);
	entry->a += n;
	entry->b -= n;
	return group_end(x, &e, 0);
}

int blocks_give_back(struct exec *x, struct inflight *entry)
{
	const struct fs *fs = fs_of(x);
	u32 count = entry->b & ~INFLIGHT_DATA, bit, g;
	int err;

	/* before anybody else can get them */
	if (!(entry->b & INFLIGHT_DATA))
		buf_forget(x, entry->a, count);
	while ((count = entry->b & ~INFLIGHT_DATA)) {
		g = block_group(fs, entry->a, &bit);
		err = give_back_in(x, entry, g, bit, min_of(count, fs->blocks_per_group - bit));
		if (err)
			return err;
	}
	return 0;
}
