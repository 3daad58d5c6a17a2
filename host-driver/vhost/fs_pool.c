// SPDX-License-Identifier: BSD-2-Clause
/*
 * virtio-fs requests served by the threads of this process (fs_pool.h).
 *
 * Whoever waits for a kick sleeps in vhost_wait(), after a short look; one kick wakes one of them.
 * While one looks or works the guest does not kick; so it wakes another one when it is about to
 * wait itself, for the medium or another executor, and when requests keep waiting while it has one
 * in its hands.
 *
 * Data is copied once: between the guest's memory and frames of the pool. A READ or WRITE may be
 * longer than what the filesystem does at once: then it is done in parts.
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
#include "../fuse/pool_call.h"

#define LONG_PAGES 256u /* of a READ or WRITE, as many as Linux sends in one request */
#define LONG_MAX (LONG_PAGES * BLOCK_SIZE)
#define REQUEST_MAX (LONG_MAX + 8192u)
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
	struct pool_call c;
	_Alignas(8) u8 in[FUSE_IN_ROOM];
	struct vhost_request request;
};

struct fs_pool {
	struct fs_pool_config config;
	struct vhost *vhost;
	time_t started;
	struct pool_locks locks;
	pthread_mutex_t parked_lock; /* before those of vhost */
	struct parked *parked;       /* [parked_lock] */
	struct thread *threads[FS_POOL_THREADS_MAX];
};

/* ---- one request */
/* Frames that a message of so many bytes can need at once. */
static u32 frames_for(u32 len)
{
	return min_of(len, FUSE_MAX_WRITE + 8192u) / BLOCK_SIZE + 2;
}

/* Puts the rest of the message into frames, from `offset` of the first one on. */
static bool lay_out_frames(struct thread *t, u32 offset)
{
	struct fuse_call *c = &t->c.call;
	u32 left, part;

	for (left = c->pay_len; left > 0; left -= part) {
		part = min_of(left, BLOCK_SIZE - offset);
		if (!vhost_get(&t->request, pool_call_data(&t->c, c->npay) + offset, part))
			return false;
		c->pay[c->npay] = (struct fs_seg){t->c.frames[c->npay], (u16)offset, (u16)part};
		c->npay++;
		offset = 0;
	}
	return true;
}

/* Lays the request out as a port would: arguments in private memory, the rest in frames. NULL, or
 * which rule it breaks. */
static const char *lay_out(struct thread *t)
{
	struct fuse_call *c = &t->c.call;
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
	if (t->c.nframes < frames_for(len))
		return NULL;
	if (is_write && len > WRITE_HEAD + FUSE_MAX_WRITE)
		c->pay_len = 0; /* it comes in parts */
	else if (len > FUSE_MAX_WRITE + 8192u)
		return "a request of an odd length";
	if (!lay_out_frames(t, is_write ? (u32)write->offset % BLOCK_SIZE : 0))
		return "a request cannot be read";
	return NULL;
}

/* Whether a guest sends it behind the back of whoever has caused it. RELEASE is none: close() waits
 * for it in a virtiofs guest. */
static bool is_aside(u32 opcode)
{
	return opcode == FUSE_FORGET || opcode == FUSE_BATCH_FORGET;
}

static void answer(struct thread *t, u32 filled)
{
	struct iovec iov[POOL_CALL_IOV];

	t->request.awaited = !is_aside(t->c.call.in->opcode);
	if (vhost_answer(&t->request, iov, (int)pool_call_reply(&t->c, iov), filled))
		return;
	pool_call_fail(&t->c, -EIO); /* there is less room than it asked for */
	if (!vhost_answer(&t->request, iov, (int)pool_call_reply(&t->c, iov), 0) &&
	    !vhost_answer(&t->request, NULL, 0, 0))
		vhost_broken(&t->request, "a request cannot be answered");
}

/* ---- long ones, in parts: as if the guest had asked for one after the other */
static bool is_long(const struct thread *t)
{
	const struct fuse_in_header *head = (const void *)t->in;
	const struct fuse_read_in *read = (const void *)(head + 1);

	if (head->opcode == FUSE_WRITE)
		return head->len > WRITE_HEAD + FUSE_MAX_WRITE;
	return head->opcode == FUSE_READ && t->c.call.in_len >= sizeof(*head) + sizeof(*read) &&
	       read->size > FUSE_MAX_WRITE;
}

static s32 error_of(const struct thread *t)
{
	return ((const struct fuse_out_header *)(const void *)t->c.out)->error;
}

/* Bytes of data that are in the guest's memory now. */
static u32 read_long(struct thread *t)
{
	struct fuse_read_in *in = (void *)(t->in + sizeof(struct fuse_in_header));
	struct fuse_out_header *out = (void *)t->c.out;
	const u32 size = min_of(in->size, LONG_MAX);
	struct iovec iov[POOL_CALL_IOV];
	u32 done = 0, part, niov;

	do {
		pool_call_again(&t->c);
		part = in->size = min_of(size - done, FUSE_MAX_WRITE);
		pool_call_serve(&t->c, t->fs->config.trace);
		if (error_of(t))
			break;
		niov = pool_call_reply(&t->c, iov);
		if (!vhost_fill(&t->request, (u32)sizeof(*out) + done, iov + 1, (int)niov - 1)) {
			pool_call_fail(&t->c, -EIO);
			return 0;
		}
		done += t->c.call.reply_len;
		in->offset += part;
	} while (t->c.call.reply_len == part && done < size);
	if (error_of(t) && !done)
		return 0;
	pool_call_fail(&t->c, 0);
	out->len += done;
	return done;
}

/* The next part of the message, into frames. */
static bool get_part(struct thread *t, u32 len, u32 offset)
{
	bool got;

	if (!vhost_enter(&t->request))
		return false;
	t->c.call.pay_len = len;
	got = lay_out_frames(t, offset);
	vhost_leave(&t->request);
	return got;
}

static void write_long(struct thread *t)
{
	struct fuse_in_header *head = (void *)t->in;
	struct fuse_write_in *in = (void *)(head + 1);
	struct fuse_out_header *header = (void *)t->c.out;
	struct fuse_write_out *out = (void *)(header + 1);
	const u32 size = in->size;
	u32 done = 0, part, offset;

	if (size != head->len - WRITE_HEAD) {
		pool_call_fail(&t->c, -EINVAL);
		return;
	}
	do {
		pool_call_again(&t->c);
		offset = (u32)in->offset % BLOCK_SIZE;
		part = in->size = min_of(size - done, FUSE_MAX_WRITE - offset);
		head->len = WRITE_HEAD + part;
		if (!get_part(t, part, offset)) {
			pool_call_fail(&t->c, -EIO);
			break;
		}
		pool_call_serve(&t->c, t->fs->config.trace);
		if (error_of(t))
			break;
		done += out->size;
		in->offset += part;
	} while (out->size == part && done < size);
	if (error_of(t) && !done)
		return;
	*header = (struct fuse_out_header){sizeof(*header) + sizeof(*out), 0, head->unique};
	*out = (struct fuse_write_out){.size = done};
	t->c.call.out_len = header->len;
	t->c.call.reply_len = 0;
}

/* ---- requests that wait for a lock */
static struct parked *park(struct thread *t)
{
	struct fs_pool *fs = t->fs;
	struct parked *parked = malloc(sizeof(*parked));

	if (!parked)
		return NULL;
	parked->key = t->c.call.in->unique;
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
	struct fuse_out_header *out = t->c.call.out;
	bool waits;

	if (!parked) {
		pool_call_fail(&t->c, -ENOMEM);
		return false;
	}
	t->c.call.session->max_waiting = t->request.waiting_max;
	pool_call_serve(&t->c, t->fs->config.trace);
	waits = fuse_waits(&t->c.call);
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

	if (!vhost_answer(parked->request, &iov, 1, 0) &&
	    !vhost_answer(parked->request, NULL, 0, 0))
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

static void answer_locks(void *user)
{
	while (take_lock_done(user))
		;
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
	if (pool_call_own(&t->c, frames_for(len)) != 0)
		report(LOG_WARNING, "the pool has no frame free for a request");
	if (!vhost_enter(&t->request))
		return "";
	why = lay_out(t);
	vhost_leave(&t->request);
	return why;
}

static void grant_long(struct thread *t)
{
	struct fuse_init_out *out = (void *)(t->c.out + sizeof(struct fuse_out_header));

	if (!error_of(t) && out->flags & FUSE_INIT_MAX_PAGES) {
		out->max_pages = LONG_PAGES;
		out->max_write = LONG_MAX;
	}
}

static void serve(struct thread *t)
{
	struct fuse_call *c = &t->c.call;
	const char *why;
	u32 filled = 0;

	c->npay = c->nreply = 0;
	why = take(t);
	if (why) {
		if (*why)
			vhost_broken(&t->request, why);
		return;
	}
	if (c->in->opcode == FUSE_INIT) { /* the guest may have started anew and said nothing */
		vhost_alone(&t->request);
		drop_guest(t->fs, &t->c.x);
	}
	if (t->c.nframes < frames_for(c->in->len))
		pool_call_fail(&t->c, -ENOMEM);
	else if (is_long(t) && c->in->opcode == FUSE_READ)
		filled = read_long(t);
	else if (is_long(t))
		write_long(t);
	else if (c->in->opcode != FUSE_SETLKW)
		pool_call_serve(&t->c, t->fs->config.trace);
	else if (serve_lock(t))
		return;
	if (c->in->opcode == FUSE_INIT)
		grant_long(t);
	answer(t, filled);
	pool_call_end(&t->c);
}

static void serve_all(struct thread *t)
{
	while (vhost_pop(t->fs->vhost, &t->request)) {
		t->handed_on = t->fs->config.threads == 1;
		if (t->fs->config.threads > 1)
			look_for_more(t);
		serve(t);
		vhost_done(&t->request);
	}
}

static void *thread_main(void *arg)
{
	struct thread *t = arg;

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

	drop_guest(fs, &fs->threads[0]->c.x);
}

static int thread_open(struct fs_pool *fs, struct thread **out)
{
	struct thread *t = calloc(1, sizeof(*t));
	int err;

	if (!t)
		return -ENOMEM;
	t->fs = fs;
	t->c.call.in = (const void *)t->in;
	err = pool_call_open(&t->c, fs->config.disk);
	if (err)
		free(t);
	else
		*out = t;
	return err;
}

static void thread_close(struct thread *t)
{
	pool_call_close(&t->c);
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
	plat_posix_on_wait(fs->threads[0]->c.x.plat, about_to_wait);
	*out = fs;
	return 0;
}

int fs_pool_run(struct fs_pool *fs, int stop_fd)
{
	int err;
	u32 i;

	err = -pool_locks_start(&fs->locks, &fs->threads[0]->c.x, answer_locks, fs);
	for (i = 0; !err && i < fs->config.threads; i++) {
		err = pthread_create(&fs->threads[i]->id, NULL, thread_main, fs->threads[i]);
		fs->threads[i]->started = !err;
	}
	err = err ? -err : vhost_run(fs->vhost, stop_fd);
	vhost_stop(fs->vhost);
	for (i = 0; i < fs->config.threads; i++)
		if (fs->threads[i]->started)
			pthread_join(fs->threads[i]->id, NULL);
	pool_locks_stop(&fs->locks);
	return err;
}

void fs_pool_stop(struct fs_pool *fs)
{
	vhost_stop(fs->vhost);
}

void fs_pool_turn(struct fs_pool *fs)
{
	self = fs->threads[0];
	serve_all(self);
	self = NULL;
	answer_locks(fs);
}

struct vhost *fs_pool_vhost(struct fs_pool *fs)
{
	return fs->vhost;
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
		requests += pool_call_requests(&fs->threads[i]->c);
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
