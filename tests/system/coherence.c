/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * coherence [-n ROUNDS] [-s SEED] HOST HOST...: what one host has changed, every other host sees in
 * its next system call, through a name that it has just looked up and through a file that it has
 * open.
 *
 * The hosts' directories (hosts.h) are the same place seen through several mounts. In each round
 * every host first looks at what will change, then one host changes it, then the others look again
 * at once. A model in this program's memory says what they must see.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host_calls.h"

#define NAMES 8
#define CAPACITY 40000
#define FAILURES_MAX 20

/* What a file must look like. */
struct file {
	bool exists;
	unsigned int links;
	unsigned int mode;
	size_t size;
	ino_t ino;
	int fds[HOSTS_MAX]; /* each host holds it open, from before the change */
	uint8_t *content;   /* CAPACITY bytes */
};

enum kind {
	CREATE,
	WRITE_OPEN,
	WRITE_PATH,
	TRUNCATE,
	RENAME,
	REPLACE,
	UNLINK,
	LINK,
	CHMOD,
	XATTR,
	DIRECTORY,
	SYMLINK,
	KINDS,
};

static const char *const kind_names[KINDS] = {
	[CREATE] = "create_ends_a_negative_lookup",
	[WRITE_OPEN] = "write_through_open_file_is_seen",
	[WRITE_PATH] = "write_by_name_is_seen_in_open_file",
	[TRUNCATE] = "truncate_is_seen_in_open_file",
	[RENAME] = "rename_moves_a_name_just_looked_up",
	[REPLACE] = "rename_over_a_file_keeps_it_open",
	[UNLINK] = "unlink_removes_a_name_just_looked_up",
	[LINK] = "link_count_is_seen_in_open_file",
	[CHMOD] = "mode_and_times_are_seen",
	[XATTR] = "xattr_is_seen",
	[DIRECTORY] = "directory_is_seen_and_gone",
	[SYMLINK] = "symlink_target_is_the_new_one",
};

static unsigned int hosts;
static unsigned int looker; /* the host that looks in this round; HOSTS_MAX: all */
static struct file files[NAMES];
static unsigned long checks[KINDS], failures[KINDS], all_failures;
static enum kind now;
static unsigned long round_number;
static uint64_t state;

static uint32_t rnd(uint32_t below)
{
	state = state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(state >> 33) % below;
}

static void fail(unsigned int host, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void fail(unsigned int host, const char *format, ...)
{
	va_list args;

	printf("round %lu, %s, host %u: ", round_number, kind_names[now], host);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
	failures[now]++;
	all_failures++;
}

#define EXPECT(host, condition, ...)                                                               \
	do {                                                                                       \
		checks[now]++;                                                                     \
		if (!(condition))                                                                  \
			fail(host, __VA_ARGS__);                                                   \
	} while (0)

static const char *name_of(unsigned int name)
{
	static char names[4][16];
	static unsigned int next;
	char *buffer = names[next++ % 4];

	snprintf(buffer, sizeof(names[0]), "f%u", name);
	return buffer;
}

static bool looks(unsigned int host, unsigned int actor)
{
	return host != actor && (looker == HOSTS_MAX || host == looker);
}

static const char *errno_name(int error)
{
	return error ? strerrorname_np(error) : "success";
}

static void expect_gone(unsigned int host, const char *name)
{
	struct stat st;
	int r = host_stat(host, name, &st);

	EXPECT(host, r < 0 && errno == ENOENT, "%s is still there (%s)", name,
	       r < 0 ? errno_name(errno) : "success");
}

static void expect_attributes(unsigned int host, const char *what, const struct stat *st,
			      const struct file *file)
{
	EXPECT(host, (size_t)st->st_size == file->size, "%s: size %lld, should be %zu", what,
	       (long long)st->st_size, file->size);
	EXPECT(host, st->st_ino == file->ino, "%s: inode %llu, should be %llu", what,
	       (unsigned long long)st->st_ino, (unsigned long long)file->ino);
	EXPECT(host, st->st_nlink == file->links, "%s: %lu links, should be %u", what,
	       (unsigned long)st->st_nlink, file->links);
	EXPECT(host, (st->st_mode & 07777) == file->mode, "%s: mode %o, should be %o", what,
	       st->st_mode & 07777, file->mode);
}

static void expect_name(unsigned int host, const char *name, const struct file *file)
{
	struct stat st;
	int r = host_stat(host, name, &st);

	EXPECT(host, r == 0, "stat %s: %s", name, errno_name(errno));
	if (r == 0)
		expect_attributes(host, name, &st, file);
}

/* Part of the content, around where a change was made, through an open file. */
static void expect_content(unsigned int host, int fd, const struct file *file, size_t at,
			   size_t len)
{
	static uint8_t buffer[CAPACITY + 4096];
	const size_t end = at + len < file->size ? at + len : file->size;
	const size_t want = at < file->size ? end - at : 0;
	size_t i;
	ssize_t n;

	if (len > sizeof(buffer))
		len = sizeof(buffer);
	n = host_pread(host, fd, buffer, len, (off_t)at);
	EXPECT(host, n == (ssize_t)want, "pread of %zu at %zu gives %zd, should be %zu (%s)", len,
	       at, n, want, n < 0 ? errno_name(errno) : "success");
	if (n != (ssize_t)want)
		return;
	for (i = 0; i < want && buffer[i] == file->content[at + i]; i++)
		;
	EXPECT(host, i == want, "byte %zu is %02x, should be %02x", at + i, buffer[i],
	       file->content[at + i]);
}

static void expect_open_file(unsigned int host, const struct file *file, size_t at, size_t len)
{
	struct stat st;
	int r = host_fstat(host, file->fds[host], &st);

	EXPECT(host, r == 0, "fstat of an open file: %s", errno_name(errno));
	if (r == 0)
		expect_attributes(host, "open file", &st, file);
	expect_content(host, file->fds[host], file, at, len);
}

static void die(const char *what)
{
	printf("FAIL coherence_could_run: round %lu, %s: %s: %s\n", round_number, kind_names[now],
	       what, strerror(errno));
	exit(1);
}

#define MUST(call)                                                                                 \
	do {                                                                                       \
		if ((call) < 0)                                                                    \
			die(#call);                                                                \
	} while (0)

/* The acting host writes at a random place; returns where. */
static size_t change_content(unsigned int actor, int fd, struct file *file, size_t *len)
{
	const size_t at = rnd(4) ? rnd((uint32_t)file->size + 1) : rnd(CAPACITY - 9000);
	const uint32_t seed = rnd(UINT32_MAX);
	ssize_t n;

	*len = 1 + rnd(rnd(4) ? 200 : 9000);
	if (at + *len > CAPACITY)
		*len = CAPACITY - at;
	n = host_pwrite(actor, fd, seed, *len, (off_t)at);
	if (n != (ssize_t)*len)
		die("pwrite");
	if (at > file->size)
		memset(file->content + file->size, 0, at - file->size);
	fill_data(file->content + at, *len, seed);
	if (at + *len > file->size)
		file->size = at + *len;
	return at;
}

static void close_everywhere(struct file *file)
{
	unsigned int host;

	for (host = 0; host < hosts; host++)
		if (file->fds[host] >= 0)
			host_close(host, file->fds[host]);
	for (host = 0; host < hosts; host++)
		file->fds[host] = -1;
}

/* Whoever acts or looks has the file open before anything happens. */
static void open_where_needed(unsigned int actor, unsigned int name)
{
	struct file *file = &files[name];
	unsigned int host;

	for (host = 0; host < hosts && file->exists; host++)
		if (file->fds[host] < 0 && (host == actor || looks(host, actor)))
			MUST(file->fds[host] = host_open(host, name_of(name), O_RDWR, 0));
}

static void create_file(unsigned int actor, unsigned int name)
{
	struct file *file = &files[name];
	unsigned int host;
	struct stat st;
	int fd;

	for (host = 0; host < hosts; host++)
		if (looks(host, actor))
			expect_gone(host, name_of(name));
	MUST(fd = host_open(actor, name_of(name), O_RDWR | O_CREAT | O_EXCL, 0640));
	MUST(host_chmod(actor, name_of(name), 0640));
	MUST(host_fstat(actor, fd, &st));
	file->exists = true;
	file->links = 1;
	file->mode = 0640;
	file->size = 0;
	file->ino = st.st_ino;
	file->fds[actor] = fd;
	for (host = 0; host < hosts; host++)
		if (looks(host, actor))
			expect_name(host, name_of(name), file);
}

static void do_write(unsigned int actor, unsigned int name, bool by_path)
{
	struct file *file = &files[name];
	unsigned int host;
	int fd = file->fds[actor];
	size_t at, len;

	if (by_path)
		MUST(fd = host_open(actor, name_of(name), O_WRONLY, 0));
	at = change_content(actor, fd, file, &len);
	for (host = 0; host < hosts; host++)
		if (looks(host, actor))
			expect_open_file(host, file, at, len);
	if (by_path)
		host_close(actor, fd);
}

static void do_truncate(unsigned int actor, unsigned int name)
{
	struct file *file = &files[name];
	const size_t size = rnd(CAPACITY), old = file->size;
	unsigned int host;

	if (rnd(2))
		MUST(host_ftruncate(actor, file->fds[actor], (off_t)size));
	else
		MUST(host_truncate(actor, name_of(name), (off_t)size));
	if (size > old)
		memset(file->content + old, 0, size - old);
	file->size = size;
	for (host = 0; host < hosts; host++)
		if (looks(host, actor))
			expect_open_file(host, file, size > 100 ? size - 100 : 0, 300);
}

/* To a free name, or over another file that all hosts hold open. */
static void do_rename(unsigned int actor, unsigned int from, unsigned int to)
{
	struct file old = files[to];
	unsigned int host;

	for (host = 0; host < hosts; host++) {
		if (!looks(host, actor))
			continue;
		expect_name(host, name_of(from), &files[from]);
		if (old.exists)
			expect_name(host, name_of(to), &old);
	}
	MUST(host_rename(actor, name_of(from), name_of(to)));
	files[to] = files[from];
	files[from] = (struct file){.content = old.content};
	memset(files[from].fds, 0xff, sizeof(files[from].fds));
	old.links = 0;
	for (host = 0; host < hosts; host++) {
		if (!looks(host, actor))
			continue;
		expect_gone(host, name_of(from));
		expect_name(host, name_of(to), &files[to]);
		expect_open_file(host, &files[to], 0, 100);
		if (old.exists)
			expect_open_file(host, &old, 0, 100);
	}
	if (old.exists)
		close_everywhere(&old);
}

static void do_unlink(unsigned int actor, unsigned int name)
{
	struct file *file = &files[name];
	unsigned int host;

	for (host = 0; host < hosts; host++)
		if (looks(host, actor))
			expect_name(host, name_of(name), file);
	MUST(host_unlink(actor, name_of(name), 0));
	file->links = 0;
	for (host = 0; host < hosts; host++) {
		if (!looks(host, actor))
			continue;
		expect_gone(host, name_of(name));
		EXPECT(host, host_open(host, name_of(name), O_RDONLY, 0) < 0 && errno == ENOENT,
		       "a removed file can be opened");
		expect_open_file(host, file, file->size / 2, 100);
	}
	close_everywhere(file);
	file->exists = false;
}

static void do_link(unsigned int actor, unsigned int name)
{
	struct file *file = &files[name];
	const unsigned int other = rnd(hosts);
	unsigned int host;

	MUST(host_link(actor, name_of(name), "second"));
	file->links++;
	for (host = 0; host < hosts; host++) {
		if (!looks(host, actor))
			continue;
		expect_name(host, "second", file);
		expect_open_file(host, file, 0, 10);
	}
	MUST(host_unlink(other, "second", 0));
	file->links--;
	for (host = 0; host < hosts; host++) {
		if (host == other || file->fds[host] < 0)
			continue;
		expect_gone(host, "second");
		expect_open_file(host, file, 0, 10);
	}
}

static void do_chmod(unsigned int actor, unsigned int name)
{
	struct file *file = &files[name];
	const struct timespec times[2] = {{rnd(2000000000), rnd(1000000000)},
					  {rnd(2000000000), rnd(1000000000)}};
	unsigned int host;
	struct stat st;

	file->mode = rnd(512) | 0600;
	MUST(host_chmod(actor, name_of(name), file->mode));
	MUST(host_futimens(actor, file->fds[actor], times));
	for (host = 0; host < hosts; host++) {
		if (!looks(host, actor))
			continue;
		MUST(host_fstat(host, file->fds[host], &st));
		expect_attributes(host, "open file", &st, file);
		EXPECT(host,
		       st.st_mtim.tv_sec == times[1].tv_sec &&
			       st.st_mtim.tv_nsec == times[1].tv_nsec,
		       "mtime %lld.%09ld, should be %lld.%09ld", (long long)st.st_mtim.tv_sec,
		       st.st_mtim.tv_nsec, (long long)times[1].tv_sec, times[1].tv_nsec);
		expect_name(host, name_of(name), file);
	}
}

static void do_xattr(unsigned int actor, unsigned int name)
{
	const struct file *file = &files[name];
	char value[200], seen[300];
	const size_t len = 1 + rnd(sizeof(value) - 1);
	unsigned int host;
	ssize_t n;
	size_t i;

	for (i = 0; i < len; i++)
		value[i] = (char)('a' + rnd(26));
	MUST(host_fsetxattr(actor, file->fds[actor], "user.coherence", value, len));
	for (host = 0; host < hosts; host++) {
		if (!looks(host, actor))
			continue;
		n = host_fgetxattr(host, file->fds[host], "user.coherence", seen, sizeof(seen));
		EXPECT(host, n == (ssize_t)len && memcmp(seen, value, len) == 0,
		       "xattr has %zd bytes, should have %zu", n, len);
	}
	MUST(host_fremovexattr(actor, file->fds[actor], "user.coherence"));
	for (host = 0; host < hosts; host++) {
		if (!looks(host, actor))
			continue;
		n = host_fgetxattr(host, file->fds[host], "user.coherence", seen, sizeof(seen));
		EXPECT(host, n < 0 && errno == ENODATA, "a removed xattr is still there");
	}
}

static void do_directory(unsigned int actor)
{
	const unsigned int remover = rnd(hosts);
	int lists[HOSTS_MAX];
	unsigned int host;
	struct stat st;
	int fd;

	for (host = 0; host < hosts; host++) {
		lists[host] = -1;
		if (!looks(host, actor) && !looks(host, remover))
			continue;
		MUST(lists[host] = host_open(host, ".", O_RDONLY | O_DIRECTORY, 0));
		expect_gone(host, "dir");
	}
	MUST(host_mkdir(actor, "dir", 0755));
	MUST(fd = host_open(actor, "dir/inside", O_CREAT | O_WRONLY, 0600));
	host_close(actor, fd);
	for (host = 0; host < hosts; host++) {
		if (!looks(host, actor))
			continue;
		EXPECT(host, host_listed(host, lists[host], "dir") == 1,
		       "a new directory is not listed");
		EXPECT(host, host_stat(host, "dir/inside", &st) == 0, "dir/inside: %s",
		       errno_name(errno));
		EXPECT(host, host_unlink(host, "dir", AT_REMOVEDIR) < 0 && errno == ENOTEMPTY,
		       "rmdir of a full directory: %s", errno_name(errno));
	}
	MUST(host_unlink(remover, "dir/inside", 0));
	MUST(host_unlink(remover, "dir", AT_REMOVEDIR));
	for (host = 0; host < hosts; host++) {
		if (lists[host] < 0)
			continue;
		if (host != remover) {
			EXPECT(host, host_listed(host, lists[host], "dir") == 0,
			       "a removed directory is still listed");
			expect_gone(host, "dir");
		}
		host_close(host, lists[host]);
	}
}

static void do_symlink(unsigned int actor)
{
	char target[100], seen[200];
	unsigned int host, step;
	ssize_t n;

	for (step = 0; step < 2; step++) {
		/* Short ones are in the inode, long ones in a block. */
		memset(target, 'a' + (int)rnd(26), sizeof(target));
		target[20 + rnd(79)] = '\0';
		target[99] = '\0';
		MUST(host_symlink(actor, target, step ? "sym1" : "sym0"));
		if (step == 1)
			MUST(host_rename(actor, "sym1", "sym0"));
		for (host = 0; host < hosts; host++) {
			if (host == actor)
				continue;
			n = host_readlink(host, "sym0", seen, sizeof(seen));
			EXPECT(host,
			       n == (ssize_t)strlen(target) && memcmp(seen, target, (size_t)n) == 0,
			       "readlink gives %zd bytes, should be %zu", n, strlen(target));
		}
	}
	MUST(host_unlink(actor, "sym0", 0));
	for (host = 0; host < hosts; host++)
		if (looks(host, actor))
			EXPECT(host,
			       host_readlink(host, "sym0", seen, sizeof(seen)) < 0 &&
				       errno == ENOENT,
			       "a removed symlink is still there");
}

static void do_round(void)
{
	const unsigned int actor = rnd(hosts), name = rnd(NAMES), other = (name + 1) % NAMES;

	looker = rnd(8) ? (actor + 1 + rnd(hosts - 1)) % hosts : HOSTS_MAX;
	open_where_needed(actor, name);
	now = (enum kind)rnd(KINDS);
	if (!files[name].exists)
		now = CREATE;
	else if (now == CREATE)
		now = WRITE_OPEN;
	else if (now == RENAME || now == REPLACE)
		now = files[other].exists ? REPLACE : RENAME;
	if (now == REPLACE)
		open_where_needed(actor, other);
	switch (now) {
	case CREATE:
		create_file(actor, name);
		break;
	case WRITE_OPEN:
	case WRITE_PATH:
		do_write(actor, name, now == WRITE_PATH);
		break;
	case TRUNCATE:
		do_truncate(actor, name);
		break;
	case RENAME:
	case REPLACE:
		do_rename(actor, name, other);
		break;
	case UNLINK:
		do_unlink(actor, name);
		break;
	case LINK:
		do_link(actor, name);
		break;
	case CHMOD:
		do_chmod(actor, name);
		break;
	case XATTR:
		do_xattr(actor, name);
		break;
	case DIRECTORY:
		do_directory(actor);
		break;
	default:
		do_symlink(actor);
	}
}

static void clean_up(void)
{
	unsigned int name;

	for (name = 0; name < NAMES; name++) {
		close_everywhere(&files[name]);
		if (files[name].exists)
			MUST(host_unlink(0, name_of(name), 0));
		free(files[name].content);
	}
}

int main(int argc, char **argv)
{
	unsigned long rounds = 2000, kind;
	struct host host;
	unsigned int i;
	int c;

	if (argc == 3 && strcmp(argv[1], "--serve") == 0)
		return host_serve(argv[2]);
	state = 1;
	while ((c = getopt(argc, argv, "n:s:")) != -1) {
		if (c == 'n')
			rounds = strtoul(optarg, NULL, 10);
		else if (c == 's')
			state = strtoull(optarg, NULL, 10);
		else
			return 2;
	}
	hosts = (unsigned int)(argc - optind);
	if (hosts < 2 || hosts > HOSTS_MAX) {
		fprintf(stderr, "usage: coherence [-n ROUNDS] [-s SEED] HOST HOST...\n");
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (i = 0; i < hosts; i++) {
		host = host_parse(argv[optind + (int)i]);
		MUST(host_connect(i, &host));
	}
	for (i = 0; i < NAMES; i++) {
		memset(files[i].fds, 0xff, sizeof(files[i].fds));
		files[i].content = calloc(1, CAPACITY);
		if (!files[i].content)
			die("calloc");
	}
	for (round_number = 0; round_number < rounds && all_failures < FAILURES_MAX; round_number++)
		do_round();
	clean_up();
	for (kind = 0; kind < KINDS; kind++) {
		if (failures[kind])
			printf("FAIL %s: %lu of %lu checks\n", kind_names[kind], failures[kind],
			       checks[kind]);
		else if (checks[kind])
			printf("PASS %s: %lu checks\n", kind_names[kind], checks[kind]);
		else
			printf("FAIL %s: no round was of this kind\n", kind_names[kind]);
	}
	return all_failures ? 1 : 0;
}
