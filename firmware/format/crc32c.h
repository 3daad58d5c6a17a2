/* SPDX-License-Identifier: BSD-2-Clause */
/* CRC32C (Castagnoli), reflected, neither pre- nor post-inverted, as ext4 uses it. */
#ifndef MPDISK_CRC32C_H
#define MPDISK_CRC32C_H

#include "platform/types.h"

u32 crc32c(u32 crc, const void *data, u32 len);

#endif
