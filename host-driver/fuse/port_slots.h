/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which tags and write slots of a port are free: two stacks of small numbers, last freed first
 * taken, so that a lightly used port touches few cells and few frames. No locking here.
 */
#ifndef MPDISK_PORT_SLOTS_H
#define MPDISK_PORT_SLOTS_H

#include <stdbool.h>
#include <stdint.h>

struct number_stack {
	unsigned int total;
	unsigned int nfree;
	uint16_t *free; /* free[0..nfree): the numbers that are free, the next one last */
	bool *taken;    /* by number */
};

/* All numbers 0..total-1 are free; 0 is taken first. -ENOMEM. */
int number_stack_init(struct number_stack *stack, unsigned int total)
	__attribute__((warn_unused_result));
void number_stack_destroy(struct number_stack *stack);

/* Takes count numbers, or none: -EAGAIN. */
int number_stack_take(struct number_stack *stack, unsigned int count, uint16_t *numbers)
	__attribute__((warn_unused_result));

/* Gives numbers back. -EINVAL, and nothing changes, if one of them is not taken or comes twice. */
int number_stack_give(struct number_stack *stack, unsigned int count, const uint16_t *numbers)
	__attribute__((warn_unused_result));

#endif
