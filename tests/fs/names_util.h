/* SPDX-License-Identifier: BSD-2-Clause */
/* Short forms of the operations on names, for tests. */
#ifndef MPDISK_TEST_NAMES_UTIL_H
#define MPDISK_TEST_NAMES_UTIL_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "format/ext4.h"
#include "tests/fs/fixture.h"

#define REG 0x8000u
#define PATH "PATH=$PATH:/sbin:/usr/sbin "

static inline struct fs_name nm(const char *s)
{
	struct fs_name name = {s, (u32)strlen(s)};

	return name;
}

/* The node that a name names; 0 if there is none, anything else that goes wrong fails. */
static inline node_t look(struct exec *x, node_t dir, const char *name)
{
	struct fs_attr attr;
	int err = fs_lookup(x, dir, nm(name), &attr);

	if (err == -MP_ENOENT)
		return 0;
	CHECK_OK(err);
	return attr.node;
}

static inline node_t mk(struct exec *x, node_t dir, const char *name)
{
	struct fs_attr attr;

	CHECK_OK(fs_mknod(x, dir, nm(name), REG | 0644, 0, false, &attr));
	return attr.node;
}

static inline node_t mkd(struct exec *x, node_t dir, const char *name)
{
	struct fs_attr attr;

	CHECK_OK(fs_mkdir(x, dir, nm(name), 0755, &attr));
	return attr.node;
}

static inline struct fs_attr stat_of(struct exec *x, node_t node)
{
	struct fs_attr attr;

	CHECK_OK(fs_getattr(x, node, &attr));
	return attr;
}

static inline int mv(struct exec *x, node_t d1, const char *n1, node_t d2, const char *n2,
		     u32 flags)
{
	return fs_rename(x, d1, nm(n1), d2, nm(n2), flags);
}

/* A whole directory, listed `step` entries at a time. */
struct listed {
	char name[256];
	u32 ino;
	u32 type;
	u64 next;
	bool has_attr;
	struct fs_attr attr;
};
struct listing {
	struct listed *e;
	u32 n, room, step, given;
};

static inline bool listing_fill(void *arg, const struct fs_dirent *entry)
{
	struct listing *l = arg;
	struct listed *e;

	if (l->given == l->step)
		return false;
	if (l->n == l->room) {
		l->room = l->room ? 2 * l->room : 64;
		l->e = realloc(l->e, l->room * sizeof(*l->e));
		CHECK(l->e);
	}
	e = &l->e[l->n++];
	l->given++;
	CHECK(entry->name.len <= 255);
	memcpy(e->name, entry->name.s, entry->name.len);
	e->name[entry->name.len] = 0;
	e->ino = entry->ino;
	e->type = entry->type;
	e->next = entry->next;
	e->has_attr = entry->attr;
	if (entry->attr)
		e->attr = *entry->attr;
	return true;
}

static inline struct listing list_dir(struct exec *x, node_t dir, u32 step, bool want_attr)
{
	struct listing l = {.step = step};
	u64 pos = 0;

	do {
		l.given = 0;
		CHECK_OK(fs_readdir(x, dir, pos, want_attr, listing_fill, &l));
		if (l.given)
			pos = l.e[l.n - 1].next;
	} while (l.given);
	return l;
}

static inline struct listed *listed_find(const struct listing *l, const char *name)
{
	for (u32 i = 0; i < l->n; i++)
		if (!strcmp(l->e[i].name, name))
			return &l->e[i];
	return NULL;
}

static inline u32 rnd(u32 *state)
{
	*state = *state * 1664525u + 1013904223u;
	return *state >> 8;
}

/* Runs a command that must succeed. */
static inline void shell(const char *command)
{
	char out[2000];
	int status = fixture_run(out, sizeof(out), command);

	if (status)
		test_fail(__FILE__, __LINE__, "%s: %d: %s", command, status, out);
}

#endif
