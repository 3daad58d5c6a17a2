// SPDX-License-Identifier: BSD-2-Clause
/*
 * FUSE messages served by the threads of this process (pool_serve.h).
 *
 * Only threads that hold a permit read messages; usually there is one. It stays on the processor
 * that its client is on, and no message pays for waking another thread. A thread that is about to
 * wait, for the medium or another executor, gives its permit away; there is one permit more when
 * messages wait while a thread has one in its hands, and one less when none has for long.
 */
#define _GNU_SOURCE
#include "pool_serve.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "fuse_opcode.h"
#include "platform/atomic.h"
#include "pool_call.h"

#define BUFFER (FUSE_MAX_WRITE + 8192u)
#define CLONE_DEVICE _IOR(229, 0, uint32_t) /* FUSE_DEV_IOC_CLONE of <linux/fuse.h> */
#define WRITE_FRAMES (FUSE_MAX_WRITE / BLOCK_SIZE)
#define LONG_WRITE 16384u
#define LONG_RUN 32u /* messages after a long write among which another is expected */

#define LOOK_EVERY 8u  /* messages: then it is seen whether another one waits already */
#define CALM_LOOKS 16u /* so many in a row that found none: one thread less will do */

struct thread {
	struct pool_server *server;
	bool permit;
	u32 messages, calm; /* since it has the permit; looks in a row that found none waiting */
	pthread_t id;
	bool started;
	u32 ended; /* atomic */
	int fd;
	struct pool_call c;
	u32 long_run;   /* so many messages more may be long writes */
	bool in_frames; /* this message's bytes behind WRITE_HEAD are in frames[] */
	u8 *buffer;
};

struct pool_server {
	struct pool_server_config config;
	time_t started;
	int done_fd;    /* counts threads that have ended */
	u32 told_ready; /* atomic */
	u32 stopping;   /* atomic */
	u32 permits;    /* atomic: nobody's; waited on */
	u32 limit;      /* atomic: permits in all, 1 at least */
	struct pool_locks locks;
	struct thread threads[POOL_SERVE_THREADS_MAX];
};

/* ---- one message */
/* Reads a message. Where one long write follows another, among others, what it writes goes straight
 * into frames, which then become pages of the file. */
static ssize_t receive(struct thread *t)
{
	struct iovec iov[1 + WRITE_FRAMES];

	t->in_frames = t->long_run && pool_call_own(&t->c, WRITE_FRAMES) == 0;
	if (!t->in_frames)
		return read(t->fd, t->buffer, BUFFER);
	iov[0] = (struct iovec){t->buffer, WRITE_HEAD};
	for (u32 i = 0; i < WRITE_FRAMES; i++)
		iov[1 + i] = (struct iovec){pool_call_data(&t->c, i), BLOCK_SIZE};
	return readv(t->fd, iov, 1 + WRITE_FRAMES);
}

/* The bytes of the message that are in frames already become payload, from `skip` on. */
static void lay_out_frames(struct thread *t, u32 bytes, u32 skip)
{
	struct fuse_call *c = &t->c.call;

	for (u32 at = skip; at < bytes; at = (at | (BLOCK_SIZE - 1)) + 1) {
		u32 offset = at % BLOCK_SIZE;

		c->pay[c->npay] = (struct fs_seg){t->c.frames[c->npay], (u16)offset,
						  (u16)min_of(bytes - at, BLOCK_SIZE - offset)};
		c->npay++;
	}
}

/* Puts the rest of the message into frames, at the offset that it has in its page. */
static int lay_out_copy(struct thread *t, u32 len, u32 offset)
{
	struct fuse_call *c = &t->c.call;
	u32 at, part;

	for (at = c->in_len; at < len; at += part) {
		part = min_of(len - at, BLOCK_SIZE - offset);
		if (c->npay == FUSE_PAY_SEGS)
			return -E2BIG;
		if (pool_call_own(&t->c, c->npay + 1) != 0)
			return -ENOMEM;
		c->pay[c->npay] = (struct fs_seg){t->c.frames[c->npay], (u16)offset, (u16)part};
		memcpy(pool_call_data(&t->c, c->npay) + offset, t->buffer + at, part);
		c->npay++;
		offset = 0;
	}
	return 0;
}

/* Lays the request out as a port would: arguments in place, the rest in frames. */
static int lay_out(struct thread *t, u32 len)
{
	struct fuse_call *c = &t->c.call;
	const struct fuse_in_header *head = (const void *)t->buffer;
	const struct fuse_write_in *write = (const void *)(head + 1);
	bool is_write = head->opcode == FUSE_WRITE && len > WRITE_HEAD;

	c->in = head;
	c->in_len = is_write ? WRITE_HEAD : min_of(len, FUSE_IN_ROOM);
	if (t->in_frames && c->in_len > WRITE_HEAD)
		memcpy(t->buffer + WRITE_HEAD, pool_call_data(&t->c, 0), c->in_len - WRITE_HEAD);
	if (c->in_len % 4)
		memset(t->buffer + c->in_len, 0, 4 - c->in_len % 4);
	c->pay_len = len - c->in_len;
	c->npay = 0;
	if (is_write && len >= LONG_WRITE)
		t->long_run = LONG_RUN;
	else if (t->long_run)
		t->long_run--;
	if (!c->pay_len)
		return 0;
	if (!t->in_frames)
		return lay_out_copy(t, len, is_write ? (u32)write->offset % BLOCK_SIZE : 0);
	lay_out_frames(t, len - WRITE_HEAD, c->in_len - WRITE_HEAD);
	return 0;
}

static void send_reply(struct thread *t)
{
	struct iovec iov[POOL_CALL_IOV];
	const u32 niov = pool_call_reply(&t->c, iov);
	ssize_t n;

	if (!niov)
		return;
	n = niov > 1 ? writev(t->fd, iov, (int)niov)
		     : write(t->fd, iov[0].iov_base, iov[0].iov_len);
	/* ENOENT: the request was interrupted meanwhile, nobody waits for it */
	if (n < 0 && errno != ENOENT && errno != ENODEV)
		plat_log(t->c.x.plat, PLAT_ERR, "reply to %s: error %d",
			 fuse_opcode_name(t->c.call.in->opcode), errno);
}

static void tell_ready(struct pool_server *server, int error)
{
	if (!atomic_or(&server->told_ready, 1))
		server->config.ready(server->config.user, error);
}

/* Buffers of users begin anywhere, and the kernel cuts what touches more pages than this. It cannot
 * ask for longer reads: mounts have max_read (cli/options.c). */
static void init_pages(struct thread *t)
{
	struct fuse_init_out *out = (void *)(t->c.out + sizeof(struct fuse_out_header));

	if (out->flags & FUSE_INIT_MAX_PAGES)
		out->max_pages = FUSE_MAX_WRITE / BLOCK_SIZE + 1;
}

static void serve(struct thread *t, u32 len)
{
	struct fuse_call *c = &t->c.call;
	const struct fuse_out_header *out = (const void *)t->c.out;
	int err;

	c->nreply = 0;
	err = lay_out(t, len);
	fuse_apply_options(t->buffer, c->in_len, t->server->config.local_locks,
			   t->server->config.noatime);
	if (err)
		pool_call_fail(&t->c, err);
	else
		pool_call_serve(&t->c, t->server->config.trace);
	err = c->in->opcode == FUSE_INIT ? out->error : 1;
	if (!err)
		init_pages(t);
	send_reply(t);
	pool_call_end(&t->c);
	if (err <= 0)
		tell_ready(t->server, err);
}

/* ---- permits */
static _Thread_local struct thread *self;

static void permit_put(struct pool_server *server)
{
	atomic_add(&server->permits, 1);
	syscall(SYS_futex, &server->permits, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

/* Waits for one; false: the server is ending. */
static bool permit_get(struct thread *t)
{
	struct pool_server *server = t->server;

	while (!atomic_load(&server->stopping)) {
		u32 seen = atomic_load(&server->permits);

		if (!seen) {
			syscall(SYS_futex, &server->permits, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
		} else if (atomic_cas(&server->permits, &seen, seen - 1)) {
			t->permit = true;
			t->messages = t->calm = 0;
			return true;
		}
	}
	return false;
}

/* By the platform, in the middle of an operation. */
static void about_to_wait(void)
{
	if (self && self->permit) {
		self->permit = false;
		permit_put(self->server);
	}
}

static void limit_raise(struct pool_server *server)
{
	u32 limit = atomic_load(&server->limit);

	if (limit < server->config.threads && atomic_cas(&server->limit, &limit, limit + 1))
		permit_put(server);
}

/* The permit is not put back: there is one less. */
static void limit_lower(struct thread *t)
{
	u32 limit = atomic_load(&t->server->limit);

	if (limit > 1 && atomic_cas(&t->server->limit, &limit, limit - 1))
		t->permit = false;
}

/* A message that waits while this thread has one in its hands needs another thread. */
static void look_for_more(struct thread *t)
{
	struct pollfd pollfd = {.fd = t->fd, .events = POLLIN};

	if (++t->messages % LOOK_EVERY)
		return;
	if (poll(&pollfd, 1, 0) > 0) {
		t->calm = 0;
		limit_raise(t->server);
	} else if (++t->calm == CALM_LOOKS) {
		t->calm = 0;
		limit_lower(t);
	}
}

/* ---- threads */
/* Reads and serves while it has a permit. False: the mount is gone. */
static bool serve_messages(struct thread *t)
{
	while (t->permit && !atomic_load(&t->server->stopping)) {
		ssize_t len = receive(t);

		if (len < 0 && (errno == EINTR || errno == EAGAIN || errno == ENOENT))
			continue;
		if (len < (ssize_t)sizeof(*t->c.call.in))
			return false; /* ENODEV: unmounted */
		if (t->server->config.threads > 1)
			look_for_more(t);
		serve(t, (u32)len);
	}
	return true;
}

/* ---- requests that waited for a lock */
/* The kernel knows a request only on the descriptor by which it was read. */
static void answer_lock(struct pool_server *server, u64 key, int error)
{
	const struct fuse_out_header out = {sizeof(out), error, key};
	u32 i;

	for (i = 0; i < server->config.threads; i++)
		if (write(server->threads[i].fd, &out, sizeof(out)) >= 0)
			return;
}

static void answer_locks(void *user)
{
	struct pool_server *server = user;
	struct mpdisk *disk = server->config.disk;
	int error;
	u64 key;

	while (fs_lock_done(mpdisk_pool(disk), mpdisk_host(disk), &key, &error))
		answer_lock(server, key, error);
}

static void *thread_main(void *arg)
{
	struct thread *t = arg;
	struct pool_server *server = t->server;

	self = t;
	while (permit_get(t) && serve_messages(t))
		;
	self = NULL;
	if (t->permit)
		permit_put(server); /* whoever waits for one finds the mount gone too */
	atomic_store_release(&t->ended, 1);
	if (eventfd_write(server->done_fd, 1) < 0)
		plat_log(t->c.x.plat, PLAT_ERR, "eventfd: error %d", errno);
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
	err = pool_call_open(&t->c, server->config.disk);
	if (err)
		return err;
	t->fd = clone_fd(server->config.fuse_fd);
	return 0;
}

static void thread_close(struct thread *t)
{
	pool_call_close(&t->c);
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
	server->permits = 1;
	server->limit = 1;
	for (i = 0; i < POOL_SERVE_THREADS_MAX; i++) {
		server->threads[i].server = server;
		server->threads[i].fd = config->fuse_fd;
	}
	sigaction(MPDISK_SIGNAL, &action, NULL);
	server->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (server->done_fd < 0)
		err = -errno;
	for (i = 0; !err && i < config->threads; i++)
		err = thread_open(server, &server->threads[i]);
	if (!err)
		plat_posix_on_wait(server->threads[0].c.x.plat, about_to_wait);
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
			pthread_kill(server->threads[i].id, MPDISK_SIGNAL);
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
	int err;
	u32 i;

	err = -pool_locks_start(&server->locks, &server->threads[0].c.x, answer_locks, server);
	for (i = 0; !err && i < server->config.threads; i++) {
		err = pthread_create(&server->threads[i].id, NULL, thread_main,
				     &server->threads[i]);
		server->threads[i].started = !err;
	}
	if (err)
		pool_server_stop(server);
	supervise(server);
	for (i = 0; i < server->config.threads; i++)
		if (server->threads[i].started)
			pthread_join(server->threads[i].id, NULL);
	pool_locks_stop(&server->locks);
	tell_ready(server, -ECONNABORTED); /* in case that nobody was told until now */
	return -err;
}

void pool_server_stop(struct pool_server *server)
{
	atomic_store(&server->stopping, 1);
	syscall(SYS_futex, &server->permits, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
	if (eventfd_write(server->done_fd, 1) < 0)
		plat_log(server->threads[0].c.x.plat, PLAT_ERR, "eventfd: error %d", errno);
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
		requests += pool_call_requests(&server->threads[i].c);
	snprintf(buffer, size,
		 "state       serving\npid         %d\nhost        %u\nthreads     %u\n"
		 "uptime      %llu s\nrequests    %llu\n",
		 (int)getpid(), mpdisk_host(server->config.disk), server->config.threads,
		 (unsigned long long)(time(NULL) - server->started), requests);
}
