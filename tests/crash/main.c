/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * crash [-n POINTS] [-t SECONDS] [-s SEED] [-w WORKLOAD [-e EVENT -p VARIANT]] [-r FILE] [-l]
 *
 * Runs workloads by number until POINTS crash points are checked: first each single operation with
 * each kind of sync, then pairs of operations in an order that the seed gives. -r: the state of the
 * run, so that it can go on later; it does from the first workload that failed. -w: this workload
 * only, -e -p: this point only.
 */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/crash/crash.h"

static struct {
	struct check_counts counts, before; /* the workload that is checked */
	u32 at;                             /* workload of the batch */
	char reason[6000];
} * shared;

#define BATCH 16u            /* workloads of one process */
#define WORKLOAD_SECONDS 600 /* it takes a tenth of one; this machine may be loaded */
#define SAY_SECONDS 60

static pid_t parent;
static u64 run_seed = 1;

void crash_fail(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(shared->reason, sizeof(shared->reason), fmt, ap);
	va_end(ap);
	if (getpid() == parent)
		printf("FAIL crash_points: before the first workload: %s\n", shared->reason);
	_exit(1);
}

/* ---- workloads by number */
struct workload {
	u32 first, second; /* work_operations(): none */
	enum sync_kind between, after;
	bool defer;
	enum { PLAIN, FULL, BUSY, MEDIA } medium;
};

/*
 * What they begin with: a medium with room; one that is nearly full; one whose log is so full that
 * a commit soon brings buffers home and moves its tail (begun from PLAIN's, mounted).
 */
static u8 *base[BUSY];

static u64 singles(void)
{
	return (u64)work_operations() * SYNC_KINDS;
}

static u64 pairs(void)
{
	return singles() * singles();
}

/* Of one kind of medium. */
static u64 all(void)
{
	return singles() + pairs();
}

/* Numbers up to singles(): one operation; beyond: pairs. */
static struct workload decode(u64 number)
{
	u32 ops = work_operations();
	struct workload w = {.second = ops, .defer = number & 1, .medium = (u32)(number / all())};

	number %= all();
	if (number >= singles()) {
		u64 pair = (number - singles()) % pairs();

		w.second = (u32)(pair / singles() % ops);
		w.after = (u32)(pair / singles() / ops);
		number = pair % singles();
	}
	w.first = (u32)(number % ops);
	w.between = (u32)(number / ops);
	return w;
}

/*
 * The i-th workload of the run: every single operation first; then, in turn, a single one on each
 * of the other media and a pair on each, pairs in an order that looks random and visits each once.
 */
#define TURNS (2 * MEDIA - 1u)

static u64 nth(u64 i)
{
	u64 step = 0x9E3779B1u, turn, pair;

	if (i < singles())
		return i;
	i -= singles();
	turn = i % TURNS;
	i /= TURNS;
	if (turn < MEDIA - 1)
		return (turn + 1) * all() + i % singles();
	while (pairs() % step == 0)
		step++;
	pair = (i * step + run_seed * 7919) % pairs();
	return (turn - (MEDIA - 1)) * all() + singles() + pair;
}

static u64 workloads(void)
{
	return singles() + TURNS * pairs();
}

static void say(u64 number, FILE *out)
{
	static const char *const syncs[] = {"nothing", "fsync",      "fdatasync",
					    "sync",    "write-back", "fsync of another file"};
	static const char *const media[] = {"", "nearly full, ", "log nearly full, "};
	struct workload w = decode(number);

	fprintf(out, "%s%s, %s", media[w.medium], work_name(w.first), syncs[w.between]);
	if (w.second < work_operations())
		fprintf(out, ", %s, %s", work_name(w.second), syncs[w.after]);
}

/* ---- workloads, in a process of their own */
static void run_workload(const struct check_options *opt, u64 number)
{
	struct workload w = decode(number);
	struct exec *x;
	u32 begin, mark;
	int err;

	medium.image = base[w.medium == BUSY ? PLAIN : w.medium];
	begin = medium_mark();
	work_begin(1000);
	medium.started = medium.synced = 0;
	x = crash_mount(true, (u32)(run_seed * 31 + number), w.defer, &err);
	if (!x)
		crash_fail("mount: %d (%s)", err, crash_log());
	if (w.medium == BUSY) {
		u64 rng = run_seed * 7 + number;

		work_fill_log(x, &rng);
		medium_begin();
	}
	mark = medium_mark();
	work_state(x);
	work_do(x, w.first);
	work_sync(x, w.between);
	if (w.second < work_operations()) {
		work_do(x, w.second);
		work_sync(x, w.after);
	}
	err = crash_unmount(true);
	if (err)
		crash_fail("unmount: %d (%s)", err, crash_log());
	medium_undo(mark);
	check_all(opt, number, &shared->counts);
	medium_begin();
	medium_undo(begin);
}

/* Returns how many hold: all, or those in front of one that fails. */
static u32 fork_workloads(const struct check_options *opt, const u64 *numbers, u32 n)
{
	int status;
	pid_t pid;

	shared->reason[0] = 0;
	shared->at = 0;
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		for (; shared->at < n; shared->at++) {
			alarm(WORKLOAD_SECONDS);
			shared->before = shared->counts;
			run_workload(opt, numbers[shared->at]);
		}
		_exit(0);
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (status == 0)
		return n;
	shared->counts = shared->before;
	if (WIFSIGNALED(status))
		snprintf(shared->reason, sizeof(shared->reason), "ended by signal %d (%s)",
			 WTERMSIG(status), strsignal(WTERMSIG(status)));
	printf("FAIL crash_points: %s; workload: ", shared->reason);
	say(numbers[shared->at], stdout);
	printf("; again: crash -s %llu -w %llu\n", (unsigned long long)run_seed,
	       (unsigned long long)numbers[shared->at]);
	return shared->at;
}

/* ---- the images that they begin with, made once */
#define BLOCKS 2560u
#define ID "6d706469-736b-4372-a173-6800000000c0"

static void make_image(struct medium_file *file, bool full)
{
	char command[1000];
	struct exec *x;
	int err;

	medium_save(file);
	/* the same ids each time, so that a seed always means the same */
	snprintf(command, sizeof(command),
		 "mke2fs -q -F -t ext4 -b 4096 -g 1024 -N 128 "
		 "-J size=4 -U " ID " -E hash_seed=" ID " %s %u >/dev/null 2>&1 </dev/null",
		 file->path, file->blocks);
	if (system(command) != 0)
		crash_fail("mke2fs fails");
	base[full] = medium.image;
	memcpy(medium.image, file->bytes, (size_t)medium.blocks * 4096);
	x = crash_mount(true, 1, false, &err);
	if (!x)
		crash_fail("mount: %d (%s)", err, crash_log());
	work_begin(0);
	work_populate(x, full);
	err = crash_unmount(true);
	if (err)
		crash_fail("unmount: %d (%s)", err, crash_log());
	medium_begin();
}

static void make_images(struct medium_file *file)
{
	medium.blocks = file->blocks;
	medium.level_of = calloc(medium.blocks, sizeof(*medium.level_of));
	for (u32 i = 0; i < array_size(base); i++) {
		medium.image = calloc(medium.blocks, 4096);
		if (!medium.image || !medium.level_of)
			crash_fail("no memory");
		make_image(file, i == FULL);
	}
}

/* ---- resuming */
#define COUNTS " %llu %llu %llu %llu %llu %llu"

static u64 resume(const char *path)
{
	struct check_counts c = {0};
	unsigned long long seed, next;
	FILE *f = fopen(path, "r");
	u64 from = 0;

	if (!f)
		return 0;
	if (fscanf(f, "%llu %llu" COUNTS, &seed, &next, &c.points, &c.writes, &c.flushes,
		   &c.workloads, &c.recoveries, &c.fscks) == 8) {
		run_seed = seed;
		from = next;
		shared->counts = c;
	}
	fclose(f);
	return from;
}

static void remember(const char *path, unsigned long long next)
{
	const struct check_counts *c = &shared->counts;
	char part[400];
	FILE *f;

	snprintf(part, sizeof(part), "%s.part", path);
	f = fopen(part, "w");
	if (!f)
		return;
	fprintf(f, "%llu %llu" COUNTS "\n", (unsigned long long)run_seed, next, c->points,
		c->writes, c->flushes, c->workloads, c->recoveries, c->fscks);
	fclose(f);
	rename(part, path);
}

static void report(u32 failed, time_t begun)
{
	const struct check_counts *c = &shared->counts;

	printf("%llu crash points of %llu writes and %llu flushes in %llu workloads, %llu cut "
	       "again while recovering, %llu to e2fsck, %u failed, seed %llu, %lld s\n",
	       c->points, c->writes, c->flushes, c->workloads, c->recoveries, c->fscks, failed,
	       (unsigned long long)run_seed, (long long)(time(NULL) - begun));
}

/* Workloads from the i-th on; returns how many came to their end. */
static u64 run_batch(const struct check_options *opt, u64 i, bool *failed)
{
	u64 numbers[BATCH];
	u32 n = 0, good;

	while (n < BATCH && i + n < workloads()) {
		numbers[n] = nth(i + n);
		n++;
	}
	good = fork_workloads(opt, numbers, n);
	*failed = good < n;
	return good;
}

static int run(const struct check_options *opt, u64 i, u64 points, int seconds, const char *state)
{
	time_t begun = time(NULL), said = begun;
	u32 failures = 0;

	while (shared->counts.points < points && i < workloads() && failures < 10) {
		bool failed;

		if (seconds && time(NULL) - begun > seconds) {
			printf("FAIL enough_crash_points: only %llu of %llu after %d s\n",
			       shared->counts.points, (unsigned long long)points, seconds);
			return 1;
		}
		i += run_batch(opt, i, &failed);
		if (state && !failures)
			remember(state, i);
		failures += failed;
		i += failed;
		if (state && time(NULL) - said >= SAY_SECONDS) {
			said = time(NULL);
			report(failures, begun);
		}
	}
	report(failures, begun);
	if (!failures)
		printf("PASS every_crash_leaves_a_state_of_the_history\n"
		       "PASS everything_synced_is_there\n"
		       "PASS e2fsck_agrees_and_recovers_too\n");
	return failures != 0;
}

int main(int argc, char **argv)
{
	struct medium_file ours, theirs;
	struct check_options opt = {
		.fsck_every = 47, .only_event = ~0u, .ours = &ours, .theirs = &theirs};
	u64 points = 40000, only = ~0ull, from = 0;
	const char *state = NULL;
	char path[4096];
	int c, seconds = 0;
	bool list = false;

	parent = getpid();
	snprintf(path, sizeof(path), "%s:/sbin:/usr/sbin", getenv("PATH"));
	setenv("PATH", path, 1);
	setvbuf(stdout, NULL, _IOLBF, 0);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	if (shared == MAP_FAILED)
		return 1;
	while ((c = getopt(argc, argv, "n:t:s:w:e:p:r:l")) != -1)
		switch (c) {
		case 'n':
			points = strtoull(optarg, NULL, 0);
			break;
		case 't':
			seconds = atoi(optarg);
			break;
		case 's':
			run_seed = strtoull(optarg, NULL, 0);
			break;
		case 'w':
			only = strtoull(optarg, NULL, 0);
			break;
		case 'e':
			opt.only_event = (u32)strtoul(optarg, NULL, 0);
			break;
		case 'p':
			opt.only_variant = (u32)strtoul(optarg, NULL, 0);
			break;
		case 'r':
			state = optarg;
			break;
		case 'l':
			list = true;
			break;
		default:
			return 2;
		}
	if (state)
		from = resume(state);
	for (u64 i = 0; list && i < singles(); i++) {
		printf("%llu: ", (unsigned long long)i);
		say(i, stdout);
		printf("\n");
	}
	if (list)
		return 0;
	opt.seed = run_seed;
	medium_file_make(&ours, BLOCKS);
	medium_file_make(&theirs, BLOCKS);
	make_images(&theirs);
	if (only != ~0ull) {
		if (!fork_workloads(&opt, &only, 1))
			return 1;
		if (!shared->counts.points) {
			printf("FAIL workload_%llu: it has no such crash point\n",
			       (unsigned long long)only);
			return 1;
		}
		printf("PASS workload_%llu\n", (unsigned long long)only);
		return 0;
	}
	return run(&opt, from, points, seconds, state);
}
