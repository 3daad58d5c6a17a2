/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ext4 as it is on the medium, and nothing but the format.
 * Source: Documentation/filesystems/ext4/ of Linux 6.1 (package linux-source-6.1).
 */
#ifndef MPDISK_EXT4_H
#define MPDISK_EXT4_H

#include "platform/types.h"

#define EXT4_MAGIC 0xEF53u
#define EXT4_SUPER_OFFSET 1024u
#define EXT4_ROOT_INO 2u
#define EXT4_RESIZE_INO 7u
#define EXT4_JOURNAL_INO 8u
#define EXT4_NAME_MAX 255u
#define EXT4_LINK_MAX 65000u

/* s_state */
#define EXT4_STATE_VALID 0x0001u
#define EXT4_STATE_ERROR 0x0002u
#define EXT4_STATE_ORPHAN 0x0004u

/* s_feature_compat */
#define EXT4_COMPAT_DIR_PREALLOC 0x0001u
#define EXT4_COMPAT_IMAGIC 0x0002u
#define EXT4_COMPAT_HAS_JOURNAL 0x0004u
#define EXT4_COMPAT_EXT_ATTR 0x0008u
#define EXT4_COMPAT_RESIZE_INODE 0x0010u
#define EXT4_COMPAT_DIR_INDEX 0x0020u
#define EXT4_COMPAT_SPARSE_SUPER2 0x0200u
#define EXT4_COMPAT_FAST_COMMIT 0x0400u
#define EXT4_COMPAT_STABLE_INODES 0x0800u
#define EXT4_COMPAT_ORPHAN_FILE 0x1000u

/* s_feature_incompat */
#define EXT4_INCOMPAT_COMPRESSION 0x00001u
#define EXT4_INCOMPAT_FILETYPE 0x00002u
#define EXT4_INCOMPAT_RECOVER 0x00004u
#define EXT4_INCOMPAT_JOURNAL_DEV 0x00008u
#define EXT4_INCOMPAT_META_BG 0x00010u
#define EXT4_INCOMPAT_EXTENTS 0x00040u
#define EXT4_INCOMPAT_64BIT 0x00080u
#define EXT4_INCOMPAT_MMP 0x00100u
#define EXT4_INCOMPAT_FLEX_BG 0x00200u
#define EXT4_INCOMPAT_EA_INODE 0x00400u
#define EXT4_INCOMPAT_DIRDATA 0x01000u
#define EXT4_INCOMPAT_CSUM_SEED 0x02000u
#define EXT4_INCOMPAT_LARGEDIR 0x04000u
#define EXT4_INCOMPAT_INLINE_DATA 0x08000u
#define EXT4_INCOMPAT_ENCRYPT 0x10000u
#define EXT4_INCOMPAT_CASEFOLD 0x20000u

/* s_feature_ro_compat */
#define EXT4_RO_SPARSE_SUPER 0x0001u
#define EXT4_RO_LARGE_FILE 0x0002u
#define EXT4_RO_BTREE_DIR 0x0004u
#define EXT4_RO_HUGE_FILE 0x0008u
#define EXT4_RO_GDT_CSUM 0x0010u
#define EXT4_RO_DIR_NLINK 0x0020u
#define EXT4_RO_EXTRA_ISIZE 0x0040u
#define EXT4_RO_QUOTA 0x0100u
#define EXT4_RO_BIGALLOC 0x0200u
#define EXT4_RO_METADATA_CSUM 0x0400u
#define EXT4_RO_READONLY 0x1000u
#define EXT4_RO_PROJECT 0x2000u
#define EXT4_RO_VERITY 0x8000u
#define EXT4_RO_ORPHAN_PRESENT 0x10000u

/* s_flags */
#define EXT4_FLAG_SIGNED_HASH 0x0001u
#define EXT4_FLAG_UNSIGNED_HASH 0x0002u

struct ext4_super {
	u32 s_inodes_count;
	u32 s_blocks_count_lo;
	u32 s_r_blocks_count_lo;
	u32 s_free_blocks_count_lo;
	u32 s_free_inodes_count;
	u32 s_first_data_block;
	u32 s_log_block_size;
	u32 s_log_cluster_size;
	u32 s_blocks_per_group;
	u32 s_clusters_per_group;
	u32 s_inodes_per_group;
	u32 s_mtime;
	u32 s_wtime;
	u16 s_mnt_count;
	u16 s_max_mnt_count;
	u16 s_magic;
	u16 s_state;
	u16 s_errors;
	u16 s_minor_rev_level;
	u32 s_lastcheck;
	u32 s_checkinterval;
	u32 s_creator_os;
	u32 s_rev_level;
	u16 s_def_resuid;
	u16 s_def_resgid;
	u32 s_first_ino;
	u16 s_inode_size;
	u16 s_block_group_nr;
	u32 s_feature_compat;
	u32 s_feature_incompat;
	u32 s_feature_ro_compat;
	u8 s_uuid[16];
	u8 s_volume_name[16];
	u8 s_last_mounted[64];
	u32 s_algorithm_usage_bitmap;
	u8 s_prealloc_blocks;
	u8 s_prealloc_dir_blocks;
	u16 s_reserved_gdt_blocks;
	u8 s_journal_uuid[16];
	u32 s_journal_inum;
	u32 s_journal_dev;
	u32 s_last_orphan;
	u32 s_hash_seed[4];
	u8 s_def_hash_version;
	u8 s_jnl_backup_type;
	u16 s_desc_size;
	u32 s_default_mount_opts;
	u32 s_first_meta_bg;
	u32 s_mkfs_time;
	u32 s_jnl_blocks[17];
	u32 s_blocks_count_hi;
	u32 s_r_blocks_count_hi;
	u32 s_free_blocks_count_hi;
	u16 s_min_extra_isize;
	u16 s_want_extra_isize;
	u32 s_flags;
	u16 s_raid_stride;
	u16 s_mmp_interval;
	u64 s_mmp_block;
	u32 s_raid_stripe_width;
	u8 s_log_groups_per_flex;
	u8 s_checksum_type;
	u16 s_reserved_pad;
	u64 s_kbytes_written;
	u32 s_snapshot_inum;
	u32 s_snapshot_id;
	u64 s_snapshot_r_blocks_count;
	u32 s_snapshot_list;
	u32 s_error_count;
	u32 s_first_error_time;
	u32 s_first_error_ino;
	u64 s_first_error_block;
	u8 s_first_error_func[32];
	u32 s_first_error_line;
	u32 s_last_error_time;
	u32 s_last_error_ino;
	u32 s_last_error_line;
	u64 s_last_error_block;
	u8 s_last_error_func[32];
	u8 s_mount_opts[64];
	u32 s_usr_quota_inum;
	u32 s_grp_quota_inum;
	u32 s_overhead_clusters;
	u32 s_backup_bgs[2];
	u8 s_encrypt_algos[4];
	u8 s_encrypt_pw_salt[16];
	u32 s_lpf_ino;
	u32 s_prj_quota_inum;
	u32 s_checksum_seed;
	u8 s_wtime_hi;
	u8 s_mtime_hi;
	u8 s_mkfs_time_hi;
	u8 s_lastcheck_hi;
	u8 s_first_error_time_hi;
	u8 s_last_error_time_hi;
	u8 s_first_error_errcode;
	u8 s_last_error_errcode;
	u16 s_encoding;
	u16 s_encoding_flags;
	u32 s_orphan_file_inum;
	u32 s_reserved[94];
	u32 s_checksum;
};
_Static_assert(sizeof(struct ext4_super) == 1024, "ext4_super");
_Static_assert(offsetof(struct ext4_super, s_checksum) == 0x3fc, "ext4_super");
_Static_assert(offsetof(struct ext4_super, s_blocks_count_hi) == 0x150, "ext4_super");
_Static_assert(offsetof(struct ext4_super, s_error_count) == 0x194, "ext4_super");
_Static_assert(offsetof(struct ext4_super, s_checksum_seed) == 0x270, "ext4_super");

/* bg_flags */
#define EXT4_BG_INODE_UNINIT 0x1u
#define EXT4_BG_BLOCK_UNINIT 0x2u
#define EXT4_BG_INODE_ZEROED 0x4u

/* Group descriptor; the first 32 bytes only where s_desc_size is 32. */
struct ext4_group_desc {
	u32 bg_block_bitmap_lo;
	u32 bg_inode_bitmap_lo;
	u32 bg_inode_table_lo;
	u16 bg_free_blocks_count_lo;
	u16 bg_free_inodes_count_lo;
	u16 bg_used_dirs_count_lo;
	u16 bg_flags;
	u32 bg_exclude_bitmap_lo;
	u16 bg_block_bitmap_csum_lo;
	u16 bg_inode_bitmap_csum_lo;
	u16 bg_itable_unused_lo;
	u16 bg_checksum;
	u32 bg_block_bitmap_hi;
	u32 bg_inode_bitmap_hi;
	u32 bg_inode_table_hi;
	u16 bg_free_blocks_count_hi;
	u16 bg_free_inodes_count_hi;
	u16 bg_used_dirs_count_hi;
	u16 bg_itable_unused_hi;
	u32 bg_exclude_bitmap_hi;
	u16 bg_block_bitmap_csum_hi;
	u16 bg_inode_bitmap_csum_hi;
	u32 bg_reserved;
};
_Static_assert(sizeof(struct ext4_group_desc) == 64, "ext4_group_desc");

/* i_mode */
#define EXT4_S_IFMT 0xF000u
#define EXT4_S_IFSOCK 0xC000u
#define EXT4_S_IFLNK 0xA000u
#define EXT4_S_IFREG 0x8000u
#define EXT4_S_IFBLK 0x6000u
#define EXT4_S_IFDIR 0x4000u
#define EXT4_S_IFCHR 0x2000u
#define EXT4_S_IFIFO 0x1000u
#define EXT4_S_ISUID 0x0800u
#define EXT4_S_ISGID 0x0400u
#define EXT4_S_ISVTX 0x0200u

/* i_flags */
#define EXT4_FL_SYNC 0x00000008u
#define EXT4_FL_IMMUTABLE 0x00000010u
#define EXT4_FL_APPEND 0x00000020u
#define EXT4_FL_INDEX 0x00001000u
#define EXT4_FL_HUGE_FILE 0x00040000u
#define EXT4_FL_EXTENTS 0x00080000u
#define EXT4_FL_EA_INODE 0x00200000u
#define EXT4_FL_INLINE_DATA 0x10000000u
#define EXT4_FL_USER_VISIBLE 0x705BDFFFu

struct ext4_inode { /* 160 bytes used; in-inode xattrs follow at 128 + i_extra_isize */
	u16 i_mode;
	u16 i_uid;
	u32 i_size_lo;
	u32 i_atime;
	u32 i_ctime;
	u32 i_mtime;
	u32 i_dtime;
	u16 i_gid;
	u16 i_links_count;
	u32 i_blocks_lo;
	u32 i_flags;
	u32 i_version;
	u32 i_block[15];
	u32 i_generation;
	u32 i_file_acl_lo;
	u32 i_size_high;
	u32 i_obso_faddr;
	u16 i_blocks_high;
	u16 i_file_acl_high;
	u16 i_uid_high;
	u16 i_gid_high;
	u16 i_checksum_lo;
	u16 i_reserved;
	u16 i_extra_isize;
	u16 i_checksum_hi;
	u32 i_ctime_extra;
	u32 i_mtime_extra;
	u32 i_atime_extra;
	u32 i_crtime;
	u32 i_crtime_extra;
	u32 i_version_hi;
	u32 i_projid;
};
_Static_assert(sizeof(struct ext4_inode) == 160, "ext4_inode");

/* Extent tree: header, then entries; in i_block (4 entries) or in a block with a tail checksum. */
#define EXT4_EXT_MAGIC 0xF30Au
#define EXT4_EXT_MAX_DEPTH 5u
#define EXT4_EXT_INIT_MAX 32768u /* ee_len above: unwritten, length ee_len - 32768 */
struct ext4_extent_header {
	u16 eh_magic;
	u16 eh_entries;
	u16 eh_max;
	u16 eh_depth;
	u32 eh_generation;
};
struct ext4_extent_idx {
	u32 ei_block;
	u32 ei_leaf_lo;
	u16 ei_leaf_hi;
	u16 ei_unused;
};
struct ext4_extent {
	u32 ee_block;
	u16 ee_len;
	u16 ee_start_hi;
	u32 ee_start_lo;
};
_Static_assert(sizeof(struct ext4_extent_header) == 12, "ext4_extent_header");
_Static_assert(sizeof(struct ext4_extent_idx) == 12, "ext4_extent_idx");
_Static_assert(sizeof(struct ext4_extent) == 12, "ext4_extent");

/* Directory entries */
enum ext4_file_type {
	EXT4_FT_UNKNOWN,
	EXT4_FT_REG,
	EXT4_FT_DIR,
	EXT4_FT_CHR,
	EXT4_FT_BLK,
	EXT4_FT_FIFO,
	EXT4_FT_SOCK,
	EXT4_FT_LNK,
};
struct ext4_dirent {
	u32 inode; /* 0: unused */
	u16 rec_len;
	u8 name_len;
	u8 file_type;
	u8 name[];
};
struct ext4_dirent_tail { /* the last 12 bytes of a leaf block */
	u32 det_reserved_zero1;
	u16 det_rec_len; /* 12 */
	u8 det_reserved_zero2;
	u8 det_reserved_ft; /* 0xDE */
	u32 det_checksum;
};
_Static_assert(sizeof(struct ext4_dirent_tail) == 12, "ext4_dirent_tail");
#define EXT4_DIRENT_LEN(name_len) (((name_len) + 8u + 3u) & ~3u)

/* htree: root in block 0 of the directory after "." and "..", nodes behind an empty dirent */
enum ext4_dx_hash {
	EXT4_DX_LEGACY,
	EXT4_DX_HALF_MD4,
	EXT4_DX_TEA,
	EXT4_DX_LEGACY_UNSIGNED,
	EXT4_DX_HALF_MD4_UNSIGNED,
	EXT4_DX_TEA_UNSIGNED,
	EXT4_DX_SIPHASH,
};
struct ext4_dx_root_info { /* at byte 24 of the root block */
	u32 reserved_zero;
	u8 hash_version;
	u8 info_length; /* 8 */
	u8 indirect_levels;
	u8 unused_flags;
};
struct ext4_dx_entry { /* entry 0's hash holds limit (low 16) and count (high 16) */
	u32 hash;
	u32 block;
};
struct ext4_dx_tail { /* after `limit` entries */
	u32 dt_reserved;
	u32 dt_checksum;
};

/* Extended attributes */
#define EXT4_XATTR_MAGIC 0xEA020000u
struct ext4_xattr_header { /* of a block; in an inode only h_magic */
	u32 h_magic;
	u32 h_refcount;
	u32 h_blocks;
	u32 h_hash;
	u32 h_checksum;
	u32 h_reserved[3];
};
struct ext4_xattr_entry {
	u8 e_name_len;
	u8 e_name_index;
	u16 e_value_offs;
	u32 e_value_inum;
	u32 e_value_size;
	u32 e_hash;
	u8 e_name[];
};
_Static_assert(sizeof(struct ext4_xattr_header) == 32, "ext4_xattr_header");
_Static_assert(sizeof(struct ext4_xattr_entry) == 16, "ext4_xattr_entry");
enum ext4_xattr_index {
	EXT4_XATTR_USER = 1,
	EXT4_XATTR_ACL_ACCESS = 2,
	EXT4_XATTR_ACL_DEFAULT = 3,
	EXT4_XATTR_TRUSTED = 4,
	EXT4_XATTR_SECURITY = 6,
	EXT4_XATTR_SYSTEM = 7,
};

#endif
