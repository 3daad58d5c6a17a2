/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The host's port client against a scripted other end: where payload lies, which tags are taken,
 * how rings wrap, and that a device which says impossible things is given up. The real device is
 * tested in tests/system; this other end exists only to say what the real one never should.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/fuse.h>

#include "../../host-driver/fuse/fuse_opcode.h"
#include "../../host-driver/fuse/fuse_rules.h"
#include "../../host-driver/fuse/port_client.h"
#include "../../host-driver/fuse/port_slots.h"

#define TAGS 16u
#define WRITE_SLOTS 100u
#define READ_SLOTS 33u
#define CELL(tag) (PORT_HOST_RING_BASE + PORT_CELL_OFFSET + (tag)*PORT_CELL_SIZE)
#define SLOT(slot) (PORT_HOST_WINDOW_BASE + (slot)*PORT_PAGE)

static int failures;
static const char *current;

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			printf("FAIL %s: line %d: %s\n", current, __LINE__, #condition);           \
			failures++;                                                                \
			return;                                                                    \
		}                                                                                  \
	} while (0)

/* The other end: a window of memory, and what came through the doorbell. */
static struct {
	struct link link;
	uint8_t *window;
	uint16_t sq_head;
	uint16_t cq_tail;
	bool irq;
	bool dead;
	unsigned int illegal; /* transfers that a link must not be asked for */
	unsigned int releases;
	uint32_t taken[1024]; /* tags of requests in the order in which they came */
	unsigned int ntaken;
} end;

static uint32_t *word(uint32_t addr)
{
	return (uint32_t *)(void *)(end.window + addr);
}

static void ring_doorbell(uint32_t tail)
{
	while (end.sq_head != (uint16_t)tail) {
		uint32_t entry = *word(PORT_HOST_RING_BASE + PORT_SQ_OFFSET +
				       end.sq_head % PORT_RING_ENTRIES * 4);

		if (PORT_SQE_KIND(entry) == PORT_SQE_RELEASE)
			end.releases++;
		else
			end.taken[end.ntaken++ % 1024] = PORT_SQE_TAG(entry);
		end.sq_head++;
	}
}

static int end_write(struct link *link, uint32_t addr, const void *data, uint32_t len)
{
	(void)link;
	if (end.dead)
		return -ENODEV;
	if (addr % 4 || len % 4 || len == 0 || addr / PORT_PAGE != (addr + len - 1) / PORT_PAGE)
		end.illegal++;
	if (addr == PORT_HOST_SQ_TAIL)
		ring_doorbell(*(const uint32_t *)data);
	else if (addr == PORT_HOST_IRQ_STATUS)
		end.irq = false;
	else if (addr >= PORT_HOST_RING_BASE || addr == PORT_HOST_HEARTBEAT ||
		 addr == PORT_HOST_CQ_HEAD)
		memcpy(end.window + addr, data, len);
	return 0;
}

static int end_read(struct link *link, const struct link_read *reads, unsigned int nreads)
{
	unsigned int i;

	(void)link;
	if (end.dead)
		return -ENODEV;
	for (i = 0; i < nreads; i++) {
		const struct link_read *r = &reads[i];

		if (r->addr % 4 || r->len % 4 || r->len == 0 ||
		    r->addr / PORT_PAGE != (r->addr + r->len - 1) / PORT_PAGE)
			end.illegal++;
		memcpy(r->data, end.window + r->addr, r->len);
	}
	return 0;
}

static int end_flush(struct link *link)
{
	(void)link;
	return end.dead ? -ENODEV : 0;
}

static int end_wait_irq(struct link *link, int timeout_ms)
{
	(void)link;
	(void)timeout_ms;
	return end.dead ? -ENODEV : end.irq;
}

static const struct link_ops end_ops = {
	.scheme = "test",
	.write = end_write,
	.read = end_read,
	.flush = end_flush,
	.wait_irq = end_wait_irq,
};

static const struct port_info info = {
	.version = PORT_HOST_VERSION_VALUE,
	.slots = 1024,
	.tags = TAGS,
	.write_slots = WRITE_SLOTS,
	.read_slots = READ_SLOTS,
	.status = PORT_HOST_STATUS_READY_MASK | 5u << PORT_HOST_STATUS_EPOCH_LSB,
};

static struct port_client *begin(const char *name)
{
	struct port_client *client = NULL;
	uint8_t *window = end.window;

	current = name;
	memset(&end, 0, sizeof(end));
	end.window = window;
	end.link.ops = &end_ops;
	memset(end.window, 0, PORT_HOST_WINDOW_BASE);
	*word(PORT_HOST_STATUS) = info.status;
	if (port_client_new(&end.link, &info, &client))
		abort();
	return client;
}

static void finish(struct port_client *client)
{
	port_client_free(client);
	printf("PASS %s\n", current);
}

/* Puts a completion on the ring. */
static void complete(uint32_t entry)
{
	*word(PORT_HOST_RING_BASE + PORT_CQ_OFFSET + end.cq_tail % PORT_RING_ENTRIES * 4) = entry;
	end.cq_tail++;
	*word(PORT_HOST_CQ_TAIL) = end.cq_tail;
	end.irq = true;
}

/* Writes a reply whose payload begins at slot_offset of the tag's reply slots. */
static void write_reply(unsigned int tag, uint32_t inline_len, uint32_t payload_len,
			uint32_t slot_offset)
{
	struct port_cell *cell = (struct port_cell *)(void *)(end.window + CELL(tag));
	uint32_t i;

	memset(cell, 0, sizeof(*cell));
	cell->message_len = inline_len + payload_len;
	cell->inline_len = (uint16_t)inline_len;
	cell->slot_offset = (uint16_t)slot_offset;
	cell->nslots = (uint16_t)((slot_offset + payload_len + PORT_PAGE - 1) / PORT_PAGE);
	if (payload_len == 0)
		cell->nslots = 0;
	for (i = 0; i < inline_len; i++)
		cell->message[i] = (uint8_t)(i * 7 + tag);
	for (i = 0; i < payload_len; i++)
		end.window[SLOT(WRITE_SLOTS + tag * READ_SLOTS) + slot_offset + i] =
			(uint8_t)(i * 13 + tag + (i >> 8));
}

static void reply_ok(unsigned int tag)
{
	write_reply(tag, sizeof(struct fuse_out_header), 0, 0);
	complete(PORT_CQE(tag, PORT_CQE_REPLY));
}

/* What port_poll reported. */
static struct {
	unsigned int count;
	void *cookies[64];
	int error;
	uint32_t message_len;
	uint32_t payload_len;
	bool bytes_right;
} got;

static void on_reply(void *user, const struct port_reply *reply)
{
	const uint8_t *message = reply->message, *payload = reply->payload;
	const unsigned int tag = *(const unsigned int *)user;
	uint32_t i;

	got.cookies[got.count++ % 64] = reply->cookie;
	got.error = reply->error;
	got.message_len = reply->message_len;
	got.payload_len = reply->payload_len;
	got.bytes_right = true;
	for (i = 0; i < reply->message_len; i++)
		got.bytes_right &= message[i] == (uint8_t)(i * 7 + tag);
	for (i = 0; i < reply->payload_len; i++)
		got.bytes_right &= payload[i] == (uint8_t)(i * 13 + tag + (i >> 8));
}

static int poll_once(struct port_client *client, unsigned int tag)
{
	memset(&got, 0, sizeof(got));
	return port_poll(client, 0, on_reply, &tag);
}

static _Alignas(8) uint8_t message[PORT_MAX_DATA + 8192];

static uint32_t make_request(uint32_t opcode, uint32_t len)
{
	struct fuse_in_header *header = (void *)message;
	uint32_t i;

	for (i = 0; i < len; i++)
		message[i] = (uint8_t)(i * 31 + (i >> 7));
	memset(header, 0, sizeof(*header));
	header->len = len;
	header->opcode = opcode;
	return len;
}

static uint32_t make_write(uint64_t offset, uint32_t size)
{
	const uint32_t head = sizeof(struct fuse_in_header) + sizeof(struct fuse_write_in);
	struct fuse_write_in *in = (void *)(message + sizeof(struct fuse_in_header));

	make_request(FUSE_WRITE, head + size);
	memset(in, 0, sizeof(*in));
	in->offset = offset;
	in->size = size;
	return head + size;
}

/* Puts the request that the cell of tag describes together again. */
static bool request_is_message(unsigned int tag, uint32_t len)
{
	const struct port_cell *cell = (const void *)(end.window + CELL(tag));
	uint32_t at = cell->slot_offset, i;
	bool used[WRITE_SLOTS] = {false};

	if (cell->message_len != len || cell->inline_len > PORT_CELL_INLINE ||
	    cell->nslots > PORT_CELL_SLOTS)
		return false;
	if (memcmp(cell->message, message, cell->inline_len))
		return false;
	for (i = 0; i < cell->nslots; i++) {
		if (cell->slots[i] >= WRITE_SLOTS || used[cell->slots[i]])
			return false;
		used[cell->slots[i]] = true;
	}
	for (i = cell->inline_len; i < len; i++, at++) {
		if (at / PORT_PAGE >= cell->nslots)
			return false;
		if (end.window[SLOT(cell->slots[at / PORT_PAGE]) + at % PORT_PAGE] != message[i])
			return false;
	}
	return true;
}

static void test_stack_gives_last_freed_first(void)
{
	struct number_stack stack;
	uint16_t a[4], b[2], twice[2];

	current = "stack_gives_last_freed_first";
	CHECK(number_stack_init(&stack, 4) == 0);
	CHECK(number_stack_take(&stack, 4, a) == 0);
	CHECK(a[0] == 0 && a[1] == 1 && a[2] == 2 && a[3] == 3);
	CHECK(number_stack_take(&stack, 1, b) == -EAGAIN);
	CHECK(number_stack_give(&stack, 1, &a[2]) == 0);
	CHECK(number_stack_take(&stack, 2, b) == -EAGAIN && stack.nfree == 1);
	CHECK(number_stack_take(&stack, 1, b) == 0 && b[0] == 2);
	CHECK(number_stack_give(&stack, 2, a) == 0);
	CHECK(number_stack_take(&stack, 2, b) == 0 && b[0] == 0 && b[1] == 1);
	twice[0] = twice[1] = 3;
	CHECK(number_stack_give(&stack, 2, twice) == -EINVAL && stack.nfree == 0);
	twice[1] = 9;
	CHECK(number_stack_give(&stack, 2, twice) == -EINVAL && stack.nfree == 0);
	CHECK(number_stack_give(&stack, 4, a) == 0 && stack.nfree == 4);
	CHECK(number_stack_give(&stack, 1, a) == -EINVAL);
	number_stack_destroy(&stack);
	printf("PASS %s\n", current);
}

static void test_write_payload_begins_at_file_offset_modulo_page(void)
{
	static const uint64_t offsets[] = {0, 1, 2, 3, 4, 4095, 4096, 4097, 6001, 1ull << 40 | 7};
	static const uint32_t sizes[] = {1, 2, 3, 4, 5, 4095, 4096, 4097, 65535, PORT_MAX_DATA};
	struct port_client *client = begin("write_payload_begins_at_file_offset_modulo_page");
	unsigned int i, j;

	for (i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
		for (j = 0; j < sizeof(sizes) / sizeof(sizes[0]); j++) {
			const uint32_t len = make_write(offsets[i], sizes[j]);
			const struct port_cell *cell = (const void *)(end.window + CELL(0));

			CHECK(port_submit(client, message, len, NULL, 0) == 0);
			CHECK(cell->slot_offset == offsets[i] % PORT_PAGE);
			CHECK(cell->inline_len == 80);
			CHECK(request_is_message(0, len));
			reply_ok(0);
			CHECK(poll_once(client, 0) == 1 && got.error == 0);
		}
	}
	CHECK(end.illegal == 0);
	finish(client);
}

static void test_long_requests_continue_in_slots(void)
{
	static const uint32_t lengths[] = {40, 41, 671, 672, 673, 4096, 5000, 66000, 130000};
	struct port_client *client = begin("long_requests_continue_in_slots");
	unsigned int i;

	for (i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		make_request(FUSE_SETXATTR, lengths[i]);
		CHECK(port_submit(client, message, lengths[i], NULL, 0) == 0);
		CHECK(request_is_message(0, lengths[i]));
		reply_ok(0);
		CHECK(poll_once(client, 0) == 1);
	}
	CHECK(end.illegal == 0);
	make_request(FUSE_SETXATTR, 40);
	CHECK(port_submit(client, message, 39, NULL, 0) == -EINVAL);
	CHECK(port_submit(client, message, 41, NULL, 0) == -EINVAL);
	finish(client);
}

static void test_reply_payload_is_read_from_any_offset(void)
{
	static const uint32_t offsets[] = {0, 1, 2, 3, 100, 4095};
	static const uint32_t sizes[] = {1, 3, 4, 4096, 70001, PORT_MAX_DATA};
	static const uint32_t inlines[] = {16, 144, 160, 161, 300, 672};
	struct port_client *client = begin("reply_payload_is_read_from_any_offset");
	unsigned int i, j, k;

	make_request(FUSE_READ, 80);
	for (i = 0; i < 6; i++) {
		for (j = 0; j < 6; j++) {
			for (k = 0; k < 6; k++) {
				CHECK(port_submit(client, message, 80, NULL, 0) == 0);
				write_reply(0, inlines[k], sizes[j], offsets[i]);
				complete(PORT_CQE(0, PORT_CQE_REPLY));
				CHECK(poll_once(client, 0) == 1);
				CHECK(got.message_len == inlines[k] && got.payload_len == sizes[j]);
				CHECK(got.bytes_right);
			}
		}
	}
	CHECK(end.illegal == 0);
	finish(client);
}

static void test_last_tag_is_kept_for_urgent_messages(void)
{
	struct port_client *client = begin("last_tag_is_kept_for_urgent_messages");
	unsigned int i;

	make_request(FUSE_GETATTR, 56);
	for (i = 0; i < TAGS - 1; i++)
		CHECK(port_submit(client, message, 56, NULL, 0) == 0);
	CHECK(port_submit(client, message, 56, NULL, 0) == -EAGAIN);
	CHECK(port_submit(client, message, 56, NULL, PORT_SUBMIT_URGENT) == 0);
	CHECK(port_submit(client, message, 56, NULL, PORT_SUBMIT_URGENT) == -EAGAIN);
	reply_ok(7);
	CHECK(poll_once(client, 7) == 1);
	CHECK(port_submit(client, message, 56, NULL, 0) == -EAGAIN);
	reply_ok(3);
	CHECK(poll_once(client, 3) == 1);
	CHECK(port_submit(client, message, 56, NULL, 0) == 0);
	CHECK(end.taken[16] == 3);
	finish(client);
}

static void test_write_slots_run_out_and_come_back(void)
{
	struct port_client *client = begin("write_slots_run_out_and_come_back");
	const uint32_t len = make_write(4095, PORT_MAX_DATA); /* 33 slots of 100 */
	unsigned int i;

	for (i = 0; i < 3; i++)
		CHECK(port_submit(client, message, len, NULL, 0) == 0);
	CHECK(port_submit(client, message, len, NULL, 0) == -EAGAIN);
	for (i = 0; i < 3; i++)
		CHECK(request_is_message(end.taken[i], len));
	make_request(FUSE_GETATTR, 56);
	CHECK(port_submit(client, message, 56, NULL, 0) == 0);
	reply_ok(1);
	CHECK(poll_once(client, 1) == 1);
	CHECK(port_submit(client, message, make_write(4095, PORT_MAX_DATA), NULL, 0) == 0);
	CHECK(request_is_message(1, len));
	finish(client);
}

static void test_completions_in_any_order_find_their_cookie(void)
{
	struct port_client *client = begin("completions_in_any_order_find_their_cookie");
	static const unsigned int order[] = {9, 2, 14, 0, 7, 11, 1, 13, 5, 3, 12, 8, 4, 10, 6};
	unsigned int i;
	static char cookies[TAGS];

	make_request(FUSE_GETATTR, 56);
	for (i = 0; i < 15; i++)
		CHECK(port_submit(client, message, 56, &cookies[i], 0) == 0);
	for (i = 0; i < 15; i++)
		reply_ok(order[i]);
	CHECK(poll_once(client, 6) == 15 && got.count == 15);
	for (i = 0; i < 15; i++)
		CHECK(got.cookies[i] == &cookies[order[i]]);
	CHECK(*word(PORT_HOST_CQ_HEAD) == 15);
	CHECK(poll_once(client, 0) == 0);
	finish(client);
}

static void test_ring_indices_wrap(void)
{
	struct port_client *client = begin("ring_indices_wrap");
	unsigned int i, j;

	make_request(FUSE_GETATTR, 56);
	for (i = 0; i < 14000; i++) {
		for (j = 0; j < 5; j++)
			CHECK(port_submit(client, message, 56, NULL, 0) == 0);
		for (j = 0; j < 5; j++)
			reply_ok((i + j) % 5);
		CHECK(poll_once(client, 0) == 5);
	}
	CHECK(end.ntaken == 70000 && end.sq_head == (uint16_t)70000);
	finish(client);
}

static void test_reply_slots_are_released_once_with_a_doorbell(void)
{
	struct port_client *client = begin("reply_slots_are_released_once_with_a_doorbell");

	make_request(FUSE_READ, 80);
	CHECK(port_submit(client, message, 80, NULL, 0) == 0); /* tag 0 */
	CHECK(port_submit(client, message, 80, NULL, 0) == 0); /* tag 1 */
	write_reply(0, 16, 9000, 5);
	complete(PORT_CQE(0, PORT_CQE_REPLY));
	write_reply(1, 16, 9000, 5);
	complete(PORT_CQE(1, PORT_CQE_REPLY));
	CHECK(poll_once(client, 1) == 2 && end.releases == 0);
	CHECK(port_submit(client, message, 80, NULL, 0) == 0); /* tag 1 again: only 0 is released */
	CHECK(end.releases == 1);
	reply_ok(1);
	CHECK(poll_once(client, 1) == 1);
	CHECK(port_beat(client) == 0 && end.releases == 1);
	CHECK(port_submit(client, message, 80, NULL, 0) == 0);
	write_reply(1, 16, 4, 0);
	complete(PORT_CQE(1, PORT_CQE_REPLY));
	CHECK(poll_once(client, 1) == 1);
	CHECK(port_beat(client) == 0 && end.releases == 2); /* nobody submits: the heartbeat does */
	CHECK(port_beat(client) == 0 && end.releases == 2);
	finish(client);
}

static void test_invalid_and_empty_completions_end_a_message(void)
{
	struct port_client *client = begin("invalid_and_empty_completions_end_a_message");

	make_request(FUSE_GETATTR, 56);
	CHECK(port_submit(client, message, 56, NULL, 0) == 0);
	complete(PORT_CQE(0, PORT_CQE_INVALID));
	CHECK(poll_once(client, 0) == 1 && got.error == -EINVAL);
	CHECK(port_submit(client, message, 56, NULL, 0) == 0);
	write_reply(0, 0, 0, 0);
	complete(PORT_CQE(0, PORT_CQE_REPLY));
	CHECK(poll_once(client, 0) == 1 && got.error == 0 && got.message_len == 0);
	finish(client);
}

/* Each case is a device that says something impossible: port_poll must refuse, and port_fail must
 * report the message exactly once. */
static void test_impossible_device(const char *name, void (*say)(void))
{
	struct port_client *client = begin(name);
	unsigned int tag = 0;

	make_request(FUSE_READ, 80);
	CHECK(port_submit(client, message, 80, NULL, 0) == 0);
	write_reply(0, 16, 100, 0);
	say();
	end.irq = true;
	CHECK(poll_once(client, 0) < 0 && got.count == 0);
	port_fail(client, -EIO, on_reply, &tag);
	CHECK(got.count == 1 && got.error == -EIO);
	port_fail(client, -EIO, on_reply, &tag);
	CHECK(got.count == 1);
	CHECK(port_submit(client, message, 80, NULL, 0) == -EIO);
	finish(client);
}

static struct port_cell *cell0(void)
{
	return (void *)(end.window + CELL(0));
}

static void say_tail_too_far(void)
{
	*word(PORT_HOST_CQ_TAIL) = 100;
}

static void say_tail_went_back(void)
{
	*word(PORT_HOST_CQ_TAIL) = 0xffff;
}

static void say_other_tag(void)
{
	complete(PORT_CQE(5, PORT_CQE_REPLY));
}

static void say_tag_too_large(void)
{
	complete(PORT_CQE(200, PORT_CQE_REPLY));
}

static void say_unknown_kind(void)
{
	complete(PORT_CQE(0, 9));
}

static void say_long_inline(void)
{
	cell0()->inline_len = PORT_CELL_INLINE + 4;
	complete(PORT_CQE(0, PORT_CQE_REPLY));
}

static void say_inline_beyond_message(void)
{
	cell0()->message_len = 10;
	complete(PORT_CQE(0, PORT_CQE_REPLY));
}

static void say_huge_message(void)
{
	cell0()->message_len = 0xffffffff;
	complete(PORT_CQE(0, PORT_CQE_REPLY));
}

static void say_wrong_slot_count(void)
{
	cell0()->nslots = 2;
	complete(PORT_CQE(0, PORT_CQE_REPLY));
}

static void say_too_many_slots(void)
{
	cell0()->message_len = 16 + 34 * PORT_PAGE;
	cell0()->nslots = 34;
	complete(PORT_CQE(0, PORT_CQE_REPLY));
}

static void say_offset_beyond_slot(void)
{
	cell0()->slot_offset = 4096;
	complete(PORT_CQE(0, PORT_CQE_REPLY));
}

static void say_broken(void)
{
	*word(PORT_HOST_STATUS) |= PORT_HOST_STATUS_BROKEN_MASK;
}

static void say_fenced(void)
{
	*word(PORT_HOST_STATUS) |= PORT_HOST_STATUS_FENCED_MASK;
}

static void say_other_epoch(void)
{
	*word(PORT_HOST_STATUS) += 1u << PORT_HOST_STATUS_EPOCH_LSB;
}

static void say_nothing_more(void)
{
	end.dead = true;
}

static void test_reply_shapes(void)
{
	struct fuse_in_header *header = (void *)message;
	struct fuse_read_in *read_in = (void *)(header + 1);
	struct fuse_out_header out = {.len = 16, .unique = 77};
	struct fuse_expect expect;

	current = "reply_shapes_are_checked";
	make_request(FUSE_GETATTR, 56);
	header->unique = 77;
	CHECK(fuse_expect(message, 56, &expect) == 0 && !expect.no_reply);
	out.len = 16 + sizeof(struct fuse_attr_out);
	CHECK(fuse_reply_is_sound(&expect, &out, out.len));
	CHECK(!fuse_reply_is_sound(&expect, &out,
				   out.len - 1)); /* header disagrees with the cell */
	out.len--;
	CHECK(!fuse_reply_is_sound(&expect, &out, out.len));
	out.len = 16;
	CHECK(!fuse_reply_is_sound(&expect, &out, out.len)); /* success without attributes */
	out.error = -ENOENT;
	CHECK(fuse_reply_is_sound(&expect, &out, out.len));
	out.error = ENOENT;
	CHECK(!fuse_reply_is_sound(&expect, &out, out.len));
	out.error = -512;
	CHECK(!fuse_reply_is_sound(&expect, &out, out.len));
	out.error = -ENOENT;
	out.unique = 78;
	CHECK(!fuse_reply_is_sound(&expect, &out, out.len));
	make_request(FUSE_READ, 80);
	header->unique = 78;
	memset(read_in, 0, sizeof(*read_in));
	read_in->size = 100;
	CHECK(fuse_expect(message, 80, &expect) == 0);
	out.error = 0;
	out.len = 116;
	CHECK(fuse_reply_is_sound(&expect, &out, out.len));
	out.len = 117;
	CHECK(!fuse_reply_is_sound(&expect, &out, out.len));
	make_request(FUSE_READ, 50);
	CHECK(fuse_expect(message, 50, &expect) == -EINVAL);
	make_request(FUSE_FORGET, 48);
	CHECK(fuse_expect(message, 48, &expect) == 0 && expect.no_reply);
	printf("PASS %s\n", current);
}

static void test_init_is_clamped(void)
{
	struct fuse_init_in in = {.major = 7,
				  .minor = 45,
				  .max_readahead = 1000,
				  .flags = FUSE_ASYNC_READ | FUSE_WRITEBACK_CACHE |
					   FUSE_SPLICE_READ | FUSE_INIT_EXT,
				  .flags2 = 0};
	struct fuse_init_out out = {.major = 7,
				    .minor = 36,
				    .max_readahead = 99999,
				    .flags = 0xffffffff,
				    .flags2 = 0xffffffff,
				    .max_write = 1u << 20,
				    .max_pages = 256,
				    .map_alignment = 12};

	current = "init_is_clamped_to_what_this_driver_carries";
	CHECK(fuse_init_clamp(&in, &out) == 0);
	CHECK(out.flags == (FUSE_ASYNC_READ | FUSE_INIT_EXT) && out.flags2 == 0);
	CHECK(out.max_write == 131072 && out.max_pages == 32 && out.max_readahead == 1000);
	CHECK(out.map_alignment == 0);
	out.minor = 46;
	CHECK(fuse_init_clamp(&in, &out) == -EPROTO);
	out.minor = 30;
	CHECK(fuse_init_clamp(&in, &out) == -EPROTO);
	out.minor = 36;
	out.major = 8;
	CHECK(fuse_init_clamp(&in, &out) == -EPROTO);
	printf("PASS %s\n", current);
}

static void test_options(void)
{
	struct {
		struct fuse_in_header head;
		struct fuse_init_in in;
	} init = {.head = {.opcode = FUSE_INIT}, .in = {.major = 7, .flags = 0xffffffff}};
	struct {
		struct fuse_in_header head;
		struct fuse_read_in in;
	} read = {.head = {.opcode = FUSE_READ}};

	current = "local_locks_take_locks_out_of_init_and_nothing_else";
	fuse_apply_options(&init, sizeof(init.head) + 12, true, true);
	fuse_apply_options(&init, sizeof(init), false, true);
	CHECK(init.in.flags == 0xffffffff);
	fuse_apply_options(&init, sizeof(init), true, false);
	CHECK(init.in.flags == ~(uint32_t)(FUSE_POSIX_LOCKS | FUSE_FLOCK_LOCKS));
	CHECK(init.in.major == 7 && !init.in.flags2);
	printf("PASS %s\n", current);

	current = "noatime_is_said_of_each_read_and_of_nothing_else";
	fuse_apply_options(&read, sizeof(read) - 1, true, true);
	fuse_apply_options(&read, sizeof(read), true, false);
	CHECK(!read.in.flags);
	fuse_apply_options(&read, sizeof(read), false, true);
	CHECK(read.in.flags == O_NOATIME);
	read.head.opcode = FUSE_WRITE;
	read.in.flags = 0;
	fuse_apply_options(&read, sizeof(read), true, true);
	CHECK(!read.in.flags);
	printf("PASS %s\n", current);
}

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	end.window = calloc(1, PORT_HOST_SIZE);
	if (!end.window)
		return 1;
	test_stack_gives_last_freed_first();
	test_write_payload_begins_at_file_offset_modulo_page();
	test_long_requests_continue_in_slots();
	test_reply_payload_is_read_from_any_offset();
	test_last_tag_is_kept_for_urgent_messages();
	test_write_slots_run_out_and_come_back();
	test_completions_in_any_order_find_their_cookie();
	test_ring_indices_wrap();
	test_reply_slots_are_released_once_with_a_doorbell();
	test_invalid_and_empty_completions_end_a_message();
	test_impossible_device("completion_tail_too_far_fails_the_port", say_tail_too_far);
	test_impossible_device("completion_tail_backwards_fails_the_port", say_tail_went_back);
	test_impossible_device("completion_of_idle_tag_fails_the_port", say_other_tag);
	test_impossible_device("completion_of_tag_200_fails_the_port", say_tag_too_large);
	test_impossible_device("completion_of_unknown_kind_fails_the_port", say_unknown_kind);
	test_impossible_device("reply_longer_than_its_cell_fails_the_port", say_long_inline);
	test_impossible_device("reply_shorter_than_its_part_fails_the_port",
			       say_inline_beyond_message);
	test_impossible_device("reply_of_4_GiB_fails_the_port", say_huge_message);
	test_impossible_device("reply_with_wrong_slot_count_fails_the_port", say_wrong_slot_count);
	test_impossible_device("reply_with_foreign_slots_fails_the_port", say_too_many_slots);
	test_impossible_device("reply_offset_beyond_slot_fails_the_port", say_offset_beyond_slot);
	test_impossible_device("broken_port_is_given_up", say_broken);
	test_impossible_device("fenced_port_is_given_up", say_fenced);
	test_impossible_device("port_attached_anew_is_given_up", say_other_epoch);
	test_impossible_device("dead_link_is_given_up", say_nothing_more);
	test_reply_shapes();
	test_init_is_clamped();
	test_options();
	free(end.window);
	return failures ? 1 : 0;
}
