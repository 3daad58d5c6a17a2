/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fault point x operation: an executor dies at every step of every operation of fs.h. A survivor
 * recovers it; then the tree is the one before the operation or the one after it, the pool is whole
 * (pool_check.h), the operation can be done by the survivor, and e2fsck finds nothing.
 *
 * The recoverer dies too: at every step of recovering one of SPREAD deaths of each operation, and
 * at one random step after each of the others.
 */
#include <setjmp.h>

#include "fs/inode.h"
#include "fs/super.h"
#include "tests/fs/file_util.h"
#include "tests/fs/names_util.h"
#include "tests/fs/pool_check.h"

#define SPREAD 3u /* deaths of which the recovery is cut at every step */
#define OUTCOMES_MAX 2u
#define STEPS_MAX 20000u

static jmp_buf dead;

static void die(void *arg)
{
	(void)arg;
	longjmp(dead, 1);
}

/* ---- the tree, as one number: all that an operation can change but times and inode numbers */
static u64 mix(u64 h, u64 v)
{
	h = (h ^ v) * 0x9E3779B97F4A7C15ull;
	return h ^ h >> 29;
}

static u64 mix_bytes(u64 h, const void *p, u32 len)
{
	const u8 *b = p;

	for (u32 i = 0; i < len; i++)
		h = mix(h, b[i]);
	return h;
}

static u64 file_sum(struct exec *x, const struct fs_attr *attr)
{
	static u8 buf[1u << 20];
	s64 n = util_read(x, attr->node, 0, buf, sizeof(buf));

	CHECK(n >= 0);
	return mix_bytes(17, buf, (u32)n);
}

static u64 xattr_sum(struct exec *x, node_t node)
{
	char list[1000], value[4096];
	int n = fs_listxattr(x, node, list, sizeof(list));
	u64 h = 0;

	CHECK(n >= 0);
	for (int at = 0; at < n; at += (int)strlen(list + at) + 1) {
		int len = fs_getxattr(x, node, nm(list + at), value, sizeof(value));

		CHECK(len >= 0);
		/* in any order */
		h += mix_bytes(mix_bytes(5, list + at, (u32)strlen(list + at)), value, (u32)len);
	}
	return h;
}

static u64 tree_sum(struct exec *x, node_t dir, u32 depth)
{
	struct listing l = list_dir(x, dir, 50, false);
	u64 sum = 0;

	CHECK(depth < 8);
	for (u32 i = 0; i < l.n; i++) {
		struct fs_attr attr;
		char target[4096];
		u64 h = mix_bytes(3, l.e[i].name, (u32)strlen(l.e[i].name));

		if (!strcmp(l.e[i].name, ".") || !strcmp(l.e[i].name, "..") ||
		    !strcmp(l.e[i].name, "lost+found"))
			continue;
		CHECK_OK(fs_lookup(x, dir, nm(l.e[i].name), &attr));
		CHECK_EQ((u32)attr.node, l.e[i].ino);
		h = mix(mix(mix(h, attr.mode), attr.nlink), attr.rdev);
		h = mix(mix(mix(h, attr.uid), attr.gid), attr.blocks);
		h = mix(h, xattr_sum(x, attr.node));
		switch (attr.mode & 0xF000) {
		case 0x4000:
			CHECK_EQ(look(x, attr.node, ".."), dir);
			h = mix(h, tree_sum(x, attr.node, depth + 1));
			break;
		case 0x8000:
			h = mix(mix(h, attr.size), file_sum(x, &attr));
			break;
		case 0xA000:
			CHECK_EQ(fs_readlink(x, attr.node, target, sizeof(target)), attr.size);
			h = mix_bytes(h, target, (u32)attr.size);
			break;
		}
		sum += h; /* in any order */
	}
	free(l.e);
	return sum;
}

static u64 whole_sum(struct exec *x)
{
	struct fs_statfs st;
	struct fs_attr root = stat_of(x, FS_ROOT);

	CHECK_OK(fs_statfs(x, &st));
	return mix(mix(mix(tree_sum(x, FS_ROOT, 0), root.nlink), st.bfree), st.ffree);
}

/* ---- what the operations are tried on: made before each try, cleared after it */
struct stage {
	node_t dir, sub, file, other, full;
};

static char value[3000];
static u8 data[64 << 10];

static void clear_dir(struct exec *x, node_t dir)
{
	struct listing l = list_dir(x, dir, 50, false);

	for (u32 i = 2; i < l.n; i++) {
		node_t node = look(x, dir, l.e[i].name);

		if (!strcmp(l.e[i].name, "lost+found"))
			continue;
		if ((stat_of(x, node).mode & 0xF000) == 0x4000) {
			clear_dir(x, node);
			CHECK_OK(fs_rmdir(x, dir, nm(l.e[i].name)));
		} else {
			CHECK_OK(fs_unlink(x, dir, nm(l.e[i].name)));
		}
	}
	free(l.e);
}

/* As the recovery of its host does: whatever is open is closed. */
static void close_all(struct exec *x)
{
	const struct fs *fs = fs_of(x);

	for (u32 i = 0; i < fs->ninodes; i++) {
		struct inode *inode = (struct inode *)exec_ptr(x, fs->inodes) + i;

		while (inode->state == INODE_READY && inode->opens)
			CHECK_OK(fs_release(x, inode_node(inode)));
	}
}

static void stage_make(struct exec *x, struct stage *s)
{
	s->dir = mkd(x, FS_ROOT, "dir");
	s->sub = mkd(x, s->dir, "sub");
	s->file = mk(x, s->dir, "file");
	s->other = mk(x, s->sub, "other");
	CHECK_EQ(util_write(x, s->file, 0, data, 30000), 30000);
	CHECK_EQ(util_write(x, s->other, 5000, data + 9, 9000), 9000);
	CHECK_OK(fs_setxattr(x, s->file, nm("user.small"), "abc", 3, 0));
	CHECK_OK(fs_setxattr(x, s->other, nm("user.large"), value, 2000, 0));
}

static void stage_clear(struct exec *x)
{
	close_all(x);
	clear_dir(x, FS_ROOT);
}

/* ---- the operations */
struct operation {
	const char *name;
	void (*before)(struct exec *x, struct stage *s); /* more of the stage; may be NULL */
	int (*run)(struct exec *x, struct stage *s);
	enum {
		CHANGES, /* the tree is as it was before, or as it is after the operation */
		SAME,    /* the two are the same */
		MIXES,   /* overwrites: each byte is old or new (file_cut looks at them) */
	} tree;
};

static struct fs_attr attr;

static int op_create(struct exec *x, struct stage *s)
{
	return fs_mknod(x, s->dir, nm("new"), REG | 0600, 0, false, &attr);
}
static int op_create_open(struct exec *x, struct stage *s)
{
	return fs_mknod(x, s->dir, nm("new"), REG | 0600, 0, true, &attr);
}
static int op_mkfifo(struct exec *x, struct stage *s)
{
	return fs_mknod(x, s->dir, nm("fifo"), 0x1000 | 0600, 0, false, &attr);
}
static int op_mkdir(struct exec *x, struct stage *s)
{
	return fs_mkdir(x, s->dir, nm("new"), 0700, &attr);
}
static int op_symlink(struct exec *x, struct stage *s)
{
	return fs_symlink(x, s->dir, nm("new"), (struct fs_name){value, 50}, &attr);
}
static int op_symlink_slow(struct exec *x, struct stage *s)
{
	return fs_symlink(x, s->dir, nm("new"), (struct fs_name){value, 800}, &attr);
}
static int op_link(struct exec *x, struct stage *s)
{
	return fs_link(x, s->file, s->sub, nm("second"), &attr);
}
static void second_name(struct exec *x, struct stage *s)
{
	CHECK_OK(op_link(x, s));
}
static int op_unlink(struct exec *x, struct stage *s)
{
	return fs_unlink(x, s->dir, nm("file"));
}
static int op_unlink_other(struct exec *x, struct stage *s)
{
	return fs_unlink(x, s->sub, nm("other"));
}
static void open_file(struct exec *x, struct stage *s)
{
	CHECK_OK(fs_open(x, s->file, false, &attr));
}
static void unlinked_open(struct exec *x, struct stage *s)
{
	open_file(x, s);
	CHECK_OK(op_unlink(x, s));
}
static int op_release(struct exec *x, struct stage *s)
{
	int err = fs_release(x, s->file);

	/* once more by the survivor: it may have been done */
	return err == -MP_ESTALE || err == -MP_EBADF ? 0 : err;
}
static void empty_dir(struct exec *x, struct stage *s)
{
	s->full = mkd(x, s->dir, "gone");
}
static int op_rmdir(struct exec *x, struct stage *s)
{
	return fs_rmdir(x, s->dir, nm("gone"));
}
static int op_rename(struct exec *x, struct stage *s)
{
	return mv(x, s->dir, "file", s->sub, "moved", FS_RENAME_NOREPLACE);
}
static int op_rename_here(struct exec *x, struct stage *s)
{
	return mv(x, s->dir, "file", s->dir, "a longer name than before", 0);
}
static int op_rename_replace(struct exec *x, struct stage *s)
{
	return mv(x, s->dir, "file", s->sub, "other", 0);
}
static int op_rename_dir(struct exec *x, struct stage *s)
{
	return mv(x, s->dir, "sub", FS_ROOT, "sub", 0);
}
static int op_rename_dir_replace(struct exec *x, struct stage *s)
{
	return mv(x, s->dir, "sub", s->dir, "gone", 0);
}
static int op_exchange(struct exec *x, struct stage *s)
{
	return mv(x, s->dir, "file", s->sub, "other", FS_RENAME_EXCHANGE);
}
static int op_tmpfile(struct exec *x, struct stage *s)
{
	return fs_tmpfile(x, s->dir, 0600, &attr);
}
static void tmpfile_made(struct exec *x, struct stage *s)
{
	CHECK_OK(fs_tmpfile(x, s->dir, 0600, &attr));
	s->full = attr.node;
	CHECK_EQ(util_write(x, s->full, 0, data, 5000), 5000);
}
static int op_tmpfile_link(struct exec *x, struct stage *s)
{
	return fs_link(x, s->full, s->dir, nm("named"), &attr);
}
static int op_chmod(struct exec *x, struct stage *s)
{
	struct fs_setattr set = {.valid = FS_SET_MODE | FS_SET_UID, .mode = 0400, .uid = 7};

	return fs_setattr(x, s->file, &set, &attr);
}
static int op_shrink(struct exec *x, struct stage *s)
{
	return util_truncate(x, s->file, 5000);
}
static int op_grow(struct exec *x, struct stage *s)
{
	return util_truncate(x, s->file, 50000);
}
static int op_open_truncate(struct exec *x, struct stage *s)
{
	return fs_open(x, s->file, true, &attr);
}
static int op_open(struct exec *x, struct stage *s)
{
	return fs_open(x, s->file, false, &attr);
}
static int count(int n, int want)
{
	return n == want ? 0 : n < 0 ? n : -MP_EIO;
}
static int op_write(struct exec *x, struct stage *s)
{
	u64 pos = 4096;

	return count(util_write_once(x, s->file, &pos, 0, data + 77, 4096, 0), 4096);
}
static int op_write_part(struct exec *x, struct stage *s)
{
	u64 pos = 29000;

	return count(util_write_once(x, s->file, &pos, 0, data + 77, 9000, 328), 9000);
}
static int op_append(struct exec *x, struct stage *s)
{
	u64 pos = 0;

	/* the survivor does it again only when it was not done */
	return count(util_write_once(x, s->other, &pos, FS_WRITE_APPEND, data, 20000, 0), 20000);
}
static int op_preallocate(struct exec *x, struct stage *s)
{
	return fs_fallocate(x, s->other, FS_FALLOC_KEEP_SIZE, 0, 4096);
}
static int op_punch(struct exec *x, struct stage *s)
{
	return fs_fallocate(x, s->file, FS_FALLOC_PUNCH_HOLE | FS_FALLOC_KEEP_SIZE, 8192, 8192);
}
static int op_copy(struct exec *x, struct stage *s)
{
	u64 n;

	return fs_copy_range(x, s->file, 0, s->other, 4096, 12288, &n);
}
static int op_setxattr(struct exec *x, struct stage *s)
{
	return fs_setxattr(x, s->file, nm("user.large"), value, 2500, 0);
}
static int op_setxattr_small(struct exec *x, struct stage *s)
{
	return fs_setxattr(x, s->file, nm("user.more"), value, 10, 0);
}
static int op_setxattr_replace(struct exec *x, struct stage *s)
{
	return fs_setxattr(x, s->other, nm("user.large"), value + 1, 1500, 0);
}
static int op_removexattr(struct exec *x, struct stage *s)
{
	int err = fs_removexattr(x, s->other, nm("user.large"));

	return err == -MP_ENODATA ? 0 : err;
}
static int op_fsync(struct exec *x, struct stage *s)
{
	return fs_fsync(x, s->file, false);
}
static int op_sync(struct exec *x, struct stage *s)
{
	(void)s;
	return fs_sync(x);
}
static int op_writeback(struct exec *x, struct stage *s)
{
	(void)s;
	x->pool->hdr->age_ms -= 10000; /* what is dirty is old, or becomes so */
	return min_of(cache_writeback(x, 64), 0);
}

/* ---- want: of frames (everything that can be evicted is), of inode slots */
static struct frame *hoard[65536];
static u32 nhoard;
static ref_t hidden; /* the list of free inode slots */

static void frames_short(struct exec *x, struct stage *s)
{
	const struct pool_header *hdr = x->pool->hdr;
	u32 n = hdr->nfree;

	(void)s;
	CHECK_OK(fs_sync(x));
	for (fno_t fno = 1; fno < hdr->nframes; fno++) {
		const struct frame *f = frame_of(x, fno);

		n += (f->kind == FRAME_BUF || f->kind == FRAME_PAGE) && !f->pins;
	}
	for (n = max_of(n, 8u) - 8; nhoard < n; nhoard++)
		CHECK_OK(frame_alloc(x, &hoard[nhoard]));
}

/* What lies in the cache of names, directories and files may be reused, but for the directories. */
static void slots_short(struct exec *x, struct stage *s)
{
	const node_t dirs[] = {FS_ROOT, s->dir, s->sub};
	struct fs *fs = fs_of(x);
	struct fs_attr out;

	for (u32 i = 0; i < array_size(dirs); i++)
		CHECK_OK(fs_open(x, dirs[i], false, &out));
	hidden = fs->inode_free;
	fs->inode_free = 0;
}

static bool is_cached(struct exec *x, node_t node)
{
	const struct fs *fs = fs_of(x);

	for (u32 i = 0; i < fs->ninodes; i++) {
		const struct inode *inode = (struct inode *)exec_ptr(x, fs->inodes) + i;

		if (inode->state == INODE_READY && inode->ino == (u32)node)
			return true;
	}
	return false;
}

/* Files that come and go have driven the others out. */
static void slots_cold(struct exec *x, struct stage *s)
{
	node_t node[8];
	u32 n = 0;

	slots_short(x, s);
	while (is_cached(x, s->file) || is_cached(x, s->other)) {
		CHECK(n < array_size(node));
		CHECK_OK(fs_tmpfile(x, s->dir, 0600, &attr));
		node[n++] = attr.node;
	}
	while (n)
		CHECK_OK(fs_release(x, node[--n]));
}

static void want_ends(struct exec *x)
{
	ref_t *link = &fs_of(x)->inode_free;

	while (nhoard)
		frame_unpin(x, hoard[--nhoard]);
	while (*link)
		link = &((struct inode *)exec_ptr(x, *link))->free_next;
	*link = hidden;
	hidden = 0;
}

static int op_read(struct exec *x, struct stage *s)
{
	static u8 buf[40000];
	s64 n = util_read(x, s->file, 0, buf, sizeof(buf));

	return n >= 0 ? 0 : (int)n;
}
static int op_lookup(struct exec *x, struct stage *s)
{
	int err = fs_lookup(x, s->dir, nm("file"), &attr);

	return err ? err : fs_getattr(x, s->file, &attr);
}
static int op_lookup_all(struct exec *x, struct stage *s)
{
	int err = fs_getattr(x, s->file, &attr);

	return err ? err : fs_getattr(x, s->other, &attr);
}
static bool fill(void *arg, const struct fs_dirent *entry)
{
	(void)arg, (void)entry;
	return true;
}
static int op_readdir(struct exec *x, struct stage *s)
{
	return fs_readdir(x, s->dir, 0, true, fill, NULL);
}

/* ---- every step */
static const struct operation *op;
static struct stage stage;
static struct exec y, z; /* who dies, and who dies recovering it */
static u64 empty, before, after;
static u32 random_state;

static void prepare(struct exec *x)
{
	stage_make(x, &stage);
	if (op->before)
		op->before(x, &stage);
}

static void finish(struct exec *x)
{
	want_ends(x);
	stage_clear(x);
	pool_check(x);
	if (whole_sum(x) != empty)
		test_fail(__FILE__, __LINE__, "something is left of it");
}

/* What the operation does when nobody dies. */
static void measure(struct exec *x)
{
	bool cold = op->before == frames_short || op->before == slots_cold;

	prepare(x);
	before = cold ? 0 : whole_sum(x);
	CHECK_OK(op->run(x, &stage));
	want_ends(x);
	after = whole_sum(x);
	finish(x);
	if (cold) { /* looking would have filled the cache */
		stage_make(x, &stage);
		before = whole_sum(x);
		finish(x);
	}
	CHECK((op->tree == SAME) == (before == after));
}

/* Lets y die at the step; false when it was through before. */
static bool kill_at(u32 step)
{
	fixture_join(&y);
	y.cut = step;
	if (!setjmp(dead)) {
		CHECK_OK(op->run(&y, &stage));
		y.cut = 0;
		fixture_leave(&y);
		return false;
	}
	return true;
}

/* Lets who recovers y die at the step; false when it was through before. */
static bool kill_recoverer_at(u32 step)
{
	fixture_join(&z);
	z.cut = step;
	if (!setjmp(dead)) {
		CHECK_OK(exec_recover(&z, y.id));
		z.cut = 0;
		fixture_leave(&z);
		return false;
	}
	return true;
}

/* All is as it was before, or as after it; the survivor brings it to an end. */
static void judge(struct exec *x)
{
	u64 now;

	want_ends(x);
	pool_check(x);
	now = whole_sum(x);
	if (now != before && now != after && op->tree != MIXES)
		test_fail(__FILE__, __LINE__, "half done");
	if (now != after) {
		CHECK_OK(op->run(x, &stage));
		if (whole_sum(x) != after)
			test_fail(__FILE__, __LINE__, "cannot be done afterwards");
	}
	finish(x);
}

/* False when the operation, or the recovery, was through before it could be cut. */
static bool one_death(struct exec *x, u32 step, u32 recovery_step, bool *recoverer_died)
{
	bool died, more = false;

	prepare(x);
	died = kill_at(step);
	if (died && recovery_step)
		more = kill_recoverer_at(recovery_step);
	/* together: the one may hold what recovering the other takes */
	if (died && (more || !recovery_step))
		CHECK(execs_recover_set(x, y.bit | (more ? z.bit : 0)));
	*recoverer_died = more;
	judge(x);
	return died;
}

static void every_step(const struct operation *of)
{
	u32 steps = 0, deaths = 0, limit = 64;
	struct exec *x;
	bool more;

	op = of;
	random_state = test_seed();
	for (u32 i = 0; i < sizeof(data); i++)
		data[i] = (u8)(i * 7 + i / 251);
	memset(value, 'v', sizeof(value));
	fixture_pool_size(4);
	fixture_make(32, NULL, NULL);
	x = fixture_mount();
	plat_posix_on_cut(fixture_plat(), die, NULL);
	stage_make(x, &stage); /* what mke2fs left to be made is made */
	stage_clear(x);
	empty = whole_sum(x);
	measure(x);
	while (one_death(x, steps + 1, 0, &more)) {
		steps++;
		CHECK(steps < STEPS_MAX);
	}
	CHECK(steps > 5);
	for (u32 i = 0; i < SPREAD; i++) {
		u32 step = 1 + (u32)((u64)steps * (2 * i + 1) / (2 * SPREAD)), k = 1;

		/* what waits for the time of day has not the same steps each time */
		for (more = true; more && one_death(x, step, k, &more); k++)
			deaths += more;
		limit = max_of(limit, k);
	}
	for (u32 step = 1; step <= steps; step++) {
		if (!one_death(x, step, 1 + rnd(&random_state) % limit, &more))
			break;
		deaths += more;
	}
	if (test_verbose())
		fprintf(stderr, "%s: %u steps, %u deaths of the recoverer\n", op->name, steps,
			deaths);
	CHECK(deaths > SPREAD);
	fixture_unmount_check();
}

#define CUT(id, ...)                                                                               \
	TEST_TIMED(death_in_##id, 120)                                                             \
	{                                                                                          \
		static const struct operation of = {#id, __VA_ARGS__};                             \
		every_step(&of);                                                                   \
	}

CUT(create, NULL, op_create, CHANGES)
CUT(create_and_open, NULL, op_create_open, CHANGES)
CUT(create_without_frames, frames_short, op_create, CHANGES)
CUT(create_without_slots, slots_short, op_create, CHANGES)
CUT(mkfifo, NULL, op_mkfifo, CHANGES)
CUT(mkdir, NULL, op_mkdir, CHANGES)
CUT(symlink, NULL, op_symlink, CHANGES)
CUT(long_symlink, NULL, op_symlink_slow, CHANGES)
CUT(link, NULL, op_link, CHANGES)
CUT(unlink, NULL, op_unlink, CHANGES)
CUT(unlink_with_xattrs, NULL, op_unlink_other, CHANGES)
CUT(unlink_of_one_name, second_name, op_unlink, CHANGES)
CUT(unlink_of_an_open_file, open_file, op_unlink, CHANGES)
CUT(release_of_an_unlinked_file, unlinked_open, op_release, CHANGES)
CUT(release, open_file, op_release, SAME)
CUT(rmdir, empty_dir, op_rmdir, CHANGES)
CUT(rename, NULL, op_rename, CHANGES)
CUT(rename_in_place, NULL, op_rename_here, CHANGES)
CUT(rename_over_a_file, NULL, op_rename_replace, CHANGES)
CUT(rename_of_a_directory, NULL, op_rename_dir, CHANGES)
CUT(rename_over_a_directory, empty_dir, op_rename_dir_replace, CHANGES)
CUT(exchange, NULL, op_exchange, CHANGES)
CUT(tmpfile, NULL, op_tmpfile, CHANGES)
CUT(link_of_a_tmpfile, tmpfile_made, op_tmpfile_link, CHANGES)
CUT(chmod, NULL, op_chmod, CHANGES)
CUT(shrinking, NULL, op_shrink, CHANGES)
CUT(growing, NULL, op_grow, CHANGES)
CUT(open, NULL, op_open, SAME)
CUT(open_that_truncates, NULL, op_open_truncate, CHANGES)
CUT(write_of_a_page, NULL, op_write, CHANGES)
CUT(write_of_parts, NULL, op_write_part, MIXES)
CUT(write_without_frames, frames_short, op_write_part, MIXES)
CUT(append, NULL, op_append, CHANGES)
CUT(preallocating, NULL, op_preallocate, CHANGES)
CUT(punching, NULL, op_punch, CHANGES)
CUT(copying, NULL, op_copy, MIXES)
CUT(setxattr, NULL, op_setxattr, CHANGES)
CUT(setxattr_in_the_inode, NULL, op_setxattr_small, CHANGES)
CUT(setxattr_that_replaces, NULL, op_setxattr_replace, CHANGES)
CUT(removexattr, NULL, op_removexattr, CHANGES)
CUT(fsync, NULL, op_fsync, SAME)
CUT(sync, NULL, op_sync, SAME)
CUT(writeback, NULL, op_writeback, SAME)
CUT(lookup, NULL, op_lookup, SAME)
CUT(lookup_without_frames, frames_short, op_lookup, SAME)
CUT(lookup_of_what_is_not_cached, slots_cold, op_lookup_all, SAME)
CUT(reading, NULL, op_read, SAME)
CUT(reading_without_frames, frames_short, op_read, SAME)
CUT(listing, NULL, op_readdir, SAME)
