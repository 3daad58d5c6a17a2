// SPDX-License-Identifier: BSD-2-Clause
/* Reads a mount's requests from /dev/fuse, and writes the replies (serve.h). */
#define _GNU_SOURCE
#include "serve.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <syslog.h>
#include <unistd.h>

#include <linux/fuse.h>

#include "../cli/report.h"
#include "fuse_opcode.h"
#include "port_serve.h"

/* the kernel wants room for max_write and headers */
#define READ_BYTES (PORT_MAX_DATA + 2 * 4096)

struct server {
	struct server_config config;
	struct port_server *port;
	uint8_t *read_buffer;
	atomic_bool ready_told;
	atomic_int init_error;
	atomic_bool stop_reading;
};

static void tell_ready(struct server *server, int error)
{
	if (atomic_exchange(&server->ready_told, true))
		return;
	atomic_store(&server->init_error, error);
	server->config.ready(server->config.user, error);
}

static void write_reply(void *user, void *origin, uint32_t opcode, const struct iovec *iov,
			int niov)
{
	struct server *server = user;
	ssize_t written;

	(void)origin;
	if (!niov)
		return;
	do {
		written = writev(server->config.fuse_fd, iov, niov);
	} while (written < 0 && errno == EINTR);
	/* ENOENT: the kernel gave the request up; ENODEV, EPERM: it is unmounted. */
	if (written < 0 && errno != ENOENT && errno != ENODEV && errno != EPERM)
		report(LOG_ERR, "the kernel refused the reply to %s: %s", fuse_opcode_name(opcode),
		       error_text(errno));
	if (opcode == FUSE_INIT)
		tell_ready(server, ((const struct fuse_out_header *)iov[0].iov_base)->error);
}

/* Reads one message. 1: got one; 0: nothing to read now; negative: unmounted (-ENODEV) or worse. */
static int read_message(struct server *server)
{
	ssize_t len = read(server->config.fuse_fd, server->read_buffer, READ_BYTES);
	const struct fuse_in_header *head = (const void *)server->read_buffer;

	if (len >= (ssize_t)sizeof(*head)) {
		fuse_apply_options(server->read_buffer, (uint32_t)len, server->config.local_locks,
				   server->config.noatime);
		port_server_take(server->port, server->read_buffer, (uint32_t)len, NULL);
		return 1;
	}
	/* ENOENT: the request was given up between poll and read. */
	if (len >= 0 || errno == EINTR || errno == EAGAIN || errno == ENOENT)
		return 0;
	return -errno;
}

static int read_messages(struct server *server)
{
	struct pollfd fds[2] = {{.fd = server->config.fuse_fd, .events = POLLIN},
				{.fd = server->config.stop_fd, .events = POLLIN}};
	int err;

	for (;;) {
		port_server_await_room(server->port);
		err = atomic_load(&server->init_error);
		if (err)
			return err;
		if (atomic_load(&server->stop_reading))
			return -ENODEV;
		if (poll(fds, 2, 1000) < 0 && errno != EINTR)
			return -errno;
		if (fds[1].revents & POLLIN)
			server->config.stop(server->config.user);
		do {
			err = read_message(server);
		} while (err > 0 && !(fds[1].revents & POLLIN));
		if (err < 0)
			return err;
	}
}

void server_stop(struct server *server)
{
	atomic_store(&server->stop_reading, true);
}

bool server_is_stuck(const struct server *server)
{
	return port_server_is_stuck(server->port);
}

int server_run(struct server *server)
{
	int err, end;

	err = port_server_start(server->port);
	if (err)
		return err;
	err = read_messages(server);
	tell_ready(server, -ECONNABORTED); /* in case that nobody was told until now */
	end = port_server_end(server->port);
	if (err == -ENODEV) /* that is how an unmounted descriptor reads */
		err = atomic_load(&server->init_error);
	return err ? err : end;
}

int server_new(const struct server_config *config, struct server **out)
{
	struct server *server = calloc(1, sizeof(*server));
	const struct port_server_config port = {.link = config->link,
						.info = config->info,
						.trace = config->trace,
						.reply = write_reply,
						.user = server};
	int err;

	if (!server)
		return -ENOMEM;
	server->config = *config;
	server->read_buffer = aligned_alloc(4096, READ_BYTES);
	err = server->read_buffer ? 0 : -ENOMEM;
	if (!err)
		err = port_server_new(&port, &server->port);
	if (err) {
		server_free(server);
		return err;
	}
	*out = server;
	return 0;
}

void server_free(struct server *server)
{
	if (!server)
		return;
	port_server_free(server->port);
	free(server->read_buffer);
	free(server);
}

void server_describe(struct server *server, char *buffer, unsigned int size)
{
	port_server_describe(server->port, buffer, size);
}
