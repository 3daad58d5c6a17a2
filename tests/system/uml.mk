# SPDX-License-Identifier: BSD-2-Clause
# Tests with UML kernels that run the filesystem themselves (host-driver/linux).

$(SYSTEM_BUILD)/uml_load: tests/system/uml_load.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_BASE) -o $@ $<

suites: $(MODULE) $(SYSTEM_BUILD)/uml_load

SUITES += tests/system/uml-shared
TIMEOUTS += uml-shared=300

LINT_C += tests/system/uml_load.c
