# SPDX-License-Identifier: BSD-2-Clause
# The device: generated registers, lint, benches.

.PHONY: generate check-registers
# Register headers and tables are checked in; this writes them again.
generate: ## write the register headers and tables again from rtl/regs/*.toml
	rtl/regs/generate.py
check-registers:
	rtl/regs/generate.py --check
check-generated: check-registers

# ---- what the device is made of: RTL_VERILATOR reads it as $(VERILATOR) $(RTL_VERILATOR) TOP.sv ...
VERILATOR := verilator
# The soft core, from its PyPI package (make deps).
VEXRISCV_V = $(firstword $(wildcard $(BUILD)/venv/lib/python3*/site-packages/pythondata_cpu_vexriscv/verilog/VexRiscv_IMACDebug.v))
RTL_DEVICE := rtl/top/mpdisk_device.sv $(sort $(filter-out rtl/top/%,$(wildcard rtl/*/*.sv)))
RTL_HEADERS := $(wildcard rtl/regs/*_regs.svh)
RTL_FAST := -O3 --x-assign fast --x-initial fast --noassert
# Warnings that stay off, and why, are in the file.
RTL_WAIVERS := rtl/waivers.vlt

# ---- programs for the soft core: $(BUILD)/rtl/NAME.hex from tests/rtl/soc/NAME.c
RISCV := riscv64-unknown-elf-
RISCV_FLAGS := --specs=picolibc.specs -misa-spec=2.2 -march=rv32imc -mabi=ilp32 -Os -g -std=gnu11 \
	-Wall -Wextra -Werror -fno-strict-aliasing -ffreestanding -nostartfiles -Wl,--no-warn-rwx-segments -Ifirmware/platform/regs

$(BUILD)/rtl/%.elf: tests/rtl/soc/%.c tests/rtl/soc/start.S tests/rtl/soc/link.ld $(wildcard firmware/platform/regs/*.h)
	@mkdir -p $(@D)
	$(RISCV)gcc $(RISCV_FLAGS) -T tests/rtl/soc/link.ld -o $@ tests/rtl/soc/start.S $<
$(BUILD)/rtl/%.hex: $(BUILD)/rtl/%.elf
	$(RISCV)objcopy -O binary $< $(@:.hex=.bin)
	od -An -v -tx4 -w4 $(@:.hex=.bin) > $@
