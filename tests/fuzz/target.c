/* SPDX-License-Identifier: BSD-2-Clause */
/* What every target of the filesystem does with an input, and how inputs are mutated. */
#include "tests/fuzz/world.h"

struct image *target_image(const struct input *in)
{
	static struct image *images[4];
	u32 which = (in->head.flags & RUN_BIG ? 2 : 0) + (in->head.flags & RUN_NO_CSUM ? 1 : 0);

	if (!images[which])
		images[which] = world_image(target_images[which]);
	return images[which];
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct input in;
	struct image *m;
	bool fix;

	input_parse(&in, data, size);
	m = target_image(&in);
	fix = !(in.head.flags & RUN_NO_FIX) &&
	      (in.head.flags & RUN_BIG || !(in.head.flags & RUN_NO_CSUM));
	image_restore(m);
	image_patch(m, &in, fix, target_wanted);
	exercise(m, &in);
	return 0;
}
