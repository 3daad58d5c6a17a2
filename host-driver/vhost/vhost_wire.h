/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Messages of the vhost-user protocol, as its specification has them (QEMU's documentation,
 * interop/vhost-user): format only. Rings and addresses are those of <linux/vhost_types.h>.
 */
#ifndef MPDISK_VHOST_WIRE_H
#define MPDISK_VHOST_WIRE_H

#include <stdint.h>

#include <linux/vhost_types.h>

enum vhost_request_code {
	VHOST_GET_FEATURES = 1,
	VHOST_SET_FEATURES = 2,
	VHOST_SET_OWNER = 3,
	VHOST_RESET_OWNER = 4,
	VHOST_SET_MEM_TABLE = 5,
	VHOST_SET_VRING_NUM = 8,
	VHOST_SET_VRING_ADDR = 9,
	VHOST_SET_VRING_BASE = 10,
	VHOST_GET_VRING_BASE = 11,
	VHOST_SET_VRING_KICK = 12,
	VHOST_SET_VRING_CALL = 13,
	VHOST_SET_VRING_ERR = 14,
	VHOST_GET_PROTOCOL_FEATURES = 15,
	VHOST_SET_PROTOCOL_FEATURES = 16,
	VHOST_GET_QUEUE_NUM = 17,
	VHOST_SET_VRING_ENABLE = 18,
	VHOST_SET_BACKEND_REQ_FD = 21,
	VHOST_GET_CONFIG = 24,
	VHOST_VRING_KICK = 35,
};

/* From the back end, on its own channel. */
enum vhost_backend_code {
	VHOST_BACKEND_VRING_CALL = 4,
};

#define VHOST_FLAG_VERSION_MASK 3u
#define VHOST_FLAG_VERSION 1u
#define VHOST_FLAG_REPLY (1u << 2)
#define VHOST_FLAG_NEED_REPLY (1u << 3)

#define VHOST_F_PROTOCOL_FEATURES 30 /* among the virtio features */

#define VHOST_PROTOCOL_F_MQ 0
#define VHOST_PROTOCOL_F_REPLY_ACK 3
#define VHOST_PROTOCOL_F_BACKEND_REQ 5
#define VHOST_PROTOCOL_F_CONFIG 9
#define VHOST_PROTOCOL_F_INBAND_NOTIFICATIONS 14

struct vhost_header {
	uint32_t request;
	uint32_t flags;
	uint32_t size; /* bytes that follow */
};
_Static_assert(sizeof(struct vhost_header) == 12, "vhost_header");

/* SET_VRING_KICK, _CALL, _ERR: a u64. */
#define VHOST_VRING_INDEX_MASK 0xffu
#define VHOST_VRING_NO_FD 0x100u

#define VHOST_REGIONS_MAX 8u

struct vhost_region {
	uint64_t guest_addr;
	uint64_t size;
	uint64_t user_addr;
	uint64_t mmap_offset;
};

struct vhost_table {
	uint32_t nregions;
	uint32_t padding;
	struct vhost_region region[VHOST_REGIONS_MAX];
};
_Static_assert(sizeof(struct vhost_table) == 264, "vhost_table");

#define VHOST_CONFIG_MAX 256u

struct vhost_config_space {
	uint32_t offset;
	uint32_t size;
	uint32_t flags;
	uint8_t bytes[VHOST_CONFIG_MAX];
};

union vhost_payload {
	uint64_t number;
	struct vhost_vring_state state;
	struct vhost_vring_addr addr;
	struct vhost_table table;
	struct vhost_config_space config;
};

#endif
