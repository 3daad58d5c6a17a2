/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The platform of the soft core: registers, fibers, medium, DMA engine, time and log of the device.
 *
 * One hart, no interrupts: a fiber runs until it waits. The core sleeps in soc_poll(), in the read
 * of INTC.WAIT, when no fiber can run and no port has anything to do.
 */
#ifndef MPDISK_SOC_H
#define MPDISK_SOC_H

#include "platform/platform.h"
#include "platform/regs/dma.h"
#include "platform/regs/intc.h"
#include "platform/regs/medium.h"
#include "platform/regs/port_device.h"
#include "platform/regs/sys.h"
#include "platform/regs/timer.h"
#include "platform/regs/uart.h"

#define SOC_REG(block, name) (*(volatile u32 *)(block##_BASE + block##_##name))

#define SOC_TICK_MS 100u

/* SYS.PHASE */
enum soc_phase {
	PHASE_BOOTED = 1,
	PHASE_MEMORY = 2,
	PHASE_MOUNTING = 3,
	PHASE_SERVING = 4,
	PHASE_REFUSED = 5,
	PHASE_STOPPED = 6,
};

/* Where in memory the engines' descriptors are: bytes of each area, carved from the pool. */
#define SOC_MEDIUM_QUEUE 16u
#define SOC_DESC_BYTES 32u
#define SOC_DESC_AREA ((SOC_MEDIUM_QUEUE + 1) * SOC_DESC_BYTES)

struct plat {
	u32 memory; /* bytes */
	/* time: what it was when the timer stood at base, and how it goes on */
	u32 base;
	u32 base_nsec;
	s64 base_sec;
	u64 base_ms;
	u32 hz;
	u32 cycles_per_ms;
	u32 nsec_mult; /* nanoseconds per cycle << 24 */
	u32 random;
	/* medium */
	volatile u32 *medium_desc; /* SOC_MEDIUM_QUEUE descriptors, uncached */
	ref_t medium_ref;
	struct plat_io *queue[SOC_MEDIUM_QUEUE]; /* by descriptor */
	u32 submitted, reaped;                   /* free-running */
	u32 full; /* fibers that wait for a free descriptor, by bit */
	blkno_t blocks;
	bool read_only;
	bool present;
	/* DMA engine */
	volatile u32 *dma_desc; /* one descriptor, uncached; NULL until there is one */
	ref_t dma_ref;
};

extern struct plat soc;

/* Clock, time of day, random. Before everything else. */
void soc_time_init(struct plat *plat);
/* Moves the base of the clock on; every tick. */
void soc_time_tick(struct plat *plat);

/* Tells the engines where their descriptors are: SOC_DESC_AREA bytes of memory at ref. */
void soc_engines_init(struct plat *plat, ref_t ref);
/* Looks which medium requests have ended, and lets their fibers run. */
void soc_medium_reap(struct plat *plat);

/* Forgets what the data cache holds: memory was written by somebody else. */
static inline void soc_cache_invalidate(void)
{
	__asm__ volatile(".word 0x500F" ::: "memory");
}

static inline bool soc_in_memory(const void *p)
{
	return ((uintptr_t)p & 0x7fffffffu) - SYS_MEMORY_BASE < soc.memory;
}

static inline ref_t soc_offset(const void *p)
{
	return ((uintptr_t)p & 0x7fffffffu) - SYS_MEMORY_BASE;
}

/* By the DMA engine: bytes in memory, at any alignment (fill: 4-aligned, multiple of 4). */
void soc_dma_copy(struct plat *plat, ref_t dst, ref_t src, u32 len);
void soc_dma_fill(struct plat *plat, ref_t dst, u32 pattern, u32 len);

/* Deals with what is pending; sleep: waits until something is. Implemented by boot/. */
void soc_poll(bool sleep);

void soc_putc(char c);

#endif
