# SPDX-License-Identifier: BSD-2-Clause
# Tests of the filesystem on real images: every tests/fs/*.c but the fixture is a suite.

FS_SUITES := $(patsubst tests/fs/%.c,$(BUILD)/tests/fs/%,\
	$(filter-out tests/fs/fixture.c,$(wildcard tests/fs/*.c)))
SUITES += $(FS_SUITES)
LINT_C += $(wildcard tests/fs/*.[ch])

$(BUILD)/tests/fs/%.o: tests/fs/%.c
	@mkdir -p $(@D)
	$(CC) $(CORE_DEBUG_FLAGS) -MMD -MP -c -o $@ $<

$(FS_SUITES): %: %.o $(BUILD)/tests/fs/fixture.o $(BUILD)/tests/unit/harness.o $(BUILD)/core-debug/libcore.a
	$(CC) $(CORE_DEBUG_FLAGS) -o $@ $^

.SECONDARY:
-include $(wildcard $(BUILD)/tests/fs/*.d)
