/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two ports under test with their clocks, hosts, cores and one more memory master.
 *
 * Every agent works through a queue: post() puts something in, run() lets time pass. At each rising
 * edge the agents of that clock first look at the settled pins, then all edges of that instant are
 * evaluated together, then the agents drive new values.
 */
#ifndef PORT_WORLD_H
#define PORT_WORLD_H

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <vector>

#include "Vport_tb.h"
#include "Vport_tb___024root.h"
#include "port_case.h"
#include "verilated.h"

/* ---------------------------------------------------------------- what agents do */
struct burst { /* of the link */
	bool write;
	uint32_t addr, len;
	words data;   /* to write, or as read */
	words wanted; /* of a read: compared at its end unless empty */
	bool taken = false, done = false;
};
using burst_ref = std::shared_ptr<burst>;

struct core_access { /* of the Wishbone slave */
	bool write;
	uint32_t addr, data, sel;
	bool done = false;
	uint64_t posted = 0, ended = 0; /* device cycles */
};
using access_ref = std::shared_ptr<core_access>;

struct clocking {
	const char *name;
	uint64_t device_ps, link_ps[2]; /* half periods */
	bool gated;                     /* a port's clocks run only for a host or a port at work */
};

class world
{
      public:
	Vport_tb *dut = new Vport_tb;
	random_source rnd;
	uint64_t now = 0, cycle = 0, link_cycle[2] = {};
	unsigned int write_stall[2] = {}, read_stall[2] = {}; /* percent of cycles */
	bool one_at_a_time[2] = {};
	bool link_stopped[2] = {};        /* its clock stands still */
	uint64_t link_edge[2] = {};       /* the cycle of its last edge */
	unsigned int write_limit[2] = {}; /* the host stalls for good after so many words; 0: no */
	uint64_t beats[2] = {};           /* words delivered or taken at the link */
	std::function<void(int)> on_device_edge; /* looks at the settled memory pins of a port */

	explicit world(const clocking &c) : clk(c)
	{
		dut->rst_ni = 0;
		dut->link_rst_ni = 3;
		dut->link_up_i = 3;
		dut->eval();
		next_dev = c.device_ps;
		next_link[0] = c.link_ps[0];
		next_link[1] = c.link_ps[1];
		run(8);
		dut->rst_ni = 1;
		run(1100); /* the slot tables clear themselves */
	}
	~world()
	{
		dut->final();
		delete dut;
	}

	uint32_t &memory(uint32_t word)
	{
		return dut->rootp->port_tb__DOT__u_memory__DOT__u_mem__DOT__mem[word];
	}

	/* ---- link */
	burst_ref post(int p, bool write, uint32_t addr, uint32_t len, words data = {})
	{
		auto b = std::make_shared<burst>();

		b->write = write;
		b->addr = addr;
		b->len = len;
		if (write)
			b->data = data;
		else
			b->wanted = data;
		link_queue[p].push_back(b);
		return b;
	}
	uint32_t read32(int p, uint32_t addr)
	{
		auto b = post(p, false, addr, 1);

		return wait_done(b, "link read") ? b->data[0] : 0xDEADDEADu;
	}
	void write32(int p, uint32_t addr, uint32_t value)
	{
		wait_done(post(p, true, addr, 1, {value}), "link write");
	}
	bool wait_done(const burst_ref &b, const char *what, unsigned int limit = 20000)
	{
		return run_until([&] { return b->done; }, what, limit);
	}
	bool links_quiet()
	{
		return quiet(0) && quiet(1);
	}
	bool quiet(int p)
	{
		return link_queue[p].empty() && !writing[p] && reading[p].empty();
	}
	void forget(int p) /* what a host that dies does */
	{
		link_queue[p].clear();
		writing[p].reset();
		reading[p].clear();
		drive_link(p);
		dut->eval();
	}

	/* ---- Wishbone */
	access_ref wb_post(int p, bool write, uint32_t addr, uint32_t data = 0, uint32_t sel = 15)
	{
		auto a = std::make_shared<core_access>();

		a->write = write;
		a->addr = addr;
		a->data = data;
		a->sel = sel;
		a->posted = cycle;
		wb_queue[p].push_back(a);
		return a;
	}
	uint32_t wb_read(int p, uint32_t addr)
	{
		auto a = wb_post(p, false, addr);

		return run_until([&] { return a->done; }, "wishbone read", 20000) ? a->data
										  : 0xDEADDEADu;
	}
	uint64_t wb_write(int p, uint32_t addr, uint32_t data, uint32_t sel = 15)
	{
		auto a = wb_post(p, true, addr, data, sel);

		run_until([&] { return a->done; }, "wishbone write", 20000);
		return a->ended - a->posted;
	}

	/* ---- time */
	void run(unsigned int device_cycles)
	{
		uint64_t end = cycle + device_cycles;

		while (cycle < end)
			instant();
	}
	bool run_until(const std::function<bool()> &cond, const char *what, unsigned int limit)
	{
		uint64_t end = cycle + limit;

		while (!cond()) {
			if (cycle >= end)
				return expect(false, "timeout: %s", what);
			instant();
		}
		return true;
	}

      private:
	const clocking clk;
	uint64_t next_dev, next_link[2];
	std::deque<burst_ref> link_queue[2], reading[2];
	burst_ref writing[2];
	uint32_t written[2] = {};
	std::deque<access_ref> wb_queue[2];

	static void bit(uint8_t &pins, int p, bool v)
	{
		pins = (pins & ~(1 << p)) | v << p;
	}

	void instant()
	{
		uint64_t t = next_dev;
		bool dev, link[2], dev_rise, link_rise[2];

		for (int p = 0; p < 2; p++)
			if (next_link[p] < t)
				t = next_link[p];
		now = t;
		dev = next_dev == t;
		dev_rise = dev && !dut->clk_i;
		for (int p = 0; p < 2; p++) {
			link[p] = next_link[p] == t;
			if (link[p] && clk.gated && !(dut->link_clk_i >> p & 1))
				link_stopped[p] = quiet(p) && !(dut->busy_o >> p & 1);
			link_rise[p] = link[p] && !link_stopped[p] && !(dut->link_clk_i >> p & 1);
		}
		if (dev_rise)
			for (int p = 0; p < 2; p++)
				sample_device(p);
		for (int p = 0; p < 2; p++)
			if (link_rise[p])
				sample_link(p);
		if (dev) {
			dut->clk_i = !dut->clk_i;
			dut->port_clk_i = 0;
			for (int p = 0; p < 2; p++)
				if (dev_rise &&
				    (!clk.gated || !dut->rst_ni || link_rise[p] ||
				     (dut->need_o >> p & 1) || cycle - link_edge[p] < 32))
					dut->port_clk_i |= 1 << p;
			next_dev += clk.device_ps;
		}
		for (int p = 0; p < 2; p++)
			if (link[p]) {
				if (!link_stopped[p])
					dut->link_clk_i ^= 1 << p;
				next_link[p] += clk.link_ps[p];
			}
		dut->eval();
		if (dev_rise) {
			cycle++;
			for (int p = 0; p < 2; p++)
				drive_wb(p);
		}
		for (int p = 0; p < 2; p++)
			if (link_rise[p]) {
				link_cycle[p]++;
				link_edge[p] = cycle;
				drive_link(p);
			}
		if (dev_rise || link_rise[0] || link_rise[1])
			dut->eval();
	}

	void sample_device(int p)
	{
		if ((dut->wb_stb_i >> p & 1) && (dut->wb_ack_o >> p & 1)) {
			auto a = wb_queue[p].front();

			wb_queue[p].pop_front();
			if (!a->write)
				a->data = (uint32_t)(dut->wb_dat_o >> 32 * p);
			a->done = true;
			a->ended = cycle;
		}
		if (on_device_edge)
			on_device_edge(p);
	}

	void drive_wb(int p)
	{
		bool v = !wb_queue[p].empty();

		bit(dut->wb_stb_i, p, v);
		if (!v)
			return;
		auto a = wb_queue[p].front();
		bit(dut->wb_we_i, p, a->write);
		set(dut->wb_adr_i, p, 14, a->addr >> 2);
		set(dut->wb_sel_i, p, 4, a->sel);
		set(dut->wb_dat_i, p, 32, a->data);
	}

	template <typename T> static void set(T &pins, int p, int width, uint64_t v)
	{
		uint64_t mask = ((1ull << width) - 1) << p * width;

		pins = (T)((pins & ~mask) | (v << p * width & mask));
	}

	void sample_link(int p)
	{
		if (!(dut->link_up_i & dut->link_rst_ni & 1 << p))
			return; /* nobody is there */
		if ((dut->link_cmd_valid_i >> p & 1) && (dut->link_cmd_ready_o >> p & 1)) {
			auto b = link_queue[p].front();

			link_queue[p].pop_front();
			b->taken = true;
			if (b->len == 0) {
				b->done = true;
			} else if (b->write) {
				writing[p] = b;
				written[p] = 0;
			} else {
				reading[p].push_back(b);
			}
		}
		if ((dut->link_wvalid_i >> p & 1) && (dut->link_wready_o >> p & 1)) {
			beats[p]++;
			if (++written[p] == writing[p]->len) {
				writing[p]->done = true;
				writing[p].reset();
			}
		}
		if ((dut->link_rvalid_o >> p & 1) && reading[p].empty())
			expect(false, "port %d: read data that nobody asked for", p);
		else if ((dut->link_rvalid_o >> p & 1) && (dut->link_rready_i >> p & 1))
			take_word(p, (uint32_t)(dut->link_rdata_o >> 32 * p));
	}

	void take_word(int p, uint32_t word)
	{
		auto b = reading[p].front();
		size_t i = b->data.size();

		beats[p]++;
		b->data.push_back(word);
		if (!b->wanted.empty())
			expect(word == b->wanted[i], "port %d: read %06x+%zu: %08x instead of %08x",
			       p, b->addr, i * 4, word, b->wanted[i]);
		if (b->data.size() == b->len) {
			b->done = true;
			reading[p].pop_front();
		}
	}

	void drive_link(int p)
	{
		bool cmd = !link_queue[p].empty() && !writing[p] &&
			   (!one_at_a_time[p] || reading[p].empty());
		bool stalled = write_limit[p] && written[p] >= write_limit[p];

		bit(dut->link_cmd_valid_i, p, cmd);
		if (cmd) {
			auto b = link_queue[p].front();

			bit(dut->link_cmd_write_i, p, b->write);
			set(dut->link_cmd_addr_i, p, 23, b->addr);
			set(dut->link_cmd_len_i, p, 11, b->len);
		}
		bit(dut->link_wvalid_i, p, writing[p] && !stalled && !rnd.chance(write_stall[p]));
		if (writing[p])
			set(dut->link_wdata_i, p, 32, writing[p]->data[written[p]]);
		bit(dut->link_rready_i, p, !rnd.chance(read_stall[p]));
	}
};

#endif
