/* SPDX-License-Identifier: BSD-2-Clause */
/* System: offsets, fields and constants. Generated from rtl/regs/sys.toml; do not edit. Masks are in place. */
/* clang-format off */
#ifndef MPDISK_REGS_SYS_H
#define MPDISK_REGS_SYS_H

/* first address as the soft core sees it */
#define SYS_BASE 0x80000000u
/* bytes decoded */
#define SYS_SIZE 0x1000u
/* boot RAM, cached */
#define SYS_BOOT_RAM_BASE 0x00u
/* bytes of boot RAM */
#define SYS_BOOT_RAM_SIZE 0x40000u
/* memory as the core sees it through its data cache */
#define SYS_MEMORY_BASE 0x40000000u
/* the same memory past the data cache */
#define SYS_MEMORY_UNCACHED 0xC0000000u
/* ro: 0x4B44504D */
#define SYS_ID 0x00u
/* ro: what the device was built with */
#define SYS_CONFIG 0x04u
#define SYS_CONFIG_PORTS_LSB 0
/* ports */
#define SYS_CONFIG_PORTS_MASK 0xFFu
#define SYS_CONFIG_MEMORY_MIB_LSB 8
/* memory in MiB */
#define SYS_CONFIG_MEMORY_MIB_MASK 0xFFFF00u
#define SYS_CONFIG_SIM_LSB 31
/* simulated */
#define SYS_CONFIG_SIM_MASK 0x80000000u
/* ro: device clock */
#define SYS_CLOCK_HZ 0x08u
/* ro: time of day at reset, nanoseconds since 1970, low half */
#define SYS_EPOCH_LO 0x0Cu
/* ro: high half */
#define SYS_EPOCH_HI 0x10u
/* rw: boot phase, for the harness and a debugger: 1 booted, 2 memory ready, 3 mounting, 4 serving, 5 mount refused, 6 stopped */
#define SYS_PHASE 0x14u
/* rw: bytes of file data copied by the core in whole pages (firmware keeps it; must stay 0) */
#define SYS_CORE_COPIED 0x18u
/* ro: bit 0: an orderly stop is requested (write back, then PHASE = 6) */
#define SYS_STOP 0x1Cu
/* ro: random word, new at every reset */
#define SYS_SEED 0x20u
/* ro: device clock cycles since reset without slept time, low half; reading it latches CYCLE_HI */
#define SYS_CYCLE_LO 0x24u
/* ro: high half, latched */
#define SYS_CYCLE_HI 0x28u

#endif /* MPDISK_REGS_SYS_H */
