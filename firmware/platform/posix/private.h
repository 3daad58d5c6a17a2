/* SPDX-License-Identifier: BSD-2-Clause */
/* The posix platform's own structure, for its files only. */
#ifndef MPDISK_PLATFORM_POSIX_PRIVATE_H
#define MPDISK_PLATFORM_POSIX_PRIVATE_H

#include "platform/posix/posix.h"
#include "platform/waits.h"

struct fault {
	u64 n;     /* requests until it strikes; 0: off */
	u64 count; /* how many it strikes */
};

struct plat {
	int fd;     /* -1: the medium is memory */
	u8 *memory; /* the caller's */
	const struct plat_posix_watch *watch;
	u32 seed;
	bool read_only;
	bool defer;
	enum plat_level level;
	plat_posix_logger logger;
	void *logger_arg;
	plat_posix_waiting waiting;
	u8 *base;
	u8 *mapped; /* by plat_posix_pool */
	u32 mapped_size;
	struct plat_waits *waits; /* NULL: nobody waits but by futexes */
	char *pool;               /* path */
	int fifos[32];            /* atomic: by host, of those that were told once; 0: not yet */
	blkno_t blocks;
	struct fault fault[3]; /* by op; atomic */
	struct plat_posix_counts counts;
	void (*cut)(void *arg);
	void *cut_arg;
};

#endif
