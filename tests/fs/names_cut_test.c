/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An executor dies at every step of every operation on names: a survivor recovers it, and the
 * operation has either been done or not been done at all.
 */
#include <setjmp.h>

#include "pool/exec.h"
#include "tests/fs/pool_check.h"
#include "tests/fs/names_util.h"

static jmp_buf dead;

static void die(void *arg)
{
	(void)arg;
	longjmp(dead, 1);
}

/* What one operation is tried on. */
struct stage {
	node_t d1, d2, f;
	char value[900];
};

struct operation {
	const char *name;
	void (*before)(struct exec *x, struct stage *s); /* makes the stage, each time */
	int (*run)(struct exec *x, struct stage *s);
	/* 0: as before, 1: done; anything between fails */
	int (*done)(struct exec *x, struct stage *s);
	void (*after)(struct exec *x, struct stage *s); /* clears the stage of a done operation */
};

/* Whether exactly one of two names is there. */
static int moved(struct exec *x, node_t from, const char *a, node_t to, const char *b, node_t node)
{
	node_t na = look(x, from, a), nb = look(x, to, b);

	CHECK((na == node) != (nb == node));
	return nb == node;
}

static void nothing(struct exec *x, struct stage *s)
{
	(void)x;
	(void)s;
}

/* ---- the operations */
static int create_run(struct exec *x, struct stage *s)
{
	struct fs_attr attr;

	return fs_mknod(x, s->d1, nm("new"), REG | 0600, 0, false, &attr);
}

static int new_done(struct exec *x, struct stage *s)
{
	return look(x, s->d1, "new") != 0;
}

static void new_unlink(struct exec *x, struct stage *s)
{
	CHECK_OK(fs_unlink(x, s->d1, nm("new")));
}

static int mkdir_run(struct exec *x, struct stage *s)
{
	struct fs_attr attr;

	return fs_mkdir(x, s->d1, nm("new"), 0700, &attr);
}

static int mkdir_done(struct exec *x, struct stage *s)
{
	node_t d = look(x, s->d1, "new");

	CHECK_EQ(stat_of(x, s->d1).nlink, 2 + (d != 0));
	if (d)
		CHECK_EQ(look(x, d, ".."), s->d1);
	return d != 0;
}

static void mkdir_after(struct exec *x, struct stage *s)
{
	CHECK_OK(fs_rmdir(x, s->d1, nm("new")));
}

static int symlink_run(struct exec *x, struct stage *s)
{
	struct fs_attr attr;

	return fs_symlink(x, s->d1, nm("new"), (struct fs_name){s->value, 800}, &attr);
}

static void file_before(struct exec *x, struct stage *s)
{
	s->f = mk(x, s->d1, "file");
}

static int unlink_run(struct exec *x, struct stage *s)
{
	return fs_unlink(x, s->d1, nm("file"));
}

static int file_gone(struct exec *x, struct stage *s)
{
	return !look(x, s->d1, "file");
}

static void dir_before(struct exec *x, struct stage *s)
{
	s->f = mkd(x, s->d1, "file");
}

static int rmdir_run(struct exec *x, struct stage *s)
{
	return fs_rmdir(x, s->d1, nm("file"));
}

static int rmdir_done(struct exec *x, struct stage *s)
{
	int gone = file_gone(x, s);

	CHECK_EQ(stat_of(x, s->d1).nlink, 3 - gone);
	return gone;
}

static int rename_run(struct exec *x, struct stage *s)
{
	return mv(x, s->d1, "file", s->d2, "moved", 0);
}

static int rename_done(struct exec *x, struct stage *s)
{
	return moved(x, s->d1, "file", s->d2, "moved", s->f);
}

static int rename_dir_done(struct exec *x, struct stage *s)
{
	int done = rename_done(x, s);

	CHECK_EQ(look(x, s->f, ".."), done ? s->d2 : s->d1);
	CHECK_EQ(stat_of(x, s->d1).nlink, 3 - done);
	CHECK_EQ(stat_of(x, s->d2).nlink, 2 + done);
	return done;
}

static void rename_after(struct exec *x, struct stage *s)
{
	CHECK_OK(fs_unlink(x, s->d2, nm("moved")));
}

static void rename_dir_after(struct exec *x, struct stage *s)
{
	CHECK_OK(fs_rmdir(x, s->d2, nm("moved")));
}

static void replace_before(struct exec *x, struct stage *s)
{
	file_before(x, s);
	mk(x, s->d2, "moved");
}

static void exchange_before(struct exec *x, struct stage *s)
{
	dir_before(x, s);
	mk(x, s->d2, "moved");
}

static int exchange_run(struct exec *x, struct stage *s)
{
	return mv(x, s->d1, "file", s->d2, "moved", FS_RENAME_EXCHANGE);
}

static void exchange_after(struct exec *x, struct stage *s)
{
	CHECK_OK(fs_unlink(x, s->d1, nm("file")));
	CHECK_OK(fs_rmdir(x, s->d2, nm("moved")));
}

static int link_run(struct exec *x, struct stage *s)
{
	struct fs_attr attr;

	return fs_link(x, s->f, s->d2, nm("second"), &attr);
}

static int link_done(struct exec *x, struct stage *s)
{
	int done = look(x, s->d2, "second") == s->f;

	CHECK_EQ(stat_of(x, s->f).nlink, 1 + done);
	return done;
}

static void link_after(struct exec *x, struct stage *s)
{
	CHECK_OK(fs_unlink(x, s->d2, nm("second")));
	CHECK_OK(fs_unlink(x, s->d1, nm("file")));
}

static int xattr_run(struct exec *x, struct stage *s)
{
	return fs_setxattr(x, s->f, nm("user.large"), s->value, 900, 0);
}

static int xattr_done(struct exec *x, struct stage *s)
{
	char got[900];
	int n = fs_getxattr(x, s->f, nm("user.large"), got, sizeof(got));

	CHECK(n == 900 || n == -MP_ENODATA);
	CHECK_EQ(stat_of(x, s->f).blocks, n == 900 ? 8 : 0);
	return n == 900;
}

static void xattr_after(struct exec *x, struct stage *s)
{
	CHECK_OK(fs_unlink(x, s->d1, nm("file")));
}

/* A directory whose first block has no room for one more. */
static void full_before(struct exec *x, struct stage *s)
{
	char name[120];
	u32 i;

	s->f = mkd(x, s->d1, "full");
	for (i = 0; i < 36; i++) {
		snprintf(name, sizeof(name), "%0100u", i);
		mk(x, s->f, name);
	}
}

static int full_run(struct exec *x, struct stage *s)
{
	char name[256];
	struct fs_attr attr;

	memset(name, 'z', 255);
	name[255] = 0;
	return fs_mknod(x, s->f, nm(name), REG | 0600, 0, false, &attr);
}

static int full_done(struct exec *x, struct stage *s)
{
	struct listing l = list_dir(x, s->f, 100, false);
	u64 blocks = stat_of(x, s->f).blocks / 8;
	int done = l.n == 39;

	CHECK(done || l.n == 38);
	CHECK_EQ(blocks, done ? 3 : 1);
	for (u32 i = 2; i < l.n; i++)
		CHECK(look(x, s->f, l.e[i].name));
	free(l.e);
	return done;
}

static void full_after(struct exec *x, struct stage *s)
{
	struct listing l = list_dir(x, s->f, 100, false);

	for (u32 i = 2; i < l.n; i++)
		CHECK_OK(fs_unlink(x, s->f, nm(l.e[i].name)));
	free(l.e);
	CHECK_OK(fs_rmdir(x, s->d1, nm("full")));
}

/* ---- every step of one of them */
static bool one_step(struct exec *x, const struct operation *op, struct stage *s, u32 step)
{
	static struct exec y; /* outlives the jump */
	bool cut;

	op->before(x, s);
	fixture_join(&y);
	plat_posix_on_cut(fixture_plat(), die, NULL);
	y.cut = step;
	cut = setjmp(dead);
	if (!cut) {
		CHECK_OK(op->run(&y, s));
		y.cut = 0;
		fixture_leave(&y);
		CHECK_EQ(op->done(x, s), 1);
	} else {
		CHECK_OK(exec_recover(x, y.id));
		pool_check(x);
		if (!op->done(x, s))
			CHECK_OK(op->run(x, s));
		CHECK_EQ(op->done(x, s), 1);
	}
	op->after(x, s);
	return cut;
}

static void every_step(const struct operation *op)
{
	struct stage s;
	struct exec *x;
	u32 step = 1, from = 1;
	bool more = true;

	fixture_make(64, NULL, NULL);
	x = fixture_mount();
	memset(s.value, 'v', sizeof(s.value));
	s.d1 = mkd(x, FS_ROOT, "one");
	s.d2 = mkd(x, FS_ROOT, "two");
	for (; more; x = fixture_remount())
		for (from = step; more && step < from + 100; step++)
			more = one_step(x, op, &s, step);
	CHECK(step > 20);
	if (test_verbose())
		fprintf(stderr, "%s: %u steps\n", op->name, step);
	CHECK_OK(fs_rmdir(x, FS_ROOT, nm("one")));
	CHECK_OK(fs_rmdir(x, FS_ROOT, nm("two")));
	fixture_unmount_check();
}

#define CUT(id, before, run, done, after)                                                          \
	TEST(death_in_##id)                                                                        \
	{                                                                                          \
		static const struct operation op = {#id, before, run, done, after};                \
		every_step(&op);                                                                   \
	}

CUT(rename, file_before, rename_run, rename_done, rename_after)
CUT(rename_of_a_directory, dir_before, rename_run, rename_dir_done, rename_dir_after)
CUT(exchange, exchange_before, exchange_run, rename_dir_done, exchange_after)
CUT(link, file_before, link_run, link_done, link_after)
CUT(setxattr, file_before, xattr_run, xattr_done, xattr_after)
CUT(create, nothing, create_run, new_done, new_unlink)
CUT(mkdir, nothing, mkdir_run, mkdir_done, mkdir_after)
CUT(symlink, nothing, symlink_run, new_done, new_unlink)
CUT(unlink, file_before, unlink_run, file_gone, nothing)
CUT(rmdir, dir_before, rmdir_run, rmdir_done, nothing)
CUT(replace, replace_before, rename_run, rename_done, rename_after)
CUT(making_an_index, full_before, full_run, full_done, full_after)
