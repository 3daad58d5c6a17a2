/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the checks of the conformance suite are written with.
 *
 * A check is a function that runs in a process of its own, as root, in an empty directory of its
 * own with mode 0777, umask 0. It ends at the first thing that is not as expected.
 */
#ifndef MPDISK_POSIX_SUITE_H
#define MPDISK_POSIX_SUITE_H

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

struct check {
	void (*run)(void);
	const char *group; /* a call, or what it is about */
	const char *name;
};

#define CHECK(group_, name_)                                                                       \
	static void group_##_##name_(void);                                                        \
	static const struct check check_##group_##_##name_                                         \
		__attribute__((section("checks"), used, aligned(8))) = {group_##_##name_, #group_, \
									#name_};                   \
	static void group_##_##name_(void)

/* Adds a check at run time, for those that come from a table: run(arg). */
void add_check(const char *group, const char *name, void (*run)(unsigned int), unsigned int arg);
void paths_add_checks(void); /* paths.c */
void long_add_checks(void);  /* long.c: those that take long, with -L */

void fail_at(const char *file, int line, const char *format, ...)
	__attribute__((noreturn, format(printf, 3, 4)));

#define FAIL(...) fail_at(__FILE__, __LINE__, __VA_ARGS__)
/* This mount cannot be asked that, and why: the check is neither passed nor failed, a NOTE says so.
 */
void not_asked(const char *why) __attribute__((noreturn));
#define TRUE(condition)                                                                            \
	do {                                                                                       \
		if (!(condition))                                                                  \
			FAIL("not true: %s", #condition);                                          \
	} while (0)
#define EQ(a, b)                                                                                   \
	do {                                                                                       \
		long long a_ = (long long)(a), b_ = (long long)(b);                                \
		if (a_ != b_)                                                                      \
			FAIL("%s is %lld (0%llo), expected %lld", #a, a_, a_, b_);                 \
	} while (0)
/* The value of a call that must not fail. */
#define OK(call) must_work(__FILE__, __LINE__, (long long)(call), #call)
long long must_work(const char *file, int line, long long result, const char *call);
#define FAILS(error, call) must_fail(__FILE__, __LINE__, (long long)(call), error, #call)
void must_fail(const char *file, int line, long long result, int error, const char *call);

/* Users of the checks: neither is root, nor in a group of the other. */
enum { ROOT = 0, USER = 10001, OTHER = 10002 };
/* A group that USER is in besides its own. */
enum { EXTRA = 10003 };

/* The block that follows runs as this user, in a child; what fails there fails the check. */
#define AS(user) AS_GROUP(user, user)
#define AS_GROUP(uid, gid)                                                                         \
	if (become(uid, gid))                                                                      \
		for (;; end_child())
bool become(uid_t uid, gid_t gid);
void end_child(void) __attribute__((noreturn));
/* The same, as a process that goes on beside this one; joined by its pid. */
pid_t start_child(void);
void join_child(pid_t pid);

enum type { REG, DIRECTORY, FIFO, SOCKET, CHAR, BLOCK, SYMLINK, TYPES };
extern const char *const type_names[TYPES];
mode_t type_bits(enum type type);
/* A file of the type, with this mode (a symlink: pointing to "nowhere"). */
void make(enum type type, const char *path, mode_t mode);
void touch(const char *path, mode_t mode);
void put(const char *path, const char *text);
struct stat st(const char *path); /* lstat */
struct stat fst(int fd);
mode_t mode_of(const char *path); /* permission bits */
void remove_any(const char *path);

/* A name of n times the letter, and a path of `len` bytes to `name`, through "./". Static buffers.
 */
const char *letters(char letter, unsigned int n);
const char *long_path(const char *name, unsigned int len);

/* Waits until the filesystem's clock has gone on. */
void tick(void);
/* The times of `path` ("amc") that the operation changes; the others stay. */
#define CHANGES(path, which, ...)                                                                  \
	do {                                                                                       \
		struct stat before_ = st(path);                                                    \
		tick();                                                                            \
		__VA_ARGS__;                                                                       \
		times_changed(__FILE__, __LINE__, &before_, path, which);                          \
	} while (0)
void times_changed(const char *file, int line, const struct stat *before, const char *path,
		   const char *which);
void fd_times_changed(const char *file, int line, const struct stat *before, int fd,
		      const char *which);

/* Whether the mount is one of the kernel's own ext4: only for limits that FUSE sets. */
extern bool on_ext4;
/* The same directory on another host's mount of the filesystem, or NULL (-2). */
extern const char *second_dir;
void second_host(void);       /* goes to the check's directory there */
extern const char *suite_dir; /* the directory that was given, absolute */

#endif
