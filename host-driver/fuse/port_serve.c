/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * FUSE requests through a port (port_serve.h).
 *
 *   taker     (port_server_take's caller)  port_submit, or the queue when no tag is free
 *   completer                              port_poll; replies; the heartbeat; submits from the
 * queue watchdog                               gives a port up that stands still; never touches the
 * link, so that it works when the others hang in it
 *
 * A request is owned by exactly one of: the taker, the queue, the port client (as cookie).
 */
#define _GNU_SOURCE
#include "port_serve.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "../cli/report.h"
#include "fuse_rules.h"

#define BEAT_MS 500
#define SILENCE_NS (30ull * 1000000000u) /* of the link */
/* Of firmware behind a link that answers: a simulated device may be very slow, but not that slow.
 */
#define STANDSTILL_NS (120ull * 1000000000u)
#define QUEUE_MAX 256u /* then the taker waits */
#define JOIN_SECONDS 5
#define INTERRUPTED_MAX 64u
#define LOCK_RETRY_NS 50000000ull       /* at least, and 16 times what the device took to say so, */
#define LOCK_RETRY_MAX_NS 1000000000ull /* but no longer than this */

struct request {
	struct request *next;
	void *origin;
	struct fuse_expect expect;
	struct fuse_init_in init; /* INIT only */
	uint64_t start_ns;
	uint64_t due_ns; /* of a delayed one */
	bool own;        /* made here: nobody waits for a reply */
	uint32_t len;    /* queued only */
	_Alignas(8) uint8_t message[];
};

struct port_server {
	struct port_server_config config;
	struct port_client *client;
	uint64_t started_ns;

	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct request *queue_head, **queue_tail; /* [lock] */
	struct request *delayed; /* [lock] SETLKW that ask again when they are due */
	unsigned int queued;     /* [lock] */
	/* [lock] the latest requests that were interrupted on the device's side */
	uint64_t interrupted[INTERRUPTED_MAX];
	unsigned int ninterrupted; /* [lock] */
	unsigned int live;         /* [lock] requests that are not ended */
	bool stopping;             /* [lock] the threads shall end */
	atomic_bool failed;
	bool stuck; /* after port_server_end() */
	atomic_uint malformed;
	pthread_t completer, watchdog;
};

static void trace(const struct port_server *server, const char *what,
		  const struct fuse_expect *expect, uint32_t len, int error, uint64_t start_ns)
{
	if (!server->config.trace)
		return;
	if (start_ns)
		fprintf(stderr, "%s %llu %s: %u bytes, %s, %llu us\n", what,
			(unsigned long long)expect->unique, fuse_opcode_name(expect->opcode), len,
			error ? error_text(error) : "ok",
			(unsigned long long)(port_now_ns() - start_ns) / 1000);
	else
		fprintf(stderr, "%s %llu %s: %u bytes\n", what, (unsigned long long)expect->unique,
			fuse_opcode_name(expect->opcode), len);
}

/* Ends a request: who has sent it gets the reply; niov 0, it has none. */
static void end_request(struct port_server *server, struct request *request, struct iovec *iov,
			int niov)
{
	if (!request->own)
		server->config.reply(server->config.user, request->origin, request->expect.opcode,
				     iov, request->expect.no_reply ? 0 : niov);
	free(request);
	pthread_mutex_lock(&server->lock);
	server->live--;
	pthread_cond_broadcast(&server->changed);
	pthread_mutex_unlock(&server->lock);
}

static void end_with_error(struct port_server *server, struct request *request, int error)
{
	struct fuse_out_header header = {
		.len = sizeof(header), .error = error, .unique = request->expect.unique};
	struct iovec iov = {&header, sizeof(header)};

	trace(server, "<-", &request->expect, sizeof(header), error, request->start_ns);
	end_request(server, request, &iov, 1);
}

static void complain(struct port_server *server, const struct request *request, const char *what)
{
	if (atomic_fetch_add(&server->malformed, 1) < 20)
		report(LOG_ERR, "%s: the device's reply %s",
		       fuse_opcode_name(request->expect.opcode), what);
}

/* The device has as many requests waiting for locks as it takes: this one asks again later. False:
 * it was interrupted meanwhile. */
static bool delay(struct port_server *server, struct request *request)
{
	const uint64_t now = port_now_ns();
	uint64_t pause = 16 * (now - request->start_ns);
	bool interrupted = false;
	unsigned int i;

	if (pause < LOCK_RETRY_NS)
		pause = LOCK_RETRY_NS;
	request->due_ns = now + (pause < LOCK_RETRY_MAX_NS ? pause : LOCK_RETRY_MAX_NS);
	pthread_mutex_lock(&server->lock);
	for (i = 0; i < INTERRUPTED_MAX; i++)
		interrupted |= server->interrupted[i] == request->expect.unique;
	if (!interrupted) {
		request->next = server->delayed;
		server->delayed = request;
	}
	pthread_mutex_unlock(&server->lock);
	return !interrupted;
}

static void on_reply(void *user, const struct port_reply *reply)
{
	struct port_server *server = user;
	struct request *request = reply->cookie;
	struct fuse_init_out init;
	struct fuse_out_header header;
	struct iovec iov[3];
	const uint32_t len = reply->message_len + reply->payload_len;
	int err;

	if (reply->error) {
		/* -EINVAL is the device's word for a message it could not read. */
		if (reply->error == -EINVAL)
			complain(server, request, "is that it could not read the request");
		end_with_error(server, request, reply->error == -EINVAL ? -EIO : reply->error);
		return;
	}
	if (request->expect.no_reply) { /* an INTERRUPT may be answered, but need not */
		end_request(server, request, NULL, 0);
		return;
	}
	if (reply->message_len < sizeof(header)) {
		complain(server, request, "has no header");
		end_with_error(server, request, -EIO);
		return;
	}
	memcpy(&header, reply->message, sizeof(header));
	if (!fuse_reply_is_sound(&request->expect, &header, len)) {
		complain(server, request, "makes no sense");
		end_with_error(server, request, -EIO);
		return;
	}
	if (request->expect.opcode == FUSE_SETLKW && header.error == -EAGAIN) {
		if (!delay(server, request))
			end_with_error(server, request, -EINTR);
		return;
	}
	iov[0] = (struct iovec){&header, sizeof(header)};
	iov[1] = (struct iovec){(uint8_t *)(uintptr_t)reply->message + sizeof(header),
				reply->message_len - sizeof(header)};
	iov[2] = (struct iovec){(void *)(uintptr_t)reply->payload, reply->payload_len};
	if (request->expect.opcode == FUSE_INIT && header.error == 0) {
		if (iov[1].iov_len < sizeof(init)) {
			end_with_error(server, request, -EPROTO);
			return;
		}
		memcpy(&init, iov[1].iov_base, sizeof(init));
		err = fuse_init_clamp(&request->init, &init);
		if (err) {
			complain(server, request, "names no protocol that this driver speaks");
			end_with_error(server, request, err);
			return;
		}
		iov[1] = (struct iovec){&init, sizeof(init)};
	}
	trace(server, "<-", &request->expect, len, header.error, request->start_ns);
	end_request(server, request, iov, 3);
}

static void fail(struct port_server *server, int error, const char *why)
{
	if (!atomic_exchange(&server->failed, true))
		report(LOG_ERR,
		       "the device is gone: %s (%s); unmount, and mount again when it is back", why,
		       error_text(error));
	port_fail(server->client, error, on_reply, server);
}

/* Hands a request to the port. -EAGAIN: it is still the caller's; else it is gone. */
static int submit(struct port_server *server, struct request *request, const void *message,
		  uint32_t len)
{
	const unsigned int flags =
		(request->expect.no_reply ? PORT_SUBMIT_URGENT : 0) |
		(request->expect.opcode == FUSE_SETLKW ? PORT_SUBMIT_PATIENT : 0);
	int err = -EIO;

	if (!atomic_load(&server->failed))
		err = port_submit(server->client, message, len, request, flags);
	if (err && err != -EAGAIN) {
		end_with_error(server, request, err);
		err = 0;
	}
	return err;
}

static struct request *queue_pop(struct port_server *server)
{
	struct request *request;

	pthread_mutex_lock(&server->lock);
	request = server->queue_head;
	if (request) {
		server->queue_head = request->next;
		if (!server->queue_head)
			server->queue_tail = &server->queue_head;
		server->queued--;
		pthread_cond_broadcast(&server->changed);
	}
	pthread_mutex_unlock(&server->lock);
	return request;
}

static void queue_push(struct port_server *server, struct request *request, bool front)
{
	pthread_mutex_lock(&server->lock);
	request->next = front ? server->queue_head : NULL;
	if (front) {
		server->queue_head = request;
		if (!request->next)
			server->queue_tail = &request->next;
	} else {
		*server->queue_tail = request;
		server->queue_tail = &request->next;
	}
	server->queued++;
	pthread_mutex_unlock(&server->lock);
}

/* Submits what waits, as far as there are tags. */
static void pump(struct port_server *server)
{
	struct request *request;

	while ((request = queue_pop(server)) != NULL) {
		if (submit(server, request, request->message, request->len) == -EAGAIN) {
			queue_push(server, request, true);
			return;
		}
	}
}

/* Puts those of the delayed into the queue that are due; all of them, if none can be had any more.
 */
static void queue_delayed(struct port_server *server)
{
	const uint64_t now = port_now_ns();
	struct request **at, *request;

	pthread_mutex_lock(&server->lock);
	for (at = &server->delayed; (request = *at) != NULL;) {
		if (request->due_ns > now && !atomic_load(&server->failed)) {
			at = &request->next;
			continue;
		}
		*at = request->next;
		request->next = NULL;
		request->start_ns = now;
		*server->queue_tail = request;
		server->queue_tail = &request->next;
		server->queued++;
	}
	pthread_mutex_unlock(&server->lock);
}

/* An interrupted request that still waits here is answered here; of another it is remembered. */
static bool interrupt_queued(struct port_server *server, uint64_t unique)
{
	struct request **at, *request;

	pthread_mutex_lock(&server->lock);
	for (at = &server->queue_head; *at && (*at)->expect.unique != unique; at = &(*at)->next)
		;
	request = *at;
	if (request) {
		*at = request->next;
		if (!*at)
			server->queue_tail = at;
		server->queued--;
	} else {
		for (at = &server->delayed; *at && (*at)->expect.unique != unique;
		     at = &(*at)->next)
			;
		request = *at;
		if (request)
			*at = request->next;
		else
			server->interrupted[server->ninterrupted++ % INTERRUPTED_MAX] = unique;
	}
	pthread_mutex_unlock(&server->lock);
	if (request)
		end_with_error(server, request, -EINTR);
	return request != NULL;
}

static struct request *new_request(struct port_server *server, const void *message, uint32_t len,
				   uint32_t copy, void *origin)
{
	const uint8_t *body = (const uint8_t *)message + sizeof(struct fuse_in_header);
	struct request *request = calloc(1, sizeof(*request) + copy);

	if (!request)
		return NULL;
	if (fuse_expect(message, len, &request->expect)) {
		free(request);
		return NULL;
	}
	if (request->expect.opcode == FUSE_INIT) {
		uint32_t room = len - (uint32_t)sizeof(struct fuse_in_header);

		memcpy(&request->init, body,
		       room < sizeof(request->init) ? room : sizeof(request->init));
	}
	request->origin = origin;
	request->start_ns = port_now_ns();
	request->len = len;
	memcpy(request->message, message, copy);
	pthread_mutex_lock(&server->lock);
	server->live++;
	pthread_mutex_unlock(&server->lock);
	return request;
}

/* Without memory or sense, there must still be an answer. */
static void refuse(struct port_server *server, const struct fuse_in_header *in, void *origin)
{
	struct fuse_out_header header = {
		.len = sizeof(header), .error = -ENOMEM, .unique = in->unique};
	struct iovec iov = {&header, sizeof(header)};

	server->config.reply(server->config.user, origin, in->opcode, &iov, 1);
}

void port_server_take(struct port_server *server, const void *message, uint32_t len, void *origin)
{
	const struct fuse_in_header *in = message;
	const struct fuse_interrupt_in *interrupt = (const void *)(in + 1);
	struct request *request;
	bool must_queue;

	if (in->opcode == FUSE_INTERRUPT && len >= sizeof(*in) + sizeof(*interrupt) &&
	    interrupt_queued(server, interrupt->unique)) {
		server->config.reply(server->config.user, origin, in->opcode, NULL, 0);
		return;
	}
	pthread_mutex_lock(&server->lock);
	must_queue = server->queued > 0;
	pthread_mutex_unlock(&server->lock);

	/* a SETLKW may have to ask again */
	request = new_request(server, message, len,
			      must_queue || in->opcode == FUSE_SETLKW ? len : 0, origin);
	if (!request) {
		refuse(server, in, origin);
		return;
	}
	trace(server, "->", &request->expect, len, 0, 0);
	/* What waits goes first; but FORGET and INTERRUPT have no order and a tag of their own. */
	if (!must_queue || request->expect.no_reply) {
		struct request *copy;

		if (submit(server, request, message, len) != -EAGAIN)
			return;
		copy = realloc(request, sizeof(*request) + len);
		if (!copy) {
			end_with_error(server, request, -ENOMEM);
			return;
		}
		request = copy;
		memcpy(request->message, message, len);
	}
	queue_push(server, request, false);
	pump(server); /* tags may have become free since: then no completion would */
}

void port_server_await_room(struct port_server *server)
{
	pthread_mutex_lock(&server->lock);
	while (server->queued >= QUEUE_MAX)
		pthread_cond_wait(&server->changed, &server->lock);
	pthread_mutex_unlock(&server->lock);
}

static bool is_stopping(struct port_server *server)
{
	bool stopping;

	pthread_mutex_lock(&server->lock);
	stopping = server->stopping;
	pthread_mutex_unlock(&server->lock);
	return stopping;
}

static void *completer_main(void *arg)
{
	struct port_server *server = arg;
	uint64_t now, last_beat = 0;
	int n = 0;

	while (!is_stopping(server) && !atomic_load(&server->failed)) {
		n = port_poll(server->client, 100, on_reply, server);
		if (n < 0) {
			fail(server, n, "no reply can be read");
			break;
		}
		queue_delayed(server);
		pump(server);
		now = link_now_ns(server->config.link);
		if (now - last_beat >= BEAT_MS * 1000000ull) {
			last_beat = now;
			n = port_beat(server->client);
			if (n < 0) {
				fail(server, n, "it no longer serves this port");
				break;
			}
		}
	}
	queue_delayed(server);
	pump(server);
	return NULL;
}

static bool longer_ago(uint64_t then, uint64_t at_least, uint64_t limit)
{
	return port_now_ns() - (then > at_least ? then : at_least) > limit;
}

static bool stands_still(const struct port_statistics *s)
{
	return s->in_flight > 0 && (longer_ago(s->answer_ns, s->oldest_ns, SILENCE_NS) ||
				    longer_ago(s->progress_ns, s->oldest_ns, STANDSTILL_NS));
}

static void *watchdog_main(void *arg)
{
	struct port_server *server = arg;
	struct port_statistics statistics;
	struct timespec until;

	pthread_mutex_lock(&server->lock);
	while (!server->stopping) {
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_sec++;
		pthread_cond_timedwait(&server->changed, &server->lock, &until);
		pthread_mutex_unlock(&server->lock);
		port_get_statistics(server->client, &statistics);
		if (stands_still(&statistics)) {
			fail(server, -ETIMEDOUT, "it stands still");
			pump(server);
		}
		pthread_mutex_lock(&server->lock);
	}
	pthread_mutex_unlock(&server->lock);
	return NULL;
}

/* The kernel sends DESTROY only for block-device mounts, and who dies sends none; the device must
 * always have it. */
static int destroy(struct port_server *server)
{
	struct fuse_in_header header = {
		.len = sizeof(header), .opcode = FUSE_DESTROY, .unique = UINT64_MAX - 1};
	struct request *request;

	request = new_request(server, &header, sizeof(header), sizeof(header), NULL);
	if (!request)
		return -ENOMEM;
	request->own = true;
	if (submit(server, request, &header, sizeof(header)) == -EAGAIN)
		queue_push(server, request, false);
	pthread_mutex_lock(&server->lock);
	while (server->live > 0)
		pthread_cond_wait(&server->changed, &server->lock);
	pthread_mutex_unlock(&server->lock);
	return atomic_load(&server->failed) ? -EIO : 0;
}

static void stop_threads(struct port_server *server)
{
	struct timespec until;

	pthread_mutex_lock(&server->lock);
	server->stopping = true;
	pthread_cond_broadcast(&server->changed);
	pthread_mutex_unlock(&server->lock);
	link_wake(server->config.link);
	pthread_join(server->watchdog, NULL);
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += JOIN_SECONDS;
	/* With a device that stands still it may hang in the link; the process ends it. */
	server->stuck = pthread_timedjoin_np(server->completer, NULL, &until) != 0;
}

bool port_server_is_stuck(const struct port_server *server)
{
	return server->stuck;
}

int port_server_start(struct port_server *server)
{
	int err;

	err = pthread_create(&server->completer, NULL, completer_main, server);
	if (err)
		return -err;
	err = pthread_create(&server->watchdog, NULL, watchdog_main, server);
	if (err) {
		pthread_mutex_lock(&server->lock);
		server->stopping = true;
		pthread_mutex_unlock(&server->lock);
		pthread_join(server->completer, NULL);
	}
	return -err;
}

int port_server_end(struct port_server *server)
{
	int err = destroy(server);

	stop_threads(server);
	return err;
}

int port_server_new(const struct port_server_config *config, struct port_server **out)
{
	struct port_server *server = calloc(1, sizeof(*server));
	int err;

	if (!server)
		return -ENOMEM;
	server->config = *config;
	server->queue_tail = &server->queue_head;
	server->started_ns = port_now_ns();
	pthread_mutex_init(&server->lock, NULL);
	pthread_cond_init(&server->changed, NULL);
	err = port_client_new(config->link, &config->info, &server->client);
	if (err) {
		port_server_free(server);
		return err;
	}
	*out = server;
	return 0;
}

void port_server_free(struct port_server *server)
{
	if (!server)
		return;
	port_client_free(server->client);
	pthread_cond_destroy(&server->changed);
	pthread_mutex_destroy(&server->lock);
	free(server);
}

void port_server_describe(struct port_server *server, char *buffer, unsigned int size)
{
	const struct port_info *info = &server->config.info;
	const char *state = "serving";
	struct port_statistics s;
	unsigned int queued;

	port_get_statistics(server->client, &s);
	pthread_mutex_lock(&server->lock);
	queued = server->queued;
	pthread_mutex_unlock(&server->lock);
	if (s.failed)
		state = "failed";
	snprintf(buffer, size,
		 "state       %s\npid         %d\nport        %u\ntags        %u\n"
		 "write slots %u\nreply slots %u a tag\nuptime      %llu s\nrequests    %llu\n"
		 "in flight   %u\nqueued      %u\nmalformed   %u\ndenied      %u\nbeats       %u\n",
		 state, (int)getpid(), info->port, info->tags, info->write_slots, info->read_slots,
		 (unsigned long long)(port_now_ns() - server->started_ns) / 1000000000u,
		 (unsigned long long)s.completed, s.in_flight, queued,
		 atomic_load(&server->malformed), s.denied, s.device_heartbeat);
}
