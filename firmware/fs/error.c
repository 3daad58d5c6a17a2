/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Errors of the filesystem: remembered in the pool when they are found, whatever the executor is in
 * the middle of, and put into the superblock's error fields later. Layer: below all of fs/.
 *
 * Invariants
 *  R1. fs_error() waits for nothing but its own lock, which nobody holds over anything that waits.
 *  R2. What the superblock is to say is made of what it said at mount and of what was found since:
 *      doing it twice is harmless.
 *
 * What an error leads to is the superblock's choice (s_errors), as with ext4: 1 the operation fails
 * and the others go on; 2, 3 and nonsense: read-only. (To panic would take the disk away from every
 * host because of what one of them stored.) Where going on would do harm, because the maps of what
 * is free cannot be believed, it becomes read-only in any case.
 */
#include "platform/atomic.h"
#include "platform/errno.h"
#include "fs/super.h"
#include "pool/cache.h"

#define ERRORS_CONTINUE 1u

static void copy_text(u8 *dst, u32 size, const char *s)
{
	u32 i;

	for (i = 0; i < size; i++)
		dst[i] = *s ? (u8)*s++ : 0;
}

static void remember(struct exec *x, const struct fs_error *e, const char *func)
{
	struct fs *fs = fs_of(x);
	struct fs_error *last = &fs->last_error;
	struct hot hot;

	if (x->slot->nheld == POOL_HELD)
		return;
	hot_begin(x, &hot, &fs->error_lock, RANK_ERROR);
	hot_save(x, last, sizeof(*last));
	*last = *e;
	copy_text(last->func, sizeof(last->func), func);
	if (!fs->first_error.code) {
		hot_save(x, &fs->first_error, sizeof(*last));
		fs->first_error = *last;
	}
	hot_end(x, &hot);
}

static bool harmful(const struct fs *fs, u32 where)
{
	return where & FS_ERROR_HARM << FS_ERROR_CODE_SHIFT || fs->errors != ERRORS_CONTINUE;
}

int fs_error(struct exec *x, const char *what, ino_no_t ino, blkno_t block, u32 where,
	     const char *func)
{
	struct fs_error e = {.ino = ino,
			     .block = block,
			     .line = where & FS_ERROR_LINE,
			     .code = where >> FS_ERROR_CODE_SHIFT & 0xff};
	struct plat_time now;
	struct fs *fs;

	plat_log(x->plat, PLAT_ERR, "corrupt: %s (inode %u, block %llu)", what, ino,
		 (unsigned long long)block);
	if (!x->pool->hdr->fs) /* being mounted: nothing is known yet of where to put it */
		return -MP_EUCLEAN;
	fs = fs_of(x);
	plat_now(x->plat, &now);
	e.sec = now.sec;
	remember(x, &e, func);
	atomic_add(&fs->error_count, 1);
	if (harmful(fs, where) && !atomic_load(&fs->read_only)) {
		plat_log(x->plat, PLAT_ERR, "the filesystem is read-only from now on");
		atomic_store(&fs->read_only, 1);
	}
	return -MP_EUCLEAN;
}

static void put_first(struct ext4_super *sb, const struct fs_error *e)
{
	sb->s_first_error_time = (u32)e->sec;
	sb->s_first_error_time_hi = (u8)(e->sec >> 32);
	sb->s_first_error_ino = e->ino;
	sb->s_first_error_block = e->block;
	sb->s_first_error_line = e->line;
	sb->s_first_error_errcode = (u8)e->code;
	__builtin_memcpy(sb->s_first_error_func, e->func, sizeof(e->func));
}

static void put_last(struct ext4_super *sb, const struct fs_error *e)
{
	sb->s_last_error_time = (u32)e->sec;
	sb->s_last_error_time_hi = (u8)(e->sec >> 32);
	sb->s_last_error_ino = e->ino;
	sb->s_last_error_block = e->block;
	sb->s_last_error_line = e->line;
	sb->s_last_error_errcode = (u8)e->code;
	__builtin_memcpy(sb->s_last_error_func, e->func, sizeof(e->func));
}

void fs_error_fill(struct exec *x, struct ext4_super *sb)
{
	struct fs *fs = fs_of(x);
	u32 count = atomic_load(&fs->error_count);
	struct hot hot;

	if (!count)
		return;
	hot_begin(x, &hot, &fs->error_lock, RANK_ERROR);
	sb->s_state |= EXT4_STATE_ERROR;
	sb->s_state &= (u16)~EXT4_STATE_VALID;
	sb->s_error_count = fs->errors_before + count;
	if (!fs->errors_before)
		put_first(sb, &fs->first_error);
	put_last(sb, &fs->last_error);
	hot_end(x, &hot);
}

void fs_error_write_home(struct exec *x)
{
	struct plat_io io = {.op = PLAT_READ, .count = 1, .ref = x->pool->hdr->bounce};
	struct plat_io flush = {.op = PLAT_FLUSH};
	struct ext4_super *sb = exec_ptr(x, io.ref + EXT4_SUPER_OFFSET);

	plat_io_submit(x->plat, &io);
	if (plat_io_wait(x->plat, &io) || sb->s_magic != EXT4_MAGIC)
		return;
	fs_error_fill(x, sb);
	if (fs_has_csum(x))
		sb->s_checksum =
			plat_crc32c(x->plat, ~0u, sb, offsetof(struct ext4_super, s_checksum));
	io.op = PLAT_WRITE;
	plat_io_submit(x->plat, &io);
	if (plat_io_wait(x->plat, &io))
		return;
	plat_io_submit(x->plat, &flush);
	(void)plat_io_wait(x->plat, &flush);
}

int fs_writable(struct exec *x)
{
	return atomic_load(&fs_of(x)->read_only) ? -MP_EROFS : 0;
}
