/* SPDX-License-Identifier: BSD-2-Clause */
/* mpdisk status: what a port, or the daemon of a mount or a guest's device, says of itself. */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "../fuse/port_client.h"
#include "cli.h"
#include "report.h"
#include "status_socket.h"

/* mountinfo writes space, tab, newline and backslash as \ooo. */
static void unescape(char *text)
{
	char *out = text;

	while (*text) {
		if (text[0] == '\\' && text[1] >= '0' && text[1] <= '3' && text[2] && text[3]) {
			*out++ = (char)((text[1] - '0') * 64 + (text[2] - '0') * 8 + text[3] - '0');
			text += 4;
		} else {
			*out++ = *text++;
		}
	}
	*out = '\0';
}

/* The options of the filesystem itself, behind its type and source, name him. */
static uid_t user_of_mount(const char *rest)
{
	const char *at = strstr(rest, ",user_id=");

	return at ? (uid_t)strtoul(at + strlen(",user_id="), NULL, 10) : 0;
}

/* Finds the mount on the absolute path dir in /proc/self/mountinfo, without a request to it. */
static int find_mount_point(const char *dir, char *name, uid_t *owner)
{
	FILE *file = fopen("/proc/self/mountinfo", "re");
	unsigned int major, minor;
	char *line = NULL, *point, *type;
	size_t size = 0;
	int err = -ENOENT, at;

	if (!file)
		return -errno;
	while (getline(&line, &size, file) > 0) {
		at = 0;
		type = strstr(line, " - fuse.mpdisk ");
		if (sscanf(line, "%*u %*u %u:%u %*s %n", &major, &minor, &at) != 2 || at == 0 ||
		    !type)
			continue;
		point = line + at;
		point[strcspn(point, " ")] = '\0';
		unescape(point);
		if (strcmp(point, dir) == 0) { /* the last one lies on top */
			status_name_of_mount(name, major, minor);
			*owner = user_of_mount(type + 1);
			err = 0;
		}
	}
	free(line);
	fclose(file);
	return err;
}

/* The name of dir without asking what is mounted on it, which may not answer any more. */
static int absolute_name(const char *dir, char *out, size_t size)
{
	char *copy = strdup(dir), *parent = NULL, *slash;
	int n, err = -ENAMETOOLONG;

	if (!copy)
		return -ENOMEM;
	while ((slash = strrchr(copy, '/')) && slash != copy && !slash[1])
		*slash = '\0';
	slash = strrchr(copy, '/');
	if (slash)
		*slash = '\0';
	parent = realpath(slash ? (slash == copy ? "/" : copy) : ".", NULL);
	if (!parent) {
		err = -errno;
		goto out;
	}
	n = snprintf(out, size, "%s/%s", strcmp(parent, "/") == 0 ? "" : parent,
		     slash ? slash + 1 : copy);
	if (n > 0 && (size_t)n < size)
		err = 0;
out:
	free(parent);
	free(copy);
	return err;
}

int find_mount(const char *dir, char *name, uid_t *owner)
{
	char full[4096], *real;
	int err = absolute_name(dir, full, sizeof(full));

	if (!err)
		err = find_mount_point(full, name, owner);
	if (err != -ENOENT)
		return err;
	real = realpath(dir, NULL); /* it may be a symbolic link */
	if (real)
		err = find_mount_point(real, name, owner);
	free(real);
	return err;
}

/* What the daemon of a mount, or of a guest's device, says. */
static int show_daemon(const char *path)
{
	char text[2048], name[STATUS_NAME];
	int fd = -1, err = 0;
	uid_t owner;
	ssize_t n;

	if (status_name_of_socket(name, path, &owner) != 0) {
		err = find_mount(path, name, &owner);
		if (err == -ENOENT) {
			report(LOG_ERR, "%s: no mpdisk is mounted here", path);
			return err;
		}
	}
	if (!err) {
		fd = status_socket_connect(name, owner);
		err = fd < 0 ? fd : 0;
	}
	if (!err) {
		n = status_socket_read(fd, text, sizeof(text));
		err = n < 0 ? (int)n : n == 0 ? -ECONNRESET : 0;
		close(fd);
	}
	if (err)
		report(LOG_ERR, "%s: %s", path, error_text(err));
	else
		fputs(text, stdout);
	return err;
}

static int show_port(const char *name)
{
	struct port_info info;
	struct link *link;
	uint32_t counters[4]; /* DEVICE_HEARTBEAT, DENIED, BYTES_READ, BYTES_WRITTEN */
	const struct link_read read = {
		.addr = PORT_HOST_DEVICE_HEARTBEAT, .len = sizeof(counters), .data = counters};
	int err;

	err = link_open(name, &link);
	if (err == -EBUSY)
		report(LOG_ERR, "%s: a host uses this port: ask for its mounted directory", name);
	else if (err)
		report(LOG_ERR, "%s: %s", name, error_text(err));
	if (err)
		return err;
	err = port_identify(link, &info);
	if (!err)
		err = link_read(link, &read, 1);
	link_close(link);
	if (err) {
		report(LOG_ERR, "%s: %s", name, error_text(err));
		return err;
	}
	printf("link        %s\nversion     %u.%u\nport        %u\nslots       %u\n", name,
	       info.version >> 16, info.version & 0xffff, info.port, info.slots);
	printf("state       %s%s%s%s\n",
	       info.status & PORT_HOST_STATUS_READY_MASK ? "attached" : "free",
	       info.status & PORT_HOST_STATUS_FENCED_MASK ? ", fenced" : "",
	       info.status & PORT_HOST_STATUS_BROKEN_MASK ? ", broken" : "",
	       info.status & PORT_HOST_STATUS_NO_MEDIUM_MASK ? ", no medium" : "");
	if (info.status & PORT_HOST_STATUS_ERROR_MASK)
		printf("error       %s\n",
		       error_text((int)((info.status & PORT_HOST_STATUS_ERROR_MASK) >>
					PORT_HOST_STATUS_ERROR_LSB)));
	printf("epoch       %u\nbeats       %u\ndenied      %u\nbytes read  %u\nwritten     %u\n",
	       (info.status & PORT_HOST_STATUS_EPOCH_MASK) >> PORT_HOST_STATUS_EPOCH_LSB,
	       counters[0], counters[1], counters[2], counters[3]);
	return 0;
}

int cmd_status(int argc, char **argv)
{
	static const struct option longs[] = {{"port", required_argument, NULL, 'p'},
					      {"pool", required_argument, NULL, 'P'},
					      {NULL, 0, NULL, 0}};
	const char *link = NULL, *pool = NULL;
	int c, err;

	opterr = 0;
	while ((c = getopt_long(argc, argv, ":p:", longs, NULL)) != -1) {
		if (c == ':')
			return usage_error("status: '%s' needs a value", argv[optind - 1]);
		if (c == 'p')
			link = optarg;
		else if (c == 'P')
			pool = optarg;
		else
			return usage_error("status: unknown option '%s'", argv[optind - 1]);
	}
	if (argc - optind + !!link + !!pool != 1)
		return usage_error(
			"status: --port LINK, --pool FILE, or one DIR or SOCKET is expected");
	err = link ? show_port(link) : pool ? show_pool(pool) : show_daemon(argv[optind]);
	return err ? EXIT_FAILURE : EXIT_SUCCESS;
}
