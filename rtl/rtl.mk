# SPDX-License-Identifier: BSD-2-Clause
# The device: generated registers, lint. Its benches are in tests/rtl/benches.mk.

.PHONY: generate check-registers
# Register headers and tables are checked in; this writes them again.
generate: ## write the register headers and tables again from rtl/regs/*.toml
	rtl/regs/generate.py
check-registers:
	rtl/regs/generate.py --check
check-generated: check-registers

# ---- what the device is made of
# A model of it: $(VERILATOR) --cc $(RTL_FAST) $(RTL_READ) TOP.sv; it depends on $(RTL_DEVICE) $(RTL_HEADERS).
VERILATOR := verilator
VEXRISCV_PACKAGE = $(firstword $(wildcard $(VENV)/lib/python3*/site-packages/pythondata_cpu_vexriscv/verilog/VexRiscv_IMACDebug.v))
VEXRISCV_V := $(BUILD)/rtl/VexRiscv.v
RTL_DEVICE := $(sort $(wildcard rtl/*/*.sv))
RTL_WAIVERS := rtl/waivers.vlt
RTL_HEADERS := $(wildcard rtl/regs/*_regs.svh) $(RTL_WAIVERS) $(VEXRISCV_V)
RTL_READ := $(RTL_WAIVERS) -Irtl/regs $(RTL_DEVICE) $(VEXRISCV_V)
RTL_FAST := -O3 --x-assign fast --x-initial fast --noassert

# The package's file, without the marks that make Verilator take inner signals for inputs, which
# costs a tenth of the simulation's speed.
$(VEXRISCV_V): $(BUILD)/deps.stamp
	@mkdir -p $(@D)
	sed 's#/[*] verilator public [*]/##' $(VEXRISCV_PACKAGE) > $@

.PHONY: lint-rtl
lint: lint-rtl
# Verilator reads everything without a warning; Yosys all but the simulated medium (DPI).
lint-rtl: $(VEXRISCV_V)
	$(VERILATOR) --lint-only -Wall --top-module mpdisk_device $(RTL_READ)
	yosys -q -p 'read_verilog -sv -Irtl/regs $(filter-out %/storage_sim.sv,$(RTL_DEVICE)) $(VEXRISCV_V); hierarchy -top mpdisk_device; proc'

PORT_RTL := $(sort $(wildcard rtl/port/*.sv))
MEM_RTL := $(sort $(wildcard rtl/mem/*.sv))

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
