/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Test harness: cases register themselves, each runs in a child process of its own with a time
 * limit, and prints one line as tests/README.md says.
 *
 *	TEST(punch_hole_keeps_size)
 *	{
 *		CHECK_ERR(fs_fallocate(...), 0);
 *		CHECK_EQ(attr.size, 8192);
 *	}
 *
 * main() is the harness's: `suite [-v] [-l] [case-pattern]` (a shell pattern; -v: the core's log).
 */
#ifndef MPDISK_TEST_HARNESS_H
#define MPDISK_TEST_HARNESS_H

#include "platform/errno.h"
#include "platform/types.h"

struct test_case {
	const char *name;
	void (*run)(void);
	int seconds; /* limit */
	struct test_case *next;
};

void test_register(struct test_case *c);

#define TEST_TIMED(id, limit)                                                                      \
	static void test_##id(void);                                                               \
	static struct test_case test_case_##id = {#id, test_##id, limit, NULL};                    \
	__attribute__((constructor)) static void test_register_##id(void)                          \
	{                                                                                          \
		test_register(&test_case_##id);                                                    \
	}                                                                                          \
	static void test_##id(void)

#define TEST(id) TEST_TIMED(id, 60)

/* Ends the case as failed. */
void test_fail(const char *file, int line, const char *fmt, ...)
	__attribute__((noreturn, format(printf, 3, 4)));

#define CHECK(cond)                                                                                \
	do {                                                                                       \
		if (!(cond))                                                                       \
			test_fail(__FILE__, __LINE__, "%s", #cond);                                \
	} while (0)

#define CHECK_EQ(got, want)                                                                        \
	do {                                                                                       \
		long long got_ = (long long)(got), want_ = (long long)(want);                      \
		if (got_ != want_)                                                                 \
			test_fail(__FILE__, __LINE__, "%s is %lld, not %lld", #got, got_, want_);  \
	} while (0)

/* For calls that return 0, a count or a negative errno. */
#define CHECK_ERR(call, want) CHECK_EQ(call, want)
#define CHECK_OK(call) CHECK_EQ(call, 0)

/* A file that is removed when the case is over, however it ends. */
void test_temporary(const char *path);

/* True with -v: more output is welcome. */
bool test_verbose(void);

/* A seed of the run that is printed when the case fails: MPDISK_SEED in the environment fixes it.
 */
u32 test_seed(void);

#endif
