// SPDX-License-Identifier: BSD-2-Clause
// The device as the harness holds it: registered inputs, the hosts' side of the links in C (bus.c), and
// a look at the core's register writes (the tap).
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

    // clk_i of each port, gated, and which ports need its next edge
    input  wire logic [Ports-1:0]       port_clk_i,
    output logic [Ports-1:0]            port_need_o,
    input  wire logic                   engine_clk_i,
    output logic                        engine_need_o,

    // the link clocks, ports whose host has something to do, ports that need their clock to go on
    input  wire logic [Ports-1:0]       link_clk_i,
    input  wire logic [Ports-1:0]       link_active_i,
    output logic [Ports-1:0]            link_busy_o,
    output logic [Ports-1:0]            link_irq_o,

    // the tap: in the last cycle the core wrote tap_data to tap_addr, which is the UART's TX, a
    // register of SYS, or in a port CQ_TAIL or an entry of the completion ring
    output logic                        tap_valid_o,
    output logic [31:0]                 tap_addr_o,
    output logic [31:0]                 tap_data_o,
    output logic [Ports-1:0][31:0]      denied_o
);
  // Inputs are registered, so that nothing but clock edges makes the model compute.
  logic        rst_nq, stop_q, slept_valid_q, uart_rx_q, tck_q, tms_q, tdi_q, trst_nq;
  logic [63:0] epoch_q, slept_cycles_q;
  logic [31:0] seed_q;

  always_ff @(posedge clk_i) begin
    rst_nq         <= rst_ni;
    epoch_q        <= epoch_i;
    seed_q         <= seed_i;
    stop_q         <= stop_i;
    slept_valid_q  <= slept_valid_i;
    slept_cycles_q <= slept_cycles_i;
    uart_rx_q      <= uart_rx_i;
    tck_q          <= tck_i;
    tms_q          <= tms_i;
    tdi_q          <= tdi_i;
    trst_nq        <= trst_ni;
  end

  // ---- the hosts' side of the links: bus.c is called at each edge while its host is active
  import "DPI-C" function void link_tick(
      input int port, input bit cmd_ready, input bit wready, input bit rvalid, input int rdata,
      output bit up, output bit cmd_valid, output bit cmd_write, output int cmd_addr,
      output int cmd_len, output bit wvalid, output int wdata, output bit rready);

  logic [Ports-1:0]       link_rst_n, up, cmd_valid, cmd_ready, cmd_write, wvalid, wready, rvalid, rready;
  logic [Ports-1:0][22:0] cmd_addr;
  logic [Ports-1:0][10:0] cmd_len;
  logic [Ports-1:0][31:0] wdata, rdata;

  for (genvar p = 0; p < Ports; p++) begin : g_link
    logic        rst_nq2, up_q, cmd_valid_q, cmd_write_q, wvalid_q, rready_q;
    logic [31:0] cmd_addr_q, cmd_len_q, wdata_q;
    bit          t_up, t_cmd_valid, t_cmd_write, t_wvalid, t_rready;
    int          t_cmd_addr, t_cmd_len, t_wdata;
    logic        link_clk;

    assign link_clk = link_clk_i[p];

    always_ff @(posedge link_clk) begin
      // verilator lint_off BLKSEQ
      rst_nq2 <= rst_nq;
      if (!rst_nq) begin
        up_q        <= 1'b0;
        cmd_valid_q <= 1'b0;
        cmd_write_q <= 1'b0;
        cmd_addr_q  <= '0;
        cmd_len_q   <= '0;
        wvalid_q    <= 1'b0;
        wdata_q     <= '0;
        rready_q    <= 1'b0;
      end else if (link_active_i[p]) begin
        link_tick(p, cmd_ready[p], wready[p], rvalid[p], rdata[p], t_up, t_cmd_valid, t_cmd_write,
                  t_cmd_addr, t_cmd_len, t_wvalid, t_wdata, t_rready);
        up_q        <= t_up;
        cmd_valid_q <= t_cmd_valid;
        cmd_write_q <= t_cmd_write;
        cmd_addr_q  <= t_cmd_addr;
        cmd_len_q   <= t_cmd_len;
        wvalid_q    <= t_wvalid;
        wdata_q     <= t_wdata;
        rready_q    <= t_rready;
      end
      // verilator lint_on BLKSEQ
    end

    assign link_rst_n[p] = rst_nq2;
    assign up[p]         = up_q;
    assign cmd_valid[p]  = cmd_valid_q;
    assign cmd_write[p]  = cmd_write_q;
    assign cmd_addr[p]   = cmd_addr_q[22:0];
    assign cmd_len[p]    = cmd_len_q[10:0];
    assign wvalid[p]     = wvalid_q;
    assign wdata[p]      = wdata_q;
    assign rready[p]     = rready_q;
  end

  mpdisk_device #(
      .Ports    (Ports),
      .Slots    (Slots),
      .MemoryMiB(MemoryMiB),
      .ClockHz  (ClockHz)
  ) u_device (
      .clk_i,
      .rst_ni          (rst_nq),
      .port_clk_i,
      .port_need_o,
      .engine_clk_i,
      .engine_need_o,
      .epoch_i         (epoch_q),
      .seed_i          (seed_q),
      .stop_i          (stop_q),
      .slept_valid_i   (slept_valid_q),
      .slept_cycles_i  (slept_cycles_q),
      .sleeping_o,
      .wake_time_o,
      .time_o,
      .phase_o,
      .uart_tx_o,
      .uart_rx_i       (uart_rx_q),
      .tck_i           (tck_q),
      .tms_i           (tms_q),
      .tdi_i           (tdi_q),
      .tdo_o,
      .trst_ni         (trst_nq),
      .link_clk_i,
      .link_rst_ni     (link_rst_n),
      .link_up_i       (up),
      .link_cmd_valid_i(cmd_valid),
      .link_cmd_ready_o(cmd_ready),
      .link_cmd_write_i(cmd_write),
      .link_cmd_addr_i (cmd_addr),
      .link_cmd_len_i  (cmd_len),
      .link_wvalid_i   (wvalid),
      .link_wready_o   (wready),
      .link_wdata_i    (wdata),
      .link_rvalid_o   (rvalid),
      .link_rready_i   (rready),
      .link_rdata_o    (rdata),
      .link_irq_o
  );

  assign link_busy_o = u_device.port_busy;

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
    if (u_device.d_stb && u_device.d_we && u_device.d_ack && tap_hit && rst_nq) begin
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
