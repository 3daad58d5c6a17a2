/* SPDX-License-Identifier: BSD-2-Clause */
/* The simulated medium: an image file behind the functions of rtl/storage/storage_dpi.h. */
#ifndef MPDISK_SIM_STORAGE_H
#define MPDISK_SIM_STORAGE_H

#include <stdbool.h>
#include <stdint.h>

/* One image a process, because the DPI functions carry no handle. Locks it against a second
 * mpdisk-sim. Prints what is wrong. 0 or a negative errno. */
int storage_open(const char *path, bool read_only);

/* Brings the image to the disk and closes it. 0 or a negative errno. */
int storage_close(void);

/*
 * From now on blocks that are written stay in a cache of so many blocks until a flush, as in a card
 * or a disk: when it is full, any of them goes to the image.
 */
int storage_cache(uint32_t blocks, uint32_t seed);

/* The power goes: each block of the cache is lost, or on the image, or in some of its sectors. */
void storage_power_cut(uint32_t *lost, uint32_t *torn, uint32_t *kept);

uint64_t storage_size_blocks(void);

/* Hash of the content (holes count as zeros). 0 or a negative errno. */
int storage_hash(uint64_t *hash);

/* Blocks read and written, and flushes, so far. */
void storage_counts(uint64_t *reads, uint64_t *writes, uint64_t *flushes);

#endif
