// SPDX-License-Identifier: BSD-2-Clause
// Behavioural memory behind an mport (rtl/README.md), for simulation.
//
// It moves one word a cycle and holds two commands: while the first moves, the latency of the second
// passes. What it leaves out is in README.md.
`default_nettype none

module mem_sim #(
    parameter int unsigned MemoryMiB    = 32,
    parameter int unsigned ReadLatency  = 8,  // cycles from a taken read command to its first word, at least 3
    parameter int unsigned WriteLatency = 2   // the same for a write's first word taken, at least 2
) (
    input  wire logic        clk_i,
    input  wire logic        rst_ni,

    input  wire logic        s_valid_i,
    output logic             s_ready_o,
    input  wire logic        s_write_i,
    /* verilator lint_off UNUSEDSIGNAL */
    input  wire logic [27:0] s_addr_i,  // 4-aligned
    /* verilator lint_on UNUSEDSIGNAL */
    input  wire logic [6:0]  s_len_i,
    input  wire logic [31:0] s_wdata_i,
    input  wire logic [3:0]  s_wstrb_i,
    output logic             s_wready_o,
    output logic             s_rvalid_o,
    output logic [31:0]      s_rdata_o
);

    localparam int unsigned Words = MemoryMiB * 262144;
    localparam int unsigned AW    = $clog2(Words);
    localparam int unsigned WaitW = $clog2((ReadLatency > WriteLatency ? ReadLatency : WriteLatency) + 1);
    localparam logic [WaitW-1:0] RWait = WaitW'(ReadLatency - 2);
    localparam logic [WaitW-1:0] WWait = WaitW'(WriteLatency - 2);

    logic [31:0] mem[0:Words-1];

    // the command that moves, and the one after it
    logic             v0_q, v1_q;
    logic             write0_q, write1_q;
    logic [25:0]      word0_q, word1_q;
    logic [6:0]       left0_q, left1_q;
    logic [WaitW-1:0] wait0_q, wait1_q;  // cycles until its first word may move

    // the word that is on the bus in this cycle
    logic             w_q, r_q;
    logic             in_range_q;
    logic [AW-1:0]    word_q;
    logic [31:0]      rdata_q;

    assign s_ready_o  = !v1_q;
    assign s_wready_o = w_q;
    assign s_rvalid_o = r_q;
    assign s_rdata_o  = rdata_q;

    logic go, last, take, in_range;
    assign take   = s_valid_i && !v1_q;
    assign go     = v0_q && wait0_q == '0;
    assign last   = go && left0_q == 7'd1;
    assign in_range = 32'(word0_q) < Words;

    logic [31:0] mask;
    assign mask = {{8{s_wstrb_i[3]}}, {8{s_wstrb_i[2]}}, {8{s_wstrb_i[1]}}, {8{s_wstrb_i[0]}}};

    always_ff @(posedge clk_i) begin
        w_q <= go && write0_q;
        r_q <= go && !write0_q;

        if (w_q && in_range_q) begin
            if (s_wstrb_i == 4'hF) mem[word_q] <= s_wdata_i;
            else mem[word_q] <= (mem[word_q] & ~mask) | (s_wdata_i & mask);
        end

        if (go) begin
            word_q   <= word0_q[AW-1:0];
            in_range_q <= in_range;
            if (!write0_q) rdata_q <= in_range ? mem[word0_q[AW-1:0]] : 32'd0;
            word0_q <= word0_q + 26'd1;
            left0_q <= left0_q - 7'd1;
        end else if (v0_q) wait0_q <= wait0_q - WaitW'(1);

        if (v1_q && wait1_q != '0) wait1_q <= wait1_q - WaitW'(1);

        if (last && v1_q) begin
            write0_q <= write1_q;
            word0_q  <= word1_q;
            left0_q  <= left1_q;
            // A read does not start in the cycle in which a write's last word is stored.
            if (wait1_q > WaitW'(1)) wait0_q <= wait1_q - WaitW'(1);
            else wait0_q <= WaitW'(write0_q && !write1_q);
            v1_q <= 1'b0;
        end else if (last || !v0_q) begin
            v0_q <= take;
            if (take) begin
                write0_q <= s_write_i;
                word0_q  <= s_addr_i[27:2];
                left0_q  <= s_len_i;
                wait0_q  <= s_write_i ? WWait : RWait;
            end
        end else if (take) begin
            v1_q     <= 1'b1;
            write1_q <= s_write_i;
            word1_q  <= s_addr_i[27:2];
            left1_q  <= s_len_i;
            wait1_q  <= s_write_i ? WWait : RWait;
        end

        if (!rst_ni) begin
            v0_q <= 1'b0;
            v1_q <= 1'b0;
            w_q  <= 1'b0;
            r_q  <= 1'b0;
        end
    end

`ifndef SYNTHESIS
    initial begin
        assert (ReadLatency >= 3);
        assert (WriteLatency >= 2);
    end
    always_ff @(posedge clk_i)
        if (rst_ni) begin
            assert (!v1_q || v0_q);
            assert (!(w_q && r_q));
            if (take) assert (s_len_i >= 7'd1 && s_len_i <= 7'd64);
        end
`endif
endmodule

`default_nettype wire
