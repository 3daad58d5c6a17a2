/* SPDX-License-Identifier: BSD-2-Clause */
/* What the core calls of its platform, in the order of struct plat.calls: the core in a pool knows
 * no addresses, but has a struct plat (code/head.S). Also included by assembler. */
#ifdef MPDISK_DEBUG
#define PLAT_DEBUG_CALLS(call)                                                                     \
	call(plat_cut) call(plat_debug_edit) call(plat_debug_save) call(plat_debug_end)            \
		call(plat_debug_touch)
#else
#define PLAT_DEBUG_CALLS(call)
#endif
#define PLAT_CALLS(call)                                                                           \
	call(plat_blocks) call(plat_read_only) call(plat_io_submit) call(plat_io_wait)             \
		call(plat_now) call(plat_ms) call(plat_wait) call(plat_wake) call(plat_yield)      \
			call(plat_copy) call(plat_zero) call(plat_crc32c) call(plat_log)           \
				call(plat_random) call(plat_panic) PLAT_DEBUG_CALLS(call)
