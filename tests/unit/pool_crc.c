/* SPDX-License-Identifier: BSD-2-Clause */
/* CRC32C against published values (RFC 3720 appendix B.4) and against a bit-by-bit computation. */
#include <string.h>

#include "format/crc32c.h"
#include "tests/unit/pool_env.h"

static u32 finished(const void *p, u32 len)
{
	return ~crc32c(~0u, p, len);
}

TEST(published_vectors)
{
	u8 b[32];

	CHECK_EQ(finished("123456789", 9), 0xE3069283u);
	memset(b, 0, sizeof(b));
	CHECK_EQ(finished(b, 32), 0x8A9136AAu);
	memset(b, 0xff, sizeof(b));
	CHECK_EQ(finished(b, 32), 0x62A8AB43u);
	for (u32 i = 0; i < 32; i++)
		b[i] = (u8)i;
	CHECK_EQ(finished(b, 32), 0x46DD794Eu);
	for (u32 i = 0; i < 32; i++)
		b[i] = (u8)(31 - i);
	CHECK_EQ(finished(b, 32), 0x113FDB5Cu);
	CHECK_EQ(crc32c(0x1234, b, 0), 0x1234);
}

static u32 by_bits(u32 crc, const u8 *p, u32 len)
{
	while (len--) {
		crc ^= *p++;
		for (u32 i = 0; i < 8; i++)
			crc = crc >> 1 ^ (0x82F63B78u & (0u - (crc & 1)));
	}
	return crc;
}

TEST(any_place_length_and_split)
{
	u8 b[400];
	u32 seed = test_seed();

	for (u32 i = 0; i < sizeof(b); i++) {
		seed = seed * 1664525 + 1013904223;
		b[i] = (u8)(seed >> 24);
	}
	for (u32 at = 0; at < 9; at++) {
		for (u32 len = 0; len < 80; len++) {
			u32 want = by_bits(seed, b + at, len);

			CHECK_EQ(crc32c(seed, b + at, len), want);
			CHECK_EQ(plat_crc32c(NULL, seed, b + at, len), want); /* instructions */
			CHECK_EQ(crc32c(crc32c(seed, b + at, len / 3), b + at + len / 3,
					len - len / 3),
				 want);
		}
	}
	CHECK_EQ(crc32c(seed, b, 400), by_bits(seed, b, 400));
}
