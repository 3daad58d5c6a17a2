/* SPDX-License-Identifier: BSD-2-Clause */
/* What needs nobody's definition of the FUSE protocol to be included. */
#ifndef MPDISK_FUSE_OPCODE_H
#define MPDISK_FUSE_OPCODE_H

#include <stdint.h>

/* "LOOKUP", or "?". */
const char *fuse_opcode_name(uint32_t opcode);

/* Of an INIT request of len bytes: that the kernel hands on the locks on files is taken out. Then
 * it keeps them to itself, and a close that has nothing else to bring sends no FLUSH. */
void fuse_init_local_locks(void *message, uint32_t len);

#endif
