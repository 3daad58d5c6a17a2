// SPDX-License-Identifier: BSD-2-Clause
/* File data that goes through pipes of the kernel: sendfile, splice. */
#define _GNU_SOURCE
#include "suite.h"

#include <sys/sendfile.h>

#define SIZE 200000u

static int source(char *bytes)
{
	int fd = (int)OK(open("from", O_CREAT | O_RDWR, 0644));

	for (unsigned i = 0; i < SIZE; i++)
		bytes[i] = (char)(i * 7 + i / 4096);
	EQ(write(fd, bytes, SIZE), SIZE);
	return fd;
}

static void is_copied(int fd, const char *bytes)
{
	static char seen[SIZE + 1];

	EQ(pread(fd, seen, sizeof(seen), 0), SIZE);
	TRUE(!memcmp(seen, bytes, SIZE));
}

CHECK(sendfile, copies)
{
	static char bytes[SIZE];
	int in = source(bytes), out = (int)OK(open("to", O_CREAT | O_RDWR, 0644));
	off_t from = 0;

	while (from < SIZE)
		TRUE(sendfile(out, in, &from, SIZE) > 0);
	EQ(sendfile(out, in, &from, SIZE), 0);
	is_copied(out, bytes);
}

CHECK(splice, copies_through_a_pipe)
{
	static char bytes[SIZE];
	int in = source(bytes), out = (int)OK(open("to", O_CREAT | O_RDWR, 0644)), ends[2];
	loff_t from = 0, to = 0;

	OK(pipe(ends));
	while (to < SIZE) {
		ssize_t n = splice(in, &from, ends[1], NULL, 50001, 0);

		TRUE(n > 0);
		while (n) {
			ssize_t moved = splice(ends[0], NULL, out, &to, (size_t)n, 0);

			TRUE(moved > 0);
			n -= moved;
		}
	}
	EQ(splice(in, &from, ends[1], NULL, 4096, 0), 0);
	is_copied(out, bytes);
	close(ends[1]);
	close(ends[0]);
}
