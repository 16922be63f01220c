/*
 * One heap of timers for the whole sentry, on CLOCK_MONOTONIC. Callbacks run
 * on a worker, outside every lock; they may unpark fibers, wake queues, queue
 * signals and re-arm, but not park.
 */
#pragma once
#include "base/types.h"

struct timer {
	u64 deadline; /* guarded by the heap's lock, as is index */
	u32 index;    /* position in the heap + 1; 0: not armed */
	void (*fn)(struct timer *t);
};

void timer_init(struct timer *t, void (*fn)(struct timer *t));
/* Arms or re-arms for an absolute CLOCK_MONOTONIC time in ns. -ENOMEM if the heap cannot grow. */
must_check int timer_arm(struct timer *t, u64 deadline);
/*
 * Disarms; when it returns the callback is not running (unless called from
 * within the callback itself). True if it was armed.
 */
bool timer_cancel(struct timer *t);
/*
 * Disarms without waiting for a running callback: for callers that hold a lock
 * which the callback takes. True if it was armed.
 */
bool timer_disarm(struct timer *t);

/* CLOCK_MONOTONIC / CLOCK_REALTIME / CLOCK_BOOTTIME now, in ns, through the vDSO. */
u64 time_monotonic(void);
u64 time_realtime(void);
u64 time_boottime(void);

/* For the scheduler: runs what is due, returns the next deadline or NO_DEADLINE. */
u64 timers_run(void);
u64 timers_next(void);
