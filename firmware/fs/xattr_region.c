/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The bytes of extended attributes: checking, finding and building a region of them.
 * Layer: pure functions, below xattr.c. Source: Documentation/filesystems/ext4/attributes.rst.
 *
 * Invariants
 *  Y1. xattr_region_check() has passed before anything else here looks at a region.
 *  Y2. A region is never changed in place: a new one is built beside it, and copied over it.
 */
#include <string.h>

#include "fs/xattr_priv.h"
#include "platform/errno.h"

static u32 padded(u32 size)
{
	return (size + 3) & ~3u;
}

static bool is_last(const struct xattr_region *r, u32 offset)
{
	u32 word;

	memcpy(&word, r->base + offset, 4);
	return !word;
}

bool xattr_region_check(struct xattr_region *r)
{
	const struct ext4_xattr_entry *e;
	u32 offset = r->first, end;

	r->end = 0;
	for (;;) {
		if (offset + 4 > r->size)
			return false;
		if (is_last(r, offset))
			break;
		if (offset + sizeof(*e) > r->size)
			return false;
		offset += xattr_entry_len(xattr_at(r, offset)->e_name_len);
	}
	end = offset + 4;
	for (offset = r->first; !is_last(r, offset); offset += xattr_entry_len(e->e_name_len)) {
		e = xattr_at(r, offset);
		if (e->e_value_inum || e->e_value_size > r->size)
			return false;
		if (e->e_value_size && (e->e_value_offs < end || (e->e_value_offs & 3) ||
					e->e_value_offs + padded(e->e_value_size) > r->size))
			return false;
	}
	r->end = end - 4;
	return true;
}

/* The order of entries in a block: index, length of the name, name. */
static int compare(u32 index, struct fs_name name, const struct ext4_xattr_entry *e)
{
	if (index != e->e_name_index)
		return index < e->e_name_index ? -1 : 1;
	if (name.len != e->e_name_len)
		return name.len < e->e_name_len ? -1 : 1;
	return memcmp(name.s, e->e_name, name.len);
}

struct ext4_xattr_entry *xattr_region_find(const struct xattr_region *r, u32 index,
					   struct fs_name name)
{
	struct ext4_xattr_entry *e;
	u32 offset;

	for (offset = r->first; offset < r->end; offset += xattr_entry_len(e->e_name_len)) {
		e = xattr_at(r, offset);
		if (!compare(index, name, e))
			return e;
	}
	return NULL;
}

/* What goes on while a region is built. */
struct builder {
	u8 *out;
	u32 entry; /* where the next entry goes */
	u32 value; /* where the last value is */
	u32 count;
	bool hashed;
};

static u32 turn(u32 hash, u32 by)
{
	return hash << by ^ hash >> (32 - by);
}

static u32 entry_hash(const struct xattr_item *item, const u8 *value)
{
	u32 hash = 0, i, word;

	for (i = 0; i < item->name.len; i++)
		hash = turn(hash, 5) ^ (u8)item->name.s[i];
	for (i = 0; i < padded(item->size); i += 4) {
		memcpy(&word, value + i, 4);
		hash = turn(hash, 16) ^ word;
	}
	return hash;
}

static int put(struct builder *b, const struct xattr_item *item, const u32 *known_hash)
{
	struct ext4_xattr_entry *e = (struct ext4_xattr_entry *)(b->out + b->entry);
	u32 len = xattr_entry_len(item->name.len), size = padded(item->size);

	if (b->entry + len + 4 + size > b->value)
		return -MP_ENOSPC;
	b->value -= size;
	if (item->size)
		memcpy(b->out + b->value, item->value, item->size);
	memset(b->out + b->value + item->size, 0, size - item->size);
	memset(e, 0, len);
	e->e_name_len = (u8)item->name.len;
	e->e_name_index = (u8)item->index;
	e->e_value_offs = (u16)(item->size ? b->value : 0);
	e->e_value_size = item->size;
	memcpy(e->e_name, item->name.s, item->name.len);
	if (known_hash)
		e->e_hash = *known_hash;
	else if (b->hashed)
		e->e_hash = entry_hash(item, b->out + b->value);
	b->entry += len;
	b->count++;
	return 0;
}

int xattr_region_build(const struct xattr_region *r, const struct ext4_xattr_entry *without,
		       const struct xattr_item *add, u8 *out)
{
	struct builder b = {.out = out, .entry = r->first, .value = r->size, .hashed = r->block};
	const struct ext4_xattr_entry *e;
	struct xattr_item item;
	u32 offset, hash;
	int err = 0;

	for (offset = r->first; offset < r->end && !err; offset += xattr_entry_len(e->e_name_len)) {
		e = xattr_at(r, offset);
		if (e == without)
			continue;
		/* entries of a block are in order */
		if (add && r->block && compare(add->index, add->name, e) < 0) {
			err = put(&b, add, NULL);
			add = NULL;
			if (err)
				break;
		}
		item.index = e->e_name_index;
		item.name.s = (const char *)e->e_name;
		item.name.len = e->e_name_len;
		item.value = r->base + (e->e_value_size ? e->e_value_offs : 0);
		item.size = e->e_value_size;
		hash = e->e_hash;
		err = put(&b, &item, &hash);
	}
	if (!err && add)
		err = put(&b, add, NULL);
	if (err)
		return err;
	memset(out, 0, r->first);
	memset(out + b.entry, 0, b.value - b.entry);
	return (int)b.count;
}

u32 xattr_block_hash(const u8 *block)
{
	const struct ext4_xattr_entry *e;
	u32 offset = sizeof(struct ext4_xattr_header), hash = 0, word;

	for (;; offset += xattr_entry_len(e->e_name_len)) {
		memcpy(&word, block + offset, 4);
		if (!word)
			return hash;
		e = (const struct ext4_xattr_entry *)(block + offset);
		if (!e->e_hash)
			return 0;
		hash = turn(hash, 16) ^ e->e_hash;
	}
}
