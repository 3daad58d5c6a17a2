// SPDX-License-Identifier: BSD-2-Clause
/*
 * Waiting on words of the pool, and waking: tasks of this kernel by wait queues, other hosts as
 * platform/waits.h says. The FIFO of this host raises an interrupt.
 *
 * Only the compiler's __atomic_* order anything between UMLs: the kernel's own are made for one
 * processor.
 */
#include <linux/interrupt.h>
#include <linux/kthread.h>
#include <linux/sched/signal.h>
#include <linux/sched/stat.h>
#include <linux/slab.h>
#include <linux/timekeeping.h>

#include <irq_kern.h>
#include <irq_user.h>

#include "platform/uml/private.h"

#include "platform/posix/fifo.h"
#include "platform/uml/host.h"

#define LOOK_NS 100000u
#define LOOKS 32u    /* before the clock is asked */
#define PASS_MAX 63u /* waits without a look, at most */

static u32 bucket_of(const struct plat *plat, const u32 *word)
{
	return waits_bucket((ref_t)((const u8 *)word - plat->base));
}

/* Interrupt. */
static irqreturn_t told(int irq, void *arg)
{
	struct plat *plat = arg;
	u8 buckets[64];
	u32 n, i;

	do {
		n = fifo_read(plat->fifo, buckets, sizeof(buckets));
		for (i = 0; i < n; i++)
			wake_up_all(&plat->queue[buckets[i] % WAITS_BUCKETS]);
	} while (n == sizeof(buckets));
	return IRQ_HANDLED;
}

int plat_uml_listen(struct plat *plat, struct plat_waits *waits, const char *pool, u32 host)
{
	int irq;

	plat->pool = kstrdup(pool, GFP_KERNEL);
	if (!plat->pool)
		return -ENOMEM;
	plat->fifo = fifo_open(pool, host);
	if (plat->fifo < 0)
		return plat->fifo;
	irq = um_request_irq(UM_IRQ_ALLOC, plat->fifo, IRQ_READ, told, 0, "mpdisk", plat);
	if (irq < 0)
		return irq;
	plat->irq = irq;
	plat->host = host;
	plat->waits = waits;
	return 0;
}

void plat_uml_unlisten(struct plat *plat)
{
	u32 i;

	plat->waits = NULL;
	if (plat->irq >= 0)
		um_free_irq(plat->irq, plat);
	plat->irq = -1;
	if (plat->fifo >= 0)
		fifo_close(plat->fifo);
	plat->fifo = -1;
	for (i = 0; i < ARRAY_SIZE(plat->told); i++) {
		if (plat->told[i] > 0)
			fifo_close(plat->told[i]);
		plat->told[i] = 0;
	}
	kfree(plat->pool);
	plat->pool = NULL;
}

/* ---- waiting */
/* Tasks of one kernel run one at a time: no word is needed for who sets the bit and who clears it.
 */
static void enlist(struct plat *plat, u32 bucket)
{
	if (plat->waiting[bucket]++ == 0 && plat->waits)
		__atomic_fetch_or(&plat->waits->told[bucket], 1u << plat->host, __ATOMIC_SEQ_CST);
}

static void delist(struct plat *plat, u32 bucket)
{
	if (--plat->waiting[bucket] == 0 && plat->waits)
		__atomic_fetch_and(&plat->waits->told[bucket], ~(1u << plat->host),
				   __ATOMIC_RELAXED);
}

/*
 * Most of what another kernel has is given back sooner than a sleeping kernel is awake. So a task
 * looks at the word before it sleeps: LOOK_NS at most, while nobody else here could run; and after
 * a look in vain not the next times, twice as many as before. The processor is not offered to the
 * machine's other processes meanwhile: one that computes would have it for milliseconds.
 */
static bool look(const u32 *word, u32 seen)
{
	const u64 start = ktime_get_ns();
	u32 i;

	do {
		for (i = 0; i < LOOKS; i++) {
			if (__atomic_load_n(word, __ATOMIC_ACQUIRE) != seen)
				return true;
			cpu_relax();
		}
	} while (single_task_running() && ktime_get_ns() - start < LOOK_NS);
	return false;
}

static bool changes_soon(struct plat *plat, u32 bucket, const u32 *word, u32 seen)
{
	if (!plat->waits || current->flags & PF_KTHREAD)
		return false;
	if (plat->pass[bucket]) {
		plat->pass[bucket]--;
		return false;
	}
	if (look(word, seen)) {
		plat->vain[bucket] = 0;
		return true;
	}
	plat->vain[bucket] = min(2 * plat->vain[bucket] + 1, PASS_MAX);
	plat->pass[bucket] = plat->vain[bucket];
	return false;
}

static void wait_on(struct plat *plat, u32 *word, u32 seen, long timeout, unsigned int state)
{
	const u32 bucket = bucket_of(plat, word);
	DEFINE_WAIT(wait);

	if (changes_soon(plat, bucket, word, seen))
		return;
	prepare_to_wait(&plat->queue[bucket], &wait, state);
	enlist(plat, bucket);
	if (__atomic_load_n(word, __ATOMIC_SEQ_CST) == seen &&
	    !signal_pending_state(state, current) &&
	    !(current->flags & PF_KTHREAD && kthread_should_stop()))
		schedule_timeout(timeout);
	delist(plat, bucket);
	finish_wait(&plat->queue[bucket], &wait);
}

void plat_wait(struct plat *plat, u32 *word, u32 seen, u32 timeout_ms)
{
	/* a thread of the kernel that waits for the next thing to do is no load */
	wait_on(plat, word, seen,
		timeout_ms ? msecs_to_jiffies(timeout_ms) + 1 : MAX_SCHEDULE_TIMEOUT,
		current->flags & PF_KTHREAD ? TASK_IDLE : TASK_UNINTERRUPTIBLE);
}

bool plat_uml_wait(struct plat *plat, u32 *word, u32 seen)
{
	wait_on(plat, word, seen, MAX_SCHEDULE_TIMEOUT, TASK_INTERRUPTIBLE);
	return signal_pending(current);
}

/* ---- waking */
static void tell(struct plat *plat, u32 host, u8 bucket)
{
	int *fifo = &plat->told[host];

	if (!*fifo) {
		int fd = fifo_open(plat->pool, host);

		if (fd < 0) {
			plat_log(plat, PLAT_ERR, "host %u cannot be woken: error %d", host, -fd);
			return;
		}
		*fifo = fd;
	}
	fifo_tell(*fifo, bucket);
}

void plat_wake(struct plat *plat, u32 *word)
{
	const u32 bucket = bucket_of(plat, word);
	u32 hosts;

	if (plat->waiting[bucket])
		wake_up_all(&plat->queue[bucket]);
	if (!plat->waits)
		return;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	hosts = __atomic_load_n(&plat->waits->told[bucket], __ATOMIC_RELAXED) & ~(1u << plat->host);
	for (; hosts; hosts &= hosts - 1)
		tell(plat, (u32)__builtin_ctz(hosts), (u8)bucket);
	if (__atomic_load_n(&plat->waits->futex, __ATOMIC_RELAXED))
		host_futex_wake(word);
}

/* To the tasks here, and to whoever else wants this processor of the machine. */
void plat_yield(struct plat *plat)
{
	yield();
	host_yield();
}
