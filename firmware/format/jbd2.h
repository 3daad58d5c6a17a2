/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The journal as it is on the medium, and nothing but the format. Everything is big-endian.
 * Source: Documentation/filesystems/ext4/journal.rst of Linux 6.1 (package linux-source-6.1).
 */
#ifndef MPDISK_JBD2_H
#define MPDISK_JBD2_H

#include "platform/types.h"

typedef u32 be32_t;
typedef u16 be16_t;

static inline u32 be32_get(be32_t v)
{
	return __builtin_bswap32(v);
}

static inline be32_t be32_put(u32 v)
{
	return __builtin_bswap32(v);
}

static inline u16 be16_get(be16_t v)
{
	return __builtin_bswap16(v);
}

static inline be16_t be16_put(u16 v)
{
	return __builtin_bswap16(v);
}

#define JBD2_MAGIC 0xC03B3998u

enum jbd2_block_type {
	JBD2_DESCRIPTOR = 1,
	JBD2_COMMIT = 2,
	JBD2_SUPER_V1 = 3,
	JBD2_SUPER_V2 = 4,
	JBD2_REVOKE = 5,
};

/* s_feature_compat */
#define JBD2_COMPAT_CHECKSUM 0x1u
/* s_feature_incompat */
#define JBD2_INCOMPAT_REVOKE 0x01u
#define JBD2_INCOMPAT_64BIT 0x02u
#define JBD2_INCOMPAT_ASYNC_COMMIT 0x04u
#define JBD2_INCOMPAT_CSUM_V2 0x08u
#define JBD2_INCOMPAT_CSUM_V3 0x10u
#define JBD2_INCOMPAT_FAST_COMMIT 0x20u

/* s_checksum_type, h_chksum_type */
#define JBD2_CRC32 1u
#define JBD2_CRC32C 4u

struct jbd2_header { /* of every block of the log but the copies */
	be32_t h_magic;
	be32_t h_blocktype;
	be32_t h_sequence;
};
_Static_assert(sizeof(struct jbd2_header) == 12, "jbd2_header");

struct jbd2_super { /* block 0 of the journal, its first 1024 bytes */
	struct jbd2_header s_header;
	be32_t s_blocksize;
	be32_t s_maxlen; /* blocks of the journal, this one included */
	be32_t s_first;  /* first block of the log */
	be32_t s_sequence;
	be32_t s_start;          /* first block of the oldest transaction; 0: none */
	be32_t s_errno;          /* of an aborted journal: a negative errno */
	be32_t s_feature_compat; /* from here on: version 2 */
	be32_t s_feature_incompat;
	be32_t s_feature_ro_compat;
	u8 s_uuid[16];
	be32_t s_nr_users;
	be32_t s_dynsuper;
	be32_t s_max_transaction;
	be32_t s_max_trans_data;
	u8 s_checksum_type;
	u8 s_padding2[3];
	be32_t s_num_fc_blocks;
	be32_t s_head;
	be32_t s_padding[40];
	be32_t s_checksum; /* crc32c(~0) of the 1024 bytes, with this field 0 */
	u8 s_users[16 * 48];
};
_Static_assert(sizeof(struct jbd2_super) == 1024, "jbd2_super");
_Static_assert(offsetof(struct jbd2_super, s_uuid) == 0x30, "jbd2_super");
_Static_assert(offsetof(struct jbd2_super, s_checksum) == 0xFC, "jbd2_super");

/* t_flags */
#define JBD2_TAG_ESCAPE 0x1u    /* the copy begins with the magic, which is written as 0 */
#define JBD2_TAG_SAME_UUID 0x2u /* no uuid follows the tag */
#define JBD2_TAG_DELETED 0x4u
#define JBD2_TAG_LAST 0x8u

/* A descriptor block: header, tags, (with CSUM_V2 or V3) tail. The n-th tag stands for the n-th
 * block behind the descriptor. A tag without SAME_UUID is followed by 16 bytes of uuid. */
struct jbd2_tag3 { /* with CSUM_V3 */
	be32_t t_blocknr;
	be32_t t_flags;
	be32_t t_blocknr_high;
	be32_t t_checksum; /* crc32c(seed of the uuid) of the sequence and the copy as written */
};
_Static_assert(sizeof(struct jbd2_tag3) == 16, "jbd2_tag3");

struct jbd2_tag { /* else: 8 bytes, 12 with 64BIT; with CSUM_V2, 2 more that nobody uses */
	be32_t t_blocknr;
	be16_t t_checksum; /* low half, with CSUM_V2 */
	be16_t t_flags;
	be32_t t_blocknr_high;
};
_Static_assert(sizeof(struct jbd2_tag) == 12, "jbd2_tag");

static inline u32 jbd2_tag_size(u32 incompat)
{
	if (incompat & JBD2_INCOMPAT_CSUM_V3)
		return sizeof(struct jbd2_tag3);
	return (incompat & JBD2_INCOMPAT_64BIT ? 12u : 8u) +
	       (incompat & JBD2_INCOMPAT_CSUM_V2 ? 2u : 0u);
}

struct jbd2_revoke { /* followed by block numbers of 4 or (64BIT) 8 bytes, and a tail */
	struct jbd2_header r_header;
	be32_t r_count; /* bytes in use, this header included */
};
_Static_assert(sizeof(struct jbd2_revoke) == 16, "jbd2_revoke");

struct jbd2_tail {         /* the last bytes of descriptor and revoke blocks, with CSUM_V2 or V3 */
	be32_t t_checksum; /* crc32c(seed of the uuid) of the block with this field 0 */
};

struct jbd2_commit {
	struct jbd2_header h_header;
	u8 h_chksum_type;
	u8 h_chksum_size;
	u8 h_padding[2];
	/* [0], with CSUM_V2 or V3: crc32c(seed of the uuid) of the block with this field 0; with
	 * COMPAT_CHECKSUM: crc32 of all blocks of the transaction */
	be32_t h_chksum[8];
	be32_t h_commit_sec_hi;
	be32_t h_commit_sec_lo;
	be32_t h_commit_nsec;
};
_Static_assert(sizeof(struct jbd2_commit) == 60, "jbd2_commit");

#endif
