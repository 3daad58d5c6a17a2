// SPDX-License-Identifier: BSD-2-Clause
/* Time, log, random numbers and bulk memory from the kernel. */
#include <linux/ktime.h>
#include <linux/panic.h>
#include <linux/printk.h>
#include <linux/random.h>
#include <linux/string.h>
#include <linux/timekeeping.h>

#include "platform/uml/private.h"

#include "format/crc32c.h"
#include "platform/uml/host.h"

void plat_now(struct plat *plat, struct plat_time *now)
{
	struct timespec64 ts;

	ktime_get_real_ts64(&ts);
	now->sec = ts.tv_sec;
	now->nsec = (u32)ts.tv_nsec;
}

/* The same clock for every host of the machine: words of the pool are compared with it. */
u64 plat_ms(struct plat *plat)
{
	u64 now = (u64)ktime_to_ms(ktime_get());

	if (!plat->clock_ms)
		plat->clock_ms = (s64)(host_ms() - now);
	return now + (u64)plat->clock_ms;
}

void plat_copy(struct plat *plat, void *dst, const void *src, u32 len)
{
	memmove(dst, src, len);
}

void plat_zero(struct plat *plat, void *dst, u32 len)
{
	memset(dst, 0, len);
}

u32 plat_crc32c(struct plat *plat, u32 crc, const void *data, u32 len)
{
	return crc32c(crc, data, len);
}

void plat_log(struct plat *plat, enum plat_level level, const char *fmt, ...)
{
	static const char *const levels[] = {KERN_ERR, KERN_WARNING, KERN_INFO, KERN_DEBUG};
	struct va_format vaf;
	va_list args;

	va_start(args, fmt);
	vaf.fmt = fmt;
	vaf.va = &args;
	printk("%smpdisk: %pV\n", levels[level], &vaf);
	va_end(args);
}

u32 plat_random(struct plat *plat)
{
	return get_random_u32();
}

void plat_panic(struct plat *plat, const char *what, const char *file, int line)
{
	panic("mpdisk: %s (%s:%d)", what, file, line);
}

#ifdef MPDISK_DEBUG
/* Of a pool that others share it cannot be told who has changed a byte: as in posix/debug.c. */
void plat_debug_edit(struct plat *plat, u32 executor, ref_t frame, bool alone)
{
}

void plat_debug_save(struct plat *plat, u32 executor, ref_t ref, u32 len)
{
}

void plat_debug_end(struct plat *plat, u32 executor)
{
}

void plat_debug_touch(struct plat *plat, ref_t frame)
{
}

void plat_cut(struct plat *plat)
{
	panic("mpdisk: an executor was to die");
}
#endif
