// SPDX-License-Identifier: BSD-2-Clause
// The device as the harness holds it: pins in word-sized fields, link clocks tied if the build says
// so, and a look at the core's register writes (the tap).
`default_nettype none

module sim_top #(
    parameter int unsigned Ports     = 4,
    parameter int unsigned Slots     = 1024,
    parameter int unsigned MemoryMiB = 32,
    parameter int unsigned ClockHz   = 50_000_000,
    parameter int unsigned Tied      = 1   // link clocks are the device clock; link_clk_i is not used
) (
    input  wire logic                   clk_i,
    input  wire logic                   rst_ni,
    input  wire logic [63:0]            epoch_i,
    input  wire logic [31:0]            seed_i,
    input  wire logic                   stop_i,
    input  wire logic                   slept_valid_i,
    input  wire logic [63:0]            slept_cycles_i,
    output logic                        sleeping_o,
    output logic [63:0]                 wake_time_o,
    output logic [63:0]                 time_o,
    output logic [31:0]                 phase_o,
    output logic                        uart_tx_o,
    input  wire logic                   uart_rx_i,
    input  wire logic                   tck_i,
    input  wire logic                   tms_i,
    input  wire logic                   tdi_i,
    output logic                        tdo_o,
    input  wire logic                   trst_ni,

    input  wire logic [Ports-1:0]       link_clk_i,
    input  wire logic [Ports-1:0]       link_rst_ni,
    input  wire logic [Ports-1:0]       link_up_i,
    input  wire logic [Ports-1:0]       link_cmd_valid_i,
    output logic [Ports-1:0]            link_cmd_ready_o,
    input  wire logic [Ports-1:0]       link_cmd_write_i,
    input  wire logic [Ports-1:0][31:0] link_cmd_addr_i,
    input  wire logic [Ports-1:0][31:0] link_cmd_len_i,
    input  wire logic [Ports-1:0]       link_wvalid_i,
    output logic [Ports-1:0]            link_wready_o,
    input  wire logic [Ports-1:0][31:0] link_wdata_i,
    output logic [Ports-1:0]            link_rvalid_o,
    input  wire logic [Ports-1:0]       link_rready_i,
    output logic [Ports-1:0][31:0]      link_rdata_o,
    output logic [Ports-1:0]            link_irq_o,

    // the tap: in the last cycle the core wrote tap_data to tap_addr, which is the UART's TX, a
    // register of SYS, or in a port CQ_TAIL or an entry of the completion ring
    output logic                        tap_valid_o,
    output logic [31:0]                 tap_addr_o,
    output logic [31:0]                 tap_data_o,
    output logic [Ports-1:0][31:0]      denied_o
);
  logic [Ports-1:0][22:0] cmd_addr;
  logic [Ports-1:0][10:0] cmd_len;

  for (genvar p = 0; p < Ports; p++) begin : g_port
    assign cmd_addr[p] = link_cmd_addr_i[p][22:0];
    assign cmd_len[p]  = link_cmd_len_i[p][10:0];
  end

  mpdisk_device #(
      .Ports    (Ports),
      .Slots    (Slots),
      .MemoryMiB(MemoryMiB),
      .ClockHz  (ClockHz)
  ) u_device (
      .clk_i,
      .rst_ni,
      .epoch_i,
      .seed_i,
      .stop_i,
      .slept_valid_i,
      .slept_cycles_i,
      .sleeping_o,
      .wake_time_o,
      .time_o,
      .phase_o,
      .uart_tx_o,
      .uart_rx_i,
      .tck_i,
      .tms_i,
      .tdi_i,
      .tdo_o,
      .trst_ni,
      .link_clk_i      (Tied != 0 ? {Ports{clk_i}} : link_clk_i),
      .link_rst_ni,
      .link_up_i,
      .link_cmd_valid_i,
      .link_cmd_ready_o,
      .link_cmd_write_i,
      .link_cmd_addr_i (cmd_addr),
      .link_cmd_len_i  (cmd_len),
      .link_wvalid_i,
      .link_wready_o,
      .link_wdata_i,
      .link_rvalid_o,
      .link_rready_i,
      .link_rdata_o,
      .link_irq_o
  );

  // ---- the tap
  `include "sys_regs.svh"
  `include "uart_regs.svh"
  `include "port_device_regs.svh"

  logic [31:0] tap_addr;
  logic        tap_hit;

  assign tap_addr = {u_device.d_adr, 2'b00};
  always_comb begin
    tap_hit = 1'b0;
    if (tap_addr[31:20] == PORT_DEVICE_BASE[31:20])
      tap_hit = tap_addr[15:0] == 16'(PORT_DEVICE_CQ_TAIL) ||
                tap_addr[15:7] == 9'((PORT_DEVICE_RING + 32'h80) >> 7);
    else
      tap_hit = tap_addr == UART_BASE + UART_TX || tap_addr[31:12] == SYS_BASE[31:12];
  end

  always_ff @(posedge clk_i) begin
    tap_valid_o <= 1'b0;
    if (u_device.d_stb && u_device.d_we && u_device.d_ack && tap_hit && rst_ni) begin
      tap_valid_o <= 1'b1;
      tap_addr_o  <= tap_addr;
      tap_data_o  <= u_device.d_wdata;
    end
  end

  for (genvar p = 0; p < Ports; p++) begin : g_denied
    assign denied_o[p] = u_device.g_port[p].port.u_regs.h_denied_q;
  end
endmodule

`default_nettype wire
