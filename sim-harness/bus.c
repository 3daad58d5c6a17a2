// SPDX-License-Identifier: BSD-2-Clause
/* The host's side of one port's link pins. */
#include <errno.h>
#include <stdlib.h>

#include "bus.h"

int bus_init(struct bus *bus, const struct pins *pins, unsigned int port, bus_done_fn *done,
	     void *ctx)
{
	*bus = (struct bus){
		.pins = pins, .port = port, .bit = (uint8_t)(1u << port), .done = done, .ctx = ctx};
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
	if (bus->head != bus->issue && (*bus->pins->cmd_valid & bus->bit || bus->wait))
		keep++;
	bus->head = keep;
}

static void set(uint8_t *pin, uint8_t bit, bool on)
{
	*pin = on ? *pin | bit : *pin & (uint8_t)~bit;
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

void bus_sample(struct bus *bus, uint64_t cycle)
{
	const struct pins *p = bus->pins;
	struct bus_cmd *cmd;
	bool done = false;

	if (*p->wvalid & *p->wready & bus->bit) {
		cmd = at(bus, bus->wr);
		if (++bus->wpos == cmd->words) {
			cmd->done = done = true;
			bus->wpos = 0;
			bus->wr++;
		}
	}
	if (*p->rvalid & *p->rready & bus->bit && bus->rd != bus->issue) {
		cmd = at(bus, bus->rd);
		cmd->data[bus->rpos] = p->rdata[bus->port];
		if (++bus->rpos == cmd->words) {
			cmd->done = done = true;
			bus->rpos = 0;
			bus->rd++;
		}
	}
	if (*p->cmd_valid & *p->cmd_ready & bus->bit)
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

void bus_drive(struct bus *bus)
{
	const struct pins *p = bus->pins;
	struct bus_cmd *cmd = at(bus, bus->issue);
	bool offer = bus->issue != bus->head;

	if (offer && cmd->op >= BUS_UP) {
		/* The link changes when everything before it has been carried out. */
		if (!bus->wait && bus->tail == bus->issue) {
			set(p->link_up, bus->bit, cmd->op == BUS_UP);
			bus->wait = cmd->op == BUS_UP ? BUS_UP_CYCLES : BUS_DOWN_CYCLES;
		}
		offer = false;
	}
	set(p->cmd_valid, bus->bit, offer);
	if (offer) {
		set(p->cmd_write, bus->bit, cmd->op == BUS_WRITE);
		p->cmd_addr[bus->port] = cmd->addr;
		p->cmd_len[bus->port] = cmd->words;
	}
	set(p->wvalid, bus->bit, bus->wr != bus->issue);
	if (bus->wr != bus->issue)
		p->wdata[bus->port] = at(bus, bus->wr)->data[bus->wpos];
	set(p->rready, bus->bit, bus->rd != bus->issue);
}
