# SPDX-License-Identifier: BSD-2-Clause
# Several executors at once. Every *_test.c is a suite; tsan/NAME is the same under ThreadSanitizer;
# shared_*.c are suites whose executors are processes (host-driver/lib).

CONC_SRC := $(wildcard tests/concurrency/*_test.c)
CONC_SHARED_SRC := $(wildcard tests/concurrency/shared_*.c)
CONC_PARTS := $(filter-out $(CONC_SRC) $(CONC_SHARED_SRC),$(wildcard tests/concurrency/*.c)) tests/fs/fixture.c \
	tests/unit/harness.c
CONC_SUITES := $(patsubst tests/%.c,$(BUILD)/tests/%,$(CONC_SRC))
CONC_TSAN_SUITES := $(patsubst tests/concurrency/%.c,$(BUILD)/tests/concurrency/tsan/%,$(CONC_SRC)) \
	$(addprefix $(BUILD)/tests/concurrency/tsan/,file_threads names_threads_test)
CONC_SHARED_SUITES := $(patsubst tests/%.c,$(BUILD)/tests/%,$(CONC_SHARED_SRC))
SUITES += $(CONC_SUITES) $(CONC_TSAN_SUITES) $(CONC_SHARED_SUITES)
LINT_C += $(wildcard tests/concurrency/*.[ch])

$(BUILD)/tests/concurrency/%.o: tests/concurrency/%.c
	@mkdir -p $(@D)
	$(CC) $(CORE_DEBUG_FLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/tests/tsan/%.o: tests/%.c
	@mkdir -p $(@D)
	$(CC) $(CORE_TSAN_FLAGS) -MMD -MP -c -o $@ $<

$(CONC_SUITES): $(patsubst tests/%.c,$(BUILD)/tests/%.o,$(CONC_PARTS)) $(CORE_DEBUG)
$(CONC_SUITES): %: %.o
	$(CC) $(CORE_DEBUG_FLAGS) -o $@ $^

$(CONC_SHARED_SUITES): $(patsubst tests/%.c,$(BUILD)/tests/%.o,$(CONC_PARTS)) \
	$(patsubst %,$(BUILD)/debug/host-driver/lib/%.o,mpdisk watch) $(CORE_DEBUG)
$(CONC_SHARED_SUITES): %: %.o
	$(CC) $(CORE_DEBUG_FLAGS) -o $@ $^

CONC_TSAN_PARTS := $(patsubst tests/%.c,$(BUILD)/tests/tsan/%.o,$(CONC_PARTS)) $(CORE_TSAN)

$(BUILD)/tests/concurrency/tsan/%: $(BUILD)/tests/tsan/concurrency/%.o $(CONC_TSAN_PARTS)
	@mkdir -p $(@D)
	$(CC) $(CORE_TSAN_FLAGS) -o $@ $^

$(BUILD)/tests/concurrency/tsan/%: $(BUILD)/tests/tsan/fs/%.o $(CONC_TSAN_PARTS)
	@mkdir -p $(@D)
	$(CC) $(CORE_TSAN_FLAGS) -o $@ $^

-include $(wildcard $(BUILD)/tests/concurrency/*.d $(BUILD)/tests/tsan/*/*.d)

soak-concurrency: $(addprefix $(BUILD)/tests/concurrency/,generator_test races_test shared_generator) ## generator and races, TIMES (60) as long, going on as soak-crash
	@BUILD=$(BUILD) SEED=$(SEED) tests/soak concurrency MPDISK_TIMES 2 $(or $(TIMES),60) $^
soak: soak-concurrency
.PHONY: soak-concurrency
