// SPDX-License-Identifier: BSD-2-Clause
/* The port sockets: hosts come, their packets become bus commands, their answers go back. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "../host-driver/link/sim_wire.h"
#include "links.h"

#define WINDOW 0x800000u
#define PAGE 4096u
#define OUT_MAX 1024u
#define OUT_IRQ_MAX 900u /* above this the interrupt's changes are gathered into one record */
#define OUT_STOP 512u    /* above this no more commands are taken: the host does not listen */

enum link_state {
	LINK_FREE,    /* nobody there */
	LINK_HELLO,   /* connected, hello awaited */
	LINK_UP,      /* a host */
	LINK_CLOSING, /* the host is gone; its last commands and the link's fall are under way */
};

struct host {
	enum link_state state;
	int listen_fd;
	int fd;
	const uint8_t *bulk;
	uint8_t *bulk_rw;
	bool irq;     /* what the host was told */
	bool irq_now; /* what it is */
	uint64_t irq_cycle;
	uint32_t told;  /* records made for it */
	uint32_t dealt; /* of these it has dealt with; in virtual time */
	uint64_t wake;  /* device time at which it wants to be woken, or UINT64_MAX */
	unsigned int nout;
	struct sim_record out[OUT_MAX];
};

struct links {
	unsigned int ports;
	struct bus *bus;
	const struct links_ops *ops;
	void *ctx;
	bool verbose;
	struct links_time time; /* cycles NULL: hosts live in the time of the wall */
	int epfd;
	uint8_t dirty;
	char paths[SIM_PORTS_MAX][sizeof(((struct sockaddr_un *)0)->sun_path)];
	struct host host[SIM_PORTS_MAX];
};

static void say(const struct links *l, unsigned int port, const char *what)
{
	if (l->verbose)
		fprintf(stderr, "mpdisk-sim: port %u: %s\n", port, what);
}

static void watch(struct links *l, int fd, uint32_t key)
{
	struct epoll_event e = {.events = EPOLLIN, .data.u32 = key};

	epoll_ctl(l->epfd, EPOLL_CTL_ADD, fd, &e);
}

/* Lets go of the socket; what is queued goes on. */
static void hang_up(struct links *l, unsigned int port)
{
	struct host *h = &l->host[port];

	close(h->fd);
	h->fd = -1;
	if (h->bulk_rw)
		munmap(h->bulk_rw, SIM_BULK_SIZE);
	h->bulk_rw = NULL;
	h->nout = 0;
	l->dirty &= (uint8_t) ~(1u << port);
	h->state = h->state == LINK_UP ? LINK_CLOSING : LINK_FREE;
}

static void drop(struct links *l, unsigned int port, const char *why)
{
	bool was_up = l->host[port].state == LINK_UP;

	fprintf(stderr, "mpdisk-sim: port %u: host dropped: %s\n", port, why);
	hang_up(l, port);
	if (was_up)
		l->ops->drop(l->ctx, port);
}

static void queue_link(struct links *l, unsigned int port, enum bus_op op)
{
	struct bus_cmd *cmd = bus_next(&l->bus[port]);

	cmd->op = (uint8_t)op;
	cmd->addr = 0;
	cmd->words = 0;
	l->ops->command(l->ctx, port, cmd);
}

/* Sends what stands ready. A full socket is no error: the rest goes later. */
static void flush_port(struct links *l, unsigned int port)
{
	struct host *h = &l->host[port];
	unsigned int sent = 0;

	while (h->fd >= 0 && sent < h->nout) {
		unsigned int n = h->nout - sent < SIM_BATCH ? h->nout - sent : SIM_BATCH;

		if (send(h->fd, &h->out[sent], n * sizeof(h->out[0]), MSG_DONTWAIT | MSG_NOSIGNAL) <
		    0) {
			if (errno != EAGAIN && errno != EWOULDBLOCK && errno != ENOBUFS &&
			    errno != EINTR) /* its end of file comes from recv */
				sent = h->nout;
			break;
		}
		sent += n;
	}
	h->nout -= sent;
	memmove(h->out, h->out + sent, h->nout * sizeof(h->out[0]));
	if (!h->nout)
		l->dirty &= (uint8_t) ~(1u << port);
}

static struct sim_record *new_record(struct links *l, unsigned int port, uint32_t op,
				     uint64_t cycle)
{
	struct host *h = &l->host[port];
	struct sim_record *r;

	if (h->nout == OUT_MAX)
		return NULL;
	r = &h->out[h->nout++];
	memset(r, 0, sizeof(*r));
	r->op = op;
	r->cycle = cycle;
	h->told++;
	l->dirty |= (uint8_t)(1u << port);
	return r;
}

static uint64_t device_ns(const struct links *l)
{
	return l->time.cycles
		       ? (uint64_t)((unsigned __int128)*l->time.cycles * 1000000000u / l->time.hz)
		       : 0;
}

static void tell_irq(struct links *l, unsigned int port)
{
	struct host *h = &l->host[port];
	struct sim_record *r;

	if (h->state != LINK_UP || h->irq == h->irq_now || h->nout >= OUT_IRQ_MAX)
		return;
	r = new_record(l, port, SIM_IRQ, h->irq_cycle);
	if (r) {
		r->data = h->irq_now;
		r->cookie = device_ns(l);
		h->irq = h->irq_now;
	}
}

void links_irq(struct links *l, uint8_t irq, uint64_t cycle)
{
	unsigned int port;

	for (port = 0; port < l->ports; port++) {
		struct host *h = &l->host[port];
		bool now = irq >> port & 1u;

		if (h->irq_now == now)
			continue;
		h->irq_now = now;
		h->irq_cycle = cycle;
		tell_irq(l, port);
	}
}

void links_done(struct links *l, unsigned int port, const struct bus_cmd *cmd, uint64_t cycle)
{
	struct host *h = &l->host[port];
	struct sim_record *r;

	if (cmd->op == BUS_DOWN && h->state == LINK_CLOSING) {
		h->state = LINK_FREE;
		say(l, port, "link down");
	}
	if (cmd->op > BUS_WRITE || !cmd->cookie || h->state != LINK_UP)
		return;
	r = new_record(l, port, cmd->op == BUS_READ ? SIM_DATA : SIM_WRITTEN, cycle);
	if (!r) /* cannot be: OUT_STOP + BUS_QUEUE < OUT_IRQ_MAX */
		return;
	r->addr = cmd->addr;
	r->len = cmd->words * 4;
	r->bulk_off = cmd->bulk_off;
	r->cookie = cmd->cookie;
	if (cmd->op == BUS_READ) {
		if (cmd->words == 1)
			r->data = cmd->data[0];
		else
			memcpy(h->bulk_rw + cmd->bulk_off, cmd->data, cmd->words * 4);
	}
}

void links_flush(struct links *l, uint8_t ports)
{
	unsigned int port;

	for (port = 0; port < l->ports; port++) {
		if (!(ports >> port & 1u))
			continue;
		flush_port(l, port);
		tell_irq(l, port);
	}
}

uint8_t links_dirty(const struct links *l)
{
	return l->dirty;
}

/* A host has connected. The port takes one; another is told so. */
static void take_host(struct links *l, unsigned int port)
{
	struct host *h = &l->host[port];
	struct sim_record busy = {.op = SIM_HELLO, .status = -EBUSY};
	int fd;

	if (h->state == LINK_CLOSING)
		return; /* it waits in the listen queue until the link is down */
	fd = accept4(h->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0)
		return;
	if (h->state == LINK_HELLO) /* it connected and said nothing: the newer one wins */
		hang_up(l, port);
	if (h->state != LINK_FREE) {
		send(fd, &busy, sizeof(busy), MSG_DONTWAIT | MSG_NOSIGNAL);
		close(fd);
		say(l, port, "a second host was refused");
		return;
	}
	h->fd = fd;
	h->state = LINK_HELLO;
	h->nout = 0;
	h->told = h->dealt = 0;
	h->wake = UINT64_MAX;
	watch(l, fd, port);
}

/* Maps the host's bulk area, if it cannot shrink under us. */
static const char *map_bulk(struct host *h, int memfd)
{
	struct stat st;
	int seals = fcntl(memfd, F_GET_SEALS);
	void *p;

	if (fstat(memfd, &st) || st.st_size < (off_t)SIM_BULK_SIZE)
		return "its bulk area is too small";
	if (seals < 0 || !(seals & F_SEAL_SHRINK))
		return "its bulk area is not sealed against shrinking";
	p = mmap(NULL, SIM_BULK_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, memfd, 0);
	if (p == MAP_FAILED)
		return "its bulk area cannot be mapped";
	h->bulk_rw = p;
	h->bulk = p;
	return NULL;
}

/* The first packet: version and bulk area. */
static void take_hello(struct links *l, unsigned int port)
{
	struct host *h = &l->host[port];
	struct sim_record hello, *r;
	struct iovec iov = {.iov_base = &hello, .iov_len = sizeof(hello)};
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int))];
	} control;
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = control.buf,
			     .msg_controllen = sizeof(control.buf)};
	struct cmsghdr *c;
	const char *why;
	int memfd = -1;
	ssize_t n = recvmsg(h->fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		hang_up(l, port);
		return;
	}
	c = CMSG_FIRSTHDR(&msg);
	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
	    c->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(&memfd, CMSG_DATA(c), sizeof(int));
	if (n != sizeof(hello) || hello.op != SIM_HELLO)
		why = "no hello";
	else if (hello.data != SIM_VERSION)
		why = "it speaks another version of the link protocol";
	else if (memfd < 0)
		why = "no bulk area";
	else
		why = map_bulk(h, memfd);
	if (memfd >= 0)
		close(memfd);
	r = new_record(l, port, SIM_HELLO, 0);
	r->status = why ? -EPROTO : 0;
	r->data = SIM_VERSION << 16 | port;
	r->len = l->time.cycles != NULL;
	flush_port(l, port);
	if (why) {
		drop(l, port, why);
		return;
	}
	h->state = LINK_UP;
	h->irq = false;
	tell_irq(l, port);
	queue_link(l, port, BUS_UP);
	say(l, port, "link up");
}

/* What is wrong with a record, or NULL. */
static const char *check(const struct links *l, const struct sim_record *r)
{
	if (r->op == SIM_IDLE && l->time.cycles)
		return NULL;
	if (r->op != SIM_READ && r->op != SIM_WRITE)
		return "unknown operation";
	if (!r->len || (r->len | r->addr) & 3u || r->len > PAGE || r->addr >= WINDOW ||
	    r->addr % PAGE + r->len > PAGE)
		return "a transfer that is not aligned or crosses a page";
	if (r->len > 4 && (r->bulk_off > SIM_BULK_SIZE - r->len || r->bulk_off & 3u))
		return "a transfer outside its bulk area";
	if (r->op == SIM_READ && !r->cookie)
		return "a read without a cookie";
	return NULL;
}

static void host_idle(struct links *l, struct host *h, const struct sim_record *r)
{
	h->dealt = r->data;
	h->wake = UINT64_MAX;
	if (r->len)
		h->wake = *l->time.cycles + (uint64_t)r->len * l->time.hz / 1000u;
}

static void take_packet(struct links *l, unsigned int port, const struct sim_record *in, size_t n)
{
	struct host *h = &l->host[port];
	size_t i;

	for (i = 0; i < n; i++) {
		const char *why = check(l, &in[i]);
		struct bus_cmd *cmd;

		if (why) {
			drop(l, port, why);
			return;
		}
		if (in[i].op == SIM_IDLE) {
			host_idle(l, h, &in[i]);
			continue;
		}
		cmd = bus_next(&l->bus[port]);
		cmd->op = in[i].op == SIM_READ ? BUS_READ : BUS_WRITE;
		cmd->addr = in[i].addr;
		cmd->words = in[i].len / 4;
		cmd->cookie = in[i].cookie;
		cmd->bulk_off = in[i].bulk_off;
		/* Copied now: what the host does to its bulk area later must not matter. */
		if (cmd->op == BUS_WRITE && in[i].len == 4)
			cmd->data[0] = in[i].data;
		else if (cmd->op == BUS_WRITE)
			memcpy(cmd->data, h->bulk + in[i].bulk_off, in[i].len);
		l->ops->command(l->ctx, port, cmd);
	}
}

static void take_packets(struct links *l, unsigned int port)
{
	struct host *h = &l->host[port];
	struct sim_record in[SIM_BATCH];
	unsigned int resets = 0;

	/* Always keep room for a whole packet and a BUS_DOWN after it. */
	while (h->state == LINK_UP && bus_room(&l->bus[port]) > SIM_BATCH && h->nout < OUT_STOP) {
		ssize_t n = recv(h->fd, in, sizeof(in), MSG_DONTWAIT | MSG_TRUNC);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == ECONNRESET && !resets++)
			continue; /* closed with answers unread: what it sent still counts */
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return;
		if (n <= 0) {
			hang_up(l, port);
			queue_link(l, port, BUS_DOWN);
		} else if (n > (ssize_t)sizeof(in) || n % (ssize_t)sizeof(in[0])) {
			drop(l, port, "a packet that is not whole records");
		} else {
			take_packet(l, port, in, (size_t)n / sizeof(in[0]));
		}
	}
}

bool links_at_work(const struct links *l)
{
	for (unsigned int port = 0; port < l->ports; port++) {
		const struct host *h = &l->host[port];

		if (h->state == LINK_HELLO || (h->state == LINK_UP && h->told != h->dealt))
			return true;
	}
	return false;
}

uint64_t links_wake_time(const struct links *l)
{
	uint64_t wake = UINT64_MAX;

	for (unsigned int port = 0; port < l->ports; port++)
		if (l->host[port].state == LINK_UP && l->host[port].wake < wake)
			wake = l->host[port].wake;
	return wake;
}

void links_wake(struct links *l)
{
	for (unsigned int port = 0; port < l->ports; port++) {
		struct host *h = &l->host[port];
		struct sim_record *r;

		if (h->state != LINK_UP || h->wake > *l->time.cycles)
			continue;
		r = new_record(l, port, SIM_TIME, 0);
		if (r)
			r->cookie = device_ns(l);
		h->wake = UINT64_MAX;
	}
}

void links_poll(struct links *l, bool hosts)
{
	struct epoll_event e[2 * SIM_PORTS_MAX];
	int n = epoll_wait(l->epfd, e, 2 * SIM_PORTS_MAX, 0);
	int i;

	if (l->dirty)
		links_flush(l, l->dirty);
	for (i = 0; i < n; i++) {
		unsigned int port = e[i].data.u32 & 0xffu;

		if (e[i].data.u32 & 0x100u) {
			if (hosts)
				take_host(l, port);
		} else if (l->host[port].state == LINK_HELLO) {
			take_hello(l, port);
		} else if (l->host[port].state == LINK_UP) {
			take_packets(l, port);
		}
	}
}

bool links_wait(struct links *l, int extra_fd, int64_t ns)
{
	struct pollfd p[2] = {{.fd = l->epfd, .events = POLLIN},
			      {.fd = extra_fd, .events = POLLIN}};
	struct timespec ts = {.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};

	return ppoll(p, 2, ns < 0 ? NULL : &ts, NULL) > 0;
}

/* Removes the socket of a simulator that died; -EADDRINUSE if one lives there. */
static int clear_way(const struct sockaddr_un *addr)
{
	struct stat st;
	int fd, err = 0;

	if (lstat(addr->sun_path, &st) || !S_ISSOCK(st.st_mode))
		return 0;
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (!connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) || errno == EAGAIN)
		err = -EADDRINUSE;
	else if (errno == ECONNREFUSED)
		unlink(addr->sun_path);
	close(fd);
	return err;
}

static int listen_on(struct links *l, unsigned int port)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	struct host *h = &l->host[port];
	int err;

	strcpy(addr.sun_path, l->paths[port]);
	err = clear_way(&addr);
	if (err) {
		fprintf(stderr,
			"mpdisk-sim: %s: another mpdisk-sim serves it; end that one or choose "
			"another --dir\n",
			addr.sun_path);
		goto out;
	}
	h->listen_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (h->listen_fd < 0 || bind(h->listen_fd, (struct sockaddr *)&addr, sizeof(addr)) ||
	    listen(h->listen_fd, 4)) {
		err = -errno;
		fprintf(stderr, "mpdisk-sim: %s: %s\n", addr.sun_path, strerror(-err));
		goto out;
	}
	watch(l, h->listen_fd, 0x100u | port);
out:
	if (err) /* not ours to remove */
		l->paths[port][0] = 0;
	return err;
}

int links_open(const char *dir, unsigned int ports, struct bus *bus, const struct links_ops *ops,
	       void *ctx, bool verbose, const struct links_time *virtual, struct links **out)
{
	struct links *l = calloc(1, sizeof(*l));
	unsigned int port;
	int err = 0;

	*out = NULL;
	if (!l)
		return -ENOMEM;
	l->bus = bus;
	l->ops = ops;
	l->ctx = ctx;
	l->verbose = verbose;
	if (virtual)
		l->time = *virtual;
	l->epfd = epoll_create1(EPOLL_CLOEXEC);
	if (l->epfd < 0)
		err = -errno;
	for (port = 0; port < SIM_PORTS_MAX; port++)
		l->host[port].fd = l->host[port].listen_fd = -1;
	for (port = 0; port < ports && !err; port++) {
		int n = snprintf(l->paths[port], sizeof(l->paths[port]), "%s/port%u.sock", dir,
				 port);

		if (n < 0 || (size_t)n >= sizeof(l->paths[port])) {
			fprintf(stderr,
				"mpdisk-sim: %s/port%u.sock: longer than a socket's path may be "
				"(%zu bytes); choose a --dir with a shorter path\n",
				dir, port, sizeof(l->paths[port]) - 1);
			l->paths[port][0] = 0;
			err = -ENAMETOOLONG;
			break;
		}
		l->ports = port + 1;
		err = listen_on(l, port);
	}
	if (err) {
		links_close(l);
		return err;
	}
	*out = l;
	return 0;
}

void links_close(struct links *l)
{
	unsigned int port;

	if (!l)
		return;
	for (port = 0; port < l->ports; port++) {
		struct host *h = &l->host[port];

		if (h->fd >= 0) {
			flush_port(l, port);
			hang_up(l, port);
		}
		if (h->listen_fd >= 0) {
			close(h->listen_fd);
			if (l->paths[port][0])
				unlink(l->paths[port]);
		}
	}
	if (l->epfd >= 0)
		close(l->epfd);
	free(l);
}
