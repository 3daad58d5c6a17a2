/* SPDX-License-Identifier: BSD-2-Clause */
/* What a mount was asked for. */
#ifndef MPDISK_OPTIONS_H
#define MPDISK_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

struct mount_options {
	const char *link;  /* served mode */
	const char *image; /* shared mode */
	char *pool;        /* shared mode: malloced; NULL: a pool of this process alone */
	const char *dir;
	bool foreground;
	bool trace;
	bool read_only;
	bool local_locks; /* locks on files are not seen by other hosts */
	bool noatime;
	bool sloppy;                 /* unknown options are ignored */
	unsigned int attach_timeout; /* seconds */
	unsigned int pool_mib;       /* 0: not said */
	unsigned int threads;        /* that serve a pool's mount */
	char *fuse_options;          /* for libfuse, separated by commas; malloced */
	const char *words;           /* of mount(8), as it gave them; NULL: it did not call */
};

#define MOUNT_OPTIONS_DEFAULT ((struct mount_options){.attach_timeout = 60, .threads = 2})

/* What mount and vhost-fs take, for getopt_long(). */
#define OPTIONS_SHORT ":p:i:o:fd"
#define OPTIONS_LONG                                                                               \
	{"port", required_argument, NULL, 'p'}, {"pool", required_argument, NULL, 'P'},            \
		{"image", required_argument, NULL, 'i'},                                           \
		{"options", required_argument, NULL, 'o'}, {"foreground", no_argument, NULL, 'f'}, \
	{                                                                                          \
		"debug", no_argument, NULL, 'd'                                                    \
	}

/* One of these, as getopt_long() gave it: 0; EXIT_USAGE after saying on stderr what is wrong.
 * argv[0] is the command. */
int options_take(struct mount_options *options, int c, char **argv)
	__attribute__((warn_unused_result));

/* Whether they name one disk: NULL, or what is wrong. */
const char *options_wrong(const struct mount_options *options);

/* The first lines of a status: the disk, and what it is given to. Their length. */
size_t options_describe(const struct mount_options *options, const char *what, const char *where,
			char *text, size_t size);

/* Takes one -o argument apart. 0; -EINVAL after saying on stderr what is wrong. */
int options_parse(struct mount_options *options, const char *text)
	__attribute__((warn_unused_result));

void options_free(struct mount_options *options);

/* Adds what mpdisk always wants. */
int options_finish(struct mount_options *options) __attribute__((warn_unused_result));

#endif
