// SPDX-License-Identifier: BSD-2-Clause
/* Time of day and milliseconds from the device's cycle timer, without a division in the way. */
#include "platform/soc/soc.h"

#define NSEC 1000000000u

void soc_time_init(struct plat *plat)
{
	const u64 epoch = SOC_REG(SYS, EPOCH_LO) | (u64)SOC_REG(SYS, EPOCH_HI) << 32;

	plat->hz = SOC_REG(SYS, CLOCK_HZ);
	plat->cycles_per_ms = plat->hz / 1000;
	plat->nsec_mult = (u32)(((u64)NSEC << 24) / plat->hz);
	plat->base = 0; /* the timer counts from reset, where the epoch was taken */
	plat->base_sec = (s64)(epoch / NSEC);
	plat->base_nsec = (u32)(epoch % NSEC);
	plat->base_ms = 0;
	plat->random = SOC_REG(SYS, SEED) ^ (u32)epoch;
	if (!plat->random)
		plat->random = 1;
	soc_time_tick(plat);
}

/* In whole milliseconds, so that nothing is lost by rounding. */
void soc_time_tick(struct plat *plat)
{
	const u32 ms = (SOC_REG(TIMER, TIME_LO) - plat->base) / plat->cycles_per_ms;
	u64 nsec = plat->base_nsec + (u64)ms * 1000000u;

	plat->base += ms * plat->cycles_per_ms;
	plat->base_ms += ms;
	while (nsec >= NSEC) {
		nsec -= NSEC;
		plat->base_sec++;
	}
	plat->base_nsec = (u32)nsec;
}

void plat_now(struct plat *plat, struct plat_time *now)
{
	u32 cycles = SOC_REG(TIMER, TIME_LO) - plat->base;
	u32 nsec;

	if (__builtin_expect(cycles >= 1u << 24, 0)) { /* no tick came for long */
		soc_time_tick(plat);
		cycles = SOC_REG(TIMER, TIME_LO) - plat->base;
	}
	nsec = plat->base_nsec + (u32)((u64)cycles * plat->nsec_mult >> 24);
	now->sec = plat->base_sec;
	if (__builtin_expect(nsec >= NSEC, 0)) {
		nsec -= NSEC;
		now->sec++;
	}
	now->nsec = nsec;
}

u64 plat_ms(struct plat *plat)
{
	return plat->base_ms + (SOC_REG(TIMER, TIME_LO) - plat->base) / plat->cycles_per_ms;
}

/* xorshift: for hash seeds and generations, not for secrets. */
u32 plat_random(struct plat *plat)
{
	u32 r = plat->random ^ SOC_REG(TIMER, TIME_LO);

	if (!r)
		r = 1;
	r ^= r << 13;
	r ^= r >> 17;
	r ^= r << 5;
	plat->random = r;
	return r;
}
