/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * on [-i] [-t SECONDS] GUEST COMMAND...: runs a command in a guest, in this directory, as if it ran
 * here: its output, its errors, its exit status. GUEST is the folder of a guest that `boot` has
 * started. -i passes standard input on. After -t seconds (default 600) the command is killed.
 *
 * Statuses of its own: 124 the time was over, 125 the guest has died or is not there.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "wire.h"

#define CHANNELS_MAX 8
#define CONSOLE_SHOWN 1000 /* bytes, when the guest has died */

static uint64_t job;
/* Standard input has more for the job; the guest has taken what it got before. */
static bool more_input, taken = true;
static int to_guest = -1, from_guest = -1;
static const char *guest;
static volatile sig_atomic_t stopped;

static void on_signal(int number)
{
	stopped = number;
}

/* The end of the guest's console. */
static void show_console(void)
{
	char path[4200], text[CONSOLE_SHOWN];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "%s/console", guest);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	if (lseek(fd, -(off_t)sizeof(text), SEEK_END) < 0)
		lseek(fd, 0, SEEK_SET);
	n = read(fd, text, sizeof(text));
	if (n > 0)
		fprintf(stderr, "its console ends:\n%.*s\n", (int)n, text);
	close(fd);
}

static int dead(const char *why)
{
	fprintf(stderr, "on: guest %s %s\n", guest, why);
	show_console();
	return 125;
}

/* Takes the first channel that nobody uses; the lock lasts as long as this process. */
static bool take_channel(void)
{
	char path[4200];
	int i;

	for (i = 0; i < CHANNELS_MAX; i++) {
		snprintf(path, sizeof(path), "%s/channel%d.in", guest, i);
		to_guest = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
		if (to_guest < 0)
			return false;
		if (flock(to_guest, LOCK_EX | LOCK_NB) == 0)
			break;
		close(to_guest);
		to_guest = -1;
	}
	snprintf(path, sizeof(path), "%s/channel%d.out", guest, i);
	from_guest = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	return to_guest >= 0 && from_guest >= 0 && fcntl(to_guest, F_SETFL, 0) == 0;
}

static bool send_frame(uint16_t type, const void *data, size_t len)
{
	struct {
		struct frame frame;
		char data[FRAME_DATA];
	} out = {.frame = {FRAME_MAGIC, type, (uint16_t)len, job}};
	const size_t size = sizeof(out.frame) + len;

	memcpy(out.data, data, len);
	return write(to_guest, &out, size) == (ssize_t)size;
}

static bool send_command(char **arguments)
{
	char text[FRAME_DATA];
	size_t len;

	if (!getcwd(text, sizeof(text)))
		return false;
	len = strlen(text) + 1;
	for (; *arguments; arguments++) {
		if (len + strlen(*arguments) + 1 > sizeof(text)) {
			errno = E2BIG;
			return false;
		}
		len += strlen(strcpy(text + len, *arguments)) + 1;
	}
	return send_frame(FRAME_RUN, text, len);
}

static void write_all(int fd, const char *data, size_t len)
{
	ssize_t n;

	for (; len > 0; data += n, len -= (size_t)n) {
		n = write(fd, data, len);
		if (n <= 0)
			return; /* nobody reads it any more */
	}
}

/* Frames out of what has come; the status when the job has ended, else -1. */
static int take_frames(char *buffer, size_t *have)
{
	struct frame frame;
	size_t at = 0;
	int status = -1;

	while (status < 0 && *have - at >= sizeof(frame)) {
		memcpy(&frame, buffer + at, sizeof(frame));
		if (frame.job != job) {
			at++; /* left by a job that was given up */
			continue;
		}
		if (*have - at < sizeof(frame) + frame.len)
			break;
		at += sizeof(frame);
		if (frame.type == FRAME_EXIT)
			status = (unsigned char)buffer[at];
		else if (frame.type == FRAME_TAKEN)
			taken = true;
		else
			write_all(frame.type == FRAME_OUTPUT ? 1 : 2, buffer + at, frame.len);
		at += frame.len;
	}
	*have -= at;
	memmove(buffer, buffer + at, *have);
	return status;
}

static void pass_input(void)
{
	char data[FRAME_DATA];
	ssize_t n = read(0, data, sizeof(data));

	more_input = n > 0;
	taken = false;
	send_frame(FRAME_INPUT, data, n > 0 ? (size_t)n : 0);
}

static int follow(unsigned int seconds)
{
	static char buffer[65536];
	const time_t end = time(NULL) + seconds;
	struct pollfd fds[2];
	size_t have = 0;
	ssize_t n;
	int status;

	for (;;) {
		if (stopped || time(NULL) >= end) {
			send_frame(FRAME_KILL, "", 0);
			fprintf(stderr, stopped ? "on: stopped\n" : "on: not done in %u s\n",
				seconds);
			return stopped ? 128 + stopped : 124;
		}
		fds[0] = (struct pollfd){.fd = from_guest, .events = POLLIN};
		fds[1] = (struct pollfd){.fd = more_input && taken ? 0 : -1, .events = POLLIN};
		if (poll(fds, 2, 1000) <= 0)
			continue;
		if (fds[1].revents)
			pass_input();
		if (!fds[0].revents)
			continue;
		n = read(from_guest, buffer + have, sizeof(buffer) - have);
		if (n == 0)
			return dead("has died");
		if (n < 0)
			continue;
		have += (size_t)n;
		status = take_frames(buffer, &have);
		if (status >= 0)
			return status;
	}
}

int main(int argc, char **argv)
{
	unsigned int seconds = 600;
	int c;

	while ((c = getopt(argc, argv, "+it:")) != -1) {
		if (c == 'i')
			more_input = true;
		else if (c == 't')
			seconds = (unsigned int)strtoul(optarg, NULL, 10);
		else
			return 2;
	}
	if (argc - optind < 2) {
		fprintf(stderr, "usage: on [-i] [-t SECONDS] GUEST COMMAND...\n");
		return 2;
	}
	guest = argv[optind];
	signal(SIGPIPE, SIG_IGN);
	signal(SIGTERM, on_signal);
	signal(SIGINT, on_signal);
	signal(SIGHUP, on_signal);
	if (getrandom(&job, sizeof(job), 0) != sizeof(job))
		return 1;
	alarm(seconds + 10); /* should a write to the guest hang */
	if (!take_channel())
		return dead(errno == EWOULDBLOCK ? "has no free channel" : "is not there");
	if (!send_command(argv + optind + 1))
		return dead(strerror(errno));
	if (!more_input && !send_frame(FRAME_INPUT, "", 0))
		return dead("is gone");
	return follow(seconds);
}
