# SPDX-License-Identifier: BSD-2-Clause
# Hostile and broken images: every tests/corrupt/*.c is a suite.

CORRUPT_SUITES := $(patsubst tests/corrupt/%.c,$(BUILD)/tests/corrupt/%,$(wildcard tests/corrupt/*.c))
SUITES += $(CORRUPT_SUITES)
LINT_C += $(wildcard tests/corrupt/*.[ch])

$(BUILD)/tests/corrupt/%.o: tests/corrupt/%.c
	@mkdir -p $(@D)
	$(CC) $(CORE_DEBUG_FLAGS) -MMD -MP -c -o $@ $<

$(CORRUPT_SUITES): %: %.o $(BUILD)/tests/fs/fixture.o $(BUILD)/tests/unit/harness.o $(BUILD)/core-debug/libcore.a
	$(CC) $(CORE_DEBUG_FLAGS) -o $@ $^

-include $(wildcard $(BUILD)/tests/corrupt/*.d)
