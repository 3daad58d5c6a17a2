// SPDX-License-Identifier: BSD-2-Clause
// The simulated medium: 4 KiB blocks from the program around the model (storage_dpi.h), with the
// latency and the pace of a card. README.md says what of a real card it leaves out.
`default_nettype none

module storage_sim #(
    parameter int unsigned CommandLatency = 1000,  // cycles from a command to its first word (flush: to done)
    parameter int unsigned WordCycles     = 2      // cycles for each word
) (
    input  wire logic        clk_i,
    input  wire logic        rst_ni,

    output logic             present_o,
    output logic             read_only_o,
    output logic [63:0]      blocks_o,

    // one command at a time: op 0 read, 1 write, 2 flush; it ends with done_o
    input  wire logic        cmd_valid_i,
    output logic             cmd_ready_o,
    input  wire logic [1:0]  cmd_op_i,
    input  wire logic [63:0] cmd_block_i,
    input  wire logic [8:0]  cmd_count_i,
    output logic             done_o,   // one cycle; after an error the rest of the data does not move
    output logic             error_o,  // with done_o

    output logic             rvalid_o,
    input  wire logic        rready_i,
    output logic [31:0]      rdata_o,

    input  wire logic        wvalid_i,
    output logic             wready_o,
    input  wire logic [31:0] wdata_i
);
  import "DPI-C" function int storage_blocks(output longint n);
  import "DPI-C" function int storage_read_begin(input longint block);
  import "DPI-C" function int storage_word(input int i);
  import "DPI-C" function void storage_write_word(input int i, input int word);
  import "DPI-C" function int storage_write_end(input longint block);
  import "DPI-C" function int storage_flush();

  enum logic [2:0] {
    Start,
    Idle,
    Latency,
    BeginBlock,
    ReadWords,
    WriteWords,
    EndBlock
  } state_q;

  logic [1:0]  op_q;
  logic [63:0] block_q;
  logic [8:0]  count_q;
  logic [10:0] word_q;
  logic [15:0] wait_q;

  // verilator lint_off BLKSEQ
  longint dpi_n;
  int     dpi_status;

  assign cmd_ready_o = state_q == Idle;
  assign wready_o    = state_q == WriteWords && wait_q == 0;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      state_q     <= Start;
      present_o   <= 1'b0;
      read_only_o <= 1'b0;
      blocks_o    <= '0;
      done_o      <= 1'b0;
      error_o     <= 1'b0;
      rvalid_o    <= 1'b0;
      rdata_o     <= '0;
      op_q        <= '0;
      block_q     <= '0;
      count_q     <= '0;
      word_q      <= '0;
      wait_q      <= '0;
    end else begin
      done_o  <= 1'b0;
      error_o <= 1'b0;
      unique case (state_q)
        Start: begin
          dpi_status  = storage_blocks(dpi_n);
          present_o   <= dpi_status != 0;
          read_only_o <= dpi_status == 2;
          blocks_o    <= dpi_status != 0 ? dpi_n : '0;
          state_q     <= Idle;
        end
        Idle:
        if (cmd_valid_i) begin
          op_q    <= cmd_op_i;
          block_q <= cmd_block_i;
          count_q <= cmd_count_i;
          word_q  <= '0;
          wait_q  <= 16'(CommandLatency);
          state_q <= Latency;
        end
        Latency:
        if (wait_q != 0) wait_q <= wait_q - 1'b1;
        else if (op_q == 2'd2) begin
          dpi_status = storage_flush();
          done_o  <= 1'b1;
          error_o <= dpi_status != 0;
          state_q <= Idle;
        end else state_q <= op_q == 2'd0 ? BeginBlock : WriteWords;
        BeginBlock: begin
          dpi_status = storage_read_begin(block_q);
          if (dpi_status != 0) begin
            done_o  <= 1'b1;
            error_o <= 1'b1;
            state_q <= Idle;
          end else state_q <= ReadWords;
        end
        ReadWords: begin
          if (wait_q != 0) wait_q <= wait_q - 1'b1;
          if (rvalid_o && rready_i) rvalid_o <= 1'b0;
          if (wait_q == 0 && (!rvalid_o || rready_i)) begin
            word_q <= word_q + 1'b1;
            if (word_q == 11'd1024) state_q <= EndBlock;
            else begin
              rdata_o  <= storage_word({21'd0, word_q});
              rvalid_o <= 1'b1;
              wait_q   <= 16'(WordCycles - 1);
            end
          end
        end
        WriteWords:
        if (wait_q != 0) wait_q <= wait_q - 1'b1;
        else if (wvalid_i) begin
          storage_write_word({21'd0, word_q}, wdata_i);
          word_q <= word_q + 1'b1;
          wait_q <= 16'(WordCycles - 1);
          if (word_q == 11'd1023) state_q <= EndBlock;
        end
        EndBlock: begin
          dpi_status = 0;
          // not with ?: - Verilator calls the function of the other branch, too
          if (op_q == 2'd1) dpi_status = storage_write_end(block_q);
          word_q  <= '0;
          block_q <= block_q + 1'b1;
          count_q <= count_q - 1'b1;
          if (dpi_status != 0 || count_q == 9'd1) begin
            done_o  <= 1'b1;
            error_o <= dpi_status != 0;
            state_q <= Idle;
          end else state_q <= op_q == 2'd0 ? BeginBlock : WriteWords;
        end
        default: state_q <= Idle;
      endcase
    end
  end
  // verilator lint_on BLKSEQ
endmodule

`default_nettype wire
