/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * LOOKUP, GETATTR and READ of what is cached, without a transaction, a lock or a pin.
 *
 * Right only where a single hart runs all executors and switches them only where they wait: nothing
 * changes between the first load and the last, for nothing here waits. Elsewhere these always
 * decline. What is locked for writing, or is not there, is declined too: the caller then goes the
 * long way.
 */
#ifndef MPDISK_FS_WARM_H
#define MPDISK_FS_WARM_H

#include "fs/inode.h"

#ifdef MPDISK_SINGLE_HART
/* True: *out is the answer. */
bool warm_getattr(struct exec *x, node_t node, struct fs_attr *out);
/* True: *err is the answer, and *out if that is 0. */
bool warm_lookup(struct exec *x, node_t dir, struct fs_name name, struct fs_attr *out, int *err);
/* True: segs hold the *len bytes at pos (fewer at the end of the file), pinned as by fs_read. */
bool warm_read(struct exec *x, node_t node, u64 pos, u32 *len, struct fs_seg *segs, u32 *nsegs);
#else
static inline bool warm_getattr(struct exec *x, node_t node, struct fs_attr *out)
{
	(void)x, (void)node, (void)out;
	return false;
}

static inline bool warm_lookup(struct exec *x, node_t dir, struct fs_name name, struct fs_attr *out,
			       int *err)
{
	(void)x, (void)dir, (void)name, (void)out, (void)err;
	return false;
}

static inline bool warm_read(struct exec *x, node_t node, u64 pos, u32 *len, struct fs_seg *segs,
			     u32 *nsegs)
{
	(void)x, (void)node, (void)pos, (void)len, (void)segs, (void)nsegs;
	return false;
}
#endif

#endif
