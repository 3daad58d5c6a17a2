/* SPDX-License-Identifier: BSD-2-Clause */
/* The device's log: bytes of its UART, line by line to stdout and to DIR/uart.log. */
#ifndef MPDISK_SIM_DEVLOG_H
#define MPDISK_SIM_DEVLOG_H

#include <stdbool.h>
#include <stdint.h>

struct devlog;

/* path NULL: no file. Prints what is wrong. */
int devlog_open(const char *path, bool quiet, struct devlog **out);
void devlog_byte(struct devlog *log, uint8_t byte);
/* Shows the last line even if it has no end. */
void devlog_close(struct devlog *log);

#endif
