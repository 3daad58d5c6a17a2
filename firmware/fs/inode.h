/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Inodes: the cache of inode slots over the inode table's buffers. Owner: inode.c.
 *
 * The on-medium inode in its buffer is the only copy of the attributes; a slot adds the lock and
 * what is volatile. Slots are type-stable: they never become anything else. A slot in use pins the
 * buffer of its inode table block.
 */
#ifndef MPDISK_FS_INODE_H
#define MPDISK_FS_INODE_H

#include "fs/fs.h"
#include "fs/super.h"
#include "platform/atomic.h"
#include "pool/lock.h"
#include "pool/tx.h"

#define MAPPED_HOSTS 0x01FFFFFEu /* a bit per host that may have pages of it mapped */
#define MAPPED_HOLES 0x80000000u /* ... and zeros where it has no page */
#define MAPPED_TAIL 0x40000000u  /* behind its end there may be what users stored there */
_Static_assert(POOL_EXECUTORS == 24, "MAPPED_HOSTS");

#define INODE_DEAD 0x1u    /* freed on the medium; the slot goes when the last pin goes */
#define INODE_ORPHAN 0x2u  /* on the orphan list */
#define INODE_NEW 0x4u     /* its creation was aborted: never was an inode */
#define INODE_NOLINKS 0x8u /* on the orphan list to be freed, not to be truncated */

enum inode_state { /* of a slot */
		   INODE_FREE,
		   INODE_LOADING, /* being read by one executor; others wait on state */
		   INODE_READY,
		   INODE_GOING,    /* being emptied for another inode; others wait on state */
		   INODE_UNHASHED, /* dead, but somebody still has it pinned */
};

struct inode {             /* 192 bytes */
	u32 lock;          /* RANK_INODE lock word */
	ino_no_t ino;      /* [icache_lock; immutable while pinned] 0: slot is free */
	u32 generation;    /* [same] */
	u32 flags;         /* [inode lock; read as a hint without it] INODE_* */
	u32 pins;          /* atomic: pin.h; frozen when free */
	u32 opens;         /* [inode lock; read as a hint without it] the slot is not reused */
	fno_t itable;      /* [immutable while pinned] buffer, pinned */
	u32 itable_offset; /* [immutable while pinned] of the inode in it */
	ref_t hash_next;   /* [icache_lock; followed without it] */
	ref_t free_next;   /* [icache_lock] */
	u32 state;         /* atomic, [icache_lock] enum inode_state; waited on */
	ref_t orphan_next; /* [orphan_lock] */
	ref_t orphan_prev; /* [orphan_lock] */
	u32 pages_lock;    /* RANK_HASH-level mini lock of the page list; owner frame.c */
	fno_t pages;       /* [pages_lock] first cached page */
	u32 npages;        /* [pages_lock; read as a hint without it] */
	u32 reserved1;
	s32 io_error; /* atomic: error of a background write, not yet reported */
	/* one cached extent [inode lock for writing, or under seq], owner extent.c */
	u32 ext_seq;
	u32 ext_lblk;
	u32 ext_len; /* 0: none */
	u32 ext_unwritten;
	u32 ext_pblk_lo;
	u32 ext_pblk_hi;
	/* directories, owner dir.c/htree.c [inode lock] */
	u32 dir_hint; /* block in which the last entry was put */
	u32 reserved0;
	/* allocation, owner alloc.c [inode lock] */
	blkno_t last_pblk; /* where the last block of this file went */
	/* readahead, owner file.c: a hint, unlocked */
	u32 ra_next;
	u32 ra_window;
	u32 referenced; /* atomic: used since the clock hand came by */
	u32 sync_tid;   /* atomic: last transaction that may have changed its metadata */
	u32 csum_seed;  /* atomic: crc32c seed of its structures; 0: not computed yet */
	u32 type;       /* [immutable while pinned] EXT4_S_IFMT of its mode */
	u32 nocaps;     /* [inode lock] it is known to have no file capabilities */
	u32 seen; /* directories; atomic: a bit per host that looked it up and has not forgotten */
	u32 held; /* atomic: 1: removed, and kept for the hosts that have seen it */
	u32 data_tid;  /* atomic: as sync_tid, of what is needed to find the data again */
	u32 order_tid; /* atomic: its pages are written before this transaction is committed */
	u32 changes;   /* atomic: counts changes of its attributes, each before its first byte; goes
			  on   from one inode of the slot to the next */
	u32 mapped;    /* atomic, set under the inode lock: MAPPED_*, owner map.c */
	u32 unmap;     /* atomic: hosts that are asked to unmap it */
	u32 reserved[6];
};
_Static_assert(sizeof(struct inode) == 192, "struct inode");

static inline struct ext4_inode *inode_raw(const struct exec *x, const struct inode *inode)
{
	return (struct ext4_inode *)((u8 *)frame_data(x, frame_of(x, inode->itable)) +
				     inode->itable_offset);
}

/* Known without the lock, as it must be to choose in which order to lock. */
static inline bool inode_type_dir(const struct inode *inode)
{
	return inode->type == EXT4_S_IFDIR;
}

static inline node_t inode_node(const struct inode *inode)
{
	/* the root's generation is shown as 0: its node id is constant */
	return inode->ino == EXT4_ROOT_INO ? FS_ROOT : (node_t)inode->generation << 32 | inode->ino;
}

static inline u64 inode_size(const struct ext4_inode *raw)
{
	return raw->i_size_lo | (u64)raw->i_size_high << 32;
}

static inline bool inode_is_dir(const struct ext4_inode *raw)
{
	return (raw->i_mode & EXT4_S_IFMT) == EXT4_S_IFDIR;
}

static inline bool inode_is_reg(const struct ext4_inode *raw)
{
	return (raw->i_mode & EXT4_S_IFMT) == EXT4_S_IFREG;
}

/* The slot of an inode, pinned; reads and checks the inode table if it is not cached. By number:
 * any generation (a directory entry named it). -EUCLEAN: free, deleted or nonsense inode (logged;
 * range-checked first). -ENOMEM: every slot is pinned. */
int warn_unused inode_get(struct exec *x, ino_no_t ino, struct inode **out);
/* By node id: -ESTALE when it is gone or of another generation. Does not lock. */
int warn_unused inode_get_node(struct exec *x, node_t node, struct inode **out);
/* Drops the pin. May be called inside or after a tx. The last pin of an unlinked inode that is not
 * open frees it on the medium (inode_evict, its own transactions): so call it with no tx open,
 * after tx_end. */
void inode_put(struct exec *x, struct inode *inode);
/* Another pin on an inode that the caller has pinned, or that cannot go. */
void inode_pin(struct exec *x, struct inode *inode);

/* get_node + lock + still-alive check (-ESTALE), inside an open tx; the pin is the caller's. */
int warn_unused inode_lock_write(struct exec *x, struct inode *inode);
int warn_unused inode_lock_read(struct exec *x, struct inode *inode);

/* For a tx that changes the inode (locked for writing): saves it, marks its buffer edited and its
 * checksum to be made. Once per tx is enough, more do no harm. */
int warn_unused inode_edit(struct exec *x, struct inode *inode, struct ext4_inode **raw);

/* A new inode near `parent`, inside the open tx: allocated, initialised (mode, owner from x->cred
 * with setgid inheritance, times, extent header for files/dirs, i_extra_isize, generation), links 1
 * (2 for a directory), locked for writing, pinned. -ENOSPC. */
int warn_unused inode_new(struct exec *x, struct inode *parent, u32 mode, u32 rdev,
			  struct inode **out);

/* Counts one more fs_open of an inode that is locked for writing: for create and tmpfile. */
int warn_unused inode_opened(struct exec *x, struct inode *inode);

/* The host of this operation learns of the inode. */
static inline void inode_saw(const struct exec *x, struct inode *inode)
{
	if (inode->type == EXT4_S_IFDIR && !(atomic_load(&inode->seen) & x->seen))
		atomic_or(&inode->seen, x->seen);
}

/* Its attributes are about to change. */
static inline void inode_count_change(struct inode *inode)
{
	if (POOL_SHARED)
		atomic_add(&inode->changes, 1);
}

/* The open tx changes more of the inode, or of its extents, than times. */
static inline void inode_changed(struct exec *x, struct inode *inode)
{
	atomic_store(&inode->sync_tid, x->slot->tid);
	atomic_store(&inode->data_tid, x->slot->tid);
}

/* fs_setattr under the inode's lock, in an open tx. */
int warn_unused inode_setattr(struct exec *x, struct inode *inode, const struct fs_setattr *set);
/* Changes i_links_count with ext4's dir_nlink rule; saves the times too, does not touch them. */
int warn_unused inode_link_add(struct exec *x, struct inode *inode, s32 delta);
/* Puts an inode without links on the orphan list / takes it off. Inside the tx, inode locked for
 * writing. */
int warn_unused orphan_add(struct exec *x, struct inode *inode);
int warn_unused orphan_del(struct exec *x, struct inode *inode);
/* Finishes a truncation that was cut off, if the inode (pinned) is on the orphan list for one; its
 * own transactions. */
void orphan_finish_truncate(struct exec *x, struct inode *inode);
/* At mount: finishes deletion and truncation of the inodes on the medium's orphan list. */
int warn_unused orphan_cleanup(struct exec *x);

#define INODE_ATIME 1u
#define INODE_MTIME 2u
#define INODE_CTIME 4u
/* Sets the named times of a raw inode that is saved already to x->now. */
void inode_touch(struct exec *x, struct ext4_inode *raw, u32 which);
/* relatime's rule; x->now is this operation's */
bool inode_atime_stale(struct exec *x, const struct ext4_inode *raw);
/* Sets the access time of an inode that was found stale under its lock: a tx of its own. */
void inode_accessed(struct exec *x, struct inode *inode);
/* inode_touch() of mtime and ctime */
void inode_set_changed(struct exec *x, struct ext4_inode *raw);
/* Fills the attributes of a locked inode. */
void inode_attr(struct exec *x, const struct inode *inode, struct fs_attr *out);
void inode_set_size(struct ext4_inode *raw, u64 size);
void inode_add_blocks(struct ext4_inode *raw, s64 blocks4k);
/* Computes what inode_csum_seed() remembers: many inodes never need it. */
u32 inode_make_seed(struct exec *x, const struct inode *inode);
/* crc32c seed of the inode's extent, directory and xattr structures. */
static inline u32 inode_csum_seed(struct exec *x, const struct inode *inode)
{
	u32 seed = atomic_load(&inode->csum_seed);

	return seed ? seed : inode_make_seed(x, inode);
}

/* ---- between inode.c, icache*.c and orphan.c */
/* As inode_get, for an inode on the orphan list, which may have no links. */
int warn_unused inode_get_orphan(struct exec *x, ino_no_t ino, struct inode **out);
/* The place of an inode in the inode table. */
struct inode_home {
	ino_no_t ino;
	u32 offset; /* bytes in the block */
	blkno_t block;
};
/* The slot for an inode that the tx has just allocated: pinned, INODE_NEW, of a new generation. */
int warn_unused inode_slot_new(struct exec *x, const struct inode_home *home, u32 type,
			       struct inode **out);
/* Marks that the inode's checksum is to be made when its buffer is written. */
void inode_dirty_csum(struct exec *x, const struct inode *inode);
/* Frees an unlinked inode that nobody has open; its own transactions. 1: done; 0: it is no such
 * inode. */
int warn_unused inode_evict(struct exec *x, struct inode *inode);

/* Recovery (pool/undo.h): inodes_recover(). */

/* icache at mount and unmount */
void icache_init(struct exec *x);
void icache_drop_all(struct exec *x);

#endif
