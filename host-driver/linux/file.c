// SPDX-License-Identifier: BSD-2-Clause
/*
 * File data. It goes straight between frames of the pool and the user's memory: a read copies from
 * the pages of the file, a write fills frames that become pages of it. While frames are copied no
 * page of the user's is waited for: what is missing is brought in between (V2).
 */
#include <linux/fiemap.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pagemap.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/uio.h>
#include <linux/falloc.h>

#include "skin.h"

#define BOUNCE 65536u

/* ---- reading */
/* Bytes copied: fewer where the user's memory is not there. */
static u32 copy_out(const struct mpd_sb *s, const struct fs_seg *segs, u32 n, struct iov_iter *to)
{
	u32 done = 0, i;

	pagefault_disable();
	for (i = 0; i < n; i++) {
		size_t part =
			copy_to_iter(mpd_frame(s, segs[i].frame) + segs[i].offset, segs[i].len, to);

		done += part;
		if (part < segs[i].len)
			break;
	}
	pagefault_enable();
	return done;
}

static void unpin(struct exec *x, const struct fs_seg *segs, u32 n)
{
	while (n--)
		frame_unpin(x, frame_of(x, segs[n].frame));
}

/* One go: what fs_read() gives, at most; *copied of it. */
static int read_once(const struct file *file, u64 pos, size_t len, struct iov_iter *to, u32 *copied)
{
	struct inode *inode = file_inode(file);
	struct fs_seg segs[FS_IO_SEGS];
	struct exec *x = mpd_begin(inode->i_sb);
	u32 n = 0;
	int got;

	*copied = 0;
	x->fs_cred.umask = mpd_noatime(file) ? CRED_NOATIME : 0;
	got = fs_read(x, mpd_node(inode), pos, min_t(size_t, len, FS_IO_MAX), segs, &n);
	if (got > 0) {
		*copied = copy_out(mpd_sb(inode->i_sb), segs, n, to);
		unpin(x, segs, n);
	}
	mpd_end(inode->i_sb, x);
	return got;
}

/* A pipe's pages are allocated while they are filled, which may wait for memory, and that for us.
 */
static ssize_t read_pipe(const struct file *file, u64 pos, struct iov_iter *to)
{
	void *bounce = kmalloc(BOUNCE, GFP_KERNEL);
	size_t done = 0, put;
	struct iov_iter via;
	struct kvec vec;
	int got = 0;
	u32 copied;

	if (!bounce)
		return -ENOMEM;
	while (iov_iter_count(to)) {
		vec = (struct kvec){bounce, min_t(size_t, iov_iter_count(to), BOUNCE)};
		iov_iter_kvec(&via, ITER_DEST, &vec, 1, vec.iov_len);
		got = read_once(file, pos + done, vec.iov_len, &via, &copied);
		if (got <= 0)
			break;
		put = copy_to_iter(bounce, copied, to);
		done += put;
		if (put < copied)
			break;
	}
	kfree(bounce);
	return done ? done : got;
}

static ssize_t mpd_read_iter(struct kiocb *iocb, struct iov_iter *to)
{
	const struct file *file = iocb->ki_filp;
	size_t done = 0;
	int got = 0;
	u32 copied;

	if (iov_iter_is_pipe(to)) {
		ssize_t n = read_pipe(file, iocb->ki_pos, to);

		if (n > 0)
			iocb->ki_pos += n;
		return n;
	}
	while (iov_iter_count(to)) {
		got = read_once(file, iocb->ki_pos, iov_iter_count(to), to, &copied);
		if (got <= 0)
			break;
		iocb->ki_pos += copied;
		done += copied;
		if (copied < (u32)got &&
		    fault_in_iov_iter_writeable(to, min_t(size_t, iov_iter_count(to), FS_IO_MAX)) ==
			    min_t(size_t, iov_iter_count(to), FS_IO_MAX)) {
			got = -EFAULT;
			break;
		}
		if (fatal_signal_pending(current)) {
			got = -EINTR;
			break;
		}
		cond_resched();
	}
	return done ? done : got;
}

/* ---- writing */
struct filling {
	struct fs_seg segs[FS_IO_SEGS];
	u32 nsegs;
	u32 bytes;
	int err;
};

/* Fills frames, laid out as the file's pages at pos are. */
static void fill(const struct mpd_sb *s, struct exec *x, u64 pos, size_t len, struct iov_iter *from,
		 struct filling *f)
{
	u32 offset = pos & (BLOCK_SIZE - 1);

	f->nsegs = 0;
	f->bytes = 0;
	f->err = 0;
	pagefault_disable();
	while (f->bytes < len && f->nsegs < FS_IO_SEGS) {
		u32 want = min_t(size_t, len - f->bytes, BLOCK_SIZE - offset);
		struct fs_seg *seg = &f->segs[f->nsegs];
		struct frame *frame;
		size_t part;

		f->err = frame_alloc(x, &frame);
		if (f->err)
			break;
		seg->frame = frame_no(x, frame);
		seg->offset = offset;
		mpd_frame_fill(s->disk, seg->frame);
		part = copy_from_iter(mpd_frame(s, seg->frame) + offset, want, from);
		seg->len = part;
		f->bytes += part;
		if (!part) {
			frame_unpin(x, frame);
			break;
		}
		f->nsegs++;
		offset = 0;
		if (part < want)
			break;
	}
	pagefault_enable();
}

static int write_once(struct inode *inode, struct kiocb *iocb, u32 flags, struct iov_iter *from)
{
	struct mpd_sb *s = mpd_sb(inode->i_sb);
	u64 pos = iocb->ki_pos;
	size_t len = min_t(size_t, iov_iter_count(from), FS_IO_MAX);
	struct filling f;
	struct exec *x;
	int done = 0;

	x = mpd_begin_change(inode->i_sb);
	fill(s, x, pos, len, from, &f);
	if (f.bytes)
		done = fs_write(x, mpd_node(inode), &pos, flags, f.segs, f.nsegs);
	unpin(x, f.segs, f.nsegs);
	mpd_end(inode->i_sb, x);
	if (!f.bytes && f.err)
		return f.err;
	if ((u32)max(done, 0) < f.bytes)
		iov_iter_revert(from, f.bytes - max(done, 0));
	if (done > 0) {
		iocb->ki_pos = pos + done;
		/* the VFS looks at it without asking */
		if (iocb->ki_pos > i_size_read(inode))
			i_size_write(inode, iocb->ki_pos);
	}
	if (done < 0 || f.bytes)
		return done;
	/* nothing of the user's memory was there */
	return fault_in_iov_iter_readable(from, len) == len ? -EFAULT : -EAGAIN;
}

static ssize_t mpd_write_iter(struct kiocb *iocb, struct iov_iter *from)
{
	struct file *file = iocb->ki_filp;
	struct inode *inode = file_inode(file);
	size_t done = 0;
	u32 flags = iocb->ki_flags & IOCB_APPEND ? FS_WRITE_APPEND : 0;
	ssize_t err;

	err = mpd_refresh(inode); /* for the end of the file, and the mode */
	if (err)
		return err;
	err = generic_write_checks(iocb, from);
	if (err <= 0)
		return err;
	if (setattr_should_drop_suidgid(file_mnt_user_ns(file), inode)) {
		inode_lock(inode);
		err = file_remove_privs(file);
		inode_unlock(inode);
		if (err)
			return err;
	}
	while (iov_iter_count(from)) {
		err = write_once(inode, iocb, flags, from);
		if (err == -EAGAIN)
			continue;
		if (err <= 0)
			break;
		done += err;
		if (fatal_signal_pending(current))
			break;
		cond_resched();
	}
	return done ? generic_write_sync(iocb, done) : err;
}

/* ---- the rest */
static loff_t mpd_llseek(struct file *file, loff_t offset, int whence)
{
	struct inode *inode = file_inode(file);
	struct exec *x;
	u64 out;
	int err;

	if (whence != SEEK_DATA && whence != SEEK_HOLE) {
		if (whence == SEEK_END) {
			err = mpd_refresh(inode);
			if (err)
				return err;
		}
		return generic_file_llseek(file, offset, whence);
	}
	if (offset < 0)
		return -ENXIO;
	x = mpd_begin(inode->i_sb);
	err = fs_lseek(x, mpd_node(inode), offset,
		       whence == SEEK_DATA ? FS_SEEK_DATA : FS_SEEK_HOLE, &out);
	mpd_end(inode->i_sb, x);
	return err ? err : vfs_setpos(file, out, inode->i_sb->s_maxbytes);
}

static int extent_from(struct inode *inode, u64 pos, struct fs_extent *out)
{
	struct exec *x = mpd_begin(inode->i_sb);
	int err = fs_extent(x, mpd_node(inode), pos, out);

	mpd_end(inode->i_sb, x);
	return err;
}

int mpd_fiemap(struct inode *inode, struct fiemap_extent_info *info, u64 start, u64 len)
{
	const bool sync = info->fi_flags & FIEMAP_FLAG_SYNC;
	struct fs_extent e, next;
	int err = fiemap_prep(inode, info, start, &len, 0);

	if (!err && sync)
		err = mpd_sync_inode(inode, false);
	if (!err)
		err = extent_from(inode, start, &e);
	while (!err && e.len && e.pos < start + len) {
		err = extent_from(inode, e.pos + e.len, &next);
		if (err)
			break;
		err = fiemap_fill_next_extent(info, e.pos, e.medium, e.len,
					      (e.unwritten ? FIEMAP_EXTENT_UNWRITTEN : 0) |
						      (next.len ? 0 : FIEMAP_EXTENT_LAST));
		e = next;
		if (fatal_signal_pending(current))
			err = -EINTR;
		cond_resched();
	}
	return err < 0 ? err : 0; /* 1: there is no room for more */
}

int mpd_sync_inode(struct inode *inode, bool datasync)
{
	struct exec *x = mpd_begin(inode->i_sb);
	int err;

	err = fs_fsync(x, mpd_node(inode), datasync);
	mpd_end(inode->i_sb, x);
	return err;
}

int mpd_fsync(struct file *file, loff_t start, loff_t end, int datasync)
{
	return mpd_sync_inode(file_inode(file), datasync);
}

static long mpd_fallocate(struct file *file, int mode, loff_t pos, loff_t len)
{
	struct inode *inode = file_inode(file);
	struct exec *x;
	long err;

	BUILD_BUG_ON(FALLOC_FL_KEEP_SIZE != FS_FALLOC_KEEP_SIZE ||
		     FALLOC_FL_PUNCH_HOLE != FS_FALLOC_PUNCH_HOLE ||
		     FALLOC_FL_ZERO_RANGE != FS_FALLOC_ZERO_RANGE);
	err = mpd_refresh(inode);
	if (!err && !(mode & FALLOC_FL_KEEP_SIZE))
		err = inode_newsize_ok(inode, max(pos + len, i_size_read(inode)));
	if (err)
		return err;
	x = mpd_begin_change(inode->i_sb);
	err = fs_fallocate(x, mpd_node(inode), mode, pos, len);
	mpd_end(inode->i_sb, x);
	return err ? err : mpd_refresh(inode);
}

static ssize_t mpd_copy_file_range(struct file *in, loff_t in_pos, struct file *out, loff_t out_pos,
				   size_t len, unsigned int flags)
{
	struct inode *from = file_inode(in), *to = file_inode(out);
	struct exec *x;
	u64 copied;
	int err;

	if (from->i_sb != to->i_sb)
		return generic_copy_file_range(in, in_pos, out, out_pos, len, flags);
	x = mpd_begin_change(to->i_sb);
	err = fs_copy_range(x, mpd_node(from), in_pos, mpd_node(to), out_pos,
			    min_t(size_t, len, SZ_16M), &copied);
	mpd_end(to->i_sb, x);
	if (!err)
		err = mpd_refresh(to);
	return err ? err : copied;
}

/* There is no page cache to go around: direct I/O is what all I/O is. */
int mpd_file_opened(struct inode *inode, struct file *file)
{
	file->f_mode |= FMODE_CAN_ODIRECT;
	return generic_file_open(inode, file);
}

static int mpd_open(struct inode *inode, struct file *file)
{
	int err = mpd_get_open(inode, false);

	if (err)
		return err;
	err = mpd_refresh(inode);
	if (!err)
		err = mpd_open_allowed(inode, file);
	if (!err)
		err = mpd_file_opened(inode, file);
	if (err)
		mpd_put_open(inode);
	return err;
}

static int mpd_release(struct inode *inode, struct file *file)
{
	mpd_unlock_file(file);
	mpd_put_open(inode);
	return 0;
}

const struct file_operations mpd_file_fops = {
	.owner = THIS_MODULE,
	.llseek = mpd_llseek,
	.read_iter = mpd_read_iter,
	.write_iter = mpd_write_iter,
	.splice_read = generic_file_splice_read,
	.splice_write = iter_file_splice_write,
	.open = mpd_open,
	.flush = mpd_flush,
	.release = mpd_release,
	.mmap = mpd_mmap,
	.fsync = mpd_fsync,
	.lock = mpd_lock,
	.flock = mpd_flock,
	.setlease = simple_nosetlease, /* other hosts do not ask here before they open */
	.fallocate = mpd_fallocate,
	.copy_file_range = mpd_copy_file_range,
	.unlocked_ioctl = mpd_ioctl,
};
