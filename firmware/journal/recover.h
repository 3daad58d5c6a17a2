/* SPDX-License-Identifier: BSD-2-Clause */
/* Recovery of a journal at mount. Owner: recover.c. */
#ifndef MPDISK_JOURNAL_RECOVER_H
#define MPDISK_JOURNAL_RECOVER_H

#include "pool/exec.h"

enum recovery_kind {
	RECOVER_REPLAY,
	RECOVER_SUPER, /* the superblock is damaged: only if the log holds a whole one */
	RECOVER_DROP, /* only marks the log as ended, as ext4 does where the superblock does not say
			 that it needs recovery */
};

/*
 * Brings the medium to the state after the last whole transaction of the journal's log, and marks
 * the log as ended. Before pool_seal(): works in memory of the pool between what is carved and
 * `end`, and fs_of(x) says what the superblock on the medium says (its geometry is checked). May be
 * cut off at any write and done again.
 *
 * 1: blocks have been written, what was read before is out of date; 0: there was nothing to do.
 * *error is what made Linux give up the journal, or 0. -EUCLEAN: the log is damaged, and nothing
 * has been written; -EOPNOTSUPP: a feature, by name; -EROFS: the medium cannot be written to;
 * -ENOMEM: the pool is too small; -EIO. All are logged.
 */
int warn_unused journal_recover(struct exec *x, ino_no_t ino, enum recovery_kind how, ref_t end,
				u32 *error);

#endif
