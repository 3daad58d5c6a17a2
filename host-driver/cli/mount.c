/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mpdisk mount, and mount.mpdisk: attach, mount, go to the background, serve.
 *
 * In the background case the parent waits until the child has attached, mounted and seen FUSE_INIT
 * answered; up to there the child still writes its errors to the parent's stderr.
 */
#define _GNU_SOURCE
#define FUSE_USE_VERSION 314
#include <errno.h>
#include <fcntl.h>
#include <fuse_lowlevel.h>
#include <getopt.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "background.h"
#include "carrier.h"
#include "cli.h"
#include "options.h"
#include "report.h"
#include "status_socket.h"

#define FORCE_SECONDS 10 /* from SIGTERM to giving up on those who still use the mount */

struct mounted {
	struct mount_options options;
	const char *source; /* for people: the link, or the image */
	char *dir;          /* absolute */
	const struct carrier *carrier;
	void *carried; /* the carrier's state */
	struct fuse_session *session;
	struct status_socket *status;
	int ready_fd; /* the parent waits at its other end; -1: no parent */
	int signal_fd;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool ended; /* [lock] the carrier is not to be used any more */
};

static void log_fuse(enum fuse_log_level level, const char *format, va_list args)
{
	char line[256];

	vsnprintf(line, sizeof(line), format, args);
	line[strcspn(line, "\n")] = '\0';
	report((int)level, "%s", line);
}

/* For `mpdisk status DIR`. */
static void describe(void *user, char *text, unsigned int size)
{
	struct mounted *mounted = user;
	size_t n = options_describe(&mounted->options, "dir", mounted->dir, text, size);

	mounted->carrier->describe(mounted->carried, text + n, size - (unsigned int)n);
}

/* The kernel has destroyed the mount: there may be others than the one on dir. */
static bool is_gone(void *user)
{
	const struct mounted *mounted = user;
	struct pollfd fuse = {.fd = fuse_session_fd(mounted->session)};

	return poll(&fuse, 1, 0) > 0 && fuse.revents & POLLERR;
}

static void on_ready(void *user, int error)
{
	struct mounted *mounted = user;
	char name[STATUS_NAME];
	uid_t owner;

	if (error) {
		if (error != -ECONNABORTED)
			report(LOG_ERR, "%s: FUSE_INIT was refused: %s", mounted->source,
			       error_text(error));
		return;
	}
	if (find_mount(mounted->dir, name, &owner) == 0 &&
	    status_socket_open(describe, is_gone, mounted, name, &mounted->status) != 0)
		report(LOG_WARNING, "mpdisk status will not know about %s", mounted->dir);
	background_tell(&mounted->ready_fd, 0);
	report(LOG_INFO, "%s is mounted on %s", mounted->source, mounted->dir);
}

/* A thread of its own: unmounting may need requests to be served. */
static void *unmount_main(void *arg)
{
	struct mounted *mounted = arg;
	/* as an ordinary user only fusermount3 may unmount */
	const char *const fusermount[] = {"fusermount3", "-u",         "-z", "-q",
					  "--",          mounted->dir, NULL};
	struct timespec until;

	umount_forget(mounted->dir);
	if (umount2(mounted->dir, UMOUNT_NOFOLLOW) == 0)
		return NULL;
	if (errno == EPERM) {
		run_program(fusermount, true);
	} else if (errno == EBUSY) {
		report(LOG_WARNING,
		       "%s is in use: detached, served until it is free or %u s are over",
		       mounted->dir, FORCE_SECONDS);
		umount2(mounted->dir, MNT_DETACH | UMOUNT_NOFOLLOW);
	}
	/* Still here: the reader, and so the process, would wait for the last user. */
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += FORCE_SECONDS;
	pthread_mutex_lock(&mounted->lock);
	while (!mounted->ended &&
	       pthread_cond_timedwait(&mounted->changed, &mounted->lock, &until) != ETIMEDOUT)
		;
	if (!mounted->ended)
		mounted->carrier->stop(mounted->carried);
	pthread_mutex_unlock(&mounted->lock);
	return NULL;
}

static void on_stop(void *user)
{
	struct mounted *mounted = user;
	struct signalfd_siginfo info;
	pthread_t thread;

	if (read(mounted->signal_fd, &info, sizeof(info)) != sizeof(info))
		return;
	if (pthread_create(&thread, NULL, unmount_main, mounted) == 0)
		pthread_detach(thread);
}

/* Only libfuse's mounting is used: it never sees a message. */
static int mount_fuse(struct mounted *mounted, char **fuse_argv, int fuse_argc)
{
	static const struct fuse_lowlevel_ops no_ops;
	struct fuse_args args = FUSE_ARGS_INIT(fuse_argc, fuse_argv);

	mounted->session = fuse_session_new(&args, &no_ops, sizeof(no_ops), NULL);
	fuse_opt_free_args(&args);
	if (!mounted->session)
		return -EINVAL;
	if (fuse_session_mount(mounted->session, mounted->dir) != 0) {
		report(LOG_ERR, "cannot mount on %s", mounted->dir);
		return -EIO;
	}
	return 0;
}

/* err: how it went until now. */
static int release(struct mounted *mounted, int err)
{
	int end;

	pthread_mutex_lock(&mounted->lock);
	mounted->ended = true;
	pthread_cond_broadcast(&mounted->changed);
	pthread_mutex_unlock(&mounted->lock);
	if (mounted->status)
		status_socket_stop(mounted->status);
	if (mounted->session) {
		fuse_session_unmount(mounted->session);
		fuse_session_destroy(mounted->session);
	}
	end = mounted->carrier->detach(mounted->carried);
	if (!err)
		err = end;
	if (mounted->status)
		status_socket_end(mounted->status, err);
	free(mounted->dir);
	options_free(&mounted->options);
	return err;
}

/* Everything after the fork: the whole life of the mount. */
static int serve(struct mounted *mounted)
{
	char *fuse_argv[] = {(char *)"mpdisk", (char *)"-o", mounted->options.fuse_options, NULL};
	const struct carrier *carrier = mounted->carrier;
	struct carrier_config config = {
		.options = &mounted->options,
		.dir = mounted->dir,
		.ready = on_ready,
		.stop = on_stop,
		.user = mounted,
	};
	int err;

	mounted->signal_fd = config.stop_fd = background_signals();
	err = mounted->signal_fd < 0 ? mounted->signal_fd : 0;
	if (!err)
		err = carrier->attach(&config, &mounted->carried);
	if (!err)
		err = mount_fuse(mounted, fuse_argv, 3);
	if (err)
		goto out;
	config.fuse_fd = fuse_session_fd(mounted->session);
	err = carrier->start(&config, mounted->carried);
	if (err)
		report(LOG_ERR, "%s", error_text(err));
	else
		err = carrier->run(mounted->carried);
out:
	err = release(mounted, err);
	background_tell(&mounted->ready_fd, 1);
	return err;
}

static int mount_disk(struct mount_options *options)
{
	struct stat st;
	struct mounted mounted = {.ready_fd = -1,
				  .signal_fd = -1,
				  .lock = PTHREAD_MUTEX_INITIALIZER,
				  .changed = PTHREAD_COND_INITIALIZER};
	int err;

	err = options_finish(options);
	if (err)
		return err;
	mounted.options = *options;
	mounted.source = options->link ? options->link : options->image;
	mounted.carrier = options->link ? &port_carrier : &pool_carrier;
	mounted.dir = realpath(options->dir, NULL);
	err = !mounted.dir || stat(mounted.dir, &st) < 0 ? -errno
	      : S_ISDIR(st.st_mode)                      ? 0
							 : -ENOTDIR;
	if (err) {
		report(LOG_ERR, "%s: %s", options->dir, error_text(err));
		return err;
	}
	fuse_set_log_func(log_fuse);
	if (options->foreground)
		return serve(&mounted);

	err = background_start(&mounted.ready_fd);
	if (err) {
		if (err > 0) {
			mounted.options.dir = mounted.dir;
			umount_announce(&mounted.options);
		}
		free(mounted.dir);
		options_free(&mounted.options);
		return err < 0 ? err : 0;
	}
	_exit(serve(&mounted) ? EXIT_FAILURE : EXIT_SUCCESS);
}

int cmd_mount(int argc, char **argv)
{
	static const struct option longs[] = {OPTIONS_LONG, {NULL, 0, NULL, 0}};
	struct mount_options options = MOUNT_OPTIONS_DEFAULT;
	const char *wrong;
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, OPTIONS_SHORT, longs, NULL)) != -1)
		if (options_take(&options, c, argv))
			return EXIT_USAGE;
	wrong = options_wrong(&options);
	if (wrong)
		return usage_error("mount: %s", wrong);
	if (argc - optind != 1)
		return usage_error("mount: one DIR is expected");
	options.dir = argv[optind];
	return mount_disk(&options) ? EXIT_FAILURE : EXIT_SUCCESS;
}

static int helper_usage(void)
{
	fputs("usage: mount.mpdisk LINK|IMAGE DIR [-o OPTIONS] [-sfnvrw] [-t TYPE] [-N "
	      "NAMESPACE]\n",
	      stderr);
	return HELPER_USAGE;
}

int mount_helper(int argc, char **argv)
{
	struct mount_options options = MOUNT_OPTIONS_DEFAULT;
	const char *words = NULL;
	bool fake = false;
	int c;

	if (argc < 3 || argv[1][0] == '-' || argv[2][0] == '-')
		return helper_usage();
	/* a path is an image, all else a link */
	if (argv[1][0] == '/')
		options.image = argv[1];
	else
		options.link = argv[1];
	options.dir = argv[2];
	optind = 3;
	opterr = 0;
	while ((c = getopt(argc, argv, "+:o:sfnvrwt:N:")) != -1) {
		if (c == '?' || c == ':' || (words && c == 'o'))
			return helper_usage();
		if (c == 'o')
			words = optarg;
		if (c == 's')
			options.sloppy = true;
		if (c == 'f')
			fake = true;
		if (c == 'r' && options_parse(&options, "ro"))
			return HELPER_FAILED;
	}
	if (optind != argc)
		return helper_usage();
	if (words && options_parse(&options, words))
		return HELPER_USAGE;
	options.words = words;
	if (options.link && options.pool)
		return helper_usage();
	if (fake)
		return 0;
	return mount_disk(&options) ? HELPER_FAILED : 0;
}
