// SPDX-License-Identifier: BSD-2-Clause
/* Served mode: the mount's messages go to a port of a device. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <syslog.h>
#include <unistd.h>

#include "../fuse/serve.h"
#include "carrier.h"
#include "report.h"

#define DETACH_MS 5000

struct state {
	const char *name;
	struct link *link;
	struct port_info info;
	bool attached;
	struct server *server;
};

static int attach_port(struct state *s, const struct mount_options *options)
{
	const char *link = options->link;
	int err, medium_error;

	err = link_open(link, &s->link);
	if (err == -EINVAL)
		report(LOG_ERR, "%s: not a link; it should look like sim:PATH", link);
	else if (err == -EBUSY)
		report(LOG_ERR, "%s: another host is attached to this port", link);
	else if (err)
		report(LOG_ERR, "%s: no device answers: %s", link, error_text(err));
	if (err)
		return err;
	err = port_attach(s->link, (int)options->attach_timeout * 1000, &s->info, &medium_error);
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

	if (!s)
		return -ENOMEM;
	*state = s;
	s->name = config->options->link;
	return attach_port(s, config->options);
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
