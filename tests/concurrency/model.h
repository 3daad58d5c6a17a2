/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a filesystem may answer: a sequential model, and the question whether answers that several
 * executors got at once are those of some order of their operations (linearizable).
 *
 * Files are arrays of cells. Nodes are known by the node ids that the filesystem gave out. Where
 * several errors apply, each of them is right.
 */
#ifndef MPDISK_TEST_MODEL_H
#define MPDISK_TEST_MODEL_H

#include "fs/fs.h"

#define MODEL_NAMES 4u
#define MODEL_NODES 64u
#define MODEL_CELLS 48u
#define MODEL_OPS 24u         /* in one window */
#define MODEL_CELL_SIZE 6144u /* bytes in the file: a page and a half */
#define NONE 0xFFu

enum op_kind {
	OP_MKNOD,
	OP_MKDIR,
	OP_SYMLINK,
	OP_TMPFILE,
	OP_LINK,
	OP_UNLINK,
	OP_RMDIR,
	OP_RENAME,
	OP_LOOKUP,
	OP_PARENT,
	OP_GETATTR,
	OP_CHMOD,
	OP_READDIR,
	OP_OPEN,
	OP_RELEASE,
	OP_APPEND,
	OP_WRITE,
	OP_READ,
	OP_TRUNCATE,
	OP_COPY,
	OP_SETXATTR,
	OP_GETXATTR,
	OP_REMOVEXATTR,
	OP_KINDS,
};

struct op {
	u32 kind;
	u32 executor;
	/* what was asked for */
	node_t node; /* directory of the name, or the inode */
	node_t other;
	u32 name, other_name;
	u32 flags;
	u32 cell, value;
	/* what was answered */
	int ret;
	node_t found;
	u32 nlink, size, mode;
	u32 got;                 /* value read */
	u32 listed[MODEL_NAMES]; /* inode numbers, 0: not there */
	u64 invoked, returned;   /* of one counter for all */
};

struct model_node {
	node_t id; /* 0: unused */
	u8 type;   /* mode >> 12 */
	u8 gone;   /* was told to be stale */
	u8 parent; /* directories: index */
	u8 size;   /* cells */
	u16 nlink;
	u16 opens;
	u16 mode;
	u16 xattr; /* 0: none */
	u16 cell[MODEL_CELLS];
	u8 entry[MODEL_NAMES]; /* directories: index, or NONE */
};

struct model {
	struct model_node node[MODEL_NODES]; /* 0: the root of the test */
};

void model_init(struct model *m, node_t root);
/* Index of a node, or NONE. */
u32 model_find(const struct model *m, node_t id);
/* Whether the op may have been answered so in this state; then m is the state after it. */
bool model_step(struct model *m, const struct op *op);
/* Forgets nodes that nobody can reach. */
void model_compact(struct model *m);

/* One line about an op and its answer. */
void op_print(const struct op *op, char *line, u32 size);

/* Whether an order of the n ops that keeps to their times explains their answers and leads from *m
 * to a state that fits; *m is that state then. -1: more was to be tried than makes sense. */
int linearize(struct model *m, const struct op *ops, u32 n,
	      bool (*fits)(const struct model *m, void *arg), void *arg, u64 *tried);

#endif
