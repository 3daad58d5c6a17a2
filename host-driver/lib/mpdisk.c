// SPDX-License-Identifier: BSD-2-Clause
/*
 * Attaching to a pool, and leaving it (mpdisk.h).
 *
 * Who formats, joins or leaves holds MPDISK_LOCK_JOIN meanwhile, so those are one after the other.
 * Nobody holds a byte of MPDISK_LOCK_HOST: whatever the pool file has in it is left over, and is
 * formatted anew; what was not yet on the medium, the filesystem's journal has. A process that is
 * killed anywhere in here drops its locks, and with them its claim.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "fs/super.h"
#include "platform/atomic.h"
#include "private.h"

#define FLUSH_SECONDS 1
#define FLUSH_FRAMES 256u
#define LOCK_NAPS 60u        /* of 50 ms, for an image in use */
#define WARM_STEP (2u << 20) /* bytes */

_Static_assert((s64)MPDISK_LOCK_HOST(POOL_HOSTS) > 0, "byte offsets");

/* ---- locks on files */
int byte_lock(int fd, int type, long long at)
{
	struct flock flock = {
		.l_type = (short)type, .l_whence = SEEK_SET, .l_start = at, .l_len = 1};

	return fcntl(fd, F_OFD_SETLK, &flock) == 0 ? 0 : errno == EACCES ? -EAGAIN : -errno;
}

bool mpdisk_is_locked(int fd, long long start, long long len)
{
	struct flock flock = {
		.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = start, .l_len = len};

	return fcntl(fd, F_OFD_GETLK, &flock) == 0 && flock.l_type != F_UNLCK;
}

static int join_lock(struct mpdisk *disk)
{
	struct flock flock = {
		.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = MPDISK_LOCK_JOIN, .l_len = 1};

	while (fcntl(disk->fd, F_OFD_SETLKW, &flock) != 0)
		if (errno != EINTR)
			return -errno;
	disk->locked = true;
	return 0;
}

static void join_unlock(struct mpdisk *disk)
{
	if (disk->locked && byte_lock(disk->fd, F_UNLCK, MPDISK_LOCK_JOIN) == 0)
		disk->locked = false;
}

/* With MPDISK_LOCK_JOIN. */
static bool somebody_lives(const struct mpdisk *disk)
{
	return mpdisk_is_locked(disk->fd, MPDISK_LOCK_HOST(1), POOL_HOSTS);
}

/*
 * One pool that writes to the image, or any number that read it. A pool's hosts share the locks:
 * the first one, which finds nobody, takes them alone for a moment.
 */
static int image_lock(struct mpdisk *disk, bool first, bool writes)
{
	int fd = plat_posix_fd(disk->plat), err;

	err = byte_lock(fd, first && writes ? F_WRLCK : F_RDLCK, MPDISK_LOCK_IMAGE);
	if (!err && first && !writes && mpdisk_is_locked(fd, MPDISK_LOCK_WRITER, 1))
		err = -EAGAIN;
	if (!err && writes)
		err = byte_lock(fd, F_RDLCK, MPDISK_LOCK_WRITER);
	if (!err && first && writes)
		err = byte_lock(fd, F_RDLCK, MPDISK_LOCK_IMAGE);
	return err == -EAGAIN ? -EBUSY : err;
}

/* An image that has just been unmounted is let go of in a moment: umount without its helper does
 * not wait for the process that served it. */
static int image_lock_soon(struct mpdisk *disk, bool first, bool writes)
{
	const struct timespec nap = {.tv_nsec = 50000000};
	unsigned int naps;
	int err;

	for (naps = 0; (err = image_lock(disk, first, writes)) == -EBUSY && naps < LOCK_NAPS;
	     naps++)
		nanosleep(&nap, NULL);
	return err;
}

/* ---- the image */
static int image_identity(int fd, u64 *id)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return -errno;
	id[0] = S_ISBLK(st.st_mode) ? st.st_rdev : st.st_dev;
	id[1] = S_ISBLK(st.st_mode) ? 0 : st.st_ino;
	return 0;
}

static void log_line(const struct mpdisk_options *o, const char *line)
{
	if (o->logger)
		o->logger(o->logger_arg, PLAT_ERR, line);
	else
		fprintf(stderr, "mpdisk: error: %s\n", line);
}

static int __attribute__((format(printf, 3, 4)))
refuse(const struct mpdisk_options *o, int err, const char *format, ...)
{
	char line[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	log_line(o, line);
	return err;
}

static int image_open(struct mpdisk *disk, const struct mpdisk_options *o, bool first, bool writes)
{
	int err;

	disk->plat = plat_posix_open(o->image, !writes);
	if (!disk->plat)
		return refuse(o, -errno, "%s: %s", o->image, strerror(errno));
	if (o->logger)
		plat_posix_log_to(disk->plat, o->logger, o->logger_arg);
	if (o->verbose)
		plat_posix_log_level(disk->plat, PLAT_INFO);
	err = image_lock_soon(disk, first, writes);
	if (err == -EBUSY)
		return refuse(o, err, "%s: in use by another pool", o->image);
	return err ? refuse(o, err, "%s: cannot lock it: %s", o->image, strerror(-err)) : 0;
}

/* ---- the pool file */
/* Its locks would wait for each other for ever. */
static bool is_image(int fd, const char *image)
{
	struct stat a, b;

	return fstat(fd, &a) == 0 && stat(image, &b) == 0 && a.st_dev == b.st_dev &&
	       a.st_ino == b.st_ino;
}

static int pool_file_open(struct mpdisk *disk, const struct mpdisk_options *o)
{
	disk->alone = !o->pool;
	disk->fd = o->pool ? open(o->pool, O_RDWR | O_CREAT | O_CLOEXEC, 0600)
			   : memfd_create("mpdisk", MFD_CLOEXEC);
	if (disk->fd < 0)
		return refuse(o, -errno, "%s: %s", o->pool ? o->pool : "memory", strerror(errno));
	if (is_image(disk->fd, o->image))
		return refuse(o, -EINVAL, "%s: is the image, and the pool is another file",
			      o->pool);
	return 0;
}

static int pool_map(struct mpdisk *disk, u32 size, void **base)
{
	*base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, disk->fd, 0);
	if (*base == MAP_FAILED)
		return -errno;
	disk->pool.base = *base;
	disk->pool.size = size;
	plat_posix_attach(disk->plat, *base);
	return 0;
}

/* The first bytes of the file: zeros where it is shorter. room: that it takes. */
static int pool_file_head(const struct mpdisk *disk, struct pool_header *hdr, u64 *size, u64 *room)
{
	struct stat st;
	ssize_t n;

	memset(hdr, 0, sizeof(*hdr));
	if (fstat(disk->fd, &st) != 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	*size = (u64)st.st_size;
	*room = (u64)st.st_blocks;
	n = pread(disk->fd, hdr, sizeof(*hdr), 0);
	return n < 0 ? -errno : 0;
}

/* A file that holds something else is not overwritten. */
static bool is_ours(const struct pool_header *hdr, u64 room)
{
	return room == 0 || hdr->magic == POOL_MAGIC || hdr->magic == POOL_FORMATTING;
}

/* ---- the first host */
static int make_room(struct mpdisk *disk, const struct mpdisk_options *o, u32 size)
{
	const u32 magic = POOL_FORMATTING;
	int err;

	/* whatever happens next, the file says that it is ours */
	if (ftruncate(disk->fd, 0) != 0 ||
	    pwrite(disk->fd, &magic, sizeof(magic), 0) != sizeof(magic))
		err = -errno;
	else
		err = -posix_fallocate(disk->fd, 0, size);
	if (err)
		return refuse(o, err, "%s: no room for a pool of %u MiB: %s",
			      o->pool ? o->pool : "memory", size >> 20, strerror(-err));
	return 0;
}

static int hosts_fill(struct mpdisk *disk, const struct mpdisk_options *o)
{
	char path[PATH_MAX];
	struct pool_hosts *hosts;
	int err = hosts_carve(&disk->pool);

	if (err)
		return err;
	hosts = pool_hosts(&disk->pool);
	if (!realpath(o->image, path))
		return -errno;
	memcpy(hosts->image, path, strnlen(path, sizeof(hosts->image) - 1));
	return image_identity(plat_posix_fd(disk->plat), hosts->medium);
}

/* Its number is had. */
static int enter(struct mpdisk *disk, const struct mpdisk_options *o)
{
	struct plat_waits *waits = &pool_hosts(&disk->pool)->waits;

	if (o->pool) {
		int err = plat_posix_waits(disk->plat, waits, o->pool);

		if (err)
			return err;
	}
	host_enter(&disk->pool, disk->plat, disk->host, (u32)getpid(), true,
		   o->name ? o->name : "");
	return exec_join(&disk->pool, disk->plat, disk->host, &disk->x);
}

/* A kernel that has the file as its memory needs it to stay as large as it is. */
static u32 pool_size(const struct mpdisk_options *o, u64 file_size)
{
	u32 mib = o->pool_mib;

	if (!mib && file_size >> 20 >= MPDISK_POOL_MIN_MIB)
		mib = (u32)min_of(file_size >> 20, MPDISK_POOL_MAX_MIB);
	return (mib ? mib : MPDISK_POOL_DEFAULT_MIB) << 20;
}

static int format(struct mpdisk *disk, const struct mpdisk_options *o)
{
	const struct fs_mount_opts opts = {.read_only = o->read_only};
	struct pool_header hdr;
	u64 file_size, room;
	void *base;
	u32 size;
	int err;

	err = pool_file_head(disk, &hdr, &file_size, &room);
	if (err || !is_ours(&hdr, room))
		return refuse(o, -EINVAL, "%s: is not a pool, and not empty", o->pool);
	size = pool_size(o, file_size);
	err = image_open(disk, o, true, !o->read_only);
	if (!err)
		err = make_room(disk, o, size);
	if (err)
		return err;
	disk->host = 1;
	err = byte_lock(disk->fd, F_WRLCK, MPDISK_LOCK_HOST(disk->host));
	if (!err)
		err = pool_map(disk, size, &base);
	if (!err)
		err = pool_format(&disk->pool, base, size);
	if (!err)
		err = hosts_fill(disk, o);
	if (err)
		return refuse(o, err, "%s: cannot be made a pool: %s", o->pool ? o->pool : "memory",
			      strerror(-err));
	err = enter(disk, o);
	if (!err)
		err = fs_mount(&disk->x, &opts);
	disk->mounted = !err;
	return err;
}

/* ---- the others */
static int check_live(struct mpdisk *disk, const struct mpdisk_options *o, struct pool_header *hdr)
{
	u64 size, room;
	int err = pool_file_head(disk, hdr, &size, &room);

	if (err)
		return refuse(o, err, "%s: %s", o->pool, strerror(-err));
	if (hdr->magic != POOL_MAGIC)
		return refuse(o, -EPROTO, "%s: is in use, but not as a pool", o->pool);
	if (hdr->abi != pool_abi())
		return refuse(o, -EPROTO,
			      "%s: in use by another version of mpdisk: its layout is %08x, this "
			      "one's %08x",
			      o->pool, hdr->abi, pool_abi());
	if (hdr->size > size || !hdr->sealed || !hdr->fs || !hdr->hosts ||
	    hdr->hosts > hdr->size - sizeof(struct pool_hosts) ||
	    hdr->fs > hdr->size - sizeof(struct fs))
		return refuse(o, -EPROTO, "%s: is in use, but is damaged or cut off", o->pool);
	if (o->pool_mib && hdr->size < o->pool_mib << 20)
		return refuse(o, -ENOSPC, "%s: has %u MiB, and %u MiB are asked for", o->pool,
			      hdr->size >> 20, o->pool_mib);
	return 0;
}

/* What the pool says about itself, before it is mapped. */
static int check_medium(struct mpdisk *disk, const struct mpdisk_options *o,
			const struct pool_header *hdr, bool *writes)
{
	struct pool_hosts hosts;
	struct fs fs;
	struct stat st;
	u64 id[2];

	if (pread(disk->fd, &hosts, sizeof(hosts), hdr->hosts) != (ssize_t)sizeof(hosts) ||
	    pread(disk->fd, &fs, sizeof(fs), hdr->fs) != (ssize_t)sizeof(fs))
		return refuse(o, -EPROTO, "%s: cannot be read", o->pool);
	if (stat(o->image, &st) != 0)
		return refuse(o, -errno, "%s: %s", o->image, strerror(errno));
	id[0] = S_ISBLK(st.st_mode) ? st.st_rdev : st.st_dev;
	id[1] = S_ISBLK(st.st_mode) ? 0 : st.st_ino;
	hosts.image[sizeof(hosts.image) - 1] = 0;
	if (id[0] != hosts.medium[0] || id[1] != hosts.medium[1])
		return refuse(o, -EBUSY, "%s: in use for another image, %s: a pool holds one",
			      o->pool, hosts.image);
	if (fs.read_only && !o->read_only)
		return refuse(o, -EROFS,
			      fs.mounted_rw ? "%s: its filesystem is read-only after an error"
					    : "%s: its filesystem is mounted read-only",
			      o->pool);
	*writes = fs.mounted_rw;
	return 0;
}

/* A number that is neither alive nor waiting to be recovered. */
static int take_number(struct mpdisk *disk)
{
	for (u32 host = 1; host <= POOL_HOSTS; host++) {
		if (byte_lock(disk->fd, F_WRLCK, MPDISK_LOCK_HOST(host)) != 0)
			continue;
		if (atomic_load_acquire(&pool_host(&disk->pool, host)->state) == HOST_FREE) {
			disk->host = host;
			return 0;
		}
		if (byte_lock(disk->fd, F_UNLCK, MPDISK_LOCK_HOST(host)) != 0)
			break;
	}
	return -EAGAIN;
}

static int join(struct mpdisk *disk, const struct mpdisk_options *o)
{
	struct pool_header hdr;
	bool writes;
	void *base;
	int err;

	err = check_live(disk, o, &hdr);
	if (!err)
		err = check_medium(disk, o, &hdr, &writes);
	if (!err)
		err = image_open(disk, o, false, writes);
	if (!err)
		err = pool_map(disk, hdr.size, &base);
	if (err)
		return err;
	err = pool_attach(&disk->pool, base, hdr.size);
	if (!err)
		err = take_number(disk);
	if (!err)
		err = enter(disk, o);
	if (err == -EAGAIN)
		return refuse(o, err, "%s: all %u executors are in use", o->pool, POOL_EXECUTORS);
	return err;
}

/* ---- the flusher */
static bool is_ending(struct mpdisk *disk)
{
	bool ending;

	pthread_mutex_lock(&disk->lock);
	ending = disk->ending;
	pthread_mutex_unlock(&disk->lock);
	return ending;
}

/* A page costs 0.5 us when it is touched first: not in the middle of an operation. A pool in
 * another filesystem than tmpfs would be written to its disk. */
static void warm_up(struct mpdisk *disk)
{
	struct statfs st;
	u32 at;

	if (!disk->warm || fstatfs(disk->fd, &st) != 0 || st.f_type != TMPFS_MAGIC)
		return;
	for (at = 0; at < disk->pool.size && !is_ending(disk); at += WARM_STEP)
		if (madvise((u8 *)disk->pool.base + at, min_of(WARM_STEP, disk->pool.size - at),
			    MADV_POPULATE_WRITE) != 0)
			return; /* an old kernel has no such advice */
}

static void *flusher_main(void *arg)
{
	struct mpdisk *disk = arg;
	struct timespec until;

	warm_up(disk);
	pthread_mutex_lock(&disk->lock);
	clock_gettime(CLOCK_MONOTONIC, &until);
	while (!disk->ending) {
		until.tv_sec += FLUSH_SECONDS;
		while (!disk->ending &&
		       pthread_cond_timedwait(&disk->changed, &disk->lock, &until) != ETIMEDOUT)
			;
		if (disk->ending)
			break;
		pthread_mutex_unlock(&disk->lock);
		(void)!fs_error_write(&disk->x);
		(void)cache_writeback(&disk->x, FLUSH_FRAMES); /* logs what fails */
		pthread_mutex_lock(&disk->lock);
	}
	pthread_mutex_unlock(&disk->lock);
	return NULL;
}

static int threads_start(struct mpdisk *disk)
{
	pthread_condattr_t attr;
	int err;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&disk->changed, &attr);
	pthread_condattr_destroy(&attr);
	err = pthread_create(&disk->flusher, NULL, flusher_main, disk);
	disk->flusher_started = !err;
	if (!err && !disk->alone)
		err = -watch_start(disk);
	return -err;
}

static void flusher_stop(struct mpdisk *disk)
{
	pthread_mutex_lock(&disk->lock);
	disk->ending = true;
	if (disk->flusher_started)
		pthread_cond_broadcast(&disk->changed);
	pthread_mutex_unlock(&disk->lock);
	if (disk->flusher_started)
		pthread_join(disk->flusher, NULL);
}

/* ---- opening and closing */
/* Drops every lock: by closing what they are on. */
static void disk_free(struct mpdisk *disk)
{
	if (disk->pool.base)
		munmap(disk->pool.base, disk->pool.size);
	if (disk->plat)
		plat_posix_close(disk->plat);
	if (disk->fd >= 0)
		close(disk->fd);
	free(disk);
}

/* Nobody is left: the pool is empty and its memory free; the file keeps its size. */
static void pool_file_end(struct mpdisk *disk)
{
	plat_posix_waits_end(disk->plat);
	atomic_store_release(&disk->pool.hdr->magic, POOL_FORMATTING);
	munmap(disk->pool.base, disk->pool.size);
	disk->pool.base = NULL;
	if (ftruncate(disk->fd, 0) != 0 || ftruncate(disk->fd, disk->pool.size) != 0)
		plat_log(disk->plat, PLAT_WARN, "the pool file cannot be emptied: error %d", errno);
}

/* Waits for nothing of the pool but for what this process still recovers. */
static void leave(struct mpdisk *disk)
{
	watch_stop(disk);
	if (disk->x.slot)
		exec_leave(&disk->x);
	host_leave(&disk->pool, disk->plat, disk->host);
}

/* After a failure anywhere in mpdisk_open(). */
static void give_up(struct mpdisk *disk, bool first)
{
	if (disk->pool.base && disk->host) {
		flusher_stop(disk);
		if (!first) {
			leave(disk); /* it has opened nothing yet */
		} else {
			watch_stop(disk);
			if (disk->mounted)
				(void)!fs_unmount(&disk->x); /* logs what fails */
			pool_file_end(disk);
		}
	}
	disk_free(disk);
}

int mpdisk_open(const struct mpdisk_options *o, struct mpdisk **out)
{
	struct mpdisk *disk;
	bool first = false;
	int err;

	if (o->pool_mib && (o->pool_mib < MPDISK_POOL_MIN_MIB || o->pool_mib > MPDISK_POOL_MAX_MIB))
		return refuse(o, -EINVAL, "a pool has %u to %u MiB", MPDISK_POOL_MIN_MIB,
			      MPDISK_POOL_MAX_MIB);
	disk = calloc(1, sizeof(*disk));
	if (!disk)
		return -ENOMEM;
	disk->fd = -1;
	disk->warm = o->warm;
	pthread_mutex_init(&disk->lock, NULL);
	for (u32 i = 0; i < POOL_HOSTS; i++)
		pthread_mutex_init(&disk->recovering[i], NULL);
	err = pool_file_open(disk, o);
	if (err)
		goto out;
	err = join_lock(disk);
	if (err) {
		refuse(o, err, "%s: cannot be locked: %s", o->pool, strerror(-err));
		goto out;
	}
	first = !somebody_lives(disk);
	err = first ? format(disk, o) : join(disk, o);
	if (!err)
		err = threads_start(disk);
	if (err)
		goto out;
	join_unlock(disk);
	*out = disk;
	return 0;
out:
	give_up(disk, first);
	return err;
}

int mpdisk_executor(struct mpdisk *disk, struct exec *x)
{
	return exec_join(&disk->pool, disk->plat, disk->host, x);
}

int mpdisk_close(struct mpdisk *disk)
{
	bool last;
	int err;

	flusher_stop(disk);
	session_drop(&disk->x, mpdisk_session(disk));
	err = join_lock(disk);
	if (err)
		plat_log(disk->plat, PLAT_ERR, "the pool file cannot be locked: error %d", -err);
	/* our own byte does not count: locks of one descriptor do not exclude each other */
	last = !err && !somebody_lives(disk);
	if (last) {
		watch_recover_dead(disk);
		err = fs_unmount(&disk->x);
	}
	leave(disk);
	if (last)
		pool_file_end(disk);
	disk_free(disk);
	return err;
}

struct session *mpdisk_session(struct mpdisk *disk)
{
	return &pool_host(&disk->pool, disk->host)->session;
}

u32 mpdisk_host(const struct mpdisk *disk)
{
	return disk->host;
}

struct pool *mpdisk_pool(struct mpdisk *disk)
{
	return &disk->pool;
}
