/* The blocking pool. */
#include <criterion/criterion.h>
#include "base/blocking.h"
#include "tests/unit/base/support.h"

TestSuite(blocking, .fini = assert_nothing_left, .timeout = 60);

static _Atomic int running, most, done;

static s64 slow_double(void *arg)
{
	int now = atomic_fetch_add(&running, 1) + 1;
	int seen = atomic_load(&most);

	while (now > seen && !atomic_compare_exchange_weak(&most, &seen, now))
		;
	sleep_ms(20);
	atomic_fetch_sub(&running, 1);
	return 2 * *(s64 *)arg;
}

static void caller_fiber(void *arg)
{
	s64 n = (intptr_t)arg;

	check(blocking_call(slow_double, &n) == 2 * n);
	done++;
}

Test(blocking, without_a_fiber_or_a_pool_it_calls_directly)
{
	s64 n = 21;

	cr_assert_eq(blocking_call(slow_double, &n), 42);
	spawn(caller_fiber, (void *)4, NULL);
	sched_run_until_idle(0);
	cr_assert_eq(done, 1);
	cr_assert_eq(most, 1);
}

Test(blocking, calls_run_side_by_side_up_to_the_pools_size)
{
	cr_assert_eq(blocking_start(3), 0);
	for (intptr_t i = 0; i < 9; i++)
		spawn(caller_fiber, (void *)i, NULL);
	/* One thread runs all nine fibers, and waits for the pool too. */
	sched_run_until_idle(0);
	cr_assert_eq(done, 9);
	cr_assert(most > 1 && most <= 3, "%d", most);
}

static s64 quick(void *arg)
{
	return *(s64 *)arg;
}

static void many_calls(void *arg)
{
	for (s64 i = 0; i < ROUNDS(2000); i++)
		check(blocking_call(quick, &i) == i);
	(void)arg;
	done++;
}

Test(blocking, answers_reach_their_fibers)
{
	cr_assert_eq(blocking_start(2), 0);
	sched_init(2, NULL);
	cr_assert_eq(sched_start(), 0);
	for (int i = 0; i < 4; i++)
		spawn(many_calls, NULL, NULL);
	await_count(&done, 4);
	sched_stop();
}
