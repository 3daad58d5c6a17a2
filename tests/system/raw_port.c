/* SPDX-License-Identifier: BSD-2-Clause */
/* Hand-made traffic on a port. */
#include "raw_port.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define WAIT_SECONDS 60
#define PAGE PORT_PAGE

int raw_init(struct raw_port *port)
{
	const struct fuse_init_in in = {
		.major = 7, .minor = 36, .max_readahead = 131072, .flags = FUSE_MAX_PAGES};

	raw_begin(port, FUSE_INIT, 0);
	raw_add(port, &in, sizeof(in));
	return raw_call(port);
}

int raw_attach(struct raw_port *port)
{
	int medium_error, err;

	err = port_attach(port->link, 60000, &port->info, &medium_error);
	port->sq_tail = 0;
	port->cq_head = 0;
	return err;
}

int raw_open(struct raw_port *port, const char *link_name)
{
	int err;

	memset(port, 0, sizeof(*port));
	err = link_open(link_name, &port->link);
	return err ? err : raw_attach(port);
}

void raw_close(struct raw_port *port)
{
	link_close(port->link);
	port->link = NULL;
}

void raw_begin(struct raw_port *port, uint32_t opcode, uint64_t nodeid)
{
	struct fuse_in_header header = {
		.opcode = opcode, .nodeid = nodeid, .unique = port->unique += 2, .pid = 1};

	port->len = 0;
	raw_add(port, &header, sizeof(header));
}

void raw_add(struct raw_port *port, const void *data, uint32_t len)
{
	memcpy(port->message + port->len, data, len);
	port->len += len;
}

void raw_add_name(struct raw_port *port, const char *name)
{
	raw_add(port, name, (uint32_t)strlen(name) + 1);
}

void raw_seal(struct raw_port *port)
{
	struct fuse_in_header *header = (void *)port->message;
	struct port_cell *cell = &port->cell;
	uint32_t payload, i;

	header->len = port->len;
	memset(cell, 0, sizeof(*cell));
	cell->message_len = port->len;
	cell->inline_len = (uint16_t)(port->len < PORT_CELL_INLINE ? port->len : PORT_CELL_INLINE);
	if (header->opcode == FUSE_WRITE && port->len > 80) {
		const struct fuse_write_in *in = (const void *)(header + 1);

		cell->inline_len = 80;
		cell->slot_offset = in->offset % PAGE & ~3u;
	}
	payload = port->len - cell->inline_len;
	if (payload)
		cell->nslots = (uint16_t)((cell->slot_offset + payload + PAGE - 1) / PAGE);
	for (i = 0; i < cell->nslots; i++)
		cell->slots[i] = (uint16_t)i;
	memcpy(cell->message, port->message, cell->inline_len);
}

static int put_range(struct link *link, uint32_t addr, const void *data, uint32_t len)
{
	const uint8_t *bytes = data;
	int err = 0;

	for (len = (len + 3) & ~3u; len > 0 && !err;) {
		uint32_t part = PAGE - addr % PAGE < len ? PAGE - addr % PAGE : len;

		err = link_write(link, addr, bytes, part);
		addr += part;
		bytes += part;
		len -= part;
	}
	return err;
}

/* Payload goes to the slots 0, 1, ... in order, whatever the cell says about it. */
int raw_put(struct raw_port *port, unsigned int tag)
{
	const uint32_t inline_len =
		port->cell.inline_len < port->len ? port->cell.inline_len : port->len;
	int err = 0;

	if (port->len > inline_len && port->cell.slot_offset < PAGE)
		err = put_range(port->link, PORT_HOST_WINDOW_BASE + (port->cell.slot_offset & ~3u),
				port->message + inline_len, port->len - inline_len);
	if (!err)
		err = put_range(port->link,
				PORT_HOST_RING_BASE + PORT_CELL_OFFSET + tag * PORT_CELL_SIZE,
				&port->cell, sizeof(port->cell));
	return err;
}

int raw_ring(struct raw_port *port, const uint32_t *entries, unsigned int count)
{
	unsigned int i;
	int err = 0;

	for (i = 0; i < count && !err; i++, port->sq_tail++)
		err = link_write32(port->link,
				   PORT_HOST_RING_BASE + PORT_SQ_OFFSET +
					   port->sq_tail % PORT_RING_ENTRIES * 4,
				   entries[i]);
	if (!err)
		err = link_write32(port->link, PORT_HOST_SQ_TAIL, port->sq_tail);
	return err ? err : link_flush(port->link);
}

static int get_range(struct link *link, uint32_t addr, void *data, uint32_t len)
{
	uint8_t *bytes = data;
	int err = 0;

	for (len = (len + 3) & ~3u; len > 0 && !err;) {
		uint32_t part = PAGE - addr % PAGE < len ? PAGE - addr % PAGE : len;
		struct link_read read = {.addr = addr, .len = part, .data = bytes};

		err = link_read(link, &read, 1);
		addr += part;
		bytes += part;
		len -= part;
	}
	return err;
}

static int get_reply(struct raw_port *port, unsigned int tag)
{
	struct port_cell cell;
	const struct fuse_out_header *header = (const void *)port->reply;
	uint32_t rest;
	int err;

	err = get_range(port->link, PORT_HOST_RING_BASE + PORT_CELL_OFFSET + tag * PORT_CELL_SIZE,
			&cell, sizeof(cell));
	if (err)
		return err;
	port->reply_len = cell.message_len;
	port->no_reply = cell.message_len == 0;
	port->error = 0;
	if (port->no_reply)
		return 0;
	if (cell.inline_len > PORT_CELL_INLINE || cell.inline_len > cell.message_len ||
	    cell.inline_len < sizeof(*header) || cell.message_len > RAW_MESSAGE_MAX)
		return -EPROTO;
	memcpy(port->reply, cell.message, cell.inline_len);
	rest = cell.message_len - cell.inline_len;
	if (rest > 0) {
		static uint8_t pages[(64 + 1) * PORT_PAGE];
		const uint32_t first =
			PORT_HOST_WINDOW_BASE +
			(port->info.write_slots + tag * port->info.read_slots) * PAGE;

		if (cell.slot_offset >= PAGE)
			return -EPROTO;
		err = get_range(port->link, first, pages, cell.slot_offset + rest);
		memcpy(port->reply + cell.inline_len, pages + cell.slot_offset, rest);
	}
	if (header->len != cell.message_len)
		return -EPROTO;
	port->error = header->error;
	return err;
}

uint32_t raw_status(struct raw_port *port)
{
	uint32_t status;

	return link_read32(port->link, PORT_HOST_STATUS, &status) ? 0 : status;
}

int raw_wait(struct raw_port *port, unsigned int *tag)
{
	const uint64_t deadline = port_now_ns() + WAIT_SECONDS * 1000000000ull;
	uint32_t tail, entry, status;
	int err;

	for (;;) {
		err = link_wait_irq(port->link, 200);
		if (err > 0)
			err = link_write32(port->link, PORT_HOST_IRQ_STATUS, 3);
		if (err < 0)
			return err;
		err = link_read32(port->link, PORT_HOST_CQ_TAIL, &tail);
		if (err)
			return err;
		if ((uint16_t)tail != port->cq_head)
			break;
		status = raw_status(port);
		if (!(status & PORT_HOST_STATUS_READY_MASK) ||
		    status & PORT_HOST_STATUS_BROKEN_MASK)
			return -EPIPE;
		if (port_now_ns() > deadline)
			return -ETIMEDOUT;
	}
	err = link_read32(port->link,
			  PORT_HOST_RING_BASE + PORT_CQ_OFFSET +
				  port->cq_head % PORT_RING_ENTRIES * 4,
			  &entry);
	if (err)
		return err;
	port->cq_head++;
	*tag = PORT_CQE_TAG(entry);
	port->invalid = PORT_CQE_KIND(entry) == PORT_CQE_INVALID;
	err = port->invalid ? 0 : get_reply(port, *tag);
	return err ? err : link_write32(port->link, PORT_HOST_CQ_HEAD, port->cq_head);
}

int raw_send(struct raw_port *port)
{
	const uint32_t entry = PORT_SQE(0, PORT_SQE_REQUEST);
	unsigned int tag;
	int err;

	err = raw_put(port, 0);
	if (!err)
		err = raw_ring(port, &entry, 1);
	if (!err)
		err = raw_wait(port, &tag);
	if (!err && tag != 0)
		err = -EPROTO;
	return err;
}

int raw_call(struct raw_port *port)
{
	const struct fuse_out_header *header = (const void *)port->reply;
	int err;

	raw_seal(port);
	err = raw_send(port);
	if (err)
		return err;
	if (port->invalid)
		return -EBADMSG;
	if (!port->no_reply && header->unique != port->unique)
		return -EPROTO;
	return port->error;
}

int raw_lookup(struct raw_port *port, uint64_t parent, const char *name, uint64_t *nodeid)
{
	const struct fuse_entry_out *out = (const void *)(port->reply + 16);
	int err;

	raw_begin(port, FUSE_LOOKUP, parent);
	raw_add_name(port, name);
	err = raw_call(port);
	*nodeid = err ? 0 : out->nodeid;
	return err;
}

int raw_create(struct raw_port *port, const char *name, uint64_t *nodeid, uint64_t *fh)
{
	const struct fuse_create_in in = {.flags = O_RDWR | O_CREAT, .mode = S_IFREG | 0644};
	const struct fuse_entry_out *entry = (const void *)(port->reply + 16);
	const struct fuse_open_out *open = (const void *)(entry + 1);
	int err;

	raw_begin(port, FUSE_CREATE, RAW_ROOT);
	raw_add(port, &in, sizeof(in));
	raw_add_name(port, name);
	err = raw_call(port);
	*nodeid = err ? 0 : entry->nodeid;
	*fh = err ? 0 : open->fh;
	return err;
}
