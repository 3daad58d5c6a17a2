// SPDX-License-Identifier: BSD-2-Clause
/*
 * The main loop: every worker fiber looks for work, serves it, and looks again.
 *
 * Whoever finds a message serves it at once. When it has to wait, another fiber goes on: one whose
 * wait is over, else an idle one, which looks for the next message. Ports take turns by message.
 */
#include "boot/boot.h"
#include "platform/soc/fiber.h"
#include "platform/soc/soc.h"

/*
 * What a worker has of its own. What is hot, from the top of the stack on, lies together and at the
 * same place in the (direct-mapped, 4 KiB) data cache for each; the linker puts the hot globals
 * where they do not collide with it.
 */
#define WORKER_BYTES 8192u
#define WORKER_STACK                                                                               \
	((WORKER_BYTES - sizeof(struct port_call) - sizeof(struct exec)) / 32 * 8) /* words */

struct worker {
	u32 stack[WORKER_STACK];
	struct port_call call;
	struct exec x;
} __attribute__((aligned(WORKER_BYTES)));
_Static_assert(sizeof(struct worker) == WORKER_BYTES, "struct worker");

static struct worker workers[FIBERS - 1] __attribute__((section(".workers,\"aw\",@nobits#")));

void port_memory_changed(struct plat *plat)
{
	(void)plat;
	soc_cache_invalidate();
}

void serve_arm_tick(void)
{
	u64 next;

	next = SOC_REG(TIMER, TIME_LO);
	next |= (u64)SOC_REG(TIMER, TIME_HI) << 32;
	next += soc.cycles_per_ms * SOC_TICK_MS;
	SOC_REG(TIMER, COMPARE_LO) = (u32)next;
	SOC_REG(TIMER, COMPARE_HI) = (u32)(next >> 32);
}

static void tick(void)
{
	u32 p;

	soc_time_tick(&soc);
	serve_arm_tick();
	device.heartbeat++;
	for (p = 0; device.serving && p < device.nports; p++) {
		port_tick(&device.ports[p], device.heartbeat);
		if (port_wants_change(&device.ports[p]))
			device.active |= 1u << p;
	}
	fibers_tick(plat_ms(&soc));
	device.tick++;
	plat_wake(&soc, &device.tick);
}

/* What is pending besides ports. */
static __attribute__((noinline)) void poll_others(u32 pending)
{
	if (pending & 1u << INTC_IRQ_MEDIUM) {
		SOC_REG(MEDIUM, IRQ) = 1; /* first, then what it stands for */
		soc_medium_reap(&soc);
	}
	if (pending & 1u << INTC_IRQ_TIMER)
		tick();
	if (pending & 1u << INTC_IRQ_STOP && !device.stopping) {
		device.stopping = true;
		SOC_REG(INTC, ENABLE) &= ~(1u << INTC_IRQ_STOP);
		device.tick++;
		plat_wake(&soc, &device.tick);
	}
}

void soc_poll(bool sleep)
{
	const u32 pending = sleep ? SOC_REG(INTC, WAIT) : SOC_REG(INTC, PENDING);
	u32 ports = pending >> INTC_IRQ_PORT0;
	u32 p;

	if (pending & ((1u << INTC_IRQ_PORT0) - 1))
		poll_others(pending);
	for (p = 0; ports; p++, ports >>= 1)
		if (ports & 1 && p < device.nports && port_events(&device.ports[p]))
			device.active |= 1u << p;
}

/* The next port, in turn, that has something to do. device.active is not 0. */
static inline u32 next_port(void)
{
	u32 p = device.next_port;

	do {
		if (++p >= device.nports)
			p = 0;
	} while (!(device.active & 1u << p));
	device.next_port = p;
	return p;
}

/* What a port wants besides messages. */
static __attribute__((noinline)) void change(struct port *port, struct exec *x)
{
	if (!port_wants_change(port))
		return;
	port_change(port, x);
	/* what was asked for meanwhile was not seen by anybody */
	device.active |= 1u << (port - device.ports);
}

static __attribute__((noinline)) void park(struct port *port, struct port_call *call)
{
	port_park(port, call);
	device.parked |= 1u << (port - device.ports);
}

/* Something has been done that may have ended waits. */
static __attribute__((noinline)) void unpark(struct exec *x)
{
	u32 p;

	for (p = 0; p < device.nports; p++) {
		if (!(device.parked & 1u << p))
			continue;
		port_unpark(&device.ports[p], x);
		if (!device.ports[p].parked)
			device.parked &= ~(1u << p);
	}
}

static void serve(u32 index)
{
	struct port_call *call = &workers[index - 1].call;
	struct exec *x = &workers[index - 1].x;
	struct port *port;
	u32 p;

	if (exec_join(boot_pool(), &soc, 0, x))
		plat_panic(&soc, "no executor slot", __FILE__, __LINE__);
	for (;;) {
		if (fiber_idle())
			continue;
		soc_poll(!device.active);
		if (!device.active)
			continue;
		p = next_port();
		port = &device.ports[p];
		if (port_take(port, x, call)) {
			fuse_serve(&call->fuse);
			if (__builtin_expect(!fuse_waits(&call->fuse), 1))
				port_complete(port, call);
			else
				park(port, call);
		} else {
			change(port, x);
		}
		if (__builtin_expect(device.parked, 0))
			unpark(x);
		if (!port_has_messages(port) && !port_wants_change(port))
			device.active &= ~(1u << p);
	}
}

void serve_start(void)
{
	u32 i;

	for (i = 1; i < FIBERS; i++)
		fiber_create(i, serve, workers[i - 1].stack, WORKER_STACK);
}
