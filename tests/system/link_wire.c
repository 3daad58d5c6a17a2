// SPDX-License-Identifier: BSD-2-Clause
/*
 * The simulated link, host's end against the simulator's end (links.c, bus.c), with a memory in
 * place of the device: protocol, threads, bad hosts. No model runs here.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "../../host-driver/link/link.h"
#include "../../host-driver/link/sim_wire.h"
#include "../../sim-harness/bus.h"
#include "../../sim-harness/links.h"

#define PORTS 2u
#define WINDOW_WORDS (0x800000u / 4)

/* ---- the simulator's end, with a memory behind each port's pins */

/* A device that takes a command, then its words, and now and then is not ready. */
struct memory {
	uint32_t *words;
	uint32_t addr, left;
	bool write, busy;
	uint32_t random;
};

static struct {
	char dir[64];
	struct bus bus[PORTS];
	struct memory memory[PORTS];
	struct links *links;
	pthread_t thread;
	atomic_bool stop;
	atomic_bool up[PORTS];
	atomic_uint irq;
	atomic_uint drops;
	uint64_t cycle;
} world;

static bool now_and_then(struct memory *m)
{
	m->random = m->random * 1664525u + 1013904223u;
	return m->random >> 30;
}

static void memory_tick(struct bus *bus, struct memory *m, uint64_t cycle)
{
	struct bus_in in = {0};
	const struct bus_out out = bus->out; /* what is on the pins before the edge */

	in.cmd_ready = !m->busy && now_and_then(m);
	in.wready = m->busy && m->write && now_and_then(m);
	in.rvalid = m->busy && !m->write && now_and_then(m);
	in.rdata = m->words[m->addr];
	bus_tick(bus, &in, cycle);
	if (out.wvalid && in.wready)
		m->words[m->addr] = out.wdata;
	if ((out.wvalid && in.wready) || (out.rready && in.rvalid)) {
		m->addr++;
		m->busy = --m->left != 0;
	}
	if (out.cmd_valid && in.cmd_ready) {
		m->busy = true;
		m->write = out.cmd_write;
		m->addr = out.cmd_addr / 4;
		m->left = out.cmd_len;
	}
}

static void take_command(void *ctx, unsigned int port, struct bus_cmd *cmd)
{
	(void)ctx;
	(void)cmd;
	bus_commit(&world.bus[port]);
}

static void take_drop(void *ctx, unsigned int port)
{
	struct bus *bus = &world.bus[port];
	struct bus_cmd *cmd;

	(void)ctx;
	world.drops++;
	bus_drop(bus);
	cmd = bus_next(bus);
	cmd->op = BUS_DOWN;
	cmd->words = 0;
	bus_commit(bus);
}

static void carried_out(void *ctx, unsigned int port, const struct bus_cmd *cmd, uint64_t cycle)
{
	(void)ctx;
	links_done(world.links, port, cmd, cycle);
}

static void *serve(void *arg)
{
	unsigned int port, i;
	bool busy;

	while (!world.stop) {
		links_poll(world.links, true);
		busy = false;
		for (i = 0; i < 200; i++) {
			world.cycle++;
			for (port = 0; port < PORTS; port++) {
				if (bus_busy(&world.bus[port]))
					memory_tick(&world.bus[port], &world.memory[port],
						    world.cycle);
				world.up[port] = world.bus[port].out.up;
				busy |= bus_busy(&world.bus[port]);
			}
		}
		links_irq(world.links, (uint8_t)world.irq, world.cycle);
		links_flush(world.links, links_dirty(world.links));
		if (!busy)
			links_wait(world.links, -1, 1000000);
	}
	return arg;
}

static const struct links_ops ops = {.command = take_command, .drop = take_drop};

static void world_open(void)
{
	unsigned int port;

	memset(&world, 0, sizeof(world));
	strcpy(world.dir, "/tmp/mpdisk-link-XXXXXX");
	if (!mkdtemp(world.dir)) {
		perror(world.dir);
		exit(1);
	}
	for (port = 0; port < PORTS; port++) {
		world.memory[port].words = calloc(WINDOW_WORDS, 4);
		world.memory[port].random = port + 1;
		if (!world.memory[port].words ||
		    bus_init(&world.bus[port], port, carried_out, NULL))
			exit(1);
	}
	if (links_open(world.dir, PORTS, world.bus, &ops, NULL, false, NULL, &world.links))
		exit(1);
	pthread_create(&world.thread, NULL, serve, NULL);
}

static void world_close(void)
{
	unsigned int port;

	world.stop = true;
	pthread_join(world.thread, NULL);
	links_close(world.links);
	for (port = 0; port < PORTS; port++) {
		bus_free(&world.bus[port]);
		free(world.memory[port].words);
	}
	rmdir(world.dir);
}

static struct link *host(unsigned int port, int *err)
{
	struct link *link = NULL;
	char name[128];

	snprintf(name, sizeof(name), "sim:%s/port%u.sock", world.dir, port);
	*err = link_open(name, &link);
	return link;
}

static bool soon(atomic_bool *what, bool value)
{
	struct timespec ms = {.tv_nsec = 1000000};
	int i;

	for (i = 0; i < 5000 && *what != value; i++)
		nanosleep(&ms, NULL);
	return *what == value;
}

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* ---- cases: NULL, or what went wrong */

static unsigned int failed;

static void verdict(const char *name, const char *why)
{
	if (why)
		printf("FAIL %s: %s\n", name, why);
	else
		printf("PASS %s\n", name);
	fflush(stdout);
	failed += why != NULL;
}

#define CASE(f)                                                                                    \
	do {                                                                                       \
		world_open();                                                                      \
		verdict(#f, f());                                                                  \
		world_close();                                                                     \
	} while (0)

static uint32_t pattern(uint32_t seed, uint32_t i)
{
	return (seed * 2654435761u) ^ (i * 40503u);
}

static const char *transfers_of_every_size_come_back(void)
{
	uint32_t out[1024], in[1024];
	uint32_t words, i;
	int err;
	struct link *link = host(0, &err);

	if (err)
		return "no link";
	for (words = 1; words <= 1024; words += words < 40 ? 1 : 123) {
		uint32_t addr = 0x400000 + 4096 * (words % 64) + (1024 - words) * 4;
		struct link_read r = {.addr = addr, .len = words * 4, .data = in};

		for (i = 0; i < words; i++)
			out[i] = pattern(words, i);
		memset(in, 0, sizeof(in));
		if (link_write(link, addr, out, words * 4) || link_read(link, &r, 1) ||
		    memcmp(in, out, words * 4))
			return "what was written did not come back";
	}
	link_close(link);
	return NULL;
}

static const char *bulk_area_wraps_under_load(void)
{
	uint32_t page[1024], i, n;
	int err;
	struct link *link = host(0, &err);

	if (err)
		return "no link";
	/* Five times the bulk area, in sizes that do not divide it. */
	for (n = 0; n < 5 * SIM_BULK_SIZE / 4000; n++) {
		for (i = 0; i < 1000; i++)
			page[i] = pattern(n, i);
		if (link_write(link, 0x400000 + n % 1024 * 4096, page, 4000))
			return "write failed";
	}
	for (n = 5 * SIM_BULK_SIZE / 4000 - 1000; n < 5 * SIM_BULK_SIZE / 4000; n++) {
		struct link_read r = {
			.addr = 0x400000 + n % 1024 * 4096, .len = 4000, .data = page};

		if (link_read(link, &r, 1))
			return "read failed";
		for (i = 0; i < 1000; i++)
			if (page[i] != pattern(n, i))
				return "a page has wrong data";
	}
	link_close(link);
	return NULL;
}

static const char *one_call_carries_out_many_reads(void)
{
	static uint32_t data[2500];
	static struct link_read r[2500];
	unsigned int i;
	int err;
	struct link *link = host(0, &err);

	if (err)
		return "no link";
	for (i = 0; i < 2500; i++) {
		r[i] = (struct link_read){.addr = i * 4, .len = 4, .data = &data[i]};
		if (link_write32(link, i * 4, i ^ 0x5555))
			return "write failed";
	}
	if (link_read(link, r, 2500))
		return "read failed";
	for (i = 0; i < 2500; i++)
		if (data[i] != (i ^ 0x5555))
			return "a word is wrong";
	link_close(link);
	return NULL;
}

struct worker {
	struct link *link;
	uint32_t base;
	const char *why;
};

static void *work(void *arg)
{
	struct worker *w = arg;
	uint32_t page[1024], back[1024], n, i, v;

	for (n = 0; n < 1500 && !w->why; n++) {
		uint32_t words = 1 + pattern(w->base, n) % 1024;
		uint32_t addr = w->base + n % 64 * 4096;
		struct link_read r[2] = {{.addr = addr, .len = words * 4, .data = back},
					 {.addr = addr, .len = 4, .data = &v}};

		for (i = 0; i < words; i++)
			page[i] = pattern(w->base + n, i);
		if (link_write(w->link, addr, page, words * 4) || link_read(w->link, r, 2))
			w->why = "a call failed";
		else if (memcmp(page, back, words * 4) || v != page[0])
			w->why = "a thread read what it had not written";
	}
	return NULL;
}

static const char *threads_share_one_link(void)
{
	struct worker w[4];
	pthread_t t[4];
	int i, err;
	struct link *link = host(0, &err);
	const char *why = NULL;

	if (err)
		return "no link";
	for (i = 0; i < 4; i++) {
		w[i] = (struct worker){.link = link, .base = 0x400000 + (uint32_t)i * 0x100000};
		pthread_create(&t[i], NULL, work, &w[i]);
	}
	for (i = 0; i < 4; i++) {
		pthread_join(t[i], NULL);
		why = why ?: w[i].why;
	}
	link_close(link);
	return why;
}

static void *raise_later(void *arg)
{
	struct timespec ts = {.tv_nsec = 50000000};

	nanosleep(&ts, NULL);
	world.irq = 1;
	return arg;
}

static const char *interrupt_wakes_and_falls(void)
{
	pthread_t t;
	int64_t start;
	int err, i;
	uint32_t v;
	struct link *link = host(0, &err);

	if (err)
		return "no link";
	start = now_ms();
	if (link_wait_irq(link, 100) != 0 || now_ms() - start < 90)
		return "it did not wait for its timeout";
	pthread_create(&t, NULL, raise_later, NULL);
	start = now_ms();
	if (link_wait_irq(link, 5000) != 1 || now_ms() - start > 4000)
		return "the interrupt did not wake";
	pthread_join(t, NULL);
	if (link_wait_irq(link, 0) != 1)
		return "it is not level triggered";
	world.irq = 0;
	for (i = 0; i < 1000 && link_wait_irq(link, 0); i++)
		if (link_read32(link, 0, &v))
			return "read failed";
	link_close(link);
	return i < 1000 ? NULL : "it did not fall";
}

static const char *second_host_is_refused(void)
{
	uint32_t v = 1;
	int err, err2;
	struct link *link = host(0, &err);
	struct link *other = host(0, &err2);

	if (err)
		return "no link";
	if (err2 != -EBUSY)
		return other ? "two hosts on one port" : "refused, but not with EBUSY";
	if (link_write32(link, 8, 7) || link_read32(link, 8, &v) || v != 7)
		return "the first host noticed";
	link_close(link);
	return NULL;
}

static const char *writes_before_close_are_carried_out(void)
{
	uint32_t v = 0, i;
	int err;
	struct link *link = host(0, &err);

	if (err || !soon(&world.up[0], true))
		return "no link";
	for (i = 0; i < 500; i++)
		link_write32(link, i * 4, i + 1);
	link_close(link);
	if (!soon(&world.up[0], false))
		return "the link did not go down";
	link = host(0, &err); /* the next host may come at once */
	if (err || link_read32(link, 499 * 4, &v) || v != 500)
		return "the last write is missing";
	link_close(link);
	return NULL;
}

static const char *wrong_calls_are_refused(void)
{
	struct link *link, *none;
	uint32_t page[2048] = {0};
	char path[256] = "sim:";
	int err;

	memset(path + 4, 'x', 200);
	if (link_open("nonsense:foo", &none) != -EINVAL || link_open("sim", &none) != -EINVAL)
		return "an unknown scheme was taken";
	if (link_open("sim:/nowhere/port0.sock", &none) != -ENODEV)
		return "nobody there is not ENODEV";
	if (link_open(path, &none) != -ENAMETOOLONG)
		return "a path that is too long was taken";
	link = host(0, &err);
	if (err)
		return "no link";
	if (link_write(link, 2, page, 4) != -EINVAL || link_write(link, 0, page, 6) != -EINVAL ||
	    link_write(link, 0, page, 0) != -EINVAL || link_write(link, 4092, page, 8) != -EINVAL ||
	    link_write(link, 0, page, 8192) != -EINVAL ||
	    link_write(link, 0x800000, page, 4) != -EINVAL)
		return "a transfer that breaks a rule was taken";
	link_close(link);
	return NULL;
}

static void *end_world(void *arg)
{
	struct timespec ts = {.tv_nsec = 100000000};

	nanosleep(&ts, NULL);
	world.stop = true;
	pthread_join(world.thread, NULL);
	links_close(world.links);
	world.links = NULL;
	return arg;
}

static const char *dead_simulator_is_enodev_at_once(void)
{
	const char *why = NULL;
	int64_t start;
	pthread_t t;
	uint32_t v;
	int err, i;
	struct link *link;

	world_open();
	link = host(0, &err);
	if (err)
		return "no link";
	pthread_create(&t, NULL, end_world, NULL);
	start = now_ms();
	err = link_wait_irq(link, 20000);
	if (err != -ENODEV || now_ms() - start > 5000)
		why = "a waiter was not told";
	pthread_join(t, NULL);
	start = now_ms();
	if (link_read32(link, 0, &v) != -ENODEV || link_write32(link, 0, 0) != -ENODEV ||
	    link_flush(link) != -ENODEV || link_wait_irq(link, 1000) != -ENODEV ||
	    now_ms() - start > 100)
		why = "a later call did not say so at once";
	link_close(link);
	for (i = 0; i < (int)PORTS; i++) {
		bus_free(&world.bus[i]);
		free(world.memory[i].words);
	}
	rmdir(world.dir);
	return why;
}

/* ---- hosts that break the rules of sim_wire.h: a raw socket */

static int raw_connect(unsigned int port)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/port%u.sock", world.dir, port);
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr))) {
		close(fd);
		return -1;
	}
	return fd;
}

/* seals -1: no bulk area goes with the hello. */
static void raw_hello(int fd, uint32_t version, off_t size, int seals)
{
	struct sim_record hello = {.op = SIM_HELLO, .data = version};
	struct iovec iov = {.iov_base = &hello, .iov_len = sizeof(hello)};
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	int memfd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (ftruncate(memfd, size))
		abort();
	if (seals >= 0) {
		struct cmsghdr *c;

		fcntl(memfd, F_ADD_SEALS, seals);
		msg.msg_control = control.buf;
		msg.msg_controllen = sizeof(control.buf);
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &memfd, sizeof(int));
	}
	sendmsg(fd, &msg, MSG_NOSIGNAL);
	close(memfd);
}

/* Reads until the simulator closes; false if it does not within 5 s. */
static bool raw_closed(int fd)
{
	struct timeval tv = {.tv_sec = 5};
	char buf[4096];
	ssize_t n;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	do {
		n = recv(fd, buf, sizeof(buf), 0);
	} while (n > 0 || (n < 0 && errno == EINTR));
	return n == 0 || errno == ECONNRESET;
}

static const char *bad_hellos_are_refused(void)
{
	static const struct {
		uint32_t version;
		off_t size;
		int seals;
	} bad[] = {
		{SIM_VERSION + 1, SIM_BULK_SIZE, F_SEAL_SHRINK},
		{SIM_VERSION, SIM_BULK_SIZE - 4096, F_SEAL_SHRINK},
		{SIM_VERSION, SIM_BULK_SIZE, 0},
		{SIM_VERSION, SIM_BULK_SIZE, -1},
	};
	struct link *link;
	size_t i;
	int err;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		int fd = raw_connect(0);

		raw_hello(fd, bad[i].version, bad[i].size, bad[i].seals);
		if (!raw_closed(fd))
			return "one was taken";
		close(fd);
		if (world.up[0])
			return "the link went up";
	}
	/* One that says nothing does not keep the port from others. */
	raw_connect(0);
	link = host(0, &err);
	if (err)
		return "a silent connection holds the port";
	link_close(link);
	return NULL;
}

static const char *hosts_that_break_rules_are_dropped(void)
{
	static const struct sim_record bad[] = {
		{.op = 99, .len = 4, .cookie = 1},
		{.op = SIM_DATA, .len = 4, .cookie = 1},
		{.op = SIM_HELLO, .data = SIM_VERSION},
		{.op = SIM_READ, .len = 4},             /* no cookie */
		{.op = SIM_WRITE, .addr = 2, .len = 4}, /* not aligned */
		{.op = SIM_WRITE, .len = 0},
		{.op = SIM_WRITE, .len = 6},
		{.op = SIM_WRITE, .len = 4100},
		{.op = SIM_WRITE, .addr = 4092, .len = 8},     /* two pages */
		{.op = SIM_WRITE, .addr = 0x800000, .len = 4}, /* past the window */
		{.op = SIM_WRITE, .addr = 0xfffffffc, .len = 4},
		{.op = SIM_WRITE, .len = 4096, .bulk_off = SIM_BULK_SIZE - 4092}, /* past bulk */
		{.op = SIM_READ, .len = 4096, .bulk_off = 0xfffff000, .cookie = 1},
		{.op = SIM_WRITE, .len = 8, .bulk_off = 2},
		{.op = SIM_WRITE, .len = 0xfffffffc},
	};
	char big[SIM_BATCH * sizeof(struct sim_record) + sizeof(struct sim_record)] = {0};
	struct worker w = {.base = 0x400000};
	unsigned int drops = 0;
	pthread_t t;
	size_t i;
	int err;

	w.link = host(1, &err); /* a good host on the other port works all the while */
	if (err)
		return "no link";
	pthread_create(&t, NULL, work, &w);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]) + 3; i++) {
		int fd = raw_connect(0);

		raw_hello(fd, SIM_VERSION, SIM_BULK_SIZE, F_SEAL_SHRINK);
		if (!soon(&world.up[0], true))
			return "a good hello was not taken";
		if (i < sizeof(bad) / sizeof(bad[0]))
			send(fd, &bad[i], sizeof(bad[i]), MSG_NOSIGNAL);
		else if (i == sizeof(bad) / sizeof(bad[0]))
			send(fd, big, 39, MSG_NOSIGNAL); /* not whole records */
		else if (i == sizeof(bad) / sizeof(bad[0]) + 1)
			send(fd, big, sizeof(big), MSG_NOSIGNAL); /* too many */
		else
			shutdown(fd, SHUT_RDWR);
		if (!raw_closed(fd) || !soon(&world.up[0], false))
			return "one was not dropped";
		drops += i < sizeof(bad) / sizeof(bad[0]) + 2;
		close(fd);
	}
	pthread_join(t, NULL);
	link_close(w.link);
	if (world.drops != drops)
		return "drops were not counted as such";
	return w.why ? "the host on the other port noticed" : NULL;
}

/* A host that asks and never listens must not make the simulator's memory grow or block it. */
static const char *host_that_does_not_listen_blocks_nobody(void)
{
	struct sim_record r = {.op = SIM_READ, .len = 4, .cookie = 1};
	struct worker w = {.base = 0x400000};
	int fd, i, err;

	fd = raw_connect(0);
	raw_hello(fd, SIM_VERSION, SIM_BULK_SIZE, F_SEAL_SHRINK);
	for (i = 0; i < 200000; i++)
		if (send(fd, &r, sizeof(r), MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
			break;
	w.link = host(1, &err);
	if (err)
		return "no link on the other port";
	work(&w);
	link_close(w.link);
	close(fd);
	if (!soon(&world.up[0], false))
		return "its link did not go down when it left";
	return i < 200000 ? w.why : "nothing ever held it back";
}

int main(void)
{
	CASE(transfers_of_every_size_come_back);
	CASE(bulk_area_wraps_under_load);
	CASE(one_call_carries_out_many_reads);
	CASE(threads_share_one_link);
	CASE(interrupt_wakes_and_falls);
	CASE(second_host_is_refused);
	CASE(writes_before_close_are_carried_out);
	CASE(wrong_calls_are_refused);
	CASE(bad_hellos_are_refused);
	CASE(hosts_that_break_rules_are_dropped);
	CASE(host_that_does_not_listen_blocks_nobody);
	verdict("dead_simulator_is_enodev_at_once", dead_simulator_is_enodev_at_once());
	return failed ? 1 : 0;
}
