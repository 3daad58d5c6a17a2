// SPDX-License-Identifier: BSD-2-Clause
// Registers of a port, the host's and the core's, and what carries them between the two clocks.
//
// Two words cross whole: what the host wrote and the link counted, with the events that go with it,
// and what the core wrote, with the interrupts that go with it. A change that happens while a word
// is crossing goes with the next; the newest value always arrives, and no event is lost.
`default_nettype none

module port_regs #(
    parameter int unsigned Port  = 0,
    parameter int unsigned Slots = 1024
) (
    // ------------------------------------------------------------------ link clock
    input  wire logic        link_clk_i,
    input  wire logic        link_por_ni,
    input  wire logic        link_open_i,
    input  wire logic        h_re_i,
    input  wire logic        h_we_i,
    input  wire logic [9:0]  h_addr_i,     // word
    input  wire logic [31:0] h_data_i,
    output logic [31:0]      h_data_o,     // one cycle after h_re_i, and held
    input  wire logic        denied_i,     // one more burst denied
    input  wire logic        moved_i,      // words moved through the window, to add
    input  wire logic        moved_write_i,
    input  wire logic [10:0] moved_words_i,
    output logic             h_fenced_o,
    output logic             link_irq_o,
    output logic             link_busy_o,  // a word is on its way

    // ------------------------------------------------------------------ device clock
    input  wire logic        clk_i,
    input  wire logic        rst_ni,
    input  wire logic        d_re_i,
    input  wire logic        d_we_i,
    input  wire logic [9:0]  d_addr_i,
    input  wire logic [31:0] d_data_i,
    output logic [31:0]      d_data_o,
    input  wire logic        dev_up_i,
    output logic             fence_o,
    output logic             fence_mark_o, // the cycle after a write that sets FENCE
    output logic             irq_o,
    output logic             dev_busy_o
);
    `include "port_host_regs.svh"
    `include "port_device_regs.svh"

    localparam logic [31:0] Config = (Port << PORT_HOST_CONFIG_PORT_LSB)
                                   | (Slots << PORT_HOST_CONFIG_SLOTS_LSB);

    function automatic logic [31:0] with_fence(input logic [23:0] status, input logic fenced);
        with_fence = {8'd0, status} & ~PORT_HOST_STATUS_FENCED_MASK;
        if (fenced) with_fence = with_fence | PORT_HOST_STATUS_FENCED_MASK;
    endfunction

    // ------------------------------------------------------------------ the crossings
    // h_: link clock, up_: a word on its way to the core; d_: device clock, down_: one to the host
    logic [15:0] h_sq_tail_q, h_cq_head_q, up_sq_tail_q, up_cq_head_q;
    logic [31:0] h_heartbeat_q, up_heartbeat_q;
    logic [2:0]  h_event_q, up_event_q;  // DOORBELL, ATTACH, DETACH, not yet sent
    logic [31:0] h_denied_q, h_read_q, h_written_q, up_denied_q, up_read_q, up_written_q;
    logic        h_dirty_q, up_ready, up_load;

    cdc_word u_up (
        .s_clk_i  (link_clk_i),
        .s_rst_ni (link_por_ni),
        .s_send_i (h_dirty_q),
        .s_ready_o(up_ready),
        .d_clk_i  (clk_i),
        .d_rst_ni (rst_ni),
        .d_load_o (up_load)
    );

    logic        fence_q;
    logic [23:0] d_status_q, down_status_q;
    logic [27:0] d_geometry_q, down_geometry_q;
    logic [15:0] d_sq_head_q, d_cq_tail_q, down_sq_head_q, down_cq_tail_q;
    logic [31:0] d_heartbeat_q, down_heartbeat_q;
    logic [1:0]  d_irq_q, down_irq_q;  // COMPLETION, STATUS, not yet sent
    logic        d_dirty_q, down_ready, down_load;

    cdc_word u_down (
        .s_clk_i  (clk_i),
        .s_rst_ni (rst_ni),
        .s_send_i (d_dirty_q),
        .s_ready_o(down_ready),
        .d_clk_i  (link_clk_i),
        .d_rst_ni (link_por_ni),
        .d_load_o (down_load)
    );

    cdc_bit #(
        .Reset(1'b1)
    ) u_fence (.clk_i(link_clk_i), .rst_ni(link_por_ni), .d_i(fence_q), .q_o(h_fenced_o));

    // ------------------------------------------------------------------ host side, link clock
    logic [23:0] h_status_q;
    logic [27:0] h_geometry_q;
    logic [15:0] h_sq_head_q, h_cq_tail_q;
    logic [31:0] h_dev_heartbeat_q;
    logic [1:0]  irq_status_q, irq_enable_q;

    assign link_irq_o  = (irq_status_q & irq_enable_q) != 2'b00;
    assign link_busy_o = h_dirty_q || !up_ready;

    always_ff @(posedge link_clk_i)
        if (h_re_i)
            unique case ({20'd0, h_addr_i, 2'b00})
                PORT_HOST_ID:               h_data_o <= PORT_HOST_ID_VALUE;
                PORT_HOST_VERSION:          h_data_o <= PORT_HOST_VERSION_VALUE;
                PORT_HOST_CONFIG:           h_data_o <= Config;
                PORT_HOST_GEOMETRY:         h_data_o <= {4'd0, h_geometry_q};
                PORT_HOST_STATUS:           h_data_o <= with_fence(h_status_q, h_fenced_o);
                PORT_HOST_SQ_TAIL:          h_data_o <= {16'd0, h_sq_tail_q};
                PORT_HOST_SQ_HEAD:          h_data_o <= {16'd0, h_sq_head_q};
                PORT_HOST_CQ_TAIL:          h_data_o <= {16'd0, h_cq_tail_q};
                PORT_HOST_CQ_HEAD:          h_data_o <= {16'd0, h_cq_head_q};
                PORT_HOST_IRQ_STATUS:       h_data_o <= {30'd0, irq_status_q};
                PORT_HOST_IRQ_ENABLE:       h_data_o <= {30'd0, irq_enable_q};
                PORT_HOST_HEARTBEAT:        h_data_o <= h_heartbeat_q;
                PORT_HOST_DEVICE_HEARTBEAT: h_data_o <= h_dev_heartbeat_q;
                PORT_HOST_DENIED:           h_data_o <= h_denied_q;
                PORT_HOST_BYTES_READ:       h_data_o <= h_read_q;
                PORT_HOST_BYTES_WRITTEN:    h_data_o <= h_written_q;
                default:                    h_data_o <= 32'd0;
            endcase

    always_ff @(posedge link_clk_i)
        if (!link_por_ni) begin
            h_sq_tail_q       <= '0;
            h_cq_head_q       <= '0;
            h_heartbeat_q     <= '0;
            h_event_q         <= '0;
            h_dirty_q         <= 1'b0;
            h_denied_q        <= '0;
            h_read_q          <= '0;
            h_written_q       <= '0;
            h_status_q        <= '0;
            h_geometry_q      <= '0;
            h_sq_head_q       <= '0;
            h_cq_tail_q       <= '0;
            h_dev_heartbeat_q <= '0;
            irq_status_q      <= '0;
            irq_enable_q      <= '0;
        end else if (h_dirty_q || h_we_i || down_load || denied_i || moved_i ||
                     (!link_open_i && irq_enable_q != 2'b00)) begin
            if (h_dirty_q && up_ready) begin
                up_sq_tail_q   <= h_sq_tail_q;
                up_cq_head_q   <= h_cq_head_q;
                up_heartbeat_q <= h_heartbeat_q;
                up_event_q     <= h_event_q;
                up_denied_q    <= h_denied_q;
                up_read_q      <= h_read_q;
                up_written_q   <= h_written_q;
                h_dirty_q      <= 1'b0;
                h_event_q      <= 3'b000;
            end

            if (h_we_i)
                unique case ({20'd0, h_addr_i, 2'b00})
                    PORT_HOST_CONTROL: begin
                        if (h_data_i[1:0] != 2'b00) begin
                            h_sq_tail_q <= '0;
                            h_cq_head_q <= '0;
                            h_dirty_q   <= 1'b1;
                        end
                        if (h_data_i[PORT_HOST_CONTROL_ATTACH_LSB]) h_event_q[1] <= 1'b1;
                        if (h_data_i[PORT_HOST_CONTROL_DETACH_LSB]) h_event_q[2] <= 1'b1;
                    end
                    PORT_HOST_SQ_TAIL: begin
                        h_sq_tail_q  <= h_data_i[15:0];
                        h_event_q[0] <= 1'b1;
                        h_dirty_q    <= 1'b1;
                    end
                    PORT_HOST_CQ_HEAD: begin
                        h_cq_head_q <= h_data_i[15:0];
                        h_dirty_q   <= 1'b1;
                    end
                    PORT_HOST_HEARTBEAT: begin
                        h_heartbeat_q <= h_data_i;
                        h_dirty_q     <= 1'b1;
                    end
                    PORT_HOST_IRQ_STATUS: irq_status_q <= irq_status_q & ~h_data_i[1:0];
                    PORT_HOST_IRQ_ENABLE: irq_enable_q <= h_data_i[1:0];
                    default: ;
                endcase

            if (down_load) begin
                h_status_q        <= down_status_q;
                h_geometry_q      <= down_geometry_q;
                h_sq_head_q       <= down_sq_head_q;
                h_cq_tail_q       <= down_cq_tail_q;
                h_dev_heartbeat_q <= down_heartbeat_q;
                // an interrupt wins over a clear in the same cycle
                if (h_we_i && {20'd0, h_addr_i, 2'b00} == PORT_HOST_IRQ_STATUS)
                    irq_status_q <= (irq_status_q & ~h_data_i[1:0]) | down_irq_q;
                else irq_status_q <= irq_status_q | down_irq_q;
            end

            if (denied_i) begin
                h_denied_q <= h_denied_q + 32'd1;
                h_dirty_q  <= 1'b1;
            end
            if (moved_i) begin
                if (moved_write_i) h_written_q <= h_written_q + {19'd0, moved_words_i, 2'b00};
                else h_read_q <= h_read_q + {19'd0, moved_words_i, 2'b00};
                h_dirty_q <= 1'b1;
            end

            if (!link_open_i) irq_enable_q <= 2'b00;  // the next host has its own wishes
        end

    // ------------------------------------------------------------------ core side, device clock
    logic [15:0] d_sq_tail_q, d_cq_head_q;
    logic [31:0] d_host_heartbeat_q;
    logic [31:0] d_denied_q, d_read_q, d_written_q;
    logic [3:0]  event_q, enable_q, event_set, event_clear;
    logic        up_q, mark_q;

    assign fence_o      = fence_q;
    assign fence_mark_o = mark_q;
    assign irq_o        = (event_q & enable_q) != 4'd0;
    assign dev_busy_o   = d_dirty_q || !down_ready;

    always_comb begin
        event_set   = {dev_up_i != up_q, 3'b000};
        event_clear = 4'd0;
        if (up_load) event_set[2:0] = up_event_q;
        if (d_we_i && {20'd0, d_addr_i, 2'b00} == PORT_DEVICE_EVENT) event_clear = d_data_i[3:0];
    end

    always_ff @(posedge clk_i)
        if (d_re_i)
            unique case ({20'd0, d_addr_i, 2'b00})
                PORT_DEVICE_CTRL:             d_data_o <= {31'd0, fence_q};
                PORT_DEVICE_STATUS:           d_data_o <= with_fence(d_status_q, fence_q);
                PORT_DEVICE_EVENT:            d_data_o <= {28'd0, event_q};
                PORT_DEVICE_EVENT_ENABLE:     d_data_o <= {28'd0, enable_q};
                PORT_DEVICE_SQ_TAIL:          d_data_o <= {16'd0, d_sq_tail_q};
                PORT_DEVICE_SQ_HEAD:          d_data_o <= {16'd0, d_sq_head_q};
                PORT_DEVICE_CQ_TAIL:          d_data_o <= {16'd0, d_cq_tail_q};
                PORT_DEVICE_CQ_HEAD:          d_data_o <= {16'd0, d_cq_head_q};
                PORT_DEVICE_HEARTBEAT:        d_data_o <= d_host_heartbeat_q;
                PORT_DEVICE_DEVICE_HEARTBEAT: d_data_o <= d_heartbeat_q;
                PORT_DEVICE_DENIED:           d_data_o <= d_denied_q;
                PORT_DEVICE_BYTES_READ:       d_data_o <= d_read_q;
                PORT_DEVICE_BYTES_WRITTEN:    d_data_o <= d_written_q;
                PORT_DEVICE_LINK_STATUS:      d_data_o <= {31'd0, up_q};
                PORT_DEVICE_GEOMETRY:         d_data_o <= {4'd0, d_geometry_q};
                PORT_DEVICE_CONFIG:           d_data_o <= Config;
                default:                      d_data_o <= 32'd0;
            endcase

    always_ff @(posedge clk_i)
        if (!rst_ni) begin
            fence_q            <= 1'b1;
            mark_q             <= 1'b0;
            d_status_q         <= '0;
            d_geometry_q       <= '0;
            d_sq_head_q        <= '0;
            d_cq_tail_q        <= '0;
            d_heartbeat_q      <= '0;
            d_irq_q            <= '0;
            d_dirty_q          <= 1'b0;
            d_sq_tail_q        <= '0;
            d_cq_head_q        <= '0;
            d_host_heartbeat_q <= '0;
            d_denied_q         <= '0;
            d_read_q           <= '0;
            d_written_q        <= '0;
            event_q            <= '0;
            enable_q           <= '0;
            up_q               <= 1'b0;
        end else if (d_dirty_q || d_we_i || mark_q || up_load || dev_up_i != up_q) begin
            if (d_dirty_q && down_ready) begin
                down_status_q    <= d_status_q;
                down_geometry_q  <= d_geometry_q;
                down_sq_head_q   <= d_sq_head_q;
                down_cq_tail_q   <= d_cq_tail_q;
                down_heartbeat_q <= d_heartbeat_q;
                down_irq_q       <= d_irq_q;
                d_dirty_q        <= 1'b0;
                d_irq_q          <= 2'b00;
            end

            mark_q <= 1'b0;
            if (d_we_i)
                unique case ({20'd0, d_addr_i, 2'b00})
                    PORT_DEVICE_CTRL: begin
                        fence_q <= d_data_i[PORT_DEVICE_CTRL_FENCE_LSB];
                        mark_q  <= d_data_i[PORT_DEVICE_CTRL_FENCE_LSB];
                        if (fence_q != d_data_i[PORT_DEVICE_CTRL_FENCE_LSB]) begin
                            d_irq_q[1] <= 1'b1;
                            d_dirty_q  <= 1'b1;
                        end
                    end
                    PORT_DEVICE_STATUS:
                    if (d_status_q != (d_data_i[23:0] & ~PORT_HOST_STATUS_FENCED_MASK[23:0])) begin
                        d_status_q <= d_data_i[23:0] & ~PORT_HOST_STATUS_FENCED_MASK[23:0];
                        d_irq_q[1] <= 1'b1;
                        d_dirty_q  <= 1'b1;
                    end
                    PORT_DEVICE_EVENT_ENABLE: enable_q <= d_data_i[3:0];
                    PORT_DEVICE_SQ_HEAD: begin
                        d_sq_head_q <= d_data_i[15:0];
                        d_dirty_q   <= 1'b1;
                    end
                    PORT_DEVICE_CQ_TAIL: begin
                        d_cq_tail_q <= d_data_i[15:0];
                        d_irq_q[0]  <= 1'b1;
                        d_dirty_q   <= 1'b1;
                    end
                    PORT_DEVICE_DEVICE_HEARTBEAT: begin
                        d_heartbeat_q <= d_data_i;
                        d_dirty_q     <= 1'b1;
                    end
                    PORT_DEVICE_GEOMETRY: begin
                        d_geometry_q <= d_data_i[27:0];
                        d_dirty_q    <= 1'b1;
                    end
                    default: ;
                endcase

            if (up_load) begin
                d_sq_tail_q        <= up_sq_tail_q;
                d_cq_head_q        <= up_cq_head_q;
                d_host_heartbeat_q <= up_heartbeat_q;
                d_denied_q         <= up_denied_q;
                d_read_q           <= up_read_q;
                d_written_q        <= up_written_q;
            end
            up_q    <= dev_up_i;
            event_q <= (event_q & ~event_clear) | event_set;
        end
endmodule

`default_nettype wire
