/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The core as one piece of code that runs wherever it is put: in a kernel module, and in a pool. It
 * begins with this header; behind it are the offsets of its functions, in the order of their names.
 * Nothing in it is relocated, nothing is written to. It calls its platform through struct plat.
 */
#ifndef MPDISK_CODE_H
#define MPDISK_CODE_H

#include "platform/types.h"

#define CODE_MAGIC 0x4345444Fu /* "ODEC" */

struct code_header {
	u32 magic;
	u32 size;  /* bytes, with this header */
	u32 count; /* offsets */
	u32 names; /* CRC32C of the names of the functions: what the n-th offset means */
	u32 abi;   /* of a pool: pool_abi() of who has put it there */
	u32 sum;   /* of a pool: CRC32C of the code behind the header */
	u32 reserved[2];
	u32 offsets[];
};
_Static_assert(sizeof(struct code_header) == 32, "struct code_header");

#endif
