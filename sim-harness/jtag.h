/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * JTAG pins over a socket: OpenOCD's remote_bitbang protocol, one client at a time.
 *
 * The run loop asks for one step at a time, so that every pin change has its device cycle.
 */
#ifndef MPDISK_SIM_JTAG_H
#define MPDISK_SIM_JTAG_H

#include <stdbool.h>
#include <stdint.h>

#define JTAG_TDI 1u
#define JTAG_TMS 2u
#define JTAG_TCK 4u
#define JTAG_TRST 8u        /* in reset */
#define JTAG_STEP_CYCLES 4u /* device cycles between two steps */

struct jtag;

/* where: a TCP port of the loopback interface, or the path of a Unix socket. Prints what is
 * wrong. */
int jtag_open(const char *where, struct jtag **out);
void jtag_close(struct jtag *jtag);

/* The descriptor to wait on: the client's, or the listening one's. */
int jtag_fd(const struct jtag *jtag);

/* Takes what has come; true if there are steps to do. */
bool jtag_poll(struct jtag *jtag);

/* The next step: 1 with *pins to be driven, 0 none. Reads of tdo among them are answered. */
int jtag_step(struct jtag *jtag, bool tdo, uint8_t *pins);

#endif
