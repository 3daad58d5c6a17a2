// SPDX-License-Identifier: BSD-2-Clause
/*
 * Reading directories. The core gives entries while it has the directory locked, when memory of a
 * user must not be touched: they go through a buffer. What does not fit the user's is read again.
 */
#include <linux/mm.h>

#include "skin.h"

#define DIR_BUFFER 32768u
#define DIRENT_HEAD 19u /* of struct linux_dirent64, before the name */

struct dir_item {
	u64 next;
	u32 ino;
	u8 type;
	u8 len;
	char name[];
};

struct dir_buffer {
	u32 used;
	u8 bytes[DIR_BUFFER - 16];
};

/* What it takes in the user's buffer, so that what is read for one that is as large fits. */
static u32 item_size(u32 len)
{
	return ALIGN(DIRENT_HEAD + len + 1, 8);
}

static bool take(void *arg, const struct fs_dirent *entry)
{
	struct dir_buffer *b = arg;
	struct dir_item *item = (void *)(b->bytes + b->used);

	if (sizeof(b->bytes) - b->used < item_size(entry->name.len))
		return false;
	item->next = entry->next;
	item->ino = entry->ino;
	item->type = entry->type;
	item->len = entry->name.len;
	memcpy(item->name, entry->name.s, item->len);
	b->used += item_size(item->len);
	return true;
}

static void give(struct dir_buffer *b, struct dir_context *ctx)
{
	u32 at = 0;

	while (at < b->used) {
		const struct dir_item *item = (void *)(b->bytes + at);

		if (!dir_emit(ctx, item->name, item->len, item->ino, item->type))
			return;
		ctx->pos = item->next;
		at += item_size(item->len);
	}
}

/* Once: a second call would read as much again for a user's buffer that is full. */
static int mpd_iterate(struct file *file, struct dir_context *ctx)
{
	struct inode *dir = file_inode(file);
	struct dir_buffer *b;
	struct exec *x;
	int err;

	b = kvmalloc(sizeof(*b), GFP_KERNEL);
	if (!b)
		return -ENOMEM;
	b->used = 0;
	x = mpd_begin(dir->i_sb);
	x->fs_cred.umask = mpd_noatime(file) ? CRED_NOATIME : 0;
	err = fs_readdir(x, mpd_node(dir), ctx->pos, false, take, b);
	mpd_end(dir->i_sb, x);
	if (!err)
		give(b, ctx);
	kvfree(b);
	return err;
}

static loff_t mpd_dir_llseek(struct file *file, loff_t offset, int whence)
{
	return generic_file_llseek_size(file, offset, whence, S64_MAX, 0);
}

static int mpd_dir_release(struct inode *inode, struct file *file)
{
	mpd_unlock_file(file);
	return 0;
}

const struct file_operations mpd_dir_fops = {
	.owner = THIS_MODULE,
	.llseek = mpd_dir_llseek,
	.read = generic_read_dir,
	.iterate_shared = mpd_iterate,
	.release = mpd_dir_release,
	.unlocked_ioctl = mpd_ioctl,
	.fsync = mpd_fsync,
	.flock = mpd_flock,
	.setlease = simple_nosetlease,
};
