/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where the journal's blocks lie: its inode, and its extent tree or block pointers, read from the
 * medium without any cache, since the log may hold newer copies of what a cache would keep.
 *
 * Linux never writes to the journal's inode while it is in use, so what is read here is the same
 * before and after recovery.
 */
#include <string.h>

#include "fs/csum.h"
#include "fs/super.h"
#include "journal/log_read.h"
#include "platform/errno.h"
#include "platform/guard.h"

#define MAP_BLOCKS 16u /* of the pool: 4096 runs */
#define MAX_DEPTH 5u
#define POINTERS 1024u
#define DIRECT 12u
#define MAX_EXTENT 32768u /* longer ones are not written yet */

int scratch_take(struct exec *x, struct scratch *s, u32 blocks, ref_t *out)
{
	if (blocks + GUARD_BLOCKS > (s->end - s->next) / BLOCK_SIZE) {
		plat_log(x->plat, PLAT_ERR,
			 "journal: no room to recover it: the pool has %u KiB and needs more",
			 x->pool->size >> 10);
		return -MP_ENOMEM;
	}
	*out = s->next;
	s->next += (blocks + GUARD_BLOCKS) * BLOCK_SIZE;
	plat_guard_close(exec_ptr(x, *out + blocks * BLOCK_SIZE), GUARD_BLOCKS * BLOCK_SIZE);
	return 0;
}

int raw_io(struct exec *x, enum plat_io_op op, blkno_t block, ref_t ref, u32 count)
{
	struct plat_io io = {.op = op, .block = block, .ref = ref, .count = count};
	int err;

	plat_io_submit(x->plat, &io);
	err = plat_io_wait(x->plat, &io);
	if (err)
		plat_log(x->plat, PLAT_ERR, "journal: block %llu cannot be %s: error %d",
			 (unsigned long long)block, op == PLAT_READ ? "read" : "written", -err);
	return err;
}

static int nonsense(struct exec *x, const char *what)
{
	plat_log(x->plat, PLAT_ERR, "journal: its inode makes no sense: %s", what);
	return -MP_EUCLEAN;
}

/* [block, block + len) follows what the map has. */
static int map_add(struct exec *x, struct log_map *map, blkno_t block, u32 len)
{
	struct log_run *runs = exec_ptr(x, map->runs);
	struct log_run *last = map->n ? &runs[map->n - 1] : NULL;

	if (!block || block >= fs_of(x)->blocks_count || len > fs_of(x)->blocks_count - block)
		return nonsense(x, "a block outside of the filesystem");
	if (last && last->pblk + last->len == block) {
		last->len += len;
	} else {
		if (map->n == map->max)
			return nonsense(x, "it is in too many pieces");
		runs[map->n++] = (struct log_run){block, map->blocks, len};
	}
	map->blocks += len;
	map->lowest = min_of(map->lowest, block);
	map->highest = max_of(map->highest, block + len - 1);
	return 0;
}

blkno_t log_map_find(struct exec *x, const struct log_map *map, u32 lblk, u32 *run)
{
	u32 lo = 0, hi = map->n;
	const struct log_run *r;

	while (hi - lo > 1) {
		u32 mid = (lo + hi) / 2;

		if (log_run(x, map, mid)->lblk <= lblk)
			lo = mid;
		else
			hi = mid;
	}
	r = log_run(x, map, lo);
	*run = r->lblk + r->len - lblk;
	return r->pblk + (lblk - r->lblk);
}

bool log_map_has(struct exec *x, const struct log_map *map, blkno_t block)
{
	if (block < map->lowest || block > map->highest)
		return false;
	for (u32 i = 0; i < map->n; i++) {
		const struct log_run *r = log_run(x, map, i);

		if (block - r->pblk < r->len)
			return true;
	}
	return false;
}

/* ---- an extent tree */
struct level {
	ref_t node; /* struct ext4_extent_header */
	u32 next;   /* entry to look at */
};

/* Not a cache's frame: only what csum_verify() looks at. */
static int verify_node(struct exec *x, ref_t ref, blkno_t block, u32 seed)
{
	struct frame *f = frame_of(x, ref >> BLOCK_SHIFT);
	struct frame kept = *f;
	int err;

	f->block = block;
	frame_csum_set(f, CSUM_EXTENT, 0);
	f->csum_seed = seed;
	err = csum_verify(x, f);
	*f = kept;
	return err;
}

static int check_node(struct exec *x, const struct ext4_extent_header *h, u32 depth, u32 room)
{
	if (h->eh_magic != EXT4_EXT_MAGIC || h->eh_depth != depth || h->eh_entries > h->eh_max ||
	    h->eh_max > room || !h->eh_entries)
		return nonsense(x, "extent node");
	return 0;
}

static int add_extent(struct exec *x, struct log_map *map, const struct ext4_extent *e, u32 want)
{
	if (e->ee_len > MAX_EXTENT || !e->ee_len)
		return nonsense(x, "an extent that is not written");
	if (e->ee_block != map->blocks)
		return nonsense(x, "a hole");
	if (e->ee_len > want - map->blocks)
		return nonsense(x, "blocks behind its end");
	return map_add(x, map, e->ee_start_lo | (u64)e->ee_start_hi << 32, e->ee_len);
}

/* Reads the node that entry `next - 1` of the level above names. */
static int descend(struct exec *x, const struct level *up, struct level *down, u32 depth, u32 seed)
{
	const struct ext4_extent_header *h = exec_ptr(x, up->node);
	const struct ext4_extent_idx *i = (const void *)(h + 1);
	blkno_t block;
	int err;

	i += up->next - 1;
	block = i->ei_leaf_lo | (u64)i->ei_leaf_hi << 32;
	if (!block || block >= fs_of(x)->blocks_count)
		return nonsense(x, "a block outside of the filesystem");
	err = raw_io(x, PLAT_READ, block, down->node, 1);
	if (!err)
		err = verify_node(x, down->node, block, seed);
	if (!err)
		err = check_node(x, exec_ptr(x, down->node), depth,
				 (BLOCK_SIZE - sizeof(*h)) / sizeof(struct ext4_extent));
	down->next = 0;
	return err;
}

static int load_extents(struct exec *x, const struct ext4_inode *raw, u32 seed, struct scratch *s,
			struct log_map *map, u32 want)
{
	struct level level[MAX_DEPTH + 1];
	u32 depth, at = 0;
	ref_t ref = 0;
	int err = scratch_take(x, s, MAX_DEPTH + 1, &ref);

	if (err)
		return err;
	for (u32 i = 0; i <= MAX_DEPTH; i++)
		level[i] = (struct level){ref + i * BLOCK_SIZE, 0};
	memcpy(exec_ptr(x, ref), raw->i_block, sizeof(raw->i_block));
	depth = ((const struct ext4_extent_header *)exec_ptr(x, ref))->eh_depth;
	if (depth > MAX_DEPTH)
		return nonsense(x, "extent tree");
	err = check_node(x, exec_ptr(x, ref), depth, 4);
	/* every step adds an extent, or goes up or down: each node is entered once per entry, and
	 * what it adds is bounded by the size of the file */
	for (u32 steps = 0; !err; steps++) {
		const struct ext4_extent_header *h = exec_ptr(x, level[at].node);

		if (steps > 4 * (want + MAX_DEPTH))
			return nonsense(x, "extent tree");
		if (level[at].next == h->eh_entries) {
			if (at == 0)
				break;
			at--;
		} else if (at == depth) {
			const struct ext4_extent *e = (const void *)(h + 1);

			err = add_extent(x, map, e + level[at].next++, want);
		} else {
			level[at].next++;
			err = descend(x, &level[at], &level[at + 1], depth - at - 1, seed);
			at++;
		}
	}
	return err;
}

/* ---- block pointers, as ext3 made journals */
struct pointers {
	ref_t block[3]; /* the blocks last read, by level */
	blkno_t at[3];
};

static int pointer(struct exec *x, const u32 *root, u64 rest, struct pointers *p, blkno_t *out)
{
	u32 levels = 0;

	if (rest < DIRECT) {
		*out = root[rest];
		return 0;
	}
	rest -= DIRECT;
	for (levels = 1; levels < 3 && rest >> 10 * levels; levels++)
		rest -= 1ull << 10 * levels;
	*out = root[DIRECT + levels - 1];
	while (levels--) {
		const u32 *ptr = exec_ptr(x, p->block[levels]);
		int err;

		if (!*out || *out >= fs_of(x)->blocks_count)
			return nonsense(x, "a block outside of the filesystem");
		if (p->at[levels] != *out) {
			err = raw_io(x, PLAT_READ, *out, p->block[levels], 1);
			if (err)
				return err;
			p->at[levels] = *out;
		}
		*out = ptr[rest >> 10 * levels & (POINTERS - 1)];
	}
	return 0;
}

static int load_pointers(struct exec *x, const struct ext4_inode *raw, struct scratch *s,
			 struct log_map *map, u32 want)
{
	u32 root[DIRECT + 3];
	struct pointers p = {.at = {0}};
	int err = 0;

	_Static_assert(sizeof(root) == sizeof(raw->i_block), "i_block");
	memcpy(root, raw->i_block, sizeof(root));
	for (u32 i = 0; !err && i < 3; i++)
		err = scratch_take(x, s, 1, &p.block[i]);
	while (!err && map->blocks < want) {
		blkno_t block;

		err = pointer(x, root, map->blocks, &p, &block);
		if (!err)
			err = map_add(x, map, block, 1);
	}
	return err;
}

/* ---- the inode */
static int read_inode(struct exec *x, ino_no_t ino, ref_t ref, struct ext4_inode **raw)
{
	const struct fs *fs = fs_of(x);
	u32 group = (ino - 1) / fs->inodes_per_group, index = (ino - 1) % fs->inodes_per_group;
	const struct ext4_group_desc *d;
	blkno_t block;
	int err;

	if (!ino || ino > fs->inodes_count)
		return nonsense(x, "its number");
	err = raw_io(x, PLAT_READ, 1 + group / fs->descs_per_block, ref, 1);
	if (err)
		return err;
	d = exec_ptr(x, ref + group % fs->descs_per_block * fs->desc_size);
	block = desc_inode_table(d, fs->desc_size) + index / fs->inodes_per_block;
	if (block >= fs->blocks_count)
		return nonsense(x, "its place");
	err = raw_io(x, PLAT_READ, block, ref, 1);
	*raw = exec_ptr(x, ref + index % fs->inodes_per_block * fs->inode_size);
	return err ? err : csum_verify_inode(x, *raw, ino);
}

int log_map_load(struct exec *x, ino_no_t ino, struct scratch *s, struct log_map *map)
{
	struct ext4_inode *raw = NULL;
	u64 size;
	ref_t ref = 0;
	u32 seed;
	int err;

	*map = (struct log_map){.max = MAP_BLOCKS * (BLOCK_SIZE / sizeof(struct log_run)),
				.lowest = ~0ull};
	err = scratch_take(x, s, MAP_BLOCKS, &map->runs);
	if (!err)
		err = scratch_take(x, s, 1, &ref);
	if (!err)
		err = read_inode(x, ino, ref, &raw);
	if (err)
		return err;
	size = raw->i_size_lo | (u64)raw->i_size_high << 32;
	if ((raw->i_mode & EXT4_S_IFMT) != EXT4_S_IFREG || !raw->i_links_count)
		return nonsense(x, "it is not a file");
	if (size < 1024ull * BLOCK_SIZE || size >> BLOCK_SHIFT > fs_of(x)->blocks_count ||
	    size >> (BLOCK_SHIFT + 31))
		return nonsense(x, "its size");
	seed = plat_crc32c(x->plat, fs_of(x)->csum_seed, &ino, 4);
	seed = plat_crc32c(x->plat, seed, &raw->i_generation, 4);
	if (raw->i_flags & EXT4_FL_EXTENTS)
		err = load_extents(x, raw, seed, s, map, (u32)(size >> BLOCK_SHIFT));
	else
		err = load_pointers(x, raw, s, map, (u32)(size >> BLOCK_SHIFT));
	if (!err && map->blocks != size >> BLOCK_SHIFT)
		err = nonsense(x, "a hole at its end");
	return err;
}
