/* Timers: order, cancelling, callbacks. */
#include <criterion/criterion.h>
#include <pthread.h>
#include "tests/unit/base/support.h"

TestSuite(timer, .fini = assert_nothing_left, .timeout = 120);

#define MANY 5000

struct many {
	struct timer timer;
	u64 due;
};

static struct many many[MANY];
static u64 last_due;
static int fired;

static void in_order(struct timer *t)
{
	struct many *m = container_of(t, struct many, timer);

	check(m->due >= last_due && time_monotonic() >= m->due);
	last_due = m->due;
	fired++;
}

Test(timer, fire_in_order_of_their_deadlines)
{
	u64 base = time_monotonic();
	int cancelled = 0;

	srandom(1);
	for (int i = 0; i < MANY; i++) {
		timer_init(&many[i].timer, in_order);
		cr_assert_eq(timer_arm(&many[i].timer, base + (u64)random() % (20 * MSEC)), 0);
	}
	/* Re-arm all: this moves them up and down in the heap. Then take some out. */
	for (int i = 0; i < MANY; i++) {
		many[i].due = base + (u64)random() % (20 * MSEC);
		cr_assert_eq(timer_arm(&many[i].timer, many[i].due), 0);
	}
	for (int i = 0; i < MANY; i += 7, cancelled++)
		cr_assert(timer_cancel(&many[i].timer));
	sched_run_until_idle(SEC);
	cr_assert_eq(fired, MANY - cancelled);
	cr_assert(!timer_cancel(&many[1].timer));
	cr_assert_eq(timers_next(), NO_DEADLINE);
}

static void again(struct timer *t)
{
	check(!timer_cancel(t)); /* from within: neither armed nor waited for */
	if (++fired < 5)
		check(timer_arm(t, time_monotonic() + MSEC) == 0);
}

Test(timer, a_callback_may_rearm_its_timer)
{
	struct timer t;

	timer_init(&t, again);
	cr_assert_eq(timer_arm(&t, 0), 0);
	sched_run_until_idle(SEC);
	cr_assert_eq(fired, 5);
}

static void free_myself(struct timer *t)
{
	free(t);
	fired++;
}

Test(timer, a_callback_may_free_its_timer)
{
	struct timer *t = malloc(sizeof(*t));

	timer_init(t, free_myself);
	cr_assert_eq(timer_arm(t, 0), 0);
	sched_run_until_idle(SEC);
	cr_assert_eq(fired, 1);
}

static _Atomic int in_callback;

static void slow(struct timer *t)
{
	(void)t;
	in_callback = 1;
	sleep_ms(30);
	in_callback = 2;
}

Test(timer, cancel_waits_for_the_callback_but_disarm_does_not)
{
	struct timer t;

	sched_init(2, NULL);
	cr_assert_eq(sched_start(), 0);
	timer_init(&t, slow);
	cr_assert_eq(timer_arm(&t, 0), 0);
	await_count(&in_callback, 1);
	cr_assert(!timer_disarm(&t));
	cr_assert_eq(in_callback, 1);
	cr_assert(!timer_cancel(&t));
	cr_assert_eq(in_callback, 2);
	sched_stop();
}

static _Atomic u64 fired_at;

static void stamp(struct timer *t)
{
	(void)t;
	fired_at = time_monotonic();
}

Test(timer, an_earlier_timer_wakes_the_sleeping_workers)
{
	struct timer late, early;
	u64 start;

	sched_init(2, NULL);
	cr_assert_eq(sched_start(), 0);
	timer_init(&late, stamp);
	timer_init(&early, stamp);
	cr_assert_eq(timer_arm(&late, time_monotonic() + 3600 * SEC), 0);
	sleep_ms(100); /* all workers are asleep now, one of them for an hour */
	start = time_monotonic();
	cr_assert_eq(timer_arm(&early, start + 20 * MSEC), 0);
	while (!fired_at && time_monotonic() < start + 10 * SEC)
		sleep_ms(1);
	cr_assert_geq(fired_at, start + 20 * MSEC);
	cr_assert(timer_cancel(&late));
	sched_stop();
}

/* Threads that arm and cancel one timer each while workers run them. */

static void count_fired(struct timer *t)
{
	(void)t;
	in_callback++;
}

static void *arm_and_cancel(void *arg)
{
	struct timer t;

	timer_init(&t, count_fired);
	for (int i = 0; i < ROUNDS(20000); i++) {
		check(timer_arm(&t, time_monotonic() + (u64)(i % 40) * 1000) == 0);
		if (i % 3 == 0)
			timer_cancel(&t);
	}
	timer_cancel(&t);
	return arg;
}

Test(timer, arming_and_cancelling_may_race_with_workers)
{
	pthread_t t[3];

	sched_init(2, NULL);
	cr_assert_eq(sched_start(), 0);
	for (unsigned i = 0; i < array_size(t); i++)
		cr_assert_eq(pthread_create(&t[i], NULL, arm_and_cancel, NULL), 0);
	for (unsigned i = 0; i < array_size(t); i++)
		pthread_join(t[i], NULL);
	sched_stop();
	cr_assert_eq(timers_next(), NO_DEADLINE);
}

Test(timer, clocks_advance)
{
	u64 m = time_monotonic(), r = time_realtime(), b = time_boottime();

	sleep_ms(2);
	cr_assert(time_monotonic() > m && time_realtime() > r && time_boottime() > b);
}
