/* SPDX-License-Identifier: BSD-2-Clause */
/* Apart from the target: the core has its own atomics (control.h). */
#include "tests/fuzz/control.h"

#include "host-driver/vhost/vhost_priv.h"

void control_connect(struct vhost *vhost, int socket)
{
	vhost->connection = socket;
}

void control_take(struct vhost *vhost)
{
	int err;

	while (!control_is_broken(vhost)) {
		err = receive_message(vhost);
		if (!err)
			return;
		if (err > 0) {
			err = handle_message(vhost);
			receive_next(vhost);
		}
		if (err)
			vhost_fail(vhost, "a message that cannot be carried out");
	}
}

bool control_is_broken(struct vhost *vhost)
{
	return atomic_load(&vhost->why) != NULL;
}

uint64_t control_features(uint32_t without)
{
	uint64_t features = VHOST_FEATURES;

	if (without & CONTROL_FEATURES_INDIRECT)
		features &= ~(1ull << VIRTIO_RING_F_INDIRECT_DESC);
	if (without & CONTROL_FEATURES_EVENT_IDX)
		features &= ~(1ull << VIRTIO_RING_F_EVENT_IDX);
	if (without & CONTROL_FEATURES_PROTOCOL)
		features &= ~(1ull << VHOST_F_PROTOCOL_FEATURES);
	return features;
}

uint64_t control_protocol_features(void)
{
	return VHOST_PROTOCOL_FEATURES;
}
