/* SPDX-License-Identifier: BSD-2-Clause */
/* Runs a target on files, or on all files of folders: for `make test` and for looking at one. */
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "tests/fuzz/world.h"

#define SECONDS 60 /* an input takes milliseconds; only a hang takes so long on any machine */

static u32 count;
static const char *current;

static void too_long(int number)
{
	(void)number;
	fprintf(stderr, "fuzz: a hang: %s takes more than %d s\n", current, SECONDS);
	abort();
}

static void file(const char *path)
{
	static u8 data[65536];
	FILE *f = fopen(path, "rb");
	size_t size;
	u8 *copy;

	if (!f) {
		perror(path);
		exit(2);
	}
	size = fread(data, 1, sizeof(data), f);
	fclose(f);
	/* of just its size, so that reading behind it is noticed */
	copy = malloc(size ? size : 1);
	memcpy(copy, data, size);
	current = path;
	alarm(SECONDS);
	LLVMFuzzerTestOneInput(copy, size);
	alarm(0);
	free(copy);
	count++;
}

static void folder(const char *path)
{
	struct dirent **list;
	int n = scandir(path, &list, NULL, alphasort);

	for (int i = 0; i < n; i++) {
		char name[1024];

		snprintf(name, sizeof(name), "%s/%s", path, list[i]->d_name);
		if (list[i]->d_name[0] != '.')
			file(name);
		free(list[i]);
	}
	if (n >= 0)
		free(list);
}

int main(int argc, char **argv)
{
	struct timespec from, to;

	signal(SIGALRM, too_long);
	clock_gettime(CLOCK_MONOTONIC, &from);
	for (int i = 1; i < argc; i++) {
		struct stat st;

		if (!stat(argv[i], &st) && S_ISDIR(st.st_mode))
			folder(argv[i]);
		else
			file(argv[i]);
	}
	clock_gettime(CLOCK_MONOTONIC, &to);
	printf("%u inputs, %.1f s\n", count,
	       (double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec) / 1e9);
	return 0;
}
