/* SPDX-License-Identifier: BSD-2-Clause */
/* Medium controller: offsets, fields and constants. Generated from rtl/regs/medium.toml; do not edit. Masks are in place. */
/* clang-format off */
#ifndef MPDISK_REGS_MEDIUM_H
#define MPDISK_REGS_MEDIUM_H

/* first address as the soft core sees it */
#define MEDIUM_BASE 0x80005000u
/* bytes decoded */
#define MEDIUM_SIZE 0x1000u
/* bits 1:0 op (0 read, 1 write, 2 flush) */
#define MEDIUM_DESC_CONTROL 0x00u
/* first block on the medium (4 KiB units), low half */
#define MEDIUM_DESC_BLOCK_LO 0x04u
/* high half */
#define MEDIUM_DESC_BLOCK_HI 0x08u
/* blocks, 1..256, contiguous on the medium and in memory (flush: 0) */
#define MEDIUM_DESC_COUNT 0x0Cu
/* byte offset into memory, 4096-aligned */
#define MEDIUM_DESC_ADDR 0x10u
/* written last by the controller: 1 done, 2 medium error, 3 out of range */
#define MEDIUM_DESC_STATUS 0x14u
/* rw: write: queue the descriptor at this memory offset (up to 16 wait, done in order); read: bit 0 queue full */
#define MEDIUM_SUBMIT 0x00u
/* ro: descriptors finished since reset, free-running 32 bits */
#define MEDIUM_DONE 0x04u
/* rw1c: bit 0: a descriptor ended */
#define MEDIUM_IRQ 0x08u
/* ro: bit 0 busy, bit 1 medium present, bit 2 read-only */
#define MEDIUM_STATUS 0x0Cu
/* ro: blocks on the medium, low half */
#define MEDIUM_BLOCKS_LO 0x10u
/* ro: high half */
#define MEDIUM_BLOCKS_HI 0x14u

#endif /* MPDISK_REGS_MEDIUM_H */
