/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A hostile guest of `mpdisk vhost-fs`: its memory with rings, descriptors and FUSE requests, and
 * its vhost-user messages. The device is the host driver's own, with this thread in the place of
 * its threads; the guest's memory and socket are real ones.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "host-driver/cli/report.h"
#include "host-driver/vhost/fs_pool.h"
#include "tests/fuzz/control.h"
#include "tests/fuzz/raw_host.h"
#include "tests/fuzz/world.h"

/* What a record does, by its kind: most are REC_OP, some SET16 and SET32. */
enum { DO_QUARREL, DO_BUILD, DO_MEMORY, DO_SHAPE, DO_TURN, DO_MESSAGE, DO_REQUEST, DO_EVENT };

#define POOL_SIZE (8u << 20)

/* The guest's memory: two regions in a row and, beside them, one that is alone. */
#define MEMORY 0x100000u
#define SPLIT 0x30000u
#define LAST 0x80000u
#define GUEST 0x40000000ull /* the guest's address of its first byte */
#define USER 0x7000000000ull

#define QUEUES 2u
#define RING_SIZE 16u
#define RING(queue) ((queue)*0x1000u)
#define AVAIL 0x200u
#define USED 0x400u
#define TAGS 8u
#define TABLE(tag) (0x4000u + (tag)*0x400u)
#define IN(tag) (0x10000u + (tag)*0x4000u)  /* requests */
#define OUT(tag) (0x40000u + (tag)*0x4000u) /* room for their replies */
#define LONG_LEN 300000u                    /* of the region that is alone */

struct sent {
	struct fuse_in_header in;
	u64 first; /* word behind it */
	bool under_way;
};

static struct {
	int memfd, sock;
	struct vhost *vhost;
	struct fs_pool *fs;
	struct raw_host host; /* makes requests */
	u16 avail[QUEUES], seen[QUEUES];
	struct sent sent[TAGS];
	u32 pieces, out_len;
	bool direct; /* no indirect tables */
} g;

static struct exec *thread;

/* ---- what the device needs of its process */
int mpdisk_executor(struct mpdisk *disk, struct exec *x)
{
	(void)disk;
	thread = x;
	return exec_join(&world.pool, world.plat, 1, x);
}

struct session *mpdisk_session(struct mpdisk *disk)
{
	(void)disk;
	return &pool_host(&world.pool, 1)->session;
}

u32 mpdisk_host(const struct mpdisk *disk)
{
	(void)disk;
	return 1;
}

struct pool *mpdisk_pool(struct mpdisk *disk)
{
	(void)disk;
	return &world.pool;
}

void report(int priority, const char *format, ...)
{
	va_list args;

	(void)priority;
	if (!world_verbose())
		return;
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
}

const char *error_text(int error)
{
	return strerror(error < 0 ? -error : error);
}

/* ---- the guest's memory: by its file, which may have been cut off */
static void put(u32 at, const void *bytes, u32 len)
{
	if (at > MEMORY - len || pwrite(g.memfd, bytes, len, at) != (ssize_t)len)
		world_fail("the guest cannot write its memory");
}

static void get(u32 at, void *bytes, u32 len)
{
	memset(bytes, 0, len);
	if (at <= MEMORY - len && pread(g.memfd, bytes, len, at) < 0)
		world_fail("the guest cannot read its memory");
}

/* ---- messages */
static const struct vhost_table table = {.nregions = 3,
					 .region = {{GUEST, SPLIT, USER, 0},
						    {GUEST + SPLIT, LAST - SPLIT, 2 * USER, SPLIT},
						    {8 * GUEST, MEMORY - LAST, 3 * USER, LAST}}};

static void send_message(u32 request, const void *payload, u32 size, const int *fds, u32 nfds)
{
	struct vhost_header header = {request, VHOST_FLAG_VERSION, size};
	struct iovec iov[2] = {{&header, sizeof(header)}, {(void *)(uintptr_t)payload, size}};
	_Alignas(struct cmsghdr) char space[CMSG_SPACE(sizeof(int) * VHOST_REGIONS_MAX)] = {0};
	struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 2};
	u8 drain[512];

	if (nfds) {
		struct cmsghdr *c = (void *)space;

		msg.msg_control = space;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * nfds);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * nfds);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * nfds);
	}
	if (sendmsg(g.sock, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		return;
	control_take(g.vhost);
	while (recv(g.sock, drain, sizeof(drain), MSG_DONTWAIT) > 0)
		;
}

static void send_number(u32 request, u64 number, bool with_fd)
{
	int fd = with_fd ? eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) : -1;

	send_message(request, &number, sizeof(number), &fd, with_fd);
	if (with_fd)
		close(fd);
}

static void send_state(u32 request, u32 index, u32 num)
{
	const struct vhost_vring_state state = {index, num};

	send_message(request, &state, sizeof(state), NULL, 0);
}

static void start_queue(u32 i)
{
	const struct vhost_vring_addr addr = {.index = i,
					      .desc_user_addr = USER + RING(i),
					      .avail_user_addr = USER + RING(i) + AVAIL,
					      .used_user_addr = USER + RING(i) + USED};

	send_state(VHOST_SET_VRING_NUM, i, RING_SIZE);
	send_state(VHOST_SET_VRING_BASE, i, g.avail[i]);
	send_message(VHOST_SET_VRING_ADDR, &addr, sizeof(addr), NULL, 0);
	send_number(VHOST_SET_VRING_CALL, i, true);
	send_number(VHOST_SET_VRING_KICK, i, true);
	send_state(VHOST_SET_VRING_ENABLE, i, 1);
}

static void begin_guest(u32 flags)
{
	const int fds[] = {g.memfd, g.memfd, g.memfd};
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0 ||
	    ftruncate(g.memfd, 0) < 0 || ftruncate(g.memfd, MEMORY) < 0)
		world_fail("no guest");
	g.sock = pair[0];
	control_connect(g.vhost, pair[1]);
	memset(g.avail, 0, sizeof(g.avail));
	memset(g.seen, 0, sizeof(g.seen));
	memset(g.sent, 0, sizeof(g.sent));
	send_message(VHOST_SET_OWNER, NULL, 0, NULL, 0);
	send_number(VHOST_SET_FEATURES, control_features(flags), false);
	send_number(VHOST_SET_PROTOCOL_FEATURES, control_protocol_features(), false);
	send_message(VHOST_SET_MEM_TABLE, &table,
		     offsetof(struct vhost_table, region) + 3 * sizeof(struct vhost_region), fds,
		     3);
	for (u32 i = 0; i < QUEUES; i++)
		start_queue(i);
}

/* The control thread ends the guest, since it is to stop. */
static void end_guest(void)
{
	int stop = eventfd(1, EFD_CLOEXEC);

	if (stop < 0 || vhost_run(g.vhost, stop))
		world_fail("the guest cannot be ended");
	close(stop);
	close(g.sock);
}

/* ---- requests */
static u64 address(u32 at)
{
	return at < LAST ? GUEST + at : 8 * GUEST + at - LAST;
}

static u32 add_piece(struct vring_desc *desc, u32 n, u32 at, u32 len, u16 flags)
{
	desc[n] = (struct vring_desc){address(at), len, (u16)(flags | VRING_DESC_F_NEXT),
				      (u16)(n + 1)};
	return n + 1;
}

/* In so many pieces; the first ones are odd. */
static u32 add_pieces(struct vring_desc *desc, u32 n, u32 at, u32 len, u16 flags)
{
	u32 part;

	for (u32 i = 0; len; i++, at += part, len -= part) {
		part = i + 1 < g.pieces ? min_of(len, 40 + i * 13) : len;
		n = add_piece(desc, n, at, part, flags);
	}
	return n;
}

static void post(u32 queue, u32 tag, u32 in_at, u32 in_len, u32 out_at, u32 out_len)
{
	struct vring_desc desc[RING_SIZE] = {0};
	u16 head = (u16)(tag * 2), index = g.avail[queue]++;
	u32 n;

	n = add_pieces(desc, 0, in_at, in_len, 0);
	n = add_pieces(desc, n, out_at, out_len, VRING_DESC_F_WRITE);
	desc[n - 1].flags &= (u16)~VRING_DESC_F_NEXT;
	if (g.direct) { /* all of the ring's own table */
		put(RING(queue), desc, sizeof(desc));
		head = 0;
	} else {
		put(TABLE(tag), desc, sizeof(desc));
		desc[0] = (struct vring_desc){address(TABLE(tag)), n * (u32)sizeof(desc[0]),
					      VRING_DESC_F_INDIRECT, 0};
		put(RING(queue) + head * (u32)sizeof(desc[0]), desc, sizeof(desc[0]));
	}
	put(RING(queue) + AVAIL + 4 + index % RING_SIZE * 2, &head, 2);
	index++;
	put(RING(queue) + AVAIL + 2, &index, 2);
}

/* READ and WRITE of more than the filesystem does at once. */
static void make_long(struct fuse_in_header *in, u32 *in_len, u32 *out_at, u32 *out_len)
{
	u32 *size = (u32 *)((u8 *)(in + 1) + 16);

	if (in->opcode == FUSE_READ) {
		*size = *out_len = LONG_LEN;
		*out_at = LAST;
	} else if (in->opcode == FUSE_WRITE) {
		*size = LONG_LEN;
		*in_len = in->len = (u32)(sizeof(*in) + sizeof(struct fuse_write_in)) + LONG_LEN;
	}
}

static void build(const struct record *r)
{
	const u32 tag = (r->at >> 13 ^ r->value >> 16) & 7, queue = r->value >> 29 & 1;
	const struct port_cell *cell = raw_cell(&g.host, tag);
	u32 in_at = IN(tag), in_len, out_at = OUT(tag), out_len = g.out_len;
	struct sent *sent = &g.sent[tag];
	u8 message[PORT_CELL_INLINE + 8];

	raw_build(&g.host, tag, r->where, r->at & 0xFFF, r->value);
	memcpy(message, cell->message, cell->inline_len);
	in_len = cell->message_len;
	if (r->where >= 4 * RAW_KINDS)
		make_long((void *)message, &in_len, &out_at, &out_len);
	if (in_len > 0x4000)
		in_at = LAST;
	memcpy(&sent->in, message, sizeof(sent->in));
	memcpy(&sent->first, message + sizeof(sent->in), sizeof(sent->first));
	sent->under_way = true;
	put(in_at, message, cell->inline_len);
	post(queue, tag, in_at, in_len, out_at, out_len);
}

/* Of the replies that have come, nodes and handles. */
static void learn(void)
{
	struct {
		struct fuse_out_header header;
		u8 rest[160];
	} reply;

	for (u32 i = 0; i < TAGS; i++) {
		struct {
			struct fuse_in_header in;
			u64 first;
		} request = {g.sent[i].in, g.sent[i].first};

		if (!g.sent[i].under_way)
			continue;
		get(OUT(i), &reply, sizeof(reply));
		if (reply.header.unique != request.in.unique)
			continue;
		g.sent[i].under_way = false;
		raw_learn(&g.host, &request.in, &reply, min_of(reply.header.len, sizeof(reply)));
		put(OUT(i), &(u64[2]){0}, 16);
	}
}

static void turn(void)
{
	fs_pool_turn(g.fs);
	world_check_exec(thread);
	learn();
}

/* ---- records */
static void change_memory(const struct record *r)
{
	static const u32 areas[8][2] = {{RING(0), 0x100},       {RING(0) + AVAIL, 40},
					{RING(1) + AVAIL, 40},  {RING(0) + USED, 140},
					{TABLE(0), 0x2000},     {IN(0), 0x100},
					{IN(0), TAGS * 0x4000}, {0, LAST}};
	const u32 *area = areas[r->where % 8];
	u32 at = area[0] + (r->at * (r->where & 8 ? 1u : 4u)) % area[1], was;

	get(at, &was, 4);
	if (r->where & 0x10)
		was = r->value;
	else if (r->where & 0x20)
		was += r->value & 0xFF;
	else
		was ^= r->value;
	put(at, &was, 4);
}

/* Any message; where it has an index, that is mostly one of a queue. */
static void any_message(const struct record *r)
{
	const u32 request = r->where % 48;
	u32 nfds = r->at >> 14, index = r->at & 0x1000 ? r->at & 0xFFF : r->at & 3;
	int fds[3] = {g.memfd, g.memfd, g.memfd};
	union vhost_payload p = {.number = 0};
	u32 size = sizeof(p.state);

	switch (request) {
	case VHOST_SET_MEM_TABLE:
		p.table = table;
		((u32 *)&p.table)[r->at % 26] ^= r->value;
		size = sizeof(p.table);
		nfds = nfds ? nfds : 3;
		break;
	case VHOST_SET_VRING_ADDR:
		p.addr = (struct vhost_vring_addr){.index = index & 1,
						   .desc_user_addr = USER,
						   .avail_user_addr = USER + AVAIL,
						   .used_user_addr = USER + USED};
		((u32 *)&p.addr)[(r->at >> 4) % 12] ^= r->value;
		size = sizeof(p.addr);
		break;
	case VHOST_GET_CONFIG:
		p.config = (struct vhost_config_space){.offset = index, .size = r->value % 300};
		size = r->value & 0x80000000 ? r->value % (sizeof(p) + 1) : sizeof(p.config);
		break;
	default:
		p.state = (struct vhost_vring_state){index, r->value};
	}
	if (r->where >= 240)
		size = r->value % sizeof(p);
	if (request != VHOST_SET_MEM_TABLE && nfds)
		fds[0] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	send_message(request, &p, size, fds, nfds);
	if (fds[0] != g.memfd)
		close(fds[0]);
}

/* Somebody waits for a lock, and is let go, or not. */
static void quarrel(u32 value)
{
	static const u8 kinds[] = {12, 41, 42, 25, 36, 41, 16};

	for (u32 i = 0; i < array_size(kinds); i++) {
		const struct record r = {.where = kinds[i],
					 .at = (u16)((value >> i & 7) << 13 | (value & 0xF)),
					 .value = 1u << 18 | (value >> 8 & 0xF0) | i << 20};

		build(&r);
		turn();
	}
}

static void event(const struct record *r, u32 flags)
{
	switch (r->where % 4) {
	case 0: /* the guest resets a queue, and goes on with it */
		send_state(VHOST_GET_VRING_BASE, r->at & 1, 0);
		turn();
		start_queue(r->at & 1);
		break;
	case 1:
		end_guest();
		begin_guest(flags ^ r->where >> 4);
		break;
	case 2: /* its memory is cut off and, later, zeros */
		if (ftruncate(g.memfd, (r->value & 0xFF) << 12) < 0)
			world_fail("ftruncate");
		turn();
		if (ftruncate(g.memfd, MEMORY) < 0)
			world_fail("ftruncate");
		break;
	default:
		send_state(VHOST_SET_VRING_ENABLE, r->at & 1, r->value & 1);
	}
}

static void carry_out(const struct record *r, u32 flags)
{
	switch (r->kind % 8) {
	case DO_REQUEST:
		build(r);
		turn();
		break;
	case DO_BUILD:
		build(r);
		break;
	case DO_SHAPE:
		g.pieces = 1 + r->where % 7;
		g.direct = r->where & 0x80;
		g.out_len = 1 + r->value % 0x4000;
		break;
	case DO_MEMORY:
		change_memory(r);
		break;
	case DO_TURN:
		turn();
		break;
	case DO_MESSAGE:
		any_message(r);
		break;
	case DO_QUARREL:
		quarrel(r->value);
		break;
	case DO_EVENT:
		event(r, flags);
		break;
	}
	if (control_is_broken(g.vhost)) { /* it is cut off: the next one comes */
		end_guest();
		begin_guest(flags);
	}
}

static void open_device(struct image *image)
{
	static const u8 space[44];
	static char path[64];
	struct fs_pool_config config = {.vhost = {.socket = path,
						  .nqueues = QUEUES,
						  .space = space,
						  .space_len = sizeof(space)},
					.threads = 1,
					.trace = world_verbose()};
	const struct fs_mount_opts opts = {0};

	snprintf(path, sizeof(path), "/tmp/mpdisk-fuzz-%d", (int)getpid());
	if (!g.memfd)
		g.memfd = memfd_create("guest", MFD_CLOEXEC);
	image_restore(image);
	world_open(image, POOL_SIZE, false);
	if (hosts_carve(&world.pool) || fs_mount(&world.x, &opts))
		world_fail("the image cannot be mounted");
	host_enter(&world.pool, world.plat, 1, 1, false, "");
	if (fs_pool_new(&config, &g.fs))
		world_fail("no device at %s", path);
	g.vhost = fs_pool_vhost(g.fs);
	raw_clear(&g.host);
	g.pieces = 2;
	g.out_len = 0x2000;
	g.direct = false;
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	const struct record init = {.where = RAW_INIT};
	static struct image *image;
	struct input in;

	input_parse(&in, data, size);
	if (!image)
		image = world_image("csum.img");
	open_device(image);
	begin_guest(in.head.flags);
	g.direct = in.head.flags & CONTROL_FEATURES_INDIRECT;
	build(&init);
	turn();
	for (u32 i = 0; i < in.n; i++)
		carry_out(&in.rec[i], in.head.flags);
	end_guest();
	world_check_exec(thread);
	fs_pool_free(g.fs);
	host_leave(&world.pool, world.plat, 1);
	if (fs_unmount(&world.x))
		world_fail("the image cannot be unmounted");
	world_close(true);
	return 0;
}
