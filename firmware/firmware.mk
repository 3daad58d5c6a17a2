# SPDX-License-Identifier: BSD-2-Clause
# The firmware of the soft core: $(BUILD)/firmware/firmware.elf, .hex (32-bit words for $readmemh).

FW_BUILD := $(BUILD)/firmware
# The CRC engine does what format/crc32c.c does; platform/soc has a small one for short pieces.
FW_CORE := $(filter-out firmware/format/crc32c.c,$(wildcard firmware/format/*.c firmware/pool/*.c \
	firmware/fs/*.c firmware/journal/*.c firmware/port/*.c))
FW_SOURCES := $(FW_CORE) $(wildcard firmware/platform/soc/*.[cS] firmware/boot/*.[cS])
# In order of name: make bench depends a little on where functions lie.
FW_OBJECTS := $(sort $(patsubst firmware/%,$(FW_BUILD)/obj/%.o,$(FW_SOURCES)))

FW_CC := riscv64-unknown-elf-gcc
# One-caller functions stay apart: inlined, the rare ones push the hot ones out of the 4 KiB cache.
FW_OPT ?= -O2 -fno-inline-functions-called-once
FW_FLAGS := --specs=picolibc.specs -misa-spec=2.2 -march=rv32imc -mabi=ilp32 -std=gnu11 $(FW_OPT) -g \
	-Wall -Wextra -Werror -Wmissing-prototypes -Wvla -Wshadow -ffunction-sections -fdata-sections \
	-fno-common -fno-strict-aliasing -DMPDISK_SINGLE_HART -Ifirmware
FW_LIMIT := 196608 # bytes of text and data: 192 KiB

$(FW_BUILD)/obj/%.o: firmware/% firmware/firmware.mk
	@mkdir -p $(@D)
	$(FW_CC) $(FW_FLAGS) -MMD -MP -c -o $@ $<

# A loop that copies must not become a call of the function it is in.
$(FW_BUILD)/obj/platform/soc/mem.c.o: FW_FLAGS += -O2 -fno-builtin -fno-tree-loop-distribute-patterns

$(FW_BUILD)/firmware.elf: $(FW_OBJECTS) firmware/boot/firmware.ld
	$(FW_CC) $(FW_FLAGS) -nostdlib -nostartfiles -Wl,--gc-sections -Wl,--no-warn-rwx-segments \
		-Wl,-Map,$(@:.elf=.map) -T firmware/boot/firmware.ld -o $@ $(FW_OBJECTS) -lgcc
	@riscv64-unknown-elf-size $@ | awk 'NR == 2 { t = $$1 + $$2; \
		printf "firmware: %d bytes text and data of $(FW_LIMIT), %d bss\n", t, $$3; \
		exit t > $(FW_LIMIT) }'

$(FW_BUILD)/firmware.hex: $(FW_BUILD)/firmware.elf
	riscv64-unknown-elf-objcopy -O binary $< $(@:.hex=.bin)
	truncate -s %4 $(@:.hex=.bin)
	od -An -v -tx4 -w4 $(@:.hex=.bin) > $@

firmware: $(FW_BUILD)/firmware.hex ## build the firmware of the soft core
all: firmware
.PHONY: firmware

LINT_C += $(wildcard firmware/port/*.[ch] firmware/boot/*.[ch] firmware/platform/soc/*.[ch])
-include $(FW_OBJECTS:.o=.d)
