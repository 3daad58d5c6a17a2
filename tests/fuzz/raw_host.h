/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A host that writes what it likes into its port, with memory in the place of registers, ring RAM
 * and slot table: requests that are nearly right, of every kind, and then bytes of them changed.
 */
#ifndef MPDISK_FUZZ_RAW_HOST_H
#define MPDISK_FUZZ_RAW_HOST_H

#include "platform/regs/port_device.h"
#include "port/port.h"

#define RAW_NODES 12u
#define RAW_CALLS 6u /* requests under way at once */
#define RAW_SLOTS 1024u

/* Kinds of requests that raw_build() makes; these begin and end what the others need. */
#define RAW_KINDS 44u
#define RAW_INIT 37u
#define RAW_DESTROY 38u

struct raw_host {
	_Alignas(64) u32 regs[0x10000 / 4];
	fno_t write_frames[PORT_WRITE_SLOTS_MAX];
	fno_t mapped[PORT_MAPPED];
	struct port port;
	struct port_call call[RAW_CALLS];
	bool under_way[RAW_CALLS];
	struct exec *x;
	u16 sq_tail;
	u64 node[RAW_NODES]; /* that replies have named */
	u64 fh[RAW_NODES], fh_node[RAW_NODES];
	u32 nnodes, nfhs;
	u32 waits, ended; /* for locks */
};

/* Knows of nothing but the root. */
void raw_clear(struct raw_host *h);
void raw_attach(struct raw_host *h, struct exec *x, u32 number);
void raw_detach(struct raw_host *h);
/* Events of the port; carries out what they want. */
void raw_events(struct raw_host *h, u32 bits);
struct port_cell *raw_cell(struct raw_host *h, u32 tag);
/* Puts a request of this kind (any number) about these nodes into the tag's cell. */
void raw_build(struct raw_host *h, u32 tag, u32 what, u32 nodes, u32 value);
void raw_post(struct raw_host *h, u32 entry);
/* What a good reply says of nodes and handles is used in later requests. */
void raw_learn(struct raw_host *h, const struct fuse_in_header *in, const void *reply,
	       u32 reply_len);
/* Two owners want the same lock, and the second one waits, if the host has a file open; the wait
 * may be ended in one way or another. */
void raw_quarrel(struct raw_host *h, u32 value);
/* Serves up to n requests to their end. */
void raw_run(struct raw_host *h, u32 n);
/* Takes one without serving it; ends the n-th of those. */
void raw_take(struct raw_host *h);
void raw_finish(struct raw_host *h, u32 n);
/* The host writes into a slot of its window, if it is mapped. */
void raw_poke(struct raw_host *h, u32 slot, u32 at, u32 value);
/* What the host can reach are only frames that are its own or are pinned for it; NULL or what is
 * wrong. */
const char *raw_check(struct raw_host *h);

#endif
