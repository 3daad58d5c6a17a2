/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Deaths in what only several hosts do to each other: handles of a host's session, forgetting,
 * waits for locks, commits that wait for those who have joined. At every step.
 */
#include <setjmp.h>

#include "fs/inode.h"
#include "fs/super.h"
#include "journal/journal.h"
#include "pool/cache.h"
#include "pool/tx.h"
#include "port/session.h"
#include "tests/fs/cut.h"
#include "tests/fs/pool_check.h"

static jmp_buf dead;
static struct exec y, z; /* they die */

static void die(void *arg)
{
	(void)arg;
	longjmp(dead, 1);
}

static struct exec *begin(void)
{
	struct exec *x;

	fixture_pool_size(4);
	fixture_make(32, NULL, NULL);
	x = fixture_mount();
	plat_posix_on_cut(fixture_plat(), die, NULL);
	return x;
}

/* ---- a session */
/* In the pool, as those of hosts are. */
static struct session *session_make(struct exec *x)
{
	struct frame *f;

	CHECK_OK(frame_alloc(x, &f));
	f->owner = 0;
	frame_give(x, f);
	session_init(frame_data(x, f), 5);
	return frame_data(x, f);
}

static u32 frames_in_use(const struct exec *x)
{
	u32 n = 0;

	for (fno_t fno = 1; fno < x->pool->hdr->nframes; fno++)
		n += frame_of(x, fno)->kind == FRAME_ANON;
	return n;
}

static void open_and_close(struct exec *x, struct session *s, node_t node)
{
	struct fs_attr attr;
	u64 fh[3];

	for (u32 i = 0; i < 3; i++) {
		CHECK_OK(session_reserve(x, s, &fh[i]));
		session_note(x, s, fh[i]);
		CHECK_OK(fs_open(x, node, false, &attr));
		session_bind(x, s, fh[i], node);
	}
	CHECK(session_take(x, s, fh[1], node));
	session_note(x, s, fh[1]);
	CHECK_OK(fs_release(x, node));
	session_give(x, s, fh[1]);
	CHECK_OK(session_reserve(x, s, &fh[1]));
	session_give(x, s, fh[1]);
}

/* As hosts_recover() does for a host of this one executor; false when cut off by its own death. */
static bool recover_host(struct exec *as, u32 step, struct session *s)
{
	fixture_join(as);
	as->cut = step;
	if (setjmp(dead))
		return false;
	session_recover(s);
	CHECK(execs_recover_set(as, y.bit) <= 1);
	session_drop(as, s);
	as->cut = 0;
	fixture_leave(as);
	return true;
}

static bool session_step(struct exec *x, struct session *s, node_t node, u32 step, u32 again)
{
	static bool cut, through; /* outlive the jump */

	cut = true;
	through = true;

	fixture_join(&y);
	y.cut = step;
	if (!setjmp(dead)) {
		open_and_close(&y, s, node);
		session_drop(&y, s);
		y.cut = 0;
		fixture_leave(&y);
		cut = false;
	}
	if (cut && again)
		through = recover_host(&z, again, s);
	if (!through) /* both are dead: the executor that recovered, and what it had not come to */
		CHECK_OK(exec_recover(x, z.id));
	if (cut)
		CHECK(recover_host(&z, 0, s));
	CHECK_EQ(s->nused | s->nframes | s->frames[0] | s->lock, 0);
	CHECK_EQ(stat_of(x, node).nlink, 1);
	return cut;
}

TEST_TIMED(death_with_handles, 120)
{
	u32 random = test_seed(), frames, steps = 0;
	struct session *s;
	struct exec *x = begin();
	node_t node = mk(x, FS_ROOT, "f");

	s = session_make(x);
	CHECK_OK(fs_sync(x));
	frames = frames_in_use(x);
	for (u32 round = 0; round < 3; round++)
		for (u32 step = 1;; step++) {
			if (!session_step(x, s, node, step, round * (1 + rnd(&random) % 120)))
				break;
			CHECK_OK(fs_sync(x));
			pool_check(x);
			CHECK_EQ(frames_in_use(x), frames);
			steps++;
		}
	CHECK(steps > 300);
	CHECK_OK(fs_unlink(x, FS_ROOT, nm("f")));
	frame_drop(x, frame_of(x, (fno_t)((u32)exec_ref(x, s) >> BLOCK_SHIFT)));
	fixture_unmount_check();
}

/* ---- a directory that is removed and kept for who has seen it */
static void seen_and_removed(struct exec *x, struct cut_stage *s)
{
	s->full = mkd(x, s->dir, "kept");
	x->seen = 2;
	CHECK_EQ(look(x, s->dir, "kept"), s->full);
	CHECK_OK(fs_rmdir(x, s->dir, nm("kept")));
	x->seen = 0;
}

static int op_forget(struct exec *x, struct cut_stage *s)
{
	x->seen = 2;
	fs_forget(x, s->full);
	x->seen = 0;
	return 0;
}

static void seen(struct exec *x, struct cut_stage *s)
{
	s->full = mkd(x, s->dir, "kept");
	x->seen = 2;
	CHECK_EQ(look(x, s->dir, "kept"), s->full);
	x->seen = 0;
}

static int op_rmdir(struct exec *x, struct cut_stage *s)
{
	return fs_rmdir(x, s->dir, nm("kept"));
}

static void forget_all(struct exec *x)
{
	fs_forget_all(x, 2);
}

CUT(forgetting_a_removed_directory, seen_and_removed, op_forget, CUT_CHANGES, .ends = forget_all)
CUT(removing_a_directory_that_is_kept, seen, op_rmdir, CUT_CHANGES, .ends = forget_all)

/* ---- waiting for a lock */
static int take(struct exec *x, u32 *word, bool write)
{
	return write ? lock_write(x, word, RANK_RENAME) : lock_read(x, word, RANK_RENAME);
}

/* False: it did not come to waiting any more: the step lies behind that. */
static bool dies_waiting(struct exec *x, bool held_for_writing, bool wants_to_write, u32 step)
{
	u32 *word = &fs_of(x)->rename_lock;
	static bool waited;

	waited = false;
	tx_begin(x);
	CHECK_OK(take(x, word, held_for_writing));
	fixture_join(&y);
	tx_begin(&y);
	y.cut = step;
	if (!setjmp(dead)) {
		CHECK_OK(take(&y, word, wants_to_write));
		test_fail(__FILE__, __LINE__, "a lock is had by two");
	}
	waited = *word & LOCK_WAITERS;
	CHECK_OK(exec_recover(x, y.id));
	CHECK(lock_held(x, word));
	tx_commit(x);
	CHECK_EQ(*word, 0);
	for (u32 write = 0; write < 2; write++) { /* it can be had at once */
		tx_begin(x);
		CHECK_OK(take(x, word, write));
		tx_commit(x);
	}
	pool_check(x);
	return !waited;
}

TEST(death_in_waiting_for_a_lock)
{
	struct exec *x = begin();

	for (u32 how = 1; how < 4; how++) { /* not: reading what is read */
		u32 step = 1;

		while (dies_waiting(x, how & 1, how >> 1, step))
			step++;
		CHECK(!dies_waiting(x, how & 1, how >> 1, step + 1)); /* after its first sleep */
		CHECK(step >= 2);
	}
	fixture_unmount_check();
}

/* ---- sealing: who dies before he has it is not taken for who has it */
TEST(death_before_sealing_what_another_one_seals)
{
	struct exec *x = begin();
	struct frame *f = frame_of(x, fs_of(x)->super_frame);

	CHECK(buf_seal_begin(x, f));
	fixture_join(&y);
	y.cut = 1;
	if (!setjmp(dead)) {
		(void)buf_seal_begin(&y, f);
		test_fail(__FILE__, __LINE__, "no step in sealing");
	}
	CHECK_EQ(y.slot->sealing, frame_no(x, f));
	CHECK_OK(exec_recover(x, y.id));
	CHECK_EQ(f->editors, FRAME_SEALING | x->bit);
	buf_seal_end(x, f);
	CHECK_EQ(f->editors, 0);
	fixture_unmount_check();
}

/* ---- a commit that waits for one who has joined */
/* False: it has died waiting, as it does at all later steps. */
static bool dies_committing(struct exec *x, struct exec *member, u32 step)
{
	struct journal *j = journal_of(x);
	struct fs_attr attr = stat_of(x, FS_ROOT);
	struct inode *inode;
	struct ext4_inode *raw;
	bool waiting;
	u32 tid;

	CHECK_OK(inode_get_node(member, FS_ROOT, &inode));
	tx_begin_change(member);
	tid = member->slot->tid;
	CHECK_OK(inode_lock_write(member, inode));
	CHECK_OK(inode_edit(member, inode, &raw));
	raw->i_uid = (u16)step;
	fixture_join(&y);
	y.cut = step;
	if (!setjmp(dead)) {
		(void)!fs_sync(&y);
		test_fail(__FILE__, __LINE__, "a commit without one that has joined");
	}
	CHECK(!tid_reached(j->committed, tid));
	waiting = j->state == JOURNAL_LOCKED && y.slot->nheld;
	CHECK_OK(exec_recover(x, y.id));
	/* its operation stands, and can be committed */
	CHECK_OK(tx_end(member, 0));
	inode_put(member, inode);
	CHECK_OK(fs_sync(x));
	CHECK(tid_reached(j->committed, tid));
	CHECK_EQ(stat_of(x, FS_ROOT).uid, step);
	CHECK_EQ(stat_of(x, FS_ROOT).nlink, attr.nlink);
	pool_check(x);
	return !waiting;
}

TEST(death_of_a_committer_that_waits_for_members)
{
	struct exec *x = begin();
	struct exec member;
	u32 step = 1;

	fixture_join(&member);
	while (dies_committing(x, &member, step))
		step++;
	for (u32 more = 1; more < 8; more++)
		CHECK(!dies_committing(x, &member, step + more));
	CHECK(step > 3);
	fixture_leave(&member);
	fixture_unmount_check();
}
