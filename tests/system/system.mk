# SPDX-License-Identifier: BSD-2-Clause
# Tests of the host driver, and of the whole: programs that drive mounts, and scripts that judge.

SYSTEM_BUILD := $(BUILD)/tests/system
SANITIZE := -O1 -fsanitize=address,undefined -fno-sanitize-recover=all

PORT_CLIENT_TEST := tests/unit/port_client_test.c \
	$(patsubst %,host-driver/fuse/%.c,port_attach port_client port_slots fuse_rules) \
	$(patsubst %,host-driver/link/%.c,link sim)

$(BUILD)/tests/port_client_test: $(PORT_CLIENT_TEST) $(wildcard host-driver/fuse/*.h)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_BASE) $(SANITIZE) -pthread -o $@ $(PORT_CLIENT_TEST)

SUITES += $(BUILD)/tests/port_client_test

# What run-main and the system tests work with.
SYSTEM_PROGRAMS := $(SYSTEM_BUILD)/coherence $(SYSTEM_BUILD)/append $(SYSTEM_BUILD)/power_work
$(SYSTEM_BUILD)/power_work: tests/system/power_work.c
$(SYSTEM_BUILD)/append: tests/system/append.c tests/system/hosts.c tests/system/hosts.h
$(SYSTEM_BUILD)/coherence: $(addprefix tests/system/,coherence.c host_calls.c host_calls.h hosts.c hosts.h)
$(SYSTEM_PROGRAMS):
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_BASE) -o $@ $(filter %.c,$^)

all: $(SYSTEM_PROGRAMS) $(BUILD)/firmware/firmware.hex

LINT_C += tests/unit/port_client_test.c \
	$(addprefix tests/system/,coherence.c append.c power_work.c host_calls.c host_calls.h hosts.c hosts.h)

$(SYSTEM_BUILD)/hostile_port: tests/system/hostile_port.c tests/system/raw_port.c \
		tests/system/raw_port.h host-driver/fuse/port_attach.c host-driver/fuse/port_client.h \
		$(BUILD)/host-driver/liblink.a
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_BASE) -pthread -o $@ $(filter %.c %.a,$^)

all: $(SYSTEM_BUILD)/hostile_port

LINT_C += tests/system/hostile_port.c tests/system/raw_port.c tests/system/raw_port.h

VHOST_GUESTS := $(addprefix $(SYSTEM_BUILD)/vhost_,protocol hostile noise)
$(VHOST_GUESTS): $(SYSTEM_BUILD)/%: tests/system/%.c tests/system/vhost_front.c \
		tests/system/vhost_front.h host-driver/vhost/vhost_wire.h
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_BASE) -fno-strict-aliasing $(SANITIZE) -I. -o $@ $(filter %.c,$^)

tests/system/vhost: $(VHOST_GUESTS) $(BUILD)/debug/mpdisk

LINT_C += $(wildcard tests/system/vhost_*.[ch])

SUITES += $(addprefix tests/system/,cli vhost shared mount-life unmount user-mount device-gone hostile-port bad-image main-job posix programs power-cut)
TIMEOUTS += main-job=1500 posix=1200 programs=900 power-cut=1500
