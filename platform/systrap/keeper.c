/*
 * The keeper: a fiber that makes ahead what forks and execves take (stock.c, spare.c), and clears
 * away what ended processes leave (space.c).
 *
 * It does so when there is nothing else to do: when a worker has found no request for a while, or
 * is about to sleep. Done at once, all of that came in between the very call that has taken
 * something and its end: a stub takes as long to be made as the rest of an execve, and a space as
 * long to be freed as fifty calls, on CPUs of which guests and the worker have need at that moment.
 *
 * Nothing depends on it: who finds nothing made ahead makes it.
 */
#include "base/fiber.h"
#include "base/sched.h"
#include "base/timer.h"
#include "platform/systrap/systrap.h"

/* Longer than it takes a guest that goes on calling to make its next call. */
#define IDLE_NS 15000

static struct lock keeper_lock = LOCK_INIT(RANK_PLATFORM);
static struct fiber *keeper; /* guarded by keeper_lock, as is the next */
static bool started;
static _Atomic bool wanted;    /* there is something to do, */
static _Atomic bool going;     /* and time for it */
static _Atomic u64 idle_since; /* of the only worker; 0: it is not */

static void (*const jobs[])(void) = {spaces_clear, spare_make, stock_fill};

/* By whom it is needed, who is not to be kept waiting now: all that is left has to wait. */
static bool taken_meanwhile(void)
{
	return atomic_load_explicit(&wanted, memory_order_relaxed);
}

static void keep(void *arg unused_arg)
{
	for (;;) {
		/* It parks in what it does, too, and a token may end there. */
		while (!atomic_exchange(&going, false))
			fiber_park();
		for (unsigned i = 0; i < array_size(jobs) && !taken_meanwhile(); i++)
			jobs[i]();
	}
}

/* None of them is about to sleep: it would look again after it has said so. */
static bool worker_awake(void)
{
	return atomic_load(&systrap.shared->doorbell) & DOORBELL_ATTENDED;
}

bool keeper_want(void)
{
	struct fiber *f;
	bool start;

	atomic_store_explicit(&idle_since, 0, memory_order_relaxed);
	if (atomic_exchange(&wanted, true))
		return worker_awake();
	lock_acquire(&keeper_lock);
	start = !started;
	started = true;
	lock_release(&keeper_lock);
	/* None this time is none for ever: everything works without. */
	if (start && fiber_create(keep, NULL, "keeper", NULL, &f) == 0) {
		lock_guard(&keeper_lock);
		keeper = f;
	}
	return worker_awake();
}

void keeper_go(void)
{
	if (!atomic_load_explicit(&wanted, memory_order_relaxed))
		return;
	lock_guard(&keeper_lock);
	if (!keeper)
		return;
	atomic_store(&wanted, false);
	atomic_store(&going, true);
	fiber_unpark(keeper);
}

void keeper_look(bool idle)
{
	u64 now, since;

	if (!atomic_load_explicit(&wanted, memory_order_relaxed))
		return;
	/* It is the last look before a sleep, or one of several workers is free. */
	if (idle && (!systrap.one_worker || !worker_awake())) {
		keeper_go();
		return;
	}
	since = atomic_load_explicit(&idle_since, memory_order_relaxed);
	if (!idle) {
		if (since)
			atomic_store_explicit(&idle_since, 0, memory_order_relaxed);
		return;
	}
	now = time_monotonic();
	if (!since)
		atomic_store_explicit(&idle_since, now, memory_order_relaxed);
	else if (now - since >= IDLE_NS)
		keeper_go();
}
