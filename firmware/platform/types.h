/* SPDX-License-Identifier: BSD-2-Clause */
/* The scalar types of the core. Little-endian machines only: medium, wire and pool are read as they
 * are. */
#ifndef MPDISK_TYPES_H
#define MPDISK_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "little-endian machines only");

typedef uint8_t u8;
typedef uint16_t u16;
typedef unsigned int u32; /* on RV32 uint32_t is unsigned long, which printf's %u is not */
typedef uint64_t u64;
typedef int s32;
typedef int64_t s64;

typedef u32 ref_t;    /* byte offset into the pool; 0 is none */
typedef u32 fno_t;    /* frame number: ref >> 12; 0 is none */
typedef u64 blkno_t;  /* 4 KiB block on the medium */
typedef u32 lblk_t;   /* 4 KiB block within a file */
typedef u32 ino_no_t; /* inode number */
typedef u64 node_t;   /* what a host calls an inode: generation << 32 | inode number */

#define BLOCK_SHIFT 12u
#define BLOCK_SIZE 4096u

#define warn_unused __attribute__((warn_unused_result))

#define min_of(a, b) ((a) < (b) ? (a) : (b))
#define max_of(a, b) ((a) > (b) ? (a) : (b))
#define array_size(a) (sizeof(a) / sizeof((a)[0]))

#endif
