/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Hostile bytes in the rings and cells of a port: requests of every kind, changed before they are
 * posted, several under way at once, and the port's events in between.
 */
#include <string.h>

#include "tests/fuzz/raw_host.h"
#include "tests/fuzz/world.h"

/* What a record does, by its kind. */
enum { DO_REQUEST, DO_BUILD, DO_CELL, DO_POST, DO_TAKE, DO_FINISH, DO_EVENT, DO_POKE };

#define POOL_SIZE (8u << 20) /* the write slots are a part of it */

static struct raw_host host;

static void event(u32 what, u32 value)
{
	switch (what % 6) {
	case 0:
		raw_events(&host, PORT_DEVICE_EVENT_DETACH_MASK);
		break;
	case 1:
		host.regs[PORT_DEVICE_LINK_STATUS / 4] = value & 1;
		raw_events(&host, PORT_DEVICE_EVENT_LINK_MASK);
		break;
	case 2:
		host.sq_tail = (u16)value;
		host.regs[PORT_DEVICE_SQ_TAIL / 4] = value;
		raw_events(&host, PORT_DEVICE_EVENT_DOORBELL_MASK);
		break;
	case 3:
		port_tick(&host.port, value);
		raw_events(&host, 0);
		break;
	case 4:
		raw_quarrel(&host, value);
		break;
	default:
		raw_events(&host, PORT_DEVICE_EVENT_ATTACH_MASK);
	}
}

static void carry_out(const struct record *r)
{
	u32 tag = r->at >> 12, i;

	switch (r->kind % 8) {
	case DO_REQUEST:
		raw_build(&host, tag, r->where, r->at, r->value);
		raw_post(&host, tag);
		raw_run(&host, 8);
		break;
	case DO_BUILD:
		raw_build(&host, tag, r->where, r->at, r->value);
		break;
	case DO_CELL: /* one or all bits of a word */
		i = PORT_DEVICE_RING / 4 + PORT_CELL_OFFSET / 4 +
		    (r->at >> 12) * PORT_CELL_SIZE / 4 + r->at % (PORT_CELL_SIZE / 4);
		host.regs[i] = r->where & 1 ? r->value : host.regs[i] ^ r->value;
		break;
	case DO_POST:
		raw_post(&host, r->where & 0x80 ? r->value : r->where & 0x11F);
		break;
	case DO_TAKE:
		raw_take(&host);
		break;
	case DO_FINISH:
		raw_finish(&host, r->where);
		if (r->where & 0x80)
			raw_run(&host, 16);
		break;
	case DO_EVENT:
		event(r->where, r->value);
		break;
	case DO_POKE:
		raw_poke(&host, r->where, r->at, r->value);
		break;
	}
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	const struct fs_mount_opts opts = {0};
	static struct image *image;
	const char *wrong;
	struct input in;

	input_parse(&in, data, size);
	if (!image)
		image = world_image("csum.img");
	image_restore(image);
	world_open(image, POOL_SIZE, false);
	if (fs_mount(&world.x, &opts))
		world_fail("the image cannot be mounted");
	raw_attach(&host, &world.x, 0);
	raw_build(&host, 0, RAW_INIT, 0, 0);
	raw_post(&host, 0);
	raw_run(&host, 1);
	for (u32 i = 0; i < in.n; i++) {
		carry_out(&in.rec[i]);
		world_check_idle();
		wrong = raw_check(&host);
		if (wrong)
			world_fail("%s", wrong);
	}
	raw_detach(&host);
	wrong = raw_check(&host);
	if (wrong)
		world_fail("%s", wrong);
	if (fs_unmount(&world.x))
		world_fail("the image cannot be unmounted");
	world_close(true);
	return 0;
}
