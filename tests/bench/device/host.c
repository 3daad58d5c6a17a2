// SPDX-License-Identifier: BSD-2-Clause
/* FUSE messages of a host that measures. */
#include "host.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define BEAT_NS 500000000u
#define WAIT_MS 60000

void host_die(const char *what, int error)
{
	fprintf(stderr, "bench: %s: %s\n", what, strerror(error < 0 ? -error : error));
	exit(1);
}

static void completed(void *user, const struct port_reply *reply)
{
	struct request *r = reply->cookie;
	const struct fuse_out_header *header = reply->message;

	(void)user;
	if (reply->error)
		host_die("a message came to nothing", reply->error);
	if (reply->message_len > sizeof(r->reply))
		host_die("a reply is too long", EPROTO);
	r->pending = 0;
	r->error = 0;
	r->payload_len = reply->payload_len;
	if (reply->message_len) {
		memcpy(r->reply, reply->message, reply->message_len);
		r->error = header->error;
	}
	if (r->done)
		r->done(r);
}

void host_poll(struct host *host)
{
	const uint64_t deadline = port_now_ns() + WAIT_MS * 1000000ull;
	int n;

	if (port_now_ns() - host->beat_ns > BEAT_NS) {
		int err = port_beat(host->client);

		if (err)
			host_die("heartbeat", err);
		host->beat_ns = port_now_ns();
	}
	/* 0 also after an interrupt that was not for a completion */
	do
		n = port_poll(host->client, 1000, completed, NULL);
	while (!n && port_now_ns() < deadline);
	if (n < 0)
		host_die("poll", n);
	if (n == 0)
		host_die("poll", ETIMEDOUT);
}

void request_add(struct request *r, const void *data, uint32_t len)
{
	memcpy(r->message + r->len, data, len);
	r->len += len;
}

void request_name(struct request *r, const char *name)
{
	request_add(r, name, (uint32_t)strlen(name) + 1);
}

void request_begin(struct request *r, uint32_t opcode, uint64_t node)
{
	struct fuse_in_header header = {
		.opcode = opcode, .nodeid = node, .unique = r->host->unique += 2, .pid = 1};

	r->len = 0;
	request_add(r, &header, sizeof(header));
}

void request_send(struct request *r)
{
	struct fuse_in_header *header = (void *)r->message;
	int err;

	header->len = r->len;
	r->pending = 1;
	err = port_submit(r->host->client, r->message, r->len, r, 0);
	if (err)
		host_die("submit", err);
}

void request_call(struct request *r)
{
	char what[40];

	request_send(r);
	while (r->pending)
		host_poll(r->host);
	if (r->error) {
		snprintf(what, sizeof(what), "opcode %u",
			 ((struct fuse_in_header *)(void *)r->message)->opcode);
		host_die(what, r->error);
	}
}

void host_open(struct host *host, const char *link_name)
{
	const struct fuse_init_in in = {
		.major = 7, .minor = 36, .max_readahead = 131072, .flags = FUSE_MAX_PAGES};
	static struct request r;
	int medium_error = 0;
	int err;

	memset(host, 0, sizeof(*host));
	err = link_open(link_name, &host->link);
	if (!err)
		err = port_attach(host->link, WAIT_MS, &host->info, &medium_error);
	if (!err)
		err = port_client_new(host->link, &host->info, &host->client);
	if (err)
		host_die(link_name, medium_error ? medium_error : err);
	host->beat_ns = port_now_ns();
	r.host = host;
	request_begin(&r, FUSE_INIT, 0);
	request_add(&r, &in, sizeof(in));
	request_call(&r);
}

void host_close(struct host *host)
{
	int err;

	port_client_free(host->client);
	err = port_detach(host->link, WAIT_MS);
	if (err)
		host_die("detach", err);
	link_close(host->link);
}

uint64_t host_cycle(struct host *host)
{
	uint32_t status;
	uint64_t cycle = 0;
	int err = link_read32(host->link, PORT_HOST_STATUS, &status);

	if (!err)
		err = link_cycle(host->link, &cycle);
	if (err)
		host_die("cycle", err);
	return cycle;
}

/* ---- messages */
void make_getattr(struct request *r, uint64_t node)
{
	const struct fuse_getattr_in in = {0};

	request_begin(r, FUSE_GETATTR, node);
	request_add(r, &in, sizeof(in));
}

void make_lookup(struct request *r, uint64_t parent, const char *name)
{
	request_begin(r, FUSE_LOOKUP, parent);
	request_name(r, name);
}

void make_create(struct request *r, uint64_t parent, const char *name)
{
	const struct fuse_create_in in = {.flags = O_RDWR | O_CREAT, .mode = S_IFREG | 0644};

	request_begin(r, FUSE_CREATE, parent);
	request_add(r, &in, sizeof(in));
	request_name(r, name);
}

void make_open(struct request *r, uint64_t node)
{
	const struct fuse_open_in in = {.flags = O_RDWR};

	request_begin(r, FUSE_OPEN, node);
	request_add(r, &in, sizeof(in));
}

void make_release(struct request *r, uint64_t node, uint64_t fh)
{
	const struct fuse_release_in in = {.fh = fh, .flags = O_RDWR};

	request_begin(r, FUSE_RELEASE, node);
	request_add(r, &in, sizeof(in));
}

void make_read(struct request *r, uint64_t node, uint64_t fh, uint64_t offset, uint32_t len)
{
	const struct fuse_read_in in = {.fh = fh, .offset = offset, .size = len, .flags = O_RDWR};

	request_begin(r, FUSE_READ, node);
	request_add(r, &in, sizeof(in));
}

void make_write(struct request *r, uint64_t node, uint64_t fh, uint64_t offset, uint32_t len)
{
	const struct fuse_write_in in = {.fh = fh, .offset = offset, .size = len, .flags = O_RDWR};

	request_begin(r, FUSE_WRITE, node);
	request_add(r, &in, sizeof(in));
	memset(r->message + r->len, (int)(offset >> 12 & 0xff) | 1, len);
	r->len += len;
}

void make_mkdir(struct request *r, uint64_t parent, const char *name)
{
	const struct fuse_mkdir_in in = {.mode = 0755};

	request_begin(r, FUSE_MKDIR, parent);
	request_add(r, &in, sizeof(in));
	request_name(r, name);
}

void make_remove(struct request *r, uint32_t opcode, uint64_t parent, const char *name)
{
	request_begin(r, opcode, parent);
	request_name(r, name);
}

void make_rename(struct request *r, uint64_t parent, const char *from, const char *to)
{
	const struct fuse_rename2_in in = {.newdir = parent};

	request_begin(r, FUSE_RENAME2, parent);
	request_add(r, &in, sizeof(in));
	request_name(r, from);
	request_name(r, to);
}

void make_forget(struct request *r, uint64_t node, uint64_t count)
{
	const struct fuse_forget_in in = {.nlookup = count};

	request_begin(r, FUSE_FORGET, node);
	request_add(r, &in, sizeof(in));
}

void make_readdir(struct request *r, uint64_t node, uint64_t fh)
{
	const struct fuse_read_in in = {.fh = fh, .size = 4096};

	request_begin(r, FUSE_READDIR, node);
	request_add(r, &in, sizeof(in));
}

/* ---- replies */
static const void *reply_body(const struct request *r)
{
	return r->reply + sizeof(struct fuse_out_header);
}

uint64_t reply_node(const struct request *r)
{
	return ((const struct fuse_entry_out *)reply_body(r))->nodeid;
}

uint64_t reply_created_fh(const struct request *r)
{
	const struct fuse_entry_out *entry = reply_body(r);

	return ((const struct fuse_open_out *)(const void *)(entry + 1))->fh;
}

uint64_t reply_opened_fh(const struct request *r)
{
	return ((const struct fuse_open_out *)reply_body(r))->fh;
}
