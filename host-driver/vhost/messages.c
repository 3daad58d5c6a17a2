// SPDX-License-Identifier: BSD-2-Clause
/* The vhost-user messages: receives them, carries them out, answers. Control thread only. */
#define _GNU_SOURCE
#include "vhost_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <syslog.h>
#include <unistd.h>

#include "../cli/report.h"

#define STOP_MS 1000 /* so long a guest that stops a queue waits for what is under way */

/* ---- receiving */
static int take_fds(struct receiver *r, struct msghdr *msg)
{
	struct cmsghdr *c;
	int err = msg->msg_flags & MSG_CTRUNC ? -EPROTO : 0;
	size_t i, n;

	for (c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(fd), sizeof(fd));
			if (r->nfds < VHOST_REGIONS_MAX) {
				r->fds[r->nfds++] = fd;
			} else {
				close(fd);
				err = -EPROTO;
			}
		}
	}
	return err;
}

static int receive_bytes(struct vhost *vhost, void *to, uint32_t len)
{
	struct receiver *r = &vhost->receiver;
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int) * VHOST_REGIONS_MAX)];
	} control;
	struct iovec iov = {to, len};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = &control,
			     .msg_controllen = sizeof(control)};
	ssize_t n = recvmsg(vhost->connection, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -ECONNRESET;
	if (n == 0)
		return -ECONNRESET;
	r->len += (uint32_t)n;
	return take_fds(r, &msg);
}

int receive_message(struct vhost *vhost)
{
	struct receiver *r = &vhost->receiver;
	const uint32_t head = sizeof(r->header);
	int err;

	if (r->len < head) {
		err = receive_bytes(vhost, (uint8_t *)&r->header + r->len, head - r->len);
		if (err || r->len < head)
			return err;
	}
	if ((r->header.flags & VHOST_FLAG_VERSION_MASK) != VHOST_FLAG_VERSION ||
	    r->header.flags & VHOST_FLAG_REPLY || r->header.size > sizeof(r->payload))
		return -EPROTO;
	if (r->len < head + r->header.size) {
		err = receive_bytes(vhost, (uint8_t *)&r->payload + (r->len - head),
				    head + r->header.size - r->len);
		if (err)
			return err;
	}
	return r->len == head + r->header.size;
}

void receive_next(struct vhost *vhost)
{
	struct receiver *r = &vhost->receiver;
	unsigned int i;

	for (i = 0; i < r->nfds; i++)
		if (r->fds[i] >= 0)
			close(r->fds[i]);
	memset(r, 0, sizeof(*r));
}

/* ---- answering */
static int reply(struct vhost *vhost, const void *payload, uint32_t size)
{
	struct vhost_header header = {.request = vhost->receiver.header.request,
				      .flags = VHOST_FLAG_VERSION | VHOST_FLAG_REPLY,
				      .size = size};
	struct iovec iov[2] = {{&header, sizeof(header)}, {(void *)(uintptr_t)payload, size}};
	struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 2};
	ssize_t n = sendmsg(vhost->connection, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);

	/* Nobody has so much unread in a socket who waits for each answer. */
	return n == (ssize_t)(sizeof(header) + size) ? 0 : -ECONNRESET;
}

static int reply_number(struct vhost *vhost, uint64_t number)
{
	return reply(vhost, &number, sizeof(number));
}

/* ---- queues */
static bool is_in_band(const struct vhost *vhost)
{
	return vhost->protocol_features >> VHOST_PROTOCOL_F_INBAND_NOTIFICATIONS & 1;
}

void replace_fd(int *fd, int with)
{
	if (*fd >= 0)
		close(*fd);
	*fd = with;
}

static void set_kick(struct vhost *vhost, struct queue *queue, int fd)
{
	if (queue->kick >= 0) /* others may have it open: closing it is not enough */
		epoll_ctl(vhost->epoll, EPOLL_CTL_DEL, queue->kick, NULL);
	replace_fd(&queue->kick, fd);
}

void queue_forget(struct vhost *vhost, struct queue *queue)
{
	set_kick(vhost, queue, -1);
	replace_fd(&queue->call, -1);
	replace_fd(&queue->err, -1);
	memset(&queue->ring, 0, sizeof(queue->ring));
	queue->has_addr = queue->enabled = queue->started = queue->running = false;
	queue_drop_held(queue);
	queue->life++;
}

static bool is_aligned(const void *at, uintptr_t to)
{
	return (uintptr_t)at % to == 0;
}

/* Where the rings are now. */
static bool find_rings(struct vhost *vhost, struct queue *queue)
{
	const uint64_t size = queue->ring.size;
	struct ring *ring = &queue->ring;

	ring->desc = memory_user(&vhost->memory, queue->addr.desc_user_addr,
				 size * sizeof(struct vring_desc));
	ring->avail = memory_user(&vhost->memory, queue->addr.avail_user_addr,
				  sizeof(struct vring_avail) + (size + 1) * sizeof(__virtio16));
	ring->used = memory_user(&vhost->memory, queue->addr.used_user_addr,
				 sizeof(struct vring_used) + size * sizeof(struct vring_used_elem) +
					 sizeof(__virtio16));
	if (ring->desc && ring->avail && ring->used &&
	    is_aligned(ring->desc, VRING_DESC_ALIGN_SIZE) &&
	    is_aligned(ring->avail, VRING_AVAIL_ALIGN_SIZE) &&
	    is_aligned(ring->used, VRING_USED_ALIGN_SIZE))
		return true;
	vhost_fail(vhost, "a ring is not in its memory, or at an odd address");
	return false;
}

static void queue_update(struct vhost *vhost, struct queue *queue)
{
	const bool was = queue->running;
	const bool wanted = queue->enabled && queue->started && queue->has_addr &&
			    queue->ring.size && vhost->memory.nregions;

	queue->running = wanted && find_rings(vhost, queue);
	if (!queue->running || was)
		return;
	queue->ring.indirect = vhost->features >> VIRTIO_RING_F_INDIRECT_DESC & 1;
	queue->ring.event_idx = vhost->features >> VIRTIO_RING_F_EVENT_IDX & 1;
	queue->ring.next_used = __atomic_load_n(&queue->ring.used->idx, __ATOMIC_RELAXED);
	queue->ring.told_used = queue->ring.next_used;
	queue->untold = 0;
	queue_give_held(queue);
	vhost_wake(vhost); /* it may have been kicked before */
}

/* [config for writing] Finds the rings anew after a change. */
static void queues_update(struct vhost *vhost)
{
	unsigned int i;

	for (i = 0; i < vhost->config_in.nqueues; i++)
		queue_update(vhost, &vhost->queues[i]);
}

/* ---- the messages */
static struct queue *queue_of(struct vhost *vhost, uint32_t index)
{
	return index < vhost->config_in.nqueues ? &vhost->queues[index] : NULL;
}

static int set_features(struct vhost *vhost, uint64_t features)
{
	unsigned int i;

	if (features & ~VHOST_FEATURES)
		return -EINVAL;
	vhost->features = features;
	if (!(features >> VHOST_F_PROTOCOL_FEATURES & 1))
		for (i = 0; i < vhost->config_in.nqueues; i++)
			vhost->queues[i].enabled = true; /* there is no message for it */
	return 0;
}

static int set_mem_table(struct vhost *vhost, const struct vhost_table *table)
{
	const struct receiver *r = &vhost->receiver;
	const char *why;
	int err;

	if (!table->nregions || table->nregions > VHOST_REGIONS_MAX || table->nregions != r->nfds ||
	    r->header.size < offsetof(struct vhost_table, region) +
				     table->nregions * sizeof(table->region[0]))
		return -EINVAL;
	memory_unmap(&vhost->memory);
	err = memory_map(&vhost->memory, table, r->fds, &why);
	if (err)
		report(LOG_ERR, "%s: a guest's memory: %s: %s", vhost->config_in.socket, why,
		       error_text(err));
	return err;
}

static int set_num(struct vhost *vhost, const struct vhost_vring_state *state)
{
	struct queue *queue = queue_of(vhost, state->index);

	if (!queue || !state->num || state->num > QUEUE_SIZE_MAX ||
	    (state->num & (state->num - 1)) != 0)
		return -EINVAL;
	if (queue->ring.size != state->num)
		queue->life++;
	queue->ring.size = state->num;
	return 0;
}

static int set_addr(struct vhost *vhost, const struct vhost_vring_addr *addr)
{
	struct queue *queue = queue_of(vhost, addr->index);

	if (!queue || addr->flags)
		return -EINVAL;
	if (queue->has_addr && memcmp(&queue->addr, addr, sizeof(*addr)) != 0)
		queue->life++;
	queue->addr = *addr;
	queue->has_addr = true;
	return 0;
}

static int set_base(struct vhost *vhost, const struct vhost_vring_state *state)
{
	struct queue *queue = queue_of(vhost, state->index);

	if (!queue || state->num > UINT16_MAX)
		return -EINVAL;
	if (queue->ring.next_avail != state->num)
		queue->life++;
	queue->ring.next_avail = (uint16_t)state->num;
	return 0;
}

/* Nothing of the queue is under way any more; but not at any price, for the guest waits. */
static void queue_stop(struct vhost *vhost, struct queue *queue)
{
	queue->stopping = true;
	pthread_rwlock_unlock(&vhost->config); /* who is at a request needs it to end */
	queue_await(vhost, queue, STOP_MS);
	pthread_rwlock_wrlock(&vhost->config);
	queue->stopping = false;
	queue->running = false;
}

/* QEMU that has connected again asks a new back end where the old one was, and takes the ring's
 * word if there is no answer. */
static int get_base(struct vhost *vhost, const struct vhost_vring_state *state)
{
	struct queue *queue = queue_of(vhost, state->index);
	struct vhost_vring_state out = *state;

	if (!queue || !queue->has_addr)
		return -EINVAL;
	set_kick(vhost, queue, -1);
	queue->started = false;
	queue_stop(vhost, queue);
	out.num = queue->ring.next_avail;
	return reply(vhost, &out, sizeof(out));
}

static int set_enable(struct vhost *vhost, const struct vhost_vring_state *state)
{
	struct queue *queue = queue_of(vhost, state->index);

	if (!queue || state->num > 1)
		return -EINVAL;
	queue->enabled = state->num;
	if (!queue->enabled)
		queue_stop(vhost, queue);
	else if (is_in_band(vhost))
		queue->started = true; /* there need not be a SET_VRING_KICK */
	return 0;
}

static uint64_t protocol_features(const struct vhost *vhost)
{
	const uint64_t in_band = 1ull << VHOST_PROTOCOL_F_INBAND_NOTIFICATIONS;

	return VHOST_PROTOCOL_FEATURES | (vhost->config_in.in_band ? in_band : 0);
}

/* A kick: it is acknowledged when what it was for is served (or taken: vhost.h), so that to a guest
 * in virtual time nothing happens at some other moment. */
static int kick(struct vhost *vhost, const struct vhost_vring_state *state)
{
	struct queue *queue = queue_of(vhost, state->index);

	if (!queue || !is_in_band(vhost))
		return -EINVAL;
	pthread_rwlock_unlock(&vhost->config);
	vhost_wake(vhost);
	queue_await_kick(vhost, queue);
	pthread_rwlock_wrlock(&vhost->config);
	return 0;
}

/* KICK, CALL, ERR: takes the message's descriptor. */
static int set_fd(struct vhost *vhost, uint64_t number)
{
	struct receiver *r = &vhost->receiver;
	struct queue *queue = queue_of(vhost, number & VHOST_VRING_INDEX_MASK);
	const bool has_fd = !(number & VHOST_VRING_NO_FD);
	struct epoll_event event = {.events = EPOLLIN | EPOLLET};
	int fd = -1, flags;

	if (!queue || number & ~(uint64_t)(VHOST_VRING_INDEX_MASK | VHOST_VRING_NO_FD) ||
	    r->nfds != has_fd)
		return -EINVAL;
	if (has_fd) {
		fd = r->fds[0];
		flags = fcntl(fd, F_GETFL);
		if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
			return -errno;
	}
	if (r->header.request == VHOST_SET_VRING_KICK) {
		if (!has_fd && !is_in_band(vhost))
			return -EOPNOTSUPP; /* there is nobody to poll for it all the time */
		if (has_fd && epoll_ctl(vhost->epoll, EPOLL_CTL_ADD, fd, &event) < 0)
			return -errno;
		set_kick(vhost, queue, fd);
		queue->started = true;
	} else if (r->header.request == VHOST_SET_VRING_CALL) {
		replace_fd(&queue->call, fd);
	} else {
		replace_fd(&queue->err, fd);
	}
	r->nfds = 0; /* it is the queue's now */
	return 0;
}

/* Stock UML takes interrupts only where it has made this channel. */
static int set_channel(struct vhost *vhost)
{
	struct receiver *r = &vhost->receiver;

	if (r->nfds != 1)
		return -EINVAL;
	replace_fd(&vhost->channel, r->fds[0]);
	r->nfds = 0;
	return 0;
}

/* The answer has the sizes of the question whatever there is: the rest is zeros. */
static int get_config(struct vhost *vhost, struct vhost_config_space *space)
{
	const uint32_t head = offsetof(struct vhost_config_space, bytes);
	const struct vhost_config *config = &vhost->config_in;
	const uint32_t size = vhost->receiver.header.size;
	uint32_t i;

	if (size < head || space->offset > VHOST_CONFIG_MAX ||
	    space->size > VHOST_CONFIG_MAX - space->offset)
		return -EINVAL;
	memset(space->bytes, 0, sizeof(space->bytes));
	for (i = 0; i < space->size && space->offset + i < config->space_len; i++)
		space->bytes[i] = ((const uint8_t *)config->space)[space->offset + i];
	return reply(vhost, space, size);
}

static int no_fds(const struct receiver *r)
{
	return r->nfds ? -EINVAL : 0;
}

/* A change of configuration. [config for writing] */
static int set(struct vhost *vhost)
{
	struct receiver *r = &vhost->receiver;
	union vhost_payload *p = &r->payload;

	switch (r->header.request) {
	case VHOST_SET_MEM_TABLE:
		return set_mem_table(vhost, &p->table);
	case VHOST_SET_VRING_KICK:
	case VHOST_SET_VRING_CALL:
	case VHOST_SET_VRING_ERR:
		return set_fd(vhost, p->number);
	case VHOST_SET_BACKEND_REQ_FD:
		return set_channel(vhost);
	}
	if (no_fds(r))
		return -EINVAL;
	switch (r->header.request) {
	case VHOST_SET_OWNER:
		return 0;
	case VHOST_SET_FEATURES:
		return set_features(vhost, p->number);
	case VHOST_SET_PROTOCOL_FEATURES:
		if (p->number & ~protocol_features(vhost))
			return -EINVAL;
		vhost->protocol_features = p->number;
		return 0;
	case VHOST_SET_VRING_NUM:
		return set_num(vhost, &p->state);
	case VHOST_SET_VRING_ADDR:
		return set_addr(vhost, &p->addr);
	case VHOST_SET_VRING_BASE:
		return set_base(vhost, &p->state);
	case VHOST_SET_VRING_ENABLE:
		return set_enable(vhost, &p->state);
	case VHOST_VRING_KICK:
		return kick(vhost, &p->state);
	default:
		return -EOPNOTSUPP;
	}
}

/* A question: 1, it is none; else it is answered, or cannot be. */
static int get(struct vhost *vhost)
{
	union vhost_payload *p = &vhost->receiver.payload;

	switch (vhost->receiver.header.request) {
	case VHOST_GET_FEATURES:
		return reply_number(vhost, VHOST_FEATURES);
	case VHOST_GET_PROTOCOL_FEATURES:
		return reply_number(vhost, protocol_features(vhost));
	case VHOST_GET_QUEUE_NUM:
		return reply_number(vhost, vhost->config_in.nqueues);
	case VHOST_GET_VRING_BASE:
		return get_base(vhost, &p->state);
	case VHOST_GET_CONFIG:
		return get_config(vhost, &p->config);
	default:
		return 1;
	}
}

/* Bytes that a message has at least. */
static uint32_t least_size(uint32_t request)
{
	switch (request) {
	case VHOST_SET_FEATURES:
	case VHOST_SET_PROTOCOL_FEATURES:
	case VHOST_SET_VRING_KICK:
	case VHOST_SET_VRING_CALL:
	case VHOST_SET_VRING_ERR:
		return sizeof(uint64_t);
	case VHOST_SET_VRING_NUM:
	case VHOST_SET_VRING_BASE:
	case VHOST_GET_VRING_BASE:
	case VHOST_SET_VRING_ENABLE:
	case VHOST_VRING_KICK:
		return sizeof(struct vhost_vring_state);
	case VHOST_SET_VRING_ADDR:
		return sizeof(struct vhost_vring_addr);
	case VHOST_SET_MEM_TABLE:
		return offsetof(struct vhost_table, region);
	case VHOST_GET_CONFIG:
		return offsetof(struct vhost_config_space, bytes);
	default:
		return 0;
	}
}

/* Who asks for an acknowledgement gets it, agreed on or not: QEMU agrees only once, and not again
 * with a back end that has taken the place of another. */
int handle_message(struct vhost *vhost)
{
	const struct vhost_header header = vhost->receiver.header;
	int err = -EINVAL;

	pthread_rwlock_wrlock(&vhost->config);
	if (header.size >= least_size(header.request)) {
		err = get(vhost);
		if (err <= 0) {
			pthread_rwlock_unlock(&vhost->config);
			return err;
		}
		err = set(vhost);
	}
	queues_update(vhost);
	pthread_rwlock_unlock(&vhost->config);
	if (err)
		report(LOG_WARNING, "%s: vhost-user message %u is refused: %s",
		       vhost->config_in.socket, header.request, error_text(err));
	if (header.flags & VHOST_FLAG_NEED_REPLY)
		return reply_number(vhost, err ? 1 : 0);
	return err;
}
