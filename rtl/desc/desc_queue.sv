// SPDX-License-Identifier: BSD-2-Clause
// What feeds an engine with descriptors from memory: a queue of their offsets, the fetch of each one's
// 8 words, and the mark in its last words when the engine is done with it.
//
// word_valid_o says that the mport's data of this cycle is the descriptor's word word_o. Then work_o is 1,
// and the mport is the engine's, until done_i; status_i, result_i and next_i stand from there to marked_o.
`default_nettype none

module desc_queue #(
    parameter int unsigned Depth = 8,        // descriptors that wait; power of two
    parameter int unsigned MarkOffset = 28,  // in bytes: where the mark is written
    parameter int unsigned MarkWords = 1     // 1: status; 2: result, status
) (
    input  wire logic        clk_i,
    input  wire logic        rst_ni,

    input  wire logic        push_i,       // lost when full_o
    input  wire logic [22:0] desc_i,       // offset / 32
    output logic             full_o,
    output logic             busy_o,

    output logic             word_valid_o,
    output logic [2:0]       word_o,
    output logic             work_o,
    input  wire logic        done_i,       // only while work_o
    input  wire logic [31:0] status_i,
    input  wire logic [31:0] result_i,
    input  wire logic [31:0] next_i,       // offset of the next one in the list, or 0
    output logic             marked_o,

    output logic             m_valid_o,
    input  wire logic        m_ready_i,
    output logic             m_write_o,
    output logic [27:0]      m_addr_o,
    output logic [6:0]       m_len_o,
    output logic [31:0]      m_wdata_o,
    input  wire logic        m_wready_i,
    input  wire logic        m_rvalid_i
);
  localparam int unsigned Width = $clog2(Depth);

  enum logic [2:0] {
    Idle,
    Fetch,
    Words,
    Work,
    Mark,
    Marking
  } state_q;

  // ---- those that wait
  logic [22:0]      queue_q[Depth];
  logic [Width-1:0] head_q, tail_q;
  logic [Width:0]   count_q;
  logic             push, pop;

  assign full_o = count_q == (Width + 1)'(Depth);
  assign busy_o = state_q != Idle || count_q != 0;
  assign push   = push_i && !full_o;
  assign pop    = state_q == Idle && count_q != 0;

  // ---- the one at work
  logic [22:0] desc_q;  // offset / 32
  logic [2:0]  word_q;

  assign word_o       = word_q;
  assign word_valid_o = state_q == Words && m_rvalid_i;
  assign work_o       = state_q == Work;

  // An engine that has nothing to do is one test, which keeps the simulation fast.
  always_comb begin
    m_valid_o = 1'b0;
    m_write_o = 1'b0;
    m_addr_o  = '0;
    m_len_o   = '0;
    m_wdata_o = '0;
    marked_o  = 1'b0;
    if (state_q != Idle) begin
      m_valid_o = state_q == Fetch || state_q == Mark;
      m_write_o = state_q == Mark;
      m_addr_o  = {desc_q, state_q == Mark ? 5'(MarkOffset) : 5'd0};
      m_len_o   = state_q == Mark ? 7'(MarkWords) : 7'd8;
      m_wdata_o = word_q == 3'(MarkWords - 1) ? status_i : result_i;
      marked_o  = (state_q == Mark || state_q == Marking) && m_wready_i &&
                  word_q == 3'(MarkWords - 1);
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      state_q <= Idle;
      head_q  <= '0;
      tail_q  <= '0;
      count_q <= '0;
    end else begin
      if (push) begin
        queue_q[tail_q] <= desc_i;
        tail_q          <= tail_q + 1'b1;
      end
      if (pop) head_q <= head_q + 1'b1;
      if (push != pop) count_q <= push ? count_q + 1'b1 : count_q - 1'b1;

      unique case (state_q)
        Idle:
        if (pop) begin
          desc_q  <= queue_q[head_q];
          word_q  <= '0;
          state_q <= Fetch;
        end
        Fetch: if (m_ready_i) state_q <= Words;
        Words:
        if (m_rvalid_i) begin
          word_q <= word_q + 1'b1;
          if (word_q == 3'd7) state_q <= Work;
        end
        Work: if (done_i) state_q <= Mark;
        Mark, Marking: begin
          if (m_ready_i) state_q <= Marking;
          if (m_wready_i) word_q <= word_q + 1'b1;
          if (marked_o) begin
            word_q  <= '0;
            desc_q  <= next_i[27:5];
            state_q <= next_i == 0 ? Idle : Fetch;
          end
        end
        default: state_q <= Idle;
      endcase
    end
  end
endmodule

`default_nettype wire
