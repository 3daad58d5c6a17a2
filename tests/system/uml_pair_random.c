/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The last part of uml_pair: both go through the same random operations on one file, each with a
 * model of it. One carries an operation out, both then look at the file.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "uml_pair.h"

#define FILE_MAX (40 * PAGE)

static uint8_t model[FILE_MAX];
static uint32_t model_size;
static uint64_t random_state;
static uint8_t *mapped;

static uint32_t rnd(uint32_t below)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (uint32_t)(random_state >> 20) % below;
}

enum kind { WRITE, STORE, TRUNCATE, PUNCH, ZERO, APPEND, COPY, KINDS };

struct op {
	enum kind kind;
	uint32_t pos, len, from;
	uint8_t fill;
	bool sync;
};

static struct op next_op(void)
{
	struct op op = {.kind = rnd(KINDS), .pos = rnd(FILE_MAX), .fill = (uint8_t)rnd(256)};

	op.len = 1 + rnd(rnd(4) ? 9000 : 60000);
	op.from = rnd(FILE_MAX);
	op.sync = !rnd(20);
	if (!rnd(4)) {
		op.pos &= ~(PAGE - 1);
		op.len = (op.len + PAGE - 1) & ~(PAGE - 1);
	}
	if (op.kind == STORE && op.pos >= model_size)
		op.pos = model_size ? op.pos % model_size : 0;
	if (op.kind == STORE && op.len > model_size - op.pos)
		op.len = model_size - op.pos;
	if (op.kind == APPEND)
		op.pos = model_size;
	if (op.pos + op.len > FILE_MAX)
		op.len = FILE_MAX - op.pos;
	if (op.kind == COPY) {
		op.from = model_size ? op.from % model_size : 0;
		op.len = op.len > model_size - op.from ? model_size - op.from : op.len;
		if (op.from < op.pos + op.len && op.pos < op.from + op.len)
			op.len = 0;
	}
	return op;
}

static void apply(const struct op *op)
{
	uint32_t end = op->pos + op->len;

	if (op->kind == TRUNCATE) {
		if (op->pos < model_size)
			memset(model + op->pos, 0, model_size - op->pos);
		model_size = op->pos;
		return;
	}
	if (!op->len)
		return;
	if (op->kind == COPY)
		memcpy(model + op->pos, model + op->from, op->len);
	else if (op->kind == PUNCH || op->kind == ZERO)
		memset(model + op->pos, 0,
		       op->kind == ZERO || end < model_size ? op->len
		       : op->pos < model_size               ? model_size - op->pos
							    : 0);
	else
		memset(model + op->pos, op->fill, op->len);
	if (op->kind != PUNCH && end > model_size)
		model_size = end;
}

static void carry_out(int fd, const struct op *op)
{
	static uint8_t data[FILE_MAX];
	off_t from = op->from, to = op->pos;

	if (!op->len && op->kind != TRUNCATE)
		return;
	memset(data, op->fill, op->len);
	switch (op->kind) {
	case WRITE:
		TRUE(pwrite(fd, data, op->len, op->pos) == op->len);
		break;
	case APPEND:
		OK(fcntl(fd, F_SETFL, O_APPEND));
		TRUE(write(fd, data, op->len) == op->len);
		OK(fcntl(fd, F_SETFL, 0));
		break;
	case STORE:
		memcpy(mapped + op->pos, data, op->len);
		break;
	case TRUNCATE:
		OK(ftruncate(fd, op->pos));
		break;
	case PUNCH:
		OK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, op->pos, op->len));
		break;
	case ZERO:
		OK(fallocate(fd, FALLOC_FL_ZERO_RANGE, op->pos, op->len));
		break;
	default:
		for (uint32_t n = op->len; n;) {
			ssize_t got = OK(copy_file_range(fd, &from, fd, &to, n, 0));

			TRUE(got);
			n -= (uint32_t)got;
		}
	}
	if (op->sync)
		OK(fsync(fd));
}

static void look(int fd, uint32_t n, const struct op *op)
{
	static uint8_t data[FILE_MAX];
	uint32_t pos = rnd(FILE_MAX), len = 1 + rnd(20000), want, i;
	bool by_map = rnd(2);
	struct stat st;

	if (!rnd(8)) {
		pos = 0;
		len = FILE_MAX;
	}
	want = pos < model_size ? model_size - pos : 0;
	want = want < len ? want : len;
	OK(fstat(fd, &st));
	if (st.st_size != model_size)
		pair_fail("operation %u (kind %d, %u+%u): size %lld instead of %u", n, op->kind,
			  op->pos, op->len, (long long)st.st_size, model_size);
	if (by_map)
		memcpy(data, mapped + pos, want);
	else
		TRUE(pread(fd, data, len, pos) == (ssize_t)want);
	for (i = 0; i < want && data[i] == model[pos + i]; i++)
		;
	if (i < want)
		pair_fail("operation %u (kind %d, %u+%u, from %u): %s gives %02x at %u, not %02x",
			  n, op->kind, op->pos, op->len, op->from, by_map ? "a load" : "read",
			  data[i], pos + i, model[pos + i]);
}

uint32_t pair_operations = 600;
uint64_t pair_seed = 1;

void random_operations_on_one_file(void)
{
	uint32_t n;
	int fd;

	random_state = pair_seed * 0x9E3779B97F4A7C15u | 1;
	memset(model, 0, sizeof(model));
	model_size = 0;
	BY(A) pair_put("random", "", 0);
	fd = OK(open("random", O_RDWR));
	mapped = pair_map(fd, FILE_MAX, PROT_READ | PROT_WRITE);
	for (n = 0; n < pair_operations; n++) {
		struct op op = next_op();
		int who = (int)rnd(2);

		BY(who) carry_out(fd, &op);
		apply(&op);
		look(fd, n, &op);
		pair_meet();
	}
	OK(munmap(mapped, FILE_MAX));
	OK(close(fd));
	pair_meet();
	BY(A) OK(unlink("random"));
}
