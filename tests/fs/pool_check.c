/* SPDX-License-Identifier: BSD-2-Clause */
/* The pool at rest, looked at from outside (pool_check.h). */
#include "tests/fs/pool_check.h"

#include <stdlib.h>

#include "fs/inode.h"
#include "journal/journal.h"
#include "pool/cache.h"
#include "tests/unit/harness.h"

#define BAD(...) test_fail(__FILE__, __LINE__, __VA_ARGS__)
#define DENTRY_SET 512u /* bytes; its lock is the first word */

enum where { NOWHERE, IN_CHAIN, IN_FREE_LIST };

struct view {
	struct exec *x;
	const struct pool_header *hdr;
	struct fs *fs;
	u8 *where;    /* per frame */
	u8 *listed;   /* per frame: in the page list of its inode */
	u32 *keepers; /* per frame: structures that keep it */
	u8 *slot;     /* per inode slot */
};

static struct inode *slot_nth(const struct view *v, u32 n)
{
	return (struct inode *)exec_ptr(v->x, v->fs->inodes) + n;
}

static u32 slot_index(const struct view *v, ref_t ref)
{
	u32 n = (ref - v->fs->inodes) / (u32)sizeof(struct inode);

	if (ref < v->fs->inodes || n >= v->fs->ninodes ||
	    (ref - v->fs->inodes) % sizeof(struct inode))
		BAD("%08x is no inode slot", ref);
	return n;
}

/* ---- locks and executors */
static void check_lock(const char *name, u32 n, u32 word)
{
	if (word)
		BAD("%s %u is locked: %08x", name, n, word);
}

static void check_locks(const struct view *v)
{
	const u32 *hash_locks = exec_ptr(v->x, v->hdr->hash_locks);
	const u8 *sets = exec_ptr(v->x, v->fs->dentry_sets);

	check_lock("the free list", 0, v->hdr->free_lock);
	check_lock("writeback", 0, v->hdr->writeback_lock);
	check_lock("rename", 0, v->fs->rename_lock);
	check_lock("orphan list", 0, v->fs->orphan_lock);
	check_lock("xattr", 0, v->fs->xattr_lock);
	check_lock("super", 0, v->fs->super_lock);
	check_lock("icache", 0, v->fs->icache_lock);
	for (u32 i = 0; i < v->hdr->nhash / 16; i++)
		check_lock("hash", i, hash_locks[i]);
	for (u32 i = 0; i < v->fs->ngroups; i++)
		check_lock("group", i, fs_group(v->x, i)->lock);
	for (u32 i = 0; i < v->fs->ndentry_sets; i++)
		check_lock("dentry set", i, *(const u32 *)(const void *)(sets + i * DENTRY_SET));
	for (u32 i = 0; i < v->fs->ninodes; i++) {
		check_lock("inode slot", i, slot_nth(v, i)->lock);
		check_lock("page list of slot", i, slot_nth(v, i)->pages_lock);
	}
}

static void check_executors(const struct view *v)
{
	const struct exec_slot *slot = exec_ptr(v->x, v->hdr->slots);

	for (u32 id = 1; id <= POOL_EXECUTORS; id++, slot++) {
		u32 state = slot->state & EXEC_STATE;

		if (state != EXEC_FREE && state != EXEC_USED)
			BAD("executor %u is in state %u", id, state);
		if (slot->phase || slot->head || slot->intent || slot->nheld || slot->ninflight ||
		    slot->nedited || slot->sealing || slot->touching || slot->tid ||
		    slot->detaching || slot->keeping || slot->inode || slot->waits)
			BAD("executor %u is not idle: phase %u head %u intent %x held %u inflight "
			    "%u edited %u sealing %u touching %u tid %u detaching %u keeping %u "
			    "inode %x waits %x",
			    id, slot->phase, slot->head, slot->intent, slot->nheld, slot->ninflight,
			    slot->nedited, slot->sealing, slot->touching, slot->tid,
			    slot->detaching, slot->keeping, slot->inode, slot->waits);
	}
}

/* ---- inode slots */
static void check_slot_lists(const struct view *v)
{
	const u32 *heads = exec_ptr(v->x, v->fs->inode_hash);

	for (ref_t ref = v->fs->inode_free; ref;) {
		const struct inode *inode = exec_ptr(v->x, ref);
		u32 n = slot_index(v, ref);

		if (v->slot[n]++)
			BAD("inode slot %u is free twice", n);
		if (inode->state != INODE_FREE || inode->pins != PIN_FROZEN)
			BAD("free inode slot %u: state %u pins %08x", n, inode->state, inode->pins);
		ref = inode->free_next;
	}
	for (u32 b = 0; b < v->fs->ninode_hash; b++) {
		for (ref_t ref = heads[b]; ref;) {
			const struct inode *inode = exec_ptr(v->x, ref);
			u32 n = slot_index(v, ref);

			if (v->slot[n]++)
				BAD("inode slot %u is in two lists", n);
			if (inode->state != INODE_READY ||
			    (inode->ino & (v->fs->ninode_hash - 1)) != b)
				BAD("inode %u (slot %u) in chain %u: state %u", inode->ino, n, b,
				    inode->state);
			for (ref_t r = inode->hash_next; r;) {
				const struct inode *other = exec_ptr(v->x, r);

				if (other->ino == inode->ino)
					BAD("two slots of inode %u", inode->ino);
				r = other->hash_next;
			}
			ref = inode->hash_next;
		}
	}
	for (u32 n = 0; n < v->fs->ninodes; n++)
		if (!v->slot[n])
			BAD("inode slot %u (inode %u, state %u, pins %08x) is lost", n,
			    slot_nth(v, n)->ino, slot_nth(v, n)->state, slot_nth(v, n)->pins);
}

static void check_pages(const struct view *v, const struct inode *inode)
{
	fno_t fno = inode->pages;

	for (u32 n = inode->npages; n; n--) {
		const struct frame *f = frame_of(v->x, fno);

		if (!fno || fno >= v->hdr->nframes || v->listed[fno]++)
			BAD("inode %u: page list goes to frame %u", inode->ino, fno);
		if (f->kind != FRAME_PAGE || f->key_hi != inode->ino ||
		    page_inode(v->x, f) != inode || frame_of(v->x, f->own_next)->own_prev != fno)
			BAD("inode %u: frame %u in its page list: kind %u of inode %u", inode->ino,
			    fno, f->kind, f->key_hi);
		fno = f->own_next;
	}
	if (fno != inode->pages)
		BAD("inode %u: its page list has not %u pages", inode->ino, inode->npages);
}

static void check_slots(const struct view *v)
{
	for (u32 n = 0; n < v->fs->ninodes; n++) {
		const struct inode *inode = slot_nth(v, n);

		if (inode->state == INODE_FREE)
			continue;
		if (inode->pins)
			BAD("inode %u is pinned: %08x", inode->ino, inode->pins);
		if (inode->flags & (INODE_DEAD | INODE_NEW))
			BAD("inode %u is gone and still there: flags %x", inode->ino, inode->flags);
		if (inode->held && !inode->seen)
			BAD("inode %u is kept for nobody", inode->ino);
		if (inode->ext_seq & 1)
			BAD("inode %u: its cached extent is being filled: %x", inode->ino,
			    inode->ext_seq);
		if (!inode->itable)
			BAD("inode %u without its table", inode->ino);
		v->keepers[inode->itable]++;
		check_pages(v, inode);
	}
}

static void check_orphans(const struct view *v)
{
	ref_t prev = 0, ref = v->fs->orphan_head;
	u32 n = 0, flagged = 0, ino = fs_super(v->x)->s_last_orphan;

	for (; ref; n++) {
		const struct inode *inode = exec_ptr(v->x, ref);

		(void)slot_index(v, ref);
		if (n > v->fs->ninodes || inode->orphan_prev != prev || inode->ino != ino ||
		    !(inode->flags & INODE_ORPHAN))
			BAD("orphan list at inode %u (medium: %u), flags %x", inode->ino, ino,
			    inode->flags);
		if (!inode->opens && !inode->held && !v->fs->read_only)
			BAD("inode %u stays on the orphan list", inode->ino);
		ino = inode_raw(v->x, inode)->i_dtime;
		prev = ref;
		ref = inode->orphan_next;
	}
	if (ino)
		BAD("orphan list goes on to inode %u on the medium", ino);
	for (u32 i = 0; i < v->fs->ninodes; i++)
		flagged += slot_nth(v, i)->state != INODE_FREE &&
			   (slot_nth(v, i)->flags & INODE_ORPHAN) != 0;
	if (flagged != n)
		BAD("%u inodes on the orphan list, %u say so", n, flagged);
}

/* ---- frames */
static void check_chains(const struct view *v)
{
	for (u32 b = 0; b < v->hdr->nhash; b++) {
		for (fno_t fno = v->x->pool->hash[b]; fno;) {
			const struct frame *f = frame_of(v->x, fno);

			if (fno >= v->hdr->nframes || v->where[fno])
				BAD("chain %u goes to frame %u", b, fno);
			v->where[fno] = IN_CHAIN;
			if ((f->kind != FRAME_BUF && f->kind != FRAME_PAGE &&
			     f->kind != FRAME_NOTE) ||
			    frame_bucket(v->x, f->key_lo, f->key_hi) != b)
				BAD("frame %u in chain %u: kind %u", fno, b, f->kind);
			fno = f->hash_next;
		}
	}
}

static void check_free_list(const struct view *v)
{
	fno_t last = 0;
	u32 n = 0;

	for (fno_t fno = v->hdr->free_head; fno; n++) {
		const struct frame *f = frame_of(v->x, fno);

		if (fno >= v->hdr->nframes || v->where[fno])
			BAD("the free list goes to frame %u", fno);
		v->where[fno] = IN_FREE_LIST;
		if (f->kind != FRAME_FREE || f->pins != FRAME_FROZEN)
			BAD("free frame %u: kind %u pins %08x", fno, f->kind, f->pins);
		last = fno;
		fno = f->free_next;
	}
	if (n != v->hdr->nfree || last != v->hdr->free_tail)
		BAD("%u frames are free, %u counted; last %u, not %u", n, v->hdr->nfree, last,
		    v->hdr->free_tail);
}

static void check_frame(const struct view *v, fno_t fno, const struct frame *f)
{
	u32 kept = v->keepers[fno] * PIN_KEPT;

	if (f->kind == FRAME_ANON && f->pins == PIN_KEPT)
		kept = PIN_KEPT; /* given to some structure */
	if (f->kind == FRAME_ANON ? !f->pins : v->where[fno] != IN_CHAIN)
		BAD("frame %u of kind %u is lost", fno, f->kind);
	if (f->pins != kept)
		BAD("frame %u (kind %u, block %llu, sum %u) is pinned: %08x, not %08x", fno,
		    f->kind, (unsigned long long)f->block, f->csum & 0xffff, f->pins, kept);
	if (f->kind == FRAME_PAGE && !v->listed[fno])
		BAD("page %u of inode %u is in no list", f->key_lo, f->key_hi);
	if (f->kind == FRAME_ANON)
		return;
	if (f->editors || f->owner ||
	    f->flags & (FRAME_READING | FRAME_WRITING | FRAME_WORKER | FRAME_WAITERS) ||
	    !(f->flags & FRAME_UPTODATE))
		BAD("frame %u: editors %08x owner %u flags %08x", fno, f->editors, f->owner,
		    f->flags);
	if (f->kind == FRAME_BUF && f->flags & FRAME_DIRTY && !f->run_tid && !f->log_tid)
		BAD("buffer of block %llu is dirty and in no transaction",
		    (unsigned long long)f->block);
}

static void check_frames(const struct view *v)
{
	const u32 *map = exec_ptr(v->x, v->hdr->dirty_map);
	u32 ndirty = 0;

	for (fno_t fno = 0; fno < v->hdr->nframes; fno++) {
		const struct frame *f = frame_of(v->x, fno);

		if (f->kind == FRAME_FIXED)
			continue;
		if (f->kind == FRAME_FREE) {
			if (v->where[fno] != IN_FREE_LIST)
				BAD("frame %u is free and not in the list", fno);
			continue;
		}
		check_frame(v, fno, f);
		if (!(f->flags & FRAME_DIRTY))
			continue;
		ndirty++;
		if (!(map[fno / 32] >> fno % 32 & 1))
			BAD("dirty frame %u is not in the map", fno);
	}
	if (ndirty != v->hdr->ndirty)
		BAD("%u frames are dirty, %u counted", ndirty, v->hdr->ndirty);
}

void pool_check(struct exec *x)
{
	struct view v = {.x = x, .hdr = x->pool->hdr, .fs = fs_of(x)};
	u32 n = v.hdr->nframes;

	v.where = calloc(n, 1);
	v.listed = calloc(n, 1);
	v.keepers = calloc(n, sizeof(u32));
	v.slot = calloc(v.fs->ninodes, 1);
	CHECK(v.where && v.listed && v.keepers && v.slot);
	v.keepers[v.fs->super_frame]++;
	check_locks(&v);
	check_executors(&v);
	check_slot_lists(&v);
	check_slots(&v);
	check_orphans(&v);
	check_chains(&v);
	check_free_list(&v);
	check_frames(&v);
	free(v.where);
	free(v.listed);
	free(v.keepers);
	free(v.slot);
}
