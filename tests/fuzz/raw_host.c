/* SPDX-License-Identifier: BSD-2-Clause */
/* Requests of every kind into a port (raw_host.h). */
#include <string.h>

#include "port/fuse_wire.h"
#include "tests/fuzz/raw_host.h"

#define NONE 0xff

/* What follows the header of a request: a fixed part, then names; where in the fixed part its
 * 64-bit words are that mean something. */
struct kind {
	u32 opcode;
	u8 fixed;
	u8 names;
	u8 fh, pos, size; /* offsets of a handle, a position, a 32-bit size; NONE */
	bool payload;     /* bytes in slots, `size` of them */
};

static const struct kind kinds[] = {
	{FUSE_LOOKUP, 0, 1, NONE, NONE, NONE, false},
	{FUSE_GETATTR, 16, 0, 8, NONE, NONE, false},
	{FUSE_SETATTR, 88, 0, 8, 16, 0, false},
	{FUSE_READLINK, 0, 0, NONE, NONE, NONE, false},
	{FUSE_SYMLINK, 0, 2, NONE, NONE, NONE, false},
	{FUSE_MKNOD, 16, 1, NONE, NONE, NONE, false},
	{FUSE_MKDIR, 8, 1, NONE, NONE, NONE, false},
	{FUSE_UNLINK, 0, 1, NONE, NONE, NONE, false},
	{FUSE_RMDIR, 0, 1, NONE, NONE, NONE, false},
	{FUSE_RENAME, 8, 2, NONE, NONE, NONE, false},
	{FUSE_RENAME2, 16, 2, NONE, NONE, 8, false},
	{FUSE_LINK, 8, 1, NONE, NONE, NONE, false},
	{FUSE_OPEN, 8, 0, NONE, NONE, NONE, false},
	{FUSE_OPENDIR, 8, 0, NONE, NONE, NONE, false},
	{FUSE_CREATE, 16, 1, NONE, NONE, NONE, false},
	{FUSE_TMPFILE, 16, 1, NONE, NONE, NONE, false},
	{FUSE_RELEASE, 24, 0, 0, NONE, NONE, false},
	{FUSE_RELEASEDIR, 24, 0, 0, NONE, NONE, false},
	{FUSE_READ, 40, 0, 0, 8, 16, false},
	{FUSE_WRITE, 40, 0, 0, 8, 16, true},
	{FUSE_READDIR, 40, 0, 0, 8, 16, false},
	{FUSE_READDIRPLUS, 40, 0, 0, 8, 16, false},
	{FUSE_STATFS, 0, 0, NONE, NONE, NONE, false},
	{FUSE_FSYNC, 16, 0, 0, NONE, NONE, false},
	{FUSE_FSYNCDIR, 16, 0, 0, NONE, NONE, false},
	{FUSE_FLUSH, 24, 0, 0, NONE, NONE, false},
	{FUSE_SETXATTR, 8, 1, NONE, NONE, 0, true},
	{FUSE_GETXATTR, 8, 1, NONE, NONE, 0, false},
	{FUSE_LISTXATTR, 8, 0, NONE, NONE, 0, false},
	{FUSE_REMOVEXATTR, 0, 1, NONE, NONE, NONE, false},
	{FUSE_FALLOCATE, 32, 0, 0, 8, 16, false},
	{FUSE_LSEEK, 24, 0, 0, 8, 16, false},
	{FUSE_COPY_FILE_RANGE, 56, 0, 0, 8, 40, false},
	{FUSE_SYNCFS, 8, 0, NONE, NONE, NONE, false},
	{FUSE_FORGET, 8, 0, NONE, NONE, NONE, false},
	{FUSE_BATCH_FORGET, 8, 0, NONE, NONE, NONE, false},
	{FUSE_INTERRUPT, 8, 0, NONE, NONE, NONE, false},
	{FUSE_INIT, 64, 0, NONE, NONE, NONE, false},
	{FUSE_DESTROY, 0, 0, NONE, NONE, NONE, false},
	{9999, 8, 1, 0, NONE, NONE, false},
	{FUSE_GETLK, 48, 0, 0, 16, NONE, false},
	{FUSE_SETLK, 48, 0, 0, 16, NONE, false},
	{FUSE_SETLKW, 48, 0, 0, 16, NONE, false},
	{FUSE_IOCTL, 60, 0, 0, NONE, NONE, false},
};

_Static_assert(array_size(kinds) == RAW_KINDS, "kinds");

static const char names[12][32] = {"linear", "index",       "file",       "attrs", "acl", "slow",
				   "new",    "user.inside", "user.block", "x",     "..",  "a/b"};

/* ---- the port */
static u32 *sq(struct raw_host *h)
{
	return &h->regs[(PORT_DEVICE_RING + PORT_SQ_OFFSET) / 4];
}

struct port_cell *raw_cell(struct raw_host *h, u32 tag)
{
	return (void *)&h->regs[(PORT_DEVICE_RING + PORT_CELL_OFFSET +
				 tag % PORT_TAGS_MAX * PORT_CELL_SIZE) /
				4];
}

void raw_events(struct raw_host *h, u32 bits)
{
	if (bits & (PORT_DEVICE_EVENT_ATTACH_MASK | PORT_DEVICE_EVENT_DETACH_MASK)) {
		h->regs[PORT_DEVICE_SQ_TAIL / 4] = 0; /* as the hardware does */
		h->sq_tail = 0;
	}
	h->regs[PORT_DEVICE_EVENT / 4] = bits;
	port_events(&h->port);
	h->regs[PORT_DEVICE_EVENT / 4] = 0;
	if (!port_wants_change(&h->port))
		return;
	for (u32 i = 0; i < RAW_CALLS; i++)
		raw_finish(h, i);
	port_change(&h->port, h->x);
}

void raw_clear(struct raw_host *h)
{
	memset(h, 0, sizeof(*h));
	h->node[0] = FUSE_ROOT_NODE;
	h->nnodes = 1;
}

void raw_attach(struct raw_host *h, struct exec *x, u32 number)
{
	raw_clear(h);
	h->x = x;
	h->regs[PORT_DEVICE_CONFIG / 4] = RAW_SLOTS << 8;
	h->regs[PORT_DEVICE_LINK_STATUS / 4] = 1;
	port_init(&h->port, x->plat, h->regs, number, h->write_frames, h->mapped, 0);
	raw_events(h, PORT_DEVICE_EVENT_ATTACH_MASK);
}

void raw_detach(struct raw_host *h)
{
	raw_events(h, PORT_DEVICE_EVENT_DETACH_MASK);
}

void raw_post(struct raw_host *h, u32 entry)
{
	sq(h)[h->sq_tail++ % PORT_RING_ENTRIES] = entry;
	h->regs[PORT_DEVICE_SQ_TAIL / 4] = h->sq_tail;
	raw_events(h, PORT_DEVICE_EVENT_DOORBELL_MASK);
}

static void learn_fh(struct raw_host *h, u64 fh, u64 node)
{
	u32 i = h->nfhs++ % RAW_NODES;

	h->fh[i] = fh;
	h->fh_node[i] = node;
}

static void forget_fh(struct raw_host *h, u64 fh)
{
	u32 n = min_of(h->nfhs, RAW_NODES);

	for (u32 i = 0; i < n; i++) {
		if (h->fh[i] != fh)
			continue;
		h->nfhs = n - 1;
		h->fh[i] = h->fh[n - 1];
		h->fh_node[i] = h->fh_node[n - 1];
		return;
	}
}

void raw_learn(struct raw_host *h, const struct fuse_in_header *in, const void *reply,
	       u32 reply_len)
{
	const struct fuse_out_header *out = reply;
	const struct fuse_entry_out *entry = (const void *)(out + 1);
	u32 len = reply_len - (u32)sizeof(*out);

	if (reply_len < sizeof(*out) || out->error)
		return;
	switch (in->opcode) {
	case FUSE_CREATE:
	case FUSE_TMPFILE:
		if (len >= sizeof(struct fuse_create_out))
			learn_fh(h, ((const struct fuse_create_out *)entry)->open.fh,
				 entry->nodeid);
		break;
	case FUSE_OPEN:
	case FUSE_OPENDIR:
		if (len >= sizeof(struct fuse_open_out))
			learn_fh(h, ((const struct fuse_open_out *)entry)->fh, in->nodeid);
		return;
	case FUSE_RELEASE:
	case FUSE_RELEASEDIR:
		forget_fh(h, *(const u64 *)(in + 1));
		return;
	case FUSE_INIT:
		h->nfhs = 0;
		return;
	case FUSE_LOOKUP:
	case FUSE_MKNOD:
	case FUSE_MKDIR:
	case FUSE_SYMLINK:
	case FUSE_LINK:
		break;
	default:
		return;
	}
	if (len >= sizeof(*entry) && entry->nodeid)
		h->node[h->nnodes++ % RAW_NODES] = entry->nodeid;
}

void raw_take(struct raw_host *h)
{
	for (u32 i = 0; i < RAW_CALLS; i++) {
		if (h->under_way[i])
			continue;
		h->under_way[i] = port_take(&h->port, h->x, &h->call[i]);
		return;
	}
}

static void unpark(struct raw_host *h)
{
	u32 before = h->port.parked;

	port_unpark(&h->port, h->x);
	h->ended += h->port.parked != before;
}

void raw_finish(struct raw_host *h, u32 n)
{
	struct port_call *call = &h->call[n % RAW_CALLS];

	if (!h->under_way[n % RAW_CALLS])
		return;
	fuse_serve(&call->fuse);
	if (fuse_waits(&call->fuse)) {
		port_park(&h->port, call);
		h->waits++;
	} else {
		raw_learn(h, call->fuse.in, call->fuse.out, call->fuse.out_len);
		port_complete(&h->port, call);
	}
	unpark(h);
	h->under_way[n % RAW_CALLS] = false;
}

void raw_run(struct raw_host *h, u32 n)
{
	for (u32 i = 0; i < RAW_CALLS; i++)
		raw_finish(h, i);
	unpark(h);
	for (; n; n--) {
		raw_take(h);
		if (!h->under_way[0])
			break;
		raw_finish(h, 0);
	}
	raw_events(h, 0);
}

/* ---- requests */
static u64 node_of(const struct raw_host *h, u32 n)
{
	if (n % 16 == 15)
		return (u64)n << 32 | n;
	return h->node[n % min_of(h->nnodes, RAW_NODES)];
}

static void put64(u8 *to, u64 value)
{
	memcpy(to, &value, 8);
}

static u32 fh_index(const struct raw_host *h, u32 n)
{
	return (n >> 4) % max_of(min_of(h->nfhs, RAW_NODES), 1u);
}

/* Positions near the start and, sometimes, where numbers end. */
static u64 position(u32 value)
{
	return value >> 28 == 15 ? ~0ull - value % 8192 : (value >> 8 & 0xFFFF) * 7u;
}

/* One of few owners, so that they get into each other's way; and whose wait is to end. */
static void lock_part(const struct kind *k, u8 *to, u32 value)
{
	const u64 owner = value >> 20 & 3;

	switch (k->opcode) {
	case FUSE_GETLK:
	case FUSE_SETLK:
	case FUSE_SETLKW:
		put64(to + 8, owner);
		put64(to + 24, value & 0x10 ? ~0ull >> 1 : position(value) + (value & 0xFF));
		memcpy(to + 32, &(u32){value >> 18 & 3}, 4);
		memcpy(to + 40, &(u32){value >> 22 & 1}, 4);
		break;
	case FUSE_FLUSH:
		put64(to + 16, owner);
		break;
	case FUSE_INTERRUPT:
		put64(to, 1 + value % PORT_TAGS_MAX);
	}
}

/* A command that there is, with the sizes that it has, and flags. */
static void ioctl_part(u8 *to, u32 value)
{
	static const u32 cmd[] = {FUSE_IOC_GETFLAGS, FUSE_IOC_SETFLAGS, FUSE_IOC_FSGETXATTR,
				  FUSE_IOC_FSSETXATTR};
	struct fuse_ioctl_in in = {.cmd = cmd[value % 4]};
	u32 flags = value & 4 ? 0x80000 : 0;

	in.in_size = value % 4 == 1 ? 4 : value % 4 == 3 ? 28 : 0;
	in.out_size = value % 4 == 0 ? 4 : value % 4 == 2 ? 28 : 0;
	memcpy(to + 8, &in.flags, sizeof(in) - 8); /* not the handle */
	flags |= value >> 4 & 0x38;
	memcpy(to + sizeof(in), &flags, 4);
}

static u32 fixed_part(struct raw_host *h, const struct kind *k, u8 *to, u32 nodes, u32 value,
		      u32 *size)
{
	memset(to, 0, k->fixed);
	for (u32 i = 0; i + 4 <= k->fixed; i += 4)
		memcpy(to + i, &(u32){value >> i % 16 & 0xF}, 4);
	if (k->opcode == FUSE_MKNOD || k->opcode == FUSE_CREATE || k->opcode == FUSE_TMPFILE)
		memcpy(to + (k->opcode == FUSE_MKNOD ? 0 : 4), &(u32){0100644}, 4);
	if (k->opcode == FUSE_INIT)
		memcpy(to, &(struct fuse_init_in){7, 40, 1 << 17, ~0u, ~0u, {0}},
		       sizeof(struct fuse_init_in));
	if (k->opcode == FUSE_RENAME || k->opcode == FUSE_RENAME2 || k->opcode == FUSE_LINK)
		put64(to, node_of(h, nodes >> 8));
	if (k->fh != NONE)
		put64(to + k->fh, h->fh[fh_index(h, nodes)]);
	if (k->pos != NONE)
		put64(to + k->pos, position(value));
	if (k->opcode == FUSE_COPY_FILE_RANGE) {
		put64(to + 16, node_of(h, nodes >> 8));
		put64(to + 24, h->fh[(nodes >> 8) % RAW_NODES]);
		put64(to + 32, position(value >> 4));
	}
	lock_part(k, to, value);
	if (k->opcode == FUSE_IOCTL)
		ioctl_part(to, value);
	*size = value & 0x1FFF;
	if (k->opcode == FUSE_SETXATTR)
		*size %= 300;
	if (k->size != NONE)
		memcpy(to + k->size, size, 4);
	return k->fixed;
}

void raw_build(struct raw_host *h, u32 tag, u32 what, u32 nodes, u32 value)
{
	const struct kind *k = &kinds[what % RAW_KINDS];
	struct port_cell *c = raw_cell(h, tag);
	struct fuse_in_header head = {.opcode = k->opcode,
				      .unique = 1 + tag % PORT_TAGS_MAX,
				      .nodeid = node_of(h, nodes),
				      .uid = value >> 30 ? 0 : 1000,
				      .gid = 7,
				      .pid = 1};
	u8 *to = c->message + sizeof(head);
	u32 len, size = 0, offset = 0, done = 0, n = 0;

	if (k->fh != NONE && nodes & 3) /* mostly, a handle is of the node */
		head.nodeid = h->fh_node[fh_index(h, nodes)];
	memset(c, 0, sizeof(*c));
	len = fixed_part(h, k, to, nodes, value, &size);
	for (u32 i = 0; i < k->names; i++) {
		const char *name = names[(value >> (4 * i)) % array_size(names)];

		memcpy(to + len, name, strlen(name) + 1);
		len += (u32)strlen(name) + 1;
	}
	c->inline_len = (u16)(sizeof(head) + len);
	if (k->payload) {
		offset = k->opcode == FUSE_WRITE ? (u32)position(value) % BLOCK_SIZE : 0;
		for (; done < size && n < PORT_CELL_SLOTS; n++) {
			c->slots[n] = (u16)((tag * 3 + n) % PORT_WRITE_SLOTS_MAX);
			done += BLOCK_SIZE - (n ? 0 : offset);
		}
	} else {
		size = 0;
	}
	c->slot_offset = (u16)offset;
	c->nslots = (u16)n;
	head.len = c->message_len = c->inline_len + size;
	memcpy(c->message, &head, sizeof(head));
}

static void request(struct raw_host *h, u32 tag, u32 opcode, u32 nodes, u32 value)
{
	u32 what = 0;

	while (kinds[what].opcode != opcode)
		what++;
	raw_build(h, tag, what, nodes, value);
	raw_post(h, tag);
	raw_run(h, 2);
}

void raw_quarrel(struct raw_host *h, u32 value)
{
	static const u32 ends[] = {FUSE_FLUSH, FUSE_INTERRUPT, FUSE_SETLK, FUSE_RELEASE};
	const u32 all = 0x10, exclusive = 1 << 18, none = 2 << 18; /* lock_part() */
	u32 nodes = value << 4 | 1, how = value >> 8, tag = value >> 12 & 7;

	if (!h->nfhs)
		request(h, 0, FUSE_OPEN, value, 0);
	request(h, 0, FUSE_SETLK, nodes, all | exclusive | 1 << 20);
	request(h, 8 + tag, FUSE_SETLKW, nodes, all | exclusive | 2 << 20);
	if (how & 1)
		return;
	how = ends[how >> 1 & 3];
	request(h, 1, how, nodes, how == FUSE_INTERRUPT ? 8 + tag : all | none | 1 << 20);
}

void raw_poke(struct raw_host *h, u32 slot, u32 at, u32 value)
{
	u32 entry = h->regs[PORT_DEVICE_SLOT_TABLE / 4 + slot % RAW_SLOTS];

	if ((entry & PORT_DEVICE_SLOT_VALID) && (entry & PORT_DEVICE_SLOT_WRITABLE))
		memcpy(h->x->pool->base + ((entry & PORT_DEVICE_SLOT_FRAME_MASK) << BLOCK_SHIFT) +
			       (at & 0xFFC),
		       &value, 4);
}

const char *raw_check(struct raw_host *h)
{
	for (u32 i = 0; i < RAW_SLOTS; i++) {
		u32 entry = h->regs[PORT_DEVICE_SLOT_TABLE / 4 + i];
		u32 fno = entry & PORT_DEVICE_SLOT_FRAME_MASK;
		const struct frame *f;

		if (!(entry & PORT_DEVICE_SLOT_VALID))
			continue;
		if (h->port.state != PORT_ATTACHED)
			return "a slot is mapped and nobody is attached";
		if (fno >= h->x->pool->hdr->nframes)
			return "a slot is mapped to what is no frame";
		f = frame_of(h->x, fno);
		if (!(f->pins & ~FRAME_FROZEN))
			return "a slot is mapped to a frame that is not pinned";
		if ((entry & PORT_DEVICE_SLOT_WRITABLE) && f->kind != FRAME_ANON)
			return "the host can write into a cache";
		if (!(entry & PORT_DEVICE_SLOT_WRITABLE) && f->kind == FRAME_BUF)
			return "the host can read metadata";
	}
	return NULL;
}
