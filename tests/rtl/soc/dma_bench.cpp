// SPDX-License-Identifier: BSD-2-Clause
// The DMA engine against a model in C++: all alignments, lists, ranges, CRC32C, queue, speed.
#include "Vdma.h"
#include "dma.h"
#include "mport_model.h"
#include "verilated.h"

static const uint32_t memory_size = 4u << 20;
static const uint32_t descs = 0x1000; // where lists are built

struct job {
	uint32_t op, src, dst, len, irq;
};

struct dma_bench : engine_bench<Vdma> {
	dma_bench() : engine_bench(memory_size)
	{
		reset();
	}
	static uint32_t desc_at(uint32_t index)
	{
		return descs + index * 32;
	}
	void put_desc(uint32_t index, const job &j, uint32_t next)
	{
		uint32_t d = desc_at(index);
		memory.store(d + DMA_DESC_NEXT, next);
		memory.store(d + DMA_DESC_CONTROL, j.op | j.irq << 8);
		memory.store(d + DMA_DESC_SRC, j.src);
		memory.store(d + DMA_DESC_DST, j.dst);
		memory.store(d + DMA_DESC_LEN, j.len);
		memory.store(d + DMA_DESC_RESULT, 0xAAAAAAAA);
		memory.store(d + DMA_DESC_STATUS, 0);
	}
	uint32_t status(uint32_t index)
	{
		return memory.load(desc_at(index) + DMA_DESC_STATUS);
	}
	uint32_t result(uint32_t index)
	{
		return memory.load(desc_at(index) + DMA_DESC_RESULT);
	}
	// Runs the jobs as one list.
	bool run_list(const std::vector<job> &jobs)
	{
		for (uint32_t i = 0; i < jobs.size(); i++)
			put_desc(i, jobs[i], i + 1 < jobs.size() ? desc_at(i + 1) : 0);
		write(DMA_HEAD, descs);
		return run_until_idle(4000000);
	}
};

static uint32_t crc32c(const uint8_t *p, size_t n, uint32_t crc)
{
	while (n--) {
		crc ^= *p++;
		for (int k = 0; k < 8; k++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82F63B78u : 0);
	}
	return crc;
}

static std::string apply_and_compare(dma_bench &b, const std::vector<job> &jobs)
{
	std::vector<uint8_t> expect = b.memory.bytes;
	for (const job &j : jobs)
		for (uint32_t i = 0; i < j.len; i++)
			expect[j.dst + i] = j.op ? j.src >> 8 * (i & 3) : expect[j.src + i];
	if (!b.run_list(jobs))
		return "not finished";
	for (uint32_t i = 0; i < jobs.size(); i++)
		if (b.status(i) != 1)
			return "status " + std::to_string(b.status(i));
	// descriptors were written meanwhile
	memcpy(&expect[descs], &b.memory.bytes[descs], 32 * jobs.size());
	if (expect != b.memory.bytes)
		for (uint32_t i = 0; i < memory_size; i++)
			if (expect[i] != b.memory.bytes[i])
				return "memory differs at " + std::to_string(i);
	return b.memory.error;
}

static std::string copy_small(dma_bench &b)
{
	for (uint32_t s = 0; s < 4; s++)
		for (uint32_t d = 0; d < 4; d++) {
			std::vector<job> jobs;
			for (uint32_t len = 0; len <= 80; len++)
				jobs.push_back({0, 0x20000 + s, 0x40000 + len * 128 + d, len, 0});
			std::string error = apply_and_compare(b, jobs);
			if (!error.empty())
				return error + " (src " + std::to_string(s) + " dst " +
				       std::to_string(d) + ")";
		}
	return "";
}

static std::string copy_large(dma_bench &b)
{
	for (int round = 0; round < 40; round++) {
		uint32_t len = 1 + b.random.below(20000);
		std::vector<job> jobs = {{0, 0x100000 + b.random.below(8192),
					  0x200000 + b.random.below(8192), len, 0}};
		std::string error = apply_and_compare(b, jobs);
		if (!error.empty())
			return error + " (length " + std::to_string(len) + ")";
	}
	return "";
}

static std::string copy_to_the_end(dma_bench &b)
{
	return apply_and_compare(b, {{0, memory_size - 4097, 0x30000, 4097, 0},
				     {0, 0x30001, memory_size - 4099, 4099, 0}});
}

static std::string fill(dma_bench &b)
{
	std::vector<job> jobs;
	for (uint32_t len = 0; len <= 600; len += 4)
		jobs.push_back({1, 0x11223344 + len, 0x50000 + len * 16, len, 0});
	jobs.push_back({1, 0, 0x80FF0, 8192, 0});
	return apply_and_compare(b, jobs);
}

static std::string crc_vectors(dma_bench &b)
{
	struct {
		std::string text;
		uint32_t crc;
	} vectors[] = {{"123456789", 0xE3069283},
		       {std::string(32, '\0'), 0x8A9136AA},
		       {std::string(32, '\xff'), 0x62A8AB43},
		       {"", 0x46DD794E},
		       {"", 0x113FDB5C}};
	for (char i = 0; i < 32; i++) {
		vectors[3].text += i;
		vectors[4].text += static_cast<char>(31 - i);
	}
	for (auto &v : vectors)
		for (uint32_t align = 0; align < 4; align++) {
			memcpy(&b.memory.bytes[0x60000 + align], v.text.data(), v.text.size());
			if (!b.run_list({{2, 0x60000 + align, ~0u, (uint32_t)v.text.size(), 0}}))
				return "not finished";
			if (~b.result(0) != v.crc)
				return "got " + std::to_string(~b.result(0)) + " for " +
				       std::to_string(v.crc);
		}
	return b.memory.error;
}

static std::string crc_any(dma_bench &b)
{
	std::vector<job> jobs;
	for (uint32_t s = 0; s < 4; s++)
		for (uint32_t len = 0; len <= 20; len++)
			jobs.push_back({2, 0x70000 + s, b.random.next(), len, 0});
	for (int i = 0; i < 20; i++)
		jobs.push_back({2, 0x70000 + b.random.below(5000), b.random.next(), b.random.below(9000), 0});
	std::vector<uint8_t> before = b.memory.bytes;
	if (!b.run_list(jobs))
		return "not finished";
	for (uint32_t i = 0; i < jobs.size(); i++) {
		uint32_t expect = crc32c(&b.memory.bytes[jobs[i].src], jobs[i].len, jobs[i].dst);
		if (b.result(i) != expect || b.status(i) != 1)
			return "job " + std::to_string(i);
	}
	memcpy(&before[descs], &b.memory.bytes[descs], 32 * jobs.size());
	return before == b.memory.bytes ? b.memory.error : "memory changed";
}

static std::string out_of_range(dma_bench &b)
{
	std::vector<job> bad = {{0, memory_size - 10, 0x1000, 11, 0}, {0, 0x1000, memory_size - 4, 5, 0},
				{0, 0xFFFFFFF0, 0x9000, 0x20, 0},     {0, 0x9000, 0xFFFFFFF0, 0x20, 0},
				{0, 0x9000, 0x10000000, 4, 0},	      {0, 0x9000, 0xA000, 0xFFFFFFFF, 0},
				{1, 0, memory_size, 4, 0},	      {1, 0, 0x9002, 4, 0},
				{1, 0, 0x9000, 6, 0},		      {2, memory_size, 0, 1, 0},
				{3, 0x9000, 0xA000, 4, 0}};
	std::vector<uint8_t> before;
	std::vector<job> jobs = bad;
	jobs.push_back({0, 0xB000, 0xC000, 64, 0}); // the list goes on behind them
	for (uint32_t i = 0; i < jobs.size(); i++)
		b.put_desc(i, jobs[i], i + 1 < jobs.size() ? b.desc_at(i + 1) : 0);
	before = b.memory.bytes;
	b.write(DMA_HEAD, descs);
	if (!b.run_until_idle(100000))
		return "not finished";
	for (uint32_t i = 0; i < bad.size(); i++)
		if (b.status(i) != 2)
			return "job " + std::to_string(i) + " has status " + std::to_string(b.status(i));
	if (b.status(bad.size()) != 1 || memcmp(&b.memory.bytes[0xB000], &b.memory.bytes[0xC000], 64))
		return "the good job behind them was not done";
	memcpy(&before[descs], &b.memory.bytes[descs], 32 * jobs.size());
	memcpy(&before[0xC000], &before[0xB000], 64);
	return before == b.memory.bytes ? b.memory.error : "memory changed";
}

static std::string interrupts(dma_bench &b)
{
	if (b.read(DMA_IRQ))
		return "raised without a descriptor that asks";
	b.put_desc(0, {0, 0x9000, 0xA000, 256, 0}, b.desc_at(1));
	b.put_desc(1, {0, 0x9000, 0xA000, 256, 1}, b.desc_at(2));
	b.put_desc(2, {0, 0x9000, 0xB000, 20000, 0}, 0);
	b.write(DMA_HEAD, descs);
	while (!b.top.irq_o && b.top.busy_o)
		b.clock();
	if (b.status(1) != 1 || b.status(2) != 0)
		return "not at the end of its descriptor";
	b.write(DMA_IRQ, 1);
	if (b.top.irq_o)
		return "not cleared";
	b.run_until_idle(100000);
	return b.top.irq_o || b.read(DMA_STATUS) ? "raised again or busy" : "";
}

static std::string queue(dma_bench &b)
{
	// a long job at work, eight lists wait, one more is lost
	b.put_desc(0, {1, 0, 0x100000, 65536, 0}, 0);
	for (uint32_t i = 1; i <= 9; i++)
		b.put_desc(i, {1, i, 0x9000 + i * 4, 4, 0}, 0);
	b.write(DMA_HEAD, b.desc_at(0));
	for (int i = 0; i < 40; i++)
		b.clock();
	for (uint32_t i = 1; i <= 9; i++) {
		if (b.read(DMA_HEAD) != (i == 9))
			return "full bit after " + std::to_string(i - 1);
		b.write(DMA_HEAD, b.desc_at(i));
	}
	b.run_until_idle(1000000);
	for (uint32_t i = 0; i <= 8; i++)
		if (b.status(i) != 1)
			return "list " + std::to_string(i) + " not done";
	return b.status(9) ? "a list was taken that had no room" : b.memory.error;
}

static std::string page_cycles(dma_bench &b, uint32_t src, uint32_t dst, long limit)
{
	b.memory.jitter = false;
	b.put_desc(0, {0, src, dst, 4096, 0}, 0);
	long start = b.cycles;
	b.write(DMA_HEAD, descs);
	b.run_until_idle(100000);
	long took = b.cycles - start;
	b.memory.jitter = true;
	printf("# 4 KiB from ...%x to ...%x: %ld cycles\n", src & 15, dst & 15, took);
	return took <= limit ? "" : std::to_string(took) + " cycles";
}

int main()
{
	dma_bench b;
	bench_result r;

	r.report("copy_every_alignment_and_length", copy_small(b));
	r.report("copy_across_pages", copy_large(b));
	r.report("copy_up_to_the_end_of_memory", copy_to_the_end(b));
	r.report("fill_lengths", fill(b));
	r.report("crc32c_known_vectors", crc_vectors(b));
	r.report("crc32c_every_alignment_and_seed", crc_any(b));
	r.report("out_of_range_is_refused_and_changes_nothing", out_of_range(b));
	r.report("interrupt_only_where_asked", interrupts(b));
	r.report("eight_lists_wait_in_order", queue(b));
	r.report("page_copy_aligned_in_2200_cycles", page_cycles(b, 0x10000, 0x20000, 2200));
	r.report("page_copy_unaligned_in_2300_cycles", page_cycles(b, 0x10003, 0x20002, 2300));
	return r.failed;
}
