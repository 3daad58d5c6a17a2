/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Mounting, unmounting, totals and errors of the filesystem. Layer: above the caches, below the
 * port server.
 *
 * Invariants
 *  S1. Nothing of the superblock is believed before super_check() has passed it.
 *  S2. While the filesystem is mounted read-write, the medium says so: it needs recovery or,
 *      without a journal, does not carry the VALID state. A crash is noticed by e2fsck and by the
 *      next mount.
 *  S3. Backup superblocks and descriptors are never written.
 *
 * Typical sequence: pool_format, exec_join, fs_mount, operations, fs_unmount, exec_leave.
 */
#include <string.h>

#include "platform/atomic.h"
#include "platform/errno.h"
#include "fs/alloc.h"
#include "fs/csum.h"
#include "fs/dir.h"
#include "fs/extent.h"
#include "fs/flock.h"
#include "fs/inode.h"
#include "journal/journal.h"
#include "journal/recover.h"
#include "pool/tx.h"
#include "pool/writer.h"

#define BYTES_PER_INODE_SLOT 8192u
#define BYTES_PER_DENTRY_SET 32768u

static u32 round_pow2(u32 n)
{
	u32 p = 1;

	while (p * 2 <= n)
		p *= 2;
	return p;
}

/* Reads block 0 into the last frame of the pool, which nobody owns before pool_seal(). */
static int read_super(struct exec *x, struct ext4_super **sb)
{
	struct plat_io io = {.op = PLAT_READ, .count = 1, .block = 0};
	int err;

	if (plat_blocks(x->plat) < 1) {
		plat_log(x->plat, PLAT_ERR, "mount: the medium is empty");
		return -MP_EMEDIUMTYPE;
	}
	if (x->pool->hdr->sealed || x->pool->hdr->carve > x->pool->size - 2 * BLOCK_SIZE) {
		plat_log(x->plat, PLAT_ERR, "mount: the pool is in use");
		return -MP_EBUSY;
	}
	io.ref = x->pool->size - BLOCK_SIZE;
	plat_io_submit(x->plat, &io);
	err = plat_io_wait(x->plat, &io);
	if (err)
		plat_log(x->plat, PLAT_ERR, "mount: cannot read the superblock: error %d", err);
	*sb = exec_ptr(x, io.ref + EXT4_SUPER_OFFSET);
	return err;
}

static void fs_fill(struct exec *x, struct fs *fs, const struct ext4_super *sb, bool read_only)
{
	bool wide = sb->s_feature_incompat & EXT4_INCOMPAT_64BIT;

	fs->read_only = read_only;
	fs->feature_compat = sb->s_feature_compat;
	fs->feature_incompat = sb->s_feature_incompat;
	fs->feature_ro_compat = sb->s_feature_ro_compat;
	fs->first_data_block = sb->s_first_data_block;
	fs->blocks_per_group = sb->s_blocks_per_group;
	fs->inodes_per_group = sb->s_inodes_per_group;
	fs->inodes_count = sb->s_inodes_count;
	fs->inode_size = sb->s_inode_size;
	fs->inode_shift = (u32)__builtin_ctz(fs->inode_size);
	fs->inodes_per_block = BLOCK_SIZE / sb->s_inode_size;
	fs->desc_size = wide ? sb->s_desc_size : 32;
	fs->desc_shift = (u32)__builtin_ctz(fs->desc_size);
	fs->descs_per_block = BLOCK_SIZE / fs->desc_size;
	fs->want_extra_isize = max_of(sb->s_want_extra_isize, 32);
	fs->first_ino = sb->s_first_ino;
	fs->log_groups_per_flex =
		sb->s_feature_incompat & EXT4_INCOMPAT_FLEX_BG ? sb->s_log_groups_per_flex : 0;
	fs->csum_seed = sb->s_feature_incompat & EXT4_INCOMPAT_CSUM_SEED
				? sb->s_checksum_seed
				: plat_crc32c(x->plat, ~0u, sb->s_uuid, sizeof(sb->s_uuid));
	memcpy(fs->hash_seed, sb->s_hash_seed, sizeof(fs->hash_seed));
	fs->hash_version =
		sb->s_def_hash_version + (sb->s_flags & EXT4_FLAG_UNSIGNED_HASH ? 3u : 0);
	fs->blocks_count =
		sb->s_blocks_count_lo | (wide ? (blkno_t)sb->s_blocks_count_hi << 32 : 0);
	fs->reserved_blocks =
		sb->s_r_blocks_count_lo | (wide ? (blkno_t)sb->s_r_blocks_count_hi << 32 : 0);
	fs->resuid = sb->s_def_resuid;
	fs->resgid = sb->s_def_resgid;
	fs->ngroups = (u32)((fs->blocks_count + fs->blocks_per_group - 1) / fs->blocks_per_group);
	fs->generation = plat_random(x->plat);
	fs->mounted_rw = !read_only;
	fs->errors = sb->s_errors;
	fs->errors_before = sb->s_error_count;
	fs->was_valid = (sb->s_state & (EXT4_STATE_VALID | EXT4_STATE_ERROR)) == EXT4_STATE_VALID;
}

/* What ext4 subtracts from statfs: metadata of each group, and the journal. */
static blkno_t overhead(const struct exec *x, const struct ext4_super *sb)
{
	const struct fs *fs = fs_of(x);
	u32 itable = fs->inodes_per_group / fs->inodes_per_block;
	u32 gdt = (fs->ngroups + fs->descs_per_block - 1) / fs->descs_per_block;
	blkno_t sum = (blkno_t)fs->ngroups * (itable + 2);
	u32 g;

	if (sb->s_overhead_clusters)
		return min_of((blkno_t)sb->s_overhead_clusters, fs->blocks_count);
	for (g = 0; g < fs->ngroups; g++)
		if (group_has_super(x, g))
			sum += 1 + gdt + sb->s_reserved_gdt_blocks;
	if (fs->feature_compat & EXT4_COMPAT_HAS_JOURNAL && sb->s_jnl_backup_type == 1)
		sum += (sb->s_jnl_blocks[16] | (u64)sb->s_jnl_blocks[15] << 32) >> BLOCK_SHIFT;
	return min_of(sum, fs->blocks_count);
}

/*
 * Recovers the journal, with what the superblock says laid out behind all else in the pool for as
 * long as that takes. 1: the superblock must be read again.
 */
static int recover(struct exec *x, const struct ext4_super *sb, bool read_only)
{
	ref_t at = x->pool->size - 2 * BLOCK_SIZE;
	enum recovery_kind how = RECOVER_DROP;
	u32 error = 0;
	int err;

	if (!(sb->s_feature_compat & EXT4_COMPAT_HAS_JOURNAL))
		return 0;
	if (!super_sum_good(x, sb))
		how = RECOVER_SUPER;
	else if (sb->s_feature_incompat & EXT4_INCOMPAT_RECOVER)
		how = RECOVER_REPLAY;
	memset(exec_ptr(x, at), 0, sizeof(struct fs));
	fs_fill(x, exec_ptr(x, at), sb, true);
	x->pool->hdr->fs = at;
	err = journal_recover(x, sb->s_journal_inum, how, at, &error);
	x->pool->hdr->fs = 0;
	if (err >= 0 && error) {
		plat_log(x->plat, read_only ? PLAT_WARN : PLAT_ERR,
			 "mount: the journal was given up with error %u: run e2fsck -f IMAGE",
			 error);
		if (!read_only)
			err = -MP_EUCLEAN;
	}
	return err;
}

/*
 * The log of a filesystem that is mounted read-only has been dealt with, and nobody needs it any
 * more: the superblock says so, as with ext4. It is in the last frame, as read_super() left it.
 */
static int clear_recover(struct exec *x, struct ext4_super *sb)
{
	struct plat_io io = {.op = PLAT_WRITE, .count = 1, .block = 0};
	int err;

	if (!(sb->s_feature_incompat & EXT4_INCOMPAT_RECOVER) || plat_read_only(x->plat))
		return 0;
	sb->s_feature_incompat &= ~EXT4_INCOMPAT_RECOVER;
	super_seal(x, sb);
	io.ref = x->pool->size - BLOCK_SIZE;
	plat_io_submit(x->plat, &io);
	err = plat_io_wait(x->plat, &io);
	if (err)
		plat_log(x->plat, PLAT_ERR, "mount: cannot write the superblock: error %d", err);
	return err;
}

/* Brings the medium into the state that is mounted, and checks that it can be. */
static int prepare(struct exec *x, const struct fs_mount_opts *opts, bool read_only,
		   struct ext4_super **sb)
{
	blkno_t medium = plat_blocks(x->plat);
	bool recovers = !opts->ignore_dirty;
	bool torn;
	int err;

	err = read_super(x, sb);
	if (err)
		return err;
	torn = recovers && (*sb)->s_magic == EXT4_MAGIC && !super_sum_good(x, *sb);
	err = super_check(x, *sb, medium, read_only, torn);
	if (!err && !read_only && plat_read_only(x->plat)) {
		plat_log(x->plat, PLAT_ERR, "mount: the medium is read-only: mount it read-only");
		err = -MP_EROFS;
	}
	if (!err && recovers)
		err = recover(x, *sb, read_only);
	if (err > 0 || torn) {
		/* the reason of a failure to mend it is that it is damaged */
		err = err < 0 && !torn ? err : read_super(x, sb);
		if (!err)
			err = super_check(x, *sb, medium, read_only, false);
	}
	if (!err && recovers && read_only)
		err = clear_recover(x, *sb);
	return err ? err : super_check_state(x, *sb, read_only);
}

/* Lays the filesystem's own structures out in the pool. */
static int carve(struct exec *x, const struct ext4_super *sb, bool read_only)
{
	struct pool *pool = x->pool;
	struct fs *fs;
	ref_t ref;
	int err;

	err = pool_carve(pool, sizeof(*fs), &ref);
	if (err)
		goto out;
	fs = exec_ptr(x, ref);
	fs_fill(x, fs, sb, read_only);
	pool->hdr->fs = ref;
	fs->overhead = overhead(x, sb);
	fs->ninodes = max_of(pool->size / BYTES_PER_INODE_SLOT, 256u);
	fs->ninode_hash = round_pow2(fs->ninodes);
	fs->ndentry_sets = max_of(round_pow2(pool->size / BYTES_PER_DENTRY_SET), 64u);
	if (fs->ngroups > pool->size / 4 / sizeof(struct group))
		err = -MP_ENOMEM;
	if (!err)
		err = pool_carve(pool, fs->ngroups * (u32)sizeof(struct group), &fs->groups);
	if (!err)
		err = pool_carve(pool, fs->ninodes * (u32)sizeof(struct inode), &fs->inodes);
	if (!err)
		err = pool_carve(pool, fs->ninode_hash * 4, &fs->inode_hash);
	if (!err)
		err = dcache_carve(x);
	if (!err)
		err = flock_carve(x);
	/* a filesystem that has no frames left cannot do a thing */
	if (!err && pool->hdr->carve > pool->size - pool->size / 4)
		err = -MP_ENOMEM;
out:
	if (err)
		plat_log(x->plat, PLAT_ERR,
			 "mount: no room in the pool: it has %u KiB, the tables of this "
			 "filesystem (%u groups) need more",
			 pool->size >> 10,
			 (u32)((sb->s_inodes_count + sb->s_inodes_per_group - 1) /
			       sb->s_inodes_per_group));
	return err;
}

/* The journal's file, piece by piece. */
static int map_journal(struct exec *x, struct inode *inode)
{
	const struct ext4_inode *raw = inode_raw(x, inode);
	u64 blocks = inode_size(raw) >> BLOCK_SHIFT;
	struct extent_map map = {.len = 0};
	int err = 0;

	if (!inode_is_reg(raw) || blocks < 1024 || blocks > UINT32_MAX) {
		plat_log(x->plat, PLAT_ERR, "mount: the journal inode %u makes no sense",
			 inode->ino);
		return -MP_EUCLEAN;
	}
	for (u64 at = 0; !err && at < blocks; at += map.len) {
		err = extent_lookup(x, inode, (lblk_t)at, &map);
		if (!err && (!map.pblk || map.unwritten))
			err = -MP_EUCLEAN;
		if (!err)
			err = journal_add_extent(x, map.lblk, map.len, map.pblk);
	}
	if (err)
		plat_log(x->plat, PLAT_ERR, "mount: the journal is unusable: error %d", err);
	return err;
}

static int check_journal(struct exec *x)
{
	struct inode *inode = NULL;
	int err;

	if (!(fs_of(x)->feature_compat & EXT4_COMPAT_HAS_JOURNAL))
		return 0;
	tx_begin(x);
	err = inode_get(x, fs_super(x)->s_journal_inum, &inode);
	if (!err)
		err = inode_lock_read(x, inode);
	if (!err)
		err = map_journal(x, inode);
	err = tx_end(x, err);
	if (inode)
		inode_put(x, inode);
	if (!err)
		err = journal_load(x);
	if (!err && journal_super(x)->s_start) {
		plat_log(x->plat, PLAT_ERR,
			 "mount: the journal is not empty (dirty): run e2fsck -f IMAGE");
		err = -MP_EBUSY;
	}
	if (!err && fs_of(x)->read_only) /* nothing will be logged */
		journal_of(x)->blocks = 0;
	return err;
}

static int check_root(struct exec *x)
{
	struct inode *inode = NULL;
	int err;

	tx_begin(x);
	err = inode_get(x, EXT4_ROOT_INO, &inode);
	if (!err && !inode_is_dir(inode_raw(x, inode)))
		err = -MP_EUCLEAN;
	err = tx_end(x, err);
	if (inode)
		inode_put(x, inode);
	if (err)
		plat_log(x->plat, PLAT_ERR, "mount: the root directory is unusable: error %d", err);
	return err;
}

/* All of the superblock is saved but the head of the orphan list, which is not under super_lock: a
 * roll-back would bring back an old one. */
static int super_save(struct exec *x, struct ext4_super **sb)
{
	const u32 from = offsetof(struct ext4_super, s_last_orphan), past = from + 4;
	struct frame *f = frame_of(x, fs_of(x)->super_frame);
	void *p;
	int err;

	err = buf_save(x, f, EXT4_SUPER_OFFSET + past, sizeof(struct ext4_super) - past, &p);
	if (!err)
		err = buf_save(x, f, EXT4_SUPER_OFFSET, from, &p);
	if (!err)
		*sb = p;
	return err;
}

/* Inside an open tx, which holds super_lock from here on. */
static int super_edit(struct exec *x, struct ext4_super **sb)
{
	int err = lock_write(x, &fs_of(x)->super_lock, RANK_SUPER);

	return err ? err : super_save(x, sb);
}

/*
 * The superblock's buffer, home, past the journal: it tells whether that counts, and is durable
 * with the next commit record (L1). Nobody else edits it. The log holds it: a power cut may tear
 * the write, and recovery mends that.
 */
static int super_write(struct exec *x)
{
	struct frame *f = frame_of(x, fs_of(x)->super_frame);
	struct plat_io io = {.op = PLAT_WRITE, .count = 1, .block = 0, .ref = frame_ref(x, f)};
	int err = csum_seal(x, f);

	if (err)
		return err;
	plat_io_submit(x->plat, &io);
	err = plat_io_wait(x->plat, &io);
	atomic_add(&x->pool->hdr->nwritten, 1);
	return err;
}

static void super_written(struct exec *x, struct ext4_super *sb)
{
	struct plat_time now;

	plat_now(x->plat, &now);
	sb->s_wtime = (u32)now.sec;
	sb->s_wtime_hi = (u8)(now.sec >> 32);
}

static bool has_journal(const struct exec *x)
{
	return fs_of(x)->feature_compat & EXT4_COMPAT_HAS_JOURNAL;
}

static u32 journal_features(const struct exec *x)
{
	u32 f = JBD2_INCOMPAT_REVOKE;

	if (fs_of(x)->feature_incompat & EXT4_INCOMPAT_64BIT)
		f |= JBD2_INCOMPAT_64BIT;
	if (fs_has_csum(x))
		f |= JBD2_INCOMPAT_CSUM_V3;
	return f;
}

/* S2: from now on the medium says "in use". */
static int mark_mounted(struct exec *x)
{
	struct ext4_super *sb;
	int err;

	journal_limits(x);
	tx_begin_change(x);
	err = super_edit(x, &sb);
	if (!err) {
		if (has_journal(x))
			sb->s_feature_incompat |= EXT4_INCOMPAT_RECOVER;
		else
			sb->s_state &= (u16)~EXT4_STATE_VALID;
		sb->s_mnt_count++;
		sb->s_mtime = (u32)x->now.sec;
		sb->s_mtime_hi = (u8)(x->now.sec >> 32);
		super_written(x, sb);
	}
	err = tx_end(x, err);
	if (!err && has_journal(x))
		err = journal_start(x, journal_features(x));
	if (!err)
		err = cache_sync(x);
	return err || !has_journal(x) ? err : super_write(x);
}

static int super_load(struct exec *x)
{
	struct csum_id id = {CSUM_SUPER, 0, 0};
	struct frame *f;
	int err;

	tx_begin(x);
	err = buf_read(x, 0, id, &f);
	if (!err) {
		fs_of(x)->super_frame = frame_no(x, f);
		frame_give(x, f);
	}
	return tx_end(x, err);
}

static int load_groups(struct exec *x)
{
	int err;

	tx_begin(x);
	err = tx_end(x, groups_load(x));
	if (err)
		plat_log(x->plat, PLAT_ERR, "mount: the group descriptors are unusable: error %d",
			 err);
	return err;
}

static void forget(struct exec *x)
{
	struct fs *fs = fs_of(x);

	icache_drop_all(x);
	if (fs->super_frame)
		frame_drop(x, frame_of(x, fs->super_frame));
	fs->super_frame = 0;
	cache_drop_all(x);
	x->pool->hdr->fs = 0;
}

int fs_mount(struct exec *x, const struct fs_mount_opts *opts)
{
	bool read_only = opts->read_only || opts->ignore_dirty;
	struct ext4_super *sb;
	int err;

	err = prepare(x, opts, read_only, &sb);
	if (!err)
		err = carve(x, sb, read_only);
	if (err)
		return err;
	pool_seal(x->pool);
	icache_init(x);
	err = super_load(x);
	if (!err)
		err = load_groups(x);
	if (!err)
		err = check_root(x);
	if (!err && !opts->ignore_dirty)
		err = check_journal(x);
	if (!err && !read_only)
		err = mark_mounted(x);
	if (!err && !read_only)
		err = orphan_cleanup(x);
	if (err)
		goto out;
	plat_log(x->plat, PLAT_INFO, "mounted %s: %llu blocks of 4 KiB, %u groups, %u inodes",
		 read_only ? "read-only" : "read-write", (unsigned long long)fs_of(x)->blocks_count,
		 fs_of(x)->ngroups, fs_of(x)->inodes_count);
	return 0;
out:
	forget(x);
	return err;
}

/* ---- what a commit asks of the superblock */
void fs_commit_seal(struct exec *x, bool any)
{
	struct fs *fs = fs_of(x);
	struct ext4_super *sb = fs_super(x);
	u32 errors = atomic_load(&fs->error_count);
	bool error = fs_error_pending(x);
	u64 blocks, inodes;

	if (!any && !error)
		return;
	alloc_totals(x, &blocks, &inodes);
	if (!error && sb->s_free_blocks_count_lo == (u32)blocks &&
	    sb->s_free_inodes_count == (u32)inodes)
		return;
	journal_touch(x, frame_of(x, fs->super_frame));
	sb->s_free_blocks_count_lo = (u32)blocks;
	if (fs->feature_incompat & EXT4_INCOMPAT_64BIT)
		sb->s_free_blocks_count_hi = (u32)(blocks >> 32);
	sb->s_free_inodes_count = (u32)inodes;
	super_written(x, sb);
	fs_error_fill(x, sb);
	atomic_store(&fs->errors_put, errors);
}

void fs_commit_abort(struct exec *x, int err)
{
	u32 code = err == -MP_EUCLEAN ? FS_ERROR_CORRUPT : FS_ERROR_EIO;

	fs_error_here(x, "the journal is aborted", 0, 0, code | FS_ERROR_HARM);
	fs_error_write_home(x);
}

int fs_sync(struct exec *x)
{
	return fs_of(x)->mounted_rw && !journal_still(x) ? cache_sync(x) : 0;
}

int fs_error_write(struct exec *x)
{
	return fs_of(x)->mounted_rw && fs_error_pending(x) ? fs_sync(x) : 0;
}

/* Nobody has it open any more, whatever the count says. */
static int forget_opens(struct exec *x, struct inode *inode)
{
	int err;

	tx_begin(x);
	err = lock_write(x, &inode->lock, RANK_INODE);
	if (!err)
		err = tx_save(x, &inode->opens, 4);
	if (!err)
		atomic_store(&inode->opens, 0);
	return tx_end(x, err);
}

/* The nth inode of the orphan list, from 0, or NULL. */
static struct inode *orphan_nth(struct exec *x, u32 n)
{
	ref_t ref = fs_of(x)->orphan_head;

	while (ref && n--)
		ref = ((struct inode *)exec_ptr(x, ref))->orphan_next;
	return ref ? exec_ptr(x, ref) : NULL;
}

/* Inodes that live on only because somebody has them open go now, as if everybody had closed, and
 * what was cut off is finished. One that cannot go does not keep the others. */
static void release_orphans(struct exec *x)
{
	struct inode *inode;
	u32 stay = 0;

	while ((inode = orphan_nth(x, stay))) {
		inode_pin(x, inode);
		if (!forget_opens(x, inode))
			orphan_finish_truncate(x, inode);
		inode_put(x, inode);
		stay += orphan_nth(x, stay) == inode;
	}
}

/* All is on the medium: says that it is clean. */
static int mark_clean(struct exec *x)
{
	struct ext4_super *sb;
	int err;

	tx_begin_change(x);
	err = super_edit(x, &sb);
	if (!err) {
		sb->s_feature_incompat &= ~EXT4_INCOMPAT_RECOVER;
		if (fs_of(x)->was_valid && !(sb->s_state & EXT4_STATE_ERROR))
			sb->s_state |= EXT4_STATE_VALID;
		super_written(x, sb);
	}
	err = tx_end(x, err);
	return err ? err : cache_sync(x);
}

int fs_unmount(struct exec *x)
{
	struct fs *fs = fs_of(x);
	int err = 0;

	fs_forget_all(x, ~0u);
	if (!atomic_load(&fs->read_only))
		release_orphans(x);
	if (fs->mounted_rw) {
		/* a superblock that says "clean" goes home when all else is there, and is durable
		 * there when the log ends, which mends it till then */
		err = cache_sync(x);
		journal_take(x);
		if (!err)
			err = journal_home(x);
		journal_drop(x);
		if (!err)
			err = mark_clean(x);
		journal_take(x);
		if (!err)
			err = journal_stop(x);
		journal_drop(x);
	}
	forget(x);
	plat_log(x->plat, err ? PLAT_ERR : PLAT_INFO, "unmounted%s",
		 err ? ": not everything could be written" : "");
	return err;
}

int fs_statfs(struct exec *x, struct fs_statfs *out)
{
	const struct fs *fs = fs_of(x);
	u64 blocks, inodes;

	tx_begin(x);
	alloc_totals(x, &blocks, &inodes);
	tx_commit(x);
	memset(out, 0, sizeof(*out));
	out->blocks = fs->blocks_count - fs->overhead;
	out->bfree = blocks;
	out->bavail = blocks > fs->reserved_blocks ? blocks - fs->reserved_blocks : 0;
	out->files = fs->inodes_count;
	out->ffree = inodes;
	out->namelen = EXT4_NAME_MAX;
	return 0;
}
