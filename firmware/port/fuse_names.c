// SPDX-License-Identifier: BSD-2-Clause
/* FUSE requests about names: look up, make, link, rename and remove them. */
#include "port/fuse_server.h"
#include "platform/errno.h"

#define S_IFMT_FUSE 0xF000u
#define S_IFREG_FUSE 0x8000u

/* The one name of a request, behind `args` bytes of arguments. */
static int only_name(const struct fuse_call *c, u32 args, struct fs_name *name)
{
	u32 off = (u32)sizeof(*c->in) + args;

	return fuse_name(c, &off, name);
}

static int reply_entry(struct fuse_call *c, int err, const struct fs_attr *attr)
{
	if (!err)
		fuse_fill_entry(fuse_result(c, sizeof(struct fuse_entry_out)), attr);
	return err;
}

int fuse_lookup(struct fuse_call *c)
{
	struct fs_name name;
	struct fs_attr attr;
	int err;

	err = only_name(c, 0, &name);
	if (!err)
		err = fs_lookup(c->x, fuse_node(c->in->nodeid), name, &attr);
	return reply_entry(c, err, &attr);
}

int fuse_mknod(struct fuse_call *c)
{
	const struct fuse_mknod_in *in = fuse_args(c, sizeof(*in));
	struct fs_name name;
	struct fs_attr attr;
	int err;

	if (!in)
		return -MP_EINVAL;
	c->x->cred.umask = in->umask;
	err = only_name(c, sizeof(*in), &name);
	if (!err)
		err = fs_mknod(c->x, fuse_node(c->in->nodeid), name, in->mode, in->rdev, false,
			       &attr);
	return reply_entry(c, err, &attr);
}

int fuse_mkdir(struct fuse_call *c)
{
	const struct fuse_mkdir_in *in = fuse_args(c, sizeof(*in));
	struct fs_name name;
	struct fs_attr attr;
	int err;

	if (!in)
		return -MP_EINVAL;
	c->x->cred.umask = in->umask;
	err = only_name(c, sizeof(*in), &name);
	if (!err)
		err = fs_mkdir(c->x, fuse_node(c->in->nodeid), name, in->mode, &attr);
	return reply_entry(c, err, &attr);
}

/* The target may be longer than a cell has room for: its tail is in the payload then. */
int fuse_symlink(struct fuse_call *c)
{
	struct fs_name name, target;
	struct fs_attr attr;
	struct frame *frame = NULL;
	const void *bytes;
	u32 off = sizeof(*c->in);
	u32 len;
	int err;

	err = fuse_name(c, &off, &name);
	if (err)
		return err;
	len = c->in_len + c->pay_len - off;
	if (len > BLOCK_SIZE)
		return -MP_ENAMETOOLONG;
	err = fuse_bytes(c, off, len, &bytes, &frame);
	if (err)
		return err;
	target.s = bytes;
	for (target.len = 0; target.len < len && target.s[target.len]; target.len++)
		;
	err = -MP_EINVAL;
	if (target.len < len)
		err = fs_symlink(c->x, fuse_node(c->in->nodeid), name, target, &attr);
	if (frame)
		frame_unpin(c->x, frame);
	return reply_entry(c, err, &attr);
}

int fuse_unlink(struct fuse_call *c, bool directory)
{
	struct fs_name name;
	int err;

	err = only_name(c, 0, &name);
	if (err)
		return err;
	if (directory)
		return fs_rmdir(c->x, fuse_node(c->in->nodeid), name);
	return fs_unlink(c->x, fuse_node(c->in->nodeid), name);
}

int fuse_rename(struct fuse_call *c, bool with_flags)
{
	const u32 size =
		with_flags ? sizeof(struct fuse_rename2_in) : sizeof(struct fuse_rename_in);
	const struct fuse_rename2_in *in = fuse_args(c, size);
	struct fs_name oldname, newname;
	u32 off = (u32)sizeof(*c->in) + size;
	u32 flags;
	int err;

	if (!in)
		return -MP_EINVAL;
	flags = with_flags ? in->flags : 0;
	if (flags & ~(FS_RENAME_NOREPLACE | FS_RENAME_EXCHANGE) ||
	    flags == (FS_RENAME_NOREPLACE | FS_RENAME_EXCHANGE))
		return -MP_EINVAL;
	err = fuse_name(c, &off, &oldname);
	if (!err)
		err = fuse_name(c, &off, &newname);
	if (err)
		return err;
	return fs_rename(c->x, fuse_node(c->in->nodeid), oldname, fuse_node(in->newdir), newname,
			 flags);
}

int fuse_link(struct fuse_call *c)
{
	const struct fuse_link_in *in = fuse_args(c, sizeof(*in));
	struct fs_name name;
	struct fs_attr attr;
	int err;

	if (!in)
		return -MP_EINVAL;
	err = only_name(c, sizeof(*in), &name);
	if (!err)
		err = fs_link(c->x, fuse_node(in->oldnodeid), fuse_node(c->in->nodeid), name,
			      &attr);
	return reply_entry(c, err, &attr);
}

/* Whether the acting user may surely open the file so: root, or its owner. What ACLs and groups
 * allow is the host's kernel's to say. */
static bool may_open(const struct fuse_call *c, u32 flags, const struct fs_attr *attr)
{
	const u32 access = flags & FUSE_O_ACCMODE;
	const u32 want = access == FUSE_O_WRONLY ? 0200 : access == FUSE_O_RDWR ? 0600 : 0400;

	return c->in->uid == 0 || (c->in->uid == attr->uid && (attr->mode & want) == want);
}

/*
 * A host that creates has looked the name up and found nothing, but another host may have made it
 * since. Without O_EXCL that is an open of what is there; where only the host can decide whether
 * its user may do that, -ESTALE makes its kernel look the name up again and decide.
 */
static int create_or_open(struct fuse_call *c, const struct fuse_create_in *in, struct fs_name name,
			  struct fs_attr *attr)
{
	const node_t dir = fuse_node(c->in->nodeid);
	int err, tries = 4;

	do {
		err = fs_mknod(c->x, dir, name, (in->mode & ~S_IFMT_FUSE) | S_IFREG_FUSE, 0, true,
			       attr);
		if (err != -MP_EEXIST || in->flags & FUSE_O_EXCL)
			return err;
		err = fs_lookup(c->x, dir, name, attr);
		if (!err) {
			if ((attr->mode & S_IFMT_FUSE) != S_IFREG_FUSE ||
			    !may_open(c, in->flags, attr))
				return -MP_ESTALE;
			err = fs_open(c->x, attr->node, fuse_open_flags(in->flags), attr);
		}
	} while ((err == -MP_ENOENT || err == -MP_ESTALE) && --tries);
	return err;
}

int fuse_create(struct fuse_call *c, bool unnamed)
{
	const struct fuse_create_in *in = fuse_args(c, sizeof(*in));
	struct fuse_create_out *out;
	struct fs_name name;
	struct fs_attr attr;
	u64 fh;
	int err;

	if (!in)
		return -MP_EINVAL;
	err = session_reserve(c->x, c->session, &fh);
	if (err)
		return err;
	c->x->cred.umask = in->umask;
	session_note(c->x, c->session, fh);
	if (unnamed) {
		err = fs_tmpfile(c->x, fuse_node(c->in->nodeid),
				 (in->mode & ~S_IFMT_FUSE) | S_IFREG_FUSE, &attr);
	} else {
		err = only_name(c, sizeof(*in), &name);
		if (!err)
			err = create_or_open(c, in, name, &attr);
	}
	if (err) {
		session_give(c->x, c->session, fh);
		return err;
	}
	session_bind(c->x, c->session, fh, attr.node);
	out = fuse_result(c, sizeof(*out));
	fuse_fill_entry(&out->entry, &attr);
	out->open.fh = fh;
	out->open.open_flags = c->session->open_flags;
	out->open.padding = 0;
	return 0;
}

int fuse_readlink(struct fuse_call *c)
{
	struct frame *frame;
	int len;

	len = frame_alloc(c->x, &frame);
	if (len)
		return len;
	len = fs_readlink(c->x, fuse_node(c->in->nodeid), frame_data(c->x, frame), BLOCK_SIZE);
	if (len <= 0) {
		frame_unpin(c->x, frame);
		return len;
	}
	c->reply[0] = (struct fs_seg){.frame = frame_no(c->x, frame), .len = (u16)len};
	c->nreply = 1;
	c->reply_len = (u32)len;
	return 0;
}
