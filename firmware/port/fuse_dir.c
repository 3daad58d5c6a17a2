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

/* The bytes that follow, and how many of them, up to want, lie in one frame. */
static inline u8 *listing_at(const struct listing *l, u32 want, u32 *len)
{
	const u32 offset = l->used % BLOCK_SIZE;
	struct frame *f = frame_of(l->c->x, l->c->reply[l->used / BLOCK_SIZE].frame);

	*len = min_of(want, BLOCK_SIZE - offset);
	return (u8 *)frame_data(l->c->x, f) + offset;
}

/* Appends bytes, which may cross from one frame into the next. */
static __attribute__((noinline)) void listing_put(struct listing *l, const void *bytes, u32 len)
{
	const u8 *src = bytes;
	u32 part;
	u8 *to;

	while (len > 0) {
		to = listing_at(l, len, &part);
		memcpy(to, src, part);
		src += part;
		len -= part;
		l->used += part;
	}
}

/* An entry without its name, which follows. */
static inline void dirent_fill(struct fuse_dirent *to, const struct fs_dirent *entry)
{
	to->ino = entry->ino;
	to->off = entry->next;
	to->namelen = entry->name.len;
	to->type = entry->type;
}

static void listing_dirent(struct listing *l, const struct fs_dirent *entry, u32 len)
{
	struct fuse_dirent dirent;
	const u64 zero = 0;
	u32 part, i;
	u8 *to;

	to = listing_at(l, len, &part);
	if (part == len) {
		dirent_fill((struct fuse_dirent *)(void *)to, entry);
		/* names are short: a call would take longer */
		for (to += sizeof(dirent), i = 0; i < entry->name.len; i++)
			*to++ = (u8)entry->name.s[i];
		for (; i < len - (u32)sizeof(dirent); i++)
			*to++ = 0;
		l->used += len;
		return;
	}
	dirent_fill(&dirent, entry);
	listing_put(l, &dirent, sizeof(dirent));
	listing_put(l, entry->name.s, entry->name.len);
	listing_put(l, &zero, len - (u32)sizeof(dirent) - entry->name.len);
}

static bool listing_add(void *arg, const struct fs_dirent *entry)
{
	struct listing *l = arg;
	const u32 pad = -entry->name.len & 7u;
	const u32 len = (u32)sizeof(struct fuse_dirent) + entry->name.len + pad;
	struct fuse_entry_out node;

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
	listing_dirent(l, entry, len);
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
	c->x->cred.umask = in->flags & CRED_NOATIME;
	if (!err)
		err = fs_readdir(c->x, fuse_node(c->in->nodeid), in->offset, plus, listing_add, &l);
	listing_end(&l, err);
	return err;
}
