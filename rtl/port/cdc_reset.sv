// SPDX-License-Identifier: BSD-2-Clause
// A reset for another clock: asserted at once, even while that clock stands still, released with it.
`default_nettype none

module cdc_reset (
    input  wire logic clk_i,
    /* verilator lint_off SYNCASYNCNET */
    input  wire logic rst_ni,  // asynchronous
    /* verilator lint_on SYNCASYNCNET */
    output logic      rst_no   // low for at least two edges of clk_i
);
    logic meta_q;

    always_ff @(posedge clk_i or negedge rst_ni)
        if (!rst_ni) begin
            meta_q <= 1'b0;
            rst_no <= 1'b0;
        end else begin
            meta_q <= 1'b1;
            rst_no <= meta_q;
        end
endmodule

`default_nettype wire
