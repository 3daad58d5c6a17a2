# SPDX-License-Identifier: BSD-2-Clause
# mpdisk: the host's program, and its port client for the tests (liblink.a is made by the harness);
# libmpdisk.a: the filesystem in shared mode for C programs (host-driver/lib/mpdisk.h).
#
# build/debug/mpdisk is the same program with the core's debug checks, ASan and UBSan.

MPDISK_DIR := $(BUILD)/host-driver
MPDISK_DEBUG_DIR := $(BUILD)/debug/host-driver
PORT_CLIENT_OBJS := $(patsubst %,$(MPDISK_DIR)/fuse/%.o,port_attach port_client port_slots)
MPDISK_NAMES := $(addprefix fuse/,port_attach port_client port_slots fuse_rules serve port_serve pool_serve pool_call) \
	$(addprefix vhost/,vhost messages requests wait queue memory fs_pool fs_port) \
	$(addprefix cli/,main mount unmount options report status status_pool status_socket carrier_port \
		carrier_pool background vhost_fs)
MPDISK_LIB_NAMES := $(addprefix lib/,mpdisk watch)
MPDISK_OBJS := $(MPDISK_NAMES:%=$(MPDISK_DIR)/%.o)
MPDISK_LIB_OBJS := $(MPDISK_LIB_NAMES:%=$(MPDISK_DIR)/%.o)
MPDISK_DEBUG_OBJS := $(patsubst %,$(MPDISK_DEBUG_DIR)/%.o,$(MPDISK_NAMES) $(MPDISK_LIB_NAMES))

MPDISK_FLAGS = $(CORE_FLAGS) $(shell pkg-config --cflags fuse3)
MPDISK_DEBUG_FLAGS = $(CORE_DEBUG_FLAGS) $(shell pkg-config --cflags fuse3)

$(MPDISK_DIR)/%.o: host-driver/%.c host-driver/mpdisk.mk
	@mkdir -p $(@D)
	$(CC) $(MPDISK_FLAGS) -MMD -MP -c -o $@ $<

$(MPDISK_DEBUG_DIR)/%.o: host-driver/%.c host-driver/mpdisk.mk
	@mkdir -p $(@D)
	$(CC) $(MPDISK_DEBUG_FLAGS) -MMD -MP -c -o $@ $<

# The core without the device's side of ports.
$(BUILD)/libmpdisk.a: $(MPDISK_LIB_OBJS) \
		$(filter-out %/port/port.o %/port/slots.o %/port/attach.o,$(call core_objects,core))
	@rm -f $@
	ar rcs $@ $^

$(BUILD)/mpdisk: $(MPDISK_OBJS) $(BUILD)/host-driver/liblink.a $(BUILD)/libmpdisk.a
	$(CC) $(CFLAGS_BASE) -pthread -o $@ $^ $(shell pkg-config --libs fuse3)

$(BUILD)/debug/mpdisk: $(MPDISK_DEBUG_OBJS) $(BUILD)/host-driver/liblink.a $(CORE_DEBUG)
	$(CC) $(CORE_DEBUG_FLAGS) -o $@ $^ $(shell pkg-config --libs fuse3)

$(BUILD)/mount.mpdisk: $(BUILD)/mpdisk
	ln -sf mpdisk $@

all: $(BUILD)/mpdisk $(BUILD)/mount.mpdisk $(BUILD)/libmpdisk.a

LINT_C += $(wildcard $(patsubst %,host-driver/%/*.[ch],fuse cli lib vhost))

-include $(MPDISK_OBJS:.o=.d) $(MPDISK_LIB_OBJS:.o=.d) $(MPDISK_DEBUG_OBJS:.o=.d)

install: all ## programs and man pages, below DESTDIR
	install -d $(DESTDIR)/usr/sbin $(DESTDIR)/usr/share/man/man5 $(DESTDIR)/usr/share/man/man8
	install $(BUILD)/mpdisk $(DESTDIR)/usr/sbin/mpdisk
	ln -sf mpdisk $(DESTDIR)/usr/sbin/mount.mpdisk
	ln -sf mpdisk $(DESTDIR)/usr/sbin/umount.fuse.mpdisk
	install -m 644 host-driver/cli/mpdisk.8 host-driver/cli/mount.mpdisk.8 \
		$(DESTDIR)/usr/share/man/man8/
	ln -sf mpdisk.8 $(DESTDIR)/usr/share/man/man8/umount.fuse.mpdisk.8
	install -m 644 host-driver/linux/mpdisk.5 $(DESTDIR)/usr/share/man/man5/
.PHONY: install

SUITES += tests/fs/fuse_native.sh
