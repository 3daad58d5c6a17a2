// SPDX-License-Identifier: BSD-2-Clause
/* The device's log on the UART: one line at a time, with the time since reset. */
#include "platform/soc/soc.h"

#include <stdarg.h>
#include <string.h>

void soc_putc(char c)
{
	while (SOC_REG(UART, STATUS) & UART_STATUS_TX_FULL_MASK)
		;
	SOC_REG(UART, TX) = (u8)c;
}

static void soc_puts(const char *s)
{
	while (*s)
		soc_putc(*s++);
}

static void put_padded(const char *digits, u32 len, u32 width, char pad, bool negative)
{
	u32 i, total = len + negative;

	if (negative && pad == '0')
		soc_putc('-');
	for (i = total; i < width; i++)
		soc_putc(pad);
	if (negative && pad != '0')
		soc_putc('-');
	for (i = 0; i < len; i++)
		soc_putc(digits[i]);
}

static void put_number(u64 value, u32 base, u32 width, char pad, bool negative)
{
	char digits[20];
	u32 at = sizeof(digits);

	do {
		/* a 64-bit division is a library call of a thousand cycles: rarely needed */
		const u32 digit = value >> 32 ? (u32)(value % base) : (u32)value % base;

		digits[--at] = (char)(digit < 10 ? '0' + digit : 'a' + digit - 10);
		value = value >> 32 ? value / base : (u32)value / base;
	} while (value);
	put_padded(digits + at, (u32)sizeof(digits) - at, width, pad, negative);
}

/* One conversion behind '%'; returns the character behind it. */
static const char *put_conversion(const char *fmt, va_list *args)
{
	u32 width = 0, longs = 0;
	char pad = ' ';

	if (*fmt == '0')
		pad = *fmt++;
	while (*fmt >= '0' && *fmt <= '9')
		width = width * 10 + (u32)(*fmt++ - '0');
	if (fmt[0] == '.' && fmt[1] == '*') { /* %.*s */
		const int max = va_arg(*args, int);
		const char *s = va_arg(*args, const char *);
		int i;

		for (i = 0; i < max && s[i]; i++)
			soc_putc(s[i]);
		return fmt + 3;
	}
	for (; *fmt == 'l' || *fmt == 'z'; fmt++)
		longs += *fmt == 'l';
	if (*fmt == 's') {
		const char *s = va_arg(*args, const char *);

		put_padded(s, (u32)strlen(s), width, ' ', false);
	} else if (*fmt == 'c') {
		soc_putc((char)va_arg(*args, int));
	} else if (*fmt == 'd' || *fmt == 'i') {
		const s64 value = longs > 1 ? va_arg(*args, s64) : va_arg(*args, s32);

		put_number(value < 0 ? -(u64)value : (u64)value, 10, width, pad, value < 0);
	} else if (*fmt == 'u' || *fmt == 'x') {
		const u64 value = longs > 1 ? va_arg(*args, u64) : va_arg(*args, u32);

		put_number(value, *fmt == 'x' ? 16 : 10, width, pad, false);
	} else if (*fmt == 'p') {
		put_number(va_arg(*args, u32), 16, 8, '0', false);
	} else {
		soc_putc(*fmt);
	}
	return *fmt ? fmt + 1 : fmt;
}

void plat_log(struct plat *plat, enum plat_level level, const char *fmt, ...)
{
	va_list args;
	u64 ms;

	if (level == PLAT_DEBUG)
		return;
	ms = plat_ms(plat);
	soc_putc('[');
	put_number((u32)(ms / 1000), 10, 5, ' ', false);
	soc_putc('.');
	put_number((u32)(ms % 1000), 10, 3, '0', false);
	soc_puts(level == PLAT_ERR ? "] error: " : level == PLAT_WARN ? "] warning: " : "] ");
	va_start(args, fmt);
	while (*fmt) {
		if (*fmt != '%') {
			soc_putc(*fmt++);
			continue;
		}
		fmt = put_conversion(fmt + 1, &args);
	}
	va_end(args);
	soc_putc('\n');
}

void plat_panic(struct plat *plat, const char *what, const char *file, int line)
{
	u32 p;

	/* no host may go on reading or writing what is not looked after any more */
	for (p = 0; p < (SOC_REG(SYS, CONFIG) & SYS_CONFIG_PORTS_MASK); p++)
		*(volatile u32 *)(PORT_DEVICE_BASE + p * PORT_DEVICE_STRIDE + PORT_DEVICE_CTRL) =
			PORT_DEVICE_CTRL_FENCE_MASK;
	plat_log(plat, PLAT_ERR, "panic: %s (%s:%d)", what, file, line);
	SOC_REG(INTC, ENABLE) = 0;
	for (;;)
		(void)SOC_REG(INTC, WAIT); /* sleeps for good */
}
