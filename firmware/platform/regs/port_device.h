/* SPDX-License-Identifier: BSD-2-Clause */
/* Port, device side: offsets, fields and constants. Generated from rtl/regs/port_device.toml; do not edit. Masks are in place. */
/* clang-format off */
#ifndef MPDISK_REGS_PORT_DEVICE_H
#define MPDISK_REGS_PORT_DEVICE_H

/* first address as the soft core sees it */
#define PORT_DEVICE_BASE 0x80100000u
/* distance from one instance to the next */
#define PORT_DEVICE_STRIDE 0x10000u
/* bytes decoded */
#define PORT_DEVICE_SIZE 0x10000u
/* slot table: one 32-bit entry a slot; a write is acknowledged only when no access under the old entry can follow */
#define PORT_DEVICE_SLOT_TABLE 0x1000u
/* ring RAM, device side */
#define PORT_DEVICE_RING 0x8000u
/* slot entry: mapped */
#define PORT_DEVICE_SLOT_VALID 0x80000000u
/* slot entry: the host may write */
#define PORT_DEVICE_SLOT_WRITABLE 0x40000000u
/* slot entry: frame number (memory offset >> 12) */
#define PORT_DEVICE_SLOT_FRAME_MASK 0xFFFFFu
/* rw: control */
#define PORT_DEVICE_CTRL 0x00u
#define PORT_DEVICE_CTRL_FENCE_LSB 0
/* deny the host every access to ring RAM and slots, at once; registers stay readable; set at reset */
#define PORT_DEVICE_CTRL_FENCE_MASK 0x01u
/* rw: shown to the host as STATUS (bit FENCED comes from CTRL) */
#define PORT_DEVICE_STATUS 0x04u
/* rw1c: what happened on the host side; any bit set and enabled raises the port's interrupt */
#define PORT_DEVICE_EVENT 0x08u
#define PORT_DEVICE_EVENT_DOORBELL_LSB 0
/* SQ_TAIL was written */
#define PORT_DEVICE_EVENT_DOORBELL_MASK 0x01u
#define PORT_DEVICE_EVENT_ATTACH_LSB 1
/* CONTROL.ATTACH was written */
#define PORT_DEVICE_EVENT_ATTACH_MASK 0x02u
#define PORT_DEVICE_EVENT_DETACH_LSB 2
/* CONTROL.DETACH was written */
#define PORT_DEVICE_EVENT_DETACH_MASK 0x04u
#define PORT_DEVICE_EVENT_LINK_LSB 3
/* the link went up or down */
#define PORT_DEVICE_EVENT_LINK_MASK 0x08u
/* rw: same bits as EVENT */
#define PORT_DEVICE_EVENT_ENABLE 0x0Cu
/* ro: as written by the host, 16 bits */
#define PORT_DEVICE_SQ_TAIL 0x10u
/* rw: shown to the host */
#define PORT_DEVICE_SQ_HEAD 0x14u
/* rw: shown to the host; a write raises its COMPLETION interrupt */
#define PORT_DEVICE_CQ_TAIL 0x18u
/* ro: as written by the host, 16 bits */
#define PORT_DEVICE_CQ_HEAD 0x1Cu
/* ro: as written by the host */
#define PORT_DEVICE_HEARTBEAT 0x20u
/* rw: shown to the host */
#define PORT_DEVICE_DEVICE_HEARTBEAT 0x24u
/* ro: denied accesses */
#define PORT_DEVICE_DENIED 0x28u
/* ro: low 32 bits */
#define PORT_DEVICE_BYTES_READ 0x2Cu
/* ro: low 32 bits */
#define PORT_DEVICE_BYTES_WRITTEN 0x30u
/* ro: link */
#define PORT_DEVICE_LINK_STATUS 0x34u
#define PORT_DEVICE_LINK_STATUS_UP_LSB 0
/* a host is connected */
#define PORT_DEVICE_LINK_STATUS_UP_MASK 0x01u
/* rw: shown to the host */
#define PORT_DEVICE_GEOMETRY 0x38u
/* ro: as the host sees it */
#define PORT_DEVICE_CONFIG 0x3Cu

#endif /* MPDISK_REGS_PORT_DEVICE_H */
