// SPDX-License-Identifier: BSD-2-Clause
/* Handles of open files: reserved before the file is opened, given back when it is released. */
#include "port/session.h"
#include "platform/atomic.h"
#include "platform/errno.h"
#include "pool/frame.h"
#include "pool/wait.h"

#include <string.h>

static void session_lock(struct exec *x, struct session *s)
{
	u32 seen = 0;

	while (!atomic_cas(&s->lock, &seen, x->id)) {
		exec_yield(x, &s->lock);
		seen = 0;
	}
}

static void session_unlock(struct session *s)
{
	atomic_store_release(&s->lock, 0);
}

void session_init(struct session *s, u32 host)
{
	memset(s, 0, sizeof(*s));
	s->host = host;
	s->max_waiting = SESSION_WAITING;
}

/* [lock] */
static struct session_open *session_entry(struct exec *x, struct session *s, u32 index)
{
	struct session_open *opens =
		frame_data(x, frame_of(x, s->frames[index / SESSION_PER_FRAME]));

	return &opens[index % SESSION_PER_FRAME];
}

/* [lock] Takes a free handle; false when a frame is wanted first. */
static bool session_pop(struct exec *x, struct session *s, u64 *fh)
{
	struct session_open *open;
	u32 index;

	if (s->free) {
		index = s->free - 1;
		open = session_entry(x, s, index);
		s->free = open->next;
	} else if (s->nused < s->nframes * SESSION_PER_FRAME) {
		index = s->nused;
		open = session_entry(x, s, index);
		memset(open, 0, sizeof(*open));
		atomic_store_release(&s->nused, index + 1); /* session_has() may look at it now */
	} else {
		return false;
	}
	open->sequence++;
	s->nopen++;
	*fh = (u64)open->sequence << 32 | (index + 1);
	return true;
}

int session_reserve(struct exec *x, struct session *s, u64 *fh)
{
	struct frame *frame;
	bool done, full;
	int err;

	for (;;) {
		session_lock(x, s);
		done = session_pop(x, s, fh);
		full = s->nframes == SESSION_FRAMES;
		session_unlock(s);
		if (done)
			return 0;
		if (full)
			return -MP_ENFILE;
		err = frame_alloc(x, &frame);
		if (err)
			return err;
		session_lock(x, s);
		full = s->nframes == SESSION_FRAMES;
		if (!full) {
			frame_place(x, &s->frames[s->nframes], frame);
			s->nframes++;
		}
		session_unlock(s);
		if (full)
			frame_unpin(x, frame);
	}
}

void session_note(struct exec *x, struct session *s, u64 fh)
{
	if (POOL_SHARED) {
		session_lock(x, s);
		x->handle = &session_entry(x, s, (u32)fh - 1)->node;
		session_unlock(s);
	}
}

void session_bind(struct exec *x, struct session *s, u64 fh, node_t node)
{
	session_lock(x, s);
	session_entry(x, s, (u32)fh - 1)->node = node;
	session_unlock(s);
	x->handle = NULL;
}

bool session_take(struct exec *x, struct session *s, u64 fh, node_t node)
{
	struct session_open *open;
	const u32 index = (u32)fh - 1;
	bool mine = false;

	session_lock(x, s);
	if (index < s->nused) {
		open = session_entry(x, s, index);
		mine = open->sequence == (u32)(fh >> 32) && open->node == node;
		if (mine)
			open->sequence++; /* the same fh again is refused */
	}
	session_unlock(s);
	return mine;
}

void session_give(struct exec *x, struct session *s, u64 fh)
{
	const u32 index = (u32)fh - 1;
	struct session_open *open;

	x->handle = NULL;
	session_lock(x, s);
	open = session_entry(x, s, index);
	open->node = 0;
	open->next = s->free;
	s->free = index + 1;
	s->nopen--;
	session_unlock(s);
}

/* Without the lock: entries stay where they are as long as the session lives. */
bool session_has(struct exec *x, struct session *s, u64 fh, node_t node)
{
	const struct session_open *open;
	const u32 index = (u32)fh - 1;

	if (!node || index >= atomic_load_acquire(&s->nused))
		return false;
	open = session_entry(x, s, index);
	return open->sequence == (u32)(fh >> 32) && open->node == node;
}

void session_interrupt(struct exec *x, struct session *s, u64 unique)
{
	if (fs_lock_interrupt(x, unique))
		return;
	session_lock(x, s);
	s->interrupted[s->ninterrupted++ % SESSION_INTERRUPTS] = unique;
	session_unlock(s);
	(void)fs_lock_interrupt(x, unique); /* it may have begun to wait meanwhile */
}

void session_waits(struct exec *x, struct session *s, u64 unique)
{
	bool interrupted = false;
	u32 i;

	session_lock(x, s);
	for (i = 0; i < SESSION_INTERRUPTS; i++)
		interrupted |= s->interrupted[i] == unique;
	session_unlock(s);
	if (interrupted)
		(void)fs_lock_interrupt(x, unique);
}

void session_drop(struct exec *x, struct session *s)
{
	u32 i;

	x->host = s->host;
	fs_unlock_host(x);
	for (i = 0; i < s->nused; i++) {
		struct session_open *open = session_entry(x, s, i);
		int err;

		if (!open->node)
			continue;
		x->handle = &open->node; /* should this end here, the next one goes on */
		err = fs_release(x, open->node);
		x->handle = NULL;
		if (err)
			plat_log(x->plat, PLAT_WARN, "host %u: release of a file failed: error %d",
				 s->host, err);
		open->node = 0;
	}
	s->nused = 0;
	fs_forget_all(x, 1u << (s->host & 31));
	for (i = 0; i < SESSION_FRAMES; i++)
		if (s->frames[i])
			frame_displace(x, &s->frames[i]);
	session_init(s, s->host);
}

void session_recover(struct session *s)
{
	s->lock = 0;
}
