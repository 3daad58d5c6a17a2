/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Pins: words that say who uses a frame or an inode slot now, so that it is not reused.
 *
 * A pin word names the executors, a bit each as in a lock word, so that the pins of a dead one can
 * be told and taken off. How often an executor has pinned the same word only it knows, in struct
 * exec. PIN_KEPT counts what no executor holds but a structure of the pool does. On the single hart
 * of the soft core nobody is ever recovered: there the word is a plain count.
 *
 * A pin is dropped by the executor that took it. PIN_FROZEN: free, or being emptied by the executor
 * whose bit is set beside it; cannot be pinned. It is set only over a word of 0, or over one's own
 * last pin.
 */
#ifndef MPDISK_PIN_H
#define MPDISK_PIN_H

#include "platform/atomic.h"
#include "pool/exec.h"

#define PIN_FROZEN 0x80000000u
#define PIN_KEPT 0x02000000u      /* one more structure */
#define PIN_KEPT_MASK 0x7E000000u /* at most 63 */

#ifdef MPDISK_SINGLE_HART
#define PIN_MINE(x) ((void)(x), 1u)
#define PIN_FREEZE(x) ((void)(x), PIN_FROZEN)

static inline bool pin_try(struct exec *x, u32 *word)
{
	(void)x;
	if (*word & PIN_FROZEN)
		return false;
	++*word;
	return true;
}

/* What is left of the word: 0 if that was the last pin. */
static inline u32 pin_drop(struct exec *x, u32 *word)
{
	(void)x;
	return --*word;
}

/* Whether the executor has it pinned once and nobody else at all. */
static inline bool pin_alone(const struct exec *x, const u32 *word)
{
	(void)x;
	return *(const volatile u32 *)word == 1;
}
#else
#define PIN_MINE(x) ((x)->bit)                /* the word of a single pin of this executor */
#define PIN_FREEZE(x) (PIN_FROZEN | (x)->bit) /* ... of what it is emptying */

/* The count of repeated pins of the word, or NULL. */
static inline struct pin_again *pin_again(const struct exec *x, const u32 *word)
{
	for (u32 i = x->nagain; i--;)
		if (x->again[i].word == word)
			return (struct pin_again *)&x->again[i];
	return NULL;
}

/* Another pin of a word that the executor has pinned already. */
void pin_repeat(struct exec *x, u32 *word);
/* Takes a repeated pin back; false if there was none. */
bool pin_repeat_drop(struct exec *x, u32 *word);

static inline bool pin_try(struct exec *x, u32 *word)
{
	u32 seen = atomic_load(word);

	if (seen & x->bit) {
		pin_repeat(x, word);
		return true;
	}
	while (!(seen & PIN_FROZEN))
		if (atomic_cas(word, &seen, seen | x->bit))
			return true;
	return false;
}

static inline u32 pin_drop(struct exec *x, u32 *word)
{
	if (x->nagain && pin_repeat_drop(x, word))
		return x->bit;
	return atomic_and(word, ~x->bit) & ~x->bit;
}

static inline bool pin_alone(const struct exec *x, const u32 *word)
{
	return atomic_load_acquire(word) == x->bit && !pin_again(x, word);
}
#endif

#endif
