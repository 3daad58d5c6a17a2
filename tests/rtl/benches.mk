# SPDX-License-Identifier: BSD-2-Clause
# Benches of the RTL, and programs for the soft core.

# ---- self-checking programs: $(BUILD)/rtl/NAME from tests/rtl/FOLDER/NAME.cpp around one module
# $(call rtl_bench,NAME,FOLDER,MODULE,SOURCES,VERILATOR FLAGS)
define rtl_bench
SUITES += $(BUILD)/rtl/$(1)
$(BUILD)/rtl/$(1): tests/rtl/$(2)/$(1).cpp $(wildcard tests/rtl/$(2)/*.h) $(4) $(wildcard rtl/regs/*_regs.svh) $(RTL_WAIVERS)
	@mkdir -p $(BUILD)/rtl
	$(VERILATOR) --cc --exe --build -j 1 --assert $(5) -Mdir $(BUILD)/rtl/$(1).obj -o ../$(1) \
		--top-module $(3) $(RTL_WAIVERS) -Irtl/regs $(4) $(abspath tests/rtl/$(2)/$(1).cpp) \
		-MAKEFLAGS OPT_FAST=-O1 -CFLAGS "-Wall -Wextra -I$(abspath rtl/storage) -I$(abspath firmware/platform/regs)" > $(BUILD)/rtl/$(1).log 2>&1 || \
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
$(eval $(call rtl_bench,mem_bench,.,mem_tb,tests/rtl/mem_tb.sv $(MEM_RTL),-O3 --public-flat-rw -Wall))
$(eval $(call rtl_bench,port_bench,.,port_tb,tests/rtl/port_tb.sv tests/rtl/mem_tb.sv $(MEM_RTL) $(PORT_RTL),-O3 --public-flat-rw -Wall))

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
