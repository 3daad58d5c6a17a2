# SPDX-License-Identifier: BSD-2-Clause
# Tests of the filesystem on real images: every tests/fs/*.c but the common parts is a suite.

FS_PARTS := tests/fs/fixture.c tests/fs/pool_check.c
FS_SHARED_SRC := tests/fs/kill_test.c tests/fs/aimed_death_test.c
FS_SHARED_SUITES := $(patsubst tests/%.c,$(BUILD)/tests/%,$(FS_SHARED_SRC))
FS_SUITES := $(patsubst tests/fs/%.c,$(BUILD)/tests/fs/%,\
	$(filter-out $(FS_PARTS) tests/fs/cut.c $(FS_SHARED_SRC),$(wildcard tests/fs/*.c)))
SUITES += $(FS_SUITES)
LINT_C += $(wildcard tests/fs/*.[ch])

$(BUILD)/tests/fs/%.o: tests/fs/%.c
	@mkdir -p $(@D)
	$(CC) $(CORE_DEBUG_FLAGS) -MMD -MP -c -o $@ $<

$(FS_SUITES): %: %.o $(FS_PARTS:%.c=$(BUILD)/%.o) $(BUILD)/tests/unit/harness.o $(BUILD)/core-debug/libcore.a
	$(CC) $(CORE_DEBUG_FLAGS) -o $@ $(filter %.o,$^) $(filter %.a,$^)
$(addprefix $(BUILD)/tests/fs/,all_cut_test commit_cut_test shared_cut_test): $(BUILD)/tests/fs/cut.o

# Real processes on one pool, as they are: without debug checks.
$(FS_SHARED_SRC:%.c=$(BUILD)/%.o): CORE_DEBUG_FLAGS += -UMPDISK_DEBUG
$(FS_SHARED_SUITES): %: %.o $(FS_PARTS:%.c=$(BUILD)/%.o) $(BUILD)/tests/unit/harness.o $(BUILD)/libmpdisk.a
	$(CC) $(CORE_DEBUG_FLAGS) -o $@ $^

SUITES += $(FS_SHARED_SUITES)
ALONE += $(BUILD)/tests/fs/kill_test

soak-death: $(BUILD)/tests/fs/kill_test ## processes are killed under load, KILLS times (default 20000), going on as soak-crash
	@BUILD=$(BUILD) SEED=$(SEED) tests/soak death MPDISK_KILLS 250 $(or $(KILLS),20000) $<
soak: soak-death
.PHONY: soak-death

# The conformance suite: one program, for any mount (tests/system/posix runs it).
POSIX_OBJECTS := $(patsubst tests/fs/posix/%.c,$(BUILD)/tests/fs/posix/%.o,\
	$(wildcard tests/fs/posix/*.c))
LINT_C += $(wildcard tests/fs/posix/*.[ch])

$(BUILD)/tests/fs/posix/%.o: tests/fs/posix/%.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_BASE) -MMD -MP -c -o $@ $<

$(BUILD)/tests/posix-suite: $(POSIX_OBJECTS)
	$(CC) $(CFLAGS_BASE) -o $@ $^

suites: $(BUILD)/tests/posix-suite
-include $(POSIX_OBJECTS:.o=.d)

.SECONDARY:
-include $(wildcard $(BUILD)/tests/fs/*.d)
