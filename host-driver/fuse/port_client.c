/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * FUSE messages through a port: cells, slots and rings.
 *
 * Locks: submit_lock orders submissions and is held over posted writes, which may block when the
 * device does not take them; lock guards the state of tags and slots and is never held over the
 * link, so that port_fail works however stuck the link is. submit_lock is taken first.
 *
 * Neither ring can overflow: of each tag at most one RELEASE and one REQUEST are on the submission
 * ring, because a tag needs a RELEASE only after its REQUEST was taken and completed.
 */
#include "port_client.h"
#include "port_slots.h"

#include <errno.h>
#include <linux/fuse.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define HEAD_BYTES 256u   /* of a cell that are read at once: most replies are not longer */
#define SPECULATE_TAGS 4u /* with more in flight, cells are read only when known to be complete */
#define CELL_MESSAGE ((uint32_t)offsetof(struct port_cell, message))
#define REPLY_PAGES 64u

struct tag_state {
	bool pending;        /* [lock] submitted and not yet reported */
	bool patient;        /* [lock] PORT_SUBMIT_PATIENT */
	void *cookie;        /* [lock] */
	uint64_t start_ns;   /* [lock] */
	unsigned int nslots; /* [lock] write slots it holds */
	uint16_t slots[PORT_CELL_SLOTS];
};

struct port_client {
	struct link *link;
	struct port_info info;

	pthread_mutex_t submit_lock;
	uint16_t sq_tail;          /* [submit_lock] */
	struct port_cell out_cell; /* [submit_lock] */
	uint8_t *stage;            /* [submit_lock] request payload as it lies in slots */

	pthread_mutex_t lock;
	struct number_stack tags;        /* [lock] */
	struct number_stack write_slots; /* [lock] */
	struct tag_state tag[PORT_TAGS_MAX];
	uint32_t held;             /* [lock] free tags whose reply slots are still mapped */
	int failed;                /* [lock] */
	uint64_t submitted;        /* [lock] */
	uint64_t completed;        /* [lock] */
	uint64_t progress_ns;      /* [lock] */
	uint64_t answer_ns;        /* [lock] */
	uint32_t device_heartbeat; /* [lock] */
	uint32_t status;           /* [lock] as last read */
	uint32_t denied;           /* [lock] */

	/* [polling thread] */
	uint16_t cq_head;
	uint32_t heartbeat;
	uint32_t registers[5]; /* STATUS .. CQ_TAIL */
	uint32_t cq[PORT_RING_ENTRIES];
	union {
		struct port_cell cell;
		uint32_t words[PORT_CELL_SIZE / 4];
	} in[PORT_TAGS_MAX];
	uint8_t *reply_pages;
};

static void client_destroy(struct port_client *client)
{
	number_stack_destroy(&client->tags);
	number_stack_destroy(&client->write_slots);
	pthread_mutex_destroy(&client->lock);
	pthread_mutex_destroy(&client->submit_lock);
	free(client->stage);
	free(client->reply_pages);
	free(client);
}

int port_client_new(struct link *link, const struct port_info *info, struct port_client **out)
{
	struct port_client *client = calloc(1, sizeof(*client));
	int err;

	if (!client)
		return -ENOMEM;
	pthread_mutex_init(&client->lock, NULL);
	pthread_mutex_init(&client->submit_lock, NULL);
	client->link = link;
	client->info = *info;
	client->status = info->status;
	client->progress_ns = client->answer_ns = port_now_ns();
	err = number_stack_init(&client->tags, info->tags);
	if (!err)
		err = number_stack_init(&client->write_slots, info->write_slots);
	client->stage = aligned_alloc(PORT_PAGE, (PORT_CELL_SLOTS + 1) * PORT_PAGE);
	client->reply_pages = aligned_alloc(PORT_PAGE, REPLY_PAGES * PORT_PAGE);
	if (!err && (!client->stage || !client->reply_pages))
		err = -ENOMEM;
	if (err) {
		client_destroy(client);
		return err;
	}
	*out = client;
	return 0;
}

void port_client_free(struct port_client *client)
{
	if (client)
		client_destroy(client);
}

static uint32_t cell_address(unsigned int tag)
{
	return PORT_HOST_RING_BASE + PORT_CELL_OFFSET + tag * PORT_CELL_SIZE;
}

static uint32_t slot_address(unsigned int slot)
{
	return PORT_HOST_WINDOW_BASE + slot * PORT_PAGE;
}

static uint32_t round_up_4(uint32_t value)
{
	return (value + 3) & ~3u;
}

/* Posts a write of any aligned range, cut where transfers must be cut. */
static int write_range(struct link *link, uint32_t addr, const void *data, uint32_t len)
{
	const uint8_t *bytes = data;

	while (len > 0) {
		uint32_t part = PORT_PAGE - addr % PORT_PAGE;
		int err;

		if (part > len)
			part = len;
		err = link_write(link, addr, bytes, part);
		if (err)
			return err;
		addr += part;
		bytes += part;
		len -= part;
	}
	return 0;
}

/* Adds the reads of an aligned range to a list, cut where transfers must be cut. */
static unsigned int add_reads(struct link_read *reads, unsigned int nreads, uint32_t addr,
			      void *data, uint32_t len)
{
	uint8_t *bytes = data;

	while (len > 0) {
		uint32_t part = PORT_PAGE - addr % PORT_PAGE;

		if (part > len)
			part = len;
		reads[nreads++] = (struct link_read){.addr = addr, .len = part, .data = bytes};
		addr += part;
		bytes += part;
		len -= part;
	}
	return nreads;
}

/* How a request is divided between cell and slots. */
struct layout {
	uint32_t inline_len;
	uint32_t payload_len;
	uint32_t slot_offset;
	unsigned int nslots;
};

static int lay_out(const void *message, uint32_t len, struct layout *layout)
{
	const struct fuse_in_header *header = message;
	const uint32_t write_head = sizeof(*header) + sizeof(struct fuse_write_in);

	memset(layout, 0, sizeof(*layout));
	if (len < sizeof(*header) || header->len != len)
		return -EINVAL;
	layout->inline_len = len;
	if (header->opcode == FUSE_WRITE && len > write_head) {
		const struct fuse_write_in *in =
			(const void *)((const uint8_t *)message + sizeof(*header));

		layout->inline_len = write_head;
		layout->slot_offset = in->offset % PORT_PAGE;
	} else if (len > PORT_CELL_INLINE) {
		layout->inline_len = PORT_CELL_INLINE;
	}
	layout->payload_len = len - layout->inline_len;
	if (layout->payload_len > 0)
		layout->nslots =
			(layout->slot_offset + layout->payload_len + PORT_PAGE - 1) / PORT_PAGE;
	return layout->nslots > PORT_CELL_SLOTS ? -EMSGSIZE : 0;
}

/* [lock held] */
static int take_resources(struct port_client *client, const struct layout *layout, void *cookie,
			  unsigned int flags, unsigned int *tag_out)
{
	const unsigned int reserve = flags & PORT_SUBMIT_URGENT || client->tags.total < 2 ? 0 : 1;
	struct tag_state *state;
	uint16_t tag;
	int err;

	if (client->failed)
		return -EIO;
	if (layout->nslots > client->write_slots.total)
		return -EMSGSIZE;
	if (client->tags.nfree <= reserve)
		return -EAGAIN;
	err = number_stack_take(&client->tags, 1, &tag);
	if (err)
		return err;
	state = &client->tag[tag];
	err = number_stack_take(&client->write_slots, layout->nslots, state->slots);
	if (err) {
		int undo = number_stack_give(&client->tags, 1, &tag);

		return undo ? undo : err;
	}
	state->nslots = layout->nslots;
	state->pending = true;
	state->patient = flags & PORT_SUBMIT_PATIENT;
	state->cookie = cookie;
	state->start_ns = port_now_ns();
	*tag_out = tag;
	return 0;
}

/* [lock held] Ends a pending message; its tag and slots are free again. */
static void give_resources(struct port_client *client, unsigned int tag)
{
	struct tag_state *state = &client->tag[tag];
	const uint16_t number = (uint16_t)tag;

	state->pending = false;
	/* Both were taken together and are given together: giving cannot fail. */
	if (number_stack_give(&client->write_slots, state->nslots, state->slots) ||
	    number_stack_give(&client->tags, 1, &number))
		abort();
	state->nslots = 0;
}

/* [submit_lock held] */
static int post_payload(struct port_client *client, const struct tag_state *state,
			const struct layout *layout, const uint8_t *payload)
{
	/* The stage holds the slots' bytes from the aligned word in which the payload begins. */
	const uint32_t first = layout->slot_offset & ~3u;
	const uint32_t shift = layout->slot_offset & 3u;
	const uint32_t end = round_up_4(layout->slot_offset + layout->payload_len);
	uint32_t at, part;
	int err;

	memset(client->stage, 0, shift);
	memcpy(client->stage + shift, payload, layout->payload_len);
	memset(client->stage + shift + layout->payload_len, 0, 4);
	for (at = first; at < end; at += part) {
		part = PORT_PAGE - at % PORT_PAGE;
		if (part > end - at)
			part = end - at;
		err = link_write(client->link,
				 slot_address(state->slots[at / PORT_PAGE]) + at % PORT_PAGE,
				 client->stage + (at - first), part);
		if (err)
			return err;
	}
	return 0;
}

/* [submit_lock held] */
static int post_cell(struct port_client *client, unsigned int tag, const struct layout *layout,
		     const void *message, uint32_t len)
{
	struct port_cell *cell = &client->out_cell;

	memset(cell, 0, CELL_MESSAGE);
	cell->message_len = len;
	cell->inline_len = (uint16_t)layout->inline_len;
	cell->nslots = (uint16_t)layout->nslots;
	cell->slot_offset = (uint16_t)layout->slot_offset;
	memcpy(cell->slots, client->tag[tag].slots, layout->nslots * sizeof(cell->slots[0]));
	memcpy(cell->message, message, layout->inline_len);
	memset(cell->message + layout->inline_len, 0,
	       round_up_4(layout->inline_len) - layout->inline_len);
	return write_range(client->link, cell_address(tag), cell,
			   CELL_MESSAGE + round_up_4(layout->inline_len));
}

/* [submit_lock held] */
static int post_entry(struct port_client *client, uint32_t entry)
{
	const uint32_t addr =
		PORT_HOST_RING_BASE + PORT_SQ_OFFSET + client->sq_tail % PORT_RING_ENTRIES * 4;

	client->sq_tail++;
	return link_write32(client->link, addr, entry);
}

/* [submit_lock held] Posts a RELEASE for each tag in held. */
static int post_releases(struct port_client *client, uint32_t held)
{
	unsigned int tag;
	int err = 0;

	for (tag = 0; tag < client->info.tags && !err; tag++)
		if (held & 1u << tag)
			err = post_entry(client, PORT_SQE(tag, PORT_SQE_RELEASE));
	return err;
}

/* [submit_lock held] */
static int post_doorbell(struct port_client *client)
{
	int err = link_write32(client->link, PORT_HOST_SQ_TAIL, client->sq_tail);

	return err ? err : link_flush(client->link);
}

int port_submit(struct port_client *client, const void *message, uint32_t len, void *cookie,
		unsigned int flags)
{
	struct layout layout;
	uint32_t held;
	unsigned int tag;
	int err;

	err = lay_out(message, len, &layout);
	if (err)
		return err;
	pthread_mutex_lock(&client->submit_lock);
	pthread_mutex_lock(&client->lock);
	err = take_resources(client, &layout, cookie, flags, &tag);
	if (!err) {
		held = client->held & ~(1u << tag); /* a new request releases its own tag's slots */
		client->held = 0;
		client->submitted++;
	}
	pthread_mutex_unlock(&client->lock);
	if (err)
		goto out;

	if (layout.nslots > 0)
		err = post_payload(client, &client->tag[tag], &layout,
				   (const uint8_t *)message + layout.inline_len);
	if (!err)
		err = post_cell(client, tag, &layout, message, len);
	if (!err)
		err = post_releases(client, held);
	if (!err)
		err = post_entry(client, PORT_SQE(tag, PORT_SQE_REQUEST));
	if (!err)
		err = post_doorbell(client);
	/* After an error the link is gone: the message stays pending until the polling thread,
	 * which sees the same error, gives the port up and reports it. */
	err = 0;
out:
	pthread_mutex_unlock(&client->submit_lock);
	return err;
}

/* What the polling thread takes from one read of the device. */
struct snapshot {
	unsigned int pending; /* messages in flight before the read */
	unsigned int entries; /* completion ring entries that were read */
	uint32_t heads;       /* tags whose cell's head was read */
	struct link_read reads[3 + 2 * PORT_TAGS_MAX];
	unsigned int nreads;
};

static void snapshot_add_head(struct port_client *client, struct snapshot *snapshot,
			      unsigned int tag)
{
	snapshot->heads |= 1u << tag;
	snapshot->nreads = add_reads(snapshot->reads, snapshot->nreads, cell_address(tag),
				     client->in[tag].words, HEAD_BYTES);
}

/* Reads state, completion ring and, when few messages are in flight, their cells: one round trip.
 */
static int read_snapshot(struct port_client *client, struct snapshot *snapshot)
{
	const uint32_t ring = PORT_HOST_RING_BASE + PORT_CQ_OFFSET;
	uint32_t pending = 0;
	unsigned int tag, first, count;
	int err;

	memset(snapshot, 0, sizeof(*snapshot));
	pthread_mutex_lock(&client->lock);
	for (tag = 0; tag < client->info.tags; tag++)
		if (client->tag[tag].pending)
			pending |= 1u << tag;
	pthread_mutex_unlock(&client->lock);
	snapshot->pending = (unsigned int)__builtin_popcount(pending);

	snapshot->reads[snapshot->nreads++] = (struct link_read){.addr = PORT_HOST_STATUS,
								 .len = sizeof(client->registers),
								 .data = client->registers};
	first = client->cq_head % PORT_RING_ENTRIES;
	snapshot->entries = snapshot->pending;
	count = PORT_RING_ENTRIES - first;
	if (count > snapshot->entries)
		count = snapshot->entries;
	if (count > 0)
		snapshot->reads[snapshot->nreads++] = (struct link_read){
			.addr = ring + first * 4, .len = count * 4, .data = client->cq};
	if (snapshot->entries > count)
		snapshot->reads[snapshot->nreads++] =
			(struct link_read){.addr = ring,
					   .len = (snapshot->entries - count) * 4,
					   .data = client->cq + count};
	if (snapshot->pending <= SPECULATE_TAGS)
		for (tag = 0; tag < client->info.tags; tag++)
			if (pending & 1u << tag)
				snapshot_add_head(client, snapshot, tag);
	err = link_read(client->link, snapshot->reads, snapshot->nreads);
	snapshot->nreads = 0;
	return err;
}

/* -EIO: the device no longer serves this attachment. */
static int check_status(struct port_client *client, uint32_t status)
{
	const uint32_t epoch = PORT_HOST_STATUS_EPOCH_MASK;

	pthread_mutex_lock(&client->lock);
	client->status = status;
	client->answer_ns = port_now_ns();
	pthread_mutex_unlock(&client->lock);
	if (!(status & PORT_HOST_STATUS_READY_MASK) ||
	    status & (PORT_HOST_STATUS_FENCED_MASK | PORT_HOST_STATUS_BROKEN_MASK) ||
	    (status & epoch) != (client->info.status & epoch))
		return -EIO;
	return 0;
}

static int check_reply(const struct port_client *client, const struct port_cell *cell)
{
	uint32_t rest;

	if (cell->inline_len > PORT_CELL_INLINE || cell->inline_len > cell->message_len ||
	    cell->message_len > PORT_CELL_INLINE + REPLY_PAGES * PORT_PAGE)
		return -EPROTO;
	rest = cell->message_len - cell->inline_len;
	if (rest == 0)
		return 0;
	if (cell->slot_offset >= PORT_PAGE || cell->nslots > client->info.read_slots ||
	    cell->nslots > REPLY_PAGES ||
	    cell->nslots != (cell->slot_offset + rest + PORT_PAGE - 1) / PORT_PAGE)
		return -EPROTO;
	return 0;
}

/* Fetches what of a reply is beyond the head of its cell. */
static int read_rest(struct port_client *client, unsigned int tag, struct port_reply *reply)
{
	const struct port_cell *cell = &client->in[tag].cell;
	const uint32_t inline_end = CELL_MESSAGE + round_up_4(cell->inline_len);
	const uint32_t rest = cell->message_len - cell->inline_len;
	struct link_read reads[REPLY_PAGES + 2];
	unsigned int nreads = 0;

	if (inline_end > HEAD_BYTES)
		nreads = add_reads(reads, nreads, cell_address(tag) + HEAD_BYTES,
				   (uint8_t *)client->in[tag].words + HEAD_BYTES,
				   inline_end - HEAD_BYTES);
	reply->message = cell->message;
	reply->message_len = cell->inline_len;
	if (rest > 0) {
		const unsigned int slot = client->info.write_slots + tag * client->info.read_slots;
		const uint32_t first = cell->slot_offset & ~3u;

		/* A tag's reply slots follow each other, so this is one range. */
		nreads = add_reads(reads, nreads, slot_address(slot) + first,
				   client->reply_pages + first,
				   round_up_4(cell->slot_offset + rest) - first);
		reply->payload = client->reply_pages + cell->slot_offset;
		reply->payload_len = rest;
	}
	return nreads > 0 ? link_read(client->link, reads, nreads) : 0;
}

/* Takes one completion entry. A device that names a tag which is not in flight is broken. */
static int take_completion(struct port_client *client, uint32_t entry, port_reply_fn *fn,
			   void *user)
{
	const unsigned int tag = PORT_CQE_TAG(entry);
	const uint32_t kind = PORT_CQE_KIND(entry);
	struct port_reply reply = {0};
	bool mine;
	int err = 0;

	if (tag >= client->info.tags || kind > PORT_CQE_INVALID)
		return -EPROTO;
	if (kind == PORT_CQE_INVALID) {
		reply.error = -EINVAL;
	} else {
		err = check_reply(client, &client->in[tag].cell);
		if (!err)
			err = read_rest(client, tag, &reply);
		if (err)
			return err;
	}
	pthread_mutex_lock(&client->lock);
	mine = client->tag[tag].pending;
	if (mine) {
		reply.cookie = client->tag[tag].cookie;
		give_resources(client, tag);
		if (reply.payload_len > 0)
			client->held |= 1u << tag;
		client->completed++;
		client->progress_ns = port_now_ns();
	} else if (!client->failed) {
		err = -EPROTO;
	}
	pthread_mutex_unlock(&client->lock);
	if (mine)
		fn(user, &reply);
	return err;
}

/* Takes up to one completion for each message that was in flight; *more: there may be others. */
static int collect(struct port_client *client, port_reply_fn *fn, void *user, bool *more)
{
	struct snapshot snapshot;
	unsigned int count, i;
	int err;

	*more = false;
	err = read_snapshot(client, &snapshot);
	if (err)
		return err;
	err = check_status(client, client->registers[0]);
	if (err)
		return err;
	count = (uint16_t)(client->registers[4] - client->cq_head);
	if (count > client->info.tags)
		return -EPROTO;
	if (count > snapshot.entries) { /* submitted and completed since the count was taken */
		count = snapshot.entries;
		*more = true;
	}
	for (i = 0; i < count; i++) {
		const unsigned int tag = PORT_CQE_TAG(client->cq[i]);

		if (tag < client->info.tags && !(snapshot.heads & 1u << tag))
			snapshot_add_head(client, &snapshot, tag);
	}
	if (snapshot.nreads > 0) {
		err = link_read(client->link, snapshot.reads, snapshot.nreads);
		if (err)
			return err;
	}
	for (i = 0; i < count; i++) {
		err = take_completion(client, client->cq[i], fn, user);
		if (err)
			return err;
		client->cq_head++;
	}
	if (count > 0) {
		err = link_write32(client->link, PORT_HOST_CQ_HEAD, client->cq_head);
		if (!err)
			err = link_flush(client->link);
	}
	return err ? err : (int)count;
}

int port_poll(struct port_client *client, int timeout_ms, port_reply_fn *fn, void *user)
{
	int raised, err, count = 0;
	bool more;

	raised = link_wait_irq(client->link, timeout_ms);
	if (raised <= 0)
		return raised;
	/* First the interrupt, then what it stands for: a completion after the read raises it anew.
	 */
	err = link_write32(client->link, PORT_HOST_IRQ_STATUS,
			   PORT_HOST_IRQ_STATUS_COMPLETION_MASK | PORT_HOST_IRQ_STATUS_STATUS_MASK);
	if (err)
		return err;
	do {
		err = collect(client, fn, user, &more);
		if (err < 0)
			return err;
		count += err;
	} while (more);
	return count;
}

/* Tells the device about reply slots that nobody submits over. */
static int release_held(struct port_client *client)
{
	uint32_t held;
	int err = 0;

	pthread_mutex_lock(&client->submit_lock);
	pthread_mutex_lock(&client->lock);
	held = client->held;
	client->held = 0;
	pthread_mutex_unlock(&client->lock);
	if (held) {
		err = post_releases(client, held);
		if (!err)
			err = post_doorbell(client);
	}
	pthread_mutex_unlock(&client->submit_lock);
	return err;
}

int port_beat(struct port_client *client)
{
	uint32_t words[2], status; /* DEVICE_HEARTBEAT, DENIED */
	const struct link_read reads[] = {
		{.addr = PORT_HOST_STATUS, .len = 4, .data = &status},
		{.addr = PORT_HOST_DEVICE_HEARTBEAT, .len = sizeof(words), .data = words},
	};
	int err;

	err = release_held(client);
	if (!err)
		err = link_write32(client->link, PORT_HOST_HEARTBEAT, ++client->heartbeat);
	if (!err)
		err = link_read(client->link, reads, 2);
	if (err)
		return err;
	pthread_mutex_lock(&client->lock);
	if (words[0] != client->device_heartbeat) {
		client->device_heartbeat = words[0];
		client->progress_ns = port_now_ns();
	}
	client->denied = words[1];
	pthread_mutex_unlock(&client->lock);
	return check_status(client, status);
}

void port_fail(struct port_client *client, int error, port_reply_fn *fn, void *user)
{
	unsigned int tag;

	for (tag = 0; tag < client->info.tags; tag++) {
		struct port_reply reply = {.error = -EIO};
		bool mine;

		pthread_mutex_lock(&client->lock);
		if (!client->failed)
			client->failed = error ? error : -EIO;
		mine = client->tag[tag].pending;
		if (mine) {
			reply.cookie = client->tag[tag].cookie;
			/* The tag is not given back: the device may still write to its cell. */
			client->tag[tag].pending = false;
		}
		pthread_mutex_unlock(&client->lock);
		if (mine)
			fn(user, &reply);
	}
}

void port_get_statistics(struct port_client *client, struct port_statistics *out)
{
	unsigned int tag;

	memset(out, 0, sizeof(*out));
	pthread_mutex_lock(&client->lock);
	out->submitted = client->submitted;
	out->completed = client->completed;
	out->device_heartbeat = client->device_heartbeat;
	out->status = client->status;
	out->denied = client->denied;
	out->failed = client->failed;
	out->progress_ns = client->progress_ns;
	out->answer_ns = client->answer_ns;
	for (tag = 0; tag < client->info.tags; tag++) {
		const struct tag_state *state = &client->tag[tag];

		if (!state->pending || state->patient)
			continue;
		out->in_flight++;
		if (!out->oldest_ns || state->start_ns < out->oldest_ns)
			out->oldest_ns = state->start_ns;
	}
	pthread_mutex_unlock(&client->lock);
}
