/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The other end of `mpdisk status DIR` and SOCKET: a socket on which a daemon describes itself,
 * and, to those who stay connected, tells its end.
 *
 * Whoever connects gets a text, one packet. root and the daemon's user may stay and ask for another
 * one, by a packet of any content. There is no answer any more when the mount is gone, but a last
 * text when everything is written: "end" and an errno. A connection that ends without it: the
 * daemon has died.
 */
#ifndef MPDISK_STATUS_SOCKET_H
#define MPDISK_STATUS_SOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct status_socket;

/* Writes the text of an answer. */
typedef void (*status_describe)(void *user, char *text, unsigned int size);
/* Whether nobody has it mounted any more. */
typedef bool (*status_is_gone)(void *user);

/* What the socket of a mount is called, and that of a device: abstract names. */
#define STATUS_NAME 64
/* major and minor: the mount's device number. */
void status_name_of_mount(char *name, unsigned int major, unsigned int minor);
/* -errno: there is no socket of that path; -ENOTSOCK: it is none. */
int status_name_of_socket(char *name, const char *path, uid_t *owner)
	__attribute__((warn_unused_result));

/* is_gone may be NULL. */
int status_socket_open(status_describe describe, status_is_gone is_gone, void *user,
		       const char *name, struct status_socket **out)
	__attribute__((warn_unused_result));
/* Nobody is answered any more; the name is free. */
void status_socket_stop(struct status_socket *socket);
/* After that: tells those who wait the end, and how it went: 0 or a negative errno. Frees it. They
 * are disconnected when the process ends. */
void status_socket_end(struct status_socket *socket, int err);

/* Connects to one: a descriptor, or -errno; -EPERM: it is neither of that user nor of root. */
int status_socket_connect(const char *name, uid_t owner) __attribute__((warn_unused_result));
/* Reads one text, of less than `size` bytes: its length, 0 when the daemon has gone, or -errno. */
ssize_t status_socket_read(int fd, char *text, size_t size) __attribute__((warn_unused_result));
/* Whether this is a daemon's last text, and how it went. */
bool status_is_end(const char *text, int *err) __attribute__((warn_unused_result));

#endif
