/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The log: where it lies, its superblock, writing a transaction to it, and making room in it.
 *
 * A transaction in the log: [descriptor, copies]..., commit record. Its blocks lie behind those of
 * the one before; behind the last block of the journal's file comes the first of the log.
 *
 * Invariants
 *  L1. The commit record is written when all before it, and the file data, is durable.
 *  L2. A block of the log is written again when the superblock that says that it is not needed any
 *      more is durable; that is written when the buffers that it had are durable at home.
 */
#include <string.h>

#include "journal/commit.h"
#include "platform/errno.h"
#include "pool/writer.h"

#define LOG_MIN 1024u /* blocks, as everywhere */
#define SUPER_SUMMED 1024u
#define REVOKE_SHARE 16u /* of the log: at most that part of it for a transaction's revokes */

/* Piece i of the journal's file. */
static struct journal_extent *extent(const struct exec *x, u32 i)
{
	struct journal_extent *e =
		exec_ptr(x, (ref_t)journal_of(x)->map[i / JOURNAL_MAP_EXTENTS] << BLOCK_SHIFT);

	return e + i % JOURNAL_MAP_EXTENTS;
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
	int err;

	if (j->nextents) {
		e = extent(x, j->nextents - 1);
		if (e->lblk + e->len == lblk && e->pblk + e->len == pblk) {
			e->len += len;
			return 0;
		}
	}
	if (j->nextents == JOURNAL_MAPS * JOURNAL_MAP_EXTENTS) {
		plat_log(x->plat, PLAT_ERR,
			 "journal: it lies in more than %u pieces: make it anew "
			 "(tune2fs -O ^has_journal IMAGE; tune2fs -j IMAGE)",
			 j->nextents);
		return -MP_EOPNOTSUPP;
	}
	err = frame_keep(x, &j->map[j->nextents / JOURNAL_MAP_EXTENTS]);
	if (err)
		return err;
	*extent(x, j->nextents++) = (struct journal_extent){.lblk = lblk, .len = len, .pblk = pblk};
	return 0;
}

/* *len: blocks that follow each other from there. */
static int log_map(struct exec *x, u32 lblk, blkno_t *pblk, u32 *len)
{
	u32 low = 0, high = journal_of(x)->nextents;

	while (low < high) {
		u32 mid = (low + high) / 2;
		const struct journal_extent *e = extent(x, mid);

		if (lblk >= e->lblk && lblk - e->lblk < e->len) {
			*pblk = e->pblk + (lblk - e->lblk);
			*len = e->len - (lblk - e->lblk);
			return 0;
		}
		if (lblk < e->lblk)
			high = mid;
		else
			low = mid + 1;
	}
	plat_log(x->plat, PLAT_ERR, "journal: block %u of it is a hole", lblk);
	return -MP_EUCLEAN;
}

/* Medium block of block lblk of the journal's file; -EUCLEAN: there is none. */
static int journal_map(struct exec *x, u32 lblk, blkno_t *pblk)
{
	u32 len;

	return log_map(x, lblk, pblk, &len);
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
	int err;

	if (has_sums(s))
		s->s_checksum = be32_put(super_sum(x, s));
	err = super_io(x, PLAT_WRITE);
	exec_step(x);
	atomic_add(&x->pool->hdr->nwritten, 1);
	exec_step(x);
	return err ? err : flush_medium(x);
}

static int nonsense(struct exec *x, const char *field, u32 value)
{
	plat_log(x->plat, PLAT_ERR, "journal: its superblock makes no sense: %s is 0x%x", field,
		 value);
	return -MP_EUCLEAN;
}

static int check_features(struct exec *x, const struct jbd2_super *s)
{
	/* fast commits: of an empty log, as log_open() has found (log_read.c) */
	const u32 known = JBD2_INCOMPAT_REVOKE | JBD2_INCOMPAT_64BIT | JBD2_INCOMPAT_CSUM_V2 |
			  JBD2_INCOMPAT_CSUM_V3 | JBD2_INCOMPAT_ASYNC_COMMIT |
			  JBD2_INCOMPAT_FAST_COMMIT;
	u32 incompat = be32_get(s->s_feature_incompat);

	if (incompat & ~known)
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
	const struct journal_extent *last = extent(x, j->nextents - 1);
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

/* ---- room */
static u32 log_size(const struct journal *j)
{
	return j->blocks - j->first;
}

static u32 revoke_size(const struct journal *j)
{
	return j->incompat & JBD2_INCOMPAT_64BIT ? 8 : 4;
}

/* Records in a revoke block. */
static u32 revokes_in(const struct journal *j)
{
	return (BLOCK_SIZE - sizeof(struct jbd2_revoke) - sizeof(struct jbd2_tail)) /
	       revoke_size(j);
}

u32 log_need(const struct journal *j, u32 buffers, u32 revokes)
{
	return buffers + (buffers + LOG_COPIES - 1) / LOG_COPIES +
	       (revokes + revokes_in(j) - 1) / revokes_in(j) + 1;
}

u32 log_most(const struct journal *j)
{
	return log_need(j, j->hard, 0) + log_size(j) / REVOKE_SHARE;
}

u32 log_room(const struct exec *x)
{
	const struct journal *j = journal_of(x);
	u32 used;

	if (!j->blocks)
		return UINT32_MAX;
	if ((j->running - j->tail_tid) / 2 >= JOURNAL_STARTS - 2)
		return 0;
	used = j->head >= j->tail ? j->head - j->tail : j->head + log_size(j) - j->tail;
	return log_size(j) - used - 1;
}

int journal_revoke(struct exec *x, u32 count)
{
	struct journal *j = journal_of(x);

	if (!j->blocks)
		return 0;
	if (atomic_add(&j->nrevokes, count) > log_size(j) / REVOKE_SHARE * revokes_in(j) &&
	    atomic_load(&j->nrevokes) != count)
		return journal_retry(x);
	return 0;
}

static struct journal_start *start_of(struct journal *j, u32 tid)
{
	return &j->start[tid / 2 % JOURNAL_STARTS];
}

/* The oldest transaction with a buffer that is not home; 0: none. */
static u32 oldest(struct exec *x)
{
	u32 tid = 0;

	for (fno_t fno = dirty_next(x, 0); fno < x->pool->hdr->nframes;
	     fno = dirty_next(x, fno + 1)) {
		const struct frame *f = frame_of(x, fno);
		u32 log_tid = atomic_load(&f->kind) == FRAME_BUF ? atomic_load(&f->log_tid) : 0;

		if (log_tid && (!tid || tid_reached(tid, log_tid)))
			tid = log_tid;
	}
	return tid;
}

static void super_tail(struct exec *x, u32 start, u32 sequence)
{
	struct jbd2_super *s = journal_super(x);

	s->s_start = be32_put(start);
	s->s_sequence = be32_put(sequence);
	s->s_errno = be32_put((u32) - (int)atomic_load(&journal_of(x)->error));
}

static int move_tail(struct exec *x, struct journal *j)
{
	struct journal_start to = {.block = j->head, .sequence = j->sequence};
	u32 tid;
	int err = flush_medium(x); /* L2 */

	if (err)
		return err;
	tid = oldest(x);
	if (tid)
		to = *start_of(j, tid);
	if (to.block == j->tail)
		return 0;
	super_tail(x, to.block, to.sequence);
	exec_step(x);
	err = journal_write_super(x);
	if (err)
		return err;
	j->tail_tid = tid ? tid : j->state == JOURNAL_RUNNING ? j->running : j->committing;
	exec_step(x);
	atomic_store_release(&j->tail, to.block);
	exec_step(x);
	return 0;
}

int journal_make_room(struct exec *x, u32 blocks)
{
	struct choice home = {.kind = CHOOSE_HOME, .holder = true};
	struct writer w;
	int err;

	if (log_room(x) >= blocks)
		return 0;
	writer_init(&w);
	writer_all(x, &w, &home, ~0u);
	err = move_tail(x, journal_of(x));
	if (log_room(x) >= blocks)
		return 0;
	return err ? err : w.error ? w.error : -MP_ENOSPC;
}

/* ---- writing a transaction */
struct log_out {
	u32 at;     /* log block that the next batch begins with */
	u32 left;   /* buffers */
	fno_t from; /* where the next one is looked for */
};

static u32 log_after(const struct journal *j, u32 block, u32 n)
{
	return block + n < j->blocks ? block + n : block + n - log_size(j);
}

/* The first n frames of the bounce area to the log. */
static int log_put(struct exec *x, struct log_out *out, u32 n)
{
	struct journal *j = journal_of(x);
	struct plat_io io = {.op = PLAT_WRITE, .ref = x->pool->hdr->bounce};
	int err = 0;

	for (; n && !err; n -= io.count) {
		u32 len;

		err = log_map(x, out->at, &io.block, &len);
		if (err)
			break;
		io.count = min_of(n, min_of(len, j->blocks - out->at));
		plat_io_submit(x->plat, &io);
		err = plat_io_wait(x->plat, &io);
		exec_step(x);
		atomic_add(&x->pool->hdr->nwritten, 1);
		exec_step(x);
		io.ref += io.count * BLOCK_SIZE;
		out->at = log_after(j, out->at, io.count);
	}
	if (err)
		plat_log(x->plat, PLAT_ERR, "journal: block %u cannot be written: error %d",
			 out->at, -err);
	return err;
}

static void *log_block(struct exec *x, u32 i, enum jbd2_block_type type)
{
	struct jbd2_header *h = exec_ptr(x, x->pool->hdr->bounce + i * BLOCK_SIZE);

	plat_zero(x->plat, h, BLOCK_SIZE);
	h->h_magic = be32_put(JBD2_MAGIC);
	h->h_blocktype = be32_put(type);
	h->h_sequence = be32_put(journal_of(x)->sequence);
	return h;
}

static bool log_sums(const struct journal *j)
{
	return j->incompat & JBD2_INCOMPAT_CSUM_V3;
}

/* The sum at the end of a descriptor or revoke block. */
static void log_tail_sum(struct exec *x, void *block)
{
	const struct journal *j = journal_of(x);
	struct jbd2_tail *t = (void *)((u8 *)block + BLOCK_SIZE - sizeof(*t));

	if (log_sums(j))
		t->t_checksum = be32_put(plat_crc32c(x->plat, j->csum_seed, block, BLOCK_SIZE));
}

/* The tag of a copy, which is made fit for the log; returns the bytes that it takes. */
static u32 log_tag(struct exec *x, u8 *to, blkno_t block, u32 *copy, u32 flags)
{
	const struct journal *j = journal_of(x);
	u32 size = jbd2_tag_size(j->incompat);

	if (*copy == be32_put(JBD2_MAGIC)) {
		*copy = 0;
		flags |= JBD2_TAG_ESCAPE;
	}
	if (log_sums(j)) {
		be32_t sequence = be32_put(j->sequence);
		u32 crc = plat_crc32c(x->plat, j->csum_seed, &sequence, 4);
		struct jbd2_tag3 tag = {
			.t_blocknr = be32_put((u32)block),
			.t_flags = be32_put(flags),
			.t_blocknr_high = be32_put((u32)(block >> 32)),
			.t_checksum = be32_put(plat_crc32c(x->plat, crc, copy, BLOCK_SIZE)),
		};

		memcpy(to, &tag, size);
	} else {
		struct jbd2_tag tag = {
			.t_blocknr = be32_put((u32)block),
			.t_flags = be16_put((u16)flags),
			.t_blocknr_high = be32_put((u32)(block >> 32)),
		};

		memcpy(to, &tag, size);
	}
	if (flags & JBD2_TAG_SAME_UUID)
		return size;
	memcpy(to + size, journal_super(x)->s_uuid, 16);
	return size + 16;
}

/* A descriptor and the copies that it describes. */
static int log_batch(struct exec *x, struct log_out *out)
{
	const struct journal *j = journal_of(x);
	u8 *block = log_block(x, 0, JBD2_DESCRIPTOR), *to = block + sizeof(struct jbd2_header);
	u32 n = min_of(out->left, LOG_COPIES);

	for (u32 i = 1; i <= n; i++) {
		ref_t ref = x->pool->hdr->bounce + i * BLOCK_SIZE;
		struct frame *f = commit_next(x, j->committing, &out->from);

		if (!f)
			plat_panic(x->plat, "a buffer has left its transaction", __FILE__,
				   __LINE__);
		commit_copy(x, f, j->committing, ref);
		to += log_tag(x, to, f->block, exec_ptr(x, ref),
			      (i > 1 ? JBD2_TAG_SAME_UUID : 0) | (i == n ? JBD2_TAG_LAST : 0));
	}
	log_tail_sum(x, block);
	out->left -= n;
	return log_put(x, out, n + 1);
}

/* A revoke record keeps recovery from bringing back an older copy of a block that is free now. */
static int log_revokes(struct exec *x, struct log_out *out)
{
	const struct journal *j = journal_of(x);
	u32 left = j->commit_revokes, size = revoke_size(j);
	u64 at = 0;
	int err = 0;

	while (left && !err) {
		struct jbd2_revoke *r = log_block(x, 0, JBD2_REVOKE);
		u32 n = min_of(left, revokes_in(j)), used = sizeof(*r);

		for (u32 i = 0; i < n; i++, used += size) {
			be32_t *to = (void *)((u8 *)r + used);
			blkno_t block = 0;

			(void)fs_revoke_next(x, j->committing, &at, &block);
			if (size == 8)
				*to++ = be32_put((u32)(block >> 32));
			*to = be32_put((u32)block);
		}
		r->r_count = be32_put(used);
		log_tail_sum(x, r);
		err = log_put(x, out, 1);
		left -= n;
	}
	return err;
}

static int log_commit_record(struct exec *x, struct log_out *out)
{
	const struct journal *j = journal_of(x);
	struct jbd2_commit *c = log_block(x, 0, JBD2_COMMIT);

	c->h_commit_sec_hi = be32_put(j->commit_sec_hi);
	c->h_commit_sec_lo = be32_put(j->commit_sec_lo);
	c->h_commit_nsec = be32_put(j->commit_nsec);
	if (log_sums(j))
		c->h_chksum[0] = be32_put(plat_crc32c(x->plat, j->csum_seed, c, BLOCK_SIZE));
	return log_put(x, out, 1);
}

int log_write(struct exec *x)
{
	struct journal *j = journal_of(x);
	struct log_out out = {.at = j->head, .left = j->commit_buffers};
	int err;

	if (!out.left && !j->commit_revokes)
		return 0;
	err = journal_make_room(x, log_need(j, out.left, j->commit_revokes));
	if (err)
		return err;
	*start_of(j, j->committing) = (struct journal_start){j->head, j->sequence};
	exec_step(x);
	err = log_revokes(x, &out);
	while (out.left && !err)
		err = log_batch(x, &out);
	if (!err)
		err = flush_medium(x); /* L1 */
	if (!err)
		err = log_commit_record(x, &out);
	j->commit_end = out.at;
	exec_step(x);
	return err ? err : flush_medium(x);
}

/* ---- beginning and end */
void journal_limits(struct exec *x)
{
	struct journal *j = journal_of(x);
	u32 frames = x->pool->hdr->nfree;

	j->soft = max_of(frames / 8, 32u);
	j->hard = max_of(frames / 4, 48u);
	if (j->blocks) {
		j->soft = min_of(j->soft, log_size(j) / 4);
		j->hard = min_of(j->hard, log_size(j) / 3);
	}
}

int journal_start(struct exec *x, u32 incompat)
{
	struct journal *j = journal_of(x);
	struct jbd2_super *s = journal_super(x);
	u32 sums = JBD2_INCOMPAT_CSUM_V2 | JBD2_INCOMPAT_CSUM_V3;

	j->incompat = incompat;
	j->sequence = be32_get(s->s_sequence);
	j->head = j->first;
	j->tail = j->first;
	j->tail_tid = j->running;
	s->s_feature_compat &= ~be32_put(JBD2_COMPAT_CHECKSUM);
	s->s_feature_incompat = be32_put(incompat);
	s->s_checksum_type = incompat & sums ? JBD2_CRC32C : 0;
	s->s_checksum = 0;
	journal_limits(x);
	super_tail(x, j->head, j->sequence);
	return journal_write_super(x);
}

int journal_home(struct exec *x)
{
	struct journal *j = journal_of(x);
	struct choice home = {.kind = CHOOSE_HOME, .holder = true};
	struct writer w;
	int err;

	if (!j->blocks)
		return 0;
	writer_init(&w);
	writer_all(x, &w, &home, ~0u);
	err = w.error ? w.error : flush_medium(x);
	if (err)
		return err;
	return oldest(x) || atomic_load(&j->nbuffers) ? -MP_EBUSY : 0;
}

int journal_stop(struct exec *x)
{
	struct journal *j = journal_of(x);
	int err = journal_home(x);

	if (err || !j->blocks)
		return err;
	super_tail(x, 0, j->sequence);
	return journal_write_super(x);
}
