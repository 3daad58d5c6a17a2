/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What carries the messages of a mount, or of a guest: a port of a device (served mode), or the
 * filesystem in this process on a pool (shared mode). mount.c and vhost_fs.c do what both have in
 * common.
 */
#ifndef MPDISK_CARRIER_H
#define MPDISK_CARRIER_H

#include "options.h"

struct vhost_config;

struct carrier_config {
	const struct mount_options *options;
	const char *dir; /* absolute; of a guest: the socket */
	/* FUSE_INIT has been answered: 0, or a negative errno. Called once, from a thread. */
	void (*ready)(void *user, int error);
	/* The mount is to end: reads stop_fd and starts the unmount without waiting for it. */
	void (*stop)(void *user);
	void *user;
	int stop_fd;
	int fuse_fd; /* known from start() on */
	/* A guest's device; ready() and stop() are not called for it, it ends by stop_fd. */
	const struct vhost_config *vhost;
};

struct carrier {
	/* Attaches; the reason of a failure is reported. *state is handed back to the others; it
	 * may be set after a failure too. */
	int (*attach)(const struct carrier_config *config, void **state);
	/* Gets ready to serve what is mounted by now. */
	int (*start)(const struct carrier_config *config, void *state);
	/* Serves until the kernel has unmounted, or stop() is called. */
	int (*run)(void *state);
	/* Makes run() end although the mount is still used. Any thread. */
	void (*stop)(void *state);
	/* Lines for `mpdisk status DIR`. Any thread, between start() and detach(). */
	void (*describe)(void *state, char *buffer, unsigned int size);
	/* Detaches in good order and frees everything; state may be NULL. */
	int (*detach)(void *state);
};

extern const struct carrier port_carrier;
extern const struct carrier pool_carrier;
extern const struct carrier port_vhost_carrier;
extern const struct carrier pool_vhost_carrier;

#endif
