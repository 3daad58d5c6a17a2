# SPDX-License-Identifier: BSD-2-Clause
# Unit tests of the pool. A suite is tests/unit/pool_*.c with the harness. Those that need no
# filesystem bring test versions of what the pool calls of it (pool_stubs.c).

UNIT_FLAGS = $(CORE_DEBUG_FLAGS)
HARNESS_OBJ := $(BUILD)/tests/unit/harness.o
LINT_C += $(wildcard tests/unit/*.[ch])

$(BUILD)/tests/unit/%.o: tests/unit/%.c
	@mkdir -p $(@D)
	$(CC) $(CORE_DEBUG_FLAGS) -MMD -MP -c -o $@ $<

-include $(wildcard $(BUILD)/tests/unit/*.d)
