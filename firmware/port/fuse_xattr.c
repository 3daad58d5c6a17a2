// SPDX-License-Identifier: BSD-2-Clause
/* FUSE requests about extended attributes. */
#include "port/fuse_server.h"
#include "platform/errno.h"

#define SETXATTR_SHORT 8u /* bytes of fuse_setxattr_in without FUSE_INIT_SETXATTR_EXT */

/* An ACL was set by somebody who may not keep the setgid bit. */
static int kill_sgid(struct fuse_call *c)
{
	struct fs_setattr set = {.valid = FS_SET_MODE};
	struct fs_attr attr;
	int err;

	err = fs_getattr(c->x, fuse_node(c->in->nodeid), &attr);
	if (err || !(attr.mode & 02000))
		return err;
	set.mode = attr.mode & ~02000u;
	return fs_setattr(c->x, fuse_node(c->in->nodeid), &set, &attr);
}

int fuse_setxattr(struct fuse_call *c)
{
	const u32 size =
		c->session->setxattr_ext ? sizeof(struct fuse_setxattr_in) : SETXATTR_SHORT;
	const struct fuse_setxattr_in *in = fuse_args(c, size);
	u32 off = (u32)sizeof(*c->in) + size;
	struct frame *frame = NULL;
	struct fs_name name;
	const void *value;
	int err;

	if (!in || in->flags & ~(FS_XATTR_CREATE | FS_XATTR_REPLACE))
		return -MP_EINVAL;
	err = fuse_name(c, &off, &name);
	if (err)
		return err;
	if (in->size != c->in_len + c->pay_len - off)
		return -MP_EINVAL;
	if (in->size > BLOCK_SIZE) /* none of that size fits into an xattr block */
		return -MP_ENOSPC;
	err = fuse_bytes(c, off, in->size, &value, &frame);
	if (err)
		return err;
	err = fs_setxattr(c->x, fuse_node(c->in->nodeid), name, value, in->size, in->flags);
	if (frame)
		frame_unpin(c->x, frame);
	if (!err && c->session->setxattr_ext && in->setxattr_flags & FUSE_SETXATTR_ACL_KILL_SGID)
		err = kill_sgid(c);
	return err;
}

/* GETXATTR and LISTXATTR: size 0 asks how much there is, else the bytes go into a frame. */
int fuse_getxattr(struct fuse_call *c, bool list)
{
	const struct fuse_getxattr_in *in = fuse_args(c, sizeof(*in));
	u32 off = (u32)(sizeof(*c->in) + sizeof(*in));
	const node_t node = fuse_node(c->in->nodeid);
	struct fuse_getxattr_out *out;
	struct frame *frame = NULL;
	struct fs_name name = {0};
	void *value = NULL;
	u32 size;
	int len;

	if (!in)
		return -MP_EINVAL;
	if (!list) {
		len = fuse_name(c, &off, &name);
		if (len)
			return len;
	}
	size = min_of(in->size, BLOCK_SIZE);
	if (size) {
		/* what is not there, most often an ACL, needs no frame */
		if (!list) {
			len = fs_getxattr(c->x, node, name, NULL, 0);
			if (len < 0)
				return len;
		}
		len = frame_alloc(c->x, &frame);
		if (len)
			return len;
		value = frame_data(c->x, frame);
	}
	len = list ? fs_listxattr(c->x, node, value, size)
		   : fs_getxattr(c->x, node, name, value, size);
	if (len > 0 && size) {
		c->reply[0] = (struct fs_seg){.frame = frame_no(c->x, frame), .len = (u16)len};
		c->nreply = 1;
		c->reply_len = (u32)len;
		return 0;
	}
	if (frame)
		frame_unpin(c->x, frame);
	if (len < 0 || size)
		return len;
	out = fuse_result(c, sizeof(*out));
	out->size = (u32)len;
	out->padding = 0;
	return 0;
}

int fuse_removexattr(struct fuse_call *c)
{
	struct fs_name name;
	u32 off = sizeof(*c->in);
	int err;

	err = fuse_name(c, &off, &name);
	if (err)
		return err;
	return fs_removexattr(c->x, fuse_node(c->in->nodeid), name);
}
