# SPDX-License-Identifier: BSD-2-Clause
# Shared mode in UML kernels: `make uml` builds the kernel, once, and mpdisk.ko for it.
#
# UML_BUILD may be a folder that several work trees share.

UML_BUILD ?= $(BUILD)/uml
UML_INPUTS := $(wildcard host-driver/linux/uml/*)
UML := $(UML_BUILD)/linux
# MODULE_DEBUG: the variant of the module with checked locks, which is made by the same rules.
MODULE_DEBUG ?=
MODULE_DIR := $(BUILD)/linux$(and $(MODULE_DEBUG),-debug)
MODULE := $(MODULE_DIR)/mpdisk.ko

# The kernel. What it was built from is compared by content: a checkout changes times.
$(UML): $(UML_INPUTS)
	host-driver/linux/uml/build $(UML_BUILD)

# The core, as it is in every other program, for any address in a kernel: nothing of the machine's.
MODULE_CORE_FLAGS := $(CFLAGS_BASE) -ffreestanding -fno-strict-aliasing -fPIE -fvisibility=hidden \
	-fno-stack-protector -fcf-protection=none -fno-asynchronous-unwind-tables -g0 -Ifirmware -I. $(MODULE_DEBUG)
MODULE_CORE_OBJ := $(patsubst firmware/%.c,$(MODULE_DIR)/objects/%.o,$(filter-out \
	%/port/port.c %/port/slots.c %/port/attach.c %/port/fuse_%.c $(if $(MODULE_DEBUG),,%/pool/deadlock.c),$(CORE_SRC)))

$(MODULE_DIR)/objects/%.o: firmware/%.c host-driver/linux/linux.mk
	@mkdir -p $(@D)
	$(CC) $(MODULE_CORE_FLAGS) -MMD -MP -c -o $@ $<

$(MODULE_DIR)/core.o: $(MODULE_CORE_OBJ) $(wildcard firmware/platform/uml/code/*) firmware/platform/uml/calls.h
	CC='$(CC)' FLAGS='$(MODULE_CORE_FLAGS)' firmware/platform/uml/code/make $(MODULE_DIR) $(MODULE_CORE_OBJ)
	@touch $(MODULE_DIR)/.core.o.cmd

-include $(MODULE_CORE_OBJ:.o=.d)

MODULE_SRC := $(sort $(wildcard host-driver/linux/*.c firmware/platform/uml/*.c)) \
	firmware/platform/posix/fifo.c
MODULE_HDR := $(wildcard host-driver/linux/*.h firmware/platform/uml/*.h firmware/platform/uml/*/*.h)
MODULE_LINKS := $(MODULE_SRC:%=$(MODULE_DIR)/%)

$(MODULE): $(UML) $(MODULE_SRC) $(MODULE_HDR) $(MODULE_DIR)/core.o host-driver/linux/Kbuild
	@ln -sf $(addprefix $(CURDIR)/,$(MODULE_SRC) host-driver/linux/Kbuild) $(MODULE_DIR)
	+$(MAKE) --no-print-directory -C $(UML_BUILD)/obj ARCH=um M=$(abspath $(MODULE_DIR)) \
		MPDISK_TOP=$(CURDIR) MPDISK_FLAGS='$(MODULE_DEBUG)' \
		MPDISK_OBJECTS='$(notdir $(MODULE_SRC:.c=.o))' modules

ifeq ($(MODULE_DEBUG),)
MODULE_CHECKED := $(BUILD)/linux-debug/mpdisk.ko
$(MODULE_CHECKED): $(UML) FORCE
	@$(MAKE) --no-print-directory MODULE_DEBUG=-DMPDISK_DEBUG $@
.PHONY: FORCE
endif

uml: deps ## a User-Mode Linux kernel and mpdisk.ko, the filesystem in shared mode, for it
	@$(MAKE) --no-print-directory $(MODULE)

LINT_C += $(MODULE_SRC) $(MODULE_HDR) firmware/platform/uml/code/mem.c
.PHONY: uml
