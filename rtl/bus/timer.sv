// SPDX-License-Identifier: BSD-2-Clause
// Timer (rtl/regs/timer.toml): device time, which goes on while the clock is stopped, and one alarm.
`default_nettype none

module timer (
    input  wire logic        clk_i,
    input  wire logic        rst_ni,

    input  wire logic        stb_i,
    input  wire logic        we_i,
    input  wire logic [9:0]  adr_i,
    input  wire logic [31:0] wdata_i,
    output logic [31:0]      rdata_o,

    input  wire logic        slept_valid_i,
    input  wire logic [63:0] slept_cycles_i,
    output logic [63:0]      time_o,
    output logic             irq_o,
    output logic             armed_o,
    output logic [63:0]      compare_o
);
  `include "timer_regs.svh"

  logic [63:0] time_q, compare_q;
  logic [31:0] time_hi_q;
  logic        armed_q, irq_q;

  assign time_o    = time_q;
  assign irq_o     = irq_q;
  assign armed_o   = armed_q;
  assign compare_o = compare_q;

  always_comb begin
    unique case (adr_i)
      10'(TIMER_TIME_LO >> 2):    rdata_o = time_q[31:0];
      10'(TIMER_TIME_HI >> 2):    rdata_o = time_hi_q;
      10'(TIMER_COMPARE_LO >> 2): rdata_o = compare_q[31:0];
      10'(TIMER_COMPARE_HI >> 2): rdata_o = compare_q[63:32];
      default:                    rdata_o = '0;
    endcase
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      time_q    <= '0;
      time_hi_q <= '0;
      compare_q <= '0;
      armed_q   <= 1'b0;
      irq_q     <= 1'b0;
    end else begin
      time_q <= time_q + 64'd1;
      if (slept_valid_i) time_q <= time_q + slept_cycles_i + 64'd1;
      irq_q <= armed_q && time_q >= compare_q;
      if (stb_i && !we_i && adr_i == 10'(TIMER_TIME_LO >> 2)) time_hi_q <= time_q[63:32];
      if (stb_i && we_i && adr_i == 10'(TIMER_COMPARE_LO >> 2)) begin
        compare_q[31:0] <= wdata_i;
        armed_q         <= 1'b0;
        irq_q           <= 1'b0;
      end
      if (stb_i && we_i && adr_i == 10'(TIMER_COMPARE_HI >> 2)) begin
        compare_q[63:32] <= wdata_i;
        armed_q          <= 1'b1;
        irq_q            <= 1'b0;
      end
    end
  end
endmodule

`default_nettype wire
