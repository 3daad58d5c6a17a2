/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * When clocks tick, if link clocks are not tied to the device clock: a schedule of edges in
 * picoseconds, the same for the same ratios and seed.
 */
#ifndef MPDISK_SIM_CLOCKS_H
#define MPDISK_SIM_CLOCKS_H

#include <stdbool.h>
#include <stdint.h>

#include "pins.h"

#define CLOCKS_DEVICE SIM_PORTS_MAX /* index and bit of the device clock */

struct clocks {
	unsigned int ports;
	bool drift;
	uint32_t random;
	uint16_t level;                   /* bit per clock */
	uint32_t base[SIM_PORTS_MAX + 1]; /* half periods, ps */
	uint32_t half[SIM_PORTS_MAX + 1];
	uint32_t edges[SIM_PORTS_MAX + 1];
	uint64_t next[SIM_PORTS_MAX + 1]; /* time of the next edge */
	uint64_t now;
};

/* ratio_ppm[p]: link clock p in millionths of the device clock. */
void clocks_init(struct clocks *c, unsigned int ports, uint32_t clock_hz, const uint32_t *ratio_ppm,
		 bool drift, uint32_t seed);

/* Ratios for --link-clock drift: some faster, some slower, none a simple fraction. */
void clocks_ratios(uint32_t seed, uint32_t *ratio_ppm);

/* Goes to the next edges; returns which clocks toggle. level has their new levels. */
uint16_t clocks_step(struct clocks *c);

#endif
