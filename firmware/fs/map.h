/* SPDX-License-Identifier: BSD-2-Clause */
/* What the other parts of file data need to know of mappings (map.c). The inode is locked for
 * writing, unless said otherwise. */
#ifndef MPDISK_FS_MAP_H
#define MPDISK_FS_MAP_H

#include "fs/inode.h"

#ifdef MPDISK_SINGLE_HART
static inline u32 map_hosts(const struct inode *inode)
{
	(void)inode;
	return 0;
}

static inline void map_revoke(struct exec *x, struct inode *inode)
{
	(void)x;
	(void)inode;
}

static inline void map_fill_holes(struct exec *x, struct inode *inode)
{
	(void)x;
	(void)inode;
}

static inline int map_clean_tail(struct exec *x, struct inode *inode)
{
	(void)x;
	(void)inode;
	return 0;
}
#else
/* Hosts that may have pages of it mapped: then a page of the file stays the frame that it is. */
static inline u32 map_hosts(const struct inode *inode)
{
	return atomic_load_acquire(&inode->mapped) & MAPPED_HOSTS;
}

void map_revoke_all(struct exec *x, struct inode *inode);
/* Pages are about to leave the file: nobody has it mapped when this returns. */
static inline void map_revoke(struct exec *x, struct inode *inode)
{
	if (map_hosts(inode))
		map_revoke_all(x, inode);
}

/* Pages are about to come where there were none: nobody has zeros mapped there. */
static inline void map_fill_holes(struct exec *x, struct inode *inode)
{
	if (atomic_load(&inode->mapped) & MAPPED_HOLES)
		map_revoke_all(x, inode);
}

/* No inode is mapped when this returns, by any host. Holds the journal's role. */
void map_revoke_everywhere(struct exec *x);
int warn_unused map_zero_tail(struct exec *x, struct inode *inode);
/* The file is about to grow: what was stored behind its end becomes zeros (file_write.c, W3). */
static inline int map_clean_tail(struct exec *x, struct inode *inode)
{
	return atomic_load(&inode->mapped) & MAPPED_TAIL ? map_zero_tail(x, inode) : 0;
}
#endif

#endif
