/* SPDX-License-Identifier: BSD-2-Clause */
/* Races that are too large for the model: long files, directories of many blocks. */
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "fs/dir.h"
#include "fs/inode.h"
#include "tests/concurrency/mix.h"
#include "tests/fs/file_util.h"

#define THREADS 8u
#define LINE 100u
#define STABLE 600u

static struct {
	node_t dir;
	node_t file;
	u32 rounds;
	u32 done; /* atomic: writers that have ended */
	u32 writers;
	u64 end; /* ms: when those end that need not do a given number of rounds */
} race;

struct racer {
	struct exec x;
	u32 n;
	struct util_rng rng;
	pthread_t thread;
};

static void run(void *(*body)(void *), u32 threads)
{
	struct racer r[THREADS];

	for (u32 i = 0; i < threads; i++) {
		r[i].n = i;
		r[i].rng.state = test_seed() * THREADS + i;
		fixture_join(&r[i].x);
#ifdef MPDISK_DEBUG
		r[i].x.jitter = test_seed() * THREADS + i + 1;
#endif
		CHECK_EQ(pthread_create(&r[i].thread, NULL, body, &r[i]), 0);
	}
	for (u32 i = 0; i < threads; i++) {
		pthread_join(r[i].thread, NULL);
		fixture_leave(&r[i].x);
	}
}

static void writer_ends(void)
{
	__atomic_add_fetch(&race.done, 1, __ATOMIC_RELAXED);
}

static u64 now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (u64)ts.tv_sec * 1000 + (u64)ts.tv_nsec / 1000000;
}

static void end_in(u32 seconds)
{
	const char *times = getenv("MPDISK_TIMES");

	race.end = now_ms() + (u64)seconds * 1000 * (times ? (u64)atoi(times) : 1);
}

static bool writers_work(void)
{
	return __atomic_load_n(&race.done, __ATOMIC_RELAXED) < race.writers;
}

static s64 read_all(struct exec *x, node_t node, u64 pos, u8 *to, u32 len)
{
	struct fs_seg segs[FS_IO_SEGS];
	u32 n, sum = 0;
	int ret = fs_read(x, node, pos, min_of(len, FS_IO_MAX), segs, &n);

	CHECK(ret >= 0);
	for (u32 i = 0; i < n; i++) {
		mix_host_copy(x, &segs[i], to + sum);
		sum += segs[i].len;
		frame_unpin(x, frame_of(x, segs[i].frame));
	}
	CHECK_EQ(sum, ret);
	return ret;
}

/* ---- appends; readers see whole lines of each writer in its order, whatever others do meanwhile
 */
static void make_line(char line[LINE], u32 who, u32 nth)
{
	char head[24];

	memset(line, 'a' + (int)(nth % 26), LINE);
	memcpy(line, head, (size_t)snprintf(head, sizeof(head), "%u %u ", who, nth));
	line[LINE - 1] = '\n';
}

static void check_lines(const u8 *text, u32 len, u32 *next)
{
	for (u32 at = 0; at < len; at += LINE) {
		u32 who = ~0u, nth = ~0u;
		char line[LINE];

		CHECK_EQ(sscanf((const char *)text + at, "%u %u", &who, &nth), 2);
		CHECK(who < race.writers);
		CHECK_EQ(nth, next[who]);
		next[who]++;
		make_line(line, who, nth);
		CHECK(!memcmp(line, text + at, LINE));
	}
}

/* Reads on from where it was, as tail -f does. */
static void follow(struct racer *r)
{
	u8 *text = malloc(FS_IO_MAX);
	u32 next[THREADS] = {0};
	bool more = true;
	u64 at = 0;

	while (more) {
		s64 n;

		more = writers_work();
		n = read_all(&r->x, race.file, at, text, FS_IO_MAX / LINE * LINE);
		CHECK_EQ(n % LINE, 0);
		check_lines(text, (u32)n, next);
		at += (u64)n;
		more |= n > 0;
	}
	for (u32 i = 0; i < race.writers; i++)
		CHECK_EQ(next[i], race.rounds);
	free(text);
}

static void *append_or_follow(void *arg)
{
	struct racer *r = arg;
	char line[LINE];

	if (r->n >= race.writers) {
		follow(r);
		return NULL;
	}
	for (u32 i = 0; i < race.rounds; i++) {
		u64 pos = 0;

		make_line(line, r->n, i);
		CHECK_EQ(util_write_once(&r->x, race.file, &pos, FS_WRITE_APPEND, line, LINE, 0),
			 LINE);
		if (util_rand(&r->rng, 100) == 0)
			CHECK_OK(fs_fsync(&r->x, race.file, true));
	}
	writer_ends();
	return NULL;
}

TEST_TIMED(no_line_is_lost_or_torn_for_who_reads_meanwhile, 86400)
{
	struct exec *x;

	fixture_make(64, NULL, NULL);
	fixture_pool_size(6);
	x = fixture_mount();
	race.file = util_create(x, "log");
	race.writers = 5;
	race.rounds = 600;
	run(append_or_follow, THREADS);
	CHECK_EQ(util_attr(x, race.file).size, (u64)LINE * race.writers * race.rounds);
	fixture_unmount_check();
}

/* ---- a directory that changes while it is read */
static void stable_name(char *name, u32 n)
{
	snprintf(name, 80, "here-all-the-time-%u-%0*u", n, (int)(n * 7 % 40), 0);
}

struct reading {
	u8 seen[STABLE];
	u32 room;
	u64 next;
};

static bool see(void *arg, const struct fs_dirent *entry)
{
	struct reading *reading = arg;
	char name[80];
	u32 n;

	if (!reading->room)
		return false;
	reading->room--;
	reading->next = entry->next;
	if (entry->name.len < 10 || memcmp(entry->name.s, "here-", 5))
		return true;
	CHECK_EQ(sscanf(entry->name.s, "here-all-the-time-%u", &n), 1);
	CHECK(n < STABLE);
	stable_name(name, n);
	CHECK_EQ(entry->name.len, strlen(name));
	CHECK(!memcmp(name, entry->name.s, entry->name.len));
	if (reading->seen[n]++)
		test_fail(__FILE__, __LINE__, "%s is seen twice", name);
	return true;
}

static void read_directory(struct racer *r)
{
	struct reading reading = {.next = 0};
	u64 before;

	do {
		before = reading.next;
		reading.room = 1 + util_rand(&r->rng, 60);
		CHECK_OK(fs_readdir(&r->x, race.dir, before, util_rand(&r->rng, 2), see, &reading));
	} while (reading.next != before);
	for (u32 i = 0; i < STABLE; i++)
		if (!reading.seen[i])
			test_fail(__FILE__, __LINE__, "name %u is not seen", i);
}

/* Names come and go, and are renamed over each other, so that blocks are split and filled again. */
static void change_directory(struct racer *r, u32 round)
{
	struct fs_attr attr;
	char a[80], b[80];
	int err;

	snprintf(a, sizeof(a), "comes-and-goes-%u-%u", r->n, util_rand(&r->rng, 300));
	snprintf(b, sizeof(b), "is-renamed-%u-%0*u", r->n, (int)util_rand(&r->rng, 60), round);
	switch (util_rand(&r->rng, 4)) {
	case 0:
	case 1:
		err = fs_mknod(&r->x, race.dir, util_name(a), 0100600, 0, false, &attr);
		CHECK(!err || err == -MP_EEXIST);
		break;
	case 2:
		err = fs_rename(&r->x, race.dir, util_name(a), race.dir, util_name(b), 0);
		if (!err)
			err = fs_unlink(&r->x, race.dir, util_name(b));
		CHECK(!err || err == -MP_ENOENT);
		break;
	case 3:
		err = fs_unlink(&r->x, race.dir, util_name(a));
		CHECK(!err || err == -MP_ENOENT);
		break;
	}
}

static void *read_or_change(void *arg)
{
	struct racer *r = arg;

	if (r->n < race.writers) {
		for (u32 i = 0; now_ms() < race.end; i++)
			change_directory(r, i);
		writer_ends();
		return NULL;
	}
	do
		read_directory(r);
	while (writers_work());
	return NULL;
}

static void directory_race(const char *mkfs)
{
	struct fs_attr attr;
	char name[80];
	struct exec *x;

	fixture_make(64, mkfs, NULL);
	x = fixture_mount();
	CHECK_OK(fs_mkdir(x, FS_ROOT, util_name("d"), 0755, &attr));
	race.dir = attr.node;
	for (u32 i = 0; i < STABLE; i++) {
		stable_name(name, i);
		CHECK_OK(fs_mknod(x, race.dir, util_name(name), 0100600, 0, false, &attr));
	}
	race.writers = 4;
	end_in(3);
	run(read_or_change, THREADS);
	fixture_unmount_check();
}

TEST_TIMED(entries_that_stay_are_seen_once_in_an_indexed_directory_that_changes, 86400)
{
	directory_race("-N 8192");
}

TEST_TIMED(entries_that_stay_are_seen_once_in_a_linear_directory_that_changes, 86400)
{
	directory_race("-N 8192 -O ^dir_index");
}

/* ---- a file that is cut and grows while it is read */
static void *cut_or_read(void *arg)
{
	struct racer *r = arg;
	u8 *buf = malloc(FS_IO_MAX);

	while (r->n < race.writers && now_ms() < race.end) {
		u64 size = util_rand(&r->rng, 30) * 1111u;

		CHECK_OK(util_truncate(&r->x, race.file, size));
		util_write_pattern(&r->x, race.file, 7, size, 1 + util_rand(&r->rng, 30000));
	}
	if (r->n < race.writers)
		writer_ends();
	while (r->n >= race.writers && writers_work()) {
		u64 pos = util_rand(&r->rng, 50000);
		s64 n = read_all(&r->x, race.file, pos, buf, 60000);

		/* zeros: where it was cut since, or is a hole */
		for (s64 i = 0; i < n; i++)
			if (buf[i] && buf[i] != util_byte(7, pos + (u64)i))
				test_fail(__FILE__, __LINE__, "byte %llu is %02x",
					  (unsigned long long)(pos + (u64)i), buf[i]);
	}
	free(buf);
	return NULL;
}

TEST_TIMED(what_is_read_of_a_file_that_is_cut_is_its_own, 86400)
{
	struct exec *x;

	fixture_make(64, NULL, NULL);
	fixture_pool_size(6);
	x = fixture_mount();
	race.file = util_create(x, "file");
	race.writers = 3;
	end_in(3);
	run(cut_or_read, THREADS);
	fixture_unmount_check();
}

/* ---- inode slots, dentry sets and frames that are given to others while somebody looks them up */
#define CROWD 1000u
static node_t crowd[CROWD];

static void *look_up(void *arg)
{
	struct racer *r = arg;

	while (now_ms() < race.end) {
		u32 n = util_rand(&r->rng, CROWD);
		struct fs_attr attr;
		char name[16];

		snprintf(name, sizeof(name), "%u", n);
		if (util_rand(&r->rng, 2))
			CHECK_OK(fs_lookup(&r->x, race.dir, util_name(name), &attr));
		else
			CHECK_OK(fs_getattr(&r->x, crowd[n], &attr));
		CHECK_EQ(attr.node, crowd[n]);
		CHECK_EQ(attr.size, n);
	}
	return NULL;
}

TEST_TIMED(an_inode_or_name_is_never_taken_for_another, 86400)
{
	struct fs_attr attr;
	char name[16];
	struct exec *x;

	fixture_make(64, "-N 8192", NULL);
	fixture_pool_size(4);
	x = fixture_mount();
	CHECK_OK(fs_mkdir(x, FS_ROOT, util_name("d"), 0755, &attr));
	race.dir = attr.node;
	for (u32 i = 0; i < CROWD; i++) {
		snprintf(name, sizeof(name), "%u", i);
		CHECK_OK(fs_mknod(x, race.dir, util_name(name), 0100600, 0, false, &attr));
		crowd[i] = attr.node;
		CHECK_OK(util_truncate(x, crowd[i], i));
	}
	end_in(3);
	run(look_up, THREADS);
	fixture_unmount_check();
}

/* ---- more names than fit in the set of the dentry cache that is theirs: they take each other's
 * place */
#define RIVALS 12u
static char rival[RIVALS][16];

static void *look_up_rivals(void *arg)
{
	struct racer *r = arg;

	while (now_ms() < race.end) {
		u32 n = util_rand(&r->rng, RIVALS);
		struct fs_attr attr;

		CHECK_OK(fs_lookup(&r->x, race.dir, util_name(rival[n]), &attr));
		CHECK_EQ(attr.node, crowd[n]);
	}
	return NULL;
}

TEST_TIMED(a_name_whose_place_in_memory_is_taken_is_not_taken_for_another, 86400)
{
	struct dentry_set *set = NULL;
	struct dcache_key key;
	struct inode *dir;
	struct fs_attr attr;
	struct exec *x;
	char name[16];

	fixture_make(64, NULL, NULL);
	fixture_pool_size(4);
	x = fixture_mount();
	CHECK_OK(fs_mkdir(x, FS_ROOT, util_name("d"), 0755, &attr));
	race.dir = attr.node;
	CHECK_OK(inode_get_node(x, race.dir, &dir));
	for (u32 i = 0, n = 0; n < RIVALS; i++) {
		snprintf(name, sizeof(name), "n%u", i);
		dcache_key(x, dir, util_name(name), &key);
		set = set ? set : key.set;
		if (key.set != set)
			continue;
		CHECK_OK(fs_mknod(x, race.dir, util_name(name), 0100600, 0, false, &attr));
		memcpy(rival[n], name, sizeof(name));
		crowd[n++] = attr.node;
	}
	inode_put(x, dir);
	end_in(2);
	run(look_up_rivals, THREADS);
	fixture_unmount_check();
}
