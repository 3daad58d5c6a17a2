/* SPDX-License-Identifier: BSD-2-Clause */
/* UART: offsets, fields and constants. Generated from rtl/regs/uart.toml; do not edit. Masks are in place. */
/* clang-format off */
#ifndef MPDISK_REGS_UART_H
#define MPDISK_REGS_UART_H

/* first address as the soft core sees it */
#define UART_BASE 0x80003000u
/* bytes decoded */
#define UART_SIZE 0x1000u
/* wo: write a byte to the transmit FIFO */
#define UART_TX 0x00u
/* ro: received byte in bits 7:0, bit 31 set when none */
#define UART_RX 0x04u
/* ro: state */
#define UART_STATUS 0x08u
#define UART_STATUS_TX_FULL_LSB 0
/* transmit FIFO full */
#define UART_STATUS_TX_FULL_MASK 0x01u
#define UART_STATUS_RX_VALID_LSB 1
/* a byte is waiting */
#define UART_STATUS_RX_VALID_MASK 0x02u
/* rw: clock cycles per bit */
#define UART_DIVISOR 0x0Cu

#endif /* MPDISK_REGS_UART_H */
