/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Crash tests: a workload runs on a medium that records every write and flush; then, for every
 * write, images are made as a power cut could leave them, recovered, and compared with what the
 * history allows.
 *
 *	record.c   the medium: events, durable image, crash images
 *	tree.c     what a mounted filesystem shows: names, attributes, contents
 *	work.c     operations, and workloads made of them by number
 *	check.c    one crash image: recovery, the oracle, e2fsck
 *	main.c     which workloads, how many, from which seed; resuming; replay of one
 */
#ifndef MPDISK_TEST_CRASH_H
#define MPDISK_TEST_CRASH_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/fs.h"
#include "platform/errno.h"
#include "platform/posix/posix.h"

#define POOL_SIZE (6u << 20)
#define MAX_STATES 96u /* of one workload */
#define MAX_NODES 96u

/* Ends this workload's process: says what is wrong and how to see it again. */
void crash_fail(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));

/* ---- record.c */
enum event_kind { EVENT_WRITE, EVENT_FLUSH };

struct event {
	enum event_kind kind;
	u32 block;
	u32 started; /* operations begun when it happened */
	u32 synced;  /* index into syncs: how many had returned */
	u8 *data;    /* 4096 bytes */
};

struct medium {
	u8 *image; /* while recording: as it is; while checking: durable, but for what is undone */
	u32 blocks;
	struct event *events;
	u32 nevents, capacity;
	u32 started, synced;
	/* undoing: the first content of each block that has been changed since undo_begin */
	u8 *touched;
	struct {
		u32 block;
		u8 old[4096];
	} * undo;
	u32 nundo, undo_capacity;
	struct plat_posix_watch record, undo_watch;
};

extern struct medium medium;

/* Takes the image at path. */
void medium_load(const char *path);
/* Every write and flush of the plat goes into the record, or into the undo list. */
void medium_record(struct plat *plat);
void medium_undoing(struct plat *plat);
/* The record begins anew: what is there is durable. */
void medium_begin(void);
/* Takes back everything since the last call. */
void medium_undo(void);
/* The same, back to when there were n entries. */
void medium_undo_to(u32 n);
/* Writes the block, so that medium_undo() takes it back; sectors: a bit for each 512 bytes. */
void medium_put(const struct event *event, u32 sectors);
/* The same for good. */
void medium_write(const struct event *event, u32 sectors);
/* The image as it is now, into a file. */
void medium_save(const char *path);
void medium_take(const char *path);

/* ---- tree.c */
struct node {
	node_t node;
	u64 size;
	u8 *data; /* regular files */
};

struct tree {
	char *text; /* sorted lines: names with all attributes */
	struct node nodes[MAX_NODES];
	u32 nnodes;
	u64 free_blocks, free_inodes;
	u32 open_orphans; /* deleted files that are open: the free counts do not fit */
};

/* Everything that can be seen. */
void tree_read(struct exec *x, struct tree *t);
void tree_free(struct tree *t);
const struct node *tree_node(const struct tree *t, node_t node);

/* ---- work.c */
enum sync_kind {
	SYNC_NONE,
	SYNC_FSYNC,
	SYNC_FDATASYNC,
	SYNC_ALL,
	SYNC_STEP,
	SYNC_OTHER,
	SYNC_KINDS
};

struct sync {
	enum sync_kind kind;
	u32 state; /* operations that had ended when it was called */
	node_t node;
};

/* What happened: state i is the tree after i operations. */
struct history {
	struct tree states[MAX_STATES];
	u32 nstates;
	node_t target[MAX_STATES]; /* whose inode operation i - 1 changed */
	bool data[MAX_STATES];     /* and whether fdatasync counts it */
	struct sync syncs[MAX_STATES];
	u32 nsyncs;
	u32 open_orphans;
};

extern struct history history;

u32 work_operations(void); /* kinds of operations */
const char *work_name(u32 op);
/* The tree that every workload begins with. */
void work_populate(struct exec *x, bool full);
/* Commits until the log has little room left, or its head is near its end. */
void work_fill_log(struct exec *x, u64 *rng);
/* Operation op, as many steps as it has, each a state of the history. */
void work_do(struct exec *x, u32 op);
void work_sync(struct exec *x, enum sync_kind kind);
/* The state that the history begins with, or ends an operation with. */
void work_state(struct exec *x);

/* ---- check.c */
struct check_options {
	u64 seed;
	u32 fsck_every; /* one of so many images goes to e2fsck */
	const char *dir;
	u32 only_event; /* replay: ~0 for all */
	u32 only_variant;
	bool verbose;
};

struct check_counts {
	u64 workloads, points, recoveries, fscks, writes, flushes;
};

/* Every crash point of the recorded workload. */
void check_all(const struct check_options *opt, u64 workload, struct check_counts *counts);

/* A mount on the medium; NULL and *err if it is refused. */
struct exec *crash_mount(bool recording, u32 seed, bool defer, int *err);
/* With unmounting, or as if the power went. */
int crash_unmount(bool clean);
const char *crash_log(void);
/* Random numbers that depend on nothing else. */
u32 crash_random(u64 *state, u32 below);

#endif
