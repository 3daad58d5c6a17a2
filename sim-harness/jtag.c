// SPDX-License-Identifier: BSD-2-Clause
/* JTAG pins over a socket (remote_bitbang). */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "jtag.h"

struct jtag {
	int listen_fd;
	int fd;
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	uint8_t pins;
	size_t pos, len;
	size_t nout;
	char in[4096];
	char out[4096];
};

static int listen_unix(struct jtag *j, const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};

	if (strlen(path) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	strcpy(addr.sun_path, path);
	j->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (j->listen_fd < 0 || bind(j->listen_fd, (struct sockaddr *)&addr, sizeof(addr)))
		return -errno;
	strcpy(j->path, path);
	return 0;
}

static int listen_tcp(struct jtag *j, unsigned long port)
{
	struct sockaddr_in addr = {.sin_family = AF_INET,
				   .sin_port = htons((uint16_t)port),
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int one = 1;

	j->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (j->listen_fd < 0)
		return -errno;
	setsockopt(j->listen_fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	return bind(j->listen_fd, (struct sockaddr *)&addr, sizeof(addr)) ? -errno : 0;
}

int jtag_open(const char *where, struct jtag **out)
{
	struct jtag *j = calloc(1, sizeof(*j));
	unsigned long port;
	char *end;
	int err;

	*out = NULL;
	if (!j)
		return -ENOMEM;
	j->fd = -1;
	port = strtoul(where, &end, 10);
	if (*where && !*end)
		err = port >= 1 && port <= 65535 ? listen_tcp(j, port) : -EINVAL;
	else
		err = listen_unix(j, where);
	if (!err && listen(j->listen_fd, 1))
		err = -errno;
	if (err) {
		fprintf(stderr, "mpdisk-sim: --jtag %s: %s\n", where, strerror(-err));
		jtag_close(j);
		return err;
	}
	*out = j;
	return 0;
}

void jtag_close(struct jtag *j)
{
	if (!j)
		return;
	if (j->fd >= 0)
		close(j->fd);
	if (j->listen_fd > 0)
		close(j->listen_fd);
	if (j->path[0])
		unlink(j->path);
	free(j);
}

int jtag_fd(const struct jtag *j)
{
	return j->fd >= 0 ? j->fd : j->listen_fd;
}

static void hang_up(struct jtag *j)
{
	close(j->fd);
	j->fd = -1;
	j->pos = j->len = j->nout = 0;
}

static void flush(struct jtag *j)
{
	ssize_t n;

	if (!j->nout)
		return;
	n = send(j->fd, j->out, j->nout, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n > 0) {
		j->nout -= (size_t)n;
		memmove(j->out, j->out + n, j->nout);
	}
}

bool jtag_poll(struct jtag *j)
{
	ssize_t n;
	int one = 1;

	if (j->fd < 0) {
		j->fd = accept4(j->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (j->fd < 0)
			return false;
		setsockopt(j->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	}
	if (j->pos < j->len)
		return true;
	flush(j);
	/* Each character gives at most one of output, so what is read must fit. */
	n = recv(j->fd, j->in, sizeof(j->in) - j->nout, MSG_DONTWAIT);
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
		hang_up(j);
		return false;
	}
	j->pos = 0;
	j->len = n > 0 ? (size_t)n : 0;
	return j->len > 0;
}

int jtag_step(struct jtag *j, bool tdo, uint8_t *pins)
{
	while (j->fd >= 0 && j->pos < j->len) {
		char c = j->in[j->pos++];

		if (c >= '0' && c <= '7') {
			j->pins = (uint8_t)((j->pins & JTAG_TRST) | (c - '0'));
		} else if (c >= 'r' && c <= 'u') {
			/* Only the test reset; the system reset has no pin here. */
			j->pins =
				(uint8_t)((j->pins & ~JTAG_TRST) | ((c - 'r') & 2 ? JTAG_TRST : 0));
		} else if (c == 'R') {
			j->out[j->nout++] = tdo ? '1' : '0';
			continue;
		} else if (c == 'Q') {
			hang_up(j);
			break;
		} else {
			continue;
		}
		*pins = j->pins;
		return 1;
	}
	if (j->fd >= 0)
		flush(j);
	return 0;
}
