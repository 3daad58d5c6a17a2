/* SPDX-License-Identifier: BSD-2-Clause */
/* Operations, each of which is one transaction or says its steps, and what they leave. */
#include "journal/commit.h"
#include "pool/frame.h"
#include "tests/crash/crash.h"

#define LEFT_FREE 12u

struct history history;

static struct fs_name nm(const char *s)
{
	return (struct fs_name){s, (u32)strlen(s)};
}

/* The node that a path of at most two names leads to; 0: there is none. */
static node_t find(struct exec *x, const char *path)
{
	node_t node = FS_ROOT;

	while (*path) {
		struct fs_attr a;
		struct fs_name name;

		path++;
		name.s = path;
		name.len = (u32)strcspn(path, "/");
		if (fs_lookup(x, node, name, &a))
			return 0;
		node = a.node;
		path += name.len;
	}
	return node;
}

/* The directory of a path, and its last name. */
static node_t parent(struct exec *x, const char *path, struct fs_name *name)
{
	const char *last = strrchr(path, '/');
	char dir[200];

	snprintf(dir, sizeof(dir), "%.*s", (int)(last - path), path);
	*name = nm(last + 1);
	return find(x, dir);
}

/* ---- states */
void work_state(struct exec *x)
{
	if (history.nstates == MAX_STATES)
		crash_fail("too many operations");
	tree_read(x, &history.states[history.nstates]);
	history.states[history.nstates++].open_orphans = history.open_orphans;
}

/* An operation begins: target is the inode that it changes. */
static void begin(node_t target, bool data)
{
	history.target[history.nstates] = target;
	history.data[history.nstates] = data;
	medium.started++;
}

/* An operation has ended; what it may say when an earlier one has changed the tree. */
static void end(struct exec *x, s64 err, const char *what)
{
	static const int fine[] = {0,         MP_ENOENT, MP_EEXIST,  MP_ENOTEMPTY, MP_ENOTDIR,
				   MP_EISDIR, MP_EINVAL, MP_ENODATA, MP_EPERM,     MP_ENOSPC};

	for (u32 i = 0; i < array_size(fine); i++)
		if (err >= 0 || err == -fine[i]) {
			u32 n = history.nstates;

			work_state(x);
			history.changed[n] = err >= 0 || strcmp(history.states[n].text,
								history.states[n - 1].text) != 0;
			return;
		}
	crash_fail("%s: %lld (%s)", what, (long long)err, crash_log());
}

static u8 byte_at(u32 seed, u64 pos)
{
	return (u8)((pos * 2654435761u ^ seed * 40503u) >> 7) | 1;
}

static u32 contents; /* each write has others */

void work_begin(u32 first_content)
{
	for (u32 i = 0; i < history.nstates; i++)
		tree_free(&history.states[i]);
	memset(&history, 0, sizeof(history));
	contents = first_content;
}

static s64 put(struct exec *x, node_t node, u64 pos, u32 len, bool append)
{
	struct fs_seg segs[FS_IO_SEGS];
	u32 n = 0, done = 0, seed = ++contents;
	int ret;

	while (done < len) {
		u32 off = n || append ? 0 : (u32)pos & 4095, part = min_of(len - done, 4096 - off);
		struct frame *f;

		if (frame_alloc(x, &f))
			crash_fail("no frame");
		for (u32 i = 0; i < part; i++)
			((u8 *)frame_data(x, f))[off + i] = byte_at(seed, done + i);
		segs[n++] = (struct fs_seg){frame_no(x, f), (u16)off, (u16)part};
		done += part;
	}
	ret = fs_write(x, node, &pos, append ? FS_WRITE_APPEND : 0, segs, n);
	for (u32 i = 0; i < n; i++)
		frame_unpin(x, frame_of(x, segs[i].frame));
	return ret;
}

/* ---- operations */
/* fdatasync may forget a write's times, unless size or blocks have changed with them. (Whether its
 * content is there is asked in any case.) */
static void op_write(struct exec *x, const char *path, u64 pos, u32 len, bool append)
{
	struct fs_attr before = {.node = 0}, after = {.node = 0};
	node_t node = find(x, path);
	u32 n = history.nstates;
	s64 err = -MP_ENOENT;

	begin(node, true);
	if (node) {
		err = fs_getattr(x, node, &before);
		if (!err)
			err = put(x, node, pos, len, append);
		if (err >= 0 && fs_getattr(x, node, &after) == 0)
			history.data[n] =
				after.size != before.size || after.blocks != before.blocks;
	}
	end(x, err, path);
}

static void op_create(struct exec *x, const char *path, u32 mode)
{
	struct fs_name name;
	node_t dir = parent(x, path, &name);
	struct fs_attr a = {.node = 0};
	int err;

	begin(0, true);
	err = !dir                        ? -MP_ENOENT
	      : (mode & 0xF000) == 0x4000 ? fs_mkdir(x, dir, name, mode & 07777, &a)
					  : fs_mknod(x, dir, name, mode, 0x103, false, &a);
	history.target[history.nstates] = a.node;
	end(x, err, path);
}

static void op_symlink(struct exec *x, const char *path, u32 len)
{
	char target[3000];
	struct fs_name name;
	node_t dir = parent(x, path, &name);
	struct fs_attr a = {.node = 0};

	memset(target, 't', sizeof(target));
	begin(0, true);
	end(x, dir ? fs_symlink(x, dir, name, (struct fs_name){target, len}, &a) : -MP_ENOENT,
	    path);
}

static void op_link(struct exec *x, const char *from, const char *to)
{
	struct fs_name name;
	node_t node = find(x, from), dir = parent(x, to, &name);
	struct fs_attr a;

	begin(node, true);
	end(x, node && dir ? fs_link(x, node, dir, name, &a) : -MP_ENOENT, to);
}

static void op_rename(struct exec *x, const char *from, const char *to, u32 flags)
{
	struct fs_name old, new;
	node_t node = find(x, from), olddir = parent(x, from, &old), newdir = parent(x, to, &new);

	begin(node, true);
	end(x, olddir && newdir ? fs_rename(x, olddir, old, newdir, new, flags) : -MP_ENOENT, to);
}

static void op_remove(struct exec *x, const char *path, bool dir)
{
	struct fs_name name;
	node_t node = find(x, path), at = parent(x, path, &name);

	begin(node, true);
	end(x, !at ? -MP_ENOENT : dir ? fs_rmdir(x, at, name) : fs_unlink(x, at, name), path);
}

static void op_set(struct exec *x, const char *path, const struct fs_setattr *set)
{
	node_t node = find(x, path);
	struct fs_attr a;

	begin(node, set->valid & FS_SET_SIZE);
	end(x, node ? fs_setattr(x, node, set, &a) : -MP_ENOENT, path);
}

static void op_truncate(struct exec *x, const char *path, u64 size)
{
	op_set(x, path, &(struct fs_setattr){.valid = FS_SET_SIZE, .size = size});
}

static void op_fallocate(struct exec *x, const char *path, u32 mode, u64 pos, u64 len)
{
	node_t node = find(x, path);

	begin(node, true);
	end(x, node ? fs_fallocate(x, node, mode, pos, len) : -MP_ENOENT, path);
}

static void op_setxattr(struct exec *x, const char *path, const char *name, u32 len)
{
	node_t node = find(x, path);
	u8 value[4000];

	for (u32 i = 0; i < len; i++)
		value[i] = byte_at(++contents, i);
	begin(node, false);
	end(x,
	    !node ? -MP_ENOENT
	    : len ? fs_setxattr(x, node, nm(name), value, len, 0)
		  : fs_removexattr(x, node, nm(name)),
	    path);
}

/* O_TMPFILE, written to, gets a name, is closed. */
static void op_tmpfile(struct exec *x, const char *path, bool named)
{
	struct fs_name name;
	node_t dir = parent(x, path, &name);
	struct fs_attr a;
	int err = dir ? 0 : -MP_ENOENT;

	begin(0, true);
	if (!err)
		err = fs_tmpfile(x, dir, 0640, &a);
	history.open_orphans += !err;
	end(x, err, path);
	if (err)
		return;
	begin(a.node, true);
	end(x, put(x, a.node, 0, 6000, false), path);
	if (named) {
		begin(a.node, true);
		err = fs_link(x, a.node, dir, name, &a);
		history.open_orphans -= !err;
		end(x, err, path);
	}
	begin(a.node, true);
	err = fs_release(x, a.node);
	if (!named || err)
		history.open_orphans--;
	end(x, err, path);
}

/* Deleted while it is open, then closed. */
static void op_unlink_open(struct exec *x, const char *path)
{
	struct fs_name name;
	node_t node = find(x, path), dir = parent(x, path, &name);
	struct fs_attr a;
	int err;

	if (!node || fs_open(x, node, false, &a))
		return;
	begin(node, true);
	err = fs_unlink(x, dir, name);
	history.open_orphans += !err && a.nlink == 1;
	end(x, err, path);
	begin(node, true);
	end(x, put(x, node, 3000, 5000, false), path);
	begin(node, true);
	history.open_orphans -= !err && a.nlink == 1;
	end(x, fs_release(x, node), path);
}

/* So many names that the directory gets an index. */
static void op_many(struct exec *x, const char *dir, u32 n)
{
	for (u32 i = 0; i < n; i++) {
		char path[260];

		snprintf(path, sizeof(path), "%s/%u%0200u", dir, i, i);
		op_create(x, path, 0100600);
	}
}

#define EXCHANGE FS_RENAME_EXCHANGE
#define KEEP FS_FALLOC_KEEP_SIZE
#define OPERATIONS(X)                                                                              \
	X(op_create(x, "/n", 0100644))                                                             \
	X(op_create(x, "/d/n", 0100644))                                                           \
	X(op_create(x, "/n", 040755))                                                              \
	X(op_create(x, "/d/n", 040755))                                                            \
	X(op_create(x, "/d/fifo", 010600))                                                         \
	X(op_link(x, "/a", "/d/l"))                                                                \
	X(op_symlink(x, "/n", 40))                                                                 \
	X(op_symlink(x, "/d/n", 2500))                                                             \
	X(op_rename(x, "/a", "/n", 0))                                                             \
	X(op_rename(x, "/a", "/d/n", 0))                                                           \
	X(op_rename(x, "/a", "/b", 0))                                                             \
	X(op_rename(x, "/a", "/d/c", 0))                                                           \
	X(op_rename(x, "/e", "/d/e", 0))                                                           \
	X(op_rename(x, "/d", "/e", 0))                                                             \
	X(op_rename(x, "/a", "/d/c", EXCHANGE))                                                    \
	X(op_rename(x, "/a", "/e", EXCHANGE))                                                      \
	X(op_rename(x, "/d/sub", "/e", EXCHANGE))                                                  \
	X(op_rename(x, "/d/c", "/n", FS_RENAME_NOREPLACE))                                         \
	X(op_remove(x, "/a", false))                                                               \
	X(op_remove(x, "/b", false))                                                               \
	X(op_remove(x, "/s", false))                                                               \
	X(op_remove(x, "/d/c", false))                                                             \
	X(op_remove(x, "/e", true))                                                                \
	X(op_remove(x, "/d/sub", true))                                                            \
	X(op_unlink_open(x, "/a"))                                                                 \
	X(op_unlink_open(x, "/b"))                                                                 \
	X(op_truncate(x, "/a", 0))                                                                 \
	X(op_truncate(x, "/a", 5000))                                                              \
	X(op_truncate(x, "/a", 30000))                                                             \
	X(op_truncate(x, "/d/c", 9000))                                                            \
	X(op_write(x, "/a", 0, 3000, true))                                                        \
	X(op_write(x, "/a", 0, 20000, true))                                                       \
	X(op_write(x, "/a", 0, 4096, false))                                                       \
	X(op_write(x, "/a", 100, 5000, false))                                                     \
	X(op_write(x, "/d/c", 4096, 8192, false))                                                  \
	X(op_write(x, "/b", 50000, 3000, false))                                                   \
	X(op_fallocate(x, "/a", 0, 0, 60000))                                                      \
	X(op_fallocate(x, "/a", KEEP, 20000, 60000))                                               \
	X(op_fallocate(x, "/d/c", KEEP | FS_FALLOC_PUNCH_HOLE, 3000, 14000))                       \
	X(op_fallocate(x, "/a", FS_FALLOC_ZERO_RANGE, 1000, 9000))                                 \
	X(op_setxattr(x, "/a", "user.small", 30))                                                  \
	X(op_setxattr(x, "/a", "user.large", 3000))                                                \
	X(op_setxattr(x, "/d/x", "user.old", 0))                                                   \
	X(op_setxattr(x, "/d/x", "user.old", 2000))                                                \
	X(op_set(x, "/a", &(struct fs_setattr){.valid = FS_SET_MODE, .mode = 0600}))               \
	X(op_set(x, "/d", &(struct fs_setattr){.valid = FS_SET_UID, .uid = 77}))                   \
	X(op_tmpfile(x, "/d/t", true))                                                             \
	X(op_tmpfile(x, "/d/t", false))                                                            \
	X(op_many(x, "/e", 24))

static const char *const names[] = {
#define NAME(call) #call,
	OPERATIONS(NAME)
#undef NAME
};

u32 work_operations(void)
{
	return array_size(names);
}

const char *work_name(u32 op)
{
	return op < array_size(names) ? names[op] : "nothing";
}

void work_do(struct exec *x, u32 op)
{
	u32 n = 0;

#define CALL(call)                                                                                 \
	if (op == n++) {                                                                           \
		call;                                                                              \
		return;                                                                            \
	}
	OPERATIONS(CALL)
#undef CALL
}

void work_sync(struct exec *x, enum sync_kind kind)
{
	struct sync *s = &history.syncs[history.nsyncs];
	u32 at;
	int err = 0;

	/* a commit of metadata while others' data has not been asked for */
	if (kind == SYNC_OTHER) {
		op_set(x, "/d/x", &(struct fs_setattr){.valid = FS_SET_MODE, .mode = 0640});
		kind = SYNC_FSYNC;
	}
	at = history.nstates - 1;
	*s = (struct sync){kind, at, history.target[at]};
	if (kind == SYNC_STEP) {
		err = cache_writeback(x, 64);
		if (err < 0)
			crash_fail("write-back: %d (%s)", err, crash_log());
		return;
	}
	if (kind == SYNC_ALL) {
		err = fs_sync(x);
	} else if (kind != SYNC_NONE) {
		err = s->node ? fs_fsync(x, s->node, kind == SYNC_FDATASYNC) : 0;
		if (!s->node || err == -MP_ESTALE)
			return;
	} else {
		return;
	}
	if (err)
		crash_fail("sync: %d (%s)", err, crash_log());
	history.nsyncs++;
	medium.synced = history.nsyncs;
}

/* Nearly all blocks are taken: what is freed is what the next one gets. */
static void fill(struct exec *x)
{
	struct fs_statfs st;

	op_create(x, "/fill", 0100600);
	if (fs_statfs(x, &st))
		crash_fail("statfs");
	op_fallocate(x, "/fill", FS_FALLOC_KEEP_SIZE, 0, (st.bfree - LEFT_FREE) * 4096);
}

void work_populate(struct exec *x, bool full)
{
	static const char *const files[] = {"/a", "/b", "/d/c", "/d/x"};

	op_create(x, "/d", 040755);
	op_create(x, "/e", 040755);
	op_create(x, "/d/sub", 040755);
	for (u32 i = 0; i < array_size(files); i++)
		op_create(x, files[i], 0100644);
	op_write(x, "/a", 0, 10000, false);
	op_write(x, "/b", 0, 9000, false);
	op_link(x, "/b", "/d/b2");
	op_write(x, "/d/c", 0, 4096, false);
	op_write(x, "/d/c", 12288, 8000, false);
	op_symlink(x, "/s", 20);
	op_setxattr(x, "/d/x", "user.old", 100);
	op_setxattr(x, "/a", "user.first", 50);
	if (full)
		fill(x);
}

/* Whether one or a few more commits make the tail of the log move, or reach the end of its file. */
static bool log_filled(struct exec *x, bool at_end, u32 left)
{
	const struct journal *j = journal_of(x);

	return at_end ? j->blocks - j->head <= left : log_room(x) <= log_most(j) + left;
}

void work_fill_log(struct exec *x, u64 *rng)
{
	struct fs_setattr set = {.valid = FS_SET_MODE, .mode = 0640};
	u32 left = 4 + crash_random(rng, 12); /* a commit takes at most 4 blocks here */
	bool at_end = crash_random(rng, 2);
	node_t node = find(x, "/d/x");
	struct fs_attr a;

	while (!log_filled(x, at_end, left)) {
		set.mode ^= 1;
		if (fs_setattr(x, node, &set, &a) || fs_sync(x))
			crash_fail("filling the log (%s)", crash_log());
	}
}
