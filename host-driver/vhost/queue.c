// SPDX-License-Identifier: BSD-2-Clause
/* A split virtqueue, device's side (queue.h). */
#include "queue.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

/*
 * The guest's processor runs beside us. Loads of an index are acquire: what was put into the ring
 * before it is seen after it. Stores of an index are release. Who asks for a notification and then
 * looks whether it came too late needs a full fence in between, as the guest has one.
 */
static uint16_t load_index(const __virtio16 *at)
{
	return __atomic_load_n(at, __ATOMIC_ACQUIRE);
}

static void store_index(__virtio16 *at, uint16_t value)
{
	__atomic_store_n(at, value, __ATOMIC_RELEASE);
}

static __virtio16 *used_event(const struct ring *ring)
{
	return &ring->avail->ring[ring->size];
}

static __virtio16 *avail_event(const struct ring *ring)
{
	return (__virtio16 *)(void *)&ring->used->ring[ring->size];
}

/* A table of descriptors: the ring's own, or an indirect one. */
struct table {
	uint64_t addr; /* of the guest; for an indirect one */
	const struct vring_desc *desc;
	unsigned int size;
};

static int read_desc(const struct memory *memory, const struct table *table, unsigned int i,
		     struct vring_desc *out)
{
	uint8_t *to = (uint8_t *)out;
	uint64_t at = table->addr + i * sizeof(*out), left = sizeof(*out), part;
	const void *from;

	if (table->desc) {
		memcpy(out, &table->desc[i], sizeof(*out));
		return 0;
	}
	while (left > 0) { /* it may lie across two regions */
		from = memory_guest(memory, at, left, &part);
		if (!from)
			return -EPROTO;
		memcpy(to, from, part);
		to += part;
		at += part;
		left -= part;
	}
	return 0;
}

static const char *add_segment(const struct memory *memory, struct chain *chain,
			       const struct vring_desc *desc)
{
	uint32_t *total = desc->flags & VRING_DESC_F_WRITE ? &chain->write_len : &chain->read_len;

	if (desc->flags & VRING_DESC_F_WRITE)
		chain->nwrite++;
	else if (chain->nwrite)
		return "a descriptor to be read comes after one to be written";
	else
		chain->nread++;
	if (!desc->len)
		return "a descriptor is empty";
	if (desc->len > UINT32_MAX - *total)
		return "a request is longer than 4 GiB";
	if (desc->addr > UINT64_MAX - desc->len || !memory_has(memory, desc->addr, desc->len))
		return "a descriptor is not in the guest's memory";
	*total += desc->len;
	chain->segment[chain->nread + chain->nwrite - 1] =
		(struct chain_segment){.addr = desc->addr, .len = desc->len};
	return NULL;
}

/* Enters the indirect table that *desc names: its first descriptor takes its place. */
static const char *enter_table(const struct ring *ring, const struct memory *memory,
			       struct table *table, struct vring_desc *desc)
{
	if (!ring->indirect)
		return "an indirect descriptor that was not agreed on";
	if (!table->desc)
		return "an indirect table in an indirect table";
	if (desc->flags & VRING_DESC_F_NEXT)
		return "an indirect descriptor has a successor";
	if (!desc->len || desc->len % sizeof(*desc) || desc->len / sizeof(*desc) > QUEUE_SIZE_MAX)
		return "an indirect table of an odd size";
	if (desc->addr > UINT64_MAX - desc->len || !memory_has(memory, desc->addr, desc->len))
		return "an indirect table is not in the guest's memory";
	*table = (struct table){.addr = desc->addr, .size = desc->len / sizeof(*desc)};
	return read_desc(memory, table, 0, desc) ? "an indirect table is gone" : NULL;
}

static const char *read_chain(const struct ring *ring, const struct memory *memory,
			      struct chain *chain)
{
	struct table table = {.desc = ring->desc, .size = ring->size};
	unsigned int i = chain->head, n = 0;
	struct vring_desc desc;
	const char *why;

	for (;;) {
		if (i >= table.size)
			return "a descriptor that is not in its table";
		if (read_desc(memory, &table, i, &desc))
			return "an indirect table is gone";
		if (desc.flags & VRING_DESC_F_INDIRECT) {
			if (n)
				return "an indirect descriptor in the middle of a chain";
			why = enter_table(ring, memory, &table, &desc);
			if (why)
				return why;
			if (desc.flags & VRING_DESC_F_INDIRECT)
				return "an indirect table in an indirect table";
		}
		why = add_segment(memory, chain, &desc);
		if (why)
			return why;
		if (!(desc.flags & VRING_DESC_F_NEXT))
			return NULL;
		i = desc.next;
		if (++n >= table.size)
			return "a chain of descriptors has no end";
	}
}

int ring_pop(struct ring *ring, const struct memory *memory, struct chain *chain, const char **why)
{
	const uint16_t waiting = (uint16_t)(load_index(&ring->avail->idx) - ring->next_avail);

	if (!waiting)
		return 0;
	*why = "the available ring's index has jumped";
	if (waiting > ring->size)
		return -EPROTO;
	chain->head = __atomic_load_n(&ring->avail->ring[ring->next_avail % ring->size],
				      __ATOMIC_RELAXED);
	*why = "the available ring names no descriptor";
	if (chain->head >= ring->size)
		return -EPROTO;
	chain->nread = chain->nwrite = 0;
	chain->read_len = chain->write_len = 0;
	*why = read_chain(ring, memory, chain);
	if (*why)
		return -EPROTO;
	ring->next_avail++;
	return 1;
}

bool ring_has_more(const struct ring *ring)
{
	return load_index(&ring->avail->idx) != ring->next_avail;
}

void ring_push(struct ring *ring, uint16_t head, uint32_t len)
{
	struct vring_used_elem *elem = &ring->used->ring[ring->next_used % ring->size];

	__atomic_store_n(&elem->id, head, __ATOMIC_RELAXED);
	__atomic_store_n(&elem->len, len, __ATOMIC_RELAXED);
	ring->next_used++;
	store_index(&ring->used->idx, ring->next_used);
}

bool ring_wants_call(struct ring *ring)
{
	const uint16_t told = ring->told_used;

	if (told == ring->next_used)
		return false;
	__atomic_thread_fence(__ATOMIC_SEQ_CST); /* the used index, then what the guest wants */
	ring->told_used = ring->next_used;
	if (!ring->event_idx)
		return !(load_index(&ring->avail->flags) & VRING_AVAIL_F_NO_INTERRUPT);
	return vring_need_event(load_index(used_event(ring)), ring->next_used, told);
}

void ring_quiet(struct ring *ring)
{
	if (!ring->event_idx) /* else the index that was last asked for lies behind */
		store_index(&ring->used->flags, VRING_USED_F_NO_NOTIFY);
}

bool ring_arm(struct ring *ring)
{
	if (ring->event_idx)
		store_index(avail_event(ring), ring->next_avail);
	else
		store_index(&ring->used->flags, 0);
	__atomic_thread_fence(__ATOMIC_SEQ_CST); /* asked for first, then looked */
	return ring_has_more(ring);
}
