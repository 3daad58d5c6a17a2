/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How a simulated link is carried: bus transactions over a Unix SOCK_SEQPACKET socket.
 *
 * mpdisk-sim listens on DIR/port<N>.sock, one host each; a second connection is refused with EBUSY
 * in its hello. The host sends SIM_HELLO with a memfd (SCM_RIGHTS) of SIM_BULK_SIZE bytes: the bulk
 * area, which carries the data of transfers above 4 bytes. A packet is an array of 1..SIM_BATCH
 * records. Commands of one port are carried out in order, in simulated time.
 */
#ifndef MPDISK_SIM_WIRE_H
#define MPDISK_SIM_WIRE_H

#include <stdint.h>

#define SIM_VERSION 1u
#define SIM_BATCH 64u
#define SIM_BULK_SIZE (4u << 20)

enum sim_op {
	SIM_HELLO = 1, /* host -> sim: data = SIM_VERSION, with the memfd; sim -> host: status, data
			  = port */
	SIM_WRITE, /* host -> sim: len 4: data; else bulk[bulk_off .. +len). Answered by SIM_WRITTEN
		      only if cookie != 0 */
	SIM_READ, /* host -> sim: answered by SIM_DATA when carried out; len > 4: into bulk[bulk_off
		     ..) */
	SIM_DATA, /* sim -> host */
	SIM_WRITTEN, /* sim -> host: the write, and so its part of the bulk area, is done */
	SIM_IRQ,     /* sim -> host: the port's interrupt rose (data 1) or fell (data 0) */
};

struct sim_record {
	uint32_t op;
	int32_t status; /* sim -> host: 0 or a negative errno */
	uint32_t addr;
	uint32_t len; /* bytes */
	uint32_t bulk_off;
	uint32_t data;
	uint64_t cookie;
	uint64_t cycle; /* sim -> host: device cycle at which it was carried out */
};

_Static_assert(sizeof(struct sim_record) == 40, "sim_record");

#endif
