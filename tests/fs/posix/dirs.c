// SPDX-License-Identifier: BSD-2-Clause
/* Listing directories. */
#define _GNU_SOURCE
#include "suite.h"

#include <dirent.h>

#define MANY 500

static void make_many(void)
{
	char name[32];
	int i;

	OK(mkdir("d", 0755));
	for (i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "d/entry-%d", i);
		touch(name, 0644);
	}
}

/* Marks what is listed from here on; the number of entries. */
static int list(DIR *dir, unsigned char *seen)
{
	struct dirent *e;
	int n = 0, i;

	errno = 0;
	while ((e = readdir(dir)) != NULL) {
		n++;
		if (sscanf(e->d_name, "entry-%d", &i) == 1 && seen[i]++)
			FAIL("%s is listed twice", e->d_name);
	}
	EQ(errno, 0);
	return n;
}

CHECK(readdir, shows_every_entry_once)
{
	unsigned char seen[MANY] = {0};
	DIR *dir;
	int i;

	make_many();
	dir = opendir("d");
	EQ(list(dir, seen), MANY + 2);
	for (i = 0; i < MANY; i++)
		EQ(seen[i], 1);
}

CHECK(readdir, shows_dots_types_and_numbers)
{
	struct dirent *e;
	int dots = 0, n = 0;
	enum type t;
	DIR *dir;

	OK(mkdir("d", 0755));
	OK(chdir("d"));
	for (t = REG; t < TYPES; t++)
		make(t, type_names[t], 0644);
	dir = opendir(".");
	while ((e = readdir(dir)) != NULL) {
		struct stat s = st(e->d_name);

		n++;
		if (strcmp(e->d_name, "..")) /* may be another mount */
			EQ(e->d_ino, s.st_ino);
		TRUE(e->d_type == DT_UNKNOWN || e->d_type == IFTODT(s.st_mode));
		dots += e->d_name[0] == '.';
	}
	EQ(n, TYPES + 2);
	EQ(dots, 2);
}

CHECK(readdir, rewinds)
{
	unsigned char seen[MANY] = {0};
	DIR *dir;

	make_many();
	dir = opendir("d");
	EQ(list(dir, seen), MANY + 2);
	touch("d/new", 0644);
	memset(seen, 0, sizeof(seen));
	rewinddir(dir);
	EQ(list(dir, seen), MANY + 3);
}

CHECK(readdir, goes_on_at_any_position)
{
	long positions[MANY + 2];
	char names[MANY + 2][16];
	struct dirent *e;
	int n, i;
	DIR *dir;

	make_many();
	dir = opendir("d");
	for (n = 0; n < MANY + 2; n++) {
		positions[n] = telldir(dir);
		e = readdir(dir);
		TRUE(e);
		snprintf(names[n], sizeof(names[n]), "%.15s", e->d_name);
	}
	for (i = n - 1; i >= 0; i -= 37) {
		seekdir(dir, positions[i]);
		e = readdir(dir);
		TRUE(e);
		if (strcmp(e->d_name, names[i]))
			FAIL("position of %s shows %s", names[i], e->d_name);
	}
}

CHECK(readdir, while_entries_go_shows_the_others_once)
{
	unsigned char seen[MANY] = {0};
	struct dirent *e;
	char name[32];
	int i, n = 0;
	DIR *dir;

	make_many();
	dir = opendir("d");
	while ((e = readdir(dir)) != NULL && n < 20)
		if (sscanf(e->d_name, "entry-%d", &i) == 1) {
			seen[i]++;
			n++;
		}
	for (i = 0; i < MANY; i += 2) {
		snprintf(name, sizeof(name), "d/entry-%d", i);
		OK(unlink(name));
	}
	if (e && sscanf(e->d_name, "entry-%d", &i) == 1)
		seen[i]++;
	list(dir, seen);
	for (i = 1; i < MANY; i += 2)
		EQ(seen[i], 1);
}

CHECK(readdir, while_entries_come_shows_the_old_ones_once)
{
	unsigned char seen[MANY] = {0};
	struct dirent *e;
	char name[300];
	int i, n = 0;
	DIR *dir;

	make_many();
	dir = opendir("d");
	while (n < 20 && (e = readdir(dir)) != NULL)
		if (sscanf(e->d_name, "entry-%d", &i) == 1) {
			seen[i]++;
			n++;
		}
	for (i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "d/another-%d-%s", i, letters('n', 100));
		touch(name, 0644);
	}
	while ((e = readdir(dir)) != NULL)
		if (sscanf(e->d_name, "entry-%d", &i) == 1 && seen[i]++)
			FAIL("%s is listed twice", e->d_name);
	for (i = 0; i < MANY; i++)
		EQ(seen[i], 1);
}

CHECK(readdir, removing_all_while_listing)
{
	struct dirent *e;
	DIR *dir;

	make_many();
	dir = opendir("d");
	while ((e = readdir(dir)) != NULL)
		if (e->d_name[0] != '.')
			OK(unlinkat(dirfd(dir), e->d_name, 0));
	OK(rmdir("d"));
}

CHECK(readdir, needs_read_permission)
{
	OK(mkdir("d", 0711));
	AS(USER)
	{
		TRUE(!opendir("d"));
		EQ(errno, EACCES);
	}
}

CHECK(readdir, of_long_names)
{
	struct dirent *e;
	int n = 0, i;
	DIR *dir;

	OK(mkdir("d", 0755));
	OK(chdir("d"));
	for (i = 0; i < 26; i++)
		touch(letters((char)('a' + i), NAME_MAX), 0644);
	dir = opendir(".");
	while ((e = readdir(dir)) != NULL)
		if (e->d_name[0] != '.') {
			EQ(strlen(e->d_name), NAME_MAX);
			n++;
		}
	EQ(n, 26);
}
