/* SPDX-License-Identifier: BSD-2-Clause */
/* The sequential model (model.h). */
#include "tests/concurrency/model.h"

#include <stdio.h>
#include <string.h>

#include "platform/errno.h"

#define DIR 4u
#define REG 8u
#define LNK 10u

void model_init(struct model *m, node_t root)
{
	memset(m, 0, sizeof(*m));
	m->node[0] = (struct model_node){.id = root, .type = DIR, .nlink = 2, .mode = 0755};
	memset(m->node[0].entry, NONE, sizeof(m->node[0].entry));
}

u32 model_find(const struct model *m, node_t id)
{
	for (u32 i = 0; i < MODEL_NODES; i++)
		if (m->node[i].id == id)
			return i;
	return NONE;
}

static struct model_node *node_of(struct model *m, node_t id)
{
	u32 i = model_find(m, id);

	return i == NONE ? NULL : &m->node[i];
}

static bool alive(const struct model_node *n)
{
	return n && !n->gone && (n->nlink || n->opens);
}

/* An answer that says so of a node that nobody needs any more, which may be gone or not yet. */
static bool is_stale(struct model_node *n, int ret)
{
	if (ret != -MP_ESTALE && ret != -MP_ENOENT)
		return false;
	if (alive(n))
		return false;
	if (n && ret == -MP_ESTALE)
		n->gone = 1;
	return true;
}

/* A directory in which names can be looked for. */
static bool dir_ok(const struct model_node *d)
{
	return d && d->type == DIR && d->nlink;
}

static bool dir_error(struct model_node *d, int ret)
{
	/* what it is can be told of what is gone, too */
	if (d && d->type != DIR)
		return ret == -MP_ENOTDIR || (!alive(d) && is_stale(d, ret));
	return !dir_ok(d) && (ret == -MP_ENOENT || ret == -MP_ESTALE);
}

static struct model_node *entry_of(struct model *m, const struct model_node *d, u32 name)
{
	return d->entry[name] == NONE ? NULL : &m->node[d->entry[name]];
}

static struct model_node *add_node(struct model *m, node_t id, u32 type)
{
	if (!id || model_find(m, id) != NONE)
		return NULL; /* a node id that has been given out before */
	for (u32 i = 0; i < MODEL_NODES; i++) {
		struct model_node *n = &m->node[i];

		if (n->id)
			continue;
		memset(n, 0, sizeof(*n));
		n->id = id;
		n->type = (u8)type;
		n->nlink = type == DIR ? 2 : 1;
		n->mode = type == DIR ? 0755 : type == LNK ? 0777 : 0644;
		memset(n->entry, NONE, sizeof(n->entry));
		return n;
	}
	return NULL;
}

static u8 index_of(const struct model *m, const struct model_node *n)
{
	return (u8)(n - m->node);
}

/* Whether b is a or lies below it. */
static bool below(const struct model *m, const struct model_node *a, const struct model_node *b)
{
	for (u32 depth = 0; depth < MODEL_NODES; depth++) {
		if (a == b)
			return true;
		if (b == m->node)
			return false;
		b = &m->node[b->parent];
	}
	return true;
}

static bool empty(const struct model_node *d)
{
	for (u32 i = 0; i < MODEL_NAMES; i++)
		if (d->entry[i] != NONE)
			return false;
	return true;
}

/* ---- names */
static bool step_make(struct model *m, const struct op *op, u32 type)
{
	struct model_node *d = node_of(m, op->node), *n;

	if (!dir_ok(d))
		return dir_error(d, op->ret);
	if (d->entry[op->name] != NONE)
		return op->ret == -MP_EEXIST;
	if (op->ret)
		return false;
	n = add_node(m, op->found, type);
	if (!n)
		return false;
	d->entry[op->name] = index_of(m, n);
	if (type == DIR) {
		n->parent = index_of(m, d);
		d->nlink++;
	}
	return true;
}

static bool step_tmpfile(struct model *m, const struct op *op)
{
	struct model_node *d = node_of(m, op->node), *n;

	if (!dir_ok(d))
		return dir_error(d, op->ret);
	if (op->ret)
		return false;
	n = add_node(m, op->found, REG);
	if (!n)
		return false;
	n->nlink = 0;
	n->opens = 1;
	return true;
}

static bool step_link(struct model *m, const struct op *op)
{
	struct model_node *d = node_of(m, op->other), *n = node_of(m, op->node);
	bool wrong = false;

	if (!dir_ok(d)) {
		wrong = true;
		if (dir_error(d, op->ret))
			return true;
	} else if (d->entry[op->name] != NONE) {
		wrong = true;
		if (op->ret == -MP_EEXIST)
			return true;
	}
	/* whether a directory is still there is not looked at */
	if (n && n->type == DIR && op->ret == -MP_EPERM)
		return true;
	if (!alive(n))
		return is_stale(n, op->ret);
	if (n->type == DIR)
		return false;
	if (wrong || op->ret)
		return false;
	n->nlink++;
	d->entry[op->name] = index_of(m, n);
	return true;
}

static bool step_unlink(struct model *m, const struct op *op)
{
	struct model_node *d = node_of(m, op->node), *n;

	if (!dir_ok(d))
		return dir_error(d, op->ret);
	n = entry_of(m, d, op->name);
	if (!n)
		return op->ret == -MP_ENOENT;
	if (n->type == DIR)
		return op->ret == -MP_EISDIR;
	if (op->ret)
		return false;
	n->nlink--;
	d->entry[op->name] = NONE;
	return true;
}

static bool step_rmdir(struct model *m, const struct op *op)
{
	struct model_node *d = node_of(m, op->node), *n;

	if (!dir_ok(d))
		return dir_error(d, op->ret);
	n = entry_of(m, d, op->name);
	if (!n)
		return op->ret == -MP_ENOENT;
	if (n->type != DIR)
		return op->ret == -MP_ENOTDIR;
	if (!empty(n))
		return op->ret == -MP_ENOTEMPTY;
	if (op->ret)
		return false;
	n->nlink = 0;
	d->nlink--;
	d->entry[op->name] = NONE;
	return true;
}

/* One of the errors that apply. Returns whether any does; *ok: it is the answer. */
static bool rename_errors(struct model *m, const struct op *op, struct model_node *from,
			  struct model_node *to, bool *ok)
{
	struct model_node *src, *dst;
	bool exchange = op->flags & FS_RENAME_EXCHANGE, any = false;

#define APPLIES(cond, error)                                                                       \
	do {                                                                                       \
		if (cond) {                                                                        \
			any = true;                                                                \
			*ok |= op->ret == -(error);                                                \
		}                                                                                  \
	} while (0)
	*ok = false;
	if (!dir_ok(from) || !dir_ok(to)) {
		*ok = dir_error(from, op->ret) || dir_error(to, op->ret);
		return true;
	}
	src = entry_of(m, from, op->name);
	dst = entry_of(m, to, op->other_name);
	APPLIES(!src, MP_ENOENT);
	APPLIES(exchange && !dst, MP_ENOENT);
	APPLIES(op->flags & FS_RENAME_NOREPLACE && dst, MP_EEXIST);
	APPLIES(src && src->type == DIR && below(m, src, to), MP_EINVAL);
	if (!dst || src == dst)
		return any;
	if (exchange) {
		APPLIES(dst->type == DIR && below(m, dst, from), MP_EINVAL);
		return any;
	}
	APPLIES(dst->type == DIR && !empty(dst), MP_ENOTEMPTY);
	APPLIES(src && src->type == DIR && dst->type != DIR, MP_ENOTDIR);
	APPLIES(src && src->type != DIR && dst->type == DIR, MP_EISDIR);
#undef APPLIES
	return any;
}

static void move_dir(struct model *m, struct model_node *n, struct model_node *from,
		     struct model_node *to)
{
	if (n->type != DIR)
		return;
	from->nlink--;
	to->nlink++;
	n->parent = index_of(m, to);
}

static bool step_rename(struct model *m, const struct op *op)
{
	struct model_node *from = node_of(m, op->node), *to = node_of(m, op->other), *src, *dst;
	bool ok;

	if (rename_errors(m, op, from, to, &ok))
		return ok;
	if (op->ret)
		return false;
	src = entry_of(m, from, op->name);
	dst = entry_of(m, to, op->other_name);
	if (src == dst)
		return true;
	move_dir(m, src, from, to);
	to->entry[op->other_name] = index_of(m, src);
	if (op->flags & FS_RENAME_EXCHANGE) {
		move_dir(m, dst, to, from);
		from->entry[op->name] = index_of(m, dst);
		return true;
	}
	from->entry[op->name] = NONE;
	if (dst && dst->type == DIR) {
		dst->nlink = 0;
		to->nlink--;
	} else if (dst) {
		dst->nlink--;
	}
	return true;
}

static bool attr_ok(const struct model_node *n, const struct op *op)
{
	if (op->nlink != n->nlink || (op->mode & 07777) != n->mode || op->mode >> 12 != n->type)
		return false;
	return n->type != REG || op->size == n->size * MODEL_CELL_SIZE;
}

static bool step_lookup(struct model *m, const struct op *op)
{
	struct model_node *d = node_of(m, op->node), *n;

	if (!dir_ok(d))
		return dir_error(d, op->ret);
	n = entry_of(m, d, op->name);
	if (!n)
		return op->ret == -MP_ENOENT;
	return !op->ret && op->found == n->id && attr_ok(n, op);
}

/* The node is found first, its attributes are read later: they are not checked here. */
static bool step_parent(struct model *m, const struct op *op)
{
	struct model_node *d = node_of(m, op->node);

	if (!dir_ok(d))
		return dir_error(d, op->ret);
	if (d == m->node)
		return !op->ret;
	/* the parent may be removed between the two steps: it is empty once d has moved away */
	return op->ret ? op->ret == -MP_ESTALE : op->found == m->node[d->parent].id;
}

static bool step_readdir(struct model *m, const struct op *op)
{
	struct model_node *d = node_of(m, op->node);

	if (!dir_ok(d))
		return dir_error(d, op->ret);
	if (op->ret)
		return false;
	for (u32 i = 0; i < MODEL_NAMES; i++) {
		const struct model_node *n = entry_of(m, d, i);

		if (op->listed[i] != (n ? (u32)n->id : 0))
			return false;
	}
	return true;
}

/* ---- inodes: what is dead may be stale, or still be there for a moment */
static bool step_inode(struct model *m, const struct op *op)
{
	struct model_node *n = node_of(m, op->node);
	bool write = op->kind == OP_APPEND || op->kind == OP_WRITE || op->kind == OP_TRUNCATE ||
		     (op->kind == OP_OPEN && op->flags);

	if (is_stale(n, op->ret))
		return true;
	if (!n || n->gone)
		return false;
	if ((write || op->kind == OP_READ) && n->type != REG)
		return op->ret == (n->type == DIR ? -MP_EISDIR : -MP_EINVAL);
	switch (op->kind) {
	case OP_GETATTR:
		return !op->ret && attr_ok(n, op);
	case OP_CHMOD:
		n->mode = (u16)op->value;
		return !op->ret && attr_ok(n, op);
	case OP_OPEN:
		n->opens++;
		if (op->flags) {
			n->size = 0;
			memset(n->cell, 0, sizeof(n->cell));
		}
		return !op->ret && attr_ok(n, op);
	case OP_RELEASE:
		if (!n->opens || op->ret)
			return false;
		n->opens--;
		return true;
	case OP_SETXATTR:
		n->xattr = (u16)op->value;
		return !op->ret;
	case OP_GETXATTR:
		return n->xattr ? !op->ret && op->got == n->xattr : op->ret == -MP_ENODATA;
	case OP_REMOVEXATTR:
		if (!n->xattr)
			return op->ret == -MP_ENODATA;
		n->xattr = 0;
		return !op->ret;
	case OP_APPEND:
		if (op->ret || op->cell != n->size || n->size == MODEL_CELLS)
			return false;
		n->cell[n->size++] = (u16)op->value;
		return true;
	case OP_WRITE:
		n->cell[op->cell] = (u16)op->value;
		if (n->size <= op->cell)
			n->size = (u8)(op->cell + 1);
		return !op->ret;
	case OP_TRUNCATE:
		for (u32 i = op->cell; i < MODEL_CELLS; i++)
			n->cell[i] = 0;
		n->size = (u8)op->cell;
		return !op->ret && attr_ok(n, op);
	case OP_READ:
		if (op->cell >= n->size)
			return !op->ret && op->size == 0;
		/* flags: it was cut while it was read; what a page loses then is zeros, as it is
		 * under Linux */
		return !op->ret && op->size == MODEL_CELL_SIZE &&
		       (op->got == n->cell[op->cell] || (op->flags && !op->got));
	}
	return false;
}

/* One cell from one file to another place. */
static bool step_copy(struct model *m, const struct op *op)
{
	struct model_node *in = node_of(m, op->node), *out = node_of(m, op->other);

	/* what is wrong with any file is told of those that are gone, too */
	if (op->node == op->other && op->cell == op->value)
		return op->ret == -MP_EINVAL;
	if (op->ret == -MP_EISDIR)
		return (in && in->type == DIR) || (out && out->type == DIR);
	if (is_stale(in, op->ret) || is_stale(out, op->ret))
		return true;
	if (!in || !out || in->gone || out->gone || in->type == DIR || out->type == DIR)
		return false;
	if (in->type != REG)
		return op->ret == -MP_EINVAL;
	if (op->cell >= in->size) /* nothing to copy: the other is not even looked at */
		return !op->ret && op->size == 0;
	if (out->type != REG)
		return op->ret == -MP_EINVAL;
	if (op->ret || op->size != MODEL_CELL_SIZE)
		return false;
	out->cell[op->value] = in->cell[op->cell];
	if (out->size <= op->value)
		out->size = (u8)(op->value + 1);
	return true;
}

bool model_step(struct model *m, const struct op *op)
{
	switch (op->kind) {
	case OP_MKNOD:
		return step_make(m, op, REG);
	case OP_MKDIR:
		return step_make(m, op, DIR);
	case OP_SYMLINK:
		return step_make(m, op, LNK);
	case OP_TMPFILE:
		return step_tmpfile(m, op);
	case OP_LINK:
		return step_link(m, op);
	case OP_UNLINK:
		return step_unlink(m, op);
	case OP_RMDIR:
		return step_rmdir(m, op);
	case OP_RENAME:
		return step_rename(m, op);
	case OP_LOOKUP:
		return step_lookup(m, op);
	case OP_PARENT:
		return step_parent(m, op);
	case OP_READDIR:
		return step_readdir(m, op);
	case OP_COPY:
		return step_copy(m, op);
	default:
		return step_inode(m, op);
	}
}

void model_compact(struct model *m)
{
	for (u32 i = 1; i < MODEL_NODES; i++)
		if (!alive(&m->node[i]))
			memset(&m->node[i], 0, sizeof(m->node[i]));
}

void op_print(const struct op *op, char *line, u32 size)
{
	static const char names[OP_KINDS][12] = {
		"mknod",    "mkdir",  "symlink",  "tmpfile",  "link",    "unlink",
		"rmdir",    "rename", "lookup",   "parent",   "getattr", "chmod",
		"readdir",  "open",   "release",  "append",   "write",   "read",
		"truncate", "copy",   "setxattr", "getxattr", "rmxattr",
	};

	snprintf(
		line, size,
		"[%llu..%llu] executor %u: %s node %llx name %u, other %llx name %u, flags %x cell "
		"%u value %u -> %d: found %llx nlink %u size %u mode %o got %u list %u %u %u %u",
		(unsigned long long)op->invoked, (unsigned long long)op->returned, op->executor,
		names[op->kind], (unsigned long long)op->node, op->name,
		(unsigned long long)op->other, op->other_name, op->flags, op->cell, op->value,
		op->ret, (unsigned long long)op->found, op->nlink, op->size, op->mode, op->got,
		op->listed[0], op->listed[1], op->listed[2], op->listed[3]);
}
