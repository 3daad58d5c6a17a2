/* SPDX-License-Identifier: BSD-2-Clause */
/* metadata_csum: verifying what was read and sealing what is about to be written. Owner: csum.c. */
#ifndef MPDISK_FS_CSUM_H
#define MPDISK_FS_CSUM_H

#include "pool/frame.h"

/* 0 or -EUCLEAN. Called by the buffer cache for a block just read; knows by f->csum_*. Blocks of an
 * uninitialised bitmap are not read at all. */
int warn_unused csum_verify(struct exec *x, struct frame *f);
/* Makes the checksums in a buffer that is about to be written. A bitmap's sum goes into its group
 * descriptor, which becomes dirty: bitmaps are sealed before descriptors, descriptors before the
 * superblock. */
int warn_unused csum_seal(struct exec *x, struct frame *f);
/* The check of one inode of an inode table block: by inode.c at first use (CSUM_ITABLE blocks are
 * not verified as a whole when read). */
int warn_unused csum_verify_inode(struct exec *x, const void *raw, u32 ino);

#endif
