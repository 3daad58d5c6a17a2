// SPDX-License-Identifier: BSD-2-Clause
/* File handles, for NFS servers and open_by_handle_at(): a node id is all that is in one. */
#include <linux/exportfs.h>

#include "skin.h"

/* A file that is gone leaves its handle stale. */
static struct inode *find(struct super_block *sb, node_t node, const char *name)
{
	struct inode *inode = mpd_iget_name(sb, node, name);

	return inode == ERR_PTR(-ENOENT) ? ERR_PTR(-ESTALE) : inode;
}

/* The kernel's own form of a handle: i_ino and i_generation, which are the node id. */
static struct inode *of_handle(struct super_block *sb, u64 ino, u32 generation)
{
	return find(sb, (node_t)generation << 32 | (u32)ino, ".");
}

static struct dentry *mpd_fh_to_dentry(struct super_block *sb, struct fid *fid, int len, int type)
{
	return generic_fh_to_dentry(sb, fid, len, type, of_handle);
}

static struct dentry *mpd_fh_to_parent(struct super_block *sb, struct fid *fid, int len, int type)
{
	return generic_fh_to_parent(sb, fid, len, type, of_handle);
}

static struct dentry *mpd_get_parent(struct dentry *child)
{
	return d_obtain_alias(find(child->d_sb, mpd_node(d_inode(child)), ".."));
}

const struct export_operations mpd_export_ops = {
	.fh_to_dentry = mpd_fh_to_dentry,
	.fh_to_parent = mpd_fh_to_parent,
	.get_parent = mpd_get_parent,
};
