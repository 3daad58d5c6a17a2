// SPDX-License-Identifier: BSD-2-Clause
// Medium controller and simulated medium together, for storage_bench.cpp.
`default_nettype none

module storage_tb #(
    parameter int unsigned MemoryMiB = 4
) (
    input  wire logic        clk_i,
    input  wire logic        rst_ni,
    input  wire logic        stb_i,
    input  wire logic        we_i,
    input  wire logic [9:0]  adr_i,
    input  wire logic [31:0] wdata_i,
    output logic [31:0]      rdata_o,
    output logic             irq_o,
    output logic             busy_o,
    output logic             m_valid_o,
    input  wire logic        m_ready_i,
    output logic             m_write_o,
    output logic [27:0]      m_addr_o,
    output logic [6:0]       m_len_o,
    output logic [31:0]      m_wdata_o,
    output logic [3:0]       m_wstrb_o,
    input  wire logic        m_wready_i,
    input  wire logic        m_rvalid_i,
    input  wire logic [31:0] m_rdata_i
);
  logic        present, read_only, cmd_valid, cmd_ready, done, error;
  logic        rvalid, rready, wvalid, wready;
  logic [63:0] blocks, cmd_block;
  logic [1:0]  cmd_op;
  logic [8:0]  cmd_count;
  logic [31:0] rdata, wdata;

  medium_ctrl #(
      .MemoryMiB(MemoryMiB)
  ) ctrl (
      .clk_i,
      .rst_ni,
      .stb_i,
      .we_i,
      .adr_i,
      .wdata_i,
      .rdata_o,
      .irq_o,
      .busy_o,
      .m_valid_o,
      .m_ready_i,
      .m_write_o,
      .m_addr_o,
      .m_len_o,
      .m_wdata_o,
      .m_wstrb_o,
      .m_wready_i,
      .m_rvalid_i,
      .m_rdata_i,
      .st_present_i  (present),
      .st_read_only_i(read_only),
      .st_blocks_i   (blocks),
      .st_cmd_valid_o(cmd_valid),
      .st_cmd_ready_i(cmd_ready),
      .st_cmd_op_o   (cmd_op),
      .st_cmd_block_o(cmd_block),
      .st_cmd_count_o(cmd_count),
      .st_done_i     (done),
      .st_error_i    (error),
      .st_rvalid_i   (rvalid),
      .st_rready_o   (rready),
      .st_rdata_i    (rdata),
      .st_wvalid_o   (wvalid),
      .st_wready_i   (wready),
      .st_wdata_o    (wdata)
  );

  storage_sim #(
      .CommandLatency(20),
      .WordCycles    (1)
  ) storage (
      .clk_i,
      .rst_ni,
      .present_o  (present),
      .read_only_o(read_only),
      .blocks_o   (blocks),
      .cmd_valid_i(cmd_valid),
      .cmd_ready_o(cmd_ready),
      .cmd_op_i   (cmd_op),
      .cmd_block_i(cmd_block),
      .cmd_count_i(cmd_count),
      .done_o     (done),
      .error_o    (error),
      .rvalid_o   (rvalid),
      .rready_i   (rready),
      .rdata_o    (rdata),
      .wvalid_i   (wvalid),
      .wready_o   (wready),
      .wdata_i    (wdata)
  );
endmodule

`default_nettype wire
