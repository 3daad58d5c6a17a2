// SPDX-License-Identifier: BSD-2-Clause
/* A scripted vhost-user-fs guest (vhost_front.h). */
#define _GNU_SOURCE
#include "vhost_front.h"

#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define REPLY_MS 5000
#define RING_BYTES 8192u /* at the start of the first region, one for each queue */
#define BUFFERS                                                                                    \
	0x10000u      /* where buffers begin in the first region; the others are in the second     \
		       */
#define TABLE 0x8000u /* indirect tables */
#define PIECES 8u

int front_failed;

void front_result(const char *name, const char *why)
{
	if (why)
		printf("FAIL %s: %s\n", name, why);
	else
		printf("PASS %s\n", name);
	fflush(stdout);
	front_failed |= why != NULL;
}

static void die(const char *what)
{
	printf("FAIL front_end: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* ---- messages */
void front_open(struct front *f, const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	unsigned int i;

	memset(f, 0, sizeof(*f));
	f->channel = -1;
	f->unique = 2;
	strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
	f->sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (f->sock < 0 || connect(f->sock, (struct sockaddr *)&address, sizeof(address)) < 0)
		die(path);
	f->memfd = memfd_create("guest", MFD_CLOEXEC);
	if (f->memfd < 0 || ftruncate(f->memfd, FRONT_FILE) < 0)
		die("memfd");
	f->file = mmap(NULL, FRONT_FILE, PROT_READ | PROT_WRITE, MAP_SHARED, f->memfd, 0);
	if (f->file == MAP_FAILED)
		die("mmap");
	for (i = 0; i < FRONT_QUEUES; i++) {
		f->queue[i].kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		f->queue[i].call = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	}
}

void front_close(struct front *f)
{
	unsigned int i;

	close(f->sock);
	if (f->channel >= 0)
		close(f->channel);
	munmap(f->file, FRONT_FILE);
	close(f->memfd);
	for (i = 0; i < FRONT_QUEUES; i++) {
		close(f->queue[i].kick);
		close(f->queue[i].call);
	}
}

void front_send(struct front *f, uint32_t request, uint32_t flags, const void *payload,
		uint32_t size, const int *fds, unsigned int nfds)
{
	struct vhost_header header = {request, VHOST_FLAG_VERSION | flags, size};
	struct iovec iov[2] = {{&header, sizeof(header)}, {(void *)(uintptr_t)payload, size}};
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int) * 32)];
	} control;
	struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 2};
	struct cmsghdr *c;

	if (nfds) {
		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * nfds);
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * nfds);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * nfds);
	}
	if (sendmsg(f->sock, &msg, MSG_NOSIGNAL) < 0 && errno != EPIPE && errno != ECONNRESET)
		die("sendmsg");
}

/* Exactly len bytes within the time; false: not so many came. */
static bool receive(int fd, void *to, size_t len, int ms)
{
	struct pollfd pollfd = {.fd = fd, .events = POLLIN};
	size_t got = 0;
	ssize_t n;

	while (got < len) {
		if (poll(&pollfd, 1, ms) <= 0)
			return false;
		n = recv(fd, (char *)to + got, len - got, 0);
		if (n <= 0)
			return false;
		got += (size_t)n;
	}
	return true;
}

/* As UML does in virtual time, calls are taken and answered while an answer is awaited. */
static void take_calls(struct front *f)
{
	struct pollfd pollfd[2] = {{.fd = f->sock, .events = POLLIN},
				   {.fd = f->channel, .events = POLLIN}};
	struct {
		struct vhost_header header;
		struct vhost_vring_state state;
	} call;
	struct {
		struct vhost_header header;
		uint64_t number;
	} __attribute__((packed)) answer;

	while (poll(pollfd, 2, REPLY_MS) > 0 && !pollfd[0].revents) {
		if (!receive(f->channel, &call, sizeof(call), REPLY_MS) ||
		    call.header.request != VHOST_BACKEND_VRING_CALL)
			die("the channel brings no call");
		f->calls += call.state.index == 1;
		if (!(call.header.flags & VHOST_FLAG_NEED_REPLY))
			continue;
		answer.header = (struct vhost_header){VHOST_BACKEND_VRING_CALL,
						      VHOST_FLAG_VERSION | VHOST_FLAG_REPLY, 8};
		answer.number = 0;
		if (send(f->channel, &answer, sizeof(answer), MSG_NOSIGNAL) != sizeof(answer))
			die("a call cannot be answered");
	}
}

int front_reply(struct front *f, uint32_t request, void *payload, uint32_t size)
{
	struct vhost_header header;

	if (f->channel >= 0)
		take_calls(f);
	if (!receive(f->sock, &header, sizeof(header), REPLY_MS) || header.request != request ||
	    header.flags != (VHOST_FLAG_VERSION | VHOST_FLAG_REPLY) || header.size > size ||
	    !receive(f->sock, payload, header.size, REPLY_MS))
		return -1;
	return (int)header.size;
}

int front_acked(struct front *f, uint32_t request, const void *payload, uint32_t size,
		const int *fds, unsigned int nfds)
{
	uint64_t status;

	front_send(f, request, VHOST_FLAG_NEED_REPLY, payload, size, fds, nfds);
	if (front_reply(f, request, &status, sizeof(status)) != sizeof(status))
		return -1;
	return status ? 1 : 0;
}

int front_set(struct front *f, uint32_t request, unsigned int index, unsigned int num)
{
	const struct vhost_vring_state state = {index, num};

	return front_acked(f, request, &state, sizeof(state), NULL, 0);
}

uint64_t front_get(struct front *f, uint32_t request)
{
	uint64_t number = 0;

	front_send(f, request, 0, NULL, 0, NULL, 0);
	if (front_reply(f, request, &number, sizeof(number)) != sizeof(number))
		return UINT64_MAX;
	return number;
}

bool front_is_cut(struct front *f, int ms)
{
	struct pollfd pollfd = {.fd = f->sock, .events = POLLIN};
	char bytes[256];

	while (poll(&pollfd, 1, ms) > 0)
		if (recv(f->sock, bytes, sizeof(bytes), MSG_DONTWAIT) <= 0)
			return true;
	return false;
}

/* ---- booting */
void front_table(struct front *f, struct vhost_table *table, int *fds)
{
	memset(table, 0, sizeof(*table));
	table->nregions = 2;
	table->region[0] =
		(struct vhost_region){FRONT_GUEST, FRONT_REGION, FRONT_USER, FRONT_OFFSET};
	table->region[1] = (struct vhost_region){FRONT_GUEST_2, FRONT_REGION, FRONT_USER_2,
						 FRONT_OFFSET + FRONT_REGION};
	fds[0] = fds[1] = f->memfd;
}

void front_ring_addr(unsigned int queue, struct vhost_vring_addr *addr)
{
	const uint64_t at = FRONT_USER + queue * RING_BYTES;

	*addr = (struct vhost_vring_addr){.index = queue,
					  .desc_user_addr = at,
					  .avail_user_addr = at + 2048,
					  .used_user_addr = at + 4096};
}

void front_start_queue(struct front *f, unsigned int i, unsigned int base)
{
	struct front_queue *q = &f->queue[i];
	uint8_t *at = f->file + FRONT_OFFSET + i * RING_BYTES;
	struct vhost_vring_addr addr;
	uint64_t number = i;

	if (!base)
		memset(at, 0, RING_BYTES);
	q->desc = (void *)at;
	q->avail = (void *)(at + 2048);
	q->used = (void *)(at + 4096);
	q->next_avail = (uint16_t)base;
	q->next_used = q->used->idx;
	front_ring_addr(i, &addr);
	if (front_set(f, VHOST_SET_VRING_NUM, i, FRONT_SIZE) ||
	    front_set(f, VHOST_SET_VRING_BASE, i, base) ||
	    front_acked(f, VHOST_SET_VRING_ADDR, &addr, sizeof(addr), NULL, 0))
		die("a queue is refused");
	if (!(f->protocol >> VHOST_PROTOCOL_F_INBAND_NOTIFICATIONS & 1) &&
	    (front_acked(f, VHOST_SET_VRING_CALL, &number, sizeof(number), &q->call, 1) ||
	     front_acked(f, VHOST_SET_VRING_KICK, &number, sizeof(number), &q->kick, 1)))
		die("a queue's eventfd is refused");
	if (front_set(f, VHOST_SET_VRING_ENABLE, i, 1))
		die("a queue cannot be enabled");
}

static void open_channel(struct front *f)
{
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		die("socketpair");
	if (front_acked(f, VHOST_SET_BACKEND_REQ_FD, NULL, 0, &fds[1], 1))
		die("the channel is refused");
	close(fds[1]);
	f->channel = fds[0];
}

void front_boot_bare(struct front *f, const char *path, unsigned int how)
{
	struct vhost_table table;
	unsigned int i;
	int fds[2];

	front_open(f, path);
	front_send(f, VHOST_SET_OWNER, 0, NULL, 0, NULL, 0);
	f->features = 1ull << VIRTIO_F_VERSION_1 | 1ull << VHOST_F_PROTOCOL_FEATURES;
	if (how & FRONT_EVENT_IDX)
		f->features |= 1ull << VIRTIO_RING_F_EVENT_IDX;
	if (how & FRONT_INDIRECT)
		f->features |= 1ull << VIRTIO_RING_F_INDIRECT_DESC;
	f->protocol = 1ull << VHOST_PROTOCOL_F_REPLY_ACK | 1ull << VHOST_PROTOCOL_F_CONFIG |
		      1ull << VHOST_PROTOCOL_F_MQ | 1ull << VHOST_PROTOCOL_F_BACKEND_REQ;
	if (how & FRONT_IN_BAND)
		f->protocol |= 1ull << VHOST_PROTOCOL_F_INBAND_NOTIFICATIONS;
	if ((front_get(f, VHOST_GET_FEATURES) & f->features) != f->features ||
	    (front_get(f, VHOST_GET_PROTOCOL_FEATURES) & f->protocol) != f->protocol)
		die("a feature is missing");
	if (front_acked(f, VHOST_SET_PROTOCOL_FEATURES, &f->protocol, 8, NULL, 0) ||
	    front_acked(f, VHOST_SET_FEATURES, &f->features, 8, NULL, 0))
		die("features are refused");
	if (how & FRONT_IN_BAND)
		open_channel(f);
	front_table(f, &table, fds);
	if (front_acked(f, VHOST_SET_MEM_TABLE, &table, 8 + 2 * 32, fds, 2))
		die("the memory is refused");
	for (i = 0; i < FRONT_QUEUES; i++)
		front_start_queue(f, i, 0);
}

void front_boot(struct front *f, const char *path, unsigned int how)
{
	struct fuse_init_out out;

	front_boot_bare(f, path, how);
	errno = 0;
	if (fuse_start(f, &out))
		die("FUSE_INIT is not answered");
}

/* ---- requests */
/* In-buffers are in the first region, out-buffers in the second. */
uint64_t front_in_addr(unsigned int tag)
{
	return FRONT_GUEST + BUFFERS + tag * FRONT_BUFFER;
}

uint64_t front_out_addr(unsigned int tag)
{
	return FRONT_GUEST_2 + tag * FRONT_BUFFER;
}

uint8_t *front_at(struct front *f, uint64_t guest)
{
	if (guest >= FRONT_GUEST_2)
		return f->file + FRONT_OFFSET + FRONT_REGION + (guest - FRONT_GUEST_2);
	return f->file + FRONT_OFFSET + (guest - FRONT_GUEST);
}

void front_post(struct front *f, unsigned int queue, uint16_t head)
{
	struct front_queue *q = &f->queue[queue];

	q->avail->ring[q->next_avail % FRONT_SIZE] = head;
	q->next_avail++;
	__atomic_store_n(&q->avail->idx, q->next_avail, __ATOMIC_SEQ_CST);
}

void front_kick_always(struct front *f, unsigned int queue)
{
	f->queue[queue].kicks++;
	if (f->protocol >> VHOST_PROTOCOL_F_INBAND_NOTIFICATIONS & 1) {
		if (front_set(f, VHOST_VRING_KICK, queue, 0))
			die("a kick is not acknowledged");
	} else if (eventfd_write(f->queue[queue].kick, 1) < 0) {
		die("kick");
	}
}

void front_kick(struct front *f, unsigned int queue)
{
	struct front_queue *q = &f->queue[queue];
	uint16_t event;

	if (f->quiet)
		return;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (f->features >> VIRTIO_RING_F_EVENT_IDX & 1) {
		event = *(volatile uint16_t *)(void *)&q->used->ring[FRONT_SIZE];
		/* one request at a time is posted between two calls of this */
		if (!vring_need_event(event, q->next_avail, (uint16_t)(q->next_avail - 1)))
			return;
	} else if (*(volatile __virtio16 *)&q->used->flags & VRING_USED_F_NO_NOTIFY) {
		return;
	}
	front_kick_always(f, queue);
}

static int free_tag(struct front *f)
{
	unsigned int i;

	for (i = 0; i < FRONT_TAGS; i++)
		if (!f->busy[i])
			return (int)i;
	return -1;
}

static unsigned int add_pieces(struct vring_desc *desc, unsigned int n, uint64_t addr, uint32_t len,
			       unsigned int pieces, uint16_t flags)
{
	uint32_t part;

	for (; len > 0; addr += part, len -= part) {
		part = pieces > 1 && len > 16 ? (n ? len / 2 : 40) : len;
		if (part > len)
			part = len;
		pieces--;
		desc[n++] = (struct vring_desc){addr, part, flags, 0};
	}
	return n;
}

int front_submit(struct front *f, unsigned int queue, uint32_t opcode, uint64_t node,
		 const void *args, uint32_t args_len, const void *data, uint32_t data_len,
		 uint32_t room)
{
	const int tag = free_tag(f);
	const bool indirect = f->features >> VIRTIO_RING_F_INDIRECT_DESC & 1;
	struct front_queue *q = &f->queue[queue];
	struct fuse_in_header *head;
	struct vring_desc desc[PIECES + 2];
	uint16_t first;
	unsigned int n, i;

	if (tag < 0)
		return -1;
	head = (void *)front_at(f, front_in_addr((unsigned int)tag));
	memset(head, 0, sizeof(*head));
	head->len = (uint32_t)sizeof(*head) + args_len + data_len;
	head->opcode = opcode;
	head->unique = f->unique += 2;
	head->nodeid = node;
	if (args_len)
		memcpy(head + 1, args, args_len);
	if (data_len)
		memcpy((uint8_t *)(head + 1) + args_len, data, data_len);
	n = add_pieces(desc, 0, front_in_addr((unsigned int)tag), head->len, PIECES / 2, 0);
	n = add_pieces(desc, n, front_out_addr((unsigned int)tag), room, PIECES / 2,
		       VRING_DESC_F_WRITE);
	/* each tag has its own ten descriptors */
	first = (uint16_t)(indirect ? 0 : tag * (int)(PIECES + 2));
	for (i = 0; i + 1 < n; i++) {
		desc[i].flags |= VRING_DESC_F_NEXT;
		desc[i].next = (uint16_t)(first + i + 1);
	}
	f->busy[tag] = true;
	if (indirect) {
		const uint64_t at = FRONT_GUEST + TABLE + (unsigned int)tag * 512u;

		memcpy(front_at(f, at), desc, n * sizeof(desc[0]));
		first = (uint16_t)tag;
		q->desc[first] = (struct vring_desc){at, n * (uint32_t)sizeof(desc[0]),
						     VRING_DESC_F_INDIRECT, 0};
	} else {
		memcpy(&q->desc[first], desc, n * sizeof(desc[0]));
	}
	front_post(f, queue, first);
	front_kick(f, queue);
	return tag;
}

void front_reap(struct front *f, unsigned int queue)
{
	const bool indirect = f->features >> VIRTIO_RING_F_INDIRECT_DESC & 1;
	struct front_queue *q = &f->queue[queue];

	while (q->next_used != __atomic_load_n(&q->used->idx, __ATOMIC_ACQUIRE)) {
		const struct vring_used_elem *e = &q->used->ring[q->next_used % FRONT_SIZE];
		const uint32_t tag = indirect ? e->id : e->id / (PIECES + 2);

		if (tag >= FRONT_TAGS || !f->busy[tag])
			die("the used ring names no request");
		f->busy[tag] = false;
		f->used_len[tag] = e->len;
		q->next_used++;
	}
}

int front_await(struct front *f, int tag, int ms, void *body, uint32_t *len)
{
	const struct fuse_out_header *head;
	struct timespec now, until;

	if (tag < 0)
		return 1;
	head = (const void *)front_at(f, front_out_addr((unsigned int)tag));
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += ms / 1000;
	until.tv_nsec += ms % 1000 * 1000000L;
	for (;;) {
		front_reap(f, 0);
		front_reap(f, 1);
		if (!f->busy[tag])
			break;
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (now.tv_sec > until.tv_sec ||
		    (now.tv_sec == until.tv_sec && now.tv_nsec > until.tv_nsec))
			return 1;
		usleep(200);
	}
	if (!f->used_len[tag]) { /* no reply, as of FORGET */
		if (len)
			*len = 0;
		return 0;
	}
	if (f->used_len[tag] < sizeof(*head) || head->len != f->used_len[tag])
		return 1;
	if (len) {
		const uint32_t got = head->len - (uint32_t)sizeof(*head);

		if (body)
			memcpy(body, head + 1, got < *len ? got : *len);
		*len = got;
	}
	return head->error;
}

/* ---- FUSE */
static int fuse_do_data(struct front *f, uint32_t opcode, uint64_t node, const void *args,
			uint32_t args_len, const void *data, uint32_t data_len, void *out,
			uint32_t out_len)
{
	uint32_t len = out_len;
	int tag = front_submit(f, 1, opcode, node, args, args_len, data, data_len,
			       (uint32_t)sizeof(struct fuse_out_header) + out_len);
	int err = front_await(f, tag, REPLY_MS, out, &len);

	return err ? err : len <= out_len ? (int)len : -EOVERFLOW;
}

int fuse_do(struct front *f, uint32_t opcode, uint64_t node, const void *args, uint32_t args_len,
	    void *out, uint32_t out_len)
{
	return fuse_do_data(f, opcode, node, args, args_len, NULL, 0, out, out_len);
}

/* Whether exactly as much came as was expected: 0, a negative errno, or 1. */
static int whole(int got, size_t want)
{
	return got < 0 ? got : got == (int)want ? 0 : 1;
}

int fuse_start(struct front *f, struct fuse_init_out *out)
{
	const struct fuse_init_in in = {.major = 7,
					.minor = 36,
					.max_readahead = 131072,
					.flags = FUSE_ASYNC_READ | FUSE_POSIX_LOCKS |
						 FUSE_BIG_WRITES | FUSE_MAX_PAGES};

	return whole(fuse_do(f, FUSE_INIT, 0, &in, sizeof(in), out, sizeof(*out)), sizeof(*out));
}

int fuse_find(struct front *f, uint64_t dir, const char *name, struct fuse_entry_out *out)
{
	return whole(
		fuse_do(f, FUSE_LOOKUP, dir, name, (uint32_t)strlen(name) + 1, out, sizeof(*out)),
		sizeof(*out));
}

int fuse_make(struct front *f, const char *name, uint64_t *node, uint64_t *fh)
{
	const struct fuse_create_in in = {.flags = 2, .mode = 0100644};
	struct {
		struct fuse_entry_out entry;
		struct fuse_open_out open;
	} out;
	int err = whole(fuse_do_data(f, FUSE_CREATE, 1, &in, sizeof(in), name,
				     (uint32_t)strlen(name) + 1, &out, sizeof(out)),
			sizeof(out));

	*node = out.entry.nodeid;
	*fh = out.open.fh;
	return err;
}

int fuse_put(struct front *f, uint64_t node, uint64_t fh, uint64_t pos, const void *data,
	     uint32_t len)
{
	const struct fuse_write_in in = {.fh = fh, .offset = pos, .size = len};
	struct fuse_write_out out;
	int err = whole(
		fuse_do_data(f, FUSE_WRITE, node, &in, sizeof(in), data, len, &out, sizeof(out)),
		sizeof(out));

	return err ? err : out.size == len ? 0 : 1;
}

int fuse_take(struct front *f, uint64_t node, uint64_t fh, uint64_t pos, void *data, uint32_t len)
{
	const struct fuse_read_in in = {.fh = fh, .offset = pos, .size = len};

	return whole(fuse_do(f, FUSE_READ, node, &in, sizeof(in), data, len), len);
}

static struct fuse_lk_in lock_in(uint64_t fh, uint32_t type)
{
	return (struct fuse_lk_in){
		.fh = fh, .owner = 77, .lk = {.start = 0, .end = 99, .type = type, .pid = 1}};
}

int fuse_lock(struct front *f, uint32_t opcode, uint64_t node, uint64_t fh, uint32_t type)
{
	const struct fuse_lk_in in = lock_in(fh, type);

	return whole(fuse_do(f, opcode, node, &in, sizeof(in), NULL, 0), 0);
}

int fuse_lock_submit(struct front *f, uint64_t node, uint64_t fh, uint32_t type)
{
	const struct fuse_lk_in in = lock_in(fh, type);

	return front_submit(f, 1, FUSE_SETLKW, node, &in, sizeof(in), NULL, 0,
			    sizeof(struct fuse_out_header));
}
