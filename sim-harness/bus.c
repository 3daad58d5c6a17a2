// SPDX-License-Identifier: BSD-2-Clause
/* The host's side of one port's link pins. */
#include <errno.h>
#include <stdlib.h>

#include "bus.h"

int bus_init(struct bus *bus, unsigned int port, bus_done_fn *done, void *ctx)
{
	*bus = (struct bus){.port = port, .done = done, .ctx = ctx};
	bus->queue = calloc(BUS_QUEUE, sizeof(bus->queue[0]));
	return bus->queue ? 0 : -ENOMEM;
}

void bus_free(struct bus *bus)
{
	free(bus->queue);
	bus->queue = NULL;
}

static struct bus_cmd *at(struct bus *bus, unsigned int i)
{
	return &bus->queue[i % BUS_QUEUE];
}

struct bus_cmd *bus_next(struct bus *bus)
{
	struct bus_cmd *cmd;

	if (!bus_room(bus))
		return NULL;
	cmd = at(bus, bus->head);
	cmd->done = false;
	cmd->cookie = 0;
	return cmd;
}

void bus_commit(struct bus *bus)
{
	bus->head++;
}

void bus_drop(struct bus *bus)
{
	unsigned int keep = bus->issue;

	/* A command that is on the pins must stay there until it is taken. */
	if (bus->head != bus->issue && (bus->out.cmd_valid || bus->wait))
		keep++;
	bus->head = keep;
}

/* The next issued command of this kind, from i on. */
static unsigned int skip_to(struct bus *bus, unsigned int i, uint8_t op)
{
	while (i != bus->issue && at(bus, i)->op != op)
		i++;
	return i;
}

static void retire(struct bus *bus, uint64_t cycle)
{
	while (bus->tail != bus->issue && at(bus, bus->tail)->done) {
		bus->done(bus->ctx, bus->port, at(bus, bus->tail), cycle);
		bus->tail++;
	}
}

/* What has been taken, or has come, at this edge. */
static void sample(struct bus *bus, const struct bus_in *in, uint64_t cycle)
{
	struct bus_cmd *cmd;
	bool done = false;

	if (bus->out.wvalid && in->wready) {
		cmd = at(bus, bus->wr);
		if (++bus->wpos == cmd->words) {
			cmd->done = done = true;
			bus->wpos = 0;
			bus->wr++;
		}
	}
	if (bus->out.rready && in->rvalid) {
		cmd = at(bus, bus->rd);
		cmd->data[bus->rpos] = in->rdata;
		if (++bus->rpos == cmd->words) {
			cmd->done = done = true;
			bus->rpos = 0;
			bus->rd++;
		}
	}
	if (bus->out.cmd_valid && in->cmd_ready)
		bus->issue++;
	if (bus->wait && --bus->wait == 0) {
		at(bus, bus->issue)->done = done = true;
		bus->issue++;
	}
	bus->wr = skip_to(bus, bus->wr, BUS_WRITE);
	bus->rd = skip_to(bus, bus->rd, BUS_READ);
	if (done)
		retire(bus, cycle);
}

static void drive(struct bus *bus)
{
	const struct bus_cmd *cmd = at(bus, bus->issue);
	struct bus_out *out = &bus->out;
	bool offer = bus->issue != bus->head;

	if (offer && cmd->op >= BUS_UP) {
		/* The link changes when everything before it has been carried out. */
		if (!bus->wait && bus->tail == bus->issue) {
			out->up = cmd->op == BUS_UP;
			bus->wait = out->up ? BUS_UP_CYCLES : BUS_DOWN_CYCLES;
		}
		offer = false;
	}
	out->cmd_valid = offer;
	if (offer) {
		out->cmd_write = cmd->op == BUS_WRITE;
		out->cmd_addr = cmd->addr;
		out->cmd_len = cmd->words;
	}
	out->wvalid = bus->wr != bus->issue;
	if (out->wvalid)
		out->wdata = at(bus, bus->wr)->data[bus->wpos];
	out->rready = bus->rd != bus->issue;
}

void bus_tick(struct bus *bus, const struct bus_in *in, uint64_t cycle)
{
	sample(bus, in, cycle);
	drive(bus);
}
