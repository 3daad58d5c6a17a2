/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The core's headers in a file of the kernel module. Some names mean something else in the kernel:
 * here the core's are pool_atomic_add(), pool_atomic_or(), pool_atomic_and() and x->fs_cred, and
 * BLOCK_SIZE is the core's 4096. Comes behind all <linux/...>.
 *
 * The kernel's own atomics, locks and barriers order nothing between two UMLs (a UML kernel is
 * built for one processor): whatever is in the pool is touched by the core's functions only.
 */
#ifndef MPDISK_LINUX_CORE_H
#define MPDISK_LINUX_CORE_H

#include <linux/cred.h>
#include <linux/fs.h>
#include <linux/overflow.h>

#undef BLOCK_SIZE
#undef array_size
#define cred fs_cred
#define atomic_add pool_atomic_add
#define atomic_or pool_atomic_or
#define atomic_and pool_atomic_and

#include "fs/fs.h"
#include "pool/frame.h"
#include "port/host.h"

#undef cred
#undef atomic_add
#undef atomic_or
#undef atomic_and
#undef array_size

#endif
