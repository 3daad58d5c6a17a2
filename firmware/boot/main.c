// SPDX-License-Identifier: BSD-2-Clause
/* From reset to serving, and the background fiber: mounting, write-back, the orderly stop. */
#include "boot/boot.h"
#include "platform/errno.h"
#include "platform/soc/fiber.h"
#include "platform/soc/soc.h"

#include <string.h>

#define BACKGROUND_STACK 6144u /* bytes */
#define WRITEBACK_TICKS 10u    /* a step of write-back every second */
#define WRITEBACK_FRAMES 64u

struct plat soc;
struct device device;

static struct pool pool;
static struct exec background;
/* mounting, write-back, unmounting */
static u32 background_stack[BACKGROUND_STACK / 4] __attribute__((aligned(16)));

static void fail(const char *what, int err)
{
	plat_log(&soc, PLAT_ERR, "%s: error %d", what, -err);
	plat_panic(&soc, what, __FILE__, __LINE__);
}

/* Lays out the pool over the whole memory. */
static void memory_init(ref_t *ports)
{
	const u32 config = SOC_REG(SYS, CONFIG);
	ref_t engines;
	int err;

	soc.memory = ((config & SYS_CONFIG_MEMORY_MIB_MASK) >> SYS_CONFIG_MEMORY_MIB_LSB) << 20;
	device.nports = min_of(config & SYS_CONFIG_PORTS_MASK, BOOT_PORTS_MAX);
	/* The DMA engine clears large areas; until the pool can give it a place, its descriptor is
	 * at the end of memory. */
	soc_engines_init(&soc, soc.memory - BLOCK_SIZE);
	err = pool_format(&pool, (void *)(uintptr_t)SYS_MEMORY_BASE, soc.memory);
	if (!err)
		err = pool_carve(&pool, SOC_DESC_AREA, &engines);
	if (!err)
		err = pool_carve(&pool,
				 device.nports * (PORT_WRITE_SLOTS_MAX + PORT_MAPPED) *
					 (u32)sizeof(fno_t),
				 ports);
	if (err)
		fail("no room for the pool", err);
	soc_engines_init(&soc, engines);
	SOC_REG(SYS, PHASE) = PHASE_MEMORY;
	plat_log(&soc, PLAT_INFO, "memory %u MiB, %u frames, %u ports, clock %u Hz",
		 soc.memory >> 20, pool.hdr->nframes, device.nports, soc.hz);
}

static int mount(void)
{
	struct fs_mount_opts opts = {0};
	int err;

	SOC_REG(SYS, PHASE) = PHASE_MOUNTING;
	if (!soc.present) {
		plat_log(&soc, PLAT_ERR, "no medium");
		return -MP_EMEDIUMTYPE;
	}
	opts.read_only = soc.read_only;
	plat_log(&soc, PLAT_INFO, "medium: %llu blocks of 4 KiB%s", (unsigned long long)soc.blocks,
		 soc.read_only ? ", read-only" : "");
	err = fs_mount(&background, &opts);
	if (err)
		plat_log(&soc, PLAT_ERR, "the filesystem was refused: error %d", -err);
	return err;
}

static void ports_init(ref_t arrays, int mount_error)
{
	fno_t *words = pool_ptr(&pool, arrays);
	u32 p, enable;

	for (p = 0; p < device.nports; p++) {
		volatile u32 *regs =
			(volatile u32 *)(uintptr_t)(PORT_DEVICE_BASE + p * PORT_DEVICE_STRIDE);

		port_init(&device.ports[p], &soc, regs, p, words, words + PORT_WRITE_SLOTS_MAX,
			  -mount_error);
		words += PORT_WRITE_SLOTS_MAX + PORT_MAPPED;
	}
	enable = 1u << INTC_IRQ_TIMER | 1u << INTC_IRQ_MEDIUM | 1u << INTC_IRQ_STOP;
	enable |= ((1u << device.nports) - 1) << INTC_IRQ_PORT0;
	device.serving = true;
	SOC_REG(INTC, ENABLE) = enable;
}

/* Detaches every host, writes everything back, and stops. */
static void stop(int mount_error)
{
	u32 p, i, depth = 0, least = ~0u;
	int err = 0;

	plat_log(&soc, PLAT_INFO, "stop requested");
	for (p = 0; p < device.nports; p++) {
		struct port *port = &device.ports[p];

		port_stop(port);
		while (port->changing)
			plat_wait(&soc, &device.tick, device.tick, 0);
		if (port->want)
			port_change(port, &background);
	}
	if (!mount_error)
		err = fs_unmount(&background);
	for (i = 0; i < FIBERS; i++) {
		depth = max_of(depth, fiber_depth(i));
		least = min_of(least, fiber_stack(i));
	}
	plat_log(&soc, err ? PLAT_ERR : PLAT_INFO,
		 "stopped: error %d, deepest stack %u of %u bytes, %u bytes copied by the core",
		 -err, depth, least, SOC_REG(SYS, CORE_COPIED));
	SOC_REG(SYS, PHASE) = PHASE_STOPPED;
	SOC_REG(INTC, ENABLE) = 0;
	for (;;)
		(void)SOC_REG(INTC, WAIT); /* sleeps for good */
}

static ref_t port_arrays;

static void run(u32 index)
{
	u32 ticks = 0, seen;
	int err, mount_error;

	(void)index;
	if (exec_join(&pool, &soc, 0, &background))
		plat_panic(&soc, "no executor slot", __FILE__, __LINE__);
	SOC_REG(INTC, ENABLE) = 1u << INTC_IRQ_TIMER | 1u << INTC_IRQ_MEDIUM;
	serve_arm_tick();
	mount_error = mount();
	serve_start();
	ports_init(port_arrays, mount_error);
	SOC_REG(SYS, PHASE) = mount_error ? PHASE_REFUSED : PHASE_SERVING;
	plat_log(&soc, PLAT_INFO, "%s on %u ports", mount_error ? "waiting" : "serving",
		 device.nports);
	for (;;) {
		seen = device.tick;
		if (device.stopping)
			stop(mount_error);
		plat_wait(&soc, &device.tick, seen, 0);
		if (++ticks % WRITEBACK_TICKS || mount_error)
			continue;
		err = fs_error_write(&background);
		if (!err)
			err = cache_writeback(&background, WRITEBACK_FRAMES);
		if (err < 0)
			plat_log(&soc, PLAT_ERR, "write-back: error %d", -err);
	}
}

struct pool *boot_pool(void)
{
	return &pool;
}

void boot_main(void)
{
	SOC_REG(SYS, PHASE) = PHASE_BOOTED;
	soc_time_init(&soc);
	plat_log(&soc, PLAT_INFO, "mpdisk: one disk for many hosts");
	memory_init(&port_arrays);
	fibers_start(run, background_stack, array_size(background_stack));
}
