/* SPDX-License-Identifier: BSD-2-Clause */
/* DMA engine: offsets, fields and constants. Generated from rtl/regs/dma.toml; do not edit. Masks are in place. */
/* clang-format off */
#ifndef MPDISK_REGS_DMA_H
#define MPDISK_REGS_DMA_H

/* first address as the soft core sees it */
#define DMA_BASE 0x80004000u
/* bytes decoded */
#define DMA_SIZE 0x1000u
/* offset of the next descriptor, 0 ends the list */
#define DMA_DESC_NEXT 0x00u
/* bits 1:0 op (0 copy, 1 fill, 2 CRC32C), bit 8 raise IRQ at the end */
#define DMA_DESC_CONTROL 0x04u
/* source byte offset, any alignment (fill: the 32-bit pattern) */
#define DMA_DESC_SRC 0x08u
/* destination byte offset, any alignment (fill: 4-aligned; CRC32C: the seed, raw register value, no inversion) */
#define DMA_DESC_DST 0x0Cu
/* bytes (fill: a multiple of 4) */
#define DMA_DESC_LEN 0x10u
/* written by the engine: CRC32C register value (reflected, not inverted) */
#define DMA_DESC_RESULT 0x14u
/* written last by the engine: 1 done, 2 address out of range */
#define DMA_DESC_STATUS 0x18u
/* rw: write: queue a list (up to 8 lists wait); read: bit 0 queue full */
#define DMA_HEAD 0x00u
/* ro: bit 0 busy */
#define DMA_STATUS 0x04u
/* rw1c: bit 0: a descriptor with IRQ ended */
#define DMA_IRQ 0x08u

#endif /* MPDISK_REGS_DMA_H */
