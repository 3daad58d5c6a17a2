// SPDX-License-Identifier: BSD-2-Clause
// DMA engine: offsets, fields and constants. Generated from rtl/regs/dma.toml; do not edit.
// Included inside a module. Masks are in place.
/* verilator lint_off UNUSEDPARAM */
localparam logic [31:0] DMA_BASE = 32'h80004000;  // first address as the soft core sees it
localparam logic [31:0] DMA_SIZE = 32'h00001000;  // bytes decoded
localparam logic [31:0] DMA_DESC_NEXT = 32'h00000000;  // offset of the next descriptor, 0 ends the list
localparam logic [31:0] DMA_DESC_CONTROL = 32'h00000004;  // bits 1:0 op (0 copy, 1 fill, 2 CRC32C), bit 8 raise IRQ at the end
localparam logic [31:0] DMA_DESC_SRC = 32'h00000008;  // source byte offset, any alignment (fill: the 32-bit pattern)
localparam logic [31:0] DMA_DESC_DST = 32'h0000000C;  // destination byte offset, any alignment (fill: 4-aligned; CRC32C: the seed, raw register value, no inversion)
localparam logic [31:0] DMA_DESC_LEN = 32'h00000010;  // bytes (fill: a multiple of 4)
localparam logic [31:0] DMA_DESC_RESULT = 32'h00000014;  // written by the engine: CRC32C register value (reflected, not inverted)
localparam logic [31:0] DMA_DESC_STATUS = 32'h00000018;  // written last by the engine: 1 done, 2 address out of range
localparam logic [31:0] DMA_HEAD = 32'h00000000;  // rw: write: queue a list (up to 8 lists wait); read: bit 0 queue full
localparam logic [31:0] DMA_STATUS = 32'h00000004;  // ro: bit 0 busy
localparam logic [31:0] DMA_IRQ = 32'h00000008;  // rw1c: bit 0: a descriptor with IRQ ended
/* verilator lint_on UNUSEDPARAM */
