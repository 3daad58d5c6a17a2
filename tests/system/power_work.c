/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * power_work [-c] DIR STATE: work whose every step is known by its number, on a device whose power
 * may go at any moment.
 *
 * Finds out which step the filesystem in DIR is at: it must show exactly what the first k steps
 * leave, for a k that is not before the last fsync that has returned and not behind the last step
 * that was begun (STATE, a file outside of DIR, says which). Then goes on with step k + 1 until the
 * device is gone. -c: only checks. Exit status 0: as it must be, or the device is gone; 1: not.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEPT 24u /* files at a time */

struct state {
	uint32_t begun, synced;
};

struct file { /* number n lives in one of KEPT places */
	uint32_t n;
	bool exists, renamed;
	uint32_t size;
};

static struct state *state;
static struct file files[KEPT];
static const char *top;

/* Of the six steps for each file: create, write, rename, append, fsync, delete an old one. */
enum step { CREATE, WRITE, RENAME, APPEND, FSYNC, DELETE, STEPS };

static bool gone(void)
{
	return errno == EIO || errno == ENOTCONN || errno == ENODEV || errno == ECONNABORTED;
}

static void stop(const char *what)
{
	if (gone())
		exit(0);
	printf("step %u: %s: %s\n", state->begun, what, strerror(errno));
	exit(1);
}

static uint8_t byte_at(uint32_t n, uint32_t pos)
{
	return (uint8_t)(((pos ^ n * 40503u) * 2654435761u) >> 13) | 1;
}

static void path_of(const struct file *f, char *path, size_t size)
{
	snprintf(path, size, "%s/%c%u", top, f->renamed ? 'r' : 'n', f->n);
}

/* ---- the model */
static uint32_t first_size(uint32_t n)
{
	return n * 937 % 13000;
}

static uint32_t more(uint32_t n)
{
	return 1 + n * 571 % 6000;
}

static struct file *step_file(uint32_t i, enum step *what)
{
	uint32_t n = (i - 1) / STEPS + 1;

	*what = (enum step)((i - 1) % STEPS);
	if (*what == DELETE)
		n = n >= KEPT / 2 ? n - KEPT / 2 + 1 : 0;
	return &files[n % KEPT];
}

static void model_step(uint32_t i)
{
	uint32_t n = (i - 1) / STEPS + 1;
	enum step what;
	struct file *f = step_file(i, &what);

	switch (what) {
	case CREATE:
		*f = (struct file){.n = n, .exists = true};
		break;
	case WRITE:
		f->size = first_size(n);
		break;
	case RENAME:
		f->renamed = true;
		break;
	case APPEND:
		f->size += more(n);
		break;
	case DELETE:
		f->exists = false;
		break;
	default:
		break;
	}
}

/* ---- the filesystem */
static int file_is(const struct file *f)
{
	static uint8_t data[32768];
	char path[300];
	ssize_t n;
	int fd;

	path_of(f, path, sizeof(path));
	fd = open(path, O_RDONLY);
	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0)
		stop(path);
	n = read(fd, data, sizeof(data));
	if (n < 0)
		stop(path);
	close(fd);
	if ((uint32_t)n != f->size)
		return 0;
	for (uint32_t i = 0; i < f->size; i++)
		if (data[i] != byte_at(f->n, i)) {
			printf("%s: byte %u of %u is 0x%02x\n", path, i, f->size, data[i]);
			exit(1);
		}
	return 1;
}

static uint32_t count_names(void)
{
	DIR *dir = opendir(top);
	struct dirent *e;
	uint32_t n = 0;

	if (!dir)
		stop(top);
	errno = 0;
	while ((e = readdir(dir)))
		n += e->d_name[0] == 'n' || e->d_name[0] == 'r';
	if (errno)
		stop(top);
	closedir(dir);
	return n;
}

/* Most files are the same after several steps: each is read once, for nobody changes them
 * meanwhile. */
static bool is_there(uint32_t i)
{
	static struct file seen[KEPT];

	if (memcmp(&seen[i], &files[i], sizeof(seen[i])) == 0)
		return true;
	if (!file_is(&files[i]))
		return false;
	seen[i] = files[i];
	return true;
}

static bool is_at(uint32_t names)
{
	uint32_t want = 0;

	for (uint32_t i = 0; i < KEPT; i++)
		want += files[i].exists;
	if (want != names)
		return false;
	for (uint32_t i = 0; i < KEPT; i++)
		if (files[i].exists && !is_there(i))
			return false;
	return true;
}

/* The step that it is at; the latest, where several leave the same. */
static uint32_t find_step(void)
{
	uint32_t names = count_names(), at = 0, k;
	struct file then[KEPT];
	bool found = false;

	for (k = 0; k <= state->begun; k++) {
		if (k)
			model_step(k);
		if (k >= state->synced && is_at(names)) {
			found = true;
			at = k;
			memcpy(then, files, sizeof(then));
		}
	}
	if (!found) {
		printf("no state from step %u to %u has these %u files\n", state->synced,
		       state->begun, names);
		exit(1);
	}
	memcpy(files, then, sizeof(then));
	return at;
}

static void put(const char *path, uint32_t n, uint32_t from, uint32_t len)
{
	static uint8_t data[32768];
	int fd = open(path, O_WRONLY | O_APPEND);

	if (fd < 0)
		stop(path);
	for (uint32_t i = 0; i < len; i++)
		data[i] = byte_at(n, from + i);
	if (write(fd, data, len) != (ssize_t)len)
		stop(path);
	if (close(fd))
		stop(path);
}

static void do_step(uint32_t i)
{
	char path[300], new[300];
	enum step what;
	struct file *f = step_file(i, &what);
	struct file after;
	int fd;

	if (what == CREATE)
		*f = (struct file){.n = (i - 1) / STEPS + 1};
	path_of(f, path, sizeof(path));
	after = *f;
	after.renamed = true;
	path_of(&after, new, sizeof(new));
	switch (what) {
	case CREATE:
		fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0644);
		if (fd < 0 || close(fd))
			stop(path);
		break;
	case WRITE:
		put(path, f->n, 0, first_size(f->n));
		break;
	case RENAME:
		if (rename(path, new))
			stop(path);
		break;
	case APPEND:
		put(path, f->n, f->size, more(f->n));
		break;
	case FSYNC:
		if (f->n % 2)
			break;
		fd = open(path, O_RDONLY);
		if (fd < 0 || fsync(fd))
			stop(path);
		state->synced = i;
		close(fd);
		break;
	default:
		if (f->exists && unlink(path))
			stop(path);
		break;
	}
	model_step(i);
}

int main(int argc, char **argv)
{
	bool check = argc > 1 && !strcmp(argv[1], "-c");
	uint32_t at;
	int fd;

	if (argc != 3 + check) {
		fprintf(stderr, "usage: power_work [-c] DIR STATE\n");
		return 2;
	}
	top = argv[1 + check];
	fd = open(argv[2 + check], O_RDWR | O_CREAT, 0600);
	if (fd < 0 || ftruncate(fd, sizeof(*state))) {
		perror(argv[2 + check]);
		return 2;
	}
	state = mmap(NULL, sizeof(*state), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (state == MAP_FAILED)
		return 2;
	at = find_step();
	printf("at step %u of %u to %u\n", at, state->synced, state->begun);
	fflush(stdout);
	state->synced = at; /* recovery has brought it home */
	if (check)
		return 0;
	for (uint32_t i = at + 1;; i++) {
		state->begun = i;
		do_step(i);
	}
}
