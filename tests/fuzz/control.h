/* SPDX-License-Identifier: BSD-2-Clause */
/* The control thread's part of a vhost-user device, step by step. */
#ifndef MPDISK_FUZZ_CONTROL_H
#define MPDISK_FUZZ_CONTROL_H

#include "host-driver/vhost/vhost.h"

#define CONTROL_FEATURES_INDIRECT 0x01u
#define CONTROL_FEATURES_EVENT_IDX 0x02u
#define CONTROL_FEATURES_PROTOCOL 0x04u

/* A guest has come, at the other end of this socket; none is there. */
void control_connect(struct vhost *vhost, int socket);
/* Carries out the messages that have come. */
void control_take(struct vhost *vhost);
/* The guest has broken a rule, and is to be ended. */
bool control_is_broken(struct vhost *vhost);
/* What the device offers, without these. */
uint64_t control_features(uint32_t without);
uint64_t control_protocol_features(void);

#endif
