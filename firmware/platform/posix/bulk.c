/* SPDX-License-Identifier: BSD-2-Clause */
/* Bulk memory where the processor does it itself: for all platforms in a process. */
#include <string.h>

#include "format/crc32c.h"
#include "platform/platform.h"

void plat_copy(struct plat *plat, void *dst, const void *src, u32 len)
{
	(void)plat;
	memmove(dst, src, len);
}

void plat_zero(struct plat *plat, void *dst, u32 len)
{
	(void)plat;
	memset(dst, 0, len);
}

#ifdef __x86_64__
__attribute__((target("sse4.2"))) static u32 crc32c_sse(u32 crc, const u8 *p, u32 len)
{
	u64 sum = crc, word;

	for (; len >= 8; len -= 8, p += 8) {
		memcpy(&word, p, 8);
		sum = __builtin_ia32_crc32di(sum, word);
	}
	crc = (u32)sum;
	for (; len; len--)
		crc = __builtin_ia32_crc32qi(crc, *p++);
	return crc;
}
#endif

u32 plat_crc32c(struct plat *plat, u32 crc, const void *data, u32 len)
{
	(void)plat;
#ifdef __x86_64__
	if (__builtin_cpu_supports("sse4.2"))
		return crc32c_sse(crc, data, len);
#endif
	return crc32c(crc, data, len);
}
