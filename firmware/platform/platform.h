/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Everything that the core needs from outside. Implementations: soc/ (the soft core), posix/
 * (threads of a process), uml/ (tasks of a User-Mode Linux kernel). Chosen by folder at link time.
 */
#ifndef MPDISK_PLATFORM_H
#define MPDISK_PLATFORM_H

#include "platform/types.h"

struct plat; /* defined by each implementation */

/* ---- medium: 4 KiB blocks, asynchronous, several under way; done in any order between flushes */
enum plat_io_op {
	PLAT_READ,
	PLAT_WRITE,
	PLAT_FLUSH, /* returns when every write that was done before is durable */
};

/* One request. Owned by the caller, private to it, untouched by it from submit until wait returns.
 */
struct plat_io {
	enum plat_io_op op;
	u32 count;      /* blocks, 1..256, contiguous in the pool */
	blkno_t block;  /* first block on the medium */
	ref_t ref;      /* pool offset of the first byte, 4096-aligned */
	u32 done;       /* platform's */
	int error;      /* 0 or negative errno, valid after wait */
	u32 private[4]; /* platform's */
};

/* Blocks on the medium. */
blkno_t plat_blocks(struct plat *plat);
bool plat_read_only(struct plat *plat);

/* Starts the request; waits only for a free place in the queue. */
void plat_io_submit(struct plat *plat, struct plat_io *io);

/* Waits for the end of the request; other executors run meanwhile. Returns io->error. */
int plat_io_wait(struct plat *plat, struct plat_io *io);

/* ---- time */
struct plat_time {
	s64 sec;
	u32 nsec;
};

/* Time of day. */
void plat_now(struct plat *plat, struct plat_time *now);

/* Milliseconds since some fixed moment. */
u64 plat_ms(struct plat *plat);

/* ---- waiting: on a word of the pool */
/* Waits while *word == seen, at most timeout_ms (0: for ever); may return early for no reason. */
void plat_wait(struct plat *plat, u32 *word, u32 seen, u32 timeout_ms);

/* Wakes everybody who waits on the word. */
void plat_wake(struct plat *plat, u32 *word);

/* Lets other executors run, if they want to. For long loops. */
void plat_yield(struct plat *plat);

/* ---- bulk memory: by the DMA engine where there is one. Pointers into the pool. */
void plat_copy(struct plat *plat, void *dst, const void *src, u32 len);
void plat_zero(struct plat *plat, void *dst, u32 len);

/* CRC32C register after len bytes: reflected, neither pre- nor post-inverted, as ext4 uses it. */
u32 plat_crc32c(struct plat *plat, u32 crc, const void *data, u32 len);

/* ---- the rest */
enum plat_level { PLAT_ERR, PLAT_WARN, PLAT_INFO, PLAT_DEBUG };

/* One line, no newline needed. printf's d u x s c, l/ll, width and zero padding, no floats. */
void plat_log(struct plat *plat, enum plat_level level, const char *fmt, ...)
	__attribute__((cold, format(printf, 3, 4)));

u32 plat_random(struct plat *plat);

/* An invariant of our own code is broken: says so and ends this executor's machine. */
void plat_panic(struct plat *plat, const char *what, const char *file, int line)
	__attribute__((cold, noreturn));

#ifdef MPDISK_DEBUG
/* The executor dies here, as if its machine had stopped (exec.h, cut). Tests only. */
void plat_cut(struct plat *plat) __attribute__((noreturn));

/*
 * Checks that every byte of a buffer that a tx has changed was saved first: an executor begins to
 * edit the frame at ref (alone: nobody else edits it now), saves a range of the pool, ends its tx
 * (panics if a byte was changed and not saved). touch: the frame is changed outside of this.
 */
void plat_debug_edit(struct plat *plat, u32 executor, ref_t frame, bool alone);
void plat_debug_save(struct plat *plat, u32 executor, ref_t ref, u32 len);
void plat_debug_end(struct plat *plat, u32 executor);
void plat_debug_touch(struct plat *plat, ref_t frame);
#endif

#endif
