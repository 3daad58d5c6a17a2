/* SPDX-License-Identifier: BSD-2-Clause */
/* The names of FUSE operations, for people. Includes nobody's definition of the protocol. */
#ifndef MPDISK_FUSE_OPCODE_H
#define MPDISK_FUSE_OPCODE_H

#include <stdint.h>

/* "LOOKUP", or "?". */
const char *fuse_opcode_name(uint32_t opcode);

#endif
