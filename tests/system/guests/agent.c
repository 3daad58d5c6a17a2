/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * agent CHANNEL ROOT: in a guest, runs what `on` says over the character device CHANNEL, in ROOT.
 * Goes to the background when the channel is ready.
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
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "wire.h"

#define ARGUMENTS_MAX 256

/* The job at work; pid 0: none. */
static struct {
	uint64_t number;
	pid_t pid;
	int death; /* pidfd */
	int input, output, errors;
} job = {.death = -1, .input = -1, .output = -1, .errors = -1};

static int channel;
static const char *root;

static void die(const char *what)
{
	fprintf(stderr, "agent: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void read_all(void *buffer, size_t len)
{
	size_t done = 0;
	ssize_t n;

	while (done < len) {
		n = read(channel, (char *)buffer + done, len - done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			die("channel");
		if (n == 0)
			usleep(10000); /* nobody on the other side yet */
		done += (size_t)n;
	}
}

static void send_frame(uint16_t type, const void *data, size_t len)
{
	struct {
		struct frame frame;
		char data[FRAME_DATA];
	} out = {.frame = {FRAME_MAGIC, type, (uint16_t)len, job.number}};
	size_t done = 0, size = sizeof(out.frame) + len;
	ssize_t n;

	if (len)
		memcpy(out.data, data, len);
	while (done < size) {
		n = write(channel, (char *)&out + done, size - done);
		if (n < 0 && errno != EINTR && errno != EAGAIN)
			die("channel");
		if (n > 0)
			done += (size_t)n;
	}
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* Passes on what there is; false at the end. */
static bool pass_on(int *fd, uint16_t type)
{
	char buffer[FRAME_DATA];
	ssize_t n;

	if (*fd < 0)
		return false;
	n = read(*fd, buffer, sizeof(buffer));
	if (n > 0)
		send_frame(type, buffer, (size_t)n);
	else if (n == 0 || errno != EAGAIN)
		close_fd(fd);
	return n > 0;
}

static void forget_job(void)
{
	close_fd(&job.death);
	close_fd(&job.input);
	close_fd(&job.output);
	close_fd(&job.errors);
	job.pid = 0;
}

static void finish_job(void)
{
	unsigned char code;
	int status = 0;

	while (pass_on(&job.output, FRAME_OUTPUT) || pass_on(&job.errors, FRAME_ERRORS))
		;
	waitpid(job.pid, &status, 0);
	code = (unsigned char)(WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
	send_frame(FRAME_EXIT, &code, 1);
	forget_job();
}

static void kill_job(void)
{
	if (!job.pid)
		return;
	kill(-job.pid, SIGKILL);
	kill(job.pid, SIGKILL); /* it may not have its group yet */
	waitpid(job.pid, NULL, 0);
	forget_job();
}

static void run_child(char *text, size_t len, int input, int output, int errors)
{
	char *arguments[ARGUMENTS_MAX + 1], *cwd = text, *end = text + len;
	unsigned int n = 0;

	setsid();
	dup2(input, 0);
	dup2(output, 1);
	dup2(errors, 2);
	for (text += strlen(text) + 1; text < end && n < ARGUMENTS_MAX; text += strlen(text) + 1)
		arguments[n++] = text;
	arguments[n] = NULL;
	if (n == 0 || chroot(root) < 0 || chdir(cwd) < 0) {
		fprintf(stderr, "agent: %s: %s\n", cwd, strerror(errno));
		_exit(126);
	}
	execvp(arguments[0], arguments);
	fprintf(stderr, "agent: %s: %s\n", arguments[0], strerror(errno));
	_exit(127);
}

static void start_job(uint64_t number, char *text, size_t len)
{
	int in[2], out[2], err[2];

	kill_job();
	job.number = number;
	if (len == 0 || text[len - 1] != '\0')
		return;
	if (pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0 || pipe2(err, O_CLOEXEC) < 0)
		die("pipe");
	job.pid = fork();
	if (job.pid < 0)
		die("fork");
	if (job.pid == 0)
		run_child(text, len, in[0], out[1], err[1]);
	close(in[0]);
	close(out[1]);
	close(err[1]);
	job.input = in[1];
	job.output = out[0];
	job.errors = err[0];
	fcntl(job.output, F_SETFL, O_NONBLOCK);
	fcntl(job.errors, F_SETFL, O_NONBLOCK);
	job.death = (int)syscall(SYS_pidfd_open, job.pid, 0);
	if (job.death < 0)
		die("pidfd_open");
}

static void give_input(const char *data, size_t len)
{
	size_t done = 0;
	ssize_t n;

	if (len == 0)
		close_fd(&job.input);
	while (done < len && job.input >= 0) {
		n = write(job.input, data + done, len - done);
		if (n < 0 && errno != EINTR)
			close_fd(&job.input);
		else if (n > 0)
			done += (size_t)n;
	}
	send_frame(FRAME_TAKEN, NULL, 0);
}

static void serve_frame(void)
{
	char data[FRAME_DATA];
	struct frame frame;

	read_all(&frame, sizeof(frame));
	while (frame.magic != FRAME_MAGIC) {
		memmove(&frame, (char *)&frame + 1, sizeof(frame) - 1);
		read_all((char *)(&frame + 1) - 1, 1);
	}
	if (frame.len > sizeof(data)) {
		fprintf(stderr, "agent: a frame of %u bytes\n", frame.len);
		exit(1);
	}
	read_all(data, frame.len);
	if (frame.type == FRAME_RUN)
		start_job(frame.job, data, frame.len);
	else if (frame.job == job.number && frame.type == FRAME_INPUT)
		give_input(data, frame.len);
	else if (frame.job == job.number && frame.type == FRAME_KILL)
		kill_job();
}

static void serve(void)
{
	struct pollfd fds[4];

	for (;;) {
		fds[0] = (struct pollfd){.fd = channel, .events = POLLIN};
		fds[1] = (struct pollfd){.fd = job.output, .events = POLLIN};
		fds[2] = (struct pollfd){.fd = job.errors, .events = POLLIN};
		fds[3] = (struct pollfd){.fd = job.death, .events = POLLIN};
		if (poll(fds, 4, -1) < 0)
			continue;
		if (fds[1].revents)
			pass_on(&job.output, FRAME_OUTPUT);
		if (fds[2].revents)
			pass_on(&job.errors, FRAME_ERRORS);
		if (fds[3].revents)
			finish_job();
		if (fds[0].revents & POLLIN)
			serve_frame();
		else if (fds[0].revents)
			usleep(10000);
	}
}

int main(int argc, char **argv)
{
	struct termios mode;

	if (argc != 3) {
		fprintf(stderr, "usage: agent CHANNEL ROOT\n");
		return 2;
	}
	root = argv[2];
	channel = open(argv[1], O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (channel < 0)
		die(argv[1]);
	if (tcgetattr(channel, &mode) == 0) {
		cfmakeraw(&mode);
		if (tcsetattr(channel, TCSANOW, &mode) < 0)
			die("tcsetattr");
	}
	signal(SIGPIPE, SIG_IGN);
	setenv("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", 1);
	setenv("HOME", "/root", 1);
	setenv("PYTHONDONTWRITEBYTECODE", "1", 1);
	if (daemon(0, 1) < 0)
		die("daemon");
	serve();
}
