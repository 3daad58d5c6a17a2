/* SPDX-License-Identifier: BSD-2-Clause */
/* The short ways of a single hart (warm.h). */
#include "fs/warm.h"

#ifdef MPDISK_SINGLE_HART
#include "fs/dir.h"
#include "fs/file_priv.h"
#include "platform/errno.h"
#include "pool/cache.h"

/* The inode, if it is cached and nobody is changing it. */
static struct inode *warm_inode(struct exec *x, ino_no_t ino)
{
	const struct fs *fs = fs_of(x);
	const u32 *heads = exec_ptr(x, fs->inode_hash);
	ref_t ref = heads[ino & (fs->ninode_hash - 1)];
	struct inode *inode;

	for (;;) {
		if (!ref)
			return NULL;
		inode = exec_ptr(x, ref);
		if (inode->ino == ino)
			break;
		ref = inode->hash_next;
	}
	if (inode->state != INODE_READY || inode->flags & (INODE_DEAD | INODE_NEW) ||
	    inode->lock & LOCK_WRITER)
		return NULL;
	inode->referenced = 1;
	return inode;
}

static struct inode *warm_node(struct exec *x, node_t node)
{
	struct inode *inode = warm_inode(x, (ino_no_t)node);

	return inode && inode_node(inode) == node ? inode : NULL;
}

bool warm_getattr(struct exec *x, node_t node, struct fs_attr *out)
{
	const struct inode *inode = warm_node(x, node);

	if (!inode)
		return false;
	inode_attr(x, inode, out);
	return true;
}

bool warm_lookup(struct exec *x, node_t node, struct fs_name name, struct fs_attr *out, int *err)
{
	struct inode *dir, *child;
	struct dcache_key key;
	ino_no_t ino;

	if (!name.len || (name.s[0] == '.' && name.len <= 2))
		return false;
	dir = warm_node(x, node);
	if (!dir || !inode_is_dir(inode_raw(x, dir)) || !inode_raw(x, dir)->i_links_count)
		return false;
	/* a name that is found was checked when it was put there */
	dcache_key(x, dir, name, &key);
	if (!dcache_find(x, &key, &ino))
		return false;
	if (!ino) {
		*err = -MP_ENOENT;
		return true;
	}
	child = warm_inode(x, ino);
	if (!child || !inode_raw(x, child)->i_links_count)
		return false;
	inode_saw(x, child);
	inode_attr(x, child, out);
	*err = 0;
	return true;
}

/* The page of the file, pinned, if it is cached and whole. */
static struct frame *warm_page(struct exec *x, const struct inode *inode, lblk_t index)
{
	struct frame *f = frame_lookup(x, FRAME_PAGE, index, inode->ino);

	if (f && !(f->flags & FRAME_UPTODATE)) {
		frame_unpin(x, f);
		return NULL;
	}
	if (f)
		f->flags |= FRAME_REF;
	return f;
}

bool warm_read(struct exec *x, node_t node, u64 pos, u32 *len, struct fs_seg *segs, u32 *nsegs)
{
	struct inode *inode = warm_node(x, node);
	const struct ext4_inode *raw;
	u32 n = 0, done, part, offset = (u32)pos & (BLOCK_SIZE - 1);
	lblk_t index = (lblk_t)(pos >> BLOCK_SHIFT);
	struct frame *f;
	u64 size;

	if (!inode)
		return false;
	raw = inode_raw(x, inode);
	size = inode_size(raw);
	if (!inode_is_reg(raw) || pos >= size || !*len)
		return false;
	plat_now(x->plat, &x->now);
	if (inode_atime_stale(x, raw))
		return false;
	*len = (u32)min_of((u64)min_of(*len, FS_IO_MAX), size - pos);
	for (done = 0; done < *len; done += part, offset = 0) {
		f = warm_page(x, inode, index++);
		if (!f) {
			while (n)
				frame_unpin(x, frame_of(x, segs[--n].frame));
			return false;
		}
		part = min_of(BLOCK_SIZE - offset, *len - done);
		segs[n++] = (struct fs_seg){frame_no(x, f), (u16)offset, (u16)part};
	}
	inode->ra_next = index;
	*nsegs = n;
	return true;
}
#endif
