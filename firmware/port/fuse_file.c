// SPDX-License-Identifier: BSD-2-Clause
/* FUSE requests about inodes and what is in files. */
#include "port/fuse_server.h"
#include "platform/errno.h"

#include <string.h>

#define NSEC_PER_SEC 1000000000u
#define COPY_AT_ONCE (1u << 20) /* bytes of a COPY_FILE_RANGE: the host asks again for the rest */

static void reply_attr(struct fuse_call *c, const struct fs_attr *attr)
{
	struct fuse_attr_out *out = fuse_result(c, sizeof(*out));

	out->attr_valid = 0;
	out->attr_valid_nsec = 0;
	out->dummy = 0;
	fuse_fill_attr(&out->attr, attr);
}

int fuse_getattr(struct fuse_call *c)
{
	struct fs_attr attr;
	int err;

	if (!fuse_args(c, sizeof(struct fuse_getattr_in)))
		return -MP_EINVAL;
	err = fs_getattr(c->x, fuse_node(c->in->nodeid), &attr);
	if (!err)
		reply_attr(c, &attr);
	return err;
}

/* Which bits of FUSE_SET_* are which of FS_SET_*. */
static u32 set_bits(u32 valid)
{
	u32 bits = valid & (FUSE_SET_MODE | FUSE_SET_UID | FUSE_SET_GID | FUSE_SET_SIZE |
			    FUSE_SET_ATIME | FUSE_SET_MTIME);

	_Static_assert(FUSE_SET_MODE == FS_SET_MODE && FUSE_SET_UID == FS_SET_UID &&
			       FUSE_SET_GID == FS_SET_GID && FUSE_SET_SIZE == FS_SET_SIZE &&
			       FUSE_SET_ATIME == FS_SET_ATIME && FUSE_SET_MTIME == FS_SET_MTIME,
		       "the first six are the same");
	if (valid & FUSE_SET_ATIME_NOW)
		bits = (bits & ~FS_SET_ATIME) | FS_SET_ATIME_NOW;
	if (valid & FUSE_SET_MTIME_NOW)
		bits = (bits & ~FS_SET_MTIME) | FS_SET_MTIME_NOW;
	if (valid & FUSE_SET_CTIME)
		bits |= FS_SET_CTIME;
	/* FUSE_HANDLE_KILLPRIV_V2: a change of owner clears them always, the host does not ask */
	if (valid & (FUSE_SET_KILL_SUIDGID | FUSE_SET_UID | FUSE_SET_GID))
		bits |= FS_KILL_SUIDGID;
	return bits;
}

int fuse_setattr(struct fuse_call *c)
{
	const struct fuse_setattr_in *in = fuse_args(c, sizeof(*in));
	struct fs_setattr set;
	struct fs_attr attr;
	int err;

	if (!in)
		return -MP_EINVAL;
	set.valid = set_bits(in->valid);
	set.mode = in->mode;
	set.uid = in->uid;
	set.gid = in->gid;
	set.size = in->size;
	set.atime = (struct plat_time){(s64)in->atime, in->atimensec};
	set.mtime = (struct plat_time){(s64)in->mtime, in->mtimensec};
	set.ctime = (struct plat_time){(s64)in->ctime, in->ctimensec};
	if ((set.valid & FS_SET_ATIME && set.atime.nsec >= NSEC_PER_SEC) ||
	    (set.valid & FS_SET_MTIME && set.mtime.nsec >= NSEC_PER_SEC) ||
	    (set.valid & FS_SET_CTIME && set.ctime.nsec >= NSEC_PER_SEC))
		return -MP_EINVAL;
	err = fs_setattr(c->x, fuse_node(c->in->nodeid), &set, &attr);
	if (!err)
		reply_attr(c, &attr);
	return err;
}

int fuse_open(struct fuse_call *c, bool directory)
{
	const struct fuse_open_in *in = fuse_args(c, sizeof(*in));
	const node_t node = fuse_node(c->in->nodeid);
	const struct fs_setattr set = {.valid = FS_KILL_SUIDGID};
	struct fuse_open_out *out;
	struct fs_attr attr;
	u32 flags;
	u64 fh;
	int err;

	if (!in)
		return -MP_EINVAL;
	flags = directory ? 0 : fuse_open_flags(in->flags);
	err = session_reserve(c->x, c->session, &fh);
	if (err)
		return err;
	session_note(c->x, c->session, fh);
	err = fs_open(c->x, node, flags, &attr);
	if (err) {
		session_give(c->x, c->session, fh);
		return err;
	}
	session_bind(c->x, c->session, fh, node);
	if (flags & FS_OPEN_TRUNC && in->open_flags & FUSE_OPEN_KILL_SUIDGID && attr.mode & 06000) {
		err = fs_setattr(c->x, node, &set, &attr);
		if (err)
			return err; /* the handle goes when the session ends */
	}
	out = fuse_result(c, sizeof(*out));
	out->fh = fh;
	out->open_flags = directory ? 0 : c->session->open_flags;
	out->padding = 0;
	return 0;
}

int fuse_release(struct fuse_call *c)
{
	const struct fuse_release_in *in = fuse_args(c, sizeof(*in));
	const node_t node = fuse_node(c->in->nodeid);
	int err;

	if (!in)
		return -MP_EINVAL;
	if (!node || !session_take(c->x, c->session, in->fh, node))
		return -MP_EBADF;
	fs_unlock_fh(c->x, node, in->fh);
	session_note(c->x, c->session, in->fh);
	err = fs_release(c->x, node);
	session_give(c->x, c->session, in->fh);
	return err;
}

int fuse_read(struct fuse_call *c)
{
	const struct fuse_read_in *in = fuse_args(c, sizeof(*in));
	int got;

	if (!in)
		return -MP_EINVAL;
	if (!session_has(c->x, c->session, in->fh, c->in->nodeid))
		return -MP_EBADF;
	c->x->cred.umask = in->flags & CRED_NOATIME;
	got = fs_read(c->x, c->in->nodeid, in->offset, min_of(in->size, FS_IO_MAX), c->reply,
		      &c->nreply);
	if (got < 0) {
		c->nreply = 0;
		return got;
	}
	c->reply_len = (u32)got;
	return 0;
}

/* A short write may come whole in the request itself: gives it a frame, as if it had come in one.
 */
static int write_inline(struct fuse_call *c, const struct fuse_write_in *in, const u8 *data,
			struct frame **frame, struct fs_seg *segs)
{
	u32 first, offset = in->offset % BLOCK_SIZE;
	u8 *dst;
	int err;

	err = frame_alloc(c->x, frame);
	if (err)
		return err;
	dst = frame_data(c->x, *frame);
	first = min_of(in->size, BLOCK_SIZE - offset);
	/* at its own place in the frame, and what crosses the page's end at the frame's start */
	memcpy(dst + offset, data, first);
	memcpy(dst, data + first, in->size - first);
	segs[0] = (struct fs_seg){frame_no(c->x, *frame), (u16)offset, (u16)first};
	segs[1] = (struct fs_seg){frame_no(c->x, *frame), 0, (u16)(in->size - first)};
	return 0;
}

int fuse_write(struct fuse_call *c)
{
	const struct fuse_write_in *in = fuse_args(c, sizeof(*in));
	const u32 head = sizeof(*c->in) + sizeof(*in);
	struct fuse_write_out *out;
	struct frame *frame = NULL;
	struct fs_seg small[2];
	u32 flags = 0;
	u64 pos;
	int done;

	if (!in || in->size > FUSE_MAX_WRITE)
		return -MP_EINVAL;
	if (c->in_len == head ? c->pay_len != in->size
			      : c->pay_len != 0 || c->in_len - head != in->size)
		return -MP_EINVAL;
	if (c->npay > FS_IO_SEGS)
		return -MP_EINVAL;
	if (!session_has(c->x, c->session, in->fh, c->in->nodeid))
		return -MP_EBADF;
	pos = in->offset;
	if (in->flags & FUSE_O_APPEND)
		flags |= FS_WRITE_APPEND;
	if (in->write_flags & FUSE_WRITE_KILL_SUIDGID)
		flags |= FS_WRITE_KILL_SUIDGID;
	if (in->size == 0) {
		done = 0;
	} else if (c->npay) {
		done = fs_write(c->x, fuse_node(c->in->nodeid), &pos, flags, c->pay, c->npay);
	} else {
		done = write_inline(c, in, (const u8 *)c->in + head, &frame, small);
		if (!done)
			done = fs_write(c->x, fuse_node(c->in->nodeid), &pos, flags, small,
					small[1].len ? 2 : 1);
		if (frame)
			frame_unpin(c->x, frame);
	}
	if (done < 0)
		return done;
	out = fuse_result(c, sizeof(*out));
	out->size = (u32)done;
	out->padding = 0;
	return 0;
}

int fuse_fsync(struct fuse_call *c)
{
	const struct fuse_fsync_in *in = fuse_args(c, sizeof(*in));

	if (!in)
		return -MP_EINVAL;
	return fs_fsync(c->x, fuse_node(c->in->nodeid),
			c->in->opcode == FUSE_FSYNC && in->fsync_flags & FUSE_FSYNC_DATA_ONLY);
}

int fuse_fallocate(struct fuse_call *c)
{
	const struct fuse_fallocate_in *in = fuse_args(c, sizeof(*in));

	if (!in)
		return -MP_EINVAL;
	return fs_fallocate(c->x, fuse_node(c->in->nodeid), in->mode, in->offset, in->length);
}

int fuse_lseek(struct fuse_call *c)
{
	const struct fuse_lseek_in *in = fuse_args(c, sizeof(*in));
	struct fuse_lseek_out *out;
	u64 pos;
	int err;

	if (!in)
		return -MP_EINVAL;
	if (in->whence != FS_SEEK_DATA && in->whence != FS_SEEK_HOLE)
		return -MP_EINVAL;
	err = fs_lseek(c->x, fuse_node(c->in->nodeid), in->offset, in->whence, &pos);
	if (err)
		return err;
	out = fuse_result(c, sizeof(*out));
	out->offset = pos;
	return 0;
}

int fuse_copy_file_range(struct fuse_call *c)
{
	const struct fuse_copy_file_range_in *in = fuse_args(c, sizeof(*in));
	struct fuse_write_out *out;
	u64 copied;
	int err;

	if (!in || in->flags)
		return -MP_EINVAL;
	err = fs_copy_range(c->x, fuse_node(c->in->nodeid), in->off_in, fuse_node(in->nodeid_out),
			    in->off_out, min_of(in->len, (u64)COPY_AT_ONCE), &copied);
	if (err)
		return err;
	out = fuse_result(c, sizeof(*out));
	out->size = (u32)copied;
	out->padding = 0;
	return 0;
}
