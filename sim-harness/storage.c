// SPDX-License-Identifier: BSD-2-Clause
/*
 * The image file behind the simulated medium, with or without a volatile write cache.
 *
 * What the cache leaves out of what real media do: a flush always tells the truth; a cut harms only
 * blocks that were being written, not their neighbours in an erase block; sectors of 512 bytes are
 * written wholly or not at all.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../rtl/storage/storage_dpi.h"
#include "record.h"
#include "storage.h"

#define BLOCK 4096
#define SECTOR 512

static struct {
	int fd;
	bool read_only;
	char path[4096];
	uint64_t blocks;
	uint64_t reads, writes, flushes;
	int32_t read_buf[BLOCK / 4];
	int32_t write_buf[BLOCK / 4];
} medium = {.fd = -1};

struct cached {
	uint64_t block;
	uint8_t data[BLOCK];
};

static struct {
	struct cached *blocks; /* the oldest first */
	uint32_t used, size;   /* size 0: there is no cache */
	uint64_t random;
} cache;

static uint32_t cache_random(uint32_t below)
{
	cache.random = cache.random * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)((cache.random >> 33) % below);
}

static int complain(const char *path, const char *what)
{
	fprintf(stderr, "mpdisk-sim: %s: %s\n", path, what);
	return -EINVAL;
}

int storage_open(const char *path, bool read_only)
{
	struct stat st;
	int err;

	medium.fd = open(path, (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC);
	if (medium.fd < 0) {
		err = -errno;
		if (err == -ENOENT)
			complain(path, "no such image; make one with mke2fs -t ext4 -b 4096");
		else if (err == -EACCES || err == -EROFS || err == -EPERM)
			complain(path, "not writable; change its permissions or use --read-only");
		else
			complain(path, strerror(-err));
		return err;
	}
	if (fstat(medium.fd, &st))
		return -errno;
	if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
		return complain(path, "neither a file nor a block device");
	if (flock(medium.fd, (read_only ? LOCK_SH : LOCK_EX) | LOCK_NB))
		return complain(path,
				"in use by another mpdisk-sim; end that one or copy the image");
	medium.blocks = (uint64_t)lseek(medium.fd, 0, SEEK_END) / BLOCK;
	medium.read_only = read_only;
	snprintf(medium.path, sizeof(medium.path), "%s", path);
	return 0;
}

static int image_write(uint64_t block, const void *data, size_t at, size_t len)
{
	ssize_t n = pwrite(medium.fd, (const uint8_t *)data + at, len, (off_t)(block * BLOCK + at));

	if (n == (ssize_t)len)
		return 0;
	fprintf(stderr, "mpdisk-sim: %s: write of block %llu: %s\n", medium.path,
		(unsigned long long)block, n < 0 ? strerror(errno) : "no room");
	return -EIO;
}

int storage_cache(uint32_t blocks, uint32_t seed)
{
	cache.blocks = calloc(blocks, sizeof(*cache.blocks));
	if (!cache.blocks)
		return -ENOMEM;
	cache.size = blocks;
	cache.random = seed;
	cache_random(1);
	return 0;
}

static struct cached *cache_find(uint64_t block)
{
	uint32_t i;

	for (i = 0; i < cache.used; i++)
		if (cache.blocks[i].block == block)
			return &cache.blocks[i];
	return NULL;
}

/* One of the cached blocks goes to the image, and its place is free. */
static int cache_evict(uint32_t i)
{
	int err = image_write(cache.blocks[i].block, cache.blocks[i].data, 0, BLOCK);

	cache.blocks[i] = cache.blocks[--cache.used];
	return err;
}

static int cache_write(uint64_t block, const void *data)
{
	struct cached *c = cache_find(block);
	int err = 0;

	if (!c && cache.used == cache.size)
		err = cache_evict(cache_random(cache.used));
	if (!c)
		c = &cache.blocks[cache.used++];
	c->block = block;
	memcpy(c->data, data, BLOCK);
	return err;
}

static int cache_flush(void)
{
	int err = 0;

	while (cache.used)
		if (cache_evict(cache.used - 1))
			err = -EIO;
	return err;
}

void storage_power_cut(uint32_t *lost, uint32_t *torn, uint32_t *kept)
{
	uint32_t i, s;

	*lost = *torn = *kept = 0;
	for (i = 0; i < cache.used; i++) {
		uint32_t fate = cache_random(8);

		if (fate < 4) {
			++*lost;
			continue;
		}
		for (s = 0; s < BLOCK / SECTOR; s++)
			if (fate < 7 || cache_random(2))
				image_write(cache.blocks[i].block, cache.blocks[i].data,
					    (size_t)s * SECTOR, SECTOR);
		++*(fate < 7 ? kept : torn);
	}
	cache.used = 0;
}

int storage_close(void)
{
	int err = 0;

	if (medium.fd < 0)
		return 0;
	err = cache_flush();
	free(cache.blocks);
	cache.blocks = NULL;
	cache.size = 0;
	if (!medium.read_only && fsync(medium.fd)) {
		err = -errno;
		complain(medium.path, strerror(-err));
	}
	close(medium.fd);
	medium.fd = -1;
	return err;
}

uint64_t storage_size_blocks(void)
{
	return medium.blocks;
}

void storage_counts(uint64_t *reads, uint64_t *writes, uint64_t *flushes)
{
	*reads = medium.reads;
	*writes = medium.writes;
	*flushes = medium.flushes;
}

/* Zero blocks are left out, so holes need not be read. */
int storage_hash(uint64_t *hash)
{
	static const uint8_t zeros[BLOCK];
	uint8_t buf[BLOCK];
	uint64_t h = hash_mix(1, medium.blocks);
	uint64_t b = 0;

	while (b < medium.blocks) {
		off_t data = lseek(medium.fd, (off_t)(b * BLOCK), SEEK_DATA);

		if (data < 0 && errno == ENXIO)
			break;
		if (data >= 0 && (uint64_t)data / BLOCK > b) {
			b = (uint64_t)data / BLOCK;
			continue;
		}
		if (pread(medium.fd, buf, BLOCK, (off_t)(b * BLOCK)) != BLOCK)
			return -EIO;
		if (memcmp(buf, zeros, BLOCK))
			h = hash_bytes(hash_mix(h, b), buf, BLOCK);
		b++;
	}
	*hash = h;
	return 0;
}

int storage_blocks(long long *n)
{
	*n = (long long)medium.blocks;
	return medium.fd < 0 ? 0 : medium.read_only ? 2 : 1;
}

int storage_read_begin(long long block)
{
	struct cached *c = cache_find((uint64_t)block);
	ssize_t n;

	medium.reads++;
	if (c) {
		memcpy(medium.read_buf, c->data, BLOCK);
		return 0;
	}
	n = pread(medium.fd, medium.read_buf, BLOCK, (off_t)block * BLOCK);
	if (n == BLOCK)
		return 0;
	fprintf(stderr, "mpdisk-sim: %s: read of block %lld: %s\n", medium.path, block,
		n < 0 ? strerror(errno) : "the file has become shorter");
	return -EIO;
}

int storage_word(int i)
{
	return medium.read_buf[i & (BLOCK / 4 - 1)];
}

void storage_write_word(int i, int word)
{
	medium.write_buf[i & (BLOCK / 4 - 1)] = word;
}

int storage_write_end(long long block)
{
	if (medium.read_only)
		return -EROFS;
	medium.writes++;
	if (cache.size)
		return cache_write((uint64_t)block, medium.write_buf);
	return image_write((uint64_t)block, medium.write_buf, 0, BLOCK);
}

/*
 * Once pwrite has returned, the block survives the end of this process; only a crash of the whole
 * machine could lose it before the fsync at the end.
 */
int storage_flush(void)
{
	medium.flushes++;
	return cache_flush();
}
