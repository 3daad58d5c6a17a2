// SPDX-License-Identifier: BSD-2-Clause
/* The device's log, line by line. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "devlog.h"

struct devlog {
	FILE *file;
	bool quiet;
	size_t len;
	char line[512];
};

int devlog_open(const char *path, bool quiet, struct devlog **out)
{
	struct devlog *log = calloc(1, sizeof(*log));

	*out = NULL;
	if (!log)
		return -ENOMEM;
	log->quiet = quiet;
	if (path) {
		log->file = fopen(path, "we");
		if (!log->file) {
			int err = -errno;

			fprintf(stderr, "mpdisk-sim: %s: %s\n", path, strerror(-err));
			free(log);
			return err;
		}
	}
	*out = log;
	return 0;
}

static void end_line(struct devlog *log)
{
	if (log->file) {
		fprintf(log->file, "%.*s\n", (int)log->len, log->line);
		fflush(log->file);
	}
	if (!log->quiet) {
		printf("device: %.*s\n", (int)log->len, log->line);
		fflush(stdout);
	}
	log->len = 0;
}

void devlog_byte(struct devlog *log, uint8_t byte)
{
	if (byte == '\r')
		return;
	if (byte != '\n')
		log->line[log->len++] = byte >= 0x20 || byte == '\t' ? (char)byte : '?';
	if (byte == '\n' || log->len == sizeof(log->line))
		end_line(log);
}

void devlog_close(struct devlog *log)
{
	if (!log)
		return;
	if (log->len)
		end_line(log);
	if (log->file)
		fclose(log->file);
	free(log);
}
