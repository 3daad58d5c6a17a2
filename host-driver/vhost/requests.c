// SPDX-License-Identifier: BSD-2-Clause
/* Requests out of the queues and back into them (vhost.h). */
#define _GNU_SOURCE
#include "vhost_priv.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

bool vhost_wait(struct vhost *vhost)
{
	struct epoll_event event;

	if (atomic_load(&vhost->stopping))
		return false;
	if (epoll_wait(vhost->epoll, &event, 1, -1) < 0 && errno != EINTR)
		return false;
	return !atomic_load(&vhost->stopping);
}

void vhost_wake(struct vhost *vhost)
{
	if (eventfd_write(vhost->wake_fd, 1) < 0)
		vhost_fail(vhost, "the eventfd of the waiting threads does not work");
}

void vhost_fail(struct vhost *vhost, const char *why)
{
	const char *none = NULL;

	if (atomic_compare_exchange_strong(&vhost->why, &none, why) &&
	    eventfd_write(vhost->control_fd, 1) < 0)
		return; /* it is seen when the connection ends otherwise */
}

/* [config for reading] */
static int pop(struct vhost *vhost, unsigned int i, struct vhost_request *request)
{
	struct queue *queue = &vhost->queues[i];
	const char *why;
	int got = 0;

	if (!queue->running || queue->stopping)
		return 0;
	pthread_mutex_lock(&queue->lock);
	ring_quiet(&queue->ring);
	got = ring_pop(&queue->ring, &vhost->memory, &request->chain, &why);
	if (!got && ring_arm(&queue->ring))
		got = ring_pop(&queue->ring, &vhost->memory, &request->chain, &why);
	pthread_mutex_unlock(&queue->lock);
	if (got > 0) {
		request->vhost = vhost;
		request->queue = i;
		request->life = queue->life;
		request->got = request->written = 0;
		request->at = request->at_offset = 0;
		pthread_mutex_lock(&vhost->count_lock);
		queue->active++;
		pthread_mutex_unlock(&vhost->count_lock);
	} else if (got < 0) {
		vhost_fail(vhost, why);
	}
	return got;
}

int vhost_pop(struct vhost *vhost, struct vhost_request *request)
{
	unsigned int i;
	int got = 0;

	pthread_rwlock_rdlock(&vhost->config);
	for (i = 0; got <= 0 && i < vhost->config_in.nqueues && !atomic_load(&vhost->why); i++)
		got = pop(vhost, i, request);
	if (memory_is_lost(&vhost->memory))
		vhost_fail(vhost, "its memory has become shorter");
	pthread_rwlock_unlock(&vhost->config);
	return got > 0;
}

bool vhost_has_more(const struct vhost_request *request)
{
	struct vhost *vhost = request->vhost;
	struct queue *queue = &vhost->queues[request->queue];
	bool more = false;

	pthread_rwlock_rdlock(&vhost->config);
	pthread_mutex_lock(&queue->lock);
	if (queue->running && !queue->stopping)
		more = ring_has_more(&queue->ring);
	pthread_mutex_unlock(&queue->lock);
	pthread_rwlock_unlock(&vhost->config);
	return more;
}

void vhost_done(struct vhost_request *request)
{
	struct vhost *vhost = request->vhost;
	struct queue *queue = &vhost->queues[request->queue];

	pthread_mutex_lock(&vhost->count_lock);
	if (!--queue->active)
		pthread_cond_broadcast(&vhost->idle);
	pthread_mutex_unlock(&vhost->count_lock);
}

struct vhost_request *vhost_copy(const struct vhost_request *request)
{
	const size_t size =
		offsetof(struct vhost_request, chain.segment) +
		(request->chain.nread + request->chain.nwrite) * sizeof(request->chain.segment[0]);
	struct vhost_request *copied = malloc(size);

	if (copied)
		memcpy(copied, request, size);
	return copied;
}

bool vhost_enter(struct vhost_request *request)
{
	const struct queue *queue = &request->vhost->queues[request->queue];

	pthread_rwlock_rdlock(&request->vhost->config);
	if (queue->running && queue->life == request->life && !atomic_load(&request->vhost->why))
		return true;
	pthread_rwlock_unlock(&request->vhost->config);
	return false;
}

void vhost_leave(struct vhost_request *request)
{
	if (memory_is_lost(&request->vhost->memory))
		vhost_fail(request->vhost, "its memory has become shorter");
	pthread_rwlock_unlock(&request->vhost->config);
}

/* Copies the next len bytes of the segments up to `end` from or to guest memory. */
static bool copy(struct vhost_request *request, unsigned int end, uint8_t *bytes, uint32_t len,
		 bool to_guest)
{
	while (len > 0 && request->at < end) {
		const struct chain_segment *segment = &request->chain.segment[request->at];
		const uint32_t left = segment->len - request->at_offset;
		uint64_t part;
		void *guest =
			memory_guest(&request->vhost->memory, segment->addr + request->at_offset,
				     len < left ? len : left, &part);

		if (!guest) {
			vhost_fail(request->vhost, "the memory of a request was taken away");
			return false;
		}
		if (to_guest)
			memcpy(guest, bytes, part);
		else
			memcpy(bytes, guest, part);
		bytes += part;
		len -= (uint32_t)part;
		request->at_offset += (uint32_t)part;
		if (request->at_offset == segment->len) {
			request->at++;
			request->at_offset = 0;
		}
	}
	return len == 0;
}

bool vhost_get(struct vhost_request *request, void *to, uint32_t len)
{
	if (len > request->chain.read_len - request->got)
		return false;
	request->got += len;
	return copy(request, request->chain.nread, to, len, false);
}

uint32_t vhost_room(const struct vhost_request *request)
{
	return request->chain.write_len - request->written;
}

bool vhost_put(struct vhost_request *request, const void *from, uint32_t len)
{
	if (len > vhost_room(request))
		return false;
	if (request->at < request->chain.nread) { /* what was not read is of no interest */
		request->at = request->chain.nread;
		request->at_offset = 0;
	}
	request->written += len;
	return copy(request, request->chain.nread + request->chain.nwrite,
		    (uint8_t *)(uintptr_t)from, len, true);
}

static void call_guest(struct queue *queue)
{
	const uint64_t one = 1;

	/* It is full when the guest has not looked since: then it is still to be woken by that. */
	if (queue->call >= 0 && write(queue->call, &one, sizeof(one)) < 0)
		return;
}

void vhost_push(struct vhost_request *request)
{
	struct queue *queue = &request->vhost->queues[request->queue];
	bool call;

	pthread_mutex_lock(&queue->lock);
	ring_push(&queue->ring, request->chain.head, request->written);
	call = ring_wants_call(&queue->ring);
	pthread_mutex_unlock(&queue->lock);
	if (call)
		call_guest(queue);
}

void vhost_broken(struct vhost_request *request, const char *why)
{
	vhost_fail(request->vhost, why);
}
