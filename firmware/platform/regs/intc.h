/* SPDX-License-Identifier: BSD-2-Clause */
/* Interrupt controller: offsets, fields and constants. Generated from rtl/regs/intc.toml; do not edit. Masks are in place. */
/* clang-format off */
#ifndef MPDISK_REGS_INTC_H
#define MPDISK_REGS_INTC_H

/* first address as the soft core sees it */
#define INTC_BASE 0x80001000u
/* bytes decoded */
#define INTC_SIZE 0x1000u
/* timer reached COMPARE */
#define INTC_IRQ_TIMER 0x00u
/* UART received a byte */
#define INTC_IRQ_UART 0x01u
/* DMA engine finished a descriptor with IRQ */
#define INTC_IRQ_DMA 0x02u
/* medium controller finished a descriptor */
#define INTC_IRQ_MEDIUM 0x03u
/* orderly stop requested */
#define INTC_IRQ_STOP 0x04u
/* port p is interrupt 8 + p */
#define INTC_IRQ_PORT0 0x08u
/* ro: level of every interrupt source */
#define INTC_PENDING 0x00u
/* rw: sources that wake WAIT and, gathered, interrupt the core */
#define INTC_ENABLE 0x04u
/* ro: reads PENDING & ENABLE; the bus answers only when that is not zero: the core sleeps here */
#define INTC_WAIT 0x08u

#endif /* MPDISK_REGS_INTC_H */
