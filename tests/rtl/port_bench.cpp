// SPDX-License-Identifier: BSD-2-Clause
// Checks the port block against a model, with the link's clock tied to, faster than, slower than and
// drifting against the device's.
#include <algorithm>

#include "port_world.h"

namespace
{

/* from rtl/regs/port_host.toml */
enum : uint32_t {
	H_ID = 0x00,
	H_VERSION = 0x04,
	H_CONFIG = 0x08,
	H_GEOMETRY = 0x0C,
	H_STATUS = 0x10,
	H_CONTROL = 0x14,
	H_SQ_TAIL = 0x18,
	H_SQ_HEAD = 0x1C,
	H_CQ_TAIL = 0x20,
	H_CQ_HEAD = 0x24,
	H_IRQ_STATUS = 0x28,
	H_IRQ_ENABLE = 0x2C,
	H_HEARTBEAT = 0x30,
	H_DEVICE_HEARTBEAT = 0x34,
	H_DENIED = 0x38,
	H_BYTES_READ = 0x3C,
	H_BYTES_WRITTEN = 0x40,
	H_RING = 0x4000,
	H_WINDOW = 0x400000,
	IRQ_COMPLETION = 1,
	IRQ_STATUS = 2,
	STATUS_FENCED = 2,
};

/* from rtl/regs/port_device.toml */
enum : uint32_t {
	D_CTRL = 0x00,
	D_STATUS = 0x04,
	D_EVENT = 0x08,
	D_EVENT_ENABLE = 0x0C,
	D_SQ_TAIL = 0x10,
	D_SQ_HEAD = 0x14,
	D_CQ_TAIL = 0x18,
	D_CQ_HEAD = 0x1C,
	D_HEARTBEAT = 0x20,
	D_DEVICE_HEARTBEAT = 0x24,
	D_DENIED = 0x28,
	D_BYTES_READ = 0x2C,
	D_BYTES_WRITTEN = 0x30,
	D_LINK_STATUS = 0x34,
	D_GEOMETRY = 0x38,
	D_CONFIG = 0x3C,
	D_SLOT_TABLE = 0x1000,
	D_RING = 0x8000,
	EVENT_DOORBELL = 1,
	EVENT_ATTACH = 2,
	EVENT_DETACH = 4,
	EVENT_LINK = 8,
	SLOT_VALID = 0x80000000,
	SLOT_WRITABLE = 0x40000000,
};

constexpr uint32_t RO = SLOT_VALID, RW = SLOT_VALID | SLOT_WRITABLE;
constexpr uint32_t FRAMES = 1024; /* of the bench's 4 MiB */

words random_words(world &w, uint32_t n)
{
	words v(n);

	for (auto &x : v)
		x = w.rnd.next();
	return v;
}

uint32_t slot_addr(uint32_t slot, uint32_t word = 0) { return H_WINDOW + slot * 4096 + word * 4; }

void map_slot(world &w, int p, uint32_t slot, uint32_t entry)
{
	w.wb_write(p, D_SLOT_TABLE + slot * 4, entry);
}

/* Both ports unfenced, every slot that a case uses unmapped, nothing pending. */
void fresh(world &w)
{
	for (int p = 0; p < 2; p++) {
		w.write_stall[p] = w.read_stall[p] = 0;
		w.one_at_a_time[p] = false;
		w.write_limit[p] = 0;
		w.wb_write(p, D_CTRL, 0);
		w.wb_write(p, D_EVENT_ENABLE, 0);
		for (uint32_t s = 0; s < 16; s++)
			map_slot(w, p, s, 0);
		w.write32(p, H_IRQ_ENABLE, 0);
		w.write32(p, H_IRQ_STATUS, 3);
		w.read32(p, H_ID);
		w.run(40);
		w.wb_write(p, D_EVENT, 15);
	}
}

/* ---------------------------------------------------------------- registers and events */
void registers_read_as_specified(world &w)
{
	for (int p = 0; p < 2; p++) {
		expect(w.read32(p, H_ID) == 0x4B44504D, "ID");
		expect(w.read32(p, H_VERSION) == 0x00010000, "VERSION");
		expect(w.read32(p, H_CONFIG) == (1024u << 8 | (uint32_t)p), "CONFIG of port %d", p);
		expect(w.wb_read(p, D_CONFIG) == (1024u << 8 | (uint32_t)p), "CONFIG of port %d", p);
		expect(w.wb_read(p, D_LINK_STATUS) == 1, "LINK_STATUS");
	}
	w.wb_write(0, D_STATUS, 0xFFFFFFFF);
	w.wb_write(0, D_GEOMETRY, 0x0A5C0D10);
	w.wb_write(0, D_SQ_HEAD, 0x1234);
	w.wb_write(0, D_DEVICE_HEARTBEAT, 0xCAFEF00D);
	w.run(60);
	expect(w.read32(0, H_STATUS) == 0x00FFFFFD, "STATUS, fence clear: %08x", w.read32(0, H_STATUS));
	expect(w.read32(0, H_GEOMETRY) == 0x0A5C0D10, "GEOMETRY");
	expect(w.read32(0, H_SQ_HEAD) == 0x1234, "SQ_HEAD");
	expect(w.read32(0, H_DEVICE_HEARTBEAT) == 0xCAFEF00D, "DEVICE_HEARTBEAT");
	w.wb_write(0, D_CTRL, 1);
	w.wb_write(0, D_STATUS, 0x00050001);
	w.run(60);
	expect(w.read32(0, H_STATUS) == 0x00050003, "STATUS, fenced");
	expect(w.wb_read(0, D_STATUS) == 0x00050003, "STATUS of the core, fenced");
	w.wb_write(0, D_CTRL, 0);

	w.write32(0, H_HEARTBEAT, 0x89ABCDEF);
	w.write32(0, H_CQ_HEAD, 0x4321);
	w.write32(0, H_SQ_TAIL, 0xFFFF8765);
	expect(w.read32(0, H_SQ_TAIL) == 0x8765, "SQ_TAIL read back");
	expect(w.read32(0, H_CQ_HEAD) == 0x4321, "CQ_HEAD read back");
	expect(w.read32(0, H_HEARTBEAT) == 0x89ABCDEF, "HEARTBEAT read back");
	w.run(60);
	expect(w.wb_read(0, D_HEARTBEAT) == 0x89ABCDEF, "HEARTBEAT");
	expect(w.wb_read(0, D_CQ_HEAD) == 0x4321, "CQ_HEAD");
	expect(w.wb_read(0, D_SQ_TAIL) == 0x8765, "SQ_TAIL");

	/* read-only and absent registers ignore writes; a burst over the page works */
	for (uint32_t a = 0; a < 0x14; a += 4)
		w.write32(0, a, 0xFFFFFFFF);
	w.write32(0, 0x44, 0xFFFFFFFF);
	auto b = w.post(0, false, 0, 18);
	w.wait_done(b, "register burst");
	expect(b->data[0] == 0x4B44504D && b->data[4] == 0x00050001 && b->data[6] == 0x8765 &&
		       b->data[17] == 0,
	       "register burst");
	w.wb_write(0, D_STATUS, 0);
	expect(w.read32(1, H_HEARTBEAT) == 0, "the other port did not notice");
}

void events_reach_the_core(world &w)
{
	w.wb_write(0, D_EVENT_ENABLE, EVENT_DOORBELL | EVENT_ATTACH | EVENT_DETACH);
	expect(!(w.dut->irq_o & 1), "interrupt before any event");
	w.write32(0, H_SQ_TAIL, 7);
	w.run_until([&] { return w.dut->irq_o & 1; }, "doorbell interrupt", 200);
	expect(w.wb_read(0, D_EVENT) == EVENT_DOORBELL, "DOORBELL");
	expect(w.wb_read(0, D_SQ_TAIL) == 7, "SQ_TAIL with its doorbell");
	w.wb_write(0, D_EVENT, EVENT_ATTACH);
	expect(w.wb_read(0, D_EVENT) == EVENT_DOORBELL, "another bit's clear");
	w.wb_write(0, D_EVENT, EVENT_DOORBELL);
	expect(w.wb_read(0, D_EVENT) == 0 && !(w.dut->irq_o & 1), "clear");

	w.write32(0, H_SQ_TAIL, 7); /* the same value is a doorbell too */
	w.run_until([&] { return w.dut->irq_o & 1; }, "second doorbell", 200);
	w.wb_write(0, D_EVENT, 15);

	w.write32(0, H_CQ_HEAD, 5);
	w.write32(0, H_CONTROL, 1);
	w.run_until([&] { return w.dut->irq_o & 1; }, "attach", 200);
	expect(w.wb_read(0, D_EVENT) == EVENT_ATTACH, "ATTACH alone");
	expect(w.wb_read(0, D_SQ_TAIL) == 0 && w.wb_read(0, D_CQ_HEAD) == 0, "ATTACH zeroes indices");
	expect(w.read32(0, H_SQ_TAIL) == 0 && w.read32(0, H_CQ_HEAD) == 0, "indices at the host");
	w.wb_write(0, D_EVENT, 15);
	w.write32(0, H_CONTROL, 2);
	w.run_until([&] { return w.dut->irq_o & 1; }, "detach", 200);
	expect(w.wb_read(0, D_EVENT) == EVENT_DETACH, "DETACH alone");
	w.wb_write(0, D_EVENT, 15);

	w.wb_write(0, D_EVENT_ENABLE, 0);
	w.write32(0, H_SQ_TAIL, 1);
	w.run(100);
	expect(!(w.dut->irq_o & 1) && w.wb_read(0, D_EVENT) == EVENT_DOORBELL, "disabled event");
	expect(!(w.dut->irq_o & 2), "the other port did not notice");
}

void host_interrupt_is_level_and_clears(world &w)
{
	auto irq = [&] { return w.dut->link_irq_o & 1; };

	w.wb_write(0, D_CQ_TAIL, 1);
	w.run(60);
	expect(!irq() && w.read32(0, H_IRQ_STATUS) == IRQ_COMPLETION, "status without enable");
	w.write32(0, H_IRQ_ENABLE, IRQ_COMPLETION);
	w.run(20);
	expect(irq(), "enable raises what is pending");
	w.write32(0, H_IRQ_STATUS, IRQ_STATUS);
	w.run(20);
	expect(irq(), "another bit's clear");
	w.write32(0, H_IRQ_STATUS, IRQ_COMPLETION);
	w.read32(0, H_ID);
	expect(!irq(), "clear");
	expect(w.read32(0, H_CQ_TAIL) == 1, "CQ_TAIL");
	w.wb_write(0, D_STATUS, 0x00010001);
	w.run(60);
	expect(!irq() && w.read32(0, H_IRQ_STATUS) == IRQ_STATUS, "STATUS changed");
	w.write32(0, H_IRQ_STATUS, IRQ_STATUS);
	w.wb_write(0, D_STATUS, 0x00010001);
	w.wb_write(0, D_SQ_HEAD, 9);
	w.run(60);
	expect(w.read32(0, H_IRQ_STATUS) == 0, "nothing changed");
	w.wb_write(0, D_CTRL, 1);
	w.run(60);
	expect(w.read32(0, H_IRQ_STATUS) == IRQ_STATUS, "fence changes STATUS");
	w.wb_write(0, D_STATUS, 0);
}

/* Whatever else the host writes meanwhile, the core hears of every move of SQ_TAIL, with the value. */
void no_doorbell_is_lost(world &w)
{
	uint32_t tail = 0, seen = 0, head = 0, beat = 0;

	w.wb_write(0, D_EVENT_ENABLE, EVENT_DOORBELL);
	for (int i = 0; i < 150 && case_failure.empty(); i++) {
		for (uint32_t k = w.rnd.below(4); k; k--)
			w.post(0, true, H_HEARTBEAT, 1, {++beat});
		for (uint32_t k = 1 + w.rnd.below(2); k; k--)
			w.post(0, true, H_SQ_TAIL, 1, {tail = (tail + 1) & 0xFFFF});
		for (uint32_t k = w.rnd.below(4); k; k--)
			w.post(0, true, H_CQ_HEAD, 1, {head = (head + 1) & 0xFFFF});
		if (w.rnd.chance(20)) { /* all of them in one burst */
			tail = (tail + 1) & 0xFFFF;
			head = (head + 1) & 0xFFFF;
			w.post(0, true, H_SQ_TAIL, 7, {tail, 0, 0, head, 0, 0, ++beat});
		}
		w.run(w.rnd.below(60));
		while (seen != tail && case_failure.empty()) {
			if (!w.run_until([&] { return w.dut->irq_o & 1; }, "doorbell", 400))
				break;
			w.wb_write(0, D_EVENT, EVENT_DOORBELL);
			seen = w.wb_read(0, D_SQ_TAIL);
		}
	}
	w.run_until([&] { return w.quiet(0); }, "writes", 1000);
	w.run(60);
	expect(w.wb_read(0, D_CQ_HEAD) == head, "last CQ_HEAD");
	expect(w.wb_read(0, D_HEARTBEAT) == beat, "last HEARTBEAT");
	expect(w.read32(0, H_DENIED) == 0, "DENIED");
}

/* Every completion raises the interrupt again although the host clears it at random moments. */
void no_completion_is_lost(world &w)
{
	uint32_t seen = w.read32(0, H_CQ_TAIL), tail = seen;

	w.write32(0, H_IRQ_ENABLE, IRQ_COMPLETION);
	for (int i = 0; i < 150 && case_failure.empty(); i++) {
		tail = (tail + 1) & 0xFFFF;
		w.wb_post(0, true, D_CQ_TAIL, tail);
		w.run(w.rnd.below(40));
		while (seen != tail && case_failure.empty()) {
			if (!w.run_until([&] { return w.dut->link_irq_o & 1; }, "completion", 400))
				break;
			w.write32(0, H_IRQ_STATUS, IRQ_COMPLETION);
			seen = w.read32(0, H_CQ_TAIL);
		}
	}
}

/* ---------------------------------------------------------------- ring RAM */
/* A host says n with a burst into ring RAM, one into the window and a doorbell; the core, as soon as
 * it hears it, must find both, and answers the same way. */
void messages_are_complete_when_announced(world &w)
{
	map_slot(w, 0, 3, RW | 77);
	w.wb_write(0, D_EVENT_ENABLE, EVENT_DOORBELL);
	w.write32(0, H_IRQ_ENABLE, IRQ_COMPLETION);
	for (uint32_t n = 1; n <= 60 && case_failure.empty(); n++) {
		uint32_t len = 1 + w.rnd.below(40), at = w.rnd.below(1024 - len);
		uint32_t page = w.rnd.below(4), wlen = 1 + w.rnd.below(200), wat = w.rnd.below(1024 - wlen);
		words message = random_words(w, len), payload = random_words(w, wlen), answer(3);

		w.post(0, true, slot_addr(3, wat), wlen, payload);
		w.post(0, true, H_RING + page * 4096 + at * 4, len, message);
		w.post(0, true, H_SQ_TAIL, 1, {n});
		if (!w.run_until([&] { return w.dut->irq_o & 1; }, "doorbell", 4000))
			return;
		/* last words first: they were written last */
		expect(w.memory(77 * 1024 + wat + wlen - 1) == payload[wlen - 1], "payload of message %u", n);
		auto last = w.wb_post(0, false, D_RING + page * 4096 + (at + len - 1) * 4);
		expect(w.wb_read(0, D_SQ_TAIL) == n, "SQ_TAIL of message %u", n);
		expect(last->data == message[len - 1], "last word of message %u", n);
		for (uint32_t i = 0; i < len; i++)
			expect(w.wb_read(0, D_RING + page * 4096 + (at + i) * 4) == message[i],
			       "word %u of message %u", i, n);
		for (uint32_t i = 0; i < wlen; i++)
			expect(w.memory(77 * 1024 + wat + i) == payload[i], "payload word %u of %u", i, n);
		w.wb_write(0, D_EVENT, EVENT_DOORBELL);

		for (uint32_t i = 0; i < 3; i++) {
			answer[i] = w.rnd.next();
			w.wb_post(0, true, D_RING + page * 4096 + (at + i) * 4, answer[i]);
		}
		w.wb_post(0, true, D_CQ_TAIL, n);
		if (!w.run_until([&] { return w.dut->link_irq_o & 1; }, "completion", 2000))
			return;
		w.post(0, true, H_IRQ_STATUS, 1, {IRQ_COMPLETION});
		w.post(0, false, H_CQ_TAIL, 1, {n});
		w.wait_done(w.post(0, false, H_RING + page * 4096 + at * 4, 3, answer), "answer");
	}
}

void ring_ram_takes_bytes_of_the_core(world &w)
{
	uint32_t want = 0x11223344;

	w.wb_write(0, D_RING + 0x3FFC, want);
	for (uint32_t sel = 0; sel < 16; sel++) {
		uint32_t v = w.rnd.next(), mask = 0;

		for (int i = 0; i < 4; i++)
			if (sel >> i & 1)
				mask |= 0xFFu << 8 * i;
		w.wb_write(0, D_RING + 0x3FFC, v, sel);
		want = (want & ~mask) | (v & mask);
		expect(w.wb_read(0, D_RING + 0x3FFC) == want, "SEL %x", sel);
	}
	expect(w.read32(0, H_RING + 0x3FFC) == want, "as the host reads it");
}

void ring_ram_bursts_match_a_model(world &w)
{
	words model = random_words(w, 4096);

	w.write_stall[0] = w.read_stall[0] = 30;
	for (uint32_t page = 0; page < 4; page++)
		w.post(0, true, H_RING + page * 4096, 1024,
		       words(model.begin() + page * 1024, model.begin() + page * 1024 + 1024));
	for (int i = 0; i < 60; i++) {
		uint32_t page = w.rnd.below(4), at = w.rnd.below(1024), len = 1 + w.rnd.below(120);
		words v = random_words(w, len);

		/* a burst that leaves its 4 KiB wraps inside it */
		for (uint32_t k = 0; k < len; k++) {
			uint32_t &m = model[page * 1024 + (at + k) % 1024];

			if (i % 2)
				m = v[k];
			else
				v[k] = m;
		}
		w.post(0, i % 2, H_RING + page * 4096 + at * 4, len, v);
	}
	w.run_until([&] { return w.links_quiet(); }, "ring traffic", 200000);
	for (uint32_t k = 0; k < 4096; k += 37)
		expect(w.wb_read(0, D_RING + k * 4) == model[k], "word %u at the core", k);
}

/* ---------------------------------------------------------------- window */
void window_bursts_match_a_model(world &w)
{
	static const uint32_t frames[2][4] = {{10, 900, 11, 1023}, {500, 501, 30, 31}};
	words model[2][4];
	uint32_t read0 = w.read32(0, H_BYTES_READ), written0 = w.read32(0, H_BYTES_WRITTEN);
	uint32_t denied0 = w.read32(0, H_DENIED), bytes[2] = {};

	for (int p = 0; p < 2; p++)
		for (uint32_t s = 0; s < 4; s++) {
			map_slot(w, p, s, RW | frames[p][s]);
			model[p][s] = random_words(w, 1024);
			for (uint32_t k = 0; k < 1024; k++)
				w.memory(frames[p][s] * 1024 + k) = model[p][s][k];
		}
	w.write_stall[0] = 20;
	w.read_stall[0] = 20;
	w.read_stall[1] = 60;
	w.one_at_a_time[1] = true;
	for (int i = 0; i < 160; i++) {
		int p = w.rnd.below(2);
		uint32_t s = w.rnd.below(4), at = w.rnd.below(1024);
		uint32_t len = 1 + w.rnd.below(w.rnd.chance(20) ? 1024 : 100);
		bool write = w.rnd.chance(50);
		words v = random_words(w, len);

		for (uint32_t k = 0; k < len; k++) {
			uint32_t &m = model[p][s][(at + k) % 1024];

			if (write)
				m = v[k];
			else
				v[k] = m;
		}
		w.post(p, write, slot_addr(s, at), len, v);
		if (p == 0)
			bytes[write] += len * 4;
		if (w.rnd.chance(10)) /* something else in between keeps its place */
			w.post(p, false, H_ID, 1, {0x4B44504D});
	}
	w.run_until([&] { return w.links_quiet(); }, "window traffic", 400000);
	expect(w.read32(0, H_BYTES_READ) - read0 == bytes[0], "BYTES_READ");
	expect(w.read32(0, H_BYTES_WRITTEN) - written0 == bytes[1], "BYTES_WRITTEN");
	expect(w.read32(0, H_DENIED) == denied0, "DENIED");
	w.run(60);
	expect(w.wb_read(0, D_BYTES_READ) == w.read32(0, H_BYTES_READ), "BYTES_READ at the core");
	expect(w.wb_read(0, D_BYTES_WRITTEN) == w.read32(0, H_BYTES_WRITTEN), "BYTES_WRITTEN at the core");
	w.read32(1, H_ID);
	for (int p = 0; p < 2; p++)
		for (uint32_t s = 0; s < 4; s++)
			for (uint32_t k = 0; k < 1024; k++)
				expect(w.memory(frames[p][s] * 1024 + k) == model[p][s][k],
				       "port %d slot %u word %u in memory", p, s, k);
}

void denied_bursts_count_once_and_change_nothing(world &w)
{
	struct {
		const char *what;
		bool write;
		uint32_t addr, len;
		bool denied;
	} static const tries[] = {
		{"unmapped slot, read", false, slot_addr(5), 1024, true},
		{"unmapped slot, write", true, slot_addr(5), 1024, true},
		{"read-only slot, read", false, slot_addr(6, 100), 300, false},
		{"read-only slot, write", true, slot_addr(6, 100), 300, true},
		{"mapped beyond memory's address", false, slot_addr(7), 5, true},
		{"behind the registers", false, 0x1000, 3, true},
		{"before the window", true, 0x3FF000, 1024, true},
		{"behind ring RAM", false, 0x8000, 1, true},
		{"writable slot", true, slot_addr(8), 64, false},
		{"no words", true, slot_addr(5), 0, false},
	};
	words before = random_words(w, 1024);

	map_slot(w, 0, 6, RO | 40);
	map_slot(w, 0, 7, RW | 0x10000);
	map_slot(w, 0, 8, RW | 41);
	for (uint32_t k = 0; k < 1024; k++)
		w.memory(40 * 1024 + k) = before[k];
	for (uint32_t k = 0; k < 1024; k++)
		w.memory(k) = 0x5A5A0000 + k; /* frame 0: where a broken translation would land */
	w.wb_write(0, D_RING, 0x600DF00D);
	for (auto &t : tries) {
		uint32_t denied = w.read32(0, H_DENIED), moved = w.read32(0, H_BYTES_READ) +
								 w.read32(0, H_BYTES_WRITTEN);
		words v(t.len);

		if (t.write)
			v = random_words(w, t.len);
		else if (!t.denied)
			v = words(before.begin() + 100, before.begin() + 400);
		w.wait_done(w.post(0, t.write, t.addr, t.len, v), t.what);
		expect(w.read32(0, H_DENIED) == denied + t.denied, "%s: DENIED + %u", t.what,
		       w.read32(0, H_DENIED) - denied);
		expect(w.read32(0, H_BYTES_READ) + w.read32(0, H_BYTES_WRITTEN) - moved ==
			       (t.denied ? 0 : t.len * 4),
		       "%s: bytes", t.what);
	}
	w.run(60);
	expect(w.wb_read(0, D_DENIED) == w.read32(0, H_DENIED), "DENIED at the core");
	for (uint32_t k = 0; k < 1024; k++) {
		expect(w.memory(40 * 1024 + k) == before[k], "read-only frame, word %u", k);
		expect(w.memory(k) == 0x5A5A0000 + k, "frame 0, word %u", k);
	}
	expect(w.wb_read(0, D_RING) == 0x600DF00D, "ring RAM");
}

void slot_table_reads_back(world &w)
{
	static const uint32_t slots[] = {0, 1, 511, 1022, 1023};

	for (uint32_t s : slots)
		map_slot(w, 1, s, RW | (s * 7 & 0xFFFF));
	for (uint32_t s : slots)
		expect(w.wb_read(1, D_SLOT_TABLE + s * 4) == (RW | (s * 7 & 0xFFFF)), "slot %u", s);
	expect(w.wb_read(1, D_SLOT_TABLE + 700 * 4) == 0, "a slot never written is unmapped");
	for (uint32_t s : slots)
		map_slot(w, 1, s, 0);
	expect(w.wb_read(1, 0x7000) == 0 && w.wb_read(1, 0xC000) == 0, "holes of the address map");
}

/* ---------------------------------------------------------------- protection under fire */
/* Watches the memory commands of port 0: none may touch a frame that is not mapped to it. */
struct watcher {
	world &w;
	std::vector<uint8_t> allow = std::vector<uint8_t>(FRAMES); /* 1 read, 2 write */
	struct moving {
		uint32_t frame, left;
		bool write;
	};
	std::deque<moving> moves;
	uint64_t words_moved = 0;

	explicit watcher(world &world_) : w(world_)
	{
		w.on_device_edge = [this](int p) {
			if (p == 0)
				look();
		};
	}
	~watcher() { w.on_device_edge = nullptr; }

	void look()
	{
		if (w.dut->m_beat_o & 1) {
			if (!expect(!moves.empty(), "a word without a command"))
				return;
			check(moves.front().frame, moves.front().write, "word");
			words_moved++;
			if (--moves.front().left == 0)
				moves.pop_front();
		}
		if ((w.dut->m_valid_o & 1) && (w.dut->m_ready_o & 1)) {
			uint32_t addr = (uint32_t)(w.dut->m_addr_o & 0xFFFFFFF);

			moves.push_back({addr >> 12, (uint32_t)(w.dut->m_len_o & 127),
					 (bool)(w.dut->m_write_o & 1)});
			check(addr >> 12, w.dut->m_write_o & 1, "command");
		}
	}
	void check(uint32_t frame, bool write, const char *what)
	{
		expect(frame < FRAMES && (allow[frame] & (write ? 2 : 1)), "%s %s frame %u, cycle %llu",
		       write ? "write" : "read", what, frame, (unsigned long long)w.cycle);
	}
};

void slot_changes_hold_under_fire(world &w)
{
	watcher watch(w);
	uint32_t mapped[4] = {};
	uint64_t slowest = 0;
	int bursts = 0;

	/* at times others keep memory busy, so that commands wait after they have been translated, at
	 * others two commands of this port are under way */
	map_slot(w, 1, 0, RO | 90);
	w.dut->x_len_i = 64;
	w.read_stall[0] = 25;
	w.write_stall[0] = 10;
	for (int i = 0; i < 1000 && case_failure.empty(); i++) {
		uint32_t s = w.rnd.below(4), frame = 0;
		bool map = w.rnd.chance(80), rw = w.rnd.chance(50), busy = i / 100 % 2;

		w.dut->x_valid_i = busy;
		while (w.rnd.chance(60) && bursts < 100000) {
			bool write = w.rnd.chance(50);
			uint32_t len = 1 + w.rnd.below(i % 2 ? 64 : 300), at = w.rnd.below(1024);

			w.post(0, write, slot_addr(w.rnd.below(4), at), len,
			       write ? random_words(w, len) : words());
			bursts++;
			if (busy && w.rnd.chance(30))
				w.post(1, false, slot_addr(0), 1024);
		}
		if (map) {
			do
				frame = 100 + w.rnd.below(16);
			while (std::find(mapped, mapped + 4, frame) != mapped + 4);
			watch.allow[frame] |= rw ? 3 : 1;
		}
		/* the new frame may be touched from now on, the old one until the acknowledgement */
		uint64_t took = w.wb_write(0, D_SLOT_TABLE + s * 4, map ? (rw ? RW : RO) | frame : 0);
		slowest = std::max(slowest, took);
		if (mapped[s])
			watch.allow[mapped[s]] = 0;
		mapped[s] = map ? frame : 0;
		w.run(w.rnd.below(60));
	}
	w.run_until([&] { return w.links_quiet(); }, "traffic", 2000000);
	w.dut->x_valid_i = 0;
	expect(watch.words_moved > 3000, "only %llu words moved", (unsigned long long)watch.words_moved);
	/* two chunks of its own and what the others have accepted before each */
	expect(slowest <= 600, "a slot write took %llu cycles", (unsigned long long)slowest);
}

/* One command moves, the next one, for another slot, has been taken: its slot's change waits for it. */
void slot_change_waits_for_a_command_taken(world &w)
{
	int met = 0;

	for (int i = 0; i < 40 && case_failure.empty(); i++) {
		watcher watch(w);

		map_slot(w, 0, 0, RO | 100);
		map_slot(w, 0, 1, RO | 101);
		watch.allow[100] = watch.allow[101] = 1;
		w.post(0, false, slot_addr(0), 64);
		w.post(0, false, slot_addr(1), 64);
		w.run_until([&] { return watch.moves.size() == 2 || w.quiet(0); }, "commands", 4000);
		if (watch.moves.size() == 2)
			met++;
		w.run(w.rnd.below(30));
		w.wb_write(0, D_SLOT_TABLE + 4, 0);
		watch.allow[101] = 0;
		w.run_until([&] { return w.quiet(0); }, "reads", 4000);
	}
	expect(met > 20, "two commands under way in %d rounds only", met);
}

/* The host begins a burst and then neither gives nor takes data. */
void stalled_host_holds_up_nobody(world &w)
{
	map_slot(w, 0, 0, RW | 50);
	map_slot(w, 0, 1, RW | 51);
	map_slot(w, 1, 0, RW | 52);
	w.memory(50 * 1024 + 200) = 1234;
	w.write_limit[0] = 150; /* two chunks and a part */
	auto b = w.post(0, true, slot_addr(0), 1024, random_words(w, 1024));
	w.run(2000);
	expect(!b->done, "the burst ended");
	uint64_t took = w.wb_write(0, D_SLOT_TABLE, 0);
	expect(took <= 20, "slot write took %llu cycles", (unsigned long long)took);
	expect(w.memory(50 * 1024 + 200) == 1234, "a word that was not given was written");
	words v = random_words(w, 500);
	w.post(1, true, slot_addr(0), 500, v);
	w.wait_done(w.post(1, false, slot_addr(0), 500, v), "the other port");
	w.wb_write(0, D_CTRL, 1);
	w.write_limit[0] = 0; /* it wakes up, fenced */
	w.run_until([&] { return w.quiet(0); }, "the rest of the burst", 20000);
	w.read32(0, H_ID);
	expect(w.memory(50 * 1024 + 200) == 1234, "written after its slot was taken away");
	w.wb_write(0, D_CTRL, 0);

	w.read_stall[0] = 100; /* now reading */
	w.post(0, false, slot_addr(1), 1024);
	w.run(2000);
	took = w.wb_write(0, D_SLOT_TABLE + 4, 0);
	expect(took <= 20, "slot write against a stalled read took %llu", (unsigned long long)took);
	w.read_stall[0] = 0;
	w.run_until([&] { return w.quiet(0); }, "the rest of the read", 20000);
}

void fence_cuts_bursts_at_once(world &w)
{
	for (int round = 0; round < 12 && case_failure.empty(); round++) {
		bool write = round & 1;
		watcher watch(w);
		uint32_t denied;

		map_slot(w, 0, 2, RW | 60);
		for (uint32_t k = 0; k < 1024; k++)
			w.memory(60 * 1024 + k) = 0xF0000000 + k;
		denied = w.read32(0, H_DENIED);
		watch.allow[60] = 3;
		auto b = w.post(0, write, slot_addr(2), 1024,
				write ? random_words(w, 1024) : words());
		w.run_until([&] { return w.beats[0] && b->taken; }, "start", 2000);
		w.run(200 + w.rnd.below(400));
		w.wb_write(0, D_CTRL, 1);
		watch.allow[60] = 0; /* acknowledged: from here on nothing moves */
		uint64_t moved = watch.words_moved;
		w.run_until([&] { return w.quiet(0); }, "burst ends", 20000);
		expect(w.read32(0, H_DENIED) == denied + 1, "DENIED + %u", w.read32(0, H_DENIED) - denied);
		expect(moved == watch.words_moved && moved < 1024 && moved > 0, "%u words moved",
		       (unsigned)moved);
		if (!write)
			for (uint32_t k = 0; k < 1024; k++)
				expect(b->data[k] == (k < moved ? 0xF0000000 + k : 0), "word %u: %08x", k,
				       b->data[k]);
		else
			for (uint32_t k = (uint32_t)moved; k < 1024; k++)
				expect(w.memory(60 * 1024 + k) == 0xF0000000 + k, "word %u written", k);
		/* registers stay readable, ring RAM does not */
		expect(w.read32(0, H_STATUS) & STATUS_FENCED, "STATUS.FENCED");
		w.wb_write(0, D_RING, 0x600D);
		denied = w.read32(0, H_DENIED);
		expect(w.read32(0, H_RING) == 0, "ring RAM read through the fence");
		w.write32(0, H_RING, 0xBAD);
		expect(w.read32(0, H_DENIED) == denied + 2, "ring RAM denied");
		expect(w.wb_read(0, D_RING) == 0x600D, "ring RAM written through the fence");
		w.wb_write(0, D_CTRL, 0);
		w.run(60);
		expect(w.read32(0, H_RING) == 0x600D, "ring RAM after the fence");
	}
}

/* ---------------------------------------------------------------- link */
void link_loss_leaves_a_working_device(world &w)
{
	w.wb_write(0, D_EVENT_ENABLE, EVENT_LINK);
	for (int round = 0; round < 24 && case_failure.empty(); round++) {
		bool by_reset = round & 1, short_pulse = round & 2, stop_clock = round % 3 == 2;
		words v = random_words(w, 700);

		map_slot(w, 0, 0, RW | 70);
		map_slot(w, 1, 0, RW | 71);
		w.post(0, false, slot_addr(0), 1024);
		w.post(0, round & 4, slot_addr(0), 1024, round & 4 ? random_words(w, 1024) : words());
		w.post(0, false, H_RING, 500);
		w.read_stall[0] = w.write_stall[0] = w.rnd.below(60);
		w.run(5 + w.rnd.below(1500));
		if (by_reset)
			w.dut->link_rst_ni = 2;
		else
			w.dut->link_up_i = 2;
		w.dut->eval();
		w.forget(0);
		uint64_t edge = w.link_cycle[0] + 1;
		w.run_until([&] { return w.link_cycle[0] >= edge; }, "a link edge", 100);
		w.link_stopped[0] = stop_clock;
		if (!short_pulse)
			w.run(300);
		/* the core and the other port go on */
		expect(w.wb_write(0, D_SLOT_TABLE, RW | 72) <= 400, "slot write with the link lost");
		w.post(1, true, slot_addr(0), 700, v);
		w.wait_done(w.post(1, false, slot_addr(0), 700, v), "the other port");
		w.link_stopped[0] = false;
		w.dut->link_rst_ni = 3;
		w.dut->link_up_i = 3;
		w.read_stall[0] = w.write_stall[0] = 0;
		/* at once again: the first answers are of the new session */
		w.post(0, false, H_ID, 1, {0x4B44504D});
		w.post(0, true, slot_addr(0, 10), 700, v);
		w.wait_done(w.post(0, false, slot_addr(0, 10), 700, v), "the new session");
		expect(w.memory(72 * 1024 + 10) == v[0], "where the new session wrote");
		expect(w.dut->irq_o & 1, "LINK event");
		expect(w.wb_read(0, D_EVENT) & EVENT_LINK, "LINK event");
		w.wb_write(0, D_EVENT, 15);
		expect(w.wb_read(0, D_LINK_STATUS) == 1, "LINK_STATUS up");
	}
	w.dut->link_up_i = 2;
	w.dut->eval();
	w.run_until([&] { return w.dut->irq_o & 1; }, "LINK event", 200);
	expect(w.wb_read(0, D_LINK_STATUS) == 0, "LINK_STATUS down");
	w.wb_write(0, D_EVENT, 15);
	w.link_stopped[0] = true;
	w.run(100);
	expect(w.wb_read(0, D_EVENT) == 0, "one event for one change");
	w.link_stopped[0] = false;
	w.dut->link_up_i = 3;
	w.run_until([&] { return w.dut->irq_o & 1; }, "LINK event", 400);
	expect(w.wb_read(0, D_LINK_STATUS) == 1, "LINK_STATUS up again");
}

void idle_ports_are_not_busy(world &w)
{
	w.run(100);
	expect(w.dut->busy_o == 0, "busy when idle: %u", w.dut->busy_o);
	w.post(1, true, H_SQ_TAIL, 1, {42});
	bool was_busy = false;
	w.run_until(
		[&] {
			was_busy |= w.dut->busy_o >> 1 & 1;
			return w.quiet(1) && was_busy && !(w.dut->busy_o >> 1 & 1);
		},
		"busy comes and goes", 400);
	expect(w.wb_read(1, D_SQ_TAIL) == 42, "not busy before the doorbell was there");
}

/* ---------------------------------------------------------------- speed, clocks tied */
void stream_128k_reads_095_per_cycle(world &w)
{
	uint64_t start, first = 0;
	double rate;

	for (uint32_t s = 0; s < 32; s++)
		map_slot(w, 0, s, RO | (200 + s));
	for (uint32_t k = 0; k < 32 * 1024; k++)
		w.memory(200 * 1024 + k) = k * 2654435761u;
	start = w.cycle;
	w.beats[0] = 0;
	for (uint32_t s = 0; s < 32; s++) {
		words v(1024);

		for (uint32_t k = 0; k < 1024; k++)
			v[k] = (s * 1024 + k) * 2654435761u;
		w.post(0, false, slot_addr(s), 1024, v);
	}
	w.run_until(
		[&] {
			if (!first && w.beats[0])
				first = w.cycle;
			return w.quiet(0);
		},
		"stream", 100000);
	rate = 32768.0 / (double)(w.cycle - start);
	printf("# read stream: %.4f beats/cycle, first word after %u cycles\n", rate,
	       (unsigned)(first - start));
	expect(rate >= 0.95, "%.4f beats per cycle", rate);
	for (uint32_t s = 0; s < 32; s++)
		map_slot(w, 0, s, 0);
}

void stream_128k_writes_095_per_cycle(world &w)
{
	uint64_t start;
	double rate;
	words v = random_words(w, 1024);

	for (uint32_t s = 0; s < 32; s++)
		map_slot(w, 0, s, RW | (200 + s));
	start = w.cycle;
	for (uint32_t s = 0; s < 32; s++)
		w.post(0, true, slot_addr(s), 1024, v);
	w.post(0, false, H_ID, 1);
	w.run_until([&] { return w.quiet(0); }, "stream", 100000);
	rate = 32768.0 / (double)(w.cycle - start);
	printf("# write stream: %.4f beats/cycle\n", rate);
	expect(rate >= 0.95, "%.4f beats per cycle", rate);
	for (uint32_t k = 0; k < 32 * 1024; k++)
		expect(w.memory(200 * 1024 + k) == v[k % 1024], "word %u", k);
	for (uint32_t s = 0; s < 32; s++)
		map_slot(w, 0, s, 0);
}

void two_streams_share_memory_fairly(world &w)
{
	for (int p = 0; p < 2; p++)
		map_slot(w, p, 0, RO | 80);
	w.beats[0] = w.beats[1] = 0;
	for (int i = 0; i < 16; i++)
		for (int p = 0; p < 2; p++)
			w.post(p, false, slot_addr(0), 1024);
	w.run(10000);
	printf("# two streams: %.4f + %.4f beats/cycle\n", (double)w.beats[0] / 10000,
	       (double)w.beats[1] / 10000);
	expect(w.beats[0] + w.beats[1] >= 9500, "together %u words in 10000 cycles",
	       (unsigned)(w.beats[0] + w.beats[1]));
	expect(w.beats[0] > 4700 && w.beats[1] > 4700, "%u and %u words", (unsigned)w.beats[0],
	       (unsigned)w.beats[1]);
	w.run_until([&] { return w.links_quiet(); }, "rest", 100000);
}

void doorbell_takes_less_than_10_cycles(world &w)
{
	uint64_t worst = 0;

	w.wb_write(0, D_EVENT_ENABLE, EVENT_DOORBELL);
	for (int i = 0; i < 20; i++) {
		uint64_t start;

		w.run(50 + w.rnd.below(7));
		auto b = w.post(0, true, H_SQ_TAIL, 1, {(uint32_t)i});
		start = w.cycle;
		w.run_until([&] { return w.dut->irq_o & 1; }, "doorbell", 100);
		worst = std::max(worst, w.cycle - start);
		w.wb_write(0, D_EVENT, 15);
	}
	printf("# doorbell: command offered to interrupt in %u cycles\n", (unsigned)worst);
	expect(worst < 10, "%u cycles", (unsigned)worst);
}

struct port_case {
	const char *name;
	void (*run)(world &);
	bool tied_only;
};

const port_case cases[] = {
#define CASE(f, tied) {#f, f, tied}
	CASE(registers_read_as_specified, false),
	CASE(events_reach_the_core, false),
	CASE(host_interrupt_is_level_and_clears, false),
	CASE(no_doorbell_is_lost, false),
	CASE(no_completion_is_lost, false),
	CASE(messages_are_complete_when_announced, false),
	CASE(ring_ram_takes_bytes_of_the_core, false),
	CASE(ring_ram_bursts_match_a_model, false),
	CASE(window_bursts_match_a_model, false),
	CASE(denied_bursts_count_once_and_change_nothing, false),
	CASE(slot_table_reads_back, false),
	CASE(slot_changes_hold_under_fire, false),
	CASE(slot_change_waits_for_a_command_taken, true),
	CASE(stalled_host_holds_up_nobody, false),
	CASE(fence_cuts_bursts_at_once, false),
	CASE(link_loss_leaves_a_working_device, false),
	CASE(idle_ports_are_not_busy, false),
	CASE(stream_128k_reads_095_per_cycle, true),
	CASE(stream_128k_writes_095_per_cycle, true),
	CASE(two_streams_share_memory_fairly, true),
	CASE(doorbell_takes_less_than_10_cycles, true),
};

const clocking clockings[] = {
	{"tied", 5000, {5000, 5000}, false},
	{"tied_gated", 5000, {5000, 5000}, true},
	{"link_7_to_5", 7000, {5000, 5000}, false},
	{"link_3_to_8", 3000, {8000, 5000}, false},
	{"drifting", 5000, {5003, 4993}, false},
};

} // namespace

int main(int argc, char **argv)
{
	Verilated::commandArgs(argc, argv);
	for (auto &c : clockings)
		for (auto &t : cases) {
			if (t.tied_only && (c.link_ps[0] != c.device_ps || c.gated))
				continue;
			world w(c);

			fresh(w);
			t.run(w);
			end_case(std::string("port_") + t.name + "_" + c.name);
		}
	return cases_failed ? 1 : 0;
}
