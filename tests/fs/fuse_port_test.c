/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The port server and the FUSE server below it, driven as a host drives a port, with memory in the
 * place of the port's registers, ring RAM and slot table.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "platform/regs/port_device.h"
#include "platform/regs/port_host.h"
#include "port/port.h"
#include "fs/flock.h"
#include "tests/fs/fixture.h"

#define SLOTS 1024u
#define REGS_WORDS (0x10000 / 4)
#define RING_BYTES(h) ((u8 *)(h)->regs + PORT_DEVICE_RING)

struct host {
	_Alignas(64) u32 regs[REGS_WORDS];
	fno_t write_frames[PORT_WRITE_SLOTS_MAX];
	fno_t mapped[PORT_MAPPED];
	struct port port;
	struct port_call call;
	struct exec *x;
	u16 sq_tail, cq_head;
	u64 unique;
};

static struct host host;

/* Nothing is cached here. */
void port_memory_changed(struct plat *plat)
{
	(void)plat;
}

/* ---- the host's side */
static void events(struct host *h, u32 bits)
{
	h->regs[PORT_DEVICE_EVENT / 4] = bits;
	port_events(&h->port);
	h->regs[PORT_DEVICE_EVENT / 4] = 0;
}

static u32 status(const struct host *h)
{
	return h->regs[PORT_DEVICE_STATUS / 4];
}

static void control(struct host *h, u32 bits)
{
	h->regs[PORT_DEVICE_SQ_TAIL / 4] = 0; /* as the hardware does */
	h->sq_tail = 0;
	h->cq_head = 0;
	events(h, bits);
	CHECK(port_wants_change(&h->port));
	port_change(&h->port, h->x);
}

static struct port_cell *cell(struct host *h, u32 tag)
{
	return (struct port_cell *)(void *)(RING_BYTES(h) + PORT_CELL_OFFSET +
					    tag * PORT_CELL_SIZE);
}

static void post(struct host *h, u32 entry)
{
	u32 *sq = (u32 *)(void *)(RING_BYTES(h) + PORT_SQ_OFFSET);

	sq[h->sq_tail++ % PORT_RING_ENTRIES] = entry;
	h->regs[PORT_DEVICE_SQ_TAIL / 4] = h->sq_tail;
	events(h, PORT_DEVICE_EVENT_DOORBELL_MASK);
}

/* What the device does until there is nothing to do. */
static void run(struct host *h)
{
	while (port_take(&h->port, h->x, &h->call)) {
		fuse_serve(&h->call.fuse);
		if (fuse_waits(&h->call.fuse))
			port_park(&h->port, &h->call);
		else
			port_complete(&h->port, &h->call);
		port_unpark(&h->port, h->x);
	}
	if (port_wants_change(&h->port))
		port_change(&h->port, h->x);
}

/* The next completion entry; fails if there is none. */
static u32 completion(struct host *h)
{
	const u32 *cq = (const u32 *)(const void *)(RING_BYTES(h) + PORT_CQ_OFFSET);

	CHECK((u16)h->regs[PORT_DEVICE_CQ_TAIL / 4] != h->cq_head);
	return cq[h->cq_head++ % PORT_RING_ENTRIES];
}

/* The pool's bytes behind a slot of the window; NULL: not mapped (writable: not for writing). */
static u8 *slot(struct host *h, u32 n, bool writable)
{
	const u32 entry = h->regs[PORT_DEVICE_SLOT_TABLE / 4 + n];

	if (!(entry & PORT_DEVICE_SLOT_VALID) || (writable && !(entry & PORT_DEVICE_SLOT_WRITABLE)))
		return NULL;
	return h->x->pool->base + ((entry & PORT_DEVICE_SLOT_FRAME_MASK) << BLOCK_SHIFT);
}

/* Puts a request into the tag's cell: opcode, node, arguments, and payload in slots first.. */
static void request(struct host *h, u32 tag, u32 opcode, u64 node, const void *args, u32 len,
		    const u8 *payload, u32 pay_len, u32 offset)
{
	struct port_cell *c = cell(h, tag);
	struct fuse_in_header head = {.opcode = opcode, .nodeid = node, .unique = ++h->unique};
	u32 i, done = 0;

	head.len = (u32)sizeof(head) + len + pay_len;
	memset(c, 0, sizeof(*c));
	c->message_len = head.len;
	c->inline_len = (u16)(sizeof(head) + len);
	memcpy(c->message, &head, sizeof(head));
	if (len)
		memcpy(c->message + sizeof(head), args, len);
	c->slot_offset = (u16)offset;
	for (i = 0; done < pay_len; i++, offset = 0) {
		const u32 part = min_of(BLOCK_SIZE - offset, pay_len - done);
		u8 *to = slot(h, i, true);

		CHECK(to);
		memcpy(to + offset, payload + done, part);
		c->slots[i] = (u16)i;
		done += part;
	}
	c->nslots = (u16)i;
}

static const struct fuse_out_header *reply_head(struct host *h, u32 tag)
{
	return (const void *)cell(h, tag)->message;
}

/* Sends what is in the tag's cell; returns the reply's error. */
static int send(struct host *h, u32 tag)
{
	const struct fuse_out_header *out = reply_head(h, tag);

	post(h, PORT_SQE(tag, PORT_SQE_REQUEST));
	run(h);
	CHECK_EQ(completion(h), PORT_CQE(tag, PORT_CQE_REPLY));
	CHECK_EQ(out->len, cell(h, tag)->message_len);
	CHECK_EQ(out->unique, h->unique);
	return out->error;
}

static int simple(struct host *h, u32 opcode, u64 node, const void *args, u32 len)
{
	request(h, 0, opcode, node, args, len, NULL, 0, 0);
	return send(h, 0);
}

static const void *result(struct host *h, u32 tag)
{
	return cell(h, tag)->message + sizeof(struct fuse_out_header);
}

static void init(struct host *h)
{
	const struct fuse_init_in in = {.major = 7, .minor = 40, .flags = ~0u, .flags2 = ~0u};

	CHECK_EQ(simple(h, FUSE_INIT, 0, &in, sizeof(in)), 0);
}

static struct host *attached(void)
{
	struct host *h = &host;

	fixture_make(64, NULL, NULL);
	h->x = fixture_mount();
	h->regs[PORT_DEVICE_CONFIG / 4] = SLOTS << 8;
	h->regs[PORT_DEVICE_LINK_STATUS / 4] = 1;
	port_init(&h->port, h->x->plat, h->regs, 0, h->write_frames, h->mapped, 0);
	control(h, PORT_DEVICE_EVENT_ATTACH_MASK);
	return h;
}

static struct host *initialised(void)
{
	struct host *h = attached();

	init(h);
	return h;
}

static void finish(struct host *h)
{
	control(h, PORT_DEVICE_EVENT_DETACH_MASK);
	fixture_unmount_check();
}

static int getattr(struct host *h, u64 node)
{
	const struct fuse_getattr_in in = {0};

	return simple(h, FUSE_GETATTR, node, &in, sizeof(in));
}

/* CREATE in the root; *fh is its handle. */
static u64 create(struct host *h, const char *name, u64 *fh)
{
	struct {
		struct fuse_create_in in;
		char name[64];
	} args = {{.flags = 2, .mode = 0100644}, ""};
	const struct fuse_create_out *out = result(h, 0);

	strcpy(args.name, name);
	CHECK_EQ(simple(h, FUSE_CREATE, 1, &args, (u32)(sizeof(args.in) + strlen(name) + 1)), 0);
	*fh = out->open.fh;
	return out->entry.nodeid;
}

static int write_at(struct host *h, u64 node, u64 fh, u64 pos, const u8 *data, u32 len)
{
	const struct fuse_write_in in = {.fh = fh, .offset = pos, .size = len};
	const struct fuse_write_out *out = result(h, 1);
	int err;

	request(h, 1, FUSE_WRITE, node, &in, sizeof(in), data, len, pos % BLOCK_SIZE);
	err = send(h, 1);
	return err ? err : (int)out->size;
}

/* READs through tag 2's reply slots into buf. */
static int read_at(struct host *h, u64 node, u64 fh, u64 pos, u8 *buf, u32 len)
{
	const struct fuse_read_in in = {.fh = fh, .offset = pos, .size = len};
	const struct port_cell *c = cell(h, 2);
	u32 i, got, offset, done = 0;
	int err;

	request(h, 2, FUSE_READ, node, &in, sizeof(in), NULL, 0, 0);
	err = send(h, 2);
	if (err)
		return err;
	got = c->message_len - c->inline_len;
	offset = c->slot_offset;
	for (i = 0; i < c->nslots; i++, offset = 0) {
		const u32 part = min_of(BLOCK_SIZE - offset, got - done);
		const u8 *from = slot(h, h->port.nwrite + 2 * PORT_READ_SLOTS + i, false);

		CHECK(from);
		CHECK(!slot(h, h->port.nwrite + 2 * PORT_READ_SLOTS + i, true));
		memcpy(buf + done, from + offset, part);
		done += part;
	}
	CHECK_EQ(done, got);
	return (int)got;
}

/* ---- attaching */
TEST(attach_shows_ready_and_geometry)
{
	struct host *h = attached();
	const u32 geometry = h->regs[PORT_DEVICE_GEOMETRY / 4];

	CHECK(status(h) & PORT_HOST_STATUS_READY_MASK);
	CHECK_EQ(h->regs[PORT_DEVICE_CTRL / 4], 0);
	CHECK_EQ(geometry & 0xff, 16);
	CHECK_EQ(geometry >> 8 & 0xfff, 128);
	CHECK_EQ(geometry >> 20 & 0xff, 33);
	CHECK(slot(h, 0, true) && slot(h, 127, true) && !slot(h, 128, false));
	finish(h);
}

TEST(every_attach_and_detach_counts_epoch)
{
	struct host *h = attached();
	const u32 epoch = status(h) >> 16 & 0xff;

	control(h, PORT_DEVICE_EVENT_DETACH_MASK);
	CHECK_EQ(status(h), (epoch + 1) << 16);
	CHECK(h->regs[PORT_DEVICE_CTRL / 4] & PORT_DEVICE_CTRL_FENCE_MASK);
	control(h, PORT_DEVICE_EVENT_ATTACH_MASK);
	CHECK_EQ(status(h), (epoch + 2) << 16 | PORT_HOST_STATUS_READY_MASK);
	finish(h);
}

TEST(attach_and_detach_leave_no_frame_behind)
{
	struct host *h = initialised();
	u32 free_before, i;

	control(h, PORT_DEVICE_EVENT_DETACH_MASK);
	free_before = h->x->pool->hdr->nfree;
	for (i = 0; i < 20; i++) {
		u8 data[8192] = "x";
		u64 fh, node;

		control(h, PORT_DEVICE_EVENT_ATTACH_MASK);
		init(h);
		node = create(h, "f", &fh);
		CHECK_EQ(write_at(h, node, fh, 0, data, sizeof(data)), sizeof(data));
		CHECK_EQ(read_at(h, node, fh, 0, data, sizeof(data)), sizeof(data));
		CHECK_EQ(simple(h, FUSE_UNLINK, 1, "f", 2), 0);
		control(h, PORT_DEVICE_EVENT_DETACH_MASK);
	}
	CHECK(h->x->pool->hdr->nfree + 16 >= free_before);
	fixture_unmount_check();
}

TEST(a_link_that_goes_down_detaches)
{
	struct host *h = initialised();

	h->regs[PORT_DEVICE_LINK_STATUS / 4] = 0;
	control(h, PORT_DEVICE_EVENT_LINK_MASK);
	CHECK(!(status(h) & PORT_HOST_STATUS_READY_MASK));
	CHECK(!slot(h, 0, false));
	fixture_unmount_check();
}

TEST(a_host_without_heartbeat_is_cut_off)
{
	struct host *h = initialised();

	port_tick(&h->port, 1);
	CHECK_EQ(h->regs[PORT_DEVICE_DEVICE_HEARTBEAT / 4], 1);
	CHECK(!port_wants_change(&h->port));
	h->port.heartbeat_ms = plat_ms(h->x->plat) - PORT_HEARTBEAT_MS - 1;
	h->regs[PORT_DEVICE_HEARTBEAT / 4]++;
	port_tick(&h->port, 2);
	CHECK(!port_wants_change(&h->port));
	h->port.heartbeat_ms = plat_ms(h->x->plat) - PORT_HEARTBEAT_MS - 1;
	h->port.tick_ms = h->port.heartbeat_ms; /* it was the device that stood still */
	port_tick(&h->port, 3);
	CHECK(!port_wants_change(&h->port));
	h->port.heartbeat_ms = plat_ms(h->x->plat) - PORT_HEARTBEAT_MS - 1;
	port_tick(&h->port, 4);
	CHECK(port_wants_change(&h->port));
	run(h);
	CHECK(!(status(h) & PORT_HOST_STATUS_READY_MASK));
	CHECK(h->regs[PORT_DEVICE_CTRL / 4] & PORT_DEVICE_CTRL_FENCE_MASK);
	fixture_unmount_check();
}

TEST(a_refused_filesystem_is_said_with_its_errno)
{
	struct host *h = &host;

	fixture_make(64, NULL, NULL);
	h->x = fixture_mount();
	h->regs[PORT_DEVICE_CONFIG / 4] = SLOTS << 8;
	port_init(&h->port, h->x->plat, h->regs, 0, h->write_frames, h->mapped, MP_EMEDIUMTYPE);
	control(h, PORT_DEVICE_EVENT_ATTACH_MASK);
	CHECK_EQ(status(h), 1u << 16 | MP_EMEDIUMTYPE << 8 | PORT_HOST_STATUS_NO_MEDIUM_MASK);
	fixture_unmount_check();
}

TEST(detach_releases_open_files)
{
	struct host *h = initialised();
	struct fs_statfs before, after;
	static u8 data[100000];
	u64 fh, node;

	CHECK_OK(fs_statfs(h->x, &before));
	node = create(h, "f", &fh);
	CHECK_EQ(write_at(h, node, fh, 0, data, sizeof(data)), sizeof(data));
	CHECK_EQ(simple(h, FUSE_UNLINK, 1, "f", 2), 0);
	CHECK_EQ(getattr(h, node), 0); /* it is open */
	control(h, PORT_DEVICE_EVENT_DETACH_MASK);
	CHECK_OK(fs_statfs(h->x, &after));
	CHECK_EQ(after.ffree, before.ffree);
	CHECK_EQ(after.bfree, before.bfree);
	fixture_unmount_check();
}

/* ---- messages */
TEST(init_negotiates)
{
	struct host *h = initialised();
	const struct fuse_init_out *out = result(h, 0);

	CHECK_EQ(out->major, 7);
	CHECK_EQ(out->minor, 36);
	CHECK_EQ(out->max_write, 128 << 10);
	CHECK_EQ(out->max_pages, 32);
	CHECK(out->flags & FUSE_INIT_DO_READDIRPLUS && out->flags & FUSE_INIT_POSIX_ACL);
	CHECK(!(out->flags & 1u << 16)); /* no write-back cache at the host */
	CHECK_EQ(out->flags2, FUSE_INIT2_DIRECT_IO_ALLOW_MMAP);
	finish(h);
}

TEST(init_refuses_old_hosts)
{
	struct host *h = attached();
	const struct fuse_init_in in = {.major = 7, .minor = 30};

	CHECK_EQ(simple(h, FUSE_INIT, 0, &in, sizeof(in)), -MP_EPROTO);
	CHECK_EQ(getattr(h, 1), -MP_EPROTO);
	finish(h);
}

TEST(unknown_operations_are_enosys)
{
	struct host *h = initialised();

	CHECK_EQ(simple(h, 4711, 1, NULL, 0), -MP_ENOSYS);
	CHECK_EQ(simple(h, FUSE_ACCESS, 1, "12345678", 8), -MP_ENOSYS);
	finish(h);
}

TEST(forget_has_no_reply)
{
	struct host *h = initialised();

	request(h, 3, FUSE_FORGET, 1, "12345678", 8, NULL, 0, 0);
	post(h, PORT_SQE(3, PORT_SQE_REQUEST));
	run(h);
	CHECK_EQ(completion(h), PORT_CQE(3, PORT_CQE_REPLY));
	CHECK_EQ(cell(h, 3)->message_len, 0);
	finish(h);
}

TEST(data_goes_through_slots_at_any_offset)
{
	struct host *h = initialised();
	static u8 data[FUSE_MAX_WRITE], back[FUSE_MAX_WRITE];
	static const u32 lens[] = {1, 100, 4096, 4097, 8192, 50000, FUSE_MAX_WRITE};
	u64 fh, node = create(h, "f", &fh);
	u32 i, j;

	for (i = 0; i < array_size(lens); i++)
		for (j = 0; j < 3; j++) {
			const u64 pos = j == 0 ? 0 : j == 1 ? 8192 : 12345;
			u32 k;

			for (k = 0; k < lens[i]; k++)
				data[k] = (u8)(k * 7 + i + j);
			CHECK_EQ(write_at(h, node, fh, pos, data, lens[i]), lens[i]);
			memset(back, 0, sizeof(back));
			CHECK_EQ(read_at(h, node, fh, pos, back, lens[i]), lens[i]);
			CHECK(memcmp(data, back, lens[i]) == 0);
		}
	finish(h);
}

TEST(short_writes_may_lie_in_the_cell)
{
	struct host *h = initialised();
	struct {
		struct fuse_write_in in;
		u8 data[100];
	} args = {.in = {.offset = 4090, .size = 100}};
	u8 back[100];
	u64 fh, node = create(h, "f", &fh);
	u32 i;

	args.in.fh = fh;
	for (i = 0; i < 100; i++)
		args.data[i] = (u8)(i + 1);
	request(h, 1, FUSE_WRITE, node, &args, sizeof(args.in) + 100, NULL, 0, 0);
	CHECK_EQ(send(h, 1), 0);
	CHECK_EQ(read_at(h, node, fh, 4090, back, 100), 100);
	CHECK(memcmp(args.data, back, 100) == 0);
	finish(h);
}

TEST(appending_ignores_the_offset)
{
	struct host *h = initialised();
	struct fuse_write_in in = {.offset = 0, .size = 5, .flags = FUSE_O_APPEND};
	u8 back[16];
	u64 fh, node = create(h, "f", &fh);

	in.fh = fh;
	CHECK_EQ(write_at(h, node, fh, 0, (const u8 *)"first", 5), 5);
	request(h, 1, FUSE_WRITE, node, &in, sizeof(in), (const u8 *)"other", 5, 0);
	CHECK_EQ(send(h, 1), 0);
	CHECK_EQ(read_at(h, node, fh, 0, back, 16), 10);
	CHECK(memcmp(back, "firstother", 10) == 0);
	finish(h);
}

TEST(a_page_handed_over_is_out_of_the_hosts_reach)
{
	struct host *h = initialised();
	static u8 page[BLOCK_SIZE], back[BLOCK_SIZE];
	u64 fh, node = create(h, "f", &fh);
	const struct fuse_write_in in = {.fh = fh, .offset = 0, .size = BLOCK_SIZE};
	u8 *before = slot(h, 0, true);

	memset(page, 'a', sizeof(page));
	request(h, 1, FUSE_WRITE, node, &in, sizeof(in), page, sizeof(page), 0);
	post(h, PORT_SQE(1, PORT_SQE_REQUEST));
	CHECK(port_take(&h->port, h->x, &h->call));
	CHECK(!slot(h, 0, false)); /* while the filesystem has it */
	fuse_serve(&h->call.fuse);
	port_complete(&h->port, &h->call);
	CHECK_EQ(completion(h), PORT_CQE(1, PORT_CQE_REPLY));
	CHECK(slot(h, 0, true) && slot(h, 0, true) != before);
	memset(slot(h, 0, true), 'b', BLOCK_SIZE);
	CHECK_EQ(read_at(h, node, fh, 0, back, BLOCK_SIZE), BLOCK_SIZE);
	CHECK(memcmp(page, back, BLOCK_SIZE) == 0);
	finish(h);
}

TEST(reply_slots_go_at_release_and_at_the_next_use)
{
	struct host *h = initialised();
	static u8 data[3 * BLOCK_SIZE];
	u64 fh, node = create(h, "f", &fh);
	const u32 first = h->port.nwrite + 2 * PORT_READ_SLOTS;

	CHECK_EQ(write_at(h, node, fh, 0, data, sizeof(data)), sizeof(data));
	CHECK_EQ(read_at(h, node, fh, 0, data, sizeof(data)), sizeof(data));
	CHECK(slot(h, first + 2, false));
	CHECK_EQ(read_at(h, node, fh, 0, data, BLOCK_SIZE), BLOCK_SIZE);
	CHECK(slot(h, first, false) && !slot(h, first + 1, false));
	post(h, PORT_SQE(2, PORT_SQE_RELEASE));
	run(h);
	CHECK(!slot(h, first, false));
	CHECK_EQ((u16)h->regs[PORT_DEVICE_CQ_TAIL / 4], h->cq_head);
	finish(h);
}

TEST(long_values_come_in_slots)
{
	struct host *h = initialised();
	static u8 target[3001], value[2000];
	struct {
		struct fuse_setxattr_in in;
		char name[8];
	} set = {{.size = sizeof(value)}, "user.xy"};
	struct {
		struct fuse_getxattr_in in;
		char name[8];
	} get = {{.size = 4096}, "user.xy"};
	const struct fuse_entry_out *entry = result(h, 0);
	u64 node;

	memset(target, 't', 3000);
	memset(value, 'v', sizeof(value));
	request(h, 0, FUSE_SYMLINK, 1, "link", 5, target, sizeof(target), 0);
	CHECK_EQ(send(h, 0), 0);
	node = entry->nodeid;
	request(h, 2, FUSE_READLINK, node, NULL, 0, NULL, 0, 0);
	CHECK_EQ(send(h, 2), 0);
	CHECK_EQ(cell(h, 2)->message_len, 16 + 3000);
	CHECK(memcmp(slot(h, h->port.nwrite + 2 * PORT_READ_SLOTS, false), target, 3000) == 0);
	request(h, 0, FUSE_SETXATTR, 1, &set, sizeof(set), value, sizeof(value), 0);
	CHECK_EQ(send(h, 0), 0);
	request(h, 2, FUSE_GETXATTR, 1, &get, sizeof(get), NULL, 0, 0);
	CHECK_EQ(send(h, 2), 0);
	CHECK_EQ(cell(h, 2)->message_len, 16 + sizeof(value));
	finish(h);
}

TEST(readdir_lists_across_frames)
{
	struct host *h = initialised();
	static bool seen[300];
	struct fuse_read_in in = {.size = 8192};
	u32 i, found = 0, at, len;
	static u8 list[8192];

	for (i = 0; i < 300; i++) {
		struct {
			struct fuse_mknod_in in;
			char name[24];
		} args = {{.mode = 0100644}, ""};

		snprintf(args.name, sizeof(args.name), "a-name-of-%03u", i);
		CHECK_EQ(simple(h, FUSE_MKNOD, 1, &args, sizeof(args.in) + 14), 0);
	}
	do {
		u32 nslots;

		request(h, 2, FUSE_READDIR, 1, &in, sizeof(in), NULL, 0, 0);
		CHECK_EQ(send(h, 2), 0);
		len = cell(h, 2)->message_len - cell(h, 2)->inline_len;
		nslots = cell(h, 2)->nslots;
		for (i = 0; i < nslots; i++)
			memcpy(list + i * BLOCK_SIZE,
			       slot(h, h->port.nwrite + 2 * PORT_READ_SLOTS + i, false),
			       BLOCK_SIZE);
		for (at = 0; at < len;) {
			const struct fuse_dirent *d = (const void *)(list + at);
			char name[256] = "";
			u32 n;

			memcpy(name, d + 1, d->namelen);
			if (sscanf(name, "a-name-of-%u", &n) == 1) {
				CHECK(n < 300 && !seen[n]);
				seen[n] = true;
				found++;
			}
			in.offset = d->off;
			at += (u32)(sizeof(*d) + d->namelen + 7) & ~7u;
		}
	} while (len);
	CHECK_EQ(found, 300);
	finish(h);
}

TEST(bad_names_are_refused)
{
	struct host *h = initialised();
	char name[300];

	CHECK_EQ(simple(h, FUSE_LOOKUP, 1, "a/b", 4), -MP_EINVAL);
	CHECK_EQ(simple(h, FUSE_LOOKUP, 1, "", 1), -MP_EINVAL);
	CHECK_EQ(simple(h, FUSE_LOOKUP, 1, "unterminated", 12), -MP_EINVAL);
	CHECK_EQ(simple(h, FUSE_LOOKUP, 1, NULL, 0), -MP_EINVAL);
	memset(name, 'x', sizeof(name));
	name[256] = 0;
	CHECK_EQ(simple(h, FUSE_LOOKUP, 1, name, 257), -MP_ENAMETOOLONG);
	name[255] = 0;
	CHECK_EQ(simple(h, FUSE_LOOKUP, 1, name, 256), -MP_ENOENT);
	CHECK_EQ(simple(h, FUSE_LOOKUP, 4711, "x", 2), -MP_ESTALE);
	finish(h);
}

TEST(a_handle_is_released_once_and_by_its_node)
{
	struct host *h = initialised();
	u64 fh, node = create(h, "f", &fh);
	struct fuse_release_in in = {.fh = fh};

	CHECK_EQ(simple(h, FUSE_RELEASE, 1, &in, sizeof(in)), -MP_EBADF);
	CHECK_EQ(simple(h, FUSE_RELEASE, node, &in, sizeof(in)), 0);
	CHECK_EQ(simple(h, FUSE_RELEASE, node, &in, sizeof(in)), -MP_EBADF);
	in.fh = 12345678;
	CHECK_EQ(simple(h, FUSE_RELEASE, node, &in, sizeof(in)), -MP_EBADF);
	finish(h);
}

TEST(open_files_are_bounded)
{
	struct host *h = initialised();
	const struct fuse_open_in in = {0};
	u64 fh, node = create(h, "f", &fh);
	u32 n = 1;
	int err;

	while ((err = simple(h, FUSE_OPEN, node, &in, sizeof(in))) == 0)
		n++;
	CHECK_EQ(err, -MP_ENFILE);
	CHECK_EQ(n, SESSION_OPEN_MAX);
	finish(h);
}

/* ---- hosts that do not keep the protocol */
static u32 kind_of(struct host *h, u32 tag)
{
	u32 entry;

	post(h, PORT_SQE(tag, PORT_SQE_REQUEST));
	run(h);
	entry = completion(h);
	CHECK_EQ(PORT_CQE_TAG(entry), tag);
	return PORT_CQE_KIND(entry);
}

TEST(cells_that_make_no_sense_are_invalid)
{
	struct host *h = initialised();
	static u8 data[2 * BLOCK_SIZE];
	const struct fuse_write_in in = {.size = sizeof(data)};
	u32 i;

	for (i = 0; i < 10; i++) {
		struct port_cell *c = cell(h, 1);
		struct fuse_in_header *head = (void *)c->message;

		request(h, 1, FUSE_WRITE, 1, &in, sizeof(in), data, sizeof(data), 0);
		switch (i) {
		case 0:
			c->inline_len = 39;
			break;
		case 1:
			c->inline_len = PORT_CELL_INLINE + 1;
			break;
		case 2:
			c->message_len = 0xffffffff;
			break;
		case 3:
			c->nslots = 1;
			break;
		case 4:
			c->nslots = 0;
			break;
		case 5:
			c->nslots = PORT_CELL_SLOTS + 1;
			break;
		case 6:
			c->slots[1] = c->slots[0];
			break;
		case 7:
			c->slots[1] = (u16)h->port.nwrite;
			break;
		case 8:
			c->slot_offset = BLOCK_SIZE;
			break;
		case 9:
			head->len--;
			break;
		}
		CHECK_EQ(kind_of(h, 1), PORT_CQE_INVALID);
		CHECK(slot(h, 0, true) && slot(h, 1, true));
		CHECK_EQ(h->port.write_busy[0], 0);
	}
	CHECK_EQ(kind_of(h, 77), PORT_CQE_INVALID);
	CHECK_EQ(getattr(h, 1), 0);
	finish(h);
}

static void check_broken(struct host *h)
{
	run(h);
	CHECK(status(h) & PORT_HOST_STATUS_BROKEN_MASK);
	CHECK_EQ(status(h) >> 8 & 0xff, MP_EPROTO);
	CHECK(h->regs[PORT_DEVICE_CTRL / 4] & PORT_DEVICE_CTRL_FENCE_MASK);
	control(h, PORT_DEVICE_EVENT_ATTACH_MASK);
	init(h);
	CHECK_EQ(getattr(h, 1), 0);
	finish(h);
}

TEST(a_ring_index_too_far_ahead_breaks_the_port)
{
	struct host *h = initialised();

	h->regs[PORT_DEVICE_SQ_TAIL / 4] = (u16)(h->sq_tail + PORT_RING_ENTRIES + 1);
	events(h, PORT_DEVICE_EVENT_DOORBELL_MASK);
	check_broken(h);
}

TEST(a_tag_in_flight_breaks_the_port)
{
	struct host *h = initialised();
	static struct port_call first;

	request(h, 5, FUSE_STATFS, 1, NULL, 0, NULL, 0, 0);
	post(h, PORT_SQE(5, PORT_SQE_REQUEST));
	CHECK(port_take(&h->port, h->x, &first));
	post(h, PORT_SQE(5, PORT_SQE_REQUEST));
	CHECK(!port_take(&h->port, h->x, &h->call));
	fuse_serve(&first.fuse); /* what was taken ends, without a completion */
	port_complete(&h->port, &first);
	check_broken(h);
}

/* ---- handles, locks, forgetting */
TEST(wrong_handles_and_short_requests_are_refused)
{
	struct host *h = initialised();
	const u8 data[4] = "abc";
	u64 fh, node = create(h, "f", &fh), other_fh, other = create(h, "g", &other_fh);
	u8 back[4];

	CHECK_EQ(write_at(h, node, fh, 0, data, 4), 4);
	CHECK_EQ(read_at(h, node, fh, 0, back, 4), 4);
	CHECK_EQ(read_at(h, node, other_fh, 0, back, 4), -MP_EBADF);
	CHECK_EQ(read_at(h, node, 0, 0, back, 4), -MP_EBADF);
	CHECK_EQ(read_at(h, node, fh + (1ull << 32), 0, back, 4), -MP_EBADF);
	CHECK_EQ(write_at(h, other, fh, 0, data, 4), -MP_EBADF);
	CHECK_EQ(simple(h, FUSE_GETATTR, node, NULL, 0), -MP_EINVAL);
	CHECK_EQ(simple(h, FUSE_GETATTR, node, "1234567", 8), -MP_EINVAL);
	finish(h);
}

static int set_lock(struct host *h, u32 tag, u32 opcode, u64 node, u64 fh, u64 owner, u32 type)
{
	const struct fuse_lk_in in = {.fh = fh, .owner = owner, .lk = {0, 99, type, 1}};

	request(h, tag, opcode, node, &in, sizeof(in), NULL, 0, 0);
	if (opcode != FUSE_SETLKW)
		return send(h, tag);
	post(h, PORT_SQE(tag, PORT_SQE_REQUEST));
	run(h);
	return 0;
}

TEST(a_request_that_waits_for_a_lock_does_not_hold_the_port_up)
{
	struct host *h = initialised();
	u64 fh, node = create(h, "f", &fh), unique;

	CHECK_EQ(set_lock(h, 0, FUSE_SETLK, node, fh, 1, FS_LOCK_WRITE), 0);
	CHECK_EQ(set_lock(h, 0, FUSE_SETLK, node, fh, 2, FS_LOCK_WRITE), -MP_EAGAIN);
	CHECK_EQ(set_lock(h, 0, FUSE_SETLK, node, 77, 2, FS_LOCK_WRITE), -MP_EBADF);
	set_lock(h, 3, FUSE_SETLKW, node, fh, 2, FS_LOCK_WRITE);
	unique = h->unique;
	CHECK_EQ((u16)h->regs[PORT_DEVICE_CQ_TAIL / 4], h->cq_head); /* no reply yet */
	CHECK_EQ(getattr(h, node), 0);
	request(h, 0, FUSE_SETLK, node,
		&(struct fuse_lk_in){.fh = fh, .owner = 1, .lk = {0, 99, FS_LOCK_NONE, 1}},
		sizeof(struct fuse_lk_in), NULL, 0, 0);
	post(h, PORT_SQE(0, PORT_SQE_REQUEST));
	run(h);
	CHECK_EQ(completion(h), PORT_CQE(0, PORT_CQE_REPLY));
	CHECK_EQ(completion(h), PORT_CQE(3, PORT_CQE_REPLY));
	CHECK_EQ(reply_head(h, 3)->error, 0);
	CHECK_EQ(reply_head(h, 3)->unique, unique);
	CHECK_EQ(set_lock(h, 0, FUSE_SETLK, node, fh, 1, FS_LOCK_READ), -MP_EAGAIN);
	finish(h);
}

TEST(waiting_for_a_lock_ends_by_interrupt_and_by_detach)
{
	struct host *h = initialised();
	u64 fh, node = create(h, "f", &fh), unique;
	struct fuse_interrupt_in in;

	CHECK_EQ(set_lock(h, 0, FUSE_SETLK, node, fh, 1, FS_LOCK_WRITE), 0);
	set_lock(h, 3, FUSE_SETLKW, node, fh, 2, FS_LOCK_WRITE);
	unique = h->unique;
	in.unique = unique;
	request(h, 1, FUSE_INTERRUPT, 0, &in, sizeof(in), NULL, 0, 0);
	post(h, PORT_SQE(1, PORT_SQE_REQUEST));
	run(h);
	CHECK_EQ(completion(h), PORT_CQE(1, PORT_CQE_REPLY)); /* the tag is free; no message */
	CHECK_EQ(completion(h), PORT_CQE(3, PORT_CQE_REPLY));
	CHECK_EQ(reply_head(h, 3)->error, -MP_EINTR);
	/* the interrupt comes before the request */
	in.unique = h->unique + 2;
	request(h, 1, FUSE_INTERRUPT, 0, &in, sizeof(in), NULL, 0, 0);
	post(h, PORT_SQE(1, PORT_SQE_REQUEST));
	run(h);
	CHECK_EQ(completion(h), PORT_CQE(1, PORT_CQE_REPLY));
	set_lock(h, 4, FUSE_SETLKW, node, fh, 2, FS_LOCK_WRITE);
	CHECK_EQ(completion(h), PORT_CQE(4, PORT_CQE_REPLY));
	CHECK_EQ(reply_head(h, 4)->error, -MP_EINTR);
	set_lock(h, 5, FUSE_SETLKW, node, fh, 2, FS_LOCK_WRITE);
	finish(h);
}

TEST(no_more_wait_for_locks_than_leave_tags_free)
{
	struct host *h = initialised();
	u64 fh, node = create(h, "f", &fh);
	u32 i;

	CHECK_EQ(set_lock(h, 0, FUSE_SETLK, node, fh, 1, FS_LOCK_WRITE), 0);
	for (i = 0; i < PORT_WAITING; i++)
		set_lock(h, 4 + i, FUSE_SETLKW, node, fh, 2 + i, FS_LOCK_WRITE);
	CHECK_EQ((u16)h->regs[PORT_DEVICE_CQ_TAIL / 4], h->cq_head);
	set_lock(h, 1, FUSE_SETLKW, node, fh, 90, FS_LOCK_WRITE);
	CHECK_EQ(completion(h), PORT_CQE(1, PORT_CQE_REPLY));
	CHECK_EQ(reply_head(h, 1)->error, -MP_EAGAIN);
	finish(h);
}

TEST(locks_go_with_flush_and_release)
{
	struct host *h = initialised();
	u64 fh, node = create(h, "f", &fh), again;
	const struct fuse_open_in open = {.flags = 2};
	struct fuse_flush_in flush = {.lock_owner = 1};
	struct fuse_release_in release = {0};

	CHECK_EQ(simple(h, FUSE_OPEN, node, &open, sizeof(open)), 0);
	again = ((const struct fuse_open_out *)result(h, 0))->fh;
	CHECK_EQ(set_lock(h, 0, FUSE_SETLK, node, fh, 1, FS_LOCK_WRITE), 0);
	flush.fh = again;
	CHECK_EQ(simple(h, FUSE_FLUSH, node, &flush, sizeof(flush)), 0);
	CHECK_EQ(set_lock(h, 0, FUSE_SETLK, node, again, 2, FS_LOCK_WRITE), 0);
	CHECK_EQ(set_lock(h, 0, FUSE_SETLK, node, fh, 1, FS_LOCK_WRITE), -MP_EAGAIN);
	release.fh = again;
	CHECK_EQ(simple(h, FUSE_RELEASE, node, &release, sizeof(release)), 0);
	CHECK_EQ(set_lock(h, 0, FUSE_SETLK, node, fh, 1, FS_LOCK_WRITE), 0);
	finish(h);
}

TEST(lock_table_ends_with_enolck)
{
	struct host *h = initialised();
	u64 fh, node = create(h, "f", &fh);
	u32 i;
	int err = 0;

	for (i = 0; !err && i < 100000; i++) {
		const struct fuse_lk_in in = {
			.fh = fh, .owner = 1, .lk = {3 * i, 3 * i, FS_LOCK_WRITE, 1}};

		err = simple(h, FUSE_SETLK, node, &in, sizeof(in));
	}
	CHECK_EQ(err, -MP_ENOLCK);
	CHECK(i >= 100 && i <= FLOCK_MAX);
	/* another host is not kept from it, and what is there goes */
	h->x->host = 5;
	CHECK_OK(fs_setlk(
		h->x,
		&(struct fs_lock){
			.node = node, .owner = 1, .start = 1, .end = 1, .type = FS_LOCK_WRITE},
		false, 0, 0));
	CHECK_EQ(set_lock(h, 0, FUSE_SETLK, node, fh, 1, FS_LOCK_NONE), 0);
	finish(h);
}

TEST(a_removed_directory_stays_until_it_is_forgotten)
{
	struct host *h = initialised();
	struct {
		struct fuse_mkdir_in in;
		char name[2];
	} args = {{.mode = 0755}, "d"};
	const struct fuse_entry_out *entry = result(h, 0);
	const struct fuse_attr_out *attr = result(h, 0);
	struct fs_statfs before, held, after;
	u64 node, forget = 1;

	CHECK_OK(fs_statfs(h->x, &before));
	CHECK_EQ(simple(h, FUSE_MKDIR, 1, &args, sizeof(args.in) + 2), 0);
	node = entry->nodeid;
	CHECK_EQ(simple(h, FUSE_RMDIR, 1, "d", 2), 0);
	CHECK_EQ(getattr(h, node), 0);
	CHECK_EQ(attr->attr.nlink, 0);
	CHECK_EQ(simple(h, FUSE_LOOKUP, node, "x", 2), -MP_ENOENT);
	CHECK_OK(fs_statfs(h->x, &held));
	CHECK_EQ(held.ffree, before.ffree - 1);
	request(h, 1, FUSE_FORGET, node, &forget, sizeof(forget), NULL, 0, 0);
	post(h, PORT_SQE(1, PORT_SQE_REQUEST));
	run(h);
	CHECK_EQ(completion(h), PORT_CQE(1, PORT_CQE_REPLY));
	CHECK_EQ(getattr(h, node), -MP_ESTALE);
	CHECK_OK(fs_statfs(h->x, &after));
	CHECK_EQ(after.ffree, before.ffree);
	finish(h);
}

/* Requests of every kind with nonsense in them: an answer each, and the filesystem stays whole. */
TEST_TIMED(nonsense_is_answered, 120)
{
	struct host *h = initialised();
	static u8 data[4 * BLOCK_SIZE];
	u32 seed = test_seed(), round, i;
	u64 fh, nodes[4] = {1, 2, 4711, 0};

	nodes[3] = create(h, "f", &fh);
	srand(seed);
	for (round = 0; round < 20000; round++) {
		u32 args[64], len = (u32)rand() % 200, pay = (u32)rand() % 3 ? 0 : sizeof(data);
		const u32 tag = (u32)rand() % 16;
		struct port_cell *c = cell(h, tag);

		for (i = 0; i < array_size(args); i++)
			args[i] = rand() % 2   ? (u32)rand() % 5000
				  : rand() % 2 ? 0
					       : (u32)rand() * 3;
		pay = pay ? 1 + (u32)rand() % sizeof(data) : 0;
		request(h, tag, (u32)rand() % 54, nodes[rand() % 4], args, len, data, pay, 0);
		if (rand() % 10 == 0)
			((u32 *)(void *)c)[rand() % (PORT_CELL_SIZE / 4)] ^= 1u << rand() % 32;
		post(h, PORT_SQE(tag, PORT_SQE_REQUEST));
		run(h);
		CHECK_EQ(PORT_CQE_TAG(completion(h)), tag);
		CHECK(status(h) & PORT_HOST_STATUS_READY_MASK);
		if (!h->port.session.minor) /* it was a DESTROY */
			init(h);
	}
	finish(h);
}
