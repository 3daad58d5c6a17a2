/* SPDX-License-Identifier: BSD-2-Clause */
/* The log: where it lies, and its superblock. */
#include <string.h>

#include "journal/journal.h"
#include "platform/errno.h"
#include "pool/frame.h"

#define LOG_MIN 1024u /* blocks, as everywhere */
#define SUPER_SUMMED 1024u

static struct journal_extent *extents(const struct exec *x)
{
	return exec_ptr(x, (ref_t)journal_of(x)->extents << BLOCK_SHIFT);
}

/* A frame for good, not an executor's. */
static int frame_keep(struct exec *x, fno_t *fno)
{
	struct frame *f;
	int err;

	if (*fno)
		return 0;
	err = frame_alloc(x, &f);
	if (err)
		return err;
	*fno = frame_no(x, f);
	f->owner = 0;
	frame_give(x, f);
	return 0;
}

int journal_add_extent(struct exec *x, u32 lblk, u32 len, blkno_t pblk)
{
	struct journal *j = journal_of(x);
	struct journal_extent *e;
	int err = frame_keep(x, &j->extents);

	if (err)
		return err;
	e = extents(x) + j->nextents;
	if (j->nextents && e[-1].lblk + e[-1].len == lblk && e[-1].pblk + e[-1].len == pblk) {
		e[-1].len += len;
		return 0;
	}
	if (j->nextents == JOURNAL_EXTENTS) {
		plat_log(x->plat, PLAT_ERR, "journal: more than %u pieces are not supported",
			 (u32)JOURNAL_EXTENTS);
		return -MP_EOPNOTSUPP;
	}
	*e = (struct journal_extent){.lblk = lblk, .len = len, .pblk = pblk};
	j->nextents++;
	return 0;
}

int journal_map(struct exec *x, u32 lblk, blkno_t *pblk)
{
	const struct journal *j = journal_of(x);
	const struct journal_extent *e = extents(x);
	u32 low = 0, high = j->nextents;

	while (low < high) {
		u32 mid = (low + high) / 2;

		if (lblk - e[mid].lblk < e[mid].len && lblk >= e[mid].lblk) {
			*pblk = e[mid].pblk + (lblk - e[mid].lblk);
			return 0;
		}
		if (lblk < e[mid].lblk)
			high = mid;
		else
			low = mid + 1;
	}
	plat_log(x->plat, PLAT_ERR, "journal: block %u of it is a hole", lblk);
	return -MP_EUCLEAN;
}

static int super_io(struct exec *x, enum plat_io_op op)
{
	struct plat_io io = {.op = op, .count = 1};
	int err;

	io.ref = (ref_t)journal_of(x)->super_frame << BLOCK_SHIFT;
	err = journal_map(x, 0, &io.block);
	if (err)
		return err;
	plat_io_submit(x->plat, &io);
	return plat_io_wait(x->plat, &io);
}

static u32 super_sum(struct exec *x, struct jbd2_super *s)
{
	be32_t kept = s->s_checksum;
	u32 crc;

	s->s_checksum = 0;
	crc = plat_crc32c(x->plat, ~0u, s, SUPER_SUMMED);
	s->s_checksum = kept;
	return crc;
}

static bool has_sums(const struct jbd2_super *s)
{
	return be32_get(s->s_feature_incompat) & (JBD2_INCOMPAT_CSUM_V2 | JBD2_INCOMPAT_CSUM_V3);
}

int journal_write_super(struct exec *x)
{
	struct jbd2_super *s = journal_super(x);
	struct plat_io io = {.op = PLAT_FLUSH};
	int err;

	if (has_sums(s))
		s->s_checksum = be32_put(super_sum(x, s));
	err = super_io(x, PLAT_WRITE);
	if (err)
		return err;
	plat_io_submit(x->plat, &io);
	return plat_io_wait(x->plat, &io);
}

static int nonsense(struct exec *x, const char *field, u32 value)
{
	plat_log(x->plat, PLAT_ERR, "journal: its superblock makes no sense: %s is 0x%x", field,
		 value);
	return -MP_EUCLEAN;
}

static int check_features(struct exec *x, const struct jbd2_super *s)
{
	const u32 known = JBD2_INCOMPAT_REVOKE | JBD2_INCOMPAT_64BIT | JBD2_INCOMPAT_CSUM_V2 |
			  JBD2_INCOMPAT_CSUM_V3 | JBD2_INCOMPAT_ASYNC_COMMIT;
	u32 incompat = be32_get(s->s_feature_incompat);

	if (incompat & JBD2_INCOMPAT_FAST_COMMIT)
		plat_log(x->plat, PLAT_ERR, "journal: feature fast_commit is not supported");
	if (incompat & ~(known | JBD2_INCOMPAT_FAST_COMMIT))
		plat_log(x->plat, PLAT_ERR, "journal: unknown incompatible features 0x%x",
			 incompat & ~known);
	if (be32_get(s->s_feature_ro_compat))
		plat_log(x->plat, PLAT_ERR, "journal: unknown features 0x%x",
			 be32_get(s->s_feature_ro_compat));
	if (be32_get(s->s_feature_ro_compat) || incompat & ~known)
		return -MP_EOPNOTSUPP;
	if ((incompat & JBD2_INCOMPAT_CSUM_V2) && (incompat & JBD2_INCOMPAT_CSUM_V3))
		return nonsense(x, "s_feature_incompat", incompat);
	return 0;
}

static int check_super(struct exec *x, struct jbd2_super *s)
{
	u32 type = be32_get(s->s_header.h_blocktype), maxlen = be32_get(s->s_maxlen);
	u32 first = be32_get(s->s_first), start = be32_get(s->s_start);
	const struct journal *j = journal_of(x);
	const struct journal_extent *last = extents(x) + j->nextents - 1;
	int err;

	if (be32_get(s->s_header.h_magic) != JBD2_MAGIC) {
		plat_log(x->plat, PLAT_ERR, "mount: the journal has no superblock");
		return -MP_EUCLEAN;
	}
	if (type != JBD2_SUPER_V2 && type != JBD2_SUPER_V1)
		return nonsense(x, "h_blocktype", type);
	if (be32_get(s->s_blocksize) != BLOCK_SIZE)
		return nonsense(x, "s_blocksize", be32_get(s->s_blocksize));
	if (maxlen < LOG_MIN || maxlen > last->lblk + last->len)
		return nonsense(x, "s_maxlen", maxlen);
	if (!first || first >= maxlen || maxlen - first < LOG_MIN / 2)
		return nonsense(x, "s_first", first);
	if (start && (start < first || start >= maxlen))
		return nonsense(x, "s_start", start);
	if (type == JBD2_SUPER_V1)
		return 0;
	err = check_features(x, s);
	if (err || !has_sums(s))
		return err;
	if (s->s_checksum_type != JBD2_CRC32C)
		return nonsense(x, "s_checksum_type", s->s_checksum_type);
	if (be32_get(s->s_checksum) != super_sum(x, s)) {
		plat_log(x->plat, PLAT_ERR, "journal: the checksum of its superblock is wrong");
		return -MP_EUCLEAN;
	}
	return 0;
}

int journal_load(struct exec *x)
{
	struct journal *j = journal_of(x);
	struct jbd2_super *s;
	int err;

	if (!j->nextents)
		return nonsense(x, "size", 0);
	err = frame_keep(x, &j->super_frame);
	if (!err)
		err = super_io(x, PLAT_READ);
	if (err) {
		plat_log(x->plat, PLAT_ERR, "mount: cannot read the journal: error %d", err);
		return err;
	}
	s = journal_super(x);
	err = check_super(x, s);
	if (err)
		return err;
	j->first = be32_get(s->s_first);
	j->blocks = be32_get(s->s_maxlen);
	if (be32_get(s->s_header.h_blocktype) == JBD2_SUPER_V1) {
		/* what lies behind s_errno means nothing yet */
		memset(&s->s_feature_compat, 0,
		       sizeof(*s) - offsetof(struct jbd2_super, s_feature_compat));
		s->s_nr_users = be32_put(1);
		s->s_header.h_blocktype = be32_put(JBD2_SUPER_V2);
	}
	/* it speaks of the transactions that are in the log: there are none */
	s->s_feature_incompat &= ~be32_put(JBD2_INCOMPAT_ASYNC_COMMIT);
	j->incompat = be32_get(s->s_feature_incompat);
	j->csum_seed = plat_crc32c(x->plat, ~0u, s->s_uuid, sizeof(s->s_uuid));
	return 0;
}
