/* SPDX-License-Identifier: BSD-2-Clause */
/* Timer: offsets, fields and constants. Generated from rtl/regs/timer.toml; do not edit. Masks are in place. */
/* clang-format off */
#ifndef MPDISK_REGS_TIMER_H
#define MPDISK_REGS_TIMER_H

/* first address as the soft core sees it */
#define TIMER_BASE 0x80002000u
/* bytes decoded */
#define TIMER_SIZE 0x1000u
/* ro: device clock cycles since reset, slept time included, low half; reading it latches TIME_HI */
#define TIMER_TIME_LO 0x00u
/* ro: high half, latched */
#define TIMER_TIME_HI 0x04u
/* rw: interrupt while TIME >= COMPARE; write HI after LO: writing LO disarms, writing HI arms */
#define TIMER_COMPARE_LO 0x08u
/* rw: high half */
#define TIMER_COMPARE_HI 0x0Cu

#endif /* MPDISK_REGS_TIMER_H */
