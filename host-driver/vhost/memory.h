/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A guest's memory in this process: the regions of one memory table.
 *
 * The guest may do anything to it, at any time: bytes change while they are read, and the file
 * behind it may be cut off. Then the region is zeros from the first use of what is gone, and
 * memory_is_lost() says so; nothing in this process comes to harm.
 */
#ifndef MPDISK_VHOST_MEMORY_H
#define MPDISK_VHOST_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

#include "vhost_wire.h"

struct memory_region {
	uint64_t guest;
	uint64_t user;
	uint64_t size;
	uint8_t *host;
	void *map;
	uint64_t map_size;
	struct guard *guard;
};

struct memory {
	unsigned int nregions;
	struct memory_region region[VHOST_REGIONS_MAX];
};

/* Maps what the table says; the descriptors stay the caller's. On failure nothing is mapped and
 * *why is the reason, in words. */
int memory_map(struct memory *memory, const struct vhost_table *table, const int *fds,
	       const char **why) __attribute__((warn_unused_result));

void memory_unmap(struct memory *memory);

/* [addr, addr + len) of the front end's address space, or NULL where it is not in one region. */
void *memory_user(const struct memory *memory, uint64_t addr, uint64_t len);

/* The guest's byte at addr, and how many follow it in one piece: *len, at most `want`. NULL: it is
 * not in the guest's memory. */
void *memory_guest(const struct memory *memory, uint64_t addr, uint64_t want, uint64_t *len);

/* Whether all of [addr, addr + len) is guest memory. */
bool memory_has(const struct memory *memory, uint64_t addr, uint64_t len);

/* Something was touched that is no longer there. */
bool memory_is_lost(const struct memory *memory);

#endif
