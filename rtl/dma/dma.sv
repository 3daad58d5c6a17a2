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

  // ---- the descriptor at work
  logic        push, full, word_valid, work, moving_q, done, marked;
  logic        dq_valid, dq_write;
  logic [2:0]  word;
  logic [27:0] dq_addr;
  logic [6:0]  dq_len;
  logic [31:0] dq_wdata;
  logic [31:0] next_q, src_q, dst_q, len_q;
  logic [1:0]  op_q;
  logic        want_irq_q, irq_q, in_range;
  logic [31:0] status_q;
  logic [32:0] src_end, dst_end;

  assign push = stb_i && we_i && adr_i == 10'(DMA_HEAD >> 2);
  assign done = moving_q ? move_done : work && !in_range;

  // RESULT and STATUS are neighbours: one burst of two words.
  desc_queue #(
      .Depth     (8),
      .MarkOffset(DMA_DESC_RESULT),
      .MarkWords (2)
  ) queue (
      .clk_i       (clk_i),
      .rst_ni      (rst_ni),
      .push_i      (push),
      .desc_i      (wdata_i[27:5]),
      .full_o      (full),
      .busy_o      (busy_o),
      .word_valid_o(word_valid),
      .word_o      (word),
      .work_o      (work),
      .done_i      (done),
      .status_i    (status_q),
      .result_i    (crc),
      .next_i      (next_q),
      .marked_o    (marked),
      .m_valid_o   (dq_valid),
      .m_ready_i   (m_ready_i),
      .m_write_o   (dq_write),
      .m_addr_o    (dq_addr),
      .m_len_o     (dq_len),
      .m_wdata_o   (dq_wdata),
      .m_wready_i  (m_wready_i),
      .m_rvalid_i  (m_rvalid_i)
  );

  // Here and below: an engine that has nothing to do is one test, which keeps the simulation fast.
  always_comb begin
    src_end  = '0;
    dst_end  = '0;
    in_range = 1'b0;
    if (work && !moving_q) begin
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
  logic        move_done, mv_valid, mv_write;
  logic [27:0] mv_addr;
  logic [6:0]  mv_len;
  logic [31:0] mv_wdata, crc;
  logic [3:0]  mv_wstrb;

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
      .m_ready_i (m_ready_i && moving_q),
      .m_write_o (mv_write),
      .m_addr_o  (mv_addr),
      .m_len_o   (mv_len),
      .m_wdata_o (mv_wdata),
      .m_wstrb_o (mv_wstrb),
      .m_wready_i(m_wready_i && moving_q),
      .m_rvalid_i(m_rvalid_i && moving_q),
      .m_rdata_i (m_rdata_i)
  );

  always_comb begin
    m_valid_o = dq_valid;
    m_write_o = dq_write;
    m_addr_o  = dq_addr;
    m_len_o   = dq_len;
    m_wdata_o = dq_wdata;
    m_wstrb_o = 4'hF;
    if (moving_q) begin
      m_valid_o = mv_valid;
      m_write_o = mv_write;
      m_addr_o  = mv_addr;
      m_len_o   = mv_len;
      m_wdata_o = mv_wdata;
      m_wstrb_o = mv_wstrb;
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      moving_q <= 1'b0;
      irq_q    <= 1'b0;
    end else begin
      if (stb_i && we_i && adr_i == 10'(DMA_IRQ >> 2) && wdata_i[0]) irq_q <= 1'b0;
      if (word_valid)
        unique case ({word, 2'b00})
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
      if (work && !moving_q) begin
        status_q <= in_range ? StatusDone : StatusRange;
        moving_q <= in_range;
      end
      if (moving_q && move_done) moving_q <= 1'b0;
      if (marked && want_irq_q) irq_q <= 1'b1;
    end
  end

  // ---- registers
  assign irq_o = irq_q;

  always_comb begin
    unique case (adr_i)
      10'(DMA_HEAD >> 2):   rdata_o = {31'd0, full};
      10'(DMA_STATUS >> 2): rdata_o = {31'd0, busy_o};
      10'(DMA_IRQ >> 2):    rdata_o = {31'd0, irq_q};
      default:              rdata_o = '0;
    endcase
  end
endmodule

`default_nettype wire
