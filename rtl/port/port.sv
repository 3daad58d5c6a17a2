// SPDX-License-Identifier: BSD-2-Clause
// One host port: a link on one side, Wishbone slave, mport master and interrupt on the other.
`default_nettype none

module port #(
    parameter int unsigned Port  = 0,    // shown in CONFIG
    parameter int unsigned Slots = 1024  // slots of the window, at most 1024
) (
    // device clock
    input  wire logic        clk_i,
    input  wire logic        rst_ni,

    // Wishbone slave, 64 KiB (rtl/regs/port_device.toml), classic cycles, ack may take a while
    input  wire logic        wb_cyc_i,
    input  wire logic        wb_stb_i,
    input  wire logic        wb_we_i,
    input  wire logic [13:0] wb_adr_i,  // word address in the 64 KiB
    input  wire logic [3:0]  wb_sel_i,
    input  wire logic [31:0] wb_dat_i,
    output logic [31:0]      wb_dat_o,
    output logic             wb_ack_o,

    output logic             irq_o,
    output logic             busy_o,    // work or a clock crossing is under way

    // mport master (rtl/README.md)
    output logic             m_valid_o,
    input  wire logic        m_ready_i,
    output logic             m_write_o,
    output logic [27:0]      m_addr_o,
    output logic [6:0]       m_len_o,
    output logic [31:0]      m_wdata_o,
    output logic [3:0]       m_wstrb_o,
    input  wire logic        m_wready_i,
    input  wire logic        m_rvalid_i,
    input  wire logic [31:0] m_rdata_i,

    // link, in link_clk_i
    input  wire logic        link_clk_i,
    input  wire logic        link_rst_ni,
    input  wire logic        link_up_i,
    input  wire logic        link_cmd_valid_i,
    output logic             link_cmd_ready_o,
    input  wire logic        link_cmd_write_i,
    input  wire logic [22:0] link_cmd_addr_i,
    input  wire logic [10:0] link_cmd_len_i,
    input  wire logic        link_wvalid_i,
    output logic             link_wready_o,
    input  wire logic [31:0] link_wdata_i,
    output logic             link_rvalid_o,
    input  wire logic        link_rready_i,
    output logic [31:0]      link_rdata_o,
    output logic             link_irq_o
);
endmodule

`default_nettype wire
