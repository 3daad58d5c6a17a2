/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The image in memory: where its structures are, patches of them, and their checksums, made here
 * from the format's description and not by the code under test.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "format/crc32c.h"
#include "format/ext4.h"
#include "format/jbd2.h"
#include "tests/fuzz/world.h"

#define JOURNAL_SCAN 24u /* blocks of the log that are places */
#define DIR_SCAN 12u     /* blocks of a directory, and every 64th */

static struct ext4_super *super_of(u8 *bytes)
{
	return (void *)(bytes + EXT4_SUPER_OFFSET);
}

static u32 desc_size(u8 *bytes)
{
	return super_of(bytes)->s_feature_incompat & EXT4_INCOMPAT_64BIT ? 64 : 32;
}

static struct ext4_group_desc *desc_of(struct image *m, u8 *bytes, u32 group)
{
	return (void *)(bytes + BLOCK_SIZE + group * desc_size(m->clean));
}

static u32 groups_of(const struct ext4_super *sb)
{
	return (sb->s_blocks_count_lo + sb->s_blocks_per_group - 1) / sb->s_blocks_per_group;
}

static u32 inode_offset(struct image *m, u32 ino)
{
	const struct ext4_super *sb = super_of(m->clean);
	u32 group = (ino - 1) / sb->s_inodes_per_group, index = (ino - 1) % sb->s_inodes_per_group;

	return desc_of(m, m->clean, group)->bg_inode_table_lo * BLOCK_SIZE +
	       index * sb->s_inode_size;
}

static struct place *add(struct image *m, u32 offset, u32 len, enum place_kind kind, u32 ino)
{
	struct place *p = &m->place[m->nplaces];

	if (m->nplaces == PLACES_MAX || offset > m->blocks * BLOCK_SIZE - len)
		return &m->place[PLACES_MAX - 1];
	for (u32 i = 0; i < m->nplaces; i++)
		if (m->place[i].offset == offset && m->place[i].kind == kind)
			return &m->place[i];
	*p = (struct place){.offset = offset, .len = len, .kind = kind, .ino = ino};
	m->nplaces++;
	return p;
}

/* ---- finding the structures of a valid image */
static void scan_file_block(struct image *m, u32 ino, const struct ext4_inode *raw, u32 lblk,
			    u32 block)
{
	bool dir = (raw->i_mode & EXT4_S_IFMT) == EXT4_S_IFDIR;
	const struct ext4_dirent *first = (void *)(m->clean + (size_t)block * BLOCK_SIZE);
	enum place_kind kind = PLACE_DIR;

	if (ino == EXT4_JOURNAL_INO) {
		if (lblk < JOURNAL_SCAN)
			add(m, block * BLOCK_SIZE, BLOCK_SIZE, PLACE_LOG, ino);
		return;
	}
	if (dir && lblk >= DIR_SCAN && lblk % 64)
		return;
	if (!dir) {
		if (lblk == 0)
			add(m, block * BLOCK_SIZE, BLOCK_SIZE, PLACE_DATA, ino);
		return;
	}
	if ((raw->i_flags & EXT4_FL_INDEX) &&
	    (!lblk || (!first->inode && first->rec_len == BLOCK_SIZE)))
		kind = PLACE_DX;
	add(m, block * BLOCK_SIZE, BLOCK_SIZE, kind, ino)->dir = true;
}

static void scan_extents(struct image *m, u32 ino, const struct ext4_inode *raw)
{
	struct {
		const u8 *node;
	} todo[16] = {{(const u8 *)raw->i_block}};
	u32 n = 1;

	while (n) {
		const struct ext4_extent_header *h = (const void *)todo[--n].node;
		const struct ext4_extent *e = (const void *)(h + 1);

		for (u32 i = 0; i < h->eh_entries; i++) {
			if (h->eh_depth && n < array_size(todo)) {
				u32 block = ((const struct ext4_extent_idx *)e)[i].ei_leaf_lo;

				add(m, block * BLOCK_SIZE, BLOCK_SIZE, PLACE_EXTENT, ino);
				todo[n++].node = m->clean + (size_t)block * BLOCK_SIZE;
			}
			for (u32 k = 0; !h->eh_depth && k < e[i].ee_len % 32768u; k++)
				scan_file_block(m, ino, raw, e[i].ee_block + k,
						e[i].ee_start_lo + k);
		}
	}
}

static void scan_inode(struct image *m, u32 ino)
{
	u32 offset = inode_offset(m, ino);
	const struct ext4_inode *raw = (void *)(m->clean + offset);
	u32 type = raw->i_mode & EXT4_S_IFMT;
	struct place *p;

	if (!raw->i_links_count || (ino != EXT4_ROOT_INO && ino != EXT4_JOURNAL_INO && ino < 11))
		return;
	p = add(m, offset, super_of(m->clean)->s_inode_size, PLACE_INODE, ino);
	p->dir = type == EXT4_S_IFDIR;
	if (raw->i_file_acl_lo)
		add(m, raw->i_file_acl_lo * BLOCK_SIZE, BLOCK_SIZE, PLACE_XATTR, ino);
	if (raw->i_flags & EXT4_FL_EXTENTS)
		scan_extents(m, ino, raw);
	else if (type == EXT4_S_IFREG && raw->i_block[12])
		add(m, raw->i_block[12] * BLOCK_SIZE, BLOCK_SIZE, PLACE_DATA, ino);
}

static void image_scan(struct image *m)
{
	const struct ext4_super *sb = super_of(m->clean);
	u32 ngroups = groups_of(sb);

	add(m, EXT4_SUPER_OFFSET, sizeof(*sb), PLACE_SUPER, 0);
	for (u32 g = 0; g < ngroups; g++) {
		const struct ext4_group_desc *d = desc_of(m, m->clean, g);

		add(m, BLOCK_SIZE + g * desc_size(m->clean), desc_size(m->clean), PLACE_GDT, g);
		add(m, d->bg_block_bitmap_lo * BLOCK_SIZE, BLOCK_SIZE, PLACE_BLOCK_BITMAP, g);
		add(m, d->bg_inode_bitmap_lo * BLOCK_SIZE, BLOCK_SIZE, PLACE_INODE_BITMAP, g);
	}
	for (u32 ino = 1; ino <= sb->s_inodes_count; ino++)
		scan_inode(m, ino);
}

static void image_load(struct image *m, const char *path)
{
	FILE *f = fopen(path, "rb");
	long size;

	if (!f || fseek(f, 0, SEEK_END) || (size = ftell(f)) < 64 * 4096)
		world_fail("cannot read %s: make fuzz-images", path);
	m->blocks = (u32)(size / BLOCK_SIZE);
	m->clean = malloc((size_t)size);
	m->now = malloc((size_t)size);
	m->changed = calloc(m->blocks, 1);
	rewind(f);
	if (!m->clean || !m->now || !m->changed ||
	    fread(m->clean, BLOCK_SIZE, m->blocks, f) != m->blocks)
		world_fail("cannot read %s", path);
	fclose(f);
	memcpy(m->now, m->clean, (size_t)size);
	image_scan(m);
}

struct image *world_image(const char *name)
{
	const char *dir = getenv("FUZZ_IMAGES");
	struct image *m = calloc(1, sizeof(*m));
	char path[512];

	if (!m)
		world_fail("no memory");
	snprintf(path, sizeof(path), "%s/%s", dir ? dir : "build/fuzz/images", name);
	image_load(m, path);
	return m;
}

void image_restore(struct image *m)
{
	for (u32 i = 0; i < m->blocks; i++)
		if (m->changed[i])
			memcpy(m->now + (size_t)i * BLOCK_SIZE, m->clean + (size_t)i * BLOCK_SIZE,
			       BLOCK_SIZE);
	memset(m->changed, 0, m->blocks);
}

static void image_change(struct image *m, u32 offset, const void *bytes, u32 len)
{
	memmove(m->now + offset, bytes, len);
	for (u32 i = offset / BLOCK_SIZE; i <= (offset + len - 1) / BLOCK_SIZE; i++)
		m->changed[i] = 1;
}

/* ---- checksums */
static u32 fs_seed(struct image *m)
{
	const struct ext4_super *sb = super_of(m->now);

	return sb->s_feature_incompat & EXT4_INCOMPAT_CSUM_SEED
		       ? sb->s_checksum_seed
		       : crc32c(~0u, sb->s_uuid, sizeof(sb->s_uuid));
}

static u32 owner_seed(struct image *m, u32 ino)
{
	const struct ext4_inode *raw = (void *)(m->now + inode_offset(m, ino));

	return crc32c(crc32c(fs_seed(m), &ino, 4), &raw->i_generation, 4);
}

static void fix_inode(struct image *m, const struct place *p)
{
	struct ext4_inode *raw = (void *)(m->now + p->offset);
	u32 crc;

	raw->i_checksum_lo = 0;
	if (raw->i_extra_isize >= 4)
		raw->i_checksum_hi = 0;
	crc = crc32c(owner_seed(m, p->ino), raw, p->len);
	raw->i_checksum_lo = (u16)crc;
	if (raw->i_extra_isize >= 4)
		raw->i_checksum_hi = (u16)(crc >> 16);
}

static void fix_dx(struct image *m, const struct place *p)
{
	u8 *block = m->now + p->offset;
	const struct ext4_dirent *first = (void *)block;
	u32 at = first->rec_len == BLOCK_SIZE && !first->inode ? 8 : 32, zero = 0, crc;
	u16 limit, count;
	u8 *tail;

	memcpy(&limit, block + at, 2);
	memcpy(&count, block + at + 2, 2);
	if (count > limit || at + limit * 8u + 8 > BLOCK_SIZE)
		return;
	tail = block + at + limit * 8u;
	crc = crc32c(owner_seed(m, p->ino), block, at + count * 8u);
	crc = crc32c(crc, tail, 4);
	crc = crc32c(crc, &zero, 4);
	memcpy(tail + 4, &crc, 4);
}

static void fix_extent(struct image *m, const struct place *p)
{
	u8 *block = m->now + p->offset;
	const struct ext4_extent_header *h = (void *)block;
	u32 at = 12 + h->eh_max * 12u, crc;

	if (at > BLOCK_SIZE - 4)
		return;
	crc = crc32c(owner_seed(m, p->ino), block, at);
	memcpy(block + at, &crc, 4);
}

static void fix_dir(struct image *m, const struct place *p)
{
	u8 *block = m->now + p->offset;
	u32 crc = crc32c(owner_seed(m, p->ino), block, BLOCK_SIZE - 12);

	memcpy(block + BLOCK_SIZE - 4, &crc, 4);
}

static void fix_xattr(struct image *m, const struct place *p)
{
	struct ext4_xattr_header *h = (void *)(m->now + p->offset);
	u64 block = p->offset / BLOCK_SIZE;

	h->h_checksum = 0;
	h->h_checksum = crc32c(crc32c(fs_seed(m), &block, 8), h, BLOCK_SIZE);
}

static void fix_desc(struct image *m, u32 group)
{
	struct ext4_group_desc *d = desc_of(m, m->now, group);

	d->bg_checksum = 0;
	d->bg_checksum = (u16)crc32c(crc32c(fs_seed(m), &group, 4), d, desc_size(m->clean));
}

static void fix_bitmap(struct image *m, const struct place *p)
{
	const struct ext4_super *sb = super_of(m->clean);
	struct ext4_group_desc *d = desc_of(m, m->now, p->ino);
	bool blocks = p->kind == PLACE_BLOCK_BITMAP;
	u32 crc = crc32c(fs_seed(m), m->now + p->offset,
			 (blocks ? sb->s_blocks_per_group : sb->s_inodes_per_group) / 8);

	if (blocks) {
		d->bg_block_bitmap_csum_lo = (u16)crc;
		d->bg_block_bitmap_csum_hi = (u16)(crc >> 16);
	} else {
		d->bg_inode_bitmap_csum_lo = (u16)crc;
		d->bg_inode_bitmap_csum_hi = (u16)(crc >> 16);
	}
	m->changed[1] = 1;
	fix_desc(m, p->ino);
}

/* ---- checksums of the log: made for all of it at once, since a descriptor has those of the blocks
 * behind it */
struct log {
	u8 *block[JOURNAL_SCAN];
	u32 n;
	u32 seed, incompat;
};

static u32 sum_without(u32 crc, u8 *p, u32 len, u32 at)
{
	memset(p + at, 0, 4);
	crc = be32_put(crc32c(crc, p, len));
	memcpy(p + at, &crc, 4);
	return crc;
}

static void fix_tags(struct log *log, u32 n)
{
	u8 *p = log->block[n];
	const struct jbd2_header *h = (void *)p;
	u32 size = jbd2_tag_size(log->incompat), at = sizeof(*h), flags;

	do {
		if (at + size > BLOCK_SIZE - 4 || ++n >= log->n)
			return;
		if (log->incompat & JBD2_INCOMPAT_CSUM_V3) {
			struct jbd2_tag3 *tag = (void *)(p + at);

			tag->t_checksum = be32_put(crc32c(crc32c(log->seed, &h->h_sequence, 4),
							  log->block[n], BLOCK_SIZE));
			flags = be32_get(tag->t_flags);
		} else {
			struct jbd2_tag tag; /* with CSUM_V2 it may lie anywhere */

			memcpy(&tag, p + at, size < sizeof(tag) ? size : sizeof(tag));
			flags = be16_get(tag.t_flags);
		}
		at += size + (flags & JBD2_TAG_SAME_UUID ? 0 : 16);
	} while (!(flags & JBD2_TAG_LAST));
}

static void fix_log(struct image *m)
{
	struct log log = {.n = 0};
	const struct jbd2_super *jsb;
	u32 i;

	for (i = 0; i < m->nplaces && log.n < JOURNAL_SCAN; i++)
		if (m->place[i].kind == PLACE_LOG) {
			m->changed[m->place[i].offset / BLOCK_SIZE] = 1;
			log.block[log.n++] = m->now + m->place[i].offset;
		}
	jsb = (const void *)log.block[0];
	log.incompat = be32_get(jsb->s_feature_incompat);
	log.seed = crc32c(~0u, jsb->s_uuid, sizeof(jsb->s_uuid));
	sum_without(~0u, log.block[0], 1024, offsetof(struct jbd2_super, s_checksum));
	for (i = 1; i < log.n; i++) {
		const struct jbd2_header *h = (const void *)log.block[i];

		if (h->h_magic != be32_put(JBD2_MAGIC))
			continue;
		switch (be32_get(h->h_blocktype)) {
		case JBD2_DESCRIPTOR:
			fix_tags(&log, i);
			/* fall through */
		case JBD2_REVOKE:
			sum_without(log.seed, log.block[i], BLOCK_SIZE, BLOCK_SIZE - 4);
			break;
		case JBD2_COMMIT:
			sum_without(log.seed, log.block[i], BLOCK_SIZE,
				    offsetof(struct jbd2_commit, h_chksum));
			break;
		}
	}
}

static void fix(struct image *m, const struct place *p)
{
	struct ext4_super *sb = super_of(m->now);

	switch (p->kind) {
	case PLACE_SUPER:
		sb->s_checksum = crc32c(~0u, sb, offsetof(struct ext4_super, s_checksum));
		break;
	case PLACE_GDT:
		fix_desc(m, p->ino);
		break;
	case PLACE_BLOCK_BITMAP:
	case PLACE_INODE_BITMAP:
		fix_bitmap(m, p);
		break;
	case PLACE_INODE:
		fix_inode(m, p);
		break;
	case PLACE_EXTENT:
		fix_extent(m, p);
		break;
	case PLACE_DIR:
		fix_dir(m, p);
		break;
	case PLACE_DX:
		fix_dx(m, p);
		break;
	case PLACE_XATTR:
		fix_xattr(m, p);
		break;
	default:
		break;
	}
}

/* ---- patches */
const struct place *image_place(const struct image *m, u32 n, bool (*wanted)(const struct place *))
{
	u32 count = 0;

	for (u32 i = 0; i < m->nplaces; i++)
		count += wanted(&m->place[i]);
	if (!count)
		world_fail("nothing to patch in the image");
	n %= count;
	for (u32 i = 0;; i++)
		if (wanted(&m->place[i]) && !n--)
			return &m->place[i];
}

static void patch(struct image *m, const struct record *r, const struct place *p,
		  const struct place *from)
{
	u32 size = 1u << r->kind % REC_KINDS, at = r->at % p->len, len;
	u8 bytes[64];
	u32 old;

	switch (r->kind % REC_KINDS) {
	case REC_SET8:
	case REC_SET16:
	case REC_SET32:
		image_change(m, p->offset + min_of(at, p->len - size), &r->value, size);
		break;
	case REC_ADD:
		at = min_of(at, p->len - 4) & ~1u;
		memcpy(&old, m->now + p->offset + at, 4);
		old += r->value;
		image_change(m, p->offset + at, &old, r->value > 0xFFFF ? 4 : 2);
		break;
	case REC_COPY: /* value: from which place, which byte of it, how much */
		len = min_of(16u << (r->value >> 29), p->len - at);
		len = min_of(len, from->len);
		image_change(m, p->offset + at,
			     m->now + from->offset + min_of(r->value >> 8 & 0xFFF, from->len - len),
			     len);
		break;
	case REC_FILL:
		len = min_of(1 + (r->value >> 8) % sizeof(bytes), p->len - at);
		memset(bytes, (u8)r->value, len);
		image_change(m, p->offset + at, bytes, len);
		break;
	}
}

static bool is_patch(const struct record *r)
{
	return r->kind % REC_KINDS < REC_OP;
}

void image_patch(struct image *m, const struct input *in, bool fixing,
		 bool (*wanted)(const struct place *))
{
	bool touched[PLACES_MAX] = {false}, inodes = false, log = false;
	u16 policy = in->head.policy;
	u32 i;

	for (i = 0; i < in->n; i++) {
		const struct record *r = &in->rec[i];
		const struct place *p;

		if (!is_patch(r))
			continue;
		p = image_place(m, r->where, wanted);
		patch(m, r, p, image_place(m, r->value, wanted));
		touched[p - m->place] = true;
		inodes |= p->kind == PLACE_INODE;
		log |= p->kind == PLACE_LOG;
	}
	if (policy >= 1 && policy <= 3) {
		image_change(m, EXT4_SUPER_OFFSET + offsetof(struct ext4_super, s_errors), &policy,
			     2);
		touched[0] = true;
	}
	if (!fixing)
		return;
	if (log)
		fix_log(m);
	/* the generation of an inode is in the sums of its blocks */
	for (i = 0; inodes && i < m->nplaces; i++)
		for (u32 k = 0; k < m->nplaces; k++)
			if (touched[k] && m->place[k].kind == PLACE_INODE &&
			    m->place[i].ino == m->place[k].ino &&
			    m->place[i].kind >= PLACE_EXTENT && m->place[i].kind <= PLACE_DX)
				touched[i] = true;
	for (i = 0; i < m->nplaces; i++)
		if (touched[i]) {
			m->changed[m->place[i].offset / BLOCK_SIZE] = 1;
			fix(m, &m->place[i]);
		}
}

void input_parse(struct input *in, const u8 *data, size_t size)
{
	memset(in, 0, sizeof(*in));
	memcpy(&in->head, data, min_of(size, sizeof(in->head)));
	if (size < sizeof(in->head))
		return;
	size -= sizeof(in->head);
	in->n = (u32)min_of(size / sizeof(in->rec[0]), (size_t)RECORDS_MAX);
	if (in->n)
		memcpy(in->rec, data + sizeof(in->head), in->n * sizeof(in->rec[0]));
}
