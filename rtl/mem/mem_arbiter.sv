// SPDX-License-Identifier: BSD-2-Clause
// Joins several mports (rtl/README.md) into one: round robin by burst, next command overlapped.
//
// No cycle is added: the command picked is offered to the memory in the cycle in which its master
// offers it. At most two commands are between "taken" and "last word moved"; the memory sees the
// second while it moves the first. An offered command may be replaced by another master's until the
// memory takes it.
`default_nettype none

module mem_arbiter #(
    parameter int unsigned Masters = 8
) (
    input  wire logic                  clk_i,
    input  wire logic                  rst_ni,

    // masters, flattened: master i has bits [i] and [i*W +: W]
    input  wire logic [Masters-1:0]    s_valid_i,
    output logic      [Masters-1:0]    s_ready_o,
    input  wire logic [Masters-1:0]    s_write_i,
    input  wire logic [Masters*28-1:0] s_addr_i,
    input  wire logic [Masters*7-1:0]  s_len_i,
    input  wire logic [Masters*32-1:0] s_wdata_i,
    input  wire logic [Masters*4-1:0]  s_wstrb_i,
    output logic      [Masters-1:0]    s_wready_o,
    output logic      [Masters-1:0]    s_rvalid_o,
    output logic      [31:0]           s_rdata_o,  // one for all masters, goes with s_rvalid_o

    // memory
    output logic                       m_valid_o,
    input  wire logic                  m_ready_i,
    output logic                       m_write_o,
    output logic [27:0]                m_addr_o,
    output logic [6:0]                 m_len_o,
    output logic [31:0]                m_wdata_o,
    output logic [3:0]                 m_wstrb_o,
    input  wire logic                  m_wready_i,
    input  wire logic                  m_rvalid_i,
    input  wire logic [31:0]           m_rdata_i
);
    localparam int unsigned IdW = (Masters > 1) ? $clog2(Masters) : 1;
    localparam int LastMaster = Masters - 1;

    // Commands taken whose data has not all moved: 0 is moving, 1 is next.
    logic           v0_q, v1_q;
    logic           write0_q, write1_q;
    logic [IdW-1:0] id0_q, id1_q;
    logic [6:0]     left0_q, left1_q;
    logic [IdW-1:0] last_q;  // the master served last has the lowest priority

    // ------------------------------------------------------------------ choice of a command
    logic [IdW-1:0]     pick;
    logic               any;
    logic [Masters-1:0] upper;  // requests of masters after the one served last

    always_comb begin
        pick      = '0;
        upper     = '0;
        any       = 1'b0;
        m_write_o = 1'b0;
        m_addr_o  = '0;
        m_len_o   = '0;
        if (s_valid_i != '0 && !v1_q) begin
            any = 1'b1;
            for (int i = 0; i <= LastMaster; i++)
                upper[i] = s_valid_i[i] && IdW'(i) > last_q;
            if (upper == '0) upper = s_valid_i;
            for (int i = LastMaster; i >= 0; i--)
                if (upper[i]) begin
                    pick      = IdW'(i);
                    m_write_o = s_write_i[i];
                    m_addr_o  = s_addr_i[i*28 +: 28];
                    m_len_o   = s_len_i[i*7 +: 7];
                end
        end
    end

    assign m_valid_o = any;
    assign s_ready_o = Masters'(any && m_ready_i) << pick;

    // ------------------------------------------------------------------ data of the moving command
    always_comb begin
        m_wdata_o = '0;
        m_wstrb_o = '0;
        if (write0_q)
            for (int i = 0; i <= LastMaster; i++)
                if (id0_q == IdW'(i)) begin
                    m_wdata_o = s_wdata_i[i*32 +: 32];
                    m_wstrb_o = s_wstrb_i[i*4 +: 4];
                end
    end

    assign s_wready_o = Masters'(m_wready_i) << id0_q;
    assign s_rvalid_o = Masters'(m_rvalid_i) << id0_q;
    assign s_rdata_o  = m_rdata_i;

    logic take, beat, done;
    assign take = any && m_ready_i;
    assign beat = m_wready_i || m_rvalid_i;
    assign done = beat && left0_q == 7'd1;

    always_ff @(posedge clk_i) begin
        if (!rst_ni) begin
            v0_q    <= 1'b0;
            v1_q    <= 1'b0;
            write0_q <= 1'b0;
            write1_q <= 1'b0;
            id0_q   <= '0;
            id1_q   <= '0;
            left0_q <= '0;
            left1_q <= '0;
            last_q  <= '0;
        end else if (take || beat) begin
            if (beat) left0_q <= left0_q - 7'd1;
            if (take) last_q <= pick;
            if (done || !v0_q) begin  // the moving place is free for the next one
                v0_q    <= v1_q || take;
                write0_q <= v1_q ? write1_q : take && m_write_o;
                id0_q   <= v1_q ? id1_q : pick;
                left0_q <= v1_q ? left1_q : m_len_o;
                v1_q    <= 1'b0;  // v1_q excludes take
            end else if (take) begin
                v1_q    <= 1'b1;
                write1_q <= m_write_o;
                id1_q   <= pick;
                left1_q <= m_len_o;
            end
        end
    end

`ifndef SYNTHESIS
    always_ff @(posedge clk_i)
        if (rst_ni) begin
            assert (!(m_wready_i && m_rvalid_i));  // one word a cycle
            assert (!beat || v0_q);                // no data without a command
            assert (!beat || m_wready_i == write0_q);
            assert (!v1_q || v0_q);
            if (take) begin
                assert (m_len_o >= 7'd1 && m_len_o <= 7'd64);
                // a burst stays inside 4 KiB
                assert (32'(m_addr_o[11:2]) + 32'(m_len_o) <= 32'd1024);
            end
        end
`endif
endmodule

`default_nettype wire
