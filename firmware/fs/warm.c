/* SPDX-License-Identifier: BSD-2-Clause */
/* The short ways of a single hart (warm.h). */
#include "fs/warm.h"

#ifdef MPDISK_SINGLE_HART
#include "fs/dir.h"
#include "platform/errno.h"

/* The inode, if it is cached and nobody is changing it. */
static const struct inode *warm_inode(struct exec *x, ino_no_t ino)
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

static const struct inode *warm_node(struct exec *x, node_t node)
{
	const struct inode *inode = warm_inode(x, (ino_no_t)node);

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
	const struct inode *dir, *child;
	ino_no_t ino;

	if (!name.len || (name.s[0] == '.' && name.len <= 2))
		return false;
	dir = warm_node(x, node);
	if (!dir || !inode_is_dir(inode_raw(x, dir)) || !inode_raw(x, dir)->i_links_count)
		return false;
	/* a name that is found was checked when it was put there */
	if (!dcache_find(x, (struct inode *)(uintptr_t)dir, name, &ino))
		return false;
	if (!ino) {
		*err = -MP_ENOENT;
		return true;
	}
	child = warm_inode(x, ino);
	if (!child || !inode_raw(x, child)->i_links_count)
		return false;
	inode_attr(x, child, out);
	*err = 0;
	return true;
}
#endif
