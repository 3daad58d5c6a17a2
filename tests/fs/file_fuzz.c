/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Random changes of several files against a model in memory: contents, sizes, across remounts, and
 * e2fsck in between.
 */
#include "tests/fs/file_util.h"

#define FILES 3u
#define SPAN (3u << 20)

struct model {
	node_t node;
	u8 *data;
	u64 size;
	char name[8];
};

struct fuzz {
	struct util_rng r;
	struct exec *x;
	struct model file[FILES];
	u32 step;
	u8 *buf;
};

static u32 pick_pos(struct fuzz *f)
{
	u32 pos = util_rand(&f->r, SPAN);

	return util_rand(&f->r, 2) ? pos & ~4095u : pos;
}

static u32 pick_len(struct fuzz *f, u32 pos)
{
	static const u32 range[] = {10, 5000, 70000, 400000};
	u32 len = 1 + util_rand(&f->r, range[util_rand(&f->r, 4)]);

	if (!util_rand(&f->r, 2))
		len = (len + 4095) & ~4095u;
	return min_of(len, SPAN - pos);
}

static void do_write(struct fuzz *f, struct model *m)
{
	u32 pos = pick_pos(f), len = pick_len(f, pos);

	util_fill(f->buf, f->step + 1, pos, len);
	CHECK_EQ(util_write(f->x, m->node, pos, f->buf, len), len);
	memcpy(m->data + pos, f->buf, len);
	m->size = max_of(m->size, (u64)pos + len);
}

static void do_truncate(struct fuzz *f, struct model *m)
{
	u32 size = util_rand(&f->r, 4) ? pick_pos(f) : 0;

	CHECK_OK(util_truncate(f->x, m->node, size));
	if (size < m->size)
		memset(m->data + size, 0, m->size - size);
	m->size = size;
}

static void do_fallocate(struct fuzz *f, struct model *m)
{
	static const u32 modes[] = {
		0, FS_FALLOC_KEEP_SIZE, FS_FALLOC_KEEP_SIZE | FS_FALLOC_PUNCH_HOLE,
		FS_FALLOC_ZERO_RANGE, FS_FALLOC_ZERO_RANGE | FS_FALLOC_KEEP_SIZE};
	u32 mode = modes[util_rand(&f->r, array_size(modes))];
	u32 pos = pick_pos(f), len = pick_len(f, pos), end = pos + len;

	CHECK_OK(fs_fallocate(f->x, m->node, mode, pos, len));
	if (!(mode & FS_FALLOC_KEEP_SIZE))
		m->size = max_of(m->size, (u64)end);
	if (mode & (FS_FALLOC_PUNCH_HOLE | FS_FALLOC_ZERO_RANGE) && pos < m->size)
		memset(m->data + pos, 0, min_of((u64)end, m->size) - pos);
}

static void do_copy(struct fuzz *f, struct model *m)
{
	struct model *from = &f->file[util_rand(&f->r, FILES)];
	u32 in = pick_pos(f), out = pick_pos(f);
	u32 len = pick_len(f, in);
	u64 n, want;

	len = min_of(len, SPAN - out);
	want = in < from->size ? min_of((u64)len, from->size - in) : 0;
	if (from == m && in < out + len && out < in + len)
		return;
	CHECK_OK(fs_copy_range(f->x, from->node, in, m->node, out, len, &n));
	CHECK_EQ(n, want);
	memcpy(m->data + out, from->data + in, n);
	if (n)
		m->size = max_of(m->size, out + n);
}

static void do_check(struct fuzz *f, struct model *m)
{
	u32 pos = pick_pos(f), len = pick_len(f, pos), i;
	u64 want = pos < m->size ? min_of((u64)len, m->size - pos) : 0;

	CHECK_EQ(util_read(f->x, m->node, pos, f->buf, len), want);
	for (i = 0; i < want; i++)
		if (f->buf[i] != m->data[pos + i])
			test_fail(__FILE__, __LINE__, "step %u: %s byte %u is %02x, not %02x",
				  f->step, m->name, pos + i, f->buf[i], m->data[pos + i]);
}

static void check_whole(struct fuzz *f, struct model *m)
{
	u64 i;

	CHECK_EQ(util_attr(f->x, m->node).size, m->size);
	CHECK_EQ(util_read(f->x, m->node, 0, f->buf, SPAN), m->size);
	for (i = 0; i < m->size; i++)
		if (f->buf[i] != m->data[i])
			test_fail(__FILE__, __LINE__,
				  "after step %u: %s byte %llu is %02x, not %02x", f->step, m->name,
				  (unsigned long long)i, f->buf[i], m->data[i]);
}

static void do_replace(struct fuzz *f, struct model *m)
{
	CHECK_OK(util_unlink(f->x, m->name));
	m->node = util_create(f->x, m->name);
	memset(m->data, 0, m->size);
	m->size = 0;
}

static void step(struct fuzz *f)
{
	struct model *m = &f->file[util_rand(&f->r, FILES)];
	u32 what = util_rand(&f->r, 100), i;

	f->step++;
	if (what < 40)
		do_write(f, m);
	else if (what < 50)
		do_truncate(f, m);
	else if (what < 70)
		do_fallocate(f, m);
	else if (what < 78)
		do_copy(f, m);
	else if (what < 97)
		do_check(f, m);
	else if (what < 98)
		CHECK_OK(fs_fsync(f->x, m->node, false));
	else if (what < 99)
		do_replace(f, m);
	else if (!util_rand(&f->r, 4)) {
		f->x = fixture_remount();
		for (i = 0; i < FILES; i++) {
			f->file[i].node = util_lookup(f->x, f->file[i].name);
			check_whole(f, &f->file[i]);
		}
	}
}

static void fuzz(u64 seed, u32 pool_mib, u32 steps)
{
	struct fuzz f = {.r = {seed}};
	u32 i;

	fixture_make(32, NULL, NULL);
	fixture_pool_size(pool_mib);
	f.x = fixture_mount();
	f.buf = malloc(SPAN);
	for (i = 0; i < FILES; i++) {
		f.file[i].data = calloc(1, SPAN);
		snprintf(f.file[i].name, sizeof(f.file[i].name), "f%u", i);
		f.file[i].node = util_create(f.x, f.file[i].name);
	}
	while (f.step < steps)
		step(&f);
	f.x = fixture_remount();
	for (i = 0; i < FILES; i++) {
		f.file[i].node = util_lookup(f.x, f.file[i].name);
		check_whole(&f, &f.file[i]);
		CHECK_OK(util_unlink(f.x, f.file[i].name));
		free(f.file[i].data);
	}
	free(f.buf);
	fixture_unmount_check();
}

TEST(random_changes_match_the_model_seed_1)
{
	fuzz(1, 32, 1500);
}

TEST(random_changes_match_the_model_seed_2)
{
	fuzz(2, 32, 1500);
}

TEST(random_changes_match_the_model_in_a_pool_of_4_mib)
{
	fuzz(3, 4, 1500);
}

TEST(random_changes_match_the_model_in_a_pool_of_8_mib)
{
	fuzz(4, 8, 1500);
}

TEST(random_changes_match_the_model_of_the_seed_given)
{
	const char *seed = getenv("FILE_FUZZ_SEED"), *steps = getenv("FILE_FUZZ_STEPS");

	fuzz(seed ? strtoull(seed, NULL, 10) : 5, 6, steps ? (u32)atoi(steps) : 500);
}
