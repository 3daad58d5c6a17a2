// SPDX-License-Identifier: BSD-2-Clause
// Link side of a port: takes the host's bursts and carries them out in order.
//
// Bursts to registers and ring RAM are carried out here, one at a time, after everything before them
// has reached memory. Bursts to the window go to port_window; up to two are under way, so that the
// next one's data follows without a gap. A write waits until earlier reads have been delivered, so a
// host may do one thing at a time. A burst wraps inside its 4 KiB; one of no words does nothing.
//
// What comes in over the pins is stored before anything is done with it (rready_i apart), and nothing
// moves while the port is idle.
`default_nettype none

module port_link (
    input  wire logic        clk_i,         // the link's
    input  wire logic        por_ni,
    input  wire logic        open_i,        // see port_session
    output logic             sync_o,        // the FIFOs shall follow their other sides
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
    input  wire logic [8:0]  tx_wptr_i,
    input  wire logic [8:0]  tx_rptr_i,
    input  wire logic        rx_valid_i,
    output logic             rx_ready_o,
    input  wire logic [32:0] rx_data_i,

    // port_ring and port_regs; the data of a write is in tx_data_o
    output logic             ring_en_o,
    output logic             ring_we_o,
    output logic [11:0]      local_addr_o,  // word
    input  wire logic [31:0] ring_data_i,
    output logic             reg_re_o,
    output logic             reg_we_o,
    input  wire logic [31:0] reg_data_i,
    input  wire logic        fenced_i,
    output logic             denied_o,
    output logic             moved_o,
    output logic             moved_write_o,
    output logic [10:0]      moved_words_o
);
    typedef enum logic [2:0] {
        Idle,
        Dispatch,    // a burst has been taken and waits for its turn
        LocalRead,
        LocalWrite,
        WindowWrite  // the burst's data goes to port_window
    } state_e;
    state_e      state_q;

    // the burst
    logic        write_q, window_q, ring_q, none_q;  // none_q: nothing is there; else registers
    logic [9:0]  slot_q;         // window: slot; ring RAM: 4 KiB of it in bits 1:0
    logic [9:0]  word_q;
    logic [10:0] rem_q;
    logic        told_q;         // it has been counted as denied
    logic        step_q;         // a word of a local write was taken in the last cycle
    logic        rv_q, zero_q;   // a word of a local read is offered to the host; it is zero

    // Window bursts not yet answered, in a ring of two.
    logic [1:0]  v_q, read_q;
    logic        head_q, tail_q;
    logic [10:0] len0_q, len1_q;
    logic [10:0] got_q, good_q;  // of the first: words delivered, of them not denied
    logic        last_op_q;      // one more cycle, to end what the outputs do

    logic        waiting, head_read;
    assign waiting   = v_q != 2'b00;
    assign head_read = v_q[head_q] && read_q[head_q];

    assign busy_o = state_q != Idle || waiting || last_op_q;
    assign sync_o = busy_o || cmd_valid_i;

    // ------------------------------------------------------------------ pins
    assign cmd_ready_o = state_q == Idle && open_i;
    assign rvalid_o    = open_i && (rv_q || (head_read && rx_valid_i));
    always_comb begin
        rdata_o = '0;
        if (waiting) rdata_o = rx_data_i[31:0];
        else if (rv_q && !zero_q) rdata_o = ring_q ? ring_data_i : reg_data_i;
    end

    // ------------------------------------------------------------------ local reads
    logic deny_word, rstep;
    assign deny_word = none_q || (ring_q && fenced_i);
    assign rstep     = state_q == LocalRead && rem_q != 11'd0 && (!rv_q || rready_i);
    assign ring_en_o = ring_we_o || (rstep && ring_q && !fenced_i);
    assign reg_re_o  = rstep && !ring_q && !none_q;
    assign local_addr_o = {slot_q[1:0], word_q};

    // ------------------------------------------------------------------ window answers
    logic rx_last;
    assign rx_ready_o = open_i && waiting && (!head_read || rready_i);
    assign rx_last    = !head_read || got_q + 11'd1 == (head_q ? len1_q : len0_q);

    // Room for what is already on its way into the FIFO, and a little more.
    logic tight;
    assign tight = tx_wptr_i - tx_rptr_i >= 9'd248;

    logic dispatch;
    always_comb begin
        dispatch = 1'b0;
        if (state_q == Dispatch) begin
            if (window_q) dispatch = !tight && !v_q[tail_q] && !(write_q && head_read);
            else dispatch = !waiting;
        end
    end

    always_ff @(posedge clk_i)
        if (!por_ni || !open_i) begin
            state_q    <= Idle;
            rv_q       <= 1'b0;
            step_q     <= 1'b0;
            v_q        <= 2'b00;
            head_q     <= 1'b0;
            tail_q     <= 1'b0;
            got_q      <= '0;
            good_q     <= '0;
            told_q     <= 1'b0;
            last_op_q  <= 1'b0;
            wready_o   <= 1'b0;
            tx_valid_o <= 1'b0;
            ring_we_o  <= 1'b0;
            reg_we_o   <= 1'b0;
            denied_o   <= 1'b0;
            moved_o    <= 1'b0;
        end else if (sync_o) begin
            last_op_q  <= state_q != Idle || waiting;
            tx_valid_o <= 1'b0;
            ring_we_o  <= 1'b0;
            reg_we_o   <= 1'b0;
            denied_o   <= 1'b0;
            moved_o    <= 1'b0;
            step_q     <= 1'b0;

            // words of the window's answers
            if (rx_valid_i && rx_ready_o) begin
                if (rx_last) begin
                    v_q[head_q]   <= 1'b0;
                    head_q        <= !head_q;
                    got_q         <= '0;
                    good_q        <= '0;
                    told_q        <= 1'b0;
                    moved_write_o <= !head_read;
                    moved_words_o <= head_read ? good_q + 11'(!rx_data_i[32]) : rx_data_i[10:0];
                    moved_o       <= head_read ? good_q != 11'd0 || !rx_data_i[32]
                                               : rx_data_i[10:0] != 11'd0;
                end else begin
                    got_q  <= got_q + 11'd1;
                    good_q <= good_q + 11'(!rx_data_i[32]);
                    if (rx_data_i[32]) told_q <= 1'b1;
                end
                if (rx_data_i[32] && !told_q) denied_o <= 1'b1;
            end

            if (rstep || step_q) word_q <= word_q + 10'd1;

            unique case (state_q)
                Idle:
                if (cmd_valid_i && cmd_len_i != 11'd0) begin
                    state_q  <= Dispatch;
                    write_q  <= cmd_write_i;
                    window_q <= cmd_addr_i[22];
                    ring_q   <= cmd_addr_i[22:14] == 9'd1;
                    none_q   <= !cmd_addr_i[22] && cmd_addr_i[22:14] != 9'd1
                                && cmd_addr_i[22:12] != 11'd0;
                    slot_q   <= cmd_addr_i[21:12];
                    word_q   <= cmd_addr_i[11:2];
                    rem_q    <= cmd_len_i;
                end
                Dispatch:
                if (dispatch) begin
                    if (window_q) begin
                        tx_valid_o     <= 1'b1;
                        tx_data_o      <= {1'b1, write_q, rem_q, slot_q, word_q};
                        v_q[tail_q]    <= 1'b1;
                        read_q[tail_q] <= !write_q;
                        tail_q         <= !tail_q;
                        if (tail_q) len1_q <= rem_q;
                        else len0_q <= rem_q;
                        state_q <= write_q ? WindowWrite : Idle;
                    end else state_q <= write_q ? LocalWrite : LocalRead;
                    wready_o <= write_q;
                end
                LocalRead: begin
                    if (rstep) begin
                        rem_q  <= rem_q - 11'd1;
                        rv_q   <= 1'b1;
                        zero_q <= deny_word;
                        told_q <= deny_word || told_q;
                        if (deny_word && !told_q) denied_o <= 1'b1;
                    end else if (rready_i) begin  // the last word goes
                        rv_q    <= 1'b0;
                        told_q  <= 1'b0;
                        state_q <= Idle;
                    end
                end
                LocalWrite:
                if (wvalid_i) begin
                    rem_q     <= rem_q - 11'd1;
                    step_q    <= 1'b1;
                    tx_data_o <= {1'b0, wdata_i};
                    ring_we_o <= ring_q && !fenced_i;
                    reg_we_o  <= !ring_q && !none_q;
                    told_q    <= deny_word || told_q;
                    if (deny_word && !told_q) denied_o <= 1'b1;
                    if (rem_q == 11'd1) begin
                        wready_o <= 1'b0;
                        told_q   <= 1'b0;
                        state_q  <= Idle;
                    end
                end
                WindowWrite: begin
                    wready_o <= !tight;
                    if (wvalid_i && wready_o) begin
                        rem_q      <= rem_q - 11'd1;
                        tx_valid_o <= 1'b1;
                        tx_data_o  <= {1'b0, wdata_i};
                        if (rem_q == 11'd1) begin
                            wready_o <= 1'b0;
                            state_q  <= Idle;
                        end
                    end
                end
                default: state_q <= Idle;
            endcase
        end

`ifndef SYNTHESIS
    always_ff @(posedge clk_i)
        if (por_ni && open_i) begin
            assert (!(rv_q && waiting));  // local and window bursts do not overlap
            assert (!(state_q == LocalRead && waiting));
            assert (!(state_q == LocalWrite && waiting));
            assert (!(state_q == LocalRead && rem_q == 11'd0) || rv_q);
            assert (!wready_o || state_q == LocalWrite || state_q == WindowWrite);
            assert (!rx_valid_i || waiting);
        end
`endif
endmodule

`default_nettype wire
