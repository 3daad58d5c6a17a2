/* SPDX-License-Identifier: BSD-2-Clause */
/* A thread that answers each connection with the mount's state (status_socket.h). */
#define _GNU_SOURCE
#include "status_socket.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BIND_TRIES 100
#define BIND_WAIT_US 20000
#define BACKLOG 64
#define CONNECT_SECONDS 10 /* where it is full */
#define END_FORMAT "end %d\n"
#define STAYING 16 /* at a time; who comes then is answered once */

enum { STOP, LISTEN, STAYS }; /* places in fds; free ones have -1 */

struct status_socket {
	status_describe describe;
	status_is_gone is_gone;
	void *user;
	struct pollfd fds[STAYS + STAYING];
	pthread_t thread;
};

/* Too slow a reader loses it: it must not hold this thread. */
static bool send_text(int fd, const char *text)
{
	return send(fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT) >= 0;
}

static bool answer(struct status_socket *status, int fd)
{
	char text[2048];

	text[0] = '\0';
	status->describe(status->user, text, sizeof(text));
	return send_text(fd, text);
}

/* Others could take all places. */
static bool may_stay(int fd)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 &&
	       (peer.uid == 0 || peer.uid == geteuid());
}

static bool take_in(struct status_socket *status)
{
	int fd = accept4(status->fds[LISTEN].fd, NULL, NULL, SOCK_CLOEXEC), i;

	if (fd < 0)
		return false;
	if (answer(status, fd) && may_stay(fd))
		for (i = STAYS; i < STAYS + STAYING; i++)
			if (status->fds[i].fd < 0) {
				status->fds[i].fd = fd;
				return true;
			}
	close(fd);
	return true;
}

/* He has asked again, or gone. */
static void go_on(struct status_socket *status, struct pollfd *stays)
{
	char byte;

	if (recv(stays->fd, &byte, 1, MSG_DONTWAIT) > 0 &&
	    ((status->is_gone && status->is_gone(status->user)) || answer(status, stays->fd)))
		return;
	close(stays->fd);
	stays->fd = -1;
}

static void *status_main(void *arg)
{
	struct status_socket *status = arg;
	int i;

	for (;;) {
		if (poll(status->fds, STAYS + STAYING, -1) < 0) {
			if (errno == EINTR)
				continue;
			return NULL;
		}
		if (status->fds[STOP].revents) {
			while (take_in(status)) /* who came before the end is told of it */
				;
			return NULL;
		}
		for (i = STAYS; i < STAYS + STAYING; i++)
			if (status->fds[i].fd >= 0 && status->fds[i].revents)
				go_on(status, &status->fds[i]);
		if (status->fds[LISTEN].revents)
			take_in(status);
	}
}

void status_name_of_mount(char *name, unsigned int major, unsigned int minor)
{
	snprintf(name, STATUS_NAME, "mpdisk/%u:%u", major, minor);
}

int status_name_of_socket(char *name, const char *path, uid_t *owner)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return -errno;
	if (!S_ISSOCK(st.st_mode))
		return -ENOTSOCK;
	snprintf(name, STATUS_NAME, "mpdisk/socket/%lx:%lx", (unsigned long)st.st_dev,
		 (unsigned long)st.st_ino);
	*owner = st.st_uid;
	return 0;
}

static socklen_t fill_address(struct sockaddr_un *address, const char *name)
{
	*address = (struct sockaddr_un){.sun_family = AF_UNIX};
	strcpy(address->sun_path + 1, name);
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name));
}

int status_socket_connect(const char *name, uid_t owner)
{
	const struct timeval limit = {.tv_sec = CONNECT_SECONDS};
	struct sockaddr_un address;
	const socklen_t len = fill_address(&address, name);
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), err = 0;
	socklen_t size = sizeof(struct ucred);
	struct ucred peer;

	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) < 0 ||
	    connect(fd, (struct sockaddr *)&address, len) < 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
		err = -errno;
	else if (peer.uid != owner && peer.uid != 0)
		err = -EPERM; /* anybody can take the name */
	if (!err)
		return fd;
	close(fd);
	return err;
}

ssize_t status_socket_read(int fd, char *text, size_t size)
{
	ssize_t n;

	/* ECONNRESET comes once, where a question was not read, and before texts that are there */
	do {
		n = recv(fd, text, size - 1, 0);
	} while (n < 0 && (errno == EINTR || errno == ECONNRESET));
	text[n < 0 ? 0 : n] = '\0';
	return n < 0 ? -errno : n;
}

bool status_is_end(const char *text, int *err)
{
	return sscanf(text, END_FORMAT, err) == 1;
}

/* A mount that has just ended had the same device number: its daemon may still be closing. */
static int bind_socket(int fd, const char *name)
{
	struct sockaddr_un address;
	const socklen_t len = fill_address(&address, name);
	int tries = BIND_TRIES;

	while (bind(fd, (struct sockaddr *)&address, len) < 0) {
		if (errno != EADDRINUSE || !--tries)
			return -errno;
		usleep(BIND_WAIT_US);
	}
	return listen(fd, BACKLOG) < 0 ? -errno : 0;
}

static void free_socket(struct status_socket *status)
{
	int i;

	for (i = 0; i < STAYS + STAYING; i++)
		if (status->fds[i].fd >= 0)
			close(status->fds[i].fd);
	free(status);
}

int status_socket_open(status_describe describe, status_is_gone is_gone, void *user,
		       const char *name, struct status_socket **out)
{
	struct status_socket *status = calloc(1, sizeof(*status));
	int err, i;

	if (!status)
		return -ENOMEM;
	status->describe = describe;
	status->is_gone = is_gone;
	status->user = user;
	for (i = 0; i < STAYS + STAYING; i++)
		status->fds[i] = (struct pollfd){.fd = -1, .events = POLLIN};
	status->fds[STOP].fd = eventfd(0, EFD_CLOEXEC);
	status->fds[LISTEN].fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	err = status->fds[STOP].fd < 0 || status->fds[LISTEN].fd < 0
		      ? -errno
		      : bind_socket(status->fds[LISTEN].fd, name);
	if (!err)
		err = -pthread_create(&status->thread, NULL, status_main, status);
	if (err)
		free_socket(status);
	else
		*out = status;
	return err;
}

void status_socket_stop(struct status_socket *status)
{
	if (eventfd_write(status->fds[STOP].fd, 1) == 0)
		pthread_join(status->thread, NULL);
	close(status->fds[LISTEN].fd);
	status->fds[LISTEN].fd = -1;
}

void status_socket_end(struct status_socket *status, int err)
{
	char text[32];
	int i;

	snprintf(text, sizeof(text), END_FORMAT, err);
	for (i = STAYS; i < STAYS + STAYING; i++)
		if (status->fds[i].fd >= 0)
			send_text(status->fds[i].fd, text);
	/* these connections end with the process, and so tell that it has */
	close(status->fds[STOP].fd);
	free(status);
}
