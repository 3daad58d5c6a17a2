// SPDX-License-Identifier: BSD-2-Clause
/*
 * Notices the death of hosts and recovers them, as host-driver/lib/watch.c does for processes.
 *
 * A thread of the machine that waits for a lock would stop this kernel as a whole. So the locks
 * that other hosts hold for life are tried, WATCH_MS apart, while there are other hosts; when there
 * are none, the thread sleeps until one comes. Who holds the byte of a dead host is its recoverer.
 *
 * Recovering may wait for what a host holds that dies only then: so the thread that watches never
 * recovers, and each recovery is a work of its own.
 */
#include <linux/delay.h>
#include <linux/slab.h>

#include "private.h"
#include "lib/locks.h"
#include "platform/uml/host.h"

#define WATCH_MS 200u
#define RETRY_MS 20u

struct recovery {
	struct work_struct work;
	struct mpd_disk *d;
	u32 dead; /* a bit per host; their bytes are ours */
};

static bool is_used(struct mpd_disk *d, u32 host)
{
	return atomic_load_acquire(&pool_host(&d->pool, host)->state) == HOST_USED;
}

static void release(struct mpd_disk *d, u32 host)
{
	if (host_lock(d->fd, HOST_LOCK_NONE, MPDISK_LOCK_HOST(host)) != 0)
		plat_panic(d->plat, "a lock cannot be released", __FILE__, __LINE__);
}

/* Hosts that have died and that nobody is at: their bytes are ours then. */
static u32 claim_dead(struct mpd_disk *d, bool *others)
{
	u32 dead = 0, host;

	*others = false;
	for (host = 1; host <= POOL_HOSTS; host++) {
		if (host == d->host || !is_used(d, host))
			continue;
		*others = true;
		if (d->recovering >> host & 1 ||
		    host_lock(d->fd, HOST_LOCK_WRITE, MPDISK_LOCK_HOST(host)) != 0)
			continue;
		if (is_used(d, host))
			dead |= 1u << host;
		else
			release(d, host);
	}
	return dead;
}

static void end(struct recovery *r)
{
	struct mpd_disk *d = r->d;
	u32 host;

	for (host = 1; host <= POOL_HOSTS; host++)
		if (r->dead >> host & 1)
			release(d, host);
	d->recovering &= ~r->dead;
	kfree(r);
}

static void recover(struct work_struct *work)
{
	struct recovery *r = container_of(work, struct recovery, work);
	struct mpd_disk *d = r->d;
	u32 pid[POOL_HOSTS + 1], host;
	int err;

	for (host = 1; host <= POOL_HOSTS; host++) {
		pid[host] = pool_host(&d->pool, host)->pid;
		if (r->dead >> host & 1)
			plat_log(d->plat, PLAT_WARN, "host %u (process %u) has died", host,
				 pid[host]);
	}
	err = hosts_recover(&d->pool, d->plat, r->dead); /* -EAGAIN: the next look tries again */
	for (host = 1; !err && host <= POOL_HOSTS; host++)
		if (r->dead >> host & 1)
			plat_log(d->plat, PLAT_WARN, "host %u (process %u) is recovered", host,
				 pid[host]);
	end(r);
}

/* Whether there are other hosts. */
static bool look(struct mpd_disk *d)
{
	struct recovery *r = kmalloc(sizeof(*r), GFP_NOFS);
	bool others = true;

	if (!r)
		return true;
	r->d = d;
	r->dead = claim_dead(d, &others);
	if (!r->dead) {
		kfree(r);
		return others;
	}
	d->recovering |= r->dead;
	INIT_WORK(&r->work, recover);
	queue_work(d->recoverers, &r->work);
	return true;
}

static int watch(void *disk)
{
	struct mpd_disk *d = disk;
	u32 *changes = &pool_hosts(&d->pool)->changes;

	while (!kthread_should_stop()) {
		u32 seen = atomic_load_acquire(changes);

		plat_wait(d->plat, changes, seen, look(d) ? WATCH_MS : 0);
	}
	return 0;
}

int mpd_watch_start(struct mpd_disk *d)
{
	d->recoverers = alloc_workqueue("mpdisk-recover", WQ_UNBOUND | WQ_MEM_RECLAIM, 0);
	if (!d->recoverers)
		return -ENOMEM;
	d->watcher = kthread_run(watch, d, "mpdisk-watch");
	if (!IS_ERR(d->watcher))
		return 0;
	destroy_workqueue(d->recoverers);
	d->recoverers = NULL;
	return PTR_ERR(d->watcher);
}

void mpd_watch_stop(struct mpd_disk *d)
{
	if (!d->recoverers)
		return;
	flush_workqueue(d->recoverers); /* it may wait for what only the watcher finds dead */
	kthread_stop(d->watcher);
	destroy_workqueue(d->recoverers);
	d->recoverers = NULL;
}

/* Of the hosts that were there: nobody joins meanwhile (MPDISK_LOCK_JOIN). */
void mpd_recover_dead(struct mpd_disk *d)
{
	while (look(d)) {
		flush_workqueue(d->recoverers);
		msleep(RETRY_MS);
	}
}
