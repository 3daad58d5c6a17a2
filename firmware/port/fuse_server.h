/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * FUSE messages on the filesystem: one request in, one reply out, wherever they come from.
 *
 * Layer: above fs/, below the port server, the native mount and other carriers. A carrier fills the
 * request part of a struct fuse_call, calls fuse_serve(), sends what the reply part says, and gives
 * back the frames.
 *
 * Invariants
 *  M1. The request is private memory: a host cannot change it while it is checked and used. What
 *      lies in payload frames may change at any time and is only ever data.
 *  M2. Every length, offset and name of a request is checked against what was really received.
 *  M3. The reply is only written, never read: it may lie in ring RAM, where the host sees it.
 *  M4. After fuse_serve() the frames in pay[] belong to the carrier whatever happened; those of a
 *      write may be other frames than before (fs_write). Frames in reply[] are pinned for the
 *      carrier, which unpins them when the host is done with them.
 */
#ifndef MPDISK_FUSE_SERVER_H
#define MPDISK_FUSE_SERVER_H

#include "port/fuse_wire.h"
#include "port/session.h"
#include "pool/frame.h"

#define FUSE_MAX_WRITE FS_IO_MAX
#define FUSE_PAY_SEGS 40u /* payload frames that a request can bring */
#define FUSE_IN_ROOM 672u /* request bytes outside frames */
#define FUSE_OUT_ROOM 672u

struct fuse_call {
	struct exec *x;
	struct session *session;

	/* request */
	const struct fuse_in_header *in; /* 8-aligned, in_len bytes of it are there; zeroed behind
					    up to a multiple of 4 */
	u32 in_len;                      /* sizeof(*in) at least */
	u32 pay_len;                     /* bytes in pay[], which follow those at in */
	u32 npay;

	/* reply */
	void *out;     /* FUSE_OUT_ROOM bytes, 4-aligned */
	u32 out_len;   /* bytes at out, header included; 0: the request has no reply */
	u32 reply_len; /* bytes in reply[], which follow */
	u32 nreply;

	struct fs_seg pay[FUSE_PAY_SEGS]; /* pinned ANON frames of the carrier */
	struct fs_seg reply[FS_IO_SEGS];
};

/* Serves one request. The caller has checked that in->len == in_len + pay_len. */
void fuse_serve(struct fuse_call *c);

/* After fuse_serve(): whether the request waits for a lock. Its reply is a fuse_out_header with
 * what fs_lock_done() says then; its key is in->unique. */
static inline bool fuse_waits(const struct fuse_call *c)
{
	return !c->out_len && c->in->opcode == FUSE_SETLKW;
}

/* ---- for the parts of the server */
/* The arguments of an operation, `size` bytes behind the header, or NULL: the message is short. */
static inline const void *fuse_args(const struct fuse_call *c, u32 size)
{
	return c->in_len >= sizeof(*c->in) + size ? c->in + 1 : NULL;
}

/* Makes room for a result behind the reply's header. */
static inline void *fuse_result(struct fuse_call *c, u32 size)
{
	c->out_len = (u32)sizeof(struct fuse_out_header) + size;
	return (u8 *)c->out + sizeof(struct fuse_out_header);
}

/* The NUL-terminated name at *off (from the message's start); *off moves behind it. -EINVAL. */
int warn_unused fuse_name(const struct fuse_call *c, u32 *off, struct fs_name *name);

/* Request bytes [off, off+len) in one piece: where they are, or copied into a frame (*frame, to be
 * unpinned; NULL if not needed). len <= 4096. */
int warn_unused fuse_bytes(struct fuse_call *c, u32 off, u32 len, const void **out,
			   struct frame **frame);

static inline node_t fuse_node(u64 nodeid)
{
	return nodeid == FUSE_ROOT_NODE ? FS_ROOT : nodeid;
}

static inline u64 fuse_nodeid(node_t node)
{
	return node == FS_ROOT ? FUSE_ROOT_NODE : node;
}

void fuse_fill_attr(struct fuse_attr *out, const struct fs_attr *attr);
void fuse_fill_entry(struct fuse_entry_out *out, const struct fs_attr *attr);

/* One function per operation: 0 or a negative errno; the result is in the call. */
int warn_unused fuse_lookup(struct fuse_call *c);
int warn_unused fuse_symlink(struct fuse_call *c);
int warn_unused fuse_mknod(struct fuse_call *c);
int warn_unused fuse_mkdir(struct fuse_call *c);
int warn_unused fuse_unlink(struct fuse_call *c, bool directory);
int warn_unused fuse_rename(struct fuse_call *c, bool with_flags);
int warn_unused fuse_link(struct fuse_call *c);
int warn_unused fuse_create(struct fuse_call *c, bool unnamed);
int warn_unused fuse_readlink(struct fuse_call *c);

int warn_unused fuse_getattr(struct fuse_call *c);
int warn_unused fuse_setattr(struct fuse_call *c);
int warn_unused fuse_open(struct fuse_call *c, bool directory);
int warn_unused fuse_release(struct fuse_call *c);
int warn_unused fuse_read(struct fuse_call *c);
int warn_unused fuse_write(struct fuse_call *c);
int warn_unused fuse_fsync(struct fuse_call *c);
int warn_unused fuse_fallocate(struct fuse_call *c);
int warn_unused fuse_lseek(struct fuse_call *c);
/* Which of an open's FUSE_O_* are which FS_OPEN_*. */
static inline u32 fuse_open_flags(u32 flags)
{
	return (flags & FUSE_O_TRUNC ? FS_OPEN_TRUNC : 0) |
	       (flags & FUSE_O_ACCMODE ? FS_OPEN_WRITE : 0) |
	       (flags & FUSE_O_APPEND ? FS_OPEN_APPEND : 0);
}
int warn_unused fuse_ioctl(struct fuse_call *c);
int warn_unused fuse_copy_file_range(struct fuse_call *c);

#define FUSE_WAITS 1 /* no reply yet */
int warn_unused fuse_flush(struct fuse_call *c);
int warn_unused fuse_getlk(struct fuse_call *c);
int warn_unused fuse_setlk(struct fuse_call *c, bool wait);
void fuse_interrupt(struct fuse_call *c);

int warn_unused fuse_readdir(struct fuse_call *c, bool plus);

int warn_unused fuse_setxattr(struct fuse_call *c);
int warn_unused fuse_getxattr(struct fuse_call *c, bool list);
int warn_unused fuse_removexattr(struct fuse_call *c);

#endif
