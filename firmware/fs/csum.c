/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * metadata_csum: CRC32C over each kind of metadata block, as Documentation/filesystems/ext4/
 * checksums.rst describes. Everything starts from the filesystem's seed (of its UUID); what belongs
 * to an inode starts from the seed of its number and generation.
 */
#include "fs/csum.h"

#include "format/ext4.h"
#include "fs/super.h"
#include "platform/errno.h"
#include "pool/cache.h"

static u32 sum(struct exec *x, u32 crc, const void *p, u32 len)
{
	return plat_crc32c(x->plat, crc, p, len);
}

static int bad(struct exec *x, const struct frame *f, const char *what)
{
	u32 kind = frame_csum_kind(f);
	bool owned = kind == CSUM_EXTENT || kind == CSUM_DIR || kind == CSUM_DX;
	bool maps = kind == CSUM_GDT || kind == CSUM_BLOCK_BITMAP || kind == CSUM_INODE_BITMAP;

	plat_log(x->plat, PLAT_ERR, "block %llu: the checksum of the %s is wrong",
		 (unsigned long long)f->block, what);
	return fs_error_here(x, what, owned ? f->csum_owner : 0, f->block,
			     FS_ERROR_BADCRC | (maps ? FS_ERROR_HARM : 0));
}

/* ---- each kind: its sum and where it is kept */
static u16 desc_sum(struct exec *x, u32 group, const struct ext4_group_desc *d)
{
	const u32 at = offsetof(struct ext4_group_desc, bg_checksum);
	u32 size = fs_of(x)->desc_size, crc;
	u16 zero = 0;

	crc = sum(x, fs_of(x)->csum_seed, &group, 4);
	crc = sum(x, crc, d, at);
	crc = sum(x, crc, &zero, 2);
	if (size > at + 2)
		crc = sum(x, crc, (const u8 *)d + at + 2, size - at - 2);
	return (u16)crc;
}

static u32 inode_sum(struct exec *x, const struct ext4_inode *raw, u32 ino)
{
	const u32 lo = offsetof(struct ext4_inode, i_checksum_lo);
	const u32 hi = offsetof(struct ext4_inode, i_checksum_hi);
	u32 size = fs_of(x)->inode_size, crc;
	const u8 *p = (const u8 *)raw;
	u16 zero = 0;

	crc = sum(x, fs_of(x)->csum_seed, &ino, 4);
	crc = sum(x, crc, &raw->i_generation, 4);
	crc = sum(x, crc, p, lo);
	crc = sum(x, crc, &zero, 2);
	crc = sum(x, crc, p + lo + 2, 128 - lo - 2);
	if (size <= 128)
		return crc;
	if (raw->i_extra_isize < hi + 2 - 128)
		return sum(x, crc, p + 128, size - 128);
	crc = sum(x, crc, p + 128, hi - 128);
	crc = sum(x, crc, &zero, 2);
	return sum(x, crc, p + hi + 2, size - hi - 2);
}

static bool inode_sum_is_wide(struct exec *x, const struct ext4_inode *raw)
{
	return fs_of(x)->inode_size > 128 &&
	       raw->i_extra_isize >= offsetof(struct ext4_inode, i_checksum_hi) + 2 - 128;
}

/* The tail behind an extent block's entries, or NULL. */
static u32 *extent_tail(void *block)
{
	const struct ext4_extent_header *h = block;
	u32 at = sizeof(*h) + h->eh_max * sizeof(struct ext4_extent);

	return h->eh_magic == EXT4_EXT_MAGIC && at <= BLOCK_SIZE - 4 ? (u32 *)((u8 *)block + at)
								     : NULL;
}

static struct ext4_dirent_tail *dir_tail(void *block)
{
	struct ext4_dirent_tail *t =
		(void *)((u8 *)block + BLOCK_SIZE - sizeof(struct ext4_dirent_tail));

	if (t->det_reserved_zero1 || t->det_rec_len != sizeof(*t) || t->det_reserved_zero2 ||
	    t->det_reserved_ft != 0xDE)
		return NULL;
	return t;
}

/* An htree block: where limit and count are, and the tail behind the limit; NULL: it is none. */
static struct ext4_dx_tail *dx_tail(void *block, u32 *count_at, u32 *count)
{
	const struct ext4_dirent *first = block;
	const struct ext4_dirent *second = (void *)((u8 *)block + 12);
	u32 at, limit;
	u16 lc[2];

	if (first->rec_len == BLOCK_SIZE && first->inode == 0)
		at = 8;
	else if (first->rec_len == 12 && second->rec_len == BLOCK_SIZE - 12)
		at = 32;
	else
		return NULL;
	__builtin_memcpy(lc, (u8 *)block + at, 4);
	limit = lc[0];
	if (lc[1] == 0 || lc[1] > limit ||
	    at + limit * sizeof(struct ext4_dx_entry) + sizeof(struct ext4_dx_tail) > BLOCK_SIZE)
		return NULL;
	*count_at = at;
	*count = lc[1];
	return (void *)((u8 *)block + at + limit * sizeof(struct ext4_dx_entry));
}

static u32 dx_sum(struct exec *x, const struct frame *f, const void *block, u32 count_at, u32 count,
		  const struct ext4_dx_tail *t)
{
	u32 zero = 0, crc;

	crc = sum(x, f->csum_seed, block, count_at + count * sizeof(struct ext4_dx_entry));
	crc = sum(x, crc, &t->dt_reserved, 4);
	return sum(x, crc, &zero, 4);
}

static u32 xattr_sum(struct exec *x, blkno_t block, const struct ext4_xattr_header *h)
{
	const u32 at = offsetof(struct ext4_xattr_header, h_checksum);
	u32 zero = 0, crc;

	crc = sum(x, fs_of(x)->csum_seed, &block, 8);
	crc = sum(x, crc, h, at);
	crc = sum(x, crc, &zero, 4);
	return sum(x, crc, (const u8 *)h + at + 4, BLOCK_SIZE - at - 4);
}

/* Bytes of a bitmap that are summed: those that stand for something in every group but the last,
 * which counts as full. */
static u32 bitmap_bytes(struct exec *x, u32 kind)
{
	const struct fs *fs = fs_of(x);

	return (kind == CSUM_BLOCK_BITMAP ? fs->blocks_per_group : fs->inodes_per_group) / 8;
}

static void bitmap_sum_get(const struct ext4_group_desc *d, u32 kind, u16 *lo, u16 *hi)
{
	bool blocks = kind == CSUM_BLOCK_BITMAP;

	*lo = blocks ? d->bg_block_bitmap_csum_lo : d->bg_inode_bitmap_csum_lo;
	*hi = blocks ? d->bg_block_bitmap_csum_hi : d->bg_inode_bitmap_csum_hi;
}

/* ---- verifying */
static int verify_gdt(struct exec *x, struct frame *f)
{
	const struct fs *fs = fs_of(x);
	const u8 *p = frame_data(x, f);

	for (u32 i = 0; i < fs->descs_per_block && f->csum_owner + i < fs->ngroups; i++) {
		const struct ext4_group_desc *d = (const void *)(p + i * fs->desc_size);

		if (d->bg_checksum != desc_sum(x, f->csum_owner + i, d))
			return bad(x, f, "group descriptor");
	}
	return 0;
}

static int verify_bitmap(struct exec *x, struct frame *f)
{
	u32 crc =
		sum(x, fs_of(x)->csum_seed, frame_data(x, f), bitmap_bytes(x, frame_csum_kind(f)));
	struct ext4_group_desc *d;
	struct frame *gdt;
	int err = group_desc(x, f->csum_owner, &gdt, &d);
	u16 lo, hi;

	if (err)
		return err;
	bitmap_sum_get(d, frame_csum_kind(f), &lo, &hi);
	if (lo != (u16)crc || (fs_of(x)->desc_size >= 64 && hi != crc >> 16))
		err = bad(x, f,
			  frame_csum_kind(f) == CSUM_BLOCK_BITMAP ? "block bitmap"
								  : "inode bitmap");
	buf_put(x, gdt);
	return err;
}

static int verify_extent(struct exec *x, struct frame *f)
{
	u8 *p = frame_data(x, f);
	const u32 *tail = extent_tail(p);

	if (!tail || *tail != sum(x, f->csum_seed, p, (u32)((const u8 *)tail - p)))
		return bad(x, f, "extent block");
	return 0;
}

static int verify_dir(struct exec *x, struct frame *f)
{
	u8 *p = frame_data(x, f);
	const struct ext4_dirent_tail *t = dir_tail(p);
	u32 count_at, count;
	const struct ext4_dx_tail *dt;

	if (t && t->det_checksum == sum(x, f->csum_seed, p, BLOCK_SIZE - sizeof(*t))) {
		frame_csum_set(f, CSUM_DIR, 0);
		return 0;
	}
	/* a root that the kernel has made of a leaf still ends as a leaf does, but for the sum */
	dt = dx_tail(p, &count_at, &count);
	if (!dt || dt->dt_checksum != dx_sum(x, f, p, count_at, count, dt))
		return bad(x, f, t ? "directory block" : "directory index block");
	frame_csum_set(f, CSUM_DX, 0);
	return 0;
}

int csum_verify(struct exec *x, struct frame *f)
{
	void *p = frame_data(x, f);

	/* before the superblock is known its own sum says whether the rest of it may be believed */
	if (frame_csum_kind(f) == CSUM_SUPER) {
		const struct ext4_super *s = (void *)((u8 *)p + EXT4_SUPER_OFFSET);

		if (s->s_magic == EXT4_MAGIC && !super_sum_good(x, s))
			return bad(x, f, "superblock");
		return 0;
	}
	if (!fs_has_csum(x))
		return 0;
	switch (frame_csum_kind(f)) {
	case CSUM_GDT:
		return verify_gdt(x, f);
	case CSUM_BLOCK_BITMAP:
	case CSUM_INODE_BITMAP:
		return verify_bitmap(x, f);
	case CSUM_EXTENT:
		return verify_extent(x, f);
	case CSUM_DIR:
	case CSUM_DX:
		return verify_dir(x, f);
	case CSUM_XATTR:
		if (((struct ext4_xattr_header *)p)->h_checksum != xattr_sum(x, f->block, p))
			return bad(x, f, "extended attributes");
		return 0;
	default: /* CSUM_ITABLE: each inode at its first use */
		return 0;
	}
}

int csum_verify_inode(struct exec *x, const void *p, u32 ino)
{
	const struct ext4_inode *raw = p;
	u32 crc;

	if (!fs_has_csum(x))
		return 0;
	crc = inode_sum(x, raw, ino);
	if (raw->i_checksum_lo == (u16)crc &&
	    (!inode_sum_is_wide(x, raw) || raw->i_checksum_hi == crc >> 16))
		return 0;
	plat_log(x->plat, PLAT_ERR, "inode %u: its checksum is wrong", ino);
	return -MP_EUCLEAN;
}

/* ---- sealing */
static void seal_gdt(struct exec *x, struct frame *f)
{
	const struct fs *fs = fs_of(x);
	u8 *p = frame_data(x, f);

	for (u32 i = 0; i < fs->descs_per_block && f->csum_owner + i < fs->ngroups; i++) {
		struct ext4_group_desc *d = (void *)(p + i * fs->desc_size);

		d->bg_checksum = desc_sum(x, f->csum_owner + i, d);
	}
}

static void seal_itable(struct exec *x, struct frame *f)
{
	const struct fs *fs = fs_of(x);
	u8 *p = frame_data(x, f);
	u32 mask = frame_csum_mask(f);

	for (u32 i = 0; mask; i++, mask >>= 1) {
		struct ext4_inode *raw = (void *)(p + i * fs->inode_size);
		u32 crc;

		if (!(mask & 1))
			continue;
		crc = inode_sum(x, raw, f->csum_owner + i);
		raw->i_checksum_lo = (u16)crc;
		if (inode_sum_is_wide(x, raw))
			raw->i_checksum_hi = (u16)(crc >> 16);
	}
	/* last: who seals may die, and another seals again */
	(void)atomic_and(&f->csum, 0xFFFFu);
}

/*
 * The sum goes into the descriptor, under the group's lock: the allocator's undo log may hold the
 * descriptor's old bytes. The lock is only tried, because its holder may wait for this buffer.
 */
static int seal_bitmap(struct exec *x, struct frame *f)
{
	u32 *lock = &fs_group(x, f->csum_owner)->lock;
	struct ext4_group_desc *d;
	struct frame *gdt;
	u32 crc;
	int err;

	if (!lock_mini_try(x, lock, RANK_GROUP)) {
		exec_yield(x, lock);
		return -MP_EAGAIN;
	}
	err = group_desc(x, f->csum_owner, &gdt, &d);
	if (err)
		goto out;
	crc = sum(x, fs_of(x)->csum_seed, frame_data(x, f), bitmap_bytes(x, frame_csum_kind(f)));
	buf_touch_begin(x, gdt);
	if (frame_csum_kind(f) == CSUM_BLOCK_BITMAP) {
		d->bg_block_bitmap_csum_lo = (u16)crc;
		if (fs_of(x)->desc_size >= 64)
			d->bg_block_bitmap_csum_hi = (u16)(crc >> 16);
	} else {
		d->bg_inode_bitmap_csum_lo = (u16)crc;
		if (fs_of(x)->desc_size >= 64)
			d->bg_inode_bitmap_csum_hi = (u16)(crc >> 16);
	}
	buf_touch_end(x, gdt);
	buf_put(x, gdt);
out:
	lock_drop(x, lock);
	return err;
}

static int seal_dir(struct exec *x, struct frame *f)
{
	u8 *p = frame_data(x, f);
	struct ext4_dirent_tail *t = dir_tail(p);
	struct ext4_dx_tail *dt;
	u32 count_at, count;

	if (t && frame_csum_kind(f) == CSUM_DIR) {
		t->det_checksum = sum(x, f->csum_seed, p, BLOCK_SIZE - sizeof(*t));
		return 0;
	}
	dt = dx_tail(p, &count_at, &count);
	if (!dt) {
		plat_log(x->plat, PLAT_ERR, "block %llu: directory block without a tail",
			 (unsigned long long)f->block);
		return -MP_EUCLEAN;
	}
	dt->dt_checksum = dx_sum(x, f, p, count_at, count, dt);
	return 0;
}

int csum_seal(struct exec *x, struct frame *f)
{
	void *p = frame_data(x, f);
	u32 *tail;

	if (!fs_has_csum(x))
		return 0;
	switch (frame_csum_kind(f)) {
	case CSUM_SUPER:
		super_seal(x, (void *)((u8 *)p + EXT4_SUPER_OFFSET));
		return 0;
	case CSUM_GDT:
		seal_gdt(x, f);
		return 0;
	case CSUM_BLOCK_BITMAP:
	case CSUM_INODE_BITMAP:
		return seal_bitmap(x, f);
	case CSUM_ITABLE:
		seal_itable(x, f);
		return 0;
	case CSUM_EXTENT:
		tail = extent_tail(p);
		if (!tail)
			return -MP_EUCLEAN;
		*tail = sum(x, f->csum_seed, p, (u32)((u8 *)tail - (u8 *)p));
		return 0;
	case CSUM_DIR:
	case CSUM_DX:
		return seal_dir(x, f);
	case CSUM_XATTR: {
		struct ext4_xattr_header *h = p;

		h->h_checksum = xattr_sum(x, f->block, h);
		return 0;
	}
	default:
		return 0;
	}
}
