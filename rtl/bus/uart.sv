// SPDX-License-Identifier: BSD-2-Clause
// UART (rtl/regs/uart.toml): 8 data bits, no parity, one stop bit, 16 bytes of FIFO each way.
`default_nettype none

module uart #(
    parameter int unsigned Divisor = 434  // clock cycles per bit after reset, at least 4
) (
    input  wire logic        clk_i,
    input  wire logic        rst_ni,

    input  wire logic        stb_i,
    input  wire logic        we_i,
    input  wire logic [9:0]  adr_i,
    input  wire logic [31:0] wdata_i,
    output logic [31:0]      rdata_o,
    output logic             irq_o,
    output logic             busy_o,   // bits are on a line

    output logic             tx_o,
    input  wire logic        rx_i
);
  `include "uart_regs.svh"

  logic [15:0] divisor_q;

  // ---- transmit
  logic [7:0]  tx_mem[16];
  logic [3:0]  tx_head_q, tx_tail_q;
  logic [4:0]  tx_count_q;
  logic [9:0]  tx_shift_q;  // all ones and not busy: idle
  logic [3:0]  tx_bits_q;
  logic [15:0] tx_wait_q;
  logic        tx_push, tx_pop;

  assign tx_push = stb_i && we_i && adr_i == 10'(UART_TX >> 2) && tx_count_q != 5'd16;
  assign tx_pop  = tx_bits_q == 0 && tx_count_q != 0;
  assign tx_o    = tx_shift_q[0];

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      tx_head_q  <= '0;
      tx_tail_q  <= '0;
      tx_count_q <= '0;
      tx_shift_q <= '1;
      tx_bits_q  <= '0;
      tx_wait_q  <= '0;
    end else begin
      if (tx_push) begin
        tx_mem[tx_tail_q] <= wdata_i[7:0];
        tx_tail_q         <= tx_tail_q + 1'b1;
      end
      if (tx_pop) begin
        tx_shift_q <= {1'b1, tx_mem[tx_head_q], 1'b0};
        tx_head_q  <= tx_head_q + 1'b1;
        tx_bits_q  <= 4'd10;
        tx_wait_q  <= divisor_q - 1'b1;
      end
      if (tx_push != tx_pop) tx_count_q <= tx_push ? tx_count_q + 1'b1 : tx_count_q - 1'b1;
      if (tx_bits_q != 0) begin
        if (tx_wait_q != 0) tx_wait_q <= tx_wait_q - 1'b1;
        else begin
          tx_shift_q <= {1'b1, tx_shift_q[9:1]};
          tx_bits_q  <= tx_bits_q - 1'b1;
          tx_wait_q  <= divisor_q - 1'b1;
        end
      end
    end
  end

  // ---- receive
  logic [7:0]  rx_mem[16];
  logic [3:0]  rx_head_q, rx_tail_q;
  logic [4:0]  rx_count_q;
  logic [1:0]  rx_sync_q;
  logic [7:0]  rx_shift_q;
  logic [3:0]  rx_bits_q;   // start 10, data 9..2, stop 1; 0 idle
  logic [15:0] rx_wait_q;
  logic        rx_push, rx_pop;

  assign rx_push = rx_bits_q == 4'd1 && rx_wait_q == 0 && rx_sync_q[1] && rx_count_q != 5'd16;
  assign rx_pop  = stb_i && !we_i && adr_i == 10'(UART_RX >> 2) && rx_count_q != 0;
  assign irq_o   = rx_count_q != 0;
  assign busy_o  = tx_bits_q != 0 || tx_count_q != 0 || rx_bits_q != 0 || rx_sync_q != 2'b11;

  always_ff @(posedge clk_i) begin
    rx_sync_q <= {rx_sync_q[0], rx_i};
    if (!rst_ni) begin
      rx_sync_q  <= 2'b11;
      rx_head_q  <= '0;
      rx_tail_q  <= '0;
      rx_count_q <= '0;
      rx_shift_q <= '0;
      rx_bits_q  <= '0;
      rx_wait_q  <= '0;
    end else begin
      if (rx_bits_q == 0) begin
        if (!rx_sync_q[1]) begin
          rx_bits_q <= 4'd10;
          rx_wait_q <= {1'b0, divisor_q[15:1]} - 1'b1;  // middle of the start bit
        end
      end else if (rx_wait_q != 0) rx_wait_q <= rx_wait_q - 1'b1;
      else begin
        rx_wait_q  <= divisor_q - 1'b1;
        rx_bits_q  <= rx_bits_q - 1'b1;
        rx_shift_q <= {rx_sync_q[1], rx_shift_q[7:1]};
        if (rx_bits_q == 4'd10 && rx_sync_q[1]) rx_bits_q <= '0;  // a glitch
      end
      if (rx_push) begin
        rx_mem[rx_tail_q] <= rx_shift_q;
        rx_tail_q         <= rx_tail_q + 1'b1;
      end
      if (rx_pop) rx_head_q <= rx_head_q + 1'b1;
      if (rx_push != rx_pop) rx_count_q <= rx_push ? rx_count_q + 1'b1 : rx_count_q - 1'b1;
    end
  end

  // ---- registers
  always_ff @(posedge clk_i) begin
    if (!rst_ni) divisor_q <= 16'(Divisor);
    else if (stb_i && we_i && adr_i == 10'(UART_DIVISOR >> 2) && wdata_i[15:2] != 0)
      divisor_q <= wdata_i[15:0];
  end

  always_comb begin
    unique case (adr_i)
      10'(UART_RX >> 2):
      rdata_o = rx_count_q != 0 ? {24'd0, rx_mem[rx_head_q]} : 32'h8000_0000;
      10'(UART_STATUS >> 2):  rdata_o = {30'd0, rx_count_q != 0, tx_count_q == 5'd16};
      10'(UART_DIVISOR >> 2): rdata_o = {16'd0, divisor_q};
      default:                rdata_o = '0;
    endcase
  end
endmodule

`default_nettype wire
