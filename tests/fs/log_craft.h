/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Writes journal logs into an image, as the format's description says, with every checksum right or
 * wrong on purpose. It shares no code with the core.
 */
#ifndef MPDISK_TEST_LOG_CRAFT_H
#define MPDISK_TEST_LOG_CRAFT_H

#include <fcntl.h>

#include "tests/fs/names_util.h"

#define CRAFT_MAGIC 0xC03B3998u

enum craft_version { CRAFT_PLAIN, CRAFT_V1, CRAFT_V2, CRAFT_V3 };
enum craft_commit { COMMIT_GOOD, COMMIT_TORN, COMMIT_BAD, COMMIT_NONE };

struct craft {
	int fd;
	enum craft_version version;
	bool wide, async, same_uuid;
	u32 blocks;
	u32 map[8192]; /* where they lie on the medium */
	u32 start, sequence;
	u32 pos, tid;
	u32 v1_sum;
	u32 seed;
	bool spoil_descriptor, spoil_data, spoil_revoke; /* the next one */
	u8 sb[4096];
};

static inline void craft_be32(void *p, u32 v)
{
	v = __builtin_bswap32(v);
	memcpy(p, &v, 4);
}

static inline u32 craft_get(const void *p)
{
	u32 v;

	memcpy(&v, p, 4);
	return __builtin_bswap32(v);
}

static inline u32 craft_crc32c(u32 crc, const void *data, size_t len)
{
	const u8 *p = data;
	static u32 table[256];

	for (u32 i = 0; !table[1] && i < 256; i++) {
		table[255 - i] = 255 - i;
		for (int k = 0; k < 8; k++)
			table[255 - i] =
				table[255 - i] >> 1 ^ (table[255 - i] & 1 ? 0x82F63B78u : 0);
	}
	while (len--)
		crc = crc >> 8 ^ table[(crc ^ *p++) & 255];
	return crc;
}

static inline u32 craft_crc32(u32 crc, const void *data, size_t len)
{
	const u8 *p = data;

	while (len--) {
		crc ^= (u32)*p++ << 24;
		for (int k = 0; k < 8; k++)
			crc = crc << 1 ^ (crc >> 31 ? 0x04C11DB7u : 0);
	}
	return crc;
}

static inline void craft_pread(const struct craft *c, u64 block, void *p)
{
	CHECK_EQ(pread(c->fd, p, 4096, (off_t)(block * 4096)), 4096);
}

static inline void craft_pwrite(const struct craft *c, u64 block, const void *p)
{
	CHECK_EQ(pwrite(c->fd, p, 4096, (off_t)(block * 4096)), 4096);
}

static inline u32 craft_bmap(u32 lblk)
{
	char command[200], out[200];

	snprintf(command, sizeof(command), PATH "debugfs -R 'bmap <8> %u' '%%s' 2>/dev/null", lblk);
	CHECK_OK(fixture_run(out, sizeof(out), command));
	return (u32)atol(out);
}

static inline void craft_map(struct craft *c)
{
	static char out[200000];
	char *p = out;

	CHECK_OK(fixture_run(out, sizeof(out), PATH "debugfs -R 'blocks <8>' '%s' 2>/dev/null"));
	for (u32 i = 0; i < c->blocks; i++) {
		c->map[i] = (u32)strtoul(p, &p, 10);
		CHECK(c->map[i]);
	}
}

static inline void craft_open(struct craft *c, enum craft_version version, bool wide, u32 start,
			      u32 sequence)
{
	memset(c, 0, sizeof(*c));
	c->fd = open(fixture_image(), O_RDWR);
	CHECK(c->fd >= 0);
	craft_pread(c, craft_bmap(0), c->sb);
	CHECK_EQ(craft_get(c->sb), CRAFT_MAGIC);
	c->blocks = craft_get(c->sb + 16);
	CHECK(c->blocks <= array_size(c->map));
	craft_map(c);
	c->version = version;
	c->wide = wide;
	c->same_uuid = true;
	c->start = c->pos = start;
	c->sequence = c->tid = sequence;
	c->v1_sum = ~0u;
	c->seed = craft_crc32c(~0u, c->sb + 0x30, 16);
}

static inline bool craft_has_csum(const struct craft *c)
{
	return c->version >= CRAFT_V2;
}

static inline void craft_put(struct craft *c, const void *block)
{
	craft_pwrite(c, c->map[c->pos], block);
	if (++c->pos == c->blocks)
		c->pos = craft_get(c->sb + 20);
}

static inline void craft_tail(const struct craft *c, u8 *block, bool spoil)
{
	if (craft_has_csum(c))
		craft_be32(block + 4092, craft_crc32c(c->seed, block, 4096) ^ spoil);
}

static inline void craft_header(const struct craft *c, u8 *block, u32 type)
{
	memset(block, 0, 4096);
	craft_be32(block, CRAFT_MAGIC);
	craft_be32(block + 4, type);
	craft_be32(block + 8, c->tid);
}

static inline u32 craft_tag_size(const struct craft *c)
{
	return c->version == CRAFT_V3 ? 16 : (c->wide ? 12 : 8) + (c->version == CRAFT_V2 ? 2 : 0);
}

static inline void craft_tag(const struct craft *c, u8 *p, u64 home, const u8 *data, u32 flags)
{
	u8 id[4];
	u32 crc;

	craft_be32(id, c->tid);
	crc = craft_crc32c(craft_crc32c(c->seed, id, 4), data, 4096) ^ c->spoil_data;
	craft_be32(p, (u32)home);
	if (c->version == CRAFT_V3) {
		craft_be32(p + 4, flags);
		craft_be32(p + 8, (u32)(home >> 32));
		craft_be32(p + 12, crc);
		return;
	}
	craft_be32(p + 4, (c->version == CRAFT_V2 ? crc << 16 : 0) | flags);
	if (c->wide)
		craft_be32(p + 8, (u32)(home >> 32));
}

/* A descriptor and its blocks: n blocks of 4096 bytes one behind the other; as many as fit. Returns
 * how many that were. */
static inline u32 craft_blocks(struct craft *c, u32 n, const u64 *home, const u8 *data)
{
	u32 at = 12, size = craft_tag_size(c), fits = 0;
	u8 desc[4096];
	u8(*copy)[4096] = malloc((size_t)n * 4096);

	craft_header(c, desc, 1);
	while (fits < n && at + size + 16 <= 4092) {
		u32 flags = c->same_uuid && fits ? 2 : 0;

		memcpy(copy[fits], data + (size_t)fits * 4096, 4096);
		if (craft_get(copy[fits]) == CRAFT_MAGIC) {
			memset(copy[fits], 0, 4);
			flags |= 1;
		}
		if (fits + 1 == n || at + 2 * (size + 16) > 4092)
			flags |= 8;
		craft_tag(c, desc + at, home[fits], copy[fits], flags);
		c->spoil_data = false;
		at += size + (flags & 2 ? 0 : 16);
		fits++;
		if (flags & 8)
			break;
	}
	craft_tail(c, desc, c->spoil_descriptor);
	c->spoil_descriptor = false;
	c->v1_sum = craft_crc32(c->v1_sum, desc, 4096);
	craft_put(c, desc);
	for (u32 i = 0; i < fits; i++) {
		c->v1_sum = craft_crc32(c->v1_sum, copy[i], 4096);
		craft_put(c, copy[i]);
	}
	free(copy);
	return fits;
}

static inline void craft_revoke(struct craft *c, u32 n, const u64 *block)
{
	u32 size = c->wide ? 8 : 4, room = (4092 - 16) / size;

	while (n) {
		u32 now = min_of(n, room), at = 16;
		u8 p[4096];

		craft_header(c, p, 5);
		for (u32 i = 0; i < now; i++, at += size) {
			if (c->wide)
				craft_be32(p + at, (u32)(block[i] >> 32));
			craft_be32(p + at + size - 4, (u32)block[i]);
		}
		craft_be32(p + 12, at);
		craft_tail(c, p, c->spoil_revoke);
		c->spoil_revoke = false;
		craft_put(c, p);
		block += now;
		n -= now;
	}
}

static inline void craft_end(struct craft *c, enum craft_commit how)
{
	u8 p[4096];

	craft_header(c, p, 2);
	craft_be32(p + 0x34, 1700000000u + c->tid); /* later than that of those before */
	if (c->version == CRAFT_V1) {
		p[12] = 1;
		p[13] = 4;
		craft_be32(p + 16, c->v1_sum ^ (how == COMMIT_BAD));
	}
	if (craft_has_csum(c))
		craft_be32(p + 16, craft_crc32c(c->seed, p, 4096) ^ (how == COMMIT_BAD));
	if (how == COMMIT_TORN)
		memset(p + 512, 0xA5, 4096 - 512);
	if (how != COMMIT_NONE)
		craft_put(c, p);
	c->v1_sum = ~0u;
	c->tid++;
}

static inline void craft_seal_super(const struct craft *c, u8 *sb)
{
	if (!craft_has_csum(c))
		return;
	memset(sb + 0xFC, 0, 4);
	craft_be32(sb + 0xFC, craft_crc32c(~0u, sb, 1024));
}

/* The filesystem's superblock says that the journal needs recovery, or not. */
static inline void craft_flag(int fd, bool recover)
{
	struct ext4_super sb;

	CHECK_EQ(pread(fd, &sb, sizeof(sb), 1024), (ssize_t)sizeof(sb));
	sb.s_feature_incompat &= ~EXT4_INCOMPAT_RECOVER;
	if (recover)
		sb.s_feature_incompat |= EXT4_INCOMPAT_RECOVER;
	sb.s_checksum = craft_crc32c(~0u, &sb, offsetof(struct ext4_super, s_checksum));
	CHECK_EQ(pwrite(fd, &sb, sizeof(sb), 1024), (ssize_t)sizeof(sb));
}

/* The superblocks that go with the log. */
static inline void craft_close(struct craft *c)
{
	static const u32 csum[] = {0, 0, 8, 16};

	craft_be32(c->sb + 4, 4);
	craft_be32(c->sb + 0x18, c->sequence);
	craft_be32(c->sb + 0x1C, c->start);
	craft_be32(c->sb + 0x24, c->version == CRAFT_V1);
	craft_be32(c->sb + 0x28, 1 | (c->wide ? 2 : 0) | (c->async ? 4 : 0) | csum[c->version]);
	c->sb[0x50] = craft_has_csum(c) ? 4 : 0;
	craft_seal_super(c, c->sb);
	craft_pwrite(c, c->map[0], c->sb);
	craft_flag(c->fd, true);
	close(c->fd);
}

#endif
