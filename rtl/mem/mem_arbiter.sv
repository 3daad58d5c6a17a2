// SPDX-License-Identifier: BSD-2-Clause
// Joins several mports (rtl/README.md) into one: round robin by burst, next command overlapped.
`default_nettype none

module mem_arbiter #(
    parameter int unsigned Masters = 8
) (
    input  wire logic                  clk_i,
    input  wire logic                  rst_ni,

    // masters, flattened: master i has bits [i] and [i*W +: W]
    input  wire logic [Masters-1:0]    s_valid_i,
    output logic      [Masters-1:0]    s_ready_o,
    input  wire logic [Masters-1:0]    s_write_i,
    input  wire logic [Masters*28-1:0] s_addr_i,
    input  wire logic [Masters*7-1:0]  s_len_i,
    input  wire logic [Masters*32-1:0] s_wdata_i,
    input  wire logic [Masters*4-1:0]  s_wstrb_i,
    output logic      [Masters-1:0]    s_wready_o,
    output logic      [Masters-1:0]    s_rvalid_o,
    output logic      [31:0]           s_rdata_o,  // one for all masters, goes with s_rvalid_o

    // memory
    output logic                       m_valid_o,
    input  wire logic                  m_ready_i,
    output logic                       m_write_o,
    output logic [27:0]                m_addr_o,
    output logic [6:0]                 m_len_o,
    output logic [31:0]                m_wdata_o,
    output logic [3:0]                 m_wstrb_o,
    input  wire logic                  m_wready_i,
    input  wire logic                  m_rvalid_i,
    input  wire logic [31:0]           m_rdata_i
);
endmodule

`default_nettype wire
