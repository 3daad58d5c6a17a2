/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The device's end of a port: rings, cells, slots, attachment (docs/PORT-PROTOCOL.md).
 *
 * Layer: between the registers of one port (rtl/regs/port_device.toml) and the FUSE server. It
 * knows nothing of other ports, interrupts and scheduling: the platform calls it.
 *
 * Invariants
 *  D1. What a host wrote is copied before it is checked; ring RAM is never read twice.
 *  D2. A frame is mapped in a slot only while a pin of it is in write_frames[] or mapped[].
 *  D3. A frame that a WRITE may hand over to the filesystem is unmapped before the filesystem sees
 *      it, so no host writes into the page cache. The slot is mapped again, to whatever frame the
 *      filesystem gave in exchange, when the request ends.
 *  D4. A tag has at most one request in flight; its reply slots change only when that completes.
 *  D5. port_change() (attach, detach, break) runs alone: no request of the port is in flight.
 *
 * Typical use, by any executor:
 *	port_events(p);                       the port's interrupt is up
 *	if (port_wants_change(p)) port_change(p, x);
 *	else if (port_take(p, &call)) { fuse_serve(&call.fuse); port_complete(p, &call); }
 *	port_tick(p);                         every 100 ms
 */
#ifndef MPDISK_PORT_H
#define MPDISK_PORT_H

#include "port/fuse_server.h"
#include "port/port_wire.h"

#define PORT_WRITE_SLOTS_MAX 128u
#define PORT_READ_SLOTS FS_IO_SEGS /* reply slots of a tag: 128 KiB at any offset */
#define PORT_MAPPED (PORT_TAGS_MAX * PORT_READ_SLOTS)
#define PORT_WAITING 6u          /* requests that wait for locks, with a tag each */
#define PORT_HEARTBEAT_MS 10000u /* a host whose heartbeat stands still for so long is cut off */

enum port_state {
	PORT_DETACHED,
	PORT_ATTACHED,
	PORT_BROKEN,  /* the host broke the protocol: fenced until it attaches again */
	PORT_REFUSED, /* attached, but there is no filesystem */
};

/* What a port has to carry out when its requests have ended. */
#define PORT_WANT_ATTACH 1u
#define PORT_WANT_DETACH 2u
#define PORT_WANT_BREAK 4u
#define PORT_WANT_TIMEOUT 8u /* no heartbeat */
#define PORT_WANT_LINK 16u   /* the link went down */

struct port {               /* what every message touches comes first */
	volatile u32 *regs; /* device side of the port */
	struct plat *plat;
	u32 state;     /* enum port_state */
	u32 want;      /* PORT_WANT_*: no message is taken while any is set */
	bool changing; /* an executor is in port_change() */
	u16 sq_head, sq_tail, cq_tail;
	u32 ntags, nwrite;
	u32 busy;     /* one bit per tag in flight; waited on */
	u32 messages; /* taken since the attach */
	u16 nmapped[PORT_TAGS_MAX];
	fno_t *mapped;                             /* [PORT_MAPPED] reply slots, tag by tag */
	fno_t *write_frames;                       /* [PORT_WRITE_SLOTS_MAX] */
	u32 write_busy[PORT_WRITE_SLOTS_MAX / 32]; /* write slots of requests in flight */
	u32 number;
	u32 error; /* positive errno shown with BROKEN and REFUSED */
	u32 epoch;
	u32 mount_error; /* positive errno: there is no filesystem to serve; 0 there is */
	u32 heartbeat;
	u64 heartbeat_ms; /* when it last changed */
	struct session session;
	u32 parked; /* bits of tags whose request waits for a lock */
	u64 parked_key[PORT_TAGS_MAX];
	u64 tick_ms; /* of the last port_tick() */
} __attribute__((aligned(32)));

/* One message on its way through an executor. */
struct port_call {
	u32 tag;
	struct fuse_call fuse;
	u16 slots[FUSE_PAY_SEGS];
	_Alignas(32) u8 message[FUSE_IN_ROOM];
};

/* write_frames and mapped: arrays of the sizes above, for the port's own use. mount_error: why
 * there is no filesystem (positive errno), or 0. */
void port_init(struct port *p, struct plat *plat, volatile u32 *regs, u32 number,
	       fno_t *write_frames, fno_t *mapped, int mount_error);

/* Reads and clears what happened on the host's side; true: there is something to do. */
bool port_events(struct port *p);

static inline bool port_wants_change(const struct port *p)
{
	return p->want && !p->changing;
}

/* Attaches, detaches or breaks; first waits until the requests in flight have ended. */
void port_change(struct port *p, struct exec *x);

static inline bool port_has_messages(const struct port *p)
{
	return p->sq_head != p->sq_tail && !p->want && p->state == PORT_ATTACHED;
}

/* Takes entries of the submission ring up to the next request to be served; false: there is none.
 */
bool port_take(struct port *p, struct exec *x, struct port_call *call);

/* The request waits for a lock (fuse_waits): its tag stays in flight. */
void port_park(struct port *p, struct port_call *call);

/* Answers the requests that have waited long enough. */
void port_unpark(struct port *p, struct exec *x);

/* Hands the reply to the host, gives its frames back. */
void port_complete(struct port *p, struct port_call *call);

/* The device's sign of life, and a look at the host's. */
void port_tick(struct port *p, u32 heartbeat);

/* No more messages are taken; what is in flight ends. For an orderly stop. */
void port_stop(struct port *p);

/* ---- slots.c */
/* Maps -ENOMEM or pins for a new attachment: the write slots, to fresh frames. */
int warn_unused slots_attach(struct port *p, struct exec *x);
/* Unmaps every slot and gives the frames back. */
void slots_detach(struct port *p, struct exec *x);
/* Unmaps the slot of a frame that the filesystem may take over. */
void slots_withdraw(struct port *p, u32 slot);
/* Maps a write slot to this frame (again). */
void slots_restore(struct port *p, u32 slot, fno_t frame);
/* Makes segs the tag's reply slots; the pins pass to the port. n 0: none. */
void slots_map(struct port *p, struct exec *x, u32 tag, const struct fs_seg *segs, u32 n);
static inline void slots_reply(struct port *p, struct exec *x, u32 tag, const struct fs_seg *segs,
			       u32 n)
{
	if (n || p->nmapped[tag])
		slots_map(p, x, tag, segs, n);
}

/* ---- by the platform */
/* Memory may have been written behind the core's back: what was cached of it is forgotten. */
void port_memory_changed(struct plat *plat);

#endif
