/*
 * The timer heap: a binary heap of pointers, in which each timer knows its
 * place, so that re-arming and cancelling cost O(log n).
 *
 * Callbacks run on one worker at a time (the 'runner'): while there is one,
 * the others need not care about timers, since the runner goes on until
 * nothing is due. A timer may be freed or re-armed by its own callback, so
 * nothing of it is touched after the callback was called.
 *
 * The next deadline is also kept in a word of its own, which workers read
 * without the lock; it is NO_DEADLINE while there is a runner.
 */
#include <errno.h>
#include <stdlib.h>
#include "base/bug.h"
#include "base/host.h"
#include "base/lock.h"
#include "base/sched_internal.h"
#include "base/timer.h"

#define HEAP_MIN 64

static struct lock heap_lock = LOCK_INIT(RANK_TIMER);
static struct timer **heap; /* these guarded by heap_lock */
static u32 heap_len, heap_room;
static bool has_runner;
static struct timer *running;      /* whose callback runs; only compared, as it may be gone */
static const void *running_thread; /* by whom */
static bool cancel_waits;          /* timer_cancel waits for running to change */

static _Atomic u64 next_deadline = NO_DEADLINE; /* written under heap_lock */
static _Atomic u32 callbacks_done;              /* futex word for cancel_waits */

/* Something whose address names the host thread. Not inlined: fibers change threads. */
static __attribute__((noinline)) const void *thread_token(void)
{
	static _Thread_local char token;

	asm volatile("" ::: "memory");
	return &token;
}

/* --- the heap; all under heap_lock ---------------------------------------------- */

static void heap_set(u32 i, struct timer *t)
{
	heap[i] = t;
	t->index = i + 1;
}

static void heap_sift_up(u32 i, struct timer *t)
{
	while (i > 0 && heap[(i - 1) / 2]->deadline > t->deadline) {
		heap_set(i, heap[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	heap_set(i, t);
}

static void heap_sift_down(u32 i, struct timer *t)
{
	for (;;) {
		u32 child = 2 * i + 1;

		if (child + 1 < heap_len && heap[child + 1]->deadline < heap[child]->deadline)
			child++;
		if (child >= heap_len || heap[child]->deadline >= t->deadline)
			break;
		heap_set(i, heap[child]);
		i = child;
	}
	heap_set(i, t);
}

/* Finds the place for t, which may go either way from i. */
static void heap_place(u32 i, struct timer *t)
{
	if (i > 0 && heap[(i - 1) / 2]->deadline > t->deadline)
		heap_sift_up(i, t);
	else
		heap_sift_down(i, t);
}

static void heap_remove(struct timer *t)
{
	u32 i = t->index - 1;
	struct timer *last = heap[--heap_len];

	t->index = 0;
	if (last != t)
		heap_place(i, last);
}

static int heap_grow(void)
{
	u32 room = heap_room ? heap_room * 2 : HEAP_MIN;
	struct timer **p = realloc(heap, room * sizeof(*p));

	if (!p)
		return -ENOMEM;
	heap = p;
	heap_room = room;
	return 0;
}

/* Returns true if the next deadline is earlier than it was. */
static bool heap_publish(void)
{
	u64 old = atomic_load_explicit(&next_deadline, memory_order_relaxed);
	u64 new = heap_len && !has_runner ? heap[0]->deadline : NO_DEADLINE;

	/* Sequentially consistent: a worker that is falling asleep either sees
	 * this, or is seen to be asleep by sched_timer_armed. */
	if (new != old)
		atomic_store(&next_deadline, new);
	return new < old;
}

/* --- the interface --------------------------------------------------------------- */

void timer_init(struct timer *t, void (*fn)(struct timer *t))
{
	t->index = 0;
	t->fn = fn;
}

int timer_arm(struct timer *t, u64 deadline)
{
	bool earlier = false;
	int err = 0;

	lock_acquire(&heap_lock);
	if (t->index == 0 && heap_len == heap_room)
		err = heap_grow();
	if (!err) {
		t->deadline = deadline;
		heap_place(t->index ? t->index - 1 : heap_len++, t);
		earlier = heap_publish();
	}
	lock_release(&heap_lock);
	if (earlier)
		sched_timer_armed(deadline);
	return err;
}

bool timer_disarm(struct timer *t)
{
	bool armed;

	lock_acquire(&heap_lock);
	armed = t->index != 0;
	if (armed) {
		heap_remove(t);
		heap_publish();
	}
	lock_release(&heap_lock);
	return armed;
}

bool timer_cancel(struct timer *t)
{
	bool armed = false;
	u32 seen;

	lock_acquire(&heap_lock);
	for (;;) {
		/* Each time round: the callback waited for may have re-armed it. */
		if (t->index) {
			armed = true;
			heap_remove(t);
			heap_publish();
		}
		if (running != t || running_thread == thread_token())
			break;
		cancel_waits = true;
		seen = atomic_load(&callbacks_done);
		lock_release(&heap_lock);
		host_futex_wait(&callbacks_done, seen, NULL, false);
		lock_acquire(&heap_lock);
	}
	lock_release(&heap_lock);
	return armed;
}

/* Calls t's callback, without the lock, which is held before and after. */
static void timer_run(struct timer *t)
{
	void (*fn)(struct timer * t) = t->fn;

	running = t;
	running_thread = thread_token();
	lock_release(&heap_lock);
	fn(t);
	lock_acquire(&heap_lock);
	running = NULL;
	if (cancel_waits) {
		cancel_waits = false;
		atomic_fetch_add(&callbacks_done, 1);
		host_futex_wake(&callbacks_done, INT32_MAX, false);
	}
}

u64 timers_run(void)
{
	u64 next;

	lock_acquire(&heap_lock);
	if (!has_runner) {
		has_runner = true;
		heap_publish();
		while (heap_len && heap[0]->deadline <= time_monotonic()) {
			struct timer *t = heap[0];

			heap_remove(t);
			timer_run(t);
		}
		has_runner = false;
		heap_publish();
	}
	next = atomic_load_explicit(&next_deadline, memory_order_relaxed);
	lock_release(&heap_lock);
	return next;
}

u64 timers_next(void)
{
	return atomic_load(&next_deadline);
}
