/* SPDX-License-Identifier: BSD-2-Clause */
/* A thread that answers each connection with the mount's state and closes it. */
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

struct status_socket {
	status_describe describe;
	void *user;
	int fd;
	int stop_fd;
	pthread_t thread;
};

static void answer(struct status_socket *status, int fd)
{
	char text[2048];

	text[0] = '\0';
	status->describe(status->user, text, sizeof(text));
	/* Too slow a reader loses the rest: it must not hold this thread. */
	if (send(fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		return;
}

static void *status_main(void *arg)
{
	struct status_socket *status = arg;
	struct pollfd fds[2] = {{.fd = status->fd, .events = POLLIN},
				{.fd = status->stop_fd, .events = POLLIN}};
	int fd;

	for (;;) {
		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			return NULL;
		if (fds[1].revents)
			return NULL;
		if (!(fds[0].revents & POLLIN))
			continue;
		fd = accept4(status->fd, NULL, NULL, SOCK_CLOEXEC);
		if (fd >= 0) {
			answer(status, fd);
			close(fd);
		}
	}
}

void status_name_of_mount(char *name, unsigned int major, unsigned int minor)
{
	snprintf(name, STATUS_NAME, "mpdisk/%u:%u", major, minor);
}

int status_name_of_socket(char *name, const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return -errno;
	if (!S_ISSOCK(st.st_mode))
		return -ENOTSOCK;
	snprintf(name, STATUS_NAME, "mpdisk/socket/%lx:%lx", (unsigned long)st.st_dev,
		 (unsigned long)st.st_ino);
	return 0;
}

static socklen_t fill_address(struct sockaddr_un *address, const char *name)
{
	*address = (struct sockaddr_un){.sun_family = AF_UNIX};
	strcpy(address->sun_path + 1, name);
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name));
}

int status_socket_connect(const char *name)
{
	struct sockaddr_un address;
	const socklen_t len = fill_address(&address, name);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), err;

	if (fd >= 0 && connect(fd, (struct sockaddr *)&address, len) == 0)
		return fd;
	err = -errno;
	if (fd >= 0)
		close(fd);
	return err;
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
	return listen(fd, 4) < 0 ? -errno : 0;
}

int status_socket_open(status_describe describe, void *user, const char *name,
		       struct status_socket **out)
{
	struct status_socket *status = calloc(1, sizeof(*status));
	int err;

	if (!status)
		return -ENOMEM;
	status->describe = describe;
	status->user = user;
	status->stop_fd = eventfd(0, EFD_CLOEXEC);
	status->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	err = status->stop_fd < 0 || status->fd < 0 ? -errno : bind_socket(status->fd, name);
	if (err)
		goto out;
	err = -pthread_create(&status->thread, NULL, status_main, status);
	if (err)
		goto out;
	*out = status;
	return 0;
out:
	if (status->fd >= 0)
		close(status->fd);
	if (status->stop_fd >= 0)
		close(status->stop_fd);
	free(status);
	return err;
}

void status_socket_close(struct status_socket *status)
{
	if (eventfd_write(status->stop_fd, 1) == 0)
		pthread_join(status->thread, NULL);
	close(status->fd);
	close(status->stop_fd);
	free(status);
}
