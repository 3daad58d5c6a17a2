/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The orphan list: inodes whose deletion or truncation is to be finished after a crash. On the
 * medium it is chained from s_last_orphan through i_dtime; in memory, forward and back.
 *
 * Invariant: i_dtime of an inode on the list, and s_last_orphan, change under orphan_lock only;
 * nobody else saves those bytes.
 */
#include "platform/atomic.h"
#include "fs/extent.h"
#include "fs/file_priv.h"

/* The word that names the first orphan, or the next one after `inode`; saved. */
static int link_save(struct exec *x, struct inode *inode, u32 **word)
{
	struct fs *fs = fs_of(x);
	struct frame *f;
	void *p;
	u32 off;
	int err;

	if (inode) {
		f = frame_of(x, inode->itable);
		off = inode->itable_offset + offsetof(struct ext4_inode, i_dtime);
	} else {
		f = frame_of(x, fs->super_frame);
		off = EXT4_SUPER_OFFSET + offsetof(struct ext4_super, s_last_orphan);
	}
	err = buf_save(x, f, off, 4, &p);
	if (err)
		return err;
	if (inode)
		inode_dirty_csum(x, inode);
	*word = p;
	return 0;
}

static int save3(struct exec *x, struct inode *inode)
{
	_Static_assert(offsetof(struct inode, orphan_prev) ==
			       offsetof(struct inode, orphan_next) + 4,
		       "saved as one");
	int err = tx_save(x, &inode->orphan_next, 8);

	if (!err)
		err = tx_save(x, &inode->flags, 4);
	return err;
}

static u32 orphan_flags(struct exec *x, const struct inode *inode)
{
	return inode_raw(x, inode)->i_links_count ? INODE_ORPHAN : INODE_ORPHAN | INODE_NOLINKS;
}

/* On the list already: for a truncation, and now maybe for good. */
static int orphan_mark(struct exec *x, struct inode *inode)
{
	int err = tx_save(x, &inode->flags, 4);

	if (!err)
		atomic_store(&inode->flags, inode->flags | orphan_flags(x, inode));
	return err;
}

int orphan_add(struct exec *x, struct inode *inode)
{
	struct fs *fs = fs_of(x);
	struct inode *next;
	u32 *head, *word;
	int err;

	if (inode->flags & INODE_ORPHAN)
		return orphan_mark(x, inode);
	err = lock_write(x, &fs->orphan_lock, RANK_ORPHAN);
	if (!err)
		err = link_save(x, NULL, &head);
	if (!err)
		err = link_save(x, inode, &word);
	if (!err)
		err = save3(x, inode);
	if (!err)
		err = tx_save(x, &fs->orphan_head, 4);
	next = fs->orphan_head ? exec_ptr(x, fs->orphan_head) : NULL;
	if (!err && next)
		err = tx_save(x, &next->orphan_prev, 4);
	if (err)
		return err;
	*word = *head;
	*head = inode->ino;
	if (next)
		next->orphan_prev = exec_ref(x, inode);
	inode->orphan_next = fs->orphan_head;
	inode->orphan_prev = 0;
	fs->orphan_head = exec_ref(x, inode);
	atomic_store(&inode->flags, inode->flags | orphan_flags(x, inode));
	return 0;
}

int orphan_del(struct exec *x, struct inode *inode)
{
	struct fs *fs = fs_of(x);
	struct inode *next, *prev;
	u32 *word, *from;
	int err;

	if (!(inode->flags & INODE_ORPHAN))
		return 0;
	err = lock_write(x, &fs->orphan_lock, RANK_ORPHAN);
	if (err)
		return err;
	next = inode->orphan_next ? exec_ptr(x, inode->orphan_next) : NULL;
	prev = inode->orphan_prev ? exec_ptr(x, inode->orphan_prev) : NULL;
	err = link_save(x, prev, &from);
	if (!err)
		err = link_save(x, inode, &word);
	if (!err)
		err = save3(x, inode);
	if (!err)
		err = tx_save(x, prev ? &prev->orphan_next : &fs->orphan_head, 4);
	if (!err && next)
		err = tx_save(x, &next->orphan_prev, 4);
	if (err)
		return err;
	*from = *word;
	*word = 0;
	if (prev)
		prev->orphan_next = inode->orphan_next;
	else
		fs->orphan_head = inode->orphan_next;
	if (next)
		next->orphan_prev = inode->orphan_prev;
	inode->orphan_next = 0;
	inode->orphan_prev = 0;
	atomic_store(&inode->flags, inode->flags & ~(INODE_ORPHAN | INODE_NOLINKS));
	return 0;
}

void orphan_finish_truncate(struct exec *x, struct inode *inode)
{
	int err;

	if ((atomic_load(&inode->flags) & (INODE_ORPHAN | INODE_NOLINKS)) != INODE_ORPHAN ||
	    atomic_load(&fs_of(x)->read_only))
		return;
	tx_begin_change(x);
	err = lock_write(x, &inode->lock, RANK_INODE);
	if (!err)
		err = file_finish_truncate(x, inode);
	err = tx_end(x, err);
	if (err)
		plat_log(x->plat, PLAT_ERR, "inode %u: its truncation is not finished: error %d",
			 inode->ino, err);
}

/* The first inode of the medium's list becomes the in-memory list. */
static int adopt(struct exec *x, struct inode *inode)
{
	struct fs *fs = fs_of(x);
	int err;

	err = lock_write(x, &inode->lock, RANK_INODE);
	if (!err)
		err = lock_write(x, &fs->orphan_lock, RANK_ORPHAN);
	if (!err)
		err = save3(x, inode);
	if (!err)
		err = tx_save(x, &fs->orphan_head, 4);
	if (err)
		return err;
	atomic_store(&inode->flags, inode->flags | orphan_flags(x, inode));
	fs->orphan_head = exec_ref(x, inode);
	return 0;
}

/* Finishes one: truncated to its size if it has links, else freed by its last put. */
static int orphan_finish(struct exec *x, ino_no_t ino)
{
	struct inode *inode;
	int err;

	err = inode_get_orphan(x, ino, &inode);
	if (err)
		return err;
	do {
		tx_begin_change(x);
		err = adopt(x, inode);
		if (!err && inode_raw(x, inode)->i_links_count)
			err = file_finish_truncate(x, inode);
		err = tx_end(x, err);
	} while (journal_again(x, &err));
	if (!err && !inode_raw(x, inode)->i_links_count)
		err = min_of(inode_evict(x, inode), 0);
	inode_put(x, inode);
	return err;
}

int orphan_cleanup(struct exec *x)
{
	u32 left = fs_of(x)->inodes_count, done = 0;
	ino_no_t ino;
	int err = 0;

	while (!err && (ino = fs_super(x)->s_last_orphan)) {
		if (!left--)
			return fs_corrupt(x, "orphan list goes round in a circle", ino, 0);
		err = orphan_finish(x, ino);
		if (!err && fs_super(x)->s_last_orphan == ino)
			err = fs_corrupt(x, "orphan list does not get shorter", ino, 0);
		done += !err;
	}
	if (done)
		plat_log(x->plat, PLAT_INFO, "finished %u deletions and truncations", done);
	return err;
}
