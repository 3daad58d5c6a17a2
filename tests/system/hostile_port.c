/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hostile_port LINK [SEED]: a host that breaks every rule of the port protocol, one after the
 * other. Each wrong thing must fail by itself, with an errno where there is a reply; what breaks
 * the ring must break this port and no more, and attaching again must work.
 * tests/system/hostile-port watches meanwhile that a host on another port notices nothing.
 */
#define _GNU_SOURCE
#include "raw_port.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct raw_port port;
static const char *link_name;
static int failures;
static uint64_t seed = 1;

static uint32_t rnd(void)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(seed >> 32);
}

static void result(const char *name, bool good, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static void result(const char *name, bool good, const char *format, ...)
{
	char why[200];
	va_list args;

	va_start(args, format);
	vsnprintf(why, sizeof(why), format, args);
	va_end(args);
	if (good)
		printf("PASS %s\n", name);
	else
		printf("FAIL %s: %s\n", name, why);
	failures += !good;
}

/* The port must still do an honest request. */
static bool port_works(void)
{
	const struct fuse_getattr_in in = {0};
	const struct fuse_attr_out *out = (const void *)(port.reply + 16);

	raw_begin(&port, FUSE_GETATTR, RAW_ROOT);
	raw_add(&port, &in, sizeof(in));
	return raw_call(&port) == 0 && S_ISDIR(out->attr.mode) &&
	       port.reply_len == 16 + sizeof(*out);
}

/* Sends what was made; the device must refuse it, and go on. */
static void expect_refused(const char *name)
{
	int err = raw_send(&port);
	const bool refused = !err && (port.invalid || (!port.no_reply && port.error < 0));

	if (!refused)
		result(name, false, "transport %d, invalid %d, error %d", err, port.invalid,
		       port.error);
	else
		result(name, port_works(), "the port does not work any more");
	if (err == -EPIPE && (raw_attach(&port) || raw_init(&port)))
		result(name, false, "cannot attach again");
}

/* The same with one errno that the device must give. */
static void expect_errno(const char *name, int want)
{
	int err = raw_send(&port);

	if (err || port.invalid || port.error != -want)
		result(name, false, "transport %d, invalid %d, error %d instead of %d", err,
		       port.invalid, port.error, -want);
	else
		result(name, port_works(), "the port does not work any more");
	if (err == -EPIPE && (raw_attach(&port) || raw_init(&port)))
		result(name, false, "cannot attach again");
}

static void make_lookup(const char *name)
{
	raw_begin(&port, FUSE_LOOKUP, RAW_ROOT);
	raw_add_name(&port, name);
	raw_seal(&port);
}

static void test_cells(void)
{
	struct fuse_in_header *header = (void *)port.cell.message;
	unsigned int i;

	make_lookup("x");
	port.cell.message_len = 0;
	expect_refused("message_length_0_is_refused");
	make_lookup("x");
	port.cell.message_len = 39;
	port.cell.inline_len = 39;
	expect_refused("message_shorter_than_its_header_is_refused");
	make_lookup("x");
	port.cell.message_len = 0xfffffff0;
	expect_refused("message_of_4_GiB_is_refused");
	make_lookup("x");
	port.cell.inline_len = 0xffff;
	expect_refused("inline_length_beyond_the_cell_is_refused");
	make_lookup("x");
	port.cell.inline_len++;
	expect_refused("inline_length_beyond_the_message_is_refused");
	make_lookup("x");
	header->len++;
	expect_refused("header_length_that_differs_is_refused");
	make_lookup("x");
	port.cell.message_len += 8192;
	expect_refused("payload_without_slots_is_refused");
	make_lookup("x");
	port.cell.message_len += 8000;
	header->len += 8000;
	port.cell.nslots = 1;
	expect_refused("payload_longer_than_its_slots_is_refused");
	make_lookup("x");
	port.cell.nslots = 0xffff;
	expect_refused("slot_count_beyond_the_cell_is_refused");
	make_lookup("x");
	port.cell.message_len += 100;
	header->len += 100;
	port.cell.nslots = 1;
	port.cell.slot_offset = 4096;
	expect_refused("slot_offset_beyond_the_slot_is_refused");
	for (i = 0; i < 3; i++) {
		static const char *const names[] = {"reply_slot_as_payload_is_refused",
						    "slot_beyond_the_window_is_refused",
						    "slot_65535_is_refused"};
		const uint16_t slots[] = {(uint16_t)port.info.write_slots,
					  (uint16_t)port.info.slots, 0xffff};

		make_lookup("x");
		port.cell.message_len += 100;
		header->len += 100;
		port.cell.nslots = 1;
		port.cell.slots[0] = slots[i];
		expect_refused(names[i]);
	}
	make_lookup("x");
	port.cell.message_len += 5000;
	header->len += 5000;
	port.cell.nslots = 2;
	port.cell.slots[0] = port.cell.slots[1] = 3;
	expect_refused("the_same_slot_twice_is_refused");
}

static void test_names(void)
{
	char name[300];

	make_lookup("a/b");
	expect_refused("name_with_slash_is_refused");
	memset(name, 'n', sizeof(name));
	name[256] = '\0';
	make_lookup(name);
	expect_errno("name_of_256_bytes_is_too_long", ENAMETOOLONG);
	make_lookup("");
	expect_refused("empty_name_is_refused");
	raw_begin(&port, FUSE_LOOKUP, RAW_ROOT);
	raw_add(&port, "no end", 6);
	raw_seal(&port);
	expect_refused("name_without_end_is_refused");
	raw_begin(&port, FUSE_LOOKUP, RAW_ROOT);
	raw_seal(&port);
	expect_refused("lookup_without_name_is_refused");
	raw_begin(&port, FUSE_MKDIR, RAW_ROOT);
	raw_add(&port, &(struct fuse_mkdir_in){.mode = 0755}, sizeof(struct fuse_mkdir_in));
	raw_add_name(&port, "..");
	raw_seal(&port);
	expect_refused("mkdir_of_dot_dot_is_refused");
	raw_begin(&port, FUSE_RENAME, RAW_ROOT);
	raw_add(&port, &(struct fuse_rename_in){.newdir = RAW_ROOT}, sizeof(struct fuse_rename_in));
	raw_add_name(&port, "only one name");
	raw_seal(&port);
	expect_refused("rename_without_second_name_is_refused");
	raw_begin(&port, FUSE_SYMLINK, RAW_ROOT);
	raw_add_name(&port, "link");
	raw_add(&port, "no end", 6);
	raw_seal(&port);
	expect_refused("symlink_without_end_is_refused");
}

static void test_numbers(void)
{
	static const uint32_t opcodes[] = {0, 7, 19, 60, 4096, 0xffffffff};
	static const uint64_t nodes[] = {0,     9999,       0xffffffff,
					 ~0ull, 1ull << 63, 0x123456789abcdefull};
	char name[64];
	unsigned int i;

	for (i = 0; i < 6; i++) {
		raw_begin(&port, opcodes[i], RAW_ROOT);
		raw_add_name(&port, "x");
		raw_seal(&port);
		snprintf(name, sizeof(name), "opcode_%u_is_not_implemented", opcodes[i]);
		expect_errno(name, ENOSYS);
	}
	for (i = 0; i < 6; i++) {
		raw_begin(&port, FUSE_GETATTR, nodes[i]);
		raw_add(&port, &(struct fuse_getattr_in){0}, sizeof(struct fuse_getattr_in));
		raw_seal(&port);
		snprintf(name, sizeof(name), "node_%llx_is_refused", (unsigned long long)nodes[i]);
		expect_refused(name);
	}
	raw_begin(&port, FUSE_SETATTR, RAW_ROOT);
	raw_add(&port, "", 1);
	raw_seal(&port);
	expect_refused("cut_off_setattr_is_refused");
	raw_begin(&port, FUSE_MKNOD, RAW_ROOT);
	raw_add(&port, &(struct fuse_mknod_in){.mode = 0170644}, sizeof(struct fuse_mknod_in));
	raw_add_name(&port, "of no type");
	raw_seal(&port);
	expect_refused("mknod_of_no_type_is_refused");
	raw_begin(&port, FUSE_BATCH_FORGET, 0);
	raw_add(&port, &(struct fuse_batch_forget_in){.count = 0xffffffff},
		sizeof(struct fuse_batch_forget_in));
	raw_seal(&port);
	result("forgetting_4_billion_nodes_at_once_is_survived",
	       raw_send(&port) == 0 && port_works(), "the port does not work any more");
	raw_begin(&port, FUSE_FORGET, RAW_ROOT);
	raw_add(&port, &(struct fuse_forget_in){.nlookup = ~0ull}, sizeof(struct fuse_forget_in));
	raw_seal(&port);
	result("forgetting_the_root_is_survived", raw_send(&port) == 0 && port_works(),
	       "the port does not work any more");
	raw_begin(&port, FUSE_INTERRUPT, 0);
	raw_add(&port, &(struct fuse_interrupt_in){.unique = 0xdeadbeef},
		sizeof(struct fuse_interrupt_in));
	raw_seal(&port);
	result("interrupting_nothing_is_survived", raw_send(&port) == 0 && port_works(),
	       "the port does not work any more");
}

/* Requests on an open file whose numbers make no sense. */
static void test_file_numbers(void)
{
	struct fuse_write_in write = {0};
	struct fuse_read_in read = {0};
	struct fuse_fallocate_in fallocate = {0};
	struct fuse_lseek_in seek = {0};
	struct fuse_setxattr_in xattr = {0};
	uint64_t node, fh;
	int err;

	err = raw_create(&port, "hostile", &node, &fh);
	if (err) {
		result("a_file_can_be_created", false, "error %d", err);
		return;
	}
	read.fh = fh;
	read.size = 0xffffffff;
	raw_begin(&port, FUSE_READ, node);
	raw_add(&port, &read, sizeof(read));
	raw_seal(&port);
	err = raw_send(&port);
	result("read_of_4_GiB_is_cut_or_refused",
	       !err && !port.invalid && (port.error < 0 || port.reply_len <= 16 + PORT_MAX_DATA),
	       "transport %d, %u bytes", err, port.reply_len);
	read.size = 4096;
	read.offset = ~0ull - 100;
	raw_begin(&port, FUSE_READ, node);
	raw_add(&port, &read, sizeof(read));
	raw_seal(&port);
	err = raw_send(&port);
	result("read_at_the_end_of_the_world_gives_nothing",
	       !err && (port.invalid || port.error < 0 || port.reply_len == 16),
	       "transport %d, %u bytes", err, port.reply_len);
	write.fh = fh;
	write.size = 1000;
	raw_begin(&port, FUSE_WRITE, node);
	raw_add(&port, &write, sizeof(write));
	raw_add(&port, "abcd", 4);
	raw_seal(&port);
	expect_refused("write_without_its_data_is_refused");
	write.offset = ~0ull - 100;
	write.size = 4;
	raw_begin(&port, FUSE_WRITE, node);
	raw_add(&port, &write, sizeof(write));
	raw_add(&port, "abcd", 4);
	raw_seal(&port);
	expect_refused("write_at_the_end_of_the_world_is_refused");
	write.offset = 1ull << 60;
	raw_begin(&port, FUSE_WRITE, node);
	raw_add(&port, &write, sizeof(write));
	raw_add(&port, "abcd", 4);
	raw_seal(&port);
	expect_errno("write_beyond_what_ext4_holds_is_too_big", EFBIG);

	fallocate.fh = fh;
	fallocate.length = 4096;
	fallocate.mode = 0xffffffff;
	raw_begin(&port, FUSE_FALLOCATE, node);
	raw_add(&port, &fallocate, sizeof(fallocate));
	raw_seal(&port);
	expect_refused("fallocate_of_unknown_mode_is_refused");
	fallocate.mode = 0;
	fallocate.offset = ~0ull - 10;
	raw_begin(&port, FUSE_FALLOCATE, node);
	raw_add(&port, &fallocate, sizeof(fallocate));
	raw_seal(&port);
	expect_refused("fallocate_that_wraps_around_is_refused");

	seek.fh = fh;
	seek.whence = 77;
	raw_begin(&port, FUSE_LSEEK, node);
	raw_add(&port, &seek, sizeof(seek));
	raw_seal(&port);
	expect_refused("lseek_of_unknown_kind_is_refused");

	xattr.size = 70000;
	raw_begin(&port, FUSE_SETXATTR, node);
	raw_add(&port, &xattr, FUSE_COMPAT_SETXATTR_IN_SIZE);
	raw_add_name(&port, "user.x");
	raw_seal(&port);
	expect_refused("setxattr_without_its_value_is_refused");

	raw_begin(&port, FUSE_UNLINK, RAW_ROOT);
	raw_add_name(&port, "hostile");
	err = raw_call(&port);
	result("the_file_is_as_if_nothing_had_been", err == 0, "unlink: %d", err);
}

static void test_slots_protect(void)
{
	const uint32_t reply_slot = PORT_HOST_WINDOW_BASE + port.info.write_slots * PORT_PAGE;
	uint32_t before, after, value = 0xffffffff;
	int err;

	err = link_read32(port.link, PORT_HOST_DENIED, &before);
	if (!err)
		err = link_read32(port.link, reply_slot + 33 * PORT_PAGE, &value);
	if (!err)
		err = link_read32(port.link, PORT_HOST_DENIED, &after);
	result("slot_that_is_not_mapped_reads_as_zero_and_counts",
	       !err && value == 0 && after > before, "%d: %x, %u then %u", err, value, before,
	       after);
	err = link_write32(port.link, reply_slot, 0x12345678);
	if (!err)
		err = link_read32(port.link, PORT_HOST_DENIED, &before);
	result("write_to_a_reply_slot_counts", !err && before > after, "%d: %u then %u", err, after,
	       before);
	err = link_write32(port.link, 0x3000, 1);
	if (!err)
		err = link_read32(port.link, 0x3000, &value);
	result("address_of_nothing_reads_as_zero", !err && value == 0, "%d: %x", err, value);
	result("the_port_works_after_denied_accesses", port_works(), "it does not");
}

/* After what was done, the port must be BROKEN with an errno, and attach again. */
static void expect_broken(const char *name, int err)
{
	uint32_t status = 0;
	unsigned int i;

	for (i = 0; i < 300 && !err; i++) {
		status = raw_status(&port);
		if (status & PORT_HOST_STATUS_BROKEN_MASK)
			break;
		usleep(100000);
	}
	if (err || !(status & PORT_HOST_STATUS_BROKEN_MASK) ||
	    !(status & PORT_HOST_STATUS_ERROR_MASK)) {
		result(name, false, "error %d, status %08x", err, status);
		err = raw_attach(&port) || raw_init(&port);
		return;
	}
	err = raw_attach(&port);
	if (!err)
		err = raw_init(&port);
	result(name, !err && port_works(), "attaching again: %d", err);
}

/* What was done must break the port, or complete as invalid, or change nothing: each is a way to
 * contain it (docs/PORT-PROTOCOL.md, Errors). Attaching again must work in any case. */
static void expect_contained(const char *name, int err)
{
	uint32_t status = 0;
	unsigned int i;

	for (i = 0; i < 20 && !err; i++) {
		status = raw_status(&port);
		if (status & PORT_HOST_STATUS_BROKEN_MASK)
			break;
		usleep(100000);
	}
	if (!err && status & PORT_HOST_STATUS_BROKEN_MASK &&
	    !(status & PORT_HOST_STATUS_ERROR_MASK))
		err = -EPROTO;
	if (!err)
		err = raw_attach(&port);
	if (!err)
		err = raw_init(&port);
	result(name, !err && port_works(), "error %d, status %08x", err, status);
}

static void test_rings(void)
{
	uint32_t entries[2];
	unsigned int i;
	int err;

	err = link_write32(port.link, PORT_HOST_SQ_TAIL, (uint16_t)(port.sq_tail + 33));
	expect_broken("doorbell_33_entries_ahead_breaks_the_port", err);
	err = link_write32(port.link, PORT_HOST_SQ_TAIL, (uint16_t)(port.sq_tail - 1));
	expect_broken("doorbell_that_goes_back_breaks_the_port", err);
	entries[0] = PORT_SQE(port.info.tags, PORT_SQE_REQUEST);
	err = raw_ring(&port, entries, 1);
	expect_contained("tag_beyond_the_last_is_contained", err);
	entries[0] = PORT_SQE(255, PORT_SQE_RELEASE);
	err = raw_ring(&port, entries, 1);
	expect_contained("release_of_tag_255_is_contained", err);
	entries[0] = PORT_SQE(0, 77);
	err = raw_ring(&port, entries, 1);
	expect_contained("unknown_entry_is_contained", err);
	entries[0] = entries[1] = PORT_SQE(0, PORT_SQE_REQUEST);
	make_lookup("x");
	err = raw_put(&port, 0);
	if (!err)
		err = raw_ring(&port, entries, 2);
	expect_contained("one_tag_twice_is_contained", err);
	err = link_write32(port.link, PORT_HOST_CQ_HEAD, (uint16_t)(port.cq_head + 40));
	expect_contained("completion_index_ahead_of_the_device_is_contained", err);
	for (i = 0; i < 5; i++) {
		err = raw_attach(&port);
		if (err)
			break;
	}
	err = err ? err : raw_init(&port);
	result("attaching_five_times_without_a_word_works", !err && port_works(), "%d", err);
}

static void test_beginnings(void)
{
	static const uint32_t versions[][2] = {{6, 31}, {8, 0}, {7, 30}, {0, 0}};
	struct fuse_init_in in = {.max_readahead = 4096};
	char name[64];
	unsigned int i;
	int err;

	err = raw_attach(&port);
	if (!err) {
		make_lookup("x");
		err = raw_send(&port);
	}
	result("a_request_before_init_fails", !err && (port.invalid || port.error < 0),
	       "transport %d, error %d", err, port.error);
	for (i = 0; i < 4; i++) {
		err = raw_attach(&port);
		in.major = versions[i][0];
		in.minor = versions[i][1];
		raw_begin(&port, FUSE_INIT, 0);
		raw_add(&port, &in, sizeof(in));
		raw_seal(&port);
		if (!err)
			err = raw_send(&port);
		snprintf(name, sizeof(name), "init_of_protocol_%u_%u_is_refused", in.major,
			 in.minor);
		/* To a newer major the device may answer with its own instead. */
		result(name,
		       !err && (port.invalid || port.error < 0 ||
				(in.major == 8 && *(uint32_t *)(void *)(port.reply + 16) == 7)),
		       "transport %d, error %d", err, port.error);
	}
	err = raw_attach(&port);
	if (!err)
		err = raw_init(&port);
	result("a_proper_init_works_after_all_that", !err && port_works(), "%d", err);
}

/* Ends without a word, with messages half written and in flight; then comes back. */
static void test_sudden_ends(void)
{
	const uint32_t entries[3] = {PORT_SQE(0, 0), PORT_SQE(1, 0), PORT_SQE(2, 0)};
	unsigned int i;
	int err = 0;

	for (i = 0; i < 6 && !err; i++) {
		make_lookup("lost+found");
		err = raw_put(&port, 0);
		if (!err && i % 3 > 0)
			err = raw_put(&port, 1);
		if (!err && i % 3 > 0)
			err = raw_put(&port, 2);
		if (!err && i % 3 > 0)
			err = raw_ring(&port, entries, i % 3 == 1 ? 1 : 3);
		if (err)
			break;
		raw_close(&port);
		err = raw_open(&port, link_name);
		if (!err)
			err = raw_init(&port);
		if (!err && !port_works())
			err = -EIO;
	}
	result("a_host_that_vanishes_in_mid_message_can_come_back", !err, "time %u: %d", i, err);
}

/* Random cells: some field of a valid request is replaced by noise. */
static void test_noise(void)
{
	unsigned int i, j, completed = 0;
	int err = 0;

	for (i = 0; i < 300; i++) {
		raw_begin(&port, rnd() % 53, rnd() % 4 ? RAW_ROOT : rnd() % 64);
		for (j = rnd() % 40; j > 0; j--) {
			const uint32_t word = rnd() % 3 ? rnd() % 8 : rnd();

			raw_add(&port, &word, 4);
		}
		if (rnd() % 2)
			raw_add_name(&port, rnd() % 2 ? "noise" : "noise2");
		raw_seal(&port);
		if (rnd() % 3 == 0)
			((uint8_t *)&port.cell)[rnd() % 100] = (uint8_t)rnd();
		if (((struct fuse_in_header *)(void *)port.message)->opcode == FUSE_DESTROY)
			continue;
		err = raw_send(&port);
		if (err == -EPIPE || err == -EPROTO)
			break;
		if (err)
			break;
		completed++;
	}
	result("noise_completes_and_breaks_nothing", !err && completed > 100 && port_works(),
	       "message %u: %d, status %08x", i, err, raw_status(&port));
}

int main(int argc, char **argv)
{
	int err;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc < 2)
		return 2;
	link_name = argv[1];
	if (argc > 2)
		seed = strtoull(argv[2], NULL, 10);
	err = raw_open(&port, link_name);
	if (!err)
		err = raw_init(&port);
	if (err || !port_works()) {
		printf("FAIL the_port_works_at_first: %s\n", strerror(-err));
		return 1;
	}
	test_cells();
	test_names();
	test_numbers();
	test_file_numbers();
	test_slots_protect();
	test_noise();
	test_rings();
	test_beginnings();
	test_sudden_ends();
	raw_close(&port);
	return failures ? 1 : 0;
}
