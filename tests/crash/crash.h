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

struct undo {
	u32 block;
	u32 level; /* that had kept it before */
	u8 old[4096];
};

struct medium {
	u8 *image; /* while recording: as it is; while checking: durable, but for what is undone */
	u32 blocks;
	struct event *events;
	u32 nevents, capacity;
	u32 started, synced;
	/* what blocks held when they first changed behind each mark */
	struct undo *undo;
	u32 nundo, undo_capacity;
	u32 *level_of; /* of each block: marks when it was kept last */
	u32 level;     /* marks now */
	struct plat_posix_watch record, undo_watch;
};

extern struct medium medium;

/* A medium as a file, which has a name for other programs only. */
struct medium_file {
	int fd;
	u32 blocks;
	u8 *bytes;
	char path[40]; /* for programs that this process starts */
};

/* Every write of the plat can be undone; recording: every write and flush goes into the record. */
void medium_record(struct plat *plat);
void medium_undoing(struct plat *plat);
/* The record begins anew: what is there is durable. */
void medium_begin(void);
/* From here on what changes can be taken back, by medium_undo() of what this returns. They nest. */
u32 medium_mark(void);
void medium_undo(u32 mark);
/* Writes the block; sectors: a bit for each 512 bytes. */
void medium_write(const struct event *event, u32 sectors);
void medium_file_make(struct medium_file *file, u32 blocks);
/* The file is as the medium is now. */
void medium_save(struct medium_file *file);

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
	node_t target[MAX_STATES]; /* whose inode operation i - 1 was to change */
	bool changed[MAX_STATES];  /* whether it did: it may have failed */
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
/* No history yet. The writes that follow have contents from number first_content on. */
void work_begin(u32 first_content);
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
	u32 fsck_every;                    /* one of so many images goes to e2fsck */
	struct medium_file *ours, *theirs; /* for e2fsck: what we recovered, and what it recovers */
	u32 only_event;                    /* replay: ~0 for all */
	u32 only_variant;
};

struct check_counts {
	unsigned long long workloads, points, recoveries, fscks, writes, flushes;
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
