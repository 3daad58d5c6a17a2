/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * uml_pair a|b DIR [-n OPERATIONS] [-s SEED]: two machines with the same filesystem at DIR, each
 * running this program. What one does the other sees in its next operation: names, attributes,
 * data, what is stored into mapped memory; locks exclude.
 *
 * They meet at words of a file that both have mapped. In the last part both go through the same
 * random operations on one file: one of them carries an operation out, the other keeps up with it
 * in a model and looks at the file, by read and by mapped memory.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define NAMES 200
#define WAIT_SECONDS 30
#define PAGE 4096u
#define FILE_MAX (40 * PAGE)

enum word { HERE_A, HERE_B, FAILED, VALUE, COUNTER, WORDS };

static int role;
static uint32_t *words;
static uint32_t steps;
static const char *case_name = "start";

/* ---- meeting */
static void fail(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));
static void fail(const char *format, ...)
{
	va_list args;

	printf("FAIL %s: %c: ", case_name, 'a' + role);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
	if (words)
		__atomic_store_n(&words[FAILED], 1, __ATOMIC_SEQ_CST);
	exit(1);
}

#define OK(call)                                                                                   \
	({                                                                                         \
		__typeof__(call) r_ = (call);                                                      \
		if (r_ < 0)                                                                        \
			fail("line %d: %s: %s", __LINE__, #call, strerror(errno));                 \
		r_;                                                                                \
	})
#define TRUE(condition)                                                                            \
	do {                                                                                       \
		if (!(condition))                                                                  \
			fail("line %d: not true: %s", __LINE__, #condition);                       \
	} while (0)
#define FAILS(error, call)                                                                         \
	do {                                                                                       \
		errno = 0;                                                                         \
		if ((call) >= 0 || errno != (error))                                               \
			fail("line %d: %s: %s, expected %s", __LINE__, #call, strerror(errno),     \
			     strerror(error));                                                     \
	} while (0)

/* Waits until the word is at least `value`. */
static void await(enum word word, uint32_t value)
{
	time_t end = time(NULL) + WAIT_SECONDS;

	for (uint32_t n = 0; __atomic_load_n(&words[word], __ATOMIC_SEQ_CST) < value; n++) {
		if (__atomic_load_n(&words[FAILED], __ATOMIC_SEQ_CST))
			exit(1);
		if (time(NULL) > end)
			fail("the other one does not come to step %u of word %d", value, word);
		if (n < 200)
			sched_yield();
		else
			usleep(500);
	}
}

static void meet(void)
{
	steps++;
	__atomic_store_n(&words[HERE_A + role], steps, __ATOMIC_SEQ_CST);
	await(HERE_A + !role, steps);
}

/* The one does something, then the other. */
#define BY(who)                                                                                    \
	for (int once_ = 1; once_; meet(), once_ = 0)                                              \
		if (role == (int)(who))
enum { A, B };

static char *path(const char *format, ...) __attribute__((format(printf, 1, 2)));
static char *path(const char *format, ...)
{
	static char buffers[4][64];
	static int next;
	char *p = buffers[next++ % 4];
	va_list args;

	va_start(args, format);
	vsnprintf(p, sizeof(buffers[0]), format, args);
	va_end(args);
	return p;
}

static void put(const char *name, const void *data, size_t len)
{
	int fd = OK(open(name, O_CREAT | O_TRUNC | O_WRONLY, 0644));

	TRUE(write(fd, data, len) == (ssize_t)len);
	OK(close(fd));
}

static void *map(int fd, size_t len, int prot)
{
	void *p = mmap(NULL, len, prot, MAP_SHARED, fd, 0);

	if (p == MAP_FAILED)
		fail("mmap: %s", strerror(errno));
	return p;
}

static uint32_t load(const uint32_t *p)
{
	return __atomic_load_n(p, __ATOMIC_SEQ_CST);
}

/* ---- names and attributes */
static void names_are_seen(void)
{
	struct stat st;
	int i;

	BY(A) OK(mkdir("names", 0755));
	for (i = 0; i < NAMES; i++)
		FAILS(ENOENT, stat(path("names/%d", i), &st));
	meet();
	BY(A)
	for (i = 0; i < NAMES; i++)
		put(path("names/%d", i), "x", 1);
	for (i = 0; i < NAMES; i++)
		OK(stat(path("names/%d", i), &st));
	meet();
	BY(B)
	for (i = 0; i < NAMES; i += 2)
		OK(unlink(path("names/%d", i)));
	for (i = 0; i < NAMES; i++)
		TRUE((stat(path("names/%d", i), &st) == 0) == (i % 2 == 1));
	meet();
	BY(A)
	for (i = 1; i < NAMES; i += 2)
		OK(rename(path("names/%d", i), path("names/%d", i - 1)));
	for (i = 0; i < NAMES; i++)
		TRUE((stat(path("names/%d", i), &st) == 0) == (i % 2 == 0));
	meet();
	BY(B)
	{
		for (i = 0; i < NAMES; i += 2)
			OK(unlink(path("names/%d", i)));
		OK(rmdir("names"));
	}
	FAILS(ENOENT, stat("names", &st));
	FAILS(ENOENT, open("names/0", O_CREAT | O_WRONLY, 0644));
}

/* Both make the same names: each name one of them gets. */
static void one_of_two_makes_a_name(void)
{
	uint32_t mine = 0;
	int i;

	for (i = 0; i < NAMES; i++) {
		int fd = open(path("race%d", i), O_CREAT | O_EXCL | O_WRONLY, 0644);

		if (fd < 0 && errno != EEXIST)
			fail("open: %s", strerror(errno));
		mine += fd >= 0;
		if (fd >= 0)
			close(fd);
	}
	__atomic_fetch_add(&words[COUNTER], mine, __ATOMIC_SEQ_CST);
	meet();
	TRUE(load(&words[COUNTER]) == NAMES);
	meet();
	BY(A)
	for (i = 0; i < NAMES; i++)
		OK(unlink(path("race%d", i)));
}

static void attributes_are_seen(void)
{
	struct stat st;
	int fd = -1;

	BY(A) put("attributes", "12345", 5);
	OK(stat("attributes", &st));
	fd = OK(open("attributes", O_RDWR));
	meet();
	BY(B) OK(chmod("attributes", 0600));
	OK(fstat(fd, &st));
	TRUE((st.st_mode & 07777) == 0600);
	meet();
	BY(A) OK(ftruncate(fd, 100000));
	OK(fstat(fd, &st));
	TRUE(st.st_size == 100000);
	TRUE(lseek(fd, 0, SEEK_END) == 100000);
	meet();
	BY(B) OK(link("attributes", "second"));
	OK(fstat(fd, &st));
	TRUE(st.st_nlink == 2);
	meet();
	BY(A)
	{
		OK(unlink("attributes"));
		OK(unlink("second"));
	}
	OK(fstat(fd, &st));
	TRUE(st.st_nlink == 0);
	OK(close(fd));
}

static void permission_is_taken_at_once(void)
{
	BY(A)
	{
		OK(mkdir("closed", 0755));
		put("closed/file", "x", 1);
	}
	if (role == B) {
		OK(seteuid(1000));
		OK(access("closed/file", F_OK));
		OK(access("closed/file", R_OK));
	}
	meet();
	BY(A) OK(chmod("closed", 0700));
	BY(B)
	{
		FAILS(EACCES, open("closed/file", O_RDONLY));
		OK(seteuid(0));
		OK(unlink("closed/file"));
		OK(rmdir("closed"));
	}
}

static void open_file_outlives_its_name_elsewhere(void)
{
	char text[8] = "";
	int fd = -1;

	BY(A) put("kept", "content", 7);
	if (role == B)
		fd = OK(open("kept", O_RDWR));
	meet();
	BY(A) OK(unlink("kept"));
	BY(B)
	{
		TRUE(pread(fd, text, 7, 0) == 7 && !strcmp(text, "content"));
		TRUE(pwrite(fd, "more", 4, 7) == 4);
		OK(close(fd));
	}
}

/* ---- data */
static void data_is_seen(void)
{
	static char mine[70000], theirs[70000];
	int fd, i;

	BY(A) put("data", "", 0);
	fd = OK(open("data", O_RDWR));
	for (i = 0; i < 20; i++) {
		memset(mine, 'a' + i, sizeof(mine));
		BY(i % 2) TRUE(pwrite(fd, mine, sizeof(mine), i * 1000) == sizeof(mine));
		TRUE(pread(fd, theirs, sizeof(theirs), i * 1000) == sizeof(theirs));
		TRUE(!memcmp(mine, theirs, sizeof(mine)));
		meet();
	}
	OK(close(fd));
	BY(A) OK(unlink("data"));
}

#define LINES 300
#define LINE 37

static void appended_lines_are_whole(void)
{
	char line[LINE + 1], *text;
	uint32_t seen[2] = {0, 0}, i, who, nth;
	int fd;

	BY(A) put("log", "", 0);
	fd = OK(open("log", O_WRONLY | O_APPEND));
	for (i = 0; i < LINES; i++) {
		snprintf(line, sizeof(line), "%u %-*u\n", role, LINE - 3, i);
		TRUE(write(fd, line, LINE) == LINE);
	}
	OK(close(fd));
	meet();
	text = calloc(1, 2 * LINES * LINE + 1);
	fd = OK(open("log", O_RDONLY));
	TRUE(read(fd, text, 2 * LINES * LINE + 1) == 2 * LINES * LINE);
	for (i = 0; i < 2 * LINES; i++) {
		TRUE(sscanf(text + i * LINE, "%u %u", &who, &nth) == 2 && who < 2);
		TRUE(seen[who]++ == nth);
	}
	free(text);
	OK(close(fd));
	meet();
	BY(A) OK(unlink("log"));
}

/* ---- mapped memory */
static void stores_are_loaded(void)
{
	uint32_t *p, i;
	int fd;

	BY(A)
	{
		put("mapped", "", 0);
		OK(truncate("mapped", 2 * PAGE));
	}
	fd = OK(open("mapped", O_RDWR));
	p = map(fd, 2 * PAGE, PROT_READ | PROT_WRITE);
	for (i = 0; i < 200; i++) {
		BY(i % 2)
		{
			__atomic_store_n(&p[i], i + 1, __ATOMIC_SEQ_CST);
			__atomic_store_n(&p[PAGE / 4 + i], ~i, __ATOMIC_SEQ_CST);
		}
		TRUE(load(&p[i]) == i + 1 && load(&p[PAGE / 4 + i]) == ~i);
	}
	meet();
	BY(A) TRUE(pwrite(fd, "abcd", 4, 8) == 4);
	TRUE(!memcmp((char *)p + 8, "abcd", 4));
	meet();
	BY(B)((char *)p)[9] = 'X';
	{
		char text[4];

		TRUE(pread(fd, text, 4, 8) == 4 && !memcmp(text, "aXcd", 4));
	}
	meet();
	/* both count in the same word */
	for (i = 0; i < 20000; i++)
		__atomic_fetch_add(&p[1000], 1, __ATOMIC_SEQ_CST);
	meet();
	TRUE(load(&p[1000]) == 40000);
	OK(munmap(p, 2 * PAGE));
	OK(close(fd));
	meet();
	BY(A) OK(unlink("mapped"));
}

static sigjmp_buf on_bus;

static void bus(int number)
{
	(void)number;
	siglongjmp(on_bus, 1);
}

static bool faults(const volatile char *p)
{
	if (sigsetjmp(on_bus, 1))
		return true;
	(void)*p;
	return false;
}

static void truncation_reaches_mapped_memory(void)
{
	static char page[PAGE];
	volatile char *p;
	int fd;

	signal(SIGBUS, bus);
	memset(page, 'p', sizeof(page));
	BY(A)
	{
		put("cut", page, sizeof(page));
		OK(truncate("cut", 3 * PAGE));
	}
	fd = OK(open("cut", O_RDWR));
	p = map(fd, 3 * PAGE, PROT_READ | PROT_WRITE);
	TRUE(p[0] == 'p' && p[PAGE] == 0); /* zeros of a hole */
	meet();
	BY(B) TRUE(pwrite(fd, "hole", 4, PAGE) == 4);
	TRUE(p[PAGE] == 'h');
	meet();
	BY(A) p[2 * PAGE] = 's';
	TRUE(p[2 * PAGE] == 's');
	meet();
	BY(B) OK(ftruncate(fd, PAGE));
	TRUE(!faults(p) && faults(p + PAGE) && faults(p + 2 * PAGE));
	meet();
	BY(A) OK(ftruncate(fd, 3 * PAGE));
	TRUE(!faults(p + PAGE) && p[PAGE] == 0 && p[2 * PAGE] == 0);
	meet();
	BY(B) OK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, PAGE));
	TRUE(p[0] == 0);
	meet();
	BY(A) p[0] = 'n';
	TRUE(p[0] == 'n');
	OK(munmap((void *)p, 3 * PAGE));
	OK(close(fd));
	meet();
	BY(A) OK(unlink("cut"));
}

/* A read into, or a write from, mapped memory of the same file. */
static void io_from_its_own_mapping(void)
{
	char *p;
	int fd;

	BY(A)
	{
		put("own", "0123456789", 10);
		OK(truncate("own", 4 * PAGE));
	}
	fd = OK(open("own", O_RDWR));
	p = map(fd, 4 * PAGE, PROT_READ | PROT_WRITE);
	BY(A)
	{
		TRUE(pread(fd, p + 2 * PAGE, 10, 0) == 10);
		TRUE(pwrite(fd, p, 10, 3 * PAGE + 5) == 10);
	}
	TRUE(!memcmp(p + 2 * PAGE, "0123456789", 10) &&
	     !memcmp(p + 3 * PAGE + 5, "0123456789", 10));
	OK(munmap(p, 4 * PAGE));
	OK(close(fd));
	meet();
	BY(A) OK(unlink("own"));
}

/* ---- locks */
static void count_under(void (*lock)(int fd, bool on))
{
	uint32_t value;
	int fd, i;

	BY(A) put("count", "\0\0\0\0", 4);
	fd = OK(open("count", O_RDWR));
	for (i = 0; i < 100; i++) {
		lock(fd, true);
		TRUE(pread(fd, &value, 4, 0) == 4);
		value++;
		TRUE(pwrite(fd, &value, 4, 0) == 4);
		lock(fd, false);
	}
	meet();
	TRUE(pread(fd, &value, 4, 0) == 4);
	if (value != 200)
		fail("%u instead of 200", value);
	OK(close(fd));
	meet();
	BY(A) OK(unlink("count"));
}

static void by_range(int fd, bool on)
{
	struct flock l = {.l_type = on ? F_WRLCK : F_UNLCK, .l_start = 10, .l_len = 5};

	OK(fcntl(fd, F_SETLKW, &l));
}

static void by_flock(int fd, bool on)
{
	OK(flock(fd, on ? LOCK_EX : LOCK_UN));
}

static void locks_exclude(void)
{
	struct flock l = {.l_type = F_WRLCK, .l_start = 100, .l_len = 50};
	int fd;

	count_under(by_range);
	count_under(by_flock);
	BY(A) put("lock", "x", 1);
	fd = OK(open("lock", O_RDWR));
	BY(A) OK(fcntl(fd, F_SETLK, &l));
	BY(B)
	{
		FAILS(EAGAIN, fcntl(fd, F_SETLK, &l));
		l.l_start = 0;
		l.l_len = 200;
		OK(fcntl(fd, F_GETLK, &l));
		TRUE(l.l_type == F_WRLCK && l.l_start == 100 && l.l_len == 50);
	}
	if (role == A)
		OK(close(fd)); /* gives it back */
	meet();
	BY(B)
	{
		l = (struct flock){.l_type = F_WRLCK};
		OK(fcntl(fd, F_SETLK, &l));
		OK(unlink("lock"));
	}
}

/* ---- random operations on one file, against a model */
static uint8_t model[FILE_MAX];
static uint32_t model_size;
static uint64_t random_state;
static uint8_t *mapped;

static uint32_t rnd(uint32_t below)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (uint32_t)(random_state >> 20) % below;
}

enum kind { WRITE, STORE, TRUNCATE, PUNCH, ZERO, APPEND, COPY, KINDS };

struct op {
	enum kind kind;
	uint32_t pos, len, from;
	uint8_t fill;
	bool sync;
};

static struct op next_op(void)
{
	struct op op = {.kind = rnd(KINDS), .pos = rnd(FILE_MAX), .fill = (uint8_t)rnd(256)};

	op.len = 1 + rnd(rnd(4) ? 9000 : 60000);
	op.from = rnd(FILE_MAX);
	op.sync = !rnd(20);
	if (!rnd(4)) {
		op.pos &= ~(PAGE - 1);
		op.len = (op.len + PAGE - 1) & ~(PAGE - 1);
	}
	if (op.kind == STORE && op.pos >= model_size)
		op.pos = model_size ? op.pos % model_size : 0;
	if (op.kind == STORE && op.len > model_size - op.pos)
		op.len = model_size - op.pos;
	if (op.kind == APPEND)
		op.pos = model_size;
	if (op.pos + op.len > FILE_MAX)
		op.len = FILE_MAX - op.pos;
	if (op.kind == COPY) {
		op.from = model_size ? op.from % model_size : 0;
		op.len = op.len > model_size - op.from ? model_size - op.from : op.len;
		if (op.from < op.pos + op.len && op.pos < op.from + op.len)
			op.len = 0;
	}
	return op;
}

static void apply(const struct op *op)
{
	uint32_t end = op->pos + op->len;

	if (op->kind == TRUNCATE) {
		if (op->pos < model_size)
			memset(model + op->pos, 0, model_size - op->pos);
		model_size = op->pos;
		return;
	}
	if (!op->len)
		return;
	if (op->kind == COPY)
		memcpy(model + op->pos, model + op->from, op->len);
	else if (op->kind == PUNCH || op->kind == ZERO)
		memset(model + op->pos, 0,
		       op->kind == ZERO || end < model_size ? op->len
		       : op->pos < model_size               ? model_size - op->pos
							    : 0);
	else
		memset(model + op->pos, op->fill, op->len);
	if (op->kind != PUNCH && end > model_size)
		model_size = end;
}

static void carry_out(int fd, const struct op *op)
{
	static uint8_t data[FILE_MAX];
	off_t from = op->from, to = op->pos;

	if (!op->len && op->kind != TRUNCATE)
		return;
	memset(data, op->fill, op->len);
	switch (op->kind) {
	case WRITE:
		TRUE(pwrite(fd, data, op->len, op->pos) == op->len);
		break;
	case APPEND:
		OK(fcntl(fd, F_SETFL, O_APPEND));
		TRUE(write(fd, data, op->len) == op->len);
		OK(fcntl(fd, F_SETFL, 0));
		break;
	case STORE:
		memcpy(mapped + op->pos, data, op->len);
		break;
	case TRUNCATE:
		OK(ftruncate(fd, op->pos));
		break;
	case PUNCH:
		OK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, op->pos, op->len));
		break;
	case ZERO:
		OK(fallocate(fd, FALLOC_FL_ZERO_RANGE, op->pos, op->len));
		break;
	default:
		for (uint32_t n = op->len; n;) {
			ssize_t got = OK(copy_file_range(fd, &from, fd, &to, n, 0));

			TRUE(got);
			n -= (uint32_t)got;
		}
	}
	if (op->sync)
		OK(fsync(fd));
}

static void look(int fd, uint32_t n, const struct op *op)
{
	static uint8_t data[FILE_MAX];
	uint32_t pos = rnd(FILE_MAX), len = 1 + rnd(20000), want, i;
	bool by_map = rnd(2);
	struct stat st;

	if (!rnd(8)) {
		pos = 0;
		len = FILE_MAX;
	}
	want = pos < model_size ? model_size - pos : 0;
	want = want < len ? want : len;
	OK(fstat(fd, &st));
	if (st.st_size != model_size)
		fail("operation %u (kind %d, %u+%u): size %lld instead of %u", n, op->kind, op->pos,
		     op->len, (long long)st.st_size, model_size);
	if (by_map)
		memcpy(data, mapped + pos, want);
	else
		TRUE(pread(fd, data, len, pos) == (ssize_t)want);
	for (i = 0; i < want && data[i] == model[pos + i]; i++)
		;
	if (i < want)
		fail("operation %u (kind %d, %u+%u, from %u): %s gives %02x at %u, not %02x", n,
		     op->kind, op->pos, op->len, op->from, by_map ? "a load" : "read", data[i],
		     pos + i, model[pos + i]);
}

static uint32_t operations = 600;
static uint64_t seed = 1;

static void random_operations_on_one_file(void)
{
	uint32_t n;
	int fd;

	random_state = seed * 0x9E3779B97F4A7C15u | 1;
	memset(model, 0, sizeof(model));
	model_size = 0;
	BY(A) put("random", "", 0);
	fd = OK(open("random", O_RDWR));
	mapped = map(fd, FILE_MAX, PROT_READ | PROT_WRITE);
	for (n = 0; n < operations; n++) {
		struct op op = next_op();
		int who = (int)rnd(2);

		BY(who) carry_out(fd, &op);
		apply(&op);
		look(fd, n, &op);
		meet();
	}
	OK(munmap(mapped, FILE_MAX));
	OK(close(fd));
	meet();
	BY(A) OK(unlink("random"));
}

/* ---- */
static const struct {
	const char *name;
	void (*run)(void);
} cases[] = {
#define CASE(name)                                                                                 \
	{                                                                                          \
#name, name                                                                        \
	}
	CASE(names_are_seen),
	CASE(one_of_two_makes_a_name),
	CASE(attributes_are_seen),
	CASE(permission_is_taken_at_once),
	CASE(open_file_outlives_its_name_elsewhere),
	CASE(data_is_seen),
	CASE(appended_lines_are_whole),
	CASE(stores_are_loaded),
	CASE(truncation_reaches_mapped_memory),
	CASE(io_from_its_own_mapping),
	CASE(locks_exclude),
	CASE(random_operations_on_one_file),
};

/* The one makes the words, the other waits for their name. */
static void find_each_other(void)
{
	int fd, tries;

	if (role == A) {
		fd = OK(open("words.new", O_CREAT | O_RDWR, 0644));
		OK(ftruncate(fd, PAGE));
		OK(rename("words.new", "words"));
	} else {
		for (tries = 0; (fd = open("words", O_RDWR)) < 0 && tries < 3000; tries++)
			usleep(10000);
		OK(fd);
	}
	words = map(fd, PAGE, PROT_READ | PROT_WRITE);
	OK(close(fd));
	meet();
}

int main(int argc, char **argv)
{
	int option;

	setvbuf(stdout, NULL, _IOLBF, 0);
	while ((option = getopt(argc, argv, "n:s:")) != -1) {
		if (option == 'n')
			operations = (uint32_t)atoi(optarg);
		else if (option == 's')
			seed = (uint64_t)atoll(optarg);
		else
			return 2;
	}
	if (argc - optind != 2)
		return 2;
	role = argv[optind][0] == 'b';
	OK(chdir(argv[optind + 1]));
	umask(022);
	find_each_other();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		case_name = cases[i].name;
		__atomic_store_n(&words[COUNTER], 0, __ATOMIC_SEQ_CST);
		meet();
		cases[i].run();
		meet();
		if (role == A)
			printf("PASS %s\n", case_name);
	}
	meet();
	return 0;
}
