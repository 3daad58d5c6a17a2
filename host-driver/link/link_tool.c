// SPDX-License-Identifier: BSD-2-Clause
/* link-tool: reads and writes a port window by hand, to look at a port without a driver. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
