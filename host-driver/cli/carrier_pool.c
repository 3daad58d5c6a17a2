// SPDX-License-Identifier: BSD-2-Clause
/* Shared mode: this process runs the filesystem itself, on a pool that others may share. */
#include <errno.h>
#include <stdlib.h>
#include <syslog.h>

#include "../fuse/pool_serve.h"
#include "../vhost/fs_pool.h"
#include "carrier.h"
#include "report.h"

struct state {
	struct mpdisk *disk;
	struct pool_server *server; /* of a mount, or */
	struct fs_pool *fs;         /* of a guest */
	int stop_fd;
};

static void log_line(void *arg, enum plat_level level, const char *line)
{
	static const int priorities[] = {LOG_ERR, LOG_WARNING, LOG_INFO, LOG_DEBUG};

	(void)arg;
	report(priorities[level], "%s", line);
}

static int pool_attach_carrier(const struct carrier_config *config, void **state)
{
	const struct mount_options *options = config->options;
	const struct mpdisk_options open = {
		.pool = options->pool,
		.image = options->image,
		.name = config->dir,
		.pool_mib = options->pool_mib,
		.read_only = options->read_only,
		.warm = true,
		.verbose = options->trace,
		.logger = log_line,
	};
	struct state *s = calloc(1, sizeof(*s));
	int err;

	if (!s)
		return -ENOMEM;
	err = mpdisk_open(&open, &s->disk);
	if (err) {
		report(LOG_ERR, "%s: cannot be mounted: %s", options->image, error_text(err));
		free(s);
		return err;
	}
	*state = s;
	return 0;
}

static int tell_full(int err)
{
	if (err == -EAGAIN)
		report(LOG_ERR,
		       "all %u executors of the pool are in use: end a mount, or use fewer threads",
		       POOL_EXECUTORS);
	return err;
}

static int pool_start(const struct carrier_config *config, void *state)
{
	struct state *s = state;
	const struct pool_server_config server = {
		.fuse_fd = config->fuse_fd,
		.stop_fd = config->stop_fd,
		.disk = s->disk,
		.threads = config->options->threads,
		.trace = config->options->trace,
		.local_locks = config->options->local_locks,
		.noatime = config->options->noatime,
		.ready = config->ready,
		.stop = config->stop,
		.user = config->user,
	};

	return tell_full(pool_server_new(&server, &s->server));
}

static int pool_vhost_start(const struct carrier_config *config, void *state)
{
	struct state *s = state;
	const struct fs_pool_config fs = {
		.vhost = *config->vhost,
		.disk = s->disk,
		.threads = config->options->threads,
		.trace = config->options->trace,
	};

	s->stop_fd = config->stop_fd;
	return tell_full(fs_pool_new(&fs, &s->fs));
}

static int pool_run(void *state)
{
	return pool_server_run(((struct state *)state)->server);
}

static void pool_stop(void *state)
{
	pool_server_stop(((struct state *)state)->server);
}

static void pool_describe(void *state, char *buffer, unsigned int size)
{
	pool_server_describe(((struct state *)state)->server, buffer, size);
}

static int pool_vhost_run(void *state)
{
	struct state *s = state;

	return fs_pool_run(s->fs, s->stop_fd);
}

static void pool_vhost_stop(void *state)
{
	fs_pool_stop(((struct state *)state)->fs);
}

static void pool_vhost_describe(void *state, char *buffer, unsigned int size)
{
	fs_pool_describe(((struct state *)state)->fs, buffer, size);
}

static int pool_detach(void *state)
{
	struct state *s = state;
	int err;

	if (!s)
		return 0;
	pool_server_free(s->server);
	fs_pool_free(s->fs);
	err = mpdisk_close(s->disk);
	if (err)
		report(LOG_ERR, "not everything could be written: %s", error_text(err));
	free(s);
	return err;
}

const struct carrier pool_carrier = {
	.attach = pool_attach_carrier,
	.start = pool_start,
	.run = pool_run,
	.stop = pool_stop,
	.describe = pool_describe,
	.detach = pool_detach,
};

const struct carrier pool_vhost_carrier = {
	.attach = pool_attach_carrier,
	.start = pool_vhost_start,
	.run = pool_vhost_run,
	.stop = pool_vhost_stop,
	.describe = pool_vhost_describe,
	.detach = pool_detach,
};
