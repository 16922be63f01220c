/* Times from guests: what is refused, what saturates. */
#include <criterion/criterion.h>
#include "sentry/clock.h"
#include <errno.h>

Test(clock, timespec)
{
	u64 ns;
	cr_expect_eq(timespec_to_ns(&(struct timespec){1, 5}, &ns), 0);
	cr_expect_eq(ns, NSEC_PER_SEC + 5);
	cr_expect_eq(timespec_to_ns(&(struct timespec){-1, 0}, &ns), -EINVAL);
	cr_expect_eq(timespec_to_ns(&(struct timespec){0, -1}, &ns), -EINVAL);
	cr_expect_eq(timespec_to_ns(&(struct timespec){0, 1000000000}, &ns), -EINVAL);
	cr_expect_eq(timespec_to_ns(&(struct timespec){INT64_MAX, 999999999}, &ns), 0);
	cr_expect_eq(ns, NSEC_MAX);
}

Test(clock, timeval)
{
	u64 ns;
	cr_expect_eq(timeval_to_ns(&(struct timeval){2, 7}, &ns), 0);
	cr_expect_eq(ns, 2 * NSEC_PER_SEC + 7000);
	cr_expect_eq(timeval_to_ns(&(struct timeval){0, 1000000}, &ns), -EINVAL);
	cr_expect_eq(timeval_to_ns(&(struct timeval){0, -1}, &ns), -EINVAL);
	cr_expect_eq(timeval_to_ns(&(struct timeval){-1, 0}, &ns), -EINVAL);
}

Test(clock, there_and_back)
{
	struct timespec ts = ns_to_timespec(3 * NSEC_PER_SEC + 999999999);
	cr_expect(ts.tv_sec == 3 && ts.tv_nsec == 999999999);
	struct timeval tv = ns_to_timeval(3 * NSEC_PER_SEC + 999999999);
	cr_expect(tv.tv_sec == 3 && tv.tv_usec == 999999);
}
