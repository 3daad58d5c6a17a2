/* SPDX-License-Identifier: BSD-2-Clause */
/* The platform on POSIX: an image file as the medium, futexes for waiting, stderr for the log. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sched.h>
#include <time.h>
#include <unistd.h>

#include "platform/atomic.h"
#include "platform/errno.h"
#include "platform/posix/fifo.h"
#include "platform/posix/private.h"

struct plat *plat_posix_open(const char *image, bool read_only)
{
	struct plat *plat = calloc(1, sizeof(*plat));
	struct stat st;

	if (!plat)
		return NULL;
	plat->level = PLAT_WARN;
	plat->read_only = read_only;
	plat->fd = open(image, (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC);
	if (plat->fd < 0 || fstat(plat->fd, &st) != 0) {
		int error = errno;

		if (plat->fd >= 0)
			close(plat->fd);
		free(plat);
		errno = error;
		return NULL;
	}
	if (S_ISBLK(st.st_mode))
		st.st_size = lseek(plat->fd, 0, SEEK_END);
	plat->blocks = (u64)st.st_size / BLOCK_SIZE;
	return plat;
}

struct plat *plat_posix_memory(void *image, blkno_t blocks)
{
	struct plat *plat = calloc(1, sizeof(*plat));

	if (!plat)
		return NULL;
	plat->level = PLAT_WARN;
	plat->fd = -1;
	plat->memory = image;
	plat->blocks = blocks;
	return plat;
}

void plat_posix_watch(struct plat *plat, const struct plat_posix_watch *watch)
{
	plat->watch = watch;
}

void plat_posix_seed(struct plat *plat, u32 seed)
{
	plat->seed = seed;
}

void plat_posix_close(struct plat *plat)
{
	if (plat->mapped)
		munmap(plat->mapped, plat->mapped_size);
	if (plat->fd >= 0)
		close(plat->fd);
	for (u32 host = 0; host < array_size(plat->fifos); host++)
		if (plat->fifos[host] > 0)
			fifo_close(plat->fifos[host]);
	free(plat->pool);
	free(plat);
}

void *plat_posix_pool(struct plat *plat, u32 size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	plat->mapped = p;
	plat->mapped_size = size;
	plat->base = p;
	return p;
}

void plat_posix_attach(struct plat *plat, void *base)
{
	plat->base = base;
}

int plat_posix_waits(struct plat *plat, struct plat_waits *waits, const char *pool)
{
	plat->pool = realpath(pool, NULL);
	if (!plat->pool)
		return -errno;
	plat->waits = waits;
	return 0;
}

void plat_posix_waits_end(struct plat *plat)
{
	for (u32 host = 0; plat->waits && host < array_size(plat->fifos); host++)
		fifo_remove(plat->pool, host);
	plat->waits = NULL;
}

int plat_posix_fd(const struct plat *plat)
{
	return plat->fd;
}

void plat_posix_log_to(struct plat *plat, plat_posix_logger logger, void *arg)
{
	plat->logger = logger;
	plat->logger_arg = arg;
}

void plat_posix_on_wait(struct plat *plat, plat_posix_waiting waiting)
{
	plat->waiting = waiting;
}

void plat_posix_log_level(struct plat *plat, enum plat_level level)
{
	plat->level = level;
}

void plat_posix_counts(struct plat *plat, struct plat_posix_counts *out)
{
	out->reads = __atomic_load_n(&plat->counts.reads, __ATOMIC_RELAXED);
	out->writes = __atomic_load_n(&plat->counts.writes, __ATOMIC_RELAXED);
	out->flushes = __atomic_load_n(&plat->counts.flushes, __ATOMIC_RELAXED);
	out->blocks_read = __atomic_load_n(&plat->counts.blocks_read, __ATOMIC_RELAXED);
	out->blocks_written = __atomic_load_n(&plat->counts.blocks_written, __ATOMIC_RELAXED);
}

void plat_posix_fail(struct plat *plat, enum plat_io_op op, u64 n, u64 count)
{
	__atomic_store_n(&plat->fault[op].count, count, __ATOMIC_RELAXED);
	__atomic_store_n(&plat->fault[op].n, n, __ATOMIC_RELAXED);
}

void plat_posix_defer(struct plat *plat, bool on)
{
	plat->defer = on;
}

/* ---- medium */
blkno_t plat_blocks(struct plat *plat)
{
	return plat->blocks;
}

bool plat_read_only(struct plat *plat)
{
	return plat->read_only;
}

static bool io_fault(struct fault *fault)
{
	u64 n = __atomic_load_n(&fault->n, __ATOMIC_RELAXED);

	while (n) {
		u64 next = n > 1 ? n - 1 : 1;

		if (!__atomic_compare_exchange_n(&fault->n, &n, next, false, __ATOMIC_RELAXED,
						 __ATOMIC_RELAXED))
			continue;
		if (n > 1)
			return false;
		if (__atomic_fetch_sub(&fault->count, 1, __ATOMIC_RELAXED) <= 1)
			__atomic_store_n(&fault->n, 0, __ATOMIC_RELAXED);
		return true;
	}
	return false;
}

/*
 * A page goes to the medium from where it is, and may change meanwhile: then it stays dirty and
 * goes again (pool/frame.h, F3). What DMA does is no access of a thread, so ThreadSanitizer, which
 * knows pwrite(), is not told.
 */
static ssize_t medium_write(int fd, const void *p, size_t len, off_t pos)
{
#ifdef __SANITIZE_THREAD__
	return syscall(SYS_pwrite64, fd, p, len, pos);
#else
	return pwrite(fd, p, len, pos);
#endif
}

static int io_move(struct plat *plat, struct plat_io *io)
{
	u8 *p = plat->base + io->ref;
	size_t left = (size_t)io->count * BLOCK_SIZE;
	off_t pos = (off_t)(io->block * BLOCK_SIZE);

	while (left) {
		ssize_t n = io->op == PLAT_READ ? pread(plat->fd, p, left, pos)
						: medium_write(plat->fd, p, left, pos);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -MP_EIO;
		p += n;
		pos += n;
		left -= (size_t)n;
	}
	return 0;
}

static int memory_move(struct plat *plat, const struct plat_io *io)
{
	u8 *p = plat->base + io->ref, *medium = plat->memory + io->block * BLOCK_SIZE;
	size_t len = (size_t)io->count * BLOCK_SIZE;

	if (io->op == PLAT_READ)
		memcpy(p, medium, len);
	else
		memcpy(medium, p, len);
	return 0;
}

static int io_do(struct plat *plat, struct plat_io *io)
{
	if (plat->waiting)
		plat->waiting();
	if (io_fault(&plat->fault[io->op]))
		return -MP_EIO;
	if (io->op == PLAT_FLUSH) {
		__atomic_fetch_add(&plat->counts.flushes, 1, __ATOMIC_RELAXED);
		if (plat->watch)
			plat->watch->flush(plat->watch->arg);
		if (plat->memory)
			return 0;
		return plat->read_only || fdatasync(plat->fd) == 0 ? 0 : -MP_EIO;
	}
	if (io->count == 0 || io->count > 256 || io->ref % BLOCK_SIZE)
		plat_panic(plat, "malformed request to the medium", __FILE__, __LINE__);
	if (io->block >= plat->blocks || io->count > plat->blocks - io->block)
		return -MP_EIO;
	if (io->op == PLAT_READ) {
		__atomic_fetch_add(&plat->counts.reads, 1, __ATOMIC_RELAXED);
		__atomic_fetch_add(&plat->counts.blocks_read, io->count, __ATOMIC_RELAXED);
	} else {
		if (plat->read_only)
			return -MP_EROFS;
		__atomic_fetch_add(&plat->counts.writes, 1, __ATOMIC_RELAXED);
		__atomic_fetch_add(&plat->counts.blocks_written, io->count, __ATOMIC_RELAXED);
	}
	if (plat->watch && io->op == PLAT_WRITE)
		plat->watch->write(plat->watch->arg, io->block, io->count, plat->base + io->ref);
	if (plat->memory)
		return memory_move(plat, io);
	return io_move(plat, io);
}

void plat_io_submit(struct plat *plat, struct plat_io *io)
{
	io->done = 0;
	if (!plat->defer) {
		io->error = io_do(plat, io);
		io->done = 1;
	}
}

int plat_io_wait(struct plat *plat, struct plat_io *io)
{
	if (!io->done) {
		io->error = io_do(plat, io);
		io->done = 1;
	}
	return io->error;
}

/* ---- time and waiting */
void plat_now(struct plat *plat, struct plat_time *now)
{
	struct timespec ts;

	(void)plat;
	clock_gettime(CLOCK_REALTIME, &ts);
	now->sec = ts.tv_sec;
	now->nsec = (u32)ts.tv_nsec;
}

u64 plat_ms(struct plat *plat)
{
	struct timespec ts;

	(void)plat;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (u64)ts.tv_sec * 1000 + (u64)ts.tv_nsec / 1000000;
}

void plat_wait(struct plat *plat, u32 *word, u32 seen, u32 timeout_ms)
{
	struct timespec ts = {timeout_ms / 1000, (long)(timeout_ms % 1000) * 1000000};

	if (plat->waiting)
		plat->waiting();
	syscall(SYS_futex, word, FUTEX_WAIT, seen, timeout_ms ? &ts : NULL, NULL, 0);
}

static void tell(struct plat *plat, u32 host, u8 bucket)
{
	int *fifo = &plat->fifos[host], none = 0;
	int fd = __atomic_load_n(fifo, __ATOMIC_RELAXED);

	if (!fd) {
		fd = fifo_open(plat->pool, host);
		if (fd < 0) {
			plat_log(plat, PLAT_ERR, "host %u cannot be woken: error %d", host, -fd);
			return;
		}
		if (!__atomic_compare_exchange_n(fifo, &none, fd, false, __ATOMIC_RELAXED,
						 __ATOMIC_RELAXED)) {
			fifo_close(fd);
			fd = none;
		}
	}
	fifo_tell(fd, bucket);
}

/* waits.h, W1 */
static __attribute__((noinline)) void tell_hosts(struct plat *plat, u8 bucket, u32 hosts)
{
	for (; hosts; hosts &= hosts - 1)
		tell(plat, (u32)__builtin_ctz(hosts), bucket);
}

void plat_wake(struct plat *plat, u32 *word)
{
	u32 bucket, hosts;

	syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
	if (!plat->waits)
		return;
	bucket = waits_bucket((ref_t)((u8 *)word - plat->base));
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	hosts = atomic_load(&plat->waits->told[bucket]);
	if (hosts)
		tell_hosts(plat, (u8)bucket, hosts);
}

void plat_yield(struct plat *plat)
{
	(void)plat;
	sched_yield();
}

/* ---- the rest */
void plat_log(struct plat *plat, enum plat_level level, const char *fmt, ...)
{
	static const char *const names[] = {"error", "warning", "info", "debug"};
	char line[512];
	va_list ap;

	if (level > plat->level)
		return;
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (plat->logger)
		plat->logger(plat->logger_arg, level, line);
	else
		fprintf(stderr, "mpdisk: %s: %s\n", names[level], line);
}

u32 plat_random(struct plat *plat)
{
	u32 value = 0;

	if (plat->seed) {
		plat->seed = plat->seed * 1664525u + 1013904223u;
		return plat->seed;
	}
	if (getrandom(&value, sizeof(value), 0) != (ssize_t)sizeof(value))
		value = (u32)plat_ms(plat) * 2654435761u;
	return value;
}

void plat_panic(struct plat *plat, const char *what, const char *file, int line)
{
	plat->level = max_of(plat->level, PLAT_ERR);
	plat_log(plat, PLAT_ERR, "panic: %s (%s:%d)", what, file, line);
	abort();
}

#ifdef MPDISK_DEBUG
void plat_posix_on_cut(struct plat *plat, void (*cut)(void *arg), void *arg)
{
	plat->cut = cut;
	plat->cut_arg = arg;
}

void plat_cut(struct plat *plat)
{
	if (plat->cut)
		plat->cut(plat->cut_arg);
	plat_panic(plat, "cut off and nobody to take over", __FILE__, __LINE__);
}
#endif
