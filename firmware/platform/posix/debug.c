/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Debug builds: every byte that a tx changes in a buffer must have been saved (tx.h, T1). Each
 * buffer that a tx edits has a shadow with its old bytes and a mark for each byte that was saved. A
 * buffer that several executors edit at once is not checked, nor one in a pool that other processes
 * share.
 *
 * Not under ThreadSanitizer: the lock here would order the executors and hide their races, and a
 * shadow is compared with bytes that others are changing.
 */
#if defined(MPDISK_DEBUG) && !defined(__SANITIZE_THREAD__)
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "platform/posix/private.h"

#define FRAMES 65536u
#define EXECUTORS 32u

struct shadow {
	struct shadow *next;
	ref_t frame;
	u32 stamp; /* of the frame when the edit began */
	bool alone;
	u8 old[BLOCK_SIZE];
	u8 saved[BLOCK_SIZE];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct shadow *shadows[EXECUTORS];
static u32 stamps[FRAMES]; /* counts who begins and ends to change a frame */

static u32 *stamp_of(ref_t frame)
{
	return &stamps[frame / BLOCK_SIZE % FRAMES];
}

void plat_debug_touch(struct plat *plat, ref_t frame)
{
	(void)plat;
	pthread_mutex_lock(&lock);
	++*stamp_of(frame);
	pthread_mutex_unlock(&lock);
}

/* Holds lock. */
static bool others_edit(u32 executor, ref_t frame)
{
	for (u32 e = 0; e < EXECUTORS; e++)
		for (const struct shadow *s = shadows[e]; s; s = s->next)
			if (e != executor && s->frame == frame)
				return true;
	return false;
}

void plat_debug_edit(struct plat *plat, u32 executor, ref_t frame, bool alone)
{
	struct shadow *s;

	if (!plat->mapped)
		return;
	s = calloc(1, sizeof(*s));
	if (!s)
		plat_panic(plat, "no memory for a shadow", __FILE__, __LINE__);
	s->frame = frame;
	pthread_mutex_lock(&lock);
	/* another may have begun since the caller looked */
	s->alone = alone && !others_edit(executor, frame);
	if (s->alone)
		memcpy(s->old, plat->base + frame, BLOCK_SIZE);
	s->stamp = ++*stamp_of(frame);
	s->next = shadows[executor];
	shadows[executor] = s;
	pthread_mutex_unlock(&lock);
}

void plat_debug_save(struct plat *plat, u32 executor, ref_t ref, u32 len)
{
	(void)plat;
	pthread_mutex_lock(&lock);
	for (struct shadow *s = shadows[executor]; s; s = s->next) {
		ref_t from = max_of(ref, s->frame);
		ref_t to = min_of(ref + len, s->frame + BLOCK_SIZE);

		if (from < to)
			memset(s->saved + (from - s->frame), 1, to - from);
	}
	pthread_mutex_unlock(&lock);
}

static void shadow_check(struct plat *plat, u32 executor, const struct shadow *s)
{
	const u8 *now = plat->base + s->frame;

	if (!memcmp(now, s->old, BLOCK_SIZE))
		return;
	for (u32 i = 0; i < BLOCK_SIZE; i++) {
		if (now[i] == s->old[i] || s->saved[i])
			continue;
		plat_log(plat, PLAT_ERR,
			 "executor %u has changed byte %u of frame %u and not saved it", executor,
			 i, s->frame / BLOCK_SIZE);
		plat_panic(plat, "a change without tx_save", __FILE__, __LINE__);
	}
}

void plat_debug_end(struct plat *plat, u32 executor)
{
	pthread_mutex_lock(&lock);
	while (shadows[executor]) {
		struct shadow *s = shadows[executor];

		if (s->alone && *stamp_of(s->frame) == s->stamp)
			shadow_check(plat, executor, s);
		++*stamp_of(s->frame);
		shadows[executor] = s->next;
		free(s);
	}
	pthread_mutex_unlock(&lock);
}
#elif defined(MPDISK_DEBUG)
#include "platform/posix/private.h"

void plat_debug_touch(struct plat *plat, ref_t frame)
{
	(void)plat, (void)frame;
}

void plat_debug_edit(struct plat *plat, u32 executor, ref_t frame, bool alone)
{
	(void)plat, (void)executor, (void)frame, (void)alone;
}

void plat_debug_save(struct plat *plat, u32 executor, ref_t ref, u32 len)
{
	(void)plat, (void)executor, (void)ref, (void)len;
}

void plat_debug_end(struct plat *plat, u32 executor)
{
	(void)plat, (void)executor;
}
#else
/* A translation unit must not be empty. */
typedef int mpdisk_posix_debug;
#endif
