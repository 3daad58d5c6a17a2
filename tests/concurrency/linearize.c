/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Looks for an order of operations that explains their answers (model.h): depth first; next may be
 * whatever began before all that is left had ended. A set of operations that is done and the state
 * that it led to need not be looked at twice.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/concurrency/model.h"

#define KNOWN (1u << 16) /* a power of two */
#define TRIES 4000000ull

static u64 hash_state(const struct model *m, u32 done)
{
	const u32 *word = (const void *)m;
	u64 h = 0x9E3779B97F4A7C15ull * (done + 1);

	_Static_assert(sizeof(struct model) % 4 == 0, "struct model");
	for (u32 i = 0; i < sizeof(*m) / 4; i++) {
		h = (h ^ word[i]) * 0xD6E8FEB86659FD93ull;
		h ^= h >> 32;
	}
	return h ? h : 1;
}

/* Whether it was there; else it is from now on. What does not fit is forgotten: only time is lost.
 */
static bool known(u64 *table, u64 h)
{
	for (u32 i = 0; i < 8; i++) {
		u64 *place = &table[(h + i) & (KNOWN - 1)];

		if (*place == h)
			return true;
		if (!*place) {
			*place = h;
			return false;
		}
	}
	table[h & (KNOWN - 1)] = h;
	return false;
}

/* Whether op i may come next, of those not done. */
static bool may_be_next(const struct op *ops, u32 n, u32 done, u32 i)
{
	for (u32 k = 0; k < n; k++)
		if (!(done >> k & 1) && ops[k].returned < ops[i].invoked)
			return false;
	return true;
}

int linearize(struct model *m, const struct op *ops, u32 n,
	      bool (*fits)(const struct model *m, void *arg), void *arg, u64 *tried)
{
	struct step {
		struct model before;
		u32 next; /* op to be tried next */
		u32 done;
	} *stack = malloc((n + 1) * sizeof(*stack));
	u64 *table = calloc(KNOWN, sizeof(*table));
	u32 depth = 0;
	int found = 0;

	stack[0] = (struct step){.before = *m};
	for (;;) {
		struct step *s = &stack[depth];
		u32 i = s->next++;

		if (depth == n && i == 0 && fits(&s->before, arg)) {
			*m = s->before;
			found = 1;
			break;
		}
		if (i >= n || depth == n) {
			if (!depth)
				break;
			depth--;
			continue;
		}
		if (s->done >> i & 1 || !may_be_next(ops, n, s->done, i))
			continue;
		if (++*tried > TRIES) {
			found = -1;
			break;
		}
		s[1].before = s->before;
		s[1].done = s->done | 1u << i;
		s[1].next = 0;
		if (model_step(&s[1].before, &ops[i]) &&
		    !known(table, hash_state(&s[1].before, s[1].done)))
			depth++;
	}
	free(table);
	free(stack);
	return found;
}
