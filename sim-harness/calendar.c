// SPDX-License-Identifier: BSD-2-Clause
/* The calendar (calendar.h). */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/um_timetravel.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "calendar.h"

#define LISTENER 0xffu

enum guest_state {
	GUEST_FREE,
	GUEST_CONNECTED, /* START awaited */
	GUEST_NEW,       /* waits for the answer to its START */
	GUEST_RUNS,
	GUEST_WAITS,
};

struct guest {
	enum guest_state state;
	int fd;
	uint64_t id;
	uint64_t wants; /* to run at, or CALENDAR_NEVER */
	uint32_t start_seq;
	struct um_timetravel_msg in;
	unsigned int got; /* bytes of it */
};

struct calendar {
	unsigned int guests; /* that are to come */
	uint64_t epoch;
	uint64_t now;
	bool begun;
	uint32_t seq;
	int listen_fd;
	int epfd;
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	struct guest guest[CALENDAR_GUESTS];
};

static void hang_up(struct guest *g)
{
	close(g->fd);
	memset(g, 0, sizeof(*g));
	g->fd = -1;
}

static void drop(struct guest *g, const char *why)
{
	fprintf(stderr, "mpdisk-sim: calendar: guest %llu dropped: %s\n", (unsigned long long)g->id,
		why);
	hang_up(g);
}

/* A message is smaller than any socket's buffer: a guest that leaves no room for one is mad. */
static void put(struct guest *g, uint32_t op, uint32_t seq, uint64_t time)
{
	const struct um_timetravel_msg msg = {.op = op, .seq = seq, .time = time};

	if (send(g->fd, &msg, sizeof(msg), MSG_DONTWAIT | MSG_NOSIGNAL) != sizeof(msg) &&
	    errno != EPIPE && errno != ECONNRESET)
		drop(g, "it does not read");
}

static void take_start(struct calendar *c, struct guest *g)
{
	for (unsigned int i = 0; i < CALENDAR_GUESTS; i++)
		if (c->guest[i].state >= GUEST_NEW && c->guest[i].id == g->in.time) {
			drop(g, "another guest has its ID");
			return;
		}
	g->id = g->in.time;
	g->start_seq = g->in.seq;
	g->wants = 0;
	g->state = GUEST_NEW;
}

static void take_message(struct calendar *c, struct guest *g)
{
	uint64_t answer = 0;

	if (g->state == GUEST_CONNECTED && g->in.op == UM_TIMETRAVEL_START) {
		take_start(c, g);
		return;
	}
	if (g->in.op == UM_TIMETRAVEL_ACK)
		return;
	if (g->state < GUEST_RUNS) {
		drop(g, "it says something before it may run");
		return;
	}
	switch (g->in.op) {
	case UM_TIMETRAVEL_REQUEST:
		g->wants = g->in.time;
		break;
	case UM_TIMETRAVEL_WAIT:
		g->state = GUEST_WAITS;
		break;
	case UM_TIMETRAVEL_GET:
		answer = c->now;
		break;
	case UM_TIMETRAVEL_UPDATE:
		if (g->state == GUEST_RUNS && g->in.time > c->now)
			c->now = g->in.time;
		break;
	case UM_TIMETRAVEL_GET_TOD:
		answer = c->epoch + c->now;
		break;
	default:
		drop(g, "it asks for something unknown");
		return;
	}
	put(g, UM_TIMETRAVEL_ACK, g->in.seq, answer);
}

static void take_from(struct calendar *c, struct guest *g)
{
	while (g->state != GUEST_FREE) {
		ssize_t n =
			recv(g->fd, (char *)&g->in + g->got, sizeof(g->in) - g->got, MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return;
		if (n <= 0) { /* its end */
			hang_up(g);
			return;
		}
		g->got += (unsigned int)n;
		if (g->got < sizeof(g->in))
			continue;
		g->got = 0;
		take_message(c, g);
	}
}

static void take_guest(struct calendar *c)
{
	int fd = accept4(c->listen_fd, NULL, NULL, SOCK_CLOEXEC);
	struct epoll_event e = {.events = EPOLLIN};

	if (fd < 0)
		return;
	for (unsigned int i = 0; i < c->guests && !c->begun; i++) {
		struct guest *g = &c->guest[i];

		if (g->state != GUEST_FREE)
			continue;
		*g = (struct guest){.state = GUEST_CONNECTED, .fd = fd};
		e.data.u32 = i;
		epoll_ctl(c->epfd, EPOLL_CTL_ADD, fd, &e);
		return;
	}
	fprintf(stderr, "mpdisk-sim: calendar: a guest too many; --guests says %u\n", c->guests);
	close(fd);
}

void calendar_poll(struct calendar *c, uint64_t now)
{
	struct epoll_event e[CALENDAR_GUESTS + 1];
	int n = epoll_wait(c->epfd, e, CALENDAR_GUESTS + 1, 0);

	if (now > c->now)
		c->now = now;
	for (int i = 0; i < n; i++) {
		if (e[i].data.u32 == LISTENER)
			take_guest(c);
		else
			take_from(c, &c->guest[e[i].data.u32]);
	}
}

int calendar_fd(const struct calendar *c)
{
	return c->epfd;
}

static unsigned int count(const struct calendar *c, enum guest_state at_least)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < CALENDAR_GUESTS; i++)
		n += c->guest[i].state >= at_least;
	return n;
}

bool calendar_complete(const struct calendar *c)
{
	return !c->begun && count(c, GUEST_NEW) == c->guests;
}

void calendar_begin(struct calendar *c)
{
	c->begun = true;
	c->now = 0;
}

bool calendar_lives(const struct calendar *c)
{
	return c->begun && count(c, GUEST_NEW);
}

bool calendar_runs(const struct calendar *c)
{
	for (unsigned int i = 0; i < CALENDAR_GUESTS; i++)
		if (c->guest[i].state == GUEST_RUNS)
			return true;
	return false;
}

static bool is_before(const struct guest *a, const struct guest *b)
{
	return a->wants < b->wants || (a->wants == b->wants && a->id < b->id);
}

/* Who is next, but for one; NULL: nobody. */
static struct guest *first(const struct calendar *c, const struct guest *but)
{
	const struct guest *best = NULL;

	for (unsigned int i = 0; i < CALENDAR_GUESTS; i++) {
		const struct guest *g = &c->guest[i];

		if (g == but || (g->state != GUEST_NEW && g->state != GUEST_WAITS) ||
		    g->wants == CALENDAR_NEVER)
			continue;
		if (!best || is_before(g, best))
			best = g;
	}
	return (struct guest *)best;
}

uint64_t calendar_next(const struct calendar *c)
{
	const struct guest *g = first(c, NULL);

	return g ? g->wants : CALENDAR_NEVER;
}

void calendar_turn(struct calendar *c, uint64_t until)
{
	struct guest *g = first(c, NULL), *other = first(c, g);
	uint64_t time;

	if (!g)
		return;
	if (other && other->wants < until)
		until = other->wants;
	time = g->wants;
	if (time > c->now)
		c->now = time;
	g->wants = CALENDAR_NEVER;
	if (g->state == GUEST_NEW) {
		g->state = GUEST_RUNS;
		put(g, UM_TIMETRAVEL_ACK, g->start_seq, 0);
		return;
	}
	g->state = GUEST_RUNS;
	if (until > time && until != CALENDAR_NEVER)
		put(g, UM_TIMETRAVEL_FREE_UNTIL, ++c->seq, until);
	if (g->state == GUEST_RUNS)
		put(g, UM_TIMETRAVEL_RUN, ++c->seq, time);
}

int calendar_open(const char *path, unsigned int guests, uint64_t epoch, struct calendar **out)
{
	struct calendar *c = calloc(1, sizeof(*c));
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	struct epoll_event e = {.events = EPOLLIN, .data.u32 = LISTENER};
	int err = 0;

	*out = c;
	if (!c)
		return -ENOMEM;
	c->guests = guests;
	c->epoch = epoch;
	c->listen_fd = c->epfd = -1;
	for (unsigned int i = 0; i < CALENDAR_GUESTS; i++)
		c->guest[i].fd = -1;
	if (strlen(path) >= sizeof(addr.sun_path)) {
		err = -ENAMETOOLONG;
		goto out;
	}
	strcpy(addr.sun_path, path);
	c->epfd = epoll_create1(EPOLL_CLOEXEC);
	c->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (c->epfd < 0 || c->listen_fd < 0 ||
	    bind(c->listen_fd, (struct sockaddr *)&addr, sizeof(addr))) {
		err = -errno;
		goto out;
	}
	strcpy(c->path, path); /* ours to remove */
	if (listen(c->listen_fd, CALENDAR_GUESTS) ||
	    epoll_ctl(c->epfd, EPOLL_CTL_ADD, c->listen_fd, &e))
		err = -errno;
out:
	if (!err)
		return 0;
	fprintf(stderr, "mpdisk-sim: --calendar %s: %s\n", path, strerror(-err));
	calendar_close(c);
	*out = NULL;
	return err;
}

void calendar_close(struct calendar *c)
{
	if (!c)
		return;
	for (unsigned int i = 0; i < CALENDAR_GUESTS; i++)
		if (c->guest[i].fd >= 0)
			close(c->guest[i].fd);
	if (c->listen_fd >= 0)
		close(c->listen_fd);
	if (c->path[0])
		unlink(c->path);
	if (c->epfd >= 0)
		close(c->epfd);
	free(c);
}
