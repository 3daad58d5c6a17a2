/* SPDX-License-Identifier: BSD-2-Clause */
/* Pages that hosts map, and the words by which hosts know that what they remember is still true. */
#include <pthread.h>
#include <unistd.h>

#include "fs/map.h"
#include "platform/atomic.h"
#include "tests/fs/file_util.h"

#define PAGES 4u

/* Two hosts with one file that both know. */
struct pair {
	struct exec a, b;
	node_t node;
	ref_t word; /* fs_attr.word */
};

static void begin(struct pair *p)
{
	u8 data[PAGES * 4096];

	fixture_make(64, NULL, NULL);
	p->node = util_create(fixture_mount(), "file");
	fixture_join(&p->a);
	fixture_join(&p->b);
	p->word = util_attr(&p->a, p->node).word;
	p->a.host = 3;
	p->b.host = 4;
	memset(data, 'o', sizeof(data));
	CHECK_EQ(util_write(&p->a, p->node, 0, data, sizeof(data)), sizeof(data));
}

static void end(struct pair *p)
{
	fixture_leave(&p->a);
	fixture_leave(&p->b);
	fixture_unmount_check();
}

static u8 *map(struct exec *x, node_t node, u64 page, bool write, fno_t *m)
{
	CHECK_OK(fs_map(x, node, page, write, m));
	return frame_data(x, frame_of(x, *m));
}

static void unmap(struct exec *x, const struct pair *p, fno_t m)
{
	fs_unmap_page(x, m);
	frame_unpin(x, frame_of(x, m));
	fs_unmap_done(x, p->word);
	fs_unmap_stores(x);
}

static u8 byte_at(struct exec *x, node_t node, u64 pos)
{
	u8 c = 0xEE;

	CHECK_EQ(util_read(x, node, pos, &c, 1), 1);
	return c;
}

TEST(what_others_write_is_in_the_mapped_page)
{
	u8 page[4096], *data;
	fno_t m;
	struct pair p;

	begin(&p);
	data = map(&p.a, p.node, 1, false, &m);
	CHECK_EQ(data[0], 'o');
	memset(page, 'n', sizeof(page));
	CHECK_EQ(util_write(&p.b, p.node, 4096, page, sizeof(page)), sizeof(page));
	CHECK_EQ(data[0], 'n');
	CHECK_EQ(util_write(&p.b, p.node, 4096 + 5, "p", 1), 1);
	CHECK_EQ(data[5], 'p');
	unmap(&p.a, &p, m);
	end(&p);
}

TEST(what_is_stored_others_read_and_map)
{
	fno_t m, n;
	struct pair p;
	u8 *data;

	begin(&p);
	data = map(&p.a, p.node, 2, true, &m);
	data[7] = 's';
	CHECK_EQ(byte_at(&p.b, p.node, 2 * 4096 + 7), 's');
	CHECK_EQ(map(&p.b, p.node, 2, false, &n)[7], 's');
	unmap(&p.b, &p, n);
	unmap(&p.a, &p, m);
	end(&p);
}

TEST(what_is_stored_after_a_sync_is_durable_after_the_next)
{
	fno_t m;
	struct pair p;
	u8 *data;

	begin(&p);
	data = map(&p.a, p.node, 0, true, &m);
	data[0] = '1';
	CHECK_OK(fs_sync(&p.b));
	data[0] = '2';
	CHECK_OK(fs_fsync(&p.b, p.node, false));
	data[1] = '3';
	CHECK_OK(fs_sync(&p.b));
	fixture_crash();
	CHECK_EQ(byte_at(fixture_mount(), p.node, 0), '2');
	CHECK_EQ(byte_at(fixture_exec(), p.node, 1), '3');
	fixture_unmount_check();
}

TEST(a_store_after_the_last_sync_is_kept_when_it_is_unmapped)
{
	fno_t m;
	struct pair p;
	u8 *data;

	begin(&p);
	data = map(&p.a, p.node, 0, true, &m);
	CHECK_OK(fs_sync(&p.b));
	data[0] = '2';
	unmap(&p.a, &p, m);
	fixture_leave(&p.a);
	fixture_leave(&p.b);
	CHECK_EQ(byte_at(fixture_remount(), p.node, 0), '2');
	fixture_unmount_check();
}

TEST(behind_the_end_is_no_page)
{
	fno_t m;
	struct pair p;

	begin(&p);
	CHECK_EQ(fs_map(&p.a, p.node, PAGES, false, &m), -6 /* ENXIO */);
	CHECK_EQ(fs_map(&p.a, p.node, PAGES, true, &m), -6);
	end(&p);
}

/* ---- what takes pages away waits for those who have them mapped */
struct changer {
	pthread_t thread;
	struct pair *p;
	void (*change)(struct pair *p);
	u32 done;
};

static void *changer_main(void *arg)
{
	struct changer *c = arg;

	c->change(c->p);
	atomic_store_release(&c->done, 1);
	return NULL;
}

static void change_begin(struct changer *c, struct pair *p, void (*change)(struct pair *))
{
	c->p = p;
	c->change = change;
	c->done = 0;
	CHECK_EQ(pthread_create(&c->thread, NULL, changer_main, c), 0);
}

static void await_asked(struct pair *p, struct changer *c, ref_t inode)
{
	while (!fs_unmap_asked(&p->a, inode)) {
		CHECK(!atomic_load_acquire(&c->done));
		usleep(100);
	}
	usleep(20000);
	CHECK(!atomic_load_acquire(&c->done));
}

static void truncate_file(struct pair *p)
{
	struct fs_setattr set = {.valid = FS_SET_SIZE, .size = 4096};
	struct fs_attr attr;

	CHECK_OK(fs_setattr(&p->b, p->node, &set, &attr));
}

static void punch_file(struct pair *p)
{
	CHECK_OK(fs_fallocate(&p->b, p->node, FS_FALLOC_PUNCH_HOLE | FS_FALLOC_KEEP_SIZE, 8192,
			      4096));
}

static void fill_file(struct pair *p)
{
	CHECK_EQ(util_write(&p->b, p->node, 8192, "f", 1), 1);
}

TEST(truncation_waits_until_all_have_unmapped)
{
	fno_t m;
	struct changer c;
	struct pair p;

	begin(&p);
	map(&p.a, p.node, 2, true, &m)[0] = 's';
	change_begin(&c, &p, truncate_file);
	await_asked(&p, &c, p.word);
	unmap(&p.a, &p, m);
	pthread_join(c.thread, NULL);
	CHECK_EQ(fs_map(&p.a, p.node, 2, false, &m), -6);
	end(&p);
}

TEST(a_hole_is_punched_when_all_have_unmapped)
{
	fno_t m;
	struct changer c;
	struct pair p;

	begin(&p);
	map(&p.a, p.node, 2, true, &m)[0] = 's';
	change_begin(&c, &p, punch_file);
	await_asked(&p, &c, p.word);
	unmap(&p.a, &p, m);
	pthread_join(c.thread, NULL);
	CHECK_EQ(map(&p.a, p.node, 2, false, &m)[0], 0);
	unmap(&p.a, &p, m);
	end(&p);
}

TEST(zeros_that_are_mapped_go_before_a_page_comes)
{
	fno_t m;
	struct changer c;
	struct pair p;

	begin(&p);
	punch_file(&p);
	CHECK_EQ(map(&p.a, p.node, 2, false, &m)[0], 0);
	CHECK_EQ(m, p.a.pool->hdr->zero_frame);
	change_begin(&c, &p, fill_file);
	await_asked(&p, &c, p.word);
	unmap(&p.a, &p, m);
	pthread_join(c.thread, NULL);
	CHECK_EQ(map(&p.a, p.node, 2, false, &m)[0], 'f');
	unmap(&p.a, &p, m);
	end(&p);
}

TEST(a_page_that_is_stored_into_comes_into_a_hole)
{
	fno_t m, n;
	struct pair p;

	begin(&p);
	punch_file(&p);
	map(&p.a, p.node, 2, true, &m)[9] = 'h';
	CHECK(m != p.a.pool->hdr->zero_frame);
	CHECK_EQ(byte_at(&p.b, p.node, 8192 + 9), 'h');
	CHECK_EQ(byte_at(&p.b, p.node, 8192 + 8), 0);
	/* nobody has zeros of it mapped: the next one is not asked for */
	map(&p.b, p.node, 3, true, &n);
	CHECK(!fs_unmap_asked(&p.a, p.word));
	unmap(&p.b, &p, n);
	unmap(&p.a, &p, m);
	end(&p);
}

TEST(who_waits_for_a_dead_host_goes_on)
{
	fno_t m;
	struct changer c;
	struct pair p;

	begin(&p);
	map(&p.a, p.node, 2, true, &m)[0] = 's';
	CHECK_OK(fs_sync(&p.b));
	change_begin(&c, &p, truncate_file);
	await_asked(&p, &c, p.word);
	fs_unmap_hosts(fixture_exec(), 1u << p.a.host);
	pthread_join(c.thread, NULL);
	frame_unpin(&p.a, frame_of(&p.a, m));
	end(&p);
}

TEST(stores_of_a_dead_host_are_kept)
{
	fno_t m;
	struct pair p;
	u8 *data;

	begin(&p);
	data = map(&p.a, p.node, 0, true, &m);
	CHECK_OK(fs_sync(&p.b));
	data[0] = 'd';
	fs_unmap_hosts(fixture_exec(), 1u << p.a.host);
	frame_unpin(&p.a, frame_of(&p.a, m));
	fixture_leave(&p.a);
	fixture_leave(&p.b);
	CHECK_EQ(byte_at(fixture_remount(), p.node, 0), 'd');
	fixture_unmount_check();
}

/* ---- behind the end of the file */
static void store_behind_end(struct pair *p, fno_t *m)
{
	struct fs_setattr set = {.valid = FS_SET_SIZE, .size = 100};
	struct fs_attr attr;

	CHECK_OK(fs_setattr(&p->b, p->node, &set, &attr));
	map(&p->a, p->node, 0, true, m)[200] = 't';
}

TEST(what_was_stored_behind_the_end_is_zero_when_the_file_grows)
{
	struct fs_setattr set = {.valid = FS_SET_SIZE, .size = 10000};
	struct fs_attr attr;
	fno_t m;
	struct pair p;
	char name[] = "0";
	int round;

	begin(&p);
	for (round = 0; round < 4; round++, name[0]++) {
		p.node = util_create(&p.a, name);
		p.word = util_attr(&p.a, p.node).word;
		store_behind_end(&p, &m);
		if (round & 1) /* it is still there when nobody has it mapped */
			unmap(&p.a, &p, m);
		if (round & 2)
			CHECK_EQ(util_write(&p.b, p.node, 9999, "w", 1), 1);
		else
			CHECK_OK(fs_setattr(&p.b, p.node, &set, &attr));
		CHECK_EQ(byte_at(&p.b, p.node, 200), 0);
		if (!(round & 1))
			unmap(&p.a, &p, m);
	}
	end(&p);
}

/* ---- words */
static bool same(const struct exec *x, ref_t word, u32 was)
{
	return word && atomic_load_acquire(exec_ptr(x, word)) == was;
}

TEST(the_word_of_a_name_changes_with_its_meaning)
{
	struct fs_name name = util_name("name"), other = util_name("other");
	struct fs_attr attr;
	struct pair p;
	ref_t word;
	u32 was;

	begin(&p);
	CHECK_EQ(fs_lookup(&p.a, FS_ROOT, name, &attr), -2 /* ENOENT */);
	word = p.a.name_word;
	was = p.a.name_changes;
	CHECK(same(&p.a, word, was));
	CHECK_EQ(byte_at(&p.b, p.node, 0), 'o');
	CHECK_EQ(fs_lookup(&p.b, FS_ROOT, name, &attr), -2);
	CHECK(same(&p.a, word, was));

	CHECK_OK(fs_link(&p.b, p.node, FS_ROOT, name, &attr));
	CHECK(!same(&p.a, word, was));
	CHECK(same(&p.b, p.b.name_word, p.b.name_changes));
	CHECK_OK(fs_lookup(&p.a, FS_ROOT, name, &attr));
	CHECK(p.a.name_word == p.b.name_word && p.a.name_changes == p.b.name_changes);
	was = p.a.name_changes;

	CHECK_OK(fs_rename(&p.b, FS_ROOT, name, FS_ROOT, other, 0));
	CHECK(!same(&p.a, word, was));
	CHECK_OK(fs_lookup(&p.a, FS_ROOT, other, &attr));
	word = p.a.name_word;
	was = p.a.name_changes;
	CHECK_OK(fs_unlink(&p.b, FS_ROOT, other));
	CHECK(!same(&p.a, word, was));
	CHECK(same(&p.b, p.b.name_word, p.b.name_changes));
	end(&p);
}

TEST(the_word_of_an_inode_changes_with_its_attributes)
{
	struct fs_setattr mode = {.valid = FS_SET_MODE, .mode = 0600};
	struct fs_attr now, attr;
	struct pair p;

	begin(&p);
	now = util_attr(&p.a, p.node);
	CHECK(same(&p.a, now.word, now.changes));
	CHECK_EQ(byte_at(&p.b, p.node, 0), 'o');
	now = util_attr(&p.a, p.node); /* the first read was an access */
	CHECK_EQ(byte_at(&p.b, p.node, 0), 'o');
	CHECK(same(&p.a, now.word, now.changes));

	CHECK_OK(fs_setattr(&p.b, p.node, &mode, &attr));
	CHECK(!same(&p.a, now.word, now.changes));
	CHECK(same(&p.a, attr.word, attr.changes));
	CHECK_EQ(util_write(&p.a, p.node, PAGES * 4096, "x", 1), 1);
	CHECK(!same(&p.a, attr.word, attr.changes));
	now = util_attr(&p.a, p.node);
	CHECK_OK(fs_unlink(&p.b, FS_ROOT, util_name("file")));
	CHECK(!same(&p.a, now.word, now.changes));
	end(&p);
}
