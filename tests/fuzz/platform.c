/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The platform of the fuzz targets: the medium is memory, the clock is simulated, and nothing is
 * random, so an input does the same each time. One executor: who waits, waits for itself. Memory of
 * the pool that nobody may touch is closed (platform/guard.h).
 */
#define _GNU_SOURCE
#include <sanitizer/asan_interface.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "journal/journal.h"
#include "platform/errno.h"
#include "platform/guard.h"
#include "platform/posix/private.h"
#include "port/port.h"
#include "tests/fuzz/world.h"

#define IO_MAX 50000u  /* requests of one input: far more than any needs */
#define WAIT_MAX 1000u /* simulated waits */
#define YIELD_MAX 200000u
#define STEPS_MAX 20000000u

struct world world;

static struct plat plat;
static u64 clock_ms, lcg;
static u32 requests, waits, yields;

void world_fail(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fprintf(stderr, "fuzz: ");
	vfprintf(stderr, fmt, ap);
	fprintf(stderr, "\n");
	va_end(ap);
	abort();
}

bool world_verbose(void)
{
	return getenv("FUZZ_VERBOSE") != NULL;
}

/* ---- opening and closing */
static u8 *pool_memory(u32 size)
{
	static u8 *base;
	static u32 have;

	if (have < size) {
		base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		if (base == MAP_FAILED)
			world_fail("no memory for the pool");
		have = size;
	}
	__asan_unpoison_memory_region(base, have);
	return base;
}

void world_open(struct image *m, u32 pool_size, bool read_only)
{
	static int verbose = -1;

	if (verbose < 0)
		verbose = world_verbose();
	memset(&plat, 0, sizeof(plat));
	plat.read_only = read_only;
	plat.level = verbose ? PLAT_DEBUG : PLAT_ERR;
	plat.blocks = m->blocks;
	plat.base = pool_memory(pool_size);
	clock_ms = 1600000000000;
	lcg = 1;
	requests = waits = yields = 0;
	world.image = m;
	world.nheld = 0;
	world.plat = &plat;
	world.pool_size = pool_size;
	if (pool_format(&world.pool, plat.base, pool_size) ||
	    exec_join(&world.pool, &plat, 1, &world.x))
		world_fail("no pool");
	world.x.cut = STEPS_MAX;
}

void world_few_frames(u32 n)
{
	struct frame *f;

	while (world.pool.hdr->nfree > n && world.nheld < array_size(world.held) &&
	       !frame_alloc(&world.x, &f))
		world.held[world.nheld++] = frame_no(&world.x, f);
}

void world_check_exec(struct exec *x)
{
	const struct exec_slot *slot = x->slot;

	if (slot->phase || slot->nheld || slot->head || slot->nedited || slot->ninflight)
		world_fail("an operation has left something open");
	x->cut = STEPS_MAX;
}

void world_check_idle(void)
{
	world_check_exec(&world.x);
}

/* The journal keeps some for as long as there is a pool. */
static bool frame_is_kept(const struct frame *f)
{
	const struct journal *j = journal_of(&world.x);
	fno_t fno = frame_no(&world.x, f);

	for (u32 i = 0; i < JOURNAL_MAPS; i++)
		if (j->map[i] == fno)
			return true;
	return fno == j->super_frame;
}

void world_close(bool whole)
{
	const struct pool_header *hdr = world.pool.hdr;
	u32 n = 0;

	world_check_idle();
	while (world.nheld)
		frame_unpin(&world.x, frame_of(&world.x, world.held[--world.nheld]));
	for (fno_t i = 0; whole && hdr->sealed && i < hdr->nframes; i++) {
		const struct frame *f = &world.pool.frames[i];

		n += f->kind != FRAME_FREE && f->kind != FRAME_FIXED && !frame_is_kept(f);
	}
	if (n)
		world_fail("%u frames are lost", n);
	exec_leave(&world.x);
}

void world_fault(u32 op, u32 n, u32 count)
{
	plat.fault[op % 3].n = n;
	plat.fault[op % 3].count = count;
}

int known(int err)
{
	static const int list[] = {
		MP_EPERM,        MP_ENOENT,    MP_EEXIST,     MP_ENOTDIR,    MP_EISDIR, MP_EINVAL,
		MP_ENOSPC,       MP_EROFS,     MP_EMLINK,     MP_ERANGE,     MP_ESTALE, MP_EUCLEAN,
		MP_ENOTEMPTY,    MP_ENODATA,   MP_EOPNOTSUPP, MP_EIO,        MP_EFBIG,  MP_EBADF,
		MP_EACCES,       MP_E2BIG,     MP_EBUSY,      MP_ENXIO,      MP_ENOMEM, MP_ELOOP,
		MP_ENAMETOOLONG, MP_EOVERFLOW, MP_ENODEV,     MP_EMEDIUMTYPE};

	if (err >= 0)
		return err;
	for (u32 i = 0; i < array_size(list); i++)
		if (err == -list[i])
			return err;
	world_fail("nobody knows error %d", err);
}

/* ---- the guards */
void plat_guard_close(const void *p, u32 len)
{
	if (len)
		__asan_poison_memory_region(p, len);
}

void plat_guard_open(const void *p, u32 len)
{
	__asan_unpoison_memory_region(p, len);
}

void plat_guard_frame(const struct frame *f)
{
	u8 *p = world.pool.base + ((size_t)(f - world.pool.frames) << BLOCK_SHIFT);

	/* the buffers of a transaction are the committer's, pinned or not */
	if ((f->pins & ~FRAME_FROZEN) || f->editors || (f->kind == FRAME_BUF && f->run_tid))
		__asan_unpoison_memory_region(p, BLOCK_SIZE);
	else
		__asan_poison_memory_region(p, BLOCK_SIZE);
}

/* ---- platform.h */
blkno_t plat_blocks(struct plat *p)
{
	return p->blocks;
}

bool plat_read_only(struct plat *p)
{
	return p->read_only;
}

static bool io_fault(struct fault *fault)
{
	if (!fault->n || --fault->n)
		return false;
	fault->n = --fault->count ? 1 : 0;
	return true;
}

static int io_do(struct plat *p, struct plat_io *io)
{
	struct image *m = world.image;

	if (++requests > IO_MAX)
		world_fail("a hang: %u requests to the medium", requests);
	if (io_fault(&p->fault[io->op]))
		return -MP_EIO;
	if (io->op == PLAT_FLUSH)
		return 0;
	if (io->count == 0 || io->count > 256 || io->ref % BLOCK_SIZE ||
	    io->ref > world.pool_size || io->count > (world.pool_size - io->ref) / BLOCK_SIZE)
		world_fail("malformed request to the medium");
	if (io->block >= p->blocks || io->count > p->blocks - io->block)
		return -MP_EIO;
	if (io->op == PLAT_READ) {
		memcpy(p->base + io->ref, m->now + io->block * BLOCK_SIZE, io->count * BLOCK_SIZE);
		return 0;
	}
	if (p->read_only)
		return -MP_EROFS;
	memcpy(m->now + io->block * BLOCK_SIZE, p->base + io->ref, io->count * BLOCK_SIZE);
	memset(m->changed + io->block, 1, io->count);
	return 0;
}

void plat_io_submit(struct plat *p, struct plat_io *io)
{
	io->error = io_do(p, io);
	io->done = 1;
}

int plat_io_wait(struct plat *p, struct plat_io *io)
{
	(void)p;
	return io->error;
}

void plat_now(struct plat *p, struct plat_time *now)
{
	(void)p;
	clock_ms++;
	now->sec = (s64)(clock_ms / 1000);
	now->nsec = (u32)(clock_ms % 1000) * 1000000;
}

u64 plat_ms(struct plat *p)
{
	(void)p;
	return clock_ms;
}

void plat_posix_on_wait(struct plat *p, plat_posix_waiting waiting)
{
	p->waiting = waiting;
}

void plat_wait(struct plat *p, u32 *word, u32 seen, u32 timeout_ms)
{
	if (p->waiting)
		p->waiting();
	if (*word != seen)
		return;
	if (!timeout_ms || ++waits > WAIT_MAX)
		world_fail("a hang: waits for what nobody else can do");
	clock_ms += timeout_ms;
}

void plat_wake(struct plat *p, u32 *word)
{
	(void)p;
	(void)word;
}

void plat_yield(struct plat *p)
{
	(void)p;
	if (++yields > YIELD_MAX)
		world_fail("a hang: yields for ever");
}

/* Nothing is cached here. */
void port_memory_changed(struct plat *p)
{
	(void)p;
}

/* The text is made even if nobody reads it: it may be made of what the image says. */
void plat_log(struct plat *p, enum plat_level level, const char *fmt, ...)
{
	char line[512];
	va_list ap;

	if (level > p->level)
		return;
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (p->level == PLAT_DEBUG)
		fprintf(stderr, "mpdisk: %s\n", line);
}

u32 plat_random(struct plat *p)
{
	(void)p;
	lcg = lcg * 6364136223846793005ull + 1442695040888963407ull;
	return (u32)(lcg >> 32);
}

void plat_panic(struct plat *p, const char *what, const char *file, int line)
{
	(void)p;
	world_fail("panic: %s (%s:%d)", what, file, line);
}

void plat_cut(struct plat *p)
{
	(void)p;
	world_fail("a hang: %u steps", STEPS_MAX);
}
