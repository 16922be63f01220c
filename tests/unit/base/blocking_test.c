/* The blocking pool. */
#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
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

/* ---- a worker that makes the call itself -------------------------------------- */

static _Atomic int inside, seen, in_place, over;
static struct fiber *other;

/* A lone worker, and so many threads in the pool. */
static void start(unsigned threads)
{
	cr_assert_eq(blocking_start(threads), 0);
	sched_init(1, NULL);
	cr_assert_eq(sched_start(), 0);
}

static s64 tell_thread(void *arg unused_arg)
{
	return gettid();
}

static void until_in_place(void *arg unused_arg)
{
	u64 end = time_monotonic() + 60 * SEC;

	/* The pool's threads have to be asleep first. */
	while (blocking_call(tell_thread, NULL) != gettid())
		check(time_monotonic() < end);
	done++;
}

Test(blocking, a_lone_worker_with_nothing_else_to_do_calls_by_itself)
{
	start(2);
	spawn(until_in_place, NULL, NULL);
	await_count(&done, 1);
	sched_stop();
}

/* Ends when the other fiber has seen this call. */
static s64 until_seen(void *arg)
{
	u64 end = time_monotonic() + 60 * SEC;
	int round = (int)(intptr_t)arg;

	atomic_store(&inside, round);
	while (atomic_load(&seen) < round)
		check(time_monotonic() < end);
	return gettid();
}

static void sees(void *arg unused_arg)
{
	for (int round = 1; round <= ROUNDS(1000); round++) {
		while (atomic_load(&inside) < round)
			fiber_park();
		atomic_store(&seen, round);
	}
	/* The test wakes it up for as long as it likes. */
	while (!atomic_load(&over))
		check(fiber_sleep(time_monotonic() + MSEC) <= 0);
	done++;
}

static void is_seen(void *arg unused_arg)
{
	for (intptr_t round = 1; round <= ROUNDS(1000); round++) {
		pid_t me = gettid();
		in_place += blocking_call(until_seen, (void *)round) == me;
	}
	done++;
}

static void see_rounds(void)
{
	start(3);
	spawn(sees, NULL, &other);
	spawn(is_seen, NULL, NULL);
	for (int round = 1; round <= ROUNDS(1000); round++) {
		await_count(&inside, round);
		fiber_unpark(other);
		await_count(&seen, round);
	}
	atomic_store(&over, 1);
	await_count(&done, 2);
	cr_assert_gt(in_place, 0);
	sched_stop();
}

Test(blocking, somebody_stands_in_for_a_worker_that_is_away)
{
	see_rounds();
}

/* The host makes a thread that was stopped wait anew, on the word that it has called with. */
Test(blocking, being_stopped_and_continued_wakes_and_loses_nobody)
{
	pid_t test = getpid(), stopper = fork();
	int status;

	if (stopper == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;) {
			kill(test, SIGSTOP);
			kill(test, SIGCONT);
			usleep(300);
		}
	}
	see_rounds();
	kill(stopper, SIGKILL);
	cr_assert_eq(waitpid(stopper, &status, 0), stopper);
}

static void sleeps(void *arg unused_arg)
{
	check(fiber_sleep(time_monotonic() + 50 * MSEC) == -ETIMEDOUT);
	atomic_store(&seen, 1);
	done++;
}

static void calls_while_another_sleeps(void *arg unused_arg)
{
	blocking_call(until_seen, (void *)1);
	done++;
}

Test(blocking, timers_do_not_wait_for_a_call)
{
	start(2);
	spawn(sleeps, NULL, NULL);
	spawn(calls_while_another_sleeps, NULL, NULL);
	await_count(&done, 2);
	sched_stop();
}

/* Twice, the first time by who stands in; then that retires. */
static void sleeps_twice(void *arg unused_arg)
{
	while (!atomic_load(&inside))
		fiber_park();
	for (int i = 1; i <= 2; i++) {
		atomic_store(&seen, i);
		check(fiber_sleep(time_monotonic() + 200 * MSEC) == -ETIMEDOUT);
	}
	done++;
}

/* The other is asleep by the end of this. */
static s64 until_asleep(void *arg)
{
	s64 thread = until_seen(arg);

	sleep_ms(50);
	return thread;
}

static void is_away_meanwhile(void *arg)
{
	until_in_place(arg);
	check(blocking_call(until_asleep, (void *)1) == gettid());
}

Test(blocking, a_stand_in_that_retires_leaves_no_timer_to_nobody)
{
	start(2);
	spawn(sleeps_twice, NULL, &other);
	spawn(is_away_meanwhile, NULL, NULL);
	await_count(&inside, 1);
	fiber_unpark(other);
	await_count(&done, 2);
	sched_stop();
}

static int poll_nobody(void)
{
	return 0;
}

static void never_in_place(void *arg unused_arg)
{
	for (int i = 0; i < ROUNDS(2000); i++)
		check(blocking_call(tell_thread, NULL) != gettid());
	done++;
}

/* A tracer's requests would be refused to who stands in for it. */
Test(blocking, a_worker_that_is_one_thread_hands_its_calls_over)
{
	static const struct sched_source source = {.poll = poll_nobody, .one_thread = true};

	sched_set_source(&source);
	start(2);
	spawn(never_in_place, NULL, NULL);
	await_count(&done, 1);
	sched_stop();
	sched_set_source(NULL);
}
