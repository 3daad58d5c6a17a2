// SPDX-License-Identifier: BSD-2-Clause
/*
 * uml_load DISK NAME ACKED: works on a shared filesystem until DISK/stop exists; what it has
 * completed is to be there whatever dies. Writes how many rounds it has completed to ACKED (outside
 * of DISK) after each, and prints their number and the longest time of one, in ms.
 *
 * It holds a lock on DISK/held.NAME-without-digits and an open file without a name for life:
 * whoever bears the same name later must get the lock.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define NAMES 20u
#define SIZE 9000u
#define LONG_MS 100u

static const char *name;

static void die(const char *what)
{
	printf("FAIL %s: %s: %s\n", name, what, strerror(errno));
	exit(1);
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static bool lock(int fd, short type, bool wait)
{
	struct flock flock = {.l_type = type, .l_whence = SEEK_SET, .l_len = 1};

	return fcntl(fd, wait ? F_SETLKW : F_SETLK, &flock) == 0;
}

/* Somebody of this name may just have died with it. */
static void hold(void)
{
	char path[64];
	uint64_t since = now_ms();
	int fd;

	snprintf(path, sizeof(path), "held.%.*s", (int)strcspn(name, "0123456789"), name);
	fd = open(path, O_RDWR | O_CREAT, 0644);
	if (fd < 0)
		die(path);
	while (!lock(fd, F_WRLCK, false)) {
		if (errno != EAGAIN || now_ms() - since > 5000)
			die("the lock of a dead host");
		usleep(10000);
	}
	printf("%s: lock after %d ms\n", name, (int)(now_ms() - since));
	fd = open(".", O_TMPFILE | O_RDWR, 0600);
	if (fd < 0 || ftruncate(fd, 1 << 20) != 0 || pwrite(fd, path, sizeof(path), 4096) < 0)
		die("a file without a name");
}

static void fill(char *data, unsigned round)
{
	for (unsigned i = 0; i < SIZE; i++)
		data[i] = (char)(name[0] + round + i / 100);
}

/* A file is written, renamed, and read back. */
static void one_file(unsigned round)
{
	static char data[SIZE], seen[SIZE];
	char path[64], renamed[80];
	int fd;

	snprintf(path, sizeof(path), "%s.%u", name, round % NAMES);
	snprintf(renamed, sizeof(renamed), "%s.whole", path);
	fill(data, round);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0644);
	if (fd < 0 || write(fd, data, SIZE) != SIZE)
		die(path);
	if (round % 16 == 0 && fsync(fd) != 0)
		die("fsync");
	close(fd);
	if (rename(path, renamed) != 0)
		die(renamed);
	fd = open(renamed, O_RDONLY);
	if (fd < 0 || read(fd, seen, SIZE) != SIZE || memcmp(seen, data, SIZE) != 0)
		die("not what was written");
	close(fd);
	if (round % 3 == 0 && unlink(renamed) != 0)
		die("unlink");
}

/* Everybody's line in one file, under a lock that everybody takes. */
static void one_line(int log, int shared, unsigned round)
{
	char line[64];
	int len = snprintf(line, sizeof(line), "%s %u\n", name, round);

	if (!lock(shared, F_WRLCK, true))
		die("lock");
	if (write(log, line, (size_t)len) != len)
		die("log");
	if (!lock(shared, F_UNLCK, true))
		die("unlock");
}

int main(int argc, char **argv)
{
	uint64_t worst = 0, last;
	unsigned round = 0;
	int log, shared, acked;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc != 4)
		return 2;
	name = argv[2];
	acked = open(argv[3], O_WRONLY | O_CREAT, 0644);
	if (acked < 0 || chdir(argv[1]) != 0)
		die("start");
	hold();
	log = open("log", O_WRONLY | O_APPEND | O_CREAT, 0644);
	shared = open("lock", O_RDWR | O_CREAT, 0644);
	if (log < 0 || shared < 0)
		die("files");
	for (last = now_ms(); access("stop", F_OK) != 0; round++) {
		char text[32];
		uint64_t now;
		int len;

		one_file(round);
		one_line(log, shared, round);
		now = now_ms();
		if (now - last > worst) {
			worst = now - last;
			if (worst >= LONG_MS) /* it may not live to print the last one */
				printf("%s: a round of %d ms\n", name, (int)worst);
		}
		last = now;
		len = snprintf(text, sizeof(text), "%u\n", round + 1);
		if (pwrite(acked, text, (size_t)len, 0) != len)
			die("acked");
	}
	printf("%s: %u rounds, the longest %d ms\n", name, round, (int)worst);
	return 0;
}
