/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A host without a kernel: FUSE messages through the port client that mounts use, so that what is
 * measured is the device. One struct host is one attached port.
 */
#ifndef MPDISK_BENCH_HOST_H
#define MPDISK_BENCH_HOST_H

#include <stdint.h>

#include <linux/fuse.h>

#include "../../../host-driver/fuse/port_client.h"

#define HOST_DATA PORT_MAX_DATA
#define HOST_MESSAGE_MAX (HOST_DATA + 4096u)

struct host;

/* One request at a time and what came back; a host has as many as it likes at work. */
struct request {
	struct host *host;
	void (*done)(struct request *request); /* NULL: host_call waits for it */
	void *user;
	int step; /* the user's */

	uint32_t len;
	_Alignas(8) uint8_t message[HOST_MESSAGE_MAX];

	int pending;
	int error;            /* of the fuse_out_header */
	uint32_t payload_len; /* bytes that followed the fixed part, in the reply slots */
	_Alignas(8) uint8_t reply[1024];
};

struct host {
	struct link *link;
	struct port_client *client;
	struct port_info info;
	uint64_t unique;
	uint64_t beat_ns;
};

/* Attaches to LINK and sends FUSE_INIT. All these end the program with a message on any error. */
void host_open(struct host *host, const char *link_name);
void host_close(struct host *host);
void host_die(const char *what, int error) __attribute__((noreturn));

/* Takes completions, calling what they are for; waits for at least one. */
void host_poll(struct host *host);

/* A request is begun, added to, and then sent (done will be called) or called (waits). */
void request_begin(struct request *r, uint32_t opcode, uint64_t node);
void request_add(struct request *r, const void *data, uint32_t len);
void request_name(struct request *r, const char *name);
void request_send(struct request *r);
/* Ends the program if the reply is an error. */
void request_call(struct request *r);

/* Whole requests, not yet sent. Names are those of FUSE. */
void make_getattr(struct request *r, uint64_t node);
void make_lookup(struct request *r, uint64_t parent, const char *name);
void make_create(struct request *r, uint64_t parent, const char *name);
void make_open(struct request *r, uint64_t node);
void make_release(struct request *r, uint64_t node, uint64_t fh);
void make_read(struct request *r, uint64_t node, uint64_t fh, uint64_t offset, uint32_t len);
void make_write(struct request *r, uint64_t node, uint64_t fh, uint64_t offset, uint32_t len);
void make_mkdir(struct request *r, uint64_t parent, const char *name);
void make_remove(struct request *r, uint32_t opcode, uint64_t parent, const char *name);
void make_rename(struct request *r, uint64_t parent, const char *from, const char *to);
/* The host forgets `count` lookups of a node: the end of one that was removed. */
void make_forget(struct request *r, uint64_t node, uint64_t count);
void make_readdir(struct request *r, uint64_t node, uint64_t fh);

/* What is in replies. */
uint64_t reply_node(const struct request *r);       /* LOOKUP, CREATE, MKDIR */
uint64_t reply_created_fh(const struct request *r); /* CREATE */
uint64_t reply_opened_fh(const struct request *r);  /* OPEN, OPENDIR */

/* The device's cycle, now. */
uint64_t host_cycle(struct host *host);

#endif
