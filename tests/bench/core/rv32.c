// SPDX-License-Identifier: BSD-2-Clause
/*
 * Runs a program for RV32IM and counts its instructions by function: what an operation of the core
 * costs on the soft core, exactly and in a moment. No caches, no waits: cycles are the simulation's
 * business (tests/bench). Loads and stores beyond memory read 0 and do nothing.
 *
 *	rv32 PROGRAM.elf IMAGE [FUNCTIONS]     FUNCTIONS: how many to name per line (8)
 */
#define _GNU_SOURCE
#include <elf.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "format/crc32c.h"
#include "tests/bench/core/calls.h"

#define MEMORY (64u << 20)
#define BLOCK 4096u

struct function {
	u32 address;
	const char *name;
	u64 count;
};

static u8 memory[MEMORY];
static u32 reg[32], pc;
static u64 executed;
static bool counting;
static struct function *functions;
static u32 nfunctions, shown = 8;
static int image;

static void die(const char *what)
{
	fprintf(stderr, "rv32: %s (pc %08x)\n", what, pc);
	exit(1);
}

static void *at(u32 address, u32 len)
{
	if (address >= MEMORY || len > MEMORY - address)
		die("address out of memory");
	return memory + address;
}

static u32 load(u32 address, u32 len)
{
	u32 value = 0;

	if (address < MEMORY - 4)
		memcpy(&value, memory + address, len);
	return value;
}

static void store(u32 address, u32 value, u32 len)
{
	if (address < MEMORY - 4)
		memcpy(memory + address, &value, len);
}

/* ---- the program */
static int by_address(const void *a, const void *b)
{
	const struct function *f = a, *g = b;

	return (f->address > g->address) - (f->address < g->address);
}

static int by_count(const void *a, const void *b)
{
	const struct function *f = *(struct function *const *)a, *g = *(struct function *const *)b;

	return (f->count < g->count) - (f->count > g->count);
}

static void read_symbols(const u8 *elf, const Elf32_Shdr *table, const Elf32_Shdr *strings)
{
	const Elf32_Sym *symbol = (const void *)(elf + table->sh_offset);
	u32 n = table->sh_size / sizeof(*symbol);

	functions = calloc(n, sizeof(*functions));
	if (!functions)
		die("no memory");
	for (u32 i = 0; i < n; i++) {
		if (ELF32_ST_TYPE(symbol[i].st_info) != STT_FUNC)
			continue;
		functions[nfunctions++] = (struct function){
			.address = symbol[i].st_value,
			.name = (const char *)elf + strings->sh_offset + symbol[i].st_name};
	}
	qsort(functions, nfunctions, sizeof(*functions), by_address);
}

static void load_program(const char *path)
{
	static u8 elf[8 << 20];
	const Elf32_Ehdr *header = (const void *)elf;
	const Elf32_Phdr *segment;
	const Elf32_Shdr *section;
	FILE *f = fopen(path, "rb");

	if (!f || fread(elf, 1, sizeof(elf), f) < sizeof(*header) || header->e_machine != EM_RISCV)
		die("cannot read the program");
	fclose(f);
	segment = (const void *)(elf + header->e_phoff);
	for (u32 i = 0; i < header->e_phnum; i++)
		if (segment[i].p_type == PT_LOAD)
			memcpy(at(segment[i].p_vaddr, segment[i].p_memsz),
			       elf + segment[i].p_offset, segment[i].p_filesz);
	section = (const void *)(elf + header->e_shoff);
	for (u32 i = 0; i < header->e_shnum; i++)
		if (section[i].sh_type == SHT_SYMTAB)
			read_symbols(elf, &section[i], &section[section[i].sh_link]);
	if (!nfunctions)
		die("the program has no symbols");
	pc = header->e_entry;
	reg[2] = MEMORY - 4096;
}

/* ---- counting */
static struct function *function_at(u32 address)
{
	u32 low = 0, high = nfunctions;

	while (high - low > 1) {
		u32 mid = (low + high) / 2;

		if (functions[mid].address <= address)
			low = mid;
		else
			high = mid;
	}
	return &functions[low];
}

static void count_start(void)
{
	for (u32 i = 0; i < nfunctions; i++)
		functions[i].count = 0;
	executed = 0;
	counting = true;
}

static void count_stop(const char *name, u32 rounds)
{
	static struct function **sorted;

	counting = false;
	if (!sorted)
		sorted = calloc(nfunctions, sizeof(*sorted));
	if (!sorted || !rounds)
		die("cannot report");
	for (u32 i = 0; i < nfunctions; i++)
		sorted[i] = &functions[i];
	qsort(sorted, nfunctions, sizeof(*sorted), by_count);
	printf("%-24s %9.0f ", name, (double)executed / rounds);
	for (u32 i = 0; i < shown && i < nfunctions && sorted[i]->count >= rounds; i++)
		printf(" %s %.0f", sorted[i]->name, (double)sorted[i]->count / rounds);
	printf("\n");
}

static void call(void)
{
	u32 *a = &reg[10];
	off_t pos = (off_t)a[0] * BLOCK;

	switch (reg[17]) {
	case CALL_EXIT:
		exit((int)a[0]);
	case CALL_START:
		count_start();
		break;
	case CALL_STOP:
		count_stop(at(a[0], 1), a[1]);
		break;
	case CALL_PUT:
		fprintf(stderr, "rv32: %s\n", (char *)at(a[0], 1));
		break;
	case CALL_READ:
		a[0] = pread(image, at(a[1], a[2] * BLOCK), a[2] * BLOCK, pos) !=
		       (ssize_t)(a[2] * BLOCK);
		break;
	case CALL_WRITE:
		a[0] = pwrite(image, at(a[1], a[2] * BLOCK), a[2] * BLOCK, pos) !=
		       (ssize_t)(a[2] * BLOCK);
		break;
	case CALL_COPY:
		memmove(at(a[0], a[2]), at(a[1], a[2]), a[2]);
		break;
	case CALL_ZERO:
		memset(at(a[0], a[1]), 0, a[1]);
		break;
	case CALL_CRC:
		a[0] = crc32c(a[0], at(a[1], a[2]), a[2]);
		break;
	default:
		die("unknown call");
	}
}

/* ---- RV32IM, "The RISC-V Instruction Set Manual", volume I */
static u32 multiply(u32 f3, u32 a, u32 b)
{
	switch (f3) {
	case 0:
		return a * b;
	case 1:
		return (u32)((u64)((s64)(s32)a * (s32)b) >> 32);
	case 2:
		return (u32)((u64)((s64)(s32)a * b) >> 32);
	case 3:
		return (u32)((u64)a * b >> 32);
	case 4:
		return !b ? ~0u : a == 1u << 31 && b == ~0u ? a : (u32)((s32)a / (s32)b);
	case 5:
		return b ? a / b : ~0u;
	case 6:
		return !b ? a : a == 1u << 31 && b == ~0u ? 0 : (u32)((s32)a % (s32)b);
	default:
		return b ? a % b : a;
	}
}

static u32 arithmetic(u32 f3, u32 a, u32 b, bool alternative, bool immediate)
{
	switch (f3) {
	case 0:
		return alternative && !immediate ? a - b : a + b;
	case 1:
		return a << (b & 31);
	case 2:
		return (s32)a < (s32)b;
	case 3:
		return a < b;
	case 4:
		return a ^ b;
	case 5:
		return alternative ? (u32)((s32)a >> (b & 31)) : a >> (b & 31);
	case 6:
		return a | b;
	default:
		return a & b;
	}
}

static bool branch(u32 f3, u32 a, u32 b)
{
	switch (f3) {
	case 0:
		return a == b;
	case 1:
		return a != b;
	case 4:
		return (s32)a < (s32)b;
	case 5:
		return (s32)a >= (s32)b;
	case 6:
		return a < b;
	default:
		return a >= b;
	}
}

static u32 load_value(u32 f3, u32 address)
{
	switch (f3) {
	case 0:
		return (u32)(s32)(int8_t)load(address, 1);
	case 1:
		return (u32)(s32)(int16_t)load(address, 2);
	case 2:
		return load(address, 4);
	default:
		return load(address, f3 == 4 ? 1 : 2);
	}
}

static void step(void)
{
	u32 i = load(pc, 4), next = pc + 4, rd = i >> 7 & 31, f3 = i >> 12 & 7, value = 0;
	u32 a = reg[i >> 15 & 31], b = reg[i >> 20 & 31];
	u32 imm = (u32)((s32)i >> 20), sign = (u32)((s32)i >> 31);

	switch (i & 0x7f) {
	case 0x37: /* lui */
		value = i & ~0xfffu;
		break;
	case 0x17: /* auipc */
		value = pc + (i & ~0xfffu);
		break;
	case 0x6f: /* jal */
		value = next;
		next = pc + (sign << 20 | (i & 0xff000) | (i >> 9 & 0x800) | (i >> 20 & 0x7fe));
		break;
	case 0x67: /* jalr */
		value = next;
		next = (a + imm) & ~1u;
		break;
	case 0x63:
		rd = 0;
		if (branch(f3, a, b))
			next = pc + (sign << 12 | (i << 4 & 0x800) | (i >> 20 & 0x7e0) |
				     (i >> 7 & 0x1e));
		break;
	case 0x03:
		value = load_value(f3, a + imm);
		break;
	case 0x23:
		rd = 0;
		store(a + ((imm & ~31u) | (i >> 7 & 31)), b, 1u << f3);
		break;
	case 0x13:
		value = arithmetic(f3, a, imm, i >> 30 & 1, true);
		break;
	case 0x33:
		value = i >> 25 == 1 ? multiply(f3, a, b)
				     : arithmetic(f3, a, b, i >> 30 & 1, false);
		break;
	case 0x0f: /* fence */
		rd = 0;
		break;
	case 0x73: /* ecall */
		rd = 0;
		call();
		break;
	default:
		die("unknown instruction");
	}
	if (rd)
		reg[rd] = value;
	pc = next;
}

int main(int argc, char **argv)
{
	if (argc < 3 || argc > 4) {
		fprintf(stderr, "usage: %s PROGRAM.elf IMAGE [FUNCTIONS]\n", argv[0]);
		return 2;
	}
	if (argc == 4)
		shown = (u32)atoi(argv[3]);
	image = open(argv[2], O_RDWR | O_CLOEXEC);
	if (image < 0)
		die("cannot open the image");
	load_program(argv[1]);
	for (;;) {
		if (counting) {
			executed++;
			function_at(pc)->count++;
		}
		step();
	}
}
