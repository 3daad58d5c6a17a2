// SPDX-License-Identifier: BSD-2-Clause
// Window of a port: carries the link's bursts to and from memory, chunk by chunk.
//
// Two FIFOs are the crossing. Toward the device go a command word (bit 32 set) and, for a write, its
// data. Toward the link go a read's data, with bit 32 set on words that were denied, and for each
// write one word that says what became of it: bit 32 something was denied, 10:0 words written.
//
// A chunk is up to 64 words and does not cross a 256-byte boundary. For each chunk, in this order:
// wait until its data is in the FIFO (write) or has room there (read), so that no host can hold up a
// memory burst; look its slot up, and the fence; offer the memory command or deny the chunk. Up to
// two memory commands are under way, so that the memory never waits for the lookup.
//
// mark_i says that the table or the fence changed: old_o is high as long as an access under the old
// state is under way (mark_all_i: of any slot). No lookup happens in the cycle before mark_i.
`default_nettype none

module port_window (
    // ------------------------------------------------------------------ link clock
    input  wire logic        link_clk_i,
    input  wire logic        link_clear_i,
    input  wire logic        link_sync_i,    // follow the device side's pointers
    input  wire logic        tx_valid_i,     // only while there is room
    input  wire logic [32:0] tx_data_i,      // command: 31 write, 30:20 words, 19:10 slot, 9:0 first word
    output logic [8:0]       tx_wptr_o,      // words put in and, as known here, taken out
    output logic [8:0]       tx_rptr_o,
    output logic             rx_valid_o,
    input  wire logic        rx_ready_i,
    output logic [32:0]      rx_data_o,

    // ------------------------------------------------------------------ device clock
    input  wire logic        clk_i,
    input  wire logic        rst_ni,
    input  wire logic        drop_i,         // begin nothing new
    input  wire logic        clear_i,
    output logic             idle_o,         // nothing is under way to or from memory
    output logic             busy_o,
    input  wire logic        fence_i,

    input  wire logic        hold_i,         // no lookup in this cycle
    input  wire logic        mark_i,
    input  wire logic        mark_all_i,
    input  wire logic [9:0]  mark_slot_i,
    output logic             old_o,

    output logic             lookup_o,       // port_slots answers in the next cycle
    output logic [9:0]       lookup_slot_o,
    input  wire logic [17:0] slot_entry_i,   // valid, writable, frame

    output logic             m_valid_o,
    input  wire logic        m_ready_i,
    output logic             m_write_o,
    output logic [27:0]      m_addr_o,
    output logic [6:0]       m_len_o,
    output logic [31:0]      m_wdata_o,
    output logic [3:0]       m_wstrb_o,
    input  wire logic        m_wready_i,
    input  wire logic        m_rvalid_i,
    input  wire logic [31:0] m_rdata_i
);
    localparam int unsigned AW = 8;  // each FIFO holds 2^AW words

    // ------------------------------------------------------------------ state
    typedef enum logic [2:0] {
        Idle,   // no burst
        Wait,   // for the chunk's data or room
        Look,   // the slot's entry is there
        Offer,  // the memory command is offered
        Deny,   // the chunk is answered or dropped here
        End     // a write burst says what became of it
    } state_e;
    state_e state_q;

    logic        write_q;
    logic [9:0]  slot_q, off_q;  // off_q: word in the slot
    logic [10:0] rem_q;          // words of the burst not yet issued
    logic [6:0]  chunk_q;
    logic [10:0] done_q;         // words written
    logic        denied_q;
    logic [AW:0] alloc_q;        // words of u_out given away, moved or not

    // Chunks under way: 0 moves, 1 is next. old: its slot's entry, or the fence, changed since.
    logic       v0_q, v1_q, old0_q, old1_q, oldl_q;
    logic       w0_q, w1_q;
    logic [6:0] left0_q, left1_q;
    logic [9:0] slot0_q, slot1_q;
    logic [7:0] wpend_q;         // words that write chunks under way will still take from u_in

    // ------------------------------------------------------------------ the crossing
    logic        in_valid, in_pop, out_push, awake;
    logic [32:0] in_data, out_data;
    logic [AW:0] in_level, out_rptr;
    /* verilator lint_off UNUSEDSIGNAL */
    logic [AW:0] out_wptr, rx_level_unused;
    /* verilator lint_on UNUSEDSIGNAL */

    fifo_async #(
        .Width(33),
        .AW   (AW)
    ) u_in (
        .w_clk_i  (link_clk_i),
        .w_clear_i(link_clear_i),
        .w_sync_i (link_sync_i),
        .w_valid_i(tx_valid_i),
        .w_data_i (tx_data_i),
        .w_wptr_o (tx_wptr_o),
        .w_rptr_o (tx_rptr_o),
        .r_clk_i  (clk_i),
        .r_clear_i(clear_i),
        .r_sync_i (1'b1),
        .r_valid_o(in_valid),
        .r_ready_i(in_pop),
        .r_data_o (in_data),
        .r_want_i (state_q == Wait),
        .r_level_o(in_level)
    );

    fifo_async #(
        .Width(33),
        .AW   (AW)
    ) u_out (
        .w_clk_i  (clk_i),
        .w_clear_i(clear_i),
        .w_sync_i (awake),
        .w_valid_i(out_push),
        .w_data_i (out_data),
        .w_wptr_o (out_wptr),
        .w_rptr_o (out_rptr),
        .r_clk_i  (link_clk_i),
        .r_clear_i(link_clear_i),
        .r_sync_i (link_sync_i),
        .r_valid_o(rx_valid_o),
        .r_ready_i(rx_ready_i),
        .r_data_o (rx_data_o),
        .r_want_i (1'b0),
        .r_level_o(rx_level_unused)
    );

    assign awake  = state_q != Idle || v0_q;
    assign busy_o = awake || in_valid;
    assign idle_o = !awake;

    // ------------------------------------------------------------------ what happens in this cycle
    // All of it is quiet while no burst is there.
    logic [6:0]  to_boundary, chunk;
    logic [AW:0] room;
    logic        enough, deny_step, report, take;

    always_comb begin
        to_boundary = '0;
        chunk       = '0;
        room        = '0;
        enough      = 1'b0;
        lookup_o    = 1'b0;
        deny_step   = 1'b0;
        report      = 1'b0;
        if (state_q != Idle) begin
            room = (AW + 1)'(2 ** AW) - (alloc_q - out_rptr);
            if (state_q == Wait) begin
                to_boundary = 7'd64 - 7'(off_q[5:0]);
                chunk       = rem_q < 11'(to_boundary) ? 7'(rem_q) : to_boundary;
                enough      = write_q ? 32'(in_level) >= 32'(wpend_q) + 32'(chunk)
                                      : 32'(room) >= 32'(chunk);
                lookup_o    = enough && !v1_q && !hold_i && !drop_i;
            end
            deny_step = state_q == Deny && !v0_q;
            report    = state_q == End && !v0_q && room != '0;
        end
    end
    assign lookup_slot_o = slot_q;

    logic allowed;  // in Look
    assign allowed = slot_entry_i[17] && (!write_q || slot_entry_i[16]) && !fence_i;

    assign m_valid_o = state_q == Offer;
    assign m_write_o = write_q;
    assign m_len_o   = chunk_q;
    assign m_wdata_o = in_data[31:0];
    assign m_wstrb_o = 4'hF;
    assign take      = m_valid_o && m_ready_i;

    assign in_pop   = m_wready_i || (deny_step && write_q) || (state_q == Idle && !drop_i);
    assign out_push = m_rvalid_i || (deny_step && !write_q) || report;

    always_comb begin
        out_data = '0;
        if (m_rvalid_i) out_data[31:0] = m_rdata_i;
        else if (deny_step) out_data[32] = 1'b1;
        else if (report) out_data = {denied_q, 21'd0, done_q};
    end

    always_ff @(posedge clk_i)
        if (!rst_ni) begin
            state_q  <= Idle;
            write_q  <= 1'b0;
            rem_q    <= '0;
            chunk_q  <= '0;
            denied_q <= 1'b0;
            alloc_q  <= '0;
        end else if (clear_i) alloc_q <= '0;
        else if (state_q != Idle || in_valid)
            unique case (state_q)
                Idle:
                if (in_valid && !drop_i) begin
                    write_q  <= in_data[31];
                    rem_q    <= in_data[30:20];
                    slot_q   <= in_data[19:10];
                    off_q    <= in_data[9:0];
                    done_q   <= '0;
                    denied_q <= 1'b0;
                    state_q  <= Wait;
                end
                Wait:
                if (drop_i) state_q <= Idle;
                else if (lookup_o) begin
                    chunk_q <= chunk;
                    state_q <= Look;
                end
                Look: begin
                    m_addr_o <= {slot_entry_i[15:0], off_q, 2'b00};
                    state_q  <= allowed ? Offer : Deny;
                    if (!allowed) denied_q <= 1'b1;
                    if (!write_q) alloc_q <= alloc_q + (AW + 1)'(chunk_q);
                end
                Offer:
                if (m_ready_i) begin
                    off_q  <= off_q + 10'(chunk_q);
                    rem_q  <= rem_q - 11'(chunk_q);
                    done_q <= done_q + 11'(chunk_q);
                    if (rem_q != 11'(chunk_q)) state_q <= Wait;
                    else state_q <= write_q ? End : Idle;
                end
                Deny:
                if (drop_i) state_q <= Idle;
                else if (deny_step) begin
                    off_q   <= off_q + 10'd1;
                    rem_q   <= rem_q - 11'd1;
                    chunk_q <= chunk_q - 7'd1;
                    if (rem_q == 11'd1) state_q <= write_q ? End : Idle;
                    else if (chunk_q == 7'd1) state_q <= Wait;
                end
                End:
                if (drop_i) state_q <= Idle;
                else if (report) begin
                    alloc_q <= alloc_q + (AW + 1)'(1);
                    state_q <= Idle;
                end
                default: state_q <= Idle;
            endcase

    // ------------------------------------------------------------------ chunks under way
    logic beat, beat_last;
    logic hit0, hit1, hitl;  // whom a mark concerns
    assign beat      = m_wready_i || m_rvalid_i;
    assign beat_last = beat && left0_q == 7'd1;
    assign old_o     = mark_i || oldl_q || old0_q || old1_q;

    always_comb begin
        hit0 = 1'b0;
        hit1 = 1'b0;
        hitl = 1'b0;
        if (mark_i) begin
            hit0 = mark_all_i || slot0_q == mark_slot_i;
            hit1 = mark_all_i || slot1_q == mark_slot_i;
            hitl = mark_all_i || slot_q == mark_slot_i;
        end
    end

    always_ff @(posedge clk_i)
        if (!rst_ni) begin
            v0_q    <= 1'b0;
            v1_q    <= 1'b0;
            w0_q    <= 1'b0;
            w1_q    <= 1'b0;
            left0_q <= '0;
            left1_q <= '0;
            old0_q  <= 1'b0;
            old1_q  <= 1'b0;
            oldl_q  <= 1'b0;
            wpend_q <= '0;
        end else if (awake) begin
            if (beat) left0_q <= left0_q - 7'd1;
            if (m_wready_i || (take && write_q))
                wpend_q <= wpend_q + (take && write_q ? 8'(chunk_q) : 8'd0) - 8'(m_wready_i);

            // what is translated but not taken: a denied one touches no memory
            oldl_q <= ((state_q == Look && allowed) || (state_q == Offer && !m_ready_i))
                      && (oldl_q || hitl);

            if (beat_last || !v0_q) begin
                v0_q    <= v1_q || take;
                w0_q    <= v1_q ? w1_q : write_q;
                left0_q <= v1_q ? left1_q : chunk_q;
                slot0_q <= v1_q ? slot1_q : slot_q;
                old0_q  <= v1_q ? old1_q || hit1 : take && (oldl_q || hitl);
                v1_q    <= 1'b0;  // Offer excludes v1_q
                old1_q  <= 1'b0;
            end else begin
                old0_q <= old0_q || hit0;
                if (take) begin
                    v1_q    <= 1'b1;
                    w1_q    <= write_q;
                    left1_q <= chunk_q;
                    slot1_q <= slot_q;
                    old1_q  <= oldl_q || hitl;
                end else old1_q <= v1_q && (old1_q || hit1);
            end
        end

`ifndef SYNTHESIS
    always_ff @(posedge clk_i)
        if (rst_ni) begin
            assert (!v1_q || v0_q);
            assert (!(take && v1_q));
            assert (!beat || v0_q);
            assert (!beat || m_wready_i == w0_q);
            assert (!m_wready_i || in_valid);            // write data was complete before the command
            assert (!m_wready_i || !in_data[32]);
            assert (!(deny_step && write_q) || (in_valid && !in_data[32]));
            assert (!(state_q == Idle && in_valid && !clear_i && !drop_i) || in_data[32]);
            assert (!out_push || out_wptr - out_rptr != (AW + 1)'(2 ** AW));  // room was kept
            assert (!(clear_i && !idle_o));
        end
`endif
endmodule

`default_nettype wire
