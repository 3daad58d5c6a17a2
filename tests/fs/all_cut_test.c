/* SPDX-License-Identifier: BSD-2-Clause */
/* Every operation of fs.h is cut at every step (cut.h). */
#include "fs/inode.h"
#include "fs/super.h"
#include "tests/fs/cut.h"

/* ---- the operations */

static int op_create(struct exec *x, struct cut_stage *s)
{
	return fs_mknod(x, s->dir, nm("new"), REG | 0600, 0, false, &cut_attr);
}
static int op_create_open(struct exec *x, struct cut_stage *s)
{
	return fs_mknod(x, s->dir, nm("new"), REG | 0600, 0, true, &cut_attr);
}
static int op_mkfifo(struct exec *x, struct cut_stage *s)
{
	return fs_mknod(x, s->dir, nm("fifo"), 0x1000 | 0600, 0, false, &cut_attr);
}
static int op_mkdir(struct exec *x, struct cut_stage *s)
{
	return fs_mkdir(x, s->dir, nm("new"), 0700, &cut_attr);
}
static int op_symlink(struct exec *x, struct cut_stage *s)
{
	return fs_symlink(x, s->dir, nm("new"), (struct fs_name){cut_value, 50}, &cut_attr);
}
static int op_symlink_slow(struct exec *x, struct cut_stage *s)
{
	return fs_symlink(x, s->dir, nm("new"), (struct fs_name){cut_value, 800}, &cut_attr);
}
static int op_link(struct exec *x, struct cut_stage *s)
{
	return fs_link(x, s->file, s->sub, nm("second"), &cut_attr);
}
static void second_name(struct exec *x, struct cut_stage *s)
{
	CHECK_OK(op_link(x, s));
}
static int op_unlink(struct exec *x, struct cut_stage *s)
{
	return fs_unlink(x, s->dir, nm("file"));
}
static int op_unlink_other(struct exec *x, struct cut_stage *s)
{
	return fs_unlink(x, s->sub, nm("other"));
}
static void open_file(struct exec *x, struct cut_stage *s)
{
	CHECK_OK(fs_open(x, s->file, false, &cut_attr));
}
static void unlinked_open(struct exec *x, struct cut_stage *s)
{
	open_file(x, s);
	CHECK_OK(op_unlink(x, s));
}
static int op_release(struct exec *x, struct cut_stage *s)
{
	int err = fs_release(x, s->file);

	/* once more by the survivor: it may have been done */
	return err == -MP_ESTALE || err == -MP_EBADF ? 0 : err;
}
static void empty_dir(struct exec *x, struct cut_stage *s)
{
	s->full = mkd(x, s->dir, "gone");
}
static int op_rmdir(struct exec *x, struct cut_stage *s)
{
	return fs_rmdir(x, s->dir, nm("gone"));
}
static int op_rename(struct exec *x, struct cut_stage *s)
{
	return mv(x, s->dir, "file", s->sub, "moved", FS_RENAME_NOREPLACE);
}
static int op_rename_here(struct exec *x, struct cut_stage *s)
{
	return mv(x, s->dir, "file", s->dir, "a longer name than before", 0);
}
static int op_rename_replace(struct exec *x, struct cut_stage *s)
{
	return mv(x, s->dir, "file", s->sub, "other", 0);
}
static int op_rename_dir(struct exec *x, struct cut_stage *s)
{
	return mv(x, s->dir, "sub", FS_ROOT, "sub", 0);
}
static int op_rename_dir_replace(struct exec *x, struct cut_stage *s)
{
	return mv(x, s->dir, "sub", s->dir, "gone", 0);
}
static int op_exchange(struct exec *x, struct cut_stage *s)
{
	return mv(x, s->dir, "file", s->sub, "other", FS_RENAME_EXCHANGE);
}
static int op_tmpfile(struct exec *x, struct cut_stage *s)
{
	return fs_tmpfile(x, s->dir, 0600, &cut_attr);
}
static void tmpfile_made(struct exec *x, struct cut_stage *s)
{
	CHECK_OK(fs_tmpfile(x, s->dir, 0600, &cut_attr));
	s->full = cut_attr.node;
	CHECK_EQ(util_write(x, s->full, 0, cut_data, 5000), 5000);
}
static int op_tmpfile_link(struct exec *x, struct cut_stage *s)
{
	return fs_link(x, s->full, s->dir, nm("named"), &cut_attr);
}
static int op_chmod(struct exec *x, struct cut_stage *s)
{
	struct fs_setattr set = {.valid = FS_SET_MODE | FS_SET_UID, .mode = 0400, .uid = 7};

	return fs_setattr(x, s->file, &set, &cut_attr);
}
static int op_shrink(struct exec *x, struct cut_stage *s)
{
	return util_truncate(x, s->file, 5000);
}
static int op_grow(struct exec *x, struct cut_stage *s)
{
	return util_truncate(x, s->file, 50000);
}
static int op_open_truncate(struct exec *x, struct cut_stage *s)
{
	return fs_open(x, s->file, true, &cut_attr);
}
static int op_open(struct exec *x, struct cut_stage *s)
{
	return fs_open(x, s->file, false, &cut_attr);
}
static int count(int n, int want)
{
	return n == want ? 0 : n < 0 ? n : -MP_EIO;
}
static int op_write(struct exec *x, struct cut_stage *s)
{
	u64 pos = 4096;

	return count(util_write_once(x, s->file, &pos, 0, cut_data + 77, 4096, 0), 4096);
}
static int op_write_part(struct exec *x, struct cut_stage *s)
{
	u64 pos = 29000;

	return count(util_write_once(x, s->file, &pos, 0, cut_data + 77, 9000, 328), 9000);
}
static int op_append(struct exec *x, struct cut_stage *s)
{
	u64 pos = 0;

	/* the survivor does it again only when it was not done */
	return count(util_write_once(x, s->other, &pos, FS_WRITE_APPEND, cut_data, 20000, 0),
		     20000);
}
static int op_preallocate(struct exec *x, struct cut_stage *s)
{
	return fs_fallocate(x, s->other, FS_FALLOC_KEEP_SIZE, 0, 4096);
}
static int op_punch(struct exec *x, struct cut_stage *s)
{
	return fs_fallocate(x, s->file, FS_FALLOC_PUNCH_HOLE | FS_FALLOC_KEEP_SIZE, 8192, 8192);
}
static int op_zero(struct exec *x, struct cut_stage *s)
{
	return fs_fallocate(x, s->file, FS_FALLOC_ZERO_RANGE, 5000, 30000);
}
static int op_copy(struct exec *x, struct cut_stage *s)
{
	u64 n;

	return fs_copy_range(x, s->file, 0, s->other, 4096, 12288, &n);
}
static int op_setxattr(struct exec *x, struct cut_stage *s)
{
	return fs_setxattr(x, s->file, nm("user.large"), cut_value, 2500, 0);
}
static int op_setxattr_small(struct exec *x, struct cut_stage *s)
{
	return fs_setxattr(x, s->file, nm("user.more"), cut_value, 10, 0);
}
static int op_setxattr_replace(struct exec *x, struct cut_stage *s)
{
	return fs_setxattr(x, s->other, nm("user.large"), cut_value + 1, 1500, 0);
}
static int op_removexattr(struct exec *x, struct cut_stage *s)
{
	int err = fs_removexattr(x, s->other, nm("user.large"));

	return err == -MP_ENODATA ? 0 : err;
}
static int op_fsync(struct exec *x, struct cut_stage *s)
{
	return fs_fsync(x, s->file, false);
}
static int op_sync(struct exec *x, struct cut_stage *s)
{
	(void)s;
	return fs_sync(x);
}
/* ---- want: of frames (everything that can be evicted is), of inode slots */
static struct frame *hoard[65536];
static u32 nhoard;
static ref_t hidden; /* the list of free inode slots */

static void frames_short(struct exec *x, struct cut_stage *s)
{
	const struct pool_header *hdr = x->pool->hdr;
	u32 n = hdr->nfree;

	(void)s;
	CHECK_OK(fs_sync(x));
	for (fno_t fno = 1; fno < hdr->nframes; fno++) {
		const struct frame *f = frame_of(x, fno);

		n += (f->kind == FRAME_BUF || f->kind == FRAME_PAGE || f->kind == FRAME_NOTE) &&
		     !f->pins;
	}
	for (n = max_of(n, 8u) - 8; nhoard < n; nhoard++)
		CHECK_OK(frame_alloc(x, &hoard[nhoard]));
}

/* What lies in the cache of names, directories and files may be reused, but for the directories. */
static void slots_short(struct exec *x, struct cut_stage *s)
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
static void slots_cold(struct exec *x, struct cut_stage *s)
{
	node_t node[8];
	u32 n = 0;

	slots_short(x, s);
	while (is_cached(x, s->file) || is_cached(x, s->other)) {
		CHECK(n < array_size(node));
		CHECK_OK(fs_tmpfile(x, s->dir, 0600, &cut_attr));
		node[n++] = cut_attr.node;
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

static int op_read(struct exec *x, struct cut_stage *s)
{
	static u8 buf[40000];
	s64 n = util_read(x, s->file, 0, buf, sizeof(buf));

	return n >= 0 ? 0 : (int)n;
}
static int op_lookup(struct exec *x, struct cut_stage *s)
{
	int err = fs_lookup(x, s->dir, nm("file"), &cut_attr);

	return err ? err : fs_getattr(x, s->file, &cut_attr);
}
static int op_lookup_all(struct exec *x, struct cut_stage *s)
{
	int err = fs_getattr(x, s->file, &cut_attr);

	return err ? err : fs_getattr(x, s->other, &cut_attr);
}
static bool fill(void *arg, const struct fs_dirent *entry)
{
	(void)arg, (void)entry;
	return true;
}
static int op_readdir(struct exec *x, struct cut_stage *s)
{
	return fs_readdir(x, s->dir, 0, true, fill, NULL);
}
/* The order of its names is kept. */
static void listed(struct exec *x, struct cut_stage *s)
{
	CHECK_OK(op_readdir(x, s));
}
/* ... and is of another time. */
static void listed_and_changed(struct exec *x, struct cut_stage *s)
{
	listed(x, s);
	mk(x, s->dir, "comes and goes");
	CHECK_OK(fs_unlink(x, s->dir, nm("comes and goes")));
}
static int op_create_long(struct exec *x, struct cut_stage *s)
{
	return fs_mknod(x, s->dir, (struct fs_name){cut_value, 250}, REG | 0600, 0, false,
			&cut_attr);
}
/* The next name of that length makes an index of it, and splits the leaf. */
static void listed_and_full(struct exec *x, struct cut_stage *s)
{
	char name[251];

	for (u32 i = 0; i < 15; i++) {
		snprintf(name, sizeof(name), "%0250u", i);
		mk(x, s->dir, name);
	}
	listed(x, s);
}

CUT(create, NULL, op_create, CUT_CHANGES)
CUT(create_and_open, NULL, op_create_open, CUT_CHANGES)
CUT(create_without_frames, frames_short, op_create, CUT_CHANGES, .ends = want_ends, .cold = true)
CUT(create_without_slots, slots_short, op_create, CUT_CHANGES, .ends = want_ends)
CUT(mkfifo, NULL, op_mkfifo, CUT_CHANGES)
CUT(mkdir, NULL, op_mkdir, CUT_CHANGES)
CUT(symlink, NULL, op_symlink, CUT_CHANGES)
CUT(long_symlink, NULL, op_symlink_slow, CUT_CHANGES)
CUT(link, NULL, op_link, CUT_CHANGES)
CUT(unlink, NULL, op_unlink, CUT_CHANGES)
CUT(unlink_with_xattrs, NULL, op_unlink_other, CUT_CHANGES)
CUT(unlink_of_one_name, second_name, op_unlink, CUT_CHANGES)
CUT(unlink_of_an_open_file, open_file, op_unlink, CUT_CHANGES)
CUT(release_of_an_unlinked_file, unlinked_open, op_release, CUT_CHANGES)
CUT(release, open_file, op_release, CUT_SAME)
CUT(rmdir, empty_dir, op_rmdir, CUT_CHANGES)
CUT(rename, NULL, op_rename, CUT_CHANGES)
CUT(rename_in_place, NULL, op_rename_here, CUT_CHANGES)
CUT(rename_over_a_file, NULL, op_rename_replace, CUT_CHANGES)
CUT(rename_of_a_directory, NULL, op_rename_dir, CUT_CHANGES)
CUT(rename_over_a_directory, empty_dir, op_rename_dir_replace, CUT_CHANGES)
CUT(exchange, NULL, op_exchange, CUT_CHANGES)
CUT(tmpfile, NULL, op_tmpfile, CUT_CHANGES)
CUT(link_of_a_tmpfile, tmpfile_made, op_tmpfile_link, CUT_CHANGES)
CUT(chmod, NULL, op_chmod, CUT_CHANGES)
CUT(shrinking, NULL, op_shrink, CUT_CHANGES)
CUT(growing, NULL, op_grow, CUT_CHANGES)
CUT(open, NULL, op_open, CUT_SAME)
CUT(open_that_truncates, NULL, op_open_truncate, CUT_CHANGES)
CUT(write_of_a_page, NULL, op_write, CUT_CHANGES)
CUT(write_of_parts, NULL, op_write_part, CUT_MIXES)
CUT(write_without_frames, frames_short, op_write_part, CUT_MIXES, .ends = want_ends, .cold = true)
CUT(append, NULL, op_append, CUT_CHANGES)
CUT(preallocating, NULL, op_preallocate, CUT_CHANGES)
CUT(punching, NULL, op_punch, CUT_CHANGES)
CUT(zeroing_a_range, NULL, op_zero, CUT_MIXES)
CUT(copying, NULL, op_copy, CUT_MIXES)
CUT(setxattr, NULL, op_setxattr, CUT_CHANGES)
CUT(setxattr_in_the_inode, NULL, op_setxattr_small, CUT_CHANGES)
CUT(setxattr_that_replaces, NULL, op_setxattr_replace, CUT_CHANGES)
CUT(removexattr, NULL, op_removexattr, CUT_CHANGES)
CUT(fsync, NULL, op_fsync, CUT_SAME)
CUT(sync, NULL, op_sync, CUT_SAME)
CUT(lookup, NULL, op_lookup, CUT_SAME)
CUT(lookup_without_frames, frames_short, op_lookup, CUT_SAME, .ends = want_ends, .cold = true)
CUT(lookup_of_what_is_not_cached, slots_cold, op_lookup_all, CUT_SAME, .ends = want_ends,
    .cold = true)
CUT(reading, NULL, op_read, CUT_SAME)
CUT(reading_without_frames, frames_short, op_read, CUT_SAME, .ends = want_ends, .cold = true)
CUT(listing, NULL, op_readdir, CUT_SAME)
CUT(listing_again, listed, op_readdir, CUT_SAME)
CUT(listing_of_what_has_changed, listed_and_changed, op_readdir, CUT_SAME, .cold = true)
CUT(listing_without_frames, frames_short, op_readdir, CUT_SAME, .ends = want_ends, .cold = true)
CUT(create_in_what_was_listed, listed, op_create, CUT_CHANGES)
CUT(unlink_in_what_was_listed, listed, op_unlink, CUT_CHANGES)
CUT(split_of_what_was_listed, listed_and_full, op_create_long, CUT_CHANGES, .stride = 5)
