// SPDX-License-Identifier: BSD-2-Clause
// A program for the soft core that uses every block of the device once and prints what it found.
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include "dma.h"
#include "intc.h"
#include "medium.h"
#include "port_device.h"
#include "sys.h"
#include "timer.h"
#include "uart.h"

int main(void);

#define REG(block, name) (*(volatile uint32_t *)(block##_BASE + block##_##name))
#define MEM(offset) ((volatile uint32_t *)(SYS_MEMORY_BASE + (offset)))
#define UNCACHED(offset) ((volatile uint32_t *)(SYS_MEMORY_UNCACHED + (offset)))

static void put(char c)
{
	while (REG(UART, STATUS) & UART_STATUS_TX_FULL_MASK)
		;
	REG(UART, TX) = (uint8_t)c;
}

static void print(const char *s)
{
	while (*s)
		put(*s++);
}

static void print_dec(uint32_t v)
{
	char digits[10];
	int n = 0;

	do {
		digits[n++] = (char)('0' + v % 10);
		v /= 10;
	} while (v);
	while (n)
		put(digits[--n]);
}

static void result(const char *name, int ok, uint32_t value)
{
	print(ok ? "PASS " : "FAIL ");
	print(name);
	if (ok) {
		print(": ");
		print_dec(value);
	} else {
		print(": got ");
		print_dec(value);
	}
	print("\n");
}

static uint32_t cycles(void)
{
	return REG(SYS, CYCLE_LO);
}

static uint32_t next_random(uint32_t *state)
{
	*state = *state * 1664525u + 1013904223u;
	return *state;
}

static void test_sys(void)
{
	result("sys_id", REG(SYS, ID) == 0x4B44504Du, REG(SYS, ID));
	result("sys_simulated", REG(SYS, CONFIG) >> SYS_CONFIG_SIM_LSB == 1, REG(SYS, CONFIG));
}

static volatile uint32_t initialised = 0x12345678;
static uint32_t zeroed[64];

static void test_boot_ram(void)
{
	uint32_t sum = 0;
	volatile uint8_t *bytes = (volatile uint8_t *)&initialised;

	for (int i = 0; i < 64; i++)
		sum |= zeroed[i];
	result("boot_ram_data_and_bss", initialised == 0x12345678 && sum == 0, initialised);
	bytes[1] = 0xAB;
	*(volatile uint16_t *)(bytes + 2) = 0xCDEF;
	result("boot_ram_byte_writes", initialised == 0xCDEFAB78, initialised);
}

/* More than the data cache holds, so that it is read back from memory. */
static void test_memory(void)
{
	uint32_t state = 1, bad = 0, start = cycles(), took;

	for (uint32_t i = 0; i < 4096; i++)
		MEM(0x10000)[i] = next_random(&state);
	took = cycles() - start;
	result("memory_store_cycles_per_word", took < 4096 * 24, took / 4096);
	state = 1;
	start = cycles();
	for (uint32_t i = 0; i < 4096; i++)
		bad += MEM(0x10000)[i] != next_random(&state);
	took = cycles() - start;
	result("memory_cached_words_read_back", bad == 0, bad);
	result("memory_load_cycles_per_word", took < 4096 * 24, took / 4096);
	state = 1;
	bad = 0;
	for (uint32_t i = 0; i < 4096; i++)
		bad += UNCACHED(0x10000)[i] != next_random(&state);
	result("memory_uncached_alias_agrees", bad == 0, bad);

	/* a store is seen by a load right behind it, whatever its size */
	volatile uint8_t *bytes = (volatile uint8_t *)UNCACHED(0x20000);
	bad = 0;
	for (uint32_t i = 0; i < 256; i++) {
		bytes[i] = (uint8_t)(i * 7);
		bad += bytes[i] != (uint8_t)(i * 7);
	}
	result("memory_load_sees_store_before_it", bad == 0, bad);
}

static void test_timer(void)
{
	uint32_t low = REG(TIMER, TIME_LO), high = REG(TIMER, TIME_HI), active;

	REG(INTC, ENABLE) = 1u << INTC_IRQ_TIMER;
	REG(TIMER, COMPARE_LO) = low + 5000;
	REG(TIMER, COMPARE_HI) = high;
	active = REG(INTC, WAIT);
	low = REG(TIMER, TIME_LO) - low;
	result("wait_ends_by_timer", active == 1u << INTC_IRQ_TIMER, active);
	result("wait_lasts_until_compare", low >= 5000 && low < 5100, low);
	REG(TIMER, COMPARE_LO) = 0xFFFFFFFF;
	result("timer_disarmed", (REG(INTC, PENDING) & 1) == 0, REG(INTC, PENDING));
}

struct dma_descriptor {
	uint32_t next, control, src, dst, len, result, status, unused;
};

static void test_dma(void)
{
	volatile struct dma_descriptor *d = (volatile void *)UNCACHED(0x1000);
	uint32_t start, took, bad = 0;

	memset((void *)MEM(0x30000), 0x5A, 64);
	d->next = 0;
	d->control = 0 | 1u << 8;
	d->src = 0x10000;
	d->dst = 0x40000;
	d->len = 4096;
	d->status = 0;
	REG(INTC, ENABLE) = 1u << INTC_IRQ_DMA;
	start = cycles();
	REG(DMA, HEAD) = 0x1000;
	(void)REG(INTC, WAIT);
	took = cycles() - start;
	REG(DMA, IRQ) = 1;
	for (uint32_t i = 0; i < 1024; i++)
		bad += UNCACHED(0x40000)[i] != UNCACHED(0x10000)[i];
	result("dma_copies_page", bad == 0 && d->status == 1, bad);
	result("dma_page_cycles", took < 2400, took);
}

static void test_medium(void)
{
	volatile uint32_t *d = UNCACHED(0x2000);
	uint32_t blocks = REG(MEDIUM, BLOCKS_LO), bad = 0;

	if (!(REG(MEDIUM, STATUS) & 2)) {
		result("medium_present", 0, REG(MEDIUM, STATUS));
		return;
	}
	REG(INTC, ENABLE) = 1u << INTC_IRQ_MEDIUM;
	for (int pass = 0; pass < 2; pass++) {
		d[MEDIUM_DESC_CONTROL / 4] = pass ? 0 : 1; /* write, then read elsewhere */
		d[MEDIUM_DESC_BLOCK_LO / 4] = blocks - 2;
		d[MEDIUM_DESC_BLOCK_HI / 4] = 0;
		d[MEDIUM_DESC_COUNT / 4] = 2;
		d[MEDIUM_DESC_ADDR / 4] = pass ? 0x50000 : 0x10000;
		d[MEDIUM_DESC_STATUS / 4] = 0;
		REG(MEDIUM, SUBMIT) = 0x2000;
		(void)REG(INTC, WAIT);
		REG(MEDIUM, IRQ) = 1;
		bad += d[MEDIUM_DESC_STATUS / 4] != 1;
	}
	for (uint32_t i = 0; i < 2048; i++)
		bad += UNCACHED(0x50000)[i] != UNCACHED(0x10000)[i];
	result("medium_reads_what_was_written", bad == 0, bad);
	result("medium_counts_done", REG(MEDIUM, DONE) == 2, REG(MEDIUM, DONE));
}

static void test_ports(void)
{
	uint32_t ports = REG(SYS, CONFIG) & SYS_CONFIG_PORTS_MASK, bad = 0, start, took;

	for (uint32_t p = 0; p < ports; p++) {
		uint32_t base = PORT_DEVICE_BASE + p * PORT_DEVICE_STRIDE;
		volatile uint32_t *ring = (volatile uint32_t *)(base + PORT_DEVICE_RING);
		volatile uint32_t *config = (volatile uint32_t *)(base + PORT_DEVICE_CONFIG);

		bad += (*config & 0xFF) != p;
		for (uint32_t i = 0; i < 64; i++)
			ring[i * 37 % 4096] = p * 1000 + i;
		for (uint32_t i = 0; i < 64; i++)
			bad += ring[i * 37 % 4096] != p * 1000 + i;
	}
	result("ports_config_and_ring_ram", bad == 0, bad);

	volatile uint32_t *ring = (volatile uint32_t *)(PORT_DEVICE_BASE + PORT_DEVICE_RING);
	uint32_t sum = 0;

	start = cycles();
	for (uint32_t i = 0; i < 64; i += 8)
		sum += ring[i] + ring[i + 1] + ring[i + 2] + ring[i + 3] + ring[i + 4] +
		       ring[i + 5] + ring[i + 6] + ring[i + 7];
	took = cycles() - start;
	result("ring_ram_load_cycles_per_word", took < 64 * 12, took / 64);
	start = cycles();
	for (uint32_t i = 0; i < 64; i += 8)
		ring[i] = ring[i + 1] = ring[i + 2] = ring[i + 3] = ring[i + 4] = ring[i + 5] =
			ring[i + 6] = ring[i + 7] = i;
	took = cycles() - start;
	result("ring_ram_store_cycles_per_word", took < 64 * 8, took / 64);
}

int main(void)
{
	REG(SYS, PHASE) = 1;
	print("hello from the soft core\n");
	test_sys();
	test_boot_ram();
	test_memory();
	test_timer();
	test_ports();
	test_dma();
	test_medium();
	REG(SYS, PHASE) = 6;
	REG(INTC, ENABLE) = 0;
	(void)REG(INTC, WAIT); /* sleeps for good */
	return 0;
}
