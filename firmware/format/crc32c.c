/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * CRC32C in software, eight bytes at a time. Platforms with a CRC engine or instruction use that.
 *
 * The table entry for byte b is linear in b: the xor of the entries of b's bits. So only those of
 * the eight single bits are written here, and the compiler makes the tables of them. Row k is the
 * register after 8 * (k + 1) zero bits.
 */
#include "format/crc32c.h"

#include <string.h>

/* clang-format off */
#define ROW0(b) PICK(b, 0xf26b8303u, 0xe13b70f7u, 0xc79a971fu, 0x8ad958cfu, 0x105ec76fu, 0x20bd8edeu, 0x417b1dbcu, 0x82f63b78u)
#define ROW1(b) PICK(b, 0x13a29877u, 0x274530eeu, 0x4e8a61dcu, 0x9d14c3b8u, 0x3fc5f181u, 0x7f8be302u, 0xff17c604u, 0xfbc3faf9u)
#define ROW2(b) PICK(b, 0xa541927eu, 0x4f6f520du, 0x9edea41au, 0x38513ec5u, 0x70a27d8au, 0xe144fb14u, 0xc76580d9u, 0x8b277743u)
#define ROW3(b) PICK(b, 0xdd45aab8u, 0xbf672381u, 0x7b2231f3u, 0xf64463e6u, 0xe964b13du, 0xd725148bu, 0xaba65fe7u, 0x52a0c93fu)
#define ROW4(b) PICK(b, 0x38116facu, 0x7022df58u, 0xe045beb0u, 0xc5670b91u, 0x8f2261d3u, 0x1ba8b557u, 0x37516aaeu, 0x6ea2d55cu)
#define ROW5(b) PICK(b, 0xef306b19u, 0xdb8ca0c3u, 0xb2f53777u, 0x6006181fu, 0xc00c303eu, 0x85f4168du, 0x0e045bebu, 0x1c08b7d6u)
#define ROW6(b) PICK(b, 0x68032cc8u, 0xd0065990u, 0xa5e0c5d1u, 0x4e2dfd53u, 0x9c5bfaa6u, 0x3d5b83bdu, 0x7ab7077au, 0xf56e0ef4u)
#define ROW7(b) PICK(b, 0x493c7d27u, 0x9278fa4eu, 0x211d826du, 0x423b04dau, 0x847609b4u, 0x0d006599u, 0x1a00cb32u, 0x34019664u)
#define PICK(b, k0, k1, k2, k3, k4, k5, k6, k7) \
	(((b) & 1 ? k0 : 0) ^ ((b) & 2 ? k1 : 0) ^ ((b) & 4 ? k2 : 0) ^ ((b) & 8 ? k3 : 0) ^ \
	 ((b) & 16 ? k4 : 0) ^ ((b) & 32 ? k5 : 0) ^ ((b) & 64 ? k6 : 0) ^ ((b) & 128 ? k7 : 0))
#define T4(r, b) r(b), r((b) + 1), r((b) + 2), r((b) + 3)
#define T16(r, b) T4(r, b), T4(r, (b) + 4), T4(r, (b) + 8), T4(r, (b) + 12)
#define T64(r, b) T16(r, b), T16(r, (b) + 16), T16(r, (b) + 32), T16(r, (b) + 48)
#define T256(r) {T64(r, 0), T64(r, 64), T64(r, 128), T64(r, 192)}
/* clang-format on */

static const u32 table[8][256] = {T256(ROW0), T256(ROW1), T256(ROW2), T256(ROW3),
				  T256(ROW4), T256(ROW5), T256(ROW6), T256(ROW7)};

u32 crc32c(u32 crc, const void *data, u32 len)
{
	const u8 *p = data;

	for (; len && ((uintptr_t)p & 3); len--)
		crc = crc >> 8 ^ table[0][(crc ^ *p++) & 0xff];
	for (; len >= 8; len -= 8, p += 8) {
		u32 lo, hi;

		memcpy(&lo, p, 4);
		memcpy(&hi, p + 4, 4);
		lo ^= crc;
		crc = table[7][lo & 0xff] ^ table[6][lo >> 8 & 0xff] ^ table[5][lo >> 16 & 0xff] ^
		      table[4][lo >> 24] ^ table[3][hi & 0xff] ^ table[2][hi >> 8 & 0xff] ^
		      table[1][hi >> 16 & 0xff] ^ table[0][hi >> 24];
	}
	for (; len; len--)
		crc = crc >> 8 ^ table[0][(crc ^ *p++) & 0xff];
	return crc;
}
