// SPDX-License-Identifier: BSD-2-Clause
// Interrupt controller: offsets, fields and constants. Generated from rtl/regs/intc.toml; do not edit.
// Included inside a module. Masks are in place.
/* verilator lint_off UNUSEDPARAM */
localparam logic [31:0] INTC_BASE = 32'h80001000;  // first address as the soft core sees it
localparam logic [31:0] INTC_SIZE = 32'h00001000;  // bytes decoded
localparam logic [31:0] INTC_IRQ_TIMER = 32'h00000000;  // timer reached COMPARE
localparam logic [31:0] INTC_IRQ_UART = 32'h00000001;  // UART received a byte
localparam logic [31:0] INTC_IRQ_DMA = 32'h00000002;  // DMA engine finished a descriptor with IRQ
localparam logic [31:0] INTC_IRQ_MEDIUM = 32'h00000003;  // medium controller finished a descriptor
localparam logic [31:0] INTC_IRQ_STOP = 32'h00000004;  // orderly stop requested
localparam logic [31:0] INTC_IRQ_PORT0 = 32'h00000008;  // port p is interrupt 8 + p
localparam logic [31:0] INTC_PENDING = 32'h00000000;  // ro: level of every interrupt source
localparam logic [31:0] INTC_ENABLE = 32'h00000004;  // rw: sources that wake WAIT and, gathered, interrupt the core
localparam logic [31:0] INTC_WAIT = 32'h00000008;  // ro: reads PENDING & ENABLE; the bus answers only when that is not zero: the core sleeps here
/* verilator lint_on UNUSEDPARAM */
