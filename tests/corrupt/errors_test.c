/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is found to be wrong is told: the superblock's error fields as dumpe2fs shows them, and what
 * s_errors makes of it.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <time.h>

#include "tests/fs/names_util.h"

#define FEATURES "-O ^has_journal,^resize_inode"
#define NO_CSUM FEATURES ",^metadata_csum"

static void tool(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* A command on the image, "%%s" in fmt; must succeed. */
static void tool(const char *fmt, ...)
{
	char command[512] = PATH, out[2000];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(command + strlen(PATH), sizeof(command) - strlen(PATH), fmt, ap);
	va_end(ap);
	if (fixture_run(out, sizeof(out), command) != 0)
		test_fail(__FILE__, __LINE__, "%s: %s", command, out);
}

/* What dumpe2fs -h says behind a word; "" if it does not say it. */
static const char *shown(const char *word)
{
	static char out[8000], value[200];
	const char *at;

	CHECK_OK(fixture_run(out, sizeof(out), PATH "dumpe2fs -h '%s' 2>/dev/null"));
	at = strstr(out, word);
	value[0] = 0;
	if (at)
		sscanf(at + strlen(word), " %199[^\n]", value);
	return value;
}

static void must_show(const char *word, const char *want)
{
	const char *got = shown(word);

	if (strcmp(got, want))
		test_fail(__FILE__, __LINE__, "%s %s, not %s", word, got, want);
}

static u32 number(const char *word)
{
	const char *value = shown(word);

	CHECK(*value);
	return (u32)strtoul(value, NULL, 10);
}

/* No line of it: none. */
static u32 error_count(void)
{
	return (u32)strtoul(shown("FS Error count:"), NULL, 10);
}

/* The number that debugfs says behind a word. */
static u32 debugfs(const char *request, const char *word)
{
	char command[300], out[4000];
	const char *at;

	snprintf(command, sizeof(command), PATH "debugfs -R '%s' '%%s' 2>/dev/null", request);
	CHECK_OK(fixture_run(out, sizeof(out), command));
	at = strstr(out, word);
	CHECK(at);
	return (u32)strtoul(at + strlen(word), NULL, 0);
}

static void poke(u64 offset, const void *bytes, size_t len)
{
	int fd = open(fixture_image(), O_WRONLY);

	CHECK(fd >= 0);
	CHECK_EQ(pwrite(fd, bytes, len, (off_t)offset), (ssize_t)len);
	close(fd);
}

static struct {
	node_t bad, good;
	u32 ino, block; /* of the directory that is broken */
} t;

/* An image with two directories, one of which is no directory any more. */
static void make(const char *args)
{
	struct exec *x;

	fixture_pool_size(8);
	fixture_make(8, args, NULL);
	x = fixture_mount();
	t.bad = mkd(x, FS_ROOT, "bad");
	t.good = mkd(x, FS_ROOT, "good");
	mk(x, t.good, "file");
	fixture_unmount_check();
	t.ino = debugfs("stat bad", "Inode: ");
	t.block = debugfs("blocks bad", "");
	poke((u64)t.block * BLOCK_SIZE + 4, "\xFF\x0F", 2); /* the length of "." */
}

static int look_at(struct exec *x, node_t dir)
{
	struct fs_attr attr;

	return fs_lookup(x, dir, nm("x"), &attr);
}

static int create(struct exec *x, const char *name)
{
	struct fs_attr attr;

	return fs_mknod(x, FS_ROOT, nm(name), REG | 0644, 0, false, &attr);
}

TEST(an_error_is_shown_by_dumpe2fs)
{
	time_t before = time(NULL), told;
	char text[64];
	struct tm tm;
	struct exec *x;

	make(NO_CSUM);
	CHECK_EQ(error_count(), 0);
	x = fixture_mount();
	CHECK_EQ(look_at(x, t.bad), -MP_EUCLEAN);
	fixture_unmount();
	CHECK_EQ(error_count(), 1);
	must_show("Filesystem state:", "not clean with errors");
	CHECK_EQ(number("First error inode #:"), t.ino);
	must_show("First error function:", "dir_entry");
	CHECK(number("First error line #:") > 10);
	must_show("First error err:", "EFSCORRUPTED");
	must_show("Last error function:", "dir_entry");
	CHECK_EQ(number("Last error inode #:"), t.ino);
	must_show("Last error err:", "EFSCORRUPTED");
	snprintf(text, sizeof(text), "%s", shown("First error time:"));
	memset(&tm, 0, sizeof(tm));
	CHECK(strptime(text, "%a %b %d %H:%M:%S %Y", &tm));
	tm.tm_isdst = -1;
	told = mktime(&tm);
	CHECK(told >= before && told <= time(NULL));
}

TEST(a_bad_checksum_is_told_as_such)
{
	struct exec *x;

	make(FEATURES);
	x = fixture_mount();
	CHECK_EQ(look_at(x, t.bad), -MP_EUCLEAN);
	fixture_unmount();
	CHECK_EQ(error_count(), 1);
	CHECK_EQ(number("First error inode #:"), t.ino);
	CHECK_EQ(number("First error block #:"), t.block);
	must_show("First error err:", "EFSBADCRC");
}

TEST(an_error_is_on_the_medium_after_a_sync)
{
	struct exec *x;

	make(NO_CSUM);
	x = fixture_mount();
	CHECK_EQ(look_at(x, t.bad), -MP_EUCLEAN);
	CHECK_OK(fs_error_write(x));
	CHECK_EQ(error_count(), 1);
	CHECK_EQ(look_at(x, t.bad), -MP_EUCLEAN);
	CHECK_OK(fs_sync(x));
	CHECK_EQ(error_count(), 2);
	fixture_crash();
	must_show("Filesystem state:", "not clean with errors");
}

TEST(the_first_error_stays_the_last_changes_and_they_are_counted)
{
	struct fs_attr attr;
	struct exec *x;
	u32 other;

	make(NO_CSUM);
	x = fixture_mount();
	CHECK_EQ(look_at(x, t.bad), -MP_EUCLEAN);
	fixture_unmount();
	tool("debugfs -w -R 'ssv state 1' '%%s' 2>&1");
	other = debugfs("stat good/file", "Inode: ");
	tool("debugfs -w -R 'sif good/file links_count 0' '%%s' 2>&1");
	x = fixture_mount();
	CHECK_EQ(fs_lookup(x, t.good, nm("file"), &attr), -MP_EUCLEAN);
	CHECK_EQ(fs_lookup(x, t.good, nm("file"), &attr), -MP_EUCLEAN);
	fixture_unmount();
	CHECK_EQ(error_count(), 3);
	CHECK_EQ(number("First error inode #:"), t.ino);
	CHECK_EQ(number("Last error inode #:"), other);
	must_show("Last error function:", "inode_check");
}

/* Found with a group locked, inside a mini: the free blocks of the group are not there. */
static void break_bitmap(void)
{
	static u8 full[BLOCK_SIZE];
	u32 block = debugfs("stats", "block bitmap at ");

	memset(full, 0xFF, sizeof(full));
	poke((u64)block * BLOCK_SIZE, full, sizeof(full));
}

TEST(an_error_in_the_allocator_is_told_too)
{
	struct exec *x;

	make(NO_CSUM);
	break_bitmap();
	x = fixture_mount();
	CHECK_EQ(fs_symlink(x, FS_ROOT, nm("long"),
			    (struct fs_name){"0123456789012345678901234567890123456789"
					     "0123456789012345678901234567890123456789",
					     80},
			    &(struct fs_attr){0}),
		 -MP_EUCLEAN);
	fixture_unmount();
	CHECK(error_count() >= 1);
	must_show("First error err:", "EFSCORRUPTED");
	CHECK(*shown("First error function:"));
}

TEST(an_error_survives_a_crash_in_the_log)
{
	struct exec *x;

	make("-O ^resize_inode,^metadata_csum");
	x = fixture_mount();
	CHECK_EQ(look_at(x, t.bad), -MP_EUCLEAN);
	CHECK_OK(fs_error_write(x));
	fixture_crash();
	tool("e2fsck -y -E journal_only '%%s' 2>&1");
	CHECK_EQ(error_count(), 1);
	must_show("First error err:", "EFSCORRUPTED");
	CHECK_EQ(number("First error inode #:"), t.ino);
}

TEST(an_aborted_journal_is_told_on_the_medium)
{
	struct exec *x;

	fixture_pool_size(8);
	fixture_make(8, "-O ^resize_inode", NULL);
	x = fixture_mount();
	CHECK_OK(create(x, "file"));
	plat_posix_fail(fixture_plat(), PLAT_WRITE, 1, 1);
	CHECK_EQ(fs_sync(x), -MP_EIO);
	CHECK_EQ(create(x, "after"), -MP_EROFS);
	fixture_crash();
	CHECK_EQ(error_count(), 1);
	must_show("First error err:", "EIO");
	CHECK_EQ(fixture_try_mount(&(struct fs_mount_opts){0}), -MP_EUCLEAN);
	tool("e2fsck -fy '%%s' 2>&1 || test $? = 1");
	CHECK_OK(fixture_try_mount(&(struct fs_mount_opts){0}));
	fixture_unmount_check();
}

/* ---- what comes of it */
TEST(errors_continue_goes_on)
{
	struct exec *x;

	make(NO_CSUM);
	tool("tune2fs -e continue '%%s' 2>&1");
	x = fixture_mount();
	CHECK_EQ(look_at(x, t.bad), -MP_EUCLEAN);
	CHECK_OK(create(x, "after"));
	fixture_unmount();
	x = NULL;
	/* and the new mount is told to check first */
	CHECK_EQ(fixture_try_mount(&(struct fs_mount_opts){0}), -MP_EUCLEAN);
}

static void becomes_read_only(const char *policy)
{
	struct exec *x;

	make(NO_CSUM);
	tool("tune2fs -e %s '%%s' 2>&1", policy);
	x = fixture_mount();
	CHECK_OK(create(x, "before"));
	CHECK_EQ(look_at(x, t.bad), -MP_EUCLEAN);
	CHECK_EQ(create(x, "after"), -MP_EROFS);
	CHECK_EQ(look_at(x, FS_ROOT), -MP_ENOENT);
	CHECK_EQ(fs_unlink(x, FS_ROOT, nm("before")), -MP_EROFS);
	fixture_unmount();
	CHECK_EQ(error_count(), 1);
	/* what was done before is there */
	CHECK(debugfs("stat before", "Inode: "));
}

TEST(errors_remount_ro_makes_it_read_only)
{
	becomes_read_only("remount-ro");
}

TEST(errors_panic_makes_it_read_only_and_nobody_falls)
{
	becomes_read_only("panic");
}

TEST(wrong_maps_make_it_read_only_whatever_the_policy)
{
	struct exec *x;

	make(NO_CSUM);
	tool("tune2fs -e continue '%%s' 2>&1");
	break_bitmap();
	x = fixture_mount();
	CHECK_EQ(fs_mkdir(x, FS_ROOT, nm("new"), 0755, &(struct fs_attr){0}), -MP_EUCLEAN);
	CHECK_EQ(create(x, "after"), -MP_EROFS);
	fixture_unmount();
}

TEST(a_read_only_mount_writes_nothing_in_spite_of_errors)
{
	struct exec *x = fixture_exec();

	make(NO_CSUM);
	CHECK_OK(fixture_try_mount(&(struct fs_mount_opts){.read_only = true}));
	CHECK_EQ(look_at(x, t.bad), -MP_EUCLEAN);
	(void)!fs_sync(x);
	fixture_unmount();
	CHECK_EQ(error_count(), 0);
	must_show("Filesystem state:", "clean");
}

/* ---- several at once */
#define THREADS 4
#define ROUNDS 200

static void *stumble(void *arg)
{
	struct exec *x = arg;

	for (u32 i = 0; i < ROUNDS; i++)
		if (look_at(x, t.bad) != -MP_EUCLEAN)
			return arg;
	return NULL;
}

TEST(errors_of_several_executors_are_all_counted)
{
	pthread_t thread[THREADS];
	struct exec x[THREADS];
	void *bad;
	u32 i;

	make(NO_CSUM);
	fixture_mount();
	for (i = 0; i < THREADS; i++) {
		fixture_join(&x[i]);
		CHECK_OK(pthread_create(&thread[i], NULL, stumble, &x[i]));
	}
	for (i = 0; i < THREADS; i++) {
		CHECK_OK(pthread_join(thread[i], &bad));
		CHECK(!bad);
		fixture_leave(&x[i]);
	}
	fixture_unmount();
	CHECK_EQ(error_count(), THREADS * ROUNDS);
}
