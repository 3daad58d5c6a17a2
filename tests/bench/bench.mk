# SPDX-License-Identifier: BSD-2-Clause
# `make bench`: what an operation costs on the simulated device, and how fast the simulation is.

BENCH_HOST := $(BUILD)/bench/device-host
$(BENCH_HOST): $(wildcard tests/bench/device/*.c) tests/bench/device/host.h \
		$(patsubst %,$(BUILD)/host-driver/fuse/%.o,port_attach port_client port_slots) \
		$(BUILD)/host-driver/liblink.a
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_BASE) -pthread -o $@ $(filter %.c %.o %.a,$^)

LINT_C += $(wildcard tests/bench/device/*.[ch])

bench-device: $(BENCH_HOST) $(BUILD)/mpdisk-sim $(BUILD)/firmware/firmware.hex ## cycles per operation of the simulated device
	@BUILD=$(BUILD) tests/bench/run

bench: bench-device
.PHONY: bench-device
