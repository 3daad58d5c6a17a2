/* SPDX-License-Identifier: BSD-2-Clause */
/* Hostile bytes in directories and their indices. */
#include "tests/fuzz/world.h"

const char target_images[4][12] = {"csum.img", "plain.img", "big.img", "big.img"};

bool target_wanted(const struct place *p)
{
	return p->kind == PLACE_DIR || p->kind == PLACE_DX || (p->kind == PLACE_INODE && p->dir);
}
