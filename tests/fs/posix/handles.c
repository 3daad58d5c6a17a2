// SPDX-License-Identifier: BSD-2-Clause
/* File handles (name_to_handle_at, open_by_handle_at): what NFS servers and watchers know files by.
 */
#define _GNU_SOURCE
#include "suite.h"

struct handle {
	struct file_handle head;
	unsigned char bytes[MAX_HANDLE_SZ];
};

static struct handle handle_of(const char *path)
{
	struct handle h = {.head.handle_bytes = MAX_HANDLE_SZ};
	int mount;

	OK(name_to_handle_at(AT_FDCWD, path, &h.head, &mount, 0));
	return h;
}

/* A descriptor, or -1 and errno. */
static int by_handle(struct handle *h, int flags)
{
	int here = (int)OK(open(".", O_RDONLY | O_DIRECTORY)), error, fd;

	fd = open_by_handle_at(here, &h->head, flags);
	error = errno;
	close(here);
	errno = error;
	return fd;
}

static bool same_handle(const struct handle *a, const struct handle *b)
{
	return a->head.handle_type == b->head.handle_type &&
	       a->head.handle_bytes == b->head.handle_bytes &&
	       !memcmp(a->head.f_handle, b->head.f_handle, a->head.handle_bytes);
}

/* The kernel lets go of names and inodes that nobody uses, so that it has to ask for them. */
static void forget_names(void)
{
	int fd = (int)OK(open("/proc/sys/vm/drop_caches", O_WRONLY));

	EQ(write(fd, "2", 1), 1);
	OK(close(fd));
}

static void opens_as(struct handle *h, const struct stat *wanted)
{
	int fd = (int)OK(by_handle(h, O_PATH));
	struct stat s = fst(fd);

	EQ(s.st_ino, wanted->st_ino);
	EQ(s.st_mode, wanted->st_mode);
	EQ(s.st_nlink, wanted->st_nlink);
	OK(close(fd));
}

static void reads(struct handle *h, const char *text)
{
	char got[64];
	int fd = (int)OK(by_handle(h, O_RDONLY));

	EQ(read(fd, got, sizeof(got)), strlen(text));
	EQ(memcmp(got, text, strlen(text)), 0);
	OK(close(fd));
}

CHECK(handles, open_every_type)
{
	struct handle h[TYPES];
	struct stat s[TYPES];
	unsigned int i;

	for (i = 0; i < TYPES; i++) {
		make(i, type_names[i], 0640);
		h[i] = handle_of(type_names[i]);
		s[i] = st(type_names[i]);
		opens_as(&h[i], &s[i]);
	}
	forget_names();
	for (i = 0; i < TYPES; i++)
		opens_as(&h[i], &s[i]);
}

CHECK(handles, read_and_write)
{
	struct handle h;
	int fd;

	put("f", "text");
	h = handle_of("f");
	forget_names();
	reads(&h, "text");
	forget_names();
	fd = (int)OK(by_handle(&h, O_WRONLY | O_APPEND));
	EQ(write(fd, "ual", 3), 3);
	OK(close(fd));
	forget_names();
	reads(&h, "textual");
}

CHECK(handles, of_a_directory_know_the_way_up)
{
	char path[PATH_MAX], here[PATH_MAX];
	struct handle h;
	struct stat up;
	int fd;

	OK(mkdir("a", 0755));
	OK(mkdir("a/b", 0755));
	OK(mkdir("a/b/c", 0755));
	h = handle_of("a/b/c");
	forget_names();
	fd = (int)OK(by_handle(&h, O_RDONLY | O_DIRECTORY));
	OK(fstatat(fd, "..", &up, 0));
	EQ(up.st_ino, st("a/b").st_ino);
	TRUE(getcwd(here, sizeof(here) - 10));
	strcat(here, "/a/b/c");
	OK(fchdir(fd));
	TRUE(getcwd(path, sizeof(path)));
	EQ(strcmp(path, here), 0);
	OK(close(fd));
}

CHECK(handles, follow_what_is_renamed)
{
	struct handle file, dir, in;

	OK(mkdir("d", 0755));
	OK(mkdir("e", 0755));
	put("d/f", "text");
	put("g", "other");
	file = handle_of("g");
	dir = handle_of("d");
	in = handle_of("d/f");
	OK(rename("g", "e/h"));
	OK(rename("d", "e/d"));
	forget_names();
	reads(&file, "other");
	reads(&in, "text");
	opens_as(&dir, &(struct stat){.st_ino = st("e/d").st_ino,
				      .st_mode = S_IFDIR | 0755,
				      .st_nlink = 2});
}

CHECK(handles, of_all_links_are_one)
{
	struct handle a, b;

	put("a", "text");
	OK(link("a", "b"));
	a = handle_of("a");
	b = handle_of("b");
	TRUE(same_handle(&a, &b));
	OK(unlink("a"));
	forget_names();
	reads(&a, "text");
}

/* Here and below, what is to be gone has never been open: a FUSE mount closes files a little later
 * than close() returns. */
CHECK(handles, of_what_is_removed_are_stale)
{
	struct handle h[TYPES];
	unsigned int i;

	for (i = 0; i < TYPES; i++) {
		make(i, type_names[i], 0600);
		h[i] = handle_of(type_names[i]);
		remove_any(type_names[i]);
		FAILS(ESTALE, by_handle(&h[i], O_PATH));
	}
	forget_names();
	for (i = 0; i < TYPES; i++)
		FAILS(ESTALE, by_handle(&h[i], O_PATH));
}

/* The number of the inode comes again, the handle does not. */
CHECK(handles, do_not_mean_a_later_inode)
{
	struct handle old, new;
	struct stat wanted;
	ino_t ino;
	char name[20];
	unsigned int i;

	make(REG, "f", 0600);
	old = handle_of("f");
	ino = st("f").st_ino;
	OK(unlink("f"));
	for (i = 0;; i++) {
		snprintf(name, sizeof(name), "new%u", i);
		make(REG, name, 0640);
		new = handle_of(name);
		TRUE(!same_handle(&old, &new));
		FAILS(ESTALE, by_handle(&old, O_RDONLY));
		if (st(name).st_ino == ino || i == 100)
			break;
	}
	forget_names();
	FAILS(ESTALE, by_handle(&old, O_RDONLY));
	wanted = st(name);
	opens_as(&new, &wanted);
}

CHECK(handles, of_open_files_without_names_open)
{
	struct handle h;
	int fd;

	put("f", "text");
	h = handle_of("f");
	fd = (int)OK(open("f", O_RDONLY));
	OK(unlink("f"));
	reads(&h, "text");
	forget_names();
	reads(&h, "text");
	OK(close(fd));
}

CHECK(handles, are_opened_by_root_only)
{
	struct handle h;

	put("f", "text");
	h = handle_of("f");
	AS(USER)
	FAILS(EPERM, by_handle(&h, O_RDONLY));
}

/* A host opens what another has told it. */
CHECK(handles, mean_the_same_on_another_host)
{
	struct handle file, dir, gone;
	struct stat wanted;

	put("f", "text");
	OK(mkdir("d", 0755));
	make(REG, "gone", 0600);
	file = handle_of("f");
	dir = handle_of("d");
	gone = handle_of("gone");
	wanted = st("d");
	OK(unlink("gone"));
	second_host();
	reads(&file, "text");
	opens_as(&dir, &wanted);
	FAILS(ESTALE, by_handle(&gone, O_RDONLY));
}
