// SPDX-License-Identifier: BSD-2-Clause
// One host port: a link on one side, Wishbone slave, mport master and interrupt on the other.
//
// Here are the Wishbone slave and the wiring; README.md says what each part does.
`default_nettype none

module port #(
    parameter int unsigned Port  = 0,    // shown in CONFIG
    parameter int unsigned Slots = 1024  // slots of the window, at most 1024
) (
    // device clock
    input  wire logic        clk_i,
    input  wire logic        rst_ni,

    // Wishbone slave, 64 KiB (rtl/regs/port_device.toml), classic cycles, ack may take a while
    input  wire logic        wb_cyc_i,
    input  wire logic        wb_stb_i,
    input  wire logic        wb_we_i,
    input  wire logic [13:0] wb_adr_i,  // word address in the 64 KiB
    input  wire logic [3:0]  wb_sel_i,
    input  wire logic [31:0] wb_dat_i,
    output logic [31:0]      wb_dat_o,
    output logic             wb_ack_o,

    output logic             irq_o,
    output logic             busy_o,    // work or a clock crossing is under way
    output logic             need_o,    // clk_i, if it is gated, may not leave the next edge out

    // mport master (rtl/README.md)
    output logic             m_valid_o,
    input  wire logic        m_ready_i,
    output logic             m_write_o,
    output logic [27:0]      m_addr_o,
    output logic [6:0]       m_len_o,
    output logic [31:0]      m_wdata_o,
    output logic [3:0]       m_wstrb_o,
    input  wire logic        m_wready_i,
    input  wire logic        m_rvalid_i,
    input  wire logic [31:0] m_rdata_i,

    // link, in link_clk_i
    input  wire logic        link_clk_i,
    input  wire logic        link_rst_ni,
    input  wire logic        link_up_i,
    input  wire logic        link_cmd_valid_i,
    output logic             link_cmd_ready_o,
    input  wire logic        link_cmd_write_i,
    input  wire logic [22:0] link_cmd_addr_i,
    input  wire logic [10:0] link_cmd_len_i,
    input  wire logic        link_wvalid_i,
    output logic             link_wready_o,
    input  wire logic [31:0] link_wdata_i,
    output logic             link_rvalid_o,
    input  wire logic        link_rready_i,
    output logic [31:0]      link_rdata_o,
    output logic             link_irq_o
);
    // ------------------------------------------------------------------ session and link side
    logic        link_por_n, link_open, link_clear, link_sync;
    logic        link_front_busy, link_regs_busy, link_busy_q, link_busy_d;
    logic        dev_drop, dev_clear, dev_up, window_idle, window_busy, regs_busy, session_busy;

    cdc_reset u_por (.clk_i(link_clk_i), .rst_ni(rst_ni), .rst_no(link_por_n));

    port_session u_session (
        .link_clk_i,
        .link_por_ni (link_por_n),
        .link_rst_ni,
        .link_up_i,
        .link_open_o (link_open),
        .link_clear_o(link_clear),
        .clk_i,
        .rst_ni,
        .dev_idle_i  (window_idle),
        .dev_drop_o  (dev_drop),
        .dev_clear_o (dev_clear),
        .dev_up_o    (dev_up),
        .dev_busy_o  (session_busy)
    );

    logic        tx_valid, rx_valid, rx_ready;
    logic [8:0]  tx_wptr, tx_rptr;
    logic [32:0] tx_data, rx_data;
    logic        lring_en, lring_we;
    logic [11:0] local_addr;
    logic [31:0] lring_data;
    logic        h_re, h_we, h_fenced;
    logic [31:0] h_data;
    logic        denied, moved, moved_write;
    logic [10:0] moved_words;

    port_link u_link (
        .clk_i        (link_clk_i),
        .por_ni       (link_por_n),
        .open_i       (link_open),
        .sync_o       (link_sync),
        .busy_o       (link_front_busy),
        .cmd_valid_i  (link_cmd_valid_i),
        .cmd_ready_o  (link_cmd_ready_o),
        .cmd_write_i  (link_cmd_write_i),
        .cmd_addr_i   (link_cmd_addr_i),
        .cmd_len_i    (link_cmd_len_i),
        .wvalid_i     (link_wvalid_i),
        .wready_o     (link_wready_o),
        .wdata_i      (link_wdata_i),
        .rvalid_o     (link_rvalid_o),
        .rready_i     (link_rready_i),
        .rdata_o      (link_rdata_o),
        .tx_valid_o   (tx_valid),
        .tx_data_o    (tx_data),
        .tx_wptr_i    (tx_wptr),
        .tx_rptr_i    (tx_rptr),
        .rx_valid_i   (rx_valid),
        .rx_ready_o   (rx_ready),
        .rx_data_i    (rx_data),
        .ring_en_o    (lring_en),
        .ring_we_o    (lring_we),
        .local_addr_o (local_addr),
        .ring_data_i  (lring_data),
        .reg_re_o     (h_re),
        .reg_we_o     (h_we),
        .reg_data_i   (h_data),
        .fenced_i     (h_fenced),
        .denied_o     (denied),
        .moved_o      (moved),
        .moved_write_o(moved_write),
        .moved_words_o(moved_words)
    );

    // ------------------------------------------------------------------ Wishbone slave
    // Everything is acknowledged in the cycle after its request, but what has to wait: slots until
    // the table has been cleared after reset, and changes of slots and of the fence until no access
    // under the old state is under way.
    logic        is_slots, is_ring, is_regs, request, ack_q, settle_q;
    logic        from_slots_q, from_ring_q, from_nothing_q;
    logic        slots_ready, slots_en, slot_we, slot_mark_q, fence_mark, old;
    logic [9:0]  mark_slot_q;
    logic        fence, d_re, d_we, ring_en;
    logic [31:0] slot_entry, ring_data, reg_data;

    assign is_regs  = wb_adr_i[13:10] == 4'd0;
    assign is_slots = wb_adr_i[13:10] == 4'd1;
    assign is_ring  = wb_adr_i[13:12] == 2'b10;

    always_comb begin
        request  = 1'b0;
        slots_en = 1'b0;
        slot_we  = 1'b0;
        ring_en  = 1'b0;
        d_re     = 1'b0;
        d_we     = 1'b0;
        if (wb_cyc_i && wb_stb_i && !ack_q && !settle_q && (!is_slots || slots_ready)) begin
            request  = 1'b1;
            slots_en = is_slots && (!wb_we_i || wb_sel_i == 4'hF);
            slot_we  = slots_en && wb_we_i;
            ring_en  = is_ring;
            d_re     = is_regs && !wb_we_i;
            d_we     = is_regs && wb_we_i && wb_sel_i == 4'hF;
        end
    end

    assign wb_ack_o = ack_q;
    always_comb begin
        wb_dat_o = 32'd0;
        if (ack_q) begin
            if (from_ring_q) wb_dat_o = ring_data;
            else if (from_slots_q) wb_dat_o = slot_entry;
            else if (!from_nothing_q) wb_dat_o = reg_data;
        end
    end

    always_ff @(posedge clk_i)
        if (!rst_ni) begin
            ack_q       <= 1'b0;
            settle_q    <= 1'b0;
            slot_mark_q <= 1'b0;
        end else if (request || ack_q || settle_q) begin
            ack_q       <= 1'b0;
            slot_mark_q <= slot_we;
            if (request) begin
                from_slots_q   <= is_slots;
                from_ring_q    <= is_ring;
                from_nothing_q <= !is_slots && !is_ring && !is_regs;
                mark_slot_q    <= wb_adr_i[9:0];
                if (slot_we || (d_we && wb_adr_i[9:0] == 10'd0)) settle_q <= 1'b1;  // 0: CTRL
                else ack_q <= 1'b1;
            end else if (settle_q && !(slot_mark_q || fence_mark) && !old) begin
                settle_q <= 1'b0;
                ack_q    <= 1'b1;
            end
        end

    // ------------------------------------------------------------------ parts
    port_regs #(
        .Port (Port),
        .Slots(Slots)
    ) u_regs (
        .link_clk_i,
        .link_por_ni  (link_por_n),
        .link_open_i  (link_open),
        .h_re_i       (h_re),
        .h_we_i       (h_we),
        .h_addr_i     (local_addr[9:0]),
        .h_data_i     (tx_data[31:0]),
        .h_data_o     (h_data),
        .denied_i     (denied),
        .moved_i      (moved),
        .moved_write_i(moved_write),
        .moved_words_i(moved_words),
        .h_fenced_o   (h_fenced),
        .link_irq_o,
        .link_busy_o  (link_regs_busy),
        .clk_i,
        .rst_ni,
        .d_re_i       (d_re),
        .d_we_i       (d_we),
        .d_addr_i     (wb_adr_i[9:0]),
        .d_data_i     (wb_dat_i),
        .d_data_o     (reg_data),
        .dev_up_i     (dev_up),
        .fence_o      (fence),
        .fence_mark_o (fence_mark),
        .irq_o,
        .dev_busy_o   (regs_busy)
    );

    port_ring u_ring (
        .a_clk_i (link_clk_i),
        .a_en_i  (lring_en),
        .a_we_i  (lring_we),
        .a_addr_i(local_addr),
        .a_data_i(tx_data[31:0]),
        .a_data_o(lring_data),
        .b_clk_i (clk_i),
        .b_en_i  (ring_en),
        .b_we_i  (wb_we_i ? wb_sel_i : 4'h0),
        .b_addr_i(wb_adr_i[11:0]),
        .b_data_i(wb_dat_i),
        .b_data_o(ring_data)
    );

    logic        lookup;
    logic [9:0]  lookup_slot;
    logic [17:0] window_entry;

    port_slots #(
        .Slots(Slots)
    ) u_slots (
        .clk_i,
        .rst_ni,
        .ready_o     (slots_ready),
        .c_en_i      (slots_en),
        .c_we_i      (wb_we_i),
        .c_slot_i    (wb_adr_i[9:0]),
        .c_entry_i   (wb_dat_i),
        .c_entry_o   (slot_entry),
        .w_en_i      (lookup),
        .w_slot_i    (lookup_slot),
        .w_entry_o   (window_entry)
    );

    port_window u_window (
        .link_clk_i,
        .link_clear_i   (link_clear),
        .link_sync_i    (link_sync),
        .tx_valid_i     (tx_valid),
        .tx_data_i      (tx_data),
        .tx_wptr_o      (tx_wptr),
        .tx_rptr_o      (tx_rptr),
        .rx_valid_o     (rx_valid),
        .rx_ready_i     (rx_ready),
        .rx_data_o      (rx_data),
        .clk_i,
        .rst_ni,
        .drop_i         (dev_drop),
        .clear_i        (dev_clear),
        .idle_o         (window_idle),
        .busy_o         (window_busy),
        .fence_i        (fence),
        .hold_i         (slot_we || !slots_ready),
        .mark_i         (slot_mark_q || fence_mark),
        .mark_all_i     (fence_mark),
        .mark_slot_i    (mark_slot_q),
        .old_o          (old),
        .lookup_o       (lookup),
        .lookup_slot_o  (lookup_slot),
        .slot_entry_i   (window_entry),
        .m_valid_o,
        .m_ready_i,
        .m_write_o,
        .m_addr_o,
        .m_len_o,
        .m_wdata_o,
        .m_wstrb_o,
        .m_wready_i,
        .m_rvalid_i,
        .m_rdata_i
    );

    // ------------------------------------------------------------------ busy
    always_ff @(posedge link_clk_i) link_busy_q <= link_por_n && (link_front_busy || link_regs_busy);
    cdc_bit u_busy (.clk_i, .rst_ni, .d_i(link_busy_q), .q_o(link_busy_d));
    assign busy_o = link_busy_d || window_busy || regs_busy || session_busy || settle_q;
    assign need_o = busy_o || !slots_ready || wb_stb_i || link_up_i != dev_up;
endmodule

`default_nettype wire
