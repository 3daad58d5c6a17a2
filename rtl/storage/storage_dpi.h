/* SPDX-License-Identifier: BSD-2-Clause */
/* What the simulated medium (storage_sim.sv) calls in the program around the model. */
#ifndef MPDISK_STORAGE_DPI_H
#define MPDISK_STORAGE_DPI_H

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Blocks are 4 KiB, words 32 bits little-endian (word i is bytes 4i..4i+3 of the block). Called from
 * within eval(), by one model, never at the same time. A status is 0 or a negative errno: the
 * descriptor then ends with DESC_STATUS 2 (medium error).
 *
 * Order of calls: storage_blocks once after each reset; a read is storage_read_begin and then
 * storage_word(0..1023); a write is storage_write_word(0..1023) and then storage_write_end;
 * the block index is always below what storage_blocks said.
 */

/* *n = blocks on the medium. 0: no medium, 1: writable, 2: read-only. */
int storage_blocks(long long *n);

/* Brings the block into a buffer that storage_word reads. */
int storage_read_begin(long long block);
int storage_word(int i);

/* Fills a buffer of one block, then writes it to the medium (volatile until storage_flush). */
void storage_write_word(int i, int word);
int storage_write_end(long long block);

/* Everything written before is on the medium for good. */
int storage_flush(void);

#ifdef __cplusplus
}
#endif

#endif /* MPDISK_STORAGE_DPI_H */
