// SPDX-License-Identifier: BSD-2-Clause
/*
 * virtio-fs requests carried to a port (fs_port.h): one thread takes them from the queues, the
 * port's completer answers them.
 *
 * What one guest held is dropped by attaching anew, when it has gone or starts again (FUSE_INIT),
 * unless it has unmounted: then it holds nothing. A guest in virtual time can only mount again
 * because of that: the device, which attaching waits for, stands while the guest's kick does.
 */
#define _GNU_SOURCE
#include "fs_port.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <syslog.h>

#include <linux/fuse.h>

#include "../cli/report.h"
#include "../fuse/port_serve.h"

#define REQUEST_MAX (PORT_MAX_DATA + 8192u)

struct fs_port {
	struct fs_port_config config;
	struct vhost *vhost;
	pthread_t taker;
	pthread_mutex_t lock;
	/* [lock] Changed by the taker, or by the control thread while the taker is idle; NULL: the
	 * port is lost. */
	struct port_server *server;
	bool fresh;     /* nothing is held on the port; as server */
	bool destroyed; /* the guest has unmounted, and closed all before; as server */
	atomic_bool lost, stuck;
	atomic_uint waiting;          /* SETLKW that are on the port */
	struct vhost_request request; /* [taker] */
	uint8_t *message;             /* [taker] */
};

/* ---- replies */
static void on_reply(void *user, void *origin, uint32_t opcode, const struct iovec *iov, int niov)
{
	struct fs_port *fs = user;
	struct vhost_request *request = origin;
	struct fuse_out_header header = {.len = sizeof(header), .error = -EIO};
	const struct iovec failure = {&header, sizeof(header)};

	if (!vhost_answer(request, iov, niov, 0)) { /* there is less room than it asked for */
		header.unique = ((const struct fuse_out_header *)iov[0].iov_base)->unique;
		if (!vhost_answer(request, &failure, 1, 0) && !vhost_answer(request, NULL, 0, 0))
			vhost_broken(request, "a request cannot be answered");
	}
	if (opcode == FUSE_SETLKW) /* which may take for ever */
		atomic_fetch_sub(&fs->waiting, 1);
	else
		vhost_done(request);
	free(request);
}

/* ---- the port */
static int port_begin(struct fs_port *fs)
{
	const struct port_server_config port = {.link = fs->config.link,
						.info = fs->config.info,
						.trace = fs->config.trace,
						.reply = on_reply,
						.user = fs};
	struct port_server *server;
	int err;

	err = port_server_new(&port, &server);
	if (err)
		return err;
	err = port_server_start(server);
	if (err) {
		port_server_free(server);
		return err;
	}
	pthread_mutex_lock(&fs->lock);
	fs->server = server;
	pthread_mutex_unlock(&fs->lock);
	fs->fresh = true;
	return 0;
}

/* Waits until every request is answered. */
static int port_end(struct fs_port *fs)
{
	struct port_server *server = fs->server;
	int err;

	if (!server)
		return 0;
	err = port_server_end(server);
	pthread_mutex_lock(&fs->lock);
	fs->server = NULL;
	pthread_mutex_unlock(&fs->lock);
	if (port_server_is_stuck(server))
		atomic_store(&fs->stuck, true); /* it may use the server still */
	else
		port_server_free(server);
	return err;
}

/* Drops what is held on the port. */
static void port_renew(struct fs_port *fs)
{
	int err;

	if (fs->fresh || !fs->server)
		return;
	(void)!port_end(fs); /* a failure shows again at once */
	err = atomic_load(&fs->stuck) ? -EIO : fs->config.attach(fs->config.user, &fs->config.info);
	if (!err)
		err = port_begin(fs);
	if (!err)
		return;
	report(LOG_ERR, "the port cannot be attached anew: %s", error_text(err));
	atomic_store(&fs->lost, true);
	vhost_stop(fs->vhost);
}

/* ---- requests */
static const char *take(struct fs_port *fs)
{
	const struct fuse_in_header *in = (const void *)fs->message;
	const uint32_t len = fs->request.chain.read_len;
	bool got;

	if (len < sizeof(*in) || len > REQUEST_MAX)
		return "a request of an odd length";
	if (!vhost_enter(&fs->request))
		return "";
	got = vhost_get(&fs->request, fs->message, len);
	vhost_leave(&fs->request);
	if (!got)
		return "a request cannot be read";
	return in->len == len ? NULL : "a FUSE message is not as long as it says";
}

/* As many wait as may. */
static void refuse_lock(struct fs_port *fs, struct vhost_request *origin)
{
	struct fuse_out_header header = {.len = sizeof(header), .error = -ENOLCK};
	const struct iovec iov = {&header, sizeof(header)};

	header.unique = ((const struct fuse_in_header *)(const void *)fs->message)->unique;
	vhost_done(&fs->request);
	on_reply(fs, origin, FUSE_SETLKW, &iov, 1);
}

static void serve(struct fs_port *fs)
{
	const struct fuse_in_header *in = (const void *)fs->message;
	const char *why = take(fs);
	struct vhost_request *origin = NULL;

	if (!why && in->opcode == FUSE_INIT) {
		if (!fs->destroyed)
			port_renew(fs);
		fs->fresh = false;
		fs->destroyed = false;
	}
	if (!why && fs->server) {
		origin = vhost_copy(&fs->request);
		if (!origin)
			why = "there is no memory for its requests";
	}
	if (why && *why)
		vhost_broken(&fs->request, why);
	if (!origin) {
		vhost_done(&fs->request);
		return;
	}
	if (in->opcode == FUSE_DESTROY)
		fs->destroyed = true;
	if (in->opcode == FUSE_SETLKW) {
		if (atomic_fetch_add(&fs->waiting, 1) >= fs->request.waiting_max) {
			refuse_lock(fs, origin);
			return;
		}
		vhost_done(&fs->request);
	}
	port_server_take(fs->server, fs->message, in->len, origin);
	port_server_await_room(fs->server);
}

static void *taker_main(void *arg)
{
	struct fs_port *fs = arg;

	while (vhost_wait(fs->vhost)) {
		while (vhost_pop(fs->vhost, &fs->request))
			serve(fs);
		vhost_taken(fs->vhost);
	}
	return NULL;
}

/* ---- the device */
static void on_gone(void *user)
{
	struct fs_port *fs = user;

	if (!fs->destroyed)
		port_renew(fs);
	fs->destroyed = false; /* the next one is not believed what this one has said */
}

int fs_port_new(const struct fs_port_config *config, struct fs_port **out)
{
	struct fs_port *fs = calloc(1, sizeof(*fs));
	struct vhost_config vhost = config->vhost;
	int err;

	if (!fs)
		return -ENOMEM;
	fs->config = *config;
	pthread_mutex_init(&fs->lock, NULL);
	fs->message = aligned_alloc(4096, REQUEST_MAX);
	vhost.takes = true;
	vhost.gone = on_gone;
	vhost.user = fs;
	err = fs->message ? vhost_new(&vhost, &fs->vhost) : -ENOMEM;
	if (err)
		fs_port_free(fs);
	else
		*out = fs;
	return err;
}

int fs_port_run(struct fs_port *fs, int stop_fd)
{
	int err, end;

	err = port_begin(fs);
	if (err)
		return err;
	err = -pthread_create(&fs->taker, NULL, taker_main, fs);
	if (!err) {
		err = vhost_run(fs->vhost, stop_fd);
		vhost_stop(fs->vhost);
		pthread_join(fs->taker, NULL);
	}
	end = port_end(fs);
	if (!err && atomic_load(&fs->lost))
		err = -EIO;
	return err ? err : end;
}

void fs_port_stop(struct fs_port *fs)
{
	vhost_stop(fs->vhost);
}

bool fs_port_is_stuck(const struct fs_port *fs)
{
	return atomic_load(&fs->stuck);
}

void fs_port_free(struct fs_port *fs)
{
	if (!fs)
		return;
	vhost_free(fs->vhost);
	free(fs->message);
	free(fs);
}

void fs_port_describe(struct fs_port *fs, char *buffer, unsigned int size)
{
	struct vhost_statistics s;
	int n;

	vhost_get_statistics(fs->vhost, &s);
	n = snprintf(buffer, size,
		     "guest       %s\nguests      %llu\ncut off     %llu\nqueues      %u\n",
		     s.connected ? "connected" : "none", (unsigned long long)s.guests,
		     (unsigned long long)s.broken, s.running);
	pthread_mutex_lock(&fs->lock);
	if (fs->server && n > 0 && (unsigned int)n < size)
		port_server_describe(fs->server, buffer + n, size - (unsigned int)n);
	pthread_mutex_unlock(&fs->lock);
}
