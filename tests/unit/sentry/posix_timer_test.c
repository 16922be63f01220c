/* Timers: when they go off, what they count, and what ends them. */
#include "tests/unit/sentry/fake_tasks.h"
#include "sentry/posix_timer.h"
#include "sentry/posix_timer_internal.h"
#include <unistd.h>

#define HANDLER 0x1000

static struct task *t;
static struct posix_timer *pt;

static int sleep_on(struct task *self)
{
	while (!self->killed)
		fiber_park();
	return 0;
}

static void setup(void)
{
	struct clock c = {.kind = CLOCK_KIND_MONOTONIC, .id = CLOCK_MONOTONIC};
	tasks_setup();
	t = fake_process(NULL, sleep_on);
	run_all();
	t->blocked = SIGMASK(SIGUSR1);
	pt = posix_timer_alloc(t->group, &c);
	pt->notify = SIGEV_SIGNAL;
	pt->entry.info.si_signo = SIGUSR1;
	pt->entry.info.si_code = SI_TIMER;
}

static void teardown(void)
{
	posix_timer_kill(pt);
}

TestSuite(posix_timer, .init = setup, .fini = teardown);

static int take(siginfo_t *info)
{
	lock_guard(&t->group->siglock);
	return signal_dequeue_locked(t, ~0ULL, info);
}

/* In small steps: with a timer always due, the scheduler would never be idle. */
static void pass(u64 ns)
{
	u64 until = time_monotonic() + ns;
	while (time_monotonic() < until) {
		usleep(200);
		sched_run_until_idle(0);
	}
}

Test(posix_timer, once)
{
	siginfo_t info;
	u64 left, interval;
	posix_timer_set(pt, 20 * MSEC, 0, false);
	posix_timer_read(pt, &left, &interval);
	cr_assert(left > 10 * MSEC && left <= 20 * MSEC);
	cr_assert_eq(take(&info), 0);
	pass(30 * MSEC);
	cr_assert_eq(take(&info), SIGUSR1);
	cr_assert_eq(info.si_overrun, 0);
	posix_timer_read(pt, &left, &interval);
	cr_assert_eq(left, 0);
	pass(30 * MSEC);
	cr_assert_eq(take(&info), 0);
}

Test(posix_timer, overruns_are_counted_when_taken)
{
	siginfo_t info;
	posix_timer_set(pt, 5 * MSEC, 5 * MSEC, false);
	pass(52 * MSEC);
	cr_assert_eq(take(&info), SIGUSR1);
	cr_assert(info.si_overrun >= 8, "overrun %d", info.si_overrun);
	cr_assert_eq(pt->overrun, info.si_overrun);
	/* It has gone on from there. */
	cr_assert_eq(take(&info), 0);
	pass(12 * MSEC);
	cr_assert_eq(take(&info), SIGUSR1);
}

Test(posix_timer, new_setting_drops_the_old_signal)
{
	siginfo_t info;
	posix_timer_set(pt, MSEC, 0, false);
	pass(5 * MSEC);
	cr_assert_eq(signal_pending_set(t), SIGMASK(SIGUSR1));
	posix_timer_set(pt, 1000 * MSEC, 0, false);
	cr_assert_eq(take(&info), 0);
	posix_timer_set(pt, 0, 0, false);
	u64 left, interval;
	posix_timer_read(pt, &left, &interval);
	cr_assert_eq(left, 0);
}

Test(posix_timer, ignored_signal_does_not_stop_it)
{
	siginfo_t info;
	t->blocked = 0;
	set_action(t, SIGUSR1, KSIG_IGN, 0);
	posix_timer_set(pt, MSEC, MSEC, false);
	pass(10 * MSEC);
	cr_assert_eq(signal_pending_set(t), 0);
	set_action(t, SIGUSR1, HANDLER, 0);
	pass(10 * MSEC);
	cr_assert_eq(take(&info), SIGUSR1);
}

Test(posix_timer, absolute_in_the_past_is_due)
{
	siginfo_t info;
	posix_timer_set(pt, 1, 0, true);
	pass(MSEC);
	cr_assert_eq(take(&info), SIGUSR1);
}

Test(posix_timer, without_notification_it_only_counts_down)
{
	u64 left, interval;
	siginfo_t info;
	pt->notify = SIGEV_NONE;
	posix_timer_set(pt, 2 * MSEC, 10 * MSEC, false);
	pass(5 * MSEC);
	cr_assert_eq(take(&info), 0);
	posix_timer_read(pt, &left, &interval);
	cr_assert(left > 0 && left <= 10 * MSEC);
	cr_assert_eq(interval, 10 * MSEC);
}
