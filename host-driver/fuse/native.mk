# SPDX-License-Identifier: BSD-2-Clause
# mpdisk-native: the core and its FUSE server as a daemon on an image file.

NATIVE_BUILD := $(BUILD)/native
NATIVE_SOURCES := $(wildcard firmware/format/*.c firmware/pool/*.c firmware/fs/*.c \
	firmware/journal/*.c firmware/platform/posix/*.c) \
	$(filter-out firmware/port/port.c firmware/port/slots.c firmware/port/attach.c, \
		$(wildcard firmware/port/*.c)) \
	host-driver/fuse/native.c host-driver/fuse/native_mount.c
NATIVE_OBJECTS := $(patsubst %.c,$(NATIVE_BUILD)/%.o,$(NATIVE_SOURCES))
# NATIVE_SANITIZE=address,undefined for the tests' build
NATIVE_FLAGS = $(CFLAGS_BASE) -Ifirmware -pthread $(NATIVE_EXTRA) \
	$(if $(NATIVE_SANITIZE),-fsanitize=$(NATIVE_SANITIZE) -fno-sanitize-recover=all)

$(NATIVE_BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(NATIVE_FLAGS) $(shell pkg-config --cflags fuse3) -MMD -MP -c -o $@ $<

$(BUILD)/host/mpdisk-native: $(NATIVE_OBJECTS)
	@mkdir -p $(@D)
	$(CC) $(NATIVE_FLAGS) -o $@ $^ $(shell pkg-config --libs fuse3)

LINT_C += $(wildcard host-driver/fuse/native*.[ch])
-include $(NATIVE_OBJECTS:.o=.d)

SUITES += tests/fs/fuse_native.sh
suites: $(BUILD)/host/mpdisk-native
TIMEOUTS += fuse_native.sh=240
