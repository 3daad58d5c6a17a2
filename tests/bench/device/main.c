// SPDX-License-Identifier: BSD-2-Clause
/*
 * device JOB DIR: work for a device that mpdisk-sim runs with its ports in DIR; mpdisk-sim
 * --stats-json says what each operation cost. What only a host can see is printed as "name value".
 *
 *   small          each operation ROUNDS times, one after the other, on port 0; READ and WRITE of 4
 * KiB bulk           READ and WRITE of 128 KiB the same way, then READs that follow each other
 * closely busy [SECONDS] four hosts, each with one file after another made, written, read, looked
 * at, renamed and removed in CHAINS ways at the same time; 128 KiB at a time mixed [SECONDS] the
 * same with 4 KiB at a time
 *
 * Needs the tree that tests/bench/run makes: names/name-000 to name-099, data/file of 1 MiB, work/.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host.h"

#define ROUNDS 200u
#define BULK_ROUNDS 50u
#define NAMES 100u
#define HOSTS 4
#define CHAINS 4
#define WARM_NS 1000000000ull   /* of a busy job, not measured */
#define WINDOW_NS 1500000000ull /* of one figure of speed */
#define FILE_SIZE (1u << 20)

static struct request *request_new(struct host *host)
{
	struct request *r = calloc(1, sizeof(*r));

	if (!r)
		host_die("memory", ENOMEM);
	r->host = host;
	return r;
}

static uint64_t node_of(struct request *r, uint64_t parent, const char *name)
{
	make_lookup(r, parent, name);
	request_call(r);
	return reply_node(r);
}

static const char *name_of(const char *prefix, unsigned int n)
{
	static char name[2][32];
	static unsigned int turn;
	char *s = name[turn++ % 2];

	snprintf(s, sizeof(name[0]), "%s-%03u", prefix, n);
	return s;
}

/* ---- one operation after the other */
static void names(struct request *r)
{
	const uint64_t dir = node_of(r, FUSE_ROOT_ID, "names");
	uint64_t node[NAMES], fh;
	unsigned int i;

	for (i = 0; i < NAMES; i++)
		node[i] = node_of(r, dir, name_of("name", i));
	/* often, as those above were not cached */
	for (i = 0; i < 5 * ROUNDS; i++) {
		make_lookup(r, dir, name_of("name", i % NAMES));
		request_call(r);
	}
	for (i = 0; i < ROUNDS; i++) {
		make_getattr(r, node[i % NAMES]);
		request_call(r);
	}
	request_begin(r, FUSE_OPENDIR, dir);
	request_add(r, &(struct fuse_open_in){0}, sizeof(struct fuse_open_in));
	request_call(r);
	fh = reply_opened_fh(r);
	for (i = 0; i < ROUNDS / 4; i++) {
		make_readdir(r, dir, fh);
		request_call(r);
		/* all of them, with "." and "..", and nothing else */
		if (r->payload_len + sizeof(struct fuse_out_header) < 32 * (NAMES + 2) ||
		    r->payload_len > 32 * (NAMES + 2))
			host_die("READDIR did not list all names", EPROTO);
	}
}

static void look_for_nothing(struct request *r, uint64_t dir, const char *name)
{
	make_lookup(r, dir, name);
	request_send(r);
	while (r->pending)
		host_poll(r->host);
	if (r->error != -ENOENT)
		host_die("a name that nobody has made", r->error);
}

static void change(struct request *r)
{
	const uint64_t dir = node_of(r, FUSE_ROOT_ID, "work");
	uint64_t node[ROUNDS];
	unsigned int i;

	for (i = 0; i < ROUNDS; i++) {
		look_for_nothing(r, dir, name_of("file", i));
		make_create(r, dir, name_of("file", i));
		request_call(r);
		node[i] = reply_node(r);
		make_release(r, node[i], reply_created_fh(r));
		request_call(r);
	}
	for (i = 0; i < ROUNDS; i++) {
		make_rename(r, dir, name_of("file", i), name_of("gone", i));
		request_call(r);
	}
	for (i = 0; i < ROUNDS; i++) {
		make_remove(r, FUSE_UNLINK, dir, name_of("gone", i));
		request_call(r);
		make_forget(r, node[i], 1);
		request_call(r);
	}
	for (i = 0; i < ROUNDS / 2; i++) {
		look_for_nothing(r, dir, name_of("dir", i));
		make_mkdir(r, dir, name_of("dir", i));
		request_call(r);
		node[i] = reply_node(r);
	}
	for (i = 0; i < ROUNDS / 2; i++) {
		make_remove(r, FUSE_RMDIR, dir, name_of("dir", i));
		request_call(r);
		make_forget(r, node[i], 1);
		request_call(r);
	}
}

static uint64_t open_file(struct request *r, uint64_t *node)
{
	*node = node_of(r, node_of(r, FUSE_ROOT_ID, "data"), "file");
	make_open(r, *node);
	request_call(r);
	return reply_opened_fh(r);
}

static void transfer(struct request *r, uint32_t opcode, uint32_t len, unsigned int rounds)
{
	uint64_t node, fh = open_file(r, &node);
	unsigned int i;

	for (i = 0; i < rounds; i++) {
		const uint64_t offset = (uint64_t)i * len % FILE_SIZE;

		if (opcode == FUSE_READ)
			make_read(r, node, fh, offset, len);
		else
			make_write(r, node, fh, offset, len);
		request_call(r);
		if (opcode == FUSE_READ && r->payload_len != len)
			host_die("a short READ", EIO);
	}
}

static void small(const char *link_name)
{
	struct host host;
	struct request *r;

	host_open(&host, link_name);
	r = request_new(&host);
	names(r);
	transfer(r, FUSE_READ, 4096, FILE_SIZE / 4096);
	transfer(r, FUSE_READ, 4096, 2 * FILE_SIZE / 4096);
	transfer(r, FUSE_WRITE, 4096, 2 * FILE_SIZE / 4096);
	free(r);
	host_close(&host);
}

static void changes(const char *link_name)
{
	struct host host;
	struct request *r;

	host_open(&host, link_name);
	r = request_new(&host);
	change(r);
	free(r);
	host_close(&host);
}

/* ---- streaming */
struct stream {
	uint64_t node, fh, offset;
	unsigned int left; /* requests still to be sent */
	unsigned int at_work;
};

static void stream_next(struct request *r)
{
	struct stream *s = r->user;

	make_read(r, s->node, s->fh, s->offset, HOST_DATA);
	s->offset = (s->offset + HOST_DATA) % FILE_SIZE;
	s->left--;
	s->at_work++;
	request_send(r);
}

static void stream_done(struct request *r)
{
	struct stream *s = r->user;

	if (r->error || r->payload_len != HOST_DATA)
		host_die("a READ of the stream", r->error ? r->error : EIO);
	s->at_work--;
	if (s->left)
		stream_next(r);
}

/* Words that reached the host in each cycle, from the first request to the last word: messages and
 * all. */
static void stream(struct host *host, struct stream s)
{
	struct request *r[CHAINS];
	uint64_t start, cycles;
	const unsigned int count = BULK_ROUNDS * 2;

	for (int i = 0; i < CHAINS; i++) {
		r[i] = request_new(host);
		r[i]->done = stream_done;
		r[i]->user = &s;
	}
	s.left = count;
	start = host_cycle(host);
	for (int i = 0; i < CHAINS; i++)
		stream_next(r[i]);
	while (s.at_work)
		host_poll(host);
	cycles = host_cycle(host) - start;
	printf("stream_beats_per_cycle %.4f\n", (double)count * HOST_DATA / 4 / (double)cycles);
	for (int i = 0; i < CHAINS; i++)
		free(r[i]);
}

/* The 32 slots of a reply, read in one go: the best of some, as the clock may run on a little
 * before the host comes. */
static void window(struct request *r, const struct stream *s)
{
	static uint8_t page[PORT_MAX_DATA];
	struct link_read reads[PORT_MAX_DATA / PORT_PAGE];
	struct host *host = r->host;
	const uint32_t first = PORT_HOST_WINDOW_BASE + host->info.write_slots * PORT_PAGE;
	const unsigned int n = PORT_MAX_DATA / PORT_PAGE;
	uint64_t best = UINT64_MAX;

	for (unsigned int round = 0; round < 10; round++) {
		uint64_t start, cycles;
		int err;

		make_read(r, s->node, s->fh, 0, HOST_DATA);
		request_call(r);
		for (unsigned int i = 0; i < n; i++)
			reads[i] = (struct link_read){.addr = first + i * PORT_PAGE,
						      .len = PORT_PAGE,
						      .data = page + i * PORT_PAGE};
		start = host_cycle(host);
		err = link_read(host->link, reads, n);
		if (!err)
			err = link_cycle(host->link, &cycles);
		if (err)
			host_die("slots", err);
		cycles -= start;
		best = cycles < best ? cycles : best;
	}
	printf("window_beats_per_cycle %.4f\n", PORT_MAX_DATA / 4.0 / (double)best);
}

static void bulk(const char *link_name)
{
	struct host host;
	struct request *r;

	host_open(&host, link_name);
	r = request_new(&host);
	transfer(r, FUSE_READ, HOST_DATA, BULK_ROUNDS);
	transfer(r, FUSE_WRITE, HOST_DATA, BULK_ROUNDS);
	free(r);
	host_close(&host);
}

static void streams(const char *link_name)
{
	struct stream s = {0};
	struct host host;
	struct request *r;

	host_open(&host, link_name);
	r = request_new(&host);
	s.fh = open_file(r, &s.node);
	transfer(r, FUSE_READ, HOST_DATA, FILE_SIZE / HOST_DATA); /* now it is cached */
	window(r, &s);
	stream(&host, s);
	free(r);
	host_close(&host);
}

/* ---- four hosts */
enum step {
	STEP_CREATE,
	STEP_WRITE,
	STEP_GETATTR,
	STEP_READ,
	STEP_LOOKUP,
	STEP_READ_AGAIN,
	STEP_GETATTR_AGAIN,
	STEP_RELEASE,
	STEP_RENAME,
	STEP_LIST,
	STEP_UNLINK,
	STEP_FORGET,
	STEPS,
};

struct chain {
	struct request *request;
	uint64_t dir, dir_fh, node, fh;
	uint32_t size; /* of a READ and a WRITE */
	int number;
	bool *stopping;
	unsigned int *at_work;
};

static void chain_step(struct request *r)
{
	struct chain *c = r->user;
	const char *name = name_of("file", (unsigned int)c->number);
	const char *other = name_of("moved", (unsigned int)c->number);

	switch ((enum step)r->step) {
	case STEP_CREATE:
		make_create(r, c->dir, name);
		break;
	case STEP_WRITE:
		make_write(r, c->node, c->fh, 0, c->size);
		break;
	case STEP_GETATTR:
	case STEP_GETATTR_AGAIN:
		make_getattr(r, c->node);
		break;
	case STEP_READ:
	case STEP_READ_AGAIN:
		make_read(r, c->node, c->fh, 0, c->size);
		break;
	case STEP_LOOKUP:
		make_lookup(r, c->dir, name);
		break;
	case STEP_RELEASE:
		make_release(r, c->node, c->fh);
		break;
	case STEP_RENAME:
		make_rename(r, c->dir, name, other);
		break;
	case STEP_LIST:
		make_readdir(r, c->dir, c->dir_fh);
		break;
	case STEP_UNLINK:
		make_remove(r, FUSE_UNLINK, c->dir, other);
		break;
	default:
		make_forget(r, c->node, 2); /* CREATE and LOOKUP */
		break;
	}
	request_send(r);
}

static void chain_done(struct request *r)
{
	struct chain *c = r->user;

	if (r->error)
		host_die("a request of a busy host", r->error);
	if (r->step == STEP_CREATE) {
		c->node = reply_node(r);
		c->fh = reply_created_fh(r);
	}
	r->step = (r->step + 1) % STEPS;
	if (r->step == STEP_CREATE && *c->stopping)
		--*c->at_work;
	else
		chain_step(r);
}

static void print_speed(struct host *host, uint64_t *last_cycle, uint64_t *last_ns)
{
	const uint64_t cycle = host_cycle(host), now = port_now_ns();

	if (*last_ns)
		printf("mcycles_per_second %.4f\n",
		       (double)(cycle - *last_cycle) * 1000 / (double)(now - *last_ns));
	*last_cycle = cycle;
	*last_ns = now;
}

static void busy_host(const char *link_name, int index, unsigned int seconds, uint32_t size)
{
	struct chain chains[CHAINS] = {0};
	struct host host;
	bool stopping = false;
	unsigned int at_work = CHAINS;
	uint64_t begin, next, last_cycle = 0, last_ns = 0;
	int i;

	host_open(&host, link_name);
	for (i = 0; i < CHAINS; i++) {
		struct chain *c = &chains[i];
		struct request *r = c->request = request_new(&host);

		if (i == 0) {
			uint64_t work = node_of(r, FUSE_ROOT_ID, "work");

			make_mkdir(r, work, name_of("host", (unsigned int)index));
			request_call(r);
			c->dir = reply_node(r);
			request_begin(r, FUSE_OPENDIR, c->dir);
			request_add(r, &(struct fuse_open_in){0}, sizeof(struct fuse_open_in));
			request_call(r);
			c->dir_fh = reply_opened_fh(r);
		} else {
			c->dir = chains[0].dir;
			c->dir_fh = chains[0].dir_fh;
		}
		c->number = i;
		c->size = size;
		c->stopping = &stopping;
		c->at_work = &at_work;
		r->user = c;
		r->done = chain_done;
	}
	for (i = 0; i < CHAINS; i++)
		chain_step(chains[i].request);
	begin = port_now_ns();
	next = begin + WARM_NS;
	while (at_work) {
		host_poll(&host);
		if (index == 0 && !stopping && port_now_ns() >= next) {
			print_speed(&host, &last_cycle, &last_ns);
			next = port_now_ns() + WINDOW_NS;
		}
		stopping = port_now_ns() - begin > seconds * 1000000000ull;
	}
	for (i = 0; i < CHAINS; i++)
		free(chains[i].request);
	host_close(&host);
}

static void busy(const char *dir, unsigned int seconds, uint32_t size)
{
	char link_name[300];
	int i, status, failed = 0;
	pid_t pid[HOSTS];

	for (i = 0; i < HOSTS; i++) {
		fflush(stdout);
		pid[i] = fork();
		if (pid[i] < 0)
			host_die("fork", errno);
		if (pid[i])
			continue;
		snprintf(link_name, sizeof(link_name), "sim:%s/port%d.sock", dir, i);
		busy_host(link_name, i, seconds, size);
		exit(0);
	}
	for (i = 0; i < HOSTS; i++)
		if (waitpid(pid[i], &status, 0) < 0 || status)
			failed = 1;
	if (failed)
		exit(1);
}

int main(int argc, char **argv)
{
	unsigned int seconds = argc > 3 ? (unsigned int)atoi(argv[3]) : 12;
	char link_name[300];

	if (argc < 3 || argc > 4) {
		fprintf(stderr, "usage: %s small|changes|bulk|stream|busy|mixed DIR [SECONDS]\n",
			argv[0]);
		return 2;
	}
	snprintf(link_name, sizeof(link_name), "sim:%s/port0.sock", argv[2]);
	if (!strcmp(argv[1], "small"))
		small(link_name);
	else if (!strcmp(argv[1], "changes"))
		changes(link_name);
	else if (!strcmp(argv[1], "bulk"))
		bulk(link_name);
	else if (!strcmp(argv[1], "stream"))
		streams(link_name);
	else if (!strcmp(argv[1], "busy"))
		busy(argv[2], seconds, HOST_DATA);
	else if (!strcmp(argv[1], "mixed"))
		busy(argv[2], seconds, 4096);
	else
		return 2;
	return 0;
}
