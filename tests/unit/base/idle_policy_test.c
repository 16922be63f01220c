/* The idle policy, as a pure function of what it is told. */
#include <criterion/criterion.h>
#include "base/idle_policy.h"
#include "tests/unit/base/support.h"

#define USEC 1000ULL

Test(idle_policy, never_spins_on_one_cpu)
{
	struct idle_policy p;

	idle_policy_init(&p, 1);
	idle_policy_slept(&p, USEC, 0);
	idle_policy_hit(&p, USEC);
	cr_assert_eq(idle_policy_budget(&p, 3600 * SEC), 0);
}

Test(idle_policy, stops_when_spins_find_nothing)
{
	struct idle_policy p;
	int spins = 0;

	idle_policy_init(&p, 4);
	for (; idle_policy_budget(&p, SEC); spins++)
		idle_policy_miss(&p);
	cr_assert(spins > 2 && spins < 20, "%d", spins);
}

Test(idle_policy, starts_again_after_short_sleeps_only)
{
	struct idle_policy p;

	idle_policy_init(&p, 4);
	while (idle_policy_budget(&p, SEC))
		idle_policy_miss(&p);
	idle_policy_slept(&p, 10 * MSEC, SEC);
	cr_assert_eq(idle_policy_budget(&p, SEC), 0);
	idle_policy_slept(&p, 50 * USEC, SEC);
	cr_assert_gt(idle_policy_budget(&p, SEC), 0);
}

Test(idle_policy, grows_with_late_hits_up_to_a_bound)
{
	struct idle_policy p;
	u64 first, last;

	idle_policy_init(&p, 4);
	first = idle_policy_budget(&p, SEC);
	idle_policy_hit(&p, 1);
	cr_assert_eq(idle_policy_budget(&p, SEC), first);
	for (int i = 0; i < 50; i++)
		idle_policy_hit(&p, idle_policy_budget(&p, SEC));
	last = idle_policy_budget(&p, SEC);
	cr_assert(last > first && last <= MSEC);
}

Test(idle_policy, is_careful_longer_each_time_it_is_preempted)
{
	struct idle_policy p;
	u64 now = SEC, careful = 0;

	idle_policy_init(&p, 4);
	cr_assert(!idle_policy_preempted(&p, now, now + USEC));
	for (int i = 0; i < 4; i++) {
		u64 start = now + MSEC;

		cr_assert(idle_policy_preempted(&p, now, start));
		for (now = start; idle_policy_budget(&p, now) <= 10 * USEC; now += 100 * USEC)
			;
		cr_assert_gt(now - start, careful);
		careful = now - start;
	}
}

Test(idle_policy, gives_up_when_careful_spins_are_in_vain)
{
	struct idle_policy p;
	u64 now = SEC;

	idle_policy_init(&p, 4);
	idle_policy_preempted(&p, now - MSEC, now);
	for (int i = 0; i < 20 && idle_policy_budget(&p, now); i++) {
		idle_policy_miss(&p);
		idle_policy_slept(&p, 20 * USEC, now);
	}
	cr_assert_eq(idle_policy_budget(&p, now), 0);
	/* Once that is over, it tries again. */
	now += SEC;
	idle_policy_slept(&p, 20 * USEC, now);
	cr_assert_gt(idle_policy_budget(&p, now), 10 * USEC);
}

Test(idle_policy, leaves_a_shared_cpu_less_often_when_that_does_not_last)
{
	struct idle_policy p;
	u64 now = SEC, stay = 0;

	idle_policy_init(&p, 2);
	cr_assert(idle_policy_may_move(&p, now));
	for (int i = 0; i < 4; i++) {
		u64 moved = now;

		cr_assert(idle_policy_moved(&p, now, now));
		cr_assert(!idle_policy_may_move(&p, now));
		while (!idle_policy_may_move(&p, now))
			now += 100 * USEC;
		cr_assert_geq(now - moved, stay);
		stay = now - moved + 1;
	}
	/* A long time without: a new reason. */
	now += 10 * SEC;
	cr_assert(idle_policy_moved(&p, now, now));
	cr_assert(idle_policy_may_move(&p, now + 2 * MSEC));
}

Test(idle_policy, keeps_off_the_cpu_it_left_but_not_for_ever)
{
	struct idle_policy p;

	idle_policy_init(&p, 2);
	cr_assert(!idle_policy_stays(&p, SEC));
	cr_assert(idle_policy_moved(&p, SEC, SEC + 20 * USEC));
	cr_assert(idle_policy_stays(&p, SEC + MSEC));
	cr_assert(!idle_policy_stays(&p, 2 * SEC));
}

Test(idle_policy, goes_back_from_where_others_have_work)
{
	struct idle_policy p;

	idle_policy_init(&p, 2);
	cr_assert(!idle_policy_moved(&p, SEC, SEC + 4 * MSEC));
	cr_assert(!idle_policy_may_move(&p, SEC + 50 * MSEC));
	cr_assert(idle_policy_may_move(&p, SEC + 500 * MSEC));
}

Test(idle_policy, has_nowhere_to_go_on_one_cpu)
{
	struct idle_policy p;

	idle_policy_init(&p, 1);
	cr_assert(!idle_policy_may_move(&p, SEC));
}

Test(idle_policy, forgets_on_a_new_cpu_that_it_was_preempted)
{
	struct idle_policy p;

	idle_policy_init(&p, 2);
	cr_assert(idle_policy_preempted(&p, SEC, SEC + MSEC));
	while (idle_policy_budget(&p, SEC + MSEC))
		idle_policy_miss(&p);
	(void)idle_policy_moved(&p, SEC + MSEC, SEC + MSEC);
	cr_assert_gt(idle_policy_budget(&p, SEC + MSEC), 10 * USEC);
}
