// SPDX-License-Identifier: BSD-2-Clause
/* The medium controller: descriptors in a ring, ended in the order in which they were given. */
#include "platform/soc/fiber.h"
#include "platform/soc/soc.h"
#include "platform/errno.h"

#define DESC_WORDS (SOC_DESC_BYTES / 4)
#define STATUS_PRESENT 2u
#define STATUS_READ_ONLY 4u
#define DESC_DONE 1u
#define DESC_RANGE 3u

void soc_engines_init(struct plat *plat, ref_t ref)
{
	const u32 status = SOC_REG(MEDIUM, STATUS);

	plat->medium_ref = ref;
	plat->medium_desc = (volatile u32 *)(SYS_MEMORY_UNCACHED + ref);
	plat->dma_ref = ref + SOC_MEDIUM_QUEUE * SOC_DESC_BYTES;
	plat->dma_desc = (volatile u32 *)(SYS_MEMORY_UNCACHED + plat->dma_ref);
	plat->present = status & STATUS_PRESENT;
	plat->read_only = status & STATUS_READ_ONLY;
	plat->blocks = SOC_REG(MEDIUM, BLOCKS_LO) | (u64)SOC_REG(MEDIUM, BLOCKS_HI) << 32;
	plat->submitted = SOC_REG(MEDIUM, DONE);
	plat->reaped = plat->submitted;
}

blkno_t plat_blocks(struct plat *plat)
{
	return plat->present ? plat->blocks : 0;
}

bool plat_read_only(struct plat *plat)
{
	return plat->read_only;
}

void soc_medium_reap(struct plat *plat)
{
	const u32 done = SOC_REG(MEDIUM, DONE);
	bool read = false;

	while (plat->reaped != done) {
		const u32 index = plat->reaped % SOC_MEDIUM_QUEUE;
		const u32 status = plat->medium_desc[index * DESC_WORDS + MEDIUM_DESC_STATUS / 4];
		struct plat_io *io = plat->queue[index];

		io->error = status == DESC_DONE ? 0 : status == DESC_RANGE ? -MP_ENXIO : -MP_EIO;
		io->done = 1;
		read |= io->op == PLAT_READ;
		if (io->private[0])
			fiber_wake(io->private[0] - 1);
		plat->reaped++;
	}
	if (read)
		soc_cache_invalidate();
	if (plat->full) {
		const u32 waiters = plat->full;
		u32 i;

		plat->full = 0;
		for (i = 0; waiters >> i; i++)
			if (waiters >> i & 1)
				fiber_wake(i);
	}
}

void plat_io_submit(struct plat *plat, struct plat_io *io)
{
	volatile u32 *desc;
	u32 index;

	while (plat->submitted - plat->reaped == SOC_MEDIUM_QUEUE) {
		plat->full |= 1u << fiber_current();
		fiber_wait(FIBER_WAIT_IO);
	}
	io->done = 0;
	io->error = 0;
	io->private[0] = 0;
	index = plat->submitted % SOC_MEDIUM_QUEUE;
	desc = plat->medium_desc + index * DESC_WORDS;
	plat->queue[index] = io;
	plat->submitted++;
	desc[MEDIUM_DESC_CONTROL / 4] = io->op == PLAT_READ ? 0 : io->op == PLAT_WRITE ? 1 : 2;
	desc[MEDIUM_DESC_BLOCK_LO / 4] = (u32)io->block;
	desc[MEDIUM_DESC_BLOCK_HI / 4] = (u32)(io->block >> 32);
	desc[MEDIUM_DESC_COUNT / 4] = io->op == PLAT_FLUSH ? 0 : io->count;
	desc[MEDIUM_DESC_ADDR / 4] = io->ref;
	desc[MEDIUM_DESC_STATUS / 4] = 0;
	SOC_REG(MEDIUM, SUBMIT) = plat->medium_ref + index * SOC_DESC_BYTES;
}

int plat_io_wait(struct plat *plat, struct plat_io *io)
{
	(void)plat;
	while (!*(volatile u32 *)&io->done) {
		io->private[0] = fiber_current() + 1;
		fiber_wait(FIBER_WAIT_IO);
	}
	return io->error;
}
