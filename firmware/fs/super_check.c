/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is read of a superblock before anything of it is believed, and why a mount is refused.
 * Layer: below super.c. Source: Documentation/filesystems/ext4/super.rst.
 *
 * Order: magic, revision, checksum, block size, features, geometry, state: so that the message
 * names the first thing that a person can do something about.
 */
#include "platform/errno.h"
#include "fs/super.h"

#define KNOWN_COMPAT                                                                               \
	(EXT4_COMPAT_DIR_PREALLOC | EXT4_COMPAT_HAS_JOURNAL | EXT4_COMPAT_EXT_ATTR |               \
	 EXT4_COMPAT_RESIZE_INODE | EXT4_COMPAT_DIR_INDEX | EXT4_COMPAT_STABLE_INODES)
#define KNOWN_INCOMPAT                                                                             \
	(EXT4_INCOMPAT_FILETYPE | EXT4_INCOMPAT_EXTENTS | EXT4_INCOMPAT_64BIT |                    \
	 EXT4_INCOMPAT_FLEX_BG | EXT4_INCOMPAT_CSUM_SEED | EXT4_INCOMPAT_LARGEDIR)
#define KNOWN_RO                                                                                   \
	(EXT4_RO_SPARSE_SUPER | EXT4_RO_LARGE_FILE | EXT4_RO_HUGE_FILE | EXT4_RO_DIR_NLINK |       \
	 EXT4_RO_EXTRA_ISIZE | EXT4_RO_METADATA_CSUM)

struct feature_name {
	u32 bit;
	char name[20];
};

static const struct feature_name compat_names[] = {
	{EXT4_COMPAT_IMAGIC, "imagic_inodes"},    {EXT4_COMPAT_SPARSE_SUPER2, "sparse_super2"},
	{EXT4_COMPAT_FAST_COMMIT, "fast_commit"}, {EXT4_COMPAT_STABLE_INODES, "stable_inodes"},
	{EXT4_COMPAT_ORPHAN_FILE, "orphan_file"},
};

static const struct feature_name incompat_names[] = {
	{EXT4_INCOMPAT_COMPRESSION, "compression"}, {EXT4_INCOMPAT_JOURNAL_DEV, "journal_dev"},
	{EXT4_INCOMPAT_META_BG, "meta_bg"},         {EXT4_INCOMPAT_MMP, "mmp"},
	{EXT4_INCOMPAT_EA_INODE, "ea_inode"},       {EXT4_INCOMPAT_DIRDATA, "dirdata"},
	{EXT4_INCOMPAT_INLINE_DATA, "inline_data"}, {EXT4_INCOMPAT_ENCRYPT, "encrypt"},
	{EXT4_INCOMPAT_CASEFOLD, "casefold"},
};

static const struct feature_name ro_names[] = {
	{EXT4_RO_BTREE_DIR, "btree_dir"}, {EXT4_RO_GDT_CSUM, "uninit_bg"},
	{EXT4_RO_QUOTA, "quota"},         {EXT4_RO_BIGALLOC, "bigalloc"},
	{EXT4_RO_READONLY, "read-only"},  {EXT4_RO_PROJECT, "project"},
	{EXT4_RO_VERITY, "verity"},       {EXT4_RO_ORPHAN_PRESENT, "orphan_present"},
};

/* Logs the name of every bit. */
static void name_features(struct exec *x, u32 bits, const struct feature_name *names, u32 n,
			  const char *why)
{
	u32 bit, i;

	for (bit = 1; bit; bit <<= 1) {
		if (!(bits & bit))
			continue;
		for (i = 0; i < n && names[i].bit != bit; i++)
			;
		if (i < n)
			plat_log(x->plat, PLAT_ERR, "mount: feature %s %s", names[i].name, why);
		else
			plat_log(x->plat, PLAT_ERR, "mount: unknown feature bit 0x%x %s", bit, why);
	}
}

static int check_features(struct exec *x, const struct ext4_super *sb, bool read_only)
{
	u32 incompat = sb->s_feature_incompat & ~(KNOWN_INCOMPAT | EXT4_INCOMPAT_RECOVER);
	u32 ro = sb->s_feature_ro_compat & ~KNOWN_RO;
	u32 compat = sb->s_feature_compat & ~KNOWN_COMPAT;
	const char *why = read_only ? "is not supported: read-only it does no harm"
				    : "is not supported: it can be mounted read-only only";
	const bool fast_commit = compat & EXT4_COMPAT_FAST_COMMIT && !read_only;

	if (incompat) {
		name_features(x, incompat, incompat_names, array_size(incompat_names),
			      "is not supported");
		return -MP_EOPNOTSUPP;
	}
	if (!(sb->s_feature_incompat & EXT4_INCOMPAT_EXTENTS)) {
		plat_log(x->plat, PLAT_ERR,
			 "mount: feature extent is missing: ext2 and ext3 are "
			 "not supported");
		return -MP_EOPNOTSUPP;
	}
	if (ro || compat) {
		name_features(x, ro, ro_names, array_size(ro_names), why);
		name_features(x, compat, compat_names, array_size(compat_names), why);
		if (fast_commit)
			plat_log(x->plat, PLAT_ERR,
				 "mount: tune2fs -O ^fast_commit IMAGE takes it away");
		if (!read_only)
			return -MP_EOPNOTSUPP;
	}
	if ((sb->s_feature_compat & EXT4_COMPAT_HAS_JOURNAL) && !sb->s_journal_inum) {
		plat_log(x->plat, PLAT_ERR, "mount: external journals are not supported");
		return -MP_EOPNOTSUPP;
	}
	return 0;
}

int super_check_state(struct exec *x, const struct ext4_super *sb, bool read_only)
{
	bool error = sb->s_state & EXT4_STATE_ERROR;

	if ((sb->s_state & EXT4_STATE_VALID) && !error)
		return 0;
	plat_log(
		x->plat, read_only ? PLAT_WARN : PLAT_ERR,
		error ? "mount: the filesystem has errors (%u counted, state 0x%x)%s"
		      : "mount: the filesystem was not unmounted cleanly (%u errors, state 0x%x)%s",
		sb->s_error_count, sb->s_state,
		read_only ? "" : ": run e2fsck -f IMAGE, or mount it read-only");
	if (read_only)
		return 0;
	return error ? -MP_EUCLEAN : -MP_EBUSY;
}

static bool power_of_two(u32 n)
{
	return n && !(n & (n - 1));
}

static int nonsense(struct exec *x, const char *field, u64 value)
{
	plat_log(x->plat, PLAT_ERR, "mount: the superblock makes no sense: %s is %llu", field,
		 (unsigned long long)value);
	return -MP_EUCLEAN;
}

static int check_geometry(struct exec *x, const struct ext4_super *sb, blkno_t medium)
{
	bool wide = sb->s_feature_incompat & EXT4_INCOMPAT_64BIT;
	bool bigalloc = sb->s_feature_ro_compat & EXT4_RO_BIGALLOC;
	u64 blocks = sb->s_blocks_count_lo | (wide ? (u64)sb->s_blocks_count_hi << 32 : 0);
	u32 bpg = sb->s_blocks_per_group, ipg = sb->s_inodes_per_group;
	u64 groups;

	if (sb->s_inode_size < 256 || sb->s_inode_size > BLOCK_SIZE ||
	    !power_of_two(sb->s_inode_size)) {
		plat_log(x->plat, PLAT_ERR, "mount: inode size %u: 256 to 4096 are supported",
			 sb->s_inode_size);
		return sb->s_inode_size == 128 ? -MP_EOPNOTSUPP : -MP_EUCLEAN;
	}
	if (wide &&
	    (sb->s_desc_size < 64 || sb->s_desc_size > 1024 || !power_of_two(sb->s_desc_size)))
		return nonsense(x, "s_desc_size", sb->s_desc_size);
	if (sb->s_first_data_block)
		return nonsense(x, "s_first_data_block", sb->s_first_data_block);
	if (!bigalloc && (bpg > 8 * BLOCK_SIZE || sb->s_clusters_per_group != bpg))
		return nonsense(x, "s_blocks_per_group", bpg);
	if (bpg < 256 || bpg % 8)
		return nonsense(x, "s_blocks_per_group", bpg);
	if (!ipg || ipg > 8 * BLOCK_SIZE || ipg % (BLOCK_SIZE / sb->s_inode_size))
		return nonsense(x, "s_inodes_per_group", ipg);
	if (ipg / (BLOCK_SIZE / sb->s_inode_size) >= bpg)
		return nonsense(x, "s_inodes_per_group", ipg);
	if (blocks < 64 || blocks >> 44)
		return nonsense(x, "s_blocks_count", blocks);
	groups = (blocks + bpg - 1) / bpg;
	if (groups > UINT32_MAX / ipg || sb->s_inodes_count != groups * ipg)
		return nonsense(x, "s_inodes_count", sb->s_inodes_count);
	if (sb->s_first_ino < 11 || sb->s_first_ino >= sb->s_inodes_count)
		return nonsense(x, "s_first_ino", sb->s_first_ino);
	if (sb->s_reserved_gdt_blocks > BLOCK_SIZE / 4)
		return nonsense(x, "s_reserved_gdt_blocks", sb->s_reserved_gdt_blocks);
	if (sb->s_log_groups_per_flex > 31)
		return nonsense(x, "s_log_groups_per_flex", sb->s_log_groups_per_flex);
	if (sb->s_want_extra_isize > sb->s_inode_size - 128u)
		return nonsense(x, "s_want_extra_isize", sb->s_want_extra_isize);
	if (sb->s_def_hash_version > EXT4_DX_TEA)
		return nonsense(x, "s_def_hash_version", sb->s_def_hash_version);
	if (blocks > medium) {
		plat_log(x->plat, PLAT_ERR,
			 "mount: the image is truncated: the filesystem has %llu blocks, the "
			 "medium %llu",
			 (unsigned long long)blocks, (unsigned long long)medium);
		return -MP_EUCLEAN;
	}
	return 0;
}

static u32 sum(struct exec *x, const struct ext4_super *sb)
{
	return plat_crc32c(x->plat, ~0u, sb, offsetof(struct ext4_super, s_checksum));
}

bool super_sum_good(struct exec *x, const struct ext4_super *sb)
{
	return !(sb->s_feature_ro_compat & EXT4_RO_METADATA_CSUM) || sb->s_checksum == sum(x, sb);
}

void super_seal(struct exec *x, struct ext4_super *sb)
{
	if (sb->s_feature_ro_compat & EXT4_RO_METADATA_CSUM)
		sb->s_checksum = sum(x, sb);
}

int super_check(struct exec *x, const struct ext4_super *sb, blkno_t medium, bool read_only,
		bool torn)
{
	int err;

	if (sb->s_magic != EXT4_MAGIC) {
		plat_log(x->plat, PLAT_ERR, "mount: not an ext4 image: magic 0x%04x", sb->s_magic);
		return -MP_EMEDIUMTYPE;
	}
	if (sb->s_rev_level != 1) {
		plat_log(x->plat, PLAT_ERR, "mount: ext4 revision %u: only 1 is supported",
			 sb->s_rev_level);
		return -MP_EMEDIUMTYPE;
	}
	if (sb->s_feature_ro_compat & EXT4_RO_METADATA_CSUM) {
		if (sb->s_checksum_type != 1) {
			plat_log(x->plat, PLAT_ERR,
				 "mount: checksum type %u: only crc32c (1) is "
				 "supported",
				 sb->s_checksum_type);
			return -MP_EUCLEAN;
		}
		if (!torn && !super_sum_good(x, sb)) {
			plat_log(x->plat, PLAT_ERR, "mount: bad checksum of the superblock: 0x%08x",
				 sb->s_checksum);
			return -MP_EUCLEAN;
		}
	}
	if (sb->s_log_block_size != 2) {
		plat_log(x->plat, PLAT_ERR, "mount: block size %u: only 4096 is supported",
			 sb->s_log_block_size < 22 ? 1024u << sb->s_log_block_size : 0);
		return sb->s_log_block_size <= 6 ? -MP_EMEDIUMTYPE : -MP_EUCLEAN;
	}
	err = check_features(x, sb, read_only);
	if (!err)
		err = check_geometry(x, sb, medium);
	return err;
}

static bool power_of(u32 n, u32 base)
{
	while (n > 1 && n % base == 0)
		n /= base;
	return n == 1;
}

bool group_has_super(const struct exec *x, u32 group)
{
	if (group <= 1 || !(fs_of(x)->feature_ro_compat & EXT4_RO_SPARSE_SUPER))
		return true;
	return (group & 1) && (power_of(group, 3) || power_of(group, 5) || power_of(group, 7));
}
