// SPDX-License-Identifier: BSD-2-Clause
// UART: offsets, fields and constants. Generated from rtl/regs/uart.toml; do not edit.
// Included inside a module. Masks are in place.
/* verilator lint_off UNUSEDPARAM */
localparam logic [31:0] UART_BASE = 32'h80003000;  // first address as the soft core sees it
localparam logic [31:0] UART_SIZE = 32'h00001000;  // bytes decoded
localparam logic [31:0] UART_TX = 32'h00000000;  // wo: write a byte to the transmit FIFO
localparam logic [31:0] UART_RX = 32'h00000004;  // ro: received byte in bits 7:0, bit 31 set when none
localparam logic [31:0] UART_STATUS = 32'h00000008;  // ro: state
localparam int unsigned UART_STATUS_TX_FULL_LSB = 0;
localparam logic [31:0] UART_STATUS_TX_FULL_MASK = 32'h00000001;  // transmit FIFO full
localparam int unsigned UART_STATUS_RX_VALID_LSB = 1;
localparam logic [31:0] UART_STATUS_RX_VALID_MASK = 32'h00000002;  // a byte is waiting
localparam logic [31:0] UART_DIVISOR = 32'h0000000C;  // rw: clock cycles per bit
/* verilator lint_on UNUSEDPARAM */
