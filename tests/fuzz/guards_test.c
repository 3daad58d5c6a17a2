/* SPDX-License-Identifier: BSD-2-Clause */
/* What the fuzz targets rely on: memory that is closed is noticed, and so is what does not end. */
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fs/super.h"
#include "pool/frame.h"
#include "tests/fuzz/world.h"

#include <stdio.h>

static u32 failed;

/* Opened, mounted, and then `bad` is done: it must not survive that, or it must. */
static void expect(const char *name, void (*bad)(struct exec *x), bool death)
{
	int status = 0;
	pid_t child;

	fflush(NULL);
	child = fork();
	if (!child) {
		struct image *m = world_image("csum.img");
		const struct fs_mount_opts opts = {0};

		(void)!freopen("/dev/null", "w", stderr);
		alarm(20);
		world_open(m, 6u << 20, false);
		if (fs_mount(&world.x, &opts))
			_exit(0);
		bad(&world.x);
		if (fs_unmount(&world.x))
			_exit(1);
		world_close(true);
		_exit(0);
	}
	if (child < 0 || waitpid(child, &status, 0) < 0 || (status != 0) != death ||
	    (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)) {
		printf("FAIL %s: status %d\n", name, status);
		failed++;
		return;
	}
	printf("PASS %s\n", name);
}

static void touch(struct exec *x, ref_t ref)
{
	volatile u8 *p = exec_ptr(x, ref);

	*p = *p;
}

static void nothing(struct exec *x)
{
	struct frame *f;

	if (!frame_alloc(x, &f)) {
		touch(x, frame_ref(x, f) + 4095);
		frame_unpin(x, f);
	}
}

static void unpinned(struct exec *x)
{
	struct frame *f;

	if (frame_alloc(x, &f))
		return;
	frame_unpin(x, f);
	touch(x, frame_ref(x, f));
}

static void cached(struct exec *x)
{
	for (fno_t i = 1; i < x->pool->hdr->nframes; i++) {
		struct frame *f = frame_of(x, i);

		if (f->kind == FRAME_BUF && !f->pins)
			touch(x, frame_ref(x, f) + 100);
	}
}

static void next_frame(struct exec *x)
{
	struct frame *f;

	if (!frame_alloc(x, &f))
		touch(x, frame_ref(x, f) + BLOCK_SIZE);
}

static void behind_an_area(struct exec *x)
{
	touch(x, x->pool->hdr->dirty_map + (x->pool->hdr->nframes + 31) / 32 * 4);
}

static void lost_frame(struct exec *x)
{
	struct frame *f;

	(void)!frame_alloc(x, &f);
}

static void waits(struct exec *x)
{
	for (;;)
		plat_wait(x->plat, &x->slot->nheld, x->slot->nheld, 1000);
}

static void reads(struct exec *x)
{
	struct plat_io io = {.op = PLAT_READ, .count = 1, .ref = x->pool->hdr->bounce};

	for (;;) {
		plat_io_submit(x->plat, &io);
		(void)plat_io_wait(x->plat, &io);
	}
}

static void steps(struct exec *x)
{
	for (;;)
		exec_step(x);
}

static bool any_place(const struct place *p)
{
	return p->kind != PLACE_DATA;
}

/* Checksums that the harness has made anew, of every structure, pass; without it none would. */
static void checksums(void)
{
	const struct fs_mount_opts opts = {.read_only = true};
	struct image *m = world_image("csum.img");
	struct input in = {.n = 1};
	u32 i, bad = 0;

	for (i = 0; i < m->nplaces; i++) {
		struct record *r = &in.rec[0];
		const struct place *p = image_place(m, i, any_place);

		image_restore(m);
		/* something that nothing but the sum is about; of an inode its version */
		*r = (struct record){.kind = REC_ADD, .where = (u8)i, .at = 0, .value = 0};
		if (p->kind == PLACE_INODE)
			*r = (struct record){REC_SET32, (u8)i, 36, 0x12345678};
		image_patch(m, &in, true, any_place);
		world_open(m, 6u << 20, false);
		if (fs_mount(&world.x, &opts)) {
			bad++;
			continue;
		}
		exercise_walk(&world.x);
		bad += fs_of(&world.x)->error_count != 0;
		if (fs_unmount(&world.x))
			bad++;
		world_close(true);
	}
	if (bad || i < 40) {
		printf("FAIL checksums_are_made_right: %u of %u places\n", bad, i);
		failed++;
	} else {
		printf("PASS checksums_are_made_right\n");
	}
}

int main(void)
{
	checksums();
	expect("what_is_right_goes_through", nothing, false);
	expect("a_frame_that_is_free_is_closed", unpinned, true);
	expect("a_frame_in_a_cache_that_is_not_pinned_is_closed", cached, true);
	expect("the_frame_behind_a_frame_is_closed", next_frame, true);
	expect("the_gap_behind_an_area_is_closed", behind_an_area, true);
	expect("a_frame_that_is_lost_is_noticed", lost_frame, true);
	expect("waiting_for_ever_is_noticed", waits, true);
	expect("reading_for_ever_is_noticed", reads, true);
	expect("steps_without_end_are_noticed", steps, true);
	return failed ? 1 : 0;
}
