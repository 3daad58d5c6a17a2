/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Names in memory: which inode a name of a directory names, or that it names none.
 * Layer: beside dir.c; nothing here is ever on the medium.
 *
 * A set holds seven names and one cache line of tags; a name lives only in the set that its hash
 * chooses, so that one lock word covers everything about it, its replacement too.
 *
 * Invariants
 *  N1. What is remembered of a directory is true for whoever holds that directory's lock: entries
 *      change only together with the directory, under its lock for writing, in the same tx; or are
 *      filled by a reader under its lock for reading.
 *  N2. A changed set stays locked until its tx ends; a fill is a mini of its own.
 *  N3. seq counts every change before its first byte changes; a set that is locked is not read.
 *  N4. Inode numbers of directories are used again only when the directory was empty: then all that
 *      can be left of it here is what is not there, which is true for its successor too.
 */
#include <string.h>

#include "fs/dir.h"
#include "platform/atomic.h"

#define SET_WAYS 7u
#define NAME_BYTES (DCACHE_WORDS * 4u)

struct dentry {                 /* 64 bytes */
	u32 parent;             /* [set lock] inode number of the directory */
	u32 ino;                /* [set lock] 0: the name is not there */
	u32 len;                /* [set lock] of the name */
	u32 name[DCACHE_WORDS]; /* [set lock] filled up with zeros to a word */
};
_Static_assert(sizeof(struct dentry) == 64, "struct dentry");

struct dentry_set {        /* 512 bytes */
	u32 lock;          /* RANK_DENTRY */
	u32 seq;           /* atomic: changes */
	u32 hand;          /* [set lock] next way to be replaced */
	u32 used;          /* atomic: a bit per way that was found since the hand came by */
	u32 tag[SET_WAYS]; /* [set lock] hash of the way's name, bit 0 set; 0: empty */
	u32 reserved[5];
	struct dentry way[SET_WAYS];
};
_Static_assert(sizeof(struct dentry_set) == 512, "struct dentry_set");

int dcache_carve(struct exec *x)
{
	struct fs *fs = fs_of(x);

	return pool_carve(x->pool, fs->ndentry_sets * (u32)sizeof(struct dentry_set),
			  &fs->dentry_sets);
}

/* The name's bytes from p on as a word; fewer than four are filled up with zeros. */
static inline u32 name_word(const u8 *p, u32 len)
{
	/* names from hosts are aligned mostly */
	if (len >= 4 && !((uintptr_t)p & 3))
		return *(const u32 *)(const void *)p;
	if (len >= 4)
		return (u32)p[0] | (u32)p[1] << 8 | (u32)p[2] << 16 | (u32)p[3] << 24;
	return (u32)p[0] | (len > 1 ? (u32)p[1] << 8 : 0) | (len > 2 ? (u32)p[2] << 16 : 0);
}

void dcache_key(struct exec *x, const struct inode *dir, struct fs_name name,
		struct dcache_key *key)
{
	const struct fs *fs = fs_of(x);
	const u8 *p = (const u8 *)name.s;
	u32 left, h, word, *to = key->name;

	key->len = 0;
	if (name.len > NAME_BYTES)
		return;
	key->parent = dir->ino;
	key->len = name.len;
	key->words = (name.len + 3) / 4;
	h = (dir->ino ^ name.len << 24) * 0x9E3779B1u;
	for (left = name.len; left; left -= min_of(left, 4u), p += 4) {
		word = name_word(p, left);
		*to++ = word;
		h = (h ^ word) * 0x85EBCA6Bu;
		h ^= h >> 15;
	}
	key->tag = h | 1;
	h = (h ^ h >> 9) * 0xC2B2AE35u;
	key->set = (struct dentry_set *)exec_ptr(x, fs->dentry_sets) +
		   (h >> 8 & (fs->ndentry_sets - 1));
	key->way = SET_WAYS;
}

static bool way_is(const struct dentry *d, const struct dcache_key *key)
{
	u32 i;

	if (atomic_load_acquire(&d->parent) != key->parent ||
	    atomic_load_acquire(&d->len) != key->len)
		return false;
	for (i = 0; i < key->words; i++)
		if (atomic_load_acquire(&d->name[i]) != key->name[i])
			return false;
	return true;
}

/* The way of the name, or SET_WAYS. The set is locked, or the caller looks at seq afterwards. */
static u32 way_find(const struct dcache_key *key)
{
	const struct dentry_set *set = key->set;
	u32 i;

	/* nothing has changed since it was found (N3) */
	if (key->way < SET_WAYS && atomic_load_acquire(&set->seq) == key->seq)
		return key->way;
	for (i = 0; i < SET_WAYS; i++)
		if (atomic_load_acquire(&set->tag[i]) == key->tag && way_is(&set->way[i], key))
			break;
	return i;
}

bool dcache_find(struct exec *x, struct dcache_key *key, ino_no_t *ino)
{
	struct dentry_set *set = key->set;
	u32 seq, way, found;

	if (!key->len)
		return false;
	/* N3: no lock, no write; whoever is in the way now makes this a miss */
	seq = atomic_load_acquire(&set->seq);
	if (atomic_load_acquire(&set->lock))
		return false;
	way = way_find(key);
	if (way == SET_WAYS)
		return false;
	key->way = way;
	key->seq = seq;
	exec_jitter(x);
	found = atomic_load_acquire(&set->way[way].ino);
	if (atomic_load_acquire(&set->lock) || atomic_load_acquire(&set->seq) != seq)
		return false;
	if (!(atomic_load(&set->used) & 1u << way))
		atomic_or(&set->used, 1u << way);
	*ino = found;
	return true;
}

/* The way to be taken for a new name: an empty one, or one that was not used of late. */
static u32 way_choose(struct dentry_set *set)
{
	u32 i, way = set->hand % SET_WAYS;

	for (i = 0; i < SET_WAYS; i++)
		if (!set->tag[i])
			return i;
	for (i = 0; i < SET_WAYS && atomic_load(&set->used) & 1u << way; i++) {
		atomic_and(&set->used, ~(1u << way));
		way = (way + 1) % SET_WAYS;
	}
	set->hand = way + 1;
	return way;
}

#ifndef MPDISK_SINGLE_HART
void dcache_told(struct exec *x, const struct dcache_key *key)
{
	x->name_word = key->len ? exec_ref(x, &key->set->seq) : 0;
	x->name_changes = key->len ? atomic_load(&key->set->seq) : 0;
}
#endif

/* Saves and writes one name; the set is locked. */
static int way_put(struct exec *x, const struct dcache_key *key, ino_no_t ino)
{
	struct dentry_set *set = key->set;
	u32 way = way_find(key), i;
	struct dentry *d;
	int err;

	if (way < SET_WAYS) {
		d = &set->way[way];
		err = tx_save(x, &d->ino, 4);
		if (err)
			return err;
		atomic_add(&set->seq, 1);
		atomic_store_release(&d->ino, ino);
		return 0;
	}
	err = tx_save(x, &set->hand, 4);
	if (err)
		return err;
	way = way_choose(set);
	d = &set->way[way];
	err = tx_save(x, &set->tag[way], 4);
	if (!err)
		err = tx_save(x, d, sizeof(*d));
	if (err)
		return err;
	atomic_add(&set->seq, 1);
	/* release: who reads one of these finds the set locked, or seq moved on */
	atomic_store_release(&set->tag[way], key->tag);
	atomic_store_release(&d->parent, key->parent);
	atomic_store_release(&d->ino, ino);
	atomic_store_release(&d->len, key->len);
	for (i = 0; i < key->words; i++)
		atomic_store_release(&d->name[i], key->name[i]);
	return 0;
}

void dcache_fill(struct exec *x, struct dcache_key *key, ino_no_t ino)
{
	u32 mark;

	if (!key->len || !lock_mini_try(x, &key->set->lock, RANK_DENTRY))
		return;
	mark = tx_mini_begin(x);
	if (way_put(x, key, ino))
		tx_mini_abort(x, mark);
	else
		tx_mini_commit(x, mark);
	lock_drop(x, &key->set->lock);
}

int dcache_change(struct exec *x, const struct dcache_key *key, ino_no_t ino)
{
	int err;

	if (!key->len)
		return 0;
	err = lock_write(x, &key->set->lock, RANK_DENTRY);
	return err ? err : way_put(x, key, ino);
}

int dcache_change_two(struct exec *x, const struct dcache_key *keys, const ino_no_t *inos)
{
	/* sets are locked by ascending address */
	u32 first = keys[0].len && keys[1].len && keys[1].set < keys[0].set;
	int err = 0;

	if (keys[first].len)
		err = lock_write(x, &keys[first].set->lock, RANK_DENTRY);
	if (!err)
		err = dcache_change(x, &keys[!first], inos[!first]);
	return err ? err : dcache_change(x, &keys[first], inos[first]);
}
