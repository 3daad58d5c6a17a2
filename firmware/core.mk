# SPDX-License-Identifier: BSD-2-Clause
# The core and its posix platform as static libraries for programs of this machine: once optimised,
# once with sanitizers and debug checks, once with ThreadSanitizer and debug checks. A test links one
# of $(CORE_LIB), $(CORE_DEBUG), $(CORE_TSAN) after its own objects, with the flags of that name.

CORE_DIRS := format pool journal fs port
CORE_SRC := $(sort $(wildcard $(addprefix firmware/,$(addsuffix /*.c,$(CORE_DIRS)))))
CORE_PLAT_SRC := $(sort $(wildcard firmware/platform/posix/*.c))
CORE_FLAGS := $(CFLAGS_BASE) -fno-strict-aliasing -Ifirmware -I. -pthread
CORE_DEBUG_FLAGS := $(CORE_FLAGS) -DMPDISK_DEBUG -fsanitize=address,undefined \
	-fno-sanitize-recover=undefined -fno-omit-frame-pointer
# -Wno-tsan: that atomic_fence() says nothing to it; what is ordered by that alone is only ever read by
# who takes a dead executor's place.
CORE_TSAN_FLAGS := $(CORE_FLAGS) -DMPDISK_DEBUG -fsanitize=thread -fno-omit-frame-pointer -Wno-tsan
CORE_LIB := $(BUILD)/core/libcore.a
CORE_DEBUG := $(BUILD)/core-debug/libcore.a
CORE_TSAN := $(BUILD)/core-tsan/libcore.a

core_objects = $(patsubst firmware/%.c,$(BUILD)/$(1)/%.o,$(CORE_SRC) $(CORE_PLAT_SRC))
# Objects that other machines use too: no platform.
CORE_LINT_OBJ := $(patsubst firmware/%.c,$(BUILD)/core/%.o,$(CORE_SRC))

$(BUILD)/core/%.o: firmware/%.c
	@mkdir -p $(@D)
	$(CC) $(CORE_FLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/core-debug/%.o: firmware/%.c
	@mkdir -p $(@D)
	$(CC) $(CORE_DEBUG_FLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/core-tsan/%.o: firmware/%.c
	@mkdir -p $(@D)
	$(CC) $(CORE_TSAN_FLAGS) -MMD -MP -c -o $@ $<

$(CORE_LIB): $(call core_objects,core)
	@rm -f $@
	ar rcs $@ $^

$(CORE_DEBUG): $(call core_objects,core-debug)
	@rm -f $@
	ar rcs $@ $^

$(CORE_TSAN): $(call core_objects,core-tsan)
	@rm -f $@
	ar rcs $@ $^

-include $(patsubst %.o,%.d,$(call core_objects,core) $(call core_objects,core-debug) \
	$(call core_objects,core-tsan))

core: $(CORE_LIB) $(CORE_DEBUG) $(CORE_TSAN)

# The core runs where nothing relocates it and several machines share its memory: nothing writable
# outside of the pool, no tables of pointers.
lint-core: $(CORE_LINT_OBJ)
	@bad=0; for o in $^; do \
		nm $$o | awk -v o=$$o '$$2 ~ /^[bBcCdDsSgG]$$/ {print o ": writable data: " $$3; e = 1} \
			END {exit e}' || bad=1; \
		readelf -SW $$o | grep -E ' \.data\.rel[^ ]* ' && { echo "$$o: a table of pointers"; bad=1; }; \
	done; exit $$bad

lint: lint-core
LINT_C += $(CORE_SRC) $(CORE_PLAT_SRC) $(wildcard $(addprefix firmware/,$(addsuffix /*.h,$(CORE_DIRS))) \
	firmware/platform/*.h firmware/platform/posix/*.h)

.PHONY: core lint-core
