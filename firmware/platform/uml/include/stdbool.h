/* SPDX-License-Identifier: BSD-2-Clause */
/* What the core means by it, from the kernel. */
#include <linux/types.h>
