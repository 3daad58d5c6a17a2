// SPDX-License-Identifier: BSD-2-Clause
/*
 * vhost_hostile SOCKET LOG OTHER [STEP]: guests that break the rules of vhost-user, virtio and
 * virtio-fs, one a case. Each must be cut off for the reason that the case names, which LOG, the
 * back end's, then says in one line; the guest at OTHER, on the same disk, must not notice; and
 * SOCKET must serve the next guest. STEP: only every STEP-th case.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "vhost_front.h"

static const char *path, *log_path;
static struct front other;
static uint64_t other_node, other_fh;
static off_t log_end; /* what was there before the case */

/* ---- descriptors. Each case gets a guest that has booted; what it does is to end it. */
static void set_desc(struct front *f, unsigned int i, uint64_t addr, uint32_t len, uint16_t flags,
		     uint16_t next)
{
	f->queue[1].desc[i] = (struct vring_desc){addr, len, flags, next};
}

static void post(struct front *f, uint16_t head)
{
	front_post(f, 1, head);
	front_kick_always(f, 1);
}

static void chain_that_is_a_loop(struct front *f)
{
	set_desc(f, 0, front_in_addr(0), 40, VRING_DESC_F_NEXT, 1);
	set_desc(f, 1, front_in_addr(0), 40, VRING_DESC_F_NEXT, 0);
	post(f, 0);
}

static void descriptor_that_follows_itself(struct front *f)
{
	set_desc(f, 5, front_in_addr(0), 40, VRING_DESC_F_NEXT, 5);
	post(f, 5);
}

static void successor_beyond_the_table(struct front *f)
{
	set_desc(f, 0, front_in_addr(0), 40, VRING_DESC_F_NEXT, FRONT_SIZE);
	post(f, 0);
}

static void head_beyond_the_table(struct front *f)
{
	post(f, 0xffff);
}

static void address_outside_memory(struct front *f)
{
	set_desc(f, 0, 0x10, 40, 0, 0);
	post(f, 0);
}

static void buffer_that_leaves_memory(struct front *f)
{
	set_desc(f, 0, FRONT_GUEST + FRONT_REGION - 20, 40, 0, 0);
	post(f, 0);
}

static void length_that_overflows(struct front *f)
{
	set_desc(f, 0, UINT64_MAX - 10, 0xffffffff, 0, 0);
	post(f, 0);
}

static void lengths_whose_sum_overflows(struct front *f)
{
	unsigned int i;

	for (i = 0; i < 60; i++)
		set_desc(f, i, FRONT_GUEST, FRONT_REGION, VRING_DESC_F_NEXT, (uint16_t)(i + 1));
	set_desc(f, 60, FRONT_GUEST, FRONT_REGION, 0, 0);
	post(f, 0);
}

static void empty_descriptor(struct front *f)
{
	set_desc(f, 0, front_in_addr(0), 0, 0, 0);
	post(f, 0);
}

static void request_after_its_reply(struct front *f)
{
	set_desc(f, 0, front_out_addr(0), 40, VRING_DESC_F_WRITE | VRING_DESC_F_NEXT, 1);
	set_desc(f, 1, front_in_addr(0), 40, 0, 0);
	post(f, 0);
}

static void index_that_jumps(struct front *f)
{
	f->queue[1].next_avail = (uint16_t)(f->queue[1].next_avail + 20000);
	post(f, 0);
}

static void index_that_goes_back(struct front *f)
{
	f->queue[1].next_avail = (uint16_t)(f->queue[1].next_avail - 2);
	post(f, 0);
}

/* ---- indirect tables */
static void indirect(struct front *f, const struct vring_desc *table, unsigned int n)
{
	const uint64_t at = FRONT_GUEST + 0xa000;

	memcpy(front_at(f, at), table, n * sizeof(*table));
	set_desc(f, 0, at, n * (uint32_t)sizeof(*table), VRING_DESC_F_INDIRECT, 0);
	post(f, 0);
}

static void table_in_a_table(struct front *f)
{
	const struct vring_desc d[2] = {{FRONT_GUEST + 0xa000, 32, VRING_DESC_F_INDIRECT, 0},
					{front_in_addr(0), 40, 0, 0}};

	indirect(f, d, 2);
}

static void table_later_in_a_table(struct front *f)
{
	const struct vring_desc d[2] = {{front_in_addr(0), 40, VRING_DESC_F_NEXT, 1},
					{FRONT_GUEST + 0xa000, 32, VRING_DESC_F_INDIRECT, 0}};

	indirect(f, d, 2);
}

static void table_with_a_loop(struct front *f)
{
	const struct vring_desc d[2] = {{front_in_addr(0), 40, VRING_DESC_F_NEXT, 1},
					{front_in_addr(0), 40, VRING_DESC_F_NEXT, 0}};

	indirect(f, d, 2);
}

static void table_of_an_odd_size(struct front *f)
{
	set_desc(f, 0, FRONT_GUEST + 0xa000, 33, VRING_DESC_F_INDIRECT, 0);
	post(f, 0);
}

static void table_that_is_huge(struct front *f)
{
	set_desc(f, 0, FRONT_GUEST, FRONT_REGION, VRING_DESC_F_INDIRECT, 0);
	post(f, 0);
}

static void table_outside_memory(struct front *f)
{
	set_desc(f, 0, FRONT_GUEST + FRONT_REGION - 16, 32, VRING_DESC_F_INDIRECT, 0);
	post(f, 0);
}

static void table_in_the_middle_of_a_chain(struct front *f)
{
	set_desc(f, 1, FRONT_GUEST + 0xa000, 32, VRING_DESC_F_INDIRECT, 0);
	set_desc(f, 0, front_in_addr(0), 40, VRING_DESC_F_NEXT, 1);
	post(f, 0);
}

static void table_with_a_successor(struct front *f)
{
	set_desc(f, 0, FRONT_GUEST + 0xa000, 32, VRING_DESC_F_INDIRECT | VRING_DESC_F_NEXT, 1);
	post(f, 0);
}

static void table_that_was_not_agreed_on(struct front *f)
{
	const struct vring_desc d = {front_in_addr(0), 40, 0, 0};

	indirect(f, &d, 1);
}

/* ---- FUSE messages */
static void request(struct front *f, uint32_t says, uint32_t is)
{
	struct fuse_in_header *head = (void *)front_at(f, front_in_addr(0));

	*head = (struct fuse_in_header){
		.len = says, .opcode = FUSE_GETATTR, .unique = 1, .nodeid = 1};
	set_desc(f, 0, front_in_addr(0), is, VRING_DESC_F_NEXT, 1);
	set_desc(f, 1, front_out_addr(0), 200, VRING_DESC_F_WRITE, 0);
	post(f, 0);
}

static void message_shorter_than_a_header(struct front *f)
{
	request(f, 39, 39);
}

static void message_that_lies_about_its_length(struct front *f)
{
	request(f, 0xffffffff, 56);
}

static void message_longer_than_any(struct front *f)
{
	request(f, FRONT_REGION / 2, FRONT_REGION / 2);
}

static void reply_without_a_request(struct front *f)
{
	set_desc(f, 0, front_out_addr(0), 200, VRING_DESC_F_WRITE, 0);
	post(f, 0);
}

/* ---- memory */
static void memory_cut_off_under_the_rings(struct front *f)
{
	if (ftruncate(f->memfd, 0) == 0)
		front_kick_always(f, 1);
}

static void memory_cut_off_under_a_buffer(struct front *f)
{
	struct fuse_in_header *head = (void *)front_at(f, front_in_addr(0));

	*head = (struct fuse_in_header){
		.len = 56, .opcode = FUSE_GETATTR, .unique = 1, .nodeid = 1};
	set_desc(f, 0, front_in_addr(0), 56, VRING_DESC_F_NEXT, 1);
	set_desc(f, 1, front_out_addr(0), 200, VRING_DESC_F_WRITE, 0);
	if (ftruncate(f->memfd, FRONT_OFFSET + FRONT_REGION) == 0)
		post(f, 0);
}

/* How a memory table is made wrong. */
static void send_table(struct front *f, void (*spoil)(struct vhost_table *table))
{
	struct vhost_table table;
	int fds[2];

	front_table(f, &table, fds);
	spoil(&table);
	front_send(f, VHOST_SET_MEM_TABLE, 0, &table, 8 + 2 * 32, fds, 2);
}

static void spoil_overlap(struct vhost_table *table)
{
	table->region[1].guest_addr = FRONT_GUEST + FRONT_REGION - 4096;
}

static void spoil_user_overlap(struct vhost_table *table)
{
	table->region[1].user_addr = FRONT_USER + 4096;
}

static void spoil_size(struct vhost_table *table)
{
	table->region[1].size = FRONT_FILE;
}

static void spoil_wrap(struct vhost_table *table)
{
	table->region[1].guest_addr = UINT64_MAX - 4096;
}

static void spoil_offset(struct vhost_table *table)
{
	table->region[1].mmap_offset = UINT64_MAX - 4096;
}

static void spoil_empty(struct vhost_table *table)
{
	table->region[0].size = 0;
}

static void spoil_count(struct vhost_table *table)
{
	table->nregions = 0xffffffff;
}

static void regions_that_overlap(struct front *f)
{
	send_table(f, spoil_overlap);
}

static void regions_that_overlap_for_the_front_end(struct front *f)
{
	send_table(f, spoil_user_overlap);
}

static void region_longer_than_its_file(struct front *f)
{
	send_table(f, spoil_size);
}

static void region_over_the_end_of_addresses(struct front *f)
{
	send_table(f, spoil_wrap);
}

static void offset_that_overflows(struct front *f)
{
	send_table(f, spoil_offset);
}

static void region_that_is_empty(struct front *f)
{
	send_table(f, spoil_empty);
}

static void table_of_endless_regions(struct front *f)
{
	send_table(f, spoil_count);
}

static void table_with_too_few_descriptors(struct front *f)
{
	struct vhost_table table;
	int fds[2];

	front_table(f, &table, fds);
	front_send(f, VHOST_SET_MEM_TABLE, 0, &table, 8 + 2 * 32, fds, 1);
}

static void table_with_too_many_descriptors(struct front *f)
{
	struct vhost_table table;
	int fds[20], i;

	front_table(f, &table, fds);
	for (i = 0; i < 20; i++)
		fds[i] = f->memfd;
	front_send(f, VHOST_SET_MEM_TABLE, 0, &table, 8 + 2 * 32, fds, 20);
}

static void table_that_is_cut_short(struct front *f)
{
	struct vhost_table table;
	int fds[2];

	front_table(f, &table, fds);
	front_send(f, VHOST_SET_MEM_TABLE, 0, &table, 8 + 32, fds, 2);
}

static void memory_that_is_a_pipe(struct front *f)
{
	struct vhost_table table;
	int fds[2], pipes[2];

	front_table(f, &table, fds);
	if (pipe(pipes) == 0)
		front_send(f, VHOST_SET_MEM_TABLE, 0, &table, 8 + 2 * 32, pipes, 2);
}

static void memory_that_is_read_only(struct front *f)
{
	struct vhost_table table;
	int fds[2];

	front_table(f, &table, fds);
	fds[0] = fds[1] = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	table.region[0].mmap_offset = table.region[1].mmap_offset = 0;
	table.region[0].size = table.region[1].size = 4096;
	front_send(f, VHOST_SET_MEM_TABLE, 0, &table, 8 + 2 * 32, fds, 2);
	close(fds[0]);
}

static void memory_without_the_rings(struct front *f)
{
	struct vhost_table table;
	int fds[2];

	front_table(f, &table, fds);
	table.nregions = 1;
	table.region[0] = table.region[1];
	front_send(f, VHOST_SET_MEM_TABLE, 0, &table, 8 + 32, fds, 1);
}

/* ---- messages */
static void state(struct front *f, uint32_t code, unsigned int index, unsigned int num)
{
	const struct vhost_vring_state s = {index, num};

	front_send(f, code, 0, &s, sizeof(s), NULL, 0);
}

static void queue_of_no_size(struct front *f)
{
	state(f, VHOST_SET_VRING_NUM, 1, 0);
}

static void queue_of_an_absurd_size(struct front *f)
{
	state(f, VHOST_SET_VRING_NUM, 1, 1u << 31);
}

static void queue_whose_size_is_no_power_of_two(struct front *f)
{
	state(f, VHOST_SET_VRING_NUM, 1, 48);
}

static void queue_that_is_not_there(struct front *f)
{
	state(f, VHOST_SET_VRING_BASE, 0xffffffff, 0);
}

static void base_beyond_16_bits(struct front *f)
{
	state(f, VHOST_SET_VRING_BASE, 1, 0x10000);
}

static void ring_outside_memory(struct front *f)
{
	struct vhost_vring_addr addr;

	front_ring_addr(1, &addr);
	addr.used_user_addr = FRONT_USER + FRONT_REGION - 8;
	front_send(f, VHOST_SET_VRING_ADDR, 0, &addr, sizeof(addr), NULL, 0);
}

static void ring_at_an_odd_address(struct front *f)
{
	struct vhost_vring_addr addr;

	front_ring_addr(1, &addr);
	addr.desc_user_addr++;
	front_send(f, VHOST_SET_VRING_ADDR, 0, &addr, sizeof(addr), NULL, 0);
}

static void features_that_were_not_offered(struct front *f)
{
	const uint64_t all = UINT64_MAX;

	front_send(f, VHOST_SET_FEATURES, 0, &all, sizeof(all), NULL, 0);
}

static void message_that_is_not_known(struct front *f)
{
	front_send(f, 4711, 0, NULL, 0, NULL, 0);
}

static void message_that_is_too_short(struct front *f)
{
	front_send(f, VHOST_SET_VRING_ADDR, 0, "abcdefgh", 8, NULL, 0);
}

static void header_that_is_no_header(struct front *f)
{
	if (send(f->sock, "GET / HTTP/1.0\r\n\r\n", 18, MSG_NOSIGNAL) < 0)
		return;
}

static void payload_longer_than_any(struct front *f)
{
	const struct vhost_header header = {VHOST_SET_FEATURES, VHOST_FLAG_VERSION, 1u << 30};

	if (send(f->sock, &header, sizeof(header), MSG_NOSIGNAL) < 0)
		return;
}

static void kick_without_a_descriptor(struct front *f)
{
	const uint64_t number = 1;

	front_send(f, VHOST_SET_VRING_KICK, 0, &number, sizeof(number), NULL, 0);
}

static void kick_that_cannot_be_waited_for(struct front *f)
{
	const uint64_t number = 1;

	front_send(f, VHOST_SET_VRING_KICK, 0, &number, sizeof(number), &f->memfd, 1);
}

static void descriptors_where_none_belong(struct front *f)
{
	const int fds[2] = {f->memfd, f->memfd};
	const struct vhost_vring_state s = {1, FRONT_SIZE};

	front_send(f, VHOST_SET_VRING_NUM, 0, &s, sizeof(s), fds, 2);
}

static void kick_by_message_that_was_not_agreed_on(struct front *f)
{
	state(f, VHOST_VRING_KICK, 1, 0);
}

static void config_beyond_its_end(struct front *f)
{
	const struct vhost_config_space space = {.offset = 200, .size = 200};

	front_send(f, VHOST_GET_CONFIG, 0, &space, 212, NULL, 0);
}

/* Nothing wrong as yet: but it never goes on. The next guest comes when it has gone. */
static void message_that_never_ends(struct front *f)
{
	const struct vhost_header header = {VHOST_SET_FEATURES, VHOST_FLAG_VERSION, 8};

	if (send(f->sock, &header, 5, MSG_NOSIGNAL) == 5)
		shutdown(f->sock, SHUT_WR);
}

/* ---- the cases */
static const struct hostile {
	const char *name;
	void (*act)(struct front *f);
	const char *reason; /* in the log; NULL: none is said */
	unsigned int how;
} hostiles[] = {
#define CASE(name, reason)                                                                         \
	{                                                                                          \
#name, name, reason, FRONT_EVENT_IDX | FRONT_INDIRECT                              \
	}
	CASE(chain_that_is_a_loop, "chain of descriptors has no end"),
	CASE(descriptor_that_follows_itself, "chain of descriptors has no end"),
	CASE(successor_beyond_the_table, "not in its table"),
	CASE(head_beyond_the_table, "available ring names no descriptor"),
	CASE(address_outside_memory, "not in the guest's memory"),
	CASE(buffer_that_leaves_memory, "not in the guest's memory"),
	CASE(length_that_overflows, "not in the guest's memory"),
	CASE(lengths_whose_sum_overflows, "odd length"),
	CASE(empty_descriptor, "descriptor is empty"),
	CASE(request_after_its_reply, "comes after one to be written"),
	CASE(index_that_jumps, "index has jumped"),
	CASE(index_that_goes_back, "index has jumped"),
	CASE(table_in_a_table, "indirect table in an indirect table"),
	CASE(table_later_in_a_table, "middle of a chain"),
	CASE(table_with_a_loop, "chain of descriptors has no end"),
	CASE(table_of_an_odd_size, "table of an odd size"),
	CASE(table_that_is_huge, "table of an odd size"),
	CASE(table_outside_memory, "not in the guest's memory"),
	CASE(table_in_the_middle_of_a_chain, "middle of a chain"),
	CASE(table_with_a_successor, "has a successor"),
	{"table_that_was_not_agreed_on", table_that_was_not_agreed_on, "not agreed on",
	 FRONT_EVENT_IDX},
	CASE(message_shorter_than_a_header, "odd length"),
	CASE(message_that_lies_about_its_length, "not as long as it says"),
	CASE(message_longer_than_any, "odd length"),
	CASE(reply_without_a_request, "odd length"),
	CASE(memory_cut_off_under_the_rings, "memory has become shorter|index has jumped"),
	CASE(memory_cut_off_under_a_buffer, "memory has become shorter"),
	CASE(regions_that_overlap, "overlap"),
	CASE(regions_that_overlap_for_the_front_end, "overlap"),
	CASE(region_longer_than_its_file, "too short"),
	CASE(region_over_the_end_of_addresses, "end of all addresses"),
	CASE(offset_that_overflows, "end of all addresses"),
	CASE(region_that_is_empty, "is empty"),
	CASE(table_of_endless_regions, "refused"),
	CASE(table_with_too_few_descriptors, "refused"),
	CASE(table_with_too_many_descriptors, "not vhost-user"),
	CASE(table_that_is_cut_short, "refused"),
	CASE(memory_that_is_a_pipe, "not a file"),
	CASE(memory_that_is_read_only, "cannot be mapped"),
	CASE(memory_without_the_rings, "ring is not in its memory"),
	CASE(queue_of_no_size, "refused"),
	CASE(queue_of_an_absurd_size, "refused"),
	CASE(queue_whose_size_is_no_power_of_two, "refused"),
	CASE(queue_that_is_not_there, "refused"),
	CASE(base_beyond_16_bits, "refused"),
	CASE(ring_outside_memory, "ring is not in its memory"),
	CASE(ring_at_an_odd_address, "odd address"),
	CASE(features_that_were_not_offered, "refused"),
	CASE(message_that_is_not_known, "refused"),
	CASE(message_that_is_too_short, "refused"),
	CASE(header_that_is_no_header, "not vhost-user"),
	CASE(payload_longer_than_any, "not vhost-user"),
	CASE(kick_without_a_descriptor, "refused"),
	CASE(kick_that_cannot_be_waited_for, "refused"),
	CASE(descriptors_where_none_belong, "refused"),
	CASE(kick_by_message_that_was_not_agreed_on, "refused"),
	CASE(config_beyond_its_end, "cannot be carried out"),
	CASE(message_that_never_ends, NULL),
};

/* Whether one of the reasons, which '|' separates, is in what the log has gained. */
static bool is_logged(const char *reasons)
{
	static char text[65536];
	char *copy = strdup(reasons), *reason;
	int fd = open(log_path, O_RDONLY | O_CLOEXEC);
	ssize_t n = pread(fd, text, sizeof(text) - 1, log_end);
	bool found = false;

	text[n > 0 ? n : 0] = '\0';
	for (reason = strtok(copy, "|"); reason && !found; reason = strtok(NULL, "|"))
		found = strstr(text, reason) != NULL;
	close(fd);
	free(copy);
	return found && strstr(text, "cut off");
}

static off_t log_size(void)
{
	int fd = open(log_path, O_RDONLY | O_CLOEXEC);
	off_t size = lseek(fd, 0, SEEK_END);

	close(fd);
	return size;
}

/* Each time other bytes, and more than a page of them. */
static const char *other_guest_works(void)
{
	static uint8_t data[10000], back[10000];
	static uint8_t n;

	memset(data, ++n, sizeof(data));
	CHECK(fuse_put(&other, other_node, other_fh, n * 100u, data, sizeof(data)) == 0);
	CHECK(fuse_take(&other, other_node, other_fh, n * 100u, back, sizeof(back)) == 0);
	CHECK(memcmp(data, back, sizeof(data)) == 0);
	return NULL;
}

static const char *run(const struct hostile *h)
{
	uint64_t node, fh;
	struct front f;
	unsigned int ms;

	log_end = log_size();
	front_boot(&f, path, h->how);
	/* it holds something that the others want */
	CHECK(fuse_make(&f, "other", &node, &fh) == 0);
	CHECK(fuse_lock(&f, FUSE_SETLK, node, fh, F_WRLCK) == 0);
	h->act(&f);
	CHECK(front_is_cut(&f, 5000));
	front_close(&f);
	for (ms = 0; h->reason && !is_logged(h->reason) && ms < 3000; ms += 10)
		usleep(10000);
	CHECK(!h->reason || is_logged(h->reason));
	CHECK(fuse_lock(&other, FUSE_SETLKW, other_node, other_fh, F_WRLCK) == 0);
	CHECK(fuse_lock(&other, FUSE_SETLK, other_node, other_fh, F_UNLCK) == 0);
	return other_guest_works();
}

int main(int argc, char **argv)
{
	struct front f;
	unsigned int i, step = 1;

	if (argc < 4)
		return 2;
	if (argc > 4)
		step = (unsigned int)atoi(argv[4]);
	path = argv[1];
	log_path = argv[2];
	front_boot(&other, argv[3], FRONT_EVENT_IDX | FRONT_INDIRECT);
	if (fuse_make(&other, "other", &other_node, &other_fh)) {
		front_result("other_guest_begins", "a file cannot be made");
		return 1;
	}
	for (i = 0; i < sizeof(hostiles) / sizeof(hostiles[0]); i += step)
		front_result(hostiles[i].name, run(&hostiles[i]));
	front_boot(&f, path, FRONT_EVENT_IDX);
	front_result("socket_serves_the_next_guest", NULL);
	front_close(&f);
	front_close(&other);
	return front_failed;
}
