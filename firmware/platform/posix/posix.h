/* SPDX-License-Identifier: BSD-2-Clause */
/* The platform of a POSIX process: the medium is an image file, executors are threads. */
#ifndef MPDISK_PLATFORM_POSIX_H
#define MPDISK_PLATFORM_POSIX_H

#include "platform/platform.h"

/* NULL with errno set if the image cannot be opened. */
struct plat *plat_posix_open(const char *image, bool read_only);
/* A medium in memory of the caller's: blocks of 4096 bytes. NULL with errno. */
struct plat *plat_posix_memory(void *image, blkno_t blocks);
void plat_posix_close(struct plat *plat);

/* Zeroed memory for a pool, page-aligned; NULL with errno. The medium's requests refer to it. */
void *plat_posix_pool(struct plat *plat, u32 size);
/* The medium's requests refer to a pool that is mapped at base already. */
void plat_posix_attach(struct plat *plat, void *base);

/* Hosts that do not wait by futexes are told through FIFOs beside the pool file. Errors of
 * realpath(3). */
struct plat_waits;
int warn_unused plat_posix_waits(struct plat *plat, struct plat_waits *waits, const char *pool);
/* Nobody is left to be told. */
void plat_posix_waits_end(struct plat *plat);

/* The image's file descriptor, for locks on it. */
int plat_posix_fd(const struct plat *plat);

/* Lines go there and not to stderr. */
typedef void (*plat_posix_logger)(void *arg, enum plat_level level, const char *line);
void plat_posix_log_to(struct plat *plat, plat_posix_logger logger, void *arg);

/* Called by a thread that is about to wait: for the medium or on a word. It may be called in the
 * middle of anything, and must not use the pool. */
typedef void (*plat_posix_waiting)(void);
void plat_posix_on_wait(struct plat *plat, plat_posix_waiting waiting);

/* Lines above this level are not printed. Default PLAT_WARN. */
void plat_posix_log_level(struct plat *plat, enum plat_level level);

/* ---- for tests */
struct plat_posix_counts {
	u64 reads, writes, flushes; /* requests */
	u64 blocks_read, blocks_written;
};
void plat_posix_counts(struct plat *plat, struct plat_posix_counts *out);

/* The n-th request of this kind from now on (1: the next), and `count` - 1 after it, end in -EIO
 * and do nothing. n = 0: no more faults. */
void plat_posix_fail(struct plat *plat, enum plat_io_op op, u64 n, u64 count);

/* Is told of each write before it is carried out, and of each flush. */
struct plat_posix_watch {
	void (*write)(void *arg, blkno_t block, u32 count, const void *data);
	void (*flush)(void *arg);
	void *arg;
};
void plat_posix_watch(struct plat *plat, const struct plat_posix_watch *watch);

/* plat_random() gives the same numbers for the same seed from here on. 0: true ones. */
void plat_posix_seed(struct plat *plat, u32 seed);

/* Requests are carried out when they are waited for, not when they are submitted. */
void plat_posix_defer(struct plat *plat, bool on);

#ifdef MPDISK_DEBUG
/* Called by plat_cut(): must not return. */
void plat_posix_on_cut(struct plat *plat, void (*cut)(void *arg), void *arg);
#endif

#endif
