/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A run of the device: the clock, what goes in, what comes out.
 *
 * sim.c     the clock: edges, sleeping, when to look around
 * virtual.c when to look around in virtual time
 * input.c   everything that changes an input of the device goes through here, and into the
 * recording main.c    options, start and end
 *
 * Cycle c is the c-th rising edge of the device clock after reset. Inputs change after an edge and
 * before the next one, and an input's cycle is the number of edges before it: a recording is
 * replayed by doing the same at the same numbers.
 */
#ifndef MPDISK_SIM_SIM_H
#define MPDISK_SIM_SIM_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "bus.h"
#include "calendar.h"
#include "clocks.h"
#include "devlog.h"
#include "jtag.h"
#include "links.h"
#include "model.h"
#include "pins.h"
#include "record.h"
#include "stats.h"

struct options {
	const char *image;
	const char *dir;
	const char *boot;
	const char *trace;
	const char *record;
	const char *replay;
	const char *stats;      /* file, "-" for stdout, or NULL */
	const char *stats_json; /* file or NULL */
	const char *jtag;
	const char *calendar; /* socket, or NULL */
	unsigned int guests;  /* of the calendar */
	unsigned int ports;
	uint64_t until;      /* TIME at which to end, 0: never */
	uint64_t power_cut;  /* cycle at which the power goes, 0: never */
	uint64_t trace_from; /* cycle */
	uint64_t epoch;
	uint32_t seed;
	bool epoch_given, seed_given;
	bool read_only;
	bool drift;
	bool untied;  /* link clocks have rates of their own */
	bool checked; /* use the program with assertions */
	bool verbose, quiet;
	bool nosleep; /* the clock never stops: a run that does not depend on the wall */
	uint32_t ratio_ppm[SIM_PORTS_MAX]; /* 0: tied */
};

enum sim_end {
	SIM_RUNS,
	SIM_STOPPED,    /* the device has stopped as it was asked to */
	SIM_POWER_CUT,  /* --power-cut is reached */
	SIM_UNTIL,      /* --until is reached, or the recording is over */
	SIM_SIGNAL,     /* second signal */
	SIM_STUCK,      /* asked to stop, it did not */
	SIM_DIVERGED,   /* a replay did not do what the recording says */
	SIM_MODEL_ENDED /* an assertion failed */
};

struct sim {
	const struct options *opt;
	struct model *model;
	struct pins pins;
	unsigned int ports;
	uint64_t cycle;
	uint64_t attention; /* cycle at which to look around next */

	struct bus bus[SIM_PORTS_MAX];
	uint8_t active;        /* ports whose bus has something to do */
	uint8_t irq;           /* levels, as last seen */
	uint8_t ticked;        /* tied link clocks that tick, of this turn */
	uint8_t ticked_before; /* and of the turn before */
	uint64_t tick_turn;
	uint64_t last_busy;  /* cycle at which a link was active or an input changed */
	bool pulse;          /* slept_valid is up, for one cycle */
	uint64_t jtag_next;  /* cycle of the next JTAG step */
	uint64_t poll_next;  /* cycle of the next look at the sockets */
	uint64_t stop_cycle; /* when it was asked to stop, 0: it was not */
	uint32_t phase;
	uint32_t phase_said;
	uint64_t phase6_cycle;
	bool refused; /* PHASE was 5 */
	struct clocks clocks;

	struct links *links;       /* NULL in a replay */
	struct calendar *calendar; /* NULL: the device lives in the time of the wall */
	uint64_t begun;            /* device time, in cycles, at which the guests began */
	struct jtag *jtag;
	struct devlog *log;
	struct stats *stats;

	struct record *record;
	struct record *replay;
	struct record_event next; /* of the replay */
	uint32_t next_data[BUS_WORDS];
	unsigned int events;  /* since the last checksum */
	uint64_t output_hash; /* kept while recording or replaying */
	uint64_t read_hash;   /* the same of what hosts have read */
	bool hashing;

	uint64_t slept;     /* cycles */
	int64_t wall_start; /* ns */
	int64_t wall_end;   /* 0: it runs */
	int64_t wall_idle;  /* ns without a clock */
	enum sim_end end;
};

/* Signals, set by the handlers in main.c. */
extern volatile sig_atomic_t sim_stop_signals;
extern volatile sig_atomic_t sim_stats_signals;

/* Resets the device. 0 or -ENOMEM. The links may be opened after this. */
int sim_prepare(struct sim *sim);

/* Runs until sim->end is set. */
void sim_run(struct sim *sim);

/* Nothing can happen in the device before WAKE_TIME, or an input. */
bool sim_may_doze(const struct sim *sim);
void sim_take_signals(struct sim *sim);

/* virtual.c: the look around in virtual time. */
void virtual_attend(struct sim *sim);

/* Writes the table where the options say, or to stderr if they do not and always is set. */
void sim_report(struct sim *sim, bool always);

/* input.c: inputs, live */
void input_command(void *ctx, unsigned int port, struct bus_cmd *cmd);
void input_drop(void *ctx, unsigned int port);
void input_slept(struct sim *sim, uint64_t cycles);
void input_stop(struct sim *sim);
void input_jtag(struct sim *sim, uint8_t pins);
void input_end(struct sim *sim);

/* input.c: inputs from a recording */
void input_replay_start(struct sim *sim);
void input_replay(struct sim *sim);

/* The outputs' checksum. */
static inline void sim_hash(struct sim *sim, uint64_t value)
{
	if (sim->hashing)
		sim->output_hash = hash_mix(sim->output_hash, value);
}

#endif
