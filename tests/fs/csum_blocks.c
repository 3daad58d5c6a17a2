/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Checksums of every kind of metadata block, on blocks that e2fsprogs has written: they verify, a
 * changed byte does not, and sealing them gives back the very same bytes.
 */
#include <stdlib.h>
#include <string.h>

#include "fs/csum.h"
#include "fs/inode.h"
#include "platform/errno.h"
#include "tests/fs/fixture.h"

static const char *const kind_names[] = {
	"none",        "superblock", "descriptors", "block bitmap", "inode bitmap",
	"inode table", "extents",    "directory",   "htree",        "xattrs",
};

static void make_image(const char *args)
{
	CHECK_EQ(fixture_run(
			 NULL, 0,
			 "rm -rf build/tmp/csum && mkdir -p build/tmp/csum/dir && cd "
			 "build/tmp/csum && "
			 "i=0; while [ $i -lt 1500 ]; do : >dir/a-rather-long-file-name-$i; "
			 "i=$((i+1)); done; "
			 "i=0; while [ $i -lt 30 ]; do echo $i | dd of=holes bs=4096 seek=$((i*3)) "
			 "conv=notrunc status=none; i=$((i+1)); done; head -c 1500 /dev/zero "
			 ">value"),
		 0);
	fixture_make(128, args, "build/tmp/csum");
	CHECK_EQ(fixture_run(NULL, 0,
			     "debugfs -w -R 'ea_set /holes user.big -f build/tmp/csum/value' '%s' "
			     "2>/dev/null; rm -rf build/tmp/csum"),
		 0);
	CHECK_EQ(fixture_run(NULL, 0, "e2fsck -fyD '%s' >/dev/null 2>&1; [ $? -lt 2 ]"), 0);
	fixture_fsck();
}

static bool fill(void *arg, const struct fs_dirent *e)
{
	(void)arg;
	(void)e;
	return true;
}

/* Brings blocks of each kind into the cache; reading them has verified them. */
static struct exec *load(void)
{
	struct exec *x = fixture_mount();
	struct fs_attr dir, file;
	static char value[4096];
	struct fs_seg segs[FS_IO_SEGS];
	u32 n = FS_IO_SEGS;
	int got;

	CHECK_OK(fs_lookup(x, FS_ROOT, (struct fs_name){"dir", 3}, &dir));
	CHECK_OK(fs_lookup(x, dir.node, (struct fs_name){"a-rather-long-file-name-77", 26}, &file));
	CHECK_OK(fs_readdir(x, dir.node, 0, false, fill, NULL));
	CHECK_OK(fs_lookup(x, FS_ROOT, (struct fs_name){"holes", 5}, &file));
	got = fs_read(x, file.node, 0, 65536, segs, &n);
	CHECK_EQ(got, 65536);
	for (u32 i = 0; i < n; i++)
		frame_unpin(x, frame_of(x, segs[i].frame));
	CHECK_EQ(fs_getxattr(x, file.node, (struct fs_name){"user.big", 8}, value, sizeof(value)),
		 1500);
	for (u32 g = 0; g < fs_of(x)->ngroups; g++) {
		struct ext4_group_desc *d;
		struct frame *gdt, *f;
		u32 size = fs_of(x)->desc_size;

		CHECK_OK(group_desc(x, g, &gdt, &d));
		if (!(d->bg_flags & EXT4_BG_BLOCK_UNINIT)) {
			CHECK_OK(buf_read(x, desc_block_bitmap(d, size),
					  (struct csum_id){CSUM_BLOCK_BITMAP, g, 0}, &f));
			buf_put(x, f);
		}
		if (!(d->bg_flags & EXT4_BG_INODE_UNINIT)) {
			CHECK_OK(buf_read(x, desc_inode_bitmap(d, size),
					  (struct csum_id){CSUM_INODE_BITMAP, g, 0}, &f));
			buf_put(x, f);
		}
		buf_put(x, gdt);
	}
	return x;
}

/* Inodes of the block that are in use and as they were read: reading a file has touched its. */
static u32 itable_mask(struct exec *x, const struct frame *f)
{
	u32 mask = 0, touched = f->flags & FRAME_DIRTY ? frame_csum_mask(f) : 0;

	for (u32 i = 0; i < fs_of(x)->inodes_per_block; i++) {
		const struct ext4_inode *raw =
			(void *)((u8 *)frame_data(x, f) + i * fs_of(x)->inode_size);

		if (raw->i_links_count && !(touched >> i & 1))
			mask |= 1u << i;
	}
	return mask;
}

/* A byte that the checksum covers. */
static u32 covered_byte(const struct frame *f)
{
	switch (frame_csum_kind(f)) {
	case CSUM_SUPER:
		return EXT4_SUPER_OFFSET + offsetof(struct ext4_super, s_volume_name);
	case CSUM_GDT:
		return offsetof(struct ext4_group_desc, bg_itable_unused_lo);
	case CSUM_DIR:
	case CSUM_DX:
		return 0; /* inode number of the first entry */
	case CSUM_EXTENT:
		return 13; /* of the first extent: its file block */
	default:
		return 40;
	}
}

static int verify(struct exec *x, struct frame *f)
{
	const u8 *p = frame_data(x, f);
	u32 mask = itable_mask(x, f);
	int err = 0;

	if (frame_csum_kind(f) != CSUM_ITABLE)
		return csum_verify(x, f);
	for (u32 i = 0; mask >> i; i++)
		if (mask >> i & 1 && !err)
			err = csum_verify_inode(x, p + i * fs_of(x)->inode_size, f->csum_owner + i);
	return err;
}

/* Runs check on every cached buffer; the kinds that were there. */
static u32 each_buffer(struct exec *x, void (*check)(struct exec *x, struct frame *f))
{
	u32 kinds = 0;

	for (fno_t i = 1; i < x->pool->hdr->nframes; i++) {
		struct frame *f = frame_of(x, i);

		if (f->kind != FRAME_BUF || frame_csum_kind(f) == CSUM_NONE)
			continue;
		if (frame_csum_kind(f) == CSUM_ITABLE && !itable_mask(x, f))
			continue;
		kinds |= 1u << frame_csum_kind(f);
		check(x, f);
	}
	return kinds;
}

static void all_kinds(u32 kinds)
{
	for (u32 k = CSUM_SUPER; k <= CSUM_XATTR; k++)
		if (!(kinds >> k & 1))
			test_fail(__FILE__, __LINE__, "no block of kind %s was read",
				  kind_names[k]);
}

static void flip(struct exec *x, struct frame *f)
{
	u8 *p = (u8 *)frame_data(x, f) + covered_byte(f);

	if (verify(x, f) != 0)
		test_fail(__FILE__, __LINE__, "%s, block %llu: does not verify",
			  kind_names[frame_csum_kind(f)], (unsigned long long)f->block);
	*p ^= 0x10;
	if (frame_csum_kind(f) == CSUM_ITABLE)
		p = (u8 *)frame_data(x, f) +
		    (u32)__builtin_ctz(itable_mask(x, f)) * fs_of(x)->inode_size + 8;
	if (frame_csum_kind(f) == CSUM_ITABLE)
		*p ^= 0x10;
	if (verify(x, f) != -MP_EUCLEAN)
		test_fail(__FILE__, __LINE__, "%s, block %llu: a changed byte is not noticed",
			  kind_names[frame_csum_kind(f)], (unsigned long long)f->block);
	*p ^= 0x10;
	if (frame_csum_kind(f) == CSUM_ITABLE)
		((u8 *)frame_data(x, f))[covered_byte(f)] ^= 0x10;
	CHECK_OK(verify(x, f));
}

static void seal(struct exec *x, struct frame *f)
{
	static u8 before[BLOCK_SIZE];
	u8 *p = frame_data(x, f);
	struct ext4_group_desc *d = NULL, old = {0};
	struct frame *gdt = NULL;
	u32 mask;

	if (frame_csum_kind(f) == CSUM_BLOCK_BITMAP || frame_csum_kind(f) == CSUM_INODE_BITMAP) {
		CHECK_OK(group_desc(x, f->csum_owner, &gdt, &d));
		old = *d;
		if (frame_csum_kind(f) == CSUM_BLOCK_BITMAP) {
			d->bg_block_bitmap_csum_lo ^= 0xffff;
			d->bg_block_bitmap_csum_hi ^= 0xffff;
		} else {
			d->bg_inode_bitmap_csum_lo ^= 0xffff;
			d->bg_inode_bitmap_csum_hi ^= 0xffff;
		}
	}
	memcpy(before, p, BLOCK_SIZE);
	switch (frame_csum_kind(f)) {
	case CSUM_SUPER:
		((struct ext4_super *)(p + EXT4_SUPER_OFFSET))->s_checksum = 0;
		break;
	case CSUM_GDT:
		((struct ext4_group_desc *)p)->bg_checksum = 0;
		break;
	case CSUM_EXTENT:
	case CSUM_DIR:
		memset(p + BLOCK_SIZE - 4, 0, 4);
		break;
	case CSUM_XATTR:
		((struct ext4_xattr_header *)p)->h_checksum = 0;
		break;
	case CSUM_ITABLE:
		mask = itable_mask(x, f);
		frame_csum_set(f, CSUM_ITABLE, mask);
		for (u32 i = 0; i < fs_of(x)->inodes_per_block; i++)
			if (mask >> i & 1) {
				struct ext4_inode *raw = (void *)(p + i * fs_of(x)->inode_size);

				raw->i_checksum_lo = 0;
				raw->i_checksum_hi = 0;
			}
		break;
	}
	if (frame_csum_kind(f) == CSUM_ITABLE || frame_csum_kind(f) == CSUM_GDT)
		CHECK(memcmp(before, p, BLOCK_SIZE) != 0);
	CHECK_OK(csum_seal(x, f));
	if (memcmp(before, p, BLOCK_SIZE) != 0)
		test_fail(__FILE__, __LINE__, "%s, block %llu: sealed differently",
			  kind_names[frame_csum_kind(f)], (unsigned long long)f->block);
	if (gdt) {
		CHECK(memcmp(&old, d, sizeof(old)) == 0);
		buf_put(x, gdt);
	}
}

TEST(changed_byte_of_any_kind_is_noticed)
{
	make_image(NULL);
	all_kinds(each_buffer(load(), flip));
	fixture_crash();
}

TEST(sealing_gives_the_bytes_of_e2fsprogs)
{
	make_image(NULL);
	all_kinds(each_buffer(load(), seal));
	fixture_crash();
}

TEST(checksum_seed_of_the_superblock_is_used)
{
	make_image("-O metadata_csum_seed");
	CHECK_EQ(fixture_run(NULL, 0, "tune2fs -U random '%s' >/dev/null 2>&1"), 0);
	all_kinds(each_buffer(load(), seal));
	fixture_crash();
}
