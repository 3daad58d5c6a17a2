# SPDX-License-Identifier: BSD-2-Clause
# Instructions of the soft core per operation of the filesystem: `make bench-core`; exact, in a
# second. BENCH_FUNCTIONS: how many functions of each are named.

BENCH_CORE := $(BUILD)/bench/core
BENCH_CORE_OPT ?= $(FW_OPT)
BENCH_FUNCTIONS ?= 8
BENCH_CORE_SRC = tests/bench/core/ops.c firmware/platform/soc/mem.c \
	$(wildcard firmware/pool/*.c firmware/journal/*.c firmware/fs/*.c)
LINT_C += $(wildcard tests/bench/core/*.[ch])

$(BENCH_CORE)/rv32: tests/bench/core/rv32.c firmware/format/crc32c.c tests/bench/core/calls.h
	@mkdir -p $(@D)
	$(CC) $(CORE_FLAGS) -o $@ $(filter %.c,$^)

# Not compressed: rv32 does not read that. The number of instructions is the same.
bench-core: $(BENCH_CORE)/rv32 ## instructions of the soft core per operation
	riscv64-unknown-elf-gcc --specs=picolibc.specs -misa-spec=2.2 -march=rv32im -mabi=ilp32 \
		-std=gnu11 $(BENCH_CORE_OPT) -g -Wall -Wextra -Wno-pointer-to-int-cast \
		-ffunction-sections -fdata-sections -fno-common -fno-strict-aliasing \
		-fno-tree-loop-distribute-patterns -DMPDISK_SINGLE_HART -Ifirmware -I. -nostdlib \
		-Wl,--gc-sections -Wl,--no-warn-rwx-segments -T tests/bench/core/ops.ld \
		-o $(BENCH_CORE)/ops.elf $(BENCH_CORE_SRC) -lc -lgcc
	@rm -f $(BENCH_CORE)/image
	@mke2fs -q -F -t ext4 -b 4096 $(BENCH_CORE)/image 128M
	@echo 'operation              instructions  of which'
	@$(BENCH_CORE)/rv32 $(BENCH_CORE)/ops.elf $(BENCH_CORE)/image $(BENCH_FUNCTIONS)
	@e2fsck -fn $(BENCH_CORE)/image >$(BENCH_CORE)/fsck 2>&1 || { cat $(BENCH_CORE)/fsck; exit 1; }

bench: bench-core
.PHONY: bench-core
