/* Counts per user: limits, independence of users, and accounts that vanish when empty. */
#include <criterion/criterion.h>
#include "sentry/user_account.h"
#include <errno.h>

Test(user_account, limits)
{
	cr_expect_eq(user_charge(5, USER_TASKS, 2), 0);
	cr_expect_eq(user_charge(5, USER_TASKS, 2), 0);
	cr_expect_eq(user_charge(5, USER_TASKS, 2), -EAGAIN);
	/* Another user, and another resource, are not touched. */
	cr_expect_eq(user_charge(6, USER_TASKS, 1), 0);
	cr_expect_eq(user_charge(5, USER_SIGNALS, 1), 0);
	cr_expect_eq(user_count(5, USER_TASKS), 2);
	user_uncharge(5, USER_TASKS);
	cr_expect_eq(user_charge(5, USER_TASKS, 2), 0);
	cr_expect_eq(user_charge(7, USER_TASKS, 0), -EAGAIN);
	cr_expect_eq(user_count(7, USER_TASKS), 0);
}
