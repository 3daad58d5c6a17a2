/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * FUSE requests through a port, whoever sends them: each is answered, also when the port has no tag
 * free now, when the device says nonsense, or when it goes away. Then everything in flight and
 * everything that follows gets EIO.
 *
 *	port_server_new(&config, &server); port_server_start(server);
 *	port_server_await_room(server); port_server_take(server, message, len, origin);
 *	port_server_end(server); port_server_free(server);
 */
#ifndef MPDISK_PORT_SERVE_H
#define MPDISK_PORT_SERVE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "port_client.h"

struct port_server_config {
	struct link *link;
	struct port_info info;
	bool trace; /* every message to stderr */
	/* The end of a request: its reply, in iov, a fuse_out_header first; niov 0: it has none.
	 * Once for each; any thread, perhaps before port_server_take() returns. */
	void (*reply)(void *user, void *origin, uint32_t opcode, const struct iovec *iov, int niov);
	void *user;
};

struct port_server;

int port_server_new(const struct port_server_config *config, struct port_server **out)
	__attribute__((warn_unused_result));
int port_server_start(struct port_server *server) __attribute__((warn_unused_result));

/* A request, len bytes, a fuse_in_header at least; 8-aligned. One thread at a time. */
void port_server_take(struct port_server *server, const void *message, uint32_t len, void *origin);

/* Waits while there are as many requests as it is good to hold. */
void port_server_await_room(struct port_server *server);

/* After port_server_start(), and no more is taken: waits until all have ended and the device has
 * written everything back (DESTROY), or has failed: -EIO. */
int port_server_end(struct port_server *server) __attribute__((warn_unused_result));

/* After port_server_end(): a thread of the server still hangs in the link and may use the server.
 */
bool port_server_is_stuck(const struct port_server *server);

void port_server_free(struct port_server *server);

/* Text for `mpdisk status`, into buffer. Any thread. */
void port_server_describe(struct port_server *server, char *buffer, unsigned int size);

#endif
