// SPDX-License-Identifier: BSD-2-Clause
// Decoder, boot RAM, memory bridge and small register blocks, with the core's buses outside.
`default_nettype none

module bus_tb (
    input  wire logic        clk_i,
    input  wire logic        rst_ni,

    input  wire logic        i_stb_i,
    input  wire logic [29:0] i_adr_i,
    input  wire logic        i_last_i,
    output logic             i_ack_o,
    output logic [31:0]      i_rdata_o,
    input  wire logic        d_stb_i,
    input  wire logic        d_we_i,
    input  wire logic [29:0] d_adr_i,
    input  wire logic        d_burst_i,
    input  wire logic [3:0]  d_sel_i,
    input  wire logic [31:0] d_wdata_i,
    output logic             d_ack_o,
    output logic [31:0]      d_rdata_o,

    // two ports
    output logic [1:0]       port_stb_o,
    input  wire logic [1:0]  port_ack_i,
    input  wire logic [63:0] port_rdata_i,

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

    input  wire logic [7:0]  port_irq_i,
    input  wire logic        stop_i,
    input  wire logic        slept_valid_i,
    input  wire logic [63:0] slept_cycles_i,
    output logic [63:0]      time_o,
    output logic [63:0]      compare_o,
    output logic             armed_o,
    output logic             timer_enabled_o,
    output logic             irq_o,
    output logic             waiting_o,
    output logic             idle_o,
    output logic             uart_busy_o,
    output logic             uart_tx_o,
    input  wire logic        uart_rx_i,
    output logic [31:0]      phase_o
);
  logic         boot_i_stb, boot_i_ack, boot_d_stb, boot_d_ack;
  logic         mem_i_stb, mem_i_ack, mem_d_stb, mem_d_ack, drained, intc_ack;
  logic         timer_irq, uart_irq, stop;
  logic [31:0]  boot_i_rdata, boot_d_rdata, mem_rdata;
  logic [5:0]   reg_stb;
  logic [191:0] reg_rdata;

  assign reg_rdata[191:128] = 64'h5555_5555_4444_4444;  // dma and medium are not here

  bus #(
      .Ports(2)
  ) bus (
      .i_stb_i,
      .i_adr_i,
      .i_ack_o,
      .i_rdata_o,
      .d_stb_i,
      .d_we_i,
      .d_adr_i,
      .d_ack_o,
      .d_rdata_o,
      .boot_i_stb_o  (boot_i_stb),
      .boot_i_ack_i  (boot_i_ack),
      .boot_i_rdata_i(boot_i_rdata),
      .boot_d_stb_o  (boot_d_stb),
      .boot_d_ack_i  (boot_d_ack),
      .boot_d_rdata_i(boot_d_rdata),
      .mem_i_stb_o   (mem_i_stb),
      .mem_i_ack_i   (mem_i_ack),
      .mem_d_stb_o   (mem_d_stb),
      .mem_d_ack_i   (mem_d_ack),
      .mem_rdata_i   (mem_rdata),
      .mem_drained_i (drained),
      .reg_stb_o     (reg_stb),
      .reg_rdata_i   (reg_rdata),
      .intc_ack_i    (intc_ack),
      .port_stb_o,
      .port_ack_i,
      .port_rdata_i
  );

  boot_ram boot_ram (
      .clk_i,
      .rst_ni,
      .i_stb_i  (boot_i_stb),
      .i_adr_i  (i_adr_i[15:0]),
      .i_last_i,
      .i_ack_o  (boot_i_ack),
      .i_rdata_o(boot_i_rdata),
      .d_stb_i  (boot_d_stb),
      .d_we_i,
      .d_adr_i  (d_adr_i[15:0]),
      .d_burst_i,
      .d_sel_i,
      .d_wdata_i,
      .d_ack_o  (boot_d_ack),
      .d_rdata_o(boot_d_rdata)
  );

  mem_bridge mem_bridge (
      .clk_i,
      .rst_ni,
      .i_stb_i  (mem_i_stb),
      .i_adr_i  (i_adr_i[25:0]),
      .i_ack_o  (mem_i_ack),
      .d_stb_i  (mem_d_stb),
      .d_we_i,
      .d_adr_i  (d_adr_i[25:0]),
      .d_burst_i,
      .d_sel_i,
      .d_wdata_i,
      .d_ack_o  (mem_d_ack),
      .rdata_o  (mem_rdata),
      .drained_o(drained),
      .idle_o,
      .m_valid_o,
      .m_ready_i,
      .m_write_o,
      .m_addr_o,
      .m_len_o,
      .m_wdata_o,
      .m_wstrb_o,
      .m_wready_i,
      .m_rvalid_i,
      .m_rdata_i
  );

  sys_regs #(
      .Ports(2)
  ) sys_regs (
      .clk_i,
      .rst_ni,
      .stb_i  (reg_stb[0]),
      .we_i   (d_we_i),
      .adr_i  (d_adr_i[9:0]),
      .wdata_i(d_wdata_i),
      .rdata_o(reg_rdata[31:0]),
      .epoch_i(64'h0123_4567_89AB_CDEF),
      .seed_i (32'hFEED_5EED),
      .stop_i,
      .stop_o (stop),
      .phase_o
  );

  intc intc (
      .clk_i,
      .rst_ni,
      .stb_i   (reg_stb[1]),
      .we_i    (d_we_i),
      .adr_i   (d_adr_i[9:0]),
      .wdata_i (d_wdata_i),
      .ack_o   (intc_ack),
      .rdata_o (reg_rdata[63:32]),
      .source_i({port_irq_i, 3'd0, stop, 2'd0, uart_irq, timer_irq}),
      .irq_o,
      .timer_enabled_o,
      .waiting_o
  );

  timer timer (
      .clk_i,
      .rst_ni,
      .stb_i  (reg_stb[2]),
      .we_i   (d_we_i),
      .adr_i  (d_adr_i[9:0]),
      .wdata_i(d_wdata_i),
      .rdata_o(reg_rdata[95:64]),
      .slept_valid_i,
      .slept_cycles_i,
      .time_o,
      .irq_o  (timer_irq),
      .armed_o,
      .compare_o
  );

  uart #(
      .Divisor(8)
  ) uart (
      .clk_i,
      .rst_ni,
      .stb_i  (reg_stb[3]),
      .we_i   (d_we_i),
      .adr_i  (d_adr_i[9:0]),
      .wdata_i(d_wdata_i),
      .rdata_o(reg_rdata[127:96]),
      .irq_o  (uart_irq),
      .busy_o (uart_busy_o),
      .tx_o   (uart_tx_o),
      .rx_i   (uart_rx_i)
  );
endmodule

`default_nettype wire
