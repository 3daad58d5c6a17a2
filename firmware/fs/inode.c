/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Inodes: their attributes, making and ending them. Layer: above extents and the allocator, below
 * names and file data.
 *
 * Invariants
 *  N1. The bytes in the inode table's buffer are the only copy of the attributes; they change under
 *      the inode's lock, but for i_dtime, which is the orphan list's while the inode is on it.
 *  N2. An inode without links is on the orphan list from the tx that took the last link until the
 *      tx that frees it.
 *
 * Typical use: inode_get_node(), tx_begin(), inode_lock_write(), inode_edit(), ..., tx_end(),
 * inode_put().
 */
#include <string.h>

#include "platform/atomic.h"
#include "platform/errno.h"
#include "fs/alloc.h"
#include "fs/extent.h"
#include "fs/file_priv.h"
#include "fs/xattr.h"
#include "fs/warm.h"

_Static_assert(offsetof(struct ext4_inode, i_dtime) == 20, "i_dtime");
_Static_assert(offsetof(struct ext4_inode, i_gid) == 24, "i_gid");
/* What says that an inode is free: mode, dtime, links. Its other bytes may then be anything. */
#define INODE_FREE_BYTES 28u
_Static_assert(offsetof(struct ext4_inode, i_links_count) + 2 == INODE_FREE_BYTES, "i_links_count");

/* ---- fields */
static void inode_set_time(u32 *sec, u32 *extra, struct plat_time t)
{
	u32 low = (u32)t.sec;
	u32 epoch = (u32)((t.sec - (s32)low) >> 32) & 3u;

	*sec = low;
	*extra = t.nsec << 2 | epoch;
}

static struct plat_time inode_get_time(u32 sec, u32 extra)
{
	struct plat_time t;

	t.sec = (s64)(s32)sec + ((s64)(extra & 3u) << 32);
	t.nsec = extra >> 2;
	if (t.nsec > 999999999u)
		t.nsec = 999999999u;
	return t;
}

/* Whether the inode is made large enough for the field that ends at byte `end`. */
static bool has_field(const struct ext4_inode *raw, u32 end)
{
	return 128u + raw->i_extra_isize >= end;
}

static void put_time(struct ext4_inode *raw, u32 *sec, u32 *extra, struct plat_time t)
{
	u32 none;

	if (!has_field(raw, (u32)((u8 *)(extra + 1) - (u8 *)raw)))
		extra = &none;
	inode_set_time(sec, extra, t);
}

static struct plat_time time_of(const struct ext4_inode *raw, const u32 *sec, const u32 *extra)
{
	bool has = has_field(raw, (u32)((const u8 *)(extra + 1) - (const u8 *)raw));

	return inode_get_time(*sec, has ? *extra : 0);
}

void inode_touch(struct exec *x, struct ext4_inode *raw, u32 which)
{
	if (which & INODE_ATIME)
		put_time(raw, &raw->i_atime, &raw->i_atime_extra, x->now);
	if (which & INODE_MTIME)
		put_time(raw, &raw->i_mtime, &raw->i_mtime_extra, x->now);
	if (which & INODE_CTIME)
		put_time(raw, &raw->i_ctime, &raw->i_ctime_extra, x->now);
}

void inode_set_changed(struct exec *x, struct ext4_inode *raw)
{
	u32 extra;

	inode_set_time(&raw->i_ctime, &extra, x->now);
	raw->i_mtime = raw->i_ctime;
	if (has_field(raw, offsetof(struct ext4_inode, i_ctime_extra) + 4))
		raw->i_ctime_extra = extra;
	if (has_field(raw, offsetof(struct ext4_inode, i_mtime_extra) + 4))
		raw->i_mtime_extra = extra;
}

static bool not_later(struct plat_time a, struct plat_time b)
{
	return a.sec < b.sec || (a.sec == b.sec && a.nsec <= b.nsec);
}

bool inode_atime_stale(struct exec *x, const struct ext4_inode *raw)
{
	struct plat_time atime;

	if (x->cred.umask & CRED_NOATIME)
		return false;
	atime = time_of(raw, &raw->i_atime, &raw->i_atime_extra);
	return not_later(atime, time_of(raw, &raw->i_mtime, &raw->i_mtime_extra)) ||
	       not_later(atime, time_of(raw, &raw->i_ctime, &raw->i_ctime_extra)) ||
	       x->now.sec - atime.sec >= 86400;
}

void inode_set_size(struct ext4_inode *raw, u64 size)
{
	raw->i_size_lo = (u32)size;
	raw->i_size_high = (u32)(size >> 32);
}

/* i_blocks in 512-byte units, huge_file aware. */
static u64 inode_blocks(const struct ext4_inode *raw)
{
	u64 n = raw->i_blocks_lo | (u64)raw->i_blocks_high << 32;

	return raw->i_flags & EXT4_FL_HUGE_FILE ? n << (BLOCK_SHIFT - 9) : n;
}

void inode_add_blocks(struct ext4_inode *raw, s64 blocks4k)
{
	u64 n = raw->i_blocks_lo | (u64)raw->i_blocks_high << 32;

	if (raw->i_flags & EXT4_FL_HUGE_FILE)
		n += (u64)blocks4k;
	else
		n += (u64)(blocks4k * 8);
	raw->i_blocks_lo = (u32)n;
	raw->i_blocks_high = (u16)(n >> 32);
}

u32 inode_make_seed(struct exec *x, const struct inode *inode)
{
	u32 seed = fs_of(x)->csum_seed;

	seed = plat_crc32c(x->plat, seed, &inode->ino, 4);
	seed = plat_crc32c(x->plat, seed, &inode->generation, 4);
	/* whoever else computes it stores the same */
	atomic_store((u32 *)&inode->csum_seed, seed);
	return seed;
}

/* i_block[0] has the old 16-bit form, or i_block[1] the new one: the one that FUSE has. */
static u32 rdev_of(const struct ext4_inode *raw)
{
	u32 old = raw->i_block[0];

	return old ? (old & 0xFF) | (old >> 8 & 0xFF) << 8 : raw->i_block[1];
}

static void set_rdev(struct ext4_inode *raw, u32 rdev)
{
	u32 major = rdev >> 8 & 0xFFF, minor = (rdev & 0xFF) | (rdev >> 12 & 0xFFF00);

	if (major < 256 && minor < 256)
		raw->i_block[0] = major << 8 | minor;
	else
		raw->i_block[1] = rdev;
}

static bool is_device(u32 mode)
{
	return (mode & EXT4_S_IFMT) == EXT4_S_IFCHR || (mode & EXT4_S_IFMT) == EXT4_S_IFBLK;
}

void inode_attr(struct exec *x, const struct inode *inode, struct fs_attr *out)
{
	const struct ext4_inode *raw = inode_raw(x, inode);

	out->node = inode_node(inode);
	out->size = inode_size(raw);
	out->blocks = inode_blocks(raw);
	out->atime = time_of(raw, &raw->i_atime, &raw->i_atime_extra);
	out->mtime = time_of(raw, &raw->i_mtime, &raw->i_mtime_extra);
	out->ctime = time_of(raw, &raw->i_ctime, &raw->i_ctime_extra);
	if (has_field(raw, offsetof(struct ext4_inode, i_crtime_extra) + 4))
		out->crtime = inode_get_time(raw->i_crtime, raw->i_crtime_extra);
	else
		out->crtime = out->ctime;
	out->mode = raw->i_mode;
	out->nlink = raw->i_links_count;
	out->uid = raw->i_uid | (u32)raw->i_uid_high << 16;
	out->gid = raw->i_gid | (u32)raw->i_gid_high << 16;
	out->rdev = is_device(raw->i_mode) ? rdev_of(raw) : 0;
	if (POOL_SHARED) {
		out->word = exec_ref(x, &inode->changes);
		out->changes = atomic_load(&inode->changes);
		out->flags = raw->i_flags & EXT4_FL_USER_VISIBLE;
	}
}

/* ---- locking and changing */
static int alive(const struct inode *inode)
{
	return inode->flags & (INODE_DEAD | INODE_NEW) ? -MP_ESTALE : 0;
}

int inode_lock_write(struct exec *x, struct inode *inode)
{
	int err = lock_write(x, &inode->lock, RANK_INODE);

	return err ? err : alive(inode);
}

int inode_lock_read(struct exec *x, struct inode *inode)
{
	int err = lock_read(x, &inode->lock, RANK_INODE);

	return err ? err : alive(inode);
}

void inode_dirty_csum(struct exec *x, const struct inode *inode)
{
	buf_csum_add(frame_of(x, inode->itable), inode->itable_offset >> fs_of(x)->inode_shift);
}

int inode_edit(struct exec *x, struct inode *inode, struct ext4_inode **out)
{
	struct ext4_inode *raw = inode_raw(x, inode);
	int err;

	err = buf_edit(x, frame_of(x, inode->itable));
	if (!err) /* N1: without i_dtime */
		err = tx_save(x, raw, offsetof(struct ext4_inode, i_dtime));
	if (!err)
		err = tx_save(x, &raw->i_gid,
			      fs_of(x)->inode_size - offsetof(struct ext4_inode, i_gid));
	if (err)
		return err;
	inode_dirty_csum(x, inode);
	inode_changed(x, inode);
	inode_count_change(inode);
	*out = raw;
	return 0;
}

int inode_edit_times(struct exec *x, struct inode *inode, struct ext4_inode **out)
{
	struct ext4_inode *raw = inode_raw(x, inode);
	int err;

	err = buf_edit(x, frame_of(x, inode->itable));
	if (!err) /* mode, lower size, atime, ctime, mtime */
		err = tx_save(x, raw, offsetof(struct ext4_inode, i_dtime));
	if (!err && has_field(raw, offsetof(struct ext4_inode, i_crtime)))
		err = tx_save(x, &raw->i_ctime_extra,
			      offsetof(struct ext4_inode, i_crtime) -
				      offsetof(struct ext4_inode, i_ctime_extra));
	else if (!err)
		err = tx_save(x, &raw->i_extra_isize, fs_of(x)->inode_size - 128);
	if (err)
		return err;
	inode_dirty_csum(x, inode);
	atomic_store(&inode->sync_tid, x->slot->tid);
	inode_count_change(inode);
	*out = raw;
	return 0;
}

int inode_edit_links(struct exec *x, struct inode *inode, struct ext4_inode **out)
{
	int err = inode_edit_times(x, inode, out);

	_Static_assert(offsetof(struct ext4_inode, i_links_count) ==
			       offsetof(struct ext4_inode, i_gid) + 2,
		       "saved as one");
	inode_changed(x, inode);
	return err ? err : tx_save(x, &inode_raw(x, inode)->i_gid, 4);
}

int inode_edit_size(struct exec *x, struct inode *inode, struct ext4_inode **out)
{
	int err = inode_edit_times(x, inode, out);

	inode_changed(x, inode);
	return err ? err : tx_save(x, &inode_raw(x, inode)->i_size_high, 4);
}

bool inode_times_fresh(struct exec *x, const struct ext4_inode *raw)
{
	struct plat_time t;

	if (raw->i_mtime != (u32)x->now.sec || raw->i_ctime != raw->i_mtime)
		return false;
	if (!has_field(raw, offsetof(struct ext4_inode, i_atime_extra)) ||
	    raw->i_ctime_extra != raw->i_mtime_extra)
		return false;
	t = inode_get_time(raw->i_mtime, raw->i_mtime_extra);
	return t.sec == x->now.sec && x->now.nsec - t.nsec < TIME_GRAIN_NS;
}

int inode_link_add(struct exec *x, struct inode *inode, s32 delta)
{
	struct ext4_inode *raw;
	s32 links;
	int err;

	err = inode_edit_links(x, inode, &raw);
	if (err)
		return err;
	links = raw->i_links_count + delta;
	if (inode_is_dir(raw)) {
		/* 1: more subdirectories than can be counted */
		if (raw->i_links_count == 1 && (delta == 1 || delta == -1))
			return 0;
		if (links > (s32)EXT4_LINK_MAX) {
			if (!(fs_of(x)->feature_ro_compat & EXT4_RO_DIR_NLINK))
				return -MP_EMLINK;
			links = 1;
		}
		links = max_of(links, 0);
	} else if (links > (s32)EXT4_LINK_MAX) {
		return -MP_EMLINK;
	} else if (links < 0) {
		return fs_corrupt(x, "link count below zero", inode->ino, 0);
	}
	raw->i_links_count = (u16)links;
	return 0;
}

void inode_accessed(struct exec *x, struct inode *inode)
{
	struct ext4_inode *raw;
	int err;

	if (fs_writable(x) || journal_halted(x))
		return;
	tx_begin_change(x);
	err = inode_lock_write(x, inode);
	if (!err)
		err = inode_edit_times(x, inode, &raw);
	if (!err)
		inode_touch(x, raw, INODE_ATIME);
	err = tx_end(x, err);
	if (err && err != -MP_ESTALE)
		plat_log(x->plat, PLAT_WARN, "inode %u: access time: error %d", inode->ino, err);
}

/* ---- beginning and end */
static void inode_fill(struct exec *x, struct inode *inode, const struct ext4_inode *parent,
		       u32 mode, u32 rdev)
{
	struct ext4_inode *raw = inode_raw(x, inode);
	const struct fs *fs = fs_of(x);
	bool dir = (mode & EXT4_S_IFMT) == EXT4_S_IFDIR;
	u32 gid = x->cred.gid;

	memset(raw, 0, fs->inode_size);
	if (parent && parent->i_mode & EXT4_S_ISGID) {
		gid = parent->i_gid | (u32)parent->i_gid_high << 16;
		if (dir)
			mode |= EXT4_S_ISGID;
	}
	raw->i_mode = (u16)mode;
	raw->i_uid = (u16)x->cred.uid;
	raw->i_uid_high = (u16)(x->cred.uid >> 16);
	raw->i_gid = (u16)gid;
	raw->i_gid_high = (u16)(gid >> 16);
	raw->i_links_count = dir ? 2 : 1;
	raw->i_generation = inode->generation;
	raw->i_extra_isize = (u16)fs->want_extra_isize;
	/* want_extra_isize covers all of these */
	inode_set_time(&raw->i_crtime, &raw->i_crtime_extra, x->now);
	raw->i_atime = raw->i_mtime = raw->i_ctime = raw->i_crtime;
	raw->i_atime_extra = raw->i_mtime_extra = raw->i_ctime_extra = raw->i_crtime_extra;
	switch (mode & EXT4_S_IFMT) {
	case EXT4_S_IFREG:
	case EXT4_S_IFDIR:
		extent_init(raw);
		break;
	case EXT4_S_IFCHR:
	case EXT4_S_IFBLK:
		set_rdev(raw, rdev);
		break;
	}
}

int inode_new(struct exec *x, struct inode *parent, u32 mode, u32 rdev, struct inode **out)
{
	bool dir = (mode & EXT4_S_IFMT) == EXT4_S_IFDIR;
	struct inode *inode;
	struct inode_home home;
	int err;

	err = inode_alloc(x, parent, dir, &home);
	if (!err)
		err = inode_slot_new(x, &home, mode & EXT4_S_IFMT, &inode);
	if (err)
		return err;
	err = lock_write(x, &inode->lock, RANK_INODE);
	if (!err)
		err = buf_edit(x, frame_of(x, inode->itable));
	if (!err)
		err = tx_save(x, inode_raw(x, inode), INODE_FREE_BYTES);
	if (!err)
		err = tx_save(x, &inode->flags, 4);
	if (err) {
		inode_put(x, inode);
		return err;
	}
	/* before its first byte changes: what an abort leaves has a checksum, too */
	inode_dirty_csum(x, inode);
	tx_fresh(x, inode_raw(x, inode), fs_of(x)->inode_size);
	inode_fill(x, inode, parent ? inode_raw(x, parent) : NULL, mode, rdev);
	atomic_store(&inode->flags, 0); /* abort puts INODE_NEW back */
	*out = inode;
	return 0;
}

/* The last of an inode: everything that it has is freed by the commit of this tx. */
static int inode_finish(struct exec *x, struct inode *inode)
{
	struct ext4_inode *raw = inode_raw(x, inode);
	int err = 0;

	if (inode_size(raw)) {
		err = inode_edit_size(x, inode, &raw);
		if (!err)
			inode_set_size(raw, 0);
	}
	if (!err)
		err = orphan_del(x, inode); /* saves i_dtime and flags */
	if (!err)
		err = xattr_free_block(x, inode);
	if (!err)
		err = inode_free(x, inode->ino, inode_is_dir(raw));
	if (err)
		return err;
	inode_count_change(inode);
	raw->i_dtime = (u32)x->now.sec;
	atomic_store(&inode->flags, inode->flags | INODE_DEAD);
	return 0; /* its last pin, or who gets its number, takes it out of the hash */
}

static int inode_evict_once(struct exec *x, struct inode *inode)
{
	struct ext4_inode *raw = inode_raw(x, inode);
	bool gone = false;
	int err;

	tx_begin_change(x);
	err = lock_write(x, &inode->lock, RANK_INODE);
	if (err || inode->opens || raw->i_links_count || !(inode->flags & INODE_ORPHAN) ||
	    inode->flags & INODE_DEAD)
		goto out;
	page_drop(x, inode, 0, ~0u);
	if (inode_has_tree(raw) && !extent_none(raw)) {
		err = extent_remove_all(x, inode, 0);
		if (err)
			goto out;
	}
	err = inode_finish(x, inode);
	gone = !err;
out:
	err = tx_end(x, err);
	return err ? err : gone;
}

int inode_evict(struct exec *x, struct inode *inode)
{
	int err;

	do
		err = inode_evict_once(x, inode);
	while (journal_again(x, &err));
	return err;
}

/* ---- operations */
int fs_getattr(struct exec *x, node_t node, struct fs_attr *out)
{
	struct inode *inode;
	int err;

	if (warm_getattr(x, node, out))
		return 0;
	err = inode_get_node(x, node, &inode);
	if (err)
		return err;
	tx_begin(x);
	err = inode_lock_read(x, inode);
	if (!err)
		inode_attr(x, inode, out);
	err = tx_end(x, err);
	inode_put(x, inode);
	return err;
}

void inode_kill_suid(struct ext4_inode *raw)
{
	if (inode_is_dir(raw))
		return;
	raw->i_mode &= (u16)~EXT4_S_ISUID;
	if (raw->i_mode & 010)
		raw->i_mode &= (u16)~EXT4_S_ISGID;
}

int inode_drop_caps(struct exec *x, struct inode *inode)
{
	static const char name[] = "capability";
	int err = -MP_ENODATA;

	if (!xattr_none(x, inode))
		err = xattr_remove(x, inode, EXT4_XATTR_SECURITY,
				   (struct fs_name){name, sizeof(name) - 1});
	if (err != -MP_ENODATA)
		return err;
	inode->nocaps = 1;
	return 0;
}

/* A time from outside becomes the nearest that the inode has room for; at the ends without a part
 * of a second, as ext4 does it. */
static struct plat_time time_fit(const struct ext4_inode *raw, struct plat_time t)
{
	const s64 least = -(s64)0x80000000;
	const s64 most = has_field(raw, offsetof(struct ext4_inode, i_atime_extra) + 4)
				 ? (s64)0x37fffffff
				 : (s64)0x7fffffff;

	if (t.sec <= least || t.sec >= most) {
		t.sec = t.sec < 0 ? least : most;
		t.nsec = 0;
	}
	return t;
}

static void set_times(struct exec *x, struct ext4_inode *raw, const struct fs_setattr *set)
{
	u32 v = set->valid;

	if (v & FS_SET_ATIME_NOW)
		inode_touch(x, raw, INODE_ATIME);
	else if (v & FS_SET_ATIME)
		put_time(raw, &raw->i_atime, &raw->i_atime_extra, time_fit(raw, set->atime));
	if (v & FS_SET_MTIME_NOW)
		inode_touch(x, raw, INODE_MTIME);
	else if (v & FS_SET_MTIME)
		put_time(raw, &raw->i_mtime, &raw->i_mtime_extra, time_fit(raw, set->mtime));
	if (v & FS_SET_CTIME)
		put_time(raw, &raw->i_ctime, &raw->i_ctime_extra, time_fit(raw, set->ctime));
	else
		inode_touch(x, raw, INODE_CTIME);
}

static int setattr_check(const struct ext4_inode *raw, const struct fs_setattr *set)
{
	if (raw->i_flags & EXT4_FL_IMMUTABLE)
		return -MP_EPERM;
	if (raw->i_flags & EXT4_FL_APPEND &&
	    set->valid & (FS_SET_MODE | FS_SET_UID | FS_SET_GID | FS_SET_SIZE | FS_SET_ATIME |
			  FS_SET_MTIME))
		return -MP_EPERM;
	if (!(set->valid & FS_SET_SIZE))
		return 0;
	if (inode_is_dir(raw))
		return -MP_EISDIR;
	if (!inode_is_reg(raw))
		return -MP_EINVAL;
	return set->size > FILE_SIZE_MAX ? -MP_EFBIG : 0;
}

#define SET_TIMES (FS_SET_ATIME | FS_SET_ATIME_NOW | FS_SET_MTIME | FS_SET_MTIME_NOW | FS_SET_CTIME)

/* Mode, owner and times: no data is found by them, so fdatasync does not ask for them. */
static int inode_edit_owner(struct exec *x, struct inode *inode, struct ext4_inode **out)
{
	int err = inode_edit_times(x, inode, out);

	_Static_assert(offsetof(struct ext4_inode, i_gid_high) ==
			       offsetof(struct ext4_inode, i_uid_high) + 2,
		       "saved as one");
	if (!err)
		err = tx_save(x, &inode_raw(x, inode)->i_gid, 4);
	return err ? err : tx_save(x, &inode_raw(x, inode)->i_uid_high, 4);
}

int inode_setattr(struct exec *x, struct inode *inode, const struct fs_setattr *set)
{
	struct ext4_inode *raw = inode_raw(x, inode);
	int err;

	err = setattr_check(raw, set);
	if (!err && set->valid & FS_SET_SIZE && set->size == inode_size(raw))
		err = file_finish_truncate(x, inode);
	if (!err && set->valid & FS_SET_SIZE)
		err = file_set_size(x, inode, set->size);
	if (!err && set->valid & (FS_SET_SIZE | FS_SET_UID | FS_SET_GID) && !inode_is_dir(raw))
		err = inode_lose_caps(x, inode);
	if (!err)
		err = set->valid & ~SET_TIMES ? inode_edit_owner(x, inode, &raw)
					      : inode_edit_times(x, inode, &raw);
	if (err)
		return err;
	if (set->valid & FS_KILL_SUIDGID)
		inode_kill_suid(raw);
	if (set->valid & FS_SET_UID) {
		raw->i_uid = (u16)set->uid;
		raw->i_uid_high = (u16)(set->uid >> 16);
	}
	if (set->valid & FS_SET_GID) {
		raw->i_gid = (u16)set->gid;
		raw->i_gid_high = (u16)(set->gid >> 16);
	}
	if (set->valid & FS_SET_SIZE)
		inode_touch(x, raw, INODE_MTIME);
	set_times(x, raw, set);
	if (set->valid & FS_SET_MODE) {
		raw->i_mode = (u16)((raw->i_mode & EXT4_S_IFMT) | (set->mode & 07777));
		err = acl_chmod(x, inode, raw->i_mode);
	}
	return err;
}

static int setattr_once(struct exec *x, node_t node, const struct fs_setattr *set,
			struct fs_attr *out)
{
	struct inode *inode;
	int err;

	err = fs_writable(x);
	if (!err)
		err = inode_get_node(x, node, &inode);
	if (err)
		return err;
	tx_begin_change(x);
	err = inode_lock_write(x, inode);
	if (!err)
		err = inode_setattr(x, inode, set);
	if (!err)
		inode_attr(x, inode, out);
	err = tx_end(x, err);
	inode_put(x, inode);
	return err;
}

int fs_setattr(struct exec *x, node_t node, const struct fs_setattr *set, struct fs_attr *out)
{
	int err;

	do
		err = setattr_once(x, node, set, out);
	while (journal_again(x, &err));
	return err;
}
