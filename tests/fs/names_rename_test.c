/* SPDX-License-Identifier: BSD-2-Clause */
/* Renaming: what may replace what, across directories, and what never may happen. */
#include "tests/fs/names_util.h"

/* What can be at the old and the new name. */
enum kind { NONE, FILE_, DIR_EMPTY, DIR_FULL, SYMLINK, KINDS };

static node_t make(struct exec *x, node_t dir, const char *name, enum kind kind)
{
	struct fs_attr attr;
	node_t d;

	switch (kind) {
	case NONE:
	case KINDS:
		return 0;
	case FILE_:
		return mk(x, dir, name);
	case DIR_EMPTY:
		return mkd(x, dir, name);
	case DIR_FULL:
		d = mkd(x, dir, name);
		mk(x, d, "inside");
		return d;
	case SYMLINK:
		CHECK_OK(fs_symlink(x, dir, nm(name), nm("target"), &attr));
		return attr.node;
	}
	return 0;
}

static bool is_dir(enum kind kind)
{
	return kind == DIR_EMPTY || kind == DIR_FULL;
}

static int expected(enum kind from, enum kind to, u32 flags)
{
	if (from == NONE)
		return -MP_ENOENT;
	if (flags & FS_RENAME_EXCHANGE)
		return to == NONE ? -MP_ENOENT : 0;
	if (to == NONE)
		return 0;
	if (flags & FS_RENAME_NOREPLACE)
		return -MP_EEXIST;
	if (is_dir(from) && !is_dir(to))
		return -MP_ENOTDIR;
	if (!is_dir(from) && is_dir(to))
		return -MP_EISDIR;
	return to == DIR_FULL ? -MP_ENOTEMPTY : 0;
}

static void one_of_matrix(struct exec *x, bool same, enum kind from, enum kind to, u32 flags,
			  u32 number)
{
	char top[32];
	node_t t, d1, d2, a, b;
	struct fs_attr attr;
	int want = expected(from, to, flags);

	snprintf(top, sizeof(top), "case%u", number);
	t = mkd(x, FS_ROOT, top);
	d1 = mkd(x, t, "one");
	d2 = same ? d1 : mkd(x, t, "two");
	a = make(x, d1, "a", from);
	b = make(x, d2, "b", to);
	CHECK_ERR(mv(x, d1, "a", d2, "b", flags), want);
	if (want) {
		CHECK_EQ(look(x, d1, "a"), a);
		CHECK_EQ(look(x, d2, "b"), b);
	} else if (flags & FS_RENAME_EXCHANGE) {
		CHECK_EQ(look(x, d1, "a"), b);
		CHECK_EQ(look(x, d2, "b"), a);
	} else {
		CHECK_EQ(look(x, d1, "a"), 0);
		CHECK_EQ(look(x, d2, "b"), a);
		if (b)
			CHECK_ERR(fs_getattr(x, b, &attr), -MP_ESTALE);
	}
	if (!want && is_dir(from))
		CHECK_EQ(look(x, a, ".."), d2);
	if (!want && flags & FS_RENAME_EXCHANGE && is_dir(to))
		CHECK_EQ(look(x, b, ".."), d1);
	/* links of the parents, counted anew */
	for (node_t d = d1;; d = d2) {
		struct listing l = list_dir(x, d, 100, false);
		u32 dirs = 0;

		for (u32 i = 0; i < l.n; i++)
			dirs += l.e[i].type == 4;
		CHECK_EQ(stat_of(x, d).nlink, dirs);
		free(l.e);
		if (d == d2)
			break;
	}
}

TEST(every_kind_onto_every_kind)
{
	static const u32 flags[] = {0, FS_RENAME_NOREPLACE, FS_RENAME_EXCHANGE};
	struct exec *x;
	u32 from, to, f, same, number = 0;

	fixture_make(64, NULL, NULL);
	x = fixture_mount();
	for (same = 0; same < 2; same++)
		for (f = 0; f < array_size(flags); f++)
			for (from = 0; from < KINDS; from++)
				for (to = 0; to < KINDS; to++)
					one_of_matrix(x, same, from, to, flags[f], number++);
	fixture_unmount_check();
}

TEST(a_directory_never_goes_below_itself)
{
	struct exec *x;
	node_t a, b, c;

	fixture_make(64, NULL, NULL);
	x = fixture_mount();
	a = mkd(x, FS_ROOT, "a");
	b = mkd(x, a, "b");
	c = mkd(x, b, "c");
	CHECK_ERR(mv(x, FS_ROOT, "a", c, "x", 0), -MP_EINVAL);
	CHECK_ERR(mv(x, FS_ROOT, "a", a, "x", 0), -MP_EINVAL);
	CHECK_ERR(mv(x, a, "b", b, "x", 0), -MP_EINVAL);
	CHECK_ERR(mv(x, a, "b", c, "x", 0), -MP_EINVAL);
	/* the target contains the source */
	CHECK_ERR(mv(x, b, "c", FS_ROOT, "a", 0), -MP_ENOTEMPTY);
	CHECK_ERR(mv(x, b, "c", a, "b", 0), -MP_ENOTEMPTY);
	CHECK_ERR(mv(x, b, "c", FS_ROOT, "a", FS_RENAME_EXCHANGE), -MP_EINVAL);
	CHECK_ERR(mv(x, FS_ROOT, "a", b, "c", FS_RENAME_EXCHANGE), -MP_EINVAL);
	/* up is allowed */
	CHECK_OK(mv(x, b, "c", FS_ROOT, "c", 0));
	CHECK_EQ(look(x, c, ".."), FS_ROOT);
	CHECK_OK(mv(x, FS_ROOT, "a", c, "a", 0));
	CHECK_EQ(look(x, a, ".."), c);
	fixture_unmount_check();
}

TEST(same_inode_and_same_name_change_nothing)
{
	struct fs_attr attr;
	struct exec *x;
	node_t f, d;

	fixture_make(64, NULL, NULL);
	x = fixture_mount();
	f = mk(x, FS_ROOT, "f");
	d = mkd(x, FS_ROOT, "d");
	CHECK_OK(fs_link(x, f, d, nm("g"), &attr));
	CHECK_OK(mv(x, FS_ROOT, "f", d, "g", 0));
	CHECK_EQ(look(x, FS_ROOT, "f"), f);
	CHECK_EQ(look(x, d, "g"), f);
	CHECK_OK(mv(x, FS_ROOT, "f", FS_ROOT, "f", 0));
	CHECK_EQ(stat_of(x, f).nlink, 2);
	CHECK_ERR(mv(x, FS_ROOT, "f", FS_ROOT, "f", FS_RENAME_NOREPLACE), -MP_EEXIST);
	CHECK_ERR(mv(x, FS_ROOT, "f", FS_ROOT, "f", 8), -MP_EINVAL);
	CHECK_ERR(mv(x, FS_ROOT, "f", FS_ROOT, "f", 3), -MP_EINVAL);
	CHECK_ERR(mv(x, FS_ROOT, "f", FS_ROOT, ".", 0), -MP_EINVAL);
	fixture_unmount_check();
}

TEST(replaced_open_file_lives_until_release)
{
	struct fs_attr attr;
	struct exec *x;
	node_t f, g;

	fixture_make(64, NULL, NULL);
	x = fixture_mount();
	f = mk(x, FS_ROOT, "f");
	CHECK_OK(fs_mknod(x, FS_ROOT, nm("g"), REG | 0600, 0, true, &attr));
	g = attr.node;
	CHECK_OK(mv(x, FS_ROOT, "f", FS_ROOT, "g", 0));
	CHECK_EQ(look(x, FS_ROOT, "g"), f);
	CHECK_EQ(stat_of(x, g).nlink, 0);
	CHECK_OK(fs_release(x, g));
	CHECK_ERR(fs_getattr(x, g, &attr), -MP_ESTALE);
	fixture_unmount_check();
}

/* In and between directories with an index, with splits on the way. */
TEST(renames_in_large_directories)
{
	char from[32], to[64];
	struct exec *x;
	node_t d1, d2, f;
	u32 i;

	fixture_make(64, "-N 9000", NULL);
	x = fixture_mount();
	d1 = mkd(x, FS_ROOT, "d1");
	d2 = mkd(x, FS_ROOT, "d2");
	for (i = 0; i < 2500; i++) {
		snprintf(from, sizeof(from), "f%u", i);
		mk(x, d1, from);
	}
	for (i = 0; i < 2500; i++) {
		snprintf(from, sizeof(from), "f%u", i);
		snprintf(to, sizeof(to), "a-longer-name-for-number-%u", i);
		f = look(x, d1, from);
		CHECK_OK(mv(x, d1, from, i & 1 ? d1 : d2, to, 0));
		CHECK_EQ(look(x, i & 1 ? d1 : d2, to), f);
		CHECK_EQ(look(x, d1, from), 0);
	}
	x = fixture_remount();
	for (i = 0; i < 2500; i++) {
		snprintf(to, sizeof(to), "a-longer-name-for-number-%u", i);
		CHECK(look(x, i & 1 ? d1 : d2, to));
		CHECK_EQ(look(x, i & 1 ? d2 : d1, to), 0);
	}
	fixture_unmount_check();
}

/* ---- random work against a model */
#define M_DIRS 12u
#define M_NAMES 24u

struct model_file {
	node_t node;
	u32 links;
};
struct model {
	struct {
		node_t node;
		u32 parent; /* index; its own for the root */
		bool used;
		node_t names[M_NAMES]; /* 0: free */
	} dirs[M_DIRS];
	struct model_file files[M_DIRS * M_NAMES];
	u32 seed;
};

static int model_dir_of(const struct model *m, node_t node)
{
	for (u32 i = 0; i < M_DIRS; i++)
		if (m->dirs[i].used && m->dirs[i].node == node)
			return (int)i;
	return -1;
}

static struct model_file *model_file_of(struct model *m, node_t node)
{
	for (u32 i = 0; i < array_size(m->files); i++)
		if (m->files[i].links && m->files[i].node == node)
			return &m->files[i];
	return NULL;
}

static bool model_below(const struct model *m, u32 dir, u32 above)
{
	for (;; dir = m->dirs[dir].parent) {
		if (dir == above)
			return true;
		if (m->dirs[dir].parent == dir)
			return false;
	}
}

static bool model_empty(const struct model *m, u32 dir)
{
	for (u32 i = 0; i < M_NAMES; i++)
		if (m->dirs[dir].names[i])
			return false;
	return true;
}

static void model_lose(struct model *m, node_t node)
{
	struct model_file *f = model_file_of(m, node);

	if (f)
		f->links--;
	else
		m->dirs[model_dir_of(m, node)].used = false;
}

static const char *m_name(char *buf, u32 i)
{
	/* some do not fit the dentry cache */
	sprintf(buf, i % 5 ? "n%u" : "n%u-0123456789-0123456789-0123456789-0123456789-0123456789",
		i);
	return buf;
}

static void model_rename(struct model *m, struct exec *x, u32 d1, u32 n1, u32 d2, u32 n2, u32 flags)
{
	node_t from = m->dirs[d1].names[n1], to = m->dirs[d2].names[n2];
	int fd = from ? model_dir_of(m, from) : -1, td = to ? model_dir_of(m, to) : -1;
	char b1[80], b2[80];
	int want = 0;

	if (!from)
		want = -MP_ENOENT;
	else if (fd >= 0 && d1 != d2 && model_below(m, d2, (u32)fd))
		want = -MP_EINVAL;
	else if (!to && flags == FS_RENAME_EXCHANGE)
		want = -MP_ENOENT;
	else if (to && flags == FS_RENAME_NOREPLACE)
		want = -MP_EEXIST;
	else if (td >= 0 && d1 != d2 && model_below(m, d1, (u32)td))
		want = flags == FS_RENAME_EXCHANGE ? -MP_EINVAL : -MP_ENOTEMPTY;
	else if (to && to != from && flags != FS_RENAME_EXCHANGE) {
		if (fd >= 0 && td < 0)
			want = -MP_ENOTDIR;
		else if (fd < 0 && td >= 0)
			want = -MP_EISDIR;
		else if (td >= 0 && !model_empty(m, (u32)td))
			want = -MP_ENOTEMPTY;
	}
	CHECK_ERR(mv(x, m->dirs[d1].node, m_name(b1, n1), m->dirs[d2].node, m_name(b2, n2), flags),
		  want);
	if (want || from == to)
		return;
	m->dirs[d2].names[n2] = from;
	m->dirs[d1].names[n1] = flags == FS_RENAME_EXCHANGE ? to : 0;
	if (to && flags != FS_RENAME_EXCHANGE)
		model_lose(m, to);
	if (fd >= 0)
		m->dirs[fd].parent = d2;
	if (td >= 0 && flags == FS_RENAME_EXCHANGE)
		m->dirs[td].parent = d1;
}

static u32 model_pick_dir(struct model *m)
{
	u32 i;

	do
		i = rnd(&m->seed) % M_DIRS;
	while (!m->dirs[i].used);
	return i;
}

static void model_create(struct model *m, struct exec *x, u32 d, u32 n, bool dir)
{
	bool taken = m->dirs[d].names[n];
	struct fs_attr attr;
	char buf[80];
	u32 i;

	for (i = 0; dir && i < M_DIRS && m->dirs[i].used; i++)
		;
	if (dir && i == M_DIRS)
		return;
	if (dir)
		CHECK_ERR(fs_mkdir(x, m->dirs[d].node, nm(m_name(buf, n)), 0755, &attr),
			  taken ? -MP_EEXIST : 0);
	else
		CHECK_ERR(fs_mknod(x, m->dirs[d].node, nm(m_name(buf, n)), REG | 0644, 0, false,
				   &attr),
			  taken ? -MP_EEXIST : 0);
	if (taken)
		return;
	m->dirs[d].names[n] = attr.node;
	if (dir) {
		memset(&m->dirs[i], 0, sizeof(m->dirs[i]));
		m->dirs[i].node = attr.node;
		m->dirs[i].parent = d;
		m->dirs[i].used = true;
		return;
	}
	for (i = 0; m->files[i].links; i++)
		;
	m->files[i].node = attr.node;
	m->files[i].links = 1;
}

static void model_remove(struct model *m, struct exec *x, u32 d, u32 n, bool dir)
{
	node_t node = m->dirs[d].names[n];
	int nd = node ? model_dir_of(m, node) : -1, want = 0;
	char buf[80];

	if (!node)
		want = -MP_ENOENT;
	else if (dir && nd < 0)
		want = -MP_ENOTDIR;
	else if (!dir && nd >= 0)
		want = -MP_EISDIR;
	else if (nd >= 0 && !model_empty(m, (u32)nd))
		want = -MP_ENOTEMPTY;
	CHECK_ERR(dir ? fs_rmdir(x, m->dirs[d].node, nm(m_name(buf, n)))
		      : fs_unlink(x, m->dirs[d].node, nm(m_name(buf, n))),
		  want);
	if (want)
		return;
	m->dirs[d].names[n] = 0;
	model_lose(m, node);
}

static void model_link(struct model *m, struct exec *x, u32 d1, u32 n1, u32 d2, u32 n2)
{
	node_t node = m->dirs[d1].names[n1];
	struct fs_attr attr;
	char buf[80];
	int want = 0;

	if (!node)
		return;
	if (m->dirs[d2].names[n2])
		want = -MP_EEXIST;
	else if (model_dir_of(m, node) >= 0)
		want = -MP_EPERM;
	CHECK_ERR(fs_link(x, node, m->dirs[d2].node, nm(m_name(buf, n2)), &attr), want);
	if (want)
		return;
	m->dirs[d2].names[n2] = node;
	model_file_of(m, node)->links++;
}

static void model_compare(struct model *m, struct exec *x)
{
	char buf[80];

	for (u32 d = 0; d < M_DIRS; d++) {
		struct listing l;
		u32 n, used = 0, subdirs = 0;

		if (!m->dirs[d].used)
			continue;
		l = list_dir(x, m->dirs[d].node, 9, true);
		for (n = 0; n < M_NAMES; n++) {
			node_t node = m->dirs[d].names[n];
			struct listed *e = listed_find(&l, m_name(buf, n));

			CHECK_EQ(look(x, m->dirs[d].node, buf), node);
			CHECK_EQ(e != NULL, node != 0);
			if (!node)
				continue;
			used++;
			CHECK_EQ(e->attr.node, node);
			if (model_dir_of(m, node) >= 0) {
				subdirs++;
				CHECK_EQ(look(x, node, ".."), m->dirs[d].node);
			} else {
				CHECK_EQ(e->attr.nlink, model_file_of(m, node)->links);
			}
		}
		CHECK_EQ(l.n, used + 2 + (d == 0)); /* lost+found */
		CHECK_EQ(stat_of(x, m->dirs[d].node).nlink, subdirs + 2 + (d == 0));
		free(l.e);
	}
}

static void random_names(const char *args, u32 seed, u32 steps)
{
	struct model *m = calloc(1, sizeof(*m));
	struct exec *x;
	u32 i;

	CHECK(m);
	fixture_make(64, args, NULL);
	x = fixture_mount();
	m->seed = seed;
	m->dirs[0].node = FS_ROOT;
	m->dirs[0].used = true;
	for (i = 0; i < steps; i++) {
		u32 d1 = model_pick_dir(m), d2 = model_pick_dir(m), what = rnd(&m->seed) % 16;
		u32 n1 = rnd(&m->seed) % M_NAMES, n2 = rnd(&m->seed) % M_NAMES;

		if (what < 4)
			model_create(m, x, d1, n1, what == 0);
		else if (what < 7)
			model_remove(m, x, d1, n1, what == 4);
		else if (what < 9)
			model_link(m, x, d1, n1, d2, n2);
		else if (what < 13)
			model_rename(m, x, d1, n1, d2, n2, 0);
		else
			model_rename(m, x, d1, n1, what == 15 ? d2 : d1, n2,
				     what == 13 ? FS_RENAME_NOREPLACE : FS_RENAME_EXCHANGE);
		if (i % (steps / 4) == steps / 4 - 1) {
			model_compare(m, x);
			x = fixture_remount();
			model_compare(m, x);
		}
	}
	fixture_unmount_check();
	free(m);
}

TEST(random_names_equal_the_model)
{
	random_names(NULL, test_seed(), 20000);
}

TEST(random_names_equal_the_model_seed_1)
{
	random_names(NULL, 1, 8000);
}

TEST(random_names_equal_the_model_without_index)
{
	random_names("-O ^dir_index,^metadata_csum", 2, 8000);
}
