/* SPDX-License-Identifier: BSD-2-Clause */
/* What is done with a filesystem whose bytes may be anything: look at all, change some of it. */
#include <stdio.h>
#include <string.h>

#include "format/ext4.h"
#include "tests/fuzz/world.h"

#define NODES 96u    /* that a walk visits */
#define ENTRIES 600u /* that it sees */
#define ROOT_NAMES 20u
#define POOL_SIZE (6u << 20)
#define FEW_FRAMES 40u

static const char names[ROOT_NAMES][12] = {"linear", "index",   "acl",     "file",      "holes",
					   "attrs",  "shared1", "shared2", "slow",      "fast",
					   "fifo",   "dev",     "hard1",   "unwritten", "mapped",
					   "new0",   "new1",    "new2",    "sub",       "file3"};

static u8 buffer[70000];

static struct fs_name name_of(const char *s)
{
	return (struct fs_name){s, (u32)strlen(s)};
}

static struct fs_name name_at(u32 n)
{
	return name_of(names[n % ROOT_NAMES]);
}

/* ---- looking */
struct walk {
	node_t node[NODES];
	u32 nnodes;
	u32 entries;
	u64 pos;
	u32 same; /* entries since the position last changed */
};

static bool walk_entry(void *arg, const struct fs_dirent *e)
{
	struct walk *w = arg;

	if (!e->name.len || e->name.len > 255)
		world_fail("a name of %u bytes", e->name.len);
	for (u32 i = 0; i < e->name.len; i++)
		if (!e->name.s[i] || e->name.s[i] == '/')
			world_fail("a name that is none");
	if (e->attr && w->nnodes < NODES)
		w->node[w->nnodes++] = e->attr->node;
	w->pos = e->next;
	return ++w->entries < ENTRIES;
}

static void walk_directory(struct exec *x, struct walk *w, node_t dir)
{
	struct fs_attr attr;
	u32 before;

	w->pos = 0;
	do {
		before = w->entries;
		world_check_idle();
	} while (!known(fs_readdir(x, dir, w->pos, true, walk_entry, w)) && w->entries != before &&
		 w->entries < ENTRIES);
	known(fs_lookup(x, dir, name_of("not there"), &attr));
	known(fs_lookup(x, dir, name_of(".."), &attr));
	known(fs_lookup(x, dir, name_of("sub"), &attr));
}

static void read_some(struct exec *x, node_t node, u64 pos, u32 len)
{
	struct fs_seg segs[FS_IO_SEGS];
	u32 n = 0;
	volatile u8 sum = 0;
	int ret = known(fs_read(x, node, pos, len, segs, &n));

	if (ret < 0)
		return;
	for (u32 i = 0; i < n; i++) {
		const u8 *p = frame_data(x, frame_of(x, segs[i].frame));

		if (!segs[i].len || segs[i].offset + segs[i].len > BLOCK_SIZE)
			world_fail("a segment outside of its frame");
		sum = (u8)(sum + p[segs[i].offset] + p[segs[i].offset + segs[i].len - 1]);
		ret -= segs[i].len;
		frame_unpin(x, frame_of(x, segs[i].frame));
	}
	if (ret)
		world_fail("the segments are not what was read");
}

static void walk_attributes(struct exec *x, node_t node)
{
	int len = known(fs_listxattr(x, node, buffer, 4096));
	u8 value[4096];

	if (len > 4096)
		world_fail("a list of %d bytes in 4096", len);
	for (int at = 0, n = 0; at < len && n < 8; n++) {
		struct fs_name name = {(char *)buffer + at,
				       (u32)strnlen((char *)buffer + at, (size_t)(len - at))};

		at += (int)name.len + 1;
		if (at > len)
			world_fail("the list of attributes does not end");
		known(fs_getxattr(x, node, name, value, n & 1 ? 7 : sizeof(value)));
	}
}

static void walk_node(struct exec *x, node_t node, const struct fs_attr *attr)
{
	struct fs_extent extent = {0};
	u64 pos = 0;
	int n;

	world_check_idle();
	walk_attributes(x, node);
	switch (attr->mode & EXT4_S_IFMT) {
	case EXT4_S_IFLNK:
		n = known(fs_readlink(x, node, buffer, 4096));
		if (n > 4096)
			world_fail("a symlink of %d bytes", n);
		break;
	case EXT4_S_IFREG:
		read_some(x, node, 0, 20000);
		if (attr->size)
			read_some(x, node, attr->size - 1, 5000);
		read_some(x, node, (attr->size / 2) & ~4095ull, 4096);
		for (n = 0; n < 4; n++)
			if (known(fs_lseek(x, node, pos, n & 1 ? FS_SEEK_DATA : FS_SEEK_HOLE,
					   &pos)))
				break;
		for (n = 0; n < 8 && !known(fs_extent(x, node, extent.pos + extent.len, &extent));
		     n++)
			if (!extent.len)
				break;
		break;
	}
}

void exercise_walk(struct exec *x)
{
	struct walk w = {.node = {FS_ROOT}, .nnodes = 1};
	struct fs_statfs st;
	struct fs_attr attr;

	known(fs_statfs(x, &st));
	for (u32 i = 0; i < w.nnodes; i++) {
		if (known(fs_getattr(x, w.node[i], &attr)))
			continue;
		if ((attr.mode & EXT4_S_IFMT) == EXT4_S_IFDIR)
			walk_directory(x, &w, w.node[i]);
		if (i < 40 || i % 8 == 0)
			walk_node(x, w.node[i], &attr);
	}
}

/* ---- changing */
static node_t find(struct exec *x, u32 n)
{
	struct fs_attr attr;

	if (n % (ROOT_NAMES + 1) == ROOT_NAMES)
		return FS_ROOT;
	return known(fs_lookup(x, FS_ROOT, name_at(n % (ROOT_NAMES + 1)), &attr)) ? FS_ROOT
										  : attr.node;
}

static void write_some(struct exec *x, node_t node, u64 pos, u32 len, u32 flags)
{
	struct fs_seg segs[4];
	u32 n = 0, left = len;

	for (u32 off = (u32)pos % BLOCK_SIZE; left && n < array_size(segs); off = 0) {
		struct frame *f;
		u32 part = min_of(left, BLOCK_SIZE - off);

		if (known(frame_alloc(x, &f)))
			break;
		memset((u8 *)frame_data(x, f) + off, 'w', part);
		segs[n++] = (struct fs_seg){frame_no(x, f), (u16)off, (u16)part};
		left -= part;
	}
	if (n && known(fs_write(x, node, &pos, flags, segs, n)) > (int)len)
		world_fail("more is written than there was");
	while (n)
		frame_unpin(x, frame_of(x, segs[--n].frame));
}

static int set_size(struct exec *x, node_t node, u64 size)
{
	struct fs_setattr set = {.valid = FS_SET_SIZE, .size = size};
	struct fs_attr attr;

	return known(fs_setattr(x, node, &set, &attr));
}

/* Positions near the start, in the middle, and where 32, 44 bits end. */
static u64 position(u32 value)
{
	u64 pos = value & 0x3FFFF;

	switch (value >> 28) {
	case 14:
		return pos << 20;
	case 15:
		return pos << 27;
	default:
		return pos;
	}
}

static void op_acl(struct exec *x, node_t node, u32 value)
{
	u32 acl[] = {2,   7 << 16 | 1,  ~0u, 7 << 16 | 2,  1000, 5 << 16 | 4,
		     ~0u, 7 << 16 | 16, ~0u, 4 << 16 | 32, ~0u};

	acl[value % array_size(acl)] ^= value >> 8 & 0xF;
	known(fs_setxattr(
		x, node,
		name_of(value & 0x80 ? "system.posix_acl_default" : "system.posix_acl_access"), acl,
		sizeof(acl), 0));
}

static void op_names(struct exec *x, u32 what, node_t dir, node_t other, u32 value)
{
	struct fs_name name = name_at(value), second = name_at(value >> 8);
	struct fs_attr attr;

	switch (what) {
	case 0:
		known(fs_mknod(x, dir, name, EXT4_S_IFREG | 0644, 0, false, &attr));
		break;
	case 1:
		known(fs_mkdir(x, dir, name, 0755, &attr));
		break;
	case 2:
		known(fs_unlink(x, dir, name));
		break;
	case 3:
		known(fs_rmdir(x, dir, name));
		break;
	case 4:
		known(fs_rename(x, dir, name, other, second, value >> 16 & 3));
		break;
	case 5:
		known(fs_link(x, other, dir, name, &attr));
		break;
	case 6:
		known(fs_symlink(x, dir, name, (struct fs_name){(char *)buffer, 1 + value % 4095},
				 &attr));
		break;
	case 7:
		known(fs_mknod(x, dir, name, EXT4_S_IFIFO | 0644, 0, false, &attr));
		break;
	}
}

static void op_data(struct exec *x, u32 what, node_t node, node_t other, u32 value)
{
	static const u32 modes[] = {0, FS_FALLOC_KEEP_SIZE,
				    FS_FALLOC_KEEP_SIZE | FS_FALLOC_PUNCH_HOLE,
				    FS_FALLOC_ZERO_RANGE};
	struct fs_attr attr;
	u64 n;

	switch (what) {
	case 0:
		write_some(x, node, position(value), 1 + (value >> 14 & 0x3FFF),
			   value >> 27 & FS_WRITE_APPEND);
		break;
	case 1:
		set_size(x, node, position(value));
		break;
	case 2:
		known(fs_fallocate(x, node, modes[value >> 26 & 3], position(value),
				   1 + (value >> 18 & 0xFF) * 1000));
		break;
	case 3:
		read_some(x, node, position(value), 30000);
		break;
	case 4:
		known(fs_copy_range(x, node, position(value), other, value >> 16 & 0xFFFF, 9000,
				    &n));
		break;
	case 5:
		known(fs_fsync(x, node, value & 1));
		break;
	case 6:
		if (!known(fs_open(x, node, value & 1, &attr)))
			known(fs_release(x, node));
		break;
	case 7: /* it is on the orphan list meanwhile */
		if (known(fs_tmpfile(x, node, 0600, &attr)))
			break;
		write_some(x, attr.node, 0, 5000, 0);
		if (value & 1)
			known(fs_link(x, attr.node, other, name_at(value >> 8), &attr));
		known(fs_release(x, attr.node));
		break;
	}
}

static void op_inode(struct exec *x, u32 what, node_t node, u32 value)
{
	static const char attrs[4][16] = {"user.inside", "user.block", "trusted.new", "security.x"};
	struct fs_name name = name_of(attrs[value & 3]);
	struct fs_setattr set = {.valid = value & (FS_SET_MODE | FS_SET_UID | FS_SET_GID |
						   FS_SET_ATIME | FS_SET_MTIME | FS_KILL_SUIDGID),
				 .mode = value >> 8,
				 .uid = value >> 4,
				 .gid = value};
	struct walk w = {.nnodes = NODES, .pos = value};
	struct fs_attr attr;

	switch (what) {
	case 0:
		known(fs_setxattr(x, node, name, buffer, (value >> 8) % 4200, value >> 4 & 3));
		break;
	case 1:
		known(fs_removexattr(x, node, name));
		break;
	case 2:
		op_acl(x, node, value);
		break;
	case 3:
		known(fs_setattr(x, node, &set, &attr));
		break;
	case 4:
		known(fs_readdir(x, node, (u64)value << 16, value & 1, walk_entry, &w));
		break;
	case 5:
		known(value & 1 ? fs_sync(x) : fs_error_write(x));
		known(cache_writeback(x, 64));
		break;
	case 6:
		walk_attributes(x, node);
		break;
	case 7:
		known(fs_getxattr(x, node, name, buffer, value >> 8 & 0xFFF));
		break;
	}
}

static void exercise_op(struct exec *x, const struct record *r)
{
	node_t a = find(x, r->at & 0xFF), b = find(x, r->at >> 8);

	world_check_idle();
	if (r->where % 24 < 8)
		op_names(x, r->where % 8, a, b, r->value);
	else if (r->where % 24 < 16)
		op_data(x, r->where % 8, a, b, r->value);
	else
		op_inode(x, r->where % 8, a, r->value);
}

static void script_directory(struct exec *x, node_t dir, node_t other)
{
	static const char more[8][40] = {"new-entry-1",
					 "another-new-entry",
					 "one-with-a-name-that-is-longer",
					 "n",
					 "five----------",
					 "six",
					 "seven-and-some-more-bytes",
					 "e"};
	struct fs_attr attr;

	for (u32 i = 0; i < array_size(more); i++)
		known(fs_mknod(x, dir, name_of(more[i]), EXT4_S_IFREG | 0600, 0, false, &attr));
	for (u32 i = 0; i < 12; i++) {
		char name[64];

		snprintf(name, sizeof(name), "a-longer-name-for-one-more-entry-of-the-leaf-%u",
			 i * i);
		known(fs_symlink(x, dir, name_of(name), name_of("somewhere"), &attr));
	}
	known(fs_mkdir(x, dir, name_of("newdir"), 0700, &attr));
	known(fs_rename(x, dir, name_of(more[2]), other, name_of("moved"), 0));
	known(fs_rename(x, dir, name_of("newdir"), other, name_of("moved-dir"), 0));
	known(fs_rename(x, dir, name_of("sub"), other, name_of("sub2"), 0));
	known(fs_rename(x, dir, name_of("file5"), other, name_of("file5"), FS_RENAME_EXCHANGE));
	known(fs_unlink(x, dir, name_of("file4")));
	known(fs_unlink(x, dir, name_of(more[3])));
	known(fs_rmdir(x, other, name_of("sub2")));
	known(fs_rmdir(x, other, name_of("moved-dir")));
}

static void script_file(struct exec *x, node_t node)
{
	struct fs_setattr set = {.valid = FS_SET_MODE | FS_SET_UID, .mode = 0751, .uid = 7};
	struct fs_attr attr;

	known(fs_setxattr(x, node, name_of("user.x"), buffer, 40, 0));
	known(fs_setxattr(x, node, name_of("user.y"), buffer, 1500, 0));
	known(fs_setattr(x, node, &set, &attr));
	write_some(x, node, 5000, 6000, 0);
	write_some(x, node, 8192, 4096, 0);
	write_some(x, node, 0, 100, FS_WRITE_APPEND);
	known(fs_fallocate(x, node, FS_FALLOC_KEEP_SIZE | FS_FALLOC_PUNCH_HOLE, 4096, 9000));
	known(fs_fallocate(x, node, 0, 100000, 50000));
	known(fs_fsync(x, node, false));
	known(fs_removexattr(x, node, name_of("user.x")));
	set_size(x, node, 70000);
	set_size(x, node, 3000);
}

/* Bits 0..2: a directory's entries; 0..14: the inode of that name; 15: all names go. */
static void exercise_script(struct exec *x, u32 bits)
{
	for (u32 i = 0; i < 15; i++) {
		if (!(bits & 1u << i))
			continue;
		if (i < 3)
			script_directory(x, find(x, i), find(x, (i + 1) % 3));
		script_file(x, find(x, i));
	}
	for (u32 i = 3; i < 15 && bits & 0x8000; i++)
		known(fs_unlink(x, FS_ROOT, name_at(i)));
}

/* ---- the whole life of a mount */
static void exercise_mounted(struct exec *x, const struct input *in)
{
	if (!(in->head.flags & RUN_NO_WALK))
		exercise_walk(x);
	for (u32 i = 0; i < in->n; i++) {
		const struct record *r = &in->rec[i];

		if (r->kind % REC_KINDS == REC_FAULT)
			world_fault(r->where, r->at % 64, 1 + r->value % 4);
		else if (r->kind % REC_KINDS == REC_OP)
			exercise_op(x, r);
	}
	exercise_script(x, in->head.script);
	world_check_idle();
	if (!(in->head.flags & RUN_NO_SYNC))
		known(fs_sync(x));
}

/* A mount that failed behind the mark of the superblock, with orphans: their changes are nobody's.
 */
static bool mount_had_begun(const struct image *m)
{
	const struct ext4_super *sb = (const void *)(m->now + EXT4_SUPER_OFFSET);

	return sb->s_feature_incompat & EXT4_INCOMPAT_RECOVER;
}

void exercise(struct image *m, const struct input *in)
{
	const struct fs_mount_opts opts = {.read_only = in->head.flags & RUN_READ_ONLY};
	bool whole = true;

	memset(buffer, 'v', sizeof(buffer));
	world_open(m, POOL_SIZE, false);
	if (!known(fs_mount(&world.x, &opts))) {
		if (in->head.flags & RUN_FEW_FRAMES)
			world_few_frames(FEW_FRAMES);
		exercise_mounted(&world.x, in);
		world_check_idle();
		whole = !known(fs_unmount(&world.x));
	} else {
		whole = !mount_had_begun(m);
	}
	world_close(whole);
}
