/* SPDX-License-Identifier: BSD-2-Clause */
/* An attached pool, for what is below the VFS only. */
#ifndef MPDISK_LINUX_PRIVATE_H
#define MPDISK_LINUX_PRIVATE_H

#include <linux/kthread.h>
#include <linux/list.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "disk.h"
#include "platform/uml/uml.h"

#define MPD_PATH 512u
#define MPD_IDLE 2u /* executors that are kept when nobody uses them */
#define MPD_BUSY 6u /* that may be in use at once: three such kernels fill a pool */

struct mpd_disk {
	struct list_head attached; /* of this kernel */
	struct plat *plat;
	struct pool pool;
	void *region;        /* of iomem= */
	u32 room;            /* bytes of it */
	int fd;              /* of the pool file, the region's: not ours to close */
	int image_fd;        /* of the medium's file on the machine; -1: not known */
	char path[MPD_PATH]; /* of the pool file */
	u32 host;
	bool locked;    /* MPDISK_LOCK_JOIN is ours */
	bool mounted;   /* by this host */
	bool listening; /* plat_uml_listen() */
	bool pool_code; /* asked for */
	void *code;     /* in the pool, while it is executed there */
	struct exec x;  /* mounts, writes back, unmounts */
	struct exec keeper;
	struct task_struct *flusher;
	struct task_struct *watcher;
	struct workqueue_struct *recoverers;
	u32 recovering; /* dead hosts that this one is at; tasks run one at a time */

	/* executors for operations; tasks of one kernel run one at a time */
	struct list_head idle;
	u32 nidle;
	u32 njoined;
	wait_queue_head_t idle_wait;
};

/* ---- code.c: the core that this kernel runs */
/* Before the first call of it, with this disk alone attached where `from_pool`. */
void mpd_code_own(struct mpd_disk *d);
/* Puts the module's core into a pool that is not sealed. */
int mpd_code_put(struct mpd_disk *d);
/* Runs what is in the pool from now on, until mpd_code_own(). -EPROTO: there is none, or other. */
int mpd_code_take(struct mpd_disk *d);

/* ---- watch.c: who notices deaths */
int mpd_watch_start(struct mpd_disk *d);
/* It has left everything that it began to recover when this returns. */
void mpd_watch_stop(struct mpd_disk *d);
/* Every host that has died is recovered when this returns. */
void mpd_recover_dead(struct mpd_disk *d);

#endif
