/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A session: what one host has negotiated and what it holds open on the filesystem.
 *
 * The handles of open files are in pool frames, so that the opens of a host that is gone are
 * released. A file handle (fh) on the wire is sequence << 32 | index + 1 of its entry.
 */
#ifndef MPDISK_SESSION_H
#define MPDISK_SESSION_H

#include "fs/fs.h"

#define SESSION_FRAMES 16u /* frames of handles */
#define SESSION_INTERRUPTS 8u
#define SESSION_WAITING 256u /* max_waiting, where the carrier sets no other */
#define SESSION_PER_FRAME (BLOCK_SIZE / sizeof(struct session_open))
#define SESSION_OPEN_MAX (SESSION_FRAMES * SESSION_PER_FRAME)

struct session_open {
	node_t node; /* 0: free, or about to be used */
	u32 next;    /* while free: index + 1 of the next free one */
	u32 sequence;
};
_Static_assert(sizeof(struct session_open) == 16, "struct session_open");

struct session {
	u32 lock;  /* word: 0 free, else the executor that has it; never held over anything that
		      waits */
	u32 host;  /* [immutable] port number or process */
	u32 minor; /* FUSE minor version in use; 0 before FUSE_INIT */
	u32 setxattr_ext;             /* FUSE_INIT_SETXATTR_EXT was granted */
	u32 nopen;                    /* [lock] handles in use */
	u32 nused;                    /* [lock] handles that were ever in use */
	u32 free;                     /* [lock] index + 1 of the first free handle below nused */
	u32 nframes;                  /* [lock] */
	fno_t frames[SESSION_FRAMES]; /* [lock] */
	u32 open_flags;               /* FUSE_FOPEN_* that its files get */
	u32 max_waiting;              /* requests for locks that may wait at once */
	u32 ninterrupted;             /* [lock] */
	u32 reserved;
	/* [lock] the latest interrupts that found nothing: what they mean may be on its way here */
	u64 interrupted[SESSION_INTERRUPTS];
};

void session_init(struct session *s, u32 host);

/* Reserves a handle: 0, -ENFILE when SESSION_OPEN_MAX are in use, -ENOMEM. */
int warn_unused session_reserve(struct exec *x, struct session *s, u64 *fh);

/* The operation that opens, or releases, notes it in the handle (exec.h, handle): until
 * session_bind() or session_give(). */
void session_note(struct exec *x, struct session *s, u64 fh);

/* Fills in the node that a reserved handle holds open. */
void session_bind(struct exec *x, struct session *s, u64 fh, node_t node);

/* Whether fh is a handle that is in use for `node` (0: a reserved one that was not bound). If so,
 * it is the caller's to release and to give back, and nobody else's. */
bool session_take(struct exec *x, struct session *s, u64 fh, node_t node);

/* Gives a handle back that was taken. */
void session_give(struct exec *x, struct session *s, u64 fh);

/* Whether fh is a handle of that node. */
bool session_has(struct exec *x, struct session *s, u64 fh, node_t node);

/* FUSE_INTERRUPT of a request, which may come before the request itself is waiting. */
void session_interrupt(struct exec *x, struct session *s, u64 unique);
/* The request is waiting now: ends that again if its interrupt has come before. */
void session_waits(struct exec *x, struct session *s, u64 unique);

/* After the host's death, before its executors are recovered: the handles stay, for session_drop().
 */
void session_recover(struct session *s);

/* Releases everything that the host holds; its other messages have ended. */
void session_drop(struct exec *x, struct session *s);

#endif
