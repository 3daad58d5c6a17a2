// SPDX-License-Identifier: BSD-2-Clause
// Interrupt controller (rtl/regs/intc.toml), with the register on which the core sleeps.
`default_nettype none

module intc (
    input  wire logic        clk_i,
    input  wire logic        rst_ni,

    input  wire logic        stb_i,
    input  wire logic        we_i,
    input  wire logic [9:0]  adr_i,   // word in the block
    input  wire logic [31:0] wdata_i,
    output logic             ack_o,
    output logic [31:0]      rdata_o,

    input  wire logic [15:0] source_i,
    output logic             irq_o,
    output logic             timer_enabled_o,
    output logic             waiting_o         // the core sleeps in WAIT
);
  `include "intc_regs.svh"

  logic [15:0] enable_q, active;
  logic        wait_read;

  assign active          = source_i & enable_q;
  assign irq_o           = active != 0;
  assign wait_read       = adr_i == 10'(INTC_WAIT >> 2) && !we_i;
  assign ack_o           = stb_i && (!wait_read || irq_o);
  assign waiting_o       = stb_i && wait_read && !irq_o;
  assign timer_enabled_o = enable_q[INTC_IRQ_TIMER[3:0]];

  always_comb begin
    unique case (adr_i)
      10'(INTC_PENDING >> 2): rdata_o = {16'd0, source_i};
      10'(INTC_ENABLE >> 2):  rdata_o = {16'd0, enable_q};
      10'(INTC_WAIT >> 2):    rdata_o = {16'd0, active};
      default:                rdata_o = '0;
    endcase
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) enable_q <= '0;
    else if (stb_i && we_i && adr_i == 10'(INTC_ENABLE >> 2)) enable_q <= wdata_i[15:0];
  end
endmodule

`default_nettype wire
