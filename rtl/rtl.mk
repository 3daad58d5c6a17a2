# SPDX-License-Identifier: BSD-2-Clause
# The device: generated registers, lint, benches.

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

# ---- benches: $(BUILD)/rtl/NAME from tests/rtl/FOLDER/NAME.cpp around one module
# $(call rtl_bench,NAME,FOLDER,MODULE,SOURCES,VERILATOR FLAGS)
define rtl_bench
SUITES += $(BUILD)/rtl/$(1)
$(BUILD)/rtl/$(1): tests/rtl/$(2)/$(1).cpp $(wildcard tests/rtl/$(2)/*.h) $(4) $(wildcard rtl/regs/*_regs.svh) $(RTL_WAIVERS)
	@mkdir -p $(BUILD)/rtl
	$(VERILATOR) --cc --exe --build -j 1 --assert $(5) -Mdir $(BUILD)/rtl/$(1).obj -o ../$(1) \
		--top-module $(3) $(RTL_WAIVERS) -Irtl/regs $(4) $(abspath tests/rtl/$(2)/$(1).cpp) \
		-CFLAGS "-O1 -Wall -Wextra -I$(abspath rtl/storage) -I$(abspath firmware/platform/regs)" > $(BUILD)/rtl/$(1).log 2>&1 || \
		{ cat $(BUILD)/rtl/$(1).log; exit 1; }
endef

# ---- programs for the soft core: $(BUILD)/rtl/NAME.hex from tests/rtl/soc/NAME.c
RISCV := riscv64-unknown-elf-
RISCV_FLAGS := --specs=picolibc.specs -misa-spec=2.2 -march=rv32imc -mabi=ilp32 -Os -g -std=gnu11 \
	-Wall -Wextra -Werror -fno-strict-aliasing -ffreestanding -nostartfiles -Wl,--no-warn-rwx-segments -Ifirmware/platform/regs

$(BUILD)/rtl/%.elf: tests/rtl/soc/%.c tests/rtl/soc/start.S tests/rtl/soc/link.ld $(wildcard firmware/platform/regs/*.h)
	@mkdir -p $(@D)
	$(RISCV)gcc $(RISCV_FLAGS) -T tests/rtl/soc/link.ld -o $@ tests/rtl/soc/start.S $<
$(BUILD)/rtl/%.hex: $(BUILD)/rtl/%.elf
	@mkdir -p $(@D)
	$(RISCV)objcopy -O binary $< $(@:.hex=.bin)
	od -An -v -tx4 -w4 $(@:.hex=.bin) > $@

$(eval $(call rtl_bench,dma_bench,soc,dma,$(wildcard rtl/dma/*.sv rtl/desc/*.sv),-GMemoryMiB=4))
$(eval $(call rtl_bench,storage_bench,soc,storage_tb,tests/rtl/soc/storage_tb.sv $(wildcard rtl/storage/*.sv rtl/desc/*.sv),))
$(eval $(call rtl_bench,bus_bench,soc,bus_tb,tests/rtl/soc/bus_tb.sv $(wildcard rtl/bus/*.sv),))

# The whole device with a program: the smoke test, and the busy one for measuring the model alone.
SUITES += tests/rtl/soc/regs_test tests/rtl/soc/soc_smoke
tests/rtl/soc/soc_smoke: $(BUILD)/rtl/soc_main $(BUILD)/rtl/smoke.hex
$(BUILD)/rtl/soc_main: tests/rtl/soc/soc_main.cpp rtl/storage/storage_dpi.h $(RTL_DEVICE) $(RTL_HEADERS)
	@mkdir -p $(@D)
	$(VERILATOR) --cc --exe --build -j 1 $(RTL_FAST) --flatten --top-module mpdisk_device \
		-Mdir $@.obj -o ../soc_main $(RTL_READ) $(abspath $<) -CFLAGS "-I$(abspath rtl/storage)" \
		-MAKEFLAGS "OPT_FAST=-O2 OPT_GLOBAL=-O2" > $@.log 2>&1 || { cat $@.log; exit 1; }

.PHONY: bench-rtl
bench-rtl: $(BUILD)/rtl/soc_main $(BUILD)/rtl/spin.hex ## cycles per second of the model, core busy, ports idle
	$(BUILD)/rtl/soc_main --cycles 5000000 +boot=$(BUILD)/rtl/spin.hex
