// SPDX-License-Identifier: BSD-2-Clause
/*
 * Virtual time: the device, its hosts and the guests of the calendar take turns, and none of them
 * sees the clock of the wall.
 *
 *  1. Device time stands while a host is at work on what it got (links_at_work), and while a guest
 *     has the turn.
 *  2. The device runs up to the time that the next guest asks for, and not beyond it; it may be
 *     behind, as nothing has happened in it.
 *  3. A host may connect only while the device is asleep, and before the guests begin or after they
 *     have ended: the cycle at which it does is the same in each run.
 *
 * So a run depends on the guests, the image, the seed and the epoch only.
 */
#include "sim.h"

#define SLICE_NS 200000000ll /* a signal between a test and a wait is seen after this */
#define LOOK_CYCLES 1024u    /* between two looks whether the device sleeps */

static uint64_t to_ns(const struct sim *sim, uint64_t time)
{
	return (uint64_t)((unsigned __int128)(time - sim->begun) * 1000000000u /
			  model_config.clock_hz);
}

/* Device time that is not beyond ns. */
static uint64_t to_time(const struct sim *sim, uint64_t ns)
{
	return sim->begun + (uint64_t)((unsigned __int128)ns * model_config.clock_hz / 1000000000u);
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Takes what has come. */
static void take(struct sim *sim, bool hosts)
{
	links_flush(sim->links, links_dirty(sim->links));
	links_poll(sim->links, hosts);
	calendar_poll(sim->calendar,
		      calendar_lives(sim->calendar) ? to_ns(sim, *sim->pins.time) : 0);
	/* an orderly end comes when nothing else happens, unless guests are to be cut off */
	if (calendar_lives(sim->calendar) || sim_stop_signals > 1)
		sim_take_signals(sim);
}

static bool is_quiet(struct sim *sim)
{
	take(sim, false);
	return sim->end != SIM_RUNS ||
	       (!links_at_work(sim->links) && !calendar_runs(sim->calendar));
}

/* Until no host is at work and no guest has the turn. What they did before they said so may still
 * be in the other's socket, so that is looked at twice. */
static void settle(struct sim *sim)
{
	while (!is_quiet(sim) || !is_quiet(sim))
		links_wait(sim->links, calendar_fd(sim->calendar), SLICE_NS);
}

/* The device sleeps up to that time; the pulse that tells it is a cycle itself. */
static bool sleep_until(struct sim *sim, uint64_t time)
{
	const uint64_t now = *sim->pins.time;

	if (time < now + 2)
		return false;
	input_slept(sim, time - now - 1);
	return true;
}

/* Nobody has anything to do: until somebody comes, or a signal. */
static void wait_for_somebody(struct sim *sim)
{
	links_wait(sim->links, calendar_fd(sim->calendar), SLICE_NS);
	take(sim, true);
	sim_take_signals(sim);
	if (calendar_complete(sim->calendar)) {
		sim->begun = *sim->pins.time;
		calendar_begin(sim->calendar);
	}
}

/* The device may run for so many cycles: returns whether there are any. */
static bool run_device(struct sim *sim, uint64_t until)
{
	const uint64_t now = *sim->pins.time;

	until = least(until, now + LOOK_CYCLES);
	if (until <= now)
		return false;
	sim->attention = sim->cycle + (until - now);
	return true;
}

/* One step of those who live in virtual time. Returns whether the device is to run now. */
static bool step(struct sim *sim)
{
	const bool lives = calendar_lives(sim->calendar);
	const uint64_t guest = lives ? calendar_next(sim->calendar) : CALENDAR_NEVER;
	const uint64_t limit = guest < INT64_MAX ? to_time(sim, guest) : UINT64_MAX;
	const uint64_t host = links_wake_time(sim->links);
	uint64_t own = *sim->pins.wake_time;

	if (host <= *sim->pins.time) {
		links_wake(sim->links);
		return false;
	}
	if (!sim_may_doze(sim)) {
		if (run_device(sim, least(limit, host)))
			return true;
		own = *sim->pins.time;
	} else if (!lives && !sim->stop_cycle) {
		wait_for_somebody(sim);
		return false;
	} else {
		own = least(own, host);
		if (own <= limit && own != UINT64_MAX) {
			if (!sleep_until(sim, own))
				run_device(sim, *sim->pins.time + 1);
			return true;
		}
		if (limit == UINT64_MAX) {
			wait_for_somebody(sim);
			return false;
		}
		if (sleep_until(sim, limit))
			return true;
	}
	/* From here on the time is the guest's, up to what happens next in the device. */
	calendar_turn(sim->calendar, own == UINT64_MAX ? CALENDAR_NEVER : to_ns(sim, own));
	return false;
}

void virtual_attend(struct sim *sim)
{
	do
		settle(sim);
	while (sim->end == SIM_RUNS && !step(sim));
}
