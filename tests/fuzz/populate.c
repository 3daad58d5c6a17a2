/* SPDX-License-Identifier: BSD-2-Clause */
/* Fills an empty image with one of everything, for the fuzz targets: populate IMAGE [big]. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "format/ext4.h"
#include "fs/fs.h"
#include "platform/posix/posix.h"
#include "pool/frame.h"

#define POOL_SIZE (8u << 20)

static void must(int err, const char *what)
{
	if (err >= 0)
		return;
	fprintf(stderr, "populate: %s: error %d\n", what, err);
	exit(1);
}

static struct fs_name nm(const char *s)
{
	return (struct fs_name){s, (u32)strlen(s)};
}

static node_t make(struct exec *x, node_t dir, const char *name, u32 mode)
{
	struct fs_attr attr;

	if ((mode & EXT4_S_IFMT) == EXT4_S_IFDIR)
		must(fs_mkdir(x, dir, nm(name), mode & 07777, &attr), name);
	else
		must(fs_mknod(x, dir, nm(name), mode, 0x103, false, &attr), name);
	return attr.node;
}

static void put(struct exec *x, node_t node, u64 pos, const void *bytes, u32 len)
{
	struct fs_seg seg;
	struct frame *f;

	must(frame_alloc(x, &f), "a frame");
	memset(frame_data(x, f), 0, BLOCK_SIZE);
	memcpy(frame_data(x, f), bytes, len);
	seg = (struct fs_seg){frame_no(x, f), 0, BLOCK_SIZE};
	must(fs_write(x, node, &pos, 0, &seg, 1), "writing");
	frame_unpin(x, frame_of(x, seg.frame));
}

/* Many names and few inodes. */
static void links(struct exec *x, node_t linear, node_t dir, u32 n)
{
	struct fs_attr attr;
	char name[64];

	must(fs_lookup(x, linear, nm("file0"), &attr), "file0");
	for (u32 i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "a-file-with-a-name-that-is-rather-longer-%u", i);
		must(fs_link(x, attr.node, dir, nm(name), &attr), name);
	}
}

/* A directory whose index cannot take one leaf more without another level. */
static void full_index(struct exec *x)
{
	node_t dir = make(x, FS_ROOT, "index", EXT4_S_IFDIR | 0755);
	char name[256];
	struct fs_attr attr;
	node_t file;

	file = make(x, FS_ROOT, "file", EXT4_S_IFREG | 0644);
	memset(name, 'n', sizeof(name));
	for (u32 i = 0; i < 20000; i++) {
		must(fs_getattr(x, dir, &attr), "the directory");
		if (attr.size >= 508 * BLOCK_SIZE)
			return;
		snprintf(name + 240, sizeof(name) - 240, "%u", i * 7919 % 100003);
		must(fs_link(x, file, dir, nm(name), &attr), name);
	}
	must(-1, "filling the index");
}

static void directories(struct exec *x)
{
	node_t linear = make(x, FS_ROOT, "linear", EXT4_S_IFDIR | 0755);
	node_t index = make(x, FS_ROOT, "index", EXT4_S_IFDIR | 0755);
	char name[64];

	for (u32 i = 0; i < 12; i++) {
		snprintf(name, sizeof(name), "file%u", i);
		make(x, linear, name, EXT4_S_IFREG | 0644);
	}
	/* its block and the leaves of the other are nearly full: a few names more split them */
	links(x, linear, linear, 61);
	make(x, linear, "sub", EXT4_S_IFDIR | 0755);
	links(x, linear, index, 130);
	make(x, index, "sub", EXT4_S_IFDIR | 0755);
}

static void attributes(struct exec *x)
{
	static const u32 acl[] = {2,   7 << 16 | 1,  ~0u, 7 << 16 | 2,  1000, 5 << 16 | 4,
				  ~0u, 7 << 16 | 16, ~0u, 4 << 16 | 32, ~0u};
	static const char list[3][8] = {"attrs", "shared1", "shared2"};
	char value[700];

	memset(value, 'v', sizeof(value));
	for (u32 i = 0; i < 3; i++) {
		node_t node = make(x, FS_ROOT, list[i], EXT4_S_IFREG | 0644);

		must(fs_setxattr(x, node, nm("user.block"), value, i ? 500 : 600, 0), "block");
		must(fs_setxattr(x, node, nm("user.inside"), value, 20, 0), "inside");
		if (!i)
			must(fs_setxattr(x, node, nm("trusted.block"), value, 300, 0), "trusted");
	}
	{
		node_t dir = make(x, FS_ROOT, "acl", EXT4_S_IFDIR | 0755);

		must(fs_setxattr(x, dir, nm("system.posix_acl_access"), acl, sizeof(acl), 0),
		     "ACL");
		must(fs_setxattr(x, dir, nm("system.posix_acl_default"), acl, sizeof(acl), 0),
		     "default ACL");
	}
}

static void files(struct exec *x)
{
	node_t file = make(x, FS_ROOT, "file", EXT4_S_IFREG | 04755);
	node_t holes = make(x, FS_ROOT, "holes", EXT4_S_IFREG | 0644);
	node_t unwritten = make(x, FS_ROOT, "unwritten", EXT4_S_IFREG | 0644);
	node_t mapped = make(x, FS_ROOT, "mapped", EXT4_S_IFREG | 0644);
	char target[500];
	struct fs_attr attr;

	memset(target, 't', sizeof(target));
	for (u32 i = 0; i < 6; i++)
		put(x, file, i * BLOCK_SIZE, "file", 4);
	for (u32 i = 0; i < 12; i++) /* too many extents for the inode */
		put(x, holes, (u64)i * 3 * BLOCK_SIZE, "holes", 5);
	must(fs_fallocate(x, unwritten, 0, 0, 8 * BLOCK_SIZE), "fallocate");
	put(x, unwritten, 3 * BLOCK_SIZE, "written", 7);
	must(fs_fallocate(x, mapped, 0, 0, 14 * BLOCK_SIZE), "fallocate");
	for (u32 i = 0; i < 14; i++) /* make-images makes it block-mapped */
		put(x, mapped, i * BLOCK_SIZE, "mapped", 6);
	must(fs_symlink(x, FS_ROOT, nm("slow"), (struct fs_name){target, 500}, &attr), "slow");
	must(fs_symlink(x, FS_ROOT, nm("fast"), (struct fs_name){target, 20}, &attr), "fast");
	make(x, FS_ROOT, "fifo", EXT4_S_IFIFO | 0644);
	make(x, FS_ROOT, "dev", EXT4_S_IFBLK | 0644);
	must(fs_link(x, file, FS_ROOT, nm("hard1"), &attr), "hard1");
}

int main(int argc, char **argv)
{
	const struct fs_mount_opts opts = {0};
	struct plat *plat = argc >= 2 ? plat_posix_open(argv[1], false) : NULL;
	struct pool pool;
	struct exec x;

	if (!plat) {
		fprintf(stderr, "usage: populate IMAGE [big]\n");
		return 2;
	}
	must(pool_format(&pool, plat_posix_pool(plat, POOL_SIZE), POOL_SIZE), "the pool");
	must(exec_join(&pool, plat, 1, &x), "joining");
	must(fs_mount(&x, &opts), "mounting");
	if (argc > 2) {
		full_index(&x);
	} else {
		directories(&x);
		attributes(&x);
		files(&x);
	}
	must(fs_unmount(&x), "unmounting");
	plat_posix_close(plat);
	return 0;
}
