/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fibers of the soft core: executors that switch only where they wait.
 *
 * A fiber that has nothing to do is idle: it runs only when no other can, and looks for work. So a
 * request is served by the fiber that finds it, without a switch; a switch happens when it waits.
 */
#ifndef MPDISK_FIBER_H
#define MPDISK_FIBER_H

#include "platform/types.h"

#define FIBERS 13u /* the first is the background fiber */
#define FIBER_CANARY 0xA5A5A5A5u

struct plat_io;

enum fiber_state {
	FIBER_UNUSED,
	FIBER_RUNNING,
	FIBER_READY,
	FIBER_IDLE,
	FIBER_WAIT_IO,
	FIBER_WAIT_WORD,
};

struct fiber {
	u32 sp; /* while it does not run */
	u32 state;
	const u32 *word; /* WAIT_WORD */
	bool timed;
	u64 deadline_ms;
	u32 *stack; /* lowest word: the canary */
	u32 stack_words;
};

/* The code that calls this becomes fiber 0, on this stack, and runs `entry`, which never returns.
 */
void fibers_start(void (*entry)(u32 index), u32 *stack, u32 words) __attribute__((noreturn));
/* Makes another fiber, idle, which will run entry(index). */
void fiber_create(u32 index, void (*entry)(u32 index), u32 *stack, u32 words);

/* Index of the running fiber. */
u32 fiber_current(void);

/* The running fiber waits until somebody calls fiber_wake() on it. */
void fiber_wait(enum fiber_state why);
void fiber_wake(u32 index);
/* The running fiber has no work: lets ready fibers run. Returns when it shall look for work. True
 * if another ran meanwhile. */
bool fiber_give_way(void);
extern u32 fibers_ready; /* a bit per fiber that can run */
static inline bool fiber_idle(void)
{
	return fibers_ready && fiber_give_way();
}
/* Ends waits whose time is over. */
void fibers_tick(u64 now_ms);

/* Most bytes of stack that a fiber has ever used, and how many it has. */
u32 fiber_depth(u32 index);
u32 fiber_stack(u32 index);

/* switch.S: saves the callee's registers, *save = sp, sp = next, restores. */
void fiber_switch(u32 *save, u32 next);

#endif
