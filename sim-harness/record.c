// SPDX-License-Identifier: BSD-2-Clause
/* Recordings as files: a header, then events, little-endian as they are in memory. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus.h"
#include "record.h"

struct record {
	FILE *file;
	char path[4096];
};

uint64_t hash_bytes(uint64_t hash, const void *data, size_t len)
{
	const uint8_t *p = data;
	uint64_t v;

	for (; len >= 8; len -= 8, p += 8) {
		memcpy(&v, p, 8);
		hash = hash_mix(hash, v);
	}
	v = 0;
	memcpy(&v, p, len);
	return len ? hash_mix(hash, v ^ (uint64_t)len << 56) : hash;
}

static int open_file(const char *path, const char *mode, struct record **out)
{
	struct record *r = calloc(1, sizeof(*r));

	*out = NULL;
	if (!r)
		return -ENOMEM;
	snprintf(r->path, sizeof(r->path), "%s", path);
	r->file = fopen(path, mode);
	if (!r->file) {
		int err = -errno;

		fprintf(stderr, "mpdisk-sim: %s: %s\n", path, strerror(-err));
		free(r);
		return err;
	}
	setvbuf(r->file, NULL, _IOFBF, 1 << 20);
	*out = r;
	return 0;
}

int record_create(const char *path, const struct record_header *header, struct record **out)
{
	int err = open_file(path, "wbe", out);

	if (!err)
		fwrite(header, sizeof(*header), 1, (*out)->file);
	return err;
}

int record_open(const char *path, struct record_header *header, struct record **out)
{
	int err = open_file(path, "rbe", out);

	if (err)
		return err;
	if (fread(header, sizeof(*header), 1, (*out)->file) != 1 || header->magic != RECORD_MAGIC ||
	    header->ports < 1 || header->ports > SIM_PORTS_MAX) {
		fprintf(stderr, "mpdisk-sim: %s: not a recording of mpdisk-sim\n", path);
		record_close(*out);
		*out = NULL;
		return -EBADMSG;
	}
	return 0;
}

int record_close(struct record *r)
{
	int err;

	if (!r)
		return 0;
	err = ferror(r->file) ? -EIO : 0;
	if (fclose(r->file))
		err = -EIO;
	if (err)
		fprintf(stderr, "mpdisk-sim: %s: could not be written to its end\n", r->path);
	free(r);
	return err;
}

void record_put(struct record *r, const struct record_event *event, const uint32_t *data)
{
	fwrite(event, sizeof(*event), 1, r->file);
	if (event->type == RECORD_WRITE)
		fwrite(data, 4, event->words, r->file);
}

int record_get(struct record *r, struct record_event *event, uint32_t *data)
{
	size_t n = fread(event, 1, sizeof(*event), r->file);

	if (n == 0)
		return 0;
	if (n != sizeof(*event) || event->port >= SIM_PORTS_MAX || event->type < RECORD_READ ||
	    event->type > RECORD_END)
		return -EBADMSG;
	if (event->type <= RECORD_WRITE && (event->words < 1 || event->words > BUS_WORDS))
		return -EBADMSG;
	if (event->type == RECORD_WRITE && fread(data, 4, event->words, r->file) != event->words)
		return -EBADMSG;
	return 1;
}
