// SPDX-License-Identifier: BSD-2-Clause
// Control of a word of many bits that goes from one clock to another, whole (two-phase handshake).
//
// At an edge with s_send_i and s_ready_o the source puts the word into registers of its own, and then
// leaves them alone until s_ready_o is high again. Two edges of the destination's clock later
// d_load_o is high for one cycle: the destination stores what is in those registers.
`default_nettype none

module cdc_word (
    input  wire logic s_clk_i,
    input  wire logic s_rst_ni,
    input  wire logic s_send_i,
    output logic      s_ready_o,

    input  wire logic d_clk_i,
    input  wire logic d_rst_ni,
    output logic      d_load_o
);
    logic req_q, ack_m, ack_s;  // source
    logic req_m, req_s, ack_q;  // destination

    assign s_ready_o = req_q == ack_s;
    assign d_load_o  = req_s != ack_q;

    always_ff @(posedge s_clk_i)
        if (!s_rst_ni) begin
            req_q <= 1'b0;
            ack_m <= 1'b0;
            ack_s <= 1'b0;
        end else if (!s_ready_o) begin
            ack_m <= ack_q;
            ack_s <= ack_m;
        end else if (s_send_i) req_q <= !req_q;

    always_ff @(posedge d_clk_i)
        if (!d_rst_ni) begin
            req_m <= 1'b0;
            req_s <= 1'b0;
            ack_q <= 1'b0;
        end else begin
            req_m <= req_q;
            req_s <= req_m;
            ack_q <= req_s;
        end
endmodule

`default_nettype wire
