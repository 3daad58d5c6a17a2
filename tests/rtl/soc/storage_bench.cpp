// SPDX-License-Identifier: BSD-2-Clause
// Medium controller and simulated medium: data, order, flush, ranges, errors, queue.
#include "Vstorage_tb.h"
#include "medium.h"
#include "mport_model.h"
#include "storage_dpi.h"
#include "verilated.h"

static const uint32_t memory_size = 4u << 20;
static const long long medium_blocks = 600;
static const uint32_t descs = 0x1000;

// The medium behind the DPI, with a log of what was asked and failures on demand.
static struct {
	int state = 1; // what storage_blocks says
	std::vector<uint8_t> bytes = std::vector<uint8_t>(medium_blocks * 4096);
	uint8_t buffer[4096];
	std::vector<std::pair<char, long long>> log;
	long long fail_block = -1;
	bool fail_flush = false;
	std::string error;
} medium;

int storage_blocks(long long *n)
{
	*n = medium_blocks;
	return medium.state;
}

int storage_read_begin(long long block)
{
	medium.log.push_back({'r', block});
	if (block < 0 || block >= medium_blocks) {
		medium.error = "a read beyond the medium reached it";
		return -5;
	}
	memcpy(medium.buffer, &medium.bytes[block * 4096], 4096);
	return block == medium.fail_block ? -5 : 0;
}

int storage_word(int i)
{
	int v;
	memcpy(&v, medium.buffer + i * 4, 4);
	return v;
}

void storage_write_word(int i, int word)
{
	memcpy(medium.buffer + i * 4, &word, 4);
}

int storage_write_end(long long block)
{
	medium.log.push_back({'w', block});
	if (block < 0 || block >= medium_blocks) {
		medium.error = "a write beyond the medium reached it";
		return -5;
	}
	if (block == medium.fail_block)
		return -5;
	memcpy(&medium.bytes[block * 4096], medium.buffer, 4096);
	return 0;
}

int storage_flush(void)
{
	medium.log.push_back({'f', 0});
	return medium.fail_flush ? -5 : 0;
}

struct storage_bench : engine_bench<Vstorage_tb> {
	storage_bench() : engine_bench(memory_size)
	{
		for (auto &b : medium.bytes)
			b = static_cast<uint8_t>(random.next());
		reset();
	}
	void reset()
	{
		engine_bench::reset();
		clock(); // what the medium is shows
		clock();
	}
	void put_desc(uint32_t index, uint32_t op, uint64_t block, uint32_t count, uint32_t addr)
	{
		uint32_t d = descs + index * 32;
		memory.store(d + MEDIUM_DESC_CONTROL, op);
		memory.store(d + MEDIUM_DESC_BLOCK_LO, static_cast<uint32_t>(block));
		memory.store(d + MEDIUM_DESC_BLOCK_HI, static_cast<uint32_t>(block >> 32));
		memory.store(d + MEDIUM_DESC_COUNT, count);
		memory.store(d + MEDIUM_DESC_ADDR, addr);
		memory.store(d + MEDIUM_DESC_STATUS, 0);
	}
	void submit(uint32_t index)
	{
		write(MEDIUM_SUBMIT, descs + index * 32);
	}
	uint32_t status(uint32_t index)
	{
		return memory.load(descs + index * 32 + MEDIUM_DESC_STATUS);
	}
	// One descriptor alone; its status, or ~0 when it did not end.
	uint32_t run(uint32_t op, uint64_t block, uint32_t count, uint32_t addr)
	{
		put_desc(0, op, block, count, addr);
		submit(0);
		return run_until_idle() ? status(0) : ~0u;
	}
};

static std::string rules(storage_bench &b)
{
	return !b.memory.error.empty() ? b.memory.error : medium.error;
}

static std::string reads(storage_bench &b)
{
	for (uint32_t count : {1u, 2u, 7u, 256u}) {
		std::vector<uint8_t> expect = b.memory.bytes;
		uint32_t block = b.random.below(medium_blocks - count + 1);
		uint32_t addr = 0x100000 + b.random.below(100) * 4096;
		memcpy(&expect[addr], &medium.bytes[block * 4096ull], count * 4096);
		if (b.run(0, block, count, addr) != 1)
			return "status " + std::to_string(b.status(0));
		memcpy(&expect[descs], &b.memory.bytes[descs], 32);
		if (expect != b.memory.bytes)
			return "memory differs, count " + std::to_string(count);
	}
	return rules(b);
}

static std::string writes(storage_bench &b)
{
	for (uint32_t count : {1u, 3u, 256u}) {
		std::vector<uint8_t> expect = medium.bytes, before;
		uint32_t block = b.random.below(medium_blocks - count + 1);
		uint32_t addr = 0x100000 + b.random.below(100) * 4096;
		memcpy(&expect[block * 4096ull], &b.memory.bytes[addr], count * 4096);
		if (b.run(1, block, count, addr) != 1)
			return "status " + std::to_string(b.status(0));
		if (expect != medium.bytes)
			return "medium differs, count " + std::to_string(count);
	}
	return rules(b);
}

static std::string last_block(storage_bench &b)
{
	if (b.run(0, medium_blocks - 1, 1, memory_size - 4096) != 1)
		return "refused";
	return memcmp(&b.memory.bytes[memory_size - 4096], &medium.bytes[(medium_blocks - 1) * 4096], 4096)
		       ? "data differs"
		       : rules(b);
}

static std::string flush_in_order(storage_bench &b)
{
	medium.log.clear();
	b.put_desc(0, 1, 10, 2, 0x10000);
	b.put_desc(1, 2, 0, 0, 0);
	b.put_desc(2, 1, 20, 1, 0x10000);
	for (uint32_t i = 0; i < 3; i++)
		b.submit(i);
	b.run_until_idle();
	std::vector<std::pair<char, long long>> expect = {{'w', 10}, {'w', 11}, {'f', 0}, {'w', 20}};
	if (medium.log != expect)
		return "order on the medium";
	return b.status(0) == 1 && b.status(1) == 1 && b.status(2) == 1 ? rules(b) : "status";
}

static std::string out_of_range(storage_bench &b)
{
	struct {
		uint32_t op;
		uint64_t block;
		uint32_t count, addr;
	} bad[] = {{0, 0, 0, 0x10000},
		   {0, 0, 257, 0x10000},
		   {1, 0, 0x80000001, 0x10000},
		   {0, medium_blocks, 1, 0x10000},
		   {1, medium_blocks - 1, 2, 0x10000},
		   {0, 0xFFFFFFFFFFFFFFFFull, 1, 0x10000},
		   {0, 0x100000000ull, 1, 0x10000},
		   {0, 0, 1, 0x10004},
		   {1, 0, 1, memory_size},
		   {0, 0, 2, memory_size - 4096},
		   {0, 0, 1, 0xFFFFF000},
		   {3, 0, 1, 0x10000}};
	std::vector<uint8_t> disk = medium.bytes, ram = b.memory.bytes;
	medium.log.clear();
	for (auto &j : bad)
		if (b.run(j.op, j.block, j.count, j.addr) != 3)
			return "case " + std::to_string(&j - bad) + " has status " +
			       std::to_string(b.status(0));
	memcpy(&ram[descs], &b.memory.bytes[descs], 32);
	if (disk != medium.bytes || ram != b.memory.bytes || !medium.log.empty())
		return "something changed";
	return rules(b);
}

static std::string medium_errors(storage_bench &b)
{
	medium.fail_block = 52;
	for (uint32_t op = 0; op < 2; op++) {
		if (b.run(op, 50, 6, 0x40000) != 2)
			return "op " + std::to_string(op) + " has status " + std::to_string(b.status(0));
		if (medium.log.back().second != 52)
			return "went on behind the error";
		if (b.run(op, 100, 6, 0x80000) != 1)
			return "the next command failed";
		if (memcmp(&medium.bytes[100 * 4096], &b.memory.bytes[0x80000], 6 * 4096))
			return "the next command's data differs";
	}
	medium.fail_block = -1;
	medium.fail_flush = true;
	uint32_t status = b.run(2, 0, 0, 0);
	medium.fail_flush = false;
	if (status != 2)
		return "failed flush has status " + std::to_string(status);
	return b.run(2, 0, 0, 0) == 1 ? rules(b) : "next flush failed";
}

static std::string queue(storage_bench &b)
{
	uint32_t done = b.read(MEDIUM_DONE);
	b.write(MEDIUM_IRQ, 1);
	if (b.top.irq_o)
		return "interrupt not cleared";
	medium.log.clear();
	b.put_desc(0, 0, 0, 1, 0x10000);
	b.submit(0);
	for (int i = 0; i < 60; i++)
		b.clock();
	for (uint32_t i = 1; i <= 17; i++) {
		b.put_desc(i, 0, i, 1, 0x10000 + i * 4096);
		if (b.read(MEDIUM_SUBMIT) != (i == 17))
			return "full bit with " + std::to_string(i - 1) + " waiting";
		b.submit(i);
	}
	while (!b.top.irq_o)
		b.clock();
	if (b.read(MEDIUM_DONE) != done + 1 || b.status(0) != 1 || b.status(1) != 0)
		return "interrupt not at the first end";
	b.run_until_idle();
	if (b.read(MEDIUM_DONE) != done + 17)
		return "DONE counted " + std::to_string(b.read(MEDIUM_DONE) - done);
	if (b.status(17) != 0)
		return "a descriptor was taken that had no room";
	for (uint32_t i = 0; i < 17; i++)
		if (medium.log[i].second != i)
			return "place " + std::to_string(i) + " has block " + std::to_string(medium.log[i].second);
	return rules(b);
}

static std::string read_only(storage_bench &b)
{
	medium.state = 2;
	b.reset();
	if ((b.read(MEDIUM_STATUS) & 7) != 6)
		return "STATUS " + std::to_string(b.read(MEDIUM_STATUS));
	std::vector<uint8_t> disk = medium.bytes;
	if (b.run(1, 0, 1, 0x10000) != 2 || disk != medium.bytes)
		return "a write was not refused";
	return b.run(0, 0, 1, 0x10000) == 1 ? rules(b) : "a read failed";
}

static std::string absent(storage_bench &b)
{
	medium.state = 0;
	b.reset();
	if ((b.read(MEDIUM_STATUS) & 7) != 0 || b.read(MEDIUM_BLOCKS_LO))
		return "STATUS or BLOCKS";
	medium.log.clear();
	for (uint32_t op = 0; op < 3; op++)
		if (b.run(op, 0, op == 2 ? 0 : 1, 0x10000) != 2)
			return "op " + std::to_string(op) + " has status " + std::to_string(b.status(0));
	return medium.log.empty() ? rules(b) : "the medium was used";
}

int main()
{
	storage_bench b;
	bench_result r;

	r.report("size_is_shown", b.read(MEDIUM_BLOCKS_LO) == medium_blocks && !b.read(MEDIUM_BLOCKS_HI) &&
						  (b.read(MEDIUM_STATUS) & 7) == 2
					  ? ""
					  : "BLOCKS or STATUS");
	r.report("read_brings_blocks", reads(b));
	r.report("write_stores_blocks", writes(b));
	r.report("last_block_to_last_page", last_block(b));
	r.report("flush_keeps_its_place", flush_in_order(b));
	r.report("out_of_range_is_refused_and_changes_nothing", out_of_range(b));
	r.report("medium_error_ends_one_command_only", medium_errors(b));
	r.report("sixteen_wait_in_order", queue(b));
	r.report("read_only_medium_refuses_writes", read_only(b));
	r.report("absent_medium_refuses_all", absent(b));
	return r.failed;
}
