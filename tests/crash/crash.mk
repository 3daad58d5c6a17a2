# SPDX-License-Identifier: BSD-2-Clause
# Crash tests: power cuts at every write of many workloads (crash.h).

CRASH_BUILD := $(BUILD)/tests/crash
CRASH_OBJECTS := $(patsubst tests/crash/%.c,$(CRASH_BUILD)/%.o,$(wildcard tests/crash/*.c))
SUITES += $(CRASH_BUILD)/crash
TIMEOUTS += crash=900
LINT_C += $(wildcard tests/crash/*.[ch])

$(CRASH_BUILD)/%.o: tests/crash/%.c
	@mkdir -p $(@D)
	$(CC) $(CORE_FLAGS) -MMD -MP -c -o $@ $<

$(CRASH_BUILD)/crash: $(CRASH_OBJECTS) $(CORE_LIB)
	$(CC) $(CORE_FLAGS) -o $@ $^

# A million crash points; what was done is kept, and the next call goes on from there.
soak-crash: deps ## crash points until there are a million (POINTS, SEED), going on where the last run ended
	@$(MAKE) --no-print-directory $(CRASH_BUILD)/crash
	$(CRASH_BUILD)/crash -n $(or $(POINTS),1000000) -s $(or $(SEED),1) -r $(BUILD)/crash-soak.state

soak: soak-crash
.PHONY: soak-crash

-include $(wildcard $(CRASH_BUILD)/*.d)
