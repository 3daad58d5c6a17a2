// SPDX-License-Identifier: BSD-2-Clause
// Timer: offsets, fields and constants. Generated from rtl/regs/timer.toml; do not edit.
// Included inside a module. Masks are in place.
/* verilator lint_off UNUSEDPARAM */
localparam logic [31:0] TIMER_BASE = 32'h80002000;  // first address as the soft core sees it
localparam logic [31:0] TIMER_SIZE = 32'h00001000;  // bytes decoded
localparam logic [31:0] TIMER_TIME_LO = 32'h00000000;  // ro: device clock cycles since reset, slept time included, low half; reading it latches TIME_HI
localparam logic [31:0] TIMER_TIME_HI = 32'h00000004;  // ro: high half, latched
localparam logic [31:0] TIMER_COMPARE_LO = 32'h00000008;  // rw: interrupt while TIME >= COMPARE; write HI after LO: writing LO disarms, writing HI arms
localparam logic [31:0] TIMER_COMPARE_HI = 32'h0000000C;  // rw: high half
/* verilator lint_on UNUSEDPARAM */
