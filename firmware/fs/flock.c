/* SPDX-License-Identifier: BSD-2-Clause */
/* Locks on files (flock.h). Ranges as fcntl(2) and POSIX.1-2017 describe them. */
#include <string.h>

#include "fs/flock.h"
#include "fs/super.h"
#include "platform/atomic.h"
#include "platform/errno.h"
#include "pool/lock.h"
#include "pool/tx.h"

#define SMALL_POOL (16u << 20)

static struct flock_table *pool_table(const struct pool *pool)
{
	const struct fs *fs = pool_ptr(pool, pool->hdr->fs);

	return pool_ptr(pool, fs->flocks);
}

static struct flock_table *table_of(const struct exec *x)
{
	return exec_ptr(x, fs_of(x)->flocks);
}

int flock_carve(struct exec *x)
{
	const u32 n = x->pool->size < SMALL_POOL ? FLOCK_MAX / 4 : FLOCK_MAX;
	struct flock_table *t;
	u32 i;
	int err;

	err = pool_carve(x->pool, (u32)(sizeof(*t) + n * sizeof(struct flock)), &fs_of(x)->flocks);
	if (err)
		return err;
	t = table_of(x);
	t->n = n;
	for (i = n; i--;) {
		t->entry[i].next = t->free;
		t->free = i + 1;
	}
	return 0;
}

u32 *fs_lock_word(struct pool *pool)
{
	return &pool_table(pool)->word;
}

static u32 *bucket_of(struct flock_table *t, node_t node)
{
	return &t->bucket[((u32)node ^ (u32)(node >> 32)) % FLOCK_BUCKETS];
}

/* The entry that a link names, or NULL. */
static struct flock *at(struct flock_table *t, u32 link)
{
	return link && link <= t->n ? &t->entry[link - 1] : NULL;
}

/* ---- entries: in a tx, under the lock */
static int entry_new(struct exec *x, struct flock_table *t, const struct fs_lock *lock, u32 host,
		     u32 state, struct flock **out)
{
	u32 *bucket = bucket_of(t, lock->node);
	struct flock *f = at(t, t->free);
	int err;

	if (!f)
		return -MP_ENOLCK;
	err = tx_save(x, &t->free, 16); /* free, used, waiting, ticket */
	if (!err)
		err = tx_save(x, bucket, 4);
	if (!err)
		err = tx_save(x, f, sizeof(*f));
	if (err)
		return err;
	t->free = f->next;
	atomic_store(&t->used, t->used + 1);
	*f = (struct flock){.next = *bucket,
			    .node = lock->node,
			    .owner = lock->owner,
			    .fh = lock->fh,
			    .start = lock->start,
			    .end = lock->end,
			    .host = host,
			    .pid = lock->pid,
			    .type = lock->type,
			    .kind = lock->kind,
			    .ticket = t->ticket++};
	atomic_store(&f->state, state);
	*bucket = (u32)(f - t->entry) + 1;
	if (state != FLOCK_HELD)
		atomic_store(&t->waiting, t->waiting + 1);
	*out = f;
	return 0;
}

/* Takes the entry out that *link names. */
static int entry_free(struct exec *x, struct flock_table *t, u32 *link)
{
	struct flock *f = at(t, *link);
	int err;

	err = tx_save(x, link, 4);
	if (!err)
		err = tx_save(x, f, 8); /* next, state */
	if (!err)
		err = tx_save(x, &t->free, 12);
	if (err)
		return err;
	if (f->state != FLOCK_HELD)
		atomic_store(&t->waiting, t->waiting - 1);
	*link = f->next;
	f->next = t->free;
	atomic_store(&f->state, FLOCK_FREE);
	t->free = (u32)(f - t->entry) + 1;
	atomic_store(&t->used, t->used - 1);
	return 0;
}

static void tell(struct exec *x, struct flock_table *t)
{
	atomic_add(&t->word, 1);
	plat_wake(x->plat, &t->word);
}

/* K1: the tx that granted is committed. */
static void publish(struct exec *x, struct flock_table *t, struct flock *f)
{
	u32 granted = FLOCK_GRANTED;

	if (!atomic_cas(&f->state, &granted, FLOCK_DONE))
		return;
	exec_step(x);
	tell(x, t);
}

/* K3, and what was answered becomes free. */
static int sweep(struct exec *x, struct flock_table *t)
{
	struct flock *f;
	u32 i, *link;
	int err = 0;

	for (i = 0; !err && i < FLOCK_BUCKETS; i++) {
		for (link = &t->bucket[i]; !err && (f = at(t, *link));) {
			if (atomic_load_acquire(&f->state) == FLOCK_GRANTED)
				publish(x, t, f);
			if (atomic_load_acquire(&f->state) == FLOCK_REAPED)
				err = entry_free(x, t, link);
			else
				link = &f->next;
		}
	}
	return err;
}

static int table_begin(struct exec *x, struct flock_table *t)
{
	int err;

	tx_begin(x);
	err = lock_write(x, &t->lock, RANK_FLOCK);
	return !err && t->waiting ? sweep(x, t) : err;
}

/* ---- ranges */
static bool same_owner(const struct flock *f, u32 host, u64 owner, u32 kind)
{
	return f->owner == owner && f->host == host && f->kind == kind;
}

/* Whether what f holds is in the way of that lock. */
static bool in_the_way(const struct flock *f, const struct fs_lock *lock, u32 host)
{
	return f->state == FLOCK_HELD && f->node == lock->node && f->kind == lock->kind &&
	       f->start <= lock->end && lock->start <= f->end &&
	       (f->type == FS_LOCK_WRITE || lock->type == FS_LOCK_WRITE) &&
	       !same_owner(f, host, lock->owner, lock->kind);
}

/* The first by place. */
static struct flock *find_conflict(struct flock_table *t, const struct fs_lock *lock, u32 host)
{
	struct flock *f, *first = NULL;

	for (f = at(t, *bucket_of(t, lock->node)); f; f = at(t, f->next))
		if (in_the_way(f, lock, host) && (!first || f->start < first->start))
			first = f;
	return first;
}

static int cut_start(struct exec *x, struct flock *f, u64 start)
{
	int err = tx_save(x, &f->start, 8);

	if (!err)
		f->start = start;
	return err;
}

static int cut_end(struct exec *x, struct flock *f, u64 end)
{
	int err = tx_save(x, &f->end, 8);

	if (!err)
		f->end = end;
	return err;
}

/* The owner's range f loses [start, end], which overlaps it. *gone: nothing of it is left. */
static int carve_out(struct exec *x, struct flock_table *t, struct flock *f, u64 start, u64 end,
		     bool *gone)
{
	const struct fs_lock right = {.node = f->node,
				      .owner = f->owner,
				      .fh = f->fh,
				      .start = end + 1,
				      .end = f->end,
				      .pid = f->pid,
				      .type = f->type,
				      .kind = f->kind};
	struct flock *made;
	int err = 0;

	*gone = f->start >= start && f->end <= end;
	if (*gone)
		return 0;
	if (f->start < start && f->end > end)
		err = entry_new(x, t, &right, f->host, FLOCK_HELD, &made);
	if (err)
		return err;
	return f->start < start ? cut_end(x, f, start - 1) : cut_start(x, f, end + 1);
}

/* K2: whether the range is to become one with that of the lock. */
static bool joins(const struct flock *f, const struct fs_lock *lock)
{
	return f->type == lock->type && (f->start <= lock->end || f->start - 1 == lock->end) &&
	       (lock->start <= f->end || lock->start - 1 == f->end);
}

/* Nobody else is in the way: the owner's ranges become what the lock says. */
static int set_range(struct exec *x, struct flock_table *t, struct fs_lock lock, u32 host)
{
	u32 *link = bucket_of(t, lock.node);
	struct flock *f;
	int err = 0;

	while (!err && (f = at(t, *link))) {
		bool gone = false;

		if (f->state != FLOCK_HELD || f->node != lock.node ||
		    !same_owner(f, host, lock.owner, lock.kind)) {
			link = &f->next;
			continue;
		}
		if (joins(f, &lock)) {
			lock.start = min_of(lock.start, f->start);
			lock.end = max_of(lock.end, f->end);
			gone = true;
		} else if (f->start <= lock.end && lock.start <= f->end) {
			err = carve_out(x, t, f, lock.start, lock.end, &gone);
		}
		if (!err && gone)
			err = entry_free(x, t, link);
		else
			link = &f->next;
	}
	if (!err && lock.type != FS_LOCK_NONE)
		err = entry_new(x, t, &lock, host, FLOCK_HELD, &f);
	return err;
}

/* ---- waiting */
static struct fs_lock lock_of(const struct flock *f)
{
	return (struct fs_lock){.node = f->node,
				.owner = f->owner,
				.fh = f->fh,
				.start = f->start,
				.end = f->end,
				.pid = f->pid,
				.type = f->type,
				.kind = f->kind};
}

/* Marks the waits of those who hold what is in the way of the lock. True: `me` holds some of it. */
static bool mark_holders(struct flock_table *t, const struct fs_lock *lock, u32 host, u64 me,
			 u32 my_host, u32 *marks)
{
	struct flock *f;
	u32 i;

	for (f = at(t, *bucket_of(t, lock->node)); f; f = at(t, f->next)) {
		if (!in_the_way(f, lock, host))
			continue;
		if (f->owner == me && f->host == my_host)
			return true;
		for (i = 0; i < t->n; i++)
			if (t->entry[i].state == FLOCK_WAITING &&
			    same_owner(&t->entry[i], f->host, f->owner, f->kind))
				marks[i / 32] |= 1u << i % 32;
	}
	return false;
}

/* Whether those who are in the way wait, by whatever detour, for the one who asks. Of flock nobody
 * expects that it is noticed. */
static bool deadlock(struct flock_table *t, const struct fs_lock *lock, u32 host)
{
	u32 marks[FLOCK_MARKS] = {0}, seen[FLOCK_MARKS] = {0}, i;
	struct fs_lock other;

	if (lock->kind != FS_LOCK_POSIX || !t->waiting)
		return false;
	(void)mark_holders(t, lock, host, lock->owner, host, marks);
	for (i = 0; i < t->n; i++) {
		if (!(marks[i / 32] & ~seen[i / 32] & 1u << i % 32))
			continue;
		seen[i / 32] |= 1u << i % 32;
		other = lock_of(&t->entry[i]);
		if (mark_holders(t, &other, t->entry[i].host, lock->owner, host, marks))
			return true;
		i = ~0u; /* from the start: marks may have come before this one */
	}
	return false;
}

static u32 host_uses(const struct flock_table *t, u32 host, bool waiting)
{
	u32 i, n = 0;

	for (i = 0; i < t->n; i++)
		n += t->entry[i].state != FLOCK_FREE && t->entry[i].host == host &&
		     (!waiting || t->entry[i].state == FLOCK_WAITING);
	return n;
}

static int park(struct exec *x, struct flock_table *t, const struct fs_lock *lock, u64 key,
		u32 max_waiting)
{
	struct flock *f;
	int err;

	if (deadlock(t, lock, x->host))
		return -MP_EDEADLK;
	if (host_uses(t, x->host, true) >= max_waiting)
		return -MP_EAGAIN;
	err = entry_new(x, t, lock, x->host, FLOCK_WAITING, &f);
	if (!err)
		f->key = key;
	return err;
}

/* The wait is over; it is told after the commit (publish). */
static int end_wait(struct exec *x, struct flock *f, int end)
{
	int err = tx_save(x, &f->error, 4);

	if (!err)
		err = tx_save(x, &f->state, 4);
	if (err)
		return err;
	f->error = end;
	atomic_store(&f->state, FLOCK_GRANTED);
	return 0;
}

/* The oldest wait that nobody is in the way of any more. */
static struct flock *find_grantable(struct flock_table *t)
{
	struct flock *best = NULL;
	u32 i;

	for (i = 0; t->waiting && i < t->n; i++) {
		struct flock *f = &t->entry[i];
		struct fs_lock lock;

		if (f->state != FLOCK_WAITING || (best && (s32)(f->ticket - best->ticket) > 0))
			continue;
		lock = lock_of(f);
		if (!find_conflict(t, &lock, f->host))
			best = f;
	}
	return best;
}

static int grant_one(struct exec *x, struct flock_table *t, struct flock *f)
{
	const struct flock *spare = at(t, t->free);
	int err, end = 0;

	/* all or nothing: two are enough for any range */
	if (!spare || !at(t, spare->next))
		end = -MP_ENOLCK;
	err = end ? 0 : set_range(x, t, lock_of(f), f->host);
	return err ? err : end_wait(x, f, end);
}

/* After something was given back: one tx for each wait that ends by it. */
static void grant(struct exec *x)
{
	struct flock_table *t = table_of(x);
	struct flock *f;
	int err;

	do {
		if (!atomic_load(&t->waiting))
			return;
		f = NULL;
		err = table_begin(x, t);
		if (!err) {
			f = find_grantable(t);
			if (f)
				err = grant_one(x, t, f);
		}
		err = tx_end(x, err);
		if (!err && f)
			publish(x, t, f);
	} while (!err && f);
	if (err)
		plat_log(x->plat, PLAT_ERR, "locks on files: error %d", err);
}

/* ---- operations */
int fs_getlk(struct exec *x, struct fs_lock *lock)
{
	struct flock_table *t = table_of(x);
	const struct flock *f;
	int err;

	if (lock->start > lock->end || lock->type > FS_LOCK_WRITE)
		return -MP_EINVAL;
	err = table_begin(x, t);
	if (!err) {
		f = find_conflict(t, lock, x->host);
		if (f) {
			const u32 host = f->host;

			*lock = lock_of(f);
			/* a number of another host means nothing here */
			lock->pid = host == x->host ? lock->pid : 0;
		} else {
			lock->type = FS_LOCK_NONE;
		}
	}
	return tx_end(x, err);
}

int fs_setlk(struct exec *x, const struct fs_lock *lock, bool wait, u64 key, u32 max_waiting)
{
	struct flock_table *t = table_of(x);
	bool waits = false;
	int err;

	if (lock->start > lock->end || lock->type > FS_LOCK_NONE)
		return -MP_EINVAL;
	if (lock->type == FS_LOCK_NONE && !atomic_load(&t->used))
		return 0;
	err = table_begin(x, t);
	if (!err && lock->type != FS_LOCK_NONE && t->used >= t->n / 2 &&
	    host_uses(t, x->host, false) >= t->n / 2)
		err = -MP_ENOLCK;
	if (!err && lock->type != FS_LOCK_NONE && find_conflict(t, lock, x->host)) {
		err = wait ? park(x, t, lock, key, max_waiting) : -MP_EAGAIN;
		waits = !err;
	} else if (!err) {
		err = set_range(x, t, *lock, x->host);
	}
	err = tx_end(x, err);
	if (err)
		return err;
	if (waits)
		return 1;
	if (lock->type != FS_LOCK_WRITE)
		grant(x);
	return 0;
}

bool fs_lock_interrupt(struct exec *x, u64 key)
{
	struct flock_table *t = table_of(x);
	struct flock *f = NULL;
	u32 i;
	int err;

	if (!atomic_load(&t->waiting))
		return false;
	err = table_begin(x, t);
	for (i = 0; !err && i < t->n; i++) {
		f = &t->entry[i];
		if (f->state == FLOCK_WAITING && f->host == x->host && f->key == key)
			break;
	}
	if (!err && i == t->n)
		err = -MP_ENOENT;
	if (!err)
		err = end_wait(x, f, -MP_EINTR);
	err = tx_end(x, err);
	if (!err)
		publish(x, t, f);
	return !err;
}

/* What shall go. */
struct going {
	u32 host;
	node_t node; /* 0: any */
	u64 owner;   /* of POSIX locks, or */
	u64 fh;
	bool by_owner, by_fh;
};

static bool goes(const struct flock *f, const struct going *g)
{
	if (f->host != g->host || (g->node && f->node != g->node))
		return false;
	if (g->by_owner)
		return f->state == FLOCK_HELD && f->kind == FS_LOCK_POSIX && f->owner == g->owner;
	return !g->by_fh || f->fh == g->fh;
}

static void unlock(struct exec *x, const struct going *g)
{
	struct flock_table *t = table_of(x);
	struct flock *f;
	u32 i, *link;
	int err;

	if (!atomic_load(&t->used))
		return;
	err = table_begin(x, t);
	for (i = 0; !err && i < FLOCK_BUCKETS; i++) {
		link = &t->bucket[i];
		if (g->node && link != bucket_of(t, g->node))
			continue;
		while (!err && (f = at(t, *link))) {
			if (goes(f, g))
				err = entry_free(x, t, link);
			else
				link = &f->next;
		}
	}
	err = tx_end(x, err);
	if (err)
		plat_log(x->plat, PLAT_ERR, "locks of host %u are not given back: error %d",
			 x->host, err);
	grant(x);
}

void fs_unlock_owner(struct exec *x, node_t node, u64 owner)
{
	const struct going g = {.host = x->host, .node = node, .owner = owner, .by_owner = true};

	unlock(x, &g);
}

void fs_unlock_fh(struct exec *x, node_t node, u64 fh)
{
	const struct going g = {.host = x->host, .node = node, .fh = fh, .by_fh = true};

	unlock(x, &g);
}

void fs_unlock_host(struct exec *x)
{
	const struct going g = {.host = x->host};

	unlock(x, &g);
	/* an executor of it may have died before it told what had become DONE */
	tell(x, table_of(x));
}

bool fs_lock_done(struct pool *pool, u32 host, u64 *key, int *error)
{
	struct flock_table *t = pool_table(pool);
	u32 i, done;

	for (i = 0; i < t->n; i++) {
		struct flock *f = &t->entry[i];

		if (atomic_load_acquire(&f->state) != FLOCK_DONE || f->host != host)
			continue;
		*key = f->key;
		*error = f->error;
		done = FLOCK_DONE;
		if (atomic_cas(&f->state, &done, FLOCK_REAPED))
			return true;
	}
	return false;
}
