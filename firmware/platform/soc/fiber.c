// SPDX-License-Identifier: BSD-2-Clause
/* Fibers: who runs next, and the platform's waiting. */
#include "platform/soc/fiber.h"
#include "platform/soc/soc.h"

void fiber_trampoline(void);

/* what fiber_switch() pops: ra, s0, s1, ... */
#define SWITCH_WORDS 16u

static struct fiber fibers[FIBERS];
static u32 current;
u32 fibers_ready;
static u32 idle; /* a bit per fiber that is idle */
static u32 word_waiters;

_Static_assert(FIBERS <= 32, "a bit each");

u32 fiber_current(void)
{
	return current;
}

static void prepare(u32 index, void (*entry)(u32 index), u32 *stack, u32 words)
{
	struct fiber *f = &fibers[index];
	u32 *top;
	u32 i;

	f->stack = stack;
	f->stack_words = words;
	for (i = 0; i < words; i++)
		stack[i] = FIBER_CANARY;
	top = stack + words - SWITCH_WORDS;
	top[0] = (u32)(uintptr_t)fiber_trampoline;
	top[1] = (u32)(uintptr_t)entry;
	top[2] = index;
	f->sp = (u32)(uintptr_t)top;
}

void fiber_create(u32 index, void (*entry)(u32 index), u32 *stack, u32 words)
{
	prepare(index, entry, stack, words);
	fibers[index].state = FIBER_IDLE;
	idle |= 1u << index;
}

void fibers_start(void (*entry)(u32 index), u32 *stack, u32 words)
{
	u32 nowhere;

	prepare(0, entry, stack, words);
	fibers[0].state = FIBER_RUNNING;
	current = 0;
	fiber_switch(&nowhere, fibers[0].sp);
	plat_panic(&soc, "the first fiber ended", __FILE__, __LINE__);
}

static void switch_to(u32 next)
{
	struct fiber *from = &fibers[current];
	struct fiber *to = &fibers[next];

	if (next == current) {
		to->state = FIBER_RUNNING;
		return;
	}
	if (from->stack[0] != FIBER_CANARY)
		plat_panic(&soc, "fiber stack overflow", __FILE__, __LINE__);
	current = next;
	to->state = FIBER_RUNNING;
	fiber_switch(&from->sp, to->sp);
}

/* Takes a fiber out of the mask, the next after the current one first. */
static u32 take(u32 *mask)
{
	const u32 above = *mask & ~((2u << current) - 1);
	const u32 next = (u32)__builtin_ctz(above ? above : *mask);

	*mask &= ~(1u << next);
	return next;
}

/* Runs others until the current fiber, whose state says what it waits for, is ready. */
static void block(void)
{
	const u32 me = current;

	for (;;) {
		if (fibers_ready) {
			switch_to(take(&fibers_ready));
			if (fibers[me].state == FIBER_RUNNING)
				return;
		} else if (idle) {
			switch_to(take(&idle));
			if (fibers[me].state == FIBER_RUNNING)
				return;
		} else {
			soc_poll(true);
		}
	}
}

void fiber_wait(enum fiber_state why)
{
	fibers[current].state = why;
	block();
}

void fiber_wake(u32 index)
{
	struct fiber *f = &fibers[index];

	if (f->state != FIBER_WAIT_IO && f->state != FIBER_WAIT_WORD)
		return;
	if (f->state == FIBER_WAIT_WORD)
		word_waiters &= ~(1u << index);
	f->state = FIBER_READY;
	fibers_ready |= 1u << index;
}

/* Lets others that can run do so. */
static void fiber_yield(void)
{
	if (!fibers_ready)
		return;
	fibers[current].state = FIBER_READY;
	fibers_ready |= 1u << current;
	switch_to(take(&fibers_ready));
}

bool fiber_give_way(void)
{
	fibers[current].state = FIBER_IDLE;
	idle |= 1u << current;
	switch_to(take(&fibers_ready));
	return true;
}

void fibers_tick(u64 now_ms)
{
	u32 i, waiters = word_waiters;

	for (i = 0; waiters; i++, waiters >>= 1)
		if (waiters & 1 && fibers[i].timed && fibers[i].deadline_ms <= now_ms)
			fiber_wake(i);
}

u32 fiber_depth(u32 index)
{
	const struct fiber *f = &fibers[index];
	u32 i;

	if (!f->stack)
		return 0;
	for (i = 0; i < f->stack_words && f->stack[i] == FIBER_CANARY; i++)
		;
	return (f->stack_words - i) * 4;
}

u32 fiber_stack(u32 index)
{
	return fibers[index].stack_words * 4;
}

/* ---- platform.h */
void plat_wait(struct plat *plat, u32 *word, u32 seen, u32 timeout_ms)
{
	struct fiber *f = &fibers[current];

	if (*(volatile u32 *)word != seen)
		return;
	f->word = word;
	f->timed = timeout_ms != 0;
	if (timeout_ms)
		f->deadline_ms = plat_ms(plat) + timeout_ms;
	word_waiters |= 1u << current;
	fiber_wait(FIBER_WAIT_WORD);
}

void plat_wake(struct plat *plat, u32 *word)
{
	u32 i, waiters = word_waiters;

	(void)plat;
	for (i = 0; waiters; i++, waiters >>= 1)
		if (waiters & 1 && fibers[i].word == word)
			fiber_wake(i);
}

void plat_yield(struct plat *plat)
{
	(void)plat;
	soc_poll(false);
	fiber_yield();
}
