// SPDX-License-Identifier: BSD-2-Clause
/* Served mode: the mount's messages go to a port of a device. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <syslog.h>
#include <unistd.h>

#include "../fuse/serve.h"
#include "../vhost/fs_port.h"
#include "carrier.h"
#include "report.h"

#define DETACH_MS 5000

struct state {
	const char *name;
	struct link *link;
	struct port_info info;
	int attach_ms;
	bool attached;
	struct server *server; /* of a mount, or */
	struct fs_port *fs;    /* of a guest */
	int stop_fd;
};

static int open_link(struct state *s)
{
	const char *link = s->name;
	int err = link_open(link, &s->link);

	if (err == -EINVAL)
		report(LOG_ERR, "%s: not a link; it should look like sim:PATH", link);
	else if (err == -EBUSY)
		report(LOG_ERR, "%s: another host is attached to this port", link);
	else if (err)
		report(LOG_ERR, "%s: no device answers: %s", link, error_text(err));
	return err;
}

static int attach_port(struct state *s)
{
	const char *link = s->name;
	int err, medium_error;

	err = port_attach(s->link, s->attach_ms, &s->info, &medium_error);
	s->attached = !err;
	if (err == -ENOMEDIUM)
		report(LOG_ERR, "%s: the device cannot use its medium: %s; its log says why", link,
		       error_text(medium_error));
	else if (err == -EPROTO)
		report(LOG_ERR,
		       "%s: port version %u.%u with %u tags, %u + %u slots: not for this driver",
		       link, s->info.version >> 16, s->info.version & 0xffff, s->info.tags,
		       s->info.write_slots, s->info.read_slots);
	else if (err)
		report(LOG_ERR, "%s: cannot attach: %s", link, error_text(err));
	return err;
}

static int port_attach_carrier(const struct carrier_config *config, void **state)
{
	struct state *s = calloc(1, sizeof(*s));
	int err;

	if (!s)
		return -ENOMEM;
	*state = s;
	s->name = config->options->link;
	s->attach_ms = (int)config->options->attach_timeout * 1000;
	err = open_link(s);
	return err ? err : attach_port(s);
}

static int attach_anew(void *user, struct port_info *info)
{
	struct state *s = user;
	int err = attach_port(s);

	*info = s->info;
	return err;
}

static int port_vhost_start(const struct carrier_config *config, void *state)
{
	struct state *s = state;
	const struct fs_port_config fs = {
		.vhost = *config->vhost,
		.link = s->link,
		.info = s->info,
		.trace = config->options->trace,
		.attach = attach_anew,
		.user = s,
	};

	s->stop_fd = config->stop_fd;
	return fs_port_new(&fs, &s->fs);
}

static int port_vhost_run(void *state)
{
	struct state *s = state;
	int err = fs_port_run(s->fs, s->stop_fd);

	if (fs_port_is_stuck(s->fs))
		_exit(EXIT_FAILURE); /* as in port_run() */
	return err;
}

static void port_vhost_stop(void *state)
{
	fs_port_stop(((struct state *)state)->fs);
}

static void port_vhost_describe(void *state, char *buffer, unsigned int size)
{
	fs_port_describe(((struct state *)state)->fs, buffer, size);
}

static int port_start(const struct carrier_config *config, void *state)
{
	struct state *s = state;
	const int flags = fcntl(config->fuse_fd, F_GETFL);
	const struct server_config server = {
		.fuse_fd = config->fuse_fd,
		.stop_fd = config->stop_fd,
		.link = s->link,
		.info = s->info,
		.trace = config->options->trace,
		.local_locks = config->options->local_locks,
		.noatime = config->options->noatime,
		.ready = config->ready,
		.stop = config->stop,
		.user = config->user,
	};

	if (flags < 0 || fcntl(config->fuse_fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return -errno;
	return server_new(&server, &s->server);
}

static int port_run(void *state)
{
	struct state *s = state;
	int err = server_run(s->server);

	if (server_is_stuck(s->server))
		_exit(EXIT_FAILURE); /* a thread hangs in the link and holds what would be freed */
	return err;
}

static void port_stop(void *state)
{
	server_stop(((struct state *)state)->server);
}

static void port_describe(void *state, char *buffer, unsigned int size)
{
	server_describe(((struct state *)state)->server, buffer, size);
}

static int port_detach_carrier(void *state)
{
	struct state *s = state;
	int err;

	if (!s)
		return 0;
	if (s->attached) {
		err = port_detach(s->link, DETACH_MS);
		if (err)
			report(LOG_WARNING, "%s: not detached: %s", s->name, error_text(err));
	}
	server_free(s->server);
	fs_port_free(s->fs);
	if (s->link)
		link_close(s->link);
	free(s);
	return 0;
}

const struct carrier port_carrier = {
	.attach = port_attach_carrier,
	.start = port_start,
	.run = port_run,
	.stop = port_stop,
	.describe = port_describe,
	.detach = port_detach_carrier,
};

const struct carrier port_vhost_carrier = {
	.attach = port_attach_carrier,
	.start = port_vhost_start,
	.run = port_vhost_run,
	.stop = port_vhost_stop,
	.describe = port_vhost_describe,
	.detach = port_detach_carrier,
};
