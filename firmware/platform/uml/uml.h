/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The platform of a User-Mode Linux kernel: the medium is a block device, executors are tasks, the
 * pool is a region that other kernels and processes have mapped too.
 *
 * A UML kernel is built for one processor and is not preempted: between two points where a task
 * sleeps only interrupts come, and these touch no word of the pool.
 */
#ifndef MPDISK_PLATFORM_UML_H
#define MPDISK_PLATFORM_UML_H

#include "platform/platform.h"
#include "platform/waits.h"

struct block_device;

/* Opens the medium, for this holder alone unless read_only; errors as of opening a device. */
int warn_unused plat_uml_open(const char *medium, bool read_only, struct plat **out);
void plat_uml_close(struct plat *plat);
struct block_device *plat_uml_bdev(const struct plat *plat);

/* The medium's requests refer to the pool that is mapped here, from its file. */
void plat_uml_attach(struct plat *plat, void *base, u32 size, int fd);

/* These bytes of the pool are about to be filled: what is near them of its memory is mapped at
 * once, if this kernel has not used it yet. */
void plat_uml_touch(struct plat *plat, ref_t ref, u32 len);

/* From now on this host is told by others, and tells them: by FIFOs beside the file `pool`. */
int warn_unused plat_uml_listen(struct plat *plat, struct plat_waits *waits, const char *pool,
				u32 host);
/* No other host is told any more; nobody here waits. */
void plat_uml_unlisten(struct plat *plat);

/* As plat_wait(), but a signal ends it, too: true. */
bool warn_unused plat_uml_wait(struct plat *plat, u32 *word, u32 seen);

#endif
