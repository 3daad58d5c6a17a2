/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A scripted vhost-user-fs guest: front end and driver in one, with rings and buffers in a memfd.
 * It does what a test says, sensible or not.
 *
 * The guest's memory are two regions of 2 MiB. They lie one page into the file, and the guest's
 * addresses, the front end's and the offsets in the file have nothing to do with each other.
 */
#ifndef MPDISK_TEST_VHOST_FRONT_H
#define MPDISK_TEST_VHOST_FRONT_H

#include <stdbool.h>
#include <stdint.h>

#include <linux/fuse.h>

#include "host-driver/vhost/vhost_wire.h"

#define FRONT_QUEUES 2u
#define FRONT_SIZE 64u /* of a queue */
#define FRONT_TAGS 6u
#define FRONT_REGION (2u << 20)
#define FRONT_GUEST 0x100000ull /* address of the first region */
#define FRONT_GUEST_2 0x40000000ull
#define FRONT_USER 0x7000000000ull
#define FRONT_USER_2 0x6000000000ull
#define FRONT_OFFSET 0x1000u /* of the first region in the file */
#define FRONT_FILE (FRONT_OFFSET + 2 * FRONT_REGION)

#define FRONT_DATA (128u << 10)
#define FRONT_BUFFER (FRONT_DATA + 8192u)

struct front_queue {
	int kick, call; /* eventfds */
	struct vring_desc *desc;
	struct vring_avail *avail;
	struct vring_used *used;
	uint16_t next_avail, next_used;
	unsigned int kicks; /* that were sent */
};

struct front {
	int sock;
	int channel;        /* of the back end's messages; -1: none */
	unsigned int calls; /* that came there, of queue 1 */
	int memfd;
	uint8_t *file; /* all of the memfd */
	uint64_t features, protocol;
	struct front_queue queue[FRONT_QUEUES];
	bool busy[FRONT_TAGS]; /* by queue 1 and 0 together */
	uint32_t used_len[FRONT_TAGS];
	uint64_t unique;
	bool quiet; /* requests are posted, and the device is not told */
};

#define FRONT_PLAIN 0u     /* VERSION_1 only */
#define FRONT_EVENT_IDX 1u /* and what the flags say */
#define FRONT_INDIRECT 2u
#define FRONT_IN_BAND 4u

/* ---- messages */
/* A connection, its memory made and nothing said. Ends the program if there is none. */
void front_open(struct front *f, const char *path);
void front_close(struct front *f);
void front_send(struct front *f, uint32_t request, uint32_t flags, const void *payload,
		uint32_t size, const int *fds, unsigned int nfds);
/* Bytes of the reply's payload, or -1: none came within 5 s, or the connection is closed. */
int front_reply(struct front *f, uint32_t request, void *payload, uint32_t size);
/* Sends, with NEED_REPLY: the acknowledgement, or -1. */
int front_acked(struct front *f, uint32_t request, const void *payload, uint32_t size,
		const int *fds, unsigned int nfds);
int front_set(struct front *f, uint32_t request, unsigned int index, unsigned int num);
uint64_t front_get(struct front *f, uint32_t request);
/* Whether the back end closes the connection within so many ms. */
bool front_is_cut(struct front *f, int ms);

/* ---- a guest that boots: features, memory, queues, as FRONT_* say. */
void front_table(struct front *f, struct vhost_table *table, int *fds);
void front_ring_addr(unsigned int queue, struct vhost_vring_addr *addr);
void front_start_queue(struct front *f, unsigned int queue, unsigned int base);
void front_boot(struct front *f, const char *path, unsigned int how);
/* Without the FUSE_INIT that front_boot() ends with. */
void front_boot_bare(struct front *f, const char *path, unsigned int how);

/* ---- requests */
/* Addresses of the guest, and what is there. */
uint64_t front_in_addr(unsigned int tag);
uint64_t front_out_addr(unsigned int tag);
uint8_t *front_at(struct front *f, uint64_t guest);

/* Puts head into the available ring. */
void front_post(struct front *f, unsigned int queue, uint16_t head);
/* Tells the device, if it wants to be told. */
void front_kick(struct front *f, unsigned int queue);
void front_kick_always(struct front *f, unsigned int queue);

/* A FUSE request in a tag's buffers: in pieces, 1 + 8 descriptors or an indirect table. The tag, or
 * -1. */
int front_submit(struct front *f, unsigned int queue, uint32_t opcode, uint64_t node,
		 const void *args, uint32_t args_len, const void *data, uint32_t data_len,
		 uint32_t room);
/* The answer: its error (0, negative), or 1 if none came in time. *len: bytes after the header. */
int front_await(struct front *f, int tag, int ms, void *body, uint32_t *len);
/* Takes what the device has given back. */
void front_reap(struct front *f, unsigned int queue);

/* ---- FUSE, one request each; negative errno, or 1 for no answer */
int fuse_do(struct front *f, uint32_t opcode, uint64_t node, const void *args, uint32_t args_len,
	    void *out, uint32_t out_len);
int fuse_start(struct front *f, struct fuse_init_out *out);
int fuse_find(struct front *f, uint64_t dir, const char *name, struct fuse_entry_out *out);
int fuse_make(struct front *f, const char *name, uint64_t *node, uint64_t *fh);
int fuse_put(struct front *f, uint64_t node, uint64_t fh, uint64_t pos, const void *data,
	     uint32_t len);
int fuse_take(struct front *f, uint64_t node, uint64_t fh, uint64_t pos, void *data, uint32_t len);
int fuse_lock(struct front *f, uint32_t opcode, uint64_t node, uint64_t fh, uint32_t type);
/* SETLKW that is not waited for: the tag. */
int fuse_lock_submit(struct front *f, uint64_t node, uint64_t fh, uint32_t type);

/* ---- results */
#define CHECK(what)                                                                                \
	do {                                                                                       \
		if (!(what))                                                                       \
			return #what;                                                              \
	} while (0)

/* Prints PASS or FAIL; why: NULL, or the reason. */
void front_result(const char *name, const char *why);
extern int front_failed; /* exit status of the program */

#endif
