// SPDX-License-Identifier: BSD-2-Clause
// Medium controller: offsets, fields and constants. Generated from rtl/regs/medium.toml; do not edit.
// Included inside a module. Masks are in place.
/* verilator lint_off UNUSEDPARAM */
localparam logic [31:0] MEDIUM_BASE = 32'h80005000;  // first address as the soft core sees it
localparam logic [31:0] MEDIUM_SIZE = 32'h00001000;  // bytes decoded
localparam logic [31:0] MEDIUM_DESC_CONTROL = 32'h00000000;  // bits 1:0 op (0 read, 1 write, 2 flush)
localparam logic [31:0] MEDIUM_DESC_BLOCK_LO = 32'h00000004;  // first block on the medium (4 KiB units), low half
localparam logic [31:0] MEDIUM_DESC_BLOCK_HI = 32'h00000008;  // high half
localparam logic [31:0] MEDIUM_DESC_COUNT = 32'h0000000C;  // blocks, 1..256, contiguous on the medium and in memory (flush: 0)
localparam logic [31:0] MEDIUM_DESC_ADDR = 32'h00000010;  // byte offset into memory, 4096-aligned
localparam logic [31:0] MEDIUM_DESC_STATUS = 32'h00000014;  // written last by the controller: 1 done, 2 medium error, 3 out of range
localparam logic [31:0] MEDIUM_SUBMIT = 32'h00000000;  // rw: write: queue the descriptor at this memory offset (up to 16 wait, done in order); read: bit 0 queue full
localparam logic [31:0] MEDIUM_DONE = 32'h00000004;  // ro: descriptors finished since reset, free-running 32 bits
localparam logic [31:0] MEDIUM_IRQ = 32'h00000008;  // rw1c: bit 0: a descriptor ended
localparam logic [31:0] MEDIUM_STATUS = 32'h0000000C;  // ro: bit 0 busy, bit 1 medium present, bit 2 read-only
localparam logic [31:0] MEDIUM_BLOCKS_LO = 32'h00000010;  // ro: blocks on the medium, low half
localparam logic [31:0] MEDIUM_BLOCKS_HI = 32'h00000014;  // ro: high half
/* verilator lint_on UNUSEDPARAM */
