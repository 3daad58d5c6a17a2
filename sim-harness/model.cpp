// SPDX-License-Identifier: BSD-2-Clause
// The thin C++ shell around the verilated device.
#include "Vsim_top.h"
#include "Vsim_top___024root.h"
#include "verilated.h"
#ifdef SIM_TRACE
#include "verilated_fst_c.h"
#endif

#include <new>
#include <string>

#include "model.h"

static_assert(SIM_PORTS >= 1 && SIM_PORTS <= SIM_PORTS_MAX, "ports");

#ifdef SIM_TRACE
static const bool can_trace = true;
#else
static const bool can_trace = false;
#endif

extern const struct model_config model_config = {SIM_PORTS, SIM_SLOTS, SIM_MEMORY_MIB, SIM_CLOCK_HZ,
						 can_trace};

struct model {
	VerilatedContext context;
	Vsim_top *top;
#ifdef SIM_TRACE
	VerilatedFstC *trace;
#endif
};

struct model *model_create(const char *boot)
{
	model *m = new (std::nothrow) model();

	if (!m)
		return nullptr;
	std::string plus = std::string("+boot=") + boot;
	const char *argv[] = {"mpdisk-sim", plus.c_str(), nullptr};

	m->context.commandArgs(2, argv);
#ifdef SIM_TRACE
	m->context.traceEverOn(true);
	m->trace = nullptr;
#endif
	m->top = new Vsim_top(&m->context, "top");
	return m;
}

void model_destroy(struct model *m)
{
	if (!m)
		return;
	m->top->final();
#ifdef SIM_TRACE
	if (m->trace) {
		m->trace->close();
		delete m->trace;
	}
#endif
	delete m->top;
	delete m;
}

// Vectors of words are one integer, two, or an array of them: in each case the words lie in order.
template <typename T> static uint32_t *words(T &field)
{
	return reinterpret_cast<uint32_t *>(&field);
}

void model_pins(struct model *m, struct pins *p)
{
	Vsim_top *t = m->top;

	p->clk = &t->clk_i;
	p->rst_n = &t->rst_ni;
	p->epoch = reinterpret_cast<uint64_t *>(&t->epoch_i);
	p->seed = &t->seed_i;
	p->stop = &t->stop_i;
	p->slept_valid = &t->slept_valid_i;
	p->slept_cycles = reinterpret_cast<uint64_t *>(&t->slept_cycles_i);
	p->uart_rx = &t->uart_rx_i;
	p->tck = &t->tck_i;
	p->tms = &t->tms_i;
	p->tdi = &t->tdi_i;
	p->trst_n = &t->trst_ni;
	p->port_clk = &t->port_clk_i;
	p->engine_clk = &t->engine_clk_i;
	p->link_clk = &t->link_clk_i;
	p->link_active = &t->link_active_i;

	p->sleeping = &t->sleeping_o;
	p->wake_time = reinterpret_cast<uint64_t *>(&t->wake_time_o);
	p->time = reinterpret_cast<uint64_t *>(&t->time_o);
	p->phase = &t->phase_o;
	p->uart_tx = &t->uart_tx_o;
	p->tdo = &t->tdo_o;
	p->port_need = &t->port_need_o;
	p->engine_need = &t->engine_need_o;
	p->link_busy = &t->link_busy_o;
	p->irq = &t->link_irq_o;
	p->tap_valid = &t->tap_valid_o;
	p->tap_addr = &t->tap_addr_o;
	p->tap_data = &t->tap_data_o;
	p->denied = words(t->denied_o);
}

void model_eval(struct model *m)
{
	m->top->eval();
}

// What eval() does for a rising edge, without what it does to find out that it is one, and that
// nothing else follows: a tenth of all instructions. edges.h is made from the model's own
// eval_triggers (sim.mk, which also checks that nothing but the clocks and the reset triggers).
void Vsim_top___024root___eval_nba(Vsim_top___024root *);

void model_edge(struct model *m)
{
	Vsim_top___024root *const vlSelf = m->top->rootp;

#include "edges.h"
	Vsim_top___024root___eval_nba(vlSelf);
}

bool model_finished(const struct model *m)
{
	return m->context.gotFinish();
}

bool model_trace_open(struct model *m, const char *path)
{
#ifdef SIM_TRACE
	m->trace = new VerilatedFstC;
	m->top->trace(m->trace, 99);
	m->trace->open(path);
	return m->trace->isOpen();
#else
	(void)m;
	(void)path;
	return false;
#endif
}

void model_trace(struct model *m, uint64_t ps)
{
#ifdef SIM_TRACE
	if (m->trace)
		m->trace->dump(ps);
#else
	(void)m;
	(void)ps;
#endif
}
