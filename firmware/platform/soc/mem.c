// SPDX-License-Identifier: BSD-2-Clause
/* mem*() by words, and by the DMA engine where that is faster (picolibc's go byte by byte). */
#include "platform/soc/soc.h"

#include <string.h>

/* Below these many bytes the core is faster than a descriptor and an emptied cache. */
#define DMA_COPY_MIN 512u
#define DMA_FILL_MIN 512u

typedef u32 __attribute__((may_alias)) word_t;

static void count_copied(size_t len)
{
	if (len >= BLOCK_SIZE)
		SOC_REG(SYS, CORE_COPIED) += len;
}

void *memcpy(void *restrict dst, const void *restrict src, size_t len)
{
	u8 *d = dst;
	const u8 *s = src;

	if (len >= DMA_COPY_MIN && soc.dma_desc && soc_in_memory(dst) && soc_in_memory(src)) {
		soc_dma_copy(&soc, soc_offset(dst), soc_offset(src), len);
		return dst;
	}
	count_copied(len);
	if (len >= 8 && !(((uintptr_t)d ^ (uintptr_t)s) & 3)) {
		word_t *dw;
		const word_t *sw;

		for (; (uintptr_t)d & 3; len--)
			*d++ = *s++;
		dw = (word_t *)(void *)d;
		sw = (const word_t *)(const void *)s;
		for (; len >= 16; len -= 16, dw += 4, sw += 4) {
			const u32 a = sw[0], b = sw[1], c = sw[2], e = sw[3];

			dw[0] = a;
			dw[1] = b;
			dw[2] = c;
			dw[3] = e;
		}
		for (; len >= 4; len -= 4)
			*dw++ = *sw++;
		d = (u8 *)dw;
		s = (const u8 *)sw;
	}
	while (len--)
		*d++ = *s++;
	return dst;
}

void *memmove(void *dst, const void *src, size_t len)
{
	u8 *d = dst;
	const u8 *s = src;

	if (d <= s || d >= s + len) {
		/* forwards, as memcpy's loop goes, is right for these */
		if (d + len <= s || d >= s + len)
			return memcpy(dst, src, len);
		while (len--)
			*d++ = *s++;
		return dst;
	}
	d += len;
	s += len;
	if (!(((uintptr_t)d | (uintptr_t)s) & 3))
		for (; len >= 4; len -= 4) {
			d -= 4;
			s -= 4;
			*(word_t *)(void *)d = *(const word_t *)(const void *)s;
		}
	while (len--)
		*--d = *--s;
	return dst;
}

void *memset(void *dst, int value, size_t len)
{
	const u32 pattern = (u8)value * 0x01010101u;
	u8 *d = dst;
	word_t *dw;

	for (; len && (uintptr_t)d & 3; len--)
		*d++ = (u8)value;
	if (len >= DMA_FILL_MIN && soc.dma_desc && soc_in_memory(d)) {
		soc_dma_fill(&soc, soc_offset(d), pattern, len & ~3u);
		d += len & ~3u;
		len &= 3;
	}
	dw = (word_t *)(void *)d;
	for (; len >= 32; len -= 32, dw += 8) {
		dw[0] = pattern;
		dw[1] = pattern;
		dw[2] = pattern;
		dw[3] = pattern;
		dw[4] = pattern;
		dw[5] = pattern;
		dw[6] = pattern;
		dw[7] = pattern;
	}
	for (; len >= 4; len -= 4)
		*dw++ = pattern;
	d = (u8 *)dw;
	while (len--)
		*d++ = (u8)value;
	return dst;
}

int memcmp(const void *left, const void *right, size_t len)
{
	const u8 *a = left, *b = right;

	if (!(((uintptr_t)a | (uintptr_t)b) & 3))
		for (; len >= 4; len -= 4, a += 4, b += 4)
			if (*(const word_t *)(const void *)a != *(const word_t *)(const void *)b)
				break;
	for (; len; len--, a++, b++)
		if (*a != *b)
			return *a - *b;
	return 0;
}

void *memchr(const void *p, int value, size_t len)
{
	const u8 *s = p;

	for (; len; len--, s++)
		if (*s == (u8)value)
			return (void *)(uintptr_t)s;
	return NULL;
}

size_t strlen(const char *s)
{
	const char *end = s;

	while (*end)
		end++;
	return (size_t)(end - s);
}
