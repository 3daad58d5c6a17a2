// SPDX-License-Identifier: BSD-2-Clause
/*
 * vhost_noise SOCKET OTHER [ROUNDS [SEED]]: guests whose memory changes at random while the device
 * works in it: rings, descriptors, messages, buffers. Whether such a guest is answered or cut off
 * is all the same; the guest at OTHER, on the same disk, must find its data right, and SOCKET must
 * serve the next guest.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "vhost_front.h"

#define KICKS 300u
#define RINGS 0x4000u /* bytes at the start of the memory in which they are */

struct noise {
	struct front *f;
	atomic_bool end;
	uint32_t state;
};

static uint32_t next(uint32_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state;
}

/* Where a byte that matters may be: mostly in rings and the heads of messages. */
static uint8_t *place(struct noise *n)
{
	const unsigned int tag = next(&n->state) % FRONT_TAGS;

	switch (next(&n->state) % 8) {
	case 0:
	case 1:
		return front_at(n->f, FRONT_GUEST + next(&n->state) % RINGS);
	case 2:
		return (uint8_t *)n->f->queue[1].desc + next(&n->state) % (16 * 60);
	case 3:
		return (uint8_t *)n->f->queue[1].avail + next(&n->state) % 132;
	case 4:
		return front_at(n->f, FRONT_GUEST + 0x8000 + tag * 512u + next(&n->state) % 160);
	case 5:
		return front_at(n->f, front_out_addr(tag) + next(&n->state) % 200);
	default:
		return front_at(n->f, front_in_addr(tag) + next(&n->state) % 120);
	}
}

static void *make_noise(void *arg)
{
	static const uint8_t likely[] = {0, 1, 2, 4, 7, 40, 64, 80, 0xff};
	struct noise *n = arg;
	uint32_t r;

	while (!atomic_load(&n->end)) {
		uint8_t *at = place(n);

		r = next(&n->state);
		if (r % 3 == 0)
			*(volatile uint8_t *)at = likely[r / 3 % sizeof(likely)];
		else if (r % 3 == 1)
			*(volatile uint8_t *)at ^= (uint8_t)(1u << r / 3 % 8);
		else
			*(volatile uint8_t *)at = (uint8_t)(r >> 8);
		if (r % 64 == 0)
			usleep(r >> 8 & 127);
	}
	return NULL;
}

/* A request that makes sense until the noise has got at it. */
static void submit(struct front *f, struct noise *n, uint64_t node, uint64_t fh)
{
	static const uint8_t data[20000];
	const struct fuse_write_in write = {.fh = fh,
					    .offset = next(&n->state) % 65536,
					    .size = next(&n->state) % sizeof(data)};
	const struct fuse_read_in read = {.fh = fh, .size = FRONT_DATA};

	memset(f->busy, 0, sizeof(f->busy)); /* the used ring says nothing to us */
	switch (next(&n->state) % 4) {
	case 0:
		front_submit(f, 1, FUSE_WRITE, node, &write, sizeof(write), data, write.size, 24);
		break;
	case 1:
		front_submit(f, 1, FUSE_READ, node, &read, sizeof(read), NULL, 0, FRONT_BUFFER);
		break;
	case 2:
		front_submit(f, 0, FUSE_FORGET, node, "12345678", 8, NULL, 0, 0);
		break;
	default:
		front_submit(f, 1, FUSE_LOOKUP, 1, "noise", 6, NULL, 0, 144);
	}
}

static void play(struct noise *n, const char *path)
{
	struct front f;
	uint64_t node, fh;
	pthread_t thread;
	unsigned int i;

	front_boot(&f, path, n->state & 3); /* with and without event index and indirect tables */
	if (fuse_make(&f, "noise", &node, &fh))
		node = fh = 1;
	f.quiet = true;
	n->f = &f;
	atomic_store(&n->end, false);
	if (pthread_create(&thread, NULL, make_noise, n) != 0)
		return;
	for (i = 0; i < KICKS && !front_is_cut(&f, 0); i++) {
		struct noise own = {.state = n->state + i + 1};

		submit(&f, &own, node, fh);
		front_kick_always(&f, own.state % 16 ? 1 : 0);
		usleep(own.state % 100);
	}
	atomic_store(&n->end, true);
	pthread_join(thread, NULL);
	front_close(&f);
}

static const char *run(const char *path, const char *other, unsigned int rounds, uint32_t seed)
{
	static uint8_t data[FRONT_DATA], back[FRONT_DATA];
	struct noise n = {.state = seed};
	uint64_t node, fh;
	struct front g;
	unsigned int i, k;

	front_boot(&g, other, FRONT_EVENT_IDX | FRONT_INDIRECT);
	CHECK(fuse_make(&g, "quiet", &node, &fh) == 0);
	for (i = 0; i < rounds; i++) {
		play(&n, path);
		for (k = 0; k < sizeof(data); k++)
			data[k] = (uint8_t)(k * 13 + i);
		CHECK(fuse_put(&g, node, fh, 0, data, sizeof(data)) == 0);
		CHECK(fuse_take(&g, node, fh, 0, back, sizeof(back)) == 0);
		CHECK(memcmp(data, back, sizeof(data)) == 0);
	}
	front_close(&g);
	return NULL;
}

int main(int argc, char **argv)
{
	const unsigned int rounds = argc > 3 ? (unsigned int)atoi(argv[3]) : 40;
	const uint32_t seed = argc > 4 ? (uint32_t)atoi(argv[4]) : 1;

	if (argc < 3)
		return 2;
	front_result("memory_may_change_at_random", run(argv[1], argv[2], rounds, seed ? seed : 1));
	return front_failed;
}
