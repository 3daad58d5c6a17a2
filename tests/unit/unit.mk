# SPDX-License-Identifier: BSD-2-Clause
# Unit tests of the pool without a filesystem: tests/unit/pool_*.c, each a suite.

UNIT_SUITES := $(patsubst tests/unit/%.c,$(BUILD)/tests/unit/%,\
	$(filter-out tests/unit/pool_env.c,$(wildcard tests/unit/pool_*.c)))
UNIT_CORE := $(patsubst firmware/%.c,$(BUILD)/core-debug/%.o,$(wildcard firmware/pool/*.c \
	firmware/journal/journal.c firmware/journal/commit.c firmware/journal/log.c 	firmware/format/*.c firmware/platform/posix/*.c))
SUITES += $(UNIT_SUITES)
LINT_C += $(wildcard tests/unit/*.[ch])

$(BUILD)/tests/unit/%.o: tests/unit/%.c
	@mkdir -p $(@D)
	$(CC) $(CORE_DEBUG_FLAGS) -MMD -MP -c -o $@ $<

$(UNIT_SUITES): %: %.o $(BUILD)/tests/unit/pool_env.o $(BUILD)/tests/unit/harness.o $(UNIT_CORE)
	$(CC) $(CORE_DEBUG_FLAGS) -o $@ $^

-include $(wildcard $(BUILD)/tests/unit/*.d)
