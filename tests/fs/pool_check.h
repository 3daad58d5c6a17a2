/* SPDX-License-Identifier: BSD-2-Clause */
/* A checker of the pool at rest: no executor is in an operation. */
#ifndef MPDISK_TEST_POOL_CHECK_H
#define MPDISK_TEST_POOL_CHECK_H

#include "pool/exec.h"

/*
 * Fails the case unless: every lock is free; every executor slot but those in use is empty, and
 * those are idle; chains, page lists, free lists and the orphan list are whole and hold each frame
 * and inode slot once; nothing is pinned but by the structures that say so; nobody edits, reads or
 * writes a frame; what is dirty is in the dirty map and is counted.
 */
void pool_check(struct exec *x);

#endif
