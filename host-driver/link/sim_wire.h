/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How a simulated link is carried: bus transactions over a Unix SOCK_SEQPACKET socket.
 *
 * mpdisk-sim listens on DIR/port<N>.sock, one host each; a second connection is refused with EBUSY
 * in its hello. The host sends SIM_HELLO with a memfd (SCM_RIGHTS) of SIM_BULK_SIZE bytes, sealed
 * against shrinking (F_SEAL_SHRINK): the bulk area, which carries the data of transfers above 4
 * bytes. A packet is an array of 1..SIM_BATCH records.
 *
 * Commands of one port are carried out in order, in simulated time, each as one bus transaction of
 * at most 4096 bytes inside a 4 KiB page of the port window. Records with a cookie are answered in
 * that order, so an answer says that everything before it is done. SIM_IRQ records stand between
 * the answers where they belong in time. After a close everything sent before is still carried out;
 * then the link goes down. A host that breaks a rule is dropped.
 *
 * In virtual time (mpdisk-sim --calendar) device time stands while a host is at work: from a record
 * sent to it until its SIM_IDLE that says it has dealt with all that it has got.
 */
#ifndef MPDISK_SIM_WIRE_H
#define MPDISK_SIM_WIRE_H

#include <stdint.h>

#define SIM_VERSION 2u
#define SIM_BATCH 64u
#define SIM_BULK_SIZE (4u << 20)

enum sim_op {
	/* host -> sim: data = SIM_VERSION, with the memfd;
	 * sim -> host: status, data = SIM_VERSION << 16 | port, len 1: in virtual time */
	SIM_HELLO = 1,
	/* host -> sim: len 4: data; else bulk[bulk_off .. +len), which the host leaves alone until
	 * this or a later command has been answered. Answered by SIM_WRITTEN if cookie != 0. */
	SIM_WRITE,
	/* host -> sim: cookie != 0; answered by SIM_DATA when carried out: data, or for len > 4
	 * bulk[bulk_off .. +len) */
	SIM_READ,
	SIM_DATA,    /* sim -> host */
	SIM_WRITTEN, /* sim -> host */
	/* sim -> host: the port's interrupt rose (data 1) or fell (data 0); cookie: device time, ns
	 */
	SIM_IRQ,
	/* host -> sim: data: records it has got so far, its hello the first; len: ms of device time
	 * after which it wants SIM_TIME, or 0 */
	SIM_IDLE,
	SIM_TIME, /* sim -> host: these ms are over; cookie: device time, ns */
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
