// SPDX-License-Identifier: BSD-2-Clause
// System registers (rtl/regs/sys.toml).
`default_nettype none

module sys_regs #(
    parameter int unsigned Ports     = 4,
    parameter int unsigned MemoryMiB = 32,
    parameter int unsigned ClockHz   = 50_000_000,
    parameter bit          Simulated = 1'b1
) (
    input  wire logic        clk_i,
    input  wire logic        rst_ni,

    input  wire logic        stb_i,
    input  wire logic        we_i,
    input  wire logic [9:0]  adr_i,
    input  wire logic [31:0] wdata_i,
    output logic [31:0]      rdata_o,

    input  wire logic [63:0] epoch_i,
    input  wire logic [31:0] seed_i,
    input  wire logic        stop_i,
    output logic             stop_o,
    output logic [31:0]      phase_o
);
  `include "sys_regs.svh"

  // Nothing read by the core depends on a pin within the cycle: this keeps the pins' timing, and the
  // work of a simulator for every change of a pin, small.
  logic [63:0] cycle_q, epoch_q;
  logic [31:0] cycle_hi_q, copied_q, seed_q;

  always_comb begin
    unique case (adr_i)
      10'(SYS_ID >> 2):          rdata_o = 32'h4B44504D;
      10'(SYS_CONFIG >> 2):      rdata_o = {Simulated, 7'd0, 16'(MemoryMiB), 8'(Ports)};
      10'(SYS_CLOCK_HZ >> 2):    rdata_o = 32'(ClockHz);
      10'(SYS_EPOCH_LO >> 2):    rdata_o = epoch_q[31:0];
      10'(SYS_EPOCH_HI >> 2):    rdata_o = epoch_q[63:32];
      10'(SYS_PHASE >> 2):       rdata_o = phase_o;
      10'(SYS_CORE_COPIED >> 2): rdata_o = copied_q;
      10'(SYS_STOP >> 2):        rdata_o = {31'd0, stop_o};
      10'(SYS_SEED >> 2):        rdata_o = seed_q;
      10'(SYS_CYCLE_LO >> 2):    rdata_o = cycle_q[31:0];
      10'(SYS_CYCLE_HI >> 2):    rdata_o = cycle_hi_q;
      default:                   rdata_o = '0;
    endcase
  end

  always_ff @(posedge clk_i) begin
    stop_o <= stop_i;
    if (!rst_ni) begin
      epoch_q    <= epoch_i;
      seed_q     <= seed_i;
      cycle_q    <= '0;
      cycle_hi_q <= '0;
      copied_q   <= '0;
      phase_o    <= '0;
    end else begin
      cycle_q <= cycle_q + 1'b1;
      if (stb_i && !we_i && adr_i == 10'(SYS_CYCLE_LO >> 2)) cycle_hi_q <= cycle_q[63:32];
      if (stb_i && we_i && adr_i == 10'(SYS_PHASE >> 2)) phase_o <= wdata_i;
      if (stb_i && we_i && adr_i == 10'(SYS_CORE_COPIED >> 2)) copied_q <= wdata_i;
    end
  end
endmodule

`default_nettype wire
