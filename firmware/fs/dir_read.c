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
 *  R3. Between two transactions nothing is believed but the position.
 *
 * The names of one hash may lie in several leaves: a leaf and those that continue it are a unit. As
 * good as always it is one leaf, which is given in its order (dir_order.c).
 */
#include <string.h>

#include "fs/dir.h"
#include "platform/errno.h"

#define POS_END 0x7fffffffffffffffull
#define NO_KEY UINT64_MAX
#define NO_LEAF UINT32_MAX
#define PINS_MAX 16u /* inodes locked in one transaction */

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
	/* what the transaction holds */
	struct dir_leaf leaf;
	struct inode *pins[PINS_MAX];
	u32 npins;
	u32 tie; /* of its unit, the leaf that gave the key pos - 1: those behind may have it too */
};

/* Which leaf of a unit comes next. */
struct choice {
	lblk_t leaf;
	u32 nth; /* of the unit's */
	u32 version;
	u64 from;  /* its keys from this one on */
	u64 limit; /* ... below this one, where another leaf comes; or NO_KEY: then the unit ends */
	u64 after; /* where the next unit starts */
};

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

/* 1: goes on; 0: the transaction holds enough, or the caller is full. */
static int give(struct exec *x, struct reader *r, const struct ext4_dirent *de, u64 next)
{
	/* DT_* by file type of the entry */
	static const u8 types[8] = {0, 8, 4, 2, 6, 1, 12, 10};
	struct fs_dirent out = {.next = next};
	struct fs_attr attr;

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
	for (; r->pos < DIR_POS_FIRST && !r->full; r->pos += !r->full) {
		out.name.s = "..";
		out.name.len = r->pos ? 2 : 1;
		out.ino = r->pos ? parent : r->dir->ino;
		out.next = r->pos + 1;
		r->full = !r->fill(r->arg, &out);
	}
	return 0;
}

/* ---- hash order */

/* The first key of a leaf from a key on. */
static int leaf_first(struct exec *x, struct reader *r, lblk_t lblk, u32 version, u64 from,
		      u64 *key)
{
	int err = dir_leaf_read(x, r->dir, lblk, version, &r->leaf);

	*key = NO_KEY;
	if (!err)
		(void)dir_leaf_entry(&r->leaf, dir_leaf_find(&r->leaf, from), key);
	dir_leaf_put(x, &r->leaf);
	return err;
}

/* One more leaf of a unit of several. */
static int choose_among(struct exec *x, struct reader *r, const struct choice *next, u64 *lowest,
			struct choice *c)
{
	u64 key;
	int err = leaf_first(x, r, next->leaf, next->version, next->from, &key);

	if (key < *lowest) {
		c->leaf = next->leaf;
		c->nth = next->nth;
		c->from = next->from;
		c->limit = *lowest;
		*lowest = key;
	} else {
		c->limit = min_of(c->limit, key);
	}
	return err;
}

/* In the unit in which the position lies. */
static int choose_leaf(struct exec *x, struct reader *r, struct choice *c)
{
	struct dx_hash hash = {(u32)(r->pos >> 32) << 1, 0};
	u32 left = dir_blocks(x, r->dir), start = 0;
	struct choice next = {.nth = 0};
	u64 lowest = NO_KEY;
	struct dx_path path;
	bool more = true;
	int err;

	err = dx_walk(x, r->dir, hash, &path);
	if (!err)
		*c = (struct choice){path.leaf, 0, path.version, r->pos, NO_KEY, POS_END};
	for (; !err && more; next.nth++) {
		next.leaf = path.leaf;
		next.version = path.version;
		next.from = r->pos - (next.nth > r->tie);
		if (!left--)
			err = fs_corrupt(x, "index with more leaves than blocks", r->dir->ino, 0);
		else
			err = dx_next(x, r->dir, &path, &start);
		more = err > 0 && (start & 1 || !start);
		c->after = err > 0 ? (u64)(start >> 1) << 32 : POS_END;
		err = min_of(err, 0);
		if (!err && (more || next.nth))
			err = choose_among(x, r, &next, &lowest, c);
	}
	dx_path_put(x, &path);
	if (!err && c->after <= r->pos)
		err = fs_corrupt(x, "index out of order", r->dir->ino, c->leaf);
	/* of a key that several have, each gives all that it has */
	if (c->limit != NO_KEY)
		c->limit = max_of(c->limit, lowest + 1);
	return err;
}

/* 1: all that was chosen is given. */
static int give_leaf(struct exec *x, struct reader *r, const struct choice *c)
{
	const struct ext4_dirent *de;
	u64 key;
	int err;
	u32 i;

	err = dir_leaf_read(x, r->dir, c->leaf, c->version, &r->leaf);
	if (err)
		return err;
	err = 1;
	for (i = dir_leaf_find(&r->leaf, c->from); err > 0; i++) {
		de = dir_leaf_entry(&r->leaf, i, &key);
		if (!de || key >= c->limit)
			break;
		err = give(x, r, de, key + 1);
	}
	dir_leaf_put(x, &r->leaf);
	return err;
}

static int read_hashed(struct exec *x, struct reader *r)
{
	struct choice c = {0, 0, fs_of(x)->hash_version, r->pos, NO_KEY, POS_END};
	bool indexed = dir_indexed(x, r->dir);
	int err = 1;
	u64 before;

	while (err > 0 && r->pos < POS_END) {
		err = indexed ? choose_leaf(x, r, &c) : 0;
		if (err)
			return err;
		before = r->pos;
		err = give_leaf(x, r, &c);
		if (r->pos != before)
			r->tie = c.nth;
		if (err > 0 && c.limit == NO_KEY) {
			r->pos = max_of(r->pos, c.after);
			r->tie = NO_LEAF;
		}
	}
	r->end = err > 0;
	return min_of(err, 0);
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
				     &r->leaf.block);
		if (err)
			return err;
		/* entries are reached from the start: the one at the position may be gone */
		for (offset = 0; offset < end; offset += de->rec_len) {
			de = dir_named_entry(x, r->dir, &r->leaf.block, offset);
			if (!de)
				return -MP_EUCLEAN;
			if (!de->inode || base + offset < r->pos)
				continue;
			err = give(x, r, de, base + offset + de->rec_len);
			if (err < 1)
				return err;
		}
		dir_leaf_put(x, &r->leaf);
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
	if (r->pos < DIR_POS_FIRST) {
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
		r.tie = NO_LEAF;
		if (!err)
			err = inode_lock_read(x, inode);
		if (!err)
			err = read_some(x, &r);
		stale = !err && inode_atime_stale(x, inode_raw(x, inode));
		dir_leaf_put(x, &r.leaf);
		err = tx_end(x, err);
		for (i = 0; i < r.npins; i++)
			inode_put(x, r.pins[i]);
		r.npins = 0;
	} while (!err && !r.full && !r.end);
	if (stale)
		inode_accessed(x, inode);
	if (inode)
		inode_put(x, inode);
	/* an error behind entries that were given is told when the caller comes back there */
	return r.given ? 0 : err;
}
