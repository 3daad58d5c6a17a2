/* SPDX-License-Identifier: BSD-2-Clause */
/* What inode.c, orphan.c and the file_*.c share. */
#ifndef MPDISK_FS_FILE_PRIV_H
#define MPDISK_FS_FILE_PRIV_H

#include "fs/extent.h"

/* Logical blocks are 32 bits, and the last number is none. */
#define FILE_SIZE_MAX (((u64)0xFFFFFFFFu << BLOCK_SHIFT))

/* ---- inode.c */
/* As inode_edit, of mode and times only, and of the size too: the short way for file data. */
int warn_unused inode_edit_times(struct exec *x, struct inode *inode, struct ext4_inode **raw);
int warn_unused inode_edit_size(struct exec *x, struct inode *inode, struct ext4_inode **raw);
int warn_unused inode_edit_links(struct exec *x, struct inode *inode, struct ext4_inode **raw);
/* Whether mtime and ctime are of this moment already. Times of file data have a grain, as they have
 * under Linux, so that not every write of a row changes the inode. */
#define TIME_GRAIN_NS 1000000u
bool inode_times_fresh(struct exec *x, const struct ext4_inode *raw);
/* Clears setuid, and setgid where group-executable, of a saved inode. */
void inode_kill_suid(struct ext4_inode *raw);
/* The content or the owner changes: file capabilities go. The inode is locked for writing. */
int warn_unused inode_drop_caps(struct exec *x, struct inode *inode);
static inline int inode_lose_caps(struct exec *x, struct inode *inode)
{
	return inode->nocaps ? 0 : inode_drop_caps(x, inode);
}

/* ---- file_page.c: the inode locked; page_get for reading or writing */
/* The page of a mapped, written block, pinned, read from the medium if need be. */
int warn_unused page_get(struct exec *x, struct inode *inode, lblk_t index, blkno_t block,
			 struct frame **out);
/* The page at `index`, whatever backs it: NULL for a hole or unwritten blocks (nothing but zeros).
 * *block is its place on the medium. */
int warn_unused page_lookup(struct exec *x, struct inode *inode, lblk_t index, blkno_t *block,
			    struct frame **out);
/* Reads what is missing of pages [first, first+count) with several requests in flight; a hint. */
void page_readahead(struct exec *x, struct inode *inode, lblk_t first, u32 count);

/* Bytes [from, to) of a page become zeros, now, if anything is mapped there: by inflight_settle. */
int warn_unused page_zero(struct exec *x, struct inode *inode, lblk_t index, u32 from, u32 to);
/* The same when the open tx commits. The page is read now, and stays pinned in *f (NULL: nothing to
 * do) until the caller unpins it after the commit. */
int warn_unused page_zero_later(struct exec *x, struct inode *inode, lblk_t index, u32 from, u32 to,
				struct frame **f);
/* Pages [first, last] leave the cache, unwritten, when the open tx commits. */
int warn_unused page_drop_later(struct exec *x, struct inode *inode, lblk_t first, lblk_t last);
/* Bytes [from, to) of a page become zeros if the open tx does not commit. */
int warn_unused page_zero_on_abort(struct exec *x, struct inode *inode, lblk_t index, u32 from);

/* ---- file_size.c: the inode locked for writing, in an open tx, which may be restarted: then what
 * was done so far is kept. */
/* Size, blocks and pages; not the times. */
int warn_unused file_set_size(struct exec *x, struct inode *inode, u64 size);
/* Removes blocks beyond the size that an interrupted truncation has left; off the orphan list. */
int warn_unused file_finish_truncate(struct exec *x, struct inode *inode);

/* ---- file_write.c */
/* fs_write under the lock of the inode, in an open tx, which may be restarted, from byte *done of
 * the segs on; *done says then how many bytes are written for good, with 0 or an error. */
int warn_unused file_write(struct exec *x, struct inode *inode, u64 pos, u32 flags,
			   struct fs_seg *segs, u32 nsegs, u32 *done);
/* -EISDIR, -EINVAL, -EPERM: whether the inode's data may be changed. */
int warn_unused file_check(const struct ext4_inode *raw);

#endif
