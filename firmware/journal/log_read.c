/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The log as it is on the medium: superblock, descriptors, revoke records, commit records, and the
 * checksums of all versions (log_read.h). Big-endian; nothing is believed before it was checked.
 */
#include "journal/log_read.h"

#include <string.h>

#include "format/jbd2.h"
#include "fs/super.h"
#include "platform/errno.h"

#define INCOMPAT_KNOWN                                                                             \
	(JBD2_INCOMPAT_REVOKE | JBD2_INCOMPAT_64BIT | JBD2_INCOMPAT_ASYNC_COMMIT |                 \
	 JBD2_INCOMPAT_CSUM_V2 | JBD2_INCOMPAT_CSUM_V3)
#define HEADER (u32)sizeof(struct jbd2_header)
#define TAIL (u32)sizeof(struct jbd2_tail)
#define UUID 16u
#define SUPER_SIZE (u32)sizeof(struct jbd2_super)
#define SUPER_SUM (u32) offsetof(struct jbd2_super, s_checksum)
#define COMMIT_SUM (u32) offsetof(struct jbd2_commit, h_chksum)
#define MIN_BLOCKS 1024u

/* Tags need not be aligned. */
static u32 be32(const u8 *p)
{
	return (u32)p[0] << 24 | (u32)p[1] << 16 | (u32)p[2] << 8 | p[3];
}

/* The checksum of bytes in which the four at `at` count as zero. */
static u32 sum_without(struct exec *x, u32 crc, const u8 *p, u32 len, u32 at)
{
	const u32 zero = 0;

	crc = plat_crc32c(x->plat, crc, p, at);
	crc = plat_crc32c(x->plat, crc, &zero, 4);
	return plat_crc32c(x->plat, crc, p + at + 4, len - at - 4);
}

u32 log_v1_sum(u32 crc, const void *data, u32 len)
{
	const u8 *p = data;
	u32 table[16];

	for (u32 i = 0; i < 16; i++) {
		table[i] = i << 28;
		for (u32 bit = 0; bit < 4; bit++)
			table[i] = table[i] << 1 ^ (table[i] >> 31 ? 0x04C11DB7u : 0);
	}
	while (len--) {
		crc = crc << 4 ^ table[crc >> 28 ^ *p >> 4];
		crc = crc << 4 ^ table[crc >> 28 ^ (*p++ & 15)];
	}
	return crc;
}

/* ---- the superblock */
static int refuse(struct exec *x, int err, const char *what, u32 value)
{
	plat_log(x->plat, PLAT_ERR, "journal: %s (0x%x): run e2fsck -f IMAGE", what, value);
	return err;
}

static int check_features(struct exec *x, struct log *log, const struct jbd2_super *sb)
{
	u32 compat = be32_get(sb->s_feature_compat), incompat = be32_get(sb->s_feature_incompat);

	if (!sb->s_start) /* e2fsck leaves it where there are none any more */
		incompat &= ~JBD2_INCOMPAT_FAST_COMMIT;
	if (incompat & JBD2_INCOMPAT_FAST_COMMIT)
		return refuse(x, -MP_EOPNOTSUPP, "feature fast_commit is not supported", incompat);
	if (incompat & ~INCOMPAT_KNOWN)
		return refuse(x, -MP_EOPNOTSUPP, "features that are not known",
			      incompat & ~INCOMPAT_KNOWN);
	if (sb->s_feature_ro_compat)
		return refuse(x, -MP_EOPNOTSUPP, "features that are not known",
			      be32_get(sb->s_feature_ro_compat));
	log->v1_csum = compat & JBD2_COMPAT_CHECKSUM;
	log->v2_csum = incompat & JBD2_INCOMPAT_CSUM_V2;
	log->v3_csum = incompat & JBD2_INCOMPAT_CSUM_V3;
	log->wide = incompat & JBD2_INCOMPAT_64BIT;
	log->async = incompat & JBD2_INCOMPAT_ASYNC_COMMIT;
	log->tag_size = jbd2_tag_size(incompat);
	if (log->v1_csum + log->v2_csum + log->v3_csum > 1)
		return refuse(x, -MP_EUCLEAN, "several kinds of checksums", incompat);
	if (!log_has_csum(log))
		return 0;
	if (sb->s_checksum_type != JBD2_CRC32C)
		return refuse(x, -MP_EUCLEAN, "its kind of checksum is not known",
			      sb->s_checksum_type);
	if (be32_get(sb->s_checksum) != sum_without(x, ~0u, (const u8 *)sb, SUPER_SIZE, SUPER_SUM))
		return refuse(x, -MP_EUCLEAN, "the checksum of its superblock is wrong",
			      be32_get(sb->s_checksum));
	log->csum_seed = plat_crc32c(x->plat, ~0u, sb->s_uuid, UUID);
	return 0;
}

static int check_super(struct exec *x, struct log *log, const struct jbd2_super *sb)
{
	u32 type = be32_get(sb->s_header.h_blocktype);
	int err = 0;

	if (be32_get(sb->s_header.h_magic) != JBD2_MAGIC ||
	    (type != JBD2_SUPER_V1 && type != JBD2_SUPER_V2))
		return refuse(x, -MP_EUCLEAN, "it has no superblock",
			      be32_get(sb->s_header.h_magic));
	if (be32_get(sb->s_blocksize) != BLOCK_SIZE)
		return refuse(x, -MP_EUCLEAN, "its block size makes no sense",
			      be32_get(sb->s_blocksize));
	log->tag_size = jbd2_tag_size(0);
	if (type == JBD2_SUPER_V2)
		err = check_features(x, log, sb);
	if (err)
		return err;
	log->first = be32_get(sb->s_first);
	log->last = be32_get(sb->s_maxlen);
	log->start = be32_get(sb->s_start);
	log->sequence = be32_get(sb->s_sequence);
	log->error = be32_get(sb->s_errno);
	if (log->last < MIN_BLOCKS || log->last > log->map.blocks)
		return refuse(x, -MP_EUCLEAN, "its length makes no sense", log->last);
	if (!log->first || log->first >= log->last)
		return refuse(x, -MP_EUCLEAN, "its first block makes no sense", log->first);
	if (log->start && (log->start < log->first || log->start >= log->last))
		return refuse(x, -MP_EUCLEAN, "its start makes no sense", log->start);
	return 0;
}

int log_open(struct exec *x, ino_no_t ino, struct scratch *s, struct log *log)
{
	u32 run;
	int err;

	memset(log, 0, sizeof(*log));
	err = log_map_load(x, ino, s, &log->map);
	if (!err)
		err = scratch_take(x, s, 1, &log->jsb);
	if (!err)
		err = scratch_take(x, s, 1, &log->desc);
	log->window_max = min_of(LOG_WINDOW, (s->end - s->next) / BLOCK_SIZE / 4);
	log->window_max = max_of(log->window_max, LOG_READ);
	if (!err)
		err = scratch_take(x, s, log->window_max, &log->window);
	if (!err)
		err = raw_io(x, PLAT_READ, log_map_find(x, &log->map, 0, &run), log->jsb, 1);
	return err ? err : check_super(x, log, exec_ptr(x, log->jsb));
}

int log_finish(struct exec *x, struct log *log, u32 sequence)
{
	struct jbd2_super *sb = exec_ptr(x, log->jsb);
	u32 run;

	sb->s_start = 0;
	sb->s_sequence = be32_put(sequence);
	if (log_has_csum(log))
		sb->s_checksum =
			be32_put(sum_without(x, ~0u, (const u8 *)sb, SUPER_SIZE, SUPER_SUM));
	return raw_io(x, PLAT_WRITE, log_map_find(x, &log->map, 0, &run), log->jsb, 1);
}

/* ---- blocks */
int log_block(struct exec *x, struct log *log, u32 pos, ref_t *out)
{
	blkno_t block;
	u32 run;
	int err;

	if (pos - log->window_at >= log->window_n) {
		block = log_map_find(x, &log->map, pos, &run);
		if (pos != log->window_at + log->window_n || log->window_n == log->window_max) {
			log->window_at = pos;
			log->window_n = 0;
		}
		run = min_of(run, min_of(log->last - pos, LOG_READ));
		run = min_of(run, log->window_max - log->window_n);
		err = raw_io(x, PLAT_READ, block, log->window + log->window_n * BLOCK_SIZE, run);
		if (err)
			return err;
		log->window_n += run;
	}
	*out = log->window + (pos - log->window_at) * BLOCK_SIZE;
	return 0;
}

static bool tail_good(struct exec *x, const struct log *log, const u8 *p)
{
	return !log_has_csum(log) ||
	       be32(p + BLOCK_SIZE - TAIL) ==
		       sum_without(x, log->csum_seed, p, BLOCK_SIZE, BLOCK_SIZE - TAIL);
}

int log_look(struct exec *x, struct log *log, const struct log_cursor *c, enum log_kind *kind,
	     bool *good)
{
	const u8 *p;
	ref_t ref;
	int err;

	*kind = LOG_END;
	*good = true;
	if (c->used >= log->last - log->first)
		return 0;
	err = log_block(x, log, c->pos, &ref);
	if (err)
		return err;
	p = exec_ptr(x, ref);
	if (be32(p) != JBD2_MAGIC || be32(p + 8) != c->tid)
		return 0;
	plat_copy(x->plat, exec_ptr(x, log->desc), p, BLOCK_SIZE);
	switch (be32(p + 4)) {
	case JBD2_DESCRIPTOR:
		*kind = LOG_DESCRIPTOR;
		*good = tail_good(x, log, p);
		break;
	case JBD2_REVOKE:
		*kind = LOG_REVOKE;
		*good = tail_good(x, log, p);
		break;
	case JBD2_COMMIT:
		*kind = LOG_COMMIT;
		break;
	default:
		break;
	}
	return 0;
}

bool log_commit_good(struct exec *x, const struct log *log, u32 v1_sum)
{
	const struct jbd2_commit *c = exec_ptr(x, log->desc);
	u32 sum = be32_get(c->h_chksum[0]);

	if (log_has_csum(log))
		return sum == sum_without(x, log->csum_seed, (const u8 *)c, BLOCK_SIZE, COMMIT_SUM);
	if (!log->v1_csum || (!c->h_chksum_type && !c->h_chksum_size && !sum))
		return true;
	return c->h_chksum_type == JBD2_CRC32 && c->h_chksum_size == 4 && sum == v1_sum;
}

/* ---- tags */
bool log_tag(struct exec *x, const struct log *log, u32 *at, struct log_tag *tag)
{
	u32 end = BLOCK_SIZE - (log_has_csum(log) ? TAIL : 0), off = *at ? *at : HEADER;
	const u8 *p = (const u8 *)exec_ptr(x, log->desc) + off;

	if (off + log->tag_size > end)
		return false;
	tag->block = be32(p);
	if (log->v3_csum) {
		tag->flags = be32(p + 4);
		tag->csum = be32(p + 12);
		if (log->wide)
			tag->block |= (u64)be32(p + 8) << 32;
	} else {
		tag->csum = (u32)p[4] << 8 | p[5];
		tag->flags = (u32)p[6] << 8 | p[7];
		if (log->wide)
			tag->block |= (u64)be32(p + 8) << 32;
	}
	off += log->tag_size + (tag->flags & JBD2_TAG_SAME_UUID ? 0 : UUID);
	/* after the last there is no other */
	*at = tag->flags & JBD2_TAG_LAST ? BLOCK_SIZE : off;
	return true;
}

bool log_tag_good(struct exec *x, const struct log *log, u32 tid, const struct log_tag *tag,
		  const void *data)
{
	be32_t id = be32_put(tid);
	u32 crc;

	if (!log_has_csum(log))
		return true;
	crc = plat_crc32c(x->plat, log->csum_seed, &id, 4);
	crc = plat_crc32c(x->plat, crc, data, BLOCK_SIZE);
	return tag->csum == (log->v3_csum ? crc : crc & 0xffff);
}

/* ---- revoke records */
u32 log_revoke_end(struct exec *x, const struct log *log)
{
	u32 end = be32((const u8 *)exec_ptr(x, log->desc) + HEADER);

	if (end < HEADER + 4 || end > BLOCK_SIZE - (log_has_csum(log) ? TAIL : 0))
		return 0;
	return end - (end - HEADER - 4) % log_revoke_size(log);
}

blkno_t log_revoke(struct exec *x, const struct log *log, u32 at)
{
	const u8 *p = (const u8 *)exec_ptr(x, log->desc) + at;

	return log->wide ? (u64)be32(p) << 32 | be32(p + 4) : be32(p);
}
