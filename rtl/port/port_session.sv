// SPDX-License-Identifier: BSD-2-Clause
// Opens and closes the traffic between the two clocks of a port when its link goes up or down.
//
// A link that is down or in reset for as little as one edge of its clock closes the session. The link side stops
// in the middle of what it did and holds still; the device side ends its memory bursts, empties its
// ends of the FIFOs and says so; the link side empties its ends. Only then, and when the link is up
// again, a new session opens. A link clock that stands still delays this and holds up nothing else.
//
//   link_open_o ___/~~~\______________/~~~     link side may start and go on
//   down_q      ~~~\___/~~~~~~~~~~\_______
//   dev_drop_o  ~~~~\___/~~~~~~~~~~\______     device side ends what it does
//   flush_q     ~~~~~\______/~~~~~~~\_____     FIFO ends of the device side cleared
//   link_clear_o~~~~~~\______/~~~~~~~\____     FIFO ends of the link side cleared
`default_nettype none

module port_session (
    input  wire logic link_clk_i,
    input  wire logic link_por_ni,  // device reset, in the link's clock
    input  wire logic link_rst_ni,  // both in the link's clock
    input  wire logic link_up_i,
    output logic      link_open_o,
    output logic      link_clear_o,

    input  wire logic clk_i,
    input  wire logic rst_ni,
    input  wire logic dev_idle_i,   // nothing is under way to or from memory
    output logic      dev_drop_o,
    output logic      dev_clear_o,
    output logic      dev_up_o,     // a host is connected
    output logic      dev_busy_o    // the link's clock is needed to open or close the session
);
    // ------------------------------------------------------------------ link clock
    logic ack_l, down_q, flush_q;

    cdc_bit #(
        .Reset(1'b1)
    ) u_ack (.clk_i(link_clk_i), .rst_ni(link_por_ni), .d_i(flush_q), .q_o(ack_l));

    assign link_open_o  = !down_q && !ack_l;
    assign link_clear_o = ack_l;

    always_ff @(posedge link_clk_i)
        if (!link_por_ni || !link_rst_ni || !link_up_i) down_q <= 1'b1;
        else if (ack_l) down_q <= 1'b0;

    // ------------------------------------------------------------------ device clock
    logic up_d;

    cdc_bit #(
        .Reset(1'b1)
    ) u_drop (.clk_i, .rst_ni, .d_i(down_q), .q_o(dev_drop_o));
    cdc_bit u_up_d (.clk_i, .rst_ni, .d_i(link_up_i), .q_o(up_d));

    assign dev_clear_o = flush_q;
    assign dev_up_o    = up_d && !dev_drop_o && !flush_q;
    assign dev_busy_o  = dev_drop_o != flush_q || up_d == dev_drop_o;

    always_ff @(posedge clk_i)
        if (!rst_ni) flush_q <= 1'b1;
        else if (!dev_drop_o) flush_q <= 1'b0;
        else if (dev_idle_i) flush_q <= 1'b1;
endmodule

`default_nettype wire
