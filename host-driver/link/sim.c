// SPDX-License-Identifier: BSD-2-Clause
/*
 * The simulated link: a client of mpdisk-sim over its Unix socket (sim_wire.h).
 *
 * Invariants, all under lock:
 *  1. Records leave in the order in which they were made, and the simulator answers those that have
 *     a cookie in that order. So pending[] is a FIFO, and an answer says that every earlier write
 *     is done too.
 *  2. The bulk area is a ring, bulk_head ahead of bulk_tail, both counting up. An answer frees it
 * up to the end of that record's part.
 *  3. At most BULK_ASK bytes of writes stand in the ring without a later record that has a cookie;
 *     so whoever waits for room, waits for an answer that will come.
 *  4. One thread at a time receives (receiving); the others wait on changed. Nobody holds the lock
 *     while it waits for the socket.
 *  5. In virtual time the simulator waits for whoever receives, which says SIM_IDLE before it waits
 *     for the socket. So there is one thread that waits for the interrupt, and what other threads
 *     do, they do while the simulator waits for something else.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "link_ops.h"
#include "sim_wire.h"

#define PENDING 1024u                /* records waiting for an answer */
#define BULK_ASK (SIM_BULK_SIZE / 8) /* invariant 3 */
#define HELLO_MS 60000
#define ANSWER_MS 30000 /* a simulator that is silent for so long is taken for dead */

struct waiter {
	unsigned int left; /* answers still to come */
	int status;
};

struct pending {
	uint64_t cookie;
	uint64_t bulk_end;
	void *dst; /* NULL: a write */
	uint32_t len;
	uint32_t bulk_off;
	struct waiter *waiter; /* NULL: nobody waits */
};

struct sim_link {
	struct link link;
	int fd;
	uint8_t *bulk;

	pthread_mutex_t lock;
	pthread_cond_t changed;
	unsigned int sleepers; /* threads waiting on changed */
	bool receiving;
	int error; /* once set, every call returns it */
	bool irq;
	uint64_t cycle;

	int wake_fd;  /* eventfd: sim_wake() */
	bool woken;   /* the wait for the interrupt ends without it: sim_wake(), SIM_TIME */
	bool virtual; /* time is the device's */
	bool idle;    /* ... SIM_IDLE was said, and nothing has come since */
	uint32_t got; /* ... records */
	uint64_t now; /* ... ns */

	struct sim_record out[SIM_BATCH];
	unsigned int nout;

	struct pending pending[PENDING];
	unsigned int pending_head; /* free running */
	unsigned int pending_tail;
	uint64_t next_cookie;

	uint64_t bulk_head;
	uint64_t bulk_tail;
	uint64_t bulk_asked; /* bulk_head when the last record with a cookie was made */
};

static struct sim_link *sim(struct link *link)
{
	return (struct sim_link *)link;
}

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* A deadline from a timeout; -1: none. */
static int64_t deadline_of(int timeout_ms)
{
	return timeout_ms < 0 ? -1 : now_ms() + timeout_ms;
}

static int remaining_ms(int64_t deadline)
{
	int64_t left;

	if (deadline < 0)
		return -1;
	left = deadline - now_ms();
	return left < 0 ? 0 : left > INT32_MAX ? INT32_MAX : (int)left;
}

static void fail(struct sim_link *l, int error)
{
	if (!l->error) {
		l->error = error;
		shutdown(l->fd, SHUT_RDWR);
	}
	pthread_cond_broadcast(&l->changed);
}

/* An answer to the oldest pending record. Its data is copied out here, so its bulk part is free. */
static void answered(struct sim_link *l, const struct sim_record *r)
{
	struct pending *p = &l->pending[l->pending_tail % PENDING];

	if (l->pending_tail == l->pending_head || r->cookie != p->cookie ||
	    (r->op == SIM_DATA) != (p->dst != NULL)) {
		fail(l, -ENODEV);
		return;
	}
	if (p->dst && !r->status) {
		if (p->len == 4)
			memcpy(p->dst, &r->data, 4);
		else
			memcpy(p->dst, l->bulk + p->bulk_off, p->len);
	}
	if (p->waiter) {
		if (r->status && !p->waiter->status)
			p->waiter->status = r->status;
		p->waiter->left--;
	}
	l->cycle = r->cycle;
	l->bulk_tail = p->bulk_end;
	l->pending_tail++;
}

/* Takes every packet that is there. Lock held; does not wait. */
static void receive_all(struct sim_link *l)
{
	struct sim_record in[SIM_BATCH];
	ssize_t n;
	size_t i;

	while (!l->error) {
		n = recv(l->fd, in, sizeof(in), MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			break;
		if (n <= 0 || n % (ssize_t)sizeof(in[0])) {
			fail(l, -ENODEV);
			break;
		}
		for (i = 0; i < (size_t)n / sizeof(in[0]); i++) {
			l->got++;
			l->idle = false;
			if (in[i].op == SIM_IRQ || in[i].op == SIM_TIME)
				l->now = in[i].cookie;
			if (in[i].op == SIM_IRQ)
				l->irq = in[i].data & 1u;
			else if (in[i].op == SIM_TIME && l->virtual)
				l->woken = true;
			else if (in[i].op == SIM_DATA || in[i].op == SIM_WRITTEN)
				answered(l, &in[i]);
			else
				fail(l, -ENODEV);
		}
	}
	if (l->sleepers)
		pthread_cond_broadcast(&l->changed);
}

/* Invariant 5. ms: as in sim_wire.h. */
static void say_idle(struct sim_link *l, uint32_t ms)
{
	const struct sim_record r = {.op = SIM_IDLE, .data = l->got, .len = ms};

	if (l->idle)
		return;
	l->idle = true;
	while (send(l->fd, &r, sizeof(r), MSG_NOSIGNAL) < 0)
		if (errno != EINTR) {
			fail(l, -ENODEV);
			return;
		}
}

/*
 * Lets time pass until something may have changed, or the deadline. Called and returns with the
 * lock held. The first thread here receives for all of them. events: POLLOUT to wait for room too.
 * ms: after which SIM_TIME is to come in virtual time, 0: never.
 */
static void wait_change(struct sim_link *l, short events, int64_t deadline, uint32_t ms)
{
	struct pollfd pfd = {.fd = l->fd, .events = events};
	struct pollfd both[2] = {{.fd = l->fd, .events = events | POLLIN},
				 {.fd = l->wake_fd, .events = POLLIN}};
	eventfd_t count;

	if (l->virtual && !events && !l->receiving)
		say_idle(l, ms);

	if (l->receiving && !events) {
		l->sleepers++;
		if (deadline < 0) {
			pthread_cond_wait(&l->changed, &l->lock);
		} else {
			struct timespec ts = {.tv_sec = deadline / 1000,
					      .tv_nsec = deadline % 1000 * 1000000};

			pthread_cond_timedwait(&l->changed, &l->lock, &ts);
		}
		l->sleepers--;
		return;
	}
	if (l->receiving) { /* another thread receives: only wait for room */
		pthread_mutex_unlock(&l->lock);
		poll(&pfd, 1, remaining_ms(deadline));
		pthread_mutex_lock(&l->lock);
		return;
	}
	l->receiving = true;
	pthread_mutex_unlock(&l->lock);
	poll(both, 2, remaining_ms(deadline));
	pthread_mutex_lock(&l->lock);
	l->receiving = false;
	if (both[1].revents && !eventfd_read(l->wake_fd, &count))
		l->woken = true;
	receive_all(l);
	/* Whoever still waits needs a new receiver if this thread leaves now. */
	if (l->sleepers)
		pthread_cond_broadcast(&l->changed);
}

/* Sends what is batched. Lock held, but given up while the socket is full. */
static int push(struct sim_link *l)
{
	int64_t deadline = -1;
	ssize_t n;

	while (l->nout && !l->error) {
		n = send(l->fd, l->out, l->nout * sizeof(l->out[0]), MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n >= 0) {
			l->nout = 0;
			break;
		}
		if (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS) {
			if (deadline < 0)
				deadline = deadline_of(ANSWER_MS);
			else if (!remaining_ms(deadline))
				fail(l, -ENODEV);
			wait_change(l, POLLOUT, deadline, 0);
		} else if (errno != EINTR) {
			fail(l, -ENODEV);
		}
	}
	return l->error;
}

/* Waits until need bytes of the bulk area and a place in pending[] and out[] are free. */
static int make_room(struct sim_link *l, uint32_t need, uint32_t *bulk_off)
{
	int64_t deadline = -1;

	for (;;) {
		uint64_t head = l->bulk_head;
		uint32_t off = head % SIM_BULK_SIZE;

		if (l->error)
			return l->error;
		if (off + need > SIM_BULK_SIZE) {
			head += SIM_BULK_SIZE - off;
			off = 0;
		}
		if (l->nout == SIM_BATCH) {
			push(l);
			continue;
		}
		if (head + need - l->bulk_tail <= SIM_BULK_SIZE &&
		    l->pending_head - l->pending_tail < PENDING) {
			*bulk_off = off;
			l->bulk_head = head + need;
			return 0;
		}
		if (push(l))
			return l->error;
		if (deadline < 0)
			deadline = deadline_of(ANSWER_MS);
		else if (!remaining_ms(deadline))
			fail(l, -ENODEV);
		wait_change(l, 0, deadline, 0);
	}
}

/* Adds the record just made to pending[], so that it will be answered. */
static void expect(struct sim_link *l, struct sim_record *r, void *dst, struct waiter *w)
{
	struct pending *p = &l->pending[l->pending_head++ % PENDING];

	r->cookie = l->next_cookie++;
	p->cookie = r->cookie;
	p->bulk_end = l->bulk_head;
	p->dst = dst;
	p->len = r->len;
	p->bulk_off = r->bulk_off;
	p->waiter = w;
	l->bulk_asked = l->bulk_head;
}

static int sim_write(struct link *link, uint32_t addr, const void *data, uint32_t len)
{
	struct sim_link *l = sim(link);
	struct sim_record *r;
	uint32_t off = 0;
	int err;

	pthread_mutex_lock(&l->lock);
	err = make_room(l, len > 4 ? len : 0, &off);
	if (err)
		goto out;
	r = &l->out[l->nout++];
	memset(r, 0, sizeof(*r));
	r->op = SIM_WRITE;
	r->addr = addr;
	r->len = len;
	if (len == 4) {
		memcpy(&r->data, data, 4);
	} else {
		r->bulk_off = off;
		memcpy(l->bulk + off, data, len);
		if (l->bulk_head - l->bulk_asked > BULK_ASK)
			expect(l, r, NULL, NULL);
	}
	if (l->nout == SIM_BATCH)
		err = push(l);
out:
	pthread_mutex_unlock(&l->lock);
	return err;
}

static int sim_read(struct link *link, const struct link_read *reads, unsigned int nreads)
{
	struct sim_link *l = sim(link);
	struct waiter w = {.left = 0, .status = 0};
	int64_t deadline;
	unsigned int i;
	int err = 0;

	pthread_mutex_lock(&l->lock);
	for (i = 0; i < nreads && !err; i++) {
		struct sim_record *r;
		uint32_t off = 0;

		err = make_room(l, reads[i].len > 4 ? reads[i].len : 0, &off);
		if (err)
			break;
		r = &l->out[l->nout++];
		memset(r, 0, sizeof(*r));
		r->op = SIM_READ;
		r->addr = reads[i].addr;
		r->len = reads[i].len;
		r->bulk_off = off;
		w.left++;
		expect(l, r, reads[i].data, &w);
	}
	push(l);
	deadline = deadline_of(ANSWER_MS);
	while (w.left && !l->error) {
		wait_change(l, 0, deadline, 0);
		if (w.left && !l->error && !l->virtual && !remaining_ms(deadline))
			fail(l, -ENODEV);
	}
	/* After an error nothing is received any more, so w is not touched again. */
	if (!err)
		err = w.left ? l->error : w.status;
	pthread_mutex_unlock(&l->lock);
	return err;
}

static int sim_flush(struct link *link)
{
	struct sim_link *l = sim(link);
	int err;

	pthread_mutex_lock(&l->lock);
	err = l->error ? l->error : push(l);
	pthread_mutex_unlock(&l->lock);
	return err;
}

static int sim_wait_irq(struct link *link, int timeout_ms)
{
	struct sim_link *l = sim(link);
	int64_t deadline = deadline_of(timeout_ms);
	int ret;

	pthread_mutex_lock(&l->lock);
	push(l);
	if (!l->irq && !l->receiving)
		receive_all(l);
	if (l->virtual && timeout_ms) /* SIM_TIME comes instead */
		deadline = -1;
	while (!l->irq && !l->error && !l->woken && (deadline < 0 || remaining_ms(deadline)))
		wait_change(l, 0, deadline, timeout_ms > 0 ? (uint32_t)timeout_ms : 0);
	l->woken = false;
	ret = l->error ? l->error : l->irq;
	pthread_mutex_unlock(&l->lock);
	return ret;
}

static void sim_wake(struct link *link)
{
	struct sim_link *l = sim(link);

	if (eventfd_write(l->wake_fd, 1)) {
		pthread_mutex_lock(&l->lock);
		fail(l, -ENODEV);
		pthread_mutex_unlock(&l->lock);
	}
}

static int sim_cycle(struct link *link, uint64_t *cycle)
{
	struct sim_link *l = sim(link);

	pthread_mutex_lock(&l->lock);
	*cycle = l->cycle;
	pthread_mutex_unlock(&l->lock);
	return 0;
}

static uint64_t sim_now(struct link *link)
{
	struct sim_link *l = sim(link);
	struct timespec ts;
	uint64_t now;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	pthread_mutex_lock(&l->lock);
	now = l->virtual ? l->now : (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
	pthread_mutex_unlock(&l->lock);
	return now;
}

static void sim_close(struct link *link)
{
	struct sim_link *l = sim(link);

	sim_flush(link);
	close(l->fd);
	close(l->wake_fd);
	munmap(l->bulk, SIM_BULK_SIZE);
	pthread_cond_destroy(&l->changed);
	pthread_mutex_destroy(&l->lock);
	free(l);
}

/* The bulk area, sealed against shrinking so that the simulator can map it without fear. */
static int make_bulk(struct sim_link *l, int *memfd)
{
	int fd = memfd_create("mpdisk-link", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	*memfd = fd;
	if (fd < 0)
		return -errno;
	if (ftruncate(fd, SIM_BULK_SIZE) ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))
		return -errno;
	l->bulk = mmap(NULL, SIM_BULK_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (l->bulk == MAP_FAILED) {
		l->bulk = NULL;
		return -errno;
	}
	return 0;
}

static int send_hello(struct sim_link *l, int memfd)
{
	struct sim_record hello = {.op = SIM_HELLO, .data = SIM_VERSION};
	struct iovec iov = {.iov_base = &hello, .iov_len = sizeof(hello)};
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int))];
	} control;
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	struct cmsghdr *c;

	memset(&control, 0, sizeof(control));
	msg.msg_control = control.buf;
	msg.msg_controllen = sizeof(control.buf);
	c = CMSG_FIRSTHDR(&msg);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &memfd, sizeof(int));
	return sendmsg(l->fd, &msg, MSG_NOSIGNAL) == sizeof(hello) ? 0 : -ENODEV;
}

/*
 * The simulator's hello: it takes us, or it says why not (-EBUSY: the port has a host). When it
 * closed before it read our hello, the socket reports a reset once, and then what it sent.
 */
static int take_hello(struct sim_link *l)
{
	struct pollfd pfd = {.fd = l->fd, .events = POLLIN};
	struct sim_record hello;
	ssize_t n;
	int tries;
	int r;

	do {
		r = poll(&pfd, 1, HELLO_MS);
	} while (r < 0 && errno == EINTR);
	if (r <= 0)
		return -ENODEV;
	for (tries = 0; tries < 3; tries++) {
		n = recv(l->fd, &hello, sizeof(hello), MSG_DONTWAIT);
		if (n >= 0 || (errno != ECONNRESET && errno != EINTR))
			break;
	}
	if (n != sizeof(hello) || hello.op != SIM_HELLO)
		return -ENODEV;
	if (hello.status)
		return hello.status;
	l->virtual = hello.len;
	l->got = 1;
	return hello.data >> 16 == SIM_VERSION ? 0 : -EPROTO;
}

static int sim_open(const char *path, struct link **out)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	struct sim_link *l;
	pthread_condattr_t attr;
	int memfd = -1;
	int err;

	if (strlen(path) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	strcpy(addr.sun_path, path);
	l = calloc(1, sizeof(*l));
	if (!l)
		return -ENOMEM;
	l->link.ops = &link_sim_ops;
	l->next_cookie = 1;
	pthread_mutex_init(&l->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&l->changed, &attr);
	pthread_condattr_destroy(&attr);

	l->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	l->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (l->fd < 0 || l->wake_fd < 0) {
		err = -errno;
		goto out;
	}
	if (connect(l->fd, (struct sockaddr *)&addr, sizeof(addr))) {
		err = errno == EACCES || errno == EPERM ? -errno : -ENODEV;
		goto out;
	}
	err = make_bulk(l, &memfd);
	if (err)
		goto out;
	err = send_hello(l, memfd);
	/* Refused at once, the simulator may have closed before our hello: its answer still counts.
	 */
	if (!err || err == -ENODEV)
		err = take_hello(l);
out:
	if (memfd >= 0)
		close(memfd);
	if (err) {
		if (l->fd >= 0)
			close(l->fd);
		if (l->wake_fd >= 0)
			close(l->wake_fd);
		if (l->bulk)
			munmap(l->bulk, SIM_BULK_SIZE);
		pthread_cond_destroy(&l->changed);
		pthread_mutex_destroy(&l->lock);
		free(l);
		return err;
	}
	*out = &l->link;
	return 0;
}

const struct link_ops link_sim_ops = {
	.scheme = "sim",
	.open = sim_open,
	.close = sim_close,
	.write = sim_write,
	.read = sim_read,
	.flush = sim_flush,
	.wait_irq = sim_wait_irq,
	.wake = sim_wake,
	.cycle = sim_cycle,
	.now = sim_now,
};
