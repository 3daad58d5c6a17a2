# SPDX-License-Identifier: BSD-2-Clause
# Guests for the tests: Debian's own kernels, which nobody has to install, each with an initrd of
# busybox, the modules it needs and an agent that runs what tests/system/guests/on tells it.

GUESTS := $(BUILD)/guests
GUEST_PACKAGES := $(BUILD)/packages
# `on` lies beside the programs that start others in guests by it.
GUEST_PROGRAMS := $(GUESTS)/agent $(BUILD)/tests/system/on

# Fetched and unpacked, but not installed: a kernel would become this machine's next one.
deps: $(GUEST_PACKAGES)/stamp

$(GUEST_PACKAGES)/stamp: tests/system/guests/fetch $(BUILD)/deps.stamp
	@SUDO=$(SUDO) tests/system/guests/fetch $(GUEST_PACKAGES)
	@touch $@

$(GUESTS)/agent: tests/system/guests/agent.c
$(BUILD)/tests/system/on: tests/system/guests/on.c
$(GUEST_PROGRAMS): tests/system/guests/wire.h
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_BASE) -static -o $@ $(filter %.c,$^)

# In the order in which they are loaded.
uml_MODULES := fuse virtiofs
qemu_MODULES := virtio_ring virtio virtio_pci_legacy_dev virtio_pci_modern_dev virtio_pci virtio_console \
	fuse virtiofs

$(GUESTS)/%.cpio: tests/system/guests/initrd tests/system/guests/init $(GUESTS)/agent $(GUEST_PACKAGES)/stamp
	tests/system/guests/initrd $(GUEST_PACKAGES)/$* $(GUEST_PACKAGES)/busybox/bin/busybox $(GUESTS)/agent \
		$@ $($*_MODULES)

all: guests

guests: $(GUEST_PROGRAMS) $(GUESTS)/uml.cpio $(GUESTS)/qemu.cpio ## the guests of the tests

LINT_C += $(addprefix tests/system/guests/,agent.c on.c wire.h)

SUITES += tests/system/guest-pool tests/system/guest-device
TIMEOUTS += guest-pool=1200 guest-device=1200

.PHONY: guests
