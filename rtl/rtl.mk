# SPDX-License-Identifier: BSD-2-Clause
# The device: generated registers, lint, benches.

.PHONY: generate check-generated
# Register headers and tables are checked in; this writes them again.
generate:
	rtl/regs/generate.py
check-generated:
	rtl/regs/generate.py --check
