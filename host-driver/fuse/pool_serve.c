// SPDX-License-Identifier: BSD-2-Clause
/* FUSE messages served by the threads of this process (pool_serve.h). */
#define _GNU_SOURCE
#include "pool_serve.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "fuse_opcode.h"
#include "platform/atomic.h"
#include "port/fuse_server.h"

#define BUFFER (FUSE_MAX_WRITE + 8192u)
#define CLONE_DEVICE _IOR(229, 0, uint32_t) /* FUSE_DEV_IOC_CLONE of <linux/fuse.h> */

struct thread {
	struct pool_server *server;
	pthread_t id;
	bool started;
	u32 ended; /* atomic */
	int fd;
	struct exec x;
	struct fuse_call call;
	u32 nframes; /* frames for payload that it owns */
	fno_t frames[FUSE_PAY_SEGS];
	u8 *buffer;
	u64 requests; /* counted by the thread, read by others */
	_Alignas(8) u8 out[FUSE_OUT_ROOM];
};

struct pool_server {
	struct pool_server_config config;
	time_t started;
	int done_fd;    /* counts threads that have ended */
	u32 told_ready; /* atomic */
	u32 stopping;   /* atomic */
	struct thread threads[POOL_SERVE_THREADS_MAX];
};

/* ---- one message */
/* Puts what goes into files into frames, at the offset that it has in its page. */
static int lay_out_payload(struct thread *t, u32 len, u32 offset)
{
	struct fuse_call *c = &t->call;
	struct frame *frame;
	u32 at, part;
	int err;

	for (at = c->in_len; at < len; at += part) {
		part = min_of(len - at, BLOCK_SIZE - offset);
		if (c->npay == FUSE_PAY_SEGS)
			return -E2BIG;
		if (c->npay == t->nframes) {
			err = frame_alloc(&t->x, &frame);
			if (err)
				return err;
			t->frames[t->nframes++] = frame_no(&t->x, frame);
		}
		c->pay[c->npay] = (struct fs_seg){t->frames[c->npay], (u16)offset, (u16)part};
		memcpy((u8 *)frame_data(&t->x, frame_of(&t->x, t->frames[c->npay])) + offset,
		       t->buffer + at, part);
		c->npay++;
		offset = 0;
	}
	return 0;
}

/* Lays the request out as a port would: arguments in place, the rest in frames. */
static int lay_out(struct thread *t, u32 len)
{
	struct fuse_call *c = &t->call;
	const struct fuse_in_header *head = (const void *)t->buffer;
	const u32 write_head = sizeof(*head) + sizeof(struct fuse_write_in);
	u32 offset = 0;

	c->in = head;
	c->out = t->out;
	c->in_len = min_of(len, FUSE_IN_ROOM);
	if (head->opcode == FUSE_WRITE && len > write_head) {
		c->in_len = write_head;
		offset = (u32)((const struct fuse_write_in *)(const void *)(head + 1))->offset %
			 BLOCK_SIZE;
	}
	if (c->in_len % 4)
		memset(t->buffer + c->in_len, 0, 4 - c->in_len % 4);
	c->pay_len = len - c->in_len;
	c->npay = 0;
	return c->pay_len ? lay_out_payload(t, len, offset) : 0;
}

static void send_reply(struct thread *t)
{
	struct fuse_call *c = &t->call;
	struct iovec iov[FS_IO_SEGS + 1];
	ssize_t n;
	u32 i;

	if (!c->out_len)
		return;
	iov[0] = (struct iovec){c->out, c->out_len};
	for (i = 0; i < c->nreply; i++)
		iov[i + 1] =
			(struct iovec){(u8 *)frame_data(&t->x, frame_of(&t->x, c->reply[i].frame)) +
					       c->reply[i].offset,
				       c->reply[i].len};
	n = c->nreply ? writev(t->fd, iov, (int)c->nreply + 1) : write(t->fd, c->out, c->out_len);
	/* ENOENT: the request was interrupted meanwhile, nobody waits for it */
	if (n < 0 && errno != ENOENT && errno != ENODEV)
		plat_log(t->x.plat, PLAT_ERR, "reply to %s: error %d",
			 fuse_opcode_name(c->in->opcode), errno);
	for (i = 0; i < c->nreply; i++)
		frame_unpin(&t->x, frame_of(&t->x, c->reply[i].frame));
}

static void trace(const struct thread *t)
{
	const struct fuse_out_header *out = t->call.out;

	fprintf(stderr, "mpdisk: %llu %s node %llx: %u bytes in, %u out, error %d\n",
		(unsigned long long)t->call.in->unique, fuse_opcode_name(t->call.in->opcode),
		(unsigned long long)t->call.in->nodeid, t->call.in->len,
		t->call.out_len ? out->len : 0, t->call.out_len ? out->error : 0);
}

static void tell_ready(struct pool_server *server, int error)
{
	if (!atomic_or(&server->told_ready, 1))
		server->config.ready(server->config.user, error);
}

static void serve(struct thread *t, u32 len)
{
	struct fuse_call *c = &t->call;
	struct fuse_out_header *out = (void *)t->out;
	u32 i;
	int err;

	err = lay_out(t, len);
	if (err) {
		*out = (struct fuse_out_header){sizeof(*out), err, c->in->unique};
		c->out_len = sizeof(*out);
		c->nreply = 0;
	} else {
		fuse_serve(c);
	}
	if (t->server->config.trace)
		trace(t);
	err = c->in->opcode == FUSE_INIT ? out->error : 1;
	send_reply(t);
	for (i = 0; i < c->npay; i++) /* a write may have taken frames and left others */
		t->frames[i] = c->pay[i].frame;
	__atomic_store_n(&t->requests, t->requests + 1, __ATOMIC_RELAXED);
	if (err <= 0)
		tell_ready(t->server, err);
}

static void *thread_main(void *arg)
{
	struct thread *t = arg;
	struct pool_server *server = t->server;
	ssize_t len;

	t->call.x = &t->x;
	t->call.session = mpdisk_session(server->config.disk);
	while (!atomic_load(&server->stopping)) {
		len = read(t->fd, t->buffer, BUFFER);
		if (len < 0 && (errno == EINTR || errno == EAGAIN || errno == ENOENT))
			continue;
		if (len < (ssize_t)sizeof(*t->call.in))
			break; /* ENODEV: unmounted */
		serve(t, (u32)len);
	}
	atomic_store_release(&t->ended, 1);
	if (eventfd_write(server->done_fd, 1) < 0)
		plat_log(t->x.plat, PLAT_ERR, "eventfd: error %d", errno);
	return NULL;
}

/* ---- the server */
static void on_signal(int number)
{
	(void)number; /* only interrupts read() */
}

/* A descriptor of its own for each thread, so that the kernel's queue of replies is its own. */
static int clone_fd(int fuse_fd)
{
	int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	uint32_t source = (uint32_t)fuse_fd;

	if (fd >= 0 && ioctl(fd, CLONE_DEVICE, &source) == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	return fuse_fd;
}

static int thread_open(struct pool_server *server, struct thread *t)
{
	int err;

	t->server = server;
	t->fd = server->config.fuse_fd;
	t->buffer = aligned_alloc(BLOCK_SIZE, BUFFER);
	if (!t->buffer)
		return -ENOMEM;
	err = mpdisk_executor(server->config.disk, &t->x);
	if (err)
		return err;
	t->fd = clone_fd(server->config.fuse_fd);
	return 0;
}

static void thread_close(struct thread *t)
{
	u32 i;

	if (t->x.slot) {
		for (i = 0; i < t->nframes; i++)
			frame_unpin(&t->x, frame_of(&t->x, t->frames[i]));
		exec_leave(&t->x);
	}
	if (t->fd != t->server->config.fuse_fd)
		close(t->fd);
	free(t->buffer);
}

int pool_server_new(const struct pool_server_config *config, struct pool_server **out)
{
	struct pool_server *server = calloc(1, sizeof(*server));
	struct sigaction action = {.sa_handler = on_signal};
	u32 i;
	int err = 0;

	if (!server)
		return -ENOMEM;
	server->config = *config;
	server->started = time(NULL);
	for (i = 0; i < POOL_SERVE_THREADS_MAX; i++) {
		server->threads[i].server = server;
		server->threads[i].fd = config->fuse_fd;
	}
	sigaction(SIGUSR1, &action, NULL);
	server->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (server->done_fd < 0)
		err = -errno;
	for (i = 0; !err && i < config->threads; i++)
		err = thread_open(server, &server->threads[i]);
	if (err)
		pool_server_free(server);
	else
		*out = server;
	return err;
}

static bool all_ended(const struct pool_server *server)
{
	for (u32 i = 0; i < server->config.threads; i++)
		if (server->threads[i].started && !atomic_load(&server->threads[i].ended))
			return false;
	return true;
}

static void interrupt_threads(struct pool_server *server)
{
	for (u32 i = 0; i < server->config.threads; i++)
		if (server->threads[i].started && !atomic_load(&server->threads[i].ended))
			pthread_kill(server->threads[i].id, SIGUSR1);
}

/* Passes on wishes to end, until all threads have. */
static void supervise(struct pool_server *server)
{
	struct pollfd fds[2] = {{.fd = server->config.stop_fd, .events = POLLIN},
				{.fd = server->done_fd, .events = POLLIN}};
	eventfd_t count;

	while (!all_ended(server)) {
		bool stopping = atomic_load(&server->stopping);

		if (stopping)
			interrupt_threads(server); /* again, for one may just be about to read() */
		if (poll(fds, 2, stopping ? 20 : -1) < 0)
			continue;
		if (fds[0].revents)
			server->config.stop(server->config.user);
		if (fds[1].revents && eventfd_read(server->done_fd, &count) < 0)
			continue;
	}
}

int pool_server_run(struct pool_server *server)
{
	int err = 0;
	u32 i;

	for (i = 0; !err && i < server->config.threads; i++) {
		err = pthread_create(&server->threads[i].id, NULL, thread_main,
				     &server->threads[i]);
		server->threads[i].started = !err;
	}
	if (err)
		atomic_store(&server->stopping, 1);
	supervise(server);
	for (i = 0; i < server->config.threads; i++)
		if (server->threads[i].started)
			pthread_join(server->threads[i].id, NULL);
	tell_ready(server, -ECONNABORTED); /* in case that nobody was told until now */
	return -err;
}

void pool_server_stop(struct pool_server *server)
{
	atomic_store(&server->stopping, 1);
	if (eventfd_write(server->done_fd, 1) < 0)
		plat_log(server->threads[0].x.plat, PLAT_ERR, "eventfd: error %d", errno);
}

void pool_server_free(struct pool_server *server)
{
	if (!server)
		return;
	for (u32 i = 0; i < POOL_SERVE_THREADS_MAX; i++)
		thread_close(&server->threads[i]);
	if (server->done_fd >= 0)
		close(server->done_fd);
	free(server);
}

void pool_server_describe(struct pool_server *server, char *buffer, unsigned int size)
{
	unsigned long long requests = 0;

	for (u32 i = 0; i < server->config.threads; i++)
		requests += __atomic_load_n(&server->threads[i].requests, __ATOMIC_RELAXED);
	snprintf(buffer, size,
		 "state       serving\npid         %d\nhost        %u\nthreads     %u\n"
		 "uptime      %llu s\nrequests    %llu\n",
		 (int)getpid(), mpdisk_host(server->config.disk), server->config.threads,
		 (unsigned long long)(time(NULL) - server->started), requests);
}
