// SPDX-License-Identifier: BSD-2-Clause
/* FUSE requests about locks on files. */
#include "port/fuse_server.h"
#include "platform/errno.h"

/* The lock that a request is about. */
static int lock_in(struct fuse_call *c, struct fs_lock *lock)
{
	const struct fuse_lk_in *in = fuse_args(c, sizeof(*in));

	if (!in)
		return -MP_EINVAL;
	*lock = (struct fs_lock){.node = fuse_node(c->in->nodeid),
				 .owner = in->owner,
				 .fh = in->fh,
				 .start = in->lk.start,
				 .end = in->lk.end,
				 .pid = in->lk.pid,
				 .type = in->lk.type,
				 .kind = in->lk_flags & FUSE_LK_FLOCK ? FS_LOCK_FLOCK
								      : FS_LOCK_POSIX};
	return session_has(c->x, c->session, in->fh, lock->node) ? 0 : -MP_EBADF;
}

int fuse_getlk(struct fuse_call *c)
{
	struct fuse_lk_out *out;
	struct fs_lock lock;
	int err;

	err = lock_in(c, &lock);
	if (!err)
		err = fs_getlk(c->x, &lock);
	if (err)
		return err;
	out = fuse_result(c, sizeof(*out));
	out->lk.start = lock.start;
	out->lk.end = lock.end;
	out->lk.type = lock.type;
	out->lk.pid = lock.pid;
	return 0;
}

int fuse_setlk(struct fuse_call *c, bool wait)
{
	struct fs_lock lock;
	int err;

	err = lock_in(c, &lock);
	if (!err)
		err = fs_setlk(c->x, &lock, wait, c->in->unique, c->session->max_waiting);
	if (err <= 0)
		return err;
	session_waits(c->x, c->session, c->in->unique);
	return FUSE_WAITS;
}

int fuse_flush(struct fuse_call *c)
{
	const struct fuse_flush_in *in = fuse_args(c, sizeof(*in));

	/* what was written is with the device already */
	if (!in)
		return -MP_EINVAL;
	fs_unlock_owner(c->x, fuse_node(c->in->nodeid), in->lock_owner);
	return 0;
}

void fuse_interrupt(struct fuse_call *c)
{
	const struct fuse_interrupt_in *in = fuse_args(c, sizeof(*in));

	if (in)
		session_interrupt(c->x, c->session, in->unique);
}
