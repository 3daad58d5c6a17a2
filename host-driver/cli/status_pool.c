// SPDX-License-Identifier: BSD-2-Clause
/* mpdisk status --pool: who shares a pool and what each executor holds. Looks, and changes nothing.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include "../lib/mpdisk.h"
#include "cli.h"
#include "fs/inode.h"
#include "report.h"

struct view {
	int fd;
	struct pool pool; /* mapped for reading */
	const struct fs *fs;
};

static bool is_alive(const struct view *v, u32 host)
{
	return mpdisk_is_locked(v->fd, MPDISK_LOCK_HOST(host), 1);
}

/* Which lock the word at ref is. */
static void lock_name(const struct view *v, ref_t ref, char *out, size_t size)
{
	const struct pool_header *hdr = v->pool.hdr;
	const struct fs *fs = v->fs;
	const ref_t at = hdr->fs;
	u64 inodes_end = fs->inodes + (u64)fs->ninodes * sizeof(struct inode);

	if (ref == offsetof(struct pool_header, free_lock))
		snprintf(out, size, "free frames");
	else if (ref == offsetof(struct pool_header, writeback_lock))
		snprintf(out, size, "write-back");
	else if (ref >= hdr->hash_locks && ref < hdr->hash_locks + hdr->nhash / 4)
		snprintf(out, size, "frame hash");
	else if (ref == at + offsetof(struct fs, rename_lock))
		snprintf(out, size, "rename");
	else if (ref == at + offsetof(struct fs, orphan_lock))
		snprintf(out, size, "orphans");
	else if (ref == at + offsetof(struct fs, xattr_lock))
		snprintf(out, size, "xattrs");
	else if (ref == at + offsetof(struct fs, super_lock))
		snprintf(out, size, "superblock");
	else if (ref == at + offsetof(struct fs, icache_lock))
		snprintf(out, size, "inode cache");
	else if (ref >= fs->groups && ref < fs->groups + (u64)fs->ngroups * sizeof(struct group))
		snprintf(out, size, "group %zu", (ref - fs->groups) / sizeof(struct group));
	else if (ref >= fs->inodes && ref < inodes_end)
		snprintf(out, size, "inode %u",
			 ((const struct inode *)pool_ptr(&v->pool, fs->inodes) +
			  (ref - fs->inodes) / sizeof(struct inode))
				 ->ino);
	else
		snprintf(out, size, "lock at %u", ref);
}

static void show_executor(const struct view *v, u32 id, const struct exec_slot *slot)
{
	static const char *const phases[] = {"idle", "in a transaction", "committed", "settling"};
	char name[32];
	u32 nheld = min_of(slot->nheld, POOL_HELD);

	printf("  executor %-4u %s%s", id,
	       slot->phase < array_size(phases) ? phases[slot->phase] : "?",
	       (slot->state & EXEC_STATE) == EXEC_RECOVERING ? ", being recovered" : "");
	if (slot->head)
		printf(", %u bytes of undo", slot->head);
	for (u32 i = 0; i < nheld; i++) {
		lock_name(v, slot->held[i] & ~1u, name, sizeof(name));
		printf("%s%s (%s)", i ? ", " : ", holds ", name,
		       slot->held[i] & 1 ? "read" : "write");
	}
	if (slot->intent) {
		lock_name(v, slot->intent, name, sizeof(name));
		printf(", wants %s", name);
	}
	printf("\n");
}

static void show_host(const struct view *v, u32 host)
{
	const struct pool_host *h = pool_host(&v->pool, host);
	const struct exec_slot *slots = pool_ptr(&v->pool, v->pool.hdr->slots);

	printf("host %-7u process %u, %s, %u open%s%.*s\n", host, h->pid,
	       is_alive(v, host) ? "alive" : "dead, not yet recovered", h->session.nopen,
	       h->name[0] ? ", on " : "", (int)sizeof(h->name), h->name);
	for (u32 id = 1; id <= POOL_EXECUTORS; id++) {
		const struct exec_slot *slot = &slots[id - 1];

		if ((slot->state & EXEC_STATE) != EXEC_FREE &&
		    slot->state >> EXEC_HOST_SHIFT == host)
			show_executor(v, id, slot);
	}
}

static void show(const struct view *v, const char *path)
{
	const struct pool_header *hdr = v->pool.hdr;
	const struct pool_hosts *hosts = pool_hosts(&v->pool);
	u32 executors = 0;

	for (u32 id = 1; id <= POOL_EXECUTORS; id++)
		executors +=
			((const struct exec_slot *)pool_ptr(&v->pool, hdr->slots))[id - 1].state !=
			0;
	printf("pool        %s\nsize        %u MiB\nlayout      %08x\nimage       %.*s\n", path,
	       hdr->size >> 20, hdr->abi, (int)sizeof(hosts->image), hosts->image);
	printf("filesystem  %s\n", !v->fs->read_only   ? "read-write"
				   : v->fs->mounted_rw ? "read-only after an error"
						       : "read-only");
	printf("frames      %u, %u free, %u dirty\nexecutors   %u of %u\ndeaths      %u\n",
	       hdr->nframes, hdr->nfree, hdr->ndirty, executors, POOL_EXECUTORS, hosts->deaths);
	for (u32 host = 1; host <= POOL_HOSTS; host++)
		if (hosts->host[host - 1].state)
			show_host(v, host);
}

static bool in_pool(const struct pool_header *hdr, u64 ref, u64 len)
{
	return ref && ref + len <= hdr->size;
}

/* The pool is mapped; whether it has what show() follows. */
static bool is_whole(struct view *v, u64 size)
{
	const struct pool_header *hdr = v->pool.hdr;

	if (hdr->size > size || !hdr->sealed || !in_pool(hdr, hdr->fs, sizeof(struct fs)) ||
	    !in_pool(hdr, hdr->hosts, sizeof(struct pool_hosts)) ||
	    !in_pool(hdr, hdr->slots, (u64)POOL_EXECUTORS * sizeof(struct exec_slot)))
		return false;
	v->fs = pool_ptr(&v->pool, hdr->fs);
	return in_pool(hdr, v->fs->inodes, (u64)v->fs->ninodes * sizeof(struct inode)) &&
	       in_pool(hdr, v->fs->groups, (u64)v->fs->ngroups * sizeof(struct group));
}

static int map_and_show(struct view *v, const char *path, u64 size)
{
	void *base = mmap(NULL, size, PROT_READ, MAP_SHARED, v->fd, 0);
	int err = 0;

	if (base == MAP_FAILED)
		return -errno;
	v->pool.base = base;
	v->pool.hdr = base;
	if (v->pool.hdr->abi != pool_abi()) {
		report(LOG_ERR, "%s: is a pool of another version: its layout is %08x, not %08x",
		       path, v->pool.hdr->abi, pool_abi());
		err = -EPROTO;
	} else if (!is_whole(v, size)) {
		report(LOG_ERR, "%s: a host is just making it, or it is damaged", path);
		err = -EAGAIN;
	} else {
		show(v, path);
	}
	munmap(base, size);
	return err;
}

int show_pool(const char *path)
{
	struct view v = {.fd = open(path, O_RDONLY | O_CLOEXEC)};
	struct stat st;
	u32 magic = 0;
	int err = 0;

	if (v.fd < 0 || fstat(v.fd, &st) != 0) {
		err = -errno;
		report(LOG_ERR, "%s: %s", path, error_text(err));
	} else if (!mpdisk_is_locked(v.fd, MPDISK_LOCK_JOIN, POOL_HOSTS + 1)) {
		/* nobody can change that but by attaching anew */
		report(LOG_ERR, "%s: nobody is attached", path);
		err = -ENOENT;
	} else if (pread(v.fd, &magic, sizeof(magic), 0) != sizeof(magic) || magic != POOL_MAGIC ||
		   st.st_size < MPDISK_POOL_MIN_MIB << 20) {
		report(LOG_ERR, "%s: is in use, but not as a pool, or not yet", path);
		err = -EPROTO;
	} else {
		err = map_and_show(&v, path, (u64)st.st_size);
		if (err && err != -EPROTO && err != -EAGAIN)
			report(LOG_ERR, "%s: %s", path, error_text(err));
	}
	if (v.fd >= 0)
		close(v.fd);
	return err;
}
