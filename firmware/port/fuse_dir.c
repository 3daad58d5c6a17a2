// SPDX-License-Identifier: BSD-2-Clause
/* READDIR and READDIRPLUS: entries written one behind the other into frames. */
#include "port/fuse_server.h"
#include "platform/errno.h"

#include <string.h>

#define DIR_FRAMES 8u /* of one reply: a host that asks for more gets these and asks again */

/* Where the next entry goes. */
struct listing {
	struct fuse_call *c;
	u32 used;
	u32 room;
	bool plus;
};

/* Appends bytes, which may cross from one frame into the next. */
static void listing_put(struct listing *l, const void *bytes, u32 len)
{
	const u8 *src = bytes;
	u32 part;

	while (len > 0) {
		const u32 offset = l->used % BLOCK_SIZE;
		struct frame *f = frame_of(l->c->x, l->c->reply[l->used / BLOCK_SIZE].frame);

		part = min_of(len, BLOCK_SIZE - offset);
		memcpy((u8 *)frame_data(l->c->x, f) + offset, src, part);
		src += part;
		len -= part;
		l->used += part;
	}
}

static bool listing_add(void *arg, const struct fs_dirent *entry)
{
	struct listing *l = arg;
	const u32 pad = -entry->name.len & 7u;
	const u32 len = (u32)sizeof(struct fuse_dirent) + entry->name.len + pad;
	const struct fuse_dirent dirent = {.ino = entry->ino,
					   .off = entry->next,
					   .namelen = entry->name.len,
					   .type = entry->type};
	struct fuse_entry_out node;
	const u64 zero = 0;

	if (len + (l->plus ? sizeof(node) : 0) > l->room - l->used)
		return false;
	if (l->plus) {
		/* node id 0: the host learns the name only ("." and "..") */
		if (entry->attr)
			fuse_fill_entry(&node, entry->attr);
		else
			memset(&node, 0, sizeof(node));
		listing_put(l, &node, sizeof(node));
	}
	listing_put(l, &dirent, sizeof(dirent));
	listing_put(l, entry->name.s, entry->name.len);
	listing_put(l, &zero, pad);
	return true;
}

/* Makes the frames that were filled the reply, and gives the others back. */
static void listing_end(struct listing *l, int err)
{
	struct fuse_call *c = l->c;
	u32 i, left = err ? 0 : l->used, kept = 0;

	for (i = 0; i < c->nreply; i++) {
		if (!left) {
			frame_unpin(c->x, frame_of(c->x, c->reply[i].frame));
			continue;
		}
		c->reply[i].len = (u16)min_of(left, BLOCK_SIZE);
		left -= c->reply[i].len;
		kept++;
	}
	c->nreply = kept;
	c->reply_len = err ? 0 : l->used;
}

int fuse_readdir(struct fuse_call *c, bool plus)
{
	const struct fuse_read_in *in = fuse_args(c, sizeof(*in));
	struct listing l = {.c = c, .plus = plus};
	struct frame *frame;
	u32 frames;
	int err = 0;

	if (!in)
		return -MP_EINVAL;
	frames = min_of(in->size / BLOCK_SIZE + 1, DIR_FRAMES);
	l.room = min_of(in->size, frames * BLOCK_SIZE);
	while (!err && c->nreply < frames && c->nreply * BLOCK_SIZE < l.room) {
		err = frame_alloc(c->x, &frame);
		if (!err)
			c->reply[c->nreply++] = (struct fs_seg){.frame = frame_no(c->x, frame)};
	}
	if (!err)
		err = fs_readdir(c->x, fuse_node(c->in->nodeid), in->offset, plus, listing_add, &l);
	listing_end(&l, err);
	return err;
}
