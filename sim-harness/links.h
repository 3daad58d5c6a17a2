/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The port sockets DIR/port<N>.sock: takes hosts, checks what they send, queues it, answers them.
 *
 * Everything a host sends is checked before use; a host that breaks a rule of sim_wire.h is dropped
 * with a line on stderr, and its link goes down. Nothing here waits, except links_wait().
 */
#ifndef MPDISK_SIM_LINKS_H
#define MPDISK_SIM_LINKS_H

#include <stdbool.h>
#include <stdint.h>

#include "bus.h"
#include "pins.h"

struct links;

/* What happens on a link, before it is queued: the caller records it and calls bus_commit(). */
struct links_ops {
	/* cmd is the one that bus_next() gave, filled. */
	void (*command)(void *ctx, unsigned int port, struct bus_cmd *cmd);
	/* A host is to be dropped: bus_drop(), then a BUS_DOWN. */
	void (*drop)(void *ctx, unsigned int port);
};

/* Device time, for hosts in virtual time. */
struct links_time {
	const uint64_t *cycles;
	uint32_t hz;
};

/* Listens for ports hosts in dir; virtual: NULL, or device time. Prints what is wrong. 0 or a
 * negative errno. */
int links_open(const char *dir, unsigned int ports, struct bus *bus, const struct links_ops *ops,
	       void *ctx, bool verbose, const struct links_time *virtual, struct links **out);
void links_close(struct links *links);

/* Takes what has come; does not wait. hosts: new ones too. */
void links_poll(struct links *links, bool hosts);

/* In virtual time: a host is at work. */
bool links_at_work(const struct links *links);
/* ... the device time, in cycles, at which a host wants to be woken; UINT64_MAX: never. */
uint64_t links_wake_time(const struct links *links);
/* ... wakes those whose time it is. */
void links_wake(struct links *links);

/* Waits until something comes, fd extra_fd (or -1) is readable, a signal came, or ns nanoseconds
 * (negative: for ever) are over. True if a descriptor is readable. */
bool links_wait(struct links *links, int extra_fd, int64_t ns);

/* The answer to a command that has been carried out. */
void links_done(struct links *links, unsigned int port, const struct bus_cmd *cmd, uint64_t cycle);

/* The ports' interrupt levels have changed to irq. */
void links_irq(struct links *links, uint8_t irq, uint64_t cycle);

/* Sends answers that stand ready; ports is a mask. */
void links_flush(struct links *links, uint8_t ports);

/* Ports that have answers standing ready. */
uint8_t links_dirty(const struct links *links);

#endif
