/* SPDX-License-Identifier: BSD-2-Clause */
/* Hostile bytes in extended attributes in blocks and inodes. */
#include "tests/fuzz/world.h"

const char target_images[4][12] = {"csum.img", "plain.img", "big.img", "orphan.img"};

bool target_wanted(const struct place *p)
{
	return p->kind == PLACE_XATTR || p->kind == PLACE_INODE;
}
