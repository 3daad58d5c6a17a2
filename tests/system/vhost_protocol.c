// SPDX-License-Identifier: BSD-2-Clause
/*
 * vhost_protocol SOCKET OTHER [IN-BAND]: two guests of one disk that keep to the rules; each case
 * is one of vhost-user, virtio or virtio-fs. IN-BAND: a third one's socket, for kicks by message.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "vhost_front.h"

static const char *path, *other;

static const char *init_is_answered(struct front *f)
{
	struct fuse_init_out out;
	struct fuse_entry_out entry;

	CHECK(fuse_start(f, &out) == 0);
	CHECK(out.major == 7 && out.minor >= 31 && out.max_write >= FRONT_DATA);
	CHECK(out.flags & FUSE_POSIX_LOCKS);
	CHECK(fuse_find(f, 1, "lost+found", &entry) == 0);
	CHECK(entry.entry_valid == 0 && entry.attr_valid == 0 && entry.entry_valid_nsec == 0 &&
	      entry.attr_valid_nsec == 0);
	CHECK(fuse_find(f, 1, "nothing", &entry) == -ENOENT);
	return NULL;
}

/* As UML reads it: from the start on, a byte more each time. Others ask for what they want of it.
 */
static const char *config_is_read(struct front *f)
{
	struct vhost_config_space in = {0}, out;
	uint32_t i;

	for (i = 1; i <= 40; i++) {
		in.size = i;
		front_send(f, VHOST_GET_CONFIG, 0, &in, 12 + i, NULL, 0);
		CHECK(front_reply(f, VHOST_GET_CONFIG, &out, sizeof(out)) == 12 + (int)i);
		CHECK(out.offset == 0 && out.size == i);
	}
	CHECK(strcmp((char *)out.bytes, "disk") == 0);
	CHECK(memcmp(out.bytes + 36, "\1\0\0\0", 4) == 0);
	in.offset = 1;
	in.size = 38;
	front_send(f, VHOST_GET_CONFIG, 0, &in, 12 + in.size, NULL, 0);
	CHECK(front_reply(f, VHOST_GET_CONFIG, &out, sizeof(out)) == 12 + (int)in.size);
	CHECK(out.offset == 1 && out.size == in.size);
	CHECK(strcmp((char *)out.bytes, "isk") == 0 && memcmp(out.bytes + 35, "\1\0\0", 3) == 0);
	return NULL;
}

static const char *data_comes_back(struct front *f)
{
	uint8_t *data = malloc(FRONT_DATA), *back = malloc(FRONT_DATA);
	uint64_t node, fh;
	uint32_t i;

	for (i = 0; i < FRONT_DATA; i++)
		data[i] = (uint8_t)(i * 7 + i / 4096);
	CHECK(fuse_make(f, "data", &node, &fh) == 0);
	CHECK(fuse_put(f, node, fh, 0, data, FRONT_DATA) == 0);
	CHECK(fuse_put(f, node, fh, FRONT_DATA + 100, data, 5000) == 0);
	CHECK(fuse_put(f, node, fh, 4000, data + 4000, 200) == 0); /* across a page */
	CHECK(fuse_put(f, node, fh, 3, data + 3, 1) == 0);
	CHECK(fuse_take(f, node, fh, 0, back, FRONT_DATA) == 0);
	CHECK(memcmp(data, back, FRONT_DATA) == 0);
	CHECK(fuse_take(f, node, fh, FRONT_DATA + 100, back, 5000) == 0);
	CHECK(memcmp(data, back, 5000) == 0);
	CHECK(fuse_take(f, node, fh, FRONT_DATA, back, 100) == 0);
	CHECK(memcmp(back, (uint8_t[100]){0}, 100) == 0);
	free(data);
	free(back);
	return NULL;
}

/* As long as the device allows, at an odd place; and a read beyond the end. */
static const char *longest_requests_come_back(struct front *f)
{
	static uint8_t data[1 << 20], back[1 << 20];
	struct fuse_read_in over = {0};
	struct fuse_init_out out;
	uint64_t node, fh;
	char name[32]; /* of a file that is empty */
	uint32_t i;

	CHECK(fuse_start(f, &out) == 0);
	CHECK(out.max_write <= sizeof(data));
	for (i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 11 + i / 4096);
	snprintf(name, sizeof(name), "long-%u-%d", (unsigned int)f->features >> 28, getpid());
	CHECK(fuse_make(f, name, &node, &fh) == 0);
	CHECK(fuse_put(f, node, fh, 100, data, out.max_write) == 0);
	CHECK(fuse_take(f, node, fh, 100, back, out.max_write) == 0);
	CHECK(memcmp(data, back, out.max_write) == 0);
	over.fh = fh;
	over.size = out.max_write;
	over.offset = 100 + 5000;
	CHECK(fuse_do(f, FUSE_READ, node, &over, sizeof(over), back, over.size) ==
	      (int)out.max_write - 5000);
	CHECK(memcmp(data + 5000, back, out.max_write - 5000) == 0);
	over.offset = 1 << 22;
	CHECK(fuse_do(f, FUSE_READ, node, &over, sizeof(over), back, over.size) == 0);
	over.fh = 4711;
	CHECK(fuse_do(f, FUSE_READ, node, &over, sizeof(over), back, over.size) == -EBADF);
	return NULL;
}

static const char *others_see_what_was_written(struct front *f)
{
	struct fuse_open_in in = {.flags = O_RDWR};
	struct fuse_entry_out entry;
	struct fuse_open_out open;
	uint64_t node, fh;
	struct front g;
	char text[6];

	front_boot(&g, other, FRONT_EVENT_IDX);
	CHECK(fuse_make(f, "shared", &node, &fh) == 0);
	CHECK(fuse_put(f, node, fh, 0, "first", 5) == 0);
	CHECK(fuse_find(&g, 1, "shared", &entry) == 0);
	CHECK(fuse_do(&g, FUSE_OPEN, entry.nodeid, &in, sizeof(in), &open, sizeof(open)) ==
	      sizeof(open));
	CHECK(open.open_flags & FOPEN_DIRECT_IO);
	CHECK(fuse_take(&g, entry.nodeid, open.fh, 0, text, 5) == 0);
	CHECK(memcmp(text, "first", 5) == 0);
	CHECK(fuse_put(f, node, fh, 0, "again", 5) == 0);
	CHECK(fuse_take(&g, entry.nodeid, open.fh, 0, text, 5) == 0);
	CHECK(memcmp(text, "again", 5) == 0);
	front_close(&g);
	return NULL;
}

static bool wants_kick(const struct front *f)
{
	const struct front_queue *q = &f->queue[1];

	if (f->features >> VIRTIO_RING_F_EVENT_IDX & 1)
		return *(volatile uint16_t *)(void *)&q->used->ring[FRONT_SIZE] == q->next_avail;
	return !(*(volatile __virtio16 *)&q->used->flags & VRING_USED_F_NO_NOTIFY);
}

/* Within 5 s the device looks at its queue no more, unless it is kicked. */
static bool becomes_idle(struct front *f)
{
	unsigned int ms;

	for (ms = 0; !wants_kick(f) && ms < 5000; ms++)
		usleep(1000);
	return wants_kick(f);
}

static const char *many_requests_are_answered_after_one_kick(struct front *f)
{
	int tags[FRONT_TAGS], i;

	CHECK(becomes_idle(f));
	f->quiet = true;
	for (i = 0; i < (int)FRONT_TAGS; i++)
		tags[i] = front_submit(f, 1, FUSE_LOOKUP, 1, "lost+found", 11, NULL, 0,
				       16 + sizeof(struct fuse_entry_out));
	f->quiet = false;
	front_kick_always(f, 1);
	for (i = 0; i < (int)FRONT_TAGS; i++)
		CHECK(front_await(f, tags[i], 5000, NULL, NULL) == 0);
	return NULL;
}

static const char *kick_is_asked_for_when_idle(struct front *f)
{
	struct fuse_entry_out entry;
	unsigned int i;

	for (i = 0; i < 50; i++) {
		CHECK(fuse_find(f, 1, "lost+found", &entry) == 0);
		CHECK(becomes_idle(f));
	}
	return NULL;
}

/* Of the process behind the socket, in ticks; -1: not to be known. */
static long processor_time(const struct front *f)
{
	long user = -1, system = -1;
	struct ucred peer;
	socklen_t len = sizeof(peer);
	char name[64];
	FILE *stat;

	if (getsockopt(f->sock, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return -1;
	snprintf(name, sizeof(name), "/proc/%d/stat", (int)peer.pid);
	stat = fopen(name, "r");
	if (!stat)
		return -1;
	if (fscanf(stat, "%*d (%*[^)]) %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %ld %ld", &user,
		   &system) != 2)
		user = -1;
	fclose(stat);
	return user < 0 ? -1 : user + system;
}

static const char *idle_device_leaves_the_processor_alone(struct front *f)
{
	struct fuse_entry_out entry;
	long before, used;

	CHECK(fuse_find(f, 1, "lost+found", &entry) == 0);
	CHECK(becomes_idle(f));
	before = processor_time(f);
	CHECK(before >= 0);
	sleep(1);
	used = processor_time(f) - before;
	CHECK(used * 20 < sysconf(_SC_CLK_TCK)); /* it writes back once a second */
	return NULL;
}

static bool was_called(struct front *f, unsigned int queue, int ms)
{
	struct pollfd pollfd = {.fd = f->queue[queue].call, .events = POLLIN};
	eventfd_t count;

	return poll(&pollfd, 1, ms) > 0 && eventfd_read(f->queue[queue].call, &count) == 0;
}

static void want_call(struct front *f, unsigned int queue, uint16_t at)
{
	__atomic_store_n(&f->queue[queue].avail->ring[FRONT_SIZE], at, __ATOMIC_SEQ_CST);
}

static const char *event_index_suppresses_calls(struct front *f)
{
	struct fuse_entry_out entry;
	unsigned int i;

	was_called(f, 1, 0);
	want_call(f, 1, (uint16_t)(f->queue[1].next_used + 3)); /* the fourth from here on */
	for (i = 0; i < 3; i++) {
		CHECK(fuse_find(f, 1, "lost+found", &entry) == 0);
		CHECK(!was_called(f, 1, 30));
	}
	CHECK(fuse_find(f, 1, "lost+found", &entry) == 0);
	CHECK(was_called(f, 1, 3000));
	CHECK(fuse_find(f, 1, "lost+found", &entry) == 0);
	CHECK(!was_called(f, 1, 30)); /* not asked for again */
	return NULL;
}

static const char *flag_suppresses_calls(struct front *f)
{
	struct fuse_entry_out entry;

	was_called(f, 1, 0);
	CHECK(fuse_find(f, 1, "lost+found", &entry) == 0);
	CHECK(was_called(f, 1, 3000));
	__atomic_store_n(&f->queue[1].avail->flags, VRING_AVAIL_F_NO_INTERRUPT, __ATOMIC_SEQ_CST);
	CHECK(fuse_find(f, 1, "lost+found", &entry) == 0);
	CHECK(!was_called(f, 1, 30));
	__atomic_store_n(&f->queue[1].avail->flags, 0, __ATOMIC_SEQ_CST);
	CHECK(fuse_find(f, 1, "lost+found", &entry) == 0);
	CHECK(was_called(f, 1, 3000));
	return NULL;
}

/* Requests, with pauses, until there are more bytes than one call for each makes; 1,000 at most. */
static bool more_calls_than_requests(struct front *f, int call)
{
	struct fuse_entry_out entry;
	int unread = 0, i;

	for (i = 1; i <= 1000 && unread <= 8 * (i - 1); i++) {
		if (fuse_find(f, 1, "lost+found", &entry))
			return false;
		usleep(1000);
		if (ioctl(call, FIONREAD, &unread) < 0)
			return false;
	}
	return unread > 8 * (i - 1) && unread % 8 == 0;
}

/* A User-Mode Linux has a socket for calls, and may sleep over one. */
static const char *call_that_is_not_read_comes_again(struct front *f)
{
	const uint64_t number = 1;
	int call[2];

	CHECK(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, call));
	CHECK(front_acked(f, VHOST_SET_VRING_CALL, &number, sizeof(number), &call[1], 1) == 0);
	CHECK(more_calls_than_requests(f, call[0]));
	close(call[0]);
	close(call[1]);
	return NULL;
}

static const char *call_by_eventfd_comes_once(struct front *f)
{
	struct fuse_entry_out entry;
	uint64_t calls = 0;
	unsigned int i;

	was_called(f, 1, 0);
	for (i = 0; i < 200; i++) {
		CHECK(fuse_find(f, 1, "lost+found", &entry) == 0);
		usleep(1000);
	}
	CHECK(read(f->queue[1].call, &calls, sizeof(calls)) == sizeof(calls));
	CHECK(calls <= 200);
	return NULL;
}

static const char *forget_on_the_urgent_queue_ends(struct front *f)
{
	const struct fuse_forget_in in = {.nlookup = 1};
	struct fuse_entry_out entry;
	int tag;

	CHECK(fuse_find(f, 1, "lost+found", &entry) == 0);
	tag = front_submit(f, 0, FUSE_FORGET, entry.nodeid, &in, sizeof(in), NULL, 0, 0);
	CHECK(front_await(f, tag, 5000, NULL, NULL) == 0);
	CHECK(fuse_find(f, 1, "lost+found", &entry) == 0);
	return NULL;
}

/* The device may tell of it with another answer; but there is none. */
static const char *end_of_a_forget_is_told_at_last(struct front *f)
{
	const struct fuse_forget_in in = {.nlookup = 1};
	struct fuse_entry_out entry;
	int tag, i;

	for (i = 0; i < 40; i++) {
		CHECK(fuse_find(f, 1, "lost+found", &entry) == 0);
		was_called(f, 0, 0);
		want_call(f, 0, f->queue[0].next_used);
		tag = front_submit(f, 0, FUSE_FORGET, entry.nodeid, &in, sizeof(in), NULL, 0, 0);
		CHECK(was_called(f, 0, 5000));
		CHECK(front_await(f, tag, 0, NULL, NULL) == 0);
	}
	return NULL;
}

static const char *messages_are_acknowledged(struct front *f)
{
	const uint64_t odd = 1;

	CHECK(front_get(f, VHOST_GET_QUEUE_NUM) == FRONT_QUEUES);
	CHECK(front_acked(f, VHOST_SET_OWNER, NULL, 0, NULL, 0) == 0);
	CHECK(front_acked(f, 99, &odd, sizeof(odd), NULL, 0) == 1); /* there is none such */
	CHECK(front_set(f, VHOST_SET_VRING_ENABLE, 99, 1) == 1);
	CHECK(front_set(f, VHOST_SET_VRING_ENABLE, 1, 1) == 0);
	return NULL;
}

static const char *lock_is_waited_for(struct front *f)
{
	uint64_t node, fh, node_2, fh_2;
	struct front g;
	int tag;

	front_boot(&g, other, FRONT_EVENT_IDX);
	CHECK(fuse_make(f, "locked", &node, &fh) == 0);
	CHECK(fuse_make(&g, "locked", &node_2, &fh_2) == 0);
	CHECK(fuse_lock(f, FUSE_SETLK, node, fh, F_WRLCK) == 0);
	CHECK(fuse_lock(&g, FUSE_SETLK, node_2, fh_2, F_WRLCK) == -EAGAIN);
	tag = fuse_lock_submit(&g, node_2, fh_2, F_WRLCK);
	CHECK(front_await(&g, tag, 100, NULL, NULL) == 1);
	CHECK(fuse_lock(f, FUSE_SETLK, node, fh, F_UNLCK) == 0);
	CHECK(front_await(&g, tag, 5000, NULL, NULL) == 0);
	CHECK(fuse_lock(f, FUSE_SETLK, node, fh, F_WRLCK) == -EAGAIN);
	front_close(&g);
	return NULL;
}

/* With nothing indirect, a sixteenth of the queue's descriptors. */
static const char *waits_leave_room_in_the_queue(struct front *f)
{
	const unsigned int may = FRONT_SIZE / 4 - FRONT_SIZE / 16;
	uint64_t node, fh, node_2, fh_2;
	struct front g;
	unsigned int i;
	int tag = -1;

	front_boot(&g, other, FRONT_PLAIN);
	CHECK(fuse_make(f, "full", &node, &fh) == 0);
	CHECK(fuse_make(&g, "full", &node_2, &fh_2) == 0);
	CHECK(fuse_lock(f, FUSE_SETLK, node, fh, F_WRLCK) == 0);
	for (i = 0; i <= may; i++) {
		tag = fuse_lock_submit(&g, node_2, fh_2, F_WRLCK);
		CHECK(tag >= 0);
		CHECK(front_await(&g, tag, i < may ? 50 : 5000, NULL, NULL) ==
		      (i < may ? 1 : -ENOLCK));
		g.busy[tag] = false; /* its buffers are used again */
	}
	CHECK(fuse_lock(f, FUSE_SETLK, node, fh, F_UNLCK) == 0);
	front_close(&g);
	return NULL;
}

static const char *interrupt_ends_a_wait(struct front *f)
{
	struct fuse_interrupt_in in;
	uint64_t node, fh, node_2, fh_2;
	struct front g;
	int tag, urgent;

	front_boot(&g, other, FRONT_EVENT_IDX);
	CHECK(fuse_make(f, "held", &node, &fh) == 0);
	CHECK(fuse_make(&g, "held", &node_2, &fh_2) == 0);
	CHECK(fuse_lock(f, FUSE_SETLK, node, fh, F_WRLCK) == 0);
	tag = fuse_lock_submit(&g, node_2, fh_2, F_WRLCK);
	in.unique = g.unique;
	CHECK(front_await(&g, tag, 50, NULL, NULL) == 1);
	urgent = front_submit(&g, 0, FUSE_INTERRUPT, 0, &in, sizeof(in), NULL, 0, 0);
	CHECK(front_await(&g, urgent, 5000, NULL, NULL) == 0);
	CHECK(front_await(&g, tag, 5000, NULL, NULL) == -EINTR);
	front_close(&g);
	return NULL;
}

static const char *guest_that_goes_gives_everything_back(struct front *f)
{
	const struct fuse_open_in in = {.flags = O_RDWR};
	uint64_t node, fh, node_2, fh_2;
	struct fuse_entry_out entry;
	struct fuse_open_out open;
	struct front g;
	int tag;
	char byte;

	front_boot(&g, other, FRONT_EVENT_IDX);
	CHECK(fuse_make(&g, "dead", &node_2, &fh_2) == 0);
	CHECK(fuse_lock(&g, FUSE_SETLK, node_2, fh_2, F_WRLCK) == 0);
	CHECK(fuse_make(f, "dead", &node, &fh) == 0);
	tag = fuse_lock_submit(f, node, fh, F_WRLCK);
	CHECK(front_await(f, tag, 50, NULL, NULL) == 1);
	front_close(&g); /* as if it was killed */
	CHECK(front_await(f, tag, 5000, NULL, NULL) == 0);
	front_boot(&g, other, FRONT_EVENT_IDX);
	CHECK(fuse_find(&g, 1, "dead", &entry) == 0);
	CHECK(fuse_take(&g, entry.nodeid, fh_2, 0, &byte, 1) == -EBADF);
	CHECK(fuse_do(&g, FUSE_OPEN, entry.nodeid, &in, sizeof(in), &open, sizeof(open)) ==
	      sizeof(open));
	front_close(&g);
	return NULL;
}

/* A guest that was reset, and whose front end has not said so. */
static const char *second_init_drops_what_was_held(struct front *f)
{
	uint64_t node, fh, node_2, fh_2;
	struct fuse_init_out out;
	struct front g;
	char byte;

	front_boot(&g, other, FRONT_EVENT_IDX);
	CHECK(fuse_make(&g, "reset", &node_2, &fh_2) == 0);
	CHECK(fuse_lock(&g, FUSE_SETLK, node_2, fh_2, F_WRLCK) == 0);
	CHECK(fuse_start(&g, &out) == 0);
	CHECK(fuse_take(&g, node_2, fh_2, 0, &byte, 1) == -EBADF);
	CHECK(fuse_make(f, "reset", &node, &fh) == 0);
	CHECK(fuse_lock(f, FUSE_SETLK, node, fh, F_WRLCK) == 0);
	front_close(&g);
	return NULL;
}

static int get_base(struct front *f, unsigned int queue)
{
	struct vhost_vring_state state = {queue, 0};

	front_send(f, VHOST_GET_VRING_BASE, 0, &state, sizeof(state), NULL, 0);
	if (front_reply(f, VHOST_GET_VRING_BASE, &state, sizeof(state)) != sizeof(state))
		return -1;
	return (int)state.num;
}

/* As QEMU does when its user says stop, and cont. */
static const char *stopped_queues_go_on(struct front *f)
{
	uint64_t node, fh, node_2, fh_2;
	struct fuse_entry_out entry;
	struct front g;
	int tag, base;

	front_boot(&g, other, FRONT_EVENT_IDX);
	CHECK(fuse_make(f, "paused", &node, &fh) == 0);
	CHECK(fuse_make(&g, "paused", &node_2, &fh_2) == 0);
	CHECK(fuse_lock(f, FUSE_SETLK, node, fh, F_WRLCK) == 0);
	tag = fuse_lock_submit(&g, node_2, fh_2, F_WRLCK);
	CHECK(front_await(&g, tag, 50, NULL, NULL) == 1);
	base = get_base(&g, 1);
	CHECK(base == g.queue[1].next_avail);
	CHECK(fuse_lock(f, FUSE_SETLK, node, fh, F_UNLCK) == 0); /* granted while it is stopped */
	CHECK(front_await(&g, tag, 200, NULL, NULL) == 1);       /* nobody touches the ring */
	front_start_queue(&g, 1, (unsigned int)base);
	CHECK(front_await(&g, tag, 5000, NULL, NULL) == 0);
	CHECK(fuse_find(&g, 1, "paused", &entry) == 0);
	front_close(&g);
	return NULL;
}

/* As UML resets a device: disabled, and rings that are new. */
static const char *disabled_queue_begins_anew(struct front *f)
{
	struct fuse_entry_out entry;
	int tag;

	CHECK(front_set(f, VHOST_SET_VRING_ENABLE, 1, 0) == 0);
	tag = front_submit(f, 1, FUSE_LOOKUP, 1, "lost+found", 11, NULL, 0,
			   16 + sizeof(struct fuse_entry_out));
	front_kick_always(f, 1);
	CHECK(front_await(f, tag, 100, NULL, NULL) == 1);
	f->busy[tag] = false;
	front_start_queue(f, 1, 0);
	CHECK(fuse_find(f, 1, "lost+found", &entry) == 0);
	return NULL;
}

static const char *memory_may_be_mapped_anew(struct front *f)
{
	struct fuse_entry_out entry;
	struct vhost_table table;
	int fds[2], i;

	front_table(f, &table, fds);
	for (i = 0; i < 20; i++) {
		CHECK(front_acked(f, VHOST_SET_MEM_TABLE, &table, 8 + 2 * 32, fds, 2) == 0);
		CHECK(fuse_find(f, 1, "lost+found", &entry) == 0);
	}
	return NULL;
}

static const char *second_connection_is_refused(struct front *f)
{
	struct fuse_entry_out entry;
	struct front g;

	front_open(&g, path);
	CHECK(front_is_cut(&g, 5000));
	front_close(&g);
	CHECK(fuse_find(f, 1, "lost+found", &entry) == 0);
	return NULL;
}

/* What a back end that has died had taken, no other one knows. */
static const char *base_of_a_strange_queue_is_not_told(struct front *f)
{
	struct vhost_vring_state state = {1, 0};
	struct fuse_entry_out entry;
	struct front g;

	front_open(&g, other);
	front_send(&g, VHOST_GET_VRING_BASE, 0, &state, sizeof(state), NULL, 0);
	CHECK(front_is_cut(&g, 5000));
	front_close(&g);
	CHECK(fuse_find(f, 1, "lost+found", &entry) == 0);
	return NULL;
}

static const char *too_little_room_is_an_error(struct front *f)
{
	struct fuse_entry_out entry;

	CHECK(fuse_do(f, FUSE_LOOKUP, 1, "lost+found", 11, &entry, 20) == -EIO);
	CHECK(fuse_find(f, 1, "lost+found", &entry) == 0);
	return NULL;
}

static const char *kicks_and_calls_by_message(struct front *f)
{
	struct fuse_entry_out entry;

	CHECK(f->calls == 1);   /* of FUSE_INIT */
	CHECK(becomes_idle(f)); /* else it may find the request without a kick */
	want_call(f, 1, f->queue[1].next_used);
	CHECK(fuse_find(f, 1, "lost+found", &entry) == 0);
	CHECK(f->calls == 2); /* it was answered before the kick was acknowledged */
	return NULL;
}

static void with(unsigned int how, const char *name, const char *(*test)(struct front *), bool bare)
{
	struct front f;

	if (bare)
		front_boot_bare(&f, path, how);
	else
		front_boot(&f, path, how);
	front_result(name, test(&f));
	front_close(&f);
}

#define RUN(how, name) with(how, #name, name, false)

int main(int argc, char **argv)
{
	const unsigned int both = FRONT_EVENT_IDX | FRONT_INDIRECT;

	if (argc < 3)
		return 2;
	path = argv[1];
	other = argv[2];
	with(both, "init_is_answered", init_is_answered, true);
	RUN(both, config_is_read);
	with(FRONT_PLAIN, "data_comes_back_plain", data_comes_back, false);
	with(FRONT_INDIRECT, "data_comes_back_indirect", data_comes_back, false);
	with(both, "data_comes_back", data_comes_back, false);
	RUN(both, longest_requests_come_back);
	with(FRONT_PLAIN, "longest_requests_come_back_plain", longest_requests_come_back, false);
	RUN(both, others_see_what_was_written);
	with(FRONT_PLAIN, "many_requests_one_kick_plain", many_requests_are_answered_after_one_kick,
	     false);
	RUN(both, many_requests_are_answered_after_one_kick);
	with(FRONT_PLAIN, "kick_is_asked_for_when_idle_plain", kick_is_asked_for_when_idle, false);
	RUN(both, kick_is_asked_for_when_idle);
	RUN(both, event_index_suppresses_calls);
	RUN(FRONT_PLAIN, flag_suppresses_calls);
	RUN(both, forget_on_the_urgent_queue_ends);
	RUN(both, end_of_a_forget_is_told_at_last);
	RUN(both, idle_device_leaves_the_processor_alone);
	RUN(both, messages_are_acknowledged);
	RUN(both, lock_is_waited_for);
	RUN(both, waits_leave_room_in_the_queue);
	RUN(both, interrupt_ends_a_wait);
	RUN(both, guest_that_goes_gives_everything_back);
	RUN(both, second_init_drops_what_was_held);
	RUN(both, stopped_queues_go_on);
	RUN(both, disabled_queue_begins_anew);
	RUN(both, memory_may_be_mapped_anew);
	RUN(both, second_connection_is_refused);
	RUN(both, base_of_a_strange_queue_is_not_told);
	RUN(both, too_little_room_is_an_error);
	if (argc > 3) {
		RUN(FRONT_PLAIN, call_that_is_not_read_comes_again);
		RUN(FRONT_PLAIN, call_by_eventfd_comes_once);
		path = argv[3];
		RUN(both | FRONT_IN_BAND, kicks_and_calls_by_message);
	}
	return front_failed;
}
