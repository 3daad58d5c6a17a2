// SPDX-License-Identifier: BSD-2-Clause
// Medium controller (rtl/regs/medium.toml): moves blocks between a medium and memory, in order.
//
// The medium behind st_* takes one command at a time, {op, block, count}, moves its words over two
// streams and ends it with done; after an error it moves no more (storage_sim.sv).
`default_nettype none

module medium_ctrl #(
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
    input  wire logic [31:0] m_rdata_i,

    input  wire logic        st_present_i,
    input  wire logic        st_read_only_i,
    input  wire logic [63:0] st_blocks_i,
    output logic             st_cmd_valid_o,
    input  wire logic        st_cmd_ready_i,
    output logic [1:0]       st_cmd_op_o,
    output logic [63:0]      st_cmd_block_o,
    output logic [8:0]       st_cmd_count_o,
    input  wire logic        st_done_i,
    input  wire logic        st_error_i,
    input  wire logic        st_rvalid_i,
    output logic             st_rready_o,
    input  wire logic [31:0] st_rdata_i,
    output logic             st_wvalid_o,
    input  wire logic        st_wready_i,
    output logic [31:0]      st_wdata_o
);
  `include "medium_regs.svh"

  localparam logic [32:0] MemoryBytes = 33'(MemoryMiB) << 20;
  localparam logic [1:0] OpRead = 2'd0;
  localparam logic [1:0] OpWrite = 2'd1;
  localparam logic [1:0] OpFlush = 2'd2;
  localparam logic [31:0] StatusDone = 32'd1;
  localparam logic [31:0] StatusError = 32'd2;
  localparam logic [31:0] StatusRange = 32'd3;
  localparam int unsigned Depth = 128;

  enum logic [1:0] {
    Check,
    Command,
    Move
  } state_q;

  // ---- the descriptor at work
  logic        push, full, word_valid, work, done, marked;
  logic        dq_valid, dq_write;
  logic [2:0]  word;
  logic [27:0] dq_addr;
  logic [6:0]  dq_len;
  logic [31:0] dq_wdata;
  logic [1:0]  op_q;
  logic [63:0] block_q;
  logic [31:0] count_q, addr_q, status_q, done_count_q;
  logic        irq_q, checking, no_range, no_medium;
  logic [64:0] block_end;
  logic [32:0] addr_end;

  assign push     = stb_i && we_i && adr_i == 10'(MEDIUM_SUBMIT >> 2);
  assign checking = work && state_q == Check;

  desc_queue #(
      .Depth     (16),
      .MarkOffset(MEDIUM_DESC_STATUS),
      .MarkWords (1)
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
      .result_i    (32'd0),
      .next_i      (32'd0),
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

  // Here and below: a controller that has nothing to do is one test, which keeps the simulation fast.
  always_comb begin
    block_end = '0;
    addr_end  = '0;
    no_range  = 1'b0;
    no_medium = 1'b0;
    if (checking) begin
      block_end = {1'b0, block_q} + {33'd0, count_q};
      addr_end  = {1'b0, addr_q} + {12'd0, count_q[8:0], 12'd0};
      no_range  = op_q == OpFlush ? 1'b0 : op_q > OpFlush || count_q == 0 || count_q > 32'd256 ||
                  addr_q[11:0] != 0 || block_end > {1'b0, st_blocks_i} ||
                  addr_end > MemoryBytes;
      no_medium = !st_present_i || (op_q == OpWrite && st_read_only_i);
    end
  end

  assign st_cmd_valid_o = state_q == Command;
  assign st_cmd_op_o    = op_q;
  assign st_cmd_block_o = block_q;
  assign st_cmd_count_o = count_q[8:0];

  // ---- moving: bursts of 64 words, of which a block has 16, so that none crosses a page
  logic        offered_q, ended_q, moving;
  logic [19:0] burst_q;             // next burst's offset in memory / 256
  logic [12:0] bursts_left_q;
  logic [7:0]  words_left_q;        // of taken commands: words not yet moved over the mport
  logic        fifo_push, fifo_pop;
  logic [7:0]  fifo_count;
  logic [31:0] fifo_rdata;
  logic        settled, failed, moved;

  always_comb begin
    st_rready_o = 1'b0;
    st_wvalid_o = 1'b0;
    fifo_push   = 1'b0;
    fifo_pop    = 1'b0;
    failed      = 1'b0;
    settled     = 1'b0;
    moved       = 1'b0;
    if (moving) begin
      failed  = ended_q && status_q == StatusError;
      settled = !offered_q && words_left_q == 0;  // nothing offered, nothing under way
      moved   = ended_q && settled && (failed || bursts_left_q == 0);
      if (op_q == OpRead) begin
        st_rready_o = fifo_count < 8'd124;
        fifo_push   = st_rvalid_i && st_rready_o;
        fifo_pop    = m_wready_i;
      end else begin
        st_wvalid_o = op_q == OpWrite && fifo_count != 0;
        fifo_push   = m_rvalid_i;
        fifo_pop    = st_wready_i && st_wvalid_o;
      end
    end
  end
  assign moving     = state_q == Move;
  assign done       = moved || (checking && (no_medium || no_range));
  assign st_wdata_o = fifo_rdata;

  word_fifo #(
      .Depth(Depth)
  ) fifo (
      .clk_i  (clk_i),
      .clear_i(!rst_ni || checking),
      .push_i (fifo_push),
      .wdata_i(op_q == OpRead ? st_rdata_i : m_rdata_i),
      .pop_i  (fifo_pop),
      .rdata_o(fifo_rdata),
      .count_o(fifo_count)
  );

  always_comb begin
    m_valid_o = dq_valid;
    m_write_o = dq_write;
    m_addr_o  = dq_addr;
    m_len_o   = dq_len;
    m_wdata_o = dq_wdata;
    m_wstrb_o = 4'hF;
    if (moving) begin
      m_valid_o = offered_q;
      m_write_o = op_q == OpRead;
      m_addr_o  = {burst_q, 8'd0};
      m_len_o   = 7'd64;
      m_wdata_o = fifo_rdata;
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      state_q      <= Check;
      done_count_q <= '0;
      irq_q        <= 1'b0;
      offered_q    <= 1'b0;
    end else begin
      if (stb_i && we_i && adr_i == 10'(MEDIUM_IRQ >> 2) && wdata_i[0]) irq_q <= 1'b0;
      if (word_valid)
        unique case ({word, 2'b00})
          5'(MEDIUM_DESC_CONTROL):  op_q <= m_rdata_i[1:0];
          5'(MEDIUM_DESC_BLOCK_LO): block_q[31:0] <= m_rdata_i;
          5'(MEDIUM_DESC_BLOCK_HI): block_q[63:32] <= m_rdata_i;
          5'(MEDIUM_DESC_COUNT):    count_q <= m_rdata_i;
          5'(MEDIUM_DESC_ADDR):     addr_q <= m_rdata_i;
          default:                  ;
        endcase

      unique case (state_q)
        Check:
        if (work) begin
          burst_q       <= addr_q[27:8];
          bursts_left_q <= op_q == OpFlush ? '0 : {count_q[8:0], 4'd0};
          words_left_q  <= '0;
          ended_q       <= 1'b0;
          status_q      <= no_medium ? StatusError : StatusRange;
          state_q       <= done ? Check : Command;
        end
        Command: if (st_cmd_ready_i) state_q <= Move;
        Move: begin
          if (offered_q && m_ready_i) begin
            offered_q     <= 1'b0;
            burst_q       <= burst_q + 1'b1;
            bursts_left_q <= bursts_left_q - 1'b1;
            words_left_q  <= m_wready_i ? 8'd63 : 8'd64;
          end else if (m_wready_i || m_rvalid_i) words_left_q <= words_left_q - 1'b1;
          // The next burst when its words are there, or there is room for them.
          if (settled && !failed && bursts_left_q != 0 &&
              (op_q == OpRead ? fifo_count >= 8'd64 : fifo_count <= 8'd60))
            offered_q <= 1'b1;
          // Done comes when a read's last words may still be on their way to memory, and a failure
          // when a burst is.
          if (st_done_i) begin
            status_q <= st_error_i ? StatusError : StatusDone;
            ended_q  <= 1'b1;
          end
          if (moved) state_q <= Check;
        end
        default: state_q <= Check;
      endcase
      if (marked) begin
        done_count_q <= done_count_q + 1'b1;
        irq_q        <= 1'b1;
      end
    end
  end

  // ---- registers
  assign irq_o = irq_q;

  always_comb begin
    unique case (adr_i)
      10'(MEDIUM_SUBMIT >> 2):    rdata_o = {31'd0, full};
      10'(MEDIUM_DONE >> 2):      rdata_o = done_count_q;
      10'(MEDIUM_IRQ >> 2):       rdata_o = {31'd0, irq_q};
      10'(MEDIUM_STATUS >> 2):    rdata_o = {29'd0, st_read_only_i, st_present_i, busy_o};
      10'(MEDIUM_BLOCKS_LO >> 2): rdata_o = st_blocks_i[31:0];
      10'(MEDIUM_BLOCKS_HI >> 2): rdata_o = st_blocks_i[63:32];
      default:                    rdata_o = '0;
    endcase
  end
endmodule

`default_nettype wire
