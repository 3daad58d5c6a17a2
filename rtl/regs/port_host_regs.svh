// SPDX-License-Identifier: BSD-2-Clause
// Port, host side: offsets, fields and constants. Generated from rtl/regs/port_host.toml; do not edit.
// Included inside a module. Masks are in place.
/* verilator lint_off UNUSEDPARAM */
localparam logic [31:0] PORT_HOST_SIZE = 32'h00800000;  // bytes decoded
localparam logic [31:0] PORT_HOST_ID_VALUE = 32'h4B44504D;  // value of ID: the bytes 'MPDK'
localparam logic [31:0] PORT_HOST_VERSION_VALUE = 32'h00010000;  // value of VERSION: major in bits 31:16, minor in bits 15:0
localparam logic [31:0] PORT_HOST_RING_BASE = 32'h00004000;  // first byte of ring RAM in the port window
localparam logic [31:0] PORT_HOST_RING_SIZE = 32'h00004000;  // bytes of ring RAM
localparam logic [31:0] PORT_HOST_WINDOW_BASE = 32'h00400000;  // first byte of the window of slots; slot n is at WINDOW_BASE + n * 4096
localparam logic [31:0] PORT_HOST_ID = 32'h00000000;  // ro: identifies an mpdisk port
localparam logic [31:0] PORT_HOST_VERSION = 32'h00000004;  // ro: protocol version; a host refuses another major
localparam logic [31:0] PORT_HOST_CONFIG = 32'h00000008;  // ro: what the hardware was built with
localparam int unsigned PORT_HOST_CONFIG_PORT_LSB = 0;
localparam logic [31:0] PORT_HOST_CONFIG_PORT_MASK = 32'h000000FF;  // number of this port
localparam int unsigned PORT_HOST_CONFIG_SLOTS_LSB = 8;
localparam logic [31:0] PORT_HOST_CONFIG_SLOTS_MASK = 32'h00FFFF00;  // slots in the window
localparam logic [31:0] PORT_HOST_GEOMETRY = 32'h0000000C;  // ro: how the firmware divides tags and slots; valid when STATUS.READY
localparam int unsigned PORT_HOST_GEOMETRY_TAGS_LSB = 0;
localparam logic [31:0] PORT_HOST_GEOMETRY_TAGS_MASK = 32'h000000FF;  // tags (messages in flight), at most 16
localparam int unsigned PORT_HOST_GEOMETRY_WRITE_SLOTS_LSB = 8;
localparam logic [31:0] PORT_HOST_GEOMETRY_WRITE_SLOTS_MASK = 32'h000FFF00;  // slots 0..WRITE_SLOTS-1 are mapped read-write, for request payload
localparam int unsigned PORT_HOST_GEOMETRY_READ_SLOTS_LSB = 20;
localparam logic [31:0] PORT_HOST_GEOMETRY_READ_SLOTS_MASK = 32'h0FF00000;  // reply slots of each tag: tag t owns WRITE_SLOTS + t*READ_SLOTS onward
localparam logic [31:0] PORT_HOST_STATUS = 32'h00000010;  // ro: state of the port
localparam int unsigned PORT_HOST_STATUS_READY_LSB = 0;
localparam logic [31:0] PORT_HOST_STATUS_READY_MASK = 32'h00000001;  // the firmware serves this attachment
localparam int unsigned PORT_HOST_STATUS_FENCED_LSB = 1;
localparam logic [31:0] PORT_HOST_STATUS_FENCED_MASK = 32'h00000002;  // cut off: accesses to ring RAM and slots are denied
localparam int unsigned PORT_HOST_STATUS_BROKEN_LSB = 2;
localparam logic [31:0] PORT_HOST_STATUS_BROKEN_MASK = 32'h00000004;  // the host broke the port protocol; ERROR says how; attach again
localparam int unsigned PORT_HOST_STATUS_NO_MEDIUM_LSB = 3;
localparam logic [31:0] PORT_HOST_STATUS_NO_MEDIUM_MASK = 32'h00000008;  // the filesystem could not be mounted; ERROR is the errno
localparam int unsigned PORT_HOST_STATUS_ERROR_LSB = 8;
localparam logic [31:0] PORT_HOST_STATUS_ERROR_MASK = 32'h0000FF00;  // positive errno that goes with BROKEN or NO_MEDIUM
localparam int unsigned PORT_HOST_STATUS_EPOCH_LSB = 16;
localparam logic [31:0] PORT_HOST_STATUS_EPOCH_MASK = 32'h00FF0000;  // counts attachments: changes when an attach or a detach has been carried out
localparam logic [31:0] PORT_HOST_CONTROL = 32'h00000014;  // wo: requests to the device, write one
localparam int unsigned PORT_HOST_CONTROL_ATTACH_LSB = 0;
localparam logic [31:0] PORT_HOST_CONTROL_ATTACH_MASK = 32'h00000001;  // start afresh: drop everything this port holds, then set READY
localparam int unsigned PORT_HOST_CONTROL_DETACH_LSB = 1;
localparam logic [31:0] PORT_HOST_CONTROL_DETACH_MASK = 32'h00000002;  // drop everything this port holds and clear READY
localparam logic [31:0] PORT_HOST_SQ_TAIL = 32'h00000018;  // rw: doorbell: free-running index (mod 2^16) of the next submission entry to be written by the host
localparam logic [31:0] PORT_HOST_SQ_HEAD = 32'h0000001C;  // ro: free-running index of the next submission entry the device will take
localparam logic [31:0] PORT_HOST_CQ_TAIL = 32'h00000020;  // ro: free-running index of the next completion entry the device will write
localparam logic [31:0] PORT_HOST_CQ_HEAD = 32'h00000024;  // rw: free-running index of the next completion entry the host will take
localparam logic [31:0] PORT_HOST_IRQ_STATUS = 32'h00000028;  // rw1c: why the interrupt is raised
localparam int unsigned PORT_HOST_IRQ_STATUS_COMPLETION_LSB = 0;
localparam logic [31:0] PORT_HOST_IRQ_STATUS_COMPLETION_MASK = 32'h00000001;  // CQ_TAIL moved
localparam int unsigned PORT_HOST_IRQ_STATUS_STATUS_LSB = 1;
localparam logic [31:0] PORT_HOST_IRQ_STATUS_STATUS_MASK = 32'h00000002;  // STATUS changed
localparam logic [31:0] PORT_HOST_IRQ_ENABLE = 32'h0000002C;  // rw: same bits as IRQ_STATUS
localparam logic [31:0] PORT_HOST_HEARTBEAT = 32'h00000030;  // rw: the host adds one at least every second; a port whose heartbeat stands still for 10 s of device time while attached is fenced
localparam logic [31:0] PORT_HOST_DEVICE_HEARTBEAT = 32'h00000034;  // ro: the firmware adds one every 100 ms of device time
localparam logic [31:0] PORT_HOST_DENIED = 32'h00000038;  // ro: accesses denied (unmapped slot, read-only slot, fenced), counted by burst
localparam logic [31:0] PORT_HOST_BYTES_READ = 32'h0000003C;  // ro: bytes read by the host through the window, low 32 bits
localparam logic [31:0] PORT_HOST_BYTES_WRITTEN = 32'h00000040;  // ro: bytes written by the host through the window, low 32 bits
/* verilator lint_on UNUSEDPARAM */
