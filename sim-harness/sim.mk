# SPDX-License-Identifier: BSD-2-Clause
# mpdisk-sim: the verilated device. Two programs of one source: mpdisk-sim for speed, and
# mpdisk-sim-trace with traces and assertions, which the first one starts when it is asked for them.

PORTS ?= 4
SIM_SLOTS := 1024
SIM_MEMORY_MIB := 32
SIM_CLOCK_HZ := 50000000

SIM_DIR := $(BUILD)/sim
SIM_SOURCES := bus calendar clocks devlog input jtag links main record sim stats storage virtual
SIM_HEADERS := $(wildcard sim-harness/*.h) host-driver/link/sim_wire.h rtl/storage/storage_dpi.h \
	firmware/port/port_wire.h $(wildcard firmware/platform/regs/*.h)
SIM_OBJECTS := $(SIM_SOURCES:%=$(SIM_DIR)/%.o)
SIM_CONFIG := -DSIM_PORTS=$(PORTS) -DSIM_SLOTS=$(SIM_SLOTS) -DSIM_MEMORY_MIB=$(SIM_MEMORY_MIB) \
	-DSIM_CLOCK_HZ=$(SIM_CLOCK_HZ)
SIM_VERILATOR = $(VERILATOR) --cc --prefix Vsim_top --flatten --top-module sim_top -Irtl/regs \
	-GPorts=$(PORTS) -GSlots=$(SIM_SLOTS) -GMemoryMiB=$(SIM_MEMORY_MIB) \
	-GClockHz=$(SIM_CLOCK_HZ) $(RTL_WAIVERS)
# Measured: -O3 and -march=native make the model slower than -O2 does.
SIM_CXX_FLAGS := -O2 -fno-pie
SIM_SHARE = $(shell $(VERILATOR) --getenv VERILATOR_ROOT)/include

all: $(BUILD)/mpdisk-sim $(BUILD)/mpdisk-sim-trace

LINT_C += $(wildcard sim-harness/*.c sim-harness/*.h sim-harness/*.cpp) \
	$(wildcard host-driver/link/*.c host-driver/link/*.h) $(wildcard tests/system/link_*.c)

# The model: $(SIM_DIR)/fast and $(SIM_DIR)/trace.
$(SIM_DIR)/fast/Vsim_top.mk: sim-harness/sim_top.sv $(RTL_DEVICE) $(RTL_HEADERS) $(SIM_DIR)/config
	@mkdir -p $(@D)
	$(SIM_VERILATOR) $(RTL_FAST) --Mdir $(@D) sim-harness/sim_top.sv $(RTL_DEVICE) $(VEXRISCV_V)

$(SIM_DIR)/trace/Vsim_top.mk: sim-harness/sim_top.sv $(RTL_DEVICE) $(RTL_HEADERS) $(SIM_DIR)/config
	@mkdir -p $(@D)
	$(SIM_VERILATOR) -O3 --x-assign fast --x-initial fast --assert --trace-fst --trace-structs \
		--Mdir $(@D) sim-harness/sim_top.sv $(RTL_DEVICE) $(VEXRISCV_V)

# Another number of ports is another model.
$(SIM_DIR)/config: FORCE
	@mkdir -p $(@D)
	@echo '$(SIM_CONFIG)' | cmp -s - $@ || echo '$(SIM_CONFIG)' > $@
.PHONY: FORCE
FORCE:

# $(call sim_compile,DIR,FLAGS,OBJECTS): the model as a library, DIR/model.a
sim_compile = $(MAKE) -C $1 -f Vsim_top.mk OPT_FAST='$(SIM_CXX_FLAGS) $2' OPT_SLOW=-O1 \
	OPT_GLOBAL='$(SIM_CXX_FLAGS) $2' Vsim_top__ALL.a $3 > $1/compile.log 2>&1 || \
	{ tail -30 $1/compile.log; exit 1; }; \
	cp $1/Vsim_top__ALL.a $1/model.a && ar rs $1/model.a $(addprefix $1/,$3) 2>/dev/null && \
	sim-harness/edges $1 > $1/edges.h
SIM_RUNTIME := verilated.o verilated_dpi.o verilated_threads.o

# The fast model is compiled for the profile of a training run (sim-harness/train), which makes it a
# quarter faster. PGO=0 leaves that out.
PGO ?= 1
$(SIM_DIR)/fast/model.a: $(SIM_DIR)/fast/Vsim_top.mk $(if $(filter 1,$(PGO)),$(SIM_DIR)/fast/trained)
	rm -f $(@D)/*.o $(@D)/*.a
	$(call sim_compile,$(@D),$(if $(filter 1,$(PGO)),-fprofile-use -Wno-missing-profile),$(SIM_RUNTIME))

$(SIM_DIR)/fast/trained: $(SIM_DIR)/fast/Vsim_top.mk sim-harness/train | $(SIM_OBJECTS) \
		$(BUILD)/firmware/firmware.hex $(BUILD)/link-tool
	rm -f $(@D)/*.o $(@D)/*.a $(@D)/*.gcda
	$(call sim_compile,$(@D),-fprofile-generate,$(SIM_RUNTIME))
	$(SIM_CXX) -isystem $(@D) -c -o $(@D)/train-model.o sim-harness/model.cpp
	$(CXX) -no-pie -fprofile-generate -o $(@D)/mpdisk-sim-train $(SIM_OBJECTS) $(@D)/train-model.o \
		$(@D)/model.a -lpthread
	sim-harness/train $(@D)/mpdisk-sim-train $(BUILD)/firmware/firmware.hex $(BUILD)/link-tool $(@D)/train
	touch $@

$(SIM_DIR)/trace/model.a: $(SIM_DIR)/trace/Vsim_top.mk
	rm -f $(@D)/*.o $(@D)/*.a
	$(call sim_compile,$(@D),,$(SIM_RUNTIME) verilated_fst_c.o)

SIM_CXX = $(CXX) -std=gnu++17 -g -Wall -Wextra -Werror $(SIM_CXX_FLAGS) -isystem $(SIM_SHARE) \
	-isystem $(SIM_SHARE)/vltstd $(SIM_CONFIG)
$(SIM_DIR)/fast/model.o: sim-harness/model.cpp sim-harness/model.h sim-harness/pins.h \
		$(SIM_DIR)/fast/model.a
	$(SIM_CXX) -isystem $(@D) -c -o $@ $<
$(SIM_DIR)/trace/model.o: sim-harness/model.cpp sim-harness/model.h sim-harness/pins.h \
		$(SIM_DIR)/trace/model.a
	$(SIM_CXX) -DSIM_TRACE -isystem $(@D) -c -o $@ $<

$(SIM_DIR)/%.o: sim-harness/%.c $(SIM_HEADERS)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_BASE) -fno-pie -DSIM_BOOT_DEFAULT='"firmware/firmware.hex"' -c -o $@ $<

$(BUILD)/mpdisk-sim: $(SIM_OBJECTS) $(SIM_DIR)/fast/model.o
	$(CXX) -no-pie -o $@ $^ $(SIM_DIR)/fast/model.a -lpthread
$(BUILD)/mpdisk-sim-trace: $(SIM_OBJECTS) $(SIM_DIR)/trace/model.o
	$(CXX) -no-pie -o $@ $^ $(SIM_DIR)/trace/model.a -lz -lpthread

# The link library, as host drivers use it, and its tool.
LINK_SOURCES := host-driver/link/link.c host-driver/link/sim.c
LINK_HEADERS := $(wildcard host-driver/link/*.h)
LINK_LIBRARY := $(BUILD)/host-driver/liblink.a
$(BUILD)/host-driver/link/%.o: host-driver/link/%.c $(LINK_HEADERS)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_BASE) -c -o $@ $<
$(LINK_LIBRARY): $(LINK_SOURCES:%.c=$(BUILD)/%.o)
	ar rcs $@ $^
$(BUILD)/link-tool: $(BUILD)/host-driver/link/link_tool.o $(LINK_LIBRARY)
	$(CC) -o $@ $^ -lpthread
all: $(BUILD)/link-tool

# ---- tests
$(BUILD)/tests/link_wire: tests/system/link_wire.c sim-harness/links.c sim-harness/bus.c \
		$(LINK_SOURCES) $(LINK_HEADERS) $(SIM_HEADERS)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_BASE) -fsanitize=address,undefined -o $@ $(filter %.c,$^) -lpthread
SUITES += $(BUILD)/tests/link_wire tests/system/link_sim
