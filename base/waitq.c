/*
 * Wait queues: see waitq.h. Callbacks run under the queue's lock, which is
 * what lets waitq_remove promise that none is running any more, and what lets
 * a fiber's waiter live on the fiber's stack.
 */
#include <sys/epoll.h>
#include <bsd/sys/queue.h>
#include "base/bug.h"
#include "base/fiber.h"
#include "base/waitq.h"

void waitq_init(struct waitq *q)
{
	lock_init(&q->lock, RANK_WAITQ);
	TAILQ_INIT(&q->waiters);
	atomic_init(&q->count, 0);
}

void waitq_destroy(struct waitq *q)
{
	BUG_ON(atomic_load(&q->count) != 0);
}

static void waitq_insert(struct waitq *q, struct waiter *w, u32 mask, bool exclusive)
{
	w->mask = mask | EPOLLERR | EPOLLHUP;
	w->exclusive = exclusive;
	lock_acquire_nested(&q->lock);
	BUG_ON(w->queued);
	w->queued = true;
	/* Exclusive waiters come last, so that everyone else has been told
	 * before one of them consumes the wake-up. */
	if (exclusive)
		TAILQ_INSERT_TAIL(&q->waiters, w, link);
	else
		TAILQ_INSERT_HEAD(&q->waiters, w, link);
	/* Sequentially consistent, like waitq_wake's look. */
	atomic_fetch_add(&q->count, 1);
	lock_release(&q->lock);
}

void waitq_add(struct waitq *q, struct waiter *w, u32 mask)
{
	waitq_insert(q, w, mask, false);
}

void waitq_add_exclusive(struct waitq *q, struct waiter *w, u32 mask)
{
	waitq_insert(q, w, mask, true);
}

void waitq_remove(struct waitq *q, struct waiter *w)
{
	lock_acquire_nested(&q->lock);
	if (w->queued) {
		w->queued = false;
		TAILQ_REMOVE(&q->waiters, w, link);
		atomic_fetch_sub(&q->count, 1);
	}
	lock_release(&q->lock);
}

static bool wait_fiber_tell(struct waiter *waiter, void (*unpark)(struct fiber *))
{
	struct wait_fiber *w = container_of(waiter, struct wait_fiber, waiter);
	bool first = !atomic_exchange(&w->woken, true);

	unpark(w->fiber);
	/* A fiber that was woken before has had its share: the next wake-up is for another. */
	return first;
}

static bool wait_fiber_wake(struct waiter *waiter, u32 events unused_arg)
{
	return wait_fiber_tell(waiter, fiber_unpark);
}

static bool waiter_wake(struct waiter *w, u32 events, bool later)
{
	if (later && w->fn == wait_fiber_wake)
		return wait_fiber_tell(w, fiber_unpark_later);
	return w->fn(w, events);
}

static __attribute__((noinline)) void waitq_wake_waiters(struct waitq *q, u32 events, bool later)
{
	struct waiter *w, *next;

	/* Nested: an epoll's callback goes on to the epoll's own queue. */
	lock_acquire_nested(&q->lock);
	TAILQ_FOREACH_SAFE (w, &q->waiters, link, next) {
		if (!(w->mask & events))
			continue;
		if (waiter_wake(w, events, later) && w->exclusive)
			break;
	}
	lock_release(&q->lock);
}

void waitq_wake(struct waitq *q, u32 events)
{
	if (__builtin_expect(atomic_load(&q->count) != 0, 0))
		waitq_wake_waiters(q, events, false);
}

void waitq_wake_later(struct waitq *q, u32 events)
{
	if (__builtin_expect(atomic_load(&q->count) != 0, 0))
		waitq_wake_waiters(q, events, true);
}

bool waitq_active(const struct waitq *q)
{
	return atomic_load(&q->count) != 0;
}

void wait_fiber_init(struct wait_fiber *w)
{
	w->waiter = (struct waiter){.fn = wait_fiber_wake};
	w->fiber = fiber_self();
	BUG_ON(!w->fiber);
	atomic_init(&w->woken, false);
}

void wait_fiber_rearm(struct wait_fiber *w)
{
	atomic_store(&w->woken, false);
}
