// SPDX-License-Identifier: BSD-2-Clause
// The whole device with its pins.
`default_nettype none

module mpdisk_device #(
    parameter int unsigned Ports     = 4,    // host ports, 1..8
    parameter int unsigned Slots     = 1024, // slots of each port
    parameter int unsigned MemoryMiB = 32,   // 4..256
    parameter int unsigned ClockHz   = 50_000_000,
    parameter              BootFile  = ""    // boot RAM image for $readmemh
) (
    input  wire logic                   clk_i,
    input  wire logic                   rst_ni,

    // time and control from the board (in simulation: the harness)
    input  wire logic [63:0]            epoch_i,         // ns since 1970 at reset
    input  wire logic [31:0]            seed_i,
    input  wire logic                   stop_i,          // orderly stop request
    input  wire logic                   slept_valid_i,   // add slept_cycles_i to the timer (clock was stopped)
    input  wire logic [63:0]            slept_cycles_i,
    output logic                        sleeping_o,      // core waits in INTC.WAIT and nothing else is busy
    output logic [63:0]                 wake_time_o,     // TIME at which the timer will wake the core (all ones: never)
    output logic [63:0]                 time_o,          // TIME
    output logic [31:0]                 phase_o,         // SYS.PHASE

    // UART
    output logic                        uart_tx_o,
    input  wire logic                   uart_rx_i,

    // JTAG
    input  wire logic                   tck_i,
    input  wire logic                   tms_i,
    input  wire logic                   tdi_i,
    output logic                        tdo_o,
    input  wire logic                   trst_ni,

    // links, one per port, each in its own clock
    input  wire logic [Ports-1:0]       link_clk_i,
    input  wire logic [Ports-1:0]       link_rst_ni,
    input  wire logic [Ports-1:0]       link_up_i,
    input  wire logic [Ports-1:0]       link_cmd_valid_i,
    output logic [Ports-1:0]            link_cmd_ready_o,
    input  wire logic [Ports-1:0]       link_cmd_write_i,
    input  wire logic [Ports-1:0][22:0] link_cmd_addr_i,  // byte offset into the port window, 4-aligned
    input  wire logic [Ports-1:0][10:0] link_cmd_len_i,   // words, 1..1024, within 4 KiB
    input  wire logic [Ports-1:0]       link_wvalid_i,
    output logic [Ports-1:0]            link_wready_o,
    input  wire logic [Ports-1:0][31:0] link_wdata_i,
    output logic [Ports-1:0]            link_rvalid_o,
    input  wire logic [Ports-1:0]       link_rready_i,
    output logic [Ports-1:0][31:0]      link_rdata_o,
    output logic [Ports-1:0]            link_irq_o
);
endmodule

`default_nettype wire
