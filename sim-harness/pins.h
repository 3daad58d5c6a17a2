/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The pins of the device, as pointers into the model (or, in a test, into anything else).
 *
 * Vectors of one bit a port are a byte, bit p for port p; vectors of words have one uint32_t a
 * port. What an input means is in sim_top.sv and rtl/top/mpdisk_device.sv; inputs take effect at
 * the next rising edge.
 */
#ifndef MPDISK_SIM_PINS_H
#define MPDISK_SIM_PINS_H

#include <stdint.h>

#define SIM_PORTS_MAX 8u

struct pins {
	/* inputs */
	uint8_t *clk;
	uint8_t *rst_n;
	uint64_t *epoch;
	uint32_t *seed;
	uint8_t *stop;
	uint8_t *slept_valid;
	uint64_t *slept_cycles;
	uint8_t *uart_rx;
	uint8_t *tck;
	uint8_t *tms;
	uint8_t *tdi;
	uint8_t *trst_n;
	uint8_t *port_clk; /* clk of each port */
	uint8_t *engine_clk;
	uint8_t *link_clk;
	uint8_t *link_active; /* the host's side of the link wants its clock edges (bus.c) */

	/* outputs */
	const uint8_t *sleeping;
	const uint64_t *wake_time;
	const uint64_t *time;
	const uint32_t *phase;
	const uint8_t *uart_tx;
	const uint8_t *tdo;
	const uint8_t *port_need; /* the port needs the next edge of its port_clk */
	const uint8_t *engine_need;
	const uint8_t *link_busy; /* the port needs its link clock to go on */
	const uint8_t *irq;

	/* A look inside (sim_top.sv): the core's register writes, and counters of the ports. */
	const uint8_t *tap_valid;
	const uint32_t *tap_addr;
	const uint32_t *tap_data;
	const uint32_t *denied;
};

#endif
