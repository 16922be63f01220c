/*
 * Mutexes for fibers.
 *
 * The owner word holds the owner's address, with the lowest bit set while
 * others wait; so taking and releasing a mutex that nobody else wants is one
 * atomic instruction each. Everything else happens under the inner lock. A
 * release with waiters hands the mutex to the first of them directly: nobody
 * can overtake, and no waiter starves.
 *
 * Host threads without a fiber (unit tests, the blocking pool) may take one as
 * well; they wait on a futex.
 */
#include "base/bug.h"
#include "base/fiber.h"
#include "base/host.h"
#include "base/lock_internal.h"
#include "base/mutex.h"
#include "base/sanitizer.h"

#define MUTEX_CONTENDED 1UL

/* On the waiting fiber's or thread's stack. */
struct mutex_waiter {
	TAILQ_ENTRY(mutex_waiter) link; /* guarded by the mutex's inner lock */
	struct fiber *fiber;            /* NULL: a host thread */
	uintptr_t self;
	_Atomic u32 granted;
};

/* Not inlined: a fiber may have changed threads since the last call. */
static __attribute__((noinline)) uintptr_t thread_identity(void)
{
	static _Thread_local u64 token;

	asm volatile("" ::: "memory");
	return (uintptr_t)&token;
}

static uintptr_t mutex_self(void)
{
	struct fiber *f = fiber_self();

	return f ? (uintptr_t)f : thread_identity();
}

void mutex_init(struct mutex *m, enum lock_rank rank)
{
	/* Held only within this file, with nothing taken inside but the run queue. */
	lock_init(&m->lock, RANK_MUTEX_INNER);
	atomic_init(&m->owner, 0);
	TAILQ_INIT(&m->waiters);
	m->rank = (u16)rank;
}

void mutex_destroy(struct mutex *m)
{
	BUG_ON(atomic_load(&m->owner) != 0);
}

/* True if it could be had at once; if not, w is queued and will be granted it. */
static bool mutex_take_or_queue(struct mutex *m, struct mutex_waiter *w)
{
	uintptr_t owner = atomic_load(&m->owner);

	lock_acquire(&m->lock);
	for (;;) {
		if (owner == 0) {
			if (atomic_compare_exchange_strong(&m->owner, &owner, w->self))
				break;
		} else if (atomic_compare_exchange_strong(&m->owner, &owner,
		                                          owner | MUTEX_CONTENDED)) {
			TAILQ_INSERT_TAIL(&m->waiters, w, link);
			break;
		}
	}
	lock_release(&m->lock);
	return owner == 0;
}

static __attribute__((noinline)) void mutex_wait(struct mutex *m, uintptr_t self)
{
	struct mutex_waiter w = {.fiber = fiber_self(), .self = self};

	BUG_ON((atomic_load(&m->owner) & ~MUTEX_CONTENDED) == self);
	if (mutex_take_or_queue(m, &w))
		return;
	while (!atomic_load(&w.granted)) {
		if (w.fiber)
			fiber_park();
		else
			host_futex_wait(&w.granted, 0, NULL, false);
	}
	/* Whoever granted it may still be using w, and unparking this fiber. */
	lock_acquire(&m->lock);
	lock_release(&m->lock);
}

/*
 * ThreadSanitizer knows a mutex by the address of its rank: that of the mutex
 * itself is also that of the short lock inside it, and would make one of the two. Those of
 * one rank have an order that changes, as directories do with a rename: it is the callers' to
 * keep, and no edge of ThreadSanitizer's lock graph.
 */
static void mutex_take(struct mutex *m, bool nested)
{
	uintptr_t expect = 0, self = mutex_self();

	if (!atomic_compare_exchange_strong_explicit(&m->owner, &expect, self, memory_order_acquire,
	                                             memory_order_relaxed))
		mutex_wait(m, self);
	if (nested) {
		tsan_try_locked(&m->rank);
	} else {
		tsan_pre_lock(&m->rank);
		tsan_post_lock(&m->rank);
	}
	held_push(m, m->rank, true);
}

void mutex_acquire(struct mutex *m)
{
	lock_assert_none();
	held_check(m, m->rank, false);
	mutex_take(m, false);
}

void mutex_acquire_nested(struct mutex *m)
{
	lock_assert_none();
	held_check(m, m->rank, true);
	mutex_take(m, true);
}

bool mutex_try(struct mutex *m)
{
	uintptr_t expect = 0;

	if (!atomic_compare_exchange_strong_explicit(&m->owner, &expect, mutex_self(),
	                                             memory_order_acquire, memory_order_relaxed))
		return false;
	tsan_try_locked(&m->rank);
	held_push(m, m->rank, true);
	return true;
}

static __attribute__((noinline)) void mutex_hand_over(struct mutex *m)
{
	struct mutex_waiter *w;
	struct fiber *f;

	lock_acquire(&m->lock);
	w = TAILQ_FIRST(&m->waiters);
	TAILQ_REMOVE(&m->waiters, w, link);
	atomic_store(&m->owner, w->self | (TAILQ_EMPTY(&m->waiters) ? 0 : MUTEX_CONTENDED));
	f = w->fiber;
	atomic_store(&w->granted, 1);
	if (f)
		fiber_unpark(f);
	else
		host_futex_wake(&w->granted, 1, false);
	lock_release(&m->lock);
}

void mutex_release(struct mutex *m)
{
	uintptr_t self = mutex_self(), expect = self;

	held_pop(m);
	tsan_pre_unlock(&m->rank);
	tsan_post_unlock(&m->rank);
	if (atomic_compare_exchange_strong_explicit(&m->owner, &expect, 0, memory_order_release,
	                                            memory_order_relaxed))
		return;
	BUG_ON(expect != (self | MUTEX_CONTENDED));
	mutex_hand_over(m);
}

bool mutex_held_by_me(struct mutex *m)
{
	return (atomic_load_explicit(&m->owner, memory_order_relaxed) & ~MUTEX_CONTENDED) ==
	       mutex_self();
}
