// SPDX-License-Identifier: BSD-2-Clause
/* Threads that wait for requests, and the control thread that waits for threads (vhost.h). */
#define _GNU_SOURCE
#include "vhost_priv.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>

#define LOOK_NS 100000u  /* for another request, before a thread sleeps */
#define AGAIN_NS 50000u  /* of that, and calls that the guest has not read yet are made again */
#define PASS_MAX 63u     /* times that a thread sleeps at once, at most */
#define AWAIT_NS 1000000 /* while somebody waits for a queue to be empty */

void vhost_wake(struct vhost *vhost)
{
	if (eventfd_write(vhost->wake_fd, 1) < 0)
		vhost_fail(vhost, "the eventfd of the waiting threads does not work");
}

/* There is nothing else to do. */
static void tell(struct vhost *vhost)
{
	unsigned int i;

	pthread_rwlock_rdlock(&vhost->config);
	for (i = 0; i < vhost->config_in.nqueues; i++) {
		struct queue *queue = &vhost->queues[i];
		bool call;

		if (!queue->running)
			continue;
		pthread_mutex_lock(&queue->lock);
		call = queue->untold && queue_wants_call(queue);
		pthread_mutex_unlock(&queue->lock);
		if (call)
			queue_call(vhost, i);
	}
	pthread_rwlock_unlock(&vhost->config);
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

bool queues_have_request(struct vhost *vhost)
{
	bool has = false;
	unsigned int i;

	for (i = 0; !has && i < vhost->config_in.nqueues; i++) {
		struct queue *queue = &vhost->queues[i];

		if (!queue->running || queue->stopping)
			continue;
		pthread_mutex_lock(&queue->lock);
		has = ring_has_more(&queue->ring);
		pthread_mutex_unlock(&queue->lock);
	}
	return has && !atomic_load(&vhost->barred) && !atomic_load(&vhost->why);
}

/* The guest is to kick. True: there is a request already. */
static bool arm(struct vhost *vhost)
{
	bool has = false;
	unsigned int i;

	pthread_rwlock_rdlock(&vhost->config);
	for (i = 0; i < vhost->config_in.nqueues; i++) {
		struct queue *queue = &vhost->queues[i];

		if (!queue->running || queue->stopping)
			continue;
		pthread_mutex_lock(&queue->lock);
		has = ring_arm(&queue->ring) || has;
		pthread_mutex_unlock(&queue->lock);
	}
	has = has && !atomic_load(&vhost->barred) && !atomic_load(&vhost->why);
	pthread_rwlock_unlock(&vhost->config);
	return has;
}

/* User-Mode Linux may sleep over a call that comes just when it goes idle, until its next tick, for
 * 10 ms. Called again it wakes. */
static void call_again(struct vhost *vhost)
{
	unsigned int i;

	pthread_rwlock_rdlock(&vhost->config);
	for (i = 0; i < vhost->config_in.nqueues; i++)
		if (vhost->queues[i].running && queue_call_is_unread(vhost, i))
			queue_call(vhost, i);
	pthread_rwlock_unlock(&vhost->config);
}

/* For so long; *busy: until another thread has a request in its hands. */
static bool look_at_queues(struct vhost *vhost, bool *busy)
{
	const uint64_t start = now_ns();
	bool found, again = false;
	uint64_t past;

	do {
		pthread_rwlock_rdlock(&vhost->config);
		found = queues_have_request(vhost);
		pthread_rwlock_unlock(&vhost->config);
		*busy = atomic_load(&vhost->active);
		past = now_ns() - start;
		if (!found && !again && past >= AGAIN_NS) {
			call_again(vhost);
			again = true;
		}
	} while (!found && !*busy && past < LOOK_NS);
	return found;
}

/* A guest that does one thing after the other asks again a moment after an answer: sooner than a
 * sleeping thread, and the processor that it was on, are awake. So one thread looks for that long
 * before it sleeps; after a look in vain, not the next times: twice as many as before. */
static bool look(struct vhost *vhost)
{
	bool found, busy;

	if (vhost->pass) {
		vhost->pass--;
		return false;
	}
	found = look_at_queues(vhost, &busy);
	if (found)
		vhost->to_pass = 0;
	else if (!busy)
		vhost->to_pass = vhost->to_pass < PASS_MAX ? 2 * vhost->to_pass + 1 : PASS_MAX;
	vhost->pass = vhost->to_pass;
	return found;
}

/* True: there is a request; else guests kick, or another thread is awake that sees to it. */
static bool look_once_more(struct vhost *vhost)
{
	bool found;

	if (atomic_exchange(&vhost->looking, true))
		return false;
	found = look(vhost);
	atomic_store(&vhost->looking, false);
	if (found)
		return true;
	tell(vhost);
	return arm(vhost);
}

bool vhost_wait(struct vhost *vhost)
{
	struct epoll_event event;

	if (atomic_load(&vhost->stopping))
		return false;
	if (vhost->looks && look_once_more(vhost))
		return true;
	if (epoll_wait(vhost->epoll, &event, 1, -1) < 0 && errno != EINTR)
		return false;
	atomic_fetch_add(&vhost->taking, vhost->config_in.takes);
	return !atomic_load(&vhost->stopping);
}

/* ---- waiting for what is under way. Control thread: nobody else changes the configuration. */
static bool is_active(struct vhost *vhost, struct queue *queue)
{
	(void)vhost;
	return atomic_load(&queue->active);
}

static bool is_kicked(struct vhost *vhost, struct queue *queue)
{
	bool more = false;

	if (atomic_load(&vhost->why))
		return false;
	if (queue->running) {
		pthread_mutex_lock(&queue->lock);
		more = ring_has_more(&queue->ring);
		pthread_mutex_unlock(&queue->lock);
	}
	return more ||
	       (vhost->config_in.takes ? atomic_load(&vhost->taking) : atomic_load(&queue->active));
}

static void await(struct vhost *vhost, struct queue *queue,
		  bool (*busy)(struct vhost *vhost, struct queue *queue), int timeout_ms)
{
	struct timespec until, look;
	bool late = false;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += timeout_ms / 1000;
	pthread_mutex_lock(&vhost->count_lock);
	atomic_fetch_add(&vhost->awaiting, 1);
	while (!late && busy(vhost, queue)) {
		clock_gettime(CLOCK_MONOTONIC, &look);
		late = timeout_ms >= 0 && look.tv_sec >= until.tv_sec;
		look.tv_nsec += AWAIT_NS;
		look.tv_sec += look.tv_nsec / 1000000000;
		look.tv_nsec %= 1000000000;
		pthread_cond_timedwait(&vhost->idle, &vhost->count_lock, &look);
	}
	atomic_fetch_sub(&vhost->awaiting, 1);
	pthread_mutex_unlock(&vhost->count_lock);
}

void queue_await(struct vhost *vhost, struct queue *queue, int timeout_ms)
{
	await(vhost, queue, is_active, timeout_ms);
}

void queue_await_kick(struct vhost *vhost, struct queue *queue)
{
	await(vhost, queue, is_kicked, -1);
}
