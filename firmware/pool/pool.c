/* SPDX-License-Identifier: BSD-2-Clause */
/* Lays out a pool, gives out its areas, and lets executors join it. */
#include "pool/pool.h"

#include <string.h>

#include "platform/atomic.h"
#include "platform/errno.h"
#include "platform/guard.h"
#include "journal/journal.h"
#include "pool/exec.h"
#include "pool/frame.h"

/* FNV-1a over the sizes and places that every user of a pool must agree on. */
u32 pool_abi(void)
{
	const u32 layout[] = {
		5, /* version: raise it when a meaning changes and no size does */
		POOL_EXECUTORS,
		POOL_HELD,
		POOL_INFLIGHT,
		POOL_EDITED,
		POOL_UNDO_SIZE,
		POOL_BOUNCE,
		sizeof(struct pool_header),
		offsetof(struct pool_header, free_lock),
		offsetof(struct pool_header, bounce),
		sizeof(struct exec_slot),
		offsetof(struct exec_slot, held),
		offsetof(struct exec_slot, inflight),
		offsetof(struct exec_slot, undo),
		sizeof(struct frame),
		offsetof(struct frame, block),
		offsetof(struct frame, editors),
		sizeof(struct journal),
	};
	u32 hash = 2166136261u;

	for (u32 i = 0; i < array_size(layout); i++)
		for (u32 shift = 0; shift < 32; shift += 8)
			hash = (hash ^ (layout[i] >> shift & 0xff)) * 16777619u;
	return hash;
}

static void pool_map(struct pool *pool, void *base, u32 size)
{
	pool->base = base;
	pool->size = size;
	pool->hdr = base;
}

static void pool_map_areas(struct pool *pool)
{
	pool->frames = pool_ptr(pool, pool->hdr->frames);
	pool->hash = pool_ptr(pool, pool->hdr->hash);
	pool->hash_mask = pool->hdr->nhash - 1;
}

int pool_format(struct pool *pool, void *base, u32 size)
{
	struct pool_header *hdr;
	u32 nhash = 64;
	ref_t zero = 0;
	int err;

	if (size % BLOCK_SIZE || size < POOL_MIN_SIZE)
		return -MP_EINVAL;
	pool_map(pool, base, size);
	hdr = pool->hdr;
	/* at every moment it can be told from what is not a pool */
	atomic_store_release(&hdr->magic, POOL_FORMATTING);
	memset(&hdr->abi, 0, BLOCK_SIZE - offsetof(struct pool_header, abi));
	hdr->size = size;
	hdr->nframes = size >> BLOCK_SHIFT;
	hdr->carve = BLOCK_SIZE;
	while (nhash < hdr->nframes)
		nhash <<= 1;
	hdr->nhash = nhash;
	/* the two that begin a frame go first, so that nothing is lost to alignment */
	err = pool_carve(pool, (POOL_BOUNCE + 1) * BLOCK_SIZE, &hdr->bounce);
	if (!err) {
		zero = hdr->bounce + POOL_BOUNCE * BLOCK_SIZE;
		err = pool_carve(pool, hdr->nframes * sizeof(struct frame), &hdr->frames);
	}
	if (!err)
		err = pool_carve(pool, nhash * 4, &hdr->hash);
	if (!err)
		err = pool_carve(pool, nhash / 16 * 4, &hdr->hash_locks);
	if (!err)
		err = pool_carve(pool, (hdr->nframes + 31) / 32 * 4, &hdr->dirty_map);
	if (!err)
		err = pool_carve(pool, POOL_EXECUTORS * sizeof(struct exec_slot), &hdr->slots);
	if (!err)
		err = pool_carve(pool, sizeof(struct journal), &hdr->journal);
	if (err)
		return err;
	pool_map_areas(pool);
	hdr->zero_frame = zero >> BLOCK_SHIFT;
	hdr->clock_hand = 1;
	journal_format(pool);
	hdr->abi = pool_abi();
	atomic_store_release(&hdr->magic, POOL_MAGIC);
	return 0;
}

int pool_attach(struct pool *pool, void *base, u32 size)
{
	const struct pool_header *hdr = base;

	if (size < POOL_MIN_SIZE || atomic_load_acquire(&hdr->magic) != POOL_MAGIC ||
	    hdr->abi != pool_abi() || hdr->size != size)
		return -MP_EINVAL;
	pool_map(pool, base, size);
	pool_map_areas(pool);
	return 0;
}

int pool_carve(struct pool *pool, u32 bytes, ref_t *out)
{
	struct pool_header *hdr = pool->hdr;
	u32 need = ((bytes + 63) & ~63u) + GUARD_GAP;

	if (hdr->sealed)
		return -MP_EINVAL;
	if (need < bytes || need > hdr->size - hdr->carve)
		return -MP_ENOMEM;
	*out = hdr->carve;
	hdr->carve += need;
	memset(pool_ptr(pool, *out), 0, need);
	plat_guard_close((u8 *)pool_ptr(pool, *out) + bytes, need - bytes);
	return 0;
}

void pool_seal(struct pool *pool)
{
	struct pool_header *hdr = pool->hdr;
	fno_t first = (hdr->carve + BLOCK_SIZE - 1) >> BLOCK_SHIFT;

	if (hdr->sealed)
		return;
	for (fno_t i = 0; i < hdr->nframes; i++) {
		struct frame *f = &pool->frames[i]; /* zeroed when it was carved */
		bool fixed = i < first || (i - first) % GUARD_STRIDE;

		f->pins = fixed ? 1 : FRAME_FROZEN;
		f->kind = fixed ? FRAME_FIXED : FRAME_FREE;
		f->flags = fixed ? FRAME_UPTODATE : 0;
		if (fixed)
			continue;
		f->free_next = i + GUARD_STRIDE < hdr->nframes ? i + GUARD_STRIDE : 0;
		hdr->free_tail = i;
		hdr->nfree++;
	}
	hdr->free_head = first < hdr->nframes ? first : 0;
	plat_guard_close(pool_ptr(pool, first << BLOCK_SHIFT), (hdr->nframes - first) * BLOCK_SIZE);
	hdr->clock_hand = first;
	atomic_store_release(&hdr->sealed, 1);
}

int exec_join(struct pool *pool, struct plat *plat, u32 host, struct exec *x)
{
	struct exec_slot *slots = pool_ptr(pool, pool->hdr->slots);

	memset(x, 0, sizeof(*x));
	x->pool = pool;
	x->plat = plat;
	x->host = host;
	for (u32 id = 1; id <= POOL_EXECUTORS; id++) {
		struct exec_slot *slot = &slots[id - 1];
		u32 seen = EXEC_FREE;

		if (!atomic_cas(&slot->state, &seen, EXEC_USED | host << EXEC_HOST_SHIFT))
			continue;
		slot->host = host;
		atomic_store(&slot->waits, 0);
		x->slot = slot;
		x->id = id;
		x->bit = 1u << id;
		return 0;
	}
	return -MP_EAGAIN;
}

void exec_leave(struct exec *x)
{
	if (x->slot->phase != TX_IDLE || x->slot->nheld)
		plat_panic(x->plat, "an executor leaves in the middle of a tx", __FILE__, __LINE__);
	atomic_store_release(&x->slot->state, EXEC_FREE);
	x->slot = NULL;
}
