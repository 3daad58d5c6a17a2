/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The calendar of guests in virtual time: User-Mode Linux kernels that were started with
 * time-travel=ext:ID:PATH. Protocol: linux/um_timetravel.h.
 *
 * One guest at a time has the turn, from calendar_turn() until it says that it waits; which one and
 * when depends only on the times that the guests ask for, and on their IDs. Times are nanoseconds
 * since calendar_begin(). Nothing here waits.
 */
#ifndef MPDISK_SIM_CALENDAR_H
#define MPDISK_SIM_CALENDAR_H

#include <stdbool.h>
#include <stdint.h>

#define CALENDAR_GUESTS 8u
#define CALENDAR_NEVER UINT64_MAX

struct calendar;

/* Listens at path for so many guests; epoch: the time of day at time 0, ns since 1970. Prints what
 * is wrong. 0 or a negative errno. */
int calendar_open(const char *path, unsigned int guests, uint64_t epoch, struct calendar **out);
void calendar_close(struct calendar *calendar);

/* Readable when there is something to take. */
int calendar_fd(const struct calendar *calendar);

/* Takes what has come, and answers it; now: the time, which never goes back. */
void calendar_poll(struct calendar *calendar, uint64_t now);

/* All guests have connected; none has done anything yet. */
bool calendar_complete(const struct calendar *calendar);
/* Time 0. */
void calendar_begin(struct calendar *calendar);
/* It has begun, and some guest is still there. */
bool calendar_lives(const struct calendar *calendar);

/* A guest has the turn. */
bool calendar_runs(const struct calendar *calendar);

/* When a guest wants to run next, or CALENDAR_NEVER. */
uint64_t calendar_next(const struct calendar *calendar);

/* It is calendar_next(), and that guest's turn. It need not ask again before `until`, nor before
 * another guest's time. */
void calendar_turn(struct calendar *calendar, uint64_t until);

#endif
