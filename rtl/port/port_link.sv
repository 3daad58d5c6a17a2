// SPDX-License-Identifier: BSD-2-Clause
// Link side of a port: takes the host's bursts and carries them out in order.
//
// Bursts to registers and ring RAM are carried out here, one at a time, after everything before them
// has reached memory. Bursts to the window go to port_window; up to two are under way, so that the
// next one's data follows without a gap. A write waits until earlier reads have been delivered, so a
// host may do one thing at a time. A burst wraps inside its 4 KiB; one of no words does nothing.
`default_nettype none

module port_link (
    input  wire logic        clk_i,         // the link's
    input  wire logic        por_ni,
    input  wire logic        open_i,        // see port_session
    output logic             sync_o,
    output logic             busy_o,

    input  wire logic        cmd_valid_i,
    output logic             cmd_ready_o,
    input  wire logic        cmd_write_i,
    /* verilator lint_off UNUSEDSIGNAL */
    input  wire logic [22:0] cmd_addr_i,    // 4-aligned
    /* verilator lint_on UNUSEDSIGNAL */
    input  wire logic [10:0] cmd_len_i,
    input  wire logic        wvalid_i,
    output logic             wready_o,
    input  wire logic [31:0] wdata_i,
    output logic             rvalid_o,
    input  wire logic        rready_i,
    output logic [31:0]      rdata_o,

    // port_window
    output logic             tx_valid_o,
    output logic [32:0]      tx_data_o,
    input  wire logic        tx_full_i,
    input  wire logic        rx_valid_i,
    output logic             rx_ready_o,
    input  wire logic [32:0] rx_data_i,

    // port_ring
    output logic             ring_en_o,
    output logic             ring_we_o,
    output logic [11:0]      ring_addr_o,
    input  wire logic [31:0] ring_data_i,

    // port_regs
    output logic             reg_re_o,
    output logic             reg_we_o,
    output logic [9:0]       reg_addr_o,
    input  wire logic [31:0] reg_data_i,
    input  wire logic        fenced_i,
    output logic             denied_o,
    output logic             moved_o,
    output logic             moved_write_o,
    output logic [10:0]      moved_words_o
);
    typedef enum logic [1:0] {
        Idle,
        LocalRead,
        LocalWrite,
        WindowWrite  // the burst's data goes to port_window
    } state_e;
    state_e      state_q;

    logic        ring_q, none_q;   // target of a local burst: ring RAM, nothing; else registers
    logic [1:0]  page_q;           // 4 KiB of ring RAM
    logic [9:0]  word_q;
    logic [10:0] rem_q;
    logic        rv_q, zero_q;     // a word of a local read is offered to the host; it is zero
    logic        told_q;           // this local burst has been counted as denied

    // Window bursts not yet answered: 0 first. left: words of a read still to come.
    logic        v0_q, v1_q, read0_q, read1_q;
    logic [10:0] left0_q, left1_q, good_q;
    logic        bad_q;

    // ------------------------------------------------------------------ a new burst
    logic is_window, is_ring, is_regs, take;
    assign is_window = cmd_addr_i[22];
    assign is_ring   = cmd_addr_i[22:14] == 9'd1;
    assign is_regs   = cmd_addr_i[22:12] == 11'd0;

    always_comb begin
        cmd_ready_o = 1'b0;
        if (open_i && state_q == Idle) begin
            if (is_window) cmd_ready_o = !tx_full_i && !v1_q && !(cmd_write_i && v0_q && read0_q);
            else cmd_ready_o = !v0_q;
        end
    end
    assign take = cmd_valid_i && cmd_ready_o && cmd_len_i != 11'd0;

    // ------------------------------------------------------------------ local bursts
    logic rstep, wstep, deny_word;
    assign deny_word = none_q || (ring_q && fenced_i);
    assign rstep     = state_q == LocalRead && rem_q != 11'd0 && (!rv_q || rready_i);
    assign wstep     = state_q == LocalWrite && wvalid_i && open_i;

    assign ring_en_o   = (rstep || wstep) && ring_q && !fenced_i;
    assign ring_we_o   = wstep;
    assign ring_addr_o = {page_q, word_q};
    assign reg_re_o    = rstep && !ring_q && !none_q;
    assign reg_we_o    = wstep && !ring_q && !none_q;
    assign reg_addr_o  = word_q;

    // ------------------------------------------------------------------ window bursts
    logic push_data, rx_step, rx_last;
    assign push_data  = state_q == WindowWrite && wvalid_i && !tx_full_i && open_i;
    assign tx_valid_o = (take && is_window) || push_data;
    assign tx_data_o  = state_q == WindowWrite ? {1'b0, wdata_i}
                      : {1'b1, cmd_write_i, cmd_len_i, cmd_addr_i[21:12], cmd_addr_i[11:2]};
    assign rx_ready_o = open_i && v0_q && (!read0_q || rready_i);
    assign rx_step    = rx_valid_i && rx_ready_o;
    assign rx_last    = rx_step && (!read0_q || left0_q == 11'd1);

    assign moved_o       = rx_last && moved_words_o != 11'd0;
    assign moved_write_o = !read0_q;
    assign moved_words_o = read0_q ? good_q + 11'(!rx_data_i[32]) : rx_data_i[10:0];
    assign denied_o      = (rx_last && (bad_q || rx_data_i[32]))
                         || ((rstep || wstep) && deny_word && !told_q);

    // ------------------------------------------------------------------ pins
    assign wready_o = open_i && (state_q == LocalWrite || (state_q == WindowWrite && !tx_full_i));
    assign rvalid_o = open_i && (rv_q || (v0_q && read0_q && rx_valid_i));
    assign rdata_o  = v0_q ? rx_data_i[31:0] : zero_q ? 32'd0 : ring_q ? ring_data_i : reg_data_i;

    assign busy_o = state_q != Idle || v0_q;
    assign sync_o = busy_o || cmd_valid_i;

    always_ff @(posedge clk_i)
        if (!por_ni || !open_i) begin
            state_q <= Idle;
            rv_q    <= 1'b0;
            v0_q    <= 1'b0;
            v1_q    <= 1'b0;
            good_q  <= '0;
            bad_q   <= 1'b0;
        end else if (sync_o) begin
            unique case (state_q)
                Idle:
                if (take) begin
                    ring_q  <= is_ring;
                    none_q  <= !is_ring && !is_regs;
                    page_q  <= cmd_addr_i[13:12];
                    word_q  <= cmd_addr_i[11:2];
                    rem_q   <= cmd_len_i;
                    told_q  <= 1'b0;
                    if (is_window) state_q <= cmd_write_i ? WindowWrite : Idle;
                    else state_q <= cmd_write_i ? LocalWrite : LocalRead;
                end
                LocalRead:
                if (rem_q == 11'd0 && rready_i) state_q <= Idle;  // rv_q: the last word goes
                LocalWrite: if (wstep && rem_q == 11'd1) state_q <= Idle;
                WindowWrite: if (push_data && rem_q == 11'd1) state_q <= Idle;
                default: state_q <= Idle;
            endcase

            if (rstep || wstep || push_data) begin
                word_q <= word_q + 10'd1;
                rem_q  <= rem_q - 11'd1;
                if (deny_word) told_q <= 1'b1;
            end
            if (rstep) begin
                rv_q   <= 1'b1;
                zero_q <= deny_word;
            end else if (rready_i) rv_q <= 1'b0;

            if (rx_step) begin
                left0_q <= left0_q - 11'd1;
                good_q  <= rx_last ? 11'd0 : moved_words_o;
                bad_q   <= !rx_last && (bad_q || rx_data_i[32]);
            end
            if (rx_last || !v0_q) begin
                v0_q    <= v1_q || (take && is_window);
                read0_q <= v1_q ? read1_q : !cmd_write_i;
                left0_q <= v1_q ? left1_q : cmd_len_i;
                v1_q    <= 1'b0;  // excludes a new one
            end else if (take && is_window) begin
                v1_q    <= 1'b1;
                read1_q <= !cmd_write_i;
                left1_q <= cmd_len_i;
            end
        end

`ifndef SYNTHESIS
    always_ff @(posedge clk_i)
        if (por_ni && open_i) begin
            assert (!v1_q || v0_q);
            assert (!(rv_q && v0_q));  // local and window bursts do not overlap
            assert (state_q != LocalRead || !v0_q);
            assert (state_q != LocalWrite || !v0_q);
            assert (!(state_q == LocalRead && rem_q == 11'd0) || rv_q);
            assert (!tx_valid_o || !tx_full_i);
        end
`endif
endmodule

`default_nettype wire
