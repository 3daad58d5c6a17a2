/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a run cost: cycles from doorbell to completion for each FUSE operation, bytes for each port.
 *
 * Watches the hosts' writes as they are carried out on the links (a shadow of ring RAM tells which
 * operation a tag carries) and the core's writes to the completion ring and CQ_TAIL (the tap).
 */
#ifndef MPDISK_SIM_STATS_H
#define MPDISK_SIM_STATS_H

#include <stdint.h>
#include <stdio.h>

#include "bus.h"
#include "pins.h"

struct stats;

struct stats_totals {
	uint64_t cycles;        /* clocked */
	uint64_t slept;         /* cycles added for wall time slept */
	double wall;            /* seconds since the clock started */
	double idle;            /* seconds of that without a clock */
	const uint32_t *denied; /* per port */
};

/* -ENOMEM or 0. */
int stats_init(unsigned int ports, struct stats **out);
void stats_free(struct stats *stats);

/* A host's command has been carried out at this cycle. */
void stats_command(struct stats *stats, unsigned int port, const struct bus_cmd *cmd,
		   uint64_t cycle);

/* The core has written a device register or ring RAM. */
void stats_tap(struct stats *stats, uint32_t addr, uint32_t data, uint64_t cycle);

void stats_print(struct stats *stats, const struct stats_totals *totals, FILE *to);
void stats_json(struct stats *stats, const struct stats_totals *totals, FILE *to);

#endif
