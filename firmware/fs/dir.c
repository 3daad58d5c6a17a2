/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Directory blocks and their entries. Layer: above extents and buffers, below namei.c.
 * Source: Documentation/filesystems/ext4/directory.rst.
 *
 * Invariants
 *  D1. No entry is used before dir_entry() has checked it against its block.
 *  D2. Entries never move within a block, except when a leaf is split or converted (htree.c).
 *  D3. The mask in csum of a leaf's frame, which only inode tables need otherwise, is the offset of
 * the entry at which the next insert looks for room first (0 when the frame is new): every change
 *      that may take that entry away sets it anew, in the same tx. So does every change of what
 *      entries there are, which takes DIR_ORDERED away (dir_order.c).
 *  D4. A change of entries changes mtime, ctime and i_version of the directory: readdir notices.
 */
#include <string.h>

#include "fs/dir.h"
#include "fs/extent.h"
#include "fs/file_priv.h"
#include "platform/atomic.h"
#include "platform/errno.h"

#define MIN_ENTRY 12u

static u8 dir_file_type(const struct exec *x, u32 mode)
{
	if (!(fs_of(x)->feature_incompat & EXT4_INCOMPAT_FILETYPE))
		return EXT4_FT_UNKNOWN;
	switch (mode & EXT4_S_IFMT) {
	case EXT4_S_IFREG:
		return EXT4_FT_REG;
	case EXT4_S_IFDIR:
		return EXT4_FT_DIR;
	case EXT4_S_IFCHR:
		return EXT4_FT_CHR;
	case EXT4_S_IFBLK:
		return EXT4_FT_BLK;
	case EXT4_S_IFIFO:
		return EXT4_FT_FIFO;
	case EXT4_S_IFSOCK:
		return EXT4_FT_SOCK;
	case EXT4_S_IFLNK:
		return EXT4_FT_LNK;
	}
	return EXT4_FT_UNKNOWN;
}

int dir_block_read(struct exec *x, struct inode *dir, lblk_t lblk, enum csum_kind kind,
		   struct dir_block *out)
{
	struct csum_id id = {kind, dir->ino, 0};
	struct extent_map map;
	int err;

	out->frame = NULL;
	if (lblk >= dir_blocks(x, dir))
		return fs_corrupt(x, "directory block beyond its end", dir->ino, lblk);
	err = extent_lookup(x, dir, lblk, &map);
	if (err)
		return err;
	if (!map.pblk || map.unwritten)
		return fs_corrupt(x, "hole in a directory", dir->ino, lblk);
	id.seed = inode_csum_seed(x, dir);
	err = buf_read(x, map.pblk, id, &out->frame);
	if (err)
		return err;
	/* the buffer is what it was when it was read first: a block of two files is seen here */
	if (frame_csum_kind(out->frame) != kind || out->frame->csum_owner != dir->ino) {
		dir_block_put(x, out);
		return fs_corrupt(x, "directory block in use for something else", dir->ino,
				  map.pblk);
	}
	out->data = frame_data(x, out->frame);
	out->lblk = lblk;
	return 0;
}

int dir_block_append(struct exec *x, struct inode *dir, enum csum_kind kind, struct dir_block *out)
{
	struct csum_id id = {kind, dir->ino, inode_csum_seed(x, dir)};
	lblk_t lblk = dir_blocks(x, dir);
	bool large = fs_of(x)->feature_incompat & EXT4_INCOMPAT_LARGEDIR;
	struct ext4_inode *raw;
	struct extent_map map;
	bool fresh;
	int err;

	out->frame = NULL;
	if (lblk >= (large ? 0xFFFFFFFu : 1u << 19)) {
		plat_log(x->plat, PLAT_WARN, "directory %u has reached its largest size", dir->ino);
		return -MP_ENOSPC;
	}
	err = inode_edit(x, dir, &raw);
	if (!err)
		err = extent_map_or_alloc(x, dir, lblk, 1, false, &map, &fresh);
	if (!err && !fresh)
		err = fs_corrupt(x, "block mapped beyond the end of a directory", dir->ino, lblk);
	if (!err)
		err = buf_new(x, map.pblk, id, &out->frame);
	if (!err)
		err = buf_edit(x, out->frame);
	if (err) {
		dir_block_put(x, out);
		return err;
	}
	out->data = frame_data(x, out->frame);
	out->lblk = lblk;
	inode_set_size(raw, (u64)(lblk + 1) << BLOCK_SHIFT);
	return 0;
}

void dir_block_format(struct exec *x, struct dir_block *block)
{
	struct ext4_dirent *de = (struct ext4_dirent *)block->data;
	struct ext4_dirent_tail *tail =
		(struct ext4_dirent_tail *)(block->data + BLOCK_SIZE - sizeof(*tail));

	memset(de, 0, sizeof(*de));
	de->rec_len = (u16)dir_usable(x);
	if (fs_has_csum(x)) {
		memset(tail, 0, sizeof(*tail));
		tail->det_rec_len = sizeof(*tail);
		tail->det_reserved_ft = 0xDE;
	}
}

/* D1. */
struct ext4_dirent *dir_entry(struct exec *x, struct inode *dir, const struct dir_block *block,
			      u32 offset)
{
	struct ext4_dirent *de = (struct ext4_dirent *)(block->data + offset);
	u32 end = dir_usable(x), len;

	if (offset + MIN_ENTRY > end || (offset & 3))
		goto bad;
	len = de->rec_len;
	if (len < MIN_ENTRY || (len & 3) || offset + len > end ||
	    len < EXT4_DIRENT_LEN((u32)de->name_len))
		goto bad;
	if (offset + len != end && offset + len + MIN_ENTRY > end)
		goto bad;
	if (de->inode && (!de->name_len || de->inode > fs_of(x)->inodes_count))
		goto bad;
	return de;
bad:
	(void)fs_corrupt(x, "bad directory entry", dir->ino,
			 ((u64)block->lblk << BLOCK_SHIFT) + offset);
	return NULL;
}

/* The part of dir_entry()'s check that a scan needs to get on. */
static inline bool may_pass(const struct ext4_dirent *de, u32 left)
{
	u32 len = de->rec_len;

	return len >= MIN_ENTRY && !(len & 3) && len <= left;
}

int dir_block_find(struct exec *x, struct inode *dir, struct dir_block *block, struct fs_name name,
		   struct dir_place *place)
{
	u32 end = dir_usable(x), need = EXT4_DIRENT_LEN(name.len), offset, prev = 0;
	const struct ext4_dirent *de;
	u8 last = (u8)name.s[name.len - 1];

	for (offset = 0; offset <= end - MIN_ENTRY; offset += de->rec_len) {
		de = (const struct ext4_dirent *)(block->data + offset);
		if (!may_pass(de, end - offset))
			goto bad;
		/* names that are alike differ at their end */
		if (de->name_len == name.len && de->rec_len >= need &&
		    de->name[name.len - 1] == last && de->inode &&
		    !memcmp(de->name, name.s, name.len)) {
			if (!dir_entry(x, dir, block, offset))
				return -MP_EUCLEAN;
			place->block = *block;
			place->offset = offset;
			place->prev = prev;
			return 0;
		}
		prev = offset;
	}
	if (offset == end)
		return -MP_ENOENT;
bad:
	(void)dir_entry(x, dir, block, offset); /* says what is wrong */
	return -MP_EUCLEAN;
}

/* D3. */
int dir_set_hint(struct exec *x, const struct dir_block *block, u32 offset)
{
	int err = tx_save(x, &block->frame->csum, 4);

	if (!err)
		frame_csum_set(block->frame, frame_csum_kind(block->frame), offset);
	return err;
}

/* D4. */
static int dir_changed(struct exec *x, struct inode *dir)
{
	struct ext4_inode *raw = inode_raw(x, dir);
	int err = buf_edit(x, frame_of(x, dir->itable));

	_Static_assert(offsetof(struct ext4_inode, i_mtime) ==
				       offsetof(struct ext4_inode, i_ctime) + 4 &&
			       offsetof(struct ext4_inode, i_mtime_extra) ==
				       offsetof(struct ext4_inode, i_ctime_extra) + 4,
		       "saved in pairs");
	if (!err)
		err = tx_save(x, &raw->i_ctime, 8);
	if (!err)
		err = tx_save(x, &raw->i_version, 4);
	if (!err)
		err = tx_save(x, &raw->i_ctime_extra, 8);
	if (err)
		return err;
	inode_dirty_csum(x, dir);
	inode_count_change(dir);
	atomic_store(&dir->sync_tid, x->slot->tid);
	raw->i_version++;
	inode_set_changed(x, raw);
	return 0;
}

/* Bytes that the entry itself needs of its record. */
static u32 entry_used(const struct ext4_dirent *de)
{
	return de->inode ? EXT4_DIRENT_LEN((u32)de->name_len) : 0;
}

/* Puts the new entry into the slack behind (or in place of) the entry at offset. */
static int entry_put(struct exec *x, struct dir_block *block, u32 offset, struct fs_name name,
		     ino_no_t ino, u32 mode)
{
	struct ext4_dirent *de = (struct ext4_dirent *)(block->data + offset);
	u32 used = entry_used(de), need = EXT4_DIRENT_LEN(name.len), whole = de->rec_len, i;
	int err;

	_Static_assert(offsetof(struct ext4_dirent, rec_len) == 4, "rec_len");
	err = buf_edit(x, block->frame);
	if (!err)
		err = used ? tx_save(x, &de->rec_len, 4) : tx_save(x, de, 8);
	if (err)
		return err;
	/* what slack contains means nothing, now and after an abort */
	tx_fresh(x, (u8 *)de + used, need);
	if (used) {
		de->rec_len = (u16)used;
		de = (struct ext4_dirent *)(block->data + offset + used);
	}
	de->inode = ino;
	de->rec_len = (u16)(whole - used);
	de->name_len = (u8)name.len;
	de->file_type = dir_file_type(x, mode);
	/* names are short: not worth two calls */
	for (i = 0; i < name.len; i++)
		de->name[i] = name.s[i];
	for (; i < need - 8; i++)
		de->name[i] = 0;
	return 0;
}

/* The first entry from offset on with room for need bytes. false: *offset is the end of the block,
 * or of a bad entry. */
static bool find_room(const struct dir_block *block, u32 end, u32 need, u32 *offset)
{
	const struct ext4_dirent *de;
	u32 at, used;

	for (at = *offset; at <= end - MIN_ENTRY; at += de->rec_len) {
		de = (const struct ext4_dirent *)(block->data + at);
		used = entry_used(de);
		if (!may_pass(de, end - at) || used > de->rec_len)
			break;
		if (de->rec_len - used >= need) {
			*offset = at;
			return true;
		}
	}
	*offset = at;
	return false;
}

int dir_block_insert(struct exec *x, struct inode *dir, struct dir_block *block,
		     struct fs_name name, ino_no_t ino, u32 mode)
{
	u32 end = dir_usable(x), need = EXT4_DIRENT_LEN(name.len);
	u32 offset = frame_csum_mask(block->frame) & ~3u;
	const struct ext4_dirent *de;
	bool again = offset != 0;
	int err;

	while (!find_room(block, end, need, &offset)) {
		if (offset < end) {
			(void)dir_entry(x, dir, block, offset); /* says what is wrong */
			return -MP_EUCLEAN;
		}
		if (!again)
			return 0;
		again = false;
		offset = 0;
	}
	de = dir_entry(x, dir, block, offset);
	if (!de)
		return -MP_EUCLEAN;
	err = dir_set_hint(x, block, offset + entry_used(de));
	if (!err)
		err = entry_put(x, block, offset, name, ino, mode);
	return err ? err : 1;
}

/* In a linear directory, the block at which the next insert looks for room first. */
static int linear_hint(struct exec *x, struct inode *dir, lblk_t lblk)
{
	int err = 0;

	if (dir->dir_hint != lblk) {
		err = tx_save(x, &dir->dir_hint, 4);
		if (!err)
			dir->dir_hint = lblk;
	}
	return err;
}

/* Searches the blocks of a directory without an index. */
static int linear_find(struct exec *x, struct inode *dir, struct fs_name name,
		       struct dir_place *place)
{
	u32 n = dir_blocks(x, dir);
	struct dir_block block;
	lblk_t lblk;
	int err;

	for (lblk = 0; lblk < n; lblk++) {
		err = dir_block_read(x, dir, lblk, CSUM_DIR, &block);
		if (err)
			return err;
		err = dir_block_find(x, dir, &block, name, place);
		if (!err)
			return 0;
		dir_block_put(x, &block);
		if (err != -MP_ENOENT)
			return err;
	}
	return -MP_ENOENT;
}

static int place_find(struct exec *x, struct inode *dir, struct fs_name name,
		      struct dir_place *place)
{
	if (dir_indexed(x, dir))
		return dx_find(x, dir, name, place);
	return linear_find(x, dir, name, place);
}

static struct ext4_dirent *place_entry(const struct dir_place *place)
{
	return (struct ext4_dirent *)(place->block.data + place->offset);
}

int dir_find(struct exec *x, struct inode *dir, struct fs_name name, struct dcache_key *key,
	     ino_no_t *ino)
{
	struct dir_place place;
	int err;

	dcache_key(x, dir, name, key);
	if (dcache_find(x, key, ino))
		return *ino ? 0 : -MP_ENOENT;
	err = place_find(x, dir, name, &place);
	if (err && err != -MP_ENOENT)
		return err;
	*ino = 0;
	if (!err) {
		*ino = place_entry(&place)->inode;
		dir_block_put(x, &place.block);
		if (*ino < fs_of(x)->first_ino || *ino == dir->ino)
			return fs_corrupt(x, "directory entry names a reserved inode", dir->ino,
					  *ino);
	}
	dcache_fill(x, key, *ino);
	return err;
}

/* A linear directory: the hint's block, then the last one, then a new one. */
static int linear_insert(struct exec *x, struct inode *dir, struct fs_name name, ino_no_t ino,
			 u32 mode)
{
	u32 n = dir_blocks(x, dir), i;
	struct dir_block block;
	lblk_t lblk;
	int err;

	if (!n)
		return fs_corrupt(x, "empty directory file", dir->ino, 0);
	lblk = dir->dir_hint < n ? dir->dir_hint : n - 1;
	for (i = 0; i < 2; i++, lblk = n - 1) {
		err = dir_block_read(x, dir, lblk, CSUM_DIR, &block);
		if (err)
			return err;
		err = dir_block_insert(x, dir, &block, name, ino, mode);
		if (!err && n == 1 && (fs_of(x)->feature_compat & EXT4_COMPAT_DIR_INDEX)) {
			err = dx_convert(x, dir, &block);
			return err ? err : dx_insert(x, dir, name, ino, mode);
		}
		dir_block_put(x, &block);
		if (err)
			return err < 0 ? err : linear_hint(x, dir, lblk);
		if (lblk == n - 1)
			break;
	}
	err = dir_block_append(x, dir, CSUM_DIR, &block);
	if (err)
		return err;
	dir_block_format(x, &block);
	err = dir_block_insert(x, dir, &block, name, ino, mode);
	dir_block_put(x, &block);
	return err < 0 ? err : linear_hint(x, dir, block.lblk);
}

int dir_insert(struct exec *x, struct inode *dir, struct fs_name name, ino_no_t ino, u32 mode)
{
	int err = dir_changed(x, dir);

	if (err)
		return err;
	if (dir_indexed(x, dir))
		return dx_insert(x, dir, name, ino, mode);
	return linear_insert(x, dir, name, ino, mode);
}

int dir_remove(struct exec *x, struct inode *dir, struct fs_name name)
{
	struct dir_place place;
	struct ext4_dirent *de, *prev;
	int err;

	err = place_find(x, dir, name, &place);
	if (err)
		return err;
	de = place_entry(&place);
	prev = (struct ext4_dirent *)(place.block.data + place.prev);
	err = buf_edit(x, place.block.frame);
	if (!err)
		err = tx_save(x, de, 8);
	if (!err && prev != de)
		err = tx_save(x, prev, 8);
	if (!err)
		err = dir_set_hint(x, &place.block, place.prev);
	if (!err && !dir_indexed(x, dir))
		err = linear_hint(x, dir, place.block.lblk);
	if (!err)
		err = dir_changed(x, dir);
	if (err)
		goto out;
	if (prev != de)
		prev->rec_len = (u16)(prev->rec_len + de->rec_len);
	de->inode = 0;
out:
	dir_block_put(x, &place.block);
	return err;
}

int dir_replace(struct exec *x, struct inode *dir, struct fs_name name, ino_no_t ino, u32 mode)
{
	struct dir_place place;
	struct ext4_dirent *de;
	void *p;
	int err;

	err = place_find(x, dir, name, &place);
	if (err)
		return err;
	err = buf_save(x, place.block.frame, place.offset, 8, &p);
	if (!err)
		err = dir_changed(x, dir);
	if (!err) {
		de = p;
		de->inode = ino;
		de->file_type = dir_file_type(x, mode);
	}
	dir_block_put(x, &place.block);
	return err;
}

int dir_init(struct exec *x, struct inode *dir, ino_no_t parent)
{
	struct dir_block block;
	struct ext4_dirent *de;
	int err;

	err = dir_block_append(x, dir, CSUM_DIR, &block);
	if (err)
		return err;
	dir_block_format(x, &block);
	de = (struct ext4_dirent *)block.data;
	de->inode = dir->ino;
	de->rec_len = 12;
	de->name_len = 1;
	de->file_type = dir_file_type(x, EXT4_S_IFDIR);
	memcpy(de->name, ".\0\0\0", 4);
	de = (struct ext4_dirent *)(block.data + 12);
	de->inode = parent;
	de->rec_len = (u16)(dir_usable(x) - 12);
	de->name_len = 2;
	de->file_type = dir_file_type(x, EXT4_S_IFDIR);
	memcpy(de->name, "..\0\0", 4);
	dir_block_put(x, &block);
	return 0;
}

/* The first block and the offset of its ".." entry. */
static int dotdot(struct exec *x, struct inode *dir, struct dir_block *block, u32 *offset)
{
	enum csum_kind kind = dir_indexed(x, dir) ? CSUM_DX : CSUM_DIR;
	const struct ext4_dirent *de;
	int err;

	err = dir_block_read(x, dir, 0, kind, block);
	if (err)
		return err;
	de = (const struct ext4_dirent *)block->data;
	if (de->inode != dir->ino || de->rec_len != 12 || de->name_len != 1 || de->name[0] != '.')
		goto bad;
	de = (const struct ext4_dirent *)(block->data + 12);
	if (de->name_len != 2 || de->name[0] != '.' || de->name[1] != '.')
		goto bad;
	if (kind == CSUM_DX ? de->rec_len != BLOCK_SIZE - 12 : !dir_entry(x, dir, block, 12))
		goto bad;
	if (de->inode != EXT4_ROOT_INO &&
	    (de->inode < fs_of(x)->first_ino || de->inode > fs_of(x)->inodes_count))
		goto bad;
	*offset = 12;
	return 0;
bad:
	dir_block_put(x, block);
	return fs_corrupt(x, "directory without . and ..", dir->ino, 0);
}

int dir_get_parent(struct exec *x, struct inode *dir, ino_no_t *parent)
{
	struct dir_block block;
	u32 offset;
	int err;

	err = dotdot(x, dir, &block, &offset);
	if (err)
		return err;
	*parent = ((const struct ext4_dirent *)(block.data + offset))->inode;
	dir_block_put(x, &block);
	return 0;
}

int dir_set_parent(struct exec *x, struct inode *dir, ino_no_t parent)
{
	struct dir_block block;
	u32 offset;
	void *p;
	int err;

	err = dotdot(x, dir, &block, &offset);
	if (err)
		return err;
	err = buf_save(x, block.frame, offset, 8, &p);
	if (!err) {
		((struct ext4_dirent *)p)->inode = parent;
		err = dir_changed(x, dir);
	}
	dir_block_put(x, &block);
	return err;
}

/* Whether entries from offset on are all unused. 1, 0, -EUCLEAN. */
static int block_is_empty(struct exec *x, struct inode *dir, struct dir_block *block, u32 offset)
{
	u32 end = dir_usable(x);
	struct ext4_dirent *de;

	for (; offset < end; offset += de->rec_len) {
		de = dir_entry(x, dir, block, offset);
		if (!de)
			return -MP_EUCLEAN;
		if (de->inode)
			return 0;
	}
	return 1;
}

static int linear_is_empty(struct exec *x, struct inode *dir)
{
	u32 n = dir_blocks(x, dir), offset;
	struct dir_block block;
	lblk_t lblk;
	int err;

	err = dotdot(x, dir, &block, &offset);
	if (err)
		return err;
	/* offset of what follows ".." */
	offset += ((const struct ext4_dirent *)(block.data + offset))->rec_len;
	for (lblk = 0;; offset = 0) {
		err = block_is_empty(x, dir, &block, offset);
		dir_block_put(x, &block);
		if (err != 1 || ++lblk == n)
			return err;
		err = dir_block_read(x, dir, lblk, CSUM_DIR, &block);
		if (err)
			return err;
	}
}

static int indexed_is_empty(struct exec *x, struct inode *dir)
{
	struct dx_hash lowest = {0, 0};
	u32 n = dir_blocks(x, dir), start, i;
	struct dir_block block;
	struct dx_path path;
	int err;

	err = dx_walk(x, dir, lowest, &path);
	if (err)
		goto out;
	/* more leaves than blocks: the index names some twice */
	for (i = 0; i < n; i++) {
		err = dir_block_read(x, dir, path.leaf, CSUM_DIR, &block);
		if (err)
			goto out;
		err = block_is_empty(x, dir, &block, 0);
		dir_block_put(x, &block);
		if (err != 1)
			goto out;
		err = dx_next(x, dir, &path, &start);
		if (err < 1) {
			err = err ? err : 1;
			goto out;
		}
	}
	err = fs_corrupt(x, "index with more leaves than blocks", dir->ino, 0);
out:
	dx_path_put(x, &path);
	return err;
}

int dir_is_empty(struct exec *x, struct inode *dir)
{
	return dir_indexed(x, dir) ? indexed_is_empty(x, dir) : linear_is_empty(x, dir);
}
