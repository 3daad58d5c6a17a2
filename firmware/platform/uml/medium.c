// SPDX-License-Identifier: BSD-2-Clause
/*
 * The medium through the block layer. Requests go past the device's page cache, straight between
 * it and the pool, whose pages are reserved ones of the kernel (iomem-pages.patch).
 */
#include <linux/bitmap.h>
#include <linux/delay.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "platform/uml/private.h"

#include "platform/errno.h"
#include "platform/uml/host.h"

#define TOUCH_STEP 262144u /* this kernel stands still while so much is mapped: 60 us */
#define TOUCH_MS 100u      /* of a mount's time */

static void calls_fill(struct plat *plat)
{
#define PLAT_CALL_ADDRESS(name) (void *)name,
	void *const calls[] = {PLAT_CALLS(PLAT_CALL_ADDRESS)};

	BUILD_BUG_ON(offsetof(struct plat, calls) != 0);
	memcpy(plat->calls, calls, sizeof(calls));
}

int plat_uml_open(const char *medium, bool read_only, struct plat **out)
{
	struct plat *plat = kzalloc(sizeof(*plat), GFP_KERNEL);
	u32 i;

	if (!plat)
		return -ENOMEM;
	plat->mode = FMODE_READ | FMODE_EXCL | (read_only ? 0 : FMODE_WRITE);
	plat->bdev = blkdev_get_by_path(medium, plat->mode, plat);
	if (IS_ERR(plat->bdev)) {
		int err = PTR_ERR(plat->bdev);

		kfree(plat);
		return err;
	}
	if (!read_only && bdev_read_only(plat->bdev)) {
		blkdev_put(plat->bdev, plat->mode);
		kfree(plat);
		return -EROFS;
	}
	calls_fill(plat);
	plat->read_only = read_only;
	plat->blocks = bdev_nr_bytes(plat->bdev) >> BLOCK_SHIFT;
	plat->irq = -1;
	plat->fifo = -1;
	init_waitqueue_head(&plat->io_done);
	for (i = 0; i < WAITS_BUCKETS; i++)
		init_waitqueue_head(&plat->queue[i]);
	*out = plat;
	return 0;
}

void plat_uml_close(struct plat *plat)
{
	plat_uml_unlisten(plat);
	blkdev_put(plat->bdev, plat->mode);
	bitmap_free(plat->touched);
	kfree(plat);
}

struct block_device *plat_uml_bdev(const struct plat *plat)
{
	return plat->bdev;
}

/* ---- the pool's memory */
/* The rest of it when it is used: frames are given out in this order. */
static void touch_first(struct plat *plat)
{
	u64 until = plat_ms(plat) + TOUCH_MS;
	u32 at;

	for (at = 0; at < plat->size && plat_ms(plat) < until; at += TOUCH_STEP) {
		plat_uml_touch(plat, at, 1);
		cond_resched();
	}
}

void plat_uml_attach(struct plat *plat, void *base, u32 size, int fd)
{
	plat->base = base;
	plat->size = size;
	/* pages of a pool that is not in memory would be written to its disk */
	if (host_in_memory(fd))
		plat->touched = bitmap_zalloc(DIV_ROUND_UP(size, TOUCH_STEP), GFP_KERNEL);
	if (plat->touched)
		touch_first(plat);
}

/* A page that is used first faults on the machine, in the middle of a copy or of ubd's read: that
 * costs twice as much as mapping it with others. */
void plat_uml_touch(struct plat *plat, ref_t ref, u32 len)
{
	u32 step, last = (ref + len - 1) / TOUCH_STEP, at;

	if (!plat->touched)
		return;
	for (step = ref / TOUCH_STEP; step <= last; step++) {
		if (__test_and_set_bit(step, plat->touched))
			continue;
		at = step * TOUCH_STEP;
		/* failure: an old machine knows no such advice */
		(void)host_touch(plat->base + at, min(TOUCH_STEP, plat->size - at));
	}
}

blkno_t plat_blocks(struct plat *plat)
{
	return plat->blocks;
}

bool plat_read_only(struct plat *plat)
{
	return plat->read_only;
}

/* ---- requests */
static void io_end(struct plat *plat, struct plat_io *io, int error)
{
	io->error = error;
	WRITE_ONCE(io->done, 1);
	wake_up_all(&plat->io_done);
}

static void bio_done(struct bio *bio)
{
	struct plat_io *io = bio->bi_private;
	struct plat *plat;

	memcpy(&plat, io->private, sizeof(plat));
	io_end(plat, io, bio->bi_status ? -MP_EIO : 0);
	bio_put(bio);
}

static blk_opf_t io_flags(enum plat_io_op op)
{
	switch (op) {
	case PLAT_READ:
		return REQ_OP_READ;
	case PLAT_WRITE:
		return REQ_OP_WRITE | REQ_SYNC | REQ_IDLE;
	default:
		return REQ_OP_WRITE | REQ_PREFLUSH;
	}
}

static int io_refused(const struct plat *plat, const struct plat_io *io)
{
	if (io->op == PLAT_FLUSH)
		return 0;
	if (io->op == PLAT_WRITE && plat->read_only)
		return -MP_EROFS;
	if (io->block >= plat->blocks || io->count > plat->blocks - io->block)
		return -MP_EIO;
	return 0;
}

void plat_io_submit(struct plat *plat, struct plat_io *io)
{
	u32 pages = io->op == PLAT_FLUSH ? 0 : io->count, i;
	int err = io_refused(plat, io);
	struct bio *bio;

	io->done = 0;
	if (err || (io->op == PLAT_FLUSH && plat->read_only)) {
		io_end(plat, io, err);
		return;
	}
	if (pages > BIO_MAX_VECS || (pages && io->ref % BLOCK_SIZE))
		plat_panic(plat, "malformed request to the medium", __FILE__, __LINE__);
	if (io->op == PLAT_READ)
		plat_uml_touch(plat, io->ref, io->count * BLOCK_SIZE);
	bio = bio_alloc(plat->bdev, pages, io_flags(io->op), GFP_NOIO);
	memcpy(io->private, &plat, sizeof(plat));
	bio->bi_private = io;
	bio->bi_end_io = bio_done;
	if (pages)
		bio->bi_iter.bi_sector = io->block << (BLOCK_SHIFT - SECTOR_SHIFT);
	for (i = 0; i < pages; i++)
		__bio_add_page(bio, virt_to_page(plat->base + io->ref + i * BLOCK_SIZE), BLOCK_SIZE,
			       0);
	submit_bio(bio);
}

int plat_io_wait(struct plat *plat, struct plat_io *io)
{
	wait_event(plat->io_done, READ_ONCE(io->done));
	return io->error;
}
