/* SPDX-License-Identifier: BSD-2-Clause */
/* File contents through segs, as a port does it, for the suites file_*, extent_* and alloc_*. */
#ifndef MPDISK_TEST_FILE_UTIL_H
#define MPDISK_TEST_FILE_UTIL_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pool/frame.h"
#include "tests/fs/fixture.h"

static inline struct fs_name util_name(const char *s)
{
	return (struct fs_name){s, (u32)strlen(s)};
}

static inline node_t util_create(struct exec *x, const char *name)
{
	struct fs_attr attr;

	CHECK_OK(fs_mknod(x, FS_ROOT, util_name(name), 0100644, 0, false, &attr));
	return attr.node;
}

static inline node_t util_lookup(struct exec *x, const char *name)
{
	struct fs_attr attr;

	CHECK_OK(fs_lookup(x, FS_ROOT, util_name(name), &attr));
	return attr.node;
}

static inline struct fs_attr util_attr(struct exec *x, node_t node)
{
	struct fs_attr attr;

	CHECK_OK(fs_getattr(x, node, &attr));
	return attr;
}

/* One fs_write of at most FS_IO_MAX bytes; shift: where in its first frame the data begins. */
static inline int util_write_once(struct exec *x, node_t node, u64 *pos, u32 flags,
				  const void *data, u32 len, u32 shift)
{
	struct fs_seg segs[FS_IO_SEGS];
	const u8 *src = data;
	u32 n = 0, done = 0, i;
	int ret;

	while (done < len && n < FS_IO_SEGS) {
		u32 off = n ? 0 : shift, part = min_of(len - done, 4096 - off);
		struct frame *f;

		ret = frame_alloc(x, &f);
		CHECK_OK(ret);
		memset(frame_data(x, f), 0xEE, 4096);
		memcpy((u8 *)frame_data(x, f) + off, src + done, part);
		segs[n++] = (struct fs_seg){frame_no(x, f), (u16)off, (u16)part};
		done += part;
	}
	ret = fs_write(x, node, pos, flags, segs, n);
	for (i = 0; i < n; i++) {
		/* it is ours, whatever became of the data */
		memset(frame_data(x, frame_of(x, segs[i].frame)), 0xDD, 4096);
		frame_unpin(x, frame_of(x, segs[i].frame));
	}
	return ret;
}

/* Writes it all, in requests as the kernel would make them. Returns bytes or the first error. */
static inline s64 util_write(struct exec *x, node_t node, u64 pos, const void *data, u64 len)
{
	u64 done = 0;

	while (done < len) {
		u64 at = pos + done;
		u32 shift = (u32)at & 4095u;
		int n = util_write_once(x, node, &at, 0, (const u8 *)data + done,
					(u32)min_of(len - done, (u64)FS_IO_MAX - shift), shift);

		if (n <= 0)
			return done ? (s64)done : n;
		done += (u64)n;
	}
	return (s64)done;
}

static inline s64 util_read(struct exec *x, node_t node, u64 pos, void *data, u64 len)
{
	struct fs_seg segs[FS_IO_SEGS];
	u64 done = 0;

	while (done < len) {
		u32 nsegs, i, sum = 0;
		int n = fs_read(x, node, pos + done, (u32)min_of(len - done, (u64)FS_IO_MAX), segs,
				&nsegs);

		if (n <= 0)
			return done ? (s64)done : n;
		for (i = 0; i < nsegs; i++) {
			struct frame *f = frame_of(x, segs[i].frame);

			memcpy((u8 *)data + done + sum, (u8 *)frame_data(x, f) + segs[i].offset,
			       segs[i].len);
			sum += segs[i].len;
			frame_unpin(x, f);
		}
		CHECK_EQ(sum, n);
		done += (u64)n;
	}
	return (s64)done;
}

static inline int util_truncate(struct exec *x, node_t node, u64 size)
{
	struct fs_setattr set = {.valid = FS_SET_SIZE, .size = size};
	struct fs_attr attr;

	return fs_setattr(x, node, &set, &attr);
}

static inline int util_unlink(struct exec *x, const char *name)
{
	return fs_unlink(x, FS_ROOT, util_name(name));
}

/* A byte that tells where it was meant to be. */
static inline u8 util_byte(u32 seed, u64 pos)
{
	u64 v = (pos >> 3) * 0x9E3779B97F4A7C15ull + seed * 0xD1B54A32D192ED03ull;

	return (u8)((v >> 32 ^ v >> 11) + pos * 7) | 1;
}

static inline void util_fill(u8 *buf, u32 seed, u64 pos, u64 len)
{
	u64 i;

	for (i = 0; i < len; i++)
		buf[i] = util_byte(seed, pos + i);
}

static inline void util_write_pattern(struct exec *x, node_t node, u32 seed, u64 pos, u64 len)
{
	u8 *buf = malloc(len);

	util_fill(buf, seed, pos, len);
	CHECK_EQ(util_write(x, node, pos, buf, len), len);
	free(buf);
}

/* [pos, pos+len) holds the pattern (seed 0: zeros). */
static inline void util_check_pattern(struct exec *x, node_t node, u32 seed, u64 pos, u64 len)
{
	u8 *buf = malloc(len);
	u64 i;

	CHECK_EQ(util_read(x, node, pos, buf, len), len);
	for (i = 0; i < len; i++)
		if (buf[i] != (seed ? util_byte(seed, pos + i) : 0))
			test_fail(__FILE__, __LINE__, "byte %llu is %02x, pattern %u says %02x",
				  (unsigned long long)(pos + i), buf[i], seed,
				  seed ? util_byte(seed, pos + i) : 0);
	free(buf);
}

static inline u64 util_free_blocks(struct exec *x)
{
	struct fs_statfs st;

	CHECK_OK(fs_statfs(x, &st));
	return st.bfree;
}

static inline u64 util_free_inodes(struct exec *x)
{
	struct fs_statfs st;

	CHECK_OK(fs_statfs(x, &st));
	return st.ffree;
}

struct util_rng {
	u64 state;
};

static inline u32 util_rand(struct util_rng *r, u32 below)
{
	r->state = r->state * 6364136223846793005ull + 1442695040888963407ull;
	return below ? (u32)((r->state >> 33) % below) : 0;
}

#endif
