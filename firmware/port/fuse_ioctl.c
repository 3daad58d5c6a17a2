// SPDX-License-Identifier: BSD-2-Clause
/*
 * FUSE requests of lsattr and chattr. Who sets flags is asked by the host's kernel for what they
 * are, as FS_IOC_FSGETXATTR, first.
 */
#include "port/fuse_server.h"
#include "platform/errno.h"

#include <string.h>

#define XFLAG_IMMUTABLE 0x08u
#define XFLAG_APPEND 0x10u
#define XFLAG_SYNC 0x20u
#define XFLAG_NOATIME 0x40u
#define XFLAG_NODUMP 0x80u
#define FLAG_SYNC 0x08u
#define FLAG_NODUMP 0x40u
#define FLAG_NOATIME 0x80u

static u32 xflags_of(u32 flags)
{
	_Static_assert(FS_FLAG_IMMUTABLE == 2 * XFLAG_IMMUTABLE &&
			       FS_FLAG_APPEND == 2 * XFLAG_APPEND,
		       "those that can be set");
	return (flags & FS_FLAGS_SET) >> 1 | (flags & FLAG_SYNC ? XFLAG_SYNC : 0) |
	       (flags & FLAG_NOATIME ? XFLAG_NOATIME : 0) |
	       (flags & FLAG_NODUMP ? XFLAG_NODUMP : 0);
}

/* Bytes of arguments that follow `in`, at least `size` of them; NULL: the message is short. */
static const void *ioctl_args(const struct fuse_call *c, const struct fuse_ioctl_in *in, u32 size)
{
	return in->in_size >= size && !in->out_size ? fuse_args(c, sizeof(*in) + size) : NULL;
}

static int reply(struct fuse_call *c, const void *bytes, u32 size)
{
	struct fuse_ioctl_out *out = fuse_result(c, sizeof(*out) + size);

	memset(out, 0, sizeof(*out));
	if (size)
		memcpy(out + 1, bytes, size);
	return 0;
}

/* An int, which comes and goes in 4 or, with older kernels, 8 bytes. */
static int get_flags(struct fuse_call *c, const struct fuse_ioctl_in *in)
{
	u32 flags[2] = {0, 0};
	int err;

	if (in->out_size != 4 && in->out_size != 8)
		return -MP_EINVAL;
	err = fs_getflags(c->x, fuse_node(c->in->nodeid), &flags[0]);
	return err ? err : reply(c, flags, in->out_size);
}

static int set_flags(struct fuse_call *c, const struct fuse_ioctl_in *in)
{
	u32 flags;
	int err;

	if (!ioctl_args(c, in, sizeof(flags)))
		return -MP_EINVAL;
	memcpy(&flags, in + 1, sizeof(flags));
	err = fs_setflags(c->x, fuse_node(c->in->nodeid), flags);
	return err ? err : reply(c, NULL, 0);
}

static int get_xflags(struct fuse_call *c, const struct fuse_ioctl_in *in)
{
	struct fuse_fsxattr xattr = {0};
	u32 flags;
	int err;

	if (in->out_size != sizeof(xattr))
		return -MP_EINVAL;
	err = fs_getflags(c->x, fuse_node(c->in->nodeid), &flags);
	if (err)
		return err;
	xattr.xflags = xflags_of(flags);
	return reply(c, &xattr, sizeof(xattr));
}

static int set_xflags(struct fuse_call *c, const struct fuse_ioctl_in *in)
{
	const u32 can = FS_FLAGS_SET >> 1;
	struct fuse_fsxattr xattr;
	u32 flags;
	int err;

	if (!ioctl_args(c, in, sizeof(xattr)))
		return -MP_EINVAL;
	memcpy(&xattr, in + 1, sizeof(xattr));
	err = fs_getflags(c->x, fuse_node(c->in->nodeid), &flags);
	if (err)
		return err;
	if ((xattr.xflags ^ xflags_of(flags)) & ~can || xattr.extsize || xattr.projid ||
	    xattr.cowextsize)
		return -MP_EOPNOTSUPP;
	flags = (flags & ~FS_FLAGS_SET) | (xattr.xflags & can) << 1;
	err = fs_setflags(c->x, fuse_node(c->in->nodeid), flags);
	return err ? err : reply(c, NULL, 0);
}

int fuse_ioctl(struct fuse_call *c)
{
	const struct fuse_ioctl_in *in = fuse_args(c, sizeof(*in));

	if (!in)
		return -MP_EINVAL;
	if (!session_has(c->x, c->session, in->fh, c->in->nodeid))
		return -MP_EBADF;
	switch (in->cmd) {
	case FUSE_IOC_GETFLAGS:
	case FUSE_IOC32_GETFLAGS:
		return get_flags(c, in);
	case FUSE_IOC_SETFLAGS:
	case FUSE_IOC32_SETFLAGS:
		return set_flags(c, in);
	case FUSE_IOC_FSGETXATTR:
		return get_xflags(c, in);
	case FUSE_IOC_FSSETXATTR:
		return set_xflags(c, in);
	default:
		return -MP_ENOTTY;
	}
}
