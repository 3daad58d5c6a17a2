// SPDX-License-Identifier: BSD-2-Clause
// Keeps the core busy as a filesystem does, for measuring the simulation: walks structures in memory,
// copies small ones, computes.
#include <stdint.h>
#include <string.h>
#include "sys.h"

int main(void);

#define REG(block, name) (*(volatile uint32_t *)(block##_BASE + block##_##name))

struct node {
	uint32_t key, next, data[14];
};

int main(void)
{
	volatile struct node *nodes = (volatile struct node *)SYS_MEMORY_BASE;
	uint32_t state = 1, sum = 0, at = 0;
	struct node copy;

	for (uint32_t i = 0; i < 4096; i++) {
		state = state * 1664525u + 1013904223u;
		nodes[i].key = state;
		nodes[i].next = (state >> 8) % 4096;
	}
	for (;;) {
		for (int i = 0; i < 8; i++) {
			at = nodes[at].next;
			sum += nodes[at].key;
			nodes[at].data[i] = sum;
		}
		memcpy(&copy, (const void *)&nodes[at], sizeof(copy));
		for (int i = 0; i < 14; i++)
			sum = (sum << 5 | sum >> 27) ^ copy.data[i];
		REG(SYS, CORE_COPIED) = sum;
	}
}
