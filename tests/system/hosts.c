/* SPDX-License-Identifier: BSD-2-Clause */
/* Programs on this machine and in guests, by the same call. */
#define _GNU_SOURCE
#include "hosts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define ARGUMENTS_MAX 16

struct host host_parse(char *text)
{
	char *at = strrchr(text, '@');

	if (at)
		*at++ = '\0';
	return (struct host){.dir = text, .guest = at};
}

static void run(const struct host *host, char *const arguments[])
{
	char self[4096], on[4100], with_input[] = "-i", *list[ARGUMENTS_MAX + 4];
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);
	int n = 0, i;

	if (len < 0)
		return;
	self[len] = '\0';
	if (host->guest) { /* `on` lies beside this program */
		snprintf(on, sizeof(on), "%.*s/on", (int)(strrchr(self, '/') - self), self);
		list[n++] = on;
		list[n++] = with_input;
		list[n++] = (char *)host->guest;
	}
	list[n++] = self;
	for (i = 0; i < ARGUMENTS_MAX && arguments[i]; i++)
		list[n++] = arguments[i];
	list[n] = NULL;
	execv(list[0], list);
}

pid_t host_spawn(const struct host *host, char *const arguments[], int *input, int *output)
{
	int in[2], out[2];
	pid_t pid;

	if (pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0)
		return -1;
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		dup2(in[0], 0);
		dup2(out[1], 1);
		run(host, arguments);
		fprintf(stderr, "cannot run on a host: %s\n", strerror(errno));
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	*input = in[1];
	*output = out[0];
	return pid;
}

int read_fully(int fd, void *buffer, size_t len)
{
	size_t done = 0;
	ssize_t n;

	while (done < len) {
		n = read(fd, (char *)buffer + done, len - done);
		if (n == 0)
			errno = EPIPE;
		if (n == 0 || (n < 0 && errno != EINTR))
			return -1;
		done += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

int write_fully(int fd, const void *buffer, size_t len)
{
	size_t done = 0;
	ssize_t n;

	while (done < len) {
		n = write(fd, (const char *)buffer + done, len - done);
		if (n < 0 && errno != EINTR)
			return -1;
		done += n > 0 ? (size_t)n : 0;
	}
	return 0;
}
