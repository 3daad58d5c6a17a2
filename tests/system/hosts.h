/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The hosts that a test program works with: a directory of this machine, DIR, or the directory of a
 * guest, DIR@GUEST, where GUEST is its folder (tests/system/guests/boot). Guests see this machine's
 * tree, so the program itself runs there as well.
 */
#ifndef SYSTEM_HOSTS_H
#define SYSTEM_HOSTS_H

#include <stddef.h>
#include <sys/types.h>

#define HOSTS_MAX 8

struct host {
	const char *dir;
	const char *guest; /* NULL: on this machine */
};

/* Cuts the text at its @. */
struct host host_parse(char *text);

/*
 * Runs this program on the host, with these arguments (argv[0] is given), its standard input and
 * output at the other ends of *input and *output. Returns the process, or -1.
 */
pid_t host_spawn(const struct host *host, char *const arguments[], int *input, int *output);

/* All bytes, whatever the pieces: 0, or -1. */
int read_fully(int fd, void *buffer, size_t len);
int write_fully(int fd, const void *buffer, size_t len);

#endif
