/* SPDX-License-Identifier: BSD-2-Clause */
/* What a program that rv32 runs may ask of it: number in a7, arguments in a0..a2. */
#ifndef MPDISK_BENCH_CALLS_H
#define MPDISK_BENCH_CALLS_H

enum rv32_call {
	CALL_EXIT,  /* status */
	CALL_START, /* counting */
	CALL_STOP,  /* name, rounds: prints instructions per round */
	CALL_PUT,   /* line */
	CALL_READ,  /* block, address, count; 0 or not */
	CALL_WRITE, /* the same */
	CALL_COPY,  /* to, from, bytes: the DMA engine's work counts nothing */
	CALL_ZERO,  /* to, bytes */
	CALL_CRC,   /* crc, from, bytes */
};

#endif
