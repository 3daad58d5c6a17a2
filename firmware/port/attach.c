// SPDX-License-Identifier: BSD-2-Clause
/* Attaching and detaching a host, and cutting off one that is gone or does not keep the protocol.
 */
#include "port/port.h"
#include "platform/errno.h"
#include "platform/regs/port_device.h"
#include "platform/regs/port_host.h"

#include <string.h>

static void reg_write(struct port *p, u32 offset, u32 value)
{
	p->regs[offset / 4] = value;
}

void port_init(struct port *p, struct plat *plat, volatile u32 *regs, u32 number,
	       fno_t *write_frames, fno_t *mapped, int mount_error)
{
	memset(p, 0, sizeof(*p));
	p->plat = plat;
	p->regs = regs;
	p->number = number;
	p->write_frames = write_frames;
	p->mapped = mapped;
	p->mount_error = (u32)mount_error;
	session_init(&p->session, number);
	reg_write(p, PORT_DEVICE_CTRL, PORT_DEVICE_CTRL_FENCE_MASK);
	reg_write(p, PORT_DEVICE_EVENT_ENABLE,
		  PORT_DEVICE_EVENT_DOORBELL_MASK | PORT_DEVICE_EVENT_ATTACH_MASK |
			  PORT_DEVICE_EVENT_DETACH_MASK | PORT_DEVICE_EVENT_LINK_MASK);
}

/* Shows the host what became of the port. */
static void show_status(struct port *p)
{
	u32 status = (p->epoch & 0xff) << PORT_HOST_STATUS_EPOCH_LSB;

	if (p->state == PORT_ATTACHED)
		status |= PORT_HOST_STATUS_READY_MASK;
	if (p->state == PORT_BROKEN)
		status |= PORT_HOST_STATUS_BROKEN_MASK;
	if (p->state == PORT_REFUSED)
		status |= PORT_HOST_STATUS_NO_MEDIUM_MASK;
	if (p->state == PORT_BROKEN || p->state == PORT_REFUSED)
		status |= (p->error & 0xff) << PORT_HOST_STATUS_ERROR_LSB;
	reg_write(p, PORT_DEVICE_STATUS, status);
}

/* Gives back all that the host held. The port is fenced already. */
static void drop(struct port *p, struct exec *x)
{
	if (p->state == PORT_ATTACHED) {
		if (p->session.nopen)
			plat_log(p->plat, PLAT_INFO, "port %u: releasing %u open files", p->number,
				 p->session.nopen);
		session_drop(x, &p->session);
		slots_detach(p, x);
	}
	session_init(&p->session, p->number);
	p->state = PORT_DETACHED;
}

static void attach(struct port *p, struct exec *x)
{
	int err;

	p->sq_head = 0;
	p->sq_tail = 0;
	p->cq_tail = 0;
	p->messages = 0;
	reg_write(p, PORT_DEVICE_SQ_HEAD, 0);
	reg_write(p, PORT_DEVICE_CQ_TAIL, 0);
	err = -(int)p->mount_error;
	if (!err) {
		err = slots_attach(p, x);
		if (err)
			slots_detach(p, x);
	}
	if (err) {
		p->state = PORT_REFUSED;
		p->error = (u32)-err;
		plat_log(p->plat, PLAT_WARN, "port %u: attach refused, error %d", p->number, -err);
		return;
	}
	p->state = PORT_ATTACHED;
	p->session.max_waiting = min_of(PORT_WAITING, p->ntags / 2);
	p->heartbeat = p->regs[PORT_DEVICE_HEARTBEAT / 4];
	p->heartbeat_ms = plat_ms(p->plat);
	reg_write(p, PORT_DEVICE_GEOMETRY,
		  p->ntags << PORT_HOST_GEOMETRY_TAGS_LSB |
			  p->nwrite << PORT_HOST_GEOMETRY_WRITE_SLOTS_LSB |
			  PORT_READ_SLOTS << PORT_HOST_GEOMETRY_READ_SLOTS_LSB);
	plat_log(p->plat, PLAT_INFO, "port %u: attached, %u tags, %u write slots", p->number,
		 p->ntags, p->nwrite);
}

static const char *reason(u32 want)
{
	if (want & PORT_WANT_BREAK)
		return "protocol broken, cut off";
	if (want & PORT_WANT_TIMEOUT)
		return "no heartbeat, cut off";
	return want & PORT_WANT_LINK ? "link down, detached" : "detached";
}

void port_change(struct port *p, struct exec *x)
{
	u32 busy, want;

	p->changing = true;
	reg_write(p, PORT_DEVICE_CTRL, PORT_DEVICE_CTRL_FENCE_MASK);
	p->busy &= ~p->parked; /* session_drop() ends what waits for locks */
	p->parked = 0;
	while ((busy = p->busy) != 0)
		plat_wait(p->plat, &p->busy, busy, 100);
	want = p->want;
	p->want = 0;
	if (p->state == PORT_ATTACHED)
		plat_log(p->plat,
			 want & (PORT_WANT_BREAK | PORT_WANT_TIMEOUT) ? PLAT_WARN : PLAT_INFO,
			 "port %u: %s after %u messages, %u accesses denied", p->number,
			 reason(want), p->messages, p->regs[PORT_DEVICE_DENIED / 4]);
	drop(p, x);
	if (want & PORT_WANT_ATTACH) {
		attach(p, x);
	} else if (want & PORT_WANT_BREAK) {
		p->state = PORT_BROKEN;
		p->error = MP_EPROTO;
	}
	/* Only what the host asked for counts: it waits for the change, and must not take the end
	 * of the host before it for its own attach. */
	if (want & (PORT_WANT_ATTACH | PORT_WANT_DETACH))
		p->epoch++;
	if (p->state == PORT_ATTACHED)
		reg_write(p, PORT_DEVICE_CTRL, 0);
	show_status(p);
	p->changing = false;
}

void port_tick(struct port *p, u32 heartbeat)
{
	const u32 seen = p->regs[PORT_DEVICE_HEARTBEAT / 4];
	const u64 now = plat_ms(p->plat);

	/* a device that stood still itself cannot tell whether its hosts did */
	const bool stood = now - p->tick_ms > PORT_HEARTBEAT_MS / 2;

	p->tick_ms = now;
	reg_write(p, PORT_DEVICE_DEVICE_HEARTBEAT, heartbeat);
	if (p->state != PORT_ATTACHED)
		return;
	if (stood || seen != p->heartbeat) {
		p->heartbeat = seen;
		p->heartbeat_ms = now;
	} else if (now - p->heartbeat_ms > PORT_HEARTBEAT_MS) {
		p->want |= PORT_WANT_TIMEOUT;
	}
}

void port_stop(struct port *p)
{
	p->want |= PORT_WANT_DETACH;
}
