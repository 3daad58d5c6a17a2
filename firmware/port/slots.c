// SPDX-License-Identifier: BSD-2-Clause
/*
 * The slot table of a port: which frames of the pool its host can reach.
 *
 * A write to the slot table is acknowledged only when no access under the old entry can follow, so
 * a frame is safe to reuse right after its slot was changed.
 */
#include "port/port.h"
#include "platform/regs/port_device.h"

#define POOL_SHARE 64u /* write slots take at most this part of the pool */

static void slot_set(struct port *p, u32 slot, u32 entry)
{
	p->regs[PORT_DEVICE_SLOT_TABLE / 4 + slot] = entry;
}

void slots_withdraw(struct port *p, u32 slot)
{
	slot_set(p, slot, 0);
}

void slots_restore(struct port *p, u32 slot, fno_t frame)
{
	p->write_frames[slot] = frame;
	slot_set(p, slot, PORT_DEVICE_SLOT_VALID | PORT_DEVICE_SLOT_WRITABLE | frame);
}

/* How many slots the port's hardware has, and so how they are divided. */
static void slots_divide(struct port *p, struct exec *x)
{
	const u32 slots = (p->regs[PORT_DEVICE_CONFIG / 4] >> 8) & 0xffff;
	const u32 fair = x->pool->hdr->nframes / POOL_SHARE;

	p->ntags = PORT_TAGS_MAX;
	while (p->ntags > 1 && p->ntags * PORT_READ_SLOTS + PORT_READ_SLOTS > slots)
		p->ntags /= 2;
	p->nwrite = min_of(slots - p->ntags * PORT_READ_SLOTS, PORT_WRITE_SLOTS_MAX);
	p->nwrite = max_of(min_of(p->nwrite, fair), PORT_READ_SLOTS);
}

int slots_attach(struct port *p, struct exec *x)
{
	struct frame *frame;
	u32 i;
	int err;

	slots_divide(p, x);
	for (i = 0; i < p->nwrite; i++) {
		err = frame_alloc(x, &frame);
		if (err && i >= PORT_READ_SLOTS)
			break; /* fewer do as well */
		if (err) {
			p->nwrite = i;
			return err;
		}
		slots_restore(p, i, frame_no(x, frame));
	}
	p->nwrite = i;
	return 0;
}

void slots_detach(struct port *p, struct exec *x)
{
	u32 i;

	for (i = 0; i < p->ntags; i++)
		slots_reply(p, x, i, NULL, 0);
	for (i = 0; i < p->nwrite; i++) {
		slot_set(p, i, 0);
		frame_unpin(x, frame_of(x, p->write_frames[i]));
	}
	p->nwrite = 0;
	p->ntags = 0;
	for (i = 0; i < array_size(p->write_busy); i++)
		p->write_busy[i] = 0;
}

void slots_map(struct port *p, struct exec *x, u32 tag, const struct fs_seg *segs, u32 n)
{
	const u32 first = p->nwrite + tag * PORT_READ_SLOTS;
	fno_t *mapped = &p->mapped[tag * PORT_READ_SLOTS];
	const u32 old = p->nmapped[tag];
	u32 i;

	for (i = 0; i < n; i++) {
		const fno_t before = mapped[i];

		slot_set(p, first + i, PORT_DEVICE_SLOT_VALID | segs[i].frame);
		mapped[i] = segs[i].frame;
		if (i < old)
			frame_unpin(x, frame_of(x, before));
	}
	for (; i < old; i++) {
		slot_set(p, first + i, 0);
		frame_unpin(x, frame_of(x, mapped[i]));
	}
	p->nmapped[tag] = (u16)n;
}
