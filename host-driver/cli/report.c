/* SPDX-License-Identifier: BSD-2-Clause */
/* Messages to stderr or syslog. */
#define _GNU_SOURCE
#include "report.h"

#include <errno.h>
#include <stdbool.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>

static bool use_syslog;

void report(int priority, const char *format, ...)
{
	char line[512];
	va_list args;

	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	if (use_syslog)
		syslog(priority, "%s", line);
	else
		fprintf(stderr, "mpdisk: %s\n", line);
}

void report_to_syslog(void)
{
	openlog("mpdisk", LOG_PID, LOG_DAEMON);
	use_syslog = true;
}

const char *error_text(int error)
{
	static _Thread_local char text[128];
	const int number = error < 0 ? -error : error;
	const char *name = strerrorname_np(number);

	if (!name)
		snprintf(text, sizeof(text), "error %d", number);
	else
		snprintf(text, sizeof(text), "%s (%s)", strerrordesc_np(number), name);
	return text;
}
