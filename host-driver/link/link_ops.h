/* SPDX-License-Identifier: BSD-2-Clause */
/* The carriers that link_open() knows. Only link.c and the carriers themselves include this. */
#ifndef MPDISK_LINK_OPS_H
#define MPDISK_LINK_OPS_H

#include "link.h"

extern const struct link_ops link_sim_ops;

#endif
