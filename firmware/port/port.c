// SPDX-License-Identifier: BSD-2-Clause
/* Messages of a port: from the submission ring into a call, and its reply into the completion ring.
 */
#include "port/port.h"
#include "platform/regs/port_device.h"

#include <string.h>

#define RING (PORT_DEVICE_RING / 4)
#define CELL_WORD(tag) (RING + (PORT_CELL_OFFSET + (tag)*PORT_CELL_SIZE) / 4)
/* words of struct port_cell */
#define CELL_INLINE_NSLOTS (offsetof(struct port_cell, inline_len) / 4)
#define CELL_SLOT_OFFSET (offsetof(struct port_cell, slot_offset) / 4)
#define CELL_SLOTS (offsetof(struct port_cell, slots) / 4)
#define CELL_MESSAGE (offsetof(struct port_cell, message) / 4)
_Static_assert(offsetof(struct port_cell, slots) % 4 == 0, "two slots a word");
_Static_assert(offsetof(struct port_cell, message) % 4 == 0, "message by words");
_Static_assert(FUSE_IN_ROOM == PORT_CELL_INLINE && FUSE_OUT_ROOM == PORT_CELL_INLINE, "rooms");
_Static_assert(FUSE_PAY_SEGS == PORT_CELL_SLOTS, "slots of a message");

static u32 reg_read(const struct port *p, u32 offset)
{
	return p->regs[offset / 4];
}

static void reg_write(struct port *p, u32 offset, u32 value)
{
	p->regs[offset / 4] = value;
}

/* What is rarer than a doorbell. */
static __attribute__((noinline, cold)) void control_events(struct port *p, u32 events)
{
	if (events & PORT_DEVICE_EVENT_DETACH_MASK)
		p->want |= PORT_WANT_DETACH;
	if (events & PORT_DEVICE_EVENT_LINK_MASK) {
		/* down, or down and up again: whoever was attached is gone */
		if (!(reg_read(p, PORT_DEVICE_LINK_STATUS) & PORT_DEVICE_LINK_STATUS_UP_MASK))
			p->want &= ~PORT_WANT_ATTACH;
		if (p->state != PORT_DETACHED)
			p->want |= PORT_WANT_LINK;
	}
	if (events & PORT_DEVICE_EVENT_ATTACH_MASK)
		p->want |= PORT_WANT_ATTACH;
}

bool port_events(struct port *p)
{
	const u32 events = reg_read(p, PORT_DEVICE_EVENT);

	reg_write(p, PORT_DEVICE_EVENT, events); /* first, then what they stand for */
	if (__builtin_expect(events & ~PORT_DEVICE_EVENT_DOORBELL_MASK, 0))
		control_events(p, events);
	if (p->state == PORT_ATTACHED && !p->want) {
		p->sq_tail = (u16)reg_read(p, PORT_DEVICE_SQ_TAIL);
		if ((u16)(p->sq_tail - p->sq_head) > PORT_RING_ENTRIES)
			p->want |= PORT_WANT_BREAK;
	}
	return port_has_messages(p) || port_wants_change(p);
}

static inline void put_completion(struct port *p, u32 entry)
{
	p->regs[RING + PORT_CQ_OFFSET / 4 + p->cq_tail % PORT_RING_ENTRIES] = entry;
	p->cq_tail++;
	reg_write(p, PORT_DEVICE_CQ_TAIL, p->cq_tail);
}

/* Copies and checks the slot list: the slots are this request's from now on. */
static bool take_slots(struct port *p, struct port_call *call, u32 nslots, u32 offset, u32 len)
{
	const volatile u32 *cell = p->regs + CELL_WORD(call->tag);
	struct fuse_call *c = &call->fuse;
	u32 i, pair = 0;

	for (i = 0; i < nslots; i++) {
		const u32 part = min_of(len, BLOCK_SIZE - offset);
		u32 slot;

		if (!(i & 1))
			pair = cell[CELL_SLOTS + i / 2];
		slot = pair & 0xffff;
		pair >>= 16;
		if (slot >= p->nwrite || p->write_busy[slot / 32] & 1u << slot % 32)
			return false;
		p->write_busy[slot / 32] |= 1u << slot % 32;
		call->slots[i] = (u16)slot;
		c->pay[i] = (struct fs_seg){p->write_frames[slot], (u16)offset, (u16)part};
		c->npay = i + 1;
		len -= part;
		offset = 0;
		if (part == BLOCK_SIZE && c->in->opcode == FUSE_WRITE)
			slots_withdraw(p, slot); /* D3 */
	}
	return true;
}

/* Copies inline_len bytes of the message, and zeroes up to the next word. */
static inline void copy_message(u32 *to, const volatile u32 *from, u32 inline_len)
{
	u32 left = inline_len / 4;

	/* four loads at a time do not wait for each other's stores */
	for (; left >= 4; left -= 4, to += 4, from += 4) {
		const u32 a = from[0], b = from[1], c = from[2], d = from[3];

		to[0] = a;
		to[1] = b;
		to[2] = c;
		to[3] = d;
	}
	for (; left; left--)
		*to++ = *from++;
	if (inline_len % 4)
		*to = *from & ((1u << inline_len % 4 * 8) - 1);
}

/* What a message lists beyond the cell. */
static __attribute__((noinline)) bool take_payload(struct port *p, struct port_call *call,
						   u32 nslots)
{
	const u32 pay_len = call->fuse.pay_len;
	const u32 offset = (p->regs + CELL_WORD(call->tag))[CELL_SLOT_OFFSET] & 0xffff;

	if (offset >= BLOCK_SIZE || pay_len == 0 || pay_len > PORT_CELL_SLOTS * BLOCK_SIZE ||
	    nslots != (offset + pay_len + BLOCK_SIZE - 1) / BLOCK_SIZE)
		return false;
	if (!take_slots(p, call, nslots, offset, pay_len))
		return false;
	/* file data is moved past the core's cache */
	if (call->fuse.in->opcode != FUSE_WRITE)
		port_memory_changed(p->plat);
	return true;
}

/* Reads the tag's cell into the call; false: it is not a message. */
static inline bool take_cell(struct port *p, struct port_call *call, const volatile u32 *cell)
{
	struct fuse_call *c = &call->fuse;
	const u32 message_len = cell[0];
	const u32 lens = cell[CELL_INLINE_NSLOTS];
	const u32 inline_len = lens & 0xffff, nslots = lens >> 16;

	c->npay = 0;
	if (inline_len - sizeof(*c->in) > PORT_CELL_INLINE - sizeof(*c->in) ||
	    inline_len > message_len || nslots > PORT_CELL_SLOTS)
		return false;
	copy_message((u32 *)(void *)call->message, cell + CELL_MESSAGE, inline_len);
	c->in = (const struct fuse_in_header *)(void *)call->message;
	c->in_len = inline_len;
	c->pay_len = message_len - inline_len;
	if (c->in->len != message_len)
		return false;
	return nslots ? take_payload(p, call, nslots) : c->pay_len == 0;
}

/* Gives the request's write slots back, mapped to the frames that the call has now. */
static __attribute__((noinline)) void give_slots(struct port *p, struct port_call *call)
{
	const struct fuse_call *c = &call->fuse;
	u32 i;

	for (i = 0; i < c->npay; i++) {
		const u32 slot = call->slots[i];

		p->write_busy[slot / 32] &= ~(1u << slot % 32);
		if (c->pay[i].len == BLOCK_SIZE && c->in->opcode == FUSE_WRITE)
			slots_restore(p, slot, c->pay[i].frame);
	}
	call->fuse.npay = 0;
}

/* An entry that is not a request of a tag that has none in flight. */
static __attribute__((noinline)) void other_entry(struct port *p, struct exec *x, u32 entry)
{
	const u32 tag = PORT_SQE_TAG(entry);
	const u32 kind = PORT_SQE_KIND(entry);

	if (tag >= p->ntags || kind > PORT_SQE_RELEASE || entry >> 16)
		put_completion(p, PORT_CQE(tag, PORT_CQE_INVALID));
	else if (p->busy & 1u << tag)
		p->want |= PORT_WANT_BREAK;
	else
		slots_reply(p, x, tag, NULL, 0);
}

bool port_take(struct port *p, struct exec *x, struct port_call *call)
{
	const volatile u32 *cell;

	_Static_assert(PORT_SQE_REQUEST == 0, "the entry of a request is its tag");
	while (port_has_messages(p)) {
		const u32 tag = p->regs[RING + PORT_SQ_OFFSET / 4 + p->sq_head % PORT_RING_ENTRIES];

		p->sq_head++;
		reg_write(p, PORT_DEVICE_SQ_HEAD, p->sq_head);
		if (__builtin_expect(tag >= p->ntags || p->busy & 1u << tag, 0)) {
			other_entry(p, x, tag);
			continue;
		}
		cell = p->regs + CELL_WORD(tag);
		call->tag = tag;
		call->fuse.x = x;
		call->fuse.session = &p->session;
		call->fuse.out = (void *)(uintptr_t)(cell + CELL_MESSAGE);
		if (__builtin_expect(!take_cell(p, call, cell), 0)) {
			give_slots(p, call);
			put_completion(p, PORT_CQE(tag, PORT_CQE_INVALID));
			continue;
		}
		p->busy |= 1u << tag;
		p->messages++;
		return true;
	}
	return false;
}

void port_complete(struct port *p, struct port_call *call)
{
	struct fuse_call *c = &call->fuse;
	volatile u32 *cell = (volatile u32 *)c->out - CELL_MESSAGE;
	u32 offset = 0;

	if (c->npay)
		give_slots(p, call);
	if (c->nreply)
		offset = c->reply[0].offset;
	slots_reply(p, c->x, call->tag, c->reply, c->nreply);
	p->busy &= ~(1u << call->tag);
	if (__builtin_expect(p->want != 0, 0)) {
		/* being detached: the host does not wait for it any more */
		plat_wake(p->plat, &p->busy);
		return;
	}
	cell[0] = c->out_len + c->reply_len;
	cell[CELL_INLINE_NSLOTS] = c->out_len | c->nreply << 16;
	cell[CELL_SLOT_OFFSET] = offset;
	put_completion(p, PORT_CQE(call->tag, PORT_CQE_REPLY));
}

void port_park(struct port *p, struct port_call *call)
{
	if (call->fuse.npay)
		give_slots(p, call);
	p->parked |= 1u << call->tag;
	p->parked_key[call->tag] = call->fuse.in->unique;
}

void port_unpark(struct port *p, struct exec *x)
{
	struct fuse_out_header *out;
	volatile u32 *cell;
	u32 tag;
	u64 key;
	int error;

	while (fs_lock_done(x->pool, p->number, &key, &error)) {
		for (tag = 0; tag < p->ntags; tag++)
			if (p->parked & 1u << tag && p->parked_key[tag] == key)
				break;
		if (tag == p->ntags)
			continue;
		p->parked &= ~(1u << tag);
		p->busy &= ~(1u << tag);
		cell = p->regs + CELL_WORD(tag);
		out = (void *)(uintptr_t)(cell + CELL_MESSAGE);
		*out = (struct fuse_out_header){sizeof(*out), error, key};
		slots_reply(p, x, tag, NULL, 0);
		cell[0] = sizeof(*out);
		cell[CELL_INLINE_NSLOTS] = sizeof(*out);
		cell[CELL_SLOT_OFFSET] = 0;
		put_completion(p, PORT_CQE(tag, PORT_CQE_REPLY));
	}
}
