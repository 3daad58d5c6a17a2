// SPDX-License-Identifier: BSD-2-Clause
/* The socket of a vhost-user device, and the guests that come and go (vhost.h). */
#define _GNU_SOURCE
#include "vhost_priv.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "../cli/report.h"

/* ---- the socket */
/* Nobody listens at a socket that is left over from a process that was killed. */
static int remove_stale(const struct sockaddr_un *address)
{
	struct stat st;
	int fd, err = 0;

	if (lstat(address->sun_path, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EEXIST;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 ||
	    errno != ECONNREFUSED)
		err = -EADDRINUSE;
	close(fd);
	if (!err && unlink(address->sun_path) < 0)
		err = -errno;
	return err;
}

static int listen_at(struct vhost *vhost, const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	mode_t mask;
	int err;

	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	strcpy(address.sun_path, path);
	err = remove_stale(&address);
	if (err)
		return err;
	vhost->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (vhost->listener < 0)
		return -errno;
	mask = umask(077); /* who may connect may use the disk */
	err = bind(vhost->listener, (struct sockaddr *)&address, sizeof(address)) < 0 ? -errno : 0;
	umask(mask);
	vhost->bound = !err;
	if (!err && listen(vhost->listener, 4) < 0)
		err = -errno;
	return err;
}

static int add_event(int epoll, int fd, uint32_t events)
{
	struct epoll_event event = {.events = events};

	return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

static int open_fds(struct vhost *vhost)
{
	int err;

	vhost->epoll = epoll_create1(EPOLL_CLOEXEC);
	vhost->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	vhost->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	vhost->control_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (vhost->epoll < 0 || vhost->wake_fd < 0 || vhost->stop_fd < 0 || vhost->control_fd < 0)
		return -errno;
	err = add_event(vhost->epoll, vhost->wake_fd, EPOLLIN | EPOLLET);
	return err ? err : add_event(vhost->epoll, vhost->stop_fd, EPOLLIN);
}

static void init_locks(struct vhost *vhost)
{
	pthread_rwlockattr_t rwlock;
	pthread_condattr_t cond;
	unsigned int i;

	pthread_rwlockattr_init(&rwlock);
	pthread_rwlockattr_setkind_np(&rwlock, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	pthread_rwlock_init(&vhost->config, &rwlock);
	pthread_rwlockattr_destroy(&rwlock);
	pthread_condattr_init(&cond);
	pthread_condattr_setclock(&cond, CLOCK_MONOTONIC);
	pthread_cond_init(&vhost->idle, &cond);
	pthread_condattr_destroy(&cond);
	pthread_mutex_init(&vhost->count_lock, NULL);
	pthread_mutex_init(&vhost->channel_lock, NULL);
	for (i = 0; i < VHOST_QUEUES_MAX; i++) {
		struct queue *queue = &vhost->queues[i];

		pthread_mutex_init(&queue->lock, NULL);
		queue->kick = queue->call = queue->err = -1;
	}
}

int vhost_new(const struct vhost_config *config, struct vhost **out)
{
	struct vhost *vhost = calloc(1, sizeof(*vhost));
	int err;

	if (!vhost)
		return -ENOMEM;
	vhost->config_in = *config;
	vhost->looks =
		!config->in_band && !config->takes; /* neither is about this machine's time */
	vhost->connection = vhost->listener = vhost->channel = -1;
	vhost->epoll = vhost->wake_fd = vhost->stop_fd = vhost->control_fd = -1;
	init_locks(vhost);
	err = open_fds(vhost);
	if (!err)
		err = listen_at(vhost, config->socket);
	if (err)
		vhost_free(vhost);
	else
		*out = vhost;
	return err;
}

static void close_fd(int fd)
{
	if (fd >= 0)
		close(fd);
}

void vhost_free(struct vhost *vhost)
{
	if (!vhost)
		return;
	close_fd(vhost->listener);
	if (vhost->bound)
		unlink(vhost->config_in.socket);
	close_fd(vhost->epoll);
	close_fd(vhost->wake_fd);
	close_fd(vhost->stop_fd);
	close_fd(vhost->control_fd);
	free(vhost);
}

/* ---- guests */
static void tell_broken(struct vhost *vhost, const char *why)
{
	unsigned int i;

	atomic_fetch_add(&vhost->broken, 1);
	report(LOG_ERR, "%s: the guest is cut off: %s", vhost->config_in.socket, why);
	for (i = 0; i < vhost->config_in.nqueues; i++)
		if (vhost->queues[i].err >= 0 && eventfd_write(vhost->queues[i].err, 1) < 0)
			continue; /* it does not want to know */
}

static void end_guest(struct vhost *vhost)
{
	unsigned int i;

	pthread_rwlock_wrlock(&vhost->config);
	if (atomic_load(&vhost->why))
		tell_broken(vhost, atomic_load(&vhost->why));
	for (i = 0; i < vhost->config_in.nqueues; i++)
		queue_forget(vhost, &vhost->queues[i]);
	memory_unmap(&vhost->memory);
	replace_fd(&vhost->channel, -1);
	vhost->features = vhost->protocol_features = 0;
	pthread_rwlock_unlock(&vhost->config);
	close(vhost->connection);
	vhost->connection = -1;
	receive_next(vhost);
	for (i = 0; i < vhost->config_in.nqueues; i++)
		queue_await(vhost, &vhost->queues[i], -1);
	vhost->config_in.gone(vhost->config_in.user);
	atomic_store(&vhost->why, NULL);
	atomic_store(&vhost->connected, false);
	report(LOG_INFO, "%s: the guest is gone", vhost->config_in.socket);
}

/* Its last messages may not even have been read. */
static bool has_gone(int connection)
{
	struct pollfd pollfd = {.fd = connection, .events = POLLRDHUP};

	return poll(&pollfd, 1, 0) > 0;
}

static void begin_guest(struct vhost *vhost)
{
	int fd = accept4(vhost->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return;
	if (vhost->connection >= 0 && has_gone(vhost->connection))
		end_guest(vhost);
	if (vhost->connection >= 0) {
		report(LOG_WARNING, "%s: a second guest is refused: each needs a socket of its own",
		       vhost->config_in.socket);
		close(fd);
		return;
	}
	vhost->connection = fd;
	atomic_store(&vhost->connected, true);
	atomic_fetch_add(&vhost->guests, 1);
	report(LOG_INFO, "%s: a guest has come", vhost->config_in.socket);
}

static void take_messages(struct vhost *vhost)
{
	int err = receive_message(vhost);

	if (err > 0) {
		err = handle_message(vhost);
		receive_next(vhost);
		if (err == -ECONNRESET)
			end_guest(vhost);
		else if (err)
			vhost_fail(vhost, "a vhost-user message that cannot be carried out");
	} else if (err == -EPROTO) {
		vhost_fail(vhost, "what it sends is not vhost-user");
	} else if (err < 0) {
		end_guest(vhost);
	}
}

int vhost_run(struct vhost *vhost, int stop_fd)
{
	eventfd_t count;

	while (!atomic_load(&vhost->stopping)) {
		/* a negative descriptor is passed over */
		struct pollfd fds[4] = {{.fd = stop_fd, .events = POLLIN},
					{.fd = vhost->control_fd, .events = POLLIN},
					{.fd = vhost->connection, .events = POLLIN},
					{.fd = vhost->listener, .events = POLLIN}};

		if (poll(fds, 4, -1) < 0 && errno != EINTR)
			return -errno;
		if (fds[0].revents)
			break;
		if (fds[1].revents && eventfd_read(vhost->control_fd, &count) < 0)
			continue;
		if (fds[2].revents && !atomic_load(&vhost->why))
			take_messages(vhost);
		if (vhost->connection >= 0 && atomic_load(&vhost->why))
			end_guest(vhost);
		if (fds[3].revents)
			begin_guest(vhost);
	}
	if (vhost->connection >= 0)
		end_guest(vhost);
	return 0;
}

void vhost_stop(struct vhost *vhost)
{
	atomic_store(&vhost->stopping, true);
	if (eventfd_write(vhost->stop_fd, 1) < 0 || eventfd_write(vhost->control_fd, 1) < 0)
		report(LOG_ERR, "eventfd: %s", error_text(errno));
}

void vhost_get_statistics(struct vhost *vhost, struct vhost_statistics *out)
{
	unsigned int i;

	out->connected = atomic_load(&vhost->connected);
	out->guests = atomic_load(&vhost->guests);
	out->broken = atomic_load(&vhost->broken);
	out->running = 0;
	pthread_rwlock_rdlock(&vhost->config);
	for (i = 0; i < vhost->config_in.nqueues; i++)
		out->running += vhost->queues[i].running;
	pthread_rwlock_unlock(&vhost->config);
}
