/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Directories, indices and attributes with bytes that nobody would write: every operation ends with
 * an errno, whatever the bytes are. With checksums every changed byte is noticed.
 */
#include <fcntl.h>
#include <sys/stat.h>

#include "tests/fs/names_util.h"

#define TARGETS 16u

/* What can be hit: a metadata block, or the bytes of one inode. */
struct target {
	long offset; /* in the image */
	u32 len;
	char path[32];
};

static struct {
	u8 *image; /* as it was made */
	size_t size;
	struct target t[TARGETS];
	u32 n;
} base;

static const struct fs_mount_opts rw = {0}, ro = {.read_only = true};

static void add_target(long offset, u32 len, const char *path)
{
	CHECK(base.n < TARGETS);
	base.t[base.n].offset = offset;
	base.t[base.n].len = len;
	snprintf(base.t[base.n++].path, sizeof(base.t[0].path), "%s", path);
}

/* The number behind a word of what debugfs says. */
static long debugfs_number(const char *request, const char *behind)
{
	char cmd[300], out[3000];
	const char *at;

	snprintf(cmd, sizeof(cmd), PATH "debugfs -R '%s' '%%s' 2>/dev/null", request);
	CHECK_OK(fixture_run(out, sizeof(out), cmd));
	at = strstr(out, behind);
	CHECK(at);
	return strtol(at + strlen(behind), NULL, 0);
}

static void add_blocks(const char *path, u32 most)
{
	char cmd[300], out[3000], *at = out, *end;
	long block;

	snprintf(cmd, sizeof(cmd), PATH "debugfs -R 'blocks %s' '%%s' 2>/dev/null", path);
	CHECK_OK(fixture_run(out, sizeof(out), cmd));
	for (; most; most--, at = end) {
		block = strtol(at, &end, 10);
		if (end == at)
			break;
		add_target(block * 4096, 4096, path);
	}
}

static void add_inode(const char *path)
{
	char request[64];
	long block, offset;

	snprintf(request, sizeof(request), "imap %s", path);
	block = debugfs_number(request, "located at block ");
	offset = debugfs_number(request, "offset ");
	add_target(block * 4096 + offset, 256, path);
}

/* A small image with everything in it, remembered as a whole. */
static void make_base(const char *args)
{
	char name[64], value[700];
	struct fs_attr attr;
	struct exec *x;
	node_t d, f;
	u32 i;
	int fd;

	memset(value, 'v', sizeof(value));
	fixture_pool_size(8);
	fixture_make(8, args, NULL);
	x = fixture_mount();
	d = mkd(x, FS_ROOT, "linear");
	for (i = 0; i < 20; i++) {
		snprintf(name, sizeof(name), "file%u", i);
		mk(x, d, name);
	}
	mkd(x, d, "sub");
	f = mkd(x, FS_ROOT, "index");
	for (i = 0; i < 150; i++) {
		snprintf(name, sizeof(name), "a-file-with-a-longer-name-%u", i);
		mk(x, f, name);
	}
	mkd(x, f, "sub");
	f = mk(x, FS_ROOT, "attrs");
	CHECK_OK(fs_setxattr(x, f, nm("user.inside"), value, 20, 0));
	CHECK_OK(fs_setxattr(x, f, nm("user.block"), value, 600, 0));
	CHECK_OK(fs_setxattr(x, f, nm("trusted.block"), value, 300, 0));
	CHECK_OK(fs_symlink(x, FS_ROOT, nm("slow"), (struct fs_name){value, 500}, &attr));
	CHECK_OK(fs_symlink(x, FS_ROOT, nm("fast"), (struct fs_name){value, 20}, &attr));
	f = mkd(x, FS_ROOT, "acl");
	{
		static const u32 acl[] = {2,   7 << 16 | 1,  ~0u, 7 << 16 | 2,  1000, 5 << 16 | 4,
					  ~0u, 7 << 16 | 16, ~0u, 4 << 16 | 32, ~0u};

		CHECK_OK(fs_setxattr(x, f, nm("system.posix_acl_access"), acl, sizeof(acl), 0));
		CHECK_OK(fs_setxattr(x, f, nm("system.posix_acl_default"), acl, sizeof(acl), 0));
	}
	fixture_unmount_check();
	add_blocks("/linear", 1);
	add_blocks("/index", 3);
	add_blocks("/", 1);
	add_blocks("/linear/sub", 1);
	add_target(debugfs_number("stat /attrs", "File ACL: ") * 4096, 4096, "/attrs");
	add_inode("/attrs");
	add_inode("/acl");
	add_inode("/linear");
	add_inode("/index");
	add_inode("/slow");
	add_inode("/fast");
	base.size = 8u << 20;
	base.image = malloc(base.size);
	fd = open(fixture_image(), O_RDONLY);
	CHECK(fd >= 0 && base.image);
	CHECK_EQ(pread(fd, base.image, base.size, 0), (ssize_t)base.size);
	close(fd);
}

static void restore(void)
{
	int fd = open(fixture_image(), O_WRONLY);

	CHECK(fd >= 0);
	CHECK_EQ(pwrite(fd, base.image, base.size, 0), (ssize_t)base.size);
	close(fd);
}

static void poke(long offset, const void *bytes, size_t len)
{
	int fd = open(fixture_image(), O_WRONLY);

	CHECK(fd >= 0);
	CHECK_EQ(pwrite(fd, bytes, len, offset), (ssize_t)len);
	close(fd);
}

/* An errno that hosts know; counts are fine. */
static int known(int err)
{
	static const int list[] = {
		MP_EPERM,     MP_ENOENT,  MP_EEXIST,      MP_ENOTDIR, MP_EISDIR, MP_EINVAL,
		MP_ENOSPC,    MP_EROFS,   MP_EMLINK,      MP_ERANGE,  MP_ESTALE, MP_EUCLEAN,
		MP_ENOTEMPTY, MP_ENODATA, MP_EOPNOTSUPP,  MP_EIO,     MP_EFBIG,  MP_EBADF,
		MP_EACCES,    MP_E2BIG,   MP_ENAMETOOLONG};
	u32 i;

	if (err >= 0)
		return err;
	for (i = 0; i < array_size(list); i++)
		if (err == -list[i])
			return err;
	test_fail(__FILE__, __LINE__, "error %d", err);
}

static u32 uncleans;

static int note(int err)
{
	if (err == -MP_EUCLEAN)
		uncleans++;
	return known(err);
}

#define SEEN 400u
struct names {
	char name[SEEN][256];
	u32 len[SEEN];
	u32 n;
	u64 pos;
};

static bool remember(void *arg, const struct fs_dirent *e)
{
	struct names *names = arg;

	CHECK(e->name.len >= 1 && e->name.len <= 255);
	if (names->n == SEEN)
		return false;
	memcpy(names->name[names->n], e->name.s, e->name.len);
	names->len[names->n++] = e->name.len;
	names->pos = e->next;
	return true;
}

static void try_inode(struct exec *x, node_t node)
{
	static char buf[70000];
	struct fs_attr attr;

	note(fs_getattr(x, node, &attr));
	note(fs_readlink(x, node, buf, 4096));
	note(fs_listxattr(x, node, buf, sizeof(buf)));
	note(fs_getxattr(x, node, nm("user.inside"), buf, sizeof(buf)));
	note(fs_getxattr(x, node, nm("user.block"), buf, sizeof(buf)));
	note(fs_getxattr(x, node, nm("trusted.none"), buf, sizeof(buf)));
	note(fs_getxattr(x, node, nm("system.posix_acl_access"), buf, sizeof(buf)));
	note(fs_getxattr(x, node, nm("system.posix_acl_default"), buf, sizeof(buf)));
}

static void try_directory(struct exec *x, node_t dir)
{
	static struct names names;
	struct fs_attr attr;
	u32 i, before;

	names.n = 0;
	names.pos = 0;
	/* what could be listed before an error comes without it */
	do
		before = names.n;
	while (!note(fs_readdir(x, dir, names.pos, true, remember, &names)) && names.n != before);
	for (i = 0; i < names.n; i++) {
		struct fs_name name = {names.name[i], names.len[i]};

		if (!note(fs_lookup(x, dir, name, &attr)) && (i < 8 || i % 16 == 0))
			try_inode(x, attr.node);
	}
	note(fs_lookup(x, dir, nm("not there at all"), &attr));
	note(fs_lookup(x, dir, nm(".."), &attr));
}

static void try_changes(struct exec *x, node_t dir, node_t other)
{
	struct fs_setattr set = {.valid = FS_SET_MODE, .mode = 0751};
	static char value[900];
	struct fs_attr attr;
	char name[100];
	u32 i;

	for (i = 0; i < 12; i++) {
		snprintf(name, sizeof(name), "new-%u-%.*s", i, (int)i * 6,
			 "--------------------------------------------------------------------");
		note(fs_mknod(x, dir, nm(name), REG | 0600, 0, false, &attr));
	}
	note(fs_mkdir(x, dir, nm("newdir"), 0700, &attr));
	note(fs_rename(x, dir, nm("new-3-------------------"), other, nm("moved"), 0));
	note(fs_rename(x, dir, nm("newdir"), other, nm("moved-dir"), 0));
	note(fs_rename(x, dir, nm("file3"), other, nm("file3"), FS_RENAME_EXCHANGE));
	note(fs_rename(x, dir, nm("sub"), other, nm("sub2"), 0));
	note(fs_unlink(x, dir, nm("file4")));
	note(fs_unlink(x, dir, nm("new-2-------------")));
	note(fs_rmdir(x, dir, nm("sub")));
	note(fs_rmdir(x, other, nm("sub2")));
	note(fs_setxattr(x, dir, nm("user.x"), value, 40, 0));
	note(fs_setxattr(x, dir, nm("user.y"), value, sizeof(value), 0));
	note(fs_setattr(x, dir, &set, &attr));
	note(fs_removexattr(x, dir, nm("user.x")));
}

static node_t find(struct exec *x, const char *name)
{
	struct fs_attr attr;

	return note(fs_lookup(x, FS_ROOT, nm(name), &attr)) ? 0 : attr.node;
}

/* Everything at once on an image that is bad somewhere. */
static void everything(bool change)
{
	static const char *const names[] = {"linear", "index", "acl", "attrs", "slow", "fast"};
	node_t nodes[array_size(names)];
	struct fs_attr attr;
	struct exec *x = fixture_exec();
	u32 i;

	try_directory(x, FS_ROOT);
	for (i = 0; i < array_size(names); i++) {
		nodes[i] = find(x, names[i]);
		if (nodes[i])
			try_inode(x, nodes[i]);
		if (nodes[i] && i < 3)
			try_directory(x, nodes[i]);
	}
	for (i = 0; i < 2; i++)
		if (nodes[i] && !note(fs_lookup(x, nodes[i], nm("sub"), &attr)))
			try_directory(x, attr.node);
	for (i = 0; change && i < 3; i++)
		if (nodes[i])
			try_changes(x, nodes[i], nodes[(i + 1) % 3] ? nodes[(i + 1) % 3] : FS_ROOT);
	for (i = 3; change && i < array_size(names); i++) {
		if (nodes[i])
			note(fs_setxattr(x, nodes[i], nm("user.new"), "value", 5, 0));
		if (nodes[i])
			note(fs_removexattr(x, nodes[i], nm("user.block")));
		note(fs_unlink(x, FS_ROOT, nm(names[i])));
	}
	if (change)
		note(fs_mkdir(x, FS_ROOT, nm("last"), 0700, &attr));
	if (change)
		note(fs_sync(x));
}

/* Mounts the image, which may be refused, and tries all. */
static void attack(bool change)
{
	int err;

	fflush(NULL);
	uncleans = 0;
	err = fixture_try_mount(change ? &rw : &ro);
	if (known(err) < 0) {
		uncleans++;
		return;
	}
	everything(change);
	fixture_crash();
}

/* One to four fields of 1, 2 or 4 bytes become something interesting. */
static void mutate(const struct target *t, u32 *seed)
{
	static const u32 odd[] = {0,      1,      2,       3,          4,      7,
				  8,      11,     12,      16,         0xFF,   255,
				  256,    4084,   4095,    4096,       0x7FFF, 0x8000,
				  0xFFFF, 0xFFFC, 0x10000, 0x7FFFFFFF, ~0u,    1000000};
	u32 fields = 1 + rnd(seed) % 4;

	while (fields--) {
		u32 size = 1u << rnd(seed) % 3, value = odd[rnd(seed) % array_size(odd)];
		u32 span = rnd(seed) % 2 ? min_of(t->len, 64u) : t->len;
		u32 at = rnd(seed) % span & ~(size - 1);

		if (rnd(seed) % 4 == 0)
			value = rnd(seed) << 8 ^ rnd(seed);
		poke(t->offset + at, &value, size);
	}
}

static void random_fields(const char *args, u32 rounds)
{
	u32 seed = test_seed(), i, bad = 0;

	make_base(args);
	for (i = 0; i < rounds; i++) {
		restore();
		mutate(&base.t[i % base.n], &seed);
		attack(i & 1 || i % 8 == 0);
		bad += uncleans != 0;
	}
	/* the fields were not all harmless */
	CHECK(bad > rounds / 10);
}

#define NO_CSUM "-O ^metadata_csum,^has_journal,^resize_inode -N 512"

TEST_TIMED(random_fields_without_checksums, 120)
{
	random_fields(NO_CSUM, 600);
}

/* Bytes of the target that its checksum covers: of an index block only those that are in use. */
static u32 covered(const struct target *t)
{
	u16 count;

	if (strcmp(t->path, "/index") || t != &base.t[1])
		return t->len;
	memcpy(&count, base.image + t->offset + 34, 2);
	return 32 + 8u * count;
}

TEST_TIMED(every_flipped_byte_is_noticed_with_checksums, 120)
{
	u32 seed = test_seed(), i, k;

	make_base("-O ^has_journal,^resize_inode -N 512");
	for (i = 0; i < base.n; i++) {
		for (k = 0; k < 24; k++) {
			u32 at = k < 8 ? k * 4 + k % 4 : rnd(&seed) % covered(&base.t[i]);
			u8 byte = base.image[base.t[i].offset + at] ^ (u8)(1u << k % 8);

			restore();
			poke(base.t[i].offset + at, &byte, 1);
			attack(false);
			if (!uncleans)
				test_fail(__FILE__, __LINE__, "byte %u of %s (target %u) unnoticed",
					  at, base.t[i].path, i);
		}
	}
}

/* ---- one wrong field each: what it must lead to */
static void expect_unclean(const char *what)
{
	attack(false);
	if (!uncleans)
		test_fail(__FILE__, __LINE__, "%s: unnoticed", what);
	attack(true);
	/* an error found on a writable filesystem makes it read-only, and the medium says so */
	if (!uncleans)
		test_fail(__FILE__, __LINE__, "%s: unnoticed when writing", what);
}

static void craft(u32 target, u32 at, u64 value, u32 size, const char *what)
{
	restore();
	poke(base.t[target].offset + at, &value, size);
	expect_unclean(what);
}

/* Offset in a directory block of the n-th entry. */
static u32 entry_at(u32 target, u32 n)
{
	const u8 *block = base.image + base.t[target].offset;
	u32 offset = 0;
	u16 len;

	while (n--) {
		memcpy(&len, block + offset + 4, 2);
		offset += len;
	}
	return offset;
}

enum { LINEAR, INDEX, LEAF1, LEAF2, ROOT, SUB, ATTRS };

static u32 ino_of(const char *path)
{
	char request[64];

	snprintf(request, sizeof(request), "stat %s", path);
	return (u32)debugfs_number(request, "Inode: ");
}

TEST_TIMED(crafted_entries_are_corruption, 120)
{
	u32 e, linear, index;

	make_base(NO_CSUM);
	e = entry_at(LINEAR, 5);
	linear = ino_of("/linear");
	index = ino_of("/index");
	craft(LINEAR, e + 4, 0, 2, "rec_len 0");
	craft(LINEAR, e + 4, 8, 2, "rec_len 8");
	craft(LINEAR, e + 4, 15, 2, "rec_len 15");
	craft(LINEAR, e + 4, 4096, 2, "rec_len beyond the block");
	craft(LINEAR, e + 4, 0xFFFC, 2, "rec_len 65532");
	craft(LINEAR, e + 6, 200, 1, "name_len beyond rec_len");
	craft(LINEAR, e + 6, 0, 1, "name_len 0");
	craft(LINEAR, e, 0xFFFFFFFF, 4, "inode beyond the last");
	craft(LINEAR, e, 7, 4, "a reserved inode");
	craft(LINEAR, e, 2, 4, "the root below itself");
	craft(LINEAR, e, linear, 4, "a directory in itself");
	craft(LINEAR, e, 500, 4, "a free inode");
	craft(LINEAR, e + 8, '/', 1, "a slash in a name");
	craft(LINEAR, e + 9, 0, 1, "a zero in a name");
	craft(LINEAR, 0, index, 4, "another directory as .");
	craft(LINEAR, 12, 0, 4, "no ..");
	craft(LINEAR, 12, 5, 4, ".. is a reserved inode");
	craft(LINEAR, 16, 0xFFF0, 2, "rec_len of ..");
	craft(LINEAR, 12 + 8, 'x', 1, ".. of another name");
	craft(LINEAR, 4, 24, 2, "rec_len of .");
}

TEST_TIMED(crafted_indices_are_corruption, 120)
{
	u16 limit, count;

	make_base(NO_CSUM);
	memcpy(&limit, base.image + base.t[INDEX].offset + 32, 2);
	memcpy(&count, base.image + base.t[INDEX].offset + 34, 2);
	CHECK(limit == 508 && count >= 2);
	craft(INDEX, 24, 1, 4, "reserved_zero");
	craft(INDEX, 28, 9, 1, "hash version 9");
	craft(INDEX, 28, 3, 1, "hash version 3");
	craft(INDEX, 29, 9, 1, "info_length 9");
	craft(INDEX, 30, 2, 1, "too many levels");
	craft(INDEX, 30, 255, 1, "255 levels");
	craft(INDEX, 30, 1, 1, "a leaf as an index node");
	craft(INDEX, 32, 507, 2, "limit");
	craft(INDEX, 32, 0xFFFF, 2, "limit 65535");
	craft(INDEX, 34, 0, 2, "count 0");
	craft(INDEX, 34, 509, 2, "count above limit");
	craft(INDEX, 34, 0xFFFF, 2, "count 65535");
	craft(INDEX, 36, 0, 4, "the root as its own leaf");
	craft(INDEX, 36, 4000, 4, "a leaf beyond the directory");
	craft(INDEX, 4, 16, 2, "rec_len of .");
	craft(INDEX, 16, 40, 2, "rec_len of ..");
	craft(LEAF1, 4, 0, 2, "rec_len in a leaf");
	craft(LEAF2, 4, 0xFFFC, 2, "rec_len in another leaf");
}

/* Values that are odd but allowed, or cannot be told from good ones: anything but a hang. */
TEST_TIMED(crafted_loops_end, 120)
{
	u32 leaf, sub, i;
	u16 count;

	make_base(NO_CSUM);
	/* every entry of the index names the same leaf */
	memcpy(&leaf, base.image + base.t[INDEX].offset + 36, 4);
	memcpy(&count, base.image + base.t[INDEX].offset + 34, 2);
	for (i = 1; i < count; i++)
		poke(base.t[INDEX].offset + 32 + 8 * i + 4, &leaf, 4);
	attack(false);
	attack(true);
	restore();
	/* ... with 508 entries of hash 0 or 1 */
	for (i = 1; i < 508; i++) {
		u32 entry[2] = {i & 1, leaf};

		poke(base.t[INDEX].offset + 32 + 8 * i, entry, 8);
	}
	count = 508;
	poke(base.t[INDEX].offset + 34, &count, 2);
	attack(false);
	attack(true);
	restore();
	/* a directory whose parent is itself, or its child */
	sub = ino_of("/linear/sub");
	poke(base.t[SUB].offset + 12, &sub, 4);
	attack(true);
	restore();
	poke(base.t[LINEAR].offset + 12, &sub, 4);
	attack(true);
	restore();
	/* and names its ancestor */
	i = ino_of("/linear");
	poke(base.t[SUB].offset + 12 + 12, &i, 4);
	attack(true);
}

TEST_TIMED(crafted_attributes_are_corruption, 120)
{
	make_base(NO_CSUM);
	craft(ATTRS, 0, 0xEA010000, 4, "magic");
	craft(ATTRS, 4, 0, 4, "refcount 0");
	craft(ATTRS, 8, 2, 4, "two blocks");
	craft(ATTRS, 34, 4095, 2, "value beyond the block");
	craft(ATTRS, 34, 8, 2, "value in the entries");
	craft(ATTRS, 36, 77, 4, "value in an inode");
	craft(ATTRS, 40, 0xFFFFFFFF, 4, "value size");
	craft(ATTRS, 40, 4096, 4, "value size 4096");
	/* of the inode: i_file_acl */
	craft(ATTRS + 1, 104, 0xFFFFFF, 4, "attribute block beyond the medium");
	craft(ATTRS + 1, 104, (u64)base.t[LINEAR].offset / 4096, 4,
	      "attribute block of a directory");
	/* in the inode: header at 160 */
	craft(ATTRS + 1, 164, 255, 1, "name_len in the inode");
	craft(ATTRS + 1, 166, 200, 2, "value offset in the inode");
	craft(ATTRS + 1, 172, 5000, 4, "value size in the inode");
	craft(ATTRS + 1, 128, 0xFFFF, 2, "i_extra_isize");
	/* ACLs: version, then tag of the first entry */
	{
		u16 offs;

		memcpy(&offs, base.image + base.t[ATTRS + 2].offset + 164 + 2, 2);
		craft(ATTRS + 2, 164 + offs, 9, 4, "ACL version");
		craft(ATTRS + 2, 164 + offs + 4, 0x40, 2, "ACL tag");
	}
}
