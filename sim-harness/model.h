/* SPDX-License-Identifier: BSD-2-Clause */
/* The verilated device behind a C interface: everything that is C++ stays in model.cpp. */
#ifndef MPDISK_SIM_MODEL_H
#define MPDISK_SIM_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "pins.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What this program was built with. */
struct model_config {
	uint32_t ports;
	uint32_t slots;
	uint32_t memory_mib;
	uint32_t clock_hz;
	bool trace; /* can write traces, and checks assertions */
};

extern const struct model_config model_config;

struct model;

/* boot: file for $readmemh into boot RAM. NULL when there is no memory. */
struct model *model_create(const char *boot);
void model_destroy(struct model *model);

/* Pointers into the model, good as long as it lives. */
void model_pins(struct model *model, struct pins *pins);

void model_eval(struct model *model);

/*
 * A rising edge of the clocks whose pins are 1, and only that: as if all of them had been 0, and
 * the model evaluated, before. Nothing in the device waits for a falling edge, so this halves the
 * calls.
 */
void model_edge(struct model *model);

/* A failed assertion or $finish in the model has ended it. */
bool model_finished(const struct model *model);

/* FST trace; only if model_config.trace. Time in picoseconds. */
bool model_trace_open(struct model *model, const char *path);
void model_trace(struct model *model, uint64_t ps);

#ifdef __cplusplus
}
#endif

#endif
