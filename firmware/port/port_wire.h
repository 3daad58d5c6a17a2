/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The layout of ring RAM: what a host and the device say to each other through a port.
 *
 * Used by the firmware and by every host driver; docs/PORT-PROTOCOL.md is its text. Offsets are
 * bytes from the start of ring RAM (port window offset PORT_HOST_RING_BASE). All fields are
 * little-endian and naturally aligned. The device never trusts a byte of it.
 */
#ifndef MPDISK_PORT_WIRE_H
#define MPDISK_PORT_WIRE_H

#include <stdint.h>

#define PORT_TAGS_MAX 16u        /* messages in flight */
#define PORT_RING_ENTRIES 32u    /* entries of each ring; index i is at entry i % 32 */
#define PORT_SQ_OFFSET 0x0000u   /* submission ring: uint32_t[32], written by the host */
#define PORT_CQ_OFFSET 0x0080u   /* completion ring: uint32_t[32], written by the device */
#define PORT_CELL_OFFSET 0x1000u /* cell of tag t is at PORT_CELL_OFFSET + t * PORT_CELL_SIZE */
#define PORT_CELL_SIZE 0x300u
#define PORT_CELL_SLOTS 40u   /* slots a message can list */
#define PORT_CELL_INLINE 672u /* message bytes that a cell itself can hold */

/* A submission entry: the tag in bits 7:0, the kind in bits 15:8, the rest zero. */
#define PORT_SQE(tag, kind) ((uint32_t)(tag) | (uint32_t)(kind) << 8)
#define PORT_SQE_TAG(e) ((e)&0xffu)
#define PORT_SQE_KIND(e) ((e) >> 8 & 0xffu)
#define PORT_SQE_REQUEST 0u /* the tag's cell holds a FUSE request */
#define PORT_SQE_RELEASE                                                                           \
	1u /* the host has done with the reply slots of this tag; no completion                    \
	    */

/* A completion entry: the tag in bits 7:0, the kind in bits 15:8. */
#define PORT_CQE(tag, kind) ((uint32_t)(tag) | (uint32_t)(kind) << 8)
#define PORT_CQE_TAG(e) ((e)&0xffu)
#define PORT_CQE_KIND(e) ((e) >> 8 & 0xffu)
#define PORT_CQE_REPLY 0u /* the tag's cell holds the reply (message_len 0: there is none) */
#define PORT_CQE_INVALID                                                                           \
	1u /* the cell was not a message the device could read; nothing was done                   \
	    */

/*
 * A cell carries the request one way and its reply the other way.
 *
 * message_len counts the whole FUSE message (its own header included). The first inline_len bytes
 * are in message[]; the others follow in the listed slots, beginning at byte slot_offset of the
 * first of them. For a WRITE the host sets slot_offset to file offset % 4096, so that whole pages
 * of the file fill whole frames and can be handed over without a copy. slot_offset is 4-aligned
 * only if the file offset is; the payload's first byte is at exactly slot_offset.
 *
 * Request: slots[] names nslots distinct write slots (below GEOMETRY.WRITE_SLOTS).
 * Reply: slots[] is not used; the payload is in the tag's own reply slots, in order, nslots of
 * them.
 */
struct port_cell {
	uint32_t message_len;
	uint16_t inline_len;
	uint16_t nslots;
	uint16_t slot_offset;
	uint16_t reserved0;
	uint32_t reserved1;
	uint16_t slots[PORT_CELL_SLOTS];
	uint8_t message[PORT_CELL_INLINE];
};

_Static_assert(sizeof(struct port_cell) == PORT_CELL_SIZE, "cell size");
_Static_assert(PORT_CELL_OFFSET + PORT_TAGS_MAX * PORT_CELL_SIZE == 0x4000, "ring RAM is full");

#endif
