// SPDX-License-Identifier: BSD-2-Clause
/*
 * virtio-fs requests served by the threads of this process (fs_pool.h).
 *
 * Whoever waits for a kick sleeps in vhost_wait(); one kick wakes one of them. While it works the
 * guest does not kick; so it wakes another one when it is about to wait itself, for the medium or
 * another executor, and when requests keep waiting while it has one in its hands.
 *
 * Data is copied once: between the guest's memory and frames of the pool.
 */
#define _GNU_SOURCE
#include "fs_pool.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "../cli/report.h"
#include "../fuse/fuse_opcode.h"
#include "platform/atomic.h"
#include "port/fuse_server.h"

#define REQUEST_MAX (FUSE_MAX_WRITE + 8192u)
#define WRITE_HEAD ((u32)(sizeof(struct fuse_in_header) + sizeof(struct fuse_write_in)))
#define MORE_IN_A_ROW 4u /* requests with another one behind them: a second thread helps */

/* A request that waits for a lock, or may come to. */
struct parked {
	struct parked *next;
	u64 key;
	struct vhost_request *request;
};

struct thread {
	struct fs_pool *fs;
	pthread_t id;
	bool started;
	bool handed_on; /* another thread was woken since it took its request */
	u32 crowded;    /* requests in a row with another one behind them */
	struct exec x;
	struct fuse_call call;
	u32 nframes; /* frames for payload that it owns */
	fno_t frames[FUSE_PAY_SEGS];
	u64 requests; /* counted by the thread, read by others */
	_Alignas(8) u8 in[FUSE_IN_ROOM];
	_Alignas(8) u8 out[FUSE_OUT_ROOM];
	struct vhost_request request;
};

struct fs_pool {
	struct fs_pool_config config;
	struct vhost *vhost;
	time_t started;
	pthread_t locks;
	u32 locks_ending;            /* atomic */
	pthread_mutex_t parked_lock; /* before those of vhost */
	struct parked *parked;       /* [parked_lock] */
	struct thread *threads[FS_POOL_THREADS_MAX];
};

/* ---- one request */
/* Makes n payload frames the thread's own. */
static int own_frames(struct thread *t, u32 n)
{
	struct frame *frame;
	int err;

	while (t->nframes < n) {
		err = frame_alloc(&t->x, &frame);
		if (err)
			return err;
		t->frames[t->nframes++] = frame_no(&t->x, frame);
	}
	return 0;
}

/* Frames that a message of so many bytes can need. */
static u32 frames_for(u32 len)
{
	return len / BLOCK_SIZE + 2;
}

static u8 *own_data(const struct thread *t, u32 i)
{
	return frame_data(&t->x, frame_of(&t->x, t->frames[i]));
}

/* Puts the rest of the message into frames, from `offset` of the first one on. */
static bool lay_out_frames(struct thread *t, u32 offset)
{
	struct fuse_call *c = &t->call;
	u32 left, part;

	for (left = c->pay_len; left > 0; left -= part) {
		part = min_of(left, BLOCK_SIZE - offset);
		if (!vhost_get(&t->request, own_data(t, c->npay) + offset, part))
			return false;
		c->pay[c->npay] = (struct fs_seg){t->frames[c->npay], (u16)offset, (u16)part};
		c->npay++;
		offset = 0;
	}
	return true;
}

/* Lays the request out as a port would: arguments in private memory, the rest in frames. NULL, or
 * which rule it breaks. */
static const char *lay_out(struct thread *t)
{
	struct fuse_call *c = &t->call;
	const u32 len = t->request.chain.read_len;
	const struct fuse_in_header *head = (const void *)t->in;
	const struct fuse_write_in *write = (const void *)(head + 1);
	bool is_write;

	c->in_len = min_of(len, WRITE_HEAD);
	if (!vhost_get(&t->request, t->in, c->in_len))
		return "a request cannot be read";
	if (head->len != len)
		return "a FUSE message is not as long as it says";
	is_write = head->opcode == FUSE_WRITE && len > WRITE_HEAD;
	if (!is_write) {
		u32 rest = min_of(len, FUSE_IN_ROOM) - c->in_len;

		if (!vhost_get(&t->request, t->in + c->in_len, rest))
			return "a request cannot be read";
		c->in_len += rest;
	}
	if (c->in_len % 4)
		memset(t->in + c->in_len, 0, 4 - c->in_len % 4);
	c->pay_len = len - c->in_len;
	if (t->nframes < frames_for(len))
		return NULL;
	if (!lay_out_frames(t, is_write ? (u32)write->offset % BLOCK_SIZE : 0))
		return "a request cannot be read";
	return NULL;
}

static void fail_call(struct fuse_call *c, int err)
{
	struct fuse_out_header *out = c->out;

	*out = (struct fuse_out_header){sizeof(*out), err, c->in->unique};
	c->out_len = sizeof(*out);
	c->reply_len = 0;
}

static void answer(struct thread *t)
{
	struct fuse_call *c = &t->call;
	struct iovec iov[FS_IO_SEGS + 1];
	const u32 nreply = c->reply_len ? c->nreply : 0;
	u32 i;

	iov[0] = (struct iovec){c->out, c->out_len};
	for (i = 0; i < nreply; i++)
		iov[i + 1] =
			(struct iovec){(u8 *)frame_data(&t->x, frame_of(&t->x, c->reply[i].frame)) +
					       c->reply[i].offset,
				       c->reply[i].len};
	if (!vhost_answer(&t->request, iov, c->out_len ? (int)nreply + 1 : 0)) {
		fail_call(c, -EIO); /* there is less room than it asked for */
		iov[0].iov_len = c->out_len;
		if (!vhost_answer(&t->request, iov, 1) && !vhost_answer(&t->request, NULL, 0))
			vhost_broken(&t->request, "a request cannot be answered");
	}
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

/* ---- requests that wait for a lock */
static struct parked *park(struct thread *t)
{
	struct fs_pool *fs = t->fs;
	struct parked *parked = malloc(sizeof(*parked));

	if (!parked)
		return NULL;
	parked->key = t->call.in->unique;
	parked->request = vhost_copy(&t->request);
	if (!parked->request) {
		free(parked);
		return NULL;
	}
	pthread_mutex_lock(&fs->parked_lock);
	parked->next = fs->parked;
	fs->parked = parked;
	pthread_mutex_unlock(&fs->parked_lock);
	return parked;
}

static void parked_free(struct parked *parked)
{
	if (parked)
		free(parked->request);
	free(parked);
}

/* [parked_lock] Takes it out of the list; NULL: it is not there. */
static struct parked *unpark(struct fs_pool *fs, const struct parked *which, u64 key)
{
	struct parked **at, *found;

	for (at = &fs->parked; *at; at = &(*at)->next)
		if (which ? *at == which : (*at)->key == key)
			break;
	found = *at;
	if (found)
		*at = found->next;
	return found;
}

/* It may be answered before fuse_serve() has returned. */
static bool serve_lock(struct thread *t)
{
	struct parked *parked = park(t);
	struct fuse_out_header *out = t->call.out;
	bool waits;

	if (!parked) {
		fail_call(&t->call, -ENOMEM);
		return false;
	}
	t->call.session->max_waiting = t->request.waiting_max;
	fuse_serve(&t->call);
	waits = fuse_waits(&t->call);
	if (!waits) {
		if (out->error == -EAGAIN) /* too many wait: not what a caller that waits expects */
			out->error = -ENOLCK;
		pthread_mutex_lock(&t->fs->parked_lock);
		parked = unpark(t->fs, parked, 0);
		pthread_mutex_unlock(&t->fs->parked_lock);
		waits = !parked; /* only of a guest that uses a key twice */
		parked_free(parked);
	}
	return waits;
}

static void answer_lock(struct parked *parked, int error)
{
	struct fuse_out_header out = {sizeof(out), error, parked->key};
	const struct iovec iov = {&out, sizeof(out)};

	if (!vhost_answer(parked->request, &iov, 1) && !vhost_answer(parked->request, NULL, 0))
		vhost_broken(parked->request, "a request cannot be answered");
	parked_free(parked);
}

static bool take_lock_done(struct fs_pool *fs)
{
	struct parked *parked;
	int error;
	bool any;
	u64 key;

	pthread_mutex_lock(&fs->parked_lock);
	any = fs_lock_done(mpdisk_pool(fs->config.disk), mpdisk_host(fs->config.disk), &key,
			   &error);
	parked = any ? unpark(fs, NULL, key) : NULL;
	pthread_mutex_unlock(&fs->parked_lock);
	if (parked)
		answer_lock(parked, error);
	return any;
}

static void *locks_main(void *arg)
{
	struct fs_pool *fs = arg;
	const struct exec *x = &fs->threads[0]->x;
	u32 *word = fs_lock_word(x->pool), seen;

	for (;;) {
		seen = atomic_load_acquire(word);
		if (atomic_load(&fs->locks_ending)) /* looked at after the word */
			return NULL;
		while (take_lock_done(fs))
			;
		plat_wait(x->plat, word, seen, 0);
	}
}

static void locks_stop(struct fs_pool *fs)
{
	const struct exec *x = &fs->threads[0]->x;

	atomic_store(&fs->locks_ending, 1);
	atomic_add(fs_lock_word(x->pool), 1);
	plat_wake(x->plat, fs_lock_word(x->pool));
	pthread_join(fs->locks, NULL);
}

/* Gives back all that the guest held. Nobody serves a request of it meanwhile. */
static void drop_guest(struct fs_pool *fs, struct exec *x)
{
	struct session *session = mpdisk_session(fs->config.disk);
	struct parked *parked;
	int error;
	u64 key;

	pthread_mutex_lock(&fs->parked_lock);
	session_drop(x, session);
	while ((parked = fs->parked)) {
		fs->parked = parked->next;
		parked_free(parked);
	}
	while (fs_lock_done(x->pool, session->host, &key, &error))
		; /* told to nobody: the next guest may use the same keys */
	pthread_mutex_unlock(&fs->parked_lock);
}

/* ---- threads */
static _Thread_local struct thread *self;

/* By the platform, in the middle of an operation. */
static void about_to_wait(void)
{
	if (self && !self->handed_on) {
		self->handed_on = true;
		vhost_wake(self->fs->vhost);
	}
}

static void look_for_more(struct thread *t)
{
	if (!t->request.more) {
		t->crowded = 0;
	} else if (++t->crowded == MORE_IN_A_ROW) {
		t->crowded = 0;
		vhost_wake(t->fs->vhost);
	}
}

/* Whether there is a request to be served: NULL; else which rule it breaks, or "" if it is of no
 * interest any more. */
static const char *take(struct thread *t)
{
	const u32 len = t->request.chain.read_len;
	const char *why;

	if (len < sizeof(struct fuse_in_header) || len > REQUEST_MAX)
		return "a request of an odd length";
	if (own_frames(t, frames_for(len)) != 0)
		report(LOG_WARNING, "the pool has no frame free for a request");
	if (!vhost_enter(&t->request))
		return "";
	why = lay_out(t);
	vhost_leave(&t->request);
	return why;
}

static void serve(struct thread *t)
{
	struct fuse_call *c = &t->call;
	const char *why;
	u32 i;

	c->npay = c->nreply = 0;
	why = take(t);
	if (why) {
		if (*why)
			vhost_broken(&t->request, why);
		return;
	}
	if (c->in->opcode == FUSE_INIT) { /* the guest may have started anew and said nothing */
		vhost_alone(&t->request);
		drop_guest(t->fs, &t->x);
	}
	if (t->nframes < frames_for(c->in->len))
		fail_call(c, -ENOMEM);
	else if (c->in->opcode != FUSE_SETLKW)
		fuse_serve(c);
	else if (serve_lock(t))
		return;
	if (t->fs->config.trace)
		trace(t);
	answer(t);
	for (i = 0; i < c->npay; i++) /* a write may have taken frames and left others */
		t->frames[i] = c->pay[i].frame;
}

static void serve_all(struct thread *t)
{
	while (vhost_pop(t->fs->vhost, &t->request)) {
		t->handed_on = t->fs->config.threads == 1;
		if (t->fs->config.threads > 1)
			look_for_more(t);
		serve(t);
		vhost_done(&t->request);
		__atomic_store_n(&t->requests, t->requests + 1, __ATOMIC_RELAXED);
	}
}

static void *thread_main(void *arg)
{
	struct thread *t = arg;

	t->call.x = &t->x;
	t->call.session = mpdisk_session(t->fs->config.disk);
	t->call.in = (const void *)t->in;
	t->call.out = t->out;
	self = t;
	while (vhost_wait(t->fs->vhost))
		serve_all(t);
	self = NULL;
	return NULL;
}

/* ---- the device */
/* All threads are idle: the first one's executor is free for this. */
static void on_gone(void *user)
{
	struct fs_pool *fs = user;

	drop_guest(fs, &fs->threads[0]->x);
}

static int thread_open(struct fs_pool *fs, struct thread **out)
{
	struct thread *t = calloc(1, sizeof(*t));
	int err;

	if (!t)
		return -ENOMEM;
	t->fs = fs;
	err = mpdisk_executor(fs->config.disk, &t->x);
	if (err)
		free(t);
	else
		*out = t;
	return err;
}

static void thread_close(struct thread *t)
{
	u32 i;

	for (i = 0; i < t->nframes; i++)
		frame_unpin(&t->x, frame_of(&t->x, t->frames[i]));
	exec_leave(&t->x);
	free(t);
}

int fs_pool_new(const struct fs_pool_config *config, struct fs_pool **out)
{
	struct fs_pool *fs = calloc(1, sizeof(*fs));
	struct vhost_config vhost = config->vhost;
	int err = 0;
	u32 i;

	if (!fs)
		return -ENOMEM;
	fs->config = *config;
	fs->started = time(NULL);
	pthread_mutex_init(&fs->parked_lock, NULL);
	for (i = 0; !err && i < config->threads; i++)
		err = thread_open(fs, &fs->threads[i]);
	vhost.gone = on_gone;
	vhost.user = fs;
	if (!err)
		err = vhost_new(&vhost, &fs->vhost);
	if (err) {
		fs_pool_free(fs);
		return err;
	}
	plat_posix_on_wait(fs->threads[0]->x.plat, about_to_wait);
	*out = fs;
	return 0;
}

int fs_pool_run(struct fs_pool *fs, int stop_fd)
{
	bool locks;
	int err;
	u32 i;

	err = pthread_create(&fs->locks, NULL, locks_main, fs);
	locks = !err;
	for (i = 0; !err && i < fs->config.threads; i++) {
		err = pthread_create(&fs->threads[i]->id, NULL, thread_main, fs->threads[i]);
		fs->threads[i]->started = !err;
	}
	err = err ? -err : vhost_run(fs->vhost, stop_fd);
	vhost_stop(fs->vhost);
	for (i = 0; i < fs->config.threads; i++)
		if (fs->threads[i]->started)
			pthread_join(fs->threads[i]->id, NULL);
	if (locks)
		locks_stop(fs);
	return err;
}

void fs_pool_stop(struct fs_pool *fs)
{
	vhost_stop(fs->vhost);
}

void fs_pool_free(struct fs_pool *fs)
{
	u32 i;

	if (!fs)
		return;
	vhost_free(fs->vhost);
	for (i = 0; i < FS_POOL_THREADS_MAX; i++)
		if (fs->threads[i])
			thread_close(fs->threads[i]);
	free(fs);
}

void fs_pool_describe(struct fs_pool *fs, char *buffer, unsigned int size)
{
	struct vhost_statistics s;
	unsigned long long requests = 0;

	for (u32 i = 0; i < fs->config.threads; i++)
		requests += __atomic_load_n(&fs->threads[i]->requests, __ATOMIC_RELAXED);
	vhost_get_statistics(fs->vhost, &s);
	snprintf(buffer, size,
		 "guest       %s\nguests      %llu\ncut off     %llu\nqueues      %u\n"
		 "state       serving\npid         %d\nhost        %u\nthreads     %u\n"
		 "uptime      %llu s\nrequests    %llu\n",
		 s.connected ? "connected" : "none", (unsigned long long)s.guests,
		 (unsigned long long)s.broken, s.running, (int)getpid(),
		 mpdisk_host(fs->config.disk), fs->config.threads,
		 (unsigned long long)(time(NULL) - fs->started), requests);
}
