/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A link: what carries a port. One struct link is one attachment to one port window.
 *
 * Addresses are byte offsets into the port window (docs/PORT-PROTOCOL.md), lengths are bytes; both
 * are multiples of 4 and a transfer does not cross a 4 KiB boundary. Writes are posted: they are
 * carried out in order, before any later read of the same link is answered, and reach the device at
 * the latest with link_flush() or a read. All functions may be called from several threads. They
 * return 0 or a negative errno; -ENODEV means that the device or its carrier is gone, and every
 * later call says so at once.
 */
#ifndef MPDISK_LINK_H
#define MPDISK_LINK_H

#include <stddef.h>
#include <stdint.h>

struct link;

struct link_read {
	uint32_t addr;
	uint32_t len;
	void *data;
};

struct link_ops {
	const char *scheme; /* "sim", "pci", ... : what stands before ':' in a LINK */
	int (*open)(const char *rest, struct link **out);
	void (*close)(struct link *link);
	int (*write)(struct link *link, uint32_t addr, const void *data, uint32_t len);
	int (*read)(struct link *link, const struct link_read *reads, unsigned int nreads);
	int (*flush)(struct link *link);
	int (*wait_irq)(struct link *link, int timeout_ms);
	void (*wake)(struct link *link); /* NULL: timeouts must do */
	int (*cycle)(struct link *link, uint64_t *cycle);
	uint64_t (*now)(struct link *link); /* NULL: the host's clock */
};

struct link {
	const struct link_ops *ops;
};

/* Opens LINK ("sim:PATH"). Prints nothing; -EINVAL: no such scheme, -ENODEV: nobody answers. */
int link_open(const char *name, struct link **out);
void link_close(struct link *link);

/* Posts a write of len bytes. */
int link_write(struct link *link, uint32_t addr, const void *data, uint32_t len);
int link_write32(struct link *link, uint32_t addr, uint32_t value);

/* Carries out all reads, in order, in one round trip. */
int link_read(struct link *link, const struct link_read *reads, unsigned int nreads);
int link_read32(struct link *link, uint32_t addr, uint32_t *value);

/* Hands posted writes to the carrier; does not wait for them. */
int link_flush(struct link *link);

/* Waits until the port's interrupt is raised: 1 raised, 0 timeout, or a negative errno. It is level
 * triggered: it stays raised until IRQ_STATUS has been cleared. */
int link_wait_irq(struct link *link, int timeout_ms);

/* Makes the link_wait_irq() of another thread, or else the next one, return 0 at once. */
void link_wake(struct link *link);

/* Device clock cycle at which the last answered read was carried out; -EOPNOTSUPP where unknown. */
int link_cycle(struct link *link, uint64_t *cycle);

/* The time in which link_wait_irq()'s timeouts count, ns since some moment: the host's monotonic
 * clock, or the virtual time of a simulated device as of its last interrupt or timeout. */
uint64_t link_now_ns(struct link *link);

#endif
