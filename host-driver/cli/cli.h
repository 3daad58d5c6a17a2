/* SPDX-License-Identifier: BSD-2-Clause */
/* The commands of mpdisk. Each gets its own argv, argv[0] being the command's name. */
#ifndef MPDISK_CLI_H
#define MPDISK_CLI_H

#include <stddef.h>

#define MPDISK_VERSION "0.1"

#define EXIT_USAGE 2

/* As mount(8) wants them of a helper. */
#define HELPER_USAGE 1
#define HELPER_FAILED 32

int cmd_mount(int argc, char **argv);
int cmd_status(int argc, char **argv);
int cmd_vhost_fs(int argc, char **argv);

/* mount.mpdisk SPEC DIR [-o OPTIONS] ... : called by mount(8). */
int mount_helper(int argc, char **argv);

/* "mpdisk: MESSAGE" and how to get help, to stderr; returns EXIT_USAGE. */
int usage_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* mpdisk status --pool. 0 or a negative errno, after saying what is wrong. */
int show_pool(const char *path) __attribute__((warn_unused_result));

/* Finds the mount on the absolute path dir in /proc/self/mountinfo, without a request to it.
 * -ENOENT: nothing of mpdisk is mounted there. */
int find_mount(const char *dir, unsigned int *major, unsigned int *minor)
	__attribute__((warn_unused_result));

#endif
