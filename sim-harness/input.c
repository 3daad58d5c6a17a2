// SPDX-License-Identifier: BSD-2-Clause
/* Every change of an input: applied, and written to or taken from a recording. */
#include <stdio.h>
#include <string.h>

#include "sim.h"
#include "storage.h"

static void put(struct sim *sim, uint8_t type, uint8_t port, uint32_t addr, uint32_t words,
		uint64_t value, const uint32_t *data)
{
	struct record_event e = {.cycle = sim->cycle,
				 .value = value,
				 .addr = addr,
				 .words = (uint16_t)words,
				 .type = type,
				 .port = port};

	if (!sim->record)
		return;
	record_put(sim->record, &e, data);
	if (++sim->events % RECORD_CHECK_EVERY == 0) {
		e = (struct record_event){.cycle = sim->cycle,
					  .value = sim->output_hash + sim->read_hash,
					  .type = RECORD_CHECK};
		record_put(sim->record, &e, NULL);
	}
}

static uint8_t type_of(uint8_t op)
{
	switch (op) {
	case BUS_READ:
		return RECORD_READ;
	case BUS_WRITE:
		return RECORD_WRITE;
	case BUS_UP:
		return RECORD_UP;
	default:
		return RECORD_DOWN;
	}
}

static void apply_command(struct sim *sim, unsigned int port)
{
	bus_commit(&sim->bus[port]);
	sim->active |= (uint8_t)(1u << port);
	sim->last_busy = sim->cycle;
}

void input_command(void *ctx, unsigned int port, struct bus_cmd *cmd)
{
	struct sim *sim = ctx;

	put(sim, type_of(cmd->op), (uint8_t)port, cmd->addr, cmd->words, 0, cmd->data);
	apply_command(sim, port);
}

static void apply_drop(struct sim *sim, unsigned int port)
{
	struct bus_cmd *cmd;

	bus_drop(&sim->bus[port]);
	cmd = bus_next(&sim->bus[port]);
	cmd->op = BUS_DOWN;
	cmd->addr = 0;
	cmd->words = 0;
	apply_command(sim, port);
}

void input_drop(void *ctx, unsigned int port)
{
	struct sim *sim = ctx;

	put(sim, RECORD_DROP, (uint8_t)port, 0, 0, 0, NULL);
	apply_drop(sim, port);
}

static void apply_slept(struct sim *sim, uint64_t cycles)
{
	*sim->pins.slept_valid = 1;
	*sim->pins.slept_cycles = cycles;
	sim->pulse = true;
	sim->slept += cycles;
}

void input_slept(struct sim *sim, uint64_t cycles)
{
	put(sim, RECORD_SLEPT, 0, 0, 0, cycles, NULL);
	apply_slept(sim, cycles);
}

static void apply_stop(struct sim *sim)
{
	*sim->pins.stop = 1;
	sim->stop_cycle = sim->cycle ? sim->cycle : 1;
	sim->last_busy = sim->cycle;
}

void input_stop(struct sim *sim)
{
	put(sim, RECORD_STOP, 0, 0, 0, 0, NULL);
	apply_stop(sim);
}

static void apply_jtag(struct sim *sim, uint8_t pins)
{
	*sim->pins.tdi = !!(pins & JTAG_TDI);
	*sim->pins.tms = !!(pins & JTAG_TMS);
	*sim->pins.tck = !!(pins & JTAG_TCK);
	*sim->pins.trst_n = !(pins & JTAG_TRST);
	sim->last_busy = sim->cycle;
}

void input_jtag(struct sim *sim, uint8_t pins)
{
	put(sim, RECORD_JTAG, 0, 0, 0, pins, NULL);
	apply_jtag(sim, pins);
}

/* The end of a recording: a last checksum, and what the image has become. */
void input_end(struct sim *sim)
{
	struct record_event e = {.cycle = sim->cycle, .type = RECORD_CHECK};
	uint64_t hash = 0;

	if (!sim->record)
		return;
	e.value = sim->output_hash + sim->read_hash;
	record_put(sim->record, &e, NULL);
	if (storage_hash(&hash))
		fprintf(stderr, "mpdisk-sim: the image cannot be read back for the recording\n");
	e.type = RECORD_END;
	e.value = hash;
	record_put(sim->record, &e, NULL);
}

static void diverged(struct sim *sim, const char *what)
{
	fprintf(stderr, "mpdisk-sim: %s: replay diverged at cycle %llu: %s\n", sim->opt->replay,
		(unsigned long long)sim->cycle, what);
	sim->end = SIM_DIVERGED;
}

static void fetch(struct sim *sim)
{
	int r = record_get(sim->replay, &sim->next, sim->next_data);

	if (r > 0 && sim->next.cycle >= sim->cycle)
		return;
	if (r == 0)
		fprintf(stderr,
			"mpdisk-sim: %s: the recording was cut off; replayed to cycle %llu\n",
			sim->opt->replay, (unsigned long long)sim->cycle);
	else
		fprintf(stderr, "mpdisk-sim: %s: the recording is damaged\n", sim->opt->replay);
	sim->end = r == 0 ? SIM_UNTIL : SIM_DIVERGED;
	sim->next.cycle = UINT64_MAX;
}

void input_replay_start(struct sim *sim)
{
	fetch(sim);
}

static void replay_command(struct sim *sim, const struct record_event *e)
{
	struct bus_cmd *cmd = bus_next(&sim->bus[e->port]);

	if (!cmd || e->port >= sim->ports) {
		diverged(sim, "there is no room for a command that there was room for");
		return;
	}
	cmd->op = e->type == RECORD_READ    ? BUS_READ
		  : e->type == RECORD_WRITE ? BUS_WRITE
		  : e->type == RECORD_UP    ? BUS_UP
					    : BUS_DOWN;
	cmd->addr = e->addr;
	cmd->words = e->words;
	if (e->type == RECORD_WRITE)
		memcpy(cmd->data, sim->next_data, e->words * 4u);
	apply_command(sim, e->port);
}

static void replay_end(struct sim *sim)
{
	uint64_t hash = 0;

	if (storage_hash(&hash) || hash != sim->next.value)
		diverged(sim, "the image has become another one");
	else
		sim->end = SIM_UNTIL;
}

/* Everything that the recording has for this cycle. */
void input_replay(struct sim *sim)
{
	while (sim->end == SIM_RUNS && sim->next.cycle == sim->cycle) {
		const struct record_event *e = &sim->next;

		switch (e->type) {
		case RECORD_DROP:
			if (e->port < sim->ports)
				apply_drop(sim, e->port);
			break;
		case RECORD_SLEPT:
			apply_slept(sim, e->value);
			break;
		case RECORD_STOP:
			apply_stop(sim);
			break;
		case RECORD_JTAG:
			apply_jtag(sim, (uint8_t)e->value);
			break;
		case RECORD_CHECK:
			if (e->value != sim->output_hash + sim->read_hash)
				diverged(sim, "the outputs since the last checksum differ");
			break;
		case RECORD_END:
			replay_end(sim);
			break;
		default:
			replay_command(sim, e);
			break;
		}
		if (sim->end == SIM_RUNS)
			fetch(sim);
	}
}
