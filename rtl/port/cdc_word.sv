// SPDX-License-Identifier: BSD-2-Clause
// A word of many bits from one clock to another, whole, by a two-phase handshake.
//
// s_valid_i with s_ready_o takes s_data_i. Three edges of the destination's clock later d_load_o is
// high for one cycle, with the word on d_data_o: the destination stores it there. s_ready_o is low
// until the source knows of that.
`default_nettype none

module cdc_word #(
    parameter int unsigned Width = 32
) (
    input  wire logic             s_clk_i,
    input  wire logic             s_rst_ni,
    input  wire logic             s_valid_i,
    output logic                  s_ready_o,
    input  wire logic [Width-1:0] s_data_i,

    input  wire logic             d_clk_i,
    input  wire logic             d_rst_ni,
    output logic                  d_load_o,
    output logic [Width-1:0]      d_data_o
);
    logic [Width-1:0] data_q;  // does not change between a request and its acknowledgement
    logic             req_q, req_d, ack_q, ack_s;

    cdc_bit u_req (.clk_i(d_clk_i), .rst_ni(d_rst_ni), .d_i(req_q), .q_o(req_d));
    cdc_bit u_ack (.clk_i(s_clk_i), .rst_ni(s_rst_ni), .d_i(ack_q), .q_o(ack_s));

    assign s_ready_o = req_q == ack_s;
    assign d_load_o  = req_d != ack_q;
    assign d_data_o  = data_q;

    always_ff @(posedge s_clk_i)
        if (!s_rst_ni) req_q <= 1'b0;
        else if (s_valid_i && s_ready_o) begin
            req_q  <= !req_q;
            data_q <= s_data_i;
        end

    always_ff @(posedge d_clk_i)
        if (!d_rst_ni) ack_q <= 1'b0;
        else if (d_load_o) ack_q <= req_d;
endmodule

`default_nettype wire
