/* SPDX-License-Identifier: BSD-2-Clause */
/* The other end of `mpdisk status DIR`: a socket on which a mount's daemon describes itself. */
#ifndef MPDISK_STATUS_SOCKET_H
#define MPDISK_STATUS_SOCKET_H

#include "../fuse/serve.h"

struct status_socket;

/* major and minor: the mount's device number. link and dir are shown; they must stay valid. */
int status_socket_open(struct server *server, const char *link, const char *dir, unsigned int major,
		       unsigned int minor, struct status_socket **out)
	__attribute__((warn_unused_result));
void status_socket_close(struct status_socket *socket);

#endif
