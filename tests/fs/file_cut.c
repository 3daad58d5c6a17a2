/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An executor dies at every step of every operation on file data: a survivor recovers it. Every
 * byte is as it was or as it was to be, what is behind the end is zero, the medium is whole.
 */
#include <setjmp.h>

#include "pool/exec.h"
#include "tests/fs/pool_check.h"
#include "tests/fs/file_util.h"

#define OLD 1u /* pattern seeds */
#define NEW 2u
#define SIZE 90001u
#define SPAN 120000u

static jmp_buf dead;

static void die(void *arg)
{
	(void)arg;
	longjmp(dead, 1);
}

struct operation {
	u32 from, to;    /* bytes that it may change */
	bool zero;       /* to zeros, not to the pattern NEW */
	u32 size;        /* that it leaves */
	bool fragmented; /* every other block of the file is a hole */
	u32 stride;      /* every how many steps it dies */
	s64 (*run)(struct exec *x, node_t node);
};

static s64 overwrite(struct exec *x, node_t node)
{
	u8 buf[20000];
	u64 pos = 8192;

	util_fill(buf, NEW, pos, sizeof(buf));
	return util_write_once(x, node, &pos, 0, buf, sizeof(buf), 0);
}

static s64 overwrite_page(struct exec *x, node_t node)
{
	u8 buf[4096];
	u64 pos = 8192;

	util_fill(buf, NEW, pos, sizeof(buf));
	return util_write_once(x, node, &pos, 0, buf, sizeof(buf), 0);
}

static s64 extend(struct exec *x, node_t node)
{
	u8 buf[20000];
	u64 pos = 0;

	util_fill(buf, NEW, SIZE, sizeof(buf));
	return util_write_once(x, node, &pos, FS_WRITE_APPEND, buf, sizeof(buf), 5);
}

static s64 shrink(struct exec *x, node_t node)
{
	return util_truncate(x, node, 20001);
}

static s64 punch(struct exec *x, node_t node)
{
	return fs_fallocate(x, node, FS_FALLOC_PUNCH_HOLE | FS_FALLOC_KEEP_SIZE, 5000, 60000);
}

static s64 zero(struct exec *x, node_t node)
{
	return fs_fallocate(x, node, FS_FALLOC_ZERO_RANGE, 5000, 60000);
}

static s64 preallocate(struct exec *x, node_t node)
{
	return fs_fallocate(x, node, 0, 0, 110000);
}

static s64 copy(struct exec *x, node_t node)
{
	u64 n;

	return fs_copy_range(x, util_lookup(x, "new"), 3000, node, 3000, 50000, &n);
}

static bool in_hole(const struct operation *op, u64 pos)
{
	return op->fragmented && pos >> 12 & 1;
}

static u8 old_byte(const struct operation *op, u64 pos)
{
	return pos < SIZE && !in_hole(op, pos) ? util_byte(OLD, pos) : 0;
}

static void check(const struct operation *op, struct exec *x, node_t node, bool cut)
{
	static u8 buf[SPAN];
	u32 size = (u32)util_attr(x, node).size, pos, news = 0;

	if (!cut)
		CHECK_EQ(size, op->size);
	CHECK(size == op->size || size == SIZE);
	/* what was behind the end comes to light */
	CHECK_OK(util_truncate(x, node, SPAN));
	CHECK_EQ(util_read(x, node, 0, buf, SPAN), SPAN);
	for (pos = 0; pos < SPAN; pos++) {
		u8 old = old_byte(op, pos), new = op->zero ? 0 : util_byte(NEW, pos);
		bool may_new = pos >= op->from && pos < op->to;

		if (pos >= size)
			old = new = 0;
		if (buf[pos] == old && !(may_new && !cut && buf[pos] != new))
			continue;
		if (!may_new || buf[pos] != new)
			test_fail(__FILE__, __LINE__,
				  "size %u: byte %u is %02x, was %02x, to be %02x", size, pos,
				  buf[pos], old, new);
		news++;
	}
	(void)news;
}

static void make(const struct operation *op, struct exec *x, node_t *node)
{
	u32 pos;

	*node = util_create(x, "f");
	if (!op->fragmented) {
		util_write_pattern(x, *node, OLD, 0, SIZE);
		return;
	}
	for (pos = 0; pos < SIZE; pos += 8192)
		util_write_pattern(x, *node, OLD, pos, min_of(4096u, SIZE - pos));
	CHECK_OK(util_truncate(x, *node, SIZE));
}

/* Dies at the step; false when it was through before. */
static bool one_step(const struct operation *op, struct exec *x, u32 step)
{
	static struct exec y;
	node_t node;
	bool cut;

	make(op, x, &node);
	if (step & 1)
		CHECK_OK(fs_fsync(x, node, false));
	fixture_join(&y);
	plat_posix_on_cut(fixture_plat(), die, NULL);
	y.cut = step;
	cut = setjmp(dead);
	if (!cut) {
		CHECK(op->run(&y, node) >= 0);
		y.cut = 0;
		fixture_leave(&y);
	} else {
		CHECK_OK(exec_recover(x, y.id));
		pool_check(x);
	}
	check(op, x, node, cut);
	CHECK_OK(util_unlink(x, "f"));
	return cut;
}

static void every_step(const struct operation *op)
{
	struct exec *x;
	u32 step = 1, n = 0;
	bool more = true;

	fixture_make(16, NULL, NULL);
	x = fixture_mount();
	util_write_pattern(x, util_create(x, "new"), NEW, 0, SPAN);
	while (more) {
		more = one_step(op, x, step);
		step += op->stride;
		/* what a dead executor had pinned stays pinned: a new pool now and then */
		if (++n % 50 == 0)
			x = fixture_remount();
	}
	CHECK(n > 20);
	fixture_unmount_check();
}

#define CUT(id, ...)                                                                               \
	TEST_TIMED(death_in_##id, 120)                                                             \
	{                                                                                          \
		static const struct operation op = {__VA_ARGS__};                                  \
		every_step(&op);                                                                   \
	}

CUT(overwriting_a_page, 8192, 12288, false, SIZE, false, 1, overwrite_page)
CUT(overwriting, 8192, 28192, false, SIZE, false, 3, overwrite)
CUT(filling_holes, 8192, 28192, false, SIZE, true, 5, overwrite)
CUT(appending, SIZE, SIZE + 20000, false, SIZE + 20000, false, 3, extend)
CUT(shrinking, 20001, SIZE, true, 20001, false, 1, shrink)
CUT(shrinking_a_fragmented_file, 20001, SIZE, true, 20001, true, 3, shrink)
CUT(punching, 5000, 65000, true, SIZE, false, 1, punch)
CUT(punching_a_fragmented_file, 5000, 65000, true, SIZE, true, 3, punch)
CUT(zeroing_a_range, 5000, 65000, true, SIZE, false, 3, zero)
CUT(preallocating, 0, 0, false, 110000, true, 5, preallocate)
CUT(copying, 3000, 53000, false, SIZE, false, 7, copy)
