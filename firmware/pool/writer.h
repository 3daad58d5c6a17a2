/* SPDX-License-Identifier: BSD-2-Clause */
/* Inside of the frame caches and the journal: choosing dirty frames and writing them. */
#ifndef MPDISK_WRITER_H
#define MPDISK_WRITER_H

#include "pool/cache.h"

#define WRITER_BATCH POOL_BOUNCE
#define WRITER_REQUESTS 8u
#define WRITER_CHOICE 64u /* frames chosen and sorted at a time */

/* Frames claimed and not yet written: contiguous ones in one request. */
struct writer {
	struct plat_io io[WRITER_REQUESTS];
	u32 nio;
	u32 nframes;
	fno_t frame[WRITER_BATCH]; /* in the order of the requests */
	u32 written;
	int error; /* the first */
};

enum choice_kind {
	CHOOSE_PAGES,   /* dirty pages */
	CHOOSE_ORDERED, /* those of inodes that have got blocks, or grown, in a tid not committed */
	CHOOSE_HOME,    /* buffers that are committed and not at home yet [writeback_lock] */
};

struct choice {
	enum choice_kind kind;
	bool old_only;
	bool unpinned_only;
	bool in_work; /* also those that somebody else is writing now */
	bool holder;  /* of writeback_lock */
};

void writer_init(struct writer *w);
/* Writes what was claimed, and waits for it. */
void writer_run(struct exec *x, struct writer *w);
/* Writes a page, whose pin is consumed; wait: until it is clean, also if somebody else writes it.
 */
void write_page(struct exec *x, struct writer *w, struct frame *f, bool wait);
/* Up to max frames from *from on, pinned, in the order of their blocks. */
u32 writer_choose(struct exec *x, const struct choice *c, fno_t *from, fno_t *list, u32 max);
/* Writes the list and drops its pins. */
void writer_list(struct exec *x, struct writer *w, const fno_t *list, u32 n, bool wait);
/* Writes up to max frames of the choice. */
void writer_all(struct exec *x, struct writer *w, const struct choice *c, u32 max);
void sort_frames(const struct exec *x, fno_t *list, u32 n);

/* The next set bit of the dirty map at or after fno, or nframes. */
fno_t dirty_next(const struct exec *x, fno_t fno);
/* Takes a clean frame off the map [writeback_lock]. */
void dirty_forget(struct exec *x, struct frame *f);

/* Writes what needs no commit, the 5 s old first; holds writeback_lock. */
int flush_medium(struct exec *x);

#endif
