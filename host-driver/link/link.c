// SPDX-License-Identifier: BSD-2-Clause
/* Links by name: finds the carrier of "SCHEME:REST" and checks every transfer before it sees it. */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "link.h"
#include "link_ops.h"

#define LINK_PAGE 4096u
#define LINK_WINDOW 0x800000u

static const struct link_ops *const carriers[] = {
	&link_sim_ops,
};

int link_open(const char *name, struct link **out)
{
	const char *colon = strchr(name, ':');
	size_t i;

	*out = NULL;
	if (!colon)
		return -EINVAL;
	for (i = 0; i < sizeof(carriers) / sizeof(carriers[0]); i++) {
		const char *scheme = carriers[i]->scheme;

		if (strlen(scheme) == (size_t)(colon - name) &&
		    !memcmp(scheme, name, (size_t)(colon - name)))
			return carriers[i]->open(colon + 1, out);
	}
	return -EINVAL;
}

void link_close(struct link *link)
{
	if (link)
		link->ops->close(link);
}

/* A transfer is 4-aligned, not empty, inside the port window and inside one 4 KiB page. */
static int transfer_ok(uint32_t addr, uint32_t len)
{
	return len && !((addr | len) & 3u) && addr < LINK_WINDOW && len <= LINK_PAGE &&
	       (addr & (LINK_PAGE - 1)) + len <= LINK_PAGE;
}

int link_write(struct link *link, uint32_t addr, const void *data, uint32_t len)
{
	if (!transfer_ok(addr, len))
		return -EINVAL;
	return link->ops->write(link, addr, data, len);
}

int link_write32(struct link *link, uint32_t addr, uint32_t value)
{
	return link_write(link, addr, &value, sizeof(value));
}

int link_read(struct link *link, const struct link_read *reads, unsigned int nreads)
{
	unsigned int i;

	for (i = 0; i < nreads; i++)
		if (!transfer_ok(reads[i].addr, reads[i].len))
			return -EINVAL;
	return nreads ? link->ops->read(link, reads, nreads) : 0;
}

int link_read32(struct link *link, uint32_t addr, uint32_t *value)
{
	struct link_read r = {.addr = addr, .len = sizeof(*value), .data = value};

	return link_read(link, &r, 1);
}

int link_flush(struct link *link)
{
	return link->ops->flush(link);
}

int link_wait_irq(struct link *link, int timeout_ms)
{
	return link->ops->wait_irq(link, timeout_ms);
}

void link_wake(struct link *link)
{
	if (link->ops->wake)
		link->ops->wake(link);
}

int link_cycle(struct link *link, uint64_t *cycle)
{
	return link->ops->cycle ? link->ops->cycle(link, cycle) : -EOPNOTSUPP;
}

uint64_t link_now_ns(struct link *link)
{
	struct timespec ts;

	if (link->ops->now)
		return link->ops->now(link);
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}
