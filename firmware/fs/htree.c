/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The index of a directory: following it, and changing it. Layer: beside dir.c, above buffers.
 * Source: Documentation/filesystems/ext4/directory.rst (hash tree directories).
 *
 * Invariants
 *  H1. An index block is checked (dx_read) before an entry of it is followed; the leaf that is
 *      named is checked when it is read.
 *  H2. Entry k of an index block covers hashes from its own (entry 0: from its parent's) to that
 *      of entry k+1. Names of one hash that lie in several leaves: those after the first start
 *      with the hash's low bit set.
 *  H3. A change of the index is one step (split a leaf, split a node, add a level), after which
 *      the way down is looked up again.
 */
#include <string.h>

#include "fs/dir.h"
#include "platform/errno.h"

#define ROOT_INFO 24u
#define ROOT_ENTRIES 32u
#define NODE_ENTRIES 8u
#define BLOCK_MASK 0x0fffffffu

/* One entry of a leaf that is being split. */
struct split_entry {
	u32 hash;
	u16 offset;
	u16 size;
};
_Static_assert(sizeof(struct split_entry) * (BLOCK_SIZE / 12) <= BLOCK_SIZE, "fits a frame");

static struct ext4_dx_entry *entries_of(const struct dx_frame *frame)
{
	return (struct ext4_dx_entry *)(frame->block.data + frame->entries);
}

static u32 limit_of(const struct exec *x, u32 entries)
{
	u32 tail = fs_has_csum(x) ? (u32)sizeof(struct ext4_dx_tail) : 0;

	return (BLOCK_SIZE - entries - tail) / (u32)sizeof(struct ext4_dx_entry);
}

static void set_count(struct dx_frame *frame, u32 count)
{
	entries_of(frame)[0].hash = frame->limit | count << 16;
	frame->count = count;
}

static u32 max_levels(const struct exec *x)
{
	return fs_of(x)->feature_incompat & EXT4_INCOMPAT_LARGEDIR ? DX_MAX_LEVELS
								   : DX_MAX_LEVELS - 1;
}

static const struct ext4_dx_root_info *root_info(const struct dx_frame *root)
{
	return (const struct ext4_dx_root_info *)(root->block.data + ROOT_INFO);
}

/* H1. The frame's block is pinned by the frame, also on error. */
static int dx_read(struct exec *x, struct inode *dir, lblk_t lblk, u32 level,
		   struct dx_frame *frame)
{
	const struct ext4_dirent *de;
	u32 head;
	int err;

	err = dir_block_read(x, dir, lblk, CSUM_DX, &frame->block);
	if (err)
		return err;
	frame->entries = level ? NODE_ENTRIES : ROOT_ENTRIES;
	frame->limit = limit_of(x, frame->entries);
	head = entries_of(frame)[0].hash;
	frame->count = head >> 16;
	if ((head & 0xffff) != frame->limit || !frame->count || frame->count > frame->limit)
		goto bad;
	de = (const struct ext4_dirent *)frame->block.data;
	if (level) {
		if (de->inode || de->rec_len != BLOCK_SIZE)
			goto bad;
	} else {
		const struct ext4_dx_root_info *info = root_info(frame);

		if (de->inode != dir->ino || de->rec_len != 12 || info->reserved_zero ||
		    info->hash_version > EXT4_DX_TEA || info->info_length != 8 ||
		    info->indirect_levels >= max_levels(x))
			goto bad;
	}
	return 0;
bad:
	return fs_corrupt(x, "bad index block of a directory", dir->ino, lblk);
}

/* The last entry whose hash is not above. */
static u32 dx_search(const struct dx_frame *frame, u32 hash)
{
	const struct ext4_dx_entry *e = entries_of(frame);
	u32 low = 1, high = frame->count, mid;

	while (low < high) {
		mid = (low + high) / 2;
		if (e[mid].hash > hash)
			high = mid;
		else
			low = mid + 1;
	}
	return low - 1;
}

static int dx_target(struct exec *x, struct inode *dir, const struct dx_frame *frame, lblk_t *lblk)
{
	*lblk = entries_of(frame)[frame->at].block & BLOCK_MASK;
	if (!*lblk || *lblk >= dir_blocks(x, dir))
		return fs_corrupt(x, "index names a block beyond the directory", dir->ino, *lblk);
	return 0;
}

static u32 root_version(const struct exec *x, const struct dx_frame *root)
{
	return root_info(root)->hash_version +
	       (fs_of(x)->hash_version >= EXT4_DX_LEGACY_UNSIGNED ? 3u : 0);
}

void dx_path_put(struct exec *x, struct dx_path *path)
{
	u32 i;

	for (i = 0; i < path->levels; i++)
		dir_block_put(x, &path->frames[i].block);
	path->levels = 0;
}

/* Follows the index; with a name, its hash is made by the root's rule, else path->hash is given. */
static int walk(struct exec *x, struct inode *dir, const struct fs_name *name, struct dx_path *path)
{
	struct dx_frame *frame;
	u32 levels = 1, level;
	lblk_t lblk = 0;
	int err;

	path->levels = 0;
	for (level = 0; level < levels; level++) {
		frame = &path->frames[level];
		path->levels = level + 1;
		err = dx_read(x, dir, lblk, level, frame);
		if (err)
			return err;
		if (!level) {
			levels = root_info(frame)->indirect_levels + 1u;
			path->version = root_version(x, frame);
			if (name)
				path->hash =
					dx_hash_name(path->version, fs_of(x)->hash_seed, *name);
		}
		frame->at = dx_search(frame, path->hash.major);
		err = dx_target(x, dir, frame, &lblk);
		if (err)
			return err;
	}
	path->leaf = lblk;
	return 0;
}

int dx_walk(struct exec *x, struct inode *dir, struct dx_hash hash, struct dx_path *path)
{
	path->hash = hash;
	return walk(x, dir, NULL, path);
}

int dx_next(struct exec *x, struct inode *dir, struct dx_path *path, u32 *start)
{
	u32 level = path->levels;
	struct dx_frame *frame;
	lblk_t lblk;
	int err;

	do {
		if (!level)
			return 0;
		frame = &path->frames[--level];
	} while (frame->at + 1 >= frame->count);
	frame->at++;
	*start = entries_of(frame)[frame->at].hash;
	err = dx_target(x, dir, frame, &lblk);
	while (!err && ++level < path->levels) {
		frame = &path->frames[level];
		dir_block_put(x, &frame->block);
		err = dx_read(x, dir, lblk, level, frame);
		frame->at = 0;
		if (!err)
			err = dx_target(x, dir, frame, &lblk);
	}
	if (err)
		return err;
	path->leaf = lblk;
	return 1;
}

int dx_find(struct exec *x, struct inode *dir, struct fs_name name, struct dir_place *place)
{
	u32 left = dir_blocks(x, dir), start;
	struct dir_block block;
	struct dx_path path;
	int err;

	err = walk(x, dir, &name, &path);
	while (!err) {
		err = dir_block_read(x, dir, path.leaf, CSUM_DIR, &block);
		if (err)
			break;
		err = dir_block_find(x, dir, &block, name, place);
		if (!err)
			break;
		dir_block_put(x, &block);
		if (err != -MP_ENOENT)
			break;
		/* H2: the name may be in a leaf that continues this one */
		err = dx_next(x, dir, &path, &start);
		if (err < 0)
			break;
		if (!err || (start & ~1u) != path.hash.major)
			err = -MP_ENOENT;
		else if (!left--)
			err = fs_corrupt(x, "index with more leaves than blocks", dir->ino, 0);
		else
			err = 0;
	}
	dx_path_put(x, &path);
	return err;
}

/* ---- changing the index */

/* Puts (hash, block) behind the entry that was followed; there is room. */
static int index_insert(struct exec *x, struct dx_frame *frame, u32 hash, lblk_t lblk)
{
	u32 at = frame->at + 1, size = sizeof(struct ext4_dx_entry);
	struct ext4_dx_entry *e = entries_of(frame);
	void *p;
	int err;

	err = buf_save(x, frame->block.frame, frame->entries, 4, &p);
	if (!err)
		err = buf_save(x, frame->block.frame, frame->entries + at * size,
			       (frame->count - at + 1) * size, &p);
	if (err)
		return err;
	memmove(&e[at + 1], &e[at], (frame->count - at) * size);
	e[at].hash = hash;
	e[at].block = lblk;
	set_count(frame, frame->count + 1);
	return 0;
}

/* A new index node: behind an unused entry that covers the block. */
static int node_new(struct exec *x, struct inode *dir, struct dx_frame *node)
{
	struct ext4_dirent *de;
	int err;

	err = dir_block_append(x, dir, CSUM_DX, &node->block);
	if (err)
		return err;
	de = (struct ext4_dirent *)node->block.data;
	de->rec_len = BLOCK_SIZE;
	node->entries = NODE_ENTRIES;
	node->limit = limit_of(x, NODE_ENTRIES);
	return 0;
}

/* The upper half of a full node goes to a new node, which parent (not full) names too. */
static int node_split(struct exec *x, struct inode *dir, struct dx_frame *parent,
		      struct dx_frame *node)
{
	u32 keep = node->count / 2, moved = node->count - keep;
	const struct ext4_dx_entry *e = entries_of(node);
	struct dx_frame fresh;
	void *p;
	int err;

	err = node_new(x, dir, &fresh);
	if (err)
		return err;
	memcpy(entries_of(&fresh), &e[keep], moved * sizeof(*e));
	err = index_insert(x, parent, e[keep].hash, fresh.block.lblk);
	if (!err)
		err = buf_save(x, node->block.frame, node->entries, 4, &p);
	if (!err) {
		set_count(&fresh, moved);
		set_count(node, keep);
	}
	dir_block_put(x, &fresh.block);
	return err;
}

/* All entries of the full root go to a new node; the root names that one only. */
static int level_add(struct exec *x, struct inode *dir, struct dx_frame *root)
{
	u32 bytes = root->count * (u32)sizeof(struct ext4_dx_entry);
	struct ext4_dx_root_info *info;
	struct dx_frame fresh;
	void *p;
	int err;

	err = node_new(x, dir, &fresh);
	if (err)
		return err;
	memcpy(entries_of(&fresh), entries_of(root), bytes);
	set_count(&fresh, root->count);
	err = buf_save(x, root->block.frame, ROOT_INFO, ROOT_ENTRIES - ROOT_INFO + 8, &p);
	if (!err) {
		info = p;
		info->indirect_levels++;
		entries_of(root)[0].block = fresh.block.lblk;
		set_count(root, 1);
	}
	dir_block_put(x, &fresh.block);
	return err;
}

/* Makes room in the lowest full index node, one step (H3). */
static int index_grow(struct exec *x, struct inode *dir, struct dx_path *path)
{
	u32 level = path->levels - 1;

	while (level && path->frames[level - 1].count == path->frames[level - 1].limit)
		level--;
	if (level)
		return node_split(x, dir, &path->frames[level - 1], &path->frames[level]);
	if (path->levels >= max_levels(x)) {
		plat_log(x->plat, PLAT_WARN, "directory %u: the index is full%s", dir->ino,
			 max_levels(x) < DX_MAX_LEVELS ? " (large_dir would let it grow)" : "");
		return -MP_ENOSPC;
	}
	return level_add(x, dir, &path->frames[0]);
}

static void sift_down(struct split_entry *map, u32 root, u32 n)
{
	struct split_entry top = map[root];
	u32 child;

	while ((child = 2 * root + 1) < n) {
		if (child + 1 < n && map[child + 1].hash > map[child].hash)
			child++;
		if (map[child].hash <= top.hash)
			break;
		map[root] = map[child];
		root = child;
	}
	map[root] = top;
}

static void sort_map(struct split_entry *map, u32 n)
{
	struct split_entry last;
	u32 i;

	for (i = n / 2; i-- > 0;)
		sift_down(map, i, n);
	for (i = n; i-- > 1;) {
		last = map[i];
		map[i] = map[0];
		map[0] = last;
		sift_down(map, 0, i);
	}
}

/* The used entries of a leaf, by hash. The count, or -EUCLEAN. */
static int leaf_map(struct exec *x, struct inode *dir, const struct dir_block *leaf, u32 version,
		    struct split_entry *map)
{
	u32 offset, end = dir_usable(x), n = 0;
	struct ext4_dirent *de;
	struct fs_name name;

	for (offset = 0; offset < end; offset += de->rec_len) {
		de = dir_entry(x, dir, leaf, offset);
		if (!de)
			return -MP_EUCLEAN;
		if (!de->inode)
			continue;
		name.s = (const char *)de->name;
		name.len = de->name_len;
		map[n].hash = dx_hash_name(version, fs_of(x)->hash_seed, name).major;
		map[n].offset = (u16)offset;
		map[n].size = (u16)EXT4_DIRENT_LEN(name.len);
		n++;
	}
	sort_map(map, n);
	return (int)n;
}

/* Fills a block with the entries of map, copied from the old content. */
static void leaf_fill(struct exec *x, struct dir_block *leaf, const u8 *old,
		      const struct split_entry *map, u32 n)
{
	u32 offset = 0, end = dir_usable(x), i;
	struct ext4_dirent *de = (struct ext4_dirent *)leaf->data;

	dir_block_format(x, leaf);
	for (i = 0; i < n; i++) {
		de = (struct ext4_dirent *)(leaf->data + offset);
		memcpy(de, old + map[i].offset, map[i].size);
		de->rec_len = map[i].size;
		offset += map[i].size;
	}
	if (n)
		de->rec_len = (u16)(de->rec_len + end - offset);
}

/* Where to cut: the upper part has about half of the bytes. */
static u32 split_at(const struct split_entry *map, u32 n)
{
	u32 size = 0, i = n;

	while (i > 1 && size + map[i - 1].size / 2 <= BLOCK_SIZE / 2)
		size += map[--i].size;
	return i < n ? i : n - 1;
}

/* Splits the full leaf, puts the entry into the half where it belongs. */
static int leaf_split(struct exec *x, struct inode *dir, struct dx_path *path,
		      struct dir_block *leaf, struct split_entry *map, u8 *old, struct fs_name name,
		      ino_no_t ino, u32 mode)
{
	struct dir_block fresh;
	u32 cut, n, hash;
	void *p;
	int err;

	err = leaf_map(x, dir, leaf, path->version, map);
	if (err < 0)
		return err;
	n = (u32)err;
	if (n < 2)
		return fs_corrupt(x, "full leaf without entries", dir->ino, leaf->lblk);
	cut = split_at(map, n);
	hash = map[cut].hash;
	err = dir_block_append(x, dir, CSUM_DIR, &fresh);
	if (err)
		return err;
	err = buf_save(x, leaf->frame, 0, BLOCK_SIZE, &p);
	if (!err)
		err = index_insert(x, &path->frames[path->levels - 1],
				   hash + (hash == map[cut - 1].hash), fresh.lblk);
	if (!err)
		err = dir_set_hint(x, leaf, 0);
	if (err)
		goto out;
	memcpy(old, leaf->data, BLOCK_SIZE);
	leaf_fill(x, &fresh, old, map + cut, n - cut);
	leaf_fill(x, leaf, old, map, cut);
	err = dir_block_insert(x, dir, path->hash.major >= hash ? &fresh : leaf, name, ino, mode);
	if (!err)
		err = fs_corrupt(x, "no room in half a leaf", dir->ino, leaf->lblk);
out:
	dir_block_put(x, &fresh);
	return min_of(err, 0);
}

static int split_with_frames(struct exec *x, struct inode *dir, struct dx_path *path,
			     struct dir_block *leaf, struct fs_name name, ino_no_t ino, u32 mode)
{
	struct frame *map = NULL, *old = NULL;
	int err;

	err = frame_alloc(x, &map);
	if (!err)
		err = frame_alloc(x, &old);
	if (!err)
		err = leaf_split(x, dir, path, leaf, frame_data(x, map), frame_data(x, old), name,
				 ino, mode);
	if (map)
		frame_unpin(x, map);
	if (old)
		frame_unpin(x, old);
	return err;
}

/* One attempt: 1 done, 0 the index has grown and the way must be followed again. */
static int insert_once(struct exec *x, struct inode *dir, struct dx_path *path, struct fs_name name,
		       ino_no_t ino, u32 mode)
{
	const struct dx_frame *bottom;
	struct dir_block leaf;
	int err;

	err = walk(x, dir, &name, path);
	if (err)
		return err;
	err = dir_block_read(x, dir, path->leaf, CSUM_DIR, &leaf);
	if (err)
		return err;
	err = dir_block_insert(x, dir, &leaf, name, ino, mode);
	if (err)
		goto out;
	bottom = &path->frames[path->levels - 1];
	if (bottom->count == bottom->limit) {
		err = index_grow(x, dir, path);
	} else {
		err = split_with_frames(x, dir, path, &leaf, name, ino, mode);
		if (!err)
			err = 1;
	}
out:
	dir_block_put(x, &leaf);
	return err;
}

int dx_insert(struct exec *x, struct inode *dir, struct fs_name name, ino_no_t ino, u32 mode)
{
	struct dx_path path;
	u32 tries;
	int err = 0;

	/* at most a split per level, a new level, and the insert itself */
	for (tries = 0; !err && tries < DX_MAX_LEVELS + 3; tries++) {
		err = insert_once(x, dir, &path, name, ino, mode);
		dx_path_put(x, &path);
	}
	if (!err)
		err = fs_corrupt(x, "the index does not grow", dir->ino, 0);
	return min_of(err, 0);
}

/* Moves the entries after ".." of the first block to a new leaf. */
static int convert_leaf(struct exec *x, struct inode *dir, struct dir_block *first,
			struct dir_block *leaf)
{
	u32 end = dir_usable(x), offset, put = 0, size;
	struct ext4_dirent *de, *last = (struct ext4_dirent *)leaf->data;

	dir_block_format(x, leaf);
	for (offset = 12u + ((struct ext4_dirent *)(first->data + 12))->rec_len; offset < end;
	     offset += de->rec_len) {
		de = dir_entry(x, dir, first, offset);
		if (!de)
			return -MP_EUCLEAN;
		if (!de->inode)
			continue;
		size = EXT4_DIRENT_LEN((u32)de->name_len);
		last = (struct ext4_dirent *)(leaf->data + put);
		memcpy(last, de, size);
		last->rec_len = (u16)size;
		put += size;
	}
	last->rec_len = (u16)(end - (u32)((u8 *)last - leaf->data));
	return 0;
}

/* The first block becomes the root: ".", "..", the info, one entry. */
static void convert_root(struct exec *x, struct dir_block *first, lblk_t leaf)
{
	struct ext4_dx_root_info *info = (struct ext4_dx_root_info *)(first->data + ROOT_INFO);
	struct dx_frame root = {.block = *first, .entries = ROOT_ENTRIES};

	((struct ext4_dirent *)(first->data + 12))->rec_len = BLOCK_SIZE - 12;
	memset(first->data + ROOT_INFO, 0, BLOCK_SIZE - ROOT_INFO);
	info->hash_version = (u8)(fs_of(x)->hash_version % 3);
	info->info_length = 8;
	root.limit = limit_of(x, ROOT_ENTRIES);
	set_count(&root, 1);
	entries_of(&root)[0].block = leaf;
	frame_csum_set(first->frame, CSUM_DX, 0);
}

static int check_dots(struct exec *x, struct inode *dir, const struct dir_block *first)
{
	const struct ext4_dirent *de = dir_entry(x, dir, first, 0);

	if (!de)
		return -MP_EUCLEAN;
	if (de->inode != dir->ino || de->rec_len != 12 || de->name_len != 1 || de->name[0] != '.')
		goto bad;
	de = dir_entry(x, dir, first, 12);
	if (!de)
		return -MP_EUCLEAN;
	if (de->name_len != 2 || de->name[0] != '.' || de->name[1] != '.')
		goto bad;
	return 0;
bad:
	return fs_corrupt(x, "directory without . and ..", dir->ino, 0);
}

int dx_convert(struct exec *x, struct inode *dir, struct dir_block *first)
{
	struct dir_block leaf = {0};
	struct ext4_inode *raw;
	void *p;
	int err;

	err = check_dots(x, dir, first);
	if (!err)
		err = dir_block_append(x, dir, CSUM_DIR, &leaf);
	if (!err)
		err = convert_leaf(x, dir, first, &leaf);
	if (!err)
		err = buf_save(x, first->frame, 0, BLOCK_SIZE, &p);
	if (!err)
		err = dir_set_hint(x, first, 0); /* saves csum */
	if (!err)
		err = inode_edit(x, dir, &raw);
	if (err)
		goto out;
	convert_root(x, first, leaf.lblk);
	raw->i_flags |= EXT4_FL_INDEX;
out:
	dir_block_put(x, &leaf);
	dir_block_put(x, first);
	return err;
}
