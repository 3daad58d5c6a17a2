/* SPDX-License-Identifier: BSD-2-Clause */
/* What needs nobody's definition of the FUSE protocol to be included. */
#ifndef MPDISK_FUSE_OPCODE_H
#define MPDISK_FUSE_OPCODE_H

#include <stdbool.h>
#include <stdint.h>

/* "LOOKUP", or "?". */
const char *fuse_opcode_name(uint32_t opcode);

/*
 * What options of a mount change in a request of len bytes before it is served.
 * local_locks: INIT does not say that the kernel hands on the locks on files. Then it keeps them to
 * itself, and a close that has nothing else to bring sends no FLUSH.
 * noatime: every file is read as one that was opened with O_NOATIME.
 */
void fuse_apply_options(void *message, uint32_t len, bool local_locks, bool noatime);

#endif
