/* SPDX-License-Identifier: BSD-2-Clause */
/* A mount for mpdisk-native: libfuse is used to mount and unmount, nothing else. */
#ifndef MPDISK_NATIVE_H
#define MPDISK_NATIVE_H

#include <stdbool.h>

struct native_mount;

/* Mounts on dir with the options ("a,b,c"); *fd carries raw messages. 0 or a negative errno. */
int native_mount(const char *image, const char *dir, const char *options, struct native_mount **out,
		 int *fd);
/* Unmounts, if it is still mounted. */
void native_unmount(struct native_mount *m);

#endif
