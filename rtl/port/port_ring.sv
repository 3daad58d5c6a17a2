// SPDX-License-Identifier: BSD-2-Clause
// Ring RAM of a port: 16 KiB of true dual-port block RAM, the link on one side, the core on the other.
//
// Its two clocks are the crossing: a word belongs to one side at a time, and changes hands by a
// doorbell, which takes longer to cross than the RAM takes to store. Both sides at one word in the
// same instant is a host's mistake: that word is undefined then.
`default_nettype none

module port_ring (
    input  wire logic        a_clk_i,
    input  wire logic        a_en_i,
    input  wire logic        a_we_i,
    input  wire logic [11:0] a_addr_i,  // word
    input  wire logic [31:0] a_data_i,
    output logic [31:0]      a_data_o,  // one cycle after a_en_i without a_we_i, and held

    input  wire logic        b_clk_i,
    input  wire logic        b_en_i,
    input  wire logic [3:0]  b_we_i,    // by byte
    input  wire logic [11:0] b_addr_i,
    input  wire logic [31:0] b_data_i,
    output logic [31:0]      b_data_o
);
    // verilator lint_off MULTIDRIVEN
    logic [31:0] mem[0:4095];
    // verilator lint_on MULTIDRIVEN

    always_ff @(posedge a_clk_i)
        if (a_en_i) begin
            if (a_we_i) mem[a_addr_i] <= a_data_i;
            else a_data_o <= mem[a_addr_i];
        end

    always_ff @(posedge b_clk_i)
        if (b_en_i) begin
            if (b_we_i[0]) mem[b_addr_i][7:0] <= b_data_i[7:0];
            if (b_we_i[1]) mem[b_addr_i][15:8] <= b_data_i[15:8];
            if (b_we_i[2]) mem[b_addr_i][23:16] <= b_data_i[23:16];
            if (b_we_i[3]) mem[b_addr_i][31:24] <= b_data_i[31:24];
            if (b_we_i == 4'h0) b_data_o <= mem[b_addr_i];
        end
endmodule

`default_nettype wire
