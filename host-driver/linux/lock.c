// SPDX-License-Identifier: BSD-2-Clause
/*
 * Locks on files. They are in the pool, for all hosts (firmware/fs/flock.h); the guest keeps none
 * of its own. Who waits does so for a word of the pool that counts waits that have ended, of all
 * hosts; the first to see it change finds out for all here whose they were.
 */
#include "skin.h"
#include "platform/uml/uml.h"

#define WAITING_MAX 256u

struct wait {
	struct list_head list; /* in mpd_sb.waits */
	u64 key;
	int error;
	bool done;
};

static u64 number_of(const void *p)
{
	return (uintptr_t)p;
}

static void lock_of(struct fs_lock *lock, struct file *file, const struct file_lock *fl, u32 kind)
{
	*lock = (struct fs_lock){
		.node = mpd_node(file_inode(file)),
		.owner = number_of(kind == FS_LOCK_FLOCK ? (void *)file : fl->fl_owner),
		.fh = number_of(file),
		.start = fl->fl_start,
		.end = fl->fl_end,
		.pid = fl->fl_pid,
		.type = fl->fl_type == F_RDLCK   ? FS_LOCK_READ
			: fl->fl_type == F_WRLCK ? FS_LOCK_WRITE
						 : FS_LOCK_NONE,
		.kind = kind,
	};
	if (kind == FS_LOCK_FLOCK) {
		lock->start = 0;
		lock->end = OFFSET_MAX;
	}
}

static void end_wait(struct mpd_sb *s, u64 key, int error)
{
	struct wait *w;

	list_for_each_entry(w, &s->waits, list) {
		if (w->key != key)
			continue;
		w->error = error;
		w->done = true;
		return;
	}
}

/* All that had ended when the word was this. */
static void end_waits(struct mpd_sb *s, u32 seen)
{
	int error;
	u64 key;

	if (s->waits_seen == seen)
		return;
	s->waits_seen = seen;
	while (fs_lock_done(s->pool, s->host, &key, &error))
		end_wait(s, key, error);
}

static void interrupt(struct mpd_sb *s, const struct wait *w)
{
	struct exec *x = mpd_begin(s->sb);

	(void)fs_lock_interrupt(x, w->key); /* or it was granted just now */
	mpd_end(s->sb, x);
}

static int wait_for(struct mpd_sb *s, struct wait *w)
{
	struct plat *plat = s->keeper->plat;
	u32 *word = fs_lock_word(s->pool), seen;
	bool interrupted = false;

	for (;;) {
		seen = atomic_load_acquire(word);
		end_waits(s, seen);
		if (w->done)
			return w->error == -EINTR ? -ERESTARTSYS : w->error;
		if (interrupted) {
			plat_wait(plat, word, seen, 0);
		} else if (plat_uml_wait(plat, word, seen)) {
			interrupt(s, w);
			interrupted = true;
		}
	}
}

static int set(struct file *file, const struct fs_lock *lock, bool wait)
{
	struct mpd_sb *s = mpd_sb(file_inode(file)->i_sb);
	struct wait w = {.key = ++s->wait_key};
	struct exec *x;
	int err;

	if (lock->type != FS_LOCK_NONE && lock->kind == FS_LOCK_POSIX)
		mpd_i(file_inode(file))->locks = true;
	list_add(&w.list, &s->waits); /* the end may come before fs_setlk() returns */
	x = mpd_begin(s->sb);
	err = fs_setlk(x, lock, wait, w.key, WAITING_MAX);
	mpd_end(s->sb, x);
	if (err == 1)
		err = wait_for(s, &w);
	list_del(&w.list);
	return err;
}

static int get(struct file *file, struct fs_lock *lock, struct file_lock *fl)
{
	struct super_block *sb = file_inode(file)->i_sb;
	struct exec *x = mpd_begin(sb);
	int err;

	err = fs_getlk(x, lock);
	mpd_end(sb, x);
	if (err)
		return err;
	fl->fl_type = lock->type == FS_LOCK_READ    ? F_RDLCK
		      : lock->type == FS_LOCK_WRITE ? F_WRLCK
						    : F_UNLCK;
	fl->fl_start = lock->start;
	fl->fl_end = min_t(u64, lock->end, OFFSET_MAX);
	fl->fl_pid = lock->pid;
	return 0;
}

int mpd_lock(struct file *file, int cmd, struct file_lock *fl)
{
	struct fs_lock lock;

	lock_of(&lock, file, fl, FS_LOCK_POSIX);
	if (cmd == F_GETLK) /* the VFS says so for open file descriptions, too */
		return get(file, &lock, fl);
	return set(file, &lock, fl->fl_flags & FL_SLEEP);
}

int mpd_flock(struct file *file, int cmd, struct file_lock *fl)
{
	struct fs_lock lock;

	lock_of(&lock, file, fl, FS_LOCK_FLOCK);
	return set(file, &lock, fl->fl_flags & FL_SLEEP);
}

int mpd_flush(struct file *file, fl_owner_t owner)
{
	struct inode *inode = file_inode(file);
	struct exec *x;

	if (!mpd_i(inode)->locks)
		return 0;
	x = mpd_begin(inode->i_sb);
	fs_unlock_owner(x, mpd_node(inode), number_of(owner));
	mpd_end(inode->i_sb, x);
	return 0;
}

void mpd_unlock_file(struct file *file)
{
	struct inode *inode = file_inode(file);
	struct exec *x = mpd_begin(inode->i_sb);

	fs_unlock_fh(x, mpd_node(inode), number_of(file));
	mpd_end(inode->i_sb, x);
}
