// SPDX-License-Identifier: BSD-2-Clause
// FIFO of words in block RAM whose oldest word stands at the output.
`default_nettype none

module word_fifo #(
    parameter int unsigned Depth = 256  // power of two
) (
    input  wire logic                   clk_i,
    input  wire logic                   clear_i,
    input  wire logic                   push_i,   // the user knows that there is room
    input  wire logic [31:0]            wdata_i,
    input  wire logic                   pop_i,    // only while count_o is not zero
    output logic [31:0]                 rdata_o,
    output logic [$clog2(Depth):0]      count_o   // words that can be popped one after the other
);
  localparam int unsigned Width = $clog2(Depth);

  // A pushed word counts one cycle later: then the output register has it.
  logic [31:0]      mem[Depth];
  logic [Width-1:0] head_q, tail_q;
  logic [Width:0]   count_q;
  logic             pushed_q;

  assign count_o = count_q;

  always_ff @(posedge clk_i) begin
    if (clear_i) begin
      head_q   <= '0;
      tail_q   <= '0;
      count_q  <= '0;
      pushed_q <= 1'b0;
    end else if (push_i || pop_i || pushed_q) begin
      if (push_i) tail_q <= tail_q + 1'b1;
      if (pop_i) head_q <= head_q + 1'b1;
      pushed_q <= push_i;
      if (pushed_q != pop_i) count_q <= pop_i ? count_q - 1'b1 : count_q + 1'b1;
    end
  end

  always_ff @(posedge clk_i) if (push_i) mem[tail_q] <= wdata_i;

  always_ff @(posedge clk_i) if (pop_i || pushed_q) rdata_o <= mem[head_q+Width'(pop_i)];

`ifdef FORMAL
  always_ff @(posedge clk_i) begin
    if (pop_i && !clear_i) assert (count_q != 0);
    if (push_i && !clear_i) assert (tail_q - head_q != Width'(Depth - 1) || pop_i);
  end
`endif
endmodule

`default_nettype wire
