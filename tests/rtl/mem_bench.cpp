// SPDX-License-Identifier: BSD-2-Clause
// Checks the memory arbiter and the simulated memory against a model.
#include <deque>

#include "Vmem_tb.h"
#include "Vmem_tb___024root.h"
#include "port_case.h"
#include "verilated.h"

namespace
{

constexpr int MASTERS = 5;
constexpr uint32_t WORDS = 1u << 20; /* of 4 MiB */
constexpr int READ_LATENCY = 8;

struct command {
	bool write;
	uint32_t addr, len;
	words data;                /* to write */
	std::vector<uint8_t> strb; /* the same */
	words wanted;              /* of a read; filled in when the command is taken */
};

class world
{
      public:
	Vmem_tb *dut = new Vmem_tb;
	random_source rnd;
	uint64_t cycle = 0, words_moved[MASTERS] = {}, taken[MASTERS] = {};
	uint64_t worst_wait[MASTERS] = {}, last_take = 0, last_read_word = 0;
	std::deque<command> queue[MASTERS]; /* not yet taken */
	std::deque<command> moving[MASTERS];
	words model = words(WORDS);

	world()
	{
		dut->rst_ni = 0;
		for (int i = 0; i < 4; i++)
			step();
		dut->rst_ni = 1;
		for (uint32_t i = 0; i < WORDS; i++)
			dut->rootp->mem_tb__DOT__u_mem__DOT__mem[i] = model[i] = i * 2654435761u;
	}
	~world()
	{
		dut->final();
		delete dut;
	}
	uint32_t memory(uint32_t i) { return dut->rootp->mem_tb__DOT__u_mem__DOT__mem[i]; }

	void post_read(int m, uint32_t addr, uint32_t len)
	{
		queue[m].push_back({false, addr, len, {}, {}, {}});
	}
	void post_write(int m, uint32_t addr, uint32_t len, bool partial)
	{
		command c{true, addr, len, {}, {}, {}};

		for (uint32_t i = 0; i < len; i++) {
			c.data.push_back(rnd.next());
			c.strb.push_back(partial ? rnd.below(16) : 15);
		}
		queue[m].push_back(c);
	}
	bool idle()
	{
		for (int m = 0; m < MASTERS; m++)
			if (!queue[m].empty() || !moving[m].empty())
				return false;
		return true;
	}
	bool drain(unsigned int limit)
	{
		uint64_t end = cycle + limit;

		while (!idle() && cycle < end)
			step();
		return expect(idle(), "commands left after %u cycles", limit);
	}
	void step()
	{
		if (dut->rst_ni)
			for (int m = 0; m < MASTERS; m++)
				sample(m);
		dut->clk_i = 1;
		dut->eval();
		cycle++;
		for (int m = 0; m < MASTERS; m++)
			drive(m);
		dut->clk_i = 0;
		dut->eval();
	}

      private:
	size_t word[MASTERS] = {};
	uint64_t offered[MASTERS] = {};

	/* commands are carried out in the order in which they are taken */
	void carry_out(command &c)
	{
		for (uint32_t i = 0; i < c.len; i++) {
			uint32_t a = c.addr / 4 + i;

			if (!c.write)
				c.wanted.push_back(a < WORDS ? model[a] : 0);
			else if (a < WORDS)
				for (int b = 0; b < 4; b++)
					if (c.strb[i] >> b & 1)
						model[a] = (model[a] & ~(0xFFu << 8 * b)) |
							   (c.data[i] & 0xFFu << 8 * b);
		}
	}

	void sample(int m)
	{
		if ((dut->wready_o >> m & 1) || (dut->rvalid_o >> m & 1)) {
			bool write = dut->wready_o >> m & 1;

			if (!expect(!moving[m].empty(), "master %d: a word without a command", m))
				return;
			command &c = moving[m].front();
			expect(c.write == write, "master %d: wrong direction", m);
			if (!write) {
				expect(dut->rdata_o == c.wanted[word[m]],
				       "master %d: %07x+%zu: %08x instead of %08x", m, c.addr, word[m] * 4,
				       dut->rdata_o, c.wanted[word[m]]);
				last_read_word = cycle;
			}
			words_moved[m]++;
			if (++word[m] == c.len) {
				moving[m].pop_front();
				word[m] = 0;
			}
		}
		if ((dut->valid_i >> m & 1) && (dut->ready_o >> m & 1)) {
			carry_out(queue[m].front());
			moving[m].push_back(queue[m].front());
			queue[m].pop_front();
			expect(moving[m].size() <= 2, "master %d: more than two commands taken", m);
			worst_wait[m] = std::max(worst_wait[m], cycle - offered[m]);
			taken[m]++;
			last_take = cycle;
			offered[m] = cycle + 1;
		}
	}

	void drive(int m)
	{
		bool v = !queue[m].empty();

		if (v && !(dut->valid_i >> m & 1))
			offered[m] = cycle;
		dut->valid_i = (dut->valid_i & ~(1 << m)) | v << m;
		if (v) {
			const command &c = queue[m].front();

			dut->write_i = (dut->write_i & ~(1 << m)) | c.write << m;
			set_bits(dut->addr_i, m, 28, c.addr);
			set_bits(dut->len_i, m, 7, c.len);
		}
		for (const command &c : moving[m])
			if (c.write) { /* the first that writes: reads before it take no data */
				size_t i = &c == &moving[m].front() ? word[m] : 0;

				dut->wdata_i[m] = c.data[i];
				set_bits(dut->wstrb_i, m, 4, c.strb[i]);
				break;
			}
	}

	/* field m of WIDTH bits in a flat vector of 32-bit words or in one integer */
	template <typename T> static void set_bits(T &v, int m, int width, uint32_t value)
	{
		for (int i = 0; i < width; i++)
			set_bit(v, m * width + i, value >> i & 1);
	}
	template <size_t N> static void set_bit(VlWide<N> &v, int at, bool b)
	{
		v[at / 32] = (v[at / 32] & ~(1u << at % 32)) | (uint32_t)b << at % 32;
	}
	static void set_bit(uint32_t &v, int at, bool b) { v = (v & ~(1u << at)) | (uint32_t)b << at; }
	static void set_bit(uint64_t &v, int at, bool b) { v = (v & ~(1ull << at)) | (uint64_t)b << at; }
};

uint32_t random_burst(world &w, uint32_t *len, uint32_t bytes)
{
	uint32_t word = w.rnd.below(bytes / 4);

	*len = 1 + w.rnd.below(w.rnd.chance(30) ? 64 : 8);
	if (word % 1024 + *len > 1024) /* stays inside 4 KiB */
		word -= word % 1024 + *len - 1024;
	return word * 4;
}

void random_bursts_match_a_model(world &w)
{
	for (int i = 0; i < 3000; i++) {
		int m = w.rnd.below(MASTERS);
		uint32_t len, addr = random_burst(w, &len, 1024); /* close together: hazards */

		if (w.rnd.chance(20))
			addr = random_burst(w, &len, WORDS * 4);
		if (w.rnd.chance(50))
			w.post_write(m, addr, len, w.rnd.chance(50));
		else
			w.post_read(m, addr, len);
		if (w.rnd.chance(40))
			for (uint32_t k = w.rnd.below(60); k; k--)
				w.step();
	}
	w.drain(400000);
	for (uint32_t i = 0; i < WORDS; i++)
		expect(w.memory(i) == w.model[i], "word %u: %08x instead of %08x", i, w.memory(i), w.model[i]);
}

void offsets_past_the_end_read_zero_and_ignore_writes(world &w)
{
	static const uint32_t addrs[] = {WORDS * 4, WORDS * 4 + 4092, 0x0FFFFFFC, 0x08000000};

	for (uint32_t a : addrs) {
		w.post_write(0, a, 1, false);
		w.post_read(0, a, 1);
	}
	w.post_read(1, WORDS * 4 - 4, 1);
	w.drain(1000);
	for (uint32_t i = 0; i < WORDS; i++)
		expect(w.memory(i) == w.model[i], "word %u changed", i);
}

void write_then_read_of_another_master_sees_it(world &w)
{
	for (int i = 0; i < 400; i++) {
		uint32_t len = 1 + w.rnd.below(64), at = w.rnd.below(16) * 4;
		uint32_t from = w.rnd.chance(50) ? 0 : len - 1; /* the last word, which is the latest */

		w.post_write(i % MASTERS, at, len, true);
		for (uint32_t k = w.rnd.below(3); k; k--)
			w.step();
		w.post_read((i + 1) % MASTERS, at + from * 4, len - from);
		if (i % 3 == 0)
			w.drain(1000);
	}
	w.drain(100000);
}

void read_latency_is_as_parameter_says(world &w)
{
	w.post_read(2, 0x100, 1);
	w.drain(100);
	expect(w.last_read_word - w.last_take == READ_LATENCY, "%d cycles",
	       (int)(w.last_read_word - w.last_take));
}

void one_stream_moves_095_words_per_cycle(world &w)
{
	for (int kind = 0; kind < 3; kind++) {
		uint64_t start = w.cycle;
		double rate;

		for (int i = 0; i < 200; i++)
			if (kind == 0 || (kind == 2 && i % 2))
				w.post_read(3, i * 256, 64);
			else
				w.post_write(3, i * 256, 64, false);
		w.drain(20000);
		rate = 200 * 64.0 / (double)(w.cycle - start);
		printf("# one stream of 64-word %s: %.4f words/cycle\n",
		       kind == 0 ? "reads" : kind == 1 ? "writes" : "writes and reads in turn", rate);
		expect(rate >= 0.95, "kind %d: %.4f words per cycle", kind, rate);
	}
}

void masters_share_by_burst(world &w)
{
	/* master 0 sends one small read at a time, the others have long bursts without end */
	for (int m = 1; m < MASTERS; m++)
		for (int i = 0; i < 400; i++)
			w.post_read(m, m * 65536 + i % 16 * 256, 64);
	uint64_t start = w.cycle;
	while (w.cycle < start + 20000) {
		if (w.queue[0].empty() && w.moving[0].empty())
			w.post_read(0, w.rnd.below(1000) * 32, 8);
		w.step();
	}
	for (int m = 1; m < MASTERS; m++)
		expect(w.taken[m] + 1 >= w.taken[1] && w.taken[m] <= w.taken[1] + 1,
		       "master %d: %u bursts, master 1: %u", m, (unsigned)w.taken[m], (unsigned)w.taken[1]);
	printf("# worst wait among %d masters of 64-word bursts: %u cycles\n", MASTERS - 1,
	       (unsigned)w.worst_wait[0]);
	/* all others once, and what has been taken already */
	expect(w.worst_wait[0] <= MASTERS * 64 + 2 * READ_LATENCY, "waited %u cycles",
	       (unsigned)w.worst_wait[0]);
	w.drain(200000);
}

} // namespace

int main(int argc, char **argv)
{
	struct {
		const char *name;
		void (*run)(world &);
	} static const cases[] = {
#define CASE(f) {#f, f}
		CASE(random_bursts_match_a_model),
		CASE(offsets_past_the_end_read_zero_and_ignore_writes),
		CASE(write_then_read_of_another_master_sees_it),
		CASE(read_latency_is_as_parameter_says),
		CASE(one_stream_moves_095_words_per_cycle),
		CASE(masters_share_by_burst),
	};

	Verilated::commandArgs(argc, argv);
	for (auto &t : cases) {
		world w;

		t.run(w);
		end_case(std::string("mem_") + t.name);
	}
	return cases_failed ? 1 : 0;
}
