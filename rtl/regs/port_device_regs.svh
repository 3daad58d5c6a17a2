// SPDX-License-Identifier: BSD-2-Clause
// Port, device side: offsets, fields and constants. Generated from rtl/regs/port_device.toml; do not edit.
// Included inside a module. Masks are in place.
/* verilator lint_off UNUSEDPARAM */
localparam logic [31:0] PORT_DEVICE_BASE = 32'h80100000;  // first address as the soft core sees it
localparam logic [31:0] PORT_DEVICE_STRIDE = 32'h00010000;  // distance from one instance to the next
localparam logic [31:0] PORT_DEVICE_SIZE = 32'h00010000;  // bytes decoded
localparam logic [31:0] PORT_DEVICE_SLOT_TABLE = 32'h00001000;  // slot table: one 32-bit entry a slot; a write is acknowledged only when no access under the old entry can follow
localparam logic [31:0] PORT_DEVICE_RING = 32'h00008000;  // ring RAM, device side
localparam logic [31:0] PORT_DEVICE_SLOT_VALID = 32'h80000000;  // slot entry: mapped
localparam logic [31:0] PORT_DEVICE_SLOT_WRITABLE = 32'h40000000;  // slot entry: the host may write
localparam logic [31:0] PORT_DEVICE_SLOT_FRAME_MASK = 32'h000FFFFF;  // slot entry: frame number (memory offset >> 12)
localparam logic [31:0] PORT_DEVICE_CTRL = 32'h00000000;  // rw: control
localparam int unsigned PORT_DEVICE_CTRL_FENCE_LSB = 0;
localparam logic [31:0] PORT_DEVICE_CTRL_FENCE_MASK = 32'h00000001;  // deny the host every access to ring RAM and slots, at once; registers stay readable; set at reset
localparam logic [31:0] PORT_DEVICE_STATUS = 32'h00000004;  // rw: shown to the host as STATUS (bit FENCED comes from CTRL)
localparam logic [31:0] PORT_DEVICE_EVENT = 32'h00000008;  // rw1c: what happened on the host side; any bit set and enabled raises the port's interrupt
localparam int unsigned PORT_DEVICE_EVENT_DOORBELL_LSB = 0;
localparam logic [31:0] PORT_DEVICE_EVENT_DOORBELL_MASK = 32'h00000001;  // SQ_TAIL was written
localparam int unsigned PORT_DEVICE_EVENT_ATTACH_LSB = 1;
localparam logic [31:0] PORT_DEVICE_EVENT_ATTACH_MASK = 32'h00000002;  // CONTROL.ATTACH was written
localparam int unsigned PORT_DEVICE_EVENT_DETACH_LSB = 2;
localparam logic [31:0] PORT_DEVICE_EVENT_DETACH_MASK = 32'h00000004;  // CONTROL.DETACH was written
localparam int unsigned PORT_DEVICE_EVENT_LINK_LSB = 3;
localparam logic [31:0] PORT_DEVICE_EVENT_LINK_MASK = 32'h00000008;  // the link went up or down
localparam logic [31:0] PORT_DEVICE_EVENT_ENABLE = 32'h0000000C;  // rw: same bits as EVENT
localparam logic [31:0] PORT_DEVICE_SQ_TAIL = 32'h00000010;  // ro: as written by the host, 16 bits
localparam logic [31:0] PORT_DEVICE_SQ_HEAD = 32'h00000014;  // rw: shown to the host
localparam logic [31:0] PORT_DEVICE_CQ_TAIL = 32'h00000018;  // rw: shown to the host; a write raises its COMPLETION interrupt
localparam logic [31:0] PORT_DEVICE_CQ_HEAD = 32'h0000001C;  // ro: as written by the host, 16 bits
localparam logic [31:0] PORT_DEVICE_HEARTBEAT = 32'h00000020;  // ro: as written by the host
localparam logic [31:0] PORT_DEVICE_DEVICE_HEARTBEAT = 32'h00000024;  // rw: shown to the host
localparam logic [31:0] PORT_DEVICE_DENIED = 32'h00000028;  // ro: denied accesses
localparam logic [31:0] PORT_DEVICE_BYTES_READ = 32'h0000002C;  // ro: low 32 bits
localparam logic [31:0] PORT_DEVICE_BYTES_WRITTEN = 32'h00000030;  // ro: low 32 bits
localparam logic [31:0] PORT_DEVICE_LINK_STATUS = 32'h00000034;  // ro: link
localparam int unsigned PORT_DEVICE_LINK_STATUS_UP_LSB = 0;
localparam logic [31:0] PORT_DEVICE_LINK_STATUS_UP_MASK = 32'h00000001;  // a host is connected
localparam logic [31:0] PORT_DEVICE_GEOMETRY = 32'h00000038;  // rw: shown to the host
localparam logic [31:0] PORT_DEVICE_CONFIG = 32'h0000003C;  // ro: as the host sees it
/* verilator lint_on UNUSEDPARAM */
