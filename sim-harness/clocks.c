// SPDX-License-Identifier: BSD-2-Clause
/* The schedule of clock edges when link clocks have rates of their own. */
#include "clocks.h"

#define WANDER_EVERY 64u /* edges between two changes of rate */

static uint32_t next_random(uint32_t *state)
{
	uint32_t x = *state;

	x ^= x << 13;
	x ^= x >> 17;
	x ^= x << 5;
	return *state = x;
}

void clocks_ratios(uint32_t seed, uint32_t *ratio_ppm)
{
	static const uint32_t ratios[SIM_PORTS_MAX] = {831000,  1207000, 468000, 1618000,
						       1003000, 2230000, 691000, 997000};
	unsigned int i;

	for (i = 0; i < SIM_PORTS_MAX; i++)
		ratio_ppm[i] = ratios[(i + seed) % SIM_PORTS_MAX];
}

void clocks_init(struct clocks *c, unsigned int ports, uint32_t clock_hz, const uint32_t *ratio_ppm,
		 bool drift, uint32_t seed)
{
	uint64_t device = 500000000000ull / clock_hz;
	unsigned int i;

	*c = (struct clocks){.ports = ports, .drift = drift, .random = seed | 1u};
	for (i = 0; i < ports; i++)
		c->base[i] = (uint32_t)(device * 1000000u / ratio_ppm[i]);
	c->base[CLOCKS_DEVICE] = (uint32_t)device;
	for (i = 0; i <= CLOCKS_DEVICE; i++) {
		c->half[i] = c->base[i];
		c->next[i] = i < ports || i == CLOCKS_DEVICE ? c->base[i] : UINT64_MAX;
	}
	/* Clocks of one rate keep a phase of their own only if they drift. */
	for (i = 0; drift && i < ports; i++)
		c->next[i] += next_random(&c->random) % c->base[i];
}

/* The rate walks within 2 % of its base, in steps of a tenth of a percent. */
static void wander(struct clocks *c, unsigned int i)
{
	uint32_t step = c->base[i] / 1000;
	uint32_t far = c->base[i] / 50;

	if (next_random(&c->random) & 1u) {
		if (c->half[i] + step <= c->base[i] + far)
			c->half[i] += step;
	} else if (c->half[i] - step >= c->base[i] - far) {
		c->half[i] -= step;
	}
}

uint16_t clocks_step(struct clocks *c)
{
	uint64_t now = c->next[CLOCKS_DEVICE];
	uint16_t toggled = 0;
	unsigned int i;

	for (i = 0; i < c->ports; i++)
		if (c->next[i] < now)
			now = c->next[i];
	for (i = 0; i <= CLOCKS_DEVICE; i++) {
		if (c->next[i] != now)
			continue;
		toggled |= (uint16_t)(1u << i);
		c->next[i] += c->half[i];
		if (c->drift && i != CLOCKS_DEVICE && ++c->edges[i] % WANDER_EVERY == 0)
			wander(c, i);
	}
	c->now = now;
	c->level ^= toggled;
	return toggled;
}
