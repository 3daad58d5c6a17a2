// SPDX-License-Identifier: BSD-2-Clause
/*
 * The clock of a run, and when to look around.
 *
 * A cycle is: the clock rises, outputs are looked at, inputs change, the clock falls. Between two
 * looks around (attention) nothing but this and the buses of active links runs.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "../firmware/platform/regs/port_host.h"
#include "../firmware/platform/regs/sys.h"
#include "../firmware/platform/regs/uart.h"
#include "sim.h"
#include "link_dpi.h"

#define POLL_CYCLES 64u          /* between two looks at the sockets */
#define SETTLE_CYCLES 32u        /* after the last input, before the clock may stop */
#define STOP_CYCLES 200000000ull /* an orderly stop must be done in so many */
#define REPLAY_CYCLES 4096u      /* between two looks at --until in a replay */
#define LAST_CYCLES 256u         /* after PHASE 6, for the last words of the log */
#define RESET_CYCLES 32u
#define SLICE_NS 200000000ll /* a signal between a test and a wait is seen after this */
#define NEVER UINT64_MAX
#define ALL_PORTS ((uint8_t)((1u << model_config.ports) - 1u))

/* ns, monotonic */
static int64_t sim_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

/* The core has written a register: the log, the phase, completions. */
static void tap(struct sim *sim)
{
	uint32_t addr = *sim->pins.tap_addr;
	uint32_t data = *sim->pins.tap_data;

	sim_hash(sim, sim->cycle);
	sim_hash(sim, (uint64_t)addr << 32 | data);
	if (addr == UART_BASE + UART_TX) {
		devlog_byte(sim->log, (uint8_t)data);
	} else if (addr == SYS_BASE + SYS_PHASE) {
		sim->phase = data;
		sim->attention = 0;
	}
	stats_tap(sim->stats, addr, data, sim->cycle);
}

/* In virtual time the device does nothing while a host deals with what it got. */
static void stand_for_hosts(struct sim *sim)
{
	if (sim->calendar && links_at_work(sim->links))
		sim->attention = 0;
}

static void irq_changed(struct sim *sim)
{
	sim->irq = *sim->pins.irq;
	sim_hash(sim, sim->cycle << 8 | sim->irq);
	if (sim->links) {
		links_irq(sim->links, sim->irq, sim->cycle);
		links_flush(sim->links, links_dirty(sim->links));
		stand_for_hosts(sim);
	}
}

/* A command of a link has been carried out (bus.c). */
static void done(void *ctx, unsigned int port, const struct bus_cmd *cmd, uint64_t cycle)
{
	struct sim *sim = ctx;

	if (cmd->op == BUS_READ && sim->hashing) {
		/* Within a cycle the order of ports is the model's choice, so this is a sum. */
		sim->read_hash += hash_bytes(hash_mix(cycle, port), cmd->data, cmd->words * 4);
	}
	stats_command(sim->stats, port, cmd, cycle);
	if (sim->links)
		links_done(sim->links, port, cmd, cycle);
}

/* The one model of this process, for link_tick(), which the model calls from within. */
static struct sim *running;

/* A rising edge of an active link's clock (sim_top.sv). */
void link_tick(int port, svBit cmd_ready, svBit wready, svBit rvalid, int rdata, svBit *up,
	       svBit *cmd_valid, svBit *cmd_write, int *cmd_addr, int *cmd_len, svBit *wvalid,
	       int *wdata, svBit *rready)
{
	struct bus *bus = &running->bus[port];
	struct bus_in in = {.cmd_ready = cmd_ready & 1,
			    .wready = wready & 1,
			    .rvalid = rvalid & 1,
			    .rdata = (uint32_t)rdata};

	bus_tick(bus, &in, running->cycle);
	*up = bus->out.up;
	*cmd_valid = bus->out.cmd_valid;
	*cmd_write = bus->out.cmd_write;
	*cmd_addr = (int)bus->out.cmd_addr;
	*cmd_len = (int)bus->out.cmd_len;
	*wvalid = bus->out.wvalid;
	*wdata = (int)bus->out.wdata;
	*rready = bus->out.rready;
}

/* Ports whose last command has been carried out: their hosts want to know. */
static void settle_ports(struct sim *sim)
{
	unsigned int ports = sim->active;

	for (; ports; ports &= ports - 1) {
		unsigned int port = (unsigned int)__builtin_ctz(ports);

		if (bus_busy(&sim->bus[port]))
			continue;
		sim->active &= (uint8_t) ~(1u << port);
		sim->last_busy = sim->cycle;
		if (!sim->links)
			continue;
		links_flush(sim->links, links_dirty(sim->links) & (uint8_t)(1u << port));
		stand_for_hosts(sim);
	}
}

static void look(struct sim *sim)
{
	if (*sim->pins.tap_valid)
		tap(sim);
	if (*sim->pins.irq != sim->irq)
		irq_changed(sim);
}

static void attend(struct sim *sim);

/* The clocks that are up rise. A trace wants to see them fall as well. */
static void rise(struct sim *sim, uint64_t ps)
{
	if (model_config.trace) {
		model_eval(sim->model);
		if (sim->cycle >= sim->opt->trace_from)
			model_trace(sim->model, ps);
	} else {
		model_edge(sim->model);
	}
}

static void fall(struct sim *sim, uint64_t ps)
{
	if (model_config.trace) {
		model_eval(sim->model);
		if (sim->cycle >= sim->opt->trace_from)
			model_trace(sim->model, ps);
	}
}

/*
 * Which link clocks tick while they are tied to the device clock: those of ports that are active or
 * busy, or were a short while ago. A link clock that stands while nothing is on its way changes
 * nothing, and a model of half a port is faster.
 */
static uint8_t ticking(struct sim *sim)
{
	uint8_t now = sim->active | *sim->pins.link_busy;

	if (sim->cycle >= sim->tick_turn) {
		sim->tick_turn = sim->cycle + SETTLE_CYCLES;
		sim->ticked_before = sim->ticked;
		sim->ticked = 0;
	}
	sim->ticked |= now;
	return sim->ticked | sim->ticked_before;
}

/* One device cycle with all clocks as one. */
static void cycle_tied(struct sim *sim)
{
	uint64_t ps = sim->cycle * (1000000000000ull / model_config.clock_hz);

	*sim->pins.link_active = sim->active;
	*sim->pins.link_clk = ticking(sim);
	*sim->pins.port_clk = *sim->pins.link_clk | *sim->pins.port_need;
	*sim->pins.engine_clk = *sim->pins.engine_need;
	*sim->pins.clk = 1;
	rise(sim, ps);
	sim->cycle++;
	look(sim);
	if (sim->active)
		settle_ports(sim);
	if (sim->cycle >= sim->attention)
		attend(sim);
	*sim->pins.clk = *sim->pins.engine_clk = 0;
	*sim->pins.port_clk = *sim->pins.link_clk = 0;
	fall(sim, ps + 500000000000ull / model_config.clock_hz);
}

/* Up to the next rising edge of the device clock, with link clocks of their own. */
static void cycle_untied(struct sim *sim)
{
	uint16_t risen, up;

	do {
		risen = clocks_step(&sim->clocks) & sim->clocks.level;
		/* Without falls a clock is up only when it rises. */
		up = model_config.trace ? sim->clocks.level : risen;
		*sim->pins.link_active = sim->active;
		*sim->pins.clk = *sim->pins.engine_clk = up >> CLOCKS_DEVICE;
		*sim->pins.port_clk = up >> CLOCKS_DEVICE ? ALL_PORTS : 0;
		*sim->pins.link_clk = (uint8_t)up;
		if (risen)
			rise(sim, sim->clocks.now);
		else
			fall(sim, sim->clocks.now);
		if (risen >> CLOCKS_DEVICE) {
			sim->cycle++;
			look(sim);
		}
		if (sim->active)
			settle_ports(sim);
	} while (!(risen >> CLOCKS_DEVICE));
	if (sim->cycle >= sim->attention)
		attend(sim);
}

static uint64_t ns_to_cycles(int64_t ns)
{
	return (uint64_t)((__int128)ns * model_config.clock_hz / 1000000000);
}

/*
 * How far device time is behind the wall, in cycles. A busy model is slower than the device would
 * be; what it lost is made good while it sleeps, at twice the pace of the wall, so that hosts'
 * heartbeats stay in proportion.
 */
static uint64_t behind(const struct sim *sim)
{
	uint64_t wall = ns_to_cycles(sim_now() - sim->wall_start);

	return wall > *sim->pins.time ? wall - *sim->pins.time : 0;
}

/* Nothing can happen in the device before its timer, or an input: the clock stands. */
static void doze(struct sim *sim)
{
	uint64_t left = *sim->pins.wake_time - *sim->pins.time;
	uint64_t lag = behind(sim);
	int64_t start = sim_now();
	int64_t limit = INT64_MAX;
	int64_t elapsed = 0;
	uint64_t cycles;

	if (*sim->pins.wake_time != NEVER) {
		uint64_t pace = left <= 2 * lag ? left / 2 : left - lag;

		limit = (int64_t)((__int128)pace * 1000000000 / model_config.clock_hz) + 1;
	}
	while (elapsed < limit && !sim_stop_signals && !sim_stats_signals) {
		int64_t slice = limit - elapsed < SLICE_NS ? limit - elapsed : SLICE_NS;
		int woken = links_wait(sim->links, sim->jtag ? jtag_fd(sim->jtag) : -1, slice);

		elapsed = sim_now() - start;
		if (woken)
			break;
	}
	cycles = ns_to_cycles(elapsed);
	cycles += cycles < lag ? cycles : lag;
	if (*sim->pins.wake_time != NEVER && cycles > left)
		cycles = left;
	if (cycles)
		input_slept(sim, cycles);
	sim->wall_idle += elapsed;
}

bool sim_may_doze(const struct sim *sim)
{
	return *sim->pins.sleeping && !sim->active && !sim->pulse &&
	       sim->cycle >= sim->last_busy + SETTLE_CYCLES && sim->jtag_next == NEVER &&
	       *sim->pins.wake_time > *sim->pins.time && (sim->phase != 6 || !sim->stop_cycle) &&
	       !sim->opt->nosleep;
}

void sim_take_signals(struct sim *sim)
{
	static int reported;

	if (sim_stop_signals && !sim->stop_cycle) {
		fprintf(stderr, "mpdisk-sim: stopping; once more to end at once\n");
		input_stop(sim);
	}
	if (sim_stop_signals > 1)
		sim->end = SIM_SIGNAL;
	if (sim_stats_signals != reported) {
		reported = sim_stats_signals;
		sim_report(sim, true);
		sim_stats_signals = reported = 0;
	}
}

static void step_jtag(struct sim *sim)
{
	uint8_t pins;

	if (sim->jtag_next == NEVER) {
		if (sim->cycle < sim->poll_next || !jtag_poll(sim->jtag))
			return;
		sim->jtag_next = sim->cycle;
	}
	if (sim->cycle < sim->jtag_next)
		return;
	if (!jtag_step(sim->jtag, *sim->pins.tdo, &pins) &&
	    (!jtag_poll(sim->jtag) || !jtag_step(sim->jtag, *sim->pins.tdo, &pins))) {
		sim->jtag_next = NEVER;
		return;
	}
	input_jtag(sim, pins);
	sim->jtag_next = sim->cycle + JTAG_STEP_CYCLES;
}

static void attend_live(struct sim *sim)
{
	if (sim->jtag)
		step_jtag(sim);
	if (sim->cycle >= sim->poll_next) {
		sim_take_signals(sim);
		links_poll(sim->links, true);
		if (sim_may_doze(sim)) {
			links_flush(sim->links, links_dirty(sim->links));
			doze(sim);
			links_poll(sim->links, true);
		}
		sim->poll_next = sim->cycle + POLL_CYCLES;
	}
	if (sim->attention > sim->poll_next)
		sim->attention = sim->poll_next;
	if (sim->attention > sim->jtag_next)
		sim->attention = sim->jtag_next;
}

/* A phase that others wait for. */
static void say_phase(struct sim *sim, uint32_t *said)
{
	if (sim->phase == *said)
		return;
	*said = sim->phase;
	if (sim->phase == 4 && sim->links) {
		printf("mpdisk-sim: serving %u ports in %s\n", sim->ports, sim->opt->dir);
		fflush(stdout);
	} else if (sim->phase == 5) {
		sim->refused = true;
		fflush(stdout);
		fprintf(stderr,
			"mpdisk-sim: the device refused to mount the image; its log says why\n");
	}
}

/* Whether this is the end. In a replay the recording says so, unless --until does before. */
static void check_end(struct sim *sim)
{
	if (model_finished(sim->model))
		sim->end = SIM_MODEL_ENDED;
	if (sim->end != SIM_RUNS)
		return;
	if (sim->opt->until && *sim->pins.time >= sim->opt->until)
		sim->end = SIM_UNTIL;
	if (sim->opt->power_cut && sim->cycle >= sim->opt->power_cut)
		sim->end = SIM_POWER_CUT;
	if (sim->replay)
		return;
	if (sim->phase == 6 && sim->phase6_cycle == 0)
		sim->phase6_cycle = sim->cycle;
	if (sim->phase == 6 && sim->cycle >= sim->phase6_cycle + LAST_CYCLES)
		sim->end = SIM_STOPPED;
	else if (sim->stop_cycle && sim->cycle >= sim->stop_cycle + STOP_CYCLES)
		sim->end = SIM_STUCK;
	else if (sim->opt->until && sim->refused)
		sim->end = SIM_UNTIL;
}

/* The look around: inputs may change here, after a rising edge. */
static void attend(struct sim *sim)
{
	sim->attention = NEVER;
	if (sim->pulse) {
		*sim->pins.slept_valid = 0;
		sim->pulse = false;
	}
	say_phase(sim, &sim->phase_said);
	if (sim->replay)
		input_replay(sim);
	else if (sim->calendar)
		virtual_attend(sim);
	else
		attend_live(sim);
	check_end(sim);
	if (sim->replay) {
		sim->attention = sim->cycle + REPLAY_CYCLES;
		if (sim->attention > sim->next.cycle)
			sim->attention = sim->next.cycle;
	}
	if (sim->pulse)
		sim->attention = sim->cycle + 1;
}

static void reset(struct sim *sim)
{
	const struct pins *p = &sim->pins;
	unsigned int i;

	*p->clk = *p->engine_clk = *p->port_clk = *p->link_clk = *p->link_active = 0;
	*p->rst_n = 0;
	*p->stop = *p->slept_valid = 0;
	*p->slept_cycles = 0;
	*p->epoch = sim->opt->epoch;
	*p->seed = sim->opt->seed;
	*p->uart_rx = 1;
	*p->tck = *p->tms = *p->tdi = 0;
	*p->trst_n = 0;
	model_eval(sim->model);
	/* All clocks tick together here; the schedule begins after the reset. */
	for (i = 0; i < RESET_CYCLES; i++) {
		*p->clk = *p->engine_clk = 1;
		*p->port_clk = *p->link_clk = ALL_PORTS;
		model_eval(sim->model);
		if (i == RESET_CYCLES / 2)
			*p->rst_n = *p->trst_n = 1;
		*p->clk = *p->engine_clk = *p->port_clk = *p->link_clk = 0;
		model_eval(sim->model);
	}
}

int sim_prepare(struct sim *sim)
{
	unsigned int port;
	int err = 0;

	for (port = 0; port < sim->ports && !err; port++)
		err = bus_init(&sim->bus[port], port, done, sim);
	running = sim;
	sim->jtag_next = NEVER;
	sim->next.cycle = NEVER;
	reset(sim);
	if (sim->opt->untied)
		clocks_init(&sim->clocks, model_config.ports, model_config.clock_hz,
			    sim->opt->ratio_ppm, sim->opt->drift, sim->opt->seed);
	if (sim->replay)
		input_replay_start(sim);
	sim->wall_start = sim_now();
	return err;
}

void sim_run(struct sim *sim)
{
	if (sim->opt->untied)
		while (sim->end == SIM_RUNS)
			cycle_untied(sim);
	else
		while (sim->end == SIM_RUNS)
			cycle_tied(sim);
	sim->wall_end = sim_now();
}

static void report_to(struct sim *sim, const char *path, bool json)
{
	struct stats_totals t = {
		.cycles = sim->cycle,
		.slept = sim->slept,
		.wall = (double)((sim->wall_end ?: sim_now()) - sim->wall_start) / 1e9,
		.idle = (double)sim->wall_idle / 1e9,
		.denied = sim->pins.denied,
	};
	FILE *to = !strcmp(path, "-") ? stdout : fopen(path, "we");

	if (!to) {
		perror(path);
		return;
	}
	if (json)
		stats_json(sim->stats, &t, to);
	else
		stats_print(sim->stats, &t, to);
	if (to != stdout)
		fclose(to);
}

void sim_report(struct sim *sim, bool always)
{
	if (sim->opt->stats)
		report_to(sim, sim->opt->stats, false);
	else if (always)
		report_to(sim, "/dev/stderr", false);
	if (sim->opt->stats_json)
		report_to(sim, sim->opt->stats_json, true);
}
