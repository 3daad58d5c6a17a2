# SPDX-License-Identifier: BSD-2-Clause
# Tests with UML kernels that run the filesystem themselves (host-driver/linux).

UML_PROGRAMS := $(SYSTEM_BUILD)/uml_load $(SYSTEM_BUILD)/uml_pair
$(SYSTEM_BUILD)/uml_pair: $(wildcard tests/system/uml_pair_*.c) tests/system/uml_pair.h
$(UML_PROGRAMS): $(SYSTEM_BUILD)/%: tests/system/%.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_BASE) -o $@ $(filter %.c,$^)

suites: $(MODULE) $(MODULE_CHECKED) $(UML_PROGRAMS)

SUITES += tests/system/uml-shared tests/system/uml-files tests/system/virtual-time
TIMEOUTS += uml-shared=1200 uml-files=1200 virtual-time=900

LINT_C += tests/system/uml_load.c $(wildcard tests/system/uml_pair*.[ch])

soak-uml: deps ## kernels in shared mode die at work, KILLS (default 300) times
	@$(MAKE) --no-print-directory -j$(JOBS) all $(MODULE) $(MODULE_CHECKED) $(UML_PROGRAMS)
	@$(SUDO) env BUILD=$(BUILD) KILLS=$(or $(KILLS),300) GUEST_SECONDS=100000 tests/system/uml-shared

.PHONY: soak-uml
