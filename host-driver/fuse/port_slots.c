/* SPDX-License-Identifier: BSD-2-Clause */
/* Stacks of free tags and write slots. */
#include "port_slots.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int number_stack_init(struct number_stack *stack, unsigned int total)
{
	unsigned int i;

	memset(stack, 0, sizeof(*stack));
	if (total > UINT16_MAX)
		return -EINVAL;
	stack->free = calloc(total ? total : 1, sizeof(*stack->free));
	stack->taken = calloc(total ? total : 1, sizeof(*stack->taken));
	if (!stack->free || !stack->taken) {
		number_stack_destroy(stack);
		return -ENOMEM;
	}
	stack->total = total;
	stack->nfree = total;
	for (i = 0; i < total; i++)
		stack->free[i] = (uint16_t)(total - 1 - i);
	return 0;
}

void number_stack_destroy(struct number_stack *stack)
{
	free(stack->free);
	free(stack->taken);
	memset(stack, 0, sizeof(*stack));
}

int number_stack_take(struct number_stack *stack, unsigned int count, uint16_t *numbers)
{
	unsigned int i;

	if (count > stack->nfree)
		return -EAGAIN;
	for (i = 0; i < count; i++) {
		numbers[i] = stack->free[--stack->nfree];
		stack->taken[numbers[i]] = true;
	}
	return 0;
}

int number_stack_give(struct number_stack *stack, unsigned int count, const uint16_t *numbers)
{
	unsigned int i;

	for (i = 0; i < count; i++) {
		if (numbers[i] >= stack->total || !stack->taken[numbers[i]])
			break;
		stack->taken[numbers[i]] = false; /* so that a second mention is noticed */
	}
	if (i < count) {
		while (i-- > 0)
			stack->taken[numbers[i]] = true;
		return -EINVAL;
	}
	while (count-- > 0)
		stack->free[stack->nfree++] = numbers[count];
	return 0;
}
