/* SPDX-License-Identifier: BSD-2-Clause */
/* The medium of a crash test: memory, and the record of what was written and flushed. */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/crash/crash.h"

struct medium medium;

static void grow(void **list, u32 *capacity, u32 used, size_t size)
{
	if (used < *capacity)
		return;
	*capacity = *capacity ? *capacity * 2 : 1024;
	*list = realloc(*list, *capacity * size);
	if (!*list)
		crash_fail("no memory");
}

static struct event *event_add(enum event_kind kind)
{
	struct event *e;

	grow((void **)&medium.events, &medium.capacity, medium.nevents, sizeof(*e));
	e = &medium.events[medium.nevents++];
	*e = (struct event){.kind = kind, .started = medium.started, .synced = medium.synced};
	return e;
}

static void record_write(void *arg, blkno_t block, u32 count, const void *data)
{
	(void)arg;
	for (u32 i = 0; i < count; i++) {
		struct event *e = event_add(EVENT_WRITE);

		e->block = (u32)block + i;
		e->data = malloc(4096);
		memcpy(e->data, (const u8 *)data + (size_t)i * 4096, 4096);
	}
}

static void record_flush(void *arg)
{
	(void)arg;
	event_add(EVENT_FLUSH);
}

static void undo_note(u32 block)
{
	if (medium.touched[block])
		return;
	grow((void **)&medium.undo, &medium.undo_capacity, medium.nundo, sizeof(*medium.undo));
	medium.touched[block] = 1;
	medium.undo[medium.nundo].block = block;
	memcpy(medium.undo[medium.nundo++].old, medium.image + (size_t)block * 4096, 4096);
}

static void undo_write(void *arg, blkno_t block, u32 count, const void *data)
{
	(void)arg;
	(void)data;
	for (u32 i = 0; i < count; i++)
		undo_note((u32)block + i);
}

static void undo_flush(void *arg)
{
	(void)arg;
}

void medium_undo_to(u32 n)
{
	while (medium.nundo > n) {
		u32 block = medium.undo[--medium.nundo].block;

		memcpy(medium.image + (size_t)block * 4096, medium.undo[medium.nundo].old, 4096);
		medium.touched[block] = 0;
	}
}

void medium_undo(void)
{
	medium_undo_to(0);
}

void medium_write(const struct event *event, u32 sectors)
{
	for (u32 i = 0; i < 8; i++)
		if (sectors >> i & 1)
			memcpy(medium.image + (size_t)event->block * 4096 + i * 512,
			       event->data + i * 512, 512);
}

void medium_put(const struct event *event, u32 sectors)
{
	undo_note(event->block);
	medium_write(event, sectors);
}

void medium_record(struct plat *plat)
{
	medium.record = (struct plat_posix_watch){record_write, record_flush, NULL};
	plat_posix_watch(plat, &medium.record);
}

void medium_undoing(struct plat *plat)
{
	medium.undo_watch = (struct plat_posix_watch){undo_write, undo_flush, NULL};
	plat_posix_watch(plat, &medium.undo_watch);
}

void medium_begin(void)
{
	for (u32 i = 0; i < medium.nevents; i++)
		free(medium.events[i].data);
	medium.nevents = 0;
}

static void transfer(const char *path, int flags)
{
	int fd = open(path, flags, 0600);
	size_t left = (size_t)medium.blocks * 4096, at = 0;

	while (fd >= 0 && left) {
		ssize_t n = flags == O_RDONLY ? read(fd, medium.image + at, left)
					      : write(fd, medium.image + at, left);

		if (n <= 0)
			crash_fail("%s cannot be read or written", path);
		at += (size_t)n;
		left -= (size_t)n;
	}
	if (fd < 0)
		crash_fail("%s cannot be opened", path);
	close(fd);
}

void medium_load(const char *path)
{
	struct stat st;

	if (stat(path, &st) != 0)
		crash_fail("%s cannot be opened", path);
	medium.blocks = (u32)(st.st_size / 4096);
	medium.image = malloc((size_t)medium.blocks * 4096);
	medium.touched = calloc(medium.blocks, 1);
	transfer(path, O_RDONLY);
}

void medium_save(const char *path)
{
	transfer(path, O_WRONLY | O_CREAT);
}

void medium_take(const char *path)
{
	u8 *now = malloc((size_t)medium.blocks * 4096);

	memcpy(now, medium.image, (size_t)medium.blocks * 4096);
	transfer(path, O_RDONLY);
	for (u32 b = 0; b < medium.blocks; b++) {
		u8 *p = medium.image + (size_t)b * 4096, new[4096];

		if (memcmp(p, now + (size_t)b * 4096, 4096) == 0)
			continue;
		memcpy(new, p, 4096);
		memcpy(p, now + (size_t)b * 4096, 4096);
		undo_note(b);
		memcpy(p, new, 4096);
	}
	free(now);
}
