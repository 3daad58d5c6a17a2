// SPDX-License-Identifier: BSD-2-Clause
/*
 * Attaching a kernel to a pool, and leaving it (disk.h): what host-driver/lib/mpdisk.c is to a
 * process, with the same locks on the same files, so that kernels and processes share pools.
 *
 * The region of iomem= is the pool file, mapped since the kernel started. It has as much room as
 * the file had then: so many bytes a pool has that is made here.
 */
#include <linux/bio.h>
#include <linux/blkdev.h>
#include <linux/delay.h>
#include <linux/fs_struct.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/uidgid.h>

#include <mem.h>
#include <mem_user.h>
#include <os.h>
#include <timetravel.h>

#include "private.h"
#include "fs/super.h"
#include "lib/locks.h"
#include "platform/posix/fifo.h"
#include "platform/uml/host.h"

#define JOIN_RETRY_MS 5u
#define FLUSH_FRAMES 256u

static int __printf(2, 3) refuse(int err, const char *format, ...)
{
	struct va_format vaf;
	va_list args;

	va_start(args, format);
	vaf.fmt = format;
	vaf.va = &args;
	pr_err("mpdisk: %pV\n", &vaf);
	va_end(args);
	return err;
}

/* ---- locks */
static int join_lock(struct mpd_disk *d)
{
	int err;

	while ((err = host_lock(d->fd, HOST_LOCK_WRITE, MPDISK_LOCK_JOIN)) == -EAGAIN)
		msleep(JOIN_RETRY_MS);
	d->locked = !err;
	return err;
}

static void join_unlock(struct mpd_disk *d)
{
	if (d->locked && host_lock(d->fd, HOST_LOCK_NONE, MPDISK_LOCK_JOIN) == 0)
		d->locked = false;
}

/* With MPDISK_LOCK_JOIN. */
static bool somebody_lives(const struct mpd_disk *d)
{
	return host_locked(d->fd, MPDISK_LOCK_HOST(1), POOL_HOSTS);
}

/* One pool that writes to the image, or any number that read it (mpdisk.c, image_lock). */
static int image_lock(struct mpd_disk *d, bool first, bool writes)
{
	int fd = d->image_fd, err;

	if (fd < 0)
		return 0;
	err = host_lock(fd, first && writes ? HOST_LOCK_WRITE : HOST_LOCK_READ, MPDISK_LOCK_IMAGE);
	if (!err && first && !writes && host_locked(fd, MPDISK_LOCK_WRITER, 1))
		err = -EAGAIN;
	if (!err && writes)
		err = host_lock(fd, HOST_LOCK_READ, MPDISK_LOCK_WRITER);
	if (!err && first && writes)
		err = host_lock(fd, HOST_LOCK_READ, MPDISK_LOCK_IMAGE);
	return err == -EAGAIN ? -EBUSY : err;
}

static void image_unlock(struct mpd_disk *d)
{
	if (d->image_fd < 0)
		return;
	(void)!host_lock(d->image_fd, HOST_LOCK_NONE, MPDISK_LOCK_IMAGE);
	(void)!host_lock(d->image_fd, HOST_LOCK_NONE, MPDISK_LOCK_WRITER);
}

/* ---- the region */
/* Of this kernel: locks do not exclude who has the same file open. Tasks run one at a time. */
static LIST_HEAD(attached);

static bool is_attached(const struct mpd_disk *d)
{
	const struct mpd_disk *other;

	list_for_each_entry(other, &attached, attached)
		if (other->region == d->region)
			return true;
	return false;
}

/* A kernel runs one copy of the core at a time. */
static bool other_code(const struct mpd_disk *d)
{
	const struct mpd_disk *other;

	list_for_each_entry(other, &attached, attached)
		if (d->pool_code || other->pool_code)
			return true;
	return false;
}

static int region_find(struct mpd_disk *d, const struct mpd_options *o)
{
	unsigned long len = 0, virt = find_iomem((char *)o->pool, &len);
	unsigned long long offset;
	int err;

	/* another host's wake-up is in no calendar, and who waits for its lock does not let time
	 * pass */
	if (time_travel_mode != TT_MODE_OFF)
		return refuse(-EOPNOTSUPP,
			      "%s: this kernel is in virtual time: a pool is shared in real time",
			      o->pool);
	if (!virt)
		return refuse(-ENOENT, "%s: no such region: iomem=%s,FILE on the command line",
			      o->pool, o->pool);
	d->region = (void *)virt;
	if (is_attached(d))
		return refuse(-EBUSY, "%s: is attached already, with another medium", o->pool);
	if (other_code(d))
		return refuse(-EBUSY, "%s: code=pool, and another pool is attached", o->pool);
	list_add(&d->attached, &attached);
	d->room = (u32)len - PAGE_SIZE; /* what it says is one page too much */
	d->fd = phys_mapping(uml_to_phys(d->region), &offset);
	if (d->fd < 0 || offset)
		return refuse(-ENOENT, "%s: not mapped", o->pool);
	err = host_path(d->fd, d->path, sizeof(d->path));
	return err ? refuse(err, "%s: its file has no name: error %d", o->pool, -err) : 0;
}

static void pool_map(struct mpd_disk *d, u32 size)
{
	d->pool.base = d->region;
	d->pool.size = size;
	plat_uml_attach(d->plat, d->region, size, d->fd);
}

/* A file that holds something else is not overwritten. */
static bool is_ours(const struct pool_header *hdr, unsigned long long room)
{
	return room == 0 || hdr->magic == POOL_MAGIC || hdr->magic == POOL_FORMATTING;
}

/* ---- the medium */
/* The superblock as it is on the medium, past every cache of this kernel. */
static int super_read(struct block_device *bdev, void *super)
{
	struct page *page = alloc_page(GFP_KERNEL);
	struct bio_vec vec;
	struct bio bio;
	int err;

	if (!page)
		return -ENOMEM;
	bio_init(&bio, bdev, &vec, 1, REQ_OP_READ);
	__bio_add_page(&bio, page, PAGE_SIZE, 0);
	err = submit_bio_wait(&bio);
	memcpy(super, page_address(page) + HOST_SUPER_AT, HOST_SUPER_SIZE);
	bio_uninit(&bio);
	__free_page(page);
	return err;
}

/* Opens it, and finds out what it is: where the machine cannot say, its superblock does. */
static int medium_open(struct mpd_disk *d, const struct mpd_options *o, bool writes, void *super,
		       unsigned long long *id)
{
	int err = plat_uml_open(o->medium, !writes, &d->plat);

	if (err)
		return refuse(err, "%s: cannot be opened: error %d", o->medium, -err);
	err = super_read(plat_uml_bdev(d->plat), super);
	if (err)
		return refuse(err, "%s: cannot be read: error %d", o->medium, -err);
	d->image_fd = host_medium(bdev_nr_bytes(plat_uml_bdev(d->plat)), super, id);
	if (d->image_fd < 0)
		id[0] = id[1] = 0;
	return 0;
}

static int medium_lock(struct mpd_disk *d, const struct mpd_options *o, bool first, bool writes)
{
	int err = image_lock(d, first, writes);

	if (err == -EBUSY)
		return refuse(err,
			      "%s: in use by another pool, or not given as shared (ubd0c=FILE)",
			      o->medium);
	return err ? refuse(err, "%s: cannot be locked: error %d", o->medium, -err) : 0;
}

/* ---- the first host */
static int hosts_fill(struct mpd_disk *d, const struct mpd_options *o, const unsigned long long *id)
{
	struct pool_hosts *hosts;
	int err = hosts_carve(&d->pool);

	if (err)
		return err;
	hosts = pool_hosts(&d->pool);
	hosts->medium[0] = id[0];
	hosts->medium[1] = id[1];
	if (d->image_fd < 0 || host_path(d->image_fd, hosts->image, sizeof(hosts->image)) != 0)
		strscpy(hosts->image, o->medium, sizeof(hosts->image));
	return 0;
}

/* Its number is had. */
static int enter(struct mpd_disk *d, const struct mpd_options *o)
{
	int err = plat_uml_listen(d->plat, &pool_hosts(&d->pool)->waits, d->path, d->host);

	if (err)
		return refuse(err, "%s.wake%u: cannot be used: error %d", d->path, d->host, -err);
	d->listening = true;
	host_enter(&d->pool, d->plat, d->host, (u32)os_getpid(), false, o->name ? o->name : "");
	err = exec_join(&d->pool, d->plat, d->host, &d->x);
	return err ? err : exec_join(&d->pool, d->plat, d->host, &d->keeper);
}

static int format(struct mpd_disk *d, const struct mpd_options *o, void *super)
{
	const struct fs_mount_opts opts = {.read_only = o->read_only};
	unsigned long long id[2], size, room;
	struct pool_header hdr;
	int err;

	err = host_size(d->fd, &size, &room);
	if (!err)
		err = host_read(d->fd, &hdr, sizeof(hdr), 0);
	if (err || !is_ours(&hdr, room))
		return refuse(-EINVAL, "%s: is not a pool, and not empty", d->path);
	if (d->room < POOL_MIN_SIZE)
		return refuse(-ENOSPC,
			      "%s: was %u KiB when this kernel started: a pool has %u at least",
			      d->path, d->room >> 10, POOL_MIN_SIZE >> 10);
	err = medium_open(d, o, !o->read_only, super, id);
	if (!err)
		err = medium_lock(d, o, true, !o->read_only);
	if (err)
		return err;
	d->host = 1;
	err = host_make(d->fd, d->room, POOL_FORMATTING);
	if (!err)
		err = host_lock(d->fd, HOST_LOCK_WRITE, MPDISK_LOCK_HOST(d->host));
	if (err)
		return refuse(err, "%s: no room for a pool of %u MiB: error %d", d->path,
			      d->room >> 20, -err);
	pool_map(d, d->room);
	err = pool_format(&d->pool, d->region, d->room);
	if (!err && d->pool_code)
		err = mpd_code_put(d);
	if (!err && d->pool_code)
		err = mpd_code_take(d);
	if (!err)
		err = hosts_fill(d, o, id);
	if (!err)
		err = enter(d, o);
	if (err)
		return refuse(err, "%s: cannot be made a pool: error %d", d->path, -err);
	err = fs_mount(&d->x, &opts);
	d->mounted = !err;
	return err;
}

/* ---- the others */
static int check_live(struct mpd_disk *d, struct pool_header *hdr)
{
	unsigned long long size, room;
	int err = host_size(d->fd, &size, &room);

	if (!err)
		err = host_read(d->fd, hdr, sizeof(*hdr), 0);
	if (err)
		return refuse(err, "%s: cannot be read: error %d", d->path, -err);
	if (hdr->magic != POOL_MAGIC)
		return refuse(-EPROTO, "%s: is in use, but not as a pool", d->path);
	if (hdr->abi != pool_abi())
		return refuse(-EPROTO,
			      "%s: in use by another version of mpdisk: its layout is %08x, this "
			      "one's %08x",
			      d->path, hdr->abi, pool_abi());
	if (hdr->size > size || !hdr->sealed || !hdr->fs || !hdr->hosts ||
	    hdr->hosts > hdr->size - sizeof(struct pool_hosts) ||
	    hdr->fs > hdr->size - sizeof(struct fs))
		return refuse(-EPROTO, "%s: is in use, but is damaged or cut off", d->path);
	if (hdr->size > d->room)
		return refuse(-ENOSPC,
			      "%s: has %u MiB, but had %u when this kernel started: start it again",
			      d->path, hdr->size >> 20, d->room >> 20);
	return 0;
}

/* What the machine cannot tell apart, the superblock can: the time of the mount is in it. */
static bool same_super(const struct ext4_super *a, const struct ext4_super *b)
{
	return memcmp(a->s_uuid, b->s_uuid, sizeof(a->s_uuid)) == 0 && a->s_mtime == b->s_mtime &&
	       a->s_mnt_count == b->s_mnt_count;
}

static int check_medium(struct mpd_disk *d, const struct mpd_options *o, const void *super,
			const unsigned long long *id)
{
	struct pool_hosts *hosts = pool_ptr(&d->pool, d->pool.hdr->hosts);
	const struct fs *fs = pool_ptr(&d->pool, d->pool.hdr->fs);
	const u8 *block = pool_ptr(&d->pool, fs->super_frame << BLOCK_SHIFT);
	bool same;

	if ((id[0] || id[1]) && (hosts->medium[0] || hosts->medium[1]))
		same = id[0] == hosts->medium[0] && id[1] == hosts->medium[1];
	else
		same = same_super(super, (const void *)(block + HOST_SUPER_AT));
	if (same)
		return 0;
	return refuse(-EBUSY, "%s: in use for another medium, %.*s: a pool holds one", d->path,
		      (int)sizeof(hosts->image), hosts->image);
}

/* Whether the pool's hosts write to the medium. */
static int check_mode(struct mpd_disk *d, const struct mpd_options *o,
		      const struct pool_header *hdr, bool *writes)
{
	struct fs fs;

	if (host_read(d->fd, &fs, sizeof(fs), hdr->fs) != 0)
		return refuse(-EPROTO, "%s: cannot be read", d->path);
	if (fs.read_only && !o->read_only)
		return refuse(-EROFS,
			      fs.mounted_rw ? "%s: its filesystem is read-only after an error"
					    : "%s: its filesystem is mounted read-only",
			      d->path);
	*writes = fs.mounted_rw;
	return 0;
}

/* A number that is neither alive nor waiting to be recovered. */
static int take_number(struct mpd_disk *d)
{
	u32 host;

	for (host = 1; host <= POOL_HOSTS; host++) {
		if (host_lock(d->fd, HOST_LOCK_WRITE, MPDISK_LOCK_HOST(host)) != 0)
			continue;
		if (atomic_load_acquire(&pool_host(&d->pool, host)->state) == HOST_FREE) {
			d->host = host;
			return 0;
		}
		if (host_lock(d->fd, HOST_LOCK_NONE, MPDISK_LOCK_HOST(host)) != 0)
			break;
	}
	return -EAGAIN;
}

static int join(struct mpd_disk *d, const struct mpd_options *o, void *super)
{
	struct pool_header hdr;
	unsigned long long id[2];
	bool writes;
	int err;

	err = check_live(d, &hdr);
	if (!err)
		err = check_mode(d, o, &hdr, &writes);
	if (!err)
		err = medium_open(d, o, writes, super, id);
	if (err)
		return err;
	err = pool_attach(&d->pool, d->region, hdr.size);
	if (err)
		return err;
	pool_map(d, hdr.size);
	err = check_medium(d, o, super, id);
	if (!err)
		err = medium_lock(d, o, false, writes);
	if (err)
		return err;
	err = d->pool_code ? mpd_code_take(d) : 0;
	if (!err)
		err = take_number(d);
	if (!err)
		err = enter(d, o);
	if (err == -EAGAIN)
		return refuse(err, "%s: all %u executors are in use", d->path, POOL_EXECUTORS);
	return err;
}

/* ---- the flusher */
static int flusher_main(void *disk)
{
	struct mpd_disk *d = disk;

	while (!kthread_should_stop()) {
		schedule_timeout_idle(HZ);
		if (kthread_should_stop())
			break;
		if (kthread_should_park())
			kthread_parkme();
		(void)!fs_error_write(&d->x);
		(void)cache_writeback(&d->x, FLUSH_FRAMES); /* logs what fails */
	}
	return 0;
}

static int threads_start(struct mpd_disk *d)
{
	struct task_struct *task = kthread_run(flusher_main, d, "mpdisk-flush");

	if (IS_ERR(task))
		return PTR_ERR(task);
	d->flusher = task;
	return mpd_watch_start(d);
}

/* d->x is the flusher's, or has the freeze. */
int mpd_disk_freeze(struct mpd_disk *d)
{
	int err = kthread_park(d->flusher);

	if (err)
		return err;
	err = fs_freeze(&d->x);
	if (err)
		kthread_unpark(d->flusher);
	if (err == -EBUSY)
		(void)refuse(err, "%s: is frozen already, by another host", d->path);
	return err;
}

void mpd_disk_thaw(struct mpd_disk *d)
{
	fs_thaw(&d->x);
	kthread_unpark(d->flusher);
}

static void flusher_stop(struct mpd_disk *d)
{
	if (d->flusher)
		kthread_stop(d->flusher);
	d->flusher = NULL;
}

/* ---- executors */
struct idle_exec {
	struct exec x;
	struct list_head list;
};

/* One that nobody uses, or a new one; NULL: none can be had now. */
static struct idle_exec *exec_find(struct mpd_disk *d)
{
	struct idle_exec *e = list_first_entry_or_null(&d->idle, struct idle_exec, list);

	if (e) {
		list_del(&e->list);
		d->nidle--;
		return e;
	}
	if (d->njoined == MPD_BUSY)
		return NULL;
	d->njoined++; /* kmalloc() may sleep */
	e = kmalloc(sizeof(*e), GFP_NOFS);
	if (e && exec_join(&d->pool, d->plat, d->host, &e->x) == 0)
		return e;
	kfree(e);
	d->njoined--;
	return NULL;
}

struct exec *mpd_exec_get(struct mpd_disk *d)
{
	struct idle_exec *e;

	while (!(e = exec_find(d)))
		wait_event(d->idle_wait, d->nidle);
	e->x.fs_cred.uid = from_kuid(&init_user_ns, current_fsuid());
	e->x.fs_cred.gid = from_kgid(&init_user_ns, current_fsgid());
	e->x.fs_cred.umask = current->fs ? (u32)current_umask() : 0;
	return &e->x;
}

static void exec_drop(struct mpd_disk *d, struct idle_exec *e)
{
	exec_leave(&e->x);
	kfree(e);
	d->njoined--;
}

void mpd_exec_put(struct mpd_disk *d, struct exec *x)
{
	struct idle_exec *e = container_of(x, struct idle_exec, x);

	x->handle = NULL;
	x->seen = 0;
	if (d->nidle < MPD_IDLE) {
		list_add(&e->list, &d->idle);
		d->nidle++;
	} else {
		exec_drop(d, e);
	}
	if (waitqueue_active(&d->idle_wait))
		wake_up(&d->idle_wait);
}

static void execs_drop(struct mpd_disk *d)
{
	struct idle_exec *e, *next;

	list_for_each_entry_safe(e, next, &d->idle, list) exec_drop(d, e);
	INIT_LIST_HEAD(&d->idle);
	d->nidle = 0;
}

/* The first one is always there: an operation need never wait for other hosts to give one back. */
static int execs_start(struct mpd_disk *d)
{
	struct idle_exec *e = exec_find(d);

	if (!e)
		return refuse(-EAGAIN, "%s: all %u executors are in use", d->path, POOL_EXECUTORS);
	mpd_exec_put(d, &e->x);
	return 0;
}

/* ---- opening and closing */
static void disk_free(struct mpd_disk *d)
{
	if (!list_empty(&d->attached)) {
		mpd_code_own(d);
		list_del(&d->attached);
	}
	image_unlock(d);
	if (d->plat)
		plat_uml_close(d->plat);
	if (d->fd >= 0) {
		if (d->host)
			(void)!host_lock(d->fd, HOST_LOCK_NONE, MPDISK_LOCK_HOST(d->host));
		join_unlock(d);
	}
	kfree(d);
}

/* Nobody is left: the pool is empty, and its memory free. */
static void pool_end(struct mpd_disk *d)
{
	u32 host;

	atomic_store_release(&d->pool.hdr->magic, POOL_FORMATTING);
	plat_uml_unlisten(d->plat);
	for (host = 1; host <= POOL_HOSTS; host++)
		fifo_remove(d->path, host);
	if (host_empty(d->fd, d->room) != 0)
		pr_warn("mpdisk: %s: cannot be emptied\n", d->path);
}

/* Waits for nothing of the pool but for what this kernel still recovers. */
static void leave(struct mpd_disk *d)
{
	mpd_watch_stop(d);
	if (d->keeper.slot)
		exec_leave(&d->keeper);
	if (d->x.slot)
		exec_leave(&d->x);
	if (d->listening)
		host_leave(&d->pool, d->plat, d->host);
}

/* After a failure anywhere in mpd_disk_open(). */
static void give_up(struct mpd_disk *d, bool first)
{
	if (d->pool.base && d->host) {
		flusher_stop(d);
		execs_drop(d);
		if (!first) {
			leave(d); /* it has opened nothing yet */
		} else {
			mpd_watch_stop(d);
			if (d->mounted)
				(void)!fs_unmount(&d->x); /* logs what fails */
			pool_end(d);
		}
	}
	disk_free(d);
}

int mpd_disk_open(const struct mpd_options *o, struct mpd_disk **out)
{
	struct mpd_disk *d = kzalloc(sizeof(*d), GFP_KERNEL);
	void *super = kmalloc(HOST_SUPER_SIZE, GFP_KERNEL);
	bool first = false;
	int err = -ENOMEM;

	if (!d || !super)
		goto free;
	d->fd = d->image_fd = -1;
	INIT_LIST_HEAD(&d->attached);
	INIT_LIST_HEAD(&d->idle);
	init_waitqueue_head(&d->idle_wait);
	d->pool_code = o->code_from_pool;
	err = region_find(d, o);
	if (err)
		goto out;
	mpd_code_own(d);
	err = join_lock(d);
	if (err) {
		refuse(err, "%s: cannot be locked: error %d", d->path, -err);
		goto out;
	}
	first = !somebody_lives(d);
	err = first ? format(d, o, super) : join(d, o, super);
	if (!err)
		err = execs_start(d);
	if (!err)
		err = threads_start(d);
	if (err)
		goto out;
	join_unlock(d);
	kfree(super);
	*out = d;
	return 0;
out:
	give_up(d, first);
	d = NULL;
free:
	kfree(super);
	kfree(d);
	return err;
}

int mpd_disk_close(struct mpd_disk *d)
{
	bool last;
	int err;

	flusher_stop(d);
	execs_drop(d);
	session_drop(&d->x, mpd_session(d));
	err = join_lock(d);
	if (err)
		pr_err("mpdisk: %s: cannot be locked: error %d\n", d->path, -err);
	/* our own byte does not count: locks of one open file do not exclude each other */
	last = !err && !somebody_lives(d);
	if (last) {
		mpd_recover_dead(d);
		err = fs_unmount(&d->x);
	}
	leave(d);
	if (last)
		pool_end(d);
	disk_free(d);
	return err;
}

/* ---- what there is */
struct exec *mpd_keeper(struct mpd_disk *d)
{
	return &d->keeper;
}

struct pool *mpd_pool(struct mpd_disk *d)
{
	return &d->pool;
}

struct session *mpd_session(struct mpd_disk *d)
{
	return &pool_host(&d->pool, d->host)->session;
}

u32 mpd_host(const struct mpd_disk *d)
{
	return d->host;
}

struct block_device *mpd_bdev(const struct mpd_disk *d)
{
	return plat_uml_bdev(d->plat);
}

void mpd_frame_fill(const struct mpd_disk *d, fno_t frame)
{
	plat_uml_touch(d->plat, frame << BLOCK_SHIFT, BLOCK_SIZE);
}

struct page *mpd_frame_page(const struct mpd_disk *d, fno_t frame)
{
	return virt_to_page(d->pool.base + ((size_t)frame << BLOCK_SHIFT));
}

fno_t mpd_page_frame(const struct mpd_disk *d, const struct page *page)
{
	size_t offset = (u8 *)page_address(page) - d->pool.base;

	return offset < d->pool.size ? (fno_t)(offset >> BLOCK_SHIFT) : 0;
}
