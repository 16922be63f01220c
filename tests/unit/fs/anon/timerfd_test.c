/* timerfd: relative and absolute times, periods, settings, clocks. */
#include "tests/unit/fibers.h"
#include <linux/capability.h>
#include <sys/timerfd.h>
#include "fs/anon/timerfd.h"

TestSuite(timerfd, .init = guest_init, .fini = guest_fini, .timeout = 60);

static struct file *t;

static struct itimerspec spec(u64 value, u64 interval)
{
	return (struct itimerspec){
	    .it_value = {value / 1000000000, value % 1000000000},
	    .it_interval = {interval / 1000000000, interval % 1000000000},
	};
}

static u64 read_it(void)
{
	u64 v = 0;
	ssize_t n = take(t, &v, 8);

	return n == 8 ? v : (u64)n;
}

static void fires_body(void)
{
	struct itimerspec s = spec(5 * MSEC, 0), old;
	u64 start = time_monotonic();

	check(timerfd_open(CLOCK_MONOTONIC, TFD_CLOEXEC, &t) == 0);
	check(timerfd_set(t, 0, &s, NULL) == 0);
	check(timerfd_get(t, &old) == 0 && old.it_value.tv_nsec > 0 && !old.it_interval.tv_nsec);
	check(file_ready(t) == 0);
	check(read_it() == 1 && time_monotonic() - start >= 5 * MSEC);
	set_nonblock(t, true);
	check(read_it() == (u64)-EAGAIN);
	check(timerfd_get(t, &old) == 0 && old.it_value.tv_sec == 0 && old.it_value.tv_nsec == 0);
	/* Disarmed before it fires. */
	s = spec(1 * MSEC, 0);
	check(timerfd_set(t, 0, &s, NULL) == 0);
	s = spec(0, 0);
	check(timerfd_set(t, 0, &s, &old) == 0 && old.it_value.tv_nsec > 0);
	check(fiber_sleep(time_monotonic() + 5 * MSEC) == -ETIMEDOUT);
	check(read_it() == (u64)-EAGAIN);
	file_put(t);
}

Test(timerfd, fires_once)
{
	as_guest(fires_body);
}

static void periodic_body(void)
{
	struct itimerspec s = spec(2 * MSEC, 2 * MSEC), now;

	check(timerfd_open(CLOCK_BOOTTIME, TFD_NONBLOCK, &t) == 0);
	check(timerfd_set(t, 0, &s, NULL) == 0);
	check(fiber_sleep(time_monotonic() + 21 * MSEC) == -ETIMEDOUT);
	u64 n = read_it();
	check(n >= 10 && n < 1000);
	check(timerfd_get(t, &now) == 0);
	check(now.it_interval.tv_nsec == 2 * MSEC && now.it_value.tv_nsec <= (long)(2 * MSEC));
	set_nonblock(t, false);
	check(read_it() >= 1);
	file_put(t);
}

Test(timerfd, counts_periods)
{
	as_guest(periodic_body);
}

static void absolute_body(void)
{
	int clocks[] = {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME};
	u64 (*now[])(void) = {time_realtime, time_monotonic, time_boottime};

	for (int i = 0; i < 3; i++) {
		check(timerfd_open(clocks[i], 0, &t) == 0);
		struct itimerspec s = spec(now[i]() + 3 * MSEC, 0);
		check(timerfd_set(t, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &s, NULL) == 0);
		check(read_it() == 1);
		/* What has passed fires at once. */
		s = spec(1, 0);
		check(timerfd_set(t, TFD_TIMER_ABSTIME, &s, NULL) == 0 && read_it() == 1);
		/* What never comes does not overflow. */
		s.it_value.tv_sec = INT64_MAX;
		s.it_interval.tv_sec = INT64_MAX;
		check(timerfd_set(t, 0, &s, NULL) == 0);
		check(timerfd_set(t, TFD_TIMER_ABSTIME, &s, NULL) == 0);
		file_put(t);
	}
}

Test(timerfd, knows_the_clocks)
{
	as_guest(absolute_body);
}

static void refuses_body(void)
{
	struct itimerspec s = spec(1, 1);

	check(timerfd_open(CLOCK_THREAD_CPUTIME_ID, 0, &t) == -EINVAL);
	check(timerfd_open(CLOCK_MONOTONIC, 1, &t) == -EINVAL);
	struct cred *root = guest.cred;
	guest.cred = cred_create(1000, 1000, NULL, 0);
	check(timerfd_open(CLOCK_REALTIME_ALARM, 0, &t) == -EPERM);
	cred_put(guest.cred);
	guest.cred = root;
	check(timerfd_open(CLOCK_REALTIME_ALARM, 0, &t) == 0);
	s.it_value.tv_nsec = 1000000000;
	check(timerfd_set(t, 0, &s, NULL) == -EINVAL);
	s = spec(1, 1);
	check(timerfd_set(t, 4, &s, NULL) == -EINVAL);
	file_put(t);
}

Test(timerfd, refuses_nonsense)
{
	as_guest(refuses_body);
}
