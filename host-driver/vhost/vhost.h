/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A virtio device for a guest that is reached by vhost-user: its socket, the guest's memory, its
 * queues. What the requests in the queues mean is the user's business.
 *
 *	vhost_new(&config, &vhost);
 *	vhost_run(vhost, stop_fd);             one thread: connections and their messages
 *	while (vhost_wait(vhost))              any number of threads
 *		while (vhost_pop(vhost, request) > 0) {
 *			if (vhost_enter(request)) {
 *				vhost_get(request, bytes, len);
 *				vhost_leave(request);
 *			}
 *			... serve ...
 *			vhost_answer(request, iov, niov, 0);
 *			vhost_done(request);
 *		}
 *
 * A guest that breaks the rules loses its connection, and nothing else happens: one line in the log
 * says which rule, and the socket waits for the next guest.
 */
#ifndef MPDISK_VHOST_H
#define MPDISK_VHOST_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "queue.h"

#define VHOST_QUEUES_MAX 17u

struct vhost_config {
	const char *socket; /* path */
	unsigned int nqueues;
	const void *space; /* the device's configuration space */
	unsigned int space_len;
	bool in_band; /* kicks and calls are messages (for UML in virtual time) */
	/* ... and a kick is acknowledged when its requests are taken: what serves them has a time
	 * of its own. Else when they are served. */
	bool takes;
	/* The guest is gone, or starts anew, and nobody serves a request of it: what it held is to
	 * be given back. Called by vhost_run's thread. */
	void (*gone)(void *user);
	void *user;
};

struct vhost;

/* A request of the guest: one chain, from vhost_pop() to vhost_done(). */
struct vhost_request {
	struct vhost *vhost;
	unsigned int queue;
	uint32_t life; /* of the queue: a queue that starts anew has another one */
	bool more;     /* when it was taken another one waited */
	bool alone;
	bool awaited; /* by somebody in the guest, who is told at once when it is answered; else
		       * with another one, or when there is nothing else to do */
	uint32_t got;
	/* so many that wait for locks a guest may leave in this queue: there must be room for the
	 * one that ends their waiting */
	unsigned int waiting_max;
	unsigned int at;    /* segment that is copied next, */
	uint32_t at_offset; /* and where in it */
	struct chain chain;
};

/* Makes the socket. -EADDRINUSE: somebody listens there; -EEXIST: there is something else of that
 * name; -ENAMETOOLONG. */
int vhost_new(const struct vhost_config *config, struct vhost **out)
	__attribute__((warn_unused_result));

/* Serves one guest after the other, until stop_fd is readable or vhost_stop() is called. */
int vhost_run(struct vhost *vhost, int stop_fd) __attribute__((warn_unused_result));

/* Makes vhost_run() and vhost_wait() end. Any thread. */
void vhost_stop(struct vhost *vhost);

/* The threads that use it have ended. */
void vhost_free(struct vhost *vhost);

/* Waits until there may be requests. False: the end. */
bool vhost_wait(struct vhost *vhost);

/* After vhost_wait(): there is nothing more to take, and what was taken is on its way. For
 * config.takes. */
void vhost_taken(struct vhost *vhost);

/* Another thread of those in vhost_wait() shall look at the queues. */
void vhost_wake(struct vhost *vhost);

/* Takes the next request of any queue: 1, or 0 when there is none. Guests kick again from
 * vhost_wait() on; with config.takes or config.in_band, at once. */
int vhost_pop(struct vhost *vhost, struct vhost_request *request)
	__attribute__((warn_unused_result));

/* The guest's memory stays where it is until vhost_leave(). False: the request is of no interest
 * any more, its queue has started anew. */
bool vhost_enter(struct vhost_request *request) __attribute__((warn_unused_result));
void vhost_leave(struct vhost_request *request);

/* Between those: takes the next bytes that the guest has sent. False: there are not so many. */
bool vhost_get(struct vhost_request *request, void *to, uint32_t len)
	__attribute__((warn_unused_result));

/* Puts bytes of the answer into the guest's memory, `offset` from the answer's start. False: there
 * is no room for them, or the queue is stopped. */
bool vhost_fill(struct vhost_request *request, uint32_t offset, const struct iovec *iov, int niov)
	__attribute__((warn_unused_result));

/* Hands the chain back to the guest with these bytes at its start, and `filled` ones behind them,
 * and tells the guest if it wants to be told; where the queue is stopped, when it goes on. False:
 * there is no room for them, and nothing is done. */
bool vhost_answer(struct vhost_request *request, const struct iovec *iov, int niov, uint32_t filled)
	__attribute__((warn_unused_result));

/* Waits until this is the only request that is under way; no other one is taken until vhost_done().
 */
void vhost_alone(struct vhost_request *request);

/* The request breaks the rules: the guest loses its connection. */
void vhost_broken(struct vhost_request *request, const char *why);

/* The thread has done with it. */
void vhost_done(struct vhost_request *request);

/* A copy that may be answered by somebody else, at any time; to be freed. Until vhost_done() for
 * one of the two, a guest that stops the queue waits for it a little. NULL: no memory. */
struct vhost_request *vhost_copy(const struct vhost_request *request);

struct vhost_statistics {
	bool connected;
	unsigned int running; /* queues */
	uint64_t guests;      /* that were there */
	uint64_t broken;      /* connections that were ended for a broken rule */
};
void vhost_get_statistics(struct vhost *vhost, struct vhost_statistics *out);

#endif
