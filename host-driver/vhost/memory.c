// SPDX-License-Identifier: BSD-2-Clause
/* Maps a guest's memory, and survives that its file becomes shorter (memory.h). */
#define _GNU_SOURCE
#include "memory.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define GUARDS 64u
#define PAGE 4096ull

/* What the signal's handler knows of a mapping. */
struct guard {
	atomic_uintptr_t start; /* 0: free, or being filled */
	atomic_uintptr_t end;
	atomic_bool taken;
	atomic_bool lost;
};

static struct guard guards[GUARDS];

/* A page beyond the end of its file: an empty one takes its place. Only system calls in here. */
static void on_sigbus(int number, siginfo_t *info, void *context)
{
	const uintptr_t at = (uintptr_t)info->si_addr;
	const int saved = errno;
	unsigned int i;

	(void)context;
	for (i = 0; i < GUARDS; i++) {
		struct guard *guard = &guards[i];
		const uintptr_t start = atomic_load(&guard->start);
		const uintptr_t end = atomic_load(&guard->end);

		if (!start || at < start || at >= end)
			continue;
		atomic_store(&guard->lost, true);
		if (mmap((void *)start, end - start, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1,
			 0) != MAP_FAILED) {
			errno = saved;
			return;
		}
	}
	signal(number, SIG_DFL); /* not ours: it ends the process when it comes again */
}

static int guard_install(void)
{
	static atomic_bool installed;
	struct sigaction action = {.sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO};

	if (atomic_exchange(&installed, true))
		return 0;
	return sigaction(SIGBUS, &action, NULL) < 0 ? -errno : 0;
}

static struct guard *guard_new(void *map, uint64_t size)
{
	unsigned int i;

	for (i = 0; i < GUARDS; i++) {
		struct guard *guard = &guards[i];

		if (atomic_exchange(&guard->taken, true))
			continue;
		atomic_store(&guard->lost, false);
		atomic_store(&guard->end, (uintptr_t)map + size);
		atomic_store(&guard->start, (uintptr_t)map);
		return guard;
	}
	return NULL;
}

static void guard_free(struct guard *guard)
{
	atomic_store(&guard->start, 0);
	atomic_store(&guard->taken, false);
}

static bool overlap(uint64_t a, uint64_t b, uint64_t a_size, uint64_t b_size)
{
	return a < b + b_size && b < a + a_size;
}

/* NULL, or what is wrong with the n-th region. */
static const char *check_region(const struct vhost_table *table, unsigned int n, int fd)
{
	const struct vhost_region *r = &table->region[n];
	struct stat st;
	unsigned int i;

	if (!r->size || r->size > INT64_MAX || r->mmap_offset > INT64_MAX - r->size ||
	    r->guest_addr > UINT64_MAX - r->size || r->user_addr > UINT64_MAX - r->size)
		return "a region of memory is empty, or runs over the end of all addresses";
	for (i = 0; i < n; i++)
		if (overlap(r->guest_addr, table->region[i].guest_addr, r->size,
			    table->region[i].size) ||
		    overlap(r->user_addr, table->region[i].user_addr, r->size,
			    table->region[i].size))
			return "regions of memory overlap";
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
		return "what is behind a region of memory is not a file";
	if (r->mmap_offset + r->size > (uint64_t)st.st_size)
		return "the file behind a region of memory is too short";
	return NULL;
}

static int map_region(struct memory_region *region, const struct vhost_region *r, int fd)
{
	struct stat st;
	uint64_t page = PAGE, skip;

	if (fstat(fd, &st) != 0)
		return -errno;
	if (st.st_blksize > (blksize_t)PAGE && !(st.st_blksize & (st.st_blksize - 1)))
		page = (uint64_t)st.st_blksize; /* huge pages */
	skip = r->mmap_offset & (page - 1);
	region->map_size = (skip + r->size + page - 1) & ~(page - 1);
	region->map = mmap(NULL, region->map_size, PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_NORESERVE, fd, (off_t)(r->mmap_offset - skip));
	if (region->map == MAP_FAILED)
		return -errno;
	region->guard = guard_new(region->map, region->map_size);
	if (!region->guard) {
		munmap(region->map, region->map_size);
		return -ENOMEM;
	}
	region->guest = r->guest_addr;
	region->user = r->user_addr;
	region->size = r->size;
	region->host = (uint8_t *)region->map + skip;
	return 0;
}

int memory_map(struct memory *memory, const struct vhost_table *table, const int *fds,
	       const char **why)
{
	unsigned int i;
	int err;

	memory->nregions = 0;
	*why = "a region of memory cannot be mapped";
	err = guard_install();
	for (i = 0; !err && i < table->nregions; i++) {
		const char *wrong = check_region(table, i, fds[i]);

		if (wrong) {
			*why = wrong;
			err = -EINVAL;
		} else {
			err = map_region(&memory->region[i], &table->region[i], fds[i]);
			memory->nregions += !err;
		}
	}
	if (err)
		memory_unmap(memory);
	return err;
}

void memory_unmap(struct memory *memory)
{
	unsigned int i;

	for (i = 0; i < memory->nregions; i++) {
		guard_free(memory->region[i].guard);
		munmap(memory->region[i].map, memory->region[i].map_size);
	}
	memory->nregions = 0;
}

void *memory_user(const struct memory *memory, uint64_t addr, uint64_t len)
{
	unsigned int i;

	for (i = 0; i < memory->nregions; i++) {
		const struct memory_region *r = &memory->region[i];
		const uint64_t off = addr - r->user;

		if (addr >= r->user && off < r->size && len <= r->size - off)
			return r->host + off;
	}
	return NULL;
}

void *memory_guest(const struct memory *memory, uint64_t addr, uint64_t want, uint64_t *len)
{
	unsigned int i;

	for (i = 0; i < memory->nregions; i++) {
		const struct memory_region *r = &memory->region[i];
		const uint64_t off = addr - r->guest;

		if (addr >= r->guest && off < r->size) {
			*len = want < r->size - off ? want : r->size - off;
			return r->host + off;
		}
	}
	return NULL;
}

bool memory_has(const struct memory *memory, uint64_t addr, uint64_t len)
{
	uint64_t part;

	while (len > 0) {
		if (!memory_guest(memory, addr, len, &part))
			return false;
		addr += part;
		len -= part;
	}
	return true;
}

bool memory_is_lost(const struct memory *memory)
{
	unsigned int i;

	for (i = 0; i < memory->nregions; i++)
		if (atomic_load_explicit(&memory->region[i].guard->lost, memory_order_relaxed))
			return true;
	return false;
}
