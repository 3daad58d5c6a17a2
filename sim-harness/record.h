/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A recording: every input of a run with the device cycle at which it was applied, in order, and
 * now and then a checksum of the outputs. The same inputs at the same cycles give the same run.
 */
#ifndef MPDISK_SIM_RECORD_H
#define MPDISK_SIM_RECORD_H

#include <stdint.h>

#include "pins.h"

#define RECORD_MAGIC 0x314345524b44504dull /* "MPDKREC1" */
#define RECORD_CHECK_EVERY 64u             /* events between two checksums */

struct record_header {
	uint64_t magic;
	uint64_t epoch;
	uint64_t image_hash; /* before the run */
	uint64_t image_blocks;
	uint64_t boot_hash;
	uint32_t seed;
	uint32_t ports;       /* that were served */
	uint32_t model_ports; /* what the model was built with */
	uint32_t model_slots;
	uint32_t model_memory_mib;
	uint32_t model_clock_hz;
	uint32_t drift;                    /* the link clocks wander */
	uint32_t ratio_ppm[SIM_PORTS_MAX]; /* link clock in millionths of the device clock, 0: tied
					    */
	uint32_t image_read_only;
};

enum record_type {
	RECORD_READ = 1, /* port, addr, words */
	RECORD_WRITE,    /* port, addr, words, then the words */
	RECORD_UP,       /* port */
	RECORD_DOWN,     /* port */
	RECORD_DROP,     /* port: commands that were not offered yet are forgotten, then DOWN */
	RECORD_SLEPT,    /* value: cycles */
	RECORD_STOP,
	RECORD_JTAG,  /* value: bit 0 tdi, 1 tms, 2 tck, 3 trst (1: in reset) */
	RECORD_CHECK, /* value: checksum of the outputs so far */
	RECORD_END,   /* value: hash of the image */
};

struct record_event {
	uint64_t cycle;
	uint64_t value;
	uint32_t addr;
	uint16_t words;
	uint8_t type;
	uint8_t port;
};

_Static_assert(sizeof(struct record_event) == 24, "record_event");

struct record;

/* Opens to write (header given) or to read (header filled). Prints what is wrong. */
int record_create(const char *path, const struct record_header *header, struct record **out);
int record_open(const char *path, struct record_header *header, struct record **out);
/* -EIO if something could not be written. */
int record_close(struct record *record);

void record_put(struct record *record, const struct record_event *event, const uint32_t *data);

/* The next event; data has room for 1024 words. 1, 0 at the end, or -EBADMSG. */
int record_get(struct record *record, struct record_event *event, uint32_t *data);

/* A 64-bit hash, not for enemies: mixes value into hash. */
static inline uint64_t hash_mix(uint64_t hash, uint64_t value)
{
	hash = (hash ^ value) * 0x9e3779b97f4a7c15ull;
	return hash ^ hash >> 29;
}

uint64_t hash_bytes(uint64_t hash, const void *data, size_t len);

#endif
