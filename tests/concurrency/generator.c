/* SPDX-License-Identifier: BSD-2-Clause */
/* Windows of random operations, and their check (generator.h). */
#include "tests/concurrency/generator.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "platform/errno.h"
#include "pool/frame.h"
#include "tests/concurrency/mix.h"

#define CROWD 28u /* nodes from which on more is removed than made */
#define CHURN 1200u
#define OPENS 3u /* files that an executor has open */

static const char names[MODEL_NAMES][40] = {
	"a",
	"b",
	"c",
	"d-with-a-name-that-no-cache-entry-holds",
};

/* What is done in a window: operations, and to how many directories and names. */
struct scene {
	u32 dirs, names;
	u8 ops[20]; /* ends with OP_KINDS */
};

static const struct scene scenes[] = {
	{9, 4, {OP_MKNOD,  OP_MKDIR,  OP_SYMLINK,  OP_TMPFILE, OP_LINK,    OP_UNLINK, OP_RMDIR,
		OP_RENAME, OP_LOOKUP, OP_PARENT,   OP_GETATTR, OP_READDIR, OP_OPEN,   OP_APPEND,
		OP_WRITE,  OP_READ,   OP_TRUNCATE, OP_COPY,    OP_RELEASE, OP_KINDS}},
	/* trees into each other */
	{4, 3, {OP_RENAME, OP_RENAME, OP_RENAME, OP_MKDIR, OP_RMDIR, OP_PARENT, OP_KINDS}},
	{2, 2, {OP_RENAME, OP_RENAME, OP_LOOKUP, OP_LOOKUP, OP_MKNOD, OP_READDIR, OP_KINDS}},
	/* unlinked and open */
	{1,
	 2,
	 {OP_MKNOD, OP_UNLINK, OP_OPEN, OP_OPEN, OP_RELEASE, OP_GETATTR, OP_TMPFILE, OP_LINK,
	  OP_KINDS}},
	{1, 2, {OP_LINK, OP_UNLINK, OP_LINK, OP_UNLINK, OP_GETATTR, OP_LOOKUP, OP_MKNOD, OP_KINDS}},
	/* one file */
	{1, 1, {OP_APPEND, OP_APPEND, OP_READ, OP_READ, OP_KINDS}},
	{1, 1, {OP_TRUNCATE, OP_READ, OP_READ, OP_APPEND, OP_WRITE, OP_GETATTR, OP_OPEN, OP_KINDS}},
	{2, 2, {OP_COPY, OP_WRITE, OP_READ, OP_TRUNCATE, OP_KINDS}},
	/* a directory that goes while something comes into it */
	{3, 2, {OP_RMDIR, OP_MKNOD, OP_MKDIR, OP_RMDIR, OP_UNLINK, OP_READDIR, OP_LINK, OP_KINDS}},
	{2, 4, {OP_READDIR, OP_READDIR, OP_MKNOD, OP_UNLINK, OP_RENAME, OP_KINDS}},
	{2,
	 3,
	 {OP_CHMOD, OP_GETATTR, OP_SETXATTR, OP_GETXATTR, OP_REMOVEXATTR, OP_LOOKUP, OP_KINDS}},
};
#define SCENES ((u32)array_size(scenes))
#define SCENE_CLEAR SCENES /* more than CROWD nodes: away with them */

static const struct scene clearing = {
	9, 4, {OP_UNLINK, OP_UNLINK, OP_RMDIR, OP_RMDIR, OP_RENAME, OP_RELEASE, OP_KINDS}};

/* One executor's own. */
struct worker {
	struct generator *g;
	struct exec *x;
	u32 number;
	u32 seed;
	const struct scene *scene;
	node_t open[OPENS];
	node_t dirs[GEN_PER], others[GEN_PER]; /* made in this window */
	u32 ndirs, nothers;
};

static u32 rnd(struct worker *w, u32 below)
{
	w->seed = w->seed * 1664525u + 1013904223u;
	return (w->seed >> 8) % below;
}

/* ---- the rhythm */
static void meet(struct generator *g)
{
	u32 phase = __atomic_load_n(&g->phase, __ATOMIC_ACQUIRE), spins = 0;

	if (__atomic_add_fetch(&g->arrived, 1, __ATOMIC_ACQ_REL) == g->executors + 1) {
		__atomic_store_n(&g->arrived, 0, __ATOMIC_RELAXED);
		__atomic_store_n(&g->phase, phase + 1, __ATOMIC_RELEASE);
		return;
	}
	while (__atomic_load_n(&g->phase, __ATOMIC_ACQUIRE) == phase)
		if (++spins > 50)
			usleep(20);
}

/* Relaxed, and so no help to who has forgotten a barrier; the machine orders it all the same. */
static u64 tick(struct generator *g)
{
	u64 now;

	__asm__ volatile("" ::: "memory");
	now = __atomic_fetch_add(&g->clock, 1, __ATOMIC_RELAXED);
	__asm__ volatile("" ::: "memory");
	return now;
}

/* ---- choosing */
static node_t a_dir(struct worker *w)
{
	u32 n = min_of(w->g->ndirs, w->scene->dirs);

	if (w->ndirs && !rnd(w, 3))
		return w->dirs[rnd(w, w->ndirs)];
	return w->g->dirs[rnd(w, n)];
}

static node_t an_inode(struct worker *w)
{
	u32 n = min_of(w->g->nothers, 2 * w->scene->names);

	if (w->nothers && !rnd(w, 3))
		return w->others[rnd(w, w->nothers)];
	if (!rnd(w, 4) && w->open[0])
		return w->open[0];
	return n && rnd(w, 12) ? w->g->others[rnd(w, n)] : a_dir(w);
}

static void choose(struct worker *w, struct op *op)
{
	static const u32 flags[5] = {0, 0, FS_RENAME_NOREPLACE, FS_RENAME_EXCHANGE,
				     FS_RENAME_EXCHANGE};
	u32 n = 0;

	while (w->scene->ops[n] != OP_KINDS)
		n++;
	memset(op, 0, sizeof(*op));
	op->executor = w->number;
	op->kind = w->scene->ops[rnd(w, n)];
	op->name = rnd(w, w->scene->names);
	op->other_name = rnd(w, w->scene->names);
	op->cell = rnd(w, 4);
	op->value = 1 + rnd(w, 0xFFFE);
	switch (op->kind) {
	case OP_GETATTR:
	case OP_CHMOD:
	case OP_OPEN:
	case OP_APPEND:
	case OP_WRITE:
	case OP_READ:
	case OP_TRUNCATE:
	case OP_SETXATTR:
	case OP_GETXATTR:
	case OP_REMOVEXATTR:
		op->node = an_inode(w);
		op->flags = op->kind == OP_OPEN && !rnd(w, 3);
		break;
	case OP_LINK:
	case OP_COPY:
		op->node = an_inode(w);
		op->other = op->kind == OP_LINK ? a_dir(w) : an_inode(w);
		break;
	default:
		op->node = a_dir(w);
		op->other = a_dir(w);
		op->flags = flags[rnd(w, 5)];
	}
	if (op->kind == OP_CHMOD)
		op->value &= 0777;
	if (op->kind == OP_COPY)
		op->value = rnd(w, 4);
}

/* ---- doing */
static struct fs_name name_of(u32 n)
{
	return (struct fs_name){names[n], (u32)strlen(names[n])};
}

static void put_attr(struct op *op, const struct fs_attr *attr)
{
	if (op->ret)
		return;
	op->found = attr->node;
	op->nlink = attr->nlink;
	op->mode = attr->mode;
	op->size = (u32)attr->size;
}

static bool list_one(void *arg, const struct fs_dirent *entry)
{
	struct op *op = arg;

	for (u32 i = 0; i < MODEL_NAMES; i++)
		if (entry->name.len == strlen(names[i]) &&
		    !memcmp(entry->name.s, names[i], entry->name.len)) {
			if (op->listed[i])
				test_fail(__FILE__, __LINE__, "%s is listed twice", names[i]);
			op->listed[i] = entry->ino;
			return true;
		}
	if (entry->name.s[0] != '.')
		test_fail(__FILE__, __LINE__, "a name is listed that nobody has made");
	return true;
}

static void make_segs(struct exec *x, u64 pos, u32 value, struct fs_seg *segs, u32 *n)
{
	u32 left = MODEL_CELL_SIZE, off = (u32)pos & 4095u;

	for (*n = 0; left; off = 0) {
		u32 part = min_of(4096 - off, left);
		struct frame *f;
		u64 *word;

		CHECK_OK(frame_alloc(x, &f));
		word = frame_data(x, f);
		for (u32 i = 0; i < 512; i++)
			word[i] = value;
		segs[(*n)++] = (struct fs_seg){frame_no(x, f), (u16)off, (u16)part};
		left -= part;
	}
}

static void do_write(struct exec *x, struct op *op)
{
	u64 pos = op->kind == OP_WRITE ? (u64)op->cell * MODEL_CELL_SIZE : 0;
	struct fs_seg segs[4];
	u32 n;

	make_segs(x, pos, op->value, segs, &n);
	op->ret = fs_write(x, op->node, &pos, op->kind == OP_APPEND ? FS_WRITE_APPEND : 0, segs, n);
	while (n)
		frame_unpin(x, frame_of(x, segs[--n].frame));
	if (op->ret < 0)
		return;
	CHECK_EQ(op->ret, MODEL_CELL_SIZE);
	CHECK_EQ(pos % MODEL_CELL_SIZE, 0);
	op->cell = (u32)(pos / MODEL_CELL_SIZE);
	op->ret = 0;
}

/* *last: the end of the cell, which nobody but a writer at work makes differ from its beginning. */
static int read_cell(struct exec *x, node_t node, u32 cell, u32 *got, u32 *size, u32 *last)
{
	struct fs_seg segs[FS_IO_SEGS];
	u8 bytes[MODEL_CELL_SIZE];
	u32 n, at = 0;
	int ret = fs_read(x, node, (u64)cell * MODEL_CELL_SIZE, MODEL_CELL_SIZE, segs, &n);
	u64 value;

	if (ret < 0)
		return ret;
	for (u32 i = 0; i < n; i++) {
		mix_host_copy(x, &segs[i], bytes + at);
		at += segs[i].len;
		frame_unpin(x, frame_of(x, segs[i].frame));
	}
	*size = at;
	if (at == MODEL_CELL_SIZE) {
		memcpy(&value, bytes, 8);
		*got = (u32)value;
		memcpy(&value, bytes + MODEL_CELL_SIZE - 8, 8);
		*last = (u32)value;
	}
	return 0;
}

static void do_op(struct worker *w, struct op *op)
{
	static const struct fs_name up = {"..", 2}, key = {"user.k", 6};
	struct fs_name name = name_of(op->name), other = name_of(op->other_name);
	struct fs_setattr set = {.valid = FS_SET_MODE, .mode = op->value};
	struct exec *x = w->x;
	struct fs_attr attr;
	u64 copied;
	u32 last;

	switch (op->kind) {
	case OP_MKNOD:
		op->ret = fs_mknod(x, op->node, name, 0100644, 0, false, &attr);
		put_attr(op, &attr);
		break;
	case OP_MKDIR:
		op->ret = fs_mkdir(x, op->node, name, 0755, &attr);
		put_attr(op, &attr);
		break;
	case OP_SYMLINK:
		op->ret = fs_symlink(x, op->node, name, other, &attr);
		put_attr(op, &attr);
		break;
	case OP_TMPFILE:
		op->ret = fs_tmpfile(x, op->node, 0644, &attr);
		put_attr(op, &attr);
		break;
	case OP_LINK:
		op->ret = fs_link(x, op->node, op->other, name, &attr);
		break;
	case OP_UNLINK:
		op->ret = fs_unlink(x, op->node, name);
		break;
	case OP_RMDIR:
		op->ret = fs_rmdir(x, op->node, name);
		break;
	case OP_RENAME:
		op->ret = fs_rename(x, op->node, name, op->other, other, op->flags);
		break;
	case OP_LOOKUP:
		op->ret = fs_lookup(x, op->node, name, &attr);
		put_attr(op, &attr);
		break;
	case OP_PARENT:
		op->ret = fs_lookup(x, op->node, up, &attr);
		put_attr(op, &attr);
		break;
	case OP_GETATTR:
		op->ret = fs_getattr(x, op->node, &attr);
		put_attr(op, &attr);
		break;
	case OP_CHMOD:
		op->ret = fs_setattr(x, op->node, &set, &attr);
		put_attr(op, &attr);
		break;
	case OP_READDIR:
		op->ret = fs_readdir(x, op->node, 0, false, list_one, op);
		break;
	case OP_OPEN:
		op->ret = fs_open(x, op->node, op->flags, &attr);
		put_attr(op, &attr);
		break;
	case OP_RELEASE:
		op->ret = fs_release(x, op->node);
		break;
	case OP_APPEND:
	case OP_WRITE:
		do_write(x, op);
		break;
	case OP_READ:
		op->ret = read_cell(x, op->node, op->cell, &op->got, &op->size, &last);
		break;
	case OP_TRUNCATE:
		set = (struct fs_setattr){.valid = FS_SET_SIZE,
					  .size = (u64)op->cell * MODEL_CELL_SIZE};
		op->ret = fs_setattr(x, op->node, &set, &attr);
		put_attr(op, &attr);
		break;
	case OP_COPY:
		op->ret = fs_copy_range(x, op->node, (u64)op->cell * MODEL_CELL_SIZE, op->other,
					(u64)op->value * MODEL_CELL_SIZE, MODEL_CELL_SIZE, &copied);
		op->size = (u32)copied;
		break;
	case OP_SETXATTR:
		op->ret = fs_setxattr(x, op->node, key, &op->value, 4, 0);
		break;
	case OP_GETXATTR:
		op->ret = fs_getxattr(x, op->node, key, &op->got, 4);
		if (op->ret == 4)
			op->ret = 0;
		break;
	case OP_REMOVEXATTR:
		op->ret = fs_removexattr(x, op->node, key);
		break;
	}
}

/* A file of which one more is open, or one less: what no answer names is not asked for. */
static bool opens_ok(struct worker *w, struct op *op, u32 *place)
{
	*place = 0;
	while (*place < OPENS && (op->kind == OP_RELEASE) != (w->open[*place] != 0))
		++*place;
	if (*place == OPENS)
		return false;
	if (op->kind == OP_RELEASE)
		op->node = w->open[*place];
	return true;
}

static void one_op(struct worker *w, struct op *op)
{
	bool opens;
	u32 place = 0;

	do {
		choose(w, op);
		opens = op->kind == OP_OPEN || op->kind == OP_TMPFILE || op->kind == OP_RELEASE;
	} while (opens && !opens_ok(w, op, &place));
	op->invoked = tick(w->g);
	do_op(w, op);
	op->returned = tick(w->g);
	if (opens && !op->ret)
		w->open[place] = op->kind == OP_RELEASE   ? 0
				 : op->kind == OP_TMPFILE ? op->found
							  : op->node;
	if (op->ret || !op->found)
		return;
	if (op->kind == OP_MKDIR)
		w->dirs[w->ndirs++] = op->found;
	else if (op->kind == OP_MKNOD || op->kind == OP_TMPFILE)
		w->others[w->nothers++] = op->found;
}

void gen_work(struct generator *g, struct exec *x, u32 number)
{
	struct worker w = {.g = g, .x = x, .number = number, .seed = g->seed * 31 + number};

#ifdef MPDISK_DEBUG
	x->jitter = w.seed | 1;
#endif
	for (;;) {
		meet(g);
		if (g->stop)
			break;
		w.scene = g->scene == SCENE_CLEAR ? &clearing : &scenes[g->scene];
		w.ndirs = 0;
		w.nothers = 0;
		g->nops[number] = 0;
		while (g->nops[number] < g->per) {
			/* an executor with nothing to close has less to do */
			if (w.scene == &clearing && !w.open[0] && !w.open[1] && !w.open[2] &&
			    !rnd(&w, 4))
				break;
			one_op(&w, &g->ops[number][g->nops[number]]);
			g->nops[number]++;
		}
		meet(g);
	}
	for (u32 i = 0; i < OPENS; i++)
		if (w.open[i])
			CHECK_OK(fs_release(x, w.open[i]));
	meet(g);
}

/* ---- checking */
void gen_init(struct generator *g, u32 executors, u32 seed)
{
	memset(g, 0, sizeof(*g));
	g->executors = executors;
	g->seed = seed;
	CHECK(executors <= GEN_EXECUTORS);
}

/* What the filesystem is now, seen by one who is alone. */
static void look_at(struct exec *x, struct model *seen, struct model_node *n)
{
	static const struct fs_name key = {"user.k", 6};
	struct fs_attr attr;
	u32 value = 0, got = 0, last = 0, size = 0;

	CHECK_OK(fs_getattr(x, n->id, &attr));
	n->type = (u8)(attr.mode >> 12);
	n->mode = attr.mode & 07777;
	n->nlink = (u16)attr.nlink;
	if (fs_getxattr(x, n->id, key, &value, 4) == 4)
		n->xattr = (u16)value;
	memset(n->entry, NONE, sizeof(n->entry));
	if (n->type == 8) {
		CHECK_EQ(attr.size % MODEL_CELL_SIZE, 0);
		n->size = (u8)(attr.size / MODEL_CELL_SIZE);
		for (u32 i = 0; i < n->size; i++) {
			CHECK_OK(read_cell(x, n->id, i, &got, &size, &last));
			CHECK_EQ(size, MODEL_CELL_SIZE);
			if (got != last)
				test_fail(__FILE__, __LINE__, "a torn write: %u and %u", got, last);
			n->cell[i] = (u16)got;
		}
	}
	for (u32 i = 0; i < MODEL_NAMES && n->type == 4; i++) {
		u32 index;

		if (fs_lookup(x, n->id, name_of(i), &attr))
			continue;
		index = model_find(seen, attr.node);
		if (index == NONE)
			index = model_find(seen, 0);
		CHECK(index != NONE);
		seen->node[index].id = attr.node;
		if (attr.mode >> 12 == 4)
			seen->node[index].parent = (u8)(n - seen->node);
		n->entry[i] = (u8)index;
	}
}

/* What has no name: it is still there if it answers. */
static void look_for(struct exec *x, node_t id, struct model *seen)
{
	struct fs_attr attr;
	u32 index;
	int err;

	if (!id || model_find(seen, id) != NONE)
		return;
	err = fs_getattr(x, id, &attr);
	if (err == -MP_ESTALE)
		return;
	CHECK_OK(err);
	index = model_find(seen, 0);
	CHECK(index != NONE);
	seen->node[index].id = id;
	look_at(x, seen, &seen->node[index]);
}

static void look(struct exec *x, const struct model *m, const struct op *ops, u32 n,
		 struct model *seen)
{
	memset(seen, 0, sizeof(*seen));
	seen->node[0].id = m->node[0].id;
	/* what is found is put behind: each is looked at after who names it */
	for (u32 i = 0; i < MODEL_NODES && seen->node[i].id; i++)
		look_at(x, seen, &seen->node[i]);
	for (u32 i = 0; i < MODEL_NODES; i++)
		look_for(x, m->node[i].id, seen);
	for (u32 i = 0; i < n; i++)
		look_for(x, ops[i].ret ? 0 : ops[i].found, seen);
}

static bool same_node(const struct model *m, const struct model_node *a, const struct model *seen,
		      const struct model_node *b)
{
	if (a->type != b->type || a->nlink != b->nlink || a->mode != b->mode ||
	    a->xattr != b->xattr || a->size != b->size ||
	    memcmp(a->cell, b->cell, a->size * sizeof(a->cell[0])))
		return false;
	for (u32 i = 0; i < MODEL_NAMES && a->type == 4; i++) {
		if ((a->entry[i] == NONE) != (b->entry[i] == NONE))
			return false;
		if (a->entry[i] != NONE && m->node[a->entry[i]].id != seen->node[b->entry[i]].id)
			return false;
	}
	return true;
}

static bool fits(const struct model *m, void *arg)
{
	const struct model *seen = arg;

	for (u32 i = 0; i < MODEL_NODES; i++) {
		const struct model_node *n = &m->node[i];
		u32 at = n->id ? model_find(seen, n->id) : NONE;

		/* without a name it is there as long as it is open, and not longer */
		if (!n->id || (!n->nlink && !n->opens && at == NONE))
			continue;
		if (at == NONE || (!n->nlink && !n->opens) ||
		    !same_node(m, n, seen, &seen->node[at]))
			return false;
	}
	return true;
}

/* A read that overlaps with what may cut its file (OP_READ in model.c). */
static void mark_cuts(struct op *ops, u32 n)
{
	for (u32 i = 0; i < n; i++)
		for (u32 k = 0; k < n && ops[i].kind == OP_READ; k++)
			if ((ops[k].kind == OP_TRUNCATE ||
			     (ops[k].kind == OP_OPEN && ops[k].flags)) &&
			    ops[k].node == ops[i].node && ops[k].invoked < ops[i].returned &&
			    ops[k].returned > ops[i].invoked)
				ops[i].flags = 1;
}

static void fail_window(struct generator *g, const struct op *ops, u32 n, const char *what)
{
	char line[400];

	fprintf(stderr, "window %u, scene %u, seed %u:\n", g->window, g->scene, g->seed);
	for (u32 i = 0; i < n; i++) {
		op_print(&ops[i], line, sizeof(line));
		fprintf(stderr, "  %s\n", line);
	}
	test_fail(__FILE__, __LINE__, "window %u, scene %u: %s", g->window, g->scene, what);
}

static void check_window(struct generator *g, struct exec *x, struct model *m)
{
	struct op ops[MODEL_OPS];
	struct model seen;
	u32 n = 0;
	int found;

	for (u32 i = 0; i < g->executors; i++)
		for (u32 k = 0; k < g->nops[i]; k++) {
			ops[n++] = g->ops[i][k];
			g->answers[g->ops[i][k].kind][g->ops[i][k].ret != 0]++;
		}
	mark_cuts(ops, n);
	look(x, m, ops, n, &seen);
	found = linearize(m, ops, n, fits, &seen, &g->tried);
	if (found != 1)
		fail_window(g, ops, n,
			    found ? "too much to try" : "no order explains what was answered");
	model_compact(m);
	g->total += n;
}

static void next_window(struct generator *g, const struct model *m, u32 *seed)
{
	u32 count = 0, k;

	*seed = *seed * 1664525u + 1013904223u;
	g->window++;
	g->ndirs = 0;
	g->nothers = 0;
	for (u32 i = 0; i < MODEL_NODES; i++) {
		count += m->node[i].id != 0;
		if (m->node[i].id && m->node[i].type == 4)
			g->dirs[g->ndirs++] = m->node[i].id;
		else if (m->node[i].id)
			g->others[g->nothers++] = m->node[i].id;
	}
	/* the root stays the first, the others take turns */
	for (u32 i = 1; i < g->ndirs; i++) {
		node_t other = g->dirs[i];

		k = 1 + (*seed >> 8) % (g->ndirs - 1);
		g->dirs[i] = g->dirs[k];
		g->dirs[k] = other;
	}
	g->scene = count > CROWD ? SCENE_CLEAR : g->nothers ? (*seed >> 12) % SCENES : 0;
	g->per = min_of(MODEL_OPS / g->executors, GEN_PER);
	if (count > CROWD && g->nothers > CROWD)
		g->nothers = CROWD;
}

/* Nobody is at work. */
static void shorten_files(struct exec *x, struct model *m)
{
	const struct fs_setattr set = {.valid = FS_SET_SIZE};
	struct fs_attr attr;

	for (u32 i = 0; i < MODEL_NODES; i++) {
		struct model_node *n = &m->node[i];

		if (!n->id || n->type != 8 || n->size + MODEL_OPS <= MODEL_CELLS)
			continue;
		CHECK_OK(fs_setattr(x, n->id, &set, &attr));
		n->size = 0;
		memset(n->cell, 0, sizeof(n->cell));
	}
}

/* Beside the window: what it needs is given to other inodes, names and pages all the time. */
static void churn(struct exec *x, node_t dir, u32 *seed)
{
	u32 n = (*seed >> 16) % 60;

	for (u32 i = 0; i < n; i++) {
		struct fs_attr attr;
		char name[80];

		*seed = *seed * 1664525u + 1013904223u;
		snprintf(name, sizeof(name), "%u", (*seed >> 8) % CHURN);
		CHECK_OK(fs_lookup(x, dir, (struct fs_name){name, (u32)strlen(name)}, &attr));
	}
}

static node_t make_churn(struct exec *x)
{
	static const struct fs_name name = {"churn", 5};
	struct fs_attr attr, file;

	CHECK_OK(fs_mkdir(x, FS_ROOT, name, 0755, &attr));
	for (u32 i = 0; i < CHURN; i++) {
		char n[16];

		snprintf(n, sizeof(n), "%u", i);
		CHECK_OK(fs_mknod(x, attr.node, (struct fs_name){n, (u32)strlen(n)}, 0100600, 0,
				  false, &file));
	}
	return attr.node;
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

void gen_run(struct generator *g, struct exec *x, u32 seconds)
{
	const char *times = getenv("MPDISK_TIMES");
	double end = now() + seconds * (times ? atof(times) : 1.0);
	static const struct fs_name name = {"generator", 9};
	u32 seed = g->seed, churn_seed = seed;
	node_t others = make_churn(x);
	struct fs_attr attr;
	struct model m;

	CHECK_OK(fs_mkdir(x, FS_ROOT, name, 0755, &attr));
	model_init(&m, attr.node);
	while (now() < end) {
		shorten_files(x, &m);
		next_window(g, &m, &seed);
		meet(g);
		churn(x, others, &churn_seed);
		meet(g);
		check_window(g, x, &m);
	}
	g->stop = 1;
	meet(g);
	meet(g);
	fprintf(stderr,
		"%u windows, %llu operations, %llu steps of the model; worked/failed:", g->window,
		(unsigned long long)g->total, (unsigned long long)g->tried);
	for (u32 k = 0; k < OP_KINDS; k++)
		fprintf(stderr, " %llu/%llu", (unsigned long long)g->answers[k][0],
			(unsigned long long)g->answers[k][1]);
	fprintf(stderr, "\n");
}
