/* SPDX-License-Identifier: BSD-2-Clause */
/* A virtio-fs device whose requests are carried to a port of a device. */
#ifndef MPDISK_FS_PORT_H
#define MPDISK_FS_PORT_H

#include <stdbool.h>

#include "../fuse/port_client.h"
#include "vhost.h"

struct fs_port_config {
	struct vhost_config vhost; /* gone and user are not looked at */
	struct link *link;
	struct port_info info; /* of the attached port */
	bool trace;            /* every message to stderr */
	/* Attaches anew, which drops whatever the port held. */
	int (*attach)(void *user, struct port_info *info);
	void *user;
};

struct fs_port;

/* Errors as vhost_new(). */
int fs_port_new(const struct fs_port_config *config, struct fs_port **out)
	__attribute__((warn_unused_result));

/* Serves guests until stop_fd is readable, fs_port_stop() is called, or the port cannot be attached
 * anew between two guests. */
int fs_port_run(struct fs_port *fs, int stop_fd) __attribute__((warn_unused_result));
void fs_port_stop(struct fs_port *fs);
/* After fs_port_run(): a thread hangs in the link. */
bool fs_port_is_stuck(const struct fs_port *fs);
void fs_port_free(struct fs_port *fs);

/* Text for `mpdisk status SOCKET`, into buffer. Any thread. */
void fs_port_describe(struct fs_port *fs, char *buffer, unsigned int size);

#endif
