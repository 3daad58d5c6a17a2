// SPDX-License-Identifier: BSD-2-Clause
/*
 * Mappings. A shared one shows the frames of the pool themselves, so a store in one UML is a load's
 * in another; a private one gets copies.
 *
 * What is mapped stays pinned by the keeper until the inode is unmapped, all of it at once:
 *  - when its last mapping here is closed;
 *  - when a host asks for it, because pages leave the file (firmware/fs/map.c): a thread does it,
 *    which waits for nothing that the one who asks has;
 *  - when too many frames are mapped, the inode that has been for longest;
 *  - MAP_CLEAN after it was mapped for storing, so that a file nobody stores into any more becomes
 *    clean. Who goes on storing faults again.
 *
 * A fault finds its page under the inode's lock, but maps it after that. If the inode was unmapped
 * in between (map_seq), the fault takes back what it has done and comes again. Between the mapping
 * and that look nothing sleeps, and a UML has one processor: nobody can have used it.
 *
 * Frames are mapped as pages, which know their inode, so that futexes find it, and which whoever
 * does direct I/O or fills a pipe may hold beyond the mapping. Such a one, unmapped, stays pinned
 * and dirty until nobody holds it, as a page of a page cache would: the thread looks. What comes
 * into it after another host has put another frame in its place is lost, as is what comes late to
 * any page.
 */
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pagemap.h>
#include <linux/pfn_t.h>
#include <linux/slab.h>

#include "skin.h"

#define MAP_CLEAN_MS 5000
#define MAP_LATE_MS 20 /* between two looks at pages that somebody holds */
#define MAP_LOOKS 100
#define MAP_SHARE 8 /* of the pool's frames one in so many may be mapped by a host */

/* By which the pool knows an open file (fs.h, fs_map). */
static ref_t word_of(const struct mpd_sb *s, const struct mpd_inode *i)
{
	return (const u8 *)i->word - s->pool->base;
}

/* ---- frames that somebody holds; [map_lock], their pages' private field says so */
static bool is_held(struct page *page)
{
	return page_count(page) > 1; /* its own one: it is never free */
}

static void let_go(struct mpd_sb *s, struct page *page)
{
	fno_t frame = mpd_page_frame(s->disk, page);

	fs_unmap_page(s->keeper, frame);
	frame_unpin(s->keeper, frame_of(s->keeper, frame));
	s->nmapped--;
}

/* A fault that is on its way may have marked frames already. */
static void end_stores(struct mpd_sb *s)
{
	if (!s->nstores && !s->nfaults && list_empty(&s->late))
		fs_unmap_stores(s->keeper);
}

/* Whether there are any still. */
static bool look_at_late(struct mpd_sb *s)
{
	struct page *page, *next;

	if (list_empty(&s->late))
		return false;
	mutex_lock(&s->map_lock);
	list_for_each_entry_safe(page, next, &s->late, lru)
	{
		if (is_held(page))
			continue;
		list_del(&page->lru);
		set_page_private(page, 0);
		let_go(s, page);
	}
	end_stores(s);
	mutex_unlock(&s->map_lock);
	return !list_empty(&s->late);
}

/* Wakes the thread when it has something to do in a while. */
static void wake_revoker(struct mpd_sb *s)
{
	pool_atomic_add(fs_unmap_word(s->pool), 1);
	plat_wake(s->keeper->plat, fs_unmap_word(s->pool));
}

/* ---- unmapping */
/* [map_lock] */
static void drop_frame(struct mpd_sb *s, struct mpd_inode *i, u64 index, fno_t frame)
{
	struct page *page = mpd_frame_page(s->disk, frame);

	xa_erase(&i->frames, index);
	page->mapping = NULL;
	i->nmapped--;
	if (!is_held(page)) {
		let_go(s, page);
		return;
	}
	set_page_private(page, 1);
	list_add_tail(&page->lru, &s->late);
}

static void drop_frames(struct mpd_sb *s, struct mpd_inode *i)
{
	unsigned long index;
	void *entry;

	mutex_lock(&s->map_lock);
	xa_for_each(&i->frames, index, entry)
		drop_frame(s, i, index, xa_to_value(entry));
	if (i->stores) {
		i->stores = false;
		s->nstores--;
	}
	end_stores(s);
	mutex_unlock(&s->map_lock);
	if (!list_empty(&s->late) && current != s->revoker)
		wake_revoker(s);
}

/* asked: the inode is locked by the one who asks, so no fault gets a page meanwhile. */
static void unmap_inode(struct mpd_sb *s, struct mpd_inode *i, bool asked)
{
	i->map_seq++;
	unmap_mapping_range(i->vfs.i_mapping, 0, 0, 0);
	drop_frames(s, i);
	if (!asked && i->nfaults)
		return; /* one of them may have been given a page just now: it stays in the list */
	/* nothing sleeps from here until the pool is told: a fault that begins later is in the list
	 * again, and has the bit again */
	list_del_init(&i->mapped);
	fs_unmap_done(s->keeper, word_of(s, i));
}

/* The first inode in the list of which `wanted` is true, held; NULL: none. */
static struct mpd_inode *find_mapped(struct mpd_sb *s, bool (*wanted)(const struct mpd_sb *,
								      const struct mpd_inode *))
{
	struct mpd_inode *i, *found = NULL;

	mutex_lock(&s->map_lock);
	list_for_each_entry(i, &s->mapped, mapped) {
		if (!wanted(s, i) || !igrab(&i->vfs))
			continue;
		found = i;
		break;
	}
	mutex_unlock(&s->map_lock);
	return found;
}

/* The fault that has kept the frame comes too late. */
static void drop_page(struct mpd_sb *s, struct mpd_inode *i, u64 page)
{
	void *entry;

	mutex_lock(&s->map_lock);
	entry = xa_load(&i->frames, page);
	if (entry)
		drop_frame(s, i, page, xa_to_value(entry));
	mutex_unlock(&s->map_lock);
}

static bool is_asked(const struct mpd_sb *s, const struct mpd_inode *i)
{
	return fs_unmap_asked(s->keeper, word_of(s, i));
}

static bool has_stores(const struct mpd_sb *s, const struct mpd_inode *i)
{
	return i->stores;
}

static bool has_frames(const struct mpd_sb *s, const struct mpd_inode *i)
{
	return i->nmapped;
}

static int revoker_main(void *arg)
{
	struct mpd_sb *s = arg;
	u32 *word = fs_unmap_word(s->pool);
	unsigned long clean_at = jiffies;
	struct mpd_inode *i;

	while (!READ_ONCE(s->ending)) {
		u32 seen = atomic_load_acquire(word);

		while ((i = find_mapped(s, is_asked))) {
			unmap_inode(s, i, true);
			iput(&i->vfs);
		}
		if (time_after_eq(jiffies, clean_at)) {
			while ((i = find_mapped(s, has_stores))) {
				unmap_inode(s, i, false);
				iput(&i->vfs);
			}
			clean_at = jiffies + msecs_to_jiffies(MAP_CLEAN_MS);
		}
		plat_wait(s->keeper->plat, word, seen,
			  look_at_late(s) ? MAP_LATE_MS
			  : s->nstores    ? MAP_CLEAN_MS
					  : 0);
	}
	/* kthread_stop() wants it to be there still */
	while (!kthread_should_stop())
		schedule_timeout_interruptible(1);
	return 0;
}

/* ---- faults */
/* [map_lock] The frame becomes the keeper's, if it is not. */
static void pin(struct mpd_sb *s, fno_t frame, struct page *page)
{
	if (page_private(page)) {
		list_del(&page->lru);
		set_page_private(page, 0);
	} else {
		frame_pin(s->keeper, frame_of(s->keeper, frame));
		s->nmapped++;
	}
}

static int keep(struct mpd_sb *s, struct mpd_inode *i, u64 index, fno_t frame, bool write)
{
	struct page *page = mpd_frame_page(s->disk, frame);
	int err = 0;

	mutex_lock(&s->map_lock);
	if (frame != s->pool->hdr->zero_frame && !xa_load(&i->frames, index)) {
		err = xa_err(xa_store(&i->frames, index, xa_mk_value(frame), GFP_NOWAIT));
		if (!err) {
			pin(s, frame, page);
			i->nmapped++;
			page->index = index;
			page->mapping = i->vfs.i_mapping;
		}
	}
	if (!err && write && !i->stores) {
		i->stores = true;
		s->nstores++;
	}
	mutex_unlock(&s->map_lock);
	return err;
}

static int get_page_of(struct mpd_sb *s, struct mpd_inode *i, u64 page, bool write, fno_t *frame)
{
	bool first = !s->nstores;
	struct exec *x;
	int err;

	x = write ? mpd_begin_change(s->sb) : mpd_begin(s->sb);
	err = fs_map(x, i->node, page, write, frame);
	if (!err) {
		err = keep(s, i, page, *frame, write);
		if (err)
			fs_unmap_page(x, *frame);
		frame_unpin(x, frame_of(x, *frame));
	}
	mpd_end(s->sb, x);
	if (!err && write && first)
		wake_revoker(s);
	return err;
}

static vm_fault_t fault_error(int err)
{
	return err == -ENOMEM ? VM_FAULT_OOM : VM_FAULT_SIGBUS;
}

/* The page that is mapped is stored into: the VM makes it writable, if it is mapped still. */
static vm_fault_t allow_stores(struct vm_fault *vmf, struct page *page)
{
	if (vmf->page != page)
		return VM_FAULT_NOPAGE;
	lock_page(page);
	return VM_FAULT_LOCKED;
}

static vm_fault_t serve_fault(struct vm_fault *vmf, struct mpd_sb *s, struct mpd_inode *i,
			      bool mapped)
{
	bool write = vmf->flags & FAULT_FLAG_WRITE;
	pgprot_t prot = vmf->vma->vm_page_prot;
	u32 seq = i->map_seq;
	struct page *page;
	vm_fault_t ret;
	fno_t frame;
	int err;

	err = get_page_of(s, i, vmf->pgoff, write, &frame);
	if (err)
		return fault_error(err);
	if (write) /* it is known: the processor need not tell */
		prot = __pgprot(pgprot_val(prot) | _PAGE_RW | _PAGE_DIRTY);
	page = mpd_frame_page(s->disk, frame);
	ret = mapped ? allow_stores(vmf, page)
		     : vmf_insert_mixed_prot(vmf->vma, vmf->address, page_to_pfn_t(page), prot);
	if (seq == i->map_seq)
		return ret;
	if (ret & VM_FAULT_LOCKED)
		unlock_page(page);
	unmap_mapping_range(i->vfs.i_mapping, (loff_t)vmf->pgoff << PAGE_SHIFT, PAGE_SIZE, 0);
	drop_page(s, i, vmf->pgoff);
	return VM_FAULT_NOPAGE;
}

/* Others' frames make room, or, where I/O has them, its end. */
static bool have_room(struct mpd_sb *s)
{
	struct mpd_inode *old;
	u32 looks;

	while (s->nmapped >= s->max_mapped && (old = find_mapped(s, has_frames))) {
		unmap_inode(s, old, false);
		iput(&old->vfs);
	}
	for (looks = 0; s->nmapped >= s->max_mapped && looks < MAP_LOOKS; looks++) {
		schedule_timeout_uninterruptible(msecs_to_jiffies(MAP_LATE_MS));
		look_at_late(s);
	}
	return s->nmapped < s->max_mapped;
}

static vm_fault_t shared_fault(struct vm_fault *vmf, bool mapped)
{
	struct inode *inode = file_inode(vmf->vma->vm_file);
	struct mpd_sb *s = mpd_sb(inode->i_sb);
	struct mpd_inode *i = mpd_i(inode);
	vm_fault_t ret;

	if (!have_room(s))
		return VM_FAULT_SIGBUS;
	/* what keep() needs, while waiting for memory may still wait for us */
	if (xa_reserve(&i->frames, vmf->pgoff, GFP_KERNEL))
		return VM_FAULT_OOM;
	if (vmf->flags & FAULT_FLAG_WRITE)
		sb_start_pagefault(inode->i_sb);
	s->nfaults++;
	i->nfaults++;
	if (list_empty(&i->mapped))
		list_add_tail(&i->mapped, &s->mapped);
	ret = serve_fault(vmf, s, i, mapped);
	i->nfaults--;
	s->nfaults--;
	if (vmf->flags & FAULT_FLAG_WRITE)
		sb_end_pagefault(inode->i_sb);
	xa_release(&i->frames, vmf->pgoff);
	return ret;
}

static vm_fault_t mpd_fault(struct vm_fault *vmf)
{
	return shared_fault(vmf, false);
}

static vm_fault_t mpd_page_mkwrite(struct vm_fault *vmf)
{
	return shared_fault(vmf, true);
}

static vm_fault_t mpd_private_fault(struct vm_fault *vmf)
{
	struct inode *inode = file_inode(vmf->vma->vm_file);
	struct page *page = alloc_page(GFP_HIGHUSER_MOVABLE);
	struct fs_seg seg;
	struct exec *x;
	u32 n = 0;
	int got;

	if (!page)
		return VM_FAULT_OOM;
	x = mpd_begin(inode->i_sb);
	got = fs_read(x, mpd_node(inode), (u64)vmf->pgoff << PAGE_SHIFT, BLOCK_SIZE, &seg, &n);
	if (got > 0) {
		memcpy(page_address(page), mpd_frame(mpd_sb(inode->i_sb), seg.frame), got);
		frame_unpin(x, frame_of(x, seg.frame));
	}
	mpd_end(inode->i_sb, x);
	if (got <= 0) {
		__free_page(page);
		return got ? fault_error(got) : VM_FAULT_SIGBUS;
	}
	memset(page_address(page) + got, 0, BLOCK_SIZE - got);
	SetPageUptodate(page);
	vmf->page = page;
	return 0;
}

/* ---- mappings */
static void mpd_vma_open(struct vm_area_struct *vma)
{
	mpd_i(file_inode(vma->vm_file))->nvma++;
}

static void mpd_vma_close(struct vm_area_struct *vma)
{
	struct inode *inode = file_inode(vma->vm_file);

	if (!--mpd_i(inode)->nvma)
		unmap_inode(mpd_sb(inode->i_sb), mpd_i(inode), false);
}

static const struct vm_operations_struct shared_ops = {
	.open = mpd_vma_open,
	.close = mpd_vma_close,
	.fault = mpd_fault,
	.page_mkwrite = mpd_page_mkwrite,
};

static const struct vm_operations_struct private_ops = {
	.fault = mpd_private_fault,
};

const struct address_space_operations mpd_aops = {
	.dirty_folio = noop_dirty_folio, /* frame.stores says it */
};

int mpd_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct inode *inode = file_inode(file);
	int err;

	if (!(vma->vm_flags & VM_MAYSHARE)) {
		vma->vm_ops = &private_ops;
		return 0;
	}
	err = mpd_refresh(inode);
	if (err)
		return err;
	if (file->f_mode & FMODE_WRITE && mpd_i(inode)->flags & FS_FLAG_APPEND)
		return -EACCES;
	vma->vm_flags |= VM_MIXEDMAP | VM_DONTDUMP;
	vma->vm_ops = &shared_ops;
	mpd_vma_open(vma);
	return 0;
}

/* ---- the thread */
int mpd_map_start(struct mpd_sb *s)
{
	struct task_struct *task;

	mutex_init(&s->map_lock);
	INIT_LIST_HEAD(&s->mapped);
	INIT_LIST_HEAD(&s->late);
	s->keeper = mpd_keeper(s->disk);
	s->max_mapped = s->pool->hdr->nframes / MAP_SHARE;
	task = kthread_run(revoker_main, s, "mpdisk-unmap");
	if (IS_ERR(task))
		return PTR_ERR(task);
	s->revoker = task;
	return 0;
}

void mpd_map_stop(struct mpd_sb *s)
{
	if (!s->revoker)
		return;
	WRITE_ONCE(s->ending, true);
	wake_revoker(s);
	kthread_stop(s->revoker);
	s->revoker = NULL;
	/* a pipe may have them for as long as its users like */
	if (look_at_late(s))
		pr_warn("mpdisk: unmount waits for pages that are in use\n");
	while (look_at_late(s))
		schedule_timeout_idle(msecs_to_jiffies(MAP_LATE_MS));
}
