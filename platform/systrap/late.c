/*
 * Answers that wait for a CPU.
 *
 * Where more guest threads want to run than there are CPUs, most of them sleep when their answer
 * comes. To wake each at once would only let them push each other, and the worker that all of them
 * wait for, off the CPUs: two switches for every call. So as long as others keep busy what the
 * worker leaves, an answered thread sleeps on, and is woken when one of those has gone to
 * sleep itself, when the worker has nothing better to do, or when that has lasted for too long:
 * one at a time, in turn. Meanwhile those that run have the worker to themselves.
 *
 * For a single worker, which does all of this; where there are several, there are more CPUs. (The
 * lock is for its substitute, base/blocking.c, and for threads that end.)
 */
#include "base/sched.h"
#include "base/timer.h"
#include "platform/systrap/systrap.h"

/* As a time slice: what a thread that could run may have to wait for those that do. */
#define LATE_NS 1000000
/* A worker with nothing to do for so long has a CPU for a guest. */
#define IDLE_NS 10000

static struct lock late_lock = LOCK_INIT(RANK_PLATFORM);
/* In the order of their answers; guarded by late_lock, as are the next. */
static TAILQ_HEAD(, systrap_thread) late_list = TAILQ_HEAD_INITIALIZER(late_list);
static u64 forced_at, idle_since;
static _Atomic u32 late_count;

static void unlink_locked(struct systrap_thread *t)
{
	TAILQ_REMOVE(&late_list, t, late_link);
	atomic_store_explicit(&t->late, false, memory_order_relaxed);
	atomic_fetch_sub_explicit(&late_count, 1, memory_order_relaxed);
}

/*
 * Only if more of them want to run than there are CPUs: of as many each has one, and two that
 * answer each other, or a thread and its maker, would else go on one after the other, where they
 * could side by side.
 */
static bool may_be_late(const struct systrap_thread *t)
{
	unsigned others = systrap.cpus - 1;

	return systrap.may_spin && systrap.one_worker &&
	       atomic_load_explicit(&systrap.running, memory_order_relaxed) > systrap.cpus &&
	       armed_awake(t, others) == others;
}

bool late_put(struct systrap_thread *t)
{
	if (!may_be_late(t))
		return false;
	lock_guard(&late_lock);
	t->late_since = time_monotonic();
	atomic_store_explicit(&t->late, true, memory_order_relaxed);
	TAILQ_INSERT_TAIL(&late_list, t, late_link);
	atomic_fetch_add_explicit(&late_count, 1, memory_order_relaxed);
	return true;
}

void late_forget(struct systrap_thread *t)
{
	if (!atomic_load_explicit(&t->late, memory_order_relaxed))
		return;
	lock_guard(&late_lock);
	if (atomic_load_explicit(&t->late, memory_order_relaxed))
		unlink_locked(t);
}

/* Has the first of them waited for long enough? */
static bool due_locked(const struct systrap_thread *first, bool idle)
{
	u64 now = time_monotonic();

	if (now - max_of(first->late_since, forced_at) >= LATE_NS) {
		forced_at = now;
		return true;
	}
	if (armed_awake(NULL, systrap.cpus - 1) < systrap.cpus - 1)
		return true;
	if (!idle) {
		idle_since = 0;
		return false;
	}
	if (!idle_since)
		idle_since = now;
	if (now - idle_since < IDLE_NS)
		return false;
	idle_since = now;
	return true;
}

static bool wake_first(bool all, bool idle)
{
	struct systrap_thread *t;

	lock_guard(&late_lock);
	t = TAILQ_FIRST(&late_list);
	if (!t || !(all || due_locked(t, idle)))
		return false;
	unlink_locked(t);
	/* Under the lock: t may end. */
	exchange_wake(t);
	return true;
}

void late_look(bool idle)
{
	if (atomic_load_explicit(&late_count, memory_order_relaxed))
		(void)!wake_first(false, idle);
}

void late_flush(void)
{
	while (atomic_load_explicit(&late_count, memory_order_relaxed) && wake_first(true, true))
		;
}
