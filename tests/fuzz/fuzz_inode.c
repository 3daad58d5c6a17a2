/* SPDX-License-Identifier: BSD-2-Clause */
/* Hostile bytes in inodes and extent trees. */
#include "tests/fuzz/world.h"

const char target_images[4][12] = {"csum.img", "plain.img", "big.img", "orphan.img"};

bool target_wanted(const struct place *p)
{
	return p->kind == PLACE_INODE || p->kind == PLACE_EXTENT;
}
