# SPDX-License-Identifier: BSD-2-Clause
# Builds, tests and runs mpdisk. Each folder says in its own *.mk what it adds.
#
# A fragment hangs its targets on the common ones by prerequisites (`all: $(BUILD)/mpdisk`,
# `lint: lint-rtl`, `bench: bench-sim`, `check-generated: check-registers`) and adds to:
#   SUITES    test programs for `make test` (tests/README.md); built ones lie below $(BUILD)
#   ALONE     those of SUITES that must have the machine to themselves
#   TIMEOUTS  suite-name=seconds, where the default of tests/run is too short
#   LINT_C    C sources and headers that `make format` and `make lint` look at
# It may run before `make deps`: use $(shell ...) on installed tools only in recursive (=) variables.

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules

BUILD := build
CC := gcc
CFLAGS_BASE := -std=gnu11 -O2 -g -Wall -Wextra -Werror -Wmissing-prototypes -Wvla -Wshadow
JOBS ?= $(shell nproc)
SUDO := $(if $(filter 0,$(shell id -u)),,sudo)

SUITES :=
ALONE :=
TIMEOUTS :=
LINT_C :=

include $(sort $(wildcard */*.mk */*/*.mk))

help: ## list the targets
	@echo 'make TARGET, with root or sudo for deps, run, test, bench and soak:'
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1\t\2/p' $(filter %.mk Makefile,$(MAKEFILE_LIST)) | expand -t 20

all: ## build everything

# The packages of Debian 12 that are used, and nothing is fetched when all are there.
PACKAGES := gcc g++ make pkg-config libfuse3-dev fuse3 fuse2fs bindfs zlib1g-dev e2fsprogs util-linux attr acl \
	git sqlite3 rsync fio dbench fsmark stress-ng \
	qemu-system-x86 qemu-system-common cpio linux-source-6.1 flex bison bc \
	patch busybox iproute2 ocfs2-tools gnuplot-nox \
	python3 python3-venv xz-utils psmisc verilator yosys gcc-riscv64-unknown-elf \
	picolibc-riscv64-unknown-elf clang-format shellcheck
VENV := $(BUILD)/venv
REQUIREMENTS := tests/requirements.txt

deps: $(BUILD)/deps.stamp ## install what is missing: Debian packages, and PyPI packages into build/venv

$(BUILD)/deps.stamp: Makefile $(REQUIREMENTS)
	@mkdir -p $(BUILD)
	@missing=; for p in $(PACKAGES); do \
		[ "$$(dpkg-query -W -f '$${db:Status-Status}' $$p 2>/dev/null)" = installed ] || \
			missing="$$missing $$p"; \
	done; \
	if [ -n "$$missing" ]; then \
		echo "deps: installing$$missing"; \
		$(SUDO) apt-get -qq update && \
		$(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get -qq -y \
			--no-install-recommends install $$missing; \
	fi
	@if ! cmp -s $(REQUIREMENTS) $(VENV)/installed.txt; then \
		echo 'deps: $(REQUIREMENTS) into $(VENV)'; rm -rf $(VENV) && \
		python3 -m venv $(VENV) && \
		$(VENV)/bin/pip -q --disable-pip-version-check install --no-deps \
			--require-hashes -r $(REQUIREMENTS) && \
		cp $(REQUIREMENTS) $(VENV)/installed.txt; \
	fi
	@touch $@

# run, test, bench and soak start a second make after deps: what it reads may just have been installed.
run: deps ## the main job: four hosts work on one simulated device, and the result is checked (KEEP=1)
	@$(MAKE) --no-print-directory -j$(JOBS) all
	@$(SUDO) env BUILD=$(BUILD) KEEP=$(KEEP) tests/system/run-main

test: deps ## build and run all tests; the last line is the total
	@$(MAKE) --no-print-directory -j$(JOBS) all suites
	@$(SUDO) tests/run --logs $(BUILD)/test-logs $(addprefix --alone ,$(ALONE)) \
		$(addprefix --timeout ,$(TIMEOUTS)) $(SUITES)

suites: $(SUITES)

bench: ## measure; needs a quiet machine

soak: deps ## crash points, deaths, generator; then the main job until it fails or ROUNDS (default 20) are done
	@$(MAKE) --no-print-directory -j$(JOBS) all
	@$(MAKE) --no-print-directory -j$(JOBS) $(BUILD)/tests/posix-suite
	@$(SUDO) env BUILD=$(BUILD) LONG=1 tests/system/posix ext4 shared
	@$(SUDO) env BUILD=$(BUILD) SCALE=5 tests/system/programs
	@$(SUDO) env BUILD=$(BUILD) tests/system/soak $(or $(ROUNDS),20)

check-generated: ## fail if checked-in generated files differ from their source

SHELL_SCRIPTS := $(shell grep -lE '^\#!/bin/(ba|busybox )?sh' .ci/run tests/* tests/*/* tests/*/*/* \
	host-driver/*/* host-driver/*/*/* firmware/*/* firmware/*/*/* firmware/*/*/*/* 2>/dev/null)

lint: check-generated lint-format lint-shell ## all static checks

lint-format:
	clang-format --dry-run -Werror $(sort $(LINT_C))

lint-shell:
	shellcheck -x -e SC2317 $(SHELL_SCRIPTS)

format: ## clang-format every C file
	clang-format -i $(sort $(LINT_C))

clean: ## remove what was built, but not what deps fetched
	@if [ -d $(BUILD) ]; then find $(BUILD) -mindepth 1 -maxdepth 1 ! -name venv \
		! -name packages ! -name deps.stamp -exec rm -rf {} +; fi

.PHONY: help all deps run test suites bench soak check-generated lint lint-format lint-shell \
	format clean
