// SPDX-License-Identifier: BSD-2-Clause
// Slot table of a port: which frame, if any, each slot of the host's window shows.
//
// The core writes and reads entries; the window looks them up, one for each chunk that it moves. A
// reset clears the table, which takes as many cycles as it has slots.
`default_nettype none

module port_slots #(
    parameter int unsigned Slots = 1024
) (
    input  wire logic        clk_i,
    input  wire logic        rst_ni,
    output logic             ready_o,     // cleared; no request before that

    // core: an entry as in PORT_DEVICE_SLOT_*
    input  wire logic        c_en_i,
    input  wire logic        c_we_i,
    input  wire logic [9:0]  c_slot_i,
    /* verilator lint_off UNUSEDSIGNAL */
    input  wire logic [31:0] c_entry_i,
    /* verilator lint_on UNUSEDSIGNAL */
    output logic [31:0]      c_entry_o,   // one cycle after a read, and held

    // window: never in the cycle of a c_we_i (what block RAM gives then is undefined)
    input  wire logic        w_en_i,
    input  wire logic [9:0]  w_slot_i,
    output logic [17:0]      w_entry_o     // valid, writable, frame; one cycle later, and held
);
    localparam int unsigned AW = (Slots > 1) ? $clog2(Slots) : 1;
    // An mport address has 28 bits, so a frame number 16; an entry beyond them maps nothing.
    localparam int unsigned FrameW = 16;

    logic [FrameW+1:0] mem[0:Slots-1];  // valid, writable, frame

    logic              clearing_q;
    logic [AW-1:0]     clear_q;
    logic              w_inside_q, c_inside_q;
    logic [FrameW+1:0] c_q, w_q;

    assign ready_o = !clearing_q;

    // one port for the core and for the clearing, one for the window
    logic              c_en, we;
    logic [AW-1:0]     addr;
    logic [FrameW+1:0] wdata;

    assign c_en = clearing_q || c_en_i;
    always_comb begin
        we    = 1'b0;
        addr  = '0;
        wdata = '0;
        if (clearing_q) begin
            we   = 1'b1;
            addr = clear_q;
        end else if (c_en_i) begin
            we    = c_we_i && 32'(c_slot_i) < Slots;
            addr  = c_slot_i[AW-1:0];
            wdata = {c_entry_i[31] && c_entry_i[19:FrameW] == '0, c_entry_i[30], c_entry_i[FrameW-1:0]};
        end
    end

    always_ff @(posedge clk_i)
        if (c_en) begin
            if (we) mem[addr] <= wdata;
            else c_q <= mem[addr];
        end

    always_ff @(posedge clk_i) if (w_en_i) w_q <= mem[w_slot_i[AW-1:0]];

    always_ff @(posedge clk_i) begin
        if (c_en_i) c_inside_q <= 32'(c_slot_i) < Slots;
        if (w_en_i) w_inside_q <= 32'(w_slot_i) < Slots;
        if (!rst_ni) begin
            clearing_q <= 1'b1;
            clear_q    <= '0;
        end else if (clearing_q) begin
            clear_q    <= clear_q + AW'(1);
            clearing_q <= clear_q != AW'(Slots - 1);
        end
    end

    assign c_entry_o = c_inside_q ? {c_q[FrameW+1:FrameW], 14'd0, c_q[FrameW-1:0]} : 32'd0;
    assign w_entry_o = (Slots == 1024 || w_inside_q) ? w_q : '0;

`ifndef SYNTHESIS
    initial assert (Slots >= 2 && Slots <= 1024);
    always_ff @(posedge clk_i)
        if (rst_ni) begin
            assert (!(w_en_i && c_en_i && c_we_i));
            assert (!(clearing_q && (w_en_i || c_en_i)));
        end
`endif
endmodule

`default_nettype wire
