/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Carries FUSE messages between a mount's /dev/fuse descriptor and a port, until it is unmounted.
 *
 * When the port fails, everything in flight and everything that follows gets EIO, and the mount
 * stays until somebody unmounts it.
 */
#ifndef MPDISK_SERVE_H
#define MPDISK_SERVE_H

#include <stdbool.h>
#include <stdint.h>

#include "port_client.h"

struct server_config {
	int fuse_fd; /* non-blocking */
	int stop_fd; /* readable: somebody wants the mount to end; stop() is called each time */
	struct link *link;
	struct port_info info;
	bool trace;       /* every message to stderr */
	bool local_locks; /* on files: the kernel keeps them to itself */
	bool noatime;     /* reading does not change access times */
	/* FUSE_INIT has been answered: 0, or a negative errno after which server_run returns.
	 * Called once, from another thread than server_run's. */
	void (*ready)(void *user, int error);
	/* Reads stop_fd and starts the unmount without waiting for it. */
	void (*stop)(void *user);
	void *user;
};

struct server;

int server_new(const struct server_config *config, struct server **out)
	__attribute__((warn_unused_result));

/* Serves until the kernel has unmounted (0), or until FUSE_INIT has failed (its errno). At the end
 * the device has written everything back (DESTROY), or has failed: -EIO. */
int server_run(struct server *server) __attribute__((warn_unused_result));

/* Makes server_run end although the mount is still used. Any thread. */
void server_stop(struct server *server);

/* After server_run: a thread of the server still hangs in the link and may use the server. */
bool server_is_stuck(const struct server *server);

void server_free(struct server *server);

/* Text for `mpdisk status DIR`, into buffer. Any thread. */
void server_describe(struct server *server, char *buffer, unsigned int size);

#endif
