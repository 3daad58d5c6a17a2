/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a FUSE reply must look like before it may go to the kernel: the device is not trusted
 * either. Follows <linux/fuse.h>, protocol 7.31 to 7.36.
 */
#ifndef MPDISK_FUSE_RULES_H
#define MPDISK_FUSE_RULES_H

#include <stdbool.h>
#include <stdint.h>

#include <linux/fuse.h>

#include "fuse_opcode.h"

struct fuse_expect {
	uint64_t unique;
	uint32_t opcode;
	bool no_reply;
	uint32_t min; /* bytes that a success has after its fuse_out_header */
	uint32_t max;
};

/* Says what reply the request must get. -EINVAL: not a whole FUSE request. */
int fuse_expect(const void *message, uint32_t len, struct fuse_expect *expect)
	__attribute__((warn_unused_result));

/* The device's answer: its header, and how many bytes the device sent in all. */
bool fuse_reply_is_sound(const struct fuse_expect *expect, const struct fuse_out_header *header,
			 uint32_t len);

/* What the device grants in FUSE_INIT, cut down to what the kernel offered and this driver carries.
 * -EPROTO: there is no common protocol. */
int fuse_init_clamp(const struct fuse_init_in *in, struct fuse_init_out *out)
	__attribute__((warn_unused_result));

#endif
