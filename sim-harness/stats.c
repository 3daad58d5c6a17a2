// SPDX-License-Identifier: BSD-2-Clause
/* Cycles per FUSE operation, bytes per port. */
#include <errno.h>
#include <linux/fuse.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "../firmware/platform/regs/port_device.h"
#include "../firmware/platform/regs/port_host.h"
#include "../firmware/platform/regs/sys.h"
#include "../firmware/port/port_wire.h"
#include "stats.h"
#include "storage.h"

#define OPCODES 64u

/* Cycles of every message of one operation; sorted when they are printed. */
struct samples {
	uint32_t *cycles;
	uint32_t n, room;
	uint64_t sum;
};

struct flight {
	bool active;
	uint8_t opcode;
	uint64_t start;
};

struct port_stats {
	uint8_t ring[PORT_HOST_RING_SIZE]; /* what the host wrote */
	uint32_t cq[PORT_RING_ENTRIES];    /* what the device wrote */
	uint16_t sq_tail, cq_tail;
	struct flight flight[PORT_TAGS_MAX];
	uint64_t bytes_read, bytes_written; /* of the window of slots */
	uint64_t messages;
	uint64_t invalid;
};

struct stats {
	unsigned int ports;
	uint64_t core_copied;
	struct samples op[OPCODES];
	struct port_stats port[SIM_PORTS_MAX];
};

static const char *const op_name[OPCODES] = {
	[FUSE_LOOKUP] = "LOOKUP",
	[FUSE_FORGET] = "FORGET",
	[FUSE_GETATTR] = "GETATTR",
	[FUSE_SETATTR] = "SETATTR",
	[FUSE_READLINK] = "READLINK",
	[FUSE_SYMLINK] = "SYMLINK",
	[FUSE_MKNOD] = "MKNOD",
	[FUSE_MKDIR] = "MKDIR",
	[FUSE_UNLINK] = "UNLINK",
	[FUSE_RMDIR] = "RMDIR",
	[FUSE_RENAME] = "RENAME",
	[FUSE_LINK] = "LINK",
	[FUSE_OPEN] = "OPEN",
	[FUSE_READ] = "READ",
	[FUSE_WRITE] = "WRITE",
	[FUSE_STATFS] = "STATFS",
	[FUSE_RELEASE] = "RELEASE",
	[FUSE_FSYNC] = "FSYNC",
	[FUSE_SETXATTR] = "SETXATTR",
	[FUSE_GETXATTR] = "GETXATTR",
	[FUSE_LISTXATTR] = "LISTXATTR",
	[FUSE_REMOVEXATTR] = "REMOVEXATTR",
	[FUSE_FLUSH] = "FLUSH",
	[FUSE_INIT] = "INIT",
	[FUSE_OPENDIR] = "OPENDIR",
	[FUSE_READDIR] = "READDIR",
	[FUSE_RELEASEDIR] = "RELEASEDIR",
	[FUSE_FSYNCDIR] = "FSYNCDIR",
	[FUSE_GETLK] = "GETLK",
	[FUSE_SETLK] = "SETLK",
	[FUSE_SETLKW] = "SETLKW",
	[FUSE_ACCESS] = "ACCESS",
	[FUSE_CREATE] = "CREATE",
	[FUSE_INTERRUPT] = "INTERRUPT",
	[FUSE_BMAP] = "BMAP",
	[FUSE_DESTROY] = "DESTROY",
	[FUSE_IOCTL] = "IOCTL",
	[FUSE_POLL] = "POLL",
	[FUSE_BATCH_FORGET] = "BATCH_FORGET",
	[FUSE_FALLOCATE] = "FALLOCATE",
	[FUSE_READDIRPLUS] = "READDIRPLUS",
	[FUSE_RENAME2] = "RENAME2",
	[FUSE_LSEEK] = "LSEEK",
	[FUSE_COPY_FILE_RANGE] = "COPY_FILE_RANGE",
	[FUSE_SETUPMAPPING] = "SETUPMAPPING",
	[FUSE_REMOVEMAPPING] = "REMOVEMAPPING",
	[FUSE_SYNCFS] = "SYNCFS",
	[51] = "TMPFILE", /* FUSE_TMPFILE, since 7.37 */
};

int stats_init(unsigned int ports, struct stats **out)
{
	*out = calloc(1, sizeof(**out));
	if (!*out)
		return -ENOMEM;
	(*out)->ports = ports;
	return 0;
}

void stats_free(struct stats *s)
{
	unsigned int i;

	if (!s)
		return;
	for (i = 0; i < OPCODES; i++)
		free(s->op[i].cycles);
	free(s);
}

static void sample(struct samples *op, uint64_t cycles)
{
	if (op->n == op->room) {
		uint32_t room = op->room ? op->room * 2 : 1024;
		uint32_t *p = realloc(op->cycles, room * sizeof(p[0]));

		if (!p)
			return;
		op->cycles = p;
		op->room = room;
	}
	op->cycles[op->n++] = cycles > UINT32_MAX ? UINT32_MAX : (uint32_t)cycles;
	op->sum += cycles;
}

static uint32_t shadow32(const struct port_stats *p, uint32_t off)
{
	uint32_t v;

	memcpy(&v, p->ring + off, 4);
	return v;
}

/* The doorbell: every request between the old and the new tail starts now. */
static void doorbell(struct port_stats *p, uint16_t tail, uint64_t cycle)
{
	uint16_t i = p->sq_tail;

	p->sq_tail = tail;
	if ((uint16_t)(tail - i) > PORT_RING_ENTRIES)
		return; /* nonsense: the device breaks the port */
	for (; i != tail; i++) {
		uint32_t e = shadow32(p, PORT_SQ_OFFSET + i % PORT_RING_ENTRIES * 4);
		uint32_t tag = PORT_SQE_TAG(e);
		uint32_t op;

		if (PORT_SQE_KIND(e) != PORT_SQE_REQUEST || tag >= PORT_TAGS_MAX)
			continue;
		op = shadow32(p, PORT_CELL_OFFSET + tag * PORT_CELL_SIZE +
					 (uint32_t)offsetof(struct port_cell, message) + 4);
		p->flight[tag] = (struct flight){true, op < OPCODES ? (uint8_t)op : 0, cycle};
		p->messages++;
	}
}

static void completions(struct stats *s, struct port_stats *p, uint16_t tail, uint64_t cycle)
{
	uint16_t i = p->cq_tail;

	p->cq_tail = tail;
	if ((uint16_t)(tail - i) > PORT_RING_ENTRIES)
		return; /* set back by an attach */
	for (; i != tail; i++) {
		uint32_t e = p->cq[i % PORT_RING_ENTRIES];
		struct flight *f;

		if (PORT_CQE_TAG(e) >= PORT_TAGS_MAX)
			continue;
		f = &p->flight[PORT_CQE_TAG(e)];
		if (!f->active)
			continue;
		f->active = false;
		if (PORT_CQE_KIND(e) == PORT_CQE_REPLY)
			sample(&s->op[f->opcode], cycle - f->start);
		else
			p->invalid++;
	}
}

static void forget_flights(struct port_stats *p)
{
	memset(p->flight, 0, sizeof(p->flight));
	p->sq_tail = 0;
	p->cq_tail = 0;
}

static void host_wrote(struct port_stats *p, const struct bus_cmd *cmd, uint64_t cycle)
{
	if (cmd->addr >= PORT_HOST_WINDOW_BASE) {
		p->bytes_written += cmd->words * 4;
	} else if (cmd->addr >= PORT_HOST_RING_BASE &&
		   cmd->addr < PORT_HOST_RING_BASE + PORT_HOST_RING_SIZE) {
		memcpy(p->ring + cmd->addr - PORT_HOST_RING_BASE, cmd->data, cmd->words * 4);
	} else if (cmd->addr == PORT_HOST_SQ_TAIL) {
		doorbell(p, (uint16_t)cmd->data[0], cycle);
	} else if (cmd->addr == PORT_HOST_CONTROL) {
		forget_flights(p);
	}
}

void stats_command(struct stats *s, unsigned int port, const struct bus_cmd *cmd, uint64_t cycle)
{
	struct port_stats *p = &s->port[port];

	switch (cmd->op) {
	case BUS_WRITE:
		host_wrote(p, cmd, cycle);
		break;
	case BUS_READ:
		if (cmd->addr >= PORT_HOST_WINDOW_BASE)
			p->bytes_read += cmd->words * 4;
		break;
	default:
		forget_flights(p);
		break;
	}
}

void stats_tap(struct stats *s, uint32_t addr, uint32_t data, uint64_t cycle)
{
	uint32_t port = (addr - PORT_DEVICE_BASE) / PORT_DEVICE_STRIDE;
	uint32_t off = (addr - PORT_DEVICE_BASE) % PORT_DEVICE_STRIDE;

	if (addr == SYS_BASE + SYS_CORE_COPIED)
		s->core_copied = data;
	if (addr < PORT_DEVICE_BASE || port >= s->ports)
		return;
	if (off == PORT_DEVICE_CQ_TAIL)
		completions(s, &s->port[port], (uint16_t)data, cycle);
	else if (off >= PORT_DEVICE_RING + PORT_CQ_OFFSET &&
		 off < PORT_DEVICE_RING + PORT_CQ_OFFSET + PORT_RING_ENTRIES * 4)
		s->port[port].cq[(off - PORT_DEVICE_RING - PORT_CQ_OFFSET) / 4] = data;
}

static int by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

/* The value that a part (in thousandths) of the samples does not exceed. The samples are sorted. */
static uint32_t quantile(const struct samples *op, uint32_t part)
{
	uint64_t i = ((uint64_t)op->n * part + 999) / 1000;

	return op->cycles[i ? i - 1 : 0];
}

static const char *name_of(unsigned int op)
{
	return op_name[op] ? op_name[op] : "other";
}

static double per_second(uint64_t n, double seconds)
{
	return seconds > 0 ? (double)n / seconds : 0;
}

void stats_print(struct stats *s, const struct stats_totals *t, FILE *to)
{
	uint64_t reads, writes, flushes;
	unsigned int i;

	fprintf(to, "\n%-16s %9s %10s %10s %10s\n", "operation", "count", "median", "p99", "max");
	for (i = 0; i < OPCODES; i++) {
		struct samples *op = &s->op[i];

		if (!op->n)
			continue;
		qsort(op->cycles, op->n, sizeof(op->cycles[0]), by_value);
		fprintf(to, "%-16s %9u %10u %10u %10u\n", name_of(i), op->n, quantile(op, 500),
			quantile(op, 990), op->cycles[op->n - 1]);
	}
	fprintf(to, "(cycles from doorbell to completion)\n\n");
	fprintf(to, "%-5s %10s %14s %14s %8s %8s\n", "port", "messages", "bytes read",
		"bytes written", "denied", "invalid");
	for (i = 0; i < s->ports; i++)
		fprintf(to, "%-5u %10llu %14llu %14llu %8u %8llu\n", i,
			(unsigned long long)s->port[i].messages,
			(unsigned long long)s->port[i].bytes_read,
			(unsigned long long)s->port[i].bytes_written, t->denied[i],
			(unsigned long long)s->port[i].invalid);
	storage_counts(&reads, &writes, &flushes);
	fprintf(to, "\nmedium: %llu blocks read, %llu written, %llu flushes\n",
		(unsigned long long)reads, (unsigned long long)writes, (unsigned long long)flushes);
	fprintf(to, "file data copied by the core in whole pages: %llu bytes\n",
		(unsigned long long)s->core_copied);
	fprintf(to,
		"%llu cycles in %.2f s: %.0f cycles/s; busy %.2f s: %.0f cycles/s; slept %llu "
		"cycles\n",
		(unsigned long long)t->cycles, t->wall, per_second(t->cycles, t->wall),
		t->wall - t->idle, per_second(t->cycles, t->wall - t->idle),
		(unsigned long long)t->slept);
	fflush(to);
}

void stats_json(struct stats *s, const struct stats_totals *t, FILE *to)
{
	uint64_t reads, writes, flushes;
	const char *comma = "";
	unsigned int i;

	fprintf(to, "{\n  \"operations\": {");
	for (i = 0; i < OPCODES; i++) {
		struct samples *op = &s->op[i];

		if (!op->n)
			continue;
		qsort(op->cycles, op->n, sizeof(op->cycles[0]), by_value);
		fprintf(to,
			"%s\n    \"%s\": {\"count\": %u, \"min\": %u, \"median\": %u, \"p99\": %u, "
			"\"max\": %u, \"mean\": %.1f}",
			comma, name_of(i), op->n, op->cycles[0], quantile(op, 500),
			quantile(op, 990), op->cycles[op->n - 1], (double)op->sum / op->n);
		comma = ",";
	}
	fprintf(to, "\n  },\n  \"ports\": [");
	for (i = 0; i < s->ports; i++)
		fprintf(to,
			"%s\n    {\"messages\": %llu, \"bytes_read\": %llu, \"bytes_written\": "
			"%llu, "
			"\"denied\": %u, \"invalid\": %llu}",
			i ? "," : "", (unsigned long long)s->port[i].messages,
			(unsigned long long)s->port[i].bytes_read,
			(unsigned long long)s->port[i].bytes_written, t->denied[i],
			(unsigned long long)s->port[i].invalid);
	storage_counts(&reads, &writes, &flushes);
	fprintf(to,
		"\n  ],\n  \"medium\": {\"reads\": %llu, \"writes\": %llu, \"flushes\": %llu},\n"
		"  \"core_copied\": %llu,\n  \"cycles\": %llu,\n  \"slept_cycles\": %llu,\n"
		"  \"wall_seconds\": %.3f,\n  \"busy_seconds\": %.3f,\n"
		"  \"busy_cycles_per_second\": %.0f\n}\n",
		(unsigned long long)reads, (unsigned long long)writes, (unsigned long long)flushes,
		(unsigned long long)s->core_copied, (unsigned long long)t->cycles,
		(unsigned long long)t->slept, t->wall, t->wall - t->idle,
		per_second(t->cycles, t->wall - t->idle));
	fflush(to);
}
