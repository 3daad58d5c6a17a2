/* SPDX-License-Identifier: BSD-2-Clause */
/* Hostile bytes in a log that is to be replayed, and in the superblock. */
#include "tests/fuzz/world.h"

const char target_images[4][12] = {"log.img", "oldlog.img", "log.img", "v2log.img"};

bool target_wanted(const struct place *p)
{
	return p->kind == PLACE_LOG || p->kind == PLACE_SUPER;
}
