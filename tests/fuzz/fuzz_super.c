/* SPDX-License-Identifier: BSD-2-Clause */
/* Hostile bytes in the superblock, group descriptors and bitmaps. */
#include "tests/fuzz/world.h"

const char target_images[4][12] = {"csum.img", "plain.img", "big.img", "orphan.img"};

bool target_wanted(const struct place *p)
{
	return p->kind <= PLACE_INODE_BITMAP;
}
