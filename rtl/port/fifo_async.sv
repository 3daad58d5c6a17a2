// SPDX-License-Identifier: BSD-2-Clause
// A FIFO between two clocks: block RAM, Gray-coded pointers, first word falls through.
//
// Both sides are emptied together: one side raises its clear_i first, the other follows, and neither
// side writes or reads before it has seen the other's clear_i fall (port_session does this).
// sync_i lets a side follow the other's pointer, and the reader read; while it is low the side sees
// an older pointer, which is safe: it believes the FIFO fuller (writer) or emptier (reader) than it
// is. The writer computes from the pointers what room there is, when it wants to know.
`default_nettype none

module fifo_async #(
    parameter int unsigned Width = 33,
    parameter int unsigned AW    = 8  // 2^AW words
) (
    input  wire logic             w_clk_i,
    input  wire logic             w_clear_i,
    input  wire logic             w_sync_i,
    input  wire logic             w_valid_i,  // only while there is room
    input  wire logic [Width-1:0] w_data_i,
    output logic [AW:0]           w_wptr_o,   // words put in so far
    output logic [AW:0]           w_rptr_o,   // words taken out so far, as known here

    input  wire logic             r_clk_i,
    input  wire logic             r_clear_i,
    input  wire logic             r_sync_i,
    output logic                  r_valid_o,
    input  wire logic             r_ready_i,
    output logic [Width-1:0]      r_data_o,
    input  wire logic             r_want_i,   // the level is wanted
    output logic [AW:0]           r_level_o   // words to be read, the one in r_data_o included
);
    function automatic logic [AW:0] from_gray(input logic [AW:0] gray);
        from_gray = gray;
        for (int i = 1; i <= AW; i = i * 2) from_gray = from_gray ^ (from_gray >> i);
    endfunction

    logic [Width-1:0] mem[0:2**AW-1];

    // ------------------------------------------------------------------ writer
    logic [AW:0] wgray_q, wnext;
    logic [AW:0] rgray_q, rgray_m, rgray_s;

    assign wnext = w_wptr_o + (AW + 1)'(1);

    always_ff @(posedge w_clk_i) begin
        if (w_valid_i) mem[w_wptr_o[AW-1:0]] <= w_data_i;
        if (w_clear_i) begin
            w_wptr_o <= '0;
            w_rptr_o <= '0;
            wgray_q  <= '0;
            rgray_m  <= '0;
            rgray_s  <= '0;
        end else begin
            if (w_valid_i) begin
                w_wptr_o <= wnext;
                wgray_q  <= wnext ^ (wnext >> 1);
            end
            if (w_sync_i) begin
                rgray_m  <= rgray_q;
                rgray_s  <= rgray_m;
                w_rptr_o <= from_gray(rgray_s);
            end
        end
    end

    // ------------------------------------------------------------------ reader
    logic [AW:0] rptr_q, rnext, wgray_m, wgray_s;

    assign rnext = rptr_q + (AW + 1)'(1);

    always_comb begin
        r_level_o = '0;
        if (r_want_i) r_level_o = from_gray(wgray_s) - rptr_q + (AW + 1)'(r_valid_o);
    end

    always_ff @(posedge r_clk_i)
        if (r_clear_i) begin
            rptr_q    <= '0;
            rgray_q   <= '0;
            wgray_m   <= '0;
            wgray_s   <= '0;
            r_valid_o <= 1'b0;
        end else if (r_sync_i) begin
            wgray_m <= wgray_q;
            wgray_s <= wgray_m;
            if (!r_valid_o || r_ready_i) begin
                if (rgray_q != wgray_s) begin
                    r_data_o  <= mem[rptr_q[AW-1:0]];
                    rptr_q    <= rnext;
                    rgray_q   <= rnext ^ (rnext >> 1);
                    r_valid_o <= 1'b1;
                end else r_valid_o <= 1'b0;
            end
        end

`ifndef SYNTHESIS
    always_ff @(posedge w_clk_i)
        if (!w_clear_i && w_valid_i) assert (w_wptr_o - w_rptr_o != (AW + 1)'(2 ** AW));
    always_ff @(posedge r_clk_i)
        if (!r_clear_i && r_want_i) assert (r_level_o <= (AW + 1)'(2 ** AW + 1));
`endif
endmodule

`default_nettype wire
