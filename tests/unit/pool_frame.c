/* SPDX-License-Identifier: BSD-2-Clause */
/* Frames, buffers and pages: allocation under pressure, eviction, write-back, errors, threads. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/pool_env.h"

static const struct csum_id plain = {CSUM_NONE, 7, 0};
static const struct csum_id summed = {CSUM_XATTR, 7, 0};
#define BLOCKS 4096u

static struct frame *buf(struct exec *x, blkno_t block)
{
	struct frame *f;

	CHECK_OK(buf_read(x, block, plain, &f));
	CHECK_EQ(f->block, block);
	return f;
}

static u32 first_word(struct exec *x, const struct frame *f)
{
	return *(u32 *)frame_data(x, f);
}

static void set_word(struct exec *x, blkno_t block, u32 value, struct csum_id id)
{
	struct frame *f;
	void *p;

	tx_begin_change(x);
	CHECK_OK(buf_read(x, block, id, &f));
	CHECK_OK(buf_save(x, f, 0, 4, &p));
	memcpy(p, &value, 4);
	buf_put(x, f);
	tx_commit(x);
}

static u32 medium_word(blkno_t block)
{
	u32 b[BLOCK_SIZE / 4];

	env_block(block, b);
	return b[0];
}

TEST(buffer_is_read_once)
{
	struct plat_posix_counts before, after;
	struct exec *x = &env.x;

	env_make(8, BLOCKS);
	buf_put(x, buf(x, 5));
	plat_posix_counts(env.plat, &before);
	for (u32 i = 0; i < 10; i++) {
		struct frame *f = buf(x, 5);

		CHECK_EQ(first_word(x, f), 5);
		buf_put(x, f);
	}
	plat_posix_counts(env.plat, &after);
	CHECK_EQ(after.reads, before.reads);
	env_check(0);
}

TEST(more_blocks_than_frames_are_read_right)
{
	struct exec *x = &env.x;

	env_make(8, BLOCKS);
	CHECK(BLOCKS > env.pool.hdr->nframes);
	for (u32 i = 0; i < 3 * BLOCKS; i++) {
		blkno_t block = (u64)i * 2654435761u % BLOCKS;
		struct frame *f = buf(x, block);

		CHECK_EQ(first_word(x, f), block);
		buf_put(x, f);
	}
	env_check(0);
}

TEST(used_buffers_stay_when_others_stream_by)
{
	struct plat_posix_counts before, after;
	struct exec *x = &env.x;

	env_make(8, BLOCKS);
	for (u32 i = 100; i < BLOCKS; i++) {
		buf_put(x, buf(x, i));
		for (u32 k = 0; k < 10; k++)
			buf_put(x, buf(x, k));
	}
	plat_posix_counts(env.plat, &before);
	for (u32 k = 0; k < 10; k++)
		buf_put(x, buf(x, k));
	plat_posix_counts(env.plat, &after);
	CHECK_EQ(after.reads, before.reads);
}

TEST(all_frames_pinned_is_enomem_and_then_recovers)
{
	struct exec *x = &env.x;
	struct frame **held, *f;
	u32 n = 0, nfree;

	env_make(8, 16);
	nfree = env.pool.hdr->nfree;
	held = calloc(env.pool.hdr->nframes, sizeof(struct frame *));
	plat_posix_log_level(env.plat, PLAT_ERR - 1);
	while (frame_alloc(x, &f) == 0)
		held[n++] = f;
	CHECK_EQ(n, nfree);
	CHECK_EQ(buf_read(x, 3, plain, &f), -MP_ENOMEM);
	env_check(n);
	while (n)
		frame_unpin(x, held[--n]);
	CHECK_EQ(env.pool.hdr->nfree, nfree);
	buf_put(x, buf(x, 3));
	env_check(0);
	free(held);
}

TEST(dirty_buffers_are_written_when_frames_are_short)
{
	struct exec *x = &env.x;

	env_make(8, BLOCKS);
	for (u32 i = 0; i < BLOCKS; i++)
		set_word(x, i, i + 1000000, plain);
	for (u32 i = 0; i < BLOCKS; i++) {
		struct frame *f = buf(x, i);

		CHECK_EQ(first_word(x, f), i + 1000000);
		buf_put(x, f);
	}
	CHECK_OK(cache_sync(x));
	CHECK_EQ(env.pool.hdr->ndirty, 0);
	for (u32 i = 0; i < BLOCKS; i += 7)
		CHECK_EQ(medium_word(i), i + 1000000);
	env_check(0);
}

TEST(sync_writes_contiguous_blocks_together)
{
	struct plat_posix_counts before, after;
	struct exec *x = &env.x;

	env_make(8, BLOCKS);
	for (u32 i = 0; i < 64; i++)
		set_word(x, 100 + (i * 37) % 64, i, plain);
	plat_posix_counts(env.plat, &before);
	CHECK_OK(cache_sync(x));
	plat_posix_counts(env.plat, &after);
	CHECK_EQ(after.blocks_written - before.blocks_written, 64);
	CHECK(after.writes - before.writes <= 4);
	CHECK_EQ(after.flushes - before.flushes, 1);
	CHECK_OK(cache_sync(x));
	plat_posix_counts(env.plat, &before);
	CHECK_EQ(after.writes, before.writes);
}

TEST(checksum_is_made_when_written_and_checked_when_read)
{
	u32 b[BLOCK_SIZE / 4];
	struct exec *x = &env.x;
	struct frame *f;

	env_make(8, 64);
	set_word(x, 9, 123, summed);
	CHECK_OK(cache_sync(x));
	env_block(9, b);
	CHECK_EQ(b[0], 123);
	CHECK_EQ(b[BLOCK_SIZE / 4 - 1], env_sum(b));
	set_word(x, 10, 5, plain); /* nobody makes the sum of this one */
	CHECK_OK(cache_sync(x));
	cache_drop_all(x);
	plat_posix_log_level(env.plat, PLAT_ERR - 1);
	CHECK_OK(buf_read(x, 9, summed, &f));
	buf_put(x, f);
	CHECK_EQ(buf_read(x, 10, summed, &f), -MP_EUCLEAN);
	CHECK_EQ(buf_read(x, 64, summed, &f), -MP_EUCLEAN); /* outside */
	CHECK_EQ(buf_read(x, ~0ull, summed, &f), -MP_EUCLEAN);
	CHECK_OK(buf_read(x, 11, plain, &f));
	buf_put(x, f);
	CHECK_EQ(buf_read(x, 11, summed, &f), -MP_EUCLEAN); /* two things at once */
	env_check(0);
}

TEST(read_error_is_reported_and_the_next_read_tries_again)
{
	struct exec *x = &env.x;
	struct frame *f;

	env_make(8, 64);
	plat_posix_log_level(env.plat, PLAT_ERR - 1);
	plat_posix_fail(env.plat, PLAT_READ, 1, 1);
	CHECK_EQ(buf_read(x, 3, plain, &f), -MP_EIO);
	env_check(0);
	buf_put(x, buf(x, 3));
	env_check(0);
}

TEST(write_error_is_reported_and_the_data_stays)
{
	struct exec *x = &env.x;

	env_make(8, 64);
	plat_posix_log_level(env.plat, PLAT_ERR - 1);
	set_word(x, 3, 33, plain);
	plat_posix_fail(env.plat, PLAT_WRITE, 1, 1);
	CHECK_EQ(cache_sync(x), -MP_EIO);
	CHECK_EQ(env.pool.hdr->ndirty, 1);
	CHECK_EQ(medium_word(3), 3);
	CHECK_OK(cache_sync(x));
	CHECK_EQ(medium_word(3), 33);
	CHECK_OK(cache_sync(x));
	set_word(x, 3, 34, plain);
	plat_posix_fail(env.plat, PLAT_FLUSH, 1, 1);
	CHECK_EQ(cache_sync(x), -MP_EIO);
	CHECK_OK(cache_sync(x));
	CHECK_EQ(medium_word(3), 34);
	env_check(0);
}

TEST(broken_medium_is_eio_soon_and_mends)
{
	struct exec *x = &env.x;
	struct frame *f;
	u32 n = 0;
	int err = 0;

	env_make(8, BLOCKS);
	plat_posix_log_level(env.plat, PLAT_ERR - 1);
	plat_posix_fail(env.plat, PLAT_WRITE, 1, ~0ull);
	while (!err && n < BLOCKS) {
		tx_begin_change(x);
		err = buf_read(x, n, plain, &f);
		if (!err) {
			void *p;

			err = buf_save(x, f, 0, 4, &p);
			if (!err)
				*(u32 *)p = n++ + 70000;
			buf_put(x, f);
		}
		(void)!tx_end(x, err);
	}
	CHECK_EQ(err, -MP_ERETRY); /* no transaction takes more, */
	CHECK(!journal_again(x, &err));
	CHECK_EQ(err, -MP_EIO); /* and this is why */
	CHECK_EQ(env.pool.hdr->ndirty, n);
	plat_posix_fail(env.plat, PLAT_WRITE, 0, 0);
	CHECK_OK(cache_sync(x));
	for (u32 i = 0; i < n; i += 13)
		CHECK_EQ(medium_word(i), i + 70000);
	env_check(0);
}

TEST(new_buffer_is_zero_and_forgotten_ones_are_not_written)
{
	struct exec *x = &env.x;
	struct frame *f;

	env_make(8, 64);
	buf_put(x, buf(x, 20)); /* a former life */
	for (u32 block = 20; block < 22; block++) {
		tx_begin_change(x);
		CHECK_OK(buf_new(x, block, summed, &f));
		CHECK_EQ(first_word(x, f), 0);
		buf_put(x, f);
		tx_commit(x);
	}
	buf_forget(x, 21, 1);
	CHECK_OK(cache_sync(x));
	CHECK_EQ(medium_word(20), 0);
	CHECK_EQ(medium_word(21), 21);
	set_word(x, 30, 1, plain);
	buf_forget(x, 25, 1u << 30);
	CHECK_EQ(env.pool.hdr->ndirty, 0);
	env_check(0);
}

/* ---- pages */
static struct frame *page(struct exec *x, struct inode *inode, u32 index, u32 value, blkno_t block)
{
	struct frame *f;

	CHECK_OK(frame_alloc(x, &f));
	memset(frame_data(x, f), 0, BLOCK_SIZE);
	*(u32 *)frame_data(x, f) = value;
	page_add(x, inode, index, &f, block, true);
	return f;
}

/* As recovery leaves it that counts while others go on. */
TEST(a_count_of_dirty_frames_that_is_too_low_keeps_nothing_from_being_written)
{
	struct exec *x = &env.x;
	struct inode *inode;
	struct frame *f;

	env_make(8, BLOCKS);
	inode = &env.s->inode[0];
	f = page(x, inode, 0, 77, 300);
	page_dirty(x, inode, f, 300);
	frame_unpin(x, f);
	env.pool.hdr->ndirty -= 1;
	for (u32 round = 0; round < 2; round++) { /* it becomes old, and is written */
		env.pool.hdr->age_ms -= 6000;
		CHECK_EQ(cache_writeback(x, 10), round);
	}
	CHECK_EQ(medium_word(300), 77);
	CHECK_EQ(env.pool.hdr->ndirty, 0u - 1);
	/* below 0 it does not mean that all is dirty */
	f = page(x, inode, 1, 78, 301);
	page_dirty(x, inode, f, 301);
	page_dirty(x, inode, f, 301);
	frame_unpin(x, f);
	env.pool.hdr->ndirty -= 1;
	env.pool.hdr->age_ms -= 6000;
	CHECK_EQ(cache_writeback(x, 10), 0);
	env.pool.hdr->ndirty += 2; /* for who looks at it in the end */
	page_drop(x, inode, 0, ~0u);
}

TEST(pages_are_found_flushed_and_dropped)
{
	struct plat_posix_counts before, after;
	struct exec *x = &env.x;
	struct inode *inode;
	struct frame *f, *g;

	env_make(8, BLOCKS);
	inode = &env.s->inode[0];
	CHECK(!page_find(x, inode, 3));
	for (u32 i = 0; i < 40; i++) {
		f = page(x, inode, i, 5000 + i, 200 + i);
		page_dirty(x, inode, f, 200 + i);
		frame_unpin(x, f);
	}
	CHECK_EQ(inode->npages, 40);
	CHECK_EQ(env.pool.hdr->ndirty, 40);
	g = page(x, inode, 7, 1, 0); /* it is there already */
	CHECK_EQ(first_word(x, g), 5007);
	frame_unpin(x, g);
	plat_posix_counts(env.plat, &before);
	CHECK_OK(page_flush(x, inode, 10, 19));
	plat_posix_counts(env.plat, &after);
	CHECK_EQ(after.blocks_written - before.blocks_written, 10);
	CHECK_EQ(after.writes - before.writes, 1); /* frames came in order */
	CHECK_EQ(env.pool.hdr->ndirty, 30);
	CHECK_EQ(medium_word(210), 5010);
	CHECK_EQ(medium_word(220), 220);
	f = page_find(x, inode, 25);
	CHECK(f);
	page_drop(x, inode, 20, 29); /* a pinned one lives on, in nobody's cache */
	CHECK(!page_find(x, inode, 25));
	CHECK_EQ(first_word(x, f), 5025);
	frame_unpin(x, f);
	CHECK_EQ(inode->npages, 30);
	CHECK_EQ(env.pool.hdr->ndirty, 20);
	CHECK_OK(cache_sync(x));
	CHECK_EQ(medium_word(225), 225);
	CHECK_EQ(medium_word(239), 5039);
	page_drop(x, inode, 0, ~0u);
	CHECK_EQ(inode->npages, 0);
	env_check(0);
}

TEST(failed_page_read_leaves_no_page)
{
	struct exec *x = &env.x;
	struct inode *inode;
	struct frame *f;

	env_make(8, 64);
	inode = &env.s->inode[1];
	CHECK_OK(frame_alloc(x, &f));
	page_add(x, inode, 0, &f, 5, false);
	page_uptodate(x, f, -MP_EIO);
	frame_unpin(x, f);
	CHECK(!page_find(x, inode, 0));
	CHECK_EQ(inode->npages, 0);
	env_check(0);
}

TEST(page_write_error_is_told_to_the_next_flush_once)
{
	struct exec *x = &env.x;
	struct inode *inode;
	struct frame *f;

	env_make(8, 64);
	plat_posix_log_level(env.plat, PLAT_ERR - 1);
	inode = &env.s->inode[1];
	f = page(x, inode, 0, 77, 5);
	page_dirty(x, inode, f, 5);
	frame_unpin(x, f);
	plat_posix_fail(env.plat, PLAT_WRITE, 1, 1);
	CHECK_EQ(cache_sync(x), -MP_EIO); /* in the background of this inode */
	CHECK_EQ(page_flush(x, inode, 0, ~0u), -MP_EIO);
	CHECK_EQ(medium_word(5), 77); /* tried again at once */
	CHECK_OK(page_flush(x, inode, 0, ~0u));
	env_check(0);
}

static struct {
	struct exec other;
	struct frame *claimed, *busy; /* by the one that flushes, and by the other */
	u32 waits;
} w1;

/* Who flushes is about to wait: for the medium, or for the other one, who is through then. */
static void wait_for_the_other(void)
{
	if (!w1.busy || atomic_load(&w1.claimed->flags) & FRAME_WRITING)
		return;
	w1.waits++;
	frame_flags_change(&w1.other, w1.busy, FRAME_WRITING | FRAME_WORKER, 0);
	frame_unpin(&w1.other, w1.busy);
	w1.busy = NULL;
}

/* Debug builds panic when somebody waits with claimed frames: writer.c, W1. */
TEST(claimed_pages_are_written_before_a_page_that_another_one_writes_is_waited_for)
{
	struct exec *x = &env.x;
	struct inode *inode;

	env_make(8, 64);
	env_join(&w1.other);
	inode = &env.s->inode[0];
	w1.claimed = page(x, inode, 0, 77, 5);
	page_dirty(x, inode, w1.claimed, 5);
	w1.busy = page(x, inode, 1, 78, 6);
	page_dirty(x, inode, w1.busy, 6);
	CHECK(frame_try_pin(&w1.other, w1.busy));
	CHECK(frame_claim_dirty(&w1.other, w1.busy, FRAME_WRITING | frame_worker(&w1.other)));
	frame_unpin(x, w1.claimed);
	frame_unpin(x, w1.busy);
	plat_posix_on_wait(env.plat, wait_for_the_other);
	CHECK_OK(page_flush(x, inode, 0, ~0u));
	plat_posix_on_wait(env.plat, NULL);
	CHECK_EQ(w1.waits, 1);
	CHECK_EQ(medium_word(5), 77);
	page_drop(x, inode, 0, ~0u);
	exec_leave(&w1.other);
	env_check(0);
}

TEST(dirty_pages_of_many_inodes_survive_pressure)
{
	struct exec *x = &env.x;

	env_make(8, BLOCKS);
	for (u32 i = 0; i < BLOCKS; i++) {
		struct inode *inode = &env.s->inode[i % 4];
		struct frame *f = page(x, inode, i / 4, i + 9000000, i);

		page_dirty(x, inode, f, i);
		frame_unpin(x, f);
	}
	CHECK_OK(cache_sync(x));
	for (u32 i = 0; i < BLOCKS; i++)
		CHECK_EQ(medium_word(i), i + 9000000);
	for (u32 i = 0; i < 4; i++)
		page_drop(x, &env.s->inode[i], 0, ~0u);
	env_check(0);
}

static void dirty_page(struct exec *x, u32 block, u32 value)
{
	struct inode *inode = &env.s->inode[block % 4];
	struct frame *f = page(x, inode, block / 4, value, block);

	*(u32 *)frame_data(x, f) = value;
	page_dirty(x, inode, f, block);
	frame_unpin(x, f);
}

TEST(flusher_writes_old_frames_and_all_when_many_are_dirty)
{
	struct exec *x = &env.x;
	u32 n;

	env_make(8, BLOCKS);
	dirty_page(x, 1, 11);
	env.pool.hdr->age_ms = (u32)plat_ms(env.plat) - 6000;
	CHECK_EQ(cache_writeback(x, 100), 0); /* just marked old */
	CHECK_EQ(cache_writeback(x, 100), 1);
	CHECK_EQ(medium_word(1), 11);
	set_word(x, 2, 22, plain);
	CHECK_EQ(cache_writeback(x, 100), 0);
	journal_of(x)->opened_ms -= 6000;
	CHECK_EQ(cache_writeback(x, 100), 1); /* committed */
	CHECK_EQ(medium_word(2), 22);
	n = env.pool.hdr->nframes / 4 + 10;
	for (u32 i = 0; i < n; i++)
		dirty_page(x, i, i + 50);
	CHECK(cache_writeback(x, 32) >= 32);
	while (cache_writeback(x, 32) > 0)
		;
	CHECK(env.pool.hdr->ndirty <= env.pool.hdr->nframes / 4);
	for (u32 i = 0; i < 4; i++)
		page_drop(x, &env.s->inode[i], 0, ~0u);
	env_check(0);
}

/* A buffer that an open tx edits is not written, and sync waits for the tx. */
static void *syncer(void *arg)
{
	struct exec x;

	env_join(&x);
	*(int *)arg = cache_sync(&x);
	exec_leave(&x);
	return NULL;
}

TEST(open_tx_keeps_its_buffers_from_the_medium)
{
	struct exec *x = &env.x;
	struct frame *f;
	int synced = 1;
	pthread_t t;
	void *p;

	env_make(8, 64);
	tx_begin_change(x);
	f = buf(x, 6);
	CHECK_OK(buf_save(x, f, 0, 4, &p));
	*(u32 *)p = 666;
	CHECK_EQ(cache_writeback(x, 100), 0);
	CHECK_EQ(pthread_create(&t, NULL, syncer, &synced), 0);
	plat_wait(env.plat, &env.s->cell[0], 0, 100);
	CHECK_EQ(medium_word(6), 6);
	buf_put(x, f);
	tx_abort(x);
	CHECK_EQ(pthread_join(t, NULL), 0);
	CHECK_EQ(synced, 0);
	CHECK_EQ(medium_word(6), 6);
	env_check(0);
}

/* Threads read, edit, flush and evict at once; each block's counter must come out right. */
#define HOT 64u
static void *mixer(void *arg)
{
	u32 seed = test_seed() + (u32)(uintptr_t)arg;
	struct env_shared *s = env.s;
	struct exec x;

	env_join(&x);
	for (u32 i = 0; i < 2500; i++) {
		u32 block, what;
		struct frame *f;
		void *p;

		seed = seed * 1664525 + 1013904223;
		what = seed >> 24;
		block = (seed >> 8) % HOT;
		if (what < 100) {
			tx_begin_change(&x);
			CHECK_OK(lock_write(&x, &s->cell[block], RANK_INODE));
			CHECK_OK(buf_read(&x, block, summed, &f));
			CHECK_OK(buf_save(&x, f, 0, 4, &p));
			*(u32 *)p += 1;
			buf_put(&x, f);
			if (what % 4 == 0) {
				tx_abort(&x);
			} else {
				s->cell[HOT + block]++;
				tx_commit(&x);
			}
		} else if (what < 240) {
			CHECK_OK(buf_read(&x, HOT + (seed >> 8) % (BLOCKS - HOT), summed, &f));
			CHECK_EQ(first_word(&x, f), f->block);
			buf_put(&x, f);
		} else if (what < 250) {
			CHECK(cache_writeback(&x, 16) >= 0);
		} else {
			CHECK_OK(cache_sync(&x));
		}
	}
	exec_leave(&x);
	return NULL;
}

TEST_TIMED(threads_edit_flush_and_evict_at_once, 120)
{
	struct exec *x = &env.x;
	pthread_t t[6];

	env_make(8, BLOCKS);
	plat_posix_defer(env.plat, true);
	/* pressure: few frames are left to share */
	for (u32 n = env.pool.hdr->nfree - 300; n; n--) {
		struct frame *f;

		CHECK_OK(frame_alloc(x, &f));
		f->owner = 0;
	}
	for (u32 i = 0; i < array_size(t); i++)
		CHECK_EQ(pthread_create(&t[i], NULL, mixer, (void *)(uintptr_t)i), 0);
	for (u32 i = 0; i < array_size(t); i++)
		CHECK_EQ(pthread_join(t[i], NULL), 0);
	CHECK_OK(cache_sync(x));
	for (u32 i = 0; i < HOT; i++) {
		u32 b[BLOCK_SIZE / 4];

		env_block(i, b);
		CHECK_EQ(b[0], i + env.s->cell[HOT + i]);
		CHECK_EQ(b[BLOCK_SIZE / 4 - 1], env_sum(b));
	}
	for (fno_t i = 0; i < env.pool.hdr->nframes; i++) /* give the pressure back */
		if (env.pool.frames[i].kind == FRAME_ANON)
			frame_unpin(x, &env.pool.frames[i]);
	env_check(0);
}

/* ---- death */
static void frame_work(struct exec *x, void *arg)
{
	struct inode *inode = &env.s->inode[2];
	struct frame *f, *g;

	(void)arg;
	CHECK_OK(frame_alloc(x, &f)); /* by eviction: no frame is free */
	CHECK_OK(frame_alloc(x, &g));
	frame_unpin(x, g);
	page_add(x, inode, 500, &f, 9, true);
	page_dirty(x, inode, f, 9);
	frame_unpin(x, f);
	CHECK_OK(page_flush(x, inode, 0, ~0u));
	page_drop(x, inode, 500, 500);
	set_word(x, 40, 40, plain);
	CHECK(cache_writeback(x, 4) >= 0);
	CHECK_OK(cache_sync(x));
	f = page_find(x, inode, 1);
	if (f)
		frame_unpin(x, f);
}

/* A dead executor's pins are not known yet (docs/LOCKING.md); everything else must be whole. */
static void pins_forget(void)
{
	for (fno_t i = 0; i < env.pool.hdr->nframes; i++) {
		struct frame *f = &env.pool.frames[i];

		if ((f->kind == FRAME_BUF || f->kind == FRAME_PAGE) && !(f->pins & FRAME_FROZEN)) {
			f->pins = 0;
			CHECK(!(f->flags & (FRAME_WRITING | FRAME_READING | FRAME_WORKER)));
		} else if (f->kind == FRAME_ANON && f->owner == 0) {
			frame_unpin(&env.x, f); /* it died between taking it out and letting go */
		}
	}
}

TEST(death_at_every_step_leaves_whole_lists)
{
	struct exec *x = &env.x;
	u32 id, n;

	env_make(8, BLOCKS);
	for (u32 i = 0; i < env.pool.hdr->nframes; i++)
		buf_put(x, buf(x, i));
	for (u32 i = 0; i < 20; i++)
		frame_unpin(x, page(x, &env.s->inode[2], i, 1, 0));
	for (n = 1; env_cut(frame_work, NULL, n, &id); n++) {
		CHECK_OK(exec_recover(x, id));
		CHECK_OK(cache_sync(x)); /* no copies for a commit that it has left */
		pins_forget();
		for (fno_t i = 0; i < env.pool.hdr->nframes; i++)
			if (env.pool.frames[i].kind == FRAME_ANON)
				test_fail(__FILE__, __LINE__,
					  "n %u frame %u owner %u pins %x id %u key %u", n, i,
					  env.pool.frames[i].owner, env.pool.frames[i].pins, id,
					  env.pool.frames[i].key_lo);
	}
	CHECK(n > 80);
	page_drop(x, &env.s->inode[2], 0, ~0u);
	CHECK_OK(cache_sync(x));
	cache_drop_all(x);
	env_check(0);
}
