/*
 * Wait queues: where interest in an object's readiness is registered.
 *
 * An object that can become ready (pipe, socket, process, lock) has one waitq
 * and calls waitq_wake(q, events) when something may have changed. A waiter is
 * a callback with a mask of EPOLL* events; a fiber's waiter unparks it, an epoll's
 * puts the item on its ready list. Callbacks run under the queue's lock, on any
 * host thread: they must be short and take only locks ranked RANK_EPOLL_READY
 * or, to go on to another queue, RANK_WAITQ nested.
 *
 * waitq_wake is nearly free while nobody waits: it looks at a counter without
 * taking the lock. So that no wake-up is lost, the condition must be changed
 * under a lock that the waiter's look at it takes too, or else by a
 * sequentially consistent atomic operation (the default of C's _Atomic).
 *
 * The usual loop (file_wait() in fs/vfs/file.h is this for files):
 *	struct wait_fiber w;
 *	wait_fiber_init(&w);
 *	waitq_add(&obj->waitq, &w.waiter, EPOLLIN);
 *	while (!condition(obj) && (err = fiber_sleep(deadline)) == 0)
 *		;
 *	waitq_remove(&obj->waitq, &w.waiter);
 */
#pragma once
#include "base/lock.h"
#include "base/types.h"
#include <sys/queue.h>

struct waiter;
struct fiber;
TAILQ_HEAD(waiter_list, waiter);

struct waitq {
	struct lock lock;
	struct waiter_list waiters; /* guarded by lock */
	_Atomic u32 count;          /* lets waitq_wake skip an empty queue without the lock */
};

/* Returns true if it consumed an exclusive wake-up. */
typedef bool waiter_fn(struct waiter *w, u32 events);

struct waiter {
	TAILQ_ENTRY(waiter) link;
	waiter_fn *fn;
	u32 mask;       /* EPOLL* bits of interest; EPOLLERR and EPOLLHUP are always included */
	bool exclusive; /* at most one such waiter is woken by one wake */
	bool queued;
};

struct wait_fiber {
	struct waiter waiter;
	struct fiber *fiber;
	_Atomic bool woken;
};

void waitq_init(struct waitq *q);
/* Aborts if waiters are left. */
void waitq_destroy(struct waitq *q);
void waitq_add(struct waitq *q, struct waiter *w, u32 mask);
/*
 * For waiters of which each wake-up can serve only one (accept). One that was
 * woken and leaves without taking what it was woken for passes it on: it calls
 * waitq_wake itself after waitq_remove.
 */
void waitq_add_exclusive(struct waitq *q, struct waiter *w, u32 mask);
/* No-op if it is not queued. When it returns, no callback is running or will run. */
void waitq_remove(struct waitq *q, struct waiter *w);
/* events: EPOLL* bits that may have become true. Any host thread. */
void waitq_wake(struct waitq *q, u32 events);
/* The same, but fibers are unparked by fiber_unpark_later. */
void waitq_wake_later(struct waitq *q, u32 events);
bool waitq_active(const struct waitq *q);

/* A waiter that unparks the calling fiber. */
void wait_fiber_init(struct wait_fiber *w);
/*
 * Before an exclusive waiter looks at its condition once more: further
 * wake-ups count as consumed by it again, not by the next in the queue.
 */
void wait_fiber_rearm(struct wait_fiber *w);
