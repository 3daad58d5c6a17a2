// SPDX-License-Identifier: BSD-2-Clause
/*
 * posix-suite: what POSIX and ext4 promise, asked of any mount by system calls.
 *
 *	posix-suite [-l] [-L] [-t SECONDS] [-o PATTERN]... [-x PATTERN]... [-2 DIR] DIR [PATTERN...]
 *
 * Runs the checks whose name matches a shell pattern (all), but those of -x and, with -o, only of
 * those, in DIR, which must be on the mount. -l lists them, -L adds those that take long. -2 is the
 * same directory on another host: checks of locks use both. One line PASS or FAIL for each, or NOTE
 * where this mount cannot be asked; the status is 0 if none failed.
 */
#define _GNU_SOURCE
#include "suite.h"

#include <dirent.h>
#include <fnmatch.h>
#include <ftw.h>
#include <grp.h>
#include <stdarg.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/vfs.h>
#include <time.h>

#define NOT_ASKED 77 /* exit status of a check */

#define EXT4_MAGIC 0xEF53
#define TABLE_MAX 1024u

extern const struct check __start_checks[], __stop_checks[];

struct table_check {
	const char *group, *name;
	void (*run)(unsigned int);
	unsigned int arg;
};
static struct table_check table[TABLE_MAX];
static unsigned int ntable;

bool on_ext4;
const char *suite_dir, *second_dir;
static int message_fd = -1; /* where a failed check says why */
static int probe_fd = -1;
static unsigned int seconds = 30;
static const char *only[64], *must[64], *without[64];
static unsigned int nonly, nmust, nnot;

const char *const type_names[TYPES] = {"reg", "dir", "fifo", "socket", "char", "block", "symlink"};

void add_check(const char *group, const char *name, void (*run)(unsigned int), unsigned int arg)
{
	if (ntable == TABLE_MAX)
		abort();
	table[ntable++] = (struct table_check){group, name, run, arg};
}

void fail_at(const char *file, int line, const char *format, ...)
{
	const char *slash = strrchr(file, '/');
	char text[400];
	va_list args;
	int n;

	n = snprintf(text, sizeof(text), "%s:%d: ", slash ? slash + 1 : file, line);
	va_start(args, format);
	vsnprintf(text + n, sizeof(text) - (size_t)n, format, args);
	va_end(args);
	if (write(message_fd, text, strlen(text)) < 0)
		_exit(3);
	_exit(1);
}

void not_asked(const char *why)
{
	if (write(message_fd, why, strlen(why)) < 0)
		_exit(3);
	_exit(NOT_ASKED);
}

long long must_work(const char *file, int line, long long result, const char *call)
{
	if (result == -1)
		fail_at(file, line, "%s: %s", call, strerrorname_np(errno));
	return result;
}

void must_fail(const char *file, int line, long long result, int error, const char *call)
{
	int got = errno;

	if (result != -1)
		fail_at(file, line, "%s: no error, expected %s", call, strerrorname_np(error));
	if (got != error)
		fail_at(file, line, "%s: %s, expected %s", call, strerrorname_np(got),
			strerrorname_np(error));
}

/* ---- users and children */
pid_t start_child(void)
{
	pid_t pid = fork();

	if (pid < 0)
		FAIL("fork: %s", strerror(errno));
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		alarm(seconds);
	}
	return pid;
}

void second_host(void)
{
	char here[PATH_MAX], there[2 * PATH_MAX];

	if (!second_dir)
		return;
	TRUE(getcwd(here, sizeof(here)));
	snprintf(there, sizeof(there), "%s/%s", second_dir, strrchr(here, '/') + 1);
	OK(chdir(there));
}

void join_child(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid)
		FAIL("waitpid: %s", strerror(errno));
	if (WIFSIGNALED(status))
		FAIL("a child died of signal %d", WTERMSIG(status));
	if (WEXITSTATUS(status))
		_exit(1); /* it has said why */
}

bool become(uid_t uid, gid_t gid)
{
	const gid_t groups[2] = {gid, EXTRA};
	pid_t pid = start_child();

	if (pid) {
		join_child(pid);
		return false;
	}
	OK(setgroups(uid == USER ? 2 : 1, groups));
	OK(setresgid(gid, gid, gid));
	OK(setresuid(uid, uid, uid));
	/* it has been lost by the change of the user */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	return true;
}

void end_child(void)
{
	_exit(0);
}

/* ---- files */
mode_t type_bits(enum type type)
{
	static const mode_t bits[TYPES] = {S_IFREG, S_IFDIR, S_IFIFO, S_IFSOCK,
					   S_IFCHR, S_IFBLK, S_IFLNK};

	return bits[type];
}

void make(enum type type, const char *path, mode_t mode)
{
	if (type == DIRECTORY)
		OK(mkdir(path, mode));
	else if (type == SYMLINK)
		OK(symlink("nowhere", path));
	else
		OK(mknod(path, type_bits(type) | mode, type >= CHAR ? 0x103 : 0));
	if (type != SYMLINK)
		OK(chmod(path, mode));
}

void touch(const char *path, mode_t mode)
{
	int fd = (int)OK(open(path, O_CREAT | O_EXCL | O_WRONLY, mode));

	OK(close(fd));
}

void put(const char *path, const char *text)
{
	int fd = (int)OK(open(path, O_CREAT | O_TRUNC | O_WRONLY, 0644));

	EQ(write(fd, text, strlen(text)), strlen(text));
	OK(close(fd));
}

struct stat st(const char *path)
{
	struct stat s;

	if (lstat(path, &s))
		FAIL("lstat %.40s: %s", path, strerror(errno));
	return s;
}

struct stat fst(int fd)
{
	struct stat s;

	OK(fstat(fd, &s));
	return s;
}

mode_t mode_of(const char *path)
{
	return st(path).st_mode & 07777;
}

void remove_any(const char *path)
{
	OK(remove(path));
}

const char *letters(char letter, unsigned int n)
{
	static char buffer[4][PATH_MAX + 2];
	static unsigned int next;
	char *b = buffer[next++ % 4];

	memset(b, letter, n);
	b[n] = '\0';
	return b;
}

const char *long_path(const char *name, unsigned int len)
{
	static char buffer[2 * PATH_MAX];
	unsigned int n = len - (unsigned int)strlen(name), i;

	for (i = 0; i + 1 < n; i += 2)
		memcpy(buffer + i, "./", 2);
	if (n % 2)
		buffer[i++] = '/';
	strcpy(buffer + i, name);
	return buffer;
}

/* ---- time */
static long long ns(struct timespec t)
{
	return t.tv_sec * 1000000000ll + t.tv_nsec;
}

static long long clock_of_fs(void)
{
	struct stat s;

	OK(futimens(probe_fd, NULL));
	OK(fstat(probe_fd, &s));
	return ns(s.st_mtim);
}

void tick(void)
{
	const struct timespec moment = {0, 6000000};
	const long long start = clock_of_fs();

	do
		nanosleep(&moment, NULL);
	while (clock_of_fs() < start + 3000000);
}

static void times_compare(const char *file, int line, const struct stat *a, const struct stat *b,
			  const char *which)
{
	const struct timespec before[3] = {a->st_atim, a->st_mtim, a->st_ctim};
	const struct timespec after[3] = {b->st_atim, b->st_mtim, b->st_ctim};
	unsigned int i;

	for (i = 0; i < 3; i++) {
		bool wanted = strchr(which, "amc"[i]) != NULL;
		bool changed = ns(before[i]) != ns(after[i]);

		if (i == 2 && ns(after[i]) < ns(before[i]))
			fail_at(file, line, "ctime went back");
		if (wanted != changed)
			fail_at(file, line, "%ctime was %schanged", "amc"[i],
				changed ? "" : "not ");
	}
}

void times_changed(const char *file, int line, const struct stat *before, const char *path,
		   const char *which)
{
	struct stat now = st(path);

	times_compare(file, line, before, &now, which);
}

void fd_times_changed(const char *file, int line, const struct stat *before, int fd,
		      const char *which)
{
	struct stat now = fst(fd);

	times_compare(file, line, before, &now, which);
}

/* ---- running */
static int remove_one(const char *path, const struct stat *s, int flag, struct FTW *ftw)
{
	(void)s;
	(void)flag;
	(void)ftw;
	return remove(path);
}

static bool matches(const char *name)
{
	unsigned int i;
	bool wanted = !nonly, may = !nmust;

	for (i = 0; i < nonly; i++)
		wanted |= fnmatch(only[i], name, 0) == 0;
	for (i = 0; i < nmust; i++)
		may |= fnmatch(must[i], name, 0) == 0;
	for (i = 0; i < nnot; i++)
		if (fnmatch(without[i], name, 0) == 0)
			return false;
	return wanted && may;
}

static void child(const struct check *check, const struct table_check *entry, const char *dir)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	alarm(seconds);
	umask(0);
	OK(mkdir(dir, 0777));
	OK(chdir(dir));
	if (check)
		check->run();
	else
		entry->run(entry->arg);
	_exit(0);
}

static bool run(const char *name, const struct check *check, const struct table_check *entry)
{
	char dir[PATH_MAX], text[512];
	ssize_t n, len = 0;
	int status, pipes[2];
	pid_t pid;

	snprintf(dir, sizeof(dir), "%s/t-%d", suite_dir, (int)getpid());
	if (pipe2(pipes, O_CLOEXEC))
		return false;
	fflush(stdout);
	pid = fork();
	if (!pid) {
		message_fd = pipes[1];
		child(check, entry, dir);
	}
	close(pipes[1]);
	while (len < (ssize_t)sizeof(text) - 1 &&
	       (n = read(pipes[0], text + len, sizeof(text) - 1 - (size_t)len)) > 0)
		len += n;
	text[len] = '\0';
	close(pipes[0]);
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return false;
	if (WIFEXITED(status) && WEXITSTATUS(status) == NOT_ASKED) {
		printf("NOTE %s: not asked: %s\n", name, text);
		return nftw(dir, remove_one, 32, FTW_DEPTH | FTW_PHYS | FTW_MOUNT) == 0;
	}
	if (WIFSIGNALED(status))
		snprintf(text, sizeof(text), "%s",
			 WTERMSIG(status) == SIGALRM ? "took too long"
						     : strsignal(WTERMSIG(status)));
	else if (WEXITSTATUS(status) && !text[0])
		snprintf(text, sizeof(text), "status %d", WEXITSTATUS(status));
	if (nftw(dir, remove_one, 32, FTW_DEPTH | FTW_PHYS | FTW_MOUNT) && errno != ENOENT &&
	    !text[0])
		snprintf(text, sizeof(text), "what it left cannot be removed: %s", strerror(errno));
	if (text[0])
		printf("FAIL %s: %s\n", name, text);
	else
		printf("PASS %s\n", name);
	return !text[0];
}

static unsigned int run_all(bool list)
{
	const struct check *c;
	unsigned int failures = 0, i;
	char name[200];

	for (c = __start_checks; c < __stop_checks; c++) {
		snprintf(name, sizeof(name), "%s_%s", c->group, c->name);
		if (matches(name) && list)
			printf("%s\n", name);
		else if (matches(name))
			failures += !run(name, c, NULL);
	}
	for (i = 0; i < ntable; i++) {
		snprintf(name, sizeof(name), "%s_%s", table[i].group, table[i].name);
		if (matches(name) && list)
			printf("%s\n", name);
		else if (matches(name))
			failures += !run(name, NULL, &table[i]);
	}
	return failures;
}

static bool begin(const char *dir)
{
	char path[PATH_MAX];
	struct statfs fs;

	suite_dir = realpath(dir, NULL);
	if (!suite_dir || statfs(suite_dir, &fs) || geteuid()) {
		fprintf(stderr, "posix-suite: %s: %s\n", dir,
			geteuid() ? "only root can run it" : strerror(errno));
		return false;
	}
	on_ext4 = fs.f_type == EXT4_MAGIC;
	/* other users must get through to the checks' directories */
	if (chmod(suite_dir, 0755))
		return false;
	snprintf(path, sizeof(path), "%s/.probe-%d", suite_dir, (int)getpid());
	probe_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
	if (probe_fd < 0 || fchmod(probe_fd, 0666) || unlink(path)) {
		fprintf(stderr, "posix-suite: %s: %s\n", path, strerror(errno));
		return false;
	}
	return true;
}

int main(int argc, char **argv)
{
	const struct rlimit no_core = {0, 0};
	bool list = false, long_ones = false;
	int opt;

	while ((opt = getopt(argc, argv, "2:lLo:t:x:")) != -1) {
		if (opt == 'l')
			list = true;
		else if (opt == 'L')
			long_ones = true;
		else if (opt == '2')
			second_dir = realpath(optarg, NULL);
		else if (opt == 't')
			seconds = (unsigned int)atoi(optarg);
		else if (opt == 'o' && nmust < 64)
			must[nmust++] = optarg;
		else if (opt == 'x' && nnot < 64)
			without[nnot++] = optarg;
		else
			return 2;
	}
	paths_add_checks();
	if (long_ones)
		long_add_checks();
	if (!list && optind == argc) {
		fprintf(stderr,
			"usage: posix-suite [-lL] [-t SECONDS] [-o|-x PATTERN]... [-2 DIR] DIR "
			"[PATTERN...]\n");
		return 2;
	}
	if (!list && !begin(argv[optind++]))
		return 2;
	while (optind < argc && nonly < 64)
		only[nonly++] = argv[optind++];
	setrlimit(RLIMIT_CORE, &no_core);
	signal(SIGPIPE, SIG_IGN);
	return run_all(list) ? 1 : 0;
}
