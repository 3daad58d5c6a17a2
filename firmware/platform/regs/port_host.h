/* SPDX-License-Identifier: BSD-2-Clause */
/* Port, host side: offsets, fields and constants. Generated from rtl/regs/port_host.toml; do not edit. Masks are in place. */
/* clang-format off */
#ifndef MPDISK_REGS_PORT_HOST_H
#define MPDISK_REGS_PORT_HOST_H

/* bytes decoded */
#define PORT_HOST_SIZE 0x800000u
/* value of ID: the bytes 'MPDK' */
#define PORT_HOST_ID_VALUE 0x4B44504Du
/* value of VERSION: major in bits 31:16, minor in bits 15:0 */
#define PORT_HOST_VERSION_VALUE 0x10000u
/* first byte of ring RAM in the port window */
#define PORT_HOST_RING_BASE 0x4000u
/* bytes of ring RAM */
#define PORT_HOST_RING_SIZE 0x4000u
/* first byte of the window of slots; slot n is at WINDOW_BASE + n * 4096 */
#define PORT_HOST_WINDOW_BASE 0x400000u
/* ro: identifies an mpdisk port */
#define PORT_HOST_ID 0x00u
/* ro: protocol version; a host refuses another major */
#define PORT_HOST_VERSION 0x04u
/* ro: what the hardware was built with */
#define PORT_HOST_CONFIG 0x08u
#define PORT_HOST_CONFIG_PORT_LSB 0
/* number of this port */
#define PORT_HOST_CONFIG_PORT_MASK 0xFFu
#define PORT_HOST_CONFIG_SLOTS_LSB 8
/* slots in the window */
#define PORT_HOST_CONFIG_SLOTS_MASK 0xFFFF00u
/* ro: how the firmware divides tags and slots; valid when STATUS.READY */
#define PORT_HOST_GEOMETRY 0x0Cu
#define PORT_HOST_GEOMETRY_TAGS_LSB 0
/* tags (messages in flight), at most 16 */
#define PORT_HOST_GEOMETRY_TAGS_MASK 0xFFu
#define PORT_HOST_GEOMETRY_WRITE_SLOTS_LSB 8
/* slots 0..WRITE_SLOTS-1 are mapped read-write, for request payload */
#define PORT_HOST_GEOMETRY_WRITE_SLOTS_MASK 0xFFF00u
#define PORT_HOST_GEOMETRY_READ_SLOTS_LSB 20
/* reply slots of each tag: tag t owns WRITE_SLOTS + t*READ_SLOTS onward */
#define PORT_HOST_GEOMETRY_READ_SLOTS_MASK 0xFF00000u
/* ro: state of the port */
#define PORT_HOST_STATUS 0x10u
#define PORT_HOST_STATUS_READY_LSB 0
/* the firmware serves this attachment */
#define PORT_HOST_STATUS_READY_MASK 0x01u
#define PORT_HOST_STATUS_FENCED_LSB 1
/* cut off: accesses to ring RAM and slots are denied */
#define PORT_HOST_STATUS_FENCED_MASK 0x02u
#define PORT_HOST_STATUS_BROKEN_LSB 2
/* the host broke the port protocol; ERROR says how; attach again */
#define PORT_HOST_STATUS_BROKEN_MASK 0x04u
#define PORT_HOST_STATUS_NO_MEDIUM_LSB 3
/* the filesystem could not be mounted; ERROR is the errno */
#define PORT_HOST_STATUS_NO_MEDIUM_MASK 0x08u
#define PORT_HOST_STATUS_ERROR_LSB 8
/* positive errno that goes with BROKEN or NO_MEDIUM */
#define PORT_HOST_STATUS_ERROR_MASK 0xFF00u
#define PORT_HOST_STATUS_EPOCH_LSB 16
/* counts attachments: changes when an attach or a detach has been carried out */
#define PORT_HOST_STATUS_EPOCH_MASK 0xFF0000u
/* wo: requests to the device, write one */
#define PORT_HOST_CONTROL 0x14u
#define PORT_HOST_CONTROL_ATTACH_LSB 0
/* start afresh: drop everything this port holds, then set READY */
#define PORT_HOST_CONTROL_ATTACH_MASK 0x01u
#define PORT_HOST_CONTROL_DETACH_LSB 1
/* drop everything this port holds and clear READY */
#define PORT_HOST_CONTROL_DETACH_MASK 0x02u
/* rw: doorbell: free-running index (mod 2^16) of the next submission entry to be written by the host */
#define PORT_HOST_SQ_TAIL 0x18u
/* ro: free-running index of the next submission entry the device will take */
#define PORT_HOST_SQ_HEAD 0x1Cu
/* ro: free-running index of the next completion entry the device will write */
#define PORT_HOST_CQ_TAIL 0x20u
/* rw: free-running index of the next completion entry the host will take */
#define PORT_HOST_CQ_HEAD 0x24u
/* rw1c: why the interrupt is raised */
#define PORT_HOST_IRQ_STATUS 0x28u
#define PORT_HOST_IRQ_STATUS_COMPLETION_LSB 0
/* CQ_TAIL moved */
#define PORT_HOST_IRQ_STATUS_COMPLETION_MASK 0x01u
#define PORT_HOST_IRQ_STATUS_STATUS_LSB 1
/* STATUS changed */
#define PORT_HOST_IRQ_STATUS_STATUS_MASK 0x02u
/* rw: same bits as IRQ_STATUS */
#define PORT_HOST_IRQ_ENABLE 0x2Cu
/* rw: the host adds one at least every second; a port whose heartbeat stands still for 10 s of device time while attached is fenced */
#define PORT_HOST_HEARTBEAT 0x30u
/* ro: the firmware adds one every 100 ms of device time */
#define PORT_HOST_DEVICE_HEARTBEAT 0x34u
/* ro: accesses denied (unmapped slot, read-only slot, fenced), counted by burst */
#define PORT_HOST_DENIED 0x38u
/* ro: bytes read by the host through the window, low 32 bits */
#define PORT_HOST_BYTES_READ 0x3Cu
/* ro: bytes written by the host through the window, low 32 bits */
#define PORT_HOST_BYTES_WRITTEN 0x40u

#endif /* MPDISK_REGS_PORT_HOST_H */
