/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * api TMPFS IMAGE POOL: the filesystem in shared mode by its C API (host-driver/lib/mpdisk.h),
 * warm, against the same system calls on a tmpfs; and what a second executor brings.
 *
 * Both sides take turns, slice by slice. Prints "name wall-ns cpu-ns" for each slice; the time is
 * that of one operation, the CPU time that of the threads that did it.
 *
 * TMPFS -: creating alone. With BENCH_PRIVATE (to compare with a variant without undo log and
 * robust locks) that is all there is, on a pool of this process.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "fs/fs.h"
#include "platform/posix/posix.h"
#include "pool/frame.h"
#ifndef BENCH_PRIVATE
#include "mpdisk.h"
#endif

#define SLICES 15
#define NAMES 100u
#define PAGES 256u
#define STATS 40000u
#define READS 20000u
#define CREATES 4000u
#define EXECUTORS 2u

struct worker {
	struct exec x;
	node_t dir;
	node_t file;
	char names[NAMES][16];
	u64 cpu_ns;
	u64 rounds;
};

static struct worker workers[EXECUTORS];
static volatile bool stop;

static void __attribute__((noreturn)) fail(const char *what, int err)
{
	fprintf(stderr, "api: %s: %s\n", what, strerror(err < 0 ? -err : err));
	exit(1);
}

static u64 now_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (u64)ts.tv_sec * 1000000000u + (u64)ts.tv_nsec;
}

/* One slice of something, timed. */
static void slice(const char *name, u32 n, void (*work)(u32 n))
{
	u64 cpu = now_ns(CLOCK_THREAD_CPUTIME_ID), wall = now_ns(CLOCK_MONOTONIC);

	work(n);
	wall = now_ns(CLOCK_MONOTONIC) - wall;
	cpu = now_ns(CLOCK_THREAD_CPUTIME_ID) - cpu;
	printf("%s %.1f %.1f\n", name, (double)wall / n, (double)cpu / n);
}

/* ---- ours */
static struct fs_name name_of(const char *s)
{
	return (struct fs_name){s, (u32)strlen(s)};
}

static void our_stat(u32 n)
{
	struct worker *w = &workers[0];
	struct fs_attr attr;

	for (u32 i = 0; i < n; i++) {
		int err = fs_lookup(&w->x, w->dir, name_of(w->names[i % NAMES]), &attr);

		if (err)
			fail("lookup", err);
	}
}

static void read_page(struct worker *w, u32 page, u8 *buffer)
{
	struct fs_seg segs[FS_IO_SEGS];
	u32 nsegs, at = 0;
	int got = fs_read(&w->x, w->file, (u64)page * 4096, 4096, segs, &nsegs);

	if (got != 4096)
		fail("read", got);
	for (u32 i = 0; i < nsegs; i++) {
		struct frame *f = frame_of(&w->x, segs[i].frame);

		memcpy(buffer + at, (u8 *)frame_data(&w->x, f) + segs[i].offset, segs[i].len);
		at += segs[i].len;
		frame_unpin(&w->x, f);
	}
}

static void our_read(u32 n)
{
	u8 buffer[4096];

	for (u32 i = 0; i < n; i++)
		read_page(&workers[0], i % PAGES, buffer);
}

/* open(O_CREAT), close, unlink */
static void create_unlink(struct worker *w)
{
	struct fs_attr attr;
	int err = fs_mknod(&w->x, w->dir, name_of("new"), S_IFREG | 0644, 0, true, &attr);

	if (!err)
		err = fs_release(&w->x, attr.node);
	if (!err)
		err = fs_unlink(&w->x, w->dir, name_of("new"));
	if (err)
		fail("create and unlink", err);
}

static void our_create(u32 n)
{
	for (u32 i = 0; i < n; i++)
		create_unlink(&workers[0]);
}

static void setup(struct worker *w, u32 number)
{
	struct fs_attr attr;
	struct fs_seg seg;
	struct frame *frame;
	char dir[16];
	u64 pos;
	int err;

	snprintf(dir, sizeof(dir), "dir%u", number);
	err = fs_mkdir(&w->x, FS_ROOT, name_of(dir), 0755, &attr);
	w->dir = attr.node;
	for (u32 i = 0; !err && i < NAMES; i++) {
		snprintf(w->names[i], sizeof(w->names[i]), "name-%03u", i);
		err = fs_mknod(&w->x, w->dir, name_of(w->names[i]), S_IFREG | 0644, 0, false,
			       &attr);
	}
	if (err)
		fail("setup", err);
	w->file = attr.node;
	for (u32 i = 0; i < PAGES; i++) {
		err = frame_alloc(&w->x, &frame);
		if (err)
			fail("frame", err);
		memset(frame_data(&w->x, frame), (int)i, 4096);
		seg = (struct fs_seg){frame_no(&w->x, frame), 0, 4096};
		pos = (u64)i * 4096;
		err = fs_write(&w->x, w->file, &pos, 0, &seg, 1);
		if (err != 4096)
			fail("write", err);
		frame_unpin(&w->x, frame_of(&w->x, seg.frame));
	}
}

/* ---- tmpfs */
static int tmp_dir, tmp_file;

static void tmp_stat(u32 n)
{
	struct stat st;

	for (u32 i = 0; i < n; i++)
		if (fstatat(tmp_dir, workers[0].names[i % NAMES], &st, 0))
			fail("stat", errno);
}

static void tmp_read(u32 n)
{
	u8 buffer[4096];

	for (u32 i = 0; i < n; i++)
		if (pread(tmp_file, buffer, 4096, i % PAGES * 4096) != 4096)
			fail("pread", errno);
}

static void tmp_create(u32 n)
{
	for (u32 i = 0; i < n; i++) {
		int fd = openat(tmp_dir, "new", O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0644);

		if (fd < 0 || close(fd) || unlinkat(tmp_dir, "new", 0))
			fail("open, close, unlink", errno);
	}
}

static void tmp_setup(const char *path)
{
	u8 page[4096];

	tmp_dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (tmp_dir < 0)
		fail(path, errno);
	for (u32 i = 0; i < NAMES; i++) {
		tmp_file = openat(tmp_dir, workers[0].names[i], O_CREAT | O_RDWR, 0644);
		if (tmp_file < 0)
			fail("open", errno);
		if (i + 1 < NAMES)
			close(tmp_file);
	}
	for (u32 i = 0; i < PAGES; i++) {
		memset(page, (int)i, sizeof(page));
		if (pwrite(tmp_file, page, 4096, i * 4096) != 4096)
			fail("pwrite", errno);
	}
}

/* ---- executors at the same time */
/* Create, look up, read, unlink: in a directory that no other uses. */
static void *mixed_main(void *arg)
{
	struct worker *w = arg;
	u64 cpu = now_ns(CLOCK_THREAD_CPUTIME_ID);
	struct fs_attr attr;
	u8 buffer[4096];

	for (w->rounds = 0; !stop; w->rounds++) {
		create_unlink(w);
		for (u32 i = 0; i < 4; i++) {
			int err = fs_lookup(&w->x, w->dir,
					    name_of(w->names[(w->rounds + i) % NAMES]), &attr);

			if (err)
				fail("lookup", err);
			read_page(w, (u32)(w->rounds + i) % PAGES, buffer);
		}
	}
	w->cpu_ns = now_ns(CLOCK_THREAD_CPUTIME_ID) - cpu;
	return NULL;
}

static void together(const char *name, u32 first, u32 n)
{
	pthread_t threads[EXECUTORS];
	u64 wall = now_ns(CLOCK_MONOTONIC), cpu = 0, rounds = 0;

	stop = false;
	for (u32 i = 0; i < n; i++)
		if (pthread_create(&threads[i], NULL, mixed_main, &workers[first + i]))
			fail("thread", EAGAIN);
	usleep(150000);
	stop = true;
	for (u32 i = 0; i < n; i++)
		pthread_join(threads[i], NULL);
	wall = now_ns(CLOCK_MONOTONIC) - wall;
	for (u32 i = 0; i < n; i++) {
		cpu += workers[first + i].cpu_ns;
		rounds += workers[first + i].rounds;
	}
	printf("%s %.1f %.1f\n", name, (double)wall / (double)rounds, (double)cpu / (double)rounds);
}

/* ---- the disk */
#ifdef BENCH_PRIVATE
static struct plat *plat;
static struct pool pool;

static void attach(char **argv)
{
	const u32 size = 64u << 20;
	const struct fs_mount_opts opts = {0};
	int err;

	plat = plat_posix_open(argv[2], false);
	if (!plat)
		fail(argv[2], errno);
	err = pool_format(&pool, plat_posix_pool(plat, size), size);
	if (!err)
		err = exec_join(&pool, plat, 1, &workers[0].x);
	if (!err)
		err = fs_mount(&workers[0].x, &opts);
	if (err)
		fail("mount", err);
}

static void detach(void)
{
	int err = fs_unmount(&workers[0].x);

	if (err)
		fail("unmount", err);
}
#else
static struct mpdisk *disk;

static void attach(char **argv)
{
	const struct mpdisk_options options = {.image = argv[2], .pool = argv[3]};
	int err = mpdisk_open(&options, &disk);

	for (u32 i = 0; !err && i < EXECUTORS; i++)
		err = mpdisk_executor(disk, &workers[i].x);
	if (err)
		fail("attach", err);
}

static void detach(void)
{
	int err;

	for (u32 i = 0; i < EXECUTORS; i++)
		exec_leave(&workers[i].x);
	err = mpdisk_close(disk);
	if (err)
		fail("detach", err);
}
#endif

int main(int argc, char **argv)
{
	const bool all = argc == 4 && strcmp(argv[1], "-") != 0;

	if (argc != 4)
		fail("usage: api TMPFS IMAGE POOL", EINVAL);
	attach(argv);
	setup(&workers[0], 0);
	if (all) {
		setup(&workers[1], 1);
		tmp_setup(argv[1]);
	}
	for (u32 i = 0; i < SLICES; i++) {
		slice("ours-create", CREATES, our_create);
		if (!all)
			continue;
		slice("tmpfs-create", CREATES, tmp_create);
		slice("ours-stat", STATS, our_stat);
		slice("tmpfs-stat", STATS, tmp_stat);
		slice("ours-read", READS, our_read);
		slice("tmpfs-read", READS, tmp_read);
		together("one", 0, 1);
		together("two", 0, 2);
	}
	detach();
	return 0;
}
