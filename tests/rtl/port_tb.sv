// SPDX-License-Identifier: BSD-2-Clause
// Two ports and one free mport master in front of the arbiter and the simulated memory.
`default_nettype none

module port_tb #(
    parameter int unsigned Slots = 1024
) (
    input  wire logic             clk_i,
    input  wire logic [1:0]       port_clk_i,  // clk_i of each port, gated
    input  wire logic             rst_ni,

    input  wire logic [1:0]       wb_stb_i,
    input  wire logic [1:0]       wb_we_i,
    input  wire logic [1:0][13:0] wb_adr_i,
    input  wire logic [1:0][3:0]  wb_sel_i,
    input  wire logic [1:0][31:0] wb_dat_i,
    output logic [1:0][31:0]      wb_dat_o,
    output logic [1:0]            wb_ack_o,
    output logic [1:0]            irq_o,
    output logic [1:0]            busy_o,
    output logic [1:0]            need_o,

    // what the ports ask of memory
    output logic [1:0]            m_valid_o,
    output logic [1:0]            m_ready_o,
    output logic [1:0]            m_write_o,
    output logic [1:0][27:0]      m_addr_o,
    output logic [1:0][6:0]       m_len_o,
    output logic [1:0]            m_beat_o,

    // the free master
    input  wire logic             x_valid_i,
    output logic                  x_ready_o,
    input  wire logic             x_write_i,
    input  wire logic [27:0]      x_addr_i,
    input  wire logic [6:0]       x_len_i,
    input  wire logic [31:0]      x_wdata_i,
    input  wire logic [3:0]       x_wstrb_i,
    output logic                  x_wready_o,
    output logic                  x_rvalid_o,
    output logic [31:0]           x_rdata_o,

    input  wire logic [1:0]       link_clk_i,
    input  wire logic [1:0]       link_rst_ni,
    input  wire logic [1:0]       link_up_i,
    input  wire logic [1:0]       link_cmd_valid_i,
    output logic [1:0]            link_cmd_ready_o,
    input  wire logic [1:0]       link_cmd_write_i,
    input  wire logic [1:0][22:0] link_cmd_addr_i,
    input  wire logic [1:0][10:0] link_cmd_len_i,
    input  wire logic [1:0]       link_wvalid_i,
    output logic [1:0]            link_wready_o,
    input  wire logic [1:0][31:0] link_wdata_i,
    output logic [1:0]            link_rvalid_o,
    input  wire logic [1:0]       link_rready_i,
    output logic [1:0][31:0]      link_rdata_o,
    output logic [1:0]            link_irq_o
);
    logic [2:0]       valid, ready, write, wready, rvalid;
    logic [2:0][27:0] addr;
    logic [2:0][6:0]  len;
    logic [2:0][31:0] wdata;
    logic [2:0][3:0]  wstrb;
    logic [31:0]      rdata;

    for (genvar p = 0; p < 2; p++) begin : g_port
        port #(
            .Port (p),
            .Slots(Slots)
        ) u_port (
            .clk_i           (port_clk_i[p]),
            .rst_ni,
            .wb_cyc_i        (wb_stb_i[p]),
            .wb_stb_i        (wb_stb_i[p]),
            .wb_we_i         (wb_we_i[p]),
            .wb_adr_i        (wb_adr_i[p]),
            .wb_sel_i        (wb_sel_i[p]),
            .wb_dat_i        (wb_dat_i[p]),
            .wb_dat_o        (wb_dat_o[p]),
            .wb_ack_o        (wb_ack_o[p]),
            .irq_o           (irq_o[p]),
            .busy_o          (busy_o[p]),
            .need_o          (need_o[p]),
            .m_valid_o       (valid[p]),
            .m_ready_i       (ready[p]),
            .m_write_o       (write[p]),
            .m_addr_o        (addr[p]),
            .m_len_o         (len[p]),
            .m_wdata_o       (wdata[p]),
            .m_wstrb_o       (wstrb[p]),
            .m_wready_i      (wready[p]),
            .m_rvalid_i      (rvalid[p]),
            .m_rdata_i       (rdata),
            .link_clk_i      (link_clk_i[p]),
            .link_rst_ni     (link_rst_ni[p]),
            .link_up_i       (link_up_i[p]),
            .link_cmd_valid_i(link_cmd_valid_i[p]),
            .link_cmd_ready_o(link_cmd_ready_o[p]),
            .link_cmd_write_i(link_cmd_write_i[p]),
            .link_cmd_addr_i (link_cmd_addr_i[p]),
            .link_cmd_len_i  (link_cmd_len_i[p]),
            .link_wvalid_i   (link_wvalid_i[p]),
            .link_wready_o   (link_wready_o[p]),
            .link_wdata_i    (link_wdata_i[p]),
            .link_rvalid_o   (link_rvalid_o[p]),
            .link_rready_i   (link_rready_i[p]),
            .link_rdata_o    (link_rdata_o[p]),
            .link_irq_o      (link_irq_o[p])
        );
    end

    assign valid[2]  = x_valid_i;
    assign write[2]  = x_write_i;
    assign addr[2]   = x_addr_i;
    assign len[2]    = x_len_i;
    assign wdata[2]  = x_wdata_i;
    assign wstrb[2]  = x_wstrb_i;
    assign x_ready_o  = ready[2];
    assign x_wready_o = wready[2];
    assign x_rvalid_o = rvalid[2];
    assign x_rdata_o  = rdata;

    assign m_valid_o = valid[1:0];
    assign m_ready_o = ready[1:0];
    assign m_write_o = write[1:0];
    assign m_addr_o  = addr[1:0];
    assign m_len_o   = len[1:0];
    assign m_beat_o  = wready[1:0] | rvalid[1:0];

    mem_tb #(
        .Masters(3)
    ) u_memory (
        .clk_i,
        .rst_ni,
        .valid_i (valid),
        .ready_o (ready),
        .write_i (write),
        .addr_i  (addr),
        .len_i   (len),
        .wdata_i (wdata),
        .wstrb_i (wstrb),
        .wready_o(wready),
        .rvalid_o(rvalid),
        .rdata_o (rdata)
    );
endmodule

`default_nettype wire
