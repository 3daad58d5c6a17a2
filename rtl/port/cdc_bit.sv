// SPDX-License-Identifier: BSD-2-Clause
// Two flip-flops that bring levels, each on its own, into another clock.
`default_nettype none

module cdc_bit #(
    parameter int unsigned      Width = 1,
    parameter logic [Width-1:0] Reset = '0
) (
    input  wire logic             clk_i,
    input  wire logic             rst_ni,
    input  wire logic [Width-1:0] d_i,  // from a flip-flop of another clock, or asynchronous
    output logic      [Width-1:0] q_o
);
    logic [Width-1:0] meta_q;

    always_ff @(posedge clk_i)
        if (!rst_ni) begin
            meta_q <= Reset;
            q_o    <= Reset;
        end else begin
            meta_q <= d_i;
            q_o    <= meta_q;
        end
endmodule

`default_nettype wire
