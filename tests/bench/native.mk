# SPDX-License-Identifier: BSD-2-Clause
# `make bench-native`: shared mode on this machine, against what Debian has; needs root.

BENCH_NATIVE := $(BUILD)/bench/native
BENCH_CORE_SOURCES = $(filter-out firmware/port/%,$(CORE_SRC)) $(CORE_PLAT_SRC)
comma := ,
BENCH_NO_UNDO := -DMPDISK_SINGLE_HART $(addprefix -Wl$(comma)--wrap=,tx_save_range tx_save_few tx_save_word)
BENCH_PRIVATE_FLAGS = $(CORE_FLAGS) -DBENCH_PRIVATE -ffunction-sections -Wl,--gc-sections

$(BENCH_NATIVE)/api: tests/bench/native/api.c $(BUILD)/libmpdisk.a
	@mkdir -p $(@D)
	$(CC) $(CORE_FLAGS) -Ihost-driver/lib -o $@ $^

# The same operations on a pool of one process, as it is and without undo log and robust locks: all
# sources at once, with the same flags but for those.
$(BENCH_NATIVE)/private: tests/bench/native/api.c $(CORE_SRC) $(CORE_PLAT_SRC)
	@mkdir -p $(@D)
	$(CC) $(BENCH_PRIVATE_FLAGS) -o $@ $< $(BENCH_CORE_SOURCES)

$(BENCH_NATIVE)/private-bare: tests/bench/native/api.c tests/bench/native/no_undo.c $(CORE_SRC) \
		$(CORE_PLAT_SRC)
	@mkdir -p $(@D)
	$(CC) $(BENCH_PRIVATE_FLAGS) $(BENCH_NO_UNDO) -o $@ $(filter tests/%,$^) $(BENCH_CORE_SOURCES)

$(BENCH_NATIVE)/mounts: tests/bench/native/mounts.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_BASE) -o $@ $<

LINT_C += $(wildcard tests/bench/native/*.[ch])

bench-native: $(addprefix $(BENCH_NATIVE)/,api private private-bare mounts) $(BUILD)/mpdisk
	@$(SUDO) env BUILD=$(BUILD) tests/bench/native/run

bench: bench-native
.PHONY: bench-native
