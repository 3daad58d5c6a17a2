/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A split virtqueue as the device sees it (virtio 1.2, 2.7): chains of descriptors come in by the
 * available ring and go back by the used ring. Everything in the rings is the guest's word: it is
 * read once, and checked.
 *
 * The caller sees to it that nobody else uses the ring meanwhile.
 */
#ifndef MPDISK_VHOST_QUEUE_H
#define MPDISK_VHOST_QUEUE_H

#include "memory.h"

#define QUEUE_SIZE_MAX 1024u

struct chain_segment {
	uint64_t addr; /* of the guest */
	uint32_t len;
	uint32_t reserved;
};

/* A request as it lies in guest memory: what the device reads, then what it writes. */
struct chain {
	uint16_t head;
	unsigned int nread, nwrite;
	uint32_t read_len, write_len;
	struct chain_segment segment[QUEUE_SIZE_MAX];
};

struct ring {
	unsigned int size;
	bool indirect, event_idx; /* negotiated */
	const struct vring_desc *desc;
	struct vring_avail *avail;
	struct vring_used *used;
	uint16_t next_avail;
	uint16_t next_used;
	uint16_t told_used; /* used index up to which the guest was told */
};

/* Takes the next chain. 1; 0: there is none; -EPROTO: the guest has broken the rules, *why says
 * which. */
int ring_pop(struct ring *ring, const struct memory *memory, struct chain *chain, const char **why)
	__attribute__((warn_unused_result));

/* Whether there is another one. */
bool ring_has_more(const struct ring *ring);

/* Gives a chain back, of which `len` bytes were written. */
void ring_push(struct ring *ring, uint16_t head, uint32_t len);

/* Whether the guest wants to be told of what was pushed since this was last true. */
bool ring_wants_call(struct ring *ring);

/* The guest needs not kick: somebody looks at the ring. */
void ring_quiet(struct ring *ring);

/* The guest is to kick. True: there is something already, and it may not. */
bool ring_arm(struct ring *ring);

#endif
