/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Hosts that write at random into their ports, at the speed of the machine, while another executor
 * works as it should on the same filesystem: its data stays right, the medium stays clean.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "platform/atomic.h"
#include "tests/fs/file_util.h"
#include "tests/fuzz/raw_host.h"

#define HOSTS 2u
#define SECONDS 8
#define FILES 4u
#define FILE_SIZE 60000u

/* Nothing is cached here. */
void port_memory_changed(struct plat *plat)
{
	(void)plat;
}

static u32 over;

struct hostile {
	struct raw_host host;
	struct exec x;
	struct util_rng r;
	const char *wrong;
	u32 steps, served;
};

static struct hostile hostile[HOSTS];

static u32 word(struct hostile *h)
{
	return util_rand(&h->r, 1u << 31) << 1 ^ util_rand(&h->r, 1u << 31);
}

/* A word of a cell becomes anything, a small number, or differs in one bit. */
static void spoil(struct hostile *h, u32 tag)
{
	u32 *w = (u32 *)(void *)raw_cell(&h->host, tag) + util_rand(&h->r, PORT_CELL_SIZE / 4);

	if (util_rand(&h->r, 2)) /* the lengths and the header more often */
		w = (u32 *)(void *)raw_cell(&h->host, tag) + util_rand(&h->r, 40);
	switch (util_rand(&h->r, 3)) {
	case 0:
		*w = word(h);
		break;
	case 1:
		*w = util_rand(&h->r, 5000);
		break;
	default:
		*w ^= 1u << util_rand(&h->r, 32);
	}
}

static void request(struct hostile *h)
{
	u32 tag = util_rand(&h->r, PORT_TAGS_MAX), what = word(h) % RAW_KINDS, n;

	if ((what == RAW_INIT || what == RAW_DESTROY) && util_rand(&h->r, 8))
		what = util_rand(&h->r, RAW_INIT); /* most sessions live a while */
	raw_build(&h->host, tag, what, word(h), word(h));
	for (n = util_rand(&h->r, 4); n > 1; n--)
		spoil(h, tag);
	raw_post(&h->host, util_rand(&h->r, 50) ? tag : word(h) & 0x1FF);
}

static void step(struct hostile *h)
{
	switch (util_rand(&h->r, 40)) {
	case 0:
		raw_events(&h->host, util_rand(&h->r, 16));
		break;
	case 1:
		spoil(h, util_rand(&h->r, PORT_TAGS_MAX));
		break;
	case 2:
		raw_poke(&h->host, word(h), word(h), word(h));
		break;
	case 3:
		raw_take(&h->host);
		break;
	case 4:
		raw_finish(&h->host, word(h));
		break;
	case 5:
		raw_quarrel(&h->host, word(h));
		break;
	default:
		request(h);
		raw_run(&h->host, util_rand(&h->r, 4));
	}
	/* who is cut off comes again, and says hello first as a rule */
	if (h->host.port.state != PORT_ATTACHED)
		raw_events(&h->host, PORT_DEVICE_EVENT_ATTACH_MASK);
	if (!h->host.port.session.minor && util_rand(&h->r, 8)) {
		raw_build(&h->host, 0, RAW_INIT, 0, 0);
		raw_post(&h->host, 0);
		raw_run(&h->host, 1);
	}
}

static void *hostile_main(void *arg)
{
	struct hostile *h = arg;

	raw_attach(&h->host, &h->x, (u32)(h - hostile));
	while (!atomic_load(&over) && !h->wrong) {
		u32 before = h->host.port.messages;

		step(h);
		h->steps++;
		h->served += h->host.port.messages > before;
		h->wrong = raw_check(&h->host);
	}
	raw_detach(&h->host);
	return NULL;
}

/* ---- the one who behaves */
static void behave(struct exec *x, node_t dir, struct util_rng *r)
{
	static u8 model[FILES][FILE_SIZE], buf[FILE_SIZE];
	node_t node[FILES];
	struct fs_attr attr;
	char name[16];
	u32 round = 0;

	for (u32 i = 0; i < FILES; i++) {
		snprintf(name, sizeof(name), "mine%u", i);
		CHECK_OK(fs_mknod(x, dir, util_name(name), 0100644, 0, false, &attr));
		node[i] = attr.node;
		CHECK_OK(util_truncate(x, node[i], FILE_SIZE));
	}
	for (time_t end = time(NULL) + SECONDS; time(NULL) < end; round++) {
		u32 i = round % FILES, pos = util_rand(r, FILE_SIZE);
		u32 len = 1 + util_rand(r, FILE_SIZE - pos);

		util_fill(model[i] + pos, round, pos, len);
		CHECK_EQ(util_write(x, node[i], pos, model[i] + pos, len), len);
		i = util_rand(r, FILES);
		CHECK_EQ(util_read(x, node[i], 0, buf, FILE_SIZE), FILE_SIZE);
		CHECK(!memcmp(buf, model[i], FILE_SIZE));
		if (round % 16 == 0)
			CHECK_OK(fs_fsync(x, node[i], false));
		snprintf(name, sizeof(name), "mine%u", i);
		CHECK_OK(fs_lookup(x, dir, util_name(name), &attr));
		CHECK(attr.node == node[i] && attr.size == FILE_SIZE);
		for (u32 h = 0; h < HOSTS; h++)
			if (hostile[h].wrong)
				test_fail(__FILE__, __LINE__, "%s", hostile[h].wrong);
	}
	CHECK(round > 50);
}

TEST_TIMED(hosts_that_write_anything_harm_nobody, 60)
{
	pthread_t thread[HOSTS];
	struct fs_attr attr;
	struct util_rng r = {test_seed()};
	struct exec *x;
	u32 i;

	fixture_make(64, NULL, NULL);
	x = fixture_mount();
	CHECK_OK(fs_mkdir(x, FS_ROOT, util_name("well-behaved"), 0700, &attr));
	for (i = 0; i < HOSTS; i++) {
		hostile[i].r.state = r.state + i;
		fixture_join(&hostile[i].x);
		CHECK_OK(pthread_create(&thread[i], NULL, hostile_main, &hostile[i]));
	}
	behave(x, attr.node, &r);
	atomic_store(&over, 1);
	for (i = 0; i < HOSTS; i++) {
		CHECK_OK(pthread_join(thread[i], NULL));
		fixture_leave(&hostile[i].x);
		if (hostile[i].wrong)
			test_fail(__FILE__, __LINE__, "%s", hostile[i].wrong);
		fprintf(stderr, "host %u: %u steps, %u requests taken, %u waits for locks\n", i,
			hostile[i].steps, hostile[i].served, hostile[i].host.waits);
		/* they were heard, and answered, soon or after a while */
		CHECK(hostile[i].host.ended > 10 && hostile[i].host.waits >= hostile[i].host.ended);
		CHECK(hostile[i].served > 500 && hostile[i].steps > hostile[i].served);
	}
	fixture_unmount_check();
}
