/* Wait queues: masks, exclusive waiters, removal, lost wake-ups. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <sys/epoll.h>
#include "base/waitq.h"
#include "tests/unit/base/support.h"

static struct waitq queue;
static _Atomic int done;

static void init(void)
{
	waitq_init(&queue);
}

static void fini(void)
{
	waitq_destroy(&queue);
	assert_nothing_left();
}

TestSuite(waitq, .init = init, .fini = fini, .timeout = 120);

/* --- callbacks ------------------------------------------------------------------------ */

struct counter {
	struct waiter waiter;
	int calls;
	u32 events;
	bool consume;
};

static bool count_call(struct waiter *w, u32 events)
{
	struct counter *c = container_of(w, struct counter, waiter);

	c->calls++;
	c->events = events;
	return c->consume;
}

Test(waitq, tells_whom_it_concerns)
{
	struct counter in = {.waiter.fn = count_call}, out = {.waiter.fn = count_call};

	cr_assert(!waitq_active(&queue));
	waitq_wake(&queue, EPOLLIN);
	waitq_add(&queue, &in.waiter, EPOLLIN);
	waitq_add(&queue, &out.waiter, EPOLLOUT);
	cr_assert(waitq_active(&queue));
	waitq_wake(&queue, EPOLLIN | EPOLLRDNORM);
	cr_assert(in.calls == 1 && out.calls == 0 && in.events == (EPOLLIN | EPOLLRDNORM));
	waitq_wake(&queue, EPOLLHUP);
	cr_assert(in.calls == 2 && out.calls == 1);
	waitq_remove(&queue, &in.waiter);
	waitq_remove(&queue, &in.waiter);
	waitq_wake(&queue, EPOLLERR);
	cr_assert(in.calls == 2 && out.calls == 2);
	waitq_remove(&queue, &out.waiter);
	cr_assert(!waitq_active(&queue));
}

Test(waitq, one_exclusive_waiter_consumes_after_everyone_else)
{
	struct counter shared = {.waiter.fn = count_call}, a = {.waiter.fn = count_call}, b = a,
	               c = a;

	b.consume = c.consume = true;
	waitq_add_exclusive(&queue, &a.waiter, EPOLLIN);
	waitq_add_exclusive(&queue, &b.waiter, EPOLLIN);
	waitq_add_exclusive(&queue, &c.waiter, EPOLLIN);
	waitq_add(&queue, &shared.waiter, EPOLLIN);
	waitq_wake(&queue, EPOLLIN);
	cr_assert(shared.calls == 1 && a.calls == 1 && b.calls == 1 && c.calls == 0);
	waitq_remove(&queue, &a.waiter);
	waitq_remove(&queue, &b.waiter);
	waitq_remove(&queue, &c.waiter);
	waitq_remove(&queue, &shared.waiter);
}

static struct waitq second;

static bool pass_on(struct waiter *w, u32 events)
{
	(void)w;
	waitq_wake(&second, events);
	return false;
}

Test(waitq, a_callback_may_go_on_to_another_queue)
{
	struct counter c = {.waiter.fn = count_call};
	struct waiter through = {.fn = pass_on};

	waitq_init(&second);
	waitq_add(&second, &c.waiter, EPOLLIN);
	waitq_add(&queue, &through, EPOLLIN);
	waitq_wake(&queue, EPOLLIN);
	cr_assert_eq(c.calls, 1);
	waitq_remove(&queue, &through);
	waitq_remove(&second, &c.waiter);
	waitq_destroy(&second);
}

/* --- fibers ---------------------------------------------------------------------------- */

static _Atomic int items;

/* Takes n items, one after the other, in the usual loop. */
static void take_items(void *arg)
{
	int n = (int)(intptr_t)arg;
	struct wait_fiber w;

	while (n) {
		int have = 0;

		wait_fiber_init(&w);
		waitq_add_exclusive(&queue, &w.waiter, EPOLLIN);
		for (;;) {
			wait_fiber_rearm(&w);
			have = atomic_load(&items);
			if (have && atomic_compare_exchange_strong(&items, &have, have - 1))
				break;
			if (!have)
				fiber_park();
		}
		waitq_remove(&queue, &w.waiter);
		n--;
	}
	done++;
}

static void *give_items(void *arg)
{
	int n = (int)(intptr_t)arg;

	for (int i = 0; i < n; i++) {
		atomic_fetch_add(&items, 1);
		waitq_wake(&queue, EPOLLIN);
		if (i % 100 == 0)
			usleep(100);
	}
	return NULL;
}

Test(waitq, no_wakeup_is_lost)
{
	const int takers = 4, each = ROUNDS(20000);
	pthread_t t[2];

	sched_init(2, NULL);
	cr_assert_eq(sched_start(), 0);
	for (int i = 0; i < takers; i++)
		spawn(take_items, (void *)(intptr_t)each, NULL);
	for (int i = 0; i < 2; i++)
		cr_assert_eq(
		    pthread_create(&t[i], NULL, give_items, (void *)(intptr_t)(takers * each / 2)),
		    0);
	for (int i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	await_count(&done, takers);
	cr_assert_eq(items, 0);
	sched_stop();
}

static void wait_on_stack(void *arg)
{
	struct wait_fiber w;

	(void)arg;
	wait_fiber_init(&w);
	waitq_add(&queue, &w.waiter, EPOLLIN);
	while (!atomic_load(&w.woken))
		fiber_park();
	waitq_remove(&queue, &w.waiter);
	done++;
}

Test(waitq, a_waiter_may_vanish_right_after_it_was_woken)
{
	int n = ROUNDS(10000);

	sched_init(2, NULL);
	cr_assert_eq(sched_start(), 0);
	for (int i = 0; i < n; i++) {
		spawn(wait_on_stack, NULL, NULL);
		while (atomic_load(&done) <= i)
			waitq_wake(&queue, EPOLLIN);
	}
	sched_stop();
	cr_assert_eq(done, n);
}
