/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SIGKILL under load: processes share one pool, each runs the filesystem itself and keeps a ledger,
 * outside of the pool, of what it is about to do and of what is done. They are killed at any
 * moment, also two at a time, and while they join; their successors find all that the ledger says,
 * and of the last operation the one state or the other. The survivors go on. The last one out
 * leaves a clean image.
 *
 * MPDISK_KILLS: how many deaths (default 100). The seed fixes who does what, not when it dies.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

#include "host-driver/lib/mpdisk.h"
#include "journal/journal.h"
#include "tests/fs/file_util.h"
#include "tests/fs/names_util.h"

#define WORKERS 4u
#define SLOTS 24u
#define SIZE_MAX_ 150000u
#define DEATHS 64u
#define RECOVER_US 1000000u    /* after its death a host is recovered */
#define RECOVER_RUN_US 100000u /* ... in so much of a processor's time */
#define STALL_MS 1000u         /* a survivor has done something after a death */
#define STUCK_MS 15000u        /* it never will */
#define CANNOT_SAY_MS 600000u  /* it has not, though others may be to blame */

enum op { OP_CREATE, OP_MKDIR, OP_SYMLINK, OP_REMOVE, OP_RENAME, OP_APPEND, OP_TRUNCATE, OPS };
enum phase { INTENT = 1, DONE, NOT_DONE };

struct record {
	u32 phase, op, slot, arg;
};

enum kind { NOTHING, A_FILE, A_DIR, A_LINK };

struct thing {
	enum kind kind;
	u32 seed; /* of a file's bytes */
	u32 size;
};

struct worker {
	u32 index;
	int ledger;
	u32 random;
	struct exec x;
	node_t dirs[2];
	struct thing things[SLOTS];
};

/* How long a thread has run, and has waited for a processor, in us. */
struct used {
	u64 ran, waited;
};

struct death { /* times in us */
	u32 pid;
	u32 joined;
	u64 died; /* or the last one of those that may have been recovering it */
	/* of the one that has recovered it; 0: it died before it was a host, or its recoverer died
	 * just when it was through */
	u64 noticed, recovered;
	u64 waited; /* for a processor since it had nothing to do */
	u64 ran;    /* recovering */
};

/* Seen by the parent and by all workers. */
static struct shared {
	u32 stop;
	u32 joined[WORKERS];
	u32 done[WORKERS]; /* operations */
	u32 ndeaths;
	struct death death[DEATHS]; /* the latest */
} * shared;

static char pool_file[300], ledger_file[WORKERS][320];
static u8 bytes[SIZE_MAX_ + 70000], got[SIZE_MAX_ + 70000];

/* ---- names and content */
static node_t dir_of(const struct worker *w, u32 slot)
{
	return w->dirs[slot & 1]; /* one of its own, and one for all */
}

static struct fs_name name_of(const struct worker *w, u32 slot, char *buf)
{
	sprintf(buf, "w%u-%u", w->index, slot);
	return nm(buf);
}

static void pattern(u32 seed, u32 from, u32 len)
{
	for (u32 i = 0; i < len; i++)
		bytes[i] = util_byte(seed, from + i);
}

/* Whether the slot is just like that. */
static bool is_thing(struct worker *w, u32 slot, const struct thing *t)
{
	static const u32 modes[] = {0, 0x8000, 0x4000, 0xA000};
	struct fs_attr attr;
	char buf[40];
	int err = fs_lookup(&w->x, dir_of(w, slot), name_of(w, slot, buf), &attr);

	if (err == -MP_ENOENT)
		return t->kind == NOTHING;
	CHECK_OK(err);
	if (t->kind == NOTHING || (attr.mode & 0xF000) != modes[t->kind])
		return false;
	if (t->kind != A_FILE)
		return true;
	if (attr.size != t->size)
		return false;
	CHECK_EQ(util_read(&w->x, attr.node, 0, got, sizeof(got)), t->size);
	pattern(t->seed, 0, t->size);
	for (u32 i = 0; i < t->size; i++)
		if (got[i] != bytes[i])
			test_fail(__FILE__, __LINE__,
				  "worker %u, slot %u, size %u: byte %u differs", w->index, slot,
				  t->size, i);
	return true;
}

/* ---- the ledger */
static void ledger_put(struct worker *w, u32 phase, const struct record *r)
{
	struct record out = *r;

	out.phase = phase;
	CHECK_EQ(write(w->ledger, &out, sizeof(out)), sizeof(out));
}

static void apply(struct thing *things, const struct record *r)
{
	struct thing *t = &things[r->slot];

	switch ((enum op)r->op) {
	case OP_CREATE:
		*t = (struct thing){A_FILE, r->arg, 0};
		break;
	case OP_MKDIR:
		*t = (struct thing){A_DIR, 0, 0};
		break;
	case OP_SYMLINK:
		*t = (struct thing){A_LINK, 0, 0};
		break;
	case OP_REMOVE:
		t->kind = NOTHING;
		break;
	case OP_RENAME:
		things[r->arg] = *t;
		t->kind = NOTHING;
		break;
	case OP_APPEND:
		t->size += r->arg;
		break;
	case OP_TRUNCATE:
		t->size = r->arg;
		break;
	case OPS:
		break;
	}
}

static bool all_are(struct worker *w, const struct thing *things)
{
	for (u32 i = 0; i < SLOTS; i++)
		if (!is_thing(w, i, &things[i]))
			return false;
	return true;
}

/* A ledger begins with the things as they were when it was begun. */
static void ledger_begin(struct worker *w)
{
	char next[340];
	int fd;

	snprintf(next, sizeof(next), "%s.next", ledger_file[w->index]);
	fd = open(next, O_RDWR | O_APPEND | O_CREAT | O_TRUNC, 0600);
	CHECK(fd >= 0);
	CHECK_EQ(write(fd, w->things, sizeof(w->things)), sizeof(w->things));
	CHECK_EQ(rename(next, ledger_file[w->index]), 0);
	close(w->ledger);
	w->ledger = fd;
}

/* What the predecessor has completed is there; of what it was at, one state or the other. */
static void ledger_read(struct worker *w)
{
	struct thing after[SLOTS];
	struct record r[256], last = {0};
	ssize_t n;

	memset(w->things, 0, sizeof(w->things));
	CHECK_EQ(lseek(w->ledger, 0, SEEK_SET), 0);
	n = read(w->ledger, w->things, sizeof(w->things));
	CHECK(!n || n == sizeof(w->things));
	while ((n = read(w->ledger, r, sizeof(r))) > 0) {
		for (u32 i = 0; i < (u32)n / sizeof(r[0]); i++) {
			if (r[i].phase == DONE)
				apply(w->things, &r[i]);
			last = r[i];
		}
	}
	if (last.phase != INTENT) {
		if (!all_are(w, w->things))
			test_fail(__FILE__, __LINE__, "worker %u: something completed is lost",
				  w->index);
		return;
	}
	memcpy(after, w->things, sizeof(after));
	apply(after, &last);
	if (all_are(w, w->things)) {
		ledger_put(w, NOT_DONE, &last);
		return;
	}
	if (!all_are(w, after))
		test_fail(__FILE__, __LINE__, "worker %u: operation %u on slot %u is half done",
			  w->index, last.op, last.slot);
	memcpy(w->things, after, sizeof(after));
	ledger_put(w, DONE, &last);
}

/* ---- a worker */
static bool choose(struct worker *w, struct record *r)
{
	const struct thing *t;

	r->slot = rnd(&w->random) % SLOTS;
	t = &w->things[r->slot];
	if (t->kind == NOTHING) {
		static const u32 makes[] = {OP_CREATE, OP_CREATE, OP_MKDIR, OP_SYMLINK};

		r->op = makes[rnd(&w->random) % 4];
		r->arg = rnd(&w->random);
		return true;
	}
	r->op = OP_REMOVE + rnd(&w->random) % (OPS - OP_REMOVE);
	switch (r->op) {
	case OP_REMOVE:
		return true;
	case OP_RENAME:
		r->arg = rnd(&w->random) % SLOTS;
		return w->things[r->arg].kind == NOTHING;
	case OP_APPEND:
		r->arg = 1 + rnd(&w->random) % 60000;
		return t->kind == A_FILE && t->size + r->arg < SIZE_MAX_;
	default:
		r->arg = t->size ? rnd(&w->random) % t->size : 0;
		return t->kind == A_FILE;
	}
}

static int perform(struct worker *w, const struct record *r)
{
	struct thing *t = &w->things[r->slot];
	node_t dir = dir_of(w, r->slot), node;
	struct fs_attr attr;
	char a[40], b[40];
	struct fs_name name = name_of(w, r->slot, a);
	u64 pos = 0;

	switch ((enum op)r->op) {
	case OP_CREATE:
		return fs_mknod(&w->x, dir, name, REG | 0644, 0, false, &attr);
	case OP_MKDIR:
		return fs_mkdir(&w->x, dir, name, 0755, &attr);
	case OP_SYMLINK:
		return fs_symlink(&w->x, dir, name, nm("target"), &attr);
	case OP_REMOVE:
		return t->kind == A_DIR ? fs_rmdir(&w->x, dir, name) : fs_unlink(&w->x, dir, name);
	case OP_RENAME:
		return fs_rename(&w->x, dir, name, dir_of(w, r->arg), name_of(w, r->arg, b), 0);
	case OP_APPEND:
		node = look(&w->x, dir, a);
		pattern(t->seed, t->size, r->arg);
		return util_write_once(&w->x, node, &pos, FS_WRITE_APPEND, bytes, r->arg,
				       t->size % 4096) == (int)r->arg
			       ? 0
			       : -MP_EIO;
	case OP_TRUNCATE:
		return util_truncate(&w->x, look(&w->x, dir, a), r->arg);
	case OPS:
		break;
	}
	return -MP_EINVAL;
}

static node_t make_dir(struct exec *x, const char *name)
{
	struct fs_attr attr;
	int err = fs_mkdir(x, FS_ROOT, nm(name), 0755, &attr);

	CHECK(!err || err == -MP_EEXIST);
	return look(x, FS_ROOT, name);
}

static void worker_open(struct worker *w, u32 index)
{
	char own[20];

	w->index = index;
	sprintf(own, "own%u", index);
	w->dirs[0] = make_dir(&w->x, own);
	w->dirs[1] = make_dir(&w->x, "common");
	w->ledger = open(ledger_file[index], O_RDWR | O_APPEND | O_CREAT, 0600);
	CHECK(w->ledger >= 0);
	ledger_read(w);
	ledger_begin(w); /* so that it does not get long */
}

static u64 now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (u64)ts.tv_sec * 1000000 + (u64)ts.tv_nsec / 1000;
}

static struct used used_by_me(void)
{
	unsigned long long ran = 0, waited = 0;
	FILE *f = fopen("/proc/thread-self/schedstat", "r");

	if (!f || fscanf(f, "%llu %llu", &ran, &waited) != 2)
		ran = waited = 0; /* then nobody else is to blame */
	if (f)
		fclose(f);
	return (struct used){ran / 1000, waited / 1000};
}

static struct death *death_of(u32 pid)
{
	for (u32 i = 0; i < DEATHS; i++)
		if (shared->death[i].pid == pid)
			return &shared->death[i];
	return NULL;
}

/* Called by the thread that recovers, when it begins and when it has done so. */
static void listen(void *arg, enum plat_level level, const char *line)
{
	static __thread struct used before, began;
	u32 host, pid;
	int end = 0;
	struct death *d;

	(void)arg, (void)level;
	fprintf(stderr, "mpdisk: %s\n", line);
	if (sscanf(line, "host %u (process %u) %n", &host, &pid, &end) < 2 || !end)
		return;
	d = death_of(pid);
	if (!d)
		test_fail(__FILE__, __LINE__, "nobody has killed process %u", pid);
	if (!strcmp(line + end, "has died")) {
		d->noticed = now_us();
		began = used_by_me();
	} else if (!strcmp(line + end, "is recovered")) {
		struct used now = used_by_me();

		d->waited = now.waited - before.waited;
		d->ran = now.ran - began.ran;
		d->recovered = now_us();
		before = now;
	}
}

static void worker_main(u32 index, u32 seed)
{
	struct mpdisk_options options = {.pool = pool_file,
					 .image = fixture_image(),
					 .name = "kill",
					 .pool_mib = 16,
					 .logger = listen};
	static struct worker w;
	struct mpdisk *disk;
	struct record r;

	w.random = seed;
	CHECK_OK(mpdisk_open(&options, &disk));
	CHECK_OK(mpdisk_executor(disk, &w.x));
	__atomic_store_n(&shared->joined[index], 1, __ATOMIC_RELEASE);
	worker_open(&w, index);
	while (!__atomic_load_n(&shared->stop, __ATOMIC_ACQUIRE)) {
		if (!choose(&w, &r))
			continue;
		ledger_put(&w, INTENT, &r);
		CHECK_OK(perform(&w, &r));
		ledger_put(&w, DONE, &r);
		apply(w.things, &r);
		__atomic_fetch_add(&shared->done[index], 1, __ATOMIC_RELEASE);
		if (rnd(&w.random) % 64 == 0)
			CHECK_OK(fs_sync(&w.x));
	}
	ledger_read(&w);
	exec_leave(&w.x);
	CHECK_OK(mpdisk_close(disk));
}

/* ---- the parent */
static pid_t pids[WORKERS];
static u32 random_state, kills, slow;
static struct pool outside; /* as seen by the parent, which is no host */

static void start(u32 index)
{
	u32 seed = rnd(&random_state);

	__atomic_store_n(&shared->joined[index], 0, __ATOMIC_RELEASE);
	fflush(NULL);
	pids[index] = fork();
	CHECK(pids[index] >= 0);
	if (!pids[index]) {
		worker_main(index, seed);
		_exit(0);
	}
}

static bool is_joined(u32 index)
{
	return __atomic_load_n(&shared->joined[index], __ATOMIC_ACQUIRE);
}

/* None of them may end by itself. */
static void check_alive(void)
{
	for (u32 i = 0; i < WORKERS; i++) {
		int status;

		if (pids[i] && waitpid(pids[i], &status, WNOHANG) == pids[i])
			test_fail(__FILE__, __LINE__, "worker %u has ended: status %x", i, status);
	}
}

/* ---- how quickly a death is recovered: all but what others have taken from who does it */
static u32 recovered, latest_us, longest_us;

static void judge(const struct death *d)
{
	u64 us;

	if (!d->pid || !d->recovered) {
		if (d->pid && d->joined && !d->noticed)
			test_fail(__FILE__, __LINE__, "a death is not noticed");
		return;
	}
	us = d->recovered - min_of(d->recovered, d->died);
	us -= min_of(us, d->waited);
	if (us > RECOVER_US)
		test_fail(__FILE__, __LINE__,
			  "recovered %llu us after the death (noticed %lld), of which it had to "
			  "wait %llu us for a processor",
			  (unsigned long long)(d->recovered - d->died),
			  (long long)(d->noticed - d->died), (unsigned long long)d->waited);
	if (d->ran > RECOVER_RUN_US)
		test_fail(__FILE__, __LINE__, "recovering takes %llu us of a processor",
			  (unsigned long long)d->ran);
	recovered++;
	latest_us = max_of(latest_us, (u32)us);
	longest_us = max_of(longest_us, (u32)d->ran);
}

/* What holds up the others. */
static void tell_pool(void)
{
	const struct exec_slot *slot = pool_ptr(&outside, outside.hdr->slots);
	const struct journal *j = pool_ptr(&outside, outside.hdr->journal);

	fprintf(stderr, "gate %u role %08x journal: state %u running %u committing %u error %u\n",
		outside.hdr->gate, outside.hdr->writeback_lock, j->state, j->running, j->committing,
		j->error);
	for (u32 id = 1; id <= POOL_EXECUTORS; id++, slot++) {
		if (!slot->state)
			continue;
		fprintf(stderr, "executor %u: state %08x phase %u head %u tid %u intent %08x holds",
			id, slot->state, slot->phase, slot->head, slot->tid, slot->intent);
		for (u32 i = 0; i < min_of(slot->nheld, POOL_HELD); i++)
			fprintf(stderr, " %08x", slot->held[i]);
		fprintf(stderr, "\n");
	}
	for (fno_t fno = 1; fno < outside.hdr->nframes; fno++) {
		const struct frame *f = &outside.frames[fno];

		if (f->editors ? f->kind == FRAME_BUF || f->kind == FRAME_PAGE
			       : f->flags & (FRAME_READING | FRAME_WRITING | FRAME_WAITERS))
			fprintf(stderr, "frame %u: kind %u flags %08x pins %08x editors %08x\n",
				fno, f->kind, f->flags, f->pins, f->editors);
	}
	for (u32 host = 1; host <= POOL_HOSTS; host++)
		if (pool_host(&outside, host)->state)
			fprintf(stderr, "host %u: process %u\n", host,
				pool_host(&outside, host)->pid);
}

static void look_in(void)
{
	int fd = open(pool_file, O_RDWR);
	off_t size = lseek(fd, 0, SEEK_END);
	void *base = mmap(NULL, (size_t)size, PROT_READ, MAP_SHARED, fd, 0);

	CHECK(fd >= 0 && size > 0 && base != MAP_FAILED);
	CHECK_OK(pool_attach(&outside, base, (u32)size));
	close(fd);
}

static void kill_one(u32 index)
{
	int status;

	struct death *d = &shared->death[shared->ndeaths++ % DEATHS];

	judge(d);
	memset(d, 0, sizeof(*d));
	d->pid = (u32)pids[index];
	d->joined = is_joined(index);
	CHECK_EQ(kill(pids[index], SIGKILL), 0);
	CHECK_EQ(waitpid(pids[index], &status, 0), pids[index]);
	/* Only now: others may hold a processor that the dying one needs too. */
	for (u32 i = 0; i < DEATHS; i++)
		if (shared->death[i].pid && !shared->death[i].recovered)
			shared->death[i].died = now_us();
	d->died = now_us();
	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
		test_fail(__FILE__, __LINE__, "worker %u had ended: status %x", index, status);
	pids[index] = 0;
	kills++;
}

static u64 now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (u64)ts.tv_sec * 1000 + (u64)ts.tv_nsec / 1000000;
}

/* How long all threads of the process have waited for a processor. */
static u64 starved_ms(pid_t pid)
{
	char path[300];
	struct dirent *e;
	u64 sum = 0;
	DIR *tasks;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	tasks = pid ? opendir(path) : NULL;
	while (tasks && (e = readdir(tasks))) {
		unsigned long long waited;
		FILE *f;

		snprintf(path, sizeof(path), "/proc/%d/task/%.20s/schedstat", (int)pid, e->d_name);
		f = fopen(path, "r");
		if (f && fscanf(f, "%*u %llu", &waited) == 1)
			sum += waited / 1000000;
		if (f)
			fclose(f);
	}
	if (tasks)
		closedir(tasks);
	return sum;
}

struct watch {
	u64 since, starved[WORKERS];
};

static struct watch watch_begin(void)
{
	struct watch w = {.since = now_ms()};

	for (u32 i = 0; i < WORKERS; i++)
		w.starved[i] = starved_ms(pids[i]);
	return w;
}

/* Since then, without what others have taken from the worker that has waited most: the rest may
 * wait for that one. */
static u64 watch_ms(const struct watch *w)
{
	u64 wall = now_ms() - w->since, most = 0;

	if (wall <= STALL_MS || wall > CANNOT_SAY_MS)
		return wall;
	for (u32 i = 0; i < WORKERS; i++) {
		u64 starved = starved_ms(pids[i]);

		most = max_of(most, starved - min_of(starved, w->starved[i]));
	}
	return wall - min_of(wall, most);
}

/* All that have joined do something from now on. */
static void wait_progress(void)
{
	u32 seen[WORKERS];
	struct watch w = watch_begin();
	bool all;

	for (u32 i = 0; i < WORKERS; i++)
		seen[i] = __atomic_load_n(&shared->done[i], __ATOMIC_ACQUIRE);
	do {
		usleep(1000);
		check_alive();
		all = true;
		for (u32 i = 0; i < WORKERS; i++)
			all = all &&
			      (!pids[i] || !is_joined(i) ||
			       __atomic_load_n(&shared->done[i], __ATOMIC_ACQUIRE) != seen[i]);
		if (watch_ms(&w) > STUCK_MS) {
			tell_pool();
			test_fail(__FILE__, __LINE__, "after %u deaths the survivors do not go on",
				  kills);
		}
	} while (!all);
	slow += watch_ms(&w) > STALL_MS;
}

static void wait_joined(u32 index)
{
	struct watch w = watch_begin();

	while (!is_joined(index)) {
		usleep(1000);
		check_alive();
		if (watch_ms(&w) > STUCK_MS) {
			tell_pool();
			test_fail(__FILE__, __LINE__, "a late joiner does not get in");
		}
	}
}

/* One round: one dies, or two, or one that joins. */
static void round_of_death(void)
{
	u32 a = rnd(&random_state) % WORKERS, b = (a + 1 + rnd(&random_state) % 3) % WORKERS;
	u32 how = rnd(&random_state) % 4;

	usleep(rnd(&random_state) % 150000);
	kill_one(a);
	if (how == 1) /* perhaps while it recovers the other */
		usleep(rnd(&random_state) % 3000);
	if (how < 2)
		kill_one(b);
	wait_progress();
	start(a);
	if (how < 2)
		start(b);
	if (how == 2) {
		usleep(rnd(&random_state) % 40000);
		kill_one(a);
		wait_progress();
		start(a);
	}
	wait_joined(a);
	wait_joined(b);
	check_alive();
}

TEST_TIMED(killed_at_any_moment, 3600 * 12)
{
	const char *want = getenv("MPDISK_KILLS");
	u32 n = want ? (u32)atoi(want) : 100, total = 0;
	char next[340];

	random_state = test_seed();
	fixture_make(64, NULL, NULL);
	snprintf(pool_file, sizeof(pool_file), "%s.pool", fixture_image());
	test_temporary(pool_file);
	for (u32 i = 0; i < WORKERS; i++) {
		snprintf(ledger_file[i], sizeof(ledger_file[i]), "%s.ledger%u", fixture_image(), i);
		test_temporary(ledger_file[i]);
		snprintf(next, sizeof(next), "%s.next", ledger_file[i]);
		test_temporary(next);
	}
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	CHECK(shared != MAP_FAILED);
	for (u32 i = 0; i < WORKERS; i++)
		start(i);
	for (u32 i = 0; i < WORKERS; i++)
		wait_joined(i);
	look_in();
	while (kills < n)
		round_of_death();
	__atomic_store_n(&shared->stop, 1, __ATOMIC_RELEASE);
	for (u32 i = 0; i < WORKERS; i++) {
		int status;

		CHECK_EQ(waitpid(pids[i], &status, 0), pids[i]);
		if (status)
			test_fail(__FILE__, __LINE__, "worker %u ends with status %x", i, status);
		total += shared->done[i];
	}
	fixture_fsck();
	fixture_mount();
	for (u32 i = 0; i < WORKERS; i++) {
		static struct worker w;

		w.x = *fixture_exec();
		worker_open(&w, i);
		close(w.ledger);
	}
	fixture_unmount_check();
	for (u32 i = 0; i < DEATHS; i++)
		judge(&shared->death[i]);
	fprintf(stderr,
		"%u deaths, %u operations; %u recovered, at the latest after %u us, in %u us of a "
		"processor; survivors %u times slower than %u ms\n",
		kills, total, recovered, latest_us, longest_us, slow, STALL_MS);
	CHECK(recovered * 5 >= kills * 4);
	CHECK(slow * 10 <= kills);
}
