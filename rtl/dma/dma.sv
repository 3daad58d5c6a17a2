// SPDX-License-Identifier: BSD-2-Clause
// DMA engine (rtl/regs/dma.toml): takes lists of descriptors from memory and marks each as it ends.
`default_nettype none

module dma #(
    parameter int unsigned MemoryMiB = 32
) (
    input  wire logic        clk_i,
    input  wire logic        rst_ni,

    input  wire logic        stb_i,
    input  wire logic        we_i,
    input  wire logic [9:0]  adr_i,
    input  wire logic [31:0] wdata_i,
    output logic [31:0]      rdata_o,
    output logic             irq_o,
    output logic             busy_o,

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
  `include "dma_regs.svh"

  localparam logic [32:0] MemoryBytes = 33'(MemoryMiB) << 20;
  localparam logic [31:0] StatusDone = 32'd1;
  localparam logic [31:0] StatusRange = 32'd2;

  enum logic [2:0] {
    Idle,
    Fetch,
    Words,
    Check,
    Move,
    Status,
    Marking
  } state_q;

  // ---- waiting lists
  logic [22:0] queue_q[8];
  logic [2:0]  queue_head_q, queue_tail_q;
  logic [3:0]  queue_count_q;
  logic        queue_push, queue_pop;

  assign queue_push = stb_i && we_i && adr_i == 10'(DMA_HEAD >> 2) && queue_count_q != 4'd8;
  assign queue_pop  = state_q == Idle && queue_count_q != 0;

  // ---- the descriptor at work
  logic [22:0] desc_q;       // its offset / 32
  logic [2:0]  word_q;
  logic [31:0] next_q, src_q, dst_q, len_q;
  logic [1:0]  op_q;
  logic        want_irq_q, irq_q, in_range, marked;
  logic [31:0] status_q;
  logic [32:0] src_end, dst_end;

  // Here and below: an engine that has nothing to do is one test, which keeps the simulation fast.
  always_comb begin
    src_end  = '0;
    dst_end  = '0;
    in_range = 1'b0;
    if (state_q == Check) begin
      src_end = {1'b0, src_q} + {1'b0, len_q};
      dst_end = {1'b0, dst_q} + {1'b0, len_q};
      unique case (op_q)
        2'd0:    in_range = src_end <= MemoryBytes && dst_end <= MemoryBytes;
        2'd1:    in_range = dst_end <= MemoryBytes && dst_q[1:0] == 0 && len_q[1:0] == 0;
        2'd2:    in_range = src_end <= MemoryBytes;
        default: in_range = 1'b0;
      endcase
    end
  end

  // ---- the mover
  logic        move_done, mv_valid, mv_write, own;
  logic [27:0] mv_addr;
  logic [6:0]  mv_len;
  logic [31:0] mv_wdata, crc;
  logic [3:0]  mv_wstrb;

  assign own = state_q != Move;

  dma_move move (
      .clk_i     (clk_i),
      .rst_ni    (rst_ni),
      .start_i   (in_range),
      .op_i      (op_q),
      .src_i     (src_q),
      .dst_i     (dst_q),
      .len_i     (len_q[28:0]),
      .done_o    (move_done),
      .crc_o     (crc),
      .m_valid_o (mv_valid),
      .m_ready_i (m_ready_i && !own),
      .m_write_o (mv_write),
      .m_addr_o  (mv_addr),
      .m_len_o   (mv_len),
      .m_wdata_o (mv_wdata),
      .m_wstrb_o (mv_wstrb),
      .m_wready_i(m_wready_i && !own),
      .m_rvalid_i(m_rvalid_i && !own),
      .m_rdata_i (m_rdata_i)
  );

  // RESULT and STATUS are neighbours: one burst of two words.
  always_comb begin
    m_valid_o = 1'b0;
    m_write_o = 1'b0;
    m_addr_o  = '0;
    m_len_o   = '0;
    m_wdata_o = '0;
    m_wstrb_o = '0;
    marked    = 1'b0;
    if (state_q == Move) begin
      m_valid_o = mv_valid;
      m_write_o = mv_write;
      m_addr_o  = mv_addr;
      m_len_o   = mv_len;
      m_wdata_o = mv_wdata;
      m_wstrb_o = mv_wstrb;
    end else if (state_q != Idle) begin
      m_valid_o = state_q == Fetch || state_q == Status;
      m_write_o = state_q == Status;
      m_addr_o  = {desc_q, state_q == Status ? 5'(DMA_DESC_RESULT) : 5'd0};
      m_len_o   = state_q == Status ? 7'd2 : 7'd8;
      m_wdata_o = word_q[0] ? status_q : crc;
      m_wstrb_o = 4'hF;
      marked    = (state_q == Marking || state_q == Status) && m_wready_i && word_q[0];
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      state_q       <= Idle;
      queue_head_q  <= '0;
      queue_tail_q  <= '0;
      queue_count_q <= '0;
      irq_q         <= 1'b0;
    end else begin
      if (queue_push) begin
        queue_q[queue_tail_q] <= wdata_i[27:5];
        queue_tail_q          <= queue_tail_q + 1'b1;
      end
      if (queue_pop) queue_head_q <= queue_head_q + 1'b1;
      if (queue_push != queue_pop)
        queue_count_q <= queue_push ? queue_count_q + 1'b1 : queue_count_q - 1'b1;

      if (stb_i && we_i && adr_i == 10'(DMA_IRQ >> 2) && wdata_i[0]) irq_q <= 1'b0;

      unique case (state_q)
        Idle:
        if (queue_pop) begin
          desc_q  <= queue_q[queue_head_q];
          word_q  <= '0;
          state_q <= Fetch;
        end
        Fetch: if (m_ready_i) state_q <= Words;
        Words:
        if (m_rvalid_i) begin
          word_q <= word_q + 1'b1;
          unique case ({word_q, 2'b00})
            5'(DMA_DESC_NEXT): next_q <= m_rdata_i;
            5'(DMA_DESC_CONTROL): begin
              op_q       <= m_rdata_i[1:0];
              want_irq_q <= m_rdata_i[8];
            end
            5'(DMA_DESC_SRC): src_q <= m_rdata_i;
            5'(DMA_DESC_DST): dst_q <= m_rdata_i;
            5'(DMA_DESC_LEN): len_q <= m_rdata_i;
            default:          ;
          endcase
          if (word_q == 3'd7) state_q <= Check;
        end
        Check: begin
          status_q <= in_range ? StatusDone : StatusRange;
          state_q  <= in_range ? Move : Status;
        end
        Move: if (move_done) state_q <= Status;
        Status: if (m_ready_i) state_q <= Marking;
        Marking: ;
        default: state_q <= Idle;
      endcase
      if (own && m_wready_i) word_q <= word_q + 1'b1;
      if (marked) begin
        if (want_irq_q) irq_q <= 1'b1;
        word_q  <= '0;
        desc_q  <= next_q[27:5];
        state_q <= next_q == 0 ? Idle : Fetch;
      end
    end
  end

  // ---- registers
  assign irq_o  = irq_q;
  assign busy_o = state_q != Idle || queue_count_q != 0;

  always_comb begin
    unique case (adr_i)
      10'(DMA_HEAD >> 2):   rdata_o = {31'd0, queue_count_q == 4'd8};
      10'(DMA_STATUS >> 2): rdata_o = {31'd0, busy_o};
      10'(DMA_IRQ >> 2):    rdata_o = {31'd0, irq_q};
      default:              rdata_o = '0;
    endcase
  end
endmodule

`default_nettype wire
