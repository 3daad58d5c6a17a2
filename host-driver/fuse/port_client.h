/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The host's side of a port (docs/PORT-PROTOCOL.md): attach, put FUSE messages into cells and write
 * slots, ring the doorbell, collect replies. Knows how a FUSE message is framed and how a WRITE
 * lies in slots, nothing else of FUSE and nothing of mounting.
 *
 * Typical use:
 *	port_attach(link, 60000, &info, &error);
 *	port_client_new(link, &info, &client);
 *	port_submit(client, message, len, cookie, 0);     any thread
 *	port_poll(client, 500, reply_fn, user);           one thread, in a loop
 *	port_beat(client);                                the same thread, every 500 ms
 *	port_fail(client, -EIO, reply_fn, user);          any thread: gives the port up
 *	port_client_free(client); port_detach(link, 5000);
 */
#ifndef MPDISK_PORT_CLIENT_H
#define MPDISK_PORT_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "../link/link.h"
#include "../../firmware/platform/regs/port_host.h"
#include "../../firmware/port/port_wire.h"

#define PORT_PAGE 4096u
#define PORT_MAX_DATA (128u << 10) /* bytes of file data in one READ or WRITE */

struct port_info {
	uint32_t version;
	unsigned int port;
	unsigned int slots; /* in the window */
	unsigned int tags;
	unsigned int write_slots;
	unsigned int read_slots; /* of each tag */
	uint32_t status;         /* STATUS once attached */
};

/* Checks ID and VERSION and fills version, port, slots and status. -ENODEV: not an mpdisk port;
 * -EPROTO: another major version. */
int port_identify(struct link *link, struct port_info *info) __attribute__((warn_unused_result));

/*
 * Attaches, which drops whatever the port held, and checks the geometry. -ENOMEDIUM: the filesystem
 * was refused and *medium_error is the device's positive errno; -ETIMEDOUT; -EPROTO: the device
 * says things that make no sense; or the link's error.
 */
int port_attach(struct link *link, int timeout_ms, struct port_info *info, int *medium_error)
	__attribute__((warn_unused_result));

/* Gives everything back and waits until the device has done so. */
int port_detach(struct link *link, int timeout_ms) __attribute__((warn_unused_result));

/* One message's end. Pointers are valid only during the call. */
struct port_reply {
	void *cookie;
	int error;           /* 0, or -EIO: no reply will come, -EINVAL: not a message to the device
			      */
	const void *message; /* the first message_len bytes; 0: a message without a reply */
	uint32_t message_len;
	const void *payload; /* the bytes that follow */
	uint32_t payload_len;
};

typedef void port_reply_fn(void *user, const struct port_reply *reply);

struct port_client;

int port_client_new(struct link *link, const struct port_info *info, struct port_client **out)
	__attribute__((warn_unused_result));
void port_client_free(struct port_client *client);

#define PORT_SUBMIT_URGENT 1u  /* may take the last free tag (FORGET, INTERRUPT) */
#define PORT_SUBMIT_PATIENT 2u /* its reply may take for ever (SETLKW) */

/*
 * Hands a whole FUSE message to the device. 0: its reply (or failure) will be reported with cookie,
 * perhaps before this returns. -EAGAIN: no free tag or slots now; -EMSGSIZE: no port carries such a
 * message; -EIO: the port has failed.
 */
int port_submit(struct port_client *client, const void *message, uint32_t len, void *cookie,
		unsigned int flags) __attribute__((warn_unused_result));

/* Waits for the port's interrupt and reports what has completed. Number of completions, or a
 * negative errno after which the port is of no use: call port_fail. */
int port_poll(struct port_client *client, int timeout_ms, port_reply_fn *fn, void *user)
	__attribute__((warn_unused_result));

/* The host's sign of life; also checks the device's state and releases reply slots. */
int port_beat(struct port_client *client) __attribute__((warn_unused_result));

/* Gives the port up: reports all that is in flight with -EIO, and so all later submissions. */
void port_fail(struct port_client *client, int error, port_reply_fn *fn, void *user);

struct port_statistics { /* in_flight and oldest_ns: without the patient ones */
	uint64_t submitted;
	uint64_t completed;
	unsigned int in_flight;
	uint32_t device_heartbeat;
	uint32_t status;
	uint32_t denied;
	int failed;           /* 0 or the negative errno given to port_fail */
	uint64_t progress_ns; /* CLOCK_MONOTONIC of the last completion or device heartbeat */
	uint64_t answer_ns;   /* ... of the last read that the link answered */
	uint64_t oldest_ns;   /* submission time of the oldest message in flight; 0: none */
};

void port_get_statistics(struct port_client *client, struct port_statistics *out);

uint64_t port_now_ns(void);

#endif
