/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What `on` on the host and the agent in a guest say to each other over a channel, two FIFOs on the
 * host's side and a serial port on the guest's: frames. A channel carries one job at a time; every
 * frame bears its job's number, which is random, so that what a job that was given up still sends
 * is never taken for the next one's. By the magic the agent of a guest that was rebooted finds the
 * first whole frame: what was left in the channel, a tty that was not raw yet may have bent.
 */
#ifndef GUESTS_WIRE_H
#define GUESTS_WIRE_H

#include <stdint.h>

enum frame_type {
	/* host to guest */
	FRAME_RUN = 1, /* working directory and arguments, each ended by NUL; ends the job before */
	FRAME_INPUT,   /* no bytes: the end of the input */
	FRAME_KILL,
	/* guest to host */
	FRAME_OUTPUT,
	FRAME_ERRORS, /* standard error */
	FRAME_EXIT,   /* one byte: the status as a shell gives it */
	FRAME_TAKEN,  /* the input has been taken, more may come */
};

#define FRAME_MAGIC 0x4d46504dU

struct frame {
	uint32_t magic;
	uint16_t type;
	uint16_t len; /* bytes that follow, at most FRAME_DATA */
	uint64_t job;
};

/*
 * A whole frame to the guest is less than PIPE_BUF, so that it is written wholly or not at all. And
 * two of them, the command and its first input, do not fill the buffer of a tty (4096): a serial
 * line of UML 6.1 whose reader was throttled is never read again.
 */
#define FRAME_DATA ((size_t)1500)

#endif
