/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Listing a directory. Layer: above dir.c and htree.c.
 *
 * Invariants
 *  R1. A position says what comes next, not where it is: 0 ".", 1 "..", then, where names have a
 *      hash order, the hash of the next name (major >> 1 in the upper, minor in the lower 32 bits,
 *      as ext4 does it), else the byte offset of the next entry. So nothing that others insert,
 *      remove or split can make an entry appear twice or not at all.
 *  R2. An indexed directory, and one of a single block that may become indexed, is listed by hash.
 *  R3. Between two transactions nothing is believed but the position; the sorted batch is used
 *      again only if i_version says that the directory is the same.
 *
 * A batch is a frame of keys: the smallest keys, from the position on, of one unit of leaves (a
 * leaf and those that continue it).
 */
#include <string.h>

#include "fs/dir.h"
#include "platform/atomic.h"
#include "platform/errno.h"

#define POS_FIRST 2u
#define POS_END 0x7fffffffffffffffull
#define PINS_MAX 16u /* inodes locked in one transaction */

struct batch_key {
	u64 key;
	u32 lblk;
	u32 offset;
};
#define BATCH_MAX (BLOCK_SIZE / sizeof(struct batch_key))

/* One call of fs_readdir, across its transactions. */
struct reader {
	struct inode *dir;
	fs_filldir fill;
	void *arg;
	bool want_attr;
	bool full; /* the caller has no room */
	bool end;  /* nothing follows pos */
	bool given;
	u64 pos;
	/* the batch (R3) */
	struct frame *frame;
	struct batch_key *keys;
	u32 count;
	u32 next;    /* key that comes next */
	u64 after;   /* the position behind the batch */
	u32 version; /* i_version it was made at */
	struct dir_block block;
	/* what the transaction holds */
	struct inode *pins[PINS_MAX];
	u32 npins;
};

static u64 key_of(const struct exec *x, u32 version, struct fs_name name)
{
	struct dx_hash hash = dx_hash_name(version, fs_of(x)->hash_seed, name);
	u64 key;

	/* the legacy hash has no second half */
	if (version == EXT4_DX_LEGACY || version == EXT4_DX_LEGACY_UNSIGNED)
		hash.minor = plat_crc32c(x->plat, ~0u, name.s, name.len);
	key = (u64)(hash.major >> 1) << 32 | hash.minor;
	return max_of(key, (u64)POS_FIRST);
}

/* ---- giving entries to the caller */

/* The entry's attributes; its inode stays pinned until the transaction ends. Its lock does not
 * stay: children are met here in no order in which several could be locked. */
static bool entry_attr(struct exec *x, struct reader *r, ino_no_t ino, struct fs_attr *attr)
{
	struct inode *inode;
	bool ok;

	if (inode_get(x, ino, &inode))
		return false;
	r->pins[r->npins++] = inode;
	ok = inode_lock_read(x, inode) == 0;
	if (ok) {
		inode_saw(x, inode);
		inode_attr(x, inode, attr);
	}
	if (lock_held(x, &inode->lock))
		lock_drop(x, &inode->lock);
	return ok;
}

static bool name_good(const u8 *name, u32 len)
{
	for (; len; len--, name++)
		if (!*name || *name == '/')
			return false;
	return true;
}

/* 1: goes on; 0: the transaction holds enough, or the caller is full. */
static int give(struct exec *x, struct reader *r, const struct ext4_dirent *de, u64 next)
{
	/* DT_* by file type of the entry */
	static const u8 types[8] = {0, 8, 4, 2, 6, 1, 12, 10};
	struct fs_dirent out = {.next = next};
	struct fs_attr attr;

	if (!name_good(de->name, de->name_len))
		return fs_corrupt(x, "name with a slash or a zero", r->dir->ino, de->inode);
	if (r->want_attr && r->npins == PINS_MAX)
		return 0;
	out.name.s = (const char *)de->name;
	out.name.len = de->name_len;
	out.ino = de->inode;
	out.type = types[de->file_type & 7];
	if (r->want_attr && de->inode != r->dir->ino && de->inode >= fs_of(x)->first_ino &&
	    entry_attr(x, r, de->inode, &attr)) {
		out.attr = &attr;
		out.type = attr.mode >> 12;
	}
	if (!r->fill(r->arg, &out)) {
		r->full = true;
		return 0;
	}
	r->given = true;
	r->pos = next;
	return 1;
}

static int give_dots(struct exec *x, struct reader *r)
{
	struct fs_dirent out = {.type = EXT4_S_IFDIR >> 12};
	ino_no_t parent;
	int err;

	err = dir_get_parent(x, r->dir, &parent);
	if (err)
		return err;
	for (; r->pos < POS_FIRST && !r->full; r->pos += !r->full) {
		out.name.s = "..";
		out.name.len = r->pos ? 2 : 1;
		out.ino = r->pos ? parent : r->dir->ino;
		out.next = r->pos + 1;
		r->full = !r->fill(r->arg, &out);
	}
	return 0;
}

/* ---- hash order */

static void heap_down(struct batch_key *keys, u32 root, u32 n)
{
	struct batch_key top = keys[root];
	u32 child;

	while ((child = 2 * root + 1) < n) {
		if (child + 1 < n && keys[child + 1].key > keys[child].key)
			child++;
		if (keys[child].key <= top.key)
			break;
		keys[root] = keys[child];
		root = child;
	}
	keys[root] = top;
}

static void heap_up(struct batch_key *keys, u32 at)
{
	struct batch_key item = keys[at];
	u32 parent;

	while (at && keys[parent = (at - 1) / 2].key < item.key) {
		keys[at] = keys[parent];
		at = parent;
	}
	keys[at] = item;
}

/* Keeps the smallest keys: a heap with the largest on top, which gives way. */
static void batch_add(struct reader *r, const struct batch_key *item)
{
	if (r->count < BATCH_MAX) {
		r->keys[r->count] = *item;
		heap_up(r->keys, r->count++);
		return;
	}
	/* what has no room now is found again from the position behind the batch */
	if (item->key >= r->keys[0].key) {
		r->after = min_of(r->after, item->key);
		return;
	}
	r->after = min_of(r->after, r->keys[0].key);
	r->keys[0] = *item;
	heap_down(r->keys, 0, r->count);
}

static void batch_sort(struct reader *r)
{
	struct batch_key last;
	u32 i;

	for (i = r->count; i-- > 1;) {
		last = r->keys[i];
		r->keys[i] = r->keys[0];
		r->keys[0] = last;
		heap_down(r->keys, 0, i);
	}
}

static int batch_add_leaf(struct exec *x, struct reader *r, lblk_t lblk, u32 version, u32 offset)
{
	u32 end = dir_usable(x);
	struct dir_block block;
	struct batch_key item;
	struct ext4_dirent *de;
	struct fs_name name;
	int err;

	err = dir_block_read(x, r->dir, lblk, CSUM_DIR, &block);
	if (err)
		return err;
	for (; offset < end; offset += de->rec_len) {
		de = dir_entry(x, r->dir, &block, offset);
		if (!de) {
			err = -MP_EUCLEAN;
			break;
		}
		if (!de->inode)
			continue;
		name.s = (const char *)de->name;
		name.len = de->name_len;
		item.key = key_of(x, version, name);
		item.lblk = lblk;
		item.offset = offset;
		if (item.key >= r->pos)
			batch_add(r, &item);
	}
	dir_block_put(x, &block);
	return err;
}

/* Leaves from the one of the position up to the first that does not continue the one before. */
static int batch_add_unit(struct exec *x, struct reader *r)
{
	struct dx_hash hash = {(u32)(r->pos >> 32) << 1, 0};
	u32 left = dir_blocks(x, r->dir), start;
	struct dx_path path;
	int err;

	err = dx_walk(x, r->dir, hash, &path);
	while (!err) {
		err = batch_add_leaf(x, r, path.leaf, path.version, 0);
		if (err)
			break;
		err = dx_next(x, r->dir, &path, &start);
		if (err < 1)
			break;
		err = 0;
		if (!(start & 1)) {
			u64 after = (u64)(start >> 1) << 32;

			if (after <= r->pos && after)
				err = fs_corrupt(x, "index out of order", r->dir->ino, path.leaf);
			r->after = min_of(r->after, after);
			/* a leaf of removed names: on to the next one */
			if (err || r->count || after > (u64)POS_FIRST)
				break;
		}
		if (!left--)
			err = fs_corrupt(x, "index with more leaves than blocks", r->dir->ino, 0);
	}
	dx_path_put(x, &path);
	return err;
}

/* Makes the batch for the position. */
static int batch_make(struct exec *x, struct reader *r)
{
	int err;

	if (!r->frame) {
		err = frame_alloc(x, &r->frame);
		if (err)
			return err;
		r->keys = frame_data(x, r->frame);
	}
	r->count = 0;
	r->next = 0;
	r->after = POS_END;
	r->version = inode_raw(x, r->dir)->i_version;
	if (dir_indexed(x, r->dir)) {
		err = batch_add_unit(x, r);
	} else {
		struct dir_block block;
		u32 offset;

		err = dir_block_read(x, r->dir, 0, CSUM_DIR, &block);
		if (err)
			return err;
		/* ".." was checked by give_dots() when the position was 0; it may be listed later
		 */
		offset = 12u + ((const struct ext4_dirent *)(block.data + 12))->rec_len;
		dir_block_put(x, &block);
		err = batch_add_leaf(x, r, 0, fs_of(x)->hash_version, offset);
	}
	if (err)
		r->count = 0;
	batch_sort(r);
	return err;
}

static int read_hashed(struct exec *x, struct reader *r)
{
	const struct ext4_dirent *de;
	struct batch_key *item;
	int err = 1;

	if (r->frame && r->version != inode_raw(x, r->dir)->i_version) {
		r->count = 0;
		r->next = 0;
		r->after = r->pos;
	}
	while (err > 0) {
		if (r->next == r->count) {
			if (r->frame)
				r->pos = max_of(r->pos, r->after);
			if (r->pos >= POS_END) {
				r->end = true;
				return 0;
			}
			err = batch_make(x, r);
			if (err)
				return err;
			err = 1;
			if (!r->count)
				continue;
		}
		item = &r->keys[r->next];
		if (!r->block.frame || r->block.lblk != item->lblk) {
			dir_block_put(x, &r->block);
			err = dir_block_read(x, r->dir, item->lblk, CSUM_DIR, &r->block);
			if (err)
				return err;
		}
		de = dir_entry(x, r->dir, &r->block, item->offset);
		if (!de)
			return -MP_EUCLEAN;
		err = give(x, r, de, item->key + 1);
		if (err > 0)
			r->next++;
	}
	return err;
}

/* ---- order of offsets */
static int read_linear(struct exec *x, struct reader *r)
{
	u32 end = dir_usable(x), offset, n = dir_blocks(x, r->dir);
	const struct ext4_dirent *de;
	u64 base;
	int err;

	while (r->pos >> BLOCK_SHIFT < n) {
		base = r->pos & ~(u64)(BLOCK_SIZE - 1);
		err = dir_block_read(x, r->dir, (lblk_t)(r->pos >> BLOCK_SHIFT), CSUM_DIR,
				     &r->block);
		if (err)
			return err;
		/* entries are reached from the start: the one at the position may be gone */
		for (offset = 0; offset < end; offset += de->rec_len) {
			de = dir_entry(x, r->dir, &r->block, offset);
			if (!de)
				return -MP_EUCLEAN;
			if (!de->inode || base + offset < r->pos)
				continue;
			err = give(x, r, de, base + offset + de->rec_len);
			if (err < 1)
				return err;
		}
		dir_block_put(x, &r->block);
		r->pos = base + BLOCK_SIZE;
	}
	r->end = true;
	return 0;
}

/* Everything in one transaction, up to what it can hold. */
static int read_some(struct exec *x, struct reader *r)
{
	const struct ext4_inode *raw = inode_raw(x, r->dir);
	int err;

	if (!inode_is_dir(raw))
		return -MP_ENOTDIR;
	if (!raw->i_links_count)
		return -MP_ENOENT;
	if (r->pos < POS_FIRST) {
		err = give_dots(x, r);
		if (err || r->full)
			return err;
	}
	if (dir_indexed(x, r->dir) ||
	    (dir_blocks(x, r->dir) == 1 && (fs_of(x)->feature_compat & EXT4_COMPAT_DIR_INDEX)))
		return read_hashed(x, r);
	/* the first two entries are "." and ".." */
	if (r->pos < 12 + 12)
		r->pos = 12 + 12;
	return read_linear(x, r);
}

int fs_readdir(struct exec *x, node_t dir, u64 pos, bool want_attr, fs_filldir fill, void *arg)
{
	struct reader r = {.fill = fill, .arg = arg, .want_attr = want_attr, .pos = pos};
	struct inode *inode = NULL;
	bool stale = false;
	u32 i;
	int err;

	do {
		tx_begin(x);
		err = inode ? 0 : inode_get_node(x, dir, &inode);
		r.dir = inode;
		if (!err)
			err = inode_lock_read(x, inode);
		if (!err)
			err = read_some(x, &r);
		stale = !err && inode_atime_stale(x, inode_raw(x, inode));
		dir_block_put(x, &r.block);
		err = tx_end(x, err);
		for (i = 0; i < r.npins; i++)
			inode_put(x, r.pins[i]);
		r.npins = 0;
	} while (!err && !r.full && !r.end);
	if (r.frame)
		frame_unpin(x, r.frame);
	if (stale)
		inode_accessed(x, inode);
	if (inode)
		inode_put(x, inode);
	/* an error behind entries that were given is told when the caller comes back there */
	return r.given ? 0 : err;
}
