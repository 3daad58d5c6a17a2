/* SPDX-License-Identifier: BSD-2-Clause */
/* Locks of open files (F_OFD_SETLK) by which the hosts of a pool know of each other: on the pool
 * file, one byte each, far behind its end, and on the image. Every kind of host uses them. */
#ifndef MPDISK_LOCKS_H
#define MPDISK_LOCKS_H

#define MPDISK_LOCK_JOIN (1ll << 40)            /* who formats, joins or leaves */
#define MPDISK_LOCK_HOST(n) ((1ll << 40) + (n)) /* held while host n lives */
#define MPDISK_LOCK_IMAGE (1ll << 40)           /* shared: mounted by some pool */
#define MPDISK_LOCK_WRITER ((1ll << 40) + 1)    /* shared: ... which writes to it */

#endif
