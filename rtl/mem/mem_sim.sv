// SPDX-License-Identifier: BSD-2-Clause
// Behavioural memory behind an mport (rtl/README.md), for simulation.
`default_nettype none

module mem_sim #(
    parameter int unsigned MemoryMiB    = 32,
    parameter int unsigned ReadLatency  = 8,  // cycles from a taken read command to its first word
    parameter int unsigned WriteLatency = 2   // cycles from a taken write command to its first word taken
) (
    input  wire logic        clk_i,
    input  wire logic        rst_ni,

    input  wire logic        s_valid_i,
    output logic             s_ready_o,
    input  wire logic        s_write_i,
    input  wire logic [27:0] s_addr_i,
    input  wire logic [6:0]  s_len_i,
    input  wire logic [31:0] s_wdata_i,
    input  wire logic [3:0]  s_wstrb_i,
    output logic             s_wready_o,
    output logic             s_rvalid_o,
    output logic [31:0]      s_rdata_o
);
endmodule

`default_nettype wire
