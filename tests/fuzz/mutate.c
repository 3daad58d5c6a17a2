/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Mutates inputs record by record. Most records aim at fields that mean something; the rest is left
 * to the fuzzer's own mutations of bytes.
 */
#include <string.h>

#include "tests/fuzz/world.h"

static u64 state;

static u32 rnd(u32 below)
{
	state = state * 6364136223846793005ull + 1442695040888963407ull;
	return below ? (u32)((state >> 33) % below) : 0;
}

/* Offsets of fields, by the kind of the structure; a directory's entries and an index's are made
 * up as they come. */
static const u16 fields_inode[] = {0,  4,  26, 28, 32,  40,  42,  44,  46,  48,  52,  56,  58,  60,
				   64, 68, 70, 72, 76,  80,  84,  88,  100, 104, 108, 116, 118, 128,
				   20, 54, 62, 66, 160, 164, 165, 166, 168, 172, 176, 180, 192, 2};
static const u16 fields_super[] = {0,   4,   8,   12,  16,  20,  24,  28,  32,  36,  40,  58,
				   60,  76,  84,  88,  90,  92,  96,  100, 206, 224, 232, 252,
				   254, 256, 264, 336, 348, 350, 352, 372, 373, 404, 584, 624};
static const u16 fields_xattr[] = {0, 4, 8, 12, 32, 33, 34, 36, 40, 44, 48, 52, 56, 60, 64, 68, 72};

static const u32 odd[] = {0,      1,      2,       3,      4,       7,          8,      11,
			  12,     16,     0xFF,    0x100,  4084,    4095,       4096,   0x7FFF,
			  0x8000, 0x8001, 0xFFFC,  0xFFFF, 0x10000, 0x7FFFFFFF, ~0u,    1000000,
			  1535,   1536,   0x80000, 0x1000, 0x4000,  0xA000,     0xF30A, 508};

#define PICK(list) list[rnd(array_size(list))]

/* A field of an entry of a directory block, of attributes from `at` on. */
static u16 entry_at(const u8 *block, u32 at, bool attributes)
{
	static const u8 of_dirent[] = {0, 4, 4, 6, 7, 8, 9},
			of_attr[] = {0, 1, 2, 2, 4, 8, 8, 12, 16};
	u32 n = rnd(4) ? rnd(6) : rnd(100);

	while (n-- && at < BLOCK_SIZE - 32) {
		int len = attributes ? (block[at] + 19) & ~3 : block[at + 4] | block[at + 5] << 8;

		if (!len || at + (u32)len > BLOCK_SIZE - 16 || (attributes && !block[at]))
			break;
		at += (u32)len;
	}
	return (u16)(at + (attributes ? PICK(of_attr) : PICK(of_dirent)));
}

/* A byte of the place that means something. */
static u16 field_at(const struct image *m, const struct place *p)
{
	static const u16 gdt[] = {0,  4,  8,  12, 14, 16, 18, 24, 26,
				  28, 30, 32, 36, 40, 44, 46, 48, 56};
	static const u16 log[] = {0,  4,  8,  12, 16, 20, 24, 28, 32, 36, 40, 44,
				  48, 64, 76, 80, 84, 88, 92, 96, 60, 52, 56};
	const u8 *bytes = m->clean + p->offset;

	switch (p->kind) {
	case PLACE_SUPER:
		return PICK(fields_super);
	case PLACE_GDT:
		return PICK(gdt);
	case PLACE_BLOCK_BITMAP:
	case PLACE_INODE_BITMAP:
		return (u16)rnd(256);
	case PLACE_INODE:
		return PICK(fields_inode);
	case PLACE_EXTENT:
		return (u16)(rnd(4) ? 12 * (1 + rnd(12)) + 2 * rnd(6) : 2 * rnd(6));
	case PLACE_DIR:
		return entry_at(bytes, 0, false);
	case PLACE_DX:
		return (u16)(rnd(3)   ? 24 + 4 * rnd(8) + rnd(4)
			     : rnd(2) ? 32 + 4 * rnd(1016)
				      : rnd(24));
	case PLACE_XATTR:
		return rnd(6) ? entry_at(bytes, 32, true) : (u16)(4 * rnd(8));
	case PLACE_LOG:
		return rnd(6) ? PICK(log) : (u16)rnd(4096);
	default:
		return (u16)rnd(4096);
	}
}

static u16 place_at(u32 where, const struct input *in)
{
	const struct image *m = target_image ? target_image(in) : NULL;

	if (m && rnd(5))
		return field_at(m, image_place(m, where, target_wanted));
	switch (rnd(4)) {
	case 0:
		return PICK(fields_xattr);
	case 1: /* the first entries of a directory, an index, an extent block */
		return (u16)(rnd(40) * 4 + rnd(2) * rnd(4));
	case 2:
		return (u16)(rnd(1024) * 4 + (rnd(3) ? 0 : rnd(4)));
	default:
		return (u16)rnd(rnd(2) ? 4096 : 65536);
	}
}

static u32 value(void)
{
	switch (rnd(4)) {
	case 0:
		return odd[rnd(array_size(odd))];
	case 1:
		return rnd(2048); /* a block, an inode, a length */
	case 2:
		return rnd(16) << rnd(32);
	default:
		return rnd(0) ^ (u32)(state >> 13);
	}
}

static void record_make(struct record *r, const struct input *in)
{
	static const u8 kinds[] = {REC_SET8, REC_SET16, REC_SET16, REC_SET32, REC_SET32,
				   REC_ADD,  REC_COPY,  REC_FILL,  REC_OP,    REC_OP,
				   REC_OP,   REC_OP,    REC_OP};

	r->kind = rnd(60) ? kinds[rnd(array_size(kinds))] : REC_FAULT;
	r->where = (u8)rnd(256);
	r->at = r->kind == REC_OP ? (u16)(rnd(24) | rnd(24) << 8) : place_at(r->where, in);
	r->value = value();
}

static void record_change(struct record *r, const struct input *in)
{
	switch (rnd(6)) {
	case 0:
		r->where = (u8)rnd(256);
		break;
	case 1:
		r->at = r->kind % REC_KINDS == REC_OP ? (u16)(rnd(24) | rnd(24) << 8)
						      : place_at(r->where, in);
		break;
	case 2:
		r->value = value();
		break;
	case 3:
		r->value ^= 1u << rnd(32);
		break;
	case 4:
		r->at = (u16)(r->at + rnd(9) - 4);
		break;
	default:
		r->value += rnd(9) - 4;
	}
}

static void mutate(struct input *in)
{
	u32 i = rnd(in->n), k = rnd(in->n);

	switch (rnd(in->n ? 8 : 1)) {
	case 0:
	case 1:
	case 2:
		if (in->n == RECORDS_MAX)
			break;
		i = rnd(in->n + 1);
		memmove(&in->rec[i + 1], &in->rec[i], (in->n - i) * sizeof(in->rec[0]));
		record_make(&in->rec[i], in);
		in->n++;
		break;
	case 3:
		memmove(&in->rec[i], &in->rec[i + 1], (in->n - i - 1) * sizeof(in->rec[0]));
		in->n--;
		break;
	case 4:
		in->rec[i] = in->rec[k];
		record_change(&in->rec[i], in);
		break;
	default:
		record_change(&in->rec[i], in);
	}
	if (!rnd(6))
		in->head.flags ^= 1u << rnd(7);
	if (!rnd(6))
		in->head.script ^= 1u << rnd(16);
	if (!rnd(6))
		in->head.script &= rnd(0x10000);
	if (!rnd(20))
		in->head.policy = (u8)rnd(4);
}

size_t LLVMFuzzerCustomMutator(u8 *data, size_t size, size_t max, unsigned seed)
{
	struct input in;

	state = seed * 2654435761u + 1;
	if (!rnd(8) && LLVMFuzzerMutate)
		return LLVMFuzzerMutate(data, size, max);
	input_parse(&in, data, size);
	for (u32 n = 1 + rnd(3); n; n--)
		mutate(&in);
	size = sizeof(in.head) + in.n * sizeof(in.rec[0]);
	if (size > max)
		return 0;
	memcpy(data, &in.head, sizeof(in.head));
	memcpy(data + sizeof(in.head), in.rec, size - sizeof(in.head));
	return size;
}
