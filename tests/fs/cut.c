/* SPDX-License-Identifier: BSD-2-Clause */
/* An operation is cut at every step (cut.h). */
#include "tests/fs/cut.h"

#include <setjmp.h>

#include "fs/inode.h"
#include "fs/super.h"
#include "tests/fs/pool_check.h"

#define SPREAD 3u /* deaths of which the recovery is cut at every step */
#define STEPS_MAX 20000u

char cut_value[3000];
u8 cut_data[64 << 10];
struct fs_attr cut_attr;

static jmp_buf dead;

static void die(void *arg)
{
	(void)arg;
	longjmp(dead, 1);
}

/* ---- the tree, as one number: all that an operation can change but times and inode numbers */
static u64 mix(u64 h, u64 v)
{
	h = (h ^ v) * 0x9E3779B97F4A7C15ull;
	return h ^ h >> 29;
}

static u64 mix_bytes(u64 h, const void *p, u32 len)
{
	const u8 *b = p;

	for (u32 i = 0; i < len; i++)
		h = mix(h, b[i]);
	return h;
}

static u64 file_sum(struct exec *x, const struct fs_attr *attr)
{
	static u8 buf[1u << 20];
	s64 n = util_read(x, attr->node, 0, buf, sizeof(buf));

	CHECK(n >= 0);
	return mix_bytes(17, buf, (u32)n);
}

static u64 xattr_sum(struct exec *x, node_t node)
{
	char list[1000], value[4096];
	int n = fs_listxattr(x, node, list, sizeof(list));
	u64 h = 0;

	CHECK(n >= 0);
	for (int at = 0; at < n; at += (int)strlen(list + at) + 1) {
		int len = fs_getxattr(x, node, nm(list + at), value, sizeof(value));

		CHECK(len >= 0);
		/* in any order */
		h += mix_bytes(mix_bytes(5, list + at, (u32)strlen(list + at)), value, (u32)len);
	}
	return h;
}

static u64 tree_sum(struct exec *x, node_t dir, u32 depth)
{
	struct listing l = list_dir(x, dir, 50, false);
	u64 sum = 0;

	CHECK(depth < 8);
	for (u32 i = 0; i < l.n; i++) {
		struct fs_attr attr;
		char target[4096];
		u64 h = mix_bytes(3, l.e[i].name, (u32)strlen(l.e[i].name));

		if (!strcmp(l.e[i].name, ".") || !strcmp(l.e[i].name, "..") ||
		    !strcmp(l.e[i].name, "lost+found"))
			continue;
		CHECK_OK(fs_lookup(x, dir, nm(l.e[i].name), &attr));
		CHECK_EQ((u32)attr.node, l.e[i].ino);
		h = mix(mix(mix(h, attr.mode), attr.nlink), attr.rdev);
		h = mix(mix(mix(h, attr.uid), attr.gid), attr.blocks);
		h = mix(h, xattr_sum(x, attr.node));
		switch (attr.mode & 0xF000) {
		case 0x4000:
			CHECK_EQ(look(x, attr.node, ".."), dir);
			h = mix(h, tree_sum(x, attr.node, depth + 1));
			break;
		case 0x8000:
			h = mix(mix(h, attr.size), file_sum(x, &attr));
			break;
		case 0xA000:
			CHECK_EQ(fs_readlink(x, attr.node, target, sizeof(target)), attr.size);
			h = mix_bytes(h, target, (u32)attr.size);
			break;
		}
		sum += h; /* in any order */
	}
	free(l.e);
	return sum;
}

static u64 whole_sum(struct exec *x)
{
	struct fs_statfs st;
	struct fs_attr root = stat_of(x, FS_ROOT);

	CHECK_OK(fs_statfs(x, &st));
	return mix(mix(mix(tree_sum(x, FS_ROOT, 0), root.nlink), st.bfree), st.ffree);
}

/* ---- the stage */
static void clear_dir(struct exec *x, node_t dir)
{
	struct listing l = list_dir(x, dir, 50, false);

	for (u32 i = 2; i < l.n; i++) {
		node_t node = look(x, dir, l.e[i].name);

		if (!strcmp(l.e[i].name, "lost+found"))
			continue;
		if ((stat_of(x, node).mode & 0xF000) == 0x4000) {
			clear_dir(x, node);
			CHECK_OK(fs_rmdir(x, dir, nm(l.e[i].name)));
		} else {
			CHECK_OK(fs_unlink(x, dir, nm(l.e[i].name)));
		}
	}
	free(l.e);
}

/* As the recovery of its host does: whatever is open is closed. */
static void close_all(struct exec *x)
{
	const struct fs *fs = fs_of(x);

	for (u32 i = 0; i < fs->ninodes; i++) {
		struct inode *inode = (struct inode *)exec_ptr(x, fs->inodes) + i;

		while (inode->state == INODE_READY && inode->opens)
			CHECK_OK(fs_release(x, inode_node(inode)));
	}
}

static void stage_make(struct exec *x, struct cut_stage *s)
{
	s->dir = mkd(x, FS_ROOT, "dir");
	s->sub = mkd(x, s->dir, "sub");
	s->file = mk(x, s->dir, "file");
	s->other = mk(x, s->sub, "other");
	CHECK_EQ(util_write(x, s->file, 0, cut_data, 30000), 30000);
	CHECK_EQ(util_write(x, s->other, 5000, cut_data + 9, 9000), 9000);
	CHECK_OK(fs_setxattr(x, s->file, nm("user.small"), "abc", 3, 0));
	CHECK_OK(fs_setxattr(x, s->other, nm("user.large"), cut_value, 2000, 0));
}

static void stage_clear(struct exec *x)
{
	close_all(x);
	clear_dir(x, FS_ROOT);
}

/* ---- every step */
static const struct cut_operation *op;
static struct cut_stage stage;
static struct exec y, z; /* who dies, and who dies recovering it */
static u64 empty, before, after;
static u32 random_state;

static u32 stride(void)
{
	return op->stride ? 1 + rnd(&random_state) % (2 * op->stride - 1) : 1;
}

static void prepare(struct exec *x)
{
	stage_make(x, &stage);
	if (op->before)
		op->before(x, &stage);
}

static void finish(struct exec *x)
{
	if (op->ends)
		op->ends(x);
	stage_clear(x);
	pool_check(x);
	if (whole_sum(x) != empty)
		test_fail(__FILE__, __LINE__, "something is left of it");
}

/* What the operation does when nobody dies. */
static void measure(struct exec *x)
{
	prepare(x);
	before = op->cold ? 0 : whole_sum(x);
	CHECK_OK(op->run(x, &stage));
	if (op->ends)
		op->ends(x);
	after = whole_sum(x);
	finish(x);
	if (op->cold) { /* looking would have filled the cache */
		stage_make(x, &stage);
		before = whole_sum(x);
		finish(x);
	}
	CHECK((op->tree == CUT_SAME) == (before == after));
}

/* Lets y die at the step; false when it was through before. */
static bool kill_at(u32 step)
{
	fixture_join(&y);
	y.cut = step;
	if (!setjmp(dead)) {
		CHECK_OK(op->run(&y, &stage));
		y.cut = 0;
		fixture_leave(&y);
		return false;
	}
	return true;
}

/* Lets who recovers y die at the step; false when it was through before. */
static bool kill_recoverer_at(u32 step)
{
	fixture_join(&z);
	z.cut = step;
	if (!setjmp(dead)) {
		CHECK_OK(exec_recover(&z, y.id));
		z.cut = 0;
		fixture_leave(&z);
		return false;
	}
	return true;
}

/* All is as it was before, or as after it; the survivor brings it to an end. */
static void judge(struct exec *x)
{
	u64 now;

	if (op->ends)
		op->ends(x);
	pool_check(x);
	now = whole_sum(x);
	if (now != before && now != after && op->tree != CUT_MIXES)
		test_fail(__FILE__, __LINE__, "half done");
	if (now != after) {
		CHECK_OK(op->run(x, &stage));
		if (whole_sum(x) != after)
			test_fail(__FILE__, __LINE__, "cannot be done afterwards");
	}
	finish(x);
}

/* False when the operation, or the recovery, was through before it could be cut. */
static bool one_death(struct exec *x, u32 step, u32 recovery_step, bool *recoverer_died)
{
	bool died, more = false;

	prepare(x);
	died = kill_at(step);
	if (died && recovery_step)
		more = kill_recoverer_at(recovery_step);
	/* together: the one may hold what recovering the other takes */
	if (died && (more || !recovery_step))
		CHECK(execs_recover_set(x, y.bit | (more ? z.bit : 0)));
	*recoverer_died = more;
	judge(x);
	return died;
}

void cut_every_step(const struct cut_operation *of)
{
	u32 steps = 0, deaths = 0, limit = 64;
	struct exec *x;
	bool more;

	op = of;
	random_state = test_seed();
	for (u32 i = 0; i < sizeof(cut_data); i++)
		cut_data[i] = (u8)(i * 7 + i / 251);
	memset(cut_value, 'v', sizeof(cut_value));
	fixture_pool_size(4);
	fixture_make(32, NULL, NULL);
	x = fixture_mount();
	plat_posix_on_cut(fixture_plat(), die, NULL);
	stage_make(x, &stage); /* what mke2fs left to be made is made */
	stage_clear(x);
	empty = whole_sum(x);
	measure(x);
	while (one_death(x, steps + 1, 0, &more)) {
		steps += stride();
		CHECK(steps < STEPS_MAX);
	}
	CHECK(steps > 5);
	for (u32 i = 0; i < SPREAD; i++) {
		u32 step = 1 + (u32)((u64)steps * (2 * i + 1) / (2 * SPREAD)), k = 1;

		/* what waits for the time of day has not the same steps each time */
		for (more = true; more && one_death(x, step, k, &more); k += stride())
			deaths += more;
		limit = max_of(limit, k);
	}
	for (u32 step = 1; step <= steps; step += stride()) {
		if (!one_death(x, step, 1 + rnd(&random_state) % limit, &more))
			break;
		deaths += more;
	}
	if (test_verbose())
		fprintf(stderr, "%s: %u steps, %u deaths of the recoverer\n", op->name, steps,
			deaths);
	CHECK(deaths > SPREAD);
	fixture_unmount_check();
}

bool cut_at(struct exec *x, int (*run)(struct exec *x, struct cut_stage *s), u32 step)
{
	static struct exec w; /* outlives the jump */

	fixture_join(&w);
	w.cut = step;
	if (!setjmp(dead)) {
		CHECK_OK(run(&w, &stage));
		w.cut = 0;
		fixture_leave(&w);
		return false;
	}
	CHECK_OK(exec_recover(x, w.id));
	return true;
}
