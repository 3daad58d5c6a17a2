/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Freezing: the medium is brought up to date and stays as it is, while the pool goes on to be read.
 * Layer: above the journal, beside mounting.
 *
 * Who freezes has the journal's role until it thaws. The gate is closed, so whoever wants to change
 * something waits there, with nothing locked, in every host; what users could store into has been
 * unmapped, and mapping it again is such a change. If the one who froze it dies, recovery gives the
 * role back, and whoever waits, or a flusher, opens the gate (commit.c, C5).
 */
#include "fs/map.h"

#ifndef MPDISK_SINGLE_HART
#include "fs/super.h"
#include "journal/journal.h"
#include "pool/frame.h"

int fs_freeze(struct exec *x)
{
	int err;

	if (!fs_of(x)->mounted_rw)
		return 0;
	if (journal_halted(x))
		return -MP_EBUSY;
	err = journal_halt(x);
	if (!err) {
		map_revoke_everywhere(x);
		err = cache_sync_holder(x);
	}
	if (!err)
		err = journal_home(x);
	if (err)
		journal_drop(x);
	else
		atomic_store_release(&journal_of(x)->halt, HALT_DONE);
	return err;
}

void fs_thaw(struct exec *x)
{
	if (fs_of(x)->mounted_rw)
		journal_drop(x);
}

bool fs_frozen(const struct pool *pool)
{
	const struct journal *j = pool_ptr(pool, pool->hdr->journal);

	return atomic_load_acquire(&j->halt) != 0;
}
#endif
