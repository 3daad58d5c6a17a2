// SPDX-License-Identifier: BSD-2-Clause
/* Requests out of the queues and back into them (vhost.h). */
#define _GNU_SOURCE
#include "vhost_priv.h"

#include <errno.h>
#include <linux/sockios.h>
#include <poll.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define UNTOLD_MAX 16u /* answers that nobody awaits */
#define CALL_MS 10000

void vhost_fail(struct vhost *vhost, const char *why)
{
	const char *none = NULL;

	if (atomic_compare_exchange_strong(&vhost->why, &none, why) &&
	    eventfd_write(vhost->control_fd, 1) < 0)
		return; /* it is seen when the connection ends otherwise */
}

/* ---- counting: first it is counted, then looked whether it may be; who bars does it the other way
 * round */
static void count(struct vhost *vhost, struct queue *queue)
{
	atomic_fetch_add(&vhost->active, 1);
	atomic_fetch_add(&queue->active, 1);
}

static void tell_awaiting(struct vhost *vhost)
{
	if (!atomic_load(&vhost->awaiting))
		return;
	pthread_mutex_lock(&vhost->count_lock);
	pthread_cond_broadcast(&vhost->idle);
	pthread_mutex_unlock(&vhost->count_lock);
}

static void uncount(struct vhost *vhost, struct queue *queue)
{
	atomic_fetch_sub(&queue->active, 1);
	atomic_fetch_sub(&vhost->active, 1);
	tell_awaiting(vhost);
}

void vhost_taken(struct vhost *vhost)
{
	atomic_fetch_sub(&vhost->taking, 1);
	tell_awaiting(vhost);
}

/* ---- taking */
static int take(struct vhost *vhost, struct queue *queue, struct vhost_request *request)
{
	const char *why;
	int got;

	pthread_mutex_lock(&queue->lock);
	ring_quiet(&queue->ring);
	got = ring_pop(&queue->ring, &vhost->memory, &request->chain, &why);
	if (!got && !vhost->looks && ring_arm(&queue->ring))
		got = ring_pop(&queue->ring, &vhost->memory, &request->chain, &why);
	pthread_mutex_unlock(&queue->lock);
	if (got < 0)
		vhost_fail(vhost, why);
	return got;
}

/* Such a request takes three descriptors, or one that is indirect. */
static unsigned int waiting_max(const struct ring *ring)
{
	const unsigned int places = ring->indirect ? ring->size : ring->size / 4;

	return places - places / 4;
}

/* [config for reading] */
static int pop(struct vhost *vhost, unsigned int i, struct vhost_request *request)
{
	struct queue *queue = &vhost->queues[i];
	int got = 0;

	if (!queue->running || queue->stopping)
		return 0;
	count(vhost, queue);
	if (!atomic_load(&vhost->barred))
		got = take(vhost, queue, request);
	if (got <= 0) {
		uncount(vhost, queue);
		return got;
	}
	request->vhost = vhost;
	request->queue = i;
	request->life = queue->life;
	request->alone = false;
	request->awaited = true;
	request->waiting_max = waiting_max(&queue->ring);
	request->got = 0;
	request->at = request->at_offset = 0;
	return got;
}

int vhost_pop(struct vhost *vhost, struct vhost_request *request)
{
	unsigned int i;
	int got = 0;

	pthread_rwlock_rdlock(&vhost->config);
	for (i = 0; got <= 0 && i < vhost->config_in.nqueues && !atomic_load(&vhost->why); i++)
		got = pop(vhost, i, request);
	request->more = got > 0 && queues_have_request(vhost);
	if (memory_is_lost(&vhost->memory))
		vhost_fail(vhost, "its memory has become shorter");
	pthread_rwlock_unlock(&vhost->config);
	return got > 0;
}

void vhost_done(struct vhost_request *request)
{
	struct vhost *vhost = request->vhost;

	if (request->alone) {
		pthread_mutex_lock(&vhost->count_lock);
		vhost->is_alone = false;
		vhost->to_be_alone--;
		atomic_store(&vhost->barred, vhost->to_be_alone > 0);
		pthread_mutex_unlock(&vhost->count_lock);
	}
	uncount(vhost, &vhost->queues[request->queue]);
}

void vhost_alone(struct vhost_request *request)
{
	struct vhost *vhost = request->vhost;

	pthread_mutex_lock(&vhost->count_lock);
	atomic_fetch_add(&vhost->awaiting, 1);
	vhost->to_be_alone++;
	atomic_store(&vhost->barred, true);
	while (vhost->is_alone || atomic_load(&vhost->active) > vhost->to_be_alone)
		pthread_cond_wait(&vhost->idle, &vhost->count_lock);
	vhost->is_alone = true;
	request->alone = true;
	atomic_fetch_sub(&vhost->awaiting, 1);
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
static bool copy(struct vhost_request *request, unsigned int end, void *data, uint32_t len,
		 bool to_guest)
{
	uint8_t *bytes = data;

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

/* ---- answers */
/* Until the guest has answered, its time may not go on: the moment of the call would be another one
 * each time. */
static void await_call(struct vhost *vhost)
{
	struct {
		struct vhost_header header;
		uint64_t number;
	} __attribute__((packed)) answer;
	struct pollfd pollfd = {.fd = vhost->channel, .events = POLLIN};

	if (poll(&pollfd, 1, CALL_MS) <= 0 ||
	    recv(vhost->channel, &answer, sizeof(answer), MSG_DONTWAIT | MSG_WAITALL) !=
		    (ssize_t)sizeof(answer) ||
	    !(answer.header.flags & VHOST_FLAG_REPLY) || answer.number)
		vhost_fail(vhost, "it does not take a call as it should");
}

static void call_by_message(struct vhost *vhost, unsigned int i)
{
	const bool answers = vhost->protocol_features >> VHOST_PROTOCOL_F_REPLY_ACK & 1;
	struct {
		struct vhost_header header;
		struct vhost_vring_state state;
	} message = {{VHOST_BACKEND_VRING_CALL, VHOST_FLAG_VERSION, sizeof(message.state)}, {i, 0}};

	if (answers)
		message.header.flags |= VHOST_FLAG_NEED_REPLY;
	pthread_mutex_lock(&vhost->channel_lock);
	if (atomic_load(&vhost->why))
		;
	else if (send(vhost->channel, &message, sizeof(message), MSG_DONTWAIT | MSG_NOSIGNAL) !=
		 (ssize_t)sizeof(message))
		vhost_fail(vhost, "it does not take calls");
	else if (answers)
		await_call(vhost);
	pthread_mutex_unlock(&vhost->channel_lock);
}

void queue_call(struct vhost *vhost, unsigned int i)
{
	const struct queue *queue = &vhost->queues[i];
	const uint64_t one = 1;

	if (vhost->protocol_features >> VHOST_PROTOCOL_F_INBAND_NOTIFICATIONS & 1 &&
	    vhost->channel >= 0)
		call_by_message(vhost, i);
	else if (queue->call >= 0 && write(queue->call, &one, sizeof(one)) < 0)
		return; /* full: the guest has not looked since, and is still to be woken by that */
}

bool queue_call_is_unread(const struct vhost *vhost, unsigned int i)
{
	int len;

	return vhost->queues[i].call >= 0 && !ioctl(vhost->queues[i].call, SIOCOUTQ, &len) &&
	       len > 0;
}

static uint64_t length_of(const struct iovec *iov, int niov)
{
	uint64_t len = 0;
	int i;

	for (i = 0; i < niov; i++)
		len += iov[i].iov_len;
	return len;
}

/* [config] There is room. What was not read of the request is of no interest any more. */
static bool fill(struct vhost_request *request, uint32_t offset, const struct iovec *iov, int niov)
{
	const unsigned int end = request->chain.nread + request->chain.nwrite;
	int i;

	request->at = request->chain.nread;
	while (request->at < end && offset >= request->chain.segment[request->at].len)
		offset -= request->chain.segment[request->at++].len;
	request->at_offset = offset;
	for (i = 0; i < niov; i++)
		if (!copy(request, end, iov[i].iov_base, (uint32_t)iov[i].iov_len, true))
			return false;
	return true;
}

bool vhost_fill(struct vhost_request *request, uint32_t offset, const struct iovec *iov, int niov)
{
	bool done;

	if (offset + length_of(iov, niov) > request->chain.write_len || !vhost_enter(request))
		return false;
	done = fill(request, offset, iov, niov);
	vhost_leave(request);
	return done;
}

bool queue_wants_call(struct queue *queue)
{
	queue->untold = 0;
	return ring_wants_call(&queue->ring);
}

/* [config] */
static void push(struct vhost_request *request, const struct iovec *iov, int niov, uint32_t len)
{
	struct vhost *vhost = request->vhost;
	struct queue *queue = &vhost->queues[request->queue];
	bool call;

	if (!fill(request, 0, iov, niov))
		return;
	pthread_mutex_lock(&queue->lock);
	ring_push(&queue->ring, request->chain.head, len);
	queue->untold++;
	call = (request->awaited || queue->untold >= UNTOLD_MAX || !vhost->looks) &&
	       queue_wants_call(queue);
	pthread_mutex_unlock(&queue->lock);
	if (call)
		queue_call(vhost, request->queue);
}

/* [config] */
static void hold(const struct vhost_request *request, const struct iovec *iov, int niov,
		 uint32_t len, uint32_t filled)
{
	struct queue *queue = &request->vhost->queues[request->queue];
	struct held *held = malloc(sizeof(*held) + len);
	uint32_t at = 0;
	int i;

	if (!held)
		return;
	held->request = vhost_copy(request);
	if (!held->request) {
		free(held);
		return;
	}
	held->len = len;
	held->filled = filled;
	for (i = 0; i < niov; at += (uint32_t)iov[i].iov_len, i++)
		if (iov[i].iov_len)
			memcpy(held->bytes + at, iov[i].iov_base, iov[i].iov_len);
	pthread_mutex_lock(&queue->lock);
	held->next = queue->held;
	queue->held = held;
	pthread_mutex_unlock(&queue->lock);
}

static struct held *pop_held(struct queue *queue)
{
	struct held *held;

	pthread_mutex_lock(&queue->lock);
	held = queue->held;
	if (held)
		queue->held = held->next;
	pthread_mutex_unlock(&queue->lock);
	return held;
}

static void free_held(struct held *held)
{
	free(held->request);
	free(held);
}

void queue_give_held(struct queue *queue)
{
	struct held *held;

	while ((held = pop_held(queue))) {
		const struct iovec iov = {held->bytes, held->len};

		if (held->request->life == queue->life)
			push(held->request, &iov, held->len ? 1 : 0, held->len + held->filled);
		free_held(held);
	}
}

void queue_drop_held(struct queue *queue)
{
	struct held *held;

	while ((held = pop_held(queue)))
		free_held(held);
}

bool vhost_answer(struct vhost_request *request, const struct iovec *iov, int niov, uint32_t filled)
{
	struct vhost *vhost = request->vhost;
	const struct queue *queue = &vhost->queues[request->queue];
	const uint64_t len = length_of(iov, niov);

	if (len + filled > request->chain.write_len)
		return false;
	pthread_rwlock_rdlock(&vhost->config);
	if (queue->life == request->life && !atomic_load(&vhost->why)) {
		if (queue->running)
			push(request, iov, niov, (uint32_t)len + filled);
		else
			hold(request, iov, niov, (uint32_t)len, filled);
	}
	vhost_leave(request);
	return true;
}

void vhost_broken(struct vhost_request *request, const char *why)
{
	vhost_fail(request->vhost, why);
}
