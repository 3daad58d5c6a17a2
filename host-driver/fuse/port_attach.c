/* SPDX-License-Identifier: BSD-2-Clause */
/* Identify, attach to and detach from a port. */
#include "port_client.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#define FIELD(value, name) (((value)&PORT_HOST_##name##_MASK) >> PORT_HOST_##name##_LSB)

#define IRQ_ALL (PORT_HOST_IRQ_STATUS_COMPLETION_MASK | PORT_HOST_IRQ_STATUS_STATUS_MASK)

uint64_t port_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

int port_identify(struct link *link, struct port_info *info)
{
	uint32_t words[5]; /* ID, VERSION, CONFIG, GEOMETRY, STATUS */
	const struct link_read read = {.addr = PORT_HOST_ID, .len = sizeof(words), .data = words};
	int err;

	memset(info, 0, sizeof(*info));
	err = link_read(link, &read, 1);
	if (err)
		return err;
	if (words[0] != PORT_HOST_ID_VALUE)
		return -ENODEV;
	info->version = words[1];
	if (info->version >> 16 != PORT_HOST_VERSION_VALUE >> 16)
		return -EPROTO;
	info->port = FIELD(words[2], CONFIG_PORT);
	info->slots = FIELD(words[2], CONFIG_SLOTS);
	info->tags = FIELD(words[3], GEOMETRY_TAGS);
	info->write_slots = FIELD(words[3], GEOMETRY_WRITE_SLOTS);
	info->read_slots = FIELD(words[3], GEOMETRY_READ_SLOTS);
	info->status = words[4];
	return 0;
}

/* Waits until EPOCH differs from epoch and one of the mask's STATUS bits, or their absence if mask
 * is 0, says that it is over. An old attachment's end may count EPOCH before ours does. */
static int wait_epoch(struct link *link, uint32_t epoch, uint32_t mask, int timeout_ms,
		      uint32_t *status)
{
	const uint64_t deadline = port_now_ns() + (uint64_t)timeout_ms * 1000000u;
	int err, raised;

	for (;;) {
		err = link_read32(link, PORT_HOST_STATUS, status);
		if (err)
			return err;
		if (FIELD(*status, STATUS_EPOCH) != epoch &&
		    (mask ? (*status & mask) != 0 : !(*status & PORT_HOST_STATUS_READY_MASK)))
			return 0;
		if (port_now_ns() >= deadline)
			return -ETIMEDOUT;
		raised = link_wait_irq(link, 100);
		if (raised < 0)
			return raised;
		if (raised)
			err = link_write32(link, PORT_HOST_IRQ_STATUS, IRQ_ALL);
		if (err)
			return err;
	}
}

static int check_geometry(const struct port_info *info)
{
	if (info->tags == 0 || info->tags > PORT_TAGS_MAX)
		return -EPROTO;
	if (info->write_slots + info->tags * info->read_slots > info->slots)
		return -EPROTO;
	/* A misaligned transfer of the largest size must fit. */
	if (info->write_slots < PORT_MAX_DATA / PORT_PAGE + 1 ||
	    info->read_slots < PORT_MAX_DATA / PORT_PAGE + 1)
		return -EPROTO;
	return 0;
}

int port_attach(struct link *link, int timeout_ms, struct port_info *info, int *medium_error)
{
	uint32_t status, epoch;
	int err;

	*medium_error = 0;
	err = port_identify(link, info);
	if (err)
		return err;
	epoch = FIELD(info->status, STATUS_EPOCH);
	err = link_write32(link, PORT_HOST_IRQ_STATUS, IRQ_ALL);
	if (!err)
		err = link_write32(link, PORT_HOST_IRQ_ENABLE, IRQ_ALL);
	if (!err)
		err = link_write32(link, PORT_HOST_CONTROL, PORT_HOST_CONTROL_ATTACH_MASK);
	if (err)
		return err;
	err = wait_epoch(link, epoch, PORT_HOST_STATUS_READY_MASK | PORT_HOST_STATUS_NO_MEDIUM_MASK,
			 timeout_ms, &status);
	if (err)
		return err;
	if (status & PORT_HOST_STATUS_NO_MEDIUM_MASK) {
		*medium_error = (int)FIELD(status, STATUS_ERROR);
		return -ENOMEDIUM;
	}
	err = port_identify(link, info); /* GEOMETRY is valid now */
	if (err)
		return err;
	return check_geometry(info);
}

int port_detach(struct link *link, int timeout_ms)
{
	uint32_t status;
	int err;

	err = link_read32(link, PORT_HOST_STATUS, &status);
	if (err)
		return err;
	if (!(status & PORT_HOST_STATUS_READY_MASK))
		return 0;
	err = link_write32(link, PORT_HOST_CONTROL, PORT_HOST_CONTROL_DETACH_MASK);
	if (err)
		return err;
	return wait_epoch(link, FIELD(status, STATUS_EPOCH), 0, timeout_ms, &status);
}
