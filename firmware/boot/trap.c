// SPDX-License-Identifier: BSD-2-Clause
/* A trap is a bug of the firmware: says where, and stops the device. */
#include "boot/boot.h"
#include "platform/soc/fiber.h"
#include "platform/soc/soc.h"

u32 trap_registers[32];

void trap_report(u32 cause, u32 pc, u32 value)
{
	u32 i;

	soc_putc('\n');
	plat_log(&soc, PLAT_ERR, "trap: cause %u at %08x, value %08x, fiber %u", cause, pc, value,
		 fiber_current());
	for (i = 1; i < 32; i += 4)
		plat_log(&soc, PLAT_ERR, "x%02u %08x %08x %08x %08x", i, trap_registers[i],
			 trap_registers[i + 1], trap_registers[i + 2],
			 i + 3 < 32 ? trap_registers[i + 3] : 0);
	plat_panic(&soc, "trap", "firmware", 0);
}
