# SPDX-License-Identifier: BSD-2-Clause
# Fuzz targets: tests/fuzz/fuzz_*.c. `make fuzz` runs each with libFuzzer for FUZZ_SECONDS;
# `make test` runs their corpus and every input that ever failed (tests/fuzz/corpus).

FUZZ_SECONDS ?= 60
FUZZ_DIR := $(BUILD)/fuzz
FUZZ_TARGETS := $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_COMMON := platform image exercise raw_host mutate
FUZZ_SRC := $(CORE_SRC) $(addprefix firmware/platform/posix/,bulk.c debug.c) $(FUZZ_COMMON:%=tests/fuzz/%.c)
FUZZ_CLANG := clang-14
FUZZ_PACKAGES := clang-14 libclang-rt-14-dev afl++
FUZZ_FLAGS := -std=gnu11 -O1 -g -Wall -Wextra -Werror -fno-strict-aliasing -Ifirmware -I. -pthread \
	-DMPDISK_DEBUG -DMPDISK_GUARD -fsanitize=address,undefined -fno-sanitize-recover=undefined \
	-fno-omit-frame-pointer -Wno-format-truncation -Wno-unknown-warning-option
LINT_C += $(wildcard tests/fuzz/*.[ch])

# FUZZ_IMAGE: those that patch an image; the others bring their own LLVMFuzzerTestOneInput
FUZZ_IMAGE := super inode dir xattr journal
fuzz_objects = $(patsubst %.c,$(FUZZ_DIR)/$(1)/%.o,$(FUZZ_SRC))
# the vhost target runs the vhost-user device of the host driver
FUZZ_VHOST := $(filter-out %/fs_port.c,$(wildcard host-driver/vhost/*.c)) tests/fuzz/control.c \
	$(addprefix host-driver/fuse/,pool_call.c fuse_rules.c)
$(foreach kind,fuzz:libfuzzer afl:afl replay:replay,$(foreach target,$(FUZZ_IMAGE),$(eval \
	$(FUZZ_DIR)/$(firstword $(subst :, ,$(kind)))-$(target): \
	$(FUZZ_DIR)/$(lastword $(subst :, ,$(kind)))/tests/fuzz/target.o)))

$(foreach kind,fuzz:libfuzzer afl:afl replay:replay,$(eval \
	$(FUZZ_DIR)/$(firstword $(subst :, ,$(kind)))-vhost: \
	$(FUZZ_VHOST:%.c=$(FUZZ_DIR)/$(lastword $(subst :, ,$(kind)))/%.o)))

# What is not fuzzed and takes time: optimised, and not counted.
# without trace-cmp: it takes half the time, and the mutator knows the numbers that matter
FUZZ_COVER := -fsanitize-coverage=inline-8bit-counters,pc-table
FUZZ_AFL := AFL_QUIET=1 afl-clang-fast
FUZZ_PLAIN := firmware/platform/posix/debug firmware/format/crc32c tests/fuzz/image tests/fuzz/mutate
$(FUZZ_PLAIN:%=$(FUZZ_DIR)/libfuzzer/%.o) $(FUZZ_PLAIN:%=$(FUZZ_DIR)/afl/%.o): FUZZ_COVER := -O2 \
	-fno-sanitize=all
$(FUZZ_PLAIN:%=$(FUZZ_DIR)/afl/%.o): FUZZ_AFL := $(FUZZ_CLANG) -O2 -fno-sanitize=all

# The same three ways: for libFuzzer, for AFL++, and without either to replay inputs.
$(FUZZ_DIR)/libfuzzer/%.o: %.c
	@mkdir -p $(@D)
	$(FUZZ_CLANG) $(FUZZ_FLAGS) $(FUZZ_COVER) -MMD -MP -c -o $@ $<

$(FUZZ_DIR)/afl/%.o: %.c
	@mkdir -p $(@D)
	$(FUZZ_AFL) $(FUZZ_FLAGS) -MMD -MP -c -o $@ $<

$(FUZZ_DIR)/replay/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(FUZZ_FLAGS) -MMD -MP -c -o $@ $<

$(FUZZ_TARGETS:%=$(FUZZ_DIR)/fuzz-%): $(FUZZ_DIR)/fuzz-%: $(FUZZ_DIR)/libfuzzer/tests/fuzz/fuzz_%.o \
		$(call fuzz_objects,libfuzzer)
	$(FUZZ_CLANG) $(FUZZ_FLAGS) -fsanitize=fuzzer -o $@ $^

$(FUZZ_TARGETS:%=$(FUZZ_DIR)/afl-%): $(FUZZ_DIR)/afl-%: $(FUZZ_DIR)/afl/tests/fuzz/fuzz_%.o \
		$(call fuzz_objects,afl)
	AFL_QUIET=1 afl-clang-fast $(FUZZ_FLAGS) -fsanitize=fuzzer -o $@ $^

$(FUZZ_TARGETS:%=$(FUZZ_DIR)/replay-%): $(FUZZ_DIR)/replay-%: \
		$(FUZZ_DIR)/replay/tests/fuzz/fuzz_%.o $(FUZZ_DIR)/replay/tests/fuzz/replay.o \
		$(call fuzz_objects,replay)
	$(CC) $(FUZZ_FLAGS) -o $@ $^

$(FUZZ_DIR)/populate: $(FUZZ_DIR)/populate.o $(CORE_DEBUG)
	$(CC) $(CORE_DEBUG_FLAGS) -o $@ $^

FUZZ_HOST := $(FUZZ_DIR)/hostile_host_test
$(FUZZ_HOST): $(FUZZ_HOST).o $(FUZZ_DIR)/raw_host.o $(BUILD)/tests/fs/fixture.o \
		$(BUILD)/tests/unit/harness.o $(CORE_DEBUG)
	$(CC) $(CORE_DEBUG_FLAGS) -o $@ $^

$(FUZZ_DIR)/%.o: tests/fuzz/%.c
	@mkdir -p $(@D)
	$(CC) $(CORE_DEBUG_FLAGS) -MMD -MP -c -o $@ $<

$(FUZZ_DIR)/guards_test: $(FUZZ_DIR)/replay/tests/fuzz/guards_test.o $(call fuzz_objects,replay)
	$(CC) $(FUZZ_FLAGS) -o $@ $^

$(FUZZ_DIR)/images.stamp: $(FUZZ_DIR)/populate tests/fuzz/make-images
	tests/fuzz/make-images $(FUZZ_DIR)/populate $(FUZZ_DIR)/images
	@touch $@

suites: $(FUZZ_DIR)/images.stamp $(FUZZ_TARGETS:%=$(FUZZ_DIR)/replay-%)
SUITES += tests/fuzz/regress $(FUZZ_DIR)/guards_test $(FUZZ_HOST)

fuzz-images: $(FUZZ_DIR)/images.stamp

fuzz-deps:
	@for p in $(FUZZ_PACKAGES); do dpkg -s $$p >/dev/null 2>&1 || { \
		echo "make fuzz needs Debian's $(FUZZ_PACKAGES)"; exit 1; }; done

fuzz: fuzz-deps ## fuzz each target with libFuzzer for FUZZ_SECONDS (60)
	@$(MAKE) --no-print-directory -j$(JOBS) $(FUZZ_DIR)/images.stamp $(FUZZ_TARGETS:%=$(FUZZ_DIR)/fuzz-%)
	@BUILD=$(BUILD) tests/fuzz/run libfuzzer $(FUZZ_SECONDS) $(FUZZ_TARGETS)

fuzz-afl: fuzz-deps ## the same with AFL++
	@$(MAKE) --no-print-directory -j$(JOBS) $(FUZZ_DIR)/images.stamp $(FUZZ_TARGETS:%=$(FUZZ_DIR)/afl-%)
	@BUILD=$(BUILD) tests/fuzz/run afl $(FUZZ_SECONDS) $(FUZZ_TARGETS)

# What `make fuzz` has found, as few inputs as cover the same, becomes the corpus.
fuzz-corpus: fuzz-deps ## make the corpus anew of what was found
	@$(MAKE) --no-print-directory -j$(JOBS) $(FUZZ_DIR)/images.stamp $(FUZZ_TARGETS:%=$(FUZZ_DIR)/fuzz-%)
	@mkdir -p tests/fuzz/corpus; for t in $(FUZZ_TARGETS); do \
		rm -rf $(FUZZ_DIR)/least/$$t; mkdir -p $(FUZZ_DIR)/least/$$t; \
		FUZZ_IMAGES=$(FUZZ_DIR)/images $(FUZZ_DIR)/fuzz-$$t -set_cover_merge=1 -use_counters=0 -rss_limit_mb=1500 \
			$(FUZZ_DIR)/least/$$t $(FUZZ_DIR)/found/$$t >$(FUZZ_DIR)/merge-$$t.log 2>&1 || exit 1; \
		tests/fuzz/corpus-tool pack $(FUZZ_DIR)/least/$$t >tests/fuzz/corpus/$$t; done; \
	ls -l tests/fuzz/corpus

.PHONY: fuzz fuzz-afl fuzz-corpus fuzz-deps fuzz-images
-include $(shell find $(FUZZ_DIR) -name '*.d' 2>/dev/null)
