// SPDX-License-Identifier: BSD-2-Clause
/*
 * Notices the death of hosts and recovers them.
 *
 * Each other host has a thread here that waits for the byte lock which that host holds for life: it
 * gets it when the host is gone, however it went. No thread runs as long as nothing happens. Who
 * holds the byte of a dead host is its recoverer; should that one die as well, the kernel gives the
 * byte to the next.
 *
 * Locks on files belong to the process (to its file descriptor), not to a thread: so within the
 * process the host's mutex in `recovering` is taken first, and the byte then tried again. Hosts
 * that are dead at the same time are recovered at the same time: one may wait for what another
 * holds. So none of these threads ends while another one recovers, nor before this process has
 * waited for anything of the pool for the last time.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "platform/atomic.h"
#include "private.h"

#define RETRY_US 20000

static bool is_ending(struct mpdisk *disk)
{
	bool ending;

	pthread_mutex_lock(&disk->lock);
	ending = disk->watch_ends;
	pthread_mutex_unlock(&disk->lock);
	return ending;
}

/* Whether this thread may recover: then no other one ends before recovering_done(). */
static bool recovering_begin(struct mpdisk *disk)
{
	bool begins;

	pthread_mutex_lock(&disk->lock);
	begins = !disk->watch_ends;
	disk->nrecovering += begins;
	pthread_mutex_unlock(&disk->lock);
	return begins;
}

static void recovering_done(struct mpdisk *disk)
{
	pthread_mutex_lock(&disk->lock);
	disk->nrecovering--;
	pthread_cond_broadcast(&disk->changed);
	pthread_mutex_unlock(&disk->lock);
}

static bool is_used(struct mpdisk *disk, u32 host)
{
	return atomic_load_acquire(&pool_host(&disk->pool, host)->state) == HOST_USED;
}

/* Whether the host is dead and this thread recovers it: then its byte and its mutex are ours. */
static bool claim(struct mpdisk *disk, u32 host)
{
	if (byte_lock(disk->fd, F_WRLCK, MPDISK_LOCK_HOST(host)) != 0)
		return false;
	if (is_used(disk, host))
		return true;
	if (byte_lock(disk->fd, F_UNLCK, MPDISK_LOCK_HOST(host)) != 0)
		plat_panic(disk->plat, "a lock cannot be released", __FILE__, __LINE__);
	return false;
}

/* The host, if it is dead, and all others that are and that nobody is at. */
static u32 claim_dead(struct mpdisk *disk, u32 first)
{
	u32 dead = 0;

	pthread_mutex_lock(&disk->recovering[first - 1]);
	if (claim(disk, first))
		dead = 1u << first;
	else
		pthread_mutex_unlock(&disk->recovering[first - 1]);
	for (u32 host = 1; dead && host <= POOL_HOSTS; host++) {
		if (host == first || host == disk->host || !is_used(disk, host) ||
		    pthread_mutex_trylock(&disk->recovering[host - 1]) != 0)
			continue;
		if (claim(disk, host))
			dead |= 1u << host;
		else
			pthread_mutex_unlock(&disk->recovering[host - 1]);
	}
	return dead;
}

/* True: nothing is left to be recovered of this host, or it lives, or another recovers it. */
static bool recover(struct mpdisk *disk, u32 first)
{
	u32 dead = claim_dead(disk, first), host;
	u32 pid[POOL_HOSTS + 1];
	int err = 0;

	for (host = 1; host <= POOL_HOSTS; host++) {
		pid[host] = pool_host(&disk->pool, host)->pid;
		if (dead >> host & 1)
			plat_log(disk->plat, PLAT_WARN, "host %u (process %u) has died", host,
				 pid[host]);
	}
	if (dead)
		err = hosts_recover(&disk->pool, disk->plat, dead);
	for (host = 1; host <= POOL_HOSTS; host++) {
		if (!(dead >> host & 1))
			continue;
		if (!err)
			plat_log(disk->plat, PLAT_WARN, "host %u (process %u) is recovered", host,
				 pid[host]);
		if (byte_lock(disk->fd, F_UNLCK, MPDISK_LOCK_HOST(host)) != 0)
			plat_panic(disk->plat, "a lock cannot be released", __FILE__, __LINE__);
		pthread_mutex_unlock(&disk->recovering[host - 1]);
	}
	return err == 0;
}

void watch_recover_dead(struct mpdisk *disk)
{
	for (u32 host = 1; host <= POOL_HOSTS; host++)
		while (host != disk->host && is_used(disk, host) && !recover(disk, host))
			usleep(RETRY_US);
}

/* Waits until the host is gone, or a signal says that this process leaves. */
static void await_end(struct mpdisk *disk, u32 host)
{
	struct flock flock = {.l_type = F_WRLCK,
			      .l_whence = SEEK_SET,
			      .l_start = MPDISK_LOCK_HOST(host),
			      .l_len = 1};

	while (fcntl(disk->fd, F_OFD_SETLKW, &flock) != 0 && errno == EINTR && !is_ending(disk))
		;
}

static void *watcher_main(void *arg)
{
	struct watcher *w = arg;
	struct mpdisk *disk = w->disk;
	u32 *changes = &pool_hosts(&disk->pool)->changes;
	bool done;

	for (;;) {
		u32 seen = atomic_load_acquire(changes);

		if (is_ending(disk)) /* looked at after `changes`, which watch_stop() changes */
			break;
		if (!is_used(disk, w->host)) {
			plat_wait(disk->plat, changes, seen, 0);
			continue;
		}
		await_end(disk, w->host);
		if (!recovering_begin(disk))
			break;
		done = recover(disk, w->host);
		recovering_done(disk);
		if (!done)
			usleep(RETRY_US);
	}
	atomic_store_release(&w->ended, 1);
	return NULL;
}

/* Starts a watcher for each number that is seen in use. */
static void *greeter_main(void *arg)
{
	struct mpdisk *disk = arg;
	u32 *changes = &pool_hosts(&disk->pool)->changes;

	for (;;) {
		u32 seen = atomic_load_acquire(changes);

		if (is_ending(disk))
			break;
		for (u32 host = 1; host <= POOL_HOSTS; host++) {
			struct watcher *w = &disk->watchers[host - 1];

			if (host == disk->host || w->started || !is_used(disk, host))
				continue;
			w->disk = disk;
			w->host = host;
			w->started = pthread_create(&w->thread, NULL, watcher_main, w) == 0;
			if (!w->started)
				plat_log(disk->plat, PLAT_ERR,
					 "no thread to watch host %u: others must do it", host);
		}
		plat_wait(disk->plat, changes, seen, 0);
	}
	return NULL;
}

static void on_signal(int number)
{
	(void)number; /* only interrupts F_OFD_SETLKW */
}

int watch_start(struct mpdisk *disk)
{
	struct sigaction action = {.sa_handler = on_signal};
	int err;

	sigaction(MPDISK_SIGNAL, &action, NULL);
	err = pthread_create(&disk->greeter, NULL, greeter_main, disk);

	disk->greeter_started = !err;
	return -err;
}

void watch_stop(struct mpdisk *disk)
{
	u32 *changes = &pool_hosts(&disk->pool)->changes;

	if (!disk->greeter_started)
		return;
	pthread_mutex_lock(&disk->lock);
	while (disk->nrecovering)
		pthread_cond_wait(&disk->changed, &disk->lock);
	disk->watch_ends = true;
	pthread_mutex_unlock(&disk->lock);
	atomic_add(changes, 1);
	plat_wake(disk->plat, changes);
	pthread_join(disk->greeter, NULL);
	for (u32 i = 0; i < POOL_HOSTS; i++) {
		struct watcher *w = &disk->watchers[i];

		if (!w->started)
			continue;
		while (!atomic_load_acquire(&w->ended)) {
			pthread_kill(w->thread, MPDISK_SIGNAL); /* it may just be about to wait */
			usleep(1000);
		}
		pthread_join(w->thread, NULL);
	}
}
