/* SPDX-License-Identifier: BSD-2-Clause */
/* Buffers: metadata blocks of the medium, cached by block number (frame.h). */
#include "fs/csum.h"
#include "fs/super.h"
#include "platform/errno.h"
#include "pool/cache.h"
#include "pool/tx.h"

static bool id_is_dir(u32 kind)
{
	return kind == CSUM_DIR || kind == CSUM_DX;
}

/* The same block cannot be two things: the medium is damaged if it is. What kind a directory block
 * is shows only in its content. */
static int buf_check_id(struct exec *x, struct frame *f, struct csum_id id)
{
	if (frame_csum_kind(f) == id.kind && f->csum_owner == id.owner)
		return 0;
	if (f->csum_owner == id.owner && id_is_dir(frame_csum_kind(f)) && id_is_dir(id.kind))
		return 0;
	plat_log(x->plat, PLAT_ERR,
		 "block %llu is in use as kind %u of %u and wanted as kind %u of %u",
		 (unsigned long long)f->block, frame_csum_kind(f), f->csum_owner, (u32)id.kind,
		 id.owner);
	return fs_corrupt(x, "block in use twice", 0, f->block);
}

static void buf_setup(struct frame *f, blkno_t block, struct csum_id id, u32 flags)
{
	f->block = block;
	frame_csum_set(f, id.kind, 0);
	f->csum_owner = id.owner;
	f->csum_seed = id.seed;
	f->frozen = 0;
	f->run_tid = 0;
	f->log_tid = 0;
	atomic_store(&f->editors, 0);
	atomic_store_release(&f->flags, flags);
}

/* A read has failed: who waits finds the frame not UPTODATE and reads for himself. */
static void buf_read_failed(struct exec *x, struct frame *f)
{
	frame_detach(x, f);
	f->owner = x->id;
	frame_flags_change(x, f, FRAME_READING | FRAME_WORKER, 0);
	frame_unpin(x, f);
}

/* The end of a read of a frame marked READING. Consumes the pin on failure. */
static int buf_read_end(struct exec *x, struct frame *f, int err)
{
	if (err)
		plat_log(x->plat, PLAT_ERR, "block %llu cannot be read: error %d",
			 (unsigned long long)f->block, -err);
	else
		err = csum_verify(x, f);
	if (err)
		buf_read_failed(x, f);
	else
		frame_flags_change(x, f, FRAME_READING | FRAME_WORKER, FRAME_UPTODATE);
	return err;
}

static void buf_io(struct exec *x, struct frame *f, struct plat_io *io)
{
	*io = (struct plat_io){
		.op = PLAT_READ, .count = 1, .block = f->block, .ref = frame_ref(x, f)};
	plat_io_submit(x->plat, io);
}

/* Allocates and hashes a frame for the block. *mine: it is new, READING, and the caller reads it.
 */
static int buf_obtain(struct exec *x, blkno_t block, struct csum_id id, struct frame **out,
		      bool *mine)
{
	struct frame *f, *g;
	int err;

	if (block >= plat_blocks(x->plat)) {
		plat_log(x->plat, PLAT_ERR, "block %llu lies outside of the medium",
			 (unsigned long long)block);
		return fs_corrupt(x, "block outside of the medium", 0, block);
	}
	err = frame_alloc(x, &f);
	if (err)
		return err;
	buf_setup(f, block, id, FRAME_READING | frame_worker(x));
	g = frame_insert(x, f, FRAME_BUF, (u32)block, (u32)(block >> 32));
	*mine = g == f;
	if (g != f)
		frame_unpin(x, f);
	else
		f->owner = 0;
	*out = g;
	return 0;
}

static __attribute__((noinline)) int buf_read_slow(struct exec *x, blkno_t block, struct csum_id id,
						   struct frame *f, struct frame **out)
{
	for (;;) {
		bool mine = false;
		int err;

		if (!f) {
			err = buf_obtain(x, block, id, &f, &mine);
			if (err)
				return err;
		}
		if (mine) {
			struct plat_io io;

			buf_io(x, f, &io);
			err = buf_read_end(x, f, plat_io_wait(x->plat, &io));
			if (!err)
				*out = f;
			return err;
		}
		frame_wait(x, f, FRAME_READING);
		if (atomic_load_acquire(&f->flags) & FRAME_UPTODATE) {
			err = buf_check_id(x, f, id);
			if (err)
				frame_unpin(x, f);
			else
				*out = f;
			return err;
		}
		frame_unpin(x, f);
		f = frame_lookup(x, FRAME_BUF, (u32)block, (u32)(block >> 32));
	}
}

int buf_read(struct exec *x, blkno_t block, struct csum_id id, struct frame **out)
{
	struct frame *f = frame_lookup(x, FRAME_BUF, (u32)block, (u32)(block >> 32));
	u32 flags;

	if (!f)
		return buf_read_slow(x, block, id, f, out);
	flags = atomic_load_acquire(&f->flags);
	if (!(flags & FRAME_UPTODATE) || frame_csum_kind(f) != id.kind || f->csum_owner != id.owner)
		return buf_read_slow(x, block, id, f, out);
	if (!(flags & FRAME_REF))
		atomic_or(&f->flags, FRAME_REF);
	*out = f;
	return 0;
}

/* The block's frame, pinned: *mine as of buf_obtain(), else UPTODATE, left over from a former life
 * of the block. */
static int buf_claim(struct exec *x, blkno_t block, struct csum_id id, struct frame **out,
		     bool *mine)
{
	for (;;) {
		struct frame *f = frame_lookup(x, FRAME_BUF, (u32)block, (u32)(block >> 32));
		int err = 0;

		*mine = false;
		if (!f)
			err = buf_obtain(x, block, id, &f, mine);
		*out = f;
		if (err || *mine)
			return err;
		frame_wait(x, f, FRAME_READING);
		if (atomic_load_acquire(&f->flags) & FRAME_UPTODATE)
			return 0;
		frame_unpin(x, f);
	}
}

int buf_new(struct exec *x, blkno_t block, struct csum_id id, struct frame **out)
{
	struct frame *f;
	bool mine;
	int err = buf_claim(x, block, id, &f, &mine);

	if (err)
		return err;
	err = buf_edit(x, f);
	if (err) {
		if (mine)
			buf_read_failed(x, f);
		else
			frame_unpin(x, f);
		return err;
	}
	if (atomic_load(&f->flags) & FRAME_FORGOTTEN)
		atomic_and(&f->flags, ~FRAME_FORGOTTEN);
	frame_csum_set(f, id.kind, 0);
	f->csum_owner = id.owner;
	f->csum_seed = id.seed;
	/* nothing refers to the block yet: an abort need not restore it */
	debug_save(x, frame_ref(x, f), BLOCK_SIZE);
	plat_zero(x->plat, frame_data(x, f), BLOCK_SIZE);
	if (mine)
		frame_flags_change(x, f, FRAME_READING | FRAME_WORKER, FRAME_UPTODATE);
	*out = f;
	return 0;
}

/* ---- notes */
struct frame *buf_note_find(struct exec *x, const struct frame *f)
{
	struct frame *note = frame_lookup(x, FRAME_NOTE, (u32)f->block, (u32)(f->block >> 32));

	if (note && !(atomic_load(&note->flags) & FRAME_REF))
		atomic_or(&note->flags, FRAME_REF);
	return note;
}

struct frame *buf_note_add(struct exec *x, const struct frame *f, struct frame *note)
{
	struct frame *there;

	atomic_store(&note->editors, 0);
	atomic_store(&note->flags, FRAME_UPTODATE | FRAME_REF);
	there = frame_insert(x, note, FRAME_NOTE, (u32)f->block, (u32)(f->block >> 32));
	if (there == note)
		note->owner = 0;
	else
		frame_unpin(x, note);
	return there;
}

void buf_note_drop(struct exec *x, struct frame *note)
{
	frame_detach(x, note);
	frame_unpin(x, note);
}

/* ---- editing */
bool buf_seal_begin(struct exec *x, struct frame *f)
{
	u32 seen = 0;

	atomic_store(&x->slot->sealing, frame_no(x, f));
	exec_step(x);
	if (atomic_cas(&f->editors, &seen, FRAME_SEALING | x->bit))
		return true;
	atomic_store_release(&x->slot->sealing, 0);
	return false;
}

void buf_seal_end(struct exec *x, struct frame *f)
{
	u32 old = atomic_and(&f->editors, ~(FRAME_SEALING | FRAME_EDIT_WAITERS | x->bit));

	if (old & FRAME_EDIT_WAITERS)
		plat_wake(x->plat, &f->editors);
	exec_step(x);
	atomic_store_release(&x->slot->sealing, 0);
}

__attribute__((noinline)) void buf_seal_wait(struct exec *x, struct frame *f)
{
	u32 seen = atomic_load(&f->editors);

	while (seen & FRAME_SEALING) {
		if (!(seen & FRAME_EDIT_WAITERS)) {
			if (!atomic_cas(&f->editors, &seen, seen | FRAME_EDIT_WAITERS))
				continue;
			seen |= FRAME_EDIT_WAITERS;
		}
		exec_wait(x, &f->editors, seen, 1000);
		seen = atomic_load(&f->editors);
	}
}

/* Sets the executor's bit, which slot->edited[] names already. */
static inline void edit_take(struct exec *x, struct frame *f)
{
	u32 seen = atomic_load(&f->editors);

	do {
		if (seen & FRAME_SEALING) {
			buf_seal_wait(x, f);
			seen = atomic_load(&f->editors);
		}
	} while ((seen & FRAME_SEALING) || !atomic_cas(&f->editors, &seen, seen | x->bit));
	exec_step(x);
	frame_mark_dirty(x, f);
}

static inline void edit_release(struct exec *x, struct frame *f)
{
	u32 seen = atomic_load(&f->editors), next;

	if (!POOL_SHARED && seen == x->bit) {
		atomic_store(&f->editors, 0);
		plat_guard_frame(f);
		return;
	}
	do {
		next = seen & ~(x->bit);
		if (next == FRAME_EDIT_WAITERS)
			next = 0;
	} while (!atomic_cas(&f->editors, &seen, next));
	if (next == 0 && (seen & FRAME_EDIT_WAITERS))
		plat_wake(x->plat, &f->editors);
	plat_guard_frame(f);
	exec_step(x);
}

int buf_edit(struct exec *x, struct frame *f)
{
	struct exec_slot *slot = x->slot;
	u32 n = slot->nedited;

	if (atomic_load(&f->editors) & x->bit)
		return 0;
	if (n == POOL_EDITED)
		return -MP_ENOSPC;
	if (atomic_load_acquire(&f->run_tid) != slot->tid || !slot->tid) {
		int err = journal_add(x, f);

		if (err)
			return err;
	}
	slot->edited[n] = frame_no(x, f);
	atomic_store_release(&slot->nedited, n + 1);
	exec_step(x);
	edit_take(x, f);
	debug_edit(x, f);
	return 0;
}

void buf_touch_begin(struct exec *x, struct frame *f)
{
	atomic_store_release(&x->slot->touching, frame_no(x, f));
	exec_step(x);
	journal_touch(x, f);
	if (!(atomic_load(&f->editors) & x->bit))
		edit_take(x, f);
	else
		atomic_store_release(&x->slot->touching, 0); /* the open tx holds it anyway */
	debug_touch(x, f);
}

void buf_touch_end(struct exec *x, struct frame *f)
{
	if (!x->slot->touching)
		return;
	debug_touch(x, f);
	edit_release(x, f);
	atomic_store_release(&x->slot->touching, 0);
}

void buf_edits_end(struct exec *x)
{
	struct exec_slot *slot = x->slot;

	debug_end(x);
	for (u32 i = 0; i < slot->nedited; i++)
		edit_release(x, frame_of(x, slot->edited[i]));
	atomic_store_release(&slot->nedited, 0);
}

/* ---- forgetting */
static void buf_forget_frame(struct exec *x, struct frame *f)
{
	debug_touch(x, f);
	/* what a crash may bring back stays until the transaction that frees it is committed */
	if (journal_forget(x, f)) {
		frame_unpin(x, f);
		return;
	}
	while (!frame_claim_dirty(x, f, 0)) {
		u32 flags = atomic_load(&f->flags);

		if (!(flags & (FRAME_WRITING | FRAME_READING | FRAME_DIRTY)))
			break;
		frame_wait(x, f, FRAME_WRITING | FRAME_READING);
	}
	frame_detach(x, f);
	frame_unpin(x, f);
}

/* By its key: without a pin the rest of a frame may be another's. */
static bool buf_in(const struct frame *f, blkno_t block, u32 count)
{
	blkno_t b = atomic_load(&f->key_lo) | (u64)atomic_load(&f->key_hi) << 32;

	return atomic_load(&f->kind) == FRAME_BUF && b - block < count;
}

void buf_forget(struct exec *x, blkno_t block, u32 count)
{
	u32 nframes = x->pool->hdr->nframes;

	if (count <= nframes) {
		for (u32 i = 0; i < count; i++) {
			blkno_t b = block + i;
			struct frame *f = frame_lookup(x, FRAME_BUF, (u32)b, (u32)(b >> 32));

			if (f)
				buf_forget_frame(x, f);
		}
		return;
	}
	for (fno_t i = 1; i < nframes; i++) {
		struct frame *f = frame_of(x, i);

		if (!buf_in(f, block, count) || !frame_try_pin(x, f))
			continue;
		if (buf_in(f, block, count))
			buf_forget_frame(x, f);
		else
			frame_unpin(x, f);
	}
}
