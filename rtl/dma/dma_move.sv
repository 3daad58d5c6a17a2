// SPDX-License-Identifier: BSD-2-Clause
// One DMA job: copy between any two alignments, fill, or CRC32C.
//
// Reads run ahead of writes as far as the FIFO has room, so that the memory always has the next
// command. Words are brought to the destination's alignment on their way into the FIFO.
`default_nettype none

module dma_move (
    input  wire logic        clk_i,
    input  wire logic        rst_ni,

    // job: start_i for one cycle, then done_o for one cycle. The ranges have been checked.
    input  wire logic        start_i,
    input  wire logic [1:0]  op_i,      // 0 copy, 1 fill, 2 CRC32C
    input  wire logic [31:0] src_i,     // fill: the pattern
    input  wire logic [31:0] dst_i,     // CRC32C: the seed
    input  wire logic [28:0] len_i,     // bytes
    output logic             done_o,
    output logic [31:0]      crc_o,

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
  localparam int unsigned Depth = 256;

  logic        active_q, fill_q, crc_q;
  logic [31:0] pattern_q;

  // Words of a burst: at most 64, not beyond the 4 KiB page, not beyond the job.
  function automatic logic [6:0] burst_len(input logic [9:0] word, input logic [27:0] left);
    logic [10:0] page;
    page      = 11'd1024 - {1'b0, word};
    burst_len = page < 11'd64 ? page[6:0] : 7'd64;
    if (left < {21'd0, burst_len}) burst_len = left[6:0];
  endfunction

  // CRC32C (Castagnoli, reflected polynomial) over the low n bytes of a word.
  function automatic logic [31:0] crc_bytes(input logic [31:0] seed, input logic [31:0] data,
                                            input logic [2:0] n);
    logic [31:0] c;
    c = seed;
    for (int b = 0; b < 4; b++) begin
      if (3'(b) < n) begin
        c = c ^ {24'd0, data[b*8+:8]};
        for (int k = 0; k < 8; k++) c = {1'b0, c[31:1]} ^ (c[0] ? 32'h82F63B78 : 32'd0);
      end
    end
    crc_bytes = c;
  endfunction

  // ---- command side
  logic        read_offered_q, write_offered_q;
  logic [25:0] read_adr_q, write_adr_q;
  logic [27:0] read_left_q, write_left_q;     // words not yet in a taken command
  logic [6:0]  read_len_q, write_len_q;       // words of the next command
  logic [8:0]  used_q;                        // words read or being read that are not yet written
  logic [8:0]  promised_q;                    // words of taken write commands still in the FIFO
  logic [8:0]  count;
  logic        can_read, can_write, read_taken, write_taken;

  // Here and below: an engine that has nothing to do is one test, which keeps the simulation fast.
  always_comb begin
    can_read    = 1'b0;
    can_write   = 1'b0;
    read_taken  = 1'b0;
    write_taken = 1'b0;
    m_addr_o    = '0;
    m_len_o     = '0;
    if (active_q) begin
      can_read    = read_left_q != 0 && !read_offered_q &&
                    (crc_q || used_q + {2'd0, read_len_q} < 9'(Depth));
      can_write   = write_left_q != 0 && !write_offered_q &&
                    (fill_q || count >= promised_q + {2'd0, write_len_q});
      read_taken  = read_offered_q && m_ready_i;
      write_taken = write_offered_q && m_ready_i;
      m_addr_o    = {write_offered_q ? write_adr_q : read_adr_q, 2'b00};
      m_len_o     = write_offered_q ? write_len_q : read_len_q;
    end
  end

  assign m_valid_o = read_offered_q || write_offered_q;
  assign m_write_o = write_offered_q;

  // ---- arriving words
  logic        rvalid_q, flush, push, first_in_q, skip_q;
  logic [31:0] rdata_q, prev_q;
  logic [27:0] arrive_left_q, push_left_q;
  logic [1:0]  shift_q, src_low_q, end_low_q;  // end_low: bytes in the last source word, 0 means 4
  logic [63:0] pair;

  logic [31:0] aligned;
  always_comb begin
    flush   = 1'b0;
    push    = 1'b0;
    pair    = '0;
    aligned = '0;
    if (active_q && !crc_q) begin
      flush = arrive_left_q == 0 && push_left_q == 28'd1 && !rvalid_q;
      push  = (rvalid_q && !(skip_q && first_in_q)) || flush;
      pair  = {rdata_q, shift_q == 0 ? rdata_q : prev_q};
      unique case (shift_q)
        2'd0: aligned = pair[31:0];
        2'd1: aligned = pair[39:8];
        2'd2: aligned = pair[47:16];
        2'd3: aligned = pair[55:24];
      endcase
    end
  end

  word_fifo #(
      .Depth(Depth)
  ) fifo (
      .clk_i  (clk_i),
      .clear_i(!rst_ni || start_i),
      .push_i (push),
      .wdata_i(aligned),
      .pop_i  (m_wready_i && !fill_q),
      .rdata_o(fifo_word),
      .count_o(count)
  );

  // ---- leaving words
  logic [31:0] fifo_word;
  logic        first_out_q;
  logic [27:0] out_left_q;
  logic [3:0]  strb_first_q, strb_last_q;

  always_comb begin
    m_wdata_o = '0;
    m_wstrb_o = '0;
    if (active_q) begin
      m_wdata_o = fill_q ? pattern_q : fifo_word;
      m_wstrb_o = (first_out_q ? strb_first_q : 4'hF) & (out_left_q == 28'd1 ? strb_last_q : 4'hF);
    end
  end

  // ---- the job
  logic [27:0] src_words, dst_words;
  logic [29:0] src_end, dst_end;
  logic        finished;

  always_comb begin
    src_end   = '0;
    dst_end   = '0;
    src_words = '0;
    dst_words = '0;
    if (start_i) begin
      src_end   = {28'd0, src_i[1:0]} + {1'b0, len_i};
      dst_end   = {28'd0, dst_i[1:0]} + {1'b0, len_i};
      src_words = 28'((src_end + 30'd3) >> 2);
      dst_words = 28'((dst_end + 30'd3) >> 2);
    end
  end
  assign finished = crc_q ? arrive_left_q == 0 && !rvalid_q : out_left_q == 0;

  function automatic logic [3:0] strb_until(input logic [1:0] n);
    unique case (n)
      2'd0: strb_until = 4'hF;
      2'd1: strb_until = 4'h1;
      2'd2: strb_until = 4'h3;
      2'd3: strb_until = 4'h7;
    endcase
  endfunction

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      active_q        <= 1'b0;
      done_o          <= 1'b0;
      read_offered_q  <= 1'b0;
      write_offered_q <= 1'b0;
      rvalid_q        <= 1'b0;
      fill_q          <= 1'b0;
      crc_q           <= 1'b0;
      crc_o           <= '0;
    end else if (start_i) begin
      active_q      <= 1'b1;
      fill_q        <= op_i == 2'd1;
      crc_q         <= op_i == 2'd2;
      crc_o         <= dst_i;
      pattern_q     <= src_i;
      read_adr_q    <= src_i[27:2];
      write_adr_q   <= dst_i[27:2];
      read_left_q   <= op_i == 2'd1 || len_i == 0 ? '0 : src_words;
      arrive_left_q <= op_i == 2'd1 || len_i == 0 ? '0 : src_words;
      write_left_q  <= op_i == 2'd2 || len_i == 0 ? '0 : dst_words;
      push_left_q   <= op_i == 2'd2 || len_i == 0 ? '0 : dst_words;
      out_left_q    <= op_i == 2'd2 || len_i == 0 ? '0 : dst_words;
      read_len_q    <= burst_len(src_i[11:2], src_words);
      write_len_q   <= burst_len(dst_i[11:2], dst_words);
      used_q        <= '0;
      promised_q    <= '0;
      first_in_q    <= 1'b1;
      first_out_q   <= 1'b1;
      skip_q        <= src_i[1:0] > dst_i[1:0];
      shift_q       <= src_i[1:0] - dst_i[1:0];
      src_low_q     <= src_i[1:0];
      end_low_q     <= src_end[1:0];
      strb_first_q  <= 4'hF << dst_i[1:0];
      strb_last_q   <= strb_until(dst_end[1:0]);
      rvalid_q      <= 1'b0;
    end else if (active_q) begin
      // commands: one at a time, reads first while there is room for their words
      if (read_taken) begin
        read_offered_q <= 1'b0;
        read_adr_q     <= read_adr_q + {19'd0, read_len_q};
        read_left_q    <= read_left_q - {21'd0, read_len_q};
        read_len_q     <= burst_len(read_adr_q[9:0] + {3'd0, read_len_q},
                                    read_left_q - {21'd0, read_len_q});
      end
      if (write_taken) begin
        write_offered_q <= 1'b0;
        write_adr_q     <= write_adr_q + {19'd0, write_len_q};
        write_left_q    <= write_left_q - {21'd0, write_len_q};
        write_len_q     <= burst_len(write_adr_q[9:0] + {3'd0, write_len_q},
                                     write_left_q - {21'd0, write_len_q});
      end
      if (!m_valid_o) begin
        if (can_read) read_offered_q <= 1'b1;
        else if (can_write) write_offered_q <= 1'b1;
      end
      used_q     <= used_q + (read_taken ? {2'd0, read_len_q} : 9'd0) - {8'd0, m_wready_i};
      promised_q <= promised_q + (write_taken ? {2'd0, write_len_q} : 9'd0) - {8'd0, m_wready_i};

      // words in
      rvalid_q <= m_rvalid_i;
      if (m_rvalid_i) begin
        rdata_q       <= m_rdata_i;
        arrive_left_q <= arrive_left_q - 1'b1;
      end
      if (rvalid_q) begin
        prev_q     <= rdata_q;
        first_in_q <= 1'b0;
        if (crc_q) begin
          crc_o <= crc_bytes(crc_o, first_in_q ? rdata_q >> {src_low_q, 3'b000} : rdata_q,
                             (arrive_left_q == 0 && end_low_q != 0 ? {1'b0, end_low_q} : 3'd4) -
                                 (first_in_q ? {1'b0, src_low_q} : 3'd0));
        end
      end
      if (push) push_left_q <= push_left_q - 1'b1;

      // words out
      if (m_wready_i) begin
        first_out_q <= 1'b0;
        out_left_q  <= out_left_q - 1'b1;
      end

      done_o <= finished;
      if (finished) active_q <= 1'b0;
    end else done_o <= 1'b0;
  end
endmodule

`default_nettype wire
