// SPDX-License-Identifier: BSD-2-Clause
/* link-tool: reads and writes a port window by hand, to look at a port without a driver. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../../firmware/platform/regs/port_host.h"
#include "link.h"

static void usage(FILE *to)
{
	fprintf(to, "usage: link-tool LINK read ADDR [BYTES]    hex dump (default 4 bytes)\n"
		    "       link-tool LINK write ADDR VALUE...  32-bit words, one after the other\n"
		    "       link-tool LINK irq MILLISECONDS     waits for the port's interrupt\n"
		    "LINK is sim:PATH. ADDR is a byte offset into the port window.\n");
}

static int number(const char *s, uint32_t *out)
{
	char *end;
	unsigned long v;

	errno = 0;
	v = strtoul(s, &end, 0);
	if (errno || *end || end == s || v > UINT32_MAX)
		return -EINVAL;
	*out = (uint32_t)v;
	return 0;
}

static int dump(struct link *link, uint32_t addr, uint32_t len)
{
	uint32_t word[8];
	uint64_t cycle;

	while (len) {
		uint32_t n = 32 - addr % 32 < len ? 32 - addr % 32 : len;
		struct link_read r = {.addr = addr, .len = n, .data = word};
		int err = link_read(link, &r, 1);
		uint32_t i;

		if (err)
			return err;
		printf("%06x:", addr);
		for (i = 0; i < n / 4; i++)
			printf(" %08x", word[i]);
		putchar('\n');
		addr += n;
		len -= n;
	}
	if (!link_cycle(link, &cycle))
		printf("cycle %llu\n", (unsigned long long)cycle);
	return 0;
}

/* Attaches as a host does (docs/PORT-PROTOCOL.md); *slots: write slots that this gave. */
static int attach(struct link *link, uint32_t *slots)
{
	struct timespec ms = {.tv_nsec = 1000000};
	uint32_t before, status, geometry, id;
	int err, tries;

	err = link_read32(link, PORT_HOST_ID, &id) ?: link_read32(link, PORT_HOST_STATUS, &before);
	if (err)
		return err;
	if (id != PORT_HOST_ID_VALUE)
		return -EPROTO;
	err = link_write32(link, PORT_HOST_CONTROL, PORT_HOST_CONTROL_ATTACH_MASK);
	for (tries = 0; !err && tries < 20000; tries++) {
		err = link_read32(link, PORT_HOST_STATUS, &status);
		if ((status ^ before) & PORT_HOST_STATUS_EPOCH_MASK)
			break;
		nanosleep(&ms, NULL);
	}
	if (err || !(status & PORT_HOST_STATUS_READY_MASK))
		return err ?: -ENOTCONN;
	err = link_read32(link, PORT_HOST_GEOMETRY, &geometry);
	*slots = (geometry & PORT_HOST_GEOMETRY_WRITE_SLOTS_MASK) >>
		 PORT_HOST_GEOMETRY_WRITE_SLOTS_LSB;
	return err;
}

static uint32_t pattern(uint32_t addr, uint32_t flip)
{
	return (addr * 2654435761u) ^ -flip;
}

static int write_pattern(struct link *link, uint32_t addr, uint32_t words, uint32_t flip)
{
	uint32_t data[1024], i;

	for (i = 0; i < words; i++)
		data[i] = pattern(addr + i * 4, flip);
	return link_write(link, addr, data, words * 4);
}

static int read_pattern(struct link *link, uint32_t addr, uint32_t words, uint32_t flip)
{
	uint32_t data[1024], i;
	struct link_read r = {.addr = addr, .len = words * 4, .data = data};
	int err = link_read(link, &r, 1);

	for (i = 0; i < words && !err; i++)
		if (data[i] != pattern(addr + i * 4, flip))
			err = -EBADMSG;
	return err;
}

/* The longest bursts there are, over the write slots, and once more with every bit inverted. */
static int check(struct link *link, uint32_t len)
{
	uint32_t slots, flip, at, end = PORT_HOST_WINDOW_BASE + len;
	int err = attach(link, &slots);

	if (!err && (len > slots * 4096u || len % 4))
		err = -EINVAL;
	for (flip = 0; flip < 2 && !err; flip++) {
		for (at = PORT_HOST_WINDOW_BASE; at < end && !err; at += 4096)
			err = write_pattern(link, at, end - at < 4096 ? (end - at) / 4 : 1024,
					    flip);
		for (at = PORT_HOST_WINDOW_BASE; at < end && !err; at += 4096)
			err = read_pattern(link, at, end - at < 4096 ? (end - at) / 4 : 1024, flip);
	}
	return err;
}

int main(int argc, char **argv)
{
	struct link *link;
	uint32_t addr, value = 4;
	int err, i;

	if (argc < 4 || number(argv[3], &addr)) {
		usage(stderr);
		return 2;
	}
	err = link_open(argv[1], &link);
	if (err) {
		fprintf(stderr, "link-tool: %s: %s\n", argv[1], strerror(-err));
		return 1;
	}
	if (!strcmp(argv[2], "read") && argc <= 5 && (argc < 5 || !number(argv[4], &value))) {
		err = dump(link, addr, value);
	} else if (!strcmp(argv[2], "write") && argc >= 5) {
		for (i = 4; i < argc && !err; i++, addr += 4)
			err = number(argv[i], &value) ?: link_write32(link, addr, value);
		/* A read of the same link says that the writes are done. */
		err = err ?: link_read32(link, 0, &value);
	} else if (!strcmp(argv[2], "check") && argc == 4) {
		err = check(link, addr);
	} else if (!strcmp(argv[2], "irq") && argc == 4) {
		err = link_wait_irq(link, (int)addr);
		if (err >= 0) {
			puts(err ? "raised" : "timeout");
			err = 0;
		}
	} else {
		usage(stderr);
		err = -EINVAL;
	}
	link_close(link);
	if (err)
		fprintf(stderr, "link-tool: %s\n", strerror(-err));
	return err ? 1 : 0;
}
