/* SPDX-License-Identifier: BSD-2-Clause */
/* How the two programs of uml_pair.c meet, and what they check with. */
#ifndef MPDISK_UML_PAIR_H
#define MPDISK_UML_PAIR_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define PAGE 4096u

extern int pair_role; /* A or B */

/* Says what is wrong, ends both. */
void pair_fail(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));
/* Waits for the other one. */
void pair_meet(void);
/* A file with this content. */
void pair_put(const char *name, const void *data, size_t len);
/* A shared mapping. */
void *pair_map(int fd, size_t len, int prot);

/* uml_pair_random.c */
void random_operations_on_one_file(void);
extern uint32_t pair_operations;
extern uint64_t pair_seed;

/* uml_pair_locks.c */
void locks_exclude(void);
void leases_are_refused(void);
void locks_change_hands(void);
void many_wait_for_a_lock(void);
void waits_for_locks_end(void);

/* uml_pair_pages.c */
extern const char *pair_disk; /* a disk of this machine, the same for both */
void direct_io_of_mapped_memory(void);
void held_pages_outlive_the_file(void);
void futexes_wake_processes(void);
void mapping_grows(void);
void flags_are_seen(void);
void parent_of_a_moved_directory(void);

#define OK(call)                                                                                   \
	({                                                                                         \
		__typeof__(call) r_ = (call);                                                      \
		if (r_ < 0)                                                                        \
			pair_fail("line %d: %s: %s", __LINE__, #call, strerror(errno));            \
		r_;                                                                                \
	})
#define TRUE(condition)                                                                            \
	do {                                                                                       \
		if (!(condition))                                                                  \
			pair_fail("line %d: not true: %s", __LINE__, #condition);                  \
	} while (0)
#define FAILS(error, call)                                                                         \
	do {                                                                                       \
		errno = 0;                                                                         \
		if ((call) >= 0 || errno != (error))                                               \
			pair_fail("line %d: %s: %s, expected %s", __LINE__, #call,                 \
				  strerror(errno), strerror(error));                               \
	} while (0)

/* The one does something, then the other. */
#define BY(who)                                                                                    \
	for (int once_ = 1; once_; pair_meet(), once_ = 0)                                         \
		if (pair_role == (int)(who))
enum { A, B };

#endif
