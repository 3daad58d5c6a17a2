/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The hashes of names that order an indexed directory: legacy, half MD4 and TEA, each with signed
 * or unsigned characters. Layer: pure functions.
 * Source: Documentation/filesystems/ext4/directory.rst, RFC 1320 (MD4), Wheeler and Needham (TEA).
 */
#include "fs/dir.h"

/* 0x7fffffff is the position of the end of a directory: no name hashes to it. */
#define HASH_END (0x7fffffffu << 1)

static inline s32 char_at(struct fs_name name, u32 i, bool is_unsigned)
{
	return is_unsigned ? (s32)(u8)name.s[i] : (s32)(signed char)name.s[i];
}

static u32 legacy(struct fs_name name, bool is_unsigned)
{
	u32 h0 = 0x12a3fe2d, h1 = 0x37abe8f9, h, i;

	for (i = 0; i < name.len; i++) {
		h = h1 + (h0 ^ (u32)char_at(name, i, is_unsigned) * 7152373u);
		if (h & 0x80000000u)
			h -= 0x7fffffffu;
		h1 = h0;
		h0 = h;
	}
	return h0 << 1;
}

/* The name from byte `from` on as n words; what it does not fill is filled with its length. */
static inline void name_words(struct fs_name name, u32 from, bool is_unsigned, u32 *out, u32 n)
{
	const u32 left = name.len - from, whole = min_of(left / 4, n);
	u32 pad = left | left << 8, word, i;

	pad |= pad << 16;
	for (i = 0; i < whole; i++, from += 4) {
		word = (u32)char_at(name, from, is_unsigned);
		word = (u32)char_at(name, from + 1, is_unsigned) + (word << 8);
		word = (u32)char_at(name, from + 2, is_unsigned) + (word << 8);
		out[i] = (u32)char_at(name, from + 3, is_unsigned) + (word << 8);
	}
	if (i < n && left % 4) {
		for (word = pad; from < name.len; from++)
			word = (u32)char_at(name, from, is_unsigned) + (word << 8);
		out[i++] = word;
	}
	for (; i < n; i++)
		out[i] = pad;
}

static u32 rotate(u32 v, u32 s)
{
	return v << s | v >> (32 - s);
}

/* Four steps of a round: the state turns by one word a step. */
#define MD4_STEPS(f, k, w0, w1, w2, w3, s0, s1, s2, s3)                                            \
	do {                                                                                       \
		a = rotate(a + f(b, c, d) + in[w0] + (k), s0);                                     \
		d = rotate(d + f(a, b, c) + in[w1] + (k), s1);                                     \
		c = rotate(c + f(d, a, b) + in[w2] + (k), s2);                                     \
		b = rotate(b + f(c, d, a) + in[w3] + (k), s3);                                     \
	} while (0)
#define MD4_F(p, q, r) ((r) ^ ((p) & ((q) ^ (r))))
#define MD4_G(p, q, r) (((p) & (q)) + (((p) ^ (q)) & (r)))
#define MD4_H(p, q, r) ((p) ^ (q) ^ (r))

static void half_md4(u32 *state, const u32 *in)
{
	u32 a = state[0], b = state[1], c = state[2], d = state[3];

	MD4_STEPS(MD4_F, 0u, 0, 1, 2, 3, 3, 7, 11, 19);
	MD4_STEPS(MD4_F, 0u, 4, 5, 6, 7, 3, 7, 11, 19);
	MD4_STEPS(MD4_G, 0x5A827999u, 1, 3, 5, 7, 3, 5, 9, 13);
	MD4_STEPS(MD4_G, 0x5A827999u, 0, 2, 4, 6, 3, 5, 9, 13);
	MD4_STEPS(MD4_H, 0x6ED9EBA1u, 3, 7, 2, 6, 3, 9, 11, 15);
	MD4_STEPS(MD4_H, 0x6ED9EBA1u, 1, 5, 0, 4, 3, 9, 11, 15);
	state[0] += a;
	state[1] += b;
	state[2] += c;
	state[3] += d;
}

static void tea(u32 *state, const u32 *in)
{
	u32 v0 = state[0], v1 = state[1], sum = 0, n;

	for (n = 0; n < 16; n++) {
		sum += 0x9E3779B9u;
		v0 += ((v1 << 4) + in[0]) ^ (v1 + sum) ^ ((v1 >> 5) + in[1]);
		v1 += ((v0 << 4) + in[2]) ^ (v0 + sum) ^ ((v0 >> 5) + in[3]);
	}
	state[0] += v0;
	state[1] += v1;
}

struct dx_hash dx_hash_name(u32 version, const u32 *seed, struct fs_name name)
{
	bool is_unsigned = version >= EXT4_DX_LEGACY_UNSIGNED;
	u32 state[4] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476};
	struct dx_hash hash = {0, 0};
	u32 in[8], from;

	if (seed[0] | seed[1] | seed[2] | seed[3]) {
		state[0] = seed[0];
		state[1] = seed[1];
		state[2] = seed[2];
		state[3] = seed[3];
	}
	switch (version) {
	case EXT4_DX_HALF_MD4:
	case EXT4_DX_HALF_MD4_UNSIGNED:
		for (from = 0; from < name.len; from += 32) {
			name_words(name, from, is_unsigned, in, 8);
			half_md4(state, in);
		}
		hash.major = state[1];
		hash.minor = state[2];
		break;
	case EXT4_DX_TEA:
	case EXT4_DX_TEA_UNSIGNED:
		for (from = 0; from < name.len; from += 16) {
			name_words(name, from, is_unsigned, in, 4);
			tea(state, in);
		}
		hash.major = state[0];
		hash.minor = state[1];
		break;
	default:
		hash.major = legacy(name, is_unsigned);
	}
	hash.major &= ~1u;
	if (hash.major == HASH_END)
		hash.major = HASH_END - 2;
	return hash;
}
