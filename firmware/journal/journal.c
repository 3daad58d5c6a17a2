/* SPDX-License-Identifier: BSD-2-Clause */
/* The journal as operations see it (journal.h): joining its transaction. */
#include "journal/journal.h"

void journal_format(struct pool *pool)
{
	struct journal *j = pool_ptr(pool, pool->hdr->journal);

	j->running = 1;
	j->committing = j->running - 2;
	j->committed = j->running - 2;
	pool->hdr->gate = j->running;
}

void journal_join_slow(struct exec *x)
{
	plat_panic(x->plat, "the journal's gate is closed", __FILE__, __LINE__);
}
