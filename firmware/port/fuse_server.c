// SPDX-License-Identifier: BSD-2-Clause
/* Decides what a FUSE request asks for, answers FUSE_INIT, and closes every reply. */
#include "port/fuse_server.h"
#include "platform/errno.h"

#include <string.h>

#define INIT_IN_MIN 16u /* bytes of fuse_init_in that every host sends */
#define INIT_IN_FLAGS2 20u

#define GRANTED                                                                                    \
	(FUSE_INIT_ASYNC_READ | FUSE_INIT_POSIX_LOCKS | FUSE_INIT_FLOCK_LOCKS |                    \
	 FUSE_INIT_ATOMIC_O_TRUNC | FUSE_INIT_EXPORT_SUPPORT | FUSE_INIT_BIG_WRITES |              \
	 FUSE_INIT_DONT_MASK | FUSE_INIT_DO_READDIRPLUS | FUSE_INIT_READDIRPLUS_AUTO |             \
	 FUSE_INIT_ASYNC_DIO | FUSE_INIT_PARALLEL_DIROPS | FUSE_INIT_POSIX_ACL |                   \
	 FUSE_INIT_ABORT_ERROR | FUSE_INIT_MAX_PAGES | FUSE_INIT_HANDLE_KILLPRIV_V2 |              \
	 FUSE_INIT_SETXATTR_EXT | FUSE_INIT_EXT)

/* The kernel asks for readahead and async direct I/O at most so much at once: a port has 16 tags,
 * and other requests want some of them. */
#define MAX_BACKGROUND 12u
#define CONGESTION 9u

static int fuse_init(struct fuse_call *c)
{
	const struct fuse_init_in *in = fuse_args(c, INIT_IN_MIN);
	struct fuse_init_out *out;
	u32 flags, flags2 = 0, i;

	if (!in)
		return -MP_EINVAL;
	if (in->major < FUSE_MAJOR || (in->major == FUSE_MAJOR && in->minor < FUSE_MINOR_MIN))
		return -MP_EPROTO;
	out = fuse_result(c, sizeof(*out));
	out->major = FUSE_MAJOR;
	out->minor = min_of(in->minor, FUSE_MINOR_MAX);
	for (i = 2; i < sizeof(*out) / 4; i++)
		((u32 *)out)[i] = 0;
	if (in->major > FUSE_MAJOR) /* the host starts again with our major version */
		return 0;
	flags = in->flags & GRANTED;
	if (flags & FUSE_INIT_EXT && fuse_args(c, INIT_IN_FLAGS2))
		flags2 = in->flags2 & FUSE_INIT2_DIRECT_IO_ALLOW_MMAP;
	out->max_readahead = min_of(in->max_readahead, FUSE_MAX_WRITE);
	out->flags = flags;
	out->max_background = MAX_BACKGROUND;
	out->congestion_threshold = CONGESTION;
	out->max_write = FUSE_MAX_WRITE;
	out->time_gran = 1;
	out->max_pages = FUSE_MAX_WRITE / BLOCK_SIZE;
	out->flags2 = flags2;
	/* a close has nothing to bring but the end of locks */
	c->session->open_flags =
		FUSE_FOPEN_GRANTED | (flags & FUSE_INIT_POSIX_LOCKS ? 0 : FUSE_FOPEN_NOFLUSH);
	c->session->setxattr_ext = flags & FUSE_INIT_SETXATTR_EXT;
	c->session->minor = min_of(in->minor, FUSE_MINOR_MAX);
	return 0;
}

static int fuse_statfs(struct fuse_call *c)
{
	struct fs_statfs s;
	struct fuse_statfs_out *out;
	u32 i;
	int err;

	err = fs_statfs(c->x, &s);
	if (err)
		return err;
	out = fuse_result(c, sizeof(*out));
	out->blocks = s.blocks;
	out->bfree = s.bfree;
	out->bavail = s.bavail;
	out->files = s.files;
	out->ffree = s.ffree;
	out->bsize = BLOCK_SIZE;
	out->namelen = s.namelen;
	out->frsize = BLOCK_SIZE;
	out->padding = 0;
	for (i = 0; i < array_size(out->spare); i++)
		out->spare[i] = 0;
	return 0;
}

static int fuse_destroy(struct fuse_call *c)
{
	c->session->minor = 0;
	fs_unlock_host(c->x);
	return fs_sync(c->x);
}

int fuse_name(const struct fuse_call *c, u32 *off, struct fs_name *name)
{
	const char *s = (const char *)c->in + *off;
	u32 room, len;

	if (*off >= c->in_len)
		return -MP_EINVAL;
	room = c->in_len - *off;
	for (len = 0; len < room && s[len]; len++)
		;
	if (len == room)
		return -MP_EINVAL;
	name->s = s;
	name->len = len;
	*off += len + 1;
	return 0;
}

/* The nodes that the kernel has let go of. How often it had looked them up is not counted here: it
 * says so when it has forgotten all of them. */
static void fuse_forget(struct fuse_call *c)
{
	const struct fuse_batch_forget_in *in = fuse_args(c, sizeof(*in));
	u32 off = (u32)(sizeof(*c->in) + sizeof(*in)), i;
	const struct fuse_forget_one *one;
	struct frame *frame;

	if (c->in->opcode == FUSE_FORGET) {
		fs_forget(c->x, fuse_node(c->in->nodeid));
		return;
	}
	for (i = 0; in && i < in->count; i++, off += (u32)sizeof(*one)) {
		const void *bytes;

		if (fuse_bytes(c, off, sizeof(*one), &bytes, &frame))
			return;
		one = bytes;
		fs_forget(c->x, fuse_node(one->nodeid));
		if (frame)
			frame_unpin(c->x, frame);
	}
}

/* Copies payload bytes [off, off+len) to dst. */
static void copy_payload(struct fuse_call *c, u32 off, u8 *dst, u32 len)
{
	u32 i, part;

	for (i = 0; i < c->npay && len > 0; i++) {
		const struct fs_seg *seg = &c->pay[i];

		if (off >= seg->len) {
			off -= seg->len;
			continue;
		}
		part = min_of(seg->len - off, len);
		memcpy(dst, (u8 *)frame_data(c->x, frame_of(c->x, seg->frame)) + seg->offset + off,
		       part);
		dst += part;
		len -= part;
		off = 0;
	}
}

int fuse_bytes(struct fuse_call *c, u32 off, u32 len, const void **out, struct frame **frame)
{
	const u8 *in = (const u8 *)c->in;
	u32 here;
	u8 *dst;
	int err;

	*frame = NULL;
	if (off > c->in_len || len > BLOCK_SIZE || len > c->in_len - off + c->pay_len)
		return -MP_EINVAL;
	*out = in + off;
	here = c->in_len - off;
	if (len <= here)
		return 0;
	err = frame_alloc(c->x, frame);
	if (err)
		return err;
	dst = frame_data(c->x, *frame);
	memcpy(dst, in + off, here);
	copy_payload(c, 0, dst + here, len - here);
	*out = dst;
	return 0;
}

__attribute__((noinline)) void fuse_fill_attr(struct fuse_attr *out, const struct fs_attr *attr)
{
	out->ino = (ino_no_t)attr->node;
	out->size = attr->size;
	out->blocks = attr->blocks;
	out->atime = (u64)attr->atime.sec;
	out->mtime = (u64)attr->mtime.sec;
	out->ctime = (u64)attr->ctime.sec;
	out->atimensec = attr->atime.nsec;
	out->mtimensec = attr->mtime.nsec;
	out->ctimensec = attr->ctime.nsec;
	out->mode = attr->mode;
	out->nlink = attr->nlink;
	out->uid = attr->uid;
	out->gid = attr->gid;
	out->rdev = attr->rdev;
	out->blksize = BLOCK_SIZE;
	out->flags = 0;
}

void fuse_fill_entry(struct fuse_entry_out *out, const struct fs_attr *attr)
{
	out->nodeid = fuse_nodeid(attr->node);
	out->generation =
		0; /* a node id is never used again: it has the inode's generation in it */
	out->entry_valid = 0;
	out->attr_valid = 0;
	out->entry_valid_nsec = 0;
	out->attr_valid_nsec = 0;
	fuse_fill_attr(&out->attr, attr);
}

static int dispatch(struct fuse_call *c)
{
	switch (c->in->opcode) {
	case FUSE_LOOKUP:
		return fuse_lookup(c);
	case FUSE_GETATTR:
		return fuse_getattr(c);
	case FUSE_READ:
		return fuse_read(c);
	case FUSE_WRITE:
		return fuse_write(c);
	case FUSE_SETATTR:
		return fuse_setattr(c);
	case FUSE_READLINK:
		return fuse_readlink(c);
	case FUSE_SYMLINK:
		return fuse_symlink(c);
	case FUSE_MKNOD:
		return fuse_mknod(c);
	case FUSE_MKDIR:
		return fuse_mkdir(c);
	case FUSE_UNLINK:
		return fuse_unlink(c, false);
	case FUSE_RMDIR:
		return fuse_unlink(c, true);
	case FUSE_RENAME:
		return fuse_rename(c, false);
	case FUSE_RENAME2:
		return fuse_rename(c, true);
	case FUSE_LINK:
		return fuse_link(c);
	case FUSE_OPEN:
		return fuse_open(c, false);
	case FUSE_OPENDIR:
		return fuse_open(c, true);
	case FUSE_CREATE:
		return fuse_create(c, false);
	case FUSE_TMPFILE:
		return fuse_create(c, true);
	case FUSE_RELEASE:
	case FUSE_RELEASEDIR:
		return fuse_release(c);
	case FUSE_STATFS:
		return fuse_statfs(c);
	case FUSE_FSYNC:
	case FUSE_FSYNCDIR:
		return fuse_fsync(c);
	case FUSE_FLUSH:
		return fuse_flush(c);
	case FUSE_GETLK:
		return fuse_getlk(c);
	case FUSE_SETLK:
		return fuse_setlk(c, false);
	case FUSE_SETLKW:
		return fuse_setlk(c, true);
	case FUSE_SETXATTR:
		return fuse_setxattr(c);
	case FUSE_GETXATTR:
		return fuse_getxattr(c, false);
	case FUSE_LISTXATTR:
		return fuse_getxattr(c, true);
	case FUSE_REMOVEXATTR:
		return fuse_removexattr(c);
	case FUSE_READDIR:
		return fuse_readdir(c, false);
	case FUSE_READDIRPLUS:
		return fuse_readdir(c, true);
	case FUSE_FALLOCATE:
		return fuse_fallocate(c);
	case FUSE_LSEEK:
		return fuse_lseek(c);
	case FUSE_IOCTL:
		return fuse_ioctl(c);
	case FUSE_COPY_FILE_RANGE:
		return fuse_copy_file_range(c);
	case FUSE_SYNCFS:
		return fs_sync(c->x);
	case FUSE_DESTROY:
		return fuse_destroy(c);
	default: /* FUSE_ACCESS too: the host's kernel checks permissions (default_permissions) */
		return -MP_ENOSYS;
	}
}

/* Closes the reply: the header, for a failure nothing else. */
static void finish(struct fuse_call *c, int err)
{
	struct fuse_out_header *out = c->out;

	if (err) {
		c->out_len = sizeof(*out);
		c->reply_len = 0;
	}
	out->len = c->out_len + c->reply_len;
	out->error = err;
	out->unique = c->in->unique;
}

static inline void set_actor(struct fuse_call *c)
{
	struct exec *x = c->x;

	x->host = c->session->host;
	x->seen = 1u << (c->session->host & 31);
	x->cred.uid = c->in->uid;
	x->cred.gid = c->in->gid;
	x->cred.umask = 0;
}

void fuse_serve(struct fuse_call *c)
{
	int err;

	c->out_len = sizeof(struct fuse_out_header);
	c->reply_len = 0;
	c->nreply = 0;
	switch (c->in->opcode) {
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
		if (c->session->minor) {
			set_actor(c);
			fuse_forget(c);
		}
		c->out_len = 0;
		return;
	case FUSE_INTERRUPT:
		if (c->session->minor) {
			set_actor(c);
			fuse_interrupt(c);
		}
		c->out_len = 0;
		return;
	case FUSE_INIT:
		err = fuse_init(c);
		break;
	default:
		set_actor(c);
		err = c->session->minor ? dispatch(c) : -MP_EPROTO;
		if (err == FUSE_WAITS) {
			c->out_len = 0;
			return;
		}
	}
	finish(c, err);
}
