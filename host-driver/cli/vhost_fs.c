/* SPDX-License-Identifier: BSD-2-Clause */
/* mpdisk vhost-fs: attach, listen, go to the background, serve one guest after the other. */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include <linux/virtio_fs.h>

#include "../vhost/vhost.h"
#include "background.h"
#include "carrier.h"
#include "cli.h"
#include "options.h"
#include "report.h"
#include "status_socket.h"

struct device {
	struct mount_options options;
	const char *socket; /* as it was said */
	const char *tag;
	unsigned int queues; /* for requests */
	bool in_band;
	int ready_fd;
	const struct carrier *carrier;
	void *carried; /* the carrier's state */
};

static void tell_failure(const struct device *device, int err)
{
	const char *path = device->socket;

	if (err == -EADDRINUSE)
		report(LOG_ERR, "%s: another process listens there", path);
	else if (err == -EEXIST)
		report(LOG_ERR, "%s: there is something else of that name", path);
	else if (err == -ENAMETOOLONG)
		report(LOG_ERR, "%s: a socket's path has at most 107 bytes", path);
	else if (err != -EAGAIN) /* the carrier has said it */
		report(LOG_ERR, "%s: %s", path, error_text(err));
}

/* For `mpdisk status SOCKET`. */
static void describe(void *user, char *text, unsigned int size)
{
	struct device *device = user;
	size_t n = options_describe(&device->options, "socket", device->socket, text, size);

	device->carrier->describe(device->carried, text + n, size - (unsigned int)n);
}

/* The socket is there: tells everybody, and serves. */
static int run(struct device *device, const char *path)
{
	struct status_socket *status = NULL;
	char name[STATUS_NAME];
	uid_t owner;
	int err;

	err = status_name_of_socket(name, path, &owner);
	if (!err)
		err = status_socket_open(describe, NULL, device, name, &status);
	if (err)
		report(LOG_WARNING, "mpdisk status will not know about %s", path);
	background_tell(&device->ready_fd, 0);
	err = device->carrier->run(device->carried);
	if (status) {
		status_socket_stop(status);
		status_socket_end(status, err);
	}
	return err;
}

/* Everything after the fork. `path` is absolute: the process leaves its directory. */
static int serve(struct device *device, const char *path)
{
	struct virtio_fs_config space = {.num_request_queues = device->queues};
	const struct vhost_config vhost = {.socket = path,
					   .nqueues = 1 + device->queues,
					   .space = &space,
					   .space_len = sizeof(space),
					   .in_band = device->in_band};
	struct carrier_config config = {.options = &device->options, .dir = path, .vhost = &vhost};
	int err, end;

	device->carrier = device->options.link ? &port_vhost_carrier : &pool_vhost_carrier;
	memcpy(space.tag, device->tag, strlen(device->tag));
	config.stop_fd = background_signals();
	err = config.stop_fd < 0 ? config.stop_fd
				 : device->carrier->attach(&config, &device->carried);
	if (!err) {
		err = device->carrier->start(&config, device->carried);
		if (err)
			tell_failure(device, err);
	}
	if (!err)
		err = run(device, path);
	end = device->carrier->detach(device->carried);
	background_tell(&device->ready_fd, 1);
	return err ? err : end;
}

static int start(struct device *device)
{
	char path[PATH_MAX + 256];
	size_t len = 0;
	int err;

	if (device->socket[0] != '/') {
		if (!getcwd(path, PATH_MAX))
			return -errno;
		len = strlen(path);
		path[len++] = '/';
	}
	if (strlen(device->socket) >= sizeof(path) - len) {
		tell_failure(device, -ENAMETOOLONG);
		return -ENAMETOOLONG;
	}
	strcpy(path + len, device->socket);
	if (device->options.foreground)
		return serve(device, path);
	err = background_start(&device->ready_fd);
	if (err)
		return err < 0 ? err : 0;
	_exit(serve(device, path) ? EXIT_FAILURE : EXIT_SUCCESS);
}

/* NULL, or what is wrong. */
static const char *check(const struct device *device)
{
	const struct mount_options *o = &device->options;

	if (options_wrong(o))
		return options_wrong(o);
	if (!device->socket)
		return "--socket PATH is missing";
	if (!device->tag)
		return "--tag NAME is missing";
	if (!*device->tag || strlen(device->tag) > sizeof(((struct virtio_fs_config *)0)->tag))
		return "a tag has 1 to 36 bytes";
	if (!device->queues)
		return "a device has 1 to 16 request queues";
	if (o->local_locks || (o->fuse_options && strcmp(o->fuse_options, "ro") != 0))
		return "the guest mounts: options of mounts are not for this";
	return NULL;
}

static unsigned int parse_queues(const char *text)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	return *end || n > VHOST_QUEUES_MAX - 1 ? 0 : (unsigned int)n;
}

int cmd_vhost_fs(int argc, char **argv)
{
	static const struct option longs[] = {
		{"socket", required_argument, NULL, 's'},
		{"tag", required_argument, NULL, 't'},
		{"queues", required_argument, NULL, 'q'},
		{"in-band", no_argument, NULL, 'b'},
		OPTIONS_LONG,
		{NULL, 0, NULL, 0},
	};
	struct device device = {.options = MOUNT_OPTIONS_DEFAULT, .queues = 1, .ready_fd = -1};
	const char *wrong;
	int c, err;

	opterr = 0;
	while ((c = getopt_long(argc, argv, OPTIONS_SHORT "s:t:q:", longs, NULL)) != -1) {
		if (c == 's')
			device.socket = optarg;
		else if (c == 't')
			device.tag = optarg;
		else if (c == 'q')
			device.queues = parse_queues(optarg);
		else if (c == 'b')
			device.in_band = true;
		else if (options_take(&device.options, c, argv))
			return EXIT_USAGE;
	}
	if (optind != argc)
		return usage_error("vhost-fs: '%s' is too much", argv[optind]);
	wrong = check(&device);
	if (wrong)
		return usage_error("vhost-fs: %s", wrong);
	err = start(&device);
	options_free(&device.options);
	return err ? EXIT_FAILURE : EXIT_SUCCESS;
}
