/* SPDX-License-Identifier: BSD-2-Clause */
/* Every operation on files and names, at random (mix.h). */
#include "tests/concurrency/mix.h"

#include <stdio.h>
#include <string.h>

#include "pool/frame.h"

#define REG 0x8000u
#define NAMES 12u
#define LONGEST 200000u

static u32 rnd(struct mix *m, u32 below)
{
	m->seed = m->seed * 1664525u + 1013904223u;
	return (m->seed >> 8) % below;
}

static struct fs_name name_at(struct mix *m, char *buf, size_t size)
{
	u32 n = rnd(m, NAMES);

	/* some too long for the dentry cache, and together more than a block of entries */
	snprintf(buf, size,
		 n % 3 ? "name%u" : "name%u-and-what-follows-is-longer-than-any-cached-one", n);
	return (struct fs_name){buf, (u32)strlen(buf)};
}

static node_t dir_at(struct mix *m)
{
	return m->dirs[rnd(m, MIX_DIRS)];
}

/* What may come of an operation on what others change meanwhile. */
static bool done(int err)
{
	switch (err) {
	case -MP_ENOENT:
	case -MP_EEXIST:
	case -MP_ENOTDIR:
	case -MP_EISDIR:
	case -MP_ENOTEMPTY:
	case -MP_EINVAL:
	case -MP_ESTALE:
	case -MP_EPERM:
	case -MP_ENXIO:
	case -MP_ENODATA:
	case -MP_ENOSPC:
	case -MP_EOPNOTSUPP:
	case -MP_ENODEV:
		return false;
	}
	if (err < 0)
		test_fail(__FILE__, __LINE__, "error %d", err);
	return true;
}

void mix_make(struct exec *x, node_t *dirs)
{
	/* each below another, but for one */
	static const u32 parent[MIX_DIRS] = {0, 0, 1, 2, 0};
	struct fs_attr attr;
	char name[16];

	dirs[0] = FS_ROOT;
	for (u32 i = 1; i < MIX_DIRS; i++) {
		snprintf(name, sizeof(name), "dir%u", i);
		CHECK_OK(fs_mkdir(x, dirs[parent[i]], (struct fs_name){name, (u32)strlen(name)},
				  0755, &attr));
		dirs[i] = attr.node;
	}
}

/* A node by a name; 0 if there is none. */
static node_t find(struct mix *m)
{
	struct fs_attr attr;
	char buf[80];

	if (!rnd(m, 4))
		return m->open[rnd(m, MIX_OPENS)];
	return done(fs_lookup(m->x, dir_at(m), name_at(m, buf, sizeof(buf)), &attr)) ? attr.node
										     : 0;
}

static void keep_open(struct mix *m, node_t node)
{
	node_t *place = &m->open[rnd(m, MIX_OPENS)];

	if (*place)
		CHECK_OK(fs_release(m->x, *place));
	*place = node;
}

/* ---- names */
static void step_make(struct mix *m)
{
	char buf[80], target[80];
	struct fs_name name = name_at(m, buf, sizeof(buf));
	node_t dir = dir_at(m), node;
	struct fs_attr attr;
	bool open;

	switch (rnd(m, 8)) {
	case 0:
		done(fs_mkdir(m->x, dir, name, 0755, &attr));
		break;
	case 1:
		done(fs_symlink(m->x, dir, name, name_at(m, target, sizeof(target)), &attr));
		break;
	case 2:
		node = find(m);
		if (node)
			done(fs_link(m->x, node, dir, name, &attr));
		break;
	case 3:
		CHECK_OK(fs_tmpfile(m->x, dir, 0600, &attr));
		node = attr.node;
		if (rnd(m, 2))
			done(fs_link(m->x, node, dir, name, &attr));
		keep_open(m, node);
		break;
	default:
		open = rnd(m, 3) == 0;
		if (done(fs_mknod(m->x, dir, name, REG | 0600, 0, open, &attr)) && open)
			keep_open(m, attr.node);
	}
}

static void step_remove(struct mix *m)
{
	char buf[80];
	struct fs_name name = name_at(m, buf, sizeof(buf));

	if (rnd(m, 4))
		done(fs_unlink(m->x, dir_at(m), name));
	else
		done(fs_rmdir(m->x, dir_at(m), name));
}

static void step_rename(struct mix *m)
{
	static const u32 flags[4] = {0, 0, FS_RENAME_NOREPLACE, FS_RENAME_EXCHANGE};
	char from[80], to[80];
	struct fs_name a = name_at(m, from, sizeof(from)), b = name_at(m, to, sizeof(to));

	done(fs_rename(m->x, dir_at(m), a, dir_at(m), b, flags[rnd(m, 4)]));
}

static bool fill(void *arg, const struct fs_dirent *entry)
{
	CHECK(entry->name.len && entry->ino);
	return (*(u32 *)arg)--;
}

static void step_look(struct mix *m)
{
	static const struct fs_name up = {"..", 2};
	u32 room = 1 + rnd(m, 40);
	struct fs_statfs st;
	struct fs_attr attr;
	char buf[4096];
	node_t node;

	switch (rnd(m, 6)) {
	case 0:
		done(fs_readdir(m->x, dir_at(m), 0, rnd(m, 2), fill, &room));
		break;
	case 1:
		CHECK_OK(fs_lookup(m->x, dir_at(m), up, &attr));
		break;
	case 2:
		node = find(m);
		if (node)
			done(fs_readlink(m->x, node, buf, sizeof(buf)));
		break;
	case 3:
		CHECK_OK(fs_statfs(m->x, &st));
		break;
	default:
		node = find(m);
		if (node)
			done(fs_getattr(m->x, node, &attr));
	}
}

/* ---- inodes */
static void step_attributes(struct mix *m)
{
	struct fs_setattr set = {.mode = 0600 | rnd(m, 0200), .size = rnd(m, LONGEST)};
	static const u32 what[4] = {FS_SET_MODE, FS_SET_SIZE, FS_SET_SIZE,
				    FS_SET_ATIME_NOW | FS_SET_MTIME_NOW};
	node_t node = find(m);
	struct fs_attr attr;

	if (!node)
		return;
	set.valid = what[rnd(m, 4)];
	done(fs_setattr(m->x, node, &set, &attr));
}

static void step_open(struct mix *m)
{
	struct fs_attr attr;
	node_t node = find(m);

	if (node && done(fs_open(m->x, node, rnd(m, 4) == 0, &attr)))
		keep_open(m, node);
}

static void step_xattr(struct mix *m)
{
	static const char *const names[3] = {"user.a", "user.b", "trusted.c"};
	struct fs_name name = {names[rnd(m, 3)], 0};
	node_t node = find(m);
	u8 value[600];

	if (!node)
		return;
	name.len = (u32)strlen(name.s);
	switch (rnd(m, 4)) {
	case 0:
		memset(value, (int)m->seed, sizeof(value));
		done(fs_setxattr(m->x, node, name, value, rnd(m, 2) ? 8 : 500, 0));
		break;
	case 1:
		done(fs_getxattr(m->x, node, name, value, sizeof(value)));
		break;
	case 2:
		done(fs_listxattr(m->x, node, value, sizeof(value)));
		break;
	case 3:
		done(fs_removexattr(m->x, node, name));
		break;
	}
}

/* ---- data */
static void fill_frames(struct mix *m, u64 pos, u32 len, struct fs_seg *segs, u32 *nsegs)
{
	u32 off = (u32)pos & 4095u;

	for (*nsegs = 0; len; off = 0) {
		u32 part = min_of(4096 - off, len);
		struct frame *f;

		CHECK_OK(frame_alloc(m->x, &f));
		memset(frame_data(m->x, f), (int)m->seed, 4096);
		segs[(*nsegs)++] = (struct fs_seg){frame_no(m->x, f), (u16)off, (u16)part};
		len -= part;
	}
}

static void step_write(struct mix *m)
{
	struct fs_seg segs[FS_IO_SEGS];
	u64 pos = rnd(m, LONGEST);
	u32 flags = rnd(m, 3) ? 0 : FS_WRITE_APPEND, nsegs;
	node_t node = find(m);

	if (!node)
		return;
	if (rnd(m, 2))
		pos &= ~(u64)4095;
	fill_frames(m, pos, rnd(m, 2) ? 4096 : 1 + rnd(m, 20000), segs, &nsegs);
	done(fs_write(m->x, node, &pos, flags, segs, nsegs));
	while (nsegs)
		frame_unpin(m->x, frame_of(m->x, segs[--nsegs].frame));
}

/* Reads what others may be writing: what a host sees then is one or the other, byte by byte. */
__attribute__((no_sanitize("thread"))) void mix_host_copy(struct exec *x, const struct fs_seg *seg,
							  u8 *to)
{
	const volatile u8 *from = (u8 *)frame_data(x, frame_of(x, seg->frame)) + seg->offset;

	for (u32 i = 0; i < seg->len; i++)
		to[i] = from[i];
}

static void step_read(struct mix *m)
{
	struct fs_seg segs[FS_IO_SEGS];
	node_t node = find(m);
	u32 nsegs, sum = 0;
	u8 page[4096];
	int n;

	if (!node)
		return;
	n = fs_read(m->x, node, rnd(m, LONGEST), 1 + rnd(m, 60000), segs, &nsegs);
	if (!done(n))
		return;
	for (u32 i = 0; i < nsegs; i++) {
		mix_host_copy(m->x, &segs[i], page);
		sum += segs[i].len;
		frame_unpin(m->x, frame_of(m->x, segs[i].frame));
	}
	CHECK_EQ(sum, n);
}

static void step_space(struct mix *m)
{
	static const u32 modes[5] = {0, FS_FALLOC_KEEP_SIZE, FS_FALLOC_ZERO_RANGE,
				     FS_FALLOC_PUNCH_HOLE | FS_FALLOC_KEEP_SIZE,
				     FS_FALLOC_ZERO_RANGE | FS_FALLOC_KEEP_SIZE};
	node_t node = find(m), other = find(m);
	u64 pos;

	if (!node)
		return;
	switch (rnd(m, 4)) {
	case 0:
	case 1:
		done(fs_fallocate(m->x, node, modes[rnd(m, 5)], rnd(m, LONGEST),
				  1 + rnd(m, 60000)));
		break;
	case 2:
		done(fs_lseek(m->x, node, rnd(m, LONGEST), rnd(m, 2) ? FS_SEEK_DATA : FS_SEEK_HOLE,
			      &pos));
		break;
	case 3:
		if (other)
			done(fs_copy_range(m->x, node, rnd(m, LONGEST), other, rnd(m, LONGEST),
					   1 + rnd(m, 60000), &pos));
		break;
	}
}

static void step_sync(struct mix *m)
{
	node_t node = find(m);

	switch (rnd(m, 8)) {
	case 0:
		CHECK_OK(fs_sync(m->x));
		break;
	case 1:
		CHECK(cache_writeback(m->x, 1 + rnd(m, 100)) >= 0);
		break;
	case 2:
		if (node)
			done(fs_fsync(m->x, node, rnd(m, 2)));
		break;
	}
}

void mix_step(struct mix *m)
{
	static void (*const steps[])(struct mix *) = {
		step_make,  step_make, step_make, step_remove,     step_remove, step_rename,
		step_look,  step_look, step_open, step_attributes, step_xattr,  step_write,
		step_write, step_read, step_read, step_space,      step_sync,
	};

	steps[rnd(m, (u32)array_size(steps))](m);
	m->steps++;
}

void mix_end(struct mix *m)
{
	for (u32 i = 0; i < MIX_OPENS; i++)
		if (m->open[i])
			CHECK_OK(fs_release(m->x, m->open[i]));
}
