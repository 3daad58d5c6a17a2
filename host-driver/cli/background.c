// SPDX-License-Identifier: BSD-2-Clause
/* Fork, wait for the child's word, signals by descriptor (background.h). */
#define _GNU_SOURCE
#include "background.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <syslog.h>
#include <unistd.h>

#include "report.h"

void background_tell(int *ready_fd, unsigned char status)
{
	int null;

	if (*ready_fd < 0)
		return;
	if (status == 0) {
		report_to_syslog();
		if (chdir("/") < 0) /* a name may have been relative until now */
			report(LOG_WARNING, "chdir /: %s", error_text(errno));
		null = open("/dev/null", O_RDWR | O_CLOEXEC);
		if (null >= 0) {
			dup2(null, STDIN_FILENO);
			dup2(null, STDOUT_FILENO);
			dup2(null, STDERR_FILENO);
			close(null);
		}
	}
	if (write(*ready_fd, &status, 1) != 1)
		report(LOG_WARNING, "nobody waits for this process");
	close(*ready_fd);
	*ready_fd = -1;
}

/* The child's first word, or its death, is the exit status. */
static int wait_for_child(int fd, pid_t pid)
{
	unsigned char status;
	ssize_t n;

	do {
		n = read(fd, &status, 1);
	} while (n < 0 && errno == EINTR);
	if (n == 1 && status == 0)
		return 1;
	waitpid(pid, NULL, 0);
	return -EIO;
}

int background_start(int *ready_fd)
{
	int pipe_fds[2];
	pid_t pid;

	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		return -errno;
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid > 0) {
		close(pipe_fds[1]);
		return wait_for_child(pipe_fds[0], pid);
	}
	close(pipe_fds[0]);
	*ready_fd = pipe_fds[1];
	setsid();
	return 0;
}

int background_signals(void)
{
	sigset_t set;
	int fd;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? -errno : fd;
}
