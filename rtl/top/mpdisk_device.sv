// SPDX-License-Identifier: BSD-2-Clause
// The whole device with its pins.
`default_nettype none

module mpdisk_device #(
    parameter int unsigned Ports     = 4,    // host ports, 1..8
    parameter int unsigned Slots     = 1024, // slots of each port
    parameter int unsigned MemoryMiB = 32,   // 4..256
    parameter int unsigned ClockHz   = 50_000_000,
    parameter              BootFile  = "",   // boot RAM image for $readmemh; +boot=FILE in simulation
    parameter bit          Simulated = 1'b1, // shown in SYS.CONFIG
    parameter int unsigned UartDivisor = 8,  // clock cycles per bit after reset
    parameter int unsigned MediumLatency = 1000,  // simulated medium: cycles from command to first word
    parameter int unsigned MediumWordCycles = 2   // simulated medium: cycles for each word
) (
    input  wire logic                   clk_i,
    input  wire logic                   rst_ni,

    // clk_i for each port. It may be gated: port p has to see an edge of clk_i when port_need_o[p] is high
    // before it, in reset, and when an edge of its link clock came less than 32 cycles ago.
    input  wire logic [Ports-1:0]       port_clk_i,
    output logic [Ports-1:0]            port_need_o,
    // The same for DMA, medium and UART, which need nothing else.
    input  wire logic                   engine_clk_i,
    output logic                        engine_need_o,

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

    // links, one per port, each in its own clock; port p has bit p, and word p of the vectors of words
    input  wire logic [Ports-1:0]       link_clk_i,
    input  wire logic [Ports-1:0]       link_rst_ni,
    input  wire logic [Ports-1:0]       link_up_i,
    input  wire logic [Ports-1:0]       link_cmd_valid_i,
    output logic [Ports-1:0]            link_cmd_ready_o,
    input  wire logic [Ports-1:0]       link_cmd_write_i,
    input  wire logic [Ports*23-1:0]    link_cmd_addr_i,  // byte offset into the port window, 4-aligned
    input  wire logic [Ports*11-1:0]    link_cmd_len_i,   // words, 1..1024, within 4 KiB
    input  wire logic [Ports-1:0]       link_wvalid_i,
    output logic [Ports-1:0]            link_wready_o,
    input  wire logic [Ports*32-1:0]    link_wdata_i,
    output logic [Ports-1:0]            link_rvalid_o,
    input  wire logic [Ports-1:0]       link_rready_i,
    output logic [Ports*32-1:0]         link_rdata_o,
    output logic [Ports-1:0]            link_irq_o
);
  // masters of the memory: ports, then these
  localparam int unsigned MastersBridge = Ports;
  localparam int unsigned MastersDma    = Ports + 1;
  localparam int unsigned MastersMedium = Ports + 2;
  localparam int unsigned Masters       = Ports + 3;

  logic [Masters-1:0]    m_valid, m_ready, m_write, m_wready, m_rvalid;
  logic [Masters*28-1:0] m_addr;
  logic [Masters*7-1:0]  m_len;
  logic [Masters*32-1:0] m_wdata;
  logic [Masters*4-1:0]  m_wstrb;
  logic [31:0]           m_rdata;

  // ---- core
  logic        i_stb, i_last, i_ack, d_stb, d_we, d_burst, d_ack, irq;
  logic [29:0] i_adr, d_adr;
  logic [31:0] i_rdata, d_wdata, d_rdata;
  logic [3:0]  d_sel;
  logic        debug_ready;
  logic [31:0] debug_rdata;

  cpu cpu (
      .clk_i        (clk_i),
      .rst_ni       (rst_ni),
      .irq_i        (irq),
      .i_stb_o      (i_stb),
      .i_adr_o      (i_adr),
      .i_last_o     (i_last),
      .i_ack_i      (i_ack),
      .i_rdata_i    (i_rdata),
      .d_stb_o      (d_stb),
      .d_we_o       (d_we),
      .d_adr_o      (d_adr),
      .d_sel_o      (d_sel),
      .d_burst_o    (d_burst),
      .d_wdata_o    (d_wdata),
      .d_ack_i      (d_ack),
      .d_rdata_i    (d_rdata),
      .debug_rst_ni (rst_ni),
      .debug_valid_i(1'b0),
      .debug_ready_o(debug_ready),
      .debug_write_i(1'b0),
      .debug_addr_i (8'd0),
      .debug_wdata_i(32'd0),
      .debug_rdata_o(debug_rdata)
  );

  // The debug transport (rtl/debug) is not there yet.
  logic unused_debug;
  assign unused_debug = &{1'b0, tck_i, tms_i, tdi_i, trst_ni, debug_ready, debug_rdata};
  assign tdo_o        = 1'b0;

  // ---- decoder, boot RAM, memory bridge
  logic                boot_i_stb, boot_i_ack, boot_d_stb, boot_d_ack;
  logic [31:0]         boot_i_rdata, boot_d_rdata;
  logic                mem_i_stb, mem_i_ack, mem_d_stb, mem_d_ack, mem_drained, mem_idle;
  logic [31:0]         mem_rdata;
  logic [5:0]          reg_stb;
  logic [6*32-1:0]     reg_rdata;
  logic                intc_ack;
  logic [Ports-1:0]    port_stb, port_ack, port_irq, port_busy;
  logic [Ports*32-1:0] port_rdata;

  bus #(
      .Ports(Ports)
  ) bus (
      .i_stb_i       (i_stb),
      .i_adr_i       (i_adr),
      .i_ack_o       (i_ack),
      .i_rdata_o     (i_rdata),
      .d_stb_i       (d_stb),
      .d_we_i        (d_we),
      .d_adr_i       (d_adr),
      .d_ack_o       (d_ack),
      .d_rdata_o     (d_rdata),
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
      .mem_drained_i (mem_drained),
      .reg_stb_o     (reg_stb),
      .reg_rdata_i   (reg_rdata),
      .intc_ack_i    (intc_ack),
      .port_stb_o    (port_stb),
      .port_ack_i    (port_ack),
      .port_rdata_i  (port_rdata)
  );

  boot_ram #(
      .Words   (65536),
      .BootFile(BootFile)
  ) boot_ram (
      .clk_i    (clk_i),
      .rst_ni   (rst_ni),
      .i_stb_i  (boot_i_stb),
      .i_adr_i  (i_adr[15:0]),
      .i_last_i (i_last),
      .i_ack_o  (boot_i_ack),
      .i_rdata_o(boot_i_rdata),
      .d_stb_i  (boot_d_stb),
      .d_we_i   (d_we),
      .d_adr_i  (d_adr[15:0]),
      .d_burst_i(d_burst),
      .d_sel_i  (d_sel),
      .d_wdata_i(d_wdata),
      .d_ack_o  (boot_d_ack),
      .d_rdata_o(boot_d_rdata)
  );

  mem_bridge mem_bridge (
      .clk_i     (clk_i),
      .rst_ni    (rst_ni),
      .i_stb_i   (mem_i_stb),
      .i_adr_i   (i_adr[25:0]),
      .i_ack_o   (mem_i_ack),
      .d_stb_i   (mem_d_stb),
      .d_we_i    (d_we),
      .d_adr_i   (d_adr[25:0]),
      .d_burst_i (d_burst),
      .d_sel_i   (d_sel),
      .d_wdata_i (d_wdata),
      .d_ack_o   (mem_d_ack),
      .rdata_o   (mem_rdata),
      .drained_o (mem_drained),
      .idle_o    (mem_idle),
      .m_valid_o (m_valid[MastersBridge]),
      .m_ready_i (m_ready[MastersBridge]),
      .m_write_o (m_write[MastersBridge]),
      .m_addr_o  (m_addr[MastersBridge*28+:28]),
      .m_len_o   (m_len[MastersBridge*7+:7]),
      .m_wdata_o (m_wdata[MastersBridge*32+:32]),
      .m_wstrb_o (m_wstrb[MastersBridge*4+:4]),
      .m_wready_i(m_wready[MastersBridge]),
      .m_rvalid_i(m_rvalid[MastersBridge]),
      .m_rdata_i (m_rdata)
  );

  // ---- register blocks
  logic stop, timer_irq, timer_armed, timer_enabled, uart_irq, uart_busy, waiting;
  logic dma_irq, dma_busy, medium_irq, medium_busy;
  logic [63:0] compare;
  logic [7:0]  port_irq8;
  logic        st_present, st_read_only, st_cmd_valid, st_cmd_ready, st_done, st_error;
  logic        st_rvalid, st_rready, st_wvalid, st_wready;
  logic [63:0] st_blocks, st_cmd_block;
  logic [1:0]  st_cmd_op;
  logic [8:0]  st_cmd_count;
  logic [31:0] st_rdata, st_wdata;

  assign port_irq8 = 8'(port_irq);

  sys_regs #(
      .Ports    (Ports),
      .MemoryMiB(MemoryMiB),
      .ClockHz  (ClockHz),
      .Simulated(Simulated)
  ) sys_regs (
      .clk_i  (clk_i),
      .rst_ni (rst_ni),
      .stb_i  (reg_stb[0]),
      .we_i   (d_we),
      .adr_i  (d_adr[9:0]),
      .wdata_i(d_wdata),
      .rdata_o(reg_rdata[0*32+:32]),
      .epoch_i(epoch_i),
      .seed_i (seed_i),
      .stop_i (stop_i),
      .stop_o (stop),
      .phase_o(phase_o)
  );

  intc intc (
      .clk_i          (clk_i),
      .rst_ni         (rst_ni),
      .stb_i          (reg_stb[1]),
      .we_i           (d_we),
      .adr_i          (d_adr[9:0]),
      .wdata_i        (d_wdata),
      .ack_o          (intc_ack),
      .rdata_o        (reg_rdata[1*32+:32]),
      .source_i       ({port_irq8, 3'd0, stop, medium_irq, dma_irq, uart_irq, timer_irq}),
      .irq_o          (irq),
      .timer_enabled_o(timer_enabled),
      .waiting_o      (waiting)
  );

  timer timer (
      .clk_i         (clk_i),
      .rst_ni        (rst_ni),
      .stb_i         (reg_stb[2]),
      .we_i          (d_we),
      .adr_i         (d_adr[9:0]),
      .wdata_i       (d_wdata),
      .rdata_o       (reg_rdata[2*32+:32]),
      .slept_valid_i (slept_valid_i),
      .slept_cycles_i(slept_cycles_i),
      .time_o        (time_o),
      .irq_o         (timer_irq),
      .armed_o       (timer_armed),
      .compare_o     (compare)
  );

  uart #(
      .Divisor(UartDivisor)
  ) uart (
      .clk_i  (engine_clk_i),
      .rst_ni (rst_ni),
      .stb_i  (reg_stb[3]),
      .we_i   (d_we),
      .adr_i  (d_adr[9:0]),
      .wdata_i(d_wdata),
      .rdata_o(reg_rdata[3*32+:32]),
      .irq_o  (uart_irq),
      .busy_o (uart_busy),
      .tx_o   (uart_tx_o),
      .rx_i   (uart_rx_i)
  );

  assign sleeping_o  = waiting && mem_idle && !i_stb && !dma_busy && !medium_busy && !uart_busy &&
                       port_busy == 0;
  assign engine_need_o = reg_stb[5:3] != 0 || dma_busy || medium_busy || !st_cmd_ready || uart_busy ||
                         !uart_rx_i;
  assign wake_time_o = timer_armed && timer_enabled ? compare : '1;

  dma #(
      .MemoryMiB(MemoryMiB)
  ) dma (
      .clk_i     (engine_clk_i),
      .rst_ni    (rst_ni),
      .stb_i     (reg_stb[4]),
      .we_i      (d_we),
      .adr_i     (d_adr[9:0]),
      .wdata_i   (d_wdata),
      .rdata_o   (reg_rdata[4*32+:32]),
      .irq_o     (dma_irq),
      .busy_o    (dma_busy),
      .m_valid_o (m_valid[MastersDma]),
      .m_ready_i (m_ready[MastersDma]),
      .m_write_o (m_write[MastersDma]),
      .m_addr_o  (m_addr[MastersDma*28+:28]),
      .m_len_o   (m_len[MastersDma*7+:7]),
      .m_wdata_o (m_wdata[MastersDma*32+:32]),
      .m_wstrb_o (m_wstrb[MastersDma*4+:4]),
      .m_wready_i(m_wready[MastersDma]),
      .m_rvalid_i(m_rvalid[MastersDma]),
      .m_rdata_i (m_rdata)
  );

  // ---- medium
  medium_ctrl #(
      .MemoryMiB(MemoryMiB)
  ) medium_ctrl (
      .clk_i         (engine_clk_i),
      .rst_ni        (rst_ni),
      .stb_i         (reg_stb[5]),
      .we_i          (d_we),
      .adr_i         (d_adr[9:0]),
      .wdata_i       (d_wdata),
      .rdata_o       (reg_rdata[5*32+:32]),
      .irq_o         (medium_irq),
      .busy_o        (medium_busy),
      .m_valid_o     (m_valid[MastersMedium]),
      .m_ready_i     (m_ready[MastersMedium]),
      .m_write_o     (m_write[MastersMedium]),
      .m_addr_o      (m_addr[MastersMedium*28+:28]),
      .m_len_o       (m_len[MastersMedium*7+:7]),
      .m_wdata_o     (m_wdata[MastersMedium*32+:32]),
      .m_wstrb_o     (m_wstrb[MastersMedium*4+:4]),
      .m_wready_i    (m_wready[MastersMedium]),
      .m_rvalid_i    (m_rvalid[MastersMedium]),
      .m_rdata_i     (m_rdata),
      .st_present_i  (st_present),
      .st_read_only_i(st_read_only),
      .st_blocks_i   (st_blocks),
      .st_cmd_valid_o(st_cmd_valid),
      .st_cmd_ready_i(st_cmd_ready),
      .st_cmd_op_o   (st_cmd_op),
      .st_cmd_block_o(st_cmd_block),
      .st_cmd_count_o(st_cmd_count),
      .st_done_i     (st_done),
      .st_error_i    (st_error),
      .st_rvalid_i   (st_rvalid),
      .st_rready_o   (st_rready),
      .st_rdata_i    (st_rdata),
      .st_wvalid_o   (st_wvalid),
      .st_wready_i   (st_wready),
      .st_wdata_o    (st_wdata)
  );

  storage_sim #(
      .CommandLatency(MediumLatency),
      .WordCycles    (MediumWordCycles)
  ) storage (
      .clk_i      (engine_clk_i),
      .rst_ni     (rst_ni),
      .present_o  (st_present),
      .read_only_o(st_read_only),
      .blocks_o   (st_blocks),
      .cmd_valid_i(st_cmd_valid),
      .cmd_ready_o(st_cmd_ready),
      .cmd_op_i   (st_cmd_op),
      .cmd_block_i(st_cmd_block),
      .cmd_count_i(st_cmd_count),
      .done_o     (st_done),
      .error_o    (st_error),
      .rvalid_o   (st_rvalid),
      .rready_i   (st_rready),
      .rdata_o    (st_rdata),
      .wvalid_i   (st_wvalid),
      .wready_o   (st_wready),
      .wdata_i    (st_wdata)
  );

  // ---- ports
  for (genvar p = 0; p < Ports; p++) begin : g_port
    port #(
        .Port (p),
        .Slots(Slots)
    ) port (
        .clk_i           (port_clk_i[p]),
        .rst_ni          (rst_ni),
        .wb_cyc_i        (port_stb[p]),
        .wb_stb_i        (port_stb[p]),
        .wb_we_i         (d_we),
        .wb_adr_i        (d_adr[13:0]),
        .wb_sel_i        (d_sel),
        .wb_dat_i        (d_wdata),
        .wb_dat_o        (port_rdata[p*32+:32]),
        .wb_ack_o        (port_ack[p]),
        .irq_o           (port_irq[p]),
        .busy_o          (port_busy[p]),
        .need_o          (port_need_o[p]),
        .m_valid_o       (m_valid[p]),
        .m_ready_i       (m_ready[p]),
        .m_write_o       (m_write[p]),
        .m_addr_o        (m_addr[p*28+:28]),
        .m_len_o         (m_len[p*7+:7]),
        .m_wdata_o       (m_wdata[p*32+:32]),
        .m_wstrb_o       (m_wstrb[p*4+:4]),
        .m_wready_i      (m_wready[p]),
        .m_rvalid_i      (m_rvalid[p]),
        .m_rdata_i       (m_rdata),
        .link_clk_i      (link_clk_i[p]),
        .link_rst_ni     (link_rst_ni[p]),
        .link_up_i       (link_up_i[p]),
        .link_cmd_valid_i(link_cmd_valid_i[p]),
        .link_cmd_ready_o(link_cmd_ready_o[p]),
        .link_cmd_write_i(link_cmd_write_i[p]),
        .link_cmd_addr_i (link_cmd_addr_i[p*23+:23]),
        .link_cmd_len_i  (link_cmd_len_i[p*11+:11]),
        .link_wvalid_i   (link_wvalid_i[p]),
        .link_wready_o   (link_wready_o[p]),
        .link_wdata_i    (link_wdata_i[p*32+:32]),
        .link_rvalid_o   (link_rvalid_o[p]),
        .link_rready_i   (link_rready_i[p]),
        .link_rdata_o    (link_rdata_o[p*32+:32]),
        .link_irq_o      (link_irq_o[p])
    );
  end

  // ---- memory
  logic        mem_valid, mem_ready, mem_write, mem_wready, mem_rvalid;
  logic [27:0] mem_addr;
  logic [6:0]  mem_len;
  logic [31:0] mem_wdata, mem_sim_rdata;
  logic [3:0]  mem_wstrb;

  mem_arbiter #(
      .Masters(Masters)
  ) mem_arbiter (
      .clk_i     (clk_i),
      .rst_ni    (rst_ni),
      .s_valid_i (m_valid),
      .s_ready_o (m_ready),
      .s_write_i (m_write),
      .s_addr_i  (m_addr),
      .s_len_i   (m_len),
      .s_wdata_i (m_wdata),
      .s_wstrb_i (m_wstrb),
      .s_wready_o(m_wready),
      .s_rvalid_o(m_rvalid),
      .s_rdata_o (m_rdata),
      .m_valid_o (mem_valid),
      .m_ready_i (mem_ready),
      .m_write_o (mem_write),
      .m_addr_o  (mem_addr),
      .m_len_o   (mem_len),
      .m_wdata_o (mem_wdata),
      .m_wstrb_o (mem_wstrb),
      .m_wready_i(mem_wready),
      .m_rvalid_i(mem_rvalid),
      .m_rdata_i (mem_sim_rdata)
  );

  mem_sim #(
      .MemoryMiB(MemoryMiB)
  ) mem_sim (
      .clk_i     (clk_i),
      .rst_ni    (rst_ni),
      .s_valid_i (mem_valid),
      .s_ready_o (mem_ready),
      .s_write_i (mem_write),
      .s_addr_i  (mem_addr),
      .s_len_i   (mem_len),
      .s_wdata_i (mem_wdata),
      .s_wstrb_i (mem_wstrb),
      .s_wready_o(mem_wready),
      .s_rvalid_o(mem_rvalid),
      .s_rdata_o (mem_sim_rdata)
  );
endmodule

`default_nettype wire
