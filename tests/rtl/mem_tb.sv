// SPDX-License-Identifier: BSD-2-Clause
// Arbiter and simulated memory with all masters' pins; port_tb.sv has its memory here, too.
`default_nettype none

module mem_tb #(
    parameter int unsigned Masters = 5
) (
    input  wire logic                     clk_i,
    input  wire logic                     rst_ni,
    input  wire logic [Masters-1:0]       valid_i,
    output logic [Masters-1:0]            ready_o,
    input  wire logic [Masters-1:0]       write_i,
    input  wire logic [Masters-1:0][27:0] addr_i,
    input  wire logic [Masters-1:0][6:0]  len_i,
    input  wire logic [Masters-1:0][31:0] wdata_i,
    input  wire logic [Masters-1:0][3:0]  wstrb_i,
    output logic [Masters-1:0]            wready_o,
    output logic [Masters-1:0]            rvalid_o,
    output logic [31:0]                   rdata_o
);
    logic        mv, mr, mw, mwr, mrv;
    logic [27:0] ma;
    logic [6:0]  ml;
    logic [31:0] mwd, mrd;
    logic [3:0]  mst;

    mem_arbiter #(
        .Masters(Masters)
    ) u_arbiter (
        .clk_i,
        .rst_ni,
        .s_valid_i (valid_i),
        .s_ready_o (ready_o),
        .s_write_i (write_i),
        .s_addr_i  (addr_i),
        .s_len_i   (len_i),
        .s_wdata_i (wdata_i),
        .s_wstrb_i (wstrb_i),
        .s_wready_o(wready_o),
        .s_rvalid_o(rvalid_o),
        .s_rdata_o (rdata_o),
        .m_valid_o (mv),
        .m_ready_i (mr),
        .m_write_o (mw),
        .m_addr_o  (ma),
        .m_len_o   (ml),
        .m_wdata_o (mwd),
        .m_wstrb_o (mst),
        .m_wready_i(mwr),
        .m_rvalid_i(mrv),
        .m_rdata_i (mrd)
    );

    mem_sim #(
        .MemoryMiB(4)
    ) u_mem (
        .clk_i,
        .rst_ni,
        .s_valid_i (mv),
        .s_ready_o (mr),
        .s_write_i (mw),
        .s_addr_i  (ma),
        .s_len_i   (ml),
        .s_wdata_i (mwd),
        .s_wstrb_i (mst),
        .s_wready_o(mwr),
        .s_rvalid_o(mrv),
        .s_rdata_o (mrd)
    );
endmodule

`default_nettype wire
