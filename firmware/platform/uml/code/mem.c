// SPDX-License-Identifier: BSD-2-Clause
/* What the compiler and the core take from a C library, for a core that has none beside it. */
#include <string.h>

#include "platform/types.h"

#define LONG_RUN 512u /* bytes: from here on the processor's own copying is faster */

struct piece {
	u64 word[2];
} __attribute__((packed, aligned(1), may_alias));

void *memcpy(void *restrict dst, const void *restrict src, size_t len)
{
	u8 *d = dst;
	const u8 *s = src;

	if (len >= LONG_RUN) {
		__asm__ volatile("rep movsb" : "+D"(d), "+S"(s), "+c"(len) : : "memory");
		return dst;
	}
	for (; len >= sizeof(struct piece); len -= sizeof(struct piece)) {
		*(struct piece *)d = *(const struct piece *)s;
		d += sizeof(struct piece);
		s += sizeof(struct piece);
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
		while (len--)
			*d++ = *s++;
		return dst;
	}
	while (len--)
		d[len] = s[len];
	return dst;
}

void *memset(void *dst, int value, size_t len)
{
	void *d = dst;

	__asm__ volatile("rep stosb" : "+D"(d), "+c"(len) : "a"(value) : "memory");
	return dst;
}

int memcmp(const void *a, const void *b, size_t len)
{
	const u8 *x = a, *y = b;

	for (; len; len--, x++, y++)
		if (*x != *y)
			return *x - *y;
	return 0;
}

void *memchr(const void *p, int value, size_t len)
{
	const u8 *s = p;

	for (; len; len--, s++)
		if (*s == (u8)value)
			return (void *)s;
	return NULL;
}

size_t strlen(const char *s)
{
	size_t n = 0;

	while (s[n])
		n++;
	return n;
}
