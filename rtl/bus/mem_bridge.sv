// SPDX-License-Identifier: BSD-2-Clause
// From the core's two buses to one mport: refill bursts, and posted writes gathered into bursts.
//
// Invariants:
// 1. A store is acknowledged at once while there is room; the words of one queued burst are
//    consecutive and lie in one 32-byte line.
// 2. A read never passes a queued store to its line; it may pass stores to other lines (total store
//    order). drained_o says that every store has been taken by memory: bus.sv lets no write to a
//    register go before that, so a doorbell never overtakes what it announces.
// 3. What is offered on the mport stays as it is until it is taken.
`default_nettype none

module mem_bridge (
    input  wire logic        clk_i,
    input  wire logic        rst_ni,

    // word addresses within memory
    input  wire logic        i_stb_i,
    input  wire logic [25:0] i_adr_i,
    output logic             i_ack_o,

    input  wire logic        d_stb_i,
    input  wire logic        d_we_i,
    input  wire logic [25:0] d_adr_i,
    input  wire logic        d_burst_i,
    input  wire logic [3:0]  d_sel_i,
    input  wire logic [31:0] d_wdata_i,
    output logic             d_ack_o,

    output logic [31:0]      rdata_o,    // for both
    output logic             drained_o,
    output logic             idle_o,

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
  // ---- queued words and the bursts they form
  logic [35:0] word_q[16];
  logic [3:0]  word_head_q, word_tail_q;
  logic [4:0]  word_count_q;
  logic [25:0] burst_adr_q[4];
  logic [3:0]  burst_len_q[4];
  logic [1:0]  burst_head_q, burst_tail_q;  // tail: the youngest
  logic [2:0]  burst_count_q;

  logic        write_offered_q;
  logic        store, grow, push, pop, taken;
  logic [25:0] next_adr_q;                  // word after the youngest burst

  assign store     = d_stb_i && d_we_i;
  always_comb begin
    grow = 1'b0;
    push = 1'b0;
    if (store) begin
      grow = burst_count_q != 0 && !(write_offered_q && burst_count_q == 3'd1) &&
             d_adr_i == next_adr_q && d_adr_i[2:0] != 3'd0;
      push = word_count_q != 5'd16 && (grow || burst_count_q != 3'd4);
    end
  end
  assign pop       = m_wready_i;
  assign taken     = write_offered_q && m_ready_i;
  assign m_wdata_o = word_q[word_head_q][31:0];
  assign m_wstrb_o = word_q[word_head_q][35:32];
  assign drained_o = word_count_q == 0;

  // ---- reads: one at a time, data before instructions
  logic        read_busy_q, read_instr_q, read_held_q;
  logic [3:0]  read_left_q;
  logic        d_read, read_instr, read_want, read_go, conflict;
  logic [25:0] read_adr;
  logic [3:0]  read_len;

  assign d_read     = d_stb_i && !d_we_i;
  assign read_instr = read_held_q ? read_instr_q : !d_read;
  assign read_want  = !read_busy_q && (d_read || i_stb_i);
  assign read_adr   = read_instr ? i_adr_i : d_adr_i;
  assign read_len   = read_instr || d_burst_i ? 4'd8 : 4'd1;

  // Entries that are not in use keep the line of an old burst: age says which are.
  logic [3:0] same_line;
  always_comb begin
    same_line = '0;
    if (read_want && burst_count_q != 0) begin
      for (int i = 0; i < 4; i++)
        same_line[i] = {1'b0, 2'(burst_tail_q - 2'(i))} < burst_count_q &&
                       burst_adr_q[i][25:3] == read_adr[25:3];
    end
  end
  assign conflict  = same_line != 0;
  assign read_go   = read_want && !write_offered_q && !conflict;

  assign m_valid_o = write_offered_q || read_go;
  assign m_write_o = write_offered_q;
  assign m_addr_o  = {write_offered_q ? burst_adr_q[burst_head_q] : read_adr, 2'b00};
  assign m_len_o   = {3'b0, write_offered_q ? burst_len_q[burst_head_q] : read_len};

  assign rdata_o   = m_rdata_i;
  assign i_ack_o   = m_rvalid_i && read_instr_q;
  assign d_ack_o   = push || (m_rvalid_i && !read_instr_q);
  assign idle_o    = drained_o && !read_busy_q && !i_stb_i;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      word_head_q     <= '0;
      word_tail_q     <= '0;
      word_count_q    <= '0;
      burst_head_q    <= '0;
      burst_tail_q    <= 2'd3;
      burst_count_q   <= '0;
      next_adr_q      <= '0;
      write_offered_q <= 1'b0;
      read_busy_q     <= 1'b0;
      read_instr_q    <= 1'b0;
      read_held_q     <= 1'b0;
      read_left_q     <= '0;
    end else begin
      if (push) begin
        word_q[word_tail_q] <= {d_sel_i, d_wdata_i};
        word_tail_q         <= word_tail_q + 1'b1;
        next_adr_q          <= d_adr_i + 1'b1;
        if (grow) burst_len_q[burst_tail_q] <= burst_len_q[burst_tail_q] + 1'b1;
        else begin
          burst_adr_q[burst_tail_q+2'd1] <= d_adr_i;
          burst_len_q[burst_tail_q+2'd1] <= 4'd1;
          burst_tail_q                   <= burst_tail_q + 1'b1;
        end
      end
      if (pop) word_head_q <= word_head_q + 1'b1;
      if (push != pop) word_count_q <= push ? word_count_q + 1'b1 : word_count_q - 1'b1;

      if (taken) burst_head_q <= burst_head_q + 1'b1;
      if ((push && !grow) != taken)
        burst_count_q <= taken ? burst_count_q - 1'b1 : burst_count_q + 1'b1;

      // A read that can go goes first; it holds its place until it is taken.
      if (taken) write_offered_q <= 1'b0;
      else if (!write_offered_q && burst_count_q != 0) write_offered_q <= !(read_go && !m_ready_i);
      read_held_q <= read_go && !m_ready_i;

      if (read_go) begin
        read_instr_q <= read_instr;
        read_left_q  <= read_len;
        read_busy_q  <= m_ready_i;
      end
      if (m_rvalid_i) begin
        read_left_q <= read_left_q - 1'b1;
        read_busy_q <= read_left_q != 4'd1;
      end
    end
  end
endmodule

`default_nettype wire
