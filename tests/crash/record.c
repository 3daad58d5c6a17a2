/* SPDX-License-Identifier: BSD-2-Clause */
/* The medium of a crash test: memory, and the record of what was written and flushed. */
#define _GNU_SOURCE
#include <sys/mman.h>
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

static void keep_old(u32 block)
{
	struct undo *undo;

	if (medium.level_of[block] == medium.level)
		return;
	grow((void **)&medium.undo, &medium.undo_capacity, medium.nundo, sizeof(*undo));
	undo = &medium.undo[medium.nundo++];
	undo->block = block;
	undo->level = medium.level_of[block];
	memcpy(undo->old, medium.image + (size_t)block * 4096, 4096);
	medium.level_of[block] = medium.level;
}

static void record_write(void *arg, blkno_t block, u32 count, const void *data)
{
	(void)arg;
	for (u32 i = 0; i < count; i++) {
		struct event *e = event_add(EVENT_WRITE);

		keep_old((u32)block + i);
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

static void undo_write(void *arg, blkno_t block, u32 count, const void *data)
{
	(void)arg;
	(void)data;
	for (u32 i = 0; i < count; i++)
		keep_old((u32)block + i);
}

static void undo_flush(void *arg)
{
	(void)arg;
}

u32 medium_mark(void)
{
	medium.level++;
	return medium.nundo;
}

void medium_undo(u32 mark)
{
	while (medium.nundo > mark) {
		const struct undo *undo = &medium.undo[--medium.nundo];

		memcpy(medium.image + (size_t)undo->block * 4096, undo->old, 4096);
		medium.level_of[undo->block] = undo->level;
	}
	medium.level--;
}

void medium_write(const struct event *event, u32 sectors)
{
	if (sectors)
		keep_old(event->block);
	for (u32 i = 0; i < 8; i++)
		if (sectors >> i & 1)
			memcpy(medium.image + (size_t)event->block * 4096 + i * 512,
			       event->data + i * 512, 512);
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

void medium_file_make(struct medium_file *file, u32 blocks)
{
	file->fd = memfd_create("medium", 0);
	file->blocks = blocks;
	if (file->fd < 0 || ftruncate(file->fd, (off_t)blocks * 4096) != 0)
		crash_fail("no memory");
	file->bytes =
		mmap(NULL, (size_t)blocks * 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file->fd, 0);
	if (file->bytes == MAP_FAILED)
		crash_fail("no memory");
}

void medium_save(struct medium_file *file)
{
	snprintf(file->path, sizeof(file->path), "/proc/%d/fd/%d", (int)getpid(), file->fd);
	for (size_t at = 0; at < (size_t)medium.blocks * 4096; at += 4096)
		if (memcmp(file->bytes + at, medium.image + at, 4096) != 0)
			memcpy(file->bytes + at, medium.image + at, 4096);
}
