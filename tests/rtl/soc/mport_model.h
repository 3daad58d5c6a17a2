// SPDX-License-Identifier: BSD-2-Clause
// A memory behind an mport (rtl/README.md), with random or fixed timing, that checks its master.
#ifndef MPDISK_MPORT_MODEL_H
#define MPDISK_MPORT_MODEL_H

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <deque>
#include <string>
#include <vector>

// Results of the cases of one bench, as tests/README.md wants them.
struct bench_result {
	int failed = 0;

	void report(const char *name, const std::string &error)
	{
		if (error.empty())
			printf("PASS %s\n", name);
		else
			printf("FAIL %s: %s\n", name, error.c_str());
		failed |= !error.empty();
		fflush(stdout);
	}
};

struct random_source {
	uint64_t state = 88172645463325252ull;

	uint32_t next()
	{
		state ^= state << 13;
		state ^= state >> 7;
		state ^= state << 17;
		return static_cast<uint32_t>(state >> 16);
	}
	uint32_t below(uint32_t n)
	{
		return next() % n;
	}
};

template <class Model> struct mport_memory {
	struct command {
		bool write;
		uint32_t addr, len, wait;
	};

	std::vector<uint8_t> bytes;
	random_source random;
	std::string error;        // the first broken rule
	bool jitter = true;       // else: fixed latency, a word each cycle
	uint32_t latency = 8;
	long commands_taken = 0;
	std::deque<command> commands; // at most two: data moving, next
	bool offered = false, ready = false, wready = false, rvalid = false;
	command last = {};

	explicit mport_memory(size_t size) : bytes(size)
	{
	}

	void broken(const char *rule)
	{
		if (error.empty())
			error = rule;
	}

	uint32_t load(uint32_t addr) const
	{
		uint32_t v = 0;
		if (addr + 4 <= bytes.size())
			memcpy(&v, &bytes[addr], 4);
		return v;
	}
	void store(uint32_t addr, uint32_t v)
	{
		if (addr + 4 <= bytes.size())
			memcpy(&bytes[addr], &v, 4);
	}

	// Before the model settles: what memory does in this cycle.
	void drive(Model &top)
	{
		ready = commands.size() < 2 && !(jitter && random.below(4) == 0);
		wready = rvalid = false;
		if (!commands.empty()) {
			command &c = commands.front();
			if (c.wait)
				c.wait--;
			else if (!(jitter && random.below(5) == 0))
				(c.write ? wready : rvalid) = true;
		}
		top.m_ready_i = ready;
		top.m_wready_i = wready;
		top.m_rvalid_i = rvalid;
		top.m_rdata_i = rvalid ? load(commands.front().addr) : random.next();
	}

	// After it settled, before the clock edge.
	void sample(Model &top)
	{
		command now = {top.m_write_o != 0, top.m_addr_o, top.m_len_o, 0};
		if (offered && !(top.m_valid_o && now.write == last.write &&
				 now.addr == last.addr && now.len == last.len))
			broken("an offered command changed before it was taken");
		if (wready) {
			for (int b = 0; b < 4; b++)
				if (top.m_wstrb_o >> b & 1 && commands.front().addr + b < bytes.size())
					bytes[commands.front().addr + b] =
						static_cast<uint8_t>(top.m_wdata_o >> 8 * b);
		}
		if (wready || rvalid) {
			commands.front().addr += 4;
			if (--commands.front().len == 0)
				commands.pop_front();
		}
		offered = top.m_valid_o && !ready;
		last = now;
		if (top.m_valid_o && ready) {
			if (now.len < 1 || now.len > 64)
				broken("burst length");
			if (now.addr & 3)
				broken("burst not aligned");
			if ((now.addr & 4095) + now.len * 4 > 4096)
				broken("burst crosses 4 KiB");
			// the next command's latency overlaps with the data before it
			now.wait = jitter ? random.below(12) : commands.empty() ? latency : 0;
			commands.push_back(now);
			commands_taken++;
		}
	}
};

// A model with the pins of an engine behind the register bus, and such a memory at its mport.
template <class Model> struct engine_bench {
	Model top;
	mport_memory<Model> memory;
	random_source random;
	long cycles = 0;

	explicit engine_bench(size_t size) : memory(size)
	{
		for (auto &b : memory.bytes)
			b = static_cast<uint8_t>(random.next());
	}
	void reset()
	{
		top.rst_ni = 0;
		clock();
		clock();
		top.rst_ni = 1;
	}
	void clock()
	{
		memory.drive(top);
		top.clk_i = 0;
		top.eval();
		if (top.rst_ni)
			memory.sample(top);
		top.clk_i = 1;
		top.eval();
		top.stb_i = 0;
		cycles++;
	}
	void write(uint32_t reg, uint32_t value)
	{
		top.stb_i = 1;
		top.we_i = 1;
		top.adr_i = reg >> 2;
		top.wdata_i = value;
		clock();
	}
	uint32_t read(uint32_t reg)
	{
		top.stb_i = 1;
		top.we_i = 0;
		top.adr_i = reg >> 2;
		top.clk_i = 0;
		top.eval();
		uint32_t value = top.rdata_o;
		clock();
		return value;
	}
	bool run_until_idle(long limit = 3000000)
	{
		while (top.busy_o && limit--)
			clock();
		return !top.busy_o;
	}
};

#endif
