// SPDX-License-Identifier: BSD-2-Clause
/*
 * mpdisk-native: the device's filesystem as a FUSE daemon, in one process on an image file.
 *
 * The same FUSE server and core as the firmware's, with threads as executors, so that they can be
 * tried on real mounts without the device.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "native.h"
#include "platform/posix/posix.h"
#include "port/fuse_server.h"

#define THREADS_MAX 16u
#define BUFFER (FUSE_MAX_WRITE + 8192u)

struct native {
	struct plat *plat;
	struct pool pool;
	struct session session;
	int fd;
	volatile bool ended;
};

struct executor {
	struct native *native;
	pthread_t thread;
	struct exec x;
	struct fuse_call call;
	u32 nframes; /* frames for payload that it owns */
	fno_t frames[FUSE_PAY_SEGS];
	u8 *buffer;
	_Alignas(8) u8 in[FUSE_IN_ROOM];
	_Alignas(8) u8 out[FUSE_OUT_ROOM];
};

/* Lays the request out as a port would: arguments in place, the rest in frames. */
static int lay_out(struct executor *e, u32 len)
{
	struct fuse_call *c = &e->call;
	const struct fuse_in_header *head = (const void *)e->buffer;
	const u32 write_head = sizeof(*head) + sizeof(struct fuse_write_in);
	u32 offset = 0, at, part;
	struct frame *frame;
	int err;

	c->in_len = min_of(len, FUSE_IN_ROOM);
	if (head->opcode == FUSE_WRITE && len > write_head) {
		c->in_len = write_head;
		offset = (u32)((const struct fuse_write_in *)(const void *)(head + 1))->offset %
			 BLOCK_SIZE;
	}
	memset(e->in, 0, sizeof(e->in));
	memcpy(e->in, e->buffer, c->in_len);
	c->in = (const void *)e->in;
	c->out = e->out;
	c->pay_len = len - c->in_len;
	c->npay = 0;
	for (at = c->in_len; at < len; at += part) {
		part = min_of(len - at, BLOCK_SIZE - offset);
		if (c->npay == FUSE_PAY_SEGS)
			return -E2BIG;
		if (c->npay == e->nframes) {
			err = frame_alloc(&e->x, &frame);
			if (err)
				return err;
			e->frames[e->nframes++] = frame_no(&e->x, frame);
		}
		c->pay[c->npay] = (struct fs_seg){e->frames[c->npay], (u16)offset, (u16)part};
		memcpy((u8 *)frame_data(&e->x, frame_of(&e->x, e->frames[c->npay])) + offset,
		       e->buffer + at, part);
		c->npay++;
		offset = 0;
	}
	return 0;
}

static void reply(struct executor *e)
{
	struct fuse_call *c = &e->call;
	struct iovec iov[FS_IO_SEGS + 1];
	u32 i;

	iov[0] = (struct iovec){c->out, c->out_len};
	for (i = 0; i < c->nreply; i++)
		iov[i + 1] =
			(struct iovec){(u8 *)frame_data(&e->x, frame_of(&e->x, c->reply[i].frame)) +
					       c->reply[i].offset,
				       c->reply[i].len};
	/* ENOENT: the request was interrupted meanwhile, nobody waits for it */
	if (c->out_len && writev(e->native->fd, iov, (int)c->nreply + 1) < 0 && errno != ENOENT &&
	    errno != ENODEV)
		fprintf(stderr, "mpdisk-native: reply to opcode %u: %s\n", c->in->opcode,
			strerror(errno));
	for (i = 0; i < c->nreply; i++)
		frame_unpin(&e->x, frame_of(&e->x, c->reply[i].frame));
	for (i = 0; i < c->npay; i++)
		e->frames[i] = c->pay[i].frame;
}

static void *executor_main(void *arg)
{
	struct executor *e = arg;
	struct native *n = e->native;
	struct fuse_call *c = &e->call;
	ssize_t len;
	int err;

	c->x = &e->x;
	c->session = &n->session;
	for (;;) {
		len = read(n->fd, e->buffer, BUFFER);
		if (len < 0 && (errno == EINTR || errno == EAGAIN || errno == ENOENT))
			continue;
		if (len < (ssize_t)sizeof(*c->in))
			break; /* ENODEV: unmounted */
		err = lay_out(e, (u32)len);
		if (err) {
			struct fuse_out_header head = {sizeof(head), err, c->in->unique};

			if (write(n->fd, &head, sizeof(head)) < 0)
				perror("mpdisk-native: reply");
			continue;
		}
		fuse_serve(c);
		reply(e);
	}
	n->ended = true;
	return NULL;
}

static void *flusher_main(void *arg)
{
	struct executor *e = arg;
	u32 ms = 0;

	while (!e->native->ended) {
		usleep(50000);
		ms += 50;
		if (ms % 1000 == 0 && cache_writeback(&e->x, 256) < 0)
			fprintf(stderr, "mpdisk-native: write-back failed\n");
	}
	return NULL;
}

/* Runs until the mount is gone; the first of the executors writes back. */
static int serve(struct native *n, struct executor *executors, u32 threads)
{
	u32 i, j;

	for (i = 0; i < threads; i++)
		if (pthread_create(&executors[i].thread, NULL, i ? executor_main : flusher_main,
				   &executors[i]))
			return -EAGAIN;
	for (i = threads; i-- > 0;)
		pthread_join(executors[i].thread, NULL);
	for (i = 0; i < threads; i++)
		for (j = 0; j < executors[i].nframes; j++)
			frame_unpin(&executors[i].x,
				    frame_of(&executors[i].x, executors[i].frames[j]));
	session_drop(&executors[0].x, &n->session);
	return 0;
}

static void usage(void)
{
	fprintf(stderr,
		"usage: mpdisk-native --image IMAGE [-o OPTIONS] [--pool MIB] [--threads N] [-r] "
		"[-v] DIR\n");
	exit(2);
}

struct arguments {
	const char *image, *dir, *options;
	u32 pool_mib, threads;
	bool read_only, verbose;
};

static void parse(int argc, char **argv, struct arguments *a)
{
	static const struct option longs[] = {{"image", 1, NULL, 'i'},
					      {"pool", 1, NULL, 'p'},
					      {"threads", 1, NULL, 't'},
					      {NULL, 0, NULL, 0}};
	int opt;

	*a = (struct arguments){.options = "", .pool_mib = 32, .threads = 4};
	while ((opt = getopt_long(argc, argv, "o:rv", longs, NULL)) != -1) {
		switch (opt) {
		case 'i':
			a->image = optarg;
			break;
		case 'o':
			a->options = optarg;
			break;
		case 'p':
			a->pool_mib = (u32)strtoul(optarg, NULL, 10);
			break;
		case 't':
			a->threads = (u32)strtoul(optarg, NULL, 10);
			break;
		case 'r':
			a->read_only = true;
			break;
		case 'v':
			a->verbose = true;
			break;
		default:
			usage();
		}
	}
	if (!a->image || optind != argc - 1 || a->threads < 1 || a->threads > THREADS_MAX - 1 ||
	    a->pool_mib < 4 || a->pool_mib > 2048)
		usage();
	a->dir = argv[optind];
}

static int open_filesystem(struct native *n, const struct arguments *a, struct executor *executors)
{
	const struct fs_mount_opts opts = {.read_only = a->read_only};
	const u32 size = a->pool_mib << 20;
	void *base;
	u32 i;
	int err;

	n->plat = plat_posix_open(a->image, a->read_only);
	if (!n->plat)
		return -errno;
	if (a->verbose)
		plat_posix_log_level(n->plat, PLAT_INFO);
	base = plat_posix_pool(n->plat, size);
	if (!base)
		return -errno;
	err = pool_format(&n->pool, base, size);
	for (i = 0; !err && i <= a->threads; i++) {
		executors[i].native = n;
		executors[i].buffer = malloc(BUFFER);
		err = executors[i].buffer ? exec_join(&n->pool, n->plat, 1, &executors[i].x)
					  : -ENOMEM;
	}
	if (!err)
		err = fs_mount(&executors[0].x, &opts);
	session_init(&n->session, 1);
	return err;
}

static struct native_mount *mounted;

static void *signal_main(void *arg)
{
	const sigset_t *set = arg;
	int sig;

	/* the executors see the end of the mount */
	if (sigwait(set, &sig) == 0)
		native_unmount(mounted);
	return NULL;
}

int main(int argc, char **argv)
{
	static struct native native;
	static struct executor executors[THREADS_MAX];
	struct arguments a;
	pthread_t signals;
	sigset_t set;
	int err;

	parse(argc, argv, &a);
	err = open_filesystem(&native, &a, executors);
	if (err) {
		fprintf(stderr, "mpdisk-native: %s: %s\n", a.image, strerror(-err));
		return 1;
	}
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	err = native_mount(a.image, a.dir, a.options, &mounted, &native.fd);
	if (err) {
		fprintf(stderr, "mpdisk-native: cannot mount on %s: %s\n", a.dir, strerror(-err));
		return 1;
	}
	if (pthread_create(&signals, NULL, signal_main, &set))
		return 1;
	err = serve(&native, executors, a.threads + 1);
	if (!err)
		err = fs_unmount(&executors[0].x);
	if (err)
		fprintf(stderr, "mpdisk-native: %s: %s\n", a.image, strerror(-err));
	return err ? 1 : 0;
}
