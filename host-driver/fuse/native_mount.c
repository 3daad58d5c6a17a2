// SPDX-License-Identifier: BSD-2-Clause
/* Mounts a FUSE filesystem by libfuse (fusermount3 where we are not root) and hands out its fd. */
#define FUSE_USE_VERSION 314
#include <errno.h>
#include <fuse_lowlevel.h>
#include <stdio.h>
#include <stdlib.h>

#include "native.h"

struct native_mount {
	struct fuse_session *session;
};

int native_mount(const char *image, const char *dir, const char *options, struct native_mount **out,
		 int *fd)
{
	/* no operation of it is ever called: its messages are read elsewhere */
	static const struct fuse_lowlevel_ops none;
	struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
	struct native_mount *m = calloc(1, sizeof(*m));
	char text[512];
	int err = -ENOMEM;

	if (!m)
		return -ENOMEM;
	snprintf(text, sizeof(text), "default_permissions,fsname=%s,subtype=mpdisk%s%s", image,
		 options[0] ? "," : "", options);
	if (fuse_opt_add_arg(&args, "mpdisk-native") || fuse_opt_add_arg(&args, "-o") ||
	    fuse_opt_add_arg(&args, text))
		goto out;
	err = -EINVAL;
	m->session = fuse_session_new(&args, &none, sizeof(none), NULL);
	if (!m->session)
		goto out;
	err = -EIO;
	if (fuse_session_mount(m->session, dir) == 0) {
		*fd = fuse_session_fd(m->session);
		*out = m;
		err = 0;
	} else {
		fuse_session_destroy(m->session);
	}
out:
	fuse_opt_free_args(&args);
	if (err)
		free(m);
	return err;
}

void native_unmount(struct native_mount *m)
{
	fuse_session_unmount(m->session);
	fuse_session_destroy(m->session);
	free(m);
}
