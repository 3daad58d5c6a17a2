/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The host's side of one port's link pins: carries queued commands out as bus transactions.
 *
 * Works in the link's clock: bus_tick() is a rising edge of it. Commands are carried out, and
 * retired, in order; the next command is offered while data of earlier ones still moves.
 * Deterministic: the pins depend only on what was queued, and when.
 */
#ifndef MPDISK_SIM_BUS_H
#define MPDISK_SIM_BUS_H

#include <stdbool.h>
#include <stdint.h>

#define BUS_QUEUE 256u
#define BUS_WORDS 1024u
#define BUS_UP_CYCLES 16u   /* link clocks from link up to the first command */
#define BUS_DOWN_CYCLES 64u /* link clocks that a link stays down at least */

enum bus_op {
	BUS_READ,
	BUS_WRITE,
	BUS_UP,
	BUS_DOWN,
};

struct bus_cmd {
	uint8_t op;
	bool done;
	uint32_t addr;
	uint32_t words;
	uint64_t cookie;   /* [carried for links.c] */
	uint32_t bulk_off; /* [carried for links.c] */
	uint32_t data[BUS_WORDS];
};

struct bus;

/* A command has been carried out, at this device cycle. cmd is valid during the call. */
typedef void bus_done_fn(void *ctx, unsigned int port, const struct bus_cmd *cmd, uint64_t cycle);

/* What the device drives, as it is before the edge. */
struct bus_in {
	bool cmd_ready;
	bool wready;
	bool rvalid;
	uint32_t rdata;
};

/* What the host drives from the edge on. */
struct bus_out {
	bool up;
	bool cmd_valid;
	bool cmd_write;
	bool wvalid;
	bool rready;
	uint32_t cmd_addr;
	uint32_t cmd_len;
	uint32_t wdata;
};

struct bus {
	struct bus_out out;
	unsigned int port;
	bus_done_fn *done;
	void *ctx;
	struct bus_cmd *queue; /* BUS_QUEUE of them; the indices run freely */
	unsigned int head;     /* next to be queued */
	unsigned int issue;    /* next to be offered as a command */
	unsigned int wr;       /* write whose data goes now, or issue */
	unsigned int rd;       /* read whose data comes now, or issue */
	unsigned int tail;     /* oldest that is not retired */
	uint32_t wpos;
	uint32_t rpos;
	uint32_t wait; /* link clocks left of BUS_UP or BUS_DOWN */
};

/* -ENOMEM, or 0. */
int bus_init(struct bus *bus, unsigned int port, bus_done_fn *done, void *ctx);
void bus_free(struct bus *bus);

/* A new command to fill (op, addr, words, data...), then bus_commit(); NULL: the queue is full. */
struct bus_cmd *bus_next(struct bus *bus);
void bus_commit(struct bus *bus);

/* Forgets the commands that have not been offered on the pins yet. */
void bus_drop(struct bus *bus);

static inline unsigned int bus_room(const struct bus *bus)
{
	return BUS_QUEUE - (bus->head - bus->tail);
}

static inline bool bus_busy(const struct bus *bus)
{
	return bus->head != bus->tail;
}

/* A rising edge of the link clock, at this device cycle; bus->out has the pins after it. When the
 * bus is not busy after this, no more edges are needed. */
void bus_tick(struct bus *bus, const struct bus_in *in, uint64_t cycle);

#endif
