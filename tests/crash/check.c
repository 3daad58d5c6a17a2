/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Crash points: images that a power cut could leave, each recovered and compared with the history.
 *
 * What is on the medium after a cut: all that was written before the last flush that ended, and of
 * what was written since, any part in any order, the last of it torn at 512 bytes. (A write that
 * the medium had begun may be there in any sectors. Two writes to one block are taken in order.)
 *
 * What the history allows: the tree is that after the first k operations, for a k that is not
 * before what was synced and not behind what was begun. Each sector of a file is as some state
 * from the last sync of that file on had it: data that is overwritten in place is not ordered with
 * metadata, but stale or foreign bytes are never seen.
 */
#define _GNU_SOURCE
#include <spawn.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "format/crc32c.h"
#include "format/ext4.h"
#include "tests/crash/crash.h"

#define CUT_EVERY 8u /* one of so many recoveries is cut off itself */

static struct {
	struct plat *plat;
	struct pool pool;
	struct exec x;
	void *base;
	char log[2000];
} mounted;

const char *crash_log(void)
{
	return mounted.log;
}

u32 crash_random(u64 *state, u32 below)
{
	*state = *state * 6364136223846793005ull + 1442695040888963407ull;
	return below ? (u32)((*state >> 33) % below) : 0;
}

static void log_line(void *arg, enum plat_level level, const char *line)
{
	size_t used = strlen(mounted.log);

	(void)arg;
	if (level <= PLAT_WARN)
		snprintf(mounted.log + used, sizeof(mounted.log) - used, "%s; ", line);
}

struct exec *crash_mount(bool recording, u32 seed, bool defer, int *err)
{
	const struct fs_mount_opts opts = {0};

	mounted.log[0] = 0;
	if (!mounted.base)
		mounted.base = mmap(NULL, POOL_SIZE, PROT_READ | PROT_WRITE,
				    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	mounted.plat = plat_posix_memory(medium.image, medium.blocks);
	if (!mounted.plat || mounted.base == MAP_FAILED)
		crash_fail("no memory");
	plat_posix_attach(mounted.plat, mounted.base);
	plat_posix_log_to(mounted.plat, log_line, NULL);
	plat_posix_seed(mounted.plat, seed | 1);
	plat_posix_defer(mounted.plat, defer);
	if (recording)
		medium_record(mounted.plat);
	else
		medium_undoing(mounted.plat);
	if (pool_format(&mounted.pool, mounted.base, POOL_SIZE) ||
	    exec_join(&mounted.pool, mounted.plat, 1, &mounted.x))
		crash_fail("no pool");
	*err = fs_mount(&mounted.x, &opts);
	if (!*err)
		return &mounted.x;
	plat_posix_close(mounted.plat);
	return NULL;
}

int crash_unmount(bool clean)
{
	int err = clean ? fs_unmount(&mounted.x) : 0;

	plat_posix_close(mounted.plat);
	return err;
}

/* ---- the oracle */
struct point {
	u32 event;
	u32 variant;
	u32 low, high; /* states that are allowed */
	u32 synced;
	const char *who; /* recovered it */
};

static void point_fail(const struct point *p, const char *fmt, ...)
	__attribute__((noreturn, format(printf, 2, 3)));
static void point_fail(const struct point *p, const char *fmt, ...)
{
	char what[3000];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	crash_fail("event %u variant %u (state %u to %u), recovered by %s: %s", p->event,
		   p->variant, p->low, p->high, p->who, what);
}

/* The last operation up to `state` that a sync of this node must keep. */
static u32 last_change(const struct sync *s)
{
	for (u32 i = s->state; i; i--)
		if (history.target[i] == s->node && history.changed[i] &&
		    (s->kind != SYNC_FDATASYNC || history.data[i]))
			return i;
	return 0;
}

static void bounds(struct point *p, const struct event *e)
{
	p->synced = e->synced;
	p->high = e->started;
	p->low = 0;
	for (u32 i = 0; i < e->synced; i++) {
		const struct sync *s = &history.syncs[i];

		p->low = max_of(p->low, s->kind == SYNC_ALL ? s->state : last_change(s));
	}
}

/* The first state whose content of the file may be seen. */
static u32 content_low(const struct point *p, node_t node)
{
	u32 low = 0;

	for (u32 i = 0; i < p->synced; i++) {
		const struct sync *s = &history.syncs[i];

		if (s->kind == SYNC_ALL || s->node == node)
			low = max_of(low, s->state);
	}
	return low;
}

/* Whether the file was cut shorter from some allowed state to state `to`. */
static bool was_cut(const struct node *to_node, u32 low, u32 to)
{
	for (u32 i = low; i < to; i++) {
		const struct node *old = tree_node(&history.states[i], to_node->node);

		if (old && old->size > to_node->size)
			return true;
	}
	return false;
}

/*
 * Whether the sector is as some allowed state had it. A file that is cut off gets zeros in the rest
 * of its last block, which may be there before its new size is; but what an append puts there is on
 * the medium before the size is.
 */
static bool sector_allowed(const struct point *p, const struct node *n, u64 pos, u32 len, u32 low)
{
	for (u32 i = low; i <= p->high && i < history.nstates; i++) {
		const struct node *old = tree_node(&history.states[i], n->node);
		u32 there, k;

		if (!old)
			continue;
		there = old->size >= pos + len ? len : old->size > pos ? (u32)(old->size - pos) : 0;
		if (memcmp(old->data + pos, n->data + pos, there) != 0)
			continue;
		if (there < len &&
		    (pos >= ((old->size + 4095) & ~4095ull) || !was_cut(old, low, i)))
			continue;
		for (k = there; k < len && !n->data[pos + k]; k++)
			;
		if (k == len)
			return true;
	}
	return false;
}

static void check_contents(const struct point *p, const struct tree *t)
{
	for (u32 i = 0; i < t->nnodes; i++) {
		const struct node *n = &t->nodes[i];
		u32 low = content_low(p, n->node);

		for (u64 pos = 0; pos < n->size; pos += 512)
			if (!sector_allowed(p, n, pos, (u32)min_of((u64)512, n->size - pos), low))
				point_fail(p,
					   "file %llx: bytes at %llu were never there since "
					   "state %u: %02x %02x %02x %02x",
					   (unsigned long long)n->node, (unsigned long long)pos,
					   low, n->data[pos], n->data[min_of(pos + 1, n->size - 1)],
					   n->data[min_of(pos + 2, n->size - 1)],
					   n->data[min_of(pos + 3, n->size - 1)]);
	}
}

/* The first line in which they differ. */
static void difference(const char *got, const char *want, char *out, size_t size)
{
	while (*got && *want) {
		size_t a = strcspn(got, "\n"), b = strcspn(want, "\n");

		if (a != b || memcmp(got, want, a) != 0)
			break;
		got += a + 1;
		want += b + 1;
	}
	snprintf(out, size, "'%.*s' instead of '%.*s'", (int)strcspn(got, "\n"), got,
		 (int)strcspn(want, "\n"), want);
}

static void check_tree(const struct point *p, const struct tree *t)
{
	char text[2500];
	u32 last = min_of(p->high, history.nstates - 1);
	bool counts = false;

	for (u32 k = p->low; k <= last; k++) {
		const struct tree *s = &history.states[k];

		if (strcmp(s->text, t->text) != 0)
			continue;
		if (s->open_orphans ||
		    (s->free_blocks == t->free_blocks && s->free_inodes == t->free_inodes)) {
			check_contents(p, t);
			return;
		}
		counts = true;
		snprintf(text, sizeof(text),
			 "state %u had %llu blocks and %llu inodes free, not "
			 "%llu and %llu",
			 k, (unsigned long long)s->free_blocks, (unsigned long long)s->free_inodes,
			 (unsigned long long)t->free_blocks, (unsigned long long)t->free_inodes);
	}
	if (!counts)
		difference(t->text, history.states[last].text, text, sizeof(text));
	point_fail(p, "no state of the history: %s", text);
}

/* ---- recovering */
static void recover_ours(const struct point *p, u32 seed)
{
	struct tree t;
	struct exec *x;
	int err;

	x = crash_mount(false, seed, seed >> 8 & 1, &err);
	if (!x)
		point_fail(p, "cannot be mounted: %d (%s)", err, crash_log());
	if (crash_log()[0])
		point_fail(p, "complains: %s", crash_log());
	tree_read(x, &t);
	check_tree(p, &t);
	tree_free(&t);
	err = crash_unmount(true);
	if (err)
		point_fail(p, "cannot be unmounted: %d (%s)", err, crash_log());
}

/* ---- the power fails again, while we recover */
/* Sectors of one pending write that are on the medium. */
static u32 chosen(u32 variant, bool last, u64 *rng)
{
	u32 all = 0xff;

	switch (variant) {
	case 0: /* everything */
		return all;
	case 1: /* only the last one has overtaken all others, and is torn */
		return last ? crash_random(rng, 256) : 0;
	default: /* any */
		if (crash_random(rng, 2))
			return 0;
		return crash_random(rng, 8) ? all : crash_random(rng, 256);
	}
}

/* Makes the image one that a cut in the recorded writes leaves. */
static void cut_image(u64 *rng)
{
	u32 event = crash_random(rng, medium.nevents), first = 0;

	for (u32 i = 0; i < event; i++)
		if (medium.events[i].kind == EVENT_FLUSH)
			first = i;
	for (u32 i = 0; i <= event; i++) {
		const struct event *e = &medium.events[i];
		u32 sectors = i < first ? 0xff : chosen(2, i == event, rng);

		if (e->kind == EVENT_WRITE)
			medium_write(e, sectors);
	}
}

static void cut_recovery(struct point *p, u32 seed, u64 *rng)
{
	const struct medium kept = medium;
	u32 mark = medium_mark();
	int err;

	medium.events = NULL;
	medium.nevents = medium.capacity = 0;
	if (!crash_mount(true, seed, seed >> 8 & 1, &err))
		point_fail(p, "cannot be mounted: %d (%s)", err, crash_log());
	crash_unmount(false);
	medium_undo(mark);
	mark = medium_mark();
	if (medium.nevents)
		cut_image(rng);
	medium_begin();
	free(medium.events);
	medium.events = kept.events;
	medium.nevents = kept.nevents;
	medium.capacity = kept.capacity;
	p->who = "us, cut off recovering";
	recover_ours(p, seed);
	medium_undo(mark);
}

/* args: NULL behind the last. */
static int run_fsck(const struct medium_file *file, const char *const *args, char *out, size_t size)
{
	char *argv[8] = {"e2fsck"};
	posix_spawn_file_actions_t actions;
	int ends[2], status, n = 1;
	size_t used = 0;
	ssize_t got;
	pid_t pid;

	while (*args)
		argv[n++] = (char *)*args++;
	argv[n] = (char *)file->path;
	if (pipe2(ends, O_CLOEXEC) || posix_spawn_file_actions_init(&actions) ||
	    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0) ||
	    posix_spawn_file_actions_adddup2(&actions, ends[1], 1) ||
	    posix_spawn_file_actions_adddup2(&actions, ends[1], 2) ||
	    posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ))
		crash_fail("e2fsck cannot be run");
	posix_spawn_file_actions_destroy(&actions);
	close(ends[1]);
	while ((got = read(ends[0], out + used, size - 1 - used)) > 0)
		used += (size_t)got;
	close(ends[0]);
	out[used] = 0;
	if (waitpid(pid, &status, 0) != pid)
		crash_fail("e2fsck is lost");
	for (char *c = out; *c; c++)
		if (*c == '\n')
			*c = ';';
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

/*
 * A superblock that is torn cannot be opened by e2fsck unless it is told where the backup is: it
 * looks where groups of the usual size would have it. (We mend it from the log.)
 */
static const char *const *fsck_repair(void)
{
	static const char *const plain[] = {"-fy", NULL};
	static const char *const backup[] = {"-fy", "-b", "1024", "-B", "4096", NULL};
	const struct ext4_super *sb = (const void *)(medium.image + EXT4_SUPER_OFFSET);

	return sb->s_checksum == crc32c(~0u, sb, offsetof(struct ext4_super, s_checksum)) ? plain
											  : backup;
}

static void fsck_clean(const struct point *p, const struct medium_file *file)
{
	static const char *const look[] = {"-fn", NULL};
	char out[1500];
	int status = run_fsck(file, look, out, sizeof(out));

	if (status)
		point_fail(p, "e2fsck -fn ends with %d: %s", status, out);
}

/* It recovers the image, is content with that, and we see there what the history allows. */
static void recover_theirs(struct point *p, struct medium_file *file, const char *const *repair,
			   u32 seed)
{
	u8 *image = medium.image;
	char out[1500];
	int status;
	u32 mark;

	p->who = "e2fsck";
	status = run_fsck(file, repair, out, sizeof(out));
	if (status & ~1)
		point_fail(p, "e2fsck -fy ends with %d: %s", status, out);
	fsck_clean(p, file);
	medium.image = file->bytes;
	mark = medium_mark();
	recover_ours(p, seed);
	medium_undo(mark);
	medium.image = image;
}

static void check_point(const struct check_options *opt, struct point *p, u64 *rng,
			struct check_counts *counts)
{
	bool replay = opt->only_event != ~0u;
	u32 seed = crash_random(rng, 1u << 30);
	bool fsck = crash_random(rng, opt->fsck_every) == 0 || replay;
	const char *const *repair = fsck_repair();

	if (fsck)
		medium_save(opt->theirs);
	if (crash_random(rng, CUT_EVERY) == 0 || replay) {
		cut_recovery(p, seed, rng);
		counts->recoveries++;
	}
	p->who = "us";
	recover_ours(p, seed);
	counts->points++;
	if (!fsck)
		return;
	counts->fscks++;
	medium_save(opt->ours);
	fsck_clean(p, opt->ours);
	recover_theirs(p, opt->theirs, repair, seed);
}

/* ---- the images of one event */
#define VARIANTS 3u

static void check_event(const struct check_options *opt, u64 workload, u32 first, u32 event,
			struct check_counts *counts)
{
	for (u32 v = 0; v < VARIANTS; v++) {
		u64 rng = opt->seed * 0x9E3779B97F4A7C15ull ^ workload << 24 ^ event * 8ull ^ v;
		struct point p = {.event = event, .variant = v};
		u32 mark;

		if (opt->only_event != ~0u && opt->only_variant != v)
			continue;
		crash_random(&rng, 0);
		bounds(&p, &medium.events[event]);
		mark = medium_mark();
		for (u32 i = first; i <= event; i++)
			medium_write(&medium.events[i], chosen(v, i == event, &rng));
		check_point(opt, &p, &rng, counts);
		medium_undo(mark);
	}
}

void check_all(const struct check_options *opt, u64 workload, struct check_counts *counts)
{
	u32 first = 0; /* of the writes that are not durable */

	for (u32 i = 0; i < medium.nevents; i++) {
		if (medium.events[i].kind == EVENT_FLUSH) {
			for (; first < i; first++)
				medium_write(&medium.events[first], 0xff);
			first = i + 1;
			counts->flushes++;
			continue;
		}
		counts->writes++;
		if (opt->only_event == ~0u || opt->only_event == i)
			check_event(opt, workload, first, i, counts);
	}
	counts->workloads++;
}
