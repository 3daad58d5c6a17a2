/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Waiting for another executor. Everything that waits on a word of the pool goes through here, so
 * that debug builds know who waits for whom (deadlock.c): a circle is found and told, with names.
 */
#ifndef MPDISK_WAIT_H
#define MPDISK_WAIT_H

#include "pool/exec.h"

#ifdef MPDISK_DEBUG
void debug_wait(struct exec *x, u32 *word, u32 seen, u32 timeout_ms);
void debug_yield(struct exec *x, const u32 *word);
/* It is about to wait for an executor, or may have to: it must have nothing claimed (writer.c, W1).
 */
void debug_claimed(struct exec *x);
/* Logs what every executor waits for. */
void debug_who_waits(struct exec *x);
#endif

/* plat_wait() on a word of the pool that another executor will change. */
static inline void exec_wait(struct exec *x, u32 *word, u32 seen, u32 timeout_ms)
{
#ifdef MPDISK_DEBUG
	debug_wait(x, word, seen, timeout_ms);
#else
	plat_wait(x->plat, word, seen, timeout_ms);
#endif
}

/* plat_yield() until another executor has changed the word: that is about to happen. */
static inline void exec_yield(struct exec *x, const u32 *word)
{
#ifdef MPDISK_DEBUG
	debug_yield(x, word);
#else
	(void)word;
	plat_yield(x->plat);
#endif
}

#endif
