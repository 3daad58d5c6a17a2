/* SPDX-License-Identifier: BSD-2-Clause */
/* Where messages go: stderr, or syslog once the program is in the background. */
#ifndef MPDISK_REPORT_H
#define MPDISK_REPORT_H

/* priority is one of syslog's LOG_*. One line, without a newline. */
void report(int priority, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* From now on to syslog. */
void report_to_syslog(void);

/* The errno's text with its name: "No medium found (ENOMEDIUM)". Takes either sign. Valid until the
 * thread calls it again. */
const char *error_text(int error);

#endif
