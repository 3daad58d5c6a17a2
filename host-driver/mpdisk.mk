# SPDX-License-Identifier: BSD-2-Clause
# mpdisk: the host's program, and its port client for the tests. liblink.a is made by the harness.

MPDISK_DIR := $(BUILD)/host-driver
PORT_CLIENT_OBJS := $(patsubst %,$(MPDISK_DIR)/fuse/%.o,port_attach port_client port_slots)
MPDISK_OBJS := $(PORT_CLIENT_OBJS) $(patsubst %,$(MPDISK_DIR)/fuse/%.o,fuse_rules serve) \
	$(patsubst %,$(MPDISK_DIR)/cli/%.o,main mount options report status status_socket)

$(MPDISK_DIR)/fuse/%.o: host-driver/fuse/%.c host-driver/mpdisk.mk
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_BASE) -MMD -c -o $@ $<

$(MPDISK_DIR)/cli/%.o: host-driver/cli/%.c host-driver/mpdisk.mk
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_BASE) $(shell pkg-config --cflags fuse3) -MMD -c -o $@ $<

$(BUILD)/mpdisk: $(MPDISK_OBJS) $(BUILD)/host-driver/liblink.a
	$(CC) $(CFLAGS_BASE) -pthread -o $@ $^ $(shell pkg-config --libs fuse3)

$(BUILD)/mount.mpdisk: $(BUILD)/mpdisk
	ln -sf mpdisk $@

all: $(BUILD)/mpdisk $(BUILD)/mount.mpdisk

LINT_C += $(wildcard host-driver/fuse/*.[ch] host-driver/cli/*.[ch])

-include $(MPDISK_OBJS:.o=.d)

install: all
	install -d $(DESTDIR)/usr/sbin $(DESTDIR)/usr/share/man/man8
	install $(BUILD)/mpdisk $(DESTDIR)/usr/sbin/mpdisk
	ln -sf mpdisk $(DESTDIR)/usr/sbin/mount.mpdisk
	install -m 644 host-driver/cli/mpdisk.8 host-driver/cli/mount.mpdisk.8 \
		$(DESTDIR)/usr/share/man/man8/
.PHONY: install
