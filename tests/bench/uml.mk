# SPDX-License-Identifier: BSD-2-Clause
# `make bench-uml`: shared mode in User-Mode Linux kernels, against what else these mount; needs root.

BENCH_UML := $(BUILD)/bench/uml

# What runs in guests takes nothing from them but the kernel.
$(addprefix $(BENCH_UML)/,work turns): $(BENCH_UML)/%: tests/bench/uml/%.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_BASE) -static -o $@ $<

$(BENCH_UML)/proxy: tests/bench/uml/proxy.c host-driver/vhost/vhost_wire.h
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_BASE) -Ihost-driver -o $@ $<

LINT_C += $(wildcard tests/bench/uml/*.c)

bench-uml: deps ## measure shared mode in User-Mode Linux against its peers; needs a quiet machine
	@$(MAKE) --no-print-directory $(addprefix $(BENCH_UML)/,work turns proxy) $(BUILD)/mpdisk $(MODULE)
	@$(SUDO) env BUILD=$(BUILD) unshare --mount --net --pid --fork --kill-child --mount-proc tests/bench/uml/run

.PHONY: bench-uml
