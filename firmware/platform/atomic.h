/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Every atomic access and every ordering of the core. 32-bit words only.
 *
 * On the single-hart soft core a fiber is switched only where it waits, so plain operations do
 * (MPDISK_SINGLE_HART is set by platform/soc's build). Everywhere else these are the compiler's
 * __atomic_*: the pool is shared with processes and machines whose kernel atomics mean nothing
 * here.
 */
#ifndef MPDISK_ATOMIC_H
#define MPDISK_ATOMIC_H

#include "platform/types.h"

#ifdef MPDISK_SINGLE_HART
/* Whether somebody else may change or see the pool between two instructions of ours. */
#define POOL_SHARED 0

#define compiler_barrier() __asm__ volatile("" ::: "memory")

static inline void atomic_fence(void)
{
	compiler_barrier();
}

static inline void atomic_pause(void)
{
}

static inline u32 atomic_load(const u32 *p)
{
	return *(const volatile u32 *)p;
}

static inline u32 atomic_load_acquire(const u32 *p)
{
	u32 v = *(const volatile u32 *)p;

	compiler_barrier();
	return v;
}

static inline void atomic_store(u32 *p, u32 v)
{
	*(volatile u32 *)p = v;
}

static inline void atomic_store_release(u32 *p, u32 v)
{
	compiler_barrier();
	*(volatile u32 *)p = v;
}

static inline void atomic_store_first(u32 *p, u32 v)
{
	atomic_store(p, v);
}

static inline u32 atomic_load_after(const u32 *p)
{
	return atomic_load(p);
}

static inline bool atomic_cas(u32 *p, u32 *seen, u32 v)
{
	u32 now = *p;

	if (now != *seen) {
		*seen = now;
		return false;
	}
	*p = v;
	return true;
}

static inline u32 atomic_add(u32 *p, u32 v)
{
	return *p += v;
}

static inline u32 atomic_or(u32 *p, u32 v)
{
	u32 old = *p;

	*p = old | v;
	return old;
}

static inline u32 atomic_and(u32 *p, u32 v)
{
	u32 old = *p;

	*p = old & v;
	return old;
}

#else

#define POOL_SHARED 1

/* Every store before it is seen by all before any store after it. */
static inline void atomic_fence(void)
{
	__atomic_thread_fence(__ATOMIC_ACQ_REL);
}

static inline u32 atomic_load(const u32 *p)
{
	return __atomic_load_n(p, __ATOMIC_RELAXED);
}

/* What the releasing store's executor wrote before it is seen by what follows here. */
static inline u32 atomic_load_acquire(const u32 *p)
{
	return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}

static inline void atomic_store(u32 *p, u32 v)
{
	__atomic_store_n(p, v, __ATOMIC_RELAXED);
}

/* Everything written before is seen by whoever acquires this value. */
static inline void atomic_store_release(u32 *p, u32 v)
{
	__atomic_store_n(p, v, __ATOMIC_RELEASE);
}

/* Of two executors that each store one word first and load the other's after it, at least one sees
 * what the other has stored. */
static inline void atomic_store_first(u32 *p, u32 v)
{
	__atomic_store_n(p, v, __ATOMIC_SEQ_CST);
}

static inline u32 atomic_load_after(const u32 *p)
{
	return __atomic_load_n(p, __ATOMIC_SEQ_CST);
}

/* Acquire and release on success; on failure *seen is what was there. */
static inline bool atomic_cas(u32 *p, u32 *seen, u32 v)
{
	return __atomic_compare_exchange_n(p, seen, v, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

/* Returns the new value. */
static inline u32 atomic_add(u32 *p, u32 v)
{
	return __atomic_add_fetch(p, v, __ATOMIC_ACQ_REL);
}

/* Returns the old value. */
static inline u32 atomic_or(u32 *p, u32 v)
{
	return __atomic_fetch_or(p, v, __ATOMIC_ACQ_REL);
}

/* Returns the old value. */
static inline u32 atomic_and(u32 *p, u32 v)
{
	return __atomic_fetch_and(p, v, __ATOMIC_ACQ_REL);
}

/* Between two looks at a word that another executor is about to change. */
static inline void atomic_pause(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#else
	__asm__ volatile("" ::: "memory");
#endif
}
#endif

#endif
