// SPDX-License-Identifier: BSD-2-Clause
/* A thread's executor, request and frames; the thread that answers who waited (pool_call.h). */
#include "pool_call.h"

#include <errno.h>
#include <stdio.h>

#include "fuse_opcode.h"
#include "platform/atomic.h"

int pool_call_open(struct pool_call *c, struct mpdisk *disk)
{
	int err = mpdisk_executor(disk, &c->x);

	c->call.x = &c->x;
	c->call.session = mpdisk_session(disk);
	c->call.out = c->out;
	return err;
}

void pool_call_close(struct pool_call *c)
{
	u32 i;

	if (!c->x.slot)
		return;
	for (i = 0; i < c->nframes; i++)
		frame_unpin(&c->x, frame_of(&c->x, c->frames[i]));
	exec_leave(&c->x);
}

int pool_call_own(struct pool_call *c, u32 n)
{
	struct frame *frame;
	int err;

	while (c->nframes < n) {
		err = frame_alloc(&c->x, &frame);
		if (err)
			return err;
		c->frames[c->nframes++] = frame_no(&c->x, frame);
	}
	return 0;
}

u8 *pool_call_data(const struct pool_call *c, u32 i)
{
	return frame_data(&c->x, frame_of(&c->x, c->frames[i]));
}

void pool_call_fail(struct pool_call *c, int error)
{
	struct fuse_out_header *out = (void *)c->out;

	*out = (struct fuse_out_header){sizeof(*out), error, c->call.in->unique};
	c->call.out_len = sizeof(*out);
	c->call.reply_len = 0;
}

void pool_call_serve(struct pool_call *c, bool trace)
{
	const struct fuse_out_header *out = (const void *)c->out;
	const struct fuse_in_header *in = c->call.in;

	fuse_serve(&c->call);
	if (trace)
		fprintf(stderr, "mpdisk: %llu %s node %llx: %u bytes in, %u out, error %d\n",
			(unsigned long long)in->unique, fuse_opcode_name(in->opcode),
			(unsigned long long)in->nodeid, in->len, c->call.out_len ? out->len : 0,
			c->call.out_len ? out->error : 0);
}

u32 pool_call_reply(const struct pool_call *c, struct iovec *iov)
{
	const u32 nreply = c->call.reply_len ? c->call.nreply : 0;
	u32 i;

	if (!c->call.out_len)
		return 0;
	iov[0] = (struct iovec){c->call.out, c->call.out_len};
	for (i = 0; i < nreply; i++) {
		const struct fs_seg *seg = &c->call.reply[i];
		u8 *data = frame_data(&c->x, frame_of(&c->x, seg->frame));

		iov[1 + i] = (struct iovec){data + seg->offset, seg->len};
	}
	return 1 + nreply;
}

void pool_call_again(struct pool_call *c)
{
	u32 i;

	for (i = 0; i < c->call.nreply; i++)
		frame_unpin(&c->x, frame_of(&c->x, c->call.reply[i].frame));
	for (i = 0; i < c->call.npay; i++) /* a write may have taken frames and left others */
		c->frames[i] = c->call.pay[i].frame;
	c->call.nreply = c->call.npay = 0;
}

void pool_call_end(struct pool_call *c)
{
	pool_call_again(c);
	__atomic_store_n(&c->requests, c->requests + 1, __ATOMIC_RELAXED);
}

/* ---- requests that waited for a lock */
static void *locks_main(void *arg)
{
	struct pool_locks *locks = arg;
	u32 *word = fs_lock_word(locks->x->pool), seen;

	for (;;) {
		seen = atomic_load_acquire(word);
		if (atomic_load(&locks->ending)) /* looked at after the word */
			return NULL;
		locks->done(locks->user);
		plat_wait(locks->x->plat, word, seen, 0);
	}
}

int pool_locks_start(struct pool_locks *locks, const struct exec *x, void (*done)(void *user),
		     void *user)
{
	int err;

	*locks = (struct pool_locks){.x = x, .done = done, .user = user};
	err = pthread_create(&locks->thread, NULL, locks_main, locks);
	if (err)
		locks->x = NULL;
	return -err;
}

void pool_locks_stop(struct pool_locks *locks)
{
	u32 *word;

	if (!locks->x)
		return;
	word = fs_lock_word(locks->x->pool);
	atomic_store(&locks->ending, 1);
	atomic_add(word, 1);
	plat_wake(locks->x->plat, word);
	pthread_join(locks->thread, NULL);
	locks->x = NULL;
}
