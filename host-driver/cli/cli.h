/* SPDX-License-Identifier: BSD-2-Clause */
/* The commands of mpdisk. Each gets its own argv, argv[0] being the command's name. */
#ifndef MPDISK_CLI_H
#define MPDISK_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define MPDISK_VERSION "0.1"

#define EXIT_USAGE 2

/* As mount(8) wants them of a helper. */
#define HELPER_USAGE 1
#define HELPER_FAILED 32

int cmd_mount(int argc, char **argv);
int cmd_status(int argc, char **argv);
int cmd_vhost_fs(int argc, char **argv);
int cmd_umount(int argc, char **argv);

/* mount.mpdisk SPEC DIR [-o OPTIONS] ... : called by mount(8). */
int mount_helper(int argc, char **argv);

/* umount.fuse.mpdisk DIR ... : called by umount(8). */
#define UMOUNT_HELPER "umount.fuse.mpdisk"
int umount_helper(int argc, char **argv);

/* umount(8) looks at the full type of what root has mounted only if something is written down of
 * it, in its utab. These write down that a mount has a helper, and take it back. dir is absolute.
 */
struct mount_options;
void umount_announce(const struct mount_options *options);
void umount_forget(const char *dir);

/* Runs a program: its exit status. quiet: it says nothing. */
int run_program(const char *const argv[], bool quiet);

/* "mpdisk: MESSAGE" and how to get help, to stderr; returns EXIT_USAGE. */
int usage_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* mpdisk status --pool. 0 or a negative errno, after saying what is wrong. */
int show_pool(const char *path) __attribute__((warn_unused_result));

/* Finds the mount on dir in /proc/self/mountinfo: the name of its status socket, and whose it is.
 * It is sent no request, for it may not answer any more. -ENOENT: nothing of mpdisk is mounted
 * there. */
int find_mount(const char *dir, char *name, uid_t *owner) __attribute__((warn_unused_result));

#endif
