# SPDX-License-Identifier: BSD-2-Clause
# `make bench-native`: shared mode on this machine, against what Debian has; needs root.

BENCH_NATIVE := $(BUILD)/bench/native
BENCH_CORE_SOURCES = $(filter-out firmware/port/%,$(CORE_SRC)) $(CORE_PLAT_SRC)
BENCH_PRIVATE_FLAGS = $(CORE_FLAGS) -DBENCH_PRIVATE -ffunction-sections -Wl,--gc-sections

$(BENCH_NATIVE)/api: tests/bench/native/api.c $(BUILD)/libmpdisk.a
	@mkdir -p $(@D)
	$(CC) $(CORE_FLAGS) -Ihost-driver/lib -o $@ $^

# The same operations on a pool of one process, as it is, and without undo log and with plain locks
# (POOL_ROBUST in pool/pool.h): all sources at once, with the same flags but for that.
$(BENCH_NATIVE)/private: tests/bench/native/api.c $(CORE_SRC) $(CORE_PLAT_SRC)
	@mkdir -p $(@D)
	$(CC) $(BENCH_PRIVATE_FLAGS) -o $@ $< $(BENCH_CORE_SOURCES)

$(BENCH_NATIVE)/private-plain: tests/bench/native/api.c $(CORE_SRC) $(CORE_PLAT_SRC)
	@mkdir -p $(@D)
	$(CC) $(BENCH_PRIVATE_FLAGS) -DMPDISK_BENCH_PLAIN -o $@ $< $(BENCH_CORE_SOURCES)

$(BENCH_NATIVE)/mounts: tests/bench/native/mounts.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_BASE) -o $@ $<

LINT_C += $(wildcard tests/bench/native/*.[ch])

bench-native: $(addprefix $(BENCH_NATIVE)/,api private private-plain mounts) $(BUILD)/mpdisk ## shared mode on this machine, against its peers
	@$(SUDO) env BUILD=$(BUILD) tests/bench/native/run

bench: bench-native
.PHONY: bench-native
