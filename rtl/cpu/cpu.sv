// SPDX-License-Identifier: BSD-2-Clause
// The soft core: VexRiscv IMACDebug with its two Wishbone masters and its debug bus.
`default_nettype none

module cpu #(
    parameter logic [31:0] ResetVector = 32'h0000_0000
) (
    input  wire logic        clk_i,
    input  wire logic        rst_ni,
    input  wire logic        irq_i,

    // instruction bus: reads only, always bursts of 8 words
    output logic             i_stb_o,
    output logic [29:0]      i_adr_o,
    output logic             i_last_o,
    input  wire logic        i_ack_i,
    input  wire logic [31:0] i_rdata_i,

    // data bus: single words and, for cache lines, read bursts of 8 words
    output logic             d_stb_o,
    output logic             d_we_o,
    output logic [29:0]      d_adr_o,
    output logic [3:0]       d_sel_o,
    output logic             d_burst_o,  // more words of the burst follow this one
    output logic [31:0]      d_wdata_o,
    input  wire logic        d_ack_i,
    input  wire logic [31:0] d_rdata_i,

    // debug bus of VexRiscv
    input  wire logic        debug_rst_ni,
    input  wire logic        debug_valid_i,
    output logic             debug_ready_o,
    input  wire logic        debug_write_i,
    input  wire logic [7:0]  debug_addr_i,
    input  wire logic [31:0] debug_wdata_i,
    output logic [31:0]      debug_rdata_o
);
  // The core has no use for bus errors (it ties them off inside), so none are made: an address where
  // nothing is reads as zero (bus.sv).
  logic       debug_reset, reset_q;
  logic [2:0] i_cti, d_cti;

  always_ff @(posedge clk_i) reset_q <= !rst_ni || debug_reset;

  assign i_last_o  = i_cti == 3'b111;
  assign d_burst_o = d_cti == 3'b010;

  // CYC follows STB in this core; the other outputs left open are constants.
  // verilator lint_off PINCONNECTEMPTY
  VexRiscv core (
      .clk                          (clk_i),
      .reset                        (reset_q),
      .debugReset                   (!debug_rst_ni),
      .externalResetVector          (ResetVector),
      .timerInterrupt               (1'b0),
      .softwareInterrupt            (1'b0),
      .externalInterruptArray       ({31'b0, irq_i}),
      .debug_bus_cmd_valid          (debug_valid_i),
      .debug_bus_cmd_ready          (debug_ready_o),
      .debug_bus_cmd_payload_wr     (debug_write_i),
      .debug_bus_cmd_payload_address(debug_addr_i),
      .debug_bus_cmd_payload_data   (debug_wdata_i),
      .debug_bus_rsp_data           (debug_rdata_o),
      .debug_resetOut               (debug_reset),
      .iBusWishbone_CYC             (),
      .iBusWishbone_STB             (i_stb_o),
      .iBusWishbone_ACK             (i_ack_i),
      .iBusWishbone_WE              (),
      .iBusWishbone_ADR             (i_adr_o),
      .iBusWishbone_DAT_MISO        (i_rdata_i),
      .iBusWishbone_DAT_MOSI        (),
      .iBusWishbone_SEL             (),
      .iBusWishbone_ERR             (1'b0),
      .iBusWishbone_CTI             (i_cti),
      .iBusWishbone_BTE             (),
      .dBusWishbone_CYC             (),
      .dBusWishbone_STB             (d_stb_o),
      .dBusWishbone_ACK             (d_ack_i),
      .dBusWishbone_WE              (d_we_o),
      .dBusWishbone_ADR             (d_adr_o),
      .dBusWishbone_DAT_MISO        (d_rdata_i),
      .dBusWishbone_DAT_MOSI        (d_wdata_o),
      .dBusWishbone_SEL             (d_sel_o),
      .dBusWishbone_ERR             (1'b0),
      .dBusWishbone_CTI             (d_cti),
      .dBusWishbone_BTE             ()
  );
  // verilator lint_on PINCONNECTEMPTY
endmodule

`default_nettype wire
