/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * proxy LISTEN CONNECT TAG: lets a User-Mode Linux guest use Debian's virtiofsd.
 *
 * The guest reads the tag from the device's configuration space; virtiofsd has none. So this
 * process stands between them: it answers GET_CONFIG itself and hands on every other message with
 * its descriptors. Rings, kicks and calls do not pass here. One guest, then it ends.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "vhost/vhost_wire.h"

#define TAG_BYTES 36u

struct message {
	struct vhost_header header;
	union vhost_payload payload;
};

struct descriptors {
	int n;
	int fd[VHOST_REGIONS_MAX];
};

struct proxy {
	int guest, daemon;
	struct {
		uint8_t tag[TAG_BYTES];
		uint32_t queues;
	} space;
};

static void __attribute__((noreturn)) fail(const char *what)
{
	fprintf(stderr, "proxy: %s: %s\n", what, strerror(errno));
	exit(1);
}

static struct sockaddr_un address_of(const char *path)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};

	if (strlen(path) >= sizeof(a.sun_path)) {
		errno = ENAMETOOLONG;
		fail(path);
	}
	memcpy(a.sun_path, path, strlen(path) + 1);
	return a;
}

static int do_socket(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		fail("socket");
	return fd;
}

static int accept_one(const char *path)
{
	struct sockaddr_un a = address_of(path);
	int listener = do_socket(), fd;

	if (bind(listener, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(listener, 1) < 0)
		fail(path);
	fd = accept(listener, NULL, NULL);
	if (fd < 0)
		fail("accept");
	close(listener);
	return fd;
}

static int connect_to(const char *path)
{
	struct sockaddr_un a = address_of(path);
	int fd = do_socket();

	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		fail(path);
	return fd;
}

/* The header, with which descriptors come, and then what follows it. 0: the peer has gone. */
static int receive(int fd, struct message *m, struct descriptors *d)
{
	char control[CMSG_SPACE(sizeof(d->fd))];
	struct iovec iov = {&m->header, sizeof(m->header)};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = control,
			     .msg_controllen = sizeof(control)};
	ssize_t n = recvmsg(fd, &msg, MSG_WAITALL | MSG_CMSG_CLOEXEC);

	d->n = 0;
	if (n != sizeof(m->header))
		return 0;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c))
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
			d->n = (int)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
			memcpy(d->fd, CMSG_DATA(c), (size_t)d->n * sizeof(int));
		}
	if (m->header.size > sizeof(m->payload)) {
		errno = EMSGSIZE;
		fail("message");
	}
	return !m->header.size ||
	       recv(fd, &m->payload, m->header.size, MSG_WAITALL) == (ssize_t)m->header.size;
}

static void transmit(int fd, struct message *m, struct descriptors *d)
{
	union {
		char bytes[CMSG_SPACE(sizeof(d->fd))];
		struct cmsghdr align;
	} control = {{0}};
	struct iovec iov[] = {{&m->header, sizeof(m->header)}, {&m->payload, m->header.size}};
	struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 2};

	if (d->n) {
		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE((size_t)d->n * sizeof(int));
		control.align.cmsg_level = SOL_SOCKET;
		control.align.cmsg_type = SCM_RIGHTS;
		control.align.cmsg_len = CMSG_LEN((size_t)d->n * sizeof(int));
		memcpy(CMSG_DATA(&control.align), d->fd, (size_t)d->n * sizeof(int));
	}
	if (sendmsg(fd, &msg, MSG_NOSIGNAL) != (ssize_t)(sizeof(m->header) + m->header.size))
		fail("sendmsg");
	for (int i = 0; i < d->n; i++)
		close(d->fd[i]);
}

static void answer_config(struct proxy *p, struct message *m)
{
	struct vhost_config_space *c = &m->payload.config;
	struct descriptors none = {0};

	if (c->size > VHOST_CONFIG_MAX || c->offset >= sizeof(p->space)) {
		errno = EPROTO;
		fail("GET_CONFIG");
	}
	memset(c->bytes, 0, c->size);
	/* Linux asks for [0, size), of which it wants the end */
	memcpy(c->bytes, (const uint8_t *)&p->space + c->offset,
	       c->size < sizeof(p->space) - c->offset ? c->size : sizeof(p->space) - c->offset);
	m->header.flags = VHOST_FLAG_VERSION | VHOST_FLAG_REPLY;
	transmit(p->guest, m, &none);
}

static int from_guest(struct proxy *p)
{
	struct descriptors d;
	struct message m;

	if (!receive(p->guest, &m, &d))
		return 0;
	if (m.header.request == VHOST_GET_CONFIG) {
		answer_config(p, &m);
		return 1;
	}
	if (m.header.request == VHOST_SET_PROTOCOL_FEATURES)
		m.payload.number &= ~(1ull << VHOST_PROTOCOL_F_CONFIG);
	transmit(p->daemon, &m, &d);
	return 1;
}

static int from_daemon(struct proxy *p)
{
	struct descriptors d;
	struct message m;

	if (!receive(p->daemon, &m, &d))
		return 0;
	if (m.header.request == VHOST_GET_PROTOCOL_FEATURES)
		m.payload.number |= 1ull << VHOST_PROTOCOL_F_CONFIG;
	transmit(p->guest, &m, &d);
	return 1;
}

int main(int argc, char **argv)
{
	struct proxy p = {.space = {.queues = 1}};

	if (argc != 4 || strlen(argv[3]) > TAG_BYTES) {
		fprintf(stderr, "usage: proxy LISTEN CONNECT TAG\n");
		return 2;
	}
	memcpy(p.space.tag, argv[3], strlen(argv[3]));
	p.guest = accept_one(argv[1]);
	p.daemon = connect_to(argv[2]);
	for (;;) {
		struct pollfd fds[] = {{p.guest, POLLIN, 0}, {p.daemon, POLLIN, 0}};

		if (poll(fds, 2, -1) < 0)
			fail("poll");
		if (fds[0].revents && !from_guest(&p))
			return 0;
		if (fds[1].revents && !from_daemon(&p))
			return 0;
	}
}
