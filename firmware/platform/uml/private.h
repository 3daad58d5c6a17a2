/* SPDX-License-Identifier: BSD-2-Clause */
/* The UML platform's own structure, for its files only. */
#ifndef MPDISK_PLATFORM_UML_PRIVATE_H
#define MPDISK_PLATFORM_UML_PRIVATE_H

#include <linux/bio.h>
#include <linux/blkdev.h>
#include <linux/wait.h>

#undef BLOCK_SIZE /* the core's is another */
#undef array_size
#include "platform/uml/calls.h"
#include "platform/uml/uml.h"

#define PLAT_CALL_COUNT(name) +1u
#define PLAT_NCALLS (0u PLAT_CALLS(PLAT_CALL_COUNT))

struct plat {
	void *calls[PLAT_NCALLS]; /* first: the core finds its platform here */
	struct block_device *bdev;
	fmode_t mode;
	bool read_only;
	blkno_t blocks;
	u8 *base;
	u32 size;               /* of the pool */
	unsigned long *touched; /* steps of it that are mapped; NULL: each page when it is used */
	wait_queue_head_t io_done;
	s64 clock_ms; /* from this kernel's clock to the machine's */

	wait_queue_head_t queue[WAITS_BUCKETS];
	u32 waiting[WAITS_BUCKETS]; /* tasks; no interrupt changes it */
	u32 vain[WAITS_BUCKETS];    /* after the last look at a word of it: 0 if it had changed */
	u32 pass[WAITS_BUCKETS];    /* so many waits go to sleep without a look */
	struct plat_waits *waits;   /* NULL: nobody else waits */
	char *pool;                 /* path of its file */
	u32 host;
	int fifo;     /* ours */
	int irq;      /* of it */
	int told[32]; /* FIFOs of others that were told once, by host; 0: not yet */
};

#endif
