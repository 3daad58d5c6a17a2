/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * crash [-n POINTS] [-t SECONDS] [-s SEED] [-w WORKLOAD [-e EVENT -p VARIANT]] [-r FILE] [-v] [-l]
 *
 * Runs workloads by number until POINTS crash points are checked: first each single operation with
 * each kind of sync, then pairs of operations in an order that the seed gives. -r: the state of the
 * run, so that it can go on later. -w: this workload only, -e -p: this point only.
 */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/crash/crash.h"

static struct {
	struct check_counts counts;
	char reason[6000];
} * shared;

static u64 current;
static u64 run_seed = 1;
static char dir[200] = "/dev/shm";

void crash_fail(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(shared->reason, sizeof(shared->reason), fmt, ap);
	va_end(ap);
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

/* ---- one workload, in a process of its own */
static void run_workload(const struct check_options *opt, u64 number)
{
	struct workload w = decode(number);
	u8 *begin = base[w.medium == BUSY ? PLAIN : w.medium];
	struct exec *x;
	int err;

	memcpy(medium.image, begin, (size_t)medium.blocks * 4096);
	memset(&history, 0, sizeof(history));
	medium.started = medium.synced = 0;
	x = crash_mount(true, (u32)(run_seed * 31 + number), w.defer, &err);
	if (!x)
		crash_fail("mount: %d (%s)", err, crash_log());
	if (w.medium == BUSY) {
		u64 rng = run_seed * 7 + number;

		work_fill_log(x, &rng);
		medium_begin();
		begin = malloc((size_t)medium.blocks * 4096);
		memcpy(begin, medium.image, (size_t)medium.blocks * 4096);
	}
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
	memcpy(medium.image, begin, (size_t)medium.blocks * 4096);
	check_all(opt, number, &shared->counts);
}

static bool fork_workload(const struct check_options *opt, u64 number, int seconds)
{
	int status;
	pid_t pid;

	current = number;
	shared->reason[0] = 0;
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		alarm((unsigned)seconds);
		run_workload(opt, number);
		_exit(0);
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (status == 0)
		return true;
	if (WIFSIGNALED(status))
		snprintf(shared->reason, sizeof(shared->reason), "ended by signal %d (%s)",
			 WTERMSIG(status), strsignal(WTERMSIG(status)));
	printf("FAIL crash_points: %s; workload: ", shared->reason);
	say(number, stdout);
	printf("; again: crash -s %llu -w %llu -v\n", (unsigned long long)run_seed,
	       (unsigned long long)number);
	return false;
}

/* ---- the images that they begin with, made once */
static void make_image(bool full)
{
	char path[300], command[1000];
	struct exec *x;
	int err;

	snprintf(path, sizeof(path), "%s/crash-base-%d", dir, (int)getpid());
	snprintf(command, sizeof(command),
		 "rm -f '%s'; PATH=$PATH:/sbin:/usr/sbin mke2fs -q -F -t ext4 -b 4096 -g 1024 -N "
		 "128 "
		 "-J size=4 '%s' 10M >/dev/null 2>&1 </dev/null",
		 path, path);
	if (system(command) != 0)
		crash_fail("mke2fs fails");
	medium_load(path);
	unlink(path);
	x = crash_mount(true, 1, false, &err);
	if (!x)
		crash_fail("mount: %d (%s)", err, crash_log());
	work_populate(x, full);
	err = crash_unmount(true);
	if (err)
		crash_fail("unmount: %d (%s)", err, crash_log());
	medium_begin();
	base[full] = malloc((size_t)medium.blocks * 4096);
	memcpy(base[full], medium.image, (size_t)medium.blocks * 4096);
}

/* ---- resuming */
static u64 resume(const char *path)
{
	unsigned long long seed, next, points;
	FILE *f = fopen(path, "r");
	u64 from = 0;

	if (!f)
		return 0;
	if (fscanf(f, "%llu %llu %llu", &seed, &next, &points) == 3) {
		run_seed = seed;
		from = next;
		shared->counts.points = points;
	}
	fclose(f);
	return from;
}

static void remember(const char *path, u64 next)
{
	char part[400];
	FILE *f;

	snprintf(part, sizeof(part), "%s.part", path);
	f = fopen(part, "w");
	if (!f)
		return;
	fprintf(f, "%llu %llu %llu\n", (unsigned long long)run_seed, (unsigned long long)next,
		(unsigned long long)shared->counts.points);
	fclose(f);
	rename(part, path);
}

static int run(const struct check_options *opt, u64 from, u64 points, int seconds,
	       const char *state)
{
	time_t begun = time(NULL);
	u32 failed = 0;
	u64 i;

	for (i = from; shared->counts.points < points && i < singles() + TURNS * pairs(); i++) {
		if (seconds && time(NULL) - begun > seconds) {
			printf("FAIL enough_crash_points: only %llu of %llu after %d s\n",
			       (unsigned long long)shared->counts.points,
			       (unsigned long long)points, seconds);
			return 1;
		}
		if (!fork_workload(opt, nth(i), 60) && ++failed == 10)
			break;
		if (state)
			remember(state, i + 1);
	}
	printf("%llu crash points of %llu writes and %llu flushes in %llu workloads, %llu cut "
	       "again while recovering, %llu to e2fsck, seed %llu, %lld s\n",
	       (unsigned long long)shared->counts.points, (unsigned long long)shared->counts.writes,
	       (unsigned long long)shared->counts.flushes,
	       (unsigned long long)shared->counts.workloads,
	       (unsigned long long)shared->counts.recoveries,
	       (unsigned long long)shared->counts.fscks, (unsigned long long)run_seed,
	       (long long)(time(NULL) - begun));
	if (!failed)
		printf("PASS every_crash_leaves_a_state_of_the_history\n"
		       "PASS everything_synced_is_there\n"
		       "PASS e2fsck_agrees_and_recovers_too\n");
	return failed != 0;
}

int main(int argc, char **argv)
{
	struct check_options opt = {.fsck_every = 40, .only_event = ~0u};
	u64 points = 40000, only = ~0ull, from = 0;
	const char *state = NULL;
	int c, seconds = 0;
	bool list = false;

	setvbuf(stdout, NULL, _IOLBF, 0);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	if (shared == MAP_FAILED)
		return 1;
	while ((c = getopt(argc, argv, "n:t:s:w:e:p:r:vl")) != -1)
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
		case 'v':
			opt.verbose = true;
			break;
		case 'l':
			list = true;
			break;
		default:
			return 2;
		}
	if (access(dir, W_OK) != 0)
		snprintf(dir, sizeof(dir), "/tmp");
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
	opt.dir = dir;
	make_image(PLAIN);
	memset(&history, 0, sizeof(history));
	make_image(FULL);
	if (only != ~0ull) {
		if (!fork_workload(&opt, only, 60))
			return 1;
		printf("PASS workload_%llu\n", (unsigned long long)only);
		return 0;
	}
	return run(&opt, from, points, seconds, state);
}
