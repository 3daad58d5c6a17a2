/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Extended attributes: at the end of the inode, and in a block of their own where they do not fit.
 * Layer: above inodes and the allocator. Source: Documentation/filesystems/ext4/attributes.rst.
 *
 * Invariants
 *  X1. A name is in one of the two places, never in both.
 *  X2. A block that other inodes share (h_refcount > 1) is not changed but for its count, under
 *      xattr_lock; a count of one stays one, since blocks are never shared here.
 */
#include <string.h>

#include "fs/alloc.h"
#include "fs/xattr_priv.h"
#include "platform/errno.h"

#define VALUE_MAX 65536u

/* Where an inode's attributes are, both places checked. */
struct xattrs {
	struct xattr_region body; /* base NULL: the inode has no room for any */
	struct xattr_region block;
	blkno_t blkno; /* 0: none */
	struct frame *frame;
};

static blkno_t acl_block(const struct ext4_inode *raw)
{
	return raw->i_file_acl_lo | (blkno_t)raw->i_file_acl_high << 32;
}

static void set_acl_block(struct ext4_inode *raw, blkno_t block)
{
	raw->i_file_acl_lo = (u32)block;
	raw->i_file_acl_high = (u16)(block >> 32);
}

/* The end of the inode. Without the magic number it is empty. */
static int body_open(struct exec *x, struct inode *inode, struct xattr_region *r)
{
	u8 *raw = (u8 *)inode_raw(x, inode);
	u32 start = 128u + inode_raw(x, inode)->i_extra_isize, magic;

	r->base = NULL;
	r->end = 0;
	if (start == 128 || start + 8 > fs_of(x)->inode_size)
		return 0;
	/* other metadata may be in the same block, on a corrupt medium, and have changed it since
	 * inode_check() */
	if (start & 3)
		return fs_corrupt(x, "i_extra_isize", inode->ino, 0);
	r->base = raw + start + 4;
	r->first = 0;
	r->size = fs_of(x)->inode_size - start - 4;
	r->block = false;
	memcpy(&magic, raw + start, 4);
	if (magic == EXT4_XATTR_MAGIC && !xattr_region_check(r))
		return fs_corrupt(x, "attributes in the inode", inode->ino, 0);
	return 0;
}

static int block_open(struct exec *x, struct inode *inode, struct xattrs *a)
{
	const struct ext4_xattr_header *h;
	struct csum_id id = {CSUM_XATTR, 0, 0};
	int err;

	a->frame = NULL;
	a->block.base = NULL;
	a->block.first = sizeof(struct ext4_xattr_header);
	a->block.size = BLOCK_SIZE;
	a->block.end = 0;
	a->block.block = true;
	a->blkno = acl_block(inode_raw(x, inode));
	if (!a->blkno)
		return 0;
	if (!fs_block_valid(x, a->blkno, 1))
		return fs_corrupt(x, "i_file_acl", inode->ino, a->blkno);
	err = buf_read(x, a->blkno, id, &a->frame);
	if (err)
		return err;
	a->block.base = frame_data(x, a->frame);
	h = (const struct ext4_xattr_header *)a->block.base;
	if (h->h_magic != EXT4_XATTR_MAGIC || h->h_blocks != 1 || !h->h_refcount ||
	    !xattr_region_check(&a->block)) {
		buf_put(x, a->frame);
		a->frame = NULL;
		return fs_corrupt(x, "attribute block", inode->ino, a->blkno);
	}
	return 0;
}

static int xattrs_open(struct exec *x, struct inode *inode, struct xattrs *a)
{
	int err;

	a->frame = NULL;
	err = body_open(x, inode, &a->body);
	return err ? err : block_open(x, inode, a);
}

static void xattrs_close(struct exec *x, struct xattrs *a)
{
	if (a->frame)
		buf_put(x, a->frame);
}

static struct ext4_xattr_entry *xattrs_find(const struct xattrs *a, u32 index, struct fs_name name,
					    const struct xattr_region **where)
{
	struct ext4_xattr_entry *e = xattr_region_find(&a->body, index, name);

	*where = &a->body;
	if (e)
		return e;
	*where = &a->block;
	return xattr_region_find(&a->block, index, name);
}

/* ---- reading */
int xattr_get(struct exec *x, struct inode *inode, u32 index, struct fs_name name, void *value,
	      u32 size)
{
	const struct xattr_region *where;
	const struct ext4_xattr_entry *e;
	struct xattrs a;
	int err;

	err = xattrs_open(x, inode, &a);
	if (err)
		return err;
	e = xattrs_find(&a, index, name, &where);
	if (!e)
		err = -MP_ENODATA;
	else if (value && e->e_value_size > size)
		err = -MP_ERANGE;
	else
		err = (int)e->e_value_size;
	if (err > 0 && value)
		memcpy(value, where->base + e->e_value_offs, (u32)err);
	xattrs_close(x, &a);
	return err;
}

/* ---- changing: `out` is a scratch block */
static int body_write(struct exec *x, struct inode *inode, const struct xattr_region *r,
		      const u8 *out)
{
	struct ext4_inode *raw;
	u32 magic = EXT4_XATTR_MAGIC;
	int err = inode_edit(x, inode, &raw);

	if (!err) {
		memcpy(r->base - 4, &magic, 4);
		memcpy(r->base, out, r->size);
	}
	return err;
}

/* Gives up the inode's part of a shared block, or the block. */
static int block_release(struct exec *x, struct inode *inode, const struct xattrs *a)
{
	struct ext4_xattr_header *h = (struct ext4_xattr_header *)a->block.base;
	struct ext4_inode *raw;
	void *p;
	int err;

	err = inode_edit(x, inode, &raw);
	if (err)
		return err;
	set_acl_block(raw, 0);
	inode_add_blocks(raw, -1);
	if (h->h_refcount == 1)
		return block_free(x, a->blkno, 1);
	err = lock_write(x, &fs_of(x)->xattr_lock, RANK_XATTR);
	if (err)
		return err;
	/* X2: the last of those who shared it */
	if (h->h_refcount == 1)
		return block_free(x, a->blkno, 1);
	err = buf_save(x, a->frame, 0, sizeof(*h), &p);
	if (!err)
		h->h_refcount--;
	return err;
}

/* A block of the inode's own with the content of out. */
static int block_make(struct exec *x, struct inode *inode, const u8 *out)
{
	struct csum_id id = {CSUM_XATTR, 0, 0};
	struct ext4_inode *raw;
	struct frame *f;
	blkno_t block;
	u32 count = 1;
	int err;

	err = inode_edit(x, inode, &raw);
	if (!err)
		err = block_alloc(x, inode, 0, &count, &block);
	if (!err)
		err = buf_new(x, block, id, &f);
	if (err)
		return err;
	err = buf_edit(x, f);
	if (!err) {
		memcpy(frame_data(x, f), out, BLOCK_SIZE);
		set_acl_block(raw, block);
		inode_add_blocks(raw, 1);
	}
	buf_put(x, f);
	return err;
}

/* Puts what was built (n entries) in the place of the inode's attribute block. */
static int block_write(struct exec *x, struct inode *inode, struct xattrs *a, u8 *out, u32 n)
{
	struct ext4_xattr_header *h = (struct ext4_xattr_header *)out;
	void *p;
	int err = 0;

	if (!(fs_of(x)->feature_compat & EXT4_COMPAT_EXT_ATTR))
		return -MP_EOPNOTSUPP;
	if (!n)
		return a->frame ? block_release(x, inode, a) : 0;
	h->h_magic = EXT4_XATTR_MAGIC;
	h->h_refcount = 1;
	h->h_blocks = 1;
	h->h_hash = xattr_block_hash(out);
	if (a->frame && ((struct ext4_xattr_header *)a->block.base)->h_refcount == 1) {
		err = buf_save(x, a->frame, 0, BLOCK_SIZE, &p);
		if (!err)
			memcpy(p, out, BLOCK_SIZE);
		return err;
	}
	if (a->frame)
		err = block_release(x, inode, a);
	return err ? err : block_make(x, inode, out);
}

static int change_body(struct exec *x, struct inode *inode, struct xattrs *a,
		       const struct ext4_xattr_entry *without, const struct xattr_item *add,
		       u8 *out)
{
	int n;

	if (!a->body.base)
		return -MP_ENOSPC;
	n = xattr_region_build(&a->body, without, add, out);
	return n < 0 ? n : body_write(x, inode, &a->body, out);
}

static int change_block(struct exec *x, struct inode *inode, struct xattrs *a,
			const struct ext4_xattr_entry *without, const struct xattr_item *add,
			u8 *out)
{
	int n = xattr_region_build(&a->block, without, add, out);

	return n < 0 ? n : block_write(x, inode, a, out, (u32)n);
}

/* X1. add NULL: only takes the name away. */
static int change(struct exec *x, struct inode *inode, struct xattrs *a,
		  const struct ext4_xattr_entry *in_body, const struct ext4_xattr_entry *in_block,
		  const struct xattr_item *add, u8 *out)
{
	int err;

	if (!add)
		return in_body ? change_body(x, inode, a, in_body, NULL, out)
			       : change_block(x, inode, a, in_block, NULL, out);
	err = change_body(x, inode, a, in_body, add, out);
	if (!err)
		return in_block ? change_block(x, inode, a, in_block, NULL, out) : 0;
	if (err != -MP_ENOSPC)
		return err;
	err = change_block(x, inode, a, in_block, add, out);
	if (!err && in_body)
		err = change_body(x, inode, a, in_body, NULL, out);
	return err;
}

static int touch(struct exec *x, struct inode *inode)
{
	struct ext4_inode *raw;
	int err = inode_edit(x, inode, &raw);

	if (!err)
		inode_touch(x, raw, INODE_CTIME);
	return err;
}

static int put(struct exec *x, struct inode *inode, const struct xattr_item *item, bool remove,
	       u32 flags)
{
	const struct ext4_xattr_entry *in_body, *in_block = NULL;
	struct frame *scratch = NULL;
	struct xattrs a;
	int err;

	err = xattrs_open(x, inode, &a);
	if (err)
		return err;
	in_body = xattr_region_find(&a.body, item->index, item->name);
	if (!in_body)
		in_block = xattr_region_find(&a.block, item->index, item->name);
	if (!in_body && !in_block && (remove || flags & FS_XATTR_REPLACE))
		err = -MP_ENODATA;
	else if ((in_body || in_block) && flags & FS_XATTR_CREATE)
		err = -MP_EEXIST;
	else
		err = frame_alloc(x, &scratch);
	if (!err)
		err = change(x, inode, &a, in_body, in_block, remove ? NULL : item,
			     frame_data(x, scratch));
	if (!err)
		err = touch(x, inode);
	if (scratch)
		frame_unpin(x, scratch);
	xattrs_close(x, &a);
	return err;
}

int xattr_set(struct exec *x, struct inode *inode, u32 index, struct fs_name name,
	      const void *value, u32 size, u32 flags)
{
	struct xattr_item item = {index, name, value, size};

	if (name.len > EXT4_NAME_MAX)
		return -MP_ERANGE;
	if (size > VALUE_MAX)
		return -MP_E2BIG;
	if (index == EXT4_XATTR_SECURITY)
		inode->nocaps = 0;
	return put(x, inode, &item, false, flags);
}

int xattr_remove(struct exec *x, struct inode *inode, u32 index, struct fs_name name)
{
	struct xattr_item item = {index, name, NULL, 0};

	return put(x, inode, &item, true, 0);
}

int xattr_free_block(struct exec *x, struct inode *inode)
{
	struct xattrs a;
	int err;

	err = block_open(x, inode, &a);
	if (!err && a.frame)
		err = block_release(x, inode, &a);
	xattrs_close(x, &a);
	return err;
}

bool xattr_none(struct exec *x, const struct inode *inode)
{
	const struct ext4_inode *raw = inode_raw(x, inode);
	u32 start = 128u + raw->i_extra_isize;

	if (raw->i_file_acl_lo || raw->i_file_acl_high)
		return false;
	if (start == 128 || start + 8 > fs_of(x)->inode_size)
		return true;
	if (start & 3)
		return false; /* body_open() tells what is wrong */
	return *(const u32 *)(const void *)((const u8 *)raw + start) != EXT4_XATTR_MAGIC;
}

/* ---- for xattr_ops.c */
int xattr_each(struct exec *x, struct inode *inode, xattr_visit visit, void *arg)
{
	const struct ext4_xattr_entry *e;
	const struct xattr_region *r;
	struct xattrs a;
	u32 offset, i;
	int err;

	err = xattrs_open(x, inode, &a);
	if (err)
		return err;
	for (i = 0; i < 2; i++) {
		r = i ? &a.block : &a.body;
		for (offset = r->first; offset < r->end; offset += xattr_entry_len(e->e_name_len)) {
			e = xattr_at(r, offset);
			visit(arg, e);
		}
	}
	xattrs_close(x, &a);
	return 0;
}
