/* SPDX-License-Identifier: BSD-2-Clause */
/* Directories of many entries: index, splits, listing, and what others make of them. */
#include "fs/dir.h"
#include "tests/fs/names_util.h"

/* A name for entry i: of different lengths, so that leaves do not split in a pattern. */
static const char *entry_name(char *buf, u32 i)
{
	static const char tail[] = "-a-name-that-is-sometimes-longer-and-sometimes-not-"
				   "and-now-and-then-does-not-even-fit-the-dentry-cache";
	u32 h = i * 2654435761u;

	sprintf(buf, "e%u%.*s", i, (int)(h >> 20) % (h & 7 ? 20 : 100), tail);
	return buf;
}

static void check_listed(struct exec *x, node_t d, u32 step, u32 n, u32 skip)
{
	struct listing l = list_dir(x, d, step, false);
	u8 *seen = calloc(1, n);
	char buf[256];
	u32 i, k, count = 0;

	CHECK(seen && l.n >= 2);
	CHECK(!strcmp(l.e[0].name, ".") && !strcmp(l.e[1].name, ".."));
	for (i = 2; i < l.n; i++) {
		k = (u32)atoi(l.e[i].name + 1);
		CHECK(k < n);
		CHECK(!strcmp(entry_name(buf, k), l.e[i].name));
		if (seen[k])
			test_fail(__FILE__, __LINE__, "%s listed twice", buf);
		seen[k] = 1;
		count++;
	}
	for (k = 0; k < n; k++)
		if (!seen[k] && !(skip && k % skip == 0))
			test_fail(__FILE__, __LINE__, "%s is missing", entry_name(buf, k));
	CHECK_EQ(count, skip ? n - (n + skip - 1) / skip : n);
	free(seen);
	free(l.e);
}

static void fill_empty_refill(u32 mib, const char *args, u32 n)
{
	struct exec *x;
	struct fs_attr attr;
	char buf[256];
	node_t d, f;
	u32 i;

	fixture_make(mib, args, NULL);
	x = fixture_mount();
	d = mkd(x, FS_ROOT, "d");
	f = mk(x, FS_ROOT, "f");
	for (i = 0; i < n; i++) {
		if (i % 50)
			mk(x, d, entry_name(buf, i));
		else if (i % 100)
			mkd(x, d, entry_name(buf, i));
		else
			CHECK_OK(fs_link(x, f, d, nm(entry_name(buf, i)), &attr));
	}
	check_listed(x, d, 100000, n, 0);
	x = fixture_remount();
	check_listed(x, d, 333, n, 0);
	for (i = 0; i < n; i++)
		CHECK(look(x, d, entry_name(buf, i)));
	CHECK_EQ(look(x, d, "e1x"), 0);
	for (i = 0; i < n; i += 2) {
		if (i % 50 == 0 && i % 100)
			CHECK_OK(fs_rmdir(x, d, nm(entry_name(buf, i))));
		else
			CHECK_OK(fs_unlink(x, d, nm(entry_name(buf, i))));
	}
	x = fixture_remount();
	check_listed(x, d, 1000, n, 2);
	for (i = 0; i < n; i++)
		CHECK_EQ(look(x, d, entry_name(buf, i)) != 0, i & 1);
	CHECK_ERR(fs_rmdir(x, FS_ROOT, nm("d")), -MP_ENOTEMPTY);
	for (i = 0; i < n; i += 2)
		mk(x, d, entry_name(buf, i));
	x = fixture_remount();
	check_listed(x, d, 1000, n, 0);
	for (i = 0; i < n; i++)
		if (i % 2 || fs_unlink(x, d, nm(entry_name(buf, i))))
			if (fs_unlink(x, d, nm(entry_name(buf, i))))
				CHECK_OK(fs_rmdir(x, d, nm(entry_name(buf, i))));
	CHECK_OK(fs_rmdir(x, FS_ROOT, nm("d")));
	fixture_unmount_check();
}

TEST(ten_thousand_entries_come_and_go)
{
	fill_empty_refill(128, "-N 20000", 10000);
}

TEST_TIMED(hundred_thousand_entries_come_and_go, 300)
{
	fill_empty_refill(256, "-N 120000", 100000);
}

TEST(without_checksums_and_64bit)
{
	fill_empty_refill(128, "-N 20000 -O ^metadata_csum,^64bit", 5000);
}

TEST(without_index)
{
	fill_empty_refill(128, "-N 20000 -O ^dir_index", 1000);
}

TEST(without_file_types)
{
	struct listing l;
	struct exec *x;

	fixture_make(64, "-O ^filetype", NULL);
	x = fixture_mount();
	mk(x, FS_ROOT, "f");
	l = list_dir(x, FS_ROOT, 100, false);
	CHECK_EQ(listed_find(&l, "f")->type, 0);
	free(l.e);
	fixture_unmount_check();
}

/* The kernel and debugfs agree with every hash: the index that was written is searched by them. */
static void hash_version(const char *hash, const char *flag)
{
	char buf[512], cmd[512];
	struct exec *x;
	struct fs_attr attr;
	node_t d;
	u32 i;

	fixture_make(64, "-N 8000", NULL);
	snprintf(cmd, sizeof(cmd), PATH "debugfs -w -R 'ssv def_hash_version %s' '%%s' 2>&1", hash);
	shell(cmd);
	snprintf(cmd, sizeof(cmd), PATH "debugfs -w -R 'ssv flags %s' '%%s' 2>&1", flag);
	shell(cmd);
	x = fixture_mount();
	d = mkd(x, FS_ROOT, "d");
	for (i = 0; i < 2000; i++) {
		/* characters above 127 tell signed and unsigned apart */
		sprintf(buf, "%u-\xc3\xa4\xc3\xb6\xff-%u", i, i * i);
		CHECK_OK(fs_mknod(x, d, nm(buf), REG, 0, false, &attr));
	}
	for (i = 0; i < 2000; i++) {
		sprintf(buf, "%u-\xc3\xa4\xc3\xb6\xff-%u", i, i * i);
		CHECK(look(x, d, buf));
	}
	x = fixture_remount();
	for (i = 0; i < 2000; i += 17) {
		sprintf(buf, "%u-\xc3\xa4\xc3\xb6\xff-%u", i, i * i);
		CHECK(look(x, d, buf));
	}
	fixture_unmount_check();
}

TEST(hash_half_md4)
{
	hash_version("half_md4", "1");
}

TEST(hash_half_md4_unsigned)
{
	hash_version("half_md4", "2");
}

TEST(hash_tea)
{
	hash_version("tea", "1");
}

TEST(hash_tea_unsigned)
{
	hash_version("tea", "2");
}

TEST(hash_legacy)
{
	hash_version("legacy", "1");
}

TEST(hash_legacy_unsigned)
{
	hash_version("legacy", "2");
}

/* Position of the entry in the listing is its hash: debugfs computes the same. */
TEST(hashes_equal_those_of_debugfs)
{
	char buf[300], cmd[700], out[500];
	struct listing l;
	struct exec *x;
	unsigned major, minor;
	node_t d;
	u32 i, k;

	fixture_make(64, NULL, NULL);
	shell(PATH "debugfs -w -R 'ssv hash_seed null' '%s' 2>&1");
	x = fixture_mount();
	d = mkd(x, FS_ROOT, "d");
	for (i = 0; i < 40; i++) {
		for (k = 0; k < i * 6 + 1; k++)
			buf[k] = (char)('a' + (i * 7 + k * 3) % 26);
		buf[k] = 0;
		mk(x, d, buf);
	}
	l = list_dir(x, d, 1000, false);
	fixture_unmount_check();
	for (i = 2; i < l.n; i++) {
		u64 pos = l.e[i].next - 1;

		snprintf(cmd, sizeof(cmd), PATH "debugfs -R 'dx_hash -h half_md4 %s' '%%s' 2>&1",
			 l.e[i].name);
		CHECK_OK(fixture_run(out, sizeof(out), cmd));
		CHECK(sscanf(strstr(out, "is 0x"), "is 0x%x (minor 0x%x)", &major, &minor) == 2);
		CHECK_EQ(pos, (u64)(major >> 1) << 32 | minor);
	}
	CHECK_EQ(l.n, 42);
	free(l.e);
}

TEST(longest_names_fill_leaves)
{
	struct exec *x;
	char buf[256];
	node_t d;
	u32 i;

	fixture_make(64, "-N 5000", NULL);
	x = fixture_mount();
	d = mkd(x, FS_ROOT, "d");
	for (i = 0; i < 2000; i++) {
		memset(buf, 'a' + i % 26, 255);
		sprintf(buf, "%u", i);
		buf[strlen(buf)] = '_';
		buf[255] = 0;
		mk(x, d, buf);
		/* a short one beside each, of one character where it goes */
		sprintf(buf, i < 10 ? "%u" : "%u.", i);
		mk(x, d, buf);
	}
	x = fixture_remount();
	for (i = 0; i < 2000; i++) {
		memset(buf, 'a' + i % 26, 255);
		sprintf(buf, "%u", i);
		buf[strlen(buf)] = '_';
		buf[255] = 0;
		CHECK(look(x, d, buf));
	}
	fixture_unmount_check();
}

/* ---- names of one hash: the last character of a name that gets a wanted legacy hash can be solved
 * for, which finds one in about four million */
#define LEGACY_K 7152373u

static void legacy_step(u32 *h0, u32 *h1, u8 c)
{
	u32 h = *h1 + (*h0 ^ (u32)(signed char)c * LEGACY_K);

	if (h & 0x80000000u)
		h -= 0x7fffffffu;
	*h1 = *h0;
	*h0 = h;
}

static u32 solve(u32 h0, u32 h1, u32 inverse, u32 wanted)
{
	u32 c = (h0 ^ (wanted - h1)) * inverse;

	return c - 1 < 127u || c + 128 < 128u ? c & 0xFF : 0;
}

#define COLLIDERS 60u

/* Names of 200 bytes and one hash. */
static void make_colliders(char (*names)[201])
{
	u32 inverse = 1, h0 = 0x12a3fe2d, h1 = 0x37abe8f9, wanted = 0x1234567, n = 0, i;
	u8 a, b, c, d, e, last;

	for (i = 0; i < 5; i++)
		inverse *= 2 - LEGACY_K * inverse;
	for (i = 0; i < 194; i++)
		legacy_step(&h0, &h1, 'q');
	for (i = 0; n < COLLIDERS; i++) {
		u32 g0 = h0, g1 = h1;

		a = (u8)('A' + i % 40);
		b = (u8)('A' + i / 40 % 40);
		c = (u8)('A' + i / 1600 % 40);
		e = (u8)('A' + i / 64000);
		CHECK(i < 64000 * 40);
		legacy_step(&g0, &g1, e);
		legacy_step(&g0, &g1, a);
		legacy_step(&g0, &g1, b);
		legacy_step(&g0, &g1, c);
		for (d = 1; d; d++) {
			u32 e0 = g0, e1 = g1;

			legacy_step(&e0, &e1, d);
			last = (u8)solve(e0, e1, inverse, wanted);
			if (!last)
				last = (u8)solve(e0, e1, inverse, wanted + 0x7fffffffu);
			if (!last || last == '/' || d == '/' || n == COLLIDERS)
				continue;
			memset(names[n], 'q', 194);
			sprintf(names[n++] + 194, "%c%c%c%c%c%c", e, a, b, c, d, last);
		}
	}
}

TEST_TIMED(equal_hashes_span_leaves, 120)
{
	static char names[COLLIDERS][201];
	char buf[32];
	struct listing l;
	struct exec *x;
	node_t d;
	u32 i, k;

	make_colliders(names);
	for (i = 0; i < COLLIDERS; i++)
		for (k = 0; k < i; k++)
			CHECK(strcmp(names[i], names[k]));
	fixture_make(64, NULL, NULL);
	shell(PATH "debugfs -w -R 'ssv def_hash_version legacy' '%s' 2>&1");
	shell(PATH "debugfs -w -R 'ssv flags 1' '%s' 2>&1");
	x = fixture_mount();
	d = mkd(x, FS_ROOT, "d");
	for (i = 0; i < 300; i++) {
		sprintf(buf, "other%u", i);
		mk(x, d, buf);
		if (i % 3 == 0 && i / 3 < COLLIDERS)
			mk(x, d, names[i / 3]);
	}
	/* 19 of them fit a leaf: four leaves and more are continued */
	for (k = 0; k < 2; k++) {
		for (i = 0; i < COLLIDERS; i++)
			CHECK(look(x, d, names[i]));
		l = list_dir(x, d, 7, k);
		CHECK_EQ(l.n, 302 + COLLIDERS);
		for (i = 0; i < COLLIDERS; i++)
			CHECK(listed_find(&l, names[i]));
		free(l.e);
		x = fixture_remount();
	}
	for (i = 0; i < COLLIDERS; i += 2)
		CHECK_OK(fs_unlink(x, d, nm(names[i])));
	for (i = 0; i < COLLIDERS; i++)
		CHECK_EQ(look(x, d, names[i]) != 0, i & 1);
	for (i = 0; i < COLLIDERS; i += 2)
		mk(x, d, names[i]);
	x = fixture_remount();
	for (i = 0; i < COLLIDERS; i++)
		CHECK(look(x, d, names[i]));
	fixture_unmount_check();
}

/* Both have the legacy hash 0x439b3ca8, and the same CRC, which then is the lower half of the key.
 */
static const char *const twin_ends[] = {"0010280783jZzu", "0053371438BiRi"};

static u32 legacy_hash(const char *name)
{
	static const u32 seed[4];

	return dx_hash_name(EXT4_DX_LEGACY, seed, nm(name)).major;
}

/* Sixteen names of 254 bytes, of which a leaf holds fifteen: the twins are in the middle of the
 * order, and are parted when the last name splits it. */
TEST(names_that_even_have_the_same_key_are_listed_from_two_leaves)
{
	u32 i, n, below = 0, above = 0, hash;
	char twins[2][255], buf[255];
	struct listing l;
	struct exec *x;
	node_t d;

	fixture_make(64, NULL, NULL);
	shell(PATH "debugfs -w -R 'ssv def_hash_version legacy' '%s' 2>&1");
	shell(PATH "debugfs -w -R 'ssv flags 1' '%s' 2>&1");
	x = fixture_mount();
	d = mkd(x, FS_ROOT, "d");
	for (i = 0; i < 2; i++) {
		snprintf(twins[i], sizeof(twins[i]), "%0240u%s", 0, twin_ends[i]);
		memset(twins[i], 'x', 240);
		mk(x, d, twins[i]);
	}
	hash = legacy_hash(twins[0]);
	CHECK_EQ(legacy_hash(twins[1]), hash);
	for (i = 0; below < 6 || above < 7; i++) {
		u32 *side;

		snprintf(buf, sizeof(buf), "%0254u", i);
		side = legacy_hash(buf) < hash ? &below : &above;
		if (*side < (side == &below ? 6 : 7)) {
			++*side;
			mk(x, d, buf);
		}
	}
	CHECK_EQ(stat_of(x, d).size, BLOCK_SIZE);
	snprintf(buf, sizeof(buf), "%0254u", i);
	mk(x, d, buf);
	CHECK_EQ(stat_of(x, d).size, 3 * BLOCK_SIZE);
	l = list_dir(x, d, 1000, false);
	CHECK_EQ(l.n, 2 + 16);
	n = (u32)(listed_find(&l, twins[0]) - l.e);
	i = (u32)(listed_find(&l, twins[1]) - l.e);
	CHECK(n < l.n && i < l.n && (n == i + 1 || i == n + 1));
	CHECK_EQ(l.e[n].next, l.e[i].next);
	free(l.e);
	fixture_unmount_check();
}

/* ---- listing while it changes */
TEST(listing_shows_what_stays_exactly_once)
{
	struct listing l = {.step = 13};
	char buf[256];
	struct exec *x;
	u32 i, k, seed = test_seed(), extra = 10000;
	u64 pos = 0;
	node_t d;

	fixture_make(64, "-N 30000", NULL);
	x = fixture_mount();
	d = mkd(x, FS_ROOT, "d");
	/* starts in one block: it becomes an index while it is read */
	for (i = 0; i < 40; i++)
		mk(x, d, entry_name(buf, i));
	do {
		l.given = 0;
		CHECK_OK(fs_readdir(x, d, pos, l.n & 1, listing_fill, &l));
		if (l.given)
			pos = l.e[l.n - 1].next;
		for (k = 0; k < 60 && extra < 13000; k++, extra++) {
			mk(x, d, entry_name(buf, extra));
			if (rnd(&seed) & 1)
				CHECK_OK(fs_unlink(x, d, nm(buf)));
		}
	} while (l.given);
	for (i = 0; i < 40; i++) {
		u32 times = 0;

		entry_name(buf, i);
		for (k = 0; k < l.n; k++)
			times += !strcmp(l.e[k].name, buf);
		CHECK_EQ(times, 1);
	}
	for (i = 0; i < l.n; i++)
		for (k = i + 1; k < l.n; k++)
			CHECK(strcmp(l.e[i].name, l.e[k].name));
	free(l.e);
	fixture_unmount_check();
}

#define CHANGING 400u

/* By another executor than the one that lists: one name comes, goes, or takes another's place. */
static void change_one(struct exec *x, node_t d, ino_no_t *inos, u32 *seed)
{
	u32 a = rnd(seed) % CHANGING, b = rnd(seed) % CHANGING;
	char from[256], to[256];

	entry_name(from, a);
	entry_name(to, b);
	if (!inos[a]) {
		inos[a] = (u32)mk(x, d, from);
	} else if (a == b || rnd(seed) & 1) {
		CHECK_OK(fs_unlink(x, d, nm(from)));
		inos[a] = 0;
	} else if (inos[b] && rnd(seed) & 1) {
		ino_no_t ino = inos[a];

		CHECK_OK(mv(x, d, from, d, to, FS_RENAME_EXCHANGE));
		inos[a] = inos[b];
		inos[b] = ino;
	} else {
		CHECK_OK(mv(x, d, from, d, to, 0));
		inos[b] = inos[a];
		inos[a] = 0;
	}
}

static void check_names(struct exec *x, node_t d, const ino_no_t *inos, u32 step)
{
	struct listing l = list_dir(x, d, step, false);
	u32 i, k, left = 0;
	char buf[256];

	for (i = 0; i < CHANGING; i++)
		left += inos[i] != 0;
	CHECK_EQ(l.n, left + 2);
	for (i = 2; i < l.n; i++) {
		k = (u32)atoi(l.e[i].name + 1);
		CHECK(k < CHANGING && !strcmp(entry_name(buf, k), l.e[i].name));
		CHECK_EQ(l.e[i].ino, inos[k]);
		CHECK(i == 2 || l.e[i].next > l.e[i - 1].next);
	}
	free(l.e);
}

/* The order of a leaf's names is kept from one listing to the next. */
TEST(listing_shows_what_another_executor_has_just_changed)
{
	static ino_no_t inos[CHANGING];
	u32 i, seed = test_seed();
	struct exec *x, y;
	node_t d;

	fixture_make(64, "-N 30000", NULL);
	x = fixture_mount();
	fixture_join(&y);
	d = mkd(x, FS_ROOT, "d");
	for (i = 0; i < 2500; i++) {
		change_one(&y, d, inos, &seed);
		check_names(x, d, inos, 1000);
		if (rnd(&seed) % 16 == 0)
			check_names(&y, d, inos, 1 + rnd(&seed) % 40);
	}
	fixture_leave(&y);
	fixture_unmount_check();
}

TEST(listing_while_emptying_misses_nothing)
{
	struct listing l = {.step = 10};
	char buf[256];
	struct exec *x;
	u64 pos = 0;
	u32 i, done = 0;
	node_t d;

	fixture_make(64, "-N 30000", NULL);
	x = fixture_mount();
	d = mkd(x, FS_ROOT, "d");
	for (i = 0; i < 3000; i++)
		mk(x, d, entry_name(buf, i));
	do { /* rm -r: what was read is removed at once */
		l.given = 0;
		CHECK_OK(fs_readdir(x, d, pos, false, listing_fill, &l));
		if (l.given)
			pos = l.e[l.n - 1].next;
		for (; done < l.n; done++)
			if (l.e[done].name[0] == 'e')
				CHECK_OK(fs_unlink(x, d, nm(l.e[done].name)));
	} while (l.given);
	CHECK_EQ(l.n, 3002);
	free(l.e);
	CHECK_OK(fs_rmdir(x, FS_ROOT, nm("d")));
	fixture_unmount_check();
}

TEST(listing_gives_attributes_and_types)
{
	struct fs_attr attr;
	struct listing l;
	struct exec *x;
	char buf[256];
	node_t d;
	u32 i;

	fixture_make(64, NULL, NULL);
	x = fixture_mount();
	d = mkd(x, FS_ROOT, "d");
	for (i = 0; i < 100; i++)
		mk(x, d, entry_name(buf, i));
	mkd(x, d, "dir");
	CHECK_OK(fs_symlink(x, d, nm("link"), nm("target"), &attr));
	CHECK_OK(fs_mknod(x, d, nm("fifo"), 0010600, 0, false, &attr));
	x = fixture_remount();
	l = list_dir(x, d, 1000, true);
	CHECK_EQ(l.n, 105);
	for (i = 2; i < l.n; i++) {
		CHECK(l.e[i].has_attr);
		CHECK_EQ(l.e[i].attr.node, look(x, d, l.e[i].name));
		CHECK_EQ(l.e[i].attr.mode >> 12, l.e[i].type);
		CHECK_EQ((u32)l.e[i].attr.node, l.e[i].ino);
	}
	CHECK_EQ(listed_find(&l, "dir")->type, 4);
	CHECK_EQ(listed_find(&l, "link")->type, 10);
	CHECK_EQ(listed_find(&l, "fifo")->type, 1);
	CHECK_EQ(listed_find(&l, ".")->ino, (u32)d);
	CHECK_EQ(listed_find(&l, "..")->ino, 2);
	CHECK(!listed_find(&l, ".")->has_attr);
	free(l.e);
	fixture_unmount_check();
}

/* A tree that mke2fs has written: linear directories of several blocks. */
TEST(directories_of_mke2fs_are_read_and_grow)
{
	struct listing l;
	struct exec *x;
	char buf[128], dir[40];
	node_t d;
	u32 i;

	snprintf(dir, sizeof(dir), "/tmp/mpdisk-dir-%d", (int)getpid());
	snprintf(buf, sizeof(buf), "mkdir -p %s/sub", dir);
	shell(buf);
	for (i = 0; i < 700; i++) {
		char path[128];
		FILE *f;

		snprintf(path, sizeof(path), "%s/sub/file-with-number-%u", dir, i);
		f = fopen(path, "w");
		CHECK(f);
		fclose(f);
	}
	fixture_make(64, "-N 3000", dir);
	snprintf(buf, sizeof(buf), "rm -r %s", dir);
	shell(buf);
	x = fixture_mount();
	d = look(x, FS_ROOT, "sub");
	l = list_dir(x, d, 50, true);
	CHECK_EQ(l.n, 702);
	free(l.e);
	for (i = 0; i < 700; i++) {
		snprintf(buf, sizeof(buf), "file-with-number-%u", i);
		CHECK(look(x, d, buf));
		if (i % 3 == 0)
			CHECK_OK(fs_unlink(x, d, nm(buf)));
		snprintf(buf, sizeof(buf), "new-%u", i);
		mk(x, d, buf);
	}
	x = fixture_remount();
	l = list_dir(x, d, 50, false);
	CHECK_EQ(l.n, 702 + 700 - 234);
	free(l.e);
	fixture_unmount_check();
}

/* dir_nlink: beyond 65000 subdirectories the count stands at 1. */
TEST_TIMED(more_subdirectories_than_links, 300)
{
	struct exec *x;
	char buf[16];
	node_t d;
	u32 i;

	fixture_make(512, "-N 66000 -O ^has_journal", NULL);
	x = fixture_mount();
	d = mkd(x, FS_ROOT, "d");
	for (i = 0; i < 65000; i++) {
		snprintf(buf, sizeof(buf), "%u", i);
		mkd(x, d, buf);
	}
	CHECK_EQ(stat_of(x, d).nlink, 1);
	x = fixture_remount();
	for (i = 0; i < 65000; i++) {
		snprintf(buf, sizeof(buf), "%u", i);
		CHECK_OK(fs_rmdir(x, d, nm(buf)));
	}
	CHECK_OK(fs_rmdir(x, FS_ROOT, nm("d")));
	fixture_unmount_check();
}

/* ---- the kernel's view */
TEST(kernel_reads_and_changes_an_index_and_back)
{
	struct listing l;
	struct exec *x;
	char buf[256];
	node_t d;
	u32 i;

	fixture_make(64, "-N 9000", NULL);
	x = fixture_mount();
	d = mkd(x, FS_ROOT, "d");
	for (i = 0; i < 3000; i++)
		mk(x, d, entry_name(buf, i));
	fixture_unmount_check();
	shell("set -e; m=$(mktemp -d); mount -o loop '%s' $m; "
	      "trap 'umount $m; rmdir $m' EXIT; "
	      "test $(ls $m/d | wc -l) = 3000; "
	      "cd $m/d; for i in $(seq 1 500); do : > kernel$i; done; "
	      "rm e1[0-9][0-9][!0-9]* ; cd /");
	fixture_fsck();
	x = fixture_mount();
	for (i = 1; i <= 500; i++) {
		snprintf(buf, sizeof(buf), "kernel%u", i);
		CHECK(look(x, d, buf));
		CHECK_OK(fs_unlink(x, d, nm(buf)));
	}
	l = list_dir(x, d, 1000, true);
	for (i = 2; i < l.n; i++)
		CHECK(look(x, d, l.e[i].name));
	CHECK(l.n > 2800 && l.n < 3002);
	free(l.e);
	fixture_unmount_check();
}
