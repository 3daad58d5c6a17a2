/* SPDX-License-Identifier: BSD-2-Clause */
/* Mounting: what is refused, with which errno and with which words; states and totals. */
#include <fcntl.h>
#include <sys/stat.h>

#include "tests/fs/names_util.h"

static const struct fs_mount_opts rw = {0}, ro = {.read_only = true},
				  broken = {.ignore_dirty = true};

/* Mounts, expects this errno and that the log says this. */
static void expect(const struct fs_mount_opts *opts, int want, const char *says)
{
	char path[300], log[4000];
	int saved = dup(2), fd, err;
	ssize_t n;

	snprintf(path, sizeof(path), "%s.log", fixture_image());
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	CHECK(fd >= 0 && saved >= 0);
	fflush(stderr);
	dup2(fd, 2);
	err = fixture_try_mount(opts);
	fflush(stderr);
	dup2(saved, 2);
	close(saved);
	n = pread(fd, log, sizeof(log) - 1, 0);
	CHECK(n >= 0);
	log[n] = 0;
	close(fd);
	unlink(path);
	if (err != want)
		test_fail(__FILE__, __LINE__, "mount is %d, not %d: %s", err, want, log);
	if (says && !strstr(log, says))
		test_fail(__FILE__, __LINE__, "the log does not say '%s': %s", says, log);
	if (!err)
		fixture_unmount();
}

static void write_at(long offset, const void *bytes, size_t len)
{
	int fd = open(fixture_image(), O_WRONLY);

	CHECK(fd >= 0);
	CHECK_EQ(pwrite(fd, bytes, len, offset), (ssize_t)len);
	close(fd);
}

static void read_at(long offset, void *bytes, size_t len)
{
	int fd = open(fixture_image(), O_RDONLY);

	CHECK(fd >= 0);
	CHECK_EQ(pread(fd, bytes, len, offset), (ssize_t)len);
	close(fd);
}

static u32 crc32c(u32 crc, const void *data, size_t len)
{
	const u8 *p = data;

	while (len--) {
		crc ^= *p++;
		for (int i = 0; i < 8; i++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82F63B78u : 0);
	}
	return crc;
}

/* Changes the superblock and makes its checksum right. */
static void edit_super(size_t field, u32 value, u32 size)
{
	struct ext4_super sb;

	read_at(1024, &sb, sizeof(sb));
	memcpy((u8 *)&sb + field, &value, size);
	sb.s_checksum = crc32c(~0u, &sb, offsetof(struct ext4_super, s_checksum));
	write_at(1024, &sb, sizeof(sb));
}
#define EDIT(field, value)                                                                         \
	edit_super(offsetof(struct ext4_super, field), value,                                      \
		   sizeof(((struct ext4_super *)0)->field))

TEST(empty_file_and_text_are_not_ext4)
{
	char path[] = "/tmp/mpdisk-mount-XXXXXX";
	int fd = mkstemp(path);

	CHECK(fd >= 0);
	fixture_copy(path);
	unlink(path);
	close(fd);
	expect(&rw, -MP_EMEDIUMTYPE, "empty");
	shell("yes text | head -c 1000000 > '%s'");
	expect(&rw, -MP_EMEDIUMTYPE, "not an ext4 image");
	shell("head -c 1000000 /dev/zero > '%s'");
	expect(&ro, -MP_EMEDIUMTYPE, "not an ext4 image");
	shell("head -c 5000 /dev/zero > '%s'");
	expect(&ro, -MP_EMEDIUMTYPE, "not an ext4 image");
}

TEST(block_sizes_other_than_4096_are_refused)
{
	fixture_make(64, "-b 1024", NULL);
	expect(&rw, -MP_EMEDIUMTYPE, "block size 1024");
	shell(PATH "mke2fs -q -F -t ext4 -b 2048 '%s' 2>&1");
	expect(&ro, -MP_EMEDIUMTYPE, "block size 2048");
}

/* mke2fs -O feature, on an image that e2fsck holds good. */
static void feature(const char *option, const char *name, int want_rw, int want_ro)
{
	char cmd[300];

	snprintf(cmd, sizeof(cmd), PATH "mke2fs -q -F -t ext4 -b 4096 %s '%%s' 2>&1", option);
	shell(cmd);
	expect(&rw, want_rw, name);
	expect(&ro, want_ro, name);
}

TEST(unsupported_features_are_named)
{
	const int no = -MP_EOPNOTSUPP;

	fixture_make(64, NULL, NULL);
	feature("-O meta_bg,^resize_inode", "feature meta_bg", no, no);
	feature("-O mmp", "feature mmp", no, no);
	feature("-O ea_inode", "feature ea_inode", no, no);
	feature("-O inline_data", "feature inline_data", no, no);
	feature("-O encrypt", "feature encrypt", no, no);
	feature("-O casefold", "feature casefold", no, no);
	feature("-O ^extent,^64bit", "feature extent is missing", no, no);
	feature("-O bigalloc", "feature bigalloc", no, 0);
	feature("-O quota", "feature quota", no, 0);
	feature("-O quota,project", "feature project", no, 0);
	feature("-O verity", "feature verity", no, 0);
	feature("-O sparse_super2", "feature sparse_super2", no, 0);
	feature("-O uninit_bg,^metadata_csum", "feature uninit_bg", no, 0);
	feature("-I 128", "inode size 128", no, no);
}

TEST(unknown_feature_bits_are_refused)
{
	char says[64];
	u32 bit;

	fixture_make(64, NULL, NULL);
	for (bit = 1u << 18; bit; bit <<= 1) {
		struct ext4_super sb;

		snprintf(says, sizeof(says), "feature bit 0x%x", bit);
		read_at(1024, &sb, sizeof(sb));
		EDIT(s_feature_incompat, sb.s_feature_incompat | bit);
		expect(&rw, -MP_EOPNOTSUPP, says);
		expect(&ro, -MP_EOPNOTSUPP, says);
		EDIT(s_feature_incompat, sb.s_feature_incompat);
		EDIT(s_feature_ro_compat, sb.s_feature_ro_compat | bit);
		expect(&rw, -MP_EOPNOTSUPP, says);
		expect(&ro, 0, says);
		EDIT(s_feature_ro_compat, sb.s_feature_ro_compat);
		EDIT(s_feature_compat, sb.s_feature_compat | bit);
		expect(&rw, -MP_EOPNOTSUPP, says);
		expect(&ro, 0, says);
		EDIT(s_feature_compat, sb.s_feature_compat);
	}
	expect(&rw, 0, NULL);
	fixture_fsck();
}

TEST(supported_variants_are_mounted_and_written)
{
	static const char *const options[] = {
		"-O ^has_journal",
		"-O ^metadata_csum",
		"-O ^64bit",
		"-O ^flex_bg",
		"-O ^sparse_super,^resize_inode",
		"-O ^dir_index",
		"-O ^large_file",
		"-O ^huge_file",
		"-O ^dir_nlink",
		"-O ^resize_inode",
		"-I 512",
		"-I 1024",
		"-O metadata_csum_seed",
		"-O large_dir",
		"-O stable_inodes",
		"-g 8192",
		"-m 20",
		"-O ^extra_isize",
		"-O ^ext_attr",
	};
	char cmd[300], name[32];
	struct exec *x;
	u32 i, k;

	fixture_make(64, NULL, NULL);
	for (i = 0; i < array_size(options); i++) {
		node_t d;

		if (test_verbose())
			fprintf(stderr, "%s\n", options[i]);
		snprintf(cmd, sizeof(cmd), PATH "mke2fs -q -F -t ext4 -b 4096 %s '%%s' 2>&1",
			 options[i]);
		shell(cmd);
		x = fixture_mount();
		d = mkd(x, FS_ROOT, "d");
		for (k = 0; k < 300; k++) {
			snprintf(name, sizeof(name), "file%u", k);
			mk(x, d, name);
		}
		x = fixture_remount();
		for (k = 0; k < 300; k++) {
			snprintf(name, sizeof(name), "file%u", k);
			CHECK(look(x, d, name));
		}
		fixture_unmount_check();
	}
}

TEST(empty_log_that_needs_recovery_is_mounted)
{
	fixture_make(64, NULL, NULL);
	shell(PATH "debugfs -w -R 'feature needs_recovery' '%s' 2>&1");
	expect(&broken, 0, NULL);
	expect(&ro, 0, NULL);
	expect(&rw, 0, NULL);
	fixture_fsck();
}

/* ext4 drops a log that its superblock does not speak of, and so do we; but it must be a log. */
TEST(log_that_the_superblock_does_not_speak_of_is_dropped)
{
	struct ext4_super sb;
	char out[200];
	u32 start = 0x01000000; /* 1, big-endian */
	long block;

	fixture_make(64, NULL, NULL);
	CHECK_OK(fixture_run(out, sizeof(out), PATH "debugfs -R 'bmap <8> 0' '%s' 2>/dev/null"));
	block = atol(out);
	CHECK(block > 0);
	write_at(block * 4096 + 28, &start, 4);
	expect(&rw, 0, NULL);
	fixture_fsck();
	read_at(1024, &sb, sizeof(sb));
	CHECK(!(sb.s_feature_incompat & EXT4_INCOMPAT_RECOVER));
	read_at(block * 4096 + 28, &start, 4);
	CHECK_EQ(start, 0);
	write_at(block * 4096, &start, 4);
	expect(&rw, -MP_EUCLEAN, "journal: it has no superblock");
}

TEST(truncated_image_is_refused)
{
	fixture_make(64, NULL, NULL);
	shell("truncate -s 40M '%s'");
	expect(&rw, -MP_EUCLEAN, "truncated");
	expect(&ro, -MP_EUCLEAN, "truncated");
	shell("truncate -s 1500 '%s'");
	expect(&ro, -MP_EMEDIUMTYPE, "");
}

TEST(every_flipped_byte_of_the_superblock_is_noticed)
{
	u8 good[1024], byte;
	u32 i;

	fixture_make(64, NULL, NULL);
	read_at(1024, good, sizeof(good));
	for (i = 0; i < sizeof(good); i++) {
		/* the magic, and the bit that says there is a checksum, are looked at before it */
		bool magic = i - offsetof(struct ext4_super, s_magic) < 2;
		bool flag = i - offsetof(struct ext4_super, s_feature_ro_compat) < 4 ||
			    i - offsetof(struct ext4_super, s_rev_level) < 4;

		byte = good[i] ^ (u8)(1u << i % 7);
		write_at(1024 + (long)i, &byte, 1);
		if (magic)
			expect(&ro, -MP_EMEDIUMTYPE, "not an ext4 image");
		else if (!flag)
			expect(&ro, -MP_EUCLEAN, "checksum");
		write_at(1024 + (long)i, &good[i], 1);
	}
	expect(&rw, 0, NULL);
}

TEST(bad_descriptor_checksum_is_refused)
{
	u8 byte;

	fixture_make(64, NULL, NULL);
	read_at(4096 + 12, &byte, 1);
	byte ^= 0x10;
	write_at(4096 + 12, &byte, 1);
	expect(&rw, -MP_EUCLEAN, "descriptor");
}

/* Right checksum, wrong content. */
TEST(nonsense_in_the_superblock_is_refused)
{
	struct ext4_super sb;
	const int bad = -MP_EUCLEAN;

	fixture_make(64, NULL, NULL);
	read_at(1024, &sb, sizeof(sb));
#define TRY(field, value, want, says)                                                              \
	do {                                                                                       \
		EDIT(field, value);                                                                \
		expect(&rw, want, says);                                                           \
		write_at(1024, &sb, sizeof(sb));                                                   \
	} while (0)
	TRY(s_rev_level, 0, -MP_EMEDIUMTYPE, "revision 0");
	TRY(s_checksum_type, 2, bad, "checksum type 2");
	TRY(s_log_block_size, 77, bad, "block size");
	TRY(s_inode_size, 0, bad, "inode size");
	TRY(s_inode_size, 257, bad, "inode size");
	TRY(s_inode_size, 8192, bad, "inode size");
	TRY(s_desc_size, 0, bad, "s_desc_size");
	TRY(s_desc_size, 65, bad, "s_desc_size");
	TRY(s_first_data_block, 1, bad, "s_first_data_block");
	TRY(s_blocks_per_group, 0, bad, "s_blocks_per_group");
	TRY(s_blocks_per_group, 0xFFFFFFFF, bad, "s_blocks_per_group");
	TRY(s_clusters_per_group, 8192, bad, "s_blocks_per_group");
	TRY(s_inodes_per_group, 0, bad, "s_inodes_per_group");
	TRY(s_inodes_per_group, 0xFFFFFFF0, bad, "s_inodes_per_group");
	TRY(s_blocks_count_lo, 0, bad, "s_blocks_count");
	TRY(s_blocks_count_lo, 0xFFFFFFFF, bad, NULL);
	TRY(s_blocks_count_hi, 0xFFFFFFFF, bad, "s_blocks_count");
	TRY(s_inodes_count, 0, bad, "s_inodes_count");
	TRY(s_inodes_count, 0xFFFFFFFF, bad, "s_inodes_count");
	TRY(s_first_ino, 0, bad, "s_first_ino");
	TRY(s_first_ino, 0xFFFFFFFF, bad, "s_first_ino");
	TRY(s_reserved_gdt_blocks, 0xFFFF, bad, "s_reserved_gdt_blocks");
	TRY(s_log_groups_per_flex, 99, bad, "s_log_groups_per_flex");
	TRY(s_want_extra_isize, 9999, bad, "s_want_extra_isize");
	TRY(s_def_hash_version, 6, bad, "s_def_hash_version");
	TRY(s_journal_inum, 0, -MP_EOPNOTSUPP, "external journals");
	TRY(s_journal_inum, 2, bad, "journal: its inode");
	TRY(s_journal_inum, 77777777, bad, NULL);
	TRY(s_state, 0, -MP_EBUSY, "not unmounted cleanly");
	TRY(s_state, 3, bad, "has errors");
	expect(&rw, 0, NULL);
	fixture_fsck();
}

TEST(pool_that_is_too_small_is_refused)
{
	enum { GROUPS = 40000 };

	fixture_make(64, NULL, NULL);
	fixture_pool_size(4);
	expect(&rw, 0, NULL);
	/* a geometry of many small groups: their table does not fit */
	shell("truncate -s 40000M '%s'");
	EDIT(s_blocks_per_group, 256);
	EDIT(s_clusters_per_group, 256);
	EDIT(s_inodes_per_group, 16);
	EDIT(s_inodes_count, 16 * GROUPS);
	EDIT(s_blocks_count_lo, 256 * GROUPS);
	expect(&rw, -MP_ENOMEM, "no room in the pool");
}

TEST(read_only_mount_writes_nothing)
{
	struct fs_attr attr;
	struct exec *x;
	char before[200], after[200];

	fixture_make(64, NULL, NULL);
	x = fixture_mount();
	mk(x, FS_ROOT, "f");
	fixture_unmount_check();
	CHECK_OK(fixture_run(before, sizeof(before), "sha256sum '%s'"));
	CHECK_OK(fixture_try_mount(&ro));
	x = fixture_exec();
	CHECK(look(x, FS_ROOT, "f"));
	CHECK_ERR(fs_mknod(x, FS_ROOT, nm("g"), REG, 0, false, &attr), -MP_EROFS);
	CHECK_ERR(fs_unlink(x, FS_ROOT, nm("f")), -MP_EROFS);
	CHECK_ERR(mv(x, FS_ROOT, "f", FS_ROOT, "h", 0), -MP_EROFS);
	CHECK_ERR(fs_setxattr(x, FS_ROOT, nm("user.a"), "b", 1, 0), -MP_EROFS);
	fixture_unmount();
	CHECK_OK(fixture_run(after, sizeof(after), "sha256sum '%s'"));
	CHECK(!strcmp(before, after));
}

TEST(medium_says_in_use_until_unmount)
{
	struct ext4_super sb;
	struct exec *x;

	fixture_make(64, NULL, NULL);
	x = fixture_mount();
	read_at(1024, &sb, sizeof(sb));
	CHECK(sb.s_feature_incompat & EXT4_INCOMPAT_RECOVER);
	CHECK_EQ(sb.s_mnt_count, 1);
	mk(x, FS_ROOT, "f");
	CHECK_OK(fs_sync(x));
	read_at(1024, &sb, sizeof(sb));
	CHECK(sb.s_feature_incompat & EXT4_INCOMPAT_RECOVER);
	fixture_crash();
	expect(&broken, 0, NULL); /* as it is: the name is in the log only */
	x = fixture_mount();
	CHECK(look(x, FS_ROOT, "f"));
	fixture_unmount_check();
	read_at(1024, &sb, sizeof(sb));
	CHECK(sb.s_state & EXT4_STATE_VALID);
	CHECK(!(sb.s_feature_incompat & EXT4_INCOMPAT_RECOVER));
}

/* Without a journal only the state tells of a crash. */
TEST(medium_without_a_journal_says_in_use_until_unmount)
{
	struct ext4_super sb;
	struct exec *x;

	fixture_make(64, "-O ^has_journal", NULL);
	x = fixture_mount();
	read_at(1024, &sb, sizeof(sb));
	CHECK(!(sb.s_state & EXT4_STATE_VALID));
	mk(x, FS_ROOT, "f");
	CHECK_OK(fs_sync(x));
	read_at(1024, &sb, sizeof(sb));
	CHECK(!(sb.s_state & EXT4_STATE_VALID));
	fixture_crash();
	expect(&rw, -MP_EBUSY, "not unmounted cleanly");
	expect(&ro, 0, NULL);
	shell(PATH "e2fsck -fy '%s' 2>&1 || test $? = 1");
	x = fixture_mount();
	CHECK(look(x, FS_ROOT, "f"));
	fixture_unmount_check();
	read_at(1024, &sb, sizeof(sb));
	CHECK(sb.s_state & EXT4_STATE_VALID);
}

/* But for the blocks that the kernel keeps back for delayed allocation, which is not done here. */
TEST(totals_and_statfs_equal_those_of_the_kernel)
{
	char out[300], want[300];
	struct fs_statfs s;
	struct exec *x;
	char name[32];
	u32 i;

	fixture_make(300, NULL, NULL);
	x = fixture_mount();
	for (i = 0; i < 200; i++) {
		snprintf(name, sizeof(name), "d%u", i);
		mkd(x, FS_ROOT, name);
	}
	x = fixture_remount();
	CHECK_OK(fs_statfs(x, &s));
	fixture_unmount_check();
	CHECK_OK(fixture_run(out, sizeof(out),
			     "m=$(mktemp -d); mount -o loop,ro '%s' $m && "
			     "stat -f -c '%b %f %c %d %l' $m; umount $m; rmdir $m"));
	snprintf(want, sizeof(want), "%llu %llu %llu %llu %u\n", (unsigned long long)s.blocks,
		 (unsigned long long)s.bfree, (unsigned long long)s.files,
		 (unsigned long long)s.ffree, s.namelen);
	CHECK_EQ(s.bavail, s.bfree - 300 * 256 / 20);
	if (strcmp(out, want))
		test_fail(__FILE__, __LINE__, "statfs: %s, the kernel's: %s", want, out);
}

TEST(backup_superblocks_stay_untouched)
{
	char before[200], after[200];
	struct exec *x;

	fixture_make(300, NULL, NULL);
	CHECK_OK(fixture_run(before, sizeof(before),
			     "dd if='%s' bs=4096 skip=32768 count=2 status=none | sha256sum"));
	x = fixture_mount();
	mkd(x, FS_ROOT, "d");
	fixture_unmount_check();
	CHECK_OK(fixture_run(after, sizeof(after),
			     "dd if='%s' bs=4096 skip=32768 count=2 status=none | sha256sum"));
	CHECK(!strcmp(before, after));
}

TEST(error_is_recorded_and_turns_read_only)
{
	struct ext4_super sb;
	struct fs_attr attr;
	struct exec *x;
	char out[200];
	u8 junk = 0x5A;

	fixture_make(64, "-e remount-ro", NULL);
	x = fixture_mount();
	mkd(x, FS_ROOT, "d");
	fixture_unmount_check();
	CHECK_OK(fixture_run(out, sizeof(out), PATH "debugfs -R 'bmap /d 0' '%s' 2>/dev/null"));
	write_at(atol(out) * 4096 + 100, &junk, 1);
	x = fixture_mount();
	CHECK_ERR(fs_lookup(x, look(x, FS_ROOT, "d"), nm("f"), &attr), -MP_EUCLEAN);
	CHECK_ERR(fs_mknod(x, FS_ROOT, nm("g"), REG, 0, false, &attr), -MP_EROFS);
	CHECK(look(x, FS_ROOT, "lost+found"));
	fixture_unmount();
	read_at(1024, &sb, sizeof(sb));
	CHECK(sb.s_state & EXT4_STATE_ERROR);
	CHECK(!(sb.s_state & EXT4_STATE_VALID));
	expect(&rw, -MP_EUCLEAN, "has errors");
	expect(&ro, 0, NULL);
	shell(PATH "e2fsck -fy '%s' 2>&1 || test $? = 1");
	expect(&rw, 0, NULL);
}
