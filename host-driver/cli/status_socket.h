/* SPDX-License-Identifier: BSD-2-Clause */
/* The other end of `mpdisk status DIR`: a socket on which a mount's daemon describes itself. */
#ifndef MPDISK_STATUS_SOCKET_H
#define MPDISK_STATUS_SOCKET_H

struct status_socket;

/* Writes the text of an answer. */
typedef void (*status_describe)(void *user, char *text, unsigned int size);

/* major and minor: the mount's device number. */
int status_socket_open(status_describe describe, void *user, unsigned int major, unsigned int minor,
		       struct status_socket **out) __attribute__((warn_unused_result));
void status_socket_close(struct status_socket *socket);

#endif
