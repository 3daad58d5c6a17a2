# SPDX-License-Identifier: BSD-2-Clause
# Benches and lint of rtl/port and rtl/mem.

PORT_RTL := $(sort $(wildcard rtl/port/*.sv))
MEM_RTL := $(sort $(wildcard rtl/mem/*.sv))
PORT_INCLUDES := rtl/regs/port_host_regs.svh rtl/regs/port_device_regs.svh

# $(call verilated_bench,top,sources): a self-checking program of NAME_tb.sv and NAME_bench.cpp
verilated_bench = @mkdir -p $(@D) && verilator --cc --exe --build -O3 --assert --public-flat-rw -Wall \
	-Wno-PINCONNECTEMPTY -Irtl/regs --top $1 --Mdir $(@D)/$(1).dir -o $(CURDIR)/$@ \
	-CFLAGS '-std=c++17 -O1 -I$(CURDIR)/tests/rtl' $(abspath $2) >$(@D)/$1.log 2>&1 || \
	{ cat $(@D)/$1.log; exit 1; }

$(BUILD)/rtl/port_bench: tests/rtl/port_tb.sv tests/rtl/port_bench.cpp tests/rtl/port_world.h \
		tests/rtl/port_case.h $(PORT_RTL) $(MEM_RTL) $(PORT_INCLUDES)
	$(call verilated_bench,port_tb,$(filter %.sv %.cpp,$^))

$(BUILD)/rtl/mem_bench: tests/rtl/mem_tb.sv tests/rtl/mem_bench.cpp tests/rtl/port_case.h $(MEM_RTL)
	$(call verilated_bench,mem_tb,$(filter %.sv %.cpp,$^))

SUITES += $(BUILD)/rtl/port_bench $(BUILD)/rtl/mem_bench
