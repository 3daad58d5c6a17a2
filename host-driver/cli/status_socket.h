/* SPDX-License-Identifier: BSD-2-Clause */
/* The other end of `mpdisk status DIR` and SOCKET: a socket on which a daemon describes itself. */
#ifndef MPDISK_STATUS_SOCKET_H
#define MPDISK_STATUS_SOCKET_H

struct status_socket;

/* Writes the text of an answer. */
typedef void (*status_describe)(void *user, char *text, unsigned int size);

/* What the socket of a mount is called, and that of a device: abstract names. */
#define STATUS_NAME 64
/* major and minor: the mount's device number. */
void status_name_of_mount(char *name, unsigned int major, unsigned int minor);
/* -errno: there is no socket of that path; -ENOTSOCK: it is none. */
int status_name_of_socket(char *name, const char *path) __attribute__((warn_unused_result));

int status_socket_open(status_describe describe, void *user, const char *name,
		       struct status_socket **out) __attribute__((warn_unused_result));
/* Connects to one: a descriptor to read the text from, or -errno. */
int status_socket_connect(const char *name) __attribute__((warn_unused_result));
void status_socket_close(struct status_socket *socket);

#endif
