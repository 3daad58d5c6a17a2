/* SPDX-License-Identifier: BSD-2-Clause */
/* The firmware's start, its main loop and its end. */
#ifndef MPDISK_BOOT_H
#define MPDISK_BOOT_H

#include "port/port.h"

#define BOOT_PORTS_MAX 8u

struct device {
	u32 nports;
	u32 active;    /* a bit per port that has something to do */
	u32 parked;    /* a bit per port that has requests that wait for locks */
	u32 next_port; /* who had its turn last */
	u32 tick;      /* counts ticks; waited on by the background fiber */
	u32 heartbeat;
	bool serving;  /* ports are set up */
	bool stopping; /* an orderly stop was requested */
	struct port ports[BOOT_PORTS_MAX];
} __attribute__((aligned(32)));

extern struct device device;

void boot_main(void);
struct pool *boot_pool(void);
void trap_report(u32 cause, u32 pc, u32 value);

/* serve.c: makes the worker fibers; each looks for messages and serves them. */
void serve_start(void);
/* Arms the timer for the next tick. */
void serve_arm_tick(void);

#endif
