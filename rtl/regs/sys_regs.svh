// SPDX-License-Identifier: BSD-2-Clause
// System: offsets, fields and constants. Generated from rtl/regs/sys.toml; do not edit.
// Included inside a module. Masks are in place.
/* verilator lint_off UNUSEDPARAM */
localparam logic [31:0] SYS_BASE = 32'h80000000;  // first address as the soft core sees it
localparam logic [31:0] SYS_SIZE = 32'h00001000;  // bytes decoded
localparam logic [31:0] SYS_BOOT_RAM_BASE = 32'h00000000;  // boot RAM, cached
localparam logic [31:0] SYS_BOOT_RAM_SIZE = 32'h00040000;  // bytes of boot RAM
localparam logic [31:0] SYS_MEMORY_BASE = 32'h40000000;  // memory as the core sees it through its data cache
localparam logic [31:0] SYS_MEMORY_UNCACHED = 32'hC0000000;  // the same memory past the data cache
localparam logic [31:0] SYS_ID = 32'h00000000;  // ro: 0x4B44504D
localparam logic [31:0] SYS_CONFIG = 32'h00000004;  // ro: what the device was built with
localparam int unsigned SYS_CONFIG_PORTS_LSB = 0;
localparam logic [31:0] SYS_CONFIG_PORTS_MASK = 32'h000000FF;  // ports
localparam int unsigned SYS_CONFIG_MEMORY_MIB_LSB = 8;
localparam logic [31:0] SYS_CONFIG_MEMORY_MIB_MASK = 32'h00FFFF00;  // memory in MiB
localparam int unsigned SYS_CONFIG_SIM_LSB = 31;
localparam logic [31:0] SYS_CONFIG_SIM_MASK = 32'h80000000;  // simulated
localparam logic [31:0] SYS_CLOCK_HZ = 32'h00000008;  // ro: device clock
localparam logic [31:0] SYS_EPOCH_LO = 32'h0000000C;  // ro: time of day at reset, nanoseconds since 1970, low half
localparam logic [31:0] SYS_EPOCH_HI = 32'h00000010;  // ro: high half
localparam logic [31:0] SYS_PHASE = 32'h00000014;  // rw: boot phase, for the harness and a debugger: 1 booted, 2 memory ready, 3 mounting, 4 serving, 5 mount refused, 6 stopped
localparam logic [31:0] SYS_CORE_COPIED = 32'h00000018;  // rw: bytes of file data copied by the core in whole pages (firmware keeps it; must stay 0)
localparam logic [31:0] SYS_STOP = 32'h0000001C;  // ro: bit 0: an orderly stop is requested (write back, then PHASE = 6)
localparam logic [31:0] SYS_SEED = 32'h00000020;  // ro: random word, new at every reset
localparam logic [31:0] SYS_CYCLE_LO = 32'h00000024;  // ro: device clock cycles since reset without slept time, low half; reading it latches CYCLE_HI
localparam logic [31:0] SYS_CYCLE_HI = 32'h00000028;  // ro: high half, latched
/* verilator lint_on UNUSEDPARAM */
