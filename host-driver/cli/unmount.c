/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mpdisk umount, and umount.fuse.mpdisk, umount(8)'s helper: unmounts, and waits until the process
 * that served the mount has written everything and ended. The kernel waits for a FUSE mount's
 * process only where a block device is mounted.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"
#include "options.h"
#include "report.h"
#include "status_socket.h"

#define NOTICE_SECONDS 10
#define LIMIT_SECONDS 600
#define ARGUMENTS 16

int run_program(const char *const argv[], bool quiet)
{
	int status, null;
	pid_t pid = fork();

	if (pid == 0) {
		null = quiet ? open("/dev/null", O_RDWR) : -1;
		if (null >= 0) {
			dup2(null, STDOUT_FILENO);
			dup2(null, STDERR_FILENO);
		}
		execvp(argv[0], (char *const *)argv);
		_exit(127);
	}
	if (pid < 0)
		return 127;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return 127;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

/* ---- utab */
static bool has_helper(void)
{
	return geteuid() == 0 && access("/sbin/" UMOUNT_HELPER, X_OK) == 0;
}

/* mount(8) leaves an entry that is there as it is: words may hold what is written down, as _netdev.
 */
void umount_announce(const struct mount_options *options)
{
	const char *source = options->link ? options->link : options->image;
	const char *argv[] = {"mount",      "-ifc",
			      "-t",         "fuse.mpdisk",
			      "-o",         "helper=fuse.mpdisk",
			      "-o",         options->words ? options->words : "rw",
			      "--",         source,
			      options->dir, NULL};

	if (has_helper() && run_program(argv, true) != 0)
		report(LOG_WARNING, "umount of %s will not wait until everything is written",
		       options->dir);
}

void umount_forget(const char *dir)
{
	const char *const argv[] = {"umount", "-i", "--fake", "-c", "--", dir, NULL};

	if (has_helper())
		run_program(argv, true);
}

/* ---- waiting */
struct wait {
	const char *dir;
	int fd;
	struct timespec began;
	bool noticed;
};

static int seconds_since(const struct timespec *began)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int)(now.tv_sec - began->tv_sec);
}

/* False: the time is over. */
static bool wait_for_text(struct wait *w)
{
	struct pollfd pollfd = {.fd = w->fd, .events = POLLIN};
	struct ucred peer = {0};
	socklen_t len = sizeof(peer);
	int passed;

	for (;;) {
		passed = seconds_since(&w->began);
		if (passed >= LIMIT_SECONDS)
			return false;
		if (poll(&pollfd, 1, 1000) > 0)
			return true;
		if (passed < NOTICE_SECONDS || w->noticed)
			continue;
		w->noticed = true;
		getsockopt(w->fd, SOL_SOCKET, SO_PEERCRED, &peer, &len);
		report(LOG_NOTICE, "%s: unmounted; process %d still writes: waiting for it", w->dir,
		       (int)peer.pid);
	}
}

/* What is told by a process that has ended. */
static int judge(const struct wait *w, bool told, int err)
{
	if (!told)
		report(LOG_ERR, "%s: unmounted, but its process died before everything was written",
		       w->dir);
	else if (err)
		report(LOG_ERR, "%s: unmounted, but not everything was written: %s", w->dir,
		       error_text(err));
	return told && !err ? 0 : HELPER_FAILED;
}

/* The mount on dir is gone. The first text is the one that everybody gets. */
static int wait_for_end(struct wait *w)
{
	unsigned int texts = 0;
	bool told = false;
	char text[2048];
	int err = 0;

	clock_gettime(CLOCK_MONOTONIC, &w->began);
	(void)!send(w->fd, "?", 1, MSG_NOSIGNAL); /* it may be gone, having told its end */
	while (wait_for_text(w)) {
		if (status_socket_read(w->fd, text, sizeof(text)) <= 0)
			return judge(w, told, err);
		if (status_is_end(text, &err)) {
			told = true;
		} else if (++texts == 2) {
			report(LOG_NOTICE,
			       "%s: unmounted here, but still in use, or mounted elsewhere",
			       w->dir);
			return 0;
		}
	}
	report(LOG_ERR, "%s: unmounted, but its process still writes after %d s: not waited for",
	       w->dir, LIMIT_SECONDS);
	return HELPER_FAILED;
}

/* ---- the command */
static int unmount(const char *dir, const char *const argv[])
{
	struct wait w = {.dir = dir};
	char name[STATUS_NAME];
	uid_t owner;
	int status;

	if (find_mount(dir, name, &owner) != 0)
		return run_program(argv, false); /* says what is wrong */
	w.fd = status_socket_connect(name, owner);
	status = run_program(argv, false);
	if (status != 0)
		goto out;
	if (w.fd >= 0)
		status = wait_for_end(&w);
	else
		report(LOG_WARNING, "%s: unmounted; its process does not answer: not waited for",
		       dir);
out:
	if (w.fd >= 0)
		close(w.fd);
	return status;
}

int umount_helper(int argc, char **argv)
{
	const char *args[ARGUMENTS] = {"umount", "-i"};
	static char flag[ARGUMENTS][3];
	int n = 2, c;

	opterr = 0;
	while ((c = getopt(argc, argv, "flnrvN:t:")) != -1 && n < ARGUMENTS - 5) {
		if (c == '?') {
			optind = argc + 1;
			break;
		}
		if (c == 't')
			continue; /* it is ours */
		flag[n][0] = '-';
		flag[n][1] = (char)c;
		args[n] = flag[n];
		n++;
		if (c == 'N')
			args[n++] = optarg;
	}
	if (optind + 1 != argc) {
		usage_error("umount: DIR and [-flnrv] [-N NAMESPACE] are expected");
		return HELPER_USAGE;
	}
	args[n++] = "--";
	args[n++] = argv[optind];
	return unmount(argv[optind], args);
}

int cmd_umount(int argc, char **argv)
{
	int status = umount_helper(argc, argv);

	return status == HELPER_USAGE && optind + 1 != argc ? EXIT_USAGE : status;
}
