/* SPDX-License-Identifier: BSD-2-Clause */
/* Inside of the journal: commit.c and log.c. */
#ifndef MPDISK_COMMIT_H
#define MPDISK_COMMIT_H

#include "journal/journal.h"
#include "pool/cache.h"

/* Buffers that a descriptor describes: the bounce area holds it and them. */
#define LOG_COPIES (POOL_BOUNCE - 1)

/* The next buffer of tid that is to be logged, from frame *from on; NULL: no more. */
struct frame *commit_next(struct exec *x, u32 tid, fno_t *from);
/* Copies it as tid has sealed it. */
void commit_copy(struct exec *x, struct frame *f, u32 tid, ref_t to);

/* Log blocks that a transaction takes, and that are free. */
u32 log_need(const struct journal *j, u32 buffers, u32 revokes);
/* The most that a transaction may come to. */
u32 log_most(const struct journal *j);
u32 log_room(const struct exec *x);
/* Writes `committing` to the log, durably. */
int warn_unused log_write(struct exec *x);

#endif
