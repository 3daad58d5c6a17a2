# SPDX-License-Identifier: BSD-2-Clause
# Benches and lint of rtl/port and rtl/mem.

PORT_RTL := $(sort $(wildcard rtl/port/*.sv))
MEM_RTL := $(sort $(wildcard rtl/mem/*.sv))
PORT_INCLUDES := rtl/regs/port_host_regs.svh rtl/regs/port_device_regs.svh

# $(call verilated_bench,TOP,SOURCES): a self-checking program
verilated_bench = @mkdir -p $(@D) && verilator --cc --exe --build -O3 --assert --public-flat-rw -Wall \
	-Irtl/regs --top $1 --Mdir $(@D)/$(1).dir -o $(abspath $@) -MAKEFLAGS 'OPT_FAST=-O1' \
	-CFLAGS '-std=c++17 -Wall -Wextra -I$(CURDIR)/tests/rtl' $(abspath $2) >$(@D)/$1.log 2>&1 || \
	{ cat $(@D)/$1.log; exit 1; }

$(BUILD)/rtl/port_bench: tests/rtl/port_tb.sv tests/rtl/mem_tb.sv tests/rtl/port_bench.cpp tests/rtl/port_world.h \
		tests/rtl/port_case.h $(PORT_RTL) $(MEM_RTL) $(PORT_INCLUDES)
	$(call verilated_bench,port_tb,$(filter %.sv %.cpp,$^))

$(BUILD)/rtl/mem_bench: tests/rtl/mem_tb.sv tests/rtl/mem_bench.cpp tests/rtl/port_case.h $(MEM_RTL)
	$(call verilated_bench,mem_tb,$(filter %.sv %.cpp,$^))

SUITES += $(BUILD)/rtl/port_bench $(BUILD)/rtl/mem_bench

.PHONY: lint-port
lint: lint-port
# Verilator without a warning; Yosys reads and checks; the memories become block RAM, not logic.
lint-port: ## Verilator and Yosys on rtl/port and rtl/mem, and what block RAM they take
	verilator --lint-only -Wall -Irtl/regs --top port $(PORT_RTL)
	verilator --lint-only -Wall --top mem_arbiter $(MEM_RTL)
	verilator --lint-only -Wall --top mem_sim $(MEM_RTL)
	yosys -q -p 'read_verilog -sv rtl/mem/mem_sim.sv; chparam -set MemoryMiB 1 mem_sim; hierarchy -top mem_sim; proc; check -assert'
	tests/rtl/port_synth mem_arbiter DP16KD 0 $(MEM_RTL)
	tests/rtl/port_synth port_ring DP16KD 8 $(PORT_RTL)
	tests/rtl/port_synth fifo_async DP16KD 1 $(PORT_RTL)
	tests/rtl/port_synth port DP16KD 11 $(PORT_RTL)
