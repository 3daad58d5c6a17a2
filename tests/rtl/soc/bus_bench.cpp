// SPDX-License-Identifier: BSD-2-Clause
// The core's buses against a model: boot RAM, memory with posted writes, decoder, interrupts, timer,
// UART, system registers.
#include "Vbus_tb.h"
#include "intc.h"
#include "mport_model.h"
#include "port_device.h"
#include "sys.h"
#include "timer.h"
#include "uart.h"
#include "verilated.h"

static const uint32_t memory_size = 1u << 20;
static const uint32_t boot_size = SYS_BOOT_RAM_SIZE;

// One access of a bus master, word by word, as VexRiscv makes it.
struct bus_access {
	bool active = false, write = false;
	uint32_t addr = 0, words = 1, at = 0, sel = 15, wdata = 0;
	uint32_t data[8];
	long cycles = 0;
};

struct bus_bench {
	Vbus_tb top;
	mport_memory<Vbus_tb> memory{memory_size};
	random_source random;
	bus_access d, i;
	uint32_t port_regs[2][4] = {};
	int port_wait = 0;
	bool uart_loop = false;
	std::string error;

	bus_bench()
	{
		top.uart_rx_i = 1;
		top.rst_ni = 0;
		clock();
		clock();
		top.rst_ni = 1;
		clock();
	}
	void clock()
	{
		memory.drive(top);
		top.d_stb_i = d.active;
		top.d_we_i = d.write;
		top.d_adr_i = d.addr / 4 + d.at;
		top.d_burst_i = d.words == 8 && d.at != 7;
		top.d_sel_i = d.sel;
		top.d_wdata_i = d.wdata;
		top.i_stb_i = i.active;
		top.i_adr_i = i.addr / 4 + i.at;
		top.i_last_i = i.at == 7;
		top.port_ack_i = 0;
		top.clk_i = 0;
		top.eval();
		if (top.port_stb_o) {
			int p = top.port_stb_o >> 1;
			if (top.port_stb_o == 3)
				error = "two ports at once";
			if (port_wait++ == 2) {
				port_wait = 0;
				uint32_t &reg = port_regs[p][d.addr / 4 & 3];
				if (d.write)
					reg = d.wdata;
				top.port_ack_i = top.port_stb_o;
				top.port_rdata_i = static_cast<uint64_t>(reg) << 32 * p;
				top.eval();
			}
		}
		bool d_ack = top.d_ack_o, i_ack = top.i_ack_o;
		if ((d_ack && !d.active) || (i_ack && !i.active))
			error = "acknowledge without a request";
		if (d_ack && !d.write)
			d.data[d.at] = top.d_rdata_o;
		if (i_ack)
			i.data[i.at] = top.i_rdata_o;
		if (top.rst_ni)
			memory.sample(top);
		top.clk_i = 1;
		top.eval();
		if (uart_loop)
			top.uart_rx_i = top.uart_tx_o;
		d.cycles++;
		i.cycles++;
		if (d_ack && ++d.at == d.words)
			d.active = false;
		if (i_ack && ++i.at == i.words)
			i.active = false;
	}
	void start(bus_access &a, uint32_t addr, uint32_t words)
	{
		a.active = true;
		a.write = false;
		a.addr = addr;
		a.words = words;
		a.at = 0;
		a.sel = 15;
		a.cycles = 0;
	}
	bool finish(bus_access &a, long limit = 2000)
	{
		while (a.active && limit--)
			clock();
		return !a.active;
	}
	uint32_t load(uint32_t addr)
	{
		start(d, addr, 1);
		if (!finish(d)) {
			error = "a load was not answered";
			d.active = false;
		}
		return d.data[0];
	}
	void store(uint32_t addr, uint32_t value, uint32_t sel = 15)
	{
		start(d, addr, 1);
		d.write = true;
		d.wdata = value;
		d.sel = sel;
		if (!finish(d)) {
			error = "a store was not answered";
			d.active = false;
		}
	}
};

static std::string hex(uint32_t v)
{
	char text[16];
	snprintf(text, sizeof(text), "%#x", v);
	return text;
}

static std::string rules(bus_bench &b)
{
	return !b.error.empty() ? b.error : b.memory.error;
}

static void store_model(std::vector<uint8_t> &m, uint32_t at, uint32_t value, uint32_t sel)
{
	for (int k = 0; k < 4; k++)
		if (sel >> k & 1)
			m[at + k] = static_cast<uint8_t>(value >> 8 * k);
}

static bool same(const std::vector<uint8_t> &m, uint32_t at, const bus_access &a)
{
	return !memcmp(&m[at], a.data, a.words * 4);
}

// Random loads, stores, refills on the data side; refills from elsewhere on the instruction side.
static std::string random_traffic(bus_bench &b)
{
	std::vector<uint8_t> boot(boot_size), mem(memory_size);
	uint32_t run = 0, last = 0;

	for (uint32_t a = 0; a < 8192; a += 4) {
		uint32_t v = b.random.next();
		b.store(a, v);
		store_model(boot, a, v, 15);
		b.store(SYS_MEMORY_BASE + a, ~v);
		store_model(mem, a, ~v, 15);
	}
	for (int step = 0; step < 200000 && rules(b).empty(); step++) {
		// instructions come from the upper half, which the data side only reads
		if (!b.i.active && b.random.below(3) == 0)
			b.start(b.i, (b.random.below(2) ? SYS_MEMORY_BASE : 0) + 4096 + b.random.below(128) * 32, 8);
		bool is_mem = b.random.below(3) != 0;
		std::vector<uint8_t> &model = is_mem ? mem : boot;
		uint32_t base = is_mem ? (b.random.below(2) ? SYS_MEMORY_BASE : SYS_MEMORY_UNCACHED) : 0;
		// few lines, so that reads meet queued stores; runs, so that bursts form
		uint32_t at = b.random.below(64) * 4;
		if (run) {
			run--;
			at = (last + 4) % 4096;
		} else if (b.random.below(8) == 0)
			run = b.random.below(20);
		bool was_active = b.i.active;
		if (b.random.below(2)) {
			uint32_t sel = b.random.below(3) ? 15 : b.random.below(16), v = b.random.next();
			b.store(base + at, v, sel);
			store_model(model, at, v, sel);
			last = at;
		} else {
			uint32_t words = b.random.below(2) ? 8 : 1;
			if (b.random.below(4) == 0)
				at += 4096;
			if (words == 8)
				at &= ~31u;
			b.start(b.d, base + at, words);
			if (!b.finish(b.d))
				return "load not answered";
			if (!same(model, at, b.d))
				return "load from " + hex(base + at) + " differs";
		}
		if (was_active && !b.i.active) {
			const std::vector<uint8_t> &from = b.i.addr < boot_size ? boot : mem;
			if (!same(from, b.i.addr & 0xFFFFF, b.i))
				return "instructions from " + hex(b.i.addr) + " differ";
		}
		if (b.random.below(16) == 0)
			for (uint32_t n = b.random.below(40); n; n--)
				b.clock();
	}
	b.finish(b.i);
	for (int n = 0; n < 500; n++)
		b.clock();
	if (!b.top.idle_o)
		return "not idle at the end";
	return mem == b.memory.bytes ? rules(b) : "memory differs at the end";
}

static std::string doorbell_waits(bus_bench &b)
{
	for (int round = 0; round < 500; round++) {
		uint32_t n = 1 + b.random.below(12), value = b.random.next();
		for (uint32_t k = 0; k < n; k++)
			b.store(SYS_MEMORY_BASE + 0x40000 + (k * 36) % 4096, value + k);
		if (round & 1)
			b.store(PORT_DEVICE_BASE + PORT_DEVICE_CQ_TAIL % 16, round);
		else
			b.store(SYS_BASE + SYS_PHASE, round);
		for (uint32_t k = 0; k < n; k++)
			if (b.memory.load(0x40000 + (k * 36) % 4096) != value + k)
				return "a store was not in memory when a later register write ended";
	}
	return rules(b);
}

static std::string store_speed(bus_bench &b)
{
	b.memory.jitter = false;
	for (int n = 0; n < 100; n++)
		b.clock();
	long took = 0, before = b.memory.commands_taken;
	for (uint32_t k = 0; k < 8; k++) {
		b.store(SYS_MEMORY_BASE + 0x50000 + k * 4, k);
		took += b.d.cycles;
	}
	if (took != 8)
		return "8 stores took " + std::to_string(took) + " cycles";
	for (int n = 0; n < 100; n++)
		b.clock();
	long bursts = b.memory.commands_taken - before;
	b.start(b.d, 0x100, 8);
	b.finish(b.d);
	long boot = b.d.cycles;
	b.start(b.i, 0x100, 8);
	b.finish(b.i);
	long boot_i = b.i.cycles;
	b.start(b.d, SYS_MEMORY_BASE + 0x100, 8);
	b.finish(b.d);
	long refill = b.d.cycles;
	b.load(TIMER_BASE + TIMER_TIME_LO);
	long reg = b.d.cycles;
	b.memory.jitter = true;
	printf("# 8 posted stores: %ld bursts; refill from boot RAM %ld and %ld, from memory %ld with "
	       "latency %u; register read %ld\n",
	       bursts, boot, boot_i, refill, b.memory.latency, reg);
	if (bursts > 4)
		return "8 stores made " + std::to_string(bursts) + " bursts";
	if (boot != 9 || boot_i != 9)
		return "boot RAM refill " + std::to_string(boot);
	if (refill > 8 + b.memory.latency + 2)
		return "memory refill " + std::to_string(refill);
	return reg == 1 ? rules(b) : "register read " + std::to_string(reg);
}

static std::string decoder(bus_bench &b)
{
	for (uint32_t addr : {0x20000000u, 0x80006000u, 0x800F0000u, 0x80120000u, 0x81000000u, 0xF0000000u}) {
		b.store(addr, 0xFFFFFFFF);
		if (b.load(addr) != 0)
			return hex(addr) + " reads " + hex(b.d.data[0]);
	}
	for (uint32_t p = 0; p < 2; p++)
		b.store(PORT_DEVICE_BASE + p * PORT_DEVICE_STRIDE + 8, 77 + p);
	for (uint32_t p = 0; p < 2; p++)
		if (b.load(PORT_DEVICE_BASE + p * PORT_DEVICE_STRIDE + 8) != 77 + p)
			return "port " + std::to_string(p);
	if (b.load(0x80004000) != 0x44444444 || b.load(0x80005000) != 0x55555555)
		return "register block order";
	return rules(b);
}

static std::string system_registers(bus_bench &b)
{
	if (b.load(SYS_BASE + SYS_ID) != 0x4B44504D || b.load(SYS_BASE + SYS_CONFIG) != 0x80002002)
		return "ID or CONFIG";
	if (b.load(SYS_BASE + SYS_EPOCH_LO) != 0x89ABCDEF || b.load(SYS_BASE + SYS_EPOCH_HI) != 0x01234567)
		return "EPOCH";
	if (b.load(SYS_BASE + SYS_SEED) != 0xFEED5EED || b.load(SYS_BASE + SYS_CLOCK_HZ) != 50000000)
		return "SEED or CLOCK_HZ";
	b.store(SYS_BASE + SYS_CORE_COPIED, 12345);
	b.store(SYS_BASE + SYS_PHASE, 4);
	if (b.load(SYS_BASE + SYS_CORE_COPIED) != 12345 || b.top.phase_o != 4)
		return "CORE_COPIED or PHASE";
	uint32_t first = b.load(SYS_BASE + SYS_CYCLE_LO);
	for (int n = 0; n < 100; n++)
		b.clock();
	uint32_t count = b.load(SYS_BASE + SYS_CYCLE_LO) - first;
	return count == 101 ? rules(b) : "CYCLE counted " + std::to_string(count);
}

static std::string interrupts(bus_bench &b)
{
	b.store(INTC_BASE + INTC_ENABLE, 0);
	b.top.port_irq_i = 0x81;
	b.top.stop_i = 1;
	b.clock();
	b.clock();
	if (b.load(INTC_BASE + INTC_PENDING) != 0x8110)
		return "PENDING " + hex(b.d.data[0]);
	if (b.top.irq_o)
		return "interrupts though nothing is enabled";
	b.store(INTC_BASE + INTC_ENABLE, 0x100);
	if (!b.top.irq_o || b.load(INTC_BASE + INTC_WAIT) != 0x100)
		return "WAIT";
	if (!(b.load(SYS_BASE + SYS_STOP) & 1))
		return "STOP";
	b.top.stop_i = 0;
	b.top.port_irq_i = 0;
	b.start(b.d, INTC_BASE + INTC_WAIT, 1);
	for (int n = 0; n < 1000; n++)
		b.clock();
	if (!b.d.active || !b.top.waiting_o)
		return "WAIT did not wait";
	b.top.port_irq_i = 2; // not enabled
	for (int n = 0; n < 10; n++)
		b.clock();
	if (!b.d.active)
		return "WAIT ended by a source that is not enabled";
	b.top.port_irq_i = 3;
	if (!b.finish(b.d, 3) || b.d.data[0] != 0x100)
		return "WAIT did not end";
	b.top.port_irq_i = 0;
	return rules(b);
}

static std::string timer(bus_bench &b)
{
	b.store(INTC_BASE + INTC_ENABLE, 1);
	uint32_t low = b.load(TIMER_BASE + TIMER_TIME_LO), high = b.load(TIMER_BASE + TIMER_TIME_HI);
	b.store(TIMER_BASE + TIMER_COMPARE_LO, low + 300);
	if (b.top.armed_o)
		return "COMPARE_LO armed it";
	b.store(TIMER_BASE + TIMER_COMPARE_HI, high);
	if (!b.top.armed_o || b.top.compare_o != low + 300ull || !b.top.timer_enabled_o)
		return "not armed";
	b.load(INTC_BASE + INTC_WAIT);
	if (b.top.time_o < low + 300ull || b.top.time_o > low + 305ull)
		return "woke at " + std::to_string(b.top.time_o - low);
	b.store(TIMER_BASE + TIMER_COMPARE_LO, 0);
	b.clock();
	if (b.top.irq_o)
		return "COMPARE_LO did not disarm";
	return rules(b);
}

static std::string slept_time(bus_bench &b)
{
	uint32_t cycle = b.load(SYS_BASE + SYS_CYCLE_LO);
	uint64_t time = b.top.time_o;
	b.store(TIMER_BASE + TIMER_COMPARE_LO, 0x1000);
	b.store(TIMER_BASE + TIMER_COMPARE_HI, 5);
	b.start(b.d, INTC_BASE + INTC_WAIT, 1);
	for (int n = 0; n < 20; n++)
		b.clock();
	if (!b.d.active)
		return "woke early";
	uint64_t skip = b.top.compare_o - b.top.time_o;
	b.top.slept_cycles_i = skip;
	b.top.slept_valid_i = 1;
	b.clock();
	b.top.slept_valid_i = 0;
	if (!b.finish(b.d, 5))
		return "did not wake after the slept time";
	if (b.top.time_o < 0x500001000ull || b.top.time_o > 0x500001010ull || b.top.time_o < time)
		return "TIME " + std::to_string(b.top.time_o);
	if (b.load(TIMER_BASE + TIMER_TIME_LO) < 0x1000 || b.load(TIMER_BASE + TIMER_TIME_HI) != 5)
		return "TIME as read";
	if (b.load(SYS_BASE + SYS_CYCLE_LO) - cycle > 100)
		return "CYCLE counts slept time";
	b.store(TIMER_BASE + TIMER_COMPARE_LO, 0);
	return rules(b);
}

// TIME_LO latches TIME_HI: across the carry the two words belong together.
static std::string time_across_carry(bus_bench &b)
{
	b.top.slept_cycles_i = 0x6FFFFFFFCull - b.top.time_o;
	b.top.slept_valid_i = 1;
	b.clock();
	b.top.slept_valid_i = 0;
	uint32_t low = b.load(TIMER_BASE + TIMER_TIME_LO);
	for (int n = 0; n < 20; n++)
		b.clock();
	uint32_t high = b.load(TIMER_BASE + TIMER_TIME_HI);
	return low > 0xFFFFFFF0u && high == 6 ? rules(b) : hex(high) + " " + hex(low);
}

static std::string uart(bus_bench &b)
{
	for (uint32_t divisor : {8u, 4u, 13u, 100u}) {
		b.uart_loop = true;
		b.store(UART_BASE + UART_DIVISOR, divisor);
		if (b.load(UART_BASE + UART_DIVISOR) != divisor)
			return "DIVISOR";
		if (b.load(UART_BASE + UART_RX) != 0x80000000)
			return "RX not empty";
		std::vector<uint32_t> sent;
		for (int n = 0; n < 15; n++) {
			sent.push_back(n ? b.random.below(256) : divisor == 8 ? 0 : 255);
			b.store(UART_BASE + UART_TX, sent.back());
		}
		while (b.top.uart_busy_o)
			b.clock();
		if (b.load(UART_BASE + UART_STATUS) != UART_STATUS_RX_VALID_MASK)
			return "STATUS";
		b.store(INTC_BASE + INTC_ENABLE, 2);
		if (b.load(INTC_BASE + INTC_WAIT) != 2)
			return "no interrupt";
		for (uint32_t c : sent)
			if (b.load(UART_BASE + UART_RX) != c)
				return "byte " + hex(c) + " came back as " + hex(b.d.data[0]) +
				       " at divisor " + std::to_string(divisor);
		if (b.top.irq_o)
			return "interrupt stays";
	}
	return rules(b);
}

static std::string uart_full(bus_bench &b)
{
	// one byte leaves at once, sixteen wait, the rest is lost; the same on the other side
	b.store(UART_BASE + UART_DIVISOR, 1000);
	for (uint32_t n = 0; n < 17; n++) {
		if (b.load(UART_BASE + UART_STATUS) & UART_STATUS_TX_FULL_MASK)
			return "full after " + std::to_string(n);
		b.store(UART_BASE + UART_TX, n);
		b.clock();
	}
	if (!(b.load(UART_BASE + UART_STATUS) & UART_STATUS_TX_FULL_MASK))
		return "not full";
	b.store(UART_BASE + UART_TX, 99);
	while (b.top.uart_busy_o)
		b.clock();
	for (uint32_t n = 0; n < 16; n++)
		if (b.load(UART_BASE + UART_RX) != n)
			return "byte " + std::to_string(n) + " is " + hex(b.d.data[0]);
	return b.load(UART_BASE + UART_RX) == 0x80000000 ? rules(b) : "more than the FIFO holds";
}

int main(int argc, char **argv)
{
	Verilated::commandArgs(argc, argv);
	bus_bench b;
	bench_result r;

	r.report("random_traffic_matches_model", random_traffic(b));
	r.report("register_write_waits_for_stores", doorbell_waits(b));
	r.report("stores_and_refills_take_few_cycles", store_speed(b));
	r.report("decoder_places_and_holes", decoder(b));
	r.report("system_registers", system_registers(b));
	r.report("wait_and_enable", interrupts(b));
	r.report("timer_wakes_at_compare", timer(b));
	r.report("slept_cycles_count_in_time_only", slept_time(b));
	r.report("time_words_belong_together", time_across_carry(b));
	r.report("uart_sends_and_receives", uart(b));
	r.report("uart_fifo_full", uart_full(b));
	return r.failed;
}
