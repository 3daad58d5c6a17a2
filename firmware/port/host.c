// SPDX-License-Identifier: BSD-2-Clause
/* The table of hosts in the pool, and the recovery of one that has died (host.h). */
#include "port/host.h"
#include "platform/atomic.h"
#include "platform/errno.h"

#include <string.h>

int hosts_carve(struct pool *pool)
{
	return pool_carve(pool, sizeof(struct pool_hosts), &pool->hdr->hosts);
}

static void hosts_changed(struct pool *pool, struct plat *plat)
{
	atomic_add(&pool_hosts(pool)->changes, 1);
	plat_wake(plat, &pool_hosts(pool)->changes);
}

void host_enter(struct pool *pool, struct plat *plat, u32 host, u32 pid, bool futex,
		const char *name)
{
	struct plat_waits *waits = &pool_hosts(pool)->waits;
	struct pool_host *h = pool_host(pool, host);
	size_t len = strlen(name);

	h->pid = pid;
	session_init(&h->session, host);
	memset(h->name, 0, sizeof(h->name));
	memcpy(h->name, name, min_of(len, sizeof(h->name) - 1));
	if (futex)
		atomic_or(&waits->futex, 1u << host);
	atomic_store_release(&h->state, HOST_USED);
	hosts_changed(pool, plat);
}

void host_leave(struct pool *pool, struct plat *plat, u32 host)
{
	struct plat_waits *waits = &pool_hosts(pool)->waits;

	atomic_and(&waits->futex, ~(1u << host));
	for (u32 i = 0; i < WAITS_BUCKETS; i++)
		if (atomic_load(&waits->told[i]) >> host & 1)
			atomic_and(&waits->told[i], ~(1u << host));
	atomic_store_release(&pool_host(pool, host)->state, HOST_FREE);
	hosts_changed(pool, plat);
}

/* Its executors are recovered: the rest of it. */
static int host_finish(struct pool *pool, struct plat *plat, u32 host)
{
	struct pool_host *h = pool_host(pool, host);
	struct exec x;
	int err;

	/* in the dead one's name: should this one die too, the next finds all in one place */
	err = exec_join(pool, plat, host, &x);
	if (err)
		return err;
	session_drop(&x, &h->session);
	exec_leave(&x);
	atomic_add(&pool_hosts(pool)->deaths, 1);
	host_leave(pool, plat, host);
	return 0;
}

int hosts_recover(struct pool *pool, struct plat *plat, u32 hosts)
{
	struct exec x = {.pool = pool, .plat = plat};
	int err = 0;

	fs_unmap_hosts(&x, hosts); /* while its frames are still pinned */
	for (u32 host = 1; host <= POOL_HOSTS; host++)
		if (hosts >> host & 1)
			session_recover(&pool_host(pool, host)->session);
	(void)execs_recover(&x, hosts);
	for (u32 host = 1; host <= POOL_HOSTS; host++)
		if (hosts >> host & 1 && host_finish(pool, plat, host))
			err = -MP_EAGAIN;
	return err;
}
