/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the parts of the vhost-user device share.
 *
 * Locks: config is held for reading by whoever touches the guest's memory or a queue, for writing
 * by the control thread (vhost_run's) when it changes memory or queues; a queue's lock is taken
 * inside of it. Neither is held over anything that waits for a guest. count_lock is only for
 * waiting until counts fall.
 */
#ifndef MPDISK_VHOST_PRIV_H
#define MPDISK_VHOST_PRIV_H

#include <pthread.h>
#include <stdatomic.h>

#include "vhost.h"
#include "vhost_wire.h"

/* The answer to a request whose queue was stopped meanwhile. */
struct held {
	struct held *next;
	struct vhost_request *request;
	uint32_t len;
	uint32_t filled; /* bytes behind them, which are there */
	uint8_t bytes[];
};

struct queue {
	pthread_mutex_t lock;
	struct ring ring;             /* [lock], its place [config] */
	struct vhost_vring_addr addr; /* [config] */
	bool has_addr;                /* [config] */
	bool enabled;                 /* [config] */
	bool started;                 /* [config] it has a way to be kicked */
	bool running;                 /* [config] all that it takes is there */
	bool stopping;                /* [config] what is under way may end, nothing new begins */
	uint32_t life;                /* [config] */
	int kick, call, err;          /* [config] */
	unsigned int untold;          /* [lock] answers that nobody awaits, and no call was made */
	struct held *held;            /* [lock] */
	atomic_uint active;           /* requests that threads are at, or about to take */
};

/* The other's descriptor is closed, unless it is none. */
void replace_fd(int *fd, int with);

/* What of a message has come. */
struct receiver {
	uint32_t len;
	unsigned int nfds;
	int fds[VHOST_REGIONS_MAX];
	struct vhost_header header;
	union vhost_payload payload;
};

struct vhost {
	struct vhost_config config_in;
	int listener;
	int connection; /* [control thread] -1: nobody */
	int epoll;      /* kicks, wake, stop */
	int wake_fd;    /* edge-triggered: one thread looks at all queues */
	int stop_fd;    /* readable from vhost_stop() on */
	int control_fd; /* wakes the control thread */
	bool bound;

	bool looks;           /* threads look at the queues for a while before they sleep */
	atomic_bool looking;  /* one of them does */
	unsigned int pass;    /* [looking] times that none shall, and */
	unsigned int to_pass; /* [looking] after the next look in vain */

	pthread_rwlock_t config;
	struct memory memory;       /* [config] */
	uint64_t features;          /* [config] accepted */
	uint64_t protocol_features; /* [config] accepted */
	struct queue queues[VHOST_QUEUES_MAX];

	pthread_mutex_t count_lock;
	pthread_cond_t idle;  /* fewer requests are under way */
	atomic_uint awaiting; /* threads that wait for that */
	atomic_uint active;   /* sum of the queues' */
	atomic_uint taking;   /* with config.takes: threads from vhost_wait() to vhost_taken() */
	unsigned int to_be_alone; /* [count_lock] of those, in vhost_alone() */
	bool is_alone;            /* [count_lock] one of them is */
	atomic_bool barred;       /* nothing is taken: somebody is, or wants to be alone */

	struct receiver receiver;     /* [control thread] */
	int channel;                  /* [config] for our own messages; -1: none */
	pthread_mutex_t channel_lock; /* a message and its answer */
	atomic_bool stopping;
	_Atomic(const char *) why; /* a rule was broken: which; until the connection is ended */
	atomic_uint_least64_t guests, broken;
	atomic_bool connected;
};

#define VHOST_FEATURES                                                                             \
	(1ull << VIRTIO_F_VERSION_1 | 1ull << VIRTIO_RING_F_INDIRECT_DESC |                        \
	 1ull << VIRTIO_RING_F_EVENT_IDX | 1ull << VHOST_F_PROTOCOL_FEATURES)
#define VHOST_PROTOCOL_FEATURES                                                                    \
	(1ull << VHOST_PROTOCOL_F_MQ | 1ull << VHOST_PROTOCOL_F_REPLY_ACK |                        \
	 1ull << VHOST_PROTOCOL_F_CONFIG | 1ull << VHOST_PROTOCOL_F_BACKEND_REQ)

/* Reads what there is of a message. 1: it is whole; 0: not yet; -ECONNRESET: the front end has
 * gone; -EPROTO: it is none. */
int receive_message(struct vhost *vhost) __attribute__((warn_unused_result));
/* The message is done with: its descriptors are closed where nobody has taken them. */
void receive_next(struct vhost *vhost);
/* Carries it out, and answers. Negative: the connection is of no use. */
int handle_message(struct vhost *vhost) __attribute__((warn_unused_result));

/* [config for writing] */
void queue_forget(struct vhost *vhost, struct queue *queue);
/* Control thread: waits for the threads that are at a request of the queue; at most so long, < 0:
 * for ever. */
void queue_await(struct vhost *vhost, struct queue *queue, int timeout_ms);
/* Control thread: waits until there is nothing in the queue, and what was is served, or taken. */
void queue_await_kick(struct vhost *vhost, struct queue *queue);

/* [the queue's lock] Whether the guest is to be told of what it has not been told of; then it is.
 */
bool queue_wants_call(struct queue *queue);
/* [config] */
void queue_call(struct vhost *vhost, unsigned int i);
/* [config] False also where that cannot be known: an eventfd tells only its guest. */
bool queue_call_is_unread(const struct vhost *vhost, unsigned int i);
/* [config] Whether there is one that may be taken. */
bool queues_have_request(struct vhost *vhost);

/* [config] The queue runs again: answers that it missed. */
void queue_give_held(struct queue *queue);
/* [config for writing] */
void queue_drop_held(struct queue *queue);
/* The connection is to end for this reason; any thread. */
void vhost_fail(struct vhost *vhost, const char *why);

#endif
