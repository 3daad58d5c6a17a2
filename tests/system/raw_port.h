/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A port without a driver's manners: messages, cells, rings and slots written byte by byte, so that
 * tests can write them wrong. One message at a time, in tag 0 unless said otherwise.
 */
#ifndef MPDISK_RAW_PORT_H
#define MPDISK_RAW_PORT_H

#include <stdbool.h>
#include <stdint.h>

#include <linux/fuse.h>

#include "../../host-driver/fuse/port_client.h"

#define RAW_MESSAGE_MAX (140u << 10)
#define RAW_ROOT 1u

struct raw_port {
	struct link *link;
	struct port_info info;
	uint16_t sq_tail;
	uint16_t cq_head;
	uint64_t unique;

	/* The request being made. */
	struct port_cell cell;
	uint8_t message[RAW_MESSAGE_MAX];
	uint32_t len;

	/* What came back. */
	bool invalid;  /* PORT_CQE_INVALID */
	bool no_reply; /* message_len 0 */
	int error;     /* of the fuse_out_header, 0 or negative */
	uint32_t reply_len;
	uint8_t reply[RAW_MESSAGE_MAX];
};

/* Opens the link and attaches. Negative errno. */
int raw_open(struct raw_port *port, const char *link_name) __attribute__((warn_unused_result));
void raw_close(struct raw_port *port);

/* Attaches (again), and sends a proper FUSE_INIT. */
int raw_attach(struct raw_port *port) __attribute__((warn_unused_result));
int raw_init(struct raw_port *port) __attribute__((warn_unused_result));

/* Begins a request; raw_add appends to it and raw_seal fills header.len and the cell for it, as a
 * driver would: then the test may spoil either. */
void raw_begin(struct raw_port *port, uint32_t opcode, uint64_t nodeid);
void raw_add(struct raw_port *port, const void *data, uint32_t len);
void raw_add_name(struct raw_port *port, const char *name);
void raw_seal(struct raw_port *port);

/* Puts cell and payload into the device, without a doorbell. */
int raw_put(struct raw_port *port, unsigned int tag) __attribute__((warn_unused_result));
/* Writes ring entries and the doorbell. */
int raw_ring(struct raw_port *port, const uint32_t *entries, unsigned int count)
	__attribute__((warn_unused_result));
/* Waits for one completion and reads the reply. -ETIMEDOUT; -EPIPE: the port is BROKEN or not
 * READY. */
int raw_wait(struct raw_port *port, unsigned int *tag) __attribute__((warn_unused_result));

/* raw_put, raw_ring and raw_wait of tag 0. 0 or a negative errno of the transport. */
int raw_send(struct raw_port *port) __attribute__((warn_unused_result));
/* The same after raw_seal: a well-formed request. Returns the reply's error. */
int raw_call(struct raw_port *port);

/* STATUS, or 0 if the link does not answer. */
uint32_t raw_status(struct raw_port *port);

/* LOOKUP; *nodeid is 0 on failure. Returns the reply's error. */
int raw_lookup(struct raw_port *port, uint64_t parent, const char *name, uint64_t *nodeid);
/* CREATE in the root; returns the reply's error. */
int raw_create(struct raw_port *port, const char *name, uint64_t *nodeid, uint64_t *fh);

#endif
